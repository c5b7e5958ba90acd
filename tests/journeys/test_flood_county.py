"""A flooded county at night: zones of unlike urgency, two unlike crews, relief, wind, cold, people, a no-fly
area and a radio station behind a ridge, from the files to plans that can be flown."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from missionctl.workspace import Workspace
from plans.capacity import count_items
from plans.formats import read_mission
from plans.frames import LocalFrame

FRAME = LocalFrame(30.05, 103.15)
HALF_M, STEP_M = 4000.0, 30.0


def degrees(east_m, north_m):
    lat, lon = FRAME.to_geo(east_m, north_m)
    return round(float(lat), 7), round(float(lon), 7)


def lat_lon(east_m, north_m):
    return "{},{}".format(*degrees(east_m, north_m))


def box(west, south, east, north, **farms):
    ring = [
        degrees(*c)[::-1] for c in [(west, south), (east, south), (east, north), (west, north), (west, south)]
    ]
    return {
        "type": "Feature",
        "properties": farms,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


def collection(path, *features):
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def raster(path, values, step_m, **more):
    """A raster about the frame's origin, (rows north to south, columns west to east)."""
    rows, cols = values.shape
    transform = Affine(step_m, 0, -cols * step_m / 2, 0, -step_m, rows * step_m / 2)
    profile = {"driver": "GTiff", "width": cols, "height": rows, "count": 1, "dtype": "float32"}
    with rasterio.open(path, "w", crs=FRAME.crs.to_wkt(), transform=transform, **profile, **more) as out:
        out.write(values.astype("float32"), 1)
    return path


def mesh(step_m):
    axis = -HALF_M + (np.arange(int(2 * HALF_M / step_m)) + 0.5) * step_m
    return np.meshgrid(axis, axis[::-1])


FARMS = (-300, 1000, 300, 1500)
CAMP = (-1200, -800, 0, -200)
TOWN = (300, -800, 1200, -200)
NORTH, SOUTH = (-100, 900), (100, -900)
BEHIND = (-3200, 300)


