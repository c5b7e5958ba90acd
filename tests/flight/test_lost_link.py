"""What a vehicle will do when it hears its station no more.

The times in the first tests are those of a real ArduCopter 4.7 (SITL) whose TCP connection was cut on a
mission at 8 m/s and 40 m: docs/figures.md.
"""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.safety.lost_link import lost_link
from flight.safety.rally import Place, rally_places
from flight.safety.way_home import return_settings, way_home
from flight.state import Battery, MissionProgress, Position, VehicleState
from plans.energy import Wind
from plans.frames import GeoPoint, LocalFrame
from plans.mission import AltitudeFrame, Command, Mission, MissionItem

HOME = GeoPoint(30.05, 103.15, 500.0)
LOCAL = LocalFrame(HOME.lat_deg, HOME.lon_deg)
PLAIN = (0.0, 0.0, 0.0, 0.0)
COPTER = {
    "FS_GCS_ENABLE": 1.0,
    "FS_GCS_TIMEOUT": 5.0,
    "FS_OPTIONS": 16.0,
    "FS_THR_ENABLE": 1.0,
    "MAV_GCS_SYSID": 255.0,
    "RTL_ALT": 1500.0,
    "RTL_LOIT_TIME": 5000.0,
    "RTL_CONE_SLOPE": 3.0,
    "WPNAV_SPEED": 1000.0,
    "WPNAV_SPEED_UP": 250.0,
    "WPNAV_SPEED_DN": 150.0,
    "LAND_SPEED": 50.0,
    "LAND_ALT_LOW": 1000.0,
}


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


def flying(east, north, velocity=(0.0, 0.0), mode="AUTO", current=4, up=40.0, autopilot=3):
    lat, lon = LOCAL.to_geo(east, north)
    position = Position(0.0, float(lat), float(lon), 500.0 + up, up, velocity[1], velocity[0], 0.0, 0.0)
    return VehicleState(
        sysid=1,
        compid=1,
        autopilot=autopilot,
        vehicle_type=mavlink.MAV_TYPE_QUADROTOR,
        heard_s=0.0,
        heartbeat_s=0.0,
        mode=mode,
        armed=True,
        position=position,
        mission=MissionProgress(0.0, current),
    )


ON_LANE = flying(40, 150, (8.0, 0.0))


def when(lost, key):
    return next(m.at_s for m in lost.moments if m.alert.key == f"lost.{key}")


def test_it_comes_home_as_a_real_arducopter_did():
    lost = lost_link(ON_LANE, COPTER, MISSION, HOME, 255)
    assert lost.acts
    assert when(lost, "notices") == 5.0  # real: 5.2
    assert when(lost, "returns") == pytest.approx(8.5, abs=1.0)
    assert when(lost, "over_home") == pytest.approx(32.0, abs=2.0)
    assert when(lost, "comes_down") == pytest.approx(38.8, abs=2.0)
    assert lost.ends_s == pytest.approx(82.6, abs=3.0)
    east, north = LOCAL.to_local(lost.moments[-1].lat_deg, lost.moments[-1].lon_deg)
    assert math.hypot(east, north) < 1.0


def test_it_climbs_first_where_the_return_height_is_more():
    lost = lost_link(ON_LANE, {**COPTER, "RTL_ALT": 6000.0}, MISSION, HOME, 255)
    (climb,) = [m for m in lost.moments if m.alert.key == "lost.climbs"]
    assert climb.alert.says() == "climbs to 60 m"
    assert lost.ends_s == pytest.approx(101.3, abs=4.0)


def test_it_lands_where_it_is_when_told_so():
    lost = lost_link(
        flying(250, 110, (0.0, -8.0), current=5), {**COPTER, "FS_GCS_ENABLE": 5.0}, MISSION, HOME, 255
    )
    assert lost.ends_s == pytest.approx(53.1, abs=3.0)
    _, north = LOCAL.to_local(lost.moments[-1].lat_deg, lost.moments[-1].lon_deg)
    assert float(north) == pytest.approx(52.0, abs=15.0)  # it flies on for 5 s and needs room to stop


