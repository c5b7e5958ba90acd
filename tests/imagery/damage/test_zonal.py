"""Areas inside polygons: the exact share of every cell, as exactextract counts it."""

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from exactextract import exact_extract
from exactextract.raster import RasterioRasterSource
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiPolygon, Point, Polygon, box

from imagery.damage import zonal
from imagery.damage.zonal import areas_by_code, cover

TRANSFORM = Affine(0.5, 0, 1000, 0, -0.5, 2000)
WIDTH, HEIGHT = 120, 90
WEST, NORTH, EAST, SOUTH = 1000.0, 2000.0, 1060.0, 1955.0

SHAPES = {
    "a box between the lines": box(1003.3, 1960.2, 1020.7, 1990.1),
    "a box on the lines": box(1003, 1960, 1020, 1990),
    "a circle": Point(1030, 1980).buffer(11.3),
    "with a hole": Polygon(
        [(1001, 1957), (1050, 1960), (1022, 1999)], [[(1012, 1962), (1024, 1964), (1021, 1985)]]
    ),
    "in two parts": MultiPolygon([box(1001.1, 1956, 1003.4, 1957.2), box(1040.3, 1970.7, 1055, 1972.1)]),
    "smaller than a cell": box(1010.12, 1970.13, 1010.2, 1970.21),
    "a sliver": LineString([(1002, 1958), (1055, 1997)]).buffer(0.03),
    "beyond the west": box(900, 1970, 1010.3, 1980.2),
    "beyond all sides": box(900, 1900, 1100, 2100),
    "round a corner": Point(1060, 1955).buffer(20),
    "elsewhere": box(2000, 2000, 2010, 2010),
}  # fmt: skip


@pytest.fixture(scope="module")
def codes(tmp_path_factory, make_raster):
    """A raster of codes 0 (nodata) to 9."""
    rng = np.random.default_rng(2)
    values = rng.integers(0, 10, (1, HEIGHT, WIDTH)).astype(np.uint8)
    path = tmp_path_factory.mktemp("zonal") / "codes.tif"
    return make_raster(path, values, transform=TRANSFORM, crs="EPSG:32650", nodata=0)


def _reference(path, polygon) -> dict[int, float]:
    feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(polygon)}
    with rasterio.open(path) as source:
        (row,) = exact_extract(RasterioRasterSource(source), [feature], ["unique", "frac", "count"])
    found = row["properties"]
    pairs = zip(np.atleast_1d(found["unique"]), np.atleast_1d(found["frac"]), strict=True)
    total = float(found["count"]) * 0.25
    return {int(code): float(share) * total for code, share in pairs if np.isfinite(share)}


@pytest.mark.parametrize("polygon", SHAPES.values(), ids=SHAPES)
def test_areas_are_those_of_exactextract(codes, polygon) -> None:
    (areas,) = areas_by_code([codes], [polygon])
    expected = _reference(codes, polygon)
    assert areas[0] == pytest.approx(expected, abs=1e-5 * max(sum(expected.values()), 1e-6))


@pytest.mark.parametrize("polygon", SHAPES.values(), ids=SHAPES)
def test_the_shares_of_all_cells_are_exact(polygon) -> None:
    found = cover(polygon, TRANSFORM, WIDTH, HEIGHT)
    shares = np.zeros((HEIGHT, WIDTH))
    np.add.at(shares, (found.rows, found.cols), found.shares)
    for row, first, last in found.runs:
        shares[row, first:last] += 1
    assert shares.max() <= 1 + 1e-9
    assert shares.sum() * 0.25 == pytest.approx(
        polygon.intersection(box(WEST, SOUTH, EAST, NORTH)).area, abs=1e-9
    )
    rng = np.random.default_rng(0)
    for row, col in zip(rng.integers(0, HEIGHT, 60), rng.integers(0, WIDTH, 60), strict=True):
        west, north = TRANSFORM * (int(col), int(row))
        exact = polygon.intersection(box(west, north - 0.5, west + 0.5, north)).area * 4
        assert shares[row, col] == pytest.approx(exact, abs=1e-9)


corner = st.tuples(st.floats(980, 1080), st.floats(1940, 2020))


@settings(max_examples=80, deadline=None)
@given(st.lists(corner, min_size=3, max_size=12))
def test_any_polygon_is_covered_to_its_area(corners) -> None:
    polygon = shapely.make_valid(Polygon(corners))
    parts = [p for p in shapely.get_parts(polygon) if p.geom_type == "Polygon"]
    polygon = MultiPolygon([q for p in parts for q in (p.geoms if hasattr(p, "geoms") else [p])])
    found = cover(polygon, TRANSFORM, WIDTH, HEIGHT)
    cells = found.shares.sum() + (found.runs[:, 2] - found.runs[:, 1]).sum()
    expected = polygon.intersection(box(WEST, SOUTH, EAST, NORTH)).area
    assert cells * 0.25 == pytest.approx(expected, abs=1e-6)


def test_overlapping_areas_each_count_all_of_theirs(codes) -> None:
    one, two = box(1005, 1960, 1025, 1980), box(1015, 1970, 1035, 1990)
    both, alone = areas_by_code([codes], [one, two])[0], areas_by_code([codes], [two])[0]
    assert both[1] == alone[0]


def test_strips_add_up(codes, monkeypatch) -> None:
    shapes = list(SHAPES.values())
    (whole,) = areas_by_code([codes], shapes)
    monkeypatch.setattr(zonal, "_STRIP_PX", 1000)
    (strips,) = areas_by_code([codes], shapes)
    for one, other in zip(whole, strips, strict=True):
        assert one == pytest.approx(other, abs=1e-9)


def test_several_rasters_are_counted_at_once(codes, tmp_path, make_raster) -> None:
    unseen = make_raster(
        tmp_path / "u.tif",
        np.zeros((1, HEIGHT, WIDTH), np.uint8),
        transform=TRANSFORM,
        crs="EPSG:32650",
        nodata=255,
    )
    seen, classes = areas_by_code([unseen, codes], [SHAPES["a circle"]])
    assert seen[0] == {0: pytest.approx(SHAPES["a circle"].area)}
    assert sum(classes[0].values()) < SHAPES["a circle"].area  # the nodata of the codes is no class
