"""Footprints where nobody has drawn any: from the class building, with straight walls and right angles.

Houses that touch come out as one. What was lost is taken in where the before-ortho shows a roof, so that a
house that is gone is not missing from the count.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from rasterio.features import shapes
from shapely import Geometry, Polygon
from shapely.affinity import rotate, scale

from imagery.damage.legend import BUILDING, BUILDING_LOST
from imagery.damage.scene import GeoGrid, grown

SMALLEST_M2 = 16.0
_BLOCK_PX = 4096
_NARROW_M = 1.6
_RECTANGLE = 0.8
_SHORTEST_WALL_M = 1.2


def segment_footprints(folder: Path, grid: GeoGrid) -> tuple[Polygon, ...]:
    """Footprints of at least SMALLEST_M2 in the grid's CRS, by classes.tif and change.tif of a folder; from
    north to south."""
    whole: list[Geometry] = []
    cut: list[Geometry] = []
    narrow = max(2, round(_NARROW_M / grid.pixel_m))
    halo = 2 * narrow
    for window in grid.blocks(_BLOCK_PX):
        mask = _opened(_roofs(folder, grown(window, halo)), narrow)[halo:-halo, halo:-halo]
        transform = grid.window_transform(window)
        edge = shapely.box(*rasterio.transform.array_bounds(*mask.shape, transform)).exterior
        for geometry, _ in shapes(mask.astype(np.uint8), mask=mask, transform=transform):
            part = shapely.geometry.shape(geometry)
            (cut if part.distance(edge) < 1e-6 else whole).append(part)
    joined = shapely.get_parts(shapely.union_all(cut, grid_size=1e-3)) if cut else []
    found = [regular(p) for p in (*whole, *joined) if p.area >= SMALLEST_M2]
    return tuple(sorted(found, key=lambda p: (-p.bounds[3], p.bounds[0])))


def _roofs(folder: Path, window: rasterio.windows.Window) -> npt.NDArray[np.bool_]:
    with rasterio.open(folder / "classes.tif") as source:
        mask = source.read(1, window=window, boundless=True, fill_value=0) == BUILDING
    change = folder / "change.tif"
    if change.exists():
        with rasterio.open(change) as source:
            mask |= source.read(1, window=window, boundless=True, fill_value=0) == BUILDING_LOST
    return np.asarray(mask)


def _opened(mask: npt.NDArray[np.bool_], narrow_px: int) -> npt.NDArray[np.bool_]:
    """Gaps of a third of `narrow_px` closed, what is narrower than `narrow_px` removed."""
    small, large = (np.ones((2 * (size // 2) + 1,) * 2, np.uint8) for size in (narrow_px // 3, narrow_px))
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, small)
    return np.asarray(cv2.morphologyEx(closed, cv2.MORPH_OPEN, large) > 0)


def regular(outline: Polygon) -> Polygon:
    """The outline with right angles along its main direction: a rectangle of the same area where that is
    what it nearly is. Holes are filled."""
    solid = Polygon(outline.exterior)
    angle_deg = _main_direction_deg(solid.simplify(0.7))
    level = rotate(solid.simplify(0.7), -angle_deg, origin=(0, 0))
    frame = shapely.box(*level.bounds)
    if solid.area >= _RECTANGLE * frame.area:
        size = float(np.sqrt(solid.area / frame.area))
        return rotate(scale(frame, size, size, origin="centroid"), angle_deg, origin=(0, 0))
    squared = _right_angled(shapely.get_coordinates(level.exterior)[:-1])
    back = rotate(squared, angle_deg, origin=(0, 0)) if squared is not None else None
    if back is None or not back.is_valid or not 0.8 < back.area / solid.area < 1.25:
        return solid.simplify(0.7)
    return back


def _main_direction_deg(outline: Polygon) -> float:
    """The direction of most wall, long walls above all; a quarter turn is the same."""
    ring = shapely.get_coordinates(outline.exterior)
    edges = np.diff(ring, axis=0) @ np.array([1.0, 1.0j])
    fourfold = (np.abs(edges) ** 2 * np.exp(4j * np.angle(edges))).sum()
    return float(np.degrees(np.angle(fourfold)) / 4)


def _right_angled(ring: npt.NDArray[np.float64]) -> Polygon | None:
    """The ring (n, 2) with each edge level or upright, whichever it is nearer to; edges that follow each
    other alike become one."""
    steps = np.roll(ring, -1, axis=0) - ring
    lengths = np.linalg.norm(steps, axis=1)
    level = np.abs(steps[:, 0]) >= np.abs(steps[:, 1])
    level[lengths < _SHORTEST_WALL_M] = np.roll(level, 1)[lengths < _SHORTEST_WALL_M]
    turns = np.flatnonzero(level != np.roll(level, 1))
    if len(turns) < 4:
        return None
    walls = []
    for first, stop in zip(turns, [*turns[1:], turns[0] + len(ring)], strict=True):
        edges = np.arange(first, stop) % len(ring)
        middles = (ring[edges] + ring[(edges + 1) % len(ring)]) / 2
        axis = 1 if level[first] else 0
        walls.append((axis, float(np.average(middles[:, axis], weights=np.maximum(lengths[edges], 1e-6)))))
    corners = []
    for (axis, value), (_, other) in zip(walls, [*walls[1:], walls[0]], strict=True):
        corners.append((other, value) if axis == 1 else (value, other))
    return Polygon(corners)