@pytest.mark.parametrize(
    ("change", "sysid", "why"),
    [
        ({"FS_GCS_ENABLE": 0.0}, 255, "lost.why_off"),
        ({"MAV_GCS_SYSID": 77.0}, 255, "lost.why_other_station"),
        ({"FS_OPTIONS": 2.0}, 255, "lost.why_option"),
    ],
)
def test_it_goes_on_with_its_mission_and_says_why(change, sysid, why):
    lost = lost_link(ON_LANE, COPTER | change, MISSION, HOME, sysid)
    assert not lost.acts
    assert lost.moments[0].alert.key == "lost.goes_on"
    assert why in [a.key for a in lost.warnings]
    # 210 m, 250 m, 250 m at 8 m/s, home at the return speed, 40 m down
    assert 130 < lost.ends_s < 200
    assert when(lost, "on_ground") == lost.ends_s


def test_a_range_of_stations_counts():
    params = COPTER | {"MAV_GCS_SYSID": 250.0, "MAV_GCS_SYSID_HI": 254.0}
    assert lost_link(ON_LANE, params, MISSION, HOME, 252).acts
    assert not lost_link(ON_LANE, params, MISSION, HOME, 255).acts


def test_other_modes():
    off = COPTER | {"FS_GCS_ENABLE": 0.0}
    keys = {
        mode: [m.alert.key for m in lost_link(replace(ON_LANE, mode=mode), off, MISSION, HOME, 255).moments]
        for mode in ("GUIDED", "LOITER", "RTL", "LAND")
    }
    assert keys["GUIDED"] == ["lost.stays"]
    assert keys["LOITER"] == ["lost.sticks"]
    assert keys["RTL"][-1] == keys["LAND"][-1] == "lost.on_ground"
    paused = replace(ON_LANE, mission=MissionProgress(0.0, 4, mission_state=4))
    assert [m.alert.key for m in lost_link(paused, off, MISSION, HOME, 255).moments] == ["lost.stays"]
    assert lost_link(replace(ON_LANE, armed=False), COPTER, MISSION, HOME, 255).moments == ()


def test_it_may_stay_over_home():
    lost = lost_link(ON_LANE, COPTER | {"RTL_ALT_FINAL": 1000.0}, MISSION, HOME, 255)
    assert lost.ends_s is None
    assert lost.moments[-1].alert.says() == "stays over home at 10 m and does not land by itself"


def test_px4_waits_before_it_acts():
    params = {"NAV_DLL_ACT": 2.0, "COM_DL_LOSS_T": 10.0, "COM_FAIL_ACT_T": 5.0, "RTL_RETURN_ALT": 60.0}
    state = flying(40, 150, (5.0, 0.0), mode="AUTO.MISSION", current=3, autopilot=mavlink.MAV_AUTOPILOT_PX4)
    lost = lost_link(state, params, MISSION, HOME, 7)
    assert when(lost, "notices") == 10.0
    assert when(lost, "holds") == 10.0
    assert when(lost, "climbs") == 15.0
    assert "lost.why_off_px4" in [a.key for a in lost_link(state, {}, MISSION, HOME, 7).warnings]


def test_the_sentence_while_nothing_is_heard():
    lost = lost_link(ON_LANE, COPTER | {"RTL_ALT": 6000.0}, MISSION, HOME, 255)
    alert = lost.now(12.0)
    assert alert.says().startswith("no word for 12 s: by its settings it now climbs to 60 m; in ")
    assert "爬升到 60 米" in alert.says("zh")
    assert "on the ground" in lost.now(500.0).says()
    assert "goes on with its mission" in lost_link(ON_LANE, COPTER, MISSION, HOME, 7).now(3.0).says()


def test_the_battery_may_end_it_sooner():
    params = COPTER | {
        "FS_GCS_ENABLE": 0.0,
        "BATT_CAPACITY": 1000.0,
        "BATT_LOW_MAH": 200.0,
        "BATT_FS_LOW_ACT": 2.0,
    }
    state = replace(ON_LANE, battery=Battery(0.0, 15.0, 20.0, 40.0))
    lost = lost_link(state, params, MISSION, HOME, 255)
    (alert,) = [a for a in lost.warnings if a.key.startswith("lost.battery")]
    assert alert.key == "lost.battery_return"
    assert alert.values["minutes"] == pytest.approx(0.6)  # 200 mAh at 20 A


