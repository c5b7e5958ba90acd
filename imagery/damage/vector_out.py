"""Vector layers to a GeoPackage that opens styled in QGIS.

Styles stand in the table `layer_styles`, where QGIS looks for them (QGIS "save style in database").
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyogrio.errors
import pyogrio.raw
import pyproj
import shapely
from shapely import Geometry

from imagery.damage.legend import Entry
from imagery.damage.qgis_style import VectorStyle, qml
from imagery.errors import DeliveryError
from imagery.raster_io import whole_file

_GEOPACKAGE_VERSION = "1.2"
"""GDAL before 3.7, and the QGIS built on it, warns of the 1.4 that newer ones write by themselves."""


@dataclass(frozen=True)
class OutLayer:
    """One layer to write: geometries and columns of the same length, and how to draw it."""

    name: str
    kind: str
    """"Polygon", "MultiPolygon", "LineString", ... as OGR names it."""
    geometries: tuple[Geometry, ...]
    columns: Mapping[str, Sequence[Any]]
    styled_by: str | None = None
    legend: tuple[Entry, ...] = ()
    colour: tuple[int, int, int] = (90, 90, 90)
    hollow: bool = False
    """Areas drawn by their border alone, so that what lies below stays to be seen."""
    named_by: str | None = None
    """The column that QGIS sets as names on the map."""


def write_vectors(
    path: Path, layers: Sequence[OutLayer], crs: pyproj.CRS, *, driver: str = "GPKG", **options: Any
) -> None:
    """Write layers to one file; nothing stands under `path` before it is whole.

    Raises DeliveryError when the file cannot be written.
    """
    with whole_file(path) as part:
        part.unlink(missing_ok=True)
        for index, layer in enumerate(layers):
            try:
                write_layer(part, layer, crs, driver, append=index > 0, **options)
                _must_hold(part, layer)
            except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
                raise DeliveryError(
                    f"{path}: cannot be written ({error}); free some space or choose another folder"
                ) from error
        if driver == "GPKG":
            _write_styles(part, [layer for layer in layers if layer.styled_by or layer.kind != "Point"])


def write_layer(
    path: Path, layer: OutLayer, crs: pyproj.CRS, driver: str, *, append: bool = False, **options: Any
) -> None:
    """Write (or append) one layer by pyogrio, in place; raises what pyogrio raises."""
    geometries = np.array(layer.geometries, dtype=object)
    if layer.kind.startswith("Multi"):
        geometries = np.array([_multi(g, layer.kind) for g in geometries], dtype=object)
    columns = [_column(values) for values in layer.columns.values()]
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(geometries) if len(geometries) else np.empty(0, object),
        field_data=[values for values, _ in columns],
        field_mask=[mask for _, mask in columns],
        fields=list(layer.columns),
        geometry_type=layer.kind,
        crs=crs.to_wkt(),
        layer=layer.name,
        driver=driver,
        append=append,
        dataset_options={"VERSION": _GEOPACKAGE_VERSION} if driver == "GPKG" else None,
        **options,
    )


def _must_hold(path: Path, layer: OutLayer) -> None:
    """Read back what was written: some drivers meet a full disk without a word."""
    info = pyogrio.read_info(path, layer=layer.name, force_feature_count=True)
    if info["features"] != len(layer.geometries):
        raise pyogrio.errors.DataSourceError("not all of it could be written; free some space")


def _multi(geometry: Geometry, kind: str) -> Geometry:
    if geometry.geom_type == kind:
        return geometry
    parts = list(shapely.get_parts(geometry))
    return shapely.MultiPolygon(parts) if kind == "MultiPolygon" else shapely.MultiLineString(parts)


def _column(values: Sequence[Any]) -> tuple[Any, Any]:
    """A numpy column and its null mask (None where there are no nulls)."""
    missing = np.array([v is None for v in values], bool)
    known = [v for v in values if v is not None]
    if all(isinstance(v, bool | np.bool_) for v in known) and known:
        return np.array([bool(v) for v in values]), missing if missing.any() else None
    if all(isinstance(v, int | np.integer) for v in known) and known:
        return np.array([0 if v is None else int(v) for v in values], np.int64), _mask(missing)
    if all(isinstance(v, int | float | np.number) for v in known) and known:
        return np.array([np.nan if v is None else float(v) for v in values]), _mask(missing)
    return np.array([None if v is None else str(v) for v in values], object), None


def _mask(missing: Any) -> Any:
    return missing if missing.any() else None


def style_of(layer: OutLayer) -> VectorStyle:
    """How QGIS shall draw a layer."""
    symbols = tuple((e.key, f"{e.name_en} / {e.name_zh}", e.colour) for e in layer.legend)
    if not (layer.styled_by and symbols):
        symbols = (("", layer.name, layer.colour),)
    return VectorStyle(layer.kind, symbols, layer.styled_by, layer.hollow, layer.named_by)


def _write_styles(path: Path, layers: Sequence[OutLayer]) -> None:
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "
            "f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256), "
            "f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT, "
            "useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), "
            "update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')))"
        )
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) "
            "VALUES ('layer_styles', 'attributes', 'layer_styles', 'QGIS styles', 0)"
        )
        column = dict(database.execute("SELECT table_name, column_name FROM gpkg_geometry_columns"))
        database.executemany(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, "
            "styleName, styleQML, styleSLD, useAsDefault, description, owner) "
            "VALUES ('', '', ?, ?, 'default', ?, '', 1, 'missionctl legend', '')",
            [
                (layer.name, column[layer.name], qml(style_of(layer)))
                for layer in layers
                if layer.name in column
            ],
        )
    database.close()
