"""Is it down, and in one piece: ArduCopter's land detector and crash check."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.autopilot.modes import LANDS_ITSELF, Mode

if TYPE_CHECKING:
    from sim.autopilot.core import Vehicle

_SETTLED_S = 2.0
"""How long it must rest on the ground with low throttle before it believes that it has landed."""
_CRASH_S, _CRASH_LEAN_DEG, _CRASH_ERROR_DEG = 2.0, 15.0, 30.0
_CRASH_SPEED_MPS, _CRASH_ACCEL_MPS2 = 10.0, 3.0
_FILTER_PER_S = math.tau
"""Of the acceleration: 1 Hz."""


class Touchdown:
    """Called with the slow work. Owned by a Vehicle."""

    def __init__(self, vehicle: Vehicle) -> None:
        self._vehicle = vehicle
        self._touching_s = self._crashing_s = 0.0
        self._told_impact = False
        self._accel_mps2 = 0.0
        self._last = (0.0, 0.0, 0.0)

    def reset(self) -> None:
        """Armed anew."""
        self._touching_s = self._crashing_s = 0.0

    def update(self, period_s: float) -> None:
        """Look whether it has taken off, landed or crashed."""
        vehicle, body = self._vehicle, self._vehicle.body
        if not vehicle.armed or not vehicle.auto_armed:
            return
        demand, hover = vehicle.pilot.demand, vehicle.setup.airframe.hover_throttle
        self._check_crash(period_s)
        if not body.on_ground:
            self._touching_s, self._told_impact = 0.0, False
            if vehicle.landed and demand.throttle > 0.5 * hover:
                vehicle.landed = False
            return
        if not self._told_impact and not vehicle.landed:
            self._told_impact = True
            vehicle.say(6, f"SIM Hit ground at {body.impact_mps:.6f} m/s")
        resting = demand.throttle < 0.9 * hover and self._error_deg() <= _CRASH_ERROR_DEG
        self._touching_s = self._touching_s + period_s if resting else 0.0
        if vehicle.armed and self._touching_s >= _SETTLED_S and not vehicle.landed:
            self._land()

    def _land(self) -> None:
        vehicle, pilot = self._vehicle, self._vehicle.pilot
        vehicle.landed = True
        in_auto = vehicle.mode is Mode.AUTO
        if vehicle.mode in LANDS_ITSELF and (pilot.phase == "land" or (in_auto and pilot.auto.landing)):
            if in_auto:
                pilot.auto.on_touchdown()
            vehicle.disarm()
        else:
            vehicle.auto_armed = False
            vehicle.armed_at_s = vehicle.time_s

    def _error_deg(self) -> float:
        """Between the attitude that is asked for and the one it has."""
        e, demand = self._vehicle.estimate, self._vehicle.pilot.demand
        return math.degrees(math.hypot(demand.roll_rad - e.roll_rad, demand.pitch_rad - e.pitch_rad))

    def _check_crash(self, period_s: float) -> None:
        """Leaning far from what is asked for, slow and not accelerating, for two seconds: motors off."""
        vehicle, e = self._vehicle, self._vehicle.estimate
        v = (e.v_east_mps, e.v_north_mps, e.v_up_mps)
        accel = math.dist(v, self._last) / period_s
        self._last = v
        share = 1.0 - math.exp(-_FILTER_PER_S * period_s)
        self._accel_mps2 += (accel - self._accel_mps2) * share
        lean_deg = math.degrees(math.acos(max(-1.0, min(1.0, math.cos(e.roll_rad) * math.cos(e.pitch_rad)))))
        error_deg = self._error_deg()
        crashing = (
            vehicle.params["FS_CRASH_CHECK"] > 0
            and not vehicle.landed
            and self._accel_mps2 < _CRASH_ACCEL_MPS2
            and lean_deg > _CRASH_LEAN_DEG
            and error_deg > _CRASH_ERROR_DEG
            and math.hypot(*v) < _CRASH_SPEED_MPS
        )
        self._crashing_s = self._crashing_s + period_s if crashing else 0.0
        if self._crashing_s >= _CRASH_S:
            vehicle.say(
                0,
                f"Crash: Disarming: AngErr={error_deg:.0f}>{_CRASH_ERROR_DEG:.0f}, "
                f"Accel={self._accel_mps2:.1f}<{_CRASH_ACCEL_MPS2:.1f}",
            )
            vehicle.disarm(force=True)
