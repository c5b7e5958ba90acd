"""From lanes to flights: legs with heights, shots with poses, and the mission that a vehicle is sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import shapely
from shapely import LineString

from plans.cameras import Camera
from plans.drones import Kit
from plans.energy import Airframe, Wind
from plans.flight_time import home_uses, segment_uses, take_off_and_land_use
from plans.follow import FollowLimits, clearance_m, follow_ground, ground_under
from plans.frames import FloatArray, GeoPoint, LocalFrame, Pose
from plans.lanes import Lane
from plans.mission import AltitudeFrame, Command, Mission, MissionItem
from plans.obstacles import Obstacles
from plans.relief import trigger_over_relief_m
from plans.terrain import Terrain

_RUN_OUT, _MOST_RUN_OUT = 0.3, 0.9
_RUN_OUT_S = 1.0
"""The lane goes on past its last photo, by this share of the trigger distance and so many seconds if it can:
autopilots round the corner behind a lane, and stop the camera where they begin to."""
_LATE_FIRST_M, _LATE_EACH_S = 3.0, 0.015
"""ArduCopter looks 50 times a second whether a photo is due: the first comes up to 2 m late, and each one
after it 0.015 s later than ordered, so that the last of a long lane needs more room (flown,
docs/figures.md)."""


@dataclass(frozen=True)
class Leg:
    """A piece of a flight: `line` with heights AMSL in local metres. `lane` numbers the plan's lanes; None
    for a transit, on which the camera rests. `trigger_m` is the distance between photos on a lane,
    `speed_mps` the ground speed commanded: less than the plan's where the leg is steep. It begins `start_s`
    after take-off and takes `duration_s`."""

    line: LineString
    lane: int | None = None
    trigger_m: float = 0.0
    speed_mps: float = 0.0
    start_s: float = 0.0
    duration_s: float = 0.0

    @property
    def points_m(self) -> FloatArray:
        """East, north, up (AMSL), shape (k, 3)."""
        return shapely.get_coordinates(self.line, include_z=True)


@dataclass(frozen=True)
class Shot:
    """One planned photo. `gsd_m` is that at the point of ground straight below, `time_s` since take-off."""

    index: int
    sortie: int
    lane: int
    pose: Pose
    lat_deg: float
    lon_deg: float
    height_agl_m: float
    gsd_m: float
    time_s: float


@dataclass(frozen=True)
class Sortie:
    """One flight from take-off to landing. `drone` counts from 0; `launch_ground_m` is AMSL.

    `battery_s` is what it draws, in seconds of calm cruise, and `worst_home_s` the most that it would have
    drawn had it turned straight home from some point of the way: neither is more than `usable_s`. It takes
    off `start_s` after the operation begins.
    """

    index: int
    drone: int
    launch: GeoPoint
    launch_ground_m: float
    camera: Camera
    legs: tuple[Leg, ...]
    shots: tuple[Shot, ...]
    length_m: float
    duration_s: float
    battery_s: float
    worst_home_s: float
    usable_s: float
    min_clearance_m: float
    mission: Mission = field(repr=False)
    start_s: float = 0.0

    @property
    def lanes(self) -> tuple[int, ...]:
        """Numbers of the plan's lanes that this flight photographs, in order."""
        return tuple(leg.lane for leg in self.legs if leg.lane is not None)


@dataclass(frozen=True)
class FlightRules:
    """What all flights of one drone in a plan share."""

    frame: LocalFrame
    terrain: Terrain
    obstacles: Obstacles
    kit: Kit
    overlap: float
    limits: FollowLimits
    wind: Wind
    gimbal_pitch_deg: float | None
    fence_exclusion: tuple[tuple[GeoPoint, ...], ...]

    @property
    def airframe(self) -> Airframe:
        """The drone's."""
        return self.kit.drone.airframe


def trigger_plan(
    length_m: float, widest_m: float, tightest_m: float, run_out_m: float = 0.0
) -> tuple[float, int]:
    """(distance between photos, number of photos) of a lane.

    Photos stand evenly from the lane's start, at most `widest_m` apart and at least `tightest_m` (the
    camera's cycle). The last one stands `run_out_m` before the lane's end, but not less than 0.3 and not more
    than 0.9 of the distance.
    """
    gaps = max(math.ceil(length_m / widest_m - _MOST_RUN_OUT), 1)
    while (distance := _even_distance_m(length_m, gaps, run_out_m)) > widest_m:
        gaps += 1
    distance = math.floor(distance * 1000) / 1000
    distance = max(distance, math.ceil(tightest_m * 1000 - 1e-6) / 1000, 0.001)
    return distance, int(length_m / distance - _RUN_OUT / 3) + 1


