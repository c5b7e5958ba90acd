"""What `missionctl plan` is handed at three in the morning: one line that names the thing and what to do,
exit code 2, no half-written file; never a plan of nothing."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from missionctl.cli.main import main

POSIX = pytest.mark.skipif(os.name == "nt", reason="permissions and limits as POSIX has them")


def box(west, south, size):
    east, north = west + size, south + size
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


SQUARE = box(103.0, 30.0, 0.003)


def zone_file(path, ring=SQUARE):
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    return path


def check_refusal(code, out, err):
    """The one line of a command that was refused."""
    lines = err.strip().splitlines()
    assert code == 2, err
    assert len(lines) == 1, err
    assert out == ""
    return lines[0]


@pytest.fixture
def plan(monkeypatch, capfd):
    """Run `missionctl plan` here; gives its exit code, stdout and stderr (of C libraries, too)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["missionctl", "plan", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capfd.readouterr()

    return run


@pytest.fixture
def refused(tmp_path, plan):
    """Plan into p.plan in a folder of its own, which must be refused; gives the one line."""

    def run(zone, *more, camera="DJI Mavic 3E", out=None):
        folder = tmp_path / "out"
        folder.mkdir(exist_ok=True)
        line = check_refusal(*plan(zone, "-o", out or folder / "p.plan", "--camera", camera, *more))
        assert list(folder.iterdir()) == []
        return line

    return run


def refused_process(tmp_path, zone, *more, before=(), **how):
    """The same in a process of its own."""
    out = tmp_path / "p.plan"
    words = [*before, sys.executable, "-m", "missionctl.cli.main", "plan", zone, "-o", out]
    done = subprocess.run(
        [*map(str, words), "--camera", "DJI Mavic 3E", *map(str, more)],
        capture_output=True,
        text=True,
        timeout=120,
        **how,
    )
    line = check_refusal(done.returncode, done.stdout, done.stderr)
    assert [p.name for p in tmp_path.iterdir()] == [zone.name]
    return line


@pytest.fixture
def zone(tmp_path):
    return zone_file(tmp_path / "zone.geojson")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "flat.geojson",
            {"type": "Polygon", "coordinates": [[[103, 30], [103.1, 30], [103, 30]]]},
            "no area",
        ),
        ("nan.geojson", {"type": "Polygon", "coordinates": [[[1, 2], [float("nan"), 2], [2, 3]]]}, "numbers"),
        ("anti.geojson", {"type": "Polygon", "coordinates": [box(179.999, 10.0, 0.003)]}, "antimeridian"),
        ("land.geojson", {"type": "Polygon", "coordinates": [box(100.0, 28.0, 8.0)]}, "km"),
        ("point.geojson", {"type": "Point", "coordinates": [103, 30]}, "no polygon"),
        ("empty.geojson", b"", "the file is empty"),
        ("photo.jpg", b"\xff\xd8\xff\xe0" * 50, "not a vector file"),
        ("letter.pdf", b"%PDF-1.4\n%%EOF", "not a vector file"),
        ("table.csv", b"a,b\n1,2\n", "no polygon"),
        ("zone.kml", b"<kml><Document>", "not a vector file"),
        ("zone.shp", b"\x00\x00\x27\x0a" * 30, ".shx is missing"),
        ("zone.zip", b"PK\x03\x04", "not a whole KMZ or ZIP"),
    ],
)
def test_a_zone_that_is_none(tmp_path, refused, name, content, says):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    line = refused(path)
    assert says in line
    assert name in line or says == "km"


def test_a_zone_that_is_not_there_or_is_a_folder(tmp_path, refused):
    assert "none.geojson: no such file" in refused(tmp_path / "none.geojson")
    assert "is a folder" in refused(tmp_path)


@POSIX
def test_a_zone_that_may_not_be_read(tmp_path, zone):
    zone.chmod(0o000)
    before = ()
    if os.geteuid() == 0:  # root may read everything unless it lays that power down
        if not shutil.which("setpriv"):
            pytest.skip("root without setpriv")
        before = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
    line = refused_process(tmp_path, zone, before=before)
    assert "zone.geojson" in line
    assert "not readable" in line


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--overlap", 100), "overlap of 100%"),
        (("--overlap", "nan"), "overlap of nan%"),
        (("--sidelap", -5), "sidelap of -5%"),
        (("--gsd", 0), "GSD of 0"),
        (("--gsd", 3, "--height", 50), "exclude each other"),
        (("--height", "inf"), "height of inf"),
        (("--gsd", 0.01), "clearance"),
        (("--endurance", 0), "endurance of 0"),
        (("--drones", 0), "0 drones"),
        (("--wind", "25@0"), "wind of 25 m/s is too strong"),
        (("--wind", "gale"), "MPS@DEG"),
        (("--angle", "north"), "--angle"),
        (("--launch", "91,200"), "--launch"),
        (("--launch", "-33,151"), "zone"),
        (("--corridor", 50), "no line"),
    ],
)
def test_settings_that_no_one_can_fly(refused, zone, more, says):
    assert says in refused(zone, *more)


