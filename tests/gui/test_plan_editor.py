"""Planning on the map: drawn, changed and saved by clicks and keys, and nothing is lost when it dies."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import shapely
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QInputMethodEvent
from PyQt6.QtWidgets import QApplication

from gui.fields import number_of, place_of
from gui.history import History
from missionctl.services.plan_draft import DRAFT, ZONE, PlanDraft, Wishes, keep_draft, read_draft
from missionctl.workspace import MissionConfig, Workspace
from plans.frames import LocalFrame

CAMERA = "DJI Mavic 3E"
FRAME = LocalFrame(30.0, 105.0)
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def empty_mission(tmp_path):
    config = MissionConfig("Bend", origin_lat_deg=30.0, origin_lon_deg=105.0, camera=CAMERA)
    return Workspace.create(tmp_path / "mission", config).path


@pytest.fixture
def plan(open_window, empty_mission, qtbot):
    """A window on an empty mission of a known place, seen from far enough for some hundred metres."""
    window = open_window(empty_mission, size=(1400, 900))
    window.layers.hide()
    window.map.canvas.set_home(window.map.frame.rect(-400, -300, 400, 300), (0, 0, 0, 0))
    window.map.canvas.show_home()
    return Hand(window, qtbot)


class Hand:
    """A pilot's hand: places are metres east and north."""

    def __init__(self, window, qtbot):
        self.window, self.qtbot = window, qtbot
        self.canvas, self.control = window.map.canvas, window.planning
        self.editor, self.panel = self.control.editor, window.plan

    def at(self, east_m, north_m) -> QPoint:
        return self.canvas.mapFromScene(QPointF(east_m, -north_m))

    def click(self, east_m, north_m):
        self.qtbot.mouseClick(self.canvas.viewport(), LEFT, pos=self.at(east_m, north_m))

    def double_click(self, east_m, north_m):
        self.qtbot.mouseClick(self.canvas.viewport(), LEFT, pos=self.at(east_m, north_m))
        self.qtbot.mouseDClick(self.canvas.viewport(), LEFT, pos=self.at(east_m, north_m))

    def drag(self, start, end, steps=4):
        port = self.canvas.viewport()
        self.qtbot.mousePress(port, LEFT, pos=self.at(*start))
        for n in range(1, steps + 1):
            way = [a + (b - a) * n / steps for a, b in zip(start, end, strict=True)]
            self.qtbot.mouseMove(port, self.at(*way))
        self.qtbot.mouseRelease(port, LEFT, pos=self.at(*end))

    def key(self, key, modifier=Qt.KeyboardModifier.NoModifier):
        self.qtbot.keyClick(self.canvas, key, modifier)

    def tool(self, name):
        self.qtbot.mouseClick(self.control.toolbar.button(name), LEFT)

    def draw(self, tool, *corners):
        self.tool(tool)
        for corner in corners:
            self.click(*corner)
        self.key(Qt.Key.Key_Return)

    def settle(self):
        self.qtbot.waitUntil(lambda: not self.editor.busy, timeout=60_000)

    def shapes(self):
        draft = self.editor.draft
        return {a.name: FRAME.geometry_to_local(a.polygon) for a in draft.areas}


def by_input_method(edit, text):
    """Commit a text as a Chinese keyboard does."""
    event = QInputMethodEvent()
    event.setCommitString(text)
    QApplication.sendEvent(edit, event)


SQUARE = ((-150, -100), (150, -100), (150, 100), (-150, 100))


def test_a_zone_is_drawn_planned_and_saved_with_clicks_alone(plan, qtbot):
    plan.draw("zone", *SQUARE)
    plan.settle()
    (area,) = plan.editor.draft.areas
    assert plan.shapes()[area.name].area == pytest.approx(60_000, rel=0.02)
    preview = plan.editor.preview
    assert preview.report["photos"] > 50
    assert preview.report["coverage"]["share"] > 0.99
    assert plan.panel.save.isEnabled()
    qtbot.mouseClick(plan.panel.save, LEFT)
    workspace = Workspace(plan.window.planning._folder)
    qtbot.waitUntil(lambda: plan.editor.draft.saved == "survey.plan", timeout=60_000)
    assert (workspace.path / "plans" / "survey.plan").exists()
    (row,) = workspace.features("plans")
    assert json.loads(row.values["report_json"])["photos"] == preview.report["photos"]
    assert not plan.panel.save.isEnabled()
    assert "survey.plan" in plan.panel.state.text()


