"""What of a mosaic can be judged at all: one code a cell says why not.

What the mosaic's maker knows stands in companions beside it (photos a cell, blur, expected position error);
the picture itself shows glint and cloud, and blur where no companion tells it.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import Resampling
from rasterio.windows import Window

from imagery.damage.features import Mask, View
from imagery.damage.legend import Entry
from imagery.damage.scene import GeoGrid, RasterOnGrid, open_raster

SEEN, NO_IMAGERY, TOO_FEW_PHOTOS, IN_SHADOW, BLURRED, GLINT, CLOUD, MISPLACED = range(8)

ANALYSIS: tuple[Entry, ...] = (
    Entry(SEEN, "analysed", (255, 255, 255), "Analysed", "已判读"),
    Entry(NO_IMAGERY, "no_imagery", (160, 160, 160), "Not analysed: no imagery", "未判读：无影像"),
    Entry(
        TOO_FEW_PHOTOS, "too_few_photos", (120, 120, 120), "Not analysed: too few photos", "未判读：影像不足"
    ),
    Entry(IN_SHADOW, "in_shadow", (70, 74, 92), "Not analysed: in shadow", "未判读：阴影"),
    Entry(BLURRED, "blurred", (150, 120, 160), "Not analysed: blurred", "未判读：影像模糊"),
    Entry(GLINT, "glint", (235, 200, 90), "Not analysed: glint, overexposed", "未判读：反光过曝"),
    Entry(CLOUD, "cloud", (200, 215, 230), "Not analysed: cloud or fog", "未判读：云雾"),
    Entry(MISPLACED, "misplaced", (190, 110, 100), "Not analysed: position unsure", "未判读：位置不可靠"),
)

_FEWEST_PHOTOS = 1
_BLUR_M, _BLUR_CELLS = 0.6, 2.5
"""A Gaussian's sigma beyond which a roof's holes and a road's edge are gone."""
_POSITION_M = 2.5
"""By so much worse placed than the mosaic's best tenth: what all of it is off by, registration takes up."""
_OVEREXPOSED, _GLINT_M = 247, 0.8
_CLOUD_LIGHT, _CLOUD_COLOUR, _CLOUD_GRAIN, _CLOUD_M = 185.0, 22.0, 4.0, 16.0
"""Wider than a roof of concrete."""
_WINDOW_M = 6.0
_LEAST_STRUCTURE, _FINE_OF_COARSE = 2.5, 0.07
_COARSE_REACH_PX = 18
_EDGE_FINE_OF_COARSE = 0.3
"""Of the strongest edge around: a sharp step of any height has about 0.9, one blurred by three cells 0.05."""


class Analysable:
    """Reads the companions of a mosaic on a grid; says for each window what can be judged."""

    def __init__(self, mosaic: Path, grid: GeoGrid) -> None:
        self._pixel_m = grid.pixel_m
        self._stack = ExitStack()
        self._views = self._open(mosaic, "views", grid)
        self._blur = self._open(mosaic, "blur", grid)
        self._error = self._open(mosaic, "accuracy", grid)
        self._error_limit_m = _POSITION_M if self._error is None else _worse_than_best(self._error.path)
        with open_raster(mosaic, "mosaic") as source:
            metres = source.res[0] if source.crs.is_projected else 0.0
        self._photo_pixel_m = metres
        """About the photos' own: a mosaic is made at their GSD."""

    def __enter__(self) -> Analysable:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self, mosaic: Path, name: str, grid: GeoGrid) -> RasterOnGrid | None:
        path = mosaic.with_name(f"{mosaic.stem}.{name}.tif")
        if not path.exists():
            return None
        what = f"mosaic's companion {path.name}"
        return self._stack.enter_context(RasterOnGrid(path, grid, what, resampling=Resampling.nearest))

    def codes(self, after: View, window: Window) -> npt.NDArray[np.uint8]:
        """(rows, cols) of a window: SEEN, or why not. The first reason of the legend counts."""
        result = np.where(after.valid, SEEN, NO_IMAGERY).astype(np.uint8)
        reasons = [
            (MISPLACED, self._beyond(self._error, window, self._error_limit_m)),
            (CLOUD, cloud(after, self._pixel_m)),
            (GLINT, glint(after, self._pixel_m)),
            (BLURRED, self._blurred(after, window)),
        ]
        if self._views is not None:
            photos, known = self._views.read(window, (1,))
            reasons.append((TOO_FEW_PHOTOS, known & (photos[0] < _FEWEST_PHOTOS)))
        for code, mask in reasons:
            if mask is not None:
                result[mask & after.valid] = code
        return result

    def _beyond(self, companion: RasterOnGrid | None, window: Window, limit: float) -> Mask | None:
        if companion is None:
            return None
        values, known = companion.read(window, (1,))
        return np.asarray(known & (values[0] > limit))

    def _blurred(self, after: View, window: Window) -> Mask | None:
        if self._blur is not None and self._photo_pixel_m > 0:
            limit_m = max(_BLUR_M, _BLUR_CELLS * self._pixel_m)
            return self._beyond(self._blur, window, limit_m / self._photo_pixel_m)
        return blurred(after, self._pixel_m)


