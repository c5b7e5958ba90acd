"""Areas of raster codes inside polygons, cells on a border counted by the exact share inside.

A border is cut at every line of the raster's grid. Each piece then lies in one cell and adds its signed area
to it, and its height to all cells further right in the row (the accumulation buffer of font rasterisers, as
in R. Levien's font-rs). So the border's cells get their exact shares, and between two of them in a row all
cells are wholly inside or outside: those are counted by histogram, without a share each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from affine import Affine
from rasterio.io import DatasetReader
from rasterio.windows import Window
from shapely import Geometry

Float = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

_STRIP_PX = 8_000_000
"""Cells looked at at once: few enough for memory, and for float32 to count them exactly."""


@dataclass(frozen=True)
class Cover:
    """A polygon on a grid: the cells on its border with the share of each inside it, and the runs of cells
    wholly inside as (row, first column, column behind the last)."""

    rows: Index
    cols: Index
    shares: Float
    runs: npt.NDArray[np.int64]


def areas_by_code(
    rasters: Sequence[Path], polygons: Sequence[Geometry]
) -> tuple[list[dict[int, float]], ...]:
    """For each raster (uint8 codes, all on one grid, in the polygons' CRS): for each polygon the area in CRS
    units of each code inside it. What lies beyond the raster and its nodata counts as nothing."""
    sources = [rasterio.open(path) for path in rasters]
    try:
        found: tuple[list[dict[int, float]], ...] = tuple([] for _ in sources)
        for polygon in polygons:
            whole = cover(polygon, Affine(*sources[0].transform[:6]), sources[0].width, sources[0].height)
            for source, areas in zip(sources, found, strict=True):
                areas.append(_told(source, _histogram(source, whole)))
        return found
    finally:
        for source in sources:
            source.close()


def _told(source: DatasetReader, cells: Float) -> dict[int, float]:
    cell = abs(source.transform.a * source.transform.e)
    codes = np.flatnonzero(cells > 0)
    return {int(code): float(cells[code]) * cell for code in codes if code != source.nodata}


def _histogram(source: DatasetReader, whole: Cover) -> Float:
    """(256,) cells of each code."""
    total = np.zeros(256)
    if len(whole.rows) == 0:
        return total
    rows = np.concatenate([whole.rows, whole.runs[:, 0]])
    cols = np.concatenate([whole.cols, whole.runs[:, 1], whole.runs[:, 2] - 1])
    (top, bottom), (left, right) = ((int(at.min()), int(at.max()) + 1) for at in (rows, cols))
    at_once = max(1, _STRIP_PX // (right - left))
    for first in range(top, bottom, at_once):
        last = min(first + at_once, bottom)
        codes = source.read(1, window=Window(left, first, right - left, last - first))
        inside = _filled(whole.runs, first, last, left, right)
        total += cv2.calcHist([codes], [0], inside, [256], [0, 256]).ravel()
        here = (whole.rows >= first) & (whole.rows < last)
        border = codes[whole.rows[here] - first, whole.cols[here] - left]
        total += np.bincount(border, whole.shares[here], 256)
    return total


def _filled(runs: Index, top: int, bottom: int, left: int, right: int) -> npt.NDArray[np.uint8]:
    """(rows, cols) 1 in the runs."""
    here = runs[(runs[:, 0] >= top) & (runs[:, 0] < bottom)]
    steps = np.zeros((bottom - top, right - left + 1), np.int8)
    np.add.at(steps, (here[:, 0] - top, here[:, 1] - left), 1)
    np.add.at(steps, (here[:, 0] - top, here[:, 2] - left), -1)
    return np.cumsum(steps[:, :-1], axis=1, dtype=np.int8).view(np.uint8)


def cover(polygon: Geometry, transform: Affine, width: int, height: int) -> Cover:
    """What part of each cell of a north-up grid lies in a valid polygon (or several)."""
    edges = _edges(polygon, transform)
    x0, y0, x1, y1 = _pieces(edges, width, height)
    # The cell of a piece is that of its middle; of a piece on a line of the grid, the one right of it.
    col = np.floor((x0 + x1) / 2).astype(np.int64)
    row = np.floor((y0 + y1) / 2).astype(np.int64)
    rise = y1 - y0
    # Right of the piece in its own cell, and all of every cell further right in the row.
    own = rise * (col + 1 - (x0 + x1) / 2)
    before = col < 0  # left of the raster: it covers whole rows of it
    use = (row >= 0) & (row < height) & (col < width)
    cell = (row * width + np.where(before, 0, col))[use]
    key, which = np.unique(cell, return_inverse=True)
    covered: Float = np.bincount(which, np.where(before, rise, own)[use], len(key)).astype(float)
    risen: Float = np.bincount(which, rise[use], len(key)).astype(float)
    return _cells_and_runs(key // width, key % width, covered, risen, width)


def _cells_and_runs(rows: Index, cols: Index, own: Float, rise: Float, width: int) -> Cover:
    """Sum up along each row, from left to right."""
    if len(rows) == 0:
        return Cover(rows, cols, own, np.zeros((0, 3), np.int64))
    first = np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]]))
    total = np.cumsum(rise)
    start = np.repeat(np.concatenate([[0.0], total[first[1:] - 1]]), np.diff(np.append(first, len(rows))))
    after = total - start
    shares = np.clip(np.abs(after - rise + own), 0.0, 1.0)
    last = np.append(rows[1:] != rows[:-1], True)
    end = np.where(last, width, np.append(cols[1:], width))
    full = (np.abs(after) > 0.5) & (end > cols + 1)
    runs = np.column_stack([rows[full], cols[full] + 1, end[full]])
    return Cover(rows, cols, shares, runs)


def _edges(polygon: Geometry, transform: Affine) -> Float:
    """(n, 4) x0, y0, x1, y1 of all rings in cells, shells and holes turning against each other."""
    rings = shapely.get_rings(shapely.get_parts(shapely.orient_polygons(polygon)))
    inverse = ~transform
    found = []
    for ring in rings:
        xy = shapely.get_coordinates(ring)
        px = np.column_stack([inverse.a * xy[:, 0] + inverse.c, inverse.e * xy[:, 1] + inverse.f])
        found.append(np.column_stack([px[:-1], px[1:]]))
    return np.concatenate(found) if found else np.zeros((0, 4))


def _pieces(edges: Float, width: int, height: int) -> tuple[Float, Float, Float, Float]:
    """The edges cut at every line of the grid."""
    x0, y0, x1, y1 = edges.T
    owner, share = [np.arange(len(edges))] * 2, [np.zeros(len(edges)), np.ones(len(edges))]
    for low, high, most in ((x0, x1, width), (y0, y1, height)):
        number, at = _lines_between(low, high, most)
        owner.append(number)
        share.append((at - low[number]) / (high[number] - low[number]))
    whose, along = np.concatenate(owner), np.clip(np.concatenate(share), 0.0, 1.0)
    order = np.lexsort((along, whose))
    whose, along = whose[order], along[order]
    x, y = x0[whose] + along * (x1 - x0)[whose], y0[whose] + along * (y1 - y0)[whose]
    same = whose[1:] == whose[:-1]
    return x[:-1][same], y[:-1][same], x[1:][same], y[1:][same]


def _lines_between(low: Float, high: Float, most: int) -> tuple[Index, Float]:
    """(edge, line) for each whole number from 0 to `most` between the two ends of each edge."""
    first = np.maximum(np.floor(np.minimum(low, high)) + 1, 0)
    last = np.minimum(np.ceil(np.maximum(low, high)) - 1, most)
    counts = np.maximum(last - first + 1, 0).astype(np.int64)
    number = np.repeat(np.arange(len(low)), counts)
    within = np.arange(len(number)) - np.repeat(np.cumsum(counts) - counts, counts)
    return number, first[number] + within
