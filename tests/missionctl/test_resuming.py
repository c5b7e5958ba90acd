"""Which photos count for `missionctl resume`: each once, from files and camera events together."""

import datetime as dt
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from shapely import box

from imagery.photo_tags import PhotoTags, embed_tags
from missionctl.services.resuming import ResumeRequest, plan_rest
from missionctl.services.taken_photos import FlightShots, is_whole, read_taken
from missionctl.workspace import MissionConfig, Workspace
from plans.cameras import find_camera
from plans.errors import MissionError, SurveyError, ZoneError
from plans.formats import read_mission, write_mission, write_plan
from plans.formats.qgc_plan import read_autopilot
from plans.frames import GeoPoint, LocalFrame
from plans.mission import CameraEvent
from plans.mission_shots import mission_poses
from plans.survey import SurveySettings, plan_survey
from plans.terrain import flat_terrain
from plans.zones import Zone

FRAME = LocalFrame(30.0, 104.0)
A = find_camera("DJI Mavic 3E")
START = dt.datetime(2026, 7, 1, 2, 0, tzinfo=dt.UTC)
ZONE = Zone("z", FRAME.geometry_to_geo(box(0, 0, 300, 260)))


def jpeg():
    out = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(out, "JPEG", quality=95)
    return out.getvalue()


PIXELS = jpeg()


def at(number, east=0.0):
    """Where the photo of this number was taken: a lane to the north, a photo each 12 m and 2 s."""
    lat, lon = FRAME.to_geo(east, 12.0 * number)
    return GeoPoint(float(lat), float(lon), 580.0)


def photo(folder, number, *, place=None, clock_s=0.0, name=None, **tags):
    folder.mkdir(exist_ok=True)
    place = at(number) if place is None else place
    told = PhotoTags(
        model="M3E",
        focal_mm=12.29,
        time_utc=START + dt.timedelta(seconds=2 * number + clock_s),
        lat_deg=place.lat_deg if place else None,
        lon_deg=place.lon_deg if place else None,
        alt_amsl_m=place.alt_amsl_m if place else None,
        **tags,
    )
    file = folder / (name or f"P{number:03d}.JPG")
    file.write_bytes(embed_tags(PIXELS, told))
    return file


def event(number, captured=True, place=None, **more):
    place = place or at(number)
    time = START + dt.timedelta(seconds=2 * number)
    return CameraEvent(number, time, place.lat_deg, place.lon_deg, 580.0, captured=captured, **more)


def test_photos_and_events_of_one_flight_count_once(tmp_path):
    folder = tmp_path / "p"
    for number in range(20):
        photo(folder, number)
    events = tuple(event(number) for number in range(30))
    taken = read_taken([folder], [FlightShots(events)])
    assert (len(taken.shots), taken.confirmed, taken.files, taken.events) == (30, 20, 20, 30)


@pytest.mark.parametrize("clock_s", [0.0, 3600.0 * 8 + 17.3], ids=["same clock", "clock hours off"])
def test_the_camera_clock_may_be_off_and_the_receivers_differ_by_metres(tmp_path, clock_s):
    folder = tmp_path / "p"
    for number in range(5, 20):
        photo(folder, number, place=at(number, east=5.0), clock_s=clock_s)
    taken = read_taken([folder], [FlightShots(tuple(event(n) for n in range(25)))])
    assert (len(taken.shots), taken.confirmed) == (25, 15)


def test_photos_without_a_position_get_their_events(tmp_path):
    folder = tmp_path / "p"
    for number in range(12):
        photo(folder, number, place=False, clock_s=42.0)
    taken = read_taken([folder], [FlightShots(tuple(event(n, yaw_deg=3.0) for n in range(12)))])
    assert (len(taken.shots), taken.without_position) == (12, 0)
    assert taken.photos(A)[5].lat_deg == pytest.approx(at(5).lat_deg)
    assert taken.photos(A)[5].camera.name == "DJI Mavic 3E"
    alone = read_taken([folder], [])
    assert (len(alone.shots), alone.without_position) == (0, 12)


