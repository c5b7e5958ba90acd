"""Growing ready after power-up, and PX4's checks before arming (HealthAndArmingChecks, 1.16).

The times are those of a real PX4 in its own simulator: GNSS fix at once, home at 4 s, ready at 5 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.autopilot.px4.modes import BY_STICKS, NEEDS_POSITION, NEVER_ARMED_IN, Mode

if TYPE_CHECKING:
    from sim.autopilot.px4.vehicle import Px4

FIX_S, ORIGIN_S, READY_S = 1.0, 3.6, 5.0
LOSS_PATIENCE_S = 5.0
"""Without GNSS the filter reckons on for this long before it says that it has no position."""
_ABOVE_CENTRE, _LOW = 0.2, -0.8
"""Throttle sticks: the highest to arm with where the stick climbs, and where it is the thrust."""


class Readiness:
    """Watches the clock and the sensors. Call `update` ten times a second."""

    def __init__(self, vehicle: Px4) -> None:
        self._vehicle = vehicle
        self._told: set[str] = set()

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
        if vehicle.time_s >= READY_S and not vehicle.armed:
            self._tell("Preflight: GPS fix too low", not self.has_fix)
            self._tell("Preflight Fail: Compasses inconsistent", not vehicle.estimator.compasses_agree)

    def _tell(self, words: str, wrong: bool) -> None:
        """What is wrong on the ground is said once, until it is right again."""
        if not wrong:
            self._told.discard(words)
        elif words not in self._told:
            self._told.add(words)
            self._vehicle.say(2, words)

    def can_fly(self, mode: Mode) -> bool:
        """Whether a mode can be flown now."""
        vehicle = self._vehicle
        if mode in NEEDS_POSITION and not self.has_position:
            return False
        if mode is Mode.AUTO_RTL and not vehicle.origin_set:
            return False
        if mode is Mode.OFFBOARD and not vehicle.pilot.offboard.is_fed:
            return False
        return mode is not Mode.AUTO_MISSION or vehicle.mission_problem is None

    def is_ready(self, mode: Mode) -> bool:
        """Whether its checks allow arming in this mode. Which of them does not it tells in EVENTs alone."""
        vehicle, params = self._vehicle, self._vehicle.params
        if mode in NEVER_ARMED_IN or not self.can_fly(mode):
            return False
        if mode in NEEDS_POSITION and not vehicle.origin_set:
            return False
        if mode in BY_STICKS and vehicle.sticks.throttle is None:
            return False  # there is nobody to fly it
        if params["COM_ARM_MIS_REQ"] and vehicle.mission_problem is not None:
            return False
        charged = vehicle.remaining_share >= max(params["COM_ARM_BAT_MIN"], params["BAT_CRIT_THR"])
        return charged and vehicle.estimator.compasses_agree

    def problem(self, mode: Mode) -> str:
        """Why arming in this mode is denied now, in PX4's words; empty if it is not."""
        throttle = self._vehicle.sticks.throttle
        if throttle is not None and mode in (Mode.ALTCTL, Mode.POSCTL) and throttle > _ABOVE_CENTRE:
            return "throttle above center"
        if throttle is not None and mode in (Mode.MANUAL, Mode.STABILIZED) and throttle > _LOW:
            return "high throttle"
        return "" if self.is_ready(mode) else "Resolve system health failures first"
