"""The window of a mission: rail, side panel, map, layer panel, and the bar for faults."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PyQt6.QtWidgets import (
    QBoxLayout,
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui.damage.control import DamageControl
from gui.folder_watch import FolderWatch
from gui.icons import icon, icon_size
from gui.layer_panel import LayerPanel
from gui.layers import LayerState, legends_of, states_for
from gui.live import LiveLink
from gui.live_control import LiveControl
from gui.map_view import MapView
from gui.notice import Notice
from gui.panels.damage import DamagePanel
from gui.panels.fly import FlyPanel
from gui.panels.mapping import MapPanel
from gui.panels.plan import PlanPanel
from gui.panels.train import TrainPanel
from gui.plan.control import PlanControl
from gui.snapshot import Snapshot
from gui.theme import Theme
from gui.training import SimProcess
from gui.training_control import TrainingControl
from gui.widgets import Panel, label, rule
from gui.words import Words

_Box = TypeVar("_Box", bound=QBoxLayout)
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
        self._unreadable = False
        self._states = {name: states_for(name) for name in VIEWS}
        self._view = view
        self.map = MapView(theme, words)
        self.notice = Notice(theme, words)
        self.map.faults_changed.connect(lambda lines: self.notice.say("map", *lines))
        self._build()
        self.live = LiveControl(link or LiveLink(), self.fly, self.map, theme, words, self)
        self.live.trouble.connect(lambda line: self.notice.say("link", line))
        self.training = TrainingControl(SimProcess(parent=self), self.train, self.live, words, self)
        self.training.trouble.connect(lambda line: self.notice.say("training", line))
        self.planning = PlanControl(path, self.plan, self.map, theme, words, self)
        self.planning.trouble.connect(lambda line: self.notice.say("plan", line))
        self.damaging = DamageControl(path, self.damage, self.map, theme, words, self)
        self.damaging.trouble.connect(lambda line: self.notice.say("damage", line))
        self.setWindowTitle(f"{path.name} - {words('app')}")
        self._watch = FolderWatch(path, parent=self)
        self._watch.changed.connect(self._on_snapshot)
        self.damaging.folder_changed.connect(self._watch.look)
        self._watch.failed.connect(self._on_unreadable)
        self.show_view(view)
        self.map.canvas.setFocus()

    def _build(self) -> None:
        theme, words = self._theme, self._words
        self.rail = Rail(theme, words)
        self.rail.chosen.connect(self.show_view)
        self.side = Side(theme, words)
        self.side.open_wanted.connect(self.open_wanted)
        self.plan, self.damage = PlanPanel(theme, words), DamagePanel(theme, words)
        self.fly, self.train = FlyPanel(theme, words), TrainPanel(theme, words)
        self.panels: dict[str, Panel] = {
            "plan": self.plan,
            "fly": self.fly,
            "map": MapPanel(theme, words),
            "damage": self.damage,
            "train": self.train,
        }
        for panel in self.panels.values():
            self.side.stack.addWidget(panel)
        self.layers = LayerPanel(theme, words, self.map)
        self.layers.changed.connect(self.set_states)
        self.layers.grown.connect(self._place_layers)
        self.map.layers_toggled.connect(self.toggle_layers)
        self.map.resized.connect(self._place_layers)
        row = _tight(QHBoxLayout())
        row.addWidget(self.side)
        row.addWidget(self.map, 1)
        column = _tight(QVBoxLayout())
        column.addWidget(self.notice)
        column.addLayout(row, 1)
        whole = _tight(QHBoxLayout())
        whole.addWidget(self.rail)
        whole.addLayout(column, 1)
        centre = QWidget()
        centre.setLayout(whole)
        self.setCentralWidget(centre)
        self._add_keys()

    def _add_keys(self) -> None:
        canvas = self.map.canvas
        QShortcut(QKeySequence(Qt.Key.Key_Home), self, canvas.show_home)
        QShortcut(QKeySequence("L"), self, self.toggle_layers)
        QShortcut(QKeySequence("+"), self, lambda: canvas.zoom(1.5))
        QShortcut(QKeySequence("="), self, lambda: canvas.zoom(1.5))
        QShortcut(QKeySequence("-"), self, lambda: canvas.zoom(1 / 1.5))
        QShortcut(QKeySequence.StandardKey.Open, self, self.open_wanted.emit)
        for number, name in enumerate(VIEWS, start=1):
            QShortcut(QKeySequence(f"Ctrl+{number}"), self, lambda name=name: self.show_view(name))

    @property
    def waiting_for(self) -> str:
        """What has not come yet: mission, tiles, a vehicle that was called; empty when all has."""
        if self._unreadable:
            return ""
        if self.snapshot is None:
            return "mission"
        if not self.map.ready:
            return "tiles"
        if self.planning.waiting or self.damaging.waiting:
            return "work"
        return "" if self.live.settled else "vehicle"

    @property
    def ready(self) -> bool:
        """Whether all that is to be seen has come."""
        return not self.waiting_for

    @property
    def view(self) -> str:
        """The workspace that is open."""
        return self._view

    @property
    def states(self) -> tuple[LayerState, ...]:
        """The layers of this workspace, bottom first."""
        return self._states[self._view]

    def show_view(self, name: str) -> None:
        """Go to a workspace; the map keeps its place."""
        self._view = name
        self.rail.check(name)
        self.side.stack.setCurrentWidget(self.panels[name])
        self.live.set_view(name)
        self.map.hide_layers(frozenset())  # the workspace says what it draws itself
        self.planning.set_view(name)
        self.damaging.set_view(name)
        self.planning.set_states(self.states)
        self.map.set_states(self.states)
        self.layers.show_states(self.states, self.map.keys)

    def toggle_layers(self) -> None:
        """Show or hide the layer panel."""
        self.layers.setVisible(not self.layers.isVisible())
        self._place_layers()

    def _place_layers(self) -> None:
        gap = self._theme.sizes.pad
        self.layers.fit(max(self.map.height() - 2 * gap, 2 * self._theme.sizes.target))
        self.layers.move(self.map.width() - self.layers.width() - gap, gap)
        self.map.set_free_right(self.layers.width() + gap if self.layers.isVisibleTo(self.map) else 0)

    def set_states(self, states: tuple[LayerState, ...]) -> None:
        """The switches of this workspace's layers."""
        self._states[self._view] = states
        self.planning.set_states(states)
        self.map.set_states(states)

    def show_fault(self, line: str) -> None:
        """One plain line in the bar."""
        self.notice.say("program", line)

    def _on_snapshot(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._unreadable = False
        self.notice.say("folder", *snapshot.faults)
        self.side.show_mission(snapshot.config.name, snapshot.config.place)
        for panel in self.panels.values():
            panel.show_snapshot(snapshot)
        self.training.set_mission(snapshot)
        self.planning.show_snapshot(snapshot)
        self.damaging.show_snapshot(snapshot)
        self.map.show_snapshot(snapshot)
        self.layers.set_legends(legends_of(snapshot))
        self.layers.show_states(self.states, self.map.keys)

    def _on_unreadable(self, line: str) -> None:
        self._unreadable = True
        self.notice.say("folder", line)

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802
        self._watch.close()
        self.training.close()
        self.live.close()
        self.planning.close()
        self.damaging.close()
        self.map.clear()
        super().closeEvent(event)


def _tight(layout: _Box) -> _Box:
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    return layout


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
