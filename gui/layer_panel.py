"""The layer panel: switches, opacity, order by dragging, and the legend of what is on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QDropEvent, QKeyEvent, QPainter, QPainterPath, QPen, QPixmap
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QScrollArea,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui.icons import icon, icon_pixmap, icon_size
from gui.layers import LayerState, moved
from gui.theme import Theme
from gui.vectors import line_style
from gui.widgets import clear_layout, label, rule
from gui.words import Words
from imagery.damage.legend import CLASSES, GRADES, ROAD_STATES, Entry

_ROW_PX = 44
_SWATCH_PX = 22
_SCROLL_PX = 12
_LEGENDS = (("classes", "layer_classes"), ("buildings", "legend_buildings"), ("roads", "legend_roads"))
_ONE_COLUMN_LETTERS = 16
"""Names longer than this get a line of their own: two columns would not hold them."""

_STRIPES = {
    "classes": tuple(e.colour for e in CLASSES[1:4]),
    "buildings": tuple(e.colour for e in GRADES[1:]),
    "roads": tuple(e.colour for e in ROAD_STATES[1:]),
}
_SAMPLES = {
    "hillshade": ("sample_relief_lit", "sample_relief_dim"),
    "before": ("sample_field", "sample_wood"),
    "mosaic": ("sample_mud", "sample_field"),
}
"""Colours of the theme."""


class LayerPanel(QFrame):
    """Shows layer states and says how a person changes them."""

    changed = pyqtSignal(tuple)  # tuple[LayerState, ...]
    grown = pyqtSignal()  # or shrunk: its legend has changed

    def __init__(self, theme: Theme, words: Words, parent: QWidget | None = None):
        super().__init__(parent, objectName="card")
        self._theme, self._words = theme, words
        self._states: tuple[LayerState, ...] = ()
        self._keys: frozenset[str] = frozenset()
        self._entries: Mapping[str, tuple[Entry, ...]] = {}
        self.setFixedWidth(theme.sizes.layers)
        pad = theme.sizes.pad
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 12, 2, pad - 4)
        layout.setSpacing(6)
        head = label(words("layers"), "heading")
        head.setToolTip(words("drag_hint"))
        head.setContentsMargins(pad, 0, 0, 0)
        layout.addWidget(head)
        self._body = _Body()
        self._body.setFixedWidth(theme.sizes.layers - 2 - _SCROLL_PX)
        column = QVBoxLayout(self._body)
        column.setContentsMargins(pad - 6, 0, pad - _SCROLL_PX, 0)
        column.setSpacing(6)
        self.list = _List()
        self.list.reordered.connect(self._on_reordered)
        column.addWidget(self.list)
        self._legend = QVBoxLayout()
        self._legend.setContentsMargins(6, 0, 0, 0)
        self._legend.setSpacing(8)
        column.addLayout(self._legend)
        self._body.laid_out.connect(self.grown)
        self._scroll = QScrollArea()
        self._scroll.setWidget(self._body)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        layout.addWidget(self._scroll)

    def fit(self, height_px: int) -> None:
        """As high as its content, at most so high; what does not fit scrolls."""
        column = self._body.layout()
        assert column is not None
        column.activate()
        self._body.setFixedHeight(column.sizeHint().height())
        frame = self.layout()
        assert frame is not None
        edge = frame.contentsMargins()
        head = self.fontMetrics().height() + frame.spacing() + edge.top() + edge.bottom() + 8
        self.setFixedHeight(min(self._body.height() + head, height_px))

    @property
    def states(self) -> tuple[LayerState, ...]:
        """As shown, bottom first."""
        return self._states

    def set_legends(self, entries: Mapping[str, tuple[Entry, ...]]) -> None:
        """What each layer's legend has to explain, by layer."""
        if entries != self._entries:
            self._entries = entries
            self._show_legend()

    def show_states(self, states: tuple[LayerState, ...], keys: frozenset[str]) -> None:
        """Show the layers `keys` that the mission has; the topmost layer stands first."""
        if states == self._states and keys == self._keys:
            return
        rebuild = keys != self._keys or [s.key for s in states] != [s.key for s in self._states]
        self._states, self._keys = states, keys
        if rebuild:
            self.list.clear()
            for state in reversed([s for s in states if s.key in keys]):
                self._add(state)
            self.list.setFixedHeight(max(self.list.count(), 1) * _ROW_PX + 2)
        for number in range(self.list.count()):
            row = self.list.row_widget(number)
            row.show_state(next(s for s in states if s.key == row.key))
        self._show_legend()

    def _add(self, state: LayerState) -> None:
        item = QListWidgetItem()
        item.setSizeHint(QSize(10, _ROW_PX))
        item.setData(Qt.ItemDataRole.UserRole, state.key)
        item.setData(Qt.ItemDataRole.AccessibleTextRole, self._words(f"layer_{state.key}"))
        self.list.addItem(item)
        row = LayerRow(state.key, self._words(f"layer_{state.key}"), self._words, self._theme)
        row.edited.connect(self._on_edited)
        self.list.setItemWidget(item, row)

    def _on_edited(self, key: str, shown: bool, opacity: float) -> None:
        self._emit(
            tuple(replace(s, shown=shown, opacity=opacity) if s.key == key else s for s in self._states)
        )

    def _on_reordered(self, top_first: list[str]) -> None:
        states = moved(self._states, list(reversed(top_first)))
        self._states = ()  # the list lost its row widgets: build anew
        self._emit(states)

    def _emit(self, states: tuple[LayerState, ...]) -> None:
        self.show_states(states, self._keys)
        self.changed.emit(states)

    def _show_legend(self) -> None:
        clear_layout(self._legend)
        shown = {s.key for s in self._states if s.shown and s.key in self._keys}
        for key, title in _LEGENDS:
            entries = self._entries.get(key, ())
            if key in shown and entries:
                self._legend.addWidget(Legend(self._words(title), entries, self._theme, self._words))


