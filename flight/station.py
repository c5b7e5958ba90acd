"""The ground station: links, the vehicles heard on them, and the station's own heartbeat.

Everything runs on one asyncio loop. If that loop hangs, the heartbeat stops, and a vehicle that watches its
station brings itself home; `alive` lets a window or a job prove that it does not hang either.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import NoVehicleError
from flight.link_stats import LinkStats, heard
from flight.links import Link, open_link
from flight.profiles import LinkProfile
from flight.recorder import Recorder
from flight.state import VehicleState, first_state, update
from flight.wire import Encoder, Message, Parser, packet_of, station_heartbeat

STATION_SYSID = 255
"""What ArduPilot takes for its station unless told otherwise (MAV_GCS_SYSID)."""
_HEARTBEAT_S = 1.0

Match = Callable[[Message], bool]


class Inbox:
    """What a vehicle says from now on, in order."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Message] = asyncio.Queue()

    def put(self, message: Message) -> None:
        """Take a message in."""
        self._queue.put_nowait(message)

    def drain(self) -> Iterator[Message]:
        """What is there now, without waiting."""
        while not self._queue.empty():
            yield self._queue.get_nowait()

    async def next(self, match: Match, timeout_s: float) -> Message | None:
        """The next message that fits, or None after `timeout_s`. What does not fit is let go."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            try:
                message = await asyncio.wait_for(self._queue.get(), left)
            except TimeoutError:
                return None
            if match(message):
                return message
        return None


class Vehicle:
    """One vehicle: its latest state, and the way to it. `compid` is its autopilot."""

    def __init__(self, station: Station, state: VehicleState, link: Link) -> None:
        self.station = station
        self.state = state
        self.link = link
        self._inboxes: set[Inbox] = set()
        self._stats: dict[Link, LinkStats] = {}

    @property
    def link_stats(self) -> LinkStats:
        """What arrives of its autopilot's messages on the link on which it was last heard."""
        return self._stats.get(self.link, LinkStats())

    @property
    def sysid(self) -> int:
        """Its MAVLink system id."""
        return self.state.sysid

    @property
    def compid(self) -> int:
        """The component id of its autopilot."""
        return self.state.compid

    @property
    def profile(self) -> LinkProfile:
        """How to use the link to it."""
        return self.station.profile

    def send(self, message: Message) -> None:
        """Put a message on the link on which the vehicle was last heard."""
        self.station.send(message, self.link)

    @contextmanager
    def inbox(self) -> Iterator[Inbox]:
        """All messages of this system while the context is open (every component: cameras too)."""
        box = Inbox()
        self._inboxes.add(box)
        try:
            yield box
        finally:
            self._inboxes.discard(box)

    def take(self, message: Message, link: Link) -> None:
        """A message of this system has come."""
        if message.get_srcComponent() == self.compid:
            self.link = link
            now_s = time.monotonic()
            self.state = update(self.state, message, now_s)
            before = self._stats.get(link, LinkStats())
            self._stats[link] = heard(before, message.get_seq(), len(message.get_msgbuf()), now_s)
        for box in self._inboxes:
            box.put(message)

    def silence_s(self) -> float:
        """For how long nothing has been heard of it."""
        return time.monotonic() - self.state.heard_s


class Station:
    """Open links and the vehicles on them. Made by `open_station`."""

    def __init__(self, profile: LinkProfile, sysid: int, recorder: Recorder | None) -> None:
        self.profile = profile
        self.sysid = sysid
        self.vehicles: dict[int, Vehicle] = {}
        self.alive: Callable[[], bool] = lambda: True
        """Asked before each heartbeat; False keeps the heartbeat back."""
        self.addresses: tuple[str, ...] = ()
        self._encoder = Encoder(sysid)
        self._recorder = recorder
        self._links: list[Link] = []
        self._heard = asyncio.Event()

    async def connect(self, addresses: Sequence[str]) -> None:
        """Open links; messages come in from now on. Raises AddressError, LinkError."""
        self.addresses = tuple(addresses)
        for address in addresses:
            parser = Parser()
            holder: list[Link] = []

            def on_bytes(data: bytes, parser: Parser = parser, holder: list[Link] = holder) -> None:
                for message in parser.feed(data):
                    if holder:
                        self._take(message, holder[0])

            link = await open_link(address, on_bytes)
            holder.append(link)
            self._links.append(link)

    async def close(self) -> None:
        """Let go of the links."""
        for link in self._links:
            await link.close()

    def send(self, message: Message, link: Link) -> None:
        """Put a message on a link, and on record."""
        packet = self._encoder.encode(message)
        link.write(packet)
        if self._recorder is not None:
            self._recorder.packet(packet)

    def _take(self, message: Message, link: Link) -> None:
        kind = message.get_type()
        if self._recorder is not None:
            self._recorder.packet(packet_of(message))
        if kind.startswith("UNKNOWN"):
            return
        sysid = message.get_srcSystem()
        vehicle = self.vehicles.get(sysid)
        if vehicle is None:
            if kind != "HEARTBEAT" or message.autopilot == mavlink.MAV_AUTOPILOT_INVALID:
                return
            vehicle = Vehicle(self, first_state(message, time.monotonic()), link)
            self.vehicles[sysid] = vehicle
            self._heard.set()
        vehicle.take(message, link)

    async def beat(self) -> None:
        """The station's heartbeat, for ever."""
        while True:
            if self.alive():
                for link in self._links:
                    self.send(station_heartbeat(), link)
            await asyncio.sleep(_HEARTBEAT_S)

    async def wait_for_vehicle(self, timeout_s: float, sysid: int | None = None) -> Vehicle:
        """The first vehicle heard (or the one with `sysid`). Raises NoVehicleError."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._heard.clear()
            found = self.vehicles.get(sysid) if sysid else next(iter(self.vehicles.values()), None)
            if found is not None:
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                who = f"vehicle {sysid}" if sysid else "no vehicle"
                raise NoVehicleError(
                    f"{', '.join(self.addresses)}: {who} {'did not answer' if sysid else 'answered'} within "
                    f"{timeout_s:g} s; is it powered, and does it send to this address?"
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._heard.wait(), left)


@asynccontextmanager
async def open_station(
    addresses: Sequence[str],
    profile: LinkProfile,
    recorder: Recorder | None = None,
    sysid: int = STATION_SYSID,
) -> AsyncIterator[Station]:
    """A station on the running loop, its heart beating. Raises AddressError, LinkError."""
    station = Station(profile, sysid, recorder)
    try:
        await station.connect(addresses)
        pulse = asyncio.get_running_loop().create_task(station.beat())
        try:
            yield station
        finally:
            pulse.cancel()
            await asyncio.gather(pulse, return_exceptions=True)
    finally:
        await station.close()
