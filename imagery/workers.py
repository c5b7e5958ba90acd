"""Who does the work of a stage: threads of this process here, other machines in imagery.cluster."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import Protocol, TypeVar

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")

_AHEAD = 4
"""Tasks in work and waiting for each worker: what they give may be large."""


class Workers(Protocol):
    """Do the tasks of a stage. What comes out is the same whoever works.

    `shelf_bytes` is what each of their processes may hold of decoded photos, None where it is this process:
    its budget says.
    """

    @property
    def shelf_bytes(self) -> int | None: ...

    def map(
        self, work: Callable[[Shared, Task], Result], shared: Shared, tasks: Sequence[Task]
    ) -> Iterator[Result]:
        """`work(shared, task)` of each task, in the order of the tasks, few of them ahead of who takes them.

        For workers elsewhere `work` is a function of a module; `shared`, tasks and results can be pickled.
        Raises what `work` raises, and MosaicError when the workers are gone.
        """
        ...


class Threads:
    """Workers of this process: `pool` has `count` threads."""

    def __init__(self, pool: Executor, count: int) -> None:
        self._pool, self._ahead = pool, _AHEAD * count

    @property
    def shelf_bytes(self) -> int | None:
        return None

    def map(
        self, work: Callable[[Shared, Task], Result], shared: Shared, tasks: Sequence[Task]
    ) -> Iterator[Result]:
        waiting = iter(tasks)
        jobs: deque[Future[Result]] = deque()
        try:
            for task in itertools.islice(waiting, self._ahead):
                jobs.append(self._pool.submit(work, shared, task))
            while jobs:
                result = jobs.popleft().result()
                for task in itertools.islice(waiting, 1):
                    jobs.append(self._pool.submit(work, shared, task))
                yield result
        finally:
            for job in jobs:
                job.cancel()
