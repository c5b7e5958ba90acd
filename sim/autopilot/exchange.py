"""The vehicle's side of the mission protocol on one link: upload, read-back, clear.

As ArduCopter does it: asks with MISSION_REQUEST, writes each item as it comes (so a failed upload leaves a
partial mission; a fence alone is taken whole or not at all), warns once of float items, asks again every
second and gives up after eight, in simulated time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Message
from sim.autopilot.core import Vehicle
from sim.autopilot.fence import POLYGON_IN, POLYGON_OUT, RETURN_POINT, problem_with_items
from sim.autopilot.mission import FENCE_COMMANDS, RALLY_COMMANDS, Item, MissionStore, PointStore, Result
from sim.autopilot.modes import Mode
from sim.autopilot.speech import MissionTraffic

Store = MissionStore | PointStore

RETRY_S, GIVE_UP_S = 1.0, 8.0
_MISSION, _FENCE, _RALLY, _ALL = 0, 1, 2, 255
_POINT_FRAMES = {0: 0, 5: 0, 3: 3, 6: 3, 10: 10, 11: 10}
_RECEIVED = {
    _MISSION: "Flight plan received",
    _FENCE: "Fence received",
    _RALLY: "Rally points received",
}


@dataclass
class _Upload:
    kind: int
    next_seq: int
    last_seq: int
    sysid: int
    compid: int
    heard_s: float
    asked_s: float


class Exchange(MissionTraffic):
    """One link's mission traffic. `send` takes a message."""

    def __init__(self, vehicle: Vehicle, send: Callable[[Message], None]) -> None:
        super().__init__(
            {
                "MISSION_COUNT": self._on_count,
                "MISSION_WRITE_PARTIAL_LIST": self._on_write_partial,
                "MISSION_ITEM": self._on_item,
                "MISSION_ITEM_INT": self._on_item,
                "MISSION_REQUEST_LIST": self._on_request_list,
                "MISSION_REQUEST": self._on_request,
                "MISSION_REQUEST_INT": self._on_request,
                "MISSION_CLEAR_ALL": self._on_clear,
                "MISSION_SET_CURRENT": self._on_set_current,
            }
        )
        self._vehicle, self._send = vehicle, send
        self._upload: _Upload | None = None
        self._warned = False
        self._fence = _copy_of(vehicle.fence)
        """A fence in the course of its upload."""

    def update(self) -> None:
        """Ask again, or give up, if the station has gone quiet."""
        upload = self._upload
        if upload is None:
            return
        now = self._vehicle.time_s
        if now - upload.heard_s >= GIVE_UP_S:
            self._upload = None
            self._ack(upload.sysid, upload.compid, Result.OPERATION_CANCELLED, upload.kind)
        elif now - upload.asked_s >= RETRY_S:
            self._ask(upload)

    def _store(self, kind: int) -> Store | None:
        vehicle = self._vehicle
        stores: dict[int, Store] = {_MISSION: vehicle.mission, _FENCE: vehicle.fence, _RALLY: vehicle.rally}
        return stores.get(kind)

    def _ack(self, sysid: int, compid: int, result: Result, kind: int) -> None:
        self._send(mavlink.MAVLink_mission_ack_message(sysid, compid, int(result), kind))

    def _reply(self, message: Message, result: Result) -> None:
        kind = getattr(message, "mission_type", _MISSION)
        self._ack(message.get_srcSystem(), message.get_srcComponent(), result, kind)

    # -- upload --------------------------------------------------------------------------------------------

    def _on_count(self, message: Message) -> None:
        store = self._store(message.mission_type)
        if store is None:
            return self._reply(message, Result.UNSUPPORTED)
        if message.count > store.capacity:
            return self._reply(message, Result.NO_SPACE)
        if message.mission_type != _FENCE or message.count == 0:
            store.truncate(message.count)
        if message.count == 0:
            self._count()
            return self._reply(message, Result.ACCEPTED)
        self._fence = PointStore(FENCE_COMMANDS, store.capacity)
        return self._receive(message, 0, message.count - 1)

    def _on_write_partial(self, message: Message) -> None:
        store = self._store(message.mission_type)
        if store is None:
            return self._reply(message, Result.UNSUPPORTED)
        if not 0 <= message.start_index <= message.end_index < len(store):
            return self._reply(message, Result.ERROR)
        self._fence = _copy_of(self._vehicle.fence)
        return self._receive(message, message.start_index, message.end_index)

    def _receive(self, message: Message, first: int, last: int) -> None:
        now = self._vehicle.time_s
        source = message.get_srcSystem(), message.get_srcComponent()
        self._upload = _Upload(message.mission_type, first, last, *source, heard_s=now, asked_s=now)
        self._ask(self._upload)

    def _ask(self, upload: _Upload) -> None:
        upload.asked_s = self._vehicle.time_s
        self._send(
            mavlink.MAVLink_mission_request_message(upload.sysid, upload.compid, upload.next_seq, upload.kind)
        )

    def _on_item(self, message: Message) -> None:
        upload = self._upload
        if upload is None or message.mission_type != upload.kind:
            return self._reply(message, Result.ERROR)
        if message.seq != upload.next_seq:
            return self._reply(message, Result.INVALID_SEQUENCE)
        upload.heard_s = self._vehicle.time_s
        if message.get_type() == "MISSION_ITEM" and not self._warned:
            self._warned = True
            self._vehicle.say(4, "got MISSION_ITEM; GCS should send MISSION_ITEM_INT")
        store = self._fence if upload.kind == _FENCE else self._store(upload.kind)
        assert store is not None
        item = item_of(message)
        result = point_problem(upload.kind, item)
        if result is Result.ACCEPTED:
            result = store.store(message.seq, item if upload.kind == _MISSION else point_as_kept(item))
        if result is not Result.ACCEPTED:
            self._upload = None
            return self._reply(message, result)
        if upload.kind == _MISSION and self._vehicle.mode is Mode.AUTO and self._vehicle.armed:
            self._vehicle.pilot.auto.restart_item()
        if message.seq >= upload.last_seq:
            self._upload = None
            return self._reply(message, self._finished(upload.kind))
        upload.next_seq += 1
        return self._ask(upload)

    def _finished(self, kind: int) -> Result:
        vehicle = self._vehicle
        if kind == _FENCE:
            items = [self._fence[index] for index in range(len(self._fence))]
            if problem := problem_with_items(items):
                vehicle.say(4, problem)
                return Result.ERROR
            vehicle.fence.clear()
            for index, item in enumerate(items):
                vehicle.fence.store(index, item)
        self._count()
        vehicle.say(6, _RECEIVED[kind])
        return Result.ACCEPTED

    def _count(self) -> None:
        """The parameters that tell how many there are."""
        vehicle = self._vehicle
        vehicle.params.put("MIS_TOTAL", len(vehicle.mission))
        vehicle.params.put("FENCE_TOTAL", len(vehicle.fence))
        vehicle.params.put("RALLY_TOTAL", len(vehicle.rally))

    # -- read-back -----------------------------------------------------------------------------------------

    def _on_request_list(self, message: Message) -> None:
        store = self._store(message.mission_type)
        if store is None:
            return self._reply(message, Result.UNSUPPORTED)
        source = message.get_srcSystem(), message.get_srcComponent()
        return self._send(mavlink.MAVLink_mission_count_message(*source, len(store), message.mission_type))

    def _on_request(self, message: Message) -> None:
        store = self._store(message.mission_type)
        home = message.seq == 0 and message.mission_type == _MISSION  # can be read from an empty vehicle too
        if store is None or not (home or 0 <= message.seq < len(store)):
            return self._reply(message, Result.INVALID_SEQUENCE if store is not None else Result.UNSUPPORTED)
        item = store[message.seq]
        current = int(message.mission_type == _MISSION and message.seq == self._vehicle.walk.nav_index)
        fields = (
            message.get_srcSystem(),
            message.get_srcComponent(),
            message.seq,
            item.frame,
            item.command,
            current,
            1,
            item.p1,
            item.p2,
            item.p3,
            item.p4,
        )
        if message.get_type() == "MISSION_REQUEST":
            reply = mavlink.MAVLink_mission_item_message(
                *fields, item.x / 1e7, item.y / 1e7, item.z, message.mission_type
            )
        else:
            reply = mavlink.MAVLink_mission_item_int_message(
                *fields, item.x, item.y, item.z, message.mission_type
            )
        return self._send(reply)

    # -- clear and seek ------------------------------------------------------------------------------------

    def _on_clear(self, message: Message) -> None:
        vehicle = self._vehicle
        kinds = (_MISSION, _FENCE, _RALLY) if message.mission_type == _ALL else (message.mission_type,)
        if any(self._store(kind) is None for kind in kinds):
            return self._reply(message, Result.UNSUPPORTED)
        if _MISSION in kinds and vehicle.mode is Mode.AUTO and vehicle.armed and not vehicle.walk.complete:
            return self._reply(message, Result.ERROR)
        for kind in kinds:
            store = self._store(kind)
            assert store is not None
            store.clear()
        if _MISSION in kinds:
            vehicle.walk.reset()
        self._count()
        return self._reply(message, Result.ACCEPTED)

    def _on_set_current(self, message: Message) -> None:
        set_current(self._vehicle, message.seq)


