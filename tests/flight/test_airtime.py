"""The time in a flight's report is the flight's."""

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.flying.airtime import Airtime


def beat(armed):
    return mavlink.MAVLink_heartbeat_message(2, 3, 128 if armed else 0, 0, 4, 3)


def position(boot_s):
    return mavlink.MAVLink_global_position_int_message(round(boot_s * 1e3), 0, 0, 0, 0, 0, 0, 0, 0)


def seconds(*heard):
    airtime = Airtime()
    for message in heard:
        airtime.take(message)
    return airtime.seconds


def test_what_is_heard_before_arming_and_after_disarming_does_not_count():
    before = [beat(False), position(40.0), position(55.0), beat(True)]
    flight = [position(60.0), position(60.5), position(90.0)]
    after = [beat(False), position(91.0), position(130.0)]
    assert seconds(*before, *flight, *after) == pytest.approx(30.0)


def test_a_silence_in_flight_counts():
    assert seconds(beat(True), position(60.0), position(200.0)) == pytest.approx(140.0)


def test_two_stretches_are_added_and_a_clock_that_begins_anew_turns_nothing_back():
    assert seconds(
        *(beat(True), position(60.0), position(70.0), beat(False), position(80.0)),
        *(beat(True), position(100.0), position(105.0), position(2.0), position(6.0)),
    ) == pytest.approx(19.0)
