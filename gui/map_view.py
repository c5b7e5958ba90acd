"""The map with what lies over it: layers of a mission, scale bar, coordinates, buttons."""

from __future__ import annotations

import math

from PyQt6.QtCore import QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QPainter, QPaintEvent, QPen, QResizeEvent
from PyQt6.QtWidgets import QGraphicsItem, QToolButton, QVBoxLayout, QWidget

from gui import theme as themes
from gui.canvas import Canvas, RasterItem
from gui.icons import icon, icon_size
from gui.layers import RASTER_KEYS, LayerState, raster_sources
from gui.mapframe import MapFrame
from gui.snapshot import RASTER_FAULTS, Snapshot
from gui.theme import Theme
from gui.tiles import RasterSource, TileLoader, raster_bounds
from gui.vectors import VECTOR_KEYS, vector_item
from gui.widgets import empty
from gui.words import Words
from plans.frames import LocalFrame

_SCALE_BAR_PX = 160
_NO_PLACE_PX = 340
_NO_PLACE_HALF_M = 400.0


class MapView(QWidget):
    """Shows a snapshot by a list of layer states."""

    faults_changed = pyqtSignal(tuple)  # a line for each raster that cannot be shown
    layers_toggled = pyqtSignal()
    room_changed = pyqtSignal(int)  # pixels at the top that nothing covers
    frame_changed = pyqtSignal()
    resized = pyqtSignal()

    def __init__(self, theme: Theme, words: Words, parent: QWidget | None = None):
        super().__init__(parent)
        self._theme, self._words = theme, words
        self.canvas = Canvas(theme, self)
        self.loader: TileLoader | None = None
        self.frame: MapFrame | None = None
        self._items: dict[str, QGraphicsItem] = {}
        self._sources: dict[str, RasterSource] = {}
        self._faults: dict[RasterSource, str] = {}
        self._states: tuple[LayerState, ...] = ()
        self._hidden: frozenset[str] = frozenset()
        self._free_right_px, self._free_top_px, self._free_left_px = 0, 0, 0
        self._bounds: QRectF | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas)
        self._foot = _Foot(theme, self)
        self._no_place = empty(words("no_place"), words("no_place_how"))
        self._no_place.setParent(self)
        self._no_place.setFixedWidth(_NO_PLACE_PX)
        self._no_place.hide()
        self.buttons = _Buttons(theme, words, self)
        self.buttons.zoomed.connect(self.canvas.zoom)
        self.buttons.home.connect(self.canvas.show_home)
        self.buttons.layers.connect(self.layers_toggled)
        self.canvas.view_changed.connect(self._on_view_changed)
        self.canvas.pointer_moved.connect(self._on_pointer)
        self.canvas.pointer_left.connect(lambda: self._foot.set_place(None))

    # ------------------------------------------------------------------ what is shown

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show a mission; what has not changed since the last snapshot stays as it is."""
        if snapshot.frame is None:
            self._no_place.setVisible(self.frame is None)
            return
        self._no_place.hide()
        frame = MapFrame(snapshot.frame)
        moved = self.frame != frame
        if moved or self.loader is None:
            self._start(frame)
        self._show_rasters(snapshot, frame)
        for key in VECTOR_KEYS:
            self._replace(key, vector_item(key, snapshot, frame, self._theme))
        self._restack()
        if snapshot.bounds:
            self._bounds = MapFrame.rect(*snapshot.bounds)
            self._set_home()
        if moved:
            self.canvas.show_home()

    def frame_at(self, lat_deg: float, lon_deg: float) -> MapFrame:
        """The map's frame; a map of no place yet gets one there, to show a vehicle before any plan."""
        if self.frame is None:
            self._no_place.hide()
            self._start(MapFrame(LocalFrame(lat_deg, lon_deg)))
            half = _NO_PLACE_HALF_M
            self._bounds = MapFrame.rect(-half, -half, half, half)
            self._set_home()
        assert self.frame is not None
        return self.frame

    def _start(self, frame: MapFrame) -> None:
        self.clear()
        self.frame = frame
        self.loader = TileLoader(frame.frame, parent=self)
        self.loader.arrived.connect(self._on_tile)
        self.loader.failed.connect(self._on_failed)
        self.frame_changed.emit()

    def clear(self) -> None:
        """Nothing on the map."""
        for key in list(self._items):
            self._replace(key, None)
        self._sources.clear()
        if self.loader:
            self.loader.close()
            self.loader.deleteLater()
            self.loader = None

    def set_states(self, states: tuple[LayerState, ...]) -> None:
        """Which layers are on, how strong, and in which order (bottom first)."""
        self._states = states
        self._restack()

    def hide_layers(self, keys: frozenset[str]) -> None:
        """Layers that something else draws for now, whatever their switches say."""
        if keys != self._hidden:
            self._hidden = keys
            self._restack()

    def set_free_right(self, pixels: int) -> None:
        """Room at the right edge that something covers."""
        self._free_right_px = pixels
        self._place_overlays()
        self._set_home()

    def set_free_left(self, pixels: int) -> None:
        """Room at the left edge that something covers."""
        self._free_left_px = pixels
        self._set_home()

    def set_free_top(self, pixels: int) -> None:
        """Room at the top edge that something covers."""
        self._free_top_px = pixels
        self._set_home()

    @property
    def keys(self) -> frozenset[str]:
        """The layers that have something to show."""
        return frozenset(self._items)

    @property
    def ready(self) -> bool:
        """Whether every tile in view has been read."""
        view, step = self.canvas.view_rect, self.canvas.metres_per_px / self.devicePixelRatioF()
        return all(
            item.ready_in(view, step)
            for item in self._items.values()
            if isinstance(item, RasterItem) and item.isVisible()
        )

    def _show_rasters(self, snapshot: Snapshot, frame: MapFrame) -> None:
        assert self.loader is not None
        sources = raster_sources(snapshot)
        self._faults = {s: line for s, line in self._faults.items() if s in sources.values()}
        for key in RASTER_KEYS:
            source = sources.get(key)
            if source is not None and source in (self._sources.get(key), *self._faults):
                continue
            old = self._sources.pop(key, None)
            self._replace(key, None)
            if old:
                self.loader.forget(old)
            if source is None:
                continue
            try:
                bounds = raster_bounds(source.path, frame.frame)
            except RASTER_FAULTS as error:
                self._faults[source] = self._fault_line(source, error)
                continue
            self._sources[key] = source
            self._replace(key, RasterItem(source, MapFrame.rect(*bounds), self.loader))
        self.faults_changed.emit(tuple(self._faults.values()))

    def _fault_line(self, source: RasterSource, error: Exception | str) -> str:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return self._words("rest_reads", file=source.path.name, reason=reason)

    def _on_failed(self, source: RasterSource, reason: str) -> None:
        self._faults[source] = self._fault_line(source, reason)
        self.faults_changed.emit(tuple(self._faults.values()))

    def _replace(self, key: str, item: QGraphicsItem | None) -> None:
        old = self._items.pop(key, None)
        if old is not None:
            self.canvas.graphics_scene.removeItem(old)
        if item is not None:
            self._items[key] = item
            self.canvas.graphics_scene.addItem(item)

    def _restack(self) -> None:
        for height, state in enumerate(self._states):
            item = self._items.get(state.key)
            if item is not None:
                item.setZValue(height)
                item.setOpacity(state.opacity)
                item.setVisible(state.shown and state.key not in self._hidden)

    def _set_home(self) -> None:
        if self._bounds is not None:
            left, top, right = self._free_left_px, self._free_top_px, self._free_right_px
            self.canvas.set_home(self._bounds, (left + 24, top + 24, right + 24, 64))

    # ------------------------------------------------------------------ overlays

    def _on_tile(self) -> None:
        viewport = self.canvas.viewport()
        assert viewport is not None
        viewport.update()

    def _on_view_changed(self) -> None:
        self._foot.set_scale(self.canvas.metres_per_px)

    def _on_pointer(self, point: QPointF) -> None:
        if self.frame is not None:
            self._foot.set_place(self.frame.lat_lon(point))

    def _place_overlays(self) -> None:
        gap = self._theme.sizes.pad
        self._foot.adjustSize()
        self._foot.move(gap, self.height() - self._foot.height() - gap)
        self.buttons.adjustSize()
        self.buttons.move(self.width() - self.buttons.width() - gap - self._free_right_px, gap)
        self._no_place.adjustSize()
        middle = (self.width() - self._free_right_px) // 2
        self._no_place.move(middle - self._no_place.width() // 2, self.height() // 3)
        self.room_changed.emit(self.buttons.x() - 2 * gap)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._place_overlays()
        self._on_view_changed()
        self.resized.emit()


class _Buttons(QWidget):
    """Zoom, home and layers: a column of big buttons."""

    zoomed = pyqtSignal(float)
    home = pyqtSignal()
    layers = pyqtSignal()

    def __init__(self, theme: Theme, words: Words, parent: QWidget):
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.sizes.gap)
        for name, word, act in (
            ("layers", "show_layers", self.layers.emit),
            ("home", "whole_mission", self.home.emit),
            ("plus", "zoom_in", lambda: self.zoomed.emit(1.5)),
            ("minus", "zoom_out", lambda: self.zoomed.emit(1 / 1.5)),
        ):
            button = QToolButton(objectName="map")
            button.setFixedSize(theme.sizes.target, theme.sizes.target)
            button.setIcon(icon(name, theme.colour("ink")))
            button.setIconSize(icon_size(theme.sizes.icon - 2))
            button.setToolTip(words(word))
            button.setAccessibleName(words(word))
            button.clicked.connect(lambda _checked, act=act: act())
            layout.addWidget(button)


