"""Addresses as people type them, and links that come and go."""

import asyncio
import os
import socket
import time

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import AddressError, LinkError
from flight.links.link import Address, open_link, parse_address
from flight.station import open_station
from flight.wire import Encoder, station_heartbeat, vehicle_heartbeat


@pytest.mark.parametrize(
    ("text", "kind", "host", "number"),
    [
        ("udp:127.0.0.1:14550", "udpin", "127.0.0.1", 14550),
        ("udpin:0.0.0.0:14550", "udpin", "0.0.0.0", 14550),
        ("udp::14550", "udpin", "0.0.0.0", 14550),
        ("udpout:192.168.1.5:14550", "udpout", "192.168.1.5", 14550),
        ("tcp:127.0.0.1:5760", "tcp", "127.0.0.1", 5760),
        ("tcpin:0.0.0.0:5760", "tcpin", "0.0.0.0", 5760),
        ("udp://:14540", "udpin", "0.0.0.0", 14540),
        ("udpin://0.0.0.0:14540", "udpin", "0.0.0.0", 14540),
        ("tcpout://10.0.0.2:5790", "tcp", "10.0.0.2", 5790),
        ("serial:/dev/ttyUSB0:115200", "serial", "/dev/ttyUSB0", 115200),
        ("serial:///dev/ttyACM0:57600", "serial", "/dev/ttyACM0", 57600),
        ("/dev/ttyUSB0", "serial", "/dev/ttyUSB0", 57600),
        ("/dev/ttyUSB0,921600", "serial", "/dev/ttyUSB0", 921600),
        ("COM3", "serial", "COM3", 57600),
    ],
)
def test_addresses_of_every_common_form_are_understood(text, kind, host, number):
    address = parse_address(text)
    assert (address.kind, address.host) == (kind, host)
    assert number == (address.baud if kind == "serial" else address.port)


