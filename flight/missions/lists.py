"""Lists of items as values: what goes to a vehicle as mission, fence and rally points, and how what it holds
differs from what was sent. How they travel: upload, download, file."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.basics import command_name
from flight.wire import Message
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, Command, Mission, MissionItem

MISSION, FENCE, RALLY = (
    mavlink.MAV_MISSION_TYPE_MISSION,
    mavlink.MAV_MISSION_TYPE_FENCE,
    mavlink.MAV_MISSION_TYPE_RALLY,
)
KIND_NAMES = {MISSION: "mission", FENCE: "fence", RALLY: "rally points"}

OnShare = Callable[[float], None]

_PLACE_TOLERANCE_DEG = 2e-7
_HEIGHT_TOLERANCE_M = 0.011
_PARAM_TOLERANCE = 0.011
RESULT_WORDS = {
    mavlink.MAV_MISSION_ERROR: "refused or given up (does it fly a mission?)",
    mavlink.MAV_MISSION_UNSUPPORTED_FRAME: "altitude frame not supported",
    mavlink.MAV_MISSION_UNSUPPORTED: "command not supported",
    mavlink.MAV_MISSION_NO_SPACE: "too many items for this vehicle",
    mavlink.MAV_MISSION_INVALID: "an invalid value",
    mavlink.MAV_MISSION_INVALID_PARAM1: "an invalid parameter 1",
    mavlink.MAV_MISSION_INVALID_PARAM2: "an invalid parameter 2",
    mavlink.MAV_MISSION_INVALID_PARAM3: "an invalid parameter 3",
    mavlink.MAV_MISSION_INVALID_PARAM4: "an invalid parameter 4",
    mavlink.MAV_MISSION_INVALID_PARAM5_X: "an invalid latitude",
    mavlink.MAV_MISSION_INVALID_PARAM6_Y: "an invalid longitude",
    mavlink.MAV_MISSION_INVALID_PARAM7: "an invalid altitude",
    mavlink.MAV_MISSION_INVALID_SEQUENCE: "items out of order",
    mavlink.MAV_MISSION_DENIED: "denied (does another station upload?)",
    mavlink.MAV_MISSION_OPERATION_CANCELLED: "the vehicle gave up waiting",
}


def result_words(result: int) -> str:
    """A MAV_MISSION_RESULT in plain words."""
    return RESULT_WORDS.get(result, f"result {result}")


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


class Holding(Enum):
    """What a vehicle holds after an upload."""

    NEW = "the new one"
    MIXED = "part of the new one"
    OLD = "the old one"
    NOTHING = "nothing"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Held:
    """What a vehicle holds after an upload, as far as it is known. `items` is None where nobody knows;
    `words` say it to a person."""

    holding: Holding
    words: str
    items: tuple[MissionItem, ...] | None = None


UNKNOWN_HELD = Held(Holding.UNKNOWN, "unknown: read it back")


def held_after(
    sent: Sequence[MissionItem],
    held: Sequence[MissionItem] | None,
    kind: int,
    home_slot: bool,
    atomic: bool = False,
) -> Held:
    """What a list that was read back after an upload is: the new one, the old one, or a mixture, where the
    vehicle does not keep the old one until the new one is whole (`atomic`)."""
    if held is None:
        return UNKNOWN_HELD
    name, items, first = KIND_NAMES[kind], tuple(held), int(home_slot)
    if not differences(sent, held, home_slot):
        return Held(Holding.NEW, f"the new {name}, all {len(items)} items", items)
    if len(items) <= first:
        return Held(Holding.NOTHING, "nothing", items)
    new = first
    while not atomic and new < min(len(sent), len(items)) and not _differs(sent[new], items[new]):
        new += 1
    if new == first:
        cut = ", perhaps cut short" if len(items) == len(sent) and not atomic else ""
        return Held(Holding.OLD, f"the old {name} of {len(items)} items{cut}", items)
    rest = f", then {len(items) - new} of the old one" if len(items) > new else ""
    return Held(Holding.MIXED, f"items 0-{new - 1} of the new one{rest}", items)


def is_about(message: Message, kind: int, *types: str) -> bool:
    """Whether a message is of one of these types and about this kind of list."""
    return message.get_type() in types and getattr(message, "mission_type", MISSION) == kind


def has_home_slot(ardupilot: bool, kind: int) -> bool:
    """Whether item 0 of a list is the vehicle's own home (ArduPilot's mission)."""
    return ardupilot and kind == MISSION