def _even_distance_m(length_m: float, gaps: int, run_out_m: float) -> float:
    wanted = min(length_m / (gaps + _RUN_OUT), (length_m - run_out_m) / gaps)
    return max(wanted, length_m / (gaps + _MOST_RUN_OUT))


def fly_through(launch: GeoPoint, lanes: Sequence[Lane], rules: FlightRules) -> Sortie:
    """The flight that photographs lanes in this order from a launch point and returns to it. Its lanes count
    from 0 and it has no shots yet: see `numbered`."""
    base = np.array([float(v) for v in rules.frame.to_local(launch.lat_deg, launch.lon_deg)])
    ground = float(ground_under(base[None], rules.terrain)[0])
    flat, owner = _flat_legs(base, lanes, rules.obstacles)
    heights = follow_ground(flat, [at is None for at in owner], rules.terrain, rules.limits)
    path = np.concatenate([heights[0], *(leg[1:] for leg in heights[1:])])
    clear = rules.limits.height_m if rules.terrain.is_level else clearance_m(path, rules.terrain)
    if clear < rules.limits.clearance_m:  # ground between two samples stood higher than both
        lift = np.array([0.0, 0.0, rules.limits.clearance_m - clear])
        heights = [leg + lift for leg in heights]
        path = path + lift
        clear = rules.limits.clearance_m
    gaps = [None if at is None else (at, lanes[at].photo_gap) for at in owner]
    legs, uses = _timed(heights, gaps, ground, rules)
    used = uses.sum(axis=0)
    return Sortie(
        index=0,
        drone=0,
        launch=launch,
        launch_ground_m=ground,
        camera=rules.kit.camera,
        legs=legs,
        shots=(),
        length_m=float(np.hypot(*np.diff(path[:, :2], axis=0).T).sum()),
        duration_s=float(used[0]),
        battery_s=float(used[1]),
        worst_home_s=_worst_home_s(legs, uses[:-1, 1], base, ground, rules),
        usable_s=rules.kit.drone.battery.usable_s,
        min_clearance_m=clear,
        mission=_mission(legs, launch, ground, rules),
    )


def numbered(
    sortie: Sortie, index: int, drone: int, first_lane: int, first_shot: int, rules: FlightRules
) -> Sortie:
    """The sortie as the plan's `index`-th: with its drone, the plan's lane numbers, and its shots."""
    legs = tuple(leg if leg.lane is None else replace(leg, lane=leg.lane + first_lane) for leg in sortie.legs)
    shots = _shots(legs, index, first_shot, rules)
    return replace(sortie, index=index, drone=drone, legs=legs, shots=shots)


def _timed(
    heights: Sequence[FloatArray],
    lanes: Sequence[tuple[int, float] | None],
    ground_m: float,
    rules: FlightRules,
) -> tuple[tuple[Leg, ...], FloatArray]:
    """The legs with speeds and times, and what the climb, each leg and the landing use: (legs + 2, 2). Of a
    leg that is a lane, `lanes` has its number and its `photo_gap`."""
    cruise = rules.kit.speed_mps
    up = take_off_and_land_use(heights[0][0, 2] - ground_m, 0.0, cruise, rules.airframe)
    down = take_off_and_land_use(0.0, heights[-1][-1, 2] - ground_m, cruise, rules.airframe)
    triggers, speeds = [], []
    for points, lane in zip(heights, lanes, strict=True):
        trigger, speed = 0.0, _leg_speed_mps(points, rules)
        if lane is not None:
            trigger, speed = _lane_trigger_m(points, lane[1], speed, rules)
        triggers.append(trigger)
        speeds.append(speed)
    path = np.concatenate([heights[0], *(points[1:] for points in heights[1:])])
    pieces = np.array([len(points) - 1 for points in heights])
    flown = segment_uses(path, np.repeat(speeds, pieces), rules.airframe, rules.wind, cruise)
    uses = np.add.reduceat(flown, np.cumsum(pieces) - pieces, axis=0)
    starts = up[0] + np.concatenate([[0.0], np.cumsum(uses[:, 0])])
    legs = tuple(
        Leg(
            LineString(points), None if lane is None else lane[0], trigger, speed, float(start), float(use[0])
        )
        for points, lane, trigger, speed, start, use in zip(
            heights, lanes, triggers, speeds, starts[:-1], uses, strict=True
        )
    )
    return legs, np.vstack([up, uses, down])


