"""Figures of quality on a block of which all is known."""

from dataclasses import replace

import numpy as np
import pytest

from imagery.adjust import adjust_block
from imagery.ortho import make_grid
from imagery.quality import CELL_PX, seam_rms_px
from imagery.surface import flat_surface

from .synthetic import Noise, made


@pytest.fixture(scope="module")
def painted():
    """(adjustment, surface, cells, labels) of a level block, each cell painted by the nearest photo."""
    truth = made(2, Noise(gps_m=0.03, attitude_deg=0.5, pixel_px=0.1), relief_m=0.0)
    adjustment = adjust_block(truth.block, truth.tracks)
    surface = flat_surface((-200.0, -200.0, 200.0, 200.0), adjustment.ground_up_m)
    corners = np.array([[-80.0, -120.0], [80.0, 120.0]])
    cells = make_grid(truth.block.frame, [corners], 0.035).coarser(CELL_PX)
    east, north = cells.local_places(np.arange(cells.rows), np.arange(cells.cols))
    centres = np.array([p.centre[:2] for p in adjustment.poses])
    away = np.hypot(east[..., None] - centres[:, 0], north[..., None] - centres[:, 1])
    return adjustment, surface, cells, away.argmin(axis=2).astype(np.int16)


def test_seams_of_photos_that_agree_are_straight(painted):
    assert seam_rms_px(*painted) < 0.35


def test_a_photo_that_stands_wrong_breaks_its_seams(painted):
    """Every fourth photo half a metre off: 14 pixels at its seams."""
    adjustment, *rest = painted
    poses = tuple(replace(p, east_m=p.east_m + 0.5 * (i % 4 == 0)) for i, p in enumerate(adjustment.poses))
    assert 5 < seam_rms_px(replace(adjustment, poses=poses), *rest) < 14.5
