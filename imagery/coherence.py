"""Matches on what does not stay where it is: waves, glint, boats, carpets of foam and debris.

Photos of other lanes and flights, taken longer before or after, tell: there most features of the ground find
their partner again, in its place; those on waves only a few, by chance. A carpet that drifts is found again
as a whole, elsewhere: epipolar geometry takes that for a slope (two planes that slide over each other always
have one in common), imagery.motions does not. Within a lane a carpet looks like ground at another height;
its features go because none is found again in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from imagery.features import Features
from imagery.matching import PairMatches
from imagery.motions import Mask, PairMotions, of_the_ground, pair_motions
from imagery.photos import Block, Photo, height_above_ground_m
from plans.frames import FloatArray

LONG_S = 10.0
DRIFT_S = 5.0
"""In so long a carpet drifts by more than tags and relief leave open; in the pace of a lane it does not."""
NEIGHBOURS = 16
LEAST_SHARE = 0.4
"""Of the share of features that are found again where most are: over trees it is half, on water a tenth."""
CLEAR_SHARE = 0.2
"""Where that is less, features that nobody finds again are no sign of water."""
RIGHT_PAIRS, RIGHT_SHARE = 2, 0.25
"""A photo of which so many pairs move as its tags say has right ones: others matched what does not stay."""
DRIFTING = 2
"""Of so many pairs of another time a part must slide over the ground: then there is a carpet."""
LEAST_TIES = 60
"""A photo that would keep fewer matches keeps all pairs that it has: better doubtful ties than none."""
_LEAST_MATCHES = 16
_RIM, _ROUGHLY = 0.03, 0.05
_FAR_SIGMAS, _LEAST_SCALE, _LEAST_TOLD = 3.0, 0.1, 5

Shares = npt.NDArray[np.float64]


def without_moving(
    block: Block, features: Sequence[Features], matches: Sequence[PairMatches]
) -> list[PairMatches]:
    """The matches without those that slide over the ground between photos of another time, and without those
    among whose neighbours few are found again.

    Where no other photo shows a place its matches stay; so do a photo's of which too little would be left.
    """
    photos = block.photos
    block = replace(block, ground_up_m=_ground_up_m(block, features, matches))
    places = [_places(p, f.xy_px, block.ground_up_m) for p, f in zip(photos, features, strict=True)]
    heights = [height_above_ground_m(p, block.ground_up_m) for p in photos]
    apart = [n for n, m in enumerate(matches) if _apart(photos[m.first], photos[m.second], DRIFT_S)]
    pairs = [_pair(matches[n], photos, places, heights) for n in apart]
    ground = of_the_ground(photos, heights, pairs)
    right = _with_right_tags(len(photos), pairs, ground)
    seen = [_Seen(len(f.xy_px)) for f in features]
    steady: dict[int, Mask] = {}
    sliding = 0
    for n, pair, which in zip(apart, pairs, ground, strict=True):
        if pair.clear and (which or right[[pair.first, pair.second]].all()):
            steady[n] = pair.stays(which)
            late = _apart(photos[pair.first], photos[pair.second], LONG_S)
            sliding += late and len(which) < len(pair.motions)
    for n, match in enumerate(matches):
        late = _apart(photos[match.first], photos[match.second], LONG_S)
        _count(match, steady.get(n), late, photos, features, seen)
    fair = [_is_fair(f.xy_px, s, drifts=sliding >= DRIFTING) for f, s in zip(features, seen, strict=True)]
    kept, short = [], []
    for n, match in enumerate(matches):
        keep = fair[match.first][match.first_ids] & fair[match.second][match.second_ids]
        keep &= steady.get(n, True)
        if keep.sum() >= _LEAST_MATCHES:
            kept.append(replace(match, first_ids=match.first_ids[keep], second_ids=match.second_ids[keep]))
        elif n not in steady or steady[n].any():
            short.append(match)
    ties = np.zeros(len(photos))
    for match in kept:
        ties[[match.first, match.second]] += len(match.first_ids)
    kept += [m for m in short if min(ties[m.first], ties[m.second]) < LEAST_TIES]
    return sorted(kept, key=lambda m: (m.first, m.second))


def _with_right_tags(count: int, pairs: Sequence[PairMotions], ground: Sequence[Sequence[int]]) -> Mask:
    """(m,) which photos stand about where their tags say, by the pairs that tell."""
    told, agree = np.zeros(count), np.zeros(count)
    for pair, which in zip(pairs, ground, strict=True):
        told[[pair.first, pair.second]] += pair.clear
        agree[[pair.first, pair.second]] += pair.clear and bool(which)
    return np.asarray((agree >= np.minimum(told, RIGHT_PAIRS)) & (agree >= RIGHT_SHARE * told))


def _apart(a: Photo, b: Photo, seconds: float) -> bool:
    """Whether two photos were taken longer than so many seconds apart, or may have been."""
    return a.clock_s is None or b.clock_s is None or abs(a.clock_s - b.clock_s) > seconds


def _ground_up_m(block: Block, features: Sequence[Features], matches: Sequence[PairMatches]) -> float | None:
    """The ground's height (AMSL) by parallax: the launch may lie far above or below the zone.

    Places that are laid on ground too low by a share of the height lie apart by that share of the distance
    between two photos. The middle of what the pairs say, though of some more than half may drift.
    """
    told = []
    for match in matches:
        first, second = block.photos[match.first], block.photos[match.second]
        baseline = second.prior.centre[:2] - first.prior.centre[:2]
        length = float(np.linalg.norm(baseline))
        if length < _FAR_SIGMAS * np.hypot(first.sigma_h_m, second.sigma_h_m):
            continue
        here = _places(first, features[match.first].xy_px[match.first_ids], block.ground_up_m)
        there = _places(second, features[match.second].xy_px[match.second_ids], block.ground_up_m)
        scale = 1 - float(np.median((there - here) @ baseline)) / length**2
        if scale > _LEAST_SCALE:
            told.append(first.prior.up_m - height_above_ground_m(first, block.ground_up_m) / scale)
    return float(np.median(told)) if len(told) >= _LEAST_TOLD else block.ground_up_m


def _places(photo: Photo, xy_px: npt.ArrayLike, ground_up_m: float | None) -> FloatArray:
    """(n, 2) where pixels lie on level ground, by the photo's tags."""
    rays = photo.camera.rays(xy_px) @ photo.prior.camera_from_enu
    down = np.minimum(rays[:, 2], -0.2 * np.linalg.norm(rays, axis=1))
    reach = -height_above_ground_m(photo, ground_up_m) / down
    return np.asarray(photo.prior.centre[:2] + rays[:, :2] * reach[:, None])


