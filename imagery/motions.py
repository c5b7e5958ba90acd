"""What moves alike between two photos, and which of it is the ground.

Laid on level ground by their tags, two photos put a place apart by what their tags are off, alike for all
places but for relief; a carpet of foam they put apart by its drift besides. Of one pair nobody can tell which
of two motions is the ground's. Of a whole block one can: the ground's agree with the tags and with each
other, and a drift grows with the time between photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import spsolve

from imagery.photos import Photo
from plans.frames import FloatArray

STEADY = 0.03
"""Of the height: so far may lie apart what one motion of the ground moves alike."""
LEVEL, ROUGH = 0.1, 0.35
"""Of the distance between two photos: so far may relief move the ground along the line between them, where
all of a pair moves in few ways, and, beyond that, where nothing does."""
HEIGHT_SIGMA = 0.35
"""By what share all heights above ground may be wrong together: the launch may lie higher than the zone."""
FAR_SIGMAS = 3.0
CLEAR = 0.3
"""A pair that moves in no one way by so much of its matches, over rough ground, tells nothing."""
_MOTIONS = 3
_LEAST_SHARE, _LEAST_MATCHES = 0.15, 8
_BELIEF = (1.0, 0.8, 0.64, 0.5, 0.4, 0.3, 0.2, 0.15)
"""How much of the tags' uncertainty is left when pairs have told where the photos are, sweep by sweep."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Motion:
    """What moves alike in a pair: the shift with turn and scale (2, 3) from where the first photo's tags put
    it to where the second's do, which matches it explains, and by how much it moves their middle."""

    transform: FloatArray
    inliers: Mask
    middle_m: FloatArray
    off_m: FloatArray


@dataclass(frozen=True)
class PairMotions:
    """A pair with its matches' places (n, 2) on level ground by the tags of the first and the second photo,
    the larger height above ground, where the second photo is from the first, and what moves."""

    first: int
    second: int
    here: FloatArray
    there: FloatArray
    height_m: float
    baseline_m: FloatArray
    motions: tuple[Motion, ...]

    @property
    def clear(self) -> bool:
        """Whether enough of it moves alike to tell anything."""
        return bool(self.motions) and self.motions[0].inliers.mean() >= CLEAR

    @property
    def relief_m(self) -> float:
        """How far relief may move the ground along the baseline."""
        explained = sum(m.inliers.mean() for m in self.motions)
        return (LEVEL + ROUGH * (1 - explained)) * float(np.linalg.norm(self.baseline_m))

    def stays(self, which: Sequence[int]) -> Mask:
        """(n,) the matches that one of these motions of the ground explains, relief allowed for."""
        out = np.zeros(len(self.here), bool)
        for k in which:
            turn = self.motions[k].transform
            left = self.there - (self.here @ turn[:, :2].T + turn[:, 2])
            out |= np.linalg.norm(left @ self.basis(0.0).T, axis=1) < 1
        return out

    def basis(self, sigma_m: float) -> FloatArray:
        """(2, 2) turns an offset of the ground into sigmas along the baseline, with what relief does, and
        across it."""
        length = float(np.linalg.norm(self.baseline_m))
        east, north = self.baseline_m / length if length > 0 else np.array([1.0, 0.0])
        across = float(np.hypot(sigma_m, STEADY * self.height_m))
        along = float(np.hypot(across, self.relief_m))
        return np.array([[east / along, north / along], [-north / across, east / across]])


def pair_motions(
    pair: tuple[int, int], places: tuple[FloatArray, FloatArray], height_m: float, baseline_m: FloatArray
) -> PairMotions:
    """What moves alike among matches that lie at these places, the most numerous first."""
    here, there = places
    left = np.ones(len(here), bool)
    found: list[Motion] = []
    least = max(_LEAST_MATCHES, _LEAST_SHARE * len(here))
    while len(found) < _MOTIONS and left.sum() >= least:
        ids = np.flatnonzero(left)
        transform, inliers = cv2.estimateAffinePartial2D(
            here[ids], there[ids], ransacReprojThreshold=STEADY * height_m
        )
        if transform is None or inliers.sum() < least:
            break
        mask = np.zeros(len(here), bool)
        mask[ids[inliers.ravel() > 0]] = True
        middle = here[mask].mean(axis=0)
        found.append(Motion(np.asarray(transform, float), mask, middle, there[mask].mean(axis=0) - middle))
        left &= ~mask
    return PairMotions(*pair, here, there, height_m, baseline_m, tuple(found))


