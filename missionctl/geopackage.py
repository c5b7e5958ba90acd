"""A small GeoPackage store: plain SQLite in WAL mode, so that several processes append safely.

Source: OGC 12-128r18 (GeoPackage 1.3), clauses 1.1.1 to 2.1. GDAL reads what stands here; it is not used to
write, because it rewrites a layer where we must append a row that survives kill -9.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely
from shapely import Geometry

from missionctl.errors import WorkspaceError

SRS_ID = 4326
_APPLICATION_ID = 0x47504B47  # "GPKG"
_USER_VERSION = 10300
_BUSY_TIMEOUT_S = 30.0

_CORE = """
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY,
  organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL,
  description TEXT);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL,
  identifier TEXT UNIQUE, description TEXT DEFAULT '',
  last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
  FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL,
  geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
  PRIMARY KEY (table_name, column_name));
"""
_WGS84_WKT = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
    'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],'
    'UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4326"]]'
)


@dataclass(frozen=True)
class Layer:
    """A table: its columns as SQL types; `spatial` adds a geometry column `geom` in WGS84."""

    name: str
    columns: Mapping[str, str]
    spatial: bool = True
    append_only: bool = False
    description: str = ""


@dataclass(frozen=True)
class Feature:
    """A row: its number, its geometry (lon/lat; None in a table without) and its values."""

    fid: int
    geometry: Geometry | None
    values: Mapping[str, Any]


def create(path: Path, layers: Sequence[Layer]) -> None:
    """Make an empty store with these layers. The file must not exist."""
    with _connect(path) as db:
        db.executescript(f"PRAGMA application_id={_APPLICATION_ID}; PRAGMA user_version={_USER_VERSION};")
        db.executescript(_CORE)
        db.executemany(
            "INSERT INTO gpkg_spatial_ref_sys VALUES (?,?,?,?,?,?)",
            [
                ("Undefined Cartesian SRS", -1, "NONE", -1, "undefined", None),
                ("Undefined geographic SRS", 0, "NONE", 0, "undefined", None),
                ("WGS 84 geodetic", SRS_ID, "EPSG", SRS_ID, _WGS84_WKT, "longitude, latitude in degrees"),
            ],
        )
        for layer in layers:
            _create_layer(db, layer)


def ensure(path: Path, layer: Layer) -> None:
    """Make a layer in a store that does not have it yet."""
    with _connect(path) as db:
        found = db.execute("SELECT 1 FROM gpkg_contents WHERE table_name=?", (layer.name,)).fetchone()
        if found is None:
            db.execute("BEGIN IMMEDIATE")
            found = db.execute("SELECT 1 FROM gpkg_contents WHERE table_name=?", (layer.name,)).fetchone()
            if found is None:
                _create_layer(db, layer)


def _create_layer(db: sqlite3.Connection, layer: Layer) -> None:
    columns = ["fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL"]
    if layer.spatial:
        columns.append("geom BLOB")
    columns += [f'"{name}" {kind}' for name, kind in layer.columns.items()]
    db.execute(f'CREATE TABLE "{layer.name}" ({", ".join(columns)})')
    db.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) "
        "VALUES (?,?,?,?,?)",
        (
            layer.name,
            "features" if layer.spatial else "attributes",
            layer.name,
            layer.description,
            SRS_ID if layer.spatial else None,
        ),
    )
    if layer.spatial:
        db.execute(
            "INSERT INTO gpkg_geometry_columns VALUES (?,?,?,?,0,0)", (layer.name, "geom", "GEOMETRY", SRS_ID)
        )
    if layer.append_only:
        for verb in ("UPDATE", "DELETE"):
            db.execute(
                f'CREATE TRIGGER "{layer.name}_no_{verb.lower()}" BEFORE {verb} ON "{layer.name}" '
                f"BEGIN SELECT RAISE(ABORT, '{layer.name} is append-only'); END"
            )


def insert(path: Path, layer: str, rows: Sequence[tuple[Geometry | None, Mapping[str, Any]]]) -> list[int]:
    """Append rows in one transaction; they are on disk when this returns. Returns their numbers."""
    fids: list[int] = []
    with _connect(path) as db:
        for geometry, values in rows:
            names = list(values)
            data: list[Any] = list(values.values())
            if geometry is not None:
                names.append("geom")
                data.append(geometry_blob(geometry))
            marks = ",".join("?" * len(names))
            quoted = ",".join(f'"{n}"' for n in names)
            cursor = db.execute(f'INSERT INTO "{layer}" ({quoted}) VALUES ({marks})', data)
            fids.append(cursor.lastrowid or 0)
            if geometry is not None and not geometry.is_empty:
                _grow_extent(db, layer, geometry)
    return fids


def _grow_extent(db: sqlite3.Connection, layer: str, geometry: Geometry) -> None:
    west, south, east, north = geometry.bounds
    db.execute(
        "UPDATE gpkg_contents SET min_x=min(coalesce(min_x,?1),?1), min_y=min(coalesce(min_y,?2),?2), "
        "max_x=max(coalesce(max_x,?3),?3), max_y=max(coalesce(max_y,?4),?4), "
        "last_change=strftime('%Y-%m-%dT%H:%M:%fZ','now') WHERE table_name=?5",
        (west, south, east, north, layer),
    )


def update(path: Path, layer: str, fid: int, values: Mapping[str, Any]) -> None:
    """Set values of one row."""
    sets = ",".join(f'"{n}"=?' for n in values)
    with _connect(path) as db:
        db.execute(f'UPDATE "{layer}" SET {sets} WHERE fid=?', [*values.values(), fid])


def set_geometry(path: Path, layer: str, fid: int, geometry: Geometry) -> None:
    """Give one row another geometry (lon/lat)."""
    with _connect(path) as db:
        db.execute(f'UPDATE "{layer}" SET geom=? WHERE fid=?', (geometry_blob(geometry), fid))
        if not geometry.is_empty:
            _grow_extent(db, layer, geometry)


def delete_where(path: Path, layer: str, column: str, value: Any) -> None:
    """Remove the rows with this value, for layers that a job writes anew."""
    with _connect(path) as db:
        db.execute(f'DELETE FROM "{layer}" WHERE "{column}"=?', (value,))


def read(path: Path, layer: str) -> list[Feature]:
    """All rows of a layer in the order in which they were written."""
    with _connect(path) as db:
        db.row_factory = sqlite3.Row
        rows = db.execute(f'SELECT * FROM "{layer}" ORDER BY fid').fetchall()
    features = []
    for row in rows:
        values = dict(row)
        blob = values.pop("geom", None)
        features.append(Feature(values.pop("fid"), blob_geometry(blob) if blob else None, values))
    return features


def geometry_blob(geometry: Geometry) -> bytes:
    """GeoPackageBinary: header with envelope (little endian), then WKB (clause 2.1.3)."""
    empty = geometry.is_empty
    flags = 0b0000_0001 | (0 if empty else 0b0000_0010) | (0b0001_0000 if empty else 0)
    header = b"GP" + struct.pack("<BBi", 0, flags, SRS_ID)
    if not empty:
        west, south, east, north = geometry.bounds
        header += struct.pack("<4d", west, east, south, north)
    return header + shapely.to_wkb(geometry, byte_order=1)


def blob_geometry(blob: bytes) -> Geometry:
    """The geometry of a GeoPackageBinary with any envelope."""
    envelope_bytes = (0, 32, 48, 48, 64)[(blob[3] >> 1) & 0b111]
    return shapely.from_wkb(blob[8 + envelope_bytes :])


@contextmanager
def _connect(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S)
    except sqlite3.Error as error:
        raise WorkspaceError(f"{path}: cannot be opened ({error})") from None
    try:
        with db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            yield db
    except sqlite3.DatabaseError as error:
        raise WorkspaceError(f"{path}: the mission store cannot be read or written ({error})") from None
    finally:
        db.close()
