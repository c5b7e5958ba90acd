"""What people really hand in at three in the morning: each gets one line that names the thing, exit code 2,
and nothing half written."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from tests.imagery.conftest import ground_texture, take_photo, true_poses, write_photo

SQUARE = [[103.0, 30.0], [103.01, 30.0], [103.01, 30.01], [103.0, 30.01], [103.0, 30.0]]


def missionctl(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "missionctl.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def complaint(done):
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def zone_file(path, ring):
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    return path


def photo_folder(folder, data):
    folder.mkdir()
    (folder / "DJI_0001.JPG").write_bytes(data)
    return folder


def jpeg():
    rng = np.random.default_rng(1)
    return cv2.imencode(".jpg", rng.integers(0, 255, (300, 400, 3), dtype=np.uint8))[1].tobytes()


def test_a_zone_that_crosses_itself(tmp_path):
    bow = [SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3], SQUARE[0]]
    zone = zone_file(tmp_path / "bow.geojson", bow)
    line = complaint(missionctl("plan", zone, "-o", tmp_path / "p.plan", "--camera", "DJI Mavic 3E"))
    assert "bow.geojson" in line
    assert "cross" in line
    assert not (tmp_path / "p.plan").exists()


@pytest.mark.parametrize(
    ("ring", "more", "says"),
    [
        ([SQUARE[0], SQUARE[1], SQUARE[0]], (), "has no area"),
        ([[179.99, 10], [180.01, 10], [180.01, 10.01], [179.99, 10]], (), "antimeridian"),
        (SQUARE, ("--overlap", 100), "overlap of 100%"),
        (SQUARE, ("--sidelap", 130), "sidelap of 130%"),
    ],
)
def test_what_no_survey_can_be_made_of(tmp_path, ring, more, says):
    zone = zone_file(tmp_path / "zone.geojson", ring)
    line = complaint(missionctl("plan", zone, "-o", tmp_path / "p.plan", "--camera", "DJI Mavic 3E", *more))
    assert says in line
    assert not (tmp_path / "p.plan").exists()


def test_a_photo_cut_short(tmp_path):
    photos = photo_folder(tmp_path / "photos", jpeg()[:700])
    line = complaint(missionctl("mosaic", photos, "-o", tmp_path / "o.tif"))
    assert "DJI_0001.JPG" in line or "photos" in line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos"]


def test_photos_without_a_position(tmp_path):
    photos = photo_folder(tmp_path / "photos", jpeg())
    line = complaint(missionctl("mosaic", photos, "-o", tmp_path / "o.tif"))
    assert "position" in line or "GPS" in line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos"]


def test_a_vehicle_that_never_answers(tmp_path):
    zone = zone_file(tmp_path / "zone.geojson", SQUARE)
    plan = tmp_path / "p.plan"
    assert missionctl("plan", zone, "-o", plan, "--camera", "DJI Mavic 3E", "--gsd", 10).returncode == 0
    line = complaint(missionctl("vehicles", "--connect", "udpin:127.0.0.1:0", "--listen", 0.2))
    assert "udpin:127.0.0.1:0" in line
    assert "powered" in line


@pytest.mark.slow
def test_a_flight_to_a_vehicle_that_never_answers(tmp_path):
    zone = zone_file(tmp_path / "zone.geojson", SQUARE)
    plan, record = tmp_path / "p.plan", tmp_path / "record"
    assert missionctl("plan", zone, "-o", plan, "--camera", "DJI Mavic 3E", "--gsd", 10).returncode == 0
    line = complaint(missionctl("fly", plan, "--connect", "udpin:127.0.0.1:0", "--yes", "--out", record))
    assert "udpin:127.0.0.1:0" in line
    assert not (record / "report.json").exists()


def test_a_take_off_that_nobody_confirms(tmp_path):
    zone = zone_file(tmp_path / "zone.geojson", SQUARE)
    plan = tmp_path / "p.plan"
    missionctl("plan", zone, "-o", plan, "--camera", "DJI Mavic 3E", "--gsd", 10)
    line = complaint(missionctl("fly", plan, "--connect", "udpin:127.0.0.1:0"))
    assert "--yes" in line


@pytest.mark.skipif(os.name == "nt", reason="/proc stands for a place that cannot be written")
def test_an_output_folder_that_cannot_be_written(tmp_path):
    zone = zone_file(tmp_path / "zone.geojson", SQUARE)
    photos = tmp_path / "photos"
    photos.mkdir()
    write_photo(photos / "P000.JPG", take_photo(ground_texture(), true_poses()[0]), true_poses()[0], 0.03, 0)
    for command in (
        ("plan", zone, "-o", "/proc/none/p.plan", "--camera", "DJI Mavic 3E"),
        ("mosaic", photos, "-o", "/proc/none/o.tif", "--quality", "quick"),
        ("demo", "--quick", "--out", "/proc/none/demo"),
        ("new", "/proc/none/mission"),
    ):
        assert "/proc/none" in complaint(missionctl(*command))
