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
    """What the flight-time model knows of a multirotor. The defaults are slow and common: ArduCopter's."""

    max_airspeed_mps: float = 15.0
    acceleration_mps2: float = 2.5
    climb_mps: float = 3.0
    descent_mps: float = 2.0
    landing_mps: float = 1.0
    landing_height_m: float = 10.0
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


def stop_to_stop_s(length_m: npt.ArrayLike, speed_mps: npt.ArrayLike, acceleration_mps2: float) -> FloatArray:
    """Seconds from standing to standing over a length: trapezoidal speed, triangular where it is short."""
    length = np.asarray(length_m, float)
    speed = np.asarray(speed_mps, float)
    ramp = speed * speed / acceleration_mps2
    long = length / speed + speed / acceleration_mps2
    short = 2.0 * np.sqrt(length / acceleration_mps2)
    return np.where(length >= ramp, long, short)


def ground_speed_mps(
    east: npt.ArrayLike, north: npt.ArrayLike, speed_mps: float, airframe: Airframe, wind: Wind
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
    a_m: FloatArray, b_m: FloatArray, speed_mps: float, airframe: Airframe, wind: Wind
) -> FloatArray:
    """(seconds, battery seconds), shape (n, 2), of level straight legs from a_m to b_m, both (n, 2), from
    standing to standing."""
    east, north = (b_m - a_m).T
    speed = ground_speed_mps(east, north, speed_mps, airframe, wind)
    length = np.hypot(east, north)
    seconds = stop_to_stop_s(length, speed, airframe.acceleration_mps2)
    cruising = np.minimum(length / speed, seconds)
    rate = drain(_airspeed(east, north, speed, wind), 0.0, speed_mps, airframe)
    standing = drain(wind.speed_mps, 0.0, speed_mps, airframe)
    return np.column_stack([seconds, cruising * rate + (seconds - cruising) * standing])


def _airspeed(east: FloatArray, north: FloatArray, speed: FloatArray, wind: Wind) -> FloatArray:
    norm = np.maximum(np.hypot(east, north), 1e-9)
    return np.hypot(east / norm * speed - wind.east_mps, north / norm * speed - wind.north_mps)


def path_use(
    points_m: FloatArray,
    speed_mps: float,
    airframe: Airframe,
    wind: Wind,
    turn_deg: float = 15.0,
    cruise_mps: float | None = None,
) -> FloatArray:
    """(seconds, battery seconds), shape (2,), to fly a path (k, 3) of east, north, up from standing to
    standing. `cruise_mps` is the speed for which the battery's endurance holds (`speed_mps` if not given).

    The vehicle stops where the path turns by more than `turn_deg`. At straighter points it flies the arc that
    fits between the middles of the legs, no faster than its acceleration holds it there (v^2 = a r). A leg
    takes as long as the slower of its horizontal and its vertical motion.
    """
    steps = np.diff(points_m, axis=0)
    steps = steps[np.any(np.abs(steps) > 1e-9, axis=1)]
    if len(steps) == 0:
        return np.zeros(2)
    flat = np.hypot(steps[:, 0], steps[:, 1])
    speed = ground_speed_mps(steps[:, 0], steps[:, 1], speed_mps, airframe, wind)
    heading = np.degrees(np.arctan2(steps[:, 0], steps[:, 1]))
    turn = np.abs((np.diff(heading) + 180.0) % 360.0 - 180.0)
    stops = (turn > turn_deg) | (flat[:-1] < 1e-6) | (flat[1:] < 1e-6)
    bend = np.tan(np.radians(np.where(stops, 0.0, turn)) / 2)
    radius = np.minimum(flat[:-1], flat[1:]) / 2 / np.maximum(bend, 1e-9)
    held = np.concatenate([[np.inf], np.sqrt(airframe.acceleration_mps2 * radius), [np.inf]])
    held[1:-1][stops] = np.inf
    speed = np.minimum(speed, np.minimum(held[:-1], held[1:]))
    rates = np.where(steps[:, 2] > 0, airframe.climb_mps, airframe.descent_mps)
    seconds = np.maximum(flat / speed, np.abs(steps[:, 2]) / rates)
    first = np.concatenate([[0], np.flatnonzero(stops) + 1])
    run_length = np.add.reduceat(flat, first)
    run_speed = np.maximum.reduceat(speed, first)
    ramps = stop_to_stop_s(run_length, run_speed, airframe.acceleration_mps2) - run_length / run_speed
    cruise = speed_mps if cruise_mps is None else cruise_mps
    flown = flat / seconds
    rate = drain(_airspeed(steps[:, 0], steps[:, 1], flown, wind), steps[:, 2] / seconds, cruise, airframe)
    standing = drain(wind.speed_mps, 0.0, cruise, airframe)
    total = seconds.sum() + ramps.sum()
    return np.array([total, (seconds * rate).sum() + ramps.sum() * float(standing)])


def path_time_s(
    points_m: FloatArray, speed_mps: float, airframe: Airframe, wind: Wind, turn_deg: float = 15.0
) -> float:
    """Seconds of `path_use`."""
    return float(path_use(points_m, speed_mps, airframe, wind, turn_deg)[0])


def take_off_and_land_use(
    take_off_m: float, landing_m: float, cruise_mps: float, airframe: Airframe
) -> FloatArray:
    """(seconds, battery seconds), shape (2,), for the climb to `take_off_m` above launch and the descent from
    `landing_m` to the ground."""
    slow = min(landing_m, airframe.landing_height_m)
    up = take_off_m / airframe.climb_mps
    down = (landing_m - slow) / airframe.descent_mps + slow / airframe.landing_mps
    climbing = float(drain(0.0, airframe.climb_mps, cruise_mps, airframe))
    hovering = float(drain(0.0, 0.0, cruise_mps, airframe))
    return np.array([up + down, up * climbing + down * hovering])
