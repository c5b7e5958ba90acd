"""Where a mission takes a vehicle, leg by leg, as its autopilot reads it: any mission, also foreign ones.

Take-offs rise straight up (ArduCopter; PX4 too, near the launch point), waypoints in a terrain frame are
flown at a height above ground that changes evenly, DO_JUMP is followed, a return goes straight home or to
the rally point that the autopilot chooses, no lower than the vehicle is. Splines are taken as straight.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from flight.safety.rally import HOME, Goal, Place, rally_places
from flight.safety.way_home import ReturnSettings
from plans.frames import FloatArray, GeoPoint, LocalFrame
from plans.mission import Command, Mission, MissionItem
from plans.terrain import Terrain

AMSL_FRAMES, RELATIVE_FRAMES, TERRAIN_FRAMES = (0, 5), (3, 6), (10, 11)
LOITER_TURNS, LOITER_TO_ALT, VTOL_TAKEOFF, VTOL_LAND = 18, 31, 84, 85
TAKE_OFFS = (Command.NAV_TAKEOFF, VTOL_TAKEOFF)
LANDINGS = (Command.NAV_LAND, VTOL_LAND)
FLOWN = (
    Command.NAV_WAYPOINT,
    Command.NAV_LOITER_UNLIM,
    LOITER_TURNS,
    Command.NAV_LOITER_TIME,
    LOITER_TO_ALT,
    Command.NAV_SPLINE_WAYPOINT,
    *LANDINGS,
)
"""Items that a vehicle flies to."""
LOCATED = (*FLOWN, *TAKE_OFFS, Command.DO_SET_ROI, Command.DO_SET_ROI_LOCATION, Command.DO_SET_HOME)
"""Items whose latitude and longitude mean a place."""
_MOST_STEPS = 20_000
_OTHER_LAUNCH_M = 50.0
_TURN_CORNERS = 16
_USUAL_TURN_RADIUS_M = 10.0
_USUAL_SPEED_MPS = 5.0
_VERTICAL_SPEEDS = (2.0, 3.0)
"""Kinds of DO_CHANGE_SPEED that are about climbing and sinking."""


class LegKind(StrEnum):
    """What a leg is for."""

    RISE = "take-off"
    FLY = "flight"
    HOME = "way home"
    LAND = "landing"


@dataclass(frozen=True)
class Leg:
    """From `start` to `end` (east, north, up; metres), on the way to mission item `item` (index).

    `up` counts from sea level where the launch point's height is known, else from there. With `over_terrain`
    the height above ground changes evenly, not the height itself. `hold_s` is waited at the end.
    """

    item: int
    kind: LegKind
    start: tuple[float, float, float]
    end: tuple[float, float, float]
    speed_mps: float
    hold_s: float = 0.0
    over_terrain: bool = False


@dataclass(frozen=True)
class FlightPath:
    """One flight of a mission. `base_m` is the launch point's height (AMSL), NaN when unknown; then heights
    count from it. `unending`: it never lands by itself. `unclear` are items whose height cannot be told."""

    launch: GeoPoint | None
    launch_m: tuple[float, float] | None
    base_m: float
    legs: tuple[Leg, ...]
    unending: bool
    unclear: tuple[int, ...] = ()
    rallies: tuple[Place, ...] = ()
    """The rally points, from the launch point."""

    def goal(self, point_m: tuple[float, float, float], returns: ReturnSettings) -> Goal:
        """Where a return from a place (east, north, up, as the legs have it) leads."""
        if not self.rallies or self.launch_m is None:
            return HOME
        return returns.goal(self.place(point_m), self.rallies)

    def place(self, point_m: tuple[float, float, float]) -> Place:
        """A place as seen from the launch point, which must be known."""
        assert self.launch_m is not None
        return Place(point_m[0] - self.launch_m[0], point_m[1] - self.launch_m[1], point_m[2] - self.zero_m)

    def goal_m(self, goal: Goal) -> tuple[float, float]:
        """East, north of where a return leads."""
        assert self.launch_m is not None
        return self.launch_m[0] + goal.place.east_m, self.launch_m[1] + goal.place.north_m

    @property
    def zero_m(self) -> float:
        """What the legs' heights have to be lowered by to count from the launch point."""
        return 0.0 if math.isnan(self.base_m) else self.base_m

    def points_m(self) -> FloatArray:
        """All corners, (k, 3)."""
        if not self.legs:
            return np.zeros((0, 3))
        return np.array([self.legs[0].start, *(leg.end for leg in self.legs)])


