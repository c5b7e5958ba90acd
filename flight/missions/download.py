"""The vehicle's lists read: item by item, or from ArduPilot as a file where the link is slow."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import TransferError
from flight.missions.asking import LEAST_WAIT_S, LONG_TRIP_S, cancel, patience_s, total_s
from flight.missions.file import read_file
from flight.missions.ids import opaque_id_of
from flight.missions.lists import KIND_NAMES, MISSION, OnShare, is_about
from flight.vehicle import Inbox, Vehicle
from flight.wire import Message, message_to_item
from plans.mission import MissionItem

_LOSSY = 0.05
_SLOW_TRIP_S = 0.5
_ITEM_BYTES = 12 + 37 + 12 + 5
_MOST_AHEAD = 24
_NEAR_AHEAD = 4
_AGAIN_S = 2.0
"""PX4 ends a download 5 s after the last request."""
_TIMES = 4
_LIST_TRIES = 12


def is_slow(vehicle: Vehicle) -> bool:
    """Whether a link is such that a list should travel as a file: a round trip over half a second, or more
    than a twentieth of the messages lost; before anything is measured, a link whose profile has a budget."""
    trip_s = vehicle.round_trip.mean_s
    if vehicle.stats.recent_loss_share > _LOSSY:
        return True
    if trip_s is None:
        return vehicle.profile.file_bytes_per_s is not None
    return trip_s > _SLOW_TRIP_S


async def download(
    vehicle: Vehicle, kind: int = MISSION, on_share: OnShare | None = None
) -> tuple[MissionItem, ...]:
    """Read the vehicle's list of items. Raises TransferError when it does not come."""
    async with vehicle.mission_turn():
        return await read_list(vehicle, kind, on_share)


async def read_list(
    vehicle: Vehicle, kind: int = MISSION, on_share: OnShare | None = None
) -> tuple[MissionItem, ...]:
    """The same without asking for the turn. An ArduPilot on a slow link gives a file, else items; where one
    way fails the other is tried."""
    if not vehicle.state.is_ardupilot:
        return (await read_items(vehicle, kind, on_share))[0]
    if is_slow(vehicle):
        try:
            return await read_file(vehicle, kind, on_share)
        except TransferError:
            return (await read_items(vehicle, kind, on_share))[0]
    try:
        return (await read_items(vehicle, kind, on_share))[0]
    except TransferError as fault:
        if vehicle.silence_s() > vehicle.profile.silence_s:
            raise
        try:
            return await read_file(vehicle, kind, on_share)
        except TransferError:
            raise fault from None


async def read_items(
    vehicle: Vehicle, kind: int, on_share: OnShare | None = None, only: Iterable[int] | None = None
) -> tuple[tuple[MissionItem, ...], int, int]:
    """Read item by item: the items, how many the vehicle has, and its own mark of the list (0 for none).
    `only` limits it to some of them. Raises TransferError."""
    with vehicle.inbox() as inbox:
        reading = _Reading(vehicle, inbox, kind, on_share)
        try:
            return await reading.run(None if only is None else list(only))
        except asyncio.CancelledError:
            cancel(vehicle, kind)
            raise


async def ask_count(vehicle: Vehicle, kind: int) -> tuple[int, int]:
    """How many items the vehicle has, and its own mark of the list (0 for none). Raises TransferError."""
    _, count, opaque_id = await read_items(vehicle, kind, only=())
    return count, opaque_id


