"""The live map: photos painted one by one into squares, each photo where it looks down the steepest.

Every pixel keeps a colour and a level: the logarithm of the sum of its photos' weights, which fall steeply
with the distance from the photo's nadir. A photo is mixed in by the share of that sum that it has, so the
order in which photos come does not matter (a softmax taken step by step), and seams are soft.
"""

from __future__ import annotations

import io
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pyproj

from imagery.jpeg_cog import SQUARE_PX, CogFrame, JpegCog, Square, pack_square
from imagery.live_store import Cell, LiveStore, Painted
from imagery.ortho import (
    MosaicGrid,
    Window,
    between_nodes,
    ground_nodes,
    ground_outline,
    inside_photo,
    project_places,
)
from imagery.raster_io import whole_file
from imagery.surface import Surface
from plans.cameras import Camera
from plans.frames import FloatArray, LocalFrame, Pose

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

JPEG_QUALITY = 88
OPEN_SQUARES = 48
"""Of five megabytes each."""
MOVED_PX = 1.5
"""So far, in pixels of the map, a photo may have moved before its squares are painted anew."""
_SOFT = 0.008
"""Over so much difference of slope (tangents from the nadir) one photo fades into the next."""
_RIM_SHARE, _RIM_WEIGHT = 0.06, 12.0
_NOBODY = -6e4
"""The level where no photo has painted."""
_PER_SIDE = 3
_LIGHT_STEP, _LIGHT_LEAST, _LIGHT_DAMPING, _LIGHT_MOST = 8, 200, 0.85, 0.4


BrushesOf = Callable[[Sequence[str]], "list[Brush]"]


@dataclass(frozen=True)
class MapGrid:
    """Squares of SQUARE_PX pixels of `gsd_m` of a metric CRS, counted from its origin: no photo that comes
    later moves them."""

    epsg: int
    frame: LocalFrame
    gsd_m: float

    @property
    def side_m(self) -> float:
        """Of a square."""
        return SQUARE_PX * self.gsd_m

    def square(self, cell: Cell) -> MosaicGrid:
        """The pixels of a square; row and column count south and east."""
        west, north = cell[1] * self.side_m, -cell[0] * self.side_m
        return _pixels(self.epsg, self.frame, west, north, self.gsd_m)

    @cached_property
    def _to_crs(self) -> pyproj.Transformer:
        return pyproj.Transformer.from_crs(self.frame.crs, pyproj.CRS.from_epsg(self.epsg), always_xy=True)

    def places(self, outline: FloatArray) -> FloatArray:
        """(n, 2) the CRS's east and north of local places (n, 2)."""
        return np.stack(self._to_crs.transform(outline[:, 0], outline[:, 1]), axis=1)

    def cells(self, outline: FloatArray) -> list[Cell]:
        """The squares that an outline reaches into."""
        places = self.places(outline)
        west, south = np.floor(places.min(axis=0) / self.side_m).astype(int)
        east, north = np.floor(places.max(axis=0) / self.side_m).astype(int)
        return [(-int(r) - 1, int(c)) for r in range(south, north + 1) for c in range(west, east + 1)]


@lru_cache(maxsize=256)
def _pixels(epsg: int, frame: LocalFrame, west: float, north: float, gsd_m: float) -> MosaicGrid:
    """Kept, since each makes a transformer of its own, which takes as long as painting a photo."""
    return MosaicGrid(epsg, frame, west, north, gsd_m, SQUARE_PX, SQUARE_PX)


@dataclass(frozen=True)
class Brush:
    """A photo to paint: `picture` (rows, cols, 3) BGR is reduced by `factor`, `gain` (3,) makes it as bright
    as its neighbours."""

    name: str
    picture: UInt8
    factor: float
    camera: Camera
    pose: Pose
    gain: FloatArray

    def outline(self, surface: Surface) -> FloatArray:
        """(8, 2) local places around its ground."""
        return outline_of(self.camera, self.pose, surface)


def outline_of(camera: Camera, pose: Pose, surface: Surface) -> FloatArray:
    """(8, 2) local places around a photo's ground."""
    return ground_outline(camera, pose, surface, _PER_SIDE)


class Canvas:
    """One square while it is painted: `colour` (side, side, 3) uint8 BGR and `level` (side, side) float16."""

    def __init__(self) -> None:
        self.colour: UInt8 = np.zeros((SQUARE_PX, SQUARE_PX, 3), np.uint8)
        self.level: npt.NDArray[np.float16] = np.full((SQUARE_PX, SQUARE_PX), _NOBODY, np.float16)
        self.outlines: dict[str, FloatArray] = {}

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """(side, side) where a photo has painted."""
        return np.asarray(self.level > _NOBODY)

    def pack(self, cell: Cell) -> Painted:
        """The square, compressed."""
        return Painted(pack_square(*cell, self.colour, self.mask, JPEG_QUALITY), dict(self.outlines))


