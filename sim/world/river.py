"""Where the river of a real place runs and how high its surface is: as told, else by drainage on the DEM."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
from rasterio import features
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.warp import transform_bounds
from scipy import ndimage
from scipy.optimize import isotonic_regression
from shapely import Geometry, LineString, box, get_coordinates, get_parts, segmentize
from shapely.geometry import shape

from imagery.damage.vector_in import read_layer
from imagery.errors import DamageError
from plans.frames import GeoPoint, LocalFrame
from sim.errors import WorldError
from sim.world import store
from sim.world.drainage import drainage, stem
from sim.world.landcover import upsampled
from sim.world.rasters import known_in, open_raster, warped
from sim.world.terrain import Grid, Heights

RiverSource = Path | tuple[GeoPoint, ...]
"""A file of lines, areas or a mask; one point that it runs by; several along it; none, to find it."""

_DRAINAGE_CELLS = 450
"""Cells along the longer side of the grid on which drainage is worked out."""
_FARTHEST_M = 15_000.0
"""Of the DEM about the place, what drains into it from further away is not counted."""
_SNAP_M = 60.0
"""So near to a point the largest stream is taken for the one that is meant."""
_BESIDE_M = 4.0
"""A line may lie so far beside the lowest ground."""
_LEVEL_STEP_M, _LEVEL_SIGMA_M = 4.0, 24.0


@dataclass(frozen=True)
class River:
    """A river in a world's local frame."""

    lines: tuple[LineString, ...]
    """Downstream where it is known; none for areas."""
    areas: tuple[Geometry, ...]
    found: str
    """How it is known, for people."""
    derived: bool
    """True if it was worked out from the DEM, by which nobody has seen a river."""


def find_river(source: RiverSource, dem: Path, frame: LocalFrame, grid: Grid) -> River:
    """The river on a world's grid.

    Raises WorldError for a source without a river there.
    """
    inside = box(
        grid.west_m,
        grid.north_m - grid.rows * grid.step_m,
        grid.west_m + grid.cols * grid.step_m,
        grid.north_m,
    )
    if isinstance(source, Path):
        return _of_file(source, frame, grid, inside)
    if len(source) > 1:
        line = LineString([frame.to_local(p.lat_deg, p.lon_deg) for p in source])
        return River(_within([line], inside, "the river's points"), (), f"{len(source)} points given", False)
    return _derived(source[0] if source else None, dem, frame, grid, inside)


def _within(lines: list[Geometry], inside: Geometry, what: str) -> tuple[LineString, ...]:
    parts = [part for line in lines for part in get_parts(line.intersection(inside))]
    kept = tuple(part for part in parts if isinstance(part, LineString) and part.length > 0.0)
    if not kept:
        raise WorldError(f"{what}: no river runs through the picture there; give one that does")
    return kept


def _of_file(path: Path, frame: LocalFrame, grid: Grid, inside: Geometry) -> River:
    try:
        with rasterio.open(path):
            pass
    except RasterioError:
        return _of_vectors(path, frame, inside)
    with open_raster(path, "river mask") as source, warped(source, frame, grid, Resampling.nearest) as vrt:
        wet = (vrt.read(1) != 0) & known_in(vrt)
    shapes = features.shapes(wet.astype(np.uint8), mask=wet, transform=store.transform_of(grid))
    areas = tuple(shape(part) for part, _ in shapes)
    if not areas:
        raise WorldError(f"{path}: the river mask is 0 all over the picture; mark the river with 1")
    return River((), areas, f"mask {path.name}", False)


def _of_vectors(path: Path, frame: LocalFrame, inside: Geometry) -> River:
    kinds = ("LineString", "MultiLineString", "Polygon", "MultiPolygon")
    try:
        layer = read_layer(path, frame.crs, "river", kinds=kinds)
    except DamageError as error:
        raise WorldError(str(error)) from error
    areas = [g.intersection(inside) for g in layer.geometries if "Polygon" in g.geom_type]
    areas = [area for area in areas if area.area > 0.0]
    lines = [part for g in layer.geometries if "Line" in g.geom_type for part in get_parts(g)]
    kept = _within(lines, inside, str(path)) if lines and not areas else ()
    if not areas and not kept:
        raise WorldError(f"{path}: no river runs through the picture there; give one that does")
    return River(kept, tuple(areas), f"{'areas' if areas else 'lines'} of {path.name}", False)


def _derived(point: GeoPoint | None, dem: Path, frame: LocalFrame, grid: Grid, inside: Geometry) -> River:
    """The largest stream that crosses the picture, or the one at a point. All of the DEM drains, not only
    what lies under the picture."""
    wide, heights = _wide_heights(dem, frame)
    drained = drainage(heights, wide)
    east, north = np.meshgrid(wide.east_centres_m, wide.north_centres_m)
    half_e, half_n = grid.cols * grid.step_m / 2, grid.rows * grid.step_m / 2
    candidates = (np.abs(east) < half_e) & (np.abs(north) < half_n)
    if point is not None:
        at = frame.to_local(point.lat_deg, point.lon_deg)
        if abs(at[0]) > half_e or abs(at[1]) > half_n:
            raise WorldError(
                f"river {point.lat_deg:.5f}, {point.lon_deg:.5f} is not on the picture; give a place that is"
            )
        candidates &= np.hypot(east - at[0], north - at[1]) < max(_SNAP_M, 2 * wide.step_m)
    through = int(np.argmax(np.where(candidates.ravel(), drained.area_m2, -1.0)))
    lines = _within([stem(drained, through)], inside, f"{dem}: its drainage")
    by = "the drainage of the DEM" if point is None else "the drainage of the DEM at the point given"
    return River(lines, (), f"{by}, {drained.area_m2[through] / 1e6:.2f} km2 of it", True)


