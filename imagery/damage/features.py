"""What a cell looks like: colour, indices and texture at fixed ground sizes.

Texture at several scales is what lifts a few painted strokes to a usable map (Feng et al. 2015, Water
7:1437). Window sizes are in metres, so a model means the same at any resolution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SCALES_M = (0.6, 1.8, 5.0, 12.0)
"""Sides of the square windows in metres of ground."""

BANDS_M = (0.16, 0.32, 0.64, 1.28)
"""Sizes (sigma) of grain: the strength of each is what one blur takes away from the one before it."""

_GRAIN_SCALES_M = SCALES_M[1:3]
_FLOW_M = 1.2
_FAINT_L = 2.0
"""Below so much lightness contrast there is nothing to compare with."""

COLOUR_NAMES = ("L", "a", "b", "exg", "ngrdi", "gbi", "saturation", "gradient")
CHANGE_NAMES = (
    *(f"d{band}_{s:g}m" for s in SCALES_M[:2] for band in "Lab"),
    *(f"before_{band}" for band in ("L", "a", "b", "std")),
    "structure_kept",
)


RELIEF_NAMES = ("height_above_lowest", "slope")


def feature_names(with_before: bool, with_relief: bool) -> tuple[str, ...]:
    """Names of the columns of `stack`."""
    texture = tuple(f"{what}_{s:g}m" for s in SCALES_M for what in ("L", "a", "b", "std", "gradient"))
    texture += tuple(f"contrast_{s:g}m" for s in SCALES_M[1:])
    texture += tuple(f"grain{band:g}_{s:g}m" for band in BANDS_M for s in _GRAIN_SCALES_M)
    texture += ("coherence",)
    relief = RELIEF_NAMES if with_relief else ()
    return COLOUR_NAMES + texture + relief + (CHANGE_NAMES if with_before else ())


def halo_px(pixel_m: float) -> int:
    """Cells around a block that its features look at."""
    return math.ceil(SCALES_M[-1] / 2 / pixel_m) + 2


@dataclass(frozen=True)
class View:
    """A block of an orthophoto: (rows, cols, 3) uint8, where it is valid, and, when there is a DEM, the
    relief under it: (2, rows, cols) as `RELIEF_NAMES`, in metres and metres per metre."""

    rgb: npt.NDArray[np.uint8]
    valid: Mask
    relief: Float | None = None


def stack(after: View, pixel_m: float, before: View | None = None, step: int = 1) -> Float:
    """(features, rows, cols) float32 of a block, or of every `step`-th cell of every `step`-th row of it.

    Windows count valid cells only, so the edge of the coverage does not look like an edge on the ground.
    """
    lab = to_lab(after.rgb)
    weight = after.valid.astype(np.float32)
    gradient = _gradient(lab[0], after.valid)
    kept = np.s_[::step, ::step]
    planes = [*lab[(slice(None), *kept)], *_indices(after.rgb[kept]), gradient[kept]]
    light, lit = planes[0], weight[kept]
    means: list[tuple[Float, Float, Float]] = []
    deviations: list[Float] = []
    square = lab[0] * lab[0]
    for scale in SCALES_M:
        window = _Window(weight, _window_px(scale, pixel_m), step)
        mean = tuple(window.mean(plane) for plane in lab)
        deviation = _deviation(window.mean(square), mean[0])
        planes += [*mean, deviation, window.mean(gradient)]
        means.append((mean[0], mean[1], mean[2]))
        deviations.append(deviation)
    for mean, deviation in zip(means[1:], deviations[1:], strict=True):
        planes.append((light - mean[0]) / (deviation + np.float32(_FAINT_L)) * lit)
    planes += [*_grain(lab[0], weight, pixel_m, step), _coherence(lab[0], weight, pixel_m)[kept]]
    if after.relief is not None:
        planes += [plane[kept] for plane in after.relief]
    if before is not None:
        planes += _change_planes(lab[0], weight, means, deviations, before, pixel_m, step)
    return np.stack(planes)


def to_lab(rgb: npt.NDArray[Any]) -> Float:
    """(3, rows, cols) CIE L (0..100), a, b."""
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    return np.ascontiguousarray(np.moveaxis(lab, -1, 0))


def _indices(rgb: npt.NDArray[np.uint8]) -> list[Float]:
    r, g, b = (rgb[..., i].astype(np.float32) + 1.0 for i in range(3))
    total = r + g + b
    high = np.maximum(np.maximum(r, g), b)
    low = np.minimum(np.minimum(r, g), b)
    return [(2 * g - r - b) / total, (g - r) / (g + r), (g - b) / (g + b), (high - low) / high]


def _gradient(light: Float, valid: Mask) -> Float:
    dx = cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=0.125)
    dy = cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=0.125)
    inside = cv2.erode(valid.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)
    # Not cv2.magnitude: its last digit depends on where in memory the arrays happen to lie.
    return np.asarray(np.sqrt(dx * dx + dy * dy) * inside, np.float32)


def _blurred(plane: Float, weight: Float, sigma_px: float) -> Float:
    """Gaussian mean over what is valid."""
    norm = cv2.GaussianBlur(weight, (0, 0), sigma_px)
    mean = cv2.GaussianBlur(plane * weight, (0, 0), sigma_px) / np.maximum(norm, np.float32(1e-6))
    return np.asarray(mean, np.float32)


def _grain(light: Float, weight: Float, pixel_m: float, step: int) -> list[Float]:
    """How strong the grain of each size is around: differences of Gaussians, their size averaged. Calm
    water, ripples, stubble and crowns differ in it where their colours do not."""
    windows = [_Window(weight, _window_px(scale, pixel_m), step) for scale in _GRAIN_SCALES_M]
    planes, finer = [], light
    for band in BANDS_M:
        coarser = _blurred(light, weight, band / pixel_m)
        strength = np.abs(finer - coarser)
        planes += [window.mean(strength) for window in windows]
        finer = coarser
    return planes


def _coherence(light: Float, weight: Float, pixel_m: float) -> Float:
    """0 where the picture has no direction, 1 where it has one only: furrows, terraces, kerbs (the
    structure tensor's, Bigun 1987)."""
    dx = cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=0.125)
    dy = cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=0.125)
    xx, yy, xy = (_blurred(p, weight, _FLOW_M / pixel_m) for p in (dx * dx, dy * dy, dx * dy))
    along = np.sqrt((xx - yy) ** 2 + 4 * xy * xy)
    return np.asarray(along / (xx + yy + np.float32(0.05)), np.float32)


