"""Telemetry logs (.tlog): packets, each behind its time in microseconds (64 bit, big-endian).

So write QGroundControl, Mission Planner, MAVProxy and our own recorder. A tlog holds both directions.
"""

from __future__ import annotations

import datetime as dt
import mmap
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import LogError
from flight.logs.flight_log import FlightLog, LogText, ModeChange, in_order, utc
from flight.logs.track import TrackPoint, track_point
from flight.modes import mode_name
from flight.photos.events import camera_event
from flight.status_texts import StatusText, belongs_to, status_text
from flight.wire import Message, Parser
from plans.mission import CameraEvent

_FIRST_US, _LAST_US = 946_684_800_000_000, 4_102_444_800_000_000  # the years 2000 to 2100
_V1, _V2 = mavlink.PROTOCOL_MARKER_V1, mavlink.PROTOCOL_MARKER_V2
_SEARCH_BYTES = 1 << 16
_READ = {
    mavlink.MAVLINK_MSG_ID_HEARTBEAT,
    mavlink.MAVLINK_MSG_ID_GLOBAL_POSITION_INT,
    mavlink.MAVLINK_MSG_ID_STATUSTEXT,
    mavlink.MAVLINK_MSG_ID_CAMERA_FEEDBACK,
    mavlink.MAVLINK_MSG_ID_CAMERA_IMAGE_CAPTURED,
}


@dataclass(frozen=True)
class Packet:
    """One packet of a tlog, not yet decoded."""

    time_us: int
    data: bytes

    @property
    def message_id(self) -> int:
        """The number of its message."""
        if self.data[0] == _V1:
            return self.data[5]
        return int.from_bytes(self.data[7:10], "little")

    @property
    def sysid(self) -> int:
        """Who sent it."""
        return self.data[3] if self.data[0] == _V1 else self.data[5]

    @property
    def compid(self) -> int:
        """Which part of it."""
        return self.data[4] if self.data[0] == _V1 else self.data[6]

    @property
    def time_utc(self) -> dt.datetime:
        """When it was recorded."""
        return utc(self.time_us / 1e6)


def packets(path: Path) -> Iterator[Packet]:
    """The packets of a tlog, in the order of the file. Damaged stretches and a cut end are left out.

    Raises LogError when the file cannot be read or holds no packets.
    """
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise LogError(f"{path}: is empty; nothing was recorded")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield from _packets_in(data, path)
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror}); name a log file") from None


def _packets_in(data: mmap.mmap, path: Path) -> Iterator[Packet]:
    at, size, found = 0, len(data), False
    while at + 8 < size:
        length = _record_length(data, at, size)
        if length:
            (time_us,) = struct.unpack_from(">Q", data, at)
            yield Packet(time_us, data[at + 8 : at + length])
            at += length
            found = True
        else:
            at += 1
            if not found and at > _SEARCH_BYTES:
                break
    if not found:
        raise LogError(f"{path}: is not a telemetry log; give a .tlog, .BIN, .log or .ulg file")


def _record_length(data: mmap.mmap, at: int, size: int) -> int:
    """The length of the record that begins here, 0 where none does."""
    if at + 8 + 12 > size or data[at + 8] not in (_V1, _V2):
        return 0
    (time_us,) = struct.unpack_from(">Q", data, at)
    if not _FIRST_US <= time_us <= _LAST_US:
        return 0
    if data[at + 8] == _V1:
        length = 8 + data[at + 9] + 8
    else:
        signed = data[at + 10] & mavlink.MAVLINK_IFLAG_SIGNED
        length = 8 + data[at + 9] + 12 + (mavlink.MAVLINK_SIGNATURE_BLOCK_LEN if signed else 0)
    end = at + length
    if end > size:
        return 0
    followed = end + 8 >= size or data[end + 8] in (_V1, _V2)
    return length if followed or decode(Packet(time_us, data[at + 8 : end])) is not None else 0


def decode(packet: Packet) -> Message | None:
    """The message of a packet, None when its checksum is wrong or it is not known here."""
    messages = Parser().feed(packet.data)
    if not messages or messages[0].get_type().startswith("UNKNOWN"):
        return None
    return messages[0]


def message_name(message_id: int) -> str:
    """The name of a message number."""
    known = mavlink.mavlink_map.get(message_id)
    return str(known.msgname) if known else f"message {message_id}"


def read_tlog(path: Path, sysid: int | None = None) -> FlightLog:
    """Read a tlog: of the vehicle with `sysid`, or of the one vehicle that it tells most of.

    Raises LogError.
    """
    reader = _Reader()
    for packet in packets(path):
        reader.take(packet)
    return reader.log(path, sysid)


