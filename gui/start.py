"""The page without a mission: open a folder, or one of the last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QKeySequence, QShortcut
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QMainWindow, QPushButton, QVBoxLayout, QWidget

from gui.notice import Notice
from gui.theme import Theme
from gui.widgets import label, rule
from gui.words import Words

_CARD_PX = 620
_SHOWN = 5


class StartWindow(QMainWindow):
    """Says which folder to open."""

    open_wanted = pyqtSignal()
    folder_wanted = pyqtSignal(Path)

    def __init__(self, recent: Sequence[Path], theme: Theme, words: Words):
        super().__init__()
        self._words, self._theme = words, theme
        self.setWindowTitle(words("app"))
        self.notice = Notice(theme, words)
        card = QFrame(objectName="card")
        card.setFixedWidth(_CARD_PX)
        inside = QVBoxLayout(card)
        pad = theme.sizes.pad_wide
        inside.setContentsMargins(pad + 8, pad + 8, pad + 8, pad + 8)
        inside.setSpacing(theme.sizes.pad)
        inside.addWidget(label(words("start_title"), "title"))
        inside.addWidget(label(words("start_text"), "soft", wrap=True))
        self.open_button = QPushButton(words("open_folder"), objectName="primary")
        self.open_button.clicked.connect(lambda _checked: self.open_wanted.emit())
        row = QHBoxLayout()
        row.addWidget(self.open_button)
        row.addStretch(1)
        inside.addLayout(row)
        inside.addSpacing(theme.sizes.gap)
        inside.addWidget(rule())
        inside.addWidget(label(words("recent"), "heading"))
        self.recent = [self._recent_button(folder) for folder in recent[:_SHOWN]]
        for button in self.recent or [label(words("no_recent"), "soft")]:
            inside.addWidget(button)
        column = QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.notice)
        column.addStretch(2)
        column.addWidget(card, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(3)
        centre = QWidget(objectName="ground")
        centre.setLayout(column)
        self.setCentralWidget(centre)
        QShortcut(QKeySequence.StandardKey.Open, self, self.open_wanted.emit)

    @property
    def ready(self) -> bool:
        """Nothing more will come."""
        return True

    def show_fault(self, line: str) -> None:
        """One plain line in the bar."""
        self.notice.say("program", line)

    def _recent_button(self, folder: Path) -> QPushButton:
        there = (folder / "mission.toml").is_file()
        button = QPushButton(objectName="recent")
        button.setAccessibleName(str(folder))
        text = QVBoxLayout(button)
        text.setContentsMargins(self._theme.sizes.pad, 8, self._theme.sizes.pad, 8)
        text.setSpacing(0)
        where = str(folder.parent) if there else f"{folder.parent}  ·  {self._words('gone')}"
        for line in (label(folder.name, "heading" if there else "soft"), label(where, "small")):
            line.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            text.addWidget(line)
        button.setMinimumHeight(self._theme.sizes.row)  # the style sheet says it only once shown
        button.setEnabled(there)
        button.clicked.connect(lambda _checked: self.folder_wanted.emit(folder))
        return button
