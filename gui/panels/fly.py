"""Fly: connect, the vehicle big and readable, what it says in plain words, and flown flights."""

from __future__ import annotations

import datetime as dt
import json

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from gui import plain
from gui.live import LiveLink
from gui.plain import Alert, VehicleNews
from gui.snapshot import Snapshot
from gui.theme import Theme
from gui.widgets import Figure, FigureGrid, Panel, Rows, clear_layout, label, row_of, section
from gui.words import Words
from missionctl.geopackage import Feature

_MESSAGES = 6
_FULL_WIDTH = str.maketrans("：．，／－０１２３４５６７８９", ":.,/-0123456789")


class FlyPanel(Panel):
    """Emits what the pilot wants; shows what the link hears."""

    connect_wanted = pyqtSignal(str)
    disconnect_wanted = pyqtSignal()
    find_wanted = pyqtSignal()
    chosen = pyqtSignal(int)

    def __init__(self, theme: Theme, words: Words):
        super().__init__(theme)
        self._words = words
        self._open = False
        self._flights = QVBoxLayout()
        self.address = QLineEdit()
        self.address.setPlaceholderText("udp:0.0.0.0:14550")
        self.address.setText("udp:0.0.0.0:14550")
        self.address.setAccessibleName(words("connect_to"))
        self.address.returnPressed.connect(self._on_button)
        self.button = QPushButton(words("connect"), objectName="primary")
        self.button.clicked.connect(self._on_button)
        self.vehicle = VehicleCard(theme, words)
        self.vehicle.find_wanted.connect(self.find_wanted)
        self.vehicle.chosen.connect(self.chosen)
        self._status = label(words("not_connected"), "soft", wrap=True)
        self.fill([*self._connect_box(), self._status, self.vehicle, self._flights_box()])
        self.vehicle.hide()

    def _connect_box(self) -> list[QWidget]:
        row = row_of(self.address, self.button)
        return [label(self._words("connect_to"), "heading"), row]

    def _flights_box(self) -> QWidget:
        box = QWidget()
        self._flights.setContentsMargins(0, 0, 0, 0)
        box.setLayout(self._flights)
        return box

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """The flights on record, newest first."""
        clear_layout(self._flights)
        rows = [self._flight(f) for f in reversed(snapshot.features["flights"])]
        body = Rows(rows, self.theme) if rows else label(self._words("no_flights"), "soft")
        self._flights.addWidget(section(self._words("flights"), body))

    def show_link(self, link: LiveLink, chosen: int | None) -> None:
        """Show the link as it stands; `chosen` is the vehicle to show."""
        w = self._words
        if link.is_open != self._open:
            self._open = link.is_open
            self.button.setText(w("disconnect" if self._open else "connect"))
            self.button.setObjectName("" if self._open else "primary")
            style = self.button.style()
            if style is not None:
                style.unpolish(self.button)
                style.polish(self.button)
            self.address.setReadOnly(self._open)
        vehicles = {v.sysid: v for v in link.vehicles}
        news = vehicles.get(chosen) if chosen is not None else None
        self.vehicle.setVisible(news is not None)
        self._status.setVisible(news is None)
        if news is not None:
            self.vehicle.show_news(news, link.age_s(news.sysid), sorted(vehicles))
        elif link.is_open:
            self._status.setText(w("connecting_how", url=link.url))
        else:
            self._status.setText(w("not_connected"))

    def _on_button(self) -> None:
        if self._open:
            self.disconnect_wanted.emit()
            return
        address = self.address.text().translate(_FULL_WIDTH).strip()
        if address:
            self.address.setText(address)
            self.connect_wanted.emit(address)

    def _flight(self, flight: Feature) -> tuple[str, str]:
        w = self._words
        report = json.loads(flight.values["report_json"] or "{}")
        name = flight_name(flight)
        if "photos_confirmed" not in report:
            return name, ""
        return name, w(
            "flight_line",
            time=w.duration(report.get("duration_s", 0.0)),
            photos=report["photos_confirmed"],
            expected=report.get("photos_expected", "?"),
        )


def flight_name(flight: Feature) -> str:
    """When a flight began, in this machine's time zone."""
    started = flight.values["started_utc"]
    try:
        moment = dt.datetime.fromisoformat(str(started)).astimezone()
    except ValueError:
        return str(flight.values["flight_id"])
    return moment.strftime("%Y-%m-%d %H:%M")