class _Reading:
    def __init__(self, vehicle: Vehicle, inbox: Inbox, kind: int, on_share: OnShare | None) -> None:
        self._vehicle, self._inbox, self._kind, self._on_share = vehicle, inbox, kind, on_share
        self._began_s = vehicle.now_s()
        self._total_s = total_s(vehicle, 0)

    async def run(self, only: list[int] | None) -> tuple[tuple[MissionItem, ...], int, int]:
        vehicle, name = self._vehicle, KIND_NAMES[self._kind]
        missing = 0
        count = None
        for _ in range(_TIMES):
            count = await self._count()
            if count is None:
                break
            self._total_s = max(self._total_s, total_s(vehicle, count.count))
            wanted = range(count.count) if only is None else [seq for seq in only if seq < count.count]
            found = await self._items(wanted)
            if len(found) == len(wanted):
                self._thank()
                return tuple(found[seq] for seq in wanted), count.count, opaque_id_of(count)
            missing = next(seq for seq in wanted if seq not in found)
            if self._left_s() <= 0 or vehicle.silence_s() > patience_s(vehicle):
                break
        cancel(vehicle, self._kind)
        if count is None:
            raise TransferError(
                f"vehicle {vehicle.sysid}: does not tell its {name}; try again", None, self._kind
            )
        raise TransferError(
            f"vehicle {vehicle.sysid}: item {missing} of {count.count} of its {name} did not come; try again",
            None,
            self._kind,
        )

    def _left_s(self) -> float:
        return self._began_s + self._total_s - self._vehicle.now_s()

    def _is(self, message: Message, *types: str) -> bool:
        return message.get_srcComponent() == self._vehicle.compid and is_about(message, self._kind, *types)

    def _thank(self) -> None:
        vehicle = self._vehicle
        vehicle.send(
            mavlink.MAVLink_mission_ack_message(
                vehicle.sysid, vehicle.compid, mavlink.MAV_MISSION_ACCEPTED, self._kind
            )
        )

    async def _count(self) -> Message | None:
        """MISSION_COUNT. A vehicle that is in the middle of an upload denies it until that has ended."""
        vehicle = self._vehicle
        request = mavlink.MAVLink_mission_request_list_message(vehicle.sysid, vehicle.compid, self._kind)
        tries = max(vehicle.profile.tries, _LIST_TRIES if vehicle.stats.recent_loss_share > _LOSSY else 0)
        asked = 0
        denied = False
        while asked < tries and self._left_s() > 0:
            asked_s = vehicle.now_s()
            vehicle.send(request)
            asked += 1
            wait_s = vehicle.wait_s(LEAST_WAIT_S) if vehicle.round_trip.mean_s else vehicle.profile.answer_s
            answer = await self._inbox.next(
                lambda m: (
                    self._is(m, "MISSION_COUNT")
                    or (self._is(m, "MISSION_ACK") and m.type == mavlink.MAV_MISSION_DENIED)
                ),
                wait_s,
            )
            if answer is None:
                continue
            if answer.get_type() == "MISSION_COUNT":
                if asked == 1:
                    vehicle.answered(vehicle.now_s() - asked_s)
                return answer
            if not denied:
                denied, tries = True, tries + 2 * _LIST_TRIES
            await asyncio.sleep(LEAST_WAIT_S + wait_s)
        return None

    def _ahead(self) -> int:
        """How many items are asked for at once. Only ArduPilot keeps no account of a download."""
        if not self._vehicle.state.is_ardupilot:
            return 1
        trip_s = self._vehicle.round_trip.mean_s
        if trip_s is None or trip_s < LONG_TRIP_S:
            return _NEAR_AHEAD
        rate = self._vehicle.profile.file_bytes_per_s or math.inf
        return int(min(max(trip_s * rate / _ITEM_BYTES, _NEAR_AHEAD), _MOST_AHEAD))

    async def _items(self, wanted: Iterable[int]) -> dict[int, MissionItem]:
        """Those of the wanted items that come."""
        vehicle = self._vehicle
        todo = list(reversed(list(wanted)))
        total = len(todo)
        waiting: dict[int, tuple[float, float, int]] = {}
        found: dict[int, MissionItem] = {}
        news_s = vehicle.now_s()
        while todo or waiting:
            while todo and len(waiting) < self._ahead():
                self._ask(todo.pop(), waiting, 0)
            now_s = vehicle.now_s()
            if self._left_s() <= 0 or now_s - news_s > 2 * patience_s(vehicle):
                break
            due_s = min(due for _, due, _ in waiting.values())
            message = await self._inbox.next(
                lambda m: self._is(m, "MISSION_ITEM_INT", "MISSION_ITEM", "MISSION_ACK"),
                max(due_s - now_s, 0.001),
            )
            now_s = vehicle.now_s()
            if message is not None and message.get_type() == "MISSION_ACK":
                if vehicle.state.is_px4 and message.type == mavlink.MAV_MISSION_ERROR:
                    break  # a request that came late has ended this download on its side
            elif message is not None and message.seq in waiting:
                sent_s, _, times = waiting.pop(message.seq)
                if not times:
                    vehicle.answered(now_s - sent_s)
                found[message.seq] = message_to_item(message)
                news_s = now_s
                if self._on_share is not None:
                    self._on_share(len(found) / total)
            for seq, (_, due, times) in list(waiting.items()):
                if due <= now_s:
                    self._ask(seq, waiting, times + 1)
        return found

    def _ask(self, seq: int, waiting: dict[int, tuple[float, float, int]], times: int) -> None:
        vehicle, now_s = self._vehicle, self._vehicle.now_s()
        vehicle.send(
            mavlink.MAVLink_mission_request_int_message(vehicle.sysid, vehicle.compid, seq, self._kind)
        )
        wait_s = vehicle.wait_s(LEAST_WAIT_S) * min(1.3**times, 2.0)
        if vehicle.state.is_px4:
            wait_s = min(wait_s, _AGAIN_S)
        waiting[seq] = (now_s, now_s + wait_s, times)
