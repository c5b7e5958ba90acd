"""Matches of places that stay and of waves, without pictures."""

from pathlib import Path

import numpy as np
import pytest

from imagery.coherence import without_moving
from imagery.features import Features
from imagery.matching import PairMatches
from imagery.photos import Block, Photo
from plans.frames import Pose
from tests.imagery.conftest import CAMERA, FRAME, GROUND_UP_M, true_poses

RIVER_HALF_M = 14.0
LAND, WAVES = 8000, 700
CHANCE = 25
"""Matches of waves in each pair that are none."""


def features_of(xy):
    return Features(xy.astype(np.float32), np.zeros((len(xy), 128), np.uint8), 1.0, b"", 8, 1.0)


def block_over_a_river(launch_below_m):
    """(block, features, matches, which features are waves): land is found again in three of five photos."""
    rng, poses = np.random.default_rng(3), true_poses()
    land = np.c_[rng.uniform(-65, 65, (LAND, 2)), np.full(LAND, GROUND_UP_M)]
    land = land[np.abs(land[:, 1]) > RIVER_HALF_M]
    photos, features, shows, waves = [], [], [], []
    for n, pose in enumerate(poses):
        off = rng.normal(0, 1.5, 2)
        prior = Pose(pose.east_m + off[0], pose.north_m + off[1], pose.up_m, pose.yaw_deg, -90.0, 0.0)
        clock = 2.0 * n + 6.0 * (n // 5)
        photos.append(Photo(n, f"P{n}", Path(f"P{n}"), CAMERA, True, prior, 2.0, 3.0, 4.0, 1.5, clock))
        wet = np.c_[rng.uniform(-65, 65, WAVES), rng.uniform(-1, 1, WAVES) * RIVER_HALF_M]
        places = np.concatenate([land, np.c_[wet, np.full(WAVES, GROUND_UP_M)]])
        xy = CAMERA.project((places - pose.centre) @ pose.camera_from_enu.T)
        size = np.array([CAMERA.image_width_px, CAMERA.image_height_px])
        seen = np.flatnonzero(np.all((xy > 0) & (xy < size - 1), axis=1) & (rng.random(len(xy)) < 0.6))
        features.append(features_of(xy[seen]))
        shows.append(seen)
        waves.append(seen >= len(land))
    matches = []
    for i in range(len(poses)):
        for j in range(i + 1, len(poses)):
            shared, first, second = np.intersect1d(
                shows[i][~waves[i]], shows[j][~waves[j]], return_indices=True
            )
            if len(shared) < 30:
                continue
            drops = [rng.choice(np.flatnonzero(waves[k]), CHANCE, replace=False) for k in (i, j)]
            ids = [
                np.concatenate([np.flatnonzero(~waves[k])[at], drop]).astype(np.int32)
                for k, at, drop in ((i, first, drops[0]), (j, second, drops[1]))
            ]
            matches.append(PairMatches(i, j, *ids))
    block = Block(FRAME, tuple(photos), GROUND_UP_M - launch_below_m, ())
    return block, features, matches, waves


@pytest.mark.parametrize("launch_below_m", [0.0, 120.0, -25.0])
def test_waves_go_and_land_stays_wherever_the_launch_was(launch_below_m):
    block, features, matches, waves = block_over_a_river(launch_below_m)
    kept = without_moving(block, features, matches)

    def counted(some):
        wet = np.concatenate([waves[m.first][m.first_ids] for m in some])
        return int(wet.sum()), int((~wet).sum())

    (wet, dry), (wet_kept, dry_kept) = counted(matches), counted(kept)
    print(f"waves {wet} then {wet_kept}, land {dry} then {dry_kept}")
    assert wet > 0.1 * dry
    assert wet_kept < 0.05 * wet
    assert dry_kept > 0.95 * dry
