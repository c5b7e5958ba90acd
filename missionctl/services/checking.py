"""The preflight checklist: a plan looked at offline, a vehicle asked, items ticked, all of it on record."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import shapely
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from flight.commands.basics import request_streams
from flight.errors import CommandError
from flight.missions import lists
from flight.safety.alerts import Alert
from flight.safety.checklist import Checklist, Tick, TickItem
from flight.safety.lost_link import LostLink, lost_link
from flight.safety.plan_area import NoFlyArea
from flight.safety.plan_check import PlanLimits, PlanReport, check_plan
from flight.safety.review import SafetySettings, as_held, check_for_vehicle, review_vehicle
from flight.safety.vehicle_checks import CheckLimits, VehicleFacts
from flight.state import MissionProgress
from flight.station_claim import claim_station_id
from flight.vehicle import Vehicle
from missionctl.errors import WorkspaceError
from missionctl.services.crew import autopilot_of
from missionctl.services.vehicle_work import OnProgress, Target, with_vehicle
from missionctl.workspace import Workspace, actor, find_workspace, now_utc, write_text
from plans.energy import Battery
from plans.errors import MissionError
from plans.formats import read_mission
from plans.formats.qgc_plan import read_walls
from plans.frames import GeoPoint, LocalFrame
from plans.mission import Mission
from plans.terrain import Terrain, read_terrain
from plans.zones import read_zones

LIST_FILE = "checklist.json"
TICKS_LAST = timedelta(hours=2)
"""So long a tick counts for the same plan and vehicle."""
_SETTLE_S = 2.5
_AROUND_M = 500.0
_FARTHEST_M = 50_000.0


@dataclass(frozen=True)
class SafetyWishes:
    """What the person asks for beside the plan. `endurance_s` is how long a full battery cruises."""

    dem: Path | None = None
    no_fly: Path | None = None
    endurance_s: float | None = None
    accepted: tuple[str, ...] = ()
    ticked: tuple[str, ...] = ()
    by: str | None = None


@dataclass(frozen=True)
class Checked:
    """What a check of a plan, and perhaps a vehicle, came to."""

    plan: PlanReport
    checklist: Checklist | None = None
    lost: LostLink | None = None
    sysid: int | None = None

    def report(self) -> dict[str, Any]:
        """The report of `missionctl check`."""
        facts = self.plan.facts
        plan = {
            "faults": [alert.as_json() for alert in self.plan.faults],
            "warnings": [alert.as_json() for alert in self.plan.warnings],
            "items": facts.items,
            "length_m": facts.length_m,
            "duration_s": facts.duration_s,
            "highest_m": facts.highest_m,
            "farthest_m": facts.farthest_m,
            "least_clearance_m": facts.least_clearance_m,
            "least_clearance_item": facts.least_clearance_item,
            "return_height_needed_m": facts.rtl_height_m,
        }
        found: dict[str, Any] = {"plan": plan, "vehicle": self.sysid}
        if self.checklist is not None:
            found |= self.checklist.as_json()
        if self.lost is not None:
            found["lost_link"] = [{"at_s": m.at_s, "says": m.alert.says()} for m in self.lost.moments]
        return found


class _Item(BaseModel):
    model_config = ConfigDict(extra="forbid")
    key: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    en: str
    zh: str
    needed: bool = False


_ITEMS = TypeAdapter(list[_Item])


def usual_items() -> str:
    """The list for a person as it is at first, JSON."""
    return files("flight.safety").joinpath("tick_items.json").read_text(encoding="utf-8")


def tick_items(workspace: Workspace | None) -> tuple[TickItem, ...]:
    """The list for a person: the mission folder's own (written there to be edited when it has none), or the
    usual one. Raises WorkspaceError for a list that is broken."""
    text = usual_items()
    place = "the usual list"
    if workspace is not None:
        file = workspace.path / LIST_FILE
        place = str(file)
        if file.exists():
            text = file.read_text(encoding="utf-8")
        else:
            write_text(file, text)
    try:
        items = _ITEMS.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = " ".join(str(part) for part in first["loc"])
        raise WorkspaceError(
            f"{place}: {where or 'the list'}: {first['msg']}; mend it or remove it"
        ) from None
    return tuple(TickItem(item.key, item.en, item.zh, item.needed) for item in items)


def safety_settings(
    plan: Path, mission: Mission, workspace: Workspace | None, wishes: SafetyWishes, sysid: int | None = None
) -> SafetySettings:
    """What a flight of a plan is held against: the mission folder's DEM and list, earlier ticks, the wishes.

    Raises MissionError for a tick that is not on the list, TerrainError and ZoneError for inputs that cannot
    be read.
    """
    items = tick_items(workspace)
    unknown = sorted(set(wishes.ticked) - {item.key for item in items})
    if unknown:
        known = ", ".join(item.key for item in items)
        raise MissionError(f"--tick {unknown[0]}: not on the list; it has: {known}")
    by = wishes.by or actor()
    ticks = [*recent_ticks(workspace, plan, sysid), *(Tick(key, by, now_utc()) for key in wishes.ticked)]
    dem = wishes.dem or (workspace.input("dem") if workspace else None)
    battery = Battery(endurance_s=wishes.endurance_s) if wishes.endurance_s is not None else None
    return SafetySettings(
        terrain=_terrain(dem, mission) if dem is not None else None,
        no_fly=(*(_no_fly(wishes.no_fly) if wishes.no_fly is not None else ()), *_walls(plan, mission)),
        plan=PlanLimits(battery=battery),
        checks=CheckLimits(endurance_s=wishes.endurance_s),
        accepted=frozenset(wishes.accepted),
        items=items,
        ticks=tuple(ticks),
    )


def _terrain(dem: Path, mission: Mission) -> Terrain | None:
    """Ground heights around all that a mission may fly over; None when it has no place."""
    places = [GeoPoint(i.lat_deg, i.lon_deg) for i in mission.items if i.has_place]
    places = [p for p in places if abs(p.lat_deg) <= 90 and abs(p.lon_deg) <= 180]
    if mission.home is not None:
        places.append(mission.home)
    if not places:
        return None
    first = LocalFrame(places[-1].lat_deg, places[-1].lon_deg)
    places = [p for p in places if first.distance_m(p) < _FARTHEST_M]  # what is farther off is a fault anyhow
    local = LocalFrame.around(places)
    east, north = local.to_local([p.lat_deg for p in places], [p.lon_deg for p in places])
    bounds = (
        float(east.min()) - _AROUND_M,
        float(north.min()) - _AROUND_M,
        float(east.max()) + _AROUND_M,
        float(north.max()) + _AROUND_M,
    )
    return read_terrain(dem, local, bounds)


def _no_fly(file: Path) -> tuple[NoFlyArea, ...]:
    areas = []
    for number, zone in enumerate(read_zones(file), start=1):
        for part in shapely.get_parts(zone.polygon):
            ring = tuple(
                GeoPoint(lat, lon) for lon, lat in shapely.get_coordinates(part.exterior).tolist()[:-1]
            )
            areas.append(NoFlyArea(zone.name or f"{file.stem} {number}", ring))
    return tuple(areas)


def _walls(plan: Path, mission: Mission) -> tuple[NoFlyArea, ...]:
    """What the plan's own ways go around beside its fence, as plans of ours carry it."""
    if plan.suffix.lower() != ".plan":
        return ()
    rings = [ring for ring in read_walls(plan) if ring not in mission.fence_exclusion]
    return tuple(NoFlyArea(f"wall {number}", ring, wall=True) for number, ring in enumerate(rings, start=1))