def _window_px(scale_m: float, pixel_m: float) -> int:
    return 2 * max(1, round(scale_m / 2 / pixel_m)) + 1


def _box(plane: Float, size: int) -> Float:
    mean = cv2.boxFilter(plane, cv2.CV_32F, (size, size), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(mean, np.float32)


class _Window:
    """Means over what is valid in a square window around every `step`-th cell."""

    def __init__(self, weight: Float, size: int, step: int) -> None:
        self._weight, self._size, self._kept = weight, size, np.s_[::step, ::step]
        self._norm = np.maximum(_box(weight, size)[self._kept], np.float32(1e-6))

    def mean(self, plane: Float) -> Float:
        """(rows, cols) of the cells kept."""
        return np.asarray(_box(plane * self._weight, self._size)[self._kept] / self._norm, np.float32)


def _deviation(square: Float, mean: Float) -> Float:
    return np.asarray(np.sqrt(np.maximum(square - mean * mean, 0.0)), np.float32)


def _change_planes(
    light: Float,
    weight: Float,
    means: list[tuple[Float, Float, Float]],
    deviations: list[Float],
    before: View,
    pixel_m: float,
    step: int,
) -> list[Float]:
    """Differences to the radiometrically matched before-ortho; zero where it shows nothing."""
    lab = to_lab(before.rgb)
    seen = before.valid.astype(np.float32)
    shown = seen[::step, ::step]
    planes: list[Float] = []
    kept: list[Float] = []
    for scale, after_mean in zip(SCALES_M[:2], means, strict=False):
        window = _Window(seen, _window_px(scale, pixel_m), step)
        mean = [window.mean(plane) for plane in lab]
        planes += [(new - old) * shown for new, old in zip(after_mean, mean, strict=True)]
        kept = [*mean, _deviation(window.mean(lab[0] * lab[0]), mean[0])]
    both = _Window(weight * seen, _window_px(SCALES_M[1], pixel_m), step)
    product = both.mean(light * lab[0])
    spread = np.maximum(deviations[1] * kept[3], 4.0)  # below 2 L units there is no structure to compare
    similarity = np.clip((product - means[1][0] * kept[0]) / spread, -1.0, 1.0)
    similarity *= (weight * seen)[::step, ::step]
    return [*planes, *(plane * shown for plane in kept), similarity]
