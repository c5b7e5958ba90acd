"""Logs that are kept on board, each from arming to disarming, and their download over MAVLink
(LOG_REQUEST_LIST and what follows)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Message
from sim.autopilot.craft import SLOW_EVERY, Craft
from sim.dynamics import STEP_S

if TYPE_CHECKING:
    from sim.autopilot.mavlink import Channel as AnyChannel

    Channel = AnyChannel[Any]

PIECE_BYTES = 90
PIECES_PER_STEP = 20
"""What a link without a limit takes."""
LINK_SHARE = 1 / 3
"""Of a link with a limit, so that telemetry has room."""
_FRAME_BYTES = 19
"""Of a LOG_DATA beside its piece: MAVLink 2's frame, number, offset and count."""
MAX_BYTES = 64 << 20
"""A log grows no longer than this."""


@dataclass
class Log:
    """One log: its beginning in UTC seconds (0 without a clock) and its bytes."""

    started_s: int
    data: bytearray = field(default_factory=bytearray)


class LogShelf:
    """All logs of one vehicle. `handle` takes the messages of the protocol, `update` goes with each step.

    An autopilot's logbook says how a log begins and what is written into it.
    """

    def __init__(self, craft: Craft) -> None:
        self._craft = craft
        self.logs: dict[int, Log] = {}
        self._open: Log | None = None
        """The one that is being written."""
        self._channel: Channel | None = None
        self._listing: list[int] = []
        self._sending: tuple[int, int, int] | None = None
        self._saved_bytes = 0.0
        """What the link would have carried and has not yet been used."""

    def _begin(self) -> None:
        """Open a log, and write what describes it."""
        raise NotImplementedError

    def _write_state(self, log: bytearray) -> None:
        """Write how the vehicle is."""
        raise NotImplementedError

    @property
    def _now_us(self) -> int:
        return round(self._craft.time_s * 1e6)

    def update(self) -> None:
        """Log what is due, and send what was asked for."""
        craft = self._craft
        if craft.armed and self._open is None:
            self._begin()
        if self._open is not None:
            if not craft.armed:
                self._open = None
            elif craft.steps % SLOW_EVERY == 0 and len(self._open.data) < MAX_BYTES:
                self._write_state(self._open.data)
        if self._channel is not None:
            self._send(self._channel)

    def handle(self, channel: Channel, message: Message) -> bool:
        """Take a message of the log protocol; False for any other. One link at a time is served."""
        kind = message.get_type()
        if not kind.startswith("LOG_"):
            return False
        if self._craft.armed:
            return True
        self._channel = channel
        if kind == "LOG_REQUEST_LIST":
            self._listing = [n for n in sorted(self.logs) if message.start <= n <= message.end]
            if not self.logs:
                channel.send(mavlink.MAVLink_log_entry_message(0, 0, 0, 0, 0))
        elif kind == "LOG_REQUEST_DATA":
            self._sending = (message.id, message.ofs, message.count)
        elif kind == "LOG_REQUEST_END":
            self._sending, self._channel = None, None
        elif kind == "LOG_ERASE":
            self.logs.clear()
            self._listing, self._sending = [], None
        return True

    def _send(self, channel: Channel) -> None:
        for number in self._listing:
            log = self.logs[number]
            channel.send(
                mavlink.MAVLink_log_entry_message(
                    number, len(self.logs), max(self.logs), log.started_s, len(log.data)
                )
            )
        self._listing = []
        for _ in range(self._pieces_now(channel)):
            if self._sending is None:
                return
            number, at, left = self._sending
            log_data = self.logs[number].data if number in self.logs else b""
            piece = bytes(log_data[at : at + min(PIECE_BYTES, left)])
            padded = list(piece) + [0] * (PIECE_BYTES - len(piece))
            channel.send(mavlink.MAVLink_log_data_message(number, at, len(piece), padded))
            done = len(piece) < PIECE_BYTES or left <= PIECE_BYTES
            self._sending = None if done else (number, at + PIECE_BYTES, left - PIECE_BYTES)

    def _pieces_now(self, channel: Channel) -> int:
        """How many pieces this step takes without crowding the link."""
        if self._sending is None or not channel.bytes_per_s:
            self._saved_bytes = 0.0
            return PIECES_PER_STEP
        self._saved_bytes += channel.bytes_per_s * LINK_SHARE * STEP_S
        pieces = int(self._saved_bytes // (PIECE_BYTES + _FRAME_BYTES))
        self._saved_bytes -= pieces * (PIECE_BYTES + _FRAME_BYTES)
        return pieces
