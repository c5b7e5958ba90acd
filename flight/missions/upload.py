"""A vehicle is given a list of items, or it is cleared, or some items are changed; then it is read back.

The vehicle counts as having a list when what it holds has been compared with it. After an upload that did not
end well the station finds out what the vehicle holds now, and the error says it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.basics import command_name
from flight.errors import FileError, NoFileServerError, TransferError
from flight.missions.asking import End, Served, patience_s, serve
from flight.missions.download import ask_count, is_slow, read_list
from flight.missions.file import write_file
from flight.missions.ids import current_id_of
from flight.missions.lists import (
    KIND_NAMES,
    MISSION,
    UNKNOWN_HELD,
    Held,
    Holding,
    OnShare,
    differences,
    has_home_slot,
    held_after,
    result_words,
)
from flight.missions.marks import MissionMark, mark_of
from flight.vehicle import Vehicle
from plans.mission import MissionItem

_ATTEMPTS = 3
_RESUMED = 20
_BOOT_TRIES, _BOOT_S, _TEXTS_LOOKED_AT = 4, 1.5, 5
_UPLOAD_SHARE = 0.6
"""Of the progress; the rest is reading back."""
_CURRENT_S = 5.0


class Way(Enum):
    """How a list travelled."""

    ITEMS = "item by item"
    FILE = "as a file"


class Proof(Enum):
    """Why the vehicle is believed to hold what was sent."""

    READ_BACK = "read back"
    MARK = "the vehicle's own mark of the list"


@dataclass(frozen=True)
class Uploaded:
    """A list that a vehicle has. `items` are as it holds them; `mark` knows them again."""

    kind: int
    items: tuple[MissionItem, ...]
    mark: MissionMark
    way: Way
    proof: Proof


@dataclass(frozen=True)
class _Tried:
    """One try: what went wrong in words (None when the vehicle should have the list)."""

    way: Way
    fault: str | None = None
    result: int | None = None
    opaque_id: int = 0
    hopeless: bool = False
    """Another try by this way would end alike; after items one by one, by no way."""


async def upload(
    vehicle: Vehicle, items: Sequence[MissionItem], kind: int = MISSION, on_share: OnShare | None = None
) -> Uploaded:
    """Give the vehicle a list of items, all of them, and see that it has them.

    An ArduPilot on a slow link (download.is_slow) gets it as a file, everybody else item by item;
    where an ArduPilot fails to take it in one way, it gets it in the other.

    Raises DisputedError; TransferError that names the reason and says what the vehicle holds now, or that it
    flies its mission: then nothing is sent. A task that
    is cancelled tells the vehicle to ask no more.
    """
    vehicle.check_undisputed()
    _check_not_flown(vehicle, kind)
    async with vehicle.mission_turn():
        return await _Upload(vehicle, tuple(items), kind, on_share or (lambda share: None)).run()


def _check_not_flown(vehicle: Vehicle, kind: int) -> None:
    """An ArduPilot takes a mission while it flies one, and begins its current item again with each item that
    comes (seen on a real one)."""
    state = vehicle.state
    flown = kind == MISSION and state.is_ardupilot and state.armed and state.mode == "AUTO"
    if flown and not vehicle.by_satellite:
        raise TransferError(
            f"vehicle {vehicle.sysid}: flies its mission in AUTO, which a new one would upset item by item; "
            "stop it first (missionctl command pause, then another mode) or let it land",
            None,
            kind,
        )


class _Upload:
    def __init__(
        self, vehicle: Vehicle, items: tuple[MissionItem, ...], kind: int, on_share: OnShare
    ) -> None:
        self._vehicle, self._items, self._kind, self._on_share = vehicle, items, kind, on_share
        self._home_slot = has_home_slot(vehicle.state.is_ardupilot, kind)
        self._asked = False

    async def run(self) -> Uploaded:
        ways = self._ways()
        held: Held | None = None
        tried = _Tried(Way.ITEMS)
        while ways:
            way = ways.pop(0)
            tried = await (self._as_file() if way is Way.FILE else self._by_items())
            if tried.hopeless:
                ways = [] if way is Way.ITEMS else [other for other in ways if other is not way]
            if tried.fault is not None and ways:
                continue
            marked = tried.opaque_id != 0 and is_slow(self._vehicle)
            if marked and await self._is_current(tried.opaque_id):
                return self._done(self._items, tried, Proof.MARK)
            held = await self._look()
            if held.holding is Holding.NEW:
                assert held.items is not None
                return self._done(held.items, tried, Proof.READ_BACK)
        raise self._failed(tried, held or await self._look())

    def _ways(self) -> list[Way]:
        by_items = [Way.ITEMS] * _ATTEMPTS
        if not self._vehicle.state.is_ardupilot:
            return by_items
        by_file = [Way.FILE, Way.FILE]
        return by_file + by_items if is_slow(self._vehicle) else by_items[:1] + by_file + by_items[1:]

    def _done(self, held: tuple[MissionItem, ...], tried: _Tried, proof: Proof) -> Uploaded:
        self._on_share(1.0)
        mark = mark_of(self._kind, held, tried.opaque_id, self._home_slot)
        return Uploaded(self._kind, held, mark, tried.way, proof)

    def _share_up(self, share: float) -> None:
        self._on_share(_UPLOAD_SHARE * share)

    def _share_back(self, share: float) -> None:
        self._on_share(_UPLOAD_SHARE + (1 - _UPLOAD_SHARE) * share)

    # -- the two ways --------------------------------------------------------------------------------------

    async def _by_items(self) -> _Tried:
        vehicle, items = self._vehicle, self._items
        count = mavlink.MAVLink_mission_count_message(vehicle.sysid, vehicle.compid, len(items), self._kind)
        served = await serve(vehicle, count, items, self._kind, on_share=self._share_up)
        for _ in range(_BOOT_TRIES):
            if not await self._still_boots(served):
                break
            served = await serve(vehicle, count, items, self._kind, on_share=self._share_up)
        for _ in range(_RESUMED):
            before = served.reached
            if not await self._can_go_on(served):
                break
            opening = mavlink.MAVLink_mission_write_partial_list_message(
                vehicle.sysid, vehicle.compid, before, len(items) - 1, self._kind
            )
            served = await serve(vehicle, opening, items[before:], self._kind, before, self._share_up)
            if served.reached <= before:
                break
        if served.end is End.ACCEPTED:
            return _Tried(Way.ITEMS, opaque_id=served.opaque_id, hopeless=True)
        return _Tried(
            Way.ITEMS,
            None if served.end is End.UNCONFIRMED else words_of(served, items),
            served.result,
            hopeless=is_final(served) or self._is_deaf(served),
        )

    async def _still_boots(self, served: Served) -> bool:
        """Whether an ArduPilot that says "too many" has only just started: its storage is not there yet, and
        it says that it takes 0 items."""
        if served.result != mavlink.MAV_MISSION_NO_SPACE or not self._vehicle.state.is_ardupilot:
            return False
        await asyncio.sleep(_BOOT_S)
        said = [text.text for text in self._vehicle.state.texts[-_TEXTS_LOOKED_AT:]]
        return any(text.startswith("Only 0 items") for text in said)

    def _is_deaf(self, served: Served) -> bool:
        """Whether it has never asked for anything: it takes no such list, or nobody is there."""
        self._asked = self._asked or served.reached >= 0
        return not self._asked

    async def _can_go_on(self, served: Served) -> bool:
        """Whether an ArduPilot that gave up can be told to go on where it stopped: it takes part of a list
        only when it has as many items as the whole (of the old list, behind the new ones)."""
        ended = served.end in (End.ACCEPTED, End.UNCONFIRMED) or is_final(served)
        if ended or served.reached < 1 or not self._home_slot:
            return False
        try:
            count, _ = await ask_count(self._vehicle, self._kind)
        except TransferError:
            return False
        return count == len(self._items)

    async def _as_file(self) -> _Tried:
        try:
            await write_file(self._vehicle, self._items, self._kind, self._share_up)
        except FileError as fault:
            return _Tried(Way.FILE, str(fault), hopeless=isinstance(fault, NoFileServerError))
        return _Tried(Way.FILE)

    # -- what it holds -------------------------------------------------------------------------------------

    async def _look(self) -> Held:
        try:
            held = await read_list(self._vehicle, self._kind, self._share_back)
        except TransferError:
            return UNKNOWN_HELD
        atomic = self._vehicle.state.is_px4
        return held_after(self._items, held, self._kind, self._home_slot, atomic)

    async def _is_current(self, opaque_id: int) -> bool:
        """Whether the vehicle goes on to say that the list in use is the one it has acknowledged."""
        vehicle = self._vehicle
        with vehicle.inbox() as inbox:
            said = await inbox.next(
                lambda m: m.get_type() == "MISSION_CURRENT" and current_id_of(m, self._kind) == opaque_id,
                _CURRENT_S + patience_s(vehicle),
            )
        return said is not None

    def _failed(self, tried: _Tried, held: Held) -> TransferError:
        vehicle, name = self._vehicle, KIND_NAMES[self._kind]
        fault = tried.fault
        if fault is None and held.items is None:
            fault = f"{name} upload: sent, but it could not be read back"
        elif fault is None:
            assert held.items is not None
            fault = f"{name} upload: it does not hold what was sent: " + _first_of(
                differences(self._items, held.items, self._home_slot)
            )
        else:
            fault = f"{name} upload {fault}"
        return TransferError(
            f"vehicle {vehicle.sysid}: {fault}; it holds {held.words}; upload again before flying",
            tried.result,
            self._kind,
            held.items,
        )


def is_final(served: Served) -> bool:
    """Whether the vehicle has refused the list itself, not only this try."""
    return served.end is End.REFUSED and served.result not in (
        mavlink.MAV_MISSION_OPERATION_CANCELLED,
        mavlink.MAV_MISSION_INVALID_SEQUENCE,
        mavlink.MAV_MISSION_ERROR,
    )


def words_of(served: Served, items: Sequence[MissionItem], first: int = 0) -> str:
    """How an exchange of items numbered from `first` on ended, in words."""
    at = served.reached - first
    if served.end is End.REFUSED:
        where = f" at item {served.reached} ({command_name(items[at].command)})" if at >= 0 else ""
        return f"refused{where}: {result_words(served.result or 0)}"
    where = f"item {served.reached}" if at >= 0 else "the start"
    why = "no more requests came" if served.end is End.SILENT else "it took too long"
    return f"stopped at {where} of {len(items)}, {why}"


def _first_of(lines: Sequence[str]) -> str:
    more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return f"{lines[0]}{more}"
