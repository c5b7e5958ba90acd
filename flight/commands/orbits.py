"""Leading a multicopter around a circle by targets ahead of it. Pure geometry; east and north in metres."""

from __future__ import annotations

import math
from dataclasses import dataclass

from plans.frames import GeoPoint

_BRAKING_MPS2 = 1.25
"""How hard a multicopter is taken to brake before its target; ArduCopter's WPNAV_ACCEL is twice that."""
_MOST_AHEAD_RAD = 0.9

Offset = tuple[float, float]


@dataclass(frozen=True)
class Circle:
    """Where to fly."""

    centre: GeoPoint
    radius_m: float
    clockwise: bool = True

    def nearest(self, offset: Offset) -> Offset:
        """The point of the circle nearest to a place; north of the centre from the centre itself."""
        far_m = math.hypot(*offset)
        if far_m < 0.1:
            return 0.0, self.radius_m
        return offset[0] / far_m * self.radius_m, offset[1] / far_m * self.radius_m


def ahead_m(speed_mps: float, delay_s: float) -> float:
    """How far ahead a target must be so that the vehicle does not brake for it before the next one comes."""
    return speed_mps**2 / (2.0 * _BRAKING_MPS2) + speed_mps * delay_s + 2.0


def steady_speed(radius_m: float, delay_s: float) -> float:
    """The fastest speed at which a target that far ahead is still near on the circle, m/s."""
    room_m = max(_MOST_AHEAD_RAD * radius_m - 2.0, 0.3)
    a = 1.0 / (2.0 * _BRAKING_MPS2)
    return (math.sqrt(delay_s**2 + 4.0 * a * room_m) - delay_s) / (2.0 * a)


def carrot(circle: Circle, offset: Offset, speed_mps: float, delay_s: float) -> Offset:
    """The target for a vehicle at an offset from the centre: ahead on a circle that is wider by as much as
    the vehicle would else cut its chord."""
    ahead_rad = min(ahead_m(speed_mps, delay_s) / circle.radius_m, _MOST_AHEAD_RAD)
    east_m, north_m = circle.nearest(offset)
    angle = math.atan2(east_m, north_m) + (ahead_rad if circle.clockwise else -ahead_rad)
    radius_m = circle.radius_m / math.cos(ahead_rad / 2.0) ** 2
    return radius_m * math.sin(angle), radius_m * math.cos(angle)
