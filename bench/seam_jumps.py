"""How far a mosaic jumps at its seams, by the true ground alone: each side is found in the truth."""

import cv2
import numpy as np
import rasterio
from pyproj import Transformer

_SIDE_PX, _REACH_PX = 48, 8
_ASIDE_PX = 22
"""From the seam to the middle of what is compared: mostly of one photo, and clear of the mixing along it."""
_EACH_CELLS, _AROUND_CELLS = 8, 4
_ALIKE, _ELSEWHERE_LESS = 0.75, 0.05


def seam_jumps(mosaic, truth):
    """(n, 2) pixels by which the ground on both sides of seams is displaced against each other; `mosaic` has
    its companions beside it. Places that the truth does not tell clearly are left out."""
    with rasterio.open(mosaic) as source, rasterio.open(truth) as true:
        ours, theirs = (np.moveaxis(d.read((3, 2, 1)), 0, -1).copy() for d in (source, true))
        ours = cv2.cvtColor(ours, cv2.COLOR_BGR2GRAY)
        theirs = cv2.cvtColor(theirs, cv2.COLOR_BGR2GRAY)
        to_true = Transformer.from_crs(source.crs, true.crs, always_xy=True)
        transform, inverse = source.transform, ~true.transform
    with rasterio.open(mosaic.with_name(f"{mosaic.stem}.source.tif")) as companion:
        labels = companion.read(1).astype(int)

    def off(row, col):
        """(2,) by how much the ground lies right and down of the truth around a pixel; None where unclear."""
        half = _SIDE_PX // 2
        rows, cols = np.mgrid[row - half : row + half, col - half : col + half]
        here = ours[row - half : row + half, col - half : col + half]
        x, y = inverse @ to_true.transform(*(transform @ (cols.ravel() + 0.5, rows.ravel() + 0.5)))
        at = (np.stack([x, y], axis=-1).reshape(*rows.shape, 2) - 0.5).astype(np.float32)
        there = cv2.remap(theirs, at, None, cv2.INTER_LINEAR)
        if here.shape != there.shape:
            return None
        score = cv2.matchTemplate(
            here, there[_REACH_PX:-_REACH_PX, _REACH_PX:-_REACH_PX], cv2.TM_CCOEFF_NORMED
        )
        _, best, _, (c, r) = cv2.minMaxLoc(score)
        elsewhere = score.copy()
        elsewhere[max(r - 2, 0) : r + 3, max(c - 2, 0) : c + 3] = -1
        inner = 0 < r < 2 * _REACH_PX and 0 < c < 2 * _REACH_PX
        if not inner or best < _ALIKE or best - elsewhere.max() < _ELSEWHERE_LESS:
            return None
        part = [
            (a - b) / (2 * (a + b - 2 * best))
            for a, b in ((score[r, c - 1], score[r, c + 1]), (score[r - 1, c], score[r + 1, c]))
        ]
        return np.array([c, r]) + part - _REACH_PX

    jumps = []
    for row, col, away in _seam_places(labels):
        sides = [off(*np.rint(np.array([row, col]) + s * _ASIDE_PX * away).astype(int)) for s in (-1, 1)]
        if all(side is not None for side in sides):
            jumps.append(sides[1] - sides[0])
    return np.array(jumps).reshape(-1, 2)


def _seam_places(labels, cell_px=8):
    """Pixels (row, col) on seams, one in each few cells, and the way (down, right) across the seam there."""
    edge = np.zeros(labels.shape, bool)
    for one, other, at in (
        (labels[:, :-1], labels[:, 1:], np.s_[:, :-1]),
        (labels[:-1], labels[1:], np.s_[:-1]),
    ):
        edge[at] |= (one != other) & (one > 0) & (other > 0)
    cells = np.argwhere(edge)
    _, first = np.unique(cells // _EACH_CELLS, axis=0, return_index=True)
    for row, col in cells[np.sort(first)]:
        low = np.maximum([row - _AROUND_CELLS, col - _AROUND_CELLS], 0)
        around = labels[low[0] : row + _AROUND_CELLS + 1, low[1] : col + _AROUND_CELLS + 1]
        first_two = np.argsort(-np.bincount(around.ravel(), minlength=2)[1:])[:2] + 1
        a, b = (np.argwhere(around == n) for n in first_two)
        if len(a) < 15 or len(b) < 15:
            continue
        away = b.mean(axis=0) - a.mean(axis=0)
        yield (row + 1) * cell_px, (col + 1) * cell_px, away / max(np.hypot(*away), 1e-6)
