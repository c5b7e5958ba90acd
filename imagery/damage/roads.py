"""Where roads are cut: stations along each line, joined to stretches of one state.

Mud alone does not count as a cut: from above its depth cannot be told.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely import Geometry, LineString
from shapely.ops import substring

from imagery.damage.legend import (
    BUILDING_LOST,
    DEBRIS,
    LANDSLIDE,
    ROAD_BLOCKED,
    ROAD_FLOODED,
    ROAD_LOST,
    ROAD_NOT_ANALYSED,
    ROAD_PASSABLE,
    WATER,
    shows_ground,
)
from imagery.damage.rasters import Layers
from imagery.damage.scene import GeoGrid

STATION_M = 1.0
HALF_WIDTH_M = 1.5
"""Half of the strip looked at: the carriageway of a narrow road."""
_SHORTEST_CUT_M = 2.0
_LONGEST_PIECE_M = 200.0
_STATES = (ROAD_NOT_ANALYSED, ROAD_PASSABLE, ROAD_FLOODED, ROAD_BLOCKED)
_UNSEEN, _PASSABLE, _FLOODED, _BLOCKED = range(4)


@dataclass(frozen=True)
class RoadStretch:
    """A piece of a road of one state, in the work CRS."""

    fid: int
    identifier: str
    line: LineString
    state: str
    length_m: float
    confidence: float


def grade_roads(
    lines: tuple[Geometry, ...],
    identifiers: tuple[str, ...],
    fids: tuple[int, ...],
    grid: GeoGrid,
    layers: Layers,
) -> tuple[RoadStretch, ...]:
    """Cut each road into stretches: passable, flooded, blocked (debris, washed away), not analysed."""
    stretches: list[RoadStretch] = []
    for geometry, identifier, fid in zip(lines, identifiers, fids, strict=True):
        for part in shapely.get_parts(geometry):
            stretches += _stretches(part, identifier, fid, grid, layers)
    return tuple(stretches)


def cut_length_m(stretches: tuple[RoadStretch, ...]) -> float:
    """Length that cannot be driven: flooded or blocked."""
    return sum(s.length_m for s in stretches if s.state in (ROAD_FLOODED, ROAD_BLOCKED))


def _stretches(
    line: LineString, identifier: str, fid: int, grid: GeoGrid, layers: Layers
) -> Iterator[RoadStretch]:
    stations = max(1, round(line.length / STATION_M))
    step = line.length / stations
    if step == 0:
        return
    states, shares = [], []
    per_piece = max(1, int(_LONGEST_PIECE_M / step))
    for first in range(0, stations, per_piece):
        at = (np.arange(first, min(first + per_piece, stations)) + 0.5) * step
        state, share = _states(line, at, grid, layers)
        states.append(state)
        shares.append(share)
    state = _without_short_runs(np.concatenate(states), max(1, round(_SHORTEST_CUT_M / step)))
    share = np.concatenate(shares)
    edges = np.flatnonzero(np.diff(state)) + 1
    for start, stop in zip((0, *edges), (*edges, stations), strict=True):
        piece = substring(line, start * step, stop * step)
        confidence = float(share[start:stop].mean())
        yield RoadStretch(
            fid, identifier, piece, _STATES[state[start]], float(piece.length), round(confidence, 2)
        )


def _states(
    line: LineString, at_m: npt.NDArray[np.float64], grid: GeoGrid, layers: Layers
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """State of each station and the share of its cross-section that says so."""
    states = np.full(len(at_m), _UNSEEN, np.int64)
    shares = np.zeros(len(at_m))
    here = shapely.get_coordinates(shapely.line_interpolate_point(line, at_m))
    ahead = shapely.get_coordinates(shapely.line_interpolate_point(line, np.minimum(at_m + 0.5, line.length)))
    behind = shapely.get_coordinates(shapely.line_interpolate_point(line, np.maximum(at_m - 0.5, 0.0)))
    along = ahead - behind
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = np.column_stack([-along[:, 1], along[:, 0]])
    offsets = np.arange(-HALF_WIDTH_M, HALF_WIDTH_M + 1e-9, 0.3)
    lengthwise = np.array([-0.3, 0.0, 0.3])
    cells = (
        here[:, None, None]
        + across[:, None, None] * offsets[None, :, None, None]
        + along[:, None, None] * lengthwise[None, None, :, None]
    ).reshape(len(at_m), -1, 2)
    window = grid.window_of(shapely.MultiPoint(cells.reshape(-1, 2)))
    if window is None:
        return states, shares
    inverse = ~grid.window_transform(window)
    col = np.floor(inverse.a * cells[..., 0] + inverse.c).astype(int)
    row = np.floor(inverse.e * cells[..., 1] + inverse.f).astype(int)
    inside = (col >= 0) & (row >= 0) & (col < window.width) & (row < window.height)
    row, col = np.where(inside, row, 0), np.where(inside, col, 0)
    classes = np.where(inside, layers.classes(window)[row, col], 0)
    seen = shows_ground(classes)
    change = layers.change(window)
    gone = np.zeros(classes.shape, bool)
    if change is not None:
        gone = np.isin(np.where(inside, change[row, col], 0), (ROAD_LOST, BUILDING_LOST))
    count = np.maximum(seen.sum(axis=1), 1)
    water = ((classes == WATER) & seen).sum(axis=1) / count
    heaped = ((np.isin(classes, (DEBRIS, LANDSLIDE)) | gone) & seen & (classes != WATER)).sum(axis=1) / count
    enough = seen.mean(axis=1) >= 0.5
    cut = water + heaped > 0.5
    states[enough] = _PASSABLE
    states[enough & cut & (water >= heaped)] = _FLOODED
    states[enough & cut & (water < heaped)] = _BLOCKED
    shares[enough] = np.where(cut, water + heaped, 1.0 - water - heaped)[enough]
    return states, shares


def _without_short_runs(states: npt.NDArray[np.int64], shortest: int) -> npt.NDArray[np.int64]:
    """Runs shorter than `shortest` stations take the state before them (the first one: after)."""
    result = states.copy()
    edges = np.concatenate([[0], np.flatnonzero(np.diff(result)) + 1, [len(result)]])
    for start, stop in itertools.pairwise(edges):
        if stop - start < shortest and len(edges) > 2:
            result[start:stop] = result[start - 1] if start else result[min(stop, len(result) - 1)]
    return result
