"""Plans drafts in a process of its own, so that a window stays smooth: the newest wish counts, older ones are
dropped, and one that takes too long for a newer one to wait is broken off."""

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
from pathlib import Path

from missionctl.services.plan_draft import PlanDraft
from missionctl.services.plan_preview import PlanPreview, preview_plan, save_plan
from missionctl.workspace import Workspace
from plans.errors import MissionError

_PATIENCE_S = 1.0
"""A newer wish waits so long for an older one; then that one is broken off."""


@dataclass(frozen=True, eq=False)
class Planned:
    """What came of a wish: a preview, a file that was saved, or one line why there is none."""

    ticket: int
    preview: PlanPreview | None = None
    file: Path | None = None
    fault: str = ""


@dataclass(frozen=True)
class _Wish:
    ticket: int
    draft: PlanDraft
    folder: Path
    save_as: str = ""
    """A suffix (".plan") saves; nothing previews."""


class PlanWorker:
    """One planning process, started with the first wish. `give` is called in a thread: hand it a signal's
    emit."""

    def __init__(self, give: Callable[[Planned], object]):
        self._give = give
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._running: tuple[_Wish, float] | None = None
        self._waiting: list[_Wish] = []
        self._tickets = 0
        self._closed = False

    def preview(self, draft: PlanDraft, folder: Path) -> int:
        """Wish for a preview; its ticket. Takes the place of previews that wait."""
        return self._wish(draft, folder, "")

    def save(self, draft: PlanDraft, folder: Path, suffix: str = ".plan") -> int:
        """Wish for a plan file in the mission folder; its ticket. Never dropped, never broken off."""
        return self._wish(draft, folder, suffix)

    @property
    def busy(self) -> bool:
        """Whether something is being planned or waits."""
        with self._lock:
            return self._running is not None or bool(self._waiting)

    def close(self) -> None:
        """End the process; a file that is being saved is waited for."""
        with self._lock:
            self._closed = True
            self._waiting = [w for w in self._waiting if w.save_as]
            saving = self._running is not None and bool(self._running[0].save_as)
            process = self._process
            if not saving and not self._waiting:
                self._kill()
        if process is not None:
            process.wait()

    def _wish(self, draft: PlanDraft, folder: Path, save_as: str) -> int:
        with self._lock:
            self._tickets += 1
            wish = _Wish(self._tickets, draft, folder, save_as)
            self._waiting = [w for w in self._waiting if w.save_as] + [wish]
            if self._running is None:
                self._next()
            else:
                running, since = self._running
                if not running.save_as and time.monotonic() - since > _PATIENCE_S:
                    self._kill()
                    self._next()
            return wish.ticket

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
        command = [sys.executable, "-m", "missionctl.services.plan_worker"]
        started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._process = started
        threading.Thread(target=self._listen, args=(started,), name="planner", daemon=True).start()

    def _kill(self) -> None:
        """End the process at once. The lock is held."""
        if self._process is not None:
            self._process.kill()
        self._process, self._running = None, None

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        """Hand over results until the process ends; one that died in the midst of a wish is told."""
        assert process.stdout is not None
        while True:
            try:
                done: Planned = pickle.load(process.stdout)
            except (EOFError, OSError, pickle.UnpicklingError):
                done = Planned(0)
                _let_go(process)
            with self._lock:
                if process is not self._process:
                    if done.ticket:
                        continue  # it is being ended
                    return
                running, self._running = self._running, None
                if done.ticket == 0:
                    self._process = None
                newer = any(not w.save_as for w in self._waiting)
                if self._closed and not self._waiting:
                    self._kill()
                else:
                    self._next()
            if done.ticket == 0:
                if running is not None:
                    self._give(Planned(running[0].ticket, fault="the planner ended unexpectedly; draw on"))
                return
            if done.file is not None or done.fault or not newer:
                self._give(done)


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """Close the pipes of a process that has ended."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    process.wait()


def main() -> None:
    """The planning process: a wish in, a result out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the window
    results, sys.stdout = sys.stdout.buffer, sys.stderr  # nothing else may go into the pipe
    with suppress(EOFError, BrokenPipeError):
        while True:
            wish = pickle.load(sys.stdin.buffer)
            pickle.dump(_planned(wish), results)
            results.flush()


def _planned(wish: _Wish) -> Planned:
    try:
        workspace = Workspace.open(wish.folder)
        if wish.save_as:
            file, _ = save_plan(wish.draft, workspace, wish.save_as)
            return Planned(wish.ticket, file=file)
        return Planned(wish.ticket, preview=preview_plan(wish.draft, workspace))
    except MissionError as fault:
        return Planned(wish.ticket, fault=" ".join(str(fault).split()))
    except Exception as bug:  # the window goes on, and says what happened
        return Planned(wish.ticket, fault=f"the planner failed ({type(bug).__name__}: {bug})")


if __name__ == "__main__":
    from missionctl.services import plan_worker  # results are of this name's classes, not of __main__'s

    plan_worker.main()
