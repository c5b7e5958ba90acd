"""`missionctl verified`: what people found on the ground stands beside what the imagery suggests, never in
it; entries are kept, faults are told in one line."""

import csv
import json

import numpy as np
import pytest
from affine import Affine
from click.testing import CliRunner
from openpyxl import load_workbook
from shapely import box
from typer.main import get_group

from imagery.damage import DamageOptions
from imagery.deliver import export
from missionctl.cli.main import _commands_for
from missionctl.services.damage import damage_from_mosaic
from missionctl.workspace import MissionConfig, Workspace
from tests.imagery.damage.conftest import write_raster, write_vector

WEST, NORTH = 600_000.0, 3_400_060.0


def verified(*words):
    arguments = ["verified", *map(str, words)]
    return CliRunner().invoke(get_group(_commands_for(arguments)), arguments)


def told(*words):
    result = verified(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A mapped mosaic of 60 m in a mission folder: two townships, three villages, two of one name."""
    workspace = Workspace.create(tmp_path_factory.mktemp("verified") / "mission", MissionConfig("v"))
    rng = np.random.default_rng(3)
    x = (np.arange(240) + 0.5) * 0.25
    rgb = np.where(x[None, :, None] < 20, (110, 105, 90), (70, 130, 60)) + rng.normal(0, 6, (240, 240, 3))
    mosaic = write_raster(
        workspace.path / "m.tif",
        np.moveaxis(rgb, -1, 0).clip(0, 255).astype(np.uint8),
        transform=Affine(0.25, 0, WEST, 0, -0.25, NORTH),
    )
    towns = [box(WEST, NORTH - 60, WEST + 30, NORTH), box(WEST + 30, NORTH - 60, WEST + 60, NORTH)]
    names = {"name_zh": ["上河镇", "下河镇"], "name_en": ["Shanghe", "Xiahe"]}
    places = [box(WEST + x0, NORTH - 40, WEST + x0 + 8, NORTH - 20) for x0 in (5, 35, 50)]
    strokes = [
        box(WEST + x0, NORTH - y - 3, WEST + x0 + 3, NORTH - y) for x0 in (3, 12, 25, 50) for y in (5, 30)
    ]
    classes = {"class": ["water"] * 4 + ["vegetation"] * 4}
    options = DamageOptions(
        samples=write_vector(workspace.path / "s.gpkg", strokes, classes, kind="Polygon"),
        townships=write_vector(workspace.path / "t.gpkg", towns, names, kind="Polygon"),
        villages=write_vector(
            workspace.path / "v.gpkg", places, {"name_zh": ["和平村", "和平村", "新村"]}, kind="Polygon"
        ),
    )  # fmt: skip
    out = workspace.path / "damage" / "first"
    damage_from_mosaic(mosaic, out, options, lambda *_: None)
    return out


def test_a_figure_is_kept_with_who_and_when_and_the_newest_holds(folder) -> None:
    first = told(folder, "上河镇/和平村", "destroyed", 3, "--source", "village head")
    assert (first["township"], first["village"], first["value"]) == ("上河镇", "和平村", 3.0)
    told(folder, "Shanghe/和平村", "destroyed", 5)
    rows = told(folder)["verified"]
    assert [r["value"] for r in rows if r["village"] == "和平村"] == [3.0, 5.0]
    assert rows[0]["by"]
    assert rows[0]["time_utc"]
    shown = json.loads((folder / "verified.json").read_text(encoding="utf-8"))["verified"]
    assert [r["value"] for r in shown if r["village"] == "和平村"] == [5.0]


def test_both_stand_side_by_side_and_the_report_is_untouched(folder, tmp_path) -> None:
    before = (folder / "report.json").read_bytes()
    told(folder, "下河镇", "water_ha", 0.25)
    assert (folder / "report.json").read_bytes() == before
    export(folder, ["csv", "xlsx"], tmp_path)
    with open(tmp_path / "verified.csv", encoding="utf-8-sig", newline="") as source:
        zh, en, *rows = csv.reader(source)
    suspected, known = zh.index("影像判读疑似淹没面积（公顷）"), zh.index("核实淹没面积（公顷）")
    assert en[known] == "Verified: Flooded (ha)"
    (town,) = [r for r in rows if r[:1] == ["乡镇 Township"] and r[2] == "下河镇"]
    assert float(town[suspected]) < 0.01
    assert float(town[known]) == 0.25
    assert town[known + 1]
    others = [r for r in rows if len(r) > known and r[2] != "下河镇"]
    assert all(r[known] == "" for r in others)
    book = load_workbook(tmp_path / "damage.xlsx")
    assert {"单元 Units", "核实对照 Verified"} <= set(book.sheetnames)
    heads = [c.value for c in book["单元 Units"][1]]
    assert all(h.startswith("影像判读") for h in heads[7:])


def test_a_new_run_shows_what_was_verified_before(folder, tmp_path) -> None:
    told(folder, "下河镇/新村", "affected", 12)
    workspace = folder.parent.parent
    options = DamageOptions(samples=workspace / "s.gpkg", townships=workspace / "t.gpkg")
    damage_from_mosaic(workspace / "m.tif", workspace / "damage" / "second", options, lambda *_: None)
    shown = json.loads((workspace / "damage" / "second" / "verified.json").read_text(encoding="utf-8"))
    assert 12.0 in [r["value"] for r in shown["verified"]]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("和平村", "destroyed", "3"), "several"),
        (("无名村", "destroyed", "3"), "no unit"),
        (("上河镇", "cows", "3"), "no item"),
        (("上河镇", "destroyed", "nan"), "no figure"),
        (("上河镇", "destroyed"), "VALUE"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(folder, words, says) -> None:
    result = verified(folder, *words)
    assert result.exit_code != 0
    assert says in f"{result.output}{result.exception}"


def test_outside_a_mission_there_is_no_log(folder, tmp_path) -> None:
    result = verified(tmp_path, "上河镇", "destroyed", "3")
    assert "mission folder" in f"{result.output}{result.exception}"
