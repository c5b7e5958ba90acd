"""The command protocol: COMMAND_LONG and COMMAND_INT, asked until answered.

Source: mavlink.io/en/services/command.html.

An answer counts when it names the command and comes from the component that was asked. IN_PROGRESS is not an
answer yet: what follows may take long, and only the final answer ends it. ACCEPTED says that the vehicle is
willing; whether it does it is seen in its telemetry (flight.commands.actions).
"""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import CommandError
from flight.state import VehicleState
from flight.vehicle import Inbox, Vehicle
from flight.wire import Message

COMMAND_LONG_ONLY, COMMAND_INT_ONLY, UNSUPPORTED_MAV_FRAME = 7, 8, 9
"""MAV_RESULT: ask again in another form."""
_CANCELLED = 6
_RESULT_WORDS = {
    mavlink.MAV_RESULT_TEMPORARILY_REJECTED: "refused for now",
    mavlink.MAV_RESULT_DENIED: "denied",
    mavlink.MAV_RESULT_UNSUPPORTED: "not supported by this vehicle",
    mavlink.MAV_RESULT_FAILED: "failed",
    mavlink.MAV_RESULT_IN_PROGRESS: "not finished",
    _CANCELLED: "cancelled",
    COMMAND_LONG_ONLY: "not understood (wanted as COMMAND_LONG)",
    COMMAND_INT_ONLY: "not understood (wanted as COMMAND_INT)",
    UNSUPPORTED_MAV_FRAME: "not understood (no height frame suits it)",
    10: "refused: another station is in control",
}

PROGRESS_S = 60.0
"""A vehicle that said IN_PROGRESS is given so long for its next word."""
LONGEST_S = 600.0
"""No command is waited for longer than this."""
_BUSY_S = 5.0
"""A repeated command that is refused for now may still be running from the first time: wait so long."""
_MOST_INT = 2**31 - 1

ABOVE_SEA, ABOVE_HOME = mavlink.MAV_FRAME_GLOBAL, mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT
_TWINS = {ABOVE_SEA: mavlink.MAV_FRAME_GLOBAL_INT, ABOVE_HOME: mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT_INT}

OnProgress = Callable[[int | None], None]
"""Told the percentage of a command under way, None where the vehicle does not say."""


@dataclass(frozen=True)
class Order:
    """A command for one component. Without a `frame` it names no place: `x`, `y` and `z` are param5 to 7, and
    it goes as COMMAND_LONG. With one, `x` and `y` are degrees, `z` metres in that frame, and it goes as
    COMMAND_INT. `component` None is the autopilot."""

    number: int
    params: tuple[float, ...] = ()
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    frame: int | None = None
    component: int | None = None


@dataclass(frozen=True)
class CommandResult:
    """How a command went. `progress` is the last percentage told, `said` what the vehicle said meanwhile."""

    command: int
    result: int
    progress: int | None
    result_param2: int
    tries: int
    took_s: float
    said: tuple[str, ...]


def command_name(command: int) -> str:
    """The name of a MAV_CMD without its prefix."""
    entry = mavlink.enums["MAV_CMD"].get(command)
    return str(entry.name).removeprefix("MAV_CMD_") if entry else f"command {command}"


def result_words(result: int) -> str:
    """A MAV_RESULT in plain words."""
    return _RESULT_WORDS.get(result, f"answered with result {result}, which has no meaning")


async def transact(
    vehicle: Vehicle, order: Order, on_progress: OnProgress | None = None, urgent: bool = False
) -> CommandResult:
    """Send a command until it is answered; the result is always ACCEPTED, anything else is raised.

    One of a kind at a time for each component: others wait, an urgent one goes at once and ends them. When
    the awaiting task is cancelled, or the vehicle does not finish, COMMAND_CANCEL goes out.

    Raises CommandError when it is refused, not answered or never finished, DisputedError.
    """
    vehicle.check_undisputed()
    component = order.component or vehicle.compid
    async with vehicle.turns.take((component, order.number), urgent) as turn:
        asking = _Asking(vehicle, order, component, on_progress)
        try:
            return await asking.run()
        except asyncio.CancelledError:
            if asking.tries and not turn.overtaken:
                vehicle.send(CommandCancel(vehicle.sysid, component, order.number))
            raise


