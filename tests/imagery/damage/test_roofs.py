"""A roof is found again where it leans to, under other light, and holes in it are told from that."""

import cv2
import numpy as np
import pytest

from imagery.damage.features import View
from imagery.damage.roofs import compare_roof, moved

PIXEL_M = 0.2
SIDE = 110
ROOF = np.s_[35:75, 30:80]
"""8 x 10 m."""


def scene(seed: int = 1) -> np.ndarray:
    """(rows, cols, 3) a gabled roof of tiles on a yard."""
    rng = np.random.default_rng(seed)
    picture = np.full((SIDE, SIDE, 3), (150.0, 138.0, 116.0)) + rng.normal(0, 7, (SIDE, SIDE, 1))
    roof = np.full((40, 50, 3), (136.0, 88.0, 72.0))
    roof[:20] *= 1.25
    roof *= 1 + 0.08 * np.sin(np.arange(40) / 1.1)[:, None, None]
    roof += 8 * cv2.resize(rng.normal(0, 1, (7, 9)), (50, 40))[..., None]
    picture[ROOF] = roof
    return picture


def view(picture: np.ndarray, seed: int) -> View:
    noisy = picture + np.random.default_rng(seed).normal(0, 2.5, picture.shape)
    return View(np.clip(noisy, 0, 255).astype(np.uint8), np.ones(picture.shape[:2], bool))


def inside() -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[37:73, 32:78] = True
    return mask


@pytest.mark.parametrize("lean_px", [(0, 0), (5, -3), (-8, 7)])
def test_a_roof_that_leans_in_other_light_is_the_same_roof(lean_px) -> None:
    dx, dy = lean_px
    later = np.roll(scene(), (dy, dx), axis=(0, 1))
    later[35 + dy : 55 + dy] *= 0.8  # the sun has gone round: the bright side is the darker one
    found = compare_roof(view(later * 0.95 + 9, 2), view(scene(), 3), inside(), PIXEL_M)
    assert found is not None
    assert found.recognised
    assert np.abs(np.subtract(found.shift_px, lean_px)).max() <= 2  # 40 cm
    assert found.largest_m2 < 0.5


@pytest.mark.parametrize("radius_m", [0.6, 0.9, 2.0])
def test_a_hole_is_as_large_as_it_is(radius_m: float) -> None:
    later = scene()
    cv2.circle(later, (60, 55), round(radius_m / PIXEL_M), (62, 54, 48), -1)
    found = compare_roof(view(later, 2), view(scene(), 3), inside(), PIXEL_M)
    assert found is not None
    assert found.recognised
    assert found.largest_m2 == pytest.approx(np.pi * radius_m**2, rel=0.35)


def test_rubble_is_not_that_roof() -> None:
    later = scene()
    rng = np.random.default_rng(5)
    blocks = rng.uniform(50, 200, (20, 25, 1)) * np.ones(3)
    later[ROOF] = cv2.resize(blocks, (50, 40), interpolation=cv2.INTER_NEAREST)
    found = compare_roof(view(later, 2), view(scene(), 3), inside(), PIXEL_M)
    assert found is not None
    assert not found.recognised


def test_what_one_picture_does_not_show_is_not_compared() -> None:
    before = view(scene(), 3)
    blind = View(before.rgb, np.zeros_like(before.valid))
    assert compare_roof(view(scene(), 2), blind, inside(), PIXEL_M) is None
    crowns = scene()
    crowns[30:80, 25:85] = (60, 110, 40)
    assert compare_roof(view(crowns, 2), before, inside(), PIXEL_M) is None


def test_a_mask_moves_by_whole_cells_and_nothing_comes_in() -> None:
    mask = np.zeros((5, 6), bool)
    mask[1, 2] = mask[0, 5] = True
    shifted = moved(mask, (1, 2))
    assert shifted[3, 3]
    assert shifted.sum() == 1
