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

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from imagery.features import Features
from imagery.matching import PairMatches
from imagery.motions import Mask, PairMotions, of_the_ground, pair_motions
from imagery.photos import Block, Photo, height_above_ground_m
from plans.frames import FloatArray

LONG_S = 10.0
NEIGHBOURS = 16
LEAST_SHARE = 0.33
"""Of the share of features that are found again where most are: over trees it is half, on water a tenth."""
CLEAR_SHARE = 0.2
"""Where that is less, features that nobody finds again are no sign of water."""
RIGHT_PAIRS, RIGHT_SHARE = 2, 0.25
"""A photo of which so many pairs move as its tags say has right ones: others matched what does not stay."""
LEAST_TIES = 60
"""A photo that would keep fewer matches keeps all pairs that it has: better doubtful ties than none."""
_LEAST_MATCHES = 16
_RIM = 0.03
_FAR_SIGMAS, _LEAST_SCALE, _LEAST_TOLD = 3.0, 0.1, 5

Shares = npt.NDArray[np.float64]


def without_moving(
    block: Block, features: Sequence[Features], matches: Sequence[PairMatches]
) -> list[PairMatches]:
    """The matches without those that slide over the ground between photos of another time, and without those
    among whose neighbours few are found again there.

    Where no such photo shows a place its matches stay; so do a photo's of which too little would be left.
    """
    photos = block.photos
    block = replace(block, ground_up_m=_ground_up_m(block, features, matches))
    places = [_places(p, f.xy_px, block.ground_up_m) for p, f in zip(photos, features, strict=True)]
    heights = [height_above_ground_m(p, block.ground_up_m) for p in photos]
    apart = [n for n, m in enumerate(matches) if _long_apart(photos[m.first], photos[m.second])]
    pairs = [_pair(matches[n], photos, places, heights) for n in apart]
    ground = of_the_ground(photos, heights, pairs)
    right = _with_right_tags(len(photos), pairs, ground)
    found = [np.zeros(len(f.xy_px)) for f in features]
    shown = [np.zeros(len(f.xy_px)) for f in features]
    steady: dict[int, Mask] = {}
    for n, pair, which in zip(apart, pairs, ground, strict=True):
        if pair.clear and (which or right[[pair.first, pair.second]].all()):
            steady[n] = pair.stays(which)
        if which and pair.clear:
            _count(matches[n], steady[n], pair.off_m(which), block, places, found, shown)
    used = [np.zeros(len(f.xy_px), bool) for f in features]
    for match in matches:
        used[match.first][match.first_ids] = used[match.second][match.second_ids] = True
    fair = [_is_fair(f.xy_px, *of) for f, *of in zip(features, found, shown, used, strict=True)]
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


def _long_apart(a: Photo, b: Photo) -> bool:
    return a.clock_s is None or b.clock_s is None or abs(a.clock_s - b.clock_s) > LONG_S


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


def _count(
    match: PairMatches,
    stays: Mask,
    off_m: FloatArray,
    block: Block,
    places: Sequence[FloatArray],
    found: list[Shares],
    shown: list[Shares],
) -> None:
    """Add to both photos which features this pair shows and which it finds again in their place."""
    for photo, other, ids, sign in (
        (match.first, match.second, match.first_ids, 1.0),
        (match.second, match.first, match.second_ids, -1.0),
    ):
        inside = _shows(block.photos[other], places[photo] + sign * off_m, block.ground_up_m)
        shown[photo] += inside
        found[photo][ids[stays]] += inside[ids[stays]]


def _shows(photo: Photo, places: FloatArray, ground_up_m: float | None) -> Mask:
    """(n,) which places on level ground a photo shows, its rim left out, by its tags."""
    reach = places - photo.prior.centre[:2]
    below = np.full(len(places), -height_above_ground_m(photo, ground_up_m))
    rays = np.c_[reach, below] @ photo.prior.camera_from_enu.T
    at = photo.camera.project(rays)
    size = np.array([photo.camera.image_width_px, photo.camera.image_height_px])
    return np.asarray((rays[:, 2] > 0) & np.all((at > _RIM * size) & (at < (1 - _RIM) * size), axis=1))


def _is_fair(xy: npt.NDArray[np.float32], found: Shares, shown: Shares, used: Mask) -> Mask:
    """(k,) which features lie among such as are found again, or where nothing can be said.

    Among all features there few are found again on waves; among those that are `used` in any match, few are
    on a carpet that matches well within its lane.
    """
    return _among(xy, found, shown, shown > 0) & _among(xy, found, shown, (shown > 0) & used)


def _among(xy: npt.NDArray[np.float32], found: Shares, shown: Shares, those: Mask) -> Mask:
    told = np.flatnonzero(those)
    if len(told) <= NEIGHBOURS:
        return np.ones(len(xy), bool)
    away, near = cKDTree(xy[told]).query(xy, k=NEIGHBOURS)
    share = found[told][near].sum(axis=1) / shown[told][near].sum(axis=1)
    usual = float(np.percentile(share[told], 90))
    if usual < CLEAR_SHARE:
        return np.ones(len(xy), bool)
    far = away[:, -1] > 3 * np.median(away[told, -1])
    return np.asarray((share >= LEAST_SHARE * usual) | far | (shown == 0))
