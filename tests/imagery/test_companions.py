"""The companion rasters: expected error against the real one, and blur that was put into photos."""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
import rasterio

from imagery.mosaic import make_mosaic
from imagery.photo_tags import embed_tags, read_tags

from .test_control import control_rows, write_rows
from .test_mosaic import OPTIONS, offsets_px

BLURRED = {"P007.JPG": 6.0, "P002.JPG": 3.0}
"""Photos and the Gaussian (pixels) that is put on them."""


@pytest.fixture(scope="module")
def blurred(known_block, tmp_path_factory):
    """(report, file) of the known block with two blurred photos."""
    folder = tmp_path_factory.mktemp("blurred")
    shutil.copytree(known_block.folder, folder / "photos")
    for name, sigma_px in BLURRED.items():
        path = folder / "photos" / name
        soft = cv2.GaussianBlur(cv2.imread(str(path)), (0, 0), sigma_px)
        _, data = cv2.imencode(".jpg", soft, [cv2.IMWRITE_JPEG_QUALITY, 92])
        path.write_bytes(embed_tags(data.tobytes(), read_tags(path)))
    return make_mosaic(folder / "photos", folder / "o.tif", OPTIONS), folder / "o.tif"


def raster(file, name):
    """(values, valid) of a companion."""
    with rasterio.open(file.with_name(f"{file.stem}.{name}.tif")) as source:
        return source.read(1), source.dataset_mask() > 0


def test_the_promised_error_of_cells_is_that_of_the_mosaic(known_block, tmp_path):
    """With control points that are as good as they say (2 cm)."""
    control = write_rows(tmp_path / "gcp.csv", control_rows(known_block.poses, sigma_m=0.02))
    file = tmp_path / "o.tif"
    report = make_mosaic(known_block.folder, file, replace(OPTIONS, control=control))
    values, valid = raster(file, "accuracy")
    promised_m = float(np.sqrt((values[valid] ** 2).mean()))
    off = offsets_px(known_block, file) * report.gsd_m
    real_m = float(np.sqrt((off**2).sum(axis=1).mean()))
    print(f"promised {promised_m:.3f} m, real {real_m:.3f} m")
    assert 0.5 < promised_m / real_m < 2.0
    source, _ = raster(file, "source")
    assert (valid == (source > 0)).all()
    assert report.report()["expected_error_m"] == pytest.approx(promised_m, rel=0.5)


def test_a_photo_held_by_its_tags_alone_is_marked(known_block, tmp_path):
    """A photo of open water between the others: nothing in it can be matched."""
    folder = tmp_path / "photos"
    shutil.copytree(known_block.folder, folder)
    path = folder / "P014.JPG"
    rng = np.random.default_rng(3)
    water = cv2.GaussianBlur(rng.normal(90, 30, (900, 1200, 3)).astype(np.float32), (0, 0), 4).astype(
        np.uint8
    )
    _, data = cv2.imencode(".jpg", water)
    path.write_bytes(embed_tags(data.tobytes(), read_tags(path)))
    report = make_mosaic(folder, tmp_path / "o.tif", OPTIONS).report()
    assert report["placed_by_priors"] == ["P014.JPG"]
    source, _ = raster(tmp_path / "o.tif", "source")
    values, _ = raster(tmp_path / "o.tif", "accuracy")
    mine = source == 15
    assert mine.any()
    assert values[mine].min() > 3 * np.median(values[(source > 0) & ~mine])


def test_blurred_photos_stand_out_and_the_cells_they_paint_say_so(blurred):
    report, file = blurred
    blur = {share.name: share.blur_px for share in report.account.shares}
    print({name: round(px, 1) for name, px in blur.items()})
    sharp = max(px for name, px in blur.items() if name not in BLURRED)
    for name, sigma_px in BLURRED.items():
        assert blur[name] == pytest.approx(sigma_px, rel=0.4)
        assert blur[name] > 4 * sharp
    source, _ = raster(file, "source")
    values, valid = raster(file, "blur")
    number = 1 + sorted(blur).index("P007.JPG")
    mine = valid & (source == number)
    assert np.median(values[mine]) > 3
    assert np.median(values[valid & (source != number)]) < 1
