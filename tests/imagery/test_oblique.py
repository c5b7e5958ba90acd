"""Photos that look to the side: what of them is ground that can be painted."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import rasterio

from imagery.mosaic import MosaicOptions, make_mosaic
from imagery.ortho import ground_outline, make_grid
from imagery.surface import flat_surface
from imagery.views import look_around
from imagery.workers import Threads
from plans.frames import Pose

from .conftest import CAMERA, FRAME, GROUND_UP_M, ground_texture, take_photo, true_poses, write_photo

LEVEL = flat_surface((-400.0, -400.0, 400.0, 400.0), GROUND_UP_M)


def seen_by(poses):
    """(count, cells) of what photos see of level ground."""
    outlines = [ground_outline(CAMERA, pose, LEVEL) for pose in poses]
    cells = make_grid(FRAME, outlines, 0.25).coarser(2)
    every = [CAMERA] * len(poses), poses, outlines, [True] * len(poses)
    with ThreadPoolExecutor(1) as pool:
        return look_around(*every, cells, LEVEL, Threads(pool, 1)).count, cells


@pytest.mark.parametrize("pitch_deg", [-60.0, -35.0, -15.0, 0.0])
def test_far_ground_is_not_seen_and_near_ground_is(pitch_deg):
    pose = Pose(0.0, 0.0, GROUND_UP_M + 40.0, 0.0, pitch_deg, 0.0)
    count, cells = seen_by([pose])
    east, north = cells.local_places(np.arange(cells.rows), np.arange(cells.cols))
    off_nadir_deg = np.degrees(np.arctan2(np.hypot(east, north), 40.0))
    assert not count[off_nadir_deg > 76].any()
    up, across = np.radians(CAMERA.image_height_px / 2 / CAMERA.focal_px), 3.0
    nearest, farthest = 90 + pitch_deg - np.degrees(up) + 5, min(90 + pitch_deg + np.degrees(up) - 5, 74)
    ahead = (np.abs(east) < across) & (north > 0) & (off_nadir_deg > nearest) & (off_nadir_deg < farthest)
    assert count[ahead].all()


def test_ground_that_a_steep_photo_sees_is_not_lost_to_an_oblique_one():
    down = Pose(0.0, 0.0, GROUND_UP_M + 40.0, 0.0, -90.0, 0.0)
    side = replace(down, pitch_deg=-10.0, north_m=-200.0)
    count, cells = seen_by([down, side])
    alone, own = seen_by([down])
    east, north = own.local_places(np.arange(own.rows), np.arange(own.cols))
    row, col = (np.rint(v).astype(int) for v in _cell_of(cells, east, north))
    assert (count[row, col] >= alone)[2:-2, 2:-2].all()


def _cell_of(cells, east, north):
    x, y = cells.map_places(east, north)
    return (cells.north - y) / cells.gsd_m - 0.5, (x - cells.west) / cells.gsd_m - 0.5


def test_sky_is_not_painted(tmp_path):
    """Fifteen photos that look down and one that sees the horizon; its sky and farthest ground are violet."""
    photos = tmp_path / "photos"
    photos.mkdir()
    ground = ground_texture()
    for number, pose in enumerate(true_poses()):
        write_photo(photos / f"P{number:03d}.JPG", take_photo(ground, pose), pose, 0.03, number)
    level = replace(true_poses()[7], pitch_deg=-42.0, roll_deg=25.0, yaw_deg=45.0)
    oblique = take_photo(ground, level)
    cols, rows = np.meshgrid(np.arange(CAMERA.image_width_px), np.arange(CAMERA.image_height_px))
    rays = CAMERA.rays(np.stack([cols.ravel(), rows.ravel()], axis=1)) @ level.camera_from_enu
    far = (rays[:, 2] > -0.22 * np.linalg.norm(rays, axis=1)).reshape(cols.shape)
    oblique[far] = (230, 40, 160)
    assert 0.03 < far.mean() < 0.4
    write_photo(photos / "P900.JPG", oblique, level, 0.03, 20)
    out = tmp_path / "mosaic.tif"
    report = make_mosaic(photos, out, MosaicOptions(workers=2))
    assert len(report.photos) == 16, report.dropped
    with rasterio.open(out) as source:
        red, green, blue = source.read((1, 2, 3)).astype(int)
        mask = source.dataset_mask() > 0
    violet = mask & (blue > 200) & (green < 60) & (np.abs(red - 160) < 30)
    assert mask.sum() > 1e6
    assert violet.sum() == 0
