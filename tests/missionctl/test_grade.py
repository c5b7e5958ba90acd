"""`missionctl grade`: a decision by hand, its history, what is still to decide; faults in one line."""

import json

import pyproj
import pytest
from click.testing import CliRunner
from shapely import LineString, Point, box
from typer.main import get_group

from imagery.damage.buildings import Evidence, GradedBuilding
from imagery.damage.decisions import decide_buildings, decide_roads
from imagery.damage.found import write_found
from imagery.damage.objects import Found
from imagery.damage.places import PlaceAccess
from imagery.damage.roads import RoadCut, RoadStretch
from imagery.damage.scene import GeoGrid
from missionctl.cli.main import _commands_for
from missionctl.workspace import MissionConfig, Workspace

CRS = pyproj.CRS(32650)
GRID = GeoGrid(CRS, None, 10, 10)


@pytest.fixture
def folder(tmp_path):
    """A damage folder with three houses and a road, in a mission folder."""
    workspace = Workspace.create(tmp_path / "mission", MissionConfig("grades"))
    folder = workspace.path / "damage" / "first"
    folder.mkdir()
    whole = Evidence(1.0, 1.0, 0.0, None, 0.0, 0.0, None)
    grades = (("No visible damage", 0.9), ("Destroyed", 0.9), ("Destroyed", 0.6))
    houses = tuple(
        GradedBuilding(n, f"h{n}", box(500_000 + 30 * n, 3_400_000, 500_010 + 30 * n, 3_400_008), grade, sure,
                       False, whole)
        for n, (grade, sure) in enumerate(grades)
    )  # fmt: skip
    roads = (
        RoadStretch(1, "r1", LineString([(500_000, 3_399_990), (500_050, 3_399_990)]), "Passable", 50.0, 0.9),
        RoadStretch(1, "r1", LineString([(500_050, 3_399_990), (500_090, 3_399_990)]), "Flooded", 40.0, 0.8),
    )
    houses, houses_stand = decide_buildings(houses, (), CRS, None)
    roads, roads_stand = decide_roads(roads, (), CRS, None)
    cuts = (RoadCut(1, "r1", Point(500_070, 3_399_990), "Flooded", 40.0, 0.8),)
    places = (PlaceAccess("河湾村", Point(500_050, 3_400_004), "reachable", 3, 2, 1, 0),)
    found = Found(houses, roads, cuts, places, houses_stand, roads_stand)
    write_found(folder, GRID, found, (), {"source": "m.tif"}, has_classes=False)
    report = {"buildings": {"Destroyed": 2, "No visible damage": 1, "Damaged": 0}, "roads_cut_m": 40.0}
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return folder


def grade(*words):
    arguments = ["grade", *map(str, words)]
    return CliRunner().invoke(get_group(_commands_for(arguments)), arguments)


def told(*words):
    result = grade(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_what_is_to_be_decided_comes_worst_first_and_least_sure_first(folder) -> None:
    assert [row["id"] for row in told(folder)["undecided"]] == ["h2", "h1", "h0"]


def test_a_decision_is_told_counted_and_remembered_with_its_history(folder, monkeypatch) -> None:
    monkeypatch.setenv("MISSIONCTL_OPERATOR", "Officer A")
    assert told(folder, "h1", "damaged", "--note", "east wall stands")["grade"] == "Damaged"
    monkeypatch.setenv("MISSIONCTL_OPERATOR", "Officer B")
    told(folder, "h1", "Destroyed")
    assert [(h["actor"], h["grade"], h["was"]) for h in told(folder, "h1")["history"]] == [
        ("Officer A", "Damaged", "Destroyed"),
        ("Officer B", "Destroyed", "Damaged"),
    ]
    assert [row["id"] for row in told(folder)["undecided"]] == ["h2", "h0"]
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["buildings"] == {"Destroyed": 2, "No visible damage": 1, "Damaged": 0}


def test_a_stretch_of_road_is_decided_by_its_row(folder) -> None:
    assert told(folder, "2", "passable", "--road")["was"] == "Flooded"
    assert json.loads((folder / "report.json").read_text(encoding="utf-8"))["roads_cut_m"] == 0.0


@pytest.mark.parametrize(
    "words", [("h1", "ruined"), ("h9", "Damaged"), ("7", "Flooded", "--road"), ("2", "Damaged", "--road")]
)
def test_what_cannot_be_decided_ends_in_a_fault_and_changes_nothing(folder, words) -> None:
    before = (folder / "damage.gpkg").read_bytes()
    assert grade(folder, *words).exit_code != 0
    assert (folder / "damage.gpkg").read_bytes() == before
    assert told(folder, "h1")["history"] == []
