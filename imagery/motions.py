"""What moves alike between two photos, and which of it is the ground.

Laid on level ground by their tags, two photos put a place apart by what their tags are off, alike for all
places but for relief; a carpet of foam they put apart by its drift besides. Of one pair nobody can tell which
of two motions is the ground's. Of a whole block one can: the ground's agree with the tags and with each
other, and a drift grows with the time between photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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
OWN_HEIGHT_SIGMA = 0.1
"""The same of one photo beside others: another flight's heights may count from another datum."""
FAR_SIGMAS = 3.0
CLEAR = 0.3
"""A pair that moves in no one way by so much of its matches, over rough ground, tells nothing."""
_MOTIONS = 3
_LEAST_SHARE, _LEAST_MATCHES = 0.15, 8
_EACH = 4
"""What is believed of a photo: its shift east and north in metres, turn in radians, share of height."""
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
            out |= np.linalg.norm(left @ self.basis.T, axis=1) < 1
        return out

    @cached_property
    def basis(self) -> FloatArray:
        """(2, 2) turns an offset of the ground into sigmas along the baseline, with what relief does, and
        across it."""
        across, relief = np.array([STEADY * self.height_m]), np.array([self.relief_m])
        return np.asarray(_bases(self.baseline_m[None], across, relief)[0])


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
    told = _told_by(photos, heights_m, [(p, m) for p in pairs if p.clear for m in p.motions])
    believed = np.zeros(_EACH * len(photos) + 1)
    for share in _BELIEF:
        weight = told.weight * np.exp(-(told.far(believed, share) ** 2) / 2)
        believed = told.agreed(weight, share)
    far = iter(told.far(believed, _BELIEF[-1]))
    return [_plausible(p, [float(next(far)) for _ in p.motions]) if p.clear else [] for p in pairs]


def _plausible(pair: PairMotions, far: Sequence[float]) -> list[int]:
    """The motions that can be the ground's: near what is believed, and no further apart than relief has them.
    None where two are as near as each other and cannot both be."""
    order = sorted(range(len(far)), key=lambda k: far[k])
    kept: list[int] = []
    for k in order:
        if far[k] >= FAR_SIGMAS:
            break
        apart = [pair.motions[k].off_m - pair.motions[j].off_m for j in kept]
        if all(np.linalg.norm(pair.basis @ a) < FAR_SIGMAS for a in apart):
            kept.append(k)
        elif far[k] ** 2 - far[kept[0]] ** 2 < FAR_SIGMAS**2:
            return []
    return kept


@dataclass(frozen=True)
class _Told:
    """Motions as rows of equations. Each puts the second photo's places beside the first's by `off_m` (n, 2).
    That is what the faults of the two `photos` (n, 2) do by `effect` (n, 2, 2, 4), and what a common share
    of all heights does, the `baseline_m` (n, 2) long. `sigma_m` (n,) is what the tags leave open of it,
    `across_m` and `relief_m` (n,) what they do not; `held` are the tags' own sigmas (4 m + 1,), `weight` (n,)
    the share of matches."""

    photos: npt.NDArray[np.int64]
    effect: FloatArray
    baseline_m: FloatArray
    off_m: FloatArray
    sigma_m: FloatArray
    across_m: FloatArray
    relief_m: FloatArray
    weight: FloatArray
    held: FloatArray

    def far(self, believed: FloatArray, share: float) -> FloatArray:
        """(n,) how many sigmas motions are from what is `believed` (4 m + 1) of the photos and the common
        height, when tags are good to a `share` of their sigmas."""
        each = believed[:-1].reshape(-1, _EACH)[self.photos]
        left = self.off_m - believed[-1] * self.baseline_m - np.einsum("npij,npj->ni", self.effect, each)
        return np.asarray(np.linalg.norm(np.einsum("nij,nj->ni", self._basis(share), left), axis=1))

    def agreed(self, weight: FloatArray, share: float) -> FloatArray:
        """(4 m + 1) what weighted motions agree on, near to what the tags say: least squares."""
        count, unknown = len(self.off_m), len(self.held)
        basis = self._basis(share)
        by_photo = np.einsum("nij,npjk->nipk", basis, self.effect).reshape(2 * count, 2 * _EACH)
        by_height = np.einsum("nij,nj->ni", basis, self.baseline_m).reshape(2 * count, 1)
        at = (_EACH * self.photos[:, :, None] + np.arange(_EACH)).reshape(count, 2 * _EACH)
        columns = np.c_[np.repeat(at, 2, axis=0), np.full(2 * count, unknown - 1)]
        rows = np.repeat(np.arange(2 * count), 2 * _EACH + 1)
        values = np.concatenate([by_photo, by_height], axis=1)
        design = coo_matrix((values.ravel(), (rows, columns.ravel())), (2 * count, unknown)).tocsr()
        weighted = design.T @ diags(np.repeat(weight, 2))
        target = np.einsum("nij,nj->ni", basis, self.off_m).ravel()
        return np.asarray(spsolve((weighted @ design + diags(self.held**-2.0)).tocsc(), weighted @ target))

    def _basis(self, share: float) -> FloatArray:
        """(n, 2, 2) as PairMotions.basis."""
        return _bases(self.baseline_m, np.hypot(share * self.sigma_m, self.across_m), self.relief_m)


