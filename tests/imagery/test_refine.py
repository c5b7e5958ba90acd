"""Tie points measured again: to a small part of a pixel, and left alone where there is nothing to measure."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from imagery.adjust import lens_of
from imagery.bundle_math import project
from imagery.refine import refine_tracks
from imagery.tracks import Tracks
from imagery.workers import Threads

from .conftest import CAMERA, GROUND_UP_M, ground_texture, take_photo, true_poses


@pytest.fixture(scope="module")
def scene():
    """(greys, rotations, centres, lenses, points, tracks with true pixels) of the known block."""
    ground, poses = ground_texture(), true_poses()
    greys = [cv2.cvtColor(take_photo(ground, pose), cv2.COLOR_BGR2GRAY) for pose in poses]
    rng = np.random.default_rng(4)
    points = np.c_[rng.uniform(-30, 30, (300, 2)), np.full(300, GROUND_UP_M)]
    rotations = np.array([p.camera_from_enu for p in poses])
    centres = np.array([p.centre for p in poses])
    lenses = np.tile(lens_of(CAMERA), (len(poses), 1))
    track, photo = (a.ravel() for a in np.meshgrid(np.arange(300), np.arange(len(poses)), indexing="ij"))
    xy = project(rotations[photo], centres[photo], lenses[photo], points[track])
    size = np.array([CAMERA.image_width_px, CAMERA.image_height_px])
    seen = (np.minimum(xy, size - 1 - xy) > 40).all(axis=1)
    whole = Tracks(300, track, photo, xy, np.full(len(xy), 2.4)).select(seen)
    kept = np.unique(track[seen & (np.bincount(track[seen], minlength=300)[track] >= 2)])
    return greys, rotations, centres, lenses, points[kept], whole


def refined(scene, xy, greys=None, factor=1):
    own, rotations, centres, lenses, points, tracks = scene
    shown = greys or own
    moved = Tracks(tracks.count, tracks.track, tracks.photo, xy, tracks.sigma_px)

    def image_of(photo, reduced):
        return cv2.resize(shown[photo], None, fx=1 / reduced, fy=1 / reduced, interpolation=cv2.INTER_AREA)

    with ThreadPoolExecutor(2) as pool:
        return refine_tracks(
            moved, rotations, centres, lenses, points, [factor] * len(own), image_of, Threads(pool, 2)
        )


@pytest.mark.parametrize("factor", [1, 2])
def test_places_that_are_off_come_back_to_a_tenth_of_a_pixel(scene, factor):
    tracks = scene[5]
    rng = np.random.default_rng(8)
    xy = tracks.xy_px + rng.normal(0, 0.8, tracks.xy_px.shape)
    found, kept = refined(scene, xy, factor=factor)
    assert len(kept) == found.count > 0.8 * tracks.count
    # every observation of a track shows the same ground as its reference, wherever that is: compare pairs
    _, rotations, centres, lenses, points, _ = scene
    before = _spread(tracks, xy, scene)
    after = _spread(found, found.xy_px, (None, rotations, centres, lenses, points[kept], None))
    assert np.median(before) > 0.8
    assert np.median(after) < 0.12 * factor
    assert (found.sigma_px < tracks.sigma_px[0]).mean() > 0.95


def _spread(tracks, xy, scene):
    """(n,) px: errors of observations against their track's mean error."""
    _, rotations, centres, lenses, points, _ = scene
    i = tracks.photo
    error = xy - project(rotations[i], centres[i], lenses[i], points[tracks.track])
    # an error in the ground is seen turned by each photo's yaw: turn it back before taking means
    turned = np.einsum("nij,ni->nj", rotations[i][:, :2, :2], error)
    mean = np.stack([np.bincount(tracks.track, turned[:, k]) for k in (0, 1)], 1)
    mean /= np.bincount(tracks.track)[:, None]
    return np.hypot(*(turned - mean[tracks.track]).T)


def test_a_photo_of_something_else_keeps_its_places_and_their_sigmas(scene):
    greys, tracks = list(scene[0]), scene[5]
    greys[7] = np.random.default_rng(1).integers(0, 255, greys[7].shape).astype(np.uint8)
    found, _ = refined(scene, tracks.xy_px, greys)
    mine = found.photo == 7
    assert mine.sum() > 100  # it would keep too few else
    assert (found.sigma_px[mine] == tracks.sigma_px[0]).mean() > 0.9
    assert (found.sigma_px[~mine] < tracks.sigma_px[0]).mean() > 0.95


def test_grey_walls_tell_nothing(scene):
    tracks = scene[5]
    found, kept = refined(scene, tracks.xy_px, [np.full_like(g, 120) for g in scene[0]])
    assert len(kept) == tracks.count
    assert np.array_equal(found.xy_px, tracks.xy_px)


def test_no_tracks_are_no_tracks(scene):
    empty = Tracks(0, *(np.zeros(0, np.int64),) * 2, np.zeros((0, 2)), np.zeros(0))
    found, kept = refine_tracks(empty, *scene[1:4], np.zeros((0, 3)), [1] * 15, lambda p, f: None, None)
    assert (found.count, len(kept)) == (0, 0)
