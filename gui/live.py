"""The live link: news of vehicles from a listening thread, as signals in the main thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from gui.plain import VehicleNews
from missionctl.services.watching import watch
from plans.errors import MissionError

_TICK_MS = 500


class Watcher(Protocol):
    """Something that listens until it is closed."""

    def pulse(self) -> None: ...
    def close(self) -> None: ...


StartWatch = Callable[[str, Callable[[VehicleNews], None], Callable[[str], None]], Watcher]


class LiveLink(QObject):
    """Listens at one address at a time and keeps the newest news of each vehicle.

    `ticked` comes twice a second while listening, so that ages grow on the screen when a vehicle is silent.
    """

    opened = pyqtSignal(str)
    closed = pyqtSignal()
    news = pyqtSignal(object)
    trouble = pyqtSignal(str)
    ticked = pyqtSignal()
    _heard = pyqtSignal(object, int)
    _grumbled = pyqtSignal(str, int)

    def __init__(
        self,
        start: StartWatch = watch,
        clock: Callable[[], float] = time.monotonic,
        parent: QObject | None = None,
    ):
        super().__init__(parent)
        self._start, self._clock = start, clock
        self._watcher: Watcher | None = None
        self._session = 0
        self._newest: dict[int, tuple[VehicleNews, float]] = {}
        self.url = ""
        self._heard.connect(self._on_heard)
        self._grumbled.connect(self._on_grumbled)
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._tick)

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._watcher is not None

    @property
    def vehicles(self) -> list[VehicleNews]:
        """The newest news of each vehicle, by number."""
        return [self._newest[n][0] for n in sorted(self._newest)]

    def age_s(self, sysid: int) -> float:
        """How long a vehicle has been silent."""
        news, came_s = self._newest[sysid]
        return news.age_s + self._clock() - came_s

    def open(self, url: str) -> None:
        """Listen at an address; a link that is open is closed first."""
        self.close()
        self._session += 1
        session = self._session
        try:
            self._watcher = self._start(
                url,
                lambda news: self._heard.emit(news, session),
                lambda line: self._grumbled.emit(line, session),
            )
        except (MissionError, OSError) as error:
            self.trouble.emit(str(error))
            return
        self.url = url
        self._timer.start()
        self.opened.emit(url)

    def close(self, wait: bool = False) -> None:
        """Stop listening. The thread ends in its own time unless `wait`."""
        if self._watcher is None:
            return
        watcher, self._watcher = self._watcher, None
        self._session += 1
        self._newest.clear()
        self._timer.stop()
        if wait:
            watcher.close()
        else:
            threading.Thread(target=watcher.close, name="close link", daemon=True).start()
        self.closed.emit()

    def _on_heard(self, news: VehicleNews, session: int) -> None:
        if session == self._session and self._watcher is not None:
            self._newest[news.sysid] = (news, self._clock())
            self.news.emit(news)

    def _on_grumbled(self, line: str, session: int) -> None:
        if session == self._session:
            self.trouble.emit(line)

    def _tick(self) -> None:
        if self._watcher is not None:
            self._watcher.pulse()
        self.ticked.emit()
