"""What is left of a mission after some of its photos came: a mission for just the missing ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree
from shapely import Polygon

from plans.errors import SurveyError
from plans.frames import FloatArray, GeoPoint, LocalFrame
from plans.mission import AltitudeFrame, CameraEvent, Command, Mission, MissionItem
from plans.mission_shots import PlannedFlight, Stretch, flights_of, frame_of, launch_m, stretch_shots
from plans.mission_use import FlightLimits, FlightMeter
from plans.obstacles import Obstacles, make_obstacles

_LEAST_TOLERANCE_M = 3.0
_WORTH_A_PIECE = 5
"""So many photos of a lane are worth beginning it with what a battery has left."""


@dataclass(frozen=True)
class Remaining:
    """What is still to fly: all of it in one mission, and the mission of every flight by itself. `mission` is
    None, and there are no flights, when every planned photo has come."""

    shots_planned: int
    shots_taken: int
    mission: Mission | None
    flights: tuple[Mission, ...] = ()


@dataclass(frozen=True)
class _Run:
    """Shots first..last of a stretch that are still missing."""

    stretch: Stretch
    first: int
    last: int


def remaining_mission(
    mission: Mission,
    taken: Sequence[GeoPoint | CameraEvent],
    *,
    walls: Sequence[Sequence[GeoPoint]] = (),
    tolerance_m: float | None = None,
    limits: FlightLimits | None = None,
) -> Remaining:
    """The mission that takes the photos of `mission` which `taken` lacks.

    A planned shot counts as taken when a photo lies within `tolerance_m` of it on the ground (half its
    trigger distance when not given) and, where the event knows its heading, along the same line. Every
    photo answers for one shot. A stretch taken up again starts one shot early. On the way between stretches
    the vehicle keeps to the greatest altitude that the mission flew between them and goes around `walls`
    (as read_walls gives them; the fence's exclusions when empty). Flights that exceed `limits` are cut into
    several from the same launch point, where a photo is taken if need be. Raises PlanFileError for a mission
    without places, SurveyError when the limits leave no room for a single photo.
    """
    local = frame_of(mission)
    flights = flights_of(mission, local)
    missing, planned, found = _missing(flights, taken, local, tolerance_m)
    obstacles = _walls(walls or mission.fence_exclusion, local)
    found_flights: list[Mission] = []
    for flight, runs in zip(flights, missing, strict=True):
        for items in _flights_within(flight, runs, mission, local, obstacles, limits or FlightLimits()):
            found_flights.append(replace(mission, items=tuple(items), home=_home(flight, mission)))
    if not found_flights:
        return Remaining(planned, found, None)
    whole = replace(mission, items=tuple(item for one in found_flights for item in one.items))
    return Remaining(planned, found, whole, tuple(found_flights))


def _home(flight: PlannedFlight, mission: Mission) -> GeoPoint | None:
    """Where a flight starts, with the height of home only where that is home."""
    launch, home = flight.launch, mission.home
    if launch is None or (home is not None and _near_m(launch, home) < 1.0):
        return home
    return GeoPoint(launch.lat_deg, launch.lon_deg)


def _near_m(a: GeoPoint, b: GeoPoint) -> float:
    return LocalFrame(a.lat_deg, a.lon_deg).distance_m(b)


def _flights_within(
    flight: PlannedFlight,
    runs: Sequence[_Run],
    mission: Mission,
    local: LocalFrame,
    obstacles: Obstacles,
    limits: FlightLimits,
) -> list[Sequence[MissionItem]]:
    """The items of as many flights as limits ask for, that photograph the runs in their order."""
    if not runs:
        return []
    whole = flight.items if _whole(flight, runs) else _flight_items(flight, runs, local, obstacles)
    meter = FlightMeter(mission, local, limits)
    if meter.fits(whole):
        return [whole]
    out: list[Sequence[MissionItem]] = []
    left = list(runs)
    while left:
        taken, rest = _as_many_as_fit(flight, left, local, obstacles, meter)
        out.append(taken)
        left = rest
    return out


def _as_many_as_fit(
    flight: PlannedFlight, runs: list[_Run], local: LocalFrame, obstacles: Obstacles, meter: FlightMeter
) -> tuple[list[MissionItem], list[_Run]]:
    """The items of a flight over the first of the runs, the last one in part if need be, and the rest."""

    def flown(count: int, shots: int) -> list[MissionItem]:
        some = runs[:count]
        if shots:
            some = [*some, replace(runs[count], last=runs[count].first + shots - 1)]
        return _flight_items(flight, some, local, obstacles)

    count = _most(len(runs), lambda n: n == 0 or meter.fits(flown(n, 0)))
    if count == len(runs):
        return flown(count, 0), []
    run = runs[count]
    length = run.last - run.first + 1
    shots = 0
    if count == 0 or length > 2 * _WORTH_A_PIECE:
        shots = _most(length - 1, lambda n: n == 0 or meter.fits(flown(count, n)))
        shots = shots if count == 0 or shots >= _WORTH_A_PIECE else 0
    if count == 0 and shots == 0:
        raise SurveyError(
            "the battery or the autopilot's memory is too small to take even one of the missing photos from "
            "the plan's launch point; launch nearer or fly with more"
        )
    rest = [replace(run, first=run.first + shots), *runs[count + 1 :]]
    return flown(count, shots), rest


def _most(top: int, fits: Callable[[int], bool]) -> int:
    """The greatest number up to `top` that fits, 0 at least; what fits is taken to fit with less too."""
    low, high = 0, top + 1
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


def _missing(
    flights: Sequence[PlannedFlight],
    taken: Sequence[GeoPoint | CameraEvent],
    local: LocalFrame,
    tolerance_m: float | None,
) -> tuple[list[list[_Run]], int, int]:
    """Runs of missing shots for each flight, the number of shots planned and of those found."""
    keys: list[tuple[int, int, int]] = []
    places, yaws, reach = [np.zeros((0, 2))], [np.zeros(0)], [np.zeros(0)]
    for f, flight in enumerate(flights):
        for s, stretch in enumerate(flight.stretches):
            at, yaw = stretch_shots(flight, stretch)
            keys += [(f, s, i) for i in range(len(at))]
            places.append(at[:, :2])
            yaws.append(yaw)
            near = max(stretch.trigger_m / 2, _LEAST_TOLERANCE_M) if tolerance_m is None else tolerance_m
            reach.append(np.full(len(at), near))
    done = _matched(np.concatenate(places), np.concatenate(yaws), np.concatenate(reach), taken, local)
    runs: list[list[_Run]] = [[] for _ in flights]
    by_stretch: dict[tuple[int, int], list[bool]] = {}
    for (f, s, _), got in zip(keys, done.tolist(), strict=True):
        by_stretch.setdefault((f, s), []).append(got)
    for (f, s), got_list in by_stretch.items():
        runs[f] += _runs(flights[f].stretches[s], got_list)
    return runs, len(keys), int(done.sum())


def _matched(
    places: FloatArray,
    yaws: FloatArray,
    reach: FloatArray,
    taken: Sequence[GeoPoint | CameraEvent],
    local: LocalFrame,
) -> np.ndarray:
    """True for every planned shot that a photo of its own lies near to; nearest pairs first."""
    done = np.zeros(len(places), bool)
    photos = [p for p in taken if not isinstance(p, CameraEvent) or p.captured]
    if not photos or not len(places):
        return done
    e, n = local.to_local([p.lat_deg for p in photos], [p.lon_deg for p in photos])
    headings = [p.yaw_deg if isinstance(p, CameraEvent) else math.nan for p in photos]
    tree = cKDTree(places)
    pairs = []
    for photo, near in enumerate(tree.query_ball_point(np.column_stack([e, n]), float(reach.max()))):
        for shot in near:
            distance = math.hypot(e[photo] - places[shot, 0], n[photo] - places[shot, 1])
            if distance <= reach[shot] and _same_line(headings[photo], float(yaws[shot])):
                pairs.append((distance, photo, shot))
    used: set[int] = set()
    for _, photo, shot in sorted(pairs):
        if photo not in used and not done[shot]:
            used.add(photo)
            done[shot] = True
    return done


def _same_line(heading_deg: float, planned_deg: float) -> bool:
    """Whether two headings lie along one line, either way; unknown ones do."""
    if not math.isfinite(heading_deg):
        return True
    apart = (heading_deg - planned_deg) % 180.0
    return min(apart, 180.0 - apart) <= 45.0


def _runs(stretch: Stretch, got: Sequence[bool]) -> list[_Run]:
    runs: list[_Run] = []
    for index, done in enumerate(got):
        if done:
            continue
        early = max(index - 1, 0)
        if runs and runs[-1].last >= early - 1:
            runs[-1] = replace(runs[-1], last=index)
        else:
            runs.append(_Run(stretch, early, index))
    return runs


def _walls(walls: Sequence[Sequence[GeoPoint]], local: LocalFrame) -> Obstacles:
    rings = []
    for wall in walls:
        e, n = local.to_local([p.lat_deg for p in wall], [p.lon_deg for p in wall])
        rings.append(Polygon(np.column_stack([e, n])))
    return make_obstacles(rings, 0.0)


def _whole(flight: PlannedFlight, runs: Sequence[_Run]) -> bool:
    """Whether nothing of a flight has been photographed."""
    return len(runs) == len(flight.stretches) and all(_to_end(flight, run) and run.first == 0 for run in runs)


def _to_end(flight: PlannedFlight, run: _Run) -> bool:
    return run.last == len(stretch_shots(flight, run.stretch)[0]) - 1


def _flight_items(
    flight: PlannedFlight, runs: Sequence[_Run], local: LocalFrame, obstacles: Obstacles
) -> list[MissionItem]:
    """Take-off, the runs in their old order with ways between them, and home."""
    base = launch_m(flight, local)
    up = _highest(flight, 0, runs[0].stretch.first)
    items: list[MissionItem] = []
    if flight.take_off is not None:
        # a relative altitude counts from the launch point, as the take-off's does
        rise = up if flight.frame == flight.take_off.frame else flight.take_off.alt_m
        items.append(replace(flight.take_off, alt_m=max(flight.take_off.alt_m, rise)))
    items += flight.setup
    here: FloatArray | None = base
    for number, run in enumerate(runs):
        piece = _piece(flight, run)
        before = runs[number - 1] if number else None
        if before is not None and _follows(flight, before, run):
            between = flight.path[before.stretch.last + 1 : run.stretch.first]
            items += [_waypoint(point, flight.frame, local) for point in between]
        elif here is not None:
            items += _way(here, piece[0, :2], up, flight.frame, local, obstacles)
        items += _photographed(piece, run, flight.frame, local)
        here = piece[-1, :2]
        after = runs[number + 1].stretch.last if number + 1 < len(runs) else len(flight.path) - 1
        up = _highest(flight, run.stretch.first, after)
    if base is not None and here is not None:
        items += _way(here, base, up, flight.frame, local, obstacles)
    items.append(MissionItem(Command.NAV_RETURN_TO_LAUNCH, AltitudeFrame.MISSION))
    return items


def _follows(flight: PlannedFlight, before: _Run, run: _Run) -> bool:
    """Whether the mission's own way leads from the end of one run to the start of the next."""
    order = flight.stretches
    return order.index(run.stretch) == order.index(before.stretch) + 1 and (
        run.first == 0 and _to_end(flight, before)
    )


def _photographed(piece: FloatArray, run: _Run, frame: int, local: LocalFrame) -> list[MissionItem]:
    if run.stretch.first == run.stretch.last:
        shoot = MissionItem(Command.IMAGE_START_CAPTURE, AltitudeFrame.MISSION, (0.0, 0.0, 1.0, 0.0))
        return [_waypoint(piece[0], frame, local), shoot]
    inner = [_waypoint(point, frame, local) for point in piece[1:]]
    return [_waypoint(piece[0], frame, local), _trigger(run.stretch.trigger_m), *inner, _trigger(0.0)]


def _highest(flight: PlannedFlight, first: int, last: int) -> float:
    """The greatest altitude of the path between two of its points; from the start, of the take-off too."""
    up = float(flight.path[first : last + 1, 2].max())
    if first == 0 and flight.take_off is not None and flight.take_off.frame == flight.frame:
        up = max(up, flight.take_off.alt_m)
    return up


def _piece(flight: PlannedFlight, run: _Run) -> FloatArray:
    """The path (k, 3) from a run's first shot to a third of a trigger distance past its last."""
    points = flight.path[run.stretch.first : run.stretch.last + 1]
    steps = np.hypot(*np.diff(points[:, :2], axis=0).T) if len(points) > 1 else np.zeros(0)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    start = min(run.first * run.stretch.trigger_m, along[-1])
    end = min((run.last + 0.3) * run.stretch.trigger_m, along[-1])
    if len(points) == 1:
        return np.concatenate([points, points])
    inner = along[(along > start + 0.01) & (along < end - 0.01)]
    at = np.concatenate([[start], inner, [max(end, start)]])
    return np.column_stack([np.interp(at, along, points[:, axis]) for axis in range(3)])


def _way(
    a_m: FloatArray, b_m: FloatArray, up_m: float, frame: int, local: LocalFrame, obstacles: Obstacles
) -> list[MissionItem]:
    """Waypoints of a transit at one altitude, both ends included."""
    if np.hypot(*(b_m - a_m)) < 0.5:
        return []
    return [_waypoint(np.array([p[0], p[1], up_m]), frame, local) for p in obstacles.path(a_m, b_m)]


def _waypoint(point: FloatArray, frame: int, local: LocalFrame) -> MissionItem:
    lat, lon = local.to_geo(point[0], point[1])
    params = (0.0, 0.0, 0.0, math.nan)
    place = round(float(lat), 7), round(float(lon), 7), round(float(point[2]), 2)
    return MissionItem(Command.NAV_WAYPOINT, frame, params, *place)


def _trigger(distance_m: float) -> MissionItem:
    params = (round(distance_m, 2), 0.0, 1.0 if distance_m > 0 else 0.0, 0.0)
    return MissionItem(Command.DO_SET_CAM_TRIGG_DIST, AltitudeFrame.MISSION, params)
