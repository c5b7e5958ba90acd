"""A disk that fills in the midst of an export: one line that says so, and nothing half written is left."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from imagery.deliver import FORMATS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files by setrlimit")

_EXPORT = """
import json, resource, signal, sys
from pathlib import Path
from imagery.deliver import export
from imagery.errors import DeliveryError

folder, out, limit, formats = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4].split(",")
export(folder, ["csv"], out / "warm")  # what is written once and kept elsewhere: fonts' lists
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
told = {}
for name in formats:
    try:
        told[name] = ["made", *(path.name for path in export(folder, [name], out / name, paper="a4"))]
    except DeliveryError as error:
        told[name] = ["refused", str(error)]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(json.dumps(told))
"""


@pytest.mark.parametrize("limit", [2_000, 30_000])
def test_every_format_gives_up_cleanly(folder, tmp_path, limit) -> None:
    formats = [name for name in FORMATS if name not in ("stac", "png", "pmtiles")]
    done = subprocess.run(
        [sys.executable, "-c", _EXPORT, str(folder), str(tmp_path), str(limit), ",".join(formats)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert set(told) == set(formats)
    refused = {name: words[1] for name, words in told.items() if words[0] == "refused"}
    assert {"gpkg", "pdf", "mbtiles", "xlsx" if limit < 10_000 else "cog"} <= set(refused)
    assert limit > 10_000 or {"kmz", "shp", "geojson", "fgb", "ems", "brief"} <= set(refused)
    for name, words in refused.items():
        assert "\n" not in words, name
        assert "free some space" in words or "cannot be" in words, (name, words)
    for name in formats:
        left = sorted(path.name for path in (tmp_path / name).iterdir())
        made = told[name][1:] if told[name][0] == "made" else []
        assert [file for file in left if file.startswith(".")] == [], name
        if told[name][0] == "made":
            assert left == sorted(made)
        for file in left:
            assert (tmp_path / name / file).stat().st_size <= limit
