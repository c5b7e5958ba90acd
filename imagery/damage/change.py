"""What changed since the before-ortho: magnitude against the no-change spread, then the kind of change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from imagery.damage.features import Float, Mask, View, to_lab
from imagery.damage.legend import (
    BARE,
    BUILDING,
    BUILDING_LOST,
    DEBRIS,
    FLOODED,
    LANDSLIDE,
    MUD,
    MUD_OR_DEBRIS_LAID,
    OTHER_CHANGE,
    ROAD,
    ROAD_LOST,
    SHADOW,
    UNCHANGED,
    WATER,
    shows_ground,
)
from imagery.damage.register import ColourMatch

OBJECT_M = 0.9
"""Side of the window over which colours are compared: smaller things are taken for noise or shadow edges."""

CHANGED_SIGMA = 3.0
STRONG_SIGMA = 6.0
_SMOOTH_M = 1.8


@dataclass(frozen=True)
class Known:
    """What stood where before the event, from the given vectors: (rows, cols) masks."""

    building: Mask
    road: Mask


def magnitude(after: View, before: View, match: ColourMatch, pixel_m: float) -> Float:
    """(rows, cols) colour difference in sigmas of unchanged ground; 0 where either shows nothing.

    `before` is already in the mosaic's colours (`ColourMatch.apply`).
    """
    size = (2 * max(1, round(OBJECT_M / 2 / pixel_m)) + 1,) * 2
    both = after.valid & before.valid
    weight = both.astype(np.float32)
    norm = np.maximum(cv2.blur(weight, size), 1e-6)
    total = np.zeros(both.shape, np.float32)
    for plane, sigma in zip(to_lab(after.rgb) - to_lab(before.rgb), match.sigma_lab, strict=True):
        total += (cv2.blur(plane * weight, size) / norm / np.float32(sigma)) ** 2
    return np.asarray(np.sqrt(total / 3.0) * weight, np.float32)


def clear_water(before: View, pixel_m: float) -> Mask:
    """(rows, cols) where the before-ortho shows calm clear water: smooth, greenish to bluish, not grey.

    Flood water is muddy, so a forest that learned it from the mosaic does not know a clear river again.
    """
    size = (2 * max(1, round(_SMOOTH_M / 2 / pixel_m)) + 1,) * 2
    light, red_green, yellow_blue = (cv2.blur(plane, size) for plane in to_lab(before.rgb))
    square = cv2.blur(to_lab(before.rgb)[0] ** 2, size)
    rough = np.sqrt(np.maximum(square - light * light, 0.0))
    calm = before.valid & (rough < 3.0) & (red_green < -2.0) & (yellow_blue < 9.0)
    # Back out to the banks, which the window had blurred.
    return np.asarray(cv2.dilate(calm.astype(np.uint8), np.ones(size, np.uint8)) > 0)


def kind(
    classes: npt.NDArray[np.uint8],
    classes_before: npt.NDArray[np.uint8],
    size: Float,
    compared: Mask,
    known: Known,
    pixel_m: float,
) -> npt.NDArray[np.uint8]:
    """(rows, cols) change codes.

    Args:
        classes: ground classes now, 0 = not analysed.
        classes_before: what the same classifier says of the before-ortho (0 where it was not asked).
        size: change magnitude in sigmas.
        compared: where both pictures show the ground.
        known: buildings and roads before the event.
        pixel_m: side of a cell.
    """
    changed = size > CHANGED_SIGMA
    laid = np.isin(classes, (MUD, DEBRIS))
    open_ground = np.isin(classes, (MUD, DEBRIS, BARE, LANDSLIDE))
    result = np.full(classes.shape, UNCHANGED, np.uint8)
    result[_without_specks(size > STRONG_SIGMA, pixel_m)] = OTHER_CHANGE
    result[(classes == WATER) & (classes_before == WATER)] = UNCHANGED
    result[laid & changed & ~np.isin(classes_before, (MUD, DEBRIS))] = MUD_OR_DEBRIS_LAID
    # Of a landslide no more can be told: earth is gone from its scar and lies on its tongue.
    result[(classes == LANDSLIDE) & changed & (classes_before != LANDSLIDE)] = OTHER_CHANGE
    result[(classes == WATER) & (classes_before != WATER)] = FLOODED
    result[known.road & (size > STRONG_SIGMA) & (classes == BARE)] = ROAD_LOST
    result[known.building & changed & (open_ground | (classes == ROAD))] = BUILDING_LOST
    result[known.building & (classes == BUILDING) & (size < STRONG_SIGMA)] = UNCHANGED
    result[~compared | ~shows_ground(classes) | (classes_before == SHADOW)] = 0
    return result


def _without_specks(mask: Mask, pixel_m: float, smallest_m: float = 1.6) -> Mask:
    """Only what is at least `smallest_m` wide: moved shadows and swaying crowns are narrower."""
    side = 2 * max(1, round(smallest_m / 2 / pixel_m)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0)


def magnitude_only(size: Float, compared: Mask) -> npt.NDArray[np.uint8]:
    """(rows, cols) change codes when nothing is known of the ground: unchanged or changed."""
    codes = np.where(size > STRONG_SIGMA, OTHER_CHANGE, UNCHANGED).astype(np.uint8)
    codes[~compared] = 0
    return codes


def despeckle(codes: npt.NDArray[np.uint8], pixel_m: float, smallest_m: float = 0.6) -> npt.NDArray[Any]:
    """Median of the codes' masks over a small window: single odd cells follow their neighbours."""
    size = 2 * max(1, round(smallest_m / 2 / pixel_m)) + 1
    best = np.zeros(codes.shape, np.float32)
    result = codes.copy()
    for code in np.unique(codes[codes > 0]):
        share = cv2.boxFilter((codes == code).astype(np.float32), -1, (size, size))
        win = share > best
        result[win] = code
        best[win] = share[win]
    result[codes == 0] = 0
    return result
