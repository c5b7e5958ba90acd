"""The vehicle asks, the station answers: items one by one, until the vehicle has them all or says no.

Every request is answered, again and again. Where a round trip is long, an answer carries the items that will
be asked for next too, and what was not asked for within a second is sent once more: ArduPilot gives up 8 s
after the last item that it could use (MissionItemProtocol.cpp), PX4 5 s after the last item of any number
(mavlink_mission.cpp). Both let an item that comes out of turn lie: ArduPilot says INVALID_SEQUENCE, PX4
nothing. Other autopilots get what they ask for, no more.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.ftp.exchange import Budget
from flight.missions.ids import opaque_id_of
from flight.missions.lists import OnShare, is_about
from flight.vehicle import Inbox, Vehicle
from flight.wire import Message, item_to_message
from plans.mission import MissionItem

LEAST_WAIT_S = 0.25
"""The protocol's time-out for items (mission.md); what the link measures takes its place."""
LONG_TRIP_S = 0.3
"""From this round trip on, items are sent ahead of their requests."""
_MOST_AHEAD = 24
_AGAIN_S = 1.0
_LOSSY = 0.03
_ITEM_BYTES = 12 + 37
_REQUEST_BYTES = 12 + 5
LINK_SHARE = 2.0
"""A mission is short and waited for: it may take so many times what files may take of a link."""
_START_S = 60.0
_PER_ITEM = 2.0
_STALE_REQUESTS = 3
"""A request for an earlier item may be late; after so many the vehicle has begun anew."""

_NOT_THE_LAST_WORD = frozenset(
    {
        mavlink.MAV_MISSION_ERROR,
        mavlink.MAV_MISSION_DENIED,
        mavlink.MAV_MISSION_OPERATION_CANCELLED,
    }
)


class End(Enum):
    """How an exchange ended."""

    ACCEPTED = auto()
    REFUSED = auto()
    UNCONFIRMED = auto()
    """All items were asked for, but the vehicle's last word did not come."""
    SILENT = auto()
    OUT_OF_TIME = auto()


@dataclass(frozen=True)
class Served:
    """An exchange that has ended. `reached` is the highest item that was asked for, -1 for none; `opaque_id`
    the vehicle's own mark of the list, 0 where it gives none."""

    end: End
    reached: int
    result: int | None = None
    opaque_id: int = 0


def total_s(vehicle: Vehicle, count: int) -> float:
    """After this long an exchange of so many items is given up, whatever the vehicle goes on saying."""
    return _START_S + _PER_ITEM * count * max(vehicle.wait_s(LEAST_WAIT_S), LEAST_WAIT_S)


def patience_s(vehicle: Vehicle) -> float:
    """After this long without anything new an exchange is given up."""
    profile = vehicle.profile
    return profile.tries * max(profile.answer_s, vehicle.wait_s(LEAST_WAIT_S))


def cancel(vehicle: Vehicle, kind: int) -> None:
    """Tell the vehicle that nobody will answer it any more (PX4 then stops asking; ArduPilot does not read
    it and stops after 8 s)."""
    vehicle.send(
        mavlink.MAVLink_mission_ack_message(
            vehicle.sysid, vehicle.compid, mavlink.MAV_MISSION_OPERATION_CANCELLED, kind
        )
    )


async def serve(
    vehicle: Vehicle,
    opening: Message,
    items: Sequence[MissionItem],
    kind: int,
    first: int = 0,
    on_share: OnShare | None = None,
) -> Served:
    """Open an exchange (MISSION_COUNT, MISSION_WRITE_PARTIAL_LIST) and answer until it has ended. `items` are
    numbered from `first` on. A task that is cancelled meanwhile tells the vehicle."""
    with vehicle.inbox() as inbox:
        serving = _Serving(vehicle, opening, items, kind, first, on_share)
        try:
            served = await serving.run(inbox)
        except asyncio.CancelledError:
            cancel(vehicle, kind)
            raise
        if served.end is not End.ACCEPTED:
            cancel(vehicle, kind)
        return served


