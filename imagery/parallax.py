"""How far the ground stands off the surface, as photos tell that lie on it side by side.

Tie points are metres apart; between them roofs, crowns, banks and spurs stand off a sheet through them. The
height of each coarse cell is solved for from all pairs of photos that may meet there: least squares along the
pair's parallax (Lucas and Kanade 1981), summed over pairs (Okutomi and Kanade 1993). What is smooth of it is
ground and bends the surface. What is abrupt is a thing that stands: bent with it the ground beside would
wobble, so it is left to lean, and seams run round it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from imagery.ortho import MosaicGrid, Window, between_nodes, ground_nodes
from imagery.surface import Surface
from imagery.views import View, neighbours, overlap
from plans.frames import FloatArray, Pose

Float32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_NODE_CELLS = 4
_STEPS = ((2.0, 9), (1.2, 5), (0.8, 3))
"""Blur of the pictures and side of what is summed, in cells: a blurred picture is followed further."""
_DETAIL_CELLS = 5.0
"""What is wider than this is light and not ground."""
_NOISE_LEVELS = 4.0
_DOUBT_LEVELS = 24.0
_LESS_APART, _ALIKE, _JUDGED_CELLS = 0.6, 0.35, 7
"""A height counts where it takes so much of the squared difference away, and leaves so much less than there
is to see, over this many cells: waves and grass in the wind agree at no height, but by chance in a few."""
_USUAL_LEAN = 0.3
"""Between two photos at their seam, metres across for each metre of height."""
_SMOOTH_CELLS = 4.0
_ABRUPT_CELLS = 0.2
"""What stands off its surroundings by more, as parallax at a seam, is a thing and not ground."""
_BESIDE_CELLS = 5
_BEND_CELLS = 2.0
"""Nodes of a bent surface: as far apart as those that the mosaic is painted by."""


@dataclass(frozen=True)
class Relief:
    """Per coarse cell: `ground_m` (rows, cols) by how much the ground lies above the surface, smooth; `tall`
    (rows, cols) 0..1, where things stand. Both float32."""

    ground_m: Float32
    tall: Float32


def find_relief(surface: Surface, views: Sequence[View], poses: Sequence[Pose], cells: MosaicGrid) -> Relief:
    """What the views (evened, on this surface) say of the heights of the ground and of what stands on it; 0
    where no two photos tell."""
    laid = _LaidViews(surface, views, poses, cells)
    flat = rise = np.zeros(cells.shape, np.float32)
    for blur, side in _STEPS:
        rise = rise + _correction(laid, rise, blur, side)
    before, _ = _apart(laid, flat)
    after, detail = _apart(laid, rise)
    better = (after < _LESS_APART * before) & (after < _ALIKE * detail)
    return _told_apart(rise * cv2.blur(better.astype(np.float32), (5, 5)), cells.gsd_m)


def bent(surface: Surface, relief: Relief, cells: MosaicGrid) -> Surface:
    """The surface with the ground of the relief added, as fine as the mosaic's nodes."""
    rows, cols = np.array([0.0, cells.rows - 1.0]), np.array([0.0, cells.cols - 1.0])
    east, north = (v.ravel() for v in cells.local_places(rows, cols))
    corners = np.stack([east, north, np.ones(4)], axis=1)
    by_col, by_row = (  # between grid and local frame nothing but a turn and a scale matters here
        np.linalg.lstsq(corners, v, rcond=None)[0] for v in (np.tile(cols, 2), np.repeat(rows, 2))
    )
    step = _BEND_CELLS * cells.gsd_m
    west, top = float(east.min() - step), float(north.max() + step)
    nodes_e = west + step * np.arange(int((east.max() - west) / step) + 2)
    nodes_n = top - step * np.arange(int((top - north.min()) / step) + 2)[:, None]
    x, y = ((nodes_e * by[0] + nodes_n * by[1] + by[2]).astype(np.float32) for by in (by_col, by_row))
    added = cv2.remap(relief.ground_m, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    heights = surface.at(*np.broadcast_arrays(nodes_e, nodes_n)) + added
    return Surface(west, top, step, heights.astype(np.float32))


def laid_on(
    relief: Relief, surface: Surface, views: Sequence[View], poses: Sequence[Pose], cells: MosaicGrid
) -> list[View]:
    """The views of a surface as they lie on it when it is bent by the relief."""
    laid = _LaidViews(surface, views, poses, cells)
    return [replace(v, colour=laid.raised(k, v.colour, relief.ground_m)) for k, v in enumerate(views)]


class _LaidViews:
    """Views on a surface, and how they move on it when the ground is raised."""

    def __init__(
        self, surface: Surface, views: Sequence[View], poses: Sequence[Pose], cells: MosaicGrid
    ) -> None:
        self.views, self.pairs = views, neighbours(views)
        self._nodes = [
            _leaning(ground_nodes(cells, v.window, surface, _NODE_CELLS).enu, poses[v.photo]) / cells.gsd_m
            for v in views
        ]

    def lean(self, k: int) -> Float32:
        """(rows, cols, 2) cells by which a view moves right and down for each metre that the ground rises."""
        return between_nodes(self._nodes[k].astype(np.float32), self.views[k].window.shape, _NODE_CELLS)

    def raised(self, k: int, picture: npt.NDArray[Any], rise: Float32) -> npt.NDArray[Any]:
        """A picture (rows, cols[, bands]) of a view as it lies on the surface raised by `rise` (m)."""
        mine = rise[self.views[k].window.slices]
        if not mine.any():
            return picture
        rows, cols = mine.shape
        x, y = cv2.split(self.lean(k) * mine[..., None])
        x += np.arange(cols, dtype=np.float32)
        y += np.arange(rows, dtype=np.float32)[:, None]
        return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))

    def details(
        self, rise: Float32, blur: float
    ) -> Iterator[tuple[int, int, Window, Float32, Float32, Mask]]:
        """For each pair of views (i, j): the window that both cover, the fine structure of each on the
        surface raised by `rise`, and where both are valid."""
        last = {k: n for n, pair in enumerate(self.pairs) for k in pair}
        held: dict[int, Float32] = {}
        for n, (i, j) in enumerate(self.pairs):
            for k in (i, j):
                if k not in held:
                    grey = cv2.cvtColor(self.views[k].colour, cv2.COLOR_BGR2GRAY)
                    held[k] = _fine(self.raised(k, grey.astype(np.float32), rise), blur)
            at = overlap(self.views[i], self.views[j])
            assert at is not None
            here = [at.within(self.views[k].window) for k in (i, j)]
            both = self.views[i].valid[here[0]] & self.views[j].valid[here[1]]
            if both.any():
                yield i, j, at, held[i][here[0]], held[j][here[1]], both
            for k in (i, j):
                if last[k] == n:
                    del held[k]


