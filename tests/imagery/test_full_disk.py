"""A raster that does not fit on the disk: one line, and nothing half written."""

import subprocess
import sys

import pytest

resource = pytest.importorskip("resource", reason="limits the size of files; POSIX only")

SCRIPT = """
import resource, sys
from pathlib import Path
import numpy as np
from affine import Affine
from imagery.errors import RasterError
from imagery.raster_io import write_cog
noise = np.random.default_rng(0).integers(0, 60000, (1500, 1500), dtype=np.uint16)
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    write_cog(Path(sys.argv[1]), noise, Affine(1, 0, 5e5, 0, -1, 3e6), "EPSG:32648", nodata=0)
except RasterError as error:
    print(error)
"""


@pytest.mark.parametrize("bytes_left", [0, 1000, 300_000])
def test_a_cog_that_does_not_fit_leaves_nothing(tmp_path, bytes_left):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "c.tif"), str(bytes_left)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "c.tif: cannot be written" in done.stdout
    assert done.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
