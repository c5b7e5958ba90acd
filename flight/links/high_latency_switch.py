"""The slow link on while the fast ones are silent, and off again (MAV_CMD_CONTROL_HIGH_LATENCY).

https://mavlink.io/en/services/high_latency.html: a vehicle says nothing over its satellite modem until it is
told to, because each byte costs money. Nothing else goes over such a link but commands: no heartbeats, no
parameters, no missions, no files.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.links.link import Link
from flight.vehicle import Vehicle
from flight.wire import Message

_STEADY_S = 10.0
"""A fast link must have worked for so long before the slow one is closed: at the edge it comes and goes."""
_POLL_S = 1.0
_MAY_PASS = frozenset(
    {
        mavlink.MAVLINK_MSG_ID_COMMAND_LONG,
        mavlink.MAVLINK_MSG_ID_COMMAND_INT,
        mavlink.MAVLINK_MSG_ID_COMMAND_ACK,
        mavlink.MAVLINK_MSG_ID_SET_MODE,
        mavlink.MAVLINK_MSG_ID_MISSION_SET_CURRENT,
    }
)


def may_pass(message: Message) -> bool:
    """Whether a message of the station may go over a high-latency link."""
    return message.get_msgId() in _MAY_PASS


def high_latency_order(on: bool, sysid: int = 0, compid: int = 0) -> Message:
    """The command that opens or closes the slow link; 0 speaks to whoever listens there."""
    return mavlink.MAVLink_command_long_message(
        sysid, compid, mavlink.MAV_CMD_CONTROL_HIGH_LATENCY, 0, float(on), *([0.0] * 6)
    )


class Order(Enum):
    """What the vehicle is to do with its slow link now."""

    OPEN = 1
    CLOSE = 0


@dataclass(frozen=True)
class SwitchState:
    """What is known: whether the vehicle has confirmed an open slow link (None: not known), since when a fast
    link has been heard without a break, what was ordered last and when, and that it has no such link."""

    open: bool | None = None
    fast_since_s: float | None = None
    asked: Order | None = None
    asked_s: float = 0.0
    unsupported: bool = False


def step(
    state: SwitchState, fast_works: bool, now_s: float, patience_s: float
) -> tuple[SwitchState, Order | None]:
    """What to order now. `patience_s`: how long to wait for the confirmation before asking again."""
    since_s = (now_s if state.fast_since_s is None else state.fast_since_s) if fast_works else None
    state = replace(state, fast_since_s=since_s)
    if state.unsupported or (state.asked is not None and now_s - state.asked_s < patience_s):
        return state, None
    order = None
    if not fast_works and state.open is not True:
        order = Order.OPEN
    elif since_s is not None and now_s - since_s >= _STEADY_S and state.open is True:
        order = Order.CLOSE
    return (replace(state, asked=order, asked_s=now_s) if order else state), order


def confirmed(state: SwitchState, result: int) -> SwitchState:
    """The state after the vehicle's answer to what was ordered last (MAV_RESULT)."""
    if result == mavlink.MAV_RESULT_UNSUPPORTED:
        return replace(state, unsupported=True)
    if result != mavlink.MAV_RESULT_ACCEPTED or state.asked is None:
        return state
    return replace(state, open=state.asked is Order.OPEN, asked=None)


class HighLatencySwitch:
    """Watches a vehicle's links and orders its slow link open or closed. `slow_links` gives the station's
    links that are slow: on a closed one the vehicle has never been heard."""

    def __init__(
        self,
        vehicle: Vehicle,
        slow_links: Callable[[], Sequence[Link]],
        on_event: Callable[..., None] = lambda action, **detail: None,
    ) -> None:
        self._vehicle = vehicle
        self._slow_links = slow_links
        self._on_event = on_event
        self._state = SwitchState()

    @property
    def open(self) -> bool:
        """Whether the vehicle has confirmed that its slow link is open."""
        return self._state.open is True

    async def run(self) -> None:
        """Do so for ever."""
        with self._vehicle.inbox() as inbox:
            while True:
                for message in inbox.drain():
                    self.take(message)
                self._step()
                await asyncio.sleep(_POLL_S)

    def take(self, message: Message) -> None:
        """A message of the vehicle: the confirmation, or the proof that the slow link is open."""
        if message.get_type() == "HIGH_LATENCY2" and self._state.open is None:
            self._state = replace(self._state, open=True)
        elif message.get_type() == "COMMAND_ACK" and message.command == mavlink.MAV_CMD_CONTROL_HIGH_LATENCY:
            self._state = confirmed(self._state, message.result)
            self._on_event("slow link", open=self.open, result=message.result)

    def _step(self) -> None:
        vehicle, slow = self._vehicle, tuple(self._slow_links())
        if not slow:
            return
        now_s = vehicle.now_s()
        fast = [path for link, path in vehicle.paths.items() if link not in slow and not path.silent(now_s)]
        patience_s = max(
            (vehicle.paths[k].profile.answer_s for k in slow if k in vehicle.paths), default=20.0
        )
        self._state, order = step(self._state, bool(fast), now_s, patience_s)
        if order is None:
            return
        message = high_latency_order(order is Order.OPEN, vehicle.sysid, vehicle.compid)
        self._on_event("slow link ordered", open=order is Order.OPEN)
        for link in slow if order is Order.OPEN else (vehicle.link,):
            vehicle.station.send(message, link)
