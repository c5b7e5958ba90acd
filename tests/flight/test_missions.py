"""The mission protocol against a vehicle that loses, refuses, stalls and normalises."""

import dataclasses
import math

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight import missions
from flight.errors import TransferError
from flight.wire import item_to_message, message_to_item
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, Command, Mission, MissionItem


def items_of(count):
    return tuple(
        MissionItem(
            Command.NAV_WAYPOINT, AltitudeFrame.RELATIVE, (0.0,) * 4, 30.05 + i * 1e-4, 103.15, 40.0 + i
        )
        for i in range(count)
    )


@pytest.fixture
def vehicle(scripted):
    """Asks for items as ArduPilot does, with the old request."""
    vehicle = scripted()
    vehicle.store = []
    vehicle.refuse_at, vehicle.stall_at = None, None

    def request(seq):
        return mavlink.MAVLink_mission_request_message(255, 190, seq)

    def ack(result):
        return mavlink.MAVLink_mission_ack_message(255, 190, result)

    def on_count(message):
        vehicle.store = [None] * message.count
        return [request(0)]

    def on_item(message):
        if message.seq == vehicle.refuse_at:
            return [ack(mavlink.MAV_MISSION_UNSUPPORTED)]
        if message.seq == vehicle.stall_at:
            return []
        vehicle.store[message.seq] = message_to_item(message)
        missing = [i for i, item in enumerate(vehicle.store) if item is None]
        return [request(missing[0])] if missing else [ack(mavlink.MAV_MISSION_ACCEPTED)]

    vehicle.replies = {
        "MISSION_COUNT": on_count,
        "MISSION_ITEM_INT": on_item,
        "MISSION_REQUEST_LIST": lambda m: [
            mavlink.MAVLink_mission_count_message(255, 190, len(vehicle.store))
        ],
        "MISSION_REQUEST_INT": lambda m: [item_to_message(vehicle.store[m.seq], m.seq, 255, 190)],
    }
    return vehicle


def test_a_mission_goes_up_and_comes_back_the_same(vehicle, meet):
    sent = items_of(12)

    async def work(station_side):
        await missions.upload(station_side, sent)
        return await missions.download(station_side)

    back = meet(vehicle, work)
    assert missions.differences(sent, back) == ()
    assert vehicle.count("MISSION_ITEM") == 0  # only whole-number items, whatever was asked for


def test_the_count_is_told_again_when_nobody_asks(vehicle, meet):
    ask = vehicle.replies["MISSION_COUNT"]
    vehicle.replies["MISSION_COUNT"] = lambda m: ask(m) if vehicle.count("MISSION_COUNT") > 2 else []
    meet(vehicle, lambda v: missions.upload(v, items_of(2)))
    assert vehicle.count("MISSION_COUNT") == 3
    assert None not in vehicle.store


def test_an_item_is_sent_again_as_often_as_it_is_asked_for(vehicle, meet):
    take = vehicle.replies["MISSION_ITEM_INT"]

    def deaf(message):
        times = sum(m.get_type() == "MISSION_ITEM_INT" and m.seq == message.seq for m in vehicle.heard)
        return (
            take(message) if times >= 3 else [mavlink.MAVLink_mission_request_message(255, 190, message.seq)]
        )

    vehicle.replies["MISSION_ITEM_INT"] = deaf
    meet(vehicle, lambda v: missions.upload(v, items_of(4)))
    assert vehicle.count("MISSION_ITEM_INT") == 12


def test_a_refused_item_is_named(vehicle, meet):
    vehicle.refuse_at = 2
    with pytest.raises(TransferError, match=r"item 2 \(NAV_WAYPOINT\).*not supported.*incomplete") as caught:
        meet(vehicle, lambda v: missions.upload(v, items_of(4)))
    assert caught.value.result == mavlink.MAV_MISSION_UNSUPPORTED


def test_an_item_that_came_twice_does_not_end_the_upload(vehicle, meet):
    """ArduPilot asks again before the answer is there and calls its second copy out of order."""
    take = vehicle.replies["MISSION_ITEM_INT"]
    out_of_order = mavlink.MAVLink_mission_ack_message(255, 190, mavlink.MAV_MISSION_INVALID_SEQUENCE)
    twice = (1, 2)
    vehicle.replies["MISSION_ITEM_INT"] = lambda m: [out_of_order] * (m.seq in twice) + take(m)
    meet(vehicle, lambda v: missions.upload(v, items_of(4)))
    assert None not in vehicle.store


