"""A radio link between vehicle and station: loss, latency, jitter, limited rate, and cuts."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from typing import Generic, TypeVar

Payload = TypeVar("Payload")


@dataclass(frozen=True)
class RadioSettings:
    """Quality of a link, the same in both directions. Times are simulated seconds."""

    loss: float = 0.0
    """Share of messages that never arrive, 0..1."""
    latency_s: float = 0.0
    jitter_s: float = 0.0
    """Each message is late by up to this much more; messages never overtake each other."""
    bytes_per_s: float = 0.0
    """0 is no limit. What does not get through within two seconds is dropped if it may be."""

    @property
    def perfect(self) -> bool:
        """True if this radio changes nothing."""
        return not (self.loss or self.latency_s or self.jitter_s or self.bytes_per_s)


class Radio(Generic[Payload]):
    """One direction of a link. `put` messages in, take those that have arrived with `due`."""

    BACKLOG_S = 2.0

    def __init__(self, settings: RadioSettings, seed: str) -> None:
        self.settings = settings
        self.cut = False
        """True while nothing gets through (fault)."""
        self._random = random.Random(f"radio {seed}")
        self._queue: list[tuple[float, int, Payload]] = []
        self._number = 0
        self._free_s = 0.0
        self._last_s = 0.0

    def put(self, payload: Payload, size_bytes: int, now_s: float, droppable: bool = False) -> None:
        """Send a message of this size now."""
        settings = self.settings
        if self.cut or (settings.loss and self._random.random() < settings.loss):
            return
        sent_s = now_s
        if settings.bytes_per_s > 0.0:
            if droppable and self._free_s - now_s > self.BACKLOG_S:
                return
            sent_s = self._free_s = max(now_s, self._free_s) + size_bytes / settings.bytes_per_s
        arrival_s = sent_s + settings.latency_s + settings.jitter_s * self._random.random()
        self._last_s = max(self._last_s, arrival_s)
        self._number += 1
        heapq.heappush(self._queue, (self._last_s, self._number, payload))

    def due(self, now_s: float) -> list[Payload]:
        """Messages that have arrived by now, in order."""
        arrived = []
        while self._queue and self._queue[0][0] <= now_s + 1e-9:
            arrived.append(heapq.heappop(self._queue)[2])
        return arrived
