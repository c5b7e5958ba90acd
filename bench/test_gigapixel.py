"""A mosaic of a gigapixel classified from strokes: processor time, memory of the process, and agreement with
the truth. The ground is one simulated county, turned and lit differently from tile to tile. Photos of a drone
have pixels of 5 cm, sixteen to a work cell; at 20 cm each pixel is one, which is the most work there can be.

GIGAPIXELS=0.1 makes it smaller."""

import os
import resource
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from imagery.damage import score
from sim.world import make_world, paint_samples

GIGAPIXELS = float(os.environ.get("GIGAPIXELS", "1"))
MOST_S, MOST_MB, CORES = 600, 1_500, 2
START_S = 40
"""Starting Python, learning and cross-validation, whatever the size."""
_STRIP_PX = 512


@pytest.fixture(scope="module")
def county(tmp_path_factory):
    """A flooded county of 600 m, and ten strokes a class on it."""
    folder = tmp_path_factory.mktemp("county")
    world = make_world(folder, 41, 600, 0.2)
    paint_samples(world, folder / "strokes.gpkg", 10)
    return world, folder / "strokes.gpkg"


def _write(path, source_path, pixel_m: float, side: int, *, codes: bool) -> None:
    """The county's raster over and over, mirrored from tile to tile; pictures also darker and brighter."""
    with rasterio.open(source_path) as source:
        bands = source.read()
        place, crs = source.transform, source.crs
    high, wide = (round(n * place.a / pixel_m) for n in bands.shape[1:])
    how = cv2.INTER_NEAREST if codes else cv2.INTER_LINEAR
    tile = np.stack([cv2.resize(band, (wide, high), interpolation=how) for band in bands])
    turned = [tile, tile[:, ::-1], tile[:, :, ::-1], tile[:, ::-1, ::-1]]
    kind = {"compress": "deflate", "nodata": 0} if codes else {"compress": "jpeg", "photometric": "ycbcr"}
    with rasterio.open(
        path, "w", driver="GTiff", width=side, height=side, count=len(tile), dtype="uint8", crs=crs,
        transform=Affine(pixel_m, 0, place.c, 0, -pixel_m, place.f), tiled=True, blockxsize=512,
        blockysize=512, interleave="pixel", bigtiff="if_safer", **kind,
    ) as sink:  # fmt: skip
        for top in range(0, side, _STRIP_PX):
            rows = np.arange(top, min(top + _STRIP_PX, side))
            strip = np.empty((len(tile), len(rows), side), np.uint8)
            for left in range(0, side, wide):
                for part in np.unique(rows // high):
                    number = part * 7 + left // wide * 3
                    in_tile, width = rows // high == part, min(wide, side - left)
                    shown = turned[(part % 2) + 2 * (left // wide % 2)][:, rows[in_tile] % high, :width]
                    light = np.float32(1.0 if codes else 1.0 - 0.04 * (number % 5))
                    strip[:, in_tile, left : left + width] = (shown * light).astype(np.uint8)
            sink.write(strip, window=Window(0, top, side, len(rows)))


@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("pixel_m", [0.05, 0.2])
def test_a_gigapixel_from_strokes(county, tmp_path, tell, pixel_m: float) -> None:
    world, strokes = county
    side = round((GIGAPIXELS * 1e9) ** 0.5)
    _write(tmp_path / "mosaic.tif", world.folder / "after.tif", pixel_m, side, codes=False)
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    words = ["damage", tmp_path / "mosaic.tif", "-o", tmp_path / "out", "--samples", strokes]
    subprocess.run(
        [sys.executable, "-m", "missionctl.cli.main", *map(str, words)], check=True, capture_output=True
    )
    wall_s, after = time.monotonic() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    memory_mb = after.ru_maxrss / 1000  # one process with threads: its peak is that of the whole tree
    cells = GIGAPIXELS * min(1.0, (pixel_m / 0.2) ** 2)
    _write(
        tmp_path / "truth.tif",
        world.truth_classes,
        max(pixel_m, 0.2),
        round(side * min(1, pixel_m / 0.2)),
        codes=True,
    )
    iou = score(tmp_path / "out" / "classes.tif", tmp_path / "truth.tif").iou
    tell(
        f"{GIGAPIXELS:g} Gpx of {100 * pixel_m:g} cm ({1000 * cells:.0f} M cells): CPU {cpu_s:.0f} s, "
        f"clock {wall_s:.0f} s, {memory_mb:.0f} MB; water IoU {iou['water']:.2f}"
    )
    assert cpu_s < START_S + (MOST_S * CORES - START_S) * GIGAPIXELS
    assert memory_mb < MOST_MB
    assert iou["water"] > 0.6
