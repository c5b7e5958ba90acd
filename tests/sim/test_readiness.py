"""What the vehicle says by itself, when it is ready, when it lets itself be armed: as a real ArduCopter."""

from __future__ import annotations

import numpy as np
import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from .conftest import Bench

PREARM = mavlink.MAV_SYS_STATUS_PREARM_CHECK
STABILIZE, AUTO, GUIDED, RTL = 0, 3, 4, 6


def test_unasked_come_only_heartbeats_texts_time_and_home(bench):
    bench.run(60)
    kinds = {m.get_type() for _, m in bench.inbox}
    assert kinds == {"HEARTBEAT", "STATUSTEXT", "TIMESYNC", "HOME_POSITION", "GPS_GLOBAL_ORIGIN"}
    beats = [t for t, m in bench.inbox if m.get_type() == "HEARTBEAT"]
    assert np.diff(beats) == pytest.approx(1.0, abs=0.03)


def test_a_stream_comes_at_the_rate_asked_for_and_ends_when_told(bench):
    bench.run(1)
    assert bench.stream(mavlink.MAVLINK_MSG_ID_ATTITUDE, 10) == 0
    bench.run(10)
    assert len(bench.heard("ATTITUDE")) == pytest.approx(100, abs=2)
    assert bench.command(mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, mavlink.MAVLINK_MSG_ID_ATTITUDE, -1) == 0
    told = len(bench.heard("ATTITUDE"))
    bench.run(5)
    assert len(bench.heard("ATTITUDE")) == told


def test_the_old_way_of_asking_for_streams_works_too(bench):
    bench.say(mavlink.MAVLink_request_data_stream_message(1, 1, mavlink.MAV_DATA_STREAM_POSITION, 4, 1))
    bench.run(5)
    assert len(bench.heard("GLOBAL_POSITION_INT")) == pytest.approx(20, abs=1)
    assert not bench.heard("ATTITUDE")
    bench.say(mavlink.MAVLink_request_data_stream_message(1, 1, mavlink.MAV_DATA_STREAM_ALL, 2, 1))
    bench.run(5)
    assert len(bench.heard("ATTITUDE")) == pytest.approx(10, abs=1)


def test_a_message_that_it_does_not_have_is_refused(bench):
    assert bench.stream(42_000, 5) == 4
    assert bench.command(mavlink.MAV_CMD_REQUEST_MESSAGE, 42_000) == 4
    assert bench.command(31_999) == 3


def test_after_another_client_has_come_the_streams_must_be_asked_for_again(bench):
    bench.stream(mavlink.MAVLINK_MSG_ID_ATTITUDE, 10)
    bench.run(2)
    bench.channel.reset_streams()
    told = len(bench.heard("ATTITUDE"))
    bench.run(2)
    assert len(bench.heard("ATTITUDE")) == told


def test_a_fix_is_not_readiness(bench):
    bench.stream(mavlink.MAVLINK_MSG_ID_GPS_RAW_INT, 5)
    bench.stream(mavlink.MAVLINK_MSG_ID_SYS_STATUS, 5)
    bench.run(45)
    fix = next(t for t, m in bench.inbox if m.get_type() == "GPS_RAW_INT" and m.fix_type == 6)
    ok = next(
        t
        for t, m in bench.inbox
        if m.get_type() == "SYS_STATUS" and m.onboard_control_sensors_health & PREARM
    )
    origin = next(t for t, m in bench.inbox if m.get_type() == "GPS_GLOBAL_ORIGIN")
    assert fix == pytest.approx(10, abs=0.5)
    assert origin == pytest.approx(20, abs=0.5)
    assert ok == pytest.approx(41.5, abs=1)
    assert "EKF3 IMU0 is using GPS" in bench.texts(since=40)
    assert "EKF3 IMU0 is using GPS" not in bench.texts()[: -len(bench.texts(since=40))]


def test_before_the_origin_there_is_no_position(bench):
    bench.stream(mavlink.MAVLINK_MSG_ID_GLOBAL_POSITION_INT, 5)
    bench.run(25)
    early = [m for t, m in bench.inbox if m.get_type() == "GLOBAL_POSITION_INT" and t < 19.5]
    late = [m for t, m in bench.inbox if m.get_type() == "GLOBAL_POSITION_INT" and t > 20.5]
    assert {(m.lat, m.lon) for m in early} == {(0, 0)}
    assert all(abs(m.lat - 300_000_000) < 100 for m in late)


def test_in_guided_arming_is_refused_first_and_the_reasons_come_after_the_ack(bench):
    bench.run(15)
    bench.mode(GUIDED)
    begun = len(bench.inbox)
    assert bench.arm() == 4
    bench.run(1)
    after = [m for _, m in bench.inbox[begun:]]
    ack = next(i for i, m in enumerate(after) if m.get_type() == "COMMAND_ACK")
    reasons = [i for i, m in enumerate(after) if m.get_type() == "STATUSTEXT" and m.text.startswith("Arm: ")]
    assert reasons
    assert min(reasons) > ack
    assert any("Need Position Estimate" in after[i].text for i in reasons)
    assert not bench.vehicle.armed


