"""The live map: squares that photos are painted into one by one, and the file that they make."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pyproj

from imagery.jpeg_cog import SQUARE_PX, CogFrame, JpegCog, KeptOverviews, Square, pack_square
from imagery.live_paint import Brush, Canvas, Touch, lay, light_of, paint_square, reach_of, touch
from imagery.live_store import Cell, LiveStore, Painted
from imagery.ortho import MosaicGrid
from imagery.raster_io import whole_file
from imagery.surface import Surface
from plans.frames import FloatArray, LocalFrame

JPEG_QUALITY = 88
OPEN_SQUARES = 36
"""Of seven megabytes each."""
MOVED_PX, MOVED_IN_FLIGHT_PX = 1.5, 3.0
"""So far, in pixels of the map, a photo may have moved before its squares are painted anew; and as long as
photos come, as what moves a little then will move again."""
_SHOWN = 0.4
"""A photo is seen near its middle; of its outline's move so much."""

Wanted = dict[str, FloatArray]
BrushesOf = Callable[[Sequence[str]], list[Brush]]


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

    def cells(self, outlines: Sequence[FloatArray]) -> list[list[Cell]]:
        """The squares that each outline (8, 2) of local places reaches into."""
        if not outlines:
            return []
        local = np.array(outlines)
        places = np.stack(self._to_crs.transform(local[..., 0], local[..., 1]), axis=2)
        low = np.floor(places.min(axis=1) / self.side_m).astype(int).tolist()
        high = np.floor(places.max(axis=1) / self.side_m).astype(int).tolist()
        return [
            [(-r - 1, c) for r in range(south, north + 1) for c in range(west, east + 1)]
            for (west, south), (east, north) in zip(low, high, strict=True)
        ]


@lru_cache(maxsize=256)
def _pixels(epsg: int, frame: LocalFrame, west: float, north: float, gsd_m: float) -> MosaicGrid:
    """Kept, since each makes a transformer of its own, which takes as long as painting a photo."""
    return MosaicGrid(epsg, frame, west, north, gsd_m, SQUARE_PX, SQUARE_PX)


