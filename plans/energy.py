"""How long a multirotor needs and what it draws: legs, turns, climbs, wind, cold and age."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plans.errors import SurveyError
from plans.frames import FloatArray


@dataclass(frozen=True)
class Wind:
    """Steady wind. `from_deg` is where it blows from, clockwise from north, as pilots and forecasts say."""

    speed_mps: float = 0.0
    from_deg: float = 0.0

    @property
    def east_mps(self) -> float:
        """Speed of the air towards the east."""
        return -self.speed_mps * math.sin(math.radians(self.from_deg))

    @property
    def north_mps(self) -> float:
        """Speed of the air towards the north."""
        return -self.speed_mps * math.cos(math.radians(self.from_deg))


def parse_wind(text: str) -> Wind:
    """The wind of "MPS@DEG": metres per second, and the degrees it comes from.

    Raises SurveyError when the text is not that.
    """
    speed, at, direction = text.partition("@")
    try:
        wind = Wind(float(speed), float(direction) % 360.0)
    except ValueError:
        wind = Wind(math.nan, 0.0)
    if not at or not math.isfinite(wind.speed_mps) or not math.isfinite(wind.from_deg) or wind.speed_mps < 0:
        raise SurveyError(f"wind {text!r} is not MPS@DEG; write for example 6@270 for 6 m/s from the west")
    return wind


@dataclass(frozen=True)
class Airframe:
    """What the flight-time model knows of a multirotor. The defaults are ArduCopter's own (WPNAV_ACCEL,
    _JERK, _RADIUS, _SPEED_UP, _SPEED_DN, LAND_SPEED, RTL_LOIT_TIME); flights of a real build came out within
    2 % of the times (docs/figures.md)."""

    max_airspeed_mps: float = 15.0
    acceleration_mps2: float = 2.5
    vertical_acceleration_mps2: float = 1.0
    jerk_mps3: float = 1.0
    attitude_lag_s: float = 0.3
    corner_m: float = 2.0
    climb_mps: float = 2.5
    descent_mps: float = 1.5
    landing_mps: float = 0.5
    landing_height_m: float = 10.0
    take_off_wait_s: float = 6.0
    landing_wait_s: float = 8.0
    climb_power_per_mps: float = 0.16
    """What a metre a second of climb draws beside hovering, as a share of hover power: weight over hover
    power (8.4 W carry a newton in the rotorcraft of Zeng et al.) over a drive's efficiency of 0.75."""


@dataclass(frozen=True)
class Battery:
    """What a pack gives. `endurance_s` is how long a healthy pack at 20 degrees C flies surveys in calm air
    down to the pilot's landing level; cold, age (`health`, the share of its capacity that is left) and a
    `reserve` share take from it. `swap_s` is the time between landing and the next take-off."""

    endurance_s: float = 25 * 60.0
    temperature_c: float = 20.0
    health: float = 1.0
    reserve: float = 0.0
    swap_s: float = 300.0

    @property
    def usable_s(self) -> float:
        """Battery seconds that a sortie may use."""
        return self.endurance_s * self.health * cold_factor(self.temperature_c) * (1.0 - self.reserve)


_COLD_C = (-20.0, -10.0, 0.0, 10.0, 20.0)
_COLD_SHARE = (0.60, 0.70, 0.82, 0.93, 1.0)


def cold_factor(temperature_c: float) -> float:
    """The share of its capacity that a lithium-polymer pack gives at a temperature: linear between round
    values of makers' discharge curves at 1 C to 2 C, 1 above 20 degrees C."""
    return float(np.interp(temperature_c, _COLD_C, _COLD_SHARE))


def ramp_s(speed_mps: npt.ArrayLike, acceleration_mps2: npt.ArrayLike, airframe: Airframe) -> FloatArray:
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
    ramp = ramp_s(reached, a, airframe)
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


def square_corner_s(airframe: Airframe) -> float:
    """By how much two long legs overlap at a square corner, seconds."""
    return float(_corner_s(np.sqrt(2.0), airframe))


def stop_to_stop_s(length_m: npt.ArrayLike, speed_mps: npt.ArrayLike, airframe: Airframe) -> FloatArray:
    """Seconds from standing to standing over a level length."""
    return _leg_profile(length_m, speed_mps, airframe.acceleration_mps2, airframe)[0]


def leg_of_tour_s(length_m: npt.ArrayLike, speed_mps: npt.ArrayLike, airframe: Airframe) -> FloatArray:
    """Seconds that a level leg adds to a tour with a square corner at each of its ends: one corner's overlap
    less than from standing to standing."""
    seconds, ramp = _leg_profile(length_m, speed_mps, airframe.acceleration_mps2, airframe)
    overlap = np.minimum(ramp, square_corner_s(airframe))
    return np.maximum(seconds - overlap, np.asarray(length_m, float) / np.asarray(speed_mps, float))


