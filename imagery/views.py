"""Small orthos of every photo on one coarse grid: what seams, exposure and the accuracy check look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import shapely

from imagery.ortho import (
    MosaicGrid,
    Window,
    between_nodes,
    ground_nodes,
    inside_photo,
    project_places,
    warp_photo,
)
from imagery.surface import Surface
from imagery.workers import Workers
from plans.cameras import Camera
from plans.frames import FloatArray, Pose

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

_NODE_STEP_CELLS = 4
_FAR_RADIUS = 1.5  # stands for all that lies outside the photo, NaN included
_MOST_LEAN = 3.7
"""Metres across for each of depth (75 degrees off nadir): farther out a pixel is smeared and
the sky near."""
WORTH = 0.1
"""So much costlier than the best photo of a place another one may be and still paint it (`View.cost`)."""
_LAST = 100.0
"""Added to the cost of photos that are only wanted where no other sees."""


@dataclass(frozen=True)
class View:
    """One photo on the coarse grid, over the part of what it sees where it is worth painting.

    `colour` (rows, cols, 3) uint8 BGR; `valid` (rows, cols); `radius` (rows, cols) float16, the distance from
    the principal point over half the image's diagonal; `cost` (rows, cols) float16, how little this photo is
    wanted at each cell; `outline` (n, 2) of all it sees, local metres.
    """

    photo: int
    window: Window
    colour: UInt8
    valid: npt.NDArray[np.bool_]
    radius: npt.NDArray[np.float16]
    cost: npt.NDArray[np.float16]
    outline: FloatArray


@dataclass(frozen=True)
class Sights:
    """What all photos see: `count` (rows, cols) of photos per cell, uint16; `best` (rows, cols) the least
    cost of any, float32; `outlines` and `windows` per photo."""

    count: npt.NDArray[np.uint16]
    best: Float32
    outlines: tuple[FloatArray, ...]
    windows: tuple[Window, ...]


@dataclass(frozen=True)
class _Seen:
    """Geometry of one photo over a window: see View."""

    pixels: Float32
    valid: npt.NDArray[np.bool_]
    radius: Float32
    cost: Float32


def look_around(
    cameras: Sequence[Camera],
    poses: Sequence[Pose],
    outlines: Sequence[FloatArray],
    wanted: Sequence[bool],
    cells: MosaicGrid,
    surface: Surface,
    workers: Workers,
) -> Sights:
    """What each photo sees, within `outlines` (n, 2) each; those that are not `wanted` count only where no
    other sees."""
    windows = [_window_of(outline, cells) for outline in outlines]
    count = np.zeros(cells.shape, np.uint16)
    best = np.full(cells.shape, np.inf, np.float32)
    tasks = list(zip(cameras, poses, wanted, windows, strict=True))
    for window, (valid, cost) in zip(windows, workers.map(_look, (cells, surface), tasks), strict=True):
        count[window.slices] += valid
        np.minimum(best[window.slices], cost, out=best[window.slices])
    return Sights(count, best, tuple(outlines), tuple(windows))


def _look(
    ground: tuple[MosaicGrid, Surface], task: tuple[Camera, Pose, bool, Window]
) -> tuple[npt.NDArray[np.bool_], Float32]:
    camera, pose, wanted, window = task
    found = _seen(camera, pose, window, *ground)
    return found.valid, np.where(found.valid, found.cost + _extra(wanted), np.float32(np.inf))


def make_view(
    photo: int,
    camera: Camera,
    pose: Pose,
    wanted: bool,
    thumbnail: UInt8,
    factor: int,
    cells: MosaicGrid,
    surface: Surface,
    sights: Sights,
) -> View:
    """Orthorectify a thumbnail (the photo reduced by `factor`) onto the coarse grid, where it is worth it."""
    whole = sights.windows[photo]
    seen = _seen(camera, pose, whole, cells, surface)
    worth = seen.valid & (seen.cost + _extra(wanted) <= sights.best[whole.slices] + np.float32(WORTH))
    return _view(photo, thumbnail, factor, seen, whole, worth, _extra(wanted), sights.outlines[photo])


def make_glance(
    photo: int,
    camera: Camera,
    pose: Pose,
    thumbnail: UInt8,
    factor: int,
    cells: MosaicGrid,
    surface: Surface,
    outline: FloatArray,
) -> View:
    """All that a photo sees, on a grid of larger cells: enough to compare light."""
    whole = _window_of(outline, cells)
    seen = _seen(camera, pose, whole, cells, surface)
    return _view(photo, thumbnail, factor, seen, whole, seen.valid, np.float32(0), outline)


def _view(
    photo: int,
    thumbnail: UInt8,
    factor: int,
    seen: _Seen,
    whole: Window,
    worth: npt.NDArray[np.bool_],
    extra: np.float32,
    outline: FloatArray,
) -> View:
    at = _bounds(worth)
    rows, cols = at.slices
    source = (seen.pixels[rows, cols] + np.float32(0.5)) / np.float32(factor) - np.float32(0.5)
    shape = at.shape
    return View(
        photo=photo,
        window=Window(whole.row0 + at.row0, whole.row0 + at.row1, whole.col0 + at.col0, whole.col0 + at.col1),
        colour=warp_photo(thumbnail, source) if not at.empty else np.zeros((*shape, 3), np.uint8),
        valid=worth[rows, cols].copy(),
        radius=seen.radius[rows, cols].astype(np.float16),
        cost=np.minimum(seen.cost[rows, cols] + extra, 1e4).astype(np.float16),
        outline=outline,
    )


def _extra(wanted: bool) -> np.float32:
    return np.float32(0 if wanted else _LAST)


def _window_of(outline: FloatArray, cells: MosaicGrid) -> Window:
    return cells.window_of(outline[:, 0], outline[:, 1]).grown(2).clipped(cells.shape)


def _seen(camera: Camera, pose: Pose, window: Window, cells: MosaicGrid, surface: Surface) -> _Seen:
    enu = ground_nodes(cells, window, surface, _NODE_STEP_CELLS).enu
    node_pixels = project_places(camera, pose, enu)
    depth = np.maximum(pose.up_m - enu[..., 2], 1.0)
    node_lean = np.hypot(enu[..., 0] - pose.east_m, enu[..., 1] - pose.north_m) / depth
    pixels = between_nodes(node_pixels, window.shape, _NODE_STEP_CELLS)
    x, y = cv2.split(pixels - np.array(camera.principal_px, np.float32))
    half = 0.5 * float(np.hypot(camera.image_width_px, camera.image_height_px))
    radius = np.fmin(cv2.magnitude(x, y) / np.float32(half), np.float32(_FAR_RADIUS))
    lean = between_nodes(node_lean.astype(np.float32), window.shape, _NODE_STEP_CELLS)
    cost = lean**2 + np.float32(0.15) * np.maximum(radius - np.float32(0.6), 0)
    return _Seen(pixels, inside_photo(pixels, camera) & (lean < _MOST_LEAN), radius, cost)


def _bounds(mask: npt.NDArray[np.bool_]) -> Window:
    """The smallest window that holds all True; an empty one where there are none."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return Window(0, 0, 0, 0)
    return Window(int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1)


