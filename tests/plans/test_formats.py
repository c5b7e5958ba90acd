"""Plan files: what goes out comes back, what comes from other programs is read, what is broken is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import Polygon

from plans.cameras import Camera
from plans.errors import PlanFileError
from plans.formats import PLAN_SUFFIXES, read_mission, write_mission, write_plan
from plans.formats.convert import walls_of
from plans.formats.qgc_plan import circle_ring, read_camera, read_qgc_plan, read_walls, write_qgc_plan
from plans.formats.waypoints import read_waypoints, write_waypoints
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, Mission, MissionItem
from plans.zones import read_zones

from .conftest import FRAME, HOLES, SHELL, repeatable
from .planned import CAMERA, assert_same_items, corridor, survey

numbers = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.floats(-1e9, 1e9)
items = st.builds(
    MissionItem,
    command=st.integers(1, 4999) | st.integers(5200, 65535),  # those between are fences and rally points
    frame=st.sampled_from([0, 2, 3, 10]),
    params=st.tuples(*[numbers | st.just(math.nan)] * 4),
    lat_deg=st.floats(-90, 90),
    lon_deg=st.floats(-180, 180),
    alt_m=st.floats(-1e6, 1e6),
    autocontinue=st.booleans(),
)
points = st.builds(
    GeoPoint,
    lat_deg=st.floats(-89, 89),
    lon_deg=st.floats(-179, 179),
    alt_amsl_m=st.floats(-400, 9000),
)
rings = st.lists(
    st.lists(points.map(lambda p: GeoPoint(p.lat_deg, p.lon_deg)), min_size=3, max_size=6).map(tuple)
)
missions = st.builds(
    Mission,
    items=st.lists(items, min_size=1, max_size=12).map(tuple),
    home=points,
    cruise_speed_mps=st.floats(0.1, 30),
    fence_inclusion=rings.map(tuple),
    fence_exclusion=rings.map(tuple),
    rally=st.lists(points, max_size=3).map(tuple),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("formats")


@repeatable(150)
@given(mission=missions)
def test_a_plan_file_gives_the_mission_back_whole(folder, mission):
    back = read_mission(write_mission(mission, folder / "m.plan"))
    assert_same_items(back.items, mission.items)
    assert (back.home, back.cruise_speed_mps) == (mission.home, mission.cruise_speed_mps)
    assert (back.fence_inclusion, back.fence_exclusion) == (mission.fence_inclusion, mission.fence_exclusion)
    assert back.rally == mission.rally


@repeatable(150)
@given(mission=missions)
def test_a_waypoint_file_gives_the_items_back_whole(folder, mission):
    back = read_mission(write_mission(mission, folder / "m.waypoints"))
    assert_same_items(back.items, mission.items)
    assert back.home == mission.home


@pytest.mark.parametrize("suffix", [".plan", ".waypoints"])
@pytest.mark.parametrize("made", [survey, corridor])
def test_a_survey_comes_back_from_its_file(tmp_path, made, suffix):
    plan = made()
    (path,) = write_plan(plan, tmp_path / f"s{suffix}")
    back = read_mission(path)
    assert_same_items(back.items, plan.missions[0].items)
    assert back.cruise_speed_mps == pytest.approx(plan.speed_mps)
    if suffix == ".plan":
        assert replace(back, items=()) == replace(plan.missions[0], items=())
        assert read_camera(path) == CAMERA
        assert read_walls(path) == walls_of(plan)


def test_a_plan_carries_the_walls_and_the_fence_of_its_survey(tmp_path):
    (path,) = write_plan(survey(), tmp_path / "s.plan")
    assert len(read_mission(path).fence_exclusion) == 1
    assert len(walls_of(survey())) == 4  # three holes and the no-fly area


def test_a_distorted_camera_is_carried_whole(tmp_path):
    camera = Camera(
        "Mine", 13.2, 8.8, 8.8, 3000, 2000, distortion=(-0.1, 0.02, 0.001, 0.0, 0.003), principal_dx_px=4.5
    )
    path = write_qgc_plan(survey().missions[0], tmp_path / "m.plan", camera)
    assert read_camera(path) == camera


@pytest.mark.parametrize("suffix", [".plan", ".waypoints", ".kmz"])
def test_several_sorties_are_one_file_to_look_at_and_one_each_to_fly(tmp_path, suffix):
    plan = survey(endurance_min=10)
    assert len(plan.sorties) >= 3
    files = write_plan(plan, tmp_path / f"s{suffix}")
    assert [f.name for f in files] == [
        f"s{suffix}",
        *(f"s-{i + 1}{suffix}" for i in range(len(plan.sorties))),
    ]
    if suffix == ".kmz":
        return
    for sortie, file in zip(plan.sorties, files[1:], strict=True):
        assert_same_items(read_mission(file).items, sortie.mission.items)
    whole = read_mission(files[0])
    assert_same_items(whole.items, [item for s in plan.sorties for item in s.mission.items])


def test_heights_of_sorties_from_different_villages_are_amsl_in_the_common_file(tmp_path):
    plan = survey(endurance_min=10, launches=2)
    assert len({s.launch for s in plan.sorties}) == 2
    whole = read_mission(write_plan(plan, tmp_path / "s.plan")[0])
    at = 0
    for sortie in plan.sorties:
        for item in sortie.mission.items:
            if item.has_place:
                assert whole.items[at].frame == AltitudeFrame.AMSL
                assert whole.items[at].alt_m == pytest.approx(item.alt_m + sortie.launch_ground_m, abs=0.01)
            at += 1


# -- what QGroundControl asks for -----------------------------------------------------------------------


def test_a_plan_file_keeps_qgroundcontrols_rules(tmp_path):
    path = write_qgc_plan(survey().missions[0], tmp_path / "m.plan", CAMERA, walls_of(survey()))
    plan = json.loads(path.read_text(encoding="utf-8"))
    assert (plan["fileType"], plan["version"]) == ("Plan", 1)
    assert isinstance(plan["groundStation"], str)
    mission = plan["mission"]
    assert mission["version"] == 2
    assert {"firmwareType", "vehicleType", "cruiseSpeed", "hoverSpeed", "globalPlanAltitudeMode"} <= set(
        mission
    )
    lat, lon, alt = mission["plannedHomePosition"]
    assert -90 <= lat <= 90
    assert -180 <= lon <= 180
    assert alt is None or isinstance(alt, float)
    for number, item in enumerate(mission["items"], 1):
        assert item["type"] == "SimpleItem"
        assert item["doJumpId"] == number
        assert isinstance(item["autoContinue"], bool)
        assert isinstance(item["command"], int)
        assert isinstance(item["frame"], int)
        assert len(item["params"]) == 7
        assert all(p is None or isinstance(p, int | float) for p in item["params"])
        if "AltitudeMode" in item:
            assert item["Altitude"] == item["params"][6]
            assert item["AltitudeMode"] == {3: 1, 0: 2, 10: 4}[item["frame"]]
            assert "AMSLAltAboveTerrain" in item
    assert {"circles", "polygons", "version"} == set(plan["geoFence"])
    assert plan["geoFence"]["version"] == 2
    for polygon in plan["geoFence"]["polygons"]:
        assert set(polygon) == {"inclusion", "polygon", "version"}
        assert all(len(corner) == 2 for corner in polygon["polygon"])
    assert plan["rallyPoints"] == {"points": [], "version": 2}


def test_nan_is_null_as_the_format_asks(tmp_path):
    text = write_qgc_plan(survey().missions[0], tmp_path / "m.plan").read_text(encoding="utf-8")
    assert "NaN" not in text
    yaws = [item["params"][3] for item in json.loads(text)["mission"]["items"] if item["command"] == 16]
    assert yaws
    assert set(yaws) == {None}


def test_circles_of_a_fence_become_rings_on_the_safe_side():
    centre = GeoPoint(30.0, 104.0)
    inside = FRAME.geometry_to_local(
        Polygon([(p.lon_deg, p.lat_deg) for p in circle_ring(centre, 100, True)])
    )
    outside = FRAME.geometry_to_local(
        Polygon([(p.lon_deg, p.lat_deg) for p in circle_ring(centre, 100, False)])
    )
    circle = shapely.Point(0, 0).buffer(100, quad_segs=60)
    assert inside.difference(circle.buffer(0.6)).is_empty
    assert circle.buffer(-0.6).difference(outside).is_empty
    assert inside.area == pytest.approx(circle.area, rel=0.02)


def test_the_fence_of_a_plan_is_read_circles_too(tmp_path):
    path = write_qgc_plan(survey().missions[0], tmp_path / "m.plan")
    plan = json.loads(path.read_text())
    plan["geoFence"]["circles"] = [
        {"circle": {"center": [30.0, 104.0], "radius": 50.0}, "inclusion": False, "version": 1}
    ]
    path.write_text(json.dumps(plan))
    mission = read_qgc_plan(path)
    assert [len(ring) for ring in mission.fence_exclusion] == [4, 36]
    assert read_walls(path) == mission.fence_exclusion


# -- files of other programs ----------------------------------------------------------------------------

REAL_MISSIONS = [
    "dronekit_mpmission.txt",
    "mavsdk_mission_planner_sample.txt",
    "mavsdk_qgc_with_survey.plan",
    "mavsdk_qgroundcontrol_sample.plan",
    "mavsdkpy_example-mission.plan",
    "qgc_MissionPlanner.waypoints",
    "qgc_SectionTest.plan",
]


@pytest.mark.parametrize("name", REAL_MISSIONS)
def test_a_real_mission_is_read_written_and_read_again_without_loss(shared_data, tmp_path, name):
    mission = read_mission(shared_data / "plans" / name)
    assert len(mission.items) >= 3
    for suffix in (".plan", ".waypoints"):
        again = read_mission(write_mission(mission, tmp_path / f"m{suffix}"))
        assert_same_items(again.items, mission.items)
        twice = read_mission(write_mission(again, tmp_path / f"n{suffix}"))
        assert repr(twice) == repr(again)
    again = read_mission(write_mission(mission, tmp_path / "m.plan"))
    assert again.rally == mission.rally
    if mission.home is not None:
        assert again.home == mission.home


def test_every_real_plan_there_is_tested(shared_data):
    found = {p.name for p in (shared_data / "plans").iterdir() if p.suffix in (".plan", ".waypoints", ".txt")}
    assert found == {*REAL_MISSIONS, "pymavlink_fence-110.txt", "pymavlink_rally-110.txt"}


def test_a_survey_of_qgroundcontrol_gives_its_flown_items_and_its_camera(shared_data, tmp_path):
    path = shared_data / "plans" / "mavsdk_qgc_with_survey.plan"
    mission = read_mission(path)
    assert [i.command for i in mission.items[:3]] == [530, 16, 206]
    assert mission.items[2].params[0] == 25.0
    assert mission.home == GeoPoint(47.39801775617688, 8.545149580000002, 483.4261075265049)
    assert read_camera(path) is None  # "Manual (no camera specs)"
    plan = json.loads(path.read_text())
    calc = plan["mission"]["items"][1]["TransectStyleComplexItem"]["CameraCalc"]
    calc |= {"CameraName": "Sony ILCE-QX1", "FocalLength": 16, "SensorWidth": 23.2, "SensorHeight": 15.4}
    calc |= {"ImageWidth": 5456, "ImageHeight": 3632, "MinTriggerInterval": 0}
    (tmp_path / "s.plan").write_text(json.dumps(plan))
    assert read_camera(tmp_path / "s.plan") == Camera(
        "Sony ILCE-QX1", 23.2, 15.4, 16.0, 5456, 3632, min_trigger_interval_s=0.0
    )


def test_home_is_row_nought_of_a_waypoint_file(shared_data):
    mission = read_mission(shared_data / "plans" / "dronekit_mpmission.txt")
    assert mission.home == GeoPoint(-35.363262, 149.165237, 584.0)
    assert [i.command for i in mission.items] == [22, 16, 16, 16, 16, 16]
    bare = read_mission(shared_data / "plans" / "mavsdk_mission_planner_sample.txt")
    assert bare.home is None  # its first row is a take-off
    assert [i.command for i in bare.items] == [22, 16, 16, 20]


def test_fence_and_rally_files_are_not_missions_to_fly(shared_data):
    fence = read_mission(shared_data / "plans" / "pymavlink_fence-110.txt")
    assert fence.items == ()
    assert [len(ring) for ring in fence.fence_inclusion] == [8]
    assert [len(ring) for ring in fence.fence_exclusion] == [36, 36]
    rally = read_mission(shared_data / "plans" / "pymavlink_rally-110.txt")
    assert [p.lat_deg for p in rally.rally] == [40.071766, 40.071014]


def test_the_home_row_that_old_mission_planners_wrote_is_home(tmp_path):
    path = tmp_path / "old.waypoints"
    rows = ["QGC WPL 110", "0 1 0 0 0 0 0 0 -35.36 149.16 584 1", "1 0 3 16 0 0 0 0 -35.37 149.17 100 1", ""]
    path.write_text("\r\n".join(rows))
    mission = read_waypoints(path)
    assert mission.home == GeoPoint(-35.36, 149.16, 584.0)
    assert [i.command for i in mission.items] == [16]


# -- pictures of a plan ---------------------------------------------------------------------------------


def test_geojson_shows_zone_lanes_and_photos_where_they_are(tmp_path):
    plan = survey()
    (path,) = write_plan(plan, tmp_path / "s.geojson")
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    kinds = [f["properties"]["kind"] for f in features]
    assert kinds.count("zone") == 1
    assert kinds.count("lane") == len(plan.lanes)
    assert kinds.count("photo") == len(plan.shots)
    assert kinds.count("no_fly") == 1
    photos = [f for f in features if f["properties"]["kind"] == "photo"]
    for feature, shot in zip(photos, plan.shots, strict=True):
        lon, lat, alt = feature["geometry"]["coordinates"]
        assert (lat, lon) == pytest.approx((shot.lat_deg, shot.lon_deg), abs=1e-7)
        assert alt == pytest.approx(shot.pose.up_m, abs=0.01)
    (zone,) = read_zones(path)
    assert len(zone.polygon.interiors) == 3


@pytest.mark.parametrize("suffix", [".kml", ".geojson"])
def test_the_zone_comes_back_from_the_picture_with_its_holes(tmp_path, suffix):
    write_plan(survey(), tmp_path / f"s{suffix}")
    (zone,) = read_zones(tmp_path / f"s{suffix}")
    local = FRAME.geometry_to_local(zone.polygon)
    assert local.symmetric_difference(Polygon(SHELL, HOLES)).area < 3.0


def test_kml_shows_every_lane_and_photo_at_its_height(tmp_path):
    plan = survey()
    (path,) = write_plan(plan, tmp_path / "s.kml")
    root = ElementTree.parse(path).getroot()
    ns = {"k": "http://www.opengis.net/kml/2.2"}
    names = [e.text for e in root.iterfind(".//k:Folder/k:Placemark/k:name", ns)]
    assert sum(name.startswith("Lane") for name in names) == len(plan.lanes)
    places = [e.text.split(",") for e in root.iterfind(".//k:Folder/k:Folder//k:Point/k:coordinates", ns)]
    assert len(places) == len(plan.shots)
    assert names.count("Launch") == len(plan.sorties)
    assert [float(p[2]) for p in places] == pytest.approx([s.pose.up_m for s in plan.shots], abs=0.01)
    assert [e.text for e in root.iterfind("./k:Document/k:Placemark/k:name", ns)] == ["Zone", "No-fly area 1"]
    modes = {e.text for e in root.iterfind(".//k:altitudeMode", ns)}
    assert modes == {"absolute"}


# -- files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", PLAN_SUFFIXES)
def test_the_same_plan_gives_the_same_bytes_and_leaves_nothing_beside_them(tmp_path, suffix):
    one, two = (
        [f.read_bytes() for f in write_plan(survey(), tmp_path / n / f"s{suffix}")] for n in made(tmp_path)
    )
    assert one == two
    assert all(not f.name.startswith(".") for f in tmp_path.rglob("*"))


def made(folder: Path):
    for name in ("a", "b"):
        (folder / name).mkdir()
        yield name


def test_missing_files_and_places_that_cannot_be_written_say_so(tmp_path):
    with pytest.raises(PlanFileError, match="no such file"):
        read_mission(tmp_path / "none.plan")
    (tmp_path / "dir.plan").mkdir()
    with pytest.raises(PlanFileError, match="cannot be read"):
        read_mission(tmp_path / "dir.plan")
    for suffix in PLAN_SUFFIXES:
        with pytest.raises(PlanFileError, match="cannot be written"):
            write_plan(survey(), tmp_path / "none" / f"s{suffix}")
    with pytest.raises(PlanFileError, match=r"no plan format has the suffix \.xyz"):
        write_plan(survey(), tmp_path / "s.xyz")
    with pytest.raises(PlanFileError, match="without any place"):
        write_waypoints(Mission((MissionItem(20, 2),)), tmp_path / "m.waypoints")
