"""What a resume stands on: the plan, what came of it, the zone, the ground, and where photos were taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import shapely
from shapely import Polygon

from missionctl.services.crew import ANY, autopilot_of
from missionctl.services.planning import camera_of_plan, choose_camera, terrain_around
from missionctl.services.taken_photos import FlightShots, Taken, read_taken
from missionctl.workspace import Workspace, find_workspace
from plans.cameras import Camera
from plans.capacity import item_capacity
from plans.energy import Wind
from plans.errors import CameraError, MissionError, PlanFileError, SurveyError, ZoneError
from plans.formats import read_mission
from plans.formats.qgc_plan import read_goal, read_walls
from plans.formats.survey_goal import SurveyGoal
from plans.frames import GeoPoint, LocalFrame
from plans.mission import Command, Mission
from plans.mission_shots import PlannedShots, planned_shots
from plans.resume_cover import Ground
from plans.taken import PlacedPhotos, PlannedBy, place_photos
from plans.terrain import flat_terrain
from plans.zones import Zone, read_zones

Mode = Literal["auto", "shots", "coverage"]


@dataclass(frozen=True)
class ResumeRequest:
    """What `missionctl resume` was asked for. Shares for overlaps, SI units; None for what the plan says."""

    plan: Path
    out: Path
    photos: tuple[Path, ...] = ()
    flights: tuple[str, ...] = ()
    mode: Mode = "auto"
    zone: Path | None = None
    camera: str | None = None
    photo_camera: str | None = None
    gsd_m: float | None = None
    height_agl_m: float | None = None
    overlap: float | None = None
    sidelap: float | None = None
    min_views: int | None = None
    dem: Path | None = None
    clearance_m: float | None = None
    speed_mps: float | None = None
    wind: Wind | None = None
    no_fly: Path | None = None
    launches: tuple[GeoPoint, ...] = ()
    drones: int | None = None
    endurance_s: float | None = None
    autopilot: str | None = None

    @property
    def of_another_survey(self) -> list[str]:
        """The options given that the missing shots of the same mission cannot follow."""
        given = {
            "--zone": self.zone,
            "--camera": self.camera,
            "--photo-camera": self.photo_camera,
            "--gsd": self.gsd_m,
            "--height": self.height_agl_m,
            "--overlap": self.overlap,
            "--sidelap": self.sidelap,
            "--min-views": self.min_views,
            "--dem": self.dem,
            "--clearance": self.clearance_m,
            "--speed": self.speed_mps,
            "--no-fly": self.no_fly,
            "--launch": self.launches or None,
            "--drones": self.drones,
        }
        return [name for name, value in given.items() if value is not None]


@dataclass(frozen=True)
class ResumeInputs:
    """The inputs of a resume as they were read."""

    request: ResumeRequest
    workspace: Workspace | None
    mission: Mission
    goal: SurveyGoal | None
    plan_camera: Camera | None
    taken: Taken

    @classmethod
    def read(cls, request: ResumeRequest) -> ResumeInputs:
        """Read them. Raises MissionError where one cannot be read, or no photo says where it was taken."""
        if not request.photos and not request.flights:
            raise SurveyError("give the photos that came (--photos DIR), a flight (--flight ID), or both")
        workspace = find_workspace(request.out.parent)
        mission = read_mission(request.plan)
        own = request.plan.suffix.lower() == ".plan"
        flights = [_flight(name, workspace) for name in request.flights]
        taken = read_taken(request.photos, flights)
        if taken.files > len(taken.broken) and not taken.shots:
            raise SurveyError(
                f"{', '.join(map(str, request.photos))}: no photo there says where it was taken; "
                "run missionctl geotag first"
            )
        goal = read_goal(request.plan) if own else None
        return cls(request, workspace, mission, goal, camera_of_plan(request.plan), taken)

    @property
    def asks_for(self) -> list[str]:
        """The options that ask for a survey of its own."""
        more = ["--endurance"] if self.request.endurance_s is not None else []
        more += ["--wind"] if self.request.wind is not None else []
        return [*self.request.of_another_survey, *more]

    @property
    def autopilot(self) -> str | None:
        """What must hold a flight and flies it; None for any. Unless said otherwise a PX4 where the plan
        names one, else the mission folder's autopilot, else ArduPilot. Raises SurveyError."""
        kept = self.workspace.config.autopilot if self.workspace else ""
        name = (self.request.autopilot or autopilot_of(self.request.plan, kept)).strip().lower()
        if name == ANY:
            return None
        item_capacity(name)
        return name

    @property
    def item_limit(self) -> int | None:
        """The most items of a mission without home."""
        name = self.autopilot
        return None if name is None else item_capacity(name) - (1 if name == "ardupilot" else 0)

    def zones(self) -> tuple[Zone, ...]:
        """The zones: those given, the plan's own, those of its surveys, or the mission folder's."""
        request = self.request
        if request.zone is not None:
            return read_zones(request.zone)
        if self.goal is not None:
            return self.goal.zones
        if request.plan.suffix.lower() == ".plan":
            try:
                return read_zones(request.plan)
            except ZoneError:
                pass  # no survey in it: simple items only
        kept = self.workspace.features("zones") if self.workspace else []
        zones = tuple(
            Zone(f.values["name"], f.geometry, float(f.values["priority"] or 1.0))
            for f in kept
            if isinstance(f.geometry, Polygon | shapely.MultiPolygon)
        )
        if not zones:
            raise ZoneError(f"{request.plan}: does not say which zone it is of; give --zone FILE")
        return zones

    def camera(self) -> Camera:
        """The camera that will fly: the one given, the plan's, or the mission folder's."""
        if self.request.camera:
            return choose_camera(self.request.camera, None, self.workspace)
        if self.plan_camera is not None:
            return self.plan_camera
        try:
            return choose_camera(None, None, self.workspace)
        except CameraError:
            raise CameraError(
                f"{self.request.plan}: does not say its camera; give --camera NAME (list: missionctl cameras)"
            ) from None

    def gsd_m(self, ground: Ground) -> float | None:
        """What the plan had: its own word, else by its camera and how high it flew."""
        if self.goal is not None:
            return self.goal.gsd_m
        height = planned_height_m(self.planned(ground), ground)
        return None if self.plan_camera is None or not height > 1.0 else self.plan_camera.gsd_m(height)

    def launches(self) -> tuple[GeoPoint, ...]:
        """The launch points given, else those of the plan."""
        if self.request.launches:
            return self.request.launches
        home = self.mission.home
        starts = [
            GeoPoint(item.lat_deg, item.lon_deg)
            for item in self.mission.items
            if item.command == Command.NAV_TAKEOFF and item.has_place
        ]
        if home is not None and (not starts or home.alt_amsl_m is not None):
            near = LocalFrame(home.lat_deg, home.lon_deg)
            starts = [home, *(place for place in starts if near.distance_m(place) > 1.0)]
        return tuple(dict.fromkeys(starts))

    def no_fly(self) -> tuple[Zone, ...]:
        """The areas given, and those that the plan's fence keeps out of."""
        given = read_zones(self.request.no_fly) if self.request.no_fly else ()
        fence = [ring for ring in self.mission.fence_exclusion if len(ring) > 2]
        return (*given, *(Zone("fence", _ring(ring)) for ring in fence))

    def barred(self, no_fly: Sequence[Zone], frame: LocalFrame) -> tuple[Zone, ...]:
        """Walls of a plan that does not say its zone: those around no-fly areas are known anyway."""
        if self.goal is not None or self.request.plan.suffix.lower() != ".plan":
            return ()
        known = shapely.union_all([frame.geometry_to_local(z.polygon) for z in no_fly] or [Polygon()])
        walls = [_ring(wall) for wall in read_walls(self.request.plan) if len(wall) > 2]
        return tuple(
            Zone("wall", wall) for wall in walls if not frame.geometry_to_local(wall).intersects(known)
        )

    def ground(self, zones: Sequence[Zone]) -> Ground:
        """The DEM around zones and launch points, or level ground at the launch point's height."""
        dem = self.request.dem or (self.workspace.input("dem") if self.workspace else None)
        if dem is not None:
            return Ground(terrain_around(dem, zones, self.launches()))
        west, south, east, north = shapely.total_bounds([zone.polygon for zone in zones])
        frame = LocalFrame.around([GeoPoint(south, west), GeoPoint(north, east)])
        level = self.launches()[0].alt_amsl_m if self.launches() else None
        level = self.mission.home.alt_amsl_m if level is None and self.mission.home else level
        return Ground(flat_terrain(frame, level or 0.0, (-2e5, -2e5, 2e5, 2e5)), level is not None)

    def planned(self, ground: Ground) -> PlannedShots | None:
        """The plan's photos; None where they cannot be placed."""
        try:
            return planned_shots(self.mission, ground.terrain)
        except PlanFileError:  # no ground under its launch point: photos are placed by their own heights
            return None

    def planned_places(self, ground: Ground) -> np.ndarray:
        """East, north, up of the plan's photos, shape (n, 3)."""
        planned = self.planned(ground)
        return np.zeros((0, 3)) if planned is None else planned.places_m

    def placed(self, ground: Ground, camera: Camera) -> PlacedPhotos:
        """The photos that came, where they were taken; `camera` for those that do not say theirs."""
        planned = self.planned(ground)
        by = None
        if planned is not None:
            by = PlannedBy(planned, self.plan_camera, planned_height_m(planned, ground))
        shifts = self.goal.shifts_m if self.goal else None
        return place_photos(
            self.taken.photos(camera),
            ground.terrain,
            by,
            has_datum=ground.has_datum,
            known_shifts=shifts,
        )


