"""Battery and link while it flies: how long it may go on, and what will be done then, said beforehand.

A percentage is of the pack. What is measured (the current, or how fast the percentage falls) comes before
what was planned; the way home is reckoned from where it is, with its own return settings and the wind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from flight.safety.ahead import place_of
from flight.safety.alerts import Alert, Severity
from flight.safety.local_frames import frame_at
from flight.safety.rally import Place
from flight.safety.way_home import ReturnSettings, WayHome, way_home
from flight.state import VehicleState
from plans.energy import Wind
from plans.frames import GeoPoint

_TREND_S = 120.0
_CURRENT_S = 30.0
_LEAST_TREND_S = 30.0
_LEAST_FALL_PERCENT = 2.0
STALE_S = 15.0
_SAG_S = 10.0
"""So long a voltage must be too low to count: full throttle makes it sag for a moment."""
_MORE_THAN_PLANNED = 1.3
_HOMEWARD = ("RTL", "SMART_RTL", "AUTO_RTL", "AUTO RTL", "LAND", "AUTO.RTL", "AUTO.LAND", "BRAKE")
_LOSS_BAD, _LOSS_WARN = 0.5, 0.25
_OVER_IT_M = 30.0
"""So near its landing place it lands in any case, whatever is left."""


@dataclass(frozen=True)
class Sample:
    """What a moment said of battery and link (by one clock: in the watch the vehicle's). NaN where nothing is
    known."""

    at_s: float
    percent: float = math.nan
    voltage_v: float = math.nan
    current_a: float = math.nan
    loss_share: float = math.nan


def sample_of(
    state: VehicleState, now_s: float, loss_share: float = math.nan, stale_s: float = STALE_S
) -> Sample:
    """The sample of a state; a battery reading older than `stale_s` is none."""
    battery = state.battery
    if battery is None or now_s - battery.at_s > stale_s:
        return Sample(now_s, loss_share=loss_share)
    return Sample(now_s, battery.remaining_percent, battery.voltage_v, battery.current_a, loss_share)


def kept(history: Sequence[Sample], sample: Sample) -> tuple[Sample, ...]:
    """The history with a sample more, as long as it is looked at."""
    return (*(old for old in history if sample.at_s - old.at_s <= _TREND_S), sample)


@dataclass(frozen=True)
class ReservePlan:
    """What is known before: where home is and how it returns, the pack, and the flight. `endurance_s` is how
    long 100 % would cruise; `remaining_s` what the mission still takes, landing included (None: unknown);
    `rallies` where it may return to beside home."""

    home: GeoPoint
    returns: ReturnSettings = field(default_factory=ReturnSettings)
    endurance_s: float | None = None
    capacity_mah: float | None = None
    remaining_s: float | None = None
    rallies: tuple[Place, ...] = ()


@dataclass(frozen=True)
class ReserveLimits:
    """`landing_percent` is to be left on the ground; `margin_s` of flight are kept beside the way home.
    `least_voltage_v` under load means empty whatever the percentage says (0: not watched). Without
    `order_return` nothing is ordered, only told."""

    landing_percent: float = 20.0
    margin_s: float = 30.0
    tell_before_s: float = 120.0
    least_voltage_v: float = 0.0
    order_return: bool = True


Clock = Callable[[float], str]


def in_minutes(seconds: float) -> str:
    """A moment so many seconds from now, without a clock."""
    return f"+{max(seconds, 0.0) / 60:.0f} min"


class Order(StrEnum):
    """What the station is to do now."""

    NONE = "none"
    RETURN = "return"


@dataclass(frozen=True)
class ReserveAdvice:
    """`go_on_s` more seconds until it must turn home (None: nobody can tell), `home_percent` what the way
    home takes, `land_percent` what will be left if it goes on to its planned end."""

    alerts: tuple[Alert, ...]
    order: Order = Order.NONE
    percent: float | None = None
    home_percent: float | None = None
    home_s: float | None = None
    go_on_s: float | None = None
    land_percent: float | None = None
    rate_percent_per_s: float | None = None


def reserve_state(
    history: Sequence[Sample],
    state: VehicleState,
    plan: ReservePlan,
    limits: ReserveLimits,
    in_command: bool = True,
    clock: Clock = in_minutes,
) -> ReserveAdvice:
    """The battery's reserve now. `in_command` is False where somebody else has changed the mode: then nothing
    is ordered. `clock` says a moment so many seconds from now ("20:14") for the sentence.

    The order comes when what is left is no more than the way home, the landing reserve and the margin.
    """
    if not history or not state.armed or state.position is None:
        return ReserveAdvice(())
    now = history[-1]
    if math.isnan(now.percent):
        return ReserveAdvice((Alert("reserve.unknown", Severity.WARN),))
    home = _home(state, plan)
    rate = _rate(history, plan)
    if rate is None or home.blown_away:
        lost = (Alert("reserve.blown_away", Severity.BAD),) if home.blown_away else ()
        flat = _voltage(history, limits)
        order = _order(state, limits, in_command) if lost or flat else Order.NONE
        return ReserveAdvice((*lost, *flat), order, now.percent)
    home_percent = rate * home.battery_s
    spare = now.percent - limits.landing_percent - home_percent - rate * limits.margin_s
    go_on = spare / (rate * (1.0 + _away_share(state, plan)))
    left = None if plan.remaining_s is None else now.percent - rate * plan.remaining_s
    figures = _Figures(now.percent, home_percent, rate, go_on, left)
    alerts, order = _judged(history, state, figures, plan, limits, in_command, clock)
    return ReserveAdvice(alerts, order, now.percent, home_percent, home.seconds, max(go_on, 0.0), left, rate)


@dataclass(frozen=True)
class _Figures:
    percent: float
    home_percent: float
    rate: float
    go_on_s: float
    land_percent: float | None


def _judged(
    history: Sequence[Sample],
    state: VehicleState,
    now: _Figures,
    plan: ReservePlan,
    limits: ReserveLimits,
    in_command: bool,
    clock: Clock,
) -> tuple[tuple[Alert, ...], Order]:
    alerts: list[Alert] = list(_voltage(history, limits))
    empty = bool(alerts)
    values: dict[str, object] = {
        "percent": now.percent,
        "home": now.home_percent,
        "landing": limits.landing_percent,
    }
    homeward = state.mode in _HOMEWARD
    if now.percent < now.home_percent and _from_goal(state, plan).distance_m > _OVER_IT_M:
        alerts.append(Alert("reserve.not_enough", Severity.BAD, values))
        return tuple(alerts), _order(state, limits, in_command)
    if homeward:
        return tuple(alerts), Order.NONE
    if now.go_on_s <= 0 or empty:
        order = _order(state, limits, in_command)
        key = "reserve.return_now" if order is Order.RETURN else "reserve.return_yourself"
        alerts.append(Alert(key, Severity.BAD, values))
        return tuple(alerts), order
    enough = now.land_percent is not None and now.land_percent >= limits.landing_percent
    if not enough and (now.go_on_s <= limits.tell_before_s or now.land_percent is not None):
        values["until"] = clock(now.go_on_s)
        who = "reserve.return_soon" if limits.order_return and in_command else "reserve.return_soon_yourself"
        soon = now.go_on_s <= limits.tell_before_s
        alerts.append(Alert(who, Severity.WARN if soon else Severity.INFO, values))
    planned = 100.0 / plan.endurance_s if plan.endurance_s else None
    if planned is not None and now.rate > _MORE_THAN_PLANNED * planned:
        more = 100 * (now.rate / planned - 1)
        alerts.append(Alert("reserve.uses_more", Severity.WARN, {"more": more}))
    return tuple(alerts), Order.NONE


def _order(state: VehicleState, limits: ReserveLimits, in_command: bool) -> Order:
    if not limits.order_return or not in_command or state.mode in _HOMEWARD:
        return Order.NONE
    return Order.RETURN


def _voltage(history: Sequence[Sample], limits: ReserveLimits) -> tuple[Alert, ...]:
    """Too low under load, all along the last seconds."""
    if limits.least_voltage_v <= 0:
        return ()
    end = history[-1].at_s
    late = [s.voltage_v for s in history if end - s.at_s <= _SAG_S and not math.isnan(s.voltage_v)]
    long_enough = end - history[0].at_s >= _SAG_S
    if not late or not long_enough or max(late) >= limits.least_voltage_v:
        return ()
    values = {"voltage": late[-1], "least": limits.least_voltage_v}
    return (Alert("reserve.voltage", Severity.BAD, values),)


def _home(state: VehicleState, plan: ReservePlan) -> WayHome:
    assert state.position is not None
    wind = Wind(state.wind.speed_mps, state.wind.from_deg) if state.wind is not None else Wind()
    velocity = state.position.east_mps, state.position.north_mps
    return way_home(_place(state, plan), plan.returns, wind, velocity, plan.rallies)


def _place(state: VehicleState, plan: ReservePlan) -> Place:
    assert state.position is not None
    return place_of(state.position, frame_at(plan.home))


def _from_goal(state: VehicleState, plan: ReservePlan) -> Place:
    """Where it is, seen from where it would return to."""
    here = _place(state, plan)
    goal = plan.returns.goal(here, plan.rallies).place
    return Place(here.east_m - goal.east_m, here.north_m - goal.north_m, here.up_m)


def _away_share(state: VehicleState, plan: ReservePlan) -> float:
    """By how much a second of flight lengthens the way home, seconds: its speed away from there over the
    return speed; 0 where it comes nearer."""
    assert state.position is not None
    here = _from_goal(state, plan)
    if here.distance_m < 1.0:
        return 0.0
    away = state.position.east_mps * here.east_m + state.position.north_mps * here.north_m
    return max(away / here.distance_m, 0.0) / plan.returns.speed_mps


def _rate(history: Sequence[Sample], plan: ReservePlan) -> float | None:
    """Percent a second: by the current where the pack's capacity is known, else by how the percentage falls,
    else as planned; None when nobody knows."""
    end = history[-1].at_s
    amps = [s.current_a for s in history if end - s.at_s <= _CURRENT_S and not math.isnan(s.current_a)]
    drawn = sum(amps) / len(amps) if amps else math.nan
    if plan.capacity_mah and drawn > 0.1:
        return drawn / (plan.capacity_mah * 3.6) * 100.0
    known = [s for s in history if not math.isnan(s.percent)]
    if len(known) > 1:
        seconds, fall = known[-1].at_s - known[0].at_s, known[0].percent - known[-1].percent
        if seconds >= _LEAST_TREND_S and fall >= _LEAST_FALL_PERCENT:
            return fall / seconds
    return 100.0 / plan.endurance_s if plan.endurance_s else None


def link_state(history: Sequence[Sample], silence_s: float, quiet_s: float) -> tuple[Alert, ...]:
    """How the link does: silent for longer than its profile's `quiet_s`, or losing more and more. The station
    orders nothing for it: a vehicle that hears nothing obeys nobody, and one that does can still be flown."""
    if silence_s > quiet_s:
        return ()  # flight.safety.lost_link has the word
    known = [s for s in history if not math.isnan(s.loss_share)]
    if not known:
        return ()
    end = known[-1].at_s
    late = [s.loss_share for s in known if end - s.at_s <= _CURRENT_S]
    early = [s.loss_share for s in known if end - s.at_s > _CURRENT_S]
    share = sum(late) / len(late)
    values = {"loss": 100 * share}
    if share >= _LOSS_BAD:
        return (Alert("link.bad", Severity.BAD, values),)
    if share >= _LOSS_WARN:
        rising = bool(early) and share > 1.5 * sum(early) / len(early)
        return (Alert("link.getting_worse" if rising else "link.weak", Severity.WARN, values),)
    return ()
