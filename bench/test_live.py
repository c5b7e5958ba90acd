"""A live mosaic of 60 photos of 12 Mpx that arrive one each 1.5 s: how late each is on the map.

    LIVE_BLOCK=FOLDER python -m pytest bench/test_live.py

FOLDER holds photos of bench/photo_blocks.py (one is made when it is not named, which takes minutes).
"""

import os
import shutil
import statistics
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from bench.photo_blocks import make_wide_block
from imagery.live import LiveRules, follow_photos
from imagery.mosaic import MosaicOptions

PHOTOS, EVERY_S = 60, 1.5


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    given = os.environ.get("LIVE_BLOCK")
    folder = Path(given) if given else make_wide_block(tmp_path_factory.mktemp("block"), PHOTOS)
    return sorted(folder.glob("*.JPG"))[:PHOTOS]


def test_each_photo_is_on_the_map_within_a_second(photos, tmp_path, tell):
    folder, out = tmp_path / "photos", tmp_path / "live.tif"
    folder.mkdir()
    came, late, ended, cpu = {}, {}, threading.Event(), []

    def fly():
        begun = time.monotonic()
        for number, photo in enumerate(photos):
            time.sleep(max(0.0, begun + number * EVERY_S - time.monotonic()))
            part = folder / f".{photo.name}.part"
            shutil.copy(photo, part)
            part.rename(folder / photo.name)
            came[photo.name] = time.monotonic()
        time.sleep(3.0)
        cpu.append(time.process_time())
        ended.set()

    def drafted(draft):
        if draft.late_s is not None and draft.left_out is None:
            assert out.exists()
            late[draft.name] = time.monotonic() - came[draft.name]
        pictures = os.environ.get("LIVE_PICTURES")
        if pictures and draft.count in (5, 20, 40, 60):
            shutil.copy(out, Path(pictures) / f"draft{draft.count}.tif")

    cpu.append(time.process_time())
    pilot = threading.Thread(target=fly)
    pilot.start()
    report = follow_photos(
        folder, out, MosaicOptions(workers=2, quality="quick"), lambda *_: None, drafted, ended.is_set,
        LiveRules(idle_s=30.0),
    )  # fmt: skip
    pilot.join()
    times = sorted(late.values())
    tell(
        f"{len(late)} of {len(photos)} photos, on the map after {statistics.median(times):.2f} s (median), "
        f"{np.percentile(times, 95):.2f} s (95 %), {times[-1]:.2f} s (worst); "
        f"{(cpu[1] - cpu[0]) / len(photos):.2f} s of CPU time a photo; "
        f"final run {report.seconds['total']:.1f} s"
    )
    assert len(late) == len(report.photos) == len(photos)
    assert statistics.median(times) <= 1.0
