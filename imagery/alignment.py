"""Two sequences of the same happenings laid beside each other, though either has gaps.

A pair hidden Markov model (Durbin et al., Biological Sequence Analysis, 1998, chapters 2 and 4): each element
of one sequence is either paired with one of the other or has no partner, in order. `best_pairs` gives the
most probable alignment, `pair_probabilities` how probable each pair is over all alignments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Pair = tuple[int, int]

LOST_SHARE = 0.1
"""How probable it is beforehand that an element of either sequence has no partner."""

_WIDE_SHARE, _WIDE_SPACINGS = 0.05, 0.2
_EQUAL = 1e-7


@dataclass(frozen=True)
class PairModel:
    """How well two elements fit: residuals are normal with `sigma`, a few of them wider (a camera that was
    busy for a moment). Elements are `spacing` apart, which says how easily one without a partner lies
    anywhere. Both in the residuals' unit."""

    sigma: float
    spacing: float

    @property
    def row_gap(self) -> float:
        """Log-likelihood of a row element without a partner: anywhere."""
        return math.log(LOST_SHARE / self.spacing)

    @property
    def column_gap(self) -> float:
        """Log-likelihood of a column element without a partner."""
        return math.log(LOST_SHARE)

    def fits(self, residuals: FloatArray) -> FloatArray:
        """Log-likelihood of pairs with these residuals (rows, columns)."""
        wide = max(2 * self.sigma, _WIDE_SPACINGS * self.spacing)
        usual = _log_normal(residuals, self.sigma) + math.log((1 - LOST_SHARE) * (1 - _WIDE_SHARE))
        return np.logaddexp(usual, _log_normal(residuals, wide) + math.log((1 - LOST_SHARE) * _WIDE_SHARE))


def _log_normal(residuals: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(-0.5 * (residuals / sigma) ** 2 - math.log(sigma * math.sqrt(2 * math.pi)))


def best_pairs(residuals: FloatArray, model: PairModel) -> list[Pair]:
    """The most probable order-keeping pairs (row, column). Residuals (n, m)."""
    fits, rows_gap, columns_gap = model.fits(residuals), model.row_gap, model.column_gap
    n, m = fits.shape
    total = np.empty((n + 1, m + 1))
    steps = np.arange(m + 1) * columns_gap
    total[0] = steps
    for i in range(1, n + 1):
        row = total[i - 1] + rows_gap
        row[1:] = np.maximum(row[1:], total[i - 1, :-1] + fits[i - 1])
        # the gaps along the row, row[j] = max over k <= j of row[k] + (j - k) * gap, as one running maximum
        total[i] = np.maximum.accumulate(row - steps) + steps
    pairs: list[Pair] = []
    i, j = n, m
    while i > 0 and j > 0:
        here = total[i, j]
        if abs(here - total[i - 1, j - 1] - fits[i - 1, j - 1]) < _EQUAL:
            pairs.append((i - 1, j - 1))
            i, j = i - 1, j - 1
        elif abs(here - total[i - 1, j] - rows_gap) < _EQUAL:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def log_likelihood(residuals: FloatArray, model: PairModel, pairs: list[Pair]) -> float:
    """Of one alignment."""
    n, m = residuals.shape
    alone = (n - len(pairs)) * model.row_gap + (m - len(pairs)) * model.column_gap
    if not pairs:
        return alone
    rows, columns = np.array(pairs).T
    return alone + float(model.fits(residuals[rows, columns]).sum())


def pair_probabilities(residuals: FloatArray, model: PairModel) -> tuple[FloatArray, float]:
    """The probability of each pair over all alignments (n, m), and the log-likelihood of the sequences.

    Forward and backward passes in logarithms. Rows without a partner come before columns without one, so that
    an alignment counts once.
    """
    fits, rows_gap, columns_gap = model.fits(residuals), model.row_gap, model.column_gap
    n, m = fits.shape
    steps = np.arange(m + 1) * columns_gap
    reached = np.empty((n + 1, m + 1))  # of both states: after a pair or a lone row, after a lone column
    before_gap = np.full(m + 1, -np.inf)
    before_gap[0] = 0.0
    for i in range(n + 1):
        if i:
            lone = before_gap + rows_gap
            paired = np.concatenate([[-np.inf], reached[i - 1, :-1] + fits[i - 1]])
            before_gap = np.logaddexp(lone, paired)
        after = np.logaddexp.accumulate(before_gap - steps) + steps
        gap = np.concatenate([[-np.inf], after[:-1] + columns_gap])
        reached[i] = np.logaddexp(before_gap, gap)
    evidence = float(reached[n, m])
    chances = np.empty((n, m))
    back_steps = steps[::-1]
    rest = (
        back_steps.copy()
    )  # log-likelihood of all that follows, from the state that may go on with a lone row
    for i in range(n - 1, -1, -1):
        follows = fits[i] + rest[1:]
        chances[i] = np.exp(reached[i, :-1] + follows - evidence)
        paired = np.concatenate([follows, [-np.inf]])
        in_gap = np.logaddexp.accumulate((paired - back_steps)[::-1])[::-1] + back_steps
        gap = np.concatenate([in_gap[1:] + columns_gap, [-np.inf]])
        rest = np.logaddexp(np.logaddexp(paired, gap), rest + rows_gap)
    return chances, evidence
