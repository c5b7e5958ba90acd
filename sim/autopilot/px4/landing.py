"""Is it down: PX4's land detector, and what disarms by itself (MulticopterLandDetector, Commander, 1.16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.autopilot.px4.vehicle import Px4

_SETTLED_S = 4.0
"""From the ground to "Landing detected" (seen on a real one): contact, perhaps landed, landed."""


class LandDetector:
    """Called with the slow work. Owned by a Px4."""

    def __init__(self, vehicle: Px4) -> None:
        self._vehicle = vehicle
        self._resting_s = 0.0
        self._landed_at_s = 0.0

    def reset(self) -> None:
        """Armed anew."""
        self._resting_s, self._landed_at_s = 0.0, self._vehicle.time_s

    def update(self, period_s: float) -> None:
        """Look whether it has taken off or landed; disarm what stands about."""
        vehicle, body = self._vehicle, self._vehicle.body
        if not vehicle.armed:
            return
        hover = vehicle.setup.airframe.hover_throttle
        if vehicle.landed:
            if not body.on_ground or vehicle.demand.throttle > 0.9 * hover:
                vehicle.landed, vehicle.took_off = False, True
                vehicle.say(6, "Takeoff detected")
            else:
                self._disarm_in_time()
            return
        resting = body.on_ground and vehicle.demand.throttle < 0.9 * hover
        self._resting_s = self._resting_s + period_s if resting else 0.0
        if self._resting_s >= _SETTLED_S:
            vehicle.landed, self._landed_at_s, self._resting_s = True, vehicle.time_s, 0.0
            vehicle.say(6, "Landing detected")

    def _disarm_in_time(self) -> None:
        vehicle = self._vehicle
        name, why = (
            ("COM_DISARM_LAND", "landing")
            if vehicle.took_off
            else (
                "COM_DISARM_PRFLT",
                "auto preflight disarming",
            )
        )
        delay_s = vehicle.params[name]
        if delay_s > 0.0 and vehicle.time_s - self._landed_at_s >= delay_s:
            vehicle.disarm(why)
