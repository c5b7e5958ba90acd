"""Painting one square of the live map: where photos reach in it, how they are mixed, and in what light.

Every pixel keeps a colour and a level: the logarithm of the sum of its photos' weights, which fall steeply
with the distance from the photo's nadir. A photo is mixed in by the share of that sum that it has, so the
order in which photos come does not matter (a softmax taken step by step), and seams are soft. Where that
share would not be seen, a photo is not warped at all: of some seventy that reach a square, ten paint.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from imagery.jpeg_cog import SQUARE_PX
from imagery.ortho import (
    EDGE_MARGIN_PX,
    NODE_STEP_PX,
    MosaicGrid,
    Window,
    between_nodes,
    ground_outline,
    project_places,
    warp_photo,
)
from imagery.surface import Surface
from plans.cameras import Camera
from plans.frames import FloatArray, Pose

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

BLOCKS = SQUARE_PX // NODE_STEP_PX
"""Of a square, along a side."""
_SOFT = 0.008
"""Over so much difference of slope (tangents from the nadir) one photo fades into the next."""
_RIM_SHARE, _RIM_WEIGHT = 0.06, 12.0
_NOBODY = -6e4
"""The level where no photo has painted."""
_UNSEEN = 7.0
"""So far below what is there a photo's share is a thousandth: no pixel changes."""
_LIGHT_STEP, _LIGHT_LEAST, _LIGHT_DAMPING, _LIGHT_MOST = 8, 200, 0.85, 0.4
_PER_SIDE = 3
_3X3 = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Brush:
    """A photo to paint: its picture (`jpeg`) is reduced by `factor`, `gain` (3,) makes it as bright as its
    neighbours."""

    name: str
    jpeg: bytes
    factor: float
    camera: Camera
    pose: Pose
    gain: FloatArray

    @cached_property
    def picture(self) -> UInt8:
        """(rows, cols, 3) BGR."""
        return np.asarray(cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)

    def outline(self, surface: Surface) -> FloatArray:
        """(8, 2) local places around its ground."""
        return outline_of(self.camera, self.pose, surface)


def outline_of(camera: Camera, pose: Pose, surface: Surface) -> FloatArray:
    """(8, 2) local places around a photo's ground."""
    return ground_outline(camera, pose, surface, _PER_SIDE)


def picture_factor(camera: Camera, most_px: float = 1.3e6) -> int:
    """By how much photos are reduced for the map: to about a megapixel."""
    pixels = camera.image_width_px * camera.image_height_px
    return 2 ** max(0, math.ceil(math.log(pixels / most_px, 4)))


class Canvas:
    """One square while it is painted: `colour` (side, side, 3) uint8 BGR, `level` (side, side) float32, and
    the outlines (8, 2) of all photos that were laid out over it, those that do not show included."""

    def __init__(self) -> None:
        self.colour: UInt8 = np.zeros((SQUARE_PX, SQUARE_PX, 3), np.uint8)
        self.level: Float32 = np.full((SQUARE_PX, SQUARE_PX), _NOBODY, np.float32)
        self.outlines: dict[str, FloatArray] = {}

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """(side, side) where a photo has painted."""
        return np.asarray(self.level > _NOBODY)

    @property
    def floor(self) -> Float32:
        """(BLOCKS, BLOCKS) the lowest level in each block of NODE_STEP_PX pixels."""
        rows = self.level.reshape(BLOCKS, NODE_STEP_PX, SQUARE_PX).min(axis=1)
        return np.asarray(rows.reshape(BLOCKS, BLOCKS, NODE_STEP_PX).min(axis=2))


