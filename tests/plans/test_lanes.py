"""Lanes lie where there is something to photograph, nowhere else, and everywhere there is."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import LineString, MultiPolygon, Polygon

from plans.lanes import Lane, candidate_angles, corridor_lanes, sweep_lanes
from plans.obstacles import make_obstacles

from .conftest import HOLES, SHELL, repeatable

SPACING_M = 40.0


def total_m(lanes):
    return sum(lane.length_m for lane in lanes)


def together(lanes):
    return shapely.union_all([lane.line for lane in lanes])


@st.composite
def zones_with_holes(draw):
    """A star-shaped zone of 200 to 600 m with up to three holes, which may not touch its edge."""
    corners = draw(st.integers(3, 10))
    radii = draw(st.lists(st.floats(200, 600), min_size=corners, max_size=corners))
    turn = draw(st.floats(0, 6.28))
    t = turn + np.arange(corners) * 2 * np.pi / corners
    shell = Polygon(np.column_stack([radii * np.cos(t), radii * np.sin(t)]))
    reach = shell.exterior.distance(shapely.Point(0, 0))
    holes = []
    for number in range(draw(st.integers(0, 3))):
        angle = number * 2.1 + draw(st.floats(0, 1))
        centre = shapely.Point(0.5 * reach * np.cos(angle), 0.5 * reach * np.sin(angle))
        holes.append(centre.buffer(draw(st.floats(4, 0.35 * reach)), quad_segs=draw(st.integers(1, 3))))
    region = shapely.difference(shell, shapely.union_all(holes)) if holes else shell
    return region, holes


def test_a_rectangle_gets_its_width_in_lanes_and_their_exact_length():
    lanes = sweep_lanes(shapely.box(0, 0, 1000, 400), None, 50.0, 90.0)
    assert len(lanes) == 8
    assert total_m(lanes) == pytest.approx(8 * 1000)
    assert sorted(lane.start_m[1] for lane in lanes) == pytest.approx(np.arange(25, 400, 50).tolist())


def test_the_spacing_is_never_wider_than_asked():
    lanes = sweep_lanes(shapely.box(0, 0, 1000, 410), None, 50.0, 90.0)
    assert len(lanes) == 9
    assert np.diff(sorted(lane.start_m[1] for lane in lanes)).max() == pytest.approx(410 / 9)


def test_a_notch_is_not_flown_over():
    notched = Polygon(
        [(0, 0), (1000, 0), (1000, 400), (600, 400), (600, 100), (400, 100), (400, 400), (0, 400)]
    )
    lanes = sweep_lanes(notched, None, 50.0, 90.0)
    assert total_m(lanes) == pytest.approx(2 * 1000 + 6 * 800)
    assert total_m([lane for lane in lanes if lane.line.within(shapely.box(400, 100, 600, 400))]) == 0
    assert [sum(lane.rank == rank for lane in lanes) for rank in range(8)] in (
        [1, 1, 2, 2, 2, 2, 2, 2],
        [2, 2, 2, 2, 2, 2, 1, 1],
    )


def test_a_hole_and_its_margin_are_left_out_to_the_centimetre():
    region = Polygon(
        shapely.box(0, 0, 1000, 400).exterior.coords, [shapely.box(300, 100, 500, 200).exterior.coords]
    )
    wall = shapely.box(290, 90, 510, 210)
    lanes = sweep_lanes(region, wall, 50.0, 90.0)
    # the lanes at 125 and 175 meet the hole
    assert total_m(lanes) == pytest.approx(8 * 1000 - 2 * 220)
    assert together(lanes).intersection(wall).length < 1e-9


@repeatable(60)
@given(zones_with_holes(), st.floats(0, 179.9))
def test_of_any_zone_everything_is_on_a_lane_and_nothing_of_a_lane_is_in_a_hole(zone, angle):
    region, holes = zone
    blocked = make_obstacles(holes, 5.0).area if holes else None
    lanes = sweep_lanes(region, blocked, SPACING_M, angle)
    flown = together(lanes)
    if blocked is not None:
        assert flown.intersection(blocked.buffer(-1e-3)).length == 0
    # the clip of each sweep line to what may be photographed is flown whole
    unit = np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])
    across = np.array([unit[1], -unit[0]])
    target = region if blocked is None else shapely.difference(region, blocked)
    for rank in {lane.rank for lane in lanes}:
        own = [lane for lane in lanes if lane.rank == rank]
        places = np.concatenate([lane.points_m @ across for lane in own])
        assert np.ptp(places) < 1e-6  # one straight line, at the angle asked for
        offset = across * places[0]
        line = LineString([offset - 2000 * unit, offset + 2000 * unit])
        left = shapely.difference(line.intersection(target), together(own).buffer(1e-3))
        assert left.length <= 0.51 * (1 + len(holes))  # stubs under half a metre are not worth a lane
    # a lane goes past the zone's edge by no more than one spacing, to pass a slanting edge abeam
    assert max(region.distance(shapely.Point(end)) for lane in lanes for end in lane.points_m) <= SPACING_M
    # no ground is farther from a lane than one spacing, if it may be flown over at all
    seen = flown.buffer(SPACING_M)
    assert target.difference(seen).area < 1e-6


def test_the_concave_zone_with_three_holes_is_swept_at_every_angle():
    region = Polygon(SHELL, HOLES)
    blocked = make_obstacles([Polygon(hole) for hole in HOLES], 2.0).area
    open_m2 = region.difference(blocked).area
    for angle in range(0, 180, 15):
        lanes = sweep_lanes(region, blocked, SPACING_M, angle)
        # area over spacing is the length of an ideal sweep; edges cost a little more
        assert open_m2 / SPACING_M < total_m(lanes) * 1.03
        assert total_m(lanes) < 1.2 * open_m2 / SPACING_M
        assert together(lanes).intersection(blocked.buffer(-1e-3)).length == 0


def test_a_tip_thinner_than_a_strip_is_not_forgotten():
    # a wedge whose tip lies in a strip that no sweep line of the zone's body reaches
    wedge = Polygon([(0, 0), (400, 0), (400, 100), (200, 104), (0, 100)])
    lanes = sweep_lanes(wedge, None, 35.0, 90.0)
    assert wedge.difference(together(lanes).buffer(35.0)).is_empty


def test_lanes_of_one_sweep_line_share_their_rank():
    two = MultiPolygon([shapely.box(0, 0, 100, 100), shapely.box(300, 0, 400, 100)])
    lanes = sweep_lanes(two, None, 50.0, 90.0)
    assert [lane.rank for lane in lanes] == [0, 0, 1, 1]
    assert total_m(lanes) == pytest.approx(400)


def test_a_lane_turned_is_the_same_lane_the_other_way():
    lane = Lane(LineString([(0, 0), (5, 0), (9, 3)]), 4)
    turned = lane.turned()
    assert (turned.start_m == lane.end_m).all()
    assert turned.length_m == lane.length_m
    assert turned.rank == 4


def test_a_corridor_is_covered_side_by_side():
    river = LineString([(0, 0), (500, 0), (900, 300), (1500, 300)])
    lanes = corridor_lanes(river, 120.0, 40.0, None)
    assert len({lane.rank for lane in lanes}) == 3
    assert river.buffer(60, cap_style="flat").difference(together(lanes).buffer(30)).area < 300
    middle = [lane for lane in lanes if lane.rank == 1]
    assert total_m(middle) == pytest.approx(river.length, rel=0.01)


def test_a_corridor_leaves_out_what_is_forbidden():
    wall = shapely.box(400, -30, 600, 10)
    lanes = corridor_lanes(LineString([(0, 0), (1000, 0)]), 100.0, 50.0, wall)
    assert together(lanes).intersection(wall.buffer(-1e-6)).length == 0
    assert total_m(lanes) == pytest.approx(2 * 1000 - 200)


def test_the_long_side_of_a_zone_is_among_the_angles_tried():
    slanted = shapely.affinity.rotate(shapely.box(0, 0, 1000, 200), -27, origin=(0, 0))  # 90 + 27 from north
    angles = candidate_angles(slanted, extra_deg=[33.0], keep=4)
    assert angles[0] == pytest.approx(117.0, abs=0.01)
    assert any(abs(angle - 33.0) < 1e-9 for angle in angles)
    assert all(0 <= angle < 180 for angle in angles)
