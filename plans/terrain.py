"""Ground heights in the local frame, from any raster that rasterio opens."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from rasterio import Affine
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.warp import Resampling, reproject, transform_bounds
from shapely import Geometry

from plans.errors import TerrainError
from plans.frames import FloatArray, LocalFrame

_MAX_CELLS = 36_000_000
_LOWEST_M, _HIGHEST_M = -1_000.0, 9_500.0  # open pits below the Dead Sea, and Everest, with room


@dataclass(frozen=True, eq=False)
class Terrain:
    """A height grid in metres AMSL.

    `heights_m` has shape (rows north to south, columns west to east); NaN where no height is known. Cells
    are areas: (west_m, north_m) is the outer corner of the north-west cell and its height stands at the
    cell's middle, half a step further in.
    """

    frame: LocalFrame
    west_m: float
    north_m: float
    step_m: float
    heights_m: npt.NDArray[np.floating]
    source: str = "terrain"

    def at(self, east_m: npt.ArrayLike, north_m: npt.ArrayLike) -> FloatArray:
        """Heights (AMSL, metres) at places, bilinear, same shape as the inputs; NaN outside the grid."""
        east, north = np.broadcast_arrays(np.asarray(east_m, float), np.asarray(north_m, float))
        rows, cols = self.heights_m.shape
        c = (east - self.west_m) / self.step_m - 0.5
        r = (self.north_m - north) / self.step_m - 0.5
        inside = (c >= -0.5) & (c <= cols - 0.5) & (r >= -0.5) & (r <= rows - 0.5)
        c = np.clip(np.where(inside, c, 0.0), 0.0, cols - 1.0)
        r = np.clip(np.where(inside, r, 0.0), 0.0, rows - 1.0)
        c0 = np.minimum(c.astype(np.int64), max(cols - 2, 0))
        r0 = np.minimum(r.astype(np.int64), max(rows - 2, 0))
        c1, r1 = np.minimum(c0 + 1, cols - 1), np.minimum(r0 + 1, rows - 1)
        fc, fr = c - c0, r - r0
        h = self.heights_m
        top = _mix(h[r0, c0], h[r0, c1], fc)
        bottom = _mix(h[r1, c0], h[r1, c1], fc)
        return np.where(inside, _mix(top, bottom, fr), np.nan)

    @cached_property
    def is_level(self) -> bool:
        """Whether the ground is known everywhere and nowhere higher than elsewhere."""
        return bool(self.heights_m.min() == self.heights_m.max())

    @property
    def bounds_m(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) of the grid's outer edge in local metres."""
        rows, cols = self.heights_m.shape
        return (
            self.west_m,
            self.north_m - rows * self.step_m,
            self.west_m + cols * self.step_m,
            self.north_m,
        )


def _mix(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating], t: FloatArray) -> FloatArray:
    """a + t (b - a), but a neighbour of weight 0 may be NaN."""
    mixed = np.asarray(a + t * (np.asarray(b, float) - a), float)
    return np.where(t <= 0.0, a, np.where(t >= 1.0, b, mixed))


def flat_terrain(
    frame: LocalFrame,
    height_m: float,
    bounds_m: tuple[float, float, float, float] = (-50_000.0, -50_000.0, 50_000.0, 50_000.0),
) -> Terrain:
    """Level ground at a height (AMSL) over bounds (west, south, east, north) in local metres."""
    west, south, east, north = bounds_m
    step = max(east - west, north - south) / 2
    rows = max(math.ceil((north - south) / step), 1)
    cols = max(math.ceil((east - west) / step), 1)
    return Terrain(frame, west, north, step, np.full((rows, cols), float(height_m)), "level ground")


def read_terrain(
    path: Path | str,
    frame: LocalFrame,
    bounds_m: tuple[float, float, float, float],
    step_m: float | None = None,
) -> Terrain:
    """The heights of a raster over bounds (west, south, east, north; local metres), in the frame.

    `step_m` is the raster's own cell when not given. Cells that the raster does not have are NaN. Raises
    TerrainError when the file cannot be read, has no CRS, or does not touch the bounds.
    """
    path = Path(path)
    if not path.exists():
        raise TerrainError(f"{path}: no such file; check the path of the DEM")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as source:
                return _read(source, path, frame, bounds_m, step_m)
    except RasterioError as error:
        raise TerrainError(f"{path}: not a raster that can be read ({str(error).splitlines()[0]})") from error


