"""Ground control: files of it, what a block becomes by it, and what is said of wrong marks and points."""

import csv
import json
import re
import subprocess
import sys

import numpy as np
import pyproj
import pytest

from imagery.control import Mark, read_control
from imagery.errors import ControlError

from .conftest import CAMERA, FRAME, GROUND_UP_M, true_poses, write_block
from .test_mosaic import offsets_px

GPS_SIGMA_M = 1.5
CONTROL = {"A": (-30, -24), "B": (30, -24), "C": (30, 24), "D": (-30, 24), "E": (0, 2)}
CHECK = {"K": (-20, -10), "L": (20, -12), "M": (21, 12), "N": (-19, 13), "O": (0, -20), "P": (1, 21)}
HEADER = ("name", "lon", "lat", "height", "accuracy", "role", "photo", "x", "y")


def marks_of(place, poses, rng=None):
    """(photo, x, y) in all photos that show a place (east, north) of the ground; with a person's noise."""
    found = []
    for number, pose in enumerate(poses):
        offset = np.array([*place, GROUND_UP_M]) - pose.centre
        x, y = CAMERA.project((pose.camera_from_enu @ offset)[None])[0]
        if 10 < x < CAMERA.image_width_px - 10 and 10 < y < CAMERA.image_height_px - 10:
            off = rng.normal(0, 0.3, 2) if rng else (0, 0)
            found.append((f"P{number:03d}.JPG", x + off[0], y + off[1]))
    return found[:6]


def control_rows(poses, sigma_m=0.0):
    """A row for each mark of five control and six check points, surveyed with this error on each axis."""
    rng = np.random.default_rng(5)
    rows = []
    for role, places in (("control", CONTROL), ("check", CHECK)):
        for name, place in places.items():
            lat, lon = FRAME.to_geo(*(np.array(place) + rng.normal(0, sigma_m, 2)))
            rows += [
                dict(
                    zip(
                        HEADER,
                        (name, f"{lon:.9f}", f"{lat:.9f}", GROUND_UP_M, 0.02, role, photo, x, y),
                        strict=True,
                    )
                )
                for photo, x, y in marks_of(place, poses, rng)
            ]
    return rows