def test_a_camera_that_is_not_known_or_too_slow(refused, zone):
    assert "'Kodak Brownie'" in refused(zone, camera="Kodak Brownie")
    slow = refused(zone, "--height", 25, "--overlap", 95, camera="DJI Phantom 4 RTK")
    assert "DJI Phantom 4 RTK cannot keep up" in slow


def test_a_battery_too_small_for_one_lane(tmp_path, refused):
    ring = [[103.0, 30.0], [103.2, 30.0], [103.2, 30.001], [103.0, 30.001], [103.0, 30.0]]
    assert "endurance of 3" in refused(zone_file(tmp_path / "long.geojson", ring), "--endurance", 3)


def test_no_fly_areas_that_leave_nothing_or_hold_the_launch(tmp_path, refused, zone):
    over = zone_file(tmp_path / "over.geojson", box(102.99, 29.99, 0.03))
    assert "no-fly areas" in refused(zone, "--no-fly", over, "--launch", "30.05,103.0")
    assert "no-fly" in refused(zone, "--no-fly", over)
    beside = zone_file(tmp_path / "beside.geojson", box(102.999, 29.999, 0.001))
    line = refused(zone, "--no-fly", beside, "--launch", "29.9995,102.9995")
    assert "launch point 29.999500,102.999500" in line
    assert "none.kml" in refused(zone, "--no-fly", tmp_path / "none.kml")


def dem_file(path, west, north, step, size=40):
    with rasterio.open(
        path, "w", driver="GTiff", width=size, height=size, count=1, dtype="float32", crs="EPSG:4326",
        transform=from_origin(west, north, step, step),
    ) as out:  # fmt: skip
        out.write(np.full((size, size), 500, "float32"), 1)
    return path


def test_a_dem_that_does_not_cover_the_zone(tmp_path, refused, zone):
    assert "far.tif" in refused(zone, "--dem", dem_file(tmp_path / "far.tif", 10.0, 50.0, 0.001))
    part = refused(zone, "--dem", dem_file(tmp_path / "part.tif", 103.0, 30.002, 0.00005))
    assert "part.tif" in part
    assert "lat 30.0" in part
    assert "not a raster" in refused(zone, "--dem", zone)
    assert "none.tif: no such file" in refused(zone, "--dem", tmp_path / "none.tif")


@pytest.mark.parametrize("name", ["none/p.plan", "p.doc", "p"])
def test_an_output_that_cannot_be_comes_out_before_anything_is_read(tmp_path, refused, name):
    assert f"out/{name}: " in refused(tmp_path / "none.geojson", out=tmp_path / "out" / name)


def test_an_output_that_is_an_input_or_a_folder(tmp_path, plan, refused, zone):
    before = zone.read_bytes()
    line = check_refusal(*plan(zone, "-o", zone, "--camera", "DJI Mavic 3E"))
    assert "zone.geojson: is an input of this plan" in line
    assert zone.read_bytes() == before
    (tmp_path / "folder.plan").mkdir()
    assert "folder.plan: is a folder" in refused(zone, out=tmp_path / "folder.plan")


def test_a_report_that_cannot_be_written(tmp_path, refused, zone):
    assert "is a folder" in refused(zone, "--report", tmp_path)
    assert "/proc/none/report.json: cannot be written" in refused(zone, "--report", "/proc/none/report.json")


@POSIX
def test_a_folder_that_may_not_be_written(tmp_path, zone):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    before = ()
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root without setpriv")
        before = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
    words = [*before, sys.executable, "-m", "missionctl.cli.main", "plan", zone, "-o", folder / "p.plan"]
    done = subprocess.run(
        [*map(str, words), "--camera", "DJI Mavic 3E"], capture_output=True, text=True, timeout=120
    )
    assert "locked/p.plan: cannot be written" in check_refusal(done.returncode, done.stdout, done.stderr)


HERE = "30.0005,103.0005"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--temperature", 70), "--temperature 70: give degrees C from -40 to 60"),
        (("--temperature", "nan"), "--temperature nan"),
        (("--pack-health", 0.85), "--pack-health 0.85: give percent from 10 to 100"),
        (("--pack-health", 120), "--pack-health 120"),
        (("--reserve", 100), "--reserve 100"),
        (("--swap", -1), "--swap -1"),
        (("--swap", "inf"), "--swap inf"),
        (("--min-views", 0), "--min-views 0: give photos from 1 to 50"),
        (("--autopilot", "betaflight"), "'betaflight' is not known; use one of ardupilot, px4, dji"),
        (("--exposure", "none.tif"), "none.tif: no such file"),
        (("--fleet", "none.json"), "none.json: cannot be read"),
        (("--station", "here"), "--station 'here'"),
        (("--station", HERE), "--dem"),
        (("--station", HERE, "--mast", -2), "--mast -2"),
        (("--station", HERE, "--link", "morse"), "known are wifi"),
        (("--station", HERE, "--relay", "x"), "--relay 'x'"),
        (("--station", HERE, "--relay-height", 5), "--relay-height: give --relay"),
        (("--mast", 2), "--mast: give --station"),
        (("--link", "wifi"), "--link: give --station"),
        (("--relay", HERE), "--relay: give --station"),
        (("--keep-link",), "--keep-link: give --station"),
    ],
)
def test_options_that_make_no_sense(refused, zone, more, says):
    assert says in refused(zone, *more)