class _Body(QWidget):
    """Says when its content asks for another size."""

    laid_out = pyqtSignal()

    def event(self, event: QEvent | None) -> bool:
        done = super().event(event)
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.laid_out.emit()
        return done


class LayerRow(QWidget):
    """One layer: a switch, its name, how strong."""

    edited = pyqtSignal(str, bool, float)

    def __init__(self, key: str, name: str, words: Words, theme: Theme):
        super().__init__()
        self.key = key
        self._theme = theme
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 4, 0)
        layout.setSpacing(4)
        self.eye = QToolButton(objectName="plain")
        self.eye.setCheckable(True)
        self.eye.setFixedSize(theme.sizes.target, theme.sizes.target)
        made = icon("eye_off", theme.colour("ink_soft"))
        on = icon("eye", theme.colour("accent"))
        for size in on.availableSizes():
            made.addPixmap(on.pixmap(size), made.Mode.Normal, made.State.On)
        self.eye.setIcon(made)
        self.eye.setIconSize(icon_size(24))
        self.eye.setAccessibleName(name)
        self.name = QLabel(name)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(10, 100)
        self.slider.setFixedWidth(64)
        self.slider.setAccessibleName(f"{name}: {words('opacity')}")
        self.slider.setToolTip(words("opacity"))
        grip = QLabel()
        grip.setPixmap(icon_pixmap("grip", theme.colour("line").darker(130), 18, 2.0, 2.4))
        grip.setToolTip(words("drag_hint"))
        layout.addWidget(self.eye)
        layout.addWidget(self.name, 1)
        swatch = QLabel()
        swatch.setPixmap(_swatch(key, theme))
        layout.insertWidget(1, swatch)
        layout.insertSpacing(2, 4)
        layout.addWidget(self.slider)
        layout.addWidget(grip)
        self.eye.toggled.connect(self._edit)
        self.slider.valueChanged.connect(self._edit)

    def show_state(self, state: LayerState) -> None:
        """Show without saying that a person changed it."""
        for widget in (self.eye, self.slider):
            widget.blockSignals(True)
        self.eye.setChecked(state.shown)
        self.slider.setValue(round(state.opacity * 100))
        for widget in (self.eye, self.slider):
            widget.blockSignals(False)
        self.slider.setVisible(state.shown)
        self.name.setStyleSheet("" if state.shown else f"color: {self._theme.colours.ink_soft};")

    def _edit(self) -> None:
        self.edited.emit(self.key, self.eye.isChecked(), self.slider.value() / 100)


