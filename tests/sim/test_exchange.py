"""Missions over MAVLink with all the quirks of a real ArduCopter, which a station must cope with."""

from __future__ import annotations

import itertools
import math

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Encoder

from .conftest import Bench

GUIDED, AUTO = 4, 3
ACCEPTED, ERROR, UNSUPPORTED, NO_SPACE, BAD_X, BAD_Y, BAD_Z, BAD_SEQ, CANCELLED = (
    0,
    1,
    3,
    4,
    10,
    11,
    12,
    13,
    15,
)


def mission(bench, count=6):
    """Home, take-off and waypoints 40 m apart."""
    items = [bench.at(0, 0, 0, 0), bench.at(1, 0, 0, 20, command=22)]
    return items + [bench.at(seq, 40 * (seq - 1), 0, 20) for seq in range(2, count)]


def commands(items):
    return [item.command for item in items]


def begin(bench, count):
    bench.say(mavlink.MAVLink_mission_count_message(1, 1, count, 0))


def test_a_mission_comes_back_as_it_was_sent_but_for_what_ardupilot_changes(ready):
    items = [
        *mission(ready, 4),
        ready.order(4, 178, 1, 7.5, -1),
        ready.order(5, 206, 20, 0, 1),
        ready.at(6, 10, 20, 25, frame=11),
        ready.order(7, 20),
    ]
    assert ready.upload(items) == ACCEPTED
    back = ready.read_back()
    assert commands(back) == commands(items)
    assert [m.frame for m in back] == [0, 3, 3, 3, 0, 0, 10, 0]  # 6 becomes 3; orders and RTL lose frame 2
    assert [(m.x, m.y) for m in back[1:4]] == [(m.x, m.y) for m in items[1:4]]
    assert (back[4].param1, back[4].param2) == (1.0, 7.5)
    assert (
        "Flight plan received" in ready.texts() or ready.run(0.1) or "Flight plan received" in ready.texts()
    )


def test_slot_nought_is_the_vehicles_home_whatever_is_sent(ready):
    wrong = ready.item(0, 16, 0, lat=10.0, lon=20.0, alt=5.0)
    ready.upload([wrong, *mission(ready)[1:]])
    home = ready.read_back()[0]
    assert (home.x, home.y) == pytest.approx((300_000_000, 1_030_000_000), abs=50)
    assert home.z == pytest.approx(500, abs=1)  # the real height of the ground


def test_an_upload_without_a_home_slot_loses_its_first_item(ready):
    items = [ready.at(0, 0, 0, 20, command=22), ready.at(1, 50, 0, 20), ready.at(2, 90, 0, 20)]
    assert ready.upload(items) == ACCEPTED
    assert commands(ready.read_back()) == [16, 16, 16]


def test_one_item_sent_to_an_empty_vehicle_reads_back_as_two(ready):
    assert ready.upload([ready.at(0, 30, 0, 20)]) == ACCEPTED
    assert len(ready.read_back()) == 2


def test_it_asks_with_the_old_request_and_takes_the_new_item(ready):
    ready.upload(mission(ready))
    assert [m.seq for m in ready.heard("MISSION_REQUEST")] == list(range(6))
    assert not ready.heard("MISSION_REQUEST_INT")


def test_an_old_float_item_is_taken_with_a_warning(ready):
    begin(ready, 3)
    lat, lon = ready.place.to_geo(100.0, 50.0)
    for seq in range(3):
        ready.say(mavlink.MAVLink_mission_item_message(1, 1, seq, 3, 16, 0, 1, 0, 0, 0, 0, lat, lon, 20.0, 0))
    assert ready.heard("MISSION_ACK")[-1].type == ACCEPTED
    ready.run(0.1)
    assert ready.texts().count("got MISSION_ITEM; GCS should send MISSION_ITEM_INT") == 1
    back = ready.read_back()[2]
    assert (back.x, back.y) == pytest.approx((lat * 1e7, lon * 1e7), abs=80)  # a float holds no more


def test_the_old_way_of_reading_back_gives_degrees(ready):
    ready.upload(mission(ready))
    ready.say(mavlink.MAVLink_mission_request_message(1, 1, 2, 0))
    item = ready.heard("MISSION_ITEM")[-1]
    assert (item.x, item.y) == pytest.approx((30.0, 103.0), abs=1e-3)


@pytest.mark.parametrize("component", [0, 1, 190])
def test_uploads_to_any_component_are_taken(ready, component):
    assert ready.upload(mission(ready), component=component) == ACCEPTED
    assert len(ready.read_back()) == 6


@pytest.mark.parametrize(
    ("bad", "answer"),
    [
        ({"command": 31_010}, UNSUPPORTED),
        ({"alt": math.nan}, BAD_Z),
        ({"lat": 91.0}, BAD_X),
        ({"lon": 181.0}, BAD_Y),
    ],
    ids=["command", "NaN altitude", "latitude 91", "longitude 181"],
)
def test_a_bad_item_is_refused_by_its_reason_and_what_came_before_stays(ready, bad, answer):
    ready.upload(mission(ready, 8))
    items = mission(ready, 6)
    items[3] = ready.item(
        3,
        bad.get("command", 16),
        3,
        (0,) * 4,
        bad.get("lat", 30.0),
        bad.get("lon", 103.0),
        bad.get("alt", 20.0),
    )
    items[2] = ready.at(2, 7, 7, 33)
    assert ready.upload(items) == answer
    left = ready.read_back()
    assert len(left) == 6  # shortened to the new count...
    assert left[2].z == 33  # ... with the new items written as far as they came
    assert left[4].z == 20


