"""The main job, as a user runs it: one command from a flood zone to a damage map, looked at with other
people's readers."""

import json
import sqlite3
import subprocess
import sys

import numpy as np
import pyogrio
import pytest
import rasterio
from pymavlink import mavutil
from rio_cogeo.cogeo import cog_validate

from plans.formats import read_mission

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder and the report of `missionctl demo --quick`."""
    folder = tmp_path_factory.mktemp("journey") / "demo"
    done = subprocess.run(
        [sys.executable, "-m", "missionctl.cli.main", "demo", "--quick", "--out", str(folder), "--json"],
        capture_output=True,
        text=True,
        timeout=290,
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_the_report_holds_what_was_promised(demo):
    folder, report = demo
    assert json.loads((folder / "reports" / "report.json").read_text()) == report
    flight, mosaic = report["flight"], report["mosaic"]
    assert flight["identical"]
    assert flight["items_sent"] == flight["items_read_back"] > 10
    assert flight["photos_confirmed"] == flight["matching"]["matched"] == mosaic["placed"] > 10
    assert mosaic["dropped"] == []
    assert mosaic["rmse_gsd"] <= 2.0
    assert mosaic["position_score"]["patches"] > 50
    assert report["damage"]["iou"]["water"] >= 0.80
    assert all(report["checks"].values()), report["checks"]


def test_the_plan_is_one_that_qgroundcontrol_opens(demo):
    folder, report = demo
    plan = json.loads((folder / "plans" / "survey.plan").read_text())
    assert plan["fileType"] == "Plan"
    assert plan["mission"]["version"] == 2
    items = read_mission(folder / "plans" / "survey.plan").items
    assert len(items) == report["flight"]["items_sent"] - 1  # home is the station's
    zone = pyogrio.raw.read(folder / "mission.gpkg", layer="zones")
    assert len(zone[2]) == 1
    assert report["plan"]["coverage"]["share"] > 0.99


def test_the_flight_can_be_read_by_pymavlink(demo):
    _, report = demo
    log = mavutil.mavlink_connection(report["flight"]["tlog"])
    photos = set()
    modes = set()
    while (message := log.recv_match(type=["CAMERA_FEEDBACK", "HEARTBEAT"])) is not None:
        if message.get_type() == "CAMERA_FEEDBACK":
            photos.add(message.img_idx)
        elif message.get_srcComponent() == 1:
            modes.add(log.flightmode)
    log.close()
    assert len(photos) == report["flight"]["photos_confirmed"]
    assert {"GUIDED", "AUTO"} <= modes


def test_every_raster_is_a_valid_cog_with_a_crs(demo):
    folder, _ = demo
    files = [folder / "mosaics" / "orthomosaic.tif", *(folder / "damage" / "first").glob("*.tif")]
    assert len(files) >= 4
    for file in files:
        valid, errors, _ = cog_validate(file, quiet=True)
        assert valid, (file.name, errors)
        with rasterio.open(file) as raster:
            assert raster.crs is not None


def test_the_damage_raster_has_colours_and_class_names(demo):
    folder, report = demo
    with rasterio.open(folder / "damage" / "first" / "classes.tif") as raster:
        codes = np.unique(raster.read(1))
        colours = raster.colormap(1)
    assert len({colours[c] for c in codes}) == len(codes)
    named = {c["value"] for c in report["damage"]["classes"].values()}
    assert set(codes.tolist()) - {0} <= named
    assert report["damage"]["townships"]


def test_the_mission_folder_opens_in_gdal_and_keeps_a_journal(demo):
    folder, report = demo
    layers = dict(pyogrio.list_layers(folder / "mission.gpkg"))
    assert {"zones", "plans", "flights", "photos", "damage", "events"} <= set(layers)
    photos = pyogrio.raw.read(folder / "mission.gpkg", layer="photos")
    assert len(photos[2]) == report["mosaic"]["placed"]
    with sqlite3.connect(folder / "mission.gpkg") as db:
        actions = [row[0] for row in db.execute("select action from events order by fid")]
    db.close()
    for action in ("mission created", "plan made", "flight landed", "mosaic made", "demo done"):
        assert action in actions


def test_the_report_folder_has_every_file_of_the_command_post(demo):
    folder, report = demo
    suffixes = {file.rsplit(".", 1)[-1] for file in report["files"]}
    assert {"tif", "gpkg", "csv", "pdf", "png", "kmz"} <= suffixes
    for file in report["files"]:
        assert (folder / file).stat().st_size > 0, file
    leftovers = [p.name for p in folder.rglob("*") if p.name.endswith(".part")]
    assert leftovers == []


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path):
    (tmp_path / "letters.txt").write_text("mine")
    done = subprocess.run(
        [sys.executable, "-m", "missionctl.cli.main", "demo", "--quick", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert "not empty" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["letters.txt"]
