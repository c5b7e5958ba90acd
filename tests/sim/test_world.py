"""The synthetic valley: the same from the same seed, and true to itself."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import rasterio
import shapely
from scipy import ndimage

from imagery.damage.legend import (
    BUILDING,
    BUILDING_LOST,
    DEBRIS,
    FLOODED,
    GRADE_DAMAGED,
    GRADE_DESTROYED,
    GRADE_NONE,
    GRADE_POSSIBLE,
    ROAD_BLOCKED,
    ROAD_BRIDGE_OUT,
    ROAD_FLOODED,
    ROAD_LOST,
    ROAD_PASSABLE,
    VEGETATION,
    WATER,
    class_code,
)
from missionctl.services.demo import FULL, QUICK
from sim.errors import SimError
from sim.world import load_world, make_world, paint_samples
from sim.world.flood import strike
from sim.world.landcover import lay_out
from sim.world.make import flood_zone
from sim.world.objects import place_buildings
from sim.world.store import read_band, read_picture
from sim.world.terrain import Valley, make_relief

from .conftest import COARSE_M
from .layers import away_from, inside_of, layer


def zone_of(world):
    feature = json.loads(world.zone.read_text(encoding="utf-8"))["features"][0]
    return world.frame.geometry_to_local(shapely.geometry.shape(feature["geometry"]))


def test_the_same_seed_gives_the_same_world(world, tmp_path):
    again = make_world(tmp_path / "again", 4, pixel_m=COARSE_M)
    assert again.launch == world.launch
    for name in ("before", "after"):
        assert np.array_equal(read_picture(getattr(world, name)), read_picture(getattr(again, name)))
    for name in ("dem", "truth_classes", "truth_change", "truth_depth"):
        assert np.array_equal(read_band(getattr(world, name)), read_band(getattr(again, name)))
    for name in ("truth_buildings", "truth_roads", "townships", "population"):
        (shapes, values, _), (shapes2, values2, _) = layer(getattr(world, name)), layer(getattr(again, name))
        assert (shapely.to_wkb(shapes) == shapely.to_wkb(shapes2)).all()
        assert all((values[k] == values2[k]).all() for k in values)


def test_another_seed_gives_another_valley():
    one, other = (make_relief(Valley.from_seed(seed, 720, 600)).heights_m for seed in (4, 5))
    assert np.abs(one - other).mean() > 0.3


def test_rasters_share_the_frame_and_the_grid(world):
    for path in (world.before, world.after, world.truth_classes, world.truth_change, world.dem):
        with rasterio.open(path) as source:
            bounds = source.bounds
            assert bounds == pytest.approx((-360, -300, 360, 300))
            lon, lat = rasterio.warp.transform(source.crs, "EPSG:4326", [0.0], [0.0])
            assert (lat[0], lon[0]) == pytest.approx((30.05, 103.15), abs=1e-7)
    with rasterio.open(world.after) as source:
        assert source.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG"


def test_the_terrain_is_a_mountain_valley(world):
    heights = read_band(world.dem)
    assert np.isfinite(heights).all()
    assert 600 < heights.min() < heights.max() < 760
    assert np.ptp(heights) > 30


@pytest.mark.parametrize(
    ("size_m", "margin_m"),
    [(720, 95), (FULL.world_size_m, FULL.margin_m), (QUICK.world_size_m, QUICK.margin_m)],
)
@pytest.mark.parametrize("seed", range(1, 9))
def test_every_seed_has_a_concave_zone_with_a_hole_and_every_grade(seed, size_m, margin_m):
    height_m = round(size_m * 5 / 6)
    valley = Valley.from_seed(seed, size_m, height_m)
    layout = lay_out(valley, make_relief(valley))
    flood = strike(layout, place_buildings(layout))
    zone = flood_zone(flood, layout, margin_m)
    assert zone.is_valid
    assert zone.geom_type == "Polygon"
    assert len(zone.interiors) == 1
    assert shapely.Polygon(zone.exterior).area < 0.96 * zone.convex_hull.area
    west, south, east, north = zone.bounds
    half_m = (size_m / 2, height_m / 2)
    assert min(west + half_m[0], south + half_m[1], half_m[0] - east, half_m[1] - north) >= margin_m - 1
    grades = {house.grade for house in flood.buildings}
    assert grades == {GRADE_NONE, GRADE_POSSIBLE, GRADE_DAMAGED, GRADE_DESTROYED}
    assert sum(house.flooded for house in flood.buildings) >= 7
    states = {piece.state for piece in flood.roads}
    assert states == {ROAD_PASSABLE, ROAD_FLOODED, ROAD_BLOCKED, ROAD_BRIDGE_OUT}


def test_the_zone_file_is_the_zone_in_degrees(world):
    zone = zone_of(world)
    assert zone.is_valid
    assert len(zone.interiors) == 1
    assert 8e4 < zone.area < 2.5e5


def test_water_is_connected_level_across_and_stops_at_the_shore(world):
    heights, depth = read_band(world.dem).astype(float), read_band(world.truth_depth).astype(float)
    wet = depth > 0
    surface = heights + depth
    streams = away_from(world, world.rivers, kind="tributary") < 8.0
    rows = np.where(wet & ~streams, surface, np.nan)
    across = np.nanmax(rows, axis=0) - np.nanmin(rows, axis=0)
    assert np.nanmax(across) < 0.01  # the surface falls along the valley only
    fall = np.diff(np.nanmean(rows, axis=0))
    assert fall.max() < 0
    assert fall.min() > -0.02
    labels, count = ndimage.label(wet)
    sizes = ndimage.sum_labels(wet, labels, range(1, count + 1))
    assert sizes.max() / wet.sum() > 0.9
    shore = ndimage.binary_dilation(wet & ~streams) & ~wet & ~streams
    level = np.broadcast_to(np.nanmean(rows, axis=0), heights.shape)
    assert (heights[shore] >= level[shore] - 0.02).all()  # no walls of water


def test_truth_classes_agree_with_depth_and_change(world):
    classes, change = read_band(world.truth_classes), read_band(world.truth_change)
    assert classes.min() >= 1
    assert change.min() >= 1
    depth = np.kron(read_band(world.truth_depth), np.ones((2, 2)))  # 1 m to 0.5 m
    open_ground = ~np.isin(classes, [BUILDING, VEGETATION, DEBRIS])
    deep, dry = depth > 0.25, depth <= 0
    assert (classes[deep & open_ground] == WATER).mean() > 0.985
    assert (classes[dry & open_ground] == WATER).mean() < 0.02
    assert set(np.unique(classes[change == FLOODED])) == {WATER}
    share = (classes == WATER).mean()
    assert 0.08 < share < 0.35


def test_buildings_in_the_truth_rasters_are_those_of_the_vectors(world):
    classes, change = read_band(world.truth_classes), read_band(world.truth_change)
    shapes, values, _ = layer(world.truth_buildings)
    before, known, _ = layer(world.footprints)
    assert (known["id"] == values["id"]).all()
    assert all(a.equals(b) for a, b in zip(shapes, before, strict=True))
    for shape, grade in zip(shapes, values["grade"], strict=True):
        inside = inside_of(world, shape.buffer(-COARSE_M))
        if grade == GRADE_DESTROYED:
            assert (change[inside] == BUILDING_LOST).mean() > 0.7
            assert (classes[inside] == BUILDING).mean() == 0
        elif grade in (GRADE_NONE, GRADE_POSSIBLE):
            assert (np.isin(classes[inside], [BUILDING, VEGETATION])).all()
        else:
            assert 0.1 < (classes[inside] == DEBRIS).mean() < 0.7


def test_a_road_is_cut_and_its_loss_is_in_the_raster(world):
    shapes, values, _ = layer(world.truth_roads)
    gone = [s for s, out in zip(shapes, values["washed_out"], strict=True) if out]
    gone_names = [n for n, out in zip(values["name"], values["washed_out"], strict=True) if out]
    assert gone
    states = {s for s, out in zip(values["state"], values["washed_out"], strict=True) if out}
    assert states == {ROAD_BLOCKED, ROAD_BRIDGE_OUT}
    washed_away = [s for s, n in zip(gone, gone_names, strict=True) if n == "Bridge road"]
    change = read_band(world.truth_change)
    inside = inside_of(world, washed_away[0].buffer(1.5, cap_style="flat"))
    assert (change[inside] == ROAD_LOST).mean() > 0.8
    roads, _names, _ = layer(world.roads)
    total = sum(r.length for r in roads)
    assert sum(s.length for s in shapes) == pytest.approx(total, rel=1e-3)


def test_townships_fill_the_world_and_people_live_in_houses(world):
    shapes, values, _ = layer(world.townships)
    assert len(shapes) >= 3
    assert sum(s.area for s in shapes) == pytest.approx(720 * 600, rel=1e-6)
    assert shapely.unary_union(list(shapes)).area == pytest.approx(720 * 600, rel=1e-6)
    assert len(set(values["name_zh"])) == len(set(values["name_en"])) == len(shapes)
    people, counts, _ = layer(world.population)
    houses, _, _ = layer(world.footprints)
    assert shapely.STRtree(houses).query(people, predicate="within").shape[1] == len(people)
    assert (counts["people"] >= 1).all()


def test_the_launch_point_is_dry_and_level(world):
    east, north = world.frame.to_local(world.launch.lat_deg, world.launch.lon_deg)
    col, row = world.dem_grid.to_pixel(east, north)
    near = (slice(int(row) - 4, int(row) + 5), slice(int(col) - 4, int(col) + 5))
    heights = read_band(world.dem)[near]
    assert (read_band(world.truth_depth)[near] == 0).all()
    assert np.ptp(heights) < 2.0
    assert abs(float(heights.mean()) - world.launch.alt_amsl_m) < 1.0


def test_a_world_is_found_again(world):
    assert load_world(world.folder) == world


def test_strokes_lie_in_their_class_and_follow_the_seed(world, tmp_path):
    classes = read_band(world.truth_classes)
    count = paint_samples(world, tmp_path / "a.gpkg", 8, seed=1)
    shapes, values, _ = layer(tmp_path / "a.gpkg")
    assert len(shapes) == count
    assert {class_code(name) for name in values["class"]} == set(range(1, 9))
    for shape, name in zip(shapes, values["class"], strict=True):
        inside = classes[inside_of(world, shape)]
        assert (inside == class_code(name)).mean() > 0.9
    paint_samples(world, tmp_path / "b.gpkg", 8, seed=1)
    paint_samples(world, tmp_path / "c.gpkg", 8, seed=2)
    same, other = layer(tmp_path / "b.gpkg")[0], layer(tmp_path / "c.gpkg")[0]
    assert (shapely.to_wkb(shapes) == shapely.to_wkb(same)).all()
    assert not any(any(s.equals(o) for o in other) for s in shapes[:8])


def test_geojson_strokes_are_in_degrees(world, tmp_path):
    paint_samples(world, tmp_path / "a.geojson", 2, seed=1)
    feature = json.loads((tmp_path / "a.geojson").read_text(encoding="utf-8"))["features"][0]
    lon, lat = feature["geometry"]["coordinates"][0][0]
    assert (lat, lon) == pytest.approx((30.05, 103.15), abs=0.01)


@pytest.mark.parametrize("sizes", [{"size_m": 50.0}, {"size_m": float("nan")}, {"pixel_m": 0.0}])
def test_impossible_sizes_are_refused(tmp_path, sizes):
    with pytest.raises(SimError, match="choose"):
        make_world(tmp_path / "w", 1, **sizes)
    assert not (tmp_path / "w").exists()


def test_a_folder_without_a_world_says_so(tmp_path, world):
    with pytest.raises(SimError, match="no whole world"):
        load_world(tmp_path)
    (tmp_path / "world.json").write_text((world.folder / "world.json").read_text())
    with pytest.raises(SimError, match=r"dem\.tif"):
        load_world(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="POSIX file types")
def test_a_folder_that_cannot_be_written_says_so_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SimError, match="cannot be written"):
        make_world(tmp_path / "file" / "world", 1, pixel_m=1.0)
