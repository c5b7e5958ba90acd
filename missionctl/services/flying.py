"""From a plan to a recorded flight with its photos, on record in the mission folder when it lies in one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import shapely

from flight.commands.basics import request_streams
from flight.core import Core, with_station
from flight.describe import describe, describe_links
from flight.errors import CommandError, FlightAborted, FlightError
from flight.flying.fly import fly_missions
from flight.flying.job import FlightJob, FlightResult
from flight.links.profiles import find_profile
from flight.logs.files import camera_events
from flight.logs.track import TrackPoint
from flight.station import PLAIN, Station, StationSettings
from flight.vehicle import Vehicle
from imagery.geotag import PhotoStamp, event_tags, match_photos
from imagery.photo_tags import read_tags, write_tags
from imagery.photos import list_photo_files
from missionctl.jsontext import to_json
from missionctl.services.checking import SafetyWishes, plan_digest, record_checklist, safety_settings
from missionctl.workspace import Workspace, actor, find_workspace
from plans.errors import PlanFileError
from plans.formats import read_mission
from plans.mission import CameraEvent, Mission
from plans.mission_shots import frame_of, mission_poses
from plans.terrain import flat_terrain

OnProgress = Callable[[str, float], None]

_TRACK_STEP_M = 2.0
_LISTEN_S = 3.0
_WATCH_S = 0.2
_UNFINISHED_S = 7200.0


@dataclass(frozen=True)
class FlyRequest:
    """What `missionctl fly` was asked for: a plan for a vehicle (`sysid`; None for the only one that is
    heard). `photos` is the folder where the camera's photos turn up (a card that is put in after the landing,
    say); they are copied to the flight and matched with its events. `wishes.by` confirmed the take-off."""

    plan: Path
    connect: str | Sequence[str]
    out: Path | None = None
    photos: Path | None = None
    profile: str = "wifi"
    settings: StationSettings = PLAIN
    sysid: int | None = None
    wishes: SafetyWishes = field(default_factory=SafetyWishes)


OnFlight = Callable[[int, str, float], None]


def fly_plan(
    request: FlyRequest, on_progress: OnProgress, should_stop: Callable[[], bool] | None = None
) -> dict[str, Any]:
    """Fly a plan; returns the flight's report with `folder` and `photos_dir`.

    Raises FlightAborted, its record and report saved, when the flight was not flown to its end.
    """
    outcome = fly_plans((request,), lambda _, step, share: on_progress(step, share), should_stop)[0]
    if isinstance(outcome, FlightError):
        raise outcome
    return outcome


def fly_plans(
    requests: Sequence[FlyRequest], on_flight: OnFlight, should_stop: Callable[[], bool] | None = None
) -> list[dict[str, Any] | FlightError]:
    """Fly several plans at once, each with its own vehicle, over the links of the first request. Gives each
    one's report or error (FlightAborted, with record and report saved, for one that did not fly to its end).
    """
    first = requests[0]
    jobs = [_job_of(request, len(requests)) for request in requests]
    connect = [first.connect] if isinstance(first.connect, str) else list(first.connect)
    outcomes = fly_missions(
        jobs,
        connect,
        profile=first.profile,
        on_flight=on_flight,
        should_stop=should_stop or (lambda: False),
        settings=first.settings,
    )
    for job in jobs:
        _remove_if_empty(job.folder)
    return [
        outcome if isinstance(outcome, FlightError) else _concluded(request, job, outcome)
        for request, job, outcome in zip(requests, jobs, outcomes, strict=True)
    ]


def _job_of(request: FlyRequest, of: int) -> FlightJob:
    mission = read_mission(request.plan)
    if not mission.items:
        raise PlanFileError(f"{request.plan}: has no items; there is nothing to fly")
    workspace = find_workspace(request.out or request.plan.parent)
    digest = plan_digest(request.plan)
    unfinished = unfinished_record(_flights_place(request, workspace, of), digest, request.sysid)
    return FlightJob(
        mission,
        unfinished or _flight_folder(request, workspace, of),
        request.sysid,
        expected_photos(mission),
        unfinished,
        request.wishes.by or actor(),
        {"plan": request.plan.name, "plan_sha256": digest},
        safety_settings(request.plan, mission, workspace, request.wishes, request.sysid),
    )


def _concluded(request: FlyRequest, job: FlightJob, result: FlightResult) -> dict[str, Any] | FlightError:
    """Put a flight on record in the mission folder."""
    folder = result.folder
    workspace = find_workspace(folder.parent)
    report = {**result.report(), "folder": str(folder), "photos_dir": str(folder / "photos")}
    if request.photos is not None:
        report["photos"] = take_photos(request.photos, folder / "photos", result.camera_events)
    _write_report(folder, report)
    if workspace:
        _record(workspace, request, folder, result, report)
        if result.checklist:
            by, sysid = job.confirmed_by, result.sysid
            record_checklist(workspace, request.plan, sysid, result.checklist, job.safety, by)
    if not result.complete:
        return FlightAborted(
            f"vehicle {result.sysid} landed with its mission not flown whole: {'; '.join(result.notes)}; "
            f"{len(result.camera_events)} photos; all is kept in {folder}"
        )
    return report


def unfinished_record(place: Path, plan_sha256: str, sysid: int | None) -> Path | None:
    """The newest record of a flight of this plan that took off and has no end: its station was killed.
    `place` is a flight's folder, or a folder of flights. Only the last two hours count: batteries do not
    last longer."""
    folders = [place] if (place / "events.jsonl").is_file() else sorted(place.glob("*/"), reverse=True)
    for folder in folders:
        if _is_unfinished(folder, plan_sha256, sysid):
            return folder
    return None


def _is_unfinished(folder: Path, plan_sha256: str, sysid: int | None) -> bool:
    journal = folder / "events.jsonl"
    try:
        if (folder / "report.json").exists() or time.time() - journal.stat().st_mtime > _UNFINISHED_S:
            return False
        lines = journal.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    took_off = ended = False
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        action = event.get("action")
        if action == "flight" and event.get("plan_sha256") != plan_sha256:
            return False
        if action == "connected" and sysid is not None and event.get("vehicle") != sysid:
            return False
        took_off |= action in ("mission started", "taken over")
        ended |= action == "landed"
    return took_off and not ended


def _remove_if_empty(folder: Path) -> None:
    """A flight of which nothing was recorded leaves no folder."""
    for place in (folder / "photos", folder):
        with contextlib.suppress(OSError):
            place.rmdir()


def expected_photos(mission: Mission) -> int:
    """How many photos a mission triggers, by its own items."""
    try:
        frame = frame_of(mission)
    except PlanFileError:
        return 0
    height = (mission.home.alt_amsl_m if mission.home else None) or 0.0
    return len(mission_poses(mission, flat_terrain(frame, height, (-2e5, -2e5, 2e5, 2e5))))


def _flight_folder(request: FlyRequest, workspace: Workspace | None, of: int) -> Path:
    if request.out is None and workspace is not None:
        return workspace.new_flight_folder()
    return _flights_place(request, workspace, of)


def _flights_place(request: FlyRequest, workspace: Workspace | None, of: int) -> Path:
    """Where this flight is recorded, or the folder of all flights."""
    if request.out is not None:
        return request.out if of == 1 else request.out / f"vehicle-{request.sysid}"
    return workspace.path / "flights" if workspace is not None else request.plan.with_suffix(".flight")


def _write_report(folder: Path, report: dict[str, Any]) -> None:
    beside = folder / ".report.json.part"
    beside.write_text(to_json(report) + "\n", encoding="utf-8")
    os.replace(beside, folder / "report.json")


def _record(
    workspace: Workspace, request: FlyRequest, folder: Path, result: FlightResult, report: dict[str, Any]
) -> None:
    inside = folder.resolve().is_relative_to(workspace.path.resolve())
    place = folder.resolve().relative_to(workspace.path.resolve()).as_posix() if inside else str(folder)
    row = {
        "flight_id": folder.name,
        "plan": request.plan.name,
        "folder": place,
        "started_utc": result.started_utc.isoformat(),
        "ended_utc": result.ended_utc.isoformat(),
        "report_json": to_json(report),
    }
    workspace.add("flights", [(track_line(result.track), row)])
    workspace.log(
        "flight landed",
        flight=folder.name,
        plan=request.plan.name,
        complete=result.complete,
        photos=len(result.camera_events),
    )


def track_line(track: Sequence[TrackPoint]) -> shapely.LineString | None:
    """The track as a line in lon, lat, height AMSL, thinned to about a point each two metres."""
    kept: list[tuple[float, float, float]] = []
    for point in track:
        here = (point.lon_deg, point.lat_deg, point.alt_amsl_m)
        if not kept or _apart_m(kept[-1], here) >= _TRACK_STEP_M:
            kept.append(here)
    return shapely.LineString(kept) if len(kept) > 1 else None


def _apart_m(a: tuple[float, float, float], b: tuple[float, float, float]) -> float:
    metres_per_deg = 111_320.0
    return max(abs(a[0] - b[0]) * metres_per_deg, abs(a[1] - b[1]) * metres_per_deg, abs(a[2] - b[2]))


def take_photos(source: Path, into: Path, events: Sequence[CameraEvent]) -> dict[str, Any]:
    """Copy photos to the flight and give those without a position that of their camera event.

    A photo that carries its own position keeps all its tags. Nothing is changed in `source`.
    """
    into.mkdir(parents=True, exist_ok=True)
    for file in list_photo_files(source):
        if file.resolve() != (into / file.name).resolve():
            beside = into / f".{file.name}.part"
            shutil.copy2(file, beside)
            os.replace(beside, into / file.name)
    return match_flight_photos(into, events)


def match_flight_photos(photos: Path, events: Sequence[CameraEvent]) -> dict[str, Any]:
    """Match the photos of a flight with its camera events; photos without a position get the event's."""
    files = list_photo_files(photos)
    found = match_photos([PhotoStamp.read(file) for file in files], events)
    tagged = 0
    doubtful = [match.photo for match in found.matches if match.certainty == "doubtful"]
    for match in found.matches:
        if match.photo in doubtful:
            continue  # no position is better than another photo's
        tags = read_tags(photos / match.photo)
        if tags.lat_deg is None or tags.lon_deg is None:
            write_tags(photos / match.photo, event_tags(match.event))
            tagged += 1
    return {
        "photos": len(files),
        "matched": len(found.matches),
        "tagged": tagged,
        "doubtful": doubtful,
        "photos_without_event": list(found.photos_without_event),
        "events_without_photo": list(found.events_without_photo),
        "clock_offset_s": found.clock_offset_s,
    }


