"""Threads for work that must not hold up the window.

Python's own threads, not QThreadPool's: Python forgets a foreign thread's local data after each call, which
closes open rasters again and again and pulls PROJ's contexts from under pyproj's objects.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Workers:
    """A few threads with a queue. Results are handed to a callback in the thread: give a signal's emit."""

    def __init__(self, threads: int, name: str):
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    def run(
        self, give: Callable[[_R], object], work: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs
    ) -> None:
        """Queue work; what it returns goes to `give`. A bug in it is told to sys.excepthook."""

        def hand_over(done: Future[_R]) -> None:
            if done.cancelled():
                return
            bug = done.exception()
            if bug is not None:
                sys.excepthook(type(bug), bug, bug.__traceback__)
            else:
                give(done.result())

        self._pool.submit(work, *args, **kwargs).add_done_callback(hand_over)

    def close(self) -> None:
        """Drop what is queued and wait for what is being done."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def finish(self) -> None:
        """Do all that is queued, then end: for what must not be lost."""
        self._pool.shutdown(wait=True, cancel_futures=False)
