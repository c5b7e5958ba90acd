"""The flying body: a multirotor as a point mass under a tilting thrust, at a fixed step.

Axes are east, north, up in metres (up is AMSL), angles in radians: yaw clockwise from north, pitch nose up,
roll right wing down. Everything is plain floats; a step costs a few microseconds.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

GRAVITY_MPS2 = 9.80665
BREAKS_MPS = 4.0
"""A touch of the ground this fast breaks it (a fall from 0.8 m)."""
_ON_ITS_SIDE_RAD = math.radians(100.0)
_TUMBLE_RADPS2 = 2.0
"""How a machine without thrust begins to roll: nothing holds it."""
STEP_S = 0.02
"""The fixed step of the whole simulator: 50 Hz, the rate of ArduCopter's camera and navigation loops."""


@dataclass(frozen=True)
class Airframe:
    """A mapping quadrotor. The defaults are a 3.2 kg machine whose hover throttle is ArduCopter's default
    MOT_THST_HOVER and which leans 11 degrees at 12 m/s in still air."""

    mass_kg: float = 3.2
    hover_throttle: float = 0.35
    drag_quadratic_per_m: float = 0.0115
    drag_linear_per_s: float = 0.02
    attitude_gain_per_s: float = 6.0
    rate_lag_s: float = 0.06
    max_rate_radps: float = math.radians(180)
    max_yaw_rate_radps: float = math.radians(60)
    motor_lag_s: float = 0.05

    @property
    def max_thrust_mps2(self) -> float:
        """Thrust per mass at full throttle and nominal voltage, metres per second squared."""
        return GRAVITY_MPS2 / self.hover_throttle


@dataclass
class Body:
    """The true state of one vehicle (mutable, owned by its simulation loop)."""

    east_m: float = 0.0
    north_m: float = 0.0
    up_m: float = 0.0
    v_east_mps: float = 0.0
    v_north_mps: float = 0.0
    v_up_mps: float = 0.0
    roll_rad: float = 0.0
    pitch_rad: float = 0.0
    yaw_rad: float = 0.0
    roll_rate_radps: float = 0.0
    pitch_rate_radps: float = 0.0
    yaw_rate_radps: float = 0.0
    throttle: float = 0.0
    on_ground: bool = True
    impact_mps: float = 0.0
    """Sink rate at the latest touch of the ground."""
    broken: bool = False
    """Hit the ground too hard; lies on its side and does not fly again."""


@dataclass
class Demand:
    """What the attitude controller is told: angles, and throttle 0..1. Owned by the flight controller."""

    roll_rad: float = 0.0
    pitch_rad: float = 0.0
    yaw_rad: float = 0.0
    throttle: float = 0.0


@dataclass(frozen=True)
class Weather:
    """Mean wind at 10 m above ground and its gusts. `from_deg` is where the wind comes from."""

    wind_mps: float = 0.0
    from_deg: float = 0.0
    gust_mps: float = 0.0
    """Standard deviation of each horizontal gust component; the vertical one is half of it."""


class Wind:
    """Wind at the vehicle: a power-law profile over height, and gusts as first-order Gauss-Markov noise
    (the one-pole form of the Dryden model, length scale 50 m)."""

    LENGTH_M = 50.0

    def __init__(self, weather: Weather, seed: int) -> None:
        self._random = random.Random(f"wind {seed}")
        self._gusts = [0.0, 0.0, 0.0]
        self.set(weather)

    def set(self, weather: Weather) -> None:
        """Change the weather from now on (a wind step)."""
        self.weather = weather
        towards = math.radians(weather.from_deg + 180.0)
        self._east, self._north = weather.wind_mps * math.sin(towards), weather.wind_mps * math.cos(towards)

    def at(self, height_agl_m: float, airspeed_mps: float) -> tuple[float, float, float]:
        """(east, north, up) of the air's motion in m/s for this step; advances the gusts by one step."""
        profile = (min(max(height_agl_m, 1.0), 300.0) / 10.0) ** 0.143
        east, north = self._east * profile, self._north * profile
        sigma = self.weather.gust_mps
        if sigma <= 0.0:
            return east, north, 0.0
        decay = math.exp(-STEP_S * max(airspeed_mps, 3.0) / self.LENGTH_M)
        kick = sigma * math.sqrt(1.0 - decay * decay)
        gauss, gusts = self._random.gauss, self._gusts
        gusts[0] = gusts[0] * decay + kick * gauss(0.0, 1.0)
        gusts[1] = gusts[1] * decay + kick * gauss(0.0, 1.0)
        gusts[2] = gusts[2] * decay + 0.5 * kick * gauss(0.0, 1.0)
        return east + gusts[0], north + gusts[1], gusts[2]


