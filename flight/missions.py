"""The mission protocol: upload, read back, compare. The vehicle asks, the station answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands import command_name
from flight.errors import TransferError
from flight.station import Inbox, Vehicle
from flight.wire import Message, item_to_message, message_to_item
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, Command, Mission, MissionItem

MISSION, FENCE, RALLY = (
    mavlink.MAV_MISSION_TYPE_MISSION,
    mavlink.MAV_MISSION_TYPE_FENCE,
    mavlink.MAV_MISSION_TYPE_RALLY,
)
KIND_NAMES = {MISSION: "mission", FENCE: "fence", RALLY: "rally points"}

OnShare = Callable[[float], None]

_QUIET_AFTER_LAST = 2
_PLACE_TOLERANCE_DEG = 2e-7
_HEIGHT_TOLERANCE_M = 0.011
_PARAM_TOLERANCE = 0.011
_RESULT_WORDS = {
    mavlink.MAV_MISSION_ERROR: "refused (an upload while it flies a mission?)",
    mavlink.MAV_MISSION_UNSUPPORTED_FRAME: "altitude frame not supported",
    mavlink.MAV_MISSION_UNSUPPORTED: "command not supported",
    mavlink.MAV_MISSION_NO_SPACE: "too many items for this vehicle",
    mavlink.MAV_MISSION_INVALID: "an invalid value",
    mavlink.MAV_MISSION_INVALID_PARAM5_X: "an invalid latitude",
    mavlink.MAV_MISSION_INVALID_PARAM6_Y: "an invalid longitude",
    mavlink.MAV_MISSION_INVALID_PARAM7: "an invalid altitude",
    mavlink.MAV_MISSION_INVALID_SEQUENCE: "items out of order",
    mavlink.MAV_MISSION_DENIED: "denied",
    mavlink.MAV_MISSION_OPERATION_CANCELLED: "the vehicle gave up waiting",
}


def slots_of(mission: Mission, ardupilot: bool, home: GeoPoint | None) -> tuple[MissionItem, ...]:
    """The list that goes to the vehicle: ArduPilot keeps home in slot 0 and would lose the first item."""
    if not ardupilot:
        return mission.items
    place = mission.home or home or GeoPoint(0.0, 0.0)
    slot = MissionItem(
        command=Command.NAV_WAYPOINT,
        frame=AltitudeFrame.AMSL,
        lat_deg=place.lat_deg,
        lon_deg=place.lon_deg,
        alt_m=place.alt_amsl_m or 0.0,
    )
    return (slot, *mission.items)


def fence_items(mission: Mission) -> tuple[MissionItem, ...]:
    """The fence as mission items of type FENCE."""
    kinds = (
        (mavlink.MAV_CMD_NAV_FENCE_POLYGON_VERTEX_INCLUSION, mission.fence_inclusion),
        (mavlink.MAV_CMD_NAV_FENCE_POLYGON_VERTEX_EXCLUSION, mission.fence_exclusion),
    )
    return tuple(
        MissionItem(kind, AltitudeFrame.AMSL, (float(len(polygon)), 0.0, 0.0, 0.0), p.lat_deg, p.lon_deg)
        for kind, polygons in kinds
        for polygon in polygons
        for p in polygon
    )


def rally_items(mission: Mission) -> tuple[MissionItem, ...]:
    """The rally points as mission items of type RALLY."""
    return tuple(
        MissionItem(
            mavlink.MAV_CMD_NAV_RALLY_POINT,
            AltitudeFrame.RELATIVE,
            lat_deg=p.lat_deg,
            lon_deg=p.lon_deg,
            alt_m=p.alt_amsl_m or 0.0,
        )
        for p in mission.rally
    )


async def upload(
    vehicle: Vehicle, items: Sequence[MissionItem], kind: int = MISSION, on_share: OnShare | None = None
) -> None:
    """Give the vehicle a list of items, all of them.

    Raises TransferError that names the item and the reason; what the vehicle holds is then unknown.
    """
    async with vehicle.mission_turn():
        await _upload(vehicle, items, kind, on_share)


async def _upload(
    vehicle: Vehicle, items: Sequence[MissionItem], kind: int, on_share: OnShare | None
) -> None:
    name = KIND_NAMES[kind]
    count = mavlink.MAVLink_mission_count_message(vehicle.sysid, vehicle.compid, len(items), kind)
    highest = -1
    misses = 0
    out_of_order = False
    with vehicle.inbox() as inbox:
        vehicle.send(count)
        while misses < vehicle.profile.tries:
            message = await inbox.next(
                lambda m: _is(m, kind, "MISSION_REQUEST", "MISSION_REQUEST_INT", "MISSION_ACK"),
                vehicle.profile.answer_s,
            )
            if message is None:
                misses += 1
                if out_of_order and misses >= _QUIET_AFTER_LAST:
                    raise _refused(vehicle, name, mavlink.MAV_MISSION_INVALID_SEQUENCE, highest, items)
                if highest < 0:
                    vehicle.send(count)  # the count itself was lost
                elif highest >= len(items) - 1 and misses >= _QUIET_AFTER_LAST:
                    await _check_unconfirmed(vehicle, items, kind)
                    return
                continue
            if message.get_type() == "MISSION_ACK":
                if message.type == mavlink.MAV_MISSION_INVALID_SEQUENCE and highest >= 0:
                    # ArduPilot says so of an item that came twice, and goes on asking: not its last word.
                    out_of_order = True
                    continue
                if message.type != mavlink.MAV_MISSION_ACCEPTED:
                    raise _refused(vehicle, name, message.type, highest, items)
                if highest >= len(items) - 1:
                    return
                continue  # the late answer to something before
            if not 0 <= message.seq < len(items):
                continue
            misses, out_of_order = 0, False
            highest = max(highest, message.seq)
            vehicle.send(
                item_to_message(items[message.seq], message.seq, vehicle.sysid, vehicle.compid, kind)
            )
            if on_share is not None:
                on_share((message.seq + 1) / len(items))
    at = f"item {highest}" if highest >= 0 else "the start"
    raise TransferError(
        f"vehicle {vehicle.sysid}: the {name} upload stopped at {at} of {len(items)}, no more requests came; "
        "what it holds now is incomplete: upload again before flying"
    )


async def _check_unconfirmed(vehicle: Vehicle, items: Sequence[MissionItem], kind: int) -> None:
    """Every item was fetched, but the vehicle's last word was lost, which it says only once: what it holds
    decides. Raises TransferError."""
    held = await download(vehicle, kind)
    found = differences(items, held, vehicle.state.is_ardupilot and kind == MISSION)
    if found:
        raise TransferError(
            f"vehicle {vehicle.sysid}: the {KIND_NAMES[kind]} upload was not confirmed, and {found[0]}; "
            "upload again before flying"
        )


def _refused(
    vehicle: Vehicle, name: str, result: int, highest: int, items: Sequence[MissionItem]
) -> TransferError:
    words = _RESULT_WORDS.get(result, f"result {result}")
    where = ""
    if highest >= 0:
        where = f" at item {highest} ({command_name(items[highest].command)})"
    after = "" if highest < 0 else "; what it holds now is incomplete: upload again before flying"
    return TransferError(f"vehicle {vehicle.sysid}: {name} upload refused{where}: {words}{after}", result)


async def download(
    vehicle: Vehicle, kind: int = MISSION, on_share: OnShare | None = None
) -> tuple[MissionItem, ...]:
    """Read the vehicle's list of items. Raises TransferError when it does not come."""
    async with vehicle.mission_turn():
        return await _download(vehicle, kind, on_share)


