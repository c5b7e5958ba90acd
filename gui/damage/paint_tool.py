"""The brush: a stroke follows the pointer, a click is a dab; the eraser takes whole strokes away."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QPointF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QPainter, QPen, QPolygonF, QTransform

from gui.map_tools import MapTool

_STEP_PX_SHARE = 0.25
"""A point of a stroke for each quarter of what a finger covers."""


class PaintTool(MapTool):
    """Paints with a width in metres."""

    cursor = Qt.CursorShape.CrossCursor
    painted = pyqtSignal(list)  # list[QPointF]; one point is a dab

    def __init__(self, colour: QColor, width_m: float):
        super().__init__()
        self._colour, self._width_m = colour, width_m
        self._places: list[QPointF] = []
        self._step_m = 0.0

    def press(self, at: QPointF, reach_m: float) -> bool:
        self._places, self._step_m = [at], _STEP_PX_SHARE * reach_m
        return True

    def drag(self, at: QPointF) -> None:
        if (at - self._places[-1]).manhattanLength() >= self._step_m:
            self._places.append(at)
            self.changed.emit()

    def release(self, at: QPointF) -> None:
        self._places.append(at)
        self._give()

    def click(self, at: QPointF, reach_m: float) -> None:
        del at, reach_m
        self._give()

    def _give(self) -> None:
        places, self._places = self._places, []
        if places:
            self.painted.emit(places)
        self.changed.emit()

    def paint(self, painter: QPainter, to_view: QTransform) -> None:
        if not self._places:
            return
        width = max(self._width_m * to_view.m11(), 3.0)
        pen = QPen(self._colour, width)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        places = QPolygonF([to_view.map(place) for place in self._places])
        if len(self._places) == 1:
            painter.drawPoint(places[0])
        else:
            painter.drawPolyline(places)


class EraseTool(MapTool):
    """Takes away the stroke that is clicked."""

    cursor = Qt.CursorShape.PointingHandCursor
    hit = pyqtSignal(int)

    def __init__(self, stroke_at: Callable[[QPointF, float], int | None]):
        super().__init__()
        self._stroke_at = stroke_at

    def click(self, at: QPointF, reach_m: float) -> None:
        found = self._stroke_at(at, reach_m)
        if found is not None:
            self.hit.emit(found)
