"""The slow link on while the fast ones are silent, and off again (MAV_CMD_CONTROL_HIGH_LATENCY).

https://mavlink.io/en/services/high_latency.html: a vehicle says nothing over its satellite modem until it is
told to, because each byte costs money. Nothing else goes over such a link but commands: no heartbeats, no
parameters, no missions, no files, no requests for telemetry.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import SatelliteLinkError
from flight.links.paths import hears_fast
from flight.wire import Message

if TYPE_CHECKING:
    from flight.links.link import Link
    from flight.vehicle import Vehicle

_STEADY_S = 10.0
"""A fast link must have worked for so long before the slow one is closed: at the edge it comes and goes."""
_POLL_S = 1.0
_ON_ITS_WAY_S = 60.0
"""So long a word over a satellite may take."""
_TRIES = 5
_SELDOM = 5.0
"""An order that has been given so often in vain is given so many times more seldom."""
_COMMAND_CANCEL = 80  # not in pymavlink's dialect
_MAY_PASS = frozenset(
    {
        mavlink.MAVLINK_MSG_ID_COMMAND_LONG,
        mavlink.MAVLINK_MSG_ID_COMMAND_INT,
        mavlink.MAVLINK_MSG_ID_COMMAND_ACK,
        _COMMAND_CANCEL,
        mavlink.MAVLINK_MSG_ID_SET_MODE,
        mavlink.MAVLINK_MSG_ID_MISSION_SET_CURRENT,
    }
)
_REQUESTS = frozenset(
    {
        mavlink.MAV_CMD_GET_MESSAGE_INTERVAL,
        mavlink.MAV_CMD_SET_MESSAGE_INTERVAL,
        mavlink.MAV_CMD_REQUEST_MESSAGE,
        mavlink.MAV_CMD_REQUEST_PROTOCOL_VERSION,
        mavlink.MAV_CMD_REQUEST_AUTOPILOT_CAPABILITIES,
        mavlink.MAV_CMD_REQUEST_CAMERA_INFORMATION,
        mavlink.MAV_CMD_REQUEST_CAMERA_SETTINGS,
        mavlink.MAV_CMD_REQUEST_STORAGE_INFORMATION,
        mavlink.MAV_CMD_REQUEST_CAMERA_CAPTURE_STATUS,
        mavlink.MAV_CMD_REQUEST_FLIGHT_INFORMATION,
        mavlink.MAV_CMD_REQUEST_CAMERA_IMAGE_CAPTURE,
        mavlink.MAV_CMD_REQUEST_VIDEO_STREAM_INFORMATION,
        mavlink.MAV_CMD_REQUEST_VIDEO_STREAM_STATUS,
    }
)
"""Commands that ask for telemetry."""
_ENDS = frozenset({mavlink.MAVLINK_MSG_ID_MISSION_ACK, mavlink.MAVLINK_MSG_ID_LOG_REQUEST_END})
WHY_NOT = (
    "only its satellite link works, which carries commands but no missions, parameters, files, logs or "
    "streams; bring it in reach of a fast link (Wi-Fi, radio) and try again"
)
"""Why a message does not go over a high-latency link, and what to do."""


def may_pass(message: Message) -> bool:
    """Whether a message of the station may go over a high-latency link."""
    if message.get_msgId() not in _MAY_PASS:
        return False
    return getattr(message, "command", None) not in _REQUESTS or message.get_type() == "COMMAND_ACK"


def ends_exchange(message: Message) -> bool:
    """Whether a message only ends an exchange, which ends by itself without it."""
    return message.get_msgId() in _ENDS


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
    link has been heard without a break, what was ordered last (None: nothing, or it was confirmed), when and
    how often, and that it has no such link."""

    open: bool | None = None
    fast_since_s: float | None = None
    asked: Order | None = None
    asked_s: float = 0.0
    tries: int = 0
    unsupported: bool = False


def step(
    state: SwitchState, fast_works: bool, now_s: float, patience_s: float
) -> tuple[SwitchState, Order | None]:
    """What to order now. `patience_s`: how long to wait for the confirmation before asking again."""
    since_s = (now_s if state.fast_since_s is None else state.fast_since_s) if fast_works else None
    state = replace(state, fast_since_s=since_s)
    steady = since_s is not None and now_s - since_s >= _STEADY_S
    # an order to open that was not confirmed may have been obeyed: the way back is the longer one
    wanted = Order.CLOSE if steady and (state.open or state.asked) else None
    if not fast_works and (state.open is not True or state.asked is Order.CLOSE):
        wanted = Order.OPEN
    again = state.asked is wanted
    wait_s = patience_s if state.tries < _TRIES else _SELDOM * patience_s
    if wanted is None or state.unsupported or (again and now_s - state.asked_s < wait_s):
        return state, None
    return replace(state, asked=wanted, asked_s=now_s, tries=state.tries + 1 if again else 1), wanted


