"""Kinds of change, one rule at a time and on the whole place."""

import numpy as np
import pytest
import rasterio

from imagery.damage.change import Known, despeckle, kind, magnitude, magnitude_only
from imagery.damage.features import View
from imagery.damage.legend import (
    BARE,
    BUILDING,
    BUILDING_LOST,
    DEBRIS,
    FLOODED,
    LANDSLIDE,
    MUD,
    MUD_OR_DEBRIS_LAID,
    OTHER_CHANGE,
    ROAD,
    ROAD_LOST,
    SHADOW,
    UNCHANGED,
    VEGETATION,
    WATER,
)
from imagery.damage.register import ColourMatch

SAME = ColourMatch((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (2.0, 1.0, 1.0), 1000)
SIDE = 40


def _kind(now: int, before: int, size: float, *, building=False, road=False, compared=True) -> int:
    """The change of a field of one kind, at its middle."""
    shape = (SIDE, SIDE)
    codes = kind(
        np.full(shape, now, np.uint8),
        np.full(shape, before, np.uint8),
        np.full(shape, size, np.float32),
        np.full(shape, compared),
        Known(np.full(shape, building), np.full(shape, road)),
        pixel_m=0.2,
    )
    return int(codes[SIDE // 2, SIDE // 2])


@pytest.mark.parametrize(
    ("now", "before", "size", "known", "change"),
    [
        (WATER, VEGETATION, 9.0, {}, FLOODED),
        (WATER, WATER, 9.0, {}, UNCHANGED),
        (MUD, BARE, 4.0, {}, MUD_OR_DEBRIS_LAID),
        (MUD, MUD, 4.0, {}, UNCHANGED),
        (MUD, BARE, 1.0, {}, UNCHANGED),
        (DEBRIS, BUILDING, 8.0, {"building": True}, BUILDING_LOST),
        (BUILDING, BUILDING, 4.0, {"building": True}, UNCHANGED),
        (BARE, ROAD, 8.0, {"road": True}, ROAD_LOST),
        (BARE, VEGETATION, 8.0, {}, OTHER_CHANGE),
        (VEGETATION, VEGETATION, 2.0, {}, UNCHANGED),
        (WATER, VEGETATION, 9.0, {"compared": False}, 0),
        (0, VEGETATION, 9.0, {}, 0),
        (LANDSLIDE, VEGETATION, 9.0, {}, OTHER_CHANGE),
        (LANDSLIDE, BUILDING, 9.0, {"building": True}, BUILDING_LOST),
        (SHADOW, VEGETATION, 9.0, {}, 0),
        (WATER, SHADOW, 9.0, {}, 0),
    ],
)
def test_rules_of_change(now, before, size, known, change) -> None:
    assert _kind(now, before, size, **known) == change


def test_the_same_picture_has_not_changed() -> None:
    rng = np.random.default_rng(0)
    view = View(rng.integers(0, 256, (50, 60, 3)).astype(np.uint8), np.ones((50, 60), bool))
    assert magnitude(view, view, SAME, 0.2).max() == 0


def test_what_one_picture_does_not_show_counts_as_nothing() -> None:
    white = np.full((50, 60, 3), 255, np.uint8)
    seen, half = np.ones((50, 60), bool), np.ones((50, 60), bool)
    half[:, :30] = False
    size = magnitude(View(white, seen), View(white * 0, half), SAME, 0.2)
    assert size[:, :30].max() == 0
    assert size[:, 30:].min() > 10


def test_without_classes_only_changed_or_not() -> None:
    size = np.array([[0.5, 20.0, 20.0]], np.float32)
    assert magnitude_only(size, np.array([[True, True, False]])).tolist() == [[UNCHANGED, OTHER_CHANGE, 0]]


def test_single_odd_cells_follow_their_neighbours() -> None:
    codes = np.full((21, 21), UNCHANGED, np.uint8)
    codes[10, 10] = BUILDING_LOST
    codes[0, :] = 0
    cleaned = despeckle(codes, pixel_m=0.2)
    assert cleaned[10, 10] == UNCHANGED
    assert not cleaned[0].any()


def test_the_flood_shows_as_newly_flooded_and_the_river_does_not(mapped, place) -> None:
    with rasterio.open(mapped.folder / "change.tif") as source:
        change = source.read(1)
    truth = place.classes[1::2, 1::2]
    seen = change > 0
    wet = (truth == WATER) & seen
    assert ((change == FLOODED) & wet).sum() > 0.55 * wet.sum()  # the river itself was there before
    assert ((change == FLOODED) & ~(truth == WATER)).sum() < 0.05 * (change == FLOODED).sum()
    calm = np.isin(truth, (VEGETATION, BARE, ROAD)) & seen
    assert (change[calm] == UNCHANGED).mean() > 0.93
