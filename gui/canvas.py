"""The map: pan, zoom, raster layers drawn from tiles, and a report of what the pointer is over."""

from __future__ import annotations

import math

from PyQt6.QtCore import QPointF, QRect, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QMouseEvent, QPainter, QResizeEvent, QTransform, QWheelEvent
from PyQt6.QtWidgets import (
    QFrame,
    QGraphicsItem,
    QGraphicsScene,
    QGraphicsView,
    QStyleOptionGraphicsItem,
    QWidget,
)

from gui.map_tools import MapTool
from gui.theme import Theme
from gui.tiles import RasterSource, TileKey, TileLoader, level_for, tiles_over

_WHEEL_STEP = 1.0015  # per unit of angle delta: 1.2 a notch
_FINEST_MPP, _COARSEST_MPP = 0.005, 500.0
_PAN_SHARE = 0.2
_ANCESTORS = 6
_MAX_TILES = 400
_CLICK_PX = 3
_REACH_PX = 18
"""So near to a corner is on it: half of what a gloved finger covers."""


class RasterItem(QGraphicsItem):
    """A raster layer. Draws what is in memory, coarser tiles where the right ones have not come."""

    def __init__(self, source: RasterSource, bounds: QRectF, loader: TileLoader):
        super().__init__()
        self._source, self._bounds, self._loader = source, bounds, loader
        # without it exposedRect is the whole raster: all its tiles would be read, whatever is in view
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption)

    @property
    def source(self) -> RasterSource:
        """The file it shows."""
        return self._source

    def boundingRect(self) -> QRectF:  # noqa: N802 (Qt's name)
        return self._bounds

    def keys_in(self, view: QRectF, metres_per_px: float) -> list[TileKey]:
        """The tiles that a view of this scale needs."""
        part = view.intersected(self._bounds)
        if part.isEmpty():
            return []
        level = level_for(metres_per_px)
        keys = list(tiles_over(self._source, part, level))
        return keys if len(keys) <= _MAX_TILES else []

    def ready_in(self, view: QRectF, metres_per_px: float) -> bool:
        """Whether every tile that such a view needs has been read."""
        return all(self._loader.known(k) for k in self.keys_in(view, metres_per_px))

    def paint(
        self, painter: QPainter | None, option: QStyleOptionGraphicsItem | None, widget: QWidget | None = None
    ) -> None:
        if painter is None or option is None:
            return
        to_device = painter.worldTransform()
        ratio = painter.device().devicePixelRatioF() if painter.device() else 1.0
        keys = self.keys_in(option.exposedRect, 1.0 / (to_device.m11() * ratio))
        self._loader.want(self._source, keys)
        painter.save()
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._source.kind != "classes")
        painter.setClipRect(to_device.mapRect(self._bounds.intersected(option.exposedRect)))
        for key in keys:
            self._draw(painter, to_device, key)
        painter.restore()

    def _draw(self, painter: QPainter, to_device: QTransform, key: TileKey) -> None:
        target = _whole_pixels(to_device.mapRect(key.rect))
        image = self._loader.image(key)
        if image is not None:
            painter.drawImage(target, image)
            return
        if self._loader.known(key):
            return
        for steps in range(1, _ANCESTORS + 1):
            parent = key.parent(steps)
            image = self._loader.image(parent)
            if image is not None:
                scale = image.width() / parent.rect.width()
                offset = key.rect.topLeft() - parent.rect.topLeft()
                side = key.rect.width() * scale
                painter.drawImage(
                    QRectF(target), image, QRectF(offset.x() * scale, offset.y() * scale, side, side)
                )
                return


def _whole_pixels(rect: QRectF) -> QRect:
    """Edges on whole pixels, so that neighbours meet without a seam."""
    left, top = round(rect.left()), round(rect.top())
    return QRect(left, top, round(rect.right()) - left, round(rect.bottom()) - top)


