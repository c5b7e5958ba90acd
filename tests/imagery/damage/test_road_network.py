"""Which houses the roads still reach: never a guess, and never reached over a cut."""

import itertools

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiPoint, Point, box

from imagery.damage.legend import ACCESS_UNKNOWN, CUT_OFF, REACHABLE
from imagery.damage.places import access_of, outside_of, villages
from imagery.damage.road_network import network
from imagery.damage.roads import RoadStretch, cut_places
from imagery.damage.scene import GeoGrid
from imagery.damage.vector_in import VectorLayer

MAP = box(0, 0, 1000, 1000)
OUTSIDE = MAP.buffer(500, join_style="mitre").difference(MAP)


def road(fid: int, *corners: tuple[float, float], states: dict[tuple[float, float], str] | None = None):
    """Stretches of a road: passable but for {(from m, to m): state}."""
    line = LineString(corners)
    marks = sorted({0.0, line.length, *(m for span in states or {} for m in span)})
    found = []
    for start, stop in itertools.pairwise(marks):
        state = next((s for (a, b), s in (states or {}).items() if a <= start < b), "Passable")
        piece = shapely.ops.substring(line, start, stop)
        found.append(RoadStretch(fid, f"r{fid}", piece, state, piece.length, 1.0, 0, start))
    return found


MAIN = ((0, 500), (1000, 500))
LANE = ((500, 500), (500, 900))


def state_at(stretches, x: float, y: float, **how) -> str | None:
    bridges, safe = how.get("bridges", frozenset()), how.get("safe", ())
    return network(stretches, bridges, OUTSIDE, safe).access(Point(x, y))


@pytest.mark.parametrize(
    ("main", "lane", "state"),
    [
        ({}, {}, REACHABLE),
        ({}, {(100, 110): "Flooded"}, CUT_OFF),
        ({}, {(100, 103): "Blocked"}, CUT_OFF),
        ({}, {(100, 110): "Bridge out"}, CUT_OFF),
        ({}, {(100, 110): "Not Analysed"}, ACCESS_UNKNOWN),
        ({(200, 220): "Flooded"}, {}, REACHABLE),
        ({(200, 220): "Flooded", (800, 820): "Blocked"}, {}, CUT_OFF),
        ({(200, 220): "Flooded", (800, 820): "Not Analysed"}, {}, ACCESS_UNKNOWN),
        ({(0, 1000): "Not Analysed"}, {}, ACCESS_UNKNOWN),
    ],
)
def test_a_village_at_the_end_of_a_lane(main, lane, state) -> None:
    roads = [*road(1, *MAIN, states=main), *road(2, *LANE, states=lane)]
    assert state_at(roads, 510, 880) == state


def test_a_house_on_a_flooded_stretch_is_cut_off_and_one_far_from_any_road_is_not_judged() -> None:
    roads = road(1, *MAIN, states={(400, 600): "Flooded"})
    assert state_at(roads, 500, 520) == CUT_OFF
    assert state_at(roads, 300, 520) == REACHABLE
    assert state_at(roads, 300, 800) is None


def test_ends_that_nearly_meet_are_joined_and_short_cuts_are_not_jumped() -> None:
    beside = road(2, (500, 504.5), (500, 900))
    assert state_at([*road(1, *MAIN), *beside], 510, 880) == REACHABLE
    far = road(2, (500, 509), (500, 900))
    assert state_at([*road(1, *MAIN), *far], 510, 880) == CUT_OFF
    gap = road(2, *LANE, states={(200, 202): "Flooded"})
    assert state_at([*road(1, *MAIN), *gap], 510, 880) == CUT_OFF


def test_crossing_roads_meet_unless_one_is_a_bridge_over_the_other() -> None:
    crossing = [*road(1, *MAIN), *road(2, (500, 100), (500, 900))]
    assert state_at(crossing, 510, 880) == REACHABLE
    assert state_at(crossing, 510, 880, bridges=frozenset({2})) == CUT_OFF


def test_with_a_county_seat_the_edge_of_the_map_is_not_safe() -> None:
    roads = [*road(1, *MAIN, states={(200, 220): "Flooded"}), *road(2, *LANE)]
    assert state_at(roads, 510, 880, safe=[Point(50, 520)]) == CUT_OFF
    assert state_at(roads, 510, 880, safe=[Point(950, 520)]) == REACHABLE
    hidden = [*road(1, *MAIN, states={(600, 700): "Not Analysed"}), *road(2, *LANE)]
    assert state_at(hidden, 510, 880, safe=[Point(950, 520)]) == ACCESS_UNKNOWN