@dataclass(frozen=True)
class Reach:
    """What a photo may paint of a square.

    `window` is made of whole blocks; `nodes` (rows + 2, cols + 2, 3) are pixels of the reduced picture and
    the logarithm of the weight, one node in the middle of each block and a ring of them around; `most` and
    `least` (rows, cols) bound the weight in each block, `least` being _NOBODY where the photo may not show.
    """

    window: Window
    nodes: Float32
    most: Float32
    least: Float32

    @property
    def blocks(self) -> tuple[slice, slice]:
        """For indexing an array of the square's blocks."""
        w = self.window
        return (
            slice(w.row0 // NODE_STEP_PX, w.row1 // NODE_STEP_PX),
            slice(w.col0 // NODE_STEP_PX, w.col1 // NODE_STEP_PX),
        )


def reach_of(brush: Brush, grid: MosaicGrid, surface: Surface) -> Reach | None:
    """Lay a photo out over the nodes of a square; None where it does not reach it."""
    dense = ground_outline(brush.camera, brush.pose, surface)
    window = _whole_blocks(grid.window_of(dense[:, 0], dense[:, 1]))
    if window.empty:
        return None
    part = (
        slice(window.row0 // NODE_STEP_PX, window.row1 // NODE_STEP_PX + 2),
        slice(window.col0 // NODE_STEP_PX, window.col1 // NODE_STEP_PX + 2),
    )
    east, north = (v[part] for v in _node_places(grid))
    enu = np.stack([east, north, surface.at(east, north)], axis=2)
    source = project_places(brush.camera, brush.pose, enu)
    away = enu - brush.pose.centre
    slope = np.hypot(away[..., 0], away[..., 1]) / np.maximum(-away[..., 2], 1.0)
    size = np.array([brush.camera.image_width_px, brush.camera.image_height_px], np.float32)
    edge = np.minimum(source, size - 1 - source).min(axis=2)
    rim = 1 - np.clip(edge / (_RIM_SHARE * float(size.min())), 0, 1)
    weight = (-slope / _SOFT - _RIM_WEIGHT * rim**2).astype(np.float32)
    shown = np.where(edge >= EDGE_MARGIN_PX, weight, np.float32(_NOBODY))
    possible = np.where(np.isfinite(weight), weight, np.float32(_NOBODY))
    reduced = (source + np.float32(0.5)) / np.float32(brush.factor) - np.float32(0.5)
    return Reach(
        window,
        np.dstack([reduced, weight]),
        np.asarray(cv2.dilate(possible, _3X3)[1:-1, 1:-1], np.float32),
        np.asarray(cv2.erode(shown, _3X3)[1:-1, 1:-1], np.float32),
    )


def _whole_blocks(window: Window) -> Window:
    step = NODE_STEP_PX
    return Window(
        window.row0 // step * step,
        -(-window.row1 // step) * step,
        window.col0 // step * step,
        -(-window.col1 // step) * step,
    )


@lru_cache(maxsize=128)
def _node_places(grid: MosaicGrid) -> tuple[FloatArray, FloatArray]:
    """East and north (BLOCKS + 2, BLOCKS + 2) of a square's nodes: kept, as turning places from one CRS into
    another takes as long as painting."""
    at = NODE_STEP_PX * (np.arange(BLOCKS + 2) - 0.5) - 0.5
    return grid.local_places(at, at)


@dataclass(frozen=True)
class Touch:
    """A photo laid out over a part of a square: `colour` (rows, cols, 3) uint8 and `weight` (rows, cols), the
    logarithm, _NOBODY where it shows nothing."""

    window: Window
    colour: UInt8
    weight: Float32


def touch(brush: Brush, reach: Reach, floor: Float32) -> Touch | None:
    """Warp a photo onto where it would be seen above `floor` (BLOCKS, BLOCKS); None where it would not."""
    seen = reach.most > np.maximum(floor[reach.blocks] - _UNSEEN, _NOBODY)
    if not seen.any():
        return None
    rows, cols = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
    w, step = reach.window, NODE_STEP_PX
    window = Window(w.row0 + step * top, w.row0 + step * bottom, w.col0 + step * left, w.col0 + step * right)
    fine = between_nodes(reach.nodes[top : bottom + 2, left : right + 2], window.shape)
    source, weight = np.ascontiguousarray(fine[..., :2]), np.ascontiguousarray(fine[..., 2])
    margin = (EDGE_MARGIN_PX + 0.5) / brush.factor - 0.5
    width, height = (brush.camera.image_width_px, brush.camera.image_height_px)
    x, y = source[..., 0], source[..., 1]
    inside = (x >= margin) & (x <= (width - 0.5 - EDGE_MARGIN_PX) / brush.factor - 0.5)
    inside &= (y >= margin) & (y <= (height - 0.5 - EDGE_MARGIN_PX) / brush.factor - 0.5)
    weight[~inside] = _NOBODY
    return Touch(window, warp_photo(brush.picture, source), weight)


def light_of(touches: Sequence[tuple[Canvas, Touch]]) -> FloatArray:
    """(3,) the gain that brings a photo to the brightness of what it lies over; a part of it is left out, so
    that a chain of photos comes back to its own light."""
    ratios = []
    for canvas, part in touches:
        some = part.window.slices
        there = canvas.colour[some][::_LIGHT_STEP, ::_LIGHT_STEP].astype(np.float32)
        painted = canvas.level[some][::_LIGHT_STEP, ::_LIGHT_STEP] > _NOBODY
        here = part.colour[::_LIGHT_STEP, ::_LIGHT_STEP].astype(np.float32)
        both = painted & (part.weight[::_LIGHT_STEP, ::_LIGHT_STEP] > _NOBODY)
        for picture in (here, there):
            both &= (picture.min(axis=2) > 8) & (picture.max(axis=2) < 248)
        ratios.append(np.log(there[both] / here[both]))
    all_of_them = np.concatenate(ratios) if ratios else np.zeros((0, 3))
    if len(all_of_them) < _LIGHT_LEAST:
        return np.ones(3)
    usual = _LIGHT_DAMPING * np.median(all_of_them, axis=0)
    return np.asarray(np.exp(np.clip(usual, -_LIGHT_MOST, _LIGHT_MOST)), float)


def lay(canvas: Canvas, part: Touch, gain: FloatArray) -> None:
    """Mix a photo into a square."""
    slices = part.window.slices
    table = np.clip(np.rint(np.arange(256)[:, None] * gain), 0, 255).astype(np.uint8)[:, None, :]
    colour = np.asarray(cv2.LUT(part.colour, table), np.uint8)
    level = canvas.level[slices]
    ahead = np.clip(part.weight - level, -30, 30)
    share = 1 / (1 + np.exp(-ahead))
    share[part.weight <= _NOBODY] = 0
    there = np.ascontiguousarray(canvas.colour[slices])
    canvas.colour[slices] = cv2.blendLinear(there, colour, 1 - share, share)
    raised = np.maximum(level, part.weight) + np.log1p(np.exp(-np.abs(ahead)))
    canvas.level[slices] = np.where(part.weight > _NOBODY, raised, level)


def paint_square(
    grid: MosaicGrid, brushes: Sequence[Brush], surface: Surface, pause: Callable[[], None] = lambda: None
) -> Canvas:
    """A square painted anew with all photos that may reach it; `pause` is called between photos."""
    canvas = Canvas()
    floor = np.full((BLOCKS, BLOCKS), _NOBODY, np.float32)
    reaches = []
    for brush in brushes:
        canvas.outlines[brush.name] = brush.outline(surface)
        reach = reach_of(brush, grid, surface)
        if reach is not None:
            reaches.append((brush, reach))
            floor[reach.blocks] = np.maximum(floor[reach.blocks], reach.least)
    for brush, reach in reaches:
        pause()
        part = touch(brush, reach, floor)
        if part is not None:
            lay(canvas, part, brush.gain)
    return canvas
