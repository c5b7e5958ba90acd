"""Zones and corridors out of any vector file, in WGS84, holes kept, faults named with their place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import shapely
from shapely import Geometry, LineString, MultiLineString, MultiPolygon, Polygon

from plans.errors import ZoneError
from plans.gcj02 import geometry_from_gcj02
from plans.zone_files import read_features
from plans.zone_repair import MIN_WIDTH_DEG, in_degrees, polygons_of, sound_polygon


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


def read_zones(path: Path | str, *, gcj02: bool = False) -> tuple[Zone, ...]:
    """Every polygon of a vector file (GeoJSON, KML/KMZ, Shapefile, GeoPackage, WKT, Mission Planner .poly,
    the surveys of a QGroundControl .plan, whatever GDAL reads), in WGS84. With `gcj02` its degrees are
    GCJ-02's (AMap, Tencent) and are converted.

    Raises ZoneError when the file cannot be read, has no polygon, or a polygon crosses itself or has no
    area; the message names the file and the place.
    """
    path = Path(path)
    zones: list[Zone] = []
    for feature in read_features(path):
        parts = polygons_of(feature.geometry)
        if parts:
            polygon = _checked(parts, str(path))
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
    for feature in read_features(path):
        for line in _lines(feature.geometry):
            line = line if line.is_empty else in_degrees(shapely.remove_repeated_points(line), str(path))
            if line.length > MIN_WIDTH_DEG:
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
    return _checked(polygons_of(polygon), source)


def _checked(parts: list[Polygon], source: str) -> Polygon | MultiPolygon:
    """Parts of one zone, in degrees and sound."""
    parts = [part for part in parts if not part.is_empty]
    if parts:
        parts = polygons_of(in_degrees(MultiPolygon(parts), source))
    return sound_polygon(parts, source)


def _lines(geometry: Geometry) -> list[LineString]:
    if isinstance(geometry, LineString):
        return [shapely.force_2d(geometry)]
    if isinstance(geometry, MultiLineString):
        merged = shapely.line_merge(shapely.force_2d(geometry))
        return list(merged.geoms) if hasattr(merged, "geoms") else [merged]
    if hasattr(geometry, "geoms"):
        return [part for inner in geometry.geoms for part in _lines(inner)]
    return []
