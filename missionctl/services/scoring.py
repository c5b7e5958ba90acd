"""How far a mosaic is from the truth, where a simulated world gives one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from pyproj import CRS, Transformer
from rasterio.enums import Resampling
from rasterio.features import rasterize
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window
from shapely import Polygon

_PATCH_PX = 96
_SEARCH_PX = 40
_MIN_CORRELATION = 0.5
_MIN_STRUCTURE = 6.0  # standard deviation of grey values below which a patch tells nothing

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Standing:
    """Ground that things standing up may cover in a mosaic: polygons in `crs`."""

    shapes: Sequence[Polygon]
    crs: CRS


@dataclass(frozen=True)
class PositionScore:
    """Displacement of mosaic patches against the true orthophoto, in the mosaic's own pixels. `relative_gsd`
    is what is left (RMS) after the best shift, turn and scale of the whole, about which the GPS decides.

    `patches` were compared; `unclear` had texture but no agreeing place within the search radius, and are
    counted, not hidden.
    """

    rmse_gsd: float
    rmse_m: float
    median_gsd: float
    p95_gsd: float
    mean_east_m: float
    mean_north_m: float
    patches: int
    unclear: int
    relative_gsd: float


def score_position(
    mosaic: Path, truth_ortho: Path, classes: Path | None = None, standing: Standing | None = None
) -> PositionScore:
    """Compare a mosaic with the true orthophoto on a grid of patches, by normalised correlation with a
    sub-pixel peak.

    The position of the ground is scored. With the true `classes` only patches wholly off water (it moves)
    and off buildings are compared. `standing` names what else stands up and leans in a mosaic that is
    rectified on the bare ground: trees with the reach of their lean.
    """
    shifts: list[tuple[float, float, float, float]] = []
    unclear = 0
    with rasterio.open(mosaic) as src, rasterio.open(truth_ortho) as truth:
        gsd_m = float(src.res[0])
        with WarpedVRT(
            truth,
            crs=src.crs,
            transform=src.transform,
            width=src.width,
            height=src.height,
            resampling=Resampling.bilinear,
        ) as true_view:
            ground = _steady_mask(classes, standing, src)
            step = _step_px(src.width, src.height)
            for row in range(_SEARCH_PX, src.height - _PATCH_PX - _SEARCH_PX, step):
                for col in range(_SEARCH_PX, src.width - _PATCH_PX - _SEARCH_PX, step):
                    if not ground(row, col):
                        continue
                    window = Window(col, row, _PATCH_PX, _PATCH_PX)
                    around = Window(
                        col - _SEARCH_PX,
                        row - _SEARCH_PX,
                        _PATCH_PX + 2 * _SEARCH_PX,
                        _PATCH_PX + 2 * _SEARCH_PX,
                    )
                    if src.dataset_mask(window=window).min() == 0:
                        continue
                    patch, wide = _grey(src, window), _grey(true_view, around)
                    if patch.std() < _MIN_STRUCTURE or wide.std() < _MIN_STRUCTURE:
                        continue
                    found = _displacement(patch, wide)
                    if found is None:
                        unclear += 1
                    else:
                        shifts.append((col, row, *found))
    return _summary(np.array(shifts, float).reshape(-1, 4), gsd_m, unclear)


def _step_px(width: int, height: int) -> int:
    """A grid of at most about 2,500 patches."""
    return max(_PATCH_PX, int(np.sqrt(width * height / 2500)))


def _grey(src: rasterio.DatasetReader, window: Window) -> npt.NDArray[np.float32]:
    rgb = src.read([1, 2, 3], window=window).astype(np.float32)
    return np.asarray(rgb.mean(axis=0), np.float32)


def _displacement(
    patch: npt.NDArray[np.float32], wide: npt.NDArray[np.float32]
) -> tuple[float, float] | None:
    """(dx, dy) in pixels by which the patch must move to lie on the truth, or None when unclear."""
    scores = cv2.matchTemplate(wide, patch, cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(scores)
    edge = scores.shape[0] - 1
    if best < _MIN_CORRELATION or x in (0, edge) or y in (0, edge):
        return None
    fine_x = x + _peak_offset(scores[y, x - 1], scores[y, x], scores[y, x + 1])
    fine_y = y + _peak_offset(scores[y - 1, x], scores[y, x], scores[y + 1, x])
    return fine_x - _SEARCH_PX, fine_y - _SEARCH_PX


def _peak_offset(before: float, peak: float, after: float) -> float:
    """Where a parabola through three samples has its top, in -0.5..0.5."""
    bend = before - 2 * peak + after
    return 0.0 if bend == 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))


def _steady_mask(
    classes: Path | None, standing: Standing | None, like: rasterio.DatasetReader
) -> Callable[[int, int], bool]:
    """A test whether a patch at (row, col) of `like` lies on ground that does not move or stand up."""
    moving = np.zeros((like.height, like.width), np.uint8)
    if classes is not None:
        with (
            rasterio.open(classes) as src,
            WarpedVRT(
                src,
                crs=like.crs,
                transform=like.transform,
                width=like.width,
                height=like.height,
                resampling=Resampling.nearest,
            ) as view,
        ):
            moving[np.isin(view.read(1), (0, 1, 5))] = 1  # unseen, water, buildings
    if standing is not None and standing.shapes:
        to_mosaic = Transformer.from_crs(standing.crs, like.crs, always_xy=True)
        shapes = shapely.transform(np.array(standing.shapes), to_mosaic.transform, interleaved=False)
        rasterize(((shape, 1) for shape in shapes), out=moving, transform=like.transform, all_touched=True)
    total = cv2.integral(moving)

    def steady(row: int, col: int) -> bool:
        r, c = row + _PATCH_PX, col + _PATCH_PX
        return int(total[r, c] - total[row, c] - total[r, col] + total[row, col]) == 0

    return steady


def _without_similarity(places: FloatArray, shifts: FloatArray) -> float:
    """RMS length (pixels) of shifts (n, 2) at places (n, 2) after a least-squares similarity."""
    x, y = (places - places.mean(axis=0)).T
    one, none = np.ones_like(x), np.zeros_like(x)
    model = np.concatenate([np.stack([one, none, x, -y], 1), np.stack([none, one, y, x], 1)])
    wanted = np.concatenate([shifts[:, 0], shifts[:, 1]])
    left = wanted - model @ np.linalg.lstsq(model, wanted, rcond=None)[0]
    return float(np.sqrt((left**2).sum() / len(shifts)))


def _summary(found: FloatArray, gsd_m: float, unclear: int) -> PositionScore:
    """`found` (n, 4): column and row of each patch, and its shift."""
    places, shifts = found[:, :2], found[:, 2:]
    if len(shifts) == 0:
        nan = float("nan")
        return PositionScore(nan, nan, nan, nan, nan, nan, 0, unclear, nan)
    length = np.hypot(shifts[:, 0], shifts[:, 1])
    rmse = float(np.sqrt(np.mean(length**2)))
    return PositionScore(
        rmse_gsd=rmse,
        rmse_m=rmse * gsd_m,
        median_gsd=float(np.median(length)),
        p95_gsd=float(np.percentile(length, 95)),
        mean_east_m=float(shifts[:, 0].mean() * gsd_m),
        mean_north_m=float(-shifts[:, 1].mean() * gsd_m),
        patches=len(shifts),
        unclear=unclear,
        relative_gsd=_without_similarity(places, shifts),
    )
