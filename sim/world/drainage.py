"""Where water would run over a DEM: each cell drains into a neighbour, rivers are where many cells drain."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from shapely import LineString

from sim.world.terrain import Grid

_LEAST_SHARE = 0.04
"""A stream begins where it drains this share of what it does further down."""
_NEIGHBOURS = tuple((dr, dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1) if dr or dc)


@dataclass(frozen=True)
class Drainage:
    """Drainage on a grid, cells counted row by row. Every way leads out at the border or into a gap."""

    grid: Grid
    into: npt.NDArray[np.int64]
    """(cells,) the neighbour that each drains into; itself at an outlet, -1 where no height is known."""
    area_m2: npt.NDArray[np.float64]
    """(cells,) what drains through each, itself included."""


def drainage(heights_m: npt.NDArray, grid: Grid) -> Drainage:
    """By priority flood (Barnes et al. 2014): hollows fill up to where they run over. NaN is unknown.

    `heights_m` is (rows, cols). Plain Python over all cells: some 200,000 take a second.
    """
    rows, cols = grid.rows, grid.cols
    known = np.isfinite(heights_m)
    inner = np.zeros_like(known)
    inner[1:-1, 1:-1] = True
    for dr, dc in _NEIGHBOURS:
        inner &= np.roll(known, (dr, dc), (0, 1))
    level = heights_m.astype(float).ravel().tolist()
    into = np.full(rows * cols, -1, np.int64)
    outlets = np.flatnonzero((known & ~inner).ravel())
    into[outlets] = outlets
    queue = [(level[cell], int(cell)) for cell in outlets]
    heapq.heapify(queue)
    reached = (~known).ravel()
    reached[outlets] = True
    seen = reached.tolist()
    order: list[int] = []
    while queue:
        height, cell = heapq.heappop(queue)
        order.append(cell)
        row, col = divmod(cell, cols)
        for dr, dc in _NEIGHBOURS:
            r, c = row + dr, col + dc
            near = r * cols + c
            if 0 <= r < rows and 0 <= c < cols and not seen[near]:
                seen[near] = True
                into[near] = cell
                heapq.heappush(queue, (max(level[near], height), near))
    area = np.where(known.ravel(), grid.step_m**2, 0.0)
    for cell in reversed(order):
        if into[cell] != cell:
            area[into[cell]] += area[cell]
    return Drainage(grid, into, area)


def stem(drained: Drainage, through: int) -> LineString:
    """The stream through a cell, from where it begins to its outlet; local metres, downstream.

    Without its tributaries: on an even slope water gathers in lines too, and a DEM does not say which of them
    are brooks.
    """
    area, into = drained.area_m2, drained.into
    inflows: dict[int, list[int]] = {}
    for cell in np.flatnonzero(area >= _LEAST_SHARE * area[through]).tolist():
        if into[cell] != cell:
            inflows.setdefault(int(into[cell]), []).append(cell)
    path = [through]
    while into[path[-1]] != path[-1]:
        path.append(int(into[path[-1]]))
    path.reverse()
    while ways := inflows.get(path[-1]):
        path.append(max(ways, key=lambda way: area[way]))
    rows, cols = np.divmod(np.array(path[::-1]), drained.grid.cols)
    grid = drained.grid
    return LineString(np.stack([grid.east_centres_m[cols], grid.north_centres_m[rows]], axis=1))
