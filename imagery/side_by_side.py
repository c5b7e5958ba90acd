"""Photos laid side by side at places of the mosaic, at full size, and where their pictures fit together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from imagery.blend import Painting
from imagery.ortho import NODE_STEP_PX, drawn_nodes, inside_photo, project_places
from imagery.shelf import Piece
from plans.frames import FloatArray

Float32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

SIDE_PX, REACH_PX = 48, 8
"""Of a picture around a place, and how far apart two are looked for: farther is a thing that stands."""
_MIDDLE = (slice(REACH_PX, -REACH_PX),) * 2
_RING = 2
"""Nodes around a place that its picture needs."""
_LEAST_LEVELS = 3.0
_BESIDE_PEAK_PX = 2


@dataclass(frozen=True)
class Fit:
    """How pictures of two photos fit, for each place: `apart_px` (n, 2) by which the second lies right and
    down of the first, NaN where that is not within reach; `alike` (n,) their correlation then, `next_best`
    (n,) the highest one elsewhere."""

    apart_px: Float32
    alike: Float32
    next_best: Float32


def around(node: Ints) -> Ints:
    """(n, 5, 5, 2) the nodes that pictures of places (n, 2) need."""
    ring = np.arange(-_RING, _RING + 1)
    return np.asarray(node[:, None, None] + np.stack(np.meshgrid(ring, ring, indexing="ij"), axis=2))


def pictures(
    painting: Painting,
    piece_of: Callable[[int], Piece],
    photo: int,
    node: Ints,
    field_px: Float32 | None = None,
) -> tuple[Float32, Mask]:
    """(n, side, side) a photo in grey around nodes (n, 2), and (n,) which of them lie in it wholly; drawn by
    `field_px` (n, 5, 5, 2) as the mosaic is."""
    camera, factor, piece = painting.cameras[photo], painting.factors[photo], piece_of(photo)
    enu = _places(painting, around(node))
    if field_px is not None:
        enu = drawn_nodes(enu, field_px)
    shape = enu.shape[:3]
    pixels = project_places(camera, painting.poses[photo], enu.reshape(-1, shape[2], 3)).reshape(*shape, 2)
    source = (pixels + np.float32(0.5)) / np.float32(factor) - np.float32(0.5)
    source -= np.array(piece.corner, np.float32)
    x, y = ((_BETWEEN @ source[..., k] @ _BETWEEN.T).reshape(-1, SIDE_PX * SIDE_PX) for k in (0, 1))
    seen = cv2.remap(piece.picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    grey = cv2.cvtColor(seen, cv2.COLOR_BGR2GRAY).astype(np.float32)
    whole = np.asarray(inside_photo(pixels, camera).all(axis=(1, 2)))
    return grey.reshape(-1, SIDE_PX, SIDE_PX), whole


def fit(first: Float32, second: Float32, pull: float = 0.0) -> Fit:
    """Where the first's middles are found in the second (Lewis 1995, "Fast normalized cross-correlation").

    `pull` is taken off for each squared pixel: along a straight edge all shifts fit alike.
    """
    side = 2 * REACH_PX + 1
    scores = np.empty((len(first), side, side), np.float32)
    for n in range(len(first)):
        cv2.matchTemplate(second[n], first[n][_MIDDLE], cv2.TM_CCOEFF_NORMED, scores[n])
    away = np.arange(-REACH_PX, REACH_PX + 1, dtype=np.float32)
    pulled = scores - np.float32(pull) * (away[:, None] ** 2 + away**2)
    row, col = np.divmod(pulled.reshape(-1, side * side).argmax(axis=1), side)
    far = np.maximum(
        np.abs(np.arange(side)[:, None] - row[:, None, None]), np.abs(np.arange(side) - col[:, None, None])
    )
    elsewhere = np.where(far > _BESIDE_PEAK_PX, scores, np.float32(-1))
    alike = scores[np.arange(len(row)), row, col]
    return Fit(_to_a_part(pulled, row, col), alike, elsewhere.max(axis=(1, 2), initial=-1.0))


def has_detail(pictures: Float32) -> Mask:
    """(n,) which are more than one even tone."""
    return np.asarray(pictures[:, *_MIDDLE].std(axis=(1, 2)) > _LEAST_LEVELS)


def _to_a_part(scores: Float32, row: Ints, col: Ints) -> Float32:
    """(n, 2) peaks to a part of a pixel, right and down, by a parabola; NaN at the rim."""
    side = scores.shape[1]
    peak = np.full((len(scores), 2), np.nan, np.float32)
    inner = (row > 0) & (row < side - 1) & (col > 0) & (col < side - 1)
    every, row, col = np.flatnonzero(inner), row[inner], col[inner]
    best = scores[every, row, col]
    for k, (right, down) in enumerate(((1, 0), (0, 1))):
        before, after = scores[every, row - down, col - right], scores[every, row + down, col + right]
        bend = np.minimum(before + after - 2 * best, np.float32(-1e-6))
        peak[every, k] = (col, row)[k] - REACH_PX + np.clip((before - after) / (2 * bend), -0.5, 0.5)
    return peak


def _between() -> Float32:
    """(side, nodes) by which pixels of a picture lie between its nodes."""
    along = (np.arange(SIDE_PX) + 0.5) / NODE_STEP_PX + 0.5
    weights = np.maximum(1 - np.abs(along[:, None] - np.arange(2 * _RING + 1)), 0)
    return np.asarray(weights, np.float32)


_BETWEEN = _between()


def _places(painting: Painting, at: Ints) -> FloatArray:
    """(..., 3) ENU of nodes (..., 2)."""
    low, high = at.min(axis=(0, 1, 2)), at.max(axis=(0, 1, 2))
    lattice = painting.grid.local_places(
        *(NODE_STEP_PX * (np.arange(a, b + 1) + 0.5) - 0.5 for a, b in zip(low, high, strict=True))
    )
    east, north = (v[tuple(np.moveaxis(at - low, -1, 0))] for v in lattice)
    up = painting.surface.at(east.ravel(), north.ravel()).reshape(east.shape)
    return np.stack([east, north, up], axis=-1)
