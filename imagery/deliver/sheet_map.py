"""The map of the sheet: where it lies, at what scale, and what is drawn in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from affine import Affine
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.path import Path as Outline
from pyproj.aoi import AreaOfInterest
from pyproj.database import query_utm_crs_info
from shapely import Geometry, box

from imagery.damage.coarse import outlines
from imagery.damage.ground_pass import NO_IMAGERY
from imagery.damage.legend import (
    GRADE_DAMAGED,
    GRADE_DESTROYED,
    GRADES,
    ROAD_BLOCKED,
    ROAD_FLOODED,
    ROAD_NOT_ANALYSED,
    ROAD_STATES,
    Entry,
)
from imagery.damage.scene import GeoGrid
from imagery.deliver.folder import DamageFolder, Features
from imagery.deliver.fonts import drawable
from imagery.deliver.picture import blended, codes, fitted, opacity_of, photo, softened, tinted
from imagery.deliver.sheet_page import DPI, INK, MM_PER_INCH, Box, Page, text_effects

HATCH_FILL: Final = "#eceeee"
HATCH_INK: Final = "#9aa3ab"
BOUNDARY: Final = "#6a1b78"
FLOODED_EDGE: Final = "#0b4fb3"
CUT: Final = "#c01622"

_SCALES: Final = tuple(int(n * 10**k) for k in range(2, 7) for n in (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 7.5))
_AIR: Final = 1.05
_CUT_APART_MM: Final = 6.0
_POINTS_APART_MM: Final = 4.0
_SHORTEST_CUT_M: Final = 3.0
_SMALLEST_HATCH_MM2: Final = 1.5
_DOT_BELOW_MM: Final = 1.3


@dataclass(frozen=True)
class View:
    """What part of the ground the frame shows: `grid` is the frame in pixels of paper resolution."""

    grid: GeoGrid
    scale: int

    @property
    def metres_per_mm(self) -> float:
        """Ground metres to a millimetre of paper."""
        return self.scale / 1000


@dataclass
class Shown:
    """What the map turned out to show, for the legend."""

    classes: list[Entry] = field(default_factory=list)
    grades: set[str] = field(default_factory=set)
    roads: set[str] = field(default_factory=set)
    flooded_houses: bool = False
    cuts: bool = False
    townships: bool = False
    not_analysed: bool = False


def sheet_crs(folder: DamageFolder) -> pyproj.CRS:
    """The CRS of the map: the folder's, or UTM where that is a local one without a name."""
    if folder.crs.to_epsg() is not None:
        return folder.crs
    west, south, east, north = folder.grid.bounds
    to_geo = pyproj.Transformer.from_crs(folder.crs, 4326, always_xy=True)
    lon, lat = to_geo.transform((west + east) / 2, (south + north) / 2)
    found = query_utm_crs_info("WGS 84", AreaOfInterest(lon, lat, lon, lat))
    return pyproj.CRS(found[0].code) if found else folder.crs


def choose_view(folder: DamageFolder, frame: Box) -> View:
    """The largest round scale at which everything that was photographed fits the frame."""
    crs = sheet_crs(folder)
    to_map = pyproj.Transformer.from_crs(folder.crs, crs, always_xy=True)
    west, south, east, north = to_map.transform_bounds(*_photographed(folder))
    need = _AIR * 1000 * max((east - west) / frame.width, (north - south) / frame.height)
    scale = next((s for s in sorted(_SCALES) if s >= need), math.ceil(need))
    width_px = round(frame.width / MM_PER_INCH * DPI)
    height_px = round(frame.height / MM_PER_INCH * DPI)
    pixel_m = frame.width / 1000 * scale / width_px
    left = (west + east) / 2 - pixel_m * width_px / 2
    top = (south + north) / 2 + pixel_m * height_px / 2
    return View(GeoGrid(crs, Affine(pixel_m, 0, left, 0, -pixel_m, top), width_px, height_px), scale)


def _photographed(folder: DamageFolder) -> tuple[float, float, float, float]:
    """Bounds of the ground that the mosaic shows, in the folder's CRS."""
    grid = fitted(folder.grid, 1_000_000)
    seen = ~np.isin(codes(folder.raster("not_analysed"), grid), (NO_IMAGERY, 255))
    if not seen.any():
        return grid.bounds
    rows, cols = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    west, north = grid.transform * (int(cols[0]), int(rows[0]))
    east, south = grid.transform * (int(cols[-1]) + 1, int(rows[-1]) + 1)
    return west, south, east, north