def flight_paths(
    mission: Mission,
    local: LocalFrame,
    terrain: Terrain | None = None,
    returns: ReturnSettings | None = None,
) -> tuple[FlightPath, ...]:
    """The flights of a mission, one for each launch point. Items that are out of this world must be left out
    before. `terrain` must be in the frame `local`."""
    flights: list[_Walker] = []
    walker = _Walker(mission, local, terrain, returns or ReturnSettings(), mission.home)
    for index, item in _in_order(mission):
        if walker.landed and item.command in TAKE_OFFS and _placed(item):
            place = GeoPoint(item.lat_deg, item.lon_deg)
            if walker.far_from(place):
                flights.append(walker)
                walker = _Walker(mission, local, terrain, returns or ReturnSettings(), place)
        walker.take(index, item)
    return tuple(one.path() for one in [*flights, walker])


def _placed(item: MissionItem) -> bool:
    return item.lat_deg != 0.0 or item.lon_deg != 0.0


def _in_order(mission: Mission) -> Iterator[tuple[int, MissionItem]]:
    """The items as they are executed, DO_JUMP followed (a jump for ever once)."""
    left: dict[int, int] = {}
    at = steps = 0
    while 0 <= at < len(mission.items) and steps < _MOST_STEPS:
        item, steps = mission.items[at], steps + 1
        if item.command == Command.DO_JUMP and math.isfinite(item.params[0]):
            times = item.params[1] if math.isfinite(item.params[1]) else 0.0
            left.setdefault(at, 1 if times < 0 else int(times))
            target = int(item.params[0]) - 1
            if left[at] > 0 and 0 <= target < len(mission.items):
                left[at] -= 1
                at = target
                continue
        yield at, item
        at += 1


