"""Where a vehicle is told to go: to a place, to another height or speed, around a place.

The same errors as flight.commands.actions. Heights are metres above the launch point.
"""

from __future__ import annotations

import asyncio
import math

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.basics import request_message
from flight.commands.evidence import (
    ActionResult,
    Doing,
    bearing_deg,
    check_number,
    check_place,
    moved,
    offset_m,
    stops_s,
)
from flight.commands.orbits import Circle, carrot, steady_speed
from flight.commands.protocol import ABOVE_HOME, ABOVE_SEA, Order
from flight.state import Position
from flight.vehicle import Vehicle
from plans.frames import GeoPoint

_UNSUPPORTED = (mavlink.MAV_RESULT_UNSUPPORTED,)
_FASTEST_MPS = 100.0
_LOWEST_M, _HIGHEST_M = -1000.0, 10_000.0
_STARTS_S = 15.0
_STALLS_S = 20.0
_NEAR_M, _NEAR_UP_M = 2.5, 1.5
_FARTHEST_M = 20_000.0
_POSITION_AND_YAW = 0x9F8
"""SET_POSITION_TARGET_GLOBAL_INT: ignore speeds, accelerations and yaw rate."""
_POSITION = 0xDF8
_ROTORS = frozenset(
    {
        mavlink.MAV_TYPE_QUADROTOR,
        mavlink.MAV_TYPE_COAXIAL,
        mavlink.MAV_TYPE_HELICOPTER,
        mavlink.MAV_TYPE_HEXAROTOR,
        mavlink.MAV_TYPE_OCTOROTOR,
        mavlink.MAV_TYPE_TRICOPTER,
        mavlink.MAV_TYPE_DODECAROTOR,
    }
)


async def go_to(
    vehicle: Vehicle,
    place: GeoPoint,
    height_m: float | None = None,
    speed_mps: float | None = None,
    until_there: bool = False,
) -> ActionResult:
    """Fly to a place (at the present height when none is given); leaves a mission for GUIDED, PX4's hold.

    Returns when it is on its way, or there. The launch point's height stands for the place's own.
    """
    doing = Doing(vehicle, "go to")
    check_place(doing, place)
    here = await doing.place_in_flight()
    goal_m = here.alt_rel_m if height_m is None else height_m
    check_number(doing, "height (m)", goal_m, _LOWEST_M, _HIGHEST_M)
    if speed_mps is not None:
        check_number(doing, "speed (m/s)", speed_mps, 0.1, _FASTEST_MPS)
    if math.hypot(*offset_m(here, place)) > _FARTHEST_M:
        raise doing.fault(f"{place.lat_deg:g}, {place.lon_deg:g} is over {_FARTHEST_M / 1000:g} km away")
    await _reposition(doing, here, place, goal_m, speed_mps)
    seen = await _approach(doing, place, goal_m, until_there, stops_s(here))
    return doing.result(seen)


async def _reposition(
    doing: Doing, here: Position, place: GeoPoint, height_m: float, speed_mps: float | None
) -> None:
    vehicle, px4 = doing.vehicle, doing.state.is_px4
    z_m, frame = (here.alt_amsl_m - here.alt_rel_m + height_m, ABOVE_SEA) if px4 else (height_m, ABOVE_HOME)
    speed = -1.0 if speed_mps is None else speed_mps
    change_mode = float(mavlink.MAV_DO_REPOSITION_FLAGS_CHANGE_MODE)
    params = (speed, change_mode, 0.0, math.nan)
    order = Order(mavlink.MAV_CMD_DO_REPOSITION, params, place.lat_deg, place.lon_deg, z_m, frame)
    if await doing.order(order, unless=_UNSUPPORTED) is None:
        if px4:
            raise doing.fault("this vehicle cannot be sent to a place")
        await doing.enter("GUIDED")
        vehicle.send(_target(vehicle, place, height_m))
    if not px4 and not await doing.holds(lambda state: state.mode == "GUIDED", _STARTS_S + doing.delay_s()):
        raise doing.not_seen(f"stays in {doing.state.mode}")
    if not px4 and speed_mps is not None:  # ArduCopter takes no notice of the speed in DO_REPOSITION
        await doing.command(mavlink.MAV_CMD_DO_CHANGE_SPEED, 1.0, speed_mps, -1.0)


