"""Fly missions from first contact to the landing, with everything on record: one vehicle or several."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from flight.core import Core, with_station
from flight.errors import FlightAborted, FlightError
from flight.flying.job import FlightJob, FlightResult
from flight.flying.run import fly_vehicle, meet
from flight.flying.watch import OnProgress, ShouldStop
from flight.safety.own_flights import OwnFlights
from flight.station import PLAIN, Station, StationSettings

OnFlight = Callable[[int, str, float], None]
"""Told of a flight's progress: which job (from 0), what it does, the share done."""


def fly_mission(
    job: FlightJob,
    connect: Sequence[str],
    *,
    profile: str = "wifi",
    on_progress: OnProgress = lambda step, share: None,
    should_stop: ShouldStop = lambda: False,
    settings: StationSettings = PLAIN,
) -> FlightResult:
    """Connect, upload, read back, arm, take off, fly the mission in AUTO, watch it until it has landed.

    Records telemetry.tlog and events.jsonl in the job's folder. A vehicle that flies this very mission
    already is watched to its end instead. A flight that ends otherwise than planned (a failsafe, a pilot
    taking over) still gives its result, with `complete` False and the reason in `notes`.

    Raises AddressError, LinkError, NoVehicleError (nobody answers, or the link dies for good), DisputedError,
    TransferError, ArmingError, CommandError; FlightStopped when `should_stop` says so: before take-off
    nothing flies, after it the vehicle is left to its mission, because a station that goes away must not
    change a flight. `on_progress` and `should_stop` are called in the caller's thread.
    """
    outcome = fly_missions(
        (job,),
        connect,
        profile=profile,
        on_flight=lambda _, step, share: on_progress(step, share),
        should_stop=should_stop,
        settings=settings,
    )[0]
    if isinstance(outcome, FlightError):
        raise outcome
    return outcome


def fly_missions(
    jobs: Sequence[FlightJob],
    connect: Sequence[str],
    *,
    profile: str = "wifi",
    on_flight: OnFlight = lambda job, step, share: None,
    should_stop: ShouldStop = lambda: False,
    settings: StationSettings = PLAIN,
) -> list[FlightResult | FlightError]:
    """Fly several missions at once over one station, each with its own vehicle, which must be named when
    there is more than one. What befalls one flight leaves the others alone: each gives its result or its
    error, in the order of the jobs.

    Raises AddressError, LinkError when the station cannot be opened, FlightError when jobs share a vehicle.
    """
    _check(jobs)
    flights = OwnFlights()
    jobs = [replace(job, safety=replace(job.safety, flights=flights)) for job in jobs]
    stop = [False]

    def look() -> None:
        stop[0] = stop[0] or should_stop()

    async def work(station: Station, core: Core) -> list[FlightResult | FlightError]:
        async def fly(number: int, job: FlightJob) -> FlightResult | FlightError:
            def progress(step: str, share: float) -> None:
                core.tell(on_flight, number, step, share)

            progress("connect", 0.0)
            try:
                vehicle = await meet(station, job.sysid)
                return await fly_vehicle(job, vehicle, progress, lambda: stop[0])
            except FlightError as fault:
                return fault

        return list(await asyncio.gather(*(fly(number, job) for number, job in enumerate(jobs))))

    return with_station(connect, work, profile=profile, settings=settings, each=look)


def _check(jobs: Sequence[FlightJob]) -> None:
    for job in jobs:
        if not job.mission.items:
            raise FlightAborted("the mission is empty; plan one first")
    named = [job.sysid for job in jobs]
    if len(jobs) > 1 and (None in named or len(set(named)) < len(jobs)):
        raise FlightError("several missions need several vehicles: name another one for each")
    folders: list[Path] = [job.folder.resolve() for job in jobs]
    if len(set(folders)) < len(folders):
        raise FlightError("several flights cannot be recorded in one folder; give each its own")
