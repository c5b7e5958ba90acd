"""What a plan leaves unseen is found, put down to its cause, and mended where it can be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from shapely import LineString

from plans.cameras import find_camera
from plans.coverage import NODATA, Coverage
from plans.drones import Drone
from plans.errors import SurveyError
from plans.frames import GeoPoint
from plans.gaps import Why, closer_photos, find_gaps, mending_lanes, tell
from plans.lanes import Lane
from plans.survey import SurveySettings, plan_survey
from plans.survey_job import prepare_survey
from plans.zones import Zone

from .conftest import FRAME

CAMERA = find_camera("DJI Mavic 3E")
BOX = shapely.box(0, 0, 1000, 600)


def geo(east, north):
    lat, lon = FRAME.to_geo(east, north)
    return GeoPoint(float(lat), float(lon), 500.0)


def zone(shape=BOX):
    return Zone("z", FRAME.geometry_to_geo(shape))


def job_of(shape=BOX, no_fly=()):
    launch = geo(shape.bounds[0] - 30, shape.bounds[1] - 30)
    return prepare_survey(
        [zone(shape)], CAMERA, SurveySettings(), None, [zone(a) for a in no_fly], [launch], [Drone()], []
    )


def counted(holes, job):
    """Ten photos everywhere but three in `holes` (rows, columns) of 10 m cells over the zone."""
    counts = np.full((60, 100), 10, np.uint16)
    for rows, cols in holes:
        counts[rows, cols] = 3
    counts[0, 0] = NODATA
    west, _, _, north = job.region.bounds
    return Coverage(job.frame, west, north, 10.0, counts)


def test_gaps_are_found_by_size_with_their_place():
    job = job_of()
    coverage = counted([(slice(10, 12), slice(5, 9)), (slice(40, 50), slice(70, 80))], job)
    gaps = find_gaps(coverage, 5, job, 60.0)
    assert [round(gap.area_m2) for gap in gaps] == [10_000, 800]
    assert {gap.why for gap in gaps} == {Why.SHAPE}
    east, north = job.frame.to_local(gaps[0].place.lat_deg, gaps[0].place.lon_deg)
    west, _, _, top = job.region.bounds
    assert west + 700 < east < west + 800
    assert top - 500 < north < top - 400
    assert find_gaps(coverage, 3, job, 60.0) == []


def test_a_gap_is_put_down_to_what_stands_beside_it():
    job = job_of(no_fly=[shapely.box(700, 100, 800, 200)])
    coverage = counted([(slice(10, 12), slice(5, 9)), (slice(36, 39), slice(70, 80))], job)
    whys = {round(gap.area_m2): gap.why for gap in find_gaps(coverage, 5, job, 60.0)}
    assert whys == {800: Why.SHAPE, 3000: Why.OBSTACLE}
    west, _, _, north = job.region.bounds
    lost = [Lane(LineString([(west, north - 110), (west + 300, north - 110)]), 0)]
    whys = {round(gap.area_m2): gap.why for gap in find_gaps(coverage, 5, job, 60.0, lost)}
    assert whys[800] is Why.BATTERY


def test_a_note_names_share_place_and_cause_in_one_line():
    job = job_of()
    coverage = counted([(slice(40, 50), slice(70, 80))], job)
    (line,) = tell(find_gaps(coverage, 5, job, 60.0), coverage, 5, 0.999)
    assert line.startswith("1.67% of the zone is seen by fewer than 5 photos")
    assert "10000 m2" in line
    assert "lat 30.0" in line
    assert "\n" not in line
    assert tell(find_gaps(coverage, 5, job, 60.0), coverage, 5, 0.98) == []


def test_photos_come_closer_on_the_lane_beside_the_gap_alone():
    job = job_of()
    gaps = find_gaps(counted([(slice(10, 12), slice(5, 9))], job), 5, job, 60.0)
    west, _, _, north = job.region.bounds
    lanes = [Lane(LineString([(west, north - d), (west + 1000, north - d)]), 0) for d in (80, 300)]
    closer = closer_photos(gaps, lanes, 60.0, 0.5)
    assert list(closer) == [0]
    assert closer[0].photo_gap == pytest.approx(0.8)
    tight = [replace(lane, photo_gap=0.5) for lane in lanes]
    assert closer_photos(gaps, tight, 60.0, 0.5) == {}
    assert closer_photos(gaps, lanes, 10.0, 0.5) == {}


def test_a_lane_is_laid_down_the_long_axis_of_a_gap_and_past_its_ends():
    job = job_of()
    gaps = find_gaps(counted([(slice(10, 12), slice(5, 45))], job), 5, job, 60.0)
    (lane,) = mending_lanes(gaps, job.obstacles, 50.0, 20.0, 100.0)
    assert lane.length_m > 400 + 40
    step = np.abs(lane.end_m - lane.start_m)
    assert step[0] > 20 * step[1]


def test_what_is_mended_costs_no_more_lanes_where_closer_photos_do():
    """A horseshoe: on the outer bank photos spread like a fan."""
    bend = LineString([(700 * np.cos(a), 700 * np.sin(a)) for a in np.linspace(0.2, 2.9, 40)])
    river = bend.buffer(150, cap_style="flat")
    plan = plan_survey(
        [zone(river)], CAMERA, SurveySettings(gsd_m=0.03, endurance_s=1e5), launches=(geo(0, 0),)
    )
    assert plan.coverage.share(plan.settings.views_asked) >= 0.999
    loose = plan_survey(
        [zone(river)],
        CAMERA,
        SurveySettings(gsd_m=0.03, endurance_s=1e5, min_share=0.5),
        launches=(geo(0, 0),),
    )
    assert len(plan.lanes) == len(loose.lanes)
    assert len(plan.shots) >= len(loose.shots)


def test_ground_beyond_the_batteries_is_left_out_and_said():
    strip = shapely.box(0, 0, 9000, 150)
    settings = SurveySettings(gsd_m=0.03, endurance_s=10 * 60.0)
    plan = plan_survey([zone(strip)], CAMERA, settings, launches=(geo(-20, 75),))
    assert 0.15 < plan.coverage.share(1) < 0.6
    assert {gap.why for gap in plan.gaps[:1]} == {Why.BATTERY}
    assert any("too far from every launch point" in note for note in plan.notes)
    assert all(max(s.battery_s, s.worst_home_s) <= s.usable_s for s in plan.sorties)


def test_a_zone_that_no_battery_reaches_is_refused():
    far = shapely.box(20_000, 0, 20_400, 300)
    with pytest.raises(SurveyError, match=r"endurance of 25\.0 min is too small"):
        plan_survey([zone(far)], CAMERA, SurveySettings(gsd_m=0.03), launches=(geo(0, 0),))
