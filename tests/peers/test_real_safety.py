"""The safety functions against a real ArduCopter, named by MISSIONCTL_ARDUCOPTER (a SITL binary), and a real
PX4, named by MISSIONCTL_PX4; skipped without one. Their clocks run ahead of ours: the times compared are
their own."""

import asyncio
import json
from dataclasses import replace

import pytest

from flight.commands.actions import set_current_item, start_mission, take_off
from flight.commands.basics import request_streams
from flight.commands.confirmed import Confirmed, Danger
from flight.links.profiles import find_profile
from flight.missions import lists
from flight.missions.upload import upload
from flight.params.protocol import set_param
from flight.preflight import wait_until_ready
from flight.safety.lost_link import lost_link
from flight.safety.reserves import ReserveLimits
from flight.safety.review import SafetySettings, review_vehicle, watched
from flight.station import open_station
from plans.frames import GeoPoint, LocalFrame
from plans.mission import AltitudeFrame, Command, Mission, MissionItem

HOME = GeoPoint(30.05, 103.15, 500.0)
LOCAL = LocalFrame(HOME.lat_deg, HOME.lon_deg)
PLAIN = (0.0, 0.0, 0.0, 0.0)
WIFI = replace(find_profile("wifi"), rates_hz={33: 20.0, 30: 4.0, 1: 4.0, 193: 4.0, 42: 4.0})

pytestmark = pytest.mark.slow


@pytest.fixture
def copter(real_sitl):
    return real_sitl("ardupilot", HOME, speedup=5.0)[0]


def waypoint(east, north):
    lat, lon = LOCAL.to_geo(east, north)
    return MissionItem(Command.NAV_WAYPOINT, 3, PLAIN, float(lat), float(lon), 40.0)


MISSION = Mission(
    (
        MissionItem(Command.NAV_TAKEOFF, 3, alt_m=40.0),
        MissionItem(Command.DO_CHANGE_SPEED, 2, (1.0, 8.0, -1.0, 0.0)),
        waypoint(0, 150),
        waypoint(250, 150),
        waypoint(250, -100),
        waypoint(0, -100),
        MissionItem(Command.NAV_RETURN_TO_LAUNCH, AltitudeFrame.MISSION),
    ),
    HOME,
    8.0,
)
LISTS = {lists.MISSION: lists.slots_of(MISSION, True, HOME)}


async def in_the_air(vehicle, params, rally=()):
    await request_streams(vehicle)
    await wait_until_ready(vehicle, 60.0)
    for name, value in params.items():
        await set_param(vehicle, name, value)
    await upload(vehicle, LISTS[lists.MISSION])
    if rally:
        await upload(vehicle, lists.rally_items(replace(MISSION, rally=rally)), lists.RALLY)
    checklist, facts = await review_vehicle(vehicle, MISSION, SafetySettings(), LISTS, compared=True)
    assert not checklist.failed, checklist.as_json()
    await set_current_item(vehicle, 1)
    await take_off(vehicle, 40.0, Confirmed("test", Danger.TAKE_OFF, vehicle.sysid))
    await start_mission(vehicle, Confirmed("test", Danger.START_MISSION, vehicle.sysid))
    return facts


async def boot_s(inbox, until):
    """The vehicle's own time when something is true."""
    last = 0.0
    async with asyncio.timeout(60.0):
        while True:
            for message in inbox.drain():
                last = getattr(message, "time_boot_ms", last * 1000) / 1000
                if message.get_type() == "GLOBAL_POSITION_INT" and until():
                    return last
            await asyncio.sleep(0.01)


RALLY = (GeoPoint(*(float(v) for v in LOCAL.to_geo(120.0, -180.0)), 50.0),)


@pytest.mark.parametrize(
    ("enabled", "mode", "rally"), [(1.0, "RTL", ()), (1.0, "RTL", RALLY), (0.0, "AUTO", ())]
)
def test_the_link_is_cut_and_it_does_what_was_told(copter, enabled, mode, rally):
    mission = replace(MISSION, rally=rally)

    async def story():
        params = {"FS_GCS_ENABLE": enabled, "FS_GCS_TIMEOUT": 20.0, "DISARM_DELAY": 60.0}
        async with open_station([copter], WIFI, sysid=255) as station:
            vehicle = await station.wait_for_vehicle(10.0)
            facts = await in_the_air(vehicle, params, rally)
            with vehicle.inbox() as inbox:
                cut = await boot_s(inbox, lambda: vehicle.state.mission.current >= 5)
                told = lost_link(vehicle.state, facts.params, mission, facts.home, 255)
        async with open_station([copter], WIFI, sysid=12) as silent:  # to its failsafe that is nobody
            vehicle = await silent.wait_for_vehicle(10.0)
            await request_streams(vehicle)
            with vehicle.inbox() as inbox:
                landed = await boot_s(inbox, lambda: not vehicle.state.armed)
            place = vehicle.state.position
        return told, landed - cut, vehicle.state.mode, GeoPoint(place.lat_deg, place.lon_deg)

    told, took, last_mode, place = asyncio.run(story())
    assert last_mode == mode
    assert told.acts == (mode == "RTL")
    assert told.ends_s == pytest.approx(took, abs=10.0)
    last = told.moments[-1]
    there = LocalFrame(place.lat_deg, place.lon_deg).distance_m(GeoPoint(last.lat_deg, last.lon_deg))
    assert there < 5.0


def test_the_battery_brings_it_home(copter):
    told = []

    async def story():
        async with open_station([copter], WIFI, sysid=255) as station:
            vehicle = await station.wait_for_vehicle(10.0)
            facts = await in_the_air(vehicle, {"DISARM_DELAY": 60.0})
            settings = SafetySettings(reserves=ReserveLimits(landing_percent=94.0))
            async with (
                watched(
                    vehicle,
                    MISSION,
                    settings,
                    facts,
                    lambda alert, begins: told.append((alert.key, begins)),
                    0.2,
                ) as watch,
                asyncio.timeout(60.0),
            ):
                while ("reserve.ordered", True) not in told:
                    await asyncio.sleep(0.05)
            return watch, vehicle.state.mode

    watch, mode = asyncio.run(story())
    assert watch.ordered
    assert mode == "RTL"


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("north_m", [33.0, 300.0])
def test_a_real_px4_takes_as_long_as_the_check_says(real_sitl, missionctl, tmp_path, north_m):
    """Surveys of short lanes (over a hundred items) and of long ones."""
    url = real_sitl("px4", HOME, speedup=8.0)[0]
    east_m = 500.0 if north_m < 100.0 else 200.0
    corners = [(40, 30), (40 + east_m, 30), (40 + east_m, 30 + north_m), (40, 30 + north_m), (40, 30)]
    ring = [[float(v) for v in reversed(LOCAL.to_geo(*corner))] for corner in corners]
    zone, plan = tmp_path / "zone.geojson", tmp_path / "bank.plan"
    area = {"type": "Polygon", "coordinates": [ring]}
    zone.write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": area}))
    missionctl(
        *("plan", zone, "-o", plan, "--camera", "DJI Mavic 3E", "--height", 40, "--autopilot", "px4"),
        *("--launch", f"{HOME.lat_deg},{HOME.lon_deg}", "--angle", 0, "--clearance", 20),
    )
    told = missionctl("check", plan, "--autopilot", "px4")["plan"]
    assert told["items"] > (100 if north_m < 100.0 else 40)
    flown = missionctl("fly", plan, "--connect", url, "--yes", "--out", tmp_path / "f", timeout_s=400)
    assert told["duration_s"] == pytest.approx(flown["duration_s"], rel=0.1)
