"""Lanes and photos lie closer where the ground rises towards the camera, and only there."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from plans.cameras import Camera
from plans.coverage import count_photos
from plans.follow import FollowLimits
from plans.lanes import SweepAxes
from plans.relief import lane_places, trigger_over_relief_m
from plans.survey import SurveySettings, plan_survey
from plans.terrain import Terrain, flat_terrain
from plans.zones import Zone

from .conftest import FRAME

LIMITS = FollowLimits(height_m=100.0, clearance_m=20.0, tolerance_m=5.0, climb_slope=1.0, descent_slope=1.0)
REACH = 60.0  # half a footprint from 100 m
SPACING = 2 * REACH * 0.3
BOX = shapely.box(0, 0, 900, 900)
CAMERA = Camera("Wide", 18.0, 12.0, 15.0, 6000, 4000, 0.7)


def ground(height):
    """A DEM of 10 m cells over the box and a kilometre around it, of a function of east and north."""
    at = np.arange(-1000.0, 2000.0, 10.0) + 5.0
    east, north = np.meshgrid(at, at[::-1])
    return Terrain(FRAME, -1000.0, 2000.0, 10.0, np.asarray(height(east, north), float) + 0 * east, "made")


def gaps_of(height, angle):
    axes = SweepAxes.of(BOX, angle)
    places = lane_places(BOX, axes, SPACING, REACH, ground(height), LIMITS)
    assert (np.diff(places) > 0).all()
    return axes, places


def test_on_level_ground_lanes_stand_in_equal_strips():
    axes, places = gaps_of(lambda e, n: 500.0, 30.0)
    assert places == pytest.approx(axes.even_places(SPACING))


def test_in_a_hollow_lanes_come_closer_and_elsewhere_they_do_not():
    axes, places = gaps_of(lambda e, n: 500 + 0.5 * abs(e - 450), 0.0)
    gaps, middles = np.diff(places), (places[1:] + places[:-1]) / 2
    hollow = abs(middles - 450) < 30
    # both neighbours look up a slope of one in two: tan of the half field of view is 0.6
    both_sides_up = 2 * REACH / (1 + 0.6 * 0.5) * 0.3
    assert gaps[hollow].min() == pytest.approx(both_sides_up, rel=0.08)
    assert gaps[~hollow].mean() > 0.97 * SPACING
    assert places[0] - axes.left <= SPACING
    assert axes.right - places[-1] <= SPACING


def test_lanes_straight_up_a_slope_stand_as_on_level_ground():
    _, places = gaps_of(lambda e, n: 500 + 0.5 * n, 0.0)
    assert np.diff(places)[:-1] == pytest.approx(SPACING, rel=0.02)
    assert np.diff(places)[-1] <= 1.02 * SPACING


def test_on_a_ridge_lanes_are_never_further_apart_than_a_quarter_more():
    _, places = gaps_of(lambda e, n: 900 - 0.8 * abs(e - 450), 0.0)
    assert np.diff(places).max() <= 1.25 * SPACING + 1e-6


def lane(height, step_m=10.0):
    """A lane of 800 m to the north, 100 m above the ground."""
    north = np.arange(0.0, 801.0, step_m)
    east = np.full(len(north), 450.0)
    return np.column_stack([east, north, ground(height).at(east, north) + 100.0])


@pytest.mark.parametrize(("height", "share"), [
    (lambda e, n: 500.0 + 0 * n, 1.0),
    (lambda e, n: 500.0 + 0.4 * n, 1.0),
    (lambda e, n: 500.0 + 0.5 * abs(n - 400), 1 / (1 + 0.4 * 0.5)),
    (lambda e, n: 900.0 - 0.5 * abs(n - 400), 1.0),
])  # fmt: skip
def test_photos_come_closer_where_a_lane_crosses_a_hollow(height, share):
    trigger = trigger_over_relief_m(lane(height), 16.0, 40.0, 100.0, ground(height))
    assert trigger == pytest.approx(16.0 * share, rel=0.08)
    assert trigger <= 16.0


@pytest.mark.parametrize("angle", [0.0, 90.0, 35.0])
def test_the_overlap_asked_for_holds_in_a_steep_valley(angle):
    """The proof of it: no cell of a V-shaped valley is seen by fewer photos than on level ground."""
    valley = ground(lambda e, n: 500 + 0.6 * abs(e - 450) + 20 * np.sin(n / 70))
    settings = SurveySettings(height_agl_m=100.0, angle_deg=angle, endurance_s=1e5)
    zone = Zone("valley", FRAME.geometry_to_geo(BOX))
    plan = plan_survey([zone], CAMERA, settings, terrain=valley)
    poses = [shot.pose for shot in plan.shots]
    assert count_photos(plan.region, poses, CAMERA, valley, 4.0).share(settings.views_asked) >= 0.998
    level = plan_survey([zone], CAMERA, settings, terrain=flat_terrain(FRAME, 500.0))
    assert len(plan.lanes) <= 1.25 * len(level.lanes)


def test_a_sliver_gets_one_lane():
    sliver = shapely.Polygon([(0, 0), (1e-12, 0), (1e-12, 900), (0, 900)])
    axes = SweepAxes.of(sliver, 0.0)
    places = lane_places(sliver, axes, SPACING, REACH, ground(lambda east, north: north / 2), LIMITS)
    assert len(places) == 1
