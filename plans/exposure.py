"""What is at stake on the ground (people, assets), from any raster that rasterio opens: the grid by which a
survey flies the places first where there is most of it."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import rasterio
import shapely
from rasterio import Affine
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.warp import Resampling, reproject, transform_bounds
from rasterio.windows import Window, from_bounds
from shapely import Geometry

from plans.errors import TerrainError
from plans.frames import FloatArray, LocalFrame
from plans.terrain import Terrain

_FINEST_M = 20.0  # rasters of single houses are gathered into cells that a photo does not miss
_MOST_CELLS = 4_000_000
_MOST_READ = 25_000_000
_ABSURD = 1e15  # and above: nodata that the file does not declare


def read_exposure(
    path: Path | str, frame: LocalFrame, bounds_m: tuple[float, float, float, float]
) -> Terrain:
    """The values of a raster over bounds (west, south, east, north; local metres) as a grid in the frame.

    Cells without a value (nodata, NaN, below 0) count as 0; ground outside of the raster is NaN. Cells finer
    than 20 m are averaged. Only the ratios of the values mean something: a raster may hold people per cell or
    per square kilometre. Raises TerrainError when the file cannot be read, has no CRS, or does not touch the
    bounds.
    """
    path = Path(path)
    if not path.exists():
        raise TerrainError(f"{path}: no such file; check the path of the exposure raster")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as source:
                return _read(source, path, frame, bounds_m)
    except RasterioError as error:
        raise TerrainError(f"{path}: not a raster that can be read ({str(error).splitlines()[0]})") from error


def exposed_share(exposure: Terrain, area: Geometry) -> tuple[float, float]:
    """(share of an area in local metres that the raster covers, sum of the values there on an even grid)."""
    west, south, east, north = area.bounds
    step = max(math.sqrt(max(area.area, 1.0)) / 100, 0.1)
    e, n = np.meshgrid(np.arange(west, east + step, step), np.arange(south, north + step, step))
    shapely.prepare(area)
    inside = shapely.contains_xy(area, e, n)
    values = exposure.at(e[inside], n[inside])
    known = np.isfinite(values)
    return float(known.mean()) if known.size else 0.0, float(values[known].sum())


def _read(
    source: rasterio.DatasetReader, path: Path, frame: LocalFrame, bounds_m: tuple[float, float, float, float]
) -> Terrain:
    if source.crs is None:
        raise TerrainError(
            f"{path}: the exposure raster has no coordinate system; give it one (gdal_translate -a_srs)"
        )
    outside = TerrainError(f"{path}: the exposure raster does not touch the work area; take one that does")
    try:
        there = transform_bounds(frame.crs.to_wkt(), source.crs, *bounds_m)
    except RasterioError:
        raise outside from None
    values, transform = _values(source, there)
    if not values.size:
        raise outside
    west, south, east, north = bounds_m
    cells = abs((there[2] - there[0]) / transform.a * (there[3] - there[1]) / transform.e)
    extent = (east - west) * (north - south)
    own = math.sqrt(extent / max(cells, 1e-9))  # the raster's cell; thirds of it blur its edges little
    step = max(own / 3, _FINEST_M, math.sqrt(extent / _MOST_CELLS))
    cols, rows = math.ceil((east - west) / step) + 2, math.ceil((north - south) / step) + 2
    west, north = west - step, north + step
    grid = np.full((rows, cols), np.nan)
    reproject(
        source=values,
        destination=grid,
        src_transform=transform,
        src_crs=source.crs,
        src_nodata=np.nan,
        dst_nodata=np.nan,
        init_dest_nodata=True,
        dst_transform=Affine(step, 0.0, west, 0.0, -step, north),
        dst_crs=frame.crs.to_wkt(),
        resampling=Resampling.average,
        num_threads=1,
    )
    if not np.isfinite(grid).any():
        raise outside
    return Terrain(frame, west, north, step, grid, str(path))


def _values(
    source: rasterio.DatasetReader, bounds: tuple[float, float, float, float]
) -> tuple[FloatArray, Affine]:
    """The raster's values over bounds in its own CRS, 0 where it has none, and where they lie."""
    whole = Window(0, 0, source.width, source.height)
    try:
        wanted = from_bounds(*bounds, transform=source.transform)
        grown = Window(wanted.col_off - 2, wanted.row_off - 2, wanted.width + 4, wanted.height + 4)
        window = grown.round_offsets().round_lengths().intersection(whole)
    except (rasterio.errors.WindowError, ValueError):
        return np.zeros((0, 0)), source.transform
    shrink = max(math.sqrt(window.width * window.height / _MOST_READ), 1.0)
    shape = max(int(window.height / shrink), 1), max(int(window.width / shrink), 1)
    read = source.read(1, window=window, out_shape=shape, masked=True, resampling=Resampling.average)
    values = np.ma.filled(read.astype(float), 0.0)
    values[~np.isfinite(values) | (values < 0) | (values > _ABSURD)] = 0.0
    scale = Affine.scale(window.width / shape[1], window.height / shape[0])
    return values, source.window_transform(window) @ scale
