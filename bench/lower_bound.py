"""A lower bound of flight time, derived.

Claim: no plan that photographs the zone by one of the *layouts* below is sooner flown than the bound says,
whatever the order and sense of its lanes.

Layouts: straight lanes at every angle of 0, 2, ..., 178 degrees, exactly clipped (`sweep_lanes`), and lanes
bent along the zone in four phases (`stream_layouts`).

Every flight over a layout of n lanes flies each lane from one of its ends to the other: the sum of their
times is the same for all. Its other legs join lane ends, and the launch point as first and last place: each
of the 2n ends and the launch point's two visits has exactly one such leg, never one to the other end of its
own lane. So they form a perfect matching of 2n + 2 places. The cheapest perfect matching costs at least half
of the cheapest assignment of places to other places, because a matching taken both ways is an assignment.
Legs are put at straight lines, through holes too, from standing to standing, which is no more than a flight
around the holes takes. Climb and landing are added. The bound is the least over the layouts.

What it is not: a bound over all conceivable plans. `area_bound_s` is that, without a single turn, and loose.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment
from shapely import Polygon

from plans.costs import FlightCosts
from plans.flight_time import take_off_and_land_use
from plans.lanes import Lane, sweep_lanes
from plans.layout import stream_rules
from plans.streamlines import stream_layouts
from plans.survey_job import SurveyJob

STEP_DEG = 2


def layouts_bound_s(part: Polygon, job: SurveyJob) -> float:
    """Seconds under which none of the layouts over one polygon can be flown from the job's launch point."""
    blocked = job.obstacles.area if job.obstacles.walls else None
    costs = FlightCosts(job, job.kits[0])
    layouts = [sweep_lanes(part, blocked, job.spacing_m, angle) for angle in range(0, 180, STEP_DEG)]
    layouts += stream_layouts(part, blocked, stream_rules(job, job.kits[0]))
    return min(tour_bound_s(lanes, costs) for lanes in layouts if lanes) + climb_s(job)


def tour_bound_s(lanes: Sequence[Lane], costs: FlightCosts) -> float:
    """Seconds under which no order of these lanes can be flown, without climb and landing."""
    ends = np.array([point for lane in lanes for point in (lane.start_m, lane.end_m)])
    base = costs.launches_m[:1]
    legs = costs.straight_s(np.concatenate([ends, base, base]))
    n = len(ends)
    legs[np.arange(n + 2), np.arange(n + 2)] = 1e9
    own = np.arange(n)
    legs[own, own ^ 1] = 1e9
    legs[n, n + 1] = legs[n + 1, n] = 1e9
    rows, cols = linear_sum_assignment(legs)
    return float(costs.lanes_use(lanes)[:, 0].sum() + legs[rows, cols].sum() / 2)


def climb_s(job: SurveyJob) -> float:
    """Seconds of the climb to the survey's height and of the landing."""
    kit = job.kits[0]
    return float(take_off_and_land_use(job.height_m, job.height_m, kit.speed_mps, kit.drone.airframe)[0])


def area_bound_s(part: Polygon, job: SurveyJob) -> float:
    """Seconds under which nothing photographs the zone with lanes a spacing apart: its area over spacing and
    speed, as if no lane had ends, and no strip reached over the zone's edge."""
    return part.area / job.spacing_m / job.speed_mps + climb_s(job)
