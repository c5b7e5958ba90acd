"""The router: how much later a rider hears a vehicle than straight from it, and what fifty vehicles cost."""

import asyncio
import contextlib
import multiprocessing
import socket
import statistics
import time
from random import Random

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.links.endpoints import parse_endpoint
from flight.links.profiles import find_profile
from flight.signing.clock import steps_at
from flight.signing.signatures import SigningKey, sign
from flight.station import StationSettings, open_station
from flight.wire import Encoder, vehicle_heartbeat

PINGS = 2000
VEHICLES = 50
SECONDS = 10.0
KEY = SigningKey(bytes(range(1, 33)))


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _ping(vehicle_port, rider_port, count, result):
    """A vehicle and a rider in one process: how long each packet is under way from one to the other."""
    encoder = Encoder(1, 1)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as vehicle,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rider,
    ):
        rider.bind(("127.0.0.1", rider_port))
        rider.settimeout(2.0)
        beat = vehicle_heartbeat(2, 3, 81, 0, 3)
        times = []
        for number in range(count + 100):
            message = beat if number == 0 else mavlink.MAVLink_attitude_message(number, 0, 0, 0, 0, 0, 0)
            packet = encoder.encode(message)
            start = time.perf_counter()
            vehicle.sendto(packet, ("127.0.0.1", vehicle_port))
            while rider.recv(2048) != packet:
                pass
            times.append(time.perf_counter() - start)
            time.sleep(0.002)
        result.put(times[100:])


def _fleet(vehicle_port, seconds, rates_hz, signed):
    """Fifty vehicles at the rates that the station asks for, all through one port, as a telemetry network."""
    build = {
        30: lambda: mavlink.MAVLink_attitude_message(1, 0.1, 0.1, 1, 0, 0, 0),
        33: lambda: mavlink.MAVLink_global_position_int_message(1, 300000000, 1030000000, 5, 5, 1, 1, 1, 9),
        74: lambda: mavlink.MAVLink_vfr_hud_message(5, 5, 90, 50, 30, 0),
    }
    other = build[74]
    fleet = [Encoder(i + 1, 1) for i in range(VEHICLES)]
    random = Random(1)
    ticks = []  # when due, period, encoder, message
    for encoder in fleet:
        kinds = [(1.0, lambda: vehicle_heartbeat(2, 3, 81, 0, 3))]
        kinds += [(hz, build.get(number, other)) for number, hz in rates_hz.items()]
        ticks += [[random.uniform(0, 1 / hz), 1 / hz, encoder, message] for hz, message in kinds]
    timestamp = steps_at(time.time())
    start = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as vehicle:
        while (now := time.monotonic() - start) < seconds:
            for tick in ticks:
                if now >= tick[0]:
                    tick[0] += tick[1]
                    packet = tick[2].encode(tick[3]())
                    timestamp += 1
                    packet = sign(packet, KEY, 0, timestamp) if signed else packet
                    vehicle.sendto(packet, ("127.0.0.1", vehicle_port))
            time.sleep(0.005)


def _latency(settings_of):
    """Times of PINGS packets with a router in between; with None, straight from socket to socket."""
    context = multiprocessing.get_context("spawn")
    result = context.Queue()
    vehicle_port, rider_port = free_port(), free_port()
    straight = settings_of is None
    child = context.Process(
        target=_ping, args=(rider_port if straight else vehicle_port, rider_port, PINGS, result)
    )

    async def ride():
        async with open_station(
            [f"udpin:127.0.0.1:{vehicle_port}"], find_profile("wifi"), settings=settings_of(rider_port)
        ):
            child.start()
            return await asyncio.to_thread(result.get, True, 120.0)

    if straight:
        child.start()
        times = result.get(True, 120.0)
    else:
        times = asyncio.run(ride())
    child.join()
    times.sort()
    return 1e3 * statistics.median(times), 1e3 * times[int(0.99 * len(times))]


def _forward(port, **more):
    return StationSettings(forward=(parse_endpoint(f"udpout:127.0.0.1:{port}"),), **more)


def test_how_much_later_a_rider_hears_a_vehicle(tell):
    straight = _latency(None)
    routed = _latency(_forward)
    tell(
        f"router: added latency {routed[0] - straight[0]:.2f} ms median, "
        f"{routed[1] - straight[1]:.2f} ms 99 % (straight {straight[0]:.2f} and {straight[1]:.2f} ms)"
    )
    assert routed[0] - straight[0] < 20.0


@pytest.mark.parametrize("riders", [0, 1, 4])
@pytest.mark.parametrize("signed", [False, True])
def test_what_fifty_vehicles_cost(tell, riders, signed):
    context = multiprocessing.get_context("spawn")
    vehicle_port = free_port()
    rates = find_profile("wifi").rates_hz
    child = context.Process(target=_fleet, args=(vehicle_port, SECONDS + 2.0, rates, signed))
    ports = [free_port() for _ in range(riders)]

    async def watch():
        with contextlib.ExitStack() as stack:
            for port in ports:
                ear = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                ear.bind(("127.0.0.1", port))
            settings = StationSettings(
                KEY if signed else None,
                forward=tuple(parse_endpoint(f"udpout:127.0.0.1:{port}") for port in ports),
            )
            address = f"udpin:127.0.0.1:{vehicle_port}"
            async with open_station([address], find_profile("wifi"), settings=settings) as station:
                child.start()
                await station.wait_for_vehicle(30.0)
                await asyncio.sleep(2.0)
                before = sum(v.stats.received for v in station.vehicles.values())
                cpu, wall = time.process_time(), time.monotonic()
                await asyncio.sleep(SECONDS - 3.0)
                share = (time.process_time() - cpu) / (time.monotonic() - wall)
                heard = sum(v.stats.received for v in station.vehicles.values()) - before
                lost = sum(v.stats.lost for v in station.vehicles.values())
                return share, heard / (time.monotonic() - wall), lost, len(station.vehicles)

    share, rate, lost, vehicles = asyncio.run(watch())
    child.join()
    tell(
        f"router: {vehicles} vehicles, {rate:.0f} messages/s, {riders} riders"
        f"{', signing' if signed else ''}: {share:.1%} of a core, {lost} lost"
    )
    assert vehicles == VEHICLES
