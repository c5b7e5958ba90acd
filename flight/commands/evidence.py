"""Actions and the evidence for them: what a vehicle accepted, and what its telemetry then shows."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.basics import request_streams, set_mode
from flight.commands.protocol import CommandResult, Order, texts_since, transact
from flight.errors import CommandError, FlightError, NotSeenError
from flight.state import Position, VehicleState
from flight.vehicle import Vehicle
from plans.frames import GeoPoint

_REASONS_S = 1.5
_POLL_S = 0.02
_BRAKES_MPS2 = 2.0
_STILL_MPS, _STILL_UP_MPS = 0.6, 0.4
_METRES_PER_DEGREE = 111_195.0
_AIRBORNE_M = 1.0

Condition = Callable[[VehicleState], bool]


@dataclass(frozen=True)
class ActionResult:
    """What an action came to. `seen` is what telemetry shows, in plain words; `proven` is False where the
    vehicle accepted but tells nothing by which it could be seen. `said` is what it said meanwhile."""

    vehicle: int
    action: str
    seen: str
    proven: bool
    mode: str
    took_s: float
    answers: tuple[CommandResult, ...]
    said: tuple[str, ...]

    def report(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


class Doing:
    """One action under way: its commands, and how long to look for what they bring about."""

    def __init__(self, vehicle: Vehicle, action: str) -> None:
        vehicle.check_undisputed()
        self.vehicle = vehicle
        self.action = action
        self._began_s = vehicle.now_s()
        self._answers: list[CommandResult] = []

    @property
    def state(self) -> VehicleState:
        """What the vehicle has told."""
        return self.vehicle.state

    def fault(self, why: str) -> CommandError:
        """An error of this action."""
        return CommandError(f"vehicle {self.vehicle.sysid}: {self.action}: {why}")

    def not_seen(self, what: str) -> NotSeenError:
        """The error for evidence that did not come."""
        said = texts_since(self.state, self._began_s)
        more = f" (it said: {'; '.join(said)})" if said else ""
        return NotSeenError(f"vehicle {self.vehicle.sysid}: accepted '{self.action}' but {what}{more}")

    def result(self, seen: str, proven: bool = True) -> ActionResult:
        """The action's end."""
        state = self.state
        took_s, said = self.vehicle.now_s() - self._began_s, texts_since(state, self._began_s)
        return ActionResult(
            state.sysid, self.action, seen, proven, state.mode, took_s, tuple(self._answers), said
        )

    # -- asking --------------------------------------------------------------------------------------------

    async def order(
        self, order: Order, unless: Collection[int] = (), urgent: bool = False
    ) -> CommandResult | None:
        """Send a command. None when it is refused with one of the results in `unless`; other refusals are
        raised as CommandError with what the vehicle says about it."""
        asked_s = self.vehicle.now_s()
        try:
            answer = await transact(self.vehicle, order, urgent=urgent)
        except CommandError as refusal:
            if refusal.result is not None and refusal.result in unless:
                return None
            raise await self._with_reasons(refusal, asked_s) from None
        self._answers.append(answer)
        return answer

    async def command(
        self, number: int, *params: float, unless: Collection[int] = (), urgent: bool = False
    ) -> CommandResult | None:
        """Send a command that names no place."""
        p = (*params, *([0.0] * (7 - len(params))))
        return await self.order(Order(number, p[:4], p[4], p[5], p[6]), unless, urgent)

    async def enter(self, mode: str) -> None:
        """Change the mode and see it changed."""
        asked_s = self.vehicle.now_s()
        try:
            await set_mode(self.vehicle, mode)
        except CommandError as refusal:
            raise await self._with_reasons(refusal, asked_s) from None

    async def _with_reasons(self, refusal: CommandError, asked_s: float) -> CommandError:
        if refusal.result is None:
            return refusal
        await self.holds(lambda state: bool(texts_since(state, asked_s)), _REASONS_S)
        said = texts_since(self.state, asked_s)
        return CommandError(f"{refusal}; it said: {'; '.join(said)}", refusal.result) if said else refusal

    # -- looking -------------------------------------------------------------------------------------------

    async def holds(self, condition: Condition, timeout_s: float) -> bool:
        """Wait until the state fulfils a condition; False when it has not within `timeout_s`."""
        vehicle = self.vehicle
        deadline_s = vehicle.now_s() + timeout_s
        while not condition(vehicle.state):
            if vehicle.now_s() >= deadline_s:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    async def seen(
        self, condition: Callable[[Position], bool], least_s: float, after_s: float = 0.0, for_s: float = 0.0
    ) -> Position | None:
        """Wait for a position, told `after_s` after this call or later, that fulfils a condition, as all do
        that are told in the `for_s` before it. None when it does not come: `least_s` is for the vehicle; what
        the link takes comes on top."""
        begins_s = self.vehicle.now_s() + after_s
        first_s: float | None = None

        def shows(state: VehicleState) -> bool:
            nonlocal first_s
            place = state.position
            if place is None or place.at_s <= begins_s or not condition(place):
                first_s = None
                return False
            first_s = place.at_s if first_s is None else first_s
            return place.at_s - first_s >= for_s

        timeout_s = after_s + for_s + least_s + self.delay_s()
        return self.state.position if await self.holds(shows, timeout_s) else None

    def delay_s(self) -> float:
        """How old what is seen may be: the link's way and the time between positions."""
        rate_hz = self.vehicle.profile.rates_hz.get(mavlink.MAVLINK_MSG_ID_GLOBAL_POSITION_INT, 1.0)
        return 2.0 / rate_hz + self.vehicle.answer_s

    async def place(self) -> Position:
        """Where the vehicle is, told not long ago; streams are asked for where it has been silent about it.
        Raises CommandError when it does not tell."""
        vehicle = self.vehicle
        oldest_s = max(vehicle.profile.silence_s, self.delay_s())

        def fresh(state: VehicleState) -> bool:
            return state.position is not None and vehicle.now_s() - state.position.at_s <= oldest_s

        if not fresh(vehicle.state):
            with contextlib.suppress(FlightError):
                await request_streams(vehicle)
            await self.holds(fresh, 2.0 + 2 * self.delay_s())
        place = vehicle.state.position
        if place is None or not fresh(vehicle.state):
            raise self.fault("it does not tell where it is; nothing was sent")
        return place

    async def place_in_flight(self) -> Position:
        """Where the vehicle flies. Raises CommandError when it does not fly."""
        place = await self.place()
        if not in_flight(self.state):
            raise self.fault("it is on the ground; take off first")
        return place


