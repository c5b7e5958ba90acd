"""A mosaic that grows with its folder: on the map at once, killed at any time, and whole in the end."""

import datetime as dt
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
import rasterio
from affine import Affine

from imagery.live import NO_EVENT, LiveRules, follow_photos, live_folder
from imagery.mosaic import MosaicOptions, make_mosaic
from imagery.photo_tags import PhotoTags, embed_tags, read_tags
from imagery.raster_io import write_cog
from plans.frames import LocalFrame
from plans.mission import CameraEvent

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


def kill_when(folder, out, is_time):
    """A live run that is killed once `is_time(files kept)` says so; gives the names that it kept, each with
    the time of its file."""
    command = [sys.executable, "-m", "missionctl.cli.main", "mosaic", str(folder), "-o", str(out), "--live"]
    kept = live_folder(out) / "photos"
    child = subprocess.Popen(
        [*command, "--quality", "quick"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 60
    while not is_time(len(list(kept.glob("*.npz")))) and time.monotonic() < until:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait(30)
    return {file.name: file.stat().st_mtime_ns for file in kept.glob("*.npz")}


def finish_after_kills(folder, out, stamps, full):
    """The run that is left alone: it finds only what no other has, and ends as if none had been killed."""
    if out.exists():
        with rasterio.open(out) as source:
            assert source.read().any()
    drafts = []
    report = follow(folder, out, drafts)
    again = [d.name for d in drafts if d.late_s is not None]
    assert sorted(again) == sorted(
        {p.name for p in folder.iterdir()} - {name.removesuffix(".npz") for name in stamps}
    )
    assert len(report.photos) == len(full.photos)
    assert np.abs(placed_m(report) - placed_m(full)).max() < 0.05
    assert not live_folder(out).exists()


def test_a_killed_run_goes_on_where_it_was(known_block, full, tmp_path):
    """Killed three times on the way: each photo is found once over all runs, none is lost, and the mosaic is
    that of a run that was left alone."""
    folder, out = tmp_path / "photos", tmp_path / "live.tif"
    shutil.copytree(known_block.folder, folder)
    stamps = {}
    for enough in (2, 6, 10):
        now = kill_when(folder, out, lambda count, enough=enough: count >= enough)
        assert len(now) >= enough
        assert {name: now[name] for name in stamps} == stamps, "nothing is found twice"
        stamps = now
    finish_after_kills(folder, out, stamps, full)


@pytest.mark.parametrize(
    "seed", [1, pytest.param(2, marks=pytest.mark.soak), pytest.param(3, marks=pytest.mark.soak)]
)
def test_a_run_may_be_killed_at_any_moment(seed, known_block, full, tmp_path):
    """Killed five times, a while after it has begun to work: while features are found, squares painted, the
    block kept or adjusted, or the file replaced."""
    folder, out = tmp_path / "photos", tmp_path / "live.tif"
    shutil.copytree(known_block.folder, folder)
    rng, stamps = np.random.default_rng(seed), {}
    for _ in range(5):
        begun, wait_s, before = [], rng.uniform(0.0, 0.5), len(stamps)

        def is_time(count, begun=begun, wait_s=wait_s, before=before):
            if count > before and not begun:
                begun.append(time.monotonic())
            return count == len(known_block.poses) or (bool(begun) and time.monotonic() - begun[0] > wait_s)

        now = kill_when(folder, out, is_time)
        assert {name: now[name] for name in stamps} == stamps, "nothing is found twice"
        stamps = now
    finish_after_kills(folder, out, stamps, full)


def without_places(source, folder):
    """The same photos from a camera that has a clock, half an hour ahead, and no receiver."""
    tags = read_tags(source)
    clock = tags.clock + dt.timedelta(minutes=30)
    own = PhotoTags(
        make=tags.make, model=tags.model, clock=clock, focal_mm=tags.focal_mm, focal_35mm=tags.focal_35mm
    )
    _, data = cv2.imencode(".jpg", cv2.imread(str(source)), [cv2.IMWRITE_JPEG_QUALITY, 95])
    part = folder / f".{source.name}.part"
    part.write_bytes(embed_tags(data.tobytes(), own))
    part.rename(folder / source.name)


def events_of(photos):
    told = [read_tags(photo) for photo in photos]
    return [
        CameraEvent(
            i + 1, t.time_utc, t.lat_deg, t.lon_deg, t.alt_amsl_m,
            yaw_deg=t.yaw_deg, pitch_deg=t.pitch_deg, roll_deg=t.roll_deg,
        )
        for i, t in enumerate(told)
    ]  # fmt: skip


def test_photos_without_a_place_are_placed_by_the_flights_events(known_block, full, tmp_path, monkeypatch):
    """Events are two ahead of the photos; one photo never comes."""
    monkeypatch.setattr("imagery.live._EVENTS_EVERY_S", 0.0)  # a photo may come sooner
    folder, out = tmp_path / "photos", tmp_path / "live.tif"
    folder.mkdir()
    photos = sorted(known_block.folder.iterdir())
    events, heard, drafts, ended = events_of(photos), [], [], threading.Event()
    come = [photo for photo in photos if photo.name != "P006.JPG"]

    def drafted(draft):
        drafts.append(draft)
        if draft.left_out:  # the first photo, and no event yet
            assert NO_EVENT in draft.left_out
            heard.extend(events[:2])
        elif draft.late_s is not None and draft.count < len(come):
            heard.extend(events[len(heard) : photos.index(come[draft.count]) + 3])
            without_places(come[draft.count], folder)
        elif draft.count == len(come):
            ended.set()

    without_places(come[0], folder)
    report = follow_photos(
        folder, out, OPTIONS, lambda *_: None, drafted, ended.is_set,
        LiveRules(idle_s=30.0), events=lambda: tuple(heard),
    )  # fmt: skip
    assert [d.name for d in drafts if d.left_out] == ["P000.JPG"]
    shown = {d.name: [e.index for e in d.expected] for d in drafts if d.late_s is not None}
    assert shown["P003.JPG"] == [5, 6]
    assert shown["P014.JPG"] == [7]
    assert any("never arrived: 1 photos (camera events 7)" in w for w in report.warnings)
    assert len(report.photos) == len(come)
    missing = [i for i, photo in enumerate(photos) if photo not in come]
    assert np.abs(placed_m(report) - np.delete(placed_m(full), missing, axis=0)).max() < 1.5


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


def test_a_dem_of_another_datum_puts_no_photo_elsewhere(known_block, tmp_path):
    """Heights 40 m over the photos': the map lies where it lies without them, and the full mosaic, too."""
    folder, out, dem = tmp_path / "photos", tmp_path / "live.tif", tmp_path / "dem.tif"
    folder.mkdir()
    write_cog(
        dem, np.full((60, 60), 540.0, np.float32), Affine(5, 0, -150, 0, -5, 150),
        LocalFrame(30.0, 103.0).crs, nodata=None,
    )  # fmt: skip
    photos, drafts, ended = sorted(known_block.folder.iterdir())[:9], [], threading.Event()
    waiting = list(photos)

    def drafted(draft):
        drafts.append(draft)
        if waiting and draft.late_s is not None:
            shutil.copy(waiting[0], folder / f".{waiting[0].name}")
            (folder / f".{waiting[0].name}").rename(folder / waiting.pop(0).name)
        elif not waiting and draft.count == len(photos):
            ended.set()

    shutil.copy(waiting[0], folder / waiting.pop(0).name)
    options = replace(OPTIONS, dem=dem)
    report = follow_photos(
        folder, out, options, lambda *_: None, drafted, ended.is_set, LiveRules(idle_s=30.0)
    )
    shown = {p.name: p for p in drafts[-1].photos()}
    assert len(report.photos) == len(photos)
    for photo in report.photos:
        live = shown[photo.name]
        assert photo.footprint.symmetric_difference(live.footprint).area < 0.06 * photo.footprint.area
        assert abs(photo.pose.up_m - live.pose.up_m) < 0.5