def check_offline(plan: Path, wishes: SafetyWishes, autopilot: str | None = None) -> Checked:
    """Look at a plan without any vehicle. `autopilot` (ardupilot or px4) is the plan's own if not given."""
    mission, workspace = read_mission(plan), find_workspace(plan.parent)
    settings = safety_settings(plan, mission, workspace, wishes)
    autopilot = autopilot or autopilot_of(plan, workspace.config.autopilot if workspace else "")
    return Checked(check_plan(mission, settings.terrain, settings.no_fly, settings.plan, autopilot))


def check_with_vehicle(plan: Path, target: Target, wishes: SafetyWishes) -> Checked:
    """The whole checklist of a vehicle for a plan, put on record in the mission folder where the plan lies in
    one. Nothing on the vehicle is changed."""
    mission = read_mission(plan)
    workspace = find_workspace(plan.parent)
    folder = (workspace.path / "flights") if workspace is not None else plan.parent

    async def work(vehicle: Vehicle, _: OnProgress) -> tuple[Checked, SafetySettings]:
        settings = await asyncio.to_thread(safety_settings, plan, mission, workspace, wishes, vehicle.sysid)
        await claim_station_id(vehicle)  # as `fly` does
        with contextlib.suppress(CommandError):  # what does not come is told as unknown
            await request_streams(vehicle)
        await asyncio.sleep(_SETTLE_S)
        checklist, facts = await review_vehicle(
            vehicle, mission, settings, lists_of(vehicle, mission), folder=folder
        )
        px4 = vehicle.state.is_px4
        report = await asyncio.to_thread(check_for_vehicle, mission, settings, facts, px4)
        lost = _lost_from_the_first_waypoint(vehicle, mission, facts)
        return Checked(report, checklist, lost, vehicle.sysid), settings

    checked, settings = with_vehicle(target, work)
    assert checked.checklist is not None
    assert checked.sysid is not None
    record_checklist(workspace, plan, checked.sysid, checked.checklist.as_json(), settings, wishes.by)
    return checked


