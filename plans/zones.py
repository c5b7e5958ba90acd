"""Zones and corridors out of any vector file, in WGS84, holes kept, faults named with their place."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyogrio
import pyproj
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from shapely import Geometry, LineString, MultiLineString, MultiPolygon, Polygon

from plans.errors import ZoneError
from plans.frames import WGS84
from plans.gcj02 import geometry_from_gcj02
from plans.zone_texts import TEXT_SUFFIXES, read_zone_text

_MIN_AREA_DEG2 = 1e-12  # about 0.01 m2
_SPANS = "spans the antimeridian (180 degrees); cut it there and plan the two halves from two files"
_PRIORITY_FIELDS = ("priority", "weight")
_NAME_FIELDS = ("name", "title", "id")


@dataclass(frozen=True)
class Zone:
    """An area to map: polygon in lon/lat degrees (WGS84), holes kept. A higher priority comes first."""

    name: str
    polygon: Polygon | MultiPolygon
    priority: float = 1.0


@dataclass(frozen=True)
class Corridor:
    """A river, road or dyke to map along: line in lon/lat degrees (WGS84)."""

    name: str
    line: LineString
    priority: float = 1.0


@dataclass(frozen=True)
class _Feature:
    geometry: Geometry
    name: str | None
    priority: float


def read_zones(path: Path | str, *, gcj02: bool = False) -> tuple[Zone, ...]:
    """Every polygon of a vector file (GeoJSON, KML/KMZ, Shapefile, GeoPackage, WKT, Mission Planner .poly,
    the surveys of a QGroundControl .plan, whatever GDAL reads), in WGS84. With `gcj02` its degrees are
    GCJ-02's (AMap, Tencent) and are converted.

    Raises ZoneError when the file cannot be read, has no polygon, or a polygon crosses itself or has no
    area; the message names the file and the place.
    """
    path = Path(path)
    zones: list[Zone] = []
    for feature in _features(path):
        parts = _polygons(feature.geometry)
        if parts:
            polygon = _checked(parts, path)
            polygon = geometry_from_gcj02(polygon) if gcj02 else polygon
            zones.append(Zone(feature.name or f"{path.stem} {len(zones) + 1}", polygon, feature.priority))
    if not zones:
        raise ZoneError(f"{path}: no polygon in this file; draw the zone as an area, not as points or lines")
    return tuple(zones)


def read_lines(path: Path | str, *, gcj02: bool = False) -> tuple[Corridor, ...]:
    """Every line of a vector file, in WGS84, for corridor surveys; `gcj02` as for zones.

    Raises ZoneError when the file cannot be read or has no line.
    """
    path = Path(path)
    lines: list[Corridor] = []
    for feature in _features(path):
        for line in _lines(feature.geometry):
            _check_degrees(line, path)
            if len(set(line.coords)) > 1:
                line = geometry_from_gcj02(line) if gcj02 else line
                name = feature.name or f"{path.stem} {len(lines) + 1}"
                lines.append(Corridor(name, line, feature.priority))
    if not lines:
        raise ZoneError(f"{path}: no line in this file; a corridor needs a line to follow")
    return tuple(lines)


def check_zone(polygon: Polygon | MultiPolygon, source: str) -> Polygon | MultiPolygon:
    """The polygon as it can be flown: 2-D, parts merged, harmless faults repaired.

    Raises ZoneError naming `source` and the place when it crosses itself or has no area.
    """
    return _checked(_polygons(polygon), Path(source))


def _features(path: Path) -> Iterator[_Feature]:
    if not path.exists():
        raise ZoneError(f"{path}: no such file; check the path of the zone")
    if path.is_file() and path.stat().st_size == 0:
        raise ZoneError(f"{path}: the file is empty; export the zone again")
    if path.suffix.lower() in TEXT_SUFFIXES:
        for geometry, crs in read_zone_text(path):
            to_wgs84 = _transformer(crs, path)
            yield _Feature(geometry if to_wgs84 is None else _to_wgs84(geometry, to_wgs84), None, 1.0)
        return
    yield from _from_ogr(path)


def _from_ogr(path: Path) -> Iterator[_Feature]:
    source = _ogr_source(path)
    try:
        layers = [str(name) for name in pyogrio.list_layers(source)[:, 0]]
        chosen = [name for name in layers if name.casefold() in ("zone", "zones")] or layers
        for layer in chosen:
            yield from _layer_features(source, layer, path)
    except (DataSourceError, DataLayerError) as error:
        reason = str(error).splitlines()[0]
        raise ZoneError(f"{path}: not a vector file that can be read ({reason})") from error


def _ogr_source(path: Path) -> str:
    """GDAL's name of the file: KMZ and zipped shapefiles are opened inside their archive."""
    if path.suffix.lower() not in (".kmz", ".zip"):
        return str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [
                n for n in archive.namelist() if n.lower().endswith((".kml", ".shp", ".gpkg", ".geojson"))
            ]
    except zipfile.BadZipFile as error:
        raise ZoneError(f"{path}: not a whole KMZ or ZIP archive; copy it again") from error
    if not inside:
        raise ZoneError(f"{path}: no KML, Shapefile or GeoPackage inside this archive")
    return f"/vsizip/{path.resolve()}/{inside[0]}"


