"""The watch over one flight: battery, link, headway and traffic, once a second; told when they change."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from flight.commands.actions import return_home
from flight.errors import FlightError
from flight.safety.ahead import IN_MISSION, place_of, rest_of_mission
from flight.safety.alerts import Alert, Severity, worst_first
from flight.safety.conflicts import SeparationLimits, Traffic, traffic_alerts
from flight.safety.headway import Headway
from flight.safety.local_frames import frame_at
from flight.safety.lost_link import LostLink, lost_link
from flight.safety.own_flights import OwnFlight, OwnFlights, icao_address
from flight.safety.plan_time import leg_uses
from flight.safety.rally import rally_places
from flight.safety.reserves import (
    STALE_S,
    Order,
    ReserveAdvice,
    ReserveLimits,
    ReservePlan,
    Sample,
    kept,
    link_state,
    reserve_state,
    sample_of,
)
from flight.safety.vehicle_clock import VehicleClock
from flight.safety.way_home import return_settings
from flight.state import VehicleState
from flight.vehicle import Inbox, Vehicle
from plans.energy import Wind
from plans.frames import GeoPoint
from plans.mission import Mission

LOOK_S = 1.0
_REST_S = 5.0
_ORDER_AGAIN_S = 10.0
_NEAR_DEG = 20.0
_HOMEWARD = ("RTL", "SMART_RTL", "AUTO_RTL", "AUTO RTL", "LAND", "AUTO.RTL", "AUTO.LAND")
_WORSE = {Severity.INFO: 0, Severity.WARN: 1, Severity.BAD: 2}


@dataclass(frozen=True)
class WatchPlan:
    """What the watch goes by. `endurance_s` is how long 100 % of the pack cruises, None when unknown."""

    mission: Mission
    params: Mapping[str, float]
    home: GeoPoint | None
    endurance_s: float | None
    reserves: ReserveLimits
    separation: SeparationLimits
    flights: OwnFlights = field(default_factory=OwnFlights)


class SafetyWatch:
    """Watches while `running` is open."""

    def __init__(
        self,
        vehicle: Vehicle,
        plan: WatchPlan,
        on_alert: Callable[[Alert, bool], None],
        look_s: float = LOOK_S,
    ) -> None:
        self.alerts: tuple[Alert, ...] = ()
        """What is the matter now, the worst first."""
        self.lost: LostLink | None = None
        """What the vehicle would do if its last word had been the last."""
        self.advice = ReserveAdvice(())
        self.ordered = False
        """Whether this watch has ordered the return: it does so once."""
        self._vehicle, self._plan, self._on_alert = vehicle, plan, on_alert
        self._look_s = look_s
        self._traffic = Traffic()
        self._history: tuple[Sample, ...] = ()
        self._clock = VehicleClock()
        self._rest: tuple[float, float | None] = (-_REST_S, None)
        self._in_mission = False
        self._headway = Headway()
        self._orders: tuple[Alert, ...] = ()
        self._not_before_s = 0.0
        self._order_task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look every `look_s` seconds until left. An order that is under way is waited for."""
        plan = self._plan
        returns = return_settings(plan.params, self._vehicle.state.is_px4)
        flight = OwnFlight(plan.mission, plan.home, returns, icao_address(plan.params))
        with plan.flights.flying(self._vehicle.sysid, flight), self._vehicle.inbox() as inbox:
            task = asyncio.get_running_loop().create_task(self._run(inbox))
            try:
                yield
            finally:
                task.cancel()
                for left in (task, self._order_task):
                    if left is not None:
                        left.cancel()
                        with contextlib.suppress(asyncio.CancelledError):
                            await left

    async def _run(self, inbox: Inbox) -> None:
        while True:
            try:
                self.look(inbox)
            except Exception as bug:  # a fault of ours must neither end the watch nor go unseen
                self._tell((Alert("watch.failed", Severity.BAD, {"why": f"{type(bug).__name__}: {bug}"}),))
            await asyncio.sleep(self._look_s)

    def look(self, inbox: Inbox) -> None:
        """One look at everything."""
        vehicle, plan = self._vehicle, self._plan
        state, now = vehicle.state, vehicle.now_s()
        self._traffic.ignore(plan.flights.icao_addresses())
        for message in inbox.drain():
            self._traffic.take(message, now)
            self._clock.take(message, state.compid)
        silence = vehicle.silence_s()
        alerts = list(self._orders)
        if silence > vehicle.profile.silence_s:
            if self.lost is not None and state.armed:
                alerts.append(self.lost.now(silence))
        else:
            stale = max(STALE_S, vehicle.profile.silence_s)
            sample = sample_of(state, now, vehicle.stats.recent_loss_share, stale)
            self._history = kept(self._history, replace(sample, at_s=self._clock.look(now)))
            alerts += self._reserves(state, now)
            alerts += link_state(self._history, silence, vehicle.profile.silence_s)
            alerts += self._hands_off(state)
            alerts += self._headway.look(state, now)
            home = self._home(state)
            if home is not None and state.armed and _near(state, home):
                wind = Wind(state.wind.speed_mps, state.wind.from_deg) if state.wind else None
                ours = vehicle.station.sysid
                self.lost = lost_link(state, plan.params, plan.mission, home, ours, wind)
        states = [other.state for other in vehicle.station.vehicles.values()]
        alerts += traffic_alerts(states, self._traffic, now, plan.separation, state.sysid, plan.flights)
        self._tell(worst_first(alerts))

    def _home(self, state: VehicleState) -> GeoPoint | None:
        if state.home is not None:
            return GeoPoint(state.home.lat_deg, state.home.lon_deg, state.home.alt_amsl_m)
        return self._plan.home

    def _reserves(self, state: VehicleState, now: float) -> tuple[Alert, ...]:
        home = self._home(state)
        if home is None or not state.armed or not _near(state, home):
            return ()
        plan = self._plan
        reserve = ReservePlan(
            home,
            return_settings(plan.params, state.is_px4),
            plan.endurance_s,
            plan.params.get("BATT_CAPACITY"),
            self._remaining_s(state, home, now),
            rally_places(plan.mission, frame_at(home)),
        )
        in_command = state.mode in IN_MISSION and not self.ordered
        self.advice = reserve_state(self._history, state, reserve, plan.reserves, in_command, _clock)
        if self.advice.order is Order.RETURN and not self.ordered and now >= self._not_before_s:
            self.ordered = True
            self._order_task = asyncio.get_running_loop().create_task(self._order_return())
        return self.advice.alerts

    async def _order_return(self) -> None:
        """Order the return, unless the mode has changed since it was decided: then somebody else decides. An
        order that did not get through is given again as long as the vehicle flies its mission."""
        if self._vehicle.state.mode not in IN_MISSION:
            return
        try:
            await return_home(self._vehicle)
        except FlightError as fault:
            self._orders = (Alert("reserve.order_failed", Severity.BAD, {"why": str(fault)}),)
            self._not_before_s = self._vehicle.now_s() + _ORDER_AGAIN_S
            self.ordered = False
            return
        self._orders = (Alert("reserve.ordered", Severity.WARN),)

    def _remaining_s(self, state: VehicleState, home: GeoPoint, now: float) -> float | None:
        """How long its mission still takes, reckoned anew every few seconds."""
        if state.mode not in IN_MISSION or state.position is None:
            return None
        if now - self._rest[0] >= _REST_S:
            local = frame_at(home)
            here = place_of(state.position, local)
            returns = return_settings(self._plan.params, state.is_px4)
            legs = rest_of_mission(state, self._plan.mission, here, returns, local)
            wind = Wind(state.wind.speed_mps, state.wind.from_deg) if state.wind else Wind()
            uses = leg_uses(legs, returns.airframe(), wind)
            self._rest = (now, float(uses[:, 1].sum()) if len(legs) else None)
        return self._rest[1]

    def _hands_off(self, state: VehicleState) -> tuple[Alert, ...]:
        """Once it has left its mission by somebody else's will, that is told."""
        if not state.armed:
            self._in_mission = False
            return ()
        self._in_mission = self._in_mission or state.mode in IN_MISSION
        if not self._in_mission or state.mode in (*IN_MISSION, *_HOMEWARD):
            return ()
        return (Alert("reserve.hands_off", Severity.INFO, {"mode": state.mode}),)

    def _tell(self, alerts: tuple[Alert, ...]) -> None:
        before = {alert.identity: alert for alert in self.alerts}
        after = {alert.identity: alert for alert in alerts}
        self.alerts = alerts
        for identity, alert in after.items():
            old = before.get(identity)
            if old is None or _WORSE[alert.severity] > _WORSE[old.severity]:
                self._on_alert(alert, True)
        for identity, alert in before.items():
            if identity not in after:
                self._on_alert(alert, False)


def _near(state: VehicleState, home: GeoPoint) -> bool:
    """False for a position at the other end of the world, which tells nothing of the way home."""
    place = state.position
    return place is None or (
        abs(place.lat_deg - home.lat_deg) < _NEAR_DEG and abs(place.lon_deg - home.lon_deg) < _NEAR_DEG
    )


def _clock(seconds: float) -> str:
    """The local time so many seconds from now."""
    return f"{dt.datetime.now().astimezone() + dt.timedelta(seconds=max(seconds, 0.0)):%H:%M}"
