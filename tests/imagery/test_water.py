"""A river over 40 % of the block, with waves that no two photos share, the sun's glint, boats, and cars on
the banks: tie points stay on the ground."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from imagery.adjust import adjust_block
from imagery.coherence import without_moving
from imagery.features import FeatureRules, extract_features
from imagery.matching import match_pair
from imagery.photos import list_photo_files, read_block
from imagery.tracks import build_tracks, thin_tracks
from imagery.unplaced import pairs_to_match
from tests.imagery.conftest import (
    CAMERA,
    GROUND_PX_M,
    GROUND_UP_M,
    HALF_M,
    ground_texture,
    take_photo,
    true_poses,
    write_photo,
)

RIVER_HALF_M = 15.2  # of the 76 m that the lanes cover in width
VEHICLES = (  # start east, north, speed, length, width: three boats, five cars
    (-50, -4, 4, 9, 3), (20, 3, -3, 7, 2.5), (-10, -10, 2, 12, 4), (-60, 30, 11, 4.5, 2),
    (50, 33, -10, 4.5, 2), (-20, -32, 9, 7, 2.5), (10, -35, -12, 4.5, 2), (0, 28, 3, 4.5, 2),
)  # fmt: skip
SIDE_PX = round(2 * HALF_M / GROUND_PX_M)


def river():
    """(rows, cols) bool over the ground."""
    metres = (np.arange(SIDE_PX) + 0.5) * GROUND_PX_M
    north, east = (HALF_M - metres)[:, None], (metres - HALF_M)[None, :]
    return np.abs(north - 6 * np.sin(east / 18) + 2) < RIVER_HALF_M


def scene(ground, water, seconds):
    """The ground at a time, and where something moves on it."""
    waves = np.random.default_rng(round(10 * seconds)).normal(0, 9, (350, 350)).astype(np.float32)
    waves = cv2.resize(waves, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    picture = ground.copy()
    picture[water] = np.clip(np.float32((95, 105, 85)) + waves[..., None], 0, 255).astype(np.uint8)[water]
    moving = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    for number, (east, north, speed, length, width) in enumerate(VEHICLES):
        at = (east + speed * seconds + HALF_M) % (2 * HALF_M)
        corner = np.array([at, HALF_M - north]) / GROUND_PX_M
        box = np.rint([corner, corner + np.array([length, width]) / GROUND_PX_M]).astype(int)
        cv2.rectangle(picture, box[0].tolist(), box[1].tolist(), (40 + 25 * number, 60, 230), -1)
        cv2.rectangle(moving, box[0].tolist(), box[1].tolist(), 255, -1)
        rng = np.random.default_rng(number)
        for spot in rng.integers(box[0], box[1], (14, 2)):
            colour = rng.integers(0, 255, 3).tolist()
            end = np.minimum(spot + rng.integers(5, 20, 2), box[1])
            cv2.rectangle(picture, spot.tolist(), end.tolist(), colour, -1)
    return picture, moving > 0


def ground_pixels(pose, pixels):
    """(rows, cols) of the ground that pixels (n, 2) of a photo show, and their rays."""
    rays = CAMERA.rays(pixels) @ pose.camera_from_enu
    reach = (GROUND_UP_M - pose.up_m) / rays[:, 2]
    col = (pose.east_m + rays[:, 0] * reach + HALF_M) / GROUND_PX_M
    row = (HALF_M - pose.north_m - rays[:, 1] * reach) / GROUND_PX_M
    return [np.clip(v.astype(int), 0, SIDE_PX - 1) for v in (row, col)], rays


def with_glint(picture, pose, water, seed):
    """The sun 22 degrees off the zenith, broken by the waves."""
    rows, cols = picture.shape[:2]
    x, y = np.meshgrid(np.arange(cols), np.arange(rows))
    place, rays = ground_pixels(pose, np.stack([x.ravel(), y.ravel()], axis=1))
    sun = np.array([0.25, 0.3, -0.92]) / np.linalg.norm([0.25, 0.3, -0.92])
    off_deg = np.degrees(np.arccos(np.clip(rays @ sun / np.linalg.norm(rays, axis=1), -1, 1)))
    waves = np.random.default_rng(seed).normal(0, 1, (300, 400)).astype(np.float32)
    waves = cv2.resize(waves, (cols, rows), interpolation=cv2.INTER_CUBIC)
    shine = np.clip(waves + 1.2 - off_deg.reshape(rows, cols) / 6, 0, 1) * water[*place].reshape(rows, cols)
    return np.clip(picture + 200 * shine[..., None], 0, 255).astype(np.uint8)


def read_and_matched(folder):
    """(block, features, matches) of the photos in a folder."""
    block, _ = read_block(list_photo_files(folder))
    features = [extract_features(p, FeatureRules()) for p in block.photos]
    found = [match_pair(i, j, features[i], features[j]) for i, j in pairs_to_match(block, features)]
    return block, features, [m for m in found if m is not None]


def adjusted(block, features, matches):
    sizes = [(p.camera.image_width_px, p.camera.image_height_px) for p in block.photos]
    return adjust_block(block, thin_tracks(build_tracks(features, matches), sizes, 400))


def share_on(tracks, poses, wrong):
    """Of the tie points, how many lie where `wrong` (one raster of the ground a photo) is true."""
    count = 0
    for number, pose in enumerate(poses):
        place, _ = ground_pixels(pose, tracks.xy_px[tracks.photo == number])
        count += int(wrong[number][*place].sum())
    return count / len(tracks.xy_px)


def shape_error_m(adjustment, poses):
    """How far the camera centres are off, rms, their common shift left out."""
    off = np.array([p.centre for p in adjustment.poses]) - [p.centre for p in poses]
    return float(np.sqrt(((off - off.mean(axis=0)) ** 2).mean()))


def write_all(folder, pictures, poses, sigma_m, clocks_s):
    """Photos with tags that are off by `sigma_m` in place and a degree in attitude."""
    rng = np.random.default_rng(11)
    for number, (picture, pose) in enumerate(zip(pictures, poses, strict=True)):
        off, turn = rng.normal(0, sigma_m, 3), rng.normal(0, 1.0, 3)
        believed = replace(
            pose, east_m=pose.east_m + off[0], north_m=pose.north_m + off[1], up_m=pose.up_m + off[2],
            yaw_deg=pose.yaw_deg + turn[0], pitch_deg=pose.pitch_deg + turn[1],
            roll_deg=pose.roll_deg + turn[2],
        )  # fmt: skip
        write_photo(folder / f"P{number:03d}.JPG", picture, believed, sigma_m, clocks_s[number] // 2)


CLOCKS_S = [2 * n + 6 * (n // 5) for n in range(15)]


@pytest.mark.slow
def test_tie_points_stay_off_water_and_moving_things(tmp_path):
    ground, water, poses = ground_texture(), river(), true_poses()
    inner = cv2.erode(water.astype(np.uint8), np.ones((41, 41), np.uint8)) > 0  # a bank's edge is ground
    pictures, wrong = [], []
    for number, pose in enumerate(poses):
        picture, drives = scene(ground, water, CLOCKS_S[number])
        wrong.append(inner | drives)
        pictures.append(with_glint(take_photo(picture, pose), pose, water, number))
    write_all(tmp_path, pictures, poses, 0.03, CLOCKS_S)
    block, features, matches = read_and_matched(tmp_path)
    before = adjusted(block, features, matches)
    after = adjusted(block, features, without_moving(block, features, matches))
    shares = share_on(before.tracks, poses, wrong), share_on(after.tracks, poses, wrong)
    print(
        f"tie points on water or moving things: {100 * shares[0]:.1f} % before, {100 * shares[1]:.1f} % after"
    )
    assert water.mean() > 0.2
    assert shares[0] > 0.05  # the test would show nothing otherwise
    assert shares[1] < 0.01
    assert len(after.tracks.xy_px) > 0.8 * len(before.tracks.xy_px)
    off_m = np.array([p.centre for p in after.poses]) - [p.centre for p in poses]
    assert np.sqrt((off_m**2).mean()) < 0.03


@pytest.mark.slow
def test_a_carpet_of_foam_that_drifts_along_the_lanes_does_not_bend_the_block(tmp_path):
    """Rigid, 1.5 m/s, as rich in features as the ground; positions of a plain receiver."""
    ground, water, poses = ground_texture(), river(), true_poses()
    inner = cv2.erode(water.astype(np.uint8), np.ones((41, 41), np.uint8)) > 0
    foam = cv2.convertScaleAbs(ground_texture(31), alpha=0.7, beta=60)
    pictures = []
    for pose, seconds in zip(poses, CLOCKS_S, strict=True):
        drift = np.roll(foam, round(1.5 * seconds / GROUND_PX_M), axis=1)
        pictures.append(take_photo(np.where(water[..., None], drift, ground), pose))
    write_all(tmp_path, pictures, poses, 1.5, CLOCKS_S)
    block, features, matches = read_and_matched(tmp_path)
    before = adjusted(block, features, matches)
    after = adjusted(block, features, without_moving(block, features, matches))
    shares = [share_on(a.tracks, poses, [inner] * len(poses)) for a in (before, after)]
    off_m = [shape_error_m(a, poses) for a in (before, after)]
    print(
        f"tie points on foam: {100 * shares[0]:.1f} % before, {100 * shares[1]:.1f} % after; "
        f"shape {off_m[0]:.2f} m, {off_m[1]:.2f} m"
    )
    assert shares[0] > 0.1
    assert shares[1] < 0.01
    assert off_m[0] > 1.0
    assert off_m[1] < 0.3
