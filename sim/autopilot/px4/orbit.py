"""ORBIT: a circle about a point, the nose to its middle (FlightTaskOrbit.cpp, 1.16)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.controller import Point, Target
from sim.dynamics import STEP_S

if TYPE_CHECKING:
    from sim.autopilot.px4.pilot import Pilot

_LEAST_M, _FASTEST_MPS, _MOST_MPS2 = 1.0, 10.0, 2.0
_ON_CIRCLE_M = 1.0
TO_CENTRE, HOLD_YAW, UNCONTROLLED, ALONG = 0, 1, 2, 3
"""ORBIT_YAW_BEHAVIOUR: of these, the middle is faced unless the yaw at the start or the way is asked for."""


class Orbit:
    """Owned by a Pilot. `order` sets it, `step` flies it."""

    def __init__(self, pilot: Pilot) -> None:
        self._pilot = pilot
        self.centre: Point = (0.0, 0.0, 0.0)
        self.radius_m, self.speed_mps = _LEAST_M, 1.0
        """A negative speed goes round to the left."""
        self._behaviour = TO_CENTRE
        self._approaching = True
        self._pace_mps = 0.0

    def begin(self) -> None:
        """Entered without an order of its own: a small circle here."""
        pilot = self._pilot
        pilot.take_up()
        self.centre = pilot.vehicle.navigator.here
        self.radius_m, self.speed_mps, self._behaviour = _LEAST_M, 1.0, TO_CENTRE
        self._approaching, self._pace_mps = True, 0.0

    def order(self, radius_m: float, speed_mps: float, behaviour: float, centre: list[float]) -> bool:
        """DO_ORBIT; what is NaN stays as it is. False, with a text, for a radius that is not possible."""
        vehicle = self._pilot.vehicle
        clockwise, radius = self.speed_mps > 0.0, self.radius_m
        if math.isfinite(radius_m):
            clockwise, radius = radius_m > 0.0, abs(radius_m)
        speed = abs(speed_mps) if math.isfinite(speed_mps) else abs(self.speed_mps)
        if not _LEAST_M <= radius <= vehicle.params["MC_ORBIT_RAD_MAX"]:
            vehicle.say(1, "Orbit radius limit exceeded")
            return False
        speed = min(speed, _FASTEST_MPS, math.sqrt(_MOST_MPS2 * radius))
        self.radius_m, self.speed_mps = radius, speed if clockwise else -speed
        if math.isfinite(behaviour):
            self._behaviour = int(behaviour)
        east, north, up = (
            new if math.isfinite(new) else old for new, old in zip(centre, self.centre, strict=True)
        )
        self.centre = east, north, up
        if self._off_m() > _ON_CIRCLE_M:
            self._approaching = True
        return True

    def _off_m(self) -> float:
        here = self._pilot.vehicle.navigator.here
        return abs(math.dist(here[:2], self.centre[:2]) - self.radius_m)

    def step(self) -> None:
        """One step: to the circle, then round it."""
        pilot, here = self._pilot, self._pilot.vehicle.navigator.here
        east, north = here[0] - self.centre[0], here[1] - self.centre[1]
        away = math.hypot(east, north)
        out = (east / away, north / away) if away > 1e-3 else (0.0, 1.0)
        if self._behaviour not in (HOLD_YAW, UNCONTROLLED):
            facing = math.atan2(-out[0], -out[1])
            if self._behaviour == ALONG:
                facing -= math.copysign(math.pi / 2, self.speed_mps)
            pilot.yaw_rad = facing % math.tau
        edge = (
            self.centre[0] + out[0] * self.radius_m,
            self.centre[1] + out[1] * self.radius_m,
            self.centre[2],
        )
        if self._approaching:
            pilot.trajectory.lead(STEP_S, here, edge, edge, edge, pilot.target)
            self._approaching = self._off_m() > _ON_CIRCLE_M
            return
        change = pilot.vehicle.params["MPC_ACC_HOR"] * STEP_S
        self._pace_mps += max(-change, min(change, self.speed_mps - self._pace_mps))
        back = self.radius_m - away
        along, inward = self._pace_mps, self._pace_mps**2 / self.radius_m
        target = pilot.target
        target.east_m, target.north_m = edge[0], edge[1]
        target.v_east_mps = along * out[1] + back * out[0]
        target.v_north_mps = -along * out[0] + back * out[1]
        target.a_east_mps2, target.a_north_mps2 = -inward * out[0], -inward * out[1]
        height = Target()
        pilot.trajectory.chase(STEP_S, here, (0.0, 0.0, self.centre[2] - here[2]), height)
        target.up_m, target.v_up_mps, target.a_up_mps2 = height.up_m, height.v_up_mps, height.a_up_mps2