def neighbours(views: Sequence[View]) -> list[tuple[int, int]]:
    """Pairs (i < j) of indices of views whose windows overlap, in order."""
    boxes = [shapely.box(v.window.col0, v.window.row0, v.window.col1, v.window.row1) for v in views]
    first, second = shapely.STRtree(boxes).query(boxes)
    pairs = np.stack([first, second], axis=1)[first < second]
    return [
        (int(i), int(j))
        for i, j in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
        if overlap(views[i], views[j]) is not None
    ]


def overlap(a: View, b: View) -> Window | None:
    """The window that both cover, or None."""
    window = Window(
        max(a.window.row0, b.window.row0),
        min(a.window.row1, b.window.row1),
        max(a.window.col0, b.window.col0),
        min(a.window.col1, b.window.col1),
    )
    return None if window.empty else window


def colour_difference(a: UInt8, b: UInt8) -> Float32:
    """How much two pictures of one place disagree, (rows, cols), grey levels: colour and structure."""
    plain = cv2.blur(cv2.cvtColor(cv2.absdiff(a, b), cv2.COLOR_BGR2GRAY).astype(np.float32), (3, 3))
    ga, gb = (cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in (a, b))
    for dx, dy in ((1, 0), (0, 1)):
        slope_a, slope_b = (cv2.Sobel(g, cv2.CV_32F, dx, dy, scale=0.25) for g in (ga, gb))
        plain = cv2.add(plain, cv2.absdiff(slope_a, slope_b))
    return np.asarray(plain, np.float32)