def write_rows(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as out:
        table = csv.DictWriter(out, HEADER)
        table.writeheader()
        table.writerows(rows)
    return path


@pytest.fixture(scope="module")
def noisy_block(known_block, tmp_path_factory):
    """Fifteen photos whose receiver is off by 1.5 m."""
    folder = tmp_path_factory.mktemp("noisy") / "photos"
    folder.mkdir()
    return write_block(folder, known_block.ground, known_block.poses, sigma_m=GPS_SIGMA_M)


def mosaic(*arguments):
    """(result of the command line, report)."""
    command = [sys.executable, "-m", "missionctl.cli.main", "mosaic", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done, json.loads(done.stdout) if done.returncode == 0 else None


def rms_m(block, file, gsd_cm):
    off = offsets_px(block, file) * gsd_cm / 100
    return float(np.sqrt((off**2).sum(axis=1).mean()))


def test_five_points_bring_the_mosaic_to_its_place(noisy_block, tmp_path):
    control = write_rows(tmp_path / "gcp.csv", control_rows(noisy_block.poses))
    done, report = mosaic(noisy_block.folder, "-o", tmp_path / "o.tif", "--gcp", control)
    assert done.returncode == 0, done.stderr
    told = report["control"]
    print(told["check"], rms_m(noisy_block, tmp_path / "o.tif", report["gsd_cm"]))
    assert told["check"]["points"] == 6
    assert told["check"]["plan_rms_gsd"] <= 0.7
    assert told["check"]["height_rms_m"] < 0.15
    assert rms_m(noisy_block, tmp_path / "o.tif", report["gsd_cm"]) <= 0.7 * report["gsd_cm"] / 100
    assert report["placed"] == 15
    assert report["warnings"] == []
    assert {p["name"]: p["role"] for p in told["points"]} == {
        **dict.fromkeys(CONTROL, "control"),
        **dict.fromkeys(CHECK, "check"),
    }


def test_without_them_the_whole_is_as_far_off_as_receiver_and_gimbal_are_together(noisy_block, tmp_path):
    """The mean of fifteen positions is good to 1.5 m / sqrt(15) on each axis; the mean tilt of fifteen
    attitudes (1 degree / sqrt(15)) moves ground 45 m below by 0.2 m."""
    done, report = mosaic(noisy_block.folder, "-o", tmp_path / "o.tif")
    assert done.returncode == 0, done.stderr
    expected_m = np.hypot(GPS_SIGMA_M / np.sqrt(15), 45 * np.radians(1 / np.sqrt(15)))
    off = offsets_px(noisy_block, tmp_path / "o.tif") * report["gsd_cm"] / 100
    shift = float(np.linalg.norm(off.mean(axis=0)))
    print(f"shift {shift:.2f} m, expected {np.sqrt(2) * expected_m:.2f}")
    assert shift < 2 * np.sqrt(2) * expected_m
    assert report["control"] is None


def test_a_wrong_mark_and_a_wrong_coordinate_are_named_and_pull_at_nothing(noisy_block, tmp_path):
    rows = control_rows(noisy_block.poses)
    wrong_mark = next(row for row in rows if row["name"] == "A")
    wrong_mark["x"] += 45
    east, north = CONTROL["C"]
    lat, lon = FRAME.to_geo(east + 3.0, north)
    for row in rows:
        if row["name"] == "C":
            row |= {"lon": f"{lon:.9f}", "lat": f"{lat:.9f}"}
    control = write_rows(tmp_path / "gcp.csv", rows)
    done, report = mosaic(noisy_block.folder, "-o", tmp_path / "o.tif", "--gcp", control)
    assert done.returncode == 0, done.stderr
    points = {p["name"]: p for p in report["control"]["points"]}
    assert points["A"]["wrong_marks"] == [wrong_mark["photo"]]
    assert [name for name, p in points.items() if not p["used"]] == ["C"]
    assert points["C"]["east_off_m"] == pytest.approx(-3.0, abs=0.1)
    assert any("A: its mark in " + wrong_mark["photo"] in line for line in report["warnings"])
    told = next(line for line in report["warnings"] if "control C disagrees" in line)
    assert float(re.search(r"([\d.]+) m off in plan", told)[1]) == pytest.approx(3.0, abs=0.1)
    assert report["control"]["check"]["plan_rms_gsd"] <= 0.7


def test_a_list_for_opendronemap_says_the_same(tmp_path):
    """Its pixels count from the corner, its names begin with CHK where they are check points."""
    poses = true_poses()
    lines = ["EPSG:32648", "# from the field"]
    to_utm = pyproj.Transformer.from_crs(FRAME.crs, 32648, always_xy=True)
    for name, place in {"A": CONTROL["A"], "CHK-K": CHECK["K"]}.items():
        x, y = to_utm.transform(*place)
        lines += [
            f"{x:.4f} {y:.4f} {GROUND_UP_M} {px + 0.5:.3f} {py + 0.5:.3f} {photo} {name}"
            for photo, px, py in marks_of(place, poses)
        ]
    file = tmp_path / "gcp_list.txt"
    file.write_text("\n".join(lines) + "\n")
    control, check = read_control(file)
    assert (control.name, control.check, check.name, check.check) == ("A", False, "CHK-K", True)
    np.testing.assert_allclose(FRAME.to_local(control.lat_deg, control.lon_deg), CONTROL["A"], atol=1e-3)
    photo, x, y = marks_of(CONTROL["A"], poses)[0]
    assert control.marks[0].photo == photo
    np.testing.assert_allclose((control.marks[0].x_px, control.marks[0].y_px), (x, y), atol=2e-3)


def test_coordinates_in_a_grid_and_empty_repeats_are_read(tmp_path):
    file = tmp_path / "gcp.csv"
    file.write_text(
        "name,east,north,epsg,height,role,photo,x,y\n"
        "A,500000,3320000,32648,412.5,control,a.jpg,10,20\n"
        "A,,,,,,b.jpg,30,40\n"
        "B,500100,3320000,32648,411,check,a.jpg,50.5,60\n"
    )
    a, b = read_control(file)
    assert a.marks == (Mark("a.jpg", 10, 20), Mark("b.jpg", 30, 40))
    assert a.lon_deg == pytest.approx(105.0, abs=1e-7)
    assert b.check


GOOD = "name,lon,lat,height,accuracy,role,photo,x,y\nA,103.0,30.0,500,0.02,control,P000.JPG,600,450\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no ground control"),
        ("hello\n", "neither the header of a CSV"),
        ("name,lon,height,photo,x,y\nA,1,2,p.jpg,1,2\n", "no column lat"),
        (GOOD.replace("30.0", "thirty"), "line 2: lat is 'thirty'"),
        (GOOD.replace("103.0,30.0", "30.0,103.0"), "are they swapped"),
        (GOOD.replace("control", "tie"), "role 'tie'"),
        (GOOD.replace(",600", ",nan"), "x is 'nan'"),
        (GOOD + "A,103.1,30.0,500,0.02,control,P001.JPG,6,4\n", "line 3: A has other coordinates"),
        (GOOD + "A,,,,,,P000.JPG,6,4\n", "marked twice in P000.JPG"),
        (GOOD + "B,,,,,,P000.JPG,6,4\n", "first row of B has no coordinates"),
        (GOOD.replace("P000.JPG,600,450", ",,"), "no point is marked"),
        (GOOD.replace("0.02", "0"), "said to be good to 0 m"),
        ("EPSG:999999\n1 2 3 4 5 p.jpg A\n", "EPSG:999999 is no known"),
        ("EPSG:32648\n1 2 3\n", "line 2: expected geo_x"),
        (GOOD + "C,1,2,3,4,5,6,7,8,9,10\n", "line 3: 11 values under 9"),
    ],
)  # fmt: skip
def test_a_file_that_makes_no_sense_is_refused_with_its_line(tmp_path, text, said):
    file = tmp_path / "gcp.csv"
    file.write_text(text)
    with pytest.raises(ControlError, match=said) as refused:
        read_control(file)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("103.0,", "104.0,"), "lies 96 km from the photos"),
        (GOOD.replace("P000", "IMG"), "none of its photos (IMG.JPG) is among"),
        (GOOD.replace("600,450", "6000,450"), "lies outside P000.JPG (1200 x 900 pixels)"),
        (None, "cannot be read"),
    ],
)
def test_control_of_elsewhere_ends_the_command_at_once(known_block, tmp_path, text, said):
    file = tmp_path / "gcp.csv"
    if text:
        file.write_text(text)
    done, _ = mosaic(known_block.folder, "-o", tmp_path / "o.tif", "--gcp", file)
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert said in last
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "o.tif").exists()
