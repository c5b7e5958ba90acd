"""The safety of a flight in three calls: the plan before it is uploaded, the vehicle before it is armed, and
a watch over battery, link and traffic while it flies.

    report = check_before_upload(mission, settings, "ardupilot")              # raises PlanFaultsError
    checklist, facts = await review_vehicle(
        vehicle, mission, settings, lists, folder=folder, compared=True)
    checklist.require_ready()                                                 # raises ChecklistError
    async with watched(vehicle, mission, settings, facts, on_alert=tell) as watch:
        ...                                                    # watch.alerts is what is the matter now

`on_alert(alert, begins)` is called on the station's loop: once when something begins or gets worse, and once
(`begins` False) when it is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from flight.safety.alerts import Alert
from flight.safety.checklist import Checklist, Tick, TickItem, tick_checks
from flight.safety.conflicts import SeparationLimits
from flight.safety.own_flights import OwnFlights
from flight.safety.plan_area import NoFlyArea
from flight.safety.plan_check import PlanLimits, PlanReport, check_plan
from flight.safety.reserves import ReserveLimits
from flight.safety.vehicle_checks import CheckLimits, VehicleFacts, check_vehicle
from flight.safety.vehicle_facts import Lists, gather_facts
from flight.safety.watch import LOOK_S, SafetyWatch, WatchPlan
from flight.safety.way_home import return_settings
from flight.vehicle import Vehicle
from plans.mission import Mission
from plans.terrain import Terrain

OnAlert = Callable[[Alert, bool], None]

_UNION_OF_INCLUSIONS = 2
"""Bit of ArduPilot's FENCE_OPTIONS."""


@dataclass(frozen=True)
class SafetySettings:
    """What a flight is held against. `accepted` are keys of faults and failed checks that the pilot flies
    with; `items` is the list for a person and `ticks` what was ticked. All flights of a station have the same
    `flights`."""

    terrain: Terrain | None = None
    no_fly: tuple[NoFlyArea, ...] = ()
    plan: PlanLimits = field(default_factory=PlanLimits)
    checks: CheckLimits = field(default_factory=CheckLimits)
    reserves: ReserveLimits = field(default_factory=ReserveLimits)
    separation: SeparationLimits = field(default_factory=SeparationLimits)
    accepted: frozenset[str] = frozenset()
    items: tuple[TickItem, ...] = ()
    ticks: tuple[Tick, ...] = ()
    flights: OwnFlights = field(default_factory=OwnFlights)


def check_before_upload(
    mission: Mission, settings: SafetySettings, autopilot: str = "ardupilot"
) -> PlanReport:
    """Look at a plan before anything is sent. Raises PlanFaultsError for faults that are not accepted."""
    report = check_plan(mission, settings.terrain, settings.no_fly, settings.plan, autopilot)
    report.require_flyable(settings.accepted)
    return report


def check_for_vehicle(
    mission: Mission, settings: SafetySettings, facts: VehicleFacts, px4: bool
) -> PlanReport:
    """Look at a plan with a vehicle's own settings, and the rally points that it holds where the plan has
    none."""
    params = facts.params
    returns = return_settings(params, px4)
    options = int(params.get("FENCE_OPTIONS", 0))
    limits = replace(
        settings.plan,
        airframe=returns.px4 or settings.plan.airframe,
        returns=returns,
        rally=facts.rally_points or (),
        fences_joined=not px4 and bool(options & _UNION_OF_INCLUSIONS),
        fence_margin_m=params.get("FENCE_MARGIN", settings.plan.fence_margin_m),
    )
    autopilot = "px4" if px4 else "ardupilot"
    return check_plan(mission, settings.terrain, settings.no_fly, limits, autopilot)


def as_held(mission: Mission, facts: VehicleFacts) -> Mission:
    """The mission with the rally points that the vehicle has when it flies it: the plan's, or else those that
    it holds already."""
    return mission if mission.rally else replace(mission, rally=facts.rally_points or ())


async def review_vehicle(
    vehicle: Vehicle,
    mission: Mission,
    settings: SafetySettings,
    lists: Lists,
    *,
    folder: Path | None = None,
    compared: bool = False,
) -> tuple[Checklist, VehicleFacts]:
    """The whole checklist, whatever comes of it. The plan is looked at again with the vehicle's own settings.
    `lists`, `folder` and `compared`: see vehicle_facts."""
    facts = await gather_facts(vehicle, lists, folder, compared)
    report = await asyncio.to_thread(check_for_vehicle, mission, settings, facts, vehicle.state.is_px4)
    automatic = check_vehicle(vehicle.state, vehicle.now_s(), facts, report, settings.checks)
    by_person = tick_checks(settings.items, settings.ticks)
    return Checklist((*automatic, *by_person), settings.accepted), facts


@asynccontextmanager
async def watched(
    vehicle: Vehicle,
    mission: Mission,
    settings: SafetySettings,
    facts: VehicleFacts,
    on_alert: OnAlert,
    look_s: float = LOOK_S,
) -> AsyncIterator[SafetyWatch]:
    """Watch a flight until the context is left. The only order that the watch gives is the return when the
    battery asks for it: once, while the vehicle flies its mission, never after somebody has taken over."""
    plan = WatchPlan(
        as_held(mission, facts),
        facts.params,
        facts.home or mission.home,
        settings.checks.endurance_s,
        settings.reserves,
        settings.separation,
        settings.flights,
    )
    watch = SafetyWatch(vehicle, plan, on_alert, look_s)
    async with watch.running():
        yield watch