def step(
    body: Body,
    frame: Airframe,
    demand: Demand,
    thrust_share: float,
    wind: tuple[float, float, float],
    ground_up_m: float,
) -> None:
    """Advance the body by STEP_S under the demand.

    `thrust_share` scales the thrust (sagging battery, weak motor), `wind` is (east, north, up) in m/s,
    `ground_up_m` the height of the ground below. Semi-implicit Euler: stable at this step for lags above it.
    """
    dt = STEP_S
    body.throttle += (demand.throttle - body.throttle) * dt / (frame.motor_lag_s + dt)
    thrust = body.throttle * frame.max_thrust_mps2 * thrust_share
    if body.on_ground and (thrust < GRAVITY_MPS2 or body.broken):
        _rest(body, ground_up_m)
        return
    if thrust_share > 0.0:
        _turn(body, frame, demand)
    else:
        body.roll_rate_radps = min(body.roll_rate_radps + _TUMBLE_RADPS2 * dt, frame.max_rate_radps)
        body.roll_rad = math.remainder(body.roll_rad + body.roll_rate_radps * dt, math.tau)
    cr, sr = math.cos(body.roll_rad), math.sin(body.roll_rad)
    cp, sp = math.cos(body.pitch_rad), math.sin(body.pitch_rad)
    cy, sy = math.cos(body.yaw_rad), math.sin(body.yaw_rad)
    # the body's up axis, east-north-up (third column of Rz(yaw) Ry(pitch) Rx(roll), signs of NED turned)
    a_north = -(cy * sp * cr + sy * sr) * thrust
    a_east = -(sy * sp * cr - cy * sr) * thrust
    a_up = cp * cr * thrust - GRAVITY_MPS2
    air_e, air_n, air_u = body.v_east_mps - wind[0], body.v_north_mps - wind[1], body.v_up_mps - wind[2]
    speed = math.sqrt(air_e * air_e + air_n * air_n + air_u * air_u)
    drag = frame.drag_quadratic_per_m * speed + frame.drag_linear_per_s
    body.v_east_mps += (a_east - drag * air_e) * dt
    body.v_north_mps += (a_north - drag * air_n) * dt
    body.v_up_mps += (a_up - drag * air_u) * dt
    body.east_m += body.v_east_mps * dt
    body.north_m += body.v_north_mps * dt
    body.up_m += body.v_up_mps * dt
    body.on_ground = False
    if body.up_m <= ground_up_m and body.v_up_mps <= 0.0:
        body.impact_mps = -body.v_up_mps
        body.on_ground = True
        body.broken = body.broken or body.impact_mps > BREAKS_MPS
        _rest(body, ground_up_m)


def _turn(body: Body, frame: Airframe, demand: Demand) -> None:
    """Attitude: a rate proportional to the angle error, reached with a lag."""
    dt, gain, limit = STEP_S, frame.attitude_gain_per_s, frame.max_rate_radps
    blend = dt / (frame.rate_lag_s + dt)
    want = min(max((demand.roll_rad - body.roll_rad) * gain, -limit), limit)
    body.roll_rate_radps += (want - body.roll_rate_radps) * blend
    body.roll_rad += body.roll_rate_radps * dt
    want = min(max((demand.pitch_rad - body.pitch_rad) * gain, -limit), limit)
    body.pitch_rate_radps += (want - body.pitch_rate_radps) * blend
    body.pitch_rad += body.pitch_rate_radps * dt
    limit = frame.max_yaw_rate_radps
    error = math.remainder(demand.yaw_rad - body.yaw_rad, math.tau)
    want = min(max(error * 2.0, -limit), limit)
    body.yaw_rate_radps += (want - body.yaw_rate_radps) * blend
    body.yaw_rad = (body.yaw_rad + body.yaw_rate_radps * dt) % math.tau


def _rest(body: Body, ground_up_m: float) -> None:
    body.up_m = ground_up_m
    body.v_east_mps = body.v_north_mps = body.v_up_mps = 0.0
    body.roll_rad = body.roll_rad * 0.8 + (0.2 * _ON_ITS_SIDE_RAD if body.broken else 0.0)
    body.pitch_rad *= 0.8
    body.roll_rate_radps = body.pitch_rate_radps = body.yaw_rate_radps = 0.0
