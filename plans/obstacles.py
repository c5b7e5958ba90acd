"""What a transit may not cross, and the shortest way around it: visibility graphs over polygon walls."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from scipy.sparse.csgraph import dijkstra
from shapely import Geometry, MultiPolygon, Polygon

from plans.errors import SurveyError
from plans.frames import FloatArray

_TOUCH_M = 0.05  # lanes end on the walls and transits run along them: that is not crossing
_MATRIX_CORNERS = 250
_LEAST_MARGIN_M = 1e-3


@dataclass(frozen=True)
class Obstacles:
    """Walls in local metres that transits go around: polygons without holes that do not overlap."""

    walls: tuple[Polygon, ...] = ()

    @cached_property
    def _cores(self) -> list[Polygon]:
        cores = [wall.buffer(-_TOUCH_M, join_style="mitre") for wall in self.walls]
        shapely.prepare(cores)
        return cores

    @cached_property
    def _union(self) -> Geometry:
        union = MultiPolygon(
            [
                p
                for core in self._cores
                for p in (core.geoms if hasattr(core, "geoms") else [core])
                if p.area > 0
            ]
        )
        shapely.prepare(union)
        return union

    @cached_property
    def area(self) -> MultiPolygon:
        """All walls as one geometry."""
        return MultiPolygon(list(self.walls))

    def crosses(self, a_m: FloatArray, b_m: FloatArray) -> np.ndarray:
        """For segments from a_m to b_m, both (n, 2): True where one crosses a wall. Shape (n,)."""
        if not self.walls or len(a_m) == 0:
            return np.zeros(len(a_m), bool)
        lines = shapely.linestrings(np.stack([a_m, b_m], axis=1))
        return np.asarray(shapely.intersects(self._union, lines))

    def holds(self, point_m: FloatArray) -> Polygon | None:
        """The wall inside which the point (2,) stands, or None."""
        place = shapely.Point(float(point_m[0]), float(point_m[1]))
        for wall, core in zip(self.walls, self._cores, strict=True):
            if core.contains(place):
                return wall
        return None

    def path(self, a_m: FloatArray, b_m: FloatArray) -> FloatArray:
        """The shortest way from a_m to b_m (2,) that crosses no wall: points (k, 2), both ends included.

        Only walls that the way would cross take part; more are added until it is free. Raises SurveyError
        when there is no way.
        """
        involved: set[int] = set()
        way = np.stack([a_m, b_m])
        while True:
            hit = self._walls_on(way) - involved
            if not hit:
                return way
            involved |= hit
            found = _shortest(a_m, b_m, [self.walls[i] for i in sorted(involved)], self)
            if found is None:
                raise SurveyError(
                    "no way between two lanes around the no-fly areas; make them or their margin smaller"
                )
            way = found

    def _walls_on(self, way: FloatArray) -> set[int]:
        line = shapely.LineString(way)
        if not self.walls or not self._union.intersects(line):
            return set()
        return {i for i, core in enumerate(self._cores) if core.intersects(line)}

    def distances(self, points_m: FloatArray) -> FloatArray:
        """Lengths (n, n) of the shortest ways between points (n, 2).

        Exact while the walls have up to 250 corners; with more, blocked pairs get an estimate.
        """
        straight = np.hypot(
            points_m[:, None, 0] - points_m[None, :, 0], points_m[:, None, 1] - points_m[None, :, 1]
        )
        if not self.walls:
            return straight
        i, j = np.triu_indices(len(points_m), 1)
        blocked = self.crosses(points_m[i], points_m[j])
        if not blocked.any():
            return straight
        i, j = i[blocked], j[blocked]
        corners = corners_of(self.walls)
        if len(corners) > _MATRIX_CORNERS:
            straight[i, j] = straight[j, i] = straight[i, j] * 1.5 + 50.0
            return straight
        straight[i, j] = straight[j, i] = self._around(points_m, corners)[i, j]
        return straight

    def _around(self, points_m: FloatArray, corners: FloatArray) -> FloatArray:
        between = _visible_lengths(corners, corners, self)
        hops = dijkstra(np.where(np.isfinite(between), between, 0.0), directed=False)
        out = _visible_lengths(points_m, corners, self)
        reach = np.min(out[:, :, None] + hops[None, :, :], axis=1)
        return np.asarray([np.min(row[None, :] + out, axis=1) for row in reach])


def make_obstacles(areas: Sequence[Geometry], margin_m: float) -> Obstacles:
    """Walls `margin_m` outside of areas (local metres): merged, filled and without needless corners.

    A wall is nowhere nearer to its area than half the margin. A margin under a millimetre is none: GEOS makes
    nothing of an area that it is to widen by next to nothing.
    """
    if not areas:
        return Obstacles()
    if margin_m < _LEAST_MARGIN_M:
        margin_m = 0.0
    grown = shapely.union_all(areas).buffer(margin_m, join_style="mitre", mitre_limit=2.0)
    parts = [grown] if isinstance(grown, Polygon) else list(grown.geoms)
    filled = shapely.union_all([Polygon(part.exterior) for part in parts]).simplify(margin_m / 2)
    parts = [filled] if isinstance(filled, Polygon) else list(filled.geoms)
    # Simplifying may make neighbours touch; merging keeps every corner a corner of one wall.
    merged = shapely.union_all([Polygon(part.exterior) for part in parts if part.area > 0])
    final = [merged] if isinstance(merged, Polygon) else list(merged.geoms)
    return Obstacles(tuple(Polygon(part.exterior) for part in final if part.area > 0))


def corners_of(walls: Sequence[Polygon]) -> FloatArray:
    """The outward corners (n, 2) of walls: a shortest way bends only there."""
    found = [_outward_corners(wall) for wall in walls]
    return np.concatenate(found) if found else np.zeros((0, 2))


def _outward_corners(wall: Polygon) -> FloatArray:
    ring = np.asarray(shapely.geometry.polygon.orient(wall).exterior.coords)[:-1]
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    return np.asarray(ring[before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0] > 0])


def _visible_lengths(a_m: FloatArray, b_m: FloatArray, obstacles: Obstacles) -> FloatArray:
    """Straight lengths (n, m) from a (n, 2) to b (m, 2); inf where a wall stands between."""
    starts = np.repeat(a_m, len(b_m), axis=0)
    ends = np.tile(b_m, (len(a_m), 1))
    lengths = np.hypot(*(starts - ends).T)
    lengths[obstacles.crosses(starts, ends)] = np.inf
    return lengths.reshape(len(a_m), len(b_m))


def _shortest(
    a_m: FloatArray, b_m: FloatArray, walls: Sequence[Polygon], obstacles: Obstacles
) -> FloatArray | None:
    """The shortest way through corners of these walls that crosses none of them, or None."""
    nodes = np.concatenate([a_m[None], b_m[None], corners_of(walls)])
    local = Obstacles(tuple(walls)) if len(walls) < len(obstacles.walls) else obstacles
    i, j = (np.array(v) for v in zip(*itertools.combinations(range(len(nodes)), 2), strict=True))
    free = ~local.crosses(nodes[i], nodes[j])
    lengths = np.zeros((len(nodes), len(nodes)))
    lengths[i[free], j[free]] = np.maximum(np.hypot(*(nodes[i[free]] - nodes[j[free]]).T), 1e-9)
    reach, before = dijkstra(lengths, directed=False, indices=0, return_predecessors=True)
    if not np.isfinite(reach[1]):
        return None
    order = [1]
    while order[-1] != 0:
        order.append(int(before[order[-1]]))
    return nodes[order[::-1]]
