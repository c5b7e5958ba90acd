"""GCJ-02, the datum of AMap, Tencent and other maps of mainland China, to and from WGS84.

The public formula (Krasovsky 1940's ellipsoid and two sums of sines; as in the eviltransform project) goes
from WGS84 to GCJ-02. Its inverse has no closed form and is found by iteration.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely
from shapely import Geometry

from plans.frames import FloatArray

_AXIS_M = 6_378_245.0
_ECCENTRICITY2 = 0.006_693_421_622_965_943_23
_WEST, _SOUTH, _EAST, _NORTH = 72.004, 0.8293, 137.8347, 55.8271  # where the formula shifts anything
_ROUNDS = 12  # each makes the error some hundred times smaller; 500 m are under a micrometre after five


def gcj02_from_wgs84(lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """(lat_deg, lon_deg) in GCJ-02 of places in WGS84, same shape; unchanged outside of China's bounds."""
    lat, lon = np.asarray(lat_deg, float), np.asarray(lon_deg, float)
    inside = (lon >= _WEST) & (lon <= _EAST) & (lat >= _SOUTH) & (lat <= _NORTH)
    north, east = _shift_deg(lat, lon)
    return lat + np.where(inside, north, 0.0), lon + np.where(inside, east, 0.0)


def wgs84_from_gcj02(lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """(lat_deg, lon_deg) in WGS84 of places in GCJ-02, same shape: the fixed point of w = g - shift(w)."""
    lat, lon = np.asarray(lat_deg, float), np.asarray(lon_deg, float)
    found_lat, found_lon = lat, lon
    for _ in range(_ROUNDS):
        there_lat, there_lon = gcj02_from_wgs84(found_lat, found_lon)
        found_lat, found_lon = found_lat + (lat - there_lat), found_lon + (lon - there_lon)
    return found_lat, found_lon


def geometry_from_gcj02(geometry: Geometry) -> Geometry:
    """A geometry in lon/lat degrees of GCJ-02, in WGS84."""

    def moved(lon_lat: FloatArray) -> FloatArray:
        lat, lon = wgs84_from_gcj02(lon_lat[:, 1], lon_lat[:, 0])
        return np.column_stack([lon, lat])

    return shapely.transform(geometry, moved)


def _shift_deg(lat: FloatArray, lon: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How far GCJ-02 lies north and east of WGS84 at places in WGS84, in degrees."""
    x, y = lon - 105.0, lat - 35.0
    root, waves = np.sqrt(np.abs(x)), 20.0 * _sin(6.0 * x) + 20.0 * _sin(2.0 * x)
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    north += (waves + 20.0 * _sin(y) + 40.0 * _sin(y / 3.0)) * 2.0 / 3.0
    north += (160.0 * _sin(y / 12.0) + 320.0 * _sin(y / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    east += (waves + 20.0 * _sin(x) + 40.0 * _sin(x / 3.0)) * 2.0 / 3.0
    east += (150.0 * _sin(x / 12.0) + 300.0 * _sin(x / 30.0)) * 2.0 / 3.0
    phi = np.radians(lat)
    bent = 1.0 - _ECCENTRICITY2 * np.sin(phi) ** 2
    meridian_m = _AXIS_M * (1.0 - _ECCENTRICITY2) / bent**1.5
    parallel_m = _AXIS_M / np.sqrt(bent) * np.cos(phi)
    return np.degrees(north / meridian_m), np.degrees(east / parallel_m)


def _sin(half_turns: FloatArray) -> FloatArray:
    return np.asarray(np.sin(half_turns * np.pi))
