"""How an autopilot comes home, or to a rally point, by its own settings: heights, seconds and battery.

Sources: ArduCopter mode_rtl.cpp and mode_land.cpp (ModeRTL::compute_return_target: the higher of RTL_ALT and
the present height, lowered by RTL_CONE_SLOPE near home); PX4 rtl.cpp and rtl_direct.cpp. Parameters of
ArduPilot after 4.6 are in metres under other names; both are read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from flight.safety.rally import HOME, Goal, Place, RallyRule, rally_rule
from plans.energy import Airframe, Wind, drain
from plans.errors import SurveyError
from plans.flight_time import landing_s, segment_uses
from plans.frames import FloatArray
from plans.px4_time import Px4Airframe, px4_airframe

_LEAST_HEIGHT_M = 2.0
"""RTL_ALT_MIN of ArduCopter."""
_LEAST_CONE_SLOPE = 0.5
"""RTL_MIN_CONE_SLOPE of ArduCopter: shallower ones do not count."""
TOUCHDOWN_S = 3.5
"""From the ground to disarmed: the landing detector's second, and the motors."""


@dataclass(frozen=True)
class ReturnSettings:
    """How a vehicle returns and lands. Heights above home. The defaults are ArduCopter's.

    `waits_at_m` is where it waits `wait_s` above home (None: at the height it came in), `hovers_at_m` where
    it stays for good (None: it lands). `cone_slope` 0 is none; `cone_reach_m` is how far from home it counts.
    """

    height_m: float = 15.0
    climb_least_m: float = 0.0
    cone_slope: float = 3.0
    cone_reach_m: float = math.inf
    speed_mps: float = 10.0
    climb_mps: float = 2.5
    descent_mps: float = 1.5
    landing_mps: float = 0.5
    landing_from_m: float = 10.0
    acceleration_mps2: float = 2.5
    wait_s: float = 5.0
    waits_at_m: float | None = None
    hovers_at_m: float | None = None
    over_terrain: bool = False
    """Its heights are above the ground under it (RTL_ALT_TYPE 1), as far as it knows the ground."""
    rally: RallyRule | None = field(default_factory=RallyRule)
    """Which rally points it may return to; None for none."""
    px4: Px4Airframe | None = None
    """How it flies, where it is a PX4."""

    def goal(self, here: Place, rallies: Sequence[Place] = ()) -> Goal:
        """Where it returns to from a place."""
        return HOME if self.rally is None else self.rally.goal(here, rallies)

    def base_m(self, goal: Goal) -> float:
        """What its return heights are above, on the way to a goal."""
        return goal.place.up_m if self.rally is not None and self.rally.counts_from_it else 0.0

    def height_to(self, goal: Goal, here: Place) -> float:
        """The height above home at which it flies to a goal."""
        base, distance = self.base_m(goal), here.level_m(goal.place)
        settings = replace(self, height_m=max(self.height_m, goal.place.up_m - base))
        return base + settings.height_from(here.up_m - base, distance)

    def height_from(self, up_m: float, distance_m: float) -> float:
        """The height above home at which it flies home from a place: never lower than it is."""
        least = max(_LEAST_HEIGHT_M, up_m + max(self.climb_least_m, 0.0))
        wanted = max(self.height_m, least)
        if self.cone_slope >= _LEAST_CONE_SLOPE and distance_m <= self.cone_reach_m:
            wanted = min(wanted, max(distance_m * self.cone_slope, least))
        return max(wanted, up_m)

    def airframe(self) -> Airframe:
        """The flight-time model with these speeds."""
        if self.px4 is not None:
            return self.px4
        return Airframe(
            max_airspeed_mps=max(15.0, 1.5 * self.speed_mps),
            acceleration_mps2=self.acceleration_mps2,
            climb_mps=self.climb_mps,
            descent_mps=self.descent_mps,
            landing_mps=self.landing_mps,
            landing_height_m=self.landing_from_m,
        )


def return_settings(params: Mapping[str, float], px4: bool = False) -> ReturnSettings:
    """The settings in a vehicle's parameters; what it does not tell is as its autopilot has it by default."""
    return _px4_settings(params) if px4 else _ardupilot_settings(params)


def first_param(
    params: Mapping[str, float], names: Sequence[tuple[str, float]], default: float | None = None
) -> float | None:
    """The first of (name, factor) that the vehicle has, times its factor."""
    return next((params[name] * factor for name, factor in names if name in params), default)