class _Walker:
    """Walks the items of one flight."""

    def __init__(
        self,
        mission: Mission,
        local: LocalFrame,
        terrain: Terrain | None,
        returns: ReturnSettings,
        launch: GeoPoint | None,
    ) -> None:
        self.local, self.terrain, self.returns, self.mission = local, terrain, returns, mission
        self.launch = launch
        self.speed_mps = mission.cruise_speed_mps or _USUAL_SPEED_MPS
        if returns.px4 is not None:  # the plan's speed does not go to it by itself
            self.speed_mps = returns.speed_mps
        self.legs: list[Leg] = []
        self.unclear: list[int] = []
        self.home: tuple[float, float] | None = None
        self.base_m = math.nan
        self.here: tuple[float, float, float] | None = None
        self.landed = False
        if launch is not None:
            self._start_at(launch)

    def _start_at(self, launch: GeoPoint) -> None:
        east, north = (float(v) for v in self.local.to_local(launch.lat_deg, launch.lon_deg))
        self.launch, self.home = launch, (east, north)
        ground = float(self.terrain.at(east, north)) if self.terrain is not None else math.nan
        known = launch.alt_amsl_m
        self.base_m = ground if math.isfinite(ground) else math.nan if known is None else known
        self.here = (east, north, self.zero_m)

    @property
    def zero_m(self) -> float:
        return 0.0 if math.isnan(self.base_m) else self.base_m

    def far_from(self, place: GeoPoint) -> bool:
        """Whether a take-off there is another launch point than this flight's landing."""
        if self.here is None:
            return False
        east, north = self.local.to_local(place.lat_deg, place.lon_deg)
        return math.hypot(float(east) - self.here[0], float(north) - self.here[1]) > _OTHER_LAUNCH_M

    def take(self, index: int, item: MissionItem) -> None:
        command = item.command
        if command in TAKE_OFFS:
            self._rise(index, item)
        elif command in FLOWN:
            self._fly(index, item)
        elif command == Command.NAV_RETURN_TO_LAUNCH:
            self._return(index)
        elif command == Command.DO_CHANGE_SPEED and item.params[0] not in _VERTICAL_SPEEDS:
            if math.isfinite(item.params[1]) and item.params[1] > 0:
                self.speed_mps = item.params[1]
        elif command == Command.NAV_DELAY and self.legs and item.params[0] > 0:
            self._hold(item.params[0])

    def _rise(self, index: int, item: MissionItem) -> None:
        if self.here is None:
            if not _placed(item):
                return
            self._start_at(GeoPoint(item.lat_deg, item.lon_deg))
        assert self.here is not None
        up = self._up(index, item, self.here[0], self.here[1])
        top = (self.here[0], self.here[1], up)
        self._add(Leg(index, LegKind.RISE, self.here, top, self.speed_mps))
        self.landed = False

    def _fly(self, index: int, item: MissionItem) -> None:
        if _placed(item):
            east, north = (float(v) for v in self.local.to_local(item.lat_deg, item.lon_deg))
        elif self.here is not None:
            east, north = self.here[:2]
        else:
            return
        if self.here is None and self.terrain is not None and math.isnan(self.base_m):
            self.base_m = float(self.terrain.at(east, north))  # launched near its first waypoint, it seems
        over = item.frame in TERRAIN_FRAMES and item.command != Command.NAV_LAND
        if item.command in LANDINGS:
            up = self.here[2] if self.here is not None else self.zero_m
        else:
            up = self._up(index, item, east, north)
        if self.here is None:  # no launch point is known: the flight begins here
            self.here = (east, north, up)
        goal = (east, north, up)
        self._add(Leg(index, LegKind.FLY, self.here, goal, self.speed_mps, over_terrain=over))
        if item.command in LANDINGS:
            self._down(index)
        elif item.command == LOITER_TURNS:
            self._turns(index, item, goal)
        elif item.command in (Command.NAV_LOITER_TIME, Command.NAV_WAYPOINT):
            self._hold(item.params[0])

    def _turns(self, index: int, item: MissionItem, centre: tuple[float, float, float]) -> None:
        wanted = abs(item.params[2]) if math.isfinite(item.params[2]) else 0.0
        radius = wanted or _USUAL_TURN_RADIUS_M
        turns = min(max(item.params[0] if math.isfinite(item.params[0]) else 1.0, 1.0), 50.0)
        for corner in range(1, round(turns * _TURN_CORNERS) + 1):
            angle = 2 * math.pi * corner / _TURN_CORNERS
            end = (
                centre[0] + radius * math.sin(angle),
                centre[1] + radius * math.cos(angle),
                centre[2],
            )
            assert self.here is not None
            self._add(Leg(index, LegKind.FLY, self.here, end, self.speed_mps))

    def _return(self, index: int) -> None:
        if self.here is None or self.home is None:
            return
        east, north, up = self.here
        there = Place(east - self.home[0], north - self.home[1], up - self.zero_m)
        chosen = self.returns.goal(there, rally_places(self.mission, self.local, self.home))
        top = self.zero_m + self.returns.height_to(chosen, there)
        if top > up:
            self._add(Leg(index, LegKind.FLY, self.here, (east, north, top), self.returns.speed_mps))
        goal = (self.home[0] + chosen.place.east_m, self.home[1] + chosen.place.north_m, top)
        over = self.returns.over_terrain
        self._add(
            Leg(index, LegKind.HOME, (east, north, top), goal, self.returns.speed_mps, over_terrain=over)
        )
        self._hold(self.returns.wait_s)
        if self.returns.hovers_at_m is None:
            self._down(index)

    def _down(self, index: int) -> None:
        assert self.here is not None
        east, north, up = self.here
        ground = float(self.terrain.at(east, north)) if self.terrain is not None else math.nan
        floor = ground if math.isfinite(ground) else self.zero_m
        self._add(Leg(index, LegKind.LAND, self.here, (east, north, min(floor, up)), self.speed_mps))
        self.landed = True

    def _hold(self, seconds: float) -> None:
        if self.legs and math.isfinite(seconds) and seconds > 0:
            self.legs[-1] = replace(self.legs[-1], hold_s=self.legs[-1].hold_s + seconds)

    def _up(self, index: int, item: MissionItem, east: float, north: float) -> float:
        """The height of an item as legs count it; where that cannot be told, as if above the launch point."""
        if item.frame in RELATIVE_FRAMES:
            return self.zero_m + item.alt_m
        if item.frame in TERRAIN_FRAMES:
            ground = float(self.terrain.at(east, north)) if self.terrain is not None else math.nan
            if math.isfinite(ground):
                return ground + item.alt_m
            self.unclear.append(index)
            return self.zero_m + item.alt_m
        if math.isnan(self.base_m):  # above sea level, and nobody knows how high the launch point is
            self.unclear.append(index)
            return self.here[2] if self.here is not None else 0.0
        return item.alt_m

    def _add(self, leg: Leg) -> None:
        self.legs.append(leg)
        self.here = leg.end

    def path(self) -> FlightPath:
        return FlightPath(
            self.launch,
            self.home,
            self.base_m,
            tuple(self.legs),
            unending=bool(self.legs) and not self.landed,
            unclear=tuple(dict.fromkeys(self.unclear)),
            rallies=rally_places(self.mission, self.local, self.home) if self.home is not None else (),
        )
