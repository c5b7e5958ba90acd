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

from imagery.damage.legend import DEPTH_EDGES_M, DEPTHS
from imagery.damage.scene import GeoGrid, RasterOnGrid, open_raster
from imagery.damage.water_surface import water_surface
from imagery.errors import DamageError

Float = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

DEPTH_PIXEL_M = 1.0
LOWEST_WITHIN_M = 40.0
_LARGEST_CELLS = 16_000_000
_LEVEL_QUANTILE = 0.6
"""Of the edge's heights around a place, the one that is taken for the level. The edge is often seen too low
(water under crowns, or taken for mud) and seldom too high."""
_MARK_QUANTILE = 0.9
"""The same for the edge of the flood's trace, which is patchy towards its rim."""
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
    cell_m = dem_cell_m or grid.pixel_m
    level, spread = water_surface(water, dry, dem, grid, cell_m, quantile)
    wet = np.isfinite(dem) & np.isfinite(level)
    depth = np.full(dem.shape, np.nan, np.float32)
    band = np.full(dem.shape, np.nan, np.float32)
    band[wet] = _BAND_SIGMA * np.hypot(spread[wet], dem_sigma_m(cell_m))
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
