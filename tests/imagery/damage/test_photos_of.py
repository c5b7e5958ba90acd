"""Every polygon knows the photos that show it."""

import numpy as np
import pyogrio.raw
import pyproj
import pytest
import rasterio
from affine import Affine
from shapely import Point, box

from imagery.damage import DamageOptions, map_damage
from imagery.damage.photos_of import PhotoSource

WEST, NORTH = 500_000.0, 3_400_050.0
CRS = pyproj.CRS(32650)


@pytest.fixture
def mosaic(tmp_path):
    """Beside it a companion of 50 m: photo 1 in the west, 12 photos of a metre, nothing in the east."""
    numbers = np.zeros((50, 50), np.uint16)
    numbers[:, :20] = 1
    for n in range(12):
        numbers[:, 20 + n] = 2 + n
    with rasterio.open(
        tmp_path / "map.source.tif", "w", driver="GTiff", width=50, height=50, count=1, dtype="uint16",
        crs=CRS.to_wkt(), transform=Affine(1, 0, WEST, 0, -1, NORTH), nodata=0,
    ) as sink:  # fmt: skip
        sink.write(numbers, 1)
        sink.update_tags(**{f"PHOTO_{n}": f"DJI_{n:04d}.JPG" for n in range(1, 13)})
    return tmp_path / "map.tif"


def _box(x0, x1):
    return box(WEST + x0, NORTH - 20, WEST + x1, NORTH - 10)


def test_photos_are_named_most_of_the_place_first(mosaic) -> None:
    with PhotoSource(mosaic, CRS) as photos:
        assert photos.names(_box(5, 15)) == "DJI_0001.JPG"
        assert photos.names(_box(17, 20.9)) == "DJI_0001.JPG DJI_0002.JPG"
        assert photos.names(Point(WEST + 20.5, NORTH - 5)) == "DJI_0002.JPG"
        many = photos.names(_box(10, 40)).split()
        assert many[0] == "DJI_0001.JPG"
        assert many[-1] == "+5"
        assert photos.names(_box(35, 45)) is None  # nothing was painted there
        assert photos.names(_box(500, 510)) is None


def test_places_of_another_crs_are_found(mosaic) -> None:
    to_wgs84 = pyproj.Transformer.from_crs(CRS, 4326, always_xy=True)
    with PhotoSource(mosaic, pyproj.CRS(4326)) as photos:
        assert photos.names(Point(*to_wgs84.transform(WEST + 5, NORTH - 5))) == "DJI_0001.JPG"


def test_without_a_companion_or_with_a_broken_one_nothing_is_claimed(mosaic, tmp_path) -> None:
    with PhotoSource(tmp_path / "other.tif", CRS) as photos:
        assert not photos.known
        assert photos.names(_box(5, 15)) is None
    (tmp_path / "broken.source.tif").write_bytes(b"II*\0rubbish")
    with PhotoSource(tmp_path / "broken.tif", CRS) as photos:
        assert not photos.known


def test_water_on_the_map_carries_its_photos(tmp_path, make_raster, make_vector) -> None:
    rng = np.random.default_rng(3)
    x = (np.arange(160) + 0.5) * 0.25
    rgb = np.where(x[None, :, None] < 20, (110, 105, 90), (70, 130, 60)) + rng.normal(0, 6, (160, 160, 3))
    corner = Affine(0.25, 0, WEST, 0, -0.25, NORTH)
    bands = np.moveaxis(rgb, -1, 0).clip(0, 255).astype(np.uint8)
    mosaic = make_raster(tmp_path / "map.tif", bands, transform=corner)
    numbers = make_raster(
        tmp_path / "map.source.tif", np.ones((1, 160, 160), np.uint16), transform=corner, nodata=0
    )
    with rasterio.open(numbers, "r+") as sink:
        sink.update_tags(PHOTO_1="DJI_0001.JPG")
    strokes = [
        box(WEST + x0, NORTH - y - 3, WEST + x0 + 3, NORTH - y) for x0 in (3, 12, 25, 35) for y in (5, 30)
    ]
    classes = {"class": ["water"] * 4 + ["vegetation"] * 4}
    samples = make_vector(tmp_path / "s.gpkg", strokes, classes, kind="Polygon")
    dem = make_raster(tmp_path / "dem.tif", np.tile(np.linspace(10, 14, 60, dtype=np.float32), (1, 60, 1)),
                      transform=Affine(1, 0, WEST - 10, 0, -1, NORTH + 10))  # fmt: skip
    report = map_damage(mosaic, tmp_path / "out", DamageOptions(samples=samples, dem=dem, analyst="Li"))
    meta, _, _, values = pyogrio.raw.read(tmp_path / "out" / "damage.gpkg", layer="water")
    columns = dict(zip(meta["fields"], values, strict=True))
    assert columns["photos"][0] == "DJI_0001.JPG"
    assert columns["analyst"][0] == "Li"
    assert not columns["implausible"].any()
    assert report.figures["drainage"]["water_too_high_m2"] == 0
