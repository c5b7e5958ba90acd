"""A banded, bordered system is solved as a dense one is, whatever the photos' numbers."""

import numpy as np
import pytest

from imagery.adjust import adjust_block
from imagery.bordered import Band, band_of, solve_bordered

from .synthetic import Noise, made

LANES, EACH, UNKNOWNS = 12, 15, 3


def block(seed):
    """(photo, track) of a grid of photos, each track seen by four that stand together; numbers shuffled."""
    numbers = np.random.default_rng(seed).permutation(LANES * EACH).reshape(LANES, EACH)
    photo = [
        numbers[lane + a, at + b]
        for lane in range(LANES - 1)
        for at in range(EACH - 1)
        for a in (0, 1)
        for b in (0, 1)
    ]
    return np.array(photo), np.repeat(np.arange(len(photo) // 4), 4)


def system(photo, track, border, seed):
    """A positive definite matrix with these links and a border, and a right side."""
    rng = np.random.default_rng(seed)
    n = LANES * EACH * UNKNOWNS
    rows = []
    for t in np.unique(track):
        row = np.zeros((4, n + border))
        for p in photo[track == t]:
            row[:, p * UNKNOWNS : (p + 1) * UNKNOWNS] = rng.normal(0, 1, (4, UNKNOWNS))
        row[:, n:] = rng.normal(0, 1, (4, border))
        rows.append(row)
    every = np.concatenate(rows)
    return every.T @ every + 0.1 * np.eye(n + border), rng.normal(0, 1, n + border)


@pytest.mark.parametrize("border", [1, 9])
def test_it_is_what_a_dense_solver_finds(border):
    photo, track = block(3)
    matrix, right = system(photo, track, border, 4)
    band = band_of(photo, track, LANES * EACH, UNKNOWNS)
    assert band.narrow
    expected = np.linalg.solve(matrix, right)
    assert solve_bordered(matrix.copy(), right, band) == pytest.approx(expected, rel=1e-8, abs=1e-10)


def test_the_band_is_no_wider_than_two_lanes():
    photo, track = block(5)
    band = band_of(photo, track, LANES * EACH, UNKNOWNS)
    assert sorted(band.order) == list(range(LANES * EACH * UNKNOWNS))
    assert band.width < 2.5 * min(LANES, EACH) * UNKNOWNS


def test_a_matrix_that_is_not_positive_definite_is_refused():
    photo, track = block(3)
    matrix, right = system(photo, track, 2, 4)
    matrix[7, 7] = -1.0
    with pytest.raises(np.linalg.LinAlgError):
        solve_bordered(matrix, right, band_of(photo, track, LANES * EACH, UNKNOWNS))


def test_a_block_is_adjusted_alike_as_a_band_and_densely(monkeypatch):
    truth = made(1, Noise())
    placed = {}
    for narrow in (False, True):
        monkeypatch.setattr(Band, "narrow", narrow)
        adjustment = adjust_block(truth.block, truth.tracks)
        placed[narrow] = np.array([pose.centre for pose in adjustment.poses])
    assert placed[True] == pytest.approx(placed[False], abs=1e-4)


def test_a_block_without_any_track_has_a_band_of_single_photos():
    nothing = np.zeros(0, np.int64)
    assert band_of(nothing, nothing, 4, UNKNOWNS).width == UNKNOWNS - 1
