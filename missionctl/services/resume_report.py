"""What a resume tells, and what it puts on record in the mission folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import shapely

from missionctl.jsontext import to_json
from missionctl.services.planning import keep_camera
from missionctl.services.resume_inputs import ResumeInputs
from plans.cameras import Camera
from plans.coverage import Coverage
from plans.resume_cover import CoverageRest
from plans.survey import SurveyPlan
from plans.taken import PlacedPhotos


def result_of(given: ResumeInputs, mode: str, why: str, notes: Sequence[str]) -> dict[str, Any]:
    return {
        "file": None,
        "files": [],
        "mode": mode,
        "why": why,
        "items": 0,
        "flights": 0,
        "photos": given.taken.report(),
        "notes": list(notes),
    }


def notes_of(given: ResumeInputs, placed: PlacedPhotos | None = None) -> list[str]:
    taken = given.taken
    notes = [] if taken.shots else ["no photo came: the whole is planned"]
    counts = {
        "files are broken and do not count": len(taken.broken),
        "photos do not say where they were taken and do not count": taken.without_position,
        "files repeat a photo and do not count": taken.repeated,
        "camera events say that no photo was taken": taken.failed,
        "photos look too far to the side and do not count": placed.oblique if placed else 0,
        "photos do not say how high they were taken and do not count": placed.without_height if placed else 0,
    }
    notes += [f"{count} {what}" for what, count in counts.items() if count]
    for name, shift in (placed.shifts_m if placed else {}).items():
        if abs(shift) >= 5.0:
            way = "above" if shift > 0 else "below"
            notes.append(f"heights of {name} are {abs(shift):.0f} m {way} the DEM's and were shifted")
    return notes


def coverage_json(
    views: int, before: Coverage, share: float, after: float, rest: CoverageRest | None = None
) -> dict[str, Any]:
    out = {
        "views": views,
        "share_before": round(share, 5),
        "share_after": round(after, 5),
        "zone_area_m2": round(before.zone_area_m2, 1),
        "lacking_area_m2": round((1 - share) * before.zone_area_m2, 1),
    }
    if rest is not None:
        out["planned_area_m2"] = round(rest.planned_m2, 1)
    return out


def record_plan(
    given: ResumeInputs, plan: SurveyPlan, camera: Camera, files: Sequence[Path], report: Any
) -> None:
    """Put the plan of the rest on record in the mission folder, where there is one."""
    if given.workspace is None:
        return
    keep_camera(given.workspace, camera)
    lines = plan.frame.geometry_to_geo(
        shapely.MultiLineString([shapely.force_2d(leg.line) for s in plan.sorties for leg in s.legs])
    )
    root, file = given.workspace.path.resolve(), files[0].resolve()
    place = file.relative_to(root).as_posix() if file.is_relative_to(root) else str(files[0])
    row = {"name": files[0].stem, "file": place, "camera": camera.name, "report_json": to_json(report)}
    given.workspace.add("plans", [(lines, row)])


def log_rest(given: ResumeInputs, result: dict[str, Any]) -> None:
    if given.workspace is not None:
        told = ("file", "mode", "why", "photos_planned", "photos_taken", "photos_to_take", "items")
        detail = {key: result[key] for key in told}
        given.workspace.log("rest planned", plan=given.request.out.name, of=given.request.plan.name, **detail)
