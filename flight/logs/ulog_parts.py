"""Parts of a ULog of PX4: messages found in bytes that begin and end anywhere.

A message is its size (2 bytes), its kind (a letter) and its body. F tells the fields of a topic, A the number
that it has in this log, D are its data: the number, a time in microseconds, the other fields
(https://docs.px4.io/main/en/dev_log/ulog_file_format.html). An A may stand in the midst of the log, where a
topic was first published: the number of the photos is then told by one that was heard of, wherever it is met.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median_low

from flight.logs.ranges import Knows, LoggedPhoto

_FILE_HEAD_BYTES = 16
_HEADER = struct.Struct("<HB")
_SYNC = bytes.fromhex("2f731320250cbb12")
_CHARS = {"int8_t": "b", "uint8_t": "B", "bool": "?", "char": "c", "int16_t": "h", "uint16_t": "H"}
_CHARS |= {"int32_t": "i", "uint32_t": "I", "int64_t": "q", "uint64_t": "Q", "float": "f", "double": "d"}
_FIELD = re.compile(r"(\w+)(?:\[(\d{1,5})\])? (\w+)")
_BEGINNING = re.compile(rb"[\x00-\xff][\x00-\x0f][DALCSOPQIMR]", re.DOTALL)
"""A header that may be one: no message is longer than 4 kB."""
_DATA, _SYNC_KIND, _LEVELLED = ord("D"), ord("S"), b"LC"
_LEVELS = b"01234567"
_LONGEST_TEXT_BYTES = 139
_LENGTHS = {ord("A"): (4, 258), ord("O"): (2, 2), ord("R"): (2, 2)}
_LENGTHS |= dict.fromkeys(b"PQIM", (3, 2047))
"""The least and most bytes of the other kinds."""
_LOOKED_AT_BYTES = 8
_AGREEING = 3
_DEEPEST = 8
_TIMES = 9
"""The middle of so many times tells the moment: a topic that is new may bring an old one."""
_CAPTURE = "camera_capture"
_GPS = ("sensor_gps", "vehicle_gps_position")
_SINCE_2001_US = 1_000_000_000_000_000
_APPENDED = 1
"""The flag in B of data appended at offsets."""


@dataclass(frozen=True)
class Topic:
    """What a topic's data hold: where its fields lie and how they are packed; `sizes` are those that its data
    may have, since the log leaves out the padding at the end."""

    name: str
    fields: Mapping[str, tuple[int, str]]
    sizes: frozenset[int]

    def value(self, data: bytes, field: str) -> float:
        """A field of its data, which are whole."""
        at, char = self.fields[field]
        found: float = struct.unpack_from("<" + char, data, at)[0]
        return found

    def has(self, *fields: str) -> bool:
        """Whether it has all these fields."""
        return all(field in self.fields for field in fields)


@dataclass(frozen=True)
class Part:
    """One message. `topic` is that of data whose number is known."""

    kind: str
    raw: bytes
    topic: Topic | None = None

    @property
    def number(self) -> int:
        """The number in this log of a D's topic."""
        return int.from_bytes(self.raw[3:5], "little")

    @property
    def data(self) -> bytes:
        """The fields of a D."""
        return self.raw[5:]

    @property
    def time_s(self) -> float:
        """The time of a D."""
        return int.from_bytes(self.raw[5:13], "little") / 1e6


