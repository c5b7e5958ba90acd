"""The flight's record: every packet in a .tlog, every decision and event in a .jsonl.

Both grow under their final names, because what was heard must be readable after any crash. Each packet and
each line goes to the operating system at once, whole, so that a killed program loses none; a thread has them
on the disk within a second, so that a power cut costs no more than that. A disk that is full or gone stops
the recording, not the flight: it is told once, and recording goes on when there is room again.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from flight.errors import FlightError

_SYNC_S = 1.0


class Recorder:
    """Writes telemetry.tlog and events.jsonl into a folder. A context manager.

    `sysid` limits the packets to those from and to one vehicle, and those for everybody; None takes all.
    `on_trouble` gets a line when nothing can be written any more.
    """

    def __init__(
        self, folder: Path, sysid: int | None = None, on_trouble: Callable[[str], None] = lambda line: None
    ) -> None:
        self.folder = folder
        self.tlog = folder / "telemetry.tlog"
        self.journal = folder / "events.jsonl"
        self.sysid = sysid
        self._on_trouble = on_trouble
        self._faulty = False
        self.lost = 0
        """Packets and events that could not be written."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._tlog = _Growing(self.tlog)
            self._journal = _Growing(self.journal)
        except OSError as error:
            raise FlightError(f"{folder}: the flight cannot be recorded here ({error.strerror})") from None
        self._closing = threading.Event()
        self._syncer = threading.Thread(target=self._sync, name=f"record {folder.name}", daemon=True)
        self._syncer.start()

    def packet(self, data: bytes, sysid: int | None = None) -> None:
        """A packet that came or went, stamped with the time of now. `sysid`: the vehicle that it is from or
        for, None for everybody."""
        if self.sysid is None or sysid is None or sysid == self.sysid:
            self._write(self._tlog, struct.pack(">Q", time.time_ns() // 1000) + data)

    def event(self, action: str, **detail: Any) -> None:
        """A line of the journal; safe from a crash of this program when this returns."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"time_utc": now, "action": action, **detail}, ensure_ascii=False, default=str)
        self._write(self._journal, (line + "\n").encode())

    def _write(self, file: _Growing, data: bytes) -> None:
        try:
            file.append(data)
        except OSError as error:
            self.lost += 1
            if not self._faulty:
                self._faulty = True
                self._on_trouble(
                    f"{file.path}: nothing can be recorded ({error.strerror}); the flight goes on, make room"
                )
            return
        self._faulty = False

    def _sync(self) -> None:
        while not self._closing.wait(_SYNC_S):
            for file in (self._tlog, self._journal):
                file.sync()

    def close(self) -> None:
        """Everything to the disk."""
        self._closing.set()
        self._syncer.join()
        for file in (self._tlog, self._journal):
            file.sync()
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Growing:
    """A file that only grows, by whole pieces: half a piece is taken back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab", buffering=0)
        self._size = self._file.seek(0, os.SEEK_END)
        self._dirty = False

    def append(self, data: bytes) -> None:
        """Add a piece. Raises OSError, the file then as it was."""
        try:
            written = self._file.write(data)
        except OSError:
            self._cut()
            raise
        if written != len(data):
            self._cut()
            raise OSError(28, "no space left on device")
        self._size += written
        self._dirty = True

    def _cut(self) -> None:
        with contextlib.suppress(OSError):
            self._file.truncate(self._size)

    def sync(self) -> None:
        """Have it on the disk; a disk that is gone is found out by the next piece."""
        if self._dirty:
            self._dirty = False
            with contextlib.suppress(OSError):
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of it."""
        self._file.close()
