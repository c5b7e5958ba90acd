"""What a drawn plan comes to, while it is being drawn: lanes at once, then the whole plan with its proof."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely import MultiLineString, MultiPoint

from missionctl import geopackage
from missionctl.services.plan_draft import NO_FLY, ZONE, PlanDraft, free_plan_file, request_of, wished
from missionctl.services.planning import PlanMade, choose_camera, make_plan, plan_to_file, settings_of
from missionctl.workspace import Workspace
from plans.coverage import Coverage
from plans.drones import Drone
from plans.errors import ZoneError
from plans.flight_time import airframe_of
from plans.flights import Sortie
from plans.frames import FloatArray
from plans.lanes import sweep_lanes
from plans.survey_job import check_settings, prepare_survey
from plans.terrain import Terrain
from plans.zones import Zone, check_zone

_PROFILE_PLACES = 600


@dataclass(frozen=True, eq=False)
class Profile:
    """Along a sortie: how far, the flight's height and the ground's, metres AMSL. Shapes (n,)."""

    distance_m: FloatArray
    flight_m: FloatArray
    ground_m: FloatArray


@dataclass(frozen=True, eq=False)
class SortieLine:
    """A sortie on the map: whose it is (drones from 0), its way in lon/lat, and its profile where the ground
    is known."""

    drone: int
    way: MultiLineString
    profile: Profile | None


@dataclass(frozen=True, eq=False)
class PlanPreview:
    """A plan as the screen shows it. All places are lon/lat."""

    sorties: tuple[SortieLine, ...]
    photos: MultiPoint
    report: Mapping[str, Any]
    coverage: Coverage
    angle_deg: float


def sketch_lanes(draft: PlanDraft, workspace: Workspace, angle_deg: float) -> MultiLineString:
    """The lanes of a draft swept at a known angle over level ground, lon/lat: what is seen while
    a corner is dragged.

    Takes some milliseconds. Raises a PlanningError when there is nothing to lay lanes over.
    """
    if not draft.zones:
        raise ZoneError("no zone is drawn yet: draw one on the map")
    camera = choose_camera(draft.wishes.camera or None, None, workspace)
    settings = replace(settings_of(wished(draft, Path(), Path())), angle_deg=angle_deg)
    check_settings(settings, 1)
    airframe = airframe_of(draft.wishes.autopilot or None)
    job = prepare_survey(
        [Zone(a.name, check_zone(a.polygon, a.name), a.priority) for a in draft.areas if a.kind == ZONE],
        camera,
        settings,
        None,
        [Zone(a.name, check_zone(a.polygon, a.name)) for a in draft.areas if a.kind == NO_FLY],
        draft.launches,
        [Drone(airframe=airframe, battery=settings.battery)],
        [],
    )
    blocked = job.obstacles.area if job.obstacles.walls else None
    lines = [
        lane.line
        for area in job.areas
        for part in shapely.get_parts(area.region).tolist()
        for lane in sweep_lanes(part, blocked, job.spacing_m, angle_deg)
    ]
    return job.frame.geometry_to_geo(MultiLineString([shapely.force_2d(line) for line in lines]))


def preview_plan(draft: PlanDraft, workspace: Workspace) -> PlanPreview:
    """The whole plan of a draft; nothing is written into the mission. Raises a PlanningError."""
    with tempfile.TemporaryDirectory(prefix="missionctl-draft-") as folder:
        request = request_of(draft, Path(folder), workspace.path / "plans" / "draft.plan")
        made = make_plan(request, workspace)
    return _preview(made)


def save_plan(draft: PlanDraft, workspace: Workspace, suffix: str = ".plan") -> tuple[Path, dict[str, Any]]:
    """Plan a draft into plans/, bring the mission's zones in line with it; the file and the plan's report.

    Raises a PlanningError or WorkspaceError; then nothing has changed.
    """
    out = free_plan_file(workspace, suffix=suffix)
    with tempfile.TemporaryDirectory(prefix="missionctl-draft-") as folder:
        report = plan_to_file(request_of(draft, Path(folder), out))
    keep_zones(draft, workspace)
    if workspace.config.frame is None:  # from now on the map stays where it is, whatever is drawn next
        lon, lat = draft.zones[0].polygon.centroid.coords[0]
        workspace.write_config(
            replace(workspace.config, origin_lat_deg=round(lat, 7), origin_lon_deg=round(lon, 7))
        )
    return out, report


def keep_zones(draft: PlanDraft, workspace: Workspace) -> None:
    """The mission's zones as they are drawn; what a zone was before stands in the journal. A zone that
    somebody else has added meanwhile stays."""
    drawn = {area.name: area for area in draft.zones}
    for row in workspace.features("zones"):
        name = str(row.values["name"])
        area = drawn.pop(name, None)
        was = "" if row.geometry is None else shapely.to_wkt(row.geometry, rounding_precision=8)
        if area is None and name in draft.known:
            workspace.log("zone removed", zone=name, was=was)
            geopackage.delete_where(workspace.store, "zones", "fid", row.fid)
        elif area is not None and (
            row.geometry is None or not shapely.equals_exact(row.geometry, area.polygon, 1e-9)
        ):
            workspace.log("zone changed", zone=name, was=was)
            geopackage.set_geometry(workspace.store, "zones", row.fid, area.polygon)
    for name, area in drawn.items():
        workspace.add("zones", [(area.polygon, {"name": name, "priority": area.priority})])


def _preview(made: PlanMade) -> PlanPreview:
    plan = made.plan
    to_geo = plan.frame.geometry_to_geo
    sorties = tuple(
        SortieLine(
            s.drone,
            to_geo(MultiLineString([shapely.force_2d(leg.line) for leg in s.legs])),
            _profile(s, made.terrain) if made.terrain else None,
        )
        for s in plan.sorties
    )
    places = MultiPoint([(shot.pose.east_m, shot.pose.north_m) for shot in plan.shots])
    return PlanPreview(sorties, to_geo(places), made.report, plan.coverage, plan.angle_deg)


def _profile(sortie: Sortie, terrain: Terrain) -> Profile:
    """Heights at up to some hundreds of places along a sortie."""
    points = np.vstack([leg.points_m for leg in sortie.legs])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points[:, :2], axis=0).T))])
    count = int(np.clip(along[-1] / max(terrain.step_m, 1.0), 2, _PROFILE_PLACES))
    at = np.unique(np.concatenate([np.linspace(0.0, along[-1], count), along]))
    east, north, up = (np.interp(at, along, points[:, axis]) for axis in range(3))
    return Profile(at, up, terrain.at(east, north))
