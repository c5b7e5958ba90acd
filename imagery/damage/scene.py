"""The ground under study: one metric grid on which every input is read, block by block.

A block is read with a halo so that features of any window size come out the same as over the whole picture,
and memory stays bounded however large the mosaic is.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyproj
import rasterio
import rasterio.warp
from affine import Affine
from rasterio.enums import ColorInterp, Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window
from shapely import Geometry, box

from imagery.errors import DamageError

WORK_PIXEL_M = 0.2
"""Side of a work cell: fine enough for a car and a kerb, coarse enough that texture means something."""

BLOCK_PX = 768
_LARGEST_PX = 200_000
_SMALLEST_PX = 16


@dataclass(frozen=True)
class GeoGrid:
    """A north-up metric raster grid: CRS, pixel-to-CRS affine (pixel corners), size."""

    crs: pyproj.CRS
    transform: Affine
    width: int
    height: int

    @property
    def pixel_m(self) -> float:
        """Side of a (square) cell."""
        return float(self.transform.a)

    @property
    def cell_m2(self) -> float:
        """Area of a cell."""
        return float(abs(self.transform.a * self.transform.e))

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) in CRS units."""
        west, north = self.transform.c, self.transform.f
        return (
            west,
            north + self.transform.e * self.height,
            west + self.transform.a * self.width,
            north,
        )

    @property
    def outline(self) -> Geometry:
        """The grid's rectangle in its CRS."""
        return box(*self.bounds)

    def blocks(self, size: int = BLOCK_PX) -> Iterator[Window]:
        """Windows that tile the grid, row by row."""
        for row in range(0, self.height, size):
            for col in range(0, self.width, size):
                yield Window(col, row, min(size, self.width - col), min(size, self.height - row))

    def window_transform(self, window: Window) -> Affine:
        """Affine of a window (which may reach beyond the grid)."""
        return self.transform * Affine.translation(window.col_off, window.row_off)

    def window_of(self, geometry: Geometry, margin_m: float = 0.0) -> Window | None:
        """The window, clipped to the grid, that holds a geometry; None where they do not meet."""
        west, south, east, north = geometry.bounds
        inverse = ~self.transform
        col0, row0 = inverse * (west - margin_m, north + margin_m)
        col1, row1 = inverse * (east + margin_m, south - margin_m)
        left, top = max(0, math.floor(col0)), max(0, math.floor(row0))
        right, bottom = min(self.width, math.ceil(col1)), min(self.height, math.ceil(row1))
        if right <= left or bottom <= top:
            return None
        return Window(left, top, right - left, bottom - top)

    def coarser(self, pixel_m: float) -> GeoGrid:
        """The same ground in cells of (about, and at least) `pixel_m`, whole multiples of these."""
        step = max(1, round(pixel_m / self.pixel_m))
        return GeoGrid(
            self.crs,
            self.transform * Affine.scale(step),
            math.ceil(self.width / step),
            math.ceil(self.height / step),
        )


def grown(window: Window, halo: int) -> Window:
    """A window with `halo` cells more on each side (may reach beyond the grid)."""
    return Window(
        window.col_off - halo, window.row_off - halo, window.width + 2 * halo, window.height + 2 * halo
    )


def open_raster(path: Path, what: str) -> DatasetReader:
    """Open a raster that came from outside.

    Raises DamageError naming `what` when it is missing, not a raster or without a CRS.
    """
    path = Path(path)
    if not path.exists():
        raise DamageError(f"{path}: no such file; give the {what} as a raster (GeoTIFF or the like)")
    try:
        source = rasterio.open(path)
    except rasterio.errors.RasterioError as error:
        raise DamageError(
            f"{path}: cannot be read as a raster ({_short(error)}); check the {what}"
        ) from error
    if source.crs is None:
        source.close()
        raise DamageError(
            f"{path}: has no coordinate system; give the {what} a CRS (for example gdal_edit -a_srs)"
        )
    return source


def nearest_overview(source: DatasetReader, grid: GeoGrid) -> int | None:
    """The coarsest of a raster's overviews that is no coarser than the grid; None for the raster itself."""
    factors = source.overviews(1)
    try:
        west, south, east, north = rasterio.warp.transform_bounds(grid.crs.to_wkt(), source.crs, *grid.bounds)
    except rasterio.errors.RasterioError:
        return None
    px_per_cell = max(
        (east - west) / source.res[0] / grid.width, (north - south) / source.res[1] / grid.height
    )
    fine = [level for level, factor in enumerate(factors) if factor <= px_per_cell]
    return fine[-1] if fine else None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160]


