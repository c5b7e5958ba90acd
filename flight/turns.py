"""Turns: one at a time for each subject, and the urgent one at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable
from dataclasses import dataclass, field
from typing import Any

from flight.errors import OvertakenError


@dataclass(eq=False)
class Turn:
    """Somebody's turn, had or waited for. `overtaken` when an urgent one has taken its place."""

    task: asyncio.Task[Any]
    over: asyncio.Event = field(default_factory=asyncio.Event)
    overtaken: bool = False

    def overtake(self) -> None:
        """End it where it stands."""
        if not self.overtaken:
            self.overtaken = True
            self.task.cancel()


class Turns:
    """Who asks a vehicle for what at the moment. Owned by one vehicle, used on its loop."""

    def __init__(self) -> None:
        self._queues: dict[Hashable, list[Turn]] = {}

    @contextlib.asynccontextmanager
    async def take(self, subject: Hashable, urgent: bool = False) -> AsyncIterator[Turn]:
        """Wait for the turn and have it while the context is open. An urgent one does not wait: all others of
        the subject, the one under way too, end in OvertakenError."""
        task = asyncio.current_task()
        assert task is not None
        turn, queue = Turn(task), self._queues.setdefault(subject, [])
        if urgent:
            for other in queue:
                other.overtake()
            queue.insert(0, turn)
        else:
            queue.append(turn)
        try:
            while ahead := queue.index(turn):
                await queue[ahead - 1].over.wait()
            yield turn
        except asyncio.CancelledError:
            if not turn.overtaken or task.uncancel() > 0:
                raise
            raise OvertakenError("given up for a more urgent one of the same kind") from None
        finally:
            queue.remove(turn)
            turn.over.set()
            if not queue and self._queues.get(subject) is queue:
                del self._queues[subject]
