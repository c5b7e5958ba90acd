"""A valley with a river full of drifting foam: what the first look left out of its slopes comes back, and
nothing of the river."""

from dataclasses import replace

import numpy as np
import pytest

from imagery.matching import PairMatches
from imagery.priors import State, lens_of
from imagery.second_look import left_out, proven, with_proven
from imagery.tracks import Tracks
from plans.frames import Pose
from tests.imagery.synthetic import CAMERA, made

SLOPE = 0.6
RIVER_HALF_M, BANK_M = 25.0, 40.0
FLOOR_UP_M = 500.0


def height(north):
    return FLOOR_UP_M + SLOPE * np.maximum(np.abs(north) - BANK_M, 0)


def flight():
    """Four lanes along the valley, 150 m up, a photo every three seconds: (poses, photos)."""
    poses = [
        Pose(x if lane % 2 == 0 else -x, north, FLOOR_UP_M + 150, 90.0 + 180 * (lane % 2), -90.0, 0.0)
        for lane, north in enumerate((-75.0, -25.0, 25.0, 75.0))
        for x in np.linspace(-90, 90, 7)
    ]
    return poses, made(1, lanes=4, each=7).block.photos


def seen(places_at, poses, photos, noise_px=0.7, seed=0):
    """Tracks of places (n, 3) as they are at each photo's clock, and which place each track is."""
    rng = np.random.default_rng(seed)
    track, photo, xy = [], [], []
    for number, pose in enumerate(poses):
        pixels = CAMERA.project((places_at(photos[number].clock_s) - pose.centre) @ pose.camera_from_enu.T)
        inside = np.flatnonzero(((pixels > 20) & (pixels < (3980, 2980))).all(axis=1))
        track += inside.tolist()
        photo += [number] * len(inside)
        xy += (pixels[inside] + rng.normal(0, noise_px, (len(inside), 2))).tolist()
    order = np.lexsort((photo, track))
    track = np.array(track)[order]
    observed = Tracks(
        int(track.max()) + 1, track, np.array(photo)[order], np.array(xy)[order], np.full(len(track), 1.5)
    )
    return observed.thinned(np.ones(len(track), bool))


def scattered(count, north, seed):
    rng = np.random.default_rng(seed)
    east, across = rng.uniform(-150, 150, count), rng.uniform(*north, count)
    return np.stack([east, across, height(across)], axis=1)


def standing(poses, points):
    lenses = np.array([lens_of(CAMERA)])
    rotations, centres = np.array([p.camera_from_enu for p in poses]), np.array([p.centre for p in poses])
    return State(rotations, centres, lenses, points, np.zeros(4)), np.repeat(lenses, len(poses), axis=0)


def test_slopes_come_back_and_foam_that_drifts_does_not():
    poses, photos = flight()
    known = scattered(150, (25, 60), 1) * [1, -1, 1]
    known = np.concatenate([known, scattered(150, (25, 60), 2)])
    state, lenses = standing(poses, known)
    slope = scattered(600, (BANK_M + 5, 150), 3)
    foam = scattered(600, (-RIVER_HALF_M, RIVER_HALF_M), 4)
    for drift in ((0.8, 0.0, 0.0), (0.3, 0.05, 0.0)):
        dry, _ = seen(lambda s: slope, poses, photos)
        wet, _ = seen(lambda s, drift=drift: foam + np.array(drift) * s, poses, photos, seed=1)
        found, points = proven(dry.with_more(wet), photos, lenses, state, known)
        on_slope = points[:, 1] > BANK_M
        assert on_slope.sum() > 0.9 * dry.count
        assert (~on_slope).sum() == 0
        assert np.abs(points[:, 2] - height(points[:, 1])).max() < 2.0
        assert found.count == len(points)


def test_matches_by_chance_do_not_come_back_though_their_rays_meet():
    """Features of two photos that lie on one epipolar line, as chance puts them there."""
    poses, photos = flight()
    known = scattered(300, (25, 60), 2)
    state, lenses = standing(poses, known)
    rng = np.random.default_rng(5)
    places = scattered(400, (60, 150), 6)
    places[:, 2] += rng.uniform(-60, 60, 400)
    chance, _ = seen(lambda s: places, poses, photos)
    only_two = np.unique(chance.track, return_index=True)[1]
    pairs = chance.thinned(np.isin(np.arange(len(chance.track)), np.r_[only_two, only_two + 1]))[0]
    found, _ = proven(pairs, photos, lenses, state, known)
    assert found.count < 0.05 * pairs.count


def test_far_from_what_is_known_photos_of_one_time_prove_nothing():
    poses, photos = flight()
    known = scattered(300, (25, 60), 2)
    state, lenses = standing(poses, known)
    slope, _ = seen(lambda s: scattered(900, (85, 150), 3), poses, photos)
    at_once = tuple(replace(p, clock_s=0.0) for p in photos)
    assert proven(slope, at_once, lenses, state, known)[0].count == 0
    assert proven(slope, photos, lenses, state, known)[0].count > 0.8 * slope.count


def test_what_lies_level_may_be_water_and_stays_doubted():
    poses, photos = flight()
    known = scattered(150, (25, 60), 1) * [1, -1, 1]
    state, lenses = standing(poses, np.concatenate([known, scattered(150, (25, 60), 2)]))
    level, _ = seen(lambda s: scattered(300, (-RIVER_HALF_M, RIVER_HALF_M), 3), poses, photos)
    assert level.count > 200
    assert proven(level, photos, lenses, state, state.points)[0].count < 0.02 * level.count


def test_nothing_doubted_and_nothing_known_are_no_trouble():
    poses, photos = flight()
    state, lenses = standing(poses, np.zeros((0, 3)))
    none = Tracks(0, *(np.zeros(0, np.int64),) * 2, np.zeros((0, 2)), np.zeros(0))
    slope, _ = seen(lambda s: scattered(50, (60, 150), 3), poses, photos)
    assert proven(none, photos, lenses, state, np.zeros((0, 3)))[0].count == 0
    assert proven(slope, photos, lenses, state, np.zeros((0, 3)))[0].count == 0
    tracks, points = with_proven(none, state, lenses, none, photos, 400)
    assert (tracks.count, len(points)) == (0, 0)


def test_a_wrong_observation_does_not_cost_the_track():
    poses, photos = flight()
    known = scattered(300, (25, 60), 2)
    state, lenses = standing(poses, known)
    slope, _ = seen(lambda s: scattered(300, (60, 140), 3), poses, photos)
    long = np.bincount(slope.track) >= 6
    slope = slope.select(long[slope.track])
    first = np.unique(slope.track, return_index=True)[1]
    xy = slope.xy_px.copy()
    xy[first] += 25.0
    found, _ = proven(replace(slope, xy_px=xy), photos, lenses, state, known)
    assert found.count > 0.9 * slope.count
    assert len(found.track) < len(slope.track) - 0.9 * slope.count


@pytest.mark.parametrize("kept", [[], [1, 2], [0, 1, 2, 3]])
def test_left_out_are_the_matches_that_are_not_kept(kept):
    every = PairMatches(0, 1, np.array([5, 6, 7, 8], np.int32), np.array([1, 2, 3, 4], np.int32))
    fair = [PairMatches(0, 1, every.first_ids[kept], every.second_ids[kept])] if kept else []
    out = left_out([every], fair)
    assert sorted(i for m in out for i in m.first_ids) == sorted(set(range(5, 9)) - {5 + k for k in kept})
    assert all(m.second_ids[0] == m.first_ids[0] - 4 for m in out)
