"""How a PX4 multirotor's target moves: jerk-limited speeds on three axes that are led to a waypoint.

After PX4 1.16: VelocitySmoothing.cpp (`Axis`), PositionSmoothing.cpp, TrajectoryConstraints.hpp and
TrajMath.hpp (`Trajectory`). East, north, up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.controller import Point, Target

_STILL = 1e-6
_TURN_COS = 0.98
_L1_M = 5.0


@dataclass
class Bounds:
    """What a trajectory keeps to (MPC_XY_CRUISE, MPC_XY_VEL_MAX, MPC_ACC_HOR, MPC_JERK_AUTO, ...)."""

    cruise_mps: float = 5.0
    level_mps: float = 12.0
    accel_mps2: float = 3.0
    jerk_mps3: float = 4.0
    vertical_mps: float = 3.0
    vertical_mps2: float = 4.0
    accept_m: float = 2.0
    accept_up_m: float = 0.8
    turn_gain: float = 0.5
    behind_m: float = 2.0


class Axis:
    """One axis whose speed is brought to a wished one with limited acceleration and jerk, in the least time
    or in the time that the other axes need: jerk, even acceleration, jerk."""

    def __init__(self) -> None:
        self.x = self.v = self.a = 0.0
        self.max_v = self.max_a = self.max_j = 1.0
        self._wish = 0.0
        self._sign = 0.0
        self._t1 = self._t2 = self._t3 = 0.0

    def reset(self, x: float, v: float = 0.0, a: float = 0.0) -> None:
        """Be here, with this speed and acceleration."""
        self.x, self.v, self.a = x, v, a
        self._t1 = self._t2 = self._t3 = 0.0

    @property
    def time_s(self) -> float:
        """Until the wished speed is reached."""
        return self._t1 + self._t2 + self._t3

    def move(self, dt: float) -> None:
        """Go on for a time."""
        left = dt
        for lasts, jerk in (
            (self._t1, self._sign * self.max_j),
            (self._t2, 0.0),
            (self._t3, -self._sign * self.max_j),
        ):
            t = min(left, lasts)
            if t > 0.0:
                self.x += t * (self.v + t * (self.a / 2.0 + t * jerk / 6.0))
                self.v += t * (self.a + t * jerk / 2.0)
                self.a += t * jerk
                left -= t
        if left > 0.0:
            self.a = 0.0
            self.x += self.v * left

    def aim(self, speed: float) -> None:
        """Wish for a speed, as soon as possible."""
        self._wish = max(-self.max_v, min(self.max_v, speed))
        self._sign = self._direction()
        jerk = self._sign * self.max_j
        if abs(jerk) < _STILL:
            self._t1 = self._t2 = self._t3 = 0.0
            return
        self._t1 = self._first(jerk, 2.0 * self.a**2 + 4.0 * jerk * (self._wish - self.v))
        self._t3 = max(self.a / jerk + self._t1, 0.0)
        self._t2 = self._even(jerk)

    def stretch(self, time_s: float) -> None:
        """Take so long to reach the wished speed."""
        jerk, a = self._sign * self.max_j, self.a
        if abs(jerk) < _STILL:
            return
        delta_v = self._wish - self.v
        square = (time_s * jerk) ** 2 + 2.0 * time_s * a * jerk - a * a - 4.0 * jerk * delta_v
        first = 0.0
        if square >= 0.0:
            root, b = math.sqrt(square), jerk * time_s - a
            for candidate in ((b - root) / (2.0 * jerk), (b + root) / (2.0 * jerk)):
                t1 = max(candidate, 0.0)
                t3 = a / jerk + t1
                if t3 >= 0.0 and t1 + t3 <= time_s:
                    first = t1
                    break
            first = self._within_accel(jerk, first)
        self._t1 = first
        self._t3 = max(a / jerk + first, 0.0)
        self._t2 = max(time_s - self._t1 - self._t3, 0.0)

    def _direction(self) -> float:
        """Whether to begin with more or with less acceleration."""
        settled = self.v + self.a * abs(self.a) / (2.0 * self.max_j)
        missing = self._wish - settled
        if missing == 0.0:
            return math.copysign(1.0, self.a) if self.a else 0.0
        return math.copysign(1.0, missing)

    def _first(self, jerk: float, square: float) -> float:
        if square < 0.0:
            return 0.0
        root = 0.5 * math.sqrt(square)
        for t1 in ((-self.a + root) / jerk, (-self.a - root) / jerk):
            if t1 >= 0.0 and self.a / jerk + t1 >= 0.0:
                return max(self._within_accel(jerk, t1), 0.0)
        return max(self._within_accel(jerk, 0.0), 0.0)

    def _within_accel(self, jerk: float, t1: float) -> float:
        reached = self.a + jerk * t1
        if abs(reached) > self.max_a:
            return (math.copysign(self.max_a, reached) - self.a) / jerk
        return t1

    def _even(self, jerk: float) -> float:
        t1, t3, a = self._t1, self._t3, self.a
        even = a + jerk * t1
        if abs(even) < _STILL:
            return 0.0
        gained = 0.5 * t1 * t1 * jerk + t1 * t3 * jerk + t1 * a - 0.5 * t3 * t3 * jerk + t3 * a
        return max((self._wish - self.v - gained) / even, 0.0)


def stopping_speed(far_m: float, end_mps: float, accel: float, jerk: float) -> float:
    """The speed at a distance from a point that can still be brought to `end_mps` there."""
    b = 4.0 * accel * accel / jerk
    c = 2.0 * accel * far_m + end_mps * end_mps
    return max(0.5 * (-b + math.sqrt(b * b + 4.0 * c)), end_mps)


class Trajectory:
    """The target's way to a waypoint and past it. `lead` once a step."""

    def __init__(self) -> None:
        self.bounds = Bounds()
        self.axes = (Axis(), Axis(), Axis())
        self.wish: Point = (0.0, 0.0, 0.0)
        """The speed that is aimed at, before it is smoothed."""
        self._before_turn_mps = 0.0

    def reset(self, place: Point, speed: Point = (0.0, 0.0, 0.0), accel: Point = (0.0, 0.0, 0.0)) -> None:
        """Be here, moving so."""
        for axis, x, v, a in zip(self.axes, place, speed, accel, strict=True):
            axis.reset(x, v, a)

    @property
    def place(self) -> Point:
        """Where the target is."""
        east, north, up = self.axes
        return east.x, north.x, up.x

    @property
    def speed_mps(self) -> float:
        """Over the ground."""
        return math.hypot(self.axes[0].v, self.axes[1].v)

    def lead(
        self, dt: float, here: Point, last: Point, goal: Point, following: Point, target: Target
    ) -> None:
        """One step from `last` to `goal` with `following` behind it, the vehicle being at `here`; writes the
        target."""
        self.chase(dt, here, self._towards(last, goal, following), target)

    def level_towards(self, goal: Point) -> tuple[float, float]:
        """The speed over the ground that stops at a place."""
        east, north, up = self.place
        far = math.hypot(goal[0] - east, goal[1] - north)
        if far < _STILL:
            return 0.0, 0.0
        speed = self._level_mps((east, north, up), goal, goal)
        return (goal[0] - east) * speed / far, (goal[1] - north) * speed / far

    def chase(self, dt: float, here: Point, wish: Point, target: Target) -> None:
        """One step that aims at a speed."""
        self.wish = wish
        bounds = self.bounds
        for axis in self.axes[:2]:
            axis.max_v, axis.max_a, axis.max_j = bounds.level_mps, bounds.accel_mps2, bounds.jerk_mps3
        up = self.axes[2]
        up.max_v, up.max_a, up.max_j = bounds.vertical_mps, bounds.vertical_mps2, bounds.jerk_mps3
        dt *= self._pace(here)
        for axis in self.axes:
            axis.move(dt)
        for axis, speed in zip(self.axes, wish, strict=True):
            axis.aim(speed)
        longest = max(axis.time_s for axis in self.axes)
        for axis in self.axes:
            if axis.time_s < longest:
                axis.stretch(longest)
        self.write(target)

    def climb(self, dt: float, wish_mps: float, target: Target) -> None:
        """One step of the height alone that aims at a speed."""
        up = self.axes[2]
        up.max_v, up.max_a = self.bounds.vertical_mps, self.bounds.vertical_mps2
        up.max_j = self.bounds.jerk_mps3
        up.move(dt)
        up.aim(wish_mps)
        target.up_m, target.v_up_mps, target.a_up_mps2 = up.x, up.v, up.a

    def write(self, target: Target) -> None:
        """Make it the controller's target."""
        east, north, up = self.axes
        target.east_m, target.north_m, target.up_m = east.x, north.x, up.x
        target.v_east_mps, target.v_north_mps, target.v_up_mps = east.v, north.v, up.v
        target.a_east_mps2, target.a_north_mps2, target.a_up_mps2 = east.a, north.a, up.a

    def _pace(self, here: Point) -> float:
        """Time runs slower while the vehicle is behind (MPC_XY_ERR_MAX)."""
        east, north = self.axes[0].x - here[0], self.axes[1].x - here[1]
        if east * self.axes[0].v + north * self.axes[1].v < 0.0:
            return 1.0
        return 1.0 - min(math.hypot(east, north) / self.bounds.behind_m, 1.0)

    def _towards(self, last: Point, goal: Point, following: Point) -> Point:
        """The speed that leads to the goal, so that it can be passed or stopped at."""
        place = self.place
        alone = last == goal == following
        turning = not alone and self._is_turning(goal)
        ahead = self._beside_line(last, goal) if turning else goal
        way = ahead[0] - place[0], ahead[1] - place[1], ahead[2] - place[2]
        length = math.sqrt(way[0] ** 2 + way[1] ** 2 + way[2] ** 2)
        level, vertical = self._level_mps(place, goal, following), self._vertical_mps(place, goal, following)
        if turning:
            level = min(self._before_turn_mps, level)
        else:
            self._before_turn_mps = level
        if length < _STILL:
            return 0.0, 0.0, 0.0
        share = math.hypot(level, vertical) / length
        wish = (way[0] * share, way[1] * share, way[2] * share)
        return _held(_held(wish, math.hypot(wish[0], wish[1]), level), abs(wish[2]), vertical, True)

    def _is_turning(self, goal: Point) -> bool:
        """Moving elsewhere than to the goal, and not at it yet."""
        east, north = self.axes[0], self.axes[1]
        speed, to = self.speed_mps, (goal[0] - east.x, goal[1] - north.x)
        far = math.hypot(*to)
        if speed <= 0.2 or far <= self.bounds.accept_m:
            return False
        return (east.v * to[0] + north.v * to[1]) / (speed * far) < _TURN_COS

    def _beside_line(self, last: Point, goal: Point) -> Point:
        """A place on the line of the leg, some way ahead (L1 guidance)."""
        place = self.place
        line = goal[0] - last[0], goal[1] - last[1], goal[2] - last[2]
        length = math.sqrt(line[0] ** 2 + line[1] ** 2 + line[2] ** 2)
        if length < _STILL:
            return last
        unit = line[0] / length, line[1] / length, line[2] / length
        along = sum((p - q) * u for p, q, u in zip(place, last, unit, strict=True))
        closest = last[0] + unit[0] * along, last[1] + unit[1] * along, last[2] + unit[2] * along
        aside, reach = math.dist(closest, place), max(self.bounds.accept_m, _L1_M)
        ahead = math.sqrt(reach * reach - aside * aside) if reach > aside else 0.0
        return closest[0] + unit[0] * ahead, closest[1] + unit[1] * ahead, closest[2] + unit[2] * ahead

    def _level_mps(self, place: Point, goal: Point, following: Point) -> float:
        b = self.bounds
        behind = math.hypot(following[0] - goal[0], following[1] - goal[1])
        end = 0.0
        if behind > 0.001 and behind >= b.accept_m:
            after = min(b.cruise_mps, stopping_speed(behind, 0.0, b.accel_mps2, b.jerk_mps3))
            angle = _angle(
                (goal[0] - place[0], goal[1] - place[1]), (goal[0] - following[0], goal[1] - following[1])
            )
            end = min(corner_mps(angle, b.turn_gain * b.accel_mps2, b.accept_m), after, b.cruise_mps)
        far = math.hypot(goal[0] - place[0], goal[1] - place[1])
        return min(b.cruise_mps, stopping_speed(far, end, b.accel_mps2, b.jerk_mps3))

    def _vertical_mps(self, place: Point, goal: Point, following: Point) -> float:
        b, end = self.bounds, 0.0
        if abs(goal[2] - following[2]) > 0.001:
            here, there, then = ((math.hypot(p[0], p[1]), p[2]) for p in (place, goal, following))
            angle = _angle((there[0] - here[0], there[1] - here[1]), (there[0] - then[0], there[1] - then[1]))
            end = min(corner_mps(angle, b.vertical_mps2, b.accept_up_m), b.vertical_mps)
        far = abs(goal[2] - place[2])
        return min(b.vertical_mps, stopping_speed(far, end, b.vertical_mps2, b.jerk_mps3))


