"""The reduced system of a block: a band of photos that see the same ground, and a border of unknowns that all
of them share (lens, lag, shifts of flights).

Photos are numbered so that those with common tie points stand close together (Cuthill and McKee 1969); the
band is then narrow, and its Cholesky factor takes n b^2 instead of n^3 / 3 steps. Nothing is ever held as a
full matrix: of the inverse, too, only what stands in the band (Takahashi, Fagan and Chin 1973).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.linalg
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import reverse_cuthill_mckee

from plans.frames import FloatArray

Ids = npt.NDArray[np.int64]

_COLUMNS = 48
"""Of the factor that the inverse is worked out for at a time."""


@dataclass(frozen=True)
class Band:
    """`place` (m,) of each photo in it, `unknowns` of each photo; linked unknowns stand no farther than
    `width` apart."""

    place: Ids
    unknowns: int
    width: int

    @property
    def size(self) -> int:
        """How many unknowns stand in the band."""
        return len(self.place) * self.unknowns

    def at(self, photos: Ids) -> Ids:
        """(k * unknowns,) where the unknowns of these photos stand."""
        return np.asarray((self.place[photos, None] * self.unknowns + np.arange(self.unknowns)).ravel())

    def empty(self) -> FloatArray:
        """(width + 1, size) zeros, laid out as LAPACK wants it: row d holds the entries d below the
        diagonal."""
        return np.zeros((self.width + 1, self.size), order="F")

    def add(self, lower: FloatArray, first: Ids, second: Ids, blocks: FloatArray) -> None:
        """Add blocks (k, unknowns, unknowns) of pairs of linked photos, each pair once in each order; what
        would come above the diagonal is passed over."""
        apart = (self.place[first] - self.place[second]) * self.unknowns
        column = self.place[second] * self.unknowns
        for a in range(self.unknowns):
            for b in range(self.unknowns):
                kept = apart + a - b >= 0
                lower[apart[kept] + a - b, column[kept] + b] += blocks[kept, a, b]


@dataclass(frozen=True)
class Bordered:
    """A symmetric matrix: `lower` of the unknowns in the band (see Band.empty), `border` (size, k) beside
    them, `corner` (k, k)."""

    band: Band
    lower: FloatArray
    border: FloatArray
    corner: FloatArray

    def evened(self) -> tuple[Bordered, FloatArray]:
        """The matrix with rows and columns scaled to a diagonal of ones, and the scale (size + k,). The band
        is scaled in place."""
        scale = 1 / np.sqrt(np.maximum(np.r_[self.lower[0], self.corner.diagonal()], 1e-12))
        inner, outer = scale[: self.band.size], scale[self.band.size :]
        padded = np.r_[inner, np.zeros(len(self.lower))]
        lower = self.lower
        for column, below in enumerate(np.lib.stride_tricks.sliding_window_view(padded, len(lower))[:-1]):
            lower[:, column] *= below * inner[column]
        even = replace(
            self, border=self.border * inner[:, None] * outer, corner=self.corner * outer[:, None] * outer
        )
        return even, np.asarray(scale)

    def factored(self) -> Factored:
        """Its Cholesky factor; the matrix is used up. Raises LinAlgError when it is not positive definite."""
        lower = scipy.linalg.cholesky_banded(self.lower, overwrite_ab=True, lower=True, check_finite=False)
        across = scipy.linalg.cho_solve_banded((lower, True), self.border, check_finite=False)
        shared = scipy.linalg.cho_factor(self.corner - self.border.T @ across, lower=True, check_finite=False)
        return Factored(self.band, lower, self.border, across, shared)


@dataclass(frozen=True)
class Factored:
    """A bordered matrix ready to be solved: the band's factor, the border, what the border is through the
    band's inverse, and the factor of what is left of the corner."""

    band: Band
    lower: FloatArray
    border: FloatArray
    across: FloatArray
    shared: tuple[FloatArray, bool]

    def solve(self, right: FloatArray) -> FloatArray:
        """x (size + k,) for a right side."""
        n = self.band.size
        inside = scipy.linalg.cho_solve_banded((self.lower, True), right[:n], check_finite=False)
        rest = scipy.linalg.cho_solve(self.shared, right[n:] - self.border.T @ inside, check_finite=False)
        return np.concatenate([inside - self.across @ rest, rest])

    def inverse(self) -> LinkedInverse:
        """What the inverse holds in the band and the border."""
        corner = scipy.linalg.cho_solve(self.shared, np.eye(self.across.shape[1]), check_finite=False)
        return LinkedInverse(self.band, _inverse_in_band(self.lower), self.across, corner)


@dataclass(frozen=True)
class LinkedInverse:
    """The inverse of a bordered matrix between linked unknowns. `lower` is the inverse of the band alone."""

    band: Band
    lower: FloatArray
    across: FloatArray
    corner: FloatArray

    def among(self, photos: Ids, scale: FloatArray) -> FloatArray:
        """The inverse, times `scale` (size + k,) of rows and of columns, between the unknowns of these
        photos, all linked with each other, and all of the border, which comes last."""
        at = self.band.at(photos)
        across = self.across[at] @ self.corner
        inner = self.lower[np.abs(at[:, None] - at), np.minimum(at[:, None], at)] + across @ self.across[at].T
        whole = np.block([[inner, -across], [-across.T, self.corner]])
        by = np.concatenate([scale[at], scale[self.band.size :]])
        return np.asarray(whole * by[:, None] * by)


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
    return Band(place, unknowns, (apart + 1) * unknowns - 1)


def _inverse_in_band(lower: FloatArray) -> FloatArray:
    """The entries in the band of the inverse of L L^T, from the band of L, in the same layout.

    From the last columns J to the first, R being the rows below them: with G = L_RJ L_JJ^-1, Z_RJ = -Z_RR G
    and Z_JJ = (L_JJ L_JJ^T)^-1 - G^T Z_RJ.
    """
    width, n = lower.shape[0] - 1, lower.shape[1]
    out = np.zeros_like(lower)
    known = np.zeros((0, 0))  # Z_RR
    for start in range((n - 1) // _COLUMNS * _COLUMNS, -1, -_COLUMNS):
        count = min(_COLUMNS, n - start)
        tall = min(start + count + width, n) - start
        strip = np.zeros((tall, count))
        for c in range(count):
            reach = min(width + 1, tall - c)
            strip[c : c + reach, c] = lower[:reach, start + c]
        known = known[: tall - count, : tall - count]
        own = scipy.linalg.solve_triangular(strip[:count], np.eye(count), lower=True, check_finite=False)
        g = strip[count:] @ own
        below = -known @ g
        above = own.T @ own - g.T @ below
        column = np.concatenate([above, below])
        for c in range(count):
            reach = min(width + 1, tall - c)
            out[:reach, start + c] = column[c : c + reach, c]
        known = np.block([[above, below.T], [below, known]])
    return out
