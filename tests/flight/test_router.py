"""Others ride along: who hears what, who may say what, and nobody gets in the station's way."""

import asyncio
import contextlib
import json
import logging
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import AddressError, LinkError
from flight.links.endpoints import EndpointSpec, May, parse_endpoint
from flight.links.link import open_link
from flight.links.router import COMPONENT_BESIDE_RIDERS, Router
from flight.logs.recorder import Recorder
from flight.logs.tlog import packets
from flight.missions import lists
from flight.missions.download import download
from flight.missions.upload import upload
from flight.signing.clock import steps_at
from flight.signing.signatures import SigningKey, sign, verify
from flight.station import StationSettings, open_station
from flight.wire import Encoder, Parser, station_heartbeat, vehicle_heartbeat
from plans.mission import AltitudeFrame, Command, MissionItem

KEY = SigningKey(bytes(range(100, 132)))
STATION = (255, COMPONENT_BESIDE_RIDERS)
HERE = "udpout:127.0.0.1:1"


class Wire:
    """A link that remembers what was written."""

    connected = True
    dropped = 0

    def __init__(self):
        self.out = []

    def write(self, data):
        self.out.append(bytes(data))

    def kinds(self):
        return [m.get_type() for data in self.out for m in Parser().feed(data)]


class Yard:
    """A router with a vehicle (1) on one link, another (2) on a second, and riders at endpoints."""

    def __init__(self, *specs, signing=None):
        self.events = []
        self.now_s = 100.0
        self.links = [Wire(), Wire()]
        self.router = Router(
            [parse_endpoint(s) for s in specs],
            STATION,
            lambda packet, link: link.write(packet),
            signing,
            lambda action, **detail: self.events.append((action, detail)),
            clock=lambda: self.now_s,
        )
        self.riders = []
        for endpoint in self.router.endpoints:
            endpoint.link = Wire()
            self.riders.append(endpoint.link)
        self.vehicles = [Encoder(1, 1), Encoder(2, 1)]
        for number in (0, 1):
            self.vehicle_says(vehicle_heartbeat(2, 3, 81, 0, 3), number)
        for rider in self.riders:
            rider.out.clear()

    def vehicle_says(self, message, number=0, link=None):
        packet = self.vehicles[number].encode(message)
        self.router.heard(Parser().feed(packet)[0], self.links[number if link is None else link])

    def rider_says(self, message, number=0, ids=(255, 190), encoder=None):
        self.raw(number, (encoder or Encoder(*ids)).encode(message))

    def raw(self, number, packet):
        for message in Parser().feed(packet):
            self.router.said(message, self.router.endpoints[number])

    def refused(self, number=0):
        return dict(self.router.endpoints[number].refused)


def command(number=400, system=1, component=1):
    return mavlink.MAVLink_command_long_message(system, component, number, 0, 1, 0, 0, 0, 0, 0, 0)


def attitude():
    return mavlink.MAVLink_attitude_message(1, 0, 0, 0, 0, 0, 0)


# -- addresses -----------------------------------------------------------------------------------------------


def test_a_rider_on_this_machine_may_command_one_elsewhere_may_listen():
    assert parse_endpoint("udpout:127.0.0.1:14550") == EndpointSpec(
        "udpout:127.0.0.1:14550", May.COMMAND, lend=True
    )
    for text in ("udpout:10.0.0.7:14550", "tcpin:0.0.0.0:5760", "serial:/dev/ttyUSB1:57600"):
        assert parse_endpoint(text) == EndpointSpec(text, May.LISTEN)


def test_a_filter_is_read_from_behind_the_address():
    spec = parse_endpoint("udp://10.0.0.7:1?may=read&deny=ATTITUDE,33&allow=heartbeat&systems=1,7&sign=lend")
    assert spec == EndpointSpec(
        "udp://10.0.0.7:1", May.READ, frozenset({0}), frozenset({30, 33}), frozenset({1, 7}), True
    )


@pytest.mark.parametrize(
    "tail",
    [
        "may=fly",
        "allow=NOTHING",
        "allow=",
        "deny=99999999",
        "systems=0",
        "systems=x",
        "what=1",
        "x",
        "sign=no",
    ],
)
def test_a_filter_that_is_not_understood_is_named(tail):
    with pytest.raises(AddressError) as caught:
        parse_endpoint(f"{HERE}?{tail}")
    assert tail.partition("=")[0] in str(caught.value)
    assert "\n" not in str(caught.value)


# -- who hears what ------------------------------------------------------------------------------------------