def test_a_click_on_the_first_corner_closes_and_a_double_click_ends(plan):
    plan.tool("zone")
    for corner in (*SQUARE, SQUARE[0]):
        plan.click(*corner)
    assert len(plan.editor.draft.areas) == 1
    plan.tool("no_fly")
    plan.click(0, 0)
    plan.click(30, 0)
    plan.double_click(15, 30)
    assert [a.kind for a in plan.editor.draft.areas] == ["zone", "no_fly"]


def test_backspace_takes_a_corner_back_and_escape_gives_up(plan):
    plan.tool("zone")
    plan.click(0, 0)
    plan.click(300, 0)
    plan.key(Qt.Key.Key_Backspace)
    plan.click(100, 0)
    plan.click(100, 100)
    plan.key(Qt.Key.Key_Return)
    (shape,) = plan.shapes().values()
    assert shape.area == pytest.approx(5_000, rel=0.05)
    plan.tool("zone")
    plan.click(-200, 0)
    plan.key(Qt.Key.Key_Escape)
    assert len(plan.editor.draft.areas) == 1
    assert plan.control.toolbar.button("select").isChecked()


def test_a_corner_is_dragged_an_edge_grows_one_and_undo_takes_all_back(plan):
    plan.draw("zone", *SQUARE)
    drawn = plan.editor.draft
    plan.drag((150, 100), (200, 150))
    moved = plan.editor.draft
    (shape,) = plan.shapes().values()
    assert shape.distance(shapely.Point(200, 150)) < 2
    plan.drag((0, -100), (0, -160))
    (shape,) = plan.shapes().values()
    assert len(shape.exterior.coords) == 6
    assert shape.distance(shapely.Point(0, -160)) < 2
    grown = plan.editor.draft
    for expected in (moved, drawn, PlanDraft(wishes=drawn.wishes)):
        plan.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert plan.editor.draft == expected
    for _ in range(3):
        plan.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert plan.editor.draft == grown
    assert not plan.editor.can_redo


def test_lanes_follow_the_hand_while_it_drags(plan, qtbot):
    plan.draw("zone", *SQUARE)
    plan.settle()
    sketches = []
    plan.editor.sketch_changed.connect(sketches.append)
    port = plan.canvas.viewport()
    qtbot.mousePress(port, LEFT, pos=plan.at(150, 100))
    qtbot.mouseMove(port, plan.at(200, 150))
    qtbot.mouseMove(port, plan.at(250, 200))
    qtbot.waitUntil(lambda: bool(sketches) and not plan.editor.busy, timeout=20_000)
    assert FRAME.geometry_to_local(sketches[-1]).bounds[2] > 180
    assert len(plan.editor.draft.areas[0].polygon.exterior.coords) == 5
    before = plan.editor.draft
    qtbot.mouseRelease(port, LEFT, pos=plan.at(250, 200))
    assert plan.editor.draft != before


def test_a_border_that_would_cross_itself_is_refused_and_said(plan):
    plan.draw("zone", *SQUARE)
    before = plan.editor.draft
    plan.drag((150, 100), (-250, -50))
    assert plan.editor.draft == before
    assert "cross itself" in plan.control.hint.text()
    plan.draw("zone", (0, 0), (100, 100), (100, 0), (0, 100))
    assert plan.editor.draft == before


def test_holes_splits_and_joins(plan):
    plan.draw("zone", *SQUARE)
    plan.draw("hole", (-50, -30), (50, -30), (50, 30), (-50, 30))
    (shape,) = plan.shapes().values()
    assert len(shape.interiors) == 1
    plan.draw("split", (-100, -150), (-100, 150))
    areas = sorted(s.area for s in plan.shapes().values())
    assert areas == pytest.approx([10_000, 44_000], rel=0.05)
    assert plan.control.toolbar.button("join").isEnabled()
    plan.tool("join")
    (shape,) = plan.shapes().values()
    assert shape.area == pytest.approx(54_000, rel=0.05)
    plan.draw("hole", (300, 200), (340, 200), (340, 240))
    assert "inside one area" in plan.control.hint.text()


def test_delete_removes_a_corner_that_was_touched_else_the_area(plan):
    plan.draw("zone", *SQUARE)
    plan.drag((150, 100), (160, 110))
    plan.key(Qt.Key.Key_Delete)
    (shape,) = plan.shapes().values()
    assert len(shape.exterior.coords) == 4
    plan.click(-60, -60)
    plan.key(Qt.Key.Key_Delete)
    assert plan.editor.draft.areas == ()


