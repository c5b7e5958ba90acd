"""Painting and grading in the Damage workspace, by clicks and keys."""

import json

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtWidgets import QApplication
from rasterio.transform import from_origin

from missionctl.services.strokes import PAINTED, read_strokes
from missionctl.workspace import MissionConfig, Workspace
from plans.frames import LocalFrame

FRAME = LocalFrame(30.0, 105.0)
LEFT = Qt.MouseButton.LeftButton
HALF_M, PIXEL_M = 60.0, 0.2


@pytest.fixture
def workspace(tmp_path):
    """A mission with a mosaic: smooth water in the west, rough fields in the east."""
    config = MissionConfig("Bend", origin_lat_deg=30.0, origin_lon_deg=105.0)
    made = Workspace.create(tmp_path / "mission", config)
    side = round(2 * HALF_M / PIXEL_M)
    west = np.arange(side)[None, :] < side // 2
    grain = np.random.default_rng(1).normal(0, 1, (side, side))
    rgb = [np.where(west, w, f) + grain * np.where(west, 3, 14) for w, f in ((60, 110), (90, 160), (140, 70))]
    with rasterio.open(
        made.path / "mosaics" / "m.tif", "w", driver="GTiff", width=side, height=side, count=3, dtype="uint8",
        crs=FRAME.crs.to_wkt(), transform=from_origin(-HALF_M, HALF_M, PIXEL_M, PIXEL_M), photometric="RGB",
    ) as out:  # fmt: skip
        out.write(np.clip(rgb, 0, 255).astype(np.uint8))
    return made


@pytest.fixture
def hand(open_window, workspace, qtbot):
    window = open_window(workspace.path, "damage", size=(1400, 900))
    window.layers.hide()
    window.map.canvas.set_home(window.map.frame.rect(-60, -60, 60, 60), (0, 0, 0, 0))
    window.map.canvas.show_home()
    return Hand(window, qtbot)


class Hand:
    """An analyst's hand: places are metres east and north."""

    def __init__(self, window, qtbot):
        self.window, self.qtbot = window, qtbot
        self.canvas, self.control = window.map.canvas, window.damaging
        self.editor, self.paint = self.control.editor, window.damage.paint

    def at(self, east_m, north_m):
        return self.canvas.mapFromScene(QPointF(east_m, -north_m))

    def take(self, key):
        self.qtbot.mouseClick(self.paint.button(key), LEFT)

    def stroke(self, *places):
        port = self.canvas.viewport()
        self.qtbot.mousePress(port, LEFT, pos=self.at(*places[0]))
        for place in places[1:]:
            self.qtbot.mouseMove(port, self.at(*place))
        self.qtbot.mouseRelease(port, LEFT, pos=self.at(*places[-1]))

    def key(self, key, modifier=Qt.KeyboardModifier.NoModifier):
        self.qtbot.keyClick(self.canvas, key, modifier)

    def settle(self):
        self.qtbot.waitUntil(lambda: not self.editor.busy, timeout=90_000)

    def paint_both(self):
        for key, east in (("water", -30), ("vegetation", 30)):
            self.take(key)
            for north in (-45, -15, 15, 45):
                self.stroke((east - 12, north), (east, north + 3), (east + 12, north))


