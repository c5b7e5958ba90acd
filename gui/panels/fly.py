"""Fly: connect, the vehicle big and readable, and the flights on record."""

from __future__ import annotations

import datetime as dt

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QLineEdit, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from gui.live import LiveLink
from gui.panels.vehicle_card import VehicleCard
from gui.snapshot import Snapshot, report_of
from gui.theme import Theme
from gui.widgets import Panel, clear_layout, label, restyle, row_of, section, two_lines
from gui.words import Words
from missionctl.geopackage import Feature

_FULL_WIDTH = str.maketrans("：．，／－０１２３４５６７８９", ":.,/-0123456789")
_USUAL = "udp:0.0.0.0:14550"


class FlyPanel(Panel):
    """Emits what the pilot wants; shows what the link hears. It watches: it sends the vehicle no command."""

    connect_wanted = pyqtSignal(str)
    disconnect_wanted = pyqtSignal()
    find_wanted = pyqtSignal()
    chosen = pyqtSignal(int)
    key_wanted = pyqtSignal()  # choose one, or go on without the one that is chosen

    def __init__(self, theme: Theme, words: Words):
        super().__init__(theme)
        self._words = words
        self._open = False
        self._flights = QVBoxLayout()
        self.address = QLineEdit(_USUAL)
        self.address.setPlaceholderText(_USUAL)
        self.address.setAccessibleName(words("connect_to"))
        self.address.returnPressed.connect(self._on_button)
        self.button = QPushButton(words("connect"), objectName="primary")
        self.button.clicked.connect(self._on_button)
        self.key_button = QPushButton()
        self.key_button.clicked.connect(lambda _checked: self.key_wanted.emit())
        # however long the file's name is, the panel keeps its width
        self.key_button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._name_px = theme.sizes.side // 3
        self.show_key("")
        self._title = label(words("connect_to"), "heading")
        self.status = label(words("not_connected"), "soft", wrap=True)
        self.vehicle = VehicleCard(theme, words)
        self.vehicle.find_wanted.connect(self.find_wanted)
        self.vehicle.chosen.connect(self.chosen)
        flights = QWidget()
        self._flights.setContentsMargins(0, 0, 0, 0)
        flights.setLayout(self._flights)
        row = row_of(self.address, self.button)
        self.fill([self._title, row, self.key_button, self.status, self.vehicle, flights])
        self.vehicle.hide()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """The flights on record, newest first."""
        clear_layout(self._flights)
        rows = [two_lines(*self._flight(f)) for f in reversed(snapshot.features["flights"])]
        rows = rows or [label(self._words("no_flights"), "soft")]
        self._flights.addWidget(section(self._words("flights"), *rows))

    def show_key(self, name: str) -> None:
        """The file of the key that the next connection signs with; "" for none."""
        w, button = self._words, self.key_button
        short = button.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, self._name_px)
        button.setText(w("key_drop", name=short) if name else w("key_choose"))
        button.setToolTip(name)

    def show_link(self, link: LiveLink, chosen: int | None) -> None:
        """Show the link as it stands; `chosen` is the vehicle to show."""
        w = self._words
        self._show_button(link.is_open)
        vehicles = {v.sysid: v for v in link.vehicles}
        news = vehicles.get(chosen) if chosen is not None else None
        self.vehicle.setVisible(news is not None)
        self._title.setVisible(news is None)
        self.key_button.setVisible(not link.is_open)
        self.status.setVisible(news is None)
        if news is not None:
            self.vehicle.show_news(news, link.age_s(news.sysid), tuple(sorted(vehicles)))
        elif link.is_open:
            self.status.setText(w("connecting_how", url=link.url))
        else:
            self.status.setText(w("not_connected"))

    def _show_button(self, is_open: bool) -> None:
        if is_open == self._open:
            return
        self._open = is_open
        self.button.setText(self._words("disconnect" if is_open else "connect"))
        self.button.setObjectName("" if is_open else "primary")
        restyle(self.button)
        self.address.setReadOnly(is_open)

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
        report = report_of(flight)
        name = flight_name(flight)
        if "photos_confirmed" not in report:
            return name, ""
        return name, w(
            "flight_line",
            time=w.duration(report.get("duration_s") or 0.0),
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