def test_a_click_beside_an_edge_makes_no_corner_to_delete(plan):
    plan.draw("zone", *SQUARE)
    plan.click(0, -100)
    plan.key(Qt.Key.Key_Delete)
    assert [len(a.polygon.exterior.coords) for a in plan.editor.draft.areas] in ([], [5])


def test_shift_moves_a_whole_area_and_a_plain_drag_pans(plan, monkeypatch):
    plan.draw("zone", *SQUARE)
    before, view = plan.editor.draft, plan.canvas.view_rect
    plan.drag((0, 0), (60, 40))
    assert plan.editor.draft == before
    assert plan.canvas.view_rect != view
    monkeypatch.setattr(QApplication, "keyboardModifiers", lambda: Qt.KeyboardModifier.ShiftModifier)
    plan.drag((0, 0), (60, 40))
    (shape,) = plan.shapes().values()
    assert shape.centroid.distance(shapely.Point(60, 40)) < 3


def test_launch_points_are_put_dragged_and_deleted(plan):
    plan.draw("zone", *SQUARE)
    plan.tool("launch")
    plan.click(-250, 0)
    (point,) = plan.editor.draft.launches
    east, north = FRAME.to_local(point.lat_deg, point.lon_deg)
    assert (east, north) == pytest.approx((-250, 0), abs=2)
    plan.drag((-250, 2), (-250, 120))
    (point,) = plan.editor.draft.launches
    assert FRAME.to_local(point.lat_deg, point.lon_deg)[1] == pytest.approx(119, abs=3)
    plan.click(-250, 120)
    plan.key(Qt.Key.Key_Delete)
    assert plan.editor.draft.launches == ()


def test_wishes_are_typed_in_whatever_digits_the_keyboard_gives(plan, qtbot):
    plan.draw("zone", *SQUARE)
    edit = plan.panel.fields["height_m"].edit
    edit.setFocus()
    by_input_method(edit, "９０．５")
    assert plan.editor.draft.wishes.height_m == 90.5
    assert plan.editor.draft.wishes.gsd_cm is None
    edit.clear()
    qtbot.keyClicks(edit, "x")
    assert plan.editor.draft.wishes.height_m == 90.5
    assert edit.objectName() == "wrong"
    gsd = plan.panel.fields["gsd_cm"].edit
    gsd.setFocus()
    qtbot.keyClicks(gsd, "4")
    assert (plan.editor.draft.wishes.gsd_cm, plan.editor.draft.wishes.height_m) == (4.0, None)
    qtbot.keyClick(gsd, Qt.Key.Key_Up)
    assert plan.editor.draft.wishes.gsd_cm == 4.5


def test_what_cannot_be_planned_is_said_and_drawing_goes_on(plan):
    plan.draw("zone", *SQUARE)
    plan.settle()
    plan.editor.edit(plan.editor.draft.with_wishes(height_m=10.0, gsd_cm=None, clearance_m=400.0))
    plan.settle()
    assert plan.editor.preview is None
    plan.editor.undo()
    plan.settle()
    assert plan.editor.preview is not None


def test_the_measure_tells_length_and_area(plan):
    plan.tool("measure")
    plan.click(0, 0)
    plan.click(100, 0)
    plan.click(100, 100)
    plan.key(Qt.Key.Key_Return)
    tool = plan.canvas.tool
    assert tool.length_m == pytest.approx(200, rel=0.02)
    assert tool.area_m2 == pytest.approx(5_000, rel=0.04)
    assert plan.editor.draft.areas == ()


def test_tools_leave_with_the_workspace_and_come_back(plan, qtbot):
    plan.draw("zone", *SQUARE)
    plan.window.show_view("map")
    assert plan.control.toolbar.isHidden()
    assert not plan.control.item.isVisible()
    plan.click(0, 0)
    plan.key(Qt.Key.Key_Delete)
    plan.window.show_view("plan")
    assert len(plan.editor.draft.areas) == 1
    assert plan.control.item.isVisible()


