"""The picture behind sheets and tiles: from overviews as from the whole, and honest beyond the edge."""

import numpy as np
import pyproj
from affine import Affine

from imagery.damage.legend import Entry, Legend
from imagery.damage.scene import GeoGrid, Picture
from imagery.deliver.folder import read_folder
from imagery.deliver.picture import blended, codes, opacity_of, photo, tinted
from imagery.raster_io import write_cog

CRS = pyproj.CRS(32650)


def _large(tmp_path):
    rng = np.random.default_rng(4)
    fine = np.kron(rng.integers(0, 256, (3, 80, 80)), np.ones((1, 25, 25), int)).astype(np.uint8)
    write_cog(tmp_path / "m.tif", fine, Affine(0.1, 0, 500_000, 0, -0.1, 3_400_000), CRS)
    return tmp_path / "m.tif", GeoGrid(CRS, Affine(1, 0, 499_990, 0, -1, 3_400_010), 220, 220)


def test_overviews_show_what_the_whole_shows(tmp_path) -> None:
    path, grid = _large(tmp_path)
    (window,) = grid.blocks(512)
    with Picture(path, grid, "mosaic") as exact, Picture(path, grid, "mosaic", overviews=True) as quick:
        (one, seen), (two, also) = exact.rgb(window), quick.rgb(window)
    assert (seen == also).mean() > 0.99
    assert abs(seen.sum() - 200 * 200) <= 2 * 200 + 1  # a cell that is only touched may count
    assert np.abs(one[seen & also].astype(int) - two[seen & also]).mean() < 12


def test_beyond_the_edge_is_not_analysed(folder) -> None:
    source = read_folder(folder)
    grid = GeoGrid(source.crs, source.grid.transform * Affine.translation(-100, -100), 650, 600)
    unseen = codes(source.raster("not_analysed"), grid)
    assert (unseen[:98] == 255).all()
    assert (unseen[200:300, 200:400] == 0).all()
    assert not codes(source.raster("classes"), grid)[:98].any()
    assert not photo(source, grid)[:98, :, 3].any()


def test_only_damage_and_classes_of_ones_own_are_painted_over_the_photo() -> None:
    pond = Entry(32, "pond", (1, 2, 3), "Pond", "鱼塘")
    tints = tinted(np.arange(40, dtype=np.uint8)[None], Legend((pond,)))
    assert [code for code in range(40) if tints[0, code, 3]] == [1, 2, 3, 8, 32]
    assert tints[0, 32].tolist() == [1, 2, 3, round(255 * opacity_of(32))]


def test_blending_is_source_over() -> None:
    below = np.array([[[100, 100, 100, 255], [0, 0, 0, 0]]], np.uint8)
    above = np.array([[[200, 0, 0, 128], [10, 20, 30, 255]]], np.uint8)
    assert blended(below, above).tolist() == [[[150, 50, 50, 255], [10, 20, 30, 255]]]