def test_a_vehicle_that_gives_up_out_of_order_says_so(vehicle, meet):
    out_of_order = mavlink.MAVLink_mission_ack_message(255, 190, mavlink.MAV_MISSION_INVALID_SEQUENCE)
    take = vehicle.replies["MISSION_ITEM_INT"]
    vehicle.replies["MISSION_ITEM_INT"] = lambda m: [out_of_order] if m.seq == 2 else take(m)
    with pytest.raises(TransferError, match=r"item 2 .*items out of order"):
        meet(vehicle, lambda v: missions.upload(v, items_of(4)))


def test_a_stalled_upload_ends_and_says_where(vehicle, meet):
    vehicle.stall_at = 1
    with pytest.raises(TransferError, match="stopped at item 1 of 4"):
        meet(vehicle, lambda v: missions.upload(v, items_of(4)))


def test_a_lost_last_word_is_settled_by_reading_back(vehicle, meet):
    vehicle.lost = lambda message: message.get_type() == "MISSION_ACK"
    meet(vehicle, lambda v: missions.upload(v, items_of(4)))
    assert vehicle.count("MISSION_REQUEST_LIST") == 1

    take = vehicle.replies["MISSION_ITEM_INT"]

    def forgetful(message):
        answers = take(message)
        if None not in vehicle.store:
            vehicle.store.pop()
        return answers

    vehicle.replies["MISSION_ITEM_INT"] = forgetful
    with pytest.raises(TransferError, match="not confirmed, and sent 4 items, the vehicle holds 3"):
        meet(vehicle, lambda v: missions.upload(v, items_of(4)))


def test_a_download_asks_again_for_what_is_lost(vehicle, meet):
    vehicle.store = list(items_of(6))
    told = []

    def every_second_is_lost(message):
        told.append(message)
        return message.get_type() != "HEARTBEAT" and len(told) % 2 == 0

    vehicle.lost = every_second_is_lost
    back = meet(vehicle, missions.download)
    assert missions.differences(items_of(6), back) == ()


def test_a_vehicle_that_does_not_tell_its_mission_is_named(vehicle, meet):
    vehicle.replies = {}
    with pytest.raises(TransferError, match="vehicle 1: does not tell its mission"):
        meet(vehicle, missions.download)


def test_ardupilot_gets_a_home_slot_and_px4_none():
    plan = Mission(items_of(3), home=GeoPoint(30.0, 103.0, 480.0))
    slots = missions.slots_of(plan, ardupilot=True, home=None)
    assert len(slots) == 4
    assert (slots[0].lat_deg, slots[0].alt_m, slots[0].frame) == (30.0, 480.0, AltitudeFrame.AMSL)
    assert missions.slots_of(plan, ardupilot=False, home=None) == plan.items


def test_what_autopilots_normalise_is_no_difference():
    sent = (
        MissionItem(Command.NAV_WAYPOINT, AltitudeFrame.AMSL, (0.0,) * 4, 30.0, 103.0, 0.0),
        MissionItem(Command.NAV_WAYPOINT, AltitudeFrame.RELATIVE, (0, 0, 0, math.nan), 30.1, 103.1, 40.0),
        MissionItem(Command.DO_SET_CAM_TRIGG_DIST, AltitudeFrame.MISSION, (20.0, 0.0, 1.0, 0.0)),
    )
    back = (
        dataclasses.replace(sent[0], alt_m=512.3),
        dataclasses.replace(sent[1], params=(0.0, 0.0, 0.0, 0.0), lat_deg=30.1 + 1e-7, alt_m=40.004),
        dataclasses.replace(sent[2], frame=AltitudeFrame.AMSL),
    )
    assert missions.differences(sent, back, home_slot=True) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"alt_m": 41.0}, "altitude 40.00 m became 41.00 m"),
        ({"lat_deg": 30.0501}, "30.0501000, 103.15"),
        ({"frame": AltitudeFrame.AMSL}, "altitude frame 3 became 0"),
        ({"command": Command.NAV_LAND}, "is NAV_LAND on the vehicle"),
        ({"params": (5.0, 0.0, 0.0, 0.0)}, "parameter 1: 0 became 5"),
    ],
)
def test_what_would_fly_otherwise_is_told_in_words(change, words):
    sent = items_of(1)
    (line,) = missions.differences(sent, (dataclasses.replace(sent[0], **change),))
    assert words in line


def test_a_missing_item_is_a_difference():
    assert "sent 3 items, the vehicle holds 2" in missions.differences(items_of(3), items_of(2))
