"""The clock of signed packets: it never goes back, not even when the machine's does.

Each process of one user that signs with a key has a place of its own (a locked file): two stations at once
have different link ids, so that neither makes the other's packets old.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from flight.errors import SigningError

STEPS_PER_S = 100_000
EPOCH_S = 1_420_070_400
"""2015-01-01 UTC."""
LAST = (1 << 48) - 1
_AHEAD = 60 * STEPS_PER_S
_PLACES = 16
_LINKS = 16


def steps_at(unix_s: float) -> int:
    """A moment in steps of 10 us since 2015; 0 before."""
    return min(max(int((unix_s - EPOCH_S) * STEPS_PER_S), 0), LAST)


class SigningClock:
    """Gives each packet a timestamp above all before it.

    On start it is the later of the machine's clock and what was stored. What is stored is a minute ahead of
    what has been given out, and moved on each minute: after a kill -9 nothing is given out twice. A close in
    good order stores the last one given. `folder` None keeps nothing.
    """

    def __init__(self, folder: Path | None, key_name: str, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._last = 0
        self._stored = LAST
        self._store: Path | None = None
        self._lock: BinaryIO | None = None
        self.place = 0
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.place, self._lock = _take_place(folder, key_name)
            self._store = folder / f"{key_name}-{self.place}.clock"
            self._last = max(map(_read, folder.glob(f"{key_name}-*.clock")), default=0)
            self._keep(max(self._last, self.now()) + _AHEAD)
        except OSError as error:
            raise SigningError(
                f"{folder}: the signing clock cannot be kept here ({error.strerror}); without it a drone may "
                "reject this station after the machine's clock went back"
            ) from None

    def link_id(self, link_number: int) -> int:
        """The link id of the station's n-th link."""
        return self.place * _LINKS + link_number % _LINKS

    def now(self) -> int:
        """The present, never before anything given out or heard."""
        return max(self._last, steps_at(self._wall()))

    def next(self) -> int:
        """A timestamp for one packet. Raises SigningError at the end of time (2104)."""
        self._last = max(self._last + 1, steps_at(self._wall()))
        if self._last > LAST:
            raise SigningError("the signing clock has run out; change the key of station and drones")
        if self._last >= self._stored:
            with contextlib.suppress(OSError):  # a full disk must not ground a drone; tried again in a minute
                self._keep(self._last + _AHEAD)
        return self._last

    def heard(self, timestamp: int) -> None:
        """A trusted packet is ahead of us: so are we now."""
        self._last = max(self._last, timestamp)

    def close(self) -> None:
        """Store the last timestamp and give the place free."""
        if self._store is not None and self._lock is not None:
            with contextlib.suppress(OSError):  # what is stored is ahead of it: nothing is lost
                self._keep(self._last)
            self._lock.close()
            self._store = self._lock = None

    def _keep(self, steps: int) -> None:
        self._stored = min(steps, LAST)
        if self._store is None:
            return
        beside = self._store.with_suffix(".part")
        with beside.open("w", encoding="ascii") as out:
            out.write(f"{self._stored}\n")
            out.flush()
            os.fsync(out.fileno())
        os.replace(beside, self._store)


def _read(store: Path) -> int:
    try:
        return min(max(int(store.read_text(encoding="ascii")), 0), LAST)
    except ValueError:
        return 0  # a torn file says nothing; the machine's clock and the vehicles do


def _take_place(folder: Path, key_name: str) -> tuple[int, BinaryIO]:
    for place in range(_PLACES):
        lock = (folder / f"{key_name}-{place}.lock").open("ab")
        if _locked(lock):
            return place, lock
        lock.close()
    raise SigningError(f"{_PLACES} stations sign with this key on this machine already; close one")


def _locked(file: BinaryIO) -> bool:
    """Lock a file for this process; the system lets go of it when the process ends, however it ends."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
