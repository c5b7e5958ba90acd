"""Analysts' grades of buildings and roads: written to the mission's log first, then shown on the map.

The log is append-only: a later decision on the same place holds, the earlier ones stay. A new run of
`missionctl damage` takes them over (`imagery.damage.decisions`).
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pyogrio
import pyogrio.raw
import pyproj
import shapely
from shapely import Geometry, Point

from imagery.damage.decisions import (
    BUILDING_KIND,
    CONFIRMED,
    ROAD_KIND,
    Decision,
    grades_of,
)
from imagery.damage.legend import GRADE_NOT_ANALYSED, GRADES, ROADS_CUT
from missionctl import geopackage
from missionctl.errors import WorkspaceError
from missionctl.workspace import Workspace, actor, find_workspace, now_utc, write_text

_LAYER = {BUILDING_KIND: "buildings", ROAD_KIND: "roads"}
_GRADE = {BUILDING_KIND: "grade", ROAD_KIND: "state"}
_WORST_FIRST = {entry.key: -entry.code for entry in GRADES} | {GRADE_NOT_ANALYSED: 1}


def decide(
    folder: Path, identifier: str, grade: str, *, kind: str = BUILDING_KIND, note: str = ""
) -> dict[str, Any]:
    """Give a building (by its id) or a stretch of road (by its row number, fid) a grade, in any case.

    It is on disk in the mission's log when this returns, and stands in DIR/damage.gpkg and report.json.
    Raises WorkspaceError when the folder is none of a mission, or knows no such object or grade.
    """
    workspace = _mission_of(folder)
    chosen = next((g for g in grades_of(kind) if g.casefold() == grade.strip().casefold()), None)
    if chosen is None:
        raise WorkspaceError(f"{grade!r} is no grade of a {kind}; one of: {', '.join(grades_of(kind))}")
    row = _row(folder, kind, identifier)
    place = _on_it(row["geometry"])
    moment = now_utc()
    workspace.add(
        "decisions",
        [
            (
                place,
                {
                    "time_utc": moment,
                    "actor": actor(),
                    "kind": kind,
                    "source_id": str(row["id"]),
                    "grade": chosen,
                    "was": row["grade"],
                    "run": folder.name,
                    "note": note,
                },
            )
        ],
    )
    _show(workspace, folder, kind, row, chosen, moment, note)
    return {
        "kind": kind,
        "id": str(row["id"]),
        "grade": chosen,
        "was": row["grade"],
        "suggested": row["suggested"],
        "by": actor(),
        "time_utc": moment,
    }


def decisions_of(workspace: Workspace) -> tuple[Decision, ...]:
    """All decisions of a mission, oldest first."""
    found = []
    for feature in workspace.features("decisions"):
        values, place = feature.values, feature.geometry
        if place is None:
            continue
        moment = dt.datetime.fromisoformat(values["time_utc"])
        found.append(
            Decision(
                values["kind"], values["source_id"], values["grade"], values["actor"], moment,
                place.x, place.y, values["note"] or "",
            )
        )  # fmt: skip
    return tuple(found)


def history(folder: Path, identifier: str | None = None) -> list[dict[str, Any]]:
    """Decisions of the mission that a damage folder lies in, oldest first; those on one object when it is
    named."""
    rows = [dict(f.values) for f in _mission_of(folder).features("decisions")]
    return [r for r in rows if identifier is None or r["source_id"] == identifier]


def undecided(folder: Path) -> list[dict[str, Any]]:
    """Buildings nobody has decided on, the worst first and of these the least sure first."""
    rows = _rows(folder, BUILDING_KIND)
    if rows and not {"id", "confidence", "reason", "flooded", "status"} <= rows[0].keys():
        raise WorkspaceError(f"{folder}: was made by an older missionctl; make the damage map again")
    rows = [r for r in rows if r["status"] != CONFIRMED]
    rows.sort(key=lambda r: (_WORST_FIRST.get(r["grade"], 0), r["confidence"]))
    return [{k: r[k] for k in ("id", "grade", "confidence", "reason", "flooded", "status")} for r in rows]


def _mission_of(folder: Path) -> Workspace:
    workspace = find_workspace(folder)
    if workspace is None:
        raise WorkspaceError(
            f"{folder}: lies in no mission folder; decisions are kept in one (missionctl new)"
        )
    return workspace


def _rows(folder: Path, kind: str) -> list[dict[str, Any]]:
    """The rows of a layer of damage.gpkg: fid, geometry in lon/lat, columns, `grade` whatever the column."""
    store = folder / "damage.gpkg"
    try:
        meta, fids, wkb, values = pyogrio.raw.read(store, layer=_LAYER[kind], return_fids=True)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError):
        raise WorkspaceError(
            f"{store}: holds no graded {_LAYER[kind]}; run missionctl damage first"
        ) from None
    to_wgs84 = pyproj.Transformer.from_crs(meta["crs"], "EPSG:4326", always_xy=True).transform
    names = [str(n) for n in meta["fields"]]
    rows = []
    for number, fid in enumerate(fids):
        row: dict[str, Any] = {n: values[i][number] for i, n in enumerate(names)}
        row |= {
            "fid": int(fid),
            "geometry": shapely.transform(shapely.from_wkb(wkb[number]), to_wgs84, interleaved=False),
        }
        row["grade"] = row[_GRADE[kind]]
        rows.append(row)
    return rows


def _row(folder: Path, kind: str, identifier: str) -> dict[str, Any]:
    key = "id" if kind == BUILDING_KIND else "fid"
    found = [r for r in _rows(folder, kind) if str(r[key]) == identifier]
    if not found:
        raise WorkspaceError(
            f"{folder / 'damage.gpkg'}: has no {kind} with {key} {identifier!r}; see its layer"
        )
    return found[0]


def _on_it(geometry: Geometry) -> Point:
    """A place by which the object is known again: inside a footprint, half way along a road."""
    if geometry.geom_type in ("LineString", "MultiLineString"):
        return geometry.interpolate(0.5, normalized=True)
    return geometry.representative_point()


def _show(
    workspace: Workspace, folder: Path, kind: str, row: Mapping[str, Any], grade: str, moment: str, note: str
) -> None:
    """The decision on the map that is there, so that nobody has to wait for the next run."""
    values = {
        _GRADE[kind]: grade,
        "confidence": 1.0,
        "status": CONFIRMED,
        "confirmed_by": actor(),
        "confirmed_utc": moment,
        "note": note or None,
    }
    with closing(sqlite3.connect(folder / "damage.gpkg")) as db, db:
        # The index's triggers name these; none of them is called, since no geometry changes.
        for name in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
            db.create_function(name, 1, lambda _: None)
        sets = ",".join(f'"{n}"=?' for n in values)
        db.execute(f"UPDATE {_LAYER[kind]} SET {sets} WHERE fid=?", [*values.values(), row["fid"]])
    for feature in workspace.features("damage"):
        same = (feature.values["run"], feature.values["kind"], feature.values["source_id"])
        if kind == BUILDING_KIND and same == (folder.name, _LAYER[kind], str(row["id"])):
            geopackage.update(workspace.store, "damage", feature.fid, {"grade": grade})
    _recount(folder)


def _recount(folder: Path) -> None:
    """The figures of report.json that hang on grades."""
    path = folder / "report.json"
    if not path.exists():
        return
    report = json.loads(path.read_text(encoding="utf-8"))
    if report.get("buildings"):
        houses = _rows(folder, BUILDING_KIND)
        report["buildings"] = _counted(report["buildings"], houses)
        for town, area in zip(report.get("townships") or [], _areas(folder), strict=False):
            inside = [h for h in houses if area.contains(_on_it(h["geometry"]))]
            town["buildings"] = _counted(town["buildings"], inside)
    if report.get("roads_cut_m") is not None:
        cut = [r["length_m"] for r in _rows(folder, ROAD_KIND) if r["state"] in ROADS_CUT]
        report["roads_cut_m"] = round(float(sum(cut)), 1)
    write_text(path, json.dumps(report, indent=1, ensure_ascii=False))


def _counted(before: Mapping[str, int], houses: list[dict[str, Any]]) -> dict[str, int]:
    counts = Counter(str(h["grade"]) for h in houses)
    return {grade: counts.get(grade, 0) for grade in before}


def _areas(folder: Path) -> list[Geometry]:
    store = folder / "damage.gpkg"
    if "townships" not in {str(name) for name, _ in pyogrio.list_layers(store)}:
        return []
    meta, _, wkb, _ = pyogrio.raw.read(store, layer="townships", columns=[])
    to_wgs84 = pyproj.Transformer.from_crs(meta["crs"], "EPSG:4326", always_xy=True).transform
    return [shapely.transform(shapely.from_wkb(w), to_wgs84, interleaved=False) for w in wkb]
