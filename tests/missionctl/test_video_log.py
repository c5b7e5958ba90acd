"""A video without subtitles and the log of its flight, a simulated one: frames with places."""

import json
import math
import struct
from dataclasses import replace

import cv2
import numpy as np
import pytest

from flight.errors import LogError
from flight.wire import Encoder
from imagery.errors import PhotoError
from imagery.mosaic import MosaicOptions, make_mosaic
from imagery.photo_tags import read_tags
from imagery.video_clock import created_utc
from missionctl.cli.main import _register, app
from missionctl.services.log_places import logged_flight
from plans.cameras import Camera
from plans.frames import Pose
from tests.imagery.conftest import FRAME, KnownBlock, ground_texture, take_photo
from tests.imagery.test_mosaic import offsets_px
from tests.sim.conftest import GROUND_M, Bench

LENS = Camera("Video", 36.0, 20.25, 24.0, 640, 360)
FPS = 5.0
START_S = 1_782_893_040.0  # 2026-07-01 08:04 UTC
HEIGHT_M = 45.0
FILM_AT_M = -20.0
"""The camera is switched on in the first lane, here (east)."""
LENGTH_S = 40.0
SHARED_LOGS = "../shared/data/plans"


def fly():
    """(bench, poses of the camera FPS times a second with their times): three lanes over the ground of the
    tests of imagery, telemetry at 4 Hz."""
    bench = Bench(seed=5)
    bench.run(42.5)
    for message, hz in ((33, 4), (30, 4), (285, 4)):
        assert bench.stream(message, hz) == 0
    items = [bench.at(0, 0, 0, 0), bench.at(1, 0, 0, HEIGHT_M, command=22), bench.order(2, 178, 1, 8, -1)]
    places = [(-32, -20), (32, -20), (32, 0), (-32, 0), (-32, 20), (32, 20)]
    items += [bench.at(3 + i, *place, HEIGHT_M) for i, place in enumerate(places)]
    items.append(bench.order(9, 20))
    assert bench.upload(items) == 0
    assert bench.mode(4) == 0
    assert bench.arm() == 0
    assert bench.mode(3) == 0
    assert bench.command(300) == 0
    film, vehicle = [], bench.vehicle

    def look():
        if not film or vehicle.time_s >= film[-1][0] + 1 / FPS - 1e-6:
            b, angles = vehicle.body, vehicle.gimbal.look(vehicle.body)
            pose = Pose(b.east_m, b.north_m, b.up_m, angles.yaw_deg, angles.pitch_deg, angles.roll_deg)
            film.append((vehicle.time_s, pose))
        return "Mission: 9 RTL" in bench.texts(vehicle.time_s - 1)

    assert bench.run(240, look)
    return bench, film


def write_tlog(path, bench):
    """What the station heard, by a radio that holds messages up by 20 ms to half a second."""
    rng, encoder, data = np.random.default_rng(2), Encoder(1, 1), b""
    for time_s, message in bench.inbox:
        heard = START_S + time_s + 0.02 + min(rng.exponential(0.08), 0.5)
        data += struct.pack(">Q", round(1e6 * heard)) + encoder.encode(message)
    path.write_bytes(data)


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """(video, log, ground, its frames' (time, pose)): 40 s from the middle of the first lane on."""
    folder = tmp_path_factory.mktemp("filmed")
    bench, film = fly()
    write_tlog(folder / "flight.tlog", bench)
    first = next(
        i for i, (_, p) in enumerate(film) if p.up_m > GROUND_M + HEIGHT_M - 1 and p.east_m > FILM_AT_M
    )
    film = film[first : first + round(LENGTH_S * FPS)]
    ground = ground_texture()
    video = folder / "MOV_7.MP4"
    write_video(video, [take_photo(ground, pose, LENS) for _, pose in film])
    return video, folder / "flight.tlog", ground, film


def write_video(path, pictures):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), FPS, (640, 360))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(picture)
    writer.release()


def heading_deg(pose):
    """Where the top of a picture that looks down points."""
    east, north, _ = -pose.camera_from_enu[1]
    return math.degrees(math.atan2(east, north))


def frames(*words, capsys):
    _register()
    app(["frames", *map(str, words), "--json"], standalone_mode=False)
    return json.loads(capsys.readouterr().out)


def test_the_log_places_the_frames_and_they_make_a_mosaic_that_lies_where_it_is(filmed, tmp_path, capsys):
    video, log, ground, film = filmed
    told = frames(video, "-o", tmp_path / "photos", "--log", log, capsys=capsys)
    began = film[0][0] - (logged_flight(log).started_utc.timestamp() - START_S)
    print(f"off by {told['log']['offset_s'] - began:+.3f} s, told {told['log']}")
    assert told["log"]["certainty"] == "sure"
    assert told["log"]["found_by"].startswith("motion")
    assert told["log"]["attitude_of"] == "camera"
    assert told["log"]["offset_s"] == pytest.approx(began, abs=0.15)
    assert abs(told["log"]["offset_s"] - began) < 3 * told["log"]["sigma_s"]
    off_m, off_deg, poses = [], [], []
    for name in told["photos"]:
        tags = read_tags(tmp_path / "photos" / name)
        at_s = tags.time_utc.timestamp() - START_S
        pose = min(film, key=lambda row: abs(row[0] - at_s))[1]
        east, north = FRAME.to_local(tags.lat_deg, tags.lon_deg)
        off_m.append(math.hypot(east - pose.east_m, north - pose.north_m))
        off_deg.append(abs((tags.yaw_deg - heading_deg(pose) + 180) % 360 - 180))
        poses.append(pose)
        assert tags.pitch_deg == pytest.approx(-90, abs=1.5)
    print(f"places {np.median(off_m):.2f} m, {max(off_m):.2f} at most; yaw {np.median(off_deg):.1f} deg")
    assert max(off_m) < 4.0  # the receiver's own error, and its turns
    assert np.median(off_deg) < 4.0
    report = make_mosaic(tmp_path / "photos", tmp_path / "o.tif", MosaicOptions(quality="quick", workers=2))
    assert len(report.photos) == told["frames"]
    assert all(p.placed_by == "tie points" for p in report.photos)
    off = offsets_px(KnownBlock(tmp_path / "photos", ground, tuple(poses)), tmp_path / "o.tif", patch_px=64)
    shape_m = float(np.sqrt(((off - off.mean(axis=0)) ** 2).sum(axis=1).mean())) * report.gsd_m
    place_m = float(np.linalg.norm(off.mean(axis=0))) * report.gsd_m
    print(f"mosaic: shape {shape_m:.2f} m, place {place_m:.2f} m")
    assert shape_m < 0.5
    assert place_m < 3.0


