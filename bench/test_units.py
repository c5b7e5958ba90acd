"""Tables of a county of 12 townships and 172 villages with land use on 268 Mpx: time, and do sums agree?"""

import time

import numpy as np
import rasterio
import shapely
from affine import Affine
from shapely import box
from shapely.ops import voronoi_diagram

from imagery.damage.legend import CLASSES
from imagery.damage.units import Evidence, pieces_of, units_of
from imagery.damage.vector_in import VectorLayer

SIDE_PX, PIXEL_M = 16_384, 0.2
SIDE_M = SIDE_PX * PIXEL_M
TOWNSHIPS, VILLAGES, PARCELS = 12, 172, 3000
WEST, NORTH = 500_000.0, 3_400_000.0
KINDS = ("水田", "旱地", "林地", "草地", "建设用地")


def _cells(count: int, rng: np.random.Generator) -> list[shapely.Geometry]:
    frame = box(WEST, NORTH - SIDE_M, WEST + SIDE_M, NORTH)
    seeds = shapely.MultiPoint(rng.uniform(0, SIDE_M, (count, 2)) + frame.bounds[:2])
    return [cell.intersection(frame) for cell in voronoi_diagram(seeds, frame).geoms]


def _layer(areas, names, field="name") -> VectorLayer:
    return VectorLayer("layer", tuple(areas), {field: np.array(names, object)}, tuple(range(len(areas))))


def test_a_county_of_172_villages(tmp_path, tell) -> None:
    rng = np.random.default_rng(8)
    transform = Affine(PIXEL_M, 0, WEST, 0, -PIXEL_M, NORTH)
    blocks = rng.integers(1, 8, (SIDE_PX // 128, SIDE_PX // 128)).astype(np.uint8)
    for name in ("classes", "not_analysed"):
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", driver="GTiff", width=SIDE_PX, height=SIDE_PX, count=1,
            dtype="uint8", crs="EPSG:32650", transform=transform, nodata=0 if name == "classes" else 255,
            tiled=True, blockxsize=512, blockysize=512, compress="deflate",
        ) as sink:  # fmt: skip
            for row in range(0, SIDE_PX, 2048):
                part = np.kron(blocks[row // 128 : (row + 2048) // 128], np.ones((128, 128), np.uint8))
                window = rasterio.windows.Window(0, row, SIDE_PX, 2048)
                sink.write(part if name == "classes" else part * 0, 1, window=window)
    levels = {
        "county": _layer([box(WEST, NORTH - SIDE_M, WEST + SIDE_M, NORTH)], ["县"]),
        "township": _layer(_cells(TOWNSHIPS, rng), [f"镇{i}" for i in range(TOWNSHIPS)]),
        "village": _layer(_cells(VILLAGES, rng), [f"村{i}" for i in range(VILLAGES)]),
    }
    parcels = _cells(PARCELS, rng)
    land = _layer(parcels, [KINDS[i % len(KINDS)] for i in range(PARCELS)], "dlmc")
    evidence = Evidence(
        tmp_path / "not_analysed.tif", tmp_path / "classes.tif", None, None, None, None, CLASSES[1:8]
    )
    began_s, clock_s = time.process_time(), time.monotonic()
    pieces = pieces_of(levels, levels["county"].geometries[0])
    units = units_of(pieces, evidence, land)
    cpu_s, wall_s = time.process_time() - began_s, time.monotonic() - clock_s
    total = units[0].figures
    water_m2 = float((blocks == 1).sum()) * (128 * PIXEL_M) ** 2
    worst = max(
        abs(sum(u.figures.classes_m2["water"] for u in units if u.level == level) / water_m2 - 1)
        for level in ("county", "township", "village")
    )
    by_use = sum(total.land_water_m2.values()) / water_m2 - 1
    straddling = sum(u.straddles for u in units)
    tell(
        f"{len(pieces)} pieces of {VILLAGES} villages ({straddling} rows of villages in several townships), "
        f"{PARCELS} parcels, {SIDE_PX**2 / 1e6:.0f} Mpx: {cpu_s:.1f} s of CPU, {wall_s:.1f} s; sums agree to "
        f"{worst:.1e}, by land use to {abs(by_use):.1e}"
    )
    assert worst < 1e-6
    assert abs(by_use) < 1e-6
    assert cpu_s < 60
