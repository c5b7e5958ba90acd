"""How well a class raster agrees with a truth raster of the same codes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
from affine import Affine
from rasterio.enums import Resampling

from imagery.damage.legend import CLASSES, Entry
from imagery.damage.scene import GeoGrid, RasterOnGrid, open_raster
from imagery.errors import DamageError


@dataclass(frozen=True)
class Score:
    """Agreement over the cells that both rasters have a class for (not 0)."""

    iou: dict[str, float]
    """Intersection over union of each class that occurs in either."""
    accuracy: float
    compared_m2: float


def score(raster: Path, truth: Path, legend: tuple[Entry, ...] = CLASSES) -> Score:
    """Compare a class raster with the truth, brought onto its grid by nearest neighbour.

    Raises DamageError when one cannot be read or they share no analysed cell.
    """
    with open_raster(raster, "class raster") as source:
        crs = pyproj.CRS(source.crs.to_wkt())
        grid = GeoGrid(crs, Affine(*source.transform[:6]), source.width, source.height)
    size = max(entry.code for entry in legend) + 1
    table = np.zeros((size, size), np.int64)
    with (
        RasterOnGrid(raster, grid, "class raster", resampling=Resampling.nearest) as mapped,
        RasterOnGrid(truth, grid, "truth raster", resampling=Resampling.nearest) as known,
    ):
        for window in grid.blocks():
            said, _ = mapped.read(window, (1,))
            true, valid = known.read(window, (1,))
            pairs = (true[0].astype(np.int64), said[0].astype(np.int64))
            both = valid & (pairs[0] > 0) & (pairs[1] > 0) & (pairs[0] < size) & (pairs[1] < size)
            flat = pairs[0][both] * size + pairs[1][both]
            table += np.bincount(flat, minlength=size * size).reshape(size, size)
    total = int(table.sum())
    if total == 0:
        raise DamageError(f"{raster}: shares no analysed cell with {truth}; check the CRS of both")
    iou = {}
    for entry in legend:
        union = table[entry.code].sum() + table[:, entry.code].sum() - table[entry.code, entry.code]
        if entry.code and union:
            iou[entry.key] = round(float(table[entry.code, entry.code] / union), 4)
    return Score(iou, round(float(np.trace(table) / total), 4), round(total * grid.cell_m2, 1))
