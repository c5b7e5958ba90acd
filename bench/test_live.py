"""Live mosaics: how late each photo is on the map, and what a photo costs when there are a thousand.

    LIVE_BLOCK=FOLDER python -m pytest bench/test_live.py
    LIVE_BLOCK=FOLDER LIVE_PHOTOS=1000 python -m pytest bench/test_live.py -k growth

FOLDER holds photos of 12 Mpx of bench/photo_blocks.py (one is made when it is not named, which takes
minutes); LIVE_DEM names a DEM.
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
GROWING = int(os.environ.get("LIVE_PHOTOS", "200"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    given = os.environ.get("LIVE_BLOCK")
    folder = Path(given) if given else make_wide_block(tmp_path_factory.mktemp("block"), GROWING)
    return sorted(folder.glob("*.JPG"))


def options():
    dem = os.environ.get("LIVE_DEM")
    return MosaicOptions(workers=2, quality="quick", dem=Path(dem) if dem else None)


def land(photo, folder):
    part = folder / f".{photo.name}.part"
    shutil.copy(photo, part)
    part.rename(folder / photo.name)
    return time.monotonic()


def test_each_photo_is_on_the_map_within_a_second(photos, tmp_path, tell):
    photos = photos[:PHOTOS]
    folder, out = tmp_path / "photos", tmp_path / "live.tif"
    folder.mkdir()
    came, late, ended, cpu = {}, {}, threading.Event(), []

    def fly():
        begun = time.monotonic()
        for number, photo in enumerate(photos):
            time.sleep(max(0.0, begun + number * EVERY_S - time.monotonic()))
            came[photo.name] = land(photo, folder)
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
        folder, out, options(), lambda *_: None, drafted, ended.is_set, LiveRules(idle_s=30.0)
    )
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


@pytest.mark.timeout(7200)
def test_growth_costs_nothing_more_a_photo(photos, tmp_path, tell):
    """The next photo comes when the one before is on the map; 100 at a time are compared."""
    photos = photos[:GROWING]
    folder, out = tmp_path / "photos", tmp_path / "live.tif"
    folder.mkdir()
    waiting, ended, told = list(photos), threading.Event(), []
    begun = [time.process_time(), time.monotonic()]

    def drafted(draft):
        if draft.late_s is None:
            return
        assert draft.left_out is None
        if draft.count % 100 == 0:
            now = [time.process_time(), time.monotonic()]
            told.append((now[0] - begun[0]) / 100)
            resident_mb = int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
            map_mb = out.stat().st_size / 1e6
            tell(
                f"{draft.count} photos: {1e3 * told[-1]:.0f} ms of CPU time each, one each "
                f"{(now[1] - begun[1]) / 100:.2f} s; {resident_mb:.0f} MB; map {map_mb:.0f} MB"
            )
            begun[:] = now
        if waiting:
            land(waiting.pop(0), folder)
        else:
            ended.set()

    land(waiting.pop(0), folder)
    report = follow_photos(
        folder, out, options(), lambda *_: None, drafted, ended.is_set, LiveRules(idle_s=60.0)
    )
    tell(f"final run {report.seconds['total']:.0f} s, peak {report.peak_rss_mb:.0f} MB")
    assert len(report.photos) == len(photos)
    assert told[-1] < 1.3 * told[0] + 0.1
    assert max(told) < 2 * EVERY_S, "two cores keep up with a photo each 1.5 s"