def _layer_features(source: str, layer: str, path: Path) -> Iterator[_Feature]:
    meta, _, geometries, columns = pyogrio.raw.read(source, layer=layer, force_2d=True)
    if geometries is None:
        return
    fields = {str(name).casefold(): column for name, column in zip(meta["fields"], columns, strict=True)}
    to_wgs84 = _transformer(meta.get("crs"), path)
    for index, wkb in enumerate(geometries):
        if wkb is None:
            continue
        # A ring of two points is let through here and refused below with the file's name.
        geometry = shapely.from_wkb(wkb, on_invalid="ignore")
        if geometry is None:
            raise ZoneError(f"{path}: feature {index + 1} has a broken geometry; draw it again")
        if geometry.is_empty:
            continue
        if to_wgs84 is not None:
            geometry = _to_wgs84(geometry, to_wgs84)
        yield _Feature(geometry, _name(fields, index), _priority(fields, index))


def _transformer(crs: str | None, path: Path) -> pyproj.Transformer | None:
    if crs is None:
        return None  # degrees are taken for WGS84; anything else is refused by _check_degrees
    try:
        known = pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise ZoneError(f"{path}: its coordinate system {crs!r} is not known") from error
    if known.equals(WGS84, ignore_axis_order=True):
        return None
    return pyproj.Transformer.from_crs(known, WGS84, always_xy=True)


def _to_wgs84(geometry: Geometry, to_wgs84: pyproj.Transformer) -> Geometry:
    return shapely.transform(geometry, lambda xy: np.column_stack(to_wgs84.transform(*xy.T)))


def _name(fields: dict[str, np.ndarray], index: int) -> str | None:
    for key in _NAME_FIELDS:
        if key in fields and fields[key][index] is not None and str(fields[key][index]).strip():
            return str(fields[key][index]).strip()
    return None


def _priority(fields: dict[str, np.ndarray], index: int) -> float:
    for key in _PRIORITY_FIELDS:
        if key in fields:
            try:
                value = float(fields[key][index])
            except (TypeError, ValueError):
                continue
            if np.isfinite(value) and value > 0:
                return value
    return 1.0


def _polygons(geometry: Geometry) -> list[Polygon]:
    if isinstance(geometry, Polygon):
        return [shapely.force_2d(geometry)]
    if hasattr(geometry, "geoms"):
        return [part for inner in geometry.geoms for part in _polygons(inner)]
    return []


def _lines(geometry: Geometry) -> list[LineString]:
    if isinstance(geometry, LineString):
        return [shapely.force_2d(geometry)]
    if isinstance(geometry, MultiLineString):
        merged = shapely.line_merge(shapely.force_2d(geometry))
        return list(merged.geoms) if hasattr(merged, "geoms") else [merged]
    if hasattr(geometry, "geoms"):
        return [part for inner in geometry.geoms for part in _lines(inner)]
    return []


def _check_degrees(geometry: Geometry, path: Path) -> None:
    west, south, east, north = geometry.bounds
    if not np.all(np.isfinite([west, south, east, north])):
        raise ZoneError(f"{path}: has coordinates that are not numbers; draw the zone again")
    if -180 <= west <= 180 < east <= 360 and south >= -90 and north <= 90:
        raise ZoneError(f"{path}: the zone {_SPANS}")
    if west < -180 or east > 180 or south < -90 or north > 90:
        raise ZoneError(
            f"{path}: coordinates such as ({west:.6g}, {south:.6g}) are not degrees and the file names no "
            "coordinate system; export it as WGS84 or add its .prj"
        )
    if east - west > 180:
        raise ZoneError(f"{path}: the zone {_SPANS}")


def _checked(parts: Iterable[Polygon], path: Path) -> Polygon | MultiPolygon:
    sound = [_checked_part(part, path) for part in parts]
    west, _, east, _ = shapely.total_bounds(sound)
    if east - west > 180:
        raise ZoneError(f"{path}: the zone {_SPANS}")
    merged = shapely.union_all(sound) if len(sound) > 1 else sound[0]
    polygons = [p for p in _polygons(merged) if p.area > _MIN_AREA_DEG2]
    return polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)


def _checked_part(part: Polygon, path: Path) -> Polygon | MultiPolygon:
    if part.is_empty:
        raise ZoneError(f"{path}: a polygon in it is empty; draw the zone again")
    _check_degrees(part, path)
    lon, lat = part.exterior.coords[0]
    reason = shapely.is_valid_reason(part)
    crossing = re.match(r"Self-intersection\[(\S+) (\S+)\]", reason)
    flat = part.exterior.is_closed and abs(_ring_area(part)) <= _MIN_AREA_DEG2
    if crossing and not flat:
        x, y = float(crossing[1]), float(crossing[2])
        raise ZoneError(
            f"{path}: the polygon crosses itself at lat {y:.6f}, lon {x:.6f}; move the corners there apart"
        )
    if not part.is_valid:
        # What is left (rings that touch, holes that touch or lie outside) has one right reading.
        repaired = MultiPolygon(_polygons(shapely.make_valid(part)))
    else:
        repaired = MultiPolygon([part])
    if flat or repaired.area <= _MIN_AREA_DEG2:
        raise ZoneError(
            f"{path}: the polygon at lat {lat:.6f}, lon {lon:.6f} has no area; draw it with three or more "
            "corners that are not in a line"
        )
    return repaired


def _ring_area(part: Polygon) -> float:
    return (
        float(Polygon(part.exterior).area)
        if part.exterior.is_simple
        else float(shapely.make_valid(part).area)
    )
