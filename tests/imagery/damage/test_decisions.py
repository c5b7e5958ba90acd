"""Analysts' decisions: kept by place, over every new map, with the suggestion beside them."""

import datetime as dt
import shutil
import sqlite3
from dataclasses import replace

import pyogrio.raw
import pyproj
import pytest
from shapely import LineString, box

from imagery.damage.buildings import Evidence, GradedBuilding
from imagery.damage.decisions import Decision, decide_buildings, decide_roads
from imagery.damage.roads import RoadStretch
from missionctl.errors import WorkspaceError
from missionctl.services.damage import damage_from_mosaic
from missionctl.services.decisions import decide, history, undecided
from missionctl.workspace import MissionConfig, Workspace

CRS = pyproj.CRS(32650)
TO_WGS84 = pyproj.Transformer.from_crs(CRS, 4326, always_xy=True)
NOON = dt.datetime(2026, 7, 1, 4, 0, tzinfo=dt.UTC)


def house(number: int, grade: str, west_m: float) -> GradedBuilding:
    whole = Evidence(1.0, 1.0, 0.0, None, 0.0, 0.0, None)
    outline = box(west_m, 3_400_000, west_m + 10, 3_400_008)
    return GradedBuilding(number, f"b{number}", outline, grade, 0.7, False, whole)


def decision(grade: str, east_m: float, *, hours: float = 0.0, kind: str = "building") -> Decision:
    lon, lat = TO_WGS84.transform(east_m, 3_400_004)
    return Decision(kind, "b1", grade, "Li Wei", NOON + dt.timedelta(hours=hours), lon, lat)


def test_a_decision_stands_and_the_suggestion_is_kept_beside_it() -> None:
    houses = (house(1, "Damaged", 500_000), house(2, "Damaged", 500_050))
    graded, standing = decide_buildings(houses, [decision("Destroyed", 500_005)], CRS, NOON)
    assert [b.grade for b in graded] == ["Destroyed", "Damaged"]
    assert [(s.status, s.suggested, s.by) for s in standing] == [
        ("confirmed", "Damaged", "Li Wei"),
        ("suggested", "Damaged", None),
    ]


def test_the_last_decision_holds_whatever_order_they_come_in() -> None:
    both = [decision("No visible damage", 500_005, hours=2), decision("Damaged", 500_005, hours=1)]
    graded, _ = decide_buildings((house(1, "Destroyed", 500_000),), both, CRS, NOON)
    assert graded[0].grade == "No visible damage"


def test_a_decision_goes_with_the_place_when_numbers_change() -> None:
    renumbered = (house(7, "Damaged", 500_000), house(1, "Damaged", 500_050))
    graded, _ = decide_buildings(renumbered, [decision("Destroyed", 500_005)], CRS, NOON)
    assert [(b.identifier, b.grade) for b in graded] == [("b7", "Destroyed"), ("b1", "Damaged")]
    elsewhere, standing = decide_buildings((house(1, "Damaged", 500_900),), [decision("Destroyed", 500_005)],
                                           CRS, NOON)  # fmt: skip
    assert elsewhere[0].grade == "Damaged"
    assert standing[0].status == "suggested"


@pytest.mark.parametrize(
    ("suggested", "decided", "photos_h", "status"),
    [
        ("Destroyed", "Damaged", 5.0, "look again"),
        ("Destroyed", "Damaged", -5.0, "confirmed"),
        ("Possibly damaged", "Damaged", 5.0, "confirmed"),
        ("Not Analysed", "Damaged", 5.0, "confirmed"),
    ],
)
def test_newer_photos_that_suggest_worse_ask_for_another_look_and_change_nothing(
    suggested, decided, photos_h, status
) -> None:
    taken = NOON + dt.timedelta(hours=photos_h)
    graded, standing = decide_buildings(
        (house(1, suggested, 500_000),), [decision(decided, 500_005)], CRS, taken
    )
    assert (graded[0].grade, standing[0].status) == (decided, status)


