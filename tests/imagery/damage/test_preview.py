"""A look at what the strokes make of the window in view: quick, and as the map will be."""

from dataclasses import replace

import pytest
import rasterio
from shapely import Point

from imagery.damage import DamageOptions, classify, map_damage
from imagery.damage.preview import LivePreview, bounds_of_degrees
from imagery.damage.samples import read_samples
from imagery.errors import DamageError

WINDOW = (500_020.0, 3_400_010.0, 500_070.0, 3_400_060.0)


@pytest.fixture
def live(place) -> LivePreview:
    return LivePreview(place.after)


@pytest.fixture
def strokes(place, live):
    return read_samples(place.samples, live.grid)


def test_a_preview_is_the_map_of_its_window(place, live, strokes, tmp_path) -> None:
    seen = live.show(strokes, WINDOW)
    assert seen.coarser == 1
    assert seen.grid.bounds == pytest.approx(WINDOW)
    map_damage(place.after, tmp_path / "out", DamageOptions(samples=place.samples))
    with rasterio.open(tmp_path / "out" / "classes.tif") as source:
        window = rasterio.windows.from_bounds(*WINDOW, source.transform)
        mapped = source.read(1, window=window)
    assert seen.classes.shape == mapped.shape
    assert (seen.classes == mapped).mean() > 0.97  # of a stroke other cells are picked to learn from


def test_a_stroke_more_is_read_alone(live, strokes, monkeypatch) -> None:
    read = []
    honest = classify.cells_under
    monkeypatch.setattr(
        classify,
        "cells_under",
        lambda samples, *rest: read.append(len(samples.strokes)) or honest(samples, *rest),
    )
    live.show(replace(strokes, strokes=strokes.strokes[:-2]), WINDOW)
    live.show(strokes, WINDOW)
    live.show(replace(strokes, strokes=strokes.strokes[1:]), WINDOW)
    assert read == [len(strokes.strokes) - 2, 2]


def test_a_window_moved_needs_no_new_forest(live, strokes, monkeypatch) -> None:
    grown = []
    honest = classify.train
    monkeypatch.setattr(classify, "train", lambda *given: grown.append(1) or honest(*given))
    west, south, east, north = WINDOW
    live.show(strokes, WINDOW)
    moved = live.show(strokes, (west + 10, south, east + 10, north))
    assert len(grown) == 1
    assert (moved.classes[:, :-50] == live.show(strokes, WINDOW).classes[:, 50:]).mean() > 0.99


def test_a_class_painted_anew_shows_at_once(live, strokes) -> None:
    without = replace(strokes, strokes=tuple(s for s in strokes.strokes if s.code != 1))
    assert not (live.show(without, WINDOW).classes == 1).any()
    assert (live.show(strokes, WINDOW).classes == 1).mean() > 0.1


def test_seen_from_afar_cells_are_coarser_and_never_too_many(place, strokes) -> None:
    live = LivePreview(place.after, most_cells=20_000)
    seen = live.show(strokes, live.grid.bounds)
    assert seen.classes.size < 20_500
    assert seen.coarser == 3
    assert seen.grid.pixel_m == pytest.approx(3 * live.grid.pixel_m)
    truth = place.classes[3::6, 3::6]
    rows, cols = (min(a, b) for a, b in zip(seen.classes.shape, truth.shape, strict=True))
    shown = seen.classes[:rows, :cols]
    assert (shown == truth[:rows, :cols])[shown > 0].mean() > 0.85


def test_a_window_beyond_the_mosaic_is_refused(live, strokes) -> None:
    with pytest.raises(DamageError, match="misses the mosaic"):
        live.show(strokes, (0, 0, 10, 10))


def test_strokes_of_one_class_make_no_preview(live, strokes) -> None:
    alone = replace(strokes, strokes=tuple(s for s in strokes.strokes if s.code == 1))
    with pytest.raises(DamageError, match="fewer than two classes"):
        live.show(alone, WINDOW)


def test_strokes_where_the_mosaic_shows_nothing_teach_nothing(live, strokes) -> None:
    west, _, _, north = live.grid.bounds
    blind = tuple(
        replace(s, area=Point(west + 1, north - 30 - n).buffer(0.4)) for n, s in enumerate(strokes.strokes)
    )
    with pytest.raises(DamageError, match="fewer than two classes"):
        live.show(replace(strokes, strokes=blind), WINDOW)


def test_degrees_become_the_grid_s_metres(live) -> None:
    west, south, east, north = bounds_of_degrees((117.0, 30.733, 117.0005, 30.7335), live.grid)
    assert (east - west) == pytest.approx(47.9, abs=0.5)
    assert (north - south) == pytest.approx(55.4, abs=0.5)
