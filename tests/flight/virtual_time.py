"""Hours of link time in a second: an asyncio loop whose clock jumps to the next timer, and a radio in memory
that loses, delays, doubles and reorders as a seed says."""

import asyncio
import contextlib
import random
import selectors
from dataclasses import dataclass
from unittest import mock

from flight import station as station_module
from flight.links.link import Address
from flight.station import open_station
from flight.wire import Parser


class _JumpingSelector:
    """Waits for nothing: what would have been waited is added to the loop's clock."""

    def __init__(self):
        self._real = selectors.DefaultSelector()
        self.now_s = 0.0

    def select(self, timeout=None):
        if timeout is None:
            raise AssertionError("the loop waits for ever: nothing is ready and no timer runs")
        if timeout > 0:
            self.now_s += timeout
        return self._real.select(0) if timeout <= 0 else []

    def __getattr__(self, name):
        return getattr(self._real, name)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time. Sockets and threads have no place on it."""

    def __init__(self):
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self):
        return self._jumping.now_s


def run_virtually(coroutine, limit_s=1e6):
    """asyncio.run on virtual time; gives (result, virtual seconds). Fails when it takes longer than a
    limit."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()

        async def limited():
            async with asyncio.timeout(limit_s):
                return await coroutine

        return runner.run(limited()), loop.time()


@dataclass(frozen=True)
class Weather:
    """What befalls packets, each way: the share lost and doubled, seconds under way and by how much they
    differ (late ones are overtaken), bytes a second."""

    loss: float = 0.0
    latency_s: float = 0.0
    late: float = 0.0
    late_s: float = 1.0
    twice: float = 0.0
    bytes_per_s: float = 1200.0
    backlog_s: float = 4.0


class _OneWay:
    def __init__(self, weather, seed):
        self.weather, self._random = weather, random.Random(seed)
        self._free_s = 0.0
        self.bytes = self.packets = 0

    def carry(self, packet, deliver):
        """Send a packet on its way; a full buffer drops it, as a radio's does."""
        loop, weather, chance = asyncio.get_running_loop(), self.weather, self._random
        now_s = loop.time()
        if self._free_s - now_s > weather.backlog_s:
            return
        self._free_s = max(self._free_s, now_s) + len(packet) / weather.bytes_per_s
        self.bytes += len(packet)
        self.packets += 1
        if chance.random() < weather.loss:
            return
        for _ in range(2 if chance.random() < weather.twice else 1):
            late_s = weather.late_s * chance.random() if chance.random() < weather.late else 0.0
            loop.call_at(self._free_s + weather.latency_s + late_s, deliver, packet)


class Radio:
    """Both ways between a station and one vehicle. `vehicle` gets messages by `take(message)`, and sends by
    `send(message)` once it is on air."""

    def __init__(self, weather, seed=0):
        self.up, self.down = _OneWay(weather, 2 * seed), _OneWay(weather, 2 * seed + 1)

    @contextlib.asynccontextmanager
    async def meet(self, vehicle, profile):
        """A station that has met the vehicle: gives the station's Vehicle."""
        link = None

        async def open_radio(text, on_bytes):
            nonlocal link
            link = _RadioLink(self, vehicle, on_bytes)
            return link

        with mock.patch.object(station_module, "open_link", open_radio):
            async with open_station(["tcp:radio:1"], profile, sysid=255) as station:
                vehicle.go_on_air(lambda packet: self.down.carry(packet, link.arrived))
                try:
                    yield await station.wait_for_vehicle(600.0)
                finally:
                    vehicle.leave()


class _RadioLink:
    connected = True
    dropped = 0

    def __init__(self, radio, vehicle, on_bytes):
        self.address = Address("tcp", "radio", 1)
        self._radio, self._vehicle, self._on_bytes = radio, vehicle, on_bytes
        self._parser = Parser(clock=asyncio.get_running_loop().time)

    def write(self, data):
        self._radio.up.carry(data, self._at_vehicle)

    def _at_vehicle(self, packet):
        for message in self._parser.feed(packet):
            self._vehicle.take(message)

    def arrived(self, packet):
        self._on_bytes(packet)

    async def close(self):
        pass
