"""Work in a process beside a window, so that it stays smooth: the newest wish counts, older ones are dropped,
and one that takes too long for a newer one to wait is broken off."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from plans.errors import MissionError


@dataclass(frozen=True, eq=False)
class Done:
    """What came of a wish: a result, or one line why there is none."""

    ticket: int
    result: Any = None
    fault: str = ""
    lasting: bool = False


@dataclass(frozen=True)
class _Wish:
    ticket: int
    what: Any
    lasting: bool


class SideProcess:
    """One process, started with the first wish. `module` is run as a program that ends in `serve`; its
    results are of classes that have another home than its `__main__`. `give` is called with each Done in a
    thread: hand it a signal's emit."""

    def __init__(self, module: str, give: Callable[[Done], object], patience_s: float = 1.0):
        self._module, self._give, self.patience_s = module, give, patience_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._running: tuple[_Wish, float] | None = None
        self._waiting: list[_Wish] = []
        self._listener: threading.Thread | None = None
        self._tickets = 0
        self._closed = False

    def wish(self, what: Any, lasting: bool = False) -> int:
        """Wish for a piece of work; its ticket. It takes the place of wishes that wait. A `lasting` one
        writes something: it is never dropped nor broken off."""
        with self._lock:
            self._tickets += 1
            made = _Wish(self._tickets, what, lasting)
            self._waiting = [w for w in self._waiting if w.lasting] + [made]
            if self._running is None:
                self._next()
            else:
                running, since = self._running
                if not running.lasting and time.monotonic() - since > self.patience_s:
                    self._kill()
                    self._next()
            return made.ticket

    @property
    def busy(self) -> bool:
        """Whether something is at work or waits."""
        with self._lock:
            return self._running is not None or bool(self._waiting)

    def close(self) -> None:
        """End the process; lasting work is waited for."""
        with self._lock:
            self._closed = True
            self._waiting = [w for w in self._waiting if w.lasting]
            lasting = self._running is not None and self._running[0].lasting
            process = self._process
            if not lasting and not self._waiting:
                self._kill()
        if process is not None:
            process.wait()
        if self._listener is not None:
            self._listener.join()

    def _next(self) -> None:
        """Hand out what waits longest. The lock is held."""
        if not self._waiting:
            return
        if self._process is None:
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        wish = self._waiting.pop(0)
        self._running = wish, time.monotonic()
        with suppress(OSError, ValueError):  # it has just died: the listener hears that and tells it
            pickle.dump(wish, self._process.stdin)
            self._process.stdin.flush()

    def _start(self) -> None:
        command = [sys.executable, "-m", self._module]
        started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._process = started
        self._listener = threading.Thread(target=self._listen, args=(started,), daemon=True)
        self._listener.start()

    def _kill(self) -> None:
        """End the process at once. The lock is held."""
        if self._process is not None:
            self._process.kill()
        self._process, self._running = None, None

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        """Hand over results until the process ends; one that died in the midst of a wish is told."""
        assert process.stdout is not None
        while True:
            done: Done | None = None
            try:
                done = pickle.load(process.stdout)
            except Exception:  # its end, or what is no result: either way it cannot be gone on with
                process.kill()
                _let_go(process)
            with self._lock:
                if process is not self._process:  # it is being ended
                    if done is not None:
                        continue
                    return
                running, self._running = self._running, None
                if done is None:
                    self._process = None
                newer = any(not w.lasting for w in self._waiting)
                if self._closed and not self._waiting:
                    self._kill()
                else:
                    self._next()
            if done is None:
                if running is not None:
                    wish = running[0]
                    self._give(Done(wish.ticket, fault="this work ended unexpectedly", lasting=wish.lasting))
                return
            if done.lasting or done.fault or not newer:
                self._give(done)


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """Close the pipes of a process that has ended."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    process.wait()


def serve(work: Callable[[Any], Any]) -> None:
    """The other side: a wish in, a result out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the window
    results, sys.stdout = sys.stdout.buffer, sys.stderr  # nothing else may go into the pipe
    with suppress(EOFError, BrokenPipeError):
        while True:
            wish: _Wish = pickle.load(sys.stdin.buffer)
            pickle.dump(_done(wish, work), results)
            results.flush()


def _done(wish: _Wish, work: Callable[[Any], Any]) -> Done:
    try:
        return Done(wish.ticket, result=work(wish.what), lasting=wish.lasting)
    except MissionError as fault:
        return Done(wish.ticket, fault=" ".join(str(fault).split()), lasting=wish.lasting)
    except Exception as bug:  # the window goes on, and says what happened
        return Done(wish.ticket, fault=f"it failed ({type(bug).__name__}: {bug})", lasting=wish.lasting)
