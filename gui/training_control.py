"""Joins the Train panel with the simulator it starts, and the live link with the simulator's vehicle."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal

from gui.live_control import LiveControl
from gui.panels.train import TrainPanel
from gui.snapshot import Snapshot
from gui.training import SimProcess, Stage, sim_command
from gui.words import Words


class TrainingControl(QObject):
    """Turns the trainer's wishes into a process, and what becomes of it into what is shown."""

    trouble = pyqtSignal(str)  # "" when that is over

    def __init__(
        self, process: SimProcess, panel: TrainPanel, live: LiveControl, words: Words, parent: QObject
    ):
        super().__init__(parent)
        self._process, self._panel, self._live, self._words = process, panel, live, words
        self._world: Path | None = None
        self._plan: Path | None = None
        self._url = ""
        panel.start_wanted.connect(self.start)
        panel.stop_wanted.connect(process.stop)
        process.started.connect(self._on_started)
        process.ended.connect(self._on_ended)
        process.failed.connect(lambda line: self.trouble.emit(words("sim_failed", reason=line)))

    @property
    def process(self) -> SimProcess:
        """The simulator."""
        return self._process

    def set_mission(self, snapshot: Snapshot) -> None:
        """Where the next flight takes place, and the plan it may fly."""
        self._world = snapshot.world
        self._plan = newest_plan(snapshot)

    def start(self, lesson: str, speedup: float) -> None:
        """Start a lesson."""
        if self._world is None:
            return
        self.trouble.emit("")
        self._process.start(lesson, sim_command(lesson, self._world, speedup))
        self._panel.show_run(lesson)

    def close(self) -> None:
        """End the simulator and wait for its end."""
        self._process.close()

    def _on_started(self, stage: Stage) -> None:
        self._url = stage.app_url
        self._live.open(stage.app_url, signed=False)  # the simulator has no key
        self._panel.show_run(stage.lesson, fly_command(self._plan, stage.pilot_url))

    def _on_ended(self) -> None:
        if self._url and self._live.link.url == self._url:
            self._live.link.close()
        self._url = ""
        self._panel.show_run("")


def newest_plan(snapshot: Snapshot) -> Path | None:
    """The file of the newest plan, if it is there."""
    for row in reversed(snapshot.features["plans"]):
        file = snapshot.path / str(row.values["file"] or "")
        if file.is_file():
            return file
    return None


def fly_command(plan: Path | None, url: str) -> str:
    """What a pilot types into a terminal to fly a plan there; empty when there is no plan."""
    if plan is None:
        return ""
    name = f'"{plan}"' if os.name == "nt" else shlex.quote(str(plan))
    return f"missionctl fly {name} --connect {url}"
