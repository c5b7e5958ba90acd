"""Statistics of 200 villages on a class raster of a gigapixel: time, and areas against the exact geometry."""

import time
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from shapely import Polygon, box
from shapely.ops import voronoi_diagram

from imagery.damage.legend import CLASSES, VEGETATION, WATER
from imagery.damage.statistics import township_statistics
from imagery.damage.vector_in import VectorLayer

SIDE_PX, PIXEL_M, VILLAGES = 32_768, 0.2, 200
WEST, NORTH = 500_000.0, 3_400_000.0


def _river(width_m: float) -> Polygon:
    across = np.linspace(0, SIDE_PX * PIXEL_M, 400)
    middle = NORTH - SIDE_PX * PIXEL_M / 2 + 500 * np.sin(across / 400)
    return shapely.LineString(np.column_stack([WEST + across, middle])).buffer(width_m, cap_style="flat")


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """(classes, not_analysed, river, villages): a winding river through fields of six classes."""
    folder = tmp_path_factory.mktemp("zonal")
    transform = Affine(PIXEL_M, 0, WEST, 0, -PIXEL_M, NORTH)
    river = _river(160.0)
    rng = np.random.default_rng(5)
    kind: dict[str, Any] = {
        "driver": "GTiff", "width": SIDE_PX, "height": SIDE_PX, "count": 1, "dtype": "uint8",
        "crs": "EPSG:32650", "transform": transform, "tiled": True, "blockxsize": 512, "blockysize": 512,
        "compress": "deflate",
    }  # fmt: skip
    with (
        rasterio.open(folder / "classes.tif", "w", nodata=0, **kind) as classes,
        rasterio.open(folder / "not_analysed.tif", "w", nodata=255, **kind) as unseen,
    ):
        for top in range(0, SIDE_PX, 512):
            window = rasterio.windows.Window(0, top, SIDE_PX, 512)
            fields = rng.integers(2, len(CLASSES), (8, SIDE_PX // 64)).astype(np.uint8)
            strip = np.kron(fields, np.ones((64, 64), np.uint8))
            strip[:, ::7] = VEGETATION
            wet = rasterio.features.rasterize(
                [river], strip.shape, transform=classes.window_transform(window)
            )
            strip[wet > 0] = WATER
            classes.write(strip, 1, window=window)
            unseen.write(np.zeros_like(strip), 1, window=window)
    frame = box(WEST, NORTH - SIDE_PX * PIXEL_M, WEST + SIDE_PX * PIXEL_M, NORTH)
    corner = np.array(frame.bounds[:2])
    seeds = shapely.MultiPoint(rng.uniform(0, SIDE_PX * PIXEL_M, (VILLAGES, 2)) + corner)
    cells = [cell.intersection(frame) for cell in voronoi_diagram(seeds, frame).geoms]
    return folder / "classes.tif", folder / "not_analysed.tif", river, cells


def test_two_hundred_villages(ground, tell) -> None:
    classes, unseen, river, villages = ground
    layer = VectorLayer("villages", tuple(villages), {}, tuple(range(len(villages))))
    began_s, clock_s = time.process_time(), time.monotonic()
    towns = township_statistics(layer, classes, None, unseen, (), (), None)
    cpu_s, wall_s = time.process_time() - began_s, time.monotonic() - clock_s
    gpx = SIDE_PX**2 / 1e9
    seen = max(abs(sum(t.classes_m2.values()) / t.area_m2 - 1) for t in towns)
    exact_m2 = np.array([river.intersection(v).area for v in villages])
    water_m2 = np.array([t.classes_m2["water"] for t in towns])
    much = exact_m2 > 2e4
    off = np.abs(water_m2 - exact_m2)[much] / exact_m2[much]
    tell(
        f"{len(villages)} villages on {gpx:.3f} Gpx: CPU {cpu_s:.1f} s, clock {wall_s:.1f} s; "
        f"area within {seen:.1e}, water of each village within {off.max():.1e}"
    )
    assert cpu_s / gpx < 30
    assert seen < 1e-3
    assert off.max() < 1e-3
