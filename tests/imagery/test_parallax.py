"""What photos that lie side by side say of the ground's height: photos of level ground on a surface that is
wrong."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest

from imagery.ortho import ground_outline, make_grid
from imagery.parallax import bent, find_relief, laid_on
from imagery.surface import Surface
from imagery.views import look_around, make_view
from imagery.workers import Threads

from .conftest import CAMERA, FRAME, GROUND_UP_M, ground_texture, take_photo, true_poses

FACTOR = 4
GSD_M = 0.1


@pytest.fixture(scope="module")
def thumbnails():
    """Fifteen photos, reduced."""
    ground = ground_texture()
    size = CAMERA.image_width_px // FACTOR, CAMERA.image_height_px // FACTOR
    return [cv2.resize(take_photo(ground, pose), size, interpolation=cv2.INTER_AREA) for pose in true_poses()]


def surface_off_by(height_m):
    """Nodes half a metre apart; `height_m` (east, north) by which they stand above the ground."""
    nodes = np.arange(-80.0, 80.5, 0.5)
    east, north = np.meshgrid(nodes, nodes[::-1])
    return Surface(-80.0, 80.0, 0.5, (GROUND_UP_M + height_m(east, north)).astype(np.float32))


def views_on(surface, thumbnails):
    """(views, poses, cells) of the photos."""
    poses = true_poses()
    outlines = [ground_outline(CAMERA, pose, surface) for pose in poses]
    cells = make_grid(FRAME, outlines, GSD_M).coarser(4)
    every = [CAMERA] * len(poses), poses, outlines, [True] * len(poses)
    with ThreadPoolExecutor(2) as pool:
        sights = look_around(*every, cells, surface, Threads(pool, 2))
    views = [
        make_view(i, CAMERA, pose, True, thumbnails[i], FACTOR, cells, surface, sights)
        for i, pose in enumerate(poses)
    ]
    return views, poses, cells


def told(views, cells):
    """(rows, cols) where two photos meet and could tell."""
    count = np.zeros(cells.shape, np.uint8)
    for view in views:
        count[view.window.slices] += view.valid
    return count >= 2


def hill(east, north):
    return 1.2 * np.exp(-((east - 5) ** 2 + (north - 12) ** 2) / (2 * 12.0**2))


def box(east, north):
    return -2.5 * ((np.abs(east) < 3) & (np.abs(north - 12) < 3))


def test_a_surface_that_is_off_is_bent_to_the_ground(thumbnails):
    surface = surface_off_by(hill)
    views, poses, cells = views_on(surface, thumbnails)
    relief = find_relief(surface, views, poses, cells)
    better = bent(surface, relief, cells)
    rows, cols = np.nonzero(cv2.erode(told(views, cells).astype(np.uint8), np.ones((5, 5), np.uint8)))
    east, north = cells.local_places(np.arange(cells.rows), np.arange(cells.cols))
    east, north = east[rows, cols], north[rows, cols]
    near = hill(east, north) > 0.3
    before, after = (s.at(east, north)[near] - GROUND_UP_M for s in (surface, better))
    assert near.sum() > 500
    assert np.sqrt((after**2).mean()) < 0.4 * np.sqrt((before**2).mean())
    far = hill(east, north) < 0.02
    assert np.abs(better.at(east, north)[far] - GROUND_UP_M).max() < 0.25


def test_views_that_are_laid_on_the_bent_surface_agree(thumbnails):
    surface = surface_off_by(hill)
    views, poses, cells = views_on(surface, thumbnails)
    relief = find_relief(surface, views, poses, cells)
    again, *_ = views_on(bent(surface, relief, cells), thumbnails)
    laid = laid_on(relief, surface, views, poses, cells)
    off, was = [], []
    for mine, fresh, old in zip(laid, again, views, strict=True):
        if mine.window == fresh.window:
            raised = np.abs(relief.ground_m[mine.window.slices]) > 0.5
            off.append(np.abs(mine.colour.astype(int) - fresh.colour)[raised & mine.valid & fresh.valid])
            was.append(np.abs(old.colour.astype(int) - fresh.colour)[raised & mine.valid & fresh.valid])
    assert len(np.concatenate(was)) > 500
    assert np.concatenate(off).mean() < 0.6 * np.concatenate(was).mean()


def test_what_is_abrupt_is_told_as_tall_and_does_not_bend_the_ground_beside(thumbnails):
    surface = surface_off_by(box)
    views, poses, cells = views_on(surface, thumbnails)
    relief = find_relief(surface, views, poses, cells)
    east, north = cells.local_places(np.arange(cells.rows), np.arange(cells.cols))
    seen = told(views, cells)
    inside = seen & (np.abs(east) < 2) & (np.abs(north - 12) < 2)
    beside = seen & (np.maximum(np.abs(east), np.abs(north - 12)) > 7)
    assert inside.sum() > 20
    assert relief.tall[inside].mean() > 0.6
    assert relief.tall[beside].mean() < 0.03
    assert np.abs(relief.ground_m[beside]).max() < 0.4


def test_waves_do_not_bend_the_ground(thumbnails):
    """Photos that show nothing in common."""
    surface = surface_off_by(lambda east, north: 0 * east)
    views, poses, cells = views_on(surface, thumbnails)
    rng = np.random.default_rng(3)
    waves = [
        replace(v, colour=cv2.GaussianBlur(rng.integers(0, 255, v.colour.shape, dtype=np.uint8), (0, 0), 1.0))
        for v in views
    ]
    relief = find_relief(surface, waves, poses, cells)
    assert np.abs(relief.ground_m).mean() < 0.01
