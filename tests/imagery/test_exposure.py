"""Light over a block: photos are brought to each other, and nothing adds up from one side to the other."""

import numpy as np
import pytest

from imagery.exposure import BRIGHTEST, evened, solve_exposure
from imagery.ortho import Window
from imagery.views import View, neighbours, overlap

ROWS, COLS, STEP = 30, 40, 8


def strip(count, light, seed=0):
    """Photos along a lane over one ground, 80 % overlap, noise of 5 %. `light` (photo, x from -1 to 1) gives
    the logarithm BGR that the photo adds to the ground's colours."""
    rng = np.random.default_rng(seed)
    ground = rng.uniform(60, 140, (ROWS, STEP * count + COLS, 3))
    y, x = np.mgrid[-1 : 1 : ROWS * 1j, -1 : 1 : COLS * 1j]
    radius = (np.hypot(0.6 * y, 0.8 * x)).astype(np.float16)
    views = []
    for photo in range(count):
        window = Window(0, ROWS, STEP * photo, STEP * photo + COLS)
        seen = ground[window.slices] * rng.normal(1.0, 0.05, (ROWS, COLS, 1))
        colour = seen * np.exp(light(photo, x))
        views.append(
            View(
                photo, window, np.clip(colour, 0, 255).astype(np.uint8), np.ones((ROWS, COLS), bool), radius,
                np.zeros((ROWS, COLS), np.float16), np.zeros((4, 2)),
            )
        )  # fmt: skip
    return views


def apart(views):
    """How unlike pairs of photos show the same ground: rms of the means of their logarithms."""
    found = []
    for i, j in neighbours(views):
        window = overlap(views[i], views[j])
        a, b = (np.maximum(views[k].colour[window.within(views[k].window)], 1) for k in (i, j))
        if b.shape[1] >= COLS / 2:
            found.append(np.log(a).mean(axis=(0, 1)) - np.log(b).mean(axis=(0, 1)))
    return float(np.sqrt(np.mean(np.square(found))))


def test_photos_of_another_exposure_come_together():
    steps = np.random.default_rng(3).normal(0.0, 0.12, 40)
    views = strip(40, lambda photo, x: np.full((*x.shape, 3), steps[photo]))
    after = [evened(v, solve_exposure(views, 40)) for v in views]
    assert apart(after) < 0.25 * apart(views)


def test_two_cameras_of_another_white_come_together_where_they_meet():
    def white(photo, x):
        return np.broadcast_to([0.08, 0.0, -0.08], (*x.shape, 3)) * (1 if photo < 20 else -1)

    views = strip(40, white)
    after = [evened(v, solve_exposure(views, 40)) for v in views]
    assert apart(after[14:26]) < 0.55 * apart(views[14:26])


@pytest.mark.parametrize("colours", [(0.2, 0.2, 0.2), (0.2, 0.05, 0.05)], ids=["bright", "blue"])
def test_what_each_photo_shows_brighter_on_one_side_does_not_add_up(colours):
    """The sun in the back of one side: each photo says that the next one is darker."""
    views = strip(60, lambda photo, x: x[..., None] * np.array(colours))
    exposure = solve_exposure(views, 60)
    assert np.ptp(exposure.log_gain, axis=0).max() < 1.0, "what pairs say adds up to 4.7"
    after = [evened(v, exposure) for v in views]
    burnt = np.mean([(v.colour > BRIGHTEST).any(axis=2).mean() for v in after])
    assert burnt < 0.02
