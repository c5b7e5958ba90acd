"""MAVLink 2 on the wire: bytes to messages and back, over pymavlink's ardupilotmega dialect.

The only module of flight that the simulator shares. No sockets, no state machines.
"""

from __future__ import annotations

import math
import re
import struct
import time
from collections.abc import Callable
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from plans.mission import AltitudeFrame, MissionItem

Message = Any
"""A pymavlink message object (MAVLink_message); pymavlink's classes carry no types."""

AUTOPILOT_COMPONENT = 1
STATION_COMPONENT = 190
_MARKERS = (mavlink.PROTOCOL_MARKER_V1, mavlink.PROTOCOL_MARKER_V2)
_STALE_S = 1.0

_TO_INT_FRAME = {0: 5, 3: 6, 10: 11}
_FROM_INT_FRAME = {value: key for key, value in _TO_INT_FRAME.items()}
_DEGREES = 1e7


class Parser:
    """Bytes in any portions to whole, checked messages. Garbage between them costs nothing but itself.

    Frames are found by their own length and checksum; after a bad checksum the search goes on one byte
    later, so that a false start marker in noise does not swallow the messages behind it. An unfinished
    frame is given up when its rest has not come for a second. A message that is not known has no checksum
    that we could check: it counts when another one begins right behind it, or nothing comes for a second.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._mav = mavlink.MAVLink(None)
        self._buffer = bytearray()
        self._clock = clock
        self._waiting_since = clock()
        self.bad_bytes = 0

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes, oldest first. Never raises."""
        now = self._clock()
        self._buffer += data
        messages: list[Message] = []
        start, size = 0, len(self._buffer)
        stale = now - self._waiting_since > _STALE_S
        while start < size:
            if self._buffer[start] not in _MARKERS:
                start += 1
                self.bad_bytes += 1
                continue
            length = self._frame_length(start)
            if length is None or start + length > size:
                if not stale:
                    break
                stale = False
                message = None
            else:
                message = self._decode(bytes(self._buffer[start : start + length]))
                if message is not None and message.get_msgId() == mavlink.MAVLINK_MSG_ID_UNKNOWN:
                    if start + length == size and not stale:
                        break
                    if start + length < size and self._buffer[start + length] not in _MARKERS:
                        message = None
            if message is None:
                start += 1
                self.bad_bytes += 1
            else:
                assert length is not None
                start += length
                stale = False
                messages.append(message)
        del self._buffer[:start]
        if start or not self._buffer:
            self._waiting_since = now
        return messages

    def _frame_length(self, start: int) -> int | None:
        if len(self._buffer) < start + 3:
            return None
        payload = self._buffer[start + 1]
        if self._buffer[start] == mavlink.PROTOCOL_MARKER_V1:
            return payload + mavlink.HEADER_LEN_V1 + 2
        signed = self._buffer[start + 2] & mavlink.MAVLINK_IFLAG_SIGNED
        return payload + mavlink.HEADER_LEN_V2 + 2 + (mavlink.MAVLINK_SIGNATURE_BLOCK_LEN if signed else 0)

    def _decode(self, frame: bytes) -> Message | None:
        if frame[0] == mavlink.PROTOCOL_MARKER_V2 and frame[2] & ~mavlink.MAVLINK_IFLAG_SIGNED:
            return None  # a flag that we must understand and do not
        try:
            message = self._mav.decode(bytearray(frame))
        except (mavlink.MAVError, struct.error):
            return None
        if message.get_msgId() == mavlink.MAVLINK_MSG_ID_UNKNOWN:
            _name_sender(message, frame)
        return message


def _name_sender(message: Message, frame: bytes) -> None:
    """A message that this dialect does not have was sent by somebody too, and had a running number."""
    at = 4 if frame[0] == mavlink.PROTOCOL_MARKER_V2 else 2
    seq, system, component = frame[at : at + 3]
    message._header = mavlink.MAVLink_header(message.get_msgId(), 0, 0, frame[1], seq, system, component)


class Encoder:
    """Messages to MAVLink 2 bytes under one system and component id, with their own running sequence."""

    def __init__(self, sysid: int, compid: int = STATION_COMPONENT) -> None:
        if not 1 <= sysid <= 255 or not 0 <= compid <= 255:
            raise ValueError(f"system id {sysid}, component id {compid}: out of range")
        self.sysid = sysid
        self.compid = compid
        self._mav = mavlink.MAVLink(None, srcSystem=sysid, srcComponent=compid)

    def encode(self, message: Message) -> bytes:
        """The packet of one message; the sequence number moves on."""
        packet = bytes(message.pack(self._mav))
        self._mav.seq = (self._mav.seq + 1) % 256
        return packet


