"""How long an ArduCopter takes over legs: jerk-limited ramps, and corners that are cut (AC_WPNav, SCurve)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from plans.energy import Airframe, Wind, airspeed_mps, drain, ground_speed_mps
from plans.frames import FloatArray


def _ramp_s(speed_mps: npt.ArrayLike, acceleration_mps2: npt.ArrayLike, airframe: Airframe) -> FloatArray:
    """Seconds from standing to a speed with limited acceleration and jerk; half its way is flown
    meanwhile."""
    v, a, j = np.asarray(speed_mps, float), np.asarray(acceleration_mps2, float), airframe.jerk_mps3
    return np.where(v * j >= a * a, v / a + a / j, 2 * np.sqrt(v / j)) + airframe.attitude_lag_s


def _leg_profile(
    length_m: npt.ArrayLike, speed_mps: npt.ArrayLike, acceleration_mps2: npt.ArrayLike, airframe: Airframe
) -> tuple[FloatArray, FloatArray]:
    """(seconds, seconds of the ramp at each end) of legs flown from standing to standing.

    A leg shorter than both ramps is flown at the speed whose ramps just fit: v ramp(v) = length.
    """
    length, v = np.asarray(length_m, float), np.asarray(speed_mps, float)
    a, j, lag = np.asarray(acceleration_mps2, float), airframe.jerk_mps3, airframe.attitude_lag_s
    b = a / j + lag
    high = a / 2 * (np.sqrt(b * b + 4 * length / a) - b)
    w = np.cbrt(np.maximum(length, 1e-12) * np.sqrt(j) / 2)
    for _ in range(6):  # Newton on 2 w^3 / sqrt(j) + lag w^2 = length, v = w^2
        w = w - (2 * w**3 / np.sqrt(j) + lag * w * w - length) / (
            6 * w * w / np.sqrt(j) + 2 * lag * w + 1e-12
        )
    reached = np.minimum(v, np.where(high * j >= a * a, high, w * w))
    ramp = _ramp_s(reached, a, airframe)
    some = length > 1e-9
    return np.where(some, ramp + length / np.maximum(reached, 1e-9), 0.0), np.where(some, ramp, 0.0)


def _corner_s(bend: npt.ArrayLike, airframe: Airframe) -> FloatArray:
    """By how much two legs may overlap at a corner, seconds: the next is begun so early that the corner is
    cut by `corner_m`. `bend` is the length of the difference of their directions, 2 sin(turn / 2)."""
    a, j = airframe.acceleration_mps2, airframe.jerk_mps3
    way = airframe.corner_m / np.maximum(np.asarray(bend, float), 1e-6)
    rising, at_rise, speed = a / j, a**3 / j**2 / 6, a * a / j / 2
    later = rising + (np.sqrt(speed**2 + 2 * a * np.maximum(way - at_rise, 0.0)) - speed) / a
    return 2 * (np.where(way < at_rise, np.cbrt(6 * way / j), later) + airframe.attitude_lag_s / 2)


def _square_corner_s(airframe: Airframe) -> float:
    """By how much two long legs overlap at a square corner, seconds."""
    return float(_corner_s(np.sqrt(2.0), airframe))


def copter_stop_to_stop_s(
    length_m: npt.ArrayLike, speed_mps: npt.ArrayLike, airframe: Airframe
) -> FloatArray:
    """Seconds from standing to standing over a level length."""
    return _leg_profile(length_m, speed_mps, airframe.acceleration_mps2, airframe)[0]


def copter_leg_of_tour_s(length_m: npt.ArrayLike, speed_mps: npt.ArrayLike, airframe: Airframe) -> FloatArray:
    """Seconds that a level leg adds to a tour with a square corner at each of its ends: one corner's overlap
    less than from standing to standing."""
    seconds, ramp = _leg_profile(length_m, speed_mps, airframe.acceleration_mps2, airframe)
    overlap = np.minimum(ramp, _square_corner_s(airframe))
    return np.maximum(seconds - overlap, np.asarray(length_m, float) / np.asarray(speed_mps, float))


def copter_segment_uses(
    points_m: FloatArray,
    speeds_mps: npt.ArrayLike,
    airframe: Airframe,
    wind: Wind,
    cruise_mps: float,
) -> FloatArray:
    """(seconds, battery seconds) of each segment of a path (k, 3) of east, north, up, shape (k - 1, 2), flown
    from standing to standing at no more than `speeds_mps` (one, or one for each segment).

    ArduCopter's way (AC_WPNav and SCurve): every segment has its own jerk-limited profile from standing to
    standing and the next is begun early enough to cut the corner by `corner_m`, so that short segments are
    slow however straight the path is. A segment's speed is held to the climb and descent rates. Segments
    without length take no time. Corner overlaps are shared by both neighbours.
    """
    steps = np.diff(points_m, axis=0)
    uses = np.zeros((len(steps), 2))
    length = np.linalg.norm(steps, axis=1)
    some = np.flatnonzero(length > 1e-6)
    if len(some) == 0:
        return uses
    limit = np.broadcast_to(np.asarray(speeds_mps, float), (len(steps),))[some]
    steps, length = steps[some], length[some]
    unit = steps / length[:, None]
    level, rise = np.maximum(np.hypot(unit[:, 0], unit[:, 1]), 1e-9), unit[:, 2]
    ground = ground_speed_mps(steps[:, 0], steps[:, 1], limit, airframe, wind)
    rates = np.where(rise > 0, airframe.climb_mps, airframe.descent_mps)
    steep = np.maximum(np.abs(rise), 1e-9)
    speed = np.minimum(ground / level, rates / steep)
    acceleration = np.minimum(airframe.acceleration_mps2 / level, airframe.vertical_acceleration_mps2 / steep)
    seconds, ramp = _leg_profile(length, speed, acceleration, airframe)
    bend = np.linalg.norm(np.diff(unit, axis=0), axis=1)
    overlap = np.minimum(np.minimum(ramp[:-1], ramp[1:]), _corner_s(bend, airframe))
    seconds = seconds - (np.append(overlap, 0.0) + np.insert(overlap, 0, 0.0)) / 2
    flown = length / seconds
    rate = drain(
        airspeed_mps(steps[:, 0], steps[:, 1], flown * level, wind), rise * flown, cruise_mps, airframe
    )
    uses[some] = np.column_stack([seconds, seconds * rate])
    return uses


def copter_landing_s(height_m: float, airframe: Airframe) -> float:
    """Seconds from a height to the ground."""
    slow = min(height_m, airframe.landing_height_m)
    return (height_m - slow) / airframe.descent_mps + slow / airframe.landing_mps
