"""What wide blending adds: nothing away from seams, half the difference at one."""

import numpy as np
import pytest

from imagery.blend import mixture
from imagery.ortho import Window
from imagery.views import View

ROWS, COLS = 64, 96


def view(photo, colour):
    nothing = np.zeros((ROWS, COLS), np.float16)
    valid = np.ones((ROWS, COLS), bool)
    return View(photo, Window(0, ROWS, 0, COLS), colour, valid, nothing, nothing, np.zeros((4, 2)))


def two_halves(step):
    """Two views of one rough ground, the second brighter by `step`, and labels with a seam in the middle."""
    ground = np.random.default_rng(1).integers(60, 180, (ROWS, COLS, 3)).astype(np.uint8)
    labels = np.zeros((ROWS, COLS), np.int16)
    labels[:, COLS // 2 :] = 1
    return [view(0, ground), view(1, ground + np.uint8(step))], labels


def test_views_that_agree_are_not_touched():
    views, labels = two_halves(0)
    assert not mixture(views, labels).any()


def test_a_step_of_brightness_is_spread_over_both_sides():
    views, labels = two_halves(20)
    added = mixture(views, labels).mean(axis=(0, 2))
    middle = COLS // 2
    assert added[:20] == pytest.approx(0, abs=0.5)
    assert added[-20:] == pytest.approx(0, abs=0.5)
    across = np.diff(added + 20 * (np.arange(COLS) >= middle))  # what is left of the step, cell by cell
    assert added[middle - 1] > 4
    assert added[middle] < -4
    assert np.abs(across).max() < 8
