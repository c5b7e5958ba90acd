"""What is exported, read back by the system's own GDAL, an older one than ours."""

import shutil
import subprocess
from pathlib import Path

import pytest

from imagery.deliver import FORMATS, export

pytestmark = pytest.mark.skipif(shutil.which("ogrinfo") is None, reason="no ogrinfo here (gdal-bin)")


@pytest.fixture(scope="module")
def exported(tmp_path_factory, folder) -> Path:
    out = tmp_path_factory.mktemp("exported")
    export(folder, [name for name in FORMATS if name not in ("pdf", "png")], out, lang="zh")
    return out


def read(*words: object) -> str:
    """What a program prints; it may complain of nothing."""
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=True)
    assert not done.stderr, f"{words}: {done.stderr}"
    return done.stdout


def test_every_vector_file_is_read_with_its_words(exported) -> None:
    package = read("ogrinfo", "-al", "-so", exported / "damage.gpkg")
    assert "Layer name: buildings" in package
    for file in sorted(exported.glob("*.geojson")):
        assert "Feature Count" in read("ogrinfo", "-al", "-so", file)
    for file in sorted(exported.glob("*.shp.zip")):
        assert "Feature Count" in read("ogrinfo", "-al", "-so", f"/vsizip/{file}")
    assert "下河镇" in read("ogrinfo", "-al", exported / "townships.geojson")
    assert "下河镇" in read("ogrinfo", "-al", f"/vsizip/{exported / 'townships.shp.zip'}")


def test_every_raster_is_read_with_its_classes(exported) -> None:
    rasters = sorted(exported.glob("*.tif")) + sorted(exported.glob("*.mbtiles"))
    assert len(rasters) >= 4
    for file in rasters:
        assert "Size is" in read("gdalinfo", "-checksum", file)
    classes = read("gdalinfo", exported / "classes.tif")
    assert "Color Table" in classes
    assert "NoData Value" in classes
    assert "LAYOUT=COG" in classes
