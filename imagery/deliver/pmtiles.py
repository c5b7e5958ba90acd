"""PMTiles, version 3 (https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md) of an MBTiles file.

One file: a header of 127 bytes, the root directory, metadata, leaf directories, then the tiles along a
Hilbert curve. Directories and metadata are packed with gzip; the tiles are pictures, packed already.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_HEADER: Final = struct.Struct("<7sB8Q3QBBBBBBiiiiBii")
_FIRST_REQUEST_BYTES: Final = 16_384
"""Header and root directory lie within what a reader asks for first."""
_LEAF_ENTRIES: Final = 4096
_NONE, _GZIP = 1, 2
_TILE_TYPES: Final = {"png": 2, "jpg": 3, "webp": 4}


@dataclass(frozen=True)
class Entry:
    """Where a tile (or, with `run` 0, a leaf directory) lies: bytes after its section's begin."""

    tile_id: int
    offset: int
    length: int
    run: int = 1


def convert(source: Path, target: Path) -> None:
    """Write the tiles of an MBTiles file as PMTiles.

    Raises OSError when there is no room, and sqlite3.Error when the source is no MBTiles file.
    """
    with closing(sqlite3.connect(source)) as database:
        told = dict(database.execute("SELECT name, value FROM metadata"))
        places = database.execute("SELECT zoom_level, tile_column, tile_row, length(tile_data) FROM tiles")
        found = sorted((tile_id(z, x, 2**z - 1 - y), length, z, x, y) for z, x, y, length in places)
        entries, offset = [], 0
        for number, length, *_ in found:
            entries.append(Entry(number, offset, length))
            offset += length
        root, leaves = directories(entries)
        metadata = gzip.compress(json.dumps(_metadata(told), ensure_ascii=False).encode(), mtime=0)
        with open(target, "wb") as sink:
            sink.write(_header(told, entries, root, metadata, leaves))
            sink.write(root + metadata + leaves)
            for *_, z, x, y in found:
                place = "zoom_level = ? AND tile_column = ? AND tile_row = ?"
                (tile,) = database.execute(f"SELECT tile_data FROM tiles WHERE {place}", (z, x, y)).fetchone()
                sink.write(tile)


def tile_id(zoom: int, x: int, y: int) -> int:
    """The number of a tile: all coarser levels first, then the place along the level's Hilbert curve; y
    counts from the north."""
    number = (4**zoom - 1) // 3
    side = 2**zoom // 2
    while side > 0:
        right, lower = int(bool(x & side)), int(bool(y & side))
        number += side * side * ((3 * right) ^ lower)
        if lower == 0:
            if right == 1:
                x, y = side - 1 - x, side - 1 - y
            x, y = y, x
        x, y = x & (side - 1), y & (side - 1)
        side //= 2
    return number


def directories(entries: Sequence[Entry]) -> tuple[bytes, bytes]:
    """The root directory and the leaves it points to; there are none where the root holds all tiles."""
    root = _packed(entries)
    if _HEADER.size + len(root) <= _FIRST_REQUEST_BYTES:
        return root, b""
    size = _LEAF_ENTRIES
    while True:
        leaves, pointers = b"", []
        for first in range(0, len(entries), size):
            leaf = _packed(entries[first : first + size])
            pointers.append(Entry(entries[first].tile_id, len(leaves), len(leaf), run=0))
            leaves += leaf
        root = _packed(pointers)
        if _HEADER.size + len(root) <= _FIRST_REQUEST_BYTES:
            return root, leaves
        size *= 2


def _packed(entries: Sequence[Entry]) -> bytes:
    """Numbers of entries column by column as varints: ids by their differences, an offset that follows the
    tile before it as 0, others as offset + 1."""
    columns: list[int] = [len(entries)]
    columns += [e.tile_id - before for e, before in zip(entries, _ids_before(entries), strict=True)]
    columns += [e.run for e in entries]
    columns += [e.length for e in entries]
    follows = -1
    for entry in entries:
        columns.append(0 if entry.offset == follows else entry.offset + 1)
        follows = entry.offset + entry.length
    return gzip.compress(b"".join(map(_varint, columns)), mtime=0)


def _ids_before(entries: Sequence[Entry]) -> Iterator[int]:
    yield 0
    yield from (entry.tile_id for entry in entries[:-1])


def _varint(value: int) -> bytes:
    packed = bytearray()
    while value > 0x7F:
        packed.append(value & 0x7F | 0x80)
        value >>= 7
    packed.append(value)
    return bytes(packed)


def _metadata(told: dict[str, str]) -> dict[str, Any]:
    return {key: told[key] for key in ("name", "description", "attribution", "type") if key in told}


def _header(
    told: dict[str, str], entries: Sequence[Entry], root: bytes, metadata: bytes, leaves: bytes
) -> bytes:
    begin = _HEADER.size
    after_root = begin + len(root)
    after_metadata = after_root + len(metadata)
    after_leaves = after_metadata + len(leaves)
    tile_bytes = sum(entry.length for entry in entries)
    west, south, east, north = (round(float(v) * 1e7) for v in told["bounds"].split(","))
    lowest, highest = int(told["minzoom"]), int(told["maxzoom"])
    return _HEADER.pack(
        b"PMTiles", 3,
        begin, len(root), after_root, len(metadata), after_metadata, len(leaves), after_leaves, tile_bytes,
        len(entries), len(entries), len(entries),
        1, _GZIP, _NONE, _TILE_TYPES[told["format"]], lowest, highest,
        west, south, east, north,
        (lowest + highest + 1) // 2, (west + east) // 2, (south + north) // 2,
    )  # fmt: skip
