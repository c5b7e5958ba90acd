"""What a workspace draws over the layers of the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QPointF, QRectF
from PyQt6.QtGui import QImage, QPainter, QPainterPath, QPolygonF, QTransform
from PyQt6.QtWidgets import QGraphicsItem


class Overlay(QGraphicsItem):
    """An item that may draw anywhere and is hit by no click."""

    def boundingRect(self) -> QRectF:  # noqa: N802
        return QRectF(-1e7, -1e7, 2e7, 2e7)

    def shape(self) -> QPainterPath:
        return QPainterPath()


@dataclass(frozen=True)
class LaidImage:
    """An image that lies on the canvas, turned a little where its frame is another one."""

    image: QImage
    placed: QTransform

    @classmethod
    def of(cls, rgba: npt.NDArray[np.uint8], corners: Sequence[QPointF]) -> LaidImage | None:
        """RGBA (rows, columns, 4) by the places of its corners, the upper left first, clockwise; None where
        these enclose nothing."""
        rows, columns = rgba.shape[:2]
        pixels = [QPointF(0, 0), QPointF(columns, 0), QPointF(columns, rows), QPointF(0, rows)]
        placed = QTransform()
        if not QTransform.quadToQuad(QPolygonF(pixels), QPolygonF(corners), placed):
            return None
        data = np.ascontiguousarray(rgba).tobytes()
        image = QImage(data, columns, rows, 4 * columns, QImage.Format.Format_RGBA8888)
        return cls(image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied), placed)

    def draw(self, painter: QPainter, opacity: float) -> None:
        """Draw it in scene coordinates."""
        painter.save()
        painter.setTransform(self.placed, combine=True)
        painter.setOpacity(opacity)
        painter.drawImage(QRectF(0, 0, self.image.width(), self.image.height()), self.image)
        painter.restore()