def draw_map(page: Page, frame: Box, folder: DamageFolder, view: View) -> Shown:
    """Draw the map into its frame, from the photo up to the names."""
    axes = page.frame(frame)
    west, south, east, north = view.grid.bounds
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    shown = Shown()
    _picture(axes, folder, view, shown)
    _unseen(axes, folder, view, shown)
    cuts, ways = _roads(axes, folder, view, shown)
    houses = _buildings(axes, folder, view, shown)
    towns = map_layer(folder, "townships", view.grid.crs)
    if towns is not None:
        _boundaries(axes, towns, view, shown)
    _cut_marks(axes, cuts, view, shown)
    if towns is not None:
        _names(page, axes, towns, view, np.vstack([cuts, houses, ways]))
    return shown


def map_layer(folder: DamageFolder, name: str, crs: pyproj.CRS) -> Features | None:
    """A vector layer in the map's CRS, None where there is none."""
    features = folder.features(name)
    if features is None or features.crs.equals(crs):
        return features
    to_map = pyproj.Transformer.from_crs(features.crs, crs, always_xy=True)
    moved = shapely.transform(
        np.array(features.geometries, object),
        lambda xy: np.column_stack(to_map.transform(xy[:, 0], xy[:, 1])),
    )
    return Features(tuple(moved), features.columns, crs)


def _picture(axes: Any, folder: DamageFolder, view: View, shown: Shown) -> None:
    paper = np.full((view.grid.height, view.grid.width, 4), 255, np.uint8)
    picture = blended(paper, softened(photo(folder, view.grid)))
    ground = codes(folder.raster("classes"), view.grid)
    picture = blended(picture, tinted(ground, folder.legend))
    shown.classes += [e for e in folder.legend.entries if opacity_of(e.code) and (ground == e.code).any()]
    west, south, east, north = view.grid.bounds
    axes.imshow(
        picture[..., :3], extent=(west, east, south, north), interpolation="none", aspect="auto", zorder=0
    )


def _unseen(axes: Any, folder: DamageFolder, view: View, shown: Shown) -> None:
    """Hatch whatever was not analysed, also all around the mosaic: not seen is not unharmed."""
    step = 4
    mask = codes(folder.raster("not_analysed"), view.grid)[::step, ::step] != 0
    transform = view.grid.transform * Affine.scale(step)
    coarse = GeoGrid(view.grid.crs, transform, mask.shape[1], mask.shape[0])
    areas = outlines(mask, coarse, _SMALLEST_HATCH_MM2 * view.metres_per_mm**2)
    if not areas:
        return
    shown.not_analysed = True
    axes.add_collection(
        PathCollection(
            [outline(area) for area in areas],
            facecolors=HATCH_FILL,
            edgecolors=HATCH_INK,
            linewidths=0.5,
            hatch="///",
            zorder=1,
        )
    )


