"""Flood depth from the water's edge and the ground beside it.

After FwDET (Cohen et al. 2018, 2019: a water surface carried in from the elevation of the flood's boundary),
with the boundary cleaned against its neighbours and the surface smoothed, which is what removes most of the
error on real depth references. The band is the spread of the boundary's own heights: depth is a class with a
band, not a measurement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import rasterio.warp
from rasterio.enums import Resampling
from rasterio.windows import Window
from scipy import ndimage
from scipy.spatial import cKDTree

from imagery.damage.legend import DEPTH_EDGES_M, DEPTHS
from imagery.damage.scene import GeoGrid, RasterOnGrid, open_raster
from imagery.errors import DamageError

Float = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

DEPTH_PIXEL_M = 1.0
LOWEST_WITHIN_M = 40.0
_LARGEST_CELLS = 16_000_000
_NEIGHBOURS = 24
_STEEPEST = 0.6
"""Boundary cells on steeper ground (rise over run) say little: a metre of misplacement is 60 cm of height."""
_LEVEL_QUANTILE = 0.6
"""Of the edge's heights around a place, the one that is taken for the level. The edge is often seen too low
(water under crowns, or taken for mud) and seldom too high."""
_MARK_QUANTILE = 0.9
"""The same for the edge of the flood's trace, which is patchy towards its rim."""
_SMALLEST_BODY_M2 = 20.0
_SMALLEST_SHORE_M2 = 400.0
_BAND_SIGMA = 1.28
"""Half width in sigmas of a band that holds 80 % of normal errors."""


@dataclass(frozen=True)
class HighWater:
    """The flood at its highest, as its trace shows it: `depth` over all that was under water then, and how
    far the water has fallen since where it still stands (median, None where that cannot be told). Mud stays
    below the highest level, seldom above: both are rather too small than too large."""

    depth: DepthMap
    trace_m2: float
    fallen_m: float | None


def dem_sigma_m(cell_m: float) -> float:
    """Height error (one sigma) taken for a DEM that does not state its own: laser scans of 1 m are good to
    0.15 m, the global models of 30 m to 1.6 (Copernicus GLO-30 promises 4 m at 90 % for absolute heights)."""
    return 0.1 + 0.05 * cell_m


@dataclass(frozen=True)
class DepthMap:
    """`depth_m` and `half_width_m` (of the 80 % band), (rows, cols) float32 on `grid`, NaN where dry,
    unseen or without DEM. `implausible_m2` is where the ground stands above the water's own level by more
    than the band: something else was taken for water there, or the DEM is wrong."""

    grid: GeoGrid
    depth_m: Float
    half_width_m: Float
    implausible_m2: float = 0.0

    def statistics(self) -> dict[str, float] | None:
        """Mean, 90th percentile, maximum and mean band in metres; None where no depth is known."""
        known = self.depth_m[np.isfinite(self.depth_m)]
        if known.size == 0:
            return None
        return {
            "mean": round(float(known.mean()), 3),
            "p90": round(float(np.percentile(known, 90)), 3),
            "max": round(float(known.max()), 3),
            "half_width_mean": round(float(np.nanmean(self.half_width_m)), 3),
            "implausible_m2": round(self.implausible_m2, 1),
        }

    def class_areas_m2(self) -> dict[str, float]:
        """Area per depth class."""
        codes = depth_class(self.depth_m)
        return {e.key: round(float((codes == e.code).sum()) * self.grid.cell_m2, 1) for e in DEPTHS}


def depth_class(depth_m: Float) -> npt.NDArray[np.uint8]:
    """Codes of legend.DEPTHS; 0 where no depth is known."""
    known = np.isfinite(depth_m)
    codes = np.digitize(np.where(known, depth_m, 0.0), DEPTH_EDGES_M)
    return np.where(known, np.clip(codes, 1, len(DEPTHS)), 0).astype(np.uint8)


def depth_grid(grid: GeoGrid, dem_pixel_m: float | None = None) -> GeoGrid:
    """Depth is worked out at a metre, or coarser where the area is too large for that."""
    pixel = max(DEPTH_PIXEL_M, math.sqrt(grid.cell_m2 * grid.width * grid.height / _LARGEST_CELLS))
    return grid.coarser(pixel)


def read_dem(path: Path, grid: GeoGrid) -> Float:
    """Heights on a grid, (rows, cols) float32 metres, NaN where the DEM says nothing.

    Raises DamageError when the DEM cannot be read or does not overlap the grid.
    """
    with RasterOnGrid(path, grid, "DEM", resampling=Resampling.bilinear) as source:
        values, valid = source.read(Window(0, 0, grid.width, grid.height), (1,))
    heights = np.where(valid & (np.abs(values[0]) < 1e4), values[0], np.nan).astype(np.float32)
    if not np.isfinite(heights).any():
        raise DamageError(f"{path}: the DEM does not overlap the mosaic; check the CRS of both")
    return heights