def write_map(
    out: Path, grid: MapGrid, squares: Mapping[Cell, Square], kept: KeptOverviews | None = None
) -> None:
    """Write all squares as one COG; `out` is replaced in one step. `kept` is what overviews were made of the
    time before. Raises RasterError."""
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
        {},
    )
    cog = JpegCog(frame, io.BytesIO(), JPEG_QUALITY, kept)
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
        self._wanted: dict[Cell, dict[str, FloatArray]] = {}
        self._cells_of: dict[str, list[Cell]] = {}
        self._doubtful: set[Cell] = set()
        self._shares = {cell: _share(painted.square) for cell, painted in self._squares.items()}
        self._kept: KeptOverviews = {}

    def paint(self, brush: Brush, others: BrushesOf, surface: Surface, pool: Executor) -> FloatArray:
        """Paint one more photo; gives its gain. `others` makes the brushes of photos in a square that has
        to be opened again."""
        outline = brush.outline(surface)
        (cells,) = self.grid.cells([outline])
        self._want(brush.name, outline, cells)

        def lay_out(cell: Cell) -> tuple[Canvas, Touch | None]:
            canvas = self._canvas(cell, others, surface, brush.name)
            reach = reach_of(brush, self.grid.square(cell), surface)
            return canvas, touch(brush, reach, canvas.floor) if reach is not None else None

        laid = list(pool.map(lay_out, cells))
        gain = light_of([(canvas, part) for canvas, part in laid if part is not None])

        def mix(cell: Cell, canvas: Canvas, part: Touch | None) -> None:
            canvas.outlines[brush.name] = outline
            if part is not None:
                lay(canvas, part, gain)
            self._keep(cell, canvas, same=part is None)

        list(pool.map(mix, cells, *zip(*laid, strict=True)))
        self._close_some()
        return gain

    def _canvas(self, cell: Cell, others: BrushesOf, surface: Surface, without: str) -> Canvas:
        """The square as it stands, without one photo."""
        canvas, painted = self._open.get(cell), self._squares.get(cell)
        if canvas is not None and without not in canvas.outlines:
            return canvas
        shown = painted.outlines if canvas is None and painted else canvas.outlines if canvas else ()
        names = [name for name in shown if name != without]
        if not names:
            return Canvas()
        fresh = paint_square(self.grid.square(cell), others(names), surface)
        fresh.outlines |= {n: line for n, line in self.wanted(cell).items() if n in fresh.outlines}
        return fresh

    def replace(self, cell: Cell, canvas: Canvas, asked: Mapping[str, FloatArray]) -> bool:
        """Take a square that was painted anew as was `asked` (see `wanted`), unless another photo has come to
        it meanwhile; whether it was taken."""
        if not canvas.outlines.keys() == asked.keys() == self._wanted.get(cell, {}).keys():
            return False
        canvas.outlines = dict(asked)
        was_open = cell in self._open
        self._keep(cell, canvas)
        if not was_open:  # the open ones are those under the drone; it would have to open them again
            del self._open[cell]
        return True

    def _keep(self, cell: Cell, canvas: Canvas, *, same: bool = False) -> None:
        before = self._squares.get(cell)
        if same and before is not None:
            square = before.square
        else:
            square = pack_square(*cell, canvas.colour, canvas.mask, JPEG_QUALITY)
        painted = Painted(square, dict(canvas.outlines))
        self._store.keep_square(cell, painted)
        self._squares[cell], self._shares[cell] = painted, _share(square)
        self._open[cell] = canvas
        self._open.move_to_end(cell)

    def _close_some(self) -> None:
        while len(self._open) > OPEN_SQUARES:
            self._open.popitem(last=False)

    def _want(self, name: str, outline: FloatArray, cells: list[Cell]) -> set[Cell]:
        """Say where one photo lies; gives the squares that this concerns."""
        before = self._cells_of.get(name, [])
        for cell in before:
            self._wanted.get(cell, {}).pop(name, None)
        for cell in cells:
            self._wanted.setdefault(cell, {})[name] = outline
        self._cells_of[name] = cells
        return {*before, *cells}

    def expect(self, outlines: Mapping[str, FloatArray]) -> None:
        """Say where all photos lie."""
        self._wanted = {cell: {} for cell in self._squares}
        self._cells_of, self._doubtful = {}, set(self._squares)
        self.expect_some(outlines)

    def expect_some(self, outlines: Mapping[str, FloatArray]) -> None:
        """Say where some photos lie now."""
        reached = self.grid.cells(list(outlines.values()))
        for (name, outline), cells in zip(outlines.items(), reached, strict=True):
            self._doubtful |= self._want(name, outline, cells)

    def forget(self, name: str) -> None:
        """A photo is not part of the map any more."""
        for cell in self._cells_of.pop(name, []):
            self._wanted.get(cell, {}).pop(name, None)
            self._doubtful.add(cell)

    def stale(self, moved_px: float = MOVED_PX) -> dict[Cell, Wanted]:
        """The squares that show other photos than they should, or one that has moved by more; and what they
        should show."""
        self._doubtful = {cell for cell in self._doubtful if self.is_stale(cell)}
        return {cell: self.wanted(cell) for cell in sorted(self._doubtful) if self.is_stale(cell, moved_px)}

    def wanted(self, cell: Cell) -> Wanted:
        """The photos that a square should show, and where their outlines (8, 2) lie."""
        return dict(self._wanted.get(cell, {}))

    def is_stale(self, cell: Cell, moved_px: float = MOVED_PX) -> bool:
        """Whether a square shows other photos than it should, or one that has moved by more."""
        wanted = self._wanted.get(cell, {})
        painted = self._squares[cell].outlines if cell in self._squares else {}
        if painted.keys() != wanted.keys():
            return True
        if not wanted:
            return False
        off = np.array([painted[name] - outline for name, outline in wanted.items()])
        middle = np.abs(off.mean(axis=1)).max()
        return bool(max(middle, _SHOWN * np.abs(off).max()) > moved_px * self.grid.gsd_m)

    def write(self, out: Path) -> None:
        """Replace the file. Raises RasterError."""
        squares = {cell: painted.square for cell, painted in self._squares.items()}
        write_map(out, self.grid, squares, self._kept)

    @property
    def area_m2(self) -> float:
        """Of what is painted, to a few squares' pixels of the overviews."""
        return sum(self._shares.values()) * self.grid.side_m**2


def _share(square: Square) -> float:
    """How much of a square is painted."""
    return float(square.quarter[1].mean()) if square.quarter is not None else 0.0