def point_problem(kind: int, item: Item) -> Result:
    """What ArduPilot says to a fence or rally item before it looks at its place."""
    if kind == _MISSION:
        return Result.ACCEPTED
    if item.frame not in _POINT_FRAMES:
        return Result.UNSUPPORTED_FRAME
    if kind == _FENCE and item.command in (POLYGON_IN, POLYGON_OUT) and item.p1 > 255:
        return Result.INVALID_PARAM1
    if kind == _RALLY and not abs(item.z) <= 32_767:
        return Result.INVALID_PARAM7
    return Result.ACCEPTED


def point_as_kept(item: Item) -> Item:
    """A fence or rally item as it reads back: what the storage has no room for is lost."""
    if item.command in RALLY_COMMANDS:
        z = float(int(item.z))
        return Item(item.command, _POINT_FRAMES[item.frame], 0.0, 0.0, 0.0, 0.0, item.x, item.y, z)
    p1 = 0.0 if item.command == RETURN_POINT else item.p1
    return Item(item.command, 0, p1, 0.0, 0.0, 0.0, item.x, item.y, 0.0)


def _copy_of(store: PointStore) -> PointStore:
    copy = PointStore(FENCE_COMMANDS, store.capacity)
    for index in range(len(store)):
        copy.store(index, store[index])
    return copy


def set_current(vehicle: Vehicle, seq: int) -> bool:
    """Make an item the current one, in flight at once, on the ground for the next start."""
    if seq == 0 and not (vehicle.mode is Mode.AUTO and vehicle.armed):
        vehicle.walk.reset()
        return len(vehicle.mission) > 0
    return vehicle.pilot.auto.set_current(seq)


def item_of(message: Message) -> Item:
    """A MISSION_ITEM_INT or MISSION_ITEM as it is stored."""
    x, y = message.x, message.y
    if message.get_type() == "MISSION_ITEM":
        x, y = _e7(x), _e7(y)
    return Item(
        message.command,
        message.frame,
        message.param1,
        message.param2,
        message.param3,
        message.param4,
        x,
        y,
        message.z,
    )


def _e7(degrees: float) -> int:
    if not abs(degrees) <= 214.0:  # NaN too
        return 2147483647  # out of any range: refused by the checks of the store
    return round(degrees * 1e7)