class _Serving:
    def __init__(
        self,
        vehicle: Vehicle,
        opening: Message,
        items: Sequence[MissionItem],
        kind: int,
        first: int,
        on_share: OnShare | None,
    ) -> None:
        self._vehicle, self._opening, self._items, self._kind = vehicle, opening, items, kind
        self._first, self._stop, self._on_share = first, first + len(items), on_share
        rate = vehicle.profile.file_bytes_per_s
        self._budget = Budget(None if rate is None else LINK_SHARE * rate, vehicle.now_s)
        self._ahead_allowed = vehicle.state.is_ardupilot or vehicle.state.is_px4
        self._queue: deque[int] = deque()
        self._sent: dict[int, tuple[float, int]] = {}
        """When each item was sent last, and how often."""
        self._began_s = self._opened_s = self._news_s = self._pushed_s = vehicle.now_s()
        self._openings = 0
        self._asked: int | None = None
        self._earlier = 0
        self.reached = first - 1
        self._refusal: tuple[int, float] | None = None
        self._out_of_order = False
        self._further = 0
        self._last: Served | None = None

    async def run(self, inbox: Inbox) -> Served:
        self._open()
        while self._last is None:
            self._pump()
            message = await inbox.next(self._is_ours, self._pause_s())
            if message is None:
                self._remind()
            elif message.get_type() == "MISSION_ACK":
                self._acknowledged(message)
            else:
                self._requested(message.seq)
            if self._last is None:
                self._last = self._given_up()
        return self._last

    def _is_ours(self, message: Message) -> bool:
        return message.get_srcComponent() == self._vehicle.compid and is_about(
            message, self._kind, "MISSION_REQUEST", "MISSION_REQUEST_INT", "MISSION_ACK"
        )

    @property
    def _lossy(self) -> bool:
        """Whether so much gets lost that waiting for a round trip costs the vehicle's patience."""
        return self._vehicle.stats.recent_loss_share > _LOSSY

    # -- what is sent --------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._vehicle.send(self._opening)
        self._budget.spend(2 * _REQUEST_BYTES)
        self._openings += 1
        self._opened_s = self._vehicle.now_s()
        if self._items and self._ahead() > 1:
            self._wish(self._first, self._ahead())

    def _ahead(self) -> int:
        """How many items go out for one request: those that fit on the link during a round trip."""
        trip_s = self._vehicle.round_trip.mean_s
        if not self._ahead_allowed or trip_s is None or trip_s < LONG_TRIP_S:
            return 1
        rate = LINK_SHARE * (self._vehicle.profile.file_bytes_per_s or math.inf)
        return int(min(max(trip_s * rate / (_ITEM_BYTES + _REQUEST_BYTES), 2), _MOST_AHEAD))

    def _wish(self, seq: int, ahead: int) -> None:
        """Send an item soon, and those behind it that have not been sent during the last round trip."""
        now_s, trip_s = self._vehicle.now_s(), self._vehicle.round_trip.mean_s or 0.0
        gap_s = min(0.5 * trip_s, 0.5 * _AGAIN_S) if self._lossy else 0.9 * trip_s
        self._queue.clear()
        for number in range(seq, min(seq + ahead, self._stop)):
            since_s = now_s - self._sent.get(number, (-math.inf, 0))[0]
            if since_s >= (gap_s if number == seq else trip_s):
                self._queue.append(number)

    def _pump(self) -> None:
        while self._queue and not self._budget.wait_s:
            seq = self._queue.popleft()
            vehicle = self._vehicle
            item = self._items[seq - self._first]
            vehicle.send(item_to_message(item, seq, vehicle.sysid, vehicle.compid, self._kind))
            self._budget.spend(_ITEM_BYTES + _REQUEST_BYTES)
            self._pushed_s = vehicle.now_s()
            self._sent[seq] = (self._pushed_s, self._sent.get(seq, (0.0, 0))[1] + 1)

    def _remind(self) -> None:
        """Nothing has come for a while: what was sent may be lost, or the answer to it."""
        if self._queue or self._vehicle.now_s() < self._reminder_s() - 1e-6:
            return
        if self._asked is None:
            self._open()
        elif self._ahead_allowed:
            self._further += int(self._out_of_order)
            ahead = min(max(self._ahead(), 2) + self._further, _MOST_AHEAD)
            self._queue.extend(range(self._asked, min(self._asked + ahead, self._stop)))

    def _reminder_s(self) -> float:
        wait_s = self._vehicle.wait_s(LEAST_WAIT_S)
        if self._asked is None:
            return self._opened_s + min(wait_s * 1.3 ** (self._openings - 1), 2 * wait_s)
        return self._pushed_s + (min(wait_s, _AGAIN_S) if self._lossy else wait_s)

    def _pause_s(self) -> float:
        now_s = self._vehicle.now_s()
        if self._queue:
            return max(self._budget.wait_s, 0.001)
        until_s = min(self._reminder_s(), self._limit_s())
        if not self._ahead_allowed and self._asked is not None:
            until_s = self._limit_s()
        return max(until_s - now_s, 0.001)

    # -- what comes ----------------------------------------------------------------------------------------

    def _requested(self, seq: int) -> None:
        if not self._first <= seq < self._stop:
            return
        now_s = self._vehicle.now_s()
        if seq > self.reached:
            self._measure(seq, now_s)
            self._news_s = now_s
            self.reached = seq
            if self._on_share is not None:
                self._on_share((seq + 1 - self._first) / len(self._items))
        self._refusal, self._out_of_order, self._further = None, False, 0
        self._earlier = self._earlier + 1 if self._asked is not None and seq < self._asked else 0
        if self._asked is None or not 0 < self._earlier < _STALE_REQUESTS:
            self._asked, self._earlier = seq, 0
            self._news_s = max(self._news_s, now_s)
            self._wish(seq, self._ahead())
        elif seq not in self._queue:
            self._queue.appendleft(seq)

    def _measure(self, seq: int, now_s: float) -> None:
        """The first request for an item answers the item before it, when that was sent once."""
        if seq == self._first:
            if self._openings == 1:
                self._vehicle.answered(now_s - self._opened_s)
            return
        sent_s, times = self._sent.get(seq - 1, (0.0, 0))
        if times == 1:
            self._vehicle.answered(now_s - sent_s)

    def _acknowledged(self, ack: Message) -> None:
        if ack.type == mavlink.MAV_MISSION_ACCEPTED:
            if len(self._sent) == len(self._items):
                self._last = self._ended(End.ACCEPTED, ack.type, opaque_id_of(ack))
        elif ack.type == mavlink.MAV_MISSION_INVALID_SEQUENCE:
            self._out_of_order = True  # it has what came, and its request for the next was lost
        elif ack.type not in _NOT_THE_LAST_WORD:
            self._last = self._ended(End.REFUSED, ack.type)
        elif self._asked is not None or not self._sent:
            now_s = self._vehicle.now_s()
            self._refusal = (ack.type, self._refusal[1] if self._refusal else now_s)

    # -- the end -------------------------------------------------------------------------------------------

    def _ended(self, end: End, result: int | None = None, opaque_id: int = 0) -> Served:
        return Served(end, self.reached, result, opaque_id)

    def _grace_s(self) -> float:
        vehicle = self._vehicle
        return 2.0 * max(vehicle.profile.answer_s, vehicle.wait_s(LEAST_WAIT_S))

    def _limit_s(self) -> float:
        """When this is given up at the latest, unless something comes."""
        patience = patience_s(self._vehicle)
        if self._asked is None and self._lossy:
            patience *= 2
        elif self._asked == self._stop - 1:
            patience = min(patience, max(2 * self._grace_s(), 0.0))
        limits = [self._news_s + patience, self._began_s + total_s(self._vehicle, len(self._items))]
        if self._refusal is not None:
            limits.append(self._refusal[1] + self._grace_s())
        return min(limits)

    def _given_up(self) -> Served | None:
        now_s = self._vehicle.now_s()
        if now_s < self._limit_s() - 1e-6:
            return None
        if self._refusal is not None:
            return self._ended(End.REFUSED, self._refusal[0])
        if now_s >= self._began_s + total_s(self._vehicle, len(self._items)) - 1e-6:
            return self._ended(End.OUT_OF_TIME)
        if self.reached == self._stop - 1:
            return self._ended(End.UNCONFIRMED)
        if self._out_of_order:
            return self._ended(End.REFUSED, mavlink.MAV_MISSION_INVALID_SEQUENCE)
        return self._ended(End.SILENT)
