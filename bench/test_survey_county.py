"""A county of 100 km2, 12 zones, five drones: how long its planning takes, and how that grows with lanes."""

from __future__ import annotations

import time

import numpy as np
import pytest
import shapely

from plans.cameras import find_camera
from plans.survey import SurveySettings, plan_survey

from .county import county_launches, county_zones, mountains
from .river_zones import zone_of

CAMERA = find_camera("DJI Mavic 3E")
SETTINGS = SurveySettings(gsd_m=0.03, endurance_s=35 * 60.0)
SLACK = 2.0  # of the speed target, for a busy machine; the figure printed is the one that counts


@pytest.mark.parametrize("ground", ["level", "mountains, DEM of 30 m"])
def test_a_county_with_five_drones(ground, benchmark, tell):
    shapes = county_zones()
    zones = [zone_of(shape, f"zone {i + 1}") for i, shape in enumerate(shapes)]
    terrain = None if ground == "level" else mountains()
    launches = county_launches(shapes)
    plan = benchmark.pedantic(
        lambda: plan_survey(zones, CAMERA, SETTINGS, terrain=terrain, launches=launches, drones=5),
        rounds=2,
        warmup_rounds=0,
    )
    took = benchmark.stats.stats.min
    done = [max(s.start_s + s.duration_s for s in plan.sorties if s.drone == d) / 3600 for d in range(5)]
    views = plan.settings.views_asked
    tell(
        f"county, {ground}: {plan.region.area / 1e6:.0f} km2, {len(plan.lanes)} lanes, {len(plan.shots)} "
        f"photos, {len(plan.sorties)} sorties, {plan.coverage.share(views):.2%} seen by {views}; planned in "
        f"{took:.1f} s; the drones are done after {min(done):.1f} to {max(done):.1f} h"
    )
    assert took <= 20.0 * SLACK
    assert max(done) <= 1.1 * min(done)


def test_planning_time_grows_with_lanes(tell):
    times, counts = [], []
    for side in (1000.0, 2000.0, 4000.0, 8000.0):
        ring = shapely.Point(0, 0).buffer(side / np.sqrt(np.pi), quad_segs=12)
        hole = shapely.box(-0.1 * side, -0.1 * side, 0.1 * side, 0.1 * side)
        zone = zone_of(shapely.difference(ring, hole), "disc")
        began = time.perf_counter()
        plan = plan_survey([zone], CAMERA, SETTINGS)
        times.append(time.perf_counter() - began)
        counts.append(len(plan.lanes))
    tell("seconds by lanes: " + ", ".join(f"{n}: {t:.2f}" for n, t in zip(counts, times, strict=True)))
    assert times[-1] / times[0] < 4 * counts[-1] / counts[0]
