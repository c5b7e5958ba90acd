"""Where seams run."""

import numpy as np

from imagery.ortho import Window
from imagery.seams import find_seams
from imagery.views import View

SHAPE = (80, 120)


def two_views(seed=1):
    """Two photos of the same ground, of which the left one sees the left half more steeply."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(60, 180, (*SHAPE, 3), dtype=np.uint8)
    steep = np.broadcast_to(np.linspace(0, 0.1, SHAPE[1], dtype=np.float16), SHAPE)
    whole = Window(0, SHAPE[0], 0, SHAPE[1])
    seen, radius = np.ones(SHAPE, bool), np.zeros(SHAPE, np.float16)
    none = np.zeros((0, 2))
    return [
        View(0, whole, ground, seen, radius, steep, none),
        View(1, whole, ground, seen, radius, steep[:, ::-1], none),
    ]


def across(labels):
    """(rows, cols) True where a cell's neighbour to the right is of another photo."""
    return labels[:, 1:] != labels[:, :-1]


def test_a_seam_runs_midway_where_nothing_stands():
    seam = across(find_seams(two_views(), SHAPE, [True, True]))
    assert seam.sum(axis=1).tolist() == [1] * SHAPE[0]
    assert np.abs(np.nonzero(seam)[1] - 59).max() <= 4


def test_a_seam_runs_round_what_stands():
    tall = np.zeros(SHAPE, np.float32)
    tall[30:50, 52:64] = 1.0
    labels = find_seams(two_views(), SHAPE, [True, True], tall=tall)
    assert len(np.unique(labels[32:48, 54:62])) == 1
    assert set(np.unique(labels)) == {0, 1}
