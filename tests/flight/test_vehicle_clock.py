"""The vehicle's own time: for rates, on a simulator that runs ten times as fast too."""

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.safety.vehicle_clock import VehicleClock


def position(boot_s, compid=1):
    message = mavlink.MAVLink_global_position_int_message(round(boot_s * 1e3), 0, 0, 0, 0, 0, 0, 0, 0)
    message.get_srcComponent = lambda: compid
    return message


def looks(clock, *moments):
    """`moments` are (station's seconds, the vehicle's or None if nothing is heard)."""
    seen = []
    for now_s, boot_s in moments:
        if boot_s is not None:
            clock.take(position(boot_s), 1)
        seen.append(clock.look(now_s))
    return seen


def test_it_goes_by_the_vehicle_not_by_the_station():
    assert looks(VehicleClock(), (100, 30), (101, 40), (102, 50.5)) == [0, 10, 20.5]


def test_what_is_not_heard_for_a_moment_is_made_up_for():
    assert looks(VehicleClock(), (100, 30), (101, None), (102, None), (103, 33)) == [0, 0, 0, 3]


def test_long_unheard_or_never_heard_the_stations_goes_on():
    assert looks(VehicleClock(), (5, None), (6, None), (8, None)) == [0, 1, 3]
    assert looks(VehicleClock(), (0, 30), (10, None), (16, None), (20, None), (21, 90), (22, 91)) == [
        *(0, 0, 16, 20, 21, 22)
    ]


def test_a_vehicle_that_starts_anew_turns_nothing_back():
    assert looks(VehicleClock(), (0, 500), (1, 501), (2, 3), (3, 4)) == [0, 1, 2, 3]


def test_a_cameras_clock_is_not_the_vehicles():
    clock = VehicleClock()
    clock.take(position(77.0, compid=100), 1)
    assert clock.look(1.0) == 0.0
    clock.take(position(99.0, compid=100), 1)
    assert clock.look(2.0) == pytest.approx(1.0)