class VehicleCard(QWidget):
    """One vehicle, readable from two metres."""

    find_wanted = pyqtSignal()
    chosen = pyqtSignal(int)

    def __init__(self, theme: Theme, words: Words):
        super().__init__()
        self._theme, self._words = theme, words
        self._shown: tuple[object, ...] = ()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.sizes.pad - 4)
        self._pick = QHBoxLayout()
        self._pick.setSpacing(theme.sizes.gap)
        layout.addLayout(self._pick)
        self._picked: tuple[list[int], int] = ([], 0)
        head = QHBoxLayout()
        self._name = label("", "kicker")
        self._age = label("", "good")
        head.addWidget(self._name)
        head.addStretch(1)
        head.addWidget(self._age)
        layout.addLayout(head)
        state = QHBoxLayout()
        self._mode = label("", "figure_large")
        self._armed = label("", "soft")
        state.addWidget(self._mode)
        state.addStretch(1)
        state.addWidget(self._armed)
        layout.addLayout(state)
        self.height_m = Figure("", words("height"), large=True)
        self.speed = Figure("", words("speed"), large=True)
        self.battery = Figure("", words("battery"), large=True)
        self.gps = Figure("", words("gps"), large=True)
        layout.addWidget(FigureGrid([self.height_m, self.speed, self.battery, self.gps], theme))
        self._mission = label("", "soft")
        layout.addWidget(self._mission)
        find = QPushButton(words("center_vehicle"))
        find.clicked.connect(lambda _checked: self.find_wanted.emit())
        layout.addWidget(find)
        self._alerts = QVBoxLayout()
        self._alerts.setSpacing(theme.sizes.gap)
        layout.addLayout(self._alerts)
        self._texts = label("", "", wrap=True)
        layout.addWidget(section(words("messages"), self._texts))

    def show_news(self, news: VehicleNews, age_s: float, all_ids: list[int]) -> None:
        """Show a vehicle; the others can be chosen by number."""
        w = self._words
        self._show_pick(all_ids, news.sysid)
        self._name.setText(w("vehicle", id=news.sysid))
        age, tone = plain.age_line(age_s, w)
        self._age.setText(age)
        self._age.setStyleSheet(f"color: {self._theme.colour(tone).name()};")
        self._mode.setText(news.mode)
        self._armed.setText(w("armed" if news.armed else "disarmed"))
        colour = self._theme.colour("warn" if news.armed else "ink_soft").name()
        self._armed.setStyleSheet(f"color: {colour}; font-weight: 600;")
        self.height_m.set_value("-" if news.alt_rel_m is None else w("m", v=f"{news.alt_rel_m:.0f}"))
        speed = news.groundspeed_mps
        self.speed.set_value("-" if speed is None else w("mps", v=f"{speed:.1f}"))
        percent = news.battery_percent
        charge = f"{percent:.0f} %" if percent is not None else None
        volts = f"{news.battery_v:.1f} V" if news.battery_v is not None else "-"
        self.battery.set_value(charge or volts, plain.battery_tone(percent))
        bad_fix = (news.gps_fix or 0) < plain.GPS_3D
        self.gps.set_value("-" if news.satellites is None else f"{news.satellites}", "bad" if bad_fix else "")
        seq = news.mission_seq
        parts = [plain.fix_line(news.gps_fix, w), w("mission_at", seq=seq) if seq is not None else ""]
        self._mission.setText("  ·  ".join(p for p in parts if p))
        self._show_alerts(plain.alerts(news, age_s, w))
        lines = [plain.plain_text(t, w.language) for t in reversed(news.status_texts[-_MESSAGES:])]
        self._texts.setText("\n".join(lines) if lines else w("no_messages"))

    def _show_pick(self, ids: list[int], chosen: int) -> None:
        if (ids, chosen) == self._picked:
            return
        self._picked = (ids, chosen)
        clear_layout(self._pick)
        if len(ids) < 2:
            return
        for sysid in ids:
            button = QPushButton(str(sysid), objectName="primary" if sysid == chosen else "")
            button.clicked.connect(lambda _checked, sysid=sysid: self.chosen.emit(sysid))
            self._pick.addWidget(button)

    def _show_alerts(self, alerts: list[Alert]) -> None:
        if tuple(alerts) == self._shown:
            return
        self._shown = tuple(alerts)
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
