"""What a PX4 does when its station, transmitter, battery or position is lost (failsafe.cpp, framework.cpp,
1.16).

A failsafe flies a mode of its own instead of the one that was asked for. Most hold for COM_FAIL_ACT_T first,
so that somebody can take over; whoever asks for a mode does.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from sim.autopilot.px4.modes import BY_STICKS, NEEDS_POSITION, Mode

if TYPE_CHECKING:
    from sim.autopilot.px4.vehicle import Px4


class Action(IntEnum):
    """What a failsafe does, the gravest last."""

    NONE = 0
    WARN = 1
    HOLD = 2
    RETURN = 3
    LAND = 4
    TERMINATE = 5


_LINK = {1: Action.HOLD, 2: Action.RETURN, 3: Action.LAND, 5: Action.TERMINATE, 6: Action.TERMINATE}
"""NAV_DLL_ACT and NAV_RCL_ACT."""
FENCE = {1: Action.WARN, 2: Action.HOLD, 3: Action.RETURN, 4: Action.TERMINATE, 5: Action.LAND}
"""GF_ACTION."""
_CRITICAL = {1: Action.RETURN, 2: Action.LAND, 3: Action.RETURN}
_EMERGENCY = {1: Action.RETURN, 2: Action.LAND, 3: Action.LAND}
"""COM_LOW_BAT_ACT."""
_MODES = {Action.HOLD: Mode.AUTO_LOITER, Action.RETURN: Mode.AUTO_RTL, Action.LAND: Mode.AUTO_LAND}
_LOW, _CRIT, _EMERGEN = 1, 2, 3
_WORDS = {_LOW: "Low battery level", _CRIT: "Critical battery level", _EMERGEN: "Emergency battery level"}
_WHILE_IT_LASTS = frozenset({Action.HOLD})
"""Actions that end with their cause."""


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
        self._active: dict[str, Action] = {}
        self._flown = Action.NONE
        self._waits_until_s: float | None = None

    @property
    def triggered(self) -> bool:
        """Whether one flies the vehicle, for the heartbeat."""
        return self._flown > Action.WARN or self._waits_until_s is not None

    @property
    def sticks_lost(self) -> bool:
        """Whether the transmitter is not heard."""
        return self._vehicle.sticks.failed

    def reset(self) -> None:
        """On arming and disarming: what was before does not count."""
        self._warning_at_arming = self.warning
        self._no_sticks_at_arming = self._vehicle.sticks.failed
        self._active.clear()
        self._flown, self._waits_until_s = Action.NONE, None

    def on_mode(self) -> None:
        """Somebody has asked for a mode and takes over; causes that are still there act no more."""
        self._flown, self._waits_until_s = Action.NONE, None
        for cause in self._active:
            self._active[cause] = min(self._active[cause], Action.WARN)

    def update(self) -> None:
        """Look at everything; act on what is new."""
        self._watch_battery()
        self._watch_station()
        vehicle = self._vehicle
        if not vehicle.armed:
            return
        params, mode = vehicle.params, vehicle.intended
        link_counts = mode is not Mode.AUTO_LAND
        dll = _LINK.get(int(params["NAV_DLL_ACT"]), Action.NONE)
        self._cause("station", dll if self._station_lost and link_counts else None)
        excepted = {Mode.AUTO_MISSION: 1, Mode.AUTO_LOITER: 2, Mode.AUTO_TAKEOFF: 2}.get(mode, 0)
        ignored = int(params["COM_RCL_EXCEPT"]) & excepted or self._no_sticks_at_arming
        rcl = _LINK.get(int(params["NAV_RCL_ACT"]), Action.NONE)
        self._cause("sticks", rcl if vehicle.sticks.failed and not ignored else None)
        self._cause("battery", self._battery_action())
        self._cause("fence", vehicle.geofence.action)
        lost = not vehicle.readiness.has_position and mode in NEEDS_POSITION
        self._cause("position", Action.LAND if lost else None)
        self._fly()

    # -- causes --------------------------------------------------------------------------------------------

    def _watch_battery(self) -> None:
        vehicle, share = self._vehicle, self._vehicle.remaining_share
        marks = ("BAT_LOW_THR", _LOW), ("BAT_CRIT_THR", _CRIT), ("BAT_EMERGEN_THR", _EMERGEN)
        warning = max((number for name, number in marks if share < vehicle.params[name]), default=0)
        if warning > self.warning:
            advice = {_LOW: "return advised", _CRIT: "land now", _EMERGEN: "land immediately"}[warning]
            vehicle.say(2 if warning > _LOW else 4, f"{_WORDS[warning]}, {advice}")
        self.warning = max(warning, self.warning)

    def _battery_action(self) -> Action | None:
        if self.warning <= self._warning_at_arming:
            return None
        asked = int(self._vehicle.params["COM_LOW_BAT_ACT"])
        actions = {_CRIT: _CRITICAL, _EMERGEN: _EMERGENCY}.get(self.warning, {})
        return actions.get(asked, Action.WARN)

    def _watch_station(self) -> None:
        vehicle, heard_s = self._vehicle, self.last_station_s
        lost = heard_s is not None and vehicle.time_s - heard_s > vehicle.params["COM_DL_LOSS_T"]
        if lost is not self._station_lost:
            self._station_lost = lost
            vehicle.say(4 if lost else 6, f"Connection to ground station {'lost' if lost else 'regained'}")
            if lost:
                vehicle.high_latency_open = True
        if not lost and vehicle.high_latency_open and not vehicle.satellite_ordered:
            vehicle.high_latency_open = False

    # -- what is done --------------------------------------------------------------------------------------

    def _cause(self, name: str, action: Action | None) -> None:
        before = self._active.get(name)
        if action is None or action is Action.NONE:
            if before is not None and (before in _WHILE_IT_LASTS or before <= Action.WARN):
                del self._active[name]
        elif before is None or (name == "battery" and action > before):
            self._active[name] = action
            if action > Action.WARN and action > self._flown:
                self._begin(name, action)

    def _begin(self, name: str, action: Action) -> None:
        vehicle = self._vehicle
        delay_s = vehicle.params["COM_FAIL_ACT_T"]
        at_once = action in (Action.HOLD, Action.TERMINATE) or name in ("fence", "position")
        if at_once or delay_s < 0.1 or vehicle.mode in BY_STICKS:
            vehicle.say(2, "Failsafe activated")
            self._waits_until_s = None
        elif self._waits_until_s is None:
            vehicle.say(2, f"Failsafe activated: entering Hold for {int(delay_s)} seconds")
            self._waits_until_s = vehicle.time_s + delay_s

    def _fly(self) -> None:
        vehicle = self._vehicle
        action = max(self._active.values(), default=Action.NONE)
        if action <= Action.WARN:
            if self._flown > Action.WARN or self._waits_until_s is not None:
                self._flown, self._waits_until_s = Action.NONE, None
                vehicle.fly_instead(vehicle.intended)
            return
        if self._waits_until_s is not None:
            if vehicle.time_s < self._waits_until_s:
                vehicle.fly_instead(Mode.AUTO_LOITER)
                return
            self._waits_until_s = None
        if action is Action.TERMINATE:
            vehicle.disarm("failsafe", force=True)
            return
        self._flown = action
        mode = _MODES[action]
        if vehicle.intended is Mode.AUTO_LAND and mode is not Mode.AUTO_LAND:
            return  # it is coming down as it is
        if mode in NEEDS_POSITION and not vehicle.readiness.has_position:
            mode = Mode.AUTO_LAND
        if vehicle.mode is not Mode.AUTO_LAND or mode is Mode.AUTO_LAND:
            vehicle.fly_instead(mode)
