"""From a zone file to a plan file, on record in the mission folder when the plan lies in one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from imagery.photo_tags import read_tags
from imagery.photos import camera_of
from missionctl.jsontext import to_json
from missionctl.workspace import Workspace, find_workspace
from plans.cameras import (
    Camera,
    camera_database,
    camera_for_exif_model,
    find_camera,
    read_camera_file,
    write_camera_file,
)
from plans.coverage import cell_size_m, count_photos, write_coverage
from plans.energy import Wind
from plans.errors import CameraError, SurveyError
from plans.formats import read_mission, write_plan
from plans.formats.qgc_plan import read_camera
from plans.frames import GeoPoint, LocalFrame
from plans.mission_shots import frame_of, mission_poses
from plans.survey import SurveyPlan, SurveySettings, plan_survey
from plans.terrain import Terrain, flat_terrain, read_terrain
from plans.zones import Corridor, Zone, read_lines, read_zones

_TERRAIN_MARGIN_M = 500.0
_CAMERAS = "cameras"


@dataclass(frozen=True)
class PlanRequest:
    """What `missionctl plan` was asked for. Shares for overlaps, SI units, None for automatic."""

    zone: Path
    out: Path
    gcj02: bool = False
    camera: str | None = None
    photo: Path | None = None
    gsd_m: float | None = None
    height_agl_m: float | None = None
    overlap: float = 0.80
    sidelap: float = 0.70
    dem: Path | None = None
    clearance_m: float = 20.0
    speed_mps: float | None = None
    wind: Wind = field(default_factory=Wind)
    angle_deg: float | None = None
    no_fly: Path | None = None
    launches: tuple[GeoPoint, ...] = ()
    drones: int = 1
    endurance_s: float = 25 * 60.0
    straight: bool = False
    crosshatch: bool = False
    corridor_width_m: float | None = None


def plan_to_file(request: PlanRequest) -> dict[str, Any]:
    """Plan, write the file(s), record them; returns the plan's report with `files` and `notes`."""
    workspace = find_workspace(request.out.parent)
    plan, zones = make_plan(request, workspace)
    files = write_plan(plan, request.out)
    if workspace:
        _record(workspace, plan, zones, request, files)
    return {**plan.report(), "files": [str(f) for f in files], "notes": list(plan.notes)}


def make_plan(
    request: PlanRequest, workspace: Workspace | None
) -> tuple[SurveyPlan, Sequence[Zone] | Sequence[Corridor]]:
    """Read the inputs and plan; nothing is written."""
    zones: Sequence[Zone] | Sequence[Corridor]
    read = read_zones if request.corridor_width_m is None else read_lines
    zones = read(request.zone, gcj02=request.gcj02)
    camera = choose_camera(request.camera, request.photo, workspace)
    settings = SurveySettings(
        gsd_m=request.gsd_m,
        height_agl_m=request.height_agl_m,
        overlap=request.overlap,
        sidelap=request.sidelap,
        clearance_m=request.clearance_m,
        speed_mps=request.speed_mps,
        wind=request.wind,
        angle_deg=request.angle_deg,
        endurance_s=request.endurance_s,
        follow_shape=not request.straight,
        crosshatch=request.crosshatch,
        corridor_width_m=request.corridor_width_m,
    )
    dem = request.dem or (workspace.input("dem") if workspace else None)
    no_fly = read_zones(request.no_fly, gcj02=request.gcj02) if request.no_fly else ()
    terrain = terrain_around(dem, zones, request.launches) if dem else None
    plan = plan_survey(
        zones,
        camera,
        settings,
        terrain=terrain,
        no_fly=no_fly,
        launches=request.launches,
        drones=request.drones,
    )
    return plan, zones


def choose_camera(name: str | None, photo: Path | None, workspace: Workspace | None) -> Camera:
    """The camera that is named (of the database, of the mission folder, or a JSON file), or that took a
    sample photo, or the mission's own."""
    if name and photo:
        raise CameraError("--camera and --photo exclude each other: give one of them")
    if photo:
        return _camera_of_photo(photo)
    name = name or (workspace.config.camera if workspace else "")
    if not name:
        raise CameraError("no camera: give --camera NAME (list: missionctl cameras) or --photo FILE")
    return find_camera(name, own_cameras(workspace) if workspace else None)


def _camera_of_photo(photo: Path) -> Camera:
    tags = read_tags(photo)
    known = tags.model is not None and camera_for_exif_model(tags.model, tags.focal_mm) is not None
    if not known and not tags.focal_35mm:
        raise CameraError(
            f"{photo}: names no known camera ({tags.model or 'no model'}) and no 35 mm focal length; "
            "give --camera NAME or a camera FILE.json"
        )
    return camera_of(tags, photo.name)[0]


def own_cameras(workspace: Workspace) -> dict[str, Camera]:
    """The cameras kept in the mission folder, by name."""
    files = sorted((workspace.path / _CAMERAS).glob("*.json"))
    return {camera.name: camera for camera in map(read_camera_file, files)}


