"""What a window reads of a mission folder, and when it reads again."""

import json
import os

import pytest
import shapely

from gui.snapshot import read_snapshot, report_of, signature
from missionctl.geopackage import Feature
from missionctl.workspace import Workspace
from plans.errors import MissionError


def read(folder):
    return read_snapshot(Workspace.open(folder))


def test_a_whole_folder(mission):
    found = read(mission)
    assert found.faults == ()
    assert found.mosaic is not None
    assert found.mosaic.path.name == "orthomosaic.tif"
    assert found.damage_run == "first"
    assert found.damage_report["buildings"] == {"Destroyed": 1}
    west, south, east, north = found.bounds
    assert (west, south, east, north) == pytest.approx((-78.4, -68.4, 78.4, 78.4), abs=0.5)


def test_a_folder_without_a_place_takes_it_from_its_zones(make_mission):
    found = read(make_mission(place=False, rasters=False))
    assert found.frame is not None
    assert found.frame.origin_lat_deg == pytest.approx(30.0, abs=0.001)


def test_a_folder_without_a_place_or_zones_takes_it_from_its_rasters(make_mission):
    found = read(make_mission(place=False, rows=False))
    assert found.frame is not None
    assert found.bounds is not None


def test_an_empty_folder_has_no_place(make_mission):
    found = read(make_mission(place=False, rasters=False, rows=False))
    assert found.frame is None
    assert found.bounds is None
    assert found.faults == ()


def test_the_newest_mosaic_is_shown_and_its_companions_are_none(mission):
    folder = mission / "mosaics"
    newest = folder / "second.tif"
    newest.write_bytes((folder / "orthomosaic.tif").read_bytes())
    companion = folder / "second.source.tif"
    companion.write_bytes(newest.read_bytes())
    (folder / ".third.tif").write_bytes(b"half written")
    for number, file in enumerate([folder / "orthomosaic.tif", newest, companion]):
        os.utime(file, (1_800_000_000 + number, 1_800_000_000 + number))
    found = read(mission)
    assert [m.path.name for m in found.mosaics] == ["orthomosaic.tif", "second.tif"]
    assert found.mosaic.path.name == "second.tif"


def test_an_input_that_is_gone_is_one_line(mission):
    (mission / "before.tif").unlink()
    found = read(mission)
    assert found.before is None
    assert len(found.faults) == 1
    assert "before.tif" in found.faults[0]


def test_a_damage_report_cut_short_is_one_line(mission):
    (mission / "damage" / "first" / "report.json").write_text('{"classes": ')
    found = read(mission)
    assert found.damage_report == {}
    assert ["report.json" in line for line in found.faults] == [True]


def test_a_damaged_store_is_one_line(mission):
    (mission / "mission.gpkg").write_bytes(b"no database" * 100)
    with pytest.raises(MissionError, match=r"mission\.gpkg"):
        read(mission)


@pytest.mark.parametrize("text", ["", "{", "[1]", None, json.dumps("x")])
def test_a_report_that_cannot_be_read_is_none(text):
    assert report_of(Feature(1, None, {"report_json": text})) == {}


def test_the_signature_changes_with_what_is_shown_and_not_with_reading(mission):
    before = signature(mission)
    read(mission)
    assert signature(mission) == before
    zone = shapely.box(105.0, 30.0, 105.001, 30.001)
    Workspace.open(mission).add("zones", [(zone, {"name": "B"})])
    after = signature(mission)
    assert after != before
    (mission / "damage" / "first" / "classes.tif").unlink()
    assert signature(mission) != after
