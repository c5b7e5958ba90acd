"""Holds the strokes of a mission and the grading of its buildings: undo, keeping, previews, the map."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, QProcess, QTimer, pyqtSignal

from gui.history import History
from gui.workers import Workers
from missionctl.services.decisions import decide, undecided
from missionctl.services.preview_worker import PreviewWorker
from missionctl.services.side_process import Done
from missionctl.services.strokes import PaintedStroke, Strokes, keep_strokes, read_strokes
from missionctl.workspace import Workspace
from plans.errors import MissionError

SETTLE_MS = 250
"""The view has stood still for so long before it is judged anew."""

_NOTHING = -1
"""No ticket is waited for."""

Degrees = tuple[float, float, float, float]


class DamageEditor(QObject):
    """State of the Damage workspace."""

    strokes_changed = pyqtSignal(object)  # Strokes
    shown = pyqtSignal(object)  # Shown
    fault_changed = pyqtSignal(str)  # why there is no preview; empty when there is
    trouble = pyqtSignal(str)
    mapped = pyqtSignal(bool)  # the map has ended: whether it is there
    queue_changed = pyqtSignal(list)  # buildings still to be graded, worst first
    decided = pyqtSignal(object)  # what was decided
    _previewed = pyqtSignal(object)
    _kept = pyqtSignal(str)
    _read = pyqtSignal(object)
    _graded = pyqtSignal(object)
    _queued = pyqtSignal(object)

    def __init__(self, folder: Path, parent: QObject | None = None):
        super().__init__(parent)
        self._workspace = Workspace(folder)
        self._history = History(Strokes())
        self._preview = PreviewWorker(self._previewed.emit)
        self._disk = Workers(1, "strokes")
        self._view: tuple[Path, Degrees] | None = None
        self._asked = _NOTHING
        self._busy_disk = 0
        self._job: QProcess | None = None
        self._previewed.connect(self._on_previewed)
        self._kept.connect(self._on_kept)
        self._read.connect(self._on_read)
        self._graded.connect(self._on_graded)
        self._queued.connect(self._on_queued)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._show)
        self._run(self._read.emit, _strokes_of, self._workspace)

    # ------------------------------------------------------------------ strokes

    @property
    def strokes(self) -> Strokes:
        """All that is painted."""
        return self._history.now

    @property
    def can_undo(self) -> bool:
        """Whether there is a stroke to take back."""
        return bool(self._history.past)

    @property
    def can_redo(self) -> bool:
        """Whether there is one to bring again."""
        return bool(self._history.future)

    @property
    def busy(self) -> bool:
        """Whether strokes are being kept or a preview is to come."""
        return self._busy_disk > 0 or self._asked != _NOTHING or self._settle.isActive()

    def paint(self, stroke: PaintedStroke) -> None:
        """One more stroke."""
        self._become(self._history.changed(self.strokes.with_stroke(stroke)))

    def erase(self, index: int) -> None:
        """One less."""
        self._become(self._history.changed(self.strokes.without(index)))

    def undo(self) -> None:
        """Take the last step back."""
        self._become(self._history.undone())

    def redo(self) -> None:
        """Take it again."""
        self._become(self._history.redone())

    def _become(self, history: History[Strokes]) -> None:
        if history is self._history:
            return
        self._history = history
        self._run(self._kept.emit, _keep, self._workspace, self.strokes)
        self.strokes_changed.emit(self.strokes)

    def _on_read(self, found: Strokes | str) -> None:
        self._busy_disk -= 1
        if isinstance(found, str):
            self.trouble.emit(found)
        elif not self._history.past:
            self._history = History(found)
            self.strokes_changed.emit(found)

    def _on_kept(self, fault: str) -> None:
        self._busy_disk -= 1
        self.trouble.emit(fault)
        if not fault:
            self._show()

    # ------------------------------------------------------------------ preview

    def look_at(self, mosaic: Path | None, window: Degrees) -> None:
        """What is in view; None for no preview."""
        self._view = None if mosaic is None else (mosaic, window)
        if self._view is not None and self.strokes.strokes:
            self._settle.start()

    def _show(self) -> None:
        self._settle.stop()
        if self._view is not None and self.strokes.strokes:
            self._asked = self._preview.show(self._workspace.path, *self._view)

    def _on_previewed(self, done: Done) -> None:
        if done.ticket != self._asked:
            return
        self._asked = _NOTHING
        if self._view is None:
            return
        self.fault_changed.emit(done.fault)
        if not done.fault:
            self.shown.emit(done.result)

    # ------------------------------------------------------------------ the whole map

    @property
    def mapping(self) -> bool:
        """Whether the whole map is being made."""
        return self._job is not None

    def make_map(self, mosaic: Path) -> None:
        """Make the damage map of the whole mosaic with all that is painted, in a process of its own."""
        if self._job is not None:
            return
        out = _free_run(self._workspace.path / "damage")
        job = QProcess(self)
        job.setProcessChannelMode(QProcess.ProcessChannelMode.SeparateChannels)
        job.finished.connect(self._on_mapped)
        job.start(
            sys.executable, ["-m", "missionctl.cli.main", "damage", str(mosaic), "-o", str(out), "--json"]
        )
        self._job = job

    def stop_map(self) -> None:
        """Break the map off; the maps that are there stay as they are."""
        if self._job is not None:
            self._job.terminate()

    def _on_mapped(self, code: int, status: QProcess.ExitStatus) -> None:
        job, self._job = self._job, None
        assert job is not None
        good = status == QProcess.ExitStatus.NormalExit and code == 0
        told = bytes(job.readAllStandardError()).decode(errors="replace").strip().splitlines()
        self.trouble.emit("" if good or not told else told[-1])
        job.deleteLater()
        self.mapped.emit(good)

    # ------------------------------------------------------------------ grading

    def list_undecided(self, run: Path) -> None:
        """Ask for the buildings that nobody has decided on."""
        self._run(self._queued.emit, _undecided, run)

    def decide(self, run: Path, identifier: str, grade: str) -> None:
        """Give a building a grade."""
        self._run(self._graded.emit, _decide, run, identifier, grade)

    def _on_queued(self, found: list[dict[str, Any]] | str) -> None:
        self._busy_disk -= 1
        if isinstance(found, str):
            self.trouble.emit(found)
        else:
            self.queue_changed.emit(found)

    def _on_graded(self, found: dict[str, Any] | str) -> None:
        self._busy_disk -= 1
        self.trouble.emit(found if isinstance(found, str) else "")
        if not isinstance(found, str):
            self.decided.emit(found)

    # ------------------------------------------------------------------ threads

    def _run(self, give: Any, work: Any, *args: Any) -> None:
        self._busy_disk += 1
        self._disk.run(give, work, *args)

    def close(self) -> None:
        """Keep what is painted; a map that is being made is broken off."""
        self._settle.stop()
        if self._job is not None:
            self._job.finished.disconnect()
            self._job.terminate()
            self._job.waitForFinished(4000)
        self._disk.finish()
        self._preview.close()


def _strokes_of(workspace: Workspace) -> Strokes | str:
    try:
        return read_strokes(workspace)
    except MissionError as fault:
        return str(fault)


def _keep(workspace: Workspace, strokes: Strokes) -> str:
    try:
        keep_strokes(workspace, strokes)
    except MissionError as fault:
        return str(fault)
    return ""


def _undecided(run: Path) -> list[dict[str, Any]] | str:
    try:
        return undecided(run)
    except MissionError as fault:
        return str(fault)


def _decide(run: Path, identifier: str, grade: str) -> dict[str, Any] | str:
    try:
        return decide(run, identifier, grade)
    except MissionError as fault:
        return str(fault)


def _free_run(folder: Path) -> Path:
    """The first name that no map has."""
    return next(
        folder / f"map-{number}" for number in range(1, 100_000) if not (folder / f"map-{number}").exists()
    )