class _Reader:
    """Sorts the packets of one log, per vehicle."""

    def __init__(self) -> None:
        self.counts: dict[int, Counter[int]] = {}
        self.autopilots: dict[int, Message] = {}
        self.modes: dict[int, list[ModeChange]] = {}
        self.texts: dict[int, list[StatusText]] = {}
        self.tracks: dict[int, list[TrackPoint]] = {}
        self.events: dict[int, dict[str, list[tuple[int, CameraEvent]]]] = {}
        self.first_us: int | None = None
        self.last_us = 0

    def take(self, packet: Packet) -> None:
        self.first_us = packet.time_us if self.first_us is None else self.first_us
        self.last_us = max(self.last_us, packet.time_us)
        self.counts.setdefault(packet.sysid, Counter())[packet.message_id] += 1
        if packet.message_id not in _READ:
            return
        message = decode(packet)
        if message is None:
            return
        sysid, now = packet.sysid, packet.time_utc
        kind = message.get_type()
        if kind == "HEARTBEAT":
            self._heartbeat(sysid, message, now)
        elif kind == "STATUSTEXT":
            self._text(sysid, message, now)
        elif (point := track_point(message, now)) is not None:
            self.tracks.setdefault(sysid, []).append(point)
        elif (event := camera_event(message, now)) is not None:
            self.events.setdefault(sysid, {}).setdefault(kind, []).append((sysid, event))

    def _heartbeat(self, sysid: int, message: Message, now: dt.datetime) -> None:
        if message.autopilot == mavlink.MAV_AUTOPILOT_INVALID:
            return
        self.autopilots[sysid] = message
        mode = mode_name(message.autopilot, message.type, message.custom_mode)
        modes = self.modes.setdefault(sysid, [])
        if not modes or modes[-1].mode != mode:
            modes.append(ModeChange(now, mode))

    def _text(self, sysid: int, message: Message, now: dt.datetime) -> None:
        texts = self.texts.setdefault(sysid, [])
        said = status_text(message, now.timestamp())
        at = belongs_to(texts, said)
        if at is None:
            texts.append(said)
        else:
            texts[at] = texts[at].joined(said)

    def log(self, path: Path, sysid: int | None) -> FlightLog:
        chosen = self._vehicle(path, sysid)
        heartbeat = self.autopilots.get(chosen)
        by_kind = self.events.get(chosen, {})
        # a camera that speaks for itself knows better than its autopilot
        told = by_kind.get("CAMERA_IMAGE_CAPTURED") or by_kind.get("CAMERA_FEEDBACK") or []
        return FlightLog(
            path=path,
            kind="tlog",
            sysid=chosen,
            vehicle=_vehicle_words(heartbeat),
            started_utc=None if self.first_us is None else utc(self.first_us / 1e6),
            ended_utc=utc(self.last_us / 1e6) if self.last_us else None,
            messages={message_name(i): n for i, n in self.counts.get(chosen, Counter()).items()},
            modes=tuple(self.modes.get(chosen, ())),
            texts=tuple(LogText(utc(t.at_s), t.severity, t.text) for t in self.texts.get(chosen, ())),
            camera_events=tuple(e for e in in_order(told) if e.captured),
            track=tuple(self.tracks.get(chosen, ())),
        )

    def _vehicle(self, path: Path, sysid: int | None) -> int:
        if sysid is not None:
            if sysid not in self.counts:
                known = ", ".join(str(s) for s in sorted(self.autopilots)) or "none"
                raise LogError(f"{path}: holds nothing of vehicle {sysid}; it holds: {known}")
            return sysid
        with_photos = [s for s in self.autopilots if s in self.events]
        if len(with_photos) > 1:
            names = ", ".join(str(s) for s in sorted(with_photos))
            raise LogError(f"{path}: holds photos of vehicles {names}; say which one with --vehicle")
        candidates = with_photos or list(self.autopilots) or list(self.counts)
        return max(candidates, key=lambda s: self.counts[s].total(), default=0)


def _vehicle_words(heartbeat: Message | None) -> str:
    if heartbeat is None:
        return ""
    autopilot = _enum_words("MAV_AUTOPILOT", heartbeat.autopilot)
    words = {"ardupilotmega": "ArduPilot", "px4": "PX4"}.get(autopilot, autopilot)
    return f"{words} {_enum_words('MAV_TYPE', heartbeat.type)}"


def _enum_words(enum: str, value: int) -> str:
    entry = mavlink.enums[enum].get(value)
    return str(entry.name).removeprefix(enum + "_").lower().replace("_", " ") if entry else str(value)
