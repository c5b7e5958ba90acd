"""MAVLink 2 on the wire: bytes to messages and back. The only module of flight that sim may use.

Source: MAVLink common.xml and ardupilotmega.xml through pymavlink's generated dialect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from plans.mission import MissionItem

Message = Any
"""A message of pymavlink's dialect: `get_type()`, `get_srcSystem()` and its fields as attributes."""

_INT_FRAMES = {0: 5, 3: 6, 10: 11}  # GLOBAL, GLOBAL_RELATIVE_ALT, GLOBAL_TERRAIN_ALT to their _INT twins
_FLOAT_FRAMES = {v: k for k, v in _INT_FRAMES.items()}


class Parser:
    """Messages out of a byte stream; garbage and unknown messages are counted and passed over."""

    def __init__(self) -> None:
        self._codec = mavlink.MAVLink(None)
        self._codec.robust_parsing = True
        self.bad = 0

    def feed(self, data: bytes) -> list[Message]:
        """Every whole message that these bytes complete, in order."""
        messages = self._codec.parse_buffer(data) or []
        good = [m for m in messages if m.get_type() != "BAD_DATA" and not m.get_type().startswith("UNKNOWN")]
        self.bad += len(messages) - len(good)
        return good


class Encoder:
    """Messages to bytes, with one component's ids and its sequence numbers."""

    def __init__(self, sysid: int, compid: int) -> None:
        self._codec = mavlink.MAVLink(None, srcSystem=sysid, srcComponent=compid)
        self.sysid, self.compid = sysid, compid

    def encode(self, message: Message) -> bytes:
        """The packet (MAVLink 2) of a message."""
        packet = bytes(message.pack(self._codec, force_mavlink1=False))
        self._codec.seq = (self._codec.seq + 1) % 256
        return packet


def item_message(
    item: MissionItem, seq: int, target: tuple[int, int], mission_type: int = 0, current: bool = False
) -> Message:
    """MISSION_ITEM_INT of an item. Global frames go out as their _INT twins."""
    x, y = round(item.lat_deg * 1e7), round(item.lon_deg * 1e7)
    return mavlink.MAVLink_mission_item_int_message(
        target[0],
        target[1],
        seq,
        _INT_FRAMES.get(item.frame, item.frame),
        item.command,
        int(current),
        int(item.autocontinue),
        *item.params,
        x,
        y,
        item.alt_m,
        mission_type,
    )


def message_item(message: Message) -> MissionItem:
    """The item of a MISSION_ITEM_INT or MISSION_ITEM."""
    scale = 1e-7 if message.get_type() == "MISSION_ITEM_INT" else 1.0
    return MissionItem(
        command=message.command,
        frame=_FLOAT_FRAMES.get(message.frame, message.frame),
        params=(message.param1, message.param2, message.param3, message.param4),
        lat_deg=message.x * scale,
        lon_deg=message.y * scale,
        alt_m=message.z,
        autocontinue=bool(message.autocontinue),
    )


def item_differences(sent: MissionItem, held: MissionItem) -> list[str]:
    """What differs between an item as sent and as a vehicle reads it back, in words.

    Not counted: rounding (7 digits of a degree, a centimetre, float32), NaN that came back as 0, and the
    frame and place of items that have no place (ArduPilot stores frame 2 as 0).
    """
    found = []
    if sent.command != held.command:
        found.append(f"command {sent.command} became {held.command}")
    for number, (a, b) in enumerate(zip(sent.params, held.params, strict=True), start=1):
        if not _same_number(a, b):
            found.append(f"param{number} {a:g} became {b:g}")
    if sent.has_place:
        if sent.frame != held.frame:
            found.append(f"frame {sent.frame} became {held.frame}")
        if abs(sent.lat_deg - held.lat_deg) > 2e-7 or abs(sent.lon_deg - held.lon_deg) > 2e-7:
            found.append(
                f"place {sent.lat_deg:.7f},{sent.lon_deg:.7f} became {held.lat_deg:.7f},{held.lon_deg:.7f}"
            )
        if abs(sent.alt_m - held.alt_m) > 0.02:
            found.append(f"altitude {sent.alt_m:.2f} m became {held.alt_m:.2f} m")
    return found


def _same_number(a: float, b: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) == math.isnan(b) or a == 0 or b == 0
    return abs(a - b) <= max(1e-3, 1e-5 * abs(a))


def mission_differences(sent: Sequence[MissionItem], held: Sequence[MissionItem]) -> list[str]:
    """What differs between two missions, a line each."""
    found = [
        f"item {seq}: {text}"
        for seq, (a, b) in enumerate(zip(sent, held, strict=False))
        for text in item_differences(a, b)
    ]
    if len(sent) != len(held):
        found.insert(0, f"{len(sent)} items were sent, the vehicle holds {len(held)}")
    return found
