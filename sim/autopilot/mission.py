"""The mission as the vehicle keeps it, and the walk through it in AUTO.

Nothing here knows MAVLink messages: `MissionStore` is what upload and read-back work on, `MissionWalk` says
which item is flown and which DO items are due (AP_Mission's order of things).
"""

from __future__ import annotations

from sim.autopilot.items import (
    DELAY,
    FRAMES,
    HIGHEST_M,
    JUMP,
    JUMP_TAG,
    JUMP_TO_TAG,
    LAND,
    LAND_START,
    NAV_COMMANDS,
    RETURN_PATH_START,
    RTL,
    TAKEOFF,
    WAYPOINT,
    Frame,
    Item,
    Result,
    check,
    normalised,
)

__all__ = [
    "CAPACITY",
    "FENCE_COMMANDS",
    "HIGHEST_M",
    "LAND",
    "RALLY_COMMANDS",
    "RTL",
    "WAYPOINT",
    "Frame",
    "Item",
    "MissionStore",
    "MissionWalk",
    "PointStore",
    "Result",
]

CAPACITY = 650
_MOST_JUMPS = 64
"""A search for the next item gives up after so many jumps."""


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

    def tag_index(self, tag: int) -> int:
        """Where a jump tag stands; 0 if there is none."""
        for index in range(1, len(self._items)):
            item = self._items[index]
            if item.command == JUMP_TAG and int(item.p1) == tag:
                return index
        return 0


class MissionWalk:
    """Which navigation item is being flown, and which DO items wait to be run beside it."""

    def __init__(self, store: MissionStore) -> None:
        self.store = store
        self.nav_index = 0
        """The current navigation item; 0 when there is none."""
        self.complete = False
        self.in_landing = self.in_return = False
        """Whether it has come to a landing sequence, or onto a return path."""
        self.notes: list[str] = []
        """What there is to say of jumps; whoever says it empties it."""
        self._due: list[int] = []
        self._jumps: dict[int, int] = {}

    def reset(self) -> None:
        """Back to the beginning."""
        self.nav_index = 0
        self.complete = self.in_landing = self.in_return = False
        self._due = []
        self._jumps.clear()

    def jump_to(self, index: int) -> bool:
        """Make the item at `index`, or the next navigation item behind it, the one to fly next."""
        if not 0 < index < len(self.store):
            return False
        self.complete = self.in_landing = self.in_return = False
        self.begun(self.store[index].command)
        return self._seek(index)

    def begun(self, command: int) -> None:
        """An item of this kind has been begun."""
        if command in (LAND, LAND_START):
            self.in_landing = True
        elif command == RETURN_PATH_START:
            self.in_return = True
        elif command == TAKEOFF:
            self.in_landing = self.in_return = False

    def advance(self) -> bool:
        """On to the next navigation item. False at the end of the mission."""
        return self._seek(self.nav_index + 1)

    def _seek(self, start: int) -> bool:
        found, self._due = self._next_nav(start, counting=True)
        if found is None:
            self.complete, self.in_landing, self.in_return = True, False, False
            return False
        self.nav_index = found
        return True

    def _next_nav(self, start: int, counting: bool) -> tuple[int | None, list[int]]:
        """Index of the first navigation item at or after `start`, and the DO items on the way there. Follows
        jumps, and counts them when `counting`; a jump to nowhere ends the mission."""
        index, hops, first = start, 0, 0
        due: list[int] = []
        while 0 < index < len(self.store):
            item = self.store[index]
            if item.command in (JUMP, JUMP_TO_TAG):
                target = int(item.p1) if item.command == JUMP else self.store.tag_index(int(item.p1))
                hops += 1
                if (
                    hops > _MOST_JUMPS
                    or not 0 < target < len(self.store)
                    or (not counting and first == index)
                ):
                    return None, due
                first = first or index
                if self._jumps_on(index, int(item.p2), counting):
                    index = target
                    continue
            elif item.command in NAV_COMMANDS:
                return index, due
            else:
                due.append(index)
            index += 1
        return None, due

    def _jumps_on(self, index: int, times: int, counting: bool) -> bool:
        """Whether a jump is to be made once more; -1 is for ever. When it is used up it begins anew."""
        run = self._jumps.get(index, 0)
        if times != -1 and run >= times:
            if counting:
                self._jumps.pop(index, None)
            return False
        if counting:
            self._jumps[index] = run + 1
            left = f"{run + 1}/{times if times != -1 else 'unlimited'}"
            self.notes.append(f"Mission: {index} Jump {left}")
        return True

    def following(self, index: int | None = None) -> int | None:
        """Index of the navigation item after this one (the current one if not given), without going there."""
        return self._next_nav((self.nav_index if index is None else index) + 1, counting=False)[0]

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
        if item.frame not in FRAMES:
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
