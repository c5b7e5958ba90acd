"""Work on one vehicle, each call a station of its own: how that is done, and parameters and logs.

The work runs on the station's loop, in another thread; what it tells comes in the caller's (flight.core).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from flight.core import Core, with_station
from flight.errors import LogError, ParameterError
from flight.links.profiles import find_profile
from flight.logs.fetch import fetch_log
from flight.logs.transfer import LogEntry, list_logs
from flight.params.fetch import fetch_params
from flight.params.files import check_suffix, read_params, write_params
from flight.params.protocol import Param, compare, get_param, set_param, values_are_bytewise
from flight.station import PLAIN, Station, StationSettings
from flight.vehicle import Vehicle

OnProgress = Callable[[str, float], None]
Result = TypeVar("Result")
VehicleWork = Callable[[Vehicle, OnProgress], Awaitable[Result]]
"""Something to do with a vehicle; what it tells of its progress reaches the caller."""

_FIRST_WORD_S = 10.0


@dataclass(frozen=True)
class Target:
    """Which vehicle: an address, a link profile, and a system id where several are heard."""

    connect: str
    profile: str = "wifi"
    sysid: int | None = None
    settings: StationSettings = PLAIN


def first_word_s(profile: str) -> float:
    """How long a vehicle is waited for that may be there."""
    return max(_FIRST_WORD_S, 3 * find_profile(profile).silence_s)


def with_vehicle(
    target: Target, work: VehicleWork[Result], on_progress: OnProgress = lambda step, share: None
) -> Result:
    """Open a station, find the vehicle, do the work, close. `on_progress` is called in this thread, and so is
    Ctrl-C heard: it cancels the work, which tidies up behind itself. Raises FlightError."""

    async def run(station: Station, core: Core) -> Result:
        vehicle = await station.wait_for_vehicle(first_word_s(target.profile), target.sysid or None)
        return await work(vehicle, partial(core.tell, on_progress))

    return with_station([target.connect], run, profile=target.profile, settings=target.settings)


async def _all_params(vehicle: Vehicle, tell: OnProgress) -> dict[str, Param]:
    return await fetch_params(vehicle, partial(tell, "fetch parameters"))


def list_params(target: Target, on_progress: OnProgress) -> dict[str, Param]:
    """All parameters of a vehicle."""
    return with_vehicle(target, _all_params, on_progress)


def get_params(target: Target, names: Sequence[str]) -> list[Param]:
    """Some parameters of a vehicle."""

    async def work(vehicle: Vehicle, _: OnProgress) -> list[Param]:
        bytewise = await values_are_bytewise(vehicle)
        return [await get_param(vehicle, name, bytewise) for name in names]

    return with_vehicle(target, work)


def change_param(target: Target, name: str, value: float) -> Param:
    """Set one parameter and read it back."""
    return with_vehicle(target, lambda vehicle, _: set_param(vehicle, name, value))


def save_params(target: Target, file: Path, on_progress: OnProgress) -> dict[str, Any]:
    """All parameters of a vehicle into a file."""

    async def work(vehicle: Vehicle, tell: OnProgress) -> tuple[int, int, dict[str, Param]]:
        return vehicle.sysid, vehicle.compid, await _all_params(vehicle, tell)

    check_suffix(file)
    sysid, compid, params = with_vehicle(target, work, on_progress)
    write_params(file, params, sysid, compid)
    return {"file": str(file), "vehicle": sysid, "params": len(params)}


def compare_params(target: Target, file: Path, on_progress: OnProgress) -> dict[str, Any]:
    """What differs between a vehicle and a file."""
    wanted = read_params(file)
    held = list_params(target, on_progress)
    return {
        "file": str(file),
        "differences": [{"name": d.name, "vehicle": d.here, "file": d.there} for d in compare(held, wanted)],
    }


def load_params(target: Target, file: Path, on_progress: OnProgress) -> dict[str, Any]:
    """Bring a vehicle to what a file says; only what differs is sent, and each is read back."""
    wanted = read_params(file)

    async def work(vehicle: Vehicle, tell: OnProgress) -> dict[str, Any]:
        bytewise = await values_are_bytewise(vehicle)
        held = await fetch_params(vehicle, lambda s: tell("fetch parameters", 0.5 * s))
        todo = [d.name for d in compare(held, wanted) if d.there is not None]
        changed, unknown, refused = [], [], []
        for number, name in enumerate(todo):
            tell(f"set {name}", 0.5 + 0.5 * number / len(todo))
            if name not in held:
                unknown.append(name)
                continue
            try:
                await set_param(vehicle, name, wanted[name].value, bytewise)
                changed.append({"name": name, "before": held[name].value, "after": wanted[name].value})
            except ParameterError as fault:
                refused.append({"name": name, "why": str(fault)})
        return {
            "file": str(file),
            "vehicle": vehicle.sysid,
            "same": len(wanted) - len(todo),
            "changed": changed,
            "unknown": unknown,
            "refused": refused,
        }

    return with_vehicle(target, work, on_progress)


def list_vehicle_logs(target: Target) -> tuple[LogEntry, ...]:
    """The logs on a vehicle."""
    return with_vehicle(target, lambda vehicle, _: list_logs(vehicle))


def download_logs(
    target: Target, numbers: Sequence[int] | None, folder: Path, on_progress: OnProgress
) -> list[Path]:
    """Download some logs (all for None, the newest for an empty list) into a folder."""

    async def work(vehicle: Vehicle, tell: OnProgress) -> list[Path]:
        known = {entry.number: entry for entry in await list_logs(vehicle)}
        if not known:
            raise LogError(f"vehicle {vehicle.sysid}: has no logs")
        wanted = list(known) if numbers is None else list(numbers) or [max(known)]
        unknown = [str(n) for n in wanted if n not in known]
        if unknown:
            names = ", ".join(str(n) for n in known)
            raise LogError(f"vehicle {vehicle.sysid}: has no log {', '.join(unknown)}; it has: {names}")
        files = []
        for number in wanted:
            report = partial(tell, f"log {number}")
            files.append(await fetch_log(vehicle, known[number], folder, report))
        return files

    return with_vehicle(target, work, on_progress)
