"""Two analysts' edits of one damage.gpkg (or GeoJSON), merged; their contradictions are listed."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import shapely
from shapely import Geometry

from imagery.damage.merge import GEOMETRY, Change, Conflict, Merged, Table, merge, read_tables
from imagery.damage.vector_out import OutLayer, write_vectors
from imagery.errors import DamageError
from imagery.raster_io import whole_file
from missionctl.errors import WorkspaceError
from missionctl.workspace import find_workspace

_SIDES = ("ours", "theirs", "base")
_CONFLICT_HEADS = ("layer", "id", "column", "base", "ours", "theirs", "take")
_CHANGE_HEADS = ("layer", "id", "column", "base", "value", "from")


def merge_files(base: Path, ours: Path, theirs: Path, out: Path, decisions: Path | None) -> dict[str, Any]:
    """Write OUT, OUT.changes.csv (what was taken from whom) and, where there are any, OUT.conflicts.csv.

    Args:
        base: the file that both began with.
        ours, theirs: the two edited files.
        out: .gpkg or .geojson; must be none of the three.
        decisions: an OUT.conflicts.csv whose column `take` says ours, theirs or base.

    Raises DamageError for files that cannot be read or do not fit, WorkspaceError for names and decisions
    that cannot be.
    """
    if out.resolve() in {path.resolve() for path in (base, ours, theirs)}:
        raise WorkspaceError(f"{out}: is one of the files to merge; give another name, so that none is lost")
    if out.suffix.lower() not in (".gpkg", ".geojson"):
        raise WorkspaceError(f"{out}: give a name that ends in .gpkg or .geojson")
    decided = _decided(decisions) if decisions else {}
    merged = merge(read_tables(base), read_tables(ours), read_tables(theirs), decided)
    if out.suffix.lower() == ".geojson" and len(merged.tables) > 1:
        raise WorkspaceError(f"{out}: a GeoJSON holds one layer, these files have more; give a .gpkg")
    _write(out, merged, base)
    changes = out.with_name(f"{out.name}.changes.csv")
    _table(changes, _CHANGE_HEADS, (_change_row(c) for c in merged.changes))
    conflicts = out.with_name(f"{out.name}.conflicts.csv")
    if merged.conflicts:
        _table(conflicts, _CONFLICT_HEADS, (_conflict_row(c) for c in merged.conflicts))
    else:
        conflicts.unlink(missing_ok=True)
    workspace = find_workspace(out.resolve().parent)
    if workspace:
        workspace.log("edits merged", out=out.name, ours=ours.name, theirs=theirs.name,
                      changes=len(merged.changes), conflicts=len(merged.conflicts))  # fmt: skip
    return {
        "out": str(out),
        "features": {t.name: len(t.rows) for t in merged.tables},
        "taken": {side: sum(c.whose == side for c in merged.changes) for side in ("ours", "theirs", "both")},
        "changes": str(changes),
        "conflicts": [dict(zip(_CONFLICT_HEADS, _conflict_row(c), strict=True)) for c in merged.conflicts],
        "conflicts_file": str(conflicts) if merged.conflicts else None,
    }


def _decided(path: Path) -> dict[tuple[str, str, str], str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as source:
            rows = list(csv.DictReader(source))
    except (OSError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"{path}: cannot be read ({error})") from None
    found = {}
    for number, row in enumerate(rows, start=2):
        take = (row.get("take") or "").strip().lower()
        if not take:
            continue
        if take not in _SIDES or None in (row.get("layer"), row.get("id"), row.get("column")):
            raise WorkspaceError(f"{path}, line {number}: take {take!r} is none of {', '.join(_SIDES)}")
        found[(row["layer"], row["id"], row["column"])] = take
    return found


def _write(out: Path, merged: Merged, base: Path) -> None:
    crs = next((t.crs for t in merged.tables if t.crs is not None), None)
    if crs is None:
        raise DamageError(f"{base}: has no coordinate system; give it one before merging")
    open_ids = {(c.layer, c.key) for c in merged.conflicts}
    layers = [_layer(table, open_ids) for table in merged.tables if table.rows]
    if not layers:
        raise DamageError(f"{base}: nothing would be left after merging; check the files")
    driver = "GPKG" if out.suffix.lower() == ".gpkg" else "GeoJSON"
    write_vectors(out, layers, crs, driver=driver)
    if driver == "GPKG" and base.suffix.lower() == ".gpkg":
        _take_styles(base, out)


def _layer(table: Table, open_ids: set[tuple[str, str]]) -> OutLayer:
    """With `merge_conflict` on features that wait for a decision."""
    rows = list(table.rows.items())
    columns: dict[str, Sequence[Any]] = {c: [row.get(c) for _, row in rows] for c in table.columns}
    if table.keyed_by != "fid":
        columns[table.keyed_by] = [key for key, _ in rows]
    if any((table.name, key) in open_ids for key, _ in rows):
        columns["merge_conflict"] = [(table.name, key) in open_ids for key, _ in rows]
    shapes = tuple(row[GEOMETRY] for _, row in rows)
    return OutLayer(table.name, table.kind, shapes, columns)


def _take_styles(base: Path, out: Path) -> None:
    """The look of the base's layers in QGIS."""
    with closing(sqlite3.connect(out)) as db, db:
        db.execute("ATTACH ? AS base", (str(base),))
        tables = {
            where: db.execute(f"SELECT 1 FROM {where}.sqlite_master WHERE name='layer_styles'").fetchone()
            for where in ("main", "base")
        }
        if all(tables.values()):
            db.execute("DELETE FROM main.layer_styles")
            db.execute("INSERT INTO main.layer_styles SELECT * FROM base.layer_styles")


def _told(value: Any) -> Any:
    if isinstance(value, Geometry):
        return shapely.to_wkt(value, rounding_precision=3)
    return "" if value is None else value


def _change_row(change: Change) -> list[Any]:
    return [change.layer, change.key, change.column, _told(change.base), _told(change.value), change.whose]


def _conflict_row(conflict: Conflict) -> list[Any]:
    values = (conflict.base, conflict.ours, conflict.theirs)
    return [*conflict.place, *map(_told, values), ""]


def _table(path: Path, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with whole_file(path) as part, part.open("w", encoding="utf-8-sig", newline="") as sink:
        writer = csv.writer(sink)
        writer.writerow(heads)
        writer.writerows(rows)
