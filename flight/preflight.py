"""Is the vehicle ready to fly? A GPS fix alone is not readiness: its own pre-arm checks and its estimator
have the word."""

from __future__ import annotations

import asyncio
import contextlib

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.basics import arming_reasons, command, last_words
from flight.errors import ArmingError, CommandError
from flight.state import VehicleState
from flight.vehicle import Vehicle

_ASK_REASONS_S = 10.0
_POLL_S = 0.1


def unready(state: VehicleState) -> tuple[str, ...]:
    """What is still missing for flight, in words; empty when nothing is."""
    missing = []
    if state.position is None or (state.position.lat_deg == 0.0 and state.position.lon_deg == 0.0):
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


async def wait_until_ready(vehicle: Vehicle, timeout_s: float) -> None:
    """Wait until the vehicle can be armed. Raises ArmingError with what is missing and its own reasons."""
    began_s = vehicle.now_s()
    asked_s = began_s
    while missing := unready(vehicle.state):
        now = vehicle.now_s()
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
