"""Flight control: the cascade that makes the vehicle follow its target, and how targets are set in motion.

The shapes are ArduCopter's: position error -> velocity (square-root controller) -> acceleration -> lean
angles and throttle; a target gathers speed with limited acceleration and jerk (AP_Math/control.cpp). The way
of the target through waypoints is in sim.track.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.dynamics import GRAVITY_MPS2, STEP_S, Airframe, Demand
from sim.sensors import Estimate


@dataclass
class Target:
    """What the position controller follows now: place, velocity and acceleration, east-north-up."""

    east_m: float = 0.0
    north_m: float = 0.0
    up_m: float = 0.0
    v_east_mps: float = 0.0
    v_north_mps: float = 0.0
    v_up_mps: float = 0.0
    a_east_mps2: float = 0.0
    a_north_mps2: float = 0.0
    a_up_mps2: float = 0.0


@dataclass
class Limits:
    """Speeds and accelerations of navigation (ArduCopter's WPNAV_* in SI units)."""

    speed_mps: float = 10.0
    climb_mps: float = 2.5
    sink_mps: float = 1.5
    accel_mps2: float = 2.5
    accel_z_mps2: float = 1.0
    corner_accel_mps2: float = 5.0
    jerk_mps3: float = 1.0
    """Of legs between waypoints; other targets gather speed with the shaping jerks."""
    shaping_jerk_mps3: float = 5.0
    shaping_jerk_z_mps3: float = 5.0
    radius_m: float = 2.0
    lean_max_rad: float = math.radians(30.0)


Point = tuple[float, float, float]


class PositionController:
    """Target and estimate in, lean angles and throttle out. Gains are ArduCopter's PSC_* defaults."""

    POSITION_P = 1.0
    VELOCITY_P, VELOCITY_I = 2.0, 1.0
    CLIMB_P, CLIMB_I = 5.0, 1.0

    def __init__(self, frame: Airframe, limits: Limits) -> None:
        self._frame = frame
        self._limits = limits
        self._integral = [0.0, 0.0, 0.0]

    def reset(self) -> None:
        """Forget the integrators (on arming)."""
        self._integral = [0.0, 0.0, 0.0]

    def horizontal(self, target: Target, e: Estimate, demand: Demand, use_position: bool = True) -> None:
        """Write the roll and pitch demand that follows the target horizontally."""
        limits = self._limits
        v_east, v_north = target.v_east_mps, target.v_north_mps
        if use_position:
            de, dn = target.east_m - e.east_m, target.north_m - e.north_m
            away = math.sqrt(de * de + dn * dn)
            if away > 1e-6:
                speed = _sqrt_controller(away, self.POSITION_P, limits.accel_mps2)
                v_east += de / away * speed
                v_north += dn / away * speed
        error_e, error_n = v_east - e.v_east_mps, v_north - e.v_north_mps
        a_east = target.a_east_mps2 + self.VELOCITY_P * error_e + self._integral[0]
        a_north = target.a_north_mps2 + self.VELOCITY_P * error_n + self._integral[1]
        size = math.sqrt(a_east * a_east + a_north * a_north)
        most = GRAVITY_MPS2 * math.tan(limits.lean_max_rad)
        if size > most:
            a_east, a_north = a_east * most / size, a_north * most / size
        else:
            gain = self.VELOCITY_I * STEP_S
            self._integral[0] += error_e * gain
            self._integral[1] += error_n * gain
        lean(a_east, a_north, e.yaw_rad, demand)

    def vertical(self, target: Target, e: Estimate, demand: Demand, use_position: bool = True) -> None:
        """Write the throttle demand that follows the target's height."""
        limits = self._limits
        v_up = target.v_up_mps
        if use_position:
            dz = target.up_m - e.up_m
            v_up += math.copysign(_sqrt_controller(abs(dz), self.POSITION_P, limits.accel_z_mps2), dz)
        v_up = max(-limits.sink_mps - 1.0, min(limits.climb_mps + 1.0, v_up))
        error = v_up - e.v_up_mps
        accel = target.a_up_mps2 + self.CLIMB_P * error + self._integral[2]
        tilt = max(math.cos(e.roll_rad) * math.cos(e.pitch_rad), 0.5)
        throttle = (GRAVITY_MPS2 + accel) / tilt / self._frame.max_thrust_mps2
        if 0.02 < throttle < 1.0:
            self._integral[2] += error * self.CLIMB_I * STEP_S
        demand.throttle = max(0.02, min(1.0, throttle))


def lean(a_east: float, a_north: float, yaw_rad: float, demand: Demand) -> None:
    """Write the roll and pitch that accelerate a hovering vehicle by this much."""
    cy, sy = math.cos(yaw_rad), math.sin(yaw_rad)
    forward = a_north * cy + a_east * sy
    right = a_east * cy - a_north * sy
    demand.pitch_rad = -math.atan(forward / GRAVITY_MPS2)
    demand.roll_rad = math.atan(right * math.cos(demand.pitch_rad) / GRAVITY_MPS2)


def stopping_m(speed_mps: float, accel_mps2: float) -> float:
    """How far from here a vehicle is told to stop (ArduPilot's stopping_distance; position gain 1)."""
    if speed_mps < accel_mps2:
        return speed_mps
    return accel_mps2 / 2.0 + speed_mps * speed_mps / (2.0 * accel_mps2)


def shaped(
    error_mps: float, accel_mps2: float, most_mps2: float, jerk_mps3: float, feed_mps2: float = 0.0
) -> float:
    """The acceleration after one step towards taking away an error of the speed, with limited jerk;
    `feed_mps2` is added."""
    wish = _sqrt_controller(abs(error_mps), jerk_mps3 / most_mps2, jerk_mps3)
    wish = math.copysign(min(wish, most_mps2, abs(error_mps) / STEP_S), error_mps) + feed_mps2
    change = jerk_mps3 * STEP_S
    return accel_mps2 + max(-change, min(change, wish - accel_mps2))


def shape_level(
    target: Target,
    v_east: float,
    v_north: float,
    most_mps2: float,
    jerk_mps3: float,
    feed_mps2: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Move the target by one step, and bring its level velocity towards this one. `feed_mps2` is an
    acceleration (east, north) that is added."""
    a_east, a_north = target.a_east_mps2, target.a_north_mps2
    target.east_m += (target.v_east_mps + a_east * STEP_S / 2.0) * STEP_S
    target.north_m += (target.v_north_mps + a_north * STEP_S / 2.0) * STEP_S
    target.v_east_mps += a_east * STEP_S
    target.v_north_mps += a_north * STEP_S
    east, north = v_east - target.v_east_mps, v_north - target.v_north_mps
    error = math.hypot(east, north)
    share = 0.0
    if error > 0.0:
        wish = _sqrt_controller(error, jerk_mps3 / most_mps2, jerk_mps3)
        share = min(wish, most_mps2, error / STEP_S) / error
    _gather(target, east * share + feed_mps2[0], north * share + feed_mps2[1], jerk_mps3)


def _gather(target: Target, a_east: float, a_north: float, jerk_mps3: float) -> None:
    """Bring the level acceleration of the target towards this one."""
    d_east, d_north = a_east - target.a_east_mps2, a_north - target.a_north_mps2
    size, change = math.hypot(d_east, d_north), jerk_mps3 * STEP_S
    if size > change:
        d_east, d_north = d_east * change / size, d_north * change / size
    target.a_east_mps2 += d_east
    target.a_north_mps2 += d_north


def gather_level(target: Target, a_east: float, a_north: float, limits: Limits) -> None:
    """Move the target by one step, and bring its level acceleration towards this one, up to full speed."""
    target.v_east_mps += target.a_east_mps2 * STEP_S
    target.v_north_mps += target.a_north_mps2 * STEP_S
    speed, most = math.hypot(target.v_east_mps, target.v_north_mps), math.hypot(a_east, a_north)
    if speed > limits.speed_mps:
        target.v_east_mps *= limits.speed_mps / speed
        target.v_north_mps *= limits.speed_mps / speed
    target.east_m += target.v_east_mps * STEP_S
    target.north_m += target.v_north_mps * STEP_S
    scale = min(1.0, limits.accel_mps2 / max(most, 1e-6))
    _gather(target, a_east * scale, a_north * scale, limits.shaping_jerk_mps3)


def shape_climb(
    target: Target, v_up: float, most_mps2: float, jerk_mps3: float, feed_mps2: float = 0.0
) -> None:
    """Move the target by one step, and bring its climb towards this one; `feed_mps2` is added."""
    target.up_m += (target.v_up_mps + target.a_up_mps2 * STEP_S / 2.0) * STEP_S
    target.v_up_mps += target.a_up_mps2 * STEP_S
    error = v_up - target.v_up_mps
    target.a_up_mps2 = shaped(error, target.a_up_mps2, most_mps2, jerk_mps3, feed_mps2)


def approach_mps(far_m: float, accel_mps2: float, jerk_mps3: float) -> float:
    """The speed at which a target nears a point so far away, such that it can stop there."""
    return _sqrt_controller(far_m, 0.5 * jerk_mps3 / accel_mps2, 0.5 * accel_mps2)


def _sqrt_controller(error: float, gain: float, accel: float) -> float:
    """ArduPilot's square-root controller: linear near zero, constant deceleration far away."""
    linear = accel / (gain * gain)
    if error <= linear:
        return error * gain
    return math.sqrt(2.0 * accel * (error - linear / 2.0))
