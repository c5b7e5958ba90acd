"""AUTO RTL: home by the mission's own return path or landing sequence, as ArduCopter 4.7 finds them.

It is AUTO that shows itself as another mode, for as long as the mission is on such a path.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.autopilot import items as m
from sim.autopilot.items import Item
from sim.autopilot.modes import Mode
from sim.controller import Point

if TYPE_CHECKING:
    from sim.autopilot.core import Vehicle

_MOST_ITEMS = 1000
"""A search along a return path gives up after so many."""


def by_landing_sequence(vehicle: Vehicle) -> bool:
    """DO_LAND_START: fly the landing sequence that begins nearest."""
    if _to_landing(vehicle):
        return _enter(vehicle)
    vehicle.say(4, "Mode change to AUTO RTL failed: No landing sequence found")
    return False


def by_return_path(vehicle: Vehicle) -> bool:
    """DO_RETURN_PATH_START: join the return path where it is nearest."""
    if _to_return_path(vehicle):
        return _enter(vehicle)
    vehicle.say(4, "Mode change to AUTO RTL failed: No return path found")
    return False


def by_either(vehicle: Vehicle) -> bool:
    """The mode AUTO RTL: a return path, else a landing sequence."""
    if _to_return_path(vehicle) or _to_landing(vehicle):
        return _enter(vehicle)
    vehicle.say(4, "Mode change to AUTO RTL failed: No return path or landing sequence found")
    return False


def _enter(vehicle: Vehicle) -> bool:
    auto = vehicle.pilot.auto
    if vehicle.mode is not Mode.AUTO:
        auto.resumes = True  # whatever MIS_RESTART says
        if not vehicle.set_mode(Mode.AUTO):
            auto.resumes = False
            return False
    auto.returning = True
    return True


def _to_landing(vehicle: Vehicle) -> bool:
    here = vehicle.pilot.stopping_point
    starts = [
        (math.dist(place, here), index)
        for index in range(1, len(vehicle.mission))
        if vehicle.mission[index].command == m.LAND_START and (place := _begins_at(vehicle, index))
    ]
    if starts and vehicle.pilot.auto.set_current(min(starts)[1]):
        vehicle.say(6, "Landing sequence start")
        return True
    vehicle.say(4, "Unable to start landing sequence")
    return False


def _begins_at(vehicle: Vehicle, index: int) -> Point | None:
    """Where a landing sequence begins: its own place, else that of what is flown next."""
    item = vehicle.mission[index]
    if _has_any_place(item):
        return _place(vehicle, item)
    following = vehicle.walk.following(index - 1)
    return None if following is None else _place(vehicle, vehicle.mission[following])


def _to_return_path(vehicle: Vehicle) -> bool:
    walk = vehicle.walk
    auto = vehicle.pilot.auto
    if vehicle.mode is Mode.AUTO and (auto.running or auto.returning):
        if walk.in_landing:
            vehicle.say(6, "Landing sequence active")
            return True
        if walk.in_return:
            vehicle.say(6, "Return path active")
            return True
    best: tuple[float, int] | None = None
    for start in range(1, len(vehicle.mission)):
        if vehicle.mission[start].command == m.RETURN_PATH_START:
            found = _nearest_leg(vehicle, start)
            if found is not None and (best is None or found[0] <= best[0]):
                best = found
    if best is None or not auto.set_current(best[1]):
        return False
    vehicle.say(6, "Return path started")
    walk.in_return = True
    return True


def _nearest_leg(vehicle: Vehicle, start: int) -> tuple[float, int] | None:
    """(metres, item at its end) of the nearest leg from an item on to a landing; None where there is none."""
    here = vehicle.pilot.stopping_point
    best: tuple[float, int] | None = None
    before: Point | None = None
    for index in _onwards(vehicle, start):
        item = vehicle.mission[index]
        if item.command in m.WITH_PLACE and _has_any_place(item):
            place = _place(vehicle, item)
            if before is None:
                best, before = (math.dist(place, here), index), place
            elif place != before:
                away = distance_to_leg(here, before, place)
                before = place
                if best is None or away < best[0]:
                    best = away, index
        if item.command in (m.LAND, m.LAND_START):
            break
    return best


def _onwards(vehicle: Vehicle, start: int) -> Iterator[int]:
    """The items from one on, jumps followed as often as they say."""
    index, run = start, dict[int, int]()
    for _ in range(_MOST_ITEMS):
        if not 0 < index < len(vehicle.mission):
            return
        item = vehicle.mission[index]
        if item.command in (m.JUMP, m.JUMP_TO_TAG):
            times = int(item.p2)
            target = int(item.p1) if item.command == m.JUMP else vehicle.mission.tag_index(int(item.p1))
            if times == -1 or run.get(index, 0) < times:
                run[index] = run.get(index, 0) + 1
                index = target
            else:
                index += 1
            continue
        yield index
        index += 1


def distance_to_leg(here: Point, a: Point, b: Point) -> float:
    """From a place to the line from a to b (east, north, up; metres). Each coordinate of the foot is kept
    within the leg by itself, as ArduPilot does it."""
    way, pos = [b[i] - a[i] for i in range(3)], [here[i] - a[i] for i in range(3)]
    share = sum(w * p for w, p in zip(way, pos, strict=True)) / sum(w * w for w in way)
    foot = [min(max(w * share, min(0.0, w)), max(0.0, w)) for w in way]
    return math.dist(foot, pos)


def _has_any_place(item: Item) -> bool:
    return bool(item.x or item.y or item.z)


def _place(vehicle: Vehicle, item: Item) -> Point:
    point, terrain = vehicle.pilot.auto.place_of(item)
    return vehicle.pilot.amsl(point, terrain)
