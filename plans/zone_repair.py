"""Polygons as they can be flown: harmless faults of drawing repaired, the others refused with their place.

A fault is harmless when it has one right reading. A ring encloses what it winds round; where it winds round
all of that equally often (spikes, doubled corners, a bridge to a hole and back, a ring that touches itself or
is drawn twice), that is the reading. Where it does not (a bow-tie winds round one half to the left and round
the other to the right), the pilot has to say what was meant.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np
import shapely
from shapely import Geometry, LinearRing, LineString, MultiPolygon, Polygon

from plans.errors import ZoneError
from plans.frames import FloatArray

_MIN_AREA_DEG2 = 1e-12  # about 0.01 m2
MIN_WIDTH_DEG = 1e-7
"""About 1 cm: what is narrower or shorter is none."""
_SPANS = "spans the antimeridian (180 degrees); cut it there and plan the two halves from two files"


def sound_polygon(parts: Sequence[Polygon], source: str) -> Polygon | MultiPolygon:
    """The polygons (lon/lat degrees, 2-D) as one, repaired and merged; parts without area go, unless all do.

    Raises ZoneError naming `source` and the place.
    """
    sound = [polygon for part in parts for polygon in _repaired(part, source)]
    if not sound:
        corners = shapely.get_coordinates(list(parts))
        where = (
            f"at lat {corners[0, 1]:.6f}, lon {corners[0, 0]:.6f} has no area" if len(corners) else "is empty"
        )
        raise ZoneError(
            f"{source}: the polygon {where}; draw it with three or more corners that are not in a line"
        )
    west, _, east, _ = shapely.total_bounds(sound)
    if east - west > 180:
        raise ZoneError(f"{source}: the zone {_SPANS}")
    polygons = _with_area(shapely.union_all(sound)) if len(sound) > 1 else sound
    return polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)


def in_degrees(geometry: Geometry, source: str) -> Geometry:
    """The geometry, if its coordinates can be degrees of WGS84; longitudes of 180 to 360 are turned to west.

    Raises ZoneError naming `source` and a coordinate.
    """
    xy = shapely.get_coordinates(geometry)
    if not np.isfinite(xy).all():
        raise ZoneError(f"{source}: has coordinates that are not numbers; draw the zone again")
    (west, south), (east, north) = xy.min(axis=0), xy.max(axis=0)
    if 180 <= west < east <= 360 and south >= -90 and north <= 90:
        return shapely.transform(geometry, lambda lon_lat: lon_lat - [360.0, 0.0])
    if -180 <= west <= 180 < east <= 360 and south >= -90 and north <= 90:
        raise ZoneError(f"{source}: the zone {_SPANS}")
    if west < -180 or east > 180 or south < -90 or north > 90:
        where = f"coordinates such as ({west:.6g}, {south:.6g})"
        if abs(xy[:, 0]).max() <= 90 and abs(xy[:, 1]).max() <= 180:
            raise ZoneError(f"{source}: {where} look like (lat, lon); write longitude first, then latitude")
        raise ZoneError(
            f"{source}: {where} are not degrees and the file names no coordinate system that fits them; "
            "export it as WGS84 or add its .prj"
        )
    if east - west > 180:
        raise ZoneError(f"{source}: the zone {_SPANS}")
    return geometry


def _repaired(part: Polygon, source: str) -> list[Polygon]:
    """The part without its harmless faults; empty when it has no area."""
    if part.is_valid:
        return _with_area(shapely.remove_repeated_points(part))
    shell = _enclosed(part.exterior, source)
    holes = shapely.union_all([_enclosed(hole, source) for hole in part.interiors])
    return _with_area(shapely.difference(shell, holes))


def _enclosed(ring: LinearRing, source: str) -> Geometry:
    """All that a ring winds round, which must be equally often everywhere."""
    if Polygon(ring).is_valid:
        return Polygon(ring)
    faces = shapely.get_parts(shapely.polygonize([shapely.union_all(LineString(ring.coords))])).tolist()
    windings = [_winding_number(ring, face) for face in faces]
    wound = [(face, n) for face, n in zip(faces, windings, strict=True) if n]
    counted = [(face, n) for face, n in wound if _has_area(face)]
    if len({n for _, n in counted}) > 1:
        lon, lat = _crossing(ring, counted)
        raise ZoneError(
            f"{source}: the polygon crosses itself at lat {lat:.6f}, lon {lon:.6f}; "
            "move the corners there apart"
        )
    return shapely.union_all([face for face, _ in wound])


def _winding_number(ring: LinearRing, face: Polygon) -> int:
    """How often the ring goes round a face of its own, counterclockwise positive."""
    px, py = face.representative_point().coords[0]
    x, y = np.asarray(ring.coords, float)[:, :2].T
    left = (x[1:] - x[:-1]) * (py - y[:-1]) - (px - x[:-1]) * (y[1:] - y[:-1])
    up = (y[:-1] <= py) & (y[1:] > py) & (left > 0)
    down = (y[1:] <= py) & (y[:-1] > py) & (left < 0)
    return int(up.sum()) - int(down.sum())


def _crossing(ring: LinearRing, faces: Sequence[tuple[Polygon, int]]) -> FloatArray:
    """A place (lon, lat) where faces meet that the ring winds round differently."""
    for (a, n), (b, m) in itertools.combinations(faces, 2):
        if n != m and a.intersects(b):
            shared = shapely.intersection(a.boundary, b.boundary)
            ends = shapely.line_merge(shared).boundary if shared.geom_type.endswith("LineString") else shared
            return shapely.get_coordinates(ends if not ends.is_empty else shared)[0]
    found = re.search(r"\[(\S+) (\S+)\]", shapely.is_valid_reason(Polygon(ring)))
    return np.array([float(found[1]), float(found[2])]) if found else np.array(ring.coords[0][:2])


def _with_area(geometry: Geometry) -> list[Polygon]:
    return [p for p in polygons_of(geometry) if _has_area(p)]


def _has_area(polygon: Polygon) -> bool:
    area = polygon.area
    return bool(area > _MIN_AREA_DEG2 and 2 * area / polygon.length > MIN_WIDTH_DEG)


def polygons_of(geometry: Geometry) -> list[Polygon]:
    """The polygons of any geometry, 2-D."""
    if isinstance(geometry, Polygon):
        return [shapely.force_2d(geometry)]
    if hasattr(geometry, "geoms"):
        return [part for inner in geometry.geoms for part in polygons_of(inner)]
    return []
