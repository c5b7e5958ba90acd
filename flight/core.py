"""The station's loop in a thread of its own, and the proof that the program beside it is alive.

Protocol work runs on the loop. What the caller wants to be told (progress, alerts) is queued there and run
in the caller's own thread, so that no slow callback holds a message up. The caller feeds the watchdog while
it waits; when it hangs, or is stopped, the station's heartbeat stops within `HANGS_S`, and a vehicle that
watches its station does what it does when the station is gone. `with_station` is all of that for one piece
of work.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from flight.links.profiles import find_profile
from flight.logs.recorder import Recorder
from flight.station import PLAIN, Station, StationSettings, open_station

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

    async def ask(self, question: Callable[..., T], *args: Any) -> T:
        """From the loop: put a question to a person in the caller's thread, and wait for the answer. Raises
        what the question raises. The watchdog rests meanwhile: who waits for a person does not hang."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def put() -> None:
            self.watchdog.rest()
            try:
                found = question(*args)
            except Exception as fault:
                loop.call_soon_threadsafe(_settle, answer, None, fault)
            else:
                loop.call_soon_threadsafe(_settle, answer, found, None)

        self._news.put(put)
        return await answer

    def start(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine on the loop; from any thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T], each: Callable[[], None] | None = None) -> T:
        """Run a coroutine on the loop and wait for it in this thread, feeding the watchdog, running what was
        told and `each`, some twenty times a second. A long queue of news is no hanging: the watchdog is fed
        after each.

        What a callback raises (KeyboardInterrupt too) cancels the coroutine, waits until it has tidied up,
        and is raised here.
        """
        task, done = self._begin(work)
        try:
            while not done.wait(_TICK_S):
                self.watchdog.feed()
                self.run_told(self.watchdog.feed)
                if each is not None:
                    each()
            self.run_told(self.watchdog.feed)
        except BaseException:
            with contextlib.suppress(concurrent.futures.TimeoutError):  # `close` looks after it
                self.start(_cancelled(task)).result(_JOIN_S)
            raise
        finally:
            self.watchdog.rest()
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

    def run_told(self, after_each: Callable[[], None] = lambda: None) -> None:
        """Run what was told meanwhile, in this thread."""
        with contextlib.suppress(queue.Empty):
            while True:
                news = self._news.get_nowait()
                news()
                after_each()

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


Work = Callable[[Station, Core], Coroutine[Any, Any, T]]
"""Something to do with a station; the core tells and asks the caller meanwhile."""


def with_station(
    connect: Sequence[str],
    work: Work[T],
    *,
    profile: str = "wifi",
    settings: StationSettings = PLAIN,
    record: Path | None = None,
    sysid: int | None = None,
    each: Callable[[], None] | None = None,
) -> T:
    """Open a station on a core of its own, do some work with it, close it; the caller waits as in `Core.run`.

    Arguments as of `station_on_core`. Raises FlightError, and what the work raises.
    """
    with station_on_core(connect, profile, settings, record, sysid) as (station, core):
        return core.run(work(station, core), each)


@contextmanager
def station_on_core(
    connect: Sequence[str],
    profile: str = "wifi",
    settings: StationSettings = PLAIN,
    record: Path | None = None,
    sysid: int | None = None,
) -> Iterator[tuple[Station, Core]]:
    """A station on a core of its own. What runs on it is given to the core's `run`.

    `record` is a folder for telemetry.tlog and events.jsonl; `sysid` the station's own id, None for this
    computer's. The station's troubles are told in the caller's thread.
    """
    link_profile = find_profile(profile)
    with contextlib.ExitStack() as files, Core() as core:
        told = partial(core.tell, settings.on_trouble)
        recorder = files.enter_context(Recorder(record, on_trouble=told)) if record is not None else None
        links = contextlib.AsyncExitStack()
        opening = open_station(connect, link_profile, recorder, sysid, replace(settings, on_trouble=told))
        station = core.run(links.enter_async_context(opening))
        station.alive = core.watchdog.alive
        try:
            yield station, core
        finally:
            core.run(links.aclose())


def _settle(answer: asyncio.Future[T], found: Any, fault: Exception | None) -> None:
    """Answer a question, unless nobody waits for it any more."""
    if answer.done():
        return
    if fault is not None:
        answer.set_exception(fault)
    else:
        answer.set_result(found)


async def _cancelled(task: asyncio.Task[Any]) -> None:
    """Cancel a task, and wait until it has tidied up behind itself."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _cancel_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