def keep_camera(workspace: Workspace, camera: Camera) -> None:
    """Keep a camera that the database does not have in the mission folder, to be named there from now on."""
    if camera_database().get(camera.name) == camera or own_cameras(workspace).get(camera.name) == camera:
        return
    stem = re.sub(r"[^\w.-]+", "-", camera.name).strip("-.") or "camera"
    file = workspace.path / _CAMERAS / f"{stem}.json"
    try:
        file.parent.mkdir(exist_ok=True)
        write_camera_file(file, camera)
    except OSError as error:
        raise CameraError(f"{file}: cannot be written ({error.strerror})") from None


def terrain_around(
    dem: Path, zones: Sequence[Zone] | Sequence[Corridor], launches: Sequence[GeoPoint]
) -> Terrain:
    """The DEM around zones and launch points, in a frame centred on the zones."""
    shapes = [z.polygon if isinstance(z, Zone) else z.line for z in zones]
    west, south, east, north = shapely.total_bounds(shapes)
    frame = LocalFrame.around([GeoPoint(south, west), GeoPoint(north, east)])
    corners = [
        GeoPoint(south, west),
        GeoPoint(north, east),
        GeoPoint(south, east),
        GeoPoint(north, west),
        *launches,
    ]
    easts, norths = frame.to_local([p.lat_deg for p in corners], [p.lon_deg for p in corners])
    if max(abs(easts).max(), abs(norths).max()) > 200_000:
        raise SurveyError("zones and launch points lie more than 200 km apart; check their coordinates")
    margin = _TERRAIN_MARGIN_M
    low = float(easts.min()) - margin, float(norths.min()) - margin
    high = float(easts.max()) + margin, float(norths.max()) + margin
    return read_terrain(dem, frame, (*low, *high))


def _record(
    workspace: Workspace,
    plan: SurveyPlan,
    zones: Sequence[Zone] | Sequence[Corridor],
    request: PlanRequest,
    files: Sequence[Path],
) -> None:
    keep_camera(workspace, plan.camera)
    known = {f.values["name"] for f in workspace.features("zones")}
    new = [z for z in zones if isinstance(z, Zone) and z.name not in known]
    workspace.add("zones", [(z.polygon, {"name": z.name, "priority": z.priority}) for z in new])
    lines = plan.frame.geometry_to_geo(
        shapely.MultiLineString([shapely.force_2d(leg.line) for s in plan.sorties for leg in s.legs])
    )
    row = {
        "name": request.out.stem,
        "file": str(files[0].relative_to(workspace.path))
        if files[0].is_relative_to(workspace.path)
        else str(files[0]),
        "camera": plan.camera.name,
        "report_json": to_json(plan.report()),
    }
    workspace.add("plans", [(lines, row)])
    workspace.log("plan made", plan=request.out.name, photos=len(plan.shots), lanes=len(plan.lanes))


def cover_plan(
    plan_file: Path, zone: Path, out: Path, camera: str | None, dem: Path | None
) -> dict[str, Any]:
    """Photos per ground cell of a planned mission, as a raster and as shares of the zone."""
    workspace = find_workspace(out.parent)
    mission = read_mission(plan_file)
    known = choose_camera(camera, None, workspace) if camera else camera_of_plan(plan_file)
    if known is None:
        raise CameraError(
            f"{plan_file}: does not say its camera; give --camera NAME (list: missionctl cameras)"
        )
    zones = read_zones(zone)
    dem = dem or (workspace.input("dem") if workspace else None)
    if dem:
        terrain = terrain_around(dem, zones, (mission.home,) if mission.home else ())
    else:
        frame = frame_of(mission)
        height = (mission.home.alt_amsl_m if mission.home else None) or 0.0
        terrain = flat_terrain(frame, height, (-2e5, -2e5, 2e5, 2e5))
    area = shapely.union_all([terrain.frame.geometry_to_local(z.polygon) for z in zones])
    poses = mission_poses(mission, terrain)
    if not poses:
        raise SurveyError(f"{plan_file}: triggers no photo; coverage needs a survey plan")
    ground = terrain.at([p.east_m for p in poses], [p.north_m for p in poses])
    height_m = float(np.nanmedian([p.up_m for p in poses] - ground))
    coverage = count_photos(area, poses, known, terrain, cell_size_m(known, height_m, area))
    write_coverage(coverage, out)
    return {
        "file": str(out),
        "photos": len(poses),
        "camera": known.name,
        "cell_m": coverage.cell_m,
        "zone_area_m2": coverage.zone_area_m2,
        "share_by_views": {k: coverage.share(k) for k in (1, 2, 3, 5, 8)},
    }


def camera_of_plan(plan_file: Path) -> Camera | None:
    """The camera that a plan file says it was made for."""
    return read_camera(plan_file) if plan_file.suffix.lower() == ".plan" else None
