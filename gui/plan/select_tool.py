"""The tool for changing what is drawn: choose an area, drag its corners and edges, drag launch points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PyQt6.QtCore import QPointF, Qt, pyqtSignal
from PyQt6.QtWidgets import QApplication
from shapely import Polygon

from gui.map_tools import MapTool
from gui.plan.scene import SceneDraft
from plans.errors import ZoneError
from plans.zone_edit import (
    fault_of,
    insert_vertex,
    move_area,
    move_vertex,
    nearest_edge,
    nearest_vertex,
    remove_vertex,
)

_Grab = Callable[[QPointF], SceneDraft]


class SelectTool(MapTool):
    """Without a hit the map is dragged. With Shift the whole area moves. A double click on a corner removes
    it; Delete removes the corner that was touched last, else the area."""

    hint = "hint_select"
    selected = pyqtSignal(object)  # an area's number, or None
    moving = pyqtSignal(object)  # SceneDraft while the hand drags
    moved = pyqtSignal(object)  # SceneDraft when it lets go
    refused = pyqtSignal(str)
    delete_area = pyqtSignal(int)
    delete_launch = pyqtSignal(int)

    def __init__(self, draft: Callable[[], SceneDraft]):
        super().__init__()
        self._draft = draft
        self._grab: _Grab | None = None
        self._touched: tuple[int, int, int] | None = None
        """Area, ring and corner that was dragged or clicked last."""
        self._on_edge = False
        self._launch: int | None = None

    def press(self, at: QPointF, reach_m: float) -> bool:
        self._touched, self._launch, self._on_edge = None, None, False
        self._grab = self._hit(at, reach_m)
        return self._grab is not None

    def _hit(self, at: QPointF, reach_m: float) -> _Grab | None:
        draft = self._draft()
        for index, launch in enumerate(draft.launches):
            # the symbol stands above its point
            if (at - launch - QPointF(0, -0.7 * reach_m)).manhattanLength() <= 1.3 * reach_m:
                self._launch = index
                return lambda to: draft.with_launch(index, to)
        area = draft.in_hand
        if area is None:
            return None
        place = at.x(), at.y()
        corner = nearest_vertex(area.shape, place, reach_m)
        if corner is not None:
            ring, vertex = corner
            self._touched = area.number, ring, vertex
            return lambda to: draft.with_shape(
                area.number, move_vertex(area.shape, ring, vertex, (to.x(), to.y()))
            )
        edge = nearest_edge(area.shape, place, 0.7 * reach_m)
        if edge is not None:
            ring, after = edge
            self._on_edge = True
            self._touched = area.number, ring, after + 1
            grown = insert_vertex(area.shape, ring, after, place)
            return lambda to: draft.with_shape(
                area.number, move_vertex(grown, ring, after + 1, (to.x(), to.y()))
            )
        if QApplication.keyboardModifiers() & Qt.KeyboardModifier.ShiftModifier:
            under = draft.area_at(at)
            if under is not None and under.number == area.number:
                return lambda to: draft.with_shape(
                    area.number, move_area(area.shape, to.x() - at.x(), to.y() - at.y())
                )
        return None

    def drag(self, at: QPointF) -> None:
        if self._grab is not None:
            self.moving.emit(self._grab(at))

    def release(self, at: QPointF) -> None:
        if self._grab is None:
            return
        made, self._grab = self._grab(at), None
        area = made.in_hand
        if area is not None and fault_of(area.shape) and not _was_broken(self._draft(), area.number):
            self.moving.emit(self._draft())
            self.refused.emit("crosses_itself")
        else:
            self.moved.emit(made)

    def click(self, at: QPointF, reach_m: float) -> None:
        self._grab = None
        if self._on_edge:
            self._touched = None  # no corner was made there
        if self._touched is not None or self._launch is not None:
            return
        under = self._draft().area_at(at)
        self.selected.emit(under.number if under else None)

    def double_click(self, at: QPointF, reach_m: float) -> None:
        area = self._draft().in_hand
        corner = nearest_vertex(area.shape, (at.x(), at.y()), reach_m) if area else None
        if area is not None and corner is not None:
            self._remove(area.number, area.shape, *corner)

    def key(self, key: Qt.Key) -> bool:
        draft = self._draft()
        if key == Qt.Key.Key_Escape and draft.selected is not None:
            self.selected.emit(None)
            return True
        if key not in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            return False
        if self._launch is not None and self._launch < len(draft.launches):
            self.delete_launch.emit(self._launch)
            self._launch = None
            return True
        area = draft.in_hand
        if area is None:
            return False
        if self._touched is not None and self._touched[0] == area.number:
            self._remove(area.number, area.shape, *self._touched[1:])
        else:
            self.delete_area.emit(area.number)
        return True

    def _remove(self, number: int, shape: Polygon, ring: int, vertex: int) -> None:
        self._touched = None
        try:
            left = remove_vertex(shape, ring, vertex)
        except ZoneError:
            self.refused.emit("needs_three")
            return
        if fault_of(left):
            self.refused.emit("crosses_itself")
        else:
            self.moved.emit(replace(self._draft().with_shape(number, left), selected=number))


def _was_broken(draft: SceneDraft, number: int) -> bool:
    """An area that was imported broken may be mended in steps."""
    area = draft.area(number)
    return area is not None and fault_of(area.shape) is not None
