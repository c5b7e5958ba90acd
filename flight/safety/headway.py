"""Does it get on: a copter that leans far and gets nowhere, or is blown back, is held by the wind. Copters
tell no wind, and the way home is reckoned without it, so this is what a pilot has to go by."""

from __future__ import annotations

import math
from collections import deque

from flight.safety.ahead import IN_MISSION
from flight.safety.alerts import Alert, Severity
from flight.safety.local_frames import frame_near
from flight.state import Attitude, VehicleState

_LEANS_DEG = 15.0
"""At 12 m/s in still air a survey copter leans 11."""
_STANDS_MPS = 2.0
_OVER_S = 20.0
"""Braking into a corner and out of it takes 8 s at most, a gust less."""
_HOMEWARD = ("RTL", "SMART_RTL", "AUTO_RTL", "AUTO RTL", "AUTO.RTL")


class Headway:
    """Watches one vehicle on its mission and on its way home."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, float, float, float, float]] = deque()
        """When, latitude, longitude, and how it leans to the east and to the north (sines)."""

    def look(self, state: VehicleState, now_s: float) -> tuple[Alert, ...]:
        """An alert while it has leaned for some time and not got on that way."""
        place, attitude = state.position, state.attitude
        flies = state.armed and state.mode in (*IN_MISSION, *_HOMEWARD)
        if not flies or place is None or attitude is None or math.isnan(sum(_lean(attitude))):
            self._looks.clear()
            return ()
        self._looks.append((now_s, place.lat_deg, place.lon_deg, *_lean(attitude)))
        while len(self._looks) > 1 and now_s - self._looks[1][0] >= _OVER_S:
            self._looks.popleft()
        began_s, lat_deg, lon_deg, *_ = self._looks[0]
        if now_s - began_s < _OVER_S:
            return ()
        count = len(self._looks)
        east, north = (sum(look[axis] for look in self._looks) / count for axis in (3, 4))
        lean = math.hypot(east, north)
        lean_deg = math.degrees(math.asin(min(lean, 1.0)))
        if lean_deg < _LEANS_DEG:
            return ()
        frame = frame_near(lat_deg, lon_deg)
        (e0, n0), (e1, n1) = frame.to_local(lat_deg, lon_deg), frame.to_local(place.lat_deg, place.lon_deg)
        forward_m = (float(e1 - e0) * east + float(n1 - n0) * north) / lean
        speed_mps = forward_m / (now_s - began_s)
        if not speed_mps < _STANDS_MPS:
            return ()
        return (Alert("watch.no_headway", Severity.BAD, {"lean": lean_deg, "speed": speed_mps}),)


def _lean(attitude: Attitude) -> tuple[float, float]:
    """Where its thrust pulls it: east and north parts of its up axis."""
    forward = -math.sin(math.radians(attitude.pitch_deg))
    right = math.sin(math.radians(attitude.roll_deg)) * math.cos(math.radians(attitude.pitch_deg))
    c, s = math.cos(math.radians(attitude.yaw_deg)), math.sin(math.radians(attitude.yaw_deg))
    return forward * s + right * c, forward * c - right * s
