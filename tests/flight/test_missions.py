"""The mission protocol against vehicles that lose, refuse, stall, normalise and answer wrongly, on virtual
time."""

import asyncio
import dataclasses
import math

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import DisputedError, FlightError, TransferError
from flight.links.profiles import find_profile
from flight.missions import lists
from flight.missions.change import change_items, clear
from flight.missions.download import download
from flight.missions.file import file_bytes, pack_items, unpack_items
from flight.missions.marks import compare_with_plan, holds_plan, same_as
from flight.missions.upload import Proof, Way, upload
from flight.wire import item_to_message
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, Command, Mission, MissionItem

from .mission_doubles import ArduPilotMissions, Double, Px4Missions, content_of
from .virtual_time import Radio, Weather, run_virtually

GOOD = Weather(latency_s=0.01, bytes_per_s=1e6)
HOME = MissionItem(Command.NAV_WAYPOINT, AltitudeFrame.AMSL, lat_deg=30.0, lon_deg=103.0, alt_m=500.0)


def items_of(count, alt_m=40.0):
    return tuple(
        MissionItem(
            Command.NAV_WAYPOINT, AltitudeFrame.RELATIVE, (0.0,) * 4, 30.05 + i * 1e-4, 103.15, alt_m + i
        )
        for i in range(count)
    )


def with_home(count, alt_m=40.0):
    return (HOME, *items_of(count - 1, alt_m))


def stored(items):
    return [content_of(item_to_message(item, seq, 1, 1)) for seq, item in enumerate(items)]


def meet(vehicle, work, weather=GOOD, seed=0, profile="wifi", limit_s=1e6):
    """Run `work(station's vehicle)` with a double on a radio; gives its result."""

    async def whole():
        async with Radio(weather, seed).meet(vehicle, find_profile(profile)) as met:
            return await work(met)

    return run_virtually(whole(), limit_s)[0]


def failed(vehicle, work, **settings):
    with pytest.raises(TransferError) as caught:
        meet(vehicle, work, **settings)
    return caught.value


# -- up and down -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vehicle", [ArduPilotMissions(), ArduPilotMissions(ftp=True), Px4Missions()])
def test_a_mission_goes_up_and_comes_back_the_same(vehicle):
    sent = with_home(12)

    async def work(met):
        return await upload(met, sent), await download(met)

    uploaded, back = meet(vehicle, work)
    assert lists.differences(sent, back, home_slot=True) == ()
    assert (uploaded.way, uploaded.proof) == (Way.ITEMS, Proof.READ_BACK)
    assert uploaded.items == back
    assert "MISSION_ITEM" not in vehicle.heard  # only whole-number items, whatever was asked for


def test_an_empty_mission_takes_the_old_one_away():
    vehicle = Px4Missions(old=stored(items_of(5)))
    assert meet(vehicle, lambda v: upload(v, ())).items == ()
    assert vehicle.store == []


def test_progress_never_falls_and_ends_at_one():
    told = []
    meet(ArduPilotMissions(), lambda v: upload(v, with_home(30), on_share=told.append))
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_slow_link_to_ardupilot_gets_a_file():
    vehicle = ArduPilotMissions(ftp=True)
    uploaded = meet(
        vehicle,
        lambda v: upload(v, with_home(150)),
        Weather(0.2, 1.0, 0.05, twice=0.05),
        profile="narrowband",
    )
    assert uploaded.way is Way.FILE
    assert "MISSION_COUNT" not in vehicle.heard
    assert len(vehicle.store) == 150


def test_without_a_file_server_a_slow_link_gets_items():
    vehicle = ArduPilotMissions()
    uploaded = meet(
        vehicle, lambda v: upload(v, with_home(40)), Weather(0.1, 0.5, twice=0.05), profile="narrowband"
    )
    assert uploaded.way is Way.ITEMS


def test_an_upload_that_fails_item_by_item_goes_as_a_file():
    vehicle = ArduPilotMissions(ftp=True)
    answer = vehicle.on_mission_item_int
    vehicle.on_mission_item_int = lambda m: None if m.seq > 3 else answer(m)
    assert meet(vehicle, lambda v: upload(v, with_home(20))).way is Way.FILE
    assert len(vehicle.store) == 20


def test_px4_proves_by_its_own_mark_on_a_slow_link():
    vehicle = Px4Missions(old=stored(items_of(9, 900.0)))
    uploaded = meet(
        vehicle, lambda v: upload(v, items_of(60)), Weather(0.2, 0.6, twice=0.05), profile="narrowband"
    )
    assert uploaded.proof is Proof.MARK
    assert uploaded.mark.opaque_id == vehicle.mark != 0


