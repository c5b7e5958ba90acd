"""What happens when the station, the transmitter, the battery, the position or the ground's height is lost.

After ArduCopter's events.cpp and ekf_check.cpp: its parameters, its order of things, its words.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING

from sim.autopilot.modes import BY_STICKS, NEEDS_POSITION, Mode

if TYPE_CHECKING:
    from sim.autopilot.core import Vehicle

_EKF_COUNT = 10
"""So many bad looks in a row, a tenth of a second apart, are a failure."""
_EKF_WARN_S = 30.0
_TERRAIN_S = 5.0
_PAUSE_S = 4.0
"""A landing that nobody asked for begins with this pause (LAND_WITH_DELAY_MS)."""
_COMPASS_S = 10.0
"""A compass that has not been believed for this long is changed for the other one."""
_LAND_PRIORITY = 1


class Action(IntEnum):
    """What a failsafe does: the numbers of BATT_FS_LOW_ACT."""

    NONE = 0
    LAND = 1
    RTL = 2
    SMART_RTL = 3
    SMART_RTL_OR_LAND = 4
    TERMINATE = 5
    AUTO_OR_RTL = 6
    BRAKE_OR_LAND = 7


class Option(IntFlag):
    """FS_OPTIONS."""

    RADIO_GOES_ON_IN_AUTO = 1
    STATION_GOES_ON_IN_AUTO = 2
    RADIO_GOES_ON_IN_GUIDED = 4
    GOES_ON_LANDING = 8
    STATION_GOES_ON_BY_STICKS = 16


_BY_SWITCH = {
    1: Action.RTL,
    2: Action.RTL,
    3: Action.SMART_RTL,
    4: Action.SMART_RTL_OR_LAND,
    5: Action.LAND,
    6: Action.AUTO_OR_RTL,
    7: Action.BRAKE_OR_LAND,
}
"""FS_GCS_ENABLE and, but for 3, FS_THR_ENABLE."""
_RADIO_ACTIONS = {**_BY_SWITCH, 3: Action.LAND, 4: Action.SMART_RTL, 5: Action.SMART_RTL_OR_LAND}
_PRIORITY = [
    *(Action.TERMINATE, Action.LAND, Action.RTL, Action.SMART_RTL_OR_LAND, Action.SMART_RTL, Action.NONE)
]
"""Of the battery's actions, the gravest first."""
_WAYS: dict[Action, tuple[Mode, ...]] = {
    Action.LAND: (Mode.LAND,),
    Action.RTL: (Mode.RTL, Mode.LAND),
    Action.SMART_RTL: (Mode.SMART_RTL, Mode.RTL, Mode.LAND),
    Action.SMART_RTL_OR_LAND: (Mode.SMART_RTL, Mode.LAND),
    Action.AUTO_OR_RTL: (Mode.AUTO_RTL, Mode.RTL, Mode.LAND),
    Action.BRAKE_OR_LAND: (Mode.BRAKE, Mode.LAND),
}
"""The first mode that can be entered."""


class Failsafe:
    """ArduCopter's failsafes under their parameters. Call `update` ten times a second."""

    def __init__(self, vehicle: Vehicle) -> None:
        self._vehicle = vehicle
        self.last_station_s: float | None = None
        """When the station's heartbeat was last heard; None before the first one."""
        self.ekf = False
        """True while the position must not be used."""
        self.station = False
        self._radio = self._glitch = self._terrain = False
        self._low_since: float | None = None
        self._critical_since: float | None = None
        self.battery_low = self.battery_critical = False
        self._battery_priority = len(_PRIORITY)
        self._bad_looks, self._ekf_passed = 0, False
        self._ekf_warned_s = -_EKF_WARN_S
        self._ekf_told = False
        self._compass_tries = 0
        self._no_terrain_since: float | None = None

    @property
    def triggered(self) -> bool:
        """Whether any of them is on, for the heartbeat."""
        return self.station or self._radio or self.battery_low or self.ekf or self._terrain

    def update(self) -> None:
        """Look at everything; act on what is new."""
        self._watch_battery()
        self._watch_station()
        self._watch_radio()
        self._watch_glitch()
        self._watch_ekf()
        self._watch_terrain()

    def reset(self) -> None:
        """On arming: what was before does not count."""
        self._low_since = self._critical_since = None
        self.battery_low = self.battery_critical = False
        self._battery_priority = len(_PRIORITY)

    # -- what to do ----------------------------------------------------------------------------------------

    def _has(self, option: Option) -> bool:
        return bool(int(self._vehicle.params["FS_OPTIONS"]) & option)

    @property
    def _landing(self) -> bool:
        vehicle = self._vehicle
        return vehicle.armed and not vehicle.landed and vehicle.pilot.phase == "land"

    @property
    def _should_disarm(self) -> bool:
        """On the ground the motors are stopped, whatever the action."""
        vehicle = self._vehicle
        if vehicle.mode is Mode.STABILIZE:
            return vehicle.landed or (vehicle.sticks.throttle or 0.0) <= -1.0
        if vehicle.mode is Mode.AUTO:
            return vehicle.landed and not vehicle.auto_armed
        return vehicle.landed

    def _announce(self, what: str, instead: str = "") -> None:
        self._vehicle.say(4, f"{what} Failsafe - {instead}" if instead else f"{what} Failsafe")

    def _do(self, action: Action) -> None:
        vehicle = self._vehicle
        if action is Action.TERMINATE:
            vehicle.disarm(force=True)
            return
        ways = _WAYS.get(action, ())
        landing_already = vehicle.mode is Mode.LAND
        for number, mode in enumerate(ways):
            if vehicle.set_mode(mode):
                if not landing_already:
                    vehicle.pilot.homecoming.wait_before_landing(_PAUSE_S)
                return
            if mode is Mode.AUTO_RTL:
                vehicle.say(4, "Trying RTL Mode")
            if mode is Mode.SMART_RTL:
                instead = "Trying RTL" if ways[number + 1] is Mode.RTL else "Using Land"
                vehicle.say(4, f"SmartRTL Unavailable, {instead} Mode")

    def _react(self, what: str, action: Action, goes_on: str) -> None:
        """Do as a switch says, unless the ground, a landing or an option says otherwise."""
        vehicle = self._vehicle
        if self._should_disarm:
            self._announce(what, "Disarming")
            vehicle.disarm(force=True)
        elif self._landing and self._battery_priority <= _LAND_PRIORITY:
            self._announce(f"{what} + Battery", "Continuing Landing")
            self._do(Action.LAND)
        elif self._landing and self._has(Option.GOES_ON_LANDING):
            self._announce(what, "Continuing Landing")
            self._do(Action.LAND)
        elif goes_on:
            self._announce(what, f"Continuing {goes_on}")
        else:
            self._announce(what)
            self._do(action)

    # -- the battery ---------------------------------------------------------------------------------------

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
        used = f"{vehicle.battery.volts:.2f}V used {vehicle.battery.consumed_mah:.0f} mAh"
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

    def _battery_act(self, number: int) -> None:
        """A lighter action than one already taken is not taken any more."""
        action = Action(number) if number in list(Action) else Action.NONE
        priority = _PRIORITY.index(action) if action in _PRIORITY else len(_PRIORITY)
        if priority > self._battery_priority:
            return
        self._battery_priority = priority
        if self._should_disarm:
            self._vehicle.disarm(force=True)
            self._announce("Battery", "Disarming")
        elif self._landing and self._has(Option.GOES_ON_LANDING) and action is not Action.NONE:
            self._announce("Battery", "Continuing Landing")
            self._do(Action.LAND)
        else:
            self._announce("Battery")
            self._do(action)

    # -- station and transmitter ---------------------------------------------------------------------------

    def _watch_station(self) -> None:
        vehicle = self._vehicle
        switch = int(vehicle.params["FS_GCS_ENABLE"])
        if not switch or self.last_station_s is None:
            self.station = False
            return
        lost = vehicle.time_s - self.last_station_s > vehicle.params["FS_GCS_TIMEOUT"]
        if lost and not self.station:
            self.station = True
            if not vehicle.armed:
                self._announce("GCS")
                return
            goes_on = ""
            if vehicle.mode is Mode.AUTO and self._has(Option.STATION_GOES_ON_IN_AUTO):
                goes_on = "Auto Mode"
            elif vehicle.mode in BY_STICKS and self._has(Option.STATION_GOES_ON_BY_STICKS):
                goes_on = "Pilot Control"
            self._react("GCS", _BY_SWITCH.get(switch, Action.RTL), goes_on)
        elif not lost and self.station:
            vehicle.say(4, "GCS Failsafe Cleared")
            self.station = False

    def _watch_radio(self) -> None:
        vehicle = self._vehicle
        switch = int(vehicle.params["FS_THR_ENABLE"])
        lost = vehicle.sticks.failed and switch > 0
        if lost and not self._radio and vehicle.armed:
            self._radio = True
            goes_on = ""
            if vehicle.mode is Mode.AUTO and self._has(Option.RADIO_GOES_ON_IN_AUTO):
                goes_on = "Auto"
            elif vehicle.mode is Mode.GUIDED and self._has(Option.RADIO_GOES_ON_IN_GUIDED):
                goes_on = "Guided Mode"
            self._react("Radio", _RADIO_ACTIONS.get(switch, Action.LAND), goes_on)
        elif not lost and self._radio:
            vehicle.say(4, "Radio Failsafe Cleared")
            self._radio = False

    # -- position and heights ------------------------------------------------------------------------------

    def _watch_glitch(self) -> None:
        vehicle = self._vehicle
        glitch = vehicle.estimator.rejected_s > 1.0 and vehicle.readiness.navigates
        if glitch is not self._glitch:
            self._glitch = glitch
            vehicle.say(2, "GPS Glitch or Compass error" if glitch else "Glitch cleared")
        tries = int(vehicle.estimator.compass_rejected_s / _COMPASS_S)
        if tries != self._compass_tries:
            self._compass_tries = tries
            if tries:
                vehicle.say(6, f"EKF3 IMU0 switching to compass {tries % 2}")

    def _over_threshold(self) -> bool:
        """Two variances of compass, velocity and position over FS_EKF_THRESH, or velocity over twice."""
        most = self._vehicle.params["FS_EKF_THRESH"]
        variances = self._vehicle.estimator.variances
        bad = (variances.compass >= most) + (variances.velocity >= most) + (variances.velocity >= 2.0 * most)
        return bad >= 2 or (variances.position >= most and bad >= 1)

    def _watch_ekf(self) -> None:
        vehicle = self._vehicle
        if not vehicle.origin_set:
            return
        if vehicle.params["FS_EKF_THRESH"] <= 0.0:
            self._bad_looks = 0
            self._ekf_over()
            return
        passed = vehicle.readiness.navigates and not self._over_threshold()
        self._ekf_passed = self._ekf_passed or passed
        if not self._ekf_passed:
            return
        if passed:
            self._bad_looks = max(self._bad_looks - 1, 0)
            if self._bad_looks == 0:
                self._ekf_over()
        elif not self.ekf:
            self._bad_looks += 1
            if self._bad_looks >= _EKF_COUNT:
                self._ekf_begins()

    def _ekf_begins(self) -> None:
        vehicle = self._vehicle
        self.ekf = True
        if vehicle.time_s - self._ekf_warned_s > _EKF_WARN_S:
            self._ekf_warned_s = vehicle.time_s
            vehicle.say(2, "EKF variance")
        if not vehicle.armed:
            return
        self._ekf_told = True
        action = int(vehicle.params["FS_EKF_ACTION"])
        landing = vehicle.mode is Mode.LAND
        if action == 0 or landing or (vehicle.mode not in NEEDS_POSITION and action != 3):
            vehicle.say(2, "EKF Failsafe")
            return
        if action != 2 or self._radio or not vehicle.set_mode(Mode.ALT_HOLD):
            vehicle.set_mode(Mode.LAND)
        vehicle.say(2, f"EKF Failsafe: changed to {vehicle.mode.name} Mode")

    def _ekf_over(self) -> None:
        if self.ekf and self._ekf_told:
            self._vehicle.say(2, "EKF Failsafe Cleared")
        self.ekf = self._ekf_told = False

    def _watch_terrain(self) -> None:
        """Heights above ground are flown, and the ground is not known."""
        vehicle, e = self._vehicle, self._vehicle.estimate
        flies_by_it = vehicle.armed and not vehicle.landed and vehicle.pilot.over_terrain
        if not flies_by_it or vehicle.terrain.known_m(e.east_m, e.north_m) is not None:
            self._no_terrain_since, self._terrain = None, False
            return
        if self._no_terrain_since is None:
            self._no_terrain_since = vehicle.time_s
        if vehicle.time_s - self._no_terrain_since > _TERRAIN_S and not self._terrain:
            self._terrain = True
            vehicle.say(2, "Failsafe: Terrain data missing")
            self._do(Action.RTL)
