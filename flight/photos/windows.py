"""Where in a vehicle's log the photos are that no message told of, and only these parts of it read.

The log is in order of time, so a moment is found by looking at a few blocks. Its clock is set by photos that
both the log and the station know; a photo is looked for from its neighbour before it to the one after it. A
layout knows what the bytes say: one for DataFlash, one for ULog.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass

from flight.errors import LogPartsError, OtherFlightError
from flight.logs import dataflash, ulog
from flight.logs.dataflash_parts import Layout
from flight.logs.ranges import BLOCK_BYTES, Knows, LoggedPhoto, LogLayout, LogRanges
from flight.logs.ulog_parts import UlogLayout
from plans.mission import CameraEvent

_HEAD_BLOCKS = (2, 4, 6, 8, 12, 16, 24, 32, 48)
"""What describes a log has 20 to 500 kB."""
_NEAR_S = 5.5
"""Where photos are taken there is one in so much of the log."""
_STEP_S = 1.8
_PIECE_S = 0.2
_MOST_BACK_S = 90.0
_MOST_BLOCKS = 400
"""For whatever a look is meant: 4.3 MB."""
_MARGIN_S = 1.0
"""A photo is written down so long after the time that it tells, at most."""
_SAME_CLOCK_S = 0.5
_CLOCK_TRIES = 6
_LEAST_APART_S = 1.0
_SLOWEST, _FASTEST = 0.05, 50.0
_PAST_S = 10.0
_PLACES = (0.5, 0.75, 0.25, 0.9, 0.1)
_SAME_DEG = 2e-5


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


def layout_of(head: bytes, knows: Knows) -> LogLayout:
    """How to read the log with this beginning. Raises LogPartsError for one of another kind."""
    if head.startswith(ulog.MAGIC):
        return UlogLayout(head, knows)
    if head.startswith(dataflash.MAGIC):
        return Layout(head)
    raise LogPartsError("the log is of a kind that cannot be read in parts")


class _Clock:
    """The log's clock by moments that are known in both times. A simulated vehicle's may run faster."""

    def __init__(self) -> None:
        self._known: dict[float, float] = {}

    def set(self, utc_s: float, log_s: float) -> None:
        """At this UTC the log's clock said that."""
        self._known[utc_s] = log_s

    def at(self, utc_s: float) -> float:
        """What the log's clock says at a UTC, by the moment known nearest to it."""
        nearest_s = min(self._known, key=lambda known_s: abs(known_s - utc_s))
        return self._known[nearest_s] + self._rate(nearest_s) * (utc_s - nearest_s)

    def _rate(self, utc_s: float) -> float:
        apart = [known_s for known_s in self._known if abs(known_s - utc_s) >= _LEAST_APART_S]
        if not apart:
            return 1.0
        other_s = min(apart, key=lambda known_s: abs(known_s - utc_s))
        rate = (self._known[other_s] - self._known[utc_s]) / (other_s - utc_s)
        return min(max(rate, _SLOWEST), _FASTEST)


