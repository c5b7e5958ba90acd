"""One tile of the mosaic: photos warped, evened and blended over several frequency bands.

Multi-band blending (Burt and Adelson 1983): fine detail changes over at the seam, brightness over a wide
band. What is wide changes slowly, so it is worked out once for the whole mosaic on the coarse grid
(`mixture`); at full size photos only mix over one cell along their seams, and the coarse difference is added
to that. So a photo is warped where it is chosen and one cell beyond, not in all the width of the widest band.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from imagery.exposure import Exposure
from imagery.ortho import (
    NODE_STEP_PX,
    GroundNodes,
    MosaicGrid,
    Window,
    between_nodes,
    drawn_nodes,
    ground_nodes,
    inside_photo,
    pixel_map,
    project_places,
    warp_photo,
)
from imagery.seams import NOBODY, Labels
from imagery.shelf import Piece
from imagery.surface import Surface
from imagery.views import View
from plans.cameras import Camera
from plans.frames import Pose

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Mixture = npt.NDArray[np.int8]

COARSE_LEVELS = 3
"""Bands that the coarse grid blends: with cells of 8 pixels, mixing reaches 64 pixels from a seam."""
_PART_PX = 512
_FINER = 32
"""The blender cuts fractions off in each band; counted in such parts of a level, nothing of that is seen."""
_PIECE_MARGIN_PX = 48
"""Of a photo's piece around where its own cells project to: what it is compared with its neighbours by."""


@dataclass(frozen=True)
class Painting:
    """Everything a tile is painted from. `labels` are per cell of `cell_px` pixels, `mixture` (rows, cols, 3)
    what wide blending adds to each cell; `factors` says at which reduction each photo is decoded."""

    grid: MosaicGrid
    labels: Labels
    mixture: Mixture
    cell_px: int
    surface: Surface
    cameras: tuple[Camera, ...]
    poses: tuple[Pose, ...]
    exposure: Exposure
    factors: tuple[int, ...]


@dataclass(frozen=True)
class Tile:
    """`colour` (rows, cols, 3) uint8 BGR, `mask` (rows, cols) True where a photo was."""

    window: Window
    colour: UInt8
    mask: npt.NDArray[np.bool_]


def mixture(views: Sequence[View], labels: Labels) -> Mixture:
    """What blending the views (evened) by their labels over wide bands adds to putting them side by side:
    (rows, cols, 3) int8 BGR, 0 away from seams."""
    beside = np.zeros((*labels.shape, 3), np.uint8)
    blender = cv2.detail.MultiBandBlender(0, COARSE_LEVELS, cv2.CV_32F)
    blender.prepare((0, 0, labels.shape[1], labels.shape[0]))
    painted = False
    for view in views:
        mine = labels[view.window.slices] == view.photo
        if mine.any():
            beside[view.window.slices][mine] = view.colour[mine]
            mask = mine.view(np.uint8) * np.uint8(255)
            corner = (view.window.col0, view.window.row0)
            blender.feed(view.colour.astype(np.int16) * np.int16(_FINER), mask, corner)
            painted = True
    if not painted:
        return np.zeros(beside.shape, np.int8)
    blended, _ = blender.blend(None, None)  # type: ignore[call-overload]  # the stubs want arrays to fill
    added = np.clip(np.rint(blended / np.float32(_FINER) - beside), -127, 127).astype(np.int8)
    added[labels == NOBODY] = 0
    return added


