"""What stands above the figures of the Damage panel: the palette to paint with, the building to be graded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QColor, QIcon, QPixmap
from PyQt6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QFrame,
    QGridLayout,
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
)

from gui.fields import NumberField
from gui.icons import icon, icon_size
from gui.theme import Theme
from gui.widgets import clear_layout, label, row_of
from gui.words import Words
from imagery.damage.legend import GRADES, Entry, Legend
from missionctl.services.strokes import same_class

WELL_PAINTED = 8
"""So many strokes of a class, far from each other, make a map worth reading (docs/damage.md)."""


class PaintBox(QFrame):
    """The palette."""

    class_chosen = pyqtSignal(str)
    erase_chosen = pyqtSignal()
    own_class = pyqtSignal(str)
    width_changed = pyqtSignal(float)
    preview_toggled = pyqtSignal(bool)
    undo_wanted = pyqtSignal()
    redo_wanted = pyqtSignal()
    map_wanted = pyqtSignal()
    stop_wanted = pyqtSignal()

    def __init__(self, theme: Theme, words: Words):
        super().__init__()
        self._theme, self._words = theme, words
        self._buttons: dict[str, QToolButton] = {}
        self._group = QButtonGroup(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.sizes.gap)
        layout.addWidget(label(words("paint"), "heading"))
        layout.addWidget(label(words("paint_how", n=WELL_PAINTED), "soft", wrap=True))
        self._palette = QGridLayout()
        self._palette.setSpacing(4)
        layout.addLayout(self._palette)
        self.own = QLineEdit()
        self.own.setPlaceholderText(words("own_class"))
        self.own.setAccessibleName(words("own_class"))
        self.own.returnPressed.connect(self._add_own)
        layout.addWidget(self.own)
        self.width_m = NumberField(
            words("brush_width"), words("unit_m"), theme, least=0.2, most=50, step=0.5, decimals=1
        )
        self.width_m.set_value(1.0)
        self.width_m.changed.connect(lambda value: self.width_changed.emit(float(value)))
        layout.addWidget(self.width_m)
        self.erase = self._tool("tool_delete", words("erase"), checkable=True)
        self.erase.clicked.connect(lambda _checked: self.erase_chosen.emit())
        self._group.addButton(self.erase)
        self.undo = self._tool("tool_undo", words("tool_undo_how"))
        self.undo.clicked.connect(lambda _checked: self.undo_wanted.emit())
        self.redo = self._tool("tool_redo", words("tool_redo_how"))
        self.redo.clicked.connect(lambda _checked: self.redo_wanted.emit())
        self.preview = QCheckBox(words("preview"))
        self.preview.setMinimumHeight(theme.sizes.target)
        self.preview.setChecked(True)
        self.preview.toggled.connect(self.preview_toggled)
        layout.addWidget(row_of(self.preview, self.erase, self.undo, self.redo, spacing=4))
        self.fault = label("", "soft", wrap=True)
        layout.addWidget(self.fault)
        self.make = QPushButton(words("make_map"), objectName="primary")
        self.make.clicked.connect(lambda _checked: self.map_wanted.emit())
        self.stop = QPushButton(words("stop_map"))
        self.stop.clicked.connect(lambda _checked: self.stop_wanted.emit())
        layout.addWidget(self.make)
        layout.addWidget(self.stop)
        self.show_work(False, can_map=False)

    def _tool(self, name: str, about: str, checkable: bool = False) -> QToolButton:
        button = QToolButton(objectName="map")
        button.setFixedSize(self._theme.sizes.target, self._theme.sizes.target)
        button.setIcon(icon(name, self._theme.colour("ink"), self._theme.colour("accent"), 22))
        button.setIconSize(icon_size(22))
        button.setToolTip(about)
        button.setAccessibleName(about)
        button.setCheckable(checkable)
        return button

    def _add_own(self) -> None:
        name = " ".join(self.own.text().split())
        if name:
            self.own.clear()
            self.own_class.emit(name)

    def show_classes(self, legend: Legend, counts: Mapping[str, int], chosen: str) -> None:
        """The classes, how often each is painted, and which one is in hand (empty: none)."""
        by_key = {e.key: e for e in legend.entries if e.code}
        painted: dict[str, int] = {}
        for name, count in counts.items():
            key = same_class(name, legend)
            painted[key] = painted.get(key, 0) + count
        keys = list(dict.fromkeys((*by_key, *painted, *([chosen] if chosen else []))))
        if keys != list(self._buttons):
            self._build(keys, by_key)
        for key, button in self._buttons.items():
            entry, count = by_key.get(key), painted.get(key, 0)
            name = entry.name(self._words.language).split(",")[0] if entry else key
            name = name.split("（")[0]
            button.setText(f"{name}  {count}" if count else name)
            button.setAccessibleName(f"{name} {count}")
            button.setChecked(key == chosen)

    def _build(self, keys: Sequence[str], entries: Mapping[str, Entry]) -> None:
        clear_layout(self._palette)
        self._buttons = {}
        for number, key in enumerate(keys):
            button = QToolButton(objectName="swatch")
            button.setCheckable(True)
            button.setFixedHeight(self._theme.sizes.target)
            button.setMinimumWidth(150)
            patch = QPixmap(18, 18)
            patch.fill(QColor(*entries[key].colour) if key in entries else QColor(0, 160, 150))
            button.setIcon(QIcon(patch))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.clicked.connect(lambda _checked, key=key: self.class_chosen.emit(key))
            self._group.addButton(button)
            self._palette.addWidget(button, number // 2, number % 2)
            self._buttons[key] = button

    def button(self, key: str) -> QToolButton:
        """The button of a class."""
        return self._buttons[key]

    def show_steps(self, can_undo: bool, can_redo: bool) -> None:
        """Whether there is something to take back or bring again."""
        self.undo.setEnabled(can_undo)
        self.redo.setEnabled(can_redo)

    def show_fault(self, line: str) -> None:
        """Why there is no preview."""
        self.fault.setText(line)
        self.fault.setVisible(bool(line))

    def show_work(self, working: bool, can_map: bool) -> None:
        """Whether the whole map is being made, or could be."""
        self.make.setVisible(not working)
        self.make.setEnabled(can_map)
        self.stop.setVisible(working)

    def drop_tool(self) -> None:
        """No class and no eraser is in hand."""
        self._group.setExclusive(False)
        for button in (*self._buttons.values(), self.erase):
            button.setChecked(False)
        self._group.setExclusive(True)


class GradeBox(QFrame):
    """The building that is to be graded: what the picture suggests, and the keys that decide."""

    begin = pyqtSignal()
    end = pyqtSignal()
    graded = pyqtSignal(str)
    skipped = pyqtSignal()

    def __init__(self, theme: Theme, words: Words):
        super().__init__()
        self._words = words
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.sizes.gap)
        self.start = QPushButton(words("grade_begin"))
        self.start.clicked.connect(lambda _checked: self.begin.emit())
        layout.addWidget(self.start)
        self._card = QFrame(objectName="softbox")
        card = QVBoxLayout(self._card)
        card.setContentsMargins(14, 12, 14, 12)
        card.setSpacing(6)
        self.title, self.about = label("", "heading", wrap=True), label("", "soft", wrap=True)
        card.addWidget(self.title)
        card.addWidget(self.about)
        self.buttons: dict[str, QPushButton] = {}
        for key, entry in enumerate((*GRADES[1:], GRADES[0]), 1):
            button = QPushButton(f"{key}   {entry.name(words.language)}", objectName="grade")
            button.setStyleSheet(f"border-left: 8px solid {entry.hex_colour}; text-align: left;")
            button.clicked.connect(lambda _checked, grade=entry.key: self.graded.emit(grade))
            card.addWidget(button)
            self.buttons[entry.key] = button
        self.skip, self.done = QPushButton(words("grade_skip")), QPushButton(words("grade_end"))
        self.skip.clicked.connect(lambda _checked: self.skipped.emit())
        self.done.clicked.connect(lambda _checked: self.end.emit())
        card.addWidget(row_of(self.skip, self.done))
        layout.addWidget(self._card)
        self._card.hide()

    def show_building(self, building: Mapping[str, Any] | None, left: int) -> None:
        """A building, and how many are left with it; None ends the grading."""
        self._card.setVisible(building is not None)
        self.start.setVisible(building is None)
        if building is None:
            return
        w = self._words
        self.title.setText(w("grade_building", id=building["id"], n=left))
        names = {e.key: e.name(w.language) for e in GRADES}
        lines = [
            w(
                "grade_suggested",
                grade=names.get(str(building["grade"]), str(building["grade"])),
                p=f"{100 * float(building['confidence'] or 0):.0f}",
            )
        ]
        if building.get("reason"):
            lines.append(str(building["reason"]))
        self.about.setText("\n".join(lines))
