"""A vehicle over a satellite: one message says it all, and the modem is opened and closed in time."""

import math
from dataclasses import replace

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.evidence import in_flight
from flight.high_latency import decode, first_state, update_from_high_latency
from flight.links.high_latency_switch import Order, SwitchState, confirmed, high_latency_order, may_pass, step
from flight.state import Battery, Position
from flight.wire import Encoder, Parser, station_heartbeat

COPTER, PX4 = mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, mavlink.MAV_AUTOPILOT_PX4


def over_the_wire(message, sysid=7):
    return Parser().feed(Encoder(sysid, 1).encode(message))[0]


def hl2(autopilot=COPTER, mode=3, armed=True, **values):
    fields = {
        "timestamp": 0, "type": 2, "autopilot": autopilot, "custom_mode": mode, "latitude": 300500000,
        "longitude": 1031500000, "altitude": 560, "target_altitude": 560, "heading": 45, "target_heading": 45,
        "target_distance": 12, "throttle": 40, "airspeed": 0, "airspeed_sp": 0, "groundspeed": 50,
        "windspeed": 20, "wind_heading": 90, "eph": 0, "epv": 0, "temperature_air": 20, "climb_rate": 0,
        "battery": 71, "wp_num": 5, "failure_flags": 0, "custom0": -119 if armed else 9, "custom1": 0,
        "custom2": 0,
    }  # fmt: skip
    return over_the_wire(mavlink.MAVLink_high_latency2_message(**fields | values))


def test_a_vehicle_is_known_from_one_message():
    state = first_state(hl2(), 100.0)
    assert (state.sysid, state.is_ardupilot, state.mode, state.armed) == (7, True, "AUTO", True)
    place = state.position
    assert (place.lat_deg, place.lon_deg, place.alt_amsl_m) == (30.05, 103.15, 560.0)
    assert (place.heading_deg, place.ground_speed_mps) == (90.0, pytest.approx(10.0))
    assert place.east_mps == pytest.approx(10.0)
    assert (state.battery.remaining_percent, state.mission.current, state.gps.fix) == (71.0, 5, 3)
    assert state.ekf.has_position
    assert (state.wind.speed_mps, state.wind.from_deg) == (4.0, 180.0)
    assert state.heartbeat_s == 100.0


def test_the_height_above_the_launch_point_goes_on_where_it_has_been_known():
    before = first_state(hl2(), 0.0)
    assert math.isnan(before.position.alt_rel_m)
    known = Position(1.0, 30.0, 103.0, 540.0, 40.0, 0, 0, 0, 0)
    state = update_from_high_latency(before.__class__(**{**vars(before), "position": known}), hl2(), 2.0)
    assert state.position.alt_rel_m == pytest.approx(60.0)


def test_px4_packs_its_mode_and_wind_in_its_own_way():
    state = first_state(hl2(PX4, mode=4 | 4 << 8, armed=False), 0.0)
    assert state.mode == "AUTO.MISSION"
    assert state.wind.from_deg == 0.0  # it tells where the wind goes: 180


def test_px4_tells_its_throttle_not_its_arming():
    assert first_state(hl2(PX4, throttle=31), 0.0).armed
    unknown = first_state(hl2(PX4, throttle=0), 0.0)
    assert not unknown.armed
    assert first_state(hl2(PX4, wp_num=65535), 0.0).mission is None, "a real one without a mission says so"
    flew = replace(unknown, armed=True)
    assert update_from_high_latency(flew, hl2(PX4, throttle=0), 1.0).armed, "what was known stays"


def test_failures_and_what_is_not_told():
    lost = mavlink.HL_FAILURE_FLAG_GPS | mavlink.HL_FAILURE_FLAG_ESTIMATOR
    before = first_state(hl2(), 0.0)
    before = before.__class__(**{**vars(before), "battery": Battery(0.0, 22.2, 10.0, 80.0)})
    state = update_from_high_latency(
        before, hl2(failure_flags=lost, battery=-1, latitude=0, longitude=0), 5.0
    )
    assert state.gps.fix < 3
    assert not state.ekf.has_position
    assert state.health.faulty == ("GPS", "position estimate")
    assert state.health.prearm_ok is None
    assert state.battery.at_s == 0.0  # an old value keeps its age
    assert state.position == before.position


def test_what_flies_is_told_though_its_height_above_the_launch_point_is_not():
    assert in_flight(first_state(hl2(), 0.0))
    assert not in_flight(first_state(hl2(armed=False), 0.0))
    known = Position(1.0, 30.0, 103.0, 540.0, 40.0, 0, 0, 0, 0)
    waiting = replace(first_state(hl2(), 0.0), position=known)
    assert not in_flight(update_from_high_latency(waiting, hl2(altitude=500), 1.0))
    assert in_flight(update_from_high_latency(waiting, hl2(altitude=560), 1.0))


def test_a_copter_without_an_airspeed_sensor_has_not_failed():
    """A real ArduCopter sets the flag all the same."""
    flag = mavlink.HL_FAILURE_FLAG_DIFFERENTIAL_PRESSURE
    assert decode(hl2(failure_flags=flag)).failures == ()
    assert decode(hl2(failure_flags=flag, type=mavlink.MAV_TYPE_FIXED_WING)).failures == ("airspeed sensor",)


def test_the_first_version_of_the_message():
    message = mavlink.MAVLink_high_latency_message(
        0x89,
        3,
        2,
        0,
        0,
        9000,
        40,
        9000,
        300500000,
        1031500000,
        560,
        560,
        0,
        0,
        8,
        -1,
        14,
        3,
        55,
        20,
        20,
        0,
        6,
        100,
    )
    state = update_from_high_latency(first_state(hl2(mode=0, armed=False), 0.0), over_the_wire(message), 1.0)
    assert (state.mode, state.armed, state.gps.satellites, state.mission.current) == ("AUTO", True, 14, 6)
    assert state.position.heading_deg == 90.0
    assert state.battery.remaining_percent == 55.0


def flow(timeline, answer=mavlink.MAV_RESULT_ACCEPTED, patience_s=20.0):
    """What is ordered when: `timeline` are (second, fast link works); the vehicle answers the next second."""
    state, orders = SwitchState(), []
    for now_s, works in timeline:
        state, order = step(state, works, now_s, patience_s)
        if order:
            orders.append((now_s, order))
            if answer is not None:
                state = confirmed(state, answer)
    return orders


def test_the_modem_opens_when_the_fast_link_is_lost_and_closes_when_it_is_back_for_good():
    works = [t < 30 or 100 <= t < 104 or t >= 150 for t in range(200)]
    assert flow(enumerate(works)) == [(30, Order.OPEN), (160, Order.CLOSE)]


def test_the_order_is_repeated_until_it_is_confirmed():
    assert flow(((t, False) for t in range(50)), answer=None) == [(t, Order.OPEN) for t in (0, 20, 40)]


def test_a_vehicle_without_a_modem_is_asked_once():
    assert len(flow(((t, False) for t in range(200)), mavlink.MAV_RESULT_UNSUPPORTED)) == 1


def test_only_commands_go_over_a_modem():
    assert may_pass(high_latency_order(True))
    for message in (
        station_heartbeat(),
        mavlink.MAVLink_param_request_list_message(1, 1),
        mavlink.MAVLink_mission_request_list_message(1, 1),
        mavlink.MAVLink_timesync_message(0, 1),
    ):
        assert not may_pass(message)
