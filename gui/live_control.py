"""Joins the live link with what shows it: the Fly panel, the symbols on the map and the state bar."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, pyqtSignal

from gui import plain
from gui.live import LiveLink
from gui.map_view import MapView
from gui.panels.fly import FlyPanel
from gui.plain import VehicleNews
from gui.state_bar import StateBar
from gui.theme import Theme
from gui.vehicle_item import VehicleOnMap
from gui.words import Words


class LiveControl(QObject):
    """Turns the pilot's wishes into calls on the link, and news into what is shown."""

    trouble = pyqtSignal(str)

    def __init__(
        self, link: LiveLink, panel: FlyPanel, map_view: MapView, theme: Theme, words: Words, parent: QObject
    ):
        super().__init__(parent)
        self._link, self._panel, self._map, self._theme = link, panel, map_view, theme
        self._on_map: dict[int, VehicleOnMap] = {}
        self._chosen: int | None = None
        self.bar = StateBar(theme, words, map_view)
        self.bar.installEventFilter(self)
        self.bar.move(theme.sizes.pad, theme.sizes.pad)
        panel.connect_wanted.connect(self.open)
        panel.disconnect_wanted.connect(link.close)
        panel.find_wanted.connect(self.find)
        panel.chosen.connect(self._choose)
        link.news.connect(self._on_news)
        link.opened.connect(lambda _url: self._refresh())
        link.ticked.connect(self._refresh)
        link.closed.connect(self._on_closed)
        link.trouble.connect(self.trouble)

    @property
    def vehicles(self) -> dict[int, VehicleOnMap]:
        """The symbols on the map, by vehicle number."""
        return self._on_map

    def open(self, url: str) -> None:
        """Listen at an address."""
        self._panel.address.setText(url)
        self._link.open(url)

    def close(self) -> None:
        """Stop listening and wait for the thread."""
        self._link.close(wait=True)

    def find(self) -> None:
        """Bring the chosen vehicle to the middle of the map."""
        shown = self._on_map.get(self._chosen) if self._chosen is not None else None
        if shown:
            self._map.canvas.centre_on(shown.place)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        kinds = (QEvent.Type.Show, QEvent.Type.Hide)
        if watched is self.bar and event is not None and event.type() in kinds:
            self._map.set_free_top(self.bar.height() + 8 if event.type() == QEvent.Type.Show else 0)
        return super().eventFilter(watched, event)

    def _choose(self, sysid: int) -> None:
        self._chosen = sysid
        self._refresh()

    def _on_news(self, news: VehicleNews) -> None:
        if self._chosen is None:
            self._chosen = news.sysid
        if news.lat_deg is not None and news.lon_deg is not None and self._map.frame is not None:
            if news.sysid not in self._on_map:
                scene = self._map.canvas.graphics_scene
                self._on_map[news.sysid] = VehicleOnMap(str(news.sysid), scene, self._theme)
            place = self._map.frame.scene_point(news.lat_deg, news.lon_deg)
            stale = self._link.age_s(news.sysid) >= plain.SILENT_S
            self._on_map[news.sysid].move(place, news.heading_deg, stale)
        if news.sysid == self._chosen:
            self._refresh()

    def _on_closed(self) -> None:
        for shown in self._on_map.values():
            shown.remove()
        self._on_map.clear()
        self._chosen = None
        self.bar.hide()
        self._panel.show_link(self._link, None)

    def _refresh(self) -> None:
        self._panel.show_link(self._link, self._chosen)
        news = next((v for v in self._link.vehicles if v.sysid == self._chosen), None)
        if news is not None:
            self.bar.show_news(news, self._link.age_s(news.sysid))
        elif self._link.is_open:
            self.bar.show_waiting(self._link.url)
