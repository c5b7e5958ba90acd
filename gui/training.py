"""Training flights: the packaged scenarios, and the simulator process that flies one."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PyQt6.QtCore import QObject, QProcess, QTimer, pyqtSignal

from sim.scenario import packaged_scenarios, read_scenario

_READY_LIMIT_MS = 60_000
_STOP_LIMIT_MS = 4_000
_FREE_PORT = "tcpin:127.0.0.1:0"


@dataclass(frozen=True)
class Lesson:
    """A scenario as the Train panel lists it. `key` is what `missionctl sim --scenario` takes."""

    key: str
    name: str
    about: str


def packaged_lessons() -> tuple[Lesson, ...]:
    """The scenarios that come with the program. Raises ScenarioError."""
    found = []
    for key, path in packaged_scenarios().items():
        scenario = read_scenario(path)
        found.append(Lesson(key, scenario.name, " ".join(scenario.about.split())))
    return tuple(found)


@dataclass(frozen=True)
class Stage:
    """A simulator that runs: which lesson, and where to reach its vehicle."""

    lesson: str
    app_url: str
    """The app listens here."""
    pilot_url: str
    """For whoever flies; a second address, as each takes one client."""


def sim_command(lesson: str, world: Path, speedup: float) -> list[str]:
    """The arguments after `python` that start the simulator on two free ports."""
    command = ["-m", "missionctl.cli.main", "sim", "--scenario", lesson, "--world", str(world)]
    command += ["--listen", _FREE_PORT, "--listen", _FREE_PORT]
    return [*command, "--speedup", f"{speedup:g}", "--end-with-stdin", "--json"]


class SimProcess(QObject):
    """One simulator at a time. It ends when it is stopped, and with the program, however that ends: its
    standard input is a pipe from here."""

    started = pyqtSignal(object)  # Stage
    ended = pyqtSignal()
    failed = pyqtSignal(str)  # it ended, or did not begin, though nobody stopped it

    def __init__(self, command: Sequence[str] = (sys.executable,), parent: QObject | None = None):
        super().__init__(parent)
        self._command = tuple(command)
        self._process: QProcess | None = None
        self._lesson = ""
        self._said, self._stopping, self._late = b"", False, False
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_STOP_LIMIT_MS)
        self._patience.timeout.connect(self._on_stubborn)
        self._limit = QTimer(self)
        self._limit.setSingleShot(True)
        self._limit.setInterval(_READY_LIMIT_MS)
        self._limit.timeout.connect(self._on_late)

    @property
    def lesson(self) -> str:
        """What runs or is being started; empty when nothing is."""
        return self._lesson

    @property
    def pid(self) -> int:
        """The process; 0 when there is none."""
        return self._process.processId() if self._process is not None else 0

    def start(self, lesson: str, arguments: Sequence[str]) -> None:
        """Start a simulator; one that runs is stopped first."""
        self.close()
        process = QProcess(self)
        process.readyReadStandardOutput.connect(self._on_output)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        self._process, self._lesson = process, lesson
        self._said, self._stopping, self._late = b"", False, False
        process.start(self._command[0], [*self._command[1:], *arguments])
        self._limit.start()

    def stop(self) -> None:
        """Ask it to end, and end it when it does not."""
        process = self._process
        if process is None:
            return
        self._stopping = True
        process.terminate()
        self._patience.start()

    def close(self) -> None:
        """End it now and wait until it has ended."""
        process = self._process
        if process is None:
            return
        self._stopping = True
        process.terminate()
        if not process.waitForFinished(_STOP_LIMIT_MS):
            process.kill()
            process.waitForFinished(_STOP_LIMIT_MS)

    def _on_output(self) -> None:
        assert self._process is not None
        self._said += self._process.readAllStandardOutput().data()
        if not self._limit.isActive():
            return
        try:
            urls = json.loads(self._said)["connect"]
            stage = Stage(self._lesson, str(urls[0]), str(urls[1]))
        except (ValueError, KeyError, IndexError, TypeError):
            return  # it has not said all yet
        self._limit.stop()
        self.started.emit(stage)

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart and self._process is not None:
            self._done(self._process.errorString())

    def _on_finished(self, code: int, _status: QProcess.ExitStatus) -> None:
        if self._process is None:
            return
        said = self._process.readAllStandardError().data().decode(errors="replace").strip().splitlines()
        if self._late:
            self._done(f"it was not ready within {_READY_LIMIT_MS // 1000} s")
        elif self._stopping:
            self._done("")
        else:
            self._done(said[-1].removeprefix("missionctl: ") if said else f"exit code {code}")

    def _on_stubborn(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _on_late(self) -> None:
        self._late = True
        self.stop()

    def _done(self, fault: str) -> None:
        assert self._process is not None
        process, self._process = self._process, None
        process.deleteLater()
        self._limit.stop()
        self._patience.stop()
        self._lesson = ""
        self.ended.emit()
        if fault:
            self.failed.emit(fault)
