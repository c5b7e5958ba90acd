"""Proof of a plan file: how many of its photos see each piece of ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely import Geometry, Polygon

from missionctl.services.planning import camera_of_plan, choose_camera, terrain_around
from missionctl.workspace import find_workspace
from plans.cameras import Camera
from plans.coverage import Coverage, cell_size_m, ground_cells, write_coverage
from plans.errors import CameraError, PlanFileError, SurveyError
from plans.formats import read_mission
from plans.formats.qgc_plan import read_flight_cameras, read_goal
from plans.frames import LocalFrame, Pose
from plans.mission import Mission
from plans.mission_shots import flights_of, frame_of, mission_poses
from plans.terrain import Terrain, flat_terrain
from plans.zones import read_zones

_VIEWS = (1, 2, 3, 5, 8)


def cover_plan(
    plan_file: Path,
    zone: Path,
    out: Path,
    camera: str | None,
    dem: Path | None,
    views: int | None = None,
) -> dict[str, Any]:
    """Photos per ground cell of a planned mission, as a raster and as shares of the zone outside of the
    plan's no-fly areas: ground that the planner does not count either.

    The camera (as it is mounted) and the `views` asked of every place are the plan file's, if not given.
    """
    if views is not None and not 1 <= views <= 50:
        raise SurveyError(f"{views} photos of every place cannot be asked for; give 1 to 50")
    workspace = find_workspace(out.parent)
    mission = read_mission(plan_file)
    cameras = (choose_camera(camera, None, workspace),) if camera else _cameras_of_plan(plan_file)
    views = views or _views_of_plan(plan_file)
    zones = read_zones(zone)
    dem = dem or (workspace.input("dem") if workspace else None)
    if dem:
        terrain = terrain_around(dem, zones, (mission.home,) if mission.home else ())
    else:
        frame = frame_of(mission)
        height = (mission.home.alt_amsl_m if mission.home else None) or 0.0
        terrain = flat_terrain(frame, height, (-2e5, -2e5, 2e5, 2e5))
    whole = shapely.union_all([terrain.frame.geometry_to_local(z.polygon) for z in zones])
    area = shapely.difference(whole, _no_fly(mission, terrain.frame))
    if not area.area > 0:
        raise SurveyError(f"{zone}: lies in the plan's no-fly areas as a whole; nothing is left to be seen")
    poses = _poses_by_camera(mission, cameras, terrain)
    if not poses:
        raise SurveyError(f"{plan_file}: triggers no photo; coverage needs a survey plan")
    cell_m = min(cell_size_m(one, _height_m(own, terrain), area) for one, own in poses.items())
    cells = ground_cells(area, terrain, cell_m)
    counted = [cells.count(own, one) for one, own in poses.items()]
    coverage = reduce(Coverage.plus, counted)
    write_coverage(coverage, out)
    return {
        "file": str(out),
        "photos": sum(map(len, poses.values())),
        "camera": ", ".join(dict.fromkeys(one.name for one in poses)),
        "cell_m": coverage.cell_m,
        "zone_area_m2": coverage.zone_area_m2,
        "no_fly_area_m2": round(whole.area - area.area, 1),
        "views_asked": views,
        "share": None if views is None else round(coverage.share(views), 5),
        "share_by_views": {k: coverage.share(k) for k in _VIEWS},
    }


def _cameras_of_plan(plan_file: Path) -> tuple[Camera, ...]:
    """The cameras that a plan says its flights carry: one for each, or one for all."""
    if plan_file.suffix.lower() == ".plan":
        each = read_flight_cameras(plan_file)
        one = camera_of_plan(plan_file)
        if each or one:
            return each or ((one,) if one else ())
    raise CameraError(f"{plan_file}: does not say its camera; give --camera NAME (list: missionctl cameras)")


def _poses_by_camera(
    mission: Mission, cameras: Sequence[Camera], terrain: Terrain
) -> dict[Camera, list[Pose]]:
    """The photos of a mission by the camera that takes them; one camera, or one for each flight."""
    if len(cameras) == 1:
        poses = mission_poses(mission, terrain)
        return {cameras[0]: list(poses)} if poses else {}
    flights = flights_of(mission, terrain.frame)
    if len(flights) != len(cameras):
        raise PlanFileError(
            f"the plan has {len(flights)} flights and {len(cameras)} cameras: it was changed; take the files "
            "of its single flights, or give --camera NAME"
        )
    found: dict[Camera, list[Pose]] = {}
    for flight, camera in zip(flights, cameras, strict=True):
        own = mission_poses(replace(mission, items=flight.items), terrain)
        if own:
            found.setdefault(camera, []).extend(own)
    return found


def _height_m(poses: Sequence[Pose], terrain: Terrain) -> float:
    """The usual height above ground of photos."""
    ground = terrain.at([p.east_m for p in poses], [p.north_m for p in poses])
    return float(np.nanmedian([p.up_m for p in poses] - ground))


def _views_of_plan(plan_file: Path) -> int | None:
    goal = read_goal(plan_file) if plan_file.suffix.lower() == ".plan" else None
    return None if goal is None else goal.views


def _no_fly(mission: Mission, frame: LocalFrame) -> Geometry:
    """The fence's forbidden areas in local metres."""
    rings = [
        np.column_stack(frame.to_local([p.lat_deg for p in ring], [p.lon_deg for p in ring]))
        for ring in mission.fence_exclusion
    ]
    return shapely.union_all([shapely.make_valid(Polygon(ring)) for ring in rings if len(ring) >= 3])
