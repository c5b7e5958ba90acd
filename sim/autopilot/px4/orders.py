"""The orders of a PX4 mission, and those that are given again when a mission is taken up anew."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.autopilot.items import Item
from sim.autopilot.px4 import items as m
from sim.autopilot.px4.modes import Mode

if TYPE_CHECKING:
    from sim.autopilot.px4.vehicle import Px4

_GIMBAL_S = 5.0
"""A gimbal's order holds the mission up so long (MIS_COMMAND_TOUT)."""


class Orders:
    """Carries orders out. Owned by a Navigator."""

    def __init__(self, vehicle: Px4) -> None:
        self._vehicle = vehicle
        self._kept: dict[str, Item] = {}
        self._past = -1
        self._since_s = 0.0

    @property
    def triggers(self) -> bool:
        """Whether the camera was triggering at the item that a mission is taken up at."""
        item = self._kept.get("trigger")
        return item is not None and item.p1 > 0.0

    def remember(self, items: tuple[Item, ...]) -> None:
        """What the items before the current one ordered for the rest of the mission."""
        self._kept.clear()
        for item in items:
            if item.command in (m.TRIGGER_DISTANCE, m.TRIGGER_INTERVAL):
                self._kept["trigger"] = item
            elif item.command == m.CHANGE_SPEED:
                self._kept["speed"] = item
            elif item.command in (m.GIMBAL, m.MOUNT_CONTROL):
                self._kept["gimbal"] = item

    def wait_until_past(self, seq: int) -> None:
        """Trigger and speed are ordered again when this item has been reached; the gimbal at once."""
        self._past = seq
        if (gimbal := self._kept.pop("gimbal", None)) is not None:
            self.carry_out(gimbal)

    def replay(self, seq: int) -> None:
        """Order again what waited for the item that the mission was taken up at."""
        if self._kept and seq > self._past:
            for item in self._kept.values():
                self.carry_out(item)
            self._kept.clear()

    def done(self, item: Item) -> bool:
        """Whether the mission goes on."""
        waits = _GIMBAL_S if item.command == m.GIMBAL else 0.0
        return self._vehicle.time_s - self._since_s >= waits

    def carry_out(self, item: Item) -> None:
        """Do it."""
        vehicle, shutter = self._vehicle, self._vehicle.shutter
        self._since_s = vehicle.time_s
        if item.command == m.RTL:
            vehicle.say(6, "Returning to launch")
            vehicle.set_mode(Mode.AUTO_RTL)
        elif item.command == m.CHANGE_SPEED:
            vehicle.change_speed(item.p2)
        elif item.command == m.TRIGGER_DISTANCE:
            vehicle.trigger_distance(item.p1, item.p3 > 0.0)
        elif item.command == m.TRIGGER_INTERVAL:
            vehicle.trigger_interval(item.p1)
        elif item.command == m.DIGICAM and item.x == 1:
            shutter.once()
        elif item.command == m.SET_HOME and item.p1 > 0.5:
            e = vehicle.estimate
            vehicle.set_home(e.east_m, e.north_m, e.up_m, locked=True)
        elif item.command in (m.GIMBAL, m.MOUNT_CONTROL) and math.isfinite(item.p1):
            vehicle.gimbal.pitch_deg = max(-90.0, min(30.0, item.p1))
        elif item.command == m.ROI_LOCATION:
            vehicle.pilot.roi = vehicle.navigator.place_of(item)[:2]
        elif item.command in (m.ROI_NONE, m.ROI):
            vehicle.pilot.roi = None
