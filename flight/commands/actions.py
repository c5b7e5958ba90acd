"""What a vehicle is told to do as a whole: arm, take off, stop, go on, come home, land.

Each action asks, then looks in telemetry for what it brings about, and says what it saw. They raise
CommandError (refused, not answered, impossible now), NotSeenError (accepted and not done), NotConfirmedError,
DisputedError.
"""

from __future__ import annotations

import asyncio
import contextlib
import math

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.basics import arming_reasons
from flight.commands.confirmed import Confirmed, Danger, check_confirmed
from flight.commands.evidence import (
    ActionResult,
    Doing,
    check_number,
    in_flight,
    moving,
    still,
    stops_s,
)
from flight.errors import ArmingError, CommandError, NotSeenError
from flight.state import Position
from flight.vehicle import Vehicle

_REFUSALS = (mavlink.MAV_RESULT_UNSUPPORTED, mavlink.MAV_RESULT_FAILED, mavlink.MAV_RESULT_DENIED)
_FORCE_DISARM = 21196.0
_REASONS_S = 1.5
_CLIMBS_S = 30.0
_REFUSED_YET_RISING_S = 4.0
_STOPS_S = 15.0
_GOES_S = 10.0
_STILL_S = 1.0
_SINKS_MPS = 0.2
_HIGHEST_M = 10_000.0


async def arm(vehicle: Vehicle, confirmed: Confirmed) -> ActionResult:
    """Arm the motors. Raises ArmingError with the vehicle's own reasons when it refuses."""
    check_confirmed(confirmed, Danger.ARM, vehicle.sysid)
    doing = Doing(vehicle, "arm")
    await _arm(doing)
    return doing.result("armed")


async def _arm(doing: Doing) -> None:
    vehicle, began_s = doing.vehicle, doing.vehicle.now_s()
    try:
        await doing.command(mavlink.MAV_CMD_COMPONENT_ARM_DISARM, 1.0)
    except CommandError as refusal:
        await doing.holds(lambda state: bool(arming_reasons(state, began_s)), _REASONS_S)
        await doing.holds(lambda state: False, 0.3)  # reasons come one by one, after the answer
        reasons = arming_reasons(vehicle.state, began_s)
        why = "; ".join(reasons) or str(refusal)
        raise ArmingError(f"vehicle {vehicle.sysid} does not arm: {why}", refusal.result, reasons) from None
    if not await doing.holds(lambda state: state.armed, vehicle.answer_s * vehicle.profile.tries):
        raise ArmingError(f"vehicle {vehicle.sysid}: accepted arming but is not armed; look at it")


async def disarm(vehicle: Vehicle, confirmed: Confirmed | None = None) -> ActionResult:
    """Stop the motors. On the ground it needs no confirmation; in flight it does, and the vehicle falls."""
    doing = Doing(vehicle, "disarm")
    force = 0.0
    if confirmed is None and vehicle.state.armed:
        with contextlib.suppress(CommandError):  # a vehicle that does not tell refuses in flight by itself
            await doing.place()
    if confirmed is not None or in_flight(vehicle.state):
        check_confirmed(confirmed, Danger.DISARM_IN_FLIGHT, vehicle.sysid)
        force = _FORCE_DISARM
    await doing.command(mavlink.MAV_CMD_COMPONENT_ARM_DISARM, 0.0, force)
    if not await doing.holds(lambda state: not state.armed, vehicle.answer_s * vehicle.profile.tries):
        raise doing.not_seen("is still armed")
    return doing.result("disarmed")


async def take_off(vehicle: Vehicle, height_m: float, confirmed: Confirmed) -> ActionResult:
    """Take off to a height above the launch point; arms first where it is not armed yet. Returns when it is
    off the ground.

    When the answer is lost and the command repeated, a vehicle that is rising already refuses the second one.
    """
    check_confirmed(confirmed, Danger.TAKE_OFF, vehicle.sysid)
    doing = Doing(vehicle, "take off")
    check_number(doing, "height (m)", height_m, 0.5, _HIGHEST_M)
    place = await doing.place()
    if in_flight(vehicle.state):
        raise doing.fault("it flies already; change its altitude instead")
    if vehicle.state.is_px4:
        await _take_off_px4(doing, place, height_m)
    else:
        if vehicle.state.mode != "GUIDED":
            await doing.enter("GUIDED")
        if not vehicle.state.armed:
            await _arm(doing)
        await _lift(doing, height_m)
    rising_m = place.alt_rel_m + min(2.0, 0.5 * height_m)
    seen = await doing.seen(lambda p: p.alt_rel_m > rising_m, _CLIMBS_S)
    if seen is None:
        raise doing.not_seen("does not climb; look at it")
    return doing.result(f"{seen.alt_rel_m:.1f} m up and climbing to {height_m:g} m")