def _read(
    source: rasterio.DatasetReader,
    path: Path,
    frame: LocalFrame,
    bounds_m: tuple[float, float, float, float],
    step_m: float | None,
) -> Terrain:
    if source.crs is None:
        raise TerrainError(f"{path}: the DEM has no coordinate system; give it one (gdal_translate -a_srs)")
    west, south, east, north = bounds_m
    step = step_m or _native_step_m(source, frame, bounds_m)
    step = max(step, math.sqrt((east - west) * (north - south) / _MAX_CELLS))
    cols, rows = math.ceil((east - west) / step) + 2, math.ceil((north - south) / step) + 2
    west, north = west - step, north + step
    heights = np.full((rows, cols), np.nan)

    def warp(resampling: Resampling, nodata: float | None) -> None:
        reproject(
            source=rasterio.band(source, 1),
            destination=heights,
            src_nodata=nodata,
            dst_nodata=np.nan,
            init_dest_nodata=True,
            dst_transform=Affine(step, 0.0, west, 0.0, -step, north),
            dst_crs=frame.crs.to_wkt(),
            resampling=resampling,
            num_threads=1,
        )

    nodata = source.nodata
    if nodata is None:
        warp(Resampling.nearest, None)
        nodata = _undeclared_nodata(heights)
    warp(Resampling.bilinear, nodata)
    heights[_impossible(heights)] = np.nan
    if not np.isfinite(heights).any():
        raise TerrainError(f"{path}: the DEM does not touch the work area; take the tile that covers it")
    return Terrain(frame, west, north, step, heights, str(path))


def _impossible(heights: FloatArray) -> npt.NDArray[np.bool_]:
    """Where a number is no height of dry land on earth."""
    return (heights < _LOWEST_M) | (heights > _HIGHEST_M)


def _undeclared_nodata(heights: FloatArray) -> float | None:
    """The impossible number that stands most often in heights as they are in the file (-9999, -32768,
    3.4e38): nodata that the file does not declare, and that must not be mixed with its neighbours."""
    values, counts = np.unique(heights[_impossible(heights)], return_counts=True)
    return float(values[counts.argmax()]) if len(values) else None


def _native_step_m(
    source: rasterio.DatasetReader, frame: LocalFrame, bounds_m: tuple[float, float, float, float]
) -> float:
    """The raster's cell size in metres near the work area."""
    try:
        west, south, east, north = transform_bounds(frame.crs.to_wkt(), source.crs, *bounds_m)
    except RasterioError as error:
        raise TerrainError(f"{source.name}: the DEM cannot be brought to the work area ({error})") from error
    area_cells = abs((east - west) / source.res[0] * (north - south) / source.res[1])
    area_m2 = (bounds_m[2] - bounds_m[0]) * (bounds_m[3] - bounds_m[1])
    return math.sqrt(area_m2 / max(area_cells, 1e-9))


def require_cover(terrain: Terrain, area: Geometry, what: str, tolerance: float = 0.0) -> None:
    """Raise TerrainError saying how much of `area` (local metres) the terrain lacks, if it lacks any.

    The area is looked at on a grid of about 10,000 points and along its outline.
    """
    west, south, east, north = area.bounds
    step = max(math.sqrt(max(area.area, 1.0)) / 100, 0.1)
    e, n = np.meshgrid(np.arange(west, east + step, step), np.arange(south, north + step, step))
    shapely.prepare(area)
    inside = shapely.contains_xy(area, e, n)
    outline = shapely.get_coordinates(shapely.segmentize(area.boundary, step))
    e, n = np.concatenate([e[inside], outline[:, 0]]), np.concatenate([n[inside], outline[:, 1]])
    missing = ~np.isfinite(terrain.at(e, n))
    share = float(missing.mean())
    if share > tolerance:
        lat, lon = terrain.frame.to_geo(e[missing][0], n[missing][0])
        shown = f"{share:.0%}" if share >= 0.01 else f"{share:.2%}"
        raise TerrainError(
            f"{terrain.source}: the DEM lacks {shown} of {what} (first at lat {float(lat):.5f}, "
            f"lon {float(lon):.5f}); take one that covers it"
        )
