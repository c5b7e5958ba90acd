"""A live station under bytes that no autopilot sends: nothing fails, hangs, swells or is believed against all
sense. 20,000 byte strings each time, 1,000,000 under `make soak`."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import math
import time
from random import Random
from unittest import mock

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight import station as station_module
from flight.links import router as router_module
from flight.links.endpoints import parse_endpoint
from flight.links.link import Address
from flight.links.profiles import find_profile
from flight.logs.recorder import Recorder
from flight.logs.track import track_point
from flight.photos.keeper import PhotoKeeper
from flight.safety.conflicts import SeparationLimits
from flight.safety.reserves import ReserveLimits
from flight.safety.watch import SafetyWatch, WatchPlan
from flight.signing.clock import steps_at
from flight.signing.signatures import SigningKey, sign
from flight.station import StationSettings, open_station
from flight.wire import Encoder, vehicle_heartbeat
from plans.frames import GeoPoint

from .fuzz import Fuzz
from .virtual_time import VirtualLoop

KEY = SigningKey(bytes(range(1, 33)))
_LOOK_EVERY = 200
"""How many byte strings come between two looks of those who read along."""
_SECOND = 2000
"""How many come in a second."""


class _Ear:
    """A link that takes what is written and counts it."""

    connected = True
    dropped = 0

    def __init__(self, address):
        self.address = Address("tcp", address, 1)
        self.written = 0

    def write(self, data):
        assert isinstance(data, bytes)
        self.written += 1

    async def close(self):
        pass


class Bench:
    """A station with a vehicle, two links, a rider, a recorder, a photo keeper and a safety watch."""

    def __init__(self, folder, signed):
        self._folder = folder
        self._signed = signed
        self.links = {}
        self.troubles = []

    async def _open(self, text, on_bytes):
        ear = _Ear(text)
        self.links[text] = on_bytes
        return ear

    @contextlib.asynccontextmanager
    async def running(self, mission):
        settings = StationSettings(
            key=KEY if self._signed else None,
            forward=(parse_endpoint("tcpin:127.0.0.1:1"),),
            on_trouble=self.troubles.append,
        )
        with (
            mock.patch.object(station_module, "open_link", self._open),
            mock.patch.object(router_module, "open_link", self._open),
            Recorder(self._folder) as recorder,
        ):
            addresses = ["tcp:a:1", "tcp:b:1"]
            async with open_station(addresses, find_profile("wifi"), recorder, 255, settings) as station:
                self.station = station
                self.feed(self.sign(Encoder(1, 1).encode(vehicle_heartbeat(2, 3, 209, 3, 4))))
                self.vehicle = await station.wait_for_vehicle(1.0)
                plan = WatchPlan(
                    mission, {}, GeoPoint(30.05, 103.15, 500.0), 1200.0, ReserveLimits(), SeparationLimits()
                )
                self._watch = SafetyWatch(self.vehicle, plan, lambda alert, begins: None)
                self.keeper = PhotoKeeper(self.vehicle, recorder.event)
                yield self

    def sign(self, packet):
        self._stamp = getattr(self, "_stamp", steps_at(time.time())) + 1
        return sign(packet, KEY, 0, self._stamp) if self._signed else packet

    def feed(self, data, link="tcp:a:1"):
        self.links[link](data)

    async def bear(self, fuzz, count, chance):
        """All the bytes; those who read along look at times."""
        self.slowest_s = 0.0
        with self.vehicle.inbox() as photos, self.vehicle.inbox() as watched:
            for number in range(1, count + 1):
                began_s = time.perf_counter()
                self.feed(fuzz.portion(), chance.choice(tuple(self.links)))
                self.slowest_s = max(self.slowest_s, time.perf_counter() - began_s)
                if number % _LOOK_EVERY == 0:
                    self._look(photos, watched)
                    self.check_state()
                    await asyncio.sleep(_LOOK_EVERY / _SECOND)

    def _look(self, photos, watched):
        now = dt.datetime.now(dt.UTC)
        for message in photos.drain():
            self.keeper.take(message, now)
            track_point(message, now)
        assert len(self.keeper.missing) < 1_000_000
        self._watch.look(watched)

    def check_state(self):
        now_s = self.station.now_s()
        assert 0 not in self.station.vehicles
        assert len(self.station.vehicles) <= 254
        for vehicle in self.station.vehicles.values():
            state = vehicle.state
            assert 0 <= vehicle.silence_s() <= now_s
            assert min(state.ages_s(now_s).values(), default=0) >= 0
            for place in (state.position, state.home):
                assert place is None or (abs(place.lat_deg) <= 90 and abs(place.lon_deg) <= 180)
                assert place is None or math.isfinite(place.alt_amsl_m)
            for part in (state.attitude, state.wind, state.vibration):
                values = dataclasses.astuple(part) if part is not None else ()
                assert all(math.isfinite(value) for value in values), part
            for part in (state.climb_mps, state.rangefinder and state.rangefinder.distance_m):
                assert part is None or math.isfinite(part)
            assert len(state.texts) <= 50
            assert sum(len(text.text) for text in state.texts) < 50 * 3000
            assert 0 <= vehicle.stats.recent_loss_share <= 1
        for event in self.keeper.photos:
            assert abs(event.lat_deg) <= 90
            assert abs(event.lon_deg) <= 180
            assert event.index >= 0
            assert math.isfinite(event.alt_amsl_m)


def bear(folder, mission, count, seed, signed):
    """Feed a bench; gives it, and how many byte strings it took in a second."""
    bench = Bench(folder, signed)
    chance = Random(seed)
    fuzz = Fuzz(chance, bench.sign if signed else None)

    async def whole():
        async with bench.running(mission):
            began_s = time.perf_counter()
            await bench.bear(fuzz, count, chance)
            per_s = count / (time.perf_counter() - began_s)
            # it still hears what is right
            bench.feed(bytes(600))
            await asyncio.sleep(1.5)
            good = Encoder(1, 1)
            for link in ("tcp:a:1", "tcp:b:1"):
                bench.feed(bench.sign(good.encode(vehicle_heartbeat(2, 3, 81, 5, 3))), link)
                await asyncio.sleep(1.5)
            place = mavlink.MAVLink_global_position_int_message(1, 301234567, 1031234567, 5, 6, 0, 0, 0, 9)
            bench.feed(bench.sign(good.encode(place)))
            assert bench.vehicle.state.position.lat_deg == 30.1234567
            assert bench.vehicle.state.mode == "LOITER"
            return per_s

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return bench, runner.run(whole())


def check(bench):
    assert dict(bench.station.reader_faults) == {}
    assert bench.slowest_s < 2.0
    assert bench.vehicle.stats.received > 100


@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_the_station_bears_10_000_strange_byte_strings(tmp_path, mission, signed):
    bench, _ = bear(tmp_path, mission, 10_000, 1, signed)
    check(bench)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_the_station_bears_500_000_strange_byte_strings(tmp_path, mission, signed, capsys):
    bench, per_s = bear(tmp_path, mission, 500_000, 2, signed)
    with capsys.disabled():
        print(f"\n{per_s:.0f} byte strings/s, slowest {1e3 * bench.slowest_s:.0f} ms")
    check(bench)
