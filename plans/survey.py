"""The survey planner: zones, camera, terrain and wind in; lanes, sorties, missions and their proof out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from shapely import Geometry, MultiPolygon, Polygon
from shapely import ops as shapely_ops

from plans.cameras import Camera
from plans.coverage import Coverage, cell_size_m, count_photos
from plans.energy import Airframe, Wind, path_time_s, stop_to_stop_s
from plans.errors import SurveyError, ZoneError
from plans.flights import FlightRules, Shot, Sortie, build_sortie
from plans.follow import FollowLimits
from plans.frames import FloatArray, GeoPoint, LocalFrame
from plans.lanes import Lane, candidate_angles, corridor_lanes, sweep_lanes
from plans.mission import Mission
from plans.obstacles import Obstacles, make_obstacles
from plans.route import order_lanes
from plans.sorties import LaneCosts, SortieCut, share_among, split_for_drones, too_small
from plans.terrain import Terrain, flat_terrain, require_cover
from plans.zones import Corridor, Zone


@dataclass(frozen=True)
class SurveySettings:
    """What the pilot asks for. Overlaps are shares (0.8), angles clockwise from north, None means automatic.

    Give `gsd_m` or `height_agl_m`, not both; with neither the GSD is 3 cm. `speed_mps` is lowered where the
    camera's cycle or motion blur (more than `blur_px` within an exposure) asks for it.
    """

    gsd_m: float | None = None
    height_agl_m: float | None = None
    overlap: float = 0.80
    sidelap: float = 0.70
    clearance_m: float = 20.0
    speed_mps: float | None = None
    wind: Wind = field(default_factory=Wind)
    angle_deg: float | None = None
    endurance_s: float = 25 * 60.0
    crosshatch: bool = False
    corridor_width_m: float | None = None
    min_views: int = 3
    no_fly_margin_m: float = 10.0
    hole_margin_m: float = 2.0
    blur_px: float = 1.0
    gimbal_pitch_deg: float | None = None
    airframe: Airframe = field(default_factory=Airframe)


@dataclass(frozen=True)
class SurveyPlan:
    """A whole survey. Geometry is in local metres of `frame`; heights are AMSL (above the first launch point
    where no terrain and no launch height is known: `has_datum` is then False)."""

    frame: LocalFrame
    camera: Camera
    settings: SurveySettings
    region: Polygon | MultiPolygon
    obstacles: Obstacles
    no_fly: tuple[Polygon, ...]
    height_agl_m: float
    speed_mps: float
    trigger_m: float
    spacing_m: float
    angle_deg: float
    has_datum: bool
    lanes: tuple[Lane, ...]
    sorties: tuple[Sortie, ...]
    coverage: Coverage
    notes: tuple[str, ...] = ()

    @property
    def shots(self) -> tuple[Shot, ...]:
        """Every planned photo in the order of the sorties."""
        return tuple(shot for sortie in self.sorties for shot in sortie.shots)

    @property
    def missions(self) -> tuple[Mission, ...]:
        """The mission of every sortie."""
        return tuple(sortie.mission for sortie in self.sorties)

    @property
    def min_clearance_m(self) -> float:
        """The least height of any segment of lane or transit above the terrain."""
        return min(sortie.min_clearance_m for sortie in self.sorties)

    def report(self) -> dict[str, Any]:
        """The figures of the plan under the keys of `missionctl plan --report`."""
        gsd_cm = np.array([shot.gsd_m for shot in self.shots]) * 100
        return {
            "lanes": len(self.lanes),
            "photos": len(self.shots),
            "length_m": round(sum(s.length_m for s in self.sorties), 1),
            "duration_s": round(sum(s.duration_s for s in self.sorties), 1),
            "sorties": [_sortie_report(s) for s in self.sorties],
            "coverage": {
                "k": self.settings.min_views,
                "share": round(self.coverage.share(self.settings.min_views), 5),
            },
            "min_clearance_m": round(self.min_clearance_m, 2),
            "gsd_cm": {
                "min": round(float(gsd_cm.min()), 3),
                "mean": round(float(gsd_cm.mean()), 3),
                "max": round(float(gsd_cm.max()), 3),
            },
            "angle_deg": round(self.angle_deg, 2),
        }


def _sortie_report(sortie: Sortie) -> dict[str, Any]:
    return {
        "drone": sortie.drone + 1,
        "launch": [sortie.launch.lat_deg, sortie.launch.lon_deg],
        "lanes": len(sortie.lanes),
        "photos": len(sortie.shots),
        "items": len(sortie.mission.items),
        "length_m": round(sortie.length_m, 1),
        "duration_s": round(sortie.duration_s, 1),
    }


@dataclass(frozen=True)
class _Job:
    """The survey in local metres: what the steps of the planner hand on."""

    frame: LocalFrame
    camera: Camera
    settings: SurveySettings
    region: Polygon | MultiPolygon
    lines: tuple[shapely.LineString, ...]
    no_fly: tuple[Polygon, ...]
    obstacles: Obstacles
    terrain: Terrain
    launches: tuple[GeoPoint, ...]
    height_m: float
    speed_mps: float
    trigger_m: float
    spacing_m: float

    @property
    def launches_m(self) -> FloatArray:
        """East, north of the launch points, shape (k, 2)."""
        e, n = self.frame.to_local([p.lat_deg for p in self.launches], [p.lon_deg for p in self.launches])
        return np.column_stack([e, n])


def plan_survey(
    zones: Sequence[Zone] | Sequence[Corridor],
    camera: Camera,
    settings: SurveySettings,
    *,
    terrain: Terrain | None = None,
    no_fly: Sequence[Zone] = (),
    launches: Sequence[GeoPoint] = (),
    drones: int = 1,
) -> SurveyPlan:
    """Plan a survey of zones (or, with settings.corridor_width_m, along corridors). Pure and deterministic.

    The plan's frame is the terrain's, or one centred on the zones. Without terrain the ground is level at the
    first launch point's height. Raises SurveyError, ZoneError or TerrainError when nothing can be flown.
    """
    notes: list[str] = []
    _check_settings(settings, drones)
    job = _prepare(zones, camera, settings, terrain, no_fly, launches, notes)
    lanes, angle = _lay_lanes(job)
    if not lanes:
        raise SurveyError("the no-fly areas and their margin leave nothing of the zone to photograph")
    sorties, lanes = _fly(job, lanes, drones)
    poses = [shot.pose for sortie in sorties for shot in sortie.shots]
    seen = shapely.difference(job.region, MultiPolygon(job.no_fly)) if job.no_fly else job.region
    coverage = count_photos(seen, poses, camera, job.terrain, cell_size_m(camera, job.height_m, seen))
    return SurveyPlan(
        frame=job.frame,
        camera=camera,
        settings=settings,
        region=job.region,
        obstacles=job.obstacles,
        no_fly=job.no_fly,
        height_agl_m=job.height_m,
        speed_mps=job.speed_mps,
        trigger_m=job.trigger_m,
        spacing_m=job.spacing_m,
        angle_deg=angle,
        has_datum=terrain is not None or job.launches[0].alt_amsl_m is not None,
        lanes=tuple(lanes),
        sorties=tuple(sorties),
        coverage=coverage,
        notes=tuple(notes),
    )


def _check_settings(s: SurveySettings, drones: int) -> None:
    for name, value in (("overlap", s.overlap), ("sidelap", s.sidelap)):
        if not 0.0 <= value < 1.0:
            raise SurveyError(f"{name} of {value:.0%} cannot be flown; give 0 % to 95 %")
        if value > 0.95:
            raise SurveyError(
                f"{name} of {value:.1%} would take a photo every few centimetres; give at most 95 %"
            )
    if s.gsd_m is not None and s.height_agl_m is not None:
        raise SurveyError("GSD and height exclude each other: give one of them")
    positive = {
        "GSD": s.gsd_m,
        "height": s.height_agl_m,
        "speed": s.speed_mps,
        "endurance": s.endurance_s,
        "corridor width": s.corridor_width_m,
        "clearance": s.clearance_m,
    }
    for name, given in positive.items():
        if given is not None and not (math.isfinite(given) and given > 0):
            raise SurveyError(f"{name} of {given:g} cannot be flown; give a number above 0")
    if s.angle_deg is not None and not math.isfinite(s.angle_deg):
        raise SurveyError("the lane angle must be a number of degrees, or auto")
    if drones < 1:
        raise SurveyError(f"{drones} drones cannot fly; give 1 or more")


def _prepare(
    zones: Sequence[Zone] | Sequence[Corridor],
    camera: Camera,
    settings: SurveySettings,
    terrain: Terrain | None,
    no_fly: Sequence[Zone],
    launches: Sequence[GeoPoint],
    notes: list[str],
) -> _Job:
    geometries = [z.polygon if isinstance(z, Zone) else z.line for z in zones]
    if not geometries:
        raise ZoneError("no zone to plan; give one or more polygons")
    frame = terrain.frame if terrain is not None else _frame_around(geometries)
    height = settings.height_agl_m or camera.height_for_gsd_m(settings.gsd_m or 0.03)
    if height < settings.clearance_m:
        raise SurveyError(
            f"height of {height:.1f} m above ground is under the clearance of {settings.clearance_m:g} m; "
            "fly higher (coarser GSD) or ask for less clearance"
        )
    width, length = camera.footprint_m(height)
    region, lines = _region(zones, frame, settings)
    forbidden = [p for z in no_fly for p in shapely.get_parts(frame.geometry_to_local(z.polygon))]
    obstacles = _obstacles(region, forbidden, frame, launches, settings, notes)
    launches = tuple(launches) or (_default_launch(region, obstacles, frame, notes),)
    _check_launches(launches, obstacles, frame)
    if terrain is None:
        terrain = flat_terrain(frame, launches[0].alt_amsl_m or 0.0, _wide_bounds(region))
    else:
        require_cover(terrain, region, "the zone")
    speed = _speed_mps(camera, settings, height, length * (1 - settings.overlap), notes)
    return _Job(
        frame=frame,
        camera=camera,
        settings=settings,
        region=region,
        lines=lines,
        no_fly=tuple(forbidden),
        obstacles=obstacles,
        terrain=terrain,
        launches=launches,
        height_m=height,
        speed_mps=speed,
        trigger_m=length * (1 - settings.overlap),
        spacing_m=width * (1 - settings.sidelap),
    )


def _frame_around(geometries: Sequence[Geometry]) -> LocalFrame:
    west, south, east, north = shapely.total_bounds(geometries)
    return LocalFrame.around([GeoPoint(south, west), GeoPoint(north, east)])


def _wide_bounds(region: Geometry) -> tuple[float, float, float, float]:
    west, south, east, north = region.bounds
    return west - 1e5, south - 1e5, east + 1e5, north + 1e5


def _region(
    zones: Sequence[Zone] | Sequence[Corridor], frame: LocalFrame, settings: SurveySettings
) -> tuple[Polygon | MultiPolygon, tuple[shapely.LineString, ...]]:
    """What is to be photographed, and the lines to follow when it is a corridor."""
    width = settings.corridor_width_m
    if width is None:
        if not all(isinstance(z, Zone) for z in zones):
            raise SurveyError("a line is no zone; give the corridor's width to survey along it")
        polygons = [frame.geometry_to_local(z.polygon) for z in zones if isinstance(z, Zone)]
        return shapely.union_all(polygons) if len(polygons) > 1 else polygons[0], ()
    if not all(isinstance(z, Corridor) for z in zones):
        raise SurveyError(
            "a corridor survey follows lines; this zone is a polygon, plan it without a corridor width"
        )
    lines = tuple(frame.geometry_to_local(z.line) for z in zones if isinstance(z, Corridor))
    return shapely.union_all([line.buffer(width / 2, cap_style="flat") for line in lines]), lines


def _obstacles(
    region: Polygon | MultiPolygon,
    forbidden: Sequence[Polygon],
    frame: LocalFrame,
    launches: Sequence[GeoPoint],
    settings: SurveySettings,
    notes: list[str],
) -> Obstacles:
    """Walls around no-fly areas, and around the zone's holes unless a zone or a launch point lies inside."""
    holes = [Polygon(ring) for part in shapely.get_parts(region) for ring in part.interiors]
    inner = [part.representative_point() for part in shapely.get_parts(region)]
    inner += [shapely.Point(*(float(v) for v in frame.to_local(p.lat_deg, p.lon_deg))) for p in launches]
    closed = [hole for hole in holes if not any(hole.contains(point) for point in inner)]
    if len(closed) < len(holes):
        notes.append(
            f"{len(holes) - len(closed)} of {len(holes)} holes may be flown over: "
            "there is a zone or launch point inside"
        )
    walls = [*make_obstacles(closed, settings.hole_margin_m).walls]
    walls += make_obstacles(forbidden, settings.no_fly_margin_m).walls
    return make_obstacles(walls, 0.0) if walls else Obstacles()


