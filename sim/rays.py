"""Where a picture's rays meet the ground: traced on every eighth pixel, interpolated between.

A ray that is steeper than the ground is met once, and a fixed point on the height finds the place fast. The
others (a camera that looks ahead, cliffs) are followed step by step, so that a ridge hides what is behind it.
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from plans.cameras import Camera
from plans.frames import FloatArray
from sim.world.terrain import Grid

FloatGrid = npt.NDArray[np.float32]
Columns = npt.NDArray[np.int64]

NODE_PX = 8
"""Rays are traced on every NODE_PX-th pixel of each row and column."""
_STEEPNESS_BLOCK_M = 4.0
"""Bumps narrower than this hide nothing that a picture from the air would miss."""
_SETTLED_M = 0.002
_LOST_M = 0.02
_TEAR, _TEAR_M = 3.0, 0.5
"""Neighbours on the ground this many times, and at least so far, apart as the next ones are no neighbours."""


class Surface(Protocol):
    """Heights that rays can meet."""

    @property
    def surface_grid(self) -> Grid: ...
    @property
    def surface_m(self) -> FloatGrid: ...
    @property
    def steepest(self) -> float: ...


def node_pixels(camera: Camera) -> tuple[FloatArray, FloatArray]:
    """(columns, rows) of the nodes, at NODE_PX * j + (NODE_PX - 1) / 2, one more than needed on each side."""
    across, down = (-(-size // NODE_PX) + 2 for size in (camera.image_width_px, camera.image_height_px))
    first = -NODE_PX / 2 - 0.5
    return first + NODE_PX * np.arange(across, dtype=float), first + NODE_PX * np.arange(down, dtype=float)


def node_rays(camera: Camera) -> FloatArray:
    """(node rows, node cols, 3) rays in the camera frame, z = 1."""
    grid = np.stack(np.meshgrid(*node_pixels(camera)), axis=-1)
    return camera.rays(grid.reshape(-1, 2)).reshape(*grid.shape[:2], 3)


def on_every_pixel(nodes: npt.NDArray) -> FloatGrid:
    """Node values on every pixel; the first pixel of the result belongs NODE_PX left of and above the first
    inner node's block."""
    size = (nodes.shape[1] * NODE_PX, nodes.shape[0] * NODE_PX)
    return np.asarray(cv2.resize(nodes, size, interpolation=cv2.INTER_LINEAR), np.float32)


