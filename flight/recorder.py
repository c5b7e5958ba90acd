"""The flight's record: every packet in a .tlog, every decision and event in a .jsonl.

Both grow under their final names, because what was heard must be readable after any crash: whole packets
and whole lines only, handed to the disk at least once a second.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import struct
import time
from pathlib import Path
from typing import Any

from flight.errors import FlightError

_SYNC_S = 1.0


class Recorder:
    """Writes telemetry.tlog and events.jsonl into a folder. A context manager."""

    def __init__(self, folder: Path) -> None:
        self.tlog = folder / "telemetry.tlog"
        self.journal = folder / "events.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._tlog = self.tlog.open("ab")
            self._journal = self.journal.open("a", encoding="utf-8")
        except OSError as error:
            raise FlightError(f"{folder}: the flight cannot be recorded here ({error.strerror})") from None
        self._synced_s = time.monotonic()

    def packet(self, data: bytes) -> None:
        """A packet that came or went, stamped with the time of now."""
        self._tlog.write(struct.pack(">Q", time.time_ns() // 1000) + data)
        if time.monotonic() - self._synced_s >= _SYNC_S:
            self._synced_s = time.monotonic()
            self._tlog.flush()

    def event(self, action: str, **detail: Any) -> None:
        """A line of the journal; on the disk when this returns."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"time_utc": now, "action": action, **detail}, ensure_ascii=False, default=str)
        self._journal.write(line + "\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())

    def close(self) -> None:
        """Everything to the disk."""
        for file in (self._tlog, self._journal):
            file.flush()
            os.fsync(file.fileno())
            file.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
