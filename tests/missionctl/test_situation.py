"""`missionctl situation`: two flights over a valley, the first of half of it; what was known when."""

import csv
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from affine import Affine
from click.testing import CliRunner
from shapely import box
from typer.main import get_group

from missionctl.cli.main import _commands_for
from missionctl.workspace import MissionConfig, Workspace
from tests.imagery.damage.conftest import write_raster, write_vector

WEST, NORTH, SIDE = 600_000.0, 3_400_100.0, 100.0
BEGAN = datetime(2026, 7, 1, 4, tzinfo=UTC)


def _report(folder, minutes_seen, minutes_made, shore_m, seen_m, west=WEST):
    """A damage folder as `map_damage` leaves it: water west of the shore, of cells of 1 m."""
    folder.mkdir(parents=True)
    x = np.arange(100) + 0.5 + west - WEST
    classes = np.where(x < shore_m, 1, 6) * (x < seen_m)
    raster = np.repeat(classes[None], 100, axis=0).astype(np.uint8)[None]
    write_raster(folder / "classes.tif", raster, transform=Affine(1, 0, west, 0, -1, NORTH), nodata=0)
    towns = [box(WEST + x0, NORTH - SIDE, WEST + x0 + 50, NORTH) for x0 in (0, 50)]
    names = {"name_zh": ["上河镇", "下河镇"], "name_en": ["Shanghe", "Xiahe"]}
    write_vector(folder / "townships.gpkg", towns, names, kind="Polygon").rename(folder / "damage.gpkg")
    times = [(BEGAN + timedelta(minutes=m)).isoformat() for m in (minutes_seen, minutes_made)]
    report = {"acquired_utc": times[0], "produced_utc": times[1]}
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")


@pytest.fixture
def mission(tmp_path):
    workspace = Workspace.create(tmp_path / "mission", MissionConfig("flood"))
    _report(workspace.path / "damage" / "a", 10, 25, shore_m=30, seen_m=50)
    # Mapped on another day's grid: 7 m further east, and it does not see the first 7 m again.
    _report(workspace.path / "damage" / "b", 50, 70, shore_m=40, seen_m=200, west=WEST + 7)
    return workspace.path


def run(*words):
    arguments = ["situation", *map(str, words)]
    return CliRunner().invoke(get_group(_commands_for(arguments)), arguments)


def told(*words):
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def _at(minutes: float) -> str:
    return (BEGAN + timedelta(minutes=minutes)).isoformat()


def test_before_the_first_report_nothing_is_known_and_that_is_said(mission) -> None:
    found = told(mission, "--as-of", _at(20))
    assert found["reports"] == []
    assert found["water_m2"] is None
    assert "Nothing is known yet" in (mission / "reports" / "situation.md").read_text(encoding="utf-8")


def test_a_partial_first_report_says_what_it_saw(mission) -> None:
    found = told(mission, "--as-of", _at(30))
    assert [r["run"] for r in found["reports"]] == ["a"]
    assert found["seen_m2"] == 5000
    assert found["water_m2"] == 3000
    assert found["since"] is None
    west, east = found["townships"]
    assert (west["seen_share"], west["water_m2"]) == (1.0, 3000)
    assert (east["seen_share"], east["water_m2"]) == (0.0, None)


def test_the_newest_sight_of_each_place_holds(mission) -> None:
    found = told(mission, "--as-of", _at(90), "--began", BEGAN.isoformat())
    assert found["water_m2"] == 4000  # 7 m of it last seen by the first flight
    assert found["water_not_seen_again_m2"] == 700
    assert found["since"]["new_water"] == 1000
    assert found["since"]["dry_first_seen"] == 5700
    west, east = found["townships"]
    assert west["since_m2"]["new_water"] == 1000
    assert west["since_m2"]["water_out_of_sight"] == 700
    assert east["since_m2"]["dry_first_seen"] == 5000
    assert [(r["minutes_since_beginning"], r["reports"]) for r in found["first_reports"]] == [
        (30, 1),
        (60, 1),
    ]


def test_it_is_written_as_a_table_and_a_page(mission, tmp_path) -> None:
    told(mission, "--as-of", _at(130), "--began", BEGAN.isoformat(), "-o", tmp_path)
    with open(tmp_path / "situation.csv", encoding="utf-8-sig", newline="") as source:
        zh, en, *rows = csv.reader(source)
    assert zh[3] == "影像判读疑似淹没（公顷）"
    assert en[4] == "Flooded since (ha)"
    assert [r[0] for r in rows] == ["上河镇", "下河镇"]
    assert float(rows[0][4]) == pytest.approx(0.1)
    page = (tmp_path / "situation.md").read_text(encoding="utf-8")
    assert "未经实地核查" in page
    assert "| 120 min | 2 |" in page
    assert len(page.splitlines()) < 40


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--as-of", "yesterday"), "zone"),
        (("--as-of", "2026-07-01T04:00"), "zone"),
        (("--as-of", "2026-07-01T04:00Z", "--began", "2026-07-02T04:00Z"), "earlier beginning"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(mission, words, says) -> None:
    result = run(mission, *words)
    assert result.exit_code != 0
    assert says in f"{result.output}{result.exception}"
