"""A video and its subtitles become photos, and these a mosaic that shows the ground where it is."""

import datetime as dt
import json
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from imagery.errors import PhotoError
from imagery.mosaic import MosaicOptions, make_mosaic
from imagery.photo_tags import read_tags
from imagery.srt import read_srt
from imagery.video import FrameRules, take_frames
from missionctl.cli.main import _register, app
from plans.cameras import Camera
from tests.imagery.conftest import FRAME, GROUND_UP_M, KnownBlock, ground_texture, take_photo, true_poses
from tests.imagery.test_mosaic import offsets_px

LENS = Camera("Video", 36.0, 20.25, 24.0, 800, 450)
FPS = 5.0
SPEED_MPS = 8.0
UP_M = GROUND_UP_M + 45.0
BLURRED = range(2, 1000, 4)


def flown():
    """Poses of the frames of two lanes and the way between, with a wobbling gimbal."""
    rng = np.random.default_rng(9)
    step = SPEED_MPS / FPS
    lane = np.arange(-32, 32.01, step)
    across = np.arange(-12 + step, 12, step)
    places = [(e, -12.0, 90.0) for e in lane]
    places += [(32.0, n, 0.0) for n in across]
    places += [(e, 12.0, 270.0) for e in lane[::-1]]
    wobble = rng.normal(0, 0.5, (len(places), 3))
    base = true_poses()[0]
    return [
        replace(
            base, east_m=float(e), north_m=float(n), up_m=UP_M, yaw_deg=yaw + w[0],
            pitch_deg=-90 + w[1], roll_deg=w[2],
        )
        for (e, n, yaw), w in zip(places, wobble, strict=True)
    ]  # fmt: skip


def srt_of(poses, line):
    """Subtitles, one for each frame; `line` gives the text of a pose."""
    text = []
    start = dt.datetime(2026, 7, 1, 12, 0)
    for n, pose in enumerate(poses):
        lat, lon = FRAME.to_geo(pose.east_m, pose.north_m)
        a, b = (f"00:00:{s:06.3f}".replace(".", ",") for s in (n / FPS, (n + 1) / FPS))
        clock = (start + dt.timedelta(seconds=n / FPS)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        text.append(f"{n + 1}\n{a} --> {b}\n{line(n, clock, float(lat), float(lon), pose)}\n")
    return "\n".join(text)


def brackets(n, clock, lat, lon, pose):
    return (
        f'<font size="28">FrameCnt: {n + 1}, DiffTime: 33ms\n{clock}\n[iso: 100] [fnum: 2.8] [ev: 0] '
        f"[focal_len: 24.00] [latitude: {lat:.7f}] [longitude: {lon:.7f}] "
        f"[rel_alt: {pose.up_m - 500:.3f} abs_alt: {pose.up_m:.3f}] "
        f"[gb_yaw: {(pose.yaw_deg + 180) % 360 - 180:.1f} "
        f"gb_pitch: {pose.pitch_deg:.1f} gb_roll: 0.0] </font>"
    )


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """(file, ground, poses of its frames): every fourth frame is blurred by a shake."""
    folder = tmp_path_factory.mktemp("video")
    ground = ground_texture()
    poses = flown()
    file = folder / "DJI_0042.MP4"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*"mp4v"), FPS, (800, 450))
    assert writer.isOpened()
    for n, pose in enumerate(poses):
        picture = take_photo(ground, pose, LENS)
        writer.write(cv2.GaussianBlur(picture, (0, 0), 4) if n in BLURRED else picture)
    writer.release()
    (folder / "DJI_0042.SRT").write_text(srt_of(poses, brackets))
    return file, ground, poses


@pytest.fixture(scope="module")
def frames(video, tmp_path_factory):
    """(folder, frames) taken with 75 % overlap."""
    file = video[0]
    out = tmp_path_factory.mktemp("frames") / "photos"
    return out, take_frames(file, read_srt(file.with_suffix(".SRT")), out, FrameRules(0.75))


def test_frames_are_spaced_by_overlap_sharp_and_where_the_drone_was(video, frames):
    _, _, poses = video
    out, taken = frames
    assert [f.name for f in taken] == sorted(p.name for p in out.iterdir())
    numbers = [round(f.at_s * FPS) for f in taken]
    assert len(set(numbers)) == len(numbers)
    assert not set(numbers) & set(BLURRED)
    apart_m = np.diff(numbers) * SPEED_MPS / FPS
    asked_m = 0.25 * 45.0 * 450 / (0.7 * 800)
    assert abs(float(np.mean(apart_m)) - asked_m) < 0.1 * asked_m
    assert apart_m.max() <= 1.4 * asked_m + SPEED_MPS / FPS
    for frame, number in zip(taken, numbers, strict=True):
        tags = read_tags(out / frame.name)
        east, north = FRAME.to_local(tags.lat_deg, tags.lon_deg)
        assert math.hypot(east - poses[number].east_m, north - poses[number].north_m) < 0.1
        assert tags.alt_amsl_m == pytest.approx(UP_M, abs=0.01)
        assert tags.height_rel_m == pytest.approx(45.0, abs=0.01)
        assert abs((tags.yaw_deg - poses[number].yaw_deg + 180) % 360 - 180) < 1.0
        assert tags.clock == dt.datetime(2026, 7, 1, 12, 0) + dt.timedelta(seconds=number / FPS)