async def _approach(
    doing: Doing, place: GeoPoint, height_m: float, until_there: bool, after_s: float = 0.0
) -> str:
    """See it come closer, or arrive, when what it flew before is over (`after_s`). In words what was seen."""

    def away_m(now: Position) -> float:
        return math.hypot(*offset_m(now, place), now.alt_rel_m - height_m)

    def there(now: Position) -> bool:
        return (
            math.hypot(*offset_m(now, place)) < _NEAR_M
            and abs(now.alt_rel_m - height_m) < _NEAR_UP_M
            and now.ground_speed_mps < 1.0
        )

    start = await doing.seen(lambda now: True, _STALLS_S, after_s) or doing.state.position
    assert start is not None
    closest_m = away_m(start)
    while not await doing.seen(there, 0.0):
        least_m = closest_m - min(2.0, 0.3 * closest_m)
        if not await doing.seen(
            lambda now, least_m=least_m: away_m(now) < least_m or there(now),  # type: ignore[misc]
            _STALLS_S,
        ):
            raise doing.not_seen(f"comes no closer than {closest_m:.0f} m; look at it")
        now = doing.state.position
        assert now is not None
        closest_m = min(closest_m, away_m(now))
        if not until_there:
            return f"{closest_m:.0f} m to go, at {now.ground_speed_mps:.1f} m/s"
    return f"there, at {_height(doing):.1f} m"


async def change_altitude(vehicle: Vehicle, height_m: float) -> ActionResult:
    """Climb or sink to a height. In GUIDED on its way it flies on to where it was going; elsewhere it stops
    and changes height here, leaving a mission (start the mission takes it back). Returns when it climbs or
    sinks."""
    doing = Doing(vehicle, f"change altitude to {height_m:g} m")
    check_number(doing, "height (m)", height_m, _LOWEST_M, _HIGHEST_M)
    here = await doing.place_in_flight()
    goal = await _goal(doing, here) if vehicle.state.mode == "GUIDED" else None
    goal = goal or GeoPoint(here.lat_deg, here.lon_deg)
    off_m = abs(here.alt_rel_m - height_m)
    await _reposition(doing, here, goal, height_m, None)

    def changes(now: Position) -> bool:
        left_m = abs(now.alt_rel_m - height_m)
        return left_m < max(0.7, off_m - 1.0)

    seen = await doing.seen(changes, _STARTS_S, stops_s(here))
    if seen is None:
        raise doing.not_seen(f"stays at {_height(doing):.1f} m; look at it")
    return doing.result(f"at {seen.alt_rel_m:.1f} m, {vehicle.state.mode}")


async def _goal(doing: Doing, here: Position) -> GeoPoint | None:
    """Where it is going in GUIDED; None when it does not say, or nowhere."""
    told = await request_message(doing.vehicle, mavlink.MAVLINK_MSG_ID_POSITION_TARGET_GLOBAL_INT)
    if told is None or told.type_mask & 0x3:
        return None
    goal = GeoPoint(told.lat_int / 1e7, told.lon_int / 1e7)
    return goal if math.hypot(*offset_m(here, goal)) <= _FARTHEST_M else None


async def change_speed(vehicle: Vehicle, speed_mps: float) -> ActionResult:
    """Fly at this ground speed from now on; ArduPilot keeps it until the mode changes. Seen only while it is
    on its way somewhere far enough."""
    doing = Doing(vehicle, f"change speed to {speed_mps:g} m/s")
    check_number(doing, "speed (m/s)", speed_mps, 0.1, _FASTEST_MPS)
    await doing.place_in_flight()
    await doing.command(mavlink.MAV_CMD_DO_CHANGE_SPEED, 1.0, speed_mps, -1.0)
    near_mps = max(0.5, 0.1 * speed_mps)
    seen = await doing.seen(lambda now: abs(now.ground_speed_mps - speed_mps) < near_mps, _STARTS_S)
    now = seen or doing.state.position
    flown_mps = now.ground_speed_mps if now is not None else math.nan
    return doing.result(f"flies at {flown_mps:.1f} m/s", proven=seen is not None)