def steepest_slope(grid: Grid, surface_m: npt.NDArray) -> float:
    """The most that the ground rises per metre, over a few metres."""
    rows, cols = surface_m.shape
    block = max(round(_STEEPNESS_BLOCK_M / grid.step_m), 1)
    size = (max(cols // block, 2), max(rows // block, 2))
    coarse = cv2.resize(surface_m.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    down, right = np.gradient(coarse, rows / size[1] * grid.step_m, cols / size[0] * grid.step_m)
    return float(np.hypot(down, right).max())


def ground_hits(scene: Surface, centres_m: FloatArray, directions: FloatArray) -> FloatArray:
    """(rows, cols, 3) where rays (rows, cols, 3) from centres (rows, 3), one for each row, first meet the
    surface; NaN where they meet none. Beyond the grid the ground goes on as it is at the border."""
    centres = np.broadcast_to(centres_m[:, None, :], directions.shape)
    once = _met_for_sure(scene, directions)
    hits = np.full(directions.shape, np.nan)
    hits[once] = _met_once(scene, centres[once], directions[once])
    rest = np.isnan(hits[..., 0])
    if rest.any():
        hits[rest] = _first_met(scene, centres[rest], directions[rest])
    return hits


def _met_once(scene: Surface, centres: FloatArray, directions: FloatArray) -> FloatArray:
    """Fixed point on the height for rays (n, 3) that fall: NaN for those that do not settle."""
    grid, surface = scene.surface_grid, scene.surface_m
    slope = directions[:, :2] / directions[:, 2:]
    level = np.full(len(slope), float(np.median(surface)))
    places = np.empty((len(slope), 3))
    open_ = np.arange(len(slope))
    for _ in range(12):
        if not len(open_):
            break
        near = centres[open_, :2] + slope[open_] * (level[open_] - centres[open_, 2])[:, None]
        met = grid.sample(surface, near[:, 0], near[:, 1])
        change = np.abs(met - level[open_])
        level[open_] = met
        open_ = open_[change > _SETTLED_M]
        last = change[change > _SETTLED_M]
    places[:, :2] = centres[:, :2] + slope * (level - centres[:, 2])[:, None]
    places[:, 2] = level
    if len(open_):
        places[open_[last > _LOST_M]] = np.nan
    return places


def _first_met(scene: Surface, centres: FloatArray, directions: FloatArray) -> FloatArray:
    """Rays (n, 3) followed from the highest ground down in steps that grow with the distance."""
    grid, surface = scene.surface_grid, scene.surface_m
    begin, end = _within(scene, centres, directions)
    hits = np.full(centres.shape, np.nan)
    flat = np.maximum(np.hypot(directions[:, 0], directions[:, 1]), 1e-6)
    drop = np.abs(directions[:, 2])
    alive = np.flatnonzero(begin < end)
    before, after = begin.copy(), begin.copy()

    def above(rays: npt.NDArray, along: FloatArray) -> FloatArray:
        at = centres[rays] + directions[rays] * along[:, None]
        return np.asarray(at[:, 2] - grid.sample(surface, at[:, 0], at[:, 1]))

    alive = alive[above(alive, begin[alive]) > -_LOST_M]  # the camera itself is above ground
    met = []
    while len(alive):
        before[alive] = after[alive]
        step = (2 * grid.step_m + 0.01 * before[alive] * flat[alive]) / np.maximum(
            flat[alive], drop[alive] / 4
        )
        after[alive] = np.minimum(before[alive] + step, end[alive])
        under = above(alive, after[alive]) <= 0
        met.append(alive[under])
        alive = alive[~under & (after[alive] < end[alive])]
    found = np.concatenate(met) if met else alive
    low, high = before[found], after[found]
    for _ in range(14):
        middle = (low + high) / 2
        under = above(found, middle) <= 0
        low, high = np.where(under, low, middle), np.where(under, middle, high)
    hits[found] = centres[found] + directions[found] * ((low + high) / 2)[:, None]
    return hits


def _within(scene: Surface, centres: FloatArray, directions: FloatArray) -> tuple[FloatArray, FloatArray]:
    """From where to where along each ray (n, 3) there can be ground: between the lowest and the highest, over
    the grid."""
    grid, surface = scene.surface_grid, scene.surface_m
    low = (grid.west_m, grid.north_m - grid.rows * grid.step_m, float(surface.min()) - 1.0)
    high = (grid.west_m + grid.cols * grid.step_m, grid.north_m, float(surface.max()) + 0.1)
    with np.errstate(divide="ignore", invalid="ignore"):
        one = (np.array(low) - centres) / directions
        two = (np.array(high) - centres) / directions
    begin = np.fmax.reduce(np.fmin(one, two), axis=1)
    end = np.fmin.reduce(np.fmax(one, two), axis=1)
    return np.maximum(begin, 0.0), end


def torn_pixels(scene: Surface, camera: Camera, directions: FloatArray, hits_m: FloatArray) -> Columns:
    """(n, 2) columns and rows of the pixels between nodes of which one shows ground far behind the other's,
    or none: there a ridge ends, and what lies between the two places is not in sight."""
    torn = np.zeros(hits_m.shape[:2], bool)
    if not _met_for_sure(scene, directions).all():
        for along in (torn, torn.T):
            hits = hits_m if along is torn else np.swapaxes(hits_m, 0, 1)
            missing = np.isnan(hits[..., 0])
            gap = np.nan_to_num(np.linalg.norm(np.diff(hits, axis=0), axis=-1))
            usual = np.minimum(np.roll(gap, 1, axis=0), np.roll(gap, -1, axis=0))
            jump = ((gap > _TEAR * usual) & (gap > _TEAR_M)) | (missing[1:] != missing[:-1])
            along[:-1] |= jump
            along[:-1, :-1] |= jump[:, 1:]
    inside = np.arange(NODE_PX) + NODE_PX // 2 - NODE_PX
    row, col = np.nonzero(torn)
    x = (col[:, None, None] * NODE_PX + inside[None, None, :]).repeat(NODE_PX, axis=1)
    y = (row[:, None, None] * NODE_PX + inside[None, :, None]).repeat(NODE_PX, axis=2)
    pixels = np.stack([x.ravel(), y.ravel()], axis=1)
    size = (camera.image_width_px, camera.image_height_px)
    return np.asarray(pixels[((pixels >= 0) & (pixels < size)).all(axis=1)])


def _met_for_sure(scene: Surface, directions: FloatArray) -> npt.NDArray[np.bool_]:
    """Which rays (..., 3) are steeper than any ground."""
    flat = np.hypot(directions[..., 0], directions[..., 1])
    return np.asarray(flat * scene.steepest < -0.95 * directions[..., 2])
