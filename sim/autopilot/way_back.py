"""SMART_RTL: remember the way out and fly it back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.controller import Point

if TYPE_CHECKING:
    from sim.autopilot.core import Vehicle
    from sim.autopilot.pilot import Pilot


class WayBack:
    """Crumbs dropped every SRTL_ACCURACY metres. When the memory is full the straight stretches are thinned;
    when that does not help any more the way back is given up, as ArduCopter does."""

    def __init__(self, vehicle: Vehicle) -> None:
        self._vehicle = vehicle
        self._crumbs: list[Point] = []
        self._given_up = False

    @property
    def usable(self) -> bool:
        """True if there is a path from home to here."""
        return self._vehicle.armed and bool(self._crumbs) and not self._given_up

    def restart(self) -> None:
        """Begin at the launch point."""
        self._crumbs = []
        self._given_up = False

    def record(self) -> None:
        """Called every step while armed; drops a crumb when it is time."""
        vehicle = self._vehicle
        if vehicle.steps % 17 or vehicle.landed or self._given_up or vehicle.mode.name == "SMART_RTL":
            return
        if not vehicle.readiness.has_position:
            return
        e, accuracy = vehicle.estimate, vehicle.params["SRTL_ACCURACY"]
        here = (e.east_m, e.north_m, e.up_m)
        if self._crumbs and math.dist(self._crumbs[-1], here) < max(accuracy, 0.5):
            return
        self._crumbs.append(here)
        room = max(int(vehicle.params["SRTL_POINTS"]), 2)
        if len(self._crumbs) > room:
            self._crumbs = simplified(self._crumbs, max(accuracy, 0.5) * 0.5)
            if len(self._crumbs) > 0.9 * room:
                self._given_up = True
                vehicle.say(4, "SmartRTL deactivated: buffer full")

    def fly(self, pilot: Pilot) -> None:
        """One step of the way back, then a landing at its beginning."""
        if pilot.phase == "land":
            pilot.homecoming.descend()
            return
        if pilot.track.finished:
            if self._crumbs:
                self._crumbs = simplified(self._crumbs, 0.5)
                goal = self._crumbs.pop()
                pilot.fly_to(goal, following=self._crumbs[-1] if self._crumbs else None)
            elif pilot.within_m() < self._vehicle.limits.radius_m:
                pilot.phase = "land"
        pilot.follow()


def simplified(path: list[Point], tolerance_m: float) -> list[Point]:
    """Ramer, Douglas and Peucker: the path without the points that lie within the tolerance of a chord."""
    if len(path) < 3:
        return list(path)
    first, last = path[0], path[-1]
    worst, index = -1.0, 0
    for i in range(1, len(path) - 1):
        away = _distance_to_segment(path[i], first, last)
        if away > worst:
            worst, index = away, i
    if worst <= tolerance_m:
        return [first, last]
    return simplified(path[: index + 1], tolerance_m)[:-1] + simplified(path[index:], tolerance_m)


def _distance_to_segment(p: Point, a: Point, b: Point) -> float:
    ab = [b[i] - a[i] for i in range(3)]
    ap = [p[i] - a[i] for i in range(3)]
    square = sum(v * v for v in ab)
    share = max(0.0, min(1.0, sum(x * y for x, y in zip(ab, ap, strict=True)) / square)) if square else 0.0
    return math.sqrt(sum((ap[i] - share * ab[i]) ** 2 for i in range(3)))
