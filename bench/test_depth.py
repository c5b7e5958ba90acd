"""Depth of simulated floods, whose truth is known: with the water as it is, over a DEM of 1 m and of 20 m,
and of the flood at its highest from its trace."""

import cv2
import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine

from imagery.damage.depth import depth_class, map_depth, map_high_water
from imagery.damage.legend import MUD, WATER
from imagery.damage.scene import GeoGrid
from sim.world import make_world
from sim.world.flood import connected_depth
from sim.world.landcover import lay_out
from sim.world.terrain import Valley, make_relief

SEEDS = 31, 32


@pytest.fixture(scope="module")
def floods(tmp_path_factory):
    """(grid, DEM, classes, depth now, depth at the peak) of each."""
    found = []
    for seed in SEEDS:
        world = make_world(tmp_path_factory.mktemp("world"), seed, 720, 0.4)
        with rasterio.open(world.truth_depth) as source:
            now = source.read(1)
            grid = GeoGrid(
                pyproj.CRS(source.crs.to_wkt()), Affine(*source.transform[:6]), source.width, source.height
            )
        with rasterio.open(world.dem) as dem, rasterio.open(world.truth_depth_peak) as peak:
            heights, highest = dem.read(1), peak.read(1)
        with rasterio.open(world.truth_classes) as source:
            classes = source.read(1, out_shape=now.shape)
        found.append((grid, heights, classes, now, highest))
    return found


def _coarse(heights: np.ndarray, step: int) -> np.ndarray:
    size = heights.shape[1] // step, heights.shape[0] // step
    few = cv2.resize(heights, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(few, heights.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _agreement(found, truth_m: np.ndarray) -> dict[str, float]:
    known = np.isfinite(found.depth_m) & (truth_m > 0.02)
    error = found.depth_m[known] - truth_m[known]
    return {
        "MAE": float(np.abs(error).mean()),
        "bias": float(error.mean()),
        "class": float((depth_class(found.depth_m)[known] == depth_class(truth_m)[known]).mean()),
        "band": float((np.abs(error) <= found.half_width_m[known]).mean()),
        "width": float(found.half_width_m[known].mean()),
    }


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([row[name] for row in rows])), 3) for name in rows[0]}


@pytest.mark.parametrize(("cell_m", "classes"), [(1, 0.8), (20, 0.5)])
def test_depth_now(floods, tell, cell_m: int, classes: float) -> None:
    rows = []
    for grid, heights, _, now, _ in floods:
        wet = now > 0.02
        dem = _coarse(heights, cell_m) if cell_m > 1 else heights
        rows.append(_agreement(map_depth(wet, ~wet, dem, grid, float(cell_m)), now))
    tell(f"DEM of {cell_m} m: {_mean(rows)}")
    assert _mean(rows)["band"] >= 0.8
    assert _mean(rows)["class"] >= classes


def test_depth_at_the_peak(floods, tell) -> None:
    rows = []
    for grid, heights, classes, _, highest in floods:
        water, trace = classes == WATER, classes == MUD
        now = map_depth(water, ~water, heights, grid)
        mark = map_high_water(water, trace, ~water & ~trace, heights, now)
        rows.append(_agreement(mark.depth, highest))
    tell(f"high water: {_mean(rows)}")
    assert _mean(rows)["band"] >= 0.8


@pytest.mark.parametrize("cell_m", [20, 30])
def test_a_deep_flood_over_a_coarse_dem(tell, cell_m: int) -> None:
    """Six metres deep in the mean, with a shore that is seen two metres off."""
    rows = []
    for seed in SEEDS:
        valley = Valley.from_seed(seed, 1500.0, 1250.0)
        relief = lay_out(valley, make_relief(valley)).relief
        truth = next(d for d in (connected_depth(relief, valley, s) for s in range(5, 14)) if _mean_m(d) >= 6)
        rng = np.random.default_rng(seed)
        wander = cv2.GaussianBlur(rng.normal(size=truth.shape), (0, 0), 8.0)
        off_m = cv2.distanceTransform((truth > 0).astype(np.uint8), cv2.DIST_L2, 5)
        off_m -= cv2.distanceTransform((truth <= 0).astype(np.uint8), cv2.DIST_L2, 5)
        seen = off_m > 2.0 * wander / wander.std()
        side = GeoGrid(pyproj.CRS(32648), Affine(1, 0, 0, 0, -1, 0), truth.shape[1], truth.shape[0])
        found = map_depth(seen, ~seen, _coarse(relief.heights_m, cell_m), side, float(cell_m))
        rows.append(_agreement(found, truth))
    tell(f"deep, DEM of {cell_m} m: {_mean(rows)}")
    assert _mean(rows)["MAE"] <= 1.6
    assert _mean(rows)["band"] >= 0.8


def _mean_m(depth_m: np.ndarray) -> float:
    return float(depth_m[depth_m > 0].mean())
