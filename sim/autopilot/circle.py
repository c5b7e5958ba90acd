"""Circles about a point: LOITER_TURNS in missions and the CIRCLE mode (after AC_Circle)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.controller import Point
from sim.dynamics import STEP_S

if TYPE_CHECKING:
    from sim.autopilot.pilot import Pilot

_LEAST_ACCEL_RADPS2 = math.radians(2.0)


class Circle:
    """A point that runs round, gathering speed; the pilot pursues it, the nose to the middle. A radius of 0
    turns on the spot."""

    def __init__(self, pilot: Pilot, centre: Point, radius_m: float, rate_degps: float) -> None:
        self._pilot, self.centre, self.radius_m = pilot, centre, radius_m
        self._rate_radps = math.radians(rate_degps)
        self._pace_radps = 0.0
        self.turned_rad = 0.0
        """How far round it has gone; negative is counter-clockwise."""
        here = pilot.target
        north, east = here.north_m - centre[1], here.east_m - centre[0]
        yaw = pilot.vehicle.estimate.yaw_rad
        self._angle_rad = math.atan2(east, north) if math.hypot(east, north) > 1e-3 else yaw - math.pi
        if radius_m <= 0.0:
            self._angle_rad = yaw

    def edge(self) -> Point:
        """The nearest place on the circle."""
        angle, radius = self._angle_rad, self.radius_m
        return (
            self.centre[0] + radius * math.sin(angle),
            self.centre[1] + radius * math.cos(angle),
            self.centre[2],
        )

    def step(self, climb_mps: float = 0.0) -> None:
        """One step round."""
        pilot, limits = self._pilot, self._pilot.vehicle.limits
        most, accel = abs(self._rate_radps), abs(self._rate_radps)
        if self.radius_m > 0.0:
            speed = min(limits.speed_mps, math.sqrt(0.5 * limits.accel_mps2 * self.radius_m))
            most, accel = min(most, speed / self.radius_m), limits.accel_mps2 / self.radius_m
        change = max(accel, _LEAST_ACCEL_RADPS2) * STEP_S
        wish = math.copysign(most, self._rate_radps)
        self._pace_radps += max(-change, min(change, wish - self._pace_radps))
        self._angle_rad += self._pace_radps * STEP_S
        self.turned_rad += self._pace_radps * STEP_S
        if self.radius_m > 0.0:
            here = pilot.target
            towards = math.atan2(self.centre[0] - here.east_m, self.centre[1] - here.north_m)
            pilot.face(towards)
        else:
            pilot.face(self._angle_rad)
        east, north, _ = self.edge()
        pilot.pursue_level(east, north)
        pilot.climb_at(climb_mps)
        pilot.fly_target()
