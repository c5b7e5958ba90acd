"""Real data: a Copernicus EMS grading of the Ahr flood (EMSR517, (c) European Union) and the LiDAR ground and
flood extent of Lyons that FwDET is tried on (USGS)."""

import numpy as np
import pyogrio.raw
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.features import rasterize
from scipy import ndimage

from imagery.damage.depth import map_depth, read_dem
from imagery.damage.legend import BARE, WATER
from imagery.damage.rasters import Layers
from imagery.damage.roads import cut_length_m, grade_roads
from imagery.damage.scene import GeoGrid
from imagery.damage.statistics import read_townships, township_statistics
from imagery.damage.vector_in import read_layer

UTM = pyproj.CRS(32632)


def _ems(flood_data, name: str):
    return flood_data / "emsr517" / f"EMSR517_AOI15_GRA_PRODUCT_{name}_r1_v1.json"


@pytest.fixture(scope="module")
def valley(flood_data, tmp_path_factory):
    """Four by four kilometres of the Ahr: the observed event as classes at 1 m; (folder, grid, flood)."""
    event = read_layer(_ems(flood_data, "observedEventA"), UTM, "event")
    flood = shapely.union_all(event.geometries)
    west, north = round(flood.centroid.x) - 2000, round(flood.centroid.y) + 2000
    grid = GeoGrid(UTM, Affine(1, 0, west, 0, -1, north), 4000, 4000)
    classes = rasterize(
        [(flood, WATER)], out_shape=(4000, 4000), transform=grid.transform, fill=BARE, dtype="uint8"
    )
    folder = tmp_path_factory.mktemp("ahr")
    for name, values, nodata in (("classes", classes, 0), ("not_analysed", classes * 0, 255)):
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", count=1, width=4000, height=4000, dtype="uint8",
            crs=UTM.to_wkt(), transform=grid.transform, nodata=nodata, compress="lzw",
        ) as sink:  # fmt: skip
            sink.write(values, 1)
    return folder, grid, flood.intersection(grid.outline)


def test_the_layers_of_a_real_product_are_read_in_metres(flood_data) -> None:
    lines = ("LineString", "MultiLineString")
    roads = read_layer(_ems(flood_data, "transportationL"), UTM, "roads", kinds=lines)
    houses = read_layer(_ems(flood_data, "builtUpP"), UTM, "people", kinds=("Point",))
    assert len(roads) == 4323
    assert len(houses) == 3814
    length_km = sum(line.length for line in roads.geometries) / 1000
    geod = pyproj.Geod(ellps="GRS80")
    _, _, wkb, _ = pyogrio.raw.read(_ems(flood_data, "transportationL"))
    truth_km = sum(geod.geometry_length(g) for g in shapely.from_wkb(wkb) if g is not None) / 1000
    assert length_km == pytest.approx(truth_km, rel=1e-3)
    grades, counts = np.unique(houses.field(("damage_gra",)).astype(str), return_counts=True)
    assert dict(zip(grades, counts, strict=True)) == {
        "Damaged": 687,
        "Destroyed": 336,
        "Possibly damaged": 2791,
    }


def test_flooded_road_length_is_that_of_a_vector_overlay(flood_data, valley) -> None:
    folder, grid, flood = valley
    roads = read_layer(
        _ems(flood_data, "transportationL"), UTM, "roads", kinds=("LineString", "MultiLineString")
    )
    near = [line for line in roads.geometries if line.within(grid.outline)]
    assert len(near) > 300
    with Layers(folder, grid) as layers:
        ids = tuple(map(str, range(len(near))))
        found = grade_roads(tuple(near), ids, tuple(range(len(near))), grid, layers)
    overlay_m = sum(line.intersection(flood).length for line in near)
    assert overlay_m > 5000
    # Some roads run along the digitised edge of the flood: a strip's majority may say either.
    assert cut_length_m(found) == pytest.approx(overlay_m, rel=0.05)
    assert sum(s.length_m for s in found) == pytest.approx(sum(line.length for line in near), rel=1e-6)


def test_flooded_area_of_a_real_area_of_interest_is_exact(flood_data, valley) -> None:
    folder, _, flood = valley
    towns = read_townships(_ems(flood_data, "areaOfInterestA"), UTM)
    (town,) = township_statistics(
        towns, folder / "classes.tif", None, folder / "not_analysed.tif", (), (), None
    )
    assert town.classes_m2["water"] == pytest.approx(flood.area, rel=0.01)
    assert town.seen_share < 0.2


def test_depth_of_a_real_flood_agrees_with_plain_fwdet(flood_data) -> None:
    """FwDET 1 (Cohen et al. 2018), plainly: the level of each cell is that of the nearest cell of the flood's
    edge, here between its wet and its dry side. Ours cleans and smooths that edge: alike in the middle,
    calmer at the rim."""
    crs = pyproj.CRS(26712)
    grid = GeoGrid(crs, Affine(2, 0, -284, 0, -2, 362), 639, 639)
    dem = read_dem(flood_data / "fwdet_lyons" / "lyons_elevation.tif", grid)
    extent = read_layer(flood_data / "fwdet_lyons" / "Lyons.gdb", crs, "extent")
    water = rasterize(extent.geometries, out_shape=dem.shape, transform=grid.transform) > 0
    found = map_depth(water, ~water & np.isfinite(dem), dem, grid)

    edge = water & ndimage.binary_dilation(~water)
    _, (row, col) = ndimage.distance_transform_edt(~edge, return_indices=True)
    ring = np.ones((3, 3))
    banks = ~water & np.isfinite(dem)
    beside = ndimage.convolve(np.where(banks, dem, 0.0), ring) / np.maximum(
        ndimage.convolve(1.0 * banks, ring), 1
    )
    shore = (dem + beside) / 2
    plain = np.maximum(shore[row, col] - dem, 0.0)
    both = np.isfinite(found.depth_m) & water & np.isfinite(plain)
    assert both.sum() > 0.9 * water.sum()
    difference = found.depth_m[both] - plain[both]
    assert abs(np.median(difference)) < 0.15
    assert np.corrcoef(found.depth_m[both], plain[both])[0, 1] > 0.7
    assert 0.2 < found.depth_m[both].mean() < 5.0
    # A water surface is smooth: its steps between neighbours are far smaller than plain FwDET's.
    ours, theirs = (np.where(both, d + dem, np.nan) for d in (found.depth_m, plain))
    deep = ndimage.binary_erosion(both & (found.depth_m > 0) & (plain > 0), iterations=2)
    steps = [np.nanmean(np.abs(np.diff(level, axis=1))[deep[:, 1:]]) for level in (ours, theirs)]
    assert steps[0] < 0.5 * steps[1]
