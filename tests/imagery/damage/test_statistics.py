"""Figures per township: exact areas, nothing counted twice, nothing invented."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyproj
import pytest
from affine import Affine
from shapely import Point, Polygon, box

from imagery.damage import DamageOptions, map_damage
from imagery.damage.rasters import Layers
from imagery.damage.scene import GeoGrid
from imagery.damage.statistics import class_areas, read_people, read_townships, township_statistics
from imagery.errors import DamageError

GRID = GeoGrid(pyproj.CRS(32650), Affine(1, 0, 500_000, 0, -1, 3_400_010), 20, 10)


@pytest.fixture
def rasters(tmp_path, make_raster) -> Path:
    """20 x 10 m: water in the west, bare ground in the east, the last column not seen."""
    classes = np.full((1, 10, 20), 7, np.uint8)
    classes[0, :, :8] = 1
    classes[0, :, 19] = 0
    make_raster(tmp_path / "classes.tif", classes, transform=GRID.transform, nodata=0)
    unseen = (classes == 0).astype(np.uint8)
    make_raster(tmp_path / "not_analysed.tif", unseen, transform=GRID.transform, nodata=255)
    depth = np.where(classes == 1, 0.5, -9999.0).astype(np.float32)
    make_raster(tmp_path / "depth.tif", depth, transform=GRID.transform, nodata=-9999.0)
    return tmp_path


def _statistics(rasters: Path, make_vector, areas, people=None):
    names = [f"T{i}" for i in range(len(areas))]
    path = make_vector(rasters / "towns.gpkg", areas, {"name": names}, kind="Polygon")
    towns = read_townships(path, GRID.crs)
    files = rasters / "classes.tif", rasters / "depth.tif", rasters / "not_analysed.tif"
    return township_statistics(towns, *files, (), (), people)


def test_cells_count_by_the_share_that_lies_inside(rasters, make_vector) -> None:
    cut = box(500_002.25, 3_400_001.5, 500_010.5, 3_400_004)  # through the middle of cells
    (town,) = _statistics(rasters, make_vector, [cut])
    assert town.area_m2 == pytest.approx(cut.area)
    assert town.classes_m2["water"] == pytest.approx(5.75 * 2.5, rel=1e-4)
    assert town.classes_m2["bare_ground"] == pytest.approx(2.5 * 2.5, rel=1e-4)
    assert town.depth_mean_m == pytest.approx(0.5)
    assert town.seen_share == pytest.approx(1.0)


def test_neighbours_share_the_ground_without_gap_or_overlap(rasters, make_vector) -> None:
    west, east = box(500_000, 3_400_000, 500_007.3, 3_400_010), box(500_007.3, 3_400_000, 500_020, 3_400_010)
    towns = _statistics(rasters, make_vector, [west, east])
    assert sum(t.classes_m2["water"] for t in towns) == pytest.approx(80, rel=1e-4)
    assert sum(t.seen_m2 for t in towns) == pytest.approx(190, rel=1e-4)


def test_a_township_that_was_not_flown_says_so(rasters, make_vector) -> None:
    (town,) = _statistics(rasters, make_vector, [box(500_100, 3_400_000, 500_200, 3_400_010)])
    assert town.seen_share == 0
    assert town.area_m2 == pytest.approx(1000)
    assert town.depth_mean_m is None


def test_people_near_water_are_exposed_and_others_are_not(rasters, make_vector) -> None:
    homes = [Point(500_004, 3_400_005), Point(500_019, 3_400_001)]
    path = make_vector(rasters / "people.gpkg", homes, {"pop": [5, 7]}, kind="Point")
    with Layers(rasters, GRID) as layers:
        people = read_people(path, GRID, layers)
    assert people.total_exposed == 5
    (town,) = _statistics(rasters, make_vector, [GRID.outline], people)
    assert (town.people, town.people_exposed) == (12, 5)


def test_people_from_a_raster_add_up(rasters, make_raster) -> None:
    cells = np.zeros((1, 5, 10), np.float32)
    cells[0, 2, 1], cells[0, 2, 9] = 3.0, 4.0
    path = make_raster(rasters / "people.tif", cells, transform=GRID.transform * Affine.scale(2))
    with Layers(rasters, GRID) as layers:
        people = read_people(path, GRID, layers)
    assert sum(people.counts) == 7
    assert people.total_exposed == 3


def test_a_population_file_without_numbers_is_refused(rasters, make_vector) -> None:
    path = make_vector(rasters / "p.gpkg", [Point(500_004, 3_400_005)], {"who": ["x"]}, kind="Point")
    with Layers(rasters, GRID) as layers, pytest.raises(DamageError, match="has no population attribute"):
        read_people(path, GRID, layers)


def test_class_shares_are_of_what_was_classified() -> None:
    areas = class_areas({0: 50, 1: 30, 7: 10}, GRID)
    assert areas == {
        "water": {"value": 1, "area_m2": 30.0, "share": 0.75},
        "bare_ground": {"value": 7, "area_m2": 10.0, "share": 0.25},
    }


def test_townships_of_the_place_add_up_to_the_whole(mapped) -> None:
    report = mapped.report()
    towns = report["townships"]
    assert [t["name_zh"] for t in towns] == ["上河镇", "下河镇"]
    assert sum(t["water_area_m2"] for t in towns) == pytest.approx(report["water_area_m2"], rel=2e-3)
    assert sum(t["roads_cut_m"] for t in towns) == pytest.approx(report["roads_cut_m"], abs=0.2)
    for grade, count in report["buildings"].items():
        assert sum(t["buildings"][grade] for t in towns) == count
    assert towns[1]["seen_share"] < 0.6  # half of it lies beyond the mosaic
    assert towns[1]["seen_share"] == pytest.approx(towns[1]["seen_m2"] / towns[1]["area_m2"], abs=1e-3)


def test_townships_in_another_crs_give_the_same_figures(place, mapped, make_vector, tmp_path) -> None:
    to_geo = pyproj.Transformer.from_crs(32650, 4326, always_xy=True)
    corners = [to_geo.transform(x, y) for x, y in box(500_000, 3_400_000, 500_045, 3_400_080).exterior.coords]
    path = make_vector(
        tmp_path / "t.geojson", [Polygon(corners)], {"name": ["west"]}, kind="Polygon", crs="EPSG:4326"
    )
    options = replace(DamageOptions(samples=place.samples), townships=path)
    town = map_damage(place.after, tmp_path / "out", options).report()["townships"][0]
    same = mapped.report()["townships"][0]
    assert town["area_m2"] == pytest.approx(same["area_m2"], rel=1e-3)
    assert town["water_area_m2"] == pytest.approx(same["water_area_m2"], rel=0.05)