def test_what_a_vehicle_says_to_all_is_heard_by_every_rider():
    yard = Yard(HERE, "udpout:127.0.0.1:2?may=listen")
    yard.vehicle_says(attitude())
    assert [rider.kinds() for rider in yard.riders] == [["ATTITUDE"], ["ATTITUDE"]]
    assert yard.links[1].out == []


def test_an_answer_goes_to_who_asked_and_to_nobody_else():
    yard = Yard(HERE, "udpout:127.0.0.1:2")
    yard.rider_says(station_heartbeat(), 0, ids=(255, 190))
    yard.rider_says(station_heartbeat(), 1, ids=(255, 230))
    for rider in yard.riders:
        rider.out.clear()
    yard.vehicle_says(mavlink.MAVLink_command_ack_message(400, 0, 0, 0, 255, 230))
    yard.vehicle_says(mavlink.MAVLink_command_ack_message(400, 0, 0, 0, *STATION))
    assert [rider.kinds() for rider in yard.riders] == [[], ["COMMAND_ACK"]]


def test_a_command_goes_to_the_vehicle_that_it_names():
    yard = Yard(HERE)
    yard.rider_says(command(system=2))
    assert [link.kinds() for link in yard.links] == [[], ["COMMAND_LONG"]]
    yard.rider_says(command(system=9))
    assert [len(link.out) for link in yard.links] == [0, 1]
    yard.rider_says(station_heartbeat())
    assert [len(link.out) for link in yard.links] == [1, 2]


