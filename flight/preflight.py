"""Is the vehicle ready to fly? A GPS fix alone is not readiness: its own pre-arm checks and its estimator
have the word."""

from __future__ import annotations

import asyncio
import contextlib

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.basics import arming_reasons, command, last_words, set_mode
from flight.errors import ArmingError, CommandError
from flight.state import VehicleState
from flight.vehicle import Vehicle

_ASK_REASONS_S = 10.0
_POLL_S = 0.1
_HOLD = "AUTO.LOITER"
_FLOWN_BY_STICKS = ("MANUAL", "ALTCTL", "POSCTL", "ACRO", "STABILIZED")
_ON_THE_WAY_DOWN = ("AUTO.RTL", "AUTO.LAND")
_HOLD_AFTER_S = 5.0


def unready(state: VehicleState) -> tuple[str, ...]:
    """What is still missing for flight, in words; empty when nothing is."""
    missing = []
    if state.position is None:
        missing.append("no position yet")
    if state.ekf is None and state.is_ardupilot:
        missing.append("its estimator has not reported yet")
    elif state.ekf is not None and not state.ekf.has_position:
        missing.append("its estimator has no position yet")
    if state.health is None:
        missing.append("its pre-arm checks have not reported yet")
    elif state.health.prearm_ok is False:
        missing.append("its pre-arm checks do not pass")
    return tuple(missing)


def wants_hold(state: VehicleState) -> bool:
    """Whether it is its mode that keeps it from being ready: a PX4 checks for the mode it is in, so one that
    is flown by sticks and hears no transmitter, or that is about to land, does not pass; in hold it does."""
    return (
        state.is_px4
        and not state.armed
        and state.health is not None
        and state.health.prearm_ok is False
        and state.mode in (*_FLOWN_BY_STICKS, *_ON_THE_WAY_DOWN)
    )


async def wait_until_ready(vehicle: Vehicle, timeout_s: float) -> None:
    """Wait until the vehicle can be armed. A PX4 on the ground whose mode alone is in the way is put in hold.
    Raises ArmingError with what is missing and its own reasons."""
    began_s = vehicle.now_s()
    asked_s, held = began_s, False
    while missing := unready(vehicle.state):
        now = vehicle.now_s()
        if not held and now - began_s >= _HOLD_AFTER_S and wants_hold(vehicle.state):
            held = True
            with contextlib.suppress(CommandError):  # its reasons are told when the time is over
                await set_mode(vehicle, _HOLD)
        if now - began_s >= timeout_s:
            reasons = arming_reasons(vehicle.state, began_s)
            words = "; ".join([*missing, *reasons])
            tail = "" if reasons else f" (it last said: {last_words(vehicle.state) or 'nothing'})"
            raise ArmingError(
                f"vehicle {vehicle.sysid} is not ready after {timeout_s:g} s: {words}{tail}", None, reasons
            )
        if now - asked_s >= _ASK_REASONS_S and vehicle.state.is_ardupilot:
            asked_s = now
            with contextlib.suppress(CommandError):  # older ones do not know it, and speak by themselves
                await command(vehicle, mavlink.MAV_CMD_RUN_PREARM_CHECKS)
        await asyncio.sleep(_POLL_S)
