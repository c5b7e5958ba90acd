"""Flying a mission and coming home: what a station sees, and what the camera did."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from sim.autopilot.failsafe import Action
from sim.dynamics import Weather

from .conftest import Bench

AUTO, GUIDED, RTL, LAND, SMART_RTL = 3, 4, 6, 9, 21
LANE_M, TRIGGER_M = 200.0, 20.0


AUTO_RTL = 27
RETURN_PATH, LANDING = mavlink.MAV_CMD_DO_RETURN_PATH_START, mavlink.MAV_CMD_DO_LAND_START


def on_its_way(*items):
    """Half a minute into a mission to the north whose last items are these."""
    bench = Bench(seed=3)
    bench.run(42.5)
    head = [bench.at(0, 0, 0, 0), bench.at(1, 0, 0, 20, command=22), bench.at(2, 0, 400, 20)]
    start(bench, head + [bench.at(3 + n, *item[:3], command=item[3]) for n, item in enumerate(items)])
    bench.run(25)
    return bench


def shown(bench):
    bench.run(1.1)
    return bench.heard("HEARTBEAT")[-1].custom_mode


def test_a_landing_sequence_is_begun_when_asked_for():
    bench = on_its_way((0, 0, 0, 189), (20, 0, 20, 16), (30, 0, 0, 21))
    assert shown(bench) == AUTO
    assert bench.command(RETURN_PATH) == 4
    assert bench.command(LANDING) == 0
    assert shown(bench) == AUTO_RTL
    assert bench.run(200, lambda: not bench.vehicle.armed)
    assert math.hypot(bench.vehicle.body.east_m - 30, bench.vehicle.body.north_m) < 1.5
    assert "Landing sequence start" in bench.texts()


def test_the_return_path_is_joined_where_it_is_nearest():
    """On the leg that passes it, not at the path's beginning; from any mode, MIS_RESTART or not."""
    bench = on_its_way((0, 0, 0, 188), (300, 100, 20, 16), (-200, 100, 20, 16), (-200, 0, 0, 21))
    bench.set_param("MIS_RESTART", 1)
    bench.mode(GUIDED)
    assert bench.mode(AUTO_RTL) == 0
    assert shown(bench) == AUTO_RTL
    assert bench.vehicle.walk.nav_index == 5
    assert "Mission: 4 WP" not in bench.texts()
    assert bench.vehicle.heads_home
    assert bench.mode(AUTO) == 0  # it goes on there, but shows itself as it is
    assert shown(bench) == AUTO
    assert bench.run(200, lambda: not bench.vehicle.armed)
    assert math.hypot(bench.vehicle.body.east_m + 200, bench.vehicle.body.north_m) < 1.5


def test_without_either_there_is_no_auto_rtl_and_a_failsafe_flies_home_by_itself():
    bench = on_its_way((0, 300, 20, 16))
    assert bench.mode(AUTO_RTL) == 4
    assert shown(bench) == AUTO
    assert "Mode change to AUTO RTL failed: No return path or landing sequence found" in "".join(
        bench.texts()
    )
    bench.vehicle.failsafe._do(Action.AUTO_OR_RTL)
    assert shown(bench) == RTL
    assert "Trying RTL Mode" in bench.texts()


def test_a_jump_is_made_as_often_as_it_says_and_a_tag_is_found():
    bench = Bench(seed=3)
    bench.run(42.5)
    items = [bench.at(0, 0, 0, 0), bench.at(1, 0, 0, 10, command=22), bench.order(2, 600, 7)]
    items += [bench.at(3, 20, 0, 10), bench.at(4, 0, 0, 10), bench.order(5, 601, 7, 2), bench.order(6, 21)]
    start(bench, items)
    assert bench.run(300, lambda: not bench.vehicle.armed)
    texts = bench.texts()
    assert texts.count("Mission: 3 WP") == 3
    assert [text for text in texts if "Jump" in text] == ["Mission: 5 Jump 1/2", "Mission: 5 Jump 2/2"]


