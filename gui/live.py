"""The live link: news of vehicles from a listening thread, as signals in the main thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from flight.links.link import parse_address
from flight.station import PLAIN, StationSettings
from missionctl.services.watching import VehicleNews, watch
from plans.errors import MissionError

_TICK_MS = 500


class Watcher(Protocol):
    """Something that listens until it is closed."""

    def pulse(self) -> None: ...
    def close(self) -> None: ...


StartWatch = Callable[[str, Callable[[VehicleNews], None], Callable[[str], None], StationSettings], Watcher]


class LiveLink(QObject):
    """Listens at one address at a time and keeps the newest news of each vehicle.

    `ticked` comes twice a second while listening, so that ages grow on the screen when a vehicle is silent.
    `trouble` says why a link is closed that nobody closed; `remark` is worth knowing, the link stays open.
    """

    opened = pyqtSignal(str)
    closed = pyqtSignal()
    news = pyqtSignal(object)
    trouble = pyqtSignal(str)
    remark = pyqtSignal(str)
    ticked = pyqtSignal()
    _heard = pyqtSignal(object, int)

    def __init__(
        self,
        start: StartWatch = watch,
        clock: Callable[[], float] = time.monotonic,
        parent: QObject | None = None,
    ):
        super().__init__(parent)
        self._start, self._clock = start, clock
        self._watcher: Watcher | None = None
        self._voice = _Voice()
        self._session = 0
        self._newest: dict[int, tuple[VehicleNews, float]] = {}
        self.url = ""
        self._heard.connect(self._on_heard)
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self.tick)

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

    def open(self, url: str, settings: StationSettings = PLAIN) -> None:
        """Listen at an address, with the key of the settings; a link that is open is closed first."""
        self.close()
        self._session += 1
        session, voice = self._session, _Voice()
        try:
            parse_address(url)
            self._watcher = self._start(
                url, lambda news: self._heard.emit(news, session), voice.say, settings
            )
        except (MissionError, OSError) as error:
            self.trouble.emit(str(error))
            return
        self._voice = voice
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

    def tick(self) -> None:
        """Keep the watcher awake and see what it has said."""
        if self._watcher is None:
            return
        self._watcher.pulse()
        line, ended = self._voice.take()
        if ended:
            self.close()
            self.trouble.emit(line)
            return
        if line:
            self.remark.emit(line)
        self.ticked.emit()

    def _on_heard(self, news: VehicleNews, session: int) -> None:
        if session == self._session and self._watcher is not None:
            self._newest[news.sysid] = (news, self._clock())
            self.news.emit(news)


class _Voice:
    """What the listening thread complains about. When the thread has ended since, nobody listens any more."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._thread: threading.Thread | None = None

    def say(self, line: str) -> None:
        """Called by the thread."""
        self._thread = threading.current_thread()
        self._lines.append(line)

    def take(self) -> tuple[str, bool]:
        """The newest line, told once, and whether its thread has ended."""
        ended = self._thread is not None and not self._thread.is_alive()
        line = ""
        while self._lines:
            line = self._lines.popleft()
        return line, ended
