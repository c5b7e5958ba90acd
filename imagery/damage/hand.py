"""Height above the nearest drainage (HAND, Renno et al. 2008, Nobre et al. 2011): is water where it can be?

Depressions are filled and flow is led by priority flood (Barnes et al. 2014): cells are taken from the edge
of the DEM, lowest first, and each drains to the neighbour that took it in. What enough ground drains through
is drainage; a cell's HAND is its height over the drainage that its water reaches. It judges water that lies
far from any edge and roofs or roads on a slope that look like water: such water is marked, never removed.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.features import rasterize
from scipy import ndimage
from shapely import Geometry

from imagery.damage.depth import read_dem
from imagery.damage.scene import GeoGrid, with_size

Float = npt.NDArray[np.float32]

DRAINAGE_M2 = 200_000.0
"""Ground that drains through a cell from which on it is taken for drainage."""
HIGH_M = 15.0
"""So far above its drainage stands no flood, only a basin."""
_BASIN_M = 0.3
"""Ground so far below its spill holds water of its own."""
_BASIN_SHARE = 0.3
_MARGIN_M = 1500.0
_FINEST_M = 5.0
_MOST_CELLS = 250_000
_NEIGHBOURS = ((-1, 0), (0, -1), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))


@dataclass(frozen=True)
class Drainage:
    """(rows, cols) on `grid`: height above drainage in metres, NaN where the way of water leaves the DEM
    before it meets any; how far the ground lies below its spill; what is drainage."""

    grid: GeoGrid
    hand_m: Float
    basin_m: Float
    drains: npt.NDArray[np.bool_]

    @property
    def known_share(self) -> float:
        """Share of the cells whose height above drainage is known."""
        return float(np.isfinite(self.hand_m).mean())


@dataclass(frozen=True)
class Above:
    """A body of water: median height above its drainage (None where unknown), and whether it stands too high
    for a flood without lying in a basin."""

    hand_m: float | None
    implausible: bool


def drainage_grid(grid: GeoGrid) -> GeoGrid:
    """The map's ground and 1.5 km around it, in cells of 5 m or what keeps them few."""
    west, south, east, north = grid.bounds
    width_m, height_m = east - west + 2 * _MARGIN_M, north - south + 2 * _MARGIN_M
    side = max(_FINEST_M, math.sqrt(width_m * height_m / _MOST_CELLS))
    corner = Affine(side, 0, west - _MARGIN_M, 0, -side, north + _MARGIN_M)
    cells = GeoGrid(grid.crs, corner, 1, 1)
    return with_size(cells, math.ceil(width_m / side), math.ceil(height_m / side))


def read_drainage(dem: Path, grid: GeoGrid) -> Drainage:
    """The drainage of a map's ground by a DEM file.

    Raises DamageError when the DEM cannot be read or lies elsewhere.
    """
    cells = drainage_grid(grid)
    return drainage(read_dem(dem, cells), cells)


def drainage(dem: Float, grid: GeoGrid, least_m2: float = DRAINAGE_M2) -> Drainage:
    """Drainage and height above it.

    Args:
        dem: (rows, cols) ground heights in metres, NaN where unknown.
        grid: of the DEM, square metric cells.
        least_m2: ground that must drain through a cell of drainage.
    """
    filled, parent, order = _flooded(dem)
    flat = dem.ravel().astype(np.float64)
    gathered = np.where(np.isfinite(flat), grid.cell_m2, 0.0)
    for cell in reversed(order):
        if parent[cell] >= 0:
            gathered[parent[cell]] += gathered[cell]
    drains = (gathered >= least_m2) & np.isfinite(flat)
    base = np.full(flat.size, np.nan)
    for cell in order:
        if drains[cell]:
            base[cell] = flat[cell]
        elif parent[cell] >= 0:
            base[cell] = base[parent[cell]]
    hand = np.maximum(flat - base, 0.0)
    shape = dem.shape
    basin = (filled - flat).reshape(shape)
    return Drainage(
        grid, hand.reshape(shape).astype(np.float32), basin.astype(np.float32), drains.reshape(shape)
    )


def _flooded(dem: Float) -> tuple[npt.NDArray[np.float64], list[int], list[int]]:
    """Filled heights, the cell that each drains to (-1 at the edge), and the cells from the edge inward."""
    rows, cols = dem.shape
    known = np.isfinite(dem)
    inner = ndimage.binary_erosion(known, np.ones((3, 3)))
    # A rim of unknown cells saves a question about the edge at every step.
    height = np.full((rows + 2, cols + 2), np.nan)
    height[1:-1, 1:-1] = dem
    wide = cols + 2
    level = height.ravel().tolist()
    done = (~np.isfinite(height)).ravel().tolist()
    parent = [-1] * len(level)
    order: list[int] = []
    heap: list[tuple[float, int]] = []
    for row, col in np.argwhere(known & ~inner).tolist():
        cell = (row + 1) * wide + col + 1
        done[cell] = True
        heap.append((level[cell], cell))
    heapq.heapify(heap)
    steps = [dr * wide + dc for dr, dc in _NEIGHBOURS]
    while heap:
        at, cell = heapq.heappop(heap)
        order.append(cell)
        for step in steps:
            near = cell + step
            if not done[near]:
                done[near] = True
                parent[near] = cell
                if level[near] < at:
                    level[near] = at
                heapq.heappush(heap, (level[near], near))
    index = np.arange((rows + 2) * wide).reshape(rows + 2, wide)
    back = np.full(index.size, -1)
    back[index[1:-1, 1:-1].ravel()] = np.arange(rows * cols)
    filled = np.array(level).reshape(rows + 2, wide)[1:-1, 1:-1].ravel()
    up = np.array(parent).reshape(rows + 2, wide)[1:-1, 1:-1].ravel()
    return filled, np.where(up >= 0, back[up], -1).tolist(), back[order].tolist()


def above_drainage(bodies: Sequence[Geometry], found: Drainage) -> tuple[Above, ...]:
    """How high bodies of water (polygons in the grid's CRS) stand above their drainage."""
    if not bodies:
        return ()
    grid = found.grid
    shape = found.hand_m.shape
    numbered = [(body, number) for number, body in enumerate(bodies, start=1)]
    # Larger ones first: of bodies that share a cell, the smaller keeps it.
    numbered.sort(key=lambda pair: -pair[0].area)
    labels = rasterize(numbered, out_shape=shape, transform=grid.transform, dtype="int32", all_touched=True)
    known = np.isfinite(found.hand_m)
    numbers = np.arange(1, len(bodies) + 1)
    median = ndimage.median(found.hand_m, np.where(known, labels, 0), numbers)
    counts = np.bincount(labels[known], minlength=len(bodies) + 1)[1:]
    basin = ndimage.mean(found.basin_m > _BASIN_M, labels, numbers)
    return tuple(
        Above(float(height), bool(height > HIGH_M and share < _BASIN_SHARE)) if count else Above(None, False)
        for height, count, share in zip(median, counts, np.nan_to_num(basin), strict=True)
    )