def _swatch(key: str, theme: Theme) -> QPixmap:
    """What a layer looks like: its line on a piece of ground, or stripes of its colours."""
    style = line_style(key, theme)
    side, ratio = _SWATCH_PX, 2.0
    made = QPixmap(round(side * ratio), round(side * ratio))
    made.setDevicePixelRatio(ratio)
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    frame = QPainterPath()
    frame.addRoundedRect(QRectF(0, 2, side, side - 4), 4, 4)
    painter.setClipPath(frame)
    stripes = [QColor(*colour) for colour in _STRIPES.get(key, ())]
    stripes = stripes or [theme.colour(name) for name in _SAMPLES.get(key, ("map_sample",))]
    for number, colour in enumerate(stripes):
        painter.fillRect(QRectF(number * side / len(stripes), 0, side / len(stripes) + 1, side), colour)
    if style is not None:
        start, end = QPointF(3, side - 6), QPointF(side - 3, 6)
        for line, width in ((style.casing, style.width_px + 2.4), (style.line, style.width_px + 0.4)):
            if line is not None:
                painter.setPen(QPen(line, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
                painter.drawLine(start, end)
    painter.end()
    return made


class _List(QListWidget):
    """A list whose rows can be dragged, or moved with Alt and the arrow keys."""

    reordered = pyqtSignal(list)  # keys, top first

    def __init__(self) -> None:
        super().__init__()
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    @property
    def keys(self) -> list[str]:
        """Top first."""
        return [self.item(n).data(Qt.ItemDataRole.UserRole) for n in range(self.count())]

    def row_widget(self, number: int) -> LayerRow:
        """The widget of a row."""
        row = self.itemWidget(self.item(number))
        assert isinstance(row, LayerRow)
        return row

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802
        super().dropEvent(event)
        self.reordered.emit(self.keys)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()) if event else Qt.Key.Key_0)
        if event is None or step is None or event.modifiers() != Qt.KeyboardModifier.AltModifier:
            super().keyPressEvent(event)
            return
        keys, row = self.keys, self.currentRow()
        if 0 <= row + step < len(keys) and row >= 0:
            keys.insert(row + step, keys.pop(row))
            self.reordered.emit(keys)
            self.setCurrentRow(row + step)


class Legend(QWidget):
    """Colours with their names, in two columns where they fit."""

    def __init__(self, title: str, entries: tuple[Entry, ...], theme: Theme, words: Words):
        super().__init__()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 4, 0)
        layout.setHorizontalSpacing(8)
        layout.setVerticalSpacing(5)
        layout.addWidget(rule(), 0, 0, 1, 4)
        layout.addWidget(label(title, "small"), 1, 0, 1, 4)
        longest = max(len(entry.name(words.language)) for entry in entries)
        rows = len(entries) if longest > _ONE_COLUMN_LETTERS else (len(entries) + 1) // 2
        for number, entry in enumerate(entries):
            row, column = 2 + number % rows, 2 * (number // rows)
            swatch = QFrame()
            swatch.setFixedSize(16, 16)
            swatch.setStyleSheet(f"background: {entry.hex_colour}; border-radius: 3px;")
            layout.addWidget(swatch, row, column)
            layout.addWidget(label(entry.name(words.language)), row, column + 1)
        layout.setColumnStretch(1, 1)
        layout.setColumnStretch(3, 1)