def test_a_spline_bends_where_straight_legs_have_corners():
    """ArduCopter leaves a spline point parallel to the line between its neighbours."""
    bench = Bench(seed=3)
    bench.run(42.5)
    items = [bench.at(0, 0, 0, 0), bench.at(1, 0, 0, 20, command=22)]
    places = [(0, 60), (60, 60), (60, 120), (120, 120)]
    items += [bench.at(2 + i, *place, 20, command=82) for i, place in enumerate(places)]
    items.append(bench.order(6, 20))
    start(bench, items)
    track = []
    e = bench.vehicle.body
    bench.run(90, lambda: track.append((e.east_m, e.north_m)) or "Mission: 6 RTL" in bench.texts())
    for place in places:
        assert min(math.dist(place, p) for p in track) < 1.0
    corner = min(track, key=lambda p: math.dist(p, (60, 60)))
    behind = track[track.index(corner) + 25]
    bearing = math.degrees(math.atan2(behind[0] - corner[0], behind[1] - corner[1]))
    assert bearing == pytest.approx(45, abs=8)


def test_a_circle_goes_round_as_far_and_the_way_it_says():
    bench = Bench(seed=3)
    bench.run(42.5)
    items = [bench.at(0, 0, 0, 0), bench.at(1, 0, 0, 20, command=22)]
    items += [bench.at(2, 0, 50, 20, command=18, params=(1, 0, -15, 0)), bench.order(3, 20)]
    start(bench, items)
    assert bench.run(90, lambda: "Mission: starting circle 1/1" in bench.texts())
    e, bearings, away = bench.vehicle.body, [], []

    def look():
        bearings.append(math.atan2(e.east_m, e.north_m - 50))
        away.append(math.hypot(e.east_m, e.north_m - 50))
        return "Mission: 3 RTL" in bench.texts()

    assert bench.run(60, look)
    turned = np.unwrap(bearings)[-1] - bearings[0]
    assert math.degrees(turned) == pytest.approx(-340, abs=20)  # the vehicle is behind
    assert max(away) < 16
    assert min(away) > 12


def survey(bench):
    """Take-off, speed, two lanes 40 m apart with the trigger on, home."""
    return [
        bench.at(0, 0, 0, 0),
        bench.at(1, 0, 0, 30, command=22),
        bench.order(2, 178, 1, 8, -1),
        bench.at(3, 0, 20, 30),
        bench.order(4, 206, TRIGGER_M, 0, 1),
        bench.at(5, LANE_M, 20, 30),
        bench.order(6, 206, 0),
        bench.at(7, LANE_M, 60, 30),
        bench.order(8, 206, TRIGGER_M, 0, 1),
        bench.at(9, 0, 60, 30),
        bench.order(10, 206, 0),
        bench.order(11, 20),
    ]


def start(bench, items):
    assert bench.upload(items) == 0
    bench.mode(GUIDED)
    assert bench.arm() == 0
    assert bench.mode(AUTO) == 0
    assert bench.command(mavlink.MAV_CMD_MISSION_START) == 0


@pytest.fixture(scope="module")
def flown():
    """A whole survey flight, with the streams on."""
    bench = Bench(seed=5)
    bench.run(42.5)
    for message in ("MISSION_CURRENT", "GLOBAL_POSITION_INT", "SYS_STATUS"):
        bench.stream(getattr(mavlink, f"MAVLINK_MSG_ID_{message}"), 5)
    start(bench, survey(bench))
    assert bench.run(400, lambda: not bench.vehicle.armed)
    bench.run(2)
    return bench


def test_it_flies_the_mission_comes_home_and_disarms(flown):
    body = flown.vehicle.body
    assert body.on_ground
    assert math.hypot(body.east_m, body.north_m) < 1.0
    assert body.impact_mps < 1.0
    assert flown.vehicle.mode.name == "AUTO"  # the mode stays after the landing
    assert flown.heard("HEARTBEAT")[-1].custom_mode == AUTO