def _roads(
    axes: Any, folder: DamageFolder, view: View, shown: Shown
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
        cut = entry.key in (ROAD_FLOODED, ROAD_BLOCKED)
        width = 1.9 if cut else 0.9
        paths = [shapely.get_coordinates(line) for line in lines]
        for colour, extra in (("white", 1.2), (entry.hex_colour, 0.0)):
            axes.add_collection(
                LineCollection(
                    paths, colors=colour, linewidths=width + extra, capstyle="butt", zorder=2 + 0.1 * level
                )
            )
        if cut:
            cuts += [
                (line.length, line.interpolate(0.5, normalized=True).coords[0])
                for line in lines
                if line.length >= _SHORTEST_CUT_M
            ]
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


def _cut_marks(axes: Any, cuts: npt.NDArray[np.float64], view: View, shown: Shown) -> None:
    del view
    if len(cuts):
        shown.cuts = True
        draw_cut_mark(axes, cuts[:, 0], cuts[:, 1], zorder=6)


def draw_cut_mark(axes: Any, x: Any, y: Any, *, zorder: float, size_pt: float = 7.0) -> None:
    """A red disc with a white cross: here a road is cut."""
    edge, stroke = 0.13 * size_pt, 0.17 * size_pt
    axes.scatter(x, y, s=size_pt**2, marker="o", c=CUT, edgecolors="white", linewidths=edge, zorder=zorder)
    axes.scatter(x, y, s=(0.48 * size_pt) ** 2, marker="x", c="white", linewidths=stroke, zorder=zorder + 0.1)


def _buildings(axes: Any, folder: DamageFolder, view: View, shown: Shown) -> npt.NDArray[np.float64]:
    """Draw the graded footprints; returns their middles, (n, 2) map metres."""
    layer = map_layer(folder, "buildings", view.grid.crs)
    found: list[npt.NDArray[np.float64]] = [np.zeros((0, 2))]
    if layer is None:
        return found[0]
    extent = box(*view.grid.bounds)
    visible = shapely.intersects(np.array(layer.geometries, object), extent)
    grades = np.asarray(layer.columns["grade"])
    wet = np.asarray(layer.columns["flooded"], bool)
    for level, entry in enumerate(GRADES):
        of_grade = visible & (grades == entry.key)
        if not of_grade.any():
            continue
        shown.grades.add(entry.key)
        for flooded in (False, True):
            picked = np.flatnonzero(of_grade & (wet == flooded))
            if not len(picked):
                continue
            shown.flooded_houses |= flooded
            axes.add_collection(
                PathCollection(
                    [outline(layer.geometries[i]) for i in picked],
                    facecolors=entry.hex_colour,
                    edgecolors=FLOODED_EDGE if flooded else INK,
                    linewidths=1.0 if flooded else 0.35,
                    zorder=3 + 0.1 * level + 0.05 * flooded,
                )
            )
        own = [layer.geometries[i] for i in np.flatnonzero(of_grade)]
        middles = shapely.get_coordinates(shapely.centroid(np.array(own, object)))
        found.append(middles)
        if entry.key in (GRADE_DAMAGED, GRADE_DESTROYED):
            _dots(axes, own, middles, entry.hex_colour, view, 3.6 + 0.1 * level)
    return np.vstack(found)


def _dots(
    axes: Any, houses: list[Geometry], at: npt.NDArray[np.float64], colour: str, view: View, zorder: float
) -> None:
    """A dot on each harmed house that would be too small on paper to find."""
    side_mm = np.sqrt(shapely.area(np.array(houses, object))) / view.metres_per_mm
    small = side_mm < _DOT_BELOW_MM
    if small.any():
        axes.scatter(*at[small].T, s=3.8**2, c=colour, edgecolors=INK, linewidths=0.4, zorder=zorder)


def _boundaries(axes: Any, towns: Features, view: View, shown: Shown) -> None:
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
    axes.add_collection(LineCollection(lines, colors="white", linewidths=2.6, alpha=0.8, zorder=4))
    axes.add_collection(
        LineCollection(lines, colors=BOUNDARY, linewidths=1.2, linestyles=(0, (7, 2, 1.5, 2)), zorder=4.1)
    )


def _names(page: Page, axes: Any, towns: Features, view: View, things: npt.NDArray[np.float64]) -> None:
    """Township names, each inside its area, off the others and off what matters most."""
    size = page.sizes.head * 1.12
    column = "name_zh" if page.language == "zh" else "name_en"
    extent = box(*view.grid.bounds).buffer(-3 * view.metres_per_mm)
    taken: list[Geometry] = []
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


def outline(geometry: Geometry) -> Outline:
    """A polygon (or several) as one path, holes wound against their shells."""
    vertices, kinds = [], []
    for part in shapely.get_parts(geometry):
        if part.geom_type != "Polygon" or part.is_empty:
            continue
        turned = shapely.geometry.polygon.orient(part)
        for ring in (turned.exterior, *turned.interiors):
            points = np.asarray(ring.coords)[:, :2]
            vertices.append(points)
            kinds.append(
                np.array([Outline.MOVETO, *[Outline.LINETO] * (len(points) - 2), Outline.CLOSEPOLY], np.uint8)
            )
    if not vertices:
        return Outline(np.zeros((0, 2)))
    return Outline(np.vstack(vertices), np.concatenate(kinds))
