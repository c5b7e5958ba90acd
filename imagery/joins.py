"""Photos drawn together where they meet: along a seam two are laid side by side at full size, and what they
are apart there is split between them and fades out away from the seam.

What cameras and surface do not know (eaves, banks, crowns, the shutter's roll) would break lines at seams.
Between places where it is clear it is interpolated (Shepard's method as modified by Franke and Nielson 1980).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from imagery.blend import Painting
from imagery.ortho import NODE_STEP_PX, Window
from imagery.seams import NOBODY, Labels
from imagery.shelf import Once, Piece
from imagery.side_by_side import (
    SIDE_PX,
    Fit,
    Float32,
    Ints,
    Mask,
    around,
    fit,
    has_detail,
    pictures,
)

DRAWN_NODES, JUDGED_NODES = 2, 16
"""One place of each two photos that draws in so many nodes along a seam, one that is judged in so many."""
_APART_NODES = 2
"""Pictures of places so far apart share nothing of what is looked for."""
_PULL = 8e-4
_ALIKE, _ALIKE_ALONE, _ALIKE_JUDGED = 0.6, 0.8, 0.7
_BESIDE_NODES, _AGREE_PX, _AGREE_SHARE = 8, 1.0, 0.15
"""A shift counts when another place of the two photos, so near, has about the same."""
_FADED_NODES, _FULL_NODES, _NEAR_NODES = 10.0, 3.0, 1.0
_ELSEWHERE_LESS, _BACK_AGAIN_PX = 0.05, 1.0
_BAND_NODES = 12


@dataclass(frozen=True)
class Joins:
    """Places on seams: `node` (n, 2) row and column in blocks of NODE_STEP_PX, `photos` (n, 2) that meet
    there, the lower number first."""

    node: Ints
    photos: Ints

    def some(self, which: Mask | Ints) -> Joins:
        """Those of a mask, or by their numbers."""
        return Joins(self.node[which], self.photos[which])

    def near(self, at: Ints, reach: float) -> Joins:
        """Those within some nodes of the rectangle around nodes (..., 2)."""
        flat = at.reshape(-1, 2)
        low, high = flat.min(axis=0) - reach, flat.max(axis=0) + reach
        return self.some(((self.node >= low) & (self.node <= high)).all(axis=1))


NO_JOINS = Joins(np.zeros((0, 2), np.int64), np.zeros((0, 2), np.int64))


@dataclass(frozen=True)
class _Shifts:
    """At `node` (n, 2) the second photo lies `apart_px` (n, 2), right and down, of the first."""

    node: Ints
    apart_px: Float32


def find_joins(labels: Labels, cell_px: int, each_nodes: int) -> Joins:
    """One place of every two photos that meet in each square of so many nodes."""
    found = []
    for one, other in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        meet = (one != other) & (one != NOBODY) & (other != NOBODY)
        node = np.argwhere(meet) * cell_px // NODE_STEP_PX
        found.append(np.concatenate([node, np.sort(np.stack([one[meet], other[meet]], axis=1))], axis=1))
    every = np.unique(np.concatenate(found), axis=0)
    joins = Joins(every[:, :2], every[:, 2:])
    return joins.some(_nearest_the_middle(joins, each_nodes))


def _nearest_the_middle(joins: Joins, step: int) -> Ints:
    square = joins.node // step
    off = ((joins.node - square * step - (step - 1) / 2) ** 2).sum(axis=1)
    group = np.concatenate([square, joins.photos], axis=1)
    order = np.lexsort((joins.node[:, 1], joins.node[:, 0], off, *group.T))
    first = np.r_[True, (np.diff(group[order], axis=0) != 0).any(axis=1)][: len(order)]
    return np.asarray(order[first])


class Drawing:
    """How photos are drawn together, worked out for each two of them when it is first asked for. Sent to
    another process, it begins there with nothing.

    `joins` draw; at the places `judged` it is told what is left.
    """

    def __init__(
        self, painting: Painting, piece_of: Callable[[int], Piece], joins: Joins, judged: Joins
    ) -> None:
        self._of = painting, piece_of, joins, judged
        self._painting, self._piece_of, self._joins, self._judged = self._of
        self._shifts: Once[tuple[int, int], _Shifts] = Once(self._measured)

    def __reduce__(self) -> tuple[type[Drawing], tuple[object, ...]]:
        return Drawing, self._of

    def fields(self, window: Window) -> dict[int, Float32]:
        """By photo (rows, cols, 2) how many pixels, right and down, it is to be sampled beside itself, at the
        nodes of a tile and the ring around it; photos that nothing draws are left out."""
        rows, cols = (
            np.arange(low // NODE_STEP_PX - 1, -(-high // NODE_STEP_PX) + 1)
            for low, high in ((window.row0, window.row1), (window.col0, window.col1))
        )
        at = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=2)
        near = self._joins.near(at, _FADED_NODES)
        every = ((photo, self._field(photo, near, at)) for photo in np.unique(near.photos).tolist())
        return {photo: field for photo, field in every if field is not None}

    def left_apart(self, window: Window) -> Float32:
        """(n, 2) pixels by which photos are apart at the window's places that are judged; NaN where it is not
        clear. Each is held out: drawn as if nothing had been compared there."""
        at = self._judged.node * NODE_STEP_PX
        inside = ((at >= (window.row0, window.col0)) & (at < (window.row1, window.col1))).all(axis=1)
        joins = self._judged.some(np.flatnonzero(inside))
        if not len(joins.node):
            return np.zeros((0, 2), np.float32)
        near = self._joins.near(around(joins.node), _FADED_NODES)
        both = np.empty((2, len(joins.node), SIDE_PX, SIDE_PX), np.float32)
        good = np.empty((2, len(joins.node)), bool)
        for photo in np.unique(joins.photos).tolist():
            for side in (0, 1):
                mine = joins.photos[:, side] == photo
                if mine.any():
                    both[side, mine], good[side, mine] = self._held_out(photo, near, joins.node[mine])
        told = good.all(axis=0) & has_detail(both[0])
        forth, back = fit(both[0, told], both[1, told]), fit(both[1, told], both[0, told])
        apart = np.full((len(told), 2), np.nan, np.float32)
        apart[told] = np.where(_clear(forth, back)[:, None], (forth.apart_px - back.apart_px) / 2, np.nan)
        return apart

    def _held_out(self, photo: int, near: Joins, node: Ints) -> tuple[Float32, Mask]:
        field = self._field(photo, near, around(node), held_out=node)
        return pictures(self._painting, self._piece_of, photo, node, field)

    def _field(self, photo: int, near: Joins, at: Ints, held_out: Ints | None = None) -> Float32 | None:
        """(..., 2) by how much a photo is drawn at nodes (..., 2), None where by nothing; those beside the
        places `held_out` (n, 2) do not draw what belongs to these, n times (..., 2)."""
        mine = near.some((near.photos == photo).any(axis=1))
        node, pull = [np.zeros((0, 2), np.int64)], [np.zeros((0, 2), np.float32)]
        for first, second in sorted(set(map(tuple, mine.photos.tolist()))):
            shifts = self._shifts((first, second))
            node.append(shifts.node)
            pull.append(shifts.apart_px * np.float32(-0.5 if photo == first else 0.5))
        places, pulls = np.concatenate(node), np.concatenate(pull)
        if not len(places):
            return None
        if held_out is not None:
            return _interpolated(places, pulls, at, held_out)
        bands = np.array_split(at, -(-len(at) // _BAND_NODES))  # a seam is near few nodes of a tile
        return np.concatenate([_interpolated(places, pulls, band) for band in bands])

    def _measured(self, pair: tuple[int, int]) -> _Shifts:
        """What two photos are apart where they meet, as far as it is clear."""
        node = self._joins.node[(self._joins.photos == pair).all(axis=1)]
        (first, inside), (second, too) = (
            pictures(self._painting, self._piece_of, photo, node) for photo in pair
        )
        told = inside & too & has_detail(first)
        found = fit(first[told], second[told], _PULL)
        kept = _borne_out(node[told], found)
        return _Shifts(node[told][kept], found.apart_px[kept])


def _borne_out(node: Ints, found: Fit) -> Mask:
    """Which shifts count: photos are alike there, and another place beside says about the same."""
    told = (found.alike > _ALIKE) & np.isfinite(found.apart_px).all(axis=1)
    beside = (np.abs(node[:, None] - node).max(axis=2) <= _BESIDE_NODES) & told
    np.fill_diagonal(beside, False)
    off = np.hypot(*np.moveaxis(found.apart_px[:, None] - found.apart_px, 2, 0))
    least = np.where(beside, off, np.inf).min(axis=1, initial=np.inf)
    agrees = least < _AGREE_PX + _AGREE_SHARE * np.hypot(*found.apart_px.T)
    return np.asarray(told & np.where(beside.any(axis=1), agrees, found.alike > _ALIKE_ALONE))


def _clear(forth: Fit, back: Fit) -> Mask:
    """Which fits are beyond doubt: alike, nowhere else nearly so, from either photo the same."""
    alike = (forth.alike > _ALIKE_JUDGED) & (forth.alike - forth.next_best > _ELSEWHERE_LESS)
    return np.asarray(alike & (np.abs(forth.apart_px + back.apart_px).max(axis=1) < _BACK_AGAIN_PX))


def _interpolated(node: Ints, pull: Float32, at: Ints, held_out: Ints | None = None) -> Float32:
    """(..., 2) what is pulled by so much at nodes (n, 2) is pulled at others (..., 2): in full near by, by
    nothing far off. Never by more than at one of them."""
    within = Joins(node, np.arange(len(node))).near(at, _FADED_NODES)
    node, pull = within.node, pull[within.photos]
    if not len(node):
        return np.zeros(at.shape, np.float32)
    shape = (-1, *(1,) * (at.ndim - 1))
    node32, at32 = node.astype(np.float32), at.astype(np.float32)
    away = np.zeros((len(node), *at.shape[:-1]), np.float32)  # squared
    for k in (0, 1):
        away += (at32[..., k] - node32[:, k].reshape(shape)) ** 2
    left = np.clip((_FADED_NODES**2 - away) * np.float32(1 / (_FADED_NODES**2 - _FULL_NODES**2)), 0, 1)
    faded = left * left * (3 - 2 * left)
    weight = faded / np.square(away + np.float32(_NEAR_NODES**2))
    if held_out is not None:
        weight[np.abs(node[:, None] - held_out).max(axis=2) < _APART_NODES] = 0
    flat = weight.reshape(len(node), -1)
    total = np.maximum(np.ones(len(node), np.float32) @ flat, np.float32(1e-12))
    drawn = (pull.T @ (flat * faded.reshape(flat.shape)) / total).astype(np.float32)
    return np.asarray(np.moveaxis(drawn.reshape(2, *at.shape[:-1]), 0, -1))