def lists_of(vehicle: Vehicle, mission: Mission) -> dict[int, tuple[Any, ...]]:
    """What the vehicle is to hold, by kind."""
    held = {lists.MISSION: lists.slots_of(mission, vehicle.state.is_ardupilot, None)}
    fence, rally = lists.fence_items(mission), lists.rally_items(mission)
    return held | ({lists.FENCE: fence} if fence else {}) | ({lists.RALLY: rally} if rally else {})


def _lost_from_the_first_waypoint(vehicle: Vehicle, mission: Mission, facts: VehicleFacts) -> LostLink | None:
    """What it would do if the link were lost as it reaches the farthest waypoint."""
    home, state = facts.home or mission.home, vehicle.state
    flown = [
        (n, i) for n, i in enumerate(mission.items) if i.command == 16 and i.has_place and i.frame in (3, 6)
    ]
    if home is None or not flown or state.position is None:
        return None
    local = LocalFrame(home.lat_deg, home.lon_deg)
    number, far = max(flown, key=lambda f: local.distance_m(GeoPoint(f[1].lat_deg, f[1].lon_deg)))
    place = replace(
        state.position,
        lat_deg=far.lat_deg,
        lon_deg=far.lon_deg,
        alt_rel_m=far.alt_m,
        north_mps=0.0,
        east_mps=0.0,
    )
    there = replace(
        state,
        armed=True,
        mode="AUTO.MISSION" if state.is_px4 else "AUTO",
        position=place,
        mission=MissionProgress(place.at_s, number + 1 + int(state.is_ardupilot)),
    )
    return lost_link(there, facts.params, as_held(mission, facts), home, facts.station_sysid)


def record_checklist(
    workspace: Workspace | None,
    plan: Path,
    sysid: int,
    checklist: Mapping[str, Any],
    settings: SafetySettings,
    by: str | None,
) -> None:
    """Who checked which vehicle for which plan, when, and what came of it; needs a mission folder.
    `checklist` as `Checklist.as_json` gives it."""
    if workspace is None:
        return
    row = {
        "time_utc": now_utc(),
        "actor": by or actor(),
        "plan": plan.name,
        "plan_sha256": plan_digest(plan),
        "vehicle": sysid,
        "ready": int(checklist["ready"]),
        "accepted": ",".join(sorted(checklist["accepted"])),
        "checks_json": json.dumps(checklist["checks"], ensure_ascii=False),
        "ticks_json": json.dumps([vars(tick) for tick in settings.ticks], ensure_ascii=False),
    }
    workspace.add("checks", [(None, row)])


def recent_ticks(workspace: Workspace | None, plan: Path, sysid: int | None) -> tuple[Tick, ...]:
    """What was ticked for this very plan and vehicle within the last two hours."""
    if workspace is None or sysid is None:
        return ()
    digest, now = plan_digest(plan), datetime.now(UTC)
    found: dict[str, Tick] = {}
    for row in workspace.features("checks"):
        if row.values["plan_sha256"] != digest or row.values["vehicle"] != sysid:
            continue
        for told in json.loads(row.values["ticks_json"]):
            if now - datetime.fromisoformat(told["time_utc"]) <= TICKS_LAST:
                found[told["key"]] = Tick(**told)
    return tuple(found.values())


def plan_digest(plan: Path) -> str:
    """What knows a plan file again, whatever it is called."""
    return hashlib.sha256(plan.read_bytes()).hexdigest()


def alert_lines(alerts: Sequence[Alert], language: str) -> list[str]:
    """A line each, with how bad it is."""
    marks = {"bad": "FAULT", "warn": "warning", "info": "note"}
    return [f"{marks[str(alert.severity)]:8} {alert.key}: {alert.line(language)}" for alert in alerts]