def _default_launch(
    region: Polygon | MultiPolygon, obstacles: Obstacles, frame: LocalFrame, notes: list[str]
) -> GeoPoint:
    """The place on the zone's outer edge nearest its middle that is free of obstacles."""
    edge = shapely.union_all([part.exterior for part in shapely.get_parts(region)])
    if obstacles.walls:
        free = shapely.difference(edge, obstacles.area)
        edge = edge if free.is_empty else free
    place = shapely_ops.nearest_points(edge, region.centroid)[0]
    lat, lon = frame.to_geo(place.x, place.y)
    notes.append(
        f"no launch point given; planned from lat {float(lat):.6f}, lon {float(lon):.6f} on the zone's edge"
    )
    return GeoPoint(float(lat), float(lon))


def _check_launches(launches: Sequence[GeoPoint], obstacles: Obstacles, frame: LocalFrame) -> None:
    for launch in launches:
        e, n = frame.to_local(launch.lat_deg, launch.lon_deg)
        if not (np.isfinite(e) and np.isfinite(n)) or np.hypot(e, n) > 200_000:
            raise SurveyError(
                f"launch point {launch.lat_deg:g},{launch.lon_deg:g} is not near the zone; "
                "give LAT,LON in degrees"
            )
        if obstacles.holds(np.array([float(e), float(n)])) is not None:
            raise SurveyError(
                f"launch point {launch.lat_deg:.6f},{launch.lon_deg:.6f} stands in a no-fly "
                "area or its margin"
            )


