"""The mission as the vehicle keeps it, and the walk through it in AUTO.

Nothing here knows MAVLink messages: `MissionStore` is what upload and read-back work on, `MissionWalk` says
which item is flown and which DO items are due (AP_Mission's order of things).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum

CAPACITY = 650
HIGHEST_M = 83_000.0
"""What a height can be (ArduPilot's LOCATION_ALT_MAX_M)."""


class Result(IntEnum):
    """MAV_MISSION_RESULT, the members that this vehicle answers with."""

    ACCEPTED = 0
    ERROR = 1
    UNSUPPORTED_FRAME = 2
    UNSUPPORTED = 3
    NO_SPACE = 4
    INVALID_PARAM1 = 6
    INVALID_PARAM5_X = 10
    INVALID_PARAM6_Y = 11
    INVALID_PARAM7 = 12
    INVALID_SEQUENCE = 13
    DENIED = 14
    OPERATION_CANCELLED = 15


class Frame(IntEnum):
    """MAV_FRAME as the vehicle stores it."""

    GLOBAL = 0
    MISSION = 2
    RELATIVE = 3
    TERRAIN = 10


_FRAMES = {
    0: Frame.GLOBAL,
    2: Frame.MISSION,
    3: Frame.RELATIVE,
    5: Frame.GLOBAL,
    6: Frame.RELATIVE,
    10: Frame.TERRAIN,
    11: Frame.TERRAIN,
}

WAYPOINT, LOITER_UNLIM, LOITER_TIME, RTL, LAND, TAKEOFF, DELAY = 16, 17, 19, 20, 21, 22, 93
CONDITION_DELAY, CONDITION_DISTANCE, CONDITION_YAW = 112, 114, 115
JUMP, CHANGE_SPEED, SET_HOME, LAND_START = 177, 178, 179, 189
ROI_LOCATION, ROI_NONE, ROI, DIGICAM, MOUNT_CONTROL = 195, 197, 201, 203, 205
TRIGGER_DISTANCE, TRIGGER_INTERVAL, START_CAPTURE, STOP_CAPTURE = 206, 214, 2000, 2001
FENCE_ENABLE = 207

NAV_COMMANDS = frozenset({WAYPOINT, LOITER_UNLIM, LOITER_TIME, RTL, LAND, TAKEOFF, DELAY})
DO_COMMANDS = frozenset(
    {CONDITION_DELAY, CONDITION_DISTANCE, CONDITION_YAW, JUMP, CHANGE_SPEED, SET_HOME, LAND_START}
    | {ROI_LOCATION, ROI_NONE, ROI, DIGICAM, MOUNT_CONTROL}
    | {TRIGGER_DISTANCE, TRIGGER_INTERVAL, START_CAPTURE, STOP_CAPTURE, FENCE_ENABLE}
)
WITH_PLACE = frozenset({WAYPOINT, LOITER_UNLIM, LOITER_TIME, LAND, TAKEOFF, ROI_LOCATION, ROI, SET_HOME})
_YAW_MAY_BE_NAN = frozenset({WAYPOINT, LOITER_UNLIM, LOITER_TIME, LAND, TAKEOFF})

NAMES = {
    WAYPOINT: "WP",
    LOITER_UNLIM: "LoitUnlim",
    LOITER_TIME: "LoitTime",
    RTL: "RTL",
    LAND: "Land",
    TAKEOFF: "Takeoff",
    DELAY: "Delay",
    CONDITION_DELAY: "CondDelay",
    CONDITION_DISTANCE: "CondDist",
    CONDITION_YAW: "CondYaw",
    JUMP: "Jump",
    CHANGE_SPEED: "ChangeSpeed",
    SET_HOME: "SetHome",
    LAND_START: "LandStart",
    ROI_LOCATION: "SetROI",
    ROI_NONE: "SetROINone",
    ROI: "SetROI",
    DIGICAM: "DigiCamCtrl",
    MOUNT_CONTROL: "MountControl",
    TRIGGER_DISTANCE: "SetCamTrigDst",
    TRIGGER_INTERVAL: "SetCamTrigInt",
    START_CAPTURE: "ImgStart",
    STOP_CAPTURE: "ImgStop",
    FENCE_ENABLE: "FenceEnable",
}
"""What "Mission: 3 WP" calls each command."""


@dataclass(frozen=True)
class Item:
    """One stored item. x and y are degrees times 1e7, as they came over the wire."""

    command: int
    frame: int
    p1: float
    p2: float
    p3: float
    p4: float
    x: int
    y: int
    z: float

    @property
    def has_place(self) -> bool:
        """True if the item names a place on the map."""
        return self.command in WITH_PLACE and (self.x != 0 or self.y != 0)


def check(item: Item) -> Result:
    """What ArduCopter says to an item before it stores it."""
    if item.command not in NAV_COMMANDS and item.command not in DO_COMMANDS:
        return Result.UNSUPPORTED
    if item.frame not in _FRAMES:
        return Result.UNSUPPORTED_FRAME
    params = (item.p1, item.p2, item.p3) + ((item.p4,) if item.command not in _YAW_MAY_BE_NAN else ())
    for place, value in enumerate(params):
        if not math.isfinite(value):
            return Result(Result.INVALID_PARAM1 + place) if place == 0 else Result.ERROR
    if not abs(item.z) < HIGHEST_M:  # NaN too
        return Result.INVALID_PARAM7
    if item.command in WITH_PLACE:
        if abs(item.x) > 900_000_000:
            return Result.INVALID_PARAM5_X
        if abs(item.y) > 1_800_000_000:
            return Result.INVALID_PARAM6_Y
    return Result.ACCEPTED


def normalised(item: Item) -> Item:
    """The item as it reads back: frames folded, what the storage has no room for lost."""
    frame = _FRAMES[item.frame]
    if item.command not in WITH_PLACE:
        return replace(item, frame=Frame.GLOBAL, x=0, y=0, z=0.0 if item.command != MOUNT_CONTROL else item.z)
    if frame is Frame.MISSION:
        frame = Frame.GLOBAL
    if item.command == WAYPOINT:
        return replace(item, frame=frame, p1=float(round(item.p1)), p4=0.0)
    if item.command in _YAW_MAY_BE_NAN and not math.isfinite(item.p4):
        return replace(item, frame=frame, p4=0.0)
    return replace(item, frame=frame)


class MissionStore:
    """The items on the vehicle. Slot 0 is home; what is uploaded there is overwritten by the real home."""

    capacity = CAPACITY

    def __init__(self) -> None:
        self._items: list[Item] = []
        self.home: Item = Item(WAYPOINT, Frame.GLOBAL, 0, 0, 0, 0, 0, 0, 0)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Item:
        return self.home if index == 0 else self._items[index]

    @property
    def flyable(self) -> int:
        """How many items there are besides home."""
        return max(0, len(self._items) - 1)

    def truncate(self, count: int) -> None:
        """Keep no more than the first `count` items: what the start of an upload does."""
        del self._items[count:]

    def clear(self) -> None:
        """Forget everything."""
        self._items.clear()

    def store(self, index: int, item: Item) -> Result:
        """Replace or append. The first item put into an empty store lands behind a fresh home slot."""
        verdict = check(item)
        if verdict is not Result.ACCEPTED:
            return verdict
        if index < len(self._items):
            self._items[index] = normalised(item)
        elif index == len(self._items) and index < CAPACITY:
            if index == 0:
                self._items.append(self.home)
            self._items.append(normalised(item))
        else:
            return Result.ERROR
        return Result.ACCEPTED

    def starts_with_takeoff(self) -> bool:
        """True if the first flown item is a take-off."""
        for item in self._items[1:]:
            if item.command in NAV_COMMANDS:
                return item.command in (TAKEOFF, DELAY)
        return False


class MissionWalk:
    """Which navigation item is being flown, and which DO items wait to be run beside it."""

    def __init__(self, store: MissionStore) -> None:
        self.store = store
        self.nav_index = 0
        """The current navigation item; 0 when there is none."""
        self.complete = False
        self._due: list[int] = []
        self._jumps: dict[int, int] = {}

    def reset(self) -> None:
        """Back to the beginning."""
        self.nav_index = 0
        self.complete = False
        self._due = []
        self._jumps.clear()

    def jump_to(self, index: int) -> bool:
        """Make the item at `index`, or the next navigation item behind it, the one to fly next."""
        if not 0 < index < len(self.store):
            return False
        self.complete = False
        return self._seek(index)

    def advance(self) -> bool:
        """On to the next navigation item. False at the end of the mission."""
        return self._seek(self.nav_index + 1)

    def _seek(self, start: int) -> bool:
        found, self._due = self._next_nav(start, self._jumps)
        if found is None:
            self.complete = True
            return False
        self.nav_index = found
        return True

    def _next_nav(self, start: int, jumps: dict[int, int]) -> tuple[int | None, list[int]]:
        """Index of the first navigation item at or after `start`, and the DO items on the way there.
        Follows jumps and counts them in `jumps`."""
        index, hops = start, 0
        due: list[int] = []
        while 0 < index < len(self.store) and hops < CAPACITY:
            item = self.store[index]
            if item.command == JUMP:
                hops += 1
                left = jumps.setdefault(index, int(item.p2))
                if left != 0 and 0 < item.p1 < len(self.store):
                    jumps[index] = left - 1 if left > 0 else left
                    index = int(item.p1)
                    continue
            elif item.command in NAV_COMMANDS:
                return index, due
            else:
                due.append(index)
            index += 1
        return None, due

    def following(self) -> int | None:
        """Index of the navigation item after the current one, without going there."""
        return self._next_nav(self.nav_index + 1, dict(self._jumps))[0]

    def due(self) -> tuple[int, Item] | None:
        """The DO item to run now, or None. Say `done_due` when it has been run."""
        while self._due:
            if self._due[0] < len(self.store):
                return self._due[0], self.store[self._due[0]]
            self._due.pop(0)
        return None

    def done_due(self) -> None:
        """The item that `due` gave has been run."""
        self._due.pop(0)


FENCE_COMMANDS = frozenset({5000, 5001, 5002, 5003, 5004})
RALLY_COMMANDS = frozenset({5100})


class PointStore:
    """Fence vertices or rally points: kept as they came, without a home slot."""

    def __init__(self, commands: frozenset[int], capacity: int) -> None:
        self._commands, self.capacity = commands, capacity
        self._items: list[Item] = []

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Item:
        return self._items[index]

    def truncate(self, count: int) -> None:
        """Keep no more than the first `count` items."""
        del self._items[count:]

    def clear(self) -> None:
        """Forget everything."""
        self._items.clear()

    def store(self, index: int, item: Item) -> Result:
        """Replace or append."""
        if item.command not in self._commands:
            return Result.UNSUPPORTED
        if item.frame not in _FRAMES:
            return Result.UNSUPPORTED_FRAME
        if abs(item.x) > 900_000_000:
            return Result.INVALID_PARAM5_X
        if abs(item.y) > 1_800_000_000:
            return Result.INVALID_PARAM6_Y
        if index < len(self._items):
            self._items[index] = item
        elif index == len(self._items) and index < self.capacity:
            self._items.append(item)
        else:
            return Result.ERROR
        return Result.ACCEPTED