def test_the_end_of_the_take_off_is_reported_as_the_order_behind_it(flown):
    reached = [m.seq for m in flown.heard("MISSION_ITEM_REACHED")]
    assert reached == [2, 3, 5, 7, 9, 11]  # but orders to the camera are not told


def test_the_current_item_is_never_an_order_and_nought_after_the_flight(flown):
    current = [m.seq for m in flown.heard("MISSION_CURRENT")]
    assert set(current) == {0, 1, 3, 5, 7, 9, 11}
    assert current[-1] == 0
    assert [m.mission_state for m in flown.heard("MISSION_CURRENT")].count(4) == 0


def test_every_photo_is_announced_from_one_on_without_a_gap(flown):
    photos = flown.heard("CAMERA_FEEDBACK")
    assert [m.img_idx for m in photos] == list(range(1, len(photos) + 1))
    assert len(photos) == pytest.approx(2 * (LANE_M / TRIGGER_M + 1), abs=2)


def test_photos_are_as_far_apart_as_the_trigger_says(flown):
    places = [flown.place.to_local(m.lat / 1e7, m.lng / 1e7) for m in flown.heard("CAMERA_FEEDBACK")]
    gaps = [math.dist(a, b) for a, b in itertools.pairwise(places)]
    lanes = [gap for gap in gaps if gap < 1.5 * TRIGGER_M]
    assert np.mean(lanes) == pytest.approx(TRIGGER_M, abs=0.4)
    assert max(abs(gap - TRIGGER_M) for gap in lanes) < 1.0


def test_lanes_are_flown_on_their_lines_at_their_height_and_speed(flown):
    track = np.array(
        [
            (
                *flown.place.to_local(m.lat / 1e7, m.lon / 1e7),
                m.relative_alt / 1e3,
                math.hypot(m.vx, m.vy) / 100,
            )
            for m in flown.heard("GLOBAL_POSITION_INT")
        ]
    )
    middle = track[(track[:, 0] > 40) & (track[:, 0] < 160) & (track[:, 2] > 25) & (track[:, 1] < 30)]
    assert np.abs(middle[:, 1] - 20).max() < 1.0
    assert np.abs(middle[:, 2] - 30).max() < 1.0
    assert middle[:, 3] == pytest.approx(8.0, abs=0.5)


def test_the_photo_says_what_the_station_was_told(flown):
    shots, told = flown.face.shots, flown.heard("CAMERA_FEEDBACK")
    assert len(shots) == len(told)
    for shot, message in zip(shots, told, strict=True):
        assert message.lat / 1e7 == pytest.approx(shot.believed_lat_deg, abs=1e-7)
        assert message.alt_msl == pytest.approx(shot.believed_alt_amsl_m, abs=1e-3)
        away = math.dist(
            flown.place.to_local(shot.believed_lat_deg, shot.believed_lon_deg),
            (shot.true_east_m, shot.true_north_m),
        )
        assert away < 0.2  # RTK
        assert shot.believed_angles.pitch_deg == -90
        assert shot.true_angles.pitch_deg == pytest.approx(-90, abs=3)


