"""The survey planner: zones, camera, terrain and wind in; lanes, sorties, missions and their proof out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon
from shapely import ops as shapely_ops

from plans.cameras import Camera
from plans.coverage import Coverage, cell_size_m, count_photos
from plans.energy import path_time_s, stop_to_stop_s, straight_times_s
from plans.errors import SurveyError
from plans.flights import FlightRules, Shot, Sortie, build_sortie
from plans.follow import FollowLimits
from plans.frames import FloatArray, GeoPoint, LocalFrame
from plans.lanes import Lane, candidate_angles, corridor_lanes, sweep_lanes
from plans.mission import Mission
from plans.obstacles import Obstacles
from plans.route import order_lanes
from plans.sorties import LaneCosts, SortieCut, share_among, split_for_drones, too_small
from plans.streamlines import StreamRules, stream_layouts
from plans.survey_job import SurveyJob, SurveySettings, check_settings, prepare_survey
from plans.terrain import Terrain
from plans.zones import Corridor, Zone

__all__ = ["SurveyPlan", "SurveySettings", "flight_rules", "plan_survey"]

_KICKS = 30
_MOST_EDGE_REACH = 0.75
"""How far outside the outermost bent lane the zone may reach, in spacings. At 1.0 more time is saved, but the
banks are seen by fewer photos than with straight lanes, which leave half a spacing."""
_WORTH_BENDING = 0.97  # straight lanes are simpler to check by eye; others must save a little


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
    check_settings(settings, drones)
    job = prepare_survey(zones, camera, settings, terrain, no_fly, launches, notes)
    lanes, angle = _lay_lanes(job, settings.follow_shape)
    if not lanes:
        raise SurveyError("the no-fly areas and their margin leave nothing of the zone to photograph")
    sorties, lanes = _fly(job, lanes, drones)
    if terrain is not None and not job.lines and any(len(lane.points_m) > 2 for lane in lanes):
        # Over relief a lane is flown at the speed of its steepest place, which tells against long ones.
        straight, its_angle = _lay_lanes(job, False)
        flown, straight = _fly(job, straight, drones)
        if sum(s.duration_s for s in flown) < sum(s.duration_s for s in sorties):
            sorties, lanes, angle = flown, straight, its_angle
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


def _lay_lanes(job: SurveyJob, follow_shape: bool) -> tuple[list[Lane], float]:
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
    laid = [_lay_part(part, blocked, job, follow_shape) for part in parts]
    return [lane for lanes, _ in laid for lane in lanes], laid[0][1]


def _lay_part(
    part: Polygon, blocked: MultiPolygon | None, job: SurveyJob, follow_shape: bool
) -> tuple[list[Lane], float]:
    """The lanes of one polygon and their angle (of the longest lane, where they follow its shape)."""
    asked = job.settings.angle_deg
    angle, seconds = _best_angle(part, blocked, job) if asked is None else (asked % 180.0, 0.0)
    if asked is None and follow_shape and not job.settings.crosshatch:
        layouts = stream_layouts(part, blocked, _stream_rules(job))
        timed = [(_flown_s(lanes, job, _KICKS // 3), number) for number, lanes in enumerate(layouts)]
        soonest, number = min(timed, default=(math.inf, 0))
        if soonest < _WORTH_BENDING * seconds:
            streams = layouts[number]
            longest = max(streams, key=lambda lane: lane.length_m)
            east, north = longest.end_m - longest.start_m
            return streams, math.degrees(math.atan2(east, north)) % 180.0
    turns = (0.0, 90.0) if job.settings.crosshatch else (0.0,)
    return [x for turn in turns for x in sweep_lanes(part, blocked, job.spacing_m, angle + turn)], angle


def _stream_rules(job: SurveyJob) -> StreamRules:
    acceleration = job.settings.airframe.acceleration_mps2
    width, _ = job.camera.footprint_m(job.height_m)
    # Enough photos of one lane alone show the edge; else it must lie in those of the second lane too.
    alone = job.settings.overlap < 1 and 1 / (1 - job.settings.overlap) >= job.settings.min_views + 1
    reach = 0.45 * width if alone else 0.5 * width - job.spacing_m
    turn_s = float(_leg_s(np.array(job.spacing_m), job)) + job.speed_mps / acceleration
    return StreamRules(
        spacing_m=job.spacing_m,
        reach_m=float(np.clip(reach, 0.5 * job.spacing_m, _MOST_EDGE_REACH * job.spacing_m)),
        turn_m=turn_s * job.speed_mps,
        radius_m=job.speed_mps**2 / acceleration,
    )


def _best_angle(part: Polygon, blocked: MultiPolygon | None, job: SurveyJob) -> tuple[float, float]:
    """The sweep angle with the least flight time, and that time: lanes, transits around obstacles, turns,
    wind."""
    wind = job.settings.wind
    across = [wind.from_deg % 180.0, (wind.from_deg + 90.0) % 180.0] if wind.speed_mps > 0 else []
    small = part.area < 4 * math.prod(job.camera.footprint_m(job.height_m))
    best, least = 0.0, math.inf
    for angle in candidate_angles(part, across, keep=3 if small else 8):
        lanes = sweep_lanes(part, blocked, job.spacing_m, angle)
        seconds = _flown_s(lanes, job) if lanes else math.inf
        if seconds < least - 1e-6:
            best, least = angle, seconds
    return best, least


def _flown_s(lanes: Sequence[Lane], job: SurveyJob, kicks: int = 0) -> float:
    return _tour_s(order_lanes(lanes, job.launches_m, lambda p: _straight_s(p, job), kicks), job)


def _straight_s(points_m: FloatArray, job: SurveyJob) -> FloatArray:
    e, n = points_m[:, 0], points_m[:, 1]
    return _leg_s(np.hypot(e[:, None] - e[None, :], n[:, None] - n[None, :]), job)


def _around_s(points_m: FloatArray, job: SurveyJob) -> FloatArray:
    return _leg_s(job.obstacles.distances(points_m), job)


def _leg_s(lengths_m: FloatArray, job: SurveyJob) -> FloatArray:
    return stop_to_stop_s(lengths_m, job.speed_mps, job.settings.airframe.acceleration_mps2)


def _path_s(points_m: FloatArray, job: SurveyJob) -> float:
    flat = np.column_stack([points_m[:, :2], np.zeros(len(points_m))])
    return path_time_s(flat, job.speed_mps, job.settings.airframe, job.settings.wind)


def _tour_s(lanes: Sequence[Lane], job: SurveyJob) -> float:
    """Seconds of one flight over lanes in order, from the nearest launch point and back to the nearest."""
    starts = np.array([lane.start_m for lane in lanes])
    ends = np.array([lane.end_m for lane in lanes])
    first, last = (
        job.launches_m[np.argmin(np.hypot(*(job.launches_m - place).T))] for place in (starts[0], ends[-1])
    )
    transits = _ways_s(np.vstack([first, ends]), np.vstack([starts, last]), job)
    return float(_lanes_s(lanes, job).sum() + transits.sum())


def _lanes_s(lanes: Sequence[Lane], job: SurveyJob) -> FloatArray:
    """Seconds (n,) of each lane."""
    starts = np.array([lane.start_m for lane in lanes])
    ends = np.array([lane.end_m for lane in lanes])
    seconds = straight_times_s(starts, ends, job.speed_mps, job.settings.airframe, job.settings.wind)
    for index, lane in enumerate(lanes):
        if len(lane.line.coords) > 2:
            seconds[index] = _path_s(lane.points_m, job)
    return seconds


def _ways_s(a_m: FloatArray, b_m: FloatArray, job: SurveyJob) -> FloatArray:
    """Seconds (n,) of the transits from a_m to b_m, both (n, 2), around what stands between."""
    seconds = straight_times_s(a_m, b_m, job.speed_mps, job.settings.airframe, job.settings.wind)
    for index in np.flatnonzero(job.obstacles.crosses(a_m, b_m)):
        seconds[index] = _path_s(job.obstacles.path(a_m[index], b_m[index]), job)
    return seconds


def _fly(job: SurveyJob, lanes: list[Lane], drones: int) -> tuple[list[Sortie], list[Lane]]:
    """Sorties over the lanes in a good order, each within the endurance as flown over the terrain."""
    ordered = order_lanes(lanes, job.launches_m, lambda p: _around_s(p, job), _KICKS)
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


def _lane_costs(lanes: Sequence[Lane], job: SurveyJob) -> LaneCosts:
    frame = job.settings.airframe
    up, down = job.height_m / frame.climb_mps, job.height_m / frame.descent_mps + 5.0
    starts = np.array([lane.start_m for lane in lanes])
    ends = np.array([lane.end_m for lane in lanes])
    bases = [np.broadcast_to(p, starts.shape) for p in job.launches_m]
    return LaneCosts(
        _lanes_s(lanes, job),
        _ways_s(ends[:-1], starts[1:], job),
        np.array([up + _ways_s(base, starts, job) for base in bases]),
        np.array([down + _ways_s(ends, base, job) for base in bases]),
    )


def _halve_long_lanes(lanes: Sequence[Lane], costs: LaneCosts, limit_s: float, job: SurveyJob) -> list[Lane]:
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


def _build(job: SurveyJob, lanes: Sequence[Lane], cuts: Sequence[SortieCut], drones: int) -> list[Sortie]:
    rules = flight_rules(job)
    owner = share_among([cut.seconds for cut in cuts], drones)
    sorties: list[Sortie] = []
    shots = 0
    for index, (cut, drone) in enumerate(zip(cuts, owner, strict=True)):
        numbered = [(i, lanes[i]) for i in range(cut.first, cut.last + 1)]
        sorties.append(build_sortie(index, drone, job.launches[cut.launch], numbered, shots, rules))
        shots += len(sorties[-1].shots)
    return sorties


def flight_rules(job: SurveyJob) -> FlightRules:
    """What all flights of this survey share."""
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
