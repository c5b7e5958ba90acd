"""Depth from the water's edge and the ground: right where it can be known, silent elsewhere."""

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from scipy import ndimage

from imagery.damage.depth import dem_cell_m, depth_class, map_depth, map_high_water, read_dem, relief_of
from imagery.damage.scene import GeoGrid
from imagery.errors import DamageError

ROWS, COLS = 200, 300
GRID = GeoGrid(pyproj.CRS(32650), Affine(1, 0, 500_000, 0, -1, 3_400_000), COLS, ROWS)


def _valley(slope: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """(ground, water level) of a valley along x whose bottom falls by `slope`."""
    y, x = np.mgrid[0:ROWS, 0:COLS].astype(float)
    ground = 100 + 0.05 * np.abs(y - ROWS / 2) - slope * x
    return ground.astype(np.float32), (102.0 - slope * x).astype(np.float32)


@pytest.mark.parametrize("slope", [0.0, 0.004])
def test_depth_of_a_flooded_valley(slope: float) -> None:
    ground, level = _valley(slope)
    water = ground < level
    found = map_depth(water, ~water, ground, GRID)
    truth = level - ground
    inside = water & (truth > 0.2)
    assert np.isfinite(found.depth_m[inside]).all()
    assert np.abs(found.depth_m - truth)[inside].mean() < 0.12
    assert np.isnan(found.depth_m[~water]).all()


def test_the_band_holds_most_of_the_errors_of_a_rough_dem() -> None:
    rng = np.random.default_rng(11)
    ground, level = _valley()
    water = ground < level
    noise = ndimage.gaussian_filter(rng.normal(size=ground.shape), 3)
    rough = ground + (0.3 * noise / noise.std()).astype(np.float32)
    found = map_depth(water, ~water, rough, GRID)
    error = np.abs(found.depth_m - (level - ground))[water]
    assert (error <= found.half_width_m[water]).mean() > 0.75
    assert error.mean() < 0.35


def test_a_few_misread_cells_on_the_bank_do_not_lift_the_water() -> None:
    ground, level = _valley()
    water = ground < level
    misread = water.copy()
    misread[20:26, 100:106] = True  # on the slope, joined to nothing
    misread[55:62, 200:203] = True  # a tongue up the bank
    found = map_depth(misread, ~misread, ground, GRID)
    inside = water & (level - ground > 0.2)
    assert np.abs(found.depth_m - (level - ground))[inside].mean() < 0.2


def test_an_embankment_across_the_water_does_not_lift_it() -> None:
    ground, level = _valley(0.004)
    bank = ground.copy()
    bank[:, 148:152] = np.maximum(ground[:, 148:152], 103.5)
    water = bank < level
    water[:, 146:154] &= bank[:, 146:154] < level[:, 146:154] - 0.4  # its slopes are seen as dry
    found = map_depth(water, ~water, bank, GRID)
    beside = water & (level - bank > 0.2)
    beside[:, :100] = beside[:, 200:] = False
    assert np.abs(found.depth_m - (level - bank))[beside].max() < 0.15


def test_a_stream_that_falls_fast_keeps_its_own_level_where_it_meets_the_river() -> None:
    y, x = np.mgrid[0:ROWS, 0:COLS].astype(float)
    plain = 100 + 0.05 * np.abs(y - 150)
    slope_m = 0.03 * np.clip(110 - y, 0, None)
    ground = np.where(y < 110, 102.0 + slope_m, plain)
    channel = (np.abs(x - 150) < 4) & (y < 112)
    level = np.where(channel, np.maximum(101.6 + slope_m, 102.0), 102.0)
    ground = np.where(channel, level - 0.5, ground).astype(np.float32)
    water = (ground < level) & (channel | (y >= 110))
    found = map_depth(water, ~water, ground, GRID)
    upstream = channel & (y < 90) & (y > 8)
    assert np.abs(found.depth_m[upstream] - 0.5).mean() < 0.25
    assert np.abs(found.depth_m - (level - ground))[water & (y > 125)].mean() < 0.12


def test_the_edge_of_the_picture_is_no_shore() -> None:
    ground, level = _valley()
    water = ground < level
    seen = np.zeros_like(water)
    seen[:, 100:200] = True
    found = map_depth(water & seen, ~water & seen, ground, GRID)
    middle = water & seen & (level - ground > 0.2)
    assert np.abs(found.depth_m - (level - ground))[middle].mean() < 0.12


def test_water_without_a_known_shore_has_no_depth() -> None:
    ground, _ = _valley()
    everywhere = np.ones_like(ground, bool)
    found = map_depth(everywhere, ~everywhere, ground, GRID)
    assert np.isnan(found.depth_m).all()
    assert found.statistics() is None


def test_without_ground_heights_there_is_no_depth() -> None:
    ground, level = _valley()
    water = ground < level
    ground[:, 150:] = np.nan
    found = map_depth(water, ~water, ground, GRID)
    assert np.isnan(found.depth_m[:, 150:]).all()
    assert np.isfinite(found.depth_m[water & (np.arange(COLS) < 150)]).all()


def test_the_band_of_a_coarse_dem_is_wider_and_holds_what_the_dem_smooths_away() -> None:
    y, x = np.mgrid[0:ROWS, 0:COLS].astype(float)
    rough = 100 + 0.05 * np.abs(y - ROWS / 2) + 0.6 * np.sin(x / 9) * np.sin(y / 7)
    level = 102.0
    water = rough < level
    coarse = ndimage.zoom(rough.reshape(ROWS // 20, 20, COLS // 20, 20).mean(axis=(1, 3)), 20, order=1)
    fine = map_depth(water, ~water, rough.astype(np.float32), GRID)
    found = map_depth(water, ~water, coarse.astype(np.float32), GRID, dem_cell_m=20.0)
    inside = water & np.isfinite(found.depth_m)
    error = np.abs(found.depth_m - (level - rough))[inside]
    assert (error <= found.half_width_m[inside]).mean() > 0.8
    assert np.nanmean(found.half_width_m) > 2 * np.nanmean(fine.half_width_m)


def test_water_that_was_seen_on_a_hill_is_said_to_be_implausible() -> None:
    ground, level = _valley()
    water = ground < level
    assert map_depth(water, ~water, ground, GRID).implausible_m2 == 0
    hill = ground.copy()
    hill[95:105, 140:150] += 8.0  # a roof in shadow on a knoll, say
    found = map_depth(water, ~water, hill, GRID)
    assert 60 <= found.implausible_m2 <= 140
    assert found.statistics()["implausible_m2"] == found.implausible_m2


def test_the_trace_of_a_flood_tells_how_high_it_stood() -> None:
    ground, level = _valley()
    peak = level + 1.0
    water = ground < level
    trace = (ground < peak) & ~water
    now = map_depth(water, ~water, ground, GRID)
    mark = map_high_water(water, trace, ~water & ~trace, ground, now)
    assert mark is not None
    assert mark.fallen_m == pytest.approx(1.0, abs=0.1)
    hit = water | trace
    assert np.abs(mark.depth.depth_m - (peak - ground))[hit].mean() < 0.12
    assert mark.trace_m2 == trace.sum()


def test_a_patchy_trace_tells_it_nearly_as_well() -> None:
    rng = np.random.default_rng(4)
    ground, level = _valley()
    peak = level + 1.0
    water = ground < level
    noise = ndimage.gaussian_filter(rng.normal(size=ground.shape), 2)
    shallow = np.clip((peak - ground) / 0.5, 0, 1)  # the last half metre shows mud here and there only
    trace = ~water & (noise / noise.std() < 3 * shallow - 1.5) & (ground < peak)
    now = map_depth(water, ~water, ground, GRID)
    mark = map_high_water(water, trace, ~water & ~trace, ground, now)
    assert mark is not None
    assert 0.7 < mark.fallen_m < 1.1


def test_a_flood_without_a_trace_has_no_mark() -> None:
    ground, level = _valley()
    water = ground < level
    now = map_depth(water, ~water, ground, GRID)
    assert map_high_water(water, np.zeros_like(water), ~water, ground, now) is None


def test_the_cell_of_a_dem_is_known_in_metres_whatever_its_crs(make_raster, tmp_path) -> None:
    metric = Affine(5, 0, 500_000, 0, -5, 3_400_000)
    path = make_raster(tmp_path / "m.tif", np.ones((1, 40, 60), np.float32), transform=metric)
    assert dem_cell_m(path, GRID) == pytest.approx(5.0)
    degrees = Affine(1 / 3600, 0, 117.0, 0, -1 / 3600, 30.74)
    path = make_raster(
        tmp_path / "d.tif", np.ones((1, 40, 60), np.float32), transform=degrees, crs="EPSG:4326"
    )
    assert dem_cell_m(path, GRID) == pytest.approx(28.7, abs=0.7)


def test_depth_classes_meet_at_their_edges() -> None:
    depth = np.array([[0.0, 0.49, 0.5, 1.0, 2.0, 3.9, 4.0, 80.0, np.nan]], np.float32)
    assert depth_class(depth).tolist() == [[1, 1, 2, 3, 4, 4, 5, 5, 0]]


def test_class_areas_add_up_to_the_water_with_a_depth() -> None:
    ground, level = _valley()
    water = ground < level
    found = map_depth(water, ~water, ground, GRID)
    assert sum(found.class_areas_m2().values()) == pytest.approx(np.isfinite(found.depth_m).sum())


def test_relief_is_the_height_above_the_lowest_ground_near() -> None:
    ground, _ = _valley()
    above, slope = relief_of(ground, GRID)
    assert above[ROWS // 2, 50:250].max() < 0.1
    assert above[ROWS // 2 + 30, 150] == pytest.approx(0.05 * 30, abs=0.1)
    assert slope[ROWS // 2 + 30, 150] == pytest.approx(0.05, abs=0.01)


def test_a_dem_of_elsewhere_is_refused(make_raster, tmp_path) -> None:
    far = Affine(1, 0, 700_000, 0, -1, 3_400_000)
    path = make_raster(tmp_path / "dem.tif", np.ones((1, 50, 50), np.float32), transform=far)
    with pytest.raises(DamageError, match="does not overlap the mosaic"):
        read_dem(path, GRID)


def test_a_dem_without_nodata_value_says_nothing_beyond_its_edge(make_raster, tmp_path) -> None:
    near = Affine(1, 0, 500_100, 0, -1, 3_400_000)
    path = make_raster(tmp_path / "dem.tif", np.full((1, 50, 50), 7, np.float32), transform=near)
    heights = read_dem(path, GRID)
    assert np.isfinite(heights).sum() == 2500
    assert (heights[:50, 100:150] == 7).all()


def test_depth_of_the_mapped_place(mapped, place) -> None:
    with rasterio.open(mapped.folder / "depth.tif") as source:
        depth = np.where(source.read(1) == source.nodata, np.nan, source.read(1))
    truth = place.depth_m.reshape(80, 10, 90, 10).mean(axis=(1, 3))
    both = np.isfinite(depth) & np.isfinite(truth)
    assert both.sum() > 1500
    assert np.abs(depth - truth)[both].mean() < 0.25


def test_the_mapped_place_has_a_high_water_mark(mapped) -> None:
    mark = mapped.figures["high_water"]
    assert mark["trace_m2"] > 50
    assert 0.0 < mark["fallen_m"] < 0.5
    with rasterio.open(mapped.folder / "depth_peak.tif") as source:
        assert source.count == 2
