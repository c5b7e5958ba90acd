"""The terrain under a sortie and the flight over it."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QWidget

from gui import theme as themes
from gui.theme import Theme
from gui.words import Words
from missionctl.services.plan_preview import Profile

_HEIGHT_PX = 132
_LEFT_PX, _BOTTOM_PX, _TOP_PX = 48, 24, 10


class ProfileView(QWidget):
    """Heights over distance, one sortie at a time."""

    def __init__(self, theme: Theme, words: Words):
        super().__init__()
        self._theme, self._words = theme, words
        self._profile: Profile | None = None
        self._number = 0
        self.setFixedHeight(_HEIGHT_PX)

    def show_profile(self, profile: Profile, number: int) -> None:
        """Show a sortie (numbers from 0)."""
        self._profile, self._number = profile, number
        gap = profile.flight_m - profile.ground_m
        least = float(np.nanmin(gap)) if np.isfinite(gap).any() else 0.0
        self.setAccessibleName(self._words("profile_about", n=number + 1, m=f"{least:.0f}"))
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        profile = self._profile
        if profile is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(_LEFT_PX, _TOP_PX, self.width() - _LEFT_PX - 2, _HEIGHT_PX - _BOTTOM_PX - _TOP_PX)
        both = np.concatenate([profile.flight_m, profile.ground_m])
        low, high = float(np.nanmin(both)), float(np.nanmax(both))
        room = max(high - low, 20.0) * 0.08
        low, high = low - room, high + room
        length = max(float(profile.distance_m[-1]), 1.0)
        x = area.left() + profile.distance_m / length * area.width()

        def y(heights: np.ndarray) -> np.ndarray:
            return area.bottom() - (heights - low) / (high - low) * area.height()

        ground = np.where(np.isfinite(profile.ground_m), profile.ground_m, low)
        under = [QPointF(a, b) for a, b in zip(x, y(ground), strict=True)]
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.colour("sample_mud", 0.75))
        painter.drawPolygon(QPolygonF([area.bottomLeft(), *under, area.bottomRight()]))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self._theme.colour("accent"), 2))
        painter.drawPolyline(QPolygonF([QPointF(a, b) for a, b in zip(x, y(profile.flight_m), strict=True)]))
        painter.setPen(QPen(self._theme.colour("line"), 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        self._label(painter, area, low + room, high - room, length)

    def _label(self, painter: QPainter, area: QRectF, low: float, high: float, length_m: float) -> None:
        painter.setPen(self._theme.colour("ink_soft"))
        painter.setFont(themes.font(self._theme, "text_small"))
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for height, top in ((high, area.top()), (low, area.bottom() - 18)):
            painter.drawText(QRectF(0, top, _LEFT_PX - 6, 18), int(right), f"{height:.0f}")
        row = QRectF(area.left(), area.bottom() + 4, area.width(), 18)
        painter.drawText(row, int(Qt.AlignmentFlag.AlignLeft), self._words("profile_axis"))
        painter.drawText(row, int(Qt.AlignmentFlag.AlignRight), self._words.length(length_m))