def _speed_mps(
    camera: Camera, settings: SurveySettings, height_m: float, trigger_m: float, notes: list[str]
) -> float:
    """The ground speed: what is asked for (10 m/s else), capped by the camera's cycle and motion blur."""
    asked = settings.speed_mps or min(10.0, settings.airframe.max_airspeed_mps)
    cycle = trigger_m / camera.min_trigger_interval_s if camera.min_trigger_interval_s > 0 else math.inf
    blur = settings.blur_px * camera.gsd_m(height_m) / camera.exposure_s
    speed = min(asked, cycle, blur)
    if speed < 1.0:
        raise SurveyError(
            f"{camera.name} cannot keep up: {settings.overlap:.0%} overlap at {height_m:.0f} m needs "
            f"{speed:.2f} m/s or less; fly higher or ask for less overlap"
        )
    if speed < asked:
        why = "its cycle" if cycle <= blur else "motion blur"
        notes.append(f"speed lowered from {asked:.1f} to {speed:.1f} m/s for {camera.name} ({why})")
        speed = math.floor(speed * 100) / 100
    return speed


def _lay_lanes(job: _Job) -> tuple[list[Lane], float]:
    """All lanes, unordered, and the angle of the largest part (degrees, [0, 180))."""
    blocked = job.obstacles.area if job.obstacles.walls else None
    if job.lines:
        lanes = [
            lane
            for line in job.lines
            for lane in corridor_lanes(line, job.settings.corridor_width_m or 0.0, job.spacing_m, blocked)
        ]
        longest = max(job.lines, key=lambda line: line.length)
        (e0, n0), (e1, n1) = longest.coords[0], longest.coords[-1]
        return lanes, math.degrees(math.atan2(e1 - e0, n1 - n0)) % 180.0
    parts = sorted(shapely.get_parts(job.region).tolist(), key=lambda part: -part.area)
    lanes, largest = [], 0.0
    for number, part in enumerate(parts):
        angle = job.settings.angle_deg
        angle = _best_angle(part, job) if angle is None else angle % 180.0
        for turned in (0.0, 90.0)[: 2 if job.settings.crosshatch else 1]:
            lanes += sweep_lanes(part, blocked, job.spacing_m, angle + turned)
        largest = angle if number == 0 else largest
    return lanes, largest


