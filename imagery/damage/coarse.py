"""Shares of classes on a coarser grid, and outlines of areas from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from rasterio.features import shapes
from rasterio.windows import Window
from scipy import ndimage
from shapely import Geometry
from shapely.geometry import shape

from imagery.damage.legend import shows_ground
from imagery.damage.scene import GeoGrid


def class_shares(
    path: Path, grid: GeoGrid, coarse: GeoGrid, codes: Sequence[int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Of each coarse cell: the share covered by `codes`, and the share where any ground is seen.

    `coarse` must be `grid.coarser(...)`. Reads the raster strip by strip.
    """
    step = round(coarse.pixel_m / grid.pixel_m)
    wanted = np.zeros(256, np.float32)
    wanted[list(codes)] = 1.0
    share = np.zeros((coarse.height, coarse.width), np.float32)
    seen = np.zeros_like(share)
    rows_at_once = max(1, 1024 // step)
    with rasterio.open(path) as source:
        for top in range(0, coarse.height, rows_at_once):
            count = min(rows_at_once, coarse.height - top)
            fine = np.zeros((count * step, coarse.width * step), np.uint8)
            height = min(count * step, grid.height - top * step)
            fine[:height, : grid.width] = source.read(1, window=Window(0, top * step, grid.width, height))
            cells = fine.reshape(count, step, coarse.width, step)
            share[top : top + count] = wanted[cells].mean(axis=(1, 3))
            seen[top : top + count] = shows_ground(cells).mean(axis=(1, 3), dtype=np.float32)
    return share, seen


def outlines(mask: npt.NDArray[np.bool_], grid: GeoGrid, smallest_m2: float) -> list[Geometry]:
    """Polygons of a mask's connected areas, holes and parts below `smallest_m2` dropped, corners rounded
    to within a cell."""
    found = []
    least = smallest_m2 / grid.cell_m2
    mask = _without_specks(mask, least, np.ones((3, 3), bool))  # as areas a million specks take gigabytes
    outside = np.pad(~mask, 1, constant_values=True)  # what opens to the rim is no hole
    mask = ~_without_specks(outside, least, None)[1:-1, 1:-1]
    for geometry, _ in shapes(mask.astype(np.uint8), mask=mask, transform=grid.transform, connectivity=8):
        polygon = shape(geometry)
        if polygon.area < smallest_m2:
            continue
        holes = [ring for ring in polygon.interiors if shapely.Polygon(ring).area >= smallest_m2]
        simple = shapely.Polygon(polygon.exterior, holes).simplify(0.7 * grid.pixel_m)
        simple = simple if simple.is_valid else shapely.make_valid(simple)
        found += [part for part in shapely.get_parts(simple) if part.geom_type == "Polygon"]
    return sorted(found, key=lambda polygon: -polygon.area)


def _without_specks(
    mask: npt.NDArray[np.bool_], least_cells: float, joined: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_]:
    """A mask without connected areas of fewer cells; `joined`: which neighbours connect (None: four)."""
    numbers, _ = ndimage.label(mask, structure=joined)
    large = np.bincount(numbers.ravel()) >= least_cells
    large[0] = False
    return np.asarray(large[numbers])
