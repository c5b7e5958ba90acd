"""Probabilities follow the picture: even patches agree, edges stay where they are."""

import numpy as np
import pytest

from imagery.damage.smoothing import guided

PIXEL_M = 0.2


@pytest.fixture
def halves():
    """A dark and a light half, and noisy probabilities of dark."""
    rng = np.random.default_rng(5)
    rgb = np.full((80, 100, 3), 60, np.uint8)
    rgb[:, 50:] = 180
    dark = np.clip((np.arange(100) < 50) * 0.5 + 0.25 + rng.normal(0, 0.3, (80, 100)), 0, 1)
    return rgb, np.stack([dark, 1 - dark]).astype(np.float32)


def test_noise_goes_and_the_edge_stays(halves) -> None:
    rgb, likely = halves
    smooth = guided(likely, rgb, np.ones(rgb.shape[:2], bool), PIXEL_M)
    truth = np.arange(100) < 50
    before = ((likely[0] > 0.5) == truth).mean()
    after = (smooth[0] > 0.5) == truth
    assert before < 0.85
    assert after.mean() > 0.99
    assert after[:, 48:52].mean() > 0.97


def test_probabilities_stay_probabilities(halves) -> None:
    rgb, likely = halves
    smooth = guided(likely, rgb, np.ones(rgb.shape[:2], bool), PIXEL_M)
    assert smooth.min() >= 0
    assert np.allclose(smooth.sum(axis=0), 1.0, atol=1e-5)


def test_what_is_not_asked_for_is_nought_and_colours_nothing(halves) -> None:
    rgb, likely = halves
    asked = np.ones(rgb.shape[:2], bool)
    asked[:, 70:] = False
    empty = likely * asked
    smooth = guided(empty, rgb, asked, PIXEL_M)
    assert not smooth[:, ~asked].any()
    assert np.allclose(smooth[:, asked].sum(axis=0), 1.0, atol=1e-5)
    beside = smooth[0][:, 66:70]
    assert abs(beside.mean() - likely[0][:, 55:70].mean()) < 0.05


def test_cells_as_wide_as_the_window_are_left_alone(halves) -> None:
    rgb, likely = halves
    assert guided(likely, rgb, np.ones(rgb.shape[:2], bool), pixel_m=4.0) is likely
