"""Commands to one vehicle or many, from finding them to an outcome for each."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from flight.commands.basics import request_streams
from flight.commands.confirmed import Confirmed, Danger
from flight.commands.evidence import in_flight
from flight.commands.group import GroupAction, Outcome, confirm_each, for_each
from flight.core import Core, with_station
from flight.errors import FlightError, NoVehicleError
from flight.links.profiles import find_profile
from flight.station import PLAIN, Station, StationSettings
from flight.vehicle import Vehicle
from missionctl.services.vehicle_work import first_word_s
from plans.errors import MissionError

Confirm = Callable[[Danger, Sequence[str]], str]
"""Shows a person the vehicles, a line each, and asks; gives the name of who confirmed. Raises when nobody
does."""

_OTHERS_S = 1.5
_ALL_S = 3.0


@dataclass(frozen=True)
class CommandRequest:
    """What to do, where. `vehicles` are system ids; without any it is the only one that is heard, or, with
    `every`, all that are heard. `danger` is what must be confirmed; `only_on_ground`: not for those that fly
    already. `at_once` is for what cannot wait for telemetry. `record` is a folder for telemetry.tlog and
    events.jsonl, which later commands go on with; in it the command is called `name`, given by `by`."""

    connect: tuple[str, ...]
    name: str
    action: GroupAction
    vehicles: tuple[int, ...] = ()
    every: bool = False
    danger: Danger | None = None
    only_on_ground: bool = False
    at_once: bool = False
    profile: str = "wifi"
    settings: StationSettings = PLAIN
    record: Path | None = None
    by: str = ""


def command_vehicles(request: CommandRequest, confirm: Confirm) -> tuple[Outcome, ...]:
    """Do it; an outcome for each vehicle, a fault for each that was named and not heard.

    Raises FlightError when no vehicle is heard, or several and none is named; whatever `confirm` raises, and
    then nothing was sent. `confirm` is called in the caller's thread.
    """

    async def work(station: Station, core: Core) -> tuple[Outcome, ...]:
        note = partial(_note, station, what=request.name)
        note("command", by=request.by, vehicles=request.vehicles, every=request.every)
        try:
            outcomes = await _command(station, core, request, confirm, note)
        except asyncio.CancelledError:
            note("stopped by the operator")
            raise
        except MissionError as fault:
            note("command failed", error=str(fault))
            raise
        for outcome in outcomes:
            note("command ended", **outcome.report())
        return outcomes

    return with_station(
        request.connect, work, profile=request.profile, settings=request.settings, record=request.record
    )


def _note(station: Station, action: str, **detail: Any) -> None:
    """A line of the record, where one is kept."""
    for recorder in station.recorders:
        recorder.event(action, **detail)


async def _command(
    station: Station, core: Core, request: CommandRequest, confirm: Confirm, note: Callable[..., None]
) -> tuple[Outcome, ...]:
    vehicles, missing = await _find(station, request)
    if not request.at_once:
        await asyncio.gather(*(_listen(vehicle) for vehicle in vehicles))
    for vehicle in vehicles:
        links = [str(link.address) for link in vehicle.paths]
        note("connected", vehicle=vehicle.sysid, mode=vehicle.state.mode, links=links)
    confirmations: tuple[Confirmed, ...] = ()
    if request.danger is not None:
        risky = [v for v in vehicles if not (request.only_on_ground and in_flight(v.state))]
        if risky:
            lines = [describe(vehicle) for vehicle in risky]
            by = await core.ask(confirm, request.danger, lines)
            confirmations = confirm_each(by, request.danger, risky)
            for confirmed in confirmations:
                note("confirmed", by=confirmed.by, danger=str(confirmed.action), vehicle=confirmed.vehicle)
    return (*await for_each(vehicles, request.action, confirmations), *missing)


async def _find(station: Station, request: CommandRequest) -> tuple[list[Vehicle], list[Outcome]]:
    """The vehicles that are meant, and faults for those that are not heard."""
    patience_s = first_word_s(request.profile)
    if request.vehicles:
        looked = await asyncio.gather(
            *(_look(station, sysid, patience_s) for sysid in dict.fromkeys(request.vehicles))
        )
        found = [vehicle for vehicle in looked if isinstance(vehicle, Vehicle)]
        return found, [fault for fault in looked if isinstance(fault, Outcome)]
    first = await station.wait_for_vehicle(patience_s)
    all_s = max(_ALL_S, find_profile(request.profile).silence_s)
    await asyncio.sleep(all_s if request.every else _OTHERS_S)
    heard = [station.vehicles[sysid] for sysid in sorted(station.vehicles)]
    if request.every:
        return heard, []
    if len(heard) > 1:
        names = ", ".join(str(vehicle.sysid) for vehicle in heard)
        raise FlightError(f"vehicles {names} are heard; name some with --vehicle, or give --all")
    return [first], []


async def _look(station: Station, sysid: int, patience_s: float) -> Vehicle | Outcome:
    try:
        return await station.wait_for_vehicle(patience_s, sysid)
    except NoVehicleError as fault:
        return Outcome(sysid, fault=fault)


async def _listen(vehicle: Vehicle) -> None:
    """Have the vehicle tell of itself; what then does not come is said by the action."""
    with contextlib.suppress(FlightError):
        await request_streams(vehicle)


def describe(vehicle: Vehicle) -> str:
    """A vehicle on one line, for who is to confirm something dangerous."""
    state = vehicle.state
    kind = "ArduPilot" if state.is_ardupilot else "PX4" if state.is_px4 else "unknown autopilot"
    place = state.position
    where = f", {place.alt_rel_m:.1f} m up at {place.lat_deg:.5f},{place.lon_deg:.5f}" if place else ""
    return f"vehicle {state.sysid} ({kind}): {state.mode}, {'armed' if state.armed else 'disarmed'}{where}"


def report(action: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Outcomes as plain values, for JSON."""
    return {
        "action": action,
        "done": all(outcome.fault is None for outcome in outcomes),
        "vehicles": [outcome.report() for outcome in outcomes],
    }
