"""What a PX4 does when its station, sticks, battery, position or set-points are lost, or its fence is broken
(failsafe.cpp, framework.cpp, 1.16).

A failsafe flies a mode of its own instead of the one that was asked for. Most hold for COM_FAIL_ACT_T first,
so that somebody can take over; whoever asks for a mode does. Why it acts a PX4 tells in EVENTs alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from sim.autopilot.px4.modes import WAYS_HOME, Mode

if TYPE_CHECKING:
    from sim.autopilot.px4.vehicle import Px4


class Action(IntEnum):
    """What a failsafe does, the gravest last."""

    NONE = 0
    WARN = 1
    POSCTL = 2
    ALTCTL = 3
    STABILIZED = 4
    HOLD = 5
    RETURN = 6
    LAND = 7
    DISARM = 8
    TERMINATE = 9


class Takeover(IntEnum):
    """Who can take over from a failsafe, the strictest last."""

    ALWAYS = 0
    BY_MODE = 1
    NEVER = 2


_LINK = {1: Action.HOLD, 2: Action.RETURN, 3: Action.LAND, 5: Action.TERMINATE, 6: Action.DISARM}
"""NAV_DLL_ACT and NAV_RCL_ACT."""
_FENCE = {1: Action.WARN, 2: Action.HOLD, 3: Action.RETURN, 4: Action.TERMINATE, 5: Action.LAND}
"""GF_ACTION."""
_CRITICAL = {1: Action.RETURN, 2: Action.LAND, 3: Action.RETURN}
_EMERGENCY = {1: Action.RETURN, 2: Action.LAND, 3: Action.LAND}
"""COM_LOW_BAT_ACT."""
_NO_SETPOINTS = (
    *(Action.POSCTL, Action.ALTCTL, Action.STABILIZED, Action.RETURN, Action.LAND, Action.HOLD),
    *(Action.TERMINATE, Action.DISARM),
)
"""COM_OBL_RC_ACT."""
_MODES = {
    Action.POSCTL: Mode.POSCTL,
    Action.ALTCTL: Mode.ALTCTL,
    Action.STABILIZED: Mode.STABILIZED,
    Action.HOLD: Mode.AUTO_LOITER,
    Action.RETURN: Mode.AUTO_RTL,
    Action.LAND: Mode.AUTO_LAND,
}
_LOW, _CRIT, _EMERGEN = 1, 2, 3
_BATTERY_WORDS = {_LOW: "Low battery", _CRIT: "Critical battery", _EMERGEN: "Emergency battery level"}
_RCL_EXCEPT = {Mode.AUTO_MISSION: 1, Mode.AUTO_LOITER: 2, Mode.AUTO_TAKEOFF: 2, Mode.OFFBOARD: 4}
_FINAL = (Action.DISARM, Action.TERMINATE)
_LATCHED = frozenset({Action.RETURN, Action.LAND, Action.TERMINATE})
_MODEM = "IRIDIUM mavlink on device /dev/iridium"


@dataclass
class _Cause:
    action: Action
    takeover: Takeover
    lasts: bool
    """Whether its action goes on when the cause is over, until somebody asks for a mode."""
    is_on: bool = True


class Failsafe:
    """Call `update` ten times a second."""

    def __init__(self, vehicle: Px4) -> None:
        self._vehicle = vehicle
        self.last_station_s: float | None = None
        """When a station's heartbeat was last heard; None before the first one."""
        self.warning = 0
        """Of the battery: 1 low, 2 critical, 3 emergency."""
        self._warning_at_arming = 0
        self._no_sticks_at_arming = False
        self._station_lost = False
        self._causes: dict[str, _Cause] = {}
        self._flown = Action.NONE
        self._taken_over = self._mode_asked = self._sticks_ask = self._news = False
        self._holds_until_s = 0.0

    @property
    def triggered(self) -> bool:
        """Whether one flies the vehicle, for the heartbeat."""
        return self._flown > Action.WARN

    @property
    def sticks_lost(self) -> bool:
        """Whether the pilot's sticks are not heard: the transmitter, or a joystick once one has spoken."""
        sticks = self._vehicle.sticks
        return sticks.failed or (self._vehicle.pilot.hand.by_joystick and sticks.throttle is None)

    def reset(self) -> None:
        """On arming and disarming: what was before does not count."""
        self._warning_at_arming = self.warning
        self._no_sticks_at_arming = self.sticks_lost
        self._causes.clear()
        self._flown, self._holds_until_s = Action.NONE, 0.0
        self._taken_over = self._mode_asked = self._sticks_ask = self._news = False

    def on_mode(self) -> None:
        """Somebody has asked for a mode."""
        self._mode_asked = True

    def on_sticks(self) -> None:
        """Sticks are moved while a failsafe flies."""
        self._sticks_ask = True

    def update(self) -> None:
        """Look at everything; act on what is new."""
        self._watch_battery()
        self._watch_station()
        vehicle = self._vehicle
        if not vehicle.armed:
            return
        if self._mode_asked or self._taken_over:
            self._causes = {name: c for name, c in self._causes.items() if c.is_on or not c.lasts}
        self._look()
        can_hold = vehicle.readiness.can_fly(Mode.AUTO_LOITER)
        if self._flown > Action.HOLD or not can_hold or self._taken_over:
            self._holds_until_s = 0.0
        self._decide()

    # -- causes --------------------------------------------------------------------------------------------

    def _look(self) -> None:
        vehicle, mode = self._vehicle, self._vehicle.intended
        params = vehicle.params
        if not self.sticks_lost:
            self._no_sticks_at_arming = False
        ignored = int(params["COM_RCL_EXCEPT"]) & _RCL_EXCEPT.get(mode, 0) or self._no_sticks_at_arming
        rcl = _LINK.get(int(params["NAV_RCL_ACT"]), Action.NONE)
        self._cause("sticks", rcl if self.sticks_lost and not ignored else Action.NONE)
        dll = _LINK.get(int(params["NAV_DLL_ACT"]), Action.NONE)
        counts = self._station_lost and mode is not Mode.AUTO_LAND
        self._cause("station", dll if counts else Action.NONE)
        broken = vehicle.geofence.breached
        fence = _FENCE.get(int(params["GF_ACTION"]), Action.NONE) if broken else Action.NONE
        self._cause("fence", fence, Takeover.BY_MODE if fence is Action.HOLD else None, lasts=True)
        for warning in (_LOW, _CRIT, _EMERGEN):
            action = self._battery_action() if self.warning == warning else Action.NONE
            self._cause(f"battery {warning}", action, lasts=False)
        self._cause("mode", self._instead_of(mode), Takeover.ALWAYS, lasts=False)

    def _cause(
        self, name: str, action: Action, takeover: Takeover | None = None, lasts: bool | None = None
    ) -> None:
        """`takeover`: who can take over from it; None is anybody, during a hold of COM_FAIL_ACT_T too."""
        cause = self._causes.get(name)
        if action is Action.NONE:
            if cause is not None and cause.lasts:
                cause.is_on = False
            else:
                self._causes.pop(name, None)
        elif cause is not None:
            cause.action, cause.is_on = action, True
        else:
            self._begin(name, action, takeover, action in _LATCHED if lasts is None else lasts)

    def _begin(self, name: str, action: Action, takeover: Takeover | None, lasts: bool) -> None:
        vehicle = self._vehicle
        if action in _FINAL:
            takeover = Takeover.NEVER
        if takeover is None:
            delay_s = vehicle.params["COM_FAIL_ACT_T"]
            takeover = Takeover.ALWAYS if delay_s > 0.1 else Takeover.BY_MODE
            if delay_s > 0.1 and action is not Action.WARN and self._holds_until_s <= vehicle.time_s:
                self._holds_until_s = vehicle.time_s + delay_s
        self._causes[name] = _Cause(action, takeover, lasts)
        self._news = self._news or action is Action.WARN
        if action >= Action.HOLD:
            self._taken_over = False

    def _instead_of(self, mode: Mode) -> Action:
        """What is done because a mode cannot be flown now."""
        vehicle, action = self._vehicle, Action.NONE
        can_fly = vehicle.readiness.can_fly
        if mode is Mode.OFFBOARD and not can_fly(mode):
            action = _NO_SETPOINTS[int(vehicle.params["COM_OBL_RC_ACT"])]
            if action not in _MODES:
                return action
            mode = _MODES[action]
        if mode is Mode.POSCTL and not can_fly(mode):
            action, mode = Action.ALTCTL, Mode.ALTCTL
        return action if can_fly(mode) else Action.RETURN

    def _watch_battery(self) -> None:
        vehicle, share = self._vehicle, self._vehicle.remaining_share
        marks = ("BAT_LOW_THR", _LOW), ("BAT_CRIT_THR", _CRIT), ("BAT_EMERGEN_THR", _EMERGEN)
        warning = max((number for name, number in marks if share < vehicle.params[name]), default=0)
        if warning > self.warning:
            vehicle.say(0, _BATTERY_WORDS[warning])
            self.warning = warning

    def _battery_action(self) -> Action:
        if self.warning <= self._warning_at_arming:
            return Action.WARN
        asked = int(self._vehicle.params["COM_LOW_BAT_ACT"])
        return {_CRIT: _CRITICAL, _EMERGEN: _EMERGENCY}.get(self.warning, {}).get(asked, Action.WARN)

    def _watch_station(self) -> None:
        vehicle, heard_s = self._vehicle, self.last_station_s
        lost = heard_s is not None and vehicle.time_s - heard_s > vehicle.params["COM_DL_LOSS_T"]
        if lost is not self._station_lost:
            self._station_lost = lost
            vehicle.say(6, "Connection to ground station lost" if lost else "GCS connection regained")
        self._switch_modem(lost or heard_s is None)

    def order_modem(self, on: bool) -> None:
        """CONTROL_HIGH_LATENCY: it holds until the next look at the station."""
        self._switch_modem(on, " by command")

    def _switch_modem(self, on: bool, why: str = "") -> None:
        """A satellite modem speaks while no station is heard otherwise, whatever was ordered."""
        vehicle = self._vehicle
        if vehicle.has_modem and vehicle.high_latency_open is not on:
            vehicle.high_latency_open = on
            vehicle.say(6, f"{'Enable' if on else 'Disable'} transmitting with {_MODEM}{why}")

    # -- what is done --------------------------------------------------------------------------------------

    def _decide(self) -> None:
        vehicle = self._vehicle
        if self._flown is Action.TERMINATE:
            return
        action = max((c.action for c in self._causes.values()), default=Action.NONE)
        takeover = max((c.takeover for c in self._causes.values()), default=Takeover.ALWAYS)
        waits = vehicle.time_s < self._holds_until_s and not self._taken_over
        delayed = Action.NONE
        if waits and takeover is not Takeover.NEVER and action not in (Action.HOLD, *_FINAL):
            delayed, action, takeover = action, Action.HOLD, Takeover.BY_MODE
        by_mode = self._mode_asked and self._flown is action
        wanted = self._taken_over or by_mode or (takeover is Takeover.ALWAYS and self._sticks_ask)
        taken = Action.HOLD <= action <= Action.LAND and wanted and takeover is not Takeover.NEVER
        if taken:
            if self._sticks_ask and not self._taken_over:
                vehicle.intend(Mode.POSCTL)
            action, delayed = max(Action.WARN, self._instead_of(vehicle.intended)), Action.NONE
        action = self._possible(action)
        comes_home = vehicle.intended in WAYS_HOME and vehicle.readiness.can_fly(vehicle.intended)
        if comes_home and Action.RETURN in (action, delayed):
            action, delayed = Action.WARN, Action.NONE
        if self.triggered and action <= Action.WARN and vehicle.intended is Mode.ORBIT:
            vehicle.intend(Mode.AUTO_LOITER)
        if action > self._flown or (action is not Action.NONE and self._news):
            seconds = int(self._holds_until_s - vehicle.time_s + 0.5)
            wait = f": entering Hold for {seconds} seconds" if delayed is not Action.NONE else ""
            vehicle.say(2, f"Failsafe activated{wait}")
        self._taken_over, self._flown = taken, action
        self._news = self._mode_asked = self._sticks_ask = False
        if action in _FINAL:
            vehicle.disarm("failsafe", force=True)
        else:
            vehicle.fly_instead(_MODES.get(action, vehicle.intended))

    def _possible(self, action: Action) -> Action:
        """The action itself, or the next graver one that can be done. Landing always can: level, and down."""
        ways = (Action.POSCTL, Action.ALTCTL, Action.STABILIZED, Action.HOLD, Action.RETURN)
        for way in ways:
            if action <= way and action > Action.WARN and self._vehicle.readiness.can_fly(_MODES[way]):
                return way
        return action if action <= Action.WARN else max(action, Action.LAND)
