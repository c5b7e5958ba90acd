"""One tile of the mosaic: photos warped, evened and blended over several frequency bands.

Multi-band blending (Burt and Adelson 1983): fine detail changes over at the seam, brightness over a wide
band.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from imagery.exposure import Exposure
from imagery.ortho import (
    GroundNodes,
    MosaicGrid,
    Window,
    between_nodes,
    ground_nodes,
    inside_photo,
    pixel_map,
    project_places,
    warp_photo,
)
from imagery.seams import NOBODY, Labels
from imagery.surface import Surface
from plans.cameras import Camera
from plans.frames import Pose

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

BLEND_LEVELS = 5
BLEND_MARGIN_PX = 2**BLEND_LEVELS * 2
"""How far around a seam the pictures mix."""


@dataclass(frozen=True)
class Painting:
    """Everything a tile is painted from. `labels` are per cell of `cell_px` pixels; `factors` says at which
    reduction each photo is decoded."""

    grid: MosaicGrid
    labels: Labels
    cell_px: int
    surface: Surface
    cameras: tuple[Camera, ...]
    poses: tuple[Pose, ...]
    exposure: Exposure
    factors: tuple[int, ...]


@dataclass(frozen=True)
class Tile:
    """`colour` (rows, cols, 3) uint8 RGB, `mask` (rows, cols) True where a photo was."""

    window: Window
    colour: UInt8
    mask: npt.NDArray[np.bool_]


def paint_tile(painting: Painting, window: Window, image_of: Callable[[int, int], UInt8]) -> Tile | None:
    """Paint one window of the mosaic; None when no photo shows anything of it.

    `image_of(photo, factor)` gives the decoded photo (BGR).
    """
    outer = _aligned(window.grown(BLEND_MARGIN_PX), window)
    labels = _pixel_labels(painting, outer)
    photos = np.flatnonzero(np.bincount((labels + 1).ravel())[1:]).tolist()  # NOBODY is -1
    if not photos:
        return None
    nodes = ground_nodes(painting.grid, outer, painting.surface)
    inner = window.within(outer)
    layers = [_layer(painting, p, labels == p, nodes, image_of) for p in photos]
    covered = np.zeros(outer.shape, bool)
    for layer in layers:
        covered[layer.part.slices] |= layer.mask
    if not covered[inner].any():
        return None
    if len(layers) == 1 and layers[0].part.shape == outer.shape:
        colour = layers[0].colour
    else:
        colour = _blend(layers, outer.shape)
    mask = covered[inner]
    picked = cv2.cvtColor(np.ascontiguousarray(colour[inner]), cv2.COLOR_BGR2RGB)
    picked[~mask] = 0
    return Tile(window, np.asarray(picked, np.uint8), mask)


def _aligned(outer: Window, inner: Window) -> Window:
    """Grown so that all pyramids halve without rest, counted from the outer corner."""
    unit = 2**BLEND_LEVELS
    rows, cols = (-(-n // unit) * unit for n in outer.shape)
    return Window(outer.row0, outer.row0 + rows, outer.col0, outer.col0 + cols)


def _pixel_labels(painting: Painting, window: Window) -> Labels:
    """Labels of each pixel; at the mosaic's rim cells reach one further: the photo's edge decides there."""
    cell = painting.cell_px
    r0, r1 = window.row0 // cell, -(-window.row1 // cell)
    c0, c1 = window.col0 // cell, -(-window.col1 // cell)
    cells = np.full((r1 - r0 + 2, c1 - c0 + 2), NOBODY, np.int16)
    wanted = Window(r0 - 1, r1 + 1, c0 - 1, c1 + 1)
    there = wanted.clipped(painting.labels.shape)
    if there.empty:
        return np.full(window.shape, NOBODY, np.int16)
    cells[there.within(wanted)] = painting.labels[there.slices]
    if (cells == NOBODY).any():
        spread = cv2.dilate(cells, np.ones((3, 3), np.uint8))
        cells = np.where(cells == NOBODY, spread, cells).astype(np.int16)
    big = np.repeat(np.repeat(cells[1:-1, 1:-1], cell, axis=0), cell, axis=1)
    row, col = window.row0 - r0 * cell, window.col0 - c0 * cell
    return big[row : row + window.shape[0], col : col + window.shape[1]]


@dataclass(frozen=True)
class _Layer:
    """One photo's share of a tile: `part` is a window of the outer tile, `mask` where the photo is chosen."""

    part: Window
    colour: UInt8
    mask: npt.NDArray[np.bool_]


def _layer(
    painting: Painting,
    photo: int,
    chosen: npt.NDArray[np.bool_],
    nodes: GroundNodes,
    image_of: Callable[[int, int], UInt8],
) -> _Layer:
    """Warp the part of a photo that the tile needs, with room for the blending around it."""
    part = _room(chosen)
    camera = painting.cameras[photo]
    node_pixels = project_places(camera, painting.poses[photo], nodes.part(part))
    factor = painting.factors[photo]
    source = pixel_map(node_pixels, part.shape, factor)
    colour = warp_photo(image_of(photo, factor), source)
    colour = _even(colour, painting.exposure, photo, node_pixels, camera)
    mask = chosen[part.slices]
    if not inside_photo(node_pixels, camera).all():
        full = source * np.float32(factor) + np.float32((factor - 1) / 2)
        mask = mask & inside_photo(full, camera)
    return _Layer(part, colour, mask)


def _room(chosen: npt.NDArray[np.bool_]) -> Window:
    """The window around the chosen pixels, grown by the blend margin and aligned to the pyramid's unit."""
    rows, cols = np.flatnonzero(chosen.any(axis=1)), np.flatnonzero(chosen.any(axis=0))
    unit = 2**BLEND_LEVELS
    low = [max(0, (int(v[0]) - BLEND_MARGIN_PX) // unit * unit) for v in (rows, cols)]
    high = [
        min(size, -(-(int(v[-1]) + 1 + BLEND_MARGIN_PX) // unit) * unit)
        for v, size in zip((rows, cols), chosen.shape, strict=True)
    ]
    return Window(low[0], high[0], low[1], high[1])


def _even(colour: UInt8, exposure: Exposure, photo: int, node_pixels: Float32, camera: Camera) -> UInt8:
    """Apply gain and vignetting; the curve is smooth, so it is worked out at the nodes."""
    offset = node_pixels - np.array(camera.principal_px, np.float32)
    half = np.float32(0.5 * np.hypot(camera.image_width_px, camera.image_height_px))
    radius = np.fmin(np.hypot(offset[..., 0], offset[..., 1]) / half, 1.2)  # of NaN too
    factor = exposure.factor(photo, radius.astype(np.float32))
    if np.abs(factor - 1).max() < 0.004:
        return colour
    full = between_nodes(factor, (colour.shape[0], colour.shape[1]))
    return np.asarray(cv2.multiply(colour, full, dtype=cv2.CV_8U), np.uint8)


def _blend(layers: list[_Layer], shape: tuple[int, int]) -> UInt8:
    """The layers' bands, each weighted by how near its own part is, added up (OpenCV's blender)."""
    blender = cv2.detail.MultiBandBlender(0, BLEND_LEVELS, cv2.CV_32F)
    blender.prepare((0, 0, shape[1], shape[0]))
    for layer in layers:
        mask = layer.mask.view(np.uint8) * np.uint8(255)
        blender.feed(layer.colour.astype(np.int16), mask, (layer.part.col0, layer.part.row0))
    blended, _ = blender.blend(None, None)  # type: ignore[call-overload]  # the stubs want arrays to fill
    return np.clip(blended, 0, 255).astype(np.uint8)
