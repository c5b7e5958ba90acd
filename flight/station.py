"""The ground station: links, the vehicles heard on them, and the station's own heartbeat.

Everything runs on one asyncio loop. If that loop hangs, the heartbeat stops, and a vehicle that watches its
station brings itself home; `alive` lets a window or a job prove that it does not hang either (flight.core).
A vehicle may be heard on several links: each is a path with its own statistics (flight.links.paths).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight import high_latency
from flight.errors import NoVehicleError
from flight.links.endpoints import EndpointSpec
from flight.links.high_latency_switch import SwitchState, high_latency_order, may_pass, step
from flight.links.link import Ear, Link, OnBytes, open_link
from flight.links.paths import Copies
from flight.links.profiles import LinkProfile, profile_of
from flight.links.router import COMPONENT_BESIDE_RIDERS, Router
from flight.logs.recorder import Recorder
from flight.signing.clock import SigningClock
from flight.signing.signatures import SETUP_SIGNING, Signing, SigningKey, UnsignedRule, Verdict
from flight.state import VehicleState
from flight.state_update import first_state
from flight.station_id import station_id
from flight.vehicle import Vehicle
from flight.wire import STATION_COMPONENT, Encoder, Message, Parser, packet_of, station_heartbeat

_HEARTBEAT_S = 1.0
_PINGS_KEPT = 64
_STATION_HERE_S = 10.0

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


class Station:
    """Open links and the vehicles on them. Made by `open_station`."""

    def __init__(
        self,
        profile: LinkProfile,
        sysid: int,
        recorder: Recorder | None,
        settings: StationSettings = PLAIN,
    ) -> None:
        self.recorders: list[Recorder] = [] if recorder is None else [recorder]
        """Where packets and events go; each takes those of one vehicle, or all."""
        self.profile = profile
        """How to use links whose address names no profile of its own."""
        self.settings = settings
        self.now_s = asyncio.get_running_loop().time
        self.vehicles: dict[int, Vehicle] = {}
        self.alive: Callable[[], bool] = lambda: True
        """Asked before each heartbeat; False keeps the heartbeat back."""
        self.addresses: tuple[str, ...] = ()
        compid = COMPONENT_BESIDE_RIDERS if settings.forward else STATION_COMPONENT
        self._encoder = Encoder(sysid, compid)
        self.signing: Signing | None = None
        if settings.key is not None:
            clock = SigningClock(settings.clock_folder, settings.key.name)
            rule = UnsignedRule(everything=settings.allow_unsigned)
            self.signing = Signing(settings.key, clock, rule, on_rejected=self._rejected)
        self.router: Router | None = None
        if settings.forward:
            ids = sysid, compid
            self.router = Router(settings.forward, ids, self.pass_on, self.signing, self._rode)
        self._links: list[Link] = []
        self._profiles: dict[Link, LinkProfile] = {}
        self._copies = Copies()
        self._pings: dict[int, tuple[Link, float]] = {}
        self._ping_due_s: dict[Link, float] = {}
        self._told: set[str] = set()
        self._modems = SwitchState()
        self.reader_faults: Counter[tuple[str, str]] = Counter()
        """How often what reads messages has failed, by reader and kind of message."""
        self._stations: dict[int, float] = {}
        self._heard = asyncio.Event()

    @property
    def sysid(self) -> int:
        """The system id that the station speaks under."""
        return self._encoder.sysid

    async def connect(self, addresses: Sequence[str]) -> None:
        """Open links; messages come in from now on. Raises AddressError, FlightError for a link profile that
        is not known, LinkError."""
        self.addresses = tuple(addresses)
        for text in addresses:
            address, profile = profile_of(text, self.profile)
            holder: list[Link] = []
            link = await open_link(address, Ear(partial(self._hearer, holder)))
            self._profiles[link] = profile
            holder.append(link)
            self._links.append(link)
        if self.router is not None:
            await self.router.open()

    def _hearer(self, holder: list[Link]) -> OnBytes:
        """Hears one connection of the link that `holder` holds once it is open."""
        parser = Parser(self.now_s)

        def on_bytes(data: bytes) -> None:
            for message in parser.feed(data):
                if holder:
                    self._take_safely(message, holder[0])

        return on_bytes

    async def close(self) -> None:
        """Let go of the links, the endpoints and the signing clock."""
        if self.router is not None:
            await self.router.close()
        for link in self._links:
            await link.close()
        if self.signing is not None:
            self.signing.clock.close()

    @property
    def satellite_links(self) -> tuple[Link, ...]:
        """Its links over which commands go and nothing else."""
        return tuple(link for link in self._links if self._profiles[link].commands_only)

    def profile_of(self, link: Link) -> LinkProfile:
        """How to use one of its links."""
        return self._profiles[link]

    def send(self, message: Message, link: Link) -> None:
        """Put a message on a link, and on record; what a satellite link does not carry is dropped."""
        if self._profiles[link].commands_only and not may_pass(message):
            return
        packet = self._signed(self._encoder.encode(message), link)
        link.write(packet)
        if message.get_msgId() != SETUP_SIGNING:
            self._record(packet, getattr(message, "target_system", 0) or None)

    def pass_on(self, packet: bytes, link: Link) -> None:
        """Put what somebody else said on a link, signed with our key where we have one; over a satellite go
        commands only."""
        if self._profiles[link].commands_only:
            said = Parser(self.now_s).feed(packet)
            if not said or not all(map(may_pass, said)):
                return
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
        vehicle = detail.get("vehicle")
        for recorder in self.recorders:
            if recorder.sysid is None or vehicle is None or vehicle == recorder.sysid:
                recorder.event(action, **detail)

    def _record(self, packet: bytes, sysid: int | None) -> None:
        # what is heard of others than vehicles (radios, other stations) is everybody's
        known = sysid if sysid in self.vehicles else None
        for recorder in self.recorders:
            recorder.packet(packet, known)

    def report(self) -> dict[str, Any]:
        """What signing and the endpoints have counted; nothing where there are none."""
        found: dict[str, Any] = {}
        if self.signing is not None:
            found["signing"] = self.signing.report()
        if self.router is not None:
            found["forward"] = self.router.report()
        return found

    def _take_safely(self, message: Message, link: Link) -> None:
        try:
            self._take(message, link)
        except Exception as bug:  # a fault of ours must neither close the link nor go unseen
            self.reader_failed("station", message, bug)

    def reader_failed(self, reader: str, message: Message, bug: Exception) -> None:
        """What reads a message has failed, by a fault of ours: told once for each reader and kind of message,
        and the flight goes on."""
        unknown = message.get_msgId() == mavlink.MAVLINK_MSG_ID_UNKNOWN
        kind = "UNKNOWN" if unknown else message.get_type()
        self.reader_faults[reader, kind] += 1
        if self.reader_faults[reader, kind] == 1:
            why = f"{type(bug).__name__}: {bug}"
            packet = packet_of(message).hex()
            self._event("reader failed", reader=reader, message=kind, why=why, packet=packet)
            self.settings.on_trouble(
                f"system {message.get_srcSystem()}: its {kind} could not be read by the {reader} ({why}); "
                "the flight goes on without it, please report this fault"
            )

    def _take(self, message: Message, link: Link) -> None:
        kind = message.get_type()
        if self.signing is not None and not self.signing.incoming(packet_of(message)).passes:
            return
        if message.get_msgId() != SETUP_SIGNING:
            self._record(packet_of(message), message.get_srcSystem())
        if self.router is not None:
            try:
                self.router.heard(message, link)
            except Exception as bug:  # riders must not cost us what a vehicle says
                self.reader_failed("router", message, bug)
        sysid = message.get_srcSystem()
        if not sysid:
            return  # 0 is everybody: no vehicle can have it
        if kind == "HEARTBEAT" and message.type == mavlink.MAV_TYPE_GCS:
            self._stations[sysid] = self.now_s()
        if sysid == self.sysid:
            self._double_heard(message)
            return
        vehicle = self.vehicles.get(sysid)
        if vehicle is None:
            state = self._introduced(message)
            if state is None:
                return
            vehicle = Vehicle(self, state, link, self._profiles[link])
            self.vehicles[sysid] = vehicle
            self._heard.set()
        if kind == "TIMESYNC" and message.tc1:
            self._pong(vehicle, message.ts1, link)
        known = message.get_msgId() != mavlink.MAVLINK_MSG_ID_UNKNOWN and self._concerns_us(message)
        copy = not known or self._copies.is_copy(message, link, self.now_s())
        vehicle.hear(message, link, self._profiles[link], copy)

    def _introduced(self, message: Message) -> VehicleState | None:
        """The state of a vehicle that is heard for the first time, by its heartbeat or over a satellite by
        HIGH_LATENCY2; None for anything else."""
        if high_latency.introduces(message):
            return high_latency.first_state(message, self.now_s())
        if message.get_type() == "HEARTBEAT" and message.autopilot != mavlink.MAV_AUTOPILOT_INVALID:
            return first_state(message, self.now_s())
        return None

    def _concerns_us(self, message: Message) -> bool:
        """False for an answer to another station: it must not be taken for an answer to us."""
        if message.get_msgId() not in _ANSWERS:
            return True
        system, component = getattr(message, "target_system", 0), getattr(message, "target_component", 0)
        return system in (0, self.sysid) and component in (0, self._encoder.compid)

    def _double_heard(self, message: Message) -> None:
        if message.get_type() == "HEARTBEAT" and message.autopilot != mavlink.MAV_AUTOPILOT_INVALID:
            self._tell(f"a vehicle speaks under this station's system id {self.sysid}; give it another one")
        elif message.get_srcComponent() == self._encoder.compid:
            self._tell(f"another station speaks as system {self.sysid} too: answers to it look like ours")

    def speak_as(self, sysid: int) -> None:
        """Take another system id from now on."""
        self._event("station id", before=self.sysid, now=sysid)
        self._encoder = Encoder(sysid, self._encoder.compid)
        if self.router is not None:
            self.router.station = (sysid, self._encoder.compid)

    def hears_station(self, sysid: int) -> bool:
        """Whether another station with this id was heard in the last seconds."""
        return self.now_s() - self._stations.get(sysid, -math.inf) < _STATION_HERE_S

    def _tell(self, trouble: str) -> None:
        if trouble not in self._told:
            self._told.add(trouble)
            self._event("trouble", what=trouble)
            self.settings.on_trouble(trouble)

    # -- the heartbeat, and what goes with it --------------------------------------------------------------

    async def beat(self) -> None:
        """The station's heartbeat, for ever; with it the round trips of links are measured, and each
        vehicle's best link is chosen."""
        while True:
            if self.alive():
                for link in self._links:
                    if self._profiles[link].beats:
                        self.send(station_heartbeat(), link)
                    self._ping(link)
                self._open_modems()
            for vehicle in list(self.vehicles.values()):
                if vehicle.choose_link():
                    self._event("link changed", vehicle=vehicle.sysid, link=str(vehicle.link.address))
                if vehicle.disputed is not None:
                    self._tell(vehicle.disputed)
            await asyncio.sleep(_HEARTBEAT_S)

    @property
    def _by_satellite_only(self) -> bool:
        return bool(self._links) and len(self.satellite_links) == len(self._links)

    def _open_modems(self) -> None:
        """Where all links are satellites' and nobody is heard, order whoever is there to speak."""
        if not self._by_satellite_only or not any(link.connected for link in self._links):
            return
        now_s = self.now_s()
        if any(not vehicle.silent(now_s) for vehicle in self.vehicles.values()):
            self._modems = SwitchState()
            return
        patience_s = max(self._profiles[link].answer_s for link in self._links)
        self._modems, order = step(self._modems, False, now_s, patience_s)
        if order is not None:
            for link in self._links:
                self.send(high_latency_order(True), link)

    def _ping(self, link: Link) -> None:
        every_s, now_s = self._profiles[link].ping_s, self.now_s()
        if every_s is None or not link.connected or now_s < self._ping_due_s.get(link, now_s):
            return
        self._ping_due_s[link] = now_s + every_s
        number = max(int(now_s * 1e9), 1)
        self._pings[number] = (link, now_s)
        while len(self._pings) > _PINGS_KEPT:
            del self._pings[next(iter(self._pings))]
        self.send(mavlink.MAVLink_timesync_message(0, number), link)

    def _pong(self, vehicle: Vehicle, number: int, link: Link) -> None:
        asked = self._pings.get(number)
        if asked is not None and asked[0] is link and link in vehicle.paths:
            vehicle.paths[link] = vehicle.paths[link].timed(self.now_s() - asked[1])

    async def wait_for_vehicle(self, timeout_s: float, sysid: int | None = None) -> Vehicle:
        """The first vehicle heard (or the one with `sysid`); where all links are satellites', it is given the
        time that those take. Raises NoVehicleError."""
        if self._by_satellite_only:
            timeout_s = max(timeout_s, *(self._profiles[link].silence_s for link in self._links))
        deadline_s = self.now_s() + timeout_s
        while True:
            self._heard.clear()
            found = self.vehicles.get(sysid) if sysid else next(iter(self.vehicles.values()), None)
            if found is not None:
                return found
            left_s = deadline_s - self.now_s()
            if left_s <= 0:
                who = f"vehicle {sysid}" if sysid else "no vehicle"
                raise NoVehicleError(
                    f"{', '.join(self.addresses)}: {who} {'did not answer' if sysid else 'answered'} within "
                    f"{timeout_s:g} s; is it powered, and does it send to this address?"
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._heard.wait(), left_s)


@asynccontextmanager
async def open_station(
    addresses: Sequence[str],
    profile: LinkProfile,
    recorder: Recorder | None = None,
    sysid: int | None = None,
    settings: StationSettings = PLAIN,
) -> AsyncIterator[Station]:
    """A station on the running loop, its heart beating; `sysid` None takes this computer's own id
    (flight.station_id). Raises AddressError, LinkError, SigningError."""
    station = Station(profile, sysid or station_id(), recorder, settings)
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
