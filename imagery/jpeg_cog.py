"""A JPEG-compressed Cloud Optimized GeoTIFF written while it is painted.

GDAL's COG driver reads the finished picture again, halves it for each overview and compresses it all: a third
of a mosaic's time. Here each square of four tiles is compressed by the worker that painted it, together with
its half-size tile; what is left for the end is copying bytes into their order.

The layout is that of https://docs.ogc.org/is/21-026/21-026.html: all directories first, then the data, the
smallest overview first; the picture in YCbCr JPEG tiles, each a whole stream (TIFF Technical Note 2), and a
one-bit mask beside each (TIFF 6.0 section 8, NewSubfileType 4). Tiles without a picture are left out.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import escape, quoteattr

import cv2
import numpy as np
import numpy.typing as npt

from imagery.errors import RasterError

UInt8 = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]

TILE_PX = 512
SQUARE_PX = 2 * TILE_PX
_SHORT, _LONG, _DOUBLE, _LONG8, _ASCII = 3, 4, 12, 16, 2
_SIZES = {_ASCII: 1, _SHORT: 2, _LONG: 4, _DOUBLE: 8, _LONG8: 8}
_CODES = {_SHORT: "H", _LONG: "I", _DOUBLE: "d", _LONG8: "Q"}
_GHOST = b"LAYOUT=IFDS_BEFORE_DATA\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
_REDUCED, _MASK = 1, 4


@dataclass(frozen=True)
class CogFrame:
    """Size and place of a north-up picture with square pixels: `west`, `north` of its outer corner in the
    CRS `epsg` (a projected one), metres; `tags` is further metadata."""

    rows: int
    cols: int
    west: float
    north: float
    gsd_m: float
    epsg: int
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Packed:
    """One tile, compressed."""

    row: int
    col: int
    picture: bytes
    mask: bytes


@dataclass(frozen=True)
class Square:
    """Two by two tiles, compressed, and the tile of half their size with a quarter-size picture of it; none
    of these where nothing is valid. `row`, `col` count squares."""

    row: int
    col: int
    tiles: tuple[Packed, ...] = ()
    half: Packed | None = None
    quarter: tuple[UInt8, Bool] | None = None


def pack_square(row: int, col: int, colour: UInt8, mask: Bool, quality: int) -> Square:
    """Compress one square: `colour` (rows, cols, 3) is BGR, `mask` (rows, cols) True where it is valid; both
    up to SQUARE_PX a side."""
    if not mask.any():
        return Square(row, col)
    colour, mask = _filled(colour), _filled_mask(mask)
    tiles = []
    for r in (0, 1):
        for c in (0, 1):
            part = (slice(r * TILE_PX, (r + 1) * TILE_PX), slice(c * TILE_PX, (c + 1) * TILE_PX))
            if mask[part].any():
                tiles.append(_pack(2 * row + r, 2 * col + c, colour[part], mask[part], quality))
    half = _halved(colour, mask)
    return Square(row, col, tuple(tiles), _pack(row, col, *half, quality), _halved(*half))


def _filled(colour: UInt8) -> UInt8:
    """Grown to a whole square; its rim is repeated, so that the JPEG has no edge there."""
    below, right = SQUARE_PX - colour.shape[0], SQUARE_PX - colour.shape[1]
    if below == right == 0:
        return colour
    return np.asarray(cv2.copyMakeBorder(colour, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)


def _filled_mask(mask: Bool) -> Bool:
    return np.pad(mask, ((0, SQUARE_PX - mask.shape[0]), (0, SQUARE_PX - mask.shape[1])))


def _halved(colour: UInt8, mask: Bool) -> tuple[UInt8, Bool]:
    """Half the size: the mean of the valid ones of each four pixels; valid where two of them are."""
    size = (colour.shape[1] // 2, colour.shape[0] // 2)
    half = np.asarray(cv2.resize(colour, size, interpolation=cv2.INTER_AREA), np.uint8)
    if mask.all():
        return half, np.ones(size[::-1], bool)
    # means of four of 0 and 252 are 63 times the count, by the kernel that halves pictures
    count = cv2.resize(mask.view(np.uint8) * np.uint8(252), size, interpolation=cv2.INTER_AREA) // 63
    row, col = np.nonzero((count > 0) & (count < 4))  # along the rim only
    four = np.s_[2 * row[:, None] + np.array([0, 0, 1, 1]), 2 * col[:, None] + np.array([0, 1, 0, 1])]
    valid = mask[four][..., None]
    mean = (colour[four] * valid).sum(axis=1, dtype=np.float32) / valid.sum(axis=1)
    half[row, col] = np.rint(mean).astype(np.uint8)
    half = np.asarray(cv2.copyTo(half, count), np.uint8)
    return half, count >= 2


def _pack(row: int, col: int, colour: UInt8, mask: Bool, quality: int) -> Packed:
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(colour), _jpeg(quality))
    if not done:
        raise RasterError("a tile of the picture cannot be compressed; free some memory")
    return Packed(row, col, data.tobytes(), zlib.compress(np.packbits(mask, axis=1).tobytes(), 6))


def _jpeg(quality: int) -> list[int]:
    return [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ]


Quarter = tuple[UInt8, Bool]
KeptOverviews = dict[tuple[int, int, int], tuple[tuple[Quarter | None, ...], Packed | None, Quarter | None]]
"""Of each overview's tile (level, row, column): the quarters that it was made of, the tile, and its half."""


