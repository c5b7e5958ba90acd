"""What each command does and is answered with, as a real ArduCopter 4.7 answered it on 2026-11-25."""

import math

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

ACCEPTED, DENIED, UNSUPPORTED, FAILED = 0, 2, 3, 4
AUTO, GUIDED, LAND, BRAKE, RTL = 3, 4, 9, 17, 6
ABOVE_HOME = mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT


def command_int(bench, number, params=(), east=0.0, north=0.0, z=0.0, frame=ABOVE_HOME):
    """COMMAND_INT at a place beside home; the MAV_RESULT that came back."""
    vehicle = bench.vehicle
    lat, lon = vehicle.place.to_geo(vehicle.home_east_m + east, vehicle.home_north_m + north)
    p = (*params, *(0.0,) * (4 - len(params)))
    before = len(bench.inbox)
    bench.say(
        mavlink.MAVLink_command_int_message(
            1, 1, frame, number, 0, 0, *p, round(lat * 1e7), round(lon * 1e7), z
        )
    )
    return next(m.result for _, m in bench.inbox[before:] if m.get_type() == "COMMAND_ACK")


def reposition(bench, east, north, height=30.0, flags=1.0, frame=ABOVE_HOME):
    params = (-1.0, flags, 0.0, math.nan)
    return command_int(bench, mavlink.MAV_CMD_DO_REPOSITION, params, east, north, height, frame)


def where(bench):
    body, vehicle = bench.vehicle.body, bench.vehicle
    return (
        body.east_m - vehicle.home_east_m,
        body.north_m - vehicle.home_north_m,
        body.up_m - vehicle.home_up_m,
    )


def speed(bench):
    return math.hypot(bench.vehicle.body.v_east_mps, bench.vehicle.body.v_north_mps)


@pytest.fixture
def flying(ready):
    ready.take_off(30.0)
    return ready


def test_a_place_is_flown_to_and_may_be_moved_on_the_way(flying):
    assert reposition(flying, 0, 80) == ACCEPTED
    flying.run(5)
    before = speed(flying)
    assert before > 5
    assert reposition(flying, 0, 120) == ACCEPTED
    flying.run(0.5)
    assert speed(flying) > 0.9 * before  # it did not stop for the new place
    flying.run(40)
    assert where(flying) == pytest.approx((0, 120, 30), abs=1.0)


@pytest.mark.parametrize(
    ("flags", "frame", "answer"), [(1.0, 3, ACCEPTED), (1.0, 6, ACCEPTED), (1.0, 1, DENIED), (0.0, 3, DENIED)]
)
def test_another_mode_is_left_for_a_place_only_on_wish_and_in_a_known_frame(flying, flags, frame, answer):
    flying.mode(BRAKE)
    assert reposition(flying, 0, 80, 30.0, flags, frame) == answer
    assert (flying.vehicle.mode == GUIDED) == (answer == ACCEPTED)


def test_a_place_in_a_float_command_is_not_understood(flying):
    params = (-1, 1, 0, math.nan, 30.05, 103.15, 30)
    assert flying.command(mavlink.MAV_CMD_DO_REPOSITION, *params) == UNSUPPORTED


def test_there_is_no_orbit_and_no_change_of_altitude(flying):
    assert command_int(flying, mavlink.MAV_CMD_DO_ORBIT, (30, 5), 0, 0, 30) == UNSUPPORTED
    assert flying.command(mavlink.MAV_CMD_DO_CHANGE_ALTITUDE, 40, 3) == UNSUPPORTED


def test_targets_ahead_on_a_circle_lead_around_it(flying):
    reposition(flying, 0, 30)
    flying.run(15)
    flying.command(mavlink.MAV_CMD_DO_CHANGE_SPEED, 1, 4, -1)
    radii = []
    for _ in range(250):
        east, north, _ = where(flying)
        ahead = math.atan2(east, north) + 0.4
        target = (30 * math.sin(ahead), 30 * math.cos(ahead))
        vehicle = flying.vehicle
        lat, lon = vehicle.place.to_geo(vehicle.home_east_m + target[0], vehicle.home_north_m + target[1])
        flying.say(
            mavlink.MAVLink_set_position_target_global_int_message(
                0, 1, 1, 6, 0x9F8, round(lat * 1e7), round(lon * 1e7), 30.0, *(0,) * 6, 1.0, 0
            )
        )
        flying.run(0.2)
        radii.append(math.hypot(*where(flying)[:2]))
    assert min(radii) > 26
    assert max(radii) < 31
    assert math.remainder(flying.vehicle.estimate.yaw_rad - 1.0, math.tau) == pytest.approx(0, abs=0.1)


def test_a_pause_holds_and_goes_on_in_guided(flying):
    reposition(flying, 0, 200)
    flying.run(6)
    assert flying.command(mavlink.MAV_CMD_DO_PAUSE_CONTINUE, 0) == ACCEPTED
    flying.run(8)
    held = where(flying)
    flying.run(5)
    assert where(flying) == pytest.approx(held, abs=0.5)
    assert flying.command(mavlink.MAV_CMD_DO_PAUSE_CONTINUE, 1) == ACCEPTED
    flying.run(5)
    assert speed(flying) > 5