def test_strokes_are_painted_kept_and_shown_as_classes(hand, workspace):
    hand.paint_both()
    hand.settle()
    strokes = read_strokes(workspace)
    assert strokes.counts() == {"water": 4, "vegetation": 4}
    assert workspace.config.inputs["samples"] == PAINTED
    shape = FRAME.geometry_to_local(strokes.strokes[0].geometry)
    assert shape.bounds == pytest.approx((-42, -45, -18, -42), abs=1.0)
    assert "4" in hand.paint.button("water").text()
    hand.qtbot.waitUntil(lambda: hand.control.item.has_preview, timeout=90_000)
    image = hand.control.item._preview.image
    row, width = image.height() // 2, image.width()
    water, field = image.pixelColor(width // 4, row), image.pixelColor(3 * width // 4, row)
    assert (water.red(), water.green(), water.blue()) == (31, 104, 201)
    assert (field.red(), field.green(), field.blue()) == (76, 145, 65)


def test_undo_erase_and_a_class_of_ones_own(hand, workspace, qtbot):
    hand.take("water")
    hand.stroke((-30, 0), (-20, 0))
    hand.stroke((-30, 20), (-20, 20))
    hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert len(hand.editor.strokes.strokes) == 1
    hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert len(hand.editor.strokes.strokes) == 2
    qtbot.mouseClick(hand.paint.erase, LEFT)
    qtbot.mouseClick(hand.canvas.viewport(), LEFT, pos=hand.at(-25, 20))
    assert len(hand.editor.strokes.strokes) == 1
    hand.paint.own.setFocus()
    qtbot.keyClicks(hand.paint.own, "greenhouse")
    qtbot.keyClick(hand.paint.own, Qt.Key.Key_Return)
    hand.stroke((30, 0), (40, 0))
    qtbot.mouseClick(hand.canvas.viewport(), LEFT, pos=hand.at(30, 30))
    hand.settle()
    assert read_strokes(workspace).counts() == {"water": 1, "greenhouse": 2}
    assert read_strokes(workspace).strokes[-1].geometry.geom_type == "Point"
    assert "greenhouse" in hand.paint.button("greenhouse").text()


def test_one_class_alone_is_said_and_without_a_class_in_hand_the_map_is_dragged(hand):
    hand.take("water")
    hand.stroke((-30, 0), (-20, 0))
    hand.settle()
    hand.qtbot.waitUntil(lambda: "other class" in hand.paint.fault.text(), timeout=60_000)
    assert not hand.paint.make.isEnabled()
    hand.take("water")
    view = hand.canvas.view_rect
    hand.stroke((-30, 0), (0, 20))
    assert len(hand.editor.strokes.strokes) == 1
    assert hand.canvas.view_rect != view


def test_the_whole_map_is_made_and_shown(hand, workspace, qtbot):
    hand.paint_both()
    hand.settle()
    with qtbot.waitSignal(hand.editor.mapped, timeout=180_000) as ended:
        qtbot.mouseClick(hand.paint.make, LEFT)
        assert hand.paint.stop.isVisible()
    assert ended.args == [True]
    report = json.loads((workspace.path / "damage" / "map-1" / "report.json").read_text(encoding="utf-8"))
    assert report["classes"]["water"]["share"] == pytest.approx(0.5, abs=0.05)
    qtbot.waitUntil(lambda: hand.window.snapshot.damage_run == "map-1", timeout=30_000)
    assert hand.paint.make.isVisible()


def test_samples_from_elsewhere_are_seen_under_the_names_of_the_legend(open_window, workspace):
    given = workspace.path / "given.gpkg"
    shape = shapely.to_wkb(FRAME.geometry_to_geo(shapely.box(-20, -20, -10, -10)))
    pyogrio.raw.write(
        given, np.array([shape, shape]), [np.array(["bare", "水体"], object)], ["class"],
        geometry_type="Polygon", crs="EPSG:4326", layer="samples",
    )  # fmt: skip
    workspace.set_input("samples", given)
    window = open_window(workspace.path, "damage")
    assert window.damage.paint.button("bare_ground").text().endswith("1")
    assert window.damage.paint.button("water").text().endswith("1")
    assert not (workspace.path / PAINTED).exists()


@pytest.fixture
def graded(workspace):
    """A damage map with three suggested grades."""
    run = workspace.path / "damage" / "map-1"
    run.mkdir()
    boxes = [shapely.box(x, 0, x + 8, 8) for x in (-40, 0, 40)]
    geo = [FRAME.geometry_to_geo(b) for b in boxes]
    columns = {
        "id": ["a", "b", "c"],
        "grade": ["No visible damage", "Destroyed", "Possibly damaged"],
        "suggested": ["No visible damage", "Destroyed", "Possibly damaged"],
        "confidence": [0.9, 0.6, 0.5],
        "reason": ["", "roof gone", "water beside it"],
        "flooded": [0, 0, 1],
        "status": ["suggested"] * 3,
        "confirmed_by": [""] * 3,
        "confirmed_utc": [""] * 3,
        "note": [""] * 3,
    }
    arrays = [np.array(v, object if isinstance(v[0], str) else None) for v in columns.values()]
    pyogrio.raw.write(
        run / "damage.gpkg", np.array([shapely.to_wkb(g) for g in geo]), arrays, list(columns),
        geometry_type="Polygon", crs="EPSG:4326", layer="buildings",
    )  # fmt: skip
    report = {"classes": {}, "buildings": {"No visible damage": 1, "Possibly damaged": 1, "Damaged": 0}}
    report["buildings"] |= {"Destroyed": 1, "Not Analysed": 0}
    (run / "report.json").write_text(json.dumps(report))
    with rasterio.open(workspace.path / "mosaics" / "m.tif") as mosaic:
        profile = {**mosaic.profile, "count": 1, "nodata": 0, "photometric": "MINISBLACK"}
        with rasterio.open(run / "classes.tif", "w", **profile) as out:
            out.write(np.ones((1, mosaic.height, mosaic.width), np.uint8))
    rows = [
        (g, {"kind": "buildings", "source_id": i, "grade": s, "run": "map-1", "detail_json": "{}"})
        for g, i, s in zip(geo, columns["id"], columns["grade"], strict=True)
    ]
    workspace.add("damage", rows)
    return workspace


def test_buildings_are_graded_by_keys_worst_first(graded, open_window, qtbot):
    window = open_window(graded.path, "damage")
    hand = Hand(window, qtbot)
    box = window.damage.grade
    qtbot.mouseClick(box.start, LEFT)
    qtbot.waitUntil(lambda: box.title.text().startswith("Building b"), timeout=10_000)
    assert "3 left" in box.title.text()
    assert "roof gone" in box.about.text()
    middle = window.map.canvas.view_rect.center()
    assert (middle.x(), middle.y()) == pytest.approx((4, -4), abs=1.0)
    hand.key(Qt.Key.Key_4)
    assert box.title.text().startswith("Building c")
    hand.key(Qt.Key.Key_Space)
    assert box.title.text().startswith("Building a")
    hand.key(Qt.Key.Key_1)
    hand.key(Qt.Key.Key_3)
    hand.settle()
    assert box.start.isVisible()
    told = {f.values["source_id"]: f.values["grade"] for f in graded.features("decisions")}
    assert told == {"b": "Destroyed", "a": "No visible damage", "c": "Damaged"}
    shown = {f.values["source_id"]: f.values["grade"] for f in graded.features("damage")}
    assert shown == told
    QApplication.processEvents()


def test_escape_ends_the_grading_and_nothing_is_decided(graded, open_window, qtbot):
    window = open_window(graded.path, "damage")
    hand = Hand(window, qtbot)
    qtbot.mouseClick(window.damage.grade.start, LEFT)
    qtbot.waitUntil(lambda: window.damage.grade.title.text() != "", timeout=10_000)
    hand.key(Qt.Key.Key_Escape)
    hand.key(Qt.Key.Key_4)
    hand.settle()
    assert graded.features("decisions") == []
