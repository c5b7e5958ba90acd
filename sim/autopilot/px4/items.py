"""Mission items as PX4 takes, keeps and gives them back (mavlink_mission.cpp, 1.16)."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sim.autopilot.items import Item, Result
from sim.autopilot.mission import FENCE_COMMANDS, RALLY_COMMANDS

WAYPOINT, LOITER_UNLIM, LOITER_TIME, RTL, LAND, TAKEOFF, LOITER_TO_ALT = 16, 17, 19, 20, 21, 22, 31
ROI_OLD, DELAY, CONDITION_DELAY, CONDITION_DISTANCE, GATE = 80, 93, 112, 114, 4501
JUMP, CHANGE_SPEED, SET_HOME, LAND_START = 177, 178, 179, 189
ROI_LOCATION, ROI_NONE, ROI, DIGICAM, MOUNT_CONTROL, TRIGGER_DISTANCE = 195, 197, 201, 203, 205, 206
TRIGGER_INTERVAL, GIMBAL, TRIGGER_CONTROL = 214, 1000, 2003
VTOL_TAKEOFF, VTOL_LAND = 84, 85

WITH_PLACE = frozenset({WAYPOINT, LOITER_UNLIM, LOITER_TIME, LAND, TAKEOFF, LOITER_TO_ALT})
"""Items that are flown to."""
_PLACED = (
    WITH_PLACE
    | {ROI_OLD, ROI_LOCATION, ROI, VTOL_TAKEOFF, VTOL_LAND, GATE}
    | (FENCE_COMMANDS | RALLY_COMMANDS)
)
_ORDERS = frozenset(
    {RTL, ROI_OLD, DELAY, CONDITION_DELAY, CONDITION_DISTANCE, JUMP, CHANGE_SPEED, SET_HOME, LAND_START}
    | {196, ROI_NONE, ROI, 200, DIGICAM, 204, MOUNT_CONTROL, TRIGGER_DISTANCE, TRIGGER_INTERVAL}
    | {187, 211, 260, 42600, 530, 532, 534, GIMBAL, 1001, 2000, 2001, TRIGGER_CONTROL, 2500, 2501, 3000}
)
NEVER_FLOWN = frozenset({CONDITION_DELAY, CONDITION_DISTANCE})
"""Taken into a mission, and then no mission is valid with them."""
_ABSOLUTE, _RELATIVE, _MISSION = (0, 5), (3, 6), 2
_YAWS = frozenset({WAYPOINT, LOITER_UNLIM, LAND, TAKEOFF, VTOL_TAKEOFF, VTOL_LAND})


def check(item: Item) -> Result:
    """What PX4 says to an item."""
    if item.frame in (*_ABSOLUTE, *_RELATIVE):
        if item.command not in _PLACED:
            return Result.UNSUPPORTED
        if item.command in (ROI, ROI_OLD) and _whole(item.p1) not in (0, 3):
            return Result.INVALID_PARAM1
        return Result.ACCEPTED
    if item.frame != _MISSION:
        return Result.UNSUPPORTED_FRAME
    if item.command not in _ORDERS:
        return Result.UNSUPPORTED
    if item.command in (ROI, ROI_OLD) and _whole(item.p1) not in (0, 1, 2):
        return Result.INVALID_PARAM1
    return Result.ACCEPTED


def _whole(value: float) -> int:
    return int(value) if math.isfinite(value) else 0


def _heading(deg: float) -> float:
    return deg % 360.0 if math.isfinite(deg) else math.nan


def as_kept(item: Item) -> Item:
    """The item as it reads back; what PX4 keeps no room for is lost."""
    if item.frame == _MISSION:
        if item.command == JUMP:
            return replace(item, p1=float(_whole(item.p1)), p2=float(_whole(item.p2)))
        return item
    frame, kept = 5 if item.frame in _ABSOLUTE else 6, (0.0, 0.0, 0.0, 0.0)
    command, yaw = ROI if item.command == ROI_OLD else item.command, _heading(item.p4)
    if command == WAYPOINT:
        kept = item.p1, item.p2, 0.0, yaw
    elif command == LOITER_UNLIM:
        kept = 0.0, 0.0, item.p3, yaw
    elif command == LOITER_TIME:
        kept = item.p1, float(item.p2 > 0), item.p3, float(item.p4 > 0)
    elif command == LAND:
        kept = 0.0, float(_whole(item.p2)), 0.0, yaw
    elif command == LOITER_TO_ALT:
        kept = float(item.p1 > 0), item.p2, 0.0, float(item.p4 > 0)
    elif command in _YAWS:
        kept = 0.0, 0.0, 0.0, yaw
    elif command in (5001, 5002):
        kept = float(int(item.p1 + 0.5)), 0.0, 0.0, 0.0
    elif command in (5003, 5004):
        kept = item.p1, 0.0, 0.0, 0.0
    p1, p2, p3, p4 = kept
    return replace(item, command=command, frame=frame, p1=p1, p2=p2, p3=p3, p4=p4)


def mark_of(items: Iterable[Item]) -> int:
    """The opaque_id of a list: a checksum of its items as they came (frame, command, autocontinue, seven
    numbers)."""
    crc = 0xFFFFFFFF
    for item in items:
        numbers = struct.pack("<4f", item.p1, item.p2, item.p3, item.p4)
        place = struct.pack("<iif", item.x, item.y, item.z)
        crc = zlib.crc32(struct.pack("<BHB", item.frame, item.command, 1) + numbers + place, crc)
    return crc ^ 0xFFFFFFFF


@dataclass(frozen=True)
class ListStore:
    """Mission, fence or rally points: the whole list is changed at once, never in part."""

    kept: tuple[Item, ...] = ()
    mark: int = 0

    def __len__(self) -> int:
        return len(self.kept)
