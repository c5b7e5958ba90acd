"""missionctl geotag: places from a log into photos whose clock is wrong, and nothing half done."""

import csv
import datetime as dt
import hashlib
import re
import struct

import pytest
from PIL import ExifTags, Image

from flight.wire import Encoder, vehicle_heartbeat
from imagery.photo_tags import read_tags
from missionctl.services.geotagging import GeotagRequest, geotag_photos
from plans.errors import MissionError

START = dt.datetime(2026, 7, 1, 2, 0, tzinfo=dt.UTC)
SECONDS = (0.0, 2.1, 4.0, 6.3, 8.2, 12.9, 15.0, 17.4)
CLOCK_AHEAD_S = 8 * 3600 + 37.0


@pytest.fixture
def log(tmp_path):
    from pymavlink.dialects.v20 import ardupilotmega as mavlink

    encoder, data = Encoder(1, 1), b""
    messages = [vehicle_heartbeat(2, mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, 209, 3, 4)]
    for index, seconds in enumerate(SECONDS, 1):
        stamp = round((START.timestamp() + seconds) * 1e6)
        place = (round((30.05 + index * 1e-4) * 1e7), 1031500000, 560.0 + index, 60.0)
        messages.append(
            mavlink.MAVLink_camera_feedback_message(stamp, 0, 0, index, *place, 1.0, -2.0, 90.0, 0, 0, index)
        )
    for number, message in enumerate(messages):
        data += struct.pack(">Q", 1_782_871_200_000_000 + number) + encoder.encode(message)
    file = tmp_path / "flight.logs.tlog"
    file.write_bytes(data)
    return file


@pytest.fixture
def photos(tmp_path):
    """Photos of all but the third event, the camera's clock wrong by a time zone and some."""
    folder = tmp_path / "card"
    folder.mkdir()
    for index, seconds in enumerate(SECONDS, 1):
        if index == 3:
            continue
        clock = START + dt.timedelta(seconds=seconds + CLOCK_AHEAD_S)
        exif = Image.Exif()
        details = exif.get_ifd(ExifTags.IFD.Exif)
        details[ExifTags.Base.DateTimeOriginal] = clock.strftime("%Y:%m:%d %H:%M:%S")
        details[ExifTags.Base.SubsecTimeOriginal] = f"{clock.microsecond // 10_000:02d}"
        Image.new("RGB", (32, 24), (index * 20, 90, 120)).save(folder / f"DSC{index:04d}.jpg", exif=exif)
    return folder


def contents(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_photos_get_their_places_in_a_folder_of_copies(run_json, log, photos, tmp_path):
    before = contents(photos)
    result = run_json("geotag", photos, "--log", log, "-o", tmp_path / "out", "--csv", tmp_path / "t.csv")
    assert (result["photos"], result["matched"], result["tagged"]) == (7, 7, 7)
    assert result["events_without_photo"] == [3]
    assert result["clock_offset_s"] == pytest.approx(-CLOCK_AHEAD_S, abs=0.05)
    for index in (1, 2, 4, 8):
        tags = read_tags(tmp_path / "out" / f"DSC{index:04d}.jpg")
        assert tags.lat_deg == pytest.approx(30.05 + index * 1e-4, abs=1e-7)
        assert tags.alt_amsl_m == pytest.approx(560.0 + index, abs=0.01)
        attitude = (tags.flight_yaw_deg, tags.flight_pitch_deg, tags.flight_roll_deg)
        assert attitude == pytest.approx((90.0, -2.0, 1.0), abs=0.01)
        assert tags.pitch_deg is None  # the airframe's attitude is not where the camera looks
    with Image.open(tmp_path / "out" / "DSC0001.jpg") as new, Image.open(photos / "DSC0001.jpg") as old:
        assert new.tobytes() == old.tobytes()
    assert contents(photos) == before
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["photo"] for r in rows][:2] == ["DSC0001.jpg", "DSC0002.jpg"]
    assert float(rows[0]["lat_deg"]) == pytest.approx(30.0501)


def tag(photos, log, out, **options):
    return geotag_photos(GeotagRequest(photos, log, out, **options), lambda step, share: None)


def test_in_place_only_when_asked_and_own_places_are_kept(log, photos):
    assert tag(photos, log, None)["tagged"] == 7
    again = tag(photos, log, None)
    assert (again["matched"], again["tagged"]) == (7, 0)
    assert tag(photos, log, None, replace=True)["tagged"] == 7


def test_a_clock_offset_that_is_given_must_fit(log, photos, tmp_path):
    with pytest.raises(MissionError, match=re.escape(f"{-CLOCK_AHEAD_S:+.1f} s would")):
        tag(photos, log, tmp_path / "out", offset_s=0.0)
    assert not (tmp_path / "out").exists()
    assert tag(photos, log, tmp_path / "out", offset_s=-CLOCK_AHEAD_S)["tagged"] == 7


def test_nothing_is_left_when_it_cannot_be_done(complaint, log, photos, tmp_path):
    (photos / "DSC0005.jpg").write_bytes(b"\xff\xd8 torn")
    assert "DSC0005.jpg" in complaint("geotag", photos, "--log", log, "-o", tmp_path / "out")
    (photos / "DSC0005.jpg").unlink()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(MissionError, match="is not empty"):
        tag(photos, log, tmp_path / "full")
    assert "either --log FILE or --flight" in complaint("geotag", photos)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["card", "flight.logs.tlog", "full"]


def test_a_log_without_photos_is_told(photos, tmp_path, log):
    quiet = tmp_path / "quiet.tlog"
    quiet.write_bytes(log.read_bytes()[:29])
    with pytest.raises(MissionError, match="tells of no photos"):
        tag(photos, quiet, tmp_path / "out")