def _worst_home_s(
    legs: Sequence[Leg], used_s: FloatArray, base_m: FloatArray, ground_m: float, rules: FlightRules
) -> float:
    """The most battery seconds with which the drone would land if it turned straight home at the end of some
    leg, above whatever ground lies between (autopilots return in a straight line). `used_s` are those of the
    climb and of each leg."""
    places = np.array([legs[0].points_m[0], *(leg.points_m[-1] for leg in legs)])
    home = np.broadcast_to(base_m, (len(places), 2))
    kit = rules.kit
    back = home_uses(places[:, :2], home, kit.speed_mps, rules.airframe, rules.wind)[:, 1]
    between = np.linspace(0.0, 1.0, 20)[None, :, None]
    line = places[:, None, :2] * (1 - between) + home[:, None] * between
    under = rules.terrain.at(line[..., 0], line[..., 1])
    highest = np.nanmax(np.where(np.isfinite(under), under, -np.inf), axis=1) + rules.limits.clearance_m
    climb = np.maximum(highest - places[:, 2], 0.0)
    top = np.maximum(places[:, 2], highest)
    vertical = [
        take_off_and_land_use(float(up), float(down), kit.speed_mps, rules.airframe)[1]
        for up, down in zip(climb, np.maximum(top - ground_m, 0.0), strict=True)
    ]
    return float(np.max(np.cumsum(used_s) + back + vertical))


def _flat_legs(
    base: FloatArray, lanes: Sequence[Lane], obstacles: Obstacles
) -> tuple[list[FloatArray], list[int | None]]:
    """Transit, lane, transit, ... and the way home, each (k, 2); and for each the lane's place or None."""
    legs: list[FloatArray] = []
    owner: list[int | None] = []
    here = base
    for at, lane in enumerate(lanes):
        if np.hypot(*(lane.start_m - here)) > 1e-6:
            legs.append(obstacles.path(here, lane.start_m))
            owner.append(None)
        legs.append(lane.points_m)
        owner.append(at)
        here = lane.end_m
    if np.hypot(*(base - here)) > 1e-6:
        legs.append(obstacles.path(here, base))
        owner.append(None)
    return legs, owner


def _leg_speed_mps(points: FloatArray, rules: FlightRules) -> float:
    """The speed at which the leg's steepest piece stays within the climb and descent rates."""
    flat = np.maximum(np.hypot(*np.diff(points[:, :2], axis=0).T), 1e-6)
    slope = np.diff(points[:, 2]) / flat
    up, down = max(float(slope.max()), 1e-9), max(float(-slope.min()), 1e-9)
    fastest = min(rules.airframe.climb_mps / up, rules.airframe.descent_mps / down)
    if fastest >= rules.kit.speed_mps:
        return rules.kit.speed_mps
    return max(math.floor(fastest * 10) / 10, 0.1)


def _lane_trigger_m(
    points: FloatArray, photo_gap: float, speed_mps: float, rules: FlightRules
) -> tuple[float, float]:
    """(distance between photos, ground speed) of a lane: closer photos over rising ground, and slower flight
    where the camera could not keep up with them."""
    length = float(np.hypot(*np.diff(points[:, :2], axis=0).T).sum())
    kit = rules.kit
    reach = kit.trigger_m / (1 - rules.overlap) / 2
    widest = photo_gap * trigger_over_relief_m(points, kit.trigger_m, reach, kit.height_m, rules.terrain)
    cycle_s = kit.camera.min_trigger_interval_s
    if widest < speed_mps * cycle_s:
        speed_mps = max(math.floor(widest / cycle_s * 10) / 10, 0.1)
    late = _LATE_FIRST_M + _LATE_EACH_S * speed_mps * length / widest
    run_out = max(_RUN_OUT_S * speed_mps, late)
    return trigger_plan(length, widest, speed_mps * cycle_s, run_out)[0], speed_mps


def _shots(legs: Sequence[Leg], sortie: int, first: int, rules: FlightRules) -> tuple[Shot, ...]:
    shots: list[Shot] = []
    for leg in legs:
        if leg.lane is None:
            continue
        places, yaws = shot_places(leg.points_m, leg.trigger_m)
        times = leg.start_s + leg.duration_s * np.arange(len(places)) * leg.trigger_m / max(
            leg.line.length, 1e-9
        )
        lats, lons = rules.frame.to_geo(places[:, 0], places[:, 1])
        above = places[:, 2] - ground_under(places, rules.terrain)
        for place, yaw, lat, lon, height, at in zip(places, yaws, lats, lons, above, times, strict=True):
            pose = Pose(float(place[0]), float(place[1]), float(place[2]), float(yaw), -90.0, 0.0)
            gsd = rules.kit.camera.gsd_m(float(height))
            number = first + len(shots)
            shots.append(
                Shot(number, sortie, leg.lane, pose, float(lat), float(lon), float(height), gsd, float(at))
            )
    return tuple(shots)