def place(p):
    return p.east_m, p.north_m, p.up_m


def rally(*places):
    found = []
    for east, north, up in places:
        lat, lon = LOCAL.to_geo(east, north)
        found.append(GeoPoint(float(lat), float(lon), up))
    return replace(MISSION, rally=tuple(found))


BESIDE = rally((250.0, 170.0, 20.0))


def test_it_comes_to_the_rally_point_that_it_would_choose():
    far = flying(230, 150, (8.0, 0.0), current=4)
    home = lost_link(far, COPTER, MISSION, HOME, 255)
    near = lost_link(far, COPTER, BESIDE, HOME, 255)
    (told,) = [m.alert for m in near.moments if m.alert.key == "lost.returns_rally"]
    assert told.says().startswith("flies to rally point 1 at 40 m")
    assert near.ends_s < home.ends_s - 15.0
    east, north = LOCAL.to_local(near.moments[-1].lat_deg, near.moments[-1].lon_deg)
    assert math.hypot(east - 250.0, north - 170.0) < 1.0
    high = lost_link(far, COPTER, rally((250.0, 170.0, 70.0)), HOME, 255)
    (climb,) = [m.alert.says() for m in high.moments if m.alert.key == "lost.climbs"]
    assert climb in ("climbs to 70 m", "climbs to 67 m"), "no lower than the rally point, but for the cone"


@pytest.mark.parametrize(
    ("params", "px4", "here", "goal"),
    [
        ({}, False, (230, 150), 1),
        ({"RALLY_LIMIT_KM": 0.02}, False, (230, 150), 0),
        ({"RALLY_LIMIT_KM": 0.0}, False, (900, 150), 1),
        ({}, False, (900, 150), 0),  # 0.3 km is the usual limit
        ({}, False, (20, 20), 0),
        ({"RALLY_INCL_HOME": 0.0}, False, (40, 40), 1),
        ({}, True, (230, 150), 1),
        ({}, True, (900, 150), 1),
        ({}, True, (20, 20), 0),
        ({"RTL_TYPE": 1.0}, True, (20, 20), 1),
        ({"RTL_TYPE": 2.0}, True, (230, 150), 0),
        ({"RTL_TYPE": 3.0}, True, (230, 150), 1),
    ],
)
def test_which_rally_point_an_autopilot_chooses(params, px4, here, goal):
    returns = return_settings(params, px4)
    assert returns.goal(Place(*here, 40.0), rally_places(BESIDE, LOCAL)).rally == goal


def test_a_px4_counts_its_return_height_from_the_rally_point():
    returns = return_settings({"RTL_RETURN_ALT": 30.0, "RTL_CONE_ANG": 0.0}, px4=True)
    here = Place(100.0, 170.0, 10.0)
    goal = returns.goal(here, rally_places(BESIDE, LOCAL))
    assert returns.height_to(goal, here) == 50.0
    too_near_home = rally((4.0, 4.0, 0.0))
    assert returns.goal(Place(5.0, 5.0, 10.0), rally_places(too_near_home, LOCAL)).rally == 0


@settings(deadline=None)
@given(
    st.floats(-2000, 2000),
    st.floats(-2000, 2000),
    st.floats(0, 120),
    st.floats(2, 200),
    st.floats(0, 10),
    st.floats(0, 360),
)
def test_a_way_home_is_unbroken_and_never_goes_lower_before_home(east, north, up, height, wind, direction):
    settings = return_settings({"RTL_ALT": 100 * height})
    way = way_home(Place(east, north, up), settings, Wind(wind, direction))
    if way.blown_away:
        assert wind > 5
        return
    for before, after in zip(way.phases, way.phases[1:], strict=False):
        assert after.begins_s == pytest.approx(before.ends_s)
        assert math.dist(place(after.start), place(before.end)) < 1e-6
    assert way.phases[-1].end == Place(0.0, 0.0, 0.0)
    assert way.battery_s >= way.seconds - 1e-6
    on_the_way = [p for p in way.phases if p.start.distance_m > 1.0]
    assert all(p.end.up_m >= up - 1e-9 for p in on_the_way)
    against = way_home(Place(east, north, up), settings)
    assert against.seconds <= way.seconds + 1e-6
