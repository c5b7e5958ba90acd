"""Which format a file name asks for, and how a plan of several sorties becomes files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from plans.cameras import Camera
from plans.errors import PlanFileError
from plans.formats.qgc_plan import read_qgc_plan, write_qgc_plan
from plans.formats.waypoints import read_waypoints, write_waypoints
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, Mission
from plans.survey import SurveyPlan

_WAYPOINT_SUFFIXES = (".waypoints", ".txt", ".mission")
PLAN_SUFFIXES = (".plan", ".waypoints")


def read_mission(path: Path | str) -> Mission:
    """The mission of a `.plan`, `.waypoints` or `.txt` file. Raises PlanFileError."""
    suffix = Path(path).suffix.lower()
    if suffix == ".plan":
        return read_qgc_plan(path)
    if suffix in _WAYPOINT_SUFFIXES:
        return read_waypoints(path)
    raise PlanFileError(
        f"{path}: plans are read from .plan and .waypoints files, not from {suffix or 'this one'}"
    )


def write_mission(
    mission: Mission,
    path: Path | str,
    camera: Camera | None = None,
    walls: tuple[tuple[GeoPoint, ...], ...] = (),
) -> Path:
    """Write one mission as `.plan` or `.waypoints`. Raises PlanFileError."""
    suffix = Path(path).suffix.lower()
    if suffix == ".plan":
        return write_qgc_plan(mission, path, camera, walls)
    if suffix in _WAYPOINT_SUFFIXES:
        return write_waypoints(mission, path)
    raise PlanFileError(f"{path}: a mission is written as .plan or .waypoints, not as {suffix or 'this'}")


def write_plan(plan: SurveyPlan, path: Path | str) -> tuple[Path, ...]:
    """Write a survey in the format of the suffix: .plan, .waypoints. Returns the files written.

    One sortie gives `path`. Several give `path` with all of them one after another (each from its NAV_TAKEOFF
    to its return; heights AMSL when they start from different places) and, to be flown one by one,
    NAME-1.plan, NAME-2.plan... Raises PlanFileError.
    """
    path = Path(path)
    walls = walls_of(plan)
    if len(plan.sorties) == 1:
        return (write_mission(plan.sorties[0].mission, path, plan.camera, walls),)
    files = [write_mission(whole_mission(plan), path, plan.camera, walls)]
    for sortie in plan.sorties:
        one = path.with_name(f"{path.stem}-{sortie.index + 1}{path.suffix}")
        files.append(write_mission(sortie.mission, one, plan.camera, walls))
    return tuple(files)


def whole_mission(plan: SurveyPlan) -> Mission:
    """All sorties of a plan one after another, for a look at the whole and for `resume` and `coverage`."""
    first = plan.sorties[0].mission
    launches = {(s.launch.lat_deg, s.launch.lon_deg) for s in plan.sorties}
    items = []
    for sortie in plan.sorties:
        for item in sortie.mission.items:
            if len(launches) > 1 and item.has_place:
                height = round(item.alt_m + sortie.launch_ground_m, 2)
                items.append(replace(item, frame=AltitudeFrame.AMSL, alt_m=height))
            else:
                items.append(item)
    return replace(first, items=tuple(items))


def walls_of(plan: SurveyPlan) -> tuple[tuple[GeoPoint, ...], ...]:
    """The outlines that the plan's transits go around, in WGS84."""
    rings = []
    for wall in plan.obstacles.walls:
        lat, lon = plan.frame.to_geo(*np.asarray(wall.exterior.coords)[:-1].T)
        rings.append(tuple(GeoPoint(float(a), float(o)) for a, o in zip(lat, lon, strict=True)))
    return tuple(rings)
