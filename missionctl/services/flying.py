"""From a plan to a recorded flight with its photos, on record in the mission folder when it lies in one."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely

from flight.commands import request_streams
from flight.errors import CommandError, FlightAborted
from flight.fly import FlightResult, describe, fly_mission
from flight.log_files import camera_events
from flight.profiles import find_profile
from flight.station import PLAIN, StationSettings, open_station
from flight.track import TrackPoint
from flight.vehicle import Vehicle
from imagery.geotag import PhotoStamp, event_tags, match_photos
from imagery.photo_tags import read_tags, write_tags
from imagery.photos import list_photo_files
from missionctl.jsontext import to_json
from missionctl.workspace import Workspace, find_workspace
from plans.errors import PlanFileError
from plans.formats import read_mission
from plans.mission import CameraEvent, Mission
from plans.mission_shots import frame_of, mission_poses
from plans.terrain import flat_terrain

OnProgress = Callable[[str, float], None]

_TRACK_STEP_M = 2.0
_LISTEN_S = 3.0
_WATCH_S = 0.2


@dataclass(frozen=True)
class FlyRequest:
    """What `missionctl fly` was asked for. `photos` is the folder where the camera's photos turn up (a card
    that is put in after the landing, say); they are copied to the flight and matched with its events."""

    plan: Path
    connect: str
    out: Path | None = None
    photos: Path | None = None
    profile: str = "wifi"
    settings: StationSettings = PLAIN


def fly_plan(
    request: FlyRequest, on_progress: OnProgress, should_stop: Callable[[], bool] | None = None
) -> dict[str, Any]:
    """Fly a plan; returns the flight's report with `folder` and `photos_dir`.

    Raises FlightAborted, its record and report saved, when the flight was not flown to its end.
    """
    mission = read_mission(request.plan)
    if not mission.items:
        raise PlanFileError(f"{request.plan}: has no items; there is nothing to fly")
    workspace = find_workspace(request.out or request.plan.parent)
    folder = _flight_folder(request, workspace)
    result = fly_mission(
        mission,
        request.connect,
        folder,
        profile=request.profile,
        photos_expected=expected_photos(mission),
        on_progress=on_progress,
        should_stop=should_stop,
        settings=request.settings,
    )
    report = {**result.report(), "folder": str(folder), "photos_dir": str(folder / "photos")}
    if request.photos is not None:
        report["photos"] = take_photos(request.photos, folder / "photos", result.camera_events)
    _write_report(folder, report)
    if workspace:
        _record(workspace, request, folder, result, report)
    if not result.complete:
        raise FlightAborted(
            f"vehicle {result.sysid} landed before the end of its mission: {'; '.join(result.notes)}; "
            f"{len(result.camera_events)} photos; all is kept in {folder}"
        )
    return report


def expected_photos(mission: Mission) -> int:
    """How many photos a mission triggers, by its own items."""
    try:
        frame = frame_of(mission)
    except PlanFileError:
        return 0
    height = (mission.home.alt_amsl_m if mission.home else None) or 0.0
    return len(mission_poses(mission, flat_terrain(frame, height, (-2e5, -2e5, 2e5, 2e5))))


def _flight_folder(request: FlyRequest, workspace: Workspace | None) -> Path:
    if request.out is not None:
        return request.out
    if workspace is not None:
        return workspace.new_flight_folder()
    return request.plan.with_suffix(".flight")


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
    for match in found.matches:
        tags = read_tags(photos / match.photo)
        if tags.lat_deg is None or tags.lon_deg is None:
            write_tags(photos / match.photo, event_tags(match.event))
            tagged += 1
    return {
        "photos": len(files),
        "matched": len(found.matches),
        "tagged": tagged,
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
    return asyncio.run(_find_vehicles(connect, profile, listen_s, settings, until))


async def _find_vehicles(
    connect: Sequence[str],
    profile: str,
    listen_s: float,
    settings: StationSettings,
    until: Callable[[], bool] | None,
) -> dict[str, Any]:
    link_profile = find_profile(profile)
    async with open_station(connect, link_profile, settings=settings) as station:
        await station.wait_for_vehicle(max(listen_s, 3 * link_profile.silence_s))
        await asyncio.sleep(min(listen_s, 1.5))  # others speak once a second too
        for vehicle in list(station.vehicles.values()):
            try:
                await request_streams(vehicle)
            except CommandError:
                continue  # it streams what it streams
        await asyncio.sleep(listen_s)
        while until is not None and not until():
            await asyncio.sleep(_WATCH_S)
        found = [_describe_with_link(station.vehicles[sysid]) for sysid in sorted(station.vehicles)]
        return {"vehicles": found, **station.report()}


def _describe_with_link(vehicle: Vehicle) -> dict[str, Any]:
    stats = vehicle.stats
    return {
        **describe(vehicle.state),
        "link": str(vehicle.link.address),
        "messages_received": stats.received,
        "messages_lost": stats.lost,
        "loss_share": stats.loss_share,
        "bytes_per_s": stats.bytes_per_s,
    }