def _best_angle(part: Polygon, job: _Job) -> float:
    """The sweep angle with the least flight time: lanes, transits around obstacles, turns, wind."""
    wind = job.settings.wind
    across = [wind.from_deg % 180.0, (wind.from_deg + 90.0) % 180.0] if wind.speed_mps > 0 else []
    small = part.area < 4 * math.prod(job.camera.footprint_m(job.height_m))
    blocked = job.obstacles.area if job.obstacles.walls else None
    best, least = 0.0, math.inf
    for angle in candidate_angles(part, across, keep=3 if small else 8):
        lanes = sweep_lanes(part, blocked, job.spacing_m, angle)
        if not lanes:
            continue
        ordered = order_lanes(lanes, job.launches_m, lambda p: _straight_s(p, job))
        seconds = _tour_s(ordered, job)
        if seconds < least - 1e-6:
            best, least = angle, seconds
    return best


def _straight_s(points_m: FloatArray, job: _Job) -> FloatArray:
    e, n = points_m[:, 0], points_m[:, 1]
    return _leg_s(np.hypot(e[:, None] - e[None, :], n[:, None] - n[None, :]), job)


def _around_s(points_m: FloatArray, job: _Job) -> FloatArray:
    return _leg_s(job.obstacles.distances(points_m), job)