class RasterOnGrid:
    """A raster seen through a `GeoGrid`: any window of it, resampled and reprojected, with its mask.

    `correction` is an affine in CRS metres applied to the raster's position (registration). With `overviews`
    it is read from the overview nearest to the grid: for looking at, much faster than averaging all of it.
    """

    def __init__(
        self,
        path: Path,
        grid: GeoGrid,
        what: str,
        *,
        resampling: Resampling = Resampling.average,
        correction: Affine | None = None,
        overviews: bool = False,
    ) -> None:
        self.path = Path(path)
        self.grid = grid
        self._what = what
        self._stack = ExitStack()
        source = self._stack.enter_context(open_raster(path, what))
        if overviews and (level := nearest_overview(source, grid)) is not None:
            source = self._stack.enter_context(rasterio.open(path, overview_level=level))
        self.count = source.count
        self.dtype = source.dtypes[0]
        self._nodata = source.nodata
        transform = grid.transform if correction is None else ~correction * grid.transform
        own_alpha = _alpha_band(source)
        add_alpha = source.nodata is None and own_alpha is None
        # Read as a band: of an alpha that is not 8 bit, the VRT's dataset mask knows nothing.
        self._alpha = source.count + 1 if add_alpha else own_alpha
        try:
            self._vrt: WarpedVRT = self._stack.enter_context(
                WarpedVRT(
                    source,
                    crs=grid.crs.to_wkt(),
                    transform=transform,
                    width=grid.width,
                    height=grid.height,
                    resampling=resampling,
                    add_alpha=add_alpha,
                )
            )
        except rasterio.errors.RasterioError as error:
            self.close()
            raise DamageError(f"{path}: cannot be brought onto the map ({_short(error)})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._stack.close()

    def read(
        self, window: Window, bands: tuple[int, ...]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Bands and validity of a window that may reach beyond the grid.

        Returns ((bands, rows, cols) float32, (rows, cols) bool). Cells outside are 0 and invalid.
        Raises DamageError when the file turns out to be broken.
        """
        rows, cols = int(window.height), int(window.width)
        values = np.zeros((len(bands), rows, cols), np.float32)
        valid = np.zeros((rows, cols), bool)
        inner = _clipped(window, self.grid)
        if inner is None:
            return values, valid
        top, left = int(inner.row_off - window.row_off), int(inner.col_off - window.col_off)
        where = np.s_[top : top + int(inner.height), left : left + int(inner.width)]
        try:
            values[(slice(None), *where)] = self._vrt.read(bands, window=inner).astype(np.float32)
            if self._alpha is not None:
                valid[where] = self._vrt.read(self._alpha, window=inner) > 0
            else:
                valid[where] = self._vrt.dataset_mask(window=inner) > 0
        except rasterio.errors.RasterioError as error:
            raise DamageError(
                f"{self.path}: breaks off while reading ({_short(error)}); make the {self._what} again"
            ) from error
        valid &= np.isfinite(values).all(axis=0)
        values[:, ~valid] = 0
        return values, valid


def _alpha_band(source: DatasetReader) -> int | None:
    """Number of the band that says what is valid, None where there is none."""
    kinds = source.colorinterp
    return kinds.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in kinds else None


def _clipped(window: Window, grid: GeoGrid) -> Window | None:
    left, top = max(0, int(window.col_off)), max(0, int(window.row_off))
    right = min(grid.width, int(window.col_off + window.width))
    bottom = min(grid.height, int(window.row_off + window.height))
    if right <= left or bottom <= top:
        return None
    return Window(left, top, right - left, bottom - top)


class Picture(RasterOnGrid):
    """An RGB orthophoto on a grid, as 8-bit colours whatever its bit depth.

    Raises DamageError when it has fewer than three bands.
    """

    def __init__(
        self,
        path: Path,
        grid: GeoGrid,
        what: str,
        *,
        correction: Affine | None = None,
        overviews: bool = False,
    ) -> None:
        super().__init__(
            path, grid, what, resampling=Resampling.average, correction=correction, overviews=overviews
        )
        if self.count < 3:
            self.close()
            raise DamageError(
                f"{path}: has {self.count} band(s), not red, green, blue; give the {what} as an RGB picture"
            )
        self._low, self._high = (0.0, 255.0) if self.dtype == "uint8" else self._stretch()

    def _stretch(self) -> tuple[float, float]:
        step = max(1, math.ceil(max(self.grid.width, self.grid.height) / 512))
        small = self._vrt.read(
            (1, 2, 3), out_shape=(3, -(-self.grid.height // step), -(-self.grid.width // step))
        )
        seen = small[np.isfinite(small) & (small != (self._nodata if self._nodata is not None else 0))]
        if seen.size == 0:
            raise DamageError(f"{self.path}: holds no picture at all; check the {self._what}")
        low, high = np.percentile(seen, (0.5, 99.5))
        return float(low), float(max(high, low + 1e-6))

    def rgb(self, window: Window) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """((rows, cols, 3) uint8, (rows, cols) bool valid)."""
        values, valid = self.read(window, (1, 2, 3))
        scaled = (values - self._low) * (255.0 / (self._high - self._low))
        picture = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(np.moveaxis(picture, 0, -1)), valid


def acquired_of(mosaic: Path) -> dt.datetime | None:
    """When the first photo of a mosaic was taken, by the tag that our mosaics carry; None without one.

    Raises DamageError when the raster cannot be opened.
    """
    with open_raster(mosaic, "mosaic") as source:
        told = source.tags().get("ACQUIRED_UTC", "")
    try:
        moment = dt.datetime.fromisoformat(told)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def grid_of(mosaic: Path, work_pixel_m: float | None = None) -> GeoGrid:
    """The work grid of a mosaic: its own CRS when that is in metres, otherwise a transverse Mercator about
    its middle; cells of `work_pixel_m`, by default the mosaic's own but not finer than 20 cm.

    Raises DamageError for a raster that is missing, broken, has no CRS or no sensible size.
    """
    with open_raster(mosaic, "mosaic") as source:
        source_crs = pyproj.CRS(source.crs.to_wkt())
        crs = source_crs if _is_metric(source_crs) else _local_crs(source, source_crs)
        try:
            transform, width, height = rasterio.warp.calculate_default_transform(
                source.crs, crs.to_wkt(), source.width, source.height, *source.bounds
            )
        except rasterio.errors.RasterioError as error:
            raise DamageError(f"{mosaic}: cannot be placed on the ground ({_short(error)})") from error
    assert width is not None
    assert height is not None
    native = GeoGrid(crs, transform, width, height)
    pixel = work_pixel_m or max(WORK_PIXEL_M, native.pixel_m)
    west, south, east, north = native.bounds
    grid = GeoGrid(
        crs,
        Affine(pixel, 0, west, 0, -pixel, north),
        math.ceil(round((east - west) / pixel, 6)),
        math.ceil(round((north - south) / pixel, 6)),
    )
    if min(grid.width, grid.height) < _SMALLEST_PX or max(grid.width, grid.height) > _LARGEST_PX:
        raise DamageError(
            f"{mosaic}: covers {east - west:.3g} x {north - south:.3g} m, which no drone mosaic does; "
            "check its CRS and pixel size"
        )
    return grid


def _is_metric(crs: pyproj.CRS) -> bool:
    # Web Mercator is in "metres" that are not: areas would be wrong by 1 / cos^2 of the latitude.
    if not crs.is_projected or crs.to_epsg() == 3857:
        return False
    return all(abs(axis.unit_conversion_factor - 1.0) < 1e-9 for axis in crs.axis_info[:2])


def _local_crs(source: DatasetReader, crs: pyproj.CRS) -> pyproj.CRS:
    west, south, east, north = source.bounds
    to_geo = pyproj.Transformer.from_crs(crs, 4326, always_xy=True)
    lon, lat = to_geo.transform((west + east) / 2, (south + north) / 2)
    if not (math.isfinite(lon) and math.isfinite(lat)):
        raise DamageError(f"{source.name}: lies nowhere on Earth; check its CRS")
    return pyproj.CRS.from_proj4(
        f"+proj=tmerc +lat_0={lat:.7f} +lon_0={lon:.7f} +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs"
    )


def with_size(grid: GeoGrid, width: int, height: int) -> GeoGrid:
    """The grid cut or stretched to another number of cells from its upper left corner."""
    return replace(grid, width=width, height=height)
