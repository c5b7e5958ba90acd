"""How long a PX4 multirotor takes: its own speeds on legs and at corners, its take-off and its landing.

Sources: PX4 1.16, PositionSmoothing.cpp, TrajectoryConstraints.hpp and TrajMath.hpp (speed towards a waypoint
and through it), FlightTaskAuto.cpp (take-off and landing), mission_block.cpp (when a waypoint is reached). A
leg's speed is held to what still stops, or takes the corner, at its end; braking is gentle (at 3 m/s2 and
4 m/s3 some 32 m from 10 m/s), and square corners are taken at 1 to 2 m/s. The shares are measured on a
real PX4 in its own simulator: docs/flying.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plans.energy import Airframe, Wind, drain, ground_speed_mps
from plans.frames import FloatArray

_RISING_SHARE, _CRUISE_SHARE = 0.6, 0.965
"""PX4 slows its trajectory down while the vehicle lags behind it (MPC_XY_ERR_MAX): so much is left of the
acceleration, and of the speed that is asked for."""
_ARMED_S = 5.3
"""From arming until it rises: motors spool up, thrust is ramped."""
_ALTITUDE_RADIUS_M = 0.8
_VERTICAL_JERK_MPS3 = 4.0
_LAST_METRE_S = 10.0
"""From a metre above the ground to motors off: it hardly sinks there, then looks twice."""
_Z_MATTERS_MPS = 0.5
"""Slower climbs do not slow a leg down."""


@dataclass(frozen=True)
class Px4Airframe(Airframe):
    """What the time model knows of a PX4 multirotor; the defaults are PX4's. `accept_m` is how far before a
    waypoint the next one is flown to, `turn_gain` scales how sharply corners are taken, `take_off_mps` is
    kept up to `slow_below_m`, where a landing begins to slow down. It comes home at MPC_XY_CRUISE, whatever
    speed the mission ordered."""

    acceleration_mps2: float = 3.0
    vertical_acceleration_mps2: float = 4.0
    jerk_mps3: float = 4.0
    climb_mps: float = 3.0
    landing_mps: float = 0.7
    landing_height_m: float = 5.0
    take_off_wait_s: float = _ARMED_S
    landing_wait_s: float = 0.0
    return_speed_mps: float = 5.0
    max_speed_mps: float = 12.0
    accept_m: float = 2.0
    turn_gain: float = 0.5
    take_off_mps: float = 1.5
    slow_below_m: float = 10.0

    @property
    def fastest_mps(self) -> float:
        """The most ground speed that it is flown at in calm air."""
        return min(self.max_airspeed_mps, self.max_speed_mps)


_NAMES = {
    "MPC_ACC_HOR": "acceleration_mps2",
    "MPC_ACC_UP_MAX": "vertical_acceleration_mps2",
    "MPC_JERK_AUTO": "jerk_mps3",
    "MPC_Z_V_AUTO_UP": "climb_mps",
    "MPC_Z_V_AUTO_DN": "descent_mps",
    "MPC_LAND_SPEED": "landing_mps",
    "MPC_LAND_ALT2": "landing_height_m",
    "MPC_XY_VEL_MAX": "max_speed_mps",
    "MPC_XY_CRUISE": "return_speed_mps",
    "NAV_ACC_RAD": "accept_m",
    "MPC_XY_TRAJ_P": "turn_gain",
    "MPC_TKO_SPEED": "take_off_mps",
    "MPC_LAND_ALT1": "slow_below_m",
}
PX4_TIME_PARAMETERS = tuple(_NAMES)


def px4_airframe(params: Mapping[str, float]) -> Px4Airframe:
    """The airframe in a PX4's parameters; what it does not tell is as PX4 has it by default."""
    told = {field: max(params[name], 0.05) for name, field in _NAMES.items() if name in params}
    return Px4Airframe(**told)


def px4_segment_uses(
    points_m: FloatArray,
    speeds_mps: npt.ArrayLike,
    airframe: Px4Airframe,
    wind: Wind,
    cruise_mps: float,
    stops: Sequence[bool] | None = None,
) -> FloatArray:
    """(seconds, battery seconds) of each segment of a path (k, 3) of east, north, up, shape (k - 1, 2), flown
    from standing to standing; `stops` says at which segments' ends it waits. Raises SurveyError where the
    wind leaves no speed."""
    steps = np.diff(points_m, axis=0)
    level, rise = np.hypot(steps[:, 0], steps[:, 1]), steps[:, 2]
    limit = np.minimum(np.asarray(speeds_mps, float), airframe.max_speed_mps)
    speed = _cruise_mps(ground_speed_mps(steps[:, 0], steps[:, 1], limit, airframe, wind), airframe)
    rates = np.where(rise > 0, airframe.climb_mps, airframe.descent_mps)
    steep = np.abs(rise) * speed > _Z_MATTERS_MPS * level
    slope = np.abs(rise) / np.maximum(level, 1e-9)
    speed = np.where(steep, np.minimum(speed, rates / np.maximum(slope, 1e-9)), speed)
    waits = np.zeros(len(steps), bool) if stops is None else np.array(stops, bool)
    flown = _level_s(steps[:, :2], np.maximum(speed, 0.05), airframe, waits)
    upright = np.where(np.abs(rise) > _ALTITUDE_RADIUS_M, _climb_s(rise, rates, airframe), 0.0)
    seconds = np.where(level > airframe.accept_m, np.maximum(flown, np.abs(rise) / rates), upright)
    lasts = np.maximum(seconds, 1e-9)
    air = np.hypot(steps[:, 0] / lasts - wind.east_mps, steps[:, 1] / lasts - wind.north_mps)
    return np.column_stack([seconds, seconds * drain(air, rise / lasts, cruise_mps, airframe)])


