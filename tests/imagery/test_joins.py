"""Photos drawn together along their seams: photos of level ground of which some stand where they did not."""

import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest

from imagery.blend import Painting, paint_tile
from imagery.exposure import Exposure
from imagery.joins import DRAWN_NODES, JUDGED_NODES, NO_JOINS, Drawing, find_joins
from imagery.ortho import NODE_STEP_PX, Window, ground_outline, make_grid
from imagery.quality import CELL_PX, seam_figure
from imagery.shelf import Piece
from imagery.side_by_side import REACH_PX, SIDE_PX, pictures
from imagery.surface import flat_surface

from .conftest import CAMERA, FRAME, GROUND_UP_M, ground_texture, take_photo, true_poses

GSD_M = 0.05
OFF_M = 0.2
OFF_PX = OFF_M / GSD_M


class Taken:
    """Photos by their number."""

    def __init__(self, photos):
        self.photos = photos

    def __call__(self, number):
        return Piece(self.photos[number], (0, 0))


@pytest.fixture(scope="module")
def ground():
    return ground_texture()


@pytest.fixture(scope="module")
def photos(ground):
    return [take_photo(ground, pose) for pose in true_poses()]


def nearest(grid, numbers):
    """Labels: every cell by that of these photos whose nadir is nearest."""
    cells = grid.coarser(CELL_PX)
    east, north = cells.local_places(np.arange(cells.rows), np.arange(cells.cols))
    away = [np.hypot(east - p.east_m, north - p.north_m) for p in (true_poses()[n] for n in numbers)]
    return np.array(numbers, np.int16)[np.argmin(away, axis=0)]


def painting_of(poses, numbers=tuple(range(15))):
    """The middle of the block by the photos of these numbers, as if they had been taken from `poses`."""
    surface = flat_surface((-80.0, -80.0, 80.0, 80.0), GROUND_UP_M)
    inner = [ground_outline(CAMERA, true_poses()[n], surface) * 0.6 for n in (6, 7, 8)]
    grid = make_grid(FRAME, inner, GSD_M)
    labels = nearest(grid, numbers)
    count = len(poses)
    return Painting(
        grid, labels, np.zeros((*labels.shape, 3), np.int8), CELL_PX, surface, (CAMERA,) * count,
        tuple(poses), Exposure(np.zeros((count, 3)), np.zeros(2)), (1,) * count,
    )  # fmt: skip


def moved(numbers, east_m=OFF_M):
    return [replace(p, east_m=p.east_m + east_m * (n in numbers)) for n, p in enumerate(true_poses())]


def drawing_of(painting, photos, drawn=True):
    joins = find_joins(painting.labels, CELL_PX, DRAWN_NODES) if drawn else NO_JOINS
    return Drawing(painting, Taken(photos), joins, judged_of(painting))


