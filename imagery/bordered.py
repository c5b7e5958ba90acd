"""The reduced system of a large block: a band of photos that see the same ground, and a border of unknowns
that all of them share (lens, lag, shifts of flights).

Photos are numbered so that those with common tie points stand close together (Cuthill and McKee 1969); the
band is then narrow, and its Cholesky factor takes n b^2 instead of n^3 / 3 steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import reverse_cuthill_mckee

from plans.frames import FloatArray

Ids = npt.NDArray[np.int64]

_WORTH = 4
"""The band is used where it is narrower than the matrix by this factor."""


@dataclass(frozen=True)
class Band:
    """`order` (n,) of the unknowns in the band; linked ones stand no farther than `width` apart in it."""

    order: Ids
    width: int

    @property
    def narrow(self) -> bool:
        """Whether the band saves work."""
        return _WORTH * self.width < len(self.order)


def band_of(photo: Ids, track: Ids, photos: int, unknowns: int) -> Band:
    """The band of `photos` with so many unknowns each, linked where they observe a common track."""
    seen = csr_matrix(
        (np.ones(len(photo), np.float32), (photo, track)), shape=(photos, int(track.max(initial=-1)) + 1)
    )
    links = (seen @ seen.T).tocsr()
    order = np.asarray(reverse_cuthill_mckee(links, symmetric_mode=True), np.int64)
    place = np.empty(photos, np.int64)
    place[order] = np.arange(photos)
    first, second = links.nonzero()
    apart = int(np.abs(place[first] - place[second]).max(initial=0))
    every = (order[:, None] * unknowns + np.arange(unknowns)).ravel()
    return Band(every, (apart + 1) * unknowns - 1)


def solve_bordered(matrix: FloatArray, right: FloatArray, band: Band) -> FloatArray:
    """x (size,) of a symmetric positive definite `matrix` (size, size) whose first unknowns are the band's.

    Raises LinAlgError when it is not positive definite.
    """
    n, order = len(band.order), band.order
    lower = np.zeros((band.width + 1, n))
    for d in range(min(band.width + 1, n)):
        lower[d, : n - d] = matrix[order[d:], order[: n - d]]
    factor = scipy.linalg.cholesky_banded(lower, overwrite_ab=True, lower=True, check_finite=False)
    border = matrix[:n, n:][order]
    sides = np.c_[border, right[:n][order]]
    solved = scipy.linalg.cho_solve_banded((factor, True), sides, overwrite_b=True, check_finite=False)
    across, inside = solved[:, :-1], solved[:, -1]
    shared = scipy.linalg.cho_factor(matrix[n:, n:] - border.T @ across, lower=True, check_finite=False)
    rest = scipy.linalg.cho_solve(shared, right[n:] - border.T @ inside, check_finite=False)
    out = np.empty(len(right))
    out[order] = inside - across @ rest
    out[n:] = rest
    return out
