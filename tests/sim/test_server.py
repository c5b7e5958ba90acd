"""The simulator as a process that stations connect to: addresses, one client at a time, an orderly end."""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Encoder, Parser
from plans.frames import GeoPoint
from sim.errors import ListenError
from sim.faults import Fault
from sim.links import open_link, parse_address
from sim.radio import RadioSettings, Reach
from sim.server import SimSettings, serve

from .conftest import HOME

SETTINGS = SimSettings(home=HOME, listen=("tcpin:127.0.0.1:0",), speedup=20.0)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("tcpin:127.0.0.1:5760", "tcpin"),
        ("tcpin://127.0.0.1:5760", "tcpin"),
        ("udp:0.0.0.0:14550", "udpin"),
        ("udpin::14550", "udpin"),
        ("udpout:localhost:14550", "udpout"),
        ("tcp:10.0.0.2:5760/", "tcp"),
    ],
)
def test_addresses_are_written_in_either_way(url, kind):
    address = parse_address(url)
    assert address.kind == kind
    assert address.port in (5760, 14550)
    assert address.host


@settings(derandomize=True, deadline=None, max_examples=100, database=None)
@given(st.text("tcpudin:/.0123456789x ", max_size=20))
def test_an_address_is_understood_or_refused(url):
    try:
        assert 0 <= parse_address(url).port <= 65535
    except ListenError as error:
        if "take tcpin:HOST:PORT" not in str(error):
            raise


def test_a_port_that_is_taken_says_so():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ListenError, match="cannot be opened"):
            open_link(f"tcpin:127.0.0.1:{port}")


@contextmanager
def simulator(settings_):
    """A simulator in a thread; gives (addresses, news) and ends it."""
    stop, ready, news, addresses, result = threading.Event(), threading.Event(), [], [], []

    def on_ready(urls):
        addresses.extend(urls)
        ready.set()

    def run():
        result.extend(serve(settings_, on_ready, stop, news.append))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(20)
        yield addresses, news, result
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


class Client:
    """A TCP station."""

    def __init__(self, url):
        _, host, port = url.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=5)
        self._parser, self._encoder = Parser(), Encoder(255, 190)
        self.messages = []

    def listen(self, seconds, until=lambda message: False):
        """Take in messages; True as soon as `until` holds for one."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.socket], [], [], left)[0]:
                data = self.socket.recv(65536)
                new = self._parser.feed(data)
                self.messages += new
                if any(until(m) for m in new):
                    return True
                if not data:
                    return False
        return False

    def say(self, message):
        self.socket.sendall(self._encoder.encode(message))

    def close(self):
        self.socket.close()


def heartbeat(message):
    return message.get_type() == "HEARTBEAT"


def attitude(message):
    return message.get_type() == "ATTITUDE"


def ask_for_attitude(client):
    client.say(
        mavlink.MAVLink_command_long_message(
            1, 1, mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, 0, mavlink.MAVLINK_MSG_ID_ATTITUDE, 1e5, *(0,) * 5
        )
    )


def test_a_second_client_gets_nothing_until_the_first_is_gone_and_asks_again_for_streams():
    with simulator(SETTINGS) as (addresses, _, _):
        first = Client(addresses[0])
        ask_for_attitude(first)
        assert first.listen(10, attitude)
        second = Client(addresses[0])
        assert not second.listen(0.5)
        assert second.messages == []
        first.close()
        assert second.listen(10, heartbeat)
        assert not second.listen(0.5, attitude)
        ask_for_attitude(second)
        assert second.listen(10, attitude)
        second.close()


def test_two_links_and_two_vehicles_are_all_heard():
    listen = ("tcpin:127.0.0.1:0", "udpin:127.0.0.1:0")
    with simulator(replace(SETTINGS, listen=listen, vehicles=2)) as (addresses, _, _):
        assert addresses[0].startswith("tcp:127.0.0.1:")
        assert addresses[1].startswith("udpout:127.0.0.1:")
        client = Client(addresses[0])
        client.listen(10, lambda m: heartbeat(m) and m.get_srcSystem() == 2)
        assert {m.get_srcSystem() for m in client.messages} == {1, 2}
        client.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as station:
            station.settimeout(10)
            beat = mavlink.MAVLink_heartbeat_message(6, 8, 0, 0, 0, 3)
            station.sendto(Encoder(255, 190).encode(beat), ("127.0.0.1", int(addresses[1].split(":")[2])))
            assert heartbeat(Parser().feed(station.recv(2000))[0])


def test_simulated_time_goes_as_fast_as_asked_and_the_news_and_numbers_come_out():
    with simulator(replace(SETTINGS, speedup=40.0, faults=(Fault("gps_loss", 5.0, duration_s=2.0),))) as run:
        addresses, news, result = run
        client = Client(addresses[0])
        begun = time.monotonic()
        assert client.listen(20, lambda m: m.get_type() == "GPS_GLOBAL_ORIGIN")  # 20 simulated seconds
        assert 0.3 < time.monotonic() - begun < 10
        client.close()
    assert [n.kind for n in news if n.kind.startswith("fault")] == ["fault", "fault_over"]
    assert any(n.kind == "text" and "ArduCopter" in n.text for n in news)
    (summary,) = result
    assert summary.sysid == 1
    assert summary.time_s >= 20
    assert (summary.flight_s, summary.armed, summary.airborne, summary.photos_announced) == (
        0,
        False,
        False,
        0,
    )


def test_a_dead_radio_carries_nothing():
    with simulator(replace(SETTINGS, radio=RadioSettings(loss=0.999))) as (addresses, _, _):
        client = Client(addresses[0])
        client.listen(1.0)
        assert len(client.messages) < 5
        client.close()


def test_a_bad_listen_address_ends_it_before_it_begins():
    with pytest.raises(ListenError, match="is not understood"):
        serve(replace(SETTINGS, listen=("tcpin:127.0.0.1",)))
    with pytest.raises(ListenError, match="cannot be opened"):
        serve(replace(SETTINGS, listen=("tcpin:203.0.113.1:0",)))  # an address that is no machine's


def test_each_link_reaches_as_far_as_its_radio_and_its_own_modem_says_so():
    far = RadioSettings(reach=Reach(5000.0, GeoPoint(HOME.lat_deg + 0.3, HOME.lon_deg)))
    near = RadioSettings(reach=Reach(5000.0))
    two = replace(SETTINGS, listen=("tcpin:127.0.0.1:0",) * 2, radios=(far, near))
    with simulator(two) as (addresses, _, _):
        clients = [Client(url) for url in addresses]
        assert clients[1].listen(10, heartbeat)
        assert clients[0].listen(10, lambda m: m.get_type() == "RADIO_STATUS")
        assert not clients[0].listen(0.5, heartbeat)
        assert clients[1].listen(10, lambda m: m.get_type() == "RADIO_STATUS")
        rssi = [next(m.rssi for m in c.messages if m.get_type() == "RADIO_STATUS") for c in clients]
        assert rssi[0] < 40 < rssi[1]
        for client in clients:
            client.close()
