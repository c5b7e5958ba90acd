"""Raster layers as tiles: what a source is, how one tile is read, and the queue that reads them in threads.

All layers share one grid over the mission's frame: at level z a pixel is 2**z metres, a tile 256 pixels, and
tile (column, row) begins column tiles east and row tiles south of the frame's origin.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.crs
from PyQt6.QtCore import QObject, QRectF, pyqtSignal
from PyQt6.QtGui import QImage
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from gui.snapshot import RASTER_FAULTS
from gui.workers import Workers
from plans.frames import LocalFrame

TILE_PX = 256
FINEST_LEVEL, COARSEST_LEVEL = -7, 8
_CACHE_BYTES = 256 * 2**20
_SHADE_GAIN = 1.0
_NOT_WANTED = "not wanted"

RgbaArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class RasterSource:
    """A raster as a layer shows it. `version` changes when the file is replaced."""

    path: Path
    kind: str  # "photo" (RGB), "classes" (codes with colours) or "hillshade" (heights)
    version: int
    colours: tuple[tuple[int, int, int, int, int], ...] = field(default=(), compare=False)
    """For classes: (code, red, green, blue, alpha); other codes are clear."""


@dataclass(frozen=True)
class TileKey:
    """One tile of one source."""

    source: RasterSource
    level: int
    column: int
    row: int

    @property
    def rect(self) -> QRectF:
        """Where it lies on the canvas."""
        side = TILE_PX * 2.0**self.level
        return QRectF(self.column * side, self.row * side, side, side)

    def parent(self, steps: int) -> TileKey:
        """The coarser tile that holds this one."""
        return TileKey(self.source, self.level + steps, self.column >> steps, self.row >> steps)


def level_for(metres_per_px: float) -> int:
    """The level whose pixels are at most a screen pixel (and a little more)."""
    level = math.floor(math.log2(max(metres_per_px, 1e-6)) + 0.25)
    return min(max(level, FINEST_LEVEL), COARSEST_LEVEL)


def tiles_over(source: RasterSource, rect: QRectF, level: int) -> Iterator[TileKey]:
    """The tiles that touch a rectangle of the canvas, the middle ones first."""
    side = TILE_PX * 2.0**level
    columns = range(math.floor(rect.left() / side), math.floor(rect.right() / side) + 1)
    rows = range(math.floor(rect.top() / side), math.floor(rect.bottom() / side) + 1)
    middle = rect.center()
    places = [(c, r) for c in columns for r in rows]
    places.sort(key=lambda p: math.hypot((p[0] + 0.5) * side - middle.x(), (p[1] + 0.5) * side - middle.y()))
    for column, row in places:
        yield TileKey(source, level, column, row)


# ------------------------------------------------------------------------------------------ reading


class _Files(threading.local):
    """Open files of one thread: rasterio's datasets must not cross threads."""

    limit = 12

    def __init__(self) -> None:
        self.open: OrderedDict[tuple[Path, int, int], Any] = OrderedDict()

    def get(self, source: RasterSource, overview: int) -> Any:
        key = (source.path, source.version, overview)
        if key not in self.open:
            options = {} if overview < 0 else {"overview_level": overview}
            self.open[key] = rasterio.open(source.path, **options)
            while len(self.open) > self.limit:
                self.open.popitem(last=False)[1].close()
        self.open.move_to_end(key)
        return self.open[key]


_files = _Files()


@lru_cache(maxsize=8)
def _crs(frame: LocalFrame) -> rasterio.crs.CRS:
    return rasterio.crs.CRS.from_wkt(frame.crs.to_wkt())


@lru_cache(maxsize=64)
def _source_bounds(source: RasterSource, frame: LocalFrame) -> tuple[float, float, float, float]:
    return raster_bounds(source.path, frame)


def raster_bounds(path: Path, frame: LocalFrame) -> tuple[float, float, float, float]:
    """(west, south, east, north) in metres of the frame. Raises RasterioError or OSError."""
    with rasterio.open(path) as dataset:
        if dataset.crs is None:
            raise RasterioError("it does not say where it lies (no CRS)")
        west, south, east, north = transform_bounds(dataset.crs, _crs(frame), *dataset.bounds)
    return west, south, east, north


