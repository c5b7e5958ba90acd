"""Photos of several cameras, drones and days in one block."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from imagery.adjust import AdjustRules, adjust_block
from imagery.features import FeatureRules, extract_features
from imagery.matching import match_pair
from imagery.mosaic import MosaicOptions, make_mosaic
from imagery.photo_tags import read_tags, write_tags
from imagery.photos import list_photo_files, read_block
from imagery.priors import lens_groups, priors_of
from imagery.tracks import build_tracks, thin_tracks
from imagery.unplaced import pairs_to_match
from plans.cameras import Camera
from tests.imagery.conftest import (
    CAMERA,
    SPEED_MPS,
    KnownBlock,
    ground_texture,
    take_photo,
    true_poses,
    write_photo,
)
from tests.imagery.test_mosaic import offsets_px

WIDE = Camera("Wide camera", 13.2, 9.9, 6.6, 1000, 750)
SIGMA_M = 0.03
LAGS_S = {"A": 0.03, "B": 0.12}


def fly(folder, ground, prefix, camera, poses, lag_s, serial, start):
    """Photos of one camera: a receiver whose positions are `lag_s` old, flown lane by lane."""
    rng = np.random.default_rng(len(folder.name) + ord(prefix))
    for number, pose in enumerate(poses):
        off, turn = rng.normal(0, SIGMA_M, 3), rng.normal(0, 1.0, 3)
        behind_m = lag_s * SPEED_MPS * (1 if number // 5 % 2 == 0 else -1)
        believed = replace(
            pose, east_m=pose.east_m + off[0] - behind_m, north_m=pose.north_m + off[1],
            up_m=pose.up_m + 1.5 * off[2], yaw_deg=pose.yaw_deg + turn[0],
            pitch_deg=pose.pitch_deg + turn[1], roll_deg=pose.roll_deg + turn[2],
        )  # fmt: skip
        path = folder / f"{prefix}{number:03d}.JPG"
        write_photo(path, take_photo(ground, pose, camera), believed, SIGMA_M, number, camera)
        when = start + dt.timedelta(seconds=2 * number)
        tags = read_tags(path)
        write_tags(path, replace(tags, serial=serial, clock=when.replace(tzinfo=None), time_utc=when))


@pytest.fixture(scope="module")
def two_days(tmp_path_factory):
    """Camera A on one day, camera B with a wider lens and fewer pixels on the next."""
    ground = ground_texture()
    folder = tmp_path_factory.mktemp("two") / "photos"
    folder.mkdir()
    day = dt.datetime(2026, 7, 1, 4, 0, tzinfo=dt.UTC)
    first, second = true_poses(3)[:10], true_poses(4)[:10]
    fly(folder, ground, "A", CAMERA, first, LAGS_S["A"], "A1", day)
    fly(folder, ground, "B", WIDE, second, LAGS_S["B"], "B1", day + dt.timedelta(days=1))
    return KnownBlock(folder, ground, first + second)


def test_two_cameras_and_two_days_make_one_mosaic(two_days, tmp_path):
    report = make_mosaic(two_days.folder, tmp_path / "o.tif", MosaicOptions(quality="quick", workers=2))
    assert report.dropped == ()
    assert all(p.placed_by == "tie points" for p in report.photos)
    off = offsets_px(two_days, tmp_path / "o.tif", patch_px=64)
    assert len(off) > 20
    rms_px = float(np.sqrt((off**2).sum(axis=1).mean()))
    print(f"position error {rms_px:.2f} px rms over {len(off)} patches")
    assert rms_px < 1.0


def test_each_camera_gets_its_own_lens_and_lag(two_days):
    block, _ = read_block(list_photo_files(two_days.folder))
    features = [extract_features(p, FeatureRules()) for p in block.photos]
    pairs = pairs_to_match(block, features)
    found = [match_pair(i, j, features[i], features[j]) for i, j in pairs]
    matches = [m for m in found if m is not None]
    names = [p.name[0] for p in block.photos]
    assert sum(names[m.first] != names[m.second] for m in matches) > 10
    sizes = [(p.camera.image_width_px, p.camera.image_height_px) for p in block.photos]
    adjustment = adjust_block(block, thin_tracks(build_tracks(features, matches), sizes, 400))
    # a gimbal good to 1.5 deg tells the common tilt of ten photos to 0.4 m, which is 0.05 s of their flight
    assert adjustment.lags_s == pytest.approx([LAGS_S["A"], LAGS_S["B"]], abs=0.045)
    assert adjustment.lags_s[1] - adjustment.lags_s[0] > 0.03
    for name, truth in (("A", CAMERA), ("B", WIDE)):
        lens = adjustment.cameras[names.index(name)]
        assert lens.focal_px == pytest.approx(truth.focal_px, rel=0.01)
        assert lens.image_width_px == truth.image_width_px


def test_two_drones_of_one_model_that_fly_at_a_time_keep_their_own_speeds(tmp_path):
    ground = np.full((64, 64, 3), 90, np.uint8)
    poses = true_poses()[:5]
    start = dt.datetime(2026, 7, 1, 4, 0, tzinfo=dt.UTC)
    for prefix, serial, north in (("A", "1", 0.0), ("B", "2", 300.0)):
        there = [replace(p, north_m=p.north_m + north) for p in poses]
        fly(tmp_path, ground, prefix, CAMERA, there, 0.0, serial, start)
    block, _ = read_block(list_photo_files(tmp_path))
    groups, lenses = lens_groups(block.photos)
    assert groups.tolist() == [0] * 5 + [1] * 5
    design = priors_of(block, lenses, groups, AdjustRules()).design
    for group in (0, 1):
        speeds = design[groups == group, :, group]
        assert np.allclose(speeds[:, 0], SPEED_MPS, atol=0.2)
        assert np.allclose(speeds[:, 1], 0.0, atol=0.2)
