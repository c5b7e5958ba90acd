"""The window: rail, side panel, map, layer panel, and the line for faults."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PyQt6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui.folder_watch import FolderWatch
from gui.icons import icon, icon_size
from gui.layers import LayerState, states_for
from gui.map_view import MapView
from gui.snapshot import Snapshot
from gui.theme import Theme
from gui.words import Words

VIEWS = ("plan", "fly", "map", "damage", "train")


class MissionWindow(QMainWindow):
    """One mission, five workspaces, one map."""

    def __init__(self, path: Path, theme: Theme, words: Words, view: str = "plan"):
        super().__init__()
        self._theme, self._words = theme, words
        self.snapshot: Snapshot | None = None
        self._states = {name: states_for(name) for name in VIEWS}
        self._view = view
        self.map = MapView(theme, words)
        self.map.fault.connect(self.show_fault)
        self._build()
        self.setWindowTitle(f"{path.name} - {words('app')}")
        self._watch = FolderWatch(path, parent=self)
        self._watch.changed.connect(self._on_snapshot)
        self._watch.failed.connect(self.show_fault)
        self.show_view(view)

    def _build(self) -> None:
        self.rail = Rail(self._theme, self._words)
        self.rail.chosen.connect(self.show_view)
        self.notice = Notice(self._theme, self._words)
        column = QVBoxLayout()
        column.setSpacing(0)
        column.addWidget(self.notice)
        row = QHBoxLayout()
        row.setSpacing(0)
        row.addWidget(self.map, 1)
        column.addLayout(row, 1)
        whole = QHBoxLayout()
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self.rail)
        whole.addLayout(column, 1)
        centre = QWidget()
        centre.setLayout(whole)
        self.setCentralWidget(centre)
        QShortcut(QKeySequence(Qt.Key.Key_Home), self, self.map.canvas.show_home)
        QShortcut(QKeySequence("+"), self, lambda: self.map.canvas.zoom(1.5))
        QShortcut(QKeySequence("="), self, lambda: self.map.canvas.zoom(1.5))
        QShortcut(QKeySequence("-"), self, lambda: self.map.canvas.zoom(1 / 1.5))
        for number, name in enumerate(VIEWS, start=1):
            QShortcut(QKeySequence(f"Ctrl+{number}"), self, lambda name=name: self.show_view(name))

    @property
    def ready(self) -> bool:
        """Whether the mission is read and every tile in view has come."""
        return self.snapshot is not None and self.map.ready

    def show_view(self, name: str) -> None:
        """Go to a workspace; the map keeps its place."""
        self._view = name
        self.rail.check(name)
        self.map.set_states(self._states[name])

    def set_states(self, states: tuple[LayerState, ...]) -> None:
        """The switches of this workspace's layers."""
        self._states[self._view] = states
        self.map.set_states(states)

    def show_fault(self, line: str) -> None:
        """One plain line in the bar."""
        self.notice.show_line(line)

    def _on_snapshot(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.map.show_snapshot(snapshot)
        for fault in snapshot.faults:
            self.show_fault(fault)

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802
        self._watch.close()
        self.map.clear()
        super().closeEvent(event)


class Rail(QFrame):
    """The five workspaces."""

    chosen = pyqtSignal(str)

    def __init__(self, theme: Theme, words: Words):
        super().__init__(objectName="rail")
        self.setFixedWidth(theme.sizes.rail)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, theme.sizes.gap, 0, theme.sizes.gap)
        layout.setSpacing(2)
        group = QButtonGroup(self)
        self._buttons: dict[str, QToolButton] = {}
        for number, name in enumerate(VIEWS, start=1):
            button = QToolButton(objectName="rail")
            button.setText(words(name))
            button.setIcon(icon(name, theme.colour("rail_ink"), theme.colour("surface"), 30))
            button.setIconSize(icon_size(30))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setCheckable(True)
            button.setFixedSize(theme.sizes.rail, 82)
            button.setToolTip(f"{words(name)} (Ctrl+{number})")
            button.clicked.connect(lambda _checked, name=name: self.chosen.emit(name))
            group.addButton(button)
            layout.addWidget(button)
            self._buttons[name] = button
        layout.addStretch(1)

    def check(self, name: str) -> None:
        """Mark a workspace as the present one."""
        self._buttons[name].setChecked(True)


class Notice(QFrame):
    """A bar with one line; hidden while there is nothing to say."""

    def __init__(self, theme: Theme, words: Words):
        super().__init__(objectName="notice")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme.sizes.pad, 0, theme.sizes.gap, 0)
        self._label = QLabel()
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout.addWidget(self._label, 1)
        close = QToolButton(objectName="plain")
        close.setFixedSize(theme.sizes.target, theme.sizes.target)
        close.setIcon(icon("close", theme.colour("bad")))
        close.setToolTip(words("close_notice"))
        close.clicked.connect(self.hide)
        layout.addWidget(close)
        self.hide()

    @property
    def line(self) -> str:
        """What it says."""
        return self._label.text()

    def show_line(self, line: str) -> None:
        """Say one line until it is closed."""
        self._label.setText(" ".join(line.split()))
        self._label.setToolTip(line)
        self.show()
