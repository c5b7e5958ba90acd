"""A PX4's fence: circle and ceiling about home, polygons, and GF_ACTION (geofence.cpp, 1.16)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.autopilot.craft import SLOW_EVERY
from sim.autopilot.fence import Area, areas_beyond_m, areas_of
from sim.autopilot.items import Item
from sim.autopilot.px4.modes import Mode

if TYPE_CHECKING:
    from sim.autopilot.px4.vehicle import Px4


_WARNS, _HOLDS, _RETURNS = 1, 2, 3
"""GF_ACTION."""


class Fence:
    """Call `update` ten times a second."""

    def __init__(self, vehicle: Px4) -> None:
        self._vehicle = vehicle
        self.breached = ""
        """What is broken, in PX4's words; empty if nothing is."""
        self.breach_count = 0
        self.breach_ms = 0
        self._areas: tuple[Area, ...] = ()

    def take(self, items: tuple[Item, ...]) -> None:
        """Other areas are on board. Those that home or the vehicle in flight is beyond do not count."""
        drawn = areas_of(items, self._vehicle.place)
        self._areas = tuple(area for area in drawn if self._can_be_kept(area))

    def _can_be_kept(self, area: Area) -> bool:
        vehicle, kept = self._vehicle, True
        home = vehicle.home_east_m, vehicle.home_north_m
        if vehicle.origin_set and areas_beyond_m((area,), *home, union=False) > 0.0:
            vehicle.say(2, "Geofence invalid, doesn't contain Home position")
            kept = False
        flies = self._action_asked > 0 and not vehicle.landed
        if flies and areas_beyond_m((area,), *vehicle.navigator.here[:2], union=False) > 0.0:
            vehicle.say(2, "Geofence invalid, doesn't contain current vehicle position")
            kept = False
        return kept

    @property
    def _action_asked(self) -> int:
        return int(self._vehicle.params["GF_ACTION"])

    @property
    def needs_home(self) -> bool:
        """Whether it says nothing without a home."""
        p = self._vehicle.params
        return p["GF_MAX_HOR_DIST"] > 0.0 or p["GF_MAX_VER_DIST"] > 0.0 or self._action_asked == _RETURNS

    def allows(self, east_m: float, north_m: float, up_m: float) -> bool:
        """Whether an order to fly to a place (height AMSL) is obeyed."""
        return self._action_asked <= _WARNS or not self.problem_at(east_m, north_m, up_m)

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
        if areas_beyond_m(self._areas, east_m, north_m, union=False) > 0.0:
            return "approaching or outside geofence"
        return ""

    def update(self) -> None:
        """Look at the limits, five times a second."""
        vehicle = self._vehicle
        if vehicle.steps % (2 * SLOW_EVERY):
            return
        on = self._action_asked > 0 and vehicle.armed and not vehicle.landed
        breached = self.problem_at(*vehicle.navigator.here) if on else ""
        if on and self._action_asked == _HOLDS and vehicle.mode is Mode.AUTO_LOITER:
            breached = breached or self.breached  # while it holds there, it stays broken
        if breached and not self.breached:
            self.breach_count += 1
            self.breach_ms = round(vehicle.time_s * 1000)
            vehicle.say(2, f"Geofence violation: {breached}")
            if self._action_asked == _HOLDS:
                vehicle.navigator.hold_at(vehicle.navigator.here)
        self.breached = breached
