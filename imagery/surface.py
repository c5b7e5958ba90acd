"""The ground as a regular 2.5-D surface: from adjusted points, from a DEM, or from both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, csr_matrix, vstack
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree

from imagery.adjust import Adjustment
from plans.frames import FloatArray, LocalFrame

Bounds = tuple[float, float, float, float]
"""West, south, east, north in local metres."""


_STANDING_SPREADS, _STANDING_M = 6.0, 1.0
"""What is less above the DEM's usual difference (in half widths of it, or in metres) is ground."""
_ROUGH_SPREADS, _ROUGH_M = 3.0, 0.4
"""Higher points are ground, too, where their neighbours lie on one plane as closely as this."""
_SWEEPS = 4
_NEIGHBOURS = 12
_LEAST_SPREAD_M = 0.05
_TRUST_SPREADS = 3.0
_LEAST_NODES, _NODES_PER_POINT = 4000, 3
"""Finer than its points a sheet shows nothing more, and costs half a second on a small block."""


@dataclass(frozen=True)
class Surface:
    """Heights (AMSL) on a regular grid of the local frame.

    `heights_m` (rows, cols) float32, rows from north to south; node (0, 0) stands at (`west_m`, `north_m`).
    """

    west_m: float
    north_m: float
    step_m: float
    heights_m: npt.NDArray[np.float32]

    def at(self, east_m: npt.ArrayLike, north_m: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Bilinear heights at 1-D or 2-D arrays of places; outside the grid the nearest edge counts."""
        x = ((np.asarray(east_m, float) - self.west_m) / self.step_m).astype(np.float32)
        y = ((self.north_m - np.asarray(north_m, float)) / self.step_m).astype(np.float32)
        if x.ndim == 1:  # remap takes rows of at most 32767
            pad = -len(x) % 1024
            grid_x, grid_y = (np.pad(v, (0, pad)).reshape(-1, 1024) for v in (x, y))
        else:
            grid_x, grid_y = x, y
        found = cv2.remap(self.heights_m, grid_x, grid_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(found, np.float32).reshape(-1)[: x.size].reshape(x.shape)

    def node_places(self) -> tuple[FloatArray, FloatArray]:
        """(east_m, north_m) of all nodes, shape (rows, cols) each."""
        rows, cols = self.heights_m.shape
        east = self.west_m + self.step_m * np.arange(cols)
        north = self.north_m - self.step_m * np.arange(rows)
        return np.broadcast_to(east, (rows, cols)), np.broadcast_to(north[:, None], (rows, cols))


def flat_surface(bounds: Bounds, height_m: float) -> Surface:
    """Level ground over the bounds."""
    west, south, east, north = bounds
    step = max(east - west, north - south, 1.0)
    return Surface(west, north, step, np.full((2, 2), height_m, np.float32))


def good_points(adjustment: Adjustment, min_angle_deg: float = 4.0) -> FloatArray:
    """Points (n, 3) whose rays cross at an angle that tells their height."""
    tracks, centres = adjustment.tracks, np.array([p.centre for p in adjustment.poses])
    if not tracks.count:
        return np.zeros((0, 3))
    rays = centres[tracks.photo] - adjustment.points[tracks.track]
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    starts = np.searchsorted(tracks.track, np.arange(tracks.count))
    low, high = (f.reduceat(rays[:, :2], starts, axis=0) for f in (np.minimum, np.maximum))
    spread = np.degrees(np.linalg.norm(high - low, axis=1))
    return adjustment.points[spread > min_angle_deg]


def surface_from_points(
    points: FloatArray,
    bounds: Bounds,
    step_m: float,
    *,
    base: Surface | None = None,
    stiffness: float = 0.3,
    tolerance_m: float = 0.3,
    max_nodes: int = 30_000,
) -> Surface:
    """A smooth sheet through points (n, 3), by least squares with a bending penalty and robust weights.

    With `base` (a DEM), the sheet is the base, lifted as a whole to where the ground was found, plus a
    correction that falls to zero away from the points. The lift is never nothing: a DEM and the photos seldom
    share one datum, and the adjustment can trade a little focal length for height. Points that stand out of a
    DEM that otherwise follows the ground are crowns and roofs: they would lift the ground beside them. The
    step grows when the grid would have more than `max_nodes`, or many more than there are points; a finer
    base keeps its own step.
    """
    west, south, east, north = bounds
    max_nodes = min(max_nodes, max(_LEAST_NODES, _NODES_PER_POINT * len(points)))
    step = max(step_m, float(np.sqrt((east - west) * (north - south) / max_nodes)))
    cols, rows = int(np.ceil((east - west) / step)) + 1, int(np.ceil((north - south) / step)) + 1
    cols, rows = max(cols, 3), max(rows, 3)
    empty = Surface(west, north, step, np.zeros((rows, cols), np.float32))
    start = base.at(*empty.node_places()) if base else np.zeros((rows, cols), np.float32)
    inside = (points[:, 0] > west) & (points[:, 0] < east) & (points[:, 1] > south) & (points[:, 1] < north)
    points = points[inside]
    if len(points) < 4:
        if not base and len(points):
            start = start + np.float32(np.median(points[:, 2]))
        return Surface(west, north, step, start)
    heights = points[:, 2] - (base.at(points[:, 0], points[:, 1]) if base else 0.0)
    level = float(np.median(heights))
    if base:
        level, spread = usual_value(heights)
        ground = ~_standing(points, heights - level, spread)
        points, heights = points[ground], heights[ground]
    sheet = _Sheet(
        (points[:, 0] - west) / step,
        (north - points[:, 1]) / step,
        (rows, cols),
        stiffness,
        pull=1e-3 if base else 1e-7,
    )
    trust = _trust(np.column_stack([points[:, :2], heights]), tolerance_m)
    correction = sheet.solve(heights - level, trust).reshape(rows, cols)
    if base and base.step_m < step:
        added = Surface(west, north, step, correction.astype(np.float32)).at(*base.node_places())
        return replace(base, heights_m=(base.heights_m + np.float32(level) + added).astype(np.float32))
    return Surface(west, north, step, (start + level + correction).astype(np.float32))


def _standing(points: FloatArray, above: FloatArray, spread: float) -> npt.NDArray[np.bool_]:
    """Which points (n, 3) are crowns and roofs: high `above` (n,) the DEM's usual difference, and rough.

    A landslide or a dyke that the DEM does not know is high and smooth; a roof is smooth, but not with the
    ground around it.
    """
    high = np.flatnonzero(above > max(_STANDING_SPREADS * spread, _STANDING_M))
    out = np.zeros(len(points), bool)
    if len(high) == 0 or len(points) < _NEIGHBOURS:
        return out
    _, near = cKDTree(points[:, :2]).query(points[high, :2], _NEIGHBOURS)
    offset = points[near] - points[near].mean(axis=1, keepdims=True)
    flat, up = offset[..., :2], offset[..., 2]
    normal = np.swapaxes(flat, 1, 2) @ flat + 1e-6 * np.eye(2)
    slope = np.linalg.solve(normal, np.swapaxes(flat, 1, 2) @ up[..., None])
    rough = np.sqrt(((up[..., None] - flat @ slope) ** 2).mean(axis=(1, 2)))
    out[high] = rough > max(_ROUGH_SPREADS * spread, _ROUGH_M)
    return out


def usual_value(values: FloatArray) -> tuple[float, float]:
    """(middle, half width) of the shortest interval that holds half of the values (the shorth; Andrews et al.
    1972).

    Of heights over a DEM it finds the ground's, though nearly half of the points may be roofs and crowns, and
    how well the DEM follows the ground.
    """
    ordered = np.sort(values)
    half = len(ordered) // 2
    widths = ordered[half:] - ordered[: len(ordered) - half]
    start = int(np.argmin(widths))
    return float(np.median(ordered[start : start + half + 1])), float(widths[start]) / 2


def _trust(points: FloatArray, tolerance_m: float) -> FloatArray:
    """(n,) weights of points (n, 3): how well each lies on the plane that most of its neighbours are on.

    Judged against neighbours and not against the sheet: on steep ground that bends, a sheet of few nodes is
    metres off where the points are right.
    """
    near = min(_NEIGHBOURS, len(points) - 1)
    if near < 4:
        return np.ones(len(points))
    beside = off_neighbours(points, points[cKDTree(points[:, :2]).query(points[:, :2], near + 1)[1][:, 1:]])
    far = beside.off_m / np.maximum(_TRUST_SPREADS * beside.spread_m, tolerance_m)
    return np.asarray(1 / (1 + far**4))


@dataclass(frozen=True)
class Beside:
    """How far points lie above the plane that most of their neighbours are on, how far from it half of these
    lie: (n,) each, and its `slope` (n, 2), metres up for each east and north."""

    off_m: FloatArray
    spread_m: FloatArray
    slope: FloatArray


def off_neighbours(points: FloatArray, around: FloatArray) -> Beside:
    """Points (n, 3) beside the neighbours (n, k, 3) of each."""
    middle = np.median(around, axis=1, keepdims=True)
    flat = np.concatenate([around[..., :2] - middle[..., :2], np.ones((*around.shape[:2], 1))], axis=2)
    up = around[..., 2] - middle[..., 2]
    weight = np.ones(up.shape)
    for _ in range(_SWEEPS):
        pulled = np.swapaxes(flat * weight[..., None], 1, 2)
        plane = np.linalg.solve(pulled @ flat + 1e-6 * np.eye(3), pulled @ up[..., None])
        off = up - (flat @ plane)[..., 0]
        spread = np.maximum(np.median(np.abs(off), axis=1, keepdims=True), _LEAST_SPREAD_M)
        weight = 1 / (1 + (off / (2 * spread)) ** 2)
    own = points - middle[:, 0]
    height = (own[:, :2] * plane[:, :2, 0]).sum(axis=1) + plane[:, 2, 0]
    return Beside(own[:, 2] - height, spread[:, 0], plane[:, :2, 0])


class _Sheet:
    """The least squares of one grid."""

    def __init__(
        self, x: FloatArray, y: FloatArray, shape: tuple[int, int], stiffness: float, pull: float
    ) -> None:
        nodes = np.arange(shape[0] * shape[1])
        bend = _bending_rows(shape)
        self._sample = _bilinear_rows(x, y, shape)
        self._smooth = stiffness**2 * (bend.T @ bend) + pull * coo_matrix((np.ones(len(nodes)), (nodes,) * 2))

    def solve(self, z: FloatArray, weight: FloatArray) -> FloatArray:
        """Heights of all nodes for points of height z (n,)."""
        weighted = self._sample.multiply(weight[:, None]).tocsr()
        normal = (self._sample.T @ weighted + self._smooth).tocsc()
        return np.asarray(spsolve(normal, self._sample.T @ (weight * z), permc_spec="MMD_AT_PLUS_A"))


def _bilinear_rows(x: FloatArray, y: FloatArray, shape: tuple[int, int]) -> csr_matrix:
    rows, cols = shape
    c = np.clip(x.astype(int), 0, cols - 2)
    r = np.clip(y.astype(int), 0, rows - 2)
    fx, fy = x - c, y - r
    node = r * cols + c
    index = np.stack([node, node + 1, node + cols, node + cols + 1], axis=1)
    value = np.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy], axis=1)
    at = np.repeat(np.arange(len(x)), 4)
    return coo_matrix((value.ravel(), (at, index.ravel())), shape=(len(x), rows * cols)).tocsr()


def _bending_rows(shape: tuple[int, int]) -> csr_matrix:
    """Second differences of a grid: along rows, along columns, and mixed."""
    rows, cols = shape
    node = np.arange(rows * cols).reshape(rows, cols)

    def stencil(nodes: list[npt.NDArray[np.int64]], values: list[float]) -> csr_matrix:
        n = nodes[0].size
        at = np.tile(np.arange(n), len(nodes))
        return coo_matrix(
            (np.repeat(values, n), (at, np.concatenate([k.ravel() for k in nodes]))), shape=(n, rows * cols)
        ).tocsr()

    along = stencil([node[:, :-2], node[:, 1:-1], node[:, 2:]], [1.0, -2.0, 1.0])
    down = stencil([node[:-2], node[1:-1], node[2:]], [1.0, -2.0, 1.0])
    root = float(np.sqrt(2))
    mixed = stencil([node[:-1, :-1], node[:-1, 1:], node[1:, :-1], node[1:, 1:]], [root, -root, -root, root])
    return vstack([along, down, mixed]).tocsr()


def read_dem(path: Path, frame: LocalFrame, bounds: Bounds, step_m: float) -> Surface:
    """A DEM file as a surface of the local frame; holes are filled from their edges.

    Raises TerrainError when it cannot be read or does not cover the place.
    """
    from plans.terrain import read_terrain

    terrain = read_terrain(path, frame, bounds, step_m)
    heights = np.asarray(terrain.heights_m, np.float32)
    half = terrain.step_m / 2  # terrain cells are areas, our nodes are points
    return Surface(terrain.west_m + half, terrain.north_m - half, terrain.step_m, fill_holes(heights))


def fill_holes(heights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """NaN replaced by a smooth continuation: averages of ever coarser grids (push-pull)."""
    hole = ~np.isfinite(heights)
    if not hole.any():
        return heights
    if hole.all():
        return np.zeros_like(heights)
    weight = (~hole).astype(np.float32)
    value = np.where(hole, 0, heights).astype(np.float32)
    levels = [(value, weight)]
    while min(levels[-1][0].shape) > 1:
        v, w = levels[-1]
        size = ((v.shape[1] + 1) // 2, (v.shape[0] + 1) // 2)
        levels.append(
            (
                np.asarray(cv2.resize(v, size, interpolation=cv2.INTER_AREA), np.float32),
                np.asarray(cv2.resize(w, size, interpolation=cv2.INTER_AREA), np.float32),
            )
        )
    v, w = levels[-1]
    filled = v / np.maximum(w, 1e-9)
    for v, w in reversed(levels[:-1]):
        coarse = cv2.resize(filled, (v.shape[1], v.shape[0]), interpolation=cv2.INTER_LINEAR)
        known = np.minimum(w, 1.0)
        filled = np.where(w > 1e-6, v / np.maximum(w, 1e-9) * known + coarse * (1 - known), coarse)
    return np.where(hole, filled, heights).astype(np.float32)
