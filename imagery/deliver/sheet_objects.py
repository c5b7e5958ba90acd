"""What is drawn over the sheet's picture: roads and their cuts, buildings, villages, borders, names."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import shapely
from matplotlib.collections import LineCollection, PathCollection
from shapely import Geometry, box

from imagery.damage.legend import (
    ACCESS,
    ACCESS_UNKNOWN,
    CUT_OFF,
    GRADE_DAMAGED,
    GRADE_DESTROYED,
    GRADES,
    REACHABLE,
    ROAD_NOT_ANALYSED,
    ROAD_STATES,
    ROADS_CUT,
)
from imagery.deliver.folder import DamageFolder, Features
from imagery.deliver.fonts import drawable
from imagery.deliver.sheet_page import INK, Page, text_effects
from imagery.deliver.sheet_view import Shown, Theme, View, map_layer, outline

BOUNDARY: Final = "#6a1b78"
FLOODED_EDGE: Final = "#0b4fb3"
CUT: Final = "#c01622"
PLAIN_HOUSE: Final = "#f7f4ee"

_CUT_APART_MM: Final = 6.0
_POINTS_APART_MM: Final = 4.0
_SHORTEST_CUT_M: Final = 3.0
_DOT_BELOW_MM: Final = 1.3
_PLACE_MM: Final = 1.6
_URGENCY: Final = (CUT_OFF, ACCESS_UNKNOWN, REACHABLE)


def draw_roads(
    page: Page, axes: Any, folder: DamageFolder, view: View, shown: Shown
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Draw the roads by state; returns where to mark cuts, longest first, and points along all roads: both
    (n, 2) map metres."""
    roads = map_layer(folder, "roads", view.grid.crs)
    cuts: list[tuple[float, tuple[float, float]]] = []
    if roads is None:
        return np.zeros((0, 2)), np.zeros((0, 2))
    extent = box(*view.grid.bounds)
    states = roads.columns["state"]
    for level, entry in enumerate(ROAD_STATES):
        lines = [
            line
            for line, state in zip(roads.geometries, states, strict=True)
            if state == entry.key and line.intersects(extent)
        ]
        if not lines or entry.key == ROAD_NOT_ANALYSED:
            continue
        shown.roads.add(entry.key)
        cut = entry.key in ROADS_CUT
        width = page.stroke * (1.9 if cut else 0.9)
        paths = [shapely.get_coordinates(line) for line in lines]
        for colour, extra in (("white", 1.2), (entry.hex_colour, 0.0)):
            axes.add_collection(
                LineCollection(
                    paths,
                    colors=colour,
                    linewidths=width + page.stroke * extra,
                    capstyle="butt",
                    zorder=2 + 0.1 * level,
                )
            )
        if cut:
            cuts += [
                (line.length, line.interpolate(0.5, normalized=True).coords[0])
                for line in lines
                if line.length >= _SHORTEST_CUT_M
            ]
    known = map_layer(folder, "road_cuts", view.grid.crs)
    if known is not None:
        lengths = known.columns["length_m"]
        cuts = [(n, spot.coords[0]) for n, spot in zip(lengths, known.geometries, strict=True)]
    cuts.sort(key=lambda cut: -cut[0])
    dense = shapely.segmentize(np.array(roads.geometries, object), _POINTS_APART_MM * view.metres_per_mm)
    ways = shapely.get_coordinates(shapely.intersection(dense, extent))
    return _apart(np.array([at for _, at in cuts]).reshape(-1, 2), view), ways


def _apart(places: npt.NDArray[np.float64], view: View) -> npt.NDArray[np.float64]:
    """Places in view without those too near to an earlier one to be told apart."""
    west, south, east, north = view.grid.bounds
    kept: list[npt.NDArray[np.float64]] = []
    for place in places:
        inside = west < place[0] < east and south < place[1] < north
        near = any(np.linalg.norm(place - other) < _CUT_APART_MM * view.metres_per_mm for other in kept)
        if inside and not near:
            kept.append(place)
    return np.array(kept).reshape(-1, 2)


def draw_cut_marks(page: Page, axes: Any, cuts: npt.NDArray[np.float64], shown: Shown) -> None:
    """Mark where roads are cut, (n, 2) map metres."""
    if len(cuts):
        shown.cuts = True
        draw_cut_mark(axes, cuts[:, 0], cuts[:, 1], zorder=6, size_pt=7.0 * page.stroke)


def draw_cut_mark(axes: Any, x: Any, y: Any, *, zorder: float, size_pt: float) -> None:
    """A red disc with a white cross: here a road is cut."""
    edge, stroke = 0.13 * size_pt, 0.17 * size_pt
    axes.scatter(x, y, s=size_pt**2, marker="o", c=CUT, edgecolors="white", linewidths=edge, zorder=zorder)
    axes.scatter(x, y, s=(0.48 * size_pt) ** 2, marker="x", c="white", linewidths=stroke, zorder=zorder + 0.1)


