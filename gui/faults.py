"""Faults of the program itself: a bug in a slot goes to the log file and into the bar; the window stays."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from types import TracebackType

from missionctl.cli.main import log_file
from missionctl.workspace import now_utc


class BugCatcher:
    """Stands in for sys.excepthook, without which PyQt6 ends the program at the first bug in a slot."""

    def __init__(self, tell: Callable[[str, str], None]):
        self._tell = tell
        self.caught = 0

    def __call__(self, kind: type[BaseException], bug: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.exit(130)
        self.caught += 1
        text = "".join(traceback.format_exception(kind, bug, trace))
        file = log_file()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as out:
                out.write(f"{now_utc()} missionctl-gui\n{text}\n")
        except OSError:
            sys.stderr.write(text)  # no log can be written: better on the screen than nowhere
        self._tell(f"{kind.__name__}: {bug}", str(file))
