"""How long legs and flights take and what they use of a battery, by the way their autopilot flies:
ArduCopter's (plans.copter_time), or PX4's (plans.px4_time) where the airframe is one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from plans.copter_time import (
    copter_landing_s,
    copter_leg_of_tour_s,
    copter_segment_uses,
    copter_stop_to_stop_s,
)
from plans.energy import Airframe, Wind, airspeed_mps, drain, ground_speed_mps
from plans.frames import FloatArray
from plans.px4_time import (
    Px4Airframe,
    px4_landing_s,
    px4_leg_of_tour_s,
    px4_segment_uses,
    px4_stop_to_stop_s,
    px4_take_off_s,
)


def airframe_of(autopilot: str | None) -> Airframe:
    """The usual airframe under an autopilot (a name of plans.capacity). All but PX4 are taken to fly as an
    ArduCopter does."""
    return Px4Airframe() if autopilot == "px4" else Airframe()


def stop_to_stop_s(length_m: npt.ArrayLike, speed_mps: npt.ArrayLike, airframe: Airframe) -> FloatArray:
    """Seconds from standing to standing over a level length."""
    if isinstance(airframe, Px4Airframe):
        return px4_stop_to_stop_s(length_m, speed_mps, airframe)
    return copter_stop_to_stop_s(length_m, speed_mps, airframe)


def leg_of_tour_s(length_m: npt.ArrayLike, speed_mps: npt.ArrayLike, airframe: Airframe) -> FloatArray:
    """Seconds that a level leg adds to a tour with a square corner at each of its ends."""
    if isinstance(airframe, Px4Airframe):
        return px4_leg_of_tour_s(length_m, speed_mps, airframe)
    return copter_leg_of_tour_s(length_m, speed_mps, airframe)


def corners_save_s(speed_mps: float, airframe: Airframe) -> float:
    """By how much less a long level leg takes between square corners than from standing to standing."""
    long_m = 1000.0
    stopping = stop_to_stop_s(long_m, speed_mps, airframe)
    return float(stopping - leg_of_tour_s(long_m, speed_mps, airframe))


def straight_uses(
    a_m: FloatArray,
    b_m: FloatArray,
    speed_mps: float,
    airframe: Airframe,
    wind: Wind,
    in_tour: bool = False,
    cruise_mps: float | None = None,
) -> FloatArray:
    """(seconds, battery seconds), shape (n, 2), of level straight legs from a_m to b_m, both (n, 2), from
    standing to standing, or as parts of a tour with square corners. `cruise_mps` as in segment_uses
    (`speed_mps` if not given)."""
    east, north = (b_m - a_m).T
    speed = ground_speed_mps(east, north, speed_mps, airframe, wind)
    length = np.hypot(east, north)
    seconds = (leg_of_tour_s if in_tour else stop_to_stop_s)(length, speed, airframe)
    flown = length / np.maximum(seconds, 1e-9)
    cruise = speed_mps if cruise_mps is None else cruise_mps
    rate = drain(airspeed_mps(east, north, flown, wind), 0.0, cruise, airframe)
    return np.column_stack([seconds, seconds * rate])


def home_uses(
    places_m: FloatArray, home_m: FloatArray, cruise_mps: float, airframe: Airframe, wind: Wind
) -> FloatArray:
    """(seconds, battery seconds), shape (n, 2), of level straight ways home from places, both (n, 2), as the
    autopilot flies them by itself; the battery's endurance holds for `cruise_mps`."""
    speed = min(cruise_mps, airframe.return_speed_mps)
    return straight_uses(places_m, home_m, speed, airframe, wind, cruise_mps=cruise_mps)


def segment_uses(
    points_m: FloatArray,
    speeds_mps: npt.ArrayLike,
    airframe: Airframe,
    wind: Wind,
    cruise_mps: float,
    stops: Sequence[bool] | None = None,
) -> FloatArray:
    """(seconds, battery seconds) of each segment of a path (k, 3) of east, north, up, shape (k - 1, 2), flown
    from standing to standing at no more than `speeds_mps` (one, or one for each segment).

    `cruise_mps` is the speed for which the battery's endurance holds. `stops` says at which segments' ends it
    waits, which an ArduCopter's time does not show. Raises SurveyError where the wind leaves no speed.
    """
    if isinstance(airframe, Px4Airframe):
        speeds = np.broadcast_to(np.asarray(speeds_mps, float), (len(points_m) - 1,))
        return px4_segment_uses(points_m, speeds, airframe, wind, cruise_mps, stops)
    return copter_segment_uses(points_m, speeds_mps, airframe, wind, cruise_mps)


def path_use(
    points_m: FloatArray,
    speed_mps: float,
    airframe: Airframe,
    wind: Wind,
    cruise_mps: float | None = None,
) -> FloatArray:
    """(seconds, battery seconds), shape (2,), to fly a path (k, 3) of east, north, up from standing to
    standing: see segment_uses. `cruise_mps` is the speed for which the battery's endurance holds (`speed_mps`
    if not given)."""
    cruise = speed_mps if cruise_mps is None else cruise_mps
    return np.asarray(segment_uses(points_m, speed_mps, airframe, wind, cruise).sum(axis=0))


def path_time_s(points_m: FloatArray, speed_mps: float, airframe: Airframe, wind: Wind) -> float:
    """Seconds of `path_use`."""
    return float(path_use(points_m, speed_mps, airframe, wind)[0])


def take_off_s(rise_m: float, airframe: Airframe) -> float:
    """Seconds from leaving the ground to a height."""
    if isinstance(airframe, Px4Airframe):
        return px4_take_off_s(rise_m, airframe)
    return rise_m / airframe.climb_mps


def landing_s(height_m: float, airframe: Airframe) -> float:
    """Seconds from a height to the ground; a PX4's until its motors are off."""
    if isinstance(airframe, Px4Airframe):
        return px4_landing_s(height_m, airframe)
    return copter_landing_s(height_m, airframe)


def take_off_and_land_use(
    take_off_m: float, landing_m: float, cruise_mps: float, airframe: Airframe
) -> FloatArray:
    """(seconds, battery seconds), shape (2,), for arming and the climb to `take_off_m` above launch, and for
    the wait above home and the descent from `landing_m` to the ground; a height of 0 leaves its part out."""
    up = take_off_s(take_off_m, airframe) if take_off_m > 0 else 0.0
    down = landing_s(landing_m, airframe) + airframe.landing_wait_s if landing_m > 0 else 0.0
    waiting = airframe.take_off_wait_s if take_off_m > 0 else 0.0
    climbing = float(drain(0.0, take_off_m / up if up else 0.0, cruise_mps, airframe))
    hovering = float(drain(0.0, 0.0, cruise_mps, airframe))
    return np.array([up + down + waiting, up * climbing + (down + waiting) * hovering])
