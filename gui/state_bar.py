"""The state of the vehicle in one line over the map, while a workspace is open that does not show it."""

from __future__ import annotations

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QWidget

from gui import plain
from gui.plain import VehicleNews
from gui.theme import Theme
from gui.widgets import label
from gui.words import Words

_PARTS = ("vehicle", "mode", "height", "speed", "battery", "gps", "age")
_BIG = ("mode", "height", "speed", "battery")
_GO_FIRST = ("vehicle", "gps", "age", "speed", "height")
"""What gives way where there is no room, unless something is wrong with it; mode and battery stay."""


class StateBar(QFrame):
    """Vehicle, mode, height, speed, battery, GPS, and how fresh all that is."""

    covers = pyqtSignal(int)  # pixels at the top of the map; 0 when it is away

    def __init__(self, theme: Theme, words: Words, parent: QWidget | None = None):
        super().__init__(parent, objectName="card")
        self._theme, self._words = theme, words
        self._wanted, self._speaks = True, False
        self._wrong: frozenset[str] = frozenset()
        self._room_px = 10_000
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme.sizes.pad, 10, theme.sizes.pad, 10)
        layout.setSpacing(theme.sizes.pad)
        self._parts: dict[str, QLabel] = {}
        for name in _PARTS:
            part = label("", "mission" if name in _BIG else "soft")
            layout.addWidget(part)
            self._parts[name] = part
        self.hide()

    @property
    def line(self) -> str:
        """All that it says where there is room."""
        return " | ".join(p.text() for p in self._parts.values() if p.text())

    def set_wanted(self, wanted: bool) -> None:
        """Whether the workspace wants it."""
        self._wanted = wanted
        self._place()

    def set_room(self, width_px: int) -> None:
        """How wide it may be."""
        if width_px != self._room_px:
            self._room_px = width_px
            self._fit()

    def say_nothing(self) -> None:
        """No link is open."""
        self._speaks = False
        self._place()

    def show_waiting(self) -> None:
        """Open, but nothing heard yet."""
        self._show(age=(self._words("connecting"), "warn"))

    def show_news(self, news: VehicleNews, age_s: float) -> None:
        """What a vehicle said."""
        w = self._words
        height = "" if news.alt_rel_m is None else w("m", v=f"{news.alt_rel_m:.0f}")
        speed = "" if news.groundspeed_mps is None else w("mps", v=f"{news.groundspeed_mps:.1f}")
        battery = "" if news.battery_percent is None else f"{news.battery_percent:.0f} %"
        fix = plain.fix_line(news.gps_fix, w)
        gps = "" if news.gps_fix is None else " ".join(f"GPS {news.satellites or ''} {fix}".split())
        self._show(
            vehicle=(w("vehicle", id=news.sysid), ""),
            mode=(f"{news.mode}  {w('armed' if news.armed else 'disarmed')}", "warn" if news.armed else ""),
            height=(height, ""),
            speed=(speed, ""),
            battery=(battery, plain.battery_tone(news.battery_percent)),
            gps=(gps, "bad" if (news.gps_fix or 0) < plain.GPS_3D else ""),
            age=plain.age_line(age_s, w),
        )

    def _show(self, **parts: tuple[str, str]) -> None:
        for name, part in self._parts.items():
            text, tone = parts.get(name, ("", ""))
            part.setText(text)
            part.setStyleSheet(f"color: {self._theme.colour(tone).name()};" if tone else "")
        self._wrong = frozenset(name for name, (_, tone) in parts.items() if tone in ("warn", "bad"))
        self._fit()
        self._speaks = True
        self._place()

    def _fit(self) -> None:
        shown = [name for name, part in self._parts.items() if part.text()]
        for name in _GO_FIRST:
            if (
                self._needed_px(shown) + self._theme.sizes.pad > self._room_px
                and name in shown
                and name not in self._wrong
            ):
                shown.remove(name)
        for name, part in self._parts.items():
            if part.isHidden() == (name in shown):
                part.setVisible(name in shown)
        self.adjustSize()

    def _needed_px(self, names: list[str]) -> int:
        return sum(self._parts[n].sizeHint().width() + self._theme.sizes.pad for n in names)

    def _place(self) -> None:
        shown = self._wanted and self._speaks
        if shown == self.isHidden():
            self.setVisible(shown)
            self.covers.emit(self.height() + self._theme.sizes.gap if shown else 0)
        if shown:
            self.raise_()