def test_a_pause_elsewhere_is_refused_with_words(flying):
    flying.mode(BRAKE)
    assert flying.command(mavlink.MAV_CMD_DO_PAUSE_CONTINUE, 0) == FAILED
    flying.run(0.2)
    assert "Failed to pause" in flying.texts()
    assert flying.command(mavlink.MAV_CMD_DO_PAUSE_CONTINUE, 7) == DENIED


@pytest.mark.parametrize(
    ("mode", "answer"), [(GUIDED, ACCEPTED), (RTL, ACCEPTED), (LAND, FAILED), (BRAKE, FAILED)]
)
def test_a_speed_is_taken_where_the_mode_has_one(flying, mode, answer):
    flying.mode(mode)
    assert flying.command(mavlink.MAV_CMD_DO_CHANGE_SPEED, 1, 4, -1) == answer
    assert flying.command(mavlink.MAV_CMD_DO_CHANGE_SPEED, 1, 0, -1) == DENIED


def test_a_take_off_needs_its_height_above_home(ready):
    ready.mode(GUIDED)
    ready.arm()
    assert command_int(ready, mavlink.MAV_CMD_NAV_TAKEOFF, (), 0, 0, 530, frame=0) == DENIED
    assert command_int(ready, mavlink.MAV_CMD_NAV_TAKEOFF, (0, 0, 0, math.nan), 0, 0, 30) == ACCEPTED


def test_a_place_on_the_ground_is_accepted_and_nothing_flies(ready):
    ready.mode(GUIDED)
    assert reposition(ready, 0, 80) == ACCEPTED
    ready.arm()
    assert reposition(ready, 0, 80) == ACCEPTED
    ready.run(5)
    assert where(ready) == pytest.approx((0, 0, 0), abs=0.5)


def test_photos_are_taken_once_by_time_and_stopped(flying):
    assert flying.command(mavlink.MAV_CMD_IMAGE_START_CAPTURE, 0, 0, 1) == ACCEPTED
    flying.run(1)
    assert len(flying.heard("CAMERA_FEEDBACK")) == 1
    assert flying.command(mavlink.MAV_CMD_IMAGE_START_CAPTURE, 0, 2, 0) == ACCEPTED
    flying.run(5)
    assert flying.command(mavlink.MAV_CMD_IMAGE_STOP_CAPTURE) == ACCEPTED
    count = len(flying.heard("CAMERA_FEEDBACK"))
    assert count == 4
    flying.run(6)
    assert len(flying.heard("CAMERA_FEEDBACK")) == count
    assert flying.command(mavlink.MAV_CMD_DO_SET_CAM_TRIGG_INTERVAL, 1000) == UNSUPPORTED


def test_the_gimbal_turns_and_tells(ready):
    number = mavlink.MAV_CMD_DO_GIMBAL_MANAGER_PITCHYAW
    assert ready.command(number, -45, 0, math.nan, math.nan) == ACCEPTED
    told = mavlink.MAVLINK_MSG_ID_GIMBAL_DEVICE_ATTITUDE_STATUS

    def pitch_deg():
        assert ready.command(mavlink.MAV_CMD_REQUEST_MESSAGE, told) == ACCEPTED
        w, x, y, z = ready.heard("GIMBAL_DEVICE_ATTITUDE_STATUS")[-1].q
        return math.degrees(math.asin(2 * (w * y - z * x)))

    ready.run(0.1)
    assert -89 < pitch_deg() < -75  # it takes its time
    ready.run(2.0)
    assert pitch_deg() == pytest.approx(-45, abs=0.1)
    assert ready.command(number, math.nan, 0, math.nan, math.nan) == FAILED


def test_the_camera_looks_at_a_region_of_interest_until_it_is_told_otherwise(flying):
    """60 m north of the vehicle and 30 m below it."""
    lat, lon = flying.place.to_geo(0.0, 60.0)
    where = (round(lat * 1e7), round(lon * 1e7))
    number = mavlink.MAV_CMD_DO_SET_ROI_LOCATION
    gimbal = flying.vehicle.gimbal
    for end in ((mavlink.MAV_CMD_DO_SET_ROI_NONE,), (mavlink.MAV_CMD_DO_GIMBAL_MANAGER_PITCHYAW, -90, 0)):
        flying.say(mavlink.MAVLink_command_int_message(1, 1, 0, number, 0, 0, 0, 0, 0, 0, *where, 0.0))
        flying.run(12)
        there = -math.degrees(math.atan2(flying.vehicle.relative_alt_m, 60.0))
        assert gimbal.at_pitch_deg == pytest.approx(there, abs=1.0)
        assert flying.command(*end) == ACCEPTED
        flying.run(3)
        assert gimbal.at_pitch_deg == pytest.approx(-90.0, abs=0.2)


def test_an_item_that_is_not_there_cannot_become_the_current_one(ready):
    assert ready.command(mavlink.MAV_CMD_DO_SET_MISSION_CURRENT, 99) == DENIED


def test_a_mission_cannot_be_started_in_its_middle(ready):
    assert ready.command(mavlink.MAV_CMD_MISSION_START, 1, 0) == DENIED
