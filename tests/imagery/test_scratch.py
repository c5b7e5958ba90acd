"""What is not whole yet is hidden, and goes when who wrote it was killed."""

import os
import subprocess
import sys

import pytest

from imagery.errors import RasterError
from imagery.mosaic import MosaicOptions, make_mosaic
from imagery.raster_io import whole_file
from imagery.scratch import must_be_writable, scratch_beside

KILLED = """
import os, signal, sys
from pathlib import Path
from imagery.raster_io import whole_file
with whole_file(Path(sys.argv[1])) as part:
    part.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="whether a process still runs is asked on POSIX only")
def test_what_a_killed_process_left_is_removed_and_what_stood_there_stays(tmp_path):
    out = tmp_path / "o.tif"
    out.write_bytes(b"whole")
    subprocess.run([sys.executable, "-c", KILLED, str(out)], check=False, timeout=60)
    assert [p.read_bytes() for p in sorted(tmp_path.iterdir())] == [b"half", b"whole"]
    beside = tmp_path / "other.tif"
    with whole_file(beside) as part:
        part.write_bytes(b"another")
        assert len(list(tmp_path.glob(".o.part*"))) == 1  # of another output: let be
    with whole_file(out) as part:
        part.write_bytes(b"new")
    assert out.read_bytes() == b"new"
    assert not list(tmp_path.glob(".o.*"))


def test_what_a_running_process_writes_is_let_be(tmp_path):
    with whole_file(tmp_path / "o.tif") as first:
        first.write_bytes(b"at work")
        assert scratch_beside(tmp_path / "o.tif", "part") == first
        assert first.read_bytes() == b"at work"


def test_a_name_that_cannot_be_written_is_told_before_any_work(known_block, tmp_path):
    (tmp_path / "file").write_text("no folder")
    stages = []
    with pytest.raises(RasterError, match=r"file/o\.tif: cannot be written"):
        make_mosaic(
            known_block.folder, tmp_path / "file" / "o.tif", MosaicOptions(), lambda *s: stages.append(s)
        )
    with pytest.raises(RasterError, match="is a folder"):
        make_mosaic(known_block.folder, tmp_path, MosaicOptions(), lambda *s: stages.append(s))
    assert stages == []


def test_asking_makes_no_folder(tmp_path):
    must_be_writable(tmp_path / "new" / "o.tif")
    assert list(tmp_path.iterdir()) == []