class PhotoSearch:
    """The search in one log for photos; `heard` are those known already, by number."""

    def __init__(self, ranges: LogRanges, heard: Mapping[int, CameraEvent]) -> None:
        self._ranges = ranges
        self._heard = heard
        self._layout: LogLayout = Layout(b"")
        self._first_block = 0
        """The first one that may hold photos."""
        self._blocks_per_s = 1.0
        self._times_s: dict[int, float] = {}
        self._clock = _Clock()

    async def begin(self) -> None:
        """Read what describes the log, and set its clock. Raises LogPartsError when this log cannot be read
        in parts, OtherFlightError, and what reading raises."""
        for blocks in _HEAD_BLOCKS:
            self._layout = layout_of(await self._ranges.need(0, blocks), self._knows)
            if self._layout.head_bytes or blocks >= self._ranges.count:
                break
        if not self._layout.head_bytes:
            raise LogPartsError("the log does not describe itself at its beginning")
        if not self._layout.numbers_photos:
            raise LogPartsError("the log does not number its photos")
        self._first_block = self._layout.head_bytes // BLOCK_BYTES
        last = self._ranges.count - 1
        lasts_s = await self._begins_s(last) - await self._begins_s(self._first_block)
        self._blocks_per_s = max(last - self._first_block, 1) / max(lasts_s, 1.0)
        await self._set_clock()

    def _knows(self, number: int, lat_deg: float, lon_deg: float) -> bool:
        heard = self._heard.get(number)
        return (
            heard is not None
            and abs(heard.lat_deg - lat_deg) < _SAME_DEG
            and abs(heard.lon_deg - lon_deg) < _SAME_DEG
        )

    def _blocks(self, seconds: float, least: int = 1) -> int:
        """About so many blocks hold so much time."""
        return min(max(math.ceil(seconds * self._blocks_per_s), least), _MOST_BLOCKS)

    async def _set_clock(self) -> None:
        """By a photo that is met in a few places, else by the one that is looked for by GPS time."""
        by_gps: float | None = None
        near = self._blocks(_NEAR_S, least=24)
        for share in _PLACES:
            start = max(int(share * self._ranges.count), self._first_block)
            if await self._set_by_photo(start):
                return
            if by_gps is None:
                by_gps = self._layout.ahead_s(self._ranges.here(start, start + near))
        if by_gps is not None:
            known = sorted(self._heard)
            middle = self._heard[known[len(known) // 2]].time_utc.timestamp()
            if await self._set_by_photo(await self._block_at(middle + by_gps - _MARGIN_S)):
                return
        raise OtherFlightError("the log has none of the photos heard of where they would be")

    async def _set_by_photo(self, start: int) -> bool:
        async for photo in self._photos(start):
            if self._knows(photo.number, photo.lat_deg, photo.lon_deg):
                self._set(photo)
                return True
        return False

    def _set(self, photo: LoggedPhoto) -> None:
        self._clock.set(self._heard[photo.number].time_utc.timestamp(), photo.time_s)

    @property
    def suffix(self) -> str:
        """Of a file with the excerpt."""
        return self._layout.suffix

    def excerpt(self) -> bytes:
        """What was read, as a log by itself; empty while its beginning is not whole."""
        return self._layout.excerpt(self._ranges.stretches())

    # -- one gap -------------------------------------------------------------------------------------------

    async def read(self, gap: Gap) -> range:
        """Read the part of the log that holds a gap. Gives the numbers of which the log has now said whether
        there is a photo. Raises what reading raises."""
        start = await self._start(gap)
        stop = gap.last if gap.after is None else gap.after.index
        step = self._blocks(_STEP_S, least=8)
        seen: set[int] = set()
        block = start
        while block < self._ranges.count and max(seen, default=-1) < stop:
            # from the block before on, since a message may begin in it
            data = await self._ranges.need(max(block - 1, start), block + step)
            seen |= {photo.number for photo in self._layout.photos(data)}
            block += step
            if gap.after is not None and await self._past(block, gap.after):
                break
        if not seen:
            return range(0)
        return range(max(gap.first, min(seen)), min(gap.last, max(seen)) + 1)

    async def _start(self, gap: Gap) -> int:
        """A block at whose photos the gap has not begun yet."""
        floor = gap.before.index if gap.before is not None else gap.first
        nearest = gap.before or gap.after
        at, photo = self._first_block, None
        if nearest is not None:
            for _ in range(_CLOCK_TRIES):
                at = await self._block_at(self._due_s(nearest) - _MARGIN_S)
                photo = await self._next_photo(at)
                if photo is None or not self._set_again(photo, nearest):
                    break
        furthest = max(at - self._blocks(_MOST_BACK_S), self._first_block)
        step = self._blocks(_STEP_S, least=8)
        while at > furthest and (photo is None or photo.number > floor):
            at = max(at - step, furthest)
            photo = await self._next_photo(at)
        return at

    def _due_s(self, photo: CameraEvent) -> float:
        """When a photo that was heard of was taken, by the log's clock."""
        return self._clock.at(photo.time_utc.timestamp())

    def _set_again(self, photo: LoggedPhoto, nearest: CameraEvent) -> bool:
        """Set the clock by a photo nearer by. False when that changes nothing."""
        if not self._knows(photo.number, photo.lat_deg, photo.lon_deg):
            return False
        before_s = self._due_s(nearest)
        self._set(photo)
        return abs(self._due_s(nearest) - before_s) > _SAME_CLOCK_S

    async def _past(self, block: int, after: CameraEvent) -> bool:
        """The photo after the gap is not where it must be: the log has lost it."""
        return await self._begins_s(min(block, self._ranges.count) - 1) > self._due_s(after) + _PAST_S

    # -- moments -------------------------------------------------------------------------------------------

    async def _block_at(self, time_s: float) -> int:
        """The last block that begins before a moment of the log's clock, or one up to a second earlier."""
        low, high = self._first_block, self._ranges.count - 1
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
        for at in range(block, self._first_block - 1, -1):
            if at not in self._times_s:
                found_s = self._layout.begins_s(await self._ranges.need(at, at + 1))
                self._times_s[at] = -1.0 if found_s is None else found_s
            if self._times_s[at] >= 0:
                return self._times_s[at]
        return 0.0

    # -- photos --------------------------------------------------------------------------------------------

    async def _next_photo(self, block: int) -> LoggedPhoto | None:
        async for photo in self._photos(block):
            return photo
        return None

    async def _photos(self, first: int) -> AsyncIterator[LoggedPhoto]:
        """The photos near a block, read on only as far as they are asked for."""
        told: set[int] = set()
        end = min(first + self._blocks(_NEAR_S, least=24), self._ranges.count)
        piece = min(self._blocks(_PIECE_S), 8)
        for block in range(first, end, piece):
            data = await self._ranges.need(max(block - 1, first), min(block + piece, end))
            for photo in self._layout.photos(data):
                if photo.number not in told:
                    told.add(photo.number)
                    yield photo