def _ardupilot_settings(params: Mapping[str, float]) -> ReturnSettings:
    usual = ReturnSettings()

    def of(default: float, *names: tuple[str, float]) -> float:
        found = first_param(params, names, default)
        return default if found is None else found

    cruise = of(usual.speed_mps, ("WPNAV_SPEED", 0.01), ("WP_SPD", 1.0))
    speed = of(0.0, ("RTL_SPEED", 0.01), ("RTL_SPEED_MS", 1.0))
    descent = of(usual.descent_mps, ("WPNAV_SPEED_DN", 0.01), ("WP_SPD_DN", 1.0))
    final = of(0.0, ("RTL_ALT_FINAL", 0.01), ("RTL_ALT_FINAL_M", 1.0))
    return ReturnSettings(
        height_m=of(usual.height_m, ("RTL_ALT", 0.01), ("RTL_ALT_M", 1.0)),
        climb_least_m=of(0.0, ("RTL_CLIMB_MIN", 0.01), ("RTL_CLIMB_MIN_M", 1.0)),
        cone_slope=of(usual.cone_slope, ("RTL_CONE_SLOPE", 1.0)),
        speed_mps=max(speed if speed > 0 else cruise, 0.1),
        climb_mps=max(of(usual.climb_mps, ("WPNAV_SPEED_UP", 0.01), ("WP_SPD_UP", 1.0)), 0.1),
        descent_mps=max(descent, 0.1),
        landing_mps=max(of(usual.landing_mps, ("LAND_SPEED", 0.01), ("LAND_SPD_MS", 1.0)), 0.1),
        landing_from_m=of(usual.landing_from_m, ("LAND_ALT_LOW", 0.01), ("LAND_ALT_LOW_M", 1.0)),
        acceleration_mps2=max(of(usual.acceleration_mps2, ("WPNAV_ACCEL", 0.01), ("WP_ACC", 1.0)), 0.5),
        wait_s=of(usual.wait_s, ("RTL_LOIT_TIME", 0.001)),
        hovers_at_m=final if final > 0 else None,
        over_terrain=of(0.0, ("RTL_ALT_TYPE", 1.0)) == 1.0,
        rally=rally_rule(params, px4=False),
    )


def _px4_settings(params: Mapping[str, float]) -> ReturnSettings:
    delay = params.get("RTL_LAND_DELAY", 0.0)
    loiters_at = params.get("RTL_DESCEND_ALT", 10.0)
    cone = params.get("RTL_CONE_ANG", 45.0)
    airframe = px4_airframe(params)
    return ReturnSettings(
        height_m=params.get("RTL_RETURN_ALT", 30.0),
        cone_slope=1.0 / math.tan(math.radians(min(max(cone, 1.0), 89.0))) if cone > 0 else 0.0,
        cone_reach_m=params.get("RTL_MIN_DIST", 10.0),
        speed_mps=max(airframe.return_speed_mps, 0.1),
        climb_mps=airframe.climb_mps,
        descent_mps=airframe.descent_mps,
        landing_mps=airframe.landing_mps,
        landing_from_m=airframe.slow_below_m,
        acceleration_mps2=max(airframe.acceleration_mps2, 0.5),
        wait_s=max(delay, 0.0),
        waits_at_m=loiters_at,
        hovers_at_m=loiters_at if delay < 0 else None,
        rally=rally_rule(params, px4=True),
        px4=airframe,
    )


class Doing(StrEnum):
    """A part of the way home."""

    BRAKE = "brake"
    CLIMB = "climb"
    RETURN = "return"
    DESCEND = "descend"
    WAIT = "wait"
    LAND = "land"
    HOVER = "hover"


@dataclass(frozen=True)
class Phase:
    """A part of the way home, in seconds from its beginning. `battery_s` are seconds of calm cruise."""

    doing: Doing
    begins_s: float
    ends_s: float
    start: Place
    end: Place
    battery_s: float


@dataclass(frozen=True)
class WayHome:
    """The phases in their order, and where they lead. `blown_away`: the wind leaves it no way back, so there
    is no arrival."""

    phases: tuple[Phase, ...]
    blown_away: bool = False
    goal: Goal = HOME

    @property
    def seconds(self) -> float:
        """Until it is on the ground (or hovers for good)."""
        return math.inf if self.blown_away else self.phases[-1].ends_s if self.phases else 0.0

    @property
    def battery_s(self) -> float:
        """Battery seconds until then."""
        return math.inf if self.blown_away else sum(phase.battery_s for phase in self.phases)

    @property
    def lands(self) -> bool:
        """Whether it comes to the ground by itself."""
        return not self.blown_away and bool(self.phases) and self.phases[-1].doing is Doing.LAND

    def reached(self, doing: Doing) -> Phase | None:
        """The first phase of a kind."""
        return next((phase for phase in self.phases if phase.doing is doing), None)


