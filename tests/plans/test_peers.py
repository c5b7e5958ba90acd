"""Other people's readers take our plan files as we mean them."""

from __future__ import annotations

import time

import numpy as np
import pytest
from pymavlink import mavwp
from pymavlink.dialects.v20 import ardupilotmega as mavlink
from shapely import Polygon

from flight.wire import Encoder
from plans.cameras import find_camera
from plans.formats import read_mission, write_plan
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, Command
from plans.survey import SurveySettings, plan_survey

from .conftest import FRAME, HOLES, SHELL, hills, zone_of
from .planned import corridor
from .planned import survey as several_sorties

REAL = ["mavsdk_qgc_with_survey.plan", "mavsdk_qgroundcontrol_sample.plan", "mavsdkpy_example-mission.plan"]


@pytest.fixture(scope="module")
def survey():
    lat, lon = FRAME.to_geo(-50.0, -50.0)
    return plan_survey(
        [zone_of(Polygon(SHELL, HOLES))],
        find_camera("DJI Mavic 3E"),
        SurveySettings(gsd_m=0.04, overlap=0.7, sidelap=0.6, endurance_s=5400.0, gimbal_pitch_deg=-90.0),
        terrain=hills(30.0),
        no_fly=[zone_of(Polygon([(500, 300), (620, 320), (600, 430), (490, 400)]))],
        launches=(GeoPoint(float(lat), float(lon), 1480.0),),
    )


@pytest.fixture(scope="module")
def mavsdk():
    """MAVSDK's importer. It hangs on a vehicle, so one heartbeat is handed to it: no socket, no vehicle."""
    sdk = pytest.importorskip("mavsdk")
    raw = pytest.importorskip("mavsdk.plugins.mission_raw")
    settings = sdk.Configuration.create_with_component_type(sdk.ComponentType.GROUND_STATION)
    station = sdk.Mavsdk(settings)
    station.add_any_connection("raw://")
    encoder = Encoder(1, 1)
    patience = time.monotonic() + 20
    while station.system_count() == 0 and time.monotonic() < patience:
        station.pass_received_raw_bytes(encoder.encode(mavlink.MAVLink_heartbeat_message(2, 3, 1, 0, 3, 3)))
        time.sleep(0.05)
    yield raw.MissionRaw(station.get_systems()[0])
    station.destroy()


def assert_theirs(their_items, our_items):
    """MAVSDK's items are ours, with ArduPilot's home in front."""
    home, *rest = their_items
    assert (home.seq, home.command) == (0, Command.NAV_WAYPOINT)
    assert len(rest) == len(our_items)
    for number, (theirs, ours) in enumerate(zip(rest, our_items, strict=True), 1):
        assert theirs.seq == number
        assert (theirs.command, theirs.frame) == (ours.command, ours.frame)
        params = [theirs.param1, theirs.param2, theirs.param3, theirs.param4]
        assert np.allclose(params, np.float32(ours.params), equal_nan=True)
        assert (theirs.x, theirs.y) == pytest.approx((ours.lat_deg * 1e7, ours.lon_deg * 1e7), abs=1)
        if ours.has_place:
            assert theirs.z == pytest.approx(ours.alt_m, abs=1e-3)


def test_mavsdk_reads_our_plan_as_we_do(survey, mavsdk, tmp_path):
    (path,) = write_plan(survey, tmp_path / "s.plan")
    theirs = mavsdk.import_qgroundcontrol_mission(str(path))
    assert_theirs(theirs.mission_items, survey.missions[0].items)
    fence = survey.missions[0].fence_exclusion[0]
    exclusion = mavlink.MAV_CMD_NAV_FENCE_POLYGON_VERTEX_EXCLUSION
    assert [item.command for item in theirs.geofence_items] == [exclusion] * len(fence)
    assert [item.x for item in theirs.geofence_items] == pytest.approx(
        [p.lat_deg * 1e7 for p in fence], abs=1
    )


@pytest.mark.parametrize("name", REAL)
def test_mavsdk_and_we_read_real_plans_alike(shared_data, mavsdk, name):
    path = shared_data / "plans" / name
    assert_theirs(mavsdk.import_qgroundcontrol_mission(str(path)).mission_items, read_mission(path).items)


