"""Any plan, also a foreign one, looked at before it is uploaded: items, fence, ground, size, length. Offline.

What is BAD keeps the plan from being uploaded; what is WARN is told. Heights are looked at along every leg,
the fence and no-fly areas too; the way home from everywhere is the straight line at the vehicle's height or
its return height, whichever is more, to home or the rally point that the autopilot would choose.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from flight.errors import PlanFaultsError
from flight.safety.alerts import Alert, Severity, worst_first
from flight.safety.plan_area import NoFlyArea, area_alerts
from flight.safety.plan_ground import Ground, ground_of
from flight.safety.plan_items import in_this_world, item_alerts
from flight.safety.plan_path import FlightPath, LegKind, flight_paths
from flight.safety.plan_time import flight_use
from flight.safety.way_home import ReturnSettings, return_settings
from plans.capacity import count_items, item_capacity
from plans.energy import Airframe, Battery, Wind
from plans.frames import GeoPoint, LocalFrame
from plans.mission import Command, Mission, MissionItem
from plans.terrain import Terrain

_FAR_M = 50_000.0
"""Nothing that we fly is farther from its launch point: such a plan is a mistake."""
_LEAST_TAKE_OFF_M = 1.0
_MOST_TOLD = 12


@dataclass(frozen=True)
class PlanLimits:
    """What a plan is held against. Distances in metres; `least_clearance_m` is a fault, `clearance_m` told.
    Without `battery` its length is only told. `item_limit`, where the vehicle's own is known."""

    least_clearance_m: float = 10.0
    clearance_m: float = 20.0
    first_leg_m: float = 2_000.0
    fence_margin_m: float = 2.0
    battery: Battery | None = None
    item_limit: int | None = None
    airframe: Airframe | None = None
    """How it flies; None: as the autopilot does by default."""
    wind: Wind = field(default_factory=Wind)
    returns: ReturnSettings | None = None
    """How it returns; None: as the autopilot does by default."""
    rally: tuple[GeoPoint, ...] = ()
    """The rally points that the vehicle holds: they stay when the plan has none of its own. Heights as in
    Mission.rally."""
    fences_joined: bool = False
    """Within one inclusion fence is enough (ArduPilot with FENCE_OPTIONS bit 1; a PX4 from 1.16 on wants all,
    as seen, and an older one that takes one is looked at no less strictly)."""


@dataclass(frozen=True)
class PlanFacts:
    """A plan in figures. Heights above the launch point; None where it cannot be told. `battery_s` are
    seconds of calm cruise, `rtl_height_m` the least return height that clears the ground on all ways home."""

    items: int
    slots: int
    flights: int
    launch: GeoPoint | None
    length_m: float
    duration_s: float
    battery_s: float
    highest_m: float | None
    farthest_m: float | None
    least_clearance_m: float | None
    least_clearance_item: int | None
    rtl_height_m: float | None
    photos: bool
    fence: bool
    rally: bool


@dataclass(frozen=True)
class PlanReport:
    """What was found, the worst first."""

    facts: PlanFacts
    alerts: tuple[Alert, ...]

    @property
    def faults(self) -> tuple[Alert, ...]:
        """What keeps the plan on the ground."""
        return tuple(alert for alert in self.alerts if alert.severity is Severity.BAD)

    @property
    def warnings(self) -> tuple[Alert, ...]:
        """What the pilot should know."""
        return tuple(alert for alert in self.alerts if alert.severity is Severity.WARN)

    def require_flyable(self, accepted: frozenset[str] = frozenset()) -> None:
        """Raise PlanFaultsError unless every fault's key is among those that the pilot accepts."""
        left = tuple(fault for fault in self.faults if fault.key not in accepted)
        if left:
            raise PlanFaultsError(tuple(fault.line() for fault in left))


