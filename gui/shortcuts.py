"""Keys of a window."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PyQt6.QtGui import QKeySequence, QShortcut
from PyQt6.QtWidgets import QWidget


def shortcuts(window: QWidget, acts: Mapping[str, Callable[[], object]]) -> list[QShortcut]:
    """A shortcut for each key ("Ctrl+Z"), to be enabled and disabled together."""
    made = []
    for sequence, act in acts.items():
        shortcut = QShortcut(QKeySequence(sequence), window)
        shortcut.activated.connect(lambda act=act: act())
        made.append(shortcut)
    return made