def test_the_mosaic_of_a_video_lies_where_it_is(video, frames, tmp_path):
    _, ground, poses = video
    out, taken = frames
    report = make_mosaic(out, tmp_path / "o.tif", MosaicOptions(quality="quick", workers=2))
    assert report.dropped == ()
    assert len(report.photos) == len(taken)
    assert all(p.placed_by == "tie points" for p in report.photos)
    off = offsets_px(KnownBlock(out, ground, tuple(poses)), tmp_path / "o.tif", patch_px=64)
    assert len(off) > 10
    place_m = float(np.linalg.norm(off.mean(axis=0))) * report.gsd_m
    shape_m = float(np.sqrt(((off - off.mean(axis=0)) ** 2).sum(axis=1).mean())) * report.gsd_m
    print(f"shape {shape_m:.2f} m rms, place {place_m:.2f} m")
    assert shape_m < 0.15
    assert place_m < 0.3


def classic(n, clock, lat, lon, pose):
    """Mavic Pro and Phantom 3."""
    stamp = clock[:19].replace("-", ".")
    return (
        f"HOME(103.0000,30.0000) {stamp}\nGPS({lon:.4f},{lat:.4f},9) BAROMETER:{pose.up_m - 500:.1f}\n"
        "ISO:100 Shutter:60 EV: Fnum:2.2"
    )


def mini(n, clock, lat, lon, pose):
    """Phantom 4 and Mavic Mini."""
    return (
        f"F/2.8, SS 206.14, ISO 150, EV 0, GPS ({lon:.4f}, {lat:.4f}, 15), D 24.36m, "
        f"H {pose.up_m - 500:.2f}m, H.S 8.00m/s, V.S 0.00m/s"
    )


def old_brackets(n, clock, lat, lon, pose):
    """Mavic 2, with its misspelling, and without a height above sea level."""
    return (
        f'<font size="36">SrtCnt : {n}, DiffTime : 40ms\n{clock.replace(".", ",")},123\n'
        f"[iso : 110] [shutter : 1/200.0] [latitude : {lat:.6f}] [longtitude : {lon:.6f}] "
        f"[altitude: {pose.up_m - 500:.6f}] </font>"
    )


@pytest.mark.parametrize(
    ("line", "within_deg"), [(brackets, 2e-7), (classic, 1.1e-4), (mini, 1.1e-4), (old_brackets, 2e-6)]
)
def test_each_dialect_tells_the_same_way(tmp_path, line, within_deg):
    poses = flown()
    path = tmp_path / "a.srt"
    path.write_text(srt_of(poses, line))
    track = read_srt(path)
    for number in (0, 17, len(poses) - 1):
        lat, lon = FRAME.to_geo(poses[number].east_m, poses[number].north_m)
        place = track.at(number / FPS)
        assert (place.lat_deg, place.lon_deg) == pytest.approx((float(lat), float(lon)), abs=within_deg)
        assert place.height_rel_m == pytest.approx(45.0, abs=0.06)
        if line is not mini:
            since = place.clock - dt.datetime(2026, 7, 1, 12, 0)
            assert since.total_seconds() == pytest.approx(number / FPS, abs=1.1)


def test_a_yaw_that_passes_north_is_not_turned_the_long_way(tmp_path):
    path = tmp_path / "a.srt"
    line = "{}\n00:00:0{},000 --> 00:00:09,000\n[latitude: 30.{}] [longitude: 103.0] [gb_yaw: {}]\n"
    path.write_text(line.format(1, 0, 0, 175.0) + "\n" + line.format(2, 1, 1, -175.0))
    assert read_srt(path).at(0.5).yaw_deg == pytest.approx(180.0)


@pytest.mark.parametrize("text", ["", "1\n00:00:00,000 --> 00:00:01,000\nHello\n", "\x00\x01"])
def test_subtitles_without_positions_are_refused(tmp_path, text):
    path = tmp_path / "film.srt"
    path.write_text(text)
    with pytest.raises(PhotoError, match=r"film\.srt: tells no positions"):
        read_srt(path)


def command(*words):
    _register()
    return app(list(map(str, words)), standalone_mode=False)


def test_the_command_makes_a_folder_of_photos(video, tmp_path, capsys):
    command("frames", video[0], "-o", tmp_path / "photos", "--overlap", 60, "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["frames"] == len(told["photos"]) == len(list((tmp_path / "photos").iterdir())) > 4


def test_bad_videos_leave_nothing(video, tmp_path):
    broken = tmp_path / "broken.MP4"
    broken.write_bytes(b"no video")
    srt = video[0].with_suffix(".SRT")
    for words, says in (
        ((broken, "--srt", srt), "cannot be read as a video"),
        ((broken,), "no subtitles"),
        ((tmp_path / "gone.MP4", "--srt", srt), "no such video"),
        ((video[0], "--overlap", 99), "overlap of 99"),
    ):
        with pytest.raises(PhotoError, match=says):
            command("frames", *words, "-o", tmp_path / "photos")
    assert [p.name for p in tmp_path.iterdir()] == ["broken.MP4"]
    cut = tmp_path / "cut.MP4"
    cut.write_bytes(video[0].read_bytes()[:5000])
    with pytest.raises(PhotoError, match=r"cut\.MP4"):
        command("frames", cut, "--srt", srt, "-o", tmp_path / "photos")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.MP4", "cut.MP4"]