def check_plan(
    mission: Mission,
    terrain: Terrain | None = None,
    no_fly: Sequence[NoFlyArea] = (),
    limits: PlanLimits | None = None,
    autopilot: str = "ardupilot",
) -> PlanReport:
    """Look at a plan. `terrain` may be in any local frame; `autopilot` is "ardupilot" or "px4"."""
    limits = limits or PlanLimits()
    returns = limits.returns or return_settings({}, px4=autopilot == "px4")
    airframe = limits.airframe or returns.px4 or Airframe()
    alerts = list(item_alerts(mission, autopilot))
    alerts += _whole_alerts(mission, limits, autopilot)
    rally = mission.rally or limits.rally
    good = replace(mission, items=tuple(_without_lost(mission)), rally=rally)
    places = [GeoPoint(i.lat_deg, i.lon_deg) for i in good.items if i.lat_deg != 0.0 or i.lon_deg != 0.0]
    if mission.home is not None:
        places.append(mission.home)
    if not places:
        facts = _facts(mission, autopilot, (), (0.0, 0.0), None)
        return PlanReport(facts, worst_first([*alerts, Alert("plan.no_places", Severity.BAD)]))
    local = terrain.frame if terrain is not None else LocalFrame.around(places)
    paths = flight_paths(good, local, terrain, returns)
    if len(paths) > 1:
        alerts.append(Alert("plan.several_flights", Severity.WARN, {"flights": len(paths)}))
    alerts += [alert for path in paths for alert in _path_alerts(path, limits)]
    alerts += area_alerts(mission, paths, local, no_fly, limits.fence_margin_m, limits.fences_joined, returns)
    ground = ground_of(paths, terrain, returns, limits.clearance_m) if terrain is not None else None
    alerts += list(_ground_alerts(ground, limits))
    use = _use(paths, airframe, limits.wind)
    alerts += list(_use_alerts(paths, use, airframe, limits))
    facts = _facts(mission, autopilot, paths, use, ground)
    return PlanReport(facts, worst_first(_shortened(alerts)))


def _without_lost(mission: Mission) -> Iterator[MissionItem]:
    """The items, those that are out of this world as orders without effect (jumps count items)."""
    nothing = (0.0, 0.0, 0.0, 0.0)
    for item in mission.items:
        yield (
            item
            if in_this_world(item)
            else replace(
                item, command=Command.CONDITION_DELAY, params=nothing, lat_deg=0.0, lon_deg=0.0, alt_m=0.0
            )
        )


def _whole_alerts(mission: Mission, limits: PlanLimits, autopilot: str) -> Iterator[Alert]:
    if not mission.items:
        yield Alert("plan.empty", Severity.BAD)
        return
    most = limits.item_limit or item_capacity(autopilot)
    slots = count_items(mission, autopilot)
    if slots > most:
        yield Alert("plan.too_many_items", Severity.BAD, {"items": slots, "most": most})
    if mission.home is None:
        yield Alert("plan.no_launch", Severity.WARN)


def _path_alerts(path: FlightPath, limits: PlanLimits) -> Iterator[Alert]:
    if not path.legs:
        return
    if path.legs[0].kind is not LegKind.RISE:
        yield Alert("plan.no_take_off", Severity.WARN)
    elif path.legs[0].end[2] - path.legs[0].start[2] < _LEAST_TAKE_OFF_M:
        rise = path.legs[0].end[2] - path.legs[0].start[2]
        yield Alert("plan.take_off_height", Severity.BAD, {"height": rise})
    if path.unending:
        yield Alert("plan.no_landing", Severity.WARN)
    for index in path.unclear:
        yield Alert("plan.height_unclear", Severity.WARN, {"item": index + 1}, about=str(index + 1))
    if path.launch_m is None:
        return
    flown = [leg for leg in path.legs if leg.kind is LegKind.FLY]
    reach = [math.dist(leg.end[:2], path.launch_m) for leg in flown]
    if reach and reach[0] > limits.first_leg_m:
        item = flown[0].item + 1
        yield Alert("plan.first_leg", Severity.WARN, {"item": item, "distance": reach[0]})
    if reach and max(reach) > _FAR_M:
        item = flown[int(np.argmax(reach))].item + 1
        yield Alert("plan.too_far", Severity.BAD, {"item": item, "distance": max(reach) / 1000})


def _ground_alerts(ground: Ground | None, limits: PlanLimits) -> Iterator[Alert]:
    if ground is None:
        yield Alert("plan.no_dem", Severity.WARN)
        return
    if ground.unknown_share > 0:
        yield Alert("plan.dem_lacks", Severity.WARN, {"share": 100 * ground.unknown_share})
    for low in ground.low:
        fault = low.clearance_m < limits.least_clearance_m
        key = "plan.hits_ground" if low.clearance_m <= 0 else "plan.low"
        values = {
            "item": low.item + 1,
            "clearance": low.clearance_m,
            "least": limits.clearance_m,
            "lat": low.lat_deg,
            "lon": low.lon_deg,
        }
        yield Alert(key, Severity.BAD if fault else Severity.WARN, values, about=str(low.item + 1))
    home = ground.home
    if home is not None and home.clearance_m < limits.clearance_m:
        values = {
            "item": home.item + 1,
            "clearance": home.clearance_m,
            "height": ground.rtl_height_m,
            "number": home.rally,
            "lat": home.lat_deg,
            "lon": home.lon_deg,
        }
        way = "plan.way_to_rally" if home.rally else "plan.way_home"
        key = f"{way}_hits_ground" if home.clearance_m <= 0 else f"{way}_low"
        yield Alert(key, Severity.WARN, values)


