"""Seam lines: which photo paints which cell, cut where photos agree and near each photo's nadir.

Expansion moves by minimum cuts (Boykov, Veksler and Zabih 2001), the cost of a seam as in Kwatra et al. 2003
("Graphcut textures"): coarse cells first, then a band of fine cells along the seams found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from imagery.ortho import Window
from imagery.views import View, colour_difference

Labels = npt.NDArray[np.int16]
Float32 = npt.NDArray[np.float32]

NOBODY: int = -1
"""Label of cells that no photo sees."""


@dataclass(frozen=True)
class SeamRules:
    """Weights of the seam search."""

    coarse_cells: int = 4
    nadir_weight: float = 3.0
    length_weight: float = 1.5
    difference_cap: float = 60.0
    tall_cost: float = 120.0
    sweeps: int = 1
    graph_cut: bool = True


def nadir_labels(views: Sequence[View], shape: tuple[int, int]) -> Labels:
    """The photo that sees each cell at the least cost: the steepest, away from its edge."""
    labels = np.full(shape, NOBODY, np.int16)
    best = np.full(shape, np.inf, np.float32)
    for view in views:
        cost = view.cost.astype(np.float32)
        window = view.window.slices
        better = view.valid & (cost < best[window])
        best[window][better] = cost[better]
        labels[window][better] = view.photo
    return labels


def label_windows(labels: Labels) -> dict[int, Window]:
    """The smallest window that holds a photo's cells, for each photo that has any."""
    from scipy.ndimage import find_objects  # a hundredth of a second to import, and drafts need none

    found = find_objects(labels.astype(np.int32) + 1)
    return {
        photo: Window(at[0].start, at[0].stop, at[1].start, at[1].stop)
        for photo, at in enumerate(found)
        if at is not None
    }


def find_seams(
    views: Sequence[View],
    shape: tuple[int, int],
    priority: Sequence[bool],
    rules: SeamRules | None = None,
    tall: Float32 | None = None,
) -> Labels:
    """Labels (rows, cols) of the coarse grid: photo index, or NOBODY. The views are evened; photos without
    `priority` get only what no other sees.

    `tall` (rows, cols), 0..1, marks what stands above the surface: seams keep off it.
    """
    rules = rules or SeamRules()
    labels = nadir_labels(views, shape)
    if not rules.graph_cut or len(views) < 2:
        return labels
    composite = _compose(labels, views)
    by_photo = {v.photo: v for v in views}
    for _ in range(rules.sweeps):
        for view in views:
            if priority[view.photo]:
                _expand(view, labels, composite, None, by_photo, rules, tall)
    band = _near_seams(labels, rules.coarse_cells)
    for view in views:
        if priority[view.photo]:
            _expand(view, labels, composite, band, by_photo, rules, tall)
    return labels


def _compose(labels: Labels, views: Sequence[View]) -> npt.NDArray[np.uint8]:
    out = np.zeros((*labels.shape, 3), np.uint8)
    for view in views:
        mine = labels[view.window.slices] == view.photo
        out[view.window.slices][mine] = view.colour[mine]
    return out


