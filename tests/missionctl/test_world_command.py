"""missionctl world: worlds for the simulator from the command line."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from sim.world import load_world
from sim.world.store import read_band


def test_a_valley_of_a_chosen_stage(run_json, tmp_path):
    told = run_json("world", tmp_path / "w", "--seed", 3, "--size", 600, "--pixel", 100, "--stage", 2)
    world = load_world(tmp_path / "w")
    assert (told["width_m"], told["pixel_m"], told["stage_m"]) == (600, 1.0, 2.0)
    assert told["launch"] == pytest.approx(
        [world.launch.lat_deg, world.launch.lon_deg, world.launch.alt_amsl_m]
    )
    assert (read_band(world.truth_depth) > 0).mean() > 0.2


def test_a_real_place_from_its_rasters(run, tmp_path):
    rng = np.random.default_rng(1)
    transform = from_origin(500_000, 3_300_000, 0.5, 0.5)
    profile = {"driver": "GTiff", "crs": "EPSG:32648", "transform": transform, "height": 300, "width": 400}
    with rasterio.open(tmp_path / "o.tif", "w", count=3, dtype="uint8", **profile) as sink:
        sink.write(rng.integers(40, 200, (3, 300, 400)).astype(np.uint8))
    with rasterio.open(tmp_path / "d.tif", "w", count=1, dtype="float32", **profile) as sink:
        sink.write(np.full((1, 300, 400), 812.0, np.float32))
    done = run("world", tmp_path / "w", "--ortho", tmp_path / "o.tif", "--dem", tmp_path / "d.tif")
    assert "m, 50.0 cm a pixel, launch at 29.8" in done.stdout
    assert load_world(tmp_path / "w").launch.alt_amsl_m == pytest.approx(812.0)


def test_a_real_place_under_water(run_json, tmp_path):
    transform = from_origin(500_000, 3_300_000, 0.5, 0.5)
    profile = {"driver": "GTiff", "crs": "EPSG:32648", "transform": transform, "height": 300, "width": 400}
    with rasterio.open(tmp_path / "o.tif", "w", count=3, dtype="uint8", **profile) as sink:
        sink.write(np.full((3, 300, 400), 120, np.uint8))
    furrow = 800.0 + 0.1 * np.abs(np.arange(300.0) - 150.0)[:, None] - 0.002 * np.arange(400.0)
    with rasterio.open(tmp_path / "d.tif", "w", count=1, dtype="float32", **profile) as sink:
        sink.write(furrow[None].astype(np.float32))
    told = run_json(
        *("world", tmp_path / "w", "--ortho", tmp_path / "o.tif", "--dem", tmp_path / "d.tif"),
        *("--stage", 2, "--peak", 3),
    )
    assert told["stage_m"] == 2
    assert "the drainage of the DEM" in told["river"]
    depth = read_band(load_world(tmp_path / "w").truth_depth)
    assert (depth > 0).mean() == pytest.approx(2 * 10 / 150, abs=0.02)  # 10 m to either side, of 150 m


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--stage", 9), "choose -1 to 3 m"),
        (("--dem", "d.tif"), "--dem needs --ortho"),
        (("--ortho", "o.tif", "--dem", "d.tif", "--peak", 1), "--peak needs --stage"),
        (("--ortho", "o.tif", "--dem", "d.tif", "--river", "30,103"), "--river needs --stage"),
        (("--ortho", "o.tif", "--dem", "d.tif", "--stage", 50), "choose up to 40 m"),
        (("--river", "30,103"), "--river needs --ortho"),
        (("--ortho", "o.tif", "--dem", "d.tif"), "o.tif: the ortho cannot be read"),
    ],
)
def test_what_cannot_be_made_is_one_line(complaint, tmp_path, options, says):
    assert says in complaint("world", tmp_path / "w", *options)
