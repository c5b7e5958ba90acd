"""Rasters as tiles: each pixel lands where it belongs and looks as its layer says."""

import numpy as np
import pytest
from PyQt6.QtCore import QRectF

from gui.layers import class_colours
from gui.tiles import RasterSource, TileKey, colourise, level_for, read_tile, shade, tiles_over
from imagery.damage.legend import Legend
from plans.frames import LocalFrame

FRAME = LocalFrame(30.0, 105.0)


def source(path, kind="photo"):
    return RasterSource(path, kind, 1, class_colours(Legend()) if kind == "classes" else ())


@pytest.mark.parametrize(
    ("metres_per_px", "level"), [(1.0, 0), (0.5, -1), (0.85, 0), (3.9, 2), (1e-9, -7), (9e9, 8)]
)
def test_the_level_for_a_scale(metres_per_px, level):
    assert level_for(metres_per_px) == level


def test_tiles_cover_a_view_and_the_middle_comes_first(tmp_path):
    view = QRectF(-300, -300, 600, 600)
    keys = list(tiles_over(source(tmp_path / "x.tif"), view, 0))
    covered = QRectF()
    for key in keys:
        covered = covered.united(key.rect)
    assert covered.contains(view)
    assert keys[0].rect.contains(view.center())


def test_a_parent_holds_its_child(tmp_path):
    key = TileKey(source(tmp_path / "x.tif"), -2, -5, 9)
    for steps in (1, 2, 3):
        assert key.parent(steps).rect.contains(key.rect)


def test_a_photo_tile_has_the_colour_and_the_place_of_its_raster(mission):
    tile = read_tile(TileKey(source(mission / "mosaics" / "orthomosaic.tif"), 0, 0, 0), FRAME)
    assert tuple(tile[50, 50]) == (200, 40, 60, 255)
    assert tile[50, 99, 3] == 255
    assert tile[50, 101, 3] == 0  # the raster ends 100 m east of the origin
    assert tile[101, 50, 3] == 0  # and 100 m south of it


def test_no_tile_where_the_raster_has_nothing(mission):
    assert read_tile(TileKey(source(mission / "mosaics" / "orthomosaic.tif"), 0, 5, 5), FRAME) is None


def test_classes_have_the_colours_of_the_legend(mission):
    path = mission / "damage" / "first" / "classes.tif"
    tile = read_tile(TileKey(source(path, "classes"), 0, 0, 0), FRAME)
    water = next(c[1:] for c in class_colours(Legend()) if c[0] == 1)
    assert tuple(tile[20, 20]) == water


def test_codes_without_a_colour_are_clear():
    made = colourise(np.array([[0, 1, 99]]), ((1, 10, 20, 30, 255),))
    assert made[0].tolist() == [[0, 0, 0, 0], [10, 20, 30, 255], [0, 0, 0, 0]]


def test_relief_is_lit_from_the_north_west():
    east = np.tile(np.arange(10.0), (10, 1))
    facing_west, facing_east = shade(east, 1.0), shade(-east, 1.0)
    assert facing_west[4, 4, 0] > facing_east[4, 4, 0] + 40
    hole = east.copy()
    hole[5, 5] = np.nan
    assert shade(hole, 1.0)[..., 3].min() == 0
