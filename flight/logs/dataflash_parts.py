"""Parts of a DataFlash log: messages found in bytes that begin and end anywhere.

Every message begins with A3 95 and its type; FMT messages, the first of the log, tell the length and the
fields of each type (https://ardupilot.org/dev/docs/code-overview-adding-a-new-log-message.html).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flight.logs.dataflash import MAGIC
from flight.logs.flight_log import gps_utc
from flight.logs.ranges import LoggedPhoto

_FMT = 128
_FMT_BODY = struct.Struct("<BB4s16s64s")
_FMT_BYTES = 3 + _FMT_BODY.size
_SIZES = {"a": "64s", "n": "4s", "N": "16s", "Z": "64s", "c": "h", "C": "H", "e": "i", "E": "I", "L": "i"}
_SIZES |= {"M": "B", "g": "e"} | {char: char for char in "bBhHiIfdqQ"}
_LAST_HEAD = "PARM"
"""What the vehicle writes next after its FMTs."""
_FIX_3D = 3


@dataclass(frozen=True)
class Format:
    """What a type of message holds: its name, its length with the three bytes before, its fields."""

    name: str
    length: int
    fields: tuple[str, ...]
    body: struct.Struct


@dataclass(frozen=True)
class Part:
    """One message, where it begins in the bytes it was found in."""

    start: int
    format: Format
    raw: bytes

    def values(self) -> dict[str, float]:
        """Its fields by name, as they are stored (latitudes in 1e-7 degrees, and so on)."""
        return dict(zip(self.format.fields, self.format.body.unpack_from(self.raw, 3), strict=False))


class Layout:
    """The formats of one log, out of its beginning (a flight.logs.ranges.LogLayout)."""

    suffix = ".BIN"

    def __init__(self, head: bytes) -> None:
        self.formats: dict[int, Format] = {_FMT: Format("FMT", _FMT_BYTES, (), _FMT_BODY)}
        self.head_bytes = 0
        """So long is what describes; 0 while more is to come."""
        at = 0
        while head[at : at + 2] == MAGIC and at + 3 <= len(head):
            known = self.formats.get(head[at + 2])
            if known is None or at + known.length > len(head):
                break
            if head[at + 2] == _FMT:
                self._take(_FMT_BODY.unpack_from(head, at + 3))
            elif known.name == _LAST_HEAD:
                self.head_bytes = at
                break
            at += known.length
        self._head = head[: self.head_bytes]

    def _take(self, described: tuple[int, int, bytes, bytes, bytes]) -> None:
        number, length, name, chars, labels = described
        shape = "<" + "".join(_SIZES.get(char, "") for char in _text(chars))
        fields = tuple(_text(labels).split(","))
        if length > 3 and struct.calcsize(shape) + 3 <= length:
            self.formats[number] = Format(_text(name), length, fields, struct.Struct(shape))

    def parts(self, data: bytes) -> Iterator[Part]:
        """The whole messages in bytes that may begin and end in the midst of one. A beginning counts where
        another message begins at its end."""
        at, sure = data.find(MAGIC), False
        while 0 <= at <= len(data) - 3:
            known = self.formats.get(data[at + 2]) if data[at : at + 2] == MAGIC else None
            if known is not None:
                end = at + known.length
                follows = data[end : end + 2]
                if end <= len(data) and (follows == MAGIC[: len(follows)] if follows else sure):
                    yield Part(at, known, data[at:end])
                    at, sure = end, True
                    continue
            at, sure = data.find(MAGIC, at + 1), False

    @property
    def numbers_photos(self) -> bool:
        """Whether it tells the numbers of photos: logs before ArduPilot 4.0 do not."""
        return any(f.name == "CAM" and "Img" in f.fields for f in self.formats.values())

    def begins_s(self, data: bytes) -> float | None:
        """The log's clock where `data` begins; None where no message in it tells a time."""
        timed = (p.raw for p in self.parts(data) if p.format.fields[:1] == ("TimeUS",))
        return next((int.from_bytes(raw[3:11], "little") / 1e6 for raw in timed), None)

    def photos(self, data: bytes) -> Iterator[LoggedPhoto]:
        """The photos of the first camera."""
        for part in self.parts(data):
            if part.format.name == "CAM":
                values = part.values()
                if values.get("I", 0) == 0:
                    place = values["Lat"] / 1e7, values["Lng"] / 1e7
                    yield LoggedPhoto(int(values["Img"]), values["TimeUS"] / 1e6, *place)

    def ahead_s(self, data: bytes) -> float | None:
        """How far the log's clock is ahead of UTC, by a GPS time in `data`."""
        for part in self.parts(data):
            if part.format.name == "GPS":
                values = part.values()
                if values.get("Status", 0) >= _FIX_3D and values.get("I", 0) == 0 and values["GWk"] > 0:
                    return values["TimeUS"] / 1e6 - gps_utc(values["GWk"], values["GMS"]).timestamp()
        return None

    def excerpt(self, stretches: Iterable[bytes]) -> bytes:
        """A log of the beginning and what whole messages the stretches hold."""
        if not self.head_bytes:
            return b""
        found = (p.raw for data in stretches for p in self.parts(data) if p.format.name != "FMT")
        return self._head + b"".join(found)


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode("ascii", errors="replace")
