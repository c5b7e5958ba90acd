"""Painted samples in any vector file: read, or refused with a line that says why."""

import json

import numpy as np
import pytest
from shapely import LineString, Point, box

from imagery.damage.samples import STROKE_RADIUS_M, read_samples
from imagery.damage.scene import grid_of
from imagery.errors import DamageError

WEST, NORTH = 500_000.0, 3_400_080.0
POND, FIELD = Point(WEST + 30, NORTH - 42), Point(WEST + 30, NORTH - 10)


@pytest.fixture
def grid(place):
    return grid_of(place.after)


@pytest.fixture
def paint(tmp_path, make_vector):
    def write(shapes, name="s.gpkg", crs="EPSG:32650", **columns):
        return make_vector(tmp_path / name, shapes, columns, kind="Unknown", crs=crs)

    return write


def test_points_lines_and_polygons_become_areas(grid, paint) -> None:
    shapes = [POND, LineString([(WEST + 5, NORTH - 5), (WEST + 9, NORTH - 5)]), box(*FIELD.buffer(3).bounds)]
    samples = read_samples(paint(shapes, **{"class": ["water", "植被", "6"]}), grid)
    assert samples.counts() == {"water": 1, "vegetation": 2}
    areas = [s.area.area for s in samples.strokes]
    assert areas[0] == pytest.approx(np.pi * STROKE_RADIUS_M**2, rel=0.05)
    assert areas[1] == pytest.approx(4 * 2 * STROKE_RADIUS_M + np.pi * STROKE_RADIUS_M**2, rel=0.05)
    assert areas[2] == pytest.approx(36.0)


def test_the_file_may_say_how_wide_a_stroke_is(grid, paint) -> None:
    path = paint([POND, FIELD], **{"class": ["water", "bare"], "width_m": [2.0, np.nan]})
    wide, narrow = (s.area.area for s in read_samples(path, grid).strokes)
    assert wide == pytest.approx(np.pi, rel=0.05)
    assert narrow < 0.5


def test_samples_in_degrees_land_where_they_were_painted(grid, tmp_path) -> None:
    features = [
        {"type": "Feature", "properties": {"class": c}, "geometry": {"type": "Point", "coordinates": at}}
        for c, at in (("water", (117.00031, 30.73323)), ("bare", (117.0005, 30.7335)))
    ]
    path = tmp_path / "s.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    for stroke in read_samples(path, grid).strokes:
        assert grid.outline.contains(stroke.area)


def test_samples_beside_the_mosaic_do_not_count(grid, paint) -> None:
    path = paint([POND, FIELD, Point(WEST - 500, NORTH)], **{"class": ["water", "bare", "mud"]})
    assert read_samples(path, grid).counts() == {"water": 1, "bare_ground": 1}


@pytest.mark.parametrize(
    ("classes", "shapes", "says"),
    [
        (["water", "lava"], [POND, FIELD], "unknown class 'lava'"),
        (["water", "water"], [POND, FIELD], "all samples on the mosaic are 'water'"),
        (
            ["water", "mud"],
            [Point(WEST - 900, NORTH), Point(WEST - 800, 0)],
            "no sample lies on the mosaic",
        ),
    ],
)
def test_useless_samples_are_refused(grid, paint, classes, shapes, says: str) -> None:
    with pytest.raises(DamageError, match=says) as caught:
        read_samples(paint(shapes, **{"class": classes}), grid)
    assert "\n" not in str(caught.value)


def test_a_file_without_the_class_attribute_is_told_what_it_has(grid, paint) -> None:
    with pytest.raises(DamageError, match="has no attribute 'class' \\(it has: kind\\)"):
        read_samples(paint([POND, FIELD], kind=["water", "mud"]), grid)


def test_a_missing_or_broken_file_is_named(grid, tmp_path) -> None:
    with pytest.raises(DamageError, match=r"nothing\.gpkg: no such file"):
        read_samples(tmp_path / "nothing.gpkg", grid)
    broken = tmp_path / "broken.geojson"
    broken.write_text("{")
    with pytest.raises(DamageError, match=r"broken\.geojson: cannot be read"):
        read_samples(broken, grid)


def test_each_stroke_is_burnt_with_its_number(grid, paint) -> None:
    samples = read_samples(paint([POND, FIELD], **{"class": ["water", "bare"]}), grid)
    burnt = samples.burn(grid, next(grid.blocks(4096)))
    col, row = ~grid.transform * (POND.x, POND.y)
    assert burnt[int(row), int(col)] == 1
    assert set(np.unique(burnt)) == {0, 1, 2}
