"""The window on a folder: layers that can be switched, views that keep the place, faults in a line."""

import json
import shutil

import numpy as np
import pytest
import rasterio
import shapely
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import QAbstractButton, QApplication, QLabel, QLineEdit

from gui.layers import DEFAULT_ORDER
from gui.window import VIEWS
from missionctl.workspace import Workspace

MOSAIC, BEFORE = (200, 40, 60), (30, 120, 200)
SPOT = (-45.0, 15.0)
"""Metres east and north: inside the zone, away from every line."""


def row(window, key):
    rows = [window.layers.list.row_widget(n) for n in range(window.layers.list.count())]
    return next(r for r in rows if r.key == key)


def rgb(colour):
    return colour.red(), colour.green(), colour.blue()


def near(colour, want, tolerance=30):
    return all(abs(a - b) <= tolerance for a, b in zip(rgb(colour), want, strict=True))


def settle(qtbot, window):
    QApplication.processEvents()
    qtbot.waitUntil(lambda: window.ready, timeout=10_000)
    QApplication.processEvents()


def test_a_window_shows_every_layer_of_the_folder(mission, open_window):
    window = open_window(mission)
    assert window.map.keys == {s.key for s in DEFAULT_ORDER}
    names = [window.layers.list.row_widget(n).name.text() for n in range(window.layers.list.count())]
    assert names[0] == "Zones"
    assert len(names) == len(DEFAULT_ORDER)
    assert window.windowTitle() == "mission - missionctl"
    assert window.notice.isHidden()


def test_a_layer_goes_and_comes_with_its_switch(mission, open_window, colour_at, qtbot):
    window = open_window(mission, "map")
    assert near(colour_at(window, *SPOT), MOSAIC)
    qtbot.mouseClick(row(window, "mosaic").eye, Qt.MouseButton.LeftButton)
    settle(qtbot, window)
    assert not near(colour_at(window, *SPOT), MOSAIC)
    qtbot.mouseClick(row(window, "before").eye, Qt.MouseButton.LeftButton)
    settle(qtbot, window)
    assert near(colour_at(window, *SPOT), BEFORE)
    qtbot.mouseClick(row(window, "mosaic").eye, Qt.MouseButton.LeftButton)
    settle(qtbot, window)
    assert near(colour_at(window, *SPOT), MOSAIC)


def test_the_damage_raster_lies_over_the_mosaic_as_strong_as_its_slider_says(
    mission, open_window, colour_at, qtbot
):
    window = open_window(mission, "damage")
    mixed = colour_at(window, *SPOT)
    row(window, "classes").slider.setValue(100)
    settle(qtbot, window)
    full = colour_at(window, *SPOT)
    assert full.blue() > mixed.blue() > MOSAIC[2]
    row(window, "classes").slider.setValue(10)
    settle(qtbot, window)
    assert near(colour_at(window, *SPOT), MOSAIC)


@pytest.mark.parametrize("key", ["zones", "lanes", "track", "photos", "buildings", "roads", "water"])
def test_each_vector_layer_draws_something(mission, open_window, key, qtbot):
    window = open_window(mission)
    for state in DEFAULT_ORDER:
        if window.layers.list.count() and row(window, state.key).eye.isChecked():
            row(window, state.key).eye.setChecked(False)
    settle(qtbot, window)
    empty = window.map.canvas.viewport().grab().toImage()
    row(window, key).eye.setChecked(True)
    settle(qtbot, window)
    assert window.map.canvas.viewport().grab().toImage() != empty