spans = st.lists(
    st.tuples(
        st.integers(0, 960), st.integers(5, 40), st.sampled_from(["Flooded", "Blocked", "Not Analysed"])
    ),
    max_size=4,
)


def stated(given_spans):
    states: dict[tuple[float, float], str] = {}
    last = 0
    for start, length, state in sorted(given_spans):
        begin = max(start, last)
        if begin + length <= 1000:
            states[(begin, begin + length)] = state
            last = begin + length
    return states


@settings(max_examples=60, deadline=None)
@given(spans, st.integers(20, 980))
def test_to_see_more_never_makes_a_certain_answer_wrong(cuts, x: int) -> None:
    """What was said with some road unseen holds however the unseen turns out."""
    states = stated(cuts)
    told = state_at(road(1, *MAIN, states=states), x, 520)
    for truth in ("Passable", "Flooded"):
        seen = {span: truth if s == "Not Analysed" else s for span, s in states.items()}
        real = state_at(road(1, *MAIN, states=seen), x, 520)
        assert told in (real, ACCESS_UNKNOWN)


def test_villages_are_those_given_or_named_by_footprints_or_clusters() -> None:
    houses = [Point(x, y).buffer(4) for x, y in [(100, 510), (120, 512), (140, 508), (800, 510), (820, 515)]]
    layer = VectorLayer("f", tuple(houses), {"village": np.array(["A", "A", "A", "B", "B"], object)},
                        tuple(range(5)))  # fmt: skip
    from types import SimpleNamespace

    buildings = [SimpleNamespace(footprint=h) for h in houses]
    named = villages(None, layer, buildings)
    assert [(name, len(group)) for name, group in named] == [("A", 3), ("B", 2)]
    clusters = villages(None, None, buildings)
    assert [(name, len(group)) for name, group in clusters] == [("#1", 3)]
    areas = VectorLayer("v", (box(700, 400, 900, 600), Point(500, 500)),
                        {"name": np.array(["East", "Seat"], object)}, (1, 2))  # fmt: skip
    assert [(name, len(group)) for name, group in villages(areas, layer, buildings)] == [
        ("East", 2),
        ("Seat", 1),
    ]


def test_a_village_is_what_half_of_its_houses_are() -> None:
    joined = network(road(1, *MAIN, states={(500, 1000): "Flooded"}), frozenset(), OUTSIDE)
    west = [Point(x, 520) for x in (100, 200, 300)]
    east = [Point(x, 520) for x in (700, 800, 900)]
    found = access_of([("w", [*west, east[0]]), ("e", [west[0], *east]), ("far", [Point(500, 900)])], joined)
    assert [p.state for p in found] == [REACHABLE, CUT_OFF, ACCESS_UNKNOWN]
    assert found[0].report()["cut_off"] == 1
    assert MultiPoint([*west, east[0]]).convex_hull.buffer(1).contains(found[0].place)


def test_a_hole_in_the_mosaic_is_not_the_world_outside(tmp_path) -> None:
    import rasterio

    grid = GeoGrid(pyproj.CRS(32650), Affine(1, 0, 0, 0, -1, 1000), 1000, 1000)
    codes = np.zeros((1000, 1000), np.uint8)
    codes[:, :200] = 1
    codes[400:600, 500:700] = 1
    path = tmp_path / "not_analysed.tif"
    with rasterio.open(path, "w", driver="GTiff", count=1, width=1000, height=1000, dtype="uint8",
                       crs="EPSG:32650", transform=grid.transform) as sink:  # fmt: skip
        sink.write(codes, 1)
    outside = outside_of(path, grid, 1)
    assert outside.contains(Point(100, 500))
    assert outside.contains(Point(1200, 500))
    assert not outside.intersects(Point(600, 500))
    assert not outside.intersects(Point(300, 500))


def test_cut_places_join_what_lies_close_and_name_the_worst() -> None:
    states = {(100, 104): "Blocked", (104, 110): "Bridge out", (113, 117): "Blocked", (300, 340): "Flooded"}
    found = cut_places(road(1, *MAIN, states=states))
    assert [(c.state, c.length_m) for c in found] == [("Bridge out", 14.0), ("Flooded", 40.0)]
    assert found[0].place.distance(Point(107, 500)) < 1
    unseen = {(100, 104): "Blocked", (104, 110): "Not Analysed", (110, 117): "Blocked"}
    assert len(cut_places(road(1, *MAIN, states=unseen))) == 2
