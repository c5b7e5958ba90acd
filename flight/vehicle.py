"""One vehicle as the station knows it: its latest state, the ways to it, and what it says from now on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from flight.errors import DisputedError, SatelliteLinkError
from flight.high_latency import is_high_latency
from flight.identity import Identity, identity_after
from flight.links.high_latency_switch import WHY_NOT, ends_exchange, may_pass
from flight.links.link import Link
from flight.links.paths import Path, choose_path
from flight.links.profiles import LinkProfile
from flight.links.round_trip import RoundTrip
from flight.links.stats import LinkStats, heard
from flight.state import VehicleState
from flight.state_update import update
from flight.turns import Turns
from flight.wire import Message

if TYPE_CHECKING:
    from flight.station import Station

Match = Callable[[Message], bool]
_INBOX_MESSAGES = 20_000
"""What waits at most for somebody who does not look: minutes of a fast vehicle. The oldest goes first."""


class Inbox:
    """What a vehicle says from now on, in order."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Message] = asyncio.Queue()

    def put(self, message: Message) -> None:
        """Take a message in."""
        if self._queue.qsize() >= _INBOX_MESSAGES:
            self._queue.get_nowait()
        self._queue.put_nowait(message)

    def drain(self) -> Iterator[Message]:
        """What is there now, without waiting."""
        while not self._queue.empty():
            yield self._queue.get_nowait()

    async def next(self, match: Match, timeout_s: float) -> Message | None:
        """The next message that fits, or None after `timeout_s`. What does not fit is let go."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        while (left_s := deadline_s - loop.time()) > 0:
            try:
                async with asyncio.timeout(left_s):  # wait_for may swallow a cancellation (Python 3.11)
                    message = await self._queue.get()
            except TimeoutError:
                return None
            if match(message):
                return message
        return None


class Vehicle:
    """One vehicle: its latest state, and the ways to it. `compid` is its autopilot."""

    def __init__(self, station: Station, state: VehicleState, link: Link, profile: LinkProfile) -> None:
        self.station = station
        self.state = state
        self.link = link
        """On which it is spoken to: chosen anew each second among `paths`."""
        self.paths: dict[Link, Path] = {link: Path(profile, state.heard_s)}
        self.identity = Identity()
        self.returns = 0
        """How often it was heard again after a silence."""
        self.turns = Turns()
        """One command of a kind at a time."""
        self._inboxes: set[Inbox] = set()

    @property
    def stats(self) -> LinkStats:
        """What arrives of its autopilot's messages on the link in use."""
        return self.paths[self.link].stats

    @property
    def round_trip(self) -> RoundTrip:
        """How long its answers take on the link in use."""
        return self.paths[self.link].round_trip

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
        """How to use the link that it is spoken to on."""
        return self.paths[self.link].profile

    @property
    def by_satellite(self) -> bool:
        """Whether it is spoken to over a satellite, because no other link works."""
        return self.profile.commands_only

    @property
    def disputed(self) -> str | None:
        """Why it cannot be told who answers under this system id; None when it can."""
        return self.identity.dispute(self.sysid)

    def check_undisputed(self) -> None:
        """Raise DisputedError when two vehicles speak under this system id: neither may be commanded."""
        if self.disputed is not None:
            raise DisputedError(self.disputed)

    def now_s(self) -> float:
        """The station's clock: that of `state`'s moments."""
        return self.station.now_s()

    def wait_s(self, least_s: float) -> float:
        """How long to wait for an answer before asking again, by the round trips measured on this link."""
        path = self.paths[self.link]
        return path.round_trip.wait_s(least_s, max(path.profile.answer_s, least_s))

    @property
    def answer_s(self) -> float:
        """How long to wait for the answer to a command, which the vehicle may have to think about."""
        return self.wait_s(0.5 * self.profile.answer_s)

    def answered(self, seconds: float) -> None:
        """An answer to something asked once took so long."""
        self.paths[self.link] = self.paths[self.link].timed(seconds)

    def send(self, message: Message) -> None:
        """Put a message on the link in use. Raises SatelliteLinkError for what does not go over that one."""
        if self.by_satellite and not may_pass(message):
            if ends_exchange(message):
                return  # the vehicle's own timers end it
            raise SatelliteLinkError(f"vehicle {self.sysid}: {WHY_NOT}")
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

    def hear(self, message: Message, link: Link, profile: LinkProfile, copy: bool) -> None:
        """A message of this system has come; a copy (by another way) counts for its link only."""
        now_s = self.now_s()
        if message.get_srcComponent() == self.compid:
            path = self.paths.get(link) or Path(profile, now_s)
            stats = heard(path.stats, message.get_seq(), len(message.get_msgbuf()), now_s)
            self.paths[link] = replace(path, heard_s=now_s, stats=stats)
            if not copy:
                if self.silent(now_s):
                    self.returns += 1
                if self.paths[self.link].silent(now_s) or (self.by_satellite and not profile.commands_only):
                    self.link = link
                if self.by_satellite or not (profile.commands_only and is_high_latency(message)):
                    self._read(message, now_s)  # what a satellite tells is older than what a fast link does
        if copy:
            return
        for box in self._inboxes:
            box.put(message)

    def _read(self, message: Message, now_s: float) -> None:
        try:
            self.identity = identity_after(self.identity, message, now_s)
            self.state = update(self.state, message, now_s)
        except Exception as bug:  # a fault of ours must not keep the message from those who wait for it
            self.station.reader_failed("vehicle state", message, bug)

    def choose_link(self) -> bool:
        """Speak on the best link from now on; True when that is another one."""
        best = choose_path(self.paths, self.link, self.now_s())
        changed = best is not self.link
        self.link = best
        return changed

    def silence_s(self) -> float:
        """For how long nothing has been heard of it on any link."""
        return self.now_s() - self.state.heard_s

    def silent(self, now_s: float) -> bool:
        """Whether it has not been heard for longer than the profile of its link grants."""
        return now_s - self.state.heard_s > self.profile.silence_s
