"""A small flooded place, painted by rule: 90 x 80 m with a river, fields, a road and twelve houses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyogrio.raw
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.features import rasterize
from scipy import ndimage
from shapely import LineString, Point, box

from imagery.damage import DamageOptions, DamageReport, map_damage

CRS = "EPSG:32650"
WEST, NORTH, PIXEL_M = 500_000.0, 3_400_080.0, 0.1
ROWS, COLS = 800, 900
TRANSFORM = Affine(PIXEL_M, 0, WEST, 0, -PIXEL_M, NORTH)
BEFORE_ERROR_M = (0.73, -0.42)
HALF_STROKE_M = np.array((0.3, 0.0))

COLOURS = {
    1: ((118, 100, 78), 3, 8.0),
    2: ((150, 118, 84), 7, 3.0),
    3: ((120, 112, 108), 38, 0.8),
    4: ((128, 128, 130), 5, 1.0),
    5: ((172, 82, 66), 9, 1.0),
    6: ((70, 112, 52), 24, 2.0),
    7: ((196, 178, 138), 12, 4.0),
}


@dataclass(frozen=True)
class Place:
    """Files of the place and its truth."""

    folder: Path
    classes: np.ndarray
    depth_m: np.ndarray
    grades: dict[str, str]

    def __getattr__(self, name: str) -> Path:
        path = {
            "after": "after.tif",
            "before": "before.tif",
            "dem": "dem.tif",
            "truth": "truth.tif",
            "footprints": "footprints.gpkg",
            "roads": "roads.gpkg",
            "townships": "townships.gpkg",
            "population": "population.gpkg",
            "samples": "samples.geojson",
        }
        if name not in path:
            raise AttributeError(name)
        return self.folder / path[name]


def write_raster(path: Path, bands, *, transform=TRANSFORM, crs=CRS, nodata=None) -> Path:
    bands = np.atleast_3d(np.asarray(bands).T).T if np.ndim(bands) == 2 else np.asarray(bands)
    with rasterio.open(
        path, "w", driver="GTiff", count=len(bands), height=bands.shape[1], width=bands.shape[2],
        dtype=bands.dtype, crs=crs, transform=transform, nodata=nodata,
    ) as sink:  # fmt: skip
        sink.write(bands)
    return path


def write_vector(path: Path, geometries, columns: dict, *, kind: str, crs: str | None = CRS) -> Path:
    values = [np.array(v, object if isinstance(v[0], str) else None) for v in columns.values()]
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(np.array(geometries, object)),
        field_data=values,
        fields=list(columns),
        geometry_type=kind,
        crs=crs,
        driver="GPKG" if path.suffix == ".gpkg" else "GeoJSON",
        layer=path.stem,
    )
    return path


def _paint(classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    picture = np.zeros((*classes.shape, 3), np.float32)
    for code, (colour, spread, size) in COLOURS.items():
        noise = ndimage.gaussian_filter(rng.normal(size=classes.shape), size)
        noise *= spread / noise.std()
        fine = rng.normal(size=classes.shape) * 2.0
        picture[classes == code] = (np.array(colour) + (noise + fine)[..., None])[classes == code]
    return ndimage.gaussian_filter(np.clip(picture, 0, 255), (0.7, 0.7, 0))


def _houses() -> list:
    return [
        box(WEST + 8 + 14 * i, NORTH - y - 7, WEST + 8 + 14 * i + 9, NORTH - y)
        for y in (6.0, 62.0)
        for i in range(6)
    ]


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Place:
    """Everything on disk, written once."""
    folder = tmp_path_factory.mktemp("place")
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:ROWS, 0:COLS] * PIXEL_M
    middle = 42 + 5 * np.sin(x / 14)
    ground = 50 + 0.012 * x + 0.09 * np.maximum(np.abs(y - middle) - 2, 0) ** 1.15
    level = 50 + 0.012 * x + 1.1
    before = np.where((x // 22).astype(int) % 2 == 0, 6, 7)
    before[np.abs(y - middle) < 2] = 1
    road = LineString([(WEST + 3, NORTH - 20), (WEST + 60, NORTH - 24), (WEST + 64, NORTH - 78)])
    before[_burn(road.buffer(2.2))] = 4
    houses = _houses()
    for house in houses:
        before[_burn(house)] = 5
    after = before.copy()
    after[(level - ground > -0.18) & (before != 5)] = 2
    after[(level - ground > 0) & (before != 5)] = 1
    after[_burn(houses[2].buffer(0.5))] = 3
    after[_burn(box(*houses[4].bounds[:2], houses[4].centroid.x, houses[4].bounds[3]))] = 3
    after[_burn(box(WEST + 30, NORTH - 25, WEST + 38, NORTH - 18))] = 3
    _write_pictures(folder, before, after, rng)
    coarse = ground[5::10, 5::10].astype(np.float32)
    write_raster(folder / "dem.tif", coarse, transform=TRANSFORM * Affine.scale(10), nodata=-9999.0)
    write_raster(folder / "truth.tif", after.astype(np.uint8), nodata=0)
    ids = [f"b{i}" for i in range(len(houses))]
    write_vector(folder / "footprints.gpkg", houses, {"id": ids}, kind="Polygon")
    write_vector(folder / "roads.gpkg", [road], {"id": ["r1"]}, kind="LineString")
    halves = [box(WEST, NORTH - 80, WEST + 45, NORTH), box(WEST + 45, NORTH - 80, WEST + 130, NORTH)]
    names = {"name_zh": ["上河镇", "下河镇"], "name_en": ["Shanghe", "Xiahe"]}
    write_vector(folder / "townships.gpkg", halves, names, kind="Polygon")
    homes = [house.centroid for house in houses]
    write_vector(folder / "population.gpkg", homes, {"population": [4] * len(homes)}, kind="Point")
    _write_samples(folder / "samples.geojson", after, rng)
    grades = {ids[2]: "Destroyed", ids[4]: "Damaged"}
    return Place(folder, after, np.where(after == 1, level - ground, np.nan), grades)


def _burn(geometry) -> np.ndarray:
    return rasterize([geometry], out_shape=(ROWS, COLS), transform=TRANSFORM) > 0


def _write_pictures(folder: Path, before: np.ndarray, after: np.ndarray, rng: np.random.Generator) -> None:
    calm = _paint(before, rng)
    calm[before == 1] += np.array([-40, -15, 10])
    wild = _paint(after, rng)
    same = before == after
    same[before == 1] = False
    shown = np.where(same[..., None], calm + rng.normal(size=calm.shape) * 3, wild)
    rgb = np.clip(shown, 1, 255).astype(np.uint8)
    alpha = np.full(after.shape, 255, np.uint8)
    alpha[:, :30] = 0
    alpha[:60, -80:] = 0
    write_raster(folder / "after.tif", np.concatenate([np.moveaxis(rgb, -1, 0), alpha[None]]))
    east, north = BEFORE_ERROR_M
    faded = np.clip(calm * 0.88 + 12, 1, 255).astype(np.uint8)
    write_raster(
        folder / "before.tif",
        np.moveaxis(faded, -1, 0),
        transform=Affine.translation(east, north) * TRANSFORM,
    )


def _write_samples(path: Path, classes: np.ndarray, rng: np.random.Generator, per_class: int = 6) -> None:
    lines, names = [], []
    keys = {1: "water", 2: "mud", 3: "debris", 4: "road", 5: "building", 6: "vegetation", 7: "bare_ground"}
    for code, key in keys.items():
        inner = ndimage.binary_erosion(classes == code, iterations=6)
        inner[:, :60] = False
        inner[:80, -100:] = False
        rows, cols = np.nonzero(inner)
        for pick in rng.choice(len(rows), per_class, replace=False):
            here = np.array(TRANSFORM * (cols[pick] + 0.5, rows[pick] + 0.5))
            lines.append(LineString([here - HALF_STROKE_M, here + HALF_STROKE_M]))
            names.append(key)
    lines.append(Point(WEST + 20, NORTH - 42))
    names.append("water")
    write_vector(path, lines, {"class": names}, kind="Unknown")


@pytest.fixture(scope="session")
def make_raster():
    return write_raster


@pytest.fixture(scope="session")
def make_vector():
    return write_vector


@pytest.fixture(scope="session")
def all_inputs(place) -> DamageOptions:
    """Everything there is to know about the place."""
    return DamageOptions(
        before=place.before,
        dem=place.dem,
        footprints=place.footprints,
        roads=place.roads,
        townships=place.townships,
        population=place.population,
        samples=place.samples,
        analyst="Li Wei",
        event="Summer flood",
    )


@pytest.fixture(scope="session")
def mapped(place, all_inputs, tmp_path_factory) -> DamageReport:
    """The place with its damage mapped, once; do not write into its folder."""
    return map_damage(place.after, tmp_path_factory.mktemp("damage"), all_inputs)


@pytest.fixture(scope="session")
def flood_data() -> Path:
    """Real flood data beside the checkout."""
    folder = Path(__file__).parents[4] / "shared" / "data" / "flood"
    if not folder.is_dir():
        pytest.skip(f"no real flood data at {folder}")
    return folder
