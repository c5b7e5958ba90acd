"""Things that go wrong on demand: a timeline of faults and what each does to vehicle and link."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Protocol

from sim.autopilot.craft import Craft
from sim.errors import ScenarioError
from sim.place import Tide
from sim.traffic import Aircraft


@dataclass(frozen=True)
class Fault:
    """One fault. `at_s` counts from `since` ("start", "armed" or "takeoff") in simulated seconds; a
    `duration_s` of 0 lasts for ever. Which numbers count depends on the kind:

    gps_loss        none
    gps_jump        east_m, north_m, up_m
    battery_sag     ohm (added to the pack's resistance), charge_share (lost at once)
    link_cut        none; every link of the simulator but satellite modems
    wind_step       wind_mps, from_deg, gust_mps
    camera_stuck    none
    rc_loss         none
    motor_weak      thrust_share (left)
    aircraft_near   east_m, north_m, up_m (from where the vehicle is when it begins), from_deg, speed_mps;
                    heard by ADS-B; without a duration until it is 100 km away
    bird_near       the same, but nothing hears it: it shows in the truth alone
    card_full       none; photos are announced, but there is no room for them
    compass_error   deg (to the right); in flight the filter follows up to 34 of them
    pressure_drift  hpa_per_h; the barometer takes falling pressure for height
    rising_water    up_m, reached after duration_s, at once without one; it stays
    """

    kind: str
    at_s: float
    since: str = "start"
    duration_s: float = 0.0
    vehicle: int = 0
    """System id of the vehicle; 0 is all of them."""
    east_m: float = 0.0
    north_m: float = 0.0
    up_m: float = 0.0
    ohm: float = 0.0
    charge_share: float = 0.0
    wind_mps: float = 0.0
    from_deg: float = 0.0
    gust_mps: float = 0.0
    thrust_share: float = 1.0
    speed_mps: float = 0.0
    deg: float = 0.0
    hpa_per_h: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise ScenarioError(
                f"fault kind {self.kind!r} is not known; take one of: {', '.join(FAULT_KINDS)}"
            )
        if self.since not in ("start", "armed", "takeoff"):
            raise ScenarioError(
                f"fault {self.kind}: since must be start, armed or takeoff, not {self.since!r}"
            )

    def check_numbers(self, given: Set[str]) -> None:
        """Raise ScenarioError unless the numbers named in `given` are those that this kind of fault asks for
        (in a file a number without effect is a mistake)."""
        counts = _NUMBERS[self.kind]
        idle = sorted((given & _ALL_NUMBERS) - counts)
        if idle:
            takes = f"it takes {', '.join(sorted(counts))}" if counts else "it takes no numbers but times"
            raise ScenarioError(f"{self.kind}: {', '.join(idle)} has no effect; {takes}")
        if counts and not given & counts:
            raise ScenarioError(f"{self.kind}: give at least one of {', '.join(sorted(counts))}")

    def __str__(self) -> str:
        """The fault in words, for logs: kind, numbers that count, duration."""
        numbers = [f"{name} {getattr(self, name):g}" for name in sorted(_NUMBERS[self.kind])]
        whom = [f"vehicle {self.vehicle}"] if self.vehicle else []
        lasts = [f"for {self.duration_s:g} s"] if self.duration_s > 0 else []
        return ", ".join([self.kind.replace("_", " "), *numbers, *lasts, *whom])


class Cuttable(Protocol):
    """A link direction that can be cut."""

    cut: bool


def _gps_loss(fault: Fault, vehicle: Craft, on: bool) -> None:
    vehicle.estimator.available = not on


def _gps_jump(fault: Fault, vehicle: Craft, on: bool) -> None:
    vehicle.estimator.jump_m = (fault.east_m, fault.north_m, fault.up_m) if on else (0.0, 0.0, 0.0)


def _battery_sag(fault: Fault, vehicle: Craft, on: bool) -> None:
    vehicle.battery.extra_resistance_ohm = fault.ohm if on else 0.0
    if on:
        vehicle.battery.used_mah += fault.charge_share * vehicle.battery.pack.capacity_mah


def _wind_step(fault: Fault, vehicle: Craft, on: bool) -> None:
    if on:
        vehicle.wind.set(
            replace(
                vehicle.setup.weather,
                wind_mps=fault.wind_mps,
                from_deg=fault.from_deg,
                gust_mps=fault.gust_mps,
            )
        )
    else:
        vehicle.wind.set(vehicle.setup.weather)


def _camera_stuck(fault: Fault, vehicle: Craft, on: bool) -> None:
    vehicle.camera_stuck = on


def _rc_loss(fault: Fault, vehicle: Craft, on: bool) -> None:
    vehicle.sticks.failed = on


def _motor_weak(fault: Fault, vehicle: Craft, on: bool) -> None:
    vehicle.motor_share = fault.thrust_share if on else 1.0


def _aircraft_near(fault: Fault, vehicle: Craft, on: bool) -> None:
    icao = 0xA00000 + _number_of(fault)
    vehicle.aircraft = [other for other in vehicle.aircraft if other.icao != icao]
    if on:
        vehicle.aircraft.append(_comes_near(fault, vehicle, icao, "SIM01"))


def _bird_near(fault: Fault, vehicle: Craft, on: bool) -> None:
    number = _number_of(fault)
    vehicle.birds = [bird for bird in vehicle.birds if bird.icao != number]
    if on:
        vehicle.birds.append(_comes_near(fault, vehicle, number, "bird"))


def _number_of(fault: Fault) -> int:
    """The same for the same fault, and for hardly another one."""
    return zlib.crc32(repr(fault).encode()) & 0xFFFFF


def _comes_near(fault: Fault, vehicle: Craft, number: int, name: str) -> Aircraft:
    body = vehicle.body
    start = (body.east_m + fault.east_m, body.north_m + fault.north_m, body.up_m + fault.up_m)
    course = (fault.from_deg + 180.0) % 360.0
    return Aircraft(number, name, vehicle.time_s, *start, course, fault.speed_mps)


def _card_full(fault: Fault, vehicle: Craft, on: bool) -> None:
    vehicle.card_full = on


def _compass_error(fault: Fault, vehicle: Craft, on: bool) -> None:
    vehicle.estimator.compass_off_rad = math.radians(fault.deg) if on else 0.0


def _pressure_drift(fault: Fault, vehicle: Craft, on: bool) -> None:
    vehicle.estimator.pressure_hpa_per_s = fault.hpa_per_h / 3600.0 if on else 0.0


def _rising_water(fault: Fault, vehicle: Craft, on: bool) -> None:
    if on:
        climb_mps = fault.up_m / fault.duration_s if fault.duration_s > 0.0 else math.inf
        vehicle.place.tide = Tide(vehicle.time_s, climb_mps, fault.up_m)


_ON_VEHICLE: dict[str, Callable[[Fault, Craft, bool], None]] = {
    "gps_loss": _gps_loss,
    "gps_jump": _gps_jump,
    "battery_sag": _battery_sag,
    "wind_step": _wind_step,
    "camera_stuck": _camera_stuck,
    "rc_loss": _rc_loss,
    "motor_weak": _motor_weak,
    "aircraft_near": _aircraft_near,
    "bird_near": _bird_near,
    "card_full": _card_full,
    "compass_error": _compass_error,
    "pressure_drift": _pressure_drift,
    "rising_water": _rising_water,
}
FAULT_KINDS = (*_ON_VEHICLE, "link_cut")
_OTHERS_NEAR = ("aircraft_near", "bird_near")
_OUT_OF_HEARING_M = 100_000.0
"""Who is this far away is no longer told of; on and on it would end at the other side of the Earth."""
_NUMBERS: dict[str, frozenset[str]] = {
    **{kind: frozenset() for kind in FAULT_KINDS},
    "gps_jump": frozenset({"east_m", "north_m", "up_m"}),
    "battery_sag": frozenset({"ohm", "charge_share"}),
    "wind_step": frozenset({"wind_mps", "from_deg", "gust_mps"}),
    "motor_weak": frozenset({"thrust_share"}),
    "aircraft_near": frozenset({"east_m", "north_m", "up_m", "from_deg", "speed_mps"}),
    "bird_near": frozenset({"east_m", "north_m", "up_m", "from_deg", "speed_mps"}),
    "compass_error": frozenset({"deg"}),
    "pressure_drift": frozenset({"hpa_per_h"}),
    "rising_water": frozenset({"up_m"}),
}
_ALL_NUMBERS = frozenset().union(*_NUMBERS.values())


def _lasts_s(fault: Fault) -> float:
    """How long a fault is on: without a duration for ever, or as long as somebody who flies by is near."""
    if fault.duration_s > 0.0:
        return fault.duration_s
    if fault.kind in _OTHERS_NEAR and fault.speed_mps > 0.0:
        return (math.hypot(fault.east_m, fault.north_m) + _OUT_OF_HEARING_M) / fault.speed_mps
    return math.inf


class FaultTimeline:
    """Starts and ends the faults of one vehicle. Call `update` after each step."""

    def __init__(
        self,
        faults: Sequence[Fault],
        vehicle: Craft,
        links: Sequence[Cuttable] = (),
        on_change: Callable[[Fault, bool], None] | None = None,
    ) -> None:
        """`on_change` is told of each fault as it begins (True) and ends (False)."""
        self._waiting = [f for f in faults if f.vehicle in (0, vehicle.sysid)]
        self._running: list[tuple[float, Fault]] = []
        self._vehicle, self._links = vehicle, links
        self._began: dict[str, float] = {"start": 0.0}
        self._on_change = on_change

    def update(self) -> None:
        """Apply what is due and lift what is over."""
        vehicle, now = self._vehicle, self._vehicle.time_s
        if not self._waiting and not self._running:
            return
        if vehicle.armed:
            self._began.setdefault("armed", now)
            if not vehicle.landed:
                self._began.setdefault("takeoff", now)
        for fault in list(self._waiting):
            began = self._began.get(fault.since)
            if began is not None and now >= began + fault.at_s:
                self._waiting.remove(fault)
                self._apply(fault, True)
                if (lasts_s := _lasts_s(fault)) < math.inf:
                    self._running.append((now + lasts_s, fault))
        for until, fault in list(self._running):
            if now >= until:
                self._running.remove((until, fault))
                self._apply(fault, False)

    def _apply(self, fault: Fault, on: bool) -> None:
        if fault.kind == "link_cut":
            for link in self._links:
                link.cut = on
        else:
            _ON_VEHICLE[fault.kind](fault, self._vehicle, on)
        if self._on_change is not None:
            self._on_change(fault, on)
