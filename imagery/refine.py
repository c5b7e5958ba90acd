"""Tie points measured again at a finer scale, once it is known about where every photo stood.

Corners found in small pictures lie half a pixel of these off. The ground beside each is looked at as if from
above, in every photo that shows it, and the pictures are laid over each other: least squares over shift,
brightness and contrast (Lucas and Kanade 1981; Ackermann 1984, "least squares matching").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from imagery.bundle_math import project
from imagery.tracks import Tracks
from imagery.workers import Workers
from plans.frames import FloatArray

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
ImageOf = Callable[[int, int], UInt8]

_SIDE = 15
_MARGIN = 4
"""So far, in pixels of the finer picture, a point may have been off."""
_STEPS = 5
_LEAST_LIKENESS = 0.75
_LEAST_CONTRAST = 4.0
_PER_BATCH = 20_000
_ENOUGH = 40
REFINED_SIGMA_PX = 0.7
"""Of a measured place, in pixels of the picture it was measured in. A single shift is good to a tenth; but
what is left (rolling shutter, lens, crowns in the wind) is alike for neighbours and must not outweigh
the GPS."""


def refine_tracks(
    tracks: Tracks,
    rotations: FloatArray,
    centres: FloatArray,
    lenses: FloatArray,
    points: FloatArray,
    factors: Sequence[int],
    image_of: ImageOf,
    workers: Workers,
) -> tuple[Tracks, npt.NDArray[np.int64]]:
    """The observations moved to where each shows the same ground as its track's most upright one.

    Args:
        tracks: observations, sorted by track.
        rotations, centres, lenses: of each photo, (m, 3, 3), (m, 3) and (m, 7).
        points: (tracks.count, 3), the ground points.
        factors: by how much each photo is reduced for it; `image_of(photo, factor)` gives it in grey.

    Those that cannot be measured (no contrast, another picture, too far off) are left out, but for photos
    that would keep few: there they keep their place and sigma. Also gives which tracks are left.
    """
    if not tracks.count:
        return tracks, np.zeros(0, np.int64)
    i = tracks.photo
    pose = rotations[i], centres[i], lenses[i]
    at = points[tracks.track]
    middle = project(*pose, at)
    per_east, per_north = (project(*pose, at + axis) - middle for axis in np.eye(3)[:2])
    by_ground = np.stack([per_east, -per_north], axis=2)  # (n, 2, 2) px by metres right and down of north-up
    reference = _most_upright(tracks, at, centres)
    factor = np.asarray(factors, float)[i]
    size = np.sqrt(np.abs(np.linalg.det(by_ground))) / factor  # pixels of the finer picture in a metre
    step_m = 1.0 / np.maximum(size[reference][tracks.track], 1e-9)
    by_node = by_ground * step_m[:, None, None]
    usable = np.isfinite(by_node).all(axis=(1, 2)) & np.isfinite(middle).all(axis=1)
    patches = _patches(tracks, by_node, usable, factors, image_of, workers)
    shift, likeness = _shifts(patches, reference[tracks.track])
    moved = np.einsum("nij,nj->ni", by_node, shift)
    good = usable & (likeness > _LEAST_LIKENESS) & (np.abs(shift).max(axis=1) < _MARGIN - 0.5)
    xy = tracks.xy_px + np.where(good[:, None], moved, 0.0)
    sigma = np.where(good, REFINED_SIGMA_PX * factor, tracks.sigma_px)
    good[reference] = True
    enough = np.bincount(i, good, minlength=len(factors)) >= _ENOUGH
    return replace(tracks, xy_px=xy, sigma_px=sigma).thinned(good | ~enough[i])


def _most_upright(tracks: Tracks, at: FloatArray, centres: FloatArray) -> npt.NDArray[np.int64]:
    """For each track the observation that looks down the steepest."""
    away = at - centres[tracks.photo]
    lean = np.hypot(away[:, 0], away[:, 1]) / np.maximum(-away[:, 2], 1e-6)
    order = np.lexsort((lean, tracks.track))
    starts = np.searchsorted(tracks.track, np.arange(tracks.count))
    return order[starts]


def _patches(
    tracks: Tracks,
    by_node: FloatArray,
    usable: npt.NDArray[np.bool_],
    factors: Sequence[int],
    image_of: ImageOf,
    workers: Workers,
) -> UInt8:
    """(n, side, side) the ground about each observation, north up; black where it cannot be seen."""
    side = _SIDE + 2 * _MARGIN
    out = np.zeros((len(tracks.track), side, side), np.uint8)
    of_photos = [np.flatnonzero((tracks.photo == photo) & usable) for photo in range(len(factors))]
    tasks = [
        (photo, factors[photo], tracks.xy_px[mine], by_node[mine])
        for photo, mine in enumerate(of_photos)
        if len(mine)
    ]
    for (photo, *_), found in zip(tasks, workers.map(_sample, image_of, tasks), strict=True):
        out[of_photos[photo]] = found
    return out


def _sample(image_of: ImageOf, task: tuple[int, int, FloatArray, FloatArray]) -> UInt8:
    """(n, side, side) of one photo: its number, its reduction, places (n, 2) in it and what a node right
    and down is there (n, 2, 2)."""
    photo, factor, xy_px, by_node = task
    side = _SIDE + 2 * _MARGIN
    reach = np.arange(side, dtype=np.float32) - side // 2
    down, right = reach[:, None, None], reach[None, :, None]
    centre = (xy_px + 0.5) / factor - 0.5
    turn = (by_node / factor).astype(np.float32)
    by_right, by_down = (turn[:, None, None, :, k] for k in (0, 1))
    where = centre[:, None, None].astype(np.float32) + by_down * down + by_right * right
    found = cv2.remap(  # type: ignore[call-overload]  # the stubs do not know that map2 may be None
        image_of(photo, factor),
        where.reshape(-1, side, 2),
        None,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return np.asarray(found, np.uint8).reshape(-1, side, side)


def _shifts(patches: UInt8, reference: npt.NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """(n, 2) by how much (right, down) each patch's ground lies from its reference's, and how alike they then
    are, -1 to 1. The references themselves do not move."""
    shift, likeness = np.zeros((len(patches), 2)), np.full(len(patches), -1.0)
    for start in range(0, len(patches), _PER_BATCH):
        part = slice(start, start + _PER_BATCH)
        shift[part], likeness[part] = _batch_shifts(patches[reference[part]], patches[part])
    own = reference == np.arange(len(reference))
    shift[own] = 0.0
    return shift, likeness


def _batch_shifts(fixed: UInt8, moving: UInt8) -> tuple[FloatArray, FloatArray]:
    core = slice(_MARGIN, _MARGIN + _SIDE)
    whole = fixed.astype(np.float32)
    before, after = (slice(_MARGIN + by, _MARGIN + by + _SIDE) for by in (-1, 1))
    dx = (whole[:, core, after] - whole[:, core, before]) / 2
    dy = (whole[:, after, core] - whole[:, before, core]) / 2
    template, spread = _even(whole[:, core, core])
    dx, dy = ((d - d.mean(axis=(1, 2), keepdims=True)) / spread for d in (dx, dy))
    xx, xy, yy = ((a * b).sum(axis=(1, 2)) for a, b in ((dx, dx), (dx, dy), (dy, dy)))
    det = np.maximum(xx * yy - xy * xy, 1e-9)
    shift = np.zeros((len(fixed), 2), np.float32)
    likeness = np.full(len(fixed), -1.0, np.float32)
    area = float(_SIDE * _SIDE)
    for _ in range(_STEPS):
        there, their_spread = _even(_sampled(moving, shift))
        likeness = np.where(
            np.minimum(spread, their_spread)[:, 0, 0] > _LEAST_CONTRAST,
            (template * there).sum(axis=(1, 2)) / area,
            -1.0,
        )
        off = there - template
        gx, gy = (dx * off).sum(axis=(1, 2)), (dy * off).sum(axis=(1, 2))
        step = np.stack([(yy * gx - xy * gy) / det, (xx * gy - xy * gx) / det], axis=1)
        shift = np.clip(shift - np.clip(step, -1.5, 1.5), -_MARGIN, _MARGIN).astype(np.float32)
    return shift.astype(float), likeness.astype(float)


def _even(patches: Float32) -> tuple[Float32, Float32]:
    """Patches (n, rows, cols) with mean 0 and spread 1, and their spreads (n, 1, 1)."""
    level = patches - patches.mean(axis=(1, 2), keepdims=True)
    spread = np.maximum(np.sqrt((level * level).mean(axis=(1, 2), keepdims=True)), 1e-3)
    return level / spread, spread


def _sampled(patches: UInt8, shift: Float32) -> Float32:
    """The middles (n, _SIDE, _SIDE) of patches, each moved by its shift, bilinear."""
    whole = np.minimum(np.floor(shift).astype(int), _MARGIN - 1)
    fraction = (shift - whole).astype(np.float32)[:, :, None, None]
    fx, fy = fraction[:, 0], fraction[:, 1]
    n = np.arange(len(patches))[:, None, None]
    rows = _MARGIN + whole[:, 1, None] + np.arange(_SIDE + 1)
    cols = _MARGIN + whole[:, 0, None] + np.arange(_SIDE + 1)
    seen = patches[n, rows[:, :, None], cols[:, None, :]].astype(np.float32)
    left = seen[:, :, :-1] + fx * (seen[:, :, 1:] - seen[:, :, :-1])
    return np.asarray(left[:, :-1] + fy * (left[:, 1:] - left[:, :-1]), np.float32)
