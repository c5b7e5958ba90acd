"""What is left of a mission, from where the vehicle is: its legs, and where it will be in some seconds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from flight.safety.local_frames import frame_at
from flight.safety.plan_path import FlightPath, Leg, flight_paths
from flight.safety.plan_time import leg_uses
from flight.safety.rally import Place
from flight.safety.way_home import ReturnSettings
from flight.state import Position, VehicleState
from plans.energy import Wind
from plans.frames import GeoPoint, LocalFrame
from plans.mission import Mission

IN_MISSION = ("AUTO", "AUTO.MISSION")
"""The modes in which a vehicle flies its mission."""


@dataclass(frozen=True)
class Ahead:
    """Where a vehicle will be, `in_s` seconds after its last word."""

    in_s: float
    lat_deg: float
    lon_deg: float
    alt_amsl_m: float


def place_of(position: Position, local: LocalFrame) -> Place:
    """A position in home's frame; a height that is not told (satellite links) counts as none."""
    east, north = local.to_local(position.lat_deg, position.lon_deg)
    up = position.alt_rel_m
    return Place(float(east), float(north), 0.0 if math.isnan(up) else max(up, 0.0))


def rest_of_mission(
    state: VehicleState,
    mission: Mission | None,
    here: Place,
    returns: ReturnSettings,
    local: LocalFrame,
    within_s: float = math.inf,
) -> tuple[Leg, ...]:
    """The legs that are left, from here, heights above home; only those that begin within some seconds, at
    the soonest. Empty when nobody knows."""
    if mission is None or state.mission is None or not mission.items:
        return ()
    current = state.mission.current - int(state.is_ardupilot)
    path = _path_from(mission, local, returns)
    if path.unclear:
        return ()
    return tuple(_lowered(path, current, here, within_s))


def _lowered(path: FlightPath, current: int, here: Place, within_s: float) -> Iterator[Leg]:
    start: tuple[float, float, float] | None = (here.east_m, here.north_m, here.up_m)
    zero, soonest_s = path.zero_m, 0.0
    for leg in path.legs:
        if leg.item < current:
            continue
        if soonest_s > within_s:
            return
        end = (*leg.end[:2], leg.end[2] - zero)
        found = replace(leg, start=start or (*leg.start[:2], leg.start[2] - zero), end=end)
        yield found
        soonest_s += math.dist(found.start, found.end) / max(leg.speed_mps, 0.1) + leg.hold_s
        start = None


@lru_cache(maxsize=64)
def _path_from(mission: Mission, local: LocalFrame, returns: ReturnSettings) -> FlightPath:
    """The (first) flight of a mission from the home that the vehicle really has; asked for each second."""
    return flight_paths(replace(mission, home=_over(mission, local)), local, returns=returns)[0]


def _over(mission: Mission, local: LocalFrame) -> GeoPoint:
    """The home that the vehicle really has, with the plan's height."""
    known = mission.home.alt_amsl_m if mission.home is not None else None
    return GeoPoint(local.origin_lat_deg, local.origin_lon_deg, known)


def way_ahead(
    state: VehicleState, mission: Mission, home: GeoPoint, returns: ReturnSettings, within_s: float
) -> tuple[Ahead, ...]:
    """The corners of its way on the mission in the next seconds, when it will be there; none where that
    cannot be told or it does not fly its mission.

    On its present leg it is at least as fast as now, on those that come as fast as the time model has them,
    corners included.
    """
    place = state.position
    if state.mode not in IN_MISSION or place is None or math.isnan(place.alt_rel_m):
        return ()
    if state.mission is None or state.mission.paused:
        return ()
    local = frame_at(home)
    here = place_of(place, local)
    legs = rest_of_mission(state, mission, here, returns, local, within_s)
    if not legs:
        return ()
    wind = Wind(state.wind.speed_mps, state.wind.from_deg) if state.wind is not None else Wind()
    seconds = leg_uses(legs, returns.airframe(), wind)[:, 0].tolist()
    if not math.isfinite(sum(seconds)):
        return ()
    as_now = math.dist(legs[0].start, legs[0].end) / max(place.ground_speed_mps, 0.1) + legs[0].hold_s
    seconds[0] = min(seconds[0], as_now)
    lat, lon = local.to_geo([leg.end[0] for leg in legs], [leg.end[1] for leg in legs])
    found, at_s = [], 0.0
    for leg, lasts_s, lat_deg, lon_deg in zip(legs, seconds, lat.tolist(), lon.tolist(), strict=True):
        up = place.alt_amsl_m + leg.end[2] - place.alt_rel_m
        at_s += lasts_s
        found.append(Ahead(at_s - leg.hold_s, lat_deg, lon_deg, up))
        if leg.hold_s > 0:
            found.append(Ahead(at_s, lat_deg, lon_deg, up))
    return tuple(found)
