"""Extension fields that pymavlink's dialect does not carry: the marks of a PX4's lists (opaque_id of
MISSION_ACK and MISSION_COUNT; mission_id, fence_id and rally_points_id of MISSION_CURRENT)."""

from __future__ import annotations

import struct
from typing import Any

from flight.wire import Message


def with_marks(message: Message, *marks: int) -> Message:
    """The message with numbers of 32 bits behind its own fields."""
    values = [getattr(message, name) for name in message.ordered_fieldnames]
    payload = message.unpacker.pack(*values) + struct.pack(f"<{len(marks)}I", *marks)

    def pack(mav: Any, force_mavlink1: bool = False) -> bytes:
        return bytes(message._pack(mav, message.crc_extra, payload, force_mavlink1))

    message.pack = pack
    return message
