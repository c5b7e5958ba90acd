"""Logs of flights, of whatever kind: telemetry logs (.tlog), DataFlash (.BIN, .log), ULog (.ulg).

The kind is told by the first bytes, not by the name.
"""

from __future__ import annotations

import json
from pathlib import Path

from flight.errors import LogError
from flight.logs.dataflash import MAGIC as DATAFLASH_MAGIC
from flight.logs.dataflash import TEXT_MAGIC, read_dataflash
from flight.logs.flight_log import FlightLog
from flight.logs.tlog import read_tlog
from flight.logs.track import TrackPoint
from flight.logs.ulog import MAGIC as ULOG_MAGIC
from flight.logs.ulog import read_ulog
from plans.mission import CameraEvent


def read_log(path: Path, sysid: int | None = None) -> FlightLog:
    """Read a log. A telemetry log may hold several vehicles: `sysid` says which one.

    Raises LogError when the file is no log, is damaged, or holds photos of several vehicles and none is
    named.
    """
    if path.is_dir():
        raise LogError(f"{path}: is a folder; name a log file in it")
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror}); name a log file") from None
    if head.startswith((DATAFLASH_MAGIC, TEXT_MAGIC)):
        return read_dataflash(path)
    if head.startswith(ULOG_MAGIC):
        return read_ulog(path)
    return read_tlog(path, sysid or _vehicle_beside(path))


def _vehicle_beside(path: Path) -> int | None:
    """The vehicle whose flight a recording of ours is: the journal beside it says."""
    journal = path.with_name("events.jsonl")
    if path.name != "telemetry.tlog" or not journal.is_file():
        return None
    with journal.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if '"connected"' in line:
                try:
                    return int(json.loads(line)["vehicle"])
                except (ValueError, KeyError, TypeError):
                    return None
    return None


def camera_events(path: Path, sysid: int | None = None) -> tuple[CameraEvent, ...]:
    """The photos that a log tells of, each once, by number. Raises LogError."""
    return read_log(path, sysid).camera_events


def track(path: Path, sysid: int | None = None) -> tuple[TrackPoint, ...]:
    """Where the vehicle of a log flew. Raises LogError."""
    return read_log(path, sysid).track
