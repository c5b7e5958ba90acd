"""A log on the vehicle read here and there: what has come is kept, block by block, and counted."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.logs.transfer import PIECE_BYTES, LogEntry, read_range
from flight.vehicle import Vehicle

BLOCK_BYTES = 120 * PIECE_BYTES
_BLOCKS_AT_ONCE = 8

Read = Callable[[int, int], Awaitable[bytes]]
"""Gives the bytes from a start up to an end."""

Knows = Callable[[int, float, float], bool]
"""Whether a photo of a number was heard of at a latitude and longitude."""


@dataclass(frozen=True)
class LoggedPhoto:
    """A photo as a log tells of it, at a time of the log's own clock."""

    number: int
    time_s: float
    lat_deg: float
    lon_deg: float


class LogLayout(Protocol):
    """How one log is to be read in parts: made of its beginning. `data` may begin and end anywhere."""

    suffix: str
    """Of a file of its kind."""
    head_bytes: int
    """So long is what describes the log; 0 while more is to come."""

    @property
    def numbers_photos(self) -> bool:
        """Whether it tells the numbers of photos."""

    def begins_s(self, data: bytes) -> float | None:
        """The log's clock where `data` begins; None where no message in it tells a time."""

    def photos(self, data: bytes) -> Iterator[LoggedPhoto]:
        """The photos of the first camera, failed ones too."""

    def ahead_s(self, data: bytes) -> float | None:
        """How far the log's clock is ahead of UTC, by a GPS time in `data`."""

    def excerpt(self, stretches: Iterable[bytes]) -> bytes:
        """A log by itself: the beginning, and the whole messages in some stretches of bytes. Empty while
        the beginning is not whole."""


class LogRanges:
    """The blocks of one log; `read` fetches bytes."""

    def __init__(self, read: Read, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.bytes_read = 0
        self._read = read
        self._blocks: dict[int, bytes] = {}

    @property
    def count(self) -> int:
        """How many blocks the log has."""
        return -(-self.size_bytes // BLOCK_BYTES)

    async def need(self, first: int, end: int) -> bytes:
        """Blocks `first` up to `end`, joined; those that are not here yet are fetched. Raises what `read`
        raises; what came before is kept."""
        end = min(end, self.count)
        at = first
        while at < end:
            if at in self._blocks:
                at += 1
                continue
            until = at + 1
            while until < min(end, at + _BLOCKS_AT_ONCE) and until not in self._blocks:
                until += 1
            data = await self._read(at * BLOCK_BYTES, min(until * BLOCK_BYTES, self.size_bytes))
            self.bytes_read += len(data)
            for block in range(at, until):
                start = (block - at) * BLOCK_BYTES
                self._blocks[block] = data[start : start + BLOCK_BYTES]
            at = until
        return b"".join(self._blocks[block] for block in range(first, end))

    def here(self, first: int, end: int) -> bytes:
        """The blocks from `first` on that are here, up to the first one that is not."""
        found = itertools.takewhile(lambda block: block in self._blocks, range(first, end))
        return b"".join(self._blocks[block] for block in found)

    def stretches(self) -> Iterator[bytes]:
        """What is here, in the order of the log, neighbouring blocks joined."""
        joined: list[bytes] = []
        before = -1
        for block in sorted(self._blocks):
            if joined and block != before + 1:
                yield b"".join(joined)
                joined = []
            joined.append(self._blocks[block])
            before = block
        if joined:
            yield b"".join(joined)


@asynccontextmanager
async def open_ranges(vehicle: Vehicle, entry: LogEntry) -> AsyncIterator[LogRanges]:
    """A log by the log protocol, which gives any range and needs no session. (As a file ArduPilot gives it
    three times slower by reads, and a burst cannot be shorter than 120 kB; PX4 a sixth slower by reads.)"""
    with vehicle.inbox() as inbox:

        async def read(start: int, end: int) -> bytes:
            return await read_range(vehicle, inbox, entry, start, end)

        try:
            yield LogRanges(read, entry.size_bytes)
        finally:
            vehicle.send(mavlink.MAVLink_log_request_end_message(vehicle.sysid, vehicle.compid))