def test_the_airframe_leans_while_photos_are_taken(flown):
    """Why a mapping camera wants a gimbal, and why attitudes of feedback are the airframe's."""
    photos = flown.heard("CAMERA_FEEDBACK")
    pitch = np.array([m.pitch for m in photos])
    assert np.abs(pitch).max() > 10  # braking and turning at the lanes' ends
    assert np.median(pitch) == pytest.approx(-6, abs=3)  # held against the drag of 8 m/s
    away = [(m.yaw - lane + 180) % 360 - 180 for m, lane in ((photos[0], 90), (photos[len(photos) // 4], 90))]
    assert abs(away[0]) > 30  # the first photo of a lane is taken while turning
    assert abs(away[1]) < 5


def test_the_battery_goes_down_as_a_battery_does(flown):
    percent = [m.battery_remaining for m in flown.heard("SYS_STATUS")]
    assert percent[0] == 100
    assert percent == sorted(percent, reverse=True)
    assert 80 < percent[-1] < 97
    volts = [m.voltage_battery / 1000 for m in flown.heard("SYS_STATUS")]
    assert volts[0] == pytest.approx(25.2, abs=0.1)
    assert 22 < min(volts) < volts[-1] < volts[0]


def test_paused_it_stands_in_auto_and_goes_on_when_told(ready):
    start(ready, survey(ready))
    ready.stream(mavlink.MAVLINK_MSG_ID_MISSION_CURRENT, 10)
    ready.run(200, lambda: ready.vehicle.walk.nav_index == 5 and ready.vehicle.body.east_m > 80)
    assert ready.command(mavlink.MAV_CMD_DO_PAUSE_CONTINUE, 0) == 0
    ready.run(8)
    place = ready.vehicle.body.east_m
    ready.run(5)
    assert ready.vehicle.body.east_m == pytest.approx(place, abs=0.3)
    assert ready.heard("MISSION_CURRENT")[-1].mission_state == 4
    assert ready.heard("HEARTBEAT")[-1].custom_mode == AUTO
    assert ready.command(mavlink.MAV_CMD_DO_PAUSE_CONTINUE, 1) == 0
    ready.run(5)
    assert ready.vehicle.body.east_m > place + 10
    assert ready.heard("MISSION_CURRENT")[-1].mission_state == 3


def test_an_interrupted_mission_goes_on_where_it_was(ready):
    start(ready, survey(ready))
    ready.run(200, lambda: ready.vehicle.walk.nav_index == 7)
    ready.mode(GUIDED)
    ready.run(3)
    assert ready.mode(AUTO) == 0
    ready.run(1)
    assert ready.vehicle.walk.nav_index == 7


def test_without_a_camera_type_no_photo_is_announced():
    bench = Bench(params=(("CAM1_TYPE", 0),))
    bench.run(42.5)
    start(bench, survey(bench))
    bench.run(60)
    assert not bench.heard("CAMERA_FEEDBACK")


def test_a_capture_order_works_in_a_mission(ready):
    items = [*survey(ready)[:4], ready.order(4, 2000, 0, 2, 0), *survey(ready)[5:]]
    start(ready, items)
    ready.run(45)
    times = [m.time_usec / 1e6 for m in ready.heard("CAMERA_FEEDBACK")]
    assert len(times) > 3
    assert np.diff(times) == pytest.approx(2.0, abs=0.05)


def test_a_jump_is_flown_as_often_as_it_says(ready):
    items = [
        ready.at(0, 0, 0, 0),
        ready.at(1, 0, 0, 15, command=22),
        ready.at(2, 30, 0, 15),
        ready.at(3, 30, 30, 15),
        ready.order(4, 177, 2, 2),
        ready.order(5, 20),
    ]
    start(ready, items)
    ready.run(300, lambda: not ready.vehicle.armed)
    begun = [text for text in ready.texts() if text == "Mission: 2 WP"]
    assert len(begun) == 3


def test_terrain_heights_follow_the_ground():
    bench = Bench()

    class Slope:
        def height_m(self, east_m, north_m):
            return 500.0 + 0.1 * max(east_m, 0.0)

    bench.place.ground = Slope()
    bench.run(42.5)
    items = [
        bench.at(0, 0, 0, 0),
        bench.at(1, 0, 0, 30, command=22),
        bench.at(2, 20, 0, 30, frame=11),
        bench.at(3, 300, 0, 30, frame=11),
        bench.order(4, 20),
    ]
    start(bench, items)
    heights = []

    def over():
        body = bench.vehicle.body
        if bench.vehicle.walk.nav_index == 3 and body.east_m > 40:
            heights.append(body.up_m - bench.place.ground.height_m(body.east_m, body.north_m))
        return body.east_m > 290

    assert bench.run(200, over)
    assert min(heights) > 27
    assert max(heights) < 33


# -- failsafes -----------------------------------------------------------------------------------------


def test_the_station_failsafe_is_off_by_default_and_goes_home_when_on():
    for enabled, mode in ((0, "AUTO"), (1, "RTL")):
        bench = Bench(params=(("FS_GCS_ENABLE", enabled),))
        bench.run(42.5)
        start(bench, survey(bench))
        bench.say(mavlink.MAVLink_heartbeat_message(6, 8, 0, 0, 0, 3))
        bench.run(20)
        assert bench.vehicle.mode.name == mode
        assert ("GCS Failsafe" in bench.texts()) is bool(enabled)


def test_the_radio_failsafe_goes_home(ready):
    ready.take_off(20)
    ready.vehicle.sticks.failed = True
    ready.run(1)
    assert ready.vehicle.mode.name == "RTL"
    assert "Radio Failsafe" in ready.texts()


def test_the_battery_failsafe_goes_home_and_says_how_much_is_left():
    bench = Bench(params=(("BATT_LOW_MAH", 9_800), ("BATT_LOW_TIMER", 2), ("BATT_FS_LOW_ACT", 2)))
    bench.run(42.5)
    bench.take_off(20)
    bench.run(60, lambda: bench.vehicle.mode.name == "RTL")
    bench.run(0.1)
    assert any(text.startswith("Battery 1 is low 2") for text in bench.texts())
    assert bench.run(120, lambda: not bench.vehicle.armed)
    assert math.hypot(bench.vehicle.body.east_m, bench.vehicle.body.north_m) < 1


def test_without_a_position_it_lands_where_it_is(ready):
    ready.take_off(15)
    ready.vehicle.estimator.available = False
    assert ready.run(30, lambda: ready.vehicle.mode.name == "LAND")
    assert ready.run(120, lambda: not ready.vehicle.armed)
    assert any("EKF Failsafe" in text for text in ready.texts())


def test_smart_return_flies_the_way_it_came(ready):
    ready.take_off(10)
    for east, north in ((40, 0), (40, 40)):
        lat, lon = ready.place.to_geo(east, north)
        ready.say(
            mavlink.MAVLink_set_position_target_global_int_message(
                0, 1, 1, 6, 0xDF8, round(lat * 1e7), round(lon * 1e7), 10, *(0,) * 8
            )
        )
        ready.run(20)
    assert math.dist((ready.vehicle.body.east_m, ready.vehicle.body.north_m), (40, 40)) < 1
    assert ready.mode(SMART_RTL) == 0
    passed = []
    assert ready.run(200, lambda: passed.append(ready.vehicle.body.east_m) or not ready.vehicle.armed)
    middle = [e for e in passed if e < 39]
    assert max(passed) < 42
    assert middle
    assert math.hypot(ready.vehicle.body.east_m, ready.vehicle.body.north_m) < 2


def test_return_climbs_first_and_lands_at_home(ready):
    ready.take_off(5)
    lat, lon = ready.place.to_geo(80.0, 0.0)
    ready.say(
        mavlink.MAVLink_set_position_target_global_int_message(
            0, 1, 1, 6, 0xDF8, round(lat * 1e7), round(lon * 1e7), 5, *(0,) * 8
        )
    )
    ready.run(25)
    assert ready.mode(RTL) == 0
    highest = []
    assert ready.run(200, lambda: highest.append(ready.vehicle.relative_alt_m) or not ready.vehicle.armed)
    assert max(highest) == pytest.approx(15, abs=0.5)  # RTL_ALT
    assert math.hypot(ready.vehicle.body.east_m, ready.vehicle.body.north_m) < 1


@pytest.mark.parametrize("from_deg", [0.0, 90.0])
def test_wind_does_not_blow_it_off_its_lanes(from_deg):
    bench = Bench(weather=Weather(8.0, from_deg, 1.0))
    bench.run(42.5)
    start(bench, survey(bench))
    away = []

    def over():
        body = bench.vehicle.body
        if bench.vehicle.walk.nav_index == 5 and 40 < body.east_m < 160:
            away.append(abs(body.north_m - 20))
        return bench.vehicle.walk.nav_index == 7

    assert bench.run(200, over)
    assert max(away) < 2.0
    assert bench.vehicle.battery.used_mah > 0
