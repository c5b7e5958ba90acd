"""A draft and its plan on the canvas: areas with handles, lanes in the colours of their sorties, photos,
launch points, and how many photos see the ground."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import shapely
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QPainter, QPainterPath, QPen, QPolygonF, QTransform
from PyQt6.QtWidgets import QStyleOptionGraphicsItem, QWidget
from shapely import Polygon

from gui import theme as themes
from gui.mapframe import MapFrame, path_of
from gui.overlay import LaidImage, Overlay
from gui.theme import Theme
from missionctl.services.plan_draft import NO_FLY, PlanDraft
from missionctl.services.plan_preview import PlanPreview
from plans.coverage import NODATA, Coverage
from plans.zone_edit import fault_of, rings_of

_PHOTOS_FROM_PX = 9.0
"""Photos are dotted when they lie further apart on the screen than this."""
_TOP = 900.0
_HEAT_OPACITY = 0.6


@dataclass(frozen=True)
class SceneArea:
    """An area in scene coordinates."""

    number: int
    kind: str
    name: str
    shape: Polygon


@dataclass(frozen=True)
class SceneDraft:
    """A draft in scene coordinates, and which area is in hand."""

    areas: tuple[SceneArea, ...] = ()
    launches: tuple[QPointF, ...] = ()
    selected: int | None = None

    @property
    def in_hand(self) -> SceneArea | None:
        """The area that is selected."""
        return self.area(self.selected)

    def area(self, number: int | None) -> SceneArea | None:
        """An area by its number."""
        return next((area for area in self.areas if area.number == number), None)

    def with_shape(self, number: int, shape: Polygon) -> SceneDraft:
        """An area with another shape."""
        areas = tuple(replace(a, shape=shape) if a.number == number else a for a in self.areas)
        return replace(self, areas=areas)

    def with_launch(self, index: int, at: QPointF) -> SceneDraft:
        """A launch point somewhere else."""
        return replace(self, launches=(*self.launches[:index], at, *self.launches[index + 1 :]))

    def area_at(self, at: QPointF) -> SceneArea | None:
        """The smallest area under a place, so that one inside another can be reached."""
        under = [a for a in self.areas if shapely.contains_xy(a.shape, at.x(), at.y())]
        return min(under, key=lambda a: a.shape.area, default=None)


def scene_draft(draft: PlanDraft, frame: MapFrame, selected: int | None) -> SceneDraft:
    """A draft as the canvas has it."""
    areas = tuple(SceneArea(a.number, a.kind, a.name, frame.scene_geometry(a.polygon)) for a in draft.areas)
    launches = tuple(frame.scene_point(p.lat_deg, p.lon_deg) for p in draft.launches)
    return SceneDraft(areas, launches, selected if draft.area(selected or 0) else None)


class PlanItem(Overlay):
    """Everything of the Plan workspace on the map."""

    def __init__(self, theme: Theme):
        super().__init__()
        self._theme = theme
        self._draft = SceneDraft()
        self._outlines: tuple[tuple[SceneArea, QPainterPath, bool], ...] = ()
        """Each area with its path and whether it crosses itself: not worked out anew at each repaint."""
        self._sketch = QPainterPath()
        self._ways: tuple[tuple[int, QPainterPath], ...] = ()
        self._photos = np.empty((0, 2))
        self._photo_gap_m = 0.0
        self._heat: LaidImage | None = None
        self._heat_shown = False
        self._lanes_shown, self._zones_shown = True, True
        self.setZValue(_TOP)

    # ------------------------------------------------------------------ what it shows

    def show_draft(self, draft: SceneDraft) -> None:
        """Areas and launch points."""
        self._draft = draft
        self._outlines = tuple(
            (area, path_of(area.shape), fault_of(area.shape) is not None) for area in draft.areas
        )
        self.update()

    def show_sketch(self, lanes: shapely.Geometry | None, frame: MapFrame) -> None:
        """Lanes of a draft that is being changed; they take the place of the plan's."""
        self._sketch = QPainterPath() if lanes is None else path_of(frame.scene_geometry(lanes))
        self._ways, self._photos, self._heat = (), np.empty((0, 2)), None
        self.update()

    def show_plan(self, preview: PlanPreview | None, frame: MapFrame) -> None:
        """The whole plan."""
        self._sketch = QPainterPath()
        self._ways, self._photos, self._heat = (), np.empty((0, 2)), None
        if preview is not None:
            self._ways = tuple(
                (number, path_of(frame.scene_geometry(sortie.way)))
                for number, sortie in enumerate(preview.sorties)
            )
            self._photos = shapely.get_coordinates(frame.scene_geometry(preview.photos))
            steps = np.hypot(*np.diff(self._photos, axis=0).T) if len(self._photos) > 1 else np.zeros(1)
            self._photo_gap_m = float(np.median(steps))
            asked = int(preview.report["coverage"]["k"])
            self._heat = _heat_map(preview.coverage, asked, frame, self._theme)
        self.update()

    def show_layers(self, zones: bool, lanes: bool, heat: bool) -> None:
        """Which parts are switched on."""
        self._zones_shown, self._lanes_shown, self._heat_shown = zones, lanes, heat
        self.update()

    # ------------------------------------------------------------------ Qt's part

    def paint(
        self, painter: QPainter | None, option: QStyleOptionGraphicsItem | None, widget: QWidget | None = None
    ) -> None:
        if painter is None:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        to_view = painter.worldTransform()
        if self._heat_shown and self._heat is not None:
            self._heat.draw(painter, _HEAT_OPACITY)
        if self._zones_shown:
            for area, path, broken in self._outlines:
                self._draw_area(painter, area, path, broken)
        if self._lanes_shown:
            self._draw_lanes(painter, to_view)
        painter.resetTransform()
        for number, launch in enumerate(self._draft.launches, 1):
            self._draw_launch(painter, to_view.map(launch), number)
        if self._zones_shown and self._draft.in_hand is not None:
            self._draw_handles(painter, to_view, self._draft.in_hand)
        painter.restore()

    def _draw_area(self, painter: QPainter, area: SceneArea, path: QPainterPath, broken: bool) -> None:
        colour = "no_fly" if area.kind == NO_FLY else "zone"
        if broken:
            colour = "bad"
        chosen = area.number == self._draft.selected
        weak = 0.3 if broken or area.kind == NO_FLY else 0.12 if chosen else 0.05
        painter.fillPath(path, self._theme.colour(colour, weak))
        width = 3.4 if chosen else 2.4
        for pen in (
            QPen(self._theme.colour("casing", 0.55), width + 2.4),
            QPen(self._theme.colour(colour), width),
        ):
            pen.setCosmetic(True)
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            if broken:
                pen.setDashPattern([3, 2])
            painter.setPen(pen)
            painter.drawPath(path)

    def _draw_lanes(self, painter: QPainter, to_view: QTransform) -> None:
        ways = self._ways or ((0, self._sketch),)
        for number, path in ways:
            if path.isEmpty():
                continue
            for pen in (
                QPen(self._theme.colour("casing", 0.5), 4.2),
                QPen(self._theme.sortie(number, 1.0 if self._ways else 0.75), 1.8),
            ):
                pen.setCosmetic(True)
                painter.setPen(pen)
                painter.drawPath(path)
        if len(self._photos) and self._photo_gap_m * to_view.m11() >= _PHOTOS_FROM_PX:
            painter.save()
            painter.resetTransform()
            painter.setPen(QPen(self._theme.colour("casing", 0.8), 1))
            painter.setBrush(self._theme.colour("photo"))
            device = painter.device()
            window = QRectF(0, 0, device.width(), device.height()) if device else QRectF()
            for x, y in self._photos:
                place = to_view.map(QPointF(x, y))
                if window.contains(place):
                    painter.drawEllipse(place, 2.6, 2.6)
            painter.restore()

    def _draw_launch(self, painter: QPainter, at: QPointF, number: int) -> None:
        painter.setPen(QPen(self._theme.colour("surface"), 2.5))
        painter.setBrush(self._theme.colour("launch"))
        painter.drawPolygon(
            QPolygonF([at, at + QPointF(-11, -22), at + QPointF(0, -30), at + QPointF(11, -22)])
        )
        painter.setPen(self._theme.colour("surface"))
        painter.setFont(themes.font(self._theme, "text_small", bold=True))
        box = QRectF(at.x() - 12, at.y() - 29, 24, 16)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), str(number))
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _draw_handles(self, painter: QPainter, to_view: QTransform, area: SceneArea) -> None:
        for ring in rings_of(area.shape):
            places = [to_view.map(QPointF(x, y)) for x, y in ring]
            painter.setPen(QPen(self._theme.colour("casing", 0.7), 1.5))
            painter.setBrush(self._theme.colour("surface", 0.75))
            for a, b in zip(places, [*places[1:], places[0]], strict=True):
                if (b - a).manhattanLength() > 56:
                    painter.drawEllipse((a + b) / 2, 4, 4)
            painter.setPen(QPen(self._theme.colour("casing"), 2))
            painter.setBrush(self._theme.colour("surface"))
            for place in places:
                painter.drawEllipse(place, 8, 8)
        painter.setBrush(Qt.BrushStyle.NoBrush)


def _heat_map(coverage: Coverage, asked: int, frame: MapFrame, theme: Theme) -> LaidImage | None:
    """Counts as colours."""
    counts = coverage.counts
    rows, columns = counts.shape
    rgba = np.zeros((rows, columns, 4), np.uint8)
    inside = counts != NODATA
    for name, chosen in (
        ("views_few", inside & (counts < min(2, asked))),
        ("views_short", inside & (counts >= min(2, asked)) & (counts < asked)),
        ("views_enough", inside & (counts >= asked) & (counts < 2 * asked)),
        ("views_many", inside & (counts >= 2 * asked)),
    ):
        colour = theme.colour(name)
        rgba[chosen] = (colour.red(), colour.green(), colour.blue(), 255)
    west, north, cell = coverage.west_m, coverage.north_m, coverage.cell_m
    east, south = west + columns * cell, north - rows * cell
    corners = ((west, north), (east, north), (east, south), (west, south))
    places = [frame.scene_point(*map(float, coverage.frame.to_geo(e, n))) for e, n in corners]
    return LaidImage.of(rgba, places)