class _Foot(QWidget):
    """Scale bar and the coordinates under the pointer."""

    def __init__(self, theme: Theme, parent: QWidget):
        super().__init__(parent)
        self._theme = theme
        self._length_m, self._length_px = 100.0, 100.0
        self._place = ""
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._text = themes.font(theme, "text_small", bold=True)
        self._mono = themes.font(theme, "text_small")
        self._mono.setFamilies(themes.mono_families())
        self.setFixedSize(520, 36)

    @property
    def place(self) -> str:
        """The coordinates as shown."""
        return self._place

    def set_scale(self, metres_per_px: float) -> None:
        """A round length that fits the bar."""
        most = metres_per_px * _SCALE_BAR_PX
        power = 10.0 ** math.floor(math.log10(most))
        self._length_m = next(f * power for f in (5, 2, 1) if f * power <= most)
        self._length_px = self._length_m / metres_per_px
        self.update()

    def set_place(self, lat_lon: tuple[float, float] | None) -> None:
        """Coordinates in degrees; None hides them."""
        if lat_lon is None:
            self._place = ""
        else:
            lat, lon = lat_lon
            self._place = (
                f"{abs(lat):.6f}° {'N' if lat >= 0 else 'S'}  {abs(lon):.6f}° {'E' if lon >= 0 else 'W'}"
            )
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        length = self._length_m
        label = (
            f"{length / 1000:g} km"
            if length >= 1000
            else f"{length:g} m"
            if length >= 1
            else f"{length * 100:g} cm"
        )
        label_px = themes.text_width(label, self._text)
        place_px = themes.text_width(self._place, self._mono) + 28 if self._place else 0
        width = 14 + self._length_px + 10 + label_px + 14 + place_px
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.colour("surface", 0.92))
        painter.drawRoundedRect(QRectF(0, 0, width, self.height()), 8, 8)
        middle = self.height() / 2
        painter.setPen(QPen(self._theme.colour("ink"), 2))
        x = 14.0
        bar = [QPointF(x, middle - 5), QPointF(x, middle + 5), QPointF(x + self._length_px, middle + 5)]
        painter.drawPolyline(*[*bar, QPointF(x + self._length_px, middle - 5)])
        painter.setFont(self._text)
        height = self.height()
        left = x + self._length_px + 10
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(QRectF(left, 0, label_px + 4, height), flags, label)
        if self._place:
            painter.setPen(QPen(self._theme.colour("line"), 1))
            split = left + label_px + 14
            painter.drawLine(QPointF(split, 8), QPointF(split, height - 8))
            painter.setPen(self._theme.colour("ink"))
            painter.setFont(self._mono)
            painter.drawText(QRectF(split + 14, 0, place_px, height), flags, self._place)
