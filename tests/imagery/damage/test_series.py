"""Repeated flights: flooded since is not the same as seen for the first time."""

import datetime as dt

import numpy as np
import pyproj
import pytest
from affine import Affine

from imagery.damage.scene import GeoGrid
from imagery.damage.series import (
    DRY,
    DRY_FIRST_SEEN,
    FALLEN_DRY,
    NEW_WATER,
    NOT_SEEN,
    STILL_DRY,
    STILL_WATER,
    UNSEEN,
    UNSURE,
    WATER_FIRST_SEEN,
    WATER_OUT_OF_SIGHT,
    WET,
    compare,
    transitions,
)

NOON = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
GRID = GeoGrid(pyproj.CRS(32650), Affine(1, 0, 500_000, 0, -1, 3_400_000), 5, 5)


def _all(state: int) -> np.ndarray:
    return np.full((5, 5), state, np.uint8)


def _seen(*states: int):
    """One flight an hour."""
    return [(NOON + dt.timedelta(hours=i), _all(state)) for i, state in enumerate(states)]


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ((DRY, WET), NEW_WATER),
        ((UNSEEN, WET), WATER_FIRST_SEEN),
        ((WET, WET), STILL_WATER),
        ((WET, DRY), FALLEN_DRY),
        ((WET, UNSEEN), WATER_OUT_OF_SIGHT),
        ((DRY, DRY), STILL_DRY),
        ((UNSEEN, DRY), DRY_FIRST_SEEN),
        ((DRY, UNSEEN), NOT_SEEN),
        # The report between did not see it: what counts is the last time that somebody did.
        ((DRY, UNSEEN, WET), NEW_WATER),
        ((WET, UNSEEN, WET), STILL_WATER),
        ((WET, UNSEEN, DRY), FALLEN_DRY),
        ((DRY, WET, DRY, UNSEEN, WET), NEW_WATER),
    ],
)
def test_each_cell_is_held_against_the_last_time_it_was_seen(states, code) -> None:
    assert (compare(_seen(*states), GRID).codes == code).all()


@pytest.mark.parametrize(
    ("states", "at_least_h", "at_most_h"),
    [
        ((DRY, WET, WET, DRY), 1.0, 3.0),
        ((DRY, WET, UNSEEN, WET), 2.0, 3.0),
        ((DRY, WET), 0.0, 1.0),
        ((DRY, WET, UNSEEN, UNSEEN), 0.0, 3.0),  # it may stand there still
        ((DRY, WET, DRY, DRY, WET, DRY), 0.0, 4.0),
        ((WET, WET), 1.0, np.nan),  # since when, nobody knows
        ((WET, DRY), 0.0, np.nan),
        ((DRY, DRY), np.nan, np.nan),
    ],
)
def test_water_stood_at_least_between_sightings_and_at_most_between_dry_ones(
    states, at_least_h, at_most_h
) -> None:
    found = compare(_seen(*states), GRID)
    assert found.at_least_h[0, 0] == pytest.approx(at_least_h, nan_ok=True)
    assert found.at_most_h[0, 0] == pytest.approx(at_most_h, nan_ok=True)


def test_a_known_beginning_bounds_the_water_of_the_first_report() -> None:
    found = compare(_seen(WET, WET), GRID, NOON - dt.timedelta(hours=5))
    assert found.at_least_h[0, 0] == 1.0
    assert found.at_most_h[0, 0] == 6.0


def test_a_strip_as_narrow_as_the_positions_error_is_no_recession() -> None:
    before, now = _all(WET), _all(WET)
    now[:, 1:3] = DRY
    assert (transitions(before, now)[:, 1:3] == UNSURE).all()
    now[:, 1:4] = DRY
    assert (transitions(before, now)[:, 1:4] == FALLEN_DRY).all()
