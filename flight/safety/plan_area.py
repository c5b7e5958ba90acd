"""Does a flight keep inside its fence and out of no-fly areas: every leg, and every straight way home, or to
the rally point that the autopilot would choose."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import Geometry, LineString, Polygon

from flight.safety.alerts import Alert, Severity
from flight.safety.plan_path import FlightPath, Leg, LegKind
from flight.safety.rally import Goal
from flight.safety.way_home import ReturnSettings
from plans.frames import GeoPoint, LocalFrame
from plans.mission import Mission

_PIECE_M = 50.0
_SAME_M = 1.0
_TOUCH_M = 0.5
"""Lanes end on walls and ways run along them, and plan files round: so little is no trespass."""


@dataclass(frozen=True)
class NoFlyArea:
    """An area that no leg may enter. A `wall` is what a planner has drawn around such an area: it holds the
    distance already, and legs may run along it."""

    name: str
    outline: tuple[GeoPoint, ...]
    wall: bool = False


@dataclass(frozen=True)
class _Fence:
    name: str
    area: Geometry
    inside: bool
    """True where the vehicle must be inside, False where outside."""
    margin_m: float
    wall: bool = False


def area_alerts(
    mission: Mission,
    paths: Sequence[FlightPath],
    local: LocalFrame,
    no_fly: Sequence[NoFlyArea],
    margin_m: float,
    joined: bool,
    returns: ReturnSettings,
) -> Iterator[Alert]:
    """What is wrong with the fence, and which legs leave it or enter what is forbidden. `joined`: inside one
    of several inclusion fences is enough."""
    fences: list[_Fence] = []
    kinds = (
        ("inclusion", True, [NoFlyArea("", ring) for ring in mission.fence_inclusion]),
        ("no_fly", False, [area for area in no_fly if not area.wall]),
        ("exclusion", False, [NoFlyArea("", ring) for ring in mission.fence_exclusion]),
        ("no_fly", False, [area for area in no_fly if area.wall]),
    )
    for kind, inside, rings in kinds:
        for number, ring in enumerate(rings, start=1):
            label = ring.name or f"{kind} {number}"
            area = _polygon(ring.outline, local)
            if area is None:
                yield Alert("plan.fence_broken", Severity.BAD, {"fence": label}, about=label)
            elif ring.wall:
                core = area.buffer(-_TOUCH_M, join_style="mitre")
                parts = [part for part in shapely.get_parts(core) if part.area > 0]
                fences += [_Fence(label, part, inside, 0.0, wall=True) for part in parts]
            else:
                fences.append(_Fence(label, area, inside, margin_m))
    if joined:
        within = [fence.area for fence in fences if fence.inside]
        fences = [fence for fence in fences if not fence.inside]
        if within:
            fences.append(_Fence("inclusion", shapely.union_all(within), True, margin_m))
    fans = [_fans(path, returns) for path in paths]
    told: list[tuple[_Fence, str]] = []
    for fence in fences:
        found = list(_fence_alerts(fence, paths, fans))
        yield from (a for a in found if not any(a.key == key and _same_place(fence, at) for at, key in told))
        told += [(fence, alert.key) for alert in found]


def _same_place(fence: _Fence, told: _Fence) -> bool:
    """Whether a warning of `fence` says again what was told of another: of the area that a wall stands
    around, or of the same area under another name."""
    if fence.inside or told.inside:
        return False
    if fence.wall:
        return bool(fence.area.intersects(told.area))
    return bool(fence.area.boundary.hausdorff_distance(told.area.boundary) < _SAME_M)


def _polygon(ring: Sequence[GeoPoint], local: LocalFrame) -> Polygon | None:
    """None for what is no area: too few corners, out of this world, or crossing itself."""
    if len(ring) < 3 or not all(math.isfinite(p.lat_deg) and math.isfinite(p.lon_deg) for p in ring):
        return None
    east, north = local.to_local([p.lat_deg for p in ring], [p.lon_deg for p in ring])
    area = Polygon(list(zip(east.tolist(), north.tolist(), strict=True)))
    return area if area.is_valid and area.area > 0 else None


def _fence_alerts(
    fence: _Fence, paths: Sequence[FlightPath], fans: Sequence[Sequence[_Fan]]
) -> Iterator[Alert]:
    shapely.prepare(fence.area)
    name = {"fence": fence.name}
    side = "leaves_fence" if fence.inside else "enters"
    for path, ways in zip(paths, fans, strict=True):
        if path.launch_m is not None and fence.area.contains(shapely.Point(path.launch_m)) != fence.inside:
            yield Alert("plan.launch_forbidden", Severity.BAD, name, about=fence.name)
        for number, place in enumerate(path.rallies, start=1):
            if fence.area.contains(shapely.Point(path.goal_m(Goal(place, number)))) != fence.inside:
                about = f"{fence.name} {number}"
                yield Alert("plan.rally_forbidden", Severity.WARN, {**name, "number": number}, about=about)
        crossing = [(leg, far) for leg in path.legs if (far := _trespass_m(fence, leg)) > 0]
        if crossing:
            leg, far = max(crossing, key=lambda found: found[1])
            values = {**name, "item": leg.item + 1, "legs": len(crossing), "distance": far}
            yield Alert(f"plan.{side}", Severity.BAD, values, about=fence.name)
            continue
        gap, near = min(
            ((_gap_m(fence, leg), leg) for leg in path.legs), default=(math.inf, None), key=_first
        )
        if near is not None and gap < fence.margin_m:
            values = {**name, "item": near.item + 1, "distance": gap, "margin": fence.margin_m}
            yield Alert("plan.near_fence", Severity.WARN, values, about=fence.name)
        for rally in sorted({fan.rally for fan in ways}):
            back = [fan.leg for fan in ways if fan.rally == rally and _trespasses(fence, fan)]
            if back:
                legs = len({id(leg) for leg in back})
                values = {**name, "item": back[0].item + 1, "legs": legs, "number": rally}
                to = "to_rally" if rally else "home"
                about = f"{fence.name} {rally}" if rally else fence.name
                yield Alert(f"plan.way_{to}_{side}", Severity.WARN, values, about=about)


def _first(pair: tuple[float, object]) -> float:
    return pair[0]


def _line(leg: Leg) -> Geometry:
    if math.dist(leg.start[:2], leg.end[:2]) < 1e-6:
        return shapely.Point(leg.start[:2])
    return LineString([leg.start[:2], leg.end[:2]])


def _trespass_m(fence: _Fence, leg: Leg) -> float:
    """How deep a leg goes where it must not, metres; 0 where it does not."""
    line = _line(leg)
    if fence.inside:
        if fence.area.covers(line):
            return 0.0
        outside = shapely.get_coordinates(line.difference(fence.area))
        return max((float(fence.area.distance(shapely.Point(xy))) for xy in outside), default=0.0)
    if not fence.area.intersects(line):
        return 0.0
    inside = line.intersection(fence.area)
    depth = max(
        (float(fence.area.exterior.distance(shapely.Point(xy))) for xy in _samples(inside)), default=0.0
    )
    return max(depth, float(inside.length) / 1000)  # a leg along the border counts, if little


def _samples(part: Geometry) -> list[tuple[float, float]]:
    if part.length == 0:
        return [tuple(xy) for xy in shapely.get_coordinates(part).tolist()]
    dense = shapely.segmentize(part, max(part.length / 16, 0.1))
    return [tuple(xy) for xy in shapely.get_coordinates(dense).tolist()]


def _gap_m(fence: _Fence, leg: Leg) -> float:
    return float(fence.area.boundary.distance(_line(leg)))


@dataclass(frozen=True)
class _Fan:
    """All straight ways home from a leg, or from a piece of it, to a rally point (0: home): a triangle."""

    leg: Leg
    rally: int
    area: Geometry


def _fans(path: FlightPath, returns: ReturnSettings) -> list[_Fan]:
    """The ways home from everywhere on a flight. Where there are rally points the legs are looked at piece by
    piece: its ends may lead to different ones."""
    if path.launch_m is None:
        return []
    found = []
    for leg in path.legs:
        if leg.kind is LegKind.HOME:
            continue
        pieces = max(math.ceil(math.dist(leg.start[:2], leg.end[:2]) / _PIECE_M), 1) if path.rallies else 1
        points = np.linspace(leg.start, leg.end, pieces + 1).tolist()
        goals = [path.goal((e, n, up), returns) for e, n, up in points]
        for a, b, goal, other in zip(points, points[1:], goals, goals[1:], strict=False):
            for one in {goal, other}:
                corners = shapely.MultiPoint([a[:2], b[:2], path.goal_m(one)])
                found.append(_Fan(leg, one.rally, corners.convex_hull))
    return found


def _trespasses(fence: _Fence, fan: _Fan) -> bool:
    return not fence.area.covers(fan.area) if fence.inside else bool(fence.area.intersects(fan.area))