def test_in_stabilize_it_arms_before_the_filter_is_ready(bench):
    bench.run(5)
    assert bench.arm() == 0
    bench.run(0.1)
    assert bench.heard("HEARTBEAT")[-1].base_mode & mavlink.MAV_MODE_FLAG_SAFETY_ARMED


def test_auto_may_be_entered_while_disarmed_but_not_armed_in(ready):
    assert ready.mode(AUTO) == 0  # even without a mission
    assert ready.arm() == 4
    ready.run(0.1)
    assert "Arm: AUTO mode not armable" in ready.texts()
    ready.set_param("AUTO_OPTIONS", 1)
    assert ready.arm() == 0


def test_without_a_take_off_it_disarms_after_ten_seconds_and_then_cannot_take_off(ready):
    ready.mode(GUIDED)
    assert ready.arm() == 0
    ready.run(9.5)
    assert ready.vehicle.armed
    ready.run(1)
    assert not ready.vehicle.armed
    assert "Disarming motors" in ready.texts()
    assert ready.command(mavlink.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, 0, 0, 0, 20) == 4


def test_guided_arm_take_off_works(ready):
    ready.take_off(20)
    assert ready.vehicle.body.up_m - 500 == pytest.approx(20, abs=1)
    assert ready.heard("HEARTBEAT")[-1].system_status == mavlink.MAV_STATE_ACTIVE


def test_in_flight_it_is_not_disarmed_unless_forced(ready):
    ready.take_off(10)
    assert ready.arm(on=False) == 4
    assert ready.vehicle.armed
    assert ready.arm(on=False, force=21196) == 0
    assert not ready.vehicle.armed


def test_mission_start_while_disarmed_is_accepted_and_nothing_flies(ready):
    assert (
        ready.upload([ready.at(0, 0, 0, 0), ready.at(1, 0, 0, 20, command=22), ready.at(2, 50, 0, 20)]) == 0
    )
    assert ready.command(mavlink.MAV_CMD_MISSION_START) == 0
    ready.run(15)
    assert ready.vehicle.body.on_ground
    assert not ready.vehicle.armed


def test_a_parameter_that_it_does_not_have_is_not_answered(ready):
    ready.set_param("SR0_POSITION", 4)
    ready.run(1)
    assert not ready.heard("PARAM_VALUE")
    ready.set_param("RTL_ALT", 3000)
    assert [(m.param_id, m.param_value) for m in ready.heard("PARAM_VALUE")] == [("RTL_ALT", 3000.0)]


def test_all_parameters_come_at_once_and_each_says_its_place(bench):
    bench.say(mavlink.MAVLink_param_request_list_message(1, 1))
    bench.run(1)
    values = bench.heard("PARAM_VALUE")
    assert [m.param_index for m in values] == list(range(values[0].param_count))
    assert len({m.param_id for m in values}) == len(values)
    named = {m.param_id: m.param_value for m in values}
    assert named["MAV_GCS_SYSID"] == 255
    assert named["FS_GCS_ENABLE"] == 0  # off by default
    assert named["DISARM_DELAY"] == 10


def test_orders_for_another_vehicle_are_not_obeyed(ready):
    ready.say(
        mavlink.MAVLink_command_long_message(2, 1, mavlink.MAV_CMD_COMPONENT_ARM_DISARM, 0, 1, *(0,) * 6)
    )
    assert not ready.heard("COMMAND_ACK")
    assert not ready.vehicle.armed


def test_a_long_text_comes_in_pieces(bench):
    text = "This line is longer than the fifty characters that one STATUSTEXT can hold."
    bench.vehicle.say(4, text)
    bench.run(0.1)
    pieces = [m for m in bench.heard("STATUSTEXT") if m.id]
    assert len(pieces) == 2
    assert "".join(m.text for m in pieces) == text
    assert [m.chunk_seq for m in pieces] == [0, 1]


def test_the_mode_is_in_the_next_heartbeat(ready):
    ready.say(mavlink.MAVLink_set_mode_message(1, mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED, GUIDED))
    ready.run(0.04)
    assert ready.heard("HEARTBEAT")[-1].custom_mode == GUIDED
    assert not ready.heard("COMMAND_ACK")


def test_a_mode_that_needs_a_position_is_refused_in_the_air_without_one(ready):
    ready.take_off(20)
    ready.vehicle.estimator.available = False
    ready.set_param("FS_EKF_ACTION", 0)
    ready.run(10)
    assert ready.mode(RTL) == 4
    ready.run(0.1)
    assert any("requires position" in text for text in ready.texts())


def test_two_vehicles_of_one_seed_are_alike_and_of_another_seed_are_not():
    def trace(seed):
        bench = Bench(seed=seed)
        bench.run(42.5)
        bench.take_off(15)
        e = bench.vehicle.estimate
        return e.east_m, e.north_m, e.up_m, bench.vehicle.battery.volts

    assert trace(3) == trace(3)
    assert trace(3) != trace(4)
