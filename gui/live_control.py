"""Joins the live link with what shows it: the Fly panel, the symbols on the map and the state bar."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QElapsedTimer, QObject, pyqtSignal
from PyQt6.QtWidgets import QFileDialog

from flight.station import PLAIN, StationSettings
from gui import plain
from gui.live import LiveLink
from gui.map_view import MapView
from gui.panels.fly import FlyPanel
from gui.plain import VehicleNews
from gui.state_bar import StateBar
from gui.theme import Theme
from gui.vehicle_item import VehicleOnMap
from gui.words import Words
from missionctl.services.signing import station_settings
from plans.errors import MissionError

_PATIENCE_MS = 15_000


class LiveControl(QObject):
    """Turns the pilot's wishes into calls on the link, and news into what is shown."""

    trouble = pyqtSignal(str)
    """Something is wrong with the link, in the language of the screen; "" when that is over."""
    key_chosen = pyqtSignal(object)
    """The file of the key to sign with from now on, or None. It is the station's, not the mission's."""

    def __init__(
        self, link: LiveLink, panel: FlyPanel, map_view: MapView, theme: Theme, words: Words, parent: QObject
    ):
        super().__init__(parent)
        self._link, self._panel, self._map = link, panel, map_view
        self._theme, self._words = theme, words
        self._settings: StationSettings = PLAIN
        self._key_file: Path | None = None
        self._allow_unsigned = False
        self._on_map: dict[int, VehicleOnMap] = {}
        self._chosen: int | None = None
        self._seen: set[int] = set()
        self._since = QElapsedTimer()
        self.bar = StateBar(theme, words, map_view)
        self.bar.covers.connect(map_view.set_free_top)
        self.bar.move(theme.sizes.pad, theme.sizes.pad)
        map_view.room_changed.connect(self.bar.set_room)
        map_view.frame_changed.connect(self._forget_symbols)
        panel.connect_wanted.connect(self.open)
        panel.disconnect_wanted.connect(link.close)
        panel.find_wanted.connect(self.find)
        panel.chosen.connect(self._choose)
        panel.key_wanted.connect(self._on_key_button)
        link.news.connect(self._on_news)
        link.opened.connect(lambda _url: self._refresh())
        link.ticked.connect(self._refresh)
        link.closed.connect(self._on_closed)
        link.trouble.connect(self._on_trouble)
        link.remark.connect(self._on_remark)

    @property
    def vehicles(self) -> dict[int, VehicleOnMap]:
        """The symbols on the map, by vehicle number."""
        return self._on_map

    @property
    def link(self) -> LiveLink:
        """The link that it shows."""
        return self._link

    def open(self, url: str, signed: bool = True) -> None:
        """Listen at an address, with the key where one is chosen; not `signed` for who has none."""
        self.trouble.emit("")
        self._panel.address.setText(url)
        self._since.start()
        self._link.open(url, self._settings if signed else PLAIN)

    def use_key(self, file: Path | None, allow_unsigned: bool = False) -> None:
        """Sign with the key of a file from the next connection on; None for no key. A file that is none is
        told, and what was chosen stays."""
        try:
            self._settings = PLAIN if file is None else station_settings(file, allow_unsigned)
        except MissionError as fault:
            self.trouble.emit(plain.fault_text(str(fault), self._words.language))
            return
        self._key_file, self._allow_unsigned = file, allow_unsigned
        self.key_chosen.emit(file)
        self._panel.show_key("" if file is None else file.name)

    def _on_key_button(self) -> None:
        if self._key_file is not None:
            self.use_key(None, self._allow_unsigned)
            return
        file, _ = QFileDialog.getOpenFileName(self._panel, self._words("key_choose"))
        if file:
            self.trouble.emit("")
            self.use_key(Path(file), self._allow_unsigned)

    @property
    def settled(self) -> bool:
        """Whether nothing new is to be waited for: no link, a vehicle seen, or nobody for long."""
        if not self._link.is_open or self._on_map:
            return True
        return self._since.elapsed() > _PATIENCE_MS

    def close(self) -> None:
        """Stop listening and wait for the thread."""
        self._link.close(wait=True)

    def find(self) -> None:
        """Bring the chosen vehicle to the middle of the map."""
        shown = self._on_map.get(self._chosen) if self._chosen is not None else None
        if shown:
            self._map.canvas.centre_on(shown.place)

    def set_view(self, name: str) -> None:
        """The Fly panel shows the vehicle big; elsewhere the bar does."""
        self.bar.set_wanted(name != "fly")

    def _choose(self, sysid: int) -> None:
        self._chosen = sysid
        self._refresh()

    def _on_news(self, news: VehicleNews) -> None:
        new = news.sysid not in self._seen
        self._seen.add(news.sysid)
        if self._chosen is None:
            self._chosen = news.sysid
            self.trouble.emit("")
        place = plain.place_of(news)
        if place is not None:
            frame = self._map.frame_at(*place)
            if news.sysid not in self._on_map:
                scene = self._map.canvas.graphics_scene
                self._on_map[news.sysid] = VehicleOnMap(str(news.sysid), scene, self._theme)
            stale = self._link.age_s(news.sysid) >= plain.SILENT_S
            self._on_map[news.sysid].move(frame.scene_point(*place), news.heading_deg, stale)
        if new or news.sysid == self._chosen:
            self._refresh()

    def _on_trouble(self, line: str) -> None:
        line = line or self._words("link_ended", url=self._link.url)
        self.trouble.emit(plain.fault_text(line, self._words.language))

    def _on_remark(self, line: str) -> None:
        if self._link.vehicles or self._settings.key is not None:
            self.trouble.emit(plain.fault_text(line, self._words.language))
        # while nobody has been heard, the Fly panel says so already, and what to check: all but the key

    def _forget_symbols(self) -> None:
        for shown in self._on_map.values():
            shown.remove()
        self._on_map.clear()

    def _on_closed(self) -> None:
        self._forget_symbols()
        self._seen.clear()
        self._chosen = None
        self.bar.say_nothing()
        self._panel.show_link(self._link, None)

    def _refresh(self) -> None:
        self._panel.show_link(self._link, self._chosen)
        news = next((v for v in self._link.vehicles if v.sysid == self._chosen), None)
        if news is None:
            if self._link.is_open:
                self.bar.show_waiting()
            return
        age_s = self._link.age_s(news.sysid)
        self.bar.show_news(news, age_s)
        shown = self._on_map.get(news.sysid)
        if shown is not None:
            shown.set_stale(age_s >= plain.SILENT_S)
