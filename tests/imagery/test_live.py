"""A mosaic that grows with its folder: on the map at once, killed at any time, and whole in the end."""

import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import rasterio

from imagery.live import LiveRules, follow_photos, live_folder
from imagery.mosaic import MosaicOptions, make_mosaic

OPTIONS = MosaicOptions(workers=2, quality="quick")


def follow(folder, out, drafts, idle_s=1.5, quiet_s=0.5):
    return follow_photos(
        folder, out, OPTIONS, lambda *_: None, drafts.append, lambda: False,
        LiveRules(idle_s=idle_s, quiet_s=quiet_s),
    )  # fmt: skip


def placed_m(report):
    return np.array([photo.pose.centre for photo in sorted(report.photos, key=lambda p: p.name)])


@pytest.fixture(scope="module")
def full(known_block, tmp_path_factory):
    """The mosaic without a live run before it."""
    return make_mosaic(known_block.folder, tmp_path_factory.mktemp("full") / "full.tif", OPTIONS)


def test_a_live_mosaic_shows_each_photo_and_ends_as_the_full_one(known_block, full, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "live.tif"
    folder.mkdir()
    drafts, shown = [], []

    def drafted(draft):
        drafts.append(draft)
        with rasterio.open(out) as source:
            shown.append((draft.count, source.crs.to_epsg(), int((source.dataset_mask() > 0).sum())))

    def arrive():
        for photo in sorted(known_block.folder.iterdir()):
            shutil.copy(photo, folder / f".{photo.name}")
            (folder / f".{photo.name}").rename(folder / photo.name)
            time.sleep(0.05)

    bird = threading.Thread(target=arrive)
    bird.start()
    report = follow_photos(
        folder, out, OPTIONS, lambda *_: None, drafted, lambda: False, LiveRules(idle_s=2.0)
    )
    bird.join()
    assert [d.count for d in drafts if d.late_s is not None] == list(range(1, 16))
    assert shown[14][2] > 2 * shown[0][2]
    assert len({epsg for _, epsg, _ in shown}) == 1
    assert report.seconds["features"] < 0.5 * full.seconds["features"]
    assert np.abs(placed_m(report) - placed_m(full)).max() < 0.05
    assert not live_folder(out).exists()


def test_a_growing_photo_is_waited_for_and_a_damaged_one_is_told(known_block, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "live.tif"
    folder.mkdir()
    photos = sorted(known_block.folder.iterdir())
    for photo in photos[:3]:
        shutil.copy(photo, folder / photo.name)
    whole = photos[3].read_bytes()
    (folder / "P099.JPG").write_bytes(whole[: len(whole) // 2])
    growing = folder / photos[4].name
    data, done_s = photos[4].read_bytes(), []

    def grow():
        with open(growing, "wb") as sink:
            for start in range(0, len(data), len(data) // 8):
                sink.write(data[start : start + len(data) // 8])
                sink.flush()
                time.sleep(0.2)
        done_s.append(time.monotonic())

    seen = {}
    drafts = []
    card = threading.Thread(target=grow)
    card.start()
    report = follow_photos(
        folder, out, OPTIONS, lambda *_: None,
        lambda d: (drafts.append(d), seen.setdefault(d.name, time.monotonic())), lambda: False,
        LiveRules(idle_s=2.5, quiet_s=1.0),
    )  # fmt: skip
    card.join()
    assert seen[growing.name] > done_s[0] - 0.3  # its last part is written before the pause
    assert [d.name for d in drafts].count(growing.name) == 1
    damaged = [d for d in drafts if d.left_out]
    assert [d.name for d in damaged] == ["P099.JPG"]
    assert "cut short" in damaged[0].left_out or "not a readable photo" in damaged[0].left_out
    assert len(report.photos) == 4


def test_a_killed_run_goes_on_where_it_was(known_block, full, tmp_path):
    """Killed three times at moments of no choice: each photo is found once over all runs, none is lost, and
    the mosaic is that of a run that was left alone."""
    folder, out = tmp_path / "photos", tmp_path / "live.tif"
    shutil.copytree(known_block.folder, folder)
    command = [sys.executable, "-m", "missionctl.cli.main", "mosaic", str(folder), "-o", str(out), "--live"]
    kept = live_folder(out) / "photos"
    stamps = {}
    for enough in (2, 6, 10):
        child = subprocess.Popen([*command, "--quality", "quick"], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)  # fmt: skip
        until = time.monotonic() + 60
        while len(list(kept.glob("*.npz"))) < enough and time.monotonic() < until:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait(30)
        now = {file.name: file.stat().st_mtime_ns for file in kept.glob("*.npz")}
        assert len(now) >= enough
        assert {name: now[name] for name in stamps} == stamps, "nothing is found twice"
        stamps = now
    if out.exists():
        with rasterio.open(out) as source:
            assert source.read().any()
    drafts = []
    report = follow(folder, out, drafts)
    again = {d.name for d in drafts if d.late_s is not None}
    assert again == {p.name for p in folder.iterdir()} - {name.removesuffix(".npz") for name in stamps}
    assert len(report.photos) == len(full.photos)
    assert np.abs(placed_m(report) - placed_m(full)).max() < 0.05


def test_a_live_mosaic_over_the_command_line_ends_on_ctrl_c(known_block, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "live.tif"
    folder.mkdir()
    command = [sys.executable, "-m", "missionctl.cli.main", "mosaic", str(folder), "-o", str(out), "--live"]
    child = subprocess.Popen(
        [*command, "--quality", "quick"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    told = []
    ear = threading.Thread(target=lambda: told.extend(child.stderr))
    for photo in sorted(known_block.folder.iterdir())[:6]:
        part = folder / f".{photo.name}.part"
        shutil.copy(photo, part)
        part.rename(folder / photo.name)
    lines = iter(child.stderr.readline, "")
    until = time.monotonic() + 60
    while "draft of 6 photos" not in next(lines) and time.monotonic() < until:
        pass
    ear.start()
    child.send_signal(signal.SIGINT)
    assert child.wait(60) == 0
    ear.join(10)
    assert "6 of 6 photos" in child.stdout.read()
    child.stdout.close()
    child.stderr.close()
    assert out.exists()
