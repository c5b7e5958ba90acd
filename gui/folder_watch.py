"""Reads a mission folder in a thread, and again when something in it has changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from gui.snapshot import Snapshot, read_snapshot, signature
from gui.workers import Workers
from missionctl.workspace import Workspace
from plans.errors import MissionError

POLL_MS = 2000


@dataclass(frozen=True)
class _Look:
    """What a look found: the folder's mark, and a snapshot or a fault when the mark is a new one."""

    mark: object
    snapshot: Snapshot | None = None
    fault: str = ""


def _look(path: Path, known: object) -> _Look:
    """Compare the folder with what is known; read it when it differs. Runs in a thread."""
    mark = signature(path)
    if mark == known:
        return _Look(mark)
    try:
        return _Look(mark, read_snapshot(Workspace.open(path)))
    except (MissionError, OSError) as error:
        return _Look(mark, fault=str(error).replace("\n", " "))


class FolderWatch(QObject):
    """Emits a snapshot at once and after each change by whatever process."""

    changed = pyqtSignal(object)  # Snapshot
    failed = pyqtSignal(str)
    _looked = pyqtSignal(object)

    def __init__(self, path: Path, poll_ms: int = POLL_MS, parent: QObject | None = None):
        super().__init__(parent)
        self._path = path
        self._known: object = None
        self._looking = False
        self._pool = Workers(1, "folder")
        self._looked.connect(self._on_looked)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.look)
        self._timer.start(poll_ms)
        self.look()

    def look(self) -> None:
        """Look now, if no look is under way."""
        if not self._looking:
            self._looking = True
            self._pool.run(self._looked.emit, _look, self._path, self._known)

    def close(self) -> None:
        """Stop looking; waits for a look under way."""
        self._timer.stop()
        self._looked.disconnect(self._on_looked)
        self._pool.close()

    def _on_looked(self, look: _Look) -> None:
        self._looking = False
        self._known = look.mark
        if look.fault:
            self.failed.emit(look.fault)
        elif look.snapshot is not None:
            self.changed.emit(look.snapshot)
