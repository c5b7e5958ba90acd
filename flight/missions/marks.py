"""Does a vehicle still hold what it was given? Told by the vehicle's own mark of a list where it gives one,
else by reading: all of it on a good link, a few items on a slow one."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flight.errors import TransferError
from flight.missions.download import ask_count, is_slow, read_items, read_list
from flight.missions.lists import KIND_NAMES, MISSION, differences, has_home_slot
from flight.vehicle import Vehicle
from plans.mission import MissionItem

_SAMPLES = 6


@dataclass(frozen=True)
class MissionMark:
    """Knows a list on a vehicle again: its length and the vehicle's own mark of it (0: it gives none), else a
    hash of what was read back."""

    kind: int
    count: int
    opaque_id: int
    digest: str


@dataclass(frozen=True)
class PlanCheck:
    """Whether a vehicle holds a plan: None where it could not be told. `differences` are lines for a person,
    `how` says what was compared."""

    held: bool | None
    how: str
    differences: tuple[str, ...] = ()


def mark_of(kind: int, held: Sequence[MissionItem], opaque_id: int, home_slot: bool) -> MissionMark:
    """The mark of a list as the vehicle holds it. The home slot is the vehicle's own and left out."""
    digest = hashlib.sha256()
    for item in held[int(home_slot) :]:
        numbers = (*item.params, item.alt_m)
        digest.update(
            struct.pack(
                "<HB7q",
                item.command,
                item.frame if item.has_place else 0,
                *(0 if not math.isfinite(v) else round(v * 100) for v in numbers),
                round(item.lat_deg * 1e7),
                round(item.lon_deg * 1e7),
            )
        )
    return MissionMark(kind, len(held), opaque_id, digest.hexdigest())


async def same_as(vehicle: Vehicle, mark: MissionMark) -> bool:
    """Whether the vehicle still holds the list of a mark. One question and answer where the vehicle marks its
    lists or has another number of items; else all is read. Raises TransferError when it does not answer."""
    async with vehicle.mission_turn():
        count, opaque_id = await ask_count(vehicle, mark.kind)
        if count != mark.count:
            return False
        if opaque_id and mark.opaque_id:
            return opaque_id == mark.opaque_id
        held = await read_list(vehicle, mark.kind)
        home_slot = has_home_slot(vehicle.state.is_ardupilot, mark.kind)
        return mark_of(mark.kind, held, 0, home_slot).digest == mark.digest


async def compare_with_plan(
    vehicle: Vehicle,
    items: Sequence[MissionItem],
    kind: int = MISSION,
    mark: MissionMark | None = None,
) -> PlanCheck:
    """Whether the vehicle holds a list, as cheaply as the link asks for. Never raises for a vehicle that does
    not answer: then `held` is None."""
    name = KIND_NAMES[kind]
    home_slot = has_home_slot(vehicle.state.is_ardupilot, kind)
    try:
        async with vehicle.mission_turn():
            count, opaque_id = await ask_count(vehicle, kind)
            if mark is not None and mark.opaque_id and opaque_id == mark.opaque_id:
                return PlanCheck(True, f"{name}: the vehicle's own mark")
            if count != len(items) and not (home_slot and len(items) == 1 and count == 0):
                line = f"{name}: sent {len(items)} items, the vehicle holds {count}"
                return PlanCheck(False, f"{name}: the number of items", (line,))
            if is_slow(vehicle) and vehicle.state.is_ardupilot and count > 2 * _SAMPLES:
                return await _sampled(vehicle, items, kind, home_slot)
            held = await read_list(vehicle, kind)
    except TransferError as fault:
        return PlanCheck(None, str(fault))
    found = tuple(f"{name}: {line}" for line in differences(items, held, home_slot))
    return PlanCheck(not found, f"{name}: all {len(held)} items", found)


async def _sampled(vehicle: Vehicle, items: Sequence[MissionItem], kind: int, home_slot: bool) -> PlanCheck:
    first, last = int(home_slot), len(items) - 1
    picked = sorted({first + (last - first) * i // (_SAMPLES - 1) for i in range(_SAMPLES)})
    held, _, _ = await read_items(vehicle, kind, only=picked)
    found = []
    for seq, theirs in zip(picked, held, strict=True):
        lines = differences((items[seq],), (theirs,))
        found += [line.replace("item 0 ", f"{KIND_NAMES[kind]}: item {seq} ", 1) for line in lines]
    return PlanCheck(not found, f"{KIND_NAMES[kind]}: {len(picked)} of {len(items)} items", tuple(found))


async def holds_plan(
    vehicle: Vehicle,
    plan: Mapping[int, Sequence[MissionItem]],
    marks: Mapping[int, MissionMark] | None = None,
) -> PlanCheck:
    """Whether the vehicle still holds a plan: its mission, fence and rally points by kind. For when a link
    comes back: tells all that is otherwise, in lines for a person."""
    checks = [
        await compare_with_plan(vehicle, items, kind, (marks or {}).get(kind)) for kind, items in plan.items()
    ]
    found = tuple(line for check in checks for line in check.differences)
    unknown = any(check.held is None for check in checks)
    held = False if found else None if unknown else True
    return PlanCheck(held, "; ".join(check.how for check in checks), found)
