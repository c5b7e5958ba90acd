"""Zones as floods draw them: meandering rivers of changing width, with tributaries and islands.

Seeded: the same number gives the same zone on every machine. Local metres about the frame's origin.
"""

from __future__ import annotations

import numpy as np
import shapely
from shapely import LineString, Polygon

from plans.frames import GeoPoint, LocalFrame
from plans.zones import Zone

FRAME = LocalFrame(30.0, 104.0)
_STEP_M = 25.0


def river_zone(seed: int) -> Polygon:
    """A main stem of 2.25 to 5.5 km, one to three tributaries and up to three dry islands."""
    rng = np.random.default_rng([2026, seed])
    stem = _meander(rng, np.zeros(2), rng.uniform(0, 2 * np.pi), rng.uniform(2250, 5500))
    pieces = [_water(stem, rng.uniform(150, 360), rng)]
    for _ in range(rng.integers(1, 4)):
        mouth = stem[rng.integers(len(stem) // 6, len(stem) * 5 // 6)]
        side = rng.uniform(0, 2 * np.pi)
        pieces.append(_water(_meander(rng, mouth, side, rng.uniform(500, 1400)), rng.uniform(80, 200), rng))
    flooded = shapely.union_all(pieces).simplify(6.0)
    flooded = max(shapely.get_parts(flooded).tolist(), key=lambda part: part.area)
    # Land that a bend encloses by chance is an island only where it is large.
    kept = [ring for ring in flooded.interiors if Polygon(ring).area > 4000]
    return _with_islands(Polygon(flooded.exterior, kept[:3]), int(rng.integers(0, 4)), rng)


def zone_of(polygon: Polygon, name: str) -> Zone:
    """The zone in degrees, as the planner takes it."""
    return Zone(name, FRAME.geometry_to_geo(polygon))


def bank_of(polygon: Polygon) -> GeoPoint:
    """A launch point on the bank: the corner of the outer edge nearest the zone's middle, 20 m outside."""
    outside = Polygon(polygon.exterior).buffer(20.0)
    near = shapely.shortest_line(outside.exterior, polygon.centroid)
    lat, lon = FRAME.to_geo(*near.coords[0])
    return GeoPoint(float(lat), float(lon), 500.0)


def _meander(rng: np.random.Generator, start: np.ndarray, course_rad: float, length_m: float) -> np.ndarray:
    """Points (n, 2): a sine-generated curve (Langbein and Leopold 1966) with a wandering wavelength."""
    steps = int(length_m / _STEP_M)
    wavelength = rng.uniform(800, 1800) * np.exp(np.cumsum(rng.normal(0, 0.04, steps)))
    phase = rng.uniform(0, 2 * np.pi) + np.cumsum(2 * np.pi * _STEP_M / wavelength)
    heading = course_rad + rng.uniform(0.4, 1.3) * np.sin(phase) + np.cumsum(rng.normal(0, 0.03, steps))
    return start + np.cumsum(_STEP_M * np.column_stack([np.cos(heading), np.sin(heading)]), axis=0)


def _water(line: np.ndarray, width_m: float, rng: np.random.Generator) -> shapely.Geometry:
    """The line widened to a width that swells and narrows by a third."""
    wobble = np.cumsum(rng.normal(0, 0.12, len(line)))
    widths = width_m * (1 + 0.33 * np.sin(wobble + rng.uniform(0, 6)))
    ahead = [LineString(line[i : i + 2]).buffer(widths[i] / 2, quad_segs=4) for i in range(len(line) - 1)]
    return shapely.union_all(ahead)


def _with_islands(flooded: Polygon, count: int, rng: np.random.Generator) -> Polygon:
    west, south, east, north = flooded.bounds
    holes: list[Polygon] = []
    for _ in range(200):
        if len(holes) == count:
            break
        reach = rng.uniform(20, 60)
        turn = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(5, 9)))
        around = np.column_stack([np.cos(turn), np.sin(turn)]) * reach * rng.uniform(0.7, 1.3, (len(turn), 1))
        island = Polygon(around + np.array([rng.uniform(west, east), rng.uniform(south, north)]))
        apart = all(island.distance(hole) > 40 for hole in holes)
        if island.is_valid and island.area > 800 and apart and flooded.contains(island.buffer(20)):
            holes.append(island)
    return shapely.difference(flooded, shapely.union_all(holes)) if holes else flooded