def test_an_offset_that_is_given_is_taken(filmed, tmp_path, capsys):
    told = frames(filmed[0], "-o", tmp_path / "p", "--log", filmed[1], "--offset", 60, capsys=capsys)
    assert told["log"]["offset_s"] == 60
    assert told["log"]["certainty"] == "given"
    start = logged_flight(filmed[1]).started_utc.timestamp()
    first = read_tags(tmp_path / "p" / told["photos"][0])
    assert first.time_utc.timestamp() - start == pytest.approx(60 + told["from_s"], abs=0.01)


def dated(source, target, created_s):
    """A copy of an MP4 whose header says when its recording began."""
    data = bytearray(source.read_bytes())
    at = data.rindex(b"mvhd")
    data[at + 8 : at + 12] = struct.pack(">I", round(created_s) + 2_082_844_800)
    target.write_bytes(data)


def straight_stretch(film, ground, path):
    """Five seconds of one lane: nothing in them tells one lane from another."""
    lane = [(t, p) for t, p in film[60:] if abs(p.north_m) < 1.0 and abs(p.east_m) < 20]
    assert np.ptp([t for t, _ in lane]) < 8
    write_video(path, [take_photo(ground, p, LENS) for _, p in lane])
    return lane[0][0]


def test_a_straight_lane_alone_is_not_guessed_but_the_files_clock_may_tell(filmed, tmp_path, capsys):
    _, log, ground, film = filmed
    began = straight_stretch(film, ground, tmp_path / "LANE.MP4")
    with pytest.raises(PhotoError, match=r"--offset"):
        frames(tmp_path / "LANE.MP4", "-o", tmp_path / "p", "--log", log, capsys=capsys)
    assert not (tmp_path / "p").exists()
    zone_s = 8 * 3600.0
    dated(tmp_path / "LANE.MP4", tmp_path / "CLOCK.MP4", START_S + began + zone_s)
    assert created_utc(tmp_path / "CLOCK.MP4").timestamp() == round(START_S + began + zone_s)
    told = frames(tmp_path / "CLOCK.MP4", "-o", tmp_path / "p", "--log", log, capsys=capsys)
    start = logged_flight(log).started_utc.timestamp() - START_S
    assert told["log"]["offset_s"] == pytest.approx(began - start, abs=2.0)
    assert "clock" in told["log"]["found_by"]


def test_a_video_of_another_flight_is_refused(filmed, tmp_path, capsys):
    _, log, ground, film = filmed
    still = replace(film[0][1], yaw_deg=0.0, pitch_deg=-90.0, roll_deg=0.0)
    turning = [replace(still, yaw_deg=9.0 * n) for n in range(100)]
    write_video(tmp_path / "OTHER.MP4", [take_photo(ground, p, LENS) for p in turning])
    with pytest.raises(PhotoError, match=r"is it of this flight"):
        frames(tmp_path / "OTHER.MP4", "-o", tmp_path / "p", "--log", log, capsys=capsys)


def test_frames_outside_the_log_are_not_taken(filmed, tmp_path, capsys):
    """The log broke off in the middle of the video."""
    video, log, _, film = filmed
    flight = logged_flight(log)
    end = START_S + film[0][0] + 25.0
    data, cut, at = log.read_bytes(), b"", 0
    while at < len(data):
        (stamp,) = struct.unpack_from(">Q", data, at)
        size = 8 + data[at + 9] + 12
        cut += data[at : at + size] if stamp / 1e6 < end else b""
        at += size
    (tmp_path / "cut.tlog").write_bytes(cut)
    offset = film[0][0] + START_S - flight.started_utc.timestamp()
    told = frames(
        video, "-o", tmp_path / "p", "--log", tmp_path / "cut.tlog", "--offset", offset, capsys=capsys
    )
    assert 20.0 < told["to_s"] <= 26.5


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--offset", "3"), r"name it \(--log\)"),
        (("--srt", "a.srt", "--log", "b.tlog"), "give --srt or --log"),
        (("--log", "gone.tlog"), "cannot be read"),
    ],
)
def test_what_does_not_go_together_is_told(filmed, tmp_path, capsys, words, says):
    with pytest.raises((PhotoError, LogError), match=says):
        frames(filmed[0], "-o", tmp_path / "p", *words, capsys=capsys)
