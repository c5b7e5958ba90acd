"""Planning: how long from a zone with relief to flights that are proven to cover it."""

import numpy as np
import rasterio
from affine import Affine

from missionctl.services.planning import PlanRequest, make_plan
from plans.frames import GeoPoint


def _ridge(path):
    """A DEM of 2 x 2 km at 10 m: a ridge of 120 m across a plain at 600 m, in UTM zone 48N."""
    rows, cols = np.mgrid[0:200, 0:200]
    heights = 600 + 120 * np.exp(-(((cols - 100) / 25.0) ** 2)) + 0 * rows
    with rasterio.open(
        path, "w", driver="GTiff", width=200, height=200, count=1, dtype="float32", crs="EPSG:32648",
        transform=Affine(10, 0, 321000, 0, -10, 3326000),
    ) as sink:  # fmt: skip
        sink.write(heights.astype("float32"), 1)
    return path


def test_zone_over_a_ridge(tmp_path, benchmark, tell):
    dem = _ridge(tmp_path / "dem.tif")
    zone = tmp_path / "zone.geojson"
    ring = [[103.1460, 30.0440], [103.1560, 30.0440], [103.1560, 30.0480], [103.1510, 30.0480],
            [103.1510, 30.0520], [103.1460, 30.0520], [103.1460, 30.0440]]  # fmt: skip
    hole = [
        [103.1480, 30.0460],
        [103.1480, 30.0470],
        [103.1500, 30.0470],
        [103.1500, 30.0460],
        [103.1480, 30.0460],
    ]
    zone.write_text('{"type": "Polygon", "coordinates": ' + str([ring, hole]) + "}")
    request = PlanRequest(
        zone=zone, out=tmp_path / "p.plan", camera="DJI Mavic 3E", gsd_m=0.04, dem=dem,
        launches=(GeoPoint(30.0445, 103.1450),),
    )  # fmt: skip
    made = benchmark.pedantic(make_plan, args=(request, None), rounds=5, warmup_rounds=1)
    report = made.report
    tell(
        f"plan: {report['lanes']} lanes, {report['photos']} photos, {len(report['sorties'])} sorties, "
        f"{report['coverage']['share']:.1%} seen by {report['coverage']['k']}, "
        f"median {benchmark.stats.stats.median:.2f} s"
    )
    assert report["coverage"]["share"] > 0.99
