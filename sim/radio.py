"""A radio link between vehicle and station: loss, latency, jitter, limited rate, cuts, and its reach."""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass
from typing import Generic, TypeVar

from plans.frames import GeoPoint
from sim.controller import Point
from sim.place import Ground, Place

Payload = TypeVar("Payload")


_LIGHT_MPS = 299_792_458.0
_EARTH_M = 8_500_000.0
"""4/3 of its radius: radio waves bend down a little."""
_STEPPED_M, _MOST_STEPS = 25.0, 400
_STEEPNESS_PER_DB = 1.2
"""How sharply messages are lost about the edge."""


@dataclass(frozen=True)
class Reach:
    """How far a link carries, and from where. At `range_m` half the messages are lost in the open; behind a
    ridge all of them are."""

    range_m: float
    station: GeoPoint | None = None
    """Where the station's antenna stands; None is where the vehicle starts."""
    antenna_m: float = 2.0
    """Above the ground."""
    frequency_hz: float = 915e6
    over_terrain: bool = True
    """Whether the ground stands in the way."""


def margin_db(reach: Reach, station: Point, vehicle: Point, ground: Ground) -> float:
    """Signal beyond what half of the messages need; points are east, north, up AMSL."""
    away_m = max(math.dist(station, vehicle), 1.0)
    open_db = 20.0 * math.log10(reach.range_m / away_m)
    return open_db - obstruction_db(reach, station, vehicle, ground) if reach.over_terrain else open_db


def obstruction_db(reach: Reach, station: Point, vehicle: Point, ground: Ground) -> float:
    """Loss behind the worst single edge of the ground between (ITU-R P.526, J(v))."""
    length_m = math.dist(station[:2], vehicle[:2])
    steps = min(int(length_m / _STEPPED_M) + 1, _MOST_STEPS)
    wave_m = _LIGHT_MPS / reach.frequency_hz
    worst = -math.inf
    for number in range(1, steps):
        share = number / steps
        east, north, line_m = (a + (b - a) * share for a, b in zip(station, vehicle, strict=True))
        bulge_m = share * (1.0 - share) * length_m**2 / (2.0 * _EARTH_M)
        above_m = ground.height_m(east, north) + bulge_m - line_m
        worst = max(worst, above_m * math.sqrt(2.0 / (wave_m * length_m * share * (1.0 - share))))
    if worst <= -0.78:
        return 0.0
    return 6.9 + 20.0 * math.log10(math.hypot(worst - 0.1, 1.0) + worst - 0.1)


def lost_share(margin: float) -> float:
    """Share of messages that are lost at a margin, dB: half at 0, one of 40 at 3."""
    return 1.0 / (1.0 + math.exp(min(_STEEPNESS_PER_DB * margin, 60.0)))


class Fade:
    """What distance and ground do to the link of one vehicle, the same both ways."""

    PERIOD_S = 0.5

    def __init__(self, reach: Reach, place: Place, start: Point, seed: str) -> None:
        """`start` is where the vehicle begins."""
        self.reach, self._place = reach, place
        east, north = start[:2]
        if reach.station is not None:
            east, north = place.to_local(reach.station.lat_deg, reach.station.lon_deg)
        self._station = east, north, place.ground.height_m(east, north) + reach.antenna_m
        self._random = random.Random(f"fade {seed}")
        self._due_s = 0.0
        self.margin_db = math.inf

    def update(self, vehicle: Point, now_s: float) -> None:
        """Follow the vehicle (east, north, up), twice a second."""
        if now_s >= self._due_s:
            self._due_s = now_s + self.PERIOD_S
            above = (vehicle[0], vehicle[1], vehicle[2] + 0.3)
            self.margin_db = margin_db(self.reach, self._station, above, self._place.ground)

    def passes(self) -> bool:
        """Whether the next message comes through."""
        return self._random.random() >= lost_share(self.margin_db)


@dataclass(frozen=True)
class RadioSettings:
    """Quality of a link, the same in both directions. Times are simulated seconds."""

    loss: float = 0.0
    """Share of messages that never arrive, 0..1."""
    latency_s: float = 0.0
    jitter_s: float = 0.0
    """Each message is late by up to this much more; messages never overtake each other."""
    bytes_per_s: float = 0.0
    """0 is no limit. What does not get through within two seconds is dropped if it may be."""
    reach: Reach | None = None
    """None reaches everywhere."""

    @property
    def perfect(self) -> bool:
        """True if this radio changes nothing."""
        return not (self.loss or self.latency_s or self.jitter_s or self.bytes_per_s)


class Radio(Generic[Payload]):
    """One direction of a link. `put` messages in, take those that have arrived with `due`."""

    BACKLOG_S = 2.0

    def __init__(self, settings: RadioSettings, seed: str) -> None:
        self.settings = settings
        self.cut = False
        """True while nothing gets through (fault)."""
        self._random = random.Random(f"radio {seed}")
        self._queue: list[tuple[float, int, Payload]] = []
        self._number = 0
        self._free_s = 0.0
        self._last_s = 0.0

    def put(self, payload: Payload, size_bytes: int, now_s: float, droppable: bool = False) -> None:
        """Send a message of this size now."""
        settings = self.settings
        if self.cut or (settings.loss and self._random.random() < settings.loss):
            return
        sent_s = now_s
        if settings.bytes_per_s > 0.0:
            if droppable and self._free_s - now_s > self.BACKLOG_S:
                return
            sent_s = self._free_s = max(now_s, self._free_s) + size_bytes / settings.bytes_per_s
        arrival_s = sent_s + settings.latency_s + settings.jitter_s * self._random.random()
        self._last_s = max(self._last_s, arrival_s)
        self._number += 1
        heapq.heappush(self._queue, (self._last_s, self._number, payload))

    def due(self, now_s: float) -> list[Payload]:
        """Messages that have arrived by now, in order."""
        arrived = []
        while self._queue and self._queue[0][0] <= now_s + 1e-9:
            arrived.append(heapq.heappop(self._queue)[2])
        return arrived
