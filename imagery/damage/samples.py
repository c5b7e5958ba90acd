"""Painted samples: which ground the analyst calls what."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rasterio.features import rasterize
from rasterio.windows import Window
from shapely import Geometry, box

from imagery.damage.legend import CLASSES, Entry, Legend
from imagery.damage.own_classes import OwnClasses, meant
from imagery.damage.scene import GeoGrid
from imagery.damage.vector_in import read_layer
from imagery.errors import DamageError

_KINDS = ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon")
STROKE_RADIUS_M = 0.3
"""Half the width that a point or a line stands for, unless the file says `width_m`."""


@dataclass(frozen=True)
class Stroke:
    """One painted sample: its area in the work CRS and its class."""

    area: Geometry
    code: int


@dataclass(frozen=True)
class Samples:
    """All strokes that touch the mosaic."""

    strokes: tuple[Stroke, ...]
    source: str
    legend: Legend = field(default_factory=Legend)

    @property
    def codes(self) -> tuple[int, ...]:
        """The classes painted, ascending."""
        return tuple(sorted({stroke.code for stroke in self.strokes}))

    def counts(self) -> dict[str, int]:
        """Strokes per class name."""
        return {self.legend[c].key: sum(s.code == c for s in self.strokes) for c in self.codes}

    @property
    def own(self) -> tuple[Entry, ...]:
        """The classes of one's own among them."""
        return tuple(entry for entry in self.legend.own if entry.code in self.codes)

    def notes(self) -> list[str]:
        """What the analyst should know about the names of classes: a slip of the pen makes a class."""
        found = []
        if self.own:
            told = ", ".join(f"{entry.name_en} (code {entry.code})" for entry in self.own)
            found.append(f"Classes of your own: {told}.")
        for entry in self.own:
            likely = meant(entry.name_en)
            if likely:
                found.append(f"Is a class of your own a slip of the pen: {entry.name_en}, for {likely}?")
        return found

    def burn(self, grid: GeoGrid, window: Window) -> npt.NDArray[np.int32]:
        """(rows, cols) stroke number + 1 in a window, 0 where nothing is painted."""
        transform = grid.window_transform(window)
        west, north = transform.c, transform.f
        extent = box(west, north + transform.e * window.height, west + transform.a * window.width, north)
        shapes = [(s.area, i + 1) for i, s in enumerate(self.strokes) if s.area.intersects(extent)]
        shape = (int(window.height), int(window.width))
        if not shapes:
            return np.zeros(shape, np.int32)
        return rasterize(shapes, out_shape=shape, transform=transform, fill=0, dtype="int32")


def read_samples(path: Path, grid: GeoGrid, own: OwnClasses | None = None) -> Samples:
    """Read a vector file whose `class` attribute names classes of the legend, or, where there is a place for
    them, of one's own.

    Raises DamageError for a class that is unknown or no name, for fewer than two classes, and when no sample
    lies on the mosaic.
    """
    layer = read_layer(path, grid.crs, "samples", kinds=_KINDS, with_field="class")
    names = layer.field(("class",))
    assert names is not None
    widths = layer.field(("width_m",))
    legend = own.legend() if own else Legend()
    strokes = []
    for index, geometry in enumerate(layer.geometries):
        area = geometry
        if geometry.geom_type not in ("Polygon", "MultiPolygon"):
            width = float(widths[index]) if widths is not None else np.nan
            radius = width / 2 if np.isfinite(width) and width > 0 else STROKE_RADIUS_M
            area = geometry.buffer(max(radius, 0.71 * grid.pixel_m))
        if not area.intersects(grid.outline):
            continue
        code = legend.code(names[index])
        if code is None:
            legend, code = _new_class(path, names[index], own)
        strokes.append(Stroke(area, code))
    if not strokes:
        raise DamageError(f"{path}: no sample lies on the mosaic; check the CRS of both")
    samples = Samples(tuple(strokes), str(path), legend)
    if len(samples.codes) < 2:
        only = legend[samples.codes[0]].key
        raise DamageError(f"{path}: all samples on the mosaic are '{only}'; paint at least one other class")
    return samples


def _new_class(path: Path, name: object, own: OwnClasses | None) -> tuple[Legend, int]:
    if own is None:
        known = ", ".join(entry.key for entry in CLASSES[1:])
        raise DamageError(f"{path}: unknown class '{name}' in the samples; use one of: {known}")
    try:
        return own.with_class(name)
    except DamageError as error:
        raise DamageError(f"{path}: {error}") from error