async def _lift(doing: Doing, height_m: float) -> None:
    params = (0.0, 0.0, 0.0, math.nan, 0.0, 0.0, height_m)
    try:
        await doing.command(mavlink.MAV_CMD_NAV_TAKEOFF, *params)
    except CommandError as refusal:
        rising = doing.seen(lambda p: p.alt_rel_m > min(2.0, 0.5 * height_m), _REFUSED_YET_RISING_S)
        if refusal.result is None or not await rising:
            raise


async def _take_off_px4(doing: Doing, place: Position, height_m: float) -> None:
    """PX4 takes the height above sea level, and takes off as soon as it is armed."""
    top_m = place.alt_amsl_m - place.alt_rel_m + height_m
    await doing.command(
        mavlink.MAV_CMD_NAV_TAKEOFF, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, top_m
    )
    if not doing.state.armed:
        await _arm(doing)


async def start_mission(vehicle: Vehicle, confirmed: Confirmed | None = None) -> ActionResult:
    """Fly the stored mission: from the ground (arming first; this needs a confirmation), or in flight from
    its current item on. Returns when it is on its way."""
    doing = Doing(vehicle, "start the mission")
    place = await doing.place()
    ground = not in_flight(vehicle.state)
    if ground:
        check_confirmed(confirmed, Danger.START_MISSION, vehicle.sysid)
    mode = "AUTO.MISSION" if vehicle.state.is_px4 else "AUTO"
    if not ground:
        await doing.enter(mode)
    elif vehicle.state.is_px4:
        await doing.enter(mode)
        await _arm(doing)
    else:
        if not vehicle.state.armed:
            await doing.enter("GUIDED")  # ArduPilot does not arm in AUTO
            await _arm(doing)
        await doing.command(mavlink.MAV_CMD_MISSION_START)
        if not await doing.holds(lambda state: state.mode == mode, _GOES_S):
            raise doing.not_seen(f"stays in {vehicle.state.mode}")
    least_m = place.alt_rel_m + 1.0

    def flies(now: Position) -> bool:
        return vehicle.state.mode == mode and (now.alt_rel_m > least_m if ground else moving(now))

    seen = await doing.seen(flies, _CLIMBS_S, 0.0 if ground else stops_s(place))
    if seen is None:
        raise doing.not_seen("does not move; look at it")
    return doing.result(f"{vehicle.state.mode}, {_motion(seen)}")


async def pause(vehicle: Vehicle) -> ActionResult:
    """Stop in the air and hover. ArduPilot stays in AUTO or GUIDED where it can stop there, and goes to BRAKE
    elsewhere: not to LOITER, where a transmitter that lies with its throttle down brings the vehicle down."""
    doing = Doing(vehicle, "pause")
    await doing.place_in_flight()
    if vehicle.state.is_px4:
        await doing.enter("AUTO.LOITER")
    elif vehicle.state.mode not in ("AUTO", "GUIDED") or not await doing.command(
        mavlink.MAV_CMD_DO_PAUSE_CONTINUE, 0.0, unless=_REFUSALS
    ):
        await doing.enter("BRAKE")
    seen = await doing.seen(still, _STOPS_S, for_s=_STILL_S)  # at a corner it stands still too
    if seen is None:
        raise doing.not_seen("does not stop; look at it")
    return doing.result(f"hovers in {vehicle.state.mode} at {seen.alt_rel_m:.1f} m")


async def go_on(vehicle: Vehicle) -> ActionResult:
    """Continue what was paused: the way to a place in GUIDED, the mission elsewhere."""
    doing = Doing(vehicle, "continue")
    place = await doing.place_in_flight()
    state = vehicle.state
    if state.is_px4:
        await doing.enter("AUTO.MISSION")
    elif state.mode in ("AUTO", "GUIDED"):
        await doing.command(mavlink.MAV_CMD_DO_PAUSE_CONTINUE, 1.0)
    else:
        await doing.enter("AUTO")
    since_s = vehicle.now_s()
    flying = await doing.seen(moving, _GOES_S, stops_s(place))
    if flying is None:
        mission = vehicle.state.mission
        active = (
            mission is not None
            and mission.at_s > since_s
            and mission.mission_state == mavlink.MISSION_STATE_ACTIVE
        )
        if vehicle.state.mode == "GUIDED":
            raise doing.not_seen("does not move: it is in GUIDED and has nowhere to go; start the mission")
        if not active:
            raise doing.not_seen("does not move; look at it")
    return doing.result(f"{vehicle.state.mode}, {_motion(flying or vehicle.state.position)}")


