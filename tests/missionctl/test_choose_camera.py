"""Which camera a plan is for: named, of a file, of the mission folder, or read from a sample photo."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from imagery.photo_tags import PhotoTags, embed_tags
from missionctl.services.planning import choose_camera, keep_camera, own_cameras
from missionctl.workspace import MissionConfig, Workspace
from plans.cameras import find_camera
from plans.errors import CameraError, MissionError

BRIGHTON = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "brighton" / "images"
KITE = {
    "name": "Kite: front/left 灾",
    "sensor_width_mm": 6.4,
    "sensor_height_mm": 4.8,
    "focal_mm": 5.0,
    "image_width_px": 4000,
    "image_height_px": 3000,
    "min_trigger_interval_s": 1.5,
}
SQUARE = [[103.0, 30.0], [103.003, 30.0], [103.003, 30.003], [103.0, 30.003], [103.0, 30.0]]


def photo(path, **tags):
    picture = np.zeros((300, 400, 3), np.uint8)
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    path.write_bytes(embed_tags(data, PhotoTags(image_width_px=400, image_height_px=300, **tags)))
    return path


@pytest.fixture
def kite(tmp_path):
    path = tmp_path / "kite.json"
    path.write_text(json.dumps(KITE), encoding="utf-8")
    return path


@pytest.mark.skipif(not BRIGHTON.is_dir(), reason="real photos (../shared/data) are not here")
def test_real_photos_name_their_camera():
    for file in sorted(BRIGHTON.glob("*.JPG")):
        camera = choose_camera(None, file, None)
        assert camera.name == "DJI Phantom 3 Advanced (16:9)"
        assert (camera.image_width_px, camera.image_height_px) == (4000, 2250)


def test_an_unknown_camera_is_taken_by_its_35_mm_focal_length(tmp_path):
    camera = choose_camera(None, photo(tmp_path / "a.jpg", model="Kodak Brownie", focal_35mm=24.0), None)
    assert camera.name == "Kodak Brownie"
    assert (camera.image_width_px, camera.image_height_px) == (400, 300)
    assert camera.focal_px == pytest.approx(24.0 / 43.2666 * 500.0)


def test_a_lens_of_an_interchangeable_camera_is_the_photos(tmp_path):
    camera = choose_camera(None, photo(tmp_path / "a.jpg", model="ZenmuseP1", focal_mm=50.0), None)
    assert camera.name == "DJI Zenmuse P1 50mm"
    assert camera.image_width_px == 400


@pytest.mark.parametrize("tags", [{}, {"model": "Kodak Brownie", "focal_mm": 5.0}, {"focal_35mm": 0.0}])
def test_a_photo_that_says_too_little_is_refused_by_name(tmp_path, tags):
    with pytest.raises(CameraError, match=r"a\.jpg.*give --camera"):
        choose_camera(None, photo(tmp_path / "a.jpg", **tags), None)


def test_no_photo_no_camera_and_both_are_refused(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    with pytest.raises(MissionError, match=r"a\.jpg"):
        choose_camera(None, tmp_path / "a.jpg", None)
    with pytest.raises(MissionError, match=r"none\.jpg"):
        choose_camera(None, tmp_path / "none.jpg", None)
    with pytest.raises(CameraError, match="no camera"):
        choose_camera(None, None, None)
    with pytest.raises(CameraError, match="exclude each other"):
        choose_camera("DJI Mini 3", tmp_path / "a.jpg", None)


def test_a_mission_folder_keeps_a_camera_of_ones_own(tmp_path, kite):
    mission = Workspace.create(tmp_path / "m", MissionConfig(name="m"))
    camera = choose_camera(str(kite), None, mission)
    keep_camera(mission, camera)
    keep_camera(mission, camera)
    keep_camera(mission, find_camera("DJI Mini 3"))
    assert own_cameras(mission) == {KITE["name"]: camera}
    assert choose_camera(KITE["name"].upper(), None, mission) == camera
    assert len(list((tmp_path / "m" / "cameras").iterdir())) == 1


def test_a_camera_file_goes_all_the_way_through_the_command_line(tmp_path, kite, run_json, complaint):
    zone = tmp_path / "zone.geojson"
    zone.write_text(json.dumps({"type": "Polygon", "coordinates": [SQUARE]}))
    mission = tmp_path / "m"
    run_json("new", mission, "--camera", kite)
    plan = mission / "plans" / "p.plan"
    first = run_json("plan", zone, "-o", plan, "--gsd", 10, "--camera", kite)
    again = run_json("plan", zone, "-o", mission / "plans" / "q.plan", "--gsd", 10)
    assert first["photos"] == again["photos"] > 0
    named = run_json("coverage", plan, "--zone", zone, "-o", mission / "c.tif", "--camera", KITE["name"])
    assert named["camera"] == KITE["name"]
    kite.write_text(json.dumps({**KITE, "focal_mm": "five"}))
    line = complaint("plan", zone, "-o", tmp_path / "x.plan", "--camera", kite)
    assert "kite.json" in line
    assert "'focal_mm'" in line
    assert not (tmp_path / "x.plan").exists()
