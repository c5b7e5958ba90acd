"""Where roads are cut: stations along each line, joined to stretches of one state.

Mud alone does not count as a cut: from above its depth cannot be told. A road over water that was there
before the flood stands on a bridge; where water shows in its place, the bridge is out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely import Geometry, LineString, Point
from shapely.ops import substring

from imagery.damage.legend import (
    BUILDING_LOST,
    DEBRIS,
    LANDSLIDE,
    ROAD,
    ROAD_BLOCKED,
    ROAD_BRIDGE_OUT,
    ROAD_FLOODED,
    ROAD_LOST,
    ROAD_NOT_ANALYSED,
    ROAD_PASSABLE,
    ROADS_CUT,
    UNCHANGED,
    VEGETATION,
    WATER,
    shows_ground,
)
from imagery.damage.rasters import Layers
from imagery.damage.road_lines import CORRIDOR_M, Strip, classes_at, offsets, scores, strip_along
from imagery.damage.scene import GeoGrid

STATION_M = 1.0
HALF_WIDTH_M = 1.5
"""Half of the strip looked at: the carriageway of a narrow road."""
_SHORTEST_CUT_M = 2.0
_ONE_CUT_M = 8.0
"""Cuts closer together are one place: the heaps at both ends of a bridge that is gone."""
_LONGEST_PIECE_M = 200.0
_STATES = (ROAD_NOT_ANALYSED, ROAD_PASSABLE, ROAD_FLOODED, ROAD_BLOCKED, ROAD_BRIDGE_OUT)
_UNSEEN, _PASSABLE, _FLOODED, _BLOCKED, _BRIDGE_OUT, _HIDDEN = range(6)
_CROWNS_M = 12.0
_CLEAR_M, _CLEARLY = 6.0, 0.75
_BESIDE_M = np.arange(4.0, 13.0, 0.5)
_LASTING = 0.3
_BED_M = 3.0
"""Half of the bed of a river that is given as a line."""
_YES = ("yes", "true", "1", "viaduct", "桥")


@dataclass(frozen=True)
class RoadStretch:
    """A piece of a road of one state, in the work CRS."""

    fid: int
    identifier: str
    line: LineString
    """As given, not as seen."""
    state: str
    length_m: float
    confidence: float
    part: int = 0
    """Which part of the feature it belongs to."""
    start_m: float = 0.0
    """Where along that part it begins."""
    offset_m: float = 0.0
    """How far to the left of the line the road is seen, on average."""


@dataclass(frozen=True)
class RoadCut:
    """A place where a road cannot be driven: one or more cut stretches that follow each other."""

    fid: int
    identifier: str
    place: Point
    """On the road as seen."""
    state: str
    """The worst of them: bridge out, blocked, flooded."""
    length_m: float
    confidence: float


def is_bridge(values: npt.NDArray[Any] | None, index: int) -> bool:
    """Whether an attribute `bridge` says that the road is one."""
    return values is not None and str(values[index]).strip().lower() in _YES


def grade_roads(
    lines: tuple[Geometry, ...],
    identifiers: tuple[str, ...],
    fids: tuple[int, ...],
    grid: GeoGrid,
    layers: Layers,
    bridges: tuple[bool, ...] | None = None,
    rivers: tuple[Geometry, ...] = (),
) -> tuple[RoadStretch, ...]:
    """Cut each road into stretches: passable, flooded, blocked (debris, washed away), bridge out, not
    analysed. `bridges` says which lines are bridges as a whole, `rivers` (lines or areas) where there is
    water at all times."""
    stretches: list[RoadStretch] = []
    tagged = bridges or (False,) * len(lines)
    tree = shapely.STRtree(lines)
    wet = shapely.union_all([river.buffer(_BED_M if river.area == 0 else 0.0) for river in rivers])
    shapely.prepare(wet)
    for index, (identifier, fid) in enumerate(zip(identifiers, fids, strict=True)):
        near = tree.query(lines[index], predicate="dwithin", distance=2 * CORRIDOR_M)
        others = shapely.union_all([lines[i] for i in near if i != index]) if len(near) > 1 else None
        for number, part in enumerate(shapely.get_parts(lines[index])):
            ground = _Ground(grid, layers, others, tagged[index], wet)
            stretches += _stretches(part, (identifier, fid, number), ground)
    return tuple(stretches)


def cut_length_m(stretches: tuple[RoadStretch, ...]) -> float:
    """Length that cannot be driven."""
    return sum(s.length_m for s in stretches if s.state in ROADS_CUT)


def cut_places(stretches: Sequence[RoadStretch]) -> tuple[RoadCut, ...]:
    """The places where roads are cut: runs of cut stretches with less than `_ONE_CUT_M` of passable road
    between. What was not seen joins nothing."""
    places: list[RoadCut] = []
    for _, own in itertools.groupby(stretches, key=lambda s: (s.fid, s.part)):
        run: list[RoadStretch] = []
        for stretch in own:
            cut = stretch.state in ROADS_CUT
            bridged = bool(run) and stretch.state == ROAD_PASSABLE and stretch.length_m < _ONE_CUT_M
            if cut or bridged:
                run.append(stretch)
            elif run:
                places.append(_place(run))
                run = []
        if run:
            places.append(_place(run))
    return tuple(places)


def _place(run: Sequence[RoadStretch]) -> RoadCut:
    last = max(i for i, s in enumerate(run) if s.state in ROADS_CUT)
    run = run[: last + 1]
    cut = [s for s in run if s.state in ROADS_CUT]
    worst = max(cut, key=lambda s: (ROADS_CUT.index(s.state), s.length_m))
    here = strip_along(worst.line, np.array([worst.line.length / 2])).beside(np.array([worst.offset_m]))
    total = sum(s.length_m for s in cut)
    sure = sum(s.confidence * s.length_m for s in cut) / total
    return RoadCut(worst.fid, worst.identifier, Point(here.places[0]), worst.state, total, round(sure, 2))


@dataclass(frozen=True)
class _Ground:
    """What a line is judged by: the rasters, the other roads about it, whether it is a bridge, and where
    there is water at all times."""

    grid: GeoGrid
    layers: Layers
    others: Geometry | None
    bridge: bool
    rivers: Geometry


def _stretches(line: LineString, who: tuple[str, int, int], ground: _Ground) -> Iterator[RoadStretch]:
    grid, layers = ground.grid, ground.layers
    stations = max(1, round(line.length / STATION_M))
    step = line.length / stations
    if step == 0:
        return
    per_piece = max(1, int(_LONGEST_PIECE_M / step))
    strips = [
        strip_along(line, (np.arange(first, min(first + per_piece, stations)) + 0.5) * step)
        for first in range(0, stations, per_piece)
    ]
    offset = offsets(np.concatenate([scores(strip, grid, layers, ground.others) for strip in strips]))
    parts = np.split(offset, np.cumsum([len(strip.places) for strip in strips])[:-1])
    judged = [_states(strip.beside(own), ground) for strip, own in zip(strips, parts, strict=True)]
    share = np.concatenate([shares for _, shares in judged])
    state = _under_crowns(np.concatenate([states for states, _ in judged]), round(_CROWNS_M / step))
    state = _without_faint_blocks(state, share, max(1, round(_CLEAR_M / step)))
    state = _without_short_runs(state, max(1, round(_SHORTEST_CUT_M / step)))
    edges = np.flatnonzero(np.diff(state)) + 1
    for start, stop in zip((0, *edges), (*edges, stations), strict=True):
        piece = substring(line, start * step, stop * step)
        yield RoadStretch(
            who[1],
            who[0],
            piece,
            _STATES[state[start]],
            float(piece.length),
            round(float(share[start:stop].mean()), 2),
            who[2],
            start * step,
            round(float(offset[start:stop].mean()), 2),
        )


def _states(strip: Strip, ground: _Ground) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """State of each station and the share of its cross-section that says so."""
    grid, layers = ground.grid, ground.layers
    states = np.full(len(strip.places), _UNSEEN, np.int64)
    shares = np.zeros(len(strip.places))
    across = np.arange(-HALF_WIDTH_M, HALF_WIDTH_M + 1e-9, 0.3)
    lengthwise = np.array([-0.3, 0.0, 0.3])
    cells = (
        strip.places[:, None, None]
        + strip.left[:, None, None] * across[None, :, None, None]
        + strip.along[:, None, None] * lengthwise[None, None, :, None]
    ).reshape(len(states), -1, 2)
    classes, change = classes_at(cells, grid, layers), classes_at(cells, grid, layers, "change")
    seen = shows_ground(classes)
    gone = np.isin(change, (ROAD_LOST, BUILDING_LOST))
    count = np.maximum(seen.sum(axis=1), 1)
    wet = (classes == WATER) & seen
    water = wet.sum(axis=1) / count
    debris = (np.isin(classes, (DEBRIS, LANDSLIDE)) & seen).sum(axis=1) / count
    heaped = debris + (gone & seen & ~wet & ~np.isin(classes, (DEBRIS, LANDSLIDE))).sum(axis=1) / count
    enough = seen.mean(axis=1) >= 0.5
    cut = water + heaped > 0.5
    was_water = ground.bridge | _over_water(strip, ground)
    states[enough] = _PASSABLE
    states[enough & cut & (water >= heaped)] = _FLOODED
    states[enough & cut & (water < heaped)] = _BLOCKED
    # Over a river: what is gone is the bridge. A deck that spans it is the road, whatever its sides show.
    states[enough & cut & was_water & (water + heaped - debris > debris)] = _BRIDGE_OUT
    deck = ((classes == ROAD) & seen).sum(axis=1) / count
    states[enough & was_water & (water >= heaped) & (deck > 0.35)] = _PASSABLE
    states[enough & ~cut & (((classes == VEGETATION) & seen).sum(axis=1) / count > 0.6)] = _HIDDEN
    shares[enough] = np.where(cut, water + heaped, 1.0 - water - heaped)[enough]
    return states, shares


def _over_water(strip: Strip, ground: _Ground) -> npt.NDArray[np.bool_]:
    """Stations in a river that is known, or with water on both sides that the before-ortho shows too: beside
    the road, since a deck hides what runs under it."""
    grid, layers = ground.grid, ground.layers
    sides = np.stack([-_BESIDE_M, _BESIDE_M])
    points = strip.places[:, None, None] + strip.left[:, None, None] * sides[None, :, :, None]
    lasting = (classes_at(points, grid, layers) == WATER) & (
        classes_at(points, grid, layers, "change") == UNCHANGED
    )
    known = shapely.intersects_xy(ground.rivers, strip.places[:, 0], strip.places[:, 1])
    return np.asarray(known | (lasting.mean(axis=2) > _LASTING).all(axis=1))


def _under_crowns(states: npt.NDArray[np.int64], longest: int) -> npt.NDArray[np.int64]:
    """Under a few crowns a road goes on as it is seen on both sides; else it was not seen there."""
    result = states.copy()
    edges = np.concatenate([[0], np.flatnonzero(np.diff(states)) + 1, [len(states)]])
    for start, stop in itertools.pairwise(edges):
        if states[start] != _HIDDEN:
            continue
        before = states[start - 1] if start else None
        after = states[stop] if stop < len(states) else None
        known = before if before == after or after is None else after if before is None else None
        short = stop - start <= longest
        result[start:stop] = known if known is not None and short else _UNSEEN
    return result


def _without_faint_blocks(
    states: npt.NDArray[np.int64], shares: npt.NDArray[np.float64], clear: int
) -> npt.NDArray[np.int64]:
    """Short heaps count only where they lie across the whole road: a few odd cells are none."""
    result = states.copy()
    edges = np.concatenate([[0], np.flatnonzero(np.diff(states)) + 1, [len(states)]])
    for start, stop in itertools.pairwise(edges):
        if states[start] == _BLOCKED and stop - start < clear and shares[start:stop].mean() < _CLEARLY:
            result[start:stop] = _PASSABLE
    return result


def _without_short_runs(states: npt.NDArray[np.int64], shortest: int) -> npt.NDArray[np.int64]:
    """Seen runs shorter than `shortest` stations take the state before them (the first one: after)."""
    result = states.copy()
    edges = np.concatenate([[0], np.flatnonzero(np.diff(result)) + 1, [len(result)]])
    for start, stop in itertools.pairwise(edges):
        if stop - start < shortest and len(edges) > 2 and result[start] != _UNSEEN:
            result[start:stop] = result[start - 1] if start else result[min(stop, len(result) - 1)]
    return result
