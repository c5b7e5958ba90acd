"""How good a link is: what of a vehicle's messages arrives, told by their running numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

_SEQUENCE = 256
_RESTART = 128
"""A jump further than this is a restart, or a message that came late: not 200 lost ones."""
_MEMORY_S = 10.0
"""What is recent: older messages weigh less by 1/e for each of these spans."""


@dataclass(frozen=True)
class LinkStats:
    """The traffic of one component on one link since it was first heard. Moments are monotonic seconds.

    `recent_*` are the same counts, fading with time: what the link is like now.
    """

    received: int = 0
    lost: int = 0
    bytes: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    last_seq: int | None = None
    recent_received: float = 0.0
    recent_lost: float = 0.0

    @property
    def loss_share(self) -> float:
        """What part of the messages did not arrive."""
        total = self.received + self.lost
        return self.lost / total if total else 0.0

    @property
    def recent_loss_share(self) -> float:
        """What part did not arrive in the last ten seconds or so."""
        total = self.recent_received + self.recent_lost
        return self.recent_lost / total if total else 0.0

    @property
    def bytes_per_s(self) -> float:
        """The mean rate so far."""
        lasted_s = self.last_s - self.first_s
        return self.bytes / lasted_s if lasted_s > 0 else 0.0


def heard(stats: LinkStats, seq: int, size_bytes: int, now_s: float) -> LinkStats:
    """The stats after one more message."""
    gap = 0 if stats.last_seq is None else (seq - stats.last_seq - 1) % _SEQUENCE
    if gap >= _RESTART:
        gap = 0
    fade = 0.0 if stats.last_seq is None else math.exp(-max(now_s - stats.last_s, 0.0) / _MEMORY_S)
    return replace(
        stats,
        received=stats.received + 1,
        lost=stats.lost + gap,
        bytes=stats.bytes + size_bytes,
        first_s=now_s if stats.last_seq is None else stats.first_s,
        last_s=now_s,
        last_seq=seq,
        recent_received=stats.recent_received * fade + 1.0,
        recent_lost=stats.recent_lost * fade + gap,
    )
