"""A mosaic of photos whose ground is known: where things lie, what is left out, and what stands on disk."""

import os
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import pyproj
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

from imagery.errors import ImageryError, MosaicError
from imagery.mosaic import MosaicOptions, make_mosaic

from .conftest import FRAME, HALF_M, write_block

OPTIONS = MosaicOptions(workers=2)


@pytest.fixture(scope="module")
def made(known_block, tmp_path_factory):
    """(report, file) of the full mosaic."""
    out = tmp_path_factory.mktemp("mosaic") / "ortho.tif"
    return make_mosaic(known_block.folder, out, OPTIONS), out


def offsets_px(block, file, patch_px=96):
    """(n, 2) how far patches of the mosaic lie off the true ground, in its pixels. Patches that look alike
    all along (a road) have no clear place and may be few only."""
    found, unclear = [], 0
    with rasterio.open(file) as source:
        picture, mask = source.read((1, 2, 3)), source.dataset_mask() > 0
        to_local = pyproj.Transformer.from_crs(source.crs, FRAME.crs, always_xy=True)
        for row in range(patch_px, source.height - 2 * patch_px, 2 * patch_px):
            for col in range(patch_px, source.width - 2 * patch_px, 2 * patch_px):
                part = np.s_[row : row + patch_px, col : col + patch_px]
                if not mask[part].all():
                    continue
                cols, rows = np.meshgrid(np.arange(patch_px) + col + 0.5, np.arange(patch_px) + row + 0.5)
                east, north = to_local.transform(*(source.transform @ (cols, rows)))
                if max(np.abs(east).max(), np.abs(north).max()) > HALF_M - 1:
                    continue
                truth = cv2.cvtColor(block.ground_at(east, north), cv2.COLOR_BGR2GRAY)
                here = cv2.cvtColor(np.moveaxis(picture[:, *part], 0, -1).copy(), cv2.COLOR_RGB2GRAY)
                window = cv2.createHanningWindow((patch_px, patch_px), cv2.CV_32F)
                shift, clear = cv2.phaseCorrelate(truth.astype(np.float32), here.astype(np.float32), window)
                if clear < 0.1:
                    unclear += 1
                else:
                    found.append(shift)
    assert unclear <= 0.1 * len(found)
    return np.array(found)


def test_everything_lies_where_it_is_on_the_ground(known_block, made):
    report, file = made
    off = offsets_px(known_block, file)
    assert len(off) > 60
    rms_px = float(np.sqrt((off**2).sum(axis=1).mean()))
    print(f"position error {rms_px:.2f} px rms over {len(off)} patches")
    assert rms_px < 1.0
    assert np.abs(off).max() < 2.5
    assert len(report.photos) == 15
    assert report.reprojection_rms_px < 1.0


def test_positions_older_than_the_exposure_do_not_shift_the_ground(known_block, tmp_path):
    """50 ms at 8 m/s are 0.4 m, seven pixels, to and fro with the lanes."""
    folder = tmp_path / "photos"
    folder.mkdir()
    late = write_block(folder, known_block.ground, known_block.poses, lag_s=0.05)
    report = make_mosaic(folder, tmp_path / "o.tif", MosaicOptions(quality="quick", workers=2))
    off_m = offsets_px(late, tmp_path / "o.tif") * report.gsd_m
    assert float(np.sqrt((off_m**2).sum(axis=1).mean())) < 0.08
    assert 1000 * report.lag_s == pytest.approx(50, abs=15)


def test_the_mosaic_says_when_its_photos_were_taken(made):
    _, file = made
    with rasterio.open(file) as source:
        tags = source.tags()
    assert tags["ACQUIRED_UTC"] == "2026-07-01T04:00:00+00:00"
    assert tags["ACQUIRED_END_UTC"] == "2026-07-01T04:00:28+00:00"


def test_the_mosaic_is_a_cog_with_companions(made):
    _, file = made
    valid, errors, _ = cog_validate(file, quiet=True)
    assert valid, errors
    assert sorted(p.name for p in file.parent.iterdir()) == [
        "ortho.accuracy.tif",
        "ortho.blur.tif",
        "ortho.source.tif",
        "ortho.tif",
        "ortho.views.tif",
    ]


def test_nothing_is_painted_apart_from_the_block(made):
    _, file = made
    with rasterio.open(file) as source:
        mask = (source.dataset_mask() > 0).astype(np.uint8)
    pieces, _ = cv2.connectedComponents(mask)
    assert pieces == 2  # the background and one piece of ground


def test_a_broken_photo_and_one_without_position_are_named_and_left_out(known_block, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(known_block.folder, folder)
    broken = (folder / "P003.JPG").read_bytes()
    (folder / "P003.JPG").write_bytes(broken[: len(broken) // 4])
    _, plain = cv2.imencode(".jpg", np.zeros((90, 120, 3), np.uint8))
    (folder / "Z_no_position.JPG").write_bytes(plain.tobytes())
    report = make_mosaic(folder, tmp_path / "out" / "o.tif", MosaicOptions(quality="quick", workers=2))
    assert {d.name for d in report.dropped} == {"P003.JPG", "Z_no_position.JPG"}
    assert all(d.name in d.reason for d in report.dropped)
    assert len(report.photos) == 14
    assert report.photos_given == 16


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(MosaicError, match="no photos"):
        make_mosaic(tmp_path, tmp_path / "o.tif")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="a place that cannot be written, POSIX only")
def test_a_place_that_cannot_be_written_leaves_nothing(known_block):
    with pytest.raises(ImageryError, match="/proc/nothing"):
        make_mosaic(
            known_block.folder,
            __import__("pathlib").Path("/proc/nothing/o.tif"),
            MosaicOptions(quality="quick"),
        )


def test_a_killed_run_leaves_no_half_mosaic(known_block, tmp_path):
    out = tmp_path / "o.tif"
    command = [sys.executable, "-m", "missionctl.cli.main", "mosaic", str(known_block.folder), "-o", str(out)]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    for line in child.stderr:
        if "render" in line:
            break
    child.send_signal(signal.SIGKILL)
    child.wait(30)
    child.stderr.close()
    assert not out.exists()
