"""The drones of a plan, and sorties that their autopilots can hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from plans.cameras import Camera
from plans.drones import Drone
from plans.formats.capacity import count_items, item_capacity
from plans.mission import Mission
from plans.survey import SurveyPlan, SurveySettings

ANY = "any"
_BY_SUFFIX = {".plan": "ardupilot", ".waypoints": "ardupilot", ".txt": "ardupilot", ".mission": "ardupilot"}
_ONE_LANE = 5  # items of a straight lane as the planner reckons
_ROUNDS = 4  # of planning anew for apps that count other items than the planner does


@dataclass(frozen=True)
class Crew:
    """The drones with the autopilot of each, the survey's camera, and all cameras as they were asked for."""

    camera: Camera
    cameras: tuple[Camera, ...]
    drones: tuple[Drone, ...]
    autopilots: tuple[str, ...]

    def height_m(self, settings: SurveySettings) -> float:
        """The lowest height above ground at which one of the drones flies this survey."""
        if settings.height_agl_m is not None:
            return settings.height_agl_m
        gsd_m = settings.gsd_m or 0.03
        return min(camera.height_for_gsd_m(gsd_m) for camera in self.cameras)


def autopilot_for(out: Path, asked: str | None) -> str:
    """The autopilot that is asked for, or the usual one of a plan file. Raises SurveyError."""
    if asked is None:
        return _BY_SUFFIX.get(out.suffix.lower(), "dji" if out.suffix.lower() == ".kmz" else ANY)
    name = asked.strip().lower()
    if name != ANY:
        item_capacity(name)
    return name


def plan_within_capacity(fly: Callable[[Sequence[Drone]], SurveyPlan], crew: Crew) -> SurveyPlan:
    """The plan that `fly` makes of the drones, no flight of which is more than its autopilot holds.

    The planner counts all items of a mission, and MAVLink autopilots hold so many (ArduPilot one less: home).
    DJI's apps count waypoints alone, half of the items or fewer: how many items make up their waypoints is
    found by planning, and is never more than there are waypoints allowed.
    """
    limits = {name: _limit(name) for name in dict.fromkeys(crew.autopilots)}
    for _ in range(_ROUNDS):
        plan = fly(_limited(crew, limits))
        tighter = _tighter(plan, crew, limits)
        if tighter == limits:
            return _fuller(plan, fly, crew, limits)
        limits = tighter
    return fly(_limited(crew, {name: limits[name] and item_capacity(name) for name in limits}))


def _fuller(
    plan: SurveyPlan,
    fly: Callable[[Sequence[Drone]], SurveyPlan],
    crew: Crew,
    limits: dict[str, int | None],
) -> SurveyPlan:
    """A plan that is done sooner with what DJI's limits leave unused, or the same: the planner reckons with
    more items than most lanes need."""
    looser = dict(limits)
    for name, limit in limits.items():
        if name.startswith("dji") and limit is not None:
            most = max((count_items(m, name) for m in _missions(plan, crew, name)), default=0)
            if most:
                looser[name] = max(int(limit * item_capacity(name) / most) - _ONE_LANE, limit)
    if looser == limits:
        return plan
    other = fly(_limited(crew, looser))
    fits = _tighter(other, crew, looser) == looser
    return other if fits and other.makespan_s < plan.makespan_s else plan


def _missions(plan: SurveyPlan, crew: Crew, autopilot: str) -> list[Mission]:
    return [sortie.mission for sortie in plan.sorties if crew.autopilots[sortie.drone] == autopilot]


def _limited(crew: Crew, limits: dict[str, int | None]) -> list[Drone]:
    pairs = zip(crew.drones, crew.autopilots, strict=True)
    return [replace(drone, item_limit=limits[name]) for drone, name in pairs]


def _limit(autopilot: str) -> int | None:
    if autopilot == ANY or autopilot.startswith("dji"):
        return None
    return item_capacity(autopilot) - (1 if autopilot == "ardupilot" else 0)


def _tighter(plan: SurveyPlan, crew: Crew, limits: dict[str, int | None]) -> dict[str, int | None]:
    """The limits, less where flights of DJI's are too long: by the worst ratio of items to waypoints."""
    found = dict(limits)
    for name in limits:
        if not name.startswith("dji"):
            continue
        own = _missions(plan, crew, name)
        room = item_capacity(name)
        if any(count_items(mission, name) > room for mission in own):
            ratio = min(len(mission.items) / count_items(mission, name) for mission in own)
            before = limits[name] or max(len(mission.items) for mission in own)
            found[name] = max(min(int(room * ratio), before - 1), room)
    return found