def _correction(laid: _LaidViews, rise: Float32, blur: float, side: int) -> Float32:
    """Metres by which the ground of each cell lies above what is known of it, by least squares."""
    pull, hold = np.zeros_like(rise), np.zeros_like(rise)
    for i, j, at, a, b, both in laid.details(rise, blur):
        lean = laid.lean(i)[at.within(laid.views[i].window)] - laid.lean(j)[at.within(laid.views[j].window)]
        mean = (a + b) * np.float32(0.5)
        right, down = (cv2.Sobel(mean, cv2.CV_32F, dx, dy, scale=0.125) for dx, dy in ((1, 0), (0, 1)))
        slope = right * lean[..., 0] + down * lean[..., 1]
        off = b - a
        weighed = slope * (both / (1 + (off / np.float32(_DOUBT_LEVELS)) ** 2))
        pull[at.slices] += weighed * off
        hold[at.slices] += weighed * slope
    return _around(pull, side) / (_around(hold, side) + np.float32(_NOISE_LEVELS**2))


def _apart(laid: _LaidViews, rise: Float32) -> tuple[Float32, Float32]:
    """Around each cell the squared difference of the photos that lie there, and how much there is to see."""
    apart, detail = np.zeros_like(rise), np.zeros_like(rise)
    for _, _, at, a, b, both in laid.details(rise, _STEPS[-1][0]):
        apart[at.slices] += both * (b - a) ** 2
        detail[at.slices] += both * (a * a + b * b)
    return _around(apart, _JUDGED_CELLS), _around(detail, _JUDGED_CELLS)


def _around(values: Float32, side: int) -> Float32:
    once = cv2.boxFilter(values, -1, (side, side), normalize=False)
    return np.asarray(cv2.boxFilter(once, -1, (side, side)), np.float32)


def _fine(grey: Float32, blur: float) -> Float32:
    fine, wide = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (blur, _DETAIL_CELLS))
    return np.asarray(cv2.subtract(fine, wide), np.float32)


def _leaning(enu: FloatArray, pose: Pose) -> FloatArray:
    """(rows, cols, 2) metres right and down away from the camera for each metre of height."""
    depth = np.maximum(pose.up_m - enu[..., 2], 1.0)
    return np.stack([enu[..., 0] - pose.east_m, pose.north_m - enu[..., 1]], axis=2) / depth[..., None]


def _told_apart(rise: Float32, cell_m: float) -> Relief:
    """The smooth part of the heights, and where things stand out of it."""
    parallax = rise * np.float32(_USUAL_LEAN / cell_m)
    ground, smooth = np.ones_like(rise), parallax
    for _ in range(3):
        share = np.maximum(cv2.GaussianBlur(ground, (0, 0), _SMOOTH_CELLS), 1e-3)
        smooth = cv2.GaussianBlur(parallax * ground, (0, 0), _SMOOTH_CELLS) / share
        stands = (np.abs(parallax - smooth) > _ABRUPT_CELLS).astype(np.uint8)
        ground = 1 - cv2.dilate(stands, np.ones((_BESIDE_CELLS, _BESIDE_CELLS), np.uint8)).astype(np.float32)
    tall = np.clip(np.abs(parallax - smooth) / (2 * _ABRUPT_CELLS) - 0.25, 0, 1)
    return Relief((smooth * np.float32(cell_m / _USUAL_LEAN)).astype(np.float32), tall.astype(np.float32))
