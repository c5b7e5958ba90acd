"""Vector layers: features of the mission as a few paths on the canvas, one for each style."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QBrush, QColor, QPainterPath, QPen
from PyQt6.QtWidgets import QGraphicsItemGroup, QGraphicsPathItem
from shapely import Geometry

from gui.mapframe import MapFrame, path_of
from gui.snapshot import Snapshot
from gui.theme import Theme
from imagery.damage.legend import GRADES, ROAD_STATES
from missionctl.geopackage import Feature

VECTOR_KEYS = ("water", "roads", "buildings", "photos", "lanes", "track", "zones")


@dataclass(frozen=True)
class Style:
    """Pen and brush; the casing is a wider line underneath, so that it reads on any photo."""

    line: QColor
    width_px: float
    casing: QColor | None = None
    fill: QColor | None = None
    dashed: bool = False


def vector_item(key: str, snapshot: Snapshot, frame: MapFrame, theme: Theme) -> QGraphicsItemGroup | None:
    """The layer `key` of a mission; None when there is nothing to show."""
    parts = list(_PARTS[key](snapshot, theme))
    group = QGraphicsItemGroup()
    for geometries, style in parts:
        path = QPainterPath()
        for geometry in geometries:
            path.addPath(path_of(frame.scene_geometry(geometry)))
        if style is not None and not path.isEmpty():
            for item in _items(path, style):
                group.addToGroup(item)
    return group if group.childItems() else None


def _items(path: QPainterPath, style: Style) -> Iterable[QGraphicsPathItem]:
    path.setFillRule(Qt.FillRule.OddEvenFill)
    lines = [(style.casing, style.width_px + 2.4)] if style.casing else []
    lines.append((style.line, style.width_px))
    for number, (colour, width) in enumerate(lines):
        item = QGraphicsPathItem(path)
        pen = QPen(colour, width)
        pen.setCosmetic(True)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        if style.dashed and number == len(lines) - 1:
            pen.setDashPattern([4, 3])
        item.setPen(pen)
        if style.fill is not None and number == 0:
            item.setBrush(QBrush(style.fill))
        yield item


def line_style(key: str, theme: Theme) -> Style | None:
    """How the layers are drawn that have one style; None for those with a legend of their own."""
    colour = theme.colour
    styles = {
        "zones": Style(colour("zone"), 2.4, colour("casing", 0.55), colour("zone", 0.05)),
        "lanes": Style(colour("lane"), 1.8, colour("casing", 0.5)),
        "track": Style(colour("track"), 2.0, colour("casing", 0.5)),
        "photos": Style(colour("photo", 0.75), 1.0, colour("casing", 0.15)),
        "water": Style(colour("water_line"), 1.6, None, colour("water_line", 0.25)),
    }
    return styles.get(key)


_Parts = Iterable[tuple[list[Geometry], Style | None]]


def _zones(snapshot: Snapshot, theme: Theme) -> _Parts:
    yield _geometries(snapshot.features["zones"]), line_style("zones", theme)


def _lanes(snapshot: Snapshot, theme: Theme) -> _Parts:
    yield _geometries(snapshot.features["plans"][-1:]), line_style("lanes", theme)


def _track(snapshot: Snapshot, theme: Theme) -> _Parts:
    yield _geometries(snapshot.features["flights"]), line_style("track", theme)


def _photos(snapshot: Snapshot, theme: Theme) -> _Parts:
    newest = snapshot.mosaic.path.name if snapshot.mosaic else None
    rows = snapshot.features["photos"]
    rows = [f for f in rows if f.values["mosaic"] == newest] or list(rows)
    yield _geometries(rows), line_style("photos", theme)


def _buildings(snapshot: Snapshot, theme: Theme) -> _Parts:
    for grade in GRADES:
        shapes = _geometries(_graded(snapshot, "building", grade.key))
        fill = QColor(*grade.colour, 150)
        yield shapes, Style(QColor(*grade.colour), 1.6, theme.colour("casing", 0.5), fill)


def _roads(snapshot: Snapshot, theme: Theme) -> _Parts:
    for state in ROAD_STATES:
        shapes = _geometries(_graded(snapshot, "road", state.key))
        yield shapes, Style(QColor(*state.colour), 3.0, QColor(255, 255, 255, 220))


def _water(snapshot: Snapshot, theme: Theme) -> _Parts:
    rows = [f for f in _of_run(snapshot) if str(f.values["kind"]).startswith(("water", "flood"))]
    yield _geometries(rows), line_style("water", theme)


_PARTS: dict[str, Callable[[Snapshot, Theme], _Parts]] = {
    "water": _water,
    "roads": _roads,
    "buildings": _buildings,
    "photos": _photos,
    "lanes": _lanes,
    "track": _track,
    "zones": _zones,
}


def _of_run(snapshot: Snapshot) -> list[Feature]:
    return [f for f in snapshot.features["damage"] if f.values["run"] == snapshot.damage_run]


def _graded(snapshot: Snapshot, kind: str, grade: str) -> list[Feature]:
    return [
        f for f in _of_run(snapshot) if str(f.values["kind"]).startswith(kind) and f.values["grade"] == grade
    ]


def _geometries(features: Iterable[Feature]) -> list[Geometry]:
    return [f.geometry for f in features if f.geometry is not None and not f.geometry.is_empty]
