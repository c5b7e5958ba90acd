"""What the MAVLink face of a vehicle asks of its autopilot: everything that differs from one to another."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Message

_TEXT_BYTES = 50


class MissionTraffic(ABC):
    """Mission, fence and rally points on one link."""

    def __init__(self, handlers: Mapping[str, Callable[[Message], None]]) -> None:
        """`handlers`: what is done with the messages of the protocol, by their names."""
        self._handlers = handlers

    def handle(self, message: Message) -> bool:
        """Take a message; False if it is none of this protocol's."""
        handler = self._handlers.get(message.get_type())
        if handler is None:
            return False
        handler(message)
        return True

    @abstractmethod
    def update(self) -> None:
        """Called after each step."""


class Logs(Protocol):
    """The logs of one vehicle and their download."""

    def update(self) -> None:
        """Log what is due, and send what was asked for."""

    def hear(self, event: Any) -> None:
        """Log an event of the vehicle."""

    def handle(self, channel: Any, message: Message) -> bool:
        """Take a message of the log protocol; False for any other."""

    def contents(self) -> Mapping[str, bytes | bytearray]:
        """The logs by the path of their file below the folder of logs."""


@dataclass(frozen=True)
class Speech:
    """How an autopilot speaks. Vehicles and channels in here are those of this autopilot."""

    builders: Mapping[int, Callable[[Any], Message | None]]
    """Messages that can be asked for, once or as a stream, by message number."""
    incoming: Mapping[str, Callable[[Any, Message], None]]
    """What a message of this name does, given the channel that it came by."""
    exchange: Callable[[Any, Callable[[Message], None]], MissionTraffic]
    logbook: Callable[[Any], Logs]
    log_folder: str
    param_value: Callable[[Any, str], Message]
    news: Callable[[Any], list[Message]]
    """What is told on every link as it happens; asked after each step."""
    texts: Callable[[Any, int], list[Message]]
    """A text, with its number, as STATUSTEXTs."""
    of_shot: Callable[[Any, Any], list[Message]]
    """What is told of a photo."""
    streams_hz: Mapping[int, float] = field(default_factory=dict)
    """What streams before anybody has asked."""
    listed_first: tuple[str, ...] = ()
    """What comes before the parameters in their list."""
    told_at_home: tuple[int, ...] = ()
    """What is told when home has been set."""
    timesync_s: float = math.inf
    packs_params: bool = False
    """Whether its file server has the parameters in one file."""
    beats_on_change: bool = False
    """Whether a heartbeat tells a new mode at once."""
    signs: bool = False
    over_modem: frozenset[int] | None = None
    """The messages that go over a satellite modem; None: whatever is said."""


def text_pieces(severity: int, text: str, number: int, number_of_short: int) -> list[Message]:
    """A text as STATUSTEXTs of 50 bytes each; a short one carries `number_of_short`."""
    data = text.encode("utf-8")
    pieces = [data[i : i + _TEXT_BYTES] for i in range(0, len(data), _TEXT_BYTES)]
    chunk_id = number if len(pieces) > 1 else number_of_short
    return [
        mavlink.MAVLink_statustext_message(severity, part, chunk_id, piece)
        for piece, part in enumerate(pieces)
    ]
