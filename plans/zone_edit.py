"""Editing an area by hand: corners, holes, splitting, joining. Pure functions on polygons in metres of a
local frame; each returns a new polygon, so that an edit can be undone by keeping the old one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from shapely import LineString, MultiPolygon, Polygon
from shapely.ops import split as shapely_split
from shapely.validation import explain_validity

from plans.errors import ZoneError

Point = tuple[float, float]
Rings = tuple[tuple[Point, ...], ...]
"""The corners of a polygon without their closing repetition: the outline first, then the holes."""

_LEAST_CORNERS = 3
_SLIVER_SHARE = 1e-6
"""What is smaller than this share of an area is a slip of arithmetic, not a part of it."""


def rings_of(area: Polygon) -> Rings:
    """The corners of a polygon, ring by ring."""
    return tuple(tuple((x, y) for x, y, *_ in ring.coords[:-1]) for ring in (area.exterior, *area.interiors))


def area_of(rings: Rings) -> Polygon:
    """The polygon of such corners; it may cross itself (see `fault_of`)."""
    return Polygon(rings[0], rings[1:])


def fault_of(area: Polygon) -> str | None:
    """Why a polygon cannot be flown as it is ("Self-intersection[..]"); None when it can."""
    if not area.is_valid:
        return explain_validity(area)
    return None if area.area > 0 else "no area"


def move_vertex(area: Polygon, ring: int, vertex: int, to: Point) -> Polygon:
    """One corner at another place."""
    rings = [list(r) for r in rings_of(area)]
    rings[ring][vertex] = to
    return area_of(_frozen(rings))


def insert_vertex(area: Polygon, ring: int, after: int, at: Point) -> Polygon:
    """A new corner on the edge that begins at corner `after`."""
    rings = [list(r) for r in rings_of(area)]
    rings[ring].insert(after + 1, at)
    return area_of(_frozen(rings))


def remove_vertex(area: Polygon, ring: int, vertex: int) -> Polygon:
    """Without a corner; a hole that has three left goes with it.

    Raises ZoneError when the outline has three corners only.
    """
    rings = [list(r) for r in rings_of(area)]
    if len(rings[ring]) > _LEAST_CORNERS:
        del rings[ring][vertex]
    elif ring > 0:
        del rings[ring]
    else:
        raise ZoneError("an area needs three corners; remove the whole area instead")
    return area_of(_frozen(rings))


def remove_hole(area: Polygon, ring: int) -> Polygon:
    """Without the hole of that ring (1 is the first)."""
    rings = rings_of(area)
    return area_of((*rings[:ring], *rings[ring + 1 :]))


def move_area(area: Polygon, east_m: float, north_m: float) -> Polygon:
    """The whole area somewhere else."""
    return shapely.transform(area, lambda xy: xy + np.array([east_m, north_m]))


def add_hole(area: Polygon, hole: Sequence[Point]) -> list[Polygon]:
    """The area without what was drawn: a hole, a bite off its border, or two areas where it cuts through.

    Raises ZoneError when the drawing crosses itself, misses the area or covers it all.
    """
    drawn = Polygon(hole)
    if fault_of(drawn):
        raise ZoneError("the hole crosses itself; draw it again")
    if not shapely.intersects(area, drawn):
        raise ZoneError("the hole lies outside the area; draw it inside")
    parts = _parts(shapely.difference(area, drawn), area)
    if not parts:
        raise ZoneError("the hole covers the whole area; remove the area instead")
    return parts


def split_area(area: Polygon, line: Sequence[Point]) -> list[Polygon]:
    """The areas on both sides of a line that crosses the whole area.

    Raises ZoneError when it does not.
    """
    parts = _parts(MultiPolygon(_polygons(shapely_split(area, LineString(line)))), area)
    if len(parts) < 2:
        raise ZoneError("the line does not cut the area in two; draw it from outside to outside")
    return parts


def join_areas(areas: Sequence[Polygon]) -> Polygon:
    """One area of several that touch or overlap.

    Raises ZoneError when they lie apart.
    """
    parts = _parts(shapely.union_all(list(areas)), areas[0])
    if len(parts) != 1:
        raise ZoneError("these areas lie apart; only areas that touch become one")
    return parts[0]


def nearest_vertex(area: Polygon, at: Point, within_m: float) -> tuple[int, int] | None:
    """(ring, vertex) of the corner nearest to a place, or None when none is near enough."""
    return _nearest(
        [
            ((r, v), shapely.Point(corner).distance(shapely.Point(at)))
            for r, ring in enumerate(rings_of(area))
            for v, corner in enumerate(ring)
        ],
        within_m,
    )


def nearest_edge(area: Polygon, at: Point, within_m: float) -> tuple[int, int] | None:
    """(ring, vertex where it begins) of the edge nearest to a place, or None when none is near enough."""
    place = shapely.Point(at)
    return _nearest(
        [
            ((r, v), LineString((ring[v], ring[(v + 1) % len(ring)])).distance(place))
            for r, ring in enumerate(rings_of(area))
            for v in range(len(ring))
        ],
        within_m,
    )


def _nearest(found: list[tuple[tuple[int, int], float]], within_m: float) -> tuple[int, int] | None:
    which, distance = min(found, key=lambda item: item[1])
    return which if distance <= within_m else None


def _frozen(rings: list[list[Point]]) -> Rings:
    return tuple(tuple(ring) for ring in rings)


def _polygons(geometry: shapely.Geometry) -> list[Polygon]:
    return [part for part in shapely.get_parts(geometry).tolist() if part.geom_type == "Polygon"]


def _parts(geometry: shapely.Geometry, whole: Polygon) -> list[Polygon]:
    """The polygons of a geometry that are worth the name, largest first."""
    parts = [part for part in _polygons(geometry) if part.area > _SLIVER_SHARE * whole.area]
    return sorted(parts, key=lambda part: -part.area)
