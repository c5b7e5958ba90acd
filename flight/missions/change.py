"""A list on a vehicle cleared, or some of its items changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import TransferError
from flight.missions.asking import LEAST_WAIT_S, End, Served, serve
from flight.missions.download import ask_count, read_items, read_list
from flight.missions.lists import (
    KIND_NAMES,
    MISSION,
    UNKNOWN_HELD,
    differences,
    has_home_slot,
    is_about,
    result_words,
)
from flight.missions.upload import is_final, upload, words_of
from flight.vehicle import Vehicle
from plans.mission import MissionItem

_ATTEMPTS = 3


async def clear(vehicle: Vehicle, kind: int = MISSION) -> None:
    """Take all items of a list from the vehicle. Raises DisputedError, TransferError: ArduPilot refuses it
    while it flies the mission."""
    vehicle.check_undisputed()
    name = KIND_NAMES[kind]
    request = mavlink.MAVLink_mission_clear_all_message(vehicle.sysid, vehicle.compid, kind)
    async with vehicle.mission_turn():
        with vehicle.inbox() as inbox:
            for _ in range(2 * vehicle.profile.tries):
                vehicle.send(request)
                ack = await inbox.next(
                    lambda m: m.get_srcComponent() == vehicle.compid and is_about(m, kind, "MISSION_ACK"),
                    max(vehicle.answer_s, vehicle.wait_s(LEAST_WAIT_S)),
                )
                if ack is None:
                    continue
                if ack.type != mavlink.MAV_MISSION_ACCEPTED:
                    raise TransferError(
                        f"vehicle {vehicle.sysid}: does not clear its {name}: {result_words(ack.type)}; it "
                        f"holds the old {name}",
                        ack.type,
                        kind,
                    )
                return
        try:
            count, _ = await ask_count(vehicle, kind)
        except TransferError:
            count = -1
        if 0 <= count <= int(has_home_slot(vehicle.state.is_ardupilot, kind)):
            return
    held = f"{count} items" if count >= 0 else UNKNOWN_HELD.words
    raise TransferError(
        f"vehicle {vehicle.sysid}: does not answer to clearing its {name}; it holds {held}", None, kind
    )


async def change_items(
    vehicle: Vehicle, changes: Mapping[int, MissionItem], kind: int = MISSION
) -> tuple[MissionItem, ...]:
    """Change some items of the list that is on the vehicle, by their numbers there; what it holds then.

    ArduPilot takes the changed items alone (MISSION_WRITE_PARTIAL_LIST); others get the whole list again.
    Raises DisputedError; TransferError that says what the vehicle holds.
    """
    vehicle.check_undisputed()
    home_slot = has_home_slot(vehicle.state.is_ardupilot, kind)
    if not changes:
        raise TransferError(f"vehicle {vehicle.sysid}: no item to change was named", None, kind)
    if home_slot and 0 in changes:
        raise TransferError(f"vehicle {vehicle.sysid}: item 0 is its home, which it sets itself", None, kind)
    async with vehicle.mission_turn():
        before = await read_list(vehicle, kind)
        if max(changes) >= len(before) or min(changes) < 0:
            raise TransferError(
                f"vehicle {vehicle.sysid}: has {len(before)} items, there is no item "
                f"{max(changes)} to change; upload the whole {KIND_NAMES[kind]}",
                None,
                kind,
                before,
            )
        wanted = tuple(changes.get(seq, item) for seq, item in enumerate(before))
        if not vehicle.state.is_ardupilot:
            return (await upload(vehicle, wanted, kind)).items
        fault: tuple[str, int | None] | None = None
        for run in _runs(sorted(changes)):
            served = await _change_run(vehicle, [changes[seq] for seq in run], run[0], kind)
            if served.end not in (End.ACCEPTED, End.UNCONFIRMED):
                fault = words_of(served, [changes[seq] for seq in run], run[0]), served.result
                break
        try:
            found, _, _ = await read_items(vehicle, kind, only=sorted(changes))
        except TransferError:
            found = ()
    told = dict(zip(sorted(changes), found, strict=False))
    held = tuple(told.get(seq, item) for seq, item in enumerate(before)) if told else None
    if held is not None and fault is None and not differences(wanted, held, home_slot):
        return held
    why, result = fault or ("not what was sent", None)
    changed = [seq for seq in told if held is not None and not differences((wanted[seq],), (held[seq],))]
    words = f"{len(changed)} of the {len(changes)} changed items" if held is not None else UNKNOWN_HELD.words
    raise TransferError(
        f"vehicle {vehicle.sysid}: {KIND_NAMES[kind]} change {why}; it holds {words}", result, kind, held
    )


async def _change_run(vehicle: Vehicle, items: Sequence[MissionItem], first: int, kind: int) -> Served:
    opening = mavlink.MAVLink_mission_write_partial_list_message(
        vehicle.sysid, vehicle.compid, first, first + len(items) - 1, kind
    )
    served = await serve(vehicle, opening, items, kind, first)
    for _ in range(_ATTEMPTS - 1):
        if served.end in (End.ACCEPTED, End.UNCONFIRMED) or is_final(served):
            break
        served = await serve(vehicle, opening, items, kind, first)
    return served


def _runs(numbers: Sequence[int]) -> list[list[int]]:
    """Numbers in rising order as runs without gaps."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs
