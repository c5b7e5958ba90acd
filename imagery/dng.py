"""The JPEG preview inside a raw photo (DNG): the raw values themselves are not developed here.

A DNG is a TIFF whose pictures hang in one another (Adobe DNG 1.7: SubIFDs); the largest JPEG with baseline
coding among them is the preview.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from imagery.errors import PhotoError

_STRIP_OFFSETS, _STRIP_COUNTS, _SUB_IFDS = 273, 279, 330
_JPEG_OFFSET, _JPEG_LENGTH = 513, 514
_SIZES = {3: 2, 4: 4, 13: 4, 16: 8}
_FORMATS = {3: "H", 4: "I", 13: "I", 16: "Q"}
_MAX_IFDS = 64
_BASELINE = frozenset({0xC0, 0xC1, 0xC2})
"""Frames that any viewer decodes; C3 is the lossless JPEG of raw values."""

Tags = dict[int, tuple[int, ...]]


def is_dng(path: Path) -> bool:
    """By its name."""
    return path.suffix.lower() == ".dng"


def dng_preview(path: Path) -> bytes:
    """The largest preview, a whole JPEG.

    Raises PhotoError when the file is no DNG or holds no preview.
    """
    best = b""
    try:
        with open(path, "rb") as file:
            for start, length in _jpegs(file):
                file.seek(start)
                data = file.read(length)
                if length > len(best) and len(data) == length and _is_preview(data):
                    best = data
    except OSError as error:
        raise PhotoError(f"{path}: cannot be read ({error.strerror}); copy it from the card again") from None
    except struct.error:
        raise PhotoError(f"{path}: the DNG is cut short; copy it from the card again") from None
    if not best:
        raise PhotoError(f"{path}: holds no JPEG preview; have the camera save JPEG too")
    return best


def _jpegs(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """(offset, length) of all that may be JPEG data."""
    head = file.read(8)
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(head[:4])
    if order is None:
        return
    waiting = [struct.unpack(f"{order}I", head[4:])[0]]
    for _ in range(_MAX_IFDS):
        if not waiting:
            return
        at = waiting.pop()
        if at == 0:
            continue
        tags, after = _read_ifd(file, order, at)
        waiting += [after, *tags.get(_SUB_IFDS, ())]
        if _JPEG_OFFSET in tags and _JPEG_LENGTH in tags:
            yield tags[_JPEG_OFFSET][0], tags[_JPEG_LENGTH][0]
        if len(tags.get(_STRIP_OFFSETS, ())) == 1 and len(tags.get(_STRIP_COUNTS, ())) == 1:
            yield tags[_STRIP_OFFSETS][0], tags[_STRIP_COUNTS][0]


def _read_ifd(file: BinaryIO, order: str, at: int) -> tuple[Tags, int]:
    """The tags that are whole numbers, and where the next directory is."""
    file.seek(at)
    (count,) = struct.unpack(f"{order}H", file.read(2))
    entries = file.read(12 * count)
    (after,) = struct.unpack(f"{order}I", file.read(4))
    tags: Tags = {}
    for n in range(count):
        tag, kind, many = struct.unpack_from(f"{order}HHI", entries, 12 * n)
        if kind not in _FORMATS or many > 4096:
            continue
        size = _SIZES[kind] * many
        value = entries[12 * n + 8 : 12 * n + 12]
        if size > 4:
            file.seek(struct.unpack(f"{order}I", value)[0])
            value = file.read(size)
        tags[tag] = struct.unpack(f"{order}{many}{_FORMATS[kind]}", value[:size])
    return tags, after


def _is_preview(data: bytes) -> bool:
    """Whether these bytes are a JPEG that any viewer decodes."""
    if data[:2] != b"\xff\xd8":
        return False
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return marker in _BASELINE
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return False