class County:
    """The files of the county, in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.zones = self.zone_file("zones.geojson", camp=9)
        self.alike = self.zone_file("alike.geojson", camp=1)
        east, north = mesh(STEP_M)
        rolling = 15 * np.sin(east / 500) + 10 * np.cos(north / 700)
        ridge = 180 * np.exp(-(((east + 2200) / 250) ** 2))
        self.dem = raster(folder / "dem.tif", 480 + rolling + ridge, STEP_M)
        east, north = mesh(100.0)
        people = 40_000 * np.exp(-((east - 1000) ** 2 + (north + 500) ** 2) / 150**2)
        people[people < 1] = -1
        people[:, 70:] = -9999
        self.people = raster(folder / "people.tif", people, 100.0, nodata=-9999)
        self.no_fly = collection(folder / "pylon.geojson", box(-700, -600, -550, -450))
        self.fleet = folder / "fleet.json"
        self.fleet.write_text(json.dumps(self.drones()), encoding="utf-8")

    def zone_file(self, name, camp):
        return collection(
            self.folder / name,
            box(*FARMS, name="farms", priority=1),
            box(*CAMP, name="camp", 优先级=camp),
            box(*TOWN, name="town", weight=1),
        )

    def drones(self):
        return [
            {
                "name": "Mavic",
                "camera": "DJI Mavic 3E",
                "endurance_min": 30,
                "pack_health": 0.9,
                "launch": degrees(*NORTH),
                "autopilot": "dji-fly",
            },
            {
                "name": "Hexa",
                "camera": "Sony RX1R II",
                "endurance_min": 26,
                "reserve": 0.1,
                "swap_min": 8,
                "launch": degrees(*SOUTH),
                "max_airspeed_mps": 18,
                "climb_mps": 5,
            },
        ]

    @property
    def words(self):
        return (
            "--dem", self.dem, "--no-fly", self.no_fly, "--fleet", self.fleet, "--gsd", 4, "--wind", "6@300",
            "--temperature", -5, "--exposure", self.people,
        )  # fmt: skip


@pytest.fixture(scope="module")
def county(tmp_path_factory):
    return County(tmp_path_factory.mktemp("county"))


def zone_times(result):
    return {zone["name"]: zone["time_to_image_s"] for zone in result["zones"]}


def test_the_urgent_zone_comes_first_and_every_flight_can_be_flown(county, run, run_json, tmp_path):
    mission = tmp_path / "county"
    run_json("new", mission, "--name", "county")
    out, report = mission / "plans" / "night.plan", tmp_path / "night.json"
    result = run_json(
        "plan", county.zones, "-o", out, *county.words, "--report", report,
        "--station", lat_lon(0, 1800), "--mast", 10,
    )  # fmt: skip
    assert json.loads(report.read_text()) == result

    # the camp first, whatever lies in the way
    alike = run_json("plan", county.alike, "-o", tmp_path / "alike.plan", *county.words)
    assert zone_times(result)["camp"]["90%"] < 0.7 * zone_times(alike)["camp"]["90%"]
    assert result["zones"][0]["name"] == "camp"
    assert result["zones"][0]["priority"] == 9
    assert zone_times(result)["camp"]["90%"] < min(
        zone_times(result)[name]["50%"] for name in ("farms", "town")
    )

    # batteries: the cold, old and reserved ones as they are
    mavic, hexa = result["drones"]
    assert (mavic["camera"], hexa["camera"]) == ("DJI Mavic 3E", "Sony RX1R II")
    assert mavic["usable_s"] == pytest.approx(30 * 60 * 0.9 * 0.76, abs=1)
    assert hexa["usable_s"] == pytest.approx(26 * 60 * 0.9 * 0.76, abs=1)
    assert all(max(s["battery_share"], s["battery_share_home"]) <= 1 for s in result["sorties"])
    assert {tuple(s["launch"]) for s in result["sorties"] if s["name"] == "Hexa"} == {degrees(*SOUTH)}
    assert result["makespan_s"] == pytest.approx(
        max(s["start_s"] + s["duration_s"] for s in result["sorties"]), abs=0.2
    )

    # autopilots: every flight's own file is small enough for its drone
    for sortie, file in zip(result["sorties"], result["files"][1:], strict=True):
        flight = read_mission(file)
        assert len(flight.items) == sortie["items"]
        name = "dji-fly" if sortie["name"] == "Mavic" else "ardupilot"
        assert count_items(flight, name) <= {"dji-fly": 99, "ardupilot": 650}[name]

    # proof and radio
    assert result["coverage"]["share"] > 0.99
    assert result["min_clearance_m"] >= 20
    radio = result["radio"]
    assert radio["link"]["name"] == "radio57k-433"
    assert radio["share_connected"] > 0.95

    # the folder
    folder = Workspace.open(mission)
    zones = {f.values["name"]: f.values["priority"] for f in folder.features("zones")}
    assert zones == {"camp": 9, "farms": 1, "town": 1}
    (row,) = folder.features("plans")
    assert row.geometry.geom_type == "MultiLineString"
    assert not row.geometry.is_empty
    assert row.values["camera"] == "DJI Mavic 3E, Sony RX1R II"
    assert json.loads(row.values["report_json"])["radio"] == radio

    # a zone that has become urgent is one row with its new priority
    run_json("plan", county.alike, "-o", mission / "plans" / "again.plan", *county.words)
    zones = [(f.values["name"], f.values["priority"]) for f in folder.features("zones")]
    assert sorted(zones) == [("camp", 1), ("farms", 1), ("town", 1)]


def test_a_person_reads_who_flies_when_and_where_the_link_is_lost(county, run, tmp_path):
    done = run("plan", county.zones, "-o", tmp_path / "p.plan", *county.words, "--station", lat_lon(*BEHIND))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1].split() == ["sortie", "drone", "start", "minutes", "battery", "photos", "launch"]
    assert lines[2].split()[:4] == ["1", "1", "Mavic", "0:00"] or lines[2].split()[1:3] == ["2", "Hexa"]
    text = done.stdout
    assert "the last lands" in text
    assert "half has been photographed once by" in text
    assert text.index("camp ") < text.index("farms ")
    assert "it will be lost here:" in text
    assert "sortie 1: no link for" in text
    assert "a relay 5 m above ground at 30." in text or "a relay 100 m above ground at 30." in text


@pytest.fixture(scope="module")
def shaded(county):
    """The words of a plan whose station has a hill between it and most of the camp."""
    east, north = mesh(STEP_M)
    hill = 200 * np.exp(-((east - 400) ** 2 + (north + 1400) ** 2) / 150**2)
    dem = raster(county.folder / "hill.tif", 500 + 10 * np.cos(north / 700) + hill, STEP_M)
    words = ("--dem", dem, "--camera", "DJI Mavic 3E", "--gsd", 4, "--no-fly", county.no_fly)
    return (*words, "--station", lat_lon(1300, -2200), "--mast", 4, "--link", "radio57k-915")


BESIDE = ("--launch", lat_lon(1300, -2000))


def test_keeping_the_link_leaves_out_what_has_none(county, shaded, run, run_json, complaint, tmp_path):
    free = run_json("plan", county.zones, "-o", tmp_path / "free.plan", *shaded, *BESIDE)
    assert 0.3 < free["radio"]["share_connected"] < 0.95
    assert free["coverage"]["left_out_share"] == pytest.approx(0.016, abs=0.005)  # the pylon
    for stretch in free["radio"]["lost"]:
        assert stretch["worst_margin_db"] < 0
        assert 1 <= stretch["sortie"] <= len(free["sorties"])

    kept = run_json("plan", county.zones, "-o", tmp_path / "kept.plan", *shaded, *BESIDE, "--keep-link")
    radio = kept["radio"]
    assert radio["share_connected"] > 0.97
    assert 0.2 < radio["left_out_share"] <= kept["coverage"]["left_out_share"] < 0.8
    assert kept["coverage"]["share"] > 0.99
    (note,) = [note for note in kept["notes"] if "no radio link" in note]
    assert f"{radio['left_out_share']:.0%} of the zone has no radio link at 150 m above ground" in note
    assert "a relay 5 m above ground at 30." in note
    # the way home must not become a breach of the fence: it holds the pylon alone
    assert len(read_mission(tmp_path / "kept.plan").fence_exclusion) == 1
    said = run("plan", county.zones, "-o", tmp_path / "kept.kml", *shaded, *BESIDE, "--keep-link").stdout
    assert "of the zone outside of no-fly areas and where there is a radio link is seen by" in said

    relay = radio["relay_proposal"]
    there = ("--relay", f"{relay['lat_deg']},{relay['lon_deg']}", "--relay-height", relay["height_agl_m"])
    helped = run_json(
        "plan", county.zones, "-o", tmp_path / "relayed.plan", *shaded, *BESIDE, "--keep-link", *there
    )
    assert helped["radio"]["share_connected"] > 0.97
    assert helped["radio"]["left_out_share"] < radio["left_out_share"] / 2
    assert helped["radio"]["relay"]["station_margin_db"] >= 0
    assert helped["radio"]["relay_proposal"] is None


def test_no_flight_begins_where_the_link_is_lost(county, shaded, complaint, tmp_path):
    words = ("plan", county.zones, "-o", tmp_path / "p.plan", *shaded, "--keep-link")
    line = complaint(*words, "--launch", lat_lon(0, -700))
    assert "launch point 30.04" in line
    assert "--relay" in line
    behind = (*words[:4], "--dem", county.dem, "--camera", "DJI Mavic 3E", "--keep-link")
    assert "hardly any of the zone has a radio link" in complaint(*behind, "--station", lat_lon(-2900, -300))