def read_tile(key: TileKey, frame: LocalFrame) -> RgbaArray | None:
    """One tile, shape (256, 256, 4) uint8 RGBA; None where the source has nothing.

    Raises RasterioError or OSError when the file cannot be read.
    """
    step_m = 2.0**key.level
    rect = key.rect
    west, south, east, north = _source_bounds(key.source, frame)
    if rect.right() <= west or rect.left() >= east or -rect.top() <= south or -rect.bottom() >= north:
        return None
    dataset = _dataset_for(key.source, east - west, step_m)
    if key.source.kind == "hillshade":
        heights = _warped(dataset, frame, rect, step_m, Resampling.cubic_spline, margin=1, bands=[1])
        made = shade(heights[0].filled(np.nan), step_m)
    elif key.source.kind == "classes":
        codes = _warped(dataset, frame, rect, step_m, Resampling.nearest, margin=0, bands=[1])[0]
        made = colourise(codes.filled(0), key.source.colours)
    else:
        colour = [i for i in dataset.indexes if dataset.colorinterp[i - 1] != ColorInterp.alpha][:3]
        bands = _warped(dataset, frame, rect, step_m, Resampling.bilinear, margin=0, bands=colour)
        made = np.empty((TILE_PX, TILE_PX, 4), np.uint8)
        for channel in range(3):
            made[..., channel] = bands[min(channel, len(bands) - 1)].filled(0)
        made[..., 3] = np.where(np.ma.getmaskarray(bands[0]), 0, 255)
    return made if made[..., 3].any() else None


def _dataset_for(source: RasterSource, width_m: float, step_m: float) -> Any:
    """The coarsest stored resolution that is not coarser than a pixel of the tile."""
    full = _files.get(source, -1)
    native_m = width_m / full.width
    best = -1
    for number, factor in enumerate(full.overviews(1)):
        if native_m * factor <= step_m * 1.01:
            best = number
    return full if best < 0 else _files.get(source, best)


def _warped(
    dataset: Any,
    frame: LocalFrame,
    rect: QRectF,
    step_m: float,
    how: Resampling,
    margin: int,
    bands: list[int],
) -> np.ma.MaskedArray[Any, Any]:
    """The rectangle (and `margin` pixels around it) in the frame, masked outside the data."""
    side = TILE_PX + 2 * margin
    transform = from_origin(rect.left() - margin * step_m, -rect.top() + margin * step_m, step_m, step_m)
    has_alpha = ColorInterp.alpha in dataset.colorinterp
    with WarpedVRT(
        dataset,
        crs=_crs(frame),
        transform=transform,
        width=side,
        height=side,
        resampling=how,
        add_alpha=not has_alpha and dataset.nodata is None,
    ) as warped:
        return warped.read(bands, masked=True)


def colourise(codes: npt.NDArray[Any], colours: tuple[tuple[int, int, int, int, int], ...]) -> RgbaArray:
    """Codes (height, width) to RGBA by a table; codes without an entry are clear."""
    table = np.zeros((256, 4), np.uint8)
    for code, *rgba in colours:
        table[code] = rgba
    return table[np.clip(codes, 0, 255).astype(np.uint8)]


def shade(heights_m: npt.NDArray[Any], step_m: float) -> RgbaArray:
    """Heights with a margin of one pixel to a grey relief, light from the north-west and a little from the
    whole sky (Lambert over four azimuths, as cartographers weight them); NaN is clear."""
    heights = heights_m.astype(np.float64)
    dx = (heights[1:-1, 2:] - heights[1:-1, :-2]) / (2 * step_m)
    dn = (heights[:-2, 1:-1] - heights[2:, 1:-1]) / (2 * step_m)
    norm = np.sqrt(1 + dx**2 + dn**2)
    light = np.zeros_like(dx)
    for azimuth_deg, weight in ((315, 0.55), (270, 0.15), (360, 0.15), (225, 0.15)):
        a, z = math.radians(azimuth_deg), math.radians(45)
        east, north = math.sin(a) * math.cos(z), math.cos(a) * math.cos(z)
        light += weight * (math.sin(z) - _SHADE_GAIN * (dx * east + dn * north)) / norm
    grey = np.clip(0.5 + 0.55 * light / math.sin(math.radians(45)), 0, 1.08) / 1.08
    made = np.empty((*grey.shape, 4), np.uint8)
    seen = np.isfinite(grey)
    grey = np.where(seen, grey, 0.0)
    for channel, (dark, bright) in enumerate(((74, 244), (84, 244), (92, 238))):
        made[..., channel] = dark + (bright - dark) * grey
    made[..., 3] = np.where(seen, 255, 0)
    return made