def test_a_battery_that_the_cold_and_the_reserve_empty(refused, zone):
    assert "endurance of 2.4 min is too small" in refused(
        zone, "--endurance", 8, "--temperature", -20, "--reserve", 50
    )


def test_a_station_that_is_far_away_or_off_the_dem(tmp_path, refused, zone):
    dem = ("--dem", dem_file(tmp_path / "dem.tif", 102.98, 30.02, 0.001))
    assert "the station lies" in refused(zone, *dem, "--station", "45,10")
    assert "no height at the station" in refused(zone, *dem, "--station", "30.1,103.0")


DRONE = {"name": "a", "endurance_min": 20}


@pytest.mark.parametrize(
    ("fleet", "says"),
    [
        ("{", "not a JSON file"),
        ({"name": "a"}, "a fleet is a JSON list"),
        ([], "a fleet is a JSON list of one or more"),
        ([DRONE] * 51, "51 drones are too many"),
        (["a"], "drone 1"),
        ([DRONE, {"name": "b"}], "drone 2, endurance_min: is missing"),
        ([{**DRONE, "batery": 3}], "drone 1, batery: is not known; take name, endurance_min, camera"),
        ([{**DRONE, "endurance_min": 0}], "drone 1, endurance_min: input should be greater than 0"),
        ([{**DRONE, "endurance_min": "20"}], "drone 1, endurance_min"),
        ([{**DRONE, "endurance_min": float("nan")}], "drone 1, endurance_min"),
        ([{**DRONE, "pack_health": 85}], "(it is 85); a share, such as 0.85"),
        ([{**DRONE, "launch": [30.0]}], "drone 1, launch"),
        ([{**DRONE, "launch": [103.0, 30.0]}], "give [LAT, LON]"),
        ([{**DRONE, "launch": [-33.0, 151.0]}], "is not near the zone"),
        ([{**DRONE, "camera": "Kodak Brownie"}], "drone 1: camera 'Kodak Brownie' is not known"),
        ([{**DRONE, "autopilot": "betaflight"}], "drone 1: autopilot 'betaflight'"),
        ([{**DRONE, "camera": "DJI Mini 3"}], "leave --camera and --photo out"),
        ([{**DRONE, "endurance_min": 1}], "too small"),
    ],
)
def test_a_fleet_that_cannot_be(tmp_path, refused, zone, fleet, says):
    path = tmp_path / "fleet.json"
    path.write_text(fleet if isinstance(fleet, str) else json.dumps(fleet))
    line = refused(zone, "--fleet", path)
    assert says in line
    assert "fleet.json" in line or says in (
        "is not near the zone",
        "too small",
        "leave --camera and --photo out",
    )


def test_a_fleet_and_what_it_takes_the_place_of(tmp_path, refused, zone):
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps([DRONE]))
    for more in (("--drones", 2), ("--endurance", 20)):
        assert "leave --drones and --endurance out" in refused(zone, "--fleet", path, *more)


def test_an_exposure_raster_that_says_nothing(tmp_path, refused, zone):
    assert "not a raster" in refused(zone, "--exposure", zone)
    far = dem_file(tmp_path / "far.tif", 10.0, 50.0, 0.001)
    assert "far.tif: the exposure raster does not touch" in refused(zone, "--exposure", far)
    beside = dem_file(tmp_path / "beside.tif", 103.004, 30.01, 0.0001)
    assert "beside.tif: no value above 0 in the zone" in refused(zone, "--exposure", beside)


@POSIX
def test_a_disk_that_is_full(tmp_path, zone):
    import resource

    small = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (200, 200))
    assert "p.plan" in refused_process(tmp_path, zone, "--gsd", 10, preexec_fn=small)


@pytest.mark.slow
def test_a_zone_of_ten_thousand_corners_is_planned(tmp_path, plan):
    turns = np.linspace(0, 2 * np.pi, 10_001)
    radius = 0.004 * (1 + 0.1 * np.sin(37 * turns))
    ring = np.column_stack([103 + radius * np.cos(turns), 30 + radius * np.sin(turns)]).tolist()
    zone = zone_file(tmp_path / "big.geojson", ring)
    code, out, err = plan(zone, "-o", tmp_path / "p.plan", "--camera", "DJI Mavic 3E", "--gsd", 10, "--json")
    assert code == 0, err
    assert json.loads(out)["photos"] > 50
