"""What cannot be judged is said with its reason, and never counted as unharmed."""

import cv2
import numpy as np
import pyogrio.raw
import pytest
import rasterio
from affine import Affine

from imagery.damage import map_damage
from imagery.damage.analysable import (
    ANALYSIS,
    BLURRED,
    CLOUD,
    GLINT,
    MISPLACED,
    NO_IMAGERY,
    SEEN,
    TOO_FEW_PHOTOS,
    blurred,
    cloud,
    glint,
)
from imagery.damage.features import View

PIXEL_M = 0.2


def ground(side: int = 300, seed: int = 3) -> np.ndarray:
    """(side, side, 3) of structure at all scales, as fields and yards have."""
    rng = np.random.default_rng(seed)
    grey = sum(
        cv2.resize(rng.normal(0, size, (side // k,) * 2), (side, side), interpolation=cv2.INTER_CUBIC)
        for k, size in ((1, 6), (2, 7), (5, 8), (12, 22), (25, 22))
    )
    return np.clip(np.array([118, 112, 84]) + grey[..., None], 0, 255).astype(np.uint8)


def view(rgb: np.ndarray) -> View:
    return View(rgb, np.ones(rgb.shape[:2], bool))


def test_sharp_ground_is_neither_blurred_nor_glint_nor_cloud() -> None:
    for look in (blurred, glint, cloud):
        assert not look(view(ground()), PIXEL_M).any()


def test_a_blurred_half_is_found_and_the_sharp_half_is_left() -> None:
    rgb = ground()
    rgb[:, 150:] = cv2.GaussianBlur(rgb, (0, 0), 4.0)[:, 150:]
    found = blurred(view(rgb), PIXEL_M)
    assert found[:, 180:].mean() > 0.7
    assert found[:, :120].mean() < 0.01


def test_calm_water_is_not_called_blurred() -> None:
    rgb = np.full((300, 300, 3), (140, 116, 84), np.uint8)
    rgb[:] = rgb + np.random.default_rng(0).normal(0, 1.2, (300, 300, 1)).astype(np.int8)
    assert not blurred(view(rgb), PIXEL_M).any()


def test_the_suns_glint_is_found_and_a_white_car_is_not() -> None:
    rgb = ground()
    rgb[100:140, 100:160] = 255
    rgb[200:203, 200:209] = 255
    found = glint(view(rgb), PIXEL_M)
    assert found[105:135, 105:155].all()
    assert not found[190:220, 190:220].any()


def test_a_bank_of_fog_is_found_and_a_concrete_roof_is_not() -> None:
    rgb = ground()
    rgb[20:200, 20:200] = (rgb[20:200, 20:200] * 0.06 + 205).astype(np.uint8)
    rgb[220:270, 220:280] = (205, 203, 198)
    found = cloud(view(rgb), PIXEL_M)
    assert found[50:170, 50:170].all()
    assert not found[215:, 215:].any()


@pytest.fixture(scope="module")
def judged(place, all_inputs, make_raster, tmp_path_factory):
    """The place with companions that take a corner for each reason."""
    folder = tmp_path_factory.mktemp("companions")
    mosaic = folder / "m.tif"
    mosaic.write_bytes(place.after.read_bytes())
    with rasterio.open(mosaic) as source:
        coarse = source.transform * Affine.scale(10)
        shape = (source.height // 10, source.width // 10)
    views = np.full(shape, 9, np.uint8)
    views[60:, :20] = 0
    blur = np.full(shape, 0.5, np.float32)
    blur[60:, 30:50] = 9.0
    error = np.full(shape, 1.0, np.float32)
    error[:15, 30:40] = 6.0
    make_raster(folder / "m.views.tif", views, transform=coarse)
    make_raster(folder / "m.blur.tif", blur, transform=coarse, nodata=-1)
    make_raster(folder / "m.accuracy.tif", error, transform=coarse, nodata=-1)
    return map_damage(mosaic, folder / "out", all_inputs)


def test_each_reason_has_its_code_and_its_area(judged) -> None:
    with rasterio.open(judged.folder / "not_analysed.tif") as source:
        codes = source.read(1)
    rows, cols = codes.shape
    assert codes[rows // 2, cols // 2] == SEEN
    assert codes[int(0.9 * rows), int(0.1 * cols)] == TOO_FEW_PHOTOS
    assert codes[int(0.9 * rows), int(0.45 * cols)] == BLURRED
    assert codes[int(0.1 * rows), int(0.39 * cols)] == MISPLACED
    assert codes[rows // 2, 2] == NO_IMAGERY
    by_reason = judged.report()["not_analysed_by_reason_m2"]
    assert {"no_imagery", "too_few_photos", "blurred", "misplaced"} <= set(by_reason)
    assert sum(by_reason.values()) == pytest.approx(judged.report()["not_analysed_m2"], abs=1.0)
    assert {e.code for e in ANALYSIS} >= {GLINT, CLOUD}


def test_what_was_not_analysed_is_in_no_class_no_change_and_no_depth(judged) -> None:
    with rasterio.open(judged.folder / "not_analysed.tif") as source:
        unseen = source.read(1) != SEEN
    for name in ("classes", "change", "confidence"):
        with rasterio.open(judged.folder / f"{name}.tif") as source:
            assert (source.read(1)[unseen] == 0).all(), name


def test_houses_and_roads_that_were_not_seen_are_counted_as_that(judged, mapped) -> None:
    told, whole = judged.report(), mapped.report()
    assert told["buildings"]["Not Analysed"] > whole["buildings"]["Not Analysed"]
    assert sum(told["buildings"].values()) == sum(whole["buildings"].values())
    meta, _, _, values = pyogrio.raw.read(judged.folder / "damage.gpkg", layer="buildings")
    columns = dict(zip(meta["fields"], values, strict=True))
    hidden = columns["seen_share"] < 0.5
    assert hidden.any()
    assert set(columns["grade"][hidden]) == {"Not Analysed"}
    assert not columns["flooded"][hidden].any()
    assert not columns["flood_trace"][hidden].any()
    for town in told["townships"]:
        assert 0 < town["seen_share"] < 1
    everybody = 4 * 12
    assert whole["people_not_seen"] < told["people_not_seen"] <= everybody - told["people_exposed"]
    seen_m2 = sum(t["seen_m2"] for t in told["townships"])
    assert seen_m2 == pytest.approx(told["analysed_m2"], rel=0.01)


def test_plain_ground_beside_a_sharp_edge_is_not_called_blurred() -> None:
    rgb = np.full((150, 200, 3), 90, np.uint8)
    rgb[:, 100:] = 190
    assert not blurred(view(rgb), PIXEL_M).any()


def test_the_rim_of_a_mosaic_is_not_called_blurred() -> None:
    grain = np.random.default_rng(3).normal(120, 2.4, (150, 200, 3))
    rgb = grain.clip(0, 255).astype(np.uint8)
    valid = np.zeros((150, 200), bool)
    valid[30:, 40:] = True
    rgb[~valid] = 0
    assert not blurred(View(rgb, valid), PIXEL_M).any()
