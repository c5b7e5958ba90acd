"""Class probabilities follow the picture: alike within an even patch, free to change across its edge.

The guided filter (He, Sun and Tang 2013, IEEE TPAMI 35:1397) with its coefficients worked out on every second
cell (He and Sun 2015, arXiv 1505.00996).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from imagery.damage.features import Float, Mask

RADIUS_M = 1.6
_EPS = 1e-3
"""Variance of colour (of 0..1) below which a patch counts as even."""
_STEP = 2


def looked_at(pixel_m: float) -> int:
    """The filter looks at every so-manieth cell of every so-manieth row: others need no probabilities."""
    return _STEP if _radius(pixel_m) >= 1 else 1


def _radius(pixel_m: float) -> int:
    """Of the window, in the cells that are looked at."""
    return round(RADIUS_M / pixel_m / _STEP)


def guided(probabilities: Float, rgb: npt.NDArray[np.uint8], asked: Mask, pixel_m: float) -> Float:
    """Smooth (classes, rows, cols) along the picture (rows, cols, 3); 0 outside `asked`.

    Where cells are so coarse that the window is a single one, nothing changes.
    """
    radius = _radius(pixel_m)
    if radius < 1 or not asked.any():
        return probabilities
    size = 2 * radius + 1
    weight = asked.astype(np.float32)
    guide = [np.ascontiguousarray(rgb[..., i], np.float32) / np.float32(255) for i in range(3)]
    few = [np.ascontiguousarray(plane[::_STEP, ::_STEP]) for plane in guide]
    few_weight = np.ascontiguousarray(weight[::_STEP, ::_STEP])
    norm = np.maximum(_box(few_weight, size), np.float32(1e-6))

    def mean(plane: Float) -> Float:
        return np.asarray(_box(plane * few_weight, size) / norm, np.float32)

    means = [mean(plane) for plane in few]
    inverse = _inverse(few, means, mean)
    result = np.empty_like(probabilities)
    for number, plane in enumerate(probabilities):
        own = np.ascontiguousarray(plane[::_STEP, ::_STEP])
        own_mean = mean(own)
        with_guide = [mean(few[i] * own) - means[i] * own_mean for i in range(3)]
        slopes = [_dot(row, with_guide) for row in inverse]
        level = own_mean - _dot(slopes, means)
        smooth = _enlarged(mean(level), plane.shape)
        for i in range(3):
            smooth += _enlarged(mean(slopes[i]), plane.shape) * guide[i]
        result[number] = np.clip(smooth, 0.0, 1.0) * weight
    total = result.sum(axis=0)
    return np.asarray(result / np.where(total > 0, total, np.float32(1)), np.float32)


def _inverse(few: list[Float], means: list[Float], mean: Callable[[Float], Float]) -> list[list[Float]]:
    """Of each window's covariance of colours, made a little rounder by `_EPS`."""
    (rr, rg, rb), (_, gg, gb), (_, _, bb) = (
        [mean(few[i] * few[j]) - means[i] * means[j] + np.float32(_EPS if i == j else 0.0) for j in range(3)]
        for i in range(3)
    )
    adjugate = [
        [gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg],
        [rb * gb - rg * bb, rr * bb - rb * rb, rg * rb - rr * gb],
        [rg * gb - rb * gg, rg * rb - rr * gb, rr * gg - rg * rg],
    ]
    determinant = rr * adjugate[0][0] + rg * adjugate[0][1] + rb * adjugate[0][2]
    return [[np.asarray(part / determinant, np.float32) for part in row] for row in adjugate]


def _dot(one: list[Float], other: list[Float]) -> Float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def _box(plane: Float, size: int) -> Float:
    mean = cv2.boxFilter(plane, cv2.CV_32F, (size, size), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(mean, np.float32)


def _enlarged(plane: Float, shape: tuple[int, ...]) -> Float:
    """Every second cell's values on all cells: cell k of `plane` is cell `_STEP` * k."""
    matrix = np.array([[_STEP, 0.0, 0.0], [0.0, _STEP, 0.0]])
    full = cv2.warpAffine(
        plane, matrix, (shape[1], shape[0]), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(full, np.float32)