def _leg_s(lengths_m: FloatArray, job: _Job) -> FloatArray:
    return stop_to_stop_s(lengths_m, job.speed_mps, job.settings.airframe.acceleration_mps2)


def _path_s(points_m: FloatArray, job: _Job) -> float:
    flat = np.column_stack([points_m[:, :2], np.zeros(len(points_m))])
    return path_time_s(flat, job.speed_mps, job.settings.airframe, job.settings.wind)


def _tour_s(lanes: Sequence[Lane], job: _Job) -> float:
    starts = np.array([lane.start_m for lane in lanes])
    ends = np.array([lane.end_m for lane in lanes])
    ways = [
        job.obstacles.path(a, b) if hit else np.stack([a, b])
        for a, b, hit in zip(ends[:-1], starts[1:], job.obstacles.crosses(ends[:-1], starts[1:]), strict=True)
    ]
    return sum(_path_s(lane.points_m, job) for lane in lanes) + sum(_path_s(way, job) for way in ways)


def _fly(job: _Job, lanes: list[Lane], drones: int) -> tuple[list[Sortie], list[Lane]]:
    """Sorties over the lanes in a good order, each within the endurance as flown over the terrain."""
    ordered = order_lanes(lanes, job.launches_m, lambda p: _around_s(p, job))
    limit = job.settings.endurance_s
    for _ in range(12):
        costs = _lane_costs(ordered, job)
        cuts = split_for_drones(costs, limit, drones)
        if cuts is None:
            ordered = _halve_long_lanes(ordered, costs, limit, job)
            continue
        sorties = _build(job, ordered, cuts, drones)
        longest = max(sortie.duration_s for sortie in sorties)
        if longest <= job.settings.endurance_s:
            return sorties, ordered
        limit *= 0.99 * job.settings.endurance_s / longest  # climbs that the level estimate did not know
    raise too_small(_lane_costs(ordered, job), job.settings.endurance_s)