class _Asking:
    """One command on its way to its answer."""

    def __init__(
        self, vehicle: Vehicle, order: Order, component: int, on_progress: OnProgress | None
    ) -> None:
        self.tries = 0
        self._vehicle = vehicle
        self._order = order
        self._component = component
        self._on_progress = on_progress or (lambda percent: None)
        self._progress: int | None = None
        self._name = f"vehicle {vehicle.sysid}: {command_name(order.number)}"

    async def run(self) -> CommandResult:
        """Ask in the usual form, then in those that the answers call for."""
        vehicle, began_s = self._vehicle, self._vehicle.now_s()
        with vehicle.inbox() as inbox:
            as_int, orders = self._order.frame is not None, _same_in_other_frames(self._order, vehicle.state)
            had = {as_int}
            ack = await self._ask(inbox, orders[0], as_int)
            while ack is not None:
                if ack.result == UNSUPPORTED_MAV_FRAME and as_int and len(orders) > 1:
                    orders = orders[1:]
                elif ack.result in (COMMAND_INT_ONLY, COMMAND_LONG_ONLY) and (not as_int) not in had:
                    as_int = not as_int
                    had.add(as_int)
                else:
                    break
                ack = await self._ask(inbox, orders[0], as_int)
        if ack is None:
            raise CommandError(f"{self._name}: no answer after {self.tries} tries; check the link")
        if ack.result != mavlink.MAV_RESULT_ACCEPTED:
            raise CommandError(f"{self._name} {result_words(ack.result)}", int(ack.result))
        return CommandResult(
            self._order.number,
            int(ack.result),
            self._progress,
            int(getattr(ack, "result_param2", 0)),
            self.tries,
            vehicle.now_s() - began_s,
            texts_since(vehicle.state, began_s),
        )

    async def _ask(self, inbox: Inbox, order: Order, as_int: bool) -> Message | None:
        """The final answer to one form of the command; None when nobody answers."""
        vehicle = self._vehicle
        for confirmation in range(vehicle.profile.tries):
            asked_s = vehicle.now_s()
            vehicle.send(_message(vehicle.sysid, self._component, order, as_int, confirmation))
            self.tries += 1
            ack = await self._next_ack(inbox, vehicle.answer_s)
            if ack is None:
                continue
            if self.tries == 1:
                vehicle.answered(vehicle.now_s() - asked_s)
            if ack.result == mavlink.MAV_RESULT_IN_PROGRESS:
                return await self._finish(inbox, ack)
            if ack.result == mavlink.MAV_RESULT_TEMPORARILY_REJECTED and confirmation > 0:
                return await self._next_ack(inbox, max(_BUSY_S, 4 * vehicle.answer_s), final=True) or ack
            return ack
        return None

    async def _finish(self, inbox: Inbox, ack: Message) -> Message:
        """The final answer to a command that is under way."""
        vehicle = self._vehicle
        give_up_s = vehicle.now_s() + LONGEST_S
        while ack.result in (mavlink.MAV_RESULT_IN_PROGRESS, mavlink.MAV_RESULT_TEMPORARILY_REJECTED):
            if ack.result == mavlink.MAV_RESULT_IN_PROGRESS:
                told = int(getattr(ack, "progress", 255))
                self._progress = told if told <= 100 else None
                self._on_progress(self._progress)
            left_s = give_up_s - vehicle.now_s()
            patience_s = min(max(PROGRESS_S, 3 * vehicle.answer_s), left_s)
            following = await self._next_ack(inbox, patience_s) if left_s > 0 else None
            if following is None:
                vehicle.send(CommandCancel(vehicle.sysid, self._component, self._order.number))
                share = f" ({self._progress} %)" if self._progress is not None else ""
                raise CommandError(
                    f"{self._name} is said to be under way{share} but does not end; cancelled, look at it"
                )
            ack = following
        return ack

    async def _next_ack(self, inbox: Inbox, timeout_s: float, final: bool = False) -> Message | None:
        def is_ours(message: Message) -> bool:
            return (
                message.get_type() == "COMMAND_ACK"
                and message.command == self._order.number
                and message.get_srcComponent() == self._component
                and not (final and message.result == mavlink.MAV_RESULT_TEMPORARILY_REJECTED)
            )

        return await inbox.next(is_ours, timeout_s)


def texts_since(state: VehicleState, since_s: float) -> tuple[str, ...]:
    """What the vehicle has said since a moment, without repetition."""
    said = (text.text.strip() for text in state.texts if text.at_s >= since_s)  # PX4 ends some with a tab
    return tuple(dict.fromkeys(text for text in said if text))


def _message(sysid: int, component: int, order: Order, as_int: bool, confirmation: int) -> Message:
    params = (*order.params, *([0.0] * (4 - len(order.params))))
    if not as_int:
        return mavlink.MAVLink_command_long_message(
            sysid, component, order.number, confirmation, *params, order.x, order.y, order.z
        )
    scale = 1.0 if order.frame is None else 1e7
    frame = ABOVE_SEA if order.frame is None else order.frame
    x, y = (_whole(value * scale) for value in (order.x, order.y))
    return mavlink.MAVLink_command_int_message(
        sysid, component, frame, order.number, 0, 0, *params, x, y, order.z
    )


def _whole(value: float) -> int:
    """A number for COMMAND_INT's x and y; its largest one stands for "not given"."""
    return max(-_MOST_INT, min(_MOST_INT, round(value))) if math.isfinite(value) else _MOST_INT


def _same_in_other_frames(order: Order, state: VehicleState) -> list[Order]:
    """The order, and the same with its height told in other ways, as far as home's height is known."""
    if order.frame not in _TWINS:
        return [order]
    found = [order, replace(order, frame=_TWINS[order.frame])]
    if state.position is not None and math.isfinite(order.z):
        home_m = state.position.alt_amsl_m - state.position.alt_rel_m
        other, shift_m = (ABOVE_SEA, home_m) if order.frame == ABOVE_HOME else (ABOVE_HOME, -home_m)
        moved = replace(order, frame=other, z=order.z + shift_m)
        found += [moved, replace(moved, frame=_TWINS[other])]
    return found


class CommandCancel(mavlink.MAVLink_message):
    """COMMAND_CANCEL (common.xml, message 80), which pymavlink's dialect does not have."""

    _CRC_EXTRA = 14

    def __init__(self, sysid: int, component: int, command: int) -> None:
        super().__init__(80, "COMMAND_CANCEL")
        self.target_system = sysid
        self.target_component = component
        self.command = command

    def pack(self, mav: mavlink.MAVLink, force_mavlink1: bool = False) -> bytes:
        """The packet."""
        payload = struct.pack("<HBB", self.command, self.target_system, self.target_component)
        return bytes(self._pack(mav, self._CRC_EXTRA, payload, force_mavlink1))
