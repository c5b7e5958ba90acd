"""The bar for faults: one plain line at a time; hidden while there is nothing to say."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton, QWidget

from gui.icons import icon
from gui.theme import Theme
from gui.widgets import label
from gui.words import Words


class Notice(QFrame):
    """Lines stand under the name of who says them, who can take them back. Closing one shows the next."""

    def __init__(self, theme: Theme, words: Words, parent: QWidget | None = None):
        super().__init__(parent, objectName="notice")
        self._words = words
        self._lines: dict[str, tuple[str, ...]] = {}
        self._closed: set[str] = set()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme.sizes.pad_wide - 4, 4, theme.sizes.gap, 4)
        self._label = label("", wrap=True)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout.addWidget(self._label, 1)
        self._more = QLabel()
        layout.addWidget(self._more)
        close = QToolButton(objectName="plain")
        close.setFixedSize(theme.sizes.target, theme.sizes.target)
        close.setIcon(icon("close", theme.colour("bad")))
        close.setToolTip(words("close_notice"))
        close.setAccessibleName(words("close_notice"))
        close.clicked.connect(lambda _checked: self.close_line())
        layout.addWidget(close)
        self.hide()

    @property
    def line(self) -> str:
        """What it says now; empty while it says nothing."""
        return self._open_lines()[0] if self._open_lines() else ""

    def say(self, who: str, *lines: str) -> None:
        """All that `who` has to say now, in place of what it said before; nothing takes it back."""
        given = tuple(" ".join(line.split()) for line in lines if line.strip())
        kept = {line for said in self._lines.values() for line in said}
        self._lines.pop(who, None)
        if given:
            self._lines = {who: given, **self._lines}  # the newest stands first
        self._closed &= {line for said in self._lines.values() for line in said} & kept
        self._show()

    def close_line(self) -> None:
        """The line in view has been read."""
        self._closed.update(self._open_lines()[:1])
        self._show()

    def _open_lines(self) -> Sequence[str]:
        lines = dict.fromkeys(line for said in self._lines.values() for line in said)
        return [line for line in lines if line not in self._closed]

    def _show(self) -> None:
        lines = self._open_lines()
        self.setVisible(bool(lines))
        self._label.setText(self.line)
        self._more.setText(self._words("more_lines", n=len(lines) - 1) if len(lines) > 1 else "")
        self._more.setToolTip("\n".join(lines[1:]))
