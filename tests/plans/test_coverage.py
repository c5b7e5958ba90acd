"""The proof of coverage: its numbers are those of a plain projection of every cell into every photo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given
from hypothesis import strategies as st

from plans.cameras import Camera
from plans.coverage import NODATA, Coverage, cell_size_m, count_photos, footprint, write_coverage
from plans.errors import PlanFileError, TerrainError
from plans.frames import Pose
from plans.terrain import Terrain, flat_terrain

from .conftest import FRAME, hills, repeatable

CAMERA = Camera("Small", 13.2, 8.8, 8.8, 600, 400)
BARREL = replace(CAMERA, distortion=(-0.08, 0.02, 0.001, -0.001, 0.0), principal_dx_px=6.0)
ZONE = shapely.Polygon(
    [(-150, -120), (140, -130), (60, 0), (150, 130), (-140, 120)], [[(-60, -30), (-20, -30), (-20, 10)]]
)


def by_hand(zone, poses, camera, terrain, cell_m):
    """The same count with loops: rotation from angles written out, pinhole with Brown's terms written out."""
    west, south, east, north = zone.bounds
    rows, cols = int(np.ceil((north - south) / cell_m)), int(np.ceil((east - west) / cell_m))
    counts = np.full((rows, cols), NODATA, int)
    f = camera.focal_mm / camera.sensor_width_mm * camera.image_width_px
    k1, k2, p1, p2, k3 = camera.distortion
    for r in range(rows):
        for c in range(cols):
            e, n = west + (c + 0.5) * cell_m, north - (r + 0.5) * cell_m
            if not zone.contains(shapely.Point(e, n)):
                continue
            counts[r, c] = 0
            for pose in poses:
                yaw, pitch, roll = np.radians([pose.yaw_deg, pose.pitch_deg, pose.roll_deg])
                ahead = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), np.sin(pitch)])
                level_right = np.array([np.cos(yaw), -np.sin(yaw), 0.0])
                level_down = np.cross(ahead, level_right)
                right = np.cos(roll) * level_right + np.sin(roll) * level_down
                down = np.cross(ahead, right)
                d = np.array([e, n, float(terrain.at(e, n))]) - [pose.east_m, pose.north_m, pose.up_m]
                if d @ ahead <= 0:
                    continue
                x, y = d @ right / (d @ ahead), d @ down / (d @ ahead)
                r2 = x * x + y * y
                g = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
                u = f * (x * g + 2 * p1 * x * y + p2 * (r2 + 2 * x * x))
                v = f * (y * g + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y)
                u += camera.image_width_px / 2 + camera.principal_dx_px
                v += camera.image_height_px / 2 + camera.principal_dy_px
                counts[r, c] += 0 <= u <= camera.image_width_px and 0 <= v <= camera.image_height_px
    return counts


def assert_same(coverage, expected, slack=0):
    """Equal but for cells whose middle lies on the edge of zone or photo within rounding."""
    ours = coverage.counts.astype(int)
    assert ours.shape == expected.shape
    assert (ours != expected).mean() <= slack


@pytest.mark.parametrize("camera", [CAMERA, BARREL], ids=["straight", "curved"])
def test_counts_are_those_of_projecting_every_cell_by_hand(camera):
    terrain = hills(25.0, step_m=20.0, seed=5, half_m=600.0)
    rng = np.random.default_rng(8)
    poses = [
        Pose(
            *rng.uniform(-150, 150, 2),
            1500 + rng.uniform(90, 140),
            rng.uniform(0, 360),
            pitch,
            rng.uniform(-8, 8),
        )
        for pitch in (-90, -90, -85, -70, -60, -90, -78, -45)
    ]
    expected = by_hand(ZONE, poses, camera, terrain, 9.0)
    coverage = count_photos(ZONE, poses, camera, terrain, 9.0)
    assert expected[expected != NODATA].max() >= 3
    assert_same(coverage, expected, slack=0.002)
    inside = expected[expected != NODATA]
    for views in (1, 2, 3):
        assert coverage.share(views) == pytest.approx((inside >= views).mean(), abs=0.005)


@repeatable(25)
@given(
    st.floats(-120, 120),
    st.floats(-120, 120),
    st.floats(40, 200),
    st.floats(0, 360),
    st.floats(-90, -30),
    st.floats(-20, 20),
)
def test_one_photo_however_it_looks_is_counted_where_it_sees(east, north, up, yaw, pitch, roll):
    terrain = hills(15.0, step_m=20.0, seed=2, half_m=600.0)
    pose = Pose(east, north, 1500 + up, yaw, pitch, roll)
    zone = shapely.box(-200, -200, 200, 200)
    assert_same(
        count_photos(zone, [pose], CAMERA, terrain, 20.0), by_hand(zone, [pose], CAMERA, terrain, 20.0), 0.005
    )


