"""The figure of seams."""

import numpy as np
import pytest

from imagery.quality import seam_figure


def test_what_is_not_clear_is_no_part_of_the_figure_but_is_told():
    apart = np.array([[3.0, 4.0], [0.0, 0.0]] * 3 + [[np.nan, np.nan]] * 2, np.float32)
    figure = seam_figure(apart)
    assert figure.rms_px == pytest.approx(np.sqrt(12.5))
    assert figure.clear_share == 0.75


@pytest.mark.parametrize("clear", [0, 4])
def test_few_places_make_no_figure(clear):
    apart = np.full((40, 2), np.nan, np.float32)
    apart[:clear] = 1.0
    assert seam_figure(apart).rms_px is None
