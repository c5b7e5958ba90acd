"""What happens when the station, the transmitter, the battery or the position is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.autopilot.modes import BY_STICKS, NEEDS_POSITION, Mode

if TYPE_CHECKING:
    from sim.autopilot.core import Vehicle


class Failsafe:
    """ArduCopter's failsafes under their parameters. Call `update` ten times a second."""

    def __init__(self, vehicle: Vehicle) -> None:
        self._vehicle = vehicle
        self.last_station_s: float | None = None
        """When the station's heartbeat was last heard; None before the first one."""
        self._station = self._radio = self._ekf = False
        self._low_since: float | None = None
        self._critical_since: float | None = None
        self.battery_low = self.battery_critical = False

    def update(self) -> None:
        """Look at everything; act on what is new."""
        self._watch_battery()
        self._watch_station()
        self._watch_radio()
        self._watch_position()

    def reset(self) -> None:
        """On arming: what was before does not count."""
        self._low_since = self._critical_since = None
        self.battery_low = self.battery_critical = False

    def battery_is_low(self) -> bool:
        """True while voltage or charge is below the low mark."""
        return self._below("BATT_LOW_VOLT", "BATT_LOW_MAH")

    def battery_is_critical(self) -> bool:
        """True while voltage or charge is below the critical mark."""
        return self._below("BATT_CRT_VOLT", "BATT_CRT_MAH")

    def _below(self, volt_name: str, mah_name: str) -> bool:
        vehicle = self._vehicle
        volts, mah = vehicle.params[volt_name], vehicle.params[mah_name]
        return (volts > 0 and vehicle.battery.volts < volts) or (mah > 0 and vehicle.remaining_mah < mah)

    def _watch_battery(self) -> None:
        vehicle, now = self._vehicle, self._vehicle.time_s
        patience = vehicle.params["BATT_LOW_TIMER"]
        self._low_since = (self._low_since or now) if self.battery_is_low() else None
        self._critical_since = (self._critical_since or now) if self.battery_is_critical() else None
        if not vehicle.armed:
            return
        used = f"{vehicle.battery.volts:.1f}V used {vehicle.battery.consumed_mah:.0f} mAh"
        if (
            self._critical_since is not None
            and now - self._critical_since >= patience
            and not self.battery_critical
        ):
            self.battery_critical = self.battery_low = True
            vehicle.say(4, f"Battery 1 is critical {used}")
            self._battery_act(int(vehicle.params["BATT_FS_CRT_ACT"]))
        elif self._low_since is not None and now - self._low_since >= patience and not self.battery_low:
            self.battery_low = True
            vehicle.say(4, f"Battery 1 is low {used}")
            self._battery_act(int(vehicle.params["BATT_FS_LOW_ACT"]))

    def _battery_act(self, action: int) -> None:
        vehicle = self._vehicle
        if action == 0:
            return
        vehicle.say(4, "Battery Failsafe")
        if action == 5:
            vehicle.disarm(force=True)
        elif action == 1:
            vehicle.set_mode(Mode.LAND)
        else:
            self._go_home(smart=action in (3, 4, 6))

    def _watch_station(self) -> None:
        vehicle = self._vehicle
        if not vehicle.params["FS_GCS_ENABLE"] or self.last_station_s is None:
            self._station = False
            return
        lost = vehicle.time_s - self.last_station_s > vehicle.params["FS_GCS_TIMEOUT"]
        if lost and not self._station and vehicle.armed:
            vehicle.say(4, "GCS Failsafe")
            action = int(vehicle.params["FS_GCS_ENABLE"])
            if action == 5:
                vehicle.set_mode(Mode.LAND)
            else:
                self._go_home(smart=action in (3, 4))
            self._station = True
        elif not lost and self._station:
            vehicle.say(4, "GCS Failsafe Cleared")
            self._station = False

    def _watch_radio(self) -> None:
        vehicle = self._vehicle
        lost = vehicle.sticks.failed and vehicle.params["FS_THR_ENABLE"] > 0
        if lost and not self._radio and vehicle.armed:
            vehicle.say(4, "Radio Failsafe")
            action = int(vehicle.params["FS_THR_ENABLE"])
            if vehicle.landed and vehicle.mode in BY_STICKS:
                vehicle.disarm()
            elif action == 3:
                vehicle.set_mode(Mode.LAND)
            elif not (action == 2 and vehicle.mode is Mode.AUTO):
                self._go_home(smart=action in (4, 5))
            self._radio = True
        elif not lost and self._radio:
            vehicle.say(4, "Radio Failsafe Cleared")
            self._radio = False

    def _watch_position(self) -> None:
        vehicle = self._vehicle
        lost = not vehicle.readiness.has_position
        if lost and vehicle.armed and not vehicle.landed and not self._ekf:
            self._ekf = True
            vehicle.say(2, "EKF variance: position lost")
            action = int(vehicle.params["FS_EKF_ACTION"])
            if action and (vehicle.mode in NEEDS_POSITION or action == 3):
                vehicle.set_mode(Mode.ALT_HOLD if action == 2 else Mode.LAND)
                vehicle.say(2, f"EKF Failsafe: changed to {vehicle.mode.name} Mode")
        elif not lost and self._ekf:
            self._ekf = False
            vehicle.say(4, "EKF Failsafe Cleared")

    def _go_home(self, smart: bool) -> None:
        vehicle = self._vehicle
        if vehicle.mode in (Mode.LAND, Mode.RTL):
            return
        if vehicle.landed:
            vehicle.disarm()
            return
        if smart and vehicle.set_mode(Mode.SMART_RTL):
            return
        if not vehicle.set_mode(Mode.RTL):
            vehicle.set_mode(Mode.LAND)
