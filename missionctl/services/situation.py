"""The situation as of a moment, as files to hand over: JSON, CSV and one page of text."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imagery.damage.situation import first_reports, situation
from missionctl.errors import WorkspaceError
from missionctl.jsontext import to_json
from missionctl.services.damage import damage_folders
from missionctl.workspace import Workspace, now_utc, write_text

_MOVED = ("new_water", "fallen_dry", "water_first_seen", "water_out_of_sight")
_HEADS = (
    ("乡镇", "Township"), ("面积（公顷）", "Area (ha)"), ("已见（%）", "Seen (%)"),
    ("影像判读疑似淹没（公顷）", "Suspected flooded (ha)"), ("新增淹没（公顷）", "Flooded since (ha)"),
    ("退水（公顷）", "Fallen dry since (ha)"), ("首次判读淹没（公顷）", "Water, first seen now (ha)"),
    ("原淹没、本次未见（公顷）", "Water before, not seen now (ha)"),
)  # fmt: skip


def write_situation(
    mission: Path, out_dir: Path | None, as_of: dt.datetime | None, began: dt.datetime | None
) -> dict[str, Any]:
    """situation.json, .csv and .md of a mission, by default in its reports/; returns what stands in the JSON.

    Args:
        mission: the mission folder.
        out_dir: where to.
        as_of: the moment (UTC); now when None.
        began: when the flood or the work began; then what was known 30, 60 and 120 minutes later is told too,
            as far as these have passed.

    Raises WorkspaceError for a folder that is no mission or a moment before the beginning, DamageError for a
    map that cannot be read.
    """
    workspace = Workspace.open(mission)
    moment = as_of or dt.datetime.fromisoformat(now_utc())
    if began and began > moment:
        raise WorkspaceError(
            f"{began.isoformat()}: lies after {moment.isoformat()}; give an earlier beginning"
        )
    folders = damage_folders(workspace)
    told = situation(folders, moment, began)
    passed = [s for s in first_reports(folders, began) if _time(s) <= moment] if began else []
    told["first_reports"] = [_short(s) for s in passed]
    out = out_dir or workspace.path / "reports"
    write_text(out / "situation.json", to_json(told) + "\n")
    write_text(out / "situation.csv", "\ufeff" + _csv(told))
    write_text(out / "situation.md", page(told, workspace.config.name))
    files = [str(out / f"situation.{kind}") for kind in ("json", "csv", "md")]
    return {**told, "files": files}


def _time(told: Mapping[str, Any]) -> dt.datetime:
    return dt.datetime.fromisoformat(told["as_of_utc"])


def _short(told: Mapping[str, Any]) -> dict[str, Any]:
    names = ("as_of_utc", "minutes_since_beginning", "seen_m2", "water_m2", "buildings", "roads_cut_m")
    return {**{name: told.get(name) for name in names}, "reports": len(told["reports"])}


def _csv(told: Mapping[str, Any]) -> str:
    sink = io.StringIO()
    writer = csv.writer(sink)
    for language in range(2):
        writer.writerow([head[language] for head in _HEADS])
    for town in told["townships"]:
        moved = town["since_m2"] or {}
        writer.writerow(
            [
                town["name_zh"],
                round(town["area_m2"] / 1e4, 3),
                round(100 * town["seen_share"], 1),
                _hectares(town["water_m2"]),
                *(_hectares(moved.get(key)) for key in _MOVED),
            ]
        )
    return sink.getvalue()


def _hectares(area_m2: float | None) -> float | None:
    return None if area_m2 is None else round(area_m2 / 1e4, 3)


def page(told: Mapping[str, Any], name: str) -> str:
    """One page of Markdown, readable as plain text."""
    lines = [f"# Situation as of {told['as_of_utc']}: {name}", ""]
    lines += ["**Suspected from imagery, not verified on the ground (影像判读疑似，未经实地核查).**", ""]
    if not told["reports"]:
        lines += ["Nothing is known yet: no report had been made by then.", ""]
        return "\n".join([*lines, *_first(told["first_reports"])])
    newest = told["reports"][-1]
    lines.append(
        f"- Reports: {len(told['reports'])}, the newest shows {newest['seen_utc']} ({newest['run']})."
    )
    lines.append(f"- Seen so far: {_ha(told['seen_m2'])}. Of all other ground nothing is known.")
    lines.append(f"- Under water: {_ha(told['water_m2'])}, of it not seen again: "
                 f"{_ha(told['water_not_seen_again_m2'])}.")  # fmt: skip
    if told["since"]:
        since = told["since"]
        lines.append(
            f"- Since {told['previous_utc']}: flooded {_ha(since['new_water'])}, fallen dry "
            f"{_ha(since['fallen_dry'])}. Seen for the first time, no growth: "
            f"{_ha(since['water_first_seen'])}."
        )
    if told["buildings"] is not None:
        grades = ", ".join(f"{grade} {n}" for grade, n in told["buildings"].items())
        lines.append(f"- Buildings (suspected): {grades}.")
    if told["roads_cut_m"] is not None:
        lines.append(f"- Roads suspected cut: {told['roads_cut_m']:.0f} m.")
    lines.append("")
    if told["townships"]:
        lines += ["| Township | Seen | Under water | Flooded since | Fallen dry |", "|---|---|---|---|---|"]
        for town in sorted(told["townships"], key=lambda t: -(t["water_m2"] or 0)):
            moved = town["since_m2"] or {}
            cells = (town["name_zh"], f"{town['seen_share']:.0%}", _ha(town["water_m2"]),
                     _ha(moved.get("new_water")), _ha(moved.get("fallen_dry")))  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join([*lines, *_first(told["first_reports"])])


def _first(reports: Sequence[Mapping[str, Any]]) -> list[str]:
    if not reports:
        return []
    lines = ["| After | Reports | Seen | Under water | Roads cut |", "|---|---|---|---|---|"]
    for told in reports:
        cut = told["roads_cut_m"]
        cells = (f"{told['minutes_since_beginning']:.0f} min", str(told["reports"]), _ha(told["seen_m2"]),
                 _ha(told["water_m2"]), "unknown" if cut is None else f"{cut:.0f} m")  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def _ha(area_m2: float | None) -> str:
    return "unknown" if area_m2 is None else f"{area_m2 / 1e4:.2f} ha"
