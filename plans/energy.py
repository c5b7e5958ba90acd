"""What a multirotor is, what wind leaves it of its speed, and what it draws: climbs, cold and age. How long
it flies is plans.flight_time's."""

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
    2 % of the times (docs/figures.md). `return_speed_mps` is the most at which it comes home by itself; inf
    where that is as fast as it flies its survey."""

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
    return_speed_mps: float = math.inf
    climb_power_per_mps: float = 0.16
    """What a metre a second of climb draws beside hovering, as a share of hover power: weight over hover
    power (8.4 W carry a newton in the rotorcraft of Zeng et al.) over a drive's efficiency of 0.75."""

    @property
    def fastest_mps(self) -> float:
        """The most ground speed that it is flown at in calm air."""
        return self.max_airspeed_mps


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


def airspeed_mps(east: FloatArray, north: FloatArray, speed_mps: FloatArray, wind: Wind) -> FloatArray:
    """Speed through the air at a ground speed along directions (east, north; any length)."""
    norm = np.maximum(np.hypot(east, north), 1e-9)
    return np.hypot(east / norm * speed_mps - wind.east_mps, north / norm * speed_mps - wind.north_mps)