def dem_cell_m(path: Path, grid: GeoGrid) -> float:
    """Side of a cell of a DEM in metres on the ground.

    Raises DamageError when the DEM cannot be read.
    """
    with open_raster(path, "DEM") as source:
        west, south, east, north = rasterio.warp.transform_bounds(
            source.crs, grid.crs.to_wkt(), *source.bounds
        )
        return math.sqrt((east - west) * (north - south) / (source.width * source.height))


def relief_of(dem: Float, grid: GeoGrid) -> Float:
    """(2, rows, cols): height above the lowest ground within `LOWEST_WITHIN_M` (how far water would have to
    rise, after the idea of HAND), and slope. 0 where the DEM says nothing."""
    known = np.isfinite(dem)
    filled = np.where(known, dem, np.nanmax(dem)).astype(np.float32)
    smooth = cv2.GaussianBlur(filled, (0, 0), max(0.5, 1.5 / grid.pixel_m))
    side = 2 * max(1, round(LOWEST_WITHIN_M / grid.pixel_m)) + 1
    lowest = ndimage.minimum_filter1d(ndimage.minimum_filter1d(smooth, side, axis=0), side, axis=1)
    slope = np.hypot(*np.gradient(smooth, grid.pixel_m))
    relief = np.stack([np.minimum(smooth - lowest, 20.0), np.minimum(slope, 2.0)])
    return (relief * known).astype(np.float32)


def map_depth(
    water: Mask,
    dry: Mask,
    dem: Float,
    grid: GeoGrid,
    dem_cell_m: float | None = None,
    quantile: float = _LEVEL_QUANTILE,
) -> DepthMap:
    """Water depth over a DEM.

    Args:
        water: (rows, cols) cells under water.
        dry: cells seen to be dry: only where water meets these is its edge known.
        dem: (rows, cols) ground heights in metres, NaN where unknown.
        grid: of all three.
        dem_cell_m: the DEM's own cell, by which its error is judged; the grid's when None.
        quantile: of the edge's heights around a place, the one that is taken for the level.
    """
    known = np.isfinite(dem)
    bodies, count = ndimage.label(water, structure=np.ones((3, 3)))
    areas = np.bincount(bodies.ravel(), minlength=count + 1) * grid.cell_m2
    keep = areas >= _SMALLEST_BODY_M2
    keep[0] = False
    bodies[~keep[bodies]] = 0
    depth = np.full(dem.shape, np.nan, np.float32)
    band = np.full(dem.shape, np.nan, np.float32)
    edge_row, edge_col, edge_height = _edge(bodies > 0, _shores(dry, grid), dem, grid)
    if len(edge_height) < 4:
        return DepthMap(grid, depth, band)
    level, spread = _surface(bodies, edge_row, edge_col, edge_height, grid, quantile)
    wet = (bodies > 0) & known & np.isfinite(level)
    band[wet] = _BAND_SIGMA * np.hypot(spread[wet], dem_sigma_m(dem_cell_m or grid.pixel_m))
    depth[wet] = np.maximum(level[wet] - dem[wet], 0.0)
    implausible_m2 = float((level[wet] - dem[wet] < -band[wet]).sum()) * grid.cell_m2
    return DepthMap(grid, depth, band, implausible_m2)


def map_high_water(
    water: Mask, trace: Mask, dry: Mask, dem: Float, now: DepthMap, dem_cell_m: float | None = None
) -> HighWater | None:
    """The high-water mark: the edge of what the flood left its trace on. None where it left none.

    Args:
        water: (rows, cols) cells under water now.
        trace: cells with mud of the flood.
        dry: cells seen to have neither.
        dem: (rows, cols) ground heights in metres, NaN where unknown.
        now: the depth of `water`, on the grid of all.
        dem_cell_m: as of `map_depth`.
    """
    if not trace.any():
        return None
    depth = map_depth(water | trace, dry, dem, now.grid, dem_cell_m, _MARK_QUANTILE)
    both = (now.depth_m > 0) & (depth.depth_m > 0)
    fallen = float(np.median(depth.depth_m[both] - now.depth_m[both])) if both.any() else None
    return HighWater(depth, float(trace.sum()) * now.grid.cell_m2, fallen)


def _shores(dry: Mask, grid: GeoGrid) -> Mask:
    """Dry ground without its small islands: those are crowns and roofs that stand in the water."""
    islands, count = ndimage.label(dry)
    large = np.bincount(islands.ravel(), minlength=count + 1) * grid.cell_m2 >= _SMALLEST_SHORE_M2
    large[0] = False
    return np.asarray(large[islands])


