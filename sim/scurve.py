"""Motion along a straight line with limited acceleration, jerk and snap: the S-curves that ArduCopter flies.

A change of speed is one hump of acceleration, the same forwards and backwards: jerk rises as a raised
cosine, holds, falls the same way; the acceleration holds; then all of it backwards (after ArduPilot's
AP_Math/SCurve).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

_BISECTIONS = 40
_CHANGE_ROOM_S = 3.6
"""A change of speed on the way is not begun when less than this is left (twelve jerk ramps of 0.3 s)."""


@dataclass(frozen=True)
class Limits1d:
    """What a ramp may ask for."""

    accel_mps2: float
    jerk_mps3: float
    snap_mps4: float


@dataclass(frozen=True)
class Ramp:
    """A change of speed. `rise_s` is how long the jerk takes to come up, `hold_s` how long it holds,
    `steady_s` how long the acceleration holds; `jerk_mps3` has the sign of the change. A cruise is a ramp
    without jerk."""

    start_mps: float
    jerk_mps3: float = 0.0
    rise_s: float = 0.0
    hold_s: float = 0.0
    steady_s: float = 0.0

    @cached_property
    def build_s(self) -> float:
        """How long the acceleration takes to come up."""
        return 2.0 * self.rise_s + self.hold_s

    @cached_property
    def duration_s(self) -> float:
        """How long it takes."""
        return 2.0 * self.build_s + self.steady_s

    @cached_property
    def accel_mps2(self) -> float:
        """The acceleration that holds."""
        return self.jerk_mps3 * (self.rise_s + self.hold_s)

    @cached_property
    def end_mps(self) -> float:
        """The speed at its end."""
        return self.start_mps + self.accel_mps2 * (self.build_s + self.steady_s)

    @cached_property
    def length_m(self) -> float:
        """The way flown: at the mean speed, since the hump is symmetric."""
        return (self.start_mps + self.end_mps) / 2.0 * self.duration_s

    def at(self, t: float) -> tuple[float, float, float]:
        """(metres, speed, acceleration) after t seconds of it."""
        whole = self.duration_s
        if t <= whole / 2.0:
            way, gain, accel = self._first_half(t)
            return self.start_mps * t + way, self.start_mps + gain, accel
        left = whole - t
        way, gain, accel = self._first_half(left)
        return self.length_m - self.end_mps * left + way, self.end_mps - gain, accel

    def _first_half(self, t: float) -> tuple[float, float, float]:
        jerk, rise, hold = self.jerk_mps3, self.rise_s, self.hold_s
        if rise <= 0.0:
            return 0.0, 0.0, 0.0
        beta, half = math.pi / rise, jerk / 2.0
        if t < rise:
            bend = beta * t
            return (
                half * (t**3 / 6.0 + math.sin(bend) / beta**3 - t / beta**2),
                half * (t * t / 2.0 + (math.cos(bend) - 1.0) / beta**2),
                half * (t - math.sin(bend) / beta),
            )
        way, speed = half * (rise**3 / 6.0 - rise / beta**2), half * (rise * rise / 2.0 - 2.0 / beta**2)
        accel = half * rise
        s = min(t - rise, hold)
        way += speed * s + accel * s * s / 2.0 + jerk * s**3 / 6.0
        speed += accel * s + jerk * s * s / 2.0
        accel += jerk * s
        if t <= rise + hold:
            return way, speed, accel
        s = min(t - rise - hold, rise)
        bend = beta * s
        way += speed * s + accel * s * s / 2.0 + half * (s**3 / 6.0 + s / beta**2 - math.sin(bend) / beta**3)
        speed += accel * s + half * (s * s / 2.0 + (1.0 - math.cos(bend)) / beta**2)
        accel += half * (s + math.sin(bend) / beta)
        s = max(t - self.build_s, 0.0)
        return way + speed * s + accel * s * s / 2.0, speed + accel * s, accel


def ramp(start_mps: float, end_mps: float, limits: Limits1d) -> Ramp:
    """The quickest ramp between two speeds."""
    change = abs(end_mps - start_mps)
    if change < 1e-9:
        return Ramp(start_mps)
    sign = math.copysign(1.0, end_mps - start_mps)
    jerk, most, snap = limits.jerk_mps3, limits.accel_mps2, limits.snap_mps4
    rise = min(jerk * math.pi / (2.0 * snap), math.sqrt(most * math.pi / (2.0 * snap)))
    rise = min(rise, math.cbrt(change * math.pi / (4.0 * snap)))
    jerk = min(jerk, 2.0 * snap * rise / math.pi)
    if change >= most * (most / jerk + rise):
        return Ramp(start_mps, sign * jerk, rise, most / jerk - rise, change / most - most / jerk - rise)
    peak = jerk / 2.0 * (math.sqrt(rise * rise + 4.0 * change / jerk) - rise)
    return Ramp(start_mps, sign * jerk, rise, max(peak / jerk - rise, 0.0))


def ramp_within(start_mps: float, end_mps: float, limits: Limits1d, room_m: float) -> Ramp:
    """The ramp towards a higher speed, no further than its way fits into the room."""
    whole = ramp(start_mps, end_mps, limits)
    if whole.length_m <= room_m:
        return whole
    low, high = start_mps, end_mps
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if ramp(start_mps, middle, limits).length_m <= room_m else (low, middle)
    return ramp(start_mps, low, limits)


@dataclass(frozen=True)
class Curve:
    """The way along one leg: ramps and cruises in order. `steady_from_s` is when it first cruises,
    `brake_from_s` when the last ramp begins."""

    length_m: float
    limits: Limits1d
    pieces: tuple[Ramp, ...]
    begins_s: tuple[float, ...]
    begins_m: tuple[float, ...]
    steady_from_s: float
    brake_from_s: float
    end_s: float

    @property
    def end_mps(self) -> float:
        """The speed at the end of the leg."""
        return self.pieces[-1].end_mps

    def at(self, t: float) -> tuple[float, float, float]:
        """(metres, speed, acceleration) at a time, which is held to that of the curve."""
        if t >= self.end_s:
            return self.length_m, self.end_mps, 0.0
        piece = len(self.pieces) - 1
        while piece and t < self.begins_s[piece]:
            piece -= 1
        way, speed, accel = self.pieces[piece].at(max(t - self.begins_s[piece], 0.0))
        return self.begins_m[piece] + way, speed, accel


def _curve(length_m: float, limits: Limits1d, pieces: tuple[Ramp, ...]) -> Curve:
    times, places, t, way = [], [], 0.0, 0.0
    for piece in pieces:
        times.append(t)
        places.append(way)
        t += piece.duration_s
        way += piece.length_m
    steady = times[1] if len(times) > 1 else t
    return Curve(length_m, limits, pieces, tuple(times), tuple(places), steady, times[-1], t)


def plan_curve(
    length_m: float, speed_mps: float, limits: Limits1d, start_mps: float = 0.0, end_mps: float = 0.0
) -> Curve:
    """A leg of this length at no more than this speed, from one speed to another. The speed-up may take half
    of it, so that there is always room to stop."""
    up = ramp_within(min(start_mps, speed_mps), speed_mps, limits, length_m / 2.0)
    return _with_end(length_m, limits, (up,), end_mps)


def _with_end(length_m: float, limits: Limits1d, head: tuple[Ramp, ...], end_mps: float) -> Curve:
    top = head[-1].end_mps
    down = ramp(top, min(end_mps, top), limits)
    left = length_m - sum(piece.length_m for piece in head) - down.length_m
    cruise = Ramp(top, steady_s=max(left, 0.0) / max(top, 1e-3))
    return _curve(length_m, limits, (*head, cruise, down))


def with_speed(curve: Curve, t: float, speed_mps: float) -> Curve:
    """The leg with another top speed from time t on: what is flown already stays, braking is not put off."""
    start, end = curve.pieces[0].start_mps, curve.end_mps
    if t >= curve.brake_from_s:
        return curve
    if t <= 0.0:
        return plan_curve(curve.length_m, speed_mps, curve.limits, start, min(end, speed_mps))
    head = _flown(curve, t, speed_mps)
    top = head[-1].end_mps
    left = curve.length_m - sum(piece.length_m for piece in head)
    room = left - ramp(top, min(end, top), curve.limits).length_m
    if speed_mps < top and room > _CHANGE_ROOM_S * top:
        head = (*head, ramp(top, speed_mps, curve.limits))
    elif speed_mps > top and room > _CHANGE_ROOM_S * top:
        wish = min(speed_mps, room / _CHANGE_ROOM_S)
        head = (*head, ramp_within(top, wish, curve.limits, room / 2.0))
    return _with_end(curve.length_m, curve.limits, head, min(end, head[-1].end_mps))


def _flown(curve: Curve, t: float, speed_mps: float) -> tuple[Ramp, ...]:
    """The pieces up to time t. A speed-up under way is cut short where it still can be, another ramp is
    ended."""
    piece = max(i for i, begin in enumerate(curve.begins_s) if begin <= t)
    now = curve.pieces[piece]
    since = t - curve.begins_s[piece]
    if now.accel_mps2 == 0.0:
        now = Ramp(now.start_mps, steady_s=since)
    elif now.steady_s > 0.0 and speed_mps < now.end_mps and since < now.build_s + now.steady_s:
        full = (speed_mps - now.start_mps) / now.accel_mps2 - now.build_s
        steady = min(max(full, since - now.build_s, 0.0), now.steady_s)
        now = Ramp(now.start_mps, now.jerk_mps3, now.rise_s, now.hold_s, steady)
    return (*curve.pieces[:piece], now)
