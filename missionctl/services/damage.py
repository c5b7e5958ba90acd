"""From a mosaic to damage rasters, on record in the mission folder when the output lies in one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyogrio.raw
import pyproj
import shapely

from imagery.damage import DamageOptions, DamageReport, map_damage
from imagery.damage.own_classes import OwnClasses
from imagery.damage.preview import LivePreview, bounds_of_degrees
from imagery.damage.samples import read_samples
from imagery.damage.statistics import class_areas
from imagery.errors import DamageError
from imagery.raster_io import write_cog
from missionctl import geopackage
from missionctl.jobs import OnProgress, job
from missionctl.services.decisions import decisions_of
from missionctl.services.verified import show as show_verified
from missionctl.workspace import Workspace, find_workspace

_INPUT_OF_OPTION = {
    "before": "before_ortho",
    "dem": "dem",
    "footprints": "footprints",
    "roads": "roads",
    "townships": "townships",
    "county": "county",
    "land_use": "land_use",
    "population": "population",
    "rivers": "rivers",
    "villages": "villages",
    "safe": "safe",
    "samples": "samples",
}


def damage_from_mosaic(
    mosaic: Path, out_dir: Path, options: DamageOptions, on_progress: OnProgress
) -> DamageReport:
    """Make the damage rasters of a mosaic.

    Inside a mission folder its inputs are taken where none are named, and the graded objects are stored.
    """
    workspace = find_workspace(out_dir.parent)
    options = replace(options, own_classes=_own_classes(workspace, out_dir))
    if workspace:
        options = replace(
            _with_inputs(workspace, options),
            decisions=decisions_of(workspace),
            earlier=options.earlier or damage_folders(workspace),
        )
    with job(workspace, "damage", on_progress, mosaic=str(mosaic), out=str(out_dir)) as advance:
        report = map_damage(mosaic, out_dir, options, advance)
    if workspace:
        _record(workspace, out_dir)
        show_verified(workspace, out_dir)
    return report


def damage_folders(workspace: Workspace) -> tuple[Path, ...]:
    """The folders of a mission that hold a damage report."""
    return tuple(sorted(path.parent for path in (workspace.path / "damage").glob("*/report.json")))


def preview_damage(
    mosaic: Path, out_dir: Path, samples: Path | None, degrees: tuple[float, float, float, float]
) -> dict[str, Any]:
    """Classes of a window (WGS84 west, south, east, north) in `out_dir`/preview.tif: what the strokes make of
    it so far. Inside a mission folder its samples are taken when none are named; nothing else is touched.

    Raises DamageError when there are no samples, they do not suffice, or the window misses the mosaic.
    """
    workspace = find_workspace(out_dir.parent)
    samples = samples or (workspace.input("samples") if workspace else None)
    if samples is None:
        raise DamageError(f"{mosaic}: a preview shows what samples make of it; give --samples")
    live = LivePreview(mosaic)
    own = OwnClasses(_own_classes(workspace, out_dir))
    strokes = read_samples(samples, live.grid, own)
    seen = live.show(strokes, bounds_of_degrees(degrees, live.grid))
    legend = strokes.legend.entries
    path = out_dir / "preview.tif"
    write_cog(
        path, seen.classes, seen.grid.transform, seen.grid.crs, nodata=0,
        colormap={e.code: e.colour for e in legend}, names={e.code: e.name_en for e in legend},
        tags={"NOTICE": "Preview of a part, from the picture alone", "SAMPLES": samples.name},
    )  # fmt: skip
    counts = dict(enumerate(np.bincount(seen.classes.ravel()).tolist()))
    sure = seen.confidence[seen.classes > 0]
    return {
        "preview": str(path),
        "pixel_m": seen.grid.pixel_m,
        "classes": class_areas(counts, seen.grid, legend),
        "confidence_mean": round(float(sure.mean()) / 100, 3) if sure.size else 0.0,
        "samples": strokes.counts(),
        "notes": strokes.notes(),
    }


def _own_classes(workspace: Workspace | None, out_dir: Path) -> Path:
    """Where the analysts' own classes are kept."""
    return workspace.path / "classes" if workspace else out_dir / "samples" / "classes"


def _with_inputs(workspace: Workspace, options: DamageOptions) -> DamageOptions:
    found: dict[str, Any] = {
        option: workspace.input(name)
        for option, name in _INPUT_OF_OPTION.items()
        if getattr(options, option) is None
    }
    return replace(options, **found)


def _record(workspace: Workspace, out_dir: Path) -> None:
    run = out_dir.name
    geopackage.delete_where(workspace.store, "damage", "run", run)
    store = out_dir / "damage.gpkg"
    rows: list[tuple[Any, dict[str, Any]]] = []
    if store.exists():
        for layer, geometry_type in pyogrio.list_layers(store):
            if geometry_type is not None:  # its styles are a table without geometries
                rows += _rows_of(store, str(layer), run)
    workspace.add("damage", rows)
    workspace.log("damage mapped", run=run, objects=len(rows))


def _rows_of(store: Path, layer: str, run: str) -> list[tuple[Any, dict[str, Any]]]:
    meta, _, geometries, columns = pyogrio.raw.read(store, layer=layer)
    if geometries is None:
        return []
    to_wgs84 = pyproj.Transformer.from_crs(meta["crs"], "EPSG:4326", always_xy=True).transform
    names = list(meta["fields"])
    rows: list[tuple[Any, dict[str, Any]]] = []
    for number, wkb in enumerate(geometries):
        if wkb is None:
            continue
        values = {name: _plain(columns[i][number]) for i, name in enumerate(names)}
        grade = next((str(values[k]) for k in ("grade", "state", "class") if values.get(k)), "")
        rows.append(
            (
                shapely.transform(shapely.from_wkb(wkb), to_wgs84, interleaved=False),
                {
                    "kind": layer,
                    "source_id": str(values.get("id", number)),
                    "grade": grade,
                    "detail_json": json.dumps(values, ensure_ascii=False, default=str),
                    "run": run,
                },
            )
        )
    return rows


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and value != value else value
