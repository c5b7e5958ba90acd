"""Growing ready after power-up, and PX4's checks before arming (HealthAndArmingChecks, 1.16).

The times are those of a real PX4 in its own simulator: GNSS fix at once, home at 4 s, ready at 5 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.autopilot.px4.modes import NEEDS_POSITION, Mode

if TYPE_CHECKING:
    from sim.autopilot.px4.vehicle import Px4

FIX_S, ORIGIN_S, READY_S = 1.0, 3.6, 5.0
LOSS_PATIENCE_S = 5.0
"""Without GNSS the filter reckons on for this long before it says that it has no position."""


class Readiness:
    """Watches the clock and the sensors. Call `update` ten times a second."""

    def __init__(self, vehicle: Px4) -> None:
        self._vehicle = vehicle

    @property
    def has_fix(self) -> bool:
        """True when the receiver gives positions."""
        return self._vehicle.time_s >= FIX_S and self._vehicle.estimator.available

    @property
    def has_position(self) -> bool:
        """True when the estimate can be flown by."""
        vehicle = self._vehicle
        return vehicle.time_s >= READY_S and vehicle.estimator.lost_s < LOSS_PATIENCE_S

    def update(self) -> None:
        """Set the origin and home when there is a position."""
        vehicle = self._vehicle
        if self.has_fix and vehicle.time_s >= ORIGIN_S and not vehicle.origin_set:
            vehicle.set_origin()
            if vehicle.mission.kept:
                vehicle.check_mission()

    def can_fly(self, mode: Mode) -> bool:
        """Whether a mode can be flown now."""
        if mode in NEEDS_POSITION and not self.has_position:
            return False
        return mode is not Mode.AUTO_MISSION or self._vehicle.mission_problem is None

    def reasons(self, mode: Mode) -> list[str]:
        """Why arming in this mode would be refused now; empty if it would not."""
        vehicle, params = self._vehicle, self._vehicle.params
        reasons = []
        if mode in NEEDS_POSITION and not self.has_position:
            reasons.append("Navigation error: No valid position estimate")
        if mode in NEEDS_POSITION and not vehicle.origin_set:
            reasons.append("Home position not set")
        needs_mission = mode is Mode.AUTO_MISSION or params["COM_ARM_MIS_REQ"]
        if needs_mission and vehicle.mission_problem is not None:
            reasons.append("No valid mission available")
        if vehicle.remaining_share < max(params["COM_ARM_BAT_MIN"], params["BAT_CRIT_THR"]):
            reasons.append("Low battery")
        if not vehicle.estimator.compasses_agree:
            reasons.append("Compass inconsistent")
        if mode in (Mode.AUTO_RTL, Mode.AUTO_LAND):
            reasons.append("Mode not suitable for takeoff")
        return reasons