def shot_places(points_m: FloatArray, trigger_m: float) -> tuple[FloatArray, FloatArray]:
    """Where a camera that fires every `trigger_m` along a path (k, 3) fires: places (n, 3) and the path's
    heading there in degrees (n,). The first photo is at the path's start."""
    steps = np.hypot(*np.diff(points_m[:, :2], axis=0).T)
    run = np.concatenate([[0.0], np.cumsum(steps)])
    count = int(run[-1] / trigger_m + 1e-6) + 1
    at = np.arange(count) * trigger_m
    places = np.column_stack([np.interp(at, run, points_m[:, axis]) for axis in range(3)])
    piece = np.clip(np.searchsorted(run, at, side="right") - 1, 0, len(steps) - 1)
    delta = np.diff(points_m[:, :2], axis=0)[piece]
    return places, np.degrees(np.arctan2(delta[:, 0], delta[:, 1])) % 360.0


def _mission(legs: Sequence[Leg], launch: GeoPoint, ground_m: float, rules: FlightRules) -> Mission:
    first = legs[0].points_m[0]
    items = [
        MissionItem(
            Command.NAV_TAKEOFF,
            AltitudeFrame.RELATIVE,
            (0.0, 0.0, 0.0, math.nan),
            round(launch.lat_deg, 7),
            round(launch.lon_deg, 7),
            round(float(first[2]) - ground_m, 2),
        ),
        _order(Command.DO_CHANGE_SPEED, 1.0, round(rules.kit.speed_mps, 2), -1.0),
    ]
    speed = rules.kit.speed_mps
    if rules.gimbal_pitch_deg is not None:
        # param7 (alt_m) = 2: MAV_MOUNT_MODE_MAVLINK_TARGETING
        mount = (rules.gimbal_pitch_deg, 0.0, 0.0, 0.0)
        items.append(MissionItem(Command.DO_MOUNT_CONTROL, AltitudeFrame.MISSION, mount, alt_m=2.0))
    for leg, after in zip(legs, [*legs[1:], None], strict=True):
        points = leg.points_m
        places = _waypoints(points, ground_m, rules.frame)
        slower = []
        if leg.speed_mps != speed:
            slower = [_order(Command.DO_CHANGE_SPEED, 1.0, round(leg.speed_mps, 2), -1.0)]
            speed = leg.speed_mps
        if leg.lane is None:
            last = len(places) if after is None else -1
            items += [*slower, *places[1:last]]
        else:
            on = _order(Command.DO_SET_CAM_TRIGG_DIST, leg.trigger_m, 0.0, 1.0)
            there = next((i for i in reversed(items) if i.has_place), None) == places[0]  # a lane cut in two
            start = [] if there else places[:1]
            items += [*start, *slower, on, *places[1:], _order(Command.DO_SET_CAM_TRIGG_DIST)]
    items.append(_order(Command.NAV_RETURN_TO_LAUNCH))
    home = GeoPoint(launch.lat_deg, launch.lon_deg, launch.alt_amsl_m)
    return Mission(tuple(items), home, rules.kit.speed_mps, fence_exclusion=rules.fence_exclusion)


def _order(command: int, *params: float) -> MissionItem:
    filled = (*params, 0.0, 0.0, 0.0, 0.0)[:4]
    return MissionItem(command, AltitudeFrame.MISSION, (filled[0], filled[1], filled[2], filled[3]))


def _waypoints(points: FloatArray, ground_m: float, frame: LocalFrame) -> list[MissionItem]:
    lats, lons = frame.to_geo(points[:, 0], points[:, 1])
    # param4 NaN: the nose follows the path (0 would turn PX4 to the north)
    params = (0.0, 0.0, 0.0, math.nan)
    return [
        MissionItem(
            Command.NAV_WAYPOINT, AltitudeFrame.RELATIVE, params, round(lat, 7), round(lon, 7), round(up, 2)
        )
        for lat, lon, up in zip(lats.tolist(), lons.tolist(), (points[:, 2] - ground_m).tolist(), strict=True)
    ]