def _level_s(
    steps: FloatArray, speed: FloatArray, airframe: Px4Airframe, waits: npt.NDArray[np.bool_]
) -> FloatArray:
    """Seconds of level legs (n, 2), each from where the one before it was left for it."""
    a, j, accept = airframe.acceleration_mps2, airframe.jerk_mps3, airframe.accept_m
    length = np.hypot(steps[:, 0], steps[:, 1])
    unit = steps / np.maximum(length, 1e-9)[:, None]
    turn = np.append(np.arccos(np.clip((unit[:-1] * unit[1:]).sum(axis=1), -1.0, 1.0)), 0.0)
    through = np.zeros(len(length))  # the speed at which it is to pass the leg's end
    corner = np.sqrt(a * airframe.turn_gain * accept / np.maximum(np.tan(turn[:-1] / 2), 1e-9))
    through[:-1] = np.minimum(
        np.minimum(corner, _braking(length[1:], 0.0, a, j)), np.minimum(speed[:-1], speed[1:])
    )
    through[:-1] = np.where((length[1:] < accept) | waits[:-1], 0.0, through[:-1])
    left = np.minimum(_braking(np.full(len(length), accept), through, a, j), speed)
    left = np.where(waits, 0.05, left)
    turning = 2 * np.sqrt(2 * left * np.sin(turn / 2) / j)
    begins, turned = np.insert(left[:-1], 0, 0.0), np.insert(turning[:-1], 0, 0.0)
    way = length - np.where(waits, 0.0, accept) + np.where(turned > 0, accept, 0.0) - begins * turned
    seconds = turned + _way_s(way, begins, speed, left, through, airframe)
    return np.asarray(np.where(length > accept, seconds, 0.0))


def px4_stop_to_stop_s(
    length_m: npt.ArrayLike, speed_mps: npt.ArrayLike, airframe: Px4Airframe
) -> FloatArray:
    """Seconds from standing to standing over a level length."""
    length, speed = np.asarray(length_m, float), _cruise_mps(speed_mps, airframe)
    left = np.minimum(_braking(airframe.accept_m, 0.0, *_limits(airframe)), speed)
    seconds = _way_s(length - airframe.accept_m, 0.0, speed, left, 0.0, airframe)
    return np.asarray(np.where(length > airframe.accept_m, seconds, 0.0))


def px4_leg_of_tour_s(length_m: npt.ArrayLike, speed_mps: npt.ArrayLike, airframe: Px4Airframe) -> FloatArray:
    """Seconds that a level leg adds to a tour with a square corner at each of its ends. At one speed for all
    lengths they are read from a table, within a thousandth."""
    length, speed = np.asarray(length_m, float), np.asarray(speed_mps, float)
    if speed.ndim or length.size < 2 * len(_TABLE):
        return _between_corners_s(length, speed, airframe)
    cruise = float(_cruise_mps(speed, airframe))
    known = airframe.accept_m + _TABLE * 30.0 * cruise  # no leg of that length is too short for its speed
    seconds = _between_corners_s(known * (1 + 1e-9), speed, airframe)
    beyond = np.maximum(length - known[-1], 0.0) / cruise
    return np.where(length > airframe.accept_m, np.interp(length, known, seconds) + beyond, 0.0)


_TABLE = np.linspace(0.0, 1.0, 500) ** 2


def _between_corners_s(length: FloatArray, speed_mps: FloatArray, airframe: Px4Airframe) -> FloatArray:
    speed, (a, j) = _cruise_mps(speed_mps, airframe), _limits(airframe)
    through = np.minimum(math.sqrt(a * airframe.turn_gain * airframe.accept_m), speed)
    left = np.minimum(_braking(airframe.accept_m, through, a, j), speed)
    turning = 2 * np.sqrt(math.sqrt(2.0) * left / j)
    seconds = turning + _way_s(length - left * turning, left, speed, left, through, airframe)
    return np.asarray(np.where(length > airframe.accept_m, seconds, 0.0))


def _cruise_mps(speed_mps: npt.ArrayLike, airframe: Px4Airframe) -> FloatArray:
    return np.asarray(_CRUISE_SHARE * np.minimum(speed_mps, airframe.max_speed_mps))


def _limits(airframe: Px4Airframe) -> tuple[float, float]:
    return airframe.acceleration_mps2, airframe.jerk_mps3


