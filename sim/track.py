"""The target's way through waypoints: straight legs with S-curves that overlap at corners, and splines.

What ArduCopter's AC_WPNav, SCurve and SplineCurve do: each straight leg has its own profile from standing to
standing, and the next is begun early enough to cut the corner within the waypoint radius.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from sim.controller import Limits, Point, Target, shaped
from sim.dynamics import STEP_S
from sim.scurve import Curve, Limits1d, plan_curve, with_speed
from sim.sensors import Estimate

_TIME_CONSTANT_S = 0.15
"""How quickly the attitude follows (ATC_INPUT_TC): it bounds the snap."""
_SPLINE_FACTOR = 4.0
_SPLINE_SHARE = 0.5
"""How much of the acceleration a spline spends along and across its way, each."""
_NOWHERE: Point = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Waypoint:
    """A place to fly to, on a straight line or on a spline."""

    point: Point
    curved: bool = False


def along_limit(direction: Point, level: float, up: float, down: float) -> float:
    """How much of something there may be along a direction, that is limited level, up and down."""
    horizontal = math.hypot(direction[0], direction[1])
    length = math.hypot(horizontal, direction[2])
    most = level * length / horizontal if horizontal > 1e-6 * length else math.inf
    vertical = up if direction[2] > 0.0 else down
    return min(most, vertical * length / abs(direction[2])) if abs(direction[2]) > 1e-6 * length else most


def _speed_along(limits: Limits, direction: Point) -> float:
    return along_limit(direction, limits.speed_mps, limits.climb_mps, limits.sink_mps)


def _accel_along(limits: Limits, direction: Point) -> float:
    return along_limit(direction, limits.accel_mps2, limits.accel_z_mps2, limits.accel_z_mps2)


def _minus(a: Point, b: Point) -> Point:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def _scaled(a: Point, by: float) -> Point:
    return a[0] * by, a[1] * by, a[2] * by


def _length(a: Point) -> float:
    return math.sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2])


def _dot(a: Point, b: Point) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@dataclass
class _Straight:
    """A straight leg and how far in time it has been flown."""

    origin: Point
    goal: Point
    direction: Point
    curve: Curve
    time_s: float = 0.0

    @property
    def left_s(self) -> float:
        return self.curve.end_s - self.time_s

    def move(self, dt: float) -> None:
        self.time_s = min(self.time_s + dt, self.curve.end_s)

    def limit(self, limits: Limits) -> None:
        """Go on with another top speed."""
        self.curve = with_speed(self.curve, self.time_s, _speed_along(limits, self.direction))


def _straight(
    origin: Point, goal: Point, limits: Limits, start_mps: float = 0.0, end_mps: float = 0.0
) -> _Straight | None:
    way = _minus(goal, origin)
    length = _length(way)
    if length < 1e-3:
        return None
    direction = _scaled(way, 1.0 / length)
    jerk = limits.jerk_mps3
    # half of what the attitude could follow, as ArduCopter leaves it
    bounds = Limits1d(_accel_along(limits, direction), jerk, 0.5 * jerk * math.pi / (2.0 * _TIME_CONSTANT_S))
    curve = plan_curve(length, _speed_along(limits, direction), bounds, start_mps, end_mps)
    return _Straight(origin, goal, direction, curve)


@dataclass
class _Spline:
    """A cubic between two points with given directions at its ends, flown as fast as its bends allow."""

    origin: Point
    goal: Point
    start: Point
    end: Point
    limits: Limits
    end_mps: float = math.inf
    u: float = 0.0

    def __post_init__(self) -> None:
        span = _length(_minus(self.goal, self.origin)) * _SPLINE_FACTOR
        given = _length(self.start) + _length(self.end)
        scale = span / given if given > span else 1.0
        a, b, v, w = self.origin, self.goal, _scaled(self.start, scale), _scaled(self.end, scale)
        self._c2 = tuple(-3.0 * a[i] - 2.0 * v[i] + 3.0 * b[i] - w[i] for i in range(3))
        self._c3 = tuple(2.0 * a[i] + v[i] - 2.0 * b[i] + w[i] for i in range(3))
        self._c1 = v
        self.start_mps = self._look(0.0)[2]
        self.end_mps = min(self.end_mps, self._look(1.0)[2] if _length(self.end) > 0.0 else 0.0)

    def _look(self, u: float) -> tuple[Point, Point, float, float, float]:
        """(place, direction, greatest speed, length of a step of u, greatest acceleration) at u."""
        c1, c2, c3, a = self._c1, self._c2, self._c3, self.origin
        place = (
            a[0] + u * (c1[0] + u * (c2[0] + u * c3[0])),
            a[1] + u * (c1[1] + u * (c2[1] + u * c3[1])),
            a[2] + u * (c1[2] + u * (c2[2] + u * c3[2])),
        )
        first = (
            c1[0] + u * (2.0 * c2[0] + 3.0 * u * c3[0]),
            c1[1] + u * (2.0 * c2[1] + 3.0 * u * c3[1]),
            c1[2] + u * (2.0 * c2[2] + 3.0 * u * c3[2]),
        )
        second = (
            2.0 * c2[0] + 6.0 * u * c3[0],
            2.0 * c2[1] + 6.0 * u * c3[1],
            2.0 * c2[2] + 6.0 * u * c3[2],
        )
        pace, limits = _length(first), self.limits
        heading = first if pace > 1e-6 else second
        size = _length(heading) or 1.0
        direction = _scaled(heading, 1.0 / size)
        across = _minus(second, _scaled(direction, _dot(second, direction)))
        most = _speed_along(limits, direction)
        bend = _length(across)
        if bend > 1e-9 and pace > 1e-6:
            most = min(most, pace / math.sqrt(bend / (_SPLINE_SHARE * _accel_along(limits, across))))
        return place, direction, most, pace, _SPLINE_SHARE * _accel_along(limits, direction)

    def move(self, dt: float, speed: float) -> tuple[Point, Point]:
        """Advance; returns the place and the velocity."""
        place, direction, most, pace, accel = self._look(self.u)
        left = _length(_minus(self.goal, place))
        most = min(most, math.sqrt(2.0 * accel * left + min(self.end_mps, most) ** 2))
        speed = min(max(most, speed - accel * dt), speed + accel * dt)
        way = speed * dt
        curving = _length(_scaled((self._c2[0], self._c2[1], self._c2[2]), 2.0)) or 1.0
        self.u = min(self.u + (way / pace if pace > 1e-3 else math.sqrt(2.0 * way / curving)), 1.0)
        return place, _scaled(direction, speed)


@dataclass
class Track:
    """The target's way to a point. Call `start` for each leg, then `advance` once a step. `finished` turns
    true when the target arrives, or, if the leg goes on into another, when it is half way round the
    corner."""

    limits: Limits
    position: Point = _NOWHERE
    finished: bool = True
    paused: bool = False
    most_share: float = 1.0
    """How much of the speed the ground below allows."""
    _leg: _Straight | _Spline | None = None
    _last: _Straight | None = None
    _next: _Straight | _Spline | None = None
    _goal: Point = _NOWHERE
    _passing: bool = False
    """The leg goes on into another without a stop."""
    _velocity: Point = _NOWHERE
    _pace: float = 1.0
    """How fast time runs on the way: less while the vehicle is behind."""
    _share: list[float] = field(default_factory=lambda: [1.0, 0.0])
    """Share of the speed that is flown, and its rate of change: less while paused."""
    _planned_for: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def goal(self) -> Point:
        """Where the current leg ends."""
        return self._goal

    def hold(self, position: Point) -> None:
        """Stand still here; forget any leg."""
        self.position = self._goal = position
        self._leg = self._last = self._next = None
        self._velocity, self._pace, self._share, self.most_share = _NOWHERE, 1.0, [1.0, 0.0], 1.0
        self.finished, self._passing = True, False

    def start(
        self, goal: Point, following: Point | None, curved: bool = False, ahead: tuple[Waypoint, ...] = ()
    ) -> None:
        """Head for `goal`; when `following` is given, round the corner towards it without stopping. `curved`
        flies a spline there. `ahead` are the points behind `goal` where they are needed in full: two of them
        when splines are about; they stand for `following`."""
        self._planned_for = self._speeds()
        if not ahead and following is not None:
            ahead = (Waypoint(following),)
        origin = self._goal if self.finished else self.position
        before, prepared, entry = self._leg, self._next, self._entry()
        self._last = before if isinstance(before, _Straight) and self.finished else None
        self._goal, self._next, self.finished = goal, None, False
        if curved:
            self._leg = self._spline(origin, goal, entry, ahead)
        elif isinstance(prepared, _Straight) and prepared.goal == goal and prepared.origin == origin:
            self._leg = prepared
        else:
            speed = _length(self._velocity) if isinstance(before, _Spline) else 0.0
            self._leg = _straight(origin, goal, self.limits, speed)
        self._passing = bool(ahead)
        if ahead:
            self._prepare(origin, goal, ahead)

    def _entry(self) -> Point:
        """The direction in which a spline leaves the place of the last leg."""
        if not self._passing or not self.finished or self._leg is None:
            return _NOWHERE
        leg = self._leg
        return leg.end if isinstance(leg, _Spline) else _minus(leg.goal, leg.origin)

    def _spline(
        self, origin: Point, goal: Point, entry: Point, ahead: tuple[Waypoint, ...]
    ) -> _Spline | None:
        if math.dist(origin, goal) < 1e-3:
            return None
        out = _NOWHERE
        if ahead:
            out = _minus(ahead[0].point, origin if ahead[0].curved else goal)
        return _Spline(origin, goal, entry, out, self.limits)

    def _prepare(self, origin: Point, goal: Point, ahead: tuple[Waypoint, ...]) -> None:
        """Plan the leg behind this one, and with what speed one goes over into the other."""
        leg, following = self._leg, ahead[0]
        if following.curved:
            entry = leg.end if isinstance(leg, _Spline) else _minus(goal, origin)
            spline = self._spline(goal, following.point, entry, ahead[1:])
            self._next = spline
            speed = spline.start_mps if spline else 0.0
            if isinstance(leg, _Spline):
                leg.end_mps = min(leg.end_mps, speed)
            elif leg is not None:
                leg.curve = _ending(leg.curve, speed)
            return
        speed = leg.end_mps if isinstance(leg, _Spline) else 0.0
        straight = _straight(goal, following.point, self.limits, speed)
        self._next = straight
        if isinstance(leg, _Spline):
            leg.end_mps = min(leg.end_mps, straight.curve.pieces[0].start_mps if straight else 0.0)

    def _speeds(self) -> tuple[float, float, float]:
        return self.limits.speed_mps, self.limits.climb_mps, self.limits.sink_mps

    def advance(self, e: Estimate, target: Target) -> None:
        """Move the target by one step and write it out. It waits for a vehicle that is behind."""
        limits = self.limits
        if (speeds := self._speeds()) != self._planned_for:
            self._planned_for = speeds
            for leg in (self._leg, self._next):
                if isinstance(leg, _Straight):
                    leg.limit(limits)
        self._keep_pace(e, target)
        self._keep_share()
        share = self._share[0]
        dt = self._pace * share * STEP_S
        if isinstance(self._leg, _Spline):
            place, velocity = self._leg.move(dt, _length(self._velocity))
            accel = _NOWHERE
            self.finished = self.finished or self._leg.u >= 1.0
        else:
            place, velocity, accel = self._along(dt)
        # a pause brakes along the way
        speed = _length(velocity)
        brake = self._share[1] if speed > 1e-6 else 0.0
        self.position, self._velocity = place, velocity
        target.east_m, target.north_m, target.up_m = place
        target.v_east_mps, target.v_north_mps, target.v_up_mps = _scaled(velocity, share)
        target.a_east_mps2 = accel[0] * share * share + velocity[0] * brake
        target.a_north_mps2 = accel[1] * share * share + velocity[1] * brake
        target.a_up_mps2 = accel[2] * share * share + velocity[2] * brake

    def _keep_pace(self, e: Estimate, target: Target) -> None:
        """Let time run slower while the vehicle does not keep up."""
        v, wish = self._velocity, 1.0
        share = self._share[0]
        speed = _length(v) * share
        if speed > 1e-6:
            unit = _scaled(v, share / speed)
            behind = _dot((target.east_m - e.east_m, target.north_m - e.north_m, target.up_m - e.up_m), unit)
            flown = _dot((e.v_east_mps, e.v_north_mps, e.v_up_mps), unit)
            wish = min(max(0.05 + (flown - behind) / speed, 0.0), 1.0)
        self._pace += (wish - self._pace) * STEP_S * self.limits.jerk_mps3 / self.limits.accel_mps2

    def _keep_share(self) -> None:
        """Bring the share of the speed to 0 while paused, else to what is allowed."""
        wish, (share, rate) = 0.0 if self.paused else self.most_share, self._share
        if share == wish and rate == 0.0:
            return
        limits = self.limits
        speed = max(limits.speed_mps, 0.1)
        share += rate * STEP_S
        rate = (
            shaped((wish - share) * speed, rate * speed, limits.accel_mps2, limits.shaping_jerk_mps3) / speed
        )
        if abs(share - wish) < 1e-4 and abs(rate) < 1e-3:
            share, rate = wish, 0.0
        self._share = [min(max(share, 0.0), 1.0), rate]

    def _along(self, dt: float) -> tuple[Point, Point, Point]:
        """One step on a straight leg, with what is left of the last one and what has begun of the next."""
        leg, last, following = self._leg, self._last, self._next
        if not isinstance(leg, _Straight):
            self.finished = True
            return self._goal, _NOWHERE, _NOWHERE
        sums = [*leg.origin, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
        if last is not None:
            last.move(dt)
            _add(sums, last, last.time_s, last.curve.length_m)
            if last.left_s <= 0.0:
                self._last = None
        leg.move(dt)
        _add(sums, leg, leg.time_s)
        done = leg.left_s <= 0.0
        if isinstance(following, _Straight) and self._passing:
            if following.time_s > 0.0:
                following.move(dt)
                done = done or following.time_s >= leg.left_s
            elif self._may_turn(leg, following):
                following.move(dt)
            if following.time_s > 0.0:
                _add(sums, following, following.time_s)
        self.finished = self.finished or done
        p = sums
        return (p[0], p[1], p[2]), (p[3], p[4], p[5]), (p[6], p[7], p[8])

    def _may_turn(self, leg: _Straight, following: _Straight) -> bool:
        """Whether the next leg may begin now: the corner is cut within the radius, not faster than the legs
        are and not more sharply than allowed."""
        if leg.time_s < leg.curve.brake_from_s or leg.left_s > following.curve.steady_from_s:
            return False
        half = leg.left_s / 2.0
        limits, sums = self.limits, [0.0] * 9
        _add(sums, leg, leg.time_s + half, leg.curve.length_m)
        _add(sums, following, half)
        slower = min(_speed_along(limits, leg.direction), _speed_along(limits, following.direction))
        return (
            _length((sums[0], sums[1], sums[2])) < limits.radius_m
            and _length((sums[3], sums[4], sums[5])) < slower
            and math.hypot(sums[6], sums[7]) < limits.corner_accel_mps2
            and abs(sums[8]) < limits.accel_z_mps2
        )


def _add(sums: list[float], leg: _Straight, time_s: float, before_m: float = 0.0) -> None:
    """Add a leg's place (from its origin, or from `before_m` along it), velocity and acceleration."""
    way, speed, accel = leg.curve.at(time_s)
    x, y, z = leg.direction
    way -= before_m
    sums[0] += x * way
    sums[1] += y * way
    sums[2] += z * way
    if speed or accel:
        sums[3] += x * speed
        sums[4] += y * speed
        sums[5] += z * speed
        sums[6] += x * accel
        sums[7] += y * accel
        sums[8] += z * accel


def _ending(curve: Curve, speed_mps: float) -> Curve:
    """The same leg with another speed at its end."""
    first = curve.pieces[0]
    top = max(piece.end_mps for piece in curve.pieces)
    return plan_curve(curve.length_m, top, curve.limits, first.start_mps, min(speed_mps, top))