class UlogLayout:
    """The topics of one log, out of its beginning and what was met since (a flight.logs.ranges.LogLayout)."""

    suffix = ".ulg"

    def __init__(self, head: bytes, knows: Knows = lambda number, lat_deg, lon_deg: False) -> None:
        self.head_bytes = 0
        self._knows = knows
        self._head = b""
        self._topics: dict[int, Topic] = {}
        self._added: dict[int, bytes] = {}
        """The A of each number."""
        shapes: dict[str, str] = {}
        added: list[bytes] = []
        head_parts = [head[:_FILE_HEAD_BYTES]]
        at = _FILE_HEAD_BYTES
        while at + 3 <= len(head):
            size, kind = _HEADER.unpack_from(head, at)
            raw = head[at : at + 3 + size]
            if kind == _DATA:
                self.head_bytes = at
                break
            if kind == ord("F"):
                name, _, shape = _text(raw[3:]).partition(":")
                shapes[name] = shape
            if kind == ord("A"):
                added.append(raw)
            else:
                head_parts.append(_without_appended(raw) if kind == ord("B") else raw)
            at += 3 + size
        self._described = {name: _topic(name, shapes) for name in shapes}
        self._any_size = frozenset(size for topic in self._described.values() for size in topic.sizes)
        self._capture = self._described.get(_CAPTURE)
        if self.head_bytes:
            self._head = b"".join(head_parts)
        for raw in added:
            self._add(raw)

    @property
    def numbers_photos(self) -> bool:
        """Whether it may tell of photos."""
        return self._capture is not None and self._capture.has("timestamp", "seq", "lat", "lon")

    def _add(self, raw: bytes) -> None:
        number, topic = int.from_bytes(raw[4:6], "little"), self._described.get(_text(raw[6:]))
        if topic is not None and number not in self._added:
            self._topics[number], self._added[number] = topic, raw

    # -- what it tells -------------------------------------------------------------------------------------

    def begins_s(self, data: bytes) -> float | None:
        """The log's clock where `data` begins; None where no data are in it."""
        times_s = []
        for part in self.parts(data):
            if part.topic is not None:
                times_s.append(part.time_s)
                if len(times_s) == _TIMES:
                    break
        return median_low(times_s) if times_s else None

    def photos(self, data: bytes) -> Iterator[LoggedPhoto]:
        """The photos of the first camera, failed ones too."""
        if not self.numbers_photos:
            return
        if self._capture not in self._topics.values():
            self._learn(data)
        for part in self.parts(data):
            if part.topic is self._capture and self._added[part.number][3] == 0:
                photo = self._photo(part.data)
                if photo is not None:
                    yield photo

    def _photo(self, data: bytes) -> LoggedPhoto | None:
        """Data as a photo; None where they cannot be."""
        topic = self._capture
        if topic is None or not self.numbers_photos or len(data) not in topic.sizes:
            return None
        lat, lon = topic.value(data, "lat"), topic.value(data, "lon")
        if not (math.isfinite(lat) and math.isfinite(lon)):
            return None
        return LoggedPhoto(int(topic.value(data, "seq")), topic.value(data, "timestamp") / 1e6, lat, lon)

    def ahead_s(self, data: bytes) -> float | None:
        """How far the log's clock is ahead of UTC, by a GPS time in `data`."""
        for part in self.parts(data):
            if part.topic is not None and part.topic.name in _GPS and part.topic.has("time_utc_usec"):
                stamp = part.topic.value(part.data, "time_utc_usec")
                if stamp > _SINCE_2001_US:
                    return part.time_s - stamp / 1e6
        return None

    def excerpt(self, stretches: Iterable[bytes]) -> bytes:
        """A log by itself: the beginning, the numbers of all topics met, and the whole messages in some
        stretches of bytes. Empty while the beginning is not whole."""
        if not self.head_bytes:
            return b""
        kept = []
        for data in stretches:
            self._learn(data)
            kept += [p.raw for p in self.parts(data) if p.topic is not None or p.kind in "LCSO"]
        return self._head + b"".join(self._added.values()) + b"".join(kept)

    def _learn(self, data: bytes) -> None:
        """Take in the numbers of topics that are added in the midst of the log, and that of the photos where
        a photo is met that was heard of."""
        for part in self.parts(data):
            if part.kind == "A":
                self._add(part.raw)
            elif part.kind == "D" and part.topic is None:
                photo = self._photo(part.data)
                if photo is not None and self._knows(photo.number, photo.lat_deg, photo.lon_deg):
                    body = struct.pack("<BH", 0, part.number) + _CAPTURE.encode()
                    self._add(_HEADER.pack(len(body), ord("A")) + body)

    # -- messages ------------------------------------------------------------------------------------------

    def parts(self, data: bytes) -> Iterator[Part]:
        """The whole messages in bytes that may begin and end in the midst of one. A beginning counts where
        others follow it; where one is due, data of a known number and length are beyond doubt, if whatever
        follows them may be a message too."""
        at, due = 0, False
        while True:
            size, sure = self._message(data, at)
            if size and self._is_beginning(data, at, 2 if due and sure else _AGREEING):
                if at + size > len(data):
                    return
                yield self._part(data[at : at + size])
                at, due = at + size, True
                continue
            found = _BEGINNING.search(data, at + 1)
            if found is None:
                return
            at, due = found.start(), False

    def _part(self, raw: bytes) -> Part:
        kind = chr(raw[2])
        topic = self._topics.get(int.from_bytes(raw[3:5], "little")) if kind == "D" else None
        return Part(kind, raw, topic)

    def _is_beginning(self, data: bytes, at: int, agreeing: int = _AGREEING) -> bool:
        """Whether messages follow one another from here, as far as there are bytes, one of them beyond
        doubt."""
        one_is_sure = False
        for _ in range(agreeing):
            if at + _HEADER.size > len(data):
                break
            size, sure = self._message(data, at)
            if not size:
                return False
            one_is_sure |= sure and at + size <= len(data)
            at += size
        return one_is_sure

    def _message(self, data: bytes, at: int) -> tuple[int, bool]:
        """The length of the message that begins here, 0 where none can; and whether that is beyond doubt."""
        if at + _HEADER.size > len(data):
            return 0, False
        size, kind = _HEADER.unpack_from(data, at)
        body = data[at + 3 : at + 3 + min(size, _LOOKED_AT_BYTES)]
        sure = False
        if kind == _DATA:
            topic = self._topics.get(int.from_bytes(body[:2], "little")) if len(body) > 1 else None
            fits = size - 2 in (topic.sizes if topic is not None else self._any_size)
            sure = fits and topic is not None
        elif kind == _SYNC_KIND:
            fits = size == len(_SYNC) and _SYNC.startswith(body)
            sure = fits and len(body) == size
        elif kind in _LEVELLED:
            fits = 9 <= size <= _LONGEST_TEXT_BYTES and body[:1] in _LEVELS
        else:
            least, most = _LENGTHS.get(kind, (1, 0))
            fits = least <= size <= most
        return (3 + size, sure) if fits else (0, False)


def _topic(name: str, shapes: Mapping[str, str]) -> Topic:
    fields: dict[str, tuple[int, str]] = {}
    at = end = 0
    for kind, count, field in _FIELD.findall(shapes[name]):
        if not count and kind in _CHARS:
            fields[field] = at, _CHARS[kind]
        at += _width(kind, shapes) * int(count or 1)
        if not field.startswith("_padding"):
            end = at
    return Topic(name, fields, frozenset({at, end}))


def _width(kind: str, shapes: Mapping[str, str], depth: int = 0) -> int:
    """Bytes of one value of a type, which may be another topic."""
    if kind in _CHARS:
        return struct.calcsize("<" + _CHARS[kind])
    if depth > _DEEPEST:
        return 0
    inner = _FIELD.findall(shapes.get(kind, ""))
    return sum(_width(k, shapes, depth + 1) * int(count or 1) for k, count, _ in inner)


def _without_appended(flags: bytes) -> bytes:
    """A B message that tells of no data appended at offsets: an excerpt has others."""
    if len(flags) < 43:
        return flags
    return flags[:11] + bytes([flags[11] & ~_APPENDED]) + flags[12:19] + bytes(24) + flags[43:]


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode("ascii", errors="replace")