@pytest.mark.parametrize(
    "text", ["", "14550", "tcp:localhost", "ftp:a:1", "udp:h:x", "tcp:h:70000", "serial:"]
)
def test_an_address_that_is_not_understood_is_named_with_the_forms(text):
    with pytest.raises(AddressError) as caught:
        parse_address(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_address_prints_as_one_that_is_understood_again():
    for address in (Address("tcp", "10.0.0.1", 5760), Address("serial", "/dev/ttyS0", baud=9600)):
        assert parse_address(str(address)) == address


async def _heard(data, want, timeout_s=5.0):
    async with asyncio.timeout(timeout_s):
        while want not in b"".join(data):
            await asyncio.sleep(0.01)


def test_what_comes_over_udp_while_this_machine_is_busy_is_not_lost(free_port):
    async def story():
        port, heard = free_port(), []
        link = await open_link(f"udpin:127.0.0.1:{port}", heard.append)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as vehicle:
            for number in range(500):  # nobody reads meanwhile
                vehicle.sendto(b"%030d" % number, ("127.0.0.1", port))
        async with asyncio.timeout(10.0):
            while len(heard) < 500:
                await asyncio.sleep(0.01)
        await link.close()

    asyncio.run(story())


def test_udp_listens_and_answers_whoever_spoke(free_port):
    async def story():
        port, at_station, at_vehicle = free_port(), [], []
        station = await open_link(f"udp:127.0.0.1:{port}", at_station.append)
        vehicle = await open_link(f"udpout:127.0.0.1:{port}", at_vehicle.append)
        assert not station.connected
        vehicle.write(b"here I am")
        await _heard(at_station, b"here I am")
        assert station.connected
        station.write(b"fly")
        await _heard(at_vehicle, b"fly")
        await vehicle.close()
        await station.close()

    asyncio.run(story())


def test_twenty_vehicles_on_one_udp_port_each_hear_what_is_for_them_alone(free_port):
    async def story():
        port, at_station = free_port(), []
        station = await open_link(f"udp:127.0.0.1:{port}", at_station.append)
        heard, fleet = [[] for _ in range(20)], []
        for number, ears in enumerate(heard):
            link = await open_link(f"udpout:127.0.0.1:{port}", ears.append)
            link.write(Encoder(number + 1, 1).encode(vehicle_heartbeat(2, 3, 0, 0, 3)))
            fleet.append(link)
        while len(at_station) < 20:
            await asyncio.sleep(0.01)
        ours = Encoder(255)
        orders = [
            ours.encode(mavlink.MAVLink_command_long_message(n + 1, 1, 20, 0, 0, 0, 0, 0, 0, 0, 0))
            for n in range(20)
        ]
        for order in orders:
            station.write(order)
        beat = ours.encode(station_heartbeat())
        station.write(beat)
        async with asyncio.timeout(5.0):
            while not all(beat in ears for ears in heard):
                await asyncio.sleep(0.01)
        for link in (*fleet, station):
            await link.close()
        return heard == [[order, beat] for order in orders]

    assert asyncio.run(story())


def test_packets_in_two_parts_from_two_tcp_clients_do_not_get_into_each_other(free_port, quick):
    async def story():
        port = free_port()
        async with open_station([f"tcpin:127.0.0.1:{port}"], quick, sysid=255) as station:
            clients = [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(2)]
            packets = [Encoder(n, 1).encode(vehicle_heartbeat(2, 3, 0, 0, 3)) for n in (1, 2)]
            for part in (slice(0, 9), slice(9, None)):
                for client, packet in zip(clients, packets, strict=True):
                    client.write(packet[part])
                    await client.drain()
                    await asyncio.sleep(0.05)
            await station.wait_for_vehicle(2.0, 2)
            await station.wait_for_vehicle(2.0, 1)
            for client in clients:
                client.close()
            return sorted(station.vehicles)

    assert asyncio.run(story()) == [1, 2]


def test_tcp_connects_again_when_the_vehicle_comes_back(free_port):
    async def story():
        port, heard = free_port(), []
        client = await open_link(f"tcp:127.0.0.1:{port}", heard.append)  # nobody there yet: no error
        client.write(b"lost, as on any radio")
        for words in (b"first life", b"second life"):
            server = await open_link(f"tcpin:127.0.0.1:{port}", lambda data: None)
            async with asyncio.timeout(5.0):
                while not server.connected or not client.connected:
                    await asyncio.sleep(0.01)
            server.write(words)
            await _heard(heard, words)
            await server.close()
            async with asyncio.timeout(5.0):
                while client.connected:
                    await asyncio.sleep(0.01)
        await client.close()

    asyncio.run(story())


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo terminals here")
def test_a_serial_port_that_takes_nothing_holds_up_nobody():
    import tty

    async def story():
        radio, port = os.openpty()
        tty.setraw(port)
        heard = []
        link = await open_link(f"serial:{os.ttyname(port)}:57600", heard.append)
        link.write(b"fly")
        assert await asyncio.to_thread(os.read, radio, 10) == b"fly"
        os.write(radio, b"flying")
        await _heard(heard, b"flying")
        began_s = time.monotonic()
        while not link.dropped:  # the radio reads no more
            link.write(bytes(200))
        assert time.monotonic() - began_s < 0.5
        os.write(radio, b"still heard")
        await _heard(heard, b"still heard")
        await link.close()
        os.close(radio)
        os.close(port)

    asyncio.run(story())


@pytest.mark.parametrize("kind", ["tcp", "tcpin"])
def test_what_a_slow_side_does_not_take_is_lost_and_counted(free_port, kind):
    async def story():
        port = free_port()
        server = await open_link(f"tcpin:127.0.0.1:{port}", lambda data: None)
        client = await open_link(f"tcp:127.0.0.1:{port}", lambda data: None)
        async with asyncio.timeout(5.0):
            while not (server.connected and client.connected):
                await asyncio.sleep(0.01)
        link = server if kind == "tcpin" else client
        for _ in range(20_000):  # the other side has no turn to read
            link.write(bytes(1000))
        assert 0 < link.dropped < 20_000
        await client.close()
        await server.close()

    asyncio.run(story())


def test_a_port_in_use_is_named(free_port):
    async def story():
        address = f"udp:127.0.0.1:{free_port()}"
        link = await open_link(address, lambda data: None)
        with pytest.raises(LinkError, match=r"udp:127\.0\.0\.1:\d+: cannot be opened"):
            await open_link(address, lambda data: None)
        await link.close()

    asyncio.run(story())


def test_a_radio_that_is_not_plugged_in_is_named():
    async def story():
        with pytest.raises(LinkError, match="/dev/ttyUSB97"):
            await open_link("serial:/dev/ttyUSB97:57600", lambda data: None)

    asyncio.run(story())
