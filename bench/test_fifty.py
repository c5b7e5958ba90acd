"""Fifty vehicles at full stream rates on one station: its CPU share, how late a message is in the state, and
that none is dropped. Fleet and station are processes of their own."""

import asyncio
import multiprocessing
import resource
import selectors
import socket
import tempfile
import time
from pathlib import Path
from random import Random
from unittest import mock

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight import vehicle as vehicle_module
from flight.commands.basics import command
from flight.links.profiles import find_profile
from flight.logs.recorder import Recorder
from flight.station import open_station
from flight.wire import Encoder, Parser, vehicle_heartbeat

VEHICLES = 50
SECONDS = 30.0
MORE_HZ = {"ATTITUDE": 10, "GLOBAL_POSITION_INT": 10, "RC_CHANNELS": 4, "SERVO_OUTPUT_RAW": 4, "VIBRATION": 2}
"""Beside and above what the wifi profile asks for."""
_MICROSECONDS = 1 << 31


def stamp_us():
    """The machine's clock, the same in all processes, in the width of a message's field."""
    return time.monotonic_ns() // 1000 % _MICROSECONDS


def _build(number):
    """A message of a kind; a position carries the moment of its making where its height would be."""
    if number == mavlink.MAVLINK_MSG_ID_HEARTBEAT:
        return vehicle_heartbeat(2, 3, 81, 3, 4)
    boot_ms = stamp_us() // 1000
    if number == mavlink.MAVLINK_MSG_ID_GLOBAL_POSITION_INT:
        return mavlink.MAVLink_global_position_int_message(
            boot_ms, 300000000, 1030000000, stamp_us(), 40000, 100, 1, 1, 900
        )
    if number == mavlink.MAVLINK_MSG_ID_ATTITUDE:
        return mavlink.MAVLink_attitude_message(boot_ms, 0.1, 0.1, 1, 0, 0, 0)
    kind = mavlink.mavlink_map[number]
    lengths = dict(zip(kind.ordered_fieldnames, kind.array_lengths, strict=True))
    values = {name: [1] * lengths[name] if lengths[name] else 1 for name in kind.fieldnames}
    return kind(**values | ({"time_boot_ms": boot_ms} if "time_boot_ms" in values else {}))


def rates_hz():
    """Messages a second by number."""
    found = {0: 1.0, **find_profile("wifi").rates_hz}
    for name, hz in MORE_HZ.items():
        found[getattr(mavlink, f"MAVLINK_MSG_ID_{name}")] = float(hz)
    return found


class _Fleet:
    """All vehicles, each with a socket of its own; they accept every command."""

    def __init__(self, kind, port):
        self._kind = kind
        self._selector = selectors.DefaultSelector()
        self.sent = 0
        self._vehicles = []
        for number in range(VEHICLES):
            family = socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM
            place = socket.socket(socket.AF_INET, family)
            place.connect(("127.0.0.1", port))
            if kind == "tcp":
                place.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            vehicle = (place, Encoder(number + 1, 1), Parser())
            self._vehicles.append(vehicle)
            self._selector.register(place, selectors.EVENT_READ, vehicle)

    def fly(self, stop):
        random = Random(1)
        ticks = [
            [random.uniform(0, 1 / hz), 1 / hz, vehicle, number]
            for vehicle in self._vehicles
            for number, hz in rates_hz().items()
        ]
        for vehicle in self._vehicles:
            self._send(vehicle, _build(mavlink.MAVLINK_MSG_ID_HEARTBEAT))
        start = time.monotonic()
        while not stop.is_set():
            now = time.monotonic() - start
            for tick in ticks:
                if now >= tick[0]:
                    tick[0] += tick[1]
                    self._send(tick[2], _build(tick[3]))
            self._answer()

    def _answer(self):
        for key, _ in self._selector.select(0.004):
            place, encoder, parser = key.data
            for message in parser.feed(place.recv(65536)):
                if message.get_type() == "COMMAND_LONG" and message.target_system == encoder.sysid:
                    ack = mavlink.MAVLink_command_ack_message(message.command, 0, 0, 0, 255, 190)
                    self._send(key.data, ack)

    def _send(self, vehicle, message):
        place, encoder, _ = vehicle
        place.sendall(encoder.encode(message))
        self.sent += 1