def judged_of(painting):
    """More of them than in a mosaic of thousands of pixels."""
    return find_joins(painting.labels, CELL_PX, JUDGED_NODES // 4)


def whole(painting):
    return Window(0, painting.grid.rows, 0, painting.grid.cols)


def off_the_ground(painting, photos, fields, ground):
    """(rows, cols) by how many grey levels the mosaic is off the true ground."""
    tile = paint_tile(painting, whole(painting), Taken(photos), fields)
    grid = painting.grid
    east, north = grid.local_places(np.arange(grid.rows), np.arange(grid.cols))
    x, y = ((v / GSD_M + 0.5 * ground.shape[0] - 0.5).astype(np.float32) for v in (east, -north))
    return cv2.absdiff(tile.colour, cv2.remap(ground, x, y, cv2.INTER_LINEAR)).mean(axis=2)


def at_seams(labels, reach):
    """(rows, cols) of the mosaic: within so many cells of a seam."""
    edge = np.zeros(labels.shape, np.uint8)
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edge[1:] |= labels[1:] != labels[:-1]
    near = cv2.dilate(edge, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    return cv2.resize(near, None, fx=CELL_PX, fy=CELL_PX, interpolation=cv2.INTER_NEAREST) > 0


def test_photos_that_agree_are_left_alone(photos):
    painting = painting_of(true_poses())
    drawing = drawing_of(painting, photos)
    assert max(np.abs(f).max() for f in drawing.fields(whole(painting)).values()) < 0.2
    figure = seam_figure(drawing.left_apart(whole(painting)))
    assert figure.rms_px < 0.15
    assert figure.clear_share > 0.6  # not on the roads, which are of one tone


def test_the_figure_tells_a_photo_that_stands_wrong_and_the_drawing_brings_it_to_its_neighbours(photos):
    """One photo 20 cm, four pixels, to the east: its neighbours show the ground four pixels beside it."""
    painting = painting_of(moved({7}))
    joins = judged_of(painting)
    wrong = (joins.photos == 7).any(axis=1)
    assert wrong.sum() > 20

    undrawn = drawing_of(painting, photos, drawn=False).left_apart(whole(painting))
    drawn = drawing_of(painting, photos).left_apart(whole(painting))
    before, after = seam_figure(undrawn), seam_figure(drawn)
    share = wrong.mean()
    assert before.rms_px == pytest.approx(OFF_PX * np.sqrt(share), rel=0.25)
    assert after.rms_px < 0.4 * before.rms_px  # where three photos meet, a part of it stays
    assert np.nanmedian(np.abs(drawn[wrong])) < 0.1 * OFF_PX
    assert after.clear_share > 0.6


def test_what_they_are_apart_is_split_and_fades_away_from_the_seam(photos):
    painting = painting_of(moved({8}), (6, 8))
    fields = drawing_of(painting, photos).fields(whole(painting))
    assert fields.keys() == {6, 8}
    nodes = at_seams(painting.labels, 1)[NODE_STEP_PX // 2 :: NODE_STEP_PX, NODE_STEP_PX // 2 :: NODE_STEP_PX]
    inner = {n: f[1:-1, 1:-1][: nodes.shape[0], : nodes.shape[1]] for n, f in fields.items()}
    at_seam = np.abs(inner[8] - inner[6])[10:-20][nodes[10:-20]]  # where both photos reach
    assert at_seam == pytest.approx(np.broadcast_to([OFF_PX, 0.0], at_seam.shape), abs=0.4)
    away = cv2.distanceTransform((~nodes).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    for field in inner.values():
        assert np.abs(field[away > 12]).max() == 0  # 200 pixels
        assert np.abs(field).max() < OFF_PX / 2 + 0.2


def test_the_mosaic_is_nearer_the_ground_for_it(photos, ground):
    """Seams, told by the true ground and not by what draws: two photos that lean apart by half of it each."""
    painting = painting_of(
        [replace(p, east_m=p.east_m + OFF_M * (n % 2 - 0.5)) for n, p in enumerate(moved(()))]
    )
    fields = drawing_of(painting, photos).fields(whole(painting))
    before, after = (off_the_ground(painting, photos, f, ground) for f in (None, fields))
    near = at_seams(painting.labels, 3)[: before.shape[0], : before.shape[1]]
    assert after[near].mean() < 0.5 * before[near].mean()
    assert after.mean() < before.mean()


def test_waves_draw_nothing(photos):
    """Photos that show nothing in common."""
    rng = np.random.default_rng(5)
    waves = [
        cv2.GaussianBlur(rng.integers(0, 255, p.shape, dtype=np.uint8), (0, 0), 2.0).astype(np.uint8)
        for p in photos
    ]
    painting = painting_of(moved({7}))
    drawing = drawing_of(painting, waves)
    assert drawing.fields(whole(painting)) == {}
    assert seam_figure(drawing.left_apart(whole(painting))).rms_px is None


def test_each_judged_place_is_held_out(photos):
    """Drawn by what was found at the judged places alone they are as far apart as undrawn."""
    painting = painting_of(moved({7}))
    judged = judged_of(painting)
    alone = judged.some(np.flatnonzero((judged.photos == (6, 7)).all(axis=1))[:1])
    drawing = Drawing(painting, Taken(photos), alone, alone)
    undrawn = Drawing(painting, Taken(photos), NO_JOINS, alone)
    assert drawing.fields(whole(painting))  # it draws
    assert drawing.left_apart(whole(painting)) == pytest.approx(undrawn.left_apart(whole(painting)), abs=1e-3)


def test_pictures_are_judged_as_the_mosaic_is_painted(photos):
    painting = painting_of(moved({7}))
    drawing = drawing_of(painting, photos)
    fields = drawing.fields(whole(painting))
    alone = replace(painting, labels=np.full_like(painting.labels, 7))
    tile = paint_tile(alone, whole(painting), Taken(photos), fields)
    node = np.array([[20, 22], [31, 25]])
    field = np.stack([fields[7][r - 1 : r + 4, c - 1 : c + 4] for r, c in node])
    seen, inside = pictures(painting, Taken(photos), 7, node, field)
    assert inside.all()
    for picture, (row, col) in zip(seen, node * NODE_STEP_PX + NODE_STEP_PX // 2 - SIDE_PX // 2, strict=True):
        painted = cv2.cvtColor(tile.colour[row : row + SIDE_PX, col : col + SIDE_PX], cv2.COLOR_BGR2GRAY)
        assert np.abs(painted - picture).max() <= 1.5


def test_tiles_meet(photos):
    """Neighbouring tiles have the same field where they touch; another process has the same as this one."""
    painting = painting_of(moved({7}))
    drawing = drawing_of(painting, photos)
    cols = painting.grid.cols
    upper, lower = (drawing.fields(Window(r, r + 512, 0, cols)) for r in (0, 512))
    assert 7 in upper.keys() & lower.keys()
    for photo in upper.keys() & lower.keys():
        assert upper[photo][-2:] == pytest.approx(lower[photo][:2], abs=1e-4)
    again = pickle.loads(pickle.dumps(drawing)).fields(Window(0, 512, 0, cols))
    assert all(np.array_equal(again[p], f) for p, f in upper.items())


def test_what_is_farther_apart_than_is_looked_for_is_not_clear(photos):
    painting = painting_of(moved({7}, east_m=3 * REACH_PX * GSD_M))
    joins = judged_of(painting)
    wrong = (joins.photos == 7).any(axis=1)
    window = whole(painting)
    apart = drawing_of(painting, photos).left_apart(window)
    assert np.isnan(apart).any(axis=1).sum() >= 0.8 * wrong.sum()
