"""The forest: the same block by block as at once, honest about what it does not know."""

from dataclasses import replace

import numpy as np
import pytest
from rasterio.windows import Window

from imagery.damage import classify, features
from imagery.damage.classify import TrainingSet, cross_validate, decide, train
from imagery.damage.features import View
from imagery.damage.ground_pass import Pictures
from imagery.damage.legend import CLASSES, MUD, VEGETATION, WATER
from imagery.damage.samples import read_samples
from imagery.damage.scene import grid_of
from imagery.damage.smoothing import guided


@pytest.fixture(scope="module")
def grid(place):
    return grid_of(place.after)


@pytest.fixture(scope="module")
def cells(place, grid) -> TrainingSet:
    with Pictures(place.after, grid, None, None) as pictures:
        return classify.collect(read_samples(place.samples, grid), grid, pictures, False, seed=0)


@pytest.fixture(scope="module")
def forest(cells, grid):
    return train(cells, False, grid.pixel_m, seed=0)


@pytest.fixture(scope="module")
def whole(place, grid) -> View:
    with Pictures(place.after, grid, None, None) as pictures:
        return pictures(Window(0, 0, grid.width, grid.height))[0]


def test_features_of_a_block_with_halo_are_those_of_the_whole_picture(whole, grid) -> None:
    halo = features.halo_px(grid.pixel_m)
    full = features.stack(whole, grid.pixel_m)
    rows, cols = slice(100 - halo, 180 + halo), slice(90 - halo, 200 + halo)
    block = features.stack(View(whole.rgb[rows, cols], whole.valid[rows, cols]), grid.pixel_m)
    inner = block[:, halo:-halo, halo:-halo]
    assert np.abs(inner - full[:, 100:180, 90:200]).max() < 0.02


def test_features_of_every_second_cell_are_those_of_all_cells(whole, grid) -> None:
    view = View(whole.rgb[20:111, 5:102], whole.valid[20:111, 5:102])
    view = replace(
        view, relief=np.random.default_rng(1).normal(size=(2, *view.valid.shape)).astype(np.float32)
    )
    every = features.stack(view, grid.pixel_m, view)
    assert np.array_equal(features.stack(view, grid.pixel_m, view, 2), every[:, ::2, ::2])


def test_only_the_cells_that_the_filter_looks_at_are_judged(forest, whole) -> None:
    part = View(whole.rgb[:200, 20:220], whole.valid[:200, 20:220])
    all_cells = features.stack(part, forest.pixel_m).reshape(40, -1).T
    trees = [t.likely[t.finder.apply(np.ascontiguousarray(all_cells))] for t in forest.trees]
    likely = np.mean(trees, axis=0).T.reshape(len(forest.codes), 200, 200).astype(np.float32)
    exact = guided(likely * part.valid, part.rgb, part.valid, forest.pixel_m).argmax(axis=0)
    few = np.zeros_like(likely)
    few[:, ::2, ::2] = forest._judge(features.stack(part, forest.pixel_m, None, 2), part.valid[::2, ::2])
    quick = guided(few, part.rgb, part.valid, forest.pixel_m).argmax(axis=0)
    assert (exact == quick)[part.valid].mean() > 0.99


def test_features_have_the_names_they_claim(whole, grid) -> None:
    part = View(whole.rgb[:60, :60], whole.valid[:60, :60])
    relief = np.zeros((2, 60, 60), np.float32)
    for before in (None, part):
        for after in (part, replace(part, relief=relief)):
            names = features.feature_names(before is not None, after.relief is not None)
            assert len(features.stack(after, grid.pixel_m, before)) == len(names) == len(set(names))


def test_the_painted_place_is_recognised(place, forest, whole) -> None:
    classes, sure = decide(forest.probabilities(whole, None), forest.codes, whole.valid)
    truth = place.classes[1::2, 1::2]
    agree = (classes == truth)[whole.valid]
    assert agree.mean() > 0.93
    assert sure[whole.valid][agree].mean() > sure[whole.valid][~agree].mean() + 10