def draw_buildings(
    page: Page, axes: Any, folder: DamageFolder, view: View, shown: Shown, theme: Theme
) -> npt.NDArray[np.float64]:
    """Draw the footprints, on a damage sheet by their grades; returns their middles, (n, 2) map metres."""
    layer = map_layer(folder, "buildings", view.grid.crs)
    found: list[npt.NDArray[np.float64]] = [np.zeros((0, 2))]
    if layer is None:
        return found[0]
    visible = shapely.intersects(np.array(layer.geometries, object), box(*view.grid.bounds))
    grades = np.asarray(layer.columns["grade"])
    wet = np.asarray(layer.columns["flooded"], bool)
    for level, entry in enumerate(GRADES):
        of_grade = visible & (grades == entry.key)
        if not of_grade.any():
            continue
        if theme == "damage":
            shown.grades.add(entry.key)
        shown.houses = True
        for flooded in (False, True):
            picked = np.flatnonzero(of_grade & (wet == flooded))
            if not len(picked):
                continue
            shown.flooded_houses |= flooded
            axes.add_collection(
                PathCollection(
                    [outline(layer.geometries[i]) for i in picked],
                    facecolors=entry.hex_colour if theme == "damage" else PLAIN_HOUSE,
                    edgecolors=FLOODED_EDGE if flooded else INK,
                    linewidths=page.stroke * (1.0 if flooded else 0.35),
                    zorder=3 + 0.1 * level + 0.05 * flooded,
                )
            )
        own = [layer.geometries[i] for i in np.flatnonzero(of_grade)]
        middles = shapely.get_coordinates(shapely.centroid(np.array(own, object)))
        found.append(middles)
        if theme == "damage" and entry.key in (GRADE_DAMAGED, GRADE_DESTROYED):
            _dots(page, axes, own, middles, entry.hex_colour, view, 3.6 + 0.1 * level)
    return np.vstack(found)


def _dots(
    page: Page,
    axes: Any,
    houses: list[Geometry],
    at: npt.NDArray[np.float64],
    colour: str,
    view: View,
    zorder: float,
) -> None:
    """A dot on each harmed house that would be too small on paper to find."""
    side_mm = np.sqrt(shapely.area(np.array(houses, object))) / view.metres_per_mm
    small = side_mm < _DOT_BELOW_MM
    if small.any():
        axes.scatter(
            *at[small].T, s=(3.8 * page.stroke) ** 2, c=colour, edgecolors=INK, linewidths=0.4, zorder=zorder
        )


def draw_boundaries(page: Page, axes: Any, towns: Features, view: View, shown: Shown) -> None:
    extent = box(*view.grid.bounds)
    lines = [
        shapely.get_coordinates(part)
        for town in towns.geometries
        for part in shapely.get_parts(shapely.intersection(town.boundary, extent))
        if part.geom_type == "LineString"
    ]
    if not lines:
        return
    shown.townships = True
    axes.add_collection(
        LineCollection(lines, colors="white", linewidths=2.6 * page.stroke, alpha=0.8, zorder=4)
    )
    axes.add_collection(
        LineCollection(
            lines, colors=BOUNDARY, linewidths=1.2 * page.stroke, linestyles=(0, (7, 2, 1.5, 2)), zorder=4.1
        )
    )


def draw_places(
    page: Page, axes: Any, folder: DamageFolder, view: View, shown: Shown, cuts: npt.NDArray[np.float64]
) -> list[Geometry]:
    """Villages by whether a road still reaches them, those cut off first and named; returns the ground that
    marks and names take up."""
    layer = map_layer(folder, "places", view.grid.crs)
    taken = [spot.buffer(_PLACE_MM * view.metres_per_mm) for spot in map(shapely.Point, cuts)]
    if layer is None:
        return taken
    size = page.sizes.body * 1.1
    extent = box(*view.grid.bounds).buffer(-2 * view.metres_per_mm)
    states = [str(state) for state in layer.columns["state"]]
    for index in sorted(range(len(layer)), key=lambda i: _URGENCY.index(states[i])):
        spot, state = layer.geometries[index], states[index]
        if not extent.contains(spot):
            continue
        shown.places.add(state)
        draw_place_mark(axes, spot.x, spot.y, state, zorder=6.5, size_pt=6.5 * page.stroke)
        taken.append(spot.buffer(_PLACE_MM * view.metres_per_mm))
        name = drawable(layer.columns["name"][index])
        colour = CUT if state == CUT_OFF else INK
        width = (page.width_mm(name, size, "bold") + 1.0) * view.metres_per_mm
        label = _beside(spot, width, 0.5 * size * view.metres_per_mm, taken, extent, view)
        if label is None:
            continue
        taken.append(label)
        text = axes.text(
            *label.centroid.coords[0],
            name,
            fontproperties=page.font(size, "bold", name),
            color=colour,
            ha="center",
            va="center",
            parse_math=False,
            zorder=7,
        )
        text.set_path_effects(text_effects(name, "bold", size, colour, halo=1.4))
    return taken


