"""Matches on what does not stay where it is: waves, glint, boats.

Photos of other lanes and flights, taken longer before or after, tell: there most features of the ground find
their partner again, those on water only a few, by chance. A carpet of foam that drifts along lanes is found
in part only: within a lane it looks like ground at another height.
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
from imagery.photos import Photo

LONG_S = 10.0
NEIGHBOURS = 16
LEAST_SHARE = 0.6
"""Of the usual share of features that are found again."""
CLEAR_SHARE = 0.2
"""Where the usual share is less, as over trees, features that nobody finds again are no sign of water."""
_LEAST_MATCHES = 16

Shares = npt.NDArray[np.float64]


def without_moving(
    photos: Sequence[Photo], features: Sequence[Features], matches: Sequence[PairMatches]
) -> list[PairMatches]:
    """The matches without those among whose neighbours few are found again in photos of another time.

    Where no such photo shows a place its matches stay; so does a pair of which too little would be left.
    """
    found = [np.zeros(len(f.xy_px)) for f in features]
    shown = [np.zeros(len(f.xy_px)) for f in features]
    for match in matches:
        if _long_apart(photos[match.first], photos[match.second]):
            _count(match, photos, features, found, shown)
    fair = [_is_fair(f.xy_px, n, of) for f, n, of in zip(features, found, shown, strict=True)]
    kept = []
    for match in matches:
        keep = fair[match.first][match.first_ids] & fair[match.second][match.second_ids]
        if keep.sum() >= _LEAST_MATCHES:
            match = replace(match, first_ids=match.first_ids[keep], second_ids=match.second_ids[keep])
        kept.append(match)
    return kept


def _long_apart(a: Photo, b: Photo) -> bool:
    return a.clock_s is None or b.clock_s is None or abs(a.clock_s - b.clock_s) > LONG_S


def _count(
    match: PairMatches,
    photos: Sequence[Photo],
    features: Sequence[Features],
    found: list[Shares],
    shown: list[Shares],
) -> None:
    """Add to both photos which features this pair shows and which it finds."""
    here, there = features[match.first].xy_px, features[match.second].xy_px
    transform, _ = cv2.estimateAffinePartial2D(
        here[match.first_ids],
        there[match.second_ids],
        ransacReprojThreshold=0.02 * photos[match.second].camera.image_width_px,
    )
    if transform is None:
        return
    back = cv2.invertAffineTransform(transform)
    for photo, other, ids, turn in (
        (match.first, match.second, match.first_ids, transform),
        (match.second, match.first, match.second_ids, back),
    ):
        camera = photos[other].camera
        at = features[photo].xy_px @ turn[:, :2].T + turn[:, 2]
        size = np.array([camera.image_width_px, camera.image_height_px])
        inside = np.all((at > 0.03 * size) & (at < 0.97 * size), axis=1)
        shown[photo] += inside
        found[photo][ids] += inside[ids]


def _is_fair(xy: npt.NDArray[np.float32], found: Shares, shown: Shares) -> npt.NDArray[np.bool_]:
    """(k,) which features lie among such as are found again, or where nothing can be said."""
    told = np.flatnonzero(shown > 0)
    if len(told) <= NEIGHBOURS:
        return np.ones(len(xy), bool)
    away, near = cKDTree(xy[told]).query(xy, k=NEIGHBOURS)
    share = found[told][near].sum(axis=1) / shown[told][near].sum(axis=1)
    usual = float(np.percentile(share[told], 75))
    if usual < CLEAR_SHARE:
        return np.ones(len(xy), bool)
    far = away[:, -1] > 3 * np.median(away[told, -1])
    return np.asarray((share >= LEAST_SHARE * usual) | far | (shown == 0))
