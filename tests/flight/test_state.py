"""What the station knows of a vehicle after each of its messages."""

import math

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import FlightError
from flight.modes import mode_number
from flight.preflight import unready
from flight.state_update import first_state, update
from flight.wire import Encoder, Parser, vehicle_heartbeat

ARDUPILOT, PX4 = mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, mavlink.MAV_AUTOPILOT_PX4
GOOD_EKF = 831


def heard(message, sysid=1):
    return Parser().feed(Encoder(sysid, 1).encode(message))[0]


def known(*messages, autopilot=ARDUPILOT, mode=0, base=81):
    state = first_state(heard(vehicle_heartbeat(2, autopilot, base, mode, 3)), 10.0)
    for number, message in enumerate(messages):
        state = update(state, heard(message), 11.0 + number)
    return state


def sys_status(prearm_ok=True, present=True, percent=80):
    bit = mavlink.MAV_SYS_STATUS_PREARM_CHECK
    seen = bit if present else 0
    return mavlink.MAVLink_sys_status_message(
        seen, seen, seen if prearm_ok else 0, 100, 15800, 1250, percent, 0, 0, 0, 0, 0, 0
    )


def position(lat=300500000, lon=1031500000):
    return mavlink.MAVLink_global_position_int_message(1000, lat, lon, 540000, 40000, 300, 400, -50, 9000)


def ekf(flags=GOOD_EKF):
    return mavlink.MAVLink_ekf_status_report_message(flags, 0.1, 0.1, 0.1, 0.1, 0.0)


def test_a_heartbeat_tells_mode_and_arming_of_either_autopilot():
    copter = known(mode=3, base=81 | 128)
    assert (copter.mode, copter.armed, copter.is_ardupilot) == ("AUTO", True, True)
    px4 = known(autopilot=PX4, mode=4 << 16 | 4 << 24)
    assert (px4.mode, px4.armed, px4.is_px4) == ("AUTO.MISSION", False, True)


def test_modes_are_found_by_name_and_unknown_ones_listed():
    assert mode_number(ARDUPILOT, 2, "rtl") == 6
    assert mode_number(PX4, 2, "AUTO.RTL") == 4 << 16 | 5 << 24
    with pytest.raises(FlightError, match=r"'HOVER' is not one .* LOITER"):
        mode_number(ARDUPILOT, 2, "HOVER")


def test_positions_carry_their_moment_and_their_units():
    place = known(position()).position
    assert (place.at_s, place.alt_amsl_m, place.alt_rel_m) == (11.0, 540.0, 40.0)
    assert place.ground_speed_mps == pytest.approx(5.0)
    assert place.heading_deg == 90.0


def test_what_a_vehicle_does_not_know_is_not_a_number():
    message = mavlink.MAVLink_sys_status_message(0, 0, 0, 0, 65535, -1, -1, 0, 0, 0, 0, 0, 0)
    battery = known(message).battery
    assert all(math.isnan(v) for v in (battery.voltage_v, battery.current_a, battery.remaining_percent))


def test_a_long_text_comes_in_pieces_and_is_read_as_one():
    pieces = ["Mode change to AUTO failed: the mission has no ta", "ke-off at its beginning"]
    state = known(
        *(
            mavlink.MAVLink_statustext_message(4, text.encode(), 17, number)
            for number, text in enumerate(pieces)
        ),
        mavlink.MAVLink_statustext_message(6, b"Arming motors", 0, 0),
    )
    assert [t.text for t in state.texts] == ["".join(pieces), "Arming motors"]


def test_the_mission_is_followed_by_item_and_by_word():
    state = known(
        mavlink.MAVLink_mission_current_message(3, 9, 3, 1),
        mavlink.MAVLink_mission_item_reached_message(4),
        base=81 | 128,
    )
    assert (state.mission.current, state.mission.done, state.mission.mission_state) == (3, 4, 3)


def test_readiness_needs_position_estimator_and_prearm_checks():
    assert unready(known(position(), ekf(), sys_status())) == ()
    assert "no position yet" in unready(known(position(0, 0), ekf(), sys_status()))
    assert unready(known(position(), ekf(flags=167), sys_status())) == ("its estimator has no position yet",)
    assert unready(known(position(), ekf(), sys_status(prearm_ok=False))) == (
        "its pre-arm checks do not pass",
    )
    assert len(unready(known())) == 3


