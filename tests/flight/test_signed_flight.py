"""Stations and vehicles that sign: whole flights, strangers that get nowhere, keys that come and go."""

import asyncio
import contextlib
import importlib.util
import json
import logging
import socket
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import NoVehicleError, SigningError
from flight.flying.fly import fly_mission
from flight.flying.job import FlightJob
from flight.logs.files import read_log
from flight.signing.setup import disable_signing, enable_signing
from flight.signing.signatures import SigningKey, Verdict
from flight.station import StationSettings, open_station
from flight.wire import Encoder

_spec = importlib.util.spec_from_file_location("signed_peers", Path(__file__).with_name("signed_peers.py"))
peers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(peers)

KEY = SigningKey(bytes(range(100, 132)))
OTHER = SigningKey(bytes(32 * [9]))


@pytest.fixture(autouse=True)
def quiet_pymavlink(caplog):
    """pymavlink tells of new streams on its log."""
    caplog.set_level(logging.CRITICAL)


@pytest.fixture
def opened():
    with contextlib.ExitStack() as stack:

        def start(thing):
            stack.callback(thing.close)
            return thing

        yield start


@pytest.mark.slow
def test_a_whole_flight_is_signed_both_ways(simulator, mission, opened, tmp_path):
    address = simulator(speedup=8.0, params=(("DISARM_DELAY", 0.0),))
    door = opened(peers.Door(int(address.rsplit(":", 1)[1]), KEY.reveal()))
    settings = StationSettings(KEY, tmp_path / "clock")
    result = fly_mission(
        FlightJob(mission, tmp_path / "flight"), [f"tcp:127.0.0.1:{door.port}"], settings=settings
    )
    assert result.complete, result.notes
    assert result.differences == ()
    assert door.rejected == 0
    signing = result.report()["signing"]
    assert signing["good"] > 300
    assert (signing["bad"], signing["old"], signing["unsigned"]) == (0, 0, 0)
    assert read_log(result.tlog).camera_events == result.camera_events
    for file in tmp_path.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert KEY.reveal() not in data
            assert KEY.reveal().hex().encode() not in data


def test_a_signed_vehicle_does_not_obey_a_station_without_the_key(simulator, mission, opened, tmp_path):
    door = opened(peers.Door(int(simulator().rsplit(":", 1)[1]), KEY.reveal()))
    with pytest.raises(Exception, match=r"no answer|not tell|stopped"):
        fly_mission(FlightJob(mission, tmp_path), [f"tcp:127.0.0.1:{door.port}"])
    assert door.kinds == []
    assert door.rejected > 3


@pytest.mark.parametrize(("secret", "word"), [(None, "does not sign"), (OTHER, "another key")])
def test_a_station_with_a_key_does_not_hear_who_has_not_got_it(opened, quick, secret, word):
    vehicle = opened(peers.SigningVehicle(secret and secret.reveal()))
    lines = []

    async def story():
        settings = StationSettings(KEY, on_trouble=lines.append)
        async with open_station([f"tcp:127.0.0.1:{vehicle.port}"], quick, settings=settings) as station:
            with pytest.raises(NoVehicleError):
                await station.wait_for_vehicle(1.0)
            return station.report()["signing"]

    counts = asyncio.run(story())
    assert counts["good"] == 0
    assert counts["bad" if secret else "unsigned"] >= 5
    assert len(lines) == 1
    assert word in lines[0]


def test_a_key_is_given_used_and_taken_away(opened, quick):
    vehicle = opened(peers.SigningVehicle())

    async def story():
        settings = StationSettings(KEY, allow_unsigned=True)
        async with open_station([f"tcp:127.0.0.1:{vehicle.port}"], quick, settings=settings) as station:
            met = await station.wait_for_vehicle(5.0)
            assert station.signing.last[1] is Verdict.UNSIGNED_ALLOWED
            await enable_signing(met)
            assert vehicle.mav.signing.secret_key == KEY.reveal()
            await asyncio.sleep(0.3)
            assert station.signing.last[1] is Verdict.GOOD
            await disable_signing(met)
            assert vehicle.mav.signing.secret_key is None

    asyncio.run(story())


