"""From a zone file to a plan file, on record in the mission folder when the plan lies in one."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import shapely
from shapely import Geometry

from imagery.photo_tags import read_tags
from imagery.photos import camera_of
from missionctl.geopackage import update
from missionctl.jsontext import to_json
from missionctl.services.crew import Crew, autopilot_for
from missionctl.services.fleet_file import read_fleet
from missionctl.services.plan_radio import (
    RadioSetup,
    radio_report,
    shadow_of,
    within_reach,
    without_fence,
)
from missionctl.services.plan_report import drone_json, zones_json
from missionctl.services.radio import radio_ground
from missionctl.workspace import Workspace, find_workspace
from plans.cameras import (
    Camera,
    camera_database,
    camera_for_exif_model,
    find_camera,
    read_camera_file,
    write_camera_file,
)
from plans.drones import Drone
from plans.energy import Battery, Wind
from plans.errors import CameraError, PlanFileError, PlanningError, SurveyError, TerrainError
from plans.exposure import exposed_share, read_exposure
from plans.flight_time import airframe_of
from plans.formats import PLAN_SUFFIXES, write_plan
from plans.formats.qgc_plan import read_camera
from plans.formats.survey_goal import goal_of
from plans.frames import GeoPoint, LocalFrame
from plans.survey import SurveyPlan, SurveySettings, plan_survey
from plans.survey_job import check_settings
from plans.terrain import Terrain, read_terrain
from plans.zones import Corridor, Zone, read_lines, read_zones

_Zones = Sequence[Zone] | Sequence[Corridor]
_WRITTEN = (*PLAN_SUFFIXES, ".txt", ".mission", ".json")  # and other names of these formats
_TERRAIN_MARGIN_M = 500.0
_CAMERAS = "cameras"


@dataclass(frozen=True)
class PlanRequest:
    """What `missionctl plan` was asked for. Shares for overlaps, SI units, None for automatic. The drones of
    a `fleet` file take the place of `drones` and `endurance_s`."""

    zone: Path
    out: Path
    gcj02: bool = False
    camera: str | None = None
    photo: Path | None = None
    portrait: bool = False
    gsd_m: float | None = None
    height_agl_m: float | None = None
    overlap: float = 0.80
    sidelap: float = 0.70
    min_views: int | None = None
    dem: Path | None = None
    clearance_m: float = 20.0
    speed_mps: float | None = None
    wind: Wind = field(default_factory=Wind)
    angle_deg: float | None = None
    no_fly: Path | None = None
    exposure: Path | None = None
    launches: tuple[GeoPoint, ...] = ()
    drones: int = 1
    endurance_s: float = 25 * 60.0
    temperature_c: float = 20.0
    pack_health: float = 1.0
    reserve: float = 0.0
    swap_s: float = 300.0
    fleet: Path | None = None
    autopilot: str | None = None
    radio: RadioSetup | None = None
    straight: bool = False
    crosshatch: bool = False
    corridor_width_m: float | None = None


@dataclass(frozen=True)
class PlanMade:
    """A plan with the zones that were asked for and what of them is flown, the cameras as they were asked
    for, its report (which has `notes`), and the ground where a DEM told it."""

    plan: SurveyPlan
    zones: _Zones
    flown: _Zones
    cameras: tuple[Camera, ...]
    report: dict[str, Any]
    terrain: Terrain | None = None


def plan_to_file(request: PlanRequest) -> dict[str, Any]:
    """Plan, write the file(s), record them; returns the plan's report with `files` and `notes`."""
    check_output(request.out, request)
    workspace = find_workspace(request.out.parent)
    made = make_plan(request, workspace)
    goal = goal_of(made.plan, _polygons(made.flown))
    files = write_plan(made.plan, request.out, goal=goal)
    if workspace:
        _record(workspace, made, request, files)
    return {**made.report, "files": [str(f) for f in files]}


def check_output(out: Path, request: PlanRequest) -> None:
    """Raise PlanFileError unless the plan's format is known, and its place is there, writable and none of the
    inputs: that should not come out after minutes of planning."""
    if out.suffix.lower() not in _WRITTEN:
        known = ", ".join(PLAN_SUFFIXES)
        raise PlanFileError(
            f"{out}: no plan format has the suffix {out.suffix or '(none)'}; use one of {known}"
        )
    if out.is_dir():
        raise PlanFileError(f"{out}: is a folder; give the name of a file")
    inputs = request.zone, request.no_fly, request.dem, request.exposure, request.fleet, request.photo
    if out.exists() and any(file.exists() and out.samefile(file) for file in inputs if file):
        raise PlanFileError(f"{out}: is an input of this plan and would be overwritten; give another name")
    _check_place(out, out.parent)


