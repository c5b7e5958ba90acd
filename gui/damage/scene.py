"""Strokes, the preview of what they make, and the building in hand, on the canvas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import shapely
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QPainter, QPainterPath, QPen
from PyQt6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from gui import theme as themes
from gui.layers import class_colours
from gui.mapframe import MapFrame, path_of
from gui.overlay import LaidImage, Overlay
from gui.theme import Theme
from gui.tiles import colourise
from imagery.damage.legend import CLASSES, FIRST_OWN, Entry, Legend, own_colour
from missionctl.services.preview_worker import Shown
from missionctl.services.strokes import Strokes

_TOP = 850.0
_OPACITY = 0.55


@dataclass(frozen=True)
class Hint:
    """A place where more strokes would help most."""

    at: QPointF
    number: int


class DamageItem(Overlay):
    """Everything of the Damage workspace that is not a layer."""

    def __init__(self, theme: Theme):
        super().__init__()
        self._theme = theme
        self._strokes: tuple[tuple[QPainterPath, QColor, float], ...] = ()
        self._preview: LaidImage | None = None
        self._hints: tuple[Hint, ...] = ()
        self._in_hand = QPainterPath()
        self._only_hand = False
        self.setZValue(_TOP)

    def show_strokes(
        self, strokes: Strokes, frame: MapFrame, colour_of: Callable[[str], tuple[int, int, int]]
    ) -> None:
        """All strokes in the colours of their classes."""
        made = []
        for stroke in strokes.strokes:
            shape = frame.scene_geometry(stroke.geometry)
            path = path_of(shape)
            if shape.geom_type in ("Point", "MultiPoint"):
                for x, y in shapely.get_coordinates(shape):
                    path.moveTo(x, y)
                    path.lineTo(x + 0.01, y)
            made.append((path, QColor(*colour_of(stroke.name)), stroke.width_m or 0.6))
        self._strokes = tuple(made)
        self.update()

    def show_preview(self, shown: Shown | None, frame: MapFrame | None) -> None:
        """What the strokes make of a window; None clears it."""
        self._preview = None
        if shown is not None and frame is not None:
            self._preview = _laid(shown, frame)
        self.update()

    @property
    def has_preview(self) -> bool:
        """Whether a preview is seen."""
        return self._preview is not None

    def show_hints(self, hints: Sequence[Hint]) -> None:
        """Where to paint next."""
        self._hints = tuple(hints)
        self.update()

    def show_in_hand(self, shape: shapely.Geometry | None) -> None:
        """The building that is being graded, in scene coordinates."""
        self._in_hand = QPainterPath() if shape is None else path_of(shape)
        self.update()

    def show_only_hand(self, only: bool) -> None:
        """Whether strokes and places to paint are out of the way."""
        self._only_hand = only
        self.update()

    def paint(
        self, painter: QPainter | None, option: QStyleOptionGraphicsItem | None, widget: QWidget | None = None
    ) -> None:
        if painter is None:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        to_view = painter.worldTransform()
        if self._preview is not None:
            self._preview.draw(painter, _OPACITY)
        for path, colour, width_m in () if self._only_hand else self._strokes:
            wide = max(width_m, 3.0 / to_view.m11())
            for ink, extra in ((self._theme.colour("surface"), 3.0 / to_view.m11()), (colour, 0.0)):
                pen = QPen(ink, wide + extra)
                pen.setCapStyle(Qt.PenCapStyle.RoundCap)
                pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
                painter.setPen(pen)
                painter.drawPath(path)
        if not self._in_hand.isEmpty():
            for ink, width in (("casing", 8.0), ("zone", 4.0)):
                pen = QPen(self._theme.colour(ink), width)
                pen.setCosmetic(True)
                painter.setPen(pen)
                painter.drawPath(self._in_hand)
        painter.resetTransform()
        for hint in () if self._only_hand else self._hints:
            self._draw_hint(painter, to_view.map(hint.at), hint.number)
        painter.restore()

    def _draw_hint(self, painter: QPainter, at: QPointF, number: int) -> None:
        painter.setPen(QPen(self._theme.colour("surface"), 2.5))
        painter.setBrush(self._theme.colour("accent"))
        painter.drawEllipse(at, 15, 15)
        painter.setPen(self._theme.colour("surface"))
        painter.setFont(themes.font(self._theme, "text", bold=True))
        box = QRectF(at.x() - 15, at.y() - 15, 30, 30)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), str(number))
        painter.setBrush(Qt.BrushStyle.NoBrush)


def colour_of(name: str, legend: Legend) -> tuple[int, int, int]:
    """The colour of the class that a stroke's name means."""
    code = legend.code(name)
    return own_colour(FIRST_OWN) if code is None else legend[code].colour


def _laid(shown: Shown, frame: MapFrame) -> LaidImage | None:
    own: tuple[Entry, ...] = shown.legend[len(CLASSES) :]
    rgba = colourise(shown.classes, class_colours(Legend(own)))
    return LaidImage.of(rgba, [frame.scene_point(lat, lon) for lon, lat in shown.corners_deg])
