"""`missionctl coverage` finds in plan files what the planner said of its plan: with relief, with cameras
mounted portrait, with bent lanes, with unlike drones, beside no-fly areas."""

import json

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from plans.frames import LocalFrame

FRAME = LocalFrame(30.0, 103.0)
CAMERA = ("--camera", "DJI Mavic 3E")


def ring(corners):
    lat, lon = FRAME.to_geo(*np.array([*corners, corners[0]], float).T)
    return np.column_stack([lon, lat]).round(7).tolist()


def area_file(path, *corners):
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring(corners)]}))
    return path


BLOCK = [(-300, -250), (300, -250), (350, 200), (0, 300), (-320, 180)]


def river():
    """A bent strip, 2 km long and 250 m wide."""
    turn = np.linspace(0, np.pi, 40)
    outer, inner = 700 * np.column_stack([np.cos(turn), np.sin(turn)]), np.zeros((40, 2))
    inner = outer * (450 / 700)
    return [tuple(c) for c in (*outer, *inner[::-1])]


@pytest.fixture
def zone(tmp_path):
    return area_file(tmp_path / "zone.geojson", *BLOCK)


@pytest.fixture
def dem(tmp_path):
    axis = -1500 + (np.arange(300) + 0.5) * 10.0
    east, north = np.meshgrid(axis, axis[::-1])
    path = tmp_path / "dem.tif"
    profile = {"driver": "GTiff", "width": 300, "height": 300, "count": 1, "dtype": "float32"}
    with rasterio.open(
        path, "w", crs=FRAME.crs.to_wkt(), transform=Affine(10, 0, -1500, 0, -10, 1500), **profile
    ) as out:
        out.write((800 + 25 * np.sin(east / 130) * np.cos(north / 170)).astype("float32"), 1)
    return path


@pytest.fixture
def agrees(tmp_path, run_json):
    """Plan a zone, count the photos of the file(s), and compare; gives (plan's report, counted)."""

    def check(zone, *words, cover=()):
        out = tmp_path / "p.plan"
        planned = run_json("plan", zone, "-o", out, *words)
        counted = run_json("coverage", out, "--zone", zone, "-o", tmp_path / "count.tif", *cover)
        assert counted["photos"] == planned["photos"]
        assert counted["views_asked"] == planned["coverage"]["k"]
        assert counted["share"] == pytest.approx(planned["coverage"]["share"], abs=2e-3)
        for k, share in planned["coverage"]["share_by_views"].items():
            assert counted["share_by_views"][k] == pytest.approx(share, abs=2e-3)
        return planned, counted

    return check


def test_on_level_ground(zone, agrees):
    _, counted = agrees(zone, *CAMERA)
    assert counted["share"] > 0.99
    assert counted["camera"] == "DJI Mavic 3E"
    assert counted["no_fly_area_m2"] == 0


def test_over_relief(zone, dem, agrees):
    agrees(zone, *CAMERA, "--dem", dem, cover=("--dem", dem))


def test_with_cameras_mounted_portrait(zone, agrees, run_json, tmp_path):
    _, counted = agrees(zone, *CAMERA, "--portrait", "--endurance", 12)
    wrong = run_json("coverage", tmp_path / "p.plan", "--zone", zone, "-o", tmp_path / "w.tif", *CAMERA)
    assert wrong["share_by_views"] != counted["share_by_views"]  # as if they were mounted as usual


def test_of_bent_lanes(tmp_path, agrees):
    planned, _ = agrees(area_file(tmp_path / "river.geojson", *river()), *CAMERA)
    straight, _ = agrees(tmp_path / "river.geojson", *CAMERA, "--straight")
    assert planned["lanes"] < straight["lanes"]  # or this tells nothing of bent ones


def test_beside_a_no_fly_area_only_the_ground_that_may_be_seen_counts(zone, agrees, tmp_path):
    house = area_file(tmp_path / "no.geojson", (-60, -40), (40, -40), (40, 60), (-60, 60))
    _, counted = agrees(zone, *CAMERA, "--no-fly", house)
    assert counted["no_fly_area_m2"] == pytest.approx(10_000, rel=0.01)


def test_what_is_asked_for_is_the_plans_or_ones_own(zone, agrees, run_json, complaint, tmp_path):
    planned, counted = agrees(zone, *CAMERA, "--min-views", 8)
    assert planned["coverage"]["k"] == counted["views_asked"] == 8
    words = ("coverage", tmp_path / "p.plan", "--zone", zone, "-o", tmp_path / "c.tif")
    assert run_json(*words, "--min-views", 12)["share"] < counted["share"]
    assert "give 1 to 50" in complaint(*words, "--min-views", 0)


def test_of_two_unlike_drones_file_by_file_and_all_together(zone, agrees, run_json, tmp_path):
    fleet = tmp_path / "fleet.json"
    fleet.write_text(
        json.dumps(
            [
                {"name": "wide", "camera": "DJI Mavic 3E", "endurance_min": 25},
                {"name": "long", "camera": "Sony RX1R II", "endurance_min": 15},
            ]
        )
    )
    planned, counted = agrees(zone, "--fleet", fleet, "--gsd", 2)
    assert set(counted["camera"].split(", ")) == {"DJI Mavic 3E", "Sony RX1R II"}
    assert {s["name"] for s in planned["sorties"]} == {"wide", "long"}
    views = 0.0
    for sortie, file in zip(planned["sorties"], planned["files"][1:], strict=True):
        one = run_json("coverage", file, "--zone", zone, "-o", tmp_path / "one.tif")
        assert one["photos"] == sortie["photos"]
        assert one["camera"] == {"wide": "DJI Mavic 3E", "long": "Sony RX1R II"}[sortie["name"]]
        views += mean_count(tmp_path / "one.tif")
    assert views == pytest.approx(mean_count(tmp_path / "count.tif"), rel=0.01)


def mean_count(path):
    """How many photos see a place of the zone on average."""
    with rasterio.open(path) as raster:
        return raster.read(1, masked=True).mean()


def test_flights_and_cameras_that_do_not_match_are_refused(zone, run_json, complaint, tmp_path):
    fleet = tmp_path / "fleet.json"
    drones = [{"name": n, "camera": n, "endurance_min": 20} for n in ("DJI Mavic 3E", "DJI Mini 3")]
    fleet.write_text(json.dumps(drones))
    run_json("plan", zone, "-o", tmp_path / "p.plan", "--fleet", fleet)
    plan = json.loads((tmp_path / "p.plan").read_text())
    plan["missionctl"]["flight_cameras"].append(plan["missionctl"]["flight_cameras"][0])
    (tmp_path / "p.plan").write_text(json.dumps(plan))
    words = ("coverage", tmp_path / "p.plan", "--zone", zone, "-o", tmp_path / "c.tif")
    assert "2 flights and 3 cameras" in complaint(*words)
    plan["missionctl"]["flight_cameras"] = [{"name": "no camera"}]
    (tmp_path / "p.plan").write_text(json.dumps(plan))
    assert "p.plan: its cameras cannot be read" in complaint(*words)