async def _download(vehicle: Vehicle, kind: int, on_share: OnShare | None) -> tuple[MissionItem, ...]:
    with vehicle.inbox() as inbox:
        count = await _ask(
            vehicle,
            inbox,
            mavlink.MAVLink_mission_request_list_message(vehicle.sysid, vehicle.compid, kind),
            lambda m: _is(m, kind, "MISSION_COUNT"),
        )
        if count is None:
            raise TransferError(f"vehicle {vehicle.sysid}: does not tell its {KIND_NAMES[kind]}; try again")
        items = []
        for seq in range(count.count):
            request = mavlink.MAVLink_mission_request_int_message(vehicle.sysid, vehicle.compid, seq, kind)
            message = await _ask(vehicle, inbox, request, _item_match(kind, seq))
            if message is None:
                raise TransferError(
                    f"vehicle {vehicle.sysid}: item {seq} of {count.count} of its {KIND_NAMES[kind]} did not "
                    "come; try again"
                )
            items.append(message_to_item(message))
            if on_share is not None:
                on_share((seq + 1) / count.count)
        done = mavlink.MAVLink_mission_ack_message(
            vehicle.sysid, vehicle.compid, mavlink.MAV_MISSION_ACCEPTED, kind
        )
        vehicle.send(done)
    return tuple(items)