def confirmed(state: SwitchState, result: int) -> SwitchState:
    """The state after the vehicle's answer to what was ordered last (MAV_RESULT)."""
    if result == mavlink.MAV_RESULT_UNSUPPORTED:
        return replace(state, unsupported=True)
    if result != mavlink.MAV_RESULT_ACCEPTED or state.asked is None:
        return state
    return replace(state, open=state.asked is Order.OPEN, asked=None)


def proven(state: SwitchState, now_s: float) -> SwitchState:
    """The state after a word over the slow link, which proves that it is open; unless it was on its way while
    the link was closed."""
    closed = state.asked is Order.CLOSE or (state.open is False and state.asked is None)
    if closed and now_s - state.asked_s < _ON_ITS_WAY_S:
        return state
    return replace(state, open=True, asked=None)


class HighLatencySwitch:
    """Watches a vehicle's links and orders its slow link open or closed. `slow_links` gives the station's
    links that are slow: on a closed one the vehicle has never been heard. `on_event(action, **detail)` is
    told "slow link ordered" with `open`, "slow link" with `open` and the vehicle's `result`, and "slow link
    left open"."""

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
        """Do so for ever; does nothing for a station without a slow link. Cancelled, it closes what it has
        opened while a fast link works: nobody would."""
        with self._vehicle.inbox() as inbox:
            try:
                while True:
                    for message in inbox.drain():
                        self.take(message)
                    self._step()
                    await asyncio.sleep(_POLL_S)
            finally:
                maybe_open = self.open or self._state.asked is not None
                if maybe_open and hears_fast(self._vehicle.paths, self._vehicle.now_s()):
                    self._order(Order.CLOSE, (self._vehicle.link,))
                elif maybe_open:
                    self._on_event("slow link left open")

    def take(self, message: Message) -> None:
        """A message of the vehicle: the confirmation, or the proof that the slow link is open."""
        before = self._state
        if message.get_type() == "HIGH_LATENCY2":
            self._state = proven(before, self._vehicle.now_s())
            if self.open and before.open is not True:
                self._on_event("slow link", open=True, result=mavlink.MAV_RESULT_ACCEPTED)
        elif message.get_type() == "COMMAND_ACK" and message.command == mavlink.MAV_CMD_CONTROL_HIGH_LATENCY:
            self._state = confirmed(before, message.result)
            if before.asked is not None:  # PX4 answers twice: accepted, and failed where its driver is none
                self._on_event("slow link", open=self.open, result=message.result)

    def _slow(self) -> tuple[Link, ...]:
        """The slow links by which this vehicle is reached: those on which it was heard, else all."""
        slow = tuple(self._slow_links())
        return tuple(link for link in slow if link in self._vehicle.paths) or slow

    def _step(self) -> None:
        vehicle, slow = self._vehicle, self._slow()
        if not slow:
            return
        now_s = vehicle.now_s()
        fast = hears_fast(vehicle.paths, now_s)
        profiles = [vehicle.station.profile_of(link) for link in slow]
        silence_s = max(profile.silence_s for profile in profiles)
        heard = any(link in vehicle.paths and not vehicle.paths[link].silent(now_s) for link in slow)
        if self.open and not fast and not heard and now_s - self._state.asked_s > silence_s:
            self._state = replace(self._state, open=None)  # it was started anew, or closed by somebody else
        patience_s = max(profile.answer_s for profile in profiles)
        self._state, order = step(self._state, fast, now_s, patience_s)
        if order is not None:
            self._order(order, slow if order is Order.OPEN else (vehicle.link,))

    def _order(self, order: Order, links: Sequence[Link]) -> None:
        vehicle = self._vehicle
        message = high_latency_order(order is Order.OPEN, vehicle.sysid, vehicle.compid)
        self._on_event("slow link ordered", open=order is Order.OPEN)
        for link in links:
            vehicle.station.send(message, link)


async def while_fast(vehicle: Vehicle, work: Callable[[], Awaitable[None]]) -> None:
    """Work for ever that a satellite link does not carry: it stops while only such a link works, and begins
    anew when a fast one does."""
    while True:
        if not vehicle.by_satellite:
            with contextlib.suppress(SatelliteLinkError):
                await work()
        await asyncio.sleep(_POLL_S)
