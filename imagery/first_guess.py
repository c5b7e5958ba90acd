"""Where the adjustment begins: the tags' poses, and points where matched rays meet about level ground."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imagery.bundle_math import triangulate
from imagery.photos import Block, height_above_ground_m
from imagery.priors import State, flights_of, lens_groups
from imagery.tracks import Tracks
from plans.frames import FloatArray, Pose


def first_state(block: Block, tracks: Tracks, guess: Sequence[Pose] | None = None) -> tuple[State, float]:
    """Priors (or a better `guess`) as poses, points by the first rays, and the ground's height (AMSL), which
    the matches tell."""
    groups, lenses = lens_groups(block.photos)
    poses = guess or [p.prior for p in block.photos]
    rotations = np.array([p.camera_from_enu for p in poses])
    centres = np.array([p.centre for p in poses])
    heights = np.array([height_above_ground_m(p, block.ground_up_m) for p in block.photos])
    offsets = np.zeros(len(lenses) + 3 * (int(flights_of(block.photos, groups).max()) + 1))
    if not tracks.count:
        state = State(rotations, centres, lenses, np.zeros((0, 3)), offsets)
        return state, float(np.median(centres[:, 2] - heights))
    rays = np.concatenate(
        [block.photos[i].camera.rays(tracks.xy_px[tracks.photo == i]) for i in range(len(block.photos))]
    )
    order = np.argsort(np.concatenate([np.flatnonzero(tracks.photo == i) for i in range(len(block.photos))]))
    enu = np.einsum("nji,nj->ni", rotations[tracks.photo], rays[order])
    enu /= np.linalg.norm(enu, axis=1, keepdims=True)
    down = np.minimum(enu[:, 2], -0.2)
    height = _height_from_matches(tracks, enu / -down[:, None], centres, heights)
    hit = centres[tracks.photo] + enu * (-height[tracks.photo] / down)[:, None]
    starts = np.searchsorted(tracks.track, np.arange(tracks.count))
    prior = np.add.reduceat(hit, starts, axis=0) / np.bincount(tracks.track)[:, None]
    points = triangulate(enu, centres[tracks.photo], tracks.track, tracks.count, prior, weight=0.5)
    return State(rotations, centres, lenses, points, offsets), float(np.median(points[:, 2]))


def _height_from_matches(
    tracks: Tracks, per_metre: FloatArray, centres: FloatArray, told: FloatArray
) -> FloatArray:
    """Heights above ground (m,) at which matched rays meet best on level ground: one scale over what the tags
    tell, or one height where they tell nothing.

    For two photos of one track: C1 + h u1 = C2 + h u2 in plan, so h = |C2 - C1| / |u1 - u2| for each pair.
    """
    same = np.flatnonzero(np.diff(tracks.track) == 0)
    first, second = tracks.photo[same], tracks.photo[same + 1]
    apart = centres[second, :2] - centres[first, :2]
    parallax = per_metre[same, :2] - per_metre[same + 1, :2]
    baseline = np.linalg.norm(apart, axis=1)
    enough = baseline > max(3.0, 0.3 * float(np.median(baseline)))
    along = (apart * parallax).sum(axis=1) / np.maximum((parallax**2).sum(axis=1), 1e-9)
    good = enough & (along > 1.0)
    if good.sum() < 20:
        return told
    ratio = float(np.median(along[good] / told[first[good]]))
    return told * ratio
