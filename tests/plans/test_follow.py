"""The flight stays clear of the ground on every segment, and climbs no steeper than the vehicle can."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plans.errors import TerrainError
from plans.follow import FollowLimits, clearance_m, follow_ground
from plans.terrain import Terrain, flat_terrain

from .conftest import FRAME, hills, repeatable

LIMITS = FollowLimits(height_m=60.0, clearance_m=30.0, tolerance_m=5.0, climb_slope=0.4, descent_slope=0.3)
LANES = [
    np.array([[-900.0, -300.0], [900.0, -300.0]]),
    np.array([[900.0, -300.0], [900.0, 200.0]]),
    np.array([[900.0, 200.0], [-900.0, 200.0]]),
]
TRANSIT = [False, True, False]


def ridge(height_m=120.0, width_m=60.0, step_m=5.0):
    """A north-south ridge at east 0 over ground at 1000 m."""
    east = np.arange(-1500, 1500, step_m) + step_m / 2
    profile = 1000 + height_m * np.exp(-((east / width_m) ** 2))
    return Terrain(FRAME, -1500.0, 1500.0, step_m, np.tile(profile, (len(east), 1)), "ridge")


def heights_over(path, terrain, step_m=0.5):
    """Height above ground every half metre of every segment, by no function of the program."""
    found = []
    for a, b in itertools.pairwise(path):
        t = np.linspace(0, 1, max(int(np.hypot(*(b - a)[:2]) / step_m), 2))[:, None]
        points = a + t * (b - a)
        found.append(points[:, 2] - terrain.at(points[:, 0], points[:, 1]))
    return np.concatenate(found)


def slopes(path):
    run = np.hypot(*np.diff(path[:, :2], axis=0).T)
    return np.diff(path[:, 2])[run > 0.01] / run[run > 0.01]


def joined(legs):
    return np.concatenate([legs[0], *(leg[1:] for leg in legs[1:])])


def test_over_level_ground_the_flight_is_level_and_adds_no_point():
    legs = follow_ground(LANES, TRANSIT, flat_terrain(FRAME, 1000.0), LIMITS)
    assert [len(leg) for leg in legs] == [2, 2, 2]
    assert joined(legs)[:, 2] == pytest.approx(1060.0)


def test_over_a_ridge_no_segment_is_under_the_clearance_and_the_lane_keeps_its_height():
    ground = ridge()
    legs = follow_ground(LANES, TRANSIT, ground, LIMITS)
    path = joined(legs)
    above = heights_over(path, ground)
    assert above.min() >= LIMITS.clearance_m
    assert len(legs[0]) > 2
    assert heights_over(legs[0][:2], ground)[0] == pytest.approx(60.0)
    # the lane does not sink below its height by more than the tolerance: the GSD holds
    assert heights_over(legs[0], ground).min() >= LIMITS.height_m - LIMITS.tolerance_m - 0.5


def test_before_a_wall_of_rock_the_path_rises_in_time():
    ground = ridge(height_m=200.0, width_m=20.0)  # steeper than any climb
    path = joined(follow_ground(LANES, TRANSIT, ground, LIMITS))
    assert heights_over(path, ground).min() >= LIMITS.clearance_m
    assert slopes(path).max() <= LIMITS.climb_slope + 1e-6
    assert slopes(path).min() >= -LIMITS.descent_slope - 1e-6


def test_legs_hang_together():
    legs = follow_ground(LANES, TRANSIT, ridge(), LIMITS)
    for before, after in itertools.pairwise(legs):
        assert before[-1] == pytest.approx(after[0])
    for leg, flat in zip(legs, LANES, strict=True):
        assert leg[0, :2] == pytest.approx(flat[0])
        assert leg[-1, :2] == pytest.approx(flat[-1])


def test_a_transit_crosses_a_valley_without_diving_into_it():
    ground = ridge(height_m=-150.0, width_m=200.0)
    line = [np.array([[-900.0, 0.0], [900.0, 0.0]])]
    lane = follow_ground(line, [False], ground, LIMITS)[0]
    transit = follow_ground(line, [True], ground, LIMITS)[0]
    assert lane[:, 2].min() < 960
    assert transit[:, 2].min() == pytest.approx(1060.0)
    assert len(transit) == 2


def test_a_transit_over_a_wall_of_rock_climbs_no_steeper_than_the_vehicle_can():
    ground = ridge(height_m=300.0, width_m=15.0)
    (path,) = follow_ground([np.array([[-900.0, 0.0], [900.0, 0.0]])], [True], ground, LIMITS)
    assert heights_over(path, ground).min() >= LIMITS.clearance_m
    assert slopes(path).max() <= LIMITS.climb_slope + 1e-6
    assert slopes(path).min() >= -LIMITS.descent_slope - 1e-6


def test_near_the_launch_point_a_transit_rises_over_a_cliff_only_as_steeply_as_it_may():
    """The ends of a path are held to the ground; between them the string is pulled tight over the cliff."""
    ground = ridge(height_m=250.0, width_m=15.0)
    legs = [np.array([[-120.0, 0.0], [300.0, 0.0]]), np.array([[300.0, 0.0], [900.0, 0.0]])]
    path = joined(follow_ground(legs, [True, False], ground, LIMITS))
    assert heights_over(path, ground).min() >= LIMITS.clearance_m
    assert slopes(path).max() <= LIMITS.climb_slope + 1e-6
    assert slopes(path).min() >= -LIMITS.descent_slope - 1e-6


@repeatable(60)
@given(st.integers(0, 10_000), st.floats(10, 160), st.floats(0.15, 0.6), st.floats(20, 55))
def test_over_any_relief_clearance_and_slopes_hold(seed, amplitude, slope, clearance):
    ground = hills(amplitude, step_m=20.0, seed=seed, half_m=1200.0)
    limits = FollowLimits(60.0, clearance, 5.0, slope, slope * 0.8)
    path = joined(follow_ground(LANES, TRANSIT, ground, limits))
    # half a metre: ground between two samples may stand a little higher than both; build_sortie lifts for it
    assert heights_over(path, ground, 2.0).min() >= clearance - 0.5
    assert slopes(path).max() <= slope + 1e-6
    assert slopes(path).min() >= -0.8 * slope - 1e-6


def test_the_reported_clearance_is_the_least_of_all_segments():
    ground = ridge()
    path = np.array([[-500.0, 0.0, 1160.0], [500.0, 0.0, 1160.0]])
    assert clearance_m(path, ground) == pytest.approx(heights_over(path, ground).min(), abs=0.3)
    assert clearance_m(path, ground) == pytest.approx(40.0, abs=0.5)


def test_a_flight_that_leaves_the_dem_is_refused():
    small = Terrain(FRAME, -500.0, 500.0, 10.0, np.full((100, 100), 1000.0), "small.tif")
    with pytest.raises(TerrainError, match=r"small\.tif"):
        follow_ground(LANES, TRANSIT, small, LIMITS)