def _edge(
    water: Mask, dry: Mask, dem: Float, grid: GeoGrid
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Rows, columns and heights of the water's edge: of water cells that touch dry ground which is not steep,
    the middle between the height of the one and that of the other."""
    known = np.isfinite(dem)
    filled = np.where(known, dem, np.nanmedian(dem)).astype(np.float32)
    smooth = cv2.GaussianBlur(filled, (0, 0), 1.0)
    slope = np.hypot(*np.gradient(smooth, grid.pixel_m))
    banks = (dry & known).astype(np.float32)
    count = cv2.boxFilter(banks, cv2.CV_32F, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    total = cv2.boxFilter(smooth * banks, cv2.CV_32F, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    row, col = np.nonzero(water & (count > 0.5) & known & (slope < _STEEPEST))
    middle = (smooth[row, col] + total[row, col] / count[row, col]) / 2
    return row, col, middle.astype(np.float64)


def _surface(
    bodies: npt.NDArray[np.int32],
    row: npt.NDArray[np.intp],
    col: npt.NDArray[np.intp],
    height: npt.NDArray[np.float64],
    grid: GeoGrid,
    quantile: float,
) -> tuple[Float, Float]:
    """Water level and its one-sigma spread on all cells of the bodies (NaN elsewhere)."""
    row, col, height = _without_outliers(row, col, height)
    level = np.full(bodies.shape, np.nan, np.float32)
    spread = np.full(bodies.shape, np.nan, np.float32)
    step = max(1, round(4.0 / grid.pixel_m))
    for body in np.unique(bodies[row, col]):
        own = bodies[row, col] == body
        _one_body(bodies == body, row[own], col[own], height[own], step, quantile, level, spread)
    return level, spread


def _without_outliers(
    row: npt.NDArray[np.intp], col: npt.NDArray[np.intp], height: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Drop edge cells whose height is at odds with the edge around them (trees, banks, misread cells)."""
    places = np.column_stack([row, col]).astype(float)
    k = min(_NEIGHBOURS, len(height))
    _, near = cKDTree(places).query(places, k=k)
    around = height[np.reshape(near, (len(height), k))]
    middle = np.median(around, axis=1)
    deviation = 1.4826 * np.median(np.abs(around - middle[:, None]), axis=1)
    keep = np.abs(height - middle) <= np.maximum(2.0 * deviation, 0.15)
    return row[keep], col[keep], height[keep]


def _one_body(
    inside: Mask,
    row: npt.NDArray[np.intp],
    col: npt.NDArray[np.intp],
    height: npt.NDArray[np.float64],
    step: int,
    quantile: float,
    level: Float,
    spread: Float,
) -> None:
    """Carry the edge's level into one body of water: nearest edge cells by inverse distance, on every
    `step`th cell, then smoothed and interpolated between."""
    if len(height) == 0:
        return
    rows, cols = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    top, left, bottom, right = rows[0], cols[0], rows[-1] + 1, cols[-1] + 1
    lattice = np.mgrid[top : bottom + step : step, left : right + step : step].astype(float)
    places = np.moveaxis(lattice, 0, -1).reshape(-1, 2)
    k = min(4 * _NEIGHBOURS, len(height))
    distance, near = cKDTree(np.column_stack([row, col]).astype(float)).query(places, k=k)
    distance, near = np.reshape(distance, (-1, k)), np.reshape(near, (-1, k))
    weight = 1.0 / (distance + 2.0 * step)
    weight /= weight.sum(axis=1, keepdims=True)
    around = height[near]
    mean = (weight * around).sum(axis=1)
    high = _quantile(around, weight, quantile)
    sigma = np.sqrt(np.maximum((weight * (around - mean[:, None]) ** 2).sum(axis=1), 0.0))
    shape = lattice.shape[1:]
    size = (shape[1] * step, shape[0] * step)
    for target, values in ((level, high), (spread, sigma)):
        coarse = cv2.GaussianBlur(values.reshape(shape).astype(np.float32), (0, 0), 4.0)
        # Lattice points are the corners of step x step cells: shift by half a step when enlarging.
        matrix = np.array([[step, 0.0, 0.0], [0.0, step, 0.0]], float)
        full = cv2.warpAffine(coarse, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        part = np.s_[top:bottom, left:right]
        target[part][inside[part]] = full[: bottom - top, : right - left][inside[part]]


def _quantile(
    heights: npt.NDArray[np.float64], weight: npt.NDArray[np.float64], quantile: float
) -> npt.NDArray[np.float64]:
    """(n,) the weighted quantile of (n, k) heights."""
    order = np.argsort(heights, axis=1)
    share = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    place = np.minimum((share < quantile).sum(axis=1), heights.shape[1] - 1)
    return np.asarray(np.take_along_axis(heights, order, axis=1)[np.arange(len(heights)), place])
