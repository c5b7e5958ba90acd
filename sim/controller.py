"""Flight control: a target point that runs along a track, and the cascade that makes the vehicle follow it.

The shapes are ArduCopter's: position error -> velocity (square-root controller) -> acceleration -> lean
angles and throttle; waypoints are passed on a curve that stays within the waypoint radius of the corner.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

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
    radius_m: float = 2.0
    lean_max_rad: float = math.radians(30.0)


Point = tuple[float, float, float]


@dataclass
class Track:
    """The target's way to a point: a curve round the corner just passed, then a straight line.

    Call `start` for each leg, then `advance` once a step. `finished` turns true when the target arrives,
    or, if the leg continues into another, when the curve round its corner begins.
    """

    limits: Limits
    position: Point = (0.0, 0.0, 0.0)
    finished: bool = True
    paused: bool = False
    _destination: Point = (0.0, 0.0, 0.0)
    _speed: float = 0.0
    _curve: tuple[Point, Point, Point] | None = None
    _curve_t: float = 0.0
    _curve_speed: float = 0.0
    _line_end: Point = (0.0, 0.0, 0.0)
    _next_curve: tuple[Point, Point, Point] | None = None
    _end_speed: float = 0.0
    _velocity: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])

    @property
    def goal(self) -> Point:
        """Where the current leg ends."""
        return self._destination

    def hold(self, position: Point) -> None:
        """Stand still here; forget any leg."""
        self.position = self._destination = self._line_end = position
        self._speed = 0.0
        self._curve = self._next_curve = None
        self.finished = True

    def start(self, destination: Point, following: Point | None) -> None:
        """Head for `destination`; when `following` is given, round the corner towards it without stopping.
        The leg begins where the last one ended: in its curve if it had one, else at the current point."""
        entry = self._next_curve if self.finished else None
        self._curve, self._curve_t = entry, 0.0
        self._curve_speed = self._end_speed if entry else 0.0
        begin = entry[2] if entry else self.position
        if not entry:
            self._speed = 0.0
        self._destination = destination
        self._next_curve, self._end_speed = None, 0.0
        self._line_end = destination
        if following is not None:
            self._plan_corner(begin, destination, following)
        self.finished = False

    def _plan_corner(self, begin: Point, corner: Point, following: Point) -> None:
        before, length_before = _direction(begin, corner)
        after, length_after = _direction(corner, following)
        if length_before < 0.5 or length_after < 0.5:
            return
        cosine = max(-1.0, min(1.0, sum(a * b for a, b in zip(before, after, strict=True))))
        sin_half, cos_half = math.sqrt((1.0 - cosine) / 2.0), math.sqrt((1.0 + cosine) / 2.0)
        limits = self.limits
        fastest = min(self._limit_along(before), self._limit_along(after))
        if cos_half < 0.05:
            return  # turns back on itself: stop at the corner
        if sin_half < 1e-4:
            self._end_speed = fastest
            self._next_curve = (corner, corner, corner)
            return
        # A quadratic curve from d before the corner to d behind it strays d * sin_half / 2 from the corner
        # and its tightest radius is d * cos_half^2 / sin_half.
        needed = fastest**2 / limits.corner_accel_mps2 * sin_half / cos_half**2
        reach = min(2.0 * limits.radius_m / sin_half, needed, length_before, length_after / 2.0)
        speed = math.sqrt(limits.corner_accel_mps2 * reach * cos_half**2 / sin_half)
        if speed < 0.3:
            return
        self._end_speed = min(fastest, speed)
        self._line_end = _along(corner, before, -reach)
        self._next_curve = (self._line_end, corner, _along(corner, after, reach))

    def _limit_along(self, direction: Point) -> float:
        horizontal = math.hypot(direction[0], direction[1])
        limits = self.limits
        speed = limits.speed_mps / horizontal if horizontal > 1e-3 else math.inf
        if direction[2] > 1e-3:
            speed = min(speed, limits.climb_mps / direction[2])
        elif direction[2] < -1e-3:
            speed = min(speed, limits.sink_mps / -direction[2])
        return speed

    def _accel_along(self, direction: Point) -> float:
        horizontal = math.hypot(direction[0], direction[1])
        limits = self.limits
        accel = limits.accel_mps2 / horizontal if horizontal > 1e-3 else math.inf
        if abs(direction[2]) > 1e-3:
            accel = min(accel, limits.accel_z_mps2 / abs(direction[2]))
        return accel

    def advance(self, lag_m: float, target: Target) -> None:
        """Move the target by one step and write it out. `lag_m` is how far the vehicle is behind: the
        target slows down for it."""
        patience = max(0.0, min(1.0, 1.0 - (lag_m - 3.0) / 5.0))
        step = STEP_S * patience
        before = self.position
        old = self._velocity
        if self._curve is not None:
            self._along_curve(step)
        elif not self.finished:
            self._along_line(step)
        else:
            self._speed = 0.0
        velocity = [(self.position[i] - before[i]) / STEP_S for i in range(3)]
        smooth = 0.3  # the velocity jumps where line meets curve; the vehicle should not
        target.a_east_mps2 += ((velocity[0] - old[0]) / STEP_S - target.a_east_mps2) * smooth
        target.a_north_mps2 += ((velocity[1] - old[1]) / STEP_S - target.a_north_mps2) * smooth
        target.a_up_mps2 += ((velocity[2] - old[2]) / STEP_S - target.a_up_mps2) * smooth
        target.east_m, target.north_m, target.up_m = self.position
        target.v_east_mps, target.v_north_mps, target.v_up_mps = velocity
        self._velocity = velocity

    def _along_curve(self, step: float) -> None:
        assert self._curve is not None
        p0, p1, p2 = self._curve
        t = self._curve_t
        d = [2.0 * ((1.0 - t) * (p1[i] - p0[i]) + t * (p2[i] - p1[i])) for i in range(3)]
        pace = math.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
        accel = self.limits.accel_mps2
        want = 0.0 if self.paused else self._curve_speed
        self._speed += max(-accel * step, min(accel * step, want - self._speed))
        t = t + self._speed * step / pace if pace > 1e-6 else 1.0
        if t >= 1.0:
            self.position, self._curve = p2, None
            return
        self._curve_t, u = t, 1.0 - t
        self.position = (
            u * u * p0[0] + 2.0 * u * t * p1[0] + t * t * p2[0],
            u * u * p0[1] + 2.0 * u * t * p1[1] + t * t * p2[1],
            u * u * p0[2] + 2.0 * u * t * p1[2] + t * t * p2[2],
        )

    def _along_line(self, step: float) -> None:
        direction, left = _direction(self.position, self._line_end)
        if left < 1e-6:
            self.position = self._line_end
            self.finished = True
            return
        accel = self._accel_along(direction)
        brake = 0.8 * accel
        want = math.sqrt(self._end_speed**2 + 2.0 * brake * left)
        want = 0.0 if self.paused else min(want, self._limit_along(direction))
        self._speed += max(-accel * step, min(accel * step, want - self._speed))
        travel = self._speed * step
        if travel >= left or (left < 0.02 and not self.paused):
            self.position = self._line_end
            self.finished = True
            if self._next_curve is None:
                self._speed = 0.0
            return
        self.position = _along(self.position, direction, travel)


def _direction(a: Point, b: Point) -> tuple[Point, float]:
    d = (b[0] - a[0], b[1] - a[1], b[2] - a[2])
    length = math.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
    return ((d[0] / length, d[1] / length, d[2] / length), length) if length > 0.0 else ((0.0, 0.0, 0.0), 0.0)


def _along(origin: Point, direction: Point, distance: float) -> Point:
    return (
        origin[0] + direction[0] * distance,
        origin[1] + direction[1] * distance,
        origin[2] + direction[2] * distance,
    )


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


def _sqrt_controller(error: float, gain: float, accel: float) -> float:
    """ArduPilot's square-root controller: linear near zero, constant deceleration far away."""
    linear = accel / (gain * gain)
    if error <= linear:
        return error * gain
    return math.sqrt(2.0 * accel * (error - linear / 2.0))
