"""Samples are never lost: every version stays, an earlier map can be made again, and a retrain that made
things worse is told of."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
import shapely

from imagery.damage import DamageOptions, classify, map_damage, versions
from imagery.damage.classify import Retrained, TrainingSet
from imagery.damage.legend import CLASSES
from imagery.damage.samples import Samples, Stroke, read_samples
from imagery.damage.scene import grid_of
from imagery.errors import DamageError


@pytest.fixture(scope="module")
def grid(place):
    return grid_of(place.after)


@pytest.fixture(scope="module")
def samples(place, grid) -> Samples:
    return read_samples(place.samples, grid)


def test_a_version_is_read_back_as_it_was_painted(samples, grid, tmp_path) -> None:
    number, earlier = versions.keep(tmp_path, samples, grid)
    assert (number, earlier) == (1, None)
    again = read_samples(versions.file_of(tmp_path, 1), grid)
    assert [s.code for s in again.strokes] == [s.code for s in samples.strokes]
    assert all(
        shapely.equals_exact(one.area, other.area, 1e-9, normalize=True)
        for one, other in zip(again.strokes, samples.strokes, strict=True)
    )


def test_new_strokes_make_a_version_and_the_same_ones_do_not(samples, grid, tmp_path) -> None:
    fewer = replace(samples, strokes=samples.strokes[:-3])
    assert versions.keep(tmp_path, fewer, grid)[0] == 1
    number, earlier = versions.keep(tmp_path, samples, grid)
    assert number == 2
    assert earlier is not None
    assert versions.shared(samples, earlier).tolist() == [True] * len(fewer.strokes) + [False] * 3
    assert versions.keep(tmp_path, samples, grid)[0] == 2
    assert versions.keep(tmp_path, fewer, grid)[0] == 3
    assert versions.numbers(tmp_path) == (1, 2, 3)


def test_a_stroke_that_changed_its_class_is_another_stroke(samples) -> None:
    first = samples.strokes[0]
    other = replace(samples, strokes=(Stroke(first.area, first.code + 1), *samples.strokes[1:]))
    assert versions.shared(other, samples).tolist() == [False] + [True] * (len(samples.strokes) - 1)


def test_samples_of_another_mosaic_in_the_folder_are_kept_and_not_compared_with(
    samples, grid, tmp_path
) -> None:
    versions.keep(tmp_path, samples, grid)
    far = replace(grid, transform=grid.transform.translation(50_000, 0) * grid.transform)
    moved = [Stroke(shapely.affinity.translate(s.area, 50_000), s.code) for s in samples.strokes]
    assert versions.keep(tmp_path, Samples(tuple(moved), "far"), far) == (2, None)


def test_a_version_that_is_not_there_is_named_with_those_that_are(samples, grid, tmp_path) -> None:
    versions.keep(tmp_path, samples, grid)
    with pytest.raises(DamageError, match="keeps no version 7 of its samples; there are: 1"):
        versions.file_of(tmp_path, 7)


def test_an_earlier_map_is_made_again_from_its_version(place, mapped, all_inputs, tmp_path) -> None:
    options = replace(all_inputs, samples=versions.file_of(mapped.folder, 1))
    again = map_damage(place.after, tmp_path / "again", options)
    assert mapped.figures["samples_version"] == again.figures["samples_version"] == 1
    with (
        rasterio.open(mapped.folder / "classes.tif") as one,
        rasterio.open(tmp_path / "again" / "classes.tif") as other,
    ):
        assert np.array_equal(one.read(1), other.read(1))


def _two_kinds(strokes: int = 48) -> TrainingSet:
    rng = np.random.default_rng(2)
    numbers = np.repeat(np.arange(strokes), 20)
    codes = 1 + numbers % 2
    features = rng.normal(size=(len(codes), 4)).astype(np.float32) + 3 * (codes[:, None] == 1)
    return TrainingSet(features.astype(np.float32), codes, numbers, rng.uniform(0, 100, (strokes, 2)))


def test_strokes_of_the_wrong_class_are_seen_to_lower_the_agreement() -> None:
    cells = _two_kinds()
    wrong = cells.strokes >= 24
    codes = np.where(wrong, 3 - cells.codes, cells.codes)
    was_there = np.arange(48) < 24
    worse = classify.retrained(replace(cells, codes=codes), was_there, seed=0)
    assert worse is not None
    assert worse.got_worse
    assert worse.earlier > 0.95 > worse.now
    better = classify.retrained(cells, was_there, seed=0)
    assert better is not None
    assert not better.got_worse


def test_nothing_added_is_nothing_to_compare() -> None:
    assert classify.retrained(_two_kinds(), np.ones(48, bool), seed=0) is None


def test_a_difference_that_chance_makes_is_no_warning() -> None:
    assert not Retrained(earlier=0.90, now=0.89, strokes=50).got_worse
    assert Retrained(earlier=0.90, now=0.80, strokes=50).got_worse


def test_a_run_with_misleading_strokes_says_so(place, grid, samples, make_vector, tmp_path) -> None:
    first = map_damage(place.after, tmp_path / "d", DamageOptions(samples=place.samples))
    assert first.figures["retrained"] is None
    other = {code: samples.codes[i - 1] for i, code in enumerate(samples.codes)}
    moved = [shapely.affinity.translate(s.area, 0.7, 0.4) for s in samples.strokes]
    areas = [s.area for s in samples.strokes] + moved
    names = [CLASSES[s.code].key for s in samples.strokes] + [
        CLASSES[other[s.code]].key for s in samples.strokes
    ]
    painted = make_vector(tmp_path / "more.gpkg", areas, {"class": names}, kind="Polygon")
    second = map_damage(place.after, tmp_path / "d", DamageOptions(samples=painted))
    assert second.figures["samples_version"] == 2
    assert second.figures["retrained"]["now"] < second.figures["retrained"]["earlier"] - 0.1
    assert any(note.startswith("Agreement on the earlier strokes fell") for note in second.figures["notes"])
