"""What a plan leaves unseen: where, why, and the lanes that mend it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import shapely
from rasterio import Affine
from rasterio.features import shapes
from shapely import LineString, MultiLineString, Polygon

from plans.coverage import NODATA, Coverage
from plans.frames import GeoPoint
from plans.lanes import Lane, outside
from plans.obstacles import Obstacles
from plans.survey_job import SurveyJob

_MOST_GAPS = 400
_CLOSER = 0.8


class Why(StrEnum):
    """Why ground is seen by too few photos."""

    BATTERY = "too far from every launch point for the batteries"
    OBSTACLE = "beside a hole or a no-fly area"
    RELIEF = "the relief takes it out of the photos"
    SHAPE = "a narrow or bent part of the zone"


@dataclass(frozen=True)
class Gap:
    """Ground that too few photos see: its outline in local metres, a point in it, its area, and why."""

    outline: Polygon
    place: GeoPoint
    area_m2: float
    why: Why


def find_gaps(
    coverage: Coverage, views: int, job: SurveyJob, reach_m: float, lost: Sequence[Lane] = ()
) -> list[Gap]:
    """The patches of cells that fewer than `views` photos see, largest first (400 at most).

    `reach_m` is how far beside its way a photo sees: gaps so near to a lane that could not be flown (`lost`),
    to a hole or to a no-fly area are put down to it.
    """
    lacking = (coverage.counts < views) & (coverage.counts != NODATA)
    if not lacking.any():
        return []
    cell = coverage.cell_m
    transform = Affine(cell, 0.0, coverage.west_m, 0.0, -cell, coverage.north_m)
    outlines = [
        Polygon(shape["coordinates"][0])
        for shape, _ in shapes(lacking.astype(np.uint8), mask=lacking, transform=transform, connectivity=8)
    ]
    outlines = sorted(outlines, key=lambda p: (-p.area, p.bounds))[:_MOST_GAPS]
    gaps = []
    unflown = MultiLineString([lane.line for lane in lost])
    for outline in outlines:
        point = outline.representative_point()
        lat, lon = coverage.frame.to_geo(point.x, point.y)
        if lost and unflown.distance(outline) < reach_m:
            why: Why = Why.BATTERY
        elif job.obstacles.walls and job.obstacles.area.distance(outline) < reach_m:
            why = Why.OBSTACLE
        else:
            why = Why.RELIEF if job.has_relief else Why.SHAPE
        gaps.append(Gap(outline, GeoPoint(float(lat), float(lon)), float(outline.area), why))
    return gaps


def closer_photos(gaps: list[Gap], lanes: Sequence[Lane], reach_m: float, closest: float) -> dict[int, Lane]:
    """The lanes (by their number) beside which gaps lie, with photos closer together, down to `closest` of
    the survey's distance: on the outer side of a bend photos spread like a fan, and it costs no flight time
    to take more of them. Gaps further than `reach_m` from every lane change nothing."""
    if not gaps or not lanes:
        return {}
    tree = shapely.STRtree([lane.line for lane in lanes])
    middles = [gap.outline.centroid for gap in gaps]
    nearest = tree.query_nearest(middles, max_distance=reach_m, all_matches=False)[1]
    return {
        int(i): replace(lanes[i], photo_gap=max(lanes[i].photo_gap * _CLOSER, closest))
        for i in sorted(set(nearest.tolist()))
        if lanes[i].photo_gap > closest
    }


def mending_lanes(
    gaps: list[Gap], obstacles: Obstacles, spacing_m: float, trigger_m: float, shortest_m: float
) -> list[Lane]:
    """Lanes down the long axis of each gap, as many as its width needs, outside of obstacles. They run on
    past the gap, so that it gets whole overlaps."""
    blocked = obstacles.area if obstacles.walls else None
    lanes: list[Lane] = []
    merged = shapely.union_all([gap.outline.buffer(trigger_m / 2) for gap in gaps])
    for patch in shapely.get_parts(merged):
        box = patch.minimum_rotated_rectangle
        if not isinstance(box, Polygon):
            continue
        corners = np.asarray(box.exterior.coords)[:4]
        sides = np.hypot(*(np.roll(corners, -1, axis=0) - corners).T)
        first = int(np.argmax(sides))
        a, b, c, d = np.roll(corners, -first, axis=0)
        count = max(math.ceil(float(min(sides)) / spacing_m - 1e-9), 1)
        unit = (b - a) / max(float(np.hypot(*(b - a))), 1e-9)
        grow = max(2 * trigger_m, (shortest_m - float(sides[first])) / 2) * unit
        for k in range(count):
            t = (k + 0.5) / count
            line = LineString([a + (d - a) * t - grow, b + (c - b) * t + grow])
            lanes += [Lane(piece, 0) for piece in outside(line, blocked) if piece.length > trigger_m]
    return lanes


def tell(gaps: list[Gap], coverage: Coverage, views: int, aim: float) -> list[str]:
    """A note that says how much of the zone is short of photos, where most of it lies, and why."""
    share = coverage.share(views)
    if share >= aim or not gaps:
        return []
    worst = gaps[0]
    whys = sorted({gap.why.value for gap in gaps[:20]})
    return [
        f"{1 - share:.2%} of the zone is seen by fewer than {views} photos ({'; '.join(whys)}): "
        f"the largest of {len(gaps)} places, {worst.area_m2:.0f} m2, is at lat {worst.place.lat_deg:.6f}, "
        f"lon {worst.place.lon_deg:.6f}"
    ]
