"""New photos of a folder, each once it is whole."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from imagery.errors import PhotoError
from imagery.features import read_photo_bytes
from imagery.found import FileKey, file_key
from imagery.photos import photo_names

_LIST_EVERY_S = 0.25
"""A folder that looks unchanged is listed all the same, as some file systems tell changes late."""
_LOOKED_AGAIN = 32
"""So many photos are looked at each time whether they are still the same; all of them in turn."""
_STILL_S = 1.0
"""A TIFF or DNG, which does not tell where it ends, has not grown for so long."""


@dataclass
class _Growing:
    """A file as it was when it was read, and since when it has not been whole: -inf when it was."""

    key: FileKey
    since_s: float


class Arrivals:
    """Looks at a folder. A file that is not whole is given all the same when it has not grown for `quiet_s`:
    whoever reads it says what it lacks."""

    def __init__(self, folder: Path, quiet_s: float, clock: Callable[[], float]) -> None:
        self._folder, self._quiet_s, self._clock = folder, quiet_s, clock
        self._stamp, self._listed_s = -1, -1e9
        self._new: list[Path] = []
        self._seen: dict[str, None] = {}
        self._growing: dict[Path, _Growing] = {}

    def whole(self, known: Callable[[Path], bool]) -> Iterator[Path]:
        """Files that are whole and not `known`, by name. Cheap where nothing has changed: one call of the
        system. That a known photo has become another may be noticed some seconds late."""
        now_s = self._clock()
        stamp = _changed_ns(self._folder)
        if stamp != self._stamp or now_s - self._listed_s >= _LIST_EVERY_S:
            self._stamp, self._listed_s = stamp, now_s
            self._new = self._list(known)
        return (path for path in self._new if not known(path) and self._is_ready(path, now_s))

    def _list(self, known: Callable[[Path], bool]) -> list[Path]:
        try:
            names = photo_names(os.listdir(self._folder))
        except OSError:  # a share that is away for a moment
            return []
        turn = list(islice(self._seen, _LOOKED_AGAIN))
        for name in turn:  # those that are still the same go to the end of the row
            del self._seen[name]
        asked = [name for name in names if name not in self._seen]
        new = [name for name in asked if not known(self._folder / name)]
        self._seen |= dict.fromkeys(asked)
        for name in new:
            del self._seen[name]
        return [self._folder / name for name in new]

    def _is_ready(self, path: Path, now_s: float) -> bool:
        key = file_key(path)
        seen = self._growing.get(path)
        if seen is None or seen.key != key:
            seen = self._growing[path] = _Growing(key, -math.inf if _is_whole(path) else now_s)
        return now_s - seen.since_s >= (self._quiet_s if _tells_its_end(path) else _STILL_S)


def _changed_ns(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return -1


def _tells_its_end(path: Path) -> bool:
    return path.suffix.lower() in (".jpg", ".jpeg")


def _is_whole(path: Path) -> bool:
    try:
        read_photo_bytes(path)
        return _tells_its_end(path) or time.time() - path.stat().st_mtime >= _STILL_S
    except (PhotoError, OSError):
        return False