def _use(paths: Sequence[FlightPath], airframe: Airframe, wind: Wind) -> tuple[float, float]:
    """(seconds, battery seconds) of the longest flight."""
    uses = [flight_use(path.legs, airframe, wind) for path in paths]
    return max(uses, key=lambda use: use[1], default=(0.0, 0.0))


def _use_alerts(
    paths: Sequence[FlightPath], use: tuple[float, float], airframe: Airframe, limits: PlanLimits
) -> Iterator[Alert]:
    if math.isinf(use[0]):
        yield Alert("plan.wind", Severity.BAD, {"wind": limits.wind.speed_mps})
    elif limits.battery is not None and use[1] > limits.battery.usable_s:
        values = {"need": use[1] / 60, "have": limits.battery.usable_s / 60}
        yield Alert("plan.too_long", Severity.BAD, values)
    most = airframe.fastest_mps
    fast = [leg for path in paths for leg in path.legs if leg.speed_mps > most]
    if fast:
        values = {"item": fast[0].item + 1, "speed": fast[0].speed_mps, "most": most}
        yield Alert("plan.too_fast", Severity.WARN, values)
    slowed = [
        (leg, share)
        for path in paths
        for leg in path.legs
        if leg.kind is LegKind.FLY
        and (share := _slowed_to(leg.start, leg.end, leg.speed_mps, airframe)) < 0.5
    ]
    if slowed:
        leg, share = min(slowed, key=lambda found: found[1])
        values = {"count": len(slowed), "item": leg.item + 1, "speed": share * leg.speed_mps}
        yield Alert("plan.steep", Severity.WARN, values)


def _slowed_to(
    start: tuple[float, float, float], end: tuple[float, float, float], speed: float, airframe: Airframe
) -> float:
    """The share of its speed that a leg's climb or descent lets a vehicle keep; 1 for a climb on the spot."""
    level, rise = math.dist(start[:2], end[:2]), end[2] - start[2]
    if level < 1.0 or rise == 0.0:
        return 1.0
    rate = airframe.climb_mps if rise > 0 else airframe.descent_mps
    return min(1.0, rate * level / (abs(rise) * speed))


def _facts(
    mission: Mission,
    autopilot: str,
    paths: Sequence[FlightPath],
    use: tuple[float, float],
    ground: Ground | None,
) -> PlanFacts:
    points = [(path, path.points_m()) for path in paths if path.legs]
    lengths = [float(np.linalg.norm(np.diff(p, axis=0), axis=1).sum()) for _, p in points]
    heights = [float(p[:, 2].max()) - path.zero_m for path, p in points if not path.unclear]
    reach = [
        float(np.hypot(*(p[:, :2] - path.launch_m).T).max())
        for path, p in points
        if path.launch_m is not None
    ]
    lowest = ground.lowest if ground is not None else None
    return PlanFacts(
        items=len(mission.items),
        slots=count_items(mission, autopilot),
        flights=len(points),
        launch=paths[0].launch if paths else mission.home,
        length_m=sum(lengths),
        duration_s=use[0],
        battery_s=use[1],
        highest_m=max(heights, default=None) if len(heights) == len(points) else None,
        farthest_m=max(reach, default=None),
        least_clearance_m=lowest.clearance_m if lowest else None,
        least_clearance_item=lowest.item + 1 if lowest else None,
        rtl_height_m=ground.rtl_height_m if ground is not None else None,
        photos=_takes_photos(mission),
        fence=bool(mission.fence_inclusion or mission.fence_exclusion),
        rally=bool(mission.rally),
    )


def _takes_photos(mission: Mission) -> bool:
    orders = (Command.DO_SET_CAM_TRIGG_DIST, Command.DO_SET_CAM_TRIGG_INTERVAL)
    return any(
        (item.command in orders and item.params[0] > 0)
        or item.command in (Command.IMAGE_START_CAPTURE, Command.DO_DIGICAM_CONTROL)
        for item in mission.items
    )


def _shortened(alerts: Sequence[Alert]) -> list[Alert]:
    """At most a dozen of each kind, and how many more: a foreign plan may be wrong a thousand times."""
    kept: list[Alert] = []
    counts: dict[str, int] = {}
    for alert in worst_first(alerts):
        counts[alert.key] = counts.get(alert.key, 0) + 1
        if counts[alert.key] <= _MOST_TOLD:
            kept.append(alert)
    for key, count in counts.items():
        if count > _MOST_TOLD:
            more = {"count": count - _MOST_TOLD, "key": key}
            kept.append(Alert("plan.and_more", Severity.INFO, more, about=key))
    return kept
