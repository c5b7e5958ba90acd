"""Growing ready after power-up, and the checks before arming.

The times are those of a real ArduCopter 4.7: GNSS fix at 10 s, EKF origin at 20 s, position in use at 41 s.
"""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING

from sim.autopilot.modes import NEEDS_POSITION, Mode

if TYPE_CHECKING:
    from sim.autopilot.core import Vehicle

FIX_S, ORIGIN_S, READY_S = 10.0, 20.0, 41.0


class Ekf(IntFlag):
    """EKF_STATUS_REPORT.flags (ardupilotmega.xml)."""

    ATTITUDE = 1
    VELOCITY_HORIZ = 2
    VELOCITY_VERT = 4
    POS_HORIZ_REL = 8
    POS_HORIZ_ABS = 16
    POS_VERT_ABS = 32
    CONST_POS_MODE = 128
    PRED_POS_HORIZ_REL = 256
    PRED_POS_HORIZ_ABS = 512
    UNINITIALIZED = 1024
    GPS_GLITCHING = 32768


NAVIGATING = (
    Ekf.ATTITUDE
    | Ekf.VELOCITY_HORIZ
    | Ekf.VELOCITY_VERT
    | Ekf.POS_HORIZ_REL
    | Ekf.POS_HORIZ_ABS
    | Ekf.POS_VERT_ABS
    | Ekf.PRED_POS_HORIZ_REL
    | Ekf.PRED_POS_HORIZ_ABS
)
_STARTING = Ekf.ATTITUDE | Ekf.VELOCITY_VERT | Ekf.POS_VERT_ABS | Ekf.CONST_POS_MODE

LOSS_PATIENCE_S = 6.0
"""Without GNSS the filter reckons on for this long before it says that it has no position."""


class Readiness:
    """Watches the clock and the sensors; says what the vehicle can do. Call `update` ten times a second."""

    def __init__(self, vehicle: Vehicle) -> None:
        self._vehicle = vehicle
        self._told: set[str] = set()
        self._last_prearm_s = -1e9

    @property
    def has_fix(self) -> bool:
        """True when the receiver gives positions."""
        return self._vehicle.time_s >= FIX_S and self._vehicle.estimator.available

    @property
    def navigates(self) -> bool:
        """True when the filter gives positions, trusted or not."""
        vehicle = self._vehicle
        return vehicle.time_s >= READY_S and vehicle.estimator.lost_s < LOSS_PATIENCE_S

    @property
    def has_position(self) -> bool:
        """True when the estimate can be flown by."""
        return self.navigates and not self._vehicle.failsafe.ekf

    @property
    def flags(self) -> Ekf:
        """The EKF's state as EKF_STATUS_REPORT shows it."""
        vehicle = self._vehicle
        if vehicle.time_s < 3.0:
            return Ekf.UNINITIALIZED
        if not self.navigates:
            return _STARTING
        return NAVIGATING | Ekf.GPS_GLITCHING if vehicle.estimator.rejected_s > 1.0 else NAVIGATING

    def update(self) -> None:
        """Tell milestones as they come, set the origin and home, complain while arming is not possible."""
        vehicle, now = self._vehicle, self._vehicle.time_s
        if now > READY_S + 1.0 and vehicle.armed:
            return
        self._once(0.5, "banner", "ArduCopter V4.7.0-dev (missionctl simulator)")
        self._once(1.0, "frame", "Frame: QUAD/X")
        self._once(3.0, "tilt", "EKF3 IMU0 initialised")
        self._once(5.0, "align", "EKF3 IMU0 tilt alignment complete")
        if self.has_fix and now >= ORIGIN_S and not vehicle.origin_set:
            vehicle.set_origin()
            vehicle.say(6, "EKF3 IMU0 origin set")
        if self.has_position and "using" not in self._told:
            self._once(READY_S, "using", "EKF3 IMU0 is using GPS")
        if now >= 5.0 and not vehicle.armed and now - self._last_prearm_s >= 30.0:
            reasons = self.reasons(Mode.GUIDED)
            for reason in reasons:
                vehicle.say(2, f"PreArm: {reason}")
            if reasons:
                self._last_prearm_s = now

    def _once(self, when_s: float, key: str, text: str) -> None:
        if self._vehicle.time_s >= when_s and key not in self._told:
            self._told.add(key)
            self._vehicle.say(6, text)

    def reasons(self, mode: Mode) -> list[str]:
        """Why arming in this mode would be refused now, in ArduCopter's words; empty if it would not."""
        vehicle = self._vehicle
        params, battery = vehicle.params, vehicle.battery
        reasons = []
        if vehicle.sticks.failed and params["FS_THR_ENABLE"]:
            reasons.append("Throttle below failsafe")
        if 0 < battery.volts < params["BATT_ARM_VOLT"]:
            reasons.append("Battery 1 below minimum arming voltage")
        if vehicle.remaining_mah < params["BATT_ARM_MAH"]:
            reasons.append("Battery 1 below minimum arming capacity")
        if vehicle.failsafe.battery_is_critical():
            reasons.append("Battery 1 critical voltage failsafe")
        elif vehicle.failsafe.battery_is_low():
            reasons.append("Battery 1 low voltage failsafe")
        if vehicle.failsafe.station:
            reasons.append("GCS failsafe on")
        if not vehicle.estimator.compasses_agree:
            reasons.append("Compasses inconsistent")
        reasons += [
            r for r in (vehicle.terrain.reason_not_to_arm(), vehicle.geofence.reason_not_to_arm()) if r
        ]
        if mode in NEEDS_POSITION:
            if not self.has_fix:
                reasons.append("GPS 1: Bad fix")
            elif not vehicle.origin_set:
                reasons.append("AHRS: waiting for home")
            if vehicle.estimator.rejected_s > 1.0:
                reasons.append("GPS Glitch")
            if not self.has_position:
                reasons.append("Need Position Estimate")
        return reasons if params["ARMING_CHECK"] else []
