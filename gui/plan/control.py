"""Joins the Plan workspace: editor, panel, tools, and what is seen of it on the map."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PyQt6.QtCore import QObject, QPointF, QTimer, pyqtSignal
from PyQt6.QtGui import QShortcut
from PyQt6.QtWidgets import QWidget
from shapely import MultiLineString, Polygon

from gui.layers import LayerState
from gui.map_tools import DrawTool, MapTool, MeasureTool, PlaceTool
from gui.map_view import MapView
from gui.mapframe import MapFrame
from gui.panels.plan import PlanPanel
from gui.plan.editor import PlanEditor
from gui.plan.scene import PlanItem, SceneDraft, scene_draft
from gui.plan.select_tool import SelectTool
from gui.plan.toolbar import TOOLS, HintLine, PlanToolbar
from gui.shortcuts import shortcuts
from gui.snapshot import Snapshot, report_of
from gui.theme import Theme
from gui.words import Words
from missionctl.services.plan_draft import NO_FLY, ZONE, PlanDraft
from missionctl.services.plan_preview import PlanPreview
from missionctl.services.planning import own_cameras
from missionctl.workspace import Workspace
from plans.cameras import camera_database
from plans.errors import MissionError, ZoneError
from plans.frames import GeoPoint
from plans.zone_edit import add_hole, fault_of, join_areas, split_area

_WRONG_MS = 6000


class PlanControl(QObject):
    """Everything that the Plan workspace does."""

    trouble = pyqtSignal(str)

    def __init__(
        self,
        folder: Path,
        panel: PlanPanel,
        map_view: MapView,
        theme: Theme,
        words: Words,
        window: QWidget,
    ):
        super().__init__(window)
        self._folder, self._panel, self._map = folder, panel, map_view
        self._theme, self._words = theme, words
        self.editor = PlanEditor(folder, self)
        self.toolbar = PlanToolbar(theme, words, map_view)
        self.hint = HintLine(map_view)
        self.item = PlanItem(theme)
        map_view.canvas.graphics_scene.addItem(self.item)
        self._selected: int | None = None
        self._tool = "select"
        self._in_view = False
        self._states: tuple[LayerState, ...] = ()
        self._heat = False
        self._known = False
        self._newest = False
        self._wrong = QTimer(self)
        self._wrong.setSingleShot(True)
        self._wrong.timeout.connect(self._say_hint)
        self._connect()
        self._keys = self._shortcuts(window)
        self._show_draft()

    def _connect(self) -> None:
        editor, panel = self.editor, self._panel
        editor.draft_changed.connect(lambda _draft: self._show_draft())
        editor.sketch_changed.connect(self._show_sketch)
        editor.preview_changed.connect(self._show_preview)
        editor.fault_changed.connect(self._show_fault)
        editor.trouble.connect(self.trouble)
        panel.wish.connect(self._wish)
        panel.area_chosen.connect(self.select)
        panel.area_named.connect(self._rename)
        panel.area_priority.connect(lambda n, p: editor.edit(editor.draft.changed(n, priority=p)))
        panel.area_deleted.connect(self._delete)
        panel.save_wanted.connect(self._save)
        panel.drop_wanted.connect(self._drop)
        panel.heat_toggled.connect(self._show_heat)
        panel.place_given.connect(self._go)
        self.toolbar.chosen.connect(self.take)
        self.toolbar.asked.connect(self._act)
        self._map.frame_changed.connect(self._show_all)
        self._map.resized.connect(self._place)

    def _shortcuts(self, window: QWidget) -> list[QShortcut]:
        edit = self.editor
        acts: dict[str, Callable[[], object]] = {
            "Ctrl+Z": edit.undo,
            "Ctrl+Shift+Z": edit.redo,
            "Ctrl+Y": edit.redo,
            "Ctrl+S": self._save,
        }
        tools = {self.toolbar.key(name): lambda name=name: self.take(name) for name in TOOLS}
        return shortcuts(window, acts | tools)

    # ------------------------------------------------------------------ coming and going

    def set_view(self, name: str) -> None:
        """The workspace that is open: tools are there in Plan only."""
        self._in_view = name == "plan"
        for shortcut in self._keys:
            shortcut.setEnabled(self._in_view)
        self.toolbar.setVisible(self._in_view)
        self.item.setVisible(self._in_view)
        if self._in_view:
            self._hide_layers()
            self.take(self._tool)
            self._refresh()
        else:
            self._map.canvas.set_tool(MapTool())
        self._say_hint()
        self._place()

    def _refresh(self) -> None:
        """Plan what is drawn, unless the mission's newest plan is still what is seen."""
        if self._known and not (self.editor.untouched and self._newest):
            self.editor.refresh()

    def _hide_layers(self) -> None:
        """What is drawn takes the place of the mission's own zones, its plan that of the newest plan."""
        if self._in_view:
            self._map.hide_layers(frozenset({"zones"} if self.editor.untouched else {"zones", "lanes"}))

    def set_states(self, states: tuple[LayerState, ...]) -> None:
        """The layers' switches."""
        self._states = states
        self._show_layers()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """The mission's cameras."""
        self._known = True
        try:
            own = own_cameras(Workspace(snapshot.path))
        except MissionError as fault:
            self.trouble.emit(str(fault))
            own = {}
        wished = self.editor.draft.wishes.camera
        names = sorted({*camera_database(), *own, *([wished] if wished else [])})
        self._panel.show_cameras(names)
        plans = snapshot.features["plans"]
        self._newest = bool(plans)
        if plans and self.editor.untouched:
            self._panel.show_newest(str(plans[-1].values["name"]), report_of(plans[-1]))
        self.editor.follow(snapshot)
        self._show_draft()
        if self._in_view:
            self._refresh()

    @property
    def waiting(self) -> bool:
        """Whether a plan in view is still to come."""
        return self._in_view and self.editor.busy

    def close(self) -> None:
        """Keep what is drawn."""
        self.editor.close()

    # ------------------------------------------------------------------ showing

    @property
    def _frame(self) -> MapFrame | None:
        return self._map.frame

    def _scene(self) -> SceneDraft:
        frame = self._frame
        return scene_draft(self.editor.draft, frame, self._selected) if frame else SceneDraft()

    def _show_all(self) -> None:
        self._show_draft()
        if self._frame is not None:
            self.item.show_plan(self.editor.preview, self._frame)

    def _show_draft(self) -> None:
        draft = self.editor.draft
        if draft.area(self._selected or 0) is None:
            self._selected = None
        if self._frame is None and draft.areas:
            lon, lat = draft.areas[0].polygon.centroid.coords[0]
            self._map.frame_at(lat, lon)
        self._hide_layers()
        self.item.show_draft(self._scene())
        self._panel.show_draft(draft, self._selected)
        self._panel.show_restored(self.editor.restored)
        self._panel.show_place_asked(self._known and self._frame is None)
        if not self._wrong.isActive():
            self._say_hint()
        chosen = draft.area(self._selected or 0)
        touching = len(self._touching()) > 1
        self.toolbar.enable(
            undo=self.editor.can_undo,
            redo=self.editor.can_redo,
            delete=chosen is not None,
            hole=bool(draft.areas),
            split=bool(draft.areas),
            join=touching,
        )

    def _show_sketch(self, lanes: MultiLineString) -> None:
        if self._frame is not None:
            self.item.show_sketch(lanes, self._frame)

    def _show_preview(self, preview: PlanPreview | None) -> None:
        if self._frame is not None:
            self.item.show_plan(preview, self._frame)
        self._panel.show_preview(preview, "")

    def _show_fault(self, fault: str) -> None:
        if fault:
            self._panel.show_preview(None, fault)

    def _show_heat(self, on: bool) -> None:
        self._heat = on
        self._show_layers()

    def _show_layers(self) -> None:
        on = {s.key: s.shown for s in self._states}
        self.item.show_layers(on.get("zones", True), on.get("lanes", True), self._heat)

    # ------------------------------------------------------------------ tools

    def take(self, name: str) -> None:
        """Take a tool in hand."""
        self._tool = name
        self.toolbar.check(name)
        if self._in_view:
            self._map.canvas.set_tool(self._made(name))
            self._map.canvas.setFocus()
        self._say_hint()

    def _made(self, name: str) -> MapTool:
        if name == "select":
            return self._select_tool()
        if name == "measure":
            return MeasureTool(
                self._theme, self._words, lambda a, b: math.hypot(b.x() - a.x(), b.y() - a.y())
            )
        if name == "launch":
            place = PlaceTool("hint_launch")
            place.placed.connect(self._put_launch)
            place.given_up.connect(lambda: self.take("select"))
            return place
        colour = "no_fly" if name in ("no_fly", "hole") else "zone"
        tool = DrawTool(self._theme, f"hint_{name}", closed=name != "split", colour=colour)
        done = {
            "zone": lambda corners: self._add(ZONE, corners),
            "no_fly": lambda corners: self._add(NO_FLY, corners),
            "hole": self._cut_hole,
            "split": self._split,
        }[name]
        tool.drawn.connect(done)
        tool.given_up.connect(lambda: self.take("select"))
        return tool

    def _select_tool(self) -> SelectTool:
        tool = SelectTool(self._scene)
        tool.selected.connect(self.select)
        tool.moving.connect(self._moving)
        tool.moved.connect(self._moved)
        tool.refused.connect(lambda why: self._refuse(self._words(why)))
        tool.delete_area.connect(self._delete)
        tool.delete_launch.connect(self._delete_launch)
        return tool

    def select(self, number: int | None) -> None:
        """Take an area in hand, or none."""
        self._selected = number
        self._show_draft()

    def _draft_from(self, scene: SceneDraft) -> PlanDraft:
        """The draft with the shapes that a scene has."""
        frame, draft = self._frame, self.editor.draft
        assert frame is not None
        before = self._scene()
        for area in scene.areas:
            was = before.area(area.number)
            if was is not None and was.shape is not area.shape and not was.shape.equals_exact(area.shape, 0):
                draft = draft.changed(area.number, polygon=frame.geo_geometry(area.shape))
        if scene.launches != before.launches:
            draft = draft.with_launches(tuple(self._geo_point(p) for p in scene.launches))
        return draft

    def _geo_point(self, at: QPointF) -> GeoPoint:
        assert self._frame is not None
        return GeoPoint(*self._frame.lat_lon(at))

    def _moving(self, scene: SceneDraft) -> None:
        self.item.show_draft(scene)
        self.editor.drag(self._draft_from(scene))

    def _moved(self, scene: SceneDraft) -> None:
        self.editor.edit(self._draft_from(scene))

    def _polygon(self, corners: list[QPointF]) -> Polygon:
        return Polygon([(p.x(), p.y()) for p in corners])

    def _add(self, kind: str, corners: list[QPointF]) -> None:
        shape, frame = self._polygon(corners), self._frame
        if frame is None:
            return
        if fault_of(shape):
            self._refuse(self._words("crosses_itself"))
            return
        name = self._words("new_zone" if kind == ZONE else "new_no_fly")
        draft = self.editor.draft.with_area(kind, frame.geo_geometry(shape), name)
        self._selected = draft.areas[-1].number
        self.editor.edit(draft)
        self.take("select")

    def _cut_hole(self, corners: list[QPointF]) -> None:
        hole = [(p.x(), p.y()) for p in corners]
        self._recut(lambda shape: add_hole(shape, hole), self._polygon(corners), "hole_outside")

    def _split(self, corners: list[QPointF]) -> None:
        line = [(p.x(), p.y()) for p in corners]
        self._recut(lambda shape: split_area(shape, line), MultiLineString([line]), "split_outside")

    def _recut(
        self, cut: Callable[[Polygon], list[Polygon]], over: Polygon | MultiLineString, outside: str
    ) -> None:
        """Cut the area in hand, else the one that the drawing lies over."""
        scene, frame = self._scene(), self._frame
        if frame is None:
            return
        hit = [scene.in_hand] if scene.in_hand else [a for a in scene.areas if a.shape.intersects(over)]
        if not hit or hit[0] is None:
            self._refuse(self._words(outside))
            return
        area = hit[0]
        try:
            parts = cut(area.shape)
        except ZoneError:
            self._refuse(self._words(outside))
            return
        draft = self.editor.draft.changed(area.number, polygon=frame.geo_geometry(parts[0]))
        was = self.editor.draft.area(area.number)
        for part in parts[1:]:
            if was is not None:
                draft = draft.with_area(was.kind, frame.geo_geometry(part), was.name, was.priority)
        self._selected = area.number
        self.editor.edit(draft)
        self.take("select")

    def _put_launch(self, at: QPointF) -> None:
        if self._frame is not None:
            draft = self.editor.draft
            self.editor.edit(draft.with_launches((*draft.launches, self._geo_point(at))))
            self.take("select")

    # ------------------------------------------------------------------ actions

    def _act(self, name: str) -> None:
        if name == "undo":
            self.editor.undo()
        elif name == "redo":
            self.editor.redo()
        elif name == "delete" and self._selected is not None:
            self._delete(self._selected)
        elif name == "join":
            self._join()

    def _touching(self) -> list[int]:
        """The area in hand and those of its kind that touch it."""
        scene, draft = self._scene(), self.editor.draft
        area, own = scene.in_hand, draft.area(self._selected or 0)
        if area is None or own is None:
            return []
        others = [
            a.number
            for a in scene.areas
            if a.number != area.number and a.kind == own.kind and a.shape.distance(area.shape) < 1e-6
        ]
        return [area.number, *others]

    def _join(self) -> None:
        numbers, scene, frame = self._touching(), self._scene(), self._frame
        shapes = [area.shape for area in scene.areas if area.number in numbers]
        if len(shapes) < 2 or frame is None:
            return
        try:
            joined = join_areas(shapes)
        except ZoneError as fault:
            self._refuse(str(fault))
            return
        draft = self.editor.draft.changed(numbers[0], polygon=frame.geo_geometry(joined))
        self.editor.edit(draft.without(*numbers[1:]))

    def _delete(self, number: int) -> None:
        self._selected = None
        self.editor.edit(self.editor.draft.without(number))

    def _delete_launch(self, index: int) -> None:
        launches = self.editor.draft.launches
        self.editor.edit(self.editor.draft.with_launches((*launches[:index], *launches[index + 1 :])))

    def _rename(self, number: int, name: str) -> None:
        draft = self.editor.draft
        area = draft.area(number)
        if area is None or not name or name == area.name:
            self._show_draft()
            return
        if any(a.name == name for a in draft.areas):
            self._refuse(self._words("name_taken", name=name))
            self._show_draft()
            return
        self.editor.edit(draft.changed(number, name=name))

    def _wish(self, name: str, value: object) -> None:
        draft = self.editor.draft
        wishes = replace(draft.wishes, **{name: value})
        if name == "height_m" and value is not None:
            wishes = replace(wishes, gsd_cm=None)
        elif name == "gsd_cm" and value is not None:
            wishes = replace(wishes, height_m=None)
        if wishes != draft.wishes:
            self.editor.edit(replace(draft, wishes=wishes, saved=""))

    def _go(self, lat_deg: float, lon_deg: float) -> None:
        self._map.frame_at(lat_deg, lon_deg)
        self.take("zone")

    def _save(self) -> None:
        if self._panel.save.isEnabled():
            self.editor.save()

    def _drop(self) -> None:
        self._selected = None
        self.editor.start_over()
        self._panel.show_restored(False)

    # ------------------------------------------------------------------ the hint

    def _refuse(self, why: str) -> None:
        """Say for a while why something was not done."""
        self.hint.say(why, wrong=True)
        self._place()
        self._wrong.start(_WRONG_MS)

    def _say_hint(self) -> None:
        self._wrong.stop()
        key = self._map.canvas.tool.hint if self._in_view else ""
        if key == "hint_select" and not self.editor.draft.areas:
            key = "hint_empty"
        self.hint.say(self._words(key) if key else "")
        self._place()

    def _place(self) -> None:
        gap = self._theme.sizes.pad
        self.toolbar.move(gap, gap)
        covered = self.toolbar.width() + gap if self.toolbar.isVisibleTo(self._map) else 0
        self._map.set_free_left(covered)
        left = gap + covered
        self.hint.move(left, gap)
        self.toolbar.raise_()
        self.hint.raise_()
