"""From photos to a mosaic, on record in the mission folder when the output lies in one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from imagery.cluster import cluster_workers
from imagery.live import Draft, LiveRules, follow_photos
from imagery.mosaic import MosaicOptions, MosaicReport, make_mosaic
from imagery.quality import PlacedPhoto
from missionctl import geopackage
from missionctl.jobs import OnProgress, job
from missionctl.workspace import Workspace, find_workspace

_RECORD_EVERY_S = 5.0


@dataclass(frozen=True)
class Live:
    """Follow the folder until `should_end` says so or no photo has come for `idle_s`.

    `on_draft` hears of each draft.
    """

    idle_s: float
    should_end: Callable[[], bool]
    on_draft: Callable[[Draft], None]


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
    away = cluster_workers(cluster, photos_dir) if cluster else nullcontext()
    with (
        away as workers,
        job(workspace, "mosaic", on_progress, photos=str(photos_dir), out=str(out)) as advance,
    ):
        if live is None:
            report = make_mosaic(photos_dir, out, options, advance, workers=workers)
        else:
            on_draft = live.on_draft

            recorded_s = -_RECORD_EVERY_S

            def drafted(draft: Draft) -> None:
                nonlocal recorded_s
                on_draft(draft)
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
                workers=workers,
            )
    if workspace:
        _record_photos(workspace, photos_dir, out, report.photos)
        told = {key: report.report()[key] for key in ("photos", "placed", "gsd_cm")}
        workspace.log("mosaic made", mosaic=out.name, **told)
    return report


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