@dataclass(frozen=True)
class Touch:
    """A photo laid out over a part of a square: `colour` (rows, cols, 3) uint8 and `weight` (rows, cols), the
    logarithm, _NOBODY where it shows nothing."""

    window: Window
    colour: UInt8
    weight: Float32


def touch(brush: Brush, grid: MosaicGrid, surface: Surface) -> Touch | None:
    """Warp a photo onto a square; None where it does not reach it."""
    dense = ground_outline(brush.camera, brush.pose, surface)
    window = grid.window_of(dense[:, 0], dense[:, 1])
    if window.empty:
        return None
    enu = ground_nodes(grid, window, surface).enu
    pixels = project_places(brush.camera, brush.pose, enu)
    away = enu - brush.pose.centre
    slope = np.hypot(away[..., 0], away[..., 1]) / np.maximum(-away[..., 2], 1.0)
    nodes = np.dstack([pixels, -slope.astype(np.float32) / _SOFT])
    fine = between_nodes(nodes, window.shape)
    source, weight = fine[..., :2], np.ascontiguousarray(fine[..., 2])
    inside = inside_photo(source, brush.camera)
    size = np.array([brush.camera.image_width_px, brush.camera.image_height_px], np.float32)
    rim = np.minimum(source, size - 1 - source).min(axis=2) / (_RIM_SHARE * float(size.min()))
    weight -= _RIM_WEIGHT * np.square(1 - np.clip(rim, 0, 1))
    weight[~inside] = _NOBODY
    reduced = (source + np.float32(0.5)) / np.float32(brush.factor) - np.float32(0.5)
    warped = cv2.remap(brush.picture, reduced, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return Touch(window, np.asarray(warped, np.uint8), weight)


def light_of(touches: Sequence[tuple[Canvas, Touch]]) -> FloatArray:
    """(3,) the gain that brings a photo to the brightness of what it lies over; a part of it is left out, so
    that a chain of photos comes back to its own light."""
    ratios = []
    for canvas, part in touches:
        some = part.window.slices
        there = canvas.colour[some][::_LIGHT_STEP, ::_LIGHT_STEP].astype(np.float32)
        painted = canvas.level[some][::_LIGHT_STEP, ::_LIGHT_STEP] > _NOBODY
        here = part.colour[::_LIGHT_STEP, ::_LIGHT_STEP].astype(np.float32)
        both = painted & (part.weight[::_LIGHT_STEP, ::_LIGHT_STEP] > _NOBODY)
        both &= (
            (here.min(axis=2) > 8)
            & (here.max(axis=2) < 248)
            & (there.min(axis=2) > 8)
            & (there.max(axis=2) < 248)
        )
        ratios.append(np.log(there[both] / here[both]))
    all_of_them = np.concatenate(ratios) if ratios else np.zeros((0, 3))
    if len(all_of_them) < _LIGHT_LEAST:
        return np.ones(3)
    usual = _LIGHT_DAMPING * np.median(all_of_them, axis=0)
    return np.asarray(np.exp(np.clip(usual, -_LIGHT_MOST, _LIGHT_MOST)), float)


def lay(canvas: Canvas, part: Touch, brush: Brush, outline: FloatArray) -> None:
    """Mix a photo into a square."""
    slices = part.window.slices
    steps = np.arange(256)[:, None] * brush.gain
    table = np.clip(np.rint(steps), 0, 255).astype(np.uint8)[:, None, :]
    colour = np.asarray(cv2.LUT(part.colour, table), np.uint8)
    level = canvas.level[slices].astype(np.float32)
    ahead = np.clip(part.weight - level, -30, 30)
    share = 1 / (1 + np.exp(-ahead))
    share[part.weight <= _NOBODY] = 0
    there = canvas.colour[slices]
    mixed = there + share[..., None] * (colour.astype(np.float32) - there)
    canvas.colour[slices] = np.rint(mixed).astype(np.uint8)
    raised = np.maximum(level, part.weight) + np.log1p(np.exp(-np.abs(ahead)))
    canvas.level[slices] = np.where(part.weight > _NOBODY, raised, level)
    canvas.outlines[brush.name] = outline


def paint_square(cell: Cell, grid: MapGrid, brushes: Sequence[Brush], surface: Surface) -> Canvas:
    """A square painted anew with all photos that reach it."""
    canvas, pixels = Canvas(), grid.square(cell)
    for brush in brushes:
        part = touch(brush, pixels, surface)
        if part is not None:
            lay(canvas, part, brush, brush.outline(surface))
    return canvas


def stale(painted: Mapping[str, FloatArray], wanted: Mapping[str, FloatArray], gsd_m: float) -> bool:
    """Whether a square shows other photos than it should, or one that has moved."""
    if painted.keys() != wanted.keys():
        return True
    moved = (float(np.abs(painted[name] - wanted[name]).max()) for name in wanted)
    return any(m > MOVED_PX * gsd_m for m in moved)


def write_map(out: Path, grid: MapGrid, squares: Mapping[Cell, Square], tags: Mapping[str, str]) -> None:
    """Write all squares as one COG; `out` is replaced in one step. Raises RasterError."""
    shown = {cell: square for cell, square in squares.items() if square.tiles}
    if not shown:
        return
    rows, cols = zip(*shown, strict=True)
    top, left = min(rows), min(cols)
    down, across = max(rows) - top + 1, max(cols) - left + 1
    frame = CogFrame(
        down * SQUARE_PX,
        across * SQUARE_PX,
        left * grid.side_m,
        -top * grid.side_m,
        grid.gsd_m,
        grid.epsg,
        tags,
    )
    cog = JpegCog(frame, io.BytesIO(), JPEG_QUALITY)
    for row in range(down):
        for col in range(across):
            square = shown.get((top + row, left + col))
            cog.add(_moved(square, row, col) if square else Square(row, col))
    with whole_file(out) as part:
        cog.write(part)


def _moved(square: Square, row: int, col: int) -> Square:
    """The square counted from the picture's corner."""
    down, right = row - square.row, col - square.col
    tiles = tuple(replace(t, row=t.row + 2 * down, col=t.col + 2 * right) for t in square.tiles)
    half = replace(square.half, row=row, col=col) if square.half else None
    return Square(row, col, tiles, half, square.quarter)


class LiveMap:
    """All squares of a map: those on the way to the file compressed, the ones painted lately open, too."""

    def __init__(self, grid: MapGrid, store: LiveStore) -> None:
        self.grid = grid
        self._store = store
        self._open: OrderedDict[Cell, Canvas] = OrderedDict()
        self._squares: dict[Cell, Painted] = dict(store.squares())

    def paint(self, brush: Brush, others: BrushesOf, surface: Surface, pool: Executor) -> FloatArray:
        """Paint one more photo; gives its gain. `others` makes the brushes of photos in a square that has
        to be opened again."""
        outline = brush.outline(surface)
        cells = self.grid.cells(outline)
        canvases = list(pool.map(lambda cell: self._canvas(cell, others, surface, brush.name), cells))
        parts = list(pool.map(lambda cell: touch(brush, self.grid.square(cell), surface), cells))
        told = [(c, p) for c, p in zip(canvases, parts, strict=True) if p is not None]
        brush = replace(brush, gain=light_of(told))
        reached = [(cell, c, p) for cell, c, p in zip(cells, canvases, parts, strict=True) if p is not None]

        def mix(work: tuple[Cell, Canvas, Touch]) -> None:
            cell, canvas, part = work
            lay(canvas, part, brush, outline)
            self._keep(cell, canvas)

        list(pool.map(mix, reached))
        return brush.gain

    def _canvas(self, cell: Cell, others: BrushesOf, surface: Surface, without: str) -> Canvas:
        canvas = self._open.get(cell)
        if canvas is None and cell in self._squares:
            names = [name for name in self._squares[cell].outlines if name != without]
            return paint_square(cell, self.grid, others(names), surface)
        if canvas is None or without in canvas.outlines:
            return (
                Canvas()
                if canvas is None
                else paint_square(
                    cell, self.grid, others([n for n in canvas.outlines if n != without]), surface
                )
            )
        return canvas

    def replace(self, cell: Cell, canvas: Canvas) -> None:
        """Take a square that was painted anew."""
        self._keep(cell, canvas)

    def _keep(self, cell: Cell, canvas: Canvas) -> None:
        painted = canvas.pack(cell)
        self._store.keep_square(cell, painted)
        self._squares[cell] = painted
        self._open[cell] = canvas
        self._open.move_to_end(cell)
        while len(self._open) > OPEN_SQUARES:
            self._open.popitem(last=False)

    def stale(self, outlines: Mapping[str, FloatArray]) -> dict[Cell, list[str]]:
        """The squares that do not show what they should, given where all photos lie, and what they should."""
        wanted: dict[Cell, dict[str, FloatArray]] = {cell: {} for cell in self._squares}
        for name, outline in outlines.items():
            for cell in self.grid.cells(outline):
                wanted.setdefault(cell, {})[name] = outline
        return {
            cell: list(shown)
            for cell, shown in wanted.items()
            if stale(self._squares[cell].outlines if cell in self._squares else {}, shown, self.grid.gsd_m)
        }

    def write(self, out: Path, tags: Mapping[str, str]) -> None:
        """Replace the file. Raises RasterError."""
        write_map(out, self.grid, {cell: painted.square for cell, painted in self._squares.items()}, tags)

    @property
    def area_m2(self) -> float:
        """Of what is painted, to a few squares' pixels of the overviews."""
        shares = [p.square.quarter[1].mean() for p in self._squares.values() if p.square.quarter is not None]
        return float(sum(shares)) * self.grid.side_m**2


def picture_factor(camera: Camera, most_px: float = 1.3e6) -> int:
    """By how much photos are reduced for the map: to about a megapixel."""
    pixels = camera.image_width_px * camera.image_height_px
    return 2 ** max(0, math.ceil(math.log(pixels / most_px, 4)))