def corner_mps(angle_rad: float, accel_mps2: float, reach_m: float) -> float:
    """The speed through a corner of which so much is cut off; pi is straight on."""
    return math.sqrt(accel_mps2 * reach_m * math.tan(min(angle_rad, math.pi - 1e-7) / 2.0))


def _angle(a: tuple[float, float], b: tuple[float, float]) -> float:
    size = math.hypot(*a) * math.hypot(*b)
    return math.acos(max(-1.0, min(1.0, (a[0] * b[0] + a[1] * b[1]) / size))) if size > 0.0 else math.pi / 2


def _held(wish: Point, size: float, most: float, vertical: bool = False) -> Point:
    """A speed made smaller so that a part of it is no more than this; the part alone where both are slow."""
    if size <= most or size < _STILL:
        return wish
    share = most / size
    if most < 0.5 and size < 0.5:
        return (
            (wish[0], wish[1], wish[2] * share) if vertical else (wish[0] * share, wish[1] * share, wish[2])
        )
    return wish[0] * share, wish[1] * share, wish[2] * share


def stopping_m(speed_mps: float, accel: float, jerk: float) -> float:
    """The way until it stands, braked after a moment in which the acceleration builds up."""
    return speed_mps * (speed_mps / (2.0 * accel) + accel / jerk)
