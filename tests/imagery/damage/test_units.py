"""Figures of county, township and village: what adds up, what straddles, what is unknown."""

from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from shapely import LineString, Point, STRtree, box

from imagery.damage.buildings import Evidence as Walls
from imagery.damage.buildings import GradedBuilding
from imagery.damage.legend import BARE, CLASSES, GRADE_DAMAGED, GRADE_NONE, ROAD_FLOODED, ROAD_PASSABLE, WATER
from imagery.damage.roads import RoadStretch
from imagery.damage.scene import GeoGrid
from imagery.damage.statistics import People
from imagery.damage.units import UNKNOWN, Evidence, pieces_of, unit_layer, units_of
from imagery.damage.vector_in import VectorLayer
from imagery.damage.vector_out import write_vectors

W, S = 500_000.0, 3_400_000.0
GRID = GeoGrid(pyproj.CRS(32650), Affine(1, 0, W, 0, -1, S + 100), 200, 100)


def _box(x0: float, y0: float, x1: float, y1: float) -> shapely.Geometry:
    return box(W + x0, S + y0, W + x1, S + y1)


def _layer(areas, **fields) -> VectorLayer:
    columns = {name: np.array(values, object) for name, values in fields.items()}
    return VectorLayer("layer", tuple(areas), columns, tuple(range(len(areas))))


@pytest.fixture
def rasters(tmp_path, make_raster) -> Path:
    """200 x 100 m: water in the western 80 m, the eastern 20 m not seen; 0.4 m deep, then 1.5 m."""
    classes = np.full((1, 100, 200), BARE, np.uint8)
    classes[0, :, :80] = WATER
    classes[0, :, 180:] = 0
    make_raster(tmp_path / "classes.tif", classes, transform=GRID.transform, nodata=0)
    make_raster(
        tmp_path / "not_analysed.tif", (classes == 0).astype(np.uint8), transform=GRID.transform, nodata=255
    )
    depth = np.where(classes == WATER, 0.4, -9999.0).astype(np.float32)
    depth[0, :, :30] = 1.5
    make_raster(tmp_path / "depth.tif", depth, transform=GRID.transform, nodata=-9999.0)
    return tmp_path


TOWNS = _layer([_box(0, 0, 100, 100), _box(100, 0, 190, 100)], name_zh=["上河镇", "下河镇"])
VILLAGES = _layer(
    [_box(10, 10, 60, 60), _box(70, 10, 130, 60), _box(140, 10, 195, 60)], name=["和平村", "和平村", "新村"]
)
"""The second lies in both townships, the third reaches beyond them."""


def _house(x: float, y: float, grade: str, flooded: bool) -> GradedBuilding:
    walls = Walls(**dict.fromkeys(Walls.__dataclass_fields__))
    return GradedBuilding(0, f"{x}", _box(x - 3, y - 3, x + 3, y + 3), grade, 0.8, flooded, walls)


def _evidence(folder: Path, **more) -> Evidence:
    values = {"buildings": None, "roads": None, "people": None, **more}
    known = tuple(e for e in CLASSES if e.code in (WATER, BARE))
    return Evidence(
        folder / "not_analysed.tif", folder / "classes.tif", folder / "depth.tif", known=known, **values
    )


def _pieces():
    return pieces_of({"county": None, "township": TOWNS, "village": VILLAGES}, GRID.outline)


def test_sums_agree_on_every_level(rasters) -> None:
    line = LineString([(W + 5, S + 50), (W + 195, S + 50)])
    roads = [RoadStretch(0, "r1", line, ROAD_FLOODED, line.length, 0.9)]
    land = _layer([_box(0, 0, 50, 100), _box(40, 0, 120, 100)], dlmc=["水田", "林地"])
    units = units_of(_pieces(), _evidence(rasters, roads=roads), land)
    total = units[0].figures
    for level in ("township", "village"):
        rows = [u.figures for u in units if u.level == level]
        for name in ("area_m2", "seen_m2", "farmland_water_m2", "roads_m", "roads_cut_m"):
            assert sum(getattr(r, name) for r in rows) == pytest.approx(getattr(total, name), rel=1e-9)
        for name in ("classes_m2", "depths_m2", "land_m2", "land_water_m2"):
            for key, value in getattr(total, name).items():
                assert sum(getattr(r, name).get(key, 0) for r in rows) == pytest.approx(value, rel=1e-9)
    assert total.classes_m2["water"] == pytest.approx(8000)
    assert total.area_m2 == pytest.approx(20_000)
    assert total.seen_m2 == pytest.approx(18_000)
    # Parcels overlap between 40 and 50 m: that ground is counted once.
    assert sum(total.land_m2.values()) == pytest.approx(20_000)
    assert total.land_water_m2[UNKNOWN] == pytest.approx(0, abs=1e-6)
    assert sum(total.land_water_m2.values()) == pytest.approx(8000)
    assert total.report()["farmland_water_m2"] == 4000.0


