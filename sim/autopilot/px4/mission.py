"""Which item of its mission a PX4 flies, and what is wrong with a mission (mission_base.cpp and
FeasibilityChecker.cpp, 1.16)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.autopilot.items import Item
from sim.autopilot.px4 import items as m

if TYPE_CHECKING:
    from sim.autopilot.px4.vehicle import Px4

_MOST_JUMPS = 10


@dataclass
class Progress:
    """What is told of a mission: the current item and the last one reached (-1: none)."""

    seq: int = 0
    reached: int = -1


class Walk:
    """The way through the mission, item by item. Orders are items like any other; jumps are followed."""

    def __init__(self) -> None:
        self.items: tuple[Item, ...] = ()
        self.seq = 0
        self._jumps: dict[int, int] = {}

    def take(self, items: tuple[Item, ...], current: int) -> None:
        """Another mission. Without a current item it goes on with the number that it was at."""
        self.items = items
        self.seq = current if current >= 0 else max(min(self.seq, len(items) - 1), 0)
        self._jumps.clear()

    @property
    def item(self) -> Item:
        """The current item."""
        return self.items[self.seq]

    def restart(self) -> None:
        """Back to the first item."""
        self.seq = 0
        self._jumps.clear()

    def go_to(self, seq: int) -> bool:
        """Make an item the current one; False past the end or for jumps without end."""
        for _ in range(_MOST_JUMPS):
            if not 0 <= seq < len(self.items):
                return False
            item = self.items[seq]
            if item.command != m.JUMP:
                self.seq = seq
                return True
            done = self._jumps.get(seq, 0)
            if done < int(item.p2):
                self._jumps[seq] = done + 1
                seq = int(item.p1)
            else:
                seq += 1
        return False

    def advance(self) -> bool:
        """On to the next item; False at the end of the mission, which then begins its jumps anew."""
        if self.go_to(self.seq + 1):
            return True
        self._jumps.clear()
        return False

    @property
    def is_last(self) -> bool:
        """Whether the current item is the last one."""
        return self.seq + 1 >= len(self.items)

    def next_place(self, start: int) -> Item | None:
        """The next item with a place at or after this one, jumps followed but not counted."""
        seq, hops = start, 0
        while 0 <= seq < len(self.items) and hops <= _MOST_JUMPS:
            item = self.items[seq]
            if item.command in m.WITH_PLACE:
                return item
            if item.command == m.JUMP and self._jumps.get(seq, 0) < int(item.p2):
                seq, hops = int(item.p1), hops + 1
            else:
                seq += 1
        return None

    def place_before(self, seq: int) -> int | None:
        """Number of the last item with a place before this one."""
        return next((n for n in range(seq - 1, -1, -1) if self.items[n].command in m.WITH_PLACE), None)


def problems_with(vehicle: Px4, items: tuple[Item, ...]) -> list[str]:
    """Why this vehicle cannot fly a mission, in PX4's words; empty if it can."""
    if not items:
        return ["No valid mission available"]
    return [problem for look in (_own_problem, _fence_problem) if (problem := look(vehicle, items))]


def _own_problem(vehicle: Px4, items: tuple[Item, ...]) -> str | None:
    for number, item in enumerate(items, 1):
        relative = item.frame == 6 and item.command in m.WITH_PLACE
        if relative and not vehicle.origin_set:
            return f"Mission rejected: No home pos, WP {number} uses rel alt"
        if item.command in m.NEVER_FLOWN:
            return f"Mission rejected: item {number}: unsupported cmd: {item.command}"
        if item.command in (m.VTOL_TAKEOFF, m.VTOL_LAND, 3000):
            return f"Mission rejected: item {number}: unsupported cmd: {item.command}"
    if items[0].command == m.LAND and vehicle.landed:
        return "Mission rejected: starts with landing"
    return _take_off_problem(vehicle, items) or _missing(vehicle, items)


def _fence_problem(vehicle: Px4, items: tuple[Item, ...]) -> str | None:
    """Places outside the fence, whatever GF_ACTION says; legs may cross what they like."""
    if vehicle.geofence.needs_home and not vehicle.origin_set:
        return "Geofence requires valid home position"
    for number, item in enumerate(items, 1):
        if item.command in m.WITH_PLACE and vehicle.geofence.problem_at(*vehicle.navigator.place_of(item)):
            return f"Geofence violation for waypoint {number}"
    return None


def _take_off_problem(vehicle: Px4, items: tuple[Item, ...]) -> str | None:
    placed = False
    for item in items:
        if item.command == m.TAKEOFF:
            rise_m = item.z - (0.0 if item.frame == 6 else vehicle.home_up_m)
            if not rise_m > 0.0:
                return "Mission rejected: Takeoff altitude below home altitude!"
            if placed:
                return "Mission rejected: takeoff not first waypoint item"
        placed = placed or item.command in m.WITH_PLACE | {m.RTL, m.GATE, m.ROI_NONE}
    return None


def _missing(vehicle: Px4, items: tuple[Item, ...]) -> str | None:
    """What MIS_TKO_LAND_REQ asks for."""
    asks = int(vehicle.params["MIS_TKO_LAND_REQ"])
    starts = any(item.command == m.TAKEOFF for item in items)
    lands = any(item.command == m.LAND for item in items)
    if asks == 1 and not starts:
        return "Mission rejected: Takeoff waypoint required."
    if asks == 2 and not lands:
        return "Mission rejected: Landing waypoint/pattern required."
    if asks == 3 and not (starts and lands):
        return "Mission rejected: Takeoff or Landing item missing."
    if asks in (4, 5) and starts is not lands:
        return (
            "Mission rejected: Add Landing item or remove Takeoff."
            if starts
            else "Mission rejected: Add Takeoff item or remove Landing."
        )
    return None


def far_first(vehicle: Px4, items: tuple[Item, ...]) -> str | None:
    """PX4's warning of a first place that is far from home (MIS_DIST_1WP)."""
    most = vehicle.params["MIS_DIST_1WP"]
    first = next((item for item in items if item.command in m.WITH_PLACE), None)
    if first is None or most <= 0.0 or not vehicle.origin_set:
        return None
    east, north, _ = vehicle.navigator.place_of(first)
    away_m = math.hypot(east - vehicle.home_east_m, north - vehicle.home_north_m)
    if away_m < most:
        return None
    return f"First waypoint far away from home: {int(away_m)}m. Correct mission loaded?"
