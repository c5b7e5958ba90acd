"""Small pieces that the panels are made of: figures, headings, bars, tables, empty states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent
from PyQt6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from gui import theme as themes
from gui.snapshot import Snapshot
from gui.theme import Theme


def label(text: str, name: str = "", wrap: bool = False) -> QLabel:
    """A label of a style of the theme ("title", "heading", "soft", "small", "figure", ...)."""
    made = QLabel(text)
    made.setObjectName(name)
    made.setWordWrap(wrap)
    made.setTextFormat(Qt.TextFormat.PlainText)
    return made


def rule() -> QFrame:
    """A thin line across."""
    return QFrame(objectName="rule")


class Figure(QWidget):
    """A number with what it means under it. A large one has its unit beside it in a smaller type."""

    def __init__(self, value: str, caption: str, unit: str = "", large: bool = False):
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        self._value = label(value, "figure_large" if large else "figure")
        self._caption = caption
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self._value)
        if unit:
            row.addWidget(label(unit, "unit"), 0, Qt.AlignmentFlag.AlignBottom)
        row.addStretch(1)
        layout.addLayout(row)
        layout.addWidget(label(caption, "small", wrap=True))
        self.set_value(value)

    def set_value(self, value: str, tone: str = "") -> None:
        """Show another number; `tone` is "", "good", "warn" or "bad"."""
        self._value.setText(value)
        colour = themes.DAYLIGHT.colour(tone).name() if tone else ""
        self._value.setStyleSheet(f"color: {colour};" if colour else "")
        self.setAccessibleName(f"{value} {self._caption}")

    @property
    def value(self) -> str:
        """The number as shown."""
        return self._value.text()


class FigureGrid(QWidget):
    """Figures in columns of equal width."""

    def __init__(self, figures: Sequence[QWidget], theme: Theme, columns: int = 2):
        super().__init__()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(theme.sizes.pad)
        layout.setVerticalSpacing(theme.sizes.pad)
        for number, figure in enumerate(figures):
            layout.addWidget(figure, number // columns, number % columns, Qt.AlignmentFlag.AlignTop)
        for column in range(columns):
            layout.setColumnStretch(column, 1)


@dataclass(frozen=True)
class Share:
    """One line of a bar list."""

    name: str
    colour: tuple[int, int, int]
    share: float
    text: str


class ShareList(QWidget):
    """Names with a coloured bar and a figure: classes by area, buildings by grade."""

    _ROW_PX = 40

    def __init__(self, rows: Sequence[Share], theme: Theme):
        super().__init__()
        self._rows, self._theme = list(rows), theme
        self._font, self._bold = themes.font(theme), themes.font(theme, bold=True)
        self.setFixedHeight(self._ROW_PX * len(self._rows))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("; ".join(f"{r.name} {r.text}" for r in self._rows))

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        most = max((r.share for r in self._rows), default=0.0) or 1.0
        width = float(self.width())
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for number, row in enumerate(self._rows):
            top = number * self._ROW_PX
            painter.setPen(self._theme.colour("ink"))
            painter.setFont(self._font)
            painter.drawText(QRectF(0, top, width, 24), left, row.name)
            painter.setFont(self._bold)
            painter.drawText(QRectF(0, top, width, 24), right, row.text)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.colour("line"))
            painter.drawRoundedRect(QRectF(0, top + 26, width, 6), 3, 3)
            if row.share > 0:
                painter.setBrush(QColor(*row.colour))
                painter.drawRoundedRect(QRectF(0, top + 26, max(width * row.share / most, 6), 6), 3, 3)


class Rows(QWidget):
    """Names on the left, values on the right; a list of facts or a list with a second line."""

    def __init__(self, rows: Sequence[tuple[str, str]], theme: Theme):
        super().__init__()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(theme.sizes.pad)
        layout.setVerticalSpacing(theme.sizes.gap)
        layout.setColumnStretch(1, 1)
        for number, (name, value) in enumerate(rows):
            layout.addWidget(label(name, "soft"), number, 0, Qt.AlignmentFlag.AlignTop)
            right = label(value, "", wrap=True)
            right.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
            layout.addWidget(right, number, 1)


class Table(QWidget):
    """A table that fits its place: the first column takes the room, figures stand right."""

    def __init__(self, head: Sequence[str], rows: Sequence[Sequence[str]], theme: Theme):
        super().__init__()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(theme.sizes.gap + 4)
        layout.setVerticalSpacing(0)
        layout.setColumnStretch(0, 1)
        for column, text in enumerate(head):
            layout.addWidget(self._cell(text, column, "small"), 0, column)
        for number, row in enumerate(rows):
            line = 2 * number + 1
            layout.addWidget(rule(), line, 0, 1, len(head))
            for column, text in enumerate(row):
                cell = self._cell(text, column, "")
                cell.setMinimumHeight(36)
                layout.addWidget(cell, line + 1, column)
        layout.setRowMinimumHeight(0, 28)

    @staticmethod
    def _cell(text: str, column: int, name: str) -> QLabel:
        cell = label(text, name)
        side = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
        cell.setAlignment(side | Qt.AlignmentFlag.AlignVCenter)
        return cell


class Panel(QScrollArea):
    """The content of a workspace's side panel: a column that scrolls."""

    def __init__(self, theme: Theme):
        super().__init__()
        self.theme = theme
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inside = QWidget()
        self._column = QVBoxLayout(inside)
        side = theme.sizes.pad_wide - 4
        self._column.setContentsMargins(side, theme.sizes.pad, side, theme.sizes.pad_wide)
        self._column.setSpacing(theme.sizes.pad)
        self.setWidget(inside)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show what a mission folder holds now."""
        raise NotImplementedError

    def fill(self, widgets: Sequence[QWidget]) -> None:
        """Replace what is shown."""
        clear_layout(self._column)
        for widget in widgets:
            self._column.addWidget(widget)
        self._column.addStretch(1)


def clear_layout(layout: QLayout) -> None:
    """Remove everything from a layout."""
    while layout.count():
        item = layout.takeAt(0)
        widget = item.widget() if item else None
        if widget is not None:
            widget.hide()
            widget.deleteLater()


def restyle(widget: QWidget) -> None:
    """Let the style sheet look at a widget again whose object name has changed."""
    style = widget.style()
    if style is not None:
        style.unpolish(widget)
        style.polish(widget)


def empty(title: str, how: str) -> QWidget:
    """What stands where there is nothing yet: what is missing and how to get it."""
    box = QFrame(objectName="softbox")
    layout = QVBoxLayout(box)
    layout.setContentsMargins(16, 14, 16, 14)
    layout.setSpacing(6)
    layout.addWidget(label(title, "heading"))
    text = label(how, "soft", wrap=True)
    text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    layout.addWidget(text)
    return box


def section(title: str, *widgets: QWidget) -> QWidget:
    """A heading with a line above it and what belongs to it."""
    box = QWidget()
    layout = QVBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(12)
    layout.addWidget(rule())
    layout.addWidget(label(title, "heading"))
    for widget in widgets:
        layout.addWidget(widget)
    return box


def titled(kicker: str, title: str, below: str = "") -> QWidget:
    """The head of a panel: what kind of thing, its name, and a softer line under it."""
    box = QWidget()
    layout = QVBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(2)
    layout.addWidget(label(kicker, "kicker"))
    layout.addWidget(label(title, "title", wrap=True))
    if below:
        layout.addWidget(label(below, "soft", wrap=True))
    return box


def two_lines(first: str, second: str) -> QWidget:
    """A thing of a list with a softer line under it."""
    box = QWidget()
    layout = QVBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    layout.addWidget(label(first, wrap=True))
    if second:
        layout.addWidget(label(second, "soft", wrap=True))
    return box


def row_of(*widgets: QWidget, spacing: int = 8) -> QWidget:
    """Widgets side by side."""
    box = QWidget()
    layout = QHBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(spacing)
    for widget in widgets:
        layout.addWidget(widget)
    return box