def test_what_lies_on_top_can_be_changed(mission, open_window, colour_at, qtbot):
    window = open_window(mission, "map")
    row(window, "before").eye.setChecked(True)
    assert near(colour_at(window, *SPOT), MOSAIC)
    panel = window.layers.list
    panel.setCurrentRow(panel.keys.index("before"))
    qtbot.keyClick(panel, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    settle(qtbot, window)
    assert panel.keys.index("before") < panel.keys.index("mosaic")
    assert near(colour_at(window, *SPOT), BEFORE)


def test_the_map_keeps_its_place_through_all_views(mission, open_window, qtbot):
    window = open_window(mission)
    window.map.canvas.zoom(2.5)
    window.map.canvas.centre_on(QPointF(20.0, -10.0))
    before = window.map.canvas.view_rect
    for number, name in enumerate(VIEWS, start=1):
        qtbot.keyClick(window, str(number), Qt.KeyboardModifier.ControlModifier)
        assert window.view == name
        assert window.side.stack.currentWidget() is window.panels[name]
        assert window.map.canvas.view_rect == before


def test_a_view_keeps_its_own_switches(mission, open_window):
    window = open_window(mission, "plan")
    row(window, "lanes").eye.setChecked(False)
    window.show_view("fly")
    assert row(window, "lanes").eye.isChecked()
    window.show_view("plan")
    assert not row(window, "lanes").eye.isChecked()


def test_the_wheel_zooms_about_the_pointer_and_home_brings_the_mission_back(mission, open_window, qtbot):
    window = open_window(mission)
    canvas = window.map.canvas
    home, at = canvas.view_rect, QPoint(120, 90)
    there = canvas.mapToScene(at)
    wheel = QWheelEvent(
        QPointF(at), canvas.viewport().mapToGlobal(QPointF(at)), QPoint(), QPoint(0, 480),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(canvas.viewport(), wheel)
    assert canvas.view_rect.width() < home.width() / 1.8
    moved = canvas.mapToScene(at) - there
    assert abs(moved.x()) + abs(moved.y()) < 3 * canvas.metres_per_px
    qtbot.keyClick(window, Qt.Key.Key_Home)
    assert canvas.view_rect == home


def test_a_raster_is_there_at_every_scale(mission, open_window, colour_at, qtbot):
    """Far in, a raster has more tiles than can be read; only those in view are asked for."""
    window = open_window(mission, "map")
    canvas = window.map.canvas
    for _ in range(6):
        canvas.centre_on(QPointF(SPOT[0], -SPOT[1]))
        canvas.zoom(2.0)
        settle(qtbot, window)
        assert near(colour_at(window, SPOT[0] + 5 * canvas.metres_per_px, SPOT[1]), MOSAIC)
    assert canvas.metres_per_px < 0.02


def test_the_pointer_reads_coordinates(mission, open_window, qtbot):
    window = open_window(mission)
    canvas = window.map.canvas
    canvas.centre_on(QPointF(0.0, 0.0))
    qtbot.mouseMove(canvas.viewport(), canvas.mapFromScene(QPointF(0.0, 0.0)))
    qtbot.waitUntil(lambda: window.map._foot.place.startswith("30.0000"), timeout=2000)
    assert "105.0000" in window.map._foot.place


def test_the_layer_panel_can_be_put_away(mission, open_window, qtbot):
    window = open_window(mission)
    assert window.layers.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_L)
    assert not window.layers.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_L)
    assert window.layers.isVisible()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_clipped_and_every_target_suits_a_glove(mission, open_window, qtbot, view, language):
    window = open_window(mission, view, language)
    QApplication.processEvents()
    seen = [w for w in window.findChildren(QLabel) if w.isVisible() and not w.visibleRegion().isEmpty()]
    for label in seen:
        if not label.wordWrap() and label.pixmap().isNull():
            assert label.sizeHint().width() <= label.width() + 1, label.text()
            assert label.sizeHint().height() <= label.height() + 1, label.text()
    for target in [*window.findChildren(QAbstractButton), *window.findChildren(QLineEdit)]:
        if target.isVisible() and target.objectName() != "qt_spinbox_lineedit":
            assert min(target.width(), target.height()) >= 44, target.accessibleName() or target.text()
    panel = window.layers
    assert panel.geometry().bottom() <= window.map.height()
    assert not panel.geometry().intersects(window.map.buttons.geometry())


# ------------------------------------------------------------------------------ folders with a fault


def test_a_mission_without_a_place_says_what_to_do(make_mission, open_window):
    window = open_window(make_mission(place=False, rasters=False, rows=False))
    shown = [w.text() for w in window.map.findChildren(QLabel) if w.isVisible()]
    assert "This mission has no place yet" in shown
    assert window.map.keys == frozenset()
    assert window.notice.line == ""
    for name in VIEWS:
        window.show_view(name)


def test_a_mission_without_rasters_says_how_to_make_them(make_mission, open_window):
    window = open_window(make_mission(rasters=False), "map")
    texts = [w.text() for w in window.panels["map"].findChildren(QLabel)]
    assert "No mosaic yet" in texts
    assert "mosaic" not in window.map.keys
    assert "zones" in window.map.keys


