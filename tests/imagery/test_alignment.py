"""The probability of a pair is what counting all alignments gives."""

import itertools
import math

import numpy as np
import pytest

from imagery.alignment import PairModel, best_pairs, log_likelihood, pair_probabilities


def alignments(n, m):
    for size in range(min(n, m) + 1):
        for rows in itertools.combinations(range(n), size):
            for columns in itertools.combinations(range(m), size):
                yield list(zip(rows, columns, strict=True))


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (3, 2), (4, 3), (4, 4)])
def test_probabilities_and_the_best_alignment_agree_with_all_of_them(shape):
    residuals = np.random.default_rng(sum(shape)).normal(0, 1, shape)
    model = PairModel(0.7, 2.0)
    scores = {tuple(a): log_likelihood(residuals, model, a) for a in alignments(*shape)}
    total = sum(math.exp(s) for s in scores.values())
    expected = np.zeros(shape)
    for pairs, score in scores.items():
        for i, j in pairs:
            expected[i, j] += math.exp(score) / total
    chances, evidence = pair_probabilities(residuals, model)
    assert chances == pytest.approx(expected, abs=1e-12)
    assert evidence == pytest.approx(math.log(total))
    assert tuple(best_pairs(residuals, model)) == max(scores, key=scores.__getitem__)
