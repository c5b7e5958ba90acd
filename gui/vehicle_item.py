"""A vehicle on the map: a symbol that shows its heading, and the trail behind it."""

from __future__ import annotations

from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QPainter, QPainterPath, QPen, QPolygonF
from PyQt6.QtWidgets import (
    QGraphicsItem,
    QGraphicsPathItem,
    QGraphicsScene,
    QStyleOptionGraphicsItem,
    QWidget,
)

from gui import theme as themes
from gui.theme import Theme

_TRAIL_POINTS = 3000
_TRAIL_STEP_M = 1.0
_TOP = 1000.0


class VehicleItem(QGraphicsItem):
    """Always the same size on the screen."""

    _HALF_PX = 30.0

    def __init__(self, name: str, theme: Theme):
        super().__init__()
        self._name, self._theme = name, theme
        self._heading_deg: float | None = None
        self._stale = False
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemIgnoresTransformations)
        self.setZValue(_TOP)

    @property
    def heading_deg(self) -> float | None:
        """Where its nose points; None where it has not told."""
        return self._heading_deg

    @property
    def stale(self) -> bool:
        """Whether it shows an old place."""
        return self._stale

    def show_state(self, heading_deg: float | None, stale: bool) -> None:
        """Turn the symbol; a stale one is hollow."""
        self._heading_deg, self._stale = heading_deg, stale
        self.update()

    def boundingRect(self) -> QRectF:  # noqa: N802
        return QRectF(-self._HALF_PX, -self._HALF_PX, 2 * self._HALF_PX, 2 * self._HALF_PX + 14)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionGraphicsItem | None, widget: QWidget | None = None
    ) -> None:
        if painter is None:
            return
        body = self._theme.colour("vehicle")
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._theme.colour("surface"), 2.5))
        painter.setBrush(self._theme.colour("surface") if self._stale else body)
        if self._stale:
            painter.setPen(QPen(body, 3))
        if self._heading_deg is None:
            painter.drawEllipse(QPointF(0, 0), 11, 11)
        else:
            painter.rotate(self._heading_deg)
            painter.drawPolygon(
                QPolygonF([QPointF(0, -20), QPointF(14, 15), QPointF(0, 8), QPointF(-14, 15)])
            )
        painter.restore()
        if self._name:
            self._draw_name(painter)

    def _draw_name(self, painter: QPainter) -> None:
        used = themes.font(self._theme, "text_small", bold=True)
        width = themes.text_width(self._name, used) + 12
        box = QRectF(-width / 2, 24, width, 18)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.colour("ink", 0.85))
        painter.drawRoundedRect(box, 9, 9)
        painter.setPen(self._theme.colour("surface"))
        painter.setFont(used)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, self._name)


class VehicleOnMap:
    """Symbol and trail of one vehicle in a scene."""

    def __init__(self, name: str, scene: QGraphicsScene, theme: Theme):
        self._scene = scene
        self._points: list[QPointF] = []
        self.symbol = VehicleItem(name, theme)
        self._trail = QGraphicsPathItem()
        pen = QPen(theme.colour("vehicle", 0.8), 3)
        pen.setCosmetic(True)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        self._trail.setPen(pen)
        self._trail.setZValue(_TOP - 1)
        scene.addItem(self._trail)
        scene.addItem(self.symbol)

    @property
    def place(self) -> QPointF:
        """Where the symbol stands, scene coordinates."""
        return self.symbol.pos()

    def move(self, place: QPointF, heading_deg: float | None, stale: bool = False) -> None:
        """Put the symbol somewhere; the trail follows."""
        self.symbol.setPos(place)
        self.symbol.show_state(heading_deg, stale)
        if self._points:
            step = place - self._points[-1]
            if abs(step.x()) + abs(step.y()) < _TRAIL_STEP_M:
                return
        self.set_trail([*self._points[-_TRAIL_POINTS:], place])

    def set_stale(self, stale: bool) -> None:
        """Whether the place is an old one."""
        self.symbol.show_state(self.symbol.heading_deg, stale)

    def set_trail(self, points: list[QPointF]) -> None:
        """Replace the trail."""
        self._points = points
        path = QPainterPath()
        path.addPolygon(QPolygonF(points))
        self._trail.setPath(path)

    def remove(self) -> None:
        """Take both out of the scene."""
        self._scene.removeItem(self.symbol)
        self._scene.removeItem(self._trail)
