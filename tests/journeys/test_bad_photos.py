"""Folders of photos as they come back from the field: the mosaic is made of what is good, what is not is
named with the reason, and only a folder without a single usable photo fails, in one line."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import imagery.mosaic
from missionctl.cli.main import main
from tests.imagery.conftest import (
    CAMERA,
    KnownBlock,
    ground_texture,
    take_photo,
    true_poses,
    write_block,
    write_photo,
)
from tests.imagery.test_mosaic import offsets_px

PHOTOS = 8
"""Of three lanes of five: the first lane, and over the middle of the second."""


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A small block without a fault."""
    folder = tmp_path_factory.mktemp("good") / "photos"
    folder.mkdir()
    return write_block(folder, ground_texture(), true_poses()[:PHOTOS])


@pytest.fixture
def folder(good, tmp_path):
    """The photos of the good block, to be spoiled."""
    return shutil.copytree(good.folder, tmp_path / "photos")


@pytest.fixture
def mosaic(tmp_path, monkeypatch, capsys):
    """Run `missionctl mosaic FOLDER` in this process; gives (exit code, report or last line of stderr)."""

    def run(folder, *more):
        out = tmp_path / "out" / "o.tif"
        words = ["mosaic", folder, "-o", out, "--quality", "quick", "--json", *more]
        monkeypatch.setattr(sys, "argv", ["missionctl", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        if ended.value.code in (0, None):
            return 0, json.loads(said.out)
        assert not out.parent.exists() or list(out.parent.iterdir()) == []
        return ended.value.code, said.err.strip().splitlines()[-1]

    return run


def assert_right(good, folder, report, placed=PHOTOS):
    """The mosaic shows the ground where it is, and no hidden or half file lies about."""
    out = folder.parent / "out"
    assert sorted(p.name for p in out.iterdir()) == ["o.source.tif", "o.tif", "o.views.tif"]
    assert report["placed"] == placed
    off = offsets_px(KnownBlock(folder, good.ground, good.poses), out / "o.tif", patch_px=64)
    assert len(off) > 20
    assert np.sqrt((off**2).sum(axis=1).mean()) < 1.0


def left_out(report):
    """{photo: reason} of a report; each reason is a line."""
    assert not any("\n" in d["reason"] for d in report["dropped"])
    return {d["photo"]: d["reason"] for d in report["dropped"]}


def sky():
    """A bright photo with soft clouds and the noise of a sensor."""
    rng = np.random.default_rng(5)
    soft = rng.normal(0, 25, (6, 8)).astype(np.float32)
    clouds = cv2.resize(soft, (1200, 900), interpolation=cv2.INTER_CUBIC)
    picture = np.array([235.0, 200.0, 150.0]) + clouds[..., None] + rng.normal(0, 1.5, (900, 1200, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


def night(ground, pose):
    """The ground by the light of nothing."""
    rng = np.random.default_rng(6)
    picture = take_photo(ground, pose) * 0.03 + rng.normal(0, 2, (900, 1200, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


def test_a_photo_cut_short_is_left_out(good, folder, mosaic):
    victim = folder / "P002.JPG"
    victim.write_bytes(victim.read_bytes()[:60_000])
    code, report = mosaic(folder)
    assert code == 0
    assert "cut short" in left_out(report)["P002.JPG"]
    assert_right(good, folder, report, PHOTOS - 1)


def test_a_file_that_is_no_photo_is_left_out(good, folder, mosaic):
    (folder / "P099.JPG").write_bytes(b"not a photo at all")
    code, report = mosaic(folder)
    assert code == 0
    assert "not a readable photo" in left_out(report)["P099.JPG"]
    assert_right(good, folder, report)


@pytest.mark.parametrize("beside_m", [0.0, 30.0])
def test_a_photo_of_the_sky_is_not_painted_over_the_ground(good, folder, mosaic, beside_m):
    pose = replace(good.poses[2], north_m=good.poses[2].north_m - beside_m)
    write_photo(folder / "SKY.JPG", sky(), pose, 0.03, 20)
    code, report = mosaic(folder)
    assert code == 0
    assert "sky" in left_out(report)["SKY.JPG"]
    assert_right(good, folder, report)


def test_a_photo_that_looks_at_the_horizon_is_left_out(good, folder, mosaic):
    write_photo(folder / "LEVEL.JPG", sky(), replace(good.poses[2], pitch_deg=0.0), 0.03, 20)
    code, report = mosaic(folder)
    assert code == 0
    assert "level" in left_out(report)["LEVEL.JPG"]
    assert_right(good, folder, report)


def test_a_night_photo_is_left_out(good, folder, mosaic):
    write_photo(folder / "NIGHT.JPG", night(good.ground, good.poses[2]), good.poses[2], 0.03, 20)
    code, report = mosaic(folder)
    assert code == 0
    assert "black" in left_out(report)["NIGHT.JPG"]
    assert_right(good, folder, report)


def test_of_two_zones_the_larger_becomes_the_mosaic(good, folder, mosaic):
    for n in range(3):
        far = replace(good.poses[n], east_m=good.poses[n].east_m + 5000)
        write_photo(folder / f"Q{n}.JPG", take_photo(good.ground, good.poses[n]), far, 0.03, 20 + n)
    code, report = mosaic(folder)
    assert code == 0
    assert set(left_out(report)) == {"Q0.JPG", "Q1.JPG", "Q2.JPG"}
    assert "5.0 km east" in left_out(report)["Q0.JPG"]
    assert_right(good, folder, report)


def test_the_same_file_twice_counts_once(good, folder, mosaic):
    for n in (0, 4):
        shutil.copy(folder / f"P00{n}.JPG", folder / f"P00{n} (1).JPG")
    code, report = mosaic(folder)
    assert code == 0
    assert "P004.JPG" in left_out(report)["P004 (1).JPG"]
    assert set(left_out(report)) == {"P000 (1).JPG", "P004 (1).JPG"}
    assert_right(good, folder, report)


def test_everything_at_once(good, folder, mosaic):
    victim = folder / "P007.JPG"
    victim.write_bytes(victim.read_bytes()[:40_000])
    (folder / "P098.JPG").write_bytes(b"")
    write_photo(folder / "SKY.JPG", sky(), good.poses[2], 0.03, 20)
    write_photo(folder / "NIGHT.JPG", night(good.ground, good.poses[2]), good.poses[2], 0.03, 21)
    shutil.copy(folder / "P000.JPG", folder / "P000 (1).JPG")
    code, report = mosaic(folder)
    assert code == 0
    assert set(left_out(report)) == {"P007.JPG", "P098.JPG", "SKY.JPG", "NIGHT.JPG", "P000 (1).JPG"}
    assert_right(good, folder, report, PHOTOS - 1)


def test_photos_of_another_size_are_part_of_the_mosaic(good, folder, mosaic):
    """A camera that was set to small photos on the way."""
    small = CAMERA.scaled(600, 450)
    for n in (2, 5):
        write_photo(
            folder / f"P00{n}.JPG",
            take_photo(good.ground, good.poses[n], small),
            good.poses[n],
            0.03,
            n,
            small,
        )
    code, report = mosaic(folder)
    assert code == 0
    assert left_out(report) == {}
    assert_right(good, folder, report)


def without_roots_power():
    """Words before a command: root may read everything unless it lays that power down."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("root without setpriv")
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]


@pytest.mark.skipif(os.name == "nt", reason="permissions, POSIX only")
@pytest.mark.parametrize("spoiled", ["P006.JPG", "."])
def test_what_may_not_be_read_is_told(folder, tmp_path, spoiled):
    """One photo: it is left out. The folder: the run fails in one line."""
    (folder / spoiled).chmod(0)
    words = ["mosaic", folder, "-o", tmp_path / "o.tif", "--quality", "quick", "--json"]
    command = [*without_roots_power(), sys.executable, "-m", "missionctl.cli.main", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    finally:
        (folder / spoiled).chmod(0o755)
    if spoiled == ".":
        assert done.returncode == 2
        assert "photos' is not readable" in done.stderr.strip().splitlines()[-1]
        assert not (tmp_path / "o.tif").exists()
    else:
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["placed"] == PHOTOS - 1
        assert "Permission denied" in left_out(report)["P006.JPG"]


@pytest.mark.parametrize("how", ["gone", "cut", "may not be read"])
def test_a_photo_that_goes_during_the_run_is_left_out(good, folder, mosaic, monkeypatch, how):
    """The card is pulled for one of them after features were found: between reading and painting."""
    monkeypatch.setattr("imagery.mosaic.KEPT_SHARE", 0.0)  # a block that does not fit into memory
    victim, lay_out = folder / "P005.JPG", imagery.mosaic.lay_out

    def spoiled(*given):
        if how == "gone":
            victim.unlink(missing_ok=True)
        elif how == "cut":
            victim.write_bytes(victim.read_bytes()[:30_000])
        else:
            read_bytes = Path.read_bytes
            monkeypatch.setattr(Path, "read_bytes", lambda path: refuse(path, read_bytes))
        return lay_out(*given)

    def refuse(path, read_bytes):
        if path == victim:
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr("imagery.mosaic.lay_out", spoiled)
    code, report = mosaic(folder)
    assert code == 0
    assert set(left_out(report)) == {"P005.JPG"}
    assert "it could be read when the run began" in left_out(report)["P005.JPG"]
    assert_right(good, folder, report, PHOTOS - 1)


@pytest.mark.parametrize("names", [["P003.JPG"], ["P002.JPG", "P003.JPG"]])
def test_one_or_two_photos_make_a_mosaic(good, tmp_path, mosaic, names):
    few = tmp_path / "few"
    few.mkdir()
    for name in names:
        shutil.copy(good.folder / name, few)
    code, report = mosaic(few)
    assert code == 0
    assert report["placed"] == len(names)
    assert report["area_m2"] > 2500
    off = offsets_px(KnownBlock(few, good.ground, good.poses), tmp_path / "out" / "o.tif", patch_px=64)
    believed_m = 0.03 + 45 * np.radians(1.0)  # by the tags alone: the receiver's and the gimbal's errors
    assert np.abs(np.median(off, axis=0)).max() * report["gsd_cm"] / 100 < 2.5 * believed_m


@pytest.mark.parametrize("picture", ["sky", "night"])
def test_nothing_usable_fails_in_one_line(good, tmp_path, mosaic, picture):
    bad = tmp_path / "bad"
    bad.mkdir()
    shown = sky() if picture == "sky" else night(good.ground, good.poses[0])
    write_photo(bad / "A.JPG", shown, good.poses[0], 0.03, 0)
    (bad / "B.JPG").write_bytes(b"\xff\xd8\xff")
    code, line = mosaic(bad)
    assert code == 2
    assert "no usable photo" in line
    assert "A.JPG" in line


@pytest.mark.skipif(os.name == "nt", reason="a limit on the size of files stands for a full disk, POSIX only")
@pytest.mark.parametrize("bytes_left", [0, 100_000])
def test_a_disk_that_fills_leaves_the_old_mosaic_and_nothing_half(good, tmp_path, bytes_left):
    import resource

    out = tmp_path / "out" / "o.tif"
    out.parent.mkdir()
    out.write_bytes(b"the mosaic of yesterday")
    done = subprocess.run(
        [sys.executable, "-m", "missionctl.cli.main", "mosaic", good.folder, "-o", out, "--quality", "quick"],
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, bytes_left)),
    )
    assert done.returncode == 2, done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert "o.tif" in line
    assert "space" in line
    assert [p.name for p in out.parent.iterdir()] == ["o.tif"]
    assert out.read_bytes() == b"the mosaic of yesterday"