def in_flight(state: VehicleState) -> bool:
    """Whether it is off the ground, as far as it tells."""
    if not state.armed or state.landed_state == mavlink.MAV_LANDED_STATE_ON_GROUND:
        return False
    if state.landed_state != mavlink.MAV_LANDED_STATE_UNDEFINED:
        return True
    return state.position is not None and state.position.alt_rel_m > _AIRBORNE_M


def still(place: Position) -> bool:
    """Whether it hovers."""
    return place.ground_speed_mps < _STILL_MPS and abs(place.down_mps) < _STILL_UP_MPS


def stops_s(place: Position) -> float:
    """By when what it flies now is over if it is told something else: later motion is of that."""
    return 1.0 + math.hypot(place.ground_speed_mps, place.down_mps) / _BRAKES_MPS2


def moving(place: Position) -> bool:
    """Whether it goes anywhere, up and down too."""
    return place.ground_speed_mps > _STILL_MPS or abs(place.down_mps) > _STILL_UP_MPS


def offset_m(here: Position | GeoPoint, there: Position | GeoPoint) -> tuple[float, float]:
    """East and north from one place to another; flat, good to 0.1 % over a few kilometres."""
    north_m = (there.lat_deg - here.lat_deg) * _METRES_PER_DEGREE
    turn_deg = math.remainder(there.lon_deg - here.lon_deg, 360.0)
    return turn_deg * _METRES_PER_DEGREE * math.cos(math.radians(here.lat_deg)), north_m


def moved(here: Position | GeoPoint, east_m: float, north_m: float) -> GeoPoint:
    """The place that lies so far from another."""
    lon_m = _METRES_PER_DEGREE * math.cos(math.radians(here.lat_deg))
    return GeoPoint(here.lat_deg + north_m / _METRES_PER_DEGREE, here.lon_deg + east_m / lon_m)


def bearing_deg(here: Position | GeoPoint, there: Position | GeoPoint) -> float:
    """The direction from one place to another, 0 to 360, clockwise from north."""
    return math.degrees(math.atan2(*offset_m(here, there))) % 360.0


def turn_between_deg(a_deg: float, b_deg: float) -> float:
    """The smaller angle between two directions, 0 to 180."""
    return abs(math.remainder(a_deg - b_deg, 360.0))


def check_place(doing: Doing, place: GeoPoint) -> None:
    """Raise CommandError for a place that is none."""
    if not (abs(place.lat_deg) <= 90 and abs(place.lon_deg) <= 180) or (place.lat_deg, place.lon_deg) == (
        0,
        0,
    ):
        raise doing.fault(f"{place.lat_deg:g}, {place.lon_deg:g} is no place; give LAT,LON in degrees")


def check_number(doing: Doing, what: str, value: float, low: float, high: float) -> None:
    """Raise CommandError for a number that is none, or out of its range."""
    if not low <= value <= high:
        raise doing.fault(f"{what} {value:g} is not between {low:g} and {high:g}")