def test_a_key_leaves_no_trace_in_the_recording(opened, quick, tmp_path):
    from flight.logs.recorder import Recorder

    vehicle = opened(peers.SigningVehicle())

    async def story(recorder):
        settings = StationSettings(KEY, allow_unsigned=True)
        address = f"tcp:127.0.0.1:{vehicle.port}"
        async with open_station([address], quick, recorder, settings=settings) as station:
            await enable_signing(await station.wait_for_vehicle(5.0))

    with Recorder(tmp_path) as recorder:
        asyncio.run(story(recorder))
    assert KEY.reveal() not in (tmp_path / "telemetry.tlog").read_bytes()
    assert "SETUP_SIGNING" not in read_log(tmp_path / "telemetry.tlog").messages


def test_a_vehicle_that_does_not_take_the_key_is_told(opened, quick):
    vehicle = opened(peers.SigningVehicle(obeys=False))

    async def story():
        settings = StationSettings(KEY, allow_unsigned=True)
        async with open_station([f"tcp:127.0.0.1:{vehicle.port}"], quick, settings=settings) as station:
            await enable_signing(await station.wait_for_vehicle(5.0))

    quick = type(quick)("test", answer_s=0.15, tries=2, silence_s=1.0)
    with pytest.raises(SigningError, match="no signed word came back"):
        asyncio.run(story())


def test_a_key_does_not_go_to_a_flying_vehicle_nor_over_the_air(opened, quick, free_port):
    vehicle = opened(peers.SigningVehicle())
    vehicle.armed = True
    settings = StationSettings(KEY, allow_unsigned=True)

    async def armed():
        async with open_station([f"tcp:127.0.0.1:{vehicle.port}"], quick, settings=settings) as station:
            await enable_signing(await station.wait_for_vehicle(5.0))

    async def over_the_air():
        port = free_port()
        beat = mavlink.MAVLink_heartbeat_message(2, mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, 81, 0, 3, 3)
        async with open_station([f"udpin:0.0.0.0:{port}"], quick, settings=settings) as station:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(Encoder(1, 1).encode(beat), ("127.0.0.1", port))
                met = await station.wait_for_vehicle(5.0)
                await enable_signing(met)

    with pytest.raises(SigningError, match="is armed"):
        asyncio.run(armed())
    with pytest.raises(SigningError, match=r"over a cable only.*--force"):
        asyncio.run(over_the_air())


def test_a_drone_that_has_no_clock_yet_gets_the_time_from_its_station(opened, quick):
    vehicle = opened(peers.SigningVehicle(KEY.reveal(), timestamp=1000))

    async def story():
        address = f"tcp:127.0.0.1:{vehicle.port}"
        async with open_station([address], quick, settings=StationSettings(KEY)) as station:
            await station.wait_for_vehicle(5.0)
            return station.report()["signing"]

    counts = asyncio.run(story())
    assert counts["good"] >= 1
    assert vehicle.mav.signing.timestamp > 10**12


def test_replayed_messages_do_nothing_and_are_told(opened, quick, free_port, tmp_path):
    """Somebody recorded the vehicle's signed words and sends them again."""
    from flight.logs.recorder import Recorder

    port, lines = free_port(), []
    mav = peers.signer(KEY.reveal())

    async def story(recorder):
        settings = StationSettings(KEY, on_trouble=lines.append)
        beat = mavlink.MAVLink_heartbeat_message(2, mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, 81, 0, 3, 3)
        first = beat.pack(mav)
        address = f"udpin:127.0.0.1:{port}"
        async with open_station([address], quick, recorder, settings=settings) as station:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for packet in (first, beat.pack(mav), first, first):
                    sender.sendto(packet, ("127.0.0.1", port))
                await station.wait_for_vehicle(5.0)
                async with asyncio.timeout(5.0):
                    while station.signing.counts.total() < 4:
                        await asyncio.sleep(0.01)
                return station.report()["signing"]

    with Recorder(tmp_path) as recorder:
        counts = asyncio.run(story(recorder))
    assert (counts["good"], counts["old"]) == (2, 2)
    assert len(lines) == 1
    assert "old or repeated" in lines[0]
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [(e["action"], e["why"]) for e in events] == [("signature rejected", "old or replayed")]
