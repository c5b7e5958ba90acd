"""A photographed slope of which only a strip has tie points: the rest is found from there."""

import cv2
import numpy as np
import pytest

from imagery.features import Features
from imagery.outward import tracks_outward, with_outward
from imagery.priors import State, lens_of
from imagery.tracks import Tracks
from plans.cameras import Camera
from plans.frames import Pose
from sim.render import Renderer, Scene
from sim.world.terrain import Grid
from tests.imagery.synthetic import made

CAMERA = Camera("Small", 17.3, 13.0, 12.3, 1200, 900)
FACTOR = 4
SIDE_M, PICTURE_PX = 400.0, 2800
STRIP_M = 15.0
HEIGHT_M = 110.0


def slope(steep):
    """Ground that rises to the east, and ever less so."""
    return lambda east, north: 500 + steep * (east - 0.0012 * east**2) + 1.5 * np.sin(north / 14)


def texture(seed):
    rng = np.random.default_rng(seed)
    picture = np.full((PICTURE_PX, PICTURE_PX, 1), 110, np.float32)
    for octave in range(3, 11):
        small = rng.normal(0, 11, (2**octave, 2**octave)).astype(np.float32)
        picture[..., 0] += cv2.resize(small, (PICTURE_PX, PICTURE_PX), interpolation=cv2.INTER_CUBIC)
    return np.repeat(np.clip(picture, 0, 255).astype(np.uint8), 3, axis=2)


def photographed(heights, picture_of):
    """(poses, features) of two lanes of three photos that look down on the ground; lanes are 30 m apart in
    height."""
    grid = Grid(-SIDE_M / 2, SIDE_M / 2, SIDE_M / PICTURE_PX, PICTURE_PX, PICTURE_PX)
    coarse = Grid(-SIDE_M / 2, SIDE_M / 2, SIDE_M / 400, 400, 400)
    surface = heights(coarse.east_centres_m[None, :], coarse.north_centres_m[:, None])
    poses = [
        Pose(east, north, 500 + HEIGHT_M + 30 * lane, 90.0 + 2 * n, -90.0 + 1.5 * lane, 1.0)
        for lane, north in enumerate((-18.0, 18.0))
        for n, east in enumerate((-25.0, 0.0, 25.0))
    ]
    features = []
    for number, pose in enumerate(poses):
        scene = Scene.of(picture_of(number), grid, surface, coarse)
        frame = Renderer(scene, CAMERA).render(pose, number)
        small = cv2.resize(frame[..., ::-1], None, fx=1 / FACTOR, fy=1 / FACTOR, interpolation=cv2.INTER_AREA)
        jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        none = np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8)
        features.append(Features(*none, 1.0, jpeg, FACTOR, 1.0))
    return poses, features


def strip_of(heights):
    """Points that are known: a strip across the slope."""
    rng = np.random.default_rng(3)
    east, north = rng.uniform(-STRIP_M, STRIP_M, 120), rng.uniform(-70, 70, 120)
    return np.stack([east, north, heights(east, north)], axis=1)


def outward(heights, picture_of):
    poses, features = photographed(heights, picture_of)
    photos = made(1, lanes=2, each=3).block.photos
    photos = [type(p)(**{**vars(p), "camera": CAMERA}) for p in photos]
    lens = lens_of(CAMERA)[None]
    known = strip_of(heights)
    state = State(
        np.array([p.camera_from_enu for p in poses]), np.array([p.centre for p in poses]), lens, known,
        np.zeros(4),
    )  # fmt: skip
    return tracks_outward(features, photos, np.repeat(lens, len(poses), axis=0), state, known)


@pytest.fixture(scope="module")
def steep():
    heights, picture = slope(0.6), texture(1)
    return heights, outward(heights, lambda n: picture)


def test_a_slope_is_found_as_far_as_two_photos_show_it(steep):
    heights, (tracks, points) = steep
    off = points[:, 2] - heights(points[:, 0], points[:, 1])
    assert len(points) > 300
    assert np.sqrt((off**2).mean()) < 0.5
    assert np.abs(off).max() < 2.0
    assert points[:, 0].min() < -110
    assert points[:, 0].max() > 50
    again = (np.abs(points[:, 0]) < STRIP_M - 6) & (np.abs(points[:, 1]) < 60)
    assert again.mean() < 0.05  # what is known is not found again
    seen = np.bincount(tracks.track)
    assert seen.min() >= 2
    assert seen.max() >= 4


def test_planes_alone_would_have_gone_wrong(steep):
    """What is found tells more than the strip's plane continued."""
    heights, (_, points) = steep
    known = strip_of(heights)
    flat = np.linalg.lstsq(np.c_[known[:, :2], np.ones(len(known))], known[:, 2], rcond=None)[0]
    far = np.abs(points[:, 0]) > 35
    continued = np.c_[points[:, :2], np.ones(len(points))] @ flat
    truth = heights(points[:, 0], points[:, 1])
    by_plane, found = (np.sqrt(((z - truth)[far] ** 2).mean()) for z in (continued, points[:, 2]))
    assert by_plane > 3 * found


def test_level_ground_is_left_alone():
    picture = texture(1)
    assert len(outward(slope(0.1), lambda n: picture)[1]) == 0


def test_what_no_two_photos_show_alike_is_not_ground():
    assert len(outward(slope(0.6), texture)[1]) < 3  # each photo sees other waves


def test_nothing_to_see_gives_nothing():
    plain = np.full((PICTURE_PX, PICTURE_PX, 3), 120, np.uint8)
    assert len(outward(slope(0.6), lambda n: plain)[1]) == 0


def test_few_known_points_give_nothing_more():
    photos = made(1, lanes=2, each=3).block.photos
    none = Tracks(0, *(np.zeros(0, np.int64),) * 2, np.zeros((0, 2)), np.zeros(0))
    lens = lens_of(CAMERA)[None]
    state = State(np.zeros((6, 3, 3)), np.zeros((6, 3)), lens, np.zeros((0, 3)), np.zeros(4))
    features = [Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8), 1.0, b"", 8, 1.0)] * 6
    tracks, points = with_outward(none, np.zeros((0, 3)), features, photos, np.repeat(lens, 6, axis=0), state)
    assert (tracks.count, len(points)) == (0, 0)
