"""Commands to a vehicle in the words of the station: modes, streams, single messages, plain commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.protocol import CommandResult, OnProgress, Order, command_name, texts_since, transact
from flight.errors import CommandError
from flight.modes import mode_number
from flight.state import VehicleState
from flight.vehicle import Vehicle
from flight.wire import Message

__all__ = [
    "arming_reasons",
    "command",
    "command_name",
    "last_words",
    "request_message",
    "request_streams",
    "set_mode",
    "wait_until",
]

_LOOK_S = 0.05
_ACK_FOLLOWS_S = 2.0
"""When a change of mode shows, its acknowledgement comes within so long, or not at all."""
_ARMING_WORDS = ("PreArm:", "Arm:", "Preflight Fail:", "Arming denied")


async def command(
    vehicle: Vehicle,
    number: int,
    *params: float,
    component: int | None = None,
    urgent: bool = False,
    on_progress: OnProgress | None = None,
) -> CommandResult:
    """Send a command that names no place until it is answered; missing parameters are 0.

    Raises CommandError when it is refused or nobody answers, DisputedError.
    """
    p = (*params, *([0.0] * (7 - len(params))))
    order = Order(number, p[:4], p[4], p[5], p[6], component=component)
    return await transact(vehicle, order, on_progress, urgent)


async def wait_until(
    vehicle: Vehicle, condition: Callable[[VehicleState], bool], timeout_s: float, poll_s: float = 0.02
) -> bool:
    """Wait until the vehicle's state fulfils a condition; False when it has not within `timeout_s`."""
    deadline_s = vehicle.now_s() + timeout_s
    while not condition(vehicle.state):
        if vehicle.now_s() >= deadline_s:
            return False
        await asyncio.sleep(poll_s)
    return True


async def set_mode(vehicle: Vehicle, name: str) -> None:
    """Change the flight mode, and wait until the vehicle shows it. Raises CommandError, FlightError.

    A change that shows is an answer too: a PX4 acknowledges nothing over its satellite modem.
    """
    state = vehicle.state
    number = mode_number(state.autopilot, state.vehicle_type, name)
    custom = mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED
    if state.is_px4:
        params = (float(custom), float(number >> 16 & 0xFF), float(number >> 24 & 0xFF))
    else:
        params = (float(custom), float(number), 0.0)
    order = asyncio.ensure_future(command(vehicle, mavlink.MAV_CMD_DO_SET_MODE, *params))
    try:
        while not order.done() and (vehicle.state.custom_mode != number or state.custom_mode == number):
            await asyncio.wait([order], timeout=_LOOK_S)
        await asyncio.wait([order], timeout=min(vehicle.answer_s, _ACK_FOLLOWS_S))
        if order.done():
            order.result()
    finally:
        order.cancel()
        await asyncio.wait([order])
    patience_s = vehicle.answer_s * vehicle.profile.tries
    if not await wait_until(vehicle, lambda s: s.custom_mode == number, patience_s):
        raise CommandError(
            f"vehicle {vehicle.sysid}: accepted mode {name} but stays in {vehicle.state.mode}", None
        )


def arming_reasons(state: VehicleState, since_s: float) -> tuple[str, ...]:
    """What the vehicle has said about not arming since a moment, without repetition."""
    told = [text for text in texts_since(state, since_s) if text.startswith(_ARMING_WORDS)]
    return tuple(dict.fromkeys(t.split(":", 1)[-1].strip() for t in told))


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
    timeout_s = timeout_s or vehicle.answer_s
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
    return "; ".join(t.text for t in state.texts[-count:])
