"""Places from a log into photos."""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flight.errors import LogError
from flight.logs.files import camera_events
from imagery.errors import PhotoError
from imagery.geotag import GeotagResult, PhotoStamp, event_tags, match_photos
from imagery.photo_tags import read_tags, write_tags
from imagery.photos import list_photo_files
from missionctl.services.replaying import log_of
from missionctl.workspace import write_text
from plans.mission import CameraEvent

OnProgress = Callable[[str, float], None]

_LEAST_WITHIN_S = 1.0


@dataclass(frozen=True)
class GeotagRequest:
    """What `missionctl geotag` was asked for. `out` None means in place. `offset_s` is added to the camera's
    clock; None lets the clocks be compared."""

    photos: Path
    log: Path
    out: Path | None
    offset_s: float | None = None
    sysid: int | None = None
    replace: bool = False
    csv: Path | None = None
    doubtful: bool = False
    """Write also the places that are doubtful."""


def geotag_photos(request: GeotagRequest, on_progress: OnProgress) -> dict[str, Any]:
    """Match photos with a log's camera messages and write the places into copies of them, or into them.

    The folder of copies appears when it is whole. Raises LogError, PhotoError; then nothing is written.
    """
    files = list_photo_files(request.photos)
    out = request.out
    if out is not None and out.exists() and any(out.iterdir()):
        raise PhotoError(f"{out}: is not empty; name another folder with --out")
    on_progress("read the log", 0.0)
    events = camera_events(log_of(request.log), request.sysid)
    if not events:
        raise LogError(f"{request.log}: tells of no photos; was the camera's trigger connected?")
    on_progress("read the photos", 0.1)
    found = _match([PhotoStamp.read(file) for file in files], events, request.offset_s)
    if found.ambiguous and found.rival is not None and found.clock_offset_s is not None:
        raise PhotoError(
            f"{request.photos}: two clock offsets fit about equally well, {found.clock_offset_s:+.1f} s and "
            f"{found.rival.clock_offset_s:+.1f} s ({found.rival.shift:+d} photo); compare one photo of a "
            "known place with the log and give --offset"
        )
    if not found.matches:
        raise PhotoError(
            f"{request.photos}: none of its {len(files)} photos fits the {len(events)} of {request.log}; "
            "are they of the same flight? (--offset S helps a camera whose clock jumped)"
        )
    tagged = _write(request, files, found, on_progress)
    if request.csv is not None:
        write_text(request.csv, table(found))
    return {
        "folder": str(out or request.photos),
        "photos": len(files),
        "events": len(events),
        "matched": len(found.matches),
        "matched_by": found.matches[0].by,
        "tagged": tagged,
        "photos_without_event": list(found.photos_without_event),
        "events_without_photo": list(found.events_without_photo),
        "certainty": found.counts(),
        "doubtful": [m.photo for m in found.matches if m.certainty == "doubtful"],
        "clock_offset_s": found.clock_offset_s,
        "clock_drift_ppm": found.clock_drift_ppm,
        "next_best": vars(found.rival) if found.rival else None,
        "csv": str(request.csv) if request.csv else None,
    }


def _match(stamps: list[PhotoStamp], events: tuple[CameraEvent, ...], offset_s: float | None) -> GeotagResult:
    if offset_s is None:
        return match_photos(stamps, events)
    clocks = [s for s in stamps if s.clock is not None]
    if not clocks:
        raise PhotoError("the photos do not say when they were taken; --offset cannot be used")
    moved = [replace(s, clock=s.clock + dt.timedelta(seconds=offset_s) if s.clock else None) for s in stamps]
    found = match_photos(moved, events, within_s=_LEAST_WITHIN_S)
    if found.clock_offset_s is None or abs(found.clock_offset_s) > _LEAST_WITHIN_S:
        free = match_photos(moved, events).clock_offset_s
        seen = "" if free is None else f"; {offset_s + free:+.1f} s would"
        raise PhotoError(f"with --offset {offset_s:g} the photos' times do not fit the log{seen}")
    return replace(found, clock_offset_s=offset_s)


def _write(request: GeotagRequest, files: list[Path], found: GeotagResult, on_progress: OnProgress) -> int:
    by_name = {m.photo: m.event for m in found.matches if request.doubtful or m.certainty != "doubtful"}
    folder = request.photos
    beside = None
    if request.out is not None:
        beside = request.out.with_name(f".{request.out.name}.part")
        shutil.rmtree(beside, ignore_errors=True)
        folder = beside
    tagged = 0
    try:
        if beside is not None:
            beside.mkdir(parents=True)
        for number, file in enumerate(files):
            on_progress("write", 0.2 + 0.8 * number / len(files))
            target = folder / file.name
            if beside is not None:
                shutil.copy2(file, target)
            event = by_name.get(file.name)
            if event is not None and (request.replace or not _has_place(file)):
                write_tags(target, event_tags(event))
                tagged += 1
        if beside is not None and request.out is not None:
            if request.out.exists():
                request.out.rmdir()
            os.replace(beside, request.out)
    except OSError as error:
        raise PhotoError(f"{folder}: cannot be written ({error.strerror})") from None
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)
    return tagged


def _has_place(file: Path) -> bool:
    tags = read_tags(file)
    return tags.lat_deg is not None and tags.lon_deg is not None


def table(found: GeotagResult) -> str:
    """The matches as CSV: the columns that photogrammetry programs ask for, and how sure each one is."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ("photo", "lat_deg", "lon_deg", "alt_amsl_m", "yaw_deg", "pitch_deg", "roll_deg")
    writer.writerow((*columns, "time_utc", "event", "confidence", "certainty"))
    for match in found.matches:
        event = match.event
        angles = (event.yaw_deg, event.pitch_deg, event.roll_deg)
        writer.writerow(
            (
                match.photo,
                f"{event.lat_deg:.8f}",
                f"{event.lon_deg:.8f}",
                f"{event.alt_amsl_m:.3f}",
                *(f"{a:.2f}" if a == a else "" for a in angles),
                event.time_utc.isoformat(),
                event.index,
                f"{match.confidence:.3f}",
                match.certainty,
            )
        )
    return text.getvalue()
