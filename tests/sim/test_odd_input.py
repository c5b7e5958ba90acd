"""Whatever a station sends, the vehicle answers and flies on: no message brings the simulator down."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from sim.autopilot.commands import _HANDLERS

from .conftest import Bench

ODD = [0.0, 1.0, -1.0, 2.0, 3.0, 21196.0, 90.5, 1e9, -1e9, 3e38, math.nan, math.inf, -math.inf]
number = st.sampled_from(ODD) | st.floats(width=32)
numbers = st.tuples(*[number] * 7)
repeatable = settings(derandomize=True, deadline=None, max_examples=25, database=None)


@pytest.fixture(scope="module")
def flying():
    """A vehicle in GUIDED at 20 m, with a short mission on board."""
    bench = Bench()
    bench.run(42.5)
    bench.upload(
        [bench.at(0, 0, 0, 0), bench.at(1, 0, 0, 20, command=22), bench.at(2, 50, 0, 20), bench.order(3, 20)]
    )
    bench.take_off(20)
    return bench


@pytest.fixture
def sound(flying):
    """The same, and it must still be alive and at a real place afterwards."""
    yield flying
    flying.run(1)
    body = flying.vehicle.body
    assert all(map(math.isfinite, (body.east_m, body.north_m, body.up_m, body.yaw_rad, body.throttle)))
    told = len(flying.heard("HEARTBEAT"))
    flying.run(2)
    assert len(flying.heard("HEARTBEAT")) > told
    assert all(map(math.isfinite, vars(flying.vehicle.limits).values()))


def answered(bench, message, kind):
    """Say it; the answers of a kind that came, before or with the next steps."""
    before = len(bench.inbox)
    bench.say(message)
    bench.run(0.06)
    found = [m for _, m in bench.inbox[before:] if m.get_type() == kind]
    del bench.inbox[before:]
    return found


@pytest.mark.parametrize("command", sorted(_HANDLERS))
def test_every_command_with_any_numbers_is_answered(sound, command):
    @repeatable
    @given(numbers)
    def check(params):
        message = mavlink.MAVLink_command_long_message(1, 1, command, 0, *params)
        assert len(answered(sound, message, "COMMAND_ACK")) == 1

    check()


@pytest.mark.parametrize("command", sorted(_HANDLERS))
def test_and_so_is_every_command_with_a_place(sound, command):
    @repeatable
    @given(numbers, st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1), st.integers(0, 255))
    def check(params, x, y, frame):
        message = mavlink.MAVLink_command_int_message(
            1, 1, frame, command, 0, 0, *params[:4], x, y, params[6]
        )
        assert len(answered(sound, message, "COMMAND_ACK")) == 1

    check()


@settings(repeatable, max_examples=150)
@given(
    params=numbers,
    command=st.sampled_from([16, 22, 20, 21, 93, 112, 177, 178, 203, 206, 2000, 2001, 31000, 0]),
)
def test_any_mission_is_taken_or_refused_and_then_flown_or_not(flying, params, command):
    bench = Bench()
    bench.run(0.1)
    bench.vehicle.time_s = 50.0
    bench.vehicle.set_origin()
    items = [
        bench.at(0, 0, 0, 0),
        bench.at(1, 0, 0, 5, command=22),
        mavlink.MAVLink_mission_item_int_message(
            1, 1, 2, 3, command, 0, 1, *params[:4], 300_001_000, 1_030_001_000, params[6], 0
        ),
    ]
    answer = bench.upload(items)
    assert answer is not None
    bench.read_back()
    bench.vehicle.arm(force=True)
    bench.vehicle.set_mode(bench.vehicle.mode.AUTO)
    bench.command(mavlink.MAV_CMD_MISSION_START)
    bench.run(6)
    assert math.isfinite(bench.vehicle.body.up_m)


@settings(repeatable, max_examples=60)
@given(
    st.sampled_from(
        ["WPNAV_SPEED", "WPNAV_ACCEL", "RTL_ALT", "ANGLE_MAX", "BATT_LOW_MAH", "CAM1_TYPE", "x" * 16]
    ),
    number,
)
def test_any_parameter_may_be_set_to_anything(sound_bench, name, value):
    sound_bench.set_param(name, value)
    sound_bench.run(0.1)


@pytest.fixture(scope="module")
def sound_bench():
    bench = Bench()
    bench.run(42.5)
    bench.take_off(20)
    yield bench
    for mode in (6, 9):
        bench.mode(mode)
        bench.run(3)
    assert math.isfinite(bench.vehicle.body.up_m)


@settings(repeatable, max_examples=60)
@given(numbers, st.integers(0, 65535), st.integers(0, 255))
def test_any_target_is_flown_or_left(sound_target, values, mask, frame):
    local = mavlink.MAVLink_set_position_target_local_ned_message(
        0, 1, 1, frame, mask, *values[:6], 0, 0, 0, 0, 0
    )
    sound_target.say(local)
    sound_target.run(0.2)
    world = mavlink.MAVLink_set_position_target_global_int_message(
        0, 1, 1, frame, mask, 300_000_000, 2**31 - 1, *values[:4], 0, 0, 0, 0, 0
    )
    sound_target.say(world)
    sound_target.run(0.2)
    assert math.isfinite(sound_target.vehicle.body.east_m)


@pytest.fixture(scope="module")
def sound_target():
    bench = Bench()
    bench.run(42.5)
    bench.take_off(20)
    return bench


def test_sticks_and_modes_of_any_kind(sound):
    for value in (0, 1, 799, 800, 1500, 2200, 2201, 65535):
        sound.say(mavlink.MAVLink_rc_channels_override_message(1, 1, *[value] * 8))
        sound.run(0.1)
    sound.say(mavlink.MAVLink_manual_control_message(1, 32767, -32768, 32767, -32768, 0))
    for mode in (1, 22, 99, 2**32 - 1):
        sound.say(mavlink.MAVLink_set_mode_message(1, 1, mode))
    sound.say(mavlink.MAVLink_request_data_stream_message(1, 1, 200, 65535, 1))
    sound.say(mavlink.MAVLink_param_request_read_message(1, 1, b"", 30_000))
    sound.say(mavlink.MAVLink_mission_request_int_message(1, 1, 65535, 0))
    sound.say(mavlink.MAVLink_mission_count_message(1, 1, 65535, 77))
    sound.say(mavlink.MAVLink_mission_set_current_message(1, 1, 65535))
    sound.run(1)