def test_a_road_decision_is_for_the_stretch_it_was_made_on() -> None:
    line = [LineString([(500_000 + 20 * i, 3_400_000), (500_020 + 20 * i, 3_400_000)]) for i in range(3)]
    stretches = [RoadStretch(1, "r", part, "Flooded", 20.0, 0.9) for part in line]
    graded, standing = decide_roads(stretches, [decision("Passable", 500_030, kind="road")], CRS, NOON)
    assert [s.state for s in graded] == ["Flooded", "Passable", "Flooded"]
    assert standing[1].suggested == "Flooded"


@pytest.fixture
def mission(place, all_inputs, mapped, tmp_path):
    """A mission folder that holds the place's damage map."""
    workspace = Workspace.create(tmp_path / "mission", MissionConfig("grades"))
    folder = workspace.path / "damage" / "first"
    shutil.copytree(mapped.folder, folder)
    return workspace, folder


def columns_of(folder, layer="buildings"):
    meta, _, _, values = pyogrio.raw.read(folder / "damage.gpkg", layer=layer)
    return dict(zip(meta["fields"], values, strict=True))


def test_a_grade_is_logged_shown_counted_and_kept_by_the_next_map(
    mission, place, all_inputs, monkeypatch
) -> None:
    workspace, folder = mission
    monkeypatch.setenv("MISSIONCTL_OPERATOR", "Wang Fang")
    told = decide(folder, "b4", "destroyed", note="seen from the road")
    decide(folder, "b7", "Possibly damaged")
    assert (told["grade"], told["was"], told["suggested"]) == ("Destroyed", "Damaged", "Damaged")
    shown = columns_of(folder)
    at = list(shown["id"]).index("b4")
    assert [shown[c][at] for c in ("grade", "status", "suggested", "confirmed_by", "note")] == [
        "Destroyed", "confirmed", "Damaged", "Wang Fang", "seen from the road",
    ]  # fmt: skip
    options = replace(all_inputs, townships=place.townships)
    again = damage_from_mosaic(place.after, folder, options, lambda *_: None).report()
    assert again["buildings"]["Destroyed"] == 2
    assert again["buildings"]["Possibly damaged"] == 1
    kept = columns_of(folder)
    assert kept["grade"][list(kept["id"]).index("b4")] == "Destroyed"
    decide(folder, "b4", "Damaged")
    assert [h["grade"] for h in history(folder, "b4")] == ["Destroyed", "Damaged"]
    assert {h["actor"] for h in history(folder)} == {"Wang Fang"}
    assert "b4" not in {row["id"] for row in undecided(folder)}
    with sqlite3.connect(workspace.store) as db, pytest.raises(sqlite3.Error, match="append-only"):
        db.execute("UPDATE decisions SET grade = 'Damaged'")
    with sqlite3.connect(workspace.store) as db, pytest.raises(sqlite3.Error, match="append-only"):
        db.execute("DELETE FROM decisions")


def test_counts_of_the_report_follow_a_decision_at_once(mission) -> None:
    import json

    _, folder = mission
    before = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    decide(folder, "b0", "Damaged")
    after = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert after["buildings"]["Damaged"] == before["buildings"]["Damaged"] + 1
    for grade in after["buildings"]:
        assert sum(t["buildings"][grade] for t in after["townships"]) == after["buildings"][grade]


@pytest.mark.parametrize(
    ("identifier", "grade", "says"),
    [("b4", "ruined", "no grade of a building; one of"), ("b99", "Damaged", "has no building with id 'b99'")],
)
def test_what_cannot_be_decided_is_said_in_a_line(mission, identifier, grade, says) -> None:
    with pytest.raises(WorkspaceError, match=says):
        decide(mission[1], identifier, grade)


def test_without_a_mission_folder_nothing_is_decided(mapped) -> None:
    with pytest.raises(WorkspaceError, match="lies in no mission folder"):
        decide(mapped.folder, "b4", "Damaged")