def camera_events_of(flight: Path) -> tuple[CameraEvent, ...]:
    """The camera events of a recorded flight (its folder) or of a log file. Raises LogError."""
    return camera_events(flight / "telemetry.tlog" if flight.is_dir() else flight)


def find_vehicles(
    connect: Sequence[str],
    profile: str,
    listen_s: float = _LISTEN_S,
    settings: StationSettings = PLAIN,
    until: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """The `vehicles` that are heard on some addresses, with their states, and what signing and the endpoints
    counted. With `until` it goes on, letting others ride along, until that says so. Raises NoVehicleError."""
    ended = threading.Event()

    async def work(station: Station, core: Core) -> dict[str, Any]:
        await station.wait_for_vehicle(max(listen_s, 3 * find_profile(profile).silence_s))
        await asyncio.sleep(min(listen_s, 1.5))  # others speak once a second too
        for vehicle in list(station.vehicles.values()):
            with contextlib.suppress(CommandError):  # it streams what it streams
                await request_streams(vehicle)
        await asyncio.sleep(listen_s)
        while until is not None and not ended.is_set():
            await asyncio.sleep(_WATCH_S)
        found = [_describe_with_link(station.vehicles[sysid]) for sysid in sorted(station.vehicles)]
        return {"vehicles": found, **station.report()}

    def look() -> None:
        if until is not None and until():
            ended.set()

    return with_station(connect, work, profile=profile, settings=settings, each=look)


def _describe_with_link(vehicle: Vehicle) -> dict[str, Any]:
    links = describe_links(vehicle)
    return {**describe(vehicle.state, vehicle.now_s()), **links[0], "links": links}