# ------------------------------------------------------------------------------------------ queue


@dataclass(frozen=True)
class TileDone:
    """What a reader hands to the main thread: an image, nothing there, or why it failed."""

    key: TileKey
    image: QImage | None
    fault: str = ""


class _Signals(QObject):
    done = pyqtSignal(object)


def _read_image(key: TileKey, frame: LocalFrame, wanted: Callable[[TileKey], bool]) -> TileDone:
    """A tile as an image. Runs in a thread."""
    if not wanted(key):
        return TileDone(key, None, _NOT_WANTED)
    try:
        array = read_tile(key, frame)
    except (*RASTER_FAULTS, ValueError, MemoryError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return TileDone(key, None, reason)
    if array is None:
        return TileDone(key, None)
    height, width = array.shape[:2]
    image = QImage(array.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888)
    return TileDone(key, image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied))


class TileLoader(QObject):
    """Reads tiles in threads, keeps the newest in memory, and says when one has come.

    Give `want()` every tile in view with each repaint; what is no longer in view is not read.
    """

    arrived = pyqtSignal(object)  # TileKey
    failed = pyqtSignal(object, str)  # RasterSource and the reason, once per source

    def __init__(self, frame: LocalFrame, threads: int = 2, parent: QObject | None = None):
        super().__init__(parent)
        self._frame = frame
        self._pool = Workers(threads, "tiles")
        self._signals = _Signals()
        self._signals.done.connect(self._on_done)
        self._cache: OrderedDict[TileKey, QImage | None] = OrderedDict()
        self._bytes = 0
        self._pending: set[TileKey] = set()
        self._wanted: dict[RasterSource, frozenset[TileKey]] = {}
        self._broken: set[RasterSource] = set()

    @property
    def busy(self) -> bool:
        """Whether tiles are still being read."""
        return bool(self._pending)

    def known(self, key: TileKey) -> bool:
        """Whether the tile has been read (it may be empty)."""
        return key in self._cache or key.source in self._broken

    def image(self, key: TileKey) -> QImage | None:
        """The tile when it is in memory and not empty."""
        image = self._cache.get(key)
        if image is not None:
            self._cache.move_to_end(key)
        return image

    def want(self, source: RasterSource, keys: list[TileKey]) -> None:
        """These tiles of a source are in view now; earlier wishes for it that are not among them end."""
        self._wanted[source] = frozenset(keys)
        if source in self._broken:
            return
        for key in keys:
            if key not in self._cache and key not in self._pending:
                self._pending.add(key)
                self._pool.run(self._signals.done.emit, _read_image, key, self._frame, self._is_wanted)

    def forget(self, source: RasterSource) -> None:
        """A layer is gone: its tiles are dropped."""
        self._wanted.pop(source, None)
        self._broken.discard(source)
        for key in [k for k in self._cache if k.source == source]:
            self._drop(key)

    def close(self) -> None:
        """Stop reading; waits for the tiles in work."""
        self._wanted.clear()
        self._pool.close()

    def _is_wanted(self, key: TileKey) -> bool:
        return key in self._wanted.get(key.source, frozenset())

    def _on_done(self, done: TileDone) -> None:
        self._pending.discard(done.key)
        if done.fault:
            if done.fault != _NOT_WANTED and done.key.source not in self._broken:
                self._broken.add(done.key.source)
                self.failed.emit(done.key.source, done.fault)
            self.arrived.emit(done.key)
            return
        self._cache[done.key] = done.image
        self._bytes += done.image.sizeInBytes() if done.image else 0
        while self._bytes > _CACHE_BYTES:
            self._drop(next(iter(self._cache)))
        self.arrived.emit(done.key)

    def _drop(self, key: TileKey) -> None:
        image = self._cache.pop(key)
        self._bytes -= image.sizeInBytes() if image else 0
