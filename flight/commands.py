"""Commands to a vehicle: asked again until answered, with the vehicle's own reasons when it refuses."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import ArmingError, CommandError
from flight.modes import mode_number
from flight.state import VehicleState
from flight.station import Inbox, Vehicle
from flight.wire import Message, decode_text

_IN_PROGRESS_S = 60.0
_REASONS_S = 1.5
_REFUSED_YET_RISING_S = 4.0
_RESULT_WORDS = {
    mavlink.MAV_RESULT_TEMPORARILY_REJECTED: "refused for now",
    mavlink.MAV_RESULT_DENIED: "denied",
    mavlink.MAV_RESULT_UNSUPPORTED: "not supported by this vehicle",
    mavlink.MAV_RESULT_FAILED: "failed",
    6: "cancelled",  # MAV_RESULT_CANCELLED, which this dialect does not name
}


def command_name(command: int) -> str:
    """The name of a MAV_CMD without its prefix."""
    entry = mavlink.enums["MAV_CMD"].get(command)
    return str(entry.name).removeprefix("MAV_CMD_") if entry else f"command {command}"


async def command(vehicle: Vehicle, number: int, *params: float) -> None:
    """Send COMMAND_LONG until it is acknowledged; returns when the vehicle has accepted it.

    Missing parameters are 0. Raises CommandError when it is refused or nobody answers.
    """
    values = (*params, *([0.0] * (7 - len(params))))
    with vehicle.inbox() as inbox:
        for confirmation in range(vehicle.profile.tries):
            vehicle.send(
                mavlink.MAVLink_command_long_message(
                    vehicle.sysid, vehicle.compid, number, confirmation, *values
                )
            )
            result = await _acknowledged(inbox, number, vehicle.profile.answer_s)
            if result is None:
                continue
            if result == mavlink.MAV_RESULT_ACCEPTED:
                return
            words = _RESULT_WORDS.get(result, f"result {result}")
            raise CommandError(f"vehicle {vehicle.sysid}: {command_name(number)} {words}", result)
    raise CommandError(
        f"vehicle {vehicle.sysid}: no answer to {command_name(number)} after {vehicle.profile.tries} tries; "
        "check the link"
    )


async def _acknowledged(inbox: Inbox, number: int, timeout_s: float) -> int | None:
    def is_ack(message: Message) -> bool:
        return message.get_type() == "COMMAND_ACK" and message.command == number

    ack = await inbox.next(is_ack, timeout_s)
    while ack is not None and ack.result == mavlink.MAV_RESULT_IN_PROGRESS:
        ack = await inbox.next(is_ack, _IN_PROGRESS_S)
    return None if ack is None else int(ack.result)


async def wait_until(
    vehicle: Vehicle, condition: Callable[[VehicleState], bool], timeout_s: float, poll_s: float = 0.02
) -> bool:
    """Wait until the vehicle's state fulfils a condition; False when it has not within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition(vehicle.state):
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(poll_s)
    return True


async def set_mode(vehicle: Vehicle, name: str) -> None:
    """Change the flight mode, and wait until the vehicle shows it. Raises CommandError, FlightError."""
    state = vehicle.state
    number = mode_number(state.autopilot, state.vehicle_type, name)
    custom = mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED
    if state.is_px4:
        params = (float(custom), float(number >> 16 & 0xFF), float(number >> 24 & 0xFF))
    else:
        params = (float(custom), float(number), 0.0)
    await command(vehicle, mavlink.MAV_CMD_DO_SET_MODE, *params)
    patience_s = vehicle.profile.answer_s * vehicle.profile.tries
    if not await wait_until(vehicle, lambda s: s.custom_mode == number, patience_s):
        raise CommandError(
            f"vehicle {vehicle.sysid}: accepted mode {name} but stays in {vehicle.state.mode}", None
        )


async def arm(vehicle: Vehicle) -> None:
    """Arm the motors. Raises ArmingError with the vehicle's own reasons when it refuses."""
    began_s = time.monotonic()
    try:
        await command(vehicle, mavlink.MAV_CMD_COMPONENT_ARM_DISARM, 1.0)
    except CommandError as refusal:
        await asyncio.sleep(_REASONS_S)  # the reasons come after the answer
        reasons = arming_reasons(vehicle.state, began_s)
        why = "; ".join(reasons) or str(refusal)
        raise ArmingError(f"vehicle {vehicle.sysid} does not arm: {why}", refusal.result, reasons) from None
    if not await wait_until(vehicle, lambda s: s.armed, vehicle.profile.answer_s * vehicle.profile.tries):
        raise ArmingError(f"vehicle {vehicle.sysid}: accepted arming but is not armed; look at it")


def arming_reasons(state: VehicleState, since_s: float) -> tuple[str, ...]:
    """What the vehicle has said about not arming since a moment, without repetition."""
    texts = [t.text for t in state.texts if t.at_s >= since_s]
    told = [t for t in texts if t.startswith(("PreArm:", "Arm:", "Preflight Fail:", "Arming denied"))]
    return tuple(dict.fromkeys(t.split(":", 1)[-1].strip() for t in told))


async def take_off(vehicle: Vehicle, height_m: float) -> None:
    """Take off to a height above the launch point; returns when it is off the ground. Raises CommandError.

    When the answer is lost and the command repeated, a vehicle that is rising already refuses the second one.
    """
    rising = min(2.0, 0.5 * height_m)

    def airborne(state: VehicleState) -> bool:
        return state.position is not None and state.position.alt_rel_m > rising

    try:
        await command(vehicle, mavlink.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, math.nan, 0, 0, height_m)
    except CommandError as refusal:
        if refusal.result is None or not await wait_until(vehicle, airborne, _REFUSED_YET_RISING_S):
            raise
    if not await wait_until(vehicle, airborne, 30.0):
        raise CommandError(f"vehicle {vehicle.sysid}: accepted take-off but does not climb; look at it")


async def request_streams(vehicle: Vehicle) -> None:
    """Ask for the profile's streams; a vehicle without SET_MESSAGE_INTERVAL is asked in the old way."""
    for number, rate_hz in vehicle.profile.rates_hz.items():
        try:
            await command(vehicle, mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, float(number), 1e6 / rate_hz)
        except CommandError as refusal:
            if refusal.result == mavlink.MAV_RESULT_UNSUPPORTED:
                _request_old_streams(vehicle)
                return
            if refusal.result is None:
                raise
            # a message that this vehicle does not have


def _request_old_streams(vehicle: Vehicle) -> None:
    rate = max(1, round(max(vehicle.profile.rates_hz.values())))
    vehicle.send(
        mavlink.MAVLink_request_data_stream_message(
            vehicle.sysid, vehicle.compid, mavlink.MAV_DATA_STREAM_ALL, rate, 1
        )
    )


async def request_message(
    vehicle: Vehicle, message_id: int, timeout_s: float | None = None
) -> Message | None:
    """One message of a kind, now; None when it does not come."""
    timeout_s = timeout_s or vehicle.profile.answer_s
    with vehicle.inbox() as inbox:
        vehicle.send(
            mavlink.MAVLink_command_long_message(
                vehicle.sysid,
                vehicle.compid,
                mavlink.MAV_CMD_REQUEST_MESSAGE,
                0,
                float(message_id),
                *([0.0] * 6),
            )
        )
        return await inbox.next(lambda m: m.get_msgId() == message_id, timeout_s)


def last_words(state: VehicleState, count: int = 3) -> str:
    """The vehicle's latest texts on one line, for messages to a person."""
    return "; ".join(decode_text(t.text) for t in state.texts[-count:])