def _worse_than_best(accuracy: Path) -> float:
    """The error in metres that is `_POSITION_M` more than that of the best tenth, as squares add."""
    with rasterio.open(accuracy) as source:
        few = source.read(1, out_shape=(min(source.height, 400), min(source.width, 400)), masked=True)
    known = few.compressed()
    best = float(np.percentile(known, 10)) if known.size else 0.0
    return float(np.hypot(best, _POSITION_M))


def glint(after: View, pixel_m: float) -> Mask:
    """Where the picture is burnt out over more than a spot: the sun in water, or too long exposed."""
    red, green, blue = cv2.split(after.rgb)
    white = (cv2.min(cv2.min(red, green), blue) >= _OVEREXPOSED).astype(np.uint8)
    return _wide(white, _GLINT_M, pixel_m)


def cloud(after: View, pixel_m: float) -> Mask:
    """Bright, grey and without any grain over at least `_CLOUD_M`: cloud or fog below the drone."""
    red, green, blue = cv2.split(after.rgb)  # a plane at a time: sums over three neighbours are slow
    spread = cv2.max(cv2.max(red, green), blue) - cv2.min(cv2.min(red, green), blue)
    light = (red.astype(np.float32) + green + blue) / np.float32(3)
    plain = (light > _CLOUD_LIGHT) & (spread < _CLOUD_COLOUR) & after.valid
    if not plain.any():
        return plain
    size = (2 * max(1, round(1.5 / pixel_m)) + 1,) * 2
    mean = cv2.blur(light, size)
    grain = np.sqrt(np.maximum(cv2.blur(light * light, size) - mean * mean, 0.0))
    return _wide((plain & (grain < _CLOUD_GRAIN)).astype(np.uint8), _CLOUD_M, pixel_m)


def blurred(after: View, pixel_m: float) -> Mask:
    """Where structure of half a metre and more shows and none finer does, nowhere around. Water and other
    plain ground has neither, and is not called blurred; nor is plain ground beside a sharp edge."""
    grey = cv2.cvtColor(after.rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    inside = cv2.erode(after.valid.astype(np.uint8), np.ones((9, 9), np.uint8), borderValue=0)
    weight = inside.astype(np.float32)
    fine = np.abs(grey - _smooth(grey, after.valid, 0.8))
    coarse = np.abs(_smooth(grey, after.valid, 2.0) - _smooth(grey, after.valid, 6.0))
    size = (2 * max(2, round(_WINDOW_M / 2 / pixel_m)) + 1,) * 2
    wide = np.ones((size[0] + 2 * _COARSE_REACH_PX,) * 2, np.uint8)  # its edge may lie beyond the window
    strongest = cv2.dilate(coarse * weight, np.ones(size, np.uint8))
    sharp = cv2.dilate(fine * weight, wide) >= _EDGE_FINE_OF_COARSE * strongest
    share = np.maximum(cv2.blur(weight, size), 1e-3)
    fine, coarse = cv2.blur(fine * weight, size), cv2.blur(coarse * weight, size)
    plain = (coarse > _LEAST_STRUCTURE * share) & (fine < _FINE_OF_COARSE * coarse)
    return np.asarray(after.valid & plain & ~sharp)


def _smooth(grey: npt.NDArray[np.float32], valid: Mask, sigma_px: float) -> npt.NDArray[np.float32]:
    """A Gaussian over what is valid alone: the mosaic's rim is no edge."""
    if valid.all():
        return np.asarray(cv2.GaussianBlur(grey, (0, 0), sigma_px), np.float32)
    weight = valid.astype(np.float32)
    share = np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma_px), 1e-3)
    return np.asarray(cv2.GaussianBlur(grey * weight, (0, 0), sigma_px) / share, np.float32)


def _wide(mask: npt.NDArray[np.uint8], least_m: float, pixel_m: float) -> Mask:
    side = 2 * max(1, round(least_m / pixel_m / 2)) + 1
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((side, side), np.uint8)) > 0)
