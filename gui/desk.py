"""Which window is open: the start page or a mission. Opening another mission closes the one before. The
signing key is the station's: it stays when another mission is opened."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QObject, QSize
from PyQt6.QtWidgets import QFileDialog

from gui.recent import read_recent, remember
from gui.start import StartWindow
from gui.theme import Theme
from gui.window import MissionWindow
from gui.words import Words
from missionctl.workspace import Workspace
from plans.errors import MissionError

AnyWindow = StartWindow | MissionWindow


class Desk(QObject):
    """Holds the one window."""

    def __init__(
        self,
        theme: Theme,
        words: Words,
        size: QSize,
        key_file: Path | None = None,
        allow_unsigned: bool = False,
    ):
        super().__init__()
        self._key_file, self._allow_unsigned = key_file, allow_unsigned
        self._theme, self._words, self._size = theme, words, size
        self.window: AnyWindow | None = None

    def show_start(self) -> StartWindow:
        """The start page."""
        made = StartWindow(read_recent(), self._theme, self._words)
        made.open_wanted.connect(self.choose)
        made.folder_wanted.connect(self.try_open)
        self._show(made)
        return made

    def open(self, folder: Path, view: str = "plan") -> MissionWindow:
        """Open a mission. Raises WorkspaceError when the folder is none."""
        path = Workspace.open(folder).path
        made = MissionWindow(path, self._theme, self._words, view)
        made.live.use_key(self._key_file, self._allow_unsigned)
        made.live.key_chosen.connect(self._keep_key)
        made.open_wanted.connect(self.choose)
        remember(path)
        self._show(made)
        return made

    def try_open(self, folder: Path) -> None:
        """Open a mission; what is wrong with the folder is said in the window that is open."""
        try:
            self.open(folder)
        except MissionError as fault:
            self.tell(str(fault))

    def choose(self) -> None:
        """Ask for a folder and open it."""
        folder = QFileDialog.getExistingDirectory(self.window, self._words("open"))
        if folder:
            self.try_open(Path(folder))

    def close(self) -> None:
        """Close the window that is open and let it go."""
        window, self.window = self.window, None
        if window is not None:
            window.close()
            window.deleteLater()

    def _keep_key(self, file: Path | None) -> None:
        self._key_file = file

    def tell(self, line: str) -> None:
        """One line in the window that is open."""
        if self.window is not None:
            self.window.show_fault(line)

    def tell_bug(self, what: str, file: str) -> None:
        """A bug of the program, and where its details are."""
        self.tell(self._words("bug", what=what, file=file))

    def _show(self, made: AnyWindow) -> None:
        before = self.window
        made.resize(before.size() if before is not None else self._size)
        made.show()
        self.close()
        self.window = made
