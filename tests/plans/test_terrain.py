"""Ground heights out of the DEMs that people bring: any CRS, any cell, holes and all."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from hypothesis import given
from hypothesis import strategies as st
from rasterio import Affine

from plans.errors import TerrainError
from plans.terrain import Terrain, flat_terrain, read_terrain, require_cover

from .conftest import FRAME, repeatable

BOUNDS = (-800.0, -600.0, 800.0, 600.0)


def plane(east, north):
    """Ground that bilinear sampling gives exactly: 0.05 m per metre east, 0.02 per metre north."""
    return 900.0 + 0.05 * np.asarray(east) + 0.02 * np.asarray(north)


def write_dem(path, crs, step, *, nodata=None, dtype="float32", half_m=1500.0, spoil=None):
    """A DEM of `plane` in a CRS (step in its units), with `spoil(heights)` done to it before writing."""
    to_crs = pyproj.Transformer.from_crs(FRAME.crs, crs, always_xy=True)
    to_local = pyproj.Transformer.from_crs(crs, FRAME.crs, always_xy=True)
    corners = [(e, n) for e in (-half_m, half_m) for n in (-half_m, half_m)]
    xs, ys = to_crs.transform(*zip(*corners, strict=True))
    west, north = min(xs), max(ys)
    cols, rows = int((max(xs) - west) / step), int((north - min(ys)) / step)
    x, y = np.meshgrid(west + (np.arange(cols) + 0.5) * step, north - (np.arange(rows) + 0.5) * step)
    heights = plane(*to_local.transform(x, y)).astype(dtype)
    if spoil is not None:
        spoil(heights)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=cols,
        height=rows,
        count=1,
        dtype=dtype,
        crs=crs,
        nodata=nodata,
        transform=Affine(step, 0, west, 0, -step, north),
    ) as out:
        out.write(heights, 1)
    return path


def places(count=400, seed=3):
    rng = np.random.default_rng(seed)
    return rng.uniform(BOUNDS[0], BOUNDS[2], count), rng.uniform(BOUNDS[1], BOUNDS[3], count)


@pytest.mark.parametrize(
    ("crs", "step"),
    [("EPSG:4326", 1 / 3600), ("EPSG:32648", 12.5), ("EPSG:3857", 30.0), ("EPSG:4490", 1 / 3600)],
    ids=["degrees", "UTM", "web Mercator", "CGCS2000"],
)
def test_a_dem_of_any_coordinate_system_gives_the_ground(tmp_path, crs, step):
    terrain = read_terrain(write_dem(tmp_path / "dem.tif", crs, step), FRAME, BOUNDS)
    e, n = places()
    assert np.abs(terrain.at(e, n) - plane(e, n)).max() < 0.25
    assert terrain.bounds_m[0] <= BOUNDS[0]
    assert terrain.bounds_m[3] >= BOUNDS[3]


def test_a_coarse_dem_is_interpolated_not_stepped(tmp_path):
    terrain = read_terrain(write_dem(tmp_path / "dem.tif", "EPSG:32648", 90.0), FRAME, BOUNDS)
    assert terrain.step_m == pytest.approx(90, rel=0.02)
    e = np.linspace(-700, 700, 500)
    along = terrain.at(e, 0.0)
    assert np.abs(along - plane(e, 0.0)).max() < 1.0
    assert np.abs(np.diff(along)).max() < 0.3  # no jump at a cell's border


def test_cells_keep_their_place_when_the_dem_is_finer_than_asked(tmp_path):
    path = write_dem(tmp_path / "dem.tif", "EPSG:32648", 2.0)
    terrain = read_terrain(path, FRAME, BOUNDS, step_m=20.0)
    assert terrain.step_m == 20.0
    e, n = places()
    assert np.abs(terrain.at(e, n) - plane(e, n)).max() < 0.1  # half a cell off would be 0.6


def test_whole_metres_are_read_as_heights(tmp_path):
    path = write_dem(tmp_path / "dem.tif", "EPSG:4326", 1 / 3600, dtype="int16", nodata=-32768)
    e, n = places()
    terrain = read_terrain(path, FRAME, BOUNDS)
    assert np.abs(terrain.at(e, n) - plane(e, n)).max() < 1.6


@pytest.mark.parametrize(
    ("hole", "declared"),
    [(-9999.0, -9999.0), (-9999.0, None), (-32768.0, None), (3.4e38, None)],
    ids=["declared", "-9999", "-32768", "3.4e38"],
)
def test_a_hole_stays_a_hole_and_is_refused_with_its_place(tmp_path, hole, declared):
    def spoil(heights):
        middle = heights.shape[0] // 2
        heights[middle - 3 : middle + 4, middle - 3 : middle + 4] = hole

    path = write_dem(tmp_path / "hole.tif", "EPSG:32648", 20.0, nodata=declared, spoil=spoil)
    terrain = read_terrain(path, FRAME, BOUNDS)
    assert np.isnan(terrain.at(0.0, 0.0))
    e, n = np.meshgrid(np.arange(-300, 300, 7.0), np.arange(-300, 300, 7.0))
    found = terrain.at(e, n)
    known = np.isfinite(found)
    assert np.abs(found - plane(e, n))[known].max() < 1.0  # nothing leaks from the hole into its edge
    assert 0.9 < known.mean() < 0.97
    with pytest.raises(TerrainError) as caught:
        require_cover(terrain, shapely.box(-300, -300, 300, 300), "the zone")
    line = str(caught.value)
    assert "hole.tif" in line
    assert "% of the zone" in line
    assert "lat 29.999" in line or "lat 30.000" in line
    require_cover(terrain, shapely.box(200, 200, 500, 500), "the zone")


def test_a_zone_that_reaches_past_the_dem_is_refused(tmp_path):
    terrain = read_terrain(write_dem(tmp_path / "dem.tif", "EPSG:32648", 20.0, half_m=500), FRAME, BOUNDS)
    with pytest.raises(TerrainError, match=r"lacks \d+% of the zone"):
        require_cover(terrain, shapely.box(-700, -200, 200, 200), "the zone")


def test_a_dem_of_somewhere_else_says_so(tmp_path):
    path = write_dem(tmp_path / "dem.tif", "EPSG:32648", 20.0, half_m=300)
    with pytest.raises(TerrainError, match="does not touch the work area"):
        read_terrain(path, FRAME, (20_000.0, 20_000.0, 21_000.0, 21_000.0))


def test_files_that_are_no_dem_are_refused_in_one_line(tmp_path):
    with pytest.raises(TerrainError, match="no such file"):
        read_terrain(tmp_path / "none.tif", FRAME, BOUNDS)
    (tmp_path / "text.tif").write_text("not a raster")
    with pytest.raises(TerrainError, match="not a raster that can be read") as caught:
        read_terrain(tmp_path / "text.tif", FRAME, BOUNDS)
    assert "\n" not in str(caught.value)
    bare = tmp_path / "bare.tif"
    place = Affine(30, 0, 5e5, 0, -30, 3e6)
    with rasterio.open(
        bare, "w", driver="GTiff", width=9, height=9, count=1, dtype="float32", transform=place
    ) as out:
        out.write(np.zeros((1, 9, 9), np.float32))
    with pytest.raises(TerrainError, match="has no coordinate system"):
        read_terrain(bare, FRAME, BOUNDS)


def test_outside_the_grid_no_height_is_made_up():
    grid = Terrain(FRAME, 0.0, 100.0, 10.0, np.full((10, 10), 5.0))
    assert grid.at(50, 50) == 5.0
    assert np.isnan(grid.at([-0.1, 100.1, 50.0], [50.0, 50.0, 100.1])).all()


@repeatable(60)
@given(st.integers(2, 9), st.integers(2, 9), st.floats(0, 1), st.floats(0, 1), st.integers(0, 999))
def test_heights_between_cells_stay_between_their_neighbours(rows, cols, x, y, seed):
    heights = np.random.default_rng(seed).uniform(0, 100, (rows, cols))
    grid = Terrain(FRAME, 0.0, 0.0, 1.0, heights)
    value = float(grid.at(x * cols, -y * rows))
    assert heights.min() - 1e-9 <= value <= heights.max() + 1e-9
    for r in range(rows):
        for c in range(cols):
            assert grid.at(c + 0.5, -r - 0.5) == pytest.approx(heights[r, c])


def test_level_ground_is_level():
    assert (flat_terrain(FRAME, 432.1).at(*places()) == 432.1).all()