def check_report(report: Path) -> None:
    """Raise PlanFileError unless a report can be written there; its folder may have to be made."""
    if report.is_dir():
        raise PlanFileError(f"{report}: is a folder; give the name of a file")
    _check_place(report, next(folder for folder in report.absolute().parents if folder.exists()))


def _check_place(file: Path, folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PlanFileError(
            f"{file}: cannot be written ({error.strerror}); choose a folder that is there and writable"
        ) from None


def make_plan(request: PlanRequest, workspace: Workspace | None) -> PlanMade:
    """Read the inputs and plan; nothing is written."""
    read = read_zones if request.corridor_width_m is None else read_lines
    zones: _Zones = read(request.zone, gcj02=request.gcj02)
    crew = read_crew(request, workspace)
    settings = settings_of(request)
    check_settings(settings, len(crew.drones))
    launches = (*request.launches, *(d.launch for d in crew.drones if d.launch is not None))
    dem = request.dem or (workspace.input("dem") if workspace else None)
    no_fly = read_zones(request.no_fly, gcj02=request.gcj02) if request.no_fly else ()
    terrain = terrain_around(dem, zones, launches) if dem else None
    frame = terrain.frame if terrain else LocalFrame.around(_corners(zones))
    area = _ground_asked(zones, frame, settings)
    notes: list[str] = []
    exposure = _exposure(request.exposure, frame, area, notes) if request.exposure else None
    ground, shadow = None, None
    if request.radio:
        if dem is None:
            raise TerrainError(
                "--station needs ground heights: give --dem FILE; nothing is known of the radio without them"
            )
        places = [*_corners(zones), *launches]
        ground = radio_ground(dem, frame, places, request.radio.station, request.radio.relay)
        if request.radio.keep_link:
            shadow = shadow_of(request.radio, ground, crew.height_m(settings), area, launches)
    flown = within_reach(zones, shadow, frame) if shadow else zones
    kept_out = (*no_fly, shadow.walls) if shadow else no_fly

    plan = plan_survey(
        flown,
        crew.camera,
        settings,
        terrain=terrain,
        no_fly=kept_out,
        launches=request.launches,
        drones=crew.drones,
        exposure=exposure,
    )
    if shadow:
        plan = without_fence(plan, shadow)
    report = plan.report()
    seen = area if shadow is None else shapely.intersection(area, shadow.reach)
    seen = shapely.difference(seen, shapely.union_all(plan.no_fly))
    report["coverage"]["left_out_share"] = round(1 - seen.area / area.area, 5)
    report["drones"] = [drone_json(kit) for kit in plan.kits]
    report["zones"] = zones_json(plan, _polygons(zones), terrain, seen)
    if request.radio and ground:
        report["radio"], told = radio_report(plan, request.radio, ground, shadow, area)
        notes += told
    report["notes"] = [*plan.notes, *notes]
    return PlanMade(plan, zones, flown, crew.cameras, report, terrain)


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


def read_crew(request: PlanRequest, workspace: Workspace | None) -> Crew:
    """The drones that are asked for, alike or out of a fleet file, with their cameras."""
    kept = workspace.config.autopilot if workspace else ""
    usual = autopilot_for(request.out, request.autopilot, kept)
    pack = Battery(
        request.endurance_s, request.temperature_c, request.pack_health, request.reserve, request.swap_s
    )
    if request.fleet is None:
        camera = choose_camera(request.camera, request.photo, workspace)
        drone = Drone(airframe=airframe_of(usual), battery=pack, autopilot=usual)
        return Crew(camera, (camera,), (drone,) * request.drones)
    fleet = read_fleet(request.fleet)
    named = [one.camera for one in fleet]
    drones = []
    for number, one in enumerate(fleet, 1):
        with naming(f"{request.fleet}: drone {number}"):
            if one.camera:
                beside = request.fleet.parent / one.camera  # a camera file next to the fleet's
                camera = choose_camera(str(beside) if beside.is_file() else one.camera, None, workspace)
            else:
                camera = choose_camera(request.camera, request.photo, workspace)
            autopilot = autopilot_for(request.out, one.autopilot) if one.autopilot else usual
        drones.append(
            Drone(one.name, one.airframe(autopilot), one.battery(pack), camera, one.place, autopilot)
        )
    if all(named) and (request.camera or request.photo):
        raise CameraError("every drone of the fleet names its camera: leave --camera and --photo out")
    cameras = tuple(drone.camera for drone in drones if drone.camera)
    return Crew(cameras[0], cameras, tuple(drones))


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Put what it is about before the line of a planning error."""
    try:
        yield
    except PlanningError as error:
        raise type(error)(f"{what}: {error}") from None


def settings_of(request: PlanRequest) -> SurveySettings:
    """The planner's settings for what was asked."""
    return SurveySettings(
        gsd_m=request.gsd_m,
        height_agl_m=request.height_agl_m,
        overlap=request.overlap,
        sidelap=request.sidelap,
        portrait=request.portrait,
        clearance_m=request.clearance_m,
        speed_mps=request.speed_mps,
        wind=request.wind,
        angle_deg=request.angle_deg,
        endurance_s=request.endurance_s,
        temperature_c=request.temperature_c,
        pack_health=request.pack_health,
        reserve=request.reserve,
        swap_s=request.swap_s,
        follow_shape=not request.straight,
        crosshatch=request.crosshatch,
        corridor_width_m=request.corridor_width_m,
        min_views=request.min_views,
    )


def _ground_asked(zones: _Zones, frame: LocalFrame, settings: SurveySettings) -> Geometry:
    """All ground of the zones, or of the strips along corridors, in local metres."""
    shapes = [frame.geometry_to_local(_shape(zone)) for zone in zones]
    if settings.corridor_width_m is not None:
        shapes = [shape.buffer(settings.corridor_width_m / 2, cap_style="flat") for shape in shapes]
    return shapely.union_all(shapes)


def _exposure(path: Path, frame: LocalFrame, area: Geometry, notes: list[str]) -> Terrain:
    west, south, east, north = area.bounds
    margin = _TERRAIN_MARGIN_M
    exposure = read_exposure(path, frame, (west - margin, south - margin, east + margin, north + margin))
    share, total = exposed_share(exposure, area)
    if not total > 0:
        raise SurveyError(f"{path}: no value above 0 in the zone: nothing to fly first; check the raster")
    if share < 0.995:
        notes.append(f"{path.name} covers {share:.0%} of the zone; the rest counts as nothing at stake")
    return exposure


def _polygons(zones: _Zones) -> list[Zone]:
    """The zones; of corridors none."""
    return [zone for zone in zones if isinstance(zone, Zone)]


def _shape(zone: Zone | Corridor) -> Geometry:
    return zone.polygon if isinstance(zone, Zone) else zone.line


def _corners(zones: _Zones) -> list[GeoPoint]:
    west, south, east, north = (float(v) for v in shapely.total_bounds([_shape(zone) for zone in zones]))
    return [GeoPoint(lat, lon) for lat in (south, north) for lon in (west, east)]


def terrain_around(dem: Path, zones: _Zones, launches: Sequence[GeoPoint]) -> Terrain:
    """The DEM around zones and launch points, in a frame centred on the zones."""
    frame = LocalFrame.around(_corners(zones))
    places = [*_corners(zones), *launches]
    easts, norths = frame.to_local([p.lat_deg for p in places], [p.lon_deg for p in places])
    if max(abs(easts).max(), abs(norths).max()) > 200_000:
        raise SurveyError("zones and launch points lie more than 200 km apart; check their coordinates")
    margin = _TERRAIN_MARGIN_M
    low = float(easts.min()) - margin, float(norths.min()) - margin
    high = float(easts.max()) + margin, float(norths.max()) + margin
    return read_terrain(dem, frame, (*low, *high))


def _record(workspace: Workspace, made: PlanMade, request: PlanRequest, files: Sequence[Path]) -> None:
    plan = made.plan
    for camera in dict.fromkeys(made.cameras):
        keep_camera(workspace, camera)
    _record_zones(workspace, _polygons(made.zones))
    lines = plan.frame.geometry_to_geo(
        shapely.MultiLineString([shapely.force_2d(leg.line) for s in plan.sorties for leg in s.legs])
    )
    row = {
        "name": request.out.stem,
        "file": str(files[0].relative_to(workspace.path))
        if files[0].is_relative_to(workspace.path)
        else str(files[0]),
        "camera": ", ".join(dict.fromkeys(camera.name for camera in made.cameras)),
        "report_json": to_json(made.report),
    }
    workspace.add("plans", [(lines, row)])
    workspace.log("plan made", plan=request.out.name, photos=len(plan.shots), lanes=len(plan.lanes))


def _record_zones(workspace: Workspace, zones: Sequence[Zone]) -> None:
    """Zones that the folder does not know by name yet are added; of the others the priority is kept up."""
    known = {f.values["name"]: f for f in workspace.features("zones")}
    new = [zone for zone in zones if zone.name not in known]
    workspace.add("zones", [(z.polygon, {"name": z.name, "priority": z.priority}) for z in new])
    for zone in zones:
        row = known.get(zone.name)
        if row is not None and row.values["priority"] != zone.priority:
            update(workspace.store, "zones", row.fid, {"priority": zone.priority})


def camera_of_plan(plan_file: Path) -> Camera | None:
    """The camera that a plan file says it was made for."""
    return read_camera(plan_file) if plan_file.suffix.lower() == ".plan" else None