def _told_by(
    photos: Sequence[Photo], heights_m: Sequence[float], told: Sequence[tuple[PairMotions, Motion]]
) -> _Told:
    centres = np.array([p.prior.centre[:2] for p in photos])
    tilt, turn = (np.radians([getattr(p, k) for p in photos]) for k in ("sigma_tilt_deg", "sigma_yaw_deg"))
    shift = np.hypot([p.sigma_h_m for p in photos], tilt * np.asarray(heights_m))
    pair = np.array([(p.second, p.first) for p, _ in told], np.int64).reshape(-1, 2)
    out = np.array([m.middle_m for _, m in told]).reshape(-1, 1, 2) - centres[pair]
    sign = np.array([[1.0, -1.0]])
    effect = np.zeros((len(told), 2, 2, _EACH))
    effect[:, :, 0, 0] = effect[:, :, 1, 1] = sign
    effect[:, :, 0, 2], effect[:, :, 1, 2] = -sign * out[:, :, 1], sign * out[:, :, 0]
    effect[:, :, :, 3] = sign[:, :, None] * out
    baseline = np.array([p.baseline_m for p, _ in told]).reshape(-1, 2)
    by_height = HEIGHT_SIGMA * np.linalg.norm(baseline, axis=1) / 2
    reach = np.linalg.norm(out, axis=2) * np.hypot(turn[pair], OWN_HEIGHT_SIGMA)
    return _Told(
        photos=pair,
        effect=effect,
        baseline_m=baseline,
        off_m=np.array([m.off_m for _, m in told]).reshape(-1, 2),
        sigma_m=np.sqrt((shift[pair] ** 2 + reach**2).sum(axis=1) + by_height**2),
        across_m=np.array([STEADY * p.height_m for p, _ in told]),
        relief_m=np.array([p.relief_m for p, _ in told]),
        weight=np.array([m.inliers.mean() for _, m in told]),
        held=np.append(np.stack([shift, shift, turn, np.full_like(turn, OWN_HEIGHT_SIGMA)], 1), HEIGHT_SIGMA),
    )


def _bases(baseline_m: FloatArray, across_m: FloatArray, relief_m: FloatArray) -> FloatArray:
    """(n, 2, 2) turn offsets of the ground into sigmas along the baselines, with what relief does, and
    across them."""
    length = np.linalg.norm(baseline_m, axis=1)
    unit = np.where(length[:, None] > 0, baseline_m / np.maximum(length, 1e-9)[:, None], (1.0, 0.0))
    along = np.hypot(across_m, relief_m)
    rows = unit / along[:, None], np.stack([-unit[:, 1], unit[:, 0]], axis=1) / across_m[:, None]
    return np.stack(rows, axis=1)
