"""Figures that people have verified on the ground: kept in the mission's log, apart from suspected ones.

The log is append-only: a later figure of the same unit and item holds, the earlier ones stay. Damage folders
get the figures that hold as verified.json, so that exports can show both side by side.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagery.deliver.unit_tables import ITEMS, VERIFIED_FILE
from missionctl.errors import WorkspaceError
from missionctl.workspace import Workspace, actor, find_workspace, now_utc, write_text

_LEVELS = ("county", "township", "village")


def enter(
    folder: Path, unit: str, item: str, value: float, *, source: str = "", note: str = ""
) -> dict[str, Any]:
    """Enter a verified figure of a unit of a damage folder; on disk when this returns.

    Args:
        folder: a damage folder in a mission folder.
        unit: its names from the top, parted by "/": as many as are needed to tell it from others.
        item: one of ITEMS by its key.
        value: the figure, not negative.
        source: who says so on the ground.
        note: anything else.

    Raises WorkspaceError when there is no such unit or item, or the figure cannot be.
    """
    workspace = _mission_of(folder)
    if item not in {known.key for known in ITEMS}:
        listed = ", ".join(f"{known.key} ({known.en})" for known in ITEMS)
        raise WorkspaceError(f"{item!r} is no item that is verified; one of: {listed}")
    if not (math.isfinite(value) and value >= 0):
        raise WorkspaceError(f"{value!r} is no figure for {item}; give a number from 0 up")
    row = _unit(folder, unit)
    entered = {
        "time_utc": now_utc(),
        "actor": actor(),
        **{level: row[level] or "" for level in _LEVELS},
        "item": item,
        "value": float(value),
        "source": source,
        "note": note,
        "run": folder.name,
    }
    workspace.add("verified", [(None, entered)])
    for path in sorted((workspace.path / "damage").glob("*/report.json")):
        show(workspace, path.parent)
    return _told(entered)


def history(folder: Path) -> list[dict[str, Any]]:
    """All entries of the mission that a damage folder lies in, oldest first."""
    return _entries(_mission_of(folder))


def holding(workspace: Workspace) -> list[dict[str, Any]]:
    """The last entry of each unit and item, in the order in which these were first entered."""
    last: dict[tuple[str | None, ...], dict[str, Any]] = {}
    for entry in _entries(workspace):
        last[(*(entry[level] for level in _LEVELS), entry["item"])] = entry
    return list(last.values())


def show(workspace: Workspace, folder: Path) -> None:
    """The figures that hold as a damage folder's verified.json; none where nothing was entered."""
    rows = holding(workspace)
    if rows:
        text = json.dumps({"verified": rows}, indent=1, ensure_ascii=False)
        write_text(folder / VERIFIED_FILE, text + "\n")


def _entries(workspace: Workspace) -> list[dict[str, Any]]:
    return [_told(feature.values) for feature in workspace.features("verified")]


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    units = {level: values[level] or None for level in _LEVELS}
    names = ("item", "value", "time_utc", "source", "note", "run")
    return {**units, **{name: values[name] for name in names}, "by": values["actor"]}


def _mission_of(folder: Path) -> Workspace:
    workspace = find_workspace(folder)
    if workspace is None:
        raise WorkspaceError(f"{folder}: lies in no mission folder; verified figures are kept in one")
    return workspace


def _unit(folder: Path, unit: str) -> dict[str, Any]:
    """The row of report.json's units that the names fit."""
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WorkspaceError(
            f"{folder}: holds no report.json ({error}); run missionctl damage first"
        ) from None
    rows: list[dict[str, Any]] = report.get("units") or []
    asked = [part.strip().casefold() for part in unit.split("/") if part.strip()]
    found = [row for row in rows if asked and _fits(row, asked)]
    if len(found) == 1:
        return found[0]
    near = [_path(row) for row in (found or rows) if row["level"] != "total"]
    listed = "; ".join(near[:12]) + (" ..." if len(near) > 12 else "")
    what = "names several units" if found else "is no unit of this report"
    raise WorkspaceError(f"{unit!r} {what}; give one of: {listed or 'none (map with --townships)'}")


def _fits(row: Mapping[str, Any], asked: list[str]) -> bool:
    """Whether the last name is the row's own and those before it are of units above, in order."""
    if row["level"] == "total":
        return False
    levels = _LEVELS[: _LEVELS.index(row["level"]) + 1]
    named = [{str(row[k]).casefold(), str(row[f"{k}_en"]).casefold()} for k in levels if row[k] is not None]
    if not named or asked[-1] not in named[-1]:
        return False
    above = iter(named[:-1])
    return all(any(name in names for names in above) for name in asked[:-1])


def _path(row: Mapping[str, Any]) -> str:
    return "/".join(str(row[level]) for level in _LEVELS if row[level])
