"""What the options of `missionctl plan` do to a plan, one by one: batteries, cameras, fleets, autopilots,
and what is at stake; what the mission folder keeps of it."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from missionctl.errors import WorkspaceError
from missionctl.services.fleet_file import read_fleet
from missionctl.services.planning import own_cameras
from missionctl.workspace import Workspace
from plans.cameras import find_camera
from plans.capacity import count_items
from plans.formats import read_mission
from plans.frames import LocalFrame

FRAME = LocalFrame(30.0, 103.0)
DOCS = Path(__file__).resolve().parents[2] / "docs"
MAVIC = ("--camera", "DJI Mavic 3E")


def box(west, south, east, north, **fields):
    lat, lon = FRAME.to_geo(*np.array([(west, south), (east, south), (east, north), (west, north)], float).T)
    ring = np.column_stack([lon, lat]).round(7).tolist()
    geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    return {"type": "Feature", "properties": fields, "geometry": geometry}


def zone_file(path, *features):
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.fixture
def zone(tmp_path):
    return zone_file(tmp_path / "zone.geojson", box(0, 0, 700, 500))


@pytest.fixture
def plan(run_json, tmp_path):
    """Plan into a file of the folder; gives the report."""

    def make(zone, *words, out="p.plan"):
        return run_json("plan", zone, "-o", tmp_path / out, *words)

    return make


def test_cold_age_and_reserve_take_from_the_battery_and_swaps_from_the_day(zone, plan):
    usual = plan(zone, *MAVIC, "--endurance", 8)
    weak = plan(
        zone,
        *MAVIC,
        "--endurance",
        12,
        "--temperature",
        0,
        "--pack-health",
        90,
        "--reserve",
        20,
        "--swap",
        30,
    )
    (drone,) = weak["drones"]
    assert drone["usable_s"] == pytest.approx(12 * 60 * 0.82 * 0.9 * 0.8, abs=0.1)
    assert (drone["endurance_s"], drone["swap_s"]) == (720, 1800)
    assert len(usual["sorties"]) >= 2
    assert len(weak["sorties"]) >= 2
    assert all(s["battery_share"] * drone["usable_s"] <= 425.1 for s in weak["sorties"])
    first, second = weak["sorties"][:2]
    assert second["start_s"] >= first["start_s"] + first["duration_s"] + 1800


def test_cameras_mounted_portrait_see_a_narrower_strip(zone, plan):
    usual, portrait = plan(zone, *MAVIC), plan(zone, *MAVIC, "--portrait")
    assert portrait["lanes"] > usual["lanes"]
    assert portrait["drones"][0]["photo_distance_m"] > usual["drones"][0]["photo_distance_m"]
    assert portrait["coverage"]["share"] > 0.99


def test_more_views_are_asked_for_and_given(zone, plan):
    few, many = plan(zone, *MAVIC, "--min-views", 2), plan(zone, *MAVIC, "--min-views", 9)
    assert (few["coverage"]["k"], many["coverage"]["k"]) == (2, 9)
    assert few["coverage"]["share"] > 0.999
    assert many["photos"] > few["photos"]
    assert many["coverage"]["share_by_views"]["8"] > few["coverage"]["share_by_views"]["8"]


def test_a_flight_is_what_its_autopilot_holds(tmp_path, plan):
    strip = zone_file(tmp_path / "strip.geojson", box(0, 0, 2500, 120))
    words = (
        "--camera", "DJI Mini 3", "--gsd", 1.2, "--clearance", 10, "--endurance", 90, "--angle", 0,
        "--autopilot",
    )  # fmt: skip
    free = plan(strip, *words, "any")
    assert max(s["items"] for s in free["sorties"]) > 300
    fly = plan(strip, *words, "dji-fly", out="f.plan")
    counts = [count_items(read_mission(file), "dji-fly") for file in fly["files"][1:]]
    assert max(counts) <= 99
    assert len(counts) == np.ceil(174 * 2 / 97)  # and no more flights than that needs
    assert plan(strip, *words, "PX4")["drones"][0]["item_limit"] == 500


@pytest.mark.parametrize(
    ("out", "limit"),
    [("p.plan", 649), ("p.waypoints", 649), ("p.kmz", 65_535), ("p.kml", None), ("p.gpkg", None)],
)
def test_the_usual_autopilot_is_that_of_the_file(zone, plan, out, limit):
    assert plan(zone, *MAVIC, "--gsd", 8, out=out)["drones"][0]["item_limit"] == limit


def test_a_mission_says_once_what_flies_it(zone, tmp_path, run_json):
    county = tmp_path / "county"
    run_json("new", county, "--camera", "DJI Mavic 3E", "--autopilot", "px4")

    def made(out, *words):
        return run_json("plan", zone, "-o", county / "plans" / out, "--gsd", 8, "--speed", 10, *words)

    usual = made("a.plan")
    assert usual["drones"][0]["item_limit"] == 500
    assert usual["duration_s"] > 1.02 * made("b.plan", "--autopilot", "ardupilot")["duration_s"]
    assert made("c.kmz")["drones"][0]["item_limit"] == 65_535, "DJI's format is for DJI's apps"
    fleet = tmp_path / "fleet.json"
    fleet.write_text('[{"name": "a", "endurance_min": 25, "autopilot": "ardupilot"}]')
    assert made("d.plan", "--fleet", fleet)["drones"][0]["item_limit"] == 649


def test_a_plan_file_names_what_flies_it(zone, plan, tmp_path):
    for autopilot, mav_autopilot in (("ardupilot", 3), ("px4", 12), ("any", 3)):
        plan(zone, *MAVIC, "--gsd", 8, "--autopilot", autopilot)
        written = json.loads((tmp_path / "p.plan").read_text("utf-8"))
        assert written["mission"]["firmwareType"] == mav_autopilot


def test_a_mission_is_not_for_an_autopilot_that_is_not_known(tmp_path, run_json, complaint):
    county = tmp_path / "county"
    assert "ardupilot or px4" in complaint("new", county, "--autopilot", "betaflight")
    run_json("new", county)
    toml = county / "mission.toml"
    toml.write_text(toml.read_text() + 'autopilot = "betaflight"\n')
    with pytest.raises(WorkspaceError, match="betaflight"):
        Workspace.open(county)


def people(path, values, step_m, west_m, north_m, **more):
    rows, cols = values.shape
    profile = {"driver": "GTiff", "width": cols, "height": rows, "count": 1, "dtype": values.dtype}
    transform = Affine(step_m, 0, west_m, 0, -step_m, north_m)
    with rasterio.open(path, "w", crs=FRAME.crs.to_wkt(), transform=transform, **profile, **more) as out:
        out.write(values, 1)
    return path


def test_where_most_people_are_is_flown_first(tmp_path, plan):
    strip = zone_file(tmp_path / "strip.geojson", box(0, 0, 2400, 300))
    words = (*MAVIC, "--gsd", 2, "--endurance", 14, "--angle", 0, "--launch", "30.0,103.0")
    grid = np.full((10, 26), 0, "float32")
    grid[:, 22:] = 30_000  # no height on earth
    crowd = people(tmp_path / "east.tif", grid, 100.0, -100.0, 600.0, nodata=0)
    usual, first = plan(strip, *words), plan(strip, *words, "--exposure", crowd)
    assert len(usual["sorties"]) >= 3
    assert usual["sorties"][0]["launch"] == first["sorties"][0]["launch"]
    assert first["time_to_image_s"]["90%"] < 0.6 * usual["makespan_s"]
    assert not [note for note in first["notes"] if "covers" in note]

    part = people(tmp_path / "part.tif", grid[:, 13:], 100.0, 1200.0, 600.0)
    (note,) = [n for n in plan(strip, *words, "--exposure", part)["notes"] if n.startswith("part.tif")]
    assert note in {
        f"part.tif covers {n}% of the zone; the rest counts as nothing at stake" for n in (49, 50)
    }


def test_a_zone_of_its_own_priority_has_its_own_times(tmp_path, plan):
    both = zone_file(
        tmp_path / "both.geojson", box(0, 0, 600, 400, name="a"), box(900, 0, 1500, 400, name="b", priority=4)
    )
    result = plan(both, *MAVIC, "--launch", "30.0,103.0")
    assert [(z["name"], z["priority"]) for z in result["zones"]] == [("b", 4), ("a", 1)]
    b, a = (z["time_to_image_s"] for z in result["zones"])
    assert b["last"] < a["50%"]
    assert result["zones"][0]["area_m2"] == pytest.approx(240_000, rel=0.001)


def test_the_fleet_of_the_documents_plans(zone, tmp_path, run_json):
    fleet = DOCS / "fleet.json"
    north, south = read_fleet(fleet)
    assert None not in (north.place, south.place)
    county = zone_file(tmp_path / "county.geojson", box(0, 0, 900, 600))
    shifted = json.loads(fleet.read_text())
    for drone in shifted:
        drone["launch"] = [30.0, 103.0]
    copy = tmp_path / "fleet.json"
    copy.write_text(json.dumps(shifted))
    result = run_json("plan", county, "-o", tmp_path / "p.plan", "--fleet", copy)
    assert [d["name"] for d in result["drones"]] == ["Mavic north", "Hexa south"]
    mavic, hexa = result["drones"]
    assert mavic["usable_s"] == pytest.approx(32 * 60 * 0.9 * 0.9 * 0.842, abs=1)
    assert hexa["item_limit"] == 649
    assert mavic["height_agl_m"] != hexa["height_agl_m"]


def test_a_fleet_takes_from_the_command_what_its_file_does_not_say(zone, tmp_path, plan):
    own = tmp_path / "kite.json"
    own.write_text(json.dumps({**asdict(find_camera("DJI Mini 3")), "name": "Kite"}))
    fleet = tmp_path / "fleet.json"
    fleet.write_text(
        json.dumps(
            [
                {"name": "a", "endurance_min": 20, "temperature_c": 20, "camera": "kite.json"},
                {"name": "b", "endurance_min": 20, "autopilot": "px4"},
            ]
        )
    )
    result = plan(zone, "--fleet", fleet, *MAVIC, "--temperature", -10, "--swap", 7)
    a, b = result["drones"]
    assert (a["camera"], b["camera"]) == ("Kite", "DJI Mavic 3E")
    assert (a["usable_s"], b["usable_s"]) == (1200, 840)
    assert (a["swap_s"], b["swap_s"]) == (420, 420)
    assert (a["item_limit"], b["item_limit"]) == (649, 500)


def test_the_mission_folder_keeps_cameras_as_they_are_not_as_they_are_mounted(zone, tmp_path, run_json):
    mission = tmp_path / "m"
    run_json("new", mission)
    run_json("plan", zone, "-o", mission / "plans" / "p.plan", *MAVIC, "--portrait")
    assert own_cameras(Workspace.open(mission)) == {}
    own = tmp_path / "kite.json"
    kite = {**asdict(find_camera("DJI Mini 3")), "name": "Kite"}
    own.write_text(json.dumps(kite))
    run_json("plan", zone, "-o", mission / "plans" / "k.plan", "--camera", own, "--portrait")
    (kept,) = own_cameras(Workspace.open(mission)).values()
    assert kept.sensor_width_mm == kite["sensor_width_mm"]
    shutil.rmtree(mission)


def test_a_person_reads_the_plan(zone, run, tmp_path):
    done = run("plan", zone, "-o", tmp_path / "p.plan", *MAVIC, "--endurance", 8, "--drones", 2)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{tmp_path}/p.plan (all sorties, to look at); to fly: p-1.plan ... p-")
    rows = [line.split() for line in lines[2:] if line.split()[-1].startswith("30.0")]
    assert sorted(row[0] for row in rows) == [str(n + 1) for n in range(len(rows))]
    assert [row[2] for row in rows] == sorted(row[2] for row in rows)  # as the day goes
    assert {row[1] for row in rows} == {"1", "2"}
    assert all(row[2].count(":") == 1 and row[4].endswith("%") for row in rows)
    assert "of the zone is seen by 5 photos or more" in done.stdout
    assert "note: no launch point given" in done.stdout
