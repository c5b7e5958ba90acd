"""From a mosaic to damage rasters, on record in the mission folder when the output lies in one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyogrio
import pyogrio.raw
import pyproj
import shapely

from imagery.damage import DamageOptions, DamageReport, map_damage
from missionctl import geopackage
from missionctl.jobs import OnProgress, job
from missionctl.services.decisions import decisions_of
from missionctl.workspace import Workspace, find_workspace

_INPUT_OF_OPTION = {
    "before": "before_ortho",
    "dem": "dem",
    "footprints": "footprints",
    "roads": "roads",
    "townships": "townships",
    "population": "population",
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
    if workspace:
        options = replace(_with_inputs(workspace, options), decisions=decisions_of(workspace))
    with job(workspace, "damage", on_progress, mosaic=str(mosaic), out=str(out_dir)) as advance:
        report = map_damage(mosaic, out_dir, options, advance)
    if workspace:
        _record(workspace, out_dir)
    return report


def _with_inputs(workspace: Workspace, options: DamageOptions) -> DamageOptions:
    found: dict[str, Any] = {
        option: workspace.input(name)
        for option, name in _INPUT_OF_OPTION.items()
        if getattr(options, option) is None
    }
    return replace(options, own_classes=options.own_classes or workspace.path / "classes", **found)


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