def _wide_heights(dem: Path, frame: LocalFrame) -> tuple[Grid, npt.NDArray[np.float32]]:
    """The DEM about the place on a coarse local grid, the lowest of each cell, NaN where it has none."""
    with open_raster(dem, "DEM") as source:
        west, south, east, north = transform_bounds(
            source.crs, frame.crs.to_wkt(), *source.bounds, densify_pts=21
        )
        west, south = max(west, -_FARTHEST_M), max(south, -_FARTHEST_M)
        east, north = min(east, _FARTHEST_M), min(north, _FARTHEST_M)
        step_m = max(max(east - west, north - south) / _DRAINAGE_CELLS, 2.0)
        wide = Grid(west, north, step_m, int((north - south) / step_m) + 1, int((east - west) / step_m) + 1)
        with warped(source, frame, wide, Resampling.min) as vrt:
            heights = vrt.read(1).astype(np.float32)
            heights[~known_in(vrt)] = np.nan
    return wide, heights


def river_levels(river: River, heights_m: Heights, grid: Grid) -> tuple[npt.NDArray[np.bool_], Heights]:
    """The cells (rows, cols) where the river runs, and on the same grid how high its own surface is, AMSL:
    along the river as the DEM shows it, but never rising downstream; beside it as at the nearest reach."""
    runs = np.zeros(heights_m.shape, bool)
    level = np.zeros(heights_m.shape, np.float32)
    if river.areas:
        runs = features.rasterize(
            [(area, 1) for area in river.areas],
            heights_m.shape,
            transform=store.transform_of(grid),
            all_touched=True,
        ).astype(bool)
        near = runs.astype(np.float32)
        kernel = (0, 0), 12.0 / grid.step_m
        weight = cv2.GaussianBlur(near, *kernel)
        level = (cv2.GaussianBlur(heights_m * near, *kernel) / np.maximum(weight, 1e-6)).astype(np.float32)
    for line in river.lines:
        rows, cols = _cells_along(line, heights_m, grid)
        along = heights_m[rows, cols].astype(float)
        if along[: len(along) // 8 + 1].mean() < along[-(len(along) // 8 + 1) :].mean():  # drawn upstream
            rows, cols, along = rows[::-1], cols[::-1], along[::-1]
        runs[rows, cols] = True
        level[rows, cols] = isotonic_regression(along, increasing=False).x
    return runs, _spread(level, runs, grid)


def _cells_along(
    line: LineString, heights_m: Heights, grid: Grid
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(rows, cols) of the lowest cells within _BESIDE_M of a line, from its beginning on."""
    col, row = grid.to_pixel(*get_coordinates(segmentize(line, grid.step_m)).T)
    reach = round(_BESIDE_M / grid.step_m)
    beside = np.arange(-reach, reach + 1)
    d_row, d_col = (v.ravel() for v in np.meshgrid(beside, beside))
    rows = np.clip(np.round(row)[:, None] + d_row, 0, grid.rows - 1).astype(np.int64)
    cols = np.clip(np.round(col)[:, None] + d_col, 0, grid.cols - 1).astype(np.int64)
    lowest = np.argmin(heights_m[rows, cols], axis=1)[:, None]
    return np.take_along_axis(rows, lowest, 1)[:, 0], np.take_along_axis(cols, lowest, 1)[:, 0]


def _spread(level: Heights, runs: npt.NDArray[np.bool_], grid: Grid) -> Heights:
    """Carry the river's surface sidewards, without steps where another reach becomes the nearest."""
    factor = round(_LEVEL_STEP_M / grid.step_m)
    coarse = Grid(
        grid.west_m, grid.north_m, grid.step_m * factor, -(-grid.rows // factor), -(-grid.cols // factor)
    )
    rows, cols = np.nonzero(runs)
    total, count = np.zeros((coarse.rows, coarse.cols)), np.zeros((coarse.rows, coarse.cols))
    np.add.at(total, (rows // factor, cols // factor), level[rows, cols])
    np.add.at(count, (rows // factor, cols // factor), 1.0)
    nearest = ndimage.distance_transform_edt(count == 0, return_distances=False, return_indices=True)
    whole = (total / np.maximum(count, 1.0))[tuple(nearest)]
    smooth = ndimage.gaussian_filter(whole, _LEVEL_SIGMA_M / coarse.step_m, mode="nearest")
    return upsampled(smooth, coarse, grid, (slice(0, grid.rows), slice(0, grid.cols)))