def _fly(kind, port, stop, result):
    fleet = _Fleet(kind, port)
    fleet.fly(stop)
    result.put(fleet.sent)


async def _listen(kind, port, fleet_up, fleet_stop, sent):
    late_us = []

    def timed(state, message, now_s, update=vehicle_module.update):
        after = update(state, message, now_s)
        if message.get_msgId() == mavlink.MAVLINK_MSG_ID_GLOBAL_POSITION_INT:
            late_us.append((stamp_us() - message.alt) % _MICROSECONDS)
        return after

    address = f"{'udpin' if kind == 'udp' else 'tcpin'}:127.0.0.1:{port}"
    with (
        tempfile.TemporaryDirectory() as folder,
        Recorder(Path(folder)) as recorder,
        mock.patch.object(vehicle_module, "update", timed),
    ):
        async with open_station([address], find_profile("wifi"), recorder, 255) as station:
            fleet_up.set()
            while len(station.vehicles) < VEHICLES:
                await asyncio.sleep(0.1)
            await asyncio.sleep(2.0)
            late_us.clear()
            before, began_s = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
            await asyncio.sleep(SECONDS)
            after, lasted_s = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - began_s
            late = sorted(late_us)
            results = await asyncio.gather(
                *(command(v, mavlink.MAV_CMD_NAV_RETURN_TO_LAUNCH) for v in station.vehicles.values())
            )
            fleet_stop.set()
            total = await asyncio.to_thread(sent.get, True, 30.0)
            await asyncio.sleep(0.5)
            stats = [vehicle.stats for vehicle in station.vehicles.values()]
            return {
                "cpu": (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / lasted_s,
                "late_ms": [late[min(int(len(late) * p), len(late) - 1)] / 1e3 for p in (0.5, 0.95, 0.99, 1)],
                "sent": total,
                "received": sum(s.received for s in stats),
                "lost": sum(s.lost for s in stats),
                "answered": [r.tries for r in results],
                "lasted_s": lasted_s,
            }


def _station(kind, port, fleet_up, fleet_stop, sent, result):
    result.put(asyncio.run(_listen(kind, port, fleet_up, fleet_stop, sent)))


def free_port(kind):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_fifty_vehicles_at_full_rates(tell, kind):
    context = multiprocessing.get_context("spawn")
    port = free_port(kind)
    fleet_up, fleet_stop, sent, result = context.Event(), context.Event(), context.Queue(), context.Queue()
    station = context.Process(target=_station, args=(kind, port, fleet_up, fleet_stop, sent, result))
    fleet = context.Process(target=_fly, args=(kind, port, fleet_stop, sent))
    station.start()
    assert fleet_up.wait(30.0)
    fleet.start()
    try:
        found = result.get(True, SECONDS + 60.0)
    finally:
        fleet_stop.set()
    for child in (fleet, station):
        child.join(30.0)
    median, p95, p99, worst = found["late_ms"]
    tell(
        f"{VEHICLES} vehicles over {kind}: {sum(rates_hz().values()):.0f} messages/s each, station "
        f"{100 * found['cpu']:.0f} % of a core; late {median:.2f} ms median, {p95:.2f} 95 %, {p99:.2f} 99 %, "
        f"{worst:.1f} at most; sent {found['sent']}, received {found['received']}, lost {found['lost']}; "
        f"{len(found['answered'])} of {VEHICLES} commands answered, {sum(t == 1 for t in found['answered'])} "
        "at once"
    )
    assert found["received"] == found["sent"]
    assert found["lost"] == 0
    assert len(found["answered"]) == VEHICLES
    assert found["cpu"] < 0.8
