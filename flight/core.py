"""The station's loop in a thread of its own, and the proof that the program beside it is alive.

Protocol work runs on the loop. What the caller wants to be told (progress, alerts) is queued there and run
in the caller's own thread, so that no slow callback holds a message up. The caller feeds the watchdog while
it waits; when it hangs, or is stopped, the station's heartbeat stops within `HANGS_S`, and a vehicle that
watches its station does what it does when the station is gone.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

HANGS_S = 5.0
"""A program that has not fed its watchdog for so long counts as hung."""
_TICK_S = 0.05
_JOIN_S = 10.0


class Watchdog:
    """Fed by the thread that a person looks at. Alive until it has been fed for the first time."""

    def __init__(self, hangs_s: float = HANGS_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._hangs_s = hangs_s
        self._clock = clock
        self._fed_s: float | None = None

    def feed(self) -> None:
        """The program does not hang."""
        self._fed_s = self._clock()

    def rest(self) -> None:
        """Nobody is expected to feed it any more."""
        self._fed_s = None

    def alive(self) -> bool:
        """Whether it was fed lately."""
        return self._fed_s is None or self._clock() - self._fed_s < self._hangs_s


class Core:
    """An asyncio loop in its own thread. A context manager; leaving it cancels what still runs."""

    def __init__(self, name: str = "station") -> None:
        self.watchdog = Watchdog()
        self._news: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def tell(self, callback: Callable[..., None], *args: Any) -> None:
        """From the loop: run a callback in the caller's thread, when that waits the next time."""
        self._news.put(lambda: callback(*args))

    def start(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine on the loop; from any thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T], each: Callable[[], None] | None = None) -> T:
        """Run a coroutine on the loop and wait for it in this thread, feeding the watchdog, running what was
        told and `each`, some twenty times a second.

        What a callback raises (KeyboardInterrupt too) cancels the coroutine, waits until it has tidied up,
        and is raised here.
        """
        task, done = self._begin(work)
        try:
            while not done.wait(_TICK_S):
                self.watchdog.feed()
                self.run_told()
                if each is not None:
                    each()
        except BaseException:
            self.start(_cancelled(task)).result(_JOIN_S)
            raise
        finally:
            self.watchdog.rest()
        self.run_told()
        return task.result()

    def _begin(self, work: Coroutine[Any, Any, T]) -> tuple[asyncio.Task[T], threading.Event]:
        begun: concurrent.futures.Future[asyncio.Task[T]] = concurrent.futures.Future()
        done = threading.Event()

        def begin() -> None:
            task = self._loop.create_task(work)
            task.add_done_callback(lambda _: done.set())
            begun.set_result(task)

        self._loop.call_soon_threadsafe(begin)
        return begun.result(), done

    def run_told(self) -> None:
        """Run what was told meanwhile, in this thread."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._news.get_nowait()()

    def close(self) -> None:
        """Cancel what still runs, and end the thread."""
        if not self._thread.is_alive():
            return
        with contextlib.suppress(concurrent.futures.TimeoutError, RuntimeError):  # it may just be ending
            asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result(_JOIN_S)
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_JOIN_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _cancelled(task: asyncio.Task[Any]) -> None:
    """Cancel a task, and wait until it has tidied up behind itself."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _cancel_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
