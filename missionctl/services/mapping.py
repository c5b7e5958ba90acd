"""From photos to a mosaic, on record in the mission folder when the output lies in one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from imagery.mosaic import MosaicOptions, MosaicReport, make_mosaic
from missionctl import geopackage
from missionctl.jobs import OnProgress, job
from missionctl.workspace import Workspace, find_workspace


def mosaic_photos(
    photos_dir: Path, out: Path, options: MosaicOptions, on_progress: OnProgress
) -> MosaicReport:
    """Make the mosaic `out` of a folder of photos.

    Inside a mission folder its DEM is taken when none is named, and the photos' footprints are stored.
    """
    workspace = find_workspace(out.parent)
    if workspace and options.dem is None:
        options = replace(options, dem=workspace.input("dem"))
    with job(workspace, "mosaic", on_progress, photos=str(photos_dir), out=str(out)) as advance:
        report = make_mosaic(photos_dir, out, options, advance)
    if workspace:
        _record(workspace, photos_dir, out, report)
    return report


def _record(workspace: Workspace, photos_dir: Path, out: Path, report: MosaicReport) -> None:
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
        for photo in report.photos
    ]
    workspace.add("photos", rows)
    workspace.log(
        "mosaic made", mosaic=out.name, **{k: report.report()[k] for k in ("photos", "placed", "gsd_cm")}
    )