async def return_home(vehicle: Vehicle) -> ActionResult:
    """Come home and land (RTL)."""
    doing = Doing(vehicle, "return home")
    place = await doing.place_in_flight()
    mode = "AUTO.RTL" if vehicle.state.is_px4 else "RTL"
    await doing.enter(mode)

    def comes(now: Position) -> bool:
        return vehicle.state.mode == mode and (moving(now) or not in_flight(vehicle.state))

    seen = await doing.seen(comes, _GOES_S, stops_s(place))
    return doing.result(
        f"{vehicle.state.mode}, {_motion(seen or vehicle.state.position)}", proven=seen is not None
    )


async def land(vehicle: Vehicle) -> ActionResult:
    """Land here. Returns when it sinks, in that mode and no longer by what it flew before; or is down."""
    doing = Doing(vehicle, "land")
    place = await doing.place_in_flight()
    mode = "AUTO.LAND" if vehicle.state.is_px4 else "LAND"
    await doing.enter(mode)

    def lands(now: Position) -> bool:
        return not in_flight(vehicle.state) or (vehicle.state.mode == mode and now.down_mps > _SINKS_MPS)

    seen = await doing.seen(lands, _STOPS_S, stops_s(place))
    if seen is None:
        raise doing.not_seen(f"does not sink: {vehicle.state.mode}, {_motion(vehicle.state.position)}")
    if not in_flight(vehicle.state):
        return doing.result(f"{vehicle.state.mode}, on the ground")
    return doing.result(f"{mode}, sinks at {seen.down_mps:.1f} m/s at {seen.alt_rel_m:.1f} m")


async def emergency_stop(vehicle: Vehicle, confirmed: Confirmed) -> ActionResult:
    """Stop the motors now, wherever it is: it falls. Overtakes whatever is being asked of the vehicle.

    Forced disarming first, which ArduPilot and PX4 obey in flight; flight termination where it does not help.
    """
    check_confirmed(confirmed, Danger.EMERGENCY_STOP, vehicle.sysid)
    doing = Doing(vehicle, "emergency stop")
    why: object = None
    for number, params in (
        (mavlink.MAV_CMD_COMPONENT_ARM_DISARM, (0.0, _FORCE_DISARM)),
        (mavlink.MAV_CMD_DO_FLIGHTTERMINATION, (1.0,)),
    ):
        asking = asyncio.ensure_future(doing.command(number, *params, urgent=True))
        try:
            while not asking.done() and vehicle.state.armed:  # its answer may be lost
                await asyncio.wait((asking,), timeout=0.05)
            if await doing.holds(lambda state: not state.armed, 2.0 + vehicle.answer_s):
                return doing.result("motors stopped")
        finally:
            asking.cancel()
            (why,) = await asyncio.gather(asking, return_exceptions=True)
    why = why if isinstance(why, CommandError) else "it accepted"
    raise NotSeenError(f"vehicle {vehicle.sysid}: its motors are NOT seen to stop ({why})")


async def set_current_item(vehicle: Vehicle, seq: int) -> ActionResult:
    """Make an item of the stored mission the current one (in AUTO it flies there at once), numbered as on the
    vehicle. An item that is no place (DO commands) leads on to the next place."""
    doing = Doing(vehicle, f"go on with item {seq}")
    check_number(doing, "item", seq, 0, 65534)
    asked_s = vehicle.now_s()

    def told() -> int | None:
        mission = vehicle.state.mission
        return mission.current if mission is not None and mission.at_s > asked_s else None

    for _ in range(vehicle.profile.tries):  # PX4 goes back to its first item when it takes up a new mission
        await _ask_for_item(doing, seq)
        if await doing.holds(lambda state: told() == seq, vehicle.answer_s):
            return doing.result(f"item {seq} is the current one")
        await doing.command(
            mavlink.MAV_CMD_REQUEST_MESSAGE, mavlink.MAVLINK_MSG_ID_MISSION_CURRENT, unless=_REFUSALS
        )
        current = told()
        if current is not None and seq < current <= seq + 20:
            return doing.result(f"item {current} is the current one, the next place after item {seq}")
    raise doing.not_seen(f"its current item is {told() if told() is not None else 'not told'}")


async def _ask_for_item(doing: Doing, seq: int) -> None:
    """Order an item to be the current one, in the old way where the vehicle does not know the command."""
    vehicle, number = doing.vehicle, mavlink.MAV_CMD_DO_SET_MISSION_CURRENT
    if await doing.command(number, float(seq), unless=(mavlink.MAV_RESULT_UNSUPPORTED,)) is None:
        vehicle.send(mavlink.MAVLink_mission_set_current_message(vehicle.sysid, vehicle.compid, seq))


def _motion(place: Position | None) -> str:
    if place is None:
        return "motion not told"
    if abs(place.down_mps) > max(0.4, place.ground_speed_mps):
        return f"{'sinks' if place.down_mps > 0 else 'climbs'} at {abs(place.down_mps):.1f} m/s"
    return f"flies at {place.ground_speed_mps:.1f} m/s" if moving(place) else "hovers"
