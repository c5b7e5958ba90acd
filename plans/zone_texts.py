"""Zones out of text that GDAL does not read: WKT, Mission Planner's polygons, QGroundControl's plans."""

from __future__ import annotations

import codecs
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely import Geometry, LineString, Polygon

from plans.errors import ZoneError
from plans.frames import LocalFrame

TEXT_SUFFIXES = (".wkt", ".poly", ".plan")


def read_zone_text(path: Path) -> list[tuple[Geometry, str | None]]:
    """The geometries of a .wkt, .poly or .plan file and their CRS (None for degrees of WGS84).

    Raises ZoneError when the file is not what its name says.
    """
    try:
        text = decoded_text(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        raise ZoneError(f"{path}: cannot be read as text ({error}); export the zone again") from error
    match path.suffix.lower():
        case ".wkt":
            return _from_wkt(text, path)
        case ".poly":
            return [(_from_poly(text, path), None)]
        case _:
            return [(geometry, None) for geometry in _from_plan(text, path)]


def decoded_text(data: bytes, otherwise: str = "gb18030") -> str:
    """Text in UTF-8, in UTF-16 with its mark (Windows' "Unicode"), or else in another encoding.

    Raises UnicodeDecodeError.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode(otherwise)


def _from_wkt(text: str, path: Path) -> list[tuple[Geometry, str | None]]:
    """One geometry in the whole file, or one to a line; each may begin with `SRID=n;`."""
    try:
        return [_geometry(" ".join(text.split()))]
    except shapely.errors.GEOSException:
        pass  # not one geometry: one to a line, then
    try:
        return [_geometry(line.strip()) for line in text.splitlines() if line.strip()]
    except shapely.errors.GEOSException as error:
        raise ZoneError(
            f"{path}: not WKT ({str(error).splitlines()[0]}); expected POLYGON ((lon lat, ...))"
        ) from error


def _geometry(text: str) -> tuple[Geometry, str | None]:
    """Rings that do not close are closed; raises GEOSException for what is no WKT."""
    srid = re.match(r"SRID=(\d+);", text, flags=re.IGNORECASE)
    wkt = text[srid.end() :] if srid else text
    with np.errstate(invalid="ignore"):  # coordinates that are no numbers are refused by who reads them
        closed = shapely.from_wkt(wkt, on_invalid="fix")
        geometry = shapely.from_wkt(wkt) if closed is None else closed
    return geometry, f"EPSG:{srid[1]}" if srid else None


def _from_poly(text: str, path: Path) -> Geometry:
    """Mission Planner's polygon file: a comment line, then `lat lon` to a line."""
    points = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            lat, lon = (float(v) for v in line.split()[:2])
        except ValueError as error:
            raise ZoneError(f"{path}: line {number} is not `lat lon`: {line.strip()[:40]!r}") from error
        points.append((lon, lat))
    if len(points) < 3:
        raise ZoneError(f"{path}: {len(points)} corners; a polygon needs three or more")
    return Polygon(points)


def _from_plan(text: str, path: Path) -> list[Geometry]:
    """The areas and centre lines of a QGroundControl plan's surveys; without any, its inclusion fences.

    Fields as in QGroundControl's documentation of the plan format: `polygon` and `polyline` of complex items
    and `geoFence.polygons`, all lists of [lat, lon], and `geoFence.circles` about their `center`.
    """
    try:
        plan = json.loads(text)
        items = plan["mission"]["items"]
        shapes = [_ring(item["polygon"]) for item in items if item.get("polygon")]
        shapes += [_line(item["polyline"]) for item in items if item.get("polyline")]
        if not shapes:
            fence = plan.get("geoFence", {})
            kept = [part for part in fence.get("polygons", []) if part.get("inclusion", True)]
            shapes = [_ring(part["polygon"]) for part in kept]
            round_ones = [part for part in fence.get("circles", []) if part.get("inclusion", True)]
            shapes += [_circle(part["circle"]) for part in round_ones]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ZoneError(f"{path}: not a plan of QGroundControl ({error}); save it there again") from error
    if not shapes:
        raise ZoneError(f"{path}: no survey area and no inclusion fence in this plan; draw one in it")
    return shapes


def _ring(places: Any) -> Polygon:
    points = _places(places)
    if len(points) < 3:
        raise ValueError(f"a polygon of {len(points)} corners")
    return Polygon(points)


def _line(places: Any) -> LineString:
    points = _places(places)
    if len(points) < 2:
        raise ValueError("a line of one point")
    return LineString(points)


def _circle(circle: Any) -> Geometry:
    (place,) = _places([circle["center"]])
    radius_m = float(circle["radius"])
    if not 0 < radius_m < 1e5:
        raise ValueError(f"a fence circle of {radius_m:g} m")
    frame = LocalFrame(place[1], place[0])
    return frame.geometry_to_geo(shapely.Point(0, 0).buffer(radius_m, quad_segs=16))


def _places(places: Any) -> list[tuple[float, float]]:
    points = [(float(place[1]), float(place[0])) for place in places]
    if not all(math.isfinite(v) for point in points for v in point):
        raise ValueError("a corner that is not a number")
    return points
