"""The surface of the water: smooth, and as high as the ground at its edge.

A plane is laid through the edge around each place (local regression, Cleveland 1979), by least absolute
rather than squared residuals, so that an embankment or a shore under crowns does not lift or sink it. How far
around follows the water's own width: a stream falls faster than a flooded plain.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from imagery.damage.scene import GeoGrid

Float = npt.NDArray[np.float32]
Double = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SMALLEST_BODY_M2 = 20.0
_SMALLEST_ISLAND_M2 = 2500.0
"""An orchard or a row of houses is smaller."""
_SMALLEST_SHORE_M2 = 400.0
_STEEPEST = 0.6
"""Boundary cells on steeper ground (rise over run) say little: a metre of misplacement is 60 cm of height."""
_STRETCH_M = 6.0
"""Edge cells this near each other are one witness."""
_NEIGHBOURS = 64
_LEAST_REACH_M, _REACH_PER_WIDTH = 20.0, 2.5
_WIDTH_WITHIN_M = 25.0
_REACH_IN_DEM_CELLS = 3.0
_LEVELLING = 0.01
"""How much a plane leans towards level, as a share of its edge's own say: it is carried far from the edge."""
_EVEN_M = 0.03
"""Residuals below this count alike."""
_ROUNDS = 8
_STEP_M = 6.0
_SMOOTH_STEPS = 2.0


def water_surface(
    water: Mask, dry: Mask, dem: Float, grid: GeoGrid, dem_cell_m: float, quantile: float
) -> tuple[Float, Float]:
    """Level of the water and its one-sigma spread in metres, (rows, cols) float32 on the water's cells, NaN
    elsewhere, in puddles, and where no edge tells it.

    Args:
        water: (rows, cols) cells under water.
        dry: cells seen to be dry: only where water meets these is its edge known.
        dem: (rows, cols) ground heights in metres, NaN where unknown.
        grid: of all three.
        dem_cell_m: the DEM's own cell: planes reach over several of these.
        quantile: of the edge's heights around a place, the one that is taken for the level.
    """
    level = np.full(water.shape, np.nan, np.float32)
    spread = np.full(water.shape, np.nan, np.float32)
    bodies, count = ndimage.label(water, structure=np.ones((3, 3)))
    large = np.bincount(bodies.ravel(), minlength=count + 1) * grid.cell_m2 >= SMALLEST_BODY_M2
    large[0] = False
    bodies[~large[bodies]] = 0
    row, col, height = _edge(bodies > 0, _shores(dry, grid), dem, grid)
    if len(height) < 4:
        return level, spread
    reach_m = np.maximum(_reach_m(bodies > 0, grid), _REACH_IN_DEM_CELLS * dem_cell_m)
    of_edge = bodies[row, col]
    boxes = ndimage.find_objects(bodies)
    for body in np.unique(of_edge):
        own, part = of_edge == body, boxes[body - 1]
        edge = np.column_stack([row[own] - part[0].start, col[own] - part[1].start]) * grid.pixel_m
        inside = bodies[part] == body
        fitted = _one_body(inside, *_stretches(edge, height[own]), reach_m[part], grid, quantile)
        for target, values in zip((level, spread), fitted, strict=True):
            target[part][inside] = values[inside]
    return level, spread


def _reach_m(water: Mask, grid: GeoGrid) -> Float:
    """How far around a cell its plane looks for the edge."""
    inner = cv2.distanceTransform(water.astype(np.uint8), cv2.DIST_L2, 3) * np.float32(grid.pixel_m)
    side = 2 * max(1, round(_WIDTH_WITHIN_M / grid.pixel_m)) + 1
    half_width = cv2.dilate(inner, np.ones((side, 1), np.uint8))
    half_width = cv2.dilate(half_width, np.ones((1, side), np.uint8))
    return np.asarray(_LEAST_REACH_M + _REACH_PER_WIDTH * half_width, np.float32)


def _shores(dry: Mask, grid: GeoGrid) -> Mask:
    """Dry ground without its small islands: those are crowns and roofs that stand in the water. What reaches
    the picture's border may go on beyond it."""
    islands, count = ndimage.label(dry)
    area_m2 = np.bincount(islands.ravel(), minlength=count + 1) * grid.cell_m2
    large = area_m2 >= _SMALLEST_ISLAND_M2
    border = np.concatenate([islands[0], islands[-1], islands[:, 0], islands[:, -1]])
    large[border] |= area_m2[border] >= _SMALLEST_SHORE_M2
    large[0] = False
    return np.asarray(large[islands])


