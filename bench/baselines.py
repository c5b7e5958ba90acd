"""What others fly, rebuilt to be measured with our own time model (sources: research notes, section 3.1).

QGroundControl (`SurveyComplexItem::_rebuildTransectsPhase1WorkerSinglePolygon` at c15cc32): parallel lines
over the zone, of each the stretch between its two furthest crossings with the outer ring, to and fro. The
angle is the pilot's; here that of the hull's least width, the textbook choice (rotating calipers).

Best of 18: each line clipped exactly to the zone, holes left out, the next lane the one whose end is nearest
(Mission Planner's `Grid.cs`), the best of the angles 0, 10, ..., 170 by flight time.

Neither looks at what a transit crosses: it is a straight line. Both get the same lane spacing as our planner.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import shapely
from shapely import LineString, Polygon

from plans.lanes import Lane


def qgc_lanes(region: Polygon, spacing_m: float, launch_m: np.ndarray) -> list[Lane]:
    """QGroundControl's lanes at the hull's minimum-width angle, in the order in which they are flown: from
    the corner of the four that is nearest to the launch point, as its "entry location" allows."""
    angle = min_width_angle_deg(region)
    ranks = _clipped(Polygon(region.exterior), spacing_m, angle, furthest_two=True)
    tours = []
    for order in (ranks, ranks[::-1]):
        for turned in (0, 1):
            tours.append([s[0].turned() if (i + turned) % 2 else s[0] for i, s in enumerate(order)])
    return min(tours, key=lambda tour: float(np.hypot(*(tour[0].start_m - launch_m))))


def best_of_18_lanes(
    region: Polygon, spacing_m: float, launch_m: np.ndarray, seconds: Callable[[Sequence[Lane]], float]
) -> list[Lane]:
    """Exact clip, greedy order, the best of 18 angles by `seconds` (flight time of lanes in order)."""
    tours = []
    for angle in range(0, 180, 10):
        ranks = _clipped(region, spacing_m, float(angle), furthest_two=False)
        tours.append(_nearest_next([lane for rank in ranks for lane in rank], launch_m))
    return min(tours, key=seconds)


def min_width_angle_deg(region: Polygon) -> float:
    """Lane direction, clockwise from north, across which the convex hull is narrowest: along a hull edge."""
    hull = np.asarray(region.convex_hull.exterior.coords)
    edges = np.diff(hull, axis=0)
    normals = np.column_stack([edges[:, 1], -edges[:, 0]]) / np.hypot(*edges.T)[:, None]
    edge = edges[int(np.argmin(np.ptp(hull @ normals.T, axis=0)))]
    return math.degrees(math.atan2(edge[0], edge[1])) % 180.0


def _clipped(region: Polygon, spacing_m: float, angle_deg: float, furthest_two: bool) -> list[list[Lane]]:
    """The lanes of every sweep line that meets the region, by line."""
    unit = np.array([math.sin(math.radians(angle_deg)), math.cos(math.radians(angle_deg))])
    across = np.array([unit[1], -unit[0]])
    corners = shapely.get_coordinates(region)
    s, t = corners @ unit, corners @ across
    # Lines through the middle of the bounds and every spacing from there, as QGroundControl lays them.
    half = math.ceil((t.max() - t.min()) / 2 / spacing_m)
    places = (t.max() + t.min()) / 2 + spacing_m * np.arange(-half, half + 1)
    ranks: list[list[Lane]] = []
    for place in places:
        line = LineString([unit * (s.min() - 1) + across * place, unit * (s.max() + 1) + across * place])
        parts = [p for p in shapely.get_parts(line.intersection(region)) if p.length > 0.5]
        if not parts:
            continue
        along = sorted(sorted((np.asarray(p.coords) @ unit).tolist()) for p in parts)
        if furthest_two:
            along = [[along[0][0], along[-1][-1]]]
        ranks.append(
            [
                Lane(LineString([unit * a[0] + across * place, unit * a[-1] + across * place]), len(ranks))
                for a in along
            ]
        )
    return ranks


def _nearest_next(lanes: Sequence[Lane], start_m: np.ndarray) -> list[Lane]:
    here, left, tour = start_m, list(lanes), []
    while left:
        ends = np.array([[lane.start_m, lane.end_m] for lane in left])
        index, end = divmod(int(np.argmin(np.hypot(*np.moveaxis(ends - here, -1, 0)))), 2)
        lane = left.pop(index)
        tour.append(lane.turned() if end else lane)
        here = tour[-1].end_m
    return tour
