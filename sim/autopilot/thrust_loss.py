"""Does it sink at full throttle: ArduCopter's thrust loss check (crash_check.cpp)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.autopilot.core import Vehicle

_FULL_THROTTLE = 0.9
_LEAN_DEG, _ERROR_DEG = 15.0, 30.0
_PATIENCE_S = 1.0
_MOTOR = 1
"""All motors of the simulated frame are alike, and one number has to be told."""


class ThrustLoss:
    """Called with the slow work. Owned by a Vehicle."""

    def __init__(self, vehicle: Vehicle) -> None:
        self._vehicle = vehicle
        self._sinking_s = 0.0
        self._told = False

    def update(self, period_s: float) -> None:
        """Tell once that it sinks, level and at full throttle, and again only after it has recovered."""
        vehicle, demand, e = self._vehicle, self._vehicle.pilot.demand, self._vehicle.estimate
        full = vehicle.armed and not vehicle.landed and demand.throttle >= _FULL_THROTTLE
        if not full:
            self._sinking_s, self._told = 0.0, False
            return
        level = math.degrees(math.hypot(demand.roll_rad, demand.pitch_rad)) <= _LEAN_DEG
        error_rad = math.hypot(demand.roll_rad - e.roll_rad, demand.pitch_rad - e.pitch_rad)
        held = math.degrees(error_rad) < _ERROR_DEG
        sinks = level and held and e.v_up_mps < 0.0
        self._sinking_s = self._sinking_s + period_s if sinks else 0.0
        if self._sinking_s >= _PATIENCE_S and not self._told:
            self._told = True
            vehicle.say(0, f"Potential Thrust Loss ({_MOTOR})")
