"""Logs on the vehicle: listed and downloaded (MAVLink log transfer protocol).

A log comes in pieces of 90 bytes, asked for by the windowful; pieces lost on the way are asked for again. A
download that breaks off leaves FILE.part, and the next one goes on from there.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import LogError
from flight.logs import dataflash, ulog
from flight.vehicle import Inbox, Vehicle
from flight.wire import Message

OnShare = Callable[[float], None]

PIECE_BYTES = 90
_WINDOW_PIECES = 512
_MOST_PIECES = 1024
_PX4_PIECES = 120
"""PX4 puts all that it is asked for on the network at once, and of more than this some would be dropped: 120
at a time come with 1.7 MB/s, 512 with 0.4 (measured)."""
_LEAST_UNANSWERED = 3
"""However long it lasted: a computer that stood still for seconds has asked once and heard nothing."""
_LEAST_QUIET_S = 0.1
_QUIET_PIECES = 8
_ALL = 0xFFFF


@dataclass(frozen=True)
class LogEntry:
    """A log as the vehicle lists it. `time_utc` is None where the vehicle had no clock."""

    number: int
    size_bytes: int
    time_utc: dt.datetime | None

    @property
    def stem(self) -> str:
        """A file name without suffix."""
        stamp = f"_{self.time_utc:%Y%m%dT%H%M%SZ}" if self.time_utc else ""
        return f"log_{self.number:05d}{stamp}"


async def list_logs(vehicle: Vehicle) -> tuple[LogEntry, ...]:
    """The logs on a vehicle, by number. Raises LogError when it does not tell."""
    found: dict[int, LogEntry] = {}
    total, highest = -1, 0
    misses = 0
    with vehicle.inbox() as inbox:
        _request_list(vehicle, 0, _ALL)
        until_s = vehicle.now_s() + vehicle.profile.answer_s
        while misses < vehicle.profile.tries:
            message = await inbox.next(lambda m: m.get_type() == "LOG_ENTRY", until_s - vehicle.now_s())
            if message is None:
                misses += 1
                until_s = vehicle.now_s() + vehicle.profile.answer_s
                # numbers may have holes, so the whole list is asked for again: it is short
                _request_list(vehicle, 0, _ALL)
                continue
            total, highest = message.num_logs, message.last_log_num
            if total == 0:
                break
            if message.id not in found:  # the same again is no reason to wait for more
                misses = 0
                until_s = vehicle.now_s() + vehicle.profile.answer_s
            found[message.id] = _entry(message)
            if len(found) >= total:
                break
    vehicle.send(mavlink.MAVLink_log_request_end_message(vehicle.sysid, vehicle.compid))
    if total < 0:
        raise LogError(f"vehicle {vehicle.sysid}: does not tell its logs; has it a card, is it disarmed?")
    if len(found) < total:
        raise LogError(
            f"vehicle {vehicle.sysid}: told {len(found)} of its {total} logs "
            f"(up to number {highest}); try again"
        )
    return tuple(found[number] for number in sorted(found))


def _request_list(vehicle: Vehicle, start: int, end: int) -> None:
    vehicle.send(mavlink.MAVLink_log_request_list_message(vehicle.sysid, vehicle.compid, start, end))


def _entry(message: Message) -> LogEntry:
    known = message.time_utc > 0
    return LogEntry(
        number=int(message.id),
        size_bytes=int(message.size),
        time_utc=dt.datetime.fromtimestamp(message.time_utc, dt.UTC) if known else None,
    )


async def download_log(
    vehicle: Vehicle, entry: LogEntry, folder: Path, on_share: OnShare | None = None
) -> Path:
    """Download a log into a folder, going on where an earlier try broke off. Returns the file, whose suffix
    tells its kind.

    Raises LogError when the vehicle stops sending or the folder cannot be written; what has come is kept.
    """
    part = folder / f".{entry.stem}.{entry.size_bytes}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as file:
            have = file.tell() // PIECE_BYTES * PIECE_BYTES if file.tell() < entry.size_bytes else file.tell()
            file.truncate(have)
            with vehicle.inbox() as inbox:
                while have < entry.size_bytes:
                    end = min(have + _WINDOW_PIECES * PIECE_BYTES, entry.size_bytes)
                    data = await read_range(vehicle, inbox, entry, have, end)
                    file.write(data)
                    have += len(data)
                    if on_share is not None:
                        on_share(have / entry.size_bytes)
            file.flush()
            os.fsync(file.fileno())
        target = folder / (entry.stem + suffix_of(part))
        os.replace(part, target)
    except OSError as error:
        raise LogError(f"{folder}: the log cannot be written here ({error.strerror})") from None
    finally:
        vehicle.send(mavlink.MAVLink_log_request_end_message(vehicle.sysid, vehicle.compid))
    return target


class _Window:
    """A stretch of a log on its way."""

    def __init__(self, start: int, end: int) -> None:
        self.data = bytearray(end - start)
        self.missing = set(range(start, end, PIECE_BYTES))
        """Where the pieces begin that have not come."""
        self._start, self._end = start, end

    def take(self, message: Message) -> bool:
        """Whether a message brings something new."""
        at, size = message.ofs, min(message.count, PIECE_BYTES)
        if at not in self.missing or size != min(PIECE_BYTES, self._end - at):
            return False
        self.data[at - self._start : at - self._start + size] = bytes(message.data[:size])
        self.missing.discard(at)
        return True


async def read_range(vehicle: Vehicle, inbox: Inbox, entry: LogEntry, start: int, end: int) -> bytes:
    """The bytes of a log from `start` up to `end`, without gaps. LOG_REQUEST_END is left to the caller.

    Both autopilots serve one request at a time, a new one instead of the last: what is missing is asked for
    stretch by stretch. Raises LogError when the vehicle stops sending.
    """
    window = _Window(start, end)
    most_bytes = PIECE_BYTES * (_PX4_PIECES if vehicle.state.is_px4 else _MOST_PIECES)
    news_s, unanswered = vehicle.now_s(), 0
    while window.missing:
        first, count = next(_runs(window.missing))
        until = min(first + count, first + most_bytes, end)
        came = await _read_once(vehicle, inbox, entry, window, first, until)
        if came:
            news_s, unanswered = vehicle.now_s(), 0
            continue
        unanswered += 1
        lasted_s = vehicle.now_s() - news_s
        if unanswered >= _LEAST_UNANSWERED and lasted_s > vehicle.profile.tries * vehicle.profile.answer_s:
            raise LogError(
                f"vehicle {vehicle.sysid}: log {entry.number} stopped at {start / 1e6:.1f} of "
                f"{entry.size_bytes / 1e6:.1f} MB; what came is kept: run the same again to go on"
            )
    return bytes(window.data)


async def _read_once(
    vehicle: Vehicle, inbox: Inbox, entry: LogEntry, window: _Window, first: int, until: int
) -> int:
    """Ask for a stretch once and take what comes of it, until its last piece or a pause in which several
    should have come. Gives how many came."""
    _request_data(vehicle, entry.number, first, until - first)
    last = first + (until - 1 - first) // PIECE_BYTES * PIECE_BYTES
    wait_s, begun_s, came = vehicle.answer_s, vehicle.now_s(), 0
    news_s = begun_s
    while window.missing and (left_s := news_s + wait_s - vehicle.now_s()) > 0:
        message = await inbox.next(lambda m: m.get_type() == "LOG_DATA" and m.id == entry.number, left_s)
        if message is None:
            break
        if window.take(message):
            came, news_s = came + 1, vehicle.now_s()
            quiet_s = _QUIET_PIECES * (vehicle.now_s() - begun_s) / came
            wait_s = min(max(quiet_s, vehicle.wait_s(_LEAST_QUIET_S)), vehicle.profile.answer_s)
        if message.ofs == last:
            break
    return came


def _runs(missing: set[int]) -> Iterator[tuple[int, int]]:
    """Stretches of missing pieces as (start, bytes)."""
    offsets = sorted(missing)
    first = last = offsets[0]
    for at in offsets[1:]:
        if at != last + PIECE_BYTES:
            yield first, last + PIECE_BYTES - first
            first = at
        last = at
    yield first, last + PIECE_BYTES - first


def _request_data(vehicle: Vehicle, number: int, start: int, count: int) -> None:
    vehicle.send(
        mavlink.MAVLink_log_request_data_message(vehicle.sysid, vehicle.compid, number, start, count)
    )


def suffix_of(file: Path) -> str:
    """The suffix that tells what kind of log a file is."""
    head = b""
    with contextlib.suppress(OSError), file.open("rb") as opened:
        head = opened.read(16)
    return ".ulg" if head.startswith(ulog.MAGIC) else ".BIN" if head.startswith(dataflash.MAGIC) else ".log"