def _lane_costs(lanes: Sequence[Lane], job: _Job) -> LaneCosts:
    frame = job.settings.airframe
    up, down = job.height_m / frame.climb_mps, job.height_m / frame.descent_mps + 5.0
    between = [_path_s(job.obstacles.path(a.end_m, b.start_m), job) for a, b in itertools.pairwise(lanes)]
    out = [[up + _path_s(job.obstacles.path(p, lane.start_m), job) for lane in lanes] for p in job.launches_m]
    home = [
        [down + _path_s(job.obstacles.path(lane.end_m, p), job) for lane in lanes] for p in job.launches_m
    ]
    return LaneCosts(
        np.array([_path_s(lane.points_m, job) for lane in lanes]),
        np.array(between),
        np.array(out),
        np.array(home),
    )


def _halve_long_lanes(lanes: Sequence[Lane], costs: LaneCosts, limit_s: float, job: _Job) -> list[Lane]:
    """Lanes that do not fit a sortie alone, cut in two. Raises SurveyError where that cannot help."""
    away = (costs.out_s + costs.home_s).min(axis=0)
    cut: list[Lane] = []
    for lane, own, extra in zip(lanes, costs.lanes_s, away, strict=True):
        if own + extra <= limit_s:
            cut.append(lane)
            continue
        if extra >= limit_s or lane.length_m < 4 * job.trigger_m:
            raise too_small(costs, job.settings.endurance_s)
        middle = lane.length_m / 2
        cut.append(Lane(shapely_ops.substring(lane.line, 0.0, middle), lane.rank))
        cut.append(Lane(shapely_ops.substring(lane.line, middle, lane.length_m), lane.rank))
    return cut


def _build(job: _Job, lanes: Sequence[Lane], cuts: Sequence[SortieCut], drones: int) -> list[Sortie]:
    rules = _rules(job)
    owner = share_among([cut.seconds for cut in cuts], drones)
    sorties: list[Sortie] = []
    shots = 0
    for index, (cut, drone) in enumerate(zip(cuts, owner, strict=True)):
        numbered = [(i, lanes[i]) for i in range(cut.first, cut.last + 1)]
        sorties.append(build_sortie(index, drone, job.launches[cut.launch], numbered, shots, rules))
        shots += len(sorties[-1].shots)
    return sorties


def _rules(job: _Job) -> FlightRules:
    frame = job.settings.airframe
    # On steep ground a leg is flown slower, down to this, before the path is lifted off the ground.
    slowest = 0.5 * job.speed_mps
    limits = FollowLimits(
        height_m=job.height_m,
        clearance_m=job.settings.clearance_m,
        tolerance_m=max(1.0, 0.05 * job.height_m),
        climb_slope=frame.climb_mps / slowest,
        descent_slope=frame.descent_mps / slowest,
    )
    fence = []
    for area in job.no_fly:
        lat, lon = job.frame.to_geo(*np.asarray(area.exterior.coords)[:-1].T)
        fence.append(tuple(GeoPoint(float(a), float(o)) for a, o in zip(lat, lon, strict=True)))
    return FlightRules(
        frame=job.frame,
        terrain=job.terrain,
        obstacles=job.obstacles,
        camera=job.camera,
        limits=limits,
        airframe=frame,
        wind=job.settings.wind,
        speed_mps=job.speed_mps,
        trigger_m=job.trigger_m,
        gimbal_pitch_deg=job.settings.gimbal_pitch_deg,
        fence_exclusion=tuple(fence),
    )
