"""A flood that goes on rising: where its surface lies, and the ground's picture with more water on it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sim.world.landcover import upsampled
from sim.world.terrain import Grid

FloatGrid = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

STANDS_OUT = 1
"""Opacity of water, of 255, where there is none and rising water covers none: roofs, decks, boats, people."""
_CLEAR_PER_M = 5.5
_OPAQUE = 0.96
_BAND_ROWS = 512
_MUDDY = (128.0, 111.0, 84.0)
"""Water where the world has none to take the colour from."""


def water_levels(heights_m: npt.NDArray, depths_m: npt.NDArray) -> FloatGrid | None:
    """The water's surface AMSL, carried on from where it is next under ground that is dry; there never above
    the ground, so that a rise of nothing floods nothing. None if all is dry."""
    wet = depths_m > 0.0
    if not wet.any():
        return None
    row, col = ndimage.distance_transform_edt(~wet, return_distances=False, return_indices=True)
    surface = (heights_m + np.where(wet, depths_m, 0.0))[row, col]
    return np.where(wet, surface, np.minimum(surface, heights_m)).astype(np.float32)


def risen(
    picture: Pixels,
    water: Pixels,
    grid: Grid,
    heights_m: npt.NDArray,
    depths_m: npt.NDArray,
    coarse: Grid,
    rise_m: float,
    standing_m: npt.NDArray | None = None,
) -> tuple[Pixels, Pixels, FloatGrid]:
    """Picture (rows, cols, 3), water opacity (rows, cols) and surface after a rise of the water. `heights_m`
    and `depths_m` are on the `coarse` grid, and so is the surface; `standing_m` is the ground there with what
    stands on it, where the ground itself does not show all."""
    if standing_m is None:
        standing_m = heights_m
    levels = water_levels(heights_m, depths_m)
    if levels is None or rise_m <= 0.0:
        return picture, water, np.maximum(heights_m + depths_m, standing_m).astype(np.float32)
    above = (levels + rise_m - standing_m).astype(np.float32)
    picture, water = picture.copy(), water.copy()
    open_water = picture[water > 200]
    colour = open_water.mean(axis=0) if len(open_water) else np.array(_MUDDY)
    for top in range(0, grid.rows, _BAND_ROWS):
        rows = slice(top, min(top + _BAND_ROWS, grid.rows))
        depth = upsampled(above, coarse, grid, (rows, slice(0, grid.cols)))
        opacity = np.clip(depth * _CLEAR_PER_M, 0.0, 1.0) * _OPAQUE
        opacity[water[rows] == STANDS_OUT] = 0.0
        # what was water keeps its look; of ground that showed through no more is left than the opacity leaves
        fresh = np.clip(1.0 - (1.0 - opacity) / (1.0 - water[rows] / 256.0), 0.0, 1.0)[..., None]
        picture[rows] = np.clip(picture[rows] + fresh * (colour - picture[rows]), 0, 255)
        water[rows] = np.maximum(water[rows], opacity * 255)
    return picture, water, (standing_m + np.maximum(above, 0.0)).astype(np.float32)
