"""What the left button does on the map: tools that draw, change and measure. A tool that is not concerned
lets the map be dragged, so a finger can always pan."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

from PyQt6.QtCore import QObject, QPointF, Qt, pyqtSignal
from PyQt6.QtGui import QPainter, QPen, QPolygonF, QTransform

from gui import theme as themes
from gui.theme import Theme
from gui.words import Words

_SAME_PLACE = 1e-9


class MapTool(QObject):
    """Does nothing: the map is dragged with the left button. Places are scene coordinates (metres)."""

    cursor = Qt.CursorShape.ArrowCursor
    hint = ""
    """What to do next, a key of the words; empty says nothing."""

    changed = pyqtSignal()  # it looks different now

    def press(self, at: QPointF, reach_m: float) -> bool:
        """The button goes down; True takes the drag away from the map."""
        del at, reach_m
        return False

    def drag(self, at: QPointF) -> None:
        """The pointer moves with the button down, after `press` took it."""

    def release(self, at: QPointF) -> None:
        """The button comes up, after `press` took it."""

    def click(self, at: QPointF, reach_m: float) -> None:
        """A click that was no drag."""

    def double_click(self, at: QPointF, reach_m: float) -> None:
        """The second of two quick clicks; the first came as a click."""

    def hover(self, at: QPointF, reach_m: float) -> None:
        """The pointer moves with no button down."""

    def key(self, key: Qt.Key) -> bool:
        """A key while the map has the keyboard; True when it was for the tool."""
        del key
        return False

    def paint(self, painter: QPainter, to_view: QTransform) -> None:
        """Draw over everything, in pixels of the view."""


class DrawTool(MapTool):
    """Draws a line or an area corner by corner. Enter, a double click or a click on the first corner ends it,
    Backspace takes the last corner back, Escape gives up."""

    cursor = Qt.CursorShape.CrossCursor
    drawn = pyqtSignal(list)  # list[QPointF]
    given_up = pyqtSignal()

    def __init__(self, theme: Theme, hint: str, closed: bool = True, colour: str = "zone"):
        super().__init__()
        self.hint = hint
        self._theme, self._closed, self._colour = theme, closed, colour
        self._corners: list[QPointF] = []
        self._pointer: QPointF | None = None

    @property
    def corners(self) -> Sequence[QPointF]:
        """What is drawn so far."""
        return tuple(self._corners)

    @property
    def _least(self) -> int:
        return 3 if self._closed else 2

    def click(self, at: QPointF, reach_m: float) -> None:
        if self._closed and len(self._corners) >= self._least and _near(at, self._corners[0], reach_m):
            self._end()
            return
        if not self._corners or not _near(at, self._corners[-1], _SAME_PLACE):
            self._corners.append(at)
        self.changed.emit()

    def double_click(self, at: QPointF, reach_m: float) -> None:
        if self._corners and not _near(at, self._corners[-1], reach_m):
            self._corners.append(at)
        self._end()

    def hover(self, at: QPointF, reach_m: float) -> None:
        del reach_m
        self._pointer = at
        if self._corners:
            self.changed.emit()

    def key(self, key: Qt.Key) -> bool:
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._end()
        elif key == Qt.Key.Key_Backspace and self._corners:
            self._corners.pop()
            self.changed.emit()
        elif key == Qt.Key.Key_Escape:
            self._corners.clear()
            self.given_up.emit()
        else:
            return False
        return True

    def _end(self) -> None:
        if len(self._corners) >= self._least:
            corners, self._corners = self._corners, []
            self.drawn.emit(corners)

    def paint(self, painter: QPainter, to_view: QTransform) -> None:
        if not self._corners:
            return
        places = [to_view.map(corner) for corner in self._corners]
        ahead = [to_view.map(self._pointer)] if self._pointer is not None else []
        colour = self._theme.colour(self._colour)
        for pen in (QPen(self._theme.colour("casing", 0.6), 5), QPen(colour, 2.5)):
            painter.setPen(pen)
            painter.drawPolyline(QPolygonF(places + ahead))
        if self._closed and len(places) + len(ahead) > 2:
            fill = self._theme.colour(self._colour, 0.18)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(fill)
            painter.drawPolygon(QPolygonF(places + ahead))
        handles(painter, self._theme, places, colour)


class PlaceTool(MapTool):
    """Puts one thing where the map is clicked."""

    cursor = Qt.CursorShape.CrossCursor
    placed = pyqtSignal(QPointF)
    given_up = pyqtSignal()

    def __init__(self, hint: str):
        super().__init__()
        self.hint = hint

    def click(self, at: QPointF, reach_m: float) -> None:
        del reach_m
        self.placed.emit(at)

    def key(self, key: Qt.Key) -> bool:
        if key != Qt.Key.Key_Escape:
            return False
        self.given_up.emit()
        return True


class MeasureTool(DrawTool):
    """Tells the length of what is drawn, leg by leg, and the area that it encloses. Another click after the
    end begins anew."""

    def __init__(self, theme: Theme, words: Words, true_length_m: Callable[[QPointF, QPointF], float]):
        super().__init__(theme, "hint_measure", closed=False, colour="vehicle")
        self._words, self._true_length_m = words, true_length_m
        self._done: list[QPointF] = []
        self.drawn.connect(self._keep)

    def click(self, at: QPointF, reach_m: float) -> None:
        self._done = []
        super().click(at, reach_m)

    def _keep(self, corners: list[QPointF]) -> None:
        self._done = corners
        self._pointer = None
        self.changed.emit()

    @property
    def length_m(self) -> float:
        """Of all that is drawn."""
        places = self._done or self._corners
        return sum(self._true_length_m(a, b) for a, b in itertools.pairwise(places))

    @property
    def area_m2(self) -> float:
        """Of the ring through all corners; 0 for fewer than three."""
        places = self._done or self._corners
        if len(places) < 3:
            return 0.0
        turned = zip(places, [*places[1:], places[0]], strict=True)
        return abs(sum(a.x() * b.y() - b.x() * a.y() for a, b in turned)) / 2

    def paint(self, painter: QPainter, to_view: QTransform) -> None:
        if self._done:
            places = [to_view.map(corner) for corner in self._done]
            for pen in (
                QPen(self._theme.colour("casing", 0.6), 5),
                QPen(self._theme.colour(self._colour), 2.5),
            ):
                painter.setPen(pen)
                painter.drawPolyline(QPolygonF(places))
            handles(painter, self._theme, places, self._theme.colour(self._colour))
        super().paint(painter, to_view)
        corners = self._done or self._corners
        if not corners:
            return
        length = self.length_m
        last = corners[-1]
        if self._pointer is not None and not self._done:
            length += self._true_length_m(last, self._pointer)
            last = self._pointer
        text = self._words.length(length)
        if self.area_m2:
            text += "   " + self._words.area(self.area_m2)
        tag(painter, self._theme, to_view.map(last) + QPointF(14, -14), text)


def handles(painter: QPainter, theme: Theme, places: Sequence[QPointF], colour: object) -> None:
    """Round handles on corners."""
    painter.setPen(QPen(theme.colour("casing"), 1.5))
    painter.setBrush(colour)  # type: ignore[arg-type]
    for place in places:
        painter.drawEllipse(place, 6.5, 6.5)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def tag(painter: QPainter, theme: Theme, at: QPointF, text: str) -> None:
    """A small label whose lower left corner lies at a place of the view."""
    used = themes.font(theme, "text", bold=True)
    width = themes.text_width(text, used) + 20
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.colour("surface", 0.94))
    x, y = round(at.x()), round(at.y() - 30)
    painter.drawRoundedRect(x, y, round(width), 30, 6, 6)
    painter.setPen(theme.colour("ink"))
    painter.setFont(used)
    painter.drawText(x, y, round(width), 30, int(Qt.AlignmentFlag.AlignCenter), text)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _near(a: QPointF, b: QPointF, reach_m: float) -> bool:
    return math.hypot(a.x() - b.x(), a.y() - b.y()) <= reach_m
