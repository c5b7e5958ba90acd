"""What a trainer sees of a simulated vehicle: the news as they happen, and the flight in numbers.

All from the truth, which no station has.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from sim.autopilot.craft import SLOW_EVERY, Craft, Event, Shot, Text
from sim.dynamics import STEP_S
from sim.faults import Fault
from sim.goals import GoalResult


@dataclass(frozen=True)
class News:
    """Something happened. `kind` is fault, fault_over, mode, armed, disarmed, airborne, down, text, photo,
    photo_lost (announced, but not on the card), fence, near_miss or in_water."""

    time_s: float
    """Simulated seconds since power-up."""
    sysid: int
    kind: str
    text: str


@dataclass(frozen=True)
class FlightSummary:
    """A vehicle's time in numbers, from power-up to the end of the simulation."""

    sysid: int
    time_s: float
    flight_s: float
    """In the air."""
    distance_m: float
    """Flown over ground."""
    max_height_m: float
    """Greatest height above the ground below."""
    min_height_m: float | None
    """Least height above the ground below, more than 60 m from the launch point; None if it never was."""
    max_touchdown_mps: float
    """Sink rate at the hardest touchdown."""
    charge_share: float
    photos_announced: int
    photos_lost: int
    """Announced but not on the card."""
    away_m: float
    """Distance from the launch point at the end."""
    armed: bool
    airborne: bool
    fence_breaches: int = 0
    nearest_m: float | None = None
    """Least distance from another aircraft or a bird; None without one."""
    in_water: bool = False
    return_share: float | None = None
    """Charge at the first return or landing that was ordered; None if there was none."""
    goals: tuple[GoalResult, ...] = ()
    """What the scenario asked for, and whether it was reached."""


_NEAR_LAUNCH_M = 60.0
_NEAR_MISS_M = 30.0


class Watcher:
    """Watches one vehicle. `hear` takes its events, `on_fault` its faults; call `update` after each step."""

    def __init__(self, vehicle: Craft, on_news: Callable[[News], None] | None = None) -> None:
        self._vehicle, self._on_news = vehicle, on_news
        body = vehicle.body
        self._launch = self._last = (body.east_m, body.north_m)
        self._mode, self._armed, self._airborne = vehicle.mode, vehicle.armed, False
        self._flight_s = self._distance_m = self._max_height_m = self._touchdown_mps = 0.0
        self._min_height_m = math.inf
        self._photos = self._lost = self._breaches = 0
        self._nearest_m = math.inf
        self._missed: set[int] = set()
        self._in_water = False
        self._return_share: float | None = None

    def _tell(self, kind: str, text: str) -> None:
        if self._on_news is not None:
            self._on_news(News(self._vehicle.time_s, self._vehicle.sysid, kind, text))

    def hear(self, event: Event) -> None:
        """Take an event of the vehicle."""
        if isinstance(event, Text):
            self._tell("text", event.text)
        elif isinstance(event, Shot):
            self._photos += 1
            self._lost += not event.captured
            place = f"{event.believed_lat_deg:.7f}, {event.believed_lon_deg:.7f}"
            self._tell("photo" if event.captured else "photo_lost", f"{event.index} at {place}")

    def on_fault(self, fault: Fault, begins: bool) -> None:
        """A fault has begun or is over."""
        self._tell("fault" if begins else "fault_over", str(fault))

    def update(self) -> None:
        """Look at the vehicle, ten times a simulated second."""
        vehicle = self._vehicle
        if vehicle.steps % SLOW_EVERY:
            return
        if vehicle.mode is not self._mode:
            self._mode = vehicle.mode
            self._tell("mode", vehicle.mode.name)
        if vehicle.armed is not self._armed:
            self._armed = vehicle.armed
            self._tell("armed" if vehicle.armed else "disarmed", vehicle.mode.name)
        if vehicle.breach_count > self._breaches:
            self._breaches = vehicle.breach_count
            self._tell("fence", f"breach {self._breaches}")
        if vehicle.in_water and not self._in_water:
            self._in_water = True
            self._tell("in_water", "the motors are drowned")
        body = vehicle.body
        airborne = not body.on_ground
        if airborne:
            self._fly()
            self._meet()
            if self._return_share is None and vehicle.heads_home:
                self._return_share = vehicle.battery.charge_share
        if airborne is not self._airborne:
            self._airborne = airborne
            if not airborne:
                self._touchdown_mps = max(self._touchdown_mps, body.impact_mps)
            self._tell("airborne" if airborne else "down", "" if airborne else f"{body.impact_mps:.1f} m/s")
        self._last = body.east_m, body.north_m

    def _fly(self) -> None:
        body = self._vehicle.body
        height = body.up_m - self._vehicle.ground_m
        self._flight_s += SLOW_EVERY * STEP_S
        self._distance_m += math.dist(self._last, (body.east_m, body.north_m))
        self._max_height_m = max(self._max_height_m, height)
        if math.dist(self._launch, (body.east_m, body.north_m)) > _NEAR_LAUNCH_M:
            self._min_height_m = min(self._min_height_m, height)

    def _meet(self) -> None:
        """How near the others in the sky are."""
        vehicle, body = self._vehicle, self._vehicle.body
        for other in (*vehicle.aircraft, *vehicle.birds):
            place = (*other.place_m(vehicle.time_s), other.up_m)
            away_m = math.dist(place, (body.east_m, body.north_m, body.up_m))
            self._nearest_m = min(self._nearest_m, away_m)
            if away_m < _NEAR_MISS_M and other.icao not in self._missed:
                self._missed.add(other.icao)
                self._tell("near_miss", f"{other.callsign} within {_NEAR_MISS_M:.0f} m")

    def summary(self) -> FlightSummary:
        """The numbers so far."""
        vehicle, body = self._vehicle, self._vehicle.body
        return FlightSummary(
            sysid=vehicle.sysid,
            time_s=vehicle.time_s,
            flight_s=self._flight_s,
            distance_m=self._distance_m,
            max_height_m=self._max_height_m,
            min_height_m=self._min_height_m if math.isfinite(self._min_height_m) else None,
            max_touchdown_mps=self._touchdown_mps,
            charge_share=vehicle.battery.charge_share,
            photos_announced=self._photos,
            photos_lost=self._lost,
            away_m=math.dist(self._launch, (body.east_m, body.north_m)),
            armed=vehicle.armed,
            airborne=not body.on_ground,
            fence_breaches=self._breaches,
            nearest_m=self._nearest_m if math.isfinite(self._nearest_m) else None,
            in_water=self._in_water,
            return_share=self._return_share,
        )
