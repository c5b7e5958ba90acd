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
