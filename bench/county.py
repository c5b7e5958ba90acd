"""A county in flood: twelve zones along its rivers, 100 km2 in all, five drones, a launch point at each,
relief.

Seeded and made from the river zones: scaled up, moved apart over 40 x 30 km of mountains.
"""

from __future__ import annotations

import numpy as np
import shapely
from shapely import Polygon, affinity

from plans.frames import GeoPoint
from plans.terrain import Terrain

from .river_zones import FRAME, river_zone

ZONES, AREA_KM2 = 12, 100.0
_WIDE_M, _TALL_M = 40_000.0, 30_000.0


def county_zones() -> list[Polygon]:
    """Twelve river zones in local metres that do not touch, 100 km2 together."""
    zones = []
    for number in range(ZONES):
        zone = river_zone(100 + number)
        grown = affinity.scale(zone, *[np.sqrt(AREA_KM2 / ZONES * 1e6 / zone.area)] * 2, origin=(0, 0))
        row, col = divmod(number, 4)
        middle = ((col - 1.5) * _WIDE_M / 4, (row - 1.0) * _TALL_M / 3)
        centre = grown.envelope.centroid
        zones.append(affinity.translate(grown, middle[0] - centre.x, middle[1] - centre.y))
    return zones


def county_launches(zones: list[Polygon]) -> tuple[GeoPoint, ...]:
    """A place on the bank of each zone, from where its crew of the hour flies."""
    places = []
    for zone in zones:
        outside = Polygon(zone.exterior).buffer(20.0)
        near = shapely.shortest_line(outside.exterior, zone.centroid)
        lat, lon = FRAME.to_geo(*near.coords[0])
        places.append(GeoPoint(float(lat), float(lon)))
    return tuple(places)


def mountains(step_m: float = 30.0, rise_m: float = 600.0) -> Terrain:
    """Relief of waves from 2 km up over the county and 10 km around it: `rise_m` from deepest to highest."""
    rng = np.random.default_rng(7)
    e = np.arange(-_WIDE_M / 2 - 10_000, _WIDE_M / 2 + 10_000, step_m)
    n = np.arange(-_TALL_M / 2 - 10_000, _TALL_M / 2 + 10_000, step_m)[::-1]
    heights = np.zeros((len(n), len(e)), np.float32)
    for wavelength in (16_000, 9_000, 5_000, 3_000, 2_000):
        for _ in range(3):
            turn = rng.uniform(0, 2 * np.pi)
            k = 2 * np.pi / wavelength * np.array([np.cos(turn), np.sin(turn)])
            heights += wavelength**0.9 * np.sin(k[0] * e[None] + k[1] * n[:, None] + rng.uniform(0, 6))
    heights = (heights - heights.min()) / np.ptp(heights)
    return Terrain(FRAME, float(e[0] - step_m / 2), float(n[0] + step_m / 2), step_m, 400 + rise_m * heights)
