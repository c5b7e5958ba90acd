"""The camera trigger: by distance, by time, or once."""

from __future__ import annotations

import math
from collections.abc import Callable

from sim.sensors import Estimate


class Shutter:
    """Decides when to fire; `fire` does it. ArduPilot's rules: the first distance photo comes a whole
    distance after the start unless one is asked for at once, and a photo that comes too soon waits."""

    def __init__(self, fire: Callable[[], None]) -> None:
        self._fire = fire
        self.distance_m = 0.0
        self.interval_s = 0.0
        self.min_interval_s = 0.0
        self.count = 0
        """Photos taken since power-up."""
        self._left = 0
        """Photos still to take at the interval; -1 is for ever."""
        self._last_place: tuple[float, float] | None = None
        self._last_s = self._next_s = -math.inf
        self._pending = False

    @property
    def idle(self) -> bool:
        """True if there is nothing to watch."""
        return self.distance_m <= 0.0 and self._left == 0 and not self._pending

    def by_distance(self, distance_m: float, at_once: bool) -> None:
        """A photo each time the vehicle has moved this far over the ground; 0 stops."""
        self.distance_m = max(0.0, distance_m)
        self._last_place = None
        if at_once:
            self._pending = True

    def by_time(self, interval_s: float, count: int = -1) -> None:
        """`count` photos (-1: until stopped) every interval, the first one now; interval 0 stops unless
        it is a single photo."""
        self.interval_s = max(0.0, interval_s)
        self._left = count if interval_s > 0.0 or count == 1 else 0
        self._next_s = -math.inf

    def once(self) -> None:
        """One photo as soon as the camera can."""
        self._pending = True

    def stop(self) -> None:
        """No more photos by time or distance."""
        self.distance_m, self._left, self._pending = 0.0, 0, False

    def update(self, estimate: Estimate, time_s: float) -> None:
        """Called every step: fire if it is time."""
        if self.distance_m > 0.0:
            if self._last_place is None:
                self._last_place = (estimate.east_m, estimate.north_m)
            elif (
                math.hypot(estimate.east_m - self._last_place[0], estimate.north_m - self._last_place[1])
                >= self.distance_m
            ):
                self._pending = True
        if self._left != 0 and time_s >= self._next_s:
            self._pending = True
            self._next_s = time_s + self.interval_s
            self._left -= 1 if self._left > 0 else 0
        if self._pending and time_s - self._last_s >= self.min_interval_s:
            self._pending = False
            self._last_s = time_s
            self._last_place = (estimate.east_m, estimate.north_m)
            self.count += 1
            self._fire()
