"""Fields that people type into: numbers with a unit, in whatever digits the keyboard gives."""

from __future__ import annotations

import math
import re
import unicodedata

from PyQt6.QtCore import QSignalBlocker, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QHBoxLayout, QLineEdit, QWidget

from gui.theme import Theme
from gui.widgets import label, restyle

_SAME_AS_POINT = str.maketrans({",": ".", "。": ".", "、": ".", "·": "."})


def number_of(text: str) -> float | None:
    """The number that somebody typed: full-width digits, a Chinese full stop and a decimal comma are as good
    as any. None when it is none."""
    plain = unicodedata.normalize("NFKC", text).strip().replace(" ", "")
    plain = plain.replace("\u2212", "-").translate(_SAME_AS_POINT)
    try:
        value = float(plain)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def place_of(text: str) -> tuple[float, float] | None:
    """Latitude and longitude (degrees, WGS84) that somebody typed or pasted, the latitude first; None when
    they are none."""
    plain = unicodedata.normalize("NFKC", text).replace("、", ",").replace("°", " ")
    parts = [part for part in re.split(r"[,;\s]+", plain.strip()) if part]
    numbers = [number_of(part) for part in parts]
    if len(numbers) != 2:
        return None
    lat, lon = numbers
    if lat is None or lon is None or abs(lat) > 85 or abs(lon) > 180:
        return None
    return lat, lon


class NumberField(QWidget):
    """A name, a number, a unit. Empty means automatic where that is allowed. The arrow keys step. A number
    that cannot be is marked and not given out; leaving the field puts the last good one back."""

    changed = pyqtSignal(object)  # float, or None for automatic

    def __init__(
        self,
        name: str,
        unit: str,
        theme: Theme,
        *,
        least: float,
        most: float,
        step: float = 1.0,
        decimals: int = 0,
        automatic: str = "",
    ):
        super().__init__()
        self._least, self._most, self._step, self._decimals = least, most, step, decimals
        self._automatic = bool(automatic)
        self._value: float | None = None
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.sizes.gap)
        layout.addWidget(label(name), 1)
        self.edit = _Edit(self)
        self.edit.setFixedWidth(92)
        self.edit.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.edit.setPlaceholderText(automatic)
        self.edit.setAccessibleName(f"{name} ({unit})" if unit else name)
        self.edit.textEdited.connect(self._on_text)
        self.edit.editingFinished.connect(self._on_left)
        layout.addWidget(self.edit)
        suffix = label(unit, "soft")
        suffix.setFixedWidth(52)
        layout.addWidget(suffix)

    @property
    def value(self) -> float | None:
        """The number as it stands; None is automatic."""
        return self._value

    def set_value(self, value: float | None) -> None:
        """Show a number without saying that a person typed it; the one that is being typed stays."""
        self._value = value
        if not self.edit.hasFocus() or number_of(self.edit.text()) != value:
            with QSignalBlocker(self.edit):
                self.edit.setText(self._text(value))
            self._mark(True)

    def _text(self, value: float | None) -> str:
        if value is None:
            return ""
        text = f"{value:.{self._decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text

    def _mark(self, good: bool) -> None:
        name = "" if good else "wrong"
        if self.edit.objectName() != name:
            self.edit.setObjectName(name)
            restyle(self.edit)
        span = f"{self._text(self._least)} - {self._text(self._most)}"
        self.edit.setToolTip("" if good else span)

    def _read(self, text: str) -> tuple[bool, float | None]:
        if not text.strip():
            return self._automatic, None
        value = number_of(text)
        return value is not None and self._least <= value <= self._most, value

    def _on_text(self, text: str) -> None:
        good, value = self._read(text)
        self._mark(good)
        if good and value != self._value:
            self._value = value
            self.changed.emit(value)

    def _on_left(self) -> None:
        with QSignalBlocker(self.edit):
            self.edit.setText(self._text(self._value))
        self._mark(True)

    def step(self, steps: int) -> None:
        """Up or down by some steps."""
        start = self._least if self._value is None else self._value
        value = min(max(round(start / self._step + steps) * self._step, self._least), self._most)
        self.edit.setText(self._text(value))
        self._on_text(self.edit.text())


class _Edit(QLineEdit):
    def __init__(self, field: NumberField):
        super().__init__()
        self._field = field

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        steps = {
            Qt.Key.Key_Up: 1,
            Qt.Key.Key_Down: -1,
            Qt.Key.Key_PageUp: 10,
            Qt.Key.Key_PageDown: -10,
        }
        if event is not None and event.key() in steps:
            self._field.step(steps[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)
