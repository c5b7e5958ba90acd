"""The same photos and options give the same bytes, however many work at once."""

import hashlib

import pytest

from imagery import mosaic, render
from imagery.mosaic import MosaicOptions, make_mosaic


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


@pytest.mark.parametrize("quality", ["quick", "full"])
def test_all_files_are_alike_with_one_worker_and_with_many(known_block, tmp_path, quality):
    made = []
    for run, workers in enumerate((1, 4)):
        place = tmp_path / str(run)
        place.mkdir()
        make_mosaic(known_block.folder, place / "o.tif", MosaicOptions(quality=quality, workers=workers))
        made.append(digests(place))
    assert "o.tif" in made[0]
    assert made[0] == made[1]


def test_with_little_memory_the_order_of_decoding_does_not_show(known_block, tmp_path, monkeypatch):
    """Photos that do not fit are decoded for each stage; which one is let go first must not show."""
    monkeypatch.setattr(mosaic, "KEPT_SHARE", 0.0)  # else these few are kept whole
    monkeypatch.setattr(render, "LEAST_SHELF_BYTES", 4_000_000)
    monkeypatch.setattr(render, "held_mb", lambda: 1e6)
    made = []
    for run, workers in enumerate((1, 3)):
        place = tmp_path / str(run)
        place.mkdir()
        options = MosaicOptions(workers=workers, memory_mb=200)
        make_mosaic(known_block.folder, place / "o.tif", options)
        made.append(digests(place))
    assert made[0] == made[1]