def test_a_vehicle_that_has_no_prearm_bit_is_not_held_back_by_it():
    assert unready(known(position(), ekf(), sys_status(present=False))) == ()


def test_a_px4_tells_of_its_prearm_checks_in_the_health_bits_alone_and_stands_still_with_a_position():
    def px4(estimator_flags, health_bits):
        state = first_state(heard(vehicle_heartbeat(2, PX4, 0x1D, 4 << 16 | 3 << 24, 3)), 0.0)
        estimator = mavlink.MAVLink_estimator_status_message(0, estimator_flags, *[0.1] * 8)
        status = mavlink.MAVLink_sys_status_message(
            0x300402D, 0x301402D, health_bits, 100, 16200, -1, 100, 0, 0, 0, 0, 0, 0
        )
        for message in (position(), estimator, status):
            state = update(state, heard(message), 1.0)
        return state

    ready = px4(0x3FF, 0x3320C83F)
    assert unready(ready) == ()
    assert ready.health.faulty == ()
    assert unready(px4(0x0A7, 0x3320C83F)) == ("its estimator has no position yet",)
    assert unready(px4(0x3FF, 0x2320C83F)) == ("its pre-arm checks do not pass",)


def test_long_texts_come_in_pieces_also_when_others_speak_between():
    state = first_state(heard(vehicle_heartbeat(2, ARDUPILOT, 81, 0, 3)), 0.0)

    def piece(text, number=0, chunk=0):
        message = mavlink.MAVLink_statustext_message(4, text.encode(), number, chunk)
        return heard(message)

    for text in (
        piece("Preflight Fail: ", 7),
        piece("Other"),
        piece("no GPS", 7, 1),
        piece("lost start", 9, 1),
    ):
        state = update(state, text, 10.0)
    assert [t.text for t in state.texts] == ["Preflight Fail: no GPS", "Other", "…lost start"]


def test_each_part_says_how_old_it_is_and_sensors_that_fail_are_named():
    state = first_state(heard(vehicle_heartbeat(2, ARDUPILOT, 81, 0, 3)), 0.0)
    bits = (
        mavlink.MAV_SYS_STATUS_PREARM_CHECK
        | mavlink.MAV_SYS_STATUS_SENSOR_3D_MAG
        | mavlink.MAV_SYS_STATUS_SENSOR_GPS
    )
    status = mavlink.MAVLink_sys_status_message(
        bits, bits, mavlink.MAV_SYS_STATUS_SENSOR_GPS, 0, 22200, 1200, 71, 0, 0, 0, 0, 0, 0
    )
    state = update(state, heard(status), 2.0)
    assert state.health.prearm_ok is False
    assert state.health.faulty == ("compass",)
    packs = mavlink.MAVLink_battery_status_message(0, 0, 0, 32767, [65535] * 10, 1200, 850, -1, 71, 600)
    state = update(state, heard(packs), 3.0)
    assert (state.battery.voltage_v, state.battery.used_mah, state.battery.left_s) == (22.2, 850.0, 600.0)
    state = update(state, heard(mavlink.MAVLink_rc_channels_message(1, 0, *[1500] * 18, 255)), 4.0)
    assert state.rc.heard is False
    down = mavlink.MAVLink_distance_sensor_message(1, 10, 9000, 4321, 0, 0, 25, 0)
    assert update(state, heard(down), 5.0).rangefinder.distance_m == 43.21
    ahead = mavlink.MAVLink_distance_sensor_message(1, 10, 9000, 4321, 0, 0, 0, 0)
    assert update(state, heard(ahead), 5.0).rangefinder is None
    assert state.ages_s(10.0) == {"battery": 8.0, "health": 8.0, "rc": 6.0, "failsafe": 10.0}


def test_a_failsafe_shows_in_the_heartbeat_and_a_breached_fence_beside_it():
    state = first_state(heard(vehicle_heartbeat(2, ARDUPILOT, 81, 0, 3)), 0.0)
    assert state.failsafe.critical is False
    beat = mavlink.MAVLink_heartbeat_message(2, 3, 0x51, 6, mavlink.MAV_STATE_CRITICAL, 3)
    state = update(state, heard(beat), 1.0)
    state = update(state, heard(mavlink.MAVLink_fence_status_message(1, 1, 2, 0)), 2.0)
    assert (state.failsafe.critical, state.failsafe.fence_breached) == (True, True)
