"""Editing areas by hand: every edit gives a polygon, and what cannot be done is said."""

import pytest
from shapely import Polygon, box

from plans.errors import ZoneError
from plans.zone_edit import (
    add_hole,
    fault_of,
    insert_vertex,
    join_areas,
    move_area,
    move_vertex,
    nearest_edge,
    nearest_vertex,
    remove_hole,
    remove_vertex,
    rings_of,
    split_area,
)

SQUARE = box(0, 0, 100, 100)
HOLED = Polygon(SQUARE.exterior.coords, [[(40, 40), (60, 40), (60, 60), (40, 60)]])


def test_a_corner_goes_where_it_is_put_and_nothing_else_moves():
    corner = nearest_vertex(HOLED, (61, 59), 5)
    assert corner is not None
    ring, vertex = corner
    assert ring == 1
    moved = move_vertex(HOLED, ring, vertex, (70, 70))
    assert (70, 70) in rings_of(moved)[1]
    assert rings_of(moved)[0] == rings_of(HOLED)[0]
    assert HOLED.area == 10_000 - 400


def test_a_corner_dragged_over_another_edge_is_a_fault_that_is_told():
    bad = move_vertex(SQUARE, 0, nearest_vertex(SQUARE, (0, 0), 1)[1], (150, 50))
    assert "intersection" in fault_of(bad).lower()
    assert fault_of(SQUARE) is None


def test_a_click_on_an_edge_makes_a_corner_there():
    ring, after = nearest_edge(SQUARE, (50, 101), 2)
    more = insert_vertex(SQUARE, ring, after, (50, 120))
    assert len(rings_of(more)[0]) == 5
    assert more.area == 11_000
    assert fault_of(more) is None
    assert nearest_edge(SQUARE, (50, 150), 2) is None


def test_the_last_three_corners_of_the_outline_stay_and_those_of_a_hole_go_together():
    triangle = Polygon([(0, 0), (100, 0), (0, 100)], [[(10, 10), (20, 10), (10, 20)]])
    with pytest.raises(ZoneError, match="three corners"):
        remove_vertex(triangle, 0, 0)
    assert len(rings_of(remove_vertex(triangle, 1, 0))) == 1
    assert len(rings_of(remove_hole(HOLED, 1))) == 1
    assert remove_vertex(SQUARE, 0, 0).area == 5_000


def test_a_hole_a_bite_and_a_cut_through():
    (holed,) = add_hole(SQUARE, [(40, 40), (60, 40), (60, 60), (40, 60)])
    assert holed.area == 9_600
    assert len(rings_of(holed)) == 2
    (bitten,) = add_hole(SQUARE, [(90, 40), (110, 40), (110, 60), (90, 60)])
    assert bitten.area == 9_800
    assert len(rings_of(bitten)) == 1
    assert [p.area for p in add_hole(SQUARE, [(60, -1), (70, -1), (70, 101), (60, 101)])] == [6_000, 3_000]


@pytest.mark.parametrize(
    ("hole", "said"),
    [
        ([(200, 0), (300, 0), (300, 100)], "outside"),
        ([(-1, -1), (101, -1), (101, 101), (-1, 101)], "whole area"),
        ([(10, 10), (20, 20), (20, 10), (10, 20)], "crosses itself"),
    ],
)
def test_a_hole_that_cannot_be_is_said(hole, said):
    with pytest.raises(ZoneError, match=said):
        add_hole(SQUARE, hole)


def test_a_line_across_makes_two_areas_that_become_one_again():
    parts = split_area(HOLED, [(30, -10), (30, 110)])
    assert sum(p.area for p in parts) == pytest.approx(HOLED.area)
    assert join_areas(parts).equals(HOLED)
    with pytest.raises(ZoneError, match="in two"):
        split_area(SQUARE, [(30, -10), (30, 50)])
    with pytest.raises(ZoneError, match="apart"):
        join_areas([SQUARE, move_area(SQUARE, 500, 0)])


def test_a_whole_area_moves_with_its_holes():
    moved = move_area(HOLED, 5, -7)
    assert moved.bounds == (5, -7, 105, 93)
    assert moved.area == HOLED.area
