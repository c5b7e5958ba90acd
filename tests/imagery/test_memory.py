"""`--memory` is what a run takes at the most, and more of it is made use of."""

import json
import subprocess
import sys
from dataclasses import replace

import cv2
import pytest

from .conftest import CAMERA, ground_texture, take_photo, true_poses, write_photo

LARGE = replace(CAMERA, image_width_px=4000, image_height_px=3000)
PHOTOS = 10
DECODED_MB = PHOTOS * 36
BUDGET_MB = 500

_RUN = """
import json, sys
from pathlib import Path
from imagery.mosaic import MosaicOptions, make_mosaic
options = MosaicOptions(workers=2, memory_mb=int(sys.argv[3]))
print(json.dumps(make_mosaic(Path(sys.argv[1]), Path(sys.argv[2]), options).report()))
"""


@pytest.fixture(scope="module")
def large_photos(tmp_path_factory):
    """Photos of 12 Mpx that take more memory, decoded, than the budget has."""
    folder, ground = tmp_path_factory.mktemp("large"), ground_texture()
    for number, pose in enumerate(true_poses()[:PHOTOS]):
        picture = cv2.resize(take_photo(ground, pose), (LARGE.image_width_px, LARGE.image_height_px))
        write_photo(folder / f"P{number:03d}.JPG", picture, pose, 0.03, number, LARGE)
    return folder


def test_the_budget_holds_and_binds(large_photos, tmp_path):
    peaks_mb = {}
    for budget_mb in (BUDGET_MB, 3000):
        words = [large_photos, tmp_path / f"{budget_mb}.tif", budget_mb]
        done = subprocess.run(
            [sys.executable, "-c", _RUN, *map(str, words)], capture_output=True, text=True, check=True
        )
        report = json.loads(done.stdout)
        assert report["placed"] == PHOTOS
        peaks_mb[budget_mb] = report["peak_rss_mb"]
    assert peaks_mb[BUDGET_MB] <= BUDGET_MB
    assert DECODED_MB < peaks_mb[3000] <= 3000
