"""The vehicle's side of the mission protocol on one link, as PX4 does it (mavlink_mission.cpp, 1.16).

The first item is asked for with MISSION_REQUEST, the rest as they come. A list is taken whole or not at all;
it has a mark (opaque_id). An item out of turn is ignored, silence asked over every quarter of a second and
given up after five, in simulated time. Once a second the current item is told, and the last one reached, ten
times over.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Message
from sim.autopilot.exchange import item_of
from sim.autopilot.items import Item, Result
from sim.autopilot.mission import FENCE_COMMANDS, RALLY_COMMANDS
from sim.autopilot.px4.items import ListStore, as_kept, check, mark_of
from sim.autopilot.px4.marks import with_marks
from sim.autopilot.speech import MissionTraffic

if TYPE_CHECKING:
    from sim.autopilot.px4.vehicle import Px4

RETRY_S, GIVE_UP_S = 0.25, 5.0
_TOLD_S = 1.0
_TOLD_AGAIN = 10
_MISSION, _FENCE, _RALLY, _ALL = 0, 1, 2, 255
CAPACITY = {_MISSION: 500, _FENCE: 64, _RALLY: 32}
_LEAST_CORNERS = 3


@dataclass
class _Upload:
    kind: int
    count: int
    partner: tuple[int, int]
    heard_s: float
    asked_s: float
    items: list[Item] = field(default_factory=list)
    current: int = -1


class Exchange(MissionTraffic):
    """One link's mission traffic. `send` takes a message."""

    def __init__(self, vehicle: Px4, send: Callable[[Message], None]) -> None:
        super().__init__(
            {
                "MISSION_COUNT": self._on_count,
                "MISSION_ITEM": self._on_item,
                "MISSION_ITEM_INT": self._on_item,
                "MISSION_REQUEST_LIST": self._on_request_list,
                "MISSION_REQUEST": self._on_request,
                "MISSION_REQUEST_INT": self._on_request,
                "MISSION_CLEAR_ALL": self._on_clear,
                "MISSION_SET_CURRENT": self._on_set_current,
                "MISSION_ACK": self._on_ack,
            }
        )
        self._vehicle, self._send = vehicle, send
        self._upload: _Upload | None = None
        self._whole_numbers = False
        self._done: tuple[int, int, int] | None = None
        """Kind, number of items and mark of the newest upload."""
        self._reading: tuple[int, tuple[int, int]] | None = None
        self._read_s = 0.0
        self._told_seq = self._told_reached = -1
        self._again = 0
        self._next_told_s = 0.0

    def update(self) -> None:
        """Tell how far the mission is; ask again, or give up, if the station has gone quiet."""
        self._tell()
        upload, now = self._upload, self._vehicle.time_s
        if upload is None:
            if self._reading is not None and now - self._read_s >= GIVE_UP_S:
                self._give_up()
        elif now - upload.heard_s >= GIVE_UP_S:
            self._give_up()
        elif now - upload.asked_s >= RETRY_S:
            self._ask(upload)

    def _give_up(self) -> None:
        self._upload = self._reading = None
        self._vehicle.say(2, "Operation timeout")

    # -- progress ------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        progress, now = self._vehicle.navigator.progress, self._vehicle.time_s
        if progress.reached != self._told_reached:
            self._told_reached, self._again = progress.reached, 0
            if progress.reached >= 0:
                self._send(mavlink.MAVLink_mission_item_reached_message(progress.reached))
        if progress.seq != self._told_seq:
            self._told_seq = progress.seq
            if self._vehicle.mission.kept:
                self._send_current()
        elif now >= self._next_told_s:
            self._next_told_s = now + _TOLD_S
            self._send_current()
            if self._vehicle.mission.kept and progress.reached >= 0 and self._again < _TOLD_AGAIN:
                self._again += 1
                self._send(mavlink.MAVLink_mission_item_reached_message(progress.reached))

    def _send_current(self) -> None:
        vehicle = self._vehicle
        seq, total = vehicle.navigator.progress.seq, len(vehicle.mission) or 65535
        marks = vehicle.mission.mark, vehicle.fence_list.mark, vehicle.rally_list.mark
        self._send(with_marks(mavlink.MAVLink_mission_current_message(seq, total, 0, 0), *marks))

    # -- upload --------------------------------------------------------------------------------------------

    def _ack(self, partner: tuple[int, int], result: Result, kind: int, mark: int = 0) -> None:
        self._send(with_marks(mavlink.MAVLink_mission_ack_message(*partner, int(result), kind), mark))

    def _reply(self, message: Message, result: Result, mark: int = 0) -> None:
        self._ack(_source(message), result, message.mission_type, mark)

    def _on_count(self, message: Message) -> None:
        upload, source, kind = self._upload, _source(message), message.mission_type
        if upload is not None:
            if source != upload.partner or upload.items:
                if source == upload.partner:
                    self._vehicle.say(2, "WPM: REJ. CMD: Busy")
                return self._reply(message, Result.ERROR)
            upload.heard_s = self._vehicle.time_s
            return self._ask(upload)
        if self._reading is not None and self._reading_goes_on():
            self._vehicle.say(2, "WPM: IGN MISSION_COUNT: Busy")
            return self._reply(message, Result.ERROR)
        if kind not in CAPACITY:
            return self._reply(message, Result.INVALID)
        if message.count > CAPACITY[kind]:
            return self._reply(message, Result.NO_SPACE)
        if message.count == 0:
            self._vehicle.take_list(kind, ListStore(), 0)
            return self._reply(message, Result.ACCEPTED)
        now = self._vehicle.time_s
        self._upload = _Upload(kind, message.count, source, heard_s=now, asked_s=now)
        return self._ask(self._upload)

    def _reading_goes_on(self) -> bool:
        return self._vehicle.time_s - self._read_s < GIVE_UP_S

    def _ask(self, upload: _Upload) -> None:
        upload.asked_s = self._vehicle.time_s
        request = (
            mavlink.MAVLink_mission_request_int_message
            if self._whole_numbers
            else mavlink.MAVLink_mission_request_message
        )
        self._send(request(*upload.partner, len(upload.items), upload.kind))

    def _on_item(self, message: Message) -> None:
        self._whole_numbers = message.get_type() == "MISSION_ITEM_INT"
        upload = self._upload
        if upload is None:
            done = self._done
            if done is not None and done[:2] == (message.mission_type, message.seq + 1):
                return self._reply(message, Result.ACCEPTED, done[2])  # its answer was lost
            self._vehicle.say(2, "IGN MISSION_ITEM: No transfer")
            return self._reply(message, Result.ERROR)
        if _source(message) != upload.partner:
            return self._vehicle.say(2, "REJ. MIS ITEM: partner id mismatch")
        if message.mission_type != upload.kind:
            return self._reply(message, Result.ERROR)
        upload.heard_s = self._vehicle.time_s
        if message.seq != len(upload.items):
            return None
        item = item_of(message)
        result = check(item)
        if result is not Result.ACCEPTED:
            self._vehicle.say(2, "IGN MISSION_ITEM: Invalid item")
        elif not _belongs(upload.kind, item):
            result = Result.ERROR
        if result is not Result.ACCEPTED:
            self._upload = None
            return self._reply(message, result)
        upload.items.append(item)
        if message.current:
            upload.current = message.seq
        if len(upload.items) < upload.count:
            return self._ask(upload)
        self._upload = None
        mark = mark_of(upload.items)
        self._done = upload.kind, upload.count, mark
        self._vehicle.take_list(
            upload.kind, ListStore(tuple(map(as_kept, upload.items)), mark), upload.current
        )
        return self._reply(message, Result.ACCEPTED, mark)

    # -- read-back -----------------------------------------------------------------------------------------

    def _on_request_list(self, message: Message) -> None:
        store = self._vehicle.list_of(message.mission_type)
        if self._upload is not None:
            return self._vehicle.say(6, "Mission download request ignored, already active")
        self._reading, self._read_s = (message.mission_type, _source(message)), self._vehicle.time_s
        return self._send(
            with_marks(
                mavlink.MAVLink_mission_count_message(*_source(message), len(store), message.mission_type),
                store.mark,
            )
        )

    def _on_request(self, message: Message) -> None:
        self._whole_numbers = message.get_type() == "MISSION_REQUEST_INT"
        if self._reading is None:
            return None  # nobody asked for the list
        kind, partner = self._reading
        if _source(message) != partner:
            return self._vehicle.say(2, "WPM: REJ. CMD: partner id mismatch")
        if message.mission_type != kind:
            return None
        self._read_s = self._vehicle.time_s
        store = self._vehicle.list_of(kind)
        if message.seq >= len(store):
            self._reading = None
            self._ack(partner, Result.ERROR, kind)
            return self._vehicle.say(2, "WPM: REJ. CMD: Req. WP was unexpected")
        return self._send_item(store.kept[message.seq], message.seq, kind, partner)

    def _send_item(self, item: Item, seq: int, kind: int, partner: tuple[int, int]) -> None:
        current = int(kind == _MISSION and seq == self._vehicle.navigator.progress.seq)
        fields = (seq, item.frame, item.command, current, 1, item.p1, item.p2, item.p3, item.p4)
        if self._whole_numbers:
            place = item.x, item.y, item.z
            return self._send(mavlink.MAVLink_mission_item_int_message(*partner, *fields, *place, kind))
        scale, frame = (1.0, item.frame) if item.frame == 2 else (1e7, {5: 0, 6: 3}[item.frame])
        fields = (seq, frame, *fields[2:])
        degrees = item.x / scale, item.y / scale, item.z
        return self._send(mavlink.MAVLink_mission_item_message(*partner, *fields, *degrees, kind))

    def _on_ack(self, message: Message) -> None:
        upload = self._upload
        if upload is None:
            self._reading = None
        elif message.type == Result.UNSUPPORTED:  # the station wants to be asked in the other way
            self._whole_numbers = not self._whole_numbers
            self._ask(upload)
        elif message.type == Result.OPERATION_CANCELLED:
            self._upload = None

    # -- clear and seek ------------------------------------------------------------------------------------

    def _on_clear(self, message: Message) -> None:
        if self._upload is not None:
            return self._vehicle.say(2, "WPM: IGN CLEAR CMD: Busy")
        kinds = tuple(CAPACITY) if message.mission_type == _ALL else (message.mission_type,)
        if any(kind not in CAPACITY for kind in kinds):
            return self._reply(message, Result.ERROR)
        for kind in kinds:
            self._vehicle.take_list(kind, ListStore(), 0)
        return self._reply(message, Result.ACCEPTED)

    def _on_set_current(self, message: Message) -> None:
        if self._upload is not None:
            return self._vehicle.say(2, "WPM: IGN WP CURR CMD: Busy")
        if message.seq >= len(self._vehicle.mission):
            return self._vehicle.say(2, "WPM: WP CURR CMD: Not in list")
        return self._vehicle.navigator.go_to(message.seq)


def _source(message: Message) -> tuple[int, int]:
    return message.get_srcSystem(), message.get_srcComponent()


def _belongs(kind: int, item: Item) -> bool:
    """Whether an item is of this kind of list."""
    points = item.command in FENCE_COMMANDS | RALLY_COMMANDS
    if kind == _MISSION:
        return not points
    if kind == _RALLY:
        return True  # PX4 looks at rally points when it returns
    return item.command not in (5001, 5002) or (math.isfinite(item.p1) and item.p1 + 0.5 >= _LEAST_CORNERS)
