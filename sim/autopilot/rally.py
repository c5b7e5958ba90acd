"""Where the vehicle returns to: home, or the nearest rally point (ArduPilot's AP_Rally)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.controller import Point

if TYPE_CHECKING:
    from sim.autopilot.core import Vehicle

_ABSOLUTE, _TERRAIN = (0, 5), (10, 11)
"""MAV_FRAMEs; every other one counts from home."""


def return_point(vehicle: Vehicle) -> Point:
    """The best place to return to from here, height AMSL (east, north, up)."""
    home = vehicle.home_east_m, vehicle.home_north_m, vehicle.home_up_m
    here = vehicle.estimate.east_m, vehicle.estimate.north_m
    store = vehicle.rally
    points = [_point(vehicle, index) for index in range(len(store))]
    allowed = [p for p in points if all(map(math.isfinite, p)) and vehicle.geofence.allows(*p)]
    if not allowed:
        return home
    nearest = min(allowed, key=lambda point: math.dist(point[:2], here))
    away_m = math.dist(nearest[:2], here)
    limit_m = vehicle.params["RALLY_LIMIT_KM"] * 1000.0
    if 0.0 < limit_m < away_m:
        return home
    if vehicle.params["RALLY_INCL_HOME"] and math.dist(home[:2], here) <= away_m:
        return home
    return nearest


def _point(vehicle: Vehicle, index: int) -> Point:
    item = vehicle.rally[index]
    east, north = vehicle.place.to_local(item.x / 1e7, item.y / 1e7)
    if item.frame in _ABSOLUTE:
        base = 0.0
    elif item.frame in _TERRAIN:
        base = vehicle.terrain.height_m(east, north)
    else:
        base = vehicle.home_up_m
    return east, north, base + item.z
