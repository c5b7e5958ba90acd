"""Which format a file name asks for, and how a plan of several sorties becomes files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from plans.cameras import Camera
from plans.errors import PlanFileError
from plans.flights import Sortie
from plans.formats.geojson import write_geojson
from plans.formats.geopackage import write_geopackage
from plans.formats.kml import write_kml
from plans.formats.qgc_plan import read_qgc_plan, write_qgc_plan
from plans.formats.qgc_survey import complex_items
from plans.formats.survey_goal import SurveyGoal, goal_of
from plans.formats.waypoints import read_waypoints, write_waypoints
from plans.formats.wpml import write_wpml
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, Mission
from plans.survey import SurveyPlan

_WAYPOINT_SUFFIXES = (".waypoints", ".txt", ".mission")
_PICTURES = {".kml": write_kml, ".geojson": write_geojson, ".json": write_geojson, ".gpkg": write_geopackage}
PLAN_SUFFIXES = (".plan", ".waypoints", ".kmz", ".kml", ".geojson", ".gpkg")


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
    goal: SurveyGoal | None = None,
    autopilot: str | None = None,
) -> Path:
    """Write one mission as `.plan` (simple items, for `autopilot`) or `.waypoints`. Raises PlanFileError."""
    suffix = Path(path).suffix.lower()
    if suffix == ".plan":
        return write_qgc_plan(mission, path, camera, walls, goal=goal, autopilot=autopilot)
    if suffix in _WAYPOINT_SUFFIXES:
        return write_waypoints(mission, path)
    raise PlanFileError(f"{path}: a mission is written as .plan or .waypoints, not as {suffix or 'this'}")


def write_plan(
    plan: SurveyPlan, path: Path | str, *, survey_items: bool = True, goal: SurveyGoal | None = None
) -> tuple[Path, ...]:
    """Write a survey in the format of the suffix: .plan, .waypoints, .kmz (DJI WPML), .kml, .geojson, .gpkg.

    Returns the files written. One sortie, or a format to look at, gives `path`. Several sorties give `path`
    with all of them one after another (each from its NAV_TAKEOFF to its return; heights AMSL when they start
    from different places) and, to be flown one by one, NAME-1.plan, NAME-2.plan... In a `.plan`, what lies
    between take-off and return is a survey item that QGroundControl can edit; simple items without
    `survey_items`. A `.plan` carries what the survey is to show (`goal`; the plan's own if not given), for
    `resume`. Raises PlanFileError.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in _PICTURES:
        return (_PICTURES[suffix](plan, path),)
    if suffix not in (".kmz", ".plan", *_WAYPOINT_SUFFIXES):
        known = ", ".join(PLAN_SUFFIXES)
        raise PlanFileError(f"{path}: no plan format has the suffix {suffix or '(none)'}; use one of {known}")
    goal = goal or goal_of(plan)
    files = [_write_flights(plan, path, plan.sorties, survey_items, goal)]
    if len(plan.sorties) > 1:
        for sortie in plan.sorties:
            one = path.with_name(f"{path.stem}-{sortie.index + 1}{path.suffix}")
            files.append(_write_flights(plan, one, (sortie,), survey_items, goal))
    return tuple(files)


def _write_flights(
    plan: SurveyPlan, path: Path, sorties: tuple[Sortie, ...], editable: bool, goal: SurveyGoal
) -> Path:
    """One sortie, or all of them in one file."""
    if path.suffix.lower() == ".kmz":
        return write_wpml(plan, path, sorties)
    mission = sorties[0].mission if len(sorties) == 1 else whole_mission(plan)
    if path.suffix.lower() != ".plan":
        return write_waypoints(mission, path)
    surveys = complex_items(plan, sorties, mission) if editable else ()
    cameras = [sortie.camera for sortie in sorties]
    unlike = cameras if len(set(cameras)) > 1 else []
    autopilots = {plan.kits[sortie.drone].drone.autopilot for sortie in sorties}
    autopilot = autopilots.pop() if len(autopilots) == 1 else None
    return write_qgc_plan(mission, path, cameras[0], walls_of(plan), surveys, goal, unlike, autopilot)


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
