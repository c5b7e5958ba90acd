"""PMTiles against a reader written from the specification, and the reference reader where there is one."""

import gzip
import io
import json
import sqlite3

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagery.deliver import export
from imagery.deliver.pmtiles import Entry, directories, tile_id


@pytest.fixture(scope="module")
def both(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("tiles")
    export(folder, ["mbtiles", "pmtiles"], out)
    return out / "damage.mbtiles", out / "damage.pmtiles"


def _varint(data: io.BytesIO) -> int:
    value, shift = 0, 0
    while True:
        (byte,) = data.read(1)
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value


def _entries(packed: bytes) -> list[Entry]:
    data = io.BytesIO(gzip.decompress(packed))
    count = _varint(data)
    ids = np.cumsum([_varint(data) for _ in range(count)])
    runs = [_varint(data) for _ in range(count)]
    lengths = [_varint(data) for _ in range(count)]
    offsets: list[int] = []
    for i in range(count):
        told = _varint(data)
        offsets.append(told - 1 if told else offsets[-1] + lengths[i - 1])
    assert data.read() == b""
    return [Entry(int(n), o, le, r) for n, o, le, r in zip(ids, offsets, lengths, runs, strict=True)]


def _place(number: int) -> tuple[int, int, int]:
    """Zoom, column and row of a tile id (the specification's Hilbert curve)."""
    zoom = 0
    while number >= 4**zoom:
        number -= 4**zoom
        zoom += 1
    x = y = 0
    side = 1
    while side < 2**zoom:
        rx = 1 & (number // 2)
        ry = 1 & (number ^ rx)
        if ry == 0:
            if rx == 1:
                x, y = side - 1 - x, side - 1 - y
            x, y = y, x
        x, y = x + side * rx, y + side * ry
        number //= 4
        side *= 2
    return zoom, x, y


def test_every_tile_is_found_where_the_directory_says(both) -> None:
    mbtiles, pmtiles = both
    raw = pmtiles.read_bytes()
    assert raw[:8] == b"PMTiles\x03"
    words = [int.from_bytes(raw[8 + 8 * i : 16 + 8 * i], "little") for i in range(11)]
    root, root_size, meta, meta_size, _, leaf_size, tiles, tile_size, addressed, entries, contents = words
    assert root == 127
    assert raw[97:102] == bytes([2, 1, 4, raw[100], raw[101]])
    assert tiles + tile_size == len(raw)
    assert leaf_size == 0
    found = {
        _place(e.tile_id): raw[tiles + e.offset : tiles + e.offset + e.length]
        for e in _entries(raw[root : root + root_size])
    }
    with sqlite3.connect(mbtiles) as database:
        rows = database.execute("SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles").fetchall()
        said = dict(database.execute("SELECT name, value FROM metadata"))
    database.close()
    assert found == {(z, x, 2**z - 1 - y): data for z, x, y, data in rows}
    assert addressed == entries == contents == len(rows)
    assert (raw[100], raw[101]) == (int(said["minzoom"]), int(said["maxzoom"]))
    told = json.loads(gzip.decompress(raw[meta : meta + meta_size]))
    assert told["name"] == "Summer flood"
    bounds = [int.from_bytes(raw[102 + 4 * i : 106 + 4 * i], "little", signed=True) / 1e7 for i in range(4)]
    assert bounds == pytest.approx([float(v) for v in said["bounds"].split(",")], abs=1e-6)


def test_the_reference_reader_finds_every_tile(both) -> None:
    reader = pytest.importorskip("pmtiles.reader")
    mbtiles, pmtiles = both
    with sqlite3.connect(mbtiles) as database:
        rows = database.execute("SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles").fetchall()
    database.close()
    with pmtiles.open("rb") as file:
        archive = reader.Reader(reader.MmapSource(file))
        assert all(archive.get(z, x, 2**z - 1 - y) == data for z, x, y, data in rows)


@given(st.integers(0, 22), st.data())
def test_tile_numbers_go_there_and_back(zoom: int, data) -> None:
    x, y = (data.draw(st.integers(0, 2**zoom - 1)) for _ in range(2))
    assert _place(tile_id(zoom, x, y)) == (zoom, x, y)


def test_tile_numbers_are_those_of_the_specification() -> None:
    places = ((0, 0, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0), (2, 0, 0))
    assert [tile_id(*place) for place in places] == [0, 1, 2, 3, 4, 5]
    assert tile_id(12, 3423, 1763) == 19078479


def test_many_tiles_get_leaf_directories_that_hold_them_all() -> None:
    rng = np.random.default_rng(3)
    lengths = rng.integers(100, 60_000, 50_000)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    ids = np.cumsum(rng.integers(1, 900, 50_000))
    tiles = [Entry(int(i), int(o), int(n)) for i, o, n in zip(ids, starts, lengths, strict=True)]
    root, leaves = directories(tiles)
    assert 127 + len(root) <= 16_384
    pointers = _entries(root)
    assert all(pointer.run == 0 for pointer in pointers)
    held = [e for p in pointers for e in _entries(leaves[p.offset : p.offset + p.length])]
    assert held == tiles
