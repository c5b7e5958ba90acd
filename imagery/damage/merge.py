"""Two analysts' edits of one vector file, brought together against what both began with.

Three-way, feature by feature and column by column: what one of them changed is taken, what both changed alike
is taken once, what they changed differently is left as it was and listed for a decision. Nothing is lost: a
feature that one deleted and the other edited stays, and of two new features of one name both stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyogrio
import pyogrio.errors
import pyogrio.raw
import pyproj
import shapely
from shapely import Geometry

from imagery.errors import DamageError

GEOMETRY: Final = "geometry"
EXISTS: Final = "exists"
"""In lists of changes and conflicts: the feature as a whole, present or deleted."""
_KEYS: Final = ("id",)
_WHO: Final = ("analyst", "confirmed_by", "author", "actor")
_WHEN: Final = ("time_utc", "confirmed_utc", "created_utc", "updated_utc")
"""Stamps say who edited and when; two of them are no contradiction."""
_SAME_M: Final = 1e-3
_SAME_DEG: Final = 1e-8

Key = str
Row = dict[str, Any]
"""Column values and GEOMETRY."""


@dataclass(frozen=True)
class Table:
    """A layer: rows by key, its columns in order, CRS and kind of geometry."""

    name: str
    rows: Mapping[Key, Row]
    columns: tuple[str, ...]
    crs: pyproj.CRS | None
    kind: str
    keyed_by: str
    """The column that names features, or "fid"."""


@dataclass(frozen=True)
class Change:
    """A value that was taken into the merged file, and whose it is: "ours", "theirs" or "both"."""

    layer: str
    key: Key
    column: str
    base: Any
    value: Any
    whose: str


@dataclass(frozen=True)
class Conflict:
    """What both changed, each differently."""

    layer: str
    key: Key
    column: str
    base: Any
    ours: Any
    theirs: Any

    @property
    def place(self) -> tuple[str, Key, str]:
        """By what a decision names it."""
        return self.layer, self.key, self.column


@dataclass(frozen=True)
class Merged:
    """The merged layers, what was taken from whom, and what is left to decide."""

    tables: tuple[Table, ...]
    changes: tuple[Change, ...]
    conflicts: tuple[Conflict, ...]


def read_tables(path: Path) -> dict[str, Table]:
    """The layers of a vector file by name; features by their `id` where that is unique, else by row number.

    Raises DamageError when the file is missing or cannot be read.
    """
    if not path.exists():
        raise DamageError(f"{path}: no such file; give a GeoPackage or GeoJSON")
    try:
        # A GeoJSON has one layer, named after its file: three files of it are still the same layer.
        single = path.suffix.lower() in (".json", ".geojson")
        names = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        return {"features" if single else name: _read(path, name) for name in names}
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        reason = " ".join(str(error).split())[:160]
        raise DamageError(f"{path}: cannot be read as a vector file ({reason})") from error


def _read(path: Path, layer: str) -> Table:
    meta, fids, wkb, values = pyogrio.raw.read(path, layer=layer, return_fids=True)
    columns = tuple(str(name) for name in meta["fields"])
    shapes: Sequence[Geometry | None] = shapely.from_wkb(wkb)
    by_name = dict(zip(columns, values, strict=True))
    key = next((k for k in _KEYS if k in by_name and _unique(by_name[k])), "fid")
    names = [str(v) for v in (by_name[key] if key != "fid" else fids)]
    rows = {
        name: {**{c: _plain(by_name[c][i]) for c in columns}, GEOMETRY: shapes[i]}
        for i, name in enumerate(names)
    }
    crs = pyproj.CRS(meta["crs"]) if meta["crs"] else None
    return Table(layer, rows, columns, crs, str(meta["geometry_type"]), key)


def _unique(values: Any) -> bool:
    told = [str(v) for v in values if v is not None and str(v) != ""]
    return len(told) == len(values) == len(set(told))


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and np.isnan(value) else value


def merge(
    base: Mapping[str, Table],
    ours: Mapping[str, Table],
    theirs: Mapping[str, Table],
    decided: Mapping[tuple[str, Key, str], str] | None = None,
) -> Merged:
    """Merge layers by name.

    Args:
        base: what both began with.
        ours: one analyst's edits.
        theirs: the other's.
        decided: for conflicts, by `Conflict.place`: "ours", "theirs" or "base".
    """
    work = _Work(dict(decided or {}))
    names = dict.fromkeys([*base, *ours, *theirs])
    tables = tuple(work.layer(n, base.get(n), ours.get(n), theirs.get(n)) for n in names)
    return Merged(tables, tuple(work.changes), tuple(work.conflicts))


class _Work:
    """What is gathered on the way through the layers."""

    def __init__(self, decided: dict[tuple[str, Key, str], str]) -> None:
        self._decided = decided
        self.changes: list[Change] = []
        self.conflicts: list[Conflict] = []

    def layer(self, name: str, base: Table | None, ours: Table | None, theirs: Table | None) -> Table:
        """One layer; a layer that one file lacks altogether was not edited there, not deleted."""
        some = base or ours or theirs
        assert some is not None
        base = base or Table(name, {}, (), some.crs, some.kind, some.keyed_by)
        ours, theirs = _like(ours or base, base), _like(theirs or base, base)
        if len({t.keyed_by for t in (base, ours, theirs) if t.rows}) > 1:
            raise DamageError(
                f"layer {name}: features are named by id in one file and not in another; give each its own id"
            )
        same = _SAME_DEG if base.crs is not None and base.crs.is_geographic else _SAME_M
        columns = tuple(dict.fromkeys([*base.columns, *ours.columns, *theirs.columns]))
        rows: dict[Key, Row] = {}
        for key in dict.fromkeys([*base.rows, *ours.rows, *theirs.rows]):
            was, one, two = (t.rows.get(key) for t in (base, ours, theirs))
            if was is None:
                rows |= self._added(name, key, one, two, columns, same)
            elif (row := self._kept(name, key, was, one, two, columns, same)) is not None:
                rows[key] = row
        return Table(name, rows, columns, base.crs, base.kind, base.keyed_by)

    def _added(
        self, layer: str, key: Key, one: Row | None, two: Row | None, columns: Sequence[str], same: float
    ) -> dict[Key, Row]:
        if one is not None and two is not None:
            if all(_equal(one.get(c), two.get(c), same) for c in (*columns, GEOMETRY) if not _stamp(c)):
                self.changes.append(Change(layer, key, EXISTS, False, True, "both"))
                return {key: one}
            self.changes.append(Change(layer, key, EXISTS, False, True, "ours"))
            self.changes.append(Change(layer, f"{key} (theirs)", EXISTS, False, True, "theirs"))
            return {key: one, f"{key} (theirs)": two}
        row = one if one is not None else two
        assert row is not None
        whose = "ours" if one is not None else "theirs"
        self.changes.append(Change(layer, key, EXISTS, False, True, whose))
        return {key: row}

    def _kept(
        self,
        layer: str,
        key: Key,
        was: Row,
        one: Row | None,
        two: Row | None,
        columns: Sequence[str],
        same: float,
    ) -> Row | None:
        """A feature of the base; None when it is deleted."""
        if one is None or two is None:
            left = one if one is not None else two
            whose = "theirs" if one is not None else "ours"
            edited = left is not None and any(
                not _equal(was.get(c), left.get(c, was.get(c)), same) for c in (*columns, GEOMETRY)
            )
            if not edited:
                self.changes.append(
                    Change(layer, key, EXISTS, True, False, "both" if left is None else whose)
                )
                return None
            gone = whose == "ours"
            conflict = Conflict(layer, key, EXISTS, True, not gone, gone)
            take = self._decided.get(conflict.place)
            if take is None:
                self.conflicts.append(conflict)
                return left
            if take == "base":
                return was
            deleted = not (conflict.ours if take == "ours" else conflict.theirs)
            self.changes.append(Change(layer, key, EXISTS, True, not deleted, take))
            return None if deleted else left
        return {c: self._value(layer, key, c, was, one, two, same) for c in (*columns, GEOMETRY)}

    def _value(self, layer: str, key: Key, column: str, was: Row, one: Row, two: Row, same: float) -> Any:
        base = was.get(column)
        ours, theirs = one.get(column, base), two.get(column, base)
        if _equal(ours, theirs, same):
            if not _equal(base, ours, same):
                self.changes.append(Change(layer, key, column, base, ours, "both"))
            return ours
        for mine, other, whose in ((ours, theirs, "ours"), (theirs, ours, "theirs")):
            if _equal(base, other, same):
                self.changes.append(Change(layer, key, column, base, mine, whose))
                return mine
        if _stamp(column):
            value = _both_stamps(column, ours, theirs)
            self.changes.append(Change(layer, key, column, base, value, "both"))
            return value
        conflict = Conflict(layer, key, column, base, ours, theirs)
        take = self._decided.get(conflict.place)
        if take is None:
            self.conflicts.append(conflict)
            return base
        value = {"ours": ours, "theirs": theirs, "base": base}[take]
        self.changes.append(Change(layer, key, column, base, value, take))
        return value


def _like(table: Table, base: Table) -> Table:
    """A table in the CRS of the base."""
    if table.crs is None or base.crs is None or table.crs.equals(base.crs):
        return table
    move = pyproj.Transformer.from_crs(table.crs, base.crs, always_xy=True).transform
    rows = {
        key: {**row, GEOMETRY: shapely.transform(row[GEOMETRY], move, interleaved=False)}
        for key, row in table.rows.items()
    }
    return Table(table.name, rows, table.columns, base.crs, table.kind, table.keyed_by)


def _stamp(column: str) -> bool:
    return column in _WHO or column in _WHEN


def _both_stamps(column: str, ours: Any, theirs: Any) -> Any:
    """Of who: both names; of when: the later."""
    if column in _WHEN:
        return max(str(v) for v in (ours, theirs) if v is not None)
    names = [name.strip() for text in (ours, theirs) if text for name in str(text).split(";")]
    return "; ".join(dict.fromkeys(names))


def _equal(a: Any, b: Any, same: float) -> bool:
    if isinstance(a, Geometry) and isinstance(b, Geometry):
        return bool(a.equals_exact(b, same, normalize=True))
    if isinstance(a, float) or isinstance(b, float):
        return a is not None and b is not None and bool(np.isclose(a, b, rtol=1e-9, atol=1e-9))
    return bool(a == b)
