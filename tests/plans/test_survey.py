"""A survey from zone to sorties: it sees everything, stays clear of everything, and comes home in time."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import LineString, Polygon

from plans.cameras import find_camera
from plans.coverage import cell_size_m, count_photos
from plans.energy import Wind
from plans.errors import PlanningError, SurveyError, TerrainError, ZoneError
from plans.flights import shot_places, trigger_plan
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, Command
from plans.mission_shots import flights_of, mission_poses
from plans.survey import SurveyPlan, SurveySettings, plan_survey
from plans.terrain import flat_terrain
from plans.zones import Corridor, Zone

from .conftest import FRAME, HOLES, SHELL, hills, zone_of

CAMERA = find_camera("DJI Mavic 3E")
REGION = Polygon(SHELL, HOLES)


def geo(east, north, alt=None):
    lat, lon = FRAME.to_geo(east, north)
    return GeoPoint(float(lat), float(lon), alt)


LAUNCH = geo(-50, -50, 1500.0)
NO_FLY = Polygon([(500, 300), (620, 320), (600, 430), (490, 400)])

CASES = {
    "flat": ({}, {}),
    "relief": ({}, {"terrain": "hills"}),
    "crosshatch": ({"crosshatch": True}, {}),
    "three drones": ({}, {"drones": 3}),
    "no-fly area": ({"angle_deg": 20.0}, {"terrain": "hills", "no_fly": [zone_of(NO_FLY)]}),
    "wind": ({"wind": Wind(9.0, 200.0)}, {}),
    "two villages": ({}, {"launches": (LAUNCH, geo(1300, 1150, 1500.0))}),
}


@cache
def plan_of(case: str) -> SurveyPlan:
    settings, inputs = CASES[case]
    inputs = {"launches": (LAUNCH,), **inputs}
    if inputs.get("terrain") == "hills":
        inputs["terrain"] = hills(40.0)
    return plan_survey([zone_of(REGION)], CAMERA, SurveySettings(gsd_m=0.03, **settings), **inputs)


def paths(plan):
    """(sortie, leg, points) of everything that is flown."""
    return [(sortie, leg, leg.points_m) for sortie in plan.sorties for leg in sortie.legs]


every_case = pytest.mark.parametrize("case", CASES)


@every_case
def test_every_cell_of_the_zone_is_seen_often_enough(case):
    plan = plan_of(case)
    report = plan.report()["coverage"]
    assert (report["k"], plan.settings.views_asked) == (5, 5)
    assert report["share"] == round(plan.coverage.share(5), 5) >= 0.999
    assert plan.coverage.share(3) == 1.0
    assert plan.report()["photos"] == len(plan.shots) == plan.shots[-1].index + 1


@every_case
def test_nothing_is_flown_through_a_hole_or_a_no_fly_area(case):
    plan = plan_of(case)
    closed = [Polygon(hole) for hole in HOLES]
    if case == "no-fly area":
        closed.append(NO_FLY.buffer(0.5 * plan.settings.no_fly_margin_m))
    for _, _, points in paths(plan):
        line = FRAME.geometry_to_local(plan.frame.geometry_to_geo(LineString(points[:, :2])))
        for area in closed:
            assert line.intersection(area).length < 0.2


@every_case
def test_no_segment_comes_nearer_to_the_ground_than_the_clearance(case):
    plan = plan_of(case)
    terrain = hills(40.0) if CASES[case][1].get("terrain") else flat_terrain(plan.frame, 1500.0)
    least = np.inf
    for _, _, points in paths(plan):
        for a, b in itertools.pairwise(points):
            t = np.linspace(0, 1, max(int(np.hypot(*(b - a)[:2])), 2))[:, None]
            dense = a + t * (b - a)
            east, north = terrain.frame.to_local(*plan.frame.to_geo(dense[:, 0], dense[:, 1]))
            least = min(least, float((dense[:, 2] - terrain.at(east, north)).min()))
    assert least >= plan.settings.clearance_m
    assert plan.report()["min_clearance_m"] == pytest.approx(least, abs=0.3)


@every_case
def test_no_sortie_is_longer_than_a_battery_and_each_lane_is_flown_once(case):
    plan = plan_of(case)
    assert max(sortie.duration_s for sortie in plan.sorties) <= plan.settings.endurance_s
    flown = [lane for sortie in plan.sorties for lane in sortie.lanes]
    assert sorted(flown) == list(range(len(plan.lanes)))
    for _, leg, points in paths(plan):
        if leg.lane is not None:
            assert LineString(points[:, :2]).hausdorff_distance(plan.lanes[leg.lane].line) < 0.01


@every_case
def test_climbs_are_flown_no_faster_than_the_vehicle_climbs(case):
    plan = plan_of(case)
    frame = plan.settings.airframe
    for _, leg, points in paths(plan):
        run = np.maximum(np.hypot(*np.diff(points[:, :2], axis=0).T), 1e-6)
        rates = np.diff(points[:, 2]) / run * leg.speed_mps
        assert rates.max(initial=0) <= frame.climb_mps + 0.01
        assert rates.min(initial=0) >= -frame.descent_mps - 0.01


def test_on_steep_ground_the_mission_slows_down_and_speeds_up_again():
    plan = plan_survey(
        [zone_of(REGION)], CAMERA, SurveySettings(gsd_m=0.03), terrain=hills(90.0), launches=(LAUNCH,)
    )
    commanded = 0
    for sortie in plan.sorties:
        speed, seen = 0.0, []
        for item in sortie.mission.items:
            if item.command == Command.DO_CHANGE_SPEED:
                speed = item.params[1]
                commanded += 1
            elif item.command == Command.DO_SET_CAM_TRIGG_DIST and item.params[0] > 0:
                seen.append(speed)
        assert seen == pytest.approx([leg.speed_mps for leg in sortie.legs if leg.lane is not None])
    assert commanded > 3 * len(plan.sorties)
    assert min(leg.speed_mps for sortie in plan.sorties for leg in sortie.legs) < plan.speed_mps


def test_with_nothing_to_spare_between_height_and_clearance_the_clearance_still_holds():
    rng = np.random.default_rng(4)
    rough = replace(hills(20.0), heights_m=hills(20.0).heights_m + rng.uniform(-4, 4, (500, 500)))
    settings = SurveySettings(height_agl_m=60.0, clearance_m=60.0)
    plan = plan_survey(
        [zone_of(shapely.box(0, 0, 400, 300))], CAMERA, settings, terrain=rough, launches=(LAUNCH,)
    )
    for _, _, points in paths(plan):
        for a, b in itertools.pairwise(points):
            dense = a + np.linspace(0, 1, max(int(np.hypot(*(b - a)[:2]) / 2), 2))[:, None] * (b - a)
            assert (dense[:, 2] - rough.at(dense[:, 0], dense[:, 1])).min() >= 60.0 - 0.05


@every_case
def test_the_mission_takes_the_photos_that_the_plan_promises(case):
    plan = plan_of(case)
    terrain = hills(40.0) if CASES[case][1].get("terrain") else flat_terrain(plan.frame, 1500.0)
    for sortie in plan.sorties:
        poses = mission_poses(sortie.mission, terrain)
        assert len(poses) == len(sortie.shots)
        ours = np.array([[s.pose.east_m, s.pose.north_m, s.pose.up_m] for s in sortie.shots])
        frame = plan.frame if not CASES[case][1].get("terrain") else terrain.frame
        east, north = frame.to_local([s.lat_deg for s in sortie.shots], [s.lon_deg for s in sortie.shots])
        theirs = np.array([[p.east_m, p.north_m, p.up_m] for p in poses])
        assert np.abs(theirs[:, :2] - np.column_stack([east, north])).max() < 0.05
        assert np.abs(theirs[:, 2] - ours[:, 2]).max() < 0.05


@every_case
def test_a_mission_begins_at_its_launch_point_and_returns(case):
    for sortie in plan_of(case).sorties:
        items = sortie.mission.items
        assert items[0].command == Command.NAV_TAKEOFF
        assert (items[0].lat_deg, items[0].lon_deg) == pytest.approx(
            (sortie.launch.lat_deg, sortie.launch.lon_deg), abs=1e-6
        )
        assert items[-1].command == Command.NAV_RETURN_TO_LAUNCH
        assert all(i.frame == AltitudeFrame.RELATIVE for i in items if i.has_place)
        triggers = [i.params[0] for i in items if i.command == Command.DO_SET_CAM_TRIGG_DIST]
        assert triggers[1::2] == [0.0] * (len(triggers) // 2)  # on a lane, off behind it
        assert min(triggers[::2]) > 0
        (flight,) = flights_of(sortie.mission, FRAME)
        assert len(flight.stretches) == len(sortie.lanes)


def test_gsd_and_height_are_one_wish():
    by_gsd = plan_survey([zone_of(REGION)], CAMERA, SurveySettings(gsd_m=0.025), launches=(LAUNCH,))
    height = CAMERA.height_for_gsd_m(0.025)
    by_height = plan_survey(
        [zone_of(REGION)], CAMERA, SurveySettings(height_agl_m=height), launches=(LAUNCH,)
    )
    assert by_gsd.height_agl_m == pytest.approx(height)
    assert len(by_gsd.shots) == len(by_height.shots)
    gsd = by_gsd.report()["gsd_cm"]
    assert (gsd["min"], gsd["mean"], gsd["max"]) == pytest.approx((2.5, 2.5, 2.5), abs=0.01)
    assert {round(s.height_agl_m, 1) for s in by_gsd.shots} == {round(height, 1)}


def test_over_relief_the_gsd_stays_near_the_wish():
    gsd = plan_of("relief").report()["gsd_cm"]
    assert 2.7 < gsd["min"] <= gsd["mean"] <= 3.1
    assert gsd["max"] < 3.6


def test_overlaps_are_at_least_those_asked_for():
    plan = plan_of("flat")
    width, length = CAMERA.footprint_m(plan.height_agl_m)
    for leg in (leg for sortie in plan.sorties for leg in sortie.legs if leg.lane is not None):
        if leg.line.length > 100:
            assert 1 - leg.trigger_m / length >= 0.80 - 1e-9
    assert 1 - plan.spacing_m / width == pytest.approx(0.70)


def test_the_speed_gives_the_camera_its_time_and_no_blur():
    slow = find_camera("DJI Phantom 4 RTK")  # 2.5 s from photo to photo
    plan = plan_survey(
        [zone_of(REGION)], slow, SurveySettings(height_agl_m=60, speed_mps=12.0), launches=(LAUNCH,)
    )
    assert plan.speed_mps < 12.0
    for sortie in plan.sorties:
        for leg in sortie.legs:
            if leg.lane is not None:
                assert leg.trigger_m / leg.speed_mps >= slow.min_trigger_interval_s - 1e-6
    assert plan.speed_mps * slow.exposure_s <= slow.gsd_m(60) + 1e-9
    assert any("speed lowered from 12.0" in note for note in plan.notes)


def test_close_to_the_ground_it_flies_slowly_so_that_nothing_smears():
    settings = SurveySettings(gsd_m=0.005, clearance_m=5.0, speed_mps=9.0)
    plan = plan_survey([zone_of(shapely.box(0, 0, 60, 40))], CAMERA, settings, launches=(geo(0, 0, 0.0),))
    assert plan.speed_mps * CAMERA.exposure_s == pytest.approx(0.005)  # a pixel within the exposure
    assert any("motion blur" in note for note in plan.notes)


def test_what_may_not_be_flown_over_does_not_count_as_unseen():
    plan = plan_of("no-fly area")
    assert plan.coverage.zone_area_m2 == pytest.approx(REGION.difference(NO_FLY).area, rel=0.002)


def test_three_drones_are_done_about_together_and_sooner_than_one():
    plan, alone = plan_of("three drones"), plan_of("flat")
    assert {sortie.drone for sortie in plan.sorties} == {0, 1, 2}
    busy = [sum(s.duration_s for s in plan.sorties if s.drone == d) for d in range(3)]
    assert max(busy) < 1.35 * min(busy)
    assert max(busy) < 0.45 * sum(s.duration_s for s in alone.sorties)


def test_crosshatch_is_a_second_set_across_the_first():
    plan = plan_of("crosshatch")
    headings = np.array(
        [
            np.degrees(np.arctan2(*(lane.end_m - lane.start_m))) % 180
            for lane in plan.lanes
            if lane.length_m > 30
        ]
    )
    apart = np.abs((headings - plan.angle_deg + 90) % 180 - 90)
    assert ((apart < 0.5) | (np.abs(apart - 90) < 0.5)).all()
    assert 0.3 < (apart < 0.5).mean() < 0.7


def test_the_angle_that_the_plan_chooses_is_among_the_best():
    best = sum(s.duration_s for s in plan_of("flat").sorties)
    for angle in (0.0, 45.0, 135.0):
        fixed = plan_survey(
            [zone_of(REGION)], CAMERA, SurveySettings(gsd_m=0.03, angle_deg=angle), launches=(LAUNCH,)
        )
        assert fixed.angle_deg == angle
        assert best <= 1.05 * sum(s.duration_s for s in fixed.sorties)


def test_in_a_strong_wind_lanes_lie_across_it():
    square = zone_of(shapely.box(0, 0, 800, 800))
    plan = plan_survey(
        [square],
        CAMERA,
        SurveySettings(gsd_m=0.03, wind=Wind(11, 0), speed_mps=14),
        launches=(geo(0, 0, 0.0),),
    )
    assert plan.angle_deg == pytest.approx(90, abs=16)


def test_a_river_is_surveyed_along_its_course():
    line = LineString([(0, 0), (500, 0), (900, 300), (1500, 300)])
    river = Corridor("river", FRAME.geometry_to_geo(line))
    settings = SurveySettings(gsd_m=0.03, corridor_width_m=150.0)
    plan = plan_survey([river], CAMERA, settings, terrain=hills(30.0), launches=(geo(0, -100),))
    assert plan.coverage.share(3) >= 0.999
    assert plan.coverage.zone_area_m2 == pytest.approx(line.buffer(75, cap_style="flat").area, rel=0.02)
    longest = max(plan.lanes, key=lambda lane: lane.length_m)
    assert len(longest.points_m) >= 4  # lanes bend with the river


def test_two_zones_are_one_plan():
    zones = [zone_of(shapely.box(0, 0, 300, 300), "a"), zone_of(shapely.box(700, 100, 900, 500), "b")]
    plan = plan_survey(zones, CAMERA, SurveySettings(gsd_m=0.03), launches=(geo(400, 0),))
    assert plan.coverage.share(3) == 1.0
    assert len(plan.sorties) == 1


def test_a_zone_smaller_than_a_photo_still_gets_its_photos():
    plan = plan_survey([zone_of(shapely.box(0, 0, 20, 15))], CAMERA, SurveySettings(gsd_m=0.03))
    assert plan.coverage.share(1) == 1.0
    assert len(plan.shots) >= 1
    assert any("no launch point given" in note for note in plan.notes)


def test_a_hole_with_a_launch_point_in_it_may_be_flown_over():
    plan = plan_survey(
        [zone_of(REGION)], CAMERA, SurveySettings(gsd_m=0.03), launches=(geo(350, 260, 1500.0),)
    )
    assert any("1 of 3 holes may be flown over" in note for note in plan.notes)
    assert plan.coverage.share(3) == 1.0


def test_the_count_is_that_of_the_poses_alone():
    plan = plan_of("relief")
    again = count_photos(
        plan.region,
        [shot.pose for shot in plan.shots],
        CAMERA,
        hills(40.0),
        cell_size_m(CAMERA, plan.height_agl_m, plan.region),
    )
    assert np.array_equal(again.counts, plan.coverage.counts)


def test_the_same_wish_gives_the_same_plan():
    one, two = (
        plan_survey([zone_of(REGION)], CAMERA, SurveySettings(gsd_m=0.03), launches=(LAUNCH,))
        for _ in range(2)
    )
    assert one.report() == two.report()
    assert [repr(m) for m in one.missions] == [repr(m) for m in two.missions]


def test_a_battery_that_is_too_small_is_refused_in_one_line():
    with pytest.raises(
        SurveyError, match=r"endurance of 1\.0 min is too small: lane \d+ alone takes"
    ) as caught:
        plan_survey(
            [zone_of(REGION)], CAMERA, SurveySettings(gsd_m=0.03, endurance_s=60.0), launches=(LAUNCH,)
        )
    assert "\n" not in str(caught.value)


def test_a_lane_longer_than_a_battery_is_cut():
    strip = zone_of(shapely.box(0, 0, 3000, 60))
    plan = plan_survey(
        [strip], CAMERA, SurveySettings(gsd_m=0.03, endurance_s=600.0), launches=(geo(1500, -50),)
    )
    assert max(s.duration_s for s in plan.sorties) <= 600.0
    assert max(lane.length_m for lane in plan.lanes) < 1600
    assert plan.coverage.share(3) == 1.0


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"overlap": 1.0}, "overlap of 100%"),
        ({"sidelap": -0.1}, "sidelap of -10%"),
        ({"overlap": 0.97}, "at most 95 %"),
        ({"gsd_m": 0.03, "height_agl_m": 50}, "exclude each other"),
        ({"gsd_m": 0.0}, "GSD of 0"),
        ({"height_agl_m": float("nan")}, "height of nan"),
        ({"height_agl_m": 15}, "under the clearance of 20 m"),
        ({"speed_mps": -4}, "speed of -4"),
        ({"endurance_s": 0}, "endurance of 0"),
        ({"angle_deg": float("inf")}, "lane angle"),
        ({"gsd_m": 0.003, "clearance_m": 5, "overlap": 0.95}, "cannot keep up"),
        ({"wind": Wind(20, 0)}, "too strong"),
        ({"corridor_width_m": 100}, "corridor survey follows lines"),
    ],
)
def test_what_cannot_be_flown_is_refused_in_one_line(settings, says):
    with pytest.raises(PlanningError, match=says) as caught:
        plan_survey([zone_of(REGION)], CAMERA, SurveySettings(**settings), launches=(LAUNCH,))
    assert "\n" not in str(caught.value)


def test_inputs_that_do_not_fit_are_refused_with_what_to_do():
    zone, settings = zone_of(REGION), SurveySettings(gsd_m=0.03)
    with pytest.raises(ZoneError, match="no zone to plan"):
        plan_survey([], CAMERA, settings)
    near, far = (Zone("z", shapely.box(lon, 10, lon + 0.01, 10.01)) for lon in (179.9, -179.9))
    with pytest.raises(ZoneError, match="both sides of the antimeridian"):
        plan_survey([near, far], CAMERA, settings)
    with pytest.raises(ZoneError, match="zones span 1"):
        plan_survey([zone, Zone("typo", shapely.box(104, 40, 104.01, 40.01))], CAMERA, settings)
    with pytest.raises(SurveyError, match="0 drones"):
        plan_survey([zone], CAMERA, settings, drones=0)
    with pytest.raises(SurveyError, match="stands in a no-fly area"):
        plan_survey([zone], CAMERA, settings, no_fly=[zone_of(NO_FLY)], launches=(geo(550, 360),))
    with pytest.raises(SurveyError, match="is not near the zone"):
        plan_survey([zone], CAMERA, settings, launches=(GeoPoint(104.0, 30.0),))
    with pytest.raises(SurveyError, match="leave nothing of the zone"):
        plan_survey(
            [zone], CAMERA, settings, no_fly=[zone_of(REGION.envelope.buffer(50))], launches=(geo(-300, 0),)
        )
    with pytest.raises(SurveyError, match="a line is no zone"):
        plan_survey([Corridor("c", LineString([(104, 30), (104.01, 30)]))], CAMERA, settings)
    far = Zone("far", FRAME.geometry_to_geo(shapely.box(2000, 2000, 3000, 3000)))
    with pytest.raises(TerrainError, match="lacks"):
        plan_survey([far], CAMERA, settings, terrain=hills(10.0, step_m=50.0), launches=(geo(2000, 1990),))


def test_photos_of_a_lane_stand_evenly_and_the_last_one_is_not_cut_off():
    distance, count = trigger_plan(1000.0, 21.0, 5.0)
    assert distance <= 21.0
    places, headings = shot_places(np.array([[0.0, 0, 50], [1000.0, 0, 50]]), distance)
    assert len(places) == count
    assert np.diff(places[:, 0]) == pytest.approx(distance)
    assert 0.2 * distance < 1000 - places[-1, 0] < 0.5 * distance  # the lane goes on past its last photo
    assert headings == pytest.approx(90.0)


@given(st.floats(5, 2000), st.floats(5, 90), st.floats(0, 15))
def test_every_lane_goes_on_past_its_last_photo(length_m, widest_m, run_out_m):
    distance, count = trigger_plan(length_m, widest_m, 0.0, run_out_m)
    places, _ = shot_places(np.array([[0.0, 0, 50], [length_m, 0, 50]]), distance)
    assert len(places) == count
    assert distance <= widest_m
    left = length_m - places[-1, 0]
    assert left >= min(0.9 * distance, max(0.3 * distance, run_out_m)) - 0.002 * count
    assert left < distance


def test_on_a_lane_too_short_for_the_camera_photos_keep_its_time():
    distance, _ = trigger_plan(30.0, 21.0, 25.0)
    assert distance >= 25.0
