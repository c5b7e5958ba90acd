"""Train: the packaged scenarios; each can be started here and then flown."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import QTimer, pyqtSignal
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from gui.scenario_words import lesson_words
from gui.snapshot import Snapshot
from gui.theme import Theme
from gui.training import Lesson, packaged_lessons
from gui.widgets import Panel, empty, label, restyle, row_of, titled
from gui.words import Words

_PACES = (1.0, 2.0, 5.0)
_COPIED_MS = 1500


class TrainPanel(Panel):
    """Lists lessons; emits which one to start."""

    start_wanted = pyqtSignal(str, float)  # lesson, pace
    stop_wanted = pyqtSignal()

    def __init__(self, theme: Theme, words: Words, lessons: Sequence[Lesson] | None = None):
        super().__init__(theme)
        self._words = words
        self._run = ""
        self._no_world = empty(words("no_world"), words("no_world_how"))
        found = packaged_lessons() if lessons is None else lessons
        self.cards = {lesson.key: LessonCard(lesson, theme, words) for lesson in found}
        head = titled(words("train"), words("lessons"), words("lessons_text"))
        self.fill([head, self._no_world, *self.cards.values()])
        for key, card in self.cards.items():
            card.opened.connect(lambda key=key: self.open_card(key))
            card.start_wanted.connect(lambda pace, key=key: self.start_wanted.emit(key, pace))
            card.stop_wanted.connect(self.stop_wanted)
        self._has_world = False
        self._no_world.hide()
        if self.cards:
            self.open_card(next(iter(self.cards)))

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Lessons can be started where the mission has a simulated valley."""
        self._has_world = snapshot.world is not None
        self._no_world.setVisible(not self._has_world)
        self._refresh()

    def show_run(self, lesson: str, fly_command: str | None = None) -> None:
        """Which lesson runs, none when empty; `fly_command` once its vehicle is there.

        While one runs the others cannot be started and are put away.
        """
        self._run = lesson
        for key, card in self.cards.items():
            card.show_run(key == lesson, fly_command if key == lesson else None)
            card.setVisible(lesson in (key, ""))
        if lesson in self.cards:
            self.open_card(lesson)
        self._refresh()

    def open_card(self, key: str) -> None:
        """Show what one lesson is about; the others fold."""
        for name, card in self.cards.items():
            card.set_open(name == key)

    def _refresh(self) -> None:
        for card in self.cards.values():
            card.set_startable(self._has_world and not self._run)


class LessonCard(QFrame):
    """A lesson: its name, and unfolded what it is about, how fast it goes, and the button."""

    opened = pyqtSignal()
    start_wanted = pyqtSignal(float)
    stop_wanted = pyqtSignal()

    def __init__(self, lesson: Lesson, theme: Theme, words: Words):
        super().__init__(objectName="lesson")
        self._words = words
        self._runs = False
        name, about = lesson_words(lesson.key, lesson.name, lesson.about, words.language)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(1, 1, 1, 1)
        layout.setSpacing(0)
        self.head = QPushButton(name, objectName="lesson")
        self.head.clicked.connect(lambda _checked: self.opened.emit())
        layout.addWidget(self.head)
        self.body = QWidget()
        inside = QVBoxLayout(self.body)
        inside.setContentsMargins(theme.sizes.pad, 0, theme.sizes.pad, theme.sizes.pad)
        inside.setSpacing(theme.sizes.pad - 4)
        inside.addWidget(label(about, "", wrap=True))
        self._paces = QButtonGroup(self)
        self._pace_row = row_of(label(words("pace"), "soft"), *self._pace_buttons())
        inside.addWidget(self._pace_row)
        self.status = label("", "good", wrap=True)
        inside.addWidget(self.status)
        self.fly_box = FlyHow(theme, words)
        inside.addWidget(self.fly_box)
        self.button = QPushButton(words("start"), objectName="primary")
        self.button.clicked.connect(self._on_button)
        inside.addWidget(self.button)
        layout.addWidget(self.body)
        self.show_run(False, None)

    def _pace_buttons(self) -> list[QPushButton]:
        made = []
        for number, pace in enumerate(_PACES):
            button = QPushButton(self._words("pace_x", x=f"{pace:g}"), objectName="choice")
            button.setCheckable(True)
            button.setChecked(number == 0)
            self._paces.addButton(button, number)
            made.append(button)
        return made

    def set_open(self, is_open: bool) -> None:
        """Unfold or fold it."""
        self.body.setVisible(is_open)

    def set_startable(self, startable: bool) -> None:
        """Whether it can be started now."""
        self.button.setEnabled(self._runs or startable)

    def show_run(self, runs: bool, fly_command: str | None) -> None:
        """Whether it runs, and how to fly it once the vehicle is there (None before)."""
        w = self._words
        self._runs = runs
        there = fly_command is not None
        self.status.setText(w("sim_running" if there else "sim_starting") if runs else "")
        self.status.setVisible(runs)
        self.fly_box.show_command(fly_command or "")
        self._pace_row.setVisible(not runs)
        self.button.setText(w("stop" if runs else "start"))
        self.button.setObjectName("" if runs else "primary")
        restyle(self.button)

    def _on_button(self) -> None:
        if self._runs:
            self.stop_wanted.emit()
        else:
            self.start_wanted.emit(_PACES[max(self._paces.checkedId(), 0)])


class FlyHow(QWidget):
    """The command that flies the plan, to be copied into a terminal."""

    def __init__(self, theme: Theme, words: Words):
        super().__init__()
        self._words = words
        self._command = ""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.sizes.gap)
        layout.addWidget(label(words("sim_fly_how"), "soft"))
        self.command = label("", "code", wrap=True)
        layout.addWidget(self.command)
        self.copy = QPushButton(words("copy"))
        self.copy.clicked.connect(self._on_copy)
        self._copied = QTimer(self)
        self._copied.setSingleShot(True)
        self._copied.setInterval(_COPIED_MS)
        self._copied.timeout.connect(lambda: self.copy.setText(words("copy")))
        row = QHBoxLayout()
        row.addWidget(self.copy)
        row.addStretch(1)
        layout.addLayout(row)

    def show_command(self, command: str) -> None:
        """Show a command; an empty one hides all."""
        self._command = command
        # a zero-width space after each slash lets a long path break where it may
        self.command.setText(command.replace("/", "/\u200b"))
        self.setVisible(bool(command))

    def _on_copy(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self._command)
        self.copy.setText(self._words("copied"))
        self._copied.start()
