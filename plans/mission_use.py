"""What a flight of a mission uses of a battery and of an autopilot's memory, by its items alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from plans.energy import Airframe, Battery, Wind
from plans.flight_time import home_uses, path_use, take_off_and_land_use
from plans.frames import FloatArray, LocalFrame
from plans.mission import AltitudeFrame, Command, Mission, MissionItem
from plans.mission_shots import MOVES, PlannedFlight, flights_of, launch_m

_USUAL_HEIGHT_M = 120.0
"""How high a mission in heights AMSL is taken to fly above a launch point of unknown height."""


@dataclass(frozen=True)
class FlightLimits:
    """What one flight may use of a battery and of its autopilot's memory; None where it does not matter.
    `item_limit` counts a mission's items without home."""

    battery: Battery | None = None
    item_limit: int | None = None
    airframe: Airframe = field(default_factory=Airframe)
    wind: Wind = field(default_factory=Wind)


@dataclass(frozen=True)
class FlightMeter:
    """Measures flights against limits."""

    mission: Mission
    local: LocalFrame
    limits: FlightLimits

    def fits(self, items: Sequence[MissionItem]) -> bool:
        """Whether one flight of these items keeps within the limits."""
        if self.limits.item_limit is not None and len(items) > self.limits.item_limit:
            return False
        battery = self.limits.battery
        return battery is None or self.used_s(items) <= battery.usable_s

    def used_s(self, items: Sequence[MissionItem]) -> float:
        """Battery seconds of a flight, or of turning straight home from its worst place if that is more."""
        (flight,) = flights_of(replace(self.mission, items=tuple(items)), self.local)
        if not len(flight.path):
            return 0.0
        airframe, wind = self.limits.airframe, self.limits.wind
        base = launch_m(flight, self.local)
        base = flight.path[0, :2] if base is None else base
        up = flight.path[:, 2] - self._ground_m(flight)
        path = np.column_stack([flight.path[:, :2], up])
        path = np.vstack([[*base, up[0]], path, [*base, up[-1]]])
        cruise = self._speed_mps(items)
        uses = [take_off_and_land_use(float(up[0]), 0.0, cruise, airframe)[1]]
        speeds = np.concatenate([self._speeds(items), [cruise]])
        for i, speed in enumerate(speeds.tolist()):
            uses.append(path_use(path[i : i + 2], speed, airframe, wind, cruise_mps=cruise)[1])
        # leg by leg the vehicle would stop at every point; flown through it takes as long as the whole does
        flown = sum(
            path_use(path[first : last + 2], speeds[first], airframe, wind, cruise_mps=cruise)[1]
            for first, last in _alike(speeds)
        )
        done = uses[0] + np.concatenate([[0.0], np.cumsum(uses[1:]) * flown / max(sum(uses[1:]), 1e-9)])
        home = np.broadcast_to(base, path[:, :2].shape)
        back = home_uses(path[:, :2], home, cruise, airframe, wind)[:, 1]
        down = [take_off_and_land_use(0.0, max(float(h), 0.0), cruise, airframe)[1] for h in path[:, 2]]
        return float(np.max(done + back + down))

    def _ground_m(self, flight: PlannedFlight) -> float:
        """What a path's altitudes are above at the launch point."""
        if flight.frame != AltitudeFrame.AMSL:
            return 0.0
        known = self.mission.home.alt_amsl_m if self.mission.home else None
        return float(flight.path[:, 2].min()) - _USUAL_HEIGHT_M if known is None else known

    def _speed_mps(self, items: Sequence[MissionItem]) -> float:
        orders = (i.params[1] for i in items if i.command == Command.DO_CHANGE_SPEED and i.params[1] > 0)
        return self.mission.cruise_speed_mps or next(orders, 5.0)

    def _speeds(self, items: Sequence[MissionItem]) -> FloatArray:
        """The speed ordered on the way to each point of the path."""
        speed, found = self._speed_mps(items), []
        for item in items:
            if item.command == Command.DO_CHANGE_SPEED and item.params[1] > 0:
                speed = item.params[1]
            elif item.command in MOVES and item.has_place:
                found.append(speed)
        return np.array(found)


def _alike(speeds: FloatArray) -> list[tuple[int, int]]:
    """(first, last) of every stretch of one speed."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(speeds)) + 1])
    ends = np.concatenate([starts[1:] - 1, [len(speeds) - 1]])
    return list(zip(starts.tolist(), ends.tolist(), strict=True))
