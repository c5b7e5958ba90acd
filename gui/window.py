"""The window: rail, side panel, map, layer panel, and the line for faults."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PyQt6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui.folder_watch import FolderWatch
from gui.icons import icon, icon_size
from gui.layer_panel import LayerPanel
from gui.layers import LayerState, states_for
from gui.live import LiveLink
from gui.live_control import LiveControl
from gui.map_view import MapView
from gui.panels.damage import DamagePanel
from gui.panels.fly import FlyPanel
from gui.panels.mapping import MapPanel
from gui.panels.plan import PlanPanel
from gui.snapshot import Snapshot
from gui.theme import Theme
from gui.widgets import label, rule
from gui.words import Words

VIEWS = ("plan", "fly", "map", "damage", "train")


class MissionWindow(QMainWindow):
    """One mission, five workspaces, one map."""

    open_wanted = pyqtSignal()

    def __init__(
        self, path: Path, theme: Theme, words: Words, view: str = "plan", link: LiveLink | None = None
    ):
        super().__init__()
        self._theme, self._words = theme, words
        self.snapshot: Snapshot | None = None
        self._states = {name: states_for(name) for name in VIEWS}
        self._view = view
        self.map = MapView(theme, words)
        self.map.fault.connect(self.show_fault)
        self._build()
        self.live = LiveControl(link or LiveLink(), self.fly, self.map, theme, words, self)
        self.live.trouble.connect(self.show_fault)
        self.setWindowTitle(f"{path.name} - {words('app')}")
        self._watch = FolderWatch(path, parent=self)
        self._watch.changed.connect(self._on_snapshot)
        self._watch.failed.connect(self.show_fault)
        self.show_view(view)
        self.map.canvas.setFocus()

    def _build(self) -> None:
        self.rail = Rail(self._theme, self._words)
        self.rail.chosen.connect(self.show_view)
        self.notice = Notice(self._theme, self._words)
        column = QVBoxLayout()
        column.setSpacing(0)
        column.addWidget(self.notice)
        row = QHBoxLayout()
        row.setSpacing(0)
        self.side = Side(self._theme, self._words)
        self.side.open_wanted.connect(self.open_wanted)
        self.fly = FlyPanel(self._theme, self._words)
        self.panels = {
            "plan": PlanPanel(self._theme, self._words),
            "fly": self.fly,
            "map": MapPanel(self._theme, self._words),
            "damage": DamagePanel(self._theme, self._words),
        }
        for panel in self.panels.values():
            self.side.stack.addWidget(panel)
        row.addWidget(self.side)
        row.addWidget(self.map, 1)
        self.layers = LayerPanel(self._theme, self._words, self.map)
        self.layers.changed.connect(self.set_states)
        self.map.layers_toggled.connect(self.toggle_layers)
        self.map.installEventFilter(self)
        self.layers.installEventFilter(self)
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
        QShortcut(QKeySequence("L"), self, self.toggle_layers)
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
        self.side.stack.setCurrentWidget(self.panels[name])
        self.map.set_states(self._states[name])
        self.layers.show_states(self._states[name], self.map.keys)

    def toggle_layers(self) -> None:
        """Show or hide the layer panel."""
        self.layers.setVisible(not self.layers.isVisible())
        self._place_layers()

    def _place_layers(self) -> None:
        gap = self._theme.sizes.pad
        self.layers.move(self.map.width() - self.layers.width() - gap, gap)
        self.map.set_free_right(self.layers.width() + gap if self.layers.isVisibleTo(self.map) else 0)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        if watched in (self.map, self.layers) and event is not None and event.type() == QEvent.Type.Resize:
            self._place_layers()
        return super().eventFilter(watched, event)

    def set_states(self, states: tuple[LayerState, ...]) -> None:
        """The switches of this workspace's layers."""
        self._states[self._view] = states
        self.map.set_states(states)

    def show_fault(self, line: str) -> None:
        """One plain line in the bar."""
        self.notice.show_line(line)

    def _on_snapshot(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.side.show_mission(snapshot.config.name, snapshot.config.place)
        for panel in self.panels.values():
            panel.show_snapshot(snapshot)
        self.map.show_snapshot(snapshot)
        self.layers.show_states(self._states[self._view], self.map.keys)
        self._place_layers()
        for fault in snapshot.faults:
            self.show_fault(fault)

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802
        self._watch.close()
        self.live.close()
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


class Side(QFrame):
    """The side panel: which mission this is, and the workspace's own panel."""

    open_wanted = pyqtSignal()

    def __init__(self, theme: Theme, words: Words):
        super().__init__(objectName="side")
        self.setFixedWidth(theme.sizes.side)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 1, 0)
        layout.setSpacing(0)
        head = QHBoxLayout()
        head.setContentsMargins(theme.sizes.pad_wide - 4, 14, theme.sizes.gap, 12)
        names = QVBoxLayout()
        names.setSpacing(0)
        self._name, self._place = label("", "mission"), label("", "small")
        names.addWidget(self._name)
        names.addWidget(self._place)
        head.addLayout(names, 1)
        button = QToolButton(objectName="plain")
        button.setFixedSize(theme.sizes.target, theme.sizes.target)
        button.setIcon(icon("folder", theme.colour("ink")))
        button.setIconSize(icon_size(theme.sizes.icon))
        button.setToolTip(words("open"))
        button.setAccessibleName(words("open"))
        button.clicked.connect(lambda _checked: self.open_wanted.emit())
        head.addWidget(button)
        layout.addLayout(head)
        layout.addWidget(rule())
        self.stack = QStackedWidget()
        layout.addWidget(self.stack, 1)

    def show_mission(self, name: str, place: str) -> None:
        """Name and place of the mission."""
        self._name.setText(name)
        self._place.setText(place)
        self._place.setVisible(bool(place))


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
