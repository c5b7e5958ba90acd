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
GROWING = int(os.environ.get("LIVE_PHOTOS", "520"))


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
    """The next photo comes when nothing is left to do: the one before is on the map, and all corrections that
    it brought are made and painted. Time is that of the processor, so that another program's work is no
    pause of the flight.

    The whole block is adjusted whenever it has doubled, so doublings are compared: each holds one of them.
    The first lanes are left out, as a photo there has half the neighbours of one inside the block.
    """
    photos = photos[:GROWING]
    folder, out = tmp_path / "photos", tmp_path / "live.tif"
    folder.mkdir()
    waiting, ended, shown = list(photos), threading.Event(), [0]
    cpu_s, begun_s = [time.process_time()], [time.monotonic()]

    def drafted(draft):
        assert draft.left_out is None
        shown[0] = draft.count

    def idle(*_):
        if shown[0] < len(cpu_s):
            return
        cpu_s.append(time.process_time())
        if shown[0] % 100 == 0:
            resident_mb = int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
            each_ms = 1e3 * (cpu_s[-1] - cpu_s[-101]) / 100
            tell(
                f"{shown[0]} photos: {each_ms:.0f} ms of CPU time each, one each "
                f"{(time.monotonic() - begun_s[-1]) / 100:.2f} s; {resident_mb:.0f} MB; "
                f"map {out.stat().st_size / 1e6:.0f} MB"
            )
            begun_s.append(time.monotonic())
        if waiting:
            land(waiting.pop(0), folder)
        else:
            ended.set()

    land(waiting.pop(0), folder)
    rules = LiveRules(idle_s=600.0)
    report = follow_photos(
        folder, out, options(), idle, drafted, ended.is_set, rules, clock=time.process_time
    )
    tell(f"final run {report.seconds['total']:.0f} s, peak {report.peak_rss_mb:.0f} MB")
    assert len(report.photos) == len(photos)
    doublings = [1e3 * (cpu_s[2 * n] - cpu_s[n]) / n for n in (128, 256, 512) if 2 * n < len(cpu_s)]
    tell(f"from 128, 256 and 512 photos to twice as many: {[round(ms) for ms in doublings]} ms of CPU each")
    assert doublings[-1] < 1.3 * doublings[0]
    assert max(doublings) < 2e3 * EVERY_S, "two cores keep up with a photo each 1.5 s"