def test_a_mission_without_a_place_asks_for_one(open_window, tmp_path, qtbot):
    folder = Workspace.create(tmp_path / "m", MissionConfig("New", camera=CAMERA)).path
    window = open_window(folder)
    place = window.plan.place
    assert place.isVisible()
    qtbot.keyClicks(place.edit, "somewhere")
    qtbot.mouseClick(place.go, LEFT)
    assert window.map.frame is None
    place.edit.clear()
    by_input_method(place.edit, "３１．０２１５，１０３．６１２")
    qtbot.mouseClick(place.go, LEFT)
    assert window.map.frame.frame.origin_lat_deg == pytest.approx(31.0215)
    hand = Hand(window, qtbot)
    hand.click(-100, -100)
    hand.click(100, -100)
    hand.click(0, 100)
    hand.key(Qt.Key.Key_Return)
    hand.settle()
    qtbot.mouseClick(window.plan.save, LEFT)
    qtbot.waitUntil(lambda: window.planning.editor.draft.saved != "", timeout=60_000)
    assert Workspace(folder).config.frame is not None


_DRAW_AND_DIE = """
import os, sys
from pathlib import Path
from PyQt6.QtCore import QTimer
from PyQt6.QtGui import QInputMethodEvent
from PyQt6.QtWidgets import QApplication
from shapely import box
from gui.plan.editor import PlanEditor
from plans.frames import LocalFrame
app = QApplication([])
editor = PlanEditor(Path(sys.argv[1]))
zone = LocalFrame(30.0, 105.0).geometry_to_geo(box(0, 0, 200, 150))
editor.edit(editor.draft.with_area("zone", zone, "Kept"))
print("drawn", flush=True)
app.exec()
"""


def test_kill_9_loses_no_edit_older_than_two_seconds(empty_mission, open_window, qtbot):
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-c", _DRAW_AND_DIE, str(empty_mission)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "drawn\n"
        drawn = time.monotonic()
        while not (empty_mission / DRAFT).exists():
            assert time.monotonic() - drawn < 60
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    window = open_window(empty_mission)
    assert [a.name for a in window.planning.editor.draft.areas] == ["Kept"]
    assert window.plan.restored.isVisible()
    qtbot.mouseClick(window.plan.restored.drop, LEFT)
    assert window.planning.editor.draft.areas == ()
    window.planning.editor.undo()
    assert len(window.planning.editor.draft.areas) == 1


def test_a_draft_that_cannot_be_read_is_said_and_kept(empty_mission, open_window, qtbot):
    file = empty_mission / DRAFT
    file.parent.mkdir()
    file.write_text("{broken")
    window = open_window(empty_mission)
    qtbot.waitUntil(lambda: "cannot be read" in window.notice.line, timeout=5_000)
    assert file.read_text() == "{broken"


def test_a_draft_that_was_saved_is_no_leftover(empty_mission, open_window):
    zone = FRAME.geometry_to_geo(shapely.box(0, 0, 200, 150))
    draft = PlanDraft(wishes=Wishes(camera=CAMERA)).with_area(ZONE, zone, "Zone")
    keep_draft(Workspace(empty_mission), PlanDraft(draft.areas, (), draft.wishes, "survey.plan"))
    window = open_window(empty_mission)
    assert not window.plan.restored.isVisible()
    assert read_draft(Workspace(empty_mission)).saved == "survey.plan"
    QApplication.processEvents()


@pytest.mark.parametrize(
    ("typed", "number"),
    [("12", 12), ("１２．５", 12.5), ("3,5", 3.5), (" 7 ", 7), ("8。5", 8.5), ("−4", -4), ("", None),
     ("x", None), ("nan", None), ("1.2.3", None)],
)  # fmt: skip
def test_numbers_as_people_type_them(typed, number):
    assert number_of(typed) == number


@pytest.mark.parametrize(
    ("typed", "place"),
    [("31.5, 103.25", (31.5, 103.25)), ("31.5 103.25", (31.5, 103.25)),
     ("３１．５，１０３．５", (31.5, 103.5)),
     ("-31.5;103.25", (-31.5, 103.25)), ("31.5", None), ("103.25, 31.5", None), ("a, b", None)],
)  # fmt: skip
def test_places_as_people_type_them(typed, place):
    assert place_of(typed) == place


def test_a_history_goes_back_and_forth():
    history = History(1).changed(2).changed(3)
    assert history.undone().now == 2
    assert history.undone().undone().undone().now == 1
    assert history.undone().redone() == history
    assert history.undone().changed(9).redone().now == 9
    assert history.changed(3) is history
