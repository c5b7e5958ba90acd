"""The router: lets other programs ride along on the station's links to its vehicles.

Messages go by the MAVLink guide's routing rules: to all when they name no target, else to where the target
has been heard; never back to where they came from. The station is served first: while it exchanges a mission
with a vehicle, what riders say about missions waits; when a rider does, the station waits for the end, for a
while. Writing never blocks; what a slow rider does not take is dropped and counted by its link.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.links.endpoints import EndpointSpec
from flight.links.link import Ear, Link, OnBytes, open_link
from flight.signing.signatures import SETUP_SIGNING, Signing, UnsignedRule, is_signed
from flight.wire import Message, Parser, packet_of

COMPONENT_BESIDE_RIDERS = 99
"""The station's component id (MAV_COMP_ID_USER75) where others ride along: their stations are mostly 0, 190
or 230, and answers to them are then not taken for answers to us."""

_FORGET_S = 60.0
_VEHICLE_HERE_S = 10.0
_SAME_PACKET_S = 1.0
_RIDER_PAUSE_S = 2.0
_RIDER_PATIENCE_S = 10.0
_HELD = 128
_NOTES_PER_S = 5

_BEGINS = frozenset(
    {
        mavlink.MAVLINK_MSG_ID_MISSION_COUNT,
        mavlink.MAVLINK_MSG_ID_MISSION_REQUEST_LIST,
        mavlink.MAVLINK_MSG_ID_MISSION_REQUEST_PARTIAL_LIST,
        mavlink.MAVLINK_MSG_ID_MISSION_WRITE_PARTIAL_LIST,
        mavlink.MAVLINK_MSG_ID_MISSION_CLEAR_ALL,
    }
)
_WRITES = frozenset(
    {
        mavlink.MAVLINK_MSG_ID_MISSION_COUNT,
        mavlink.MAVLINK_MSG_ID_MISSION_WRITE_PARTIAL_LIST,
        mavlink.MAVLINK_MSG_ID_MISSION_CLEAR_ALL,
    }
)
_MISSION = _BEGINS | {
    mavlink.MAVLINK_MSG_ID_MISSION_ITEM,
    mavlink.MAVLINK_MSG_ID_MISSION_ITEM_INT,
    mavlink.MAVLINK_MSG_ID_MISSION_REQUEST,
    mavlink.MAVLINK_MSG_ID_MISSION_REQUEST_INT,
    mavlink.MAVLINK_MSG_ID_MISSION_SET_CURRENT,
    mavlink.MAVLINK_MSG_ID_MISSION_ACK,
}
_NOTABLE = _BEGINS | {
    mavlink.MAVLINK_MSG_ID_COMMAND_LONG,
    mavlink.MAVLINK_MSG_ID_COMMAND_INT,
    mavlink.MAVLINK_MSG_ID_SET_MODE,
    mavlink.MAVLINK_MSG_ID_PARAM_SET,
    mavlink.MAVLINK_MSG_ID_MISSION_SET_CURRENT,
}
"""What goes into the flight's journal when a rider says it to a vehicle."""

_OWN_TARGET = frozenset({mavlink.MAVLINK_MSG_ID_CAMERA_FEEDBACK, mavlink.MAVLINK_MSG_ID_CAMERA_STATUS})
"""Their `target_system` is whose camera it is: they are for everybody."""

Ids = tuple[int, int]
OnEvent = Callable[..., None]
ToVehicle = Callable[[bytes, Link], None]


class Sources:
    """Who has been heard on a link, and when last."""

    def __init__(self) -> None:
        self._heard: dict[int, dict[int, float]] = {}

    def hear(self, ids: Ids, now_s: float) -> None:
        """Somebody spoke."""
        self._heard.setdefault(ids[0], {})[ids[1]] = now_s

    def has(self, ids: Ids, now_s: float, within_s: float = _FORGET_S) -> bool:
        """Whether this component was heard lately."""
        heard_s = self._heard.get(ids[0], {}).get(ids[1])
        return heard_s is not None and now_s - heard_s <= within_s

    def reaches(self, target: Ids, now_s: float) -> bool:
        """Whether a target (component 0: any part of the system) was heard lately."""
        system, component = target
        if component:
            return self.has(target, now_s)
        return any(now_s - heard_s <= _FORGET_S for heard_s in self._heard.get(system, {}).values())

    def has_system(self, system: int, now_s: float) -> bool:
        """Whether any part of a system was heard lately."""
        return self.reaches((system, 0), now_s)