async def orbit(
    vehicle: Vehicle,
    centre: GeoPoint,
    radius_m: float,
    speed_mps: float = 5.0,
    clockwise: bool = True,
    turns: float = 1.0,
    height_m: float | None = None,
) -> ActionResult:
    """Fly around a place, looking at it, at the present height when none is given. Returns after `turns`.

    PX4 does it itself (DO_ORBIT) and goes on after the turns. ArduCopter has no orbit command, and its CIRCLE
    mode wants parameters changed and sinks when a transmitter lies with its throttle down: it is led around
    in GUIDED by targets a few metres ahead on the circle. When the link breaks, or this is cancelled, it
    stops at the last one.
    """
    doing = Doing(vehicle, "orbit")
    check_place(doing, centre)
    check_number(doing, "radius (m)", radius_m, 3.0, 2000.0)
    check_number(doing, "speed (m/s)", speed_mps, 0.1, _FASTEST_MPS)
    check_number(doing, "turns", turns, 0.05, 1000.0)
    here = await doing.place_in_flight()
    level_m = here.alt_rel_m if height_m is None else height_m
    check_number(doing, "height (m)", level_m, _LOWEST_M, _HIGHEST_M)
    circle = Circle(centre, radius_m, clockwise)
    if vehicle.state.is_px4:
        await _orbit_px4(doing, here, circle, speed_mps, level_m)
        return doing.result(await _watch_turns(doing, circle, turns, speed_mps))
    if vehicle.state.vehicle_type not in _ROTORS:
        raise doing.fault("only multicopters can be led around a place; this vehicle cannot")
    speed_mps = min(speed_mps, steady_speed(radius_m, doing.delay_s()))
    edge = moved(centre, *circle.nearest(offset_m(centre, here)))
    await _reposition(doing, here, edge, level_m, None)
    await _approach(doing, edge, level_m, until_there=True)
    await doing.command(mavlink.MAV_CMD_DO_CHANGE_SPEED, 1.0, speed_mps, -1.0)
    leading = asyncio.ensure_future(_lead(doing, circle, speed_mps, level_m))
    try:
        return doing.result(await _watch_turns(doing, circle, turns, speed_mps))
    finally:
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)


async def _orbit_px4(doing: Doing, here: Position, circle: Circle, speed_mps: float, height_m: float) -> None:
    top_m = here.alt_amsl_m - here.alt_rel_m + height_m
    radius_m = circle.radius_m if circle.clockwise else -circle.radius_m
    params = (radius_m, speed_mps, 0.0, math.nan)
    order = Order(
        mavlink.MAV_CMD_DO_ORBIT, params, circle.centre.lat_deg, circle.centre.lon_deg, top_m, ABOVE_SEA
    )
    await doing.order(order)


async def _lead(doing: Doing, circle: Circle, speed_mps: float, height_m: float) -> None:
    """Hold a target in front of the vehicle on the circle, for ever."""
    vehicle = doing.vehicle
    while True:
        here = doing.state.position
        assert here is not None
        ahead = carrot(circle, offset_m(circle.centre, here), speed_mps, doing.delay_s())
        place = moved(circle.centre, *ahead)
        vehicle.send(_target(vehicle, place, height_m, yaw_deg=bearing_deg(place, circle.centre)))
        told_s = here.at_s
        await doing.holds(
            lambda state, told_s=told_s: state.position is not None and state.position.at_s > told_s,  # type: ignore[misc]
            1.0,
        )


async def _watch_turns(doing: Doing, circle: Circle, turns: float, speed_mps: float) -> str:
    """Count the turns flown. In words what was seen."""
    vehicle, mode = doing.vehicle, None if doing.state.is_px4 else "GUIDED"
    turned_deg, widest_m, last = 0.0, 0.0, None
    moved_on_s = vehicle.now_s()
    while turned_deg < 360.0 * turns:
        if not await doing.seen(lambda now: True, _STALLS_S):
            raise doing.not_seen(f"does not tell where it is, after {turned_deg / 360:.1f} turns")
        if mode is not None and doing.state.mode != mode:
            raise doing.not_seen(f"went to {doing.state.mode} after {turned_deg / 360:.1f} turns")
        now = doing.state.position
        assert now is not None
        east_m, north_m = offset_m(circle.centre, now)
        angle_deg = math.degrees(math.atan2(east_m, north_m))
        if last is not None:
            step_deg = math.remainder(angle_deg - last, 360.0) * (1 if circle.clockwise else -1)
            turned_deg += step_deg
            if step_deg > 0.3:
                moved_on_s = vehicle.now_s()
                if turned_deg > 20.0:
                    widest_m = max(widest_m, abs(math.hypot(east_m, north_m) - circle.radius_m))
        last = angle_deg
        if vehicle.now_s() - moved_on_s > _STALLS_S + doing.delay_s():
            raise doing.not_seen(f"does not go around, after {turned_deg / 360:.1f} turns")
    return f"{turned_deg / 360:.1f} turns, at most {widest_m:.1f} m beside the circle"


def _target(vehicle: Vehicle, place: GeoPoint, height_m: float, yaw_deg: float | None = None) -> object:
    return mavlink.MAVLink_set_position_target_global_int_message(
        0,
        vehicle.sysid,
        vehicle.compid,
        mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT_INT,
        _POSITION if yaw_deg is None else _POSITION_AND_YAW,
        round(place.lat_deg * 1e7),
        round(place.lon_deg * 1e7),
        height_m,
        *(0.0,) * 6,
        0.0 if yaw_deg is None else math.radians(yaw_deg),
        0.0,
    )


def _height(doing: Doing) -> float:
    place = doing.state.position
    return place.alt_rel_m if place is not None else math.nan
