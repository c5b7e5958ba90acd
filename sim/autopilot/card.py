"""The vehicle's memory card as its file server shows it: a small card in memory, the camera's photos, the
logs, and the files that the autopilot makes up when they are asked for."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from sim.autopilot.params import INT8, INT16, INT32, REAL32, Params

CARD_BYTES = 64 << 20
PHOTO_FOLDER = "/DCIM"
LOG_FOLDER = "/APM/LOGS"
PACKED_PARAMS = "/@PARAM/param.pck"
MADE_UP_BYTES = 1 << 20
"""What is told as the size of a file that is made up while it is read, as ArduPilot does."""
_MAGIC = 0x671B
_KINDS = {INT8: (1, "<b"), INT16: (2, "<h"), INT32: (3, "<i"), REAL32: (4, "<f")}


def fault(number: int) -> OSError:
    """An error of the card."""
    return OSError(number, os.strerror(number))


def tidy(path: str) -> str:
    """A path from the root, without detours. Raises OSError for one that leaves the card."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise fault(errno.EACCES)
    return "/" + "/".join(parts)


class Card:
    """Files by path. Faults are OSErrors with the numbers of a file system.

    `photos` is the folder in which the camera writes: it can be read and cleared, not written. `logs` gives
    the logs by their paths below `log_folder`, `params` the parameters; those can be read in one file where
    `packs_params`.
    """

    def __init__(
        self,
        logs: Callable[[], Mapping[str, bytes | bytearray]],
        params: Params,
        photos: Path | None = None,
        capacity_bytes: int = CARD_BYTES,
        log_folder: str = LOG_FOLDER,
        packs_params: bool = True,
    ) -> None:
        self._logs, self._log_folder = logs, log_folder
        self._packs_params = packs_params
        self._params = params
        self._photos = photos
        self._capacity = capacity_bytes
        self._fixed = {"/", PHOTO_FOLDER, log_folder, *_above(log_folder)}
        self._folders = set(self._fixed)
        self._files: dict[str, bytearray] = {}

    # -- looking -------------------------------------------------------------------------------------------

    def list(self, folder: str) -> list[tuple[str, bool, int]]:
        """Name, whether a folder, and size of what is in a folder, in order."""
        found: dict[str, tuple[bool, int]] = {}
        on_host = self._on_host(folder)
        if on_host is not None and on_host.is_dir():
            for item in on_host.iterdir():
                if not item.name.startswith("."):
                    found[item.name] = (item.is_dir(), item.stat().st_size if item.is_file() else 0)
        elif folder not in self._all_folders():
            raise fault(errno.ENOTDIR if self._exists(folder) else errno.ENOENT)
        head = folder.rstrip("/") + "/"
        for path in self._all_folders() - {folder}:
            if path.startswith(head) and "/" not in path[len(head) :]:
                found[path[len(head) :]] = (True, 0)
        for path, content in self._files.items():
            if path.startswith(head) and "/" not in path[len(head) :]:
                found[path[len(head) :]] = (False, len(content))
        for name, log in self._logs().items():
            path = f"{self._log_folder}/{name}"
            if path.startswith(head) and "/" not in path[len(head) :]:
                found[path[len(head) :]] = (False, len(log))
        return [(name, *found[name]) for name in sorted(found)]

    def _exists(self, path: str) -> bool:
        on_host = self._on_host(path)
        return (
            path in self._files
            or path in self._all_folders()
            or (on_host is not None and on_host.exists())
            or self._log(path) is not None
            or (path == PACKED_PARAMS and self._packs_params)
        )

    def _all_folders(self) -> set[str]:
        """Those that were made, and those that logs lie in."""
        logs = (f"{self._log_folder}/{name}" for name in self._logs())
        return self._folders.union(*map(_above, logs))

    def _on_host(self, path: str) -> Path | None:
        """Where a path under the photo folder lies on this machine."""
        if self._photos is None or not (path + "/").startswith(PHOTO_FOLDER + "/"):
            return None
        return self._photos / path[len(PHOTO_FOLDER) :].lstrip("/")

    def _log(self, path: str) -> bytes | bytearray | None:
        head = self._log_folder + "/"
        return self._logs().get(path[len(head) :]) if path.startswith(head) else None

    def content(self, path: str, piece_bytes: int = 0) -> bytes | bytearray:
        """A whole file. `piece_bytes` matters only for one that is made up: the length of its blocks."""
        if path == PACKED_PARAMS and self._packs_params:
            return pack_params(self._params, piece_bytes)
        log = self._log(path)
        if log is not None:
            return log
        on_host = self._on_host(path)
        if on_host is not None and on_host.is_file():
            return on_host.read_bytes()
        if path in self._files:
            return self._files[path]
        raise fault(errno.EISDIR if path in self._folders else errno.ENOENT)

    # -- changing ------------------------------------------------------------------------------------------

    def _check_writable(self, path: str) -> None:
        if self._on_host(path) is not None or self._log(path) is not None or path.startswith("/@"):
            raise fault(errno.EROFS)
        if path.rpartition("/")[0] not in self._folders | {""}:
            raise fault(errno.ENOENT)

    def create(self, path: str, cut: bool) -> None:
        """Make a file, or open one that is there."""
        self._check_writable(path)
        if path in self._folders:
            raise fault(errno.EISDIR)
        if cut or path not in self._files:
            self._files[path] = bytearray()

    def write(self, path: str, offset: int, data: bytes) -> None:
        """Write into a file; what lies between its end and the offset becomes noughts."""
        content = self._files.get(path)
        if content is None:
            raise fault(errno.ENOENT)
        grows = max(0, offset + len(data) - len(content))
        if sum(map(len, self._files.values())) + grows > self._capacity:
            raise fault(errno.ENOSPC)
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(data)] = data

    def truncate(self, path: str, size: int) -> None:
        """Cut a file, or lengthen it with noughts."""
        if path not in self._files:
            self._check_writable(path)
            raise fault(errno.ENOENT)
        content = self._files[path]
        if size > self._capacity:
            raise fault(errno.ENOSPC)
        del content[size:]
        content.extend(bytes(size - len(content)))

    def remove(self, path: str) -> None:
        """Remove a file; photos too."""
        on_host = self._on_host(path)
        if on_host is not None and on_host.is_file():
            on_host.unlink()
        elif path in self._files:
            del self._files[path]
        elif path in self._folders:
            raise fault(errno.EISDIR)
        else:
            raise fault(errno.EROFS if self._exists(path) else errno.ENOENT)

    def make_folder(self, path: str) -> None:
        """Make a folder in one that is there."""
        if self._exists(path):
            raise fault(errno.EEXIST)
        self._check_writable(path)
        self._folders.add(path)

    def remove_folder(self, path: str) -> None:
        """Remove an empty folder."""
        if path not in self._folders:
            raise fault(errno.ENOTDIR if self._exists(path) else errno.ENOENT)
        if path in self._fixed:
            raise fault(errno.EACCES)
        if self.list(path):
            raise fault(errno.ENOTEMPTY)
        self._folders.discard(path)

    def rename(self, path: str, to: str) -> None:
        """Give a file another name, which must be free (as on a FAT card)."""
        if path not in self._files:
            raise fault(errno.EROFS if self._exists(path) else errno.ENOENT)
        self._check_writable(to)
        if self._exists(to):
            raise fault(errno.EEXIST)
        self._files[to] = self._files.pop(path)


def pack_params(params: Params, piece_bytes: int) -> bytes:
    """The parameters packed as ArduPilot does it, so that no value lies across two blocks of
    `piece_bytes`."""
    packed = bytearray(struct.pack("<HHH", _MAGIC, len(params), len(params)))
    last = ""
    for name, info in params.known.items():
        common = min(_alike(last, name), 15, len(name) - 1)
        kind, form = _KINDS[info.type]
        value = params[name] if info.type == REAL32 else int(params[name])
        rest = name[common:].encode("ascii")
        block = bytes([kind, (len(rest) - 1) << 4 | common]) + rest + struct.pack(form, value)
        if piece_bytes and len(packed) % piece_bytes + len(block) > piece_bytes:
            packed.extend(bytes(-len(packed) % piece_bytes))
        packed += block
        last = name
    return bytes(packed)


def _above(path: str) -> set[str]:
    """The folders that a path leads through."""
    parts = path.strip("/").split("/")
    return {"/" + "/".join(parts[:count]) for count in range(1, len(parts))}


def _alike(a: str, b: str) -> int:
    """How many letters two names begin with in common."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