def test_a_link_that_loses_four_in_ten_still_gets_a_mission_up():
    sent = with_home(100)
    uploaded = meet(ArduPilotMissions(), lambda v: upload(v, sent), dataclasses.replace(GOOD, loss=0.4))
    assert lists.differences(sent, uploaded.items, home_slot=True) == ()


# -- what a vehicle holds after a failure ------------------------------------------------------------------


def test_a_refused_item_is_named_and_what_is_held_then_told():
    vehicle = ArduPilotMissions(old=stored(with_home(6, 900.0)))
    vehicle.refuses = lambda item: mavlink.MAV_MISSION_UNSUPPORTED if item.seq == 3 else None
    fault = failed(vehicle, lambda v: upload(v, with_home(5)))
    assert fault.result == mavlink.MAV_MISSION_UNSUPPORTED
    assert fault.kind == lists.MISSION
    assert "refused at item 3 (NAV_WAYPOINT): command not supported" in str(fault)
    assert "it holds items 0-2 of the new one, then 2 of the old one" in str(fault)
    assert [content[-1] for content in stored(fault.held)[1:]] == [c[-1] for c in vehicle.store[1:]]


def test_a_refused_item_leaves_px4_its_old_mission():
    vehicle = Px4Missions(old=stored(items_of(6, 900.0)))
    vehicle.refuses = lambda item: mavlink.MAV_MISSION_UNSUPPORTED if item.seq == 3 else None
    fault = failed(vehicle, lambda v: upload(v, items_of(5)))
    assert "it holds the old mission of 6 items" in str(fault)
    assert len(fault.held) == 6


def test_a_mission_beyond_the_capacity_changes_nothing():
    vehicle = ArduPilotMissions(capacity=20, old=stored(with_home(6, 900.0)))
    fault = failed(vehicle, lambda v: upload(v, with_home(21)))
    assert fault.result == mavlink.MAV_MISSION_NO_SPACE
    assert "too many items for this vehicle; it holds the old mission of 6 items" in str(fault)


def test_an_ardupilot_that_has_only_just_started_is_given_time():
    """Before its storage is there it says "Only 0 items are supported"."""
    vehicle = ArduPilotMissions()
    answer = vehicle.on_mission_count

    def young(m):
        if vehicle.now_s() > 3.0:
            answer(m)
            return
        vehicle.acknowledge(mavlink.MAV_MISSION_NO_SPACE)
        vehicle.send(mavlink.MAVLink_statustext_message(4, b"Only 0 items are supported"))

    vehicle.on_mission_count = young
    assert len(meet(vehicle, lambda v: upload(v, with_home(4))).items) == 4


def test_a_stalled_upload_ends_and_says_what_is_held():
    vehicle = ArduPilotMissions()
    answer = vehicle.on_mission_item_int
    vehicle.on_mission_item_int = lambda m: None if m.seq == 2 else answer(m)
    fault = failed(vehicle, lambda v: upload(v, with_home(4)))
    assert "at item 2" in str(fault)
    assert "it holds items 0-1 of the new one" in str(fault)


def test_a_vehicle_that_goes_away_leaves_what_it_holds_unknown():
    vehicle = ArduPilotMissions()
    answer = vehicle.on_mission_item_int
    vehicle.on_mission_item_int = lambda m: vehicle.leave_for_good() if m.seq == 2 else answer(m)
    vehicle.leave_for_good = lambda: (vehicle.leave(), setattr(vehicle, "take", lambda m: None))
    fault = failed(vehicle, lambda v: upload(v, with_home(4)))
    assert fault.held is None
    assert "it holds unknown: read it back" in str(fault)


def test_nothing_is_told_as_nothing():
    vehicle = Px4Missions()
    vehicle.refuses = lambda item: mavlink.MAV_MISSION_INVALID
    assert "it holds nothing" in str(failed(vehicle, lambda v: upload(v, items_of(3))))


def test_what_ardupilot_refuses_item_by_item_is_not_sent_as_a_file():
    vehicle = ArduPilotMissions(ftp=True, old=stored(with_home(6, 900.0)))
    vehicle.refuses = lambda item: mavlink.MAV_MISSION_UNSUPPORTED if item.seq == 3 else None
    failed(vehicle, lambda v: upload(v, with_home(5)))
    assert "FILE_TRANSFER_PROTOCOL" not in vehicle.heard


# -- what is not the last word -----------------------------------------------------------------------------


