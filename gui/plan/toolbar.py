"""The tools of the Plan workspace, in a column at the left edge of the map, and the line that says what to do
with the one in hand."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QButtonGroup, QFrame, QLabel, QToolButton, QVBoxLayout, QWidget

from gui.icons import icon, icon_size
from gui.theme import Theme
from gui.widgets import rule
from gui.words import Words

TOOLS = ("select", "zone", "no_fly", "hole", "split", "launch", "measure")
ACTIONS = ("join", "delete", "undo", "redo")
_KEYS = {"select": "V", "zone": "Z", "no_fly": "N", "hole": "H", "split": "X", "launch": "P", "measure": "M"}


class PlanToolbar(QFrame):
    """One tool is in hand at a time; actions happen at once."""

    chosen = pyqtSignal(str)
    asked = pyqtSignal(str)

    def __init__(self, theme: Theme, words: Words, parent: QWidget):
        super().__init__(parent, objectName="card")
        self._buttons: dict[str, QToolButton] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(2)
        group = QButtonGroup(self)
        for name in (*TOOLS, *ACTIONS):
            if name == ACTIONS[0]:
                layout.addWidget(rule())
            button = QToolButton(objectName="tool")
            button.setText(words(f"tool_{name}"))
            button.setIcon(icon(f"tool_{name}", theme.colour("ink"), theme.colour("accent"), 24))
            button.setIconSize(icon_size(24))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setFixedSize(72, 50)
            key = _KEYS.get(name)
            button.setToolTip(f"{words(f'tool_{name}_how')}" + (f" ({key})" if key else ""))
            button.setAccessibleName(words(f"tool_{name}"))
            if name in TOOLS:
                button.setCheckable(True)
                group.addButton(button)
                button.clicked.connect(lambda _checked, name=name: self.chosen.emit(name))
            else:
                button.clicked.connect(lambda _checked, name=name: self.asked.emit(name))
            layout.addWidget(button)
            self._buttons[name] = button
        self.adjustSize()

    def button(self, name: str) -> QToolButton:
        """The button of a tool or action."""
        return self._buttons[name]

    def check(self, name: str) -> None:
        """Mark the tool in hand."""
        self._buttons[name].setChecked(True)

    def enable(self, **can: bool) -> None:
        """Which tools and actions make sense now."""
        for name, enabled in can.items():
            self._buttons[name].setEnabled(enabled)

    @staticmethod
    def key(name: str) -> str:
        """The key that takes a tool; empty when none does."""
        return _KEYS.get(name, "")


class HintLine(QLabel):
    """What to do with the tool in hand, at the top of the map."""

    def __init__(self, parent: QWidget):
        super().__init__("", parent)
        self.setObjectName("hint")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def say(self, text: str, wrong: bool = False) -> None:
        """One line; empty hides it."""
        self.setText(text)
        self.setProperty("wrong", wrong)
        style = self.style()
        if style is not None:
            style.unpolish(self)
            style.polish(self)
        self.adjustSize()
        self.setVisible(bool(text))