def test_a_photo_message_is_for_everybody_though_it_names_a_system():
    yard = Yard(HERE)
    yard.vehicle_says(mavlink.MAVLink_camera_feedback_message(1, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    assert yard.riders[0].kinds() == ["CAMERA_FEEDBACK"]


def test_messages_of_another_dialect_pass_as_they_are():
    yard = Yard(HERE)
    body = bytes([4, 0, 0, 5, 1, 1, 0x11, 0x22, 0x33]) + b"abcd"
    packet = b"\xfd" + body + b"\1\2"
    yard.router.heard(Parser().feed(packet + packet)[0], yard.links[0])
    assert yard.riders[0].out == [packet]


def test_riders_hear_each_other_but_never_themselves():
    yard = Yard(HERE, "udpout:127.0.0.1:2")
    yard.rider_says(station_heartbeat(), 0)
    assert [rider.kinds() for rider in yard.riders] == [[], ["HEARTBEAT"]]


# -- who may say what ----------------------------------------------------------------------------------------


def test_who_may_listen_says_nothing_and_who_may_read_asks_only():
    yard = Yard(f"{HERE}?may=listen", f"{HERE}?may=read")
    ask = mavlink.MAVLink_param_request_list_message(1, 1)
    for number in (0, 1):
        for message in (ask, command(400), command(mavlink.MAV_CMD_REQUEST_MESSAGE), station_heartbeat()):
            yard.rider_says(message, number)
    assert yard.links[0].kinds() == ["PARAM_REQUEST_LIST", "COMMAND_LONG"]
    assert yard.refused(0) == {"may only listen": 4}
    assert yard.refused(1) == {"may only read": 2}


def test_filters_hold_in_both_directions():
    yard = Yard(f"{HERE}?deny=ATTITUDE,PARAM_SET&systems=1")
    yard.vehicle_says(attitude())
    yard.vehicle_says(vehicle_heartbeat(2, 3, 81, 0, 3))
    yard.vehicle_says(vehicle_heartbeat(2, 3, 81, 0, 3), 1)
    assert yard.riders[0].kinds() == ["HEARTBEAT"]
    yard.rider_says(mavlink.MAVLink_param_set_message(1, 1, b"X", 1.0, 9))
    yard.rider_says(command(system=2))
    yard.rider_says(command(system=0))
    yard.rider_says(mavlink.MAVLink_manual_control_message(2, 0, 0, 0, 0, 0))
    assert [link.out for link in yard.links] == [[], []]
    assert yard.refused() == {"filtered": 1, "not one of its systems": 3}


def test_a_rider_speaks_neither_as_the_station_nor_as_a_vehicle():
    yard = Yard(HERE)
    yard.rider_says(command(), ids=STATION)
    yard.rider_says(attitude(), ids=(1, 1))
    assert [link.out for link in yard.links] == [[], []]
    assert yard.refused() == {"speaks as this station": 1, "speaks as a vehicle": 1}


def test_an_echo_is_not_sent_round_and_round():
    yard = Yard(HERE, "udpout:127.0.0.1:2")
    yard.vehicle_says(attitude())
    (packet,) = yard.riders[0].out
    for _ in range(5):
        yard.raw(0, packet)
    assert [len(rider.out) for rider in yard.riders] == [1, 1]


def test_the_same_packet_over_two_ways_is_one():
    yard = Yard(HERE, "udpout:127.0.0.1:2")
    packet = Encoder(255, 190).encode(command())
    yard.raw(0, packet)
    yard.raw(1, packet)
    assert yard.links[0].kinds() == ["COMMAND_LONG"]
    assert yard.refused(1) == {"came twice": 1}
    yard.now_s += 2.0
    yard.raw(1, packet)
    assert len(yard.links[0].out) == 2
    vehicle = yard.vehicles[0].encode(attitude())
    for link in yard.links:
        yard.router.heard(Parser().feed(vehicle)[0], link)
    assert yard.riders[0].kinds() == ["ATTITUDE"]


def test_a_key_is_never_passed_on():
    yard = Yard(HERE)
    setup = mavlink.MAVLink_setup_signing_message(1, 1, bytes(range(32)), 5)
    yard.rider_says(setup)
    yard.vehicle_says(setup)
    assert yard.links[0].out == yard.riders[0].out == []
    assert yard.refused() == {"carries a key": 1}


def test_what_riders_command_is_in_the_journal_and_floods_do_not_fill_it():
    yard = Yard(HERE)
    encoder = Encoder(255, 190)
    for _ in range(100):
        yard.rider_says(command(), encoder=encoder)
    assert len(yard.links[0].out) == 100
    assert yard.events[0] == (
        "rider command",
        {"endpoint": HERE, "message": "COMMAND_LONG", "vehicle": 1, "command": 400},
    )
    assert len(yard.events) == 5


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_bytes_an_endpoint_sends_nothing_raises(data):
    yard = Yard(HERE, f"{HERE}?may=read&systems=1")
    encoder = Encoder(data.draw(st.integers(1, 255)), data.draw(st.integers(0, 255)))
    kinds = st.sampled_from(sorted(mavlink.mavlink_map))
    stream = bytearray()
    for _ in range(data.draw(st.integers(1, 5))):
        kind = mavlink.mavlink_map[data.draw(kinds)]
        payload = data.draw(st.binary(min_size=kind.unpacker.size, max_size=kind.unpacker.size))
        body = (
            bytes([len(payload), 0, 0, 1, encoder.sysid, encoder.compid])
            + kind.id.to_bytes(3, "little")
            + payload
        )
        crc = mavlink.x25crc(body + bytes([kind.crc_extra])).crc
        stream += b"\xfd" + body + crc.to_bytes(2, "little")
    for at, change in data.draw(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=3)):
        stream[at % len(stream)] ^= change
    for number in (0, 1):
        yard.raw(number, bytes(stream))
    for message in Parser().feed(bytes(stream)):
        yard.router.heard(message, yard.links[0])


# -- signing -------------------------------------------------------------------------------------------------


def _signing():
    from flight.signing.clock import SigningClock
    from flight.signing.signatures import Signing

    return Signing(KEY, SigningClock(None, "k"))


def test_on_a_signed_station_a_rider_from_elsewhere_needs_the_key():
    yard = Yard("udpout:10.0.0.7:1?may=command", HERE, signing=_signing())
    plain = Encoder(255, 190).encode(command())
    now = steps_at(2_000_000_000.0)
    yard.raw(0, plain)
    yard.raw(0, sign(plain, SigningKey(bytes(32 * [5])), 0, now))
    assert yard.links[0].out == []
    good = sign(plain, KEY, 0, now + 1)
    yard.raw(0, good)
    yard.raw(0, good)
    assert len(yard.links[0].out) == 1
    assert yard.refused() == {"unsigned": 1, "bad signature": 1, "old or replayed": 1}
    yard.raw(1, Encoder(255, 230).encode(command()))
    assert len(yard.links[0].out) == 2


def test_a_riders_words_reach_a_signed_vehicle_signed_by_the_station(free_port, quick):
    heard = []

    async def story():
        port, door = free_port(), free_port()
        parser = Parser()
        vehicle = await open_link(f"tcpin:127.0.0.1:{port}", lambda d: heard.extend(parser.feed(d)))
        wanted = StationSettings(
            KEY, allow_unsigned=True, forward=(parse_endpoint(f"tcpin:127.0.0.1:{door}"),)
        )
        async with open_station([f"tcp:127.0.0.1:{port}"], quick, sysid=255, settings=wanted) as station:
            encoder = Encoder(1, 1)
            rider = await open_link(f"tcp:127.0.0.1:{door}", lambda data: None)
            async with asyncio.timeout(5.0):
                while not (station.vehicles and rider.connected):
                    vehicle.write(encoder.encode(vehicle_heartbeat(2, 3, 81, 0, 3)))
                    await asyncio.sleep(0.02)
                rider.write(Encoder(255, 190).encode(command()))
                while not any(m.get_type() == "COMMAND_LONG" for m in heard):
                    await asyncio.sleep(0.01)
            await rider.close()
        await vehicle.close()

    asyncio.run(story())
    for message in heard:
        assert verify(bytes(message.get_msgbuf()), KEY)
    assert 190 in {m.get_srcComponent() for m in heard}


# -- whose turn it is ----------------------------------------------------------------------------------------


def test_missions_of_riders_wait_while_the_station_exchanges_one():
    yard = Yard(HERE, "udpout:127.0.0.1:2")
    ask = mavlink.MAVLink_mission_request_list_message(1, 1, 0)

    async def story():
        async with yard.router.mission_turn(1):
            first = Encoder(255, 190)
            for _ in range(3):
                yard.rider_says(ask, 0, encoder=first)
            yard.rider_says(ask, 1, ids=(255, 230))
            yard.rider_says(mavlink.MAVLink_mission_request_list_message(2, 1, 0), 0)
            yard.rider_says(command())
            assert yard.links[0].kinds() == ["COMMAND_LONG"]
            assert yard.links[1].kinds() == ["MISSION_REQUEST_LIST"]  # the other vehicle is free
        assert yard.links[0].kinds() == ["COMMAND_LONG", "MISSION_REQUEST_LIST", "MISSION_REQUEST_LIST"]

    asyncio.run(story())


def test_the_station_waits_for_the_end_of_a_riders_exchange():
    yard = Yard(HERE)
    order = []

    async def ours():
        async with yard.router.mission_turn(1):
            order.append("station")

    async def story():
        yard.rider_says(mavlink.MAVLink_mission_count_message(1, 1, 1, 0))
        task = asyncio.get_running_loop().create_task(ours())
        await asyncio.sleep(0.05)
        order.append("rider")
        yard.vehicle_says(mavlink.MAVLink_mission_ack_message(255, 190, 0, 0))
        await asyncio.wait_for(task, 1.0)

    asyncio.run(story())
    assert order == ["rider", "station"]


def test_a_rider_that_died_in_the_middle_is_not_waited_for_long():
    yard = Yard(HERE)

    async def story():
        yard.rider_says(mavlink.MAVLink_mission_count_message(1, 1, 9, 0))
        yard.now_s += 5.0
        async with asyncio.timeout(1.0), yard.router.mission_turn(1):
            pass

    asyncio.run(story())


def test_a_mission_that_the_station_flies_is_not_replaced():
    yard = Yard(HERE)
    with yard.router.mission_kept(1):
        for message in (
            mavlink.MAVLink_mission_count_message(1, 1, 9, 0),
            mavlink.MAVLink_mission_clear_all_message(0, 0, 0),
            mavlink.MAVLink_mission_request_list_message(1, 1, 0),
        ):
            yard.rider_says(message)
    assert yard.links[0].kinds() == ["MISSION_REQUEST_LIST"]
    assert yard.refused() == {"the station flies its own mission": 2}


# -- with sockets --------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def on_air(vehicle, free_port, quick, forward, recorder=None, **more):
    port = free_port()
    wanted = StationSettings(forward=tuple(map(parse_endpoint, forward)), **more)
    async with (
        vehicle.on_air(port),
        open_station([f"tcp:127.0.0.1:{port}"], quick, recorder, 255, settings=wanted) as station,
    ):
        yield station, await station.wait_for_vehicle(5.0)


def test_a_rider_that_does_not_read_stalls_nobody_and_is_told(scripted, free_port, quick):
    vehicle, lines = scripted(), []
    door, other = free_port(), free_port()

    async def story():
        forward = (f"tcpin:127.0.0.1:{door}", f"tcpin:127.0.0.1:{other}")
        async with on_air(vehicle, free_port, quick, forward, on_trouble=lines.append) as (station, met):
            heard = []
            quick_rider = await open_link(f"tcp:127.0.0.1:{other}", lambda d: heard.append(len(d)))
            with socket.create_connection(("127.0.0.1", door)) as slow:
                slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                endpoint = station.router.endpoints[0]
                text = mavlink.MAVLink_statustext_message(6, bytes(range(1, 51)))
                async with asyncio.timeout(30.0):
                    with met.inbox() as inbox:
                        while not endpoint.dropped:
                            for _ in range(200):
                                vehicle.send(text)
                            while await inbox.next(lambda m: True, 0.02):
                                pass
                        before = sum(heard)
                        vehicle.send(text)
                        assert await inbox.next(lambda m: m.get_type() == "STATUSTEXT", 1.0)
                        while sum(heard) == before:
                            await asyncio.sleep(0.01)
                report = station.report()["forward"]
                assert report[0]["dropped"] > 0
                assert report[1]["dropped"] == 0
            await quick_rider.close()

    asyncio.run(story())
    assert lines == [f"tcpin:127.0.0.1:{door}: rider too slow"]


def test_riders_come_and_go_and_a_taken_port_is_told_at_once(scripted, free_port, quick):
    vehicle, door = scripted(), free_port()

    async def story():
        async with on_air(vehicle, free_port, quick, (f"tcpin:127.0.0.1:{door}",)) as (_, met):
            for _ in range(3):
                heard = []
                rider = await open_link(f"tcp:127.0.0.1:{door}", heard.append)
                async with asyncio.timeout(5.0):
                    while not heard:
                        await asyncio.sleep(0.01)
                await rider.close()
            assert met.silence_s() < 1.0
            with pytest.raises(LinkError, match=str(door)):
                await Router([parse_endpoint(f"tcpin:127.0.0.1:{door}")], STATION, lambda p, k: None).open()

    asyncio.run(story())


def test_the_recording_holds_what_the_station_hears_and_says(scripted, free_port, quick, tmp_path):
    vehicle, door = scripted(), free_port()

    async def story(recorder):
        async with on_air(vehicle, free_port, quick, (f"udpin:127.0.0.1:{door}",), recorder):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rider:
                rider.sendto(Encoder(255, 190).encode(command(401)), ("127.0.0.1", door))
                async with asyncio.timeout(5.0):
                    while not vehicle.count("COMMAND_LONG"):
                        await asyncio.sleep(0.01)

    with Recorder(tmp_path) as recorder:
        asyncio.run(story(recorder))
    spoke = {(p.sysid, p.compid) for p in packets(tmp_path / "telemetry.tlog")}
    assert spoke == {(1, 1), STATION}
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [e["command"] for e in events if e["action"] == "rider command"] == [401]


def test_two_riders_cannot_disturb_the_stations_mission_transfer(simulator, free_port, quick, caplog):
    """Both hammer the vehicle with mission exchanges of their own while ours goes up and comes back."""
    caplog.set_level(logging.CRITICAL)
    doors = (free_port(), free_port())
    plain = (0.0, 0.0, 0.0, 0.0)
    items = tuple(
        MissionItem(Command.NAV_WAYPOINT, AltitudeFrame.RELATIVE, plain, 30.05 + i / 1e4, 103.15, 40.0)
        for i in range(120)
    )

    async def hammer(port, ids):
        encoder = Encoder(*ids)
        rider = await open_link(f"udpout:127.0.0.1:{port}", lambda data: None)
        try:
            while True:
                for message in (
                    mavlink.MAVLink_mission_count_message(1, 1, 2, 0),
                    mavlink.MAVLink_mission_clear_all_message(1, 1, 0),
                    mavlink.MAVLink_mission_request_list_message(1, 1, 0),
                    mavlink.MAVLink_mission_ack_message(1, 1, 15, 0),
                ):
                    rider.write(encoder.encode(message))
                await asyncio.sleep(0.005)
        finally:
            await rider.close()

    async def story():
        forward = tuple(parse_endpoint(f"udpin:127.0.0.1:{door}") for door in doors)
        wanted = StationSettings(forward=forward)
        loop = asyncio.get_running_loop()
        async with open_station([simulator(speedup=2.0)], quick, sysid=255, settings=wanted) as station:
            vehicle = await station.wait_for_vehicle(5.0)
            riders = [
                loop.create_task(hammer(d, ids)) for d, ids in zip(doors, ((255, 190), STATION), strict=True)
            ]
            await asyncio.sleep(0.3)
            async with vehicle.mission_turn():
                await upload(vehicle, items)
                held = await download(vehicle)
            for task in riders:
                task.cancel()
            await asyncio.gather(*riders, return_exceptions=True)
            return held, station.report()["forward"]

    held, report = asyncio.run(story())
    assert lists.differences(items, held, home_slot=True) == ()
    assert report[1]["refused"].keys() == {"speaks as this station"}
