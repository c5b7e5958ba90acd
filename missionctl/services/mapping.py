"""From photos to a mosaic, on record in the mission folder when the output lies in one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagery.mosaic import MosaicOptions, MosaicReport, make_mosaic
from imagery.quality import PlacedPhoto
from missionctl import geopackage
from missionctl.jobs import OnProgress, job
from missionctl.jsontext import to_json
from missionctl.services.flight_events import EventFollower, flight_of
from missionctl.workspace import Workspace, find_workspace, write_text
from plans.mission import CameraEvent

if TYPE_CHECKING:
    from imagery.live import Draft, Events
    from imagery.workers import Workers

_RECORD_EVERY_S = 5.0


@dataclass(frozen=True)
class Live:
    """Follow the folder until `should_end` says so or no photo has come for `idle_s`.

    `on_draft` hears of each draft. `flight` is the folder of the flight that takes the photos, or one of
    flights; None is the one whose photos they are, or those of the mission folder, when there are any.
    """

    idle_s: float
    should_end: Callable[[], bool]
    on_draft: Callable[[Draft], None]
    flight: Path | None = None


def mosaic_photos(
    photos_dir: Path,
    out: Path,
    options: MosaicOptions,
    on_progress: OnProgress,
    *,
    live: Live | None = None,
    cluster: str | None = None,
) -> MosaicReport:
    """Make the mosaic `out` of a folder of photos, the heavy stages on a Dask `cluster` when named.

    Inside a mission folder its DEM is taken when none is named, and the photos' footprints are stored.
    """
    workspace = find_workspace(out.parent)
    if workspace and options.dem is None:
        options = replace(options, dem=workspace.input("dem"))
    away = _cluster(cluster, photos_dir) if cluster else nullcontext()
    with (
        away as workers,
        job(workspace, "mosaic", on_progress, photos=str(photos_dir), out=str(out)) as advance,
    ):
        if live is None:
            report = make_mosaic(photos_dir, out, options, advance, workers=workers)
        else:
            # a seventh of a second to import, which a draft of a few photos need not spend
            from imagery.live import LiveRules, follow_photos

            on_draft = live.on_draft
            events = _events_for(live, photos_dir, workspace)
            told_at = expected_file(out)
            recorded_s = -_RECORD_EVERY_S

            def drafted(draft: Draft) -> None:
                nonlocal recorded_s
                on_draft(draft)
                _write_expected(told_at, draft.expected)
                if workspace and time.monotonic() - recorded_s >= _RECORD_EVERY_S and not draft.waiting:
                    _record_photos(workspace, photos_dir, out, draft.photos())
                    recorded_s = time.monotonic()

            report = follow_photos(
                photos_dir,
                out,
                options,
                advance,
                drafted,
                live.should_end,
                LiveRules(idle_s=live.idle_s),
                events=events,
                workers=workers,
            )
            told_at.unlink(missing_ok=True)  # what never came stands in the report
    if workspace:
        _record_photos(workspace, photos_dir, out, report.photos)
        told = {key: report.report()[key] for key in ("photos", "placed", "gsd_cm")}
        workspace.log("mosaic made", mosaic=out.name, **told)
    return report


def _cluster(scheduler: str, photos_dir: Path) -> AbstractContextManager[Workers]:
    from imagery.cluster import cluster_workers  # as above

    return cluster_workers(scheduler, photos_dir)


def expected_file(out: Path) -> Path:
    """Where photos that were taken and have not arrived are told while a mosaic is live (GeoJSON)."""
    return out.with_name(f"{out.stem}.expected.geojson")


def _events_for(live: Live, photos_dir: Path, workspace: Workspace | None) -> Events:
    place = live.flight or flight_of(photos_dir)
    if place is None and workspace is not None and (workspace.path / "flights").is_dir():
        place = workspace.path / "flights"
    return EventFollower(place) if place is not None else tuple


def _write_expected(path: Path, events: Sequence[CameraEvent]) -> None:
    """The places of events without a photo, as points; no file where there never were any."""
    if not events and not path.exists():
        return
    points = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [event.lon_deg, event.lat_deg]},
            "properties": {"event": event.index, "time_utc": event.time_utc.isoformat()},
        }
        for event in events
    ]
    write_text(path, to_json({"type": "FeatureCollection", "features": points}) + "\n")


def _record_photos(workspace: Workspace, photos_dir: Path, out: Path, photos: Sequence[PlacedPhoto]) -> None:
    geopackage.delete_where(workspace.store, "photos", "mosaic", out.name)
    flight = photos_dir.resolve().parent.name if photos_dir.name == "photos" else ""
    rows: list[tuple[Any, dict[str, Any]]] = [
        (
            photo.footprint,
            {
                "name": photo.name,
                "flight_id": flight,
                "mosaic": out.name,
                "lat_deg": photo.lat_deg,
                "lon_deg": photo.lon_deg,
                "alt_amsl_m": photo.pose.up_m,
                "yaw_deg": photo.pose.yaw_deg,
                "placed_by": photo.placed_by,
            },
        )
        for photo in photos
    ]
    workspace.add("photos", rows)
