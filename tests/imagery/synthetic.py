"""Blocks of values, without pictures: cameras over ground points that are known, observed with noise."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from imagery.photos import Block, Photo
from imagery.tracks import Tracks
from plans.cameras import Camera
from plans.frames import LocalFrame, Pose

CAMERA = Camera("Values", 17.3, 13.0, 12.3, 4000, 3000)
HEIGHT_M = 100.0
SPEED_MPS = 8.0


@dataclass(frozen=True)
class Truth:
    """`poses` and `points` as they are; `block` and `tracks` as they are told and seen."""

    poses: tuple[Pose, ...]
    points: np.ndarray
    block: Block
    tracks: Tracks


@dataclass(frozen=True)
class Noise:
    """Sigmas of what is told and seen, and what photos have in common: a turn of the camera in its gimbal,
    the age of positions, and a drift of the receiver, a random walk of `drift_m` from photo to photo."""

    gps_m: float = 1.5
    attitude_deg: float = 1.5
    pixel_px: float = 0.7
    boresight_deg: float = 0.0
    lag_s: float = 0.0
    drift_m: float = 0.0


def made(seed, noise=None, *, lanes=4, each=7, per_photo=60, relief_m=8.0, blind=()):
    """A block of lanes to and fro, 80/65 % overlap; `blind` photos see no tie points."""
    noise = noise or Noise()
    rng = np.random.default_rng(seed)
    wide, deep = (CAMERA.gsd_m(HEIGHT_M) * n for n in (4000, 3000))
    poses = []
    for lane in range(lanes):
        along = (np.arange(each) - (each - 1) / 2) * 0.2 * deep
        for step in along if lane % 2 == 0 else -along:
            tilt = rng.normal(0, 1.5, 3)
            poses.append(
                Pose(
                    float(step), (lane - (lanes - 1) / 2) * 0.35 * wide, 500 + HEIGHT_M + rng.normal(0, 0.5),
                    (90.0 if lane % 2 == 0 else 270.0) + tilt[0], -90 + tilt[1], tilt[2],
                )
            )  # fmt: skip
    reach = np.abs([p.centre[:2] for p in poses]).max(axis=0) + 0.4 * deep
    count = per_photo * len(poses) // 3
    east, north = rng.uniform(-1, 1, (2, count)) * reach[:, None]
    points = np.stack([east, north, 500 + relief_m * np.sin(east / 40) * np.cos(north / 50)], axis=1)
    photos = tuple(_photo(n, pose, poses, noise, rng) for n, pose in enumerate(_drifting(poses, noise, rng)))
    tracks = _seen(poses, points, noise, rng, set(blind))
    return Truth(tuple(poses), points, Block(LocalFrame(30.0, 103.0), photos, 500.0), tracks)


def _drifting(poses, noise, rng):
    walk = np.cumsum(rng.normal(0, 1, (len(poses), 3)), axis=0) * noise.drift_m
    return [
        replace(p, east_m=p.east_m + w[0], north_m=p.north_m + w[1], up_m=p.up_m + w[2])
        for p, w in zip(poses, walk - walk.mean(axis=0), strict=True)
    ]


def _photo(number, pose, poses, noise, rng):
    off, turn = rng.normal(0, noise.gps_m, 3), rng.normal(0, noise.attitude_deg, 3)
    course = 1 if abs(poses[number].yaw_deg - 90) < 45 else -1
    return Photo(
        index=number, name=f"{number}.jpg", path=Path(f"{number}.jpg"), camera=CAMERA, camera_known=True,
        prior=Pose(
            pose.east_m + off[0] - course * SPEED_MPS * noise.lag_s, pose.north_m + off[1],
            pose.up_m + off[2],
            pose.yaw_deg + turn[0], pose.pitch_deg + turn[1] + noise.boresight_deg, pose.roll_deg + turn[2],
        ),
        sigma_h_m=noise.gps_m, sigma_v_m=noise.gps_m, sigma_yaw_deg=noise.attitude_deg,
        sigma_tilt_deg=noise.attitude_deg, clock_s=3.0 * number,
    )  # fmt: skip


def _seen(poses, points, noise, rng, blind):
    track, photo, xy = [], [], []
    for number, pose in enumerate(poses):
        if number in blind:
            continue
        pixels = CAMERA.project((points - pose.centre) @ pose.camera_from_enu.T)
        inside = (pixels > 20).all(axis=1) & (pixels[:, 0] < 3980) & (pixels[:, 1] < 2980)
        track += np.flatnonzero(inside).tolist()
        photo += [number] * int(inside.sum())
        xy += (pixels[inside] + rng.normal(0, noise.pixel_px, (int(inside.sum()), 2))).tolist()
    order = np.lexsort((photo, track))
    track, photo, xy = np.array(track)[order], np.array(photo)[order], np.array(xy)[order]
    whole = Tracks(len(points), track, photo, xy, np.full(len(track), 0.7))
    keep, _ = whole.thinned(np.ones(len(track), bool))
    return keep


def true_points(truth, adjustment):
    """(p, 3) the true places of the adjustment's points, found by what sees them (rows of `points`)."""
    from scipy.spatial import cKDTree

    return truth.points[cKDTree(truth.points[:, :2]).query(adjustment.points[:, :2])[1]]