def test_a_village_in_two_townships_counts_in_each_with_what_lies_there(rasters) -> None:
    units = units_of(_pieces(), _evidence(rasters))
    shared = [u for u in units if u.level == "village" and u.names["village"].row == 1]
    assert [u.names["township"].zh for u in shared] == ["上河镇", "下河镇"]
    assert all(u.straddles for u in shared)
    assert [u.figures.area_m2 for u in shared] == pytest.approx([30 * 50, 30 * 50])
    assert [u.figures.classes_m2["water"] for u in shared] == pytest.approx([500, 0])
    # Another village of the same name is another village.
    other = next(u for u in units if u.level == "village" and u.names["village"].row == 0)
    assert not other.straddles
    assert other.figures.classes_m2["water"] == pytest.approx(2500)


def test_ground_of_no_unit_is_kept_as_unknown(rasters) -> None:
    units = units_of(_pieces(), _evidence(rasters))
    rows = {(u.report()["township"], u.report()["village_en"]): u for u in units if u.level == "village"}
    assert rows[("上河镇", UNKNOWN)].figures.area_m2 == pytest.approx(10_000 - 2500 - 1500)
    beyond = rows[("不明", "新村")].figures
    assert beyond.area_m2 == pytest.approx(5 * 50)
    assert beyond.seen_m2 == 0
    nowhere = next(u for u in units if u.level == "township" and u.names["township"].row < 0)
    assert nowhere.figures.area_m2 == pytest.approx(1000)


def test_what_stands_on_a_border_is_counted_once(rasters) -> None:
    houses = [_house(100, 50, GRADE_DAMAGED, True), _house(30, 30, GRADE_NONE, False)]
    places = (Point(W + 100, S + 50), Point(W + 30, S + 30))
    people = People(places, (40.0, 5.0), (True, False), STRtree(places))
    units = units_of(_pieces(), _evidence(rasters, buildings=houses, people=people))
    for level in ("total", "township", "village"):
        rows = [u.figures for u in units if u.level == level]
        assert sum(r.buildings[GRADE_DAMAGED] for r in rows) == 1
        assert sum(r.buildings_flooded for r in rows) == 1
        assert sum(r.people for r in rows) == 45
        assert sum(r.people_exposed for r in rows) == 40


def test_a_road_along_a_border_is_of_one_side(rasters) -> None:
    line = LineString([(W + 100, S + 10), (W + 100, S + 90)])
    roads = [RoadStretch(0, "r", line, state, 80.0, 1.0) for state in (ROAD_FLOODED, ROAD_PASSABLE)]
    units = units_of(_pieces(), _evidence(rasters, roads=roads))
    rows = [u.figures for u in units if u.level == "village"]
    assert sum(r.roads_m for r in rows) == pytest.approx(160)
    assert sum(r.roads_cut_m for r in rows) == pytest.approx(80)


def test_what_was_not_looked_for_has_no_figure(rasters) -> None:
    bare = Evidence(rasters / "not_analysed.tif", None, None, None, None, None, ())
    told = units_of(_pieces(), bare)[0].report()
    for name in ("water_area_m2", "buildings", "roads_cut_m", "people", "farmland_water_m2", "depths_m2"):
        assert told[name] is None


def test_points_are_no_units_and_no_levels_no_table(rasters) -> None:
    points = _layer([Point(W + 5, S + 5)], name=["一村"])
    assert pieces_of({"village": points}, GRID.outline) == ()
    assert units_of((), _evidence(rasters)) == ()


def test_overlapping_townships_do_not_count_ground_twice(rasters) -> None:
    towns = _layer([_box(0, 0, 100, 100), _box(90, 0, 200, 100)], name=["A", "B"])
    units = units_of(pieces_of({"township": towns}, GRID.outline), _evidence(rasters))
    areas = [u.figures.area_m2 for u in units if u.level == "township"]
    assert areas == pytest.approx([10_000, 10_000])


def test_the_finest_units_stand_in_the_package(rasters, tmp_path) -> None:
    layer = unit_layer(units_of(_pieces(), _evidence(rasters)), {"method": "forest"})
    assert layer is not None
    write_vectors(tmp_path / "units.gpkg", [layer], GRID.crs)
    assert set(layer.columns["village"]) >= {"和平村", "新村", "不明"}
    assert len(layer.geometries) == len(layer.columns["classes_water_m2"])