def _near_seams(labels: Labels, reach: int) -> npt.NDArray[np.bool_]:
    edge = np.zeros(labels.shape, np.uint8)
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edge[1:] |= labels[1:] != labels[:-1]
    return np.asarray(cv2.dilate(edge, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0)


def _expand(
    view: View,
    labels: Labels,
    composite: npt.NDArray[np.uint8],
    band: npt.NDArray[np.bool_] | None,
    by_photo: dict[int, View],
    rules: SeamRules,
    tall: Float32 | None,
) -> None:
    """Let one photo take over cells where that lowers the cost; labels and composite change in place.

    Without a band in blocks of cells, anywhere it sees; with one cell by cell, in the band and beside what it
    holds.
    """
    window = view.window
    if band is not None:
        near = _beside(labels[window.slices] == view.photo, 2 * rules.coarse_cells)
        if near is None:
            return
        window = Window(*(a + b for a, b in zip((window.row0,) * 2 + (window.col0,) * 2, near, strict=True)))
    at = window.within(view.window)
    valid, cost, colour = view.valid[at], view.cost[at], view.colour[at]
    mine, theirs = labels[window.slices], composite[window.slices]
    difference = np.minimum(colour_difference(theirs, colour), rules.difference_cap)
    difference[~valid | (mine == NOBODY)] = rules.difference_cap
    if tall is not None:
        difference = difference + np.float32(rules.tall_cost) * tall[window.slices]
    gain = rules.nadir_weight * (cost - _own_cost(labels, window, by_photo))
    changing = valid & (mine != view.photo)
    if band is not None:
        changing = changing & band[window.slices]
    # 1: may change hands; 2: ours; 3: another's for good; 0: nobody's
    state = np.where(changing, 1, np.where(mine == view.photo, 2, np.where(mine == NOBODY, 0, 3)))
    step = rules.coarse_cells if band is None else 1
    taken = _cut(difference, gain, state.astype(np.uint8), step, rules) & changing
    if taken.any():
        mine[taken] = view.photo
        theirs[taken] = colour[taken]


def _beside(own: npt.NDArray[np.bool_], reach: int) -> tuple[int, int, int, int] | None:
    """(row0, row1, col0, col1) around the cells that are its own, with `reach` cells on every side; None when
    it has none."""
    rows, cols = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
    if not len(rows):
        return None
    return (
        max(int(rows[0]) - reach, 0),
        min(int(rows[-1]) + 1 + reach, own.shape[0]),
        max(int(cols[0]) - reach, 0),
        min(int(cols[-1]) + 1 + reach, own.shape[1]),
    )


def _own_cost(labels: Labels, window: Window, by_photo: dict[int, View]) -> Float32:
    """The view cost of the photo that holds each cell now; high where nobody does."""
    cost = np.full(window.shape, 100.0, np.float32)
    held = labels[window.slices]
    present = np.bincount((held + 1).ravel(), minlength=2)[1:] > 0
    for photo in np.flatnonzero(present):
        other = by_photo[int(photo)]
        shared = Window(
            max(window.row0, other.window.row0),
            min(window.row1, other.window.row1),
            max(window.col0, other.window.col0),
            min(window.col1, other.window.col1),
        )
        if shared.empty:
            continue
        here, there = shared.within(window), shared.within(other.window)
        is_his = held[here] == photo
        cost[here][is_his] = other.cost[there][is_his]
    return cost


def _cut(
    difference: Float32, gain: Float32, state: npt.NDArray[np.uint8], step: int, rules: SeamRules
) -> npt.NDArray[np.bool_]:
    """Cells that the photo takes: the minimum cut of the grid, in blocks of step x step cells."""
    rows, cols = difference.shape
    if step > 1:
        difference, gain = _blocks(difference, step, "mean"), _blocks(gain, step, "mean")
        state = _block_states(state, step)
    if not (state == 1).any():
        return np.zeros((rows, cols), bool)
    take = _minimum_cut(difference + rules.length_weight, gain, state)
    if step > 1:
        take = np.repeat(np.repeat(take, step, axis=0), step, axis=1)[:rows, :cols]
    return take


def _block_states(state: npt.NDArray[np.uint8], step: int) -> npt.NDArray[np.uint8]:
    """A block is another's when any cell of it is, ours when most are, nobody's when all are."""
    share = {k: _blocks((state == k).astype(np.float32), step, "mean") for k in (0, 1, 2, 3)}
    out = np.where(share[2] > 0.5, 2, 1)
    out = np.where(share[3] > 0, 3, out)
    return np.where(share[0] > 0.999, 0, out).astype(np.uint8)


def _blocks(values: Float32, step: int, how: str) -> Float32:
    rows, cols = values.shape
    padded = np.pad(values, ((0, -rows % step), (0, -cols % step)), mode="edge")
    cut = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step)
    return np.asarray(cut.max(axis=(1, 3)) if how == "max" else cut.mean(axis=(1, 3)), np.float32)


def _minimum_cut(difference: Float32, gain: Float32, state: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which changeable cells change hands; a border between two cells costs their mean difference."""
    free, ours, others = state == 1, state == 2, state == 3
    number = np.full(free.shape, -1, np.int64)
    count = int(free.sum())
    number[free] = np.arange(count)
    source, sink = count, count + 1
    tails, heads, caps = [], [], []
    hold = np.zeros(count)
    pull = np.zeros(count)
    for a, b in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        cost = (difference[a] + difference[b]) / 2
        both = free[a] & free[b]
        for p, q in ((a, b), (b, a)):
            tails.append(number[p][both])
            heads.append(number[q][both])
            caps.append(cost[both])
            for force, beside in ((pull, ours), (hold, others)):
                at = free[p] & beside[q]
                np.add.at(force, number[p][at], cost[at])
    wanted = gain[free].astype(float)
    hold += np.maximum(wanted, 0)
    pull += np.maximum(-wanted, 0)
    index = np.arange(count)
    tails += [np.full(count, source), index]
    heads += [index, np.full(count, sink)]
    caps += [hold, pull]
    scale = 100.0
    graph = coo_matrix(
        (
            np.rint(np.concatenate(caps) * scale).astype(np.int32),
            (np.concatenate(tails), np.concatenate(heads)),
        ),
        shape=(count + 2, count + 2),
    ).tocsr()
    residual = graph - maximum_flow(graph, source, sink).flow
    residual.data[residual.data < 0] = 0
    residual.eliminate_zeros()
    reached = breadth_first_order(residual, source, return_predecessors=False)
    kept = np.zeros(count + 2, bool)
    kept[reached] = True
    take = np.zeros(free.shape, bool)
    take[free] = ~kept[:count]
    return take
