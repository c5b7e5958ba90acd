"""Photos that go while a mosaic is made of them: a card that is pulled, a share that is away, a copy that
fails. The run goes on without them and says so."""

import os
import shutil

import numpy as np
import pytest

from imagery.errors import MosaicError
from imagery.found import Found
from imagery.mosaic import MosaicOptions, feature_rules, make_mosaic
from tests.imagery.conftest import KnownBlock
from tests.imagery.test_mosaic import offsets_px


@pytest.fixture
def folder(known_block, tmp_path):
    return shutil.copytree(known_block.folder, tmp_path / "photos")


@pytest.fixture
def large(monkeypatch):
    """The block does not fit into memory: photos are decoded again to be measured and painted."""
    monkeypatch.setattr("imagery.mosaic.KEPT_SHARE", 0.0)


def at(stage, spoil):
    """Progress that spoils something once, as soon as a stage begins."""
    done = []

    def on_progress(name, _):
        if name == stage and not done:
            done.append(spoil())

    return on_progress


def cut_short(path):
    path.write_bytes(path.read_bytes()[:50_000])


@pytest.mark.parametrize(
    ("quality", "stage"), [("full", "match"), ("full", "adjust"), ("full", "render"), ("quick", "render")]
)
@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("spoil", [os.unlink, cut_short], ids=["deleted", "cut"])
def test_the_run_goes_on_without_a_photo_that_goes(known_block, folder, tmp_path, quality, stage, spoil):
    gone = [folder / "P003.JPG", folder / "P011.JPG"]
    out = tmp_path / "out" / "o.tif"
    options = MosaicOptions(workers=2, quality=quality)
    report = make_mosaic(folder, out, options, at(stage, lambda: [spoil(path) for path in gone]))
    assert [p.name for p in report.photos] == sorted(
        {p.name for p in known_block.folder.iterdir()} - {p.name for p in gone}
    )
    assert {d.name: "copy it from the card again" in d.reason for d in report.dropped} == {
        p.name: True for p in gone
    }
    assert report.photos_given == 15
    off = offsets_px(KnownBlock(folder, known_block.ground, known_block.poses), out, patch_px=64)
    assert len(off) > 20
    assert np.sqrt((off**2).sum(axis=1).mean()) < 1.2
    assert not [p for p in out.parent.iterdir() if p.name.startswith(".")]


@pytest.mark.usefixtures("large")
def test_what_was_left_out_before_is_told_once(known_block, folder, tmp_path):
    (folder / "P099.JPG").write_bytes(b"not a photo at all")
    options = MosaicOptions(workers=2, quality="quick")
    report = make_mosaic(folder, tmp_path / "o.tif", options, at("render", (folder / "P007.JPG").unlink))
    assert [d.name for d in report.dropped] == ["P099.JPG", "P007.JPG"]
    assert "it could be read when the run began" in report.dropped[1].reason
    assert len(set(report.warnings)) == len(report.warnings)


@pytest.mark.usefixtures("large")
def test_a_card_that_is_pulled_ends_the_run_in_one_line(known_block, folder, tmp_path):
    out = tmp_path / "out" / "o.tif"
    out.parent.mkdir()
    out.write_bytes(b"the mosaic of yesterday")
    options = MosaicOptions(workers=2, quality="quick")
    with pytest.raises(MosaicError, match=r"no usable photo is left.*P000\.JPG") as raised:
        make_mosaic(folder, out, options, at("render", lambda: shutil.rmtree(folder)))
    assert "\n" not in str(raised.value)
    assert [p.name for p in out.parent.iterdir()] == ["o.tif"]
    assert out.read_bytes() == b"the mosaic of yesterday"


def test_photos_that_are_in_memory_are_painted_though_they_go(folder, tmp_path):
    report = make_mosaic(
        folder, tmp_path / "o.tif", MosaicOptions(workers=2),
        at("render", lambda: shutil.rmtree(folder)),
    )  # fmt: skip
    assert len(report.photos) == 15
    assert report.dropped == ()


@pytest.mark.usefixtures("large")
def test_what_is_known_from_before_is_found_though_a_photo_goes(known_block, folder, tmp_path):
    """Its features are known by the file as it was: it is gone when pairs are matched."""
    options = MosaicOptions(workers=2, quality="quick")
    found = Found(feature_rules(options))
    make_mosaic(folder, tmp_path / "a.tif", options, found=found)
    report = make_mosaic(
        folder, tmp_path / "b.tif", options, at("match", (folder / "P005.JPG").unlink), found=found
    )
    assert [d.name for d in report.dropped] == ["P005.JPG"]
    assert len(report.photos) == 14