@dataclass(eq=False)
class Endpoint:
    """One rider's place: its link, who was heard on it, what went through."""

    spec: EndpointSpec
    link: Link | None = None
    sources: Sources = field(default_factory=Sources)
    sent: int = 0
    received: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    dropped_told: bool = False
    noted: int = 0
    noted_s: float = 0.0

    @property
    def dropped(self) -> int:
        """Messages that the other side was too slow for."""
        return self.link.dropped if self.link is not None else 0

    def report(self) -> dict[str, Any]:
        """What went through, as plain values."""
        return {
            "address": self.spec.address,
            "may": self.spec.may.name.lower(),
            "sent": self.sent,
            "dropped": self.dropped,
            "received": self.received,
            "refused": dict(self.refused),
        }


@dataclass
class _Exchange:
    """Whose turn it is to exchange a mission with one vehicle."""

    ours: int = 0
    rider: Endpoint | None = None
    rider_s: float = 0.0
    rider_ended: asyncio.Event = field(default_factory=asyncio.Event)
    held: deque[tuple[Endpoint, bytes, int]] = field(default_factory=deque)

    def follow(self, message_id: int, endpoint: Endpoint, now_s: float) -> None:
        """A rider's word about missions goes to the vehicle."""
        if message_id in _BEGINS:
            self.rider, self.rider_s = endpoint, now_s
            self.rider_ended.clear()
        elif self.rider is endpoint:
            self.rider_s = now_s
            if message_id == mavlink.MAVLINK_MSG_ID_MISSION_ACK:
                self.rider_is_through()

    def rider_is_through(self) -> None:
        """The last word of a rider's exchange has been said."""
        self.rider = None
        self.rider_ended.set()