def _pair(
    match: PairMatches, photos: Sequence[Photo], places: Sequence[FloatArray], heights_m: Sequence[float]
) -> PairMotions:
    first, second = match.first, match.second
    baseline = photos[second].prior.centre[:2] - photos[first].prior.centre[:2]
    mine = places[first][match.first_ids], places[second][match.second_ids]
    return pair_motions((first, second), mine, max(heights_m[first], heights_m[second]), baseline)


class _Seen:
    """What became of each feature (k,) of a photo: by how many pairs taken soon after each other, and long
    after, it is `shown` and `found` again (2, k), and whether any pair `used` it."""

    def __init__(self, count: int) -> None:
        self.shown, self.found = np.zeros((2, count)), np.zeros((2, count))
        self.used = np.zeros(count, bool)


def _count(
    match: PairMatches,
    stays: Mask | None,
    late: bool,
    photos: Sequence[Photo],
    features: Sequence[Features],
    seen: Sequence[_Seen],
) -> None:
    """Add to both photos which features this pair shows and which it finds again. What it shows goes by the
    plane that lies best through what stays."""
    good = np.ones(len(match.first_ids), bool) if stays is None else stays
    for photo, other, ids, others in (
        (match.first, match.second, match.first_ids, match.second_ids),
        (match.second, match.first, match.second_ids, match.first_ids),
    ):
        mine, camera = seen[photo], photos[other].camera
        mine.used[ids] = True
        if good.sum() < _LEAST_MATCHES // 2 or (late and stays is None):
            continue
        xy, there = features[photo].xy_px, features[other].xy_px[others[good]]
        plane, _ = cv2.estimateAffine2D(
            xy[ids[good]], there, ransacReprojThreshold=_ROUGHLY * camera.image_width_px
        )
        if plane is None:
            continue
        at = xy @ plane[:, :2].T + plane[:, 2]
        size = np.array([camera.image_width_px, camera.image_height_px])
        inside = np.all((at > _RIM * size) & (at < (1 - _RIM) * size), axis=1)
        mine.shown[int(late)] += inside
        mine.found[int(late)][ids[good]] += inside[ids[good]]


def _is_fair(xy: npt.NDArray[np.float32], seen: _Seen, *, drifts: bool) -> Mask:
    """(k,) which features lie on ground, or where nothing can be said. `drifts`: in the block something does.

    On waves few are found again, soon or late. Ground on a slope may be found from near by only, and so may a
    carpet that drifts: late tells where there is one, among features that match anything, as most of it do.
    """
    none = seen.shown == 0
    soon, late = (_few(xy, seen.found[k], seen.shown[k], ~none[k]) for k in (0, 1))
    wrong = (soon | none[0]) & (late | none[1]) & (soon | late)
    if drifts:
        wrong |= _few(xy, seen.found[1], seen.shown[1], seen.used & ~none[1])
    return ~wrong


def _few(xy: npt.NDArray[np.float32], found: Shares, shown: Shares, those: Mask) -> Mask:
    """(k,) around which features few of `those` are found of which are shown, beside where most are."""
    told = np.flatnonzero(those)
    if len(told) <= NEIGHBOURS:
        return np.zeros(len(xy), bool)
    away, near = cKDTree(xy[told]).query(xy, k=NEIGHBOURS)
    share = found[told][near].sum(axis=1) / shown[told][near].sum(axis=1)
    usual = float(np.percentile(share[told], 90))
    far = away[:, -1] > 3 * np.median(away[told, -1])
    return np.asarray((usual >= CLEAR_SHARE) & (share < LEAST_SHARE * usual) & ~far & (shown > 0))
