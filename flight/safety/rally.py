"""Which place an autopilot returns to: home or a rally point.

Sources: ArduPilot AP_Rally.cpp (calc_best_rally_or_home_location) and ArduCopter mode_rtl.cpp
(compute_return_target), 4.7; PX4 rtl.cpp (findRtlDestination), 1.16.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plans.frames import LocalFrame
from plans.mission import Mission

_PX4_GAIN_M, _PX4_FROM_HOME_M = 2.0, 10.0
_COPTER_LIMIT_KM = 0.3
_PX4_NOT_HOME, _PX4_BY_MISSION = 1, 2
"""RTL_TYPE: to anything but home; back along the mission."""


@dataclass(frozen=True)
class Place:
    """Metres east, north and up of home."""

    east_m: float
    north_m: float
    up_m: float

    @property
    def distance_m(self) -> float:
        """Level distance from home."""
        return math.hypot(self.east_m, self.north_m)

    def level_m(self, other: Place) -> float:
        """Level distance to another place."""
        return math.hypot(self.east_m - other.east_m, self.north_m - other.north_m)


@dataclass(frozen=True)
class Goal:
    """Where a return ends; `rally` numbers the point from 1, 0 is home. A rally point's height is the least
    at which an ArduPilot flies there, and the ground from which a PX4 counts its return height."""

    place: Place = Place(0.0, 0.0, 0.0)
    rally: int = 0


HOME = Goal()


@dataclass(frozen=True)
class RallyRule:
    """The nearest rally point is taken when it is no farther than `limit_m` (0: however far it is) and, with
    `or_home`, nearer than home by `gain_m`. Points within `from_home_m` of home do not count. With
    `counts_from_it` return heights are above the point, else above home."""

    limit_m: float = 1000.0 * _COPTER_LIMIT_KM
    or_home: bool = True
    gain_m: float = 0.0
    from_home_m: float = 0.0
    counts_from_it: bool = False

    def goal(self, here: Place, rallies: Sequence[Place]) -> Goal:
        """Where it returns to from a place."""
        far = [
            (here.level_m(place), number, place)
            for number, place in enumerate(rallies, start=1)
            if not place.distance_m < self.from_home_m
        ]
        if not far:
            return HOME
        distance, number, place = min(far, key=lambda found: found[0])
        if self.limit_m > 0 and distance > self.limit_m:
            return HOME
        if self.or_home and not distance + self.gain_m < here.distance_m:
            return HOME
        return Goal(place, number)


def rally_rule(params: Mapping[str, float], px4: bool) -> RallyRule | None:
    """The rule in a vehicle's parameters; None where it never returns to a rally point."""
    if not px4:
        limit_m = 1000.0 * params.get("RALLY_LIMIT_KM", _COPTER_LIMIT_KM)
        return RallyRule(max(limit_m, 0.0), params.get("RALLY_INCL_HOME", 1.0) > 0)
    kind = int(params.get("RTL_TYPE", 0.0))
    if kind == _PX4_BY_MISSION:
        return None
    return RallyRule(0.0, kind != _PX4_NOT_HOME, _PX4_GAIN_M, _PX4_FROM_HOME_M, counts_from_it=True)


def rally_places(
    mission: Mission | None, local: LocalFrame, home_m: tuple[float, float] = (0.0, 0.0)
) -> tuple[Place, ...]:
    """The rally points of a mission from home, which is at `home_m` in the frame. Their heights are above
    home, as they go to the vehicle."""
    if mission is None or not mission.rally:
        return ()
    east, north = local.to_local([p.lat_deg for p in mission.rally], [p.lon_deg for p in mission.rally])
    return tuple(
        Place(e - home_m[0], n - home_m[1], p.alt_amsl_m or 0.0)
        for e, n, p in zip(east.tolist(), north.tolist(), mission.rally, strict=True)
    )
