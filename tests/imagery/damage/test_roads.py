"""Where a road is cut, and that no metre of it is lost or counted twice."""

import numpy as np
import pyogrio.raw
import pyproj
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiLineString, from_wkb, get_coordinates

from imagery.damage.legend import BARE, BUILDING_LOST, DEBRIS, MUD, ROAD, VEGETATION, WATER
from imagery.damage.roads import cut_length_m, grade_roads
from imagery.damage.scene import GeoGrid

GRID = GeoGrid(pyproj.CRS(32650), Affine(0.5, 0, 500_000, 0, -0.5, 3_400_100), 400, 200)
MIDDLE = 3_400_050.0


class Ground:
    """Rasters in memory, read like those on disk."""

    def __init__(self, classes: np.ndarray, change: np.ndarray | None = None) -> None:
        self._classes, self._change = classes, change

    def classes(self, window):
        return self._classes[window.toslices()]

    def change(self, window):
        return None if self._change is None else self._change[window.toslices()]


def _ground(**bands: tuple[int, int, int]) -> Ground:
    """Bare ground with bands across: name=(code, from metre, to metre)."""
    classes = np.full((200, 400), BARE, np.uint8)
    for code, start, stop in bands.values():
        classes[:, 2 * start : 2 * stop] = code
    return Ground(classes)


def _grade(ground: Ground, line=None):
    line = line or LineString([(500_000, MIDDLE), (500_200, MIDDLE)])
    return grade_roads((line,), ("r",), (1,), GRID, ground)


def test_water_and_debris_cut_a_road_where_they_lie() -> None:
    found = _grade(_ground(water=(WATER, 50, 80), heap=(DEBRIS, 120, 130)))
    assert [s.state for s in found] == ["Passable", "Flooded", "Passable", "Blocked", "Passable"]
    assert [s.length_m for s in found] == pytest.approx([50, 30, 40, 10, 70], abs=1.01)
    assert cut_length_m(found) == pytest.approx(40, abs=2)


def test_mud_alone_does_not_cut_a_road() -> None:
    assert {s.state for s in _grade(_ground(mud=(MUD, 50, 80)))} == {"Passable"}


def test_a_puddle_is_no_cut() -> None:
    assert {s.state for s in _grade(_ground(water=(WATER, 50, 51)))} == {"Passable"}


def test_a_road_that_was_washed_away_is_blocked() -> None:
    ground = _ground()
    ground._change = np.zeros((200, 400), np.uint8)
    ground._change[:, 100:140] = BUILDING_LOST
    blocked = [s for s in _grade(ground) if s.state == "Blocked"]
    assert [s.length_m for s in blocked] == pytest.approx([20], abs=1.01)


@pytest.mark.parametrize(
    ("rivers", "tagged", "state"),
    [
        ((), False, "Flooded"),
        ((LineString([(500_053, MIDDLE - 50), (500_053, MIDDLE + 50)]),), False, "Bridge out"),
        ((), True, "Bridge out"),
    ],
)
def test_water_in_place_of_a_known_bridge_means_that_it_is_out(rivers, tagged, state) -> None:
    line = LineString([(500_000, MIDDLE), (500_200, MIDDLE)])
    found = grade_roads((line,), ("r",), (1,), GRID, _ground(water=(WATER, 50, 56)), (tagged,), rivers)
    assert [s.state for s in found] == ["Passable", state, "Passable"]


def test_a_deck_that_stands_over_a_known_river_is_passable() -> None:
    ground = _ground(water=(WATER, 50, 56))
    ground._classes[98:102, :] = ROAD
    river = LineString([(500_053, MIDDLE - 50), (500_053, MIDDLE + 50)])
    line = LineString([(500_000, MIDDLE), (500_200, MIDDLE)])
    found = grade_roads((line,), ("r",), (1,), GRID, ground, None, (river,))
    assert {s.state for s in found} == {"Passable"}


def test_a_line_beside_its_road_is_judged_on_the_road() -> None:
    """An embankment through water, and a line four metres off it."""
    ground = _ground(water=(WATER, 0, 200))
    ground._classes[95:105, :] = ROAD
    ground._classes[:, 240:260] = WATER  # where it is really flooded
    beside = LineString([(500_000, MIDDLE + 4), (500_200, MIDDLE + 4)])
    found = _grade(ground, beside)
    assert [s.state for s in found] == ["Passable", "Flooded", "Passable"]
    assert found[0].offset_m == pytest.approx(-4, abs=0.8)
    assert found[1].length_m == pytest.approx(10, abs=1.1)


