"""COGs are whole, valid, and carry their names and colours."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rio_cogeo import cog_validate

from imagery.errors import RasterError
from imagery.raster_io import finish_cog, whole_file, write_cog

TRANSFORM = Affine(0.5, 0, 500_000, 0, -0.5, 4_000_000)
CRS = "EPSG:32633"


def test_class_raster_keeps_values_colours_and_names(tmp_path: Path) -> None:
    classes = (np.arange(700 * 900) % 5).astype(np.uint8).reshape(700, 900)
    path = tmp_path / "classes.tif"
    write_cog(
        path,
        classes,
        TRANSFORM,
        CRS,
        nodata=0,
        colormap={0: (0, 0, 0, 0), 1: (10, 20, 255), 2: (90, 60, 30)},
        names={1: "water", 2: "mud & debris"},
    )
    assert cog_validate(path)[0]
    with rasterio.open(path) as source:
        assert np.array_equal(source.read(1), classes)
        assert source.nodata == 0
        assert source.colormap(1)[1] == (10, 20, 255, 255)
        assert source.tags(1)["CLASS_2"] == "mud & debris"
        assert source.transform == TRANSFORM
        assert source.overviews(1)
    assert "<Category>mud &amp; debris</Category>" in (tmp_path / "classes.tif.aux.xml").read_text()


def test_bands_mask_and_band_names(tmp_path: Path) -> None:
    rgb = np.full((3, 300, 400), 77, np.uint8)
    mask = np.zeros((300, 400), bool)
    mask[:, :100] = True
    write_cog(tmp_path / "rgb.tif", rgb, TRANSFORM, CRS, mask=mask)
    with rasterio.open(tmp_path / "rgb.tif") as source:
        assert (source.dataset_mask()[:, :100] == 255).all()
        assert (source.dataset_mask()[:, 100:] == 0).all()
    heights = np.zeros((40, 30), np.float32)
    write_cog(
        tmp_path / "h.tif", [heights, heights + 1], TRANSFORM, CRS, nodata=np.nan, names=["low", "high"]
    )
    with rasterio.open(tmp_path / "h.tif") as source:
        assert source.descriptions == ("low", "high")
        assert source.read(2).max() == 1


def test_jpeg_cog_is_close_and_keeps_its_mask(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 600).astype(np.uint8), (3, 600, 1))
    mask = np.zeros((600, 600), bool)
    mask[100:500, 100:500] = True
    write_cog(tmp_path / "plain.tif", ramp, TRANSFORM, CRS, mask=mask)
    finish_cog(tmp_path / "plain.tif", tmp_path / "jpeg.tif", jpeg_quality=92)
    assert cog_validate(tmp_path / "jpeg.tif")[0]
    with rasterio.open(tmp_path / "jpeg.tif") as source:
        assert np.array_equal(source.dataset_mask() > 0, mask)
        assert np.abs(source.read(1)[mask].astype(int) - ramp[0][mask]).max() < 12


def test_nothing_stands_under_the_final_name_when_writing_stops(tmp_path: Path) -> None:
    path = tmp_path / "out.tif"

    def write_half() -> None:
        with whole_file(path) as part:
            part.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RasterError, match=r"file/out\.tif.*choose another"):
        write_cog(tmp_path / "file" / "out.tif", np.zeros((20, 20), np.uint8), TRANSFORM, CRS)
