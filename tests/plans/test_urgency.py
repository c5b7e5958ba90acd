"""First things first: the urgent zone is photographed before the others, and the report says when."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from plans.cameras import find_camera
from plans.coverage import ground_cells
from plans.frames import GeoPoint
from plans.survey import SurveySettings, plan_survey
from plans.survey_job import SurveyArea
from plans.terrain import Terrain, flat_terrain
from plans.urgency import cell_weights, most_urgent_first, time_to_image
from plans.zones import Zone

from .conftest import FRAME, repeatable

CAMERA = find_camera("DJI Mavic 3E")
NEAR, FAR = shapely.box(0, 0, 500, 400), shapely.box(900, 300, 1300, 700)
LAUNCH = GeoPoint(*(float(v) for v in FRAME.to_geo(-40, -40)), 500.0)


def planned(near=1.0, far=1.0, exposure=None, drones=1):
    zones = [Zone("near", FRAME.geometry_to_geo(NEAR), near), Zone("far", FRAME.geometry_to_geo(FAR), far)]
    settings = SurveySettings(gsd_m=0.03, endurance_s=12 * 60.0)
    ground = flat_terrain(FRAME, 500.0)
    return plan_survey(
        zones, CAMERA, settings, terrain=ground, launches=(LAUNCH,), drones=drones, exposure=exposure
    )


def first_photo_s(plan, area):
    """When the first photo over an area is taken, and the last."""
    inside = [
        sortie.start_s + shot.time_s
        for sortie in plan.sorties
        for shot in sortie.shots
        if area.contains(shapely.Point(shot.pose.east_m, shot.pose.north_m))
    ]
    return min(inside), max(inside)


@pytest.mark.parametrize("drones", [1, 2])
def test_the_urgent_zone_comes_first_wherever_it_lies(drones):
    plan = planned(far=5.0, drones=drones)
    assert first_photo_s(plan, FAR)[1] < first_photo_s(plan, NEAR)[1]
    assert first_photo_s(plan, FAR)[0] < first_photo_s(plan, NEAR)[0]
    other = planned(near=5.0, drones=drones)
    assert first_photo_s(other, NEAR)[1] < first_photo_s(other, FAR)[1]
    for each in (plan, other):
        assert each.coverage.share(5) >= 0.999


def test_all_drones_fly_to_the_urgent_zone_first():
    plan = planned(far=5.0, drones=2)
    for drone in (0, 1):
        own = sorted((s for s in plan.sorties if s.drone == drone), key=lambda s: s.start_s)
        middle = own[0].shots[len(own[0].shots) // 2].pose
        assert FAR.buffer(30).contains(shapely.Point(middle.east_m, middle.north_m))


def test_where_people_are_is_flown_first():
    """A raster of people in the far corner of one zone turns the order of sorties."""
    heights = np.zeros((40, 40))
    heights[:20, 28:] = 50.0  # the north-east
    people = Terrain(FRAME, -500.0, 1500.0, 50.0, heights, "people")
    plain, urged = planned(), planned(exposure=people)
    at_stake = shapely.box(900, 500, 1300, 700)
    assert first_photo_s(urged, at_stake)[0] < first_photo_s(plain, at_stake)[0]
    assert urged.to_image.seconds_to(0.9) < urged.makespan_s
    cells = ground_cells(plain.region, flat_terrain(FRAME, 500.0), 20.0)
    weights = cell_weights(cells, [SurveyArea(plain.region, 1.0)], people)
    before, after = (time_to_image(cells, weights, plan.sorties).seconds_to(0.5) for plan in (plain, urged))
    assert after < before


def test_the_curve_is_that_of_the_cells():
    plan = planned(drones=2)
    curve = plan.to_image
    assert (np.diff(curve.seconds) >= 0).all()
    assert (np.diff(curve.shares) >= 0).all()
    assert curve.shares[-1] == pytest.approx(1.0, abs=1e-6)
    assert curve.seconds_to(0.5) == pytest.approx(np.nanquantile(curve.first_s, 0.5), abs=2.0)
    times = [sortie.start_s + shot.time_s for sortie in plan.sorties for shot in sortie.shots]
    assert curve.seconds[0] == pytest.approx(min(times))
    assert curve.seconds[-1] <= max(times)
    report = plan.report()["time_to_image_s"]
    assert report["50%"] < report["90%"] <= report["last"]


def test_a_share_that_is_never_reached_has_no_time():
    plan = planned()
    cells = ground_cells(plan.region, flat_terrain(FRAME, 500.0), 20.0)
    curve = time_to_image(cells, cells.inside.astype(float), plan.sorties[:1])
    assert curve.seconds_to(0.9) is None
    assert curve.report()["90%"] is None


@repeatable(100)
@given(st.lists(st.tuples(st.floats(0, 10), st.floats(1, 100)), min_size=1, max_size=6))
def test_no_other_order_of_sorties_makes_what_is_at_stake_wait_less(jobs):
    import itertools

    def waiting(order):
        now = total = 0.0
        for i in order:
            now += jobs[i][1]
            total += jobs[i][0] * now
        return total

    chosen = most_urgent_first([v for v, _ in jobs], [s for _, s in jobs])
    assert waiting(chosen) <= min(waiting(p) for p in itertools.permutations(range(len(jobs)))) + 1e-6
