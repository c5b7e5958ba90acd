"""`missionctl merge`: edits of two analysts come together; nothing is lost, what contradicts is asked."""

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pyogrio
import pyogrio.raw
import pyproj
import pytest
import shapely
from click.testing import CliRunner
from shapely import box
from typer.main import get_group

from imagery.damage.legend import GRADES
from imagery.damage.vector_out import OutLayer, write_vectors
from missionctl.cli.main import _commands_for

CRS = pyproj.CRS(32650)
BASE = {
    "h1": ("Damaged", 0.6, "Li", "2026-07-01T04:00", 0),
    "h2": ("Destroyed", 0.7, "Li", "2026-07-01T04:00", 20),
    "h3": ("Damaged", 0.5, "Li", "2026-07-01T04:00", 40),
}


def _write(path, rows, driver="GPKG", crs=CRS):
    grades, sure, who, when, x = zip(*rows.values(), strict=True)
    columns = {"id": list(rows), "grade": grades, "confidence": sure, "analyst": who, "time_utc": when}
    shapes = tuple(box(500_000 + v, 3_400_000, 500_010 + v, 3_400_010) for v in x)
    if crs is not CRS:
        move = pyproj.Transformer.from_crs(CRS, crs, always_xy=True).transform
        shapes = tuple(shapely.transform(s, move, interleaved=False) for s in shapes)
    write_vectors(
        path, [OutLayer("buildings", "Polygon", shapes, columns, "grade", GRADES)], crs, driver=driver
    )
    return path


def run(*words):
    arguments = ["merge", *map(str, words)]
    return CliRunner().invoke(get_group(_commands_for(arguments)), arguments)


def told(*words):
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def _rows(path):
    meta, _, wkb, values = pyogrio.raw.read(path, layer="buildings")
    columns = dict(zip(meta["fields"], values, strict=True))
    shapes = shapely.from_wkb(wkb)
    return {
        str(key): {**{c: v[i] for c, v in columns.items()}, "x": shapes[i].bounds[0] - 500_000}
        for i, key in enumerate(columns["id"])
    }


@pytest.fixture
def files(tmp_path):
    """Base, and the edits of Wang and Zhao."""

    def make(ours, theirs):
        return (
            _write(tmp_path / "base.gpkg", BASE),
            _write(tmp_path / "wang.gpkg", ours),
            _write(tmp_path / "zhao.gpkg", theirs),
        )

    return make


def _by(row, who, when, **changes):
    names = ("grade", "confidence", "analyst", "time_utc", "x")
    return tuple({**dict(zip(names, row, strict=True)), "analyst": who, "time_utc": when, **changes}.values())


def test_edits_of_different_things_come_together(files, tmp_path) -> None:
    ours = {**BASE, "h1": _by(BASE["h1"], "Wang", "2026-07-01T05:00", grade="Destroyed")}
    theirs = {**BASE, "h1": _by(BASE["h1"], "Zhao", "2026-07-01T06:00", x=2)}
    ours["new"] = ("Possibly damaged", 0.4, "Wang", "2026-07-01T05:10", 70)
    del theirs["h3"]
    found = told(*files(ours, theirs), "-o", tmp_path / "out.gpkg")
    assert found["conflicts"] == []
    rows = _rows(tmp_path / "out.gpkg")
    assert set(rows) == {"h1", "h2", "new"}
    assert rows["h1"]["grade"] == "Destroyed"
    assert rows["h1"]["x"] == pytest.approx(2)
    assert rows["h1"]["analyst"] == "Wang; Zhao"
    assert rows["h1"]["time_utc"] == "2026-07-01T06:00"
    with open(found["changes"], encoding="utf-8-sig", newline="") as source:
        changes = {(r["id"], r["column"]): r["from"] for r in csv.DictReader(source)}
    assert changes[("h1", "grade")] == "ours"
    assert changes[("h1", "geometry")] == "theirs"
    assert changes[("new", "exists")] == "ours"
    assert changes[("h3", "exists")] == "theirs"


def test_a_contradiction_waits_for_a_decision(files, tmp_path) -> None:
    ours = {**BASE, "h2": _by(BASE["h2"], "Wang", "2026-07-01T05:00", grade="Damaged")}
    theirs = {**BASE, "h2": _by(BASE["h2"], "Zhao", "2026-07-01T06:00", grade="No visible damage")}
    names = files(ours, theirs)
    found = told(*names, "-o", tmp_path / "out.gpkg")
    (conflict,) = found["conflicts"]
    assert (conflict["id"], conflict["column"]) == ("h2", "grade")
    assert (conflict["base"], conflict["ours"], conflict["theirs"]) == (
        "Destroyed", "Damaged", "No visible damage",
    )  # fmt: skip
    row = _rows(tmp_path / "out.gpkg")["h2"]
    assert row["grade"] == "Destroyed"
    assert row["merge_conflict"]
    text = Path(found["conflicts_file"]).read_text(encoding="utf-8-sig")
    decided = tmp_path / "decided.csv"
    decided.write_text(text.replace("No visible damage,", "No visible damage,theirs"), encoding="utf-8")
    again = told(*names, "-o", tmp_path / "out.gpkg", "--decisions", decided)
    assert again["conflicts"] == []
    assert not (tmp_path / "out.gpkg.conflicts.csv").exists()
    assert _rows(tmp_path / "out.gpkg")["h2"]["grade"] == "No visible damage"


