"""Ways between lanes: never through a hole or a no-fly area, and not longer than they need be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import LineString, Polygon

from plans.errors import SurveyError
from plans.lanes import Lane, sweep_lanes
from plans.obstacles import Obstacles, corners_of, make_obstacles
from plans.route import order_lanes

from .conftest import HOLES, SHELL, repeatable

SQUARE = make_obstacles([shapely.box(-100, -100, 100, 100)], 0.0)


def straight(points):
    return np.hypot(points[:, None, 0] - points[None, :, 0], points[:, None, 1] - points[None, :, 1])


def length_m(way):
    return float(np.hypot(*np.diff(way, axis=0).T).sum())


def tour_m(lanes, depot):
    ends = [depot, *(p for lane in lanes for p in (lane.start_m, lane.end_m)), depot]
    return sum(float(np.hypot(*(b - a))) for a, b in zip(ends[::2], ends[1::2], strict=True))


@st.composite
def walls_and_ends(draw):
    """Up to six discs of walls in a kilometre, and two places outside of them."""
    discs = []
    for _ in range(draw(st.integers(1, 6))):
        centre = shapely.Point(draw(st.floats(-400, 400)), draw(st.floats(-400, 400)))
        discs.append(centre.buffer(draw(st.floats(10, 150)), quad_segs=draw(st.integers(1, 4))))
    obstacles = make_obstacles(discs, draw(st.floats(0.5, 20)))
    ends = [np.array([draw(st.floats(-700, 700)), side * draw(st.floats(620, 700))]) for side in (-1, 1)]
    return discs, obstacles, ends[0], ends[1]


def test_the_way_around_a_square_is_the_shorter_one():
    way = SQUARE.path(np.array([-300.0, 20.0]), np.array([300.0, 20.0]))
    assert length_m(way) == pytest.approx(2 * np.hypot(200, 80) + 200)
    assert (way[1:-1, 1] == 100).all()
    assert (way[0] == (-300, 20)).all()
    assert (way[-1] == (300, 20)).all()


def test_a_free_way_is_straight():
    way = SQUARE.path(np.array([-300.0, 150.0]), np.array([300.0, 150.0]))
    assert len(way) == 2
    assert not SQUARE.crosses(way[:1], way[1:])[0]


def test_along_a_wall_is_not_through_it_but_across_is():
    a = np.array([[-300.0, 100.0], [-300.0, 99.0], [0.0, 0.0]])
    b = np.array([[300.0, 100.0], [300.0, 99.0], [10.0, 0.0]])
    assert SQUARE.crosses(a, b).tolist() == [False, True, True]
    assert SQUARE.holds(np.array([0.0, 0.0])) is not None
    assert SQUARE.holds(np.array([100.0, 0.0])) is None


@repeatable(60)
@given(walls_and_ends())
def test_no_way_crosses_a_wall_and_every_way_is_short(scene):
    discs, obstacles, a, b = scene
    way = obstacles.path(a, b)
    line = LineString(way)
    for disc in discs:
        assert line.intersection(disc.buffer(-0.1)).is_empty
    straight_m = float(np.hypot(*(b - a)))
    assert (
        straight_m - 1e-9 <= length_m(way) <= straight_m + sum(w.length for w in obstacles.walls) / 2 + 1e-6
    )
    assert length_m(obstacles.path(b, a)) == pytest.approx(length_m(way))
    # the matrix by which lanes are ordered knows the same lengths
    assert obstacles.distances(np.stack([a, b]))[0, 1] == pytest.approx(length_m(way), rel=1e-6)


@repeatable(40)
@given(walls_and_ends())
def test_walls_keep_half_the_margin_from_what_they_guard(scene):
    discs, _, _, _ = scene
    margin = 8.0
    area = make_obstacles(discs, margin).area
    for disc in discs:
        assert area.covers(disc)
        assert disc.boundary.distance(area.boundary) >= margin / 2 - 1e-6
    for one, other in itertools.combinations(make_obstacles(discs, margin).walls, 2):
        assert one.intersection(other).area == 0


def test_a_courtyard_cannot_be_entered():
    ring = shapely.Point(0, 0).buffer(100).difference(shapely.Point(0, 0).buffer(60))
    closed = make_obstacles([ring], 2.0)
    assert len(closed.walls) == 1
    assert closed.holds(np.array([0.0, 0.0])) is not None
    with pytest.raises(SurveyError, match="no way between two lanes"):
        closed.path(np.array([0.0, 0.0]), np.array([300.0, 0.0]))


def test_with_very_many_corners_the_way_itself_stays_exact():
    many = [shapely.Point(x, y).buffer(30, quad_segs=4) for x in range(-400, 401, 100) for y in (-60, 60)]
    obstacles = make_obstacles(many, 2.0)
    assert len(corners_of(obstacles.walls)) > 150
    way = obstacles.path(np.array([-600.0, -60.0]), np.array([600.0, -60.0]))
    assert not obstacles.crosses(way[:-1], way[1:]).any()
    assert length_m(way) < 1.1 * 1200


def test_without_walls_all_distances_are_straight():
    points = np.array([[0.0, 0.0], [3.0, 4.0], [10.0, 0.0]])
    assert np.allclose(Obstacles().distances(points), straight(points))


def test_every_lane_is_flown_once():
    lanes = sweep_lanes(
        Polygon(SHELL, HOLES), make_obstacles([Polygon(h) for h in HOLES], 2.0).area, 40.0, 20.0
    )
    flown = order_lanes(lanes, np.array([[0.0, -50.0]]), straight)

    def key(lane):
        return lane.rank, *sorted(tuple(np.round(p, 6)) for p in lane.points_m)

    assert sorted(map(key, flown)) == sorted(map(key, lanes))


def test_a_rectangle_is_flown_to_and_fro():
    lanes = sweep_lanes(shapely.box(0, 0, 1000, 400), None, 50.0, 90.0)
    flown = order_lanes(lanes, np.array([[0.0, 0.0]]), straight)
    assert tour_m(flown, np.array([0.0, 0.0])) == pytest.approx(25 + 7 * 50 + 375)


@pytest.mark.parametrize("seed", range(6))
def test_a_few_lanes_are_flown_in_nearly_the_best_order(seed):
    rng = np.random.default_rng(seed)
    lanes = [Lane(LineString(rng.uniform(-500, 500, (2, 2))), i) for i in range(5)]
    depot = np.array([0.0, 0.0])
    best = min(
        tour_m([lane.turned() if turn else lane for lane, turn in zip(order, turns, strict=True)], depot)
        for order in itertools.permutations(lanes)
        for turns in itertools.product((False, True), repeat=5)
    )
    found = tour_m(order_lanes(lanes, depot[None], straight), depot)
    assert best - 1e-6 <= found <= 1.08 * best
    kicked = tour_m(order_lanes(lanes, depot[None], straight, kicks=30), depot)
    assert kicked == pytest.approx(best)  # with kicks it is the best there is


def test_the_order_is_the_same_on_every_run():
    lanes = sweep_lanes(Polygon(SHELL, HOLES), None, 60.0, 75.0)
    one, two = (order_lanes(lanes, np.array([[700.0, 0.0]]), straight) for _ in range(2))
    assert all((a.points_m == b.points_m).all() for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("margin_m", [0.0, 1.7e-199, 1e-9, 5.0])
def test_a_wall_holds_its_area_whatever_the_margin(margin_m):
    area = shapely.Polygon([(5.0, 0.0), (-2.5, 4.3), (-2.5, -4.3)])
    (wall,) = make_obstacles([area], margin_m).walls
    assert wall.buffer(1e-6).contains(area)
