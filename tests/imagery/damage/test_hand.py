"""Height above drainage: a valley's water is plausible, a wet-looking roof on the slope is marked."""

import numpy as np
import pyproj
import pytest
from affine import Affine
from scipy import ndimage
from shapely import box

from imagery.damage.hand import HIGH_M, above_drainage, drainage, drainage_grid
from imagery.damage.scene import GeoGrid

CELL = 10.0
GRID = GeoGrid(pyproj.CRS(32650), Affine(CELL, 0, 500_000, 0, -CELL, 3_401_000), 100, 100)


def _valley() -> np.ndarray:
    """A valley of 1 km that falls eastward by 1 in 100, its sides 1 in 5; its river in row 50."""
    row, col = np.mgrid[0:100, 0:100]
    return (100 - 0.1 * col + 2.0 * np.abs(row - 50)).astype(np.float32)


def _place(row: int, col: int, cells: int = 3):
    x, y = 500_000 + CELL * col, 3_401_000 - CELL * row
    return box(x, y - CELL * cells, x + CELL * cells, y)


def test_a_valleys_side_stands_above_its_river() -> None:
    found = drainage(_valley(), GRID)
    assert found.drains[50, 60:99].all()
    assert not found.drains[20].any()
    # Straight down the side: what matters is where its water meets the river.
    assert found.hand_m[40, 60] == pytest.approx(20, abs=1.1)
    assert found.hand_m[50, 80] == 0


def test_water_high_on_a_slope_is_marked_and_water_in_a_basin_is_not() -> None:
    dem = _valley()
    dem[28:36, 68:76] -= 6.0  # a pond on the slope, below its own rim
    dem[28:36, 68:76] = np.minimum(dem[28:36, 68:76], dem[35, 72] - 1)
    river, slope, pond = above_drainage([_place(49, 70), _place(20, 40), _place(31, 71)], drainage(dem, GRID))
    assert river.hand_m < 5
    assert not river.implausible
    assert slope.hand_m > HIGH_M
    assert slope.implausible
    assert pond.hand_m > HIGH_M
    assert not pond.implausible


def test_where_water_leaves_the_dem_before_it_meets_drainage_nothing_is_said() -> None:
    row = np.mgrid[0:40, 0:40][0]
    grid = GeoGrid(GRID.crs, GRID.transform, 40, 40)
    found = drainage((50 + 0.5 * row).astype(np.float32), grid)
    assert not found.drains.any()
    assert np.isnan(found.hand_m).all()
    assert found.known_share == 0
    (answer,) = above_drainage([_place(20, 20)], found)
    assert (answer.hand_m, answer.implausible) == (None, False)


def test_holes_in_the_dem_are_edges_not_pits() -> None:
    dem = _valley()
    dem[10:14, 10:14] = np.nan
    found = drainage(dem, GRID)
    assert np.isfinite(found.basin_m[np.isfinite(dem)]).all()
    assert np.nanmax(found.basin_m) == pytest.approx(0, abs=1e-6)


def test_filling_agrees_with_a_plain_reference() -> None:
    """A cell's filled height is the lowest rim on any way out: raised from below until nothing changes."""
    rng = np.random.default_rng(4)
    dem = ndimage.gaussian_filter(rng.normal(size=(30, 35)), 2).astype(np.float32) * 40
    grid = GeoGrid(GRID.crs, GRID.transform, 35, 30)
    found = drainage(dem, grid, 2000.0)
    plain = np.full(dem.shape, np.inf)
    edge = np.ones(dem.shape, bool)
    edge[1:-1, 1:-1] = False
    plain[edge] = dem[edge]
    while True:
        lowest = ndimage.minimum_filter(plain, 3, mode="nearest")
        after = np.where(edge, dem, np.maximum(dem, lowest))
        if (after == plain).all():
            break
        plain = after
    np.testing.assert_allclose(found.basin_m, plain - dem, atol=1e-4)
    assert (found.hand_m[np.isfinite(found.hand_m)] >= 0).all()


def test_the_grid_reaches_beyond_the_map_and_stays_small() -> None:
    small = drainage_grid(GeoGrid(GRID.crs, Affine(0.2, 0, 500_000, 0, -0.2, 3_401_000), 2000, 2000))
    large = drainage_grid(GeoGrid(GRID.crs, Affine(0.2, 0, 500_000, 0, -0.2, 3_401_000), 50_000, 50_000))
    for cells in (small, large):
        assert cells.bounds[0] == pytest.approx(500_000 - 1500)
        assert cells.width * cells.height < 260_000