def test_the_same_edit_twice_is_none_to_ask_about(files, tmp_path) -> None:
    ours = {**BASE, "h2": _by(BASE["h2"], "Wang", "2026-07-01T05:00", grade="Damaged")}
    theirs = {**BASE, "h2": _by(BASE["h2"], "Zhao", "2026-07-01T05:30", grade="Damaged")}
    found = told(*files(ours, theirs), "-o", tmp_path / "out.gpkg")
    assert found["conflicts"] == []
    assert _rows(tmp_path / "out.gpkg")["h2"]["analyst"] == "Wang; Zhao"


def test_what_one_deleted_and_the_other_edited_stays_and_is_asked(files, tmp_path) -> None:
    ours = {k: v for k, v in BASE.items() if k != "h2"}
    theirs = {**BASE, "h2": _by(BASE["h2"], "Zhao", "2026-07-01T06:00", grade="Damaged")}
    names = files(ours, theirs)
    found = told(*names, "-o", tmp_path / "out.gpkg")
    assert [(c["id"], c["column"]) for c in found["conflicts"]] == [("h2", "exists")]
    assert _rows(tmp_path / "out.gpkg")["h2"]["grade"] == "Damaged"
    decided = tmp_path / "decided.csv"
    decided.write_text("layer,id,column,take\nbuildings,h2,exists,ours\n", encoding="utf-8")
    told(*names, "-o", tmp_path / "out.gpkg", "--decisions", decided)
    assert "h2" not in _rows(tmp_path / "out.gpkg")


def test_two_new_houses_of_one_name_are_both_kept(files, tmp_path) -> None:
    ours = {**BASE, "n": ("Damaged", 0.4, "Wang", "2026-07-01T05:10", 70)}
    theirs = {**BASE, "n": ("Destroyed", 0.4, "Zhao", "2026-07-01T05:10", 90)}
    told(*files(ours, theirs), "-o", tmp_path / "out.gpkg")
    rows = _rows(tmp_path / "out.gpkg")
    assert (rows["n"]["x"], rows["n (theirs)"]["x"]) == pytest.approx((70, 90))


def test_geojson_of_another_crs_is_the_same_ground(tmp_path) -> None:
    wgs84 = pyproj.CRS(4326)
    base = _write(tmp_path / "base.gpkg", BASE)
    names = [_write(tmp_path / f"{n}.geojson", BASE, "GeoJSON", wgs84) for n in ("base", "wang", "zhao")]
    found = told(*names, "-o", tmp_path / "out.geojson")
    assert found["taken"] == {"ours": 0, "theirs": 0, "both": 0}
    assert base.exists()


def test_the_look_in_qgis_stays(files, tmp_path) -> None:
    told(*files(BASE, BASE), "-o", tmp_path / "out.gpkg")
    looks = []
    for name in ("base.gpkg", "out.gpkg"):
        with closing(sqlite3.connect(tmp_path / name)) as db:
            looks.append(db.execute("SELECT styleQML FROM layer_styles").fetchall())
    assert looks[0] == looks[1]
    assert looks[0]


def test_faults_are_told_in_a_line(files, tmp_path) -> None:
    names = files(BASE, BASE)
    decided = tmp_path / "decided.csv"
    decided.write_text("layer,id,column,take\nbuildings,h2,grade,mine\n", encoding="utf-8")
    broken = tmp_path / "broken.gpkg"
    broken.write_bytes(b"no database")
    for words, says in (
        ((*names, "-o", names[1]), "one of the files"),
        ((*names, "-o", tmp_path / "out.shp"), ".gpkg or .geojson"),
        ((*names, "-o", tmp_path / "o.gpkg", "--decisions", decided), "line 2"),
        ((names[0], broken, names[2], "-o", tmp_path / "o.gpkg"), "cannot be read"),
        ((names[0], tmp_path / "none.gpkg", names[2], "-o", tmp_path / "o.gpkg"), "no such file"),
    ):
        result = run(*words)
        assert result.exit_code != 0
        assert says in f"{result.output}{result.exception}"