def ground_speed_mps(
    east: npt.ArrayLike,
    north: npt.ArrayLike,
    speed_mps: npt.ArrayLike,
    airframe: Airframe,
    wind: Wind,
) -> FloatArray:
    """Ground speed held along directions (east, north; any length), shape of the inputs.

    Autopilots hold the ground speed asked for until the airspeed that it costs is the vehicle's last:
    v = w_along + sqrt(va^2 - w_across^2) (research notes, section 3.2). Raises SurveyError where the wind
    leaves no speed at all.
    """
    e, n = np.asarray(east, float), np.asarray(north, float)
    norm = np.hypot(e, n)
    norm = np.where(norm > 0, norm, 1.0)
    along = (e * wind.east_mps + n * wind.north_mps) / norm
    across2 = np.maximum(wind.speed_mps**2 - along**2, 0.0)
    room = airframe.max_airspeed_mps**2 - across2
    reachable = np.where(room > 0, along + np.sqrt(np.maximum(room, 0.0)), -1.0)
    if np.any(reachable < 0.5):
        raise SurveyError(
            f"wind of {wind.speed_mps:g} m/s is too strong for a vehicle of "
            f"{airframe.max_airspeed_mps:g} m/s airspeed; wait or take a faster one"
        )
    return np.minimum(speed_mps, reachable)


def hover_share(airspeed_mps: npt.ArrayLike) -> FloatArray:
    """Power of level flight as a share of hover power, for any shape of airspeeds.

    Blade profile, induced and parasite power of a small rotorcraft (Zeng, Xu and Zhang 2019, "Energy
    minimization for wireless communication with rotary-wing UAV", eq. 12 and table I): less than hovering up
    to 17 m/s, least near 10 m/s.
    """
    v = np.asarray(airspeed_mps, float)
    blade, induced, tip_mps, rotor_mps, drag = 79.86, 88.63, 120.0, 4.03, 0.00924
    ratio = (v / rotor_mps) ** 2 / 2
    power = blade * (1 + 3 * (v / tip_mps) ** 2)
    power = power + induced * np.sqrt(np.maximum(np.sqrt(1 + ratio**2) - ratio, 0.0)) + drag * v**3
    return np.asarray(power / (blade + induced))


def drain(
    airspeed_mps: npt.ArrayLike, climb_mps: npt.ArrayLike, cruise_mps: float, airframe: Airframe
) -> FloatArray:
    """Battery seconds that a second of flight uses: its power over that of calm level flight at `cruise_mps`.

    Never less than 1: what a tail wind or a descent saves is kept as reserve.
    """
    climbing = airframe.climb_power_per_mps * np.maximum(np.asarray(climb_mps, float), 0.0)
    return np.maximum((hover_share(airspeed_mps) + climbing) / hover_share(cruise_mps), 1.0)


def straight_uses(
    a_m: FloatArray,
    b_m: FloatArray,
    speed_mps: float,
    airframe: Airframe,
    wind: Wind,
    in_tour: bool = False,
) -> FloatArray:
    """(seconds, battery seconds), shape (n, 2), of level straight legs from a_m to b_m, both (n, 2), from
    standing to standing, or as parts of a tour with square corners."""
    east, north = (b_m - a_m).T
    speed = ground_speed_mps(east, north, speed_mps, airframe, wind)
    length = np.hypot(east, north)
    seconds = (leg_of_tour_s if in_tour else stop_to_stop_s)(length, speed, airframe)
    flown = length / np.maximum(seconds, 1e-9)
    rate = drain(_airspeed(east, north, flown, wind), 0.0, speed_mps, airframe)
    return np.column_stack([seconds, seconds * rate])


def _airspeed(east: FloatArray, north: FloatArray, speed: FloatArray, wind: Wind) -> FloatArray:
    norm = np.maximum(np.hypot(east, north), 1e-9)
    return np.hypot(east / norm * speed - wind.east_mps, north / norm * speed - wind.north_mps)


def segment_uses(
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
    rate = drain(_airspeed(steps[:, 0], steps[:, 1], flown * level, wind), rise * flown, cruise_mps, airframe)
    uses[some] = np.column_stack([seconds, seconds * rate])
    return uses


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


def take_off_and_land_use(
    take_off_m: float, landing_m: float, cruise_mps: float, airframe: Airframe
) -> FloatArray:
    """(seconds, battery seconds), shape (2,), for arming and the climb to `take_off_m` above launch, and for
    the wait above home and the descent from `landing_m` to the ground; a height of 0 leaves its part out."""
    slow = min(landing_m, airframe.landing_height_m)
    up = take_off_m / airframe.climb_mps
    down = (landing_m - slow) / airframe.descent_mps + slow / airframe.landing_mps
    waiting = airframe.take_off_wait_s * (take_off_m > 0) + airframe.landing_wait_s * (landing_m > 0)
    climbing = float(drain(0.0, airframe.climb_mps, cruise_mps, airframe))
    hovering = float(drain(0.0, 0.0, cruise_mps, airframe))
    return np.array([up + down + waiting, up * climbing + (down + waiting) * hovering])