def of_the_ground(
    photos: Sequence[Photo], heights_m: Sequence[float], pairs: Sequence[PairMotions]
) -> list[list[int]]:
    """For each pair its motions that can be the ground's.

    Each photo may be shifted and turned on the map within what its tags allow. Sweep by sweep the photos are
    moved to agree with all motions, each weighed by its matches and by how near it is to what is believed of
    its two photos, while that becomes surer (graduated non-convexity, Yang et al. 2020).
    """
    shift = np.array(
        [
            np.hypot(p.sigma_h_m, np.radians(p.sigma_tilt_deg) * h)
            for p, h in zip(photos, heights_m, strict=True)
        ]
    )
    tags = _Tags(
        np.array([p.prior.centre[:2] for p in photos]), shift, np.radians([p.sigma_yaw_deg for p in photos])
    )
    told = [(pair, motion) for pair in pairs if pair.clear for motion in pair.motions]
    believed = np.zeros(3 * len(photos) + 1)
    for share in _BELIEF:
        far = [_far(p, m, believed, tags, share) for p, m in told]
        weight = [m.inliers.mean() * np.exp(-(f**2) / 2) for f, (_, m) in zip(far, told, strict=True)]
        believed = _moved(told, weight, tags, share)
    return [
        _plausible(pair, [_far(pair, m, believed, tags, _BELIEF[-1]) for m in pair.motions]) for pair in pairs
    ]


def _plausible(pair: PairMotions, far: Sequence[float]) -> list[int]:
    """The motions that can be the ground's: near what is believed, and no further apart than relief has them.
    None where two are as near as each other and cannot both be."""
    order = sorted(range(len(far)), key=lambda k: far[k])
    kept: list[int] = []
    for k in order:
        if far[k] >= FAR_SIGMAS:
            break
        apart = [pair.motions[k].off_m - pair.motions[j].off_m for j in kept]
        if all(np.linalg.norm(pair.basis(0.0) @ a) < FAR_SIGMAS for a in apart):
            kept.append(k)
        elif far[k] ** 2 - far[kept[0]] ** 2 < FAR_SIGMAS**2:
            return []
    return kept


@dataclass(frozen=True)
class _Tags:
    """Where photos (m, 2) are on the map by their tags, and sigmas (m,) of where these put what they show:
    a shift in metres, a turn in radians."""

    centres: FloatArray
    shift_m: FloatArray
    turn: FloatArray


def _row(pair: PairMotions, motion: Motion, tags: _Tags) -> list[tuple[int, FloatArray]]:
    """(photo, (2, 3)) what a shift and a turn of each photo do to where the pair puts the motion's middle."""
    rows = []
    for photo, sign in ((pair.second, 1.0), (pair.first, -1.0)):
        east, north = motion.middle_m - tags.centres[photo]
        rows.append((photo, sign * np.array([[1.0, 0.0, -north], [0.0, 1.0, east]])))
    return rows


def _sigma_m(pair: PairMotions, motion: Motion, tags: _Tags, share: float) -> float:
    """How far the tags may put a motion off, when they are good to a `share` of their sigmas."""
    variance = (HEIGHT_SIGMA * float(np.linalg.norm(pair.baseline_m)) / 2) ** 2
    for photo, row in _row(pair, motion, tags):
        variance += tags.shift_m[photo] ** 2 + (np.linalg.norm(row[:, 2]) * tags.turn[photo]) ** 2
    return share * float(np.sqrt(variance))


def _far(pair: PairMotions, motion: Motion, believed: FloatArray, tags: _Tags, share: float) -> float:
    """How many sigmas a motion is from what is `believed` (3 m + 1) of the photos and the common height."""
    left = motion.off_m - believed[-1] * pair.baseline_m
    for photo, row in _row(pair, motion, tags):
        left = left - row @ believed[3 * photo : 3 * photo + 3]
    return float(np.linalg.norm(pair.basis(_sigma_m(pair, motion, tags, share)) @ left))


def _moved(
    told: Sequence[tuple[PairMotions, Motion]], weights: Sequence[float], tags: _Tags, share: float
) -> FloatArray:
    """(3 m + 1) east, north (metres) and turn (radians) of each photo and the share of all heights, by which
    weighted motions agree, near to what the tags say: least squares."""
    count = len(tags.centres)
    if not told:
        return np.zeros(3 * count + 1)
    rows, columns, values, wanted = [], [], [], []
    for number, (pair, motion) in enumerate(told):
        basis = pair.basis(_sigma_m(pair, motion, tags, share))
        blocks = [(3 * photo + np.arange(3), row) for photo, row in _row(pair, motion, tags)]
        blocks.append((np.array([3 * count]), pair.baseline_m[:, None]))
        for at, row in blocks:
            rows.append(np.repeat([2 * number, 2 * number + 1], len(at)))
            columns.append(np.tile(at, 2))
            values.append((basis @ row).ravel())
        wanted.append(basis @ motion.off_m)
    index = np.concatenate(rows), np.concatenate(columns)
    design = coo_matrix((np.concatenate(values), index), (2 * len(told), 3 * count + 1)).tocsr()
    held = np.append(np.stack([tags.shift_m, tags.shift_m, tags.turn], axis=1).ravel(), HEIGHT_SIGMA) ** -2.0
    weighted = design.T @ diags(np.repeat(weights, 2))
    return np.asarray(spsolve((weighted @ design + diags(held)).tocsc(), weighted @ np.concatenate(wanted)))
