"""A log by the fastest way that the vehicle has: as a file from its card where it is an ArduPilot with file
transfer, else in pieces over the log protocol."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from flight.errors import FileError, LogError
from flight.ftp.files import Entry, Files, has_file_server, open_files
from flight.logs.transfer import LogEntry, OnShare, download_log, suffix_of
from flight.vehicle import Vehicle

LOG_FOLDERS = ("/APM/LOGS", "logs")
"""On a board's card, and where a simulated ArduPilot was started."""


async def fetch_log(vehicle: Vehicle, entry: LogEntry, folder: Path, on_share: OnShare | None = None) -> Path:
    """Download a log into a folder, going on where an earlier try broke off. Returns the file, whose suffix
    tells its kind. Raises LogError."""
    # PX4 names its files by date: the number says nothing
    if not vehicle.state.is_px4 and await has_file_server(vehicle):
        with contextlib.suppress(FileError):
            async with open_files(vehicle) as files:
                path = await _find(files, entry)
                if path is not None:
                    return await _get(files, path, entry, folder, on_share)
    return await download_log(vehicle, entry, folder, on_share)


async def _find(files: Files, entry: LogEntry) -> str | None:
    for place in LOG_FOLDERS:
        try:
            entries = await files.list(place)
        except FileError as fault:
            if fault.code is None:
                raise  # no answer at all: the next folder would give none either
            continue
        for found in entries:
            if _is_log(found, entry):
                return f"{place}/{found.name}"
    return None


def _is_log(found: Entry, entry: LogEntry) -> bool:
    stem, _, suffix = found.name.partition(".")
    return (
        suffix.upper() == "BIN"
        and stem.isdigit()
        and int(stem) == entry.number
        and found.size_bytes == entry.size_bytes
    )


async def _get(files: Files, path: str, entry: LogEntry, folder: Path, on_share: OnShare | None) -> Path:
    beside = folder / f".{entry.stem}.fetched"
    await files.get(path, beside, on_share)
    target = folder / (entry.stem + suffix_of(beside))
    try:
        os.replace(beside, target)
    except OSError as error:
        raise LogError(f"{folder}: the log cannot be written here ({error.strerror})") from None
    return target