class Router:
    """Endpoints beside a station's own links. `open` it, tell it what vehicles say, `close` it."""

    def __init__(
        self,
        specs: Sequence[EndpointSpec],
        station: Ids,
        to_vehicle: ToVehicle,
        signing: Signing | None = None,
        on_event: OnEvent = lambda action, **detail: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`to_vehicle` puts a packet on a vehicle's link (and signs it, where the station signs)."""
        self.endpoints = [Endpoint(spec) for spec in specs]
        self.station = station
        """The ids that the station speaks under."""
        self._to_vehicle = to_vehicle
        self._signing = signing
        self._on_event = on_event
        self._clock = clock
        self._vehicles: dict[Link, Sources] = {}
        self._recent: dict[bytes, tuple[object, float]] = {}
        self._exchanges: dict[int, _Exchange] = {}
        self._kept: set[int] = set()

    async def open(self) -> None:
        """Open the endpoints. Raises AddressError, LinkError."""
        for endpoint in self.endpoints:
            endpoint.link = await open_link(endpoint.spec.address, Ear(partial(self._hearer, endpoint)))

    def _hearer(self, endpoint: Endpoint) -> OnBytes:
        parser = Parser()

        def on_bytes(data: bytes) -> None:
            for message in parser.feed(data):
                self.said(message, endpoint)

        return on_bytes

    async def close(self) -> None:
        """Let go of the endpoints."""
        for endpoint in self.endpoints:
            if endpoint.link is not None:
                await endpoint.link.close()

    def report(self) -> list[dict[str, Any]]:
        """What went through each endpoint."""
        return [endpoint.report() for endpoint in self.endpoints]

    # -- from vehicles -------------------------------------------------------------------------------------

    def heard(self, message: Message, link: Link) -> None:
        """A message came from a vehicle's link: on to whom it concerns."""
        packet, now_s = packet_of(message), self._clock()
        message_id, source, target = header_of(message, packet)
        if target[0] == source[0] or message_id in _OWN_TARGET:
            target = (0, 0)
        self._vehicles.setdefault(link, Sources()).hear(source, now_s)
        if message_id == SETUP_SIGNING or self._seen_elsewhere(packet, link, now_s):
            return
        if message_id in _MISSION:
            self._follow_rider(source[0], message_id, target)
        self._to_endpoints(packet, message_id, source, target, None, now_s)

    def _to_endpoints(
        self, packet: bytes, message_id: int, source: Ids, target: Ids, origin: Endpoint | None, now_s: float
    ) -> None:
        if target == self.station:
            return
        for endpoint in self.endpoints:
            if endpoint is origin or not endpoint.spec.lets(message_id):
                continue
            if origin is None and not endpoint.spec.sees(source[0]):
                continue
            if target[0] and not endpoint.sources.reaches(target, now_s):
                continue
            self._write(endpoint, packet)

    def _write(self, endpoint: Endpoint, packet: bytes) -> None:
        link = endpoint.link
        if link is None or not link.connected:
            return
        dropped = link.dropped
        link.write(packet)
        if link.dropped > dropped and not endpoint.dropped_told:
            endpoint.dropped_told = True
            self._on_event("rider too slow", endpoint=endpoint.spec.address)
        else:
            endpoint.sent += 1

    # -- from riders ---------------------------------------------------------------------------------------

    def said(self, message: Message, endpoint: Endpoint) -> None:
        """A message came from an endpoint: on to whom it concerns, if it may."""
        packet, now_s = packet_of(message), self._clock()
        message_id, source, target = header_of(message, packet)
        endpoint.received += 1
        fault = self._fault(packet, message_id, source, endpoint, now_s)
        if fault is not None:
            self._refuse(endpoint, fault, source)
            return None
        endpoint.sources.hear(source, now_s)
        if not endpoint.spec.lets(message_id):
            return self._refuse(endpoint, "filtered", source)
        if not endpoint.spec.may.passes(message_id, _command_of(message)):
            return self._refuse(endpoint, f"may only {endpoint.spec.may.name.lower()}", source)
        if self._seen_elsewhere(packet, endpoint, now_s):
            return self._refuse(endpoint, "came twice", source)
        self._to_vehicles(message, packet, message_id, target, endpoint, now_s)
        if not target[0] or not self._is_vehicle(target[0], now_s):
            self._to_endpoints(packet, message_id, source, target, endpoint, now_s)
        return None

    def _fault(
        self, packet: bytes, message_id: int, source: Ids, endpoint: Endpoint, now_s: float
    ) -> str | None:
        """Why a rider's message is not even routed."""
        if message_id == SETUP_SIGNING:
            return "carries a key"
        if source == self.station:
            return "speaks as this station"
        if any(sources.has(source, now_s, _VEHICLE_HERE_S) for sources in self._vehicles.values()):
            return "speaks as a vehicle"  # an echo, most likely: a loop
        if self._signing is not None and (is_signed(packet) or not endpoint.spec.lend):
            verdict = self._signing.incoming(packet, UnsignedRule())
            return None if verdict.passes else verdict.value
        return None

    def _refuse(self, endpoint: Endpoint, why: str, source: Ids) -> None:
        endpoint.refused[why] += 1
        if endpoint.refused[why] == 1:
            self._on_event("rider refused", endpoint=endpoint.spec.address, why=why, source=list(source))

    def _to_vehicles(
        self,
        message: Message,
        packet: bytes,
        message_id: int,
        target: Ids,
        endpoint: Endpoint,
        now_s: float,
    ) -> None:
        spec = endpoint.spec
        if spec.systems is not None and _has_target(message) and target[0] not in spec.systems:
            return self._refuse(endpoint, "not one of its systems", target)
        if message_id in _WRITES and self._kept and target[0] in {0, *self._kept}:
            return self._refuse(endpoint, "the station flies its own mission", target)
        links = [
            link
            for link, sources in self._vehicles.items()
            if not target[0] or sources.has_system(target[0], now_s)
        ]
        if not links:
            return None
        if message_id in _NOTABLE:
            self._note(message, endpoint, target)
        if message_id in _MISSION and not self._mission_goes(message_id, target[0], packet, endpoint, now_s):
            return None
        for link in links:
            self._to_vehicle(packet, link)
        return None

    def _note(self, message: Message, endpoint: Endpoint, target: Ids) -> None:
        detail = {"message": message.get_type(), "vehicle": target[0]}
        if (command := _command_of(message)) is not None:
            if command in (mavlink.MAV_CMD_REQUEST_MESSAGE, mavlink.MAV_CMD_SET_MESSAGE_INTERVAL):
                return
            detail["command"] = command
        now_s = self._clock()
        if now_s - endpoint.noted_s >= 1.0:
            endpoint.noted, endpoint.noted_s = 0, now_s
        endpoint.noted += 1
        if endpoint.noted > _NOTES_PER_S:
            return  # each one waits for the disk
        self._on_event("rider command", endpoint=endpoint.spec.address, **detail)

    def _is_vehicle(self, system: int, now_s: float) -> bool:
        return any(sources.has_system(system, now_s) for sources in self._vehicles.values())

    def _seen_elsewhere(self, packet: bytes, origin: object, now_s: float) -> bool:
        """Whether these very bytes came from another side a moment ago: two ways to one place."""
        recent = self._recent
        before = recent.pop(packet, None)
        twice = before is not None and before[0] is not origin and now_s - before[1] <= _SAME_PACKET_S
        recent[packet] = before if twice and before is not None else (origin, now_s)
        while recent:
            oldest = next(iter(recent))
            if now_s - recent[oldest][1] <= _SAME_PACKET_S:
                break
            del recent[oldest]
        return twice

    # -- whose turn it is ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def mission_kept(self, system: int) -> Iterator[None]:
        """The station flies a mission: riders may read it, and command the vehicle, but not replace it."""
        self._kept.add(system)
        try:
            yield
        finally:
            self._kept.discard(system)

    @asynccontextmanager
    async def mission_turn(self, system: int) -> AsyncIterator[None]:
        """The station exchanges a mission with a vehicle; riders' words about missions wait meanwhile."""
        exchange = self._exchange(system)
        if not exchange.ours:
            await self._let_rider_end(exchange)
        exchange.ours += 1
        try:
            yield
        finally:
            exchange.ours -= 1
            if not exchange.ours:
                self._release(system, exchange)

    def _exchange(self, system: int) -> _Exchange:
        return self._exchanges.setdefault(system, _Exchange())

    async def _let_rider_end(self, exchange: _Exchange) -> None:
        patience_s = self._clock() + _RIDER_PATIENCE_S
        while exchange.rider is not None:
            until_s = min(exchange.rider_s + _RIDER_PAUSE_S, patience_s)
            if (left_s := until_s - self._clock()) <= 0:
                exchange.rider = None  # it went away, or takes too long
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(exchange.rider_ended.wait(), left_s)

    def _mission_goes(
        self, message_id: int, system: int, packet: bytes, endpoint: Endpoint, now_s: float
    ) -> bool:
        """Whether a rider's word about missions goes now; else it is held until the station is through."""
        ours = [x for s, x in self._exchanges.items() if x.ours and system in (0, s)]
        if ours:
            held = ours[0].held
            if len(held) >= _HELD:
                endpoint.refused["waited too long for the station"] += 1
            else:
                held.append((endpoint, packet, message_id))
            return False
        self._exchange(system).follow(message_id, endpoint, now_s)
        return True

    def _follow_rider(self, system: int, message_id: int, target: Ids) -> None:
        exchange = self._exchanges.get(system)
        if exchange is None or exchange.rider is None or target == self.station:
            return
        exchange.rider_s = self._clock()
        if message_id == mavlink.MAVLINK_MSG_ID_MISSION_ACK:
            exchange.rider_is_through()

    def _release(self, system: int, exchange: _Exchange) -> None:
        """What was held goes to the vehicle; the same words said again and again go once."""
        held, exchange.held = exchange.held, deque()
        said: set[tuple[int, bytes]] = set()
        now_s = self._clock()
        for endpoint, packet, message_id in held:
            words = id(endpoint), _without_sequence(packet)
            if words in said:
                continue
            said.add(words)
            exchange.follow(message_id, endpoint, now_s)
            for link, sources in self._vehicles.items():
                if sources.has_system(system, now_s):
                    self._to_vehicle(packet, link)


def header_of(message: Message, packet: bytes) -> tuple[int, Ids, Ids]:
    """Message id, source and target ((0, 0) for everybody) of a message."""
    if packet[0] == mavlink.PROTOCOL_MARKER_V1:
        message_id, source = packet[5], (packet[3], packet[4])
    else:
        message_id, source = int.from_bytes(packet[7:10], "little"), (packet[5], packet[6])
    if message_id == mavlink.MAVLINK_MSG_ID_MANUAL_CONTROL:
        return message_id, source, (message.target, 0)
    target = getattr(message, "target_system", 0), getattr(message, "target_component", 0)
    return message_id, source, target


def _has_target(message: Message) -> bool:
    return hasattr(message, "target_system") or message.get_type() == "MANUAL_CONTROL"


def _command_of(message: Message) -> int | None:
    if message.get_type() in ("COMMAND_LONG", "COMMAND_INT"):
        return int(message.command)
    return None


def _without_sequence(packet: bytes) -> bytes:
    """The words of a packet: all but its sequence number, checksum and signature."""
    if packet[0] == mavlink.PROTOCOL_MARKER_V1:
        return packet[3:-2]
    return packet[5 : mavlink.HEADER_LEN_V2 + packet[1]]