class Canvas(QGraphicsView):
    """The view on the scene of the mission. Scene units are metres, x east, y south (see gui.mapframe)."""

    pointer_moved = pyqtSignal(QPointF)  # scene coordinates
    pointer_left = pyqtSignal()
    view_changed = pyqtSignal()
    clicked = pyqtSignal(QPointF)

    def __init__(self, theme: Theme, parent: QWidget | None = None):
        super().__init__(parent)
        self._home = QRectF(-500, -500, 1000, 1000)
        self._at_home = True
        self._pressed_at: QPointF | None = None
        self._margins = (0, 0, 0, 0)
        self._tool = MapTool()
        self._tool_drags = False
        scene = QGraphicsScene(self)
        scene.setItemIndexMethod(QGraphicsScene.ItemIndexMethod.NoIndex)
        self.setScene(scene)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setBackgroundBrush(theme.colour("map_ground"))
        self.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.FullViewportUpdate)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setResizeAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setDragMode(QGraphicsView.DragMode.NoDrag)
        self.setSceneRect(-1e7, -1e7, 2e7, 2e7)
        self.setMouseTracking(True)
        self._tool.changed.connect(self._redraw)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    @property
    def graphics_scene(self) -> QGraphicsScene:
        """The scene (never None here)."""
        scene = self.scene()
        assert scene is not None
        return scene

    @property
    def metres_per_px(self) -> float:
        """Metres that a device-independent pixel covers."""
        return 1.0 / self.transform().m11()

    @property
    def view_rect(self) -> QRectF:
        """What is in view, in scene coordinates."""
        viewport = self.viewport()
        assert viewport is not None
        return self.mapToScene(viewport.rect()).boundingRect()

    @property
    def tool(self) -> MapTool:
        """What the left button does."""
        return self._tool

    def set_tool(self, tool: MapTool) -> None:
        """Give the left button to a tool; a plain MapTool leaves it to the map."""
        self._tool.changed.disconnect(self._redraw)
        self._tool, self._tool_drags = tool, False
        tool.changed.connect(self._redraw)
        self.setCursor(tool.cursor)
        self._redraw()

    def _redraw(self) -> None:
        viewport = self.viewport()
        assert viewport is not None
        viewport.update()

    @property
    def reach_m(self) -> float:
        """How far from a thing a finger still means it, in metres."""
        return _REACH_PX * self.metres_per_px

    def set_home(self, rect: QRectF, margins: tuple[int, int, int, int]) -> None:
        """What "the whole mission" is; (left, top, right, bottom) pixels are kept free for what lies over
        the map."""
        changed = rect != self._home or margins != self._margins
        self._home, self._margins = rect, margins
        if self._at_home and changed:
            self.show_home()

    def show_home(self) -> None:
        """The whole mission in view."""
        viewport = self.viewport()
        assert viewport is not None
        left, top, right, bottom = self._margins
        width = max(viewport.width() - left - right, 50)
        height = max(viewport.height() - top - bottom, 50)
        scale = min(width / max(self._home.width(), 1.0), height / max(self._home.height(), 1.0))
        self._set_scale(scale)
        middle = QPointF((left + width / 2), (top + height / 2))
        self._move(self._home.center(), middle)
        self._at_home = True
        self.view_changed.emit()

    def centre_on(self, point: QPointF) -> None:
        """Bring a point to the middle, at the same scale."""
        viewport = self.viewport()
        assert viewport is not None
        self._move(point, QPointF(viewport.rect().center()))
        self._changed()

    def zoom(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom about a point of the view (its middle when none is given)."""
        viewport = self.viewport()
        assert viewport is not None
        at = at or QPointF(viewport.rect().center())
        fixed = self._scene_at(at)
        self._set_scale(self.transform().m11() * factor)
        self._move(fixed, at)
        self._changed()

    def _set_scale(self, scale: float) -> None:
        scale = min(max(scale, 1 / _COARSEST_MPP), 1 / _FINEST_MPP)
        self.setTransform(QTransform.fromScale(scale, scale))

    def _scene_at(self, place: QPointF) -> QPointF:
        inverse, _ = self.viewportTransform().inverted()
        return inverse.map(place)

    def _move(self, scene_point: QPointF, view_point: QPointF) -> None:
        """Scroll so that a scene point lies at a point of the view."""
        off = self.viewportTransform().map(scene_point) - view_point
        horizontal, vertical = self.horizontalScrollBar(), self.verticalScrollBar()
        assert horizontal is not None
        assert vertical is not None
        horizontal.setValue(horizontal.value() + round(off.x()))
        vertical.setValue(vertical.value() + round(off.y()))

    def _changed(self) -> None:
        self._at_home = False
        self.view_changed.emit()

    # ------------------------------------------------------------------ Qt's events

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802
        if event is not None:
            self.zoom(math.pow(_WHEEL_STEP, event.angleDelta().y()), event.position())
            event.accept()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        if event is None or event.button() != Qt.MouseButton.LeftButton:
            return
        self._pressed_at = event.position()
        self._dragged_px = 0.0
        self._tool_drags = self._tool.press(self._scene_at(event.position()), self.reach_m)
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        if event is None:
            return
        at = self._scene_at(event.position())
        if self._pressed_at is None:
            self._tool.hover(at, self.reach_m)
        else:
            step = event.position() - self._pressed_at
            self._dragged_px += abs(step.x()) + abs(step.y())
            if self._dragged_px > _CLICK_PX and self._tool_drags:
                self._tool.drag(at)
            elif self._dragged_px > _CLICK_PX:
                self.setCursor(Qt.CursorShape.ClosedHandCursor)
                self._move(self._scene_at(self._pressed_at), event.position())
                self._pressed_at = event.position()
                self._changed()
        self.pointer_moved.emit(self._scene_at(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        if event is None or self._pressed_at is None:
            return
        self._pressed_at = None
        self.setCursor(self._tool.cursor)
        at = self._scene_at(event.position())
        if self._tool_drags and self._dragged_px > _CLICK_PX:
            self._tool.release(at)
        elif self._dragged_px <= _CLICK_PX:
            self._tool.click(at, self.reach_m)
            self.clicked.emit(at)
        self._tool_drags = False

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._tool.double_click(self._scene_at(event.position()), self.reach_m)
            event.accept()

    def drawForeground(self, painter: QPainter | None, rect: QRectF) -> None:  # noqa: N802
        if painter is None:
            return
        painter.save()
        painter.resetTransform()
        self._tool.paint(painter, self.viewportTransform())
        painter.restore()

    def leaveEvent(self, event: object) -> None:  # noqa: N802
        self.pointer_left.emit()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        if event is None:
            return
        if self._tool.key(Qt.Key(event.key())):
            return
        view = self.view_rect
        steps = {
            Qt.Key.Key_Left: (-_PAN_SHARE, 0.0),
            Qt.Key.Key_Right: (_PAN_SHARE, 0.0),
            Qt.Key.Key_Up: (0.0, -_PAN_SHARE),
            Qt.Key.Key_Down: (0.0, _PAN_SHARE),
        }
        if event.key() in steps:
            dx, dy = steps[Qt.Key(event.key())]
            self.centre_on(view.center() + QPointF(dx * view.width(), dy * view.height()))
        else:
            event.ignore()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        super().resizeEvent(event)
        if self._at_home:
            self.show_home()
        else:
            self.view_changed.emit()
