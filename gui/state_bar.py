"""The state of the vehicle in one line over the map, whichever workspace is open."""

from __future__ import annotations

from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLayout, QWidget

from gui import plain
from gui.plain import VehicleNews
from gui.theme import Theme
from gui.widgets import label
from gui.words import Words


class StateBar(QFrame):
    """Vehicle, mode, height, speed, battery, GPS, and how fresh all that is."""

    def __init__(self, theme: Theme, words: Words, parent: QWidget | None = None):
        super().__init__(parent, objectName="card")
        self._theme, self._words = theme, words
        layout = QHBoxLayout(self)
        layout.setSizeConstraint(QLayout.SizeConstraint.SetFixedSize)
        layout.setContentsMargins(theme.sizes.pad, 10, theme.sizes.pad, 10)
        layout.setSpacing(theme.sizes.pad + 4)
        self._parts: dict[str, QLabel] = {}
        for name in ("vehicle", "mode", "height", "speed", "battery", "gps", "age"):
            part = label("", "mission" if name in ("mode", "height", "speed", "battery") else "soft")
            layout.addWidget(part)
            self._parts[name] = part
        self.hide()

    @property
    def line(self) -> str:
        """All that it says."""
        return " | ".join(p.text() for p in self._parts.values() if p.text())

    def show_waiting(self, url: str) -> None:
        """Open, but nothing heard yet."""
        self._show(age=(f"{self._words('connecting')}: {url}", "warn"))

    def show_news(self, news: VehicleNews, age_s: float) -> None:
        """What a vehicle said."""
        w = self._words
        height = "" if news.alt_rel_m is None else w("m", v=f"{news.alt_rel_m:.0f}")
        speed = "" if news.groundspeed_mps is None else w("mps", v=f"{news.groundspeed_mps:.1f}")
        battery = "" if news.battery_percent is None else f"{news.battery_percent:.0f} %"
        satellites = "" if news.satellites is None else f"{news.satellites} "
        gps = f"GPS {satellites}{plain.fix_line(news.gps_fix, w)}" if news.gps_fix is not None else ""
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
            part.setVisible(bool(text))
            part.setStyleSheet(f"color: {self._theme.colour(tone).name()};" if tone else "")
        self.show()
        self.raise_()
