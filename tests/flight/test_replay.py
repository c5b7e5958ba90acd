"""A recorded flight again: the same packets, at their own pace."""

import asyncio
import struct

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import LogError
from flight.links.link import open_link
from flight.links.replay import open_recording, play
from flight.wire import Encoder, Parser, station_heartbeat, vehicle_heartbeat

START_US = 1_782_871_200_000_000


@pytest.fixture
def log(tmp_path):
    """A beat of the vehicle and one of the station each tenth of a second, for four seconds."""
    vehicle, station = Encoder(1, 1), Encoder(255)
    data = b""
    for number in range(41):
        stamp = struct.pack(">Q", START_US + 100_000 * number)
        data += stamp + vehicle.encode(
            vehicle_heartbeat(2, mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, 81, number, 3)
        )
        data += stamp + station.encode(station_heartbeat())
    path = tmp_path / "flight.logs.tlog"
    path.write_bytes(data)
    return open_recording(path)


def listen(log, free_port, **options):
    """Play to a listener on UDP; gives what was played, and (seconds, message) of what arrived."""

    async def story():
        loop, parser, port = asyncio.get_running_loop(), Parser(), free_port()
        arrived = []

        def take(data):
            arrived.extend((loop.time(), message) for message in parser.feed(data))

        link = await open_link(f"udp:127.0.0.1:{port}", take)
        played = await play(log, f"udpout:127.0.0.1:{port}", **options)
        async with asyncio.timeout(5.0):
            while len(arrived) < played.packets:
                await asyncio.sleep(0.01)
        await link.close()
        return played, arrived

    return asyncio.run(story())


def test_the_length_and_the_stations_of_a_recording_are_known(log):
    assert log.duration_s == pytest.approx(4.0)
    assert log.stations == {(255, 190)}


def test_the_vehicles_packets_come_and_not_the_stations(log, free_port):
    played, arrived = listen(log, free_port, speed=20.0)
    assert (played.packets, played.from_s, played.until_s) == (41, 0.0, pytest.approx(4.0))
    assert [m.custom_mode for _, m in arrived] == list(range(41))
    assert {m.get_srcSystem() for _, m in arrived} == {1}


def test_the_pace_is_the_recordings_times_the_speed(log, free_port):
    _, arrived = listen(log, free_port, speed=4.0)
    first_s = arrived[0][0]
    off = [at - first_s - 0.1 * m.custom_mode / 4.0 for at, m in arrived]
    assert max(abs(s) for s in off) < 0.15


def test_it_can_begin_in_the_middle(log, free_port):
    played, arrived = listen(log, free_port, speed=20.0, from_s=3.0)
    assert [m.custom_mode for _, m in arrived] == list(range(30, 41))
    assert played.from_s == 3.0


def test_a_start_beyond_the_end_is_refused(log, free_port):
    with pytest.raises(LogError, match="lasts 4 s; it cannot be played from 9 s"):
        asyncio.run(play(log, f"udpout:127.0.0.1:{free_port()}", from_s=9.0))


def test_a_listening_replay_waits_for_somebody(log, free_port):
    async def story():
        port, parser, heard, waiting = free_port(), Parser(), [], asyncio.Event()
        playing = asyncio.create_task(
            play(log, f"tcpin:127.0.0.1:{port}", speed=50.0, on_waiting=waiting.set)
        )
        await asyncio.wait_for(waiting.wait(), 5.0)
        link = await open_link(f"tcp:127.0.0.1:{port}", lambda data: heard.extend(parser.feed(data)))
        played = await playing
        async with asyncio.timeout(5.0):
            while len(heard) < played.packets:
                await asyncio.sleep(0.01)
        await link.close()
        return heard

    assert [m.custom_mode for m in asyncio.run(story())] == list(range(41))


def test_it_can_be_stopped(log, free_port):
    shares = []
    played = asyncio.run(
        play(
            log,
            f"udpout:127.0.0.1:{free_port()}",
            on_share=shares.append,
            should_stop=lambda: len(shares) >= 3,
        )
    )
    assert played.packets == 3
