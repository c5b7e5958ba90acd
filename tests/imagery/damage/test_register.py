"""The before-ortho is brought to the mosaic, or nothing is compared."""

import numpy as np
import pytest
from affine import Affine
from scipy import ndimage

from imagery.damage.register import match_colours, register
from imagery.damage.scene import grid_of


def test_a_wrong_position_is_found_to_a_fraction_of_a_cell(place) -> None:
    found = register(place.after, place.before, grid_of(place.after))
    assert found is not None
    # The file says 0.73 m east and 0.42 m south of where its picture belongs.
    assert found.shift_m == pytest.approx((-0.73, 0.42), abs=0.1)
    assert found.rms_m < 0.2
    assert found.tiles_used >= 3


def test_a_picture_of_another_place_is_not_forced_onto_the_mosaic(place, make_raster, tmp_path) -> None:
    rng = np.random.default_rng(5)
    other = ndimage.gaussian_filter(rng.normal(size=(3, 800, 900)), (0, 4, 4))
    other = np.clip(128 + other * 600, 1, 255).astype(np.uint8)
    path = make_raster(tmp_path / "other.tif", other)
    assert register(place.after, path, grid_of(place.after)) is None


def test_a_picture_that_hardly_overlaps_is_not_compared(place, make_raster, tmp_path) -> None:
    far = Affine(0.1, 0, 600_000, 0, -0.1, 3_400_080)
    path = make_raster(tmp_path / "far.tif", np.full((3, 400, 400), 90, np.uint8), transform=far)
    assert register(place.after, path, grid_of(place.after)) is None


def test_faded_colours_are_matched_on_what_did_not_change(place) -> None:
    grid = grid_of(place.after)
    found = register(place.after, place.before, grid)
    assert found is not None
    colours = match_colours(place.after, place.before, grid, found.correction)
    assert colours is not None
    # before.tif was written as 0.88 * colour + 12
    for gain, offset in zip(colours.gain, colours.offset, strict=True):
        assert gain == pytest.approx(1 / 0.88, abs=0.12)
        assert gain * 120 + offset == pytest.approx((120 - 12) / 0.88, abs=6)
    assert colours.cells > 1000
