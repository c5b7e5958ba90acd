"""Laying lanes over a survey's ground: the sweep angle, or bent lanes, with the least flight time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from shapely import MultiPolygon, Polygon, get_parts

from plans.costs import FlightCosts
from plans.drones import Kit
from plans.flight_time import leg_of_tour_s
from plans.follow import FollowLimits
from plans.frames import FloatArray
from plans.lanes import Lane, SweepAxes, candidate_angles, corridor_lanes, sweep_lanes
from plans.relief import lane_places
from plans.route import order_lanes
from plans.streamlines import StreamRules, stream_layouts
from plans.survey_job import SurveyJob, SurveyLine

_WORTH_BENDING = 0.97  # straight lanes are simpler to check by eye; others must save a little
_MOST_WITHOUT_TURNS = 0.9
"""Bent lanes are not tried where straight ones spend less than a tenth of their time on turns and edges."""
_MOST_EDGE_REACH = 1.0
"""How far outside the outermost bent lane the zone may reach, in spacings."""


@dataclass(frozen=True)
class LaidPart:
    """The lanes of one polygon of a survey, unordered, their angle (degrees, [0, 180); of the longest lane
    where they bend) and the priority of the ground."""

    lanes: tuple[Lane, ...]
    angle_deg: float
    priority: float


def lay_lanes(job: SurveyJob, costs: FlightCosts, limits: FollowLimits) -> list[LaidPart]:
    """The lanes of every polygon, by falling priority and size; parts that are blocked as a whole have
    none."""
    blocked = job.obstacles.area if job.obstacles.walls else None
    if job.lines:
        return [
            _along_line(line, job, blocked) for line in sorted(job.lines, key=lambda line: -line.priority)
        ]
    layer = _Layer(job, costs, limits, blocked)
    return [
        layer.part(part, area.priority)
        for area in job.areas
        for part in sorted(get_parts(area.region).tolist(), key=lambda part: -part.area)
    ]


def _along_line(line: SurveyLine, job: SurveyJob, blocked: MultiPolygon | None) -> LaidPart:
    lanes = corridor_lanes(line.line, job.settings.corridor_width_m or 0.0, job.spacing_m, blocked)
    (e0, n0), (e1, n1) = line.line.coords[0], line.line.coords[-1]
    return LaidPart(tuple(lanes), math.degrees(math.atan2(e1 - e0, n1 - n0)) % 180.0, line.priority)


@dataclass(frozen=True)
class _Layer:
    job: SurveyJob
    costs: FlightCosts
    limits: FollowLimits
    blocked: MultiPolygon | None

    def part(self, part: Polygon, priority: float) -> LaidPart:
        settings = self.job.settings
        asked = settings.angle_deg
        angle, seconds = self.best_angle(part) if asked is None else (asked % 180.0, 0.0)
        straight_m = part.area / self.job.spacing_m  # no lanes are shorter; bent ones save turns
        worth = straight_m / self.costs.kit.speed_mps < _MOST_WITHOUT_TURNS * seconds
        if asked is None and settings.follow_shape and worth and not settings.crosshatch:
            layouts = stream_layouts(part, self.blocked, stream_rules(self.job, self.costs.kit))
            timed = [(self.flown_s(lanes, 10), number) for number, lanes in enumerate(layouts)]
            soonest, number = min(timed, default=(math.inf, 0))
            if soonest < _WORTH_BENDING * seconds:
                streams = layouts[number]
                longest = max(streams, key=lambda lane: lane.length_m)
                east, north = longest.end_m - longest.start_m
                return LaidPart(tuple(streams), math.degrees(math.atan2(east, north)) % 180.0, priority)
        turns = (0.0, 90.0) if settings.crosshatch else (0.0,)
        lanes = [lane for turn in turns for lane in self.sweep(part, angle + turn)]
        return LaidPart(tuple(lanes), angle, priority)

    def sweep(self, part: Polygon, angle_deg: float) -> list[Lane]:
        """Straight lanes, closer or further apart as the relief asks."""
        places = None
        if self.job.has_relief:
            kit = self.costs.kit
            reach = kit.camera.footprint_m(kit.height_m)[0] / 2
            axes = SweepAxes.of(part, angle_deg)
            places = lane_places(part, axes, self.job.spacing_m, reach, self.job.terrain, self.limits)
        return sweep_lanes(part, self.blocked, self.job.spacing_m, angle_deg, places)

    def best_angle(self, part: Polygon) -> tuple[float, float]:
        """The sweep angle with the least flight time, and that time: lanes, transits around obstacles, turns,
        wind, climbs."""
        wind = self.job.settings.wind
        extra = [wind.from_deg % 180.0, (wind.from_deg + 90.0) % 180.0] if wind.speed_mps > 0 else []
        extra += _contour_angles(part, self.job)
        squares = part.area / self.job.spacing_m**2
        keep = 3 if squares < 40 else 8 if squares < 2000 else 5  # angles worth the time at this size
        best, least = 0.0, math.inf
        for angle in candidate_angles(part, extra, keep=keep):
            lanes = sweep_lanes(part, self.blocked, self.job.spacing_m, angle)
            seconds = self.flown_s(lanes) if lanes else math.inf
            if seconds < least - 1e-6:
                best, least = angle, seconds
        return best, least

    def flown_s(self, lanes: Sequence[Lane], kicks: int = 0) -> float:
        costs = self.costs
        return costs.tour_s(order_lanes(lanes, costs.launches_m, costs.straight_s, kicks))


def stream_rules(job: SurveyJob, kit: Kit) -> StreamRules:
    """How lanes that follow the zone are laid for a drone."""
    spacing, acceleration = job.spacing_m, kit.drone.airframe.acceleration_mps2
    width, _ = kit.camera.footprint_m(kit.height_m)
    # Enough photos of one lane alone show the edge; else it must lie in those of the second lane too.
    alone = math.floor(1 / (1 - job.settings.overlap) + 1e-9) >= job.settings.views_asked
    reach = 0.45 * width if alone else 0.5 * width - spacing
    lost_s = leg_of_tour_s(1000.0, kit.speed_mps, kit.drone.airframe) - 1000.0 / kit.speed_mps
    turn_s = float(leg_of_tour_s(spacing, kit.speed_mps, kit.drone.airframe) + lost_s)
    return StreamRules(
        spacing_m=spacing,
        reach_m=float(np.clip(reach, 0.5 * spacing, _MOST_EDGE_REACH * spacing)),
        turn_m=turn_s * kit.speed_mps,
        radius_m=kit.speed_mps**2 / acceleration,
    )


def _contour_angles(part: Polygon, job: SurveyJob) -> list[float]:
    """The direction (degrees) along the contours of the ground, where there is relief: across the main axis
    of its gradients' structure tensor."""
    if not job.has_relief:
        return []
    west, south, east, north = part.bounds
    step = max(job.terrain.step_m, (east - west + north - south) / 200)
    e, n = np.meshgrid(np.arange(west, east + step, step), np.arange(south, north + step, step))
    heights = job.terrain.at(e, n)
    if min(heights.shape) < 2:
        return []
    by_n, by_e = np.gradient(heights, step)
    known: FloatArray = np.stack([by_e, by_n])[:, np.isfinite(by_e) & np.isfinite(by_n)]
    if known.size == 0:
        return []
    _, axes = np.linalg.eigh(known @ known.T)
    along = axes[:, 0]  # of the smaller eigenvalue: where the ground changes least
    return [math.degrees(math.atan2(along[0], along[1])) % 180.0]
