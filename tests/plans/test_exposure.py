"""Rasters of what is at stake: any values, any CRS, nodata as nothing."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from shapely import box

from plans.errors import TerrainError
from plans.exposure import exposed_share, read_exposure

from .conftest import FRAME

AREA = (-500.0, -500.0, 500.0, 500.0)


def write(path, values, transform, crs=None, **more):
    rows, cols = values.shape
    profile = {"driver": "GTiff", "width": cols, "height": rows, "count": 1, "dtype": values.dtype}
    crs = FRAME.crs.to_wkt() if crs is None else crs
    with rasterio.open(path, "w", crs=crs or None, transform=transform, **profile, **more) as out:
        out.write(values, 1)
    return path


def local(step_m, half_m=1000.0):
    return Affine(step_m, 0, -half_m, 0, -step_m, half_m)


def test_values_that_no_height_could_have_are_kept_and_nodata_is_nothing(tmp_path):
    values = np.full((20, 20), 50_000, "float32")
    values[:, 12] = -9999
    values[5] = np.nan
    values[7] = -3
    values[9] = 3.4e38
    for more in ({"nodata": -9999}, {}):
        exposure = read_exposure(write(tmp_path / "a.tif", values, local(100.0), **more), FRAME, AREA)
        at = exposure.at
        assert at(-50.0, 450.0)[()] == 0  # row 5
        assert at(-50.0, 250.0)[()] == 0  # row 7
        assert at(-50.0, 50.0)[()] == 0  # row 9
        assert at(250.0, 350.0)[()] == 0  # column 12
        assert at(-50.0, 350.0)[()] == pytest.approx(50_000)
        share, total = exposed_share(exposure, box(*AREA))
        assert share == 1.0
        assert total > 0


def test_whole_numbers_and_degrees(tmp_path):
    lat, lon = FRAME.to_geo(0.0, 0.0)
    step = 0.001
    transform = Affine(step, 0, float(lon) - 10.5 * step, 0, -step, float(lat) + 10.5 * step)
    values = np.zeros((21, 21), "uint16")
    values[10, 10] = 60_000
    exposure = read_exposure(write(tmp_path / "a.tif", values, transform, "EPSG:4326", nodata=0), FRAME, AREA)
    assert exposure.at(0.0, 0.0) == pytest.approx(60_000, rel=0.01)
    assert exposure.at(300.0, 0.0) == 0


def test_single_houses_are_not_missed_between_cells(tmp_path):
    values = np.zeros((2000, 2000), "float32")
    values[1000, 1210] = 400.0
    exposure = read_exposure(write(tmp_path / "a.tif", values, local(1.0)), FRAME, AREA)
    assert exposure.step_m >= 20
    near = exposure.at(*np.meshgrid(np.arange(180.0, 240.0, 5.0), np.arange(-30.0, 30.0, 5.0)))
    assert near.max() == pytest.approx(1.0, rel=0.3)  # 400 people on 20 x 20 cells
    assert exposure.at(0.0, 200.0) == 0


def test_outside_of_the_raster_nothing_is_known(tmp_path):
    values = np.ones((10, 10), "float32")
    exposure = read_exposure(write(tmp_path / "a.tif", values, Affine(100, 0, 0, 0, -100, 500)), FRAME, AREA)
    assert np.isnan(exposure.at(-400.0, 0.0))
    share, _ = exposed_share(exposure, box(*AREA))
    assert share == pytest.approx(0.5, abs=0.025)


def test_what_is_no_raster_of_the_place_is_refused_by_name(tmp_path):
    values = np.ones((10, 10), "float32")
    for path, says in (
        (tmp_path / "none.tif", "none.tif: no such file"),
        (write(tmp_path / "far.tif", values, Affine(0.01, 0, 5, 0, -0.01, 50), "EPSG:4326"), "not touch"),
        (write(tmp_path / "flat.tif", values, local(100.0), ""), "no coordinate system"),
    ):
        with pytest.raises(TerrainError, match=says):
            read_exposure(path, FRAME, AREA)
    text = tmp_path / "a.txt"
    text.write_text("people")
    with pytest.raises(TerrainError, match=r"a\.txt: not a raster"):
        read_exposure(text, FRAME, AREA)
