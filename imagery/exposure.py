"""Exposure over the block: one gain per photo and channel and one vignetting curve, from the overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from imagery.views import View, neighbours, overlap

PAIR_SIGMA = 0.07
"""How unlike two photos show the same ground (logarithm) with the same light: the sun behind or ahead."""
GAIN_SIGMA, CAST_SIGMA = 0.10, 0.05
"""How far a photo's brightness, and its colours beside that, are off. What pairs say is one error over and
over, and would add up from one side of a block to the other: what is bright turned white and grey purple."""
VIGNETTING_SIGMA = 0.10
LEAST_SCALE = 0.05
"""So unlike (logarithm) two pixels of one place may always be; what is more so counts less."""
SAMPLES_PER_PAIR = 300
LEAST_SHARED = 30
DARKEST, BRIGHTEST = 12, 243
HIGHLIGHT = 248.0
"""Where the brightest 2 % of nearly all photos come to lie."""


@dataclass(frozen=True)
class Exposure:
    """Corrections in the logarithm: a pixel is multiplied by exp(gain + vignetting . (r^2, r^4)).

    `log_gain` (photos, 3) BGR; `vignetting` (2,), r over half the image's diagonal.
    """

    log_gain: npt.NDArray[np.float64]
    vignetting: npt.NDArray[np.float64]

    def factor(self, photo: int, radius: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
        """Multipliers (rows, cols, 3) at these radii."""
        r2 = np.minimum(radius.astype(np.float32), 1.1) ** 2  # outside the photo it does not matter
        a, b = (np.float32(v) for v in self.vignetting)
        fall = r2 * (a + b * r2)
        return np.exp(fall[..., None] + self.log_gain[photo].astype(np.float32))


def solve_exposure(views: Sequence[View], photos: int, seed: int = 0) -> Exposure:
    """The corrections under which overlapping views agree best, robust against what moved or leans.

    Source: Brown and Lowe 2007, section 6, here in logarithms.
    """
    rng = np.random.default_rng(seed)
    pair_i, pair_j, ratio, basis, share = [], [], [], [], []
    for a, b in ((views[i], views[j]) for i, j in neighbours(views)):
        sample = _sample(a, b, rng)
        if sample is not None:
            difference, radial = sample
            pair_i.append(np.full(len(difference), a.photo))
            pair_j.append(np.full(len(difference), b.photo))
            ratio.append(difference)
            basis.append(radial)
            share.append(np.full(len(difference), 1.0 / max(len(difference), 1)))
    if not ratio:
        return Exposure(np.zeros((photos, 3)), np.zeros(2))
    even = _least_squares(
        np.concatenate(pair_i), np.concatenate(pair_j), np.concatenate(ratio), np.concatenate(basis),
        np.concatenate(share), photos,
    )  # fmt: skip
    return _levelled(even, views)


def evened(view: View, exposure: Exposure) -> View:
    """The view under its corrections."""
    if view.window.empty:
        return view
    factor = exposure.factor(view.photo, view.radius)
    return replace(view, colour=np.asarray(cv2.multiply(view.colour, factor, dtype=cv2.CV_8U), np.uint8))


def _levelled(exposure: Exposure, views: Sequence[View]) -> Exposure:
    """The same corrections darkened or brightened as one, so that few highlights are lost."""
    bright = []
    for view in views:
        seen = view.colour[view.valid]
        if len(seen):
            factor = exposure.factor(view.photo, view.radius[view.valid])
            bright.append(np.log(np.maximum(np.percentile((seen * factor).max(axis=1), 98), 1.0)))
    excess = float(np.percentile(bright, 95) - np.log(HIGHLIGHT)) if bright else 0.0
    return Exposure(exposure.log_gain - np.clip(excess, -0.2, 0.4), exposure.vignetting)


def _sample(
    a: View, b: View, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """(log a - log b) (n, 3) and differences of (r^2, r^4) (n, 2) at cells that both see well."""
    window = overlap(a, b)
    if window is None:
        return None
    sa, sb = window.within(a.window), window.within(b.window)
    both = np.flatnonzero((a.valid[sa] & b.valid[sb]).ravel())
    if len(both) < LEAST_SHARED:
        return None
    cells = rng.choice(both, min(SAMPLES_PER_PAIR, len(both)), replace=False)
    rows, cols = np.divmod(cells, window.shape[1])
    ca, cb = a.colour[sa][rows, cols], b.colour[sb][rows, cols]
    good = (np.minimum(ca, cb).min(axis=1) > DARKEST) & (np.maximum(ca, cb).max(axis=1) < BRIGHTEST)
    rows, cols = rows[good], cols[good]
    la, lb = np.log(ca[good].astype(float)), np.log(cb[good].astype(float))
    ra, rb = (v.radius[s][rows, cols].astype(float) ** 2 for v, s in ((a, sa), (b, sb)))
    return la - lb, np.stack([ra - rb, ra**2 - rb**2], axis=1)


def _least_squares(
    i: npt.NDArray[np.int64],
    j: npt.NDArray[np.int64],
    ratio: npt.NDArray[np.float64],
    basis: npt.NDArray[np.float64],
    share: npt.NDArray[np.float64],
    photos: int,
) -> Exposure:
    """`share` (n,) is what each sample counts of its pair, which is one observation."""
    gain = np.zeros((photos, 3))
    vignetting = np.zeros(2)
    for _ in range(5):
        off = ratio + gain[i] - gain[j] + (basis @ vignetting)[:, None]
        scale = max(float(np.median(np.abs(off))) * 1.5, LEAST_SCALE)
        weight = 1 / (1 + (np.abs(off).mean(axis=1) / scale) ** 2)
        vignetting = _solve_vignetting(basis, ratio + gain[i] - gain[j], weight)
        told = weight * share / PAIR_SIGMA**2
        gain = _solve_gains(i, j, ratio + (basis @ vignetting)[:, None], told, photos)
    return Exposure(gain, vignetting)


def _solve_vignetting(
    basis: npt.NDArray[np.float64], off: npt.NDArray[np.float64], weight: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    prior = np.eye(2) * 0.02 * weight.sum() * (0.1 / VIGNETTING_SIGMA) ** 2
    normal = (basis * weight[:, None]).T @ basis + prior
    return np.asarray(np.linalg.solve(normal, -(basis * weight[:, None]).T @ off.mean(axis=1)))


def _solve_gains(
    i: npt.NDArray[np.int64],
    j: npt.NDArray[np.int64],
    off: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
    photos: int,
) -> npt.NDArray[np.float64]:
    normal = np.zeros((photos, photos))
    np.add.at(normal, (i, i), weight)
    np.add.at(normal, (j, j), weight)
    np.add.at(normal, (i, j), -weight)
    np.add.at(normal, (j, i), -weight)
    right = np.stack(
        [
            np.bincount(j, weight * off[:, k], photos) - np.bincount(i, weight * off[:, k], photos)
            for k in range(3)
        ],
        axis=1,
    )
    brightness = right.mean(axis=1, keepdims=True)
    gains = np.linalg.solve(normal + np.eye(photos) / GAIN_SIGMA**2, brightness) + np.linalg.solve(
        normal + np.eye(photos) / CAST_SIGMA**2, right - brightness
    )
    return np.asarray(gains - np.median(gains, axis=0))