def test_what_failed_or_is_broken_does_not_count(tmp_path):
    folder = tmp_path / "p"
    for number in range(6):
        photo(folder, number)
    whole = (folder / "P000.JPG").read_bytes()
    (folder / "P000.JPG").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "P001.JPG").write_bytes(whole[: len(whole) // 2] + bytes(len(whole) // 2))
    (folder / "P002.JPG").write_bytes(b"")
    taken = read_taken([folder], [FlightShots((event(40, captured=False), event(41)))])
    assert taken.broken == ("P000.JPG", "P001.JPG", "P002.JPG")
    assert (len(taken.shots), taken.failed) == (4, 1)


def test_a_photo_with_something_behind_its_end_is_whole(tmp_path):
    file = photo(tmp_path / "p", 0)
    file.write_bytes(file.read_bytes() + bytes(4096))
    assert is_whole(file)
    file.write_bytes(file.read_bytes().rstrip(b"\0") + b"a maker's own trailer")
    assert is_whole(file)
    picture = tmp_path / "p.tif"
    Image.new("RGB", (50, 40)).save(picture)
    assert is_whole(picture)
    picture.write_bytes(picture.read_bytes()[:900])
    assert not is_whole(picture)


def test_copies_of_a_photo_count_once_and_flights_of_two_days_do_not_mix(tmp_path):
    folder = tmp_path / "p"
    for number in range(5):
        photo(folder, number)
    photo(folder, 3, name="P003 (1).JPG")
    for number in range(5):
        photo(folder, number, clock_s=86_400.0, place=at(number, east=60.0), name=f"Q{number}.JPG")
    taken = read_taken([folder, folder], [FlightShots(tuple(event(n) for n in range(8)))])
    assert (taken.files, taken.repeated, taken.confirmed) == (11, 1, 5)
    assert len(taken.shots) == 13


def test_an_airframes_attitude_is_not_where_the_camera_looks(tmp_path):
    (tmp_path / "p").mkdir()
    taken = read_taken(
        [tmp_path / "p"], [FlightShots((event(1, yaw_deg=77.0, pitch_deg=-8.0, roll_deg=4.0),))]
    )
    (found,) = taken.photos(A)
    assert found.yaw_deg == 77.0
    assert np.isnan(found.pitch_deg)


def test_the_camera_is_the_photos_own_or_the_plans(tmp_path):
    folder = tmp_path / "p"
    photo(folder, 0)
    turned = A.turned()
    assert read_taken([folder], []).photos(turned)[0].camera == turned  # the same, mounted portrait
    other = find_camera("DJI Mini 3")
    assert read_taken([folder], []).photos(other)[0].camera.name == "DJI Mavic 3E"


# -- the whole service -----------------------------------------------------------------------------------


@pytest.fixture
def mission(tmp_path):
    """A mission folder with a plan of one sortie in it; gives the folder and the plan."""
    workspace = Workspace.create(tmp_path / "m", MissionConfig("m"))
    plan = plan_survey([ZONE], A, SurveySettings(gsd_m=0.04), launches=(GeoPoint(29.9995, 103.9995),))
    write_plan(plan, tmp_path / "m" / "plans" / "a.plan")
    return workspace, tmp_path / "m" / "plans" / "a.plan"


def shoot(folder, plan_file, count):
    poses = mission_poses(read_mission(plan_file), flat_terrain(FRAME, 0.0))
    for number, pose in enumerate(poses[:count]):
        lat, lon = FRAME.to_geo(pose.east_m, pose.north_m)
        photo(folder, number, place=GeoPoint(float(lat), float(lon), pose.up_m))
    return len(poses)


def test_a_rest_is_put_on_record_in_the_mission_folder(mission, tmp_path):
    workspace, plan_file = mission
    total = shoot(tmp_path / "p", plan_file, 30)
    out = workspace.path / "plans" / "b.plan"
    result = plan_rest(ResumeRequest(plan_file, out, (tmp_path / "p",), camera="DJI Mini 3"))
    assert (result["mode"], result["photos_planned"], result["photos_taken"]) == ("coverage", total, 30)
    (row,) = workspace.features("plans")
    assert (row.values["name"], row.values["camera"]) == ("b", "DJI Mini 3")
    log = [json.loads(f.values["detail_json"]) for f in workspace.features("events")][-1]
    assert log["photos_to_take"] == result["photos_to_take"]


def test_a_plan_that_does_not_say_its_zone_takes_the_mission_folders_or_asks(mission, tmp_path):
    workspace, plan_file = mission
    bare = workspace.path / "plans" / "bare.plan"
    write_mission(read_mission(plan_file), bare)
    shoot(tmp_path / "p", plan_file, 30)
    request = ResumeRequest(
        bare, workspace.path / "b.plan", (tmp_path / "p",), camera="DJI Mini 3", gsd_m=0.04
    )
    with pytest.raises(ZoneError, match="give --zone"):
        plan_rest(request)
    workspace.add("zones", [(ZONE.polygon, {"name": "z", "priority": 1.0})])
    result = plan_rest(request)
    assert result["coverage"]["share_after"] >= 0.999


def test_the_surveys_of_a_plan_from_qgroundcontrol_are_its_zone(mission, tmp_path):
    _, plan_file = mission
    root = json.loads(plan_file.read_text())
    del root["missionctl"]
    foreign = tmp_path / "qgc.plan"
    foreign.write_text(json.dumps(root))
    shoot(tmp_path / "p", plan_file, 30)
    result = plan_rest(ResumeRequest(foreign, tmp_path / "b.plan", (tmp_path / "p",), camera="DJI Mini 3"))
    assert result["coverage"]["share_before"] > 0.1
    assert result["coverage"]["share_after"] >= 0.998


@pytest.mark.parametrize("mode", ["shots", "coverage"])
def test_the_rest_of_a_plan_for_a_px4_is_for_a_px4(mission, tmp_path, mode):
    _, plan_file = mission
    total = shoot(tmp_path / "p", plan_file, 30)
    for_px4 = tmp_path / "px4.plan"
    root = json.loads(plan_file.read_text())
    root["mission"]["firmwareType"] = 12
    for_px4.write_text(json.dumps(root))
    request = ResumeRequest(for_px4, tmp_path / "b.plan", (tmp_path / "p",), mode=mode)
    assert plan_rest(request)["photos_to_take"] >= total - 31
    assert read_autopilot(tmp_path / "b.plan") == "px4"
    plan_rest(replace(request, autopilot="ardupilot"))
    assert read_autopilot(tmp_path / "b.plan") == "ardupilot"


def test_why_a_mode_was_chosen_is_told_and_what_does_not_go_together_is_refused(mission, tmp_path):
    _, plan_file = mission
    shoot(tmp_path / "p", plan_file, 30)
    base = {"plan": plan_file, "out": tmp_path / "b.plan", "photos": (tmp_path / "p",)}
    assert "same drone" in plan_rest(ResumeRequest(**base))["why"]
    assert "--endurance given" in plan_rest(ResumeRequest(**base, endurance_s=900.0))["why"]
    assert plan_rest(ResumeRequest(**base, mode="coverage"))["why"].startswith("as asked")
    with pytest.raises(SurveyError, match="--gsd: the missing shots"):
        plan_rest(ResumeRequest(**base, mode="shots", gsd_m=0.03))
    with pytest.raises(SurveyError, match="--photos DIR"):
        plan_rest(ResumeRequest(plan_file, tmp_path / "b.plan"))
    with pytest.raises(MissionError, match="no such folder"):
        plan_rest(ResumeRequest(plan_file, tmp_path / "b.plan", (tmp_path / "none",)))


def test_photos_that_say_no_place_ask_for_geotagging(mission, tmp_path):
    _, plan_file = mission
    photo(tmp_path / "p", 0, place=False)
    with pytest.raises(SurveyError, match="missionctl geotag"):
        plan_rest(ResumeRequest(plan_file, tmp_path / "b.plan", (tmp_path / "p",)))


@pytest.mark.parametrize(
    "broken",
    [
        {"zones": [{"polygon": {"type": "Point", "coordinates": [1, 2]}}]},
        {"zones": 7},
        {"survey": {}},
        {"survey": {"gsd_m": -1}},
        {
            "zones": [
                {"polygon": {"type": "Polygon", "coordinates": [[[500, 0], [501, 0], [501, 1], [500, 0]]]}}
            ]
        },
    ],
)
def test_a_broken_goal_in_a_plan_is_named(mission, tmp_path, broken):
    _, plan_file = mission
    root = json.loads(plan_file.read_text())
    root["missionctl"] |= broken
    plan_file.write_text(json.dumps(root))
    (tmp_path / "p").mkdir()
    with pytest.raises(MissionError, match=r"a\.plan: the zone that it carries cannot be read"):
        plan_rest(ResumeRequest(plan_file, tmp_path / "b.plan", (tmp_path / "p",)))
