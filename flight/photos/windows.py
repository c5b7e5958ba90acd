"""Where in a DataFlash log the photos are that no message told of, and only these parts of it read.

The log is in order of time, so a moment is found by looking at a few blocks. Its clock is set by a photo that
both the log and the station know; a photo is looked for from its neighbour before it to the one after it.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass

from flight.errors import LogPartsError, OtherFlightError
from flight.logs.dataflash_parts import Layout, Part
from flight.logs.flight_log import gps_utc
from flight.logs.ranges import LogRanges
from plans.mission import CameraEvent

_HEAD_BLOCKS = 16
_NEAR_BLOCKS = 24
"""260 kB: where photos are taken there is one in so much."""
_STEP_BLOCKS = 8
_MOST_BACK_BLOCKS = 400
_MARGIN_S = 1.0
"""A photo is written down so long after the time that it tells, at most."""
_SAME_CLOCK_S = 0.5
_CLOCK_TRIES = 4
_PAST_S = 10.0
_PLACES = (0.5, 0.75, 0.25, 0.9, 0.1)
_SAME_1E7_DEG = 200
_FIX_3D = 3


@dataclass(frozen=True)
class Gap:
    """Numbers of photos in a row that no message told of, and the nearest photos known before and after."""

    first: int
    last: int
    before: CameraEvent | None
    after: CameraEvent | None


def gaps(missing: Collection[int], heard: Mapping[int, CameraEvent]) -> tuple[Gap, ...]:
    """The gaps that missing numbers make between photos heard of."""
    known = sorted(heard)
    found = []
    for _, run in itertools.groupby(enumerate(sorted(missing)), lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in run]
        at = bisect.bisect(known, numbers[0])
        before = heard[known[at - 1]] if at else None
        after = heard[known[at]] if at < len(known) else None
        found.append(Gap(numbers[0], numbers[-1], before, after))
    return tuple(found)


@dataclass(frozen=True)
class _Photo:
    """A photo as the log tells of it, at a time of the log's own clock."""

    number: int
    time_s: float
    part: Part


