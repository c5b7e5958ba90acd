"""Joins the Damage workspace: strokes, preview, map, and grading by the keyboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import shapely
from pyproj import Transformer
from pyproj.exceptions import CRSError
from PyQt6.QtCore import QObject, QPointF, pyqtSignal
from PyQt6.QtGui import QColor, QShortcut
from PyQt6.QtWidgets import QWidget
from shapely import LineString, Point

from gui.damage.editor import DamageEditor
from gui.damage.paint_tool import EraseTool, PaintTool
from gui.damage.scene import DamageItem, Hint, colour_of
from gui.layers import class_legend
from gui.map_tools import MapTool
from gui.map_view import MapView
from gui.mapframe import MapFrame
from gui.panels.damage import DamagePanel
from gui.shortcuts import shortcuts
from gui.snapshot import Snapshot
from gui.theme import Theme
from gui.words import Words
from imagery.damage.legend import GRADES, Legend
from missionctl.services.preview_worker import Shown
from missionctl.services.strokes import PaintedStroke, Strokes

_HOUSE_ROOM = 4.0
"""A building that is graded fills at most one over this of the view."""


class DamageControl(QObject):
    """Everything that the Damage workspace does."""

    trouble = pyqtSignal(str)
    folder_changed = pyqtSignal()

    def __init__(
        self,
        folder: Path,
        panel: DamagePanel,
        map_view: MapView,
        theme: Theme,
        words: Words,
        window: QWidget,
    ):
        super().__init__(window)
        self._panel, self._map, self._theme, self._words = panel, map_view, theme, words
        self.editor = DamageEditor(folder, self)
        self.item = DamageItem(theme)
        map_view.canvas.graphics_scene.addItem(self.item)
        self._snapshot: Snapshot | None = None
        self._class = ""
        self._erasing = False
        self._queue: list[dict[str, Any]] = []
        self._in_view = False
        self._connect()
        self._keys = self._shortcuts(window)

    def _connect(self) -> None:
        editor, paint, grade = self.editor, self._panel.paint, self._panel.grade
        editor.strokes_changed.connect(lambda _strokes: self._show_strokes())
        editor.shown.connect(self._show_preview)
        editor.fault_changed.connect(paint.show_fault)
        editor.trouble.connect(self.trouble)
        editor.mapped.connect(self._on_mapped)
        editor.queue_changed.connect(self._on_queue)
        editor.decided.connect(self._on_decided)
        paint.class_chosen.connect(self.take)
        paint.own_class.connect(self.take)
        paint.erase_chosen.connect(self._take_eraser)
        paint.width_changed.connect(lambda _width: self._take_again())
        paint.preview_toggled.connect(lambda _on: self._look())
        paint.undo_wanted.connect(editor.undo)
        paint.redo_wanted.connect(editor.redo)
        paint.map_wanted.connect(self._make_map)
        paint.stop_wanted.connect(editor.stop_map)
        grade.begin.connect(self._begin_grading)
        grade.end.connect(self._end_grading)
        grade.graded.connect(self._grade)
        grade.skipped.connect(self._skip)
        self._map.canvas.view_changed.connect(self._look)
        self._map.frame_changed.connect(self._show_strokes)

    def _shortcuts(self, window: QWidget) -> list[QShortcut]:
        acts: dict[str, Callable[[], object]] = {
            "Ctrl+Z": self.editor.undo,
            "Ctrl+Shift+Z": self.editor.redo,
            "Space": self._skip,
            "Escape": self._escape,
        }
        for number, entry in enumerate((*GRADES[1:], GRADES[0]), 1):
            acts[str(number)] = lambda grade=entry.key: self._grade(grade)
        return shortcuts(window, acts)

    # ------------------------------------------------------------------ coming and going

    def set_view(self, name: str) -> None:
        """The workspace that is open."""
        self._in_view = name == "damage"
        for shortcut in self._keys:
            shortcut.setEnabled(self._in_view)
        self.item.setVisible(self._in_view)
        if self._in_view:
            self._hide_layers()
            self._take_again()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """What the folder holds: mosaic, legend, places to paint next."""
        self._snapshot = snapshot
        self._show_strokes()
        self._panel.grade.start.setEnabled(any(snapshot.damage_report.get("buildings", {}).values()))
        self._look()

    @property
    def waiting(self) -> bool:
        """Whether a preview in view is still to come."""
        return self._in_view and self.editor.busy

    def close(self) -> None:
        """Keep what is painted."""
        self.editor.close()

    @property
    def _frame(self) -> MapFrame | None:
        return self._map.frame

    @property
    def _mosaic(self) -> Path | None:
        found = self._snapshot.mosaic if self._snapshot else None
        return found.path if found else None

    @property
    def _legend(self) -> Legend:
        return class_legend(self._snapshot) if self._snapshot else Legend()

    # ------------------------------------------------------------------ showing

    def _show_strokes(self) -> None:
        strokes = self.editor.strokes
        if self._frame is not None:
            legend = self._legend
            self.item.show_strokes(strokes, self._frame, lambda name: colour_of(name, legend))
            self.item.show_hints(self._hints(self._frame))
        paint = self._panel.paint
        paint.show_classes(self._legend, strokes.counts(), self._class)
        paint.show_steps(self.editor.can_undo, self.editor.can_redo)
        self._show_work()

    def _show_work(self) -> None:
        enough = len(self.editor.strokes.counts()) > 1 and self._mosaic is not None
        self._panel.paint.show_work(self.editor.mapping, can_map=enough)

    def _hints(self, frame: MapFrame) -> list[Hint]:
        """Where the newest map says that strokes would help most."""
        report = self._snapshot.damage_report if self._snapshot else {}
        places = report.get("paint_next") or ()
        try:
            turn = Transformer.from_crs(report.get("crs"), 4326, always_xy=True).transform if places else None
            geo = [turn(float(p["east_m"]), float(p["north_m"])) for p in places] if turn else []
        except (CRSError, KeyError, TypeError, ValueError):
            return []
        return [Hint(frame.scene_point(lat, lon), number) for number, (lon, lat) in enumerate(geo, 1)]

    @property
    def _previews(self) -> bool:
        """Whether what strokes make is to be seen: while somebody paints."""
        painting = bool(self._class) or self._erasing
        return self._in_view and painting and self._panel.paint.preview.isChecked()

    def _show_preview(self, shown: Shown | None) -> None:
        self.item.show_preview(shown if self._previews else None, self._frame)
        self._hide_layers()

    def _hide_layers(self) -> None:
        """A preview takes the place of the classes; who grades a roof sees the roof and nothing over it."""
        if not self._in_view:
            return
        over = {"classes", "buildings", "water"} if self._queue else set()
        self._map.hide_layers(frozenset(over | ({"classes"} if self.item.has_preview else set())))
        self.item.show_only_hand(bool(self._queue))
        self._panel.paint.setVisible(not self._queue)

    def _look(self) -> None:
        """Ask for a preview of what is in view."""
        frame = self._frame
        if not self._previews or frame is None or not self.editor.strokes.strokes:
            self.editor.look_at(None, (0.0, 0.0, 0.0, 0.0))
            if self.item.has_preview:  # this is asked at each step of a pan
                self._show_preview(None)
            return
        view = self._map.canvas.view_rect
        corners = (view.topLeft(), view.topRight(), view.bottomLeft(), view.bottomRight())
        lats, lons = zip(*(frame.lat_lon(corner) for corner in corners), strict=True)
        self.editor.look_at(self._mosaic, (min(lons), min(lats), max(lons), max(lats)))

    # ------------------------------------------------------------------ painting

    def take(self, name: str) -> None:
        """Take a class in hand; the same one again puts it away."""
        self._end_grading()
        self._erasing = False
        self._class = "" if name == self._class else name
        if not self._class:
            self._panel.paint.drop_tool()
        self._show_strokes()
        self._take_again()

    def _take_eraser(self) -> None:
        self._end_grading()
        self._class, self._erasing = "", True
        self._show_strokes()
        self._panel.paint.erase.setChecked(True)
        self._take_again()

    def _take_again(self) -> None:
        if not self._in_view:
            return
        self._map.canvas.set_tool(self._tool())
        self._map.canvas.setFocus()
        self._look()

    def _tool(self) -> MapTool:
        if self._erasing:
            eraser = EraseTool(self._stroke_at)
            eraser.hit.connect(self.editor.erase)
            return eraser
        if not self._class:
            return MapTool()
        brush = PaintTool(QColor(*colour_of(self._class, self._legend)), self._width_m)
        brush.painted.connect(self._paint)
        return brush

    @property
    def _width_m(self) -> float:
        return self._panel.paint.width_m.value or 1.0

    def _paint(self, places: list[QPointF]) -> None:
        if self._frame is None:
            return
        line = [(p.x(), p.y()) for p in places]
        shape = Point(line[0]) if len(set(line)) == 1 else LineString(line).simplify(0.1 * self._width_m)
        geometry = self._frame.geo_geometry(shape)
        self.editor.paint(PaintedStroke(self._class, geometry, self._width_m))

    def _stroke_at(self, at: QPointF, reach_m: float) -> int | None:
        frame = self._frame
        if frame is None:
            return None
        strokes: Strokes = self.editor.strokes
        here = Point(at.x(), at.y())
        found = [
            (frame.scene_geometry(stroke.geometry).distance(here) - (stroke.width_m or 0) / 2, index)
            for index, stroke in enumerate(strokes.strokes)
        ]
        distance, index = min(found, default=(float("inf"), -1))
        return index if distance <= reach_m else None

    def _escape(self) -> None:
        if self._queue:
            self._end_grading()
        elif self._class:
            self.take(self._class)
        elif self._erasing:
            self._erasing = False
            self._panel.paint.drop_tool()
            self._take_again()

    def _make_map(self) -> None:
        if self._mosaic is not None:
            self.editor.make_map(self._mosaic)
            self._show_work()

    def _on_mapped(self, good: bool) -> None:
        self._show_work()
        if good:
            self.folder_changed.emit()

    # ------------------------------------------------------------------ grading

    @property
    def _run(self) -> Path | None:
        classes = self._snapshot.classes if self._snapshot else None
        return classes.path.parent if classes else None

    def _begin_grading(self) -> None:
        self._class, self._erasing = "", False
        self._panel.paint.drop_tool()
        self._show_strokes()
        self._take_again()
        if self._run is not None:
            self.editor.list_undecided(self._run)

    def _on_queue(self, queue: list[dict[str, Any]]) -> None:
        self._queue = queue
        self._show_building()

    def _show_building(self) -> None:
        frame = self._frame
        building = self._queue[0] if self._queue else None
        self._panel.grade.show_building(building, len(self._queue))
        self._hide_layers()
        shape = self._footprint(building["id"]) if building else None
        if shape is None or frame is None:
            self.item.show_in_hand(None)
            return
        scene = frame.scene_geometry(shape)
        self.item.show_in_hand(scene)
        west, south, east, north = scene.bounds
        canvas = self._map.canvas
        view = canvas.view_rect
        wanted = _HOUSE_ROOM * max(east - west, north - south, 5.0)
        canvas.zoom(min(view.width(), view.height()) / wanted)
        canvas.centre_on(QPointF((west + east) / 2, (south + north) / 2))

    def _footprint(self, identifier: object) -> shapely.Geometry | None:
        snapshot = self._snapshot
        if snapshot is None:
            return None
        for row in snapshot.features["damage"]:
            same = row.values["run"] == snapshot.damage_run and row.values["source_id"] == str(identifier)
            if same and str(row.values["kind"]).startswith("building"):
                return row.geometry
        return None

    def _grade(self, grade: str) -> None:
        if self._queue and self._run is not None:
            self.editor.decide(self._run, str(self._queue[0]["id"]), grade)
            self._queue = self._queue[1:]
            self._show_building()

    def _skip(self) -> None:
        if self._queue:
            self._queue = [*self._queue[1:], self._queue[0]]
            self._show_building()

    def _end_grading(self) -> None:
        if self._queue:
            self._queue = []
            self._show_building()

    def _on_decided(self, _told: dict[str, Any]) -> None:
        self.folder_changed.emit()