def _edge(
    water: Mask, dry: Mask, dem: Float, grid: GeoGrid
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Double]:
    """Rows, columns and heights of the water's edge: of water cells that touch dry ground which is not steep,
    the middle between the height of the one and that of the other."""
    known = np.isfinite(dem)
    filled = np.where(known, dem, np.nanmedian(dem)).astype(np.float32)
    smooth = cv2.GaussianBlur(filled, (0, 0), 1.0)
    slope = np.hypot(*np.gradient(smooth, grid.pixel_m))
    banks = (dry & known).astype(np.float32)
    count = cv2.boxFilter(banks, cv2.CV_32F, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    total = cv2.boxFilter(smooth * banks, cv2.CV_32F, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    row, col = np.nonzero(water & (count > 0.5) & known & (slope < _STEEPEST))
    middle = (smooth[row, col] + total[row, col] / count[row, col]) / 2
    return row, col, middle.astype(np.float64)


def _stretches(edge_m: Double, height: Double) -> tuple[Double, Double]:
    """Edge cells (n, 2) and their heights brought together in squares: the mean place, the median height."""
    square = np.floor(edge_m / _STRETCH_M).astype(np.int64)
    order = np.lexsort((height, square[:, 1], square[:, 0]))
    square, edge_m, height = square[order], edge_m[order], height[order]
    first = np.flatnonzero(np.append(True, (np.diff(square, axis=0) != 0).any(axis=1)))
    counts = np.diff(np.append(first, len(height)))
    places = np.add.reduceat(edge_m, first, axis=0) / counts[:, None]
    return places, height[first + counts // 2]


def _one_body(
    inside: Mask, places_m: Double, height: Double, reach_m: Float, grid: GeoGrid, quantile: float
) -> tuple[Float, Float]:
    """(level, spread) over the cells of one body of water: planes on a lattice, interpolated between."""
    step = max(1, round(_STEP_M / grid.pixel_m))
    rows, cols = inside.shape
    lattice = np.mgrid[0 : rows + step : step, 0 : cols + step : step]
    shape = lattice.shape[1:]
    near = cv2.dilate(inside.astype(np.uint8), np.ones((2 * step + 1, 2 * step + 1), np.uint8))
    clipped = np.minimum(lattice[0], rows - 1), np.minimum(lattice[1], cols - 1)
    asked = near[clipped] > 0
    at_m = np.stack([axis[asked] for axis in lattice], axis=1) * grid.pixel_m
    fitted = _planes(at_m, places_m, height, reach_m[clipped][asked].astype(np.float64), quantile)
    out = []
    share = cv2.GaussianBlur(asked.astype(np.float32), (0, 0), _SMOOTH_STEPS)
    for values in fitted:
        coarse = np.zeros(shape, np.float32)
        coarse[asked] = values - values.mean()
        coarse = cv2.GaussianBlur(coarse, (0, 0), _SMOOTH_STEPS) / np.maximum(share, np.float32(1e-3))
        coarse += np.float32(values.mean())
        matrix = np.array([[step, 0.0, 0.0], [0.0, step, 0.0]], float)
        full = cv2.warpAffine(
            coarse,
            matrix,
            (shape[1] * step, shape[0] * step),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        out.append(np.asarray(full[:rows, :cols], np.float32))
    return out[0], out[1]


def _planes(
    at_m: Double, places_m: Double, height: Double, reach_m: Double, quantile: float
) -> tuple[Double, Double]:
    """(level, spread) at each of (n, 2) places: the plane there through the edge's (m, 2) places, by the
    quantile's absolute residuals (iteratively reweighted), leaning towards level water."""
    k = min(_NEIGHBOURS, len(height))
    distance, near = cKDTree(places_m).query(at_m, k=k)
    distance, near = np.reshape(distance, (-1, k)), np.reshape(near, (-1, k))
    # Reach counts from the nearest edge: in the middle of a lake all of it is far.
    reach = reach_m + distance[:, 0]
    kernel = np.exp(-0.5 * (distance / reach[:, None]) ** 2)
    kernel /= kernel.sum(axis=1, keepdims=True)
    offset = (places_m[near] - at_m[:, None]) / reach[:, None, None]
    design = np.concatenate([np.ones((*near.shape, 1)), offset], axis=2)
    around = height[near]
    middle = around.mean(axis=1, keepdims=True)
    around = around - middle
    ridge = np.zeros((len(at_m), 3))
    ridge[:, 1:] = _LEVELLING
    weight, residual = kernel, around
    for _ in range(_ROUNDS):
        normal = np.einsum("nk,nki,nkj->nij", weight, design, design)
        scale = weight.sum(axis=1)
        normal[:, [0, 1, 2], [0, 1, 2]] += ridge * scale[:, None] + 1e-9
        right = np.einsum("nk,nki,nk->ni", weight, design, around)
        plane = np.linalg.solve(normal, right[..., None])[..., 0]
        residual = around - np.einsum("nki,ni->nk", design, plane)
        side = np.where(residual > 0, quantile, 1.0 - quantile)
        weight = kernel * side / np.maximum(np.abs(residual), _EVEN_M)
    return plane[:, 0] + middle[:, 0], 1.25 * (kernel * np.abs(residual)).sum(axis=1)