def paint_tile(
    painting: Painting,
    window: Window,
    piece_of: Callable[[int], Piece],
    fields: Mapping[int, Float32] | None = None,
) -> Tile | None:
    """Paint one window of the mosaic, which begins at whole nodes; None when no photo shows anything of it.

    `piece_of(photo)` gives what the mosaic needs of a decoded photo (BGR); `fields` by how many pixels photos
    are drawn beside themselves, at the nodes of the window and a ring around it (imagery.joins).
    """
    rows, cols = (-(-n // NODE_STEP_PX) * NODE_STEP_PX for n in window.shape)
    whole = Window(window.row0, window.row0 + rows, window.col0, window.col0 + cols)
    labels = _labels_around(painting, whole)
    if (labels == NOBODY).all():
        return None
    nodes = ground_nodes(painting.grid, whole, painting.surface)
    moved = {p: GroundNodes(whole, drawn_nodes(nodes.enu, field)) for p, field in (fields or {}).items()}
    colour = np.zeros((*whole.shape, 3), np.uint8)
    weight = np.zeros(whole.shape, np.float32)
    for row in range(0, rows, _PART_PX):
        for col in range(0, cols, _PART_PX):
            part = Window(row, min(row + _PART_PX, rows), col, min(col + _PART_PX, cols))
            over = colour[part.slices], weight[part.slices]
            _paint_part(painting, part, labels, lambda p: moved.get(p, nodes), piece_of, *over)
    mask = weight > 0
    known = labels[1:-1, 1:-1] != NOBODY
    if not known.all():
        mask &= cv2.resize(known.view(np.uint8), mask.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    mask = mask[: window.shape[0], : window.shape[1]]
    if not mask.any():
        return None
    mixed = _mixed(painting, whole, colour)[: window.shape[0], : window.shape[1]]
    if not mask.all():
        mixed = np.asarray(cv2.copyTo(mixed, mask.view(np.uint8)), np.uint8)
    return Tile(window, mixed, mask)


def needed_part(painting: Painting, photo: int, cells: Window) -> Window:
    """The part of a photo, in pixels of what is decoded, that painting `cells` (whose labels it may have)
    needs."""
    size = painting.cell_px
    rows, cols = (-(-(n + 2) * size // NODE_STEP_PX) * NODE_STEP_PX for n in cells.shape)
    row, col = (cells.row0 - 1) * size, (cells.col0 - 1) * size
    nodes = ground_nodes(painting.grid, Window(row, row + rows, col, col + cols), painting.surface)
    camera, factor = painting.cameras[photo], painting.factors[photo]
    seen = project_places(camera, painting.poses[photo], nodes.enu).reshape(-1, 2)
    places = seen[np.isfinite(seen).all(axis=1)] / np.float32(factor)
    shape = (-(-camera.image_height_px // factor), -(-camera.image_width_px // factor))
    if not len(places):
        return Window(0, 1, 0, 1)
    (left, top), (right, bottom) = np.floor(places.min(axis=0)), np.ceil(places.max(axis=0))
    part = Window(int(top), int(bottom) + 1, int(left), int(right) + 1).grown(_PIECE_MARGIN_PX).clipped(shape)
    return Window(0, 1, 0, 1) if part.empty else part


def _labels_around(painting: Painting, window: Window) -> Labels:
    """Labels of the window's cells and a ring of one around it; at the mosaic's rim cells reach one further:
    the photo's edge decides there."""
    cell = painting.cell_px
    wanted = Window(window.row0 // cell, window.row1 // cell, window.col0 // cell, window.col1 // cell).grown(
        2
    )
    labels = np.full(wanted.shape, NOBODY, np.int16)
    there = wanted.clipped(painting.labels.shape)
    labels[there.within(wanted)] = painting.labels[there.slices]
    if (labels == NOBODY).any():
        spread = cv2.dilate(labels, np.ones((3, 3), np.uint8))
        labels = np.where(labels == NOBODY, spread, labels).astype(np.int16)
    return labels[1:-1, 1:-1]


def _paint_part(
    painting: Painting,
    part: Window,
    labels: Labels,
    nodes_of: Callable[[int], GroundNodes],
    piece_of: Callable[[int], Piece],
    colour: UInt8,
    weight: Float32,
) -> None:
    """Fill `colour` and `weight` (rows, cols) of a part of the tile, photo after photo."""
    cell = painting.cell_px
    row, col = part.row0 // cell, part.col0 // cell
    near = labels[row : row + part.shape[0] // cell + 2, col : col + part.shape[1] // cell + 2]
    for photo in np.flatnonzero(np.bincount((near + 1).ravel())[1:]).tolist():  # NOBODY is -1
        mine = near == photo
        room = _room(mine, NODE_STEP_PX // cell)
        share = mine[room.row0 : room.row1 + 2, room.col0 : room.col1 + 2]
        at = Window(*(n * cell for n in (room.row0, room.row1, room.col0, room.col1)))
        below = Window(at.row0 + part.row0, at.row1 + part.row0, at.col0 + part.col0, at.col1 + part.col0)
        warped, inside = _warped(painting, photo, below, nodes_of(photo), piece_of(photo))
        there, so_far = colour[at.slices], weight[at.slices]
        if inside is None and share.all():
            there[:], so_far[:] = warped, 1.0
            continue
        own = between_nodes(share.astype(np.float32), at.shape, cell)
        if inside is not None:
            own *= inside
        if so_far.any():
            cv2.blendLinear(there, warped, so_far, own, there)
        else:
            there[:] = warped
        so_far += own


def _room(mine: npt.NDArray[np.bool_], unit: int) -> Window:
    """The cells, inside the ring, that its own ones (rows + 2, cols + 2) reach when mixed, by whole units."""
    ends = []
    for axis in (1, 0):
        own = np.flatnonzero(mine.any(axis=axis))
        count = mine.shape[1 - axis] - 2
        low, high = max(int(own[0]) - 2, 0), min(int(own[-1]) + 1, count)
        ends += [low // unit * unit, min(-(-high // unit) * unit, count)]
    return Window(*ends)


def _warped(
    painting: Painting, photo: int, at: Window, nodes: GroundNodes, piece: Piece
) -> tuple[UInt8, npt.NDArray[np.bool_] | None]:
    """A photo on a window of the tile, evened; and where that is inside it, None where it is everywhere."""
    camera, factor = painting.cameras[photo], painting.factors[photo]
    node_pixels = project_places(camera, painting.poses[photo], nodes.part(at))
    source = pixel_map(node_pixels, at.shape, factor, piece.corner)
    colour = warp_photo(piece.picture, source)
    colour = _even(colour, painting.exposure, photo, node_pixels, camera)
    if inside_photo(node_pixels, camera).all():
        return colour, None
    full = between_nodes(node_pixels, at.shape)
    return colour, inside_photo(full, camera)


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


def _mixed(painting: Painting, window: Window, colour: UInt8) -> UInt8:
    """The tile with what wide blending adds."""
    cell = painting.cell_px
    wanted = Window(window.row0 // cell, window.row1 // cell, window.col0 // cell, window.col1 // cell).grown(
        1
    )
    there = wanted.clipped(painting.labels.shape)
    added = painting.mixture[there.slices]
    if not added.any():
        return colour
    nodes = np.zeros((*wanted.shape, 3), np.int16)
    nodes[there.within(wanted)] = added
    size = (nodes.shape[1] * cell, nodes.shape[0] * cell)
    whole = cv2.resize(nodes, size, interpolation=cv2.INTER_LINEAR)[cell:-cell, cell:-cell]
    return np.asarray(cv2.add(colour, whole, dtype=cv2.CV_8U), np.uint8)
