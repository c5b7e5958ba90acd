"""A banded, bordered system is solved and inverted as a dense one is, whatever the photos' numbers."""

import numpy as np
import pytest

from imagery.bordered import Bordered, band_of

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


def bordered(matrix, band):
    """A dense matrix taken apart; entries between photos that are not linked must be nought."""
    blocks = matrix[: band.size, : band.size].reshape(LANES * EACH, UNKNOWNS, LANES * EACH, UNKNOWNS)
    first, second = np.nonzero(np.abs(blocks).max(axis=(1, 3)))
    lower = band.empty()
    band.add(lower, first, second, blocks[first, :, second])
    every = band.at(np.arange(LANES * EACH))
    border = np.empty((band.size, len(matrix) - band.size))
    border[every] = matrix[: band.size, band.size :]
    return Bordered(band, lower, border, matrix[band.size :, band.size :].copy())


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


@pytest.fixture(params=[1, 9])
def case(request):
    """(matrix, right side, band) with a border of 1 or 9 unknowns."""
    photo, track = block(3)
    return *system(photo, track, request.param, 4), band_of(photo, track, LANES * EACH, UNKNOWNS)


def test_it_is_what_a_dense_solver_finds(case):
    matrix, right, band = case
    every = np.r_[band.at(np.arange(LANES * EACH)), np.arange(band.size, len(right))]
    in_order = np.empty_like(right)
    in_order[every] = right
    parts, scale = bordered(matrix, band).evened()
    found = scale * parts.factored().solve(scale * in_order)
    assert found[every] == pytest.approx(np.linalg.solve(matrix, right), rel=1e-8, abs=1e-10)


def test_the_inverse_of_linked_unknowns_is_that_of_the_dense_matrix(case):
    matrix, _, band = case
    photo, track = block(3)
    parts, scale = bordered(matrix, band).evened()
    inverse = parts.factored().inverse()
    dense = np.linalg.inv(matrix)
    for t in np.unique(track)[::7]:
        seen = photo[track == t]
        at = np.r_[(seen[:, None] * UNKNOWNS + np.arange(UNKNOWNS)).ravel(), band.size : len(matrix)]
        expected = dense[np.ix_(at, at)]
        assert inverse.among(seen, scale) == pytest.approx(expected, rel=1e-7, abs=1e-9 * abs(dense).max())


def test_evening_leaves_a_diagonal_of_ones(case):
    matrix, _, band = case
    parts, scale = bordered(matrix, band).evened()
    assert parts.lower[0] == pytest.approx(1.0)
    assert parts.corner.diagonal() == pytest.approx(1.0)
    assert scale[band.at(np.array([4]))] ** -2 == pytest.approx(matrix.diagonal()[12:15])


def test_the_band_is_no_wider_than_two_lanes():
    photo, track = block(5)
    band = band_of(photo, track, LANES * EACH, UNKNOWNS)
    assert sorted(band.at(np.arange(LANES * EACH))) == list(range(LANES * EACH * UNKNOWNS))
    assert band.width < 2.5 * min(LANES, EACH) * UNKNOWNS
    assert band.empty().shape == (band.width + 1, band.size)


def test_a_matrix_that_is_not_positive_definite_is_refused(case):
    matrix, _, band = case
    matrix[7, 7] = -1.0
    with pytest.raises(np.linalg.LinAlgError):
        bordered(matrix, band).factored()


def test_photos_without_any_track_are_a_band_of_single_ones():
    nothing = np.zeros(0, np.int64)
    band = band_of(nothing, nothing, 4, UNKNOWNS)
    assert band.width == UNKNOWNS - 1
    lower = band.empty()
    band.add(lower, np.arange(4), np.arange(4), np.stack([np.diag([2.0, 4.0, 8.0])] * 4))
    inverse = Bordered(band, lower, np.zeros((12, 1)), np.ones((1, 1))).factored().inverse()
    expected = np.diag([0.5, 0.25, 0.125, 1.0])
    assert inverse.among(np.array([2]), np.ones(13)) == pytest.approx(expected)
