"""The fence: what is refused, what is told, what the vehicle does at its limits; as ArduCopter does it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from sim.autopilot.fence import Area, areas_beyond_m

GUIDED, LOITER, RTL, LAND, BRAKE, SMART_RTL = 4, 5, 6, 9, 17, 21
FENCE = mavlink.MAV_SYS_STATUS_GEOFENCE
IN, OUT, CIRCLE_IN, CIRCLE_OUT, RETURN = 5001, 5002, 5003, 5004, 5000
SQUARE = ((-50, -50), (50, -50), (50, 50), (-50, 50))


def polygon(bench, corners=SQUARE, command=IN, first=0, count=None):
    params = (count or len(corners), 0, 0, 0)
    return [
        bench.at(first + i, east, north, 0, command, 0, params) for i, (east, north) in enumerate(corners)
    ]


def as_fence(items):
    for item in items:
        item.mission_type = 1
    return items


def fly_east(bench, metres):
    lat, lon = bench.place.to_geo(metres, 0.0)
    bench.say(
        mavlink.MAVLink_set_position_target_global_int_message(
            0, 1, 1, 6, 0xDF8, round(lat * 1e7), round(lon * 1e7), 20.0, *(0.0,) * 8
        )
    )


def go_east(bench, mps=8.0):
    """By velocity, which a fence does not hold back beforehand."""
    bench.say(
        mavlink.MAVLink_set_position_target_local_ned_message(
            0, 1, 1, 1, 0xDC7, 0, 0, 0, 0, mps, 0, 0, 0, 0, 0, 0
        )
    )


def run_east(bench, seconds, until=lambda: False):
    for _ in range(round(seconds)):
        if bench.vehicle.mode == GUIDED:
            go_east(bench)
        if bench.run(1, until):
            return True
    return False


def test_without_a_fence_the_station_sees_that_nothing_is_on(ready):
    ready.stream(mavlink.MAVLINK_MSG_ID_SYS_STATUS, 2)
    ready.stream(mavlink.MAVLINK_MSG_ID_FENCE_STATUS, 2)
    ready.run(2)
    status = ready.heard("SYS_STATUS")[-1]
    assert status.onboard_control_sensors_present & FENCE  # a height and a circle are configured
    assert not status.onboard_control_sensors_enabled & FENCE
    assert status.onboard_control_sensors_health & FENCE
    assert not ready.heard("FENCE_STATUS")
    assert ready.vehicle.params["FENCE_TOTAL"] == 0


def test_a_polygon_that_is_left_turns_the_vehicle_round(ready):
    assert ready.upload(as_fence(polygon(ready)), kind=1) == 0
    assert ready.vehicle.params["FENCE_TOTAL"] == 4
    ready.set_param("FENCE_ENABLE", 1)
    ready.stream(mavlink.MAVLINK_MSG_ID_SYS_STATUS, 5)
    ready.run(1)
    assert ready.heard("SYS_STATUS")[-1].onboard_control_sensors_enabled & FENCE
    ready.take_off(20)
    assert run_east(ready, 30, lambda: ready.vehicle.mode == RTL)
    assert 50 <= ready.vehicle.body.east_m < 54
    ready.run(0.5)
    assert "Polygon fence breached" in ready.texts()
    told = ready.heard("FENCE_STATUS")  # unasked
    assert (told[0].breach_status, told[0].breach_type, told[0].breach_count) == (
        1,
        mavlink.FENCE_BREACH_BOUNDARY,
        1,
    )
    assert not ready.heard("SYS_STATUS")[-1].onboard_control_sensors_health & FENCE
    ready.run(20)
    assert "Fence breach cleared" in ready.texts()
    assert ready.heard("SYS_STATUS")[-1].onboard_control_sensors_health & FENCE


@pytest.mark.parametrize(
    ("action", "modes"),
    [(0, {GUIDED}), (1, {RTL}), (2, {LAND}), (3, {SMART_RTL}), (4, {BRAKE}), (5, {SMART_RTL})],
)
def test_the_action_is_that_of_the_parameter(ready, action, modes):
    ready.set_param("FENCE_RADIUS", 40)
    ready.set_param("FENCE_ACTION", action)
    ready.set_param("FENCE_ENABLE", 1)
    ready.take_off(20)
    run_east(ready, 20, lambda: bool(ready.vehicle.geofence.breached))
    ready.run(0.2)
    assert "Circle fence breached" in ready.texts()
    assert {int(ready.vehicle.mode)} == modes


def test_the_ceiling_holds_and_a_return_stays_below_it(ready):
    ready.set_param("FENCE_ALT_MAX", 25)
    ready.set_param("RTL_ALT", 5000)
    ready.set_param("FENCE_ENABLE", 1)
    ready.take_off(20)
    ready.vehicle.pilot.guided.go_to((0.0, 0.0, 540.0))  # what a station is not allowed
    assert ready.run(20, lambda: ready.vehicle.mode == RTL)
    ready.run(0.2)
    assert "Max Alt fence breached" in ready.texts()
    assert ready.heard("FENCE_STATUS")[-1].breach_type == mavlink.FENCE_BREACH_MAXALT
    highest = 0.0
    for _ in range(50):
        ready.run(0.2)
        highest = max(highest, ready.vehicle.relative_alt_m)
    assert highest < 30


def test_two_limits_at_once_are_named_together(ready):
    ready.take_off(30)
    ready.set_param("FENCE_ALT_MAX", 12)
    ready.set_param("FENCE_ALT_MIN", -5)
    ready.set_param("FENCE_RADIUS", 35)
    ready.vehicle.pilot.guided.go_to((60.0, 0.0, 530.0))
    ready.run(20)
    ready.set_param("FENCE_ENABLE", 1)
    ready.run(0.5)
    assert "Max Alt and Circle fences breached" in ready.texts()


def test_a_destination_outside_is_not_flown_to(ready):
    ready.set_param("FENCE_RADIUS", 40)
    ready.set_param("FENCE_ENABLE", 1)
    ready.take_off(20)
    fly_east(ready, 100)
    ready.run(10)
    assert ready.vehicle.body.east_m == pytest.approx(0, abs=2)
    lat, lon = ready.place.to_geo(100.0, 0.0)
    ready.say(
        mavlink.MAVLink_command_int_message(
            1, 1, 6, 192, 0, 0, -1, 0, 0, 0, round(lat * 1e7), round(lon * 1e7), 20
        )
    )
    assert ready.heard("COMMAND_ACK")[-1].result == 4
    fly_east(ready, 30)
    ready.run(15)
    assert ready.vehicle.body.east_m == pytest.approx(30, abs=2)


def test_far_outside_it_lands_at_once(ready):
    ready.take_off(20)
    ready.vehicle.pilot.guided.go_to((200.0, 0.0, 520.0))
    ready.run(40)
    ready.set_param("FENCE_RADIUS", 50)
    ready.set_param("FENCE_ENABLE", 1)
    ready.run(0.5)
    assert ready.vehicle.mode == LAND


def test_who_takes_over_has_ten_seconds(ready):
    ready.set_param("FENCE_RADIUS", 40)
    ready.set_param("FENCE_ENABLE", 1)
    ready.take_off(20)
    run_east(ready, 20, lambda: ready.vehicle.mode == RTL)
    assert ready.mode(LOITER) == 0
    ready.run(0.3)
    assert "Manual recovery started" in ready.texts()
    ready.vehicle.pilot.settle()
    assert ready.vehicle.mode == LOITER


def test_the_command_switches_it_on_and_off(ready):
    enable = mavlink.MAV_CMD_DO_FENCE_ENABLE
    assert ready.command(enable, 1) == 0
    ready.run(0.2)
    assert ready.vehicle.geofence.acts
    assert ready.vehicle.params["FENCE_ENABLE"] == 0  # it is not stored
    assert ready.command(enable, 0) == 0
    assert not ready.vehicle.geofence.acts
    assert ready.command(enable, 7) == 4
    assert ready.command(enable, math.nan) == 4
    ready.set_param("FENCE_TYPE", 4)
    assert ready.command(enable, 1) == 4  # a polygon, and there is none


def test_a_mission_switches_it_on_its_way(ready):
    items = [
        ready.at(0, 0, 0, 0),
        ready.at(1, 0, 0, 20, command=22),
        ready.order(2, 207, 1),
        ready.at(3, 100, 0, 20),
    ]
    ready.set_param("FENCE_RADIUS", 60)
    ready.upload(items)
    ready.mode(GUIDED)
    ready.arm()
    ready.command(mavlink.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, 0, 0, 0, 20)
    ready.run(15)
    ready.mode(3)
    assert ready.run(40, lambda: ready.vehicle.mode == RTL)
    assert 60 <= ready.vehicle.body.east_m < 66


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"FENCE_TYPE": 4}, "Fences enabled, but none selected"),
        ({"FENCE_RADIUS": 1}, "Circle FENCE_MARGIN is greater than FENCE_RADIUS"),
        ({"FENCE_ALT_MAX": 12, "FENCE_ALT_MIN": 10}, "FENCE_MARGIN too big"),
        ({"FENCE_ALT_MAX": 10, "FENCE_ALT_MIN": 20}, "FENCE_ALT_MAX < FENCE_ALT_MIN"),
    ],
)
def test_a_fence_that_cannot_be_keeps_it_on_the_ground(ready, params, says):
    for name, value in {**params, "FENCE_ENABLE": 1}.items():
        ready.set_param(name, value)
    ready.run(0.5)
    ready.mode(GUIDED)
    assert ready.arm() == 4
    ready.run(0.1)
    assert f"Arm: {says}" in "".join(ready.texts())  # long ones come in pieces


def test_outside_its_fence_it_is_not_armed(ready):
    far = [(east + 200, north) for east, north in SQUARE]
    ready.upload(as_fence(polygon(ready, far)), kind=1)
    ready.set_param("FENCE_ENABLE", 1)
    ready.run(0.5)
    ready.mode(GUIDED)
    assert ready.arm() == 4
    ready.run(0.1)
    assert "Arm: Vehicle breaching Polygon fence" in ready.texts()
    ready.set_param("FENCE_ENABLE", 0)
    ready.run(0.5)
    assert ready.arm() == 0


def test_a_fence_is_taken_whole_or_not_at_all(ready):
    assert ready.upload(as_fence(polygon(ready)), kind=1) == 0
    wrong = polygon(ready, SQUARE[:3], count=4)
    assert ready.upload(as_fence(wrong), kind=1) == 1
    ready.run(0.1)
    assert "Incorrect item count" in ready.texts()
    assert len(ready.read_back(kind=1)) == 4
    mixed = polygon(ready, SQUARE[:2], count=4) + polygon(ready, SQUARE[2:], OUT, 2, 4)
    assert ready.upload(as_fence(mixed), kind=1) == 1
    circle = [ready.at(0, 0, 0, 0, CIRCLE_IN, 0, (-5, 0, 0, 0))]
    assert ready.upload(as_fence(circle), kind=1) == 1
    ready.run(0.1)
    assert {"Received incorrect vertex type", "Non-positive circle radius"} <= set(ready.texts())
    ready.say(mavlink.MAVLink_mission_clear_all_message(1, 1, 1))
    assert ready.vehicle.params["FENCE_TOTAL"] == 0
    assert not ready.vehicle.geofence.areas


@pytest.mark.parametrize("command", [IN, OUT, CIRCLE_IN, CIRCLE_OUT, RETURN])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -3.0, 3.5, 256.0, 1e30])
def test_odd_numbers_in_a_fence_are_refused_or_harmless(ready, command, number):
    items = [ready.at(i, e, n, 0, command, 0, (number, 0, 0, 0)) for i, (e, n) in enumerate(SQUARE[:3])]
    ready.upload(as_fence(items), kind=1)
    ready.set_param("FENCE_ENABLE", 1)
    ready.run(0.5)
    ready.vehicle.geofence.reason_not_to_arm()


def test_a_fence_reads_back_as_the_storage_keeps_it(ready):
    items = [ready.at(i, e, n, 25, IN, 3, (4, 7, 0, 0)) for i, (e, n) in enumerate(SQUARE)]
    assert ready.upload(as_fence(items), kind=1) == 0
    kept = ready.read_back(kind=1)
    assert {(m.command, m.frame, m.param1, m.param2, m.z) for m in kept} == {(IN, 0, 4, 0, 0)}
    assert [(m.x, m.y) for m in kept] == [(m.x, m.y) for m in items]


def test_an_exclusion_and_circles_count_too(ready):
    items = polygon(ready, [(20, -10), (40, -10), (40, 10), (20, 10)], OUT)
    items.append(ready.at(4, 0, 0, 0, CIRCLE_IN, 0, (100, 0, 0, 0)))
    items.append(ready.at(5, 0, 60, 0, CIRCLE_OUT, 0, (10, 0, 0, 0)))
    items.append(ready.at(6, 0, 0, 0, RETURN, 0))
    assert ready.upload(as_fence(items), kind=1) == 0
    ready.set_param("FENCE_ENABLE", 1)
    ready.run(0.3)
    fence = ready.vehicle.geofence
    inside = [
        fence.allows(east, north, 510.0) for east, north in ((0, 0), (30, 0), (0, 55), (99, 0), (101, 0))
    ]
    assert inside == [True, False, False, True, False]
    assert ready.vehicle.params["FENCE_TOTAL"] == 7


def test_it_enables_itself_when_armed_and_when_it_flies(ready):
    ready.set_param("FENCE_AUTOENABLE", 3)
    ready.set_param("FENCE_TYPE", 15)
    ready.set_param("FENCE_ALT_MIN", 10)
    ready.take_off(20)
    assert "Max Alt, Circle and Polygon fences auto-enabled" in ready.texts()
    assert "Min Alt fence enabled (auto enable)" in ready.texts()
    ready.vehicle.pilot.guided.go_to((0.0, 0.0, 505.0))
    assert ready.run(20, lambda: ready.vehicle.mode == RTL)
    ready.run(0.2)
    assert "Min Alt fence breached" in ready.texts()


def test_with_its_option_the_mode_stays_until_it_is_back(ready):
    ready.set_param("FENCE_RADIUS", 40)
    ready.set_param("FENCE_OPTIONS", 1)
    ready.set_param("FENCE_ENABLE", 1)
    ready.take_off(20)
    run_east(ready, 20, lambda: ready.vehicle.mode == RTL)
    assert ready.mode(LOITER) == 4
    ready.run(0.1)
    assert "Mode change to LOITER failed: in fence recovery" in ready.texts()


@settings(derandomize=True, deadline=None, max_examples=150, database=None)
@given(st.floats(-99, 99), st.floats(-99, 99), st.booleans())
def test_inside_and_outside_are_as_the_square_says(east, north, union):
    area, other = Area(True, tuple((float(e), float(n)) for e, n in SQUARE)), Area(True, ((0.0, 0.0),), 20.0)
    beyond = area.beyond_m(east, north)
    inside = max(abs(east), abs(north)) - 50
    if inside <= 0:
        assert beyond == pytest.approx(inside)
    else:
        assert beyond == pytest.approx(math.hypot(max(abs(east) - 50, 0), max(abs(north) - 50, 0)))
    assert Area(False, area.corners).beyond_m(east, north) == -beyond
    both = (beyond, other.beyond_m(east, north))
    assert areas_beyond_m((area, other), east, north, union) == (min(both) if union else max(both))