def draw_place_mark(axes: Any, x: float, y: float, state: str, *, zorder: float, size_pt: float) -> None:
    """A square in the colour of a village's access, a cut-off one larger."""
    entry = next(e for e in ACCESS if e.key == state)
    side = size_pt * (1.25 if state == CUT_OFF else 0.9)
    axes.scatter(
        x, y, s=side**2, marker="s", c=entry.hex_colour, edgecolors="white", linewidths=1.0, zorder=zorder
    )


def _beside(
    spot: Geometry, width: float, height: float, taken: list[Geometry], extent: Geometry, view: View
) -> Geometry | None:
    """A free label right, left, above or below of a mark, None where there is no room."""
    gap = _PLACE_MM * view.metres_per_mm
    steps = ((width / 2 + gap, 0), (-width / 2 - gap, 0), (0, height / 2 + gap), (0, -height / 2 - gap))
    for dx, dy in steps:
        x, y = spot.x + dx, spot.y + dy
        label = box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        if extent.contains(label) and not any(label.intersects(other) for other in taken[:-1]):
            return label
    return None


def draw_names(
    page: Page, axes: Any, towns: Features, view: View, things: npt.NDArray[np.float64], taken: list[Geometry]
) -> None:
    """Township names, each inside its area, off what is in `taken` and off what matters most."""
    size = page.sizes.head * 1.12
    column = "name_zh" if page.language == "zh" else "name_en"
    extent = box(*view.grid.bounds).buffer(-3 * view.metres_per_mm)
    for index in np.argsort([-town.area for town in towns.geometries]):
        part = towns.geometries[index].intersection(extent)
        name = drawable(towns.columns[column][index])
        if part.is_empty or part.area < (8 * view.metres_per_mm) ** 2:
            continue
        width = (page.width_mm(name, size, "bold") + 2.0) * view.metres_per_mm
        height = size * 0.36 * 1.5 * view.metres_per_mm
        spot = place_label(part, width, height, taken, things)
        if spot is None:
            continue
        taken.append(
            box(spot[0] - width / 2, spot[1] - height / 2, spot[0] + width / 2, spot[1] + height / 2)
        )
        text = axes.text(
            *spot,
            name,
            fontproperties=page.font(size, "bold", name),
            color=BOUNDARY,
            ha="center",
            va="center",
            parse_math=False,
            zorder=7,
        )
        text.set_path_effects(text_effects(name, "bold", size, BOUNDARY, halo=1.6))


def place_label(
    area: Geometry, width: float, height: float, taken: list[Geometry], things: npt.NDArray[np.float64]
) -> tuple[float, float] | None:
    """The middle of a `width` x `height` label inside an area, off the labels in `taken` and hiding as few
    of the points `things` (n, 2) as may be, then as far from the border as may be. None: no room."""
    west, south, east, north = area.bounds
    x, y = np.meshgrid(np.linspace(west, east, 25)[1:-1], np.linspace(south, north, 25)[1:-1])
    spots = np.column_stack([x.ravel(), y.ravel()])
    inner = area.representative_point()
    spots = np.vstack([spots, [inner.x, inner.y]])
    labels = shapely.box(
        spots[:, 0] - width / 2, spots[:, 1] - height / 2, spots[:, 0] + width / 2, spots[:, 1] + height / 2
    )
    shapely.prepare(area)
    free = shapely.covers(area, labels)
    for other in taken:
        free &= ~shapely.intersects(labels, other)
    if not free.any():
        return None
    spots, labels = spots[free], labels[free]
    near = np.zeros(len(spots))
    for start in range(0, len(things), 2000):  # bounded memory, however many houses
        dx = np.abs(spots[:, None, 0] - things[None, start : start + 2000, 0]) < 0.6 * width
        dy = np.abs(spots[:, None, 1] - things[None, start : start + 2000, 1]) < 1.1 * height
        near += (dx & dy).sum(axis=1)
    room = shapely.distance(area.boundary, shapely.points(spots))
    best = np.lexsort((-room, near))[0]
    return float(spots[best, 0]), float(spots[best, 1])