def test_a_film_of_water_over_mud_is_water_and_nothing_else_changes() -> None:
    codes = np.array([WATER, MUD, VEGETATION])
    film, mud, field = (0.4, 0.6, 0.0), (0.2, 0.8, 0.0), (0.3, 0.2, 0.5)
    likely = np.array([film, mud, field], np.float32).T[:, None]
    lifted = classify._with_films(likely, codes)
    classes, _ = decide(lifted, codes, np.ones((1, 3), bool))
    assert classes.tolist() == [[WATER, MUD, VEGETATION]]
    assert np.allclose(lifted.sum(axis=0), 1.0)
    assert np.allclose(lifted[2], likely[2])
    assert np.array_equal(classify._with_films(likely[[0, 2]], codes[[0, 2]]), likely[[0, 2]])


def test_nothing_is_said_where_the_mosaic_shows_nothing(forest, whole) -> None:
    classes, sure = decide(forest.probabilities(whole, None), forest.codes, whole.valid)
    assert not classes[~whole.valid].any()
    assert not sure[~whole.valid].any()
    assert classes[whole.valid].all()


def test_asking_for_a_part_answers_only_there(forest, whole) -> None:
    where = np.zeros_like(whole.valid)
    where[100:150, 100:150] = True
    likely = forest.probabilities(whole, None, where)
    assert likely[:, ~where].max() == 0
    assert np.allclose(likely[:, 110:140, 110:140].sum(axis=0), 1.0, atol=1e-3)


def test_the_same_seed_gives_the_same_map(cells, grid, forest, whole) -> None:
    again = train(cells, False, grid.pixel_m, seed=0)
    part = View(whole.rgb[:120, 20:140], whole.valid[:120, 20:140])
    assert np.array_equal(again.probabilities(part, None), forest.probabilities(part, None))


def test_a_class_weighs_the_same_however_much_of_it_was_painted() -> None:
    codes = np.array([1] * 90 + [2] * 10)
    strokes = np.array([0] * 80 + [1] * 10 + [2] * 10)
    cells = TrainingSet(np.zeros((100, 3), np.float32), codes, strokes, np.zeros((3, 2)))
    weights = cells.weights()
    assert weights.sum() == pytest.approx(100)
    assert weights[codes == 1].sum() == pytest.approx(weights[codes == 2].sum())
    assert weights[strokes == 0].sum() == pytest.approx(weights[strokes == 1].sum())


def test_accuracy_is_estimated_on_strokes_that_were_held_out(cells) -> None:
    accuracy = cross_validate(cells, seed=0)
    assert accuracy is not None
    assert 0.85 < accuracy.overall <= 1.0
    assert accuracy.blocks > 5
    assert set(accuracy.classes) == {e.key for e in CLASSES[1:8]}


def test_accuracy_of_noise_is_that_of_guessing() -> None:
    rng = np.random.default_rng(3)
    strokes = np.repeat(np.arange(60), 20)
    noise = TrainingSet(
        rng.normal(size=(1200, 8)).astype(np.float32), 1 + strokes % 3, strokes, rng.uniform(0, 100, (60, 2))
    )
    accuracy = cross_validate(noise, seed=0)
    assert accuracy is not None
    assert accuracy.overall == pytest.approx(1 / 3, abs=0.12)


def test_strokes_in_one_heap_give_no_accuracy_rather_than_a_fine_one(cells) -> None:
    heap = replace(cells, middles=np.zeros_like(cells.middles))
    assert cross_validate(heap, seed=0) is None


def test_confidence_is_nought_for_a_guess_and_a_hundred_for_certainty() -> None:
    codes = np.array([1, 4])
    likely = np.array([[[0.5, 1.0, 0.25]], [[0.5, 0.0, 0.75]]], np.float32)
    classes, sure = decide(likely, codes, np.ones((1, 3), bool))
    assert classes.tolist() == [[1, 1, 4]]
    assert sure.tolist() == [[0, 100, 50]]