class _Clock:
    """Puts phases one after another."""

    def __init__(self, here: Place, cruise_mps: float, airframe: Airframe) -> None:
        self.here, self.now_s = here, 0.0
        self.cruise_mps, self.airframe = cruise_mps, airframe
        self.phases: list[Phase] = []

    def add(self, doing: Doing, seconds: float, end: Place, battery_s: float | None = None) -> None:
        if battery_s is None:
            rise = (end.up_m - self.here.up_m) / seconds if seconds > 0 else 0.0
            battery_s = seconds * float(drain(0.0, max(rise, 0.0), self.cruise_mps, self.airframe))
        if seconds > 0:
            phase = Phase(doing, self.now_s, self.now_s + seconds, self.here, end, battery_s)
            self.phases.append(phase)
        self.now_s += max(seconds, 0.0)
        self.here = end


def way_home(
    here: Place,
    settings: ReturnSettings,
    wind: Wind | None = None,
    velocity_mps: tuple[float, float] = (0.0, 0.0),
    rallies: Sequence[Place] = (),
) -> WayHome:
    """From a place (and a velocity east, north) to the ground at home, or at the rally point that the
    autopilot chooses: braking, climbing, flying there, waiting and landing."""
    goal = settings.goal(here, rallies)
    airframe = settings.airframe()
    clock = _Clock(here, settings.speed_mps, airframe)
    speed = math.hypot(*velocity_mps)
    if speed > 0.5:
        brake_s = speed / settings.acceleration_mps2
        stop = Place(
            here.east_m + velocity_mps[0] * brake_s / 2,
            here.north_m + velocity_mps[1] * brake_s / 2,
            here.up_m,
        )
        clock.add(Doing.BRAKE, brake_s, stop)
    here = clock.here
    top_m = settings.height_to(goal, here)
    above, over_home = Place(here.east_m, here.north_m, top_m), replace(goal.place, up_m=top_m)
    points = np.array([[p.east_m, p.north_m, p.up_m] for p in (here, above, over_home)])
    try:
        uses = _level_uses(points, settings, wind or Wind())
    except SurveyError:
        return WayHome(tuple(clock.phases), True, goal)
    clock.add(Doing.CLIMB, float(uses[0, 0]), above, float(uses[0, 1]))
    clock.add(Doing.RETURN, float(uses[1, 0]), over_home, float(uses[1, 1]))
    _over_goal(clock, settings, settings.base_m(goal))
    return WayHome(tuple(clock.phases), goal=goal)


def _level_uses(points: FloatArray, settings: ReturnSettings, wind: Wind) -> FloatArray:
    """As segment_uses, the way that its autopilot flies."""
    return segment_uses(points, settings.speed_mps, settings.airframe(), wind, settings.speed_mps)


def landing(here: Place, settings: ReturnSettings) -> WayHome:
    """To the ground where it is."""
    clock = _Clock(here, settings.speed_mps, settings.airframe())
    _to_ground(clock, settings)
    return WayHome(tuple(clock.phases))


def _over_goal(clock: _Clock, settings: ReturnSettings, base_m: float) -> None:
    if settings.waits_at_m is not None:
        _descend(clock, base_m + settings.waits_at_m, settings)
    clock.add(Doing.WAIT, settings.wait_s, clock.here)
    if settings.hovers_at_m is not None:
        _descend(clock, base_m + settings.hovers_at_m, settings)
        clock.add(Doing.HOVER, 1e-3, clock.here)
        return
    _to_ground(clock, settings)


def _to_ground(clock: _Clock, settings: ReturnSettings) -> None:
    slow_m = min(max(clock.here.up_m, 0.0), settings.landing_from_m)
    _descend(clock, slow_m, settings)
    ground = Place(clock.here.east_m, clock.here.north_m, 0.0)
    if settings.px4 is not None:
        clock.add(Doing.LAND, landing_s(slow_m, settings.px4), ground)
    else:
        clock.add(Doing.LAND, slow_m / settings.landing_mps + TOUCHDOWN_S, ground)


def _descend(clock: _Clock, to_m: float, settings: ReturnSettings) -> None:
    here = clock.here
    if here.up_m > to_m:
        below = Place(here.east_m, here.north_m, to_m)
        clock.add(Doing.DESCEND, (here.up_m - to_m) / settings.descent_mps, below)
