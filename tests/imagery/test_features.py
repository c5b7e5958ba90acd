"""Features stand where things are in the photo, at every reduction."""

import cv2
import numpy as np
import pytest
from scipy.spatial import cKDTree

from imagery.errors import PhotoError
from imagery.features import FeatureRules, decode, extract_features
from imagery.photos import read_block
from plans.frames import Pose

from .conftest import CAMERA, FRAME, write_photo


@pytest.fixture(scope="module")
def spots(tmp_path_factory):
    """(file, (n, 2) true pixels): soft crossings of bright and dark fields at places between pixels."""
    rng = np.random.default_rng(5)
    width, height = CAMERA.image_width_px, CAMERA.image_height_px
    picture = np.full((height, width), 90.0)
    rows, cols = np.mgrid[-24:25, -24:25]
    places = []
    while len(places) < 120:
        x, y = rng.uniform(40, width - 40), rng.uniform(40, height - 40)
        if any(np.hypot(x - a, y - b) < 45 for a, b in places):
            continue
        places.append((x, y))
        at_x, at_y, size = round(x), round(y), rng.uniform(3, 6)
        dx, dy = (cols + at_x - x) / size, (rows + at_y - y) / size
        field = 150 * dx * dy * np.exp(-(dx**2 + dy**2) / 2)
        picture[at_y - 24 : at_y + 25, at_x - 24 : at_x + 25] += field
    file = tmp_path_factory.mktemp("spots") / "spots.JPG"
    colour = np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    write_photo(file, colour, Pose(0.0, 0.0, 545.0, 0.0, -90.0, 0.0), 0.03, 0)
    return file, np.array(places)


@pytest.mark.parametrize("mpx", [1.08, 0.5, 0.27])
def test_features_are_not_shifted(spots, mpx):
    """A quarter of a pixel in the reduced photo is half a pixel on the ground, to and fro with the lanes."""
    file, places = spots
    block, _ = read_block([file], FRAME)
    features = extract_features(block.photos[0], FeatureRules(image_mpx=mpx))
    away, nearest = cKDTree(places).query(features.xy_px)
    near = away < 2.5
    assert near.sum() > 80
    off = features.xy_px[near] - places[nearest[near]]
    assert np.abs(np.median(off, axis=0)).max() < 0.05  # some are of a spot's rim, on either side
    assert features.sigma_px == pytest.approx(np.sqrt(1.08 / mpx), rel=0.02)


def test_the_strongest_come_first_and_are_spread(known_block):
    block, _ = read_block([sorted(known_block.folder.iterdir())[0]])
    xy = extract_features(block.photos[0], FeatureRules()).xy_px[:200]
    counts, _, _ = np.histogram2d(xy[:, 0], xy[:, 1], bins=(4, 3))
    assert counts.min() >= 5


@pytest.mark.parametrize("keep", [0, 3, 2000])
def test_a_photo_cut_short_is_refused_by_name(spots, tmp_path, keep):
    file, _ = spots
    cut = tmp_path / "cut.JPG"
    cut.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(PhotoError, match=r"cut\.JPG"):
        decode(cut)


def test_reduced_decoding_is_the_photo_made_smaller(spots):
    file, _ = spots
    whole, half = decode(file), decode(file, 2)
    assert half.shape[:2] == (whole.shape[0] // 2, whole.shape[1] // 2)
    small = cv2.resize(whole, (half.shape[1], half.shape[0]), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - half).mean() < 2