class JpegCog:
    """Collects squares in any order, each once, then writes the file. `spool` holds tiles until then.

    With `kept`, which goes from one file to the next, overviews of squares that are the same objects as
    before are not made again.
    """

    def __init__(
        self, frame: CogFrame, spool: BinaryIO, quality: int, kept: KeptOverviews | None = None
    ) -> None:
        self._frame, self._spool, self._quality, self._kept = frame, spool, quality, kept
        self._levels = _levels(frame.rows, frame.cols)
        self._pictures: list[dict[tuple[int, int], tuple[int, int]]] = [{} for _ in self._levels]
        self._masks: list[dict[tuple[int, int], tuple[int, int]]] = [{} for _ in self._levels]
        self._growing: dict[tuple[int, int, int], dict[tuple[int, int], Quarter | None]] = {}

    def add(self, square: Square) -> None:
        """Take a square in. Raises OSError."""
        for tile in square.tiles:
            self._keep(0, tile)
        if len(self._levels) > 1 and square.half is not None:
            self._keep(1, square.half)
        self._gather(2, square.row, square.col, square.quarter)

    def _keep(self, level: int, tile: Packed) -> None:
        for places, data in ((self._pictures, tile.picture), (self._masks, tile.mask)):
            places[level][tile.row, tile.col] = (self._spool.tell(), len(data))
            self._spool.write(data)

    def _gather(self, level: int, row: int, col: int, quarter: Quarter | None) -> None:
        """Put a quarter of a tile of an overview in its place; `row`, `col` count quarters. A tile that has
        all of them is compressed, and a quarter of the next."""
        if level >= len(self._levels):
            return
        key = (level, row // 2, col // 2)
        quarters = self._growing.setdefault(key, {})
        quarters[row % 2, col % 2] = quarter
        if len(quarters) < self._quarters(*key):
            return
        del self._growing[key]
        tile, half = self._overview(key, quarters)
        if tile is not None:
            self._keep(level, tile)
        self._gather(level + 1, key[1], key[2], half)

    def _overview(
        self, key: tuple[int, int, int], quarters: Mapping[tuple[int, int], Quarter | None]
    ) -> tuple[Packed | None, Quarter | None]:
        """A tile of an overview by its quarters, and its half."""
        parts = tuple(quarters.get((r, c)) for r in (0, 1) for c in (0, 1))
        if self._kept is not None and key in self._kept:
            before, tile, half = self._kept[key]
            if all(a is b for a, b in zip(before, parts, strict=True)):
                return tile, half
        tile, half = _overview_of(key, parts, self._quality)
        if self._kept is not None:
            self._kept[key] = (parts, tile, half)
        return tile, half

    def _quarters(self, level: int, row: int, col: int) -> int:
        """How many tiles of the level below lie in a tile of an overview."""
        rows, cols = (-(-n // TILE_PX) for n in self._levels[level - 1])
        return (min(2 * row + 2, rows) - 2 * row) * (min(2 * col + 2, cols) - 2 * col)

    def write(self, path: Path) -> None:
        """The file. Raises OSError."""
        big = self._spool.tell() > 3_900_000_000
        directories = _Directories(big)
        for level, (rows, cols) in enumerate(self._levels):
            about = _georeference(self._frame) if level == 0 else []
            kind = _REDUCED if level else 0
            directories.add(_picture_tags(rows, cols, kind) + about, _grid(self._pictures[level], rows, cols))
            directories.add(_mask_tags(rows, cols, kind | _MASK), _grid(self._masks[level], rows, cols))
        with open(path, "wb") as sink:
            sink.write(directories.packed())
            for places in directories.in_data_order():
                for at, length in places:
                    self._spool.seek(at)
                    sink.write(self._spool.read(length))


def _overview_of(
    key: tuple[int, int, int], parts: Sequence[Quarter | None], quality: int
) -> tuple[Packed | None, Quarter | None]:
    colour, mask = np.zeros((TILE_PX, TILE_PX, 3), np.uint8), np.zeros((TILE_PX, TILE_PX), bool)
    n = TILE_PX // 2
    for number, quarter in enumerate(parts):
        if quarter is not None:
            row, col = divmod(number, 2)
            place = (slice(row * n, row * n + n), slice(col * n, col * n + n))
            colour[place], mask[place] = quarter
    if not mask.any():
        return None, None
    return _pack(key[1], key[2], colour, mask, quality), _halved(colour, mask)


def _levels(rows: int, cols: int) -> list[tuple[int, int]]:
    """Sizes of the picture and of its overviews, until one tile holds it."""
    sizes = [(rows, cols)]
    while max(sizes[-1]) > TILE_PX:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def _grid(places: dict[tuple[int, int], tuple[int, int]], rows: int, cols: int) -> list[tuple[int, int]]:
    """Where each tile is in the spool, row by row; (0, 0) for those that are left out."""
    tiles = [(r, c) for r in range(-(-rows // TILE_PX)) for c in range(-(-cols // TILE_PX))]
    return [places.get(tile, (0, 0)) for tile in tiles]


_Tag = tuple[int, int, Sequence[float] | bytes]


def _picture_tags(rows: int, cols: int, kind: int) -> list[_Tag]:
    return [
        (254, _LONG, [kind]),
        (256, _LONG, [cols]),
        (257, _LONG, [rows]),
        (258, _SHORT, [8, 8, 8]),
        (259, _SHORT, [7]),  # JPEG
        (262, _SHORT, [6]),  # YCbCr
        (277, _SHORT, [3]),
        (284, _SHORT, [1]),
        (322, _SHORT, [TILE_PX]),
        (323, _SHORT, [TILE_PX]),
        (339, _SHORT, [1, 1, 1]),
        (530, _SHORT, [2, 2]),
    ]


def _mask_tags(rows: int, cols: int, kind: int) -> list[_Tag]:
    return [
        (254, _LONG, [kind]),
        (256, _LONG, [cols]),
        (257, _LONG, [rows]),
        (258, _SHORT, [1]),
        (259, _SHORT, [8]),  # Deflate
        (262, _SHORT, [4]),  # transparency mask
        (277, _SHORT, [1]),
        (284, _SHORT, [1]),
        (322, _SHORT, [TILE_PX]),
        (323, _SHORT, [TILE_PX]),
    ]


def _georeference(frame: CogFrame) -> list[_Tag]:
    """GeoTIFF 1.1 (OGC 19-008): a projected CRS by its code, pixels as areas; GDAL's metadata."""
    keys = [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, frame.epsg]
    tags: list[_Tag] = [
        (33550, _DOUBLE, [frame.gsd_m, frame.gsd_m, 0.0]),
        (33922, _DOUBLE, [0.0, 0.0, 0.0, frame.west, frame.north, 0.0]),
        (34735, _SHORT, keys),
    ]
    if frame.tags:
        # GDAL escapes values once for itself and once for the XML
        items = "".join(
            f"<Item name={quoteattr(k)}>{escape(escape(v))}</Item>" for k, v in frame.tags.items()
        )
        text = f"<GDALMetadata>{items}</GDALMetadata>".encode() + b"\0"
        tags.append((42112, _ASCII, text))
    return tags


class _Directories:
    """The image file directories, their long values behind each, and where the data will lie."""

    def __init__(self, big: bool) -> None:
        self._big = big
        self._entries: list[tuple[list[_Tag], list[tuple[int, int]]]] = []

    def add(self, tags: list[_Tag], tiles: list[tuple[int, int]]) -> None:
        """One more; `tiles` are (place in the spool, length)."""
        self._entries.append((tags, tiles))

    def in_data_order(self) -> Iterator[list[tuple[int, int]]]:
        """The tiles that there are, as they are written: the smallest overview first."""
        for _, tiles in reversed(self._entries):
            yield [tile for tile in tiles if tile[1]]

    def packed(self) -> bytes:
        """Header and directories."""
        head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0) if self._big else struct.pack("<2sHI", b"II", 42, 0)
        ghost = b"GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n" % len(_GHOST) + _GHOST
        start = _even(len(head) + len(ghost))
        sizes = [self._size(tags, tiles) for tags, tiles in self._entries]
        offset = start + sum(sizes)  # of the data
        offsets: list[list[int]] = []
        for _, tiles in reversed(self._entries):
            mine = []
            for _, length in tiles:
                mine.append(offset if length else 0)
                offset += length
            offsets.append(mine)
        offsets.reverse()
        at = start
        parts = [head[: -8 if self._big else -4] + struct.pack("<Q" if self._big else "<I", start), ghost]
        parts.append(b"\0" * (start - len(head) - len(ghost)))
        for number, (tags, tiles) in enumerate(self._entries):
            last = number == len(self._entries) - 1
            parts.append(self._directory(tags, tiles, offsets[number], at, 0 if last else at + sizes[number]))
            at += sizes[number]
        return b"".join(parts)

    def _all(self, tags: list[_Tag], tiles: list[tuple[int, int]], offsets: Sequence[int]) -> list[_Tag]:
        wide = _LONG8 if self._big else _LONG
        lengths = [length for _, length in tiles]
        return sorted([*tags, (324, wide, offsets), (325, _LONG, lengths)], key=lambda tag: tag[0])

    def _size(self, tags: list[_Tag], tiles: list[tuple[int, int]]) -> int:
        every = self._all(tags, tiles, [0] * len(tiles))
        room = 8 if self._big else 4
        long = sum(_even(n) for n in map(_bytes_of, every) if n > room)
        return (8 + 20 * len(every) + 8 if self._big else 2 + 12 * len(every) + 4) + long

    def _directory(
        self, tags: list[_Tag], tiles: list[tuple[int, int]], offsets: Sequence[int], at: int, following: int
    ) -> bytes:
        every = self._all(tags, tiles, offsets)
        room, counts = (8, "<HHQ") if self._big else (4, "<HHI")
        word = "<Q" if self._big else "<I"
        fixed = 8 + 20 * len(every) + 8 if self._big else 2 + 12 * len(every) + 4
        entries, long = [struct.pack("<Q" if self._big else "<H", len(every))], b""
        for number, kind, values in every:
            data = values if isinstance(values, bytes) else _packed(kind, values)
            entries.append(struct.pack(counts, number, kind, len(data) // _SIZES[kind]))
            if len(data) <= room:
                entries.append(data.ljust(room, b"\0"))
            else:
                entries.append(struct.pack(word, at + fixed + len(long)))
                long += data.ljust(_even(len(data)), b"\0")
        return b"".join(entries) + struct.pack(word, following) + long


def _packed(kind: int, values: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(values)}{_CODES[kind]}", *values)


def _bytes_of(tag: _Tag) -> int:
    return len(tag[2]) * (1 if isinstance(tag[2], bytes) else _SIZES[tag[1]])


def _even(n: int) -> int:
    return n + n % 2