def test_on_level_ground_the_count_is_the_footprint():
    terrain = flat_terrain(FRAME, 100.0)
    pose = Pose(10, -5, 180.0, 30, -90, 0)
    outline = footprint(pose, CAMERA, 100.0)
    assert outline.area == pytest.approx(np.prod(CAMERA.footprint_m(80)), rel=1e-9)
    seen = count_photos(shapely.box(-200, -200, 200, 200), [pose], CAMERA, terrain, 1.0)
    assert (seen.counts == 1).sum() == pytest.approx(outline.area, rel=0.01)
    assert seen.zone_area_m2 == pytest.approx(160_000)


def test_higher_ground_is_seen_by_fewer_photos():
    poses = [Pose(x, 0, 200.0, 0, -90, 0) for x in range(-100, 101, 20)]
    zone = shapely.box(-40, -20, 40, 20)
    low = count_photos(zone, poses, CAMERA, flat_terrain(FRAME, 100.0), 4.0).counts
    high = count_photos(zone, poses, CAMERA, flat_terrain(FRAME, 150.0), 4.0).counts
    assert high.mean() < 0.6 * low.mean()


def test_no_photo_no_view_and_ground_above_the_camera_is_not_seen():
    zone, terrain = shapely.box(0, 0, 50, 50), flat_terrain(FRAME, 100.0)
    assert count_photos(zone, [], CAMERA, terrain, 5.0).share(1) == 0.0
    assert count_photos(zone, [Pose(25, 25, 90.0, 0, -90, 0)], CAMERA, terrain, 5.0).share(1) == 0.0


def test_holes_of_the_zone_do_not_count():
    coverage = count_photos(ZONE, [Pose(0, 0, 1000, 0, -90, 0)], CAMERA, flat_terrain(FRAME, 0.0), 2.0)
    assert coverage.share(1) == 1.0
    assert coverage.zone_area_m2 == pytest.approx(ZONE.area, rel=0.01)


def test_ground_without_a_height_is_refused_not_guessed():
    heights = np.full((40, 40), 100.0)
    heights[10:14, 10:14] = np.nan
    terrain = Terrain(FRAME, -200.0, 200.0, 10.0, heights, "holes.tif")
    with pytest.raises(TerrainError, match=r"holes\.tif: the DEM lacks 1\.\d% of the zone"):
        count_photos(shapely.box(-190, -190, 190, 190), [Pose(0, 0, 200, 0, -90, 0)], CAMERA, terrain, 5.0)


def test_a_photo_of_the_sky_has_no_footprint():
    with pytest.raises(TerrainError, match="does not look down"):
        footprint(Pose(0, 0, 100, 0, -10, 0), CAMERA, 0.0)


def test_cells_are_small_beside_a_photo_and_never_too_many():
    assert cell_size_m(CAMERA, 100, shapely.box(0, 0, 500, 500)) == pytest.approx(100 / 20)
    huge = cell_size_m(CAMERA, 10, shapely.box(0, 0, 50_000, 50_000))
    assert (50_000 / huge) ** 2 < 26_000_000


def test_the_raster_says_where_it_is_and_what_is_outside(tmp_path):
    coverage = count_photos(ZONE, [Pose(0, 0, 80, 0, -90, 0)], CAMERA, flat_terrain(FRAME, 0.0), 2.0)
    path = write_coverage(coverage, tmp_path / "count.tif")
    with rasterio.open(path) as source:
        assert source.nodata == NODATA
        assert np.array_equal(source.read(1), coverage.counts)
        assert source.bounds.left == -150
        assert source.bounds.top == 130
        lon, lat = rasterio.warp.transform(source.crs, "EPSG:4326", [0.0], [0.0])
        assert (lat[0], lon[0]) == pytest.approx((30, 104), abs=1e-8)
    assert [p.name for p in tmp_path.iterdir()] == ["count.tif"]


def test_a_place_that_cannot_be_written_says_so(tmp_path):
    coverage = Coverage(FRAME, 0.0, 0.0, 1.0, np.zeros((4, 4), np.uint16))
    with pytest.raises(PlanFileError, match="cannot be written"):
        write_coverage(coverage, tmp_path / "none" / "count.tif")
