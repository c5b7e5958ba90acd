"""A picture written square by square is what GDAL reads: pixels, mask, overviews, place, metadata."""

import random

import cv2
import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

from imagery.jpeg_cog import SQUARE_PX, CogFrame, JpegCog, pack_square

TAGS = {"ACQUIRED_UTC": "2026-07-01T00:00:00+00:00", "PHOTO": "a & b <东岸>.JPG"}


def picture(rows, cols, seed=1):
    rng = np.random.default_rng(seed)
    small = rng.integers(40, 200, (rows // 60 + 2, cols // 60 + 2)).astype(np.uint8)
    grey = cv2.resize(small, (cols, rows), interpolation=cv2.INTER_CUBIC)
    return np.stack([grey, grey + 15, grey - 25], axis=2)  # JPEG halves what differs in colour


def write(path, colour, mask, shuffle=0):
    rows, cols = mask.shape
    frame = CogFrame(rows, cols, 500_000.25, 3_300_000.5, 0.05, 32648, TAGS)
    places = [(r, c) for r in range(-(-rows // SQUARE_PX)) for c in range(-(-cols // SQUARE_PX))]
    random.Random(shuffle).shuffle(places)
    with open(path.with_suffix(".spool"), "w+b") as spool:
        cog = JpegCog(frame, spool, 92)
        for r, c in places:
            part = np.s_[r * SQUARE_PX : (r + 1) * SQUARE_PX, c * SQUARE_PX : (c + 1) * SQUARE_PX]
            cog.add(
                pack_square(r, c, np.where(mask[part][..., None], colour[part][..., ::-1], 0), mask[part], 92)
            )
        cog.write(path)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(file, colour, mask): three levels of overviews, a hole, and an empty corner of several squares."""
    colour = picture(2900, 3333)
    mask = np.zeros(colour.shape[:2], bool)
    mask[100:2700, 200:3200] = True
    mask[1100:2300, 1300:2600] = False
    mask[:1500, 1800:] = False
    file = tmp_path_factory.mktemp("cog") / "picture.tif"
    write(file, colour, mask)
    return file, colour, mask


def test_it_is_a_valid_cog_in_its_place_with_its_metadata(written):
    valid, errors, warnings = cog_validate(written[0])
    assert (valid, errors, warnings) == (True, [], [])
    with rasterio.open(written[0]) as source:
        assert source.crs.to_epsg() == 32648
        assert source.transform[:6] == pytest.approx((0.05, 0.0, 500_000.25, 0.0, -0.05, 3_300_000.5))
        assert {name: source.tags()[name] for name in TAGS} == TAGS
        assert source.overviews(1) == [2, 4, 8]
        assert source.compression.name == "jpeg"


def test_pixels_and_mask_are_those_that_were_painted(written):
    file, colour, mask = written
    with rasterio.open(file) as source:
        assert np.array_equal(source.read_masks(1) > 0, mask)
        off = np.abs(source.read().transpose(1, 2, 0).astype(int) - colour)[mask]
    inner = cv2.erode(mask.astype(np.uint8), np.ones((17, 17), np.uint8)) > 0
    assert off.mean() < 1.5
    assert np.percentile(off[inner[mask]], 99) <= 6


@pytest.mark.parametrize("level", [0, 1, 2])
def test_overviews_are_means_of_what_is_valid(written, level):
    file, colour, mask = written
    factor = 2 ** (level + 1)
    rows, cols = (-(-n // factor) * factor for n in mask.shape)
    padded = cv2.copyMakeBorder(colour, 0, rows - 2900, 0, cols - 3333, cv2.BORDER_REPLICATE)
    want = cv2.resize(padded, (cols // factor, rows // factor), interpolation=cv2.INTER_AREA)
    whole = np.pad(mask, ((0, rows - 2900), (0, cols - 3333)))
    share = cv2.resize(
        whole.astype(np.float32), (cols // factor, rows // factor), interpolation=cv2.INTER_AREA
    )
    with rasterio.open(file, overview_level=level) as source:
        got, valid = source.read().transpose(1, 2, 0).astype(int), source.read_masks(1) > 0
    assert got.shape == want.shape
    assert valid[share == 1].all()
    assert not valid[share == 0].any()
    assert np.abs(got - want)[share == 1].mean() < 2.0


def test_the_order_of_the_squares_does_not_matter(written, tmp_path):
    file, colour, mask = written
    write(tmp_path / "other.tif", colour, mask, shuffle=5)
    assert (tmp_path / "other.tif").read_bytes() == file.read_bytes()


@pytest.mark.parametrize("shape", [(1, 1), (300, 200), (512, 513), (1024, 1025), (5, 3000)])
def test_any_size_is_read_back(tmp_path, shape):
    colour, mask = picture(*shape), np.ones(shape, bool)
    write(tmp_path / "small.tif", colour, mask)
    with rasterio.open(tmp_path / "small.tif") as source:
        assert source.shape == shape
        assert source.read_masks(1).all()
        assert np.abs(source.read().transpose(1, 2, 0).astype(int) - colour).mean() < 3


def test_a_picture_of_nothing_is_empty(tmp_path):
    write(tmp_path / "nothing.tif", picture(700, 700), np.zeros((700, 700), bool))
    with rasterio.open(tmp_path / "nothing.tif") as source:
        assert not source.read_masks(1).any()


def test_beyond_four_gigabytes_it_is_a_bigtiff(tmp_path):
    class Large:
        """A spool that says that it holds much."""

        def __init__(self, real):
            self._real, self.far = real, False

        def tell(self):
            return self._real.tell() + (4_000_000_000 if self.far else 0)

        def __getattr__(self, name):
            return getattr(self._real, name)

    colour, mask = picture(1500, 900), np.ones((1500, 900), bool)
    frame = CogFrame(1500, 900, 500_000.0, 3_300_000.0, 0.05, 32648, TAGS)
    with open(tmp_path / "spool", "w+b") as real:
        spool = Large(real)
        cog = JpegCog(frame, spool, 92)
        for r in (0, 1):
            part = np.s_[r * SQUARE_PX : (r + 1) * SQUARE_PX]
            cog.add(pack_square(r, 0, colour[part][..., ::-1], mask[part], 92))
        spool.far = True
        cog.write(tmp_path / "big.tif")
    assert (tmp_path / "big.tif").read_bytes()[:4] == b"II\x2b\x00"
    assert cog_validate(tmp_path / "big.tif")[0]
    with rasterio.open(tmp_path / "big.tif") as source:
        assert source.tags()["PHOTO"] == TAGS["PHOTO"]
        assert source.read_masks(1).all()