def test_the_road_beside_is_not_taken_for_ones_own() -> None:
    """A street under water, and a dry road six metres from it that has a line of its own."""
    ground = _ground(water=(WATER, 0, 200))
    ground._classes[110:118, :] = ROAD
    street = LineString([(500_000, MIDDLE), (500_200, MIDDLE)])
    road = LineString([(500_000, MIDDLE - 7), (500_200, MIDDLE - 7)])
    found = grade_roads((street, road), ("street", "road"), (1, 2), GRID, ground)
    assert {(s.identifier, s.state) for s in found} == {("street", "Flooded"), ("road", "Passable")}


def test_a_road_under_crowns_goes_on_as_it_was_and_one_in_a_wood_was_not_seen() -> None:
    few = _grade(_ground(crowns=(VEGETATION, 60, 66)))
    assert {s.state for s in few} == {"Passable"}
    wood = _grade(_ground(crowns=(VEGETATION, 60, 100)))
    assert [s.state for s in wood] == ["Passable", "Not Analysed", "Passable"]
    between = _grade(_ground(water=(WATER, 50, 60), crowns=(VEGETATION, 60, 66)))
    assert [s.state for s in between] == ["Passable", "Flooded", "Not Analysed", "Passable"]


def test_what_was_not_seen_is_neither_cut_nor_passable() -> None:
    line = LineString([(499_900, MIDDLE), (500_200, MIDDLE)])
    found = _grade(_ground(hole=(0, 100, 150)), line)
    assert [s.state for s in found] == ["Not Analysed", "Passable", "Not Analysed", "Passable"]
    assert found[0].length_m == pytest.approx(100, abs=1.01)
    assert cut_length_m(found) == 0


def test_parts_of_a_road_are_graded_each() -> None:
    parts = MultiLineString([[(500_010, MIDDLE), (500_040, MIDDLE)], [(500_060, MIDDLE), (500_090, MIDDLE)]])
    found = _grade(_ground(water=(WATER, 55, 95)), parts)
    assert [(s.state, round(s.length_m)) for s in found] == [("Passable", 30), ("Flooded", 30)]


inside = st.tuples(st.floats(499_950, 500_250), st.floats(3_399_950, 3_400_150))


@settings(max_examples=60, deadline=None)
@given(st.lists(inside, min_size=2, max_size=6), st.integers(0, 180))
def test_stretches_add_up_to_the_road(corners, start: int) -> None:
    line = LineString(corners)
    ground = _ground(water=(WATER, start, start + 20), unseen=(0, 190, 200))
    total = sum(s.length_m for s in _grade(ground, line))
    assert total == pytest.approx(line.length, rel=1e-6, abs=1e-6)


def test_the_road_of_the_place_is_cut_by_the_river(mapped, place) -> None:
    meta, _, wkb, values = pyogrio.raw.read(mapped.folder / "damage.gpkg", layer="roads")
    states = dict(zip(meta["fields"], values, strict=True))["state"]
    lines = from_wkb(wkb)
    flooded_m = sum(g.length for g, s in zip(lines, states, strict=True) if s in ("Flooded", "Bridge out"))
    road = LineString([(500_003, 3_400_060), (500_060, 3_400_056), (500_064, 3_400_002)])
    x, y = get_coordinates(road.interpolate(np.arange(0, road.length, 0.1))).T
    truth = place.classes[((3_400_080 - y) / 0.1).astype(int), ((x - 500_000) / 0.1).astype(int)]
    assert flooded_m == pytest.approx(0.1 * (truth == WATER).sum(), abs=3)
    # The river ran under the road before: there the bridge is out, and the banks are flooded.
    out = [g for g, s in zip(lines, states, strict=True) if s == "Bridge out"]
    assert [g.length for g in out] == [pytest.approx(4.5, abs=1.6)]
    river_y = 3_400_080 - (42 + 5 * np.sin(63 / 14))
    assert out[0].centroid.y == pytest.approx(river_y, abs=2)
    assert mapped.report()["roads_m"] == pytest.approx(road.length, abs=0.2)
