"""One camera model for planning, simulation and mosaicking; a database that agrees with itself."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plans.cameras import (
    Camera,
    camera_database,
    camera_for_exif_model,
    find_camera,
    read_camera_file,
    write_camera_file,
)
from plans.errors import CameraError

from .conftest import repeatable

ENTRIES = json.loads(resources.files("plans").joinpath("cameras.json").read_text(encoding="utf-8"))["cameras"]
CURVED = Camera(
    "Curved",
    13.2,
    8.8,
    8.8,
    3000,
    2000,
    principal_dx_px=12.5,
    principal_dy_px=-7.25,
    distortion=(-0.08, 0.03, 0.0006, -0.0004, -0.004),
)


def test_the_middle_of_the_picture_is_the_axis_and_down_is_down():
    camera = find_camera("DJI Mavic 3E")
    assert camera.project([[0.0, 0.0, 5.0]])[0] == pytest.approx(((5280 - 1) / 2, (3956 - 1) / 2))
    right, below = camera.project([[1.0, 0.0, 5.0], [0.0, 1.0, 5.0]])
    assert right[0] > 5280 / 2
    assert below[1] > 3956 / 2


@pytest.mark.parametrize("camera", [find_camera("DJI Mavic 3E"), CURVED], ids=["straight", "curved"])
def test_rays_and_pixels_are_each_others_inverse_over_the_whole_image(camera):
    x = np.linspace(-0.5, camera.image_width_px - 0.5, 41)
    y = np.linspace(-0.5, camera.image_height_px - 0.5, 31)
    pixels = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    rays = camera.rays(pixels)
    assert (rays[:, 2] == 1).all()
    assert np.abs(camera.project(rays * 37.0) - pixels).max() < 1e-3


@repeatable(60)
@given(
    st.floats(-0.12, 0.12),
    st.floats(-0.03, 0.03),
    st.floats(-0.001, 0.001),
    st.floats(-0.001, 0.001),
    st.floats(-0.5, 2999.5),
    st.floats(-0.5, 1999.5),
)
def test_every_lens_that_drones_carry_can_be_inverted(k1, k2, p1, p2, x, y):
    camera = replace(CURVED, distortion=(k1, k2, p1, p2, 0.0))
    assert np.abs(camera.project(camera.rays([[x, y]])) - [x, y]).max() < 0.01


def test_distortion_is_opencvs():
    cv2 = pytest.importorskip("cv2")
    points = np.random.default_rng(1).uniform([-0.6, -0.4, 0.9], [0.6, 0.4, 1.1], (200, 3))
    matrix = np.diag([CURVED.focal_px, CURVED.focal_px, 1.0])
    matrix[:2, 2] = CURVED.principal_px
    theirs, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, np.array(CURVED.distortion))
    assert np.abs(CURVED.project(points) - theirs[:, 0]).max() < 1e-6


def test_what_is_behind_the_camera_is_in_no_picture():
    assert np.isnan(CURVED.project([[0.1, 0.1, 0.0], [0.1, 0.1, -2.0]])).all()


def test_gsd_height_and_footprint_agree():
    camera = find_camera("DJI Mavic 3E")
    assert camera.gsd_m(100) == pytest.approx(100 * 17.3 / (12.29 * 5280))  # H Sw / (f Nw)
    assert camera.height_for_gsd_m(camera.gsd_m(83.0)) == pytest.approx(83.0)
    width, height = camera.footprint_m(100)
    assert (width, height) == pytest.approx((100 * 17.3 / 12.29, 100 * 13.0 / 12.29), rel=0.01)


def test_a_scaled_image_shows_the_same_field():
    small = CURVED.scaled(1500, 1000)
    corner = [[-0.5, -0.5]]
    assert small.rays(corner) == pytest.approx(CURVED.rays(corner), abs=1e-6)
    assert small.gsd_m(50) == pytest.approx(2 * CURVED.gsd_m(50))


def test_a_lens_says_where_its_field_ends():
    assert find_camera("DJI Mavic 3E").fold_radius == np.inf
    barrel = replace(CURVED, distortion=(-0.3, 0.0, 0.0, 0.0, 0.0))
    r = barrel.fold_radius
    step = 1e-3
    radii = np.array([r - step, r, r + step])
    out = radii * (1 - 0.3 * radii**2)
    assert out[1] > out[0]
    assert out[1] > out[2]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["name"])
def test_sensor_pixels_and_focal_length_of_every_camera_agree(entry):
    camera = camera_database()[entry["name"]]
    pitch_x = camera.sensor_width_mm / camera.image_width_px
    pitch_y = camera.sensor_height_mm / camera.image_height_px
    assert pitch_x == pytest.approx(pitch_y, rel=0.025)  # square pixels
    assert 0.0007 < pitch_x < 0.007  # millimetres: 0.7 to 7 micrometres
    field = 2 * np.degrees(np.arctan(camera.sensor_width_mm / 2 / camera.focal_mm))
    assert 36 < field < 95
    assert 0 < camera.min_trigger_interval_s <= 5
    assert camera.exposure_s <= 1 / 200


def test_names_and_models_are_unique_and_every_promised_camera_is_there():
    names = [entry["name"].casefold() for entry in ENTRIES]
    assert len(set(names)) == len(names)
    lenses = [(m.upper(), e["focal_mm"]) for e in ENTRIES for m in e.get("exif_models", [])]
    assert len(set(lenses)) == len(lenses)
    for name in ("DJI Mavic 3E", "DJI Phantom 4 RTK", "DJI Mini 3", "Sony RX1R II"):
        assert find_camera(name).name == name
    assert all(entry["source"] for entry in ENTRIES)


def test_a_photo_names_its_camera_and_its_focal_length_the_lens():
    assert camera_for_exif_model("fc6310r ").name == "DJI Phantom 4 RTK"
    assert camera_for_exif_model("no such model") is None
    assert camera_for_exif_model("ZenmuseP1", 50.0).name == "DJI Zenmuse P1 50mm"
    assert camera_for_exif_model("ILCE-6000", 20.0).name == "Sony A6000 20mm"
    assert camera_for_exif_model("FC6310", 8.8).name == "DJI Phantom 4 Pro"
    odd = camera_for_exif_model("ILCE-6000", 30.0)
    assert (odd.name, odd.focal_mm, odd.image_width_px) == ("ILCE-6000 30mm", 30.0, 6000)


def test_the_thermal_camera_of_an_aircraft_is_not_taken_for_its_wide_one():
    assert camera_for_exif_model("M3T", 4.4).name == "DJI Mavic 3T wide"
    assert camera_for_exif_model("M3T", 9.1) is None


def test_a_camera_turned_on_its_mount_sees_the_same_turned():
    pixels = np.array([[10.0, 20.0], [2500.0, 300.0], [700.0, 1900.0]])
    x, y, z = CURVED.rays(pixels).T
    turned = CURVED.turned()
    found = turned.project(np.column_stack([-y, x, z]))
    assert np.abs(found - np.column_stack([1999 - pixels[:, 1], pixels[:, 0]])).max() < 1e-3
    assert turned.turned().turned().turned() == CURVED


OWN = {
    "name": "Kite camera 灾",
    "sensor_width_mm": 6.4,
    "sensor_height_mm": 4.8,
    "focal_mm": 5,
    "image_width_px": 4000,
    "image_height_px": 3000,
}


def test_a_camera_of_ones_own_is_read_and_written(tmp_path):
    path = tmp_path / "kite.json"
    path.write_text(json.dumps({**OWN, "distortion": [0.01, 0, 0, 0, 0]}), encoding="utf-8")
    camera = find_camera(str(path))
    assert (camera.name, camera.focal_px, camera.distortion[0]) == ("Kite camera 灾", 3125.0, 0.01)
    write_camera_file(tmp_path / "again.json", camera)
    assert read_camera_file(tmp_path / "again.json") == camera
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["again.json", "kite.json"]
    assert find_camera("kite CAMERA 灾", {camera.name: camera}) is camera


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["name"])
def test_an_entry_of_the_database_is_a_camera_file(tmp_path, entry):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(entry), encoding="utf-8")
    assert read_camera_file(path) == camera_database()[entry["name"]]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"focal_mm": "5"}, "'focal_mm' is \"5\"; give a length in millimetres"),
        ({"focal_mm": -5}, "'focal_mm' is -5; give"),
        ({"focal_mm": float("nan")}, "'focal_mm' is NaN; give"),
        ({"focal_mm": True}, "'focal_mm' is true; give"),
        ({"image_width_px": 4000.5}, "'image_width_px' is 4000.5; give a whole number of pixels"),
        ({"name": " "}, "'name' is"),
        ({"distortion": [0, 0]}, "'distortion' is \\[0, 0\\]; give five numbers"),
        ({"exposure_s": 0}, "'exposure_s' is 0; give seconds above 0"),
        ({"focal": 5}, "no field 'focal'; did you mean 'focal_mm'"),
        ({"colour": "red"}, "no field 'colour'; known are name, sensor_width_mm"),
        ({"source": 5}, "'source' is 5; give a text"),
    ],
)
def test_a_wrong_field_of_a_camera_file_is_named(tmp_path, change, says):
    path = tmp_path / "kite.json"
    path.write_text(json.dumps({**OWN, **change}))
    with pytest.raises(CameraError, match=rf"kite\.json.*{says}") as caught:
        find_camera(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "5", '{"cameras": []}', json.dumps({"name": "x"}), "\x00"])
def test_what_is_no_camera_file_is_refused_by_name(tmp_path, text):
    path = tmp_path / "kite.json"
    path.write_text(text)
    with pytest.raises(CameraError, match=r"kite\.json"):
        find_camera(str(path))
    with pytest.raises(CameraError, match=r"nowhere\.json: cannot be read"):
        find_camera("nowhere.json")


def test_names_are_found_in_any_case_and_a_wrong_one_gets_near_ones():
    assert find_camera("  dji mavic 3e ").name == "DJI Mavic 3E"
    with pytest.raises(CameraError, match=r"'DJI Mavik 3E' is not known; did you mean: DJI Mavic 3E"):
        find_camera("DJI Mavik 3E")
    with pytest.raises(CameraError, match=r"did you mean: DJI Zenmuse P1 24mm, DJI Zenmuse P1 35mm"):
        find_camera("zenmuse p1")
    with pytest.raises(CameraError, match=r"'Brownie' is not known \(list: missionctl cameras"):
        find_camera("Brownie")


@pytest.mark.parametrize(
    "change",
    [{"focal_mm": 0.0}, {"image_width_px": -1}, {"sensor_width_mm": float("nan")}, {"exposure_s": 0.0}],
)
def test_impossible_cameras_are_refused_by_name(change):
    with pytest.raises(CameraError, match="camera 'Curved'"):
        replace(CURVED, **change)
