"""Reads a mission folder in a thread, and again when something in it has changed."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QObject, QRunnable, QThreadPool, QTimer, pyqtSignal

from gui.snapshot import Snapshot, read_snapshot, signature
from missionctl.workspace import Workspace
from plans.errors import MissionError

POLL_MS = 2000


class _Signals(QObject):
    looked = pyqtSignal(object, object, str)  # signature, Snapshot or None, fault


class _Look(QRunnable):
    """Compare the folder with what is known; read it when it differs."""

    def __init__(self, path: Path, known: object, signals: _Signals):
        super().__init__()
        self._path, self._known, self._signals = path, known, signals

    def run(self) -> None:
        mark = signature(self._path)
        if mark == self._known:
            self._signals.looked.emit(mark, None, "")
            return
        try:
            snapshot = read_snapshot(Workspace.open(self._path))
        except (MissionError, OSError) as error:
            self._signals.looked.emit(mark, None, str(error).replace("\n", " "))
            return
        self._signals.looked.emit(mark, snapshot, "")


class FolderWatch(QObject):
    """Emits a snapshot at once and after each change by whatever process."""

    changed = pyqtSignal(object)  # Snapshot
    failed = pyqtSignal(str)

    def __init__(self, path: Path, poll_ms: int = POLL_MS, parent: QObject | None = None):
        super().__init__(parent)
        self._path = path
        self._known: object = None
        self._looking = False
        self._pool = QThreadPool()
        self._pool.setMaxThreadCount(1)
        self._signals = _Signals()
        self._signals.looked.connect(self._on_looked)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.look)
        self._timer.start(poll_ms)
        self.look()

    def look(self) -> None:
        """Look now, if no look is under way."""
        if not self._looking:
            self._looking = True
            self._pool.start(_Look(self._path, self._known, self._signals))

    def close(self) -> None:
        """Stop looking; waits for a look under way."""
        self._timer.stop()
        self._signals.looked.disconnect(self._on_looked)
        self._pool.waitForDone()

    def _on_looked(self, mark: object, snapshot: Snapshot | None, fault: str) -> None:
        self._looking = False
        self._known = mark
        if fault:
            self.failed.emit(fault)
        elif snapshot is not None:
            self.changed.emit(snapshot)