def source_of(packet: bytes) -> int:
    """The system that a packet, or what begins with one, is from; 0 where none begins."""
    if packet[:1] == b"\xfd" and len(packet) > 5:
        return packet[5]
    return packet[3] if packet[:1] == b"\xfe" and len(packet) > 3 else 0


def target_of(packet: bytes) -> int:
    """The system that a whole packet is for; 0 for everybody, and for what is no packet."""
    if packet[:1] == b"\xfd" and len(packet) >= mavlink.HEADER_LEN_V2:
        number, head = int.from_bytes(packet[7:10], "little"), mavlink.HEADER_LEN_V2
    elif packet[:1] == b"\xfe" and len(packet) >= mavlink.HEADER_LEN_V1:
        number, head = packet[5], mavlink.HEADER_LEN_V1
    else:
        return 0
    at = _TARGETS.get(number)
    if at is None or at >= packet[1] or head + at >= len(packet):
        return 0
    return packet[head + at]


def _target_at(kind: Message) -> int:
    before = kind.ordered_fieldnames.index("target_system")
    fields = re.findall(r"\d*[a-zA-Z]", kind.unpacker.format)
    return struct.calcsize("<" + "".join(fields[:before]))


_TARGETS = {
    number: _target_at(kind)
    for number, kind in mavlink.mavlink_map.items()
    if "target_system" in kind.fieldnames
}
"""Where in its payload a message names the system that it is for."""


def packet_of(message: Message) -> bytes:
    """The raw bytes that a parsed message came in."""
    return bytes(message.get_msgbuf())


def item_to_message(
    item: MissionItem,
    seq: int,
    target_system: int,
    target_component: int = AUTOPILOT_COMPONENT,
    mission_type: int = mavlink.MAV_MISSION_TYPE_MISSION,
    current: int = 0,
) -> Message:
    """MISSION_ITEM_INT of an item: frames by their _INT twins, degrees times 1e7. NaN parameters stay."""
    scale = 1.0 if item.frame == AltitudeFrame.MISSION else _DEGREES
    return mavlink.MAVLink_mission_item_int_message(
        target_system,
        target_component,
        seq,
        _TO_INT_FRAME.get(int(item.frame), int(item.frame)),
        int(item.command),
        current,
        int(item.autocontinue),
        *item.params,
        _scaled(item.lat_deg, scale),
        _scaled(item.lon_deg, scale),
        item.alt_m,
        mission_type,
    )


def message_to_item(message: Message) -> MissionItem:
    """The item in a MISSION_ITEM_INT or MISSION_ITEM; _INT frames become their plain twins."""
    frame = _FROM_INT_FRAME.get(message.frame, message.frame)
    whole = message.get_type() == "MISSION_ITEM_INT" and frame != AltitudeFrame.MISSION
    scale = _DEGREES if whole else 1.0
    return MissionItem(
        command=message.command,
        frame=frame,
        params=(message.param1, message.param2, message.param3, message.param4),
        lat_deg=message.x / scale,
        lon_deg=message.y / scale,
        alt_m=message.z,
        autocontinue=bool(message.autocontinue),
    )


def _scaled(value: float, scale: float) -> int:
    return 0 if math.isnan(value) else round(value * scale)


def station_heartbeat() -> Message:
    """The heartbeat of a ground station."""
    return mavlink.MAVLink_heartbeat_message(
        mavlink.MAV_TYPE_GCS, mavlink.MAV_AUTOPILOT_INVALID, 0, 0, mavlink.MAV_STATE_ACTIVE, 3
    )


def vehicle_heartbeat(
    vehicle_type: int, autopilot: int, base_mode: int, custom_mode: int, system_status: int
) -> Message:
    """The heartbeat of a vehicle."""
    return mavlink.MAVLink_heartbeat_message(
        vehicle_type, autopilot, base_mode, custom_mode, system_status, 3
    )


def encode_text(text: str, field_bytes: int) -> bytes:
    """A char[] field: UTF-8, cut to the field's size at a whole character."""
    return text.encode("utf-8")[:field_bytes].decode("utf-8", "ignore").encode("utf-8")


def decode_text(value: str | bytes) -> str:
    """A char[] field as text, up to its first zero."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return text.split("\0", 1)[0]
