"""A roof before and after: where it lies in the mosaic, and what of it is no longer the same.

Roofs lean in an orthophoto, and the before-ortho is registered to the ground, so each roof is sought again
beside its footprint. Light differs between the days and between the two sides of a ridge; one line from old
to new colours for each band takes up both, fitted to most of the roof, so that a hole cannot bend it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from imagery.damage.features import Float, Mask, View, to_lab

REACH_M = 2.4
"""So far from its footprint a roof is sought."""
_STEP_M = 0.4
_FEWEST_CELLS = 24
_SEARCH_CELLS = 250
_CHANGED_SIGMA = 4.0
_SMALLEST_SIGMA = (3.0, 1.6, 1.6)
_OBJECT_M = 0.5
_ANOTHER_SPREAD = 9.0
_GREEN = 14.0
"""Excess of green over red and blue from which a cell is a crown over the roof, 8 bit."""


@dataclass(frozen=True)
class RoofChange:
    """What a comparison found; shares 0..1 of the roof's cells that both pictures show."""

    shift_px: tuple[int, int]
    """(columns, rows) from the footprint to the roof in the mosaic."""
    compared_share: float
    changed_share: float
    largest_m2: float
    """The largest patch that is not the same."""
    spread: float
    """How far the roof's cells lie from the line of old to new lightness, 0 to 100 (a robust sigma)."""

    @property
    def recognised(self) -> bool:
        """Whether most of the roof is what it was; the other figures mean nothing where it is not."""
        return self.spread < _ANOTHER_SPREAD


def compare_roof(after: View, before: View, inside: Mask, pixel_m: float) -> RoofChange | None:
    """Compare the cells of a roof, `inside` (rows, cols), given a margin of REACH_M about them.

    None where the pictures do not both show enough of it.
    """
    was = inside & before.valid & ~_green(before.rgb)
    if was.sum() < _FEWEST_CELLS or was.sum() < 0.4 * inside.sum():
        return None
    old, new = to_lab(before.rgb), to_lab(after.rgb)
    shift = _find(new, old, was, after.valid, pixel_m)
    new, valid = _moved(new, shift), _moved(after.valid[None], shift)[0]
    both = was & valid & ~_green(_moved(np.moveaxis(after.rgb, -1, 0), shift).transpose(1, 2, 0))
    if both.sum() < _FEWEST_CELLS:
        return None
    changed, spread = _changed(new, old, both, pixel_m)
    count, _, stats, _ = cv2.connectedComponentsWithStats(changed.astype(np.uint8), connectivity=8)
    largest = int(stats[1:, cv2.CC_STAT_AREA].max()) if count > 1 else 0
    return RoofChange(
        shift,
        float(both.sum() / inside.sum()),
        float(changed.sum() / both.sum()),
        largest * pixel_m * pixel_m,
        spread,
    )


def moved(mask: Mask, shift_px: tuple[int, int]) -> Mask:
    """The mask shifted by (columns, rows); what comes in from outside is False."""
    return np.asarray(_moved(mask[None], (-shift_px[0], -shift_px[1]))[0])


def _green(rgb: npt.NDArray[np.uint8]) -> Mask:
    red, green, blue = (rgb[..., i].astype(np.float32) for i in range(3))
    return np.asarray(2 * green - red - blue > _GREEN)


def _moved(planes: npt.NDArray[Any], shift_px: tuple[int, int]) -> npt.NDArray[Any]:
    """(bands, rows, cols) such that cell (r, c) shows what was at (r + dy, c + dx); zero from outside."""
    dx, dy = shift_px
    rows, cols = planes.shape[1:]
    result = np.zeros_like(planes)
    r0, r1, c0, c1 = max(0, -dy), min(rows, rows - dy), max(0, -dx), min(cols, cols - dx)
    if r1 > r0 and c1 > c0:
        result[:, r0:r1, c0:c1] = planes[:, r0 + dy : r1 + dy, c0 + dx : c1 + dx]
    return result


def _find(new: Float, old: Float, was: Mask, valid: Mask, pixel_m: float) -> tuple[int, int]:
    """The shift at which most of the roof looks as it did: the median of the difference, every `_STEP_M` and
    then every cell about the best. Farther is dearer, so that a heap of rubble stays where it is."""
    step = max(1, round(_STEP_M / pixel_m))
    reach = int(REACH_M / pixel_m) // step * step
    rows, cols = np.nonzero(was)
    thin = slice(None, None, max(1, len(rows) // _SEARCH_CELLS))
    rows, cols = rows[thin], cols[thin]
    looked_for = old[:, rows, cols]
    size = was.shape

    def cost(dx: int, dy: int) -> float:
        r, c = rows + dy, cols + dx
        there = (r >= 0) & (c >= 0) & (r < size[0]) & (c < size[1])
        there[there] = valid[r[there], c[there]]
        if there.mean() < 0.7:
            return np.inf
        difference = new[:, r[there], c[there]] - looked_for[:, there]
        difference -= np.median(difference, axis=1, keepdims=True)
        spread = float(np.median(np.abs(difference).sum(axis=0)))
        return (spread + 0.5) * (1.0 + 0.06 * pixel_m * float(np.hypot(dx, dy)))

    def best_of(xs: range, ys: range) -> tuple[int, int]:
        return min((cost(x, y), abs(x) + abs(y), x, y) for x in xs for y in ys)[2:]

    coarse = range(-reach, reach + 1, step)
    x, y = best_of(coarse, coarse)
    return best_of(range(x + 1 - step, x + step), range(y + 1 - step, y + step))


def _changed(new: Float, old: Float, both: Mask, pixel_m: float) -> tuple[Mask, float]:
    """Cells whose colour leaves the roof's line from old to new, patches of `_OBJECT_M` at least; and the
    spread of lightness about that line."""
    weight = both.astype(np.float32)
    size = (0, 0), 0.5 * _OBJECT_M / pixel_m / 1.5
    norm = np.maximum(cv2.GaussianBlur(weight, *size), 1e-3)
    total = np.zeros(both.shape, np.float32)
    spreads: list[float] = []
    for was, now, least in zip(old, new, _SMALLEST_SIGMA, strict=True):
        residual = (now - _line(was[both], now[both])(was)) * weight
        smooth = cv2.GaussianBlur(residual, *size) / norm
        sigma = max(least, 1.4826 * float(np.median(np.abs(smooth[both]))))
        spreads.append(1.4826 * float(np.median(np.abs(residual[both]))))
        total = np.maximum(total, np.abs(smooth) / np.float32(sigma))
    changed = (both & (total > _CHANGED_SIGMA)).astype(np.uint8)
    side = max(2, round(_OBJECT_M / pixel_m))
    opened = cv2.morphologyEx(changed, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    return np.asarray(opened > 0), spreads[0]


def _line(x: Float, y: Float) -> Callable[[Float], Float]:
    """The robust line y = a + b x of most cells: from medians, then without what lies far off."""
    gain, offset = 1.0, float(np.median(y - x))
    for _ in range(3):
        residual = np.abs(y - gain * x - offset)
        keep = residual <= max(2.0, 2.5 * 1.4826 * float(np.median(residual)))
        spread = float(x[keep].std())
        if spread > 4.0:
            gain = float(np.clip(np.cov(x[keep], y[keep])[0, 1] / spread**2, 0.5, 1.6))
        offset = float(np.median(y[keep] - gain * x[keep]))
    return lambda values: np.asarray(gain * values + offset, np.float32)