def test_a_station_that_falls_silent_is_asked_every_second_and_given_up_after_eight(ready):
    began = ready.vehicle.time_s
    begin(ready, 6)
    ready.say(mission(ready)[0])
    ready.run(12)
    asked = [t for t, m in ready.inbox if m.get_type() == "MISSION_REQUEST" and m.seq == 1]
    assert len(asked) == 8
    assert [b - a for a, b in itertools.pairwise(asked)] == pytest.approx([1.0] * 7, abs=0.05)
    (ack,) = [(t, m) for t, m in ready.inbox if m.get_type() == "MISSION_ACK"]
    assert ack[1].type == CANCELLED
    assert ack[0] - began == pytest.approx(8.0, abs=0.1)


def test_after_a_stall_the_vehicle_holds_a_mix_of_old_and_new(ready):
    ready.upload([*mission(ready, 4), ready.at(4, 5, 5, 77), ready.at(5, 5, 5, 78), ready.at(6, 5, 5, 79)])
    begin(ready, 6)
    for item in [*mission(ready, 2), ready.at(2, 9, 9, 99)]:
        ready.say(item)
    ready.run(10)
    assert [m.z for m in ready.read_back()[2:]] == [99.0, 20.0, 77.0, 78.0]


def test_more_than_it_can_hold_is_refused_at_once(ready):
    begin(ready, 651)
    assert ready.heard("MISSION_ACK")[-1].type == NO_SPACE
    assert not ready.heard("MISSION_REQUEST")
    begin(ready, 650)
    assert ready.heard("MISSION_REQUEST")[-1].seq == 0


def test_the_wrong_item_is_told_so_and_does_not_end_the_upload(ready):
    begin(ready, 6)
    ready.say(mission(ready)[0])
    ready.say(mission(ready)[3])
    assert ready.heard("MISSION_ACK")[-1].type == BAD_SEQ
    for item in mission(ready)[1:]:
        ready.say(item)
    assert ready.heard("MISSION_ACK")[-1].type == ACCEPTED


def test_the_total_leaves_home_out(ready):
    ready.upload(mission(ready, 6))
    ready.stream(mavlink.MAVLINK_MSG_ID_MISSION_CURRENT, 5)
    ready.run(1)
    assert ready.heard("MISSION_CURRENT")[-1].total == 5
    assert ready.heard("MISSION_CURRENT")[-1].seq == 0


def test_while_a_mission_flies_it_cannot_be_cleared_but_it_can_be_overwritten(ready):
    ready.upload(mission(ready))
    ready.take_off(20)
    assert ready.mode(AUTO) == 0
    ready.run(2)
    ready.say(mavlink.MAVLink_mission_clear_all_message(1, 1, 0))
    assert ready.heard("MISSION_ACK")[-1].type == ERROR
    assert len(ready.read_back()) == 6
    begun = ready.vehicle.time_s
    assert ready.upload(mission(ready)) == ACCEPTED
    ready.run(0.1)
    # each new item begins the current one again
    assert sum(text.startswith("Mission: ") for text in ready.texts(since=begun)) >= 5
    assert ready.vehicle.mode.name == "AUTO"


def test_on_the_ground_everything_can_be_cleared(ready):
    ready.upload(mission(ready))
    ready.say(mavlink.MAVLink_mission_clear_all_message(1, 1, 255))
    assert ready.heard("MISSION_ACK")[-1].type == ACCEPTED
    assert ready.read_back() == []


def test_fence_and_rally_points_have_stores_of_their_own(ready):
    corners = [(0, 0), (100, 0), (100, 100)]
    fence = [ready.at(i, e, n, 0, command=5001, params=(3, 0, 0, 0)) for i, (e, n) in enumerate(corners)]
    for item in fence:
        item.mission_type = 1
    ready.upload(mission(ready))
    assert ready.upload(fence, kind=1) == ACCEPTED
    assert commands(ready.read_back(kind=1)) == [5001] * 3
    assert len(ready.read_back(kind=0)) == 6
    wrong = ready.at(0, 0, 0, 0)
    wrong.mission_type = 2
    assert ready.upload([wrong], kind=2) == UNSUPPORTED  # a waypoint is no rally point


def test_a_part_of_a_mission_can_be_written_anew(ready):
    ready.upload(mission(ready, 6))
    ready.say(mavlink.MAVLink_mission_write_partial_list_message(1, 1, 3, 3, 0))
    ready.say(ready.at(3, 1, 2, 55))
    assert ready.heard("MISSION_ACK")[-1].type == ACCEPTED
    assert [m.z for m in ready.read_back()[1:]] == [20, 20, 55, 20, 20]
    ready.say(mavlink.MAVLink_mission_write_partial_list_message(1, 1, 3, 9, 0))
    assert ready.heard("MISSION_ACK")[-1].type == ERROR


def test_answers_go_to_the_station_that_asked(ready):
    ready.say(mavlink.MAVLink_mission_request_list_message(1, 1, 0), Encoder(42, 7))
    count = ready.heard("MISSION_COUNT")[-1]
    assert (count.target_system, count.target_component) == (42, 7)


def test_an_item_that_nobody_asked_for_is_refused(bench: Bench):
    bench.say(bench.at(0, 0, 0, 20))
    assert bench.heard("MISSION_ACK")[-1].type == ERROR