def _item_match(kind: int, seq: int) -> Callable[[Message], bool]:
    return lambda m: _is(m, kind, "MISSION_ITEM_INT", "MISSION_ITEM") and m.seq == seq


async def _ask(
    vehicle: Vehicle, inbox: Inbox, request: Message, match: Callable[[Message], bool]
) -> Message | None:
    for _ in range(vehicle.profile.tries):
        vehicle.send(request)
        answer = await inbox.next(match, vehicle.profile.answer_s)
        if answer is not None:
            return answer
    return None


def _is(message: Message, kind: int, *types: str) -> bool:
    return message.get_type() in types and getattr(message, "mission_type", MISSION) == kind


def differences(
    sent: Sequence[MissionItem], read_back: Sequence[MissionItem], home_slot: bool = False
) -> tuple[str, ...]:
    """What is not as it was sent, a line each, in words; empty when the vehicle flies what was planned.

    Autopilots normalise: the frame of an item without a place is not kept, NaN comes back as 0, numbers are
    rounded to their storage (1e-7 degrees, centimetres), and the home slot is the vehicle's own. Those are
    no differences.
    """
    lines = []
    if len(sent) != len(read_back):
        lines.append(f"sent {len(sent)} items, the vehicle holds {len(read_back)}")
    for seq, (mine, theirs) in enumerate(zip(sent, read_back, strict=False)):
        if home_slot and seq == 0:
            continue
        lines += [f"item {seq} ({command_name(mine.command)}): {what}" for what in _differs(mine, theirs)]
    return tuple(lines)


def _differs(mine: MissionItem, theirs: MissionItem) -> list[str]:
    if mine.command != theirs.command:
        return [f"is {command_name(theirs.command)} on the vehicle"]
    found = []
    if mine.has_place:
        if mine.frame != theirs.frame:
            found.append(f"altitude frame {mine.frame} became {theirs.frame}")
        off_lat, off_lon = abs(mine.lat_deg - theirs.lat_deg), abs(mine.lon_deg - theirs.lon_deg)
        if max(off_lat, off_lon) > _PLACE_TOLERANCE_DEG:
            found.append(
                f"{mine.lat_deg:.7f}, {mine.lon_deg:.7f} became {theirs.lat_deg:.7f}, {theirs.lon_deg:.7f}"
            )
        if not _same(mine.alt_m, theirs.alt_m, _HEIGHT_TOLERANCE_M):
            found.append(f"altitude {mine.alt_m:.2f} m became {theirs.alt_m:.2f} m")
    for number, (a, b) in enumerate(zip(mine.params, theirs.params, strict=True), start=1):
        if not _same(a, b, _PARAM_TOLERANCE):
            found.append(f"parameter {number}: {a:g} became {b:g}")
    return found


def _same(a: float, b: float, tolerance: float) -> bool:
    a, b = (0.0 if math.isnan(v) else v for v in (a, b))
    return abs(a - b) <= max(tolerance, 1e-5 * abs(a))
