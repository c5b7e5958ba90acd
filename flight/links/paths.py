"""Ways to a vehicle: a path is one link on which it is heard. Which one to speak on, and what came twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.links.link import Link
from flight.links.profiles import LinkProfile
from flight.links.round_trip import RoundTrip
from flight.links.stats import LinkStats
from flight.status_texts import text_bytes
from flight.wire import Message, packet_of

_BETTER = 2.0
"""A path must promise answers so many times sooner before one that still works is left for it."""
_COPY_S = 5.0
"""A copy of a packet by another way comes within this time."""
_NUMBERS = 256
"""After so many messages of one sender the same number is another message."""
_ECHO_TEXT_S = 2.0
"""ArduPilot says each text on all its ports, under numbers of their own."""


@dataclass(frozen=True)
class Path:
    """What is known of a vehicle on one link."""

    profile: LinkProfile
    heard_s: float
    stats: LinkStats = field(default_factory=LinkStats)
    round_trip: RoundTrip = field(default_factory=RoundTrip)

    def silent(self, now_s: float) -> bool:
        """Whether it has not been heard here for longer than this link's profile grants."""
        return now_s - self.heard_s > self.profile.silence_s

    def answer_cost_s(self) -> float:
        """What an answer takes on average with repetitions: less is better. Question and answer both have to
        get through."""
        trip_s = self.round_trip.mean_s
        if trip_s is None:
            trip_s = 0.25 * self.profile.answer_s
        arrives = max(1.0 - self.stats.recent_loss_share, 0.05)
        return (trip_s + 0.01) / arrives**2

    def timed(self, sample_s: float) -> Path:
        """The path after a clean round trip."""
        return replace(self, round_trip=self.round_trip.after(sample_s))


def hears_fast(paths: Mapping[Link, Path], now_s: float) -> bool:
    """Whether the vehicle is heard on any link but a satellite's."""
    return any(not path.profile.commands_only and not path.silent(now_s) for path in paths.values())


def choose_path(paths: Mapping[Link, Path], current: Link, now_s: float) -> Link:
    """The link to speak on: the one in use while it works and no other is much better; then the best that
    works; a satellite's only where no other works; where none does, the one heard last."""
    working = {link: path for link, path in paths.items() if link.connected and not path.silent(now_s)}
    fast = {link: path for link, path in working.items() if not path.profile.commands_only}
    working = fast or working
    if not working:
        return max(paths, key=lambda link: paths[link].heard_s, default=current)
    best = min(working, key=lambda link: working[link].answer_cost_s())
    if current in working and working[current].answer_cost_s() < _BETTER * working[best].answer_cost_s():
        return current
    return best


class Copies:
    """Knows the second copy of a message that comes by another way, or twice by the same one."""

    def __init__(self) -> None:
        self._packets: dict[Hashable, _Heard] = {}
        self._texts: dict[Hashable, _Heard] = {}
        self._counts: Counter[tuple[int, int]] = Counter()

    def is_copy(self, message: Message, link: Link, now_s: float) -> bool:
        """Whether this message has been heard just now. Heartbeats never count as copies: they prove that a
        link lives."""
        source = message.get_srcSystem(), message.get_srcComponent()
        self._counts[source] += 1
        if message.get_msgId() == mavlink.MAVLINK_MSG_ID_HEARTBEAT:
            return False
        here = _Heard(link, now_s, self._counts[source])
        before = _remember(self._packets, body_of(packet_of(message)), here, _COPY_S)
        if before is not None and here.count - before.count < _NUMBERS:
            return True
        if message.get_msgId() != mavlink.MAVLINK_MSG_ID_STATUSTEXT:
            return False
        words = source[0], message.severity, text_bytes(message), getattr(message, "chunk_seq", 0)
        before = _remember(self._texts, words, here, _ECHO_TEXT_S)
        return before is not None and before.link is not link


@dataclass(frozen=True)
class _Heard:
    """Where and when, and the how many-th message of its sender it was."""

    link: Link
    at_s: float
    count: int


def _remember(recent: dict[Hashable, _Heard], key: Hashable, here: _Heard, within_s: float) -> _Heard | None:
    """How this was heard within the time, None if it was not; it is remembered from now on."""
    before = recent.pop(key, None)
    recent[key] = here
    while recent:
        oldest = next(iter(recent))
        if here.at_s - recent[oldest].at_s <= within_s:
            break
        del recent[oldest]
    return before if before is not None and here.at_s - before.at_s <= within_s else None


def body_of(packet: bytes) -> bytes:
    """A packet from its length byte to its checksum: without start marker and signature, which differ between
    ways to the same place."""
    if packet[0] == mavlink.PROTOCOL_MARKER_V1:
        return packet[1 : mavlink.HEADER_LEN_V1 + packet[1] + 2]
    return packet[1:2] + packet[3 : mavlink.HEADER_LEN_V2 + packet[1] + 2]
