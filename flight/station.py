"""The ground station: links, the vehicles heard on them, and the station's own heartbeat.

Everything runs on one asyncio loop. If that loop hangs, the heartbeat stops, and a vehicle that watches its
station brings itself home; `alive` lets a window or a job prove that it does not hang either.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.endpoints import EndpointSpec
from flight.errors import NoVehicleError
from flight.link_stats import LinkStats, heard
from flight.links import Link, open_link
from flight.profiles import LinkProfile
from flight.recorder import Recorder
from flight.router import COMPONENT_BESIDE_RIDERS, Router
from flight.signing import SETUP_SIGNING, Signing, SigningKey, UnsignedRule, Verdict
from flight.signing_clock import SigningClock
from flight.state import VehicleState, first_state, update
from flight.wire import STATION_COMPONENT, Encoder, Message, Parser, packet_of, station_heartbeat

STATION_SYSID = 255
"""What ArduPilot takes for its station unless told otherwise (MAV_GCS_SYSID)."""
_HEARTBEAT_S = 1.0

_ANSWERS = frozenset(
    {
        mavlink.MAVLINK_MSG_ID_COMMAND_ACK,
        mavlink.MAVLINK_MSG_ID_MISSION_ACK,
        mavlink.MAVLINK_MSG_ID_MISSION_COUNT,
        mavlink.MAVLINK_MSG_ID_MISSION_REQUEST,
        mavlink.MAVLINK_MSG_ID_MISSION_REQUEST_INT,
        mavlink.MAVLINK_MSG_ID_MISSION_ITEM,
        mavlink.MAVLINK_MSG_ID_MISSION_ITEM_INT,
        mavlink.MAVLINK_MSG_ID_FILE_TRANSFER_PROTOCOL,
    }
)
Match = Callable[[Message], bool]


@dataclass(frozen=True)
class StationSettings:
    """What a station does beside talking to vehicles: sign with a key (whose clock is kept in a folder, None
    for not at all), take unsigned messages all the same, let others ride along at endpoints. `on_trouble`
    gets a line when something of that is wrong."""

    key: SigningKey | None = None
    clock_folder: Path | None = None
    allow_unsigned: bool = False
    forward: tuple[EndpointSpec, ...] = ()
    on_trouble: Callable[[str], None] = lambda line: None


PLAIN = StationSettings()


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

    def mission_turn(self) -> AbstractAsyncContextManager[None]:
        """While it is open, nobody who rides along exchanges a mission with this vehicle."""
        router = self.station.router
        return router.mission_turn(self.sysid) if router is not None else contextlib.nullcontext()

    def mission_kept(self) -> AbstractContextManager[None]:
        """While it is open, nobody who rides along replaces the mission of this vehicle."""
        router = self.station.router
        return router.mission_kept(self.sysid) if router is not None else contextlib.nullcontext()

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

    def __init__(
        self,
        profile: LinkProfile,
        sysid: int,
        recorder: Recorder | None,
        settings: StationSettings = PLAIN,
    ) -> None:
        self.profile = profile
        self.settings = settings
        self.sysid = sysid
        self.vehicles: dict[int, Vehicle] = {}
        self.alive: Callable[[], bool] = lambda: True
        """Asked before each heartbeat; False keeps the heartbeat back."""
        self.addresses: tuple[str, ...] = ()
        self._encoder = Encoder(sysid, COMPONENT_BESIDE_RIDERS if settings.forward else STATION_COMPONENT)
        self._recorder = recorder
        self.signing: Signing | None = None
        if settings.key is not None:
            clock = SigningClock(settings.clock_folder, settings.key.name)
            rule = UnsignedRule(everything=settings.allow_unsigned)
            self.signing = Signing(settings.key, clock, rule, on_rejected=self._rejected)
        self.router: Router | None = None
        if settings.forward:
            ids = sysid, self._encoder.compid
            self.router = Router(settings.forward, ids, self.pass_on, self.signing, self._rode)
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
        if self.router is not None:
            await self.router.open()

    async def close(self) -> None:
        """Let go of the links, the endpoints and the signing clock."""
        if self.router is not None:
            await self.router.close()
        for link in self._links:
            await link.close()
        if self.signing is not None:
            self.signing.clock.close()

    def send(self, message: Message, link: Link) -> None:
        """Put a message on a link, and on record."""
        packet = self._signed(self._encoder.encode(message), link)
        link.write(packet)
        if self._recorder is not None and message.get_msgId() != SETUP_SIGNING:
            self._recorder.packet(packet)

    def pass_on(self, packet: bytes, link: Link) -> None:
        """Put what somebody else said on a link, signed with our key where we have one."""
        with contextlib.suppress(
            ValueError
        ):  # a message unknown to us that cannot be signed is not passed on
            link.write(self._signed(packet, link))

    def _signed(self, packet: bytes, link: Link) -> bytes:
        return packet if self.signing is None else self.signing.outgoing(packet, self._links.index(link))

    def _rejected(self, verdict: Verdict, sysid: int) -> None:
        """Told once for each kind and system: the counts tell the rest."""
        words = {
            Verdict.UNSIGNED: "does not sign; if it is yours: missionctl sign enable, or --allow-unsigned",
            Verdict.BAD: "signs with another key, or somebody forges its messages",
            Verdict.OLD: "sent old or repeated messages (a drone may, in its first second); they are ignored",
        }[verdict]
        self._event("signature rejected", system=sysid, why=verdict.value)
        self.settings.on_trouble(f"system {sysid} {words}")

    def _rode(self, action: str, **detail: Any) -> None:
        self._event(action, **detail)
        if action != "rider command":
            rest = ", ".join(f"{value}" for key, value in detail.items() if key != "endpoint")
            self.settings.on_trouble(f"{detail['endpoint']}: {action}{': ' if rest else ''}{rest}")

    def _event(self, action: str, **detail: Any) -> None:
        if self._recorder is not None:
            self._recorder.event(action, **detail)

    def report(self) -> dict[str, Any]:
        """What signing and the endpoints have counted; nothing where there are none."""
        found: dict[str, Any] = {}
        if self.signing is not None:
            found["signing"] = self.signing.report()
        if self.router is not None:
            found["forward"] = self.router.report()
        return found

    def _take(self, message: Message, link: Link) -> None:
        kind = message.get_type()
        if self.signing is not None and not self.signing.incoming(packet_of(message)).passes:
            return
        if self._recorder is not None and message.get_msgId() != SETUP_SIGNING:
            self._recorder.packet(packet_of(message))
        if self.router is not None:
            self.router.heard(message, link)
        if kind.startswith("UNKNOWN") or not self._concerns_us(message):
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

    def _concerns_us(self, message: Message) -> bool:
        """False for an answer to another station: it must not be taken for an answer to us."""
        if message.get_msgId() not in _ANSWERS:
            return True
        system, component = getattr(message, "target_system", 0), getattr(message, "target_component", 0)
        return system in (0, self.sysid) and component in (0, self._encoder.compid)

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
    settings: StationSettings = PLAIN,
) -> AsyncIterator[Station]:
    """A station on the running loop, its heart beating. Raises AddressError, LinkError, SigningError."""
    station = Station(profile, sysid, recorder, settings)
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