def test_a_lost_last_word_is_settled_by_reading_back():
    vehicle = ArduPilotMissions()
    vehicle.acknowledge = lambda result: None
    assert meet(vehicle, lambda v: upload(v, with_home(4))).proof is Proof.READ_BACK


def test_an_item_that_came_twice_does_not_end_the_upload():
    """ArduPilot asks again before the answer is there and calls its second copy out of order."""
    vehicle = ArduPilotMissions()
    answer = vehicle.on_mission_item_int

    def twice(m):
        answer(m)
        if m.seq in (1, 2):
            answer(m)

    vehicle.on_mission_item_int = twice
    meet(vehicle, lambda v: upload(v, with_home(4)))
    assert vehicle.said["MISSION_ACK"] == 3


def test_the_count_is_told_again_when_nobody_asks():
    vehicle = ArduPilotMissions()
    answer = vehicle.on_mission_count
    vehicle.on_mission_count = lambda m: answer(m) if vehicle.heard["MISSION_COUNT"] > 2 else None
    meet(vehicle, lambda v: upload(v, with_home(3)))
    assert vehicle.heard["MISSION_COUNT"] == 3


def test_a_cancelled_task_tells_the_vehicle_to_ask_no_more():
    vehicle = Px4Missions(old=stored(items_of(2)))
    acks = []
    answer = vehicle.on_mission_ack
    vehicle.on_mission_ack = lambda m: (acks.append(m.type), answer(m))

    async def work(met):
        task = asyncio.get_running_loop().create_task(upload(met, items_of(500)))
        await asyncio.sleep(2.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        await asyncio.sleep(0.5)
        return vehicle.state

    assert meet(vehicle, work) == "idle"
    assert acks == [mavlink.MAV_MISSION_OPERATION_CANCELLED]
    assert len(vehicle.store) == 2


def test_two_vehicles_under_one_id_get_no_mission():
    vehicle = ArduPilotMissions()

    async def work(met):
        with mock_dispute(met):
            await upload(met, with_home(3))

    with pytest.raises(DisputedError):
        meet(vehicle, work)
    assert "MISSION_COUNT" not in vehicle.heard


def mock_dispute(met):
    from unittest import mock

    return mock.patch.object(type(met), "disputed", "two vehicles speak as system 1")


# -- clearing and changing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [ArduPilotMissions, Px4Missions])
def test_a_mission_is_cleared(make):
    vehicle = make(old=stored(with_home(5)))
    meet(vehicle, clear, dataclasses.replace(GOOD, loss=0.3), seed=3)
    assert vehicle.store == []


def test_a_mission_in_use_is_not_cleared():
    vehicle = ArduPilotMissions(old=stored(with_home(5)))
    vehicle.flying = True
    fault = failed(vehicle, clear)
    assert fault.result == mavlink.MAV_MISSION_ERROR
    assert "it holds the old mission" in str(fault)


@pytest.mark.parametrize("make", [ArduPilotMissions, Px4Missions])
def test_some_items_are_changed_and_the_rest_kept(make):
    old = with_home(10)
    vehicle = make(old=stored(old))
    changes = {seq: dataclasses.replace(old[seq], alt_m=77.0) for seq in (2, 3, 7)}
    held = meet(vehicle, lambda v: change_items(v, changes))
    assert [round(item.alt_m) for item in held[1:]] == [40, 77, 77, 43, 44, 45, 77, 47, 48]
    assert [content[-1] for content in vehicle.store] == [item.alt_m for item in held]
    if make is ArduPilotMissions:
        assert vehicle.heard["MISSION_ITEM_INT"] == 3


def test_a_change_that_is_refused_says_what_is_held():
    old = with_home(6)
    vehicle = ArduPilotMissions(old=stored(old))
    vehicle.refuses = lambda item: mavlink.MAV_MISSION_INVALID_PARAM7 if item.z == 78.0 else None
    changes = {2: dataclasses.replace(old[2], alt_m=77.0), 4: dataclasses.replace(old[4], alt_m=78.0)}
    fault = failed(vehicle, lambda v: change_items(v, changes))
    assert "refused at item 4 (NAV_WAYPOINT): an invalid altitude; it holds 1 of the 2 changed" in str(fault)
    assert [item.alt_m for item in fault.held][1:] == [c[-1] for c in vehicle.store][1:]


@pytest.mark.parametrize("seq", [0, 6, -1])
def test_an_item_that_cannot_be_changed_is_said(seq):
    vehicle = ArduPilotMissions(old=stored(with_home(6)))
    failed(vehicle, lambda v: change_items(v, {seq: items_of(1)[0]}))
    assert "MISSION_WRITE_PARTIAL_LIST" not in vehicle.heard


# -- is it still there? ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [ArduPilotMissions, Px4Missions])
def test_a_vehicle_is_asked_whether_it_still_holds_its_plan(make):
    vehicle = make()
    sent = with_home(30)

    async def work(met):
        mark = (await upload(met, sent)).mark
        before = dict(vehicle.heard)
        same = await same_as(met, mark), (await compare_with_plan(met, sent, mark=mark)).held
        asked = vehicle.heard.get("MISSION_REQUEST_INT", 0) - before.get("MISSION_REQUEST_INT", 0)
        changed = list(vehicle.store[7])
        changed[-1] = 11.0
        vehicle.store[7] = tuple(changed)
        if make is Px4Missions:
            vehicle.mark = vehicle.checksum(vehicle.store)
        after = await same_as(met, mark), await holds_plan(met, {lists.MISSION: sent}, {0: mark})
        return same, asked, after

    same, asked, (still, check) = meet(vehicle, work)
    assert same == (True, True)
    assert asked == (0 if make is Px4Missions else 60)
    assert not still
    assert check.held is False
    assert check.differences == ("mission: item 7 (NAV_WAYPOINT): altitude 46.00 m became 11.00 m",)


def test_on_a_slow_link_some_items_tell_for_all():
    sent = with_home(200)
    vehicle = ArduPilotMissions(old=stored(sent))
    slow = Weather(0.1, 1.0)
    check = meet(vehicle, lambda v: compare_with_plan(v, sent), slow, profile="narrowband")
    assert check.held
    assert check.how == "mission: 6 of 200 items"
    check = meet(vehicle, lambda v: compare_with_plan(v, with_home(201)), slow, profile="narrowband")
    assert check.differences == ("mission: sent 201 items, the vehicle holds 200",)


def test_a_vehicle_that_does_not_tell_is_no_answer():
    vehicle = ArduPilotMissions()
    vehicle.on_mission_request_list = lambda m: None
    check = meet(vehicle, lambda v: compare_with_plan(v, with_home(3)))
    assert check.held is None
    assert "does not tell its mission" in check.how
    assert "does not tell its mission" in str(failed(vehicle, download))


# -- vehicles that answer wrongly --------------------------------------------------------------------------


def request(seq, target=255, component=190, kind=0):
    return mavlink.MAVLink_mission_request_int_message(target, component, seq, kind)


def ack(result, target=255, kind=0):
    return mavlink.MAVLink_mission_ack_message(target, 190, result, kind)


def count(number, target=255, kind=0):
    return mavlink.MAVLink_mission_count_message(target, 190, number, kind)


def item(seq, z=1.0, target=255, kind=0, command=16):
    return mavlink.MAVLink_mission_item_int_message(
        target, 190, seq, 3, command, 0, 1, 0, 0, 0, 0, 300_000_000, 1_030_000_000, z, kind
    )


class Wrong(Double):
    """Answers as a table says: by type of message, what is said after how many seconds."""

    def __init__(self, autopilot, answers):
        super().__init__()
        self.autopilot = autopilot
        self._answers = answers

    def take(self, message):
        super().take(message)
        for late_s, answer in self._answers.get(message.get_type(), lambda m: ())(message):
            asyncio.get_running_loop().call_later(late_s, self.send, answer)


def now(*answers):
    return lambda m: [(0.2, answer) for answer in answers]


WRONG = {
    "never": {},
    "late": {
        "MISSION_COUNT": lambda m: [(45.0, request(0))],
        "MISSION_REQUEST_LIST": lambda m: [(45.0, count(2))],
    },
    "twice": {
        "MISSION_COUNT": now(request(0), request(0), ack(1), ack(1)),
        "MISSION_REQUEST_LIST": now(count(2), count(2)),
        "MISSION_REQUEST_INT": lambda m: [(0.2, item(m.seq))] * 2,
    },
    "to another station": {
        "MISSION_COUNT": now(request(0, target=254), ack(0, target=254)),
        "MISSION_REQUEST_LIST": now(count(2, target=254)),
    },
    "to another component": {"MISSION_COUNT": now(request(0, component=7))},
    "a number beyond the list": {
        "MISSION_COUNT": now(request(9999)),
        "MISSION_ITEM_INT": now(request(9999)),
        "MISSION_REQUEST_LIST": now(count(2)),
        "MISSION_REQUEST_INT": lambda m: [(0.2, item(m.seq + 1000))],
    },
    "a negative number": {"MISSION_COUNT": now(request(65535)), "MISSION_REQUEST_INT": now(item(65535))},
    "another kind of list": {
        "MISSION_COUNT": now(request(0, kind=1), ack(0, kind=1)),
        "MISSION_REQUEST_LIST": now(count(2, kind=2)),
    },
    "accepted at once": {"MISSION_COUNT": now(ack(0)), "MISSION_REQUEST_LIST": now(count(0))},
    "accepted in the middle": {
        "MISSION_COUNT": now(request(0)),
        "MISSION_ITEM_INT": now(ack(0)),
        "MISSION_REQUEST_LIST": now(count(1)),
        "MISSION_REQUEST_INT": lambda m: [(0.2, item(m.seq))],
    },
    "a result that nobody knows": {"MISSION_COUNT": now(ack(200))},
    "refused and asked on": {
        "MISSION_COUNT": now(ack(14), request(0)),
        "MISSION_ITEM_INT": now(ack(13), request(1)),
    },
    "the same item for ever": {"MISSION_COUNT": now(request(0)), "MISSION_ITEM_INT": now(request(0))},
    "round and round in order": {
        "MISSION_COUNT": now(request(0)),
        "MISSION_ITEM_INT": lambda m: [(0.2, request((m.seq + 1) % 5))],
    },
    "65535 items": {
        "MISSION_REQUEST_LIST": now(count(65535)),
        "MISSION_REQUEST_INT": lambda m: [(0.2, item(m.seq))] * (m.seq < 40),
    },
    "not a number": {
        "MISSION_COUNT": now(request(0)),
        "MISSION_REQUEST_LIST": now(count(5)),
        "MISSION_REQUEST_INT": lambda m: [(0.2, item(m.seq, z=math.nan, command=0))],
    },
    "a list that grows while it is read": {
        "MISSION_REQUEST_LIST": now(count(3)),
        "MISSION_REQUEST_INT": lambda m: [(0.2, count(m.seq + 50)), (0.2, ack(13))],
    },
    "denied for ever": {"MISSION_REQUEST_LIST": now(ack(14)), "MISSION_COUNT": now(ack(14))},
    "an upload where one was read": {
        "MISSION_REQUEST_LIST": now(request(0)),
        "MISSION_COUNT": now(count(4), item(0)),
    },
}


@pytest.mark.parametrize("autopilot", [mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, mavlink.MAV_AUTOPILOT_PX4, 0])
@pytest.mark.parametrize("name", WRONG)
def test_a_vehicle_that_answers_wrongly_neither_hangs_nor_breaks_the_station(name, autopilot):
    async def work(met):
        ended = []
        for deed in (
            lambda: upload(met, with_home(5)),
            lambda: download(met),
            lambda: clear(met),
            lambda: change_items(met, {1: items_of(1)[0]}),
            lambda: compare_with_plan(met, with_home(5)),
        ):
            try:
                await deed()
                ended.append("done")
            except FlightError as fault:
                ended.append(str(fault))
        return ended

    ended = meet(Wrong(autopilot, WRONG[name]), work, limit_s=8000.0)
    assert ended[0].startswith("vehicle 1: mission upload")
    assert not any("\n" in line for line in ended)


# -- values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [lists.MISSION, lists.FENCE, lists.RALLY])
def test_a_list_survives_its_file(kind):
    sent = with_home(7)
    content = pack_items(sent, kind)
    assert file_bytes(content[:9]) is None
    assert file_bytes(content) == len(content) == 10 + 7 * 38
    assert lists.differences(sent, unpack_items(content, kind)) == ()
    with pytest.raises(FlightError, match="instead of"):
        unpack_items(content[:-1], kind)
    with pytest.raises(FlightError, match="something else"):
        unpack_items(content, (kind + 1) % 3)


def test_ardupilot_gets_a_home_slot_and_px4_none():
    plan = Mission(items_of(3), home=GeoPoint(30.0, 103.0, 480.0))
    slots = lists.slots_of(plan, ardupilot=True, home=None)
    assert len(slots) == 4
    assert (slots[0].lat_deg, slots[0].alt_m, slots[0].frame) == (30.0, 480.0, AltitudeFrame.AMSL)
    assert lists.slots_of(plan, ardupilot=False, home=None) == plan.items


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
    assert lists.differences(sent, back, home_slot=True) == ()


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
    (line,) = lists.differences(sent, (dataclasses.replace(sent[0], **change),))
    assert words in line


def test_a_missing_item_is_a_difference():
    assert "sent 3 items, the vehicle holds 2" in lists.differences(items_of(3), items_of(2))
