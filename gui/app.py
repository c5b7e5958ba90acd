"""missionctl-gui: the desktop app. Exit code 0 done, 2 bad input (one line), 1 a bug."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PyQt6.QtCore import QElapsedTimer, QEvent, QLibraryInfo, QSize, QTimer, QTranslator
from PyQt6.QtWidgets import QApplication
from rasterio.errors import NotGeoreferencedWarning

from flight.signing.signatures import read_key
from gui import theme as themes
from gui.desk import AnyWindow, Desk
from gui.faults import BugCatcher
from gui.window import VIEWS, MissionWindow
from gui.words import LANGUAGES, Words
from missionctl.workspace import Workspace
from plans.errors import MissionError

_SCREENSHOT_LIMIT_MS = 120_000
_SETTLE_MS = 300
_WAKE_MS = 250


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `missionctl-gui`."""
    args = _arguments().parse_args(argv)
    try:
        code = run(args)
    except MissionError as fault:
        print(f"missionctl-gui: {' '.join(str(fault).split())}", file=sys.stderr)
        code = 2
    sys.exit(code)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="missionctl-gui", description="Drone missions and their maps.")
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="mission folder to open")
    parser.add_argument(
        "--connect", metavar="URL", help="listen for vehicles there, such as udp:0.0.0.0:14550"
    )
    parser.add_argument("--sign", type=Path, metavar="KEYFILE", help="sign with this key; hear who signs")
    parser.add_argument("--allow-unsigned", action="store_true", help="with --sign: hear others too")
    parser.add_argument("--view", choices=VIEWS, default="plan", help="workspace to begin with")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the screen")
    parser.add_argument("--screenshot", type=Path, metavar="FILE.png", help="save a picture and leave")
    parser.add_argument("--size", default="1600x1000", metavar="WxH", help="size of the window")
    return parser


def run(args: argparse.Namespace) -> int:
    """Open the window and stay until it is closed. Raises MissionError for a folder or a key that is none."""
    size = _size(args.size)
    # such a raster gets a line in the window; the terminal need not hear of it too
    warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
    if args.folder is not None:
        Workspace.open(args.folder)  # said before there is a window
    elif args.connect:
        raise MissionError("--connect shows vehicles on a mission's map; name its folder too")
    if args.sign is not None:
        read_key(args.sign)
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("missionctl")
    theme = replace(themes.DAYLIGHT, chinese=args.lang == "zh")
    themes.apply(theme, app)
    _translate_qt(app, args.lang)
    desk = Desk(theme, Words(args.lang), size, args.sign, args.allow_unsigned)
    catcher = BugCatcher(desk.tell_bug)
    sys.excepthook = catcher
    if args.folder is not None:
        window: AnyWindow = desk.open(args.folder, args.view)
    else:
        window = desk.show_start()
    if args.connect and isinstance(window, MissionWindow):
        window.live.open(args.connect)
    timer = _leave_on_signals(app)
    shot = _Screenshot(window, args.screenshot) if args.screenshot else None
    app.exec()
    timer.stop()
    desk.close()
    app.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # no window is left to Python's last clean-up
    if shot is not None:
        shot.raise_fault()
    return 1 if catcher.caught else 0


def _leave_on_signals(app: QApplication) -> QTimer:
    """Ctrl-C and SIGTERM close the window in good order, with what it has started.

    The handler only takes note: it may run in the middle of painting. The timer leaves, and wakes Python,
    which hears of a signal only while it runs.
    """
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    timer = QTimer(app)
    timer.timeout.connect(lambda: app.quit() if told.is_set() else None)
    timer.start(_WAKE_MS)
    return timer


def _translate_qt(app: QApplication, language: str) -> None:
    """Qt's own dialogs in the language of the screen."""
    translator = QTranslator(app)
    folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    if language == "zh" and translator.load("qtbase_zh_CN", folder):
        app.installTranslator(translator)


def _size(text: str) -> QSize:
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(p.isdigit() and 320 <= int(p) <= 16000 for p in parts):
        raise MissionError(f"--size {text}: give width and height in pixels, such as 1600x1000")
    return QSize(int(parts[0]), int(parts[1]))


class _Screenshot:
    """Waits until all that is in view has come, saves the window as a picture and ends the app."""

    def __init__(self, window: AnyWindow, file: Path):
        self._window, self._file = window, file
        self._fault = ""
        self._clock, self._quiet = QElapsedTimer(), QElapsedTimer()
        self._clock.start()
        self._timer = QTimer()
        self._timer.timeout.connect(self._look)
        self._timer.start(50)

    def _look(self) -> None:
        if not self._window.ready:
            self._quiet.invalidate()
            if self._clock.elapsed() > _SCREENSHOT_LIMIT_MS:
                self._fault = f"{self._file}: the map was not complete within two minutes"
                self._end()
            return
        if not self._quiet.isValid():
            self._quiet.start()
        if self._quiet.elapsed() >= _SETTLE_MS:
            self._save()
            self._end()

    def _save(self) -> None:
        beside = self._file.with_name(f".{self._file.stem}.part.png")
        if not self._window.grab().save(str(beside), "PNG"):
            self._fault = f"{self._file}: cannot be written; choose another place for the picture"
            return
        os.replace(beside, self._file)

    def _end(self) -> None:
        self._timer.stop()
        self._window.close()
        QApplication.quit()

    def raise_fault(self) -> None:
        """Raises MissionError when there is no picture."""
        if self._fault:
            raise MissionError(self._fault)
