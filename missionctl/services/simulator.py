"""The simulator as a process of its own: started, waited for, ended in good order."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from plans.errors import MissionError

T = TypeVar("T")

_READY_S = 60.0
_POLL_S = 0.1


def stop_when_stdin_closes(stop: threading.Event) -> None:
    """Set `stop` when the standard input ends. Whoever holds its other end need not live to close it: every
    system does when that process is gone, however it went."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):  # not sys.stdin: its lock would be held when the program ends
                pass
        stop.set()

    threading.Thread(target=watch, name="standard input", daemon=True).start()


@contextlib.contextmanager
def simulator_process(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a simulator that ends with its standard input, its words going to `log`; when the context ends, it
    is gone, and so it is when this process is killed."""
    with log.open("w", encoding="utf-8") as out:
        child = subprocess.Popen(list(command), stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.PIPE)
        try:
            yield child
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
            assert child.stdin is not None
            child.stdin.close()


def wait_until_ready(child: subprocess.Popen[bytes], log: Path, ready: Callable[[], T | None]) -> T:
    """What `ready` gives as soon as it gives something.

    Raises MissionError with the simulator's last words when it ends before that, or takes too long.
    """
    deadline_s = time.monotonic() + _READY_S
    while time.monotonic() < deadline_s:
        found = ready()
        if found is not None:
            return found
        if child.poll() is not None:
            raise MissionError(f"the simulator ended before it was ready: {last_words(log)} (see {log})")
        time.sleep(_POLL_S)
    raise MissionError(f"the simulator was not ready within {_READY_S:.0f} s; see {log}")


def end_simulator(child: subprocess.Popen[bytes], patience_s: float) -> int | None:
    """Ask it to end in good order; its exit code, or None when it has not ended within `patience_s`."""
    if child.poll() is None:
        if os.name == "nt":
            child.send_signal(signal.CTRL_BREAK_EVENT)  # type: ignore[attr-defined]
        else:
            child.send_signal(signal.SIGTERM)
    try:
        return child.wait(patience_s)
    except subprocess.TimeoutExpired:
        return None


def last_words(log: Path) -> str:
    """The last line that it wrote."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "(nothing written)"
