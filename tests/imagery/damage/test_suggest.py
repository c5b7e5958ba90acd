"""Where to paint next: far from all strokes while there are few, then where the map is least sure."""

from dataclasses import replace

import numpy as np
import pyproj
import pytest
from affine import Affine
from shapely import Point

from imagery.damage.samples import Samples, Stroke
from imagery.damage.scene import GeoGrid
from imagery.damage.suggest import ENOUGH_PER_CLASS, paint_next

GRID = GeoGrid(pyproj.CRS(32650), Affine(0.2, 0, 500_000, 0, -0.2, 3_400_000), 500, 400)


@pytest.fixture
def folder(make_raster, tmp_path):
    """A map that is sure but for a patch, and shows nothing in its eastern tenth."""
    classes = np.full((1, 400, 500), 6, np.uint8)
    classes[:, :, :250] = 1
    classes[:, :, 450:] = 0
    sure = np.full((1, 400, 500), 90, np.uint8)
    sure[:, 100:160, 300:380] = 20
    sure[:, 300:310, 100:110] = 20
    sure[:, :, 450:] = 0
    make_raster(tmp_path / "classes.tif", classes, transform=GRID.transform, nodata=0)
    make_raster(tmp_path / "confidence.tif", sure, transform=GRID.transform, nodata=0)
    return tmp_path


def _samples(places: list[tuple[float, float]]) -> Samples:
    strokes = [
        Stroke(Point(500_000 + x, 3_400_000 - y).buffer(0.5), 1 + 5 * (i % 2))
        for i, (x, y) in enumerate(places)
    ]
    return Samples(tuple(strokes), "painted")


def test_few_strokes_are_spread_first(folder) -> None:
    places = paint_next(folder, GRID, _samples([(5, 5), (8, 5), (5, 8), (8, 8)]))
    assert [p.why for p in places] == ["far"] * 5
    first = places[0]
    assert first.east_m > 500_075
    assert first.north_m < 3_399_930
    assert first.east_m < 500_090  # not where the mosaic shows nothing
    assert first.said == "vegetation"
    found = np.array([(p.east_m, p.north_m) for p in places])
    apart = np.hypot(*(found[:, None] - found[None]).T)
    assert apart[~np.eye(5, dtype=bool)].min() > 15


def test_enough_strokes_are_followed_by_the_unsure_places(folder) -> None:
    rng = np.random.default_rng(0)
    spread = [(x, y) for x, y in rng.uniform((1, 1), (55, 78), (2 * ENOUGH_PER_CLASS, 2))]
    places = paint_next(folder, GRID, _samples(spread))
    assert places[0].why == "unsure"
    assert places[0].confidence_percent < 30
    assert places[0].east_m == pytest.approx(500_068, abs=4)
    assert places[0].north_m == pytest.approx(3_399_974, abs=4)


def test_a_place_painted_already_is_not_suggested_again(folder) -> None:
    rng = np.random.default_rng(0)
    spread = [(x, y) for x, y in rng.uniform((1, 1), (15, 50), (2 * ENOUGH_PER_CLASS, 2))]
    places = paint_next(folder, GRID, _samples([*spread, (68, 26)]))
    assert all(abs(p.east_m - 500_068) > 8 for p in places)


def test_a_map_that_is_sure_everywhere_asks_for_nothing(folder, make_raster) -> None:
    make_raster(folder / "confidence.tif", np.full((1, 400, 500), 90, np.uint8), transform=GRID.transform)
    spread = [(3.0 + 3 * i, 3.0 + 4 * i) for i in range(2 * ENOUGH_PER_CLASS)]
    assert paint_next(folder, GRID, _samples(spread)) == ()


def test_cells_need_not_divide_evenly(folder) -> None:
    grid = replace(GRID, width=499, height=397)
    for place in paint_next(folder, grid, _samples([(5, 5), (8, 5)])):
        assert grid.outline.contains(Point(place.east_m, place.north_m))
