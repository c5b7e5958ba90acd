"""What a live map shows: painted photo by photo, in any order, the same as with nothing left out."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest

from imagery.live_map import LiveMap, MapGrid
from imagery.live_paint import BLOCKS, Brush, Canvas, lay, paint_square, picture_factor, reach_of, touch
from imagery.live_store import LiveStore
from imagery.ortho import utm_epsg
from imagery.surface import flat_surface
from tests.imagery.conftest import CAMERA, FRAME, GROUND_UP_M

GROUND = flat_surface((-200.0, -200.0, 200.0, 200.0), GROUND_UP_M)
GRID = MapGrid(utm_epsg(FRAME.origin_lat_deg, FRAME.origin_lon_deg), FRAME, 0.1)
NOTHING_LEFT_OUT = np.full((BLOCKS, BLOCKS), -6e4, np.float32)


@pytest.fixture(scope="module")
def brushes(known_block):
    """All photos where they truly stood."""
    made = []
    for path, pose in zip(sorted(known_block.folder.iterdir()), known_block.poses, strict=True):
        _, data = cv2.imencode(".jpg", cv2.imread(str(path)), [cv2.IMWRITE_JPEG_QUALITY, 95])
        made.append(Brush(path.name, data.tobytes(), picture_factor(CAMERA), CAMERA, pose, np.ones(3)))
    return made


@pytest.fixture(scope="module")
def cells(brushes):
    return sorted({cell for cells in GRID.cells([b.outline(GROUND) for b in brushes]) for cell in cells})


def test_what_is_not_warped_would_not_have_been_seen(brushes, cells):
    for cell in cells:
        pixels, whole, warped = GRID.square(cell), Canvas(), 0
        for brush in brushes:
            reach = reach_of(brush, pixels, GROUND)
            part = touch(brush, reach, NOTHING_LEFT_OUT) if reach else None
            if part:
                warped += part.colour[..., 0].size
                lay(whole, part, brush.gain)
        painted = paint_square(pixels, brushes, GROUND)
        assert (painted.mask == whole.mask).all()
        off = np.abs(painted.colour.astype(int) - whole.colour)[whole.mask]
        assert off.size == 0 or off.max() <= 2
        assert set(painted.outlines) == {b.name for b in brushes}


@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_in_which_photos_come_does_not_matter(seed, brushes, cells, tmp_path):
    live = LiveMap(GRID, LiveStore(tmp_path / "live", {}))
    order = np.random.default_rng(seed).permutation(len(brushes))
    with ThreadPoolExecutor(2) as pool:
        for i in order:
            live.paint(brushes[i], lambda names: [], GROUND, pool)
    live.write(tmp_path / "map.tif")
    off = []
    for cell in cells:
        assert sorted(live.wanted(cell)) == sorted(set(live.wanted(cell)))
        assert not live.is_stale(cell)
        once = paint_square(GRID.square(cell), brushes, GROUND)
        shown = live._open[cell]
        assert (shown.mask == once.mask).mean() > 0.9999
        both = shown.mask & once.mask
        off.append(np.abs(shown.colour.astype(int) - once.colour)[both].max(axis=1))
    assert np.percentile(np.concatenate(off), 99) <= 4  # gains make photos alike; here they are


def test_a_square_painted_anew_is_not_taken_when_a_photo_came_meanwhile(brushes, tmp_path):
    live = LiveMap(GRID, LiveStore(tmp_path / "live", {}))
    with ThreadPoolExecutor(2) as pool:
        live.paint(brushes[0], lambda names: [], GROUND, pool)
        (cells,) = GRID.cells([brushes[0].outline(GROUND)])
        anew = paint_square(GRID.square(cells[0]), brushes[:1], GROUND)
        asked = live.wanted(cells[0])
        live.paint(brushes[1], lambda names: [], GROUND, pool)
        assert cells[0] in GRID.cells([brushes[1].outline(GROUND)])[0]
        assert not live.replace(cells[0], anew, asked)
        assert brushes[1].name in live.wanted(cells[0])
        moved = replace(brushes[0], pose=replace(brushes[0].pose, east_m=brushes[0].pose.east_m + 5))
        outlines = {b.name: b.outline(GROUND) for b in (moved, brushes[1])}
        live.expect(outlines)
        stale = live.stale()
        assert cells[0] in stale
        anew = paint_square(GRID.square(cells[0]), [moved, brushes[1]], GROUND)
        assert live.replace(cells[0], anew, stale[cells[0]])
        assert not live.is_stale(cells[0])


def test_corrections_do_not_close_the_squares_that_the_drone_is_over(brushes, cells, tmp_path):
    store = LiveStore(tmp_path / "live", {})
    first = LiveMap(GRID, store)
    with ThreadPoolExecutor(2) as pool:
        first.paint(brushes[0], lambda names: [], GROUND, pool)
    (reached,) = GRID.cells([brushes[0].outline(GROUND)])
    assert set(first._open) == set(reached)
    again = LiveMap(GRID, store)
    again.expect({brushes[0].name: brushes[0].outline(GROUND)})
    anew = paint_square(GRID.square(reached[0]), brushes[:1], GROUND)
    assert again.replace(reached[0], anew, again.wanted(reached[0]))
    assert not again._open
    assert not again.is_stale(reached[0])


def test_a_photo_that_is_no_part_of_the_map_any_more_is_painted_over(brushes, tmp_path):
    live = LiveMap(GRID, LiveStore(tmp_path / "live", {}))
    with ThreadPoolExecutor(2) as pool:
        for brush in brushes[:2]:
            live.paint(brush, lambda names: [b for b in brushes if b.name in names], GROUND, pool)
    assert not live.stale()
    live.forget(brushes[0].name)
    for cell, asked in live.stale().items():
        assert set(asked) <= {brushes[1].name}
        left = [b for b in brushes[:2] if b.name in asked]
        assert live.replace(cell, paint_square(GRID.square(cell), left, GROUND), asked)
    assert not live.stale()
    live.forget(brushes[1].name)
    for cell, asked in live.stale().items():
        assert live.replace(cell, paint_square(GRID.square(cell), [], GROUND), asked)
    assert live.area_m2 == 0