def _way_s(
    way_m: FloatArray,
    begins: npt.ArrayLike,
    speed: npt.ArrayLike,
    left: FloatArray,
    through: npt.ArrayLike,
    airframe: Px4Airframe,
) -> FloatArray:
    """Seconds of a way begun at one speed, flown at no more than `speed` and left at another."""
    way, begins = np.maximum(way_m, 0.0), np.asarray(begins, float)
    low, high = np.minimum(begins, speed), np.asarray(speed, float)  # the speed that it reaches: what fits
    for _ in range(40):
        middle = (low + high) / 2
        fits = _rising(begins, middle, airframe)[1] + _slowing(middle, left, through, airframe)[1] <= way
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    up_s, up_m = _rising(begins, low, airframe)
    down_s, down_m = _slowing(low, left, through, airframe)
    return np.asarray(up_s + down_s + np.maximum(way - up_m - down_m, 0.0) / np.maximum(low, 0.05))


def _braking(distance_m: npt.ArrayLike, end_mps: npt.ArrayLike, a: float, j: float) -> FloatArray:
    """The speed from which it comes down to `end_mps` within a distance (computeMaxSpeedFromDistance)."""
    b, end, way = 4 * a * a / j, np.asarray(end_mps, float), np.asarray(distance_m, float)
    return np.asarray(np.maximum((np.sqrt(b * b + 8 * a * way + 4 * end * end) - b) / 2, end))


def _rising(begins: FloatArray, reached: FloatArray, airframe: Px4Airframe) -> tuple[FloatArray, FloatArray]:
    """(seconds, metres) of speeding up with limited jerk."""
    a, j = _RISING_SHARE * airframe.acceleration_mps2, airframe.jerk_mps3
    more = np.maximum(reached - begins, 0.0)
    seconds = np.where(more >= a * a / j, more / a + a / j, 2 * np.sqrt(more / j))
    return seconds, (begins + reached) / 2 * seconds


def _slowing(
    reached: FloatArray, left: FloatArray, through: npt.ArrayLike, airframe: Px4Airframe
) -> tuple[FloatArray, FloatArray]:
    """(seconds, metres) of slowing down along the curve of `_braking`, whose speed v at the distance d from a
    leg's end is v2 + b v = 2 a d + through2; then at `through` where that is reached before the end."""
    a = airframe.acceleration_mps2
    b = 4 * a * a / airframe.jerk_mps3
    top, through = np.maximum(reached, left), np.asarray(through, float)
    seconds = (top - left) / a + b / (2 * a) * np.log(np.maximum(top, 1e-9) / np.maximum(left, 1e-9))
    metres = (top**2 - left**2 + b * (top - left)) / (2 * a)
    even = np.where(left <= through + 1e-9, np.maximum(b * through / (2 * a) - airframe.accept_m, 0.0), 0.0)
    even = np.where(top > through + 1e-9, even, 0.0)
    return seconds + even / np.maximum(through, 0.05), metres + even


def _climb_s(rise_m: FloatArray, rates_mps: FloatArray, airframe: Px4Airframe) -> FloatArray:
    """Seconds of rising or sinking on the spot until the height counts as reached."""
    a = airframe.vertical_acceleration_mps2
    b = 4 * a * a / _VERTICAL_JERK_MPS3
    ends = float(_braking(np.array(_ALTITUDE_RADIUS_M), 0.0, a, _VERTICAL_JERK_MPS3))
    slowing_s = (rates_mps - ends) / a + b / (2 * a) * np.log(rates_mps / ends)
    slowing_m = (rates_mps**2 - ends**2 + b * (rates_mps - ends)) / (2 * a)
    way = np.abs(rise_m) - _ALTITUDE_RADIUS_M - slowing_m
    return np.asarray(np.maximum(slowing_s + way / rates_mps, 0.0))


def px4_take_off_s(rise_m: float, airframe: Px4Airframe) -> float:
    """Seconds from leaving the ground to a height."""
    slow = min(rise_m, airframe.slow_below_m)
    fast = np.array([rise_m - slow])
    if rise_m - slow <= 2 * _ALTITUDE_RADIUS_M:
        return rise_m / airframe.take_off_mps
    return slow / airframe.take_off_mps + float(_climb_s(fast, np.array([airframe.climb_mps]), airframe)[0])


def px4_landing_s(height_m: float, airframe: Px4Airframe) -> float:
    """Seconds from a height to motors off: evenly down, slower and slower, at landing speed, and the last
    metre."""
    slow, last = airframe.slow_below_m, airframe.landing_height_m
    down, land = airframe.descent_mps, min(airframe.landing_mps, airframe.descent_mps)
    even_m = max(height_m - slow, 0.0)
    slowing_m = max(min(height_m, slow) - last, 0.0)
    landing_m = max(min(height_m, last) - 1.0, 0.0)
    entry = land + (down - land) * slowing_m / max(slow - last, 1e-9)
    mean = (entry - land) / math.log(entry / land) if entry > land * 1.001 else land
    return even_m / down + slowing_m / mean + landing_m / land + _LAST_METRE_S
