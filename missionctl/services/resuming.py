"""What is still to fly, from the photos and the camera messages that really came: the missing shots of the
same mission, or a survey of the ground that they do not show yet, for whatever drone is there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely
from shapely import Polygon

from missionctl.jsontext import to_json
from missionctl.services.planning import camera_of_plan, choose_camera, keep_camera, terrain_around
from missionctl.services.taken_photos import FlightShots, Taken, read_taken
from missionctl.workspace import Workspace, find_workspace
from plans.cameras import Camera
from plans.capacity import item_capacity
from plans.coverage import Coverage
from plans.energy import Battery, Wind
from plans.errors import CameraError, MissionError, PlanFileError, SurveyError, ZoneError
from plans.formats import read_mission, write_mission, write_plan
from plans.formats.qgc_plan import read_goal, read_walls
from plans.formats.survey_goal import SurveyGoal, goal_of
from plans.frames import GeoPoint, LocalFrame, Pose
from plans.mission import Command, Mission
from plans.mission_shots import PlannedShots, mission_poses, planned_shots
from plans.mission_use import FlightLimits
from plans.resume import Remaining, remaining_mission
from plans.resume_cover import CoverageRest, Ground, Team, count_taken, plan_uncovered
from plans.survey import SurveyPlan, SurveySettings
from plans.taken import PlacedPhotos, PlannedBy, place_photos
from plans.terrain import flat_terrain
from plans.zones import Zone, read_zones

Mode = Literal["auto", "shots", "coverage"]
_USUAL = SurveySettings()
_ANY_AUTOPILOT = "any"


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


def plan_rest(request: ResumeRequest) -> dict[str, Any]:
    """Plan what the photos that came do not show yet, write and record it; `file` is None when nothing is
    left. Raises a MissionError when it cannot be planned."""
    resume = _Resume.read(request)
    by = resume.given
    if request.mode == "shots" and request.of_another_survey:
        raise SurveyError(
            f"{', '.join(request.of_another_survey)}: the missing shots of a mission are flown as they were "
            "planned; leave --mode shots out to plan for another drone"
        )
    if request.mode == "shots" or (request.mode == "auto" and not by):
        why = "as asked" if request.mode == "shots" else "the same drone flies the shots that are missing"
        return resume.shots(why)
    why = f"{', '.join(by)} given" if by else "as asked"
    return resume.coverage(f"{why}: the ground that the photos do not show is planned anew")


@dataclass(frozen=True)
class _Resume:
    """The inputs as they were read."""

    request: ResumeRequest
    workspace: Workspace | None
    mission: Mission
    goal: SurveyGoal | None
    plan_camera: Camera | None
    taken: Taken

    @classmethod
    def read(cls, request: ResumeRequest) -> _Resume:
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
    def given(self) -> list[str]:
        """The options that ask for a survey of its own."""
        more = ["--endurance"] if self.request.endurance_s is not None else []
        more += ["--wind"] if self.request.wind is not None else []
        return [*self.request.of_another_survey, *more]

    # -- the missing shots ---------------------------------------------------------------------------------

    def shots(self, why: str) -> dict[str, Any]:
        request = self.request
        walls = read_walls(request.plan) if request.plan.suffix.lower() == ".plan" else ()
        rest = remaining_mission(
            self.mission, self.taken.places(), walls=walls, limits=self._limits(request.endurance_s)
        )
        result = self._result("shots", why, self._notes())
        result |= {
            "photos_planned": rest.shots_planned,
            "photos_taken": rest.shots_taken,
            "photos_to_take": rest.shots_planned - rest.shots_taken,
            "coverage": self._coverage_of(rest),
        }
        if rest.mission is None:
            return result
        files = [write_mission(rest.mission, request.out, self.plan_camera, walls, self.goal)]
        if len(rest.flights) > 1:
            for number, flight in enumerate(rest.flights, 1):
                one = request.out.with_name(f"{request.out.stem}-{number}{request.out.suffix}")
                files.append(write_mission(flight, one, self.plan_camera, walls, self.goal))
        result |= {
            "file": str(request.out),
            "files": [str(file) for file in files],
            "items": len(rest.mission.items),
            "flights": len(rest.flights),
        }
        self._log(result)
        return result

    def _limits(self, endurance_s: float | None) -> FlightLimits:
        if endurance_s is not None and not (math.isfinite(endurance_s) and endurance_s > 0):
            raise SurveyError(f"endurance of {endurance_s / 60:g} min cannot be flown; give a number above 0")
        battery = None if endurance_s is None else Battery(endurance_s)
        return FlightLimits(battery, self._item_limit(), wind=self.request.wind or Wind())

    def _item_limit(self) -> int | None:
        """The most items of a mission without home. Plan files are for ArduPilot unless said otherwise."""
        name = (self.request.autopilot or "ardupilot").strip().lower()
        if name == _ANY_AUTOPILOT:
            return None
        return item_capacity(name) - (1 if name == "ardupilot" else 0)

    def _coverage_of(self, rest: Remaining) -> dict[str, Any] | None:
        """How much of the zone is seen now and will be, where the plan tells its zone and its camera."""
        if self.goal is None or self.plan_camera is None:
            return None
        try:
            ground = self._ground(self.goal.zones)
            placed = self._placed(ground, self.plan_camera)
            after: dict[Camera, list[Pose]] = {c: list(poses) for c, poses in placed.poses.items()}
            if rest.mission is not None:
                later = mission_poses(rest.mission, ground.terrain)
                after.setdefault(self.plan_camera, []).extend(later)
            height = self.plan_camera.height_for_gsd_m(self.goal.gsd_m)
            seen = [
                count_taken(self.goal.zones, photos, self.plan_camera, height, ground, self._no_fly())
                for photos in (placed.poses, after)
            ]
        except MissionError:  # the shots can be flown all the same; only their share is not known
            return None
        views = self.goal.views
        return _coverage_json(views, seen[0], seen[0].share(views), seen[1].share(views))

    # -- the ground that is not seen -----------------------------------------------------------------------

    def coverage(self, why: str) -> dict[str, Any]:
        request, zones = self.request, self._zones()
        fallback = camera = self._camera()
        if request.photo_camera:
            fallback = choose_camera(request.photo_camera, None, self.workspace)
        elif self.plan_camera is not None:
            fallback = self.plan_camera
        ground = self._ground(zones)
        placed = self._placed(ground, fallback)
        no_fly = self._no_fly()
        rest = plan_uncovered(
            zones,
            placed.poses,
            Team(camera, self._launches(), 1 if request.drones is None else request.drones),
            self._settings(ground),
            ground,
            no_fly=no_fly,
            barred=self._barred(no_fly, ground.frame),
        )
        result = self._result("coverage", why, [*self._notes(placed), *rest.notes])
        result |= {
            "photos_planned": len(self._shots(ground)),
            "photos_taken": placed.count,
            "photos_to_take": len(rest.plan.shots) if rest.plan else 0,
            "camera": camera.name,
            "coverage": _coverage_json(rest.views, rest.before, rest.share_before, rest.share_after, rest),
        }
        if rest.plan is None:
            return result
        shifts = {**(self.goal.shifts_m if self.goal else {}), **placed.shifts_m}
        goal = replace(goal_of(rest.plan, zones), views=rest.views, shifts_m=shifts)
        files = write_plan(rest.plan, request.out, goal=goal)
        report = rest.plan.report()
        result |= {
            "file": str(files[0]),
            "files": [str(file) for file in files],
            "items": sum(len(sortie.mission.items) for sortie in rest.plan.sorties),
            "flights": len(rest.plan.sorties),
            "sorties": report["sorties"],
            "duration_s": report["duration_s"],
            "min_clearance_m": report["min_clearance_m"],
        }
        self._record(rest.plan, camera, files, report)
        self._log(result)
        return result

    def _zones(self) -> tuple[Zone, ...]:
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

    def _camera(self) -> Camera:
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

    def _settings(self, ground: Ground) -> SurveySettings:
        request, goal = self.request, self.goal
        changed = request.overlap is not None or request.sidelap is not None
        views = request.min_views
        if views is None and goal is not None and not changed:
            views = goal.views
        gsd = request.gsd_m
        if gsd is None and request.height_agl_m is None:
            gsd = self._gsd_m(ground)
        return SurveySettings(
            gsd_m=gsd,
            height_agl_m=request.height_agl_m,
            overlap=_given(request.overlap, goal.overlap if goal else _USUAL.overlap),
            sidelap=_given(request.sidelap, goal.sidelap if goal else _USUAL.sidelap),
            clearance_m=_given(request.clearance_m, goal.clearance_m if goal else _USUAL.clearance_m),
            speed_mps=request.speed_mps,
            wind=request.wind or Wind(),
            endurance_s=_given(request.endurance_s, goal.endurance_s if goal else _USUAL.endurance_s),
            item_limit=self._item_limit(),
            min_views=views,
            min_share=goal.min_share if goal else _USUAL.min_share,
            no_fly_margin_m=goal.no_fly_margin_m if goal else _USUAL.no_fly_margin_m,
            hole_margin_m=goal.hole_margin_m if goal else _USUAL.hole_margin_m,
        )

    def _gsd_m(self, ground: Ground) -> float | None:
        """What the plan had: its own word, else by its camera and how high it flew."""
        if self.goal is not None:
            return self.goal.gsd_m
        height = _height_m(self._planned(ground), ground)
        return None if self.plan_camera is None or not height > 1.0 else self.plan_camera.gsd_m(height)

    def _launches(self) -> tuple[GeoPoint, ...]:
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

    def _no_fly(self) -> tuple[Zone, ...]:
        """The areas given, and those that the plan's fence keeps out of."""
        given = read_zones(self.request.no_fly) if self.request.no_fly else ()
        fence = [ring for ring in self.mission.fence_exclusion if len(ring) > 2]
        return (*given, *(Zone("fence", _ring(ring)) for ring in fence))

    def _barred(self, no_fly: Sequence[Zone], frame: LocalFrame) -> tuple[Zone, ...]:
        """Walls of a plan that does not say its zone: those around no-fly areas are known anyway."""
        if self.goal is not None or self.request.plan.suffix.lower() != ".plan":
            return ()
        known = shapely.union_all([frame.geometry_to_local(z.polygon) for z in no_fly] or [Polygon()])
        walls = [_ring(wall) for wall in read_walls(self.request.plan) if len(wall) > 2]
        return tuple(
            Zone("wall", wall) for wall in walls if not frame.geometry_to_local(wall).intersects(known)
        )

    # -- both ----------------------------------------------------------------------------------------------

    def _ground(self, zones: Sequence[Zone]) -> Ground:
        dem = self.request.dem or (self.workspace.input("dem") if self.workspace else None)
        if dem is not None:
            return Ground(terrain_around(dem, zones, self._launches()))
        west, south, east, north = shapely.total_bounds([zone.polygon for zone in zones])
        frame = LocalFrame.around([GeoPoint(south, west), GeoPoint(north, east)])
        level = self._launches()[0].alt_amsl_m if self._launches() else None
        level = self.mission.home.alt_amsl_m if level is None and self.mission.home else level
        return Ground(flat_terrain(frame, level or 0.0, (-2e5, -2e5, 2e5, 2e5)), level is not None)

    def _planned(self, ground: Ground) -> PlannedShots | None:
        try:
            return planned_shots(self.mission, ground.terrain)
        except PlanFileError:  # no ground under its launch point: photos are placed by their own heights
            return None

    def _shots(self, ground: Ground) -> np.ndarray:
        planned = self._planned(ground)
        return np.zeros((0, 3)) if planned is None else planned.places_m

    def _placed(self, ground: Ground, camera: Camera) -> PlacedPhotos:
        planned = self._planned(ground)
        by = None
        if planned is not None:
            by = PlannedBy(planned, self.plan_camera, _height_m(planned, ground))
        shifts = self.goal.shifts_m if self.goal else None
        return place_photos(
            self.taken.photos(camera),
            ground.terrain,
            by,
            has_datum=ground.has_datum,
            known_shifts=shifts,
        )

    def _notes(self, placed: PlacedPhotos | None = None) -> list[str]:
        taken = self.taken
        notes = [] if taken.shots else ["no photo came: the whole is planned"]
        counts = {
            "files are broken and do not count": len(taken.broken),
            "photos do not say where they were taken and do not count": taken.without_position,
            "files repeat a photo and do not count": taken.repeated,
            "camera events say that no photo was taken": taken.failed,
            "photos look too far to the side and do not count": placed.oblique if placed else 0,
            "photos do not say how high they were taken and do not count": placed.without_height
            if placed
            else 0,
        }
        notes += [f"{count} {what}" for what, count in counts.items() if count]
        for name, shift in (placed.shifts_m if placed else {}).items():
            if abs(shift) >= 5.0:
                way = "above" if shift > 0 else "below"
                notes.append(f"heights of {name} are {abs(shift):.0f} m {way} the DEM's and were shifted")
        return notes

    def _result(self, mode: str, why: str, notes: Sequence[str]) -> dict[str, Any]:
        return {
            "file": None,
            "files": [],
            "mode": mode,
            "why": why,
            "items": 0,
            "flights": 0,
            "photos": self.taken.report(),
            "notes": list(notes),
        }

    def _record(self, plan: SurveyPlan, camera: Camera, files: Sequence[Path], report: Any) -> None:
        if self.workspace is None:
            return
        keep_camera(self.workspace, camera)
        lines = plan.frame.geometry_to_geo(
            shapely.MultiLineString([shapely.force_2d(leg.line) for s in plan.sorties for leg in s.legs])
        )
        root, file = self.workspace.path.resolve(), files[0].resolve()
        place = file.relative_to(root).as_posix() if file.is_relative_to(root) else str(files[0])
        row = {"name": files[0].stem, "file": place, "camera": camera.name, "report_json": to_json(report)}
        self.workspace.add("plans", [(lines, row)])

    def _log(self, result: dict[str, Any]) -> None:
        if self.workspace is not None:
            told = ("file", "mode", "why", "photos_planned", "photos_taken", "photos_to_take", "items")
            detail = {key: result[key] for key in told}
            self.workspace.log(
                "rest planned", plan=self.request.out.name, of=self.request.plan.name, **detail
            )


def _coverage_json(
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


def _height_m(planned: PlannedShots | None, ground: Ground) -> float:
    """How high above ground a mission's photos are taken; NaN when it has none."""
    if planned is None or not len(planned.places_m):
        return float("nan")
    places = planned.places_m
    above = places[:, 2] - ground.terrain.at(places[:, 0], places[:, 1])
    return float(np.median(above[np.isfinite(above)])) if np.isfinite(above).any() else float("nan")


def _given(value: float | None, usual: float) -> float:
    return usual if value is None else value


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
