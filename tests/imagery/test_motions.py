"""Which of two motions is the ground's, without pictures: places that stay and places that drift."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imagery.motions import of_the_ground, pair_motions
from imagery.photos import Photo
from plans.frames import Pose
from tests.imagery.conftest import CAMERA, HEIGHT_M, true_poses

HALF_M = (33.0, 25.0)
"""What a photo shows, across and along."""


def photos_of(poses, rng, sigma_m=1.5):
    """Photos with tags of a plain receiver and a gimbal."""
    out = []
    for n, pose in enumerate(poses):
        off, yaw = rng.normal(0, sigma_m, 2), rng.normal(0, 2.0)
        prior = Pose(pose.east_m + off[0], pose.north_m + off[1], pose.up_m, pose.yaw_deg + yaw, -90.0, 0.0)
        clock = 2.0 * n + 6.0 * (n // 5)
        out.append(
            Photo(
                n,
                f"P{n}",
                Path(f"P{n}"),
                CAMERA,
                True,
                prior,
                2.0,
                3.0,
                4.0,
                1.5,
                clock,
                None,
                True,
                "",
                None,
            )
        )
    return out


def laid(pose, photo, places):
    """Where a photo's tags put places (n, 2) that it shows."""
    turn = np.radians(photo.prior.yaw_deg - pose.yaw_deg)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return (places - pose.centre[:2]) @ rotation.T + photo.prior.centre[:2]


def pairs_over(poses, photos, rng, drift, land, foam, relief=0.0):
    """(pairs long apart, for each pair and motion whether it is the carpet's). `land`, `foam`: how many
    places of each a pair matches; `relief` is height over the photos' height."""
    pairs, carpets = [], []
    for i, a in enumerate(poses):
        for j in range(i + 1, len(poses)):
            b, seconds = poses[j], photos[j].clock_s - photos[i].clock_s
            middle = (a.centre[:2] + b.centre[:2]) / 2
            reach = HALF_M[0] - np.abs(a.centre[:2] - b.centre[:2]).max() / 2
            if seconds <= 10 or reach < 8:
                continue
            still = middle + rng.uniform(-reach, reach, (land, 2))
            high = relief * np.sin(still[:, :1] / 9 + still[:, 1:] / 14)
            moving = middle + rng.uniform(-reach / 2, reach / 2, (foam, 2))
            here = [laid(a, photos[i], still + high * (still - a.centre[:2])), laid(a, photos[i], moving)]
            there = [
                laid(b, photos[j], still + high * (still - b.centre[:2])),
                laid(b, photos[j], moving + np.array(drift) * seconds),
            ]
            noise = rng.normal(0, 0.1, (land + foam, 2))
            places = np.concatenate(here), np.concatenate(there) + noise
            baseline = photos[j].prior.centre[:2] - photos[i].prior.centre[:2]
            pair = pair_motions((i, j), places, HEIGHT_M, baseline)
            pairs.append(pair)
            wet = np.arange(land + foam) >= land
            carpets.append([bool(wet[m.inliers].mean() > 0.5) for m in pair.motions])
    return pairs, carpets


@pytest.mark.parametrize("drift", [(1.5, 0.0), (0.7, 0.0), (-1.0, 0.5), (0.0, 0.0)])
@pytest.mark.parametrize("seed", range(4))
def test_a_carpet_that_most_matches_lie_on_is_not_the_ground(drift, seed):
    rng, poses = np.random.default_rng(seed), true_poses()
    photos = photos_of(poses, rng)
    pairs, carpets = pairs_over(poses, photos, rng, drift, land=40, foam=70)
    ground = of_the_ground(photos, [HEIGHT_M] * len(photos), pairs)
    wrong = sum(carpet[k] for carpet, which in zip(carpets, ground, strict=True) for k in which)
    kept = np.array([pair.stays(which)[:40].mean() for pair, which in zip(pairs, ground, strict=True)])
    if any(drift):
        assert sum(map(any, carpets)) > 0.8 * len(pairs)  # the test would show nothing otherwise
        assert wrong <= 0.05 * len(pairs)
    assert np.mean(kept) > 0.8  # a pair that cannot be decided is left out


@pytest.mark.parametrize("seed", range(3))
def test_relief_is_no_drift(seed):
    """Hills of a fifth of the height of flight."""
    rng, poses = np.random.default_rng(seed), true_poses()
    photos = photos_of(poses, rng)
    pairs, _ = pairs_over(poses, photos, rng, (0, 0), land=100, foam=0, relief=0.2)
    ground = of_the_ground(photos, [HEIGHT_M] * len(photos), pairs)
    told = [(p, w) for p, w in zip(pairs, ground, strict=True) if p.clear]
    assert np.mean([p.stays(w).mean() for p, w in told]) > 0.9


def test_heights_that_all_count_from_another_launch_are_no_drift():
    rng, poses = np.random.default_rng(1), true_poses()
    photos = photos_of(poses, rng)
    pairs, _ = pairs_over(poses, photos, rng, (0, 0), land=60, foam=0)
    higher = [
        pair_motions(
            (p.first, p.second),
            tuple(
                photos[k].prior.centre[:2] + 1.3 * (x - photos[k].prior.centre[:2])
                for k, x in ((p.first, p.here), (p.second, p.there))
            ),
            1.3 * HEIGHT_M,
            p.baseline_m,
        )
        for p in pairs
    ]
    ground = of_the_ground(photos, [1.3 * HEIGHT_M] * len(photos), higher)
    assert np.mean([bool(w) for w in ground]) > 0.95


def test_one_photo_with_the_place_of_another_misleads_no_other():
    rng, poses = np.random.default_rng(2), true_poses()
    photos = photos_of(poses, rng)
    moved = photos[7].prior
    photos[7] = replace(photos[7], prior=replace(moved, east_m=moved.east_m + 60))
    pairs, _ = pairs_over(poses, photos, rng, (0, 0), land=60, foam=0)
    ground = of_the_ground(photos, [HEIGHT_M] * len(photos), pairs)
    for pair, which in zip(pairs, ground, strict=True):
        assert bool(which) == (7 not in (pair.first, pair.second))


def test_nothing_taken_long_apart_tells_nothing():
    photos = photos_of(true_poses(), np.random.default_rng(0))
    assert of_the_ground(photos, [HEIGHT_M] * len(photos), []) == []


@pytest.mark.parametrize("share", [0.8, 1.2])
def test_a_second_flight_whose_heights_count_from_another_datum_is_no_drift(share):
    rng, poses = np.random.default_rng(4), true_poses()
    photos = photos_of(poses, rng)
    pairs, _ = pairs_over(poses, photos, rng, (0, 0), land=60, foam=0)

    def as_believed(photo, places):
        centre = photos[photo].prior.centre[:2]
        return centre + (share if photo >= 10 else 1.0) * (places - centre)

    other = [
        pair_motions(
            (p.first, p.second),
            (as_believed(p.first, p.here), as_believed(p.second, p.there)),
            HEIGHT_M,
            p.baseline_m,
        )
        for p in pairs
    ]
    ground = of_the_ground(photos, [HEIGHT_M] * len(photos), other)
    assert np.mean([bool(which) for which in ground]) > 0.95
