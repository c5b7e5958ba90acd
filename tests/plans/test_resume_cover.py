"""From the photos that came to a survey of what they do not show: for any subset of photos, any drone."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import LineString, Polygon, box

from plans.cameras import find_camera
from plans.coverage import ground_cells
from plans.errors import MissionError, ZoneError
from plans.frames import GeoPoint
from plans.resume_cover import Ground, Team, count_taken, plan_uncovered
from plans.survey import SurveySettings, plan_survey
from plans.terrain import flat_terrain
from plans.zones import Zone

from .conftest import FRAME, hills, repeatable, zone_of

A, B = find_camera("DJI Mavic 3E"), find_camera("DJI Mini 3")
SHELL = [(0, 0), (520, -30), (560, 300), (330, 330), (350, 520), (40, 500)]
HOLE = [(200, 120), (300, 130), (290, 220), (210, 210)]
ZONE = zone_of(Polygon(SHELL, [HOLE]))
SETTINGS = SurveySettings(gsd_m=0.03, overlap=0.75, sidelap=0.65)
FLAT, HILLS = Ground(flat_terrain(FRAME, 500.0)), Ground(hills(25.0))


def geo(east, north):
    lat, lon = FRAME.to_geo(east, north)
    return GeoPoint(float(lat), float(lon))


TEAM = Team(B, (geo(600, 250),))


@cache
def first(relief=False):
    ground = HILLS if relief else FLAT
    return plan_survey([ZONE], A, SETTINGS, terrain=ground.terrain, launches=(geo(-20, -20),))


def rest_of(taken, ground=FLAT, team=TEAM, settings=SETTINGS, **more):
    return plan_uncovered([ZONE], taken, team, settings, ground, **more)


def seen_share(ground, views, *taken):
    cells = ground_cells(FRAME.geometry_to_local(ZONE.polygon), ground.terrain, 2.5)
    counts = [cells.count(poses, camera) for camera, poses in taken]
    total = counts[0]
    for more in counts[1:]:
        total = total.plus(more)
    return total.share(views)


def in_runs(count, share, seed):
    """Which of so many photos are missing: they go missing in runs."""
    rng = np.random.default_rng(seed)
    gone = np.zeros(count, bool)
    while gone.mean() < share:
        start = int(rng.integers(count))
        gone[start : start + int(rng.integers(1, 40))] = True
    return gone


@repeatable(12)
@given(
    st.integers(0, 10_000),
    st.floats(0.0, 1.0),
    st.booleans(),
    st.floats(6.0, 25.0),
    st.sampled_from([A, B]),
)
def test_any_subset_of_photos_is_made_whole_or_refused_in_words(seed, share, relief, minutes, camera):
    ground = HILLS if relief else FLAT
    poses = [shot.pose for shot in first(relief).shots]
    gone = in_runs(len(poses), share, seed)
    taken = {A: [pose for pose, missing in zip(poses, gone, strict=True) if not missing]}
    settings = replace(SETTINGS, endurance_s=minutes * 60)
    try:
        rest = rest_of(taken, ground, Team(camera, TEAM.launches), settings)
    except MissionError:
        return
    assert rest.share_after >= rest.share_before
    assert repr(rest_of(taken, ground, Team(camera, TEAM.launches), settings).plan) == repr(rest.plan)
    if rest.plan is None:
        assert rest.share_before >= settings.min_share
        return
    assert all(s.battery_s <= s.usable_s and s.worst_home_s <= s.usable_s for s in rest.plan.sorties)
    hole = Polygon(HOLE)
    for sortie in rest.plan.sorties:
        assert max(leg.line.intersection(hole).length for leg in sortie.legs) < 0.2
    new = [shot.pose for shot in rest.plan.shots]
    both = seen_share(ground, rest.views, (A, taken[A]), (camera, new))
    # lanes that no battery reaches are left out, and told of
    lost = any("batteries" in gap.why.value for gap in rest.plan.gaps)
    assert both >= (0.995 if relief else 0.999) - 0.001 or lost


@repeatable(6)
@given(st.integers(0, 10_000), st.integers(1, 30))
def test_single_photos_at_random_places_help_or_do_no_harm(seed, count):
    """Far away, under ground, looking anywhere: whatever the tags say."""
    rng = np.random.default_rng(seed)
    poses = [
        replace(
            first().shots[0].pose,
            east_m=float(rng.uniform(-5e3, 5e3) if rng.random() < 0.3 else rng.uniform(0, 500)),
            north_m=float(rng.uniform(0, 500)),
            up_m=float(rng.uniform(400, 900)),
            yaw_deg=float(rng.uniform(-720, 720)),
            pitch_deg=float(rng.uniform(-145, -35)),
        )
        for _ in range(count)
    ]
    rest = rest_of({A: poses})
    assert rest.share_after >= max(rest.share_before, 0.998)


def test_nothing_is_planned_where_enough_is_seen():
    rest = rest_of({A: [shot.pose for shot in first().shots]})
    assert rest.plan is None
    assert rest.planned_m2 == 0
    assert rest.share_after == rest.share_before >= 0.999


def test_without_a_photo_the_whole_zone_is_planned_as_it_was_drawn():
    rest = rest_of({})
    assert rest.share_before == 0.0
    whole = plan_survey(
        [ZONE],
        B,
        replace(SETTINGS, min_views=SETTINGS.views_asked),
        terrain=FLAT.terrain,
        launches=TEAM.launches,
    )
    assert [s.pose for s in rest.plan.shots] == [s.pose for s in whole.shots]


def test_the_smallest_patches_are_left_out_up_to_their_share():
    poses = [shot.pose for shot in first().shots]
    some = rest_of({A: poses[:-60]}, speck_share=0.0)
    none = rest_of({A: poses[:-60]}, speck_share=0.9)
    assert some.plan is not None
    assert none.planned_m2 < some.planned_m2


def test_a_margin_is_kept_around_what_is_not_seen():
    poses = [shot.pose for shot in first().shots]
    taken = {A: poses[: len(poses) // 2]}
    narrow, wide = rest_of(taken, margin_m=6.0), rest_of(taken, margin_m=40.0)
    assert wide.planned_m2 > narrow.planned_m2 > narrow.lacking_m2
    lacking = shapely.union_all([gap.outline for gap in narrow.plan.gaps])
    assert lacking.area < 0.002 * narrow.before.zone_area_m2


def test_ground_photographed_in_the_middle_of_what_is_not_is_no_obstacle():
    """The planner flies around holes of a zone; ground that has photos enough may be flown over."""
    around = box(-400, -400, 400, 400)
    zone = zone_of(around)
    whole = plan_survey([zone], A, SETTINGS, terrain=FLAT.terrain, launches=(geo(-410, -410),))
    middle = [s.pose for s in whole.shots if abs(s.pose.east_m) < 230 and abs(s.pose.north_m) < 230]
    rest = plan_uncovered([zone], {A: middle}, Team(B, (geo(-410, -410),)), SETTINGS, FLAT)
    assert 0.1 < rest.share_before < 0.5
    assert rest.share_after >= 0.999
    assert not rest.plan.obstacles.walls
    assert rest.planned_m2 < (1 - rest.share_before) * around.area * 1.35


def test_no_fly_areas_are_kept_out_of_and_stay_the_fence_the_hole_is_only_flown_around():
    barred = zone_of(box(60, 330, 160, 420))
    poses = [shot.pose for shot in first().shots]
    rest = rest_of({A: poses[: len(poses) // 3]}, no_fly=[barred])
    area = FRAME.geometry_to_local(barred.polygon)
    for sortie in rest.plan.sorties:
        assert len(sortie.mission.fence_exclusion) == 1
        for leg in sortie.legs:
            assert LineString(leg.points_m[:, :2]).intersection(area).length < 0.2
            assert LineString(leg.points_m[:, :2]).intersection(Polygon(HOLE)).length < 0.2
    assert len(rest.plan.no_fly) == 1
    assert rest.share_after >= 0.995


def test_a_launch_point_inside_a_hole_opens_it():
    rest = rest_of({}, team=Team(B, (geo(250, 170),)))
    assert any("may be flown over" in note for note in rest.notes)
    assert rest.share_after >= 0.999


def test_more_views_than_came_are_asked_for():
    poses = [shot.pose for shot in first().shots]
    asked = replace(SETTINGS, min_views=SETTINGS.views_asked + 3)
    rest = rest_of({A: poses}, settings=asked)
    assert rest.views == SETTINGS.views_asked + 3
    assert rest.share_before < 0.999 < rest.share_after + 0.001


def test_priorities_of_zones_are_kept():
    west, east = zone_of(box(0, 0, 300, 300), "west"), zone_of(box(300, 0, 600, 300), "east")
    urgent = Zone("east", east.polygon, 5.0)
    rest = plan_uncovered([west, urgent], {}, Team(B, (geo(-20, 0),)), SETTINGS, FLAT)
    first_shot = rest.plan.shots[0].pose
    assert first_shot.east_m > 250


def test_level_ground_without_a_datum_is_counted_by_heights_above_it():
    ground = Ground(flat_terrain(FRAME, 0.0), has_datum=False)
    poses = [replace(s.pose, up_m=s.pose.up_m - 500.0) for s in first().shots]
    rest = rest_of({A: poses[: len(poses) // 2]}, ground)
    assert rest.share_after >= 0.999
    assert not rest.plan.has_datum


def test_what_no_battery_reaches_is_told():
    far = Team(B, (geo(-1500, 0),))
    rest = rest_of({}, team=far, settings=replace(SETTINGS, endurance_s=9.0 * 60))
    assert rest.share_after < 0.99
    assert any("will still be seen by fewer" in note and "batteries" in note for note in rest.notes)


def test_without_a_zone_it_is_refused():
    with pytest.raises(ZoneError, match="no zone"):
        plan_uncovered([], {}, TEAM, SETTINGS, FLAT)
    everywhere = zone_of(box(-900, -900, 900, 900))
    with pytest.raises(ZoneError, match="leave nothing"):
        rest_of({}, no_fly=[everywhere])


def test_the_share_seen_can_be_had_by_itself():
    poses = [shot.pose for shot in first().shots]
    seen = count_taken([ZONE], {A: poses}, A, A.height_for_gsd_m(0.03), FLAT)
    assert seen.share(SETTINGS.views_asked) >= 0.999
    assert math.isclose(seen.zone_area_m2, Polygon(SHELL, [HOLE]).area, rel_tol=0.01)
