"""Photos that no message told of, out of the vehicle's own log after the landing."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from flight.errors import FlightError, LogError, LogPartsError, OtherFlightError
from flight.logs.fetch import fetch_log
from flight.logs.files import read_log
from flight.logs.flight_log import FlightLog
from flight.logs.ranges import open_ranges
from flight.logs.transfer import LogEntry, OnShare, list_logs
from flight.photos.events import same_place
from flight.photos.keeper import PhotoKeeper
from flight.photos.windows import PhotoSearch, gaps
from flight.vehicle import Vehicle

LONGEST_S = 180.0
"""A crew that waits for the next battery waits no longer for a log."""
_MEASURE_S = 10.0
"""How fast a link without a limit is shows in so long."""
_SAME_DEG = 2e-5
_LOOKED_AT = 3
_SHORT_BYTES = 400_000
"""A log up to this is fetched whole: its parts would be no less."""
_LEAST_BYTES = 150_000
"""Less of a log will not do: its beginning, and a few looks."""
_AGREEING_SHARE = 0.8
_TRIES = 3
_PAUSE_ANSWERS = 2.0
"""A vehicle that does not answer about its log is asked again after so many answer times."""

_Answer = TypeVar("_Answer")


class _TooLongError(LogError):
    """It would take longer than a crew waits."""


@dataclass(frozen=True)
class LogRecovery:
    """What the log gave: the numbers found, and `why_not` in words when it was not read. `bytes_read` is what
    was fetched of `log_bytes`, its size on the vehicle."""

    found: tuple[int, ...] = ()
    log: Path | None = None
    why_not: str | None = None
    of_this_flight: bool = False
    bytes_read: int = 0
    log_bytes: int = 0


async def recover_from_log(
    vehicle: Vehicle,
    keeper: PhotoKeeper,
    folder: Path,
    longest_s: float = LONGEST_S,
    on_share: OnShare | None = None,
) -> LogRecovery:
    """Look into the vehicle's newest logs and fill the keeper's gaps from the one of this flight.

    Only those parts of a log are read that hold the gaps; they are kept in `folder`, as a log. Does
    nothing when nothing is missing. Never raises for what the vehicle or the link does: the flight is over,
    and what is not found is said in `why_not`.
    """
    await keeper.last_count()
    if not keeper.missing:
        return LogRecovery()
    if vehicle.state.armed:
        return LogRecovery(why_not="the vehicle is armed: it gives its log on the ground only")
    recovery = LogRecovery(why_not="the vehicle keeps no log")
    try:
        listed = await _patiently(vehicle, lambda: list_logs(vehicle))
        logs = [entry for entry in listed if entry.size_bytes > 0]
        # ArduPilot may begin another log at once after the landing: the newest is not always the flight's
        for entry in _newest_first(logs, vehicle.state.is_px4)[:_LOOKED_AT]:
            recovery = await _from(vehicle, keeper, entry, folder, longest_s, on_share)
            if recovery.of_this_flight or recovery.log is None:
                return recovery
    except FlightError as fault:
        return LogRecovery(why_not=str(fault))
    return recovery


async def _patiently(vehicle: Vehicle, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
    """What a question about logs brings, asked again when a vehicle that is still heard does not answer:
    right after a landing it may be busy with its card. Raises what the last try raises."""
    for _ in range(_TRIES - 1):
        try:
            return await ask()
        except (LogPartsError, OtherFlightError, _TooLongError):
            raise
        except LogError:
            await asyncio.sleep(_PAUSE_ANSWERS * vehicle.profile.answer_s)
            if vehicle.silence_s() > vehicle.profile.silence_s:
                raise
    return await ask()


def _newest_first(logs: Iterable[LogEntry], by_time: bool) -> list[LogEntry]:
    """ArduPilot numbers its logs as they come; PX4 in the order of its card, and tells when each ended."""

    def age(entry: LogEntry) -> tuple[float, int]:
        ended_s = entry.time_utc.timestamp() if by_time and entry.time_utc is not None else 0.0
        return -ended_s, -entry.number

    return sorted(logs, key=age)


async def _from(
    vehicle: Vehicle,
    keeper: PhotoKeeper,
    entry: LogEntry,
    folder: Path,
    longest_s: float,
    on_share: OnShare | None,
) -> LogRecovery:
    """Fill the gaps from one log, in parts where it can be. Raises FlightError."""
    if entry.size_bytes > _SHORT_BYTES:
        began_s = vehicle.now_s()
        try:
            return await _in_parts(vehicle, keeper, entry, folder, longest_s)
        except LogPartsError:
            longest_s -= vehicle.now_s() - began_s
    return await _as_a_whole(vehicle, keeper, entry, folder, longest_s, on_share)


async def _in_parts(
    vehicle: Vehicle, keeper: PhotoKeeper, entry: LogEntry, folder: Path, longest_s: float
) -> LogRecovery:
    """What has come when the time is over, or the link lost, counts. Raises LogPartsError."""
    rate = vehicle.profile.file_bytes_per_s
    if rate is not None and rate * longest_s < _LEAST_BYTES:
        return LogRecovery(why_not=_too_long(entry, longest_s))
    heard = {e.index: e for e in keeper.photos}
    covered: set[int] = set()
    why_not = None
    async with open_ranges(vehicle, entry) as ranges:
        search = PhotoSearch(ranges, heard)
        try:
            async with asyncio.timeout(longest_s):
                await _patiently(vehicle, search.begin)
                for gap in gaps(keeper.missing, heard):
                    covered |= set(await _patiently(vehicle, functools.partial(search.read, gap)))
        except TimeoutError:
            why_not = _too_long(entry, longest_s)
        except LogPartsError:
            raise
        except OtherFlightError:
            path = folder / f"{entry.stem}_photos{search.suffix}"
            why_not = f"{path.name} is not of this flight"
            return LogRecovery((), path, why_not, False, ranges.bytes_read, entry.size_bytes)
        except LogError as fault:
            why_not = str(fault)
    recovery = LogRecovery(why_not=why_not)
    excerpt = await asyncio.to_thread(search.excerpt)
    if excerpt:
        path = folder / f"{entry.stem}_photos{search.suffix}"
        _write(path, excerpt)
        recovery = fill_from_log(keeper, await asyncio.to_thread(read_log, path), covered)
    return replace(
        recovery,
        why_not=(why_not if keeper.missing else None) or recovery.why_not,
        bytes_read=ranges.bytes_read,
        log_bytes=entry.size_bytes,
    )


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise LogError(f"{path}: the log cannot be written here ({error.strerror})") from None


async def _as_a_whole(
    vehicle: Vehicle,
    keeper: PhotoKeeper,
    entry: LogEntry,
    folder: Path,
    longest_s: float,
    on_share: OnShare | None,
) -> LogRecovery:
    rate = vehicle.profile.file_bytes_per_s
    if rate is not None and entry.size_bytes / rate > longest_s:
        return LogRecovery(why_not=_too_long(entry, entry.size_bytes / rate))
    try:
        async with asyncio.timeout(longest_s):
            report = _in_time(vehicle, entry, longest_s, on_share)
            path = await _patiently(vehicle, lambda: fetch_log(vehicle, entry, folder, report))
    except TimeoutError:
        return LogRecovery(why_not=_too_long(entry, longest_s))
    recovery = fill_from_log(keeper, await asyncio.to_thread(read_log, path))
    return replace(recovery, bytes_read=entry.size_bytes, log_bytes=entry.size_bytes)


def _in_time(vehicle: Vehicle, entry: LogEntry, longest_s: float, on_share: OnShare | None) -> OnShare:
    """Goes on with a fetch for as long as it can be through in time, by how fast it is; else raises."""
    began_s = vehicle.now_s()

    def share_done(share: float) -> None:
        lasted_s = vehicle.now_s() - began_s
        if lasted_s > _MEASURE_S and lasted_s > share * longest_s:
            raise _TooLongError(_too_long(entry, lasted_s / max(share, 1e-6)))
        if on_share is not None:
            on_share(share)

    return share_done


def fill_from_log(keeper: PhotoKeeper, log: FlightLog, covered: Collection[int] | None = None) -> LogRecovery:
    """Fill the keeper's gaps from a log that is of this flight: where both know a photo, both must have it at
    the same place. `covered` are the numbers that the log would tell of, all between its first and last where
    it is whole (None): those that it does not tell of were not taken."""
    heard = {e.index: e for e in keeper.photos}
    told = {e.index: e for e in log.camera_events}
    both = [i for i in told if i in heard]
    agreeing = sum(same_place(heard[i], told[i], _SAME_DEG) for i in both)
    if not told or (heard and not both) or (both and agreeing < _AGREEING_SHARE * len(both)):
        return LogRecovery(log=log.path, why_not=f"{log.path.name} is not of this flight")
    begins_at = keeper.begins_at
    new = [e for e in log.camera_events if begins_at is None or e.index >= begins_at]
    before = set(keeper.missing)
    if covered is None:
        covered = range(min(told), max(told) + 1)
    keeper.fill((e for e in new if e.captured), [i for i in before if i in covered and i not in told])
    found = tuple(sorted(i for i in told if i in keeper.recovered and i not in heard))
    left = keeper.missing
    why_not = f"the log does not hold {len(left)} of them" if left else None
    return LogRecovery(found, log.path, why_not, of_this_flight=True)


def _too_long(entry: LogEntry, takes_s: float) -> str:
    return (
        f"its log of {entry.size_bytes / 1e6:.1f} MB takes more than {takes_s:.0f} s over this link; "
        "fetch it with `missionctl logs download` on a better one"
    )