def test_mavsdk_reads_a_plan_of_several_sorties_and_one_of_simple_items(mavsdk, tmp_path):
    plan = several_sorties(endurance_min=10)
    for number, editable in enumerate((True, False)):
        files = write_plan(plan, tmp_path / f"s{number}.plan", survey_items=editable)
        for file in files:
            items = mavsdk.import_qgroundcontrol_mission(str(file)).mission_items
            assert_theirs(items, read_mission(file).items)


def test_mavsdk_knows_no_corridors_but_their_simple_items(mavsdk, tmp_path):
    """mission_import.cpp (MAVSDK 158e339): complexItemType must be "survey"."""
    mission_raw = pytest.importorskip("mavsdk.plugins.mission_raw")
    (path,) = write_plan(corridor(), tmp_path / "s.plan", survey_items=False)
    theirs = mavsdk.import_qgroundcontrol_mission(str(path)).mission_items
    assert_theirs(theirs, corridor().missions[0].items)
    (path,) = write_plan(corridor(), tmp_path / "c.plan")
    with pytest.raises(mission_raw.MissionRawError, match="FAILED_TO_PARSE_QGC_PLAN"):
        mavsdk.import_qgroundcontrol_mission(str(path))


def test_mavsdk_reads_our_waypoint_file(survey, mavsdk, tmp_path):
    (path,) = write_plan(survey, tmp_path / "s.waypoints")
    _, *theirs = mavsdk.import_mission_planner_mission(str(path)).mission_items[1:]
    for number, (their, ours) in enumerate(zip(theirs, survey.missions[0].items, strict=True), 2):
        assert (their.seq, their.command, their.frame) == (number, ours.command, ours.frame)
        params = [their.param1, their.param2, their.param3, their.param4]
        assert np.allclose(params, np.float32(ours.params), equal_nan=True)
        if ours.has_place:
            assert (their.x, their.y) == pytest.approx((ours.lat_deg * 1e7, ours.lon_deg * 1e7), abs=1)
            assert their.z == pytest.approx(ours.alt_m, abs=1e-3)


def test_mavproxys_loader_reads_our_waypoint_file_item_by_item(survey, tmp_path):
    (path,) = write_plan(survey, tmp_path / "s.waypoints")
    loader = mavwp.MAVWPLoader(target_system=1, target_component=1)
    items = survey.missions[0].items
    assert loader.load(str(path)) == len(items) + 1
    home = loader.wp(0)
    assert (home.command, home.frame, home.current) == (Command.NAV_WAYPOINT, AltitudeFrame.AMSL, 1)
    assert (home.x, home.y, home.z) == pytest.approx(
        (survey.sorties[0].launch.lat_deg, survey.sorties[0].launch.lon_deg, 1480.0), abs=1e-5
    )
    for number, ours in enumerate(items, 1):
        theirs = loader.wp(number)
        assert (theirs.seq, theirs.command, theirs.frame) == (number, ours.command, ours.frame)
        params = (theirs.param1, theirs.param2, theirs.param3, theirs.param4)
        assert params == pytest.approx(ours.params, nan_ok=True)
        assert (theirs.x, theirs.y, theirs.z) == pytest.approx(
            (ours.lat_deg, ours.lon_deg, ours.alt_m), abs=1e-5
        )


def test_we_read_what_mavproxys_loader_saves(survey, tmp_path):
    (path,) = write_plan(survey, tmp_path / "s.waypoints")
    loader = mavwp.MAVWPLoader(target_system=1, target_component=1)
    loader.load(str(path))
    loader.save(str(tmp_path / "theirs.txt"))
    ours, theirs = read_mission(path), read_mission(tmp_path / "theirs.txt")
    assert [i.command for i in theirs.items] == [i.command for i in ours.items]
    places = [[(i.lat_deg, i.lon_deg, i.alt_m) for i in m.items] for m in (ours, theirs)]
    assert np.allclose(*places, atol=1e-5)
