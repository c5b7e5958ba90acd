"""One vehicle, readable from two metres: state, what needs attention, four big figures, its own words."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from flight.plain_texts import plain_text
from gui import plain
from gui.plain import Alert, VehicleNews
from gui.theme import Theme
from gui.widgets import Figure, FigureGrid, clear_layout, label, section
from gui.words import Words

_MESSAGES = 6
_UNKNOWN = "–"


class VehicleCard(QWidget):
    """Shows the news of one vehicle; the others can be chosen by number."""

    find_wanted = pyqtSignal()
    chosen = pyqtSignal(int)

    def __init__(self, theme: Theme, words: Words):
        super().__init__()
        self._theme, self._words = theme, words
        self._alerts_shown: tuple[Alert, ...] = ()
        self._picked: tuple[Sequence[int], int] = ((), 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.sizes.pad - 4)
        self._pick = QHBoxLayout()
        self._pick.setSpacing(theme.sizes.gap)
        layout.addLayout(self._pick)
        self._name, self.age = label("", "kicker"), label("", "good")
        layout.addLayout(_ends(self._name, self.age))
        self.mode, self.armed = label("", "mode"), label("", "heading")
        self.doing = label("", "soft")
        state = QVBoxLayout()
        state.setSpacing(0)
        state.addWidget(self.mode)
        state.addLayout(_ends(self.doing, self.armed))
        layout.addLayout(state)
        self._alerts = QVBoxLayout()
        self._alerts.setSpacing(theme.sizes.gap)
        layout.addLayout(self._alerts)
        self.height_m = Figure("", words("height"), words("unit_m"), large=True)
        self.speed_mps = Figure("", words("speed"), words("unit_mps"), large=True)
        self.battery = Figure("", words("battery"), "%", large=True)
        self.gps = Figure("", words("gps"), large=True)
        figures = [self.height_m, self.speed_mps, self.battery, self.gps]
        layout.addWidget(FigureGrid(figures, theme))
        self.detail = label("", "soft", wrap=True)
        layout.addWidget(self.detail)
        find = QPushButton(words("center_vehicle"))
        find.clicked.connect(lambda _checked: self.find_wanted.emit())
        layout.addWidget(find)
        self.texts = label("", "", wrap=True)
        layout.addWidget(section(words("messages"), self.texts))

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """What needs attention, as shown."""
        return self._alerts_shown

    def show_news(self, news: VehicleNews, age_s: float, all_ids: Sequence[int]) -> None:
        """Show a vehicle among `all_ids`."""
        w = self._words
        self._show_pick(all_ids, news.sysid)
        self._name.setText(f"{w('vehicle', id=news.sysid)}  {news.autopilot}".strip())
        age, tone = plain.age_line(age_s, w)
        self.age.setText(age)
        self.age.setStyleSheet(f"color: {self._theme.colour(tone).name()};")
        self.mode.setText(news.mode or _UNKNOWN)
        self.doing.setText(plain.mode_line(news.mode, w))
        self.armed.setText(w("armed" if news.armed else "disarmed"))
        colour = self._theme.colour("warn" if news.armed else "ink_soft").name()
        self.armed.setStyleSheet(f"color: {colour};")
        self.height_m.set_value(_number(news.alt_rel_m, 0))
        self.speed_mps.set_value(_number(news.groundspeed_mps, 1))
        self.battery.set_value(_number(news.battery_percent, 0), plain.battery_tone(news.battery_percent))
        bad_fix = news.gps_fix is not None and news.gps_fix < plain.GPS_3D
        self.gps.set_value(_number(news.satellites, 0), "bad" if bad_fix else "")
        self.detail.setText(plain.detail_line(news, w))
        self._show_alerts(tuple(plain.alerts(news, age_s, w)))
        lines = [plain_text(t, w.language) for t in reversed(news.status_texts[-_MESSAGES:])]
        self.texts.setText("\n".join(lines) if lines else w("no_messages"))

    def _show_pick(self, ids: Sequence[int], chosen: int) -> None:
        if (ids, chosen) == self._picked:
            return
        self._picked = (ids, chosen)
        clear_layout(self._pick)
        if len(ids) < 2:
            return
        for sysid in ids:
            button = QPushButton(str(sysid), objectName="primary" if sysid == chosen else "")
            button.setAccessibleName(self._words("vehicle", id=sysid))
            button.clicked.connect(lambda _checked, sysid=sysid: self.chosen.emit(sysid))
            self._pick.addWidget(button)

    def _show_alerts(self, alerts: tuple[Alert, ...]) -> None:
        if alerts == self._alerts_shown:
            return
        self._alerts_shown = alerts
        clear_layout(self._alerts)
        for alert in alerts:
            self._alerts.addWidget(alert_box(alert))


def alert_box(alert: Alert) -> QFrame:
    """An alert with what to do."""
    box = QFrame(objectName=f"alert_{alert.tone}")
    layout = QVBoxLayout(box)
    layout.setContentsMargins(14, 10, 12, 10)
    layout.setSpacing(2)
    layout.addWidget(label(alert.title, "heading", wrap=True))
    layout.addWidget(label(alert.todo, "", wrap=True))
    return box


def _number(value: float | None, digits: int) -> str:
    if value is None:
        return _UNKNOWN
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _ends(left: QWidget, right: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.addWidget(left)
    row.addStretch(1)
    row.addWidget(right)
    return row
