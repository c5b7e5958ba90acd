"""Camera events of flights while they are recorded: the journals that `missionctl fly` writes."""

from __future__ import annotations

import datetime as dt
import json
import time
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from missionctl.errors import WorkspaceError
from plans.mission import CameraEvent

JOURNAL = "events.jsonl"
_FRESH_S = 12 * 3600.0
"""Among the flights of a folder those count whose journals have been written to in so long."""


class EventFollower:
    """The camera events of a flight, or of all flights of today in a folder. A call gives all events so far,
    in the order in which they were read; what has been read is not read again."""

    def __init__(self, place: Path) -> None:
        """`place` is a flight's folder or a folder of flights. Raises WorkspaceError when it is missing."""
        if not place.is_dir():
            raise WorkspaceError(
                f"{place}: no such folder; name a flight's folder, or the one of all flights"
            )
        self._place = place
        self._read_to: dict[Path, int] = {}
        self._events: list[CameraEvent] = []

    def __call__(self) -> tuple[CameraEvent, ...]:
        for journal in self._journals():
            self._read_on(journal)
        return tuple(self._events)

    def _journals(self) -> list[Path]:
        own = self._place / JOURNAL
        if own.is_file():
            return [own]
        fresh = []
        for journal in sorted(self._place.glob(f"*/{JOURNAL}")):
            with suppress(OSError):
                if journal in self._read_to or time.time() - journal.stat().st_mtime < _FRESH_S:
                    fresh.append(journal)
        return fresh

    def _read_on(self, journal: Path) -> None:
        at = self._read_to.get(journal, 0)
        try:
            with journal.open("rb") as file:
                file.seek(at)
                data = file.read()
        except OSError:
            return  # it is looked at again
        whole = data[: data.rfind(b"\n") + 1]  # the last line may still be on its way
        self._read_to[journal] = at + len(whole)
        for line in whole.splitlines():
            event = _event(line)
            if event is not None:
                self._events.append(event)


def flight_of(photos: Path) -> Path | None:
    """The flight whose photos a folder holds, when it lies in one (FLIGHT/photos)."""
    parent = photos.resolve().parent
    return parent if (parent / JOURNAL).is_file() else None


def _event(line: bytes) -> CameraEvent | None:
    """The photo that a line of a journal tells of."""
    try:
        told = json.loads(line)
        if not isinstance(told, dict) or told.get("action") != "photo":
            return None
        values: dict[str, Any] = {f.name: told[f.name] for f in fields(CameraEvent) if f.name in told}
        time_utc = dt.datetime.fromisoformat(values.pop("time_utc"))
        return CameraEvent(**values, time_utc=time_utc.astimezone(dt.UTC))
    except (ValueError, KeyError, TypeError):
        return None