@pytest.mark.usefixtures("broken_files")
def test_a_raster_that_is_none_is_one_line(mission, open_window):
    (mission / "mosaics" / "orthomosaic.tif").write_bytes(b"not a picture")
    window = open_window(mission, "map")
    assert "orthomosaic.tif" in window.notice.line
    assert "\n" not in window.notice.line
    assert "mosaic" not in window.map.keys
    assert "before" in window.map.keys


@pytest.mark.usefixtures("broken_files")
def test_a_raster_with_damaged_pixels_is_one_line_and_the_rest_stays(mission, open_window, qtbot):
    file = mission / "mosaics" / "orthomosaic.tif"
    data = bytearray(file.read_bytes())
    file.write_bytes(data[: len(data) // 3])
    window = open_window(mission, "map")
    qtbot.waitUntil(lambda: "orthomosaic.tif" in window.notice.line, timeout=5000)
    assert window.ready


@pytest.mark.usefixtures("broken_files")
def test_a_raster_that_is_mended_takes_its_fault_back(mission, open_window, qtbot):
    file = mission / "mosaics" / "orthomosaic.tif"
    whole = file.read_bytes()
    file.write_bytes(b"not a picture")
    window = open_window(mission, "map")
    assert window.notice.line
    file.write_bytes(whole)
    window._watch.look()
    qtbot.waitUntil(lambda: "mosaic" in window.map.keys, timeout=5000)
    assert window.notice.line == ""


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_raster_without_a_place_is_one_line(mission, open_window):
    file = mission / "mosaics" / "lost.tif"
    shape = {"count": 3, "height": 4, "width": 4, "dtype": "uint8"}
    with rasterio.open(file, "w", driver="GTiff", **shape) as out:
        out.write(np.zeros((3, 4, 4), np.uint8))
    window = open_window(mission)
    assert "lost.tif" in window.notice.line


def test_a_layer_that_goes_while_the_window_is_open(mission, open_window, qtbot):
    window = open_window(mission, "map")
    (mission / "mosaics" / "orthomosaic.tif").unlink()
    shutil.rmtree(mission / "damage" / "first")
    window._watch.look()
    qtbot.waitUntil(lambda: "mosaic" not in window.map.keys, timeout=5000)
    assert "classes" not in window.map.keys
    assert "zones" in window.map.keys
    settle(qtbot, window)


def test_work_of_another_process_appears(mission, open_window, qtbot):
    window = open_window(mission)
    zone = shapely.box(105.0, 30.0, 105.0005, 30.0005)
    Workspace.open(mission).add("zones", [(zone, {"name": "School yard"})])
    window._watch.look()

    def told():
        return any(w.text() == "School yard" for w in window.panels["plan"].findChildren(QLineEdit))

    qtbot.waitUntil(told, timeout=5000)


def test_a_folder_that_goes_while_the_window_is_open_is_one_line(mission, open_window, qtbot):
    window = open_window(mission)
    shutil.rmtree(mission)
    window._watch.look()
    qtbot.waitUntil(lambda: "not a mission folder" in window.notice.line, timeout=5000)
    for name in VIEWS:
        window.show_view(name)


def test_reports_of_an_unknown_shape_do_not_stop_the_window(mission, open_window):
    workspace = Workspace.open(mission)
    workspace.add("plans", [(None, {"name": "odd", "file": "", "report_json": "{"})])
    workspace.add("flights", [(None, {"flight_id": "f2", "started_utc": "soon", "report_json": "null"})])
    (mission / "damage" / "first" / "report.json").write_text(json.dumps([1, 2]))
    window = open_window(mission)
    for name in VIEWS:
        window.show_view(name)


def test_two_faults_are_read_one_after_the_other(mission, open_window, qtbot):
    (mission / "before.tif").unlink()
    (mission / "dem.tif").unlink()
    window = open_window(mission)
    lines = []
    while window.notice.isVisible():
        lines.append(window.notice.line)
        button = window.notice.findChild(QAbstractButton)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        assert len(lines) < 5
    assert sorted(name for line in lines for name in ("before.tif", "dem.tif") if name in line) == [
        "before.tif",
        "dem.tif",
    ]
