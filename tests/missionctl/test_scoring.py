"""The position score tells a known shift, and does not hide a mosaic that is far off."""

import cv2
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from missionctl.services.scoring import score_position

GSD_M = 0.1


@pytest.fixture(scope="module")
def texture():
    rng = np.random.default_rng(5)
    fine = rng.normal(0, 1, (1200, 1200)).astype(np.float32)
    grey = sum(cv2.GaussianBlur(fine, (0, 0), s) * s for s in (1.5, 4.0, 12.0))
    return np.clip(128 + 40 * grey / grey.std(), 0, 255).astype(np.uint8)


def write(path, grey, east_m=0.0, north_m=0.0):
    profile = {
        "driver": "GTiff",
        "count": 3,
        "dtype": "uint8",
        "height": grey.shape[0],
        "width": grey.shape[1],
        "crs": "EPSG:32648",
        "transform": from_origin(500000 + east_m, 3300000 + north_m, GSD_M, GSD_M),
    }
    with rasterio.open(path, "w", **profile) as dst:
        dst.write(np.stack([grey] * 3))
    return path


@pytest.mark.parametrize(("east_m", "north_m"), [(0.0, 0.0), (0.13, 0.0), (-0.25, 0.41)])
def test_a_known_shift_is_measured(tmp_path, texture, east_m, north_m):
    truth = write(tmp_path / "truth.tif", texture)
    moved = write(tmp_path / "moved.tif", texture, east_m, north_m)
    score = score_position(moved, truth)
    assert score.patches > 50
    assert score.mean_east_m == pytest.approx(-east_m, abs=0.02)
    assert score.mean_north_m == pytest.approx(-north_m, abs=0.02)
    assert score.rmse_m == pytest.approx(np.hypot(east_m, north_m), abs=0.03)


def test_a_mosaic_far_off_scores_no_patch_instead_of_a_good_one(tmp_path, texture):
    truth = write(tmp_path / "truth.tif", texture)
    moved = write(tmp_path / "moved.tif", texture, east_m=9.0)
    score = score_position(moved, truth)
    assert score.patches == 0
    assert score.unclear > 50
    assert not score.rmse_gsd <= 2
