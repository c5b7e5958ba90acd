"""A PX4's fence: circle and ceiling about home, polygons, and GF_ACTION (geofence.cpp, 1.16)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.autopilot.fence import Area, areas_beyond_m, areas_of
from sim.autopilot.px4.failsafe import FENCE, Action
from sim.autopilot.px4.items import ListStore

if TYPE_CHECKING:
    from sim.autopilot.px4.vehicle import Px4


class Fence:
    """Call `update` ten times a second."""

    def __init__(self, vehicle: Px4) -> None:
        self._vehicle = vehicle
        self.breached = ""
        """What is broken, in PX4's words; empty if nothing is."""
        self.breach_count = 0
        self.breach_ms = 0
        self._store = ListStore()
        self._areas: tuple[Area, ...] = ()

    @property
    def _drawn(self) -> tuple[Area, ...]:
        store = self._vehicle.fence_list
        if store is not self._store:
            self._store, self._areas = store, areas_of(store.kept, self._vehicle.place)
        return self._areas

    def problem_at(self, east_m: float, north_m: float, up_m: float) -> str:
        """Which limit a place (height AMSL) breaks, in PX4's words; empty if none."""
        vehicle, params = self._vehicle, self._vehicle.params
        if not vehicle.origin_set:
            return ""
        away = math.hypot(east_m - vehicle.home_east_m, north_m - vehicle.home_north_m)
        if 0.0 < params["GF_MAX_HOR_DIST"] < away:
            return "exceeding maximum distance to Home"
        if 0.0 < params["GF_MAX_VER_DIST"] < up_m - vehicle.home_up_m:
            return "exceeding maximum altitude above Home"
        if areas_beyond_m(self._drawn, east_m, north_m, union=True) > 0.0:
            return "approaching or outside geofence"
        return ""

    @property
    def action(self) -> Action | None:
        """What GF_ACTION does about a breach; None without one."""
        if not self.breached:
            return None
        return FENCE.get(int(self._vehicle.params["GF_ACTION"]), Action.NONE)

    def update(self) -> None:
        """Look at the limits."""
        vehicle = self._vehicle
        on = int(vehicle.params["GF_ACTION"]) > 0 and vehicle.armed and not vehicle.landed
        breached = self.problem_at(*vehicle.navigator.here) if on else ""
        if breached and not self.breached:
            self.breach_count += 1
            self.breach_ms = round(vehicle.time_s * 1000)
            vehicle.say(2, f"Geofence violation: {breached}")
        self.breached = breached
