"""Which places the roads still reach: a graph of road stretches, and three answers for each place.

"Reachable" is a place with a way of seen, passable road from a safe node. "Cut off" is one without a way even
if everything that was not seen could be driven. Between the two it is "unknown": nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely
from shapely import Geometry, LineString, Point, STRtree
from shapely.ops import substring

from imagery.damage.legend import (
    ACCESS_UNKNOWN,
    CUT_OFF,
    REACHABLE,
    ROAD_NOT_ANALYSED,
    ROAD_PASSABLE,
    ROADS_CUT,
)
from imagery.damage.roads import RoadStretch

ACCESS_M = 120.0
"""So far from a road a building still belongs to it."""
SAFE_M = 500.0
"""So far from a road a safe place that was named still belongs to it."""
_JOIN_M = 6.0
"""Lines that end within this distance of another meet it: maps are drawn no better."""
_EDGE_M = 12.0
_SAME_M = 0.05


class _Sets:
    """Union-find over the numbers 0 .. n - 1."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def find(self, item: int) -> int:
        while self._parent[item] != item:
            self._parent[item] = self._parent[self._parent[item]]
            item = self._parent[item]
        return item

    def join(self, a: int, b: int) -> None:
        self._parent[self.find(a)] = self.find(b)


@dataclass(frozen=True)
class _Edge:
    """A piece of road of one state between two nodes."""

    line: LineString
    state: str
    nodes: tuple[int, int]


@dataclass(frozen=True)
class RoadNetwork:
    """The road stretches joined at their junctions, and what is safe in it."""

    edges: tuple[_Edge, ...]
    reached: frozenset[int]
    """Nodes with a seen, passable way from a safe node."""
    perhaps: frozenset[int]
    """Nodes that would have one if all that was not seen were passable."""
    tree: STRtree

    def access(self, place: Geometry) -> str | None:
        """The answer for what stands at a place; None where no road is within ACCESS_M."""
        near = self.tree.query_nearest(place, max_distance=ACCESS_M, all_matches=False)
        if not len(near):
            return None
        edge = self.edges[int(near[0])]
        if edge.state in ROADS_CUT:
            return CUT_OFF
        if edge.state == ROAD_PASSABLE and any(node in self.reached for node in edge.nodes):
            return REACHABLE
        return ACCESS_UNKNOWN if any(node in self.perhaps for node in edge.nodes) else CUT_OFF


def network(
    stretches: Sequence[RoadStretch],
    bridges: frozenset[int],
    outside: Geometry,
    safe: Sequence[Geometry] = (),
) -> RoadNetwork:
    """Join stretches to a network.

    Args:
        stretches: of all roads, those of one part in order.
        bridges: feature numbers of lines that pass over others without meeting them.
        outside: the ground beyond the map, in the work CRS. Without `safe`, a road is safe where it gets
            there; with it, roads out there were not seen like others.
        safe: places that are safe (the county seat): the nearest point of a road to each.
    """
    pieces, links = _cut_at_junctions(stretches, bridges)
    ends = np.array([c for line, _ in pieces for c in (line.coords[0], line.coords[-1])]).reshape(-1, 2)
    nodes = _Sets(len(ends))
    tips = STRtree(shapely.points(ends))
    for a, b in tips.query(shapely.points(ends), predicate="dwithin", distance=_SAME_M).T:
        nodes.join(int(a), int(b))
    for here, there in links:
        nodes.join(int(tips.nearest(here)), int(tips.nearest(there)))
    edges = tuple(
        _Edge(line, state, (nodes.find(2 * i), nodes.find(2 * i + 1)))
        for i, (line, state) in enumerate(pieces)
    )
    tree = STRtree([edge.line for edge in edges])
    starts = _named(safe, edges, tree) if safe else _exits(edges, ends, nodes, outside)
    known = _spread(edges, starts, {ROAD_PASSABLE}, len(ends))
    return RoadNetwork(
        edges, known, _spread(edges, starts, {ROAD_PASSABLE, ROAD_NOT_ANALYSED}, len(ends)), tree
    )


def _cut_at_junctions(
    stretches: Sequence[RoadStretch], bridges: frozenset[int]
) -> tuple[list[tuple[LineString, str]], list[tuple[Point, Point]]]:
    """Lines with their states, cut where another road crosses or ends nearby; and which places are one:
    an end, and where it meets the other road."""
    tree = STRtree([s.line for s in stretches])
    tips = _ends_of_parts(stretches)
    pieces: list[tuple[LineString, str]] = []
    links: list[tuple[Point, Point]] = []
    for stretch in stretches:
        line, at = stretch.line, {0.0, stretch.line.length}
        for number in tree.query(line, predicate="dwithin", distance=_JOIN_M):
            other = stretches[number]
            if (other.fid, other.part) == (stretch.fid, stretch.part):
                continue
            if stretch.fid not in bridges and other.fid not in bridges:
                crossings = shapely.get_coordinates(line.intersection(other.line))
                at.update(line.project(Point(c)) for c in crossings)
            for end in tips.get(number, ()):
                if line.distance(end) <= _JOIN_M:
                    at.add(line.project(end))
                    links.append((line.interpolate(line.project(end)), end))
        marks = sorted(at)
        kept = [m for i, m in enumerate(marks) if i == 0 or m - marks[i - 1] > _SAME_M / 2]
        pieces += [
            (substring(line, a, b), stretch.state) for a, b in pairwise([0.0, *kept[1:-1], line.length])
        ]
    return pieces, links


def _ends_of_parts(stretches: Sequence[RoadStretch]) -> dict[int, tuple[Point, ...]]:
    """By the number of a stretch: the ends of its road that it holds."""
    found: dict[int, tuple[Point, ...]] = {}
    for i, stretch in enumerate(stretches):
        key = (stretch.fid, stretch.part)
        first = i == 0 or (stretches[i - 1].fid, stretches[i - 1].part) != key
        last = i + 1 == len(stretches) or (stretches[i + 1].fid, stretches[i + 1].part) != key
        coords = stretch.line.coords
        found[i] = tuple(
            Point(coords[0 if k == 0 else -1]) for k, is_end in enumerate((first, last)) if is_end
        )
    return found


def _named(safe: Sequence[Geometry], edges: Sequence[_Edge], tree: STRtree) -> set[int]:
    found: set[int] = set()
    for place in safe:
        near = tree.query_nearest(place, max_distance=SAFE_M, all_matches=False)
        if len(near):
            edge = edges[int(near[0])]
            found.update(edge.nodes if edge.state not in ROADS_CUT else ())
    return found


def _exits(
    edges: Sequence[_Edge], ends: npt.NDArray[np.float64], nodes: _Sets, outside: Geometry
) -> set[int]:
    """Nodes at or beyond the edge of the map."""
    shapely.prepare(outside)
    beyond = shapely.dwithin(outside, shapely.points(ends), _EDGE_M)
    return {nodes.find(i) for i in np.flatnonzero(beyond).tolist()}


def _spread(edges: Sequence[_Edge], starts: set[int], states: set[str], count: int) -> frozenset[int]:
    """Nodes joined to `starts` by edges of the given states."""
    sets = _Sets(count)
    for edge in edges:
        if edge.state in states:
            sets.join(*edge.nodes)
    roots = {sets.find(node) for node in starts}
    return frozenset(node for edge in edges for node in edge.nodes if sets.find(node) in roots)
