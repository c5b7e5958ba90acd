"""Strokes that an analyst paints in the app: an immutable value, kept as GeoJSON in the mission folder, where
`missionctl damage` finds them as its samples."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyogrio
import pyogrio.raw
import pyproj
import shapely
from shapely import Geometry
from shapely.geometry import mapping, shape

from imagery.damage.legend import Legend
from missionctl.errors import WorkspaceError
from missionctl.workspace import Workspace

PAINTED = "samples/painted.geojson"


@dataclass(frozen=True)
class PaintedStroke:
    """Ground that somebody calls by a class's name (a key of the legend, or one's own word): a point, line or
    polygon in lon/lat degrees. Points and lines are `width_m` wide."""

    name: str
    geometry: Geometry
    width_m: float | None = None


@dataclass(frozen=True)
class Strokes:
    """All strokes of a mission, oldest first."""

    strokes: tuple[PaintedStroke, ...] = ()

    def with_stroke(self, stroke: PaintedStroke) -> Strokes:
        """One more."""
        return replace(self, strokes=(*self.strokes, stroke))

    def without(self, index: int) -> Strokes:
        """One less."""
        return replace(self, strokes=(*self.strokes[:index], *self.strokes[index + 1 :]))

    def counts(self) -> dict[str, int]:
        """Strokes for each name, in the order in which the names were first used."""
        names = [stroke.name for stroke in self.strokes]
        return {name: names.count(name) for name in dict.fromkeys(names)}


def read_strokes(workspace: Workspace) -> Strokes:
    """The strokes that the mission's `samples` hold, whatever file they are in; none is no stroke.

    Raises WorkspaceError when the file cannot be read.
    """
    file = workspace.input("samples")
    return Strokes() if file is None else _read(file)


def keep_strokes(workspace: Workspace, strokes: Strokes) -> Path:
    """Put strokes on disk, whole and lasting when this returns, and name the file as the mission's samples. A
    file of samples that came from elsewhere is left as it is.

    Raises WorkspaceError when it cannot be.
    """
    file = workspace.path / PAINTED
    beside = file.with_name(f".{file.name}.part")
    features = [
        {
            "type": "Feature",
            "properties": {"class": stroke.name, "width_m": stroke.width_m},
            "geometry": mapping(stroke.geometry),
        }
        for stroke in strokes.strokes
    ]
    try:
        file.parent.mkdir(exist_ok=True)
        with beside.open("w", encoding="utf-8") as out:
            json.dump({"type": "FeatureCollection", "features": features}, out, ensure_ascii=False)
            out.flush()
            os.fsync(out.fileno())
        os.replace(beside, file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise WorkspaceError(f"{file}: strokes cannot be kept ({error.strerror})") from None
    if workspace.config.inputs.get("samples") != PAINTED:
        workspace.set_input("samples", file)
    return file


def same_class(name: str, legend: Legend) -> str:
    """The key of the legend's class that a name means, or the name itself where it means none."""
    code = legend.code(name)
    return name if code is None else legend[code].key


def _read(file: Path) -> Strokes:
    try:
        if file.suffix == ".geojson":  # ours: no other reader is needed, and none is slower to start
            found = json.loads(file.read_text(encoding="utf-8"))["features"]
            return Strokes(tuple(_stroke(shape(f["geometry"]), f["properties"]) for f in found))
        meta, _, wkb, columns = pyogrio.raw.read(file)
        names = [str(name) for name in meta["fields"]]
        turn = pyproj.Transformer.from_crs(meta["crs"] or 4326, 4326, always_xy=True).transform
        rows = [{n: columns[i][row] for i, n in enumerate(names)} for row in range(len(wkb))]
        shapes = [
            shapely.force_2d(shapely.transform(shapely.from_wkb(w), turn, interleaved=False)) for w in wkb
        ]
        return Strokes(tuple(_stroke(g, values) for g, values in zip(shapes, rows, strict=True)))
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        pyogrio.errors.DataSourceError,
        shapely.errors.ShapelyError,
    ) as error:
        raise WorkspaceError(f"{file}: strokes cannot be read ({error}); mend or remove it") from None


def _stroke(geometry: Geometry, values: Any) -> PaintedStroke:
    width = values.get("width_m")
    wide = None if width is None or width != width or width <= 0 else float(width)
    return PaintedStroke(str(values["class"]), geometry, wide)
