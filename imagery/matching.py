"""Matches between neighbouring photos: a few strong features find the geometry, the geometry finds the rest.

All against all is only done for the strongest features of both photos (or for twice as many, when those agree
on nothing). Where these give few matches, they tell the epipolar geometry and where the ground of one
photo lies in the other; every further feature is looked for only there.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from imagery.features import Features

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
UInt8 = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.int32]

_STRONG_INLIERS = 20
"""So many of the strongest features must agree, otherwise more are compared."""


@dataclass(frozen=True)
class MatchRules:
    """When two features are the same place. Lengths in pixels of the reduced photos. `strongest` features
    are compared all with all, then more; with `plenty` of matches no others are looked for."""

    strongest: tuple[int, ...] = (800, 1600)
    plenty: int = 80
    ratio: float = 0.8
    epipolar_px: float = 1.5
    guided_epipolar_px: float = 2.0
    min_likeness: float = 0.80
    min_matches: int = 16
    min_inlier_share: float = 0.25


@dataclass(frozen=True)
class PairMatches:
    """Features of photo `first` and `second` that show the same ground: index arrays of one length."""

    first: int
    second: int
    first_ids: npt.NDArray[np.int32]
    second_ids: npt.NDArray[np.int32]


@dataclass(frozen=True)
class _Geometry:
    """What the first matches tell: `fundamental` (3, 3), `plane` (3, 3) the homography of the ground, and
    `reach_px` how far features may lie from where the plane sends them."""

    fundamental: Float64
    plane: Float64
    reach_px: float


def match_pair(
    first: int, second: int, a: Features, b: Features, rules: MatchRules | None = None
) -> PairMatches | None:
    """Matches of two photos that are mutual, distinct, and agree with one epipolar geometry; None if few.

    Features come strongest first (`extract_features` sorts them so).
    """
    rules = rules or MatchRules()
    if min(len(a.xy_px), len(b.xy_px)) < rules.min_matches:
        return None
    ids = None
    for n in rules.strongest:
        ids = _agreeing(a, b, *_mutual_matches(a.descriptors[:n], b.descriptors[:n], rules.ratio), rules)
        if (ids is not None and len(ids[0]) >= _STRONG_INLIERS) or n >= max(len(a.xy_px), len(b.xy_px)):
            break
    if ids is not None and len(ids[0]) < rules.plenty:
        geometry = _geometry(a.xy_px[ids[0]], b.xy_px[ids[1]], max(a.sigma_px, b.sigma_px), rules)
        if geometry is not None:
            ids = _guided_matches(a, b, geometry, rules)
    if ids is None or len(ids[0]) < rules.min_matches:
        return None
    return PairMatches(first, second, *ids)


def _agreeing(a: Features, b: Features, ids_a: Ids, ids_b: Ids, rules: MatchRules) -> tuple[Ids, Ids] | None:
    """Those of the matches that agree with one epipolar geometry; None when too few do."""
    if len(ids_a) < rules.min_matches:
        return None
    threshold = rules.epipolar_px * max(a.sigma_px, b.sigma_px)
    try:
        _, inliers = cv2.findFundamentalMat(
            a.xy_px[ids_a], b.xy_px[ids_b], cv2.USAC_MAGSAC, threshold, 0.999, 4000
        )
    except cv2.error:  # OpenCV's assertion that a model was found fails where none fits: no ground shared
        return None
    if inliers is None:
        return None
    good = inliers.ravel().astype(bool)
    if good.sum() < rules.min_matches or good.mean() < rules.min_inlier_share:
        return None
    return ids_a[good], ids_b[good]


def _geometry(here: Float32, there: Float32, sigma_px: float, rules: MatchRules) -> _Geometry | None:
    """The geometry of agreeing matches (n, 2) each; None where they lie so that it cannot be told."""
    plane, _ = cv2.findHomography(here, there, cv2.USAC_MAGSAC, 4 * rules.epipolar_px * sigma_px)
    fundamental, _ = cv2.findFundamentalMat(here, there, cv2.FM_8POINT)
    if plane is None or fundamental is None or fundamental.shape != (3, 3):
        return None
    off = np.linalg.norm(_through(np.asarray(plane, float), here) - there, axis=1)
    reach = max(2.0 * float(np.percentile(off, 95)), 4 * rules.epipolar_px * sigma_px)
    return _Geometry(np.asarray(fundamental, float), np.asarray(plane, float), reach)


def _through(plane: Float64, xy: Float32) -> Float64:
    h = np.c_[xy, np.ones(len(xy))] @ plane.T
    return np.asarray(h[:, :2] / np.where(np.abs(h[:, 2:]) > 1e-12, h[:, 2:], 1e-12))


def _guided_matches(a: Features, b: Features, geometry: _Geometry, rules: MatchRules) -> tuple[Ids, Ids]:
    """Mutual best matches among the pairs that the geometry allows."""
    near = cKDTree(_through(geometry.plane, a.xy_px)).sparse_distance_matrix(
        cKDTree(b.xy_px), geometry.reach_px, output_type="ndarray"
    )
    i, j = near["i"].astype(np.int32), near["j"].astype(np.int32)
    limit = rules.guided_epipolar_px * max(a.sigma_px, b.sigma_px)
    close = _epipolar_squared(geometry.fundamental, a.xy_px, b.xy_px, i, j) < limit * limit
    i, j = i[close], j[close]
    likeness = _likeness(a.descriptors, b.descriptors, i, j)
    best = _best_and_clear(i, likeness, rules) & _best_and_clear(j, likeness, rules)
    best &= likeness > rules.min_likeness
    return i[best], j[best]


def _epipolar_squared(fundamental: Float64, here: Float32, there: Float32, i: Ids, j: Ids) -> Float32:
    """Squared Sampson distances (n,) of the pairs here[i], there[j] of places in two photos."""
    x, y = np.c_[here, np.ones(len(here))], np.c_[there, np.ones(len(there))]
    line, back = x @ fundamental.T, y @ fundamental  # epipolar lines in the other photo
    scale = 1 / np.hypot(*line[:, :2].T)  # brings the numbers near 1: single precision is enough then
    steep = (back[:, :2] ** 2).sum(axis=1).astype(np.float64)
    l0, l1, l2 = (line * scale[:, None]).astype(np.float32).T
    y0, y1 = there.T
    off = l0[i] * y0[j] + l1[i] * y1[j] + l2[i]
    return np.asarray(off * off / (1 + (steep[j] * (scale**2)[i]).astype(np.float32)), np.float32)


def _likeness(a: UInt8, b: UInt8, i: Ids, j: Ids) -> Float32:
    """Cosines of descriptor pairs, worked out for some thousands at a time."""
    unit_a, unit_b = _unit(a), _unit(b)
    out = np.empty(len(i), np.float32)
    for start in range(0, len(i), 8192):
        part = slice(start, start + 8192)
        out[part] = np.einsum("nk,nk->n", unit_a[i[part]], unit_b[j[part]])
    return out


def _best_and_clear(owner: Ids, likeness: Float32, rules: MatchRules) -> npt.NDArray[np.bool_]:
    """Which candidates are the best of their owner and clearly better than its second."""
    order = np.lexsort((-likeness, owner))
    sorted_owner = owner[order]
    first = np.ones(len(order), bool)
    first[1:] = sorted_owner[1:] != sorted_owner[:-1]
    second = np.full(len(order), -1.0, np.float32)
    followed = np.flatnonzero(first[:-1] & ~first[1:]) if len(order) else np.zeros(0, np.intp)
    second[followed] = likeness[order][followed + 1]
    clear = (1.0 - likeness[order]) < rules.ratio**2 * (1.0 - second)
    out = np.zeros(len(order), bool)
    out[order] = first & clear
    return out


def _unit(descriptors: UInt8) -> Float32:
    unit = descriptors.astype(np.float32)
    unit /= np.maximum(np.sqrt(np.einsum("nk,nk->n", unit, unit))[:, None], 1e-6)
    return unit


def _mutual_matches(a: UInt8, b: UInt8, ratio: float) -> tuple[Ids, Ids]:
    """Ids of descriptors that are each other's nearest and clearly nearer than the second."""
    likeness = _unit(a) @ _unit(b).T
    rows, best = np.arange(len(a)), likeness.argmax(axis=1)
    top = likeness[rows, best].copy()
    mutual = top == likeness.max(axis=0)[best]
    likeness[rows, best] = -1.0
    distinct = (1.0 - top) < ratio * ratio * (1.0 - likeness.max(axis=1))
    keep = np.flatnonzero(mutual & distinct)
    return keep.astype(np.int32), best[keep].astype(np.int32)