class PhotoSearch:
    """The search in one log for photos; `heard` are those known already, by number."""

    def __init__(self, ranges: LogRanges, heard: Mapping[int, CameraEvent]) -> None:
        self._ranges = ranges
        self._heard = heard
        self._head = b""
        self._layout = Layout(b"")
        self._times_s: dict[int, float] = {}
        self._ahead_s = 0.0
        """The log's clock is ahead of that of the photos heard by this."""

    async def begin(self) -> None:
        """Read what describes the log, and set its clock. Raises LogPartsError when this log cannot be read
        in parts, OtherFlightError, and what reading raises."""
        for blocks in range(2, _HEAD_BLOCKS + 1, 2):
            self._head = await self._ranges.need(0, blocks)
            self._layout = Layout(self._head)
            if self._layout.head_bytes:
                break
        if not any(f.name == "CAM" and "Img" in f.fields for f in self._layout.formats.values()):
            raise LogPartsError("the log does not number its photos")
        await self._set_clock()

    async def _set_clock(self) -> None:
        """By a photo that is met in a few places, else by the one that is looked for by GPS time."""
        by_gps: float | None = None
        for share in _PLACES:
            start = int(share * self._ranges.count)
            if await self._set_by_photo(start):
                return
            if by_gps is None:
                by_gps = self._gps_ahead_s(self._ranges.here(start, start + _NEAR_BLOCKS))
        if by_gps is not None:
            self._ahead_s = by_gps
            known = sorted(self._heard)
            middle = self._heard[known[len(known) // 2]]
            start = await self._block_at(middle.time_utc.timestamp() + by_gps - _MARGIN_S)
            if await self._set_by_photo(start):
                return
        raise OtherFlightError("the log has none of the photos heard of where they would be")

    async def _set_by_photo(self, start: int) -> bool:
        async for photo in self._photos(start, start + _NEAR_BLOCKS):
            heard = self._heard.get(photo.number)
            if heard is not None and _same_place(heard, photo.part):
                self._ahead_s = photo.time_s - heard.time_utc.timestamp()
                return True
        return False

    def _gps_ahead_s(self, data: bytes) -> float | None:
        for part in self._parts(data):
            if part.format.name == "GPS":
                values = part.values()
                if values.get("Status", 0) >= _FIX_3D and values.get("I", 0) == 0 and values["GWk"] > 0:
                    return values["TimeUS"] / 1e6 - gps_utc(values["GWk"], values["GMS"]).timestamp()
        return None

    def excerpt(self) -> bytes:
        """What was read, as a log by itself."""
        return self._layout.excerpt(self._head, self._ranges.stretches())

    # -- one gap -------------------------------------------------------------------------------------------

    async def read(self, gap: Gap) -> range:
        """Read the part of the log that holds a gap. Gives the numbers of which the log has now said whether
        there is a photo. Raises what reading raises."""
        start = await self._start(gap)
        stop = gap.last if gap.after is None else gap.after.index
        seen: set[int] = set()
        block = start
        while block < self._ranges.count and max(seen, default=-1) < stop:
            # from the block before on, since a message may begin in it
            data = await self._ranges.need(max(block - 1, start), block + _STEP_BLOCKS)
            seen |= {photo.number for photo in self._found(data)}
            block += _STEP_BLOCKS
            if gap.after is not None and await self._past(block, gap.after):
                break
        if not seen:
            return range(0)
        return range(max(gap.first, min(seen)), min(gap.last, max(seen)) + 1)

    async def _start(self, gap: Gap) -> int:
        """A block at whose photos the gap has not begun yet."""
        floor = gap.before.index if gap.before is not None else gap.first
        nearest = gap.before or gap.after
        at, photo = 0, None
        if nearest is not None:
            for _ in range(_CLOCK_TRIES):
                at = await self._block_at(nearest.time_utc.timestamp() + self._ahead_s - _MARGIN_S)
                photo = await self._next_photo(at)
                if photo is None or not self._set_again(photo):
                    break
        furthest = max(at - _MOST_BACK_BLOCKS, 0)
        while at > furthest and (photo is None or photo.number > floor):
            at = max(at - _STEP_BLOCKS, furthest)
            photo = await self._next_photo(at)
        return at

    def _set_again(self, photo: _Photo) -> bool:
        """Set the clock by a photo nearer by. False when it was right."""
        heard = self._heard.get(photo.number)
        if heard is None:
            return False
        before_s, self._ahead_s = self._ahead_s, photo.time_s - heard.time_utc.timestamp()
        return abs(self._ahead_s - before_s) > _SAME_CLOCK_S

    async def _past(self, block: int, after: CameraEvent) -> bool:
        """The photo after the gap is not where it must be: the log has lost it."""
        due_s = after.time_utc.timestamp() + self._ahead_s
        return await self._begins_s(min(block, self._ranges.count) - 1) > due_s + _PAST_S

    # -- moments -------------------------------------------------------------------------------------------

    async def _block_at(self, time_s: float) -> int:
        """The last block that begins before a moment of the log's clock, or one up to a second earlier."""
        low, high = 0, self._ranges.count - 1
        low_s, high_s = await self._begins_s(low), await self._begins_s(high)
        for turn in itertools.count(1):
            if high - low <= 1 or 0 <= time_s - low_s <= _MARGIN_S:
                break
            share = (time_s - low_s) / max(high_s - low_s, 1e-6)
            guess = low + int(share * (high - low)) if turn % 3 else (low + high) // 2
            middle = min(max(guess, low + 1), high - 1)
            middle_s = await self._begins_s(middle)
            if middle_s <= time_s:
                low, low_s = middle, middle_s
            else:
                high, high_s = middle, middle_s
        return low

    async def _begins_s(self, block: int) -> float:
        """The first time in a block, or in those before it where it holds none."""
        for at in range(block, -1, -1):
            if at not in self._times_s:
                parts = self._parts(await self._ranges.need(at, at + 1))
                times = (time_s for time_s in map(self._time_of, parts) if time_s is not None)
                self._times_s[at] = next(times, -1.0)
            if self._times_s[at] >= 0:
                return self._times_s[at]
        return 0.0

    # -- messages ------------------------------------------------------------------------------------------

    def _parts(self, data: bytes) -> Iterator[Part]:
        return self._layout.parts(data)

    @staticmethod
    def _time_of(part: Part) -> float | None:
        if part.format.fields[:1] != ("TimeUS",):
            return None
        return int.from_bytes(part.raw[3:11], "little") / 1e6

    def _found(self, data: bytes) -> Iterator[_Photo]:
        for part in self._parts(data):
            if part.format.name == "CAM":
                values = part.values()
                if values.get("I", 0) == 0:
                    yield _Photo(int(values["Img"]), values["TimeUS"] / 1e6, part)

    async def _next_photo(self, block: int) -> _Photo | None:
        async for photo in self._photos(block, block + _NEAR_BLOCKS):
            return photo
        return None

    async def _photos(self, first: int, end: int) -> AsyncIterator[_Photo]:
        """The photos in some blocks, read on only as far as they are asked for."""
        told: set[int] = set()
        for block in range(first, min(end, self._ranges.count)):
            for photo in self._found(await self._ranges.need(max(block - 1, first), block + 1)):
                if photo.number not in told:
                    told.add(photo.number)
                    yield photo


def _same_place(heard: CameraEvent, part: Part) -> bool:
    values = part.values()
    return (
        abs(values["Lat"] - heard.lat_deg * 1e7) < _SAME_1E7_DEG
        and abs(values["Lng"] - heard.lon_deg * 1e7) < _SAME_1E7_DEG
    )