def planned_height_m(planned: PlannedShots | None, ground: Ground) -> float:
    """How high above ground a mission's photos are taken; NaN when it has none."""
    if planned is None or not len(planned.places_m):
        return float("nan")
    places = planned.places_m
    above = places[:, 2] - ground.terrain.at(places[:, 0], places[:, 1])
    return float(np.median(above[np.isfinite(above)])) if np.isfinite(above).any() else float("nan")


def _ring(places: Sequence[GeoPoint]) -> Polygon:
    return shapely.make_valid(Polygon([(p.lon_deg, p.lat_deg) for p in places]))


def _flight(name: str, workspace: Workspace | None) -> FlightShots:
    """The camera events of a flight of the mission folder, a folder or a log; and its plan's camera."""
    from missionctl.services.flying import camera_events_of

    inside = workspace.path / "flights" / name if workspace else None
    folder = inside if inside and inside.exists() else Path(name)
    return FlightShots(camera_events_of(folder), _camera_of_flight(folder.name, workspace))


def _camera_of_flight(flight_id: str, workspace: Workspace | None) -> Camera | None:
    """The camera of the plan that a flight of the mission folder was flown by."""
    if workspace is None:
        return None
    rows = [f.values for f in workspace.features("flights") if f.values["flight_id"] == flight_id]
    for row in rows:
        stem = Path(row["plan"] or "").stem
        for plan in (f.values for f in workspace.features("plans")):
            file = workspace.path / (plan["file"] or "")
            if file.stem == stem or stem.startswith(f"{file.stem}-"):
                try:
                    return camera_of_plan(file)
                except MissionError:
                    return None  # moved or replaced since: the photos will say it, or the plan resumed
    return None
