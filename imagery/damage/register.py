"""Bring the before-ortho to the mosaic: position by phase correlation of many tiles, colours by the places
that did not change.

Most of a flooded picture has changed, so nothing here trusts the picture as a whole: tiles vote for the
shift (Kuglin & Hines 1975 phase correlation on gradients), and colours are matched on cells whose local
structure survived (pseudo-invariant features, Schott et al. 1988).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.windows import Window
from shapely import Geometry, box, union_all

from imagery.damage.features import Float, Mask, View, to_lab
from imagery.damage.scene import GeoGrid, Picture

Points = npt.NDArray[np.float64]
"""(n, 2) x and y."""

_TILE_PX = 192
_SMALLEST_TILE_PX = 48
_ROUNDS = 2
_FEWEST_FOR_AFFINE = 8
_AGREE_PX = 1.5
_LARGEST_TURN = 0.05
"""Turn (radians) and change of scale that are still taken for a before-ortho of the same ground."""
_TRIES = 400
_MISPLACED_M = 1.0
_CLEAR = 0.08
"""Response of a tile's correlation from which on its shift is believed against all others'."""
_SMALLEST_OVERLAP_M2 = 100.0
_LARGEST_PX = 4000
_REGISTER_PIXEL_M = 0.4
_SAME_STRUCTURE = 0.75
_FEWEST_SAME_CELLS = 400


@dataclass(frozen=True)
class Registration:
    """Where the before-ortho really lies: `correction` takes its CRS positions to the mosaic's."""

    correction: Affine
    shift_m: tuple[float, float]
    """East and north, at the middle of the mosaic."""
    rms_m: float
    tiles_used: int
    tiles: int
    misplaced: tuple[Geometry, ...] = ()
    """Ground that clearly lies over a metre beside its picture of before: there nothing is compared."""

    @property
    def misplaced_m2(self) -> float:
        """Area of that ground."""
        return float(union_all(self.misplaced).area)


@dataclass(frozen=True)
class ColourMatch:
    """after ~ gain * before + offset for each of R, G, B (8 bit), and how far unchanged ground still differs
    in L, a, b (one sigma)."""

    gain: tuple[float, float, float]
    offset: tuple[float, float, float]
    sigma_lab: tuple[float, float, float]
    cells: int

    def apply(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The before picture in the mosaic's colours."""
        matched = rgb.astype(np.float32) * np.array(self.gain, np.float32) + np.array(self.offset, np.float32)
        return np.clip(np.rint(matched), 0, 255).astype(np.uint8)


def registration_grid(grid: GeoGrid) -> GeoGrid:
    """The coarser grid on which pictures are compared as wholes: 40 cm, or what keeps it under 16 Mpx."""
    pixel = max(_REGISTER_PIXEL_M, grid.pixel_m * max(grid.width, grid.height) / _LARGEST_PX)
    return grid.coarser(pixel)


def register(mosaic: Path, before: Path, grid: GeoGrid) -> Registration | None:
    """Find the before-ortho's shift (and, with enough tiles, affine) against the mosaic.

    None when too few tiles agree: then the two pictures cannot be compared.
    Raises DamageError when the before-ortho does not overlap the mosaic or cannot be read.
    """
    coarse = registration_grid(grid)
    whole = Window(0, 0, coarse.width, coarse.height)
    with Picture(mosaic, coarse, "mosaic") as picture:
        after = _edges(*picture.rgb(whole))
    old = _old_edges(before, coarse, Affine.identity())
    if np.count_nonzero(old) * coarse.cell_m2 < _SMALLEST_OVERLAP_M2:
        return None
    correction = _as_affine(_whole_shift(old, after), coarse)
    for _ in range(_ROUNDS):  # each time read anew, so that resampling has no share in the answer
        at, shifts, clear, total = _tile_shifts(_old_edges(before, coarse, correction), after)
        inliers = _agreeing(at, shifts, total)
        if inliers.sum() < max(3, 0.12 * total):
            return None
        found = _fit(coarse, at[inliers], shifts[inliers])
        correction = found.correction * correction
    at, shifts, clear, _ = _tile_shifts(_old_edges(before, coarse, correction), after)
    middle = ((coarse.bounds[0] + coarse.bounds[2]) / 2, (coarse.bounds[1] + coarse.bounds[3]) / 2)
    moved = correction * middle
    shift_m = (moved[0] - middle[0], moved[1] - middle[1])
    misplaced = _misplaced(coarse, at, shifts, clear)
    return Registration(correction, shift_m, found.rms_m, int(inliers.sum()), total, misplaced)


def _old_edges(before: Path, grid: GeoGrid, correction: Affine) -> Float:
    with Picture(before, grid, "before-ortho", correction=correction) as picture:
        return _edges(*picture.rgb(Window(0, 0, grid.width, grid.height)))


def _as_affine(shift_px: npt.NDArray[np.float64], grid: GeoGrid) -> Affine:
    return Affine.translation(shift_px[0] * grid.transform.a, shift_px[1] * grid.transform.e)


def _edges(rgb: npt.NDArray[np.uint8], valid: Mask) -> Float:
    """Gradient magnitude, compressed, zero at and beyond the edge of the coverage."""
    light = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 0.8)
    dx, dy = cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
    magnitude = np.sqrt(dx * dx + dy * dy)  # cv2.magnitude is not the same each time
    inside = cv2.erode(valid.astype(np.uint8), np.ones((7, 7), np.uint8), borderValue=0)
    return np.asarray(np.sqrt(magnitude) * inside, np.float32)


def _whole_shift(old: Float, new: Float) -> npt.NDArray[np.float64]:
    """A first shift (x, y px) from the whole pictures, shrunk to about 1000 px."""
    factor = max(1.0, max(old.shape) / 1000.0)
    size = (max(16, round(old.shape[1] / factor)), max(16, round(old.shape[0] / factor)))
    small = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in (old, new)]
    window = cv2.createHanningWindow(size, cv2.CV_32F)
    shift, response = cv2.phaseCorrelate(small[0], small[1], window)
    if response < 0.03 or max(map(abs, shift)) > 0.25 * max(size):
        return np.zeros(2)
    return np.asarray(shift) * factor


def _tiles(rows: int, cols: int) -> tuple[int, int]:
    """Side of a tile and the step between tiles, in px."""
    size = min(max(min(rows, cols) // 4, _SMALLEST_TILE_PX), _TILE_PX, rows, cols)
    return size, max(size * 2 // 3, math.ceil(math.sqrt(rows * cols / 600.0)))


def _tile_shifts(old: Float, new: Float) -> tuple[Points, Points, npt.NDArray[np.bool_], int]:
    """Middles (n, 2) and shifts (n, 2) in px of the tiles that correlate, which of them do so clearly, and
    how many were tried."""
    rows, cols = old.shape
    size, step = _tiles(rows, cols)
    window = cv2.createHanningWindow((size, size), cv2.CV_32F)
    at, shifts, clear, tried = [], [], [], 0
    for row in range(0, rows - size + 1, step):
        for col in range(0, cols - size + 1, step):
            a, b = old[row : row + size, col : col + size], new[row : row + size, col : col + size]
            if min(np.count_nonzero(a), np.count_nonzero(b)) < 0.6 * size * size:
                continue
            tried += 1
            shift, response = cv2.phaseCorrelate(a - a.mean(), b - b.mean(), window)
            if response > 0.04 and max(map(abs, shift)) < size / 3:
                at.append((col + size / 2, row + size / 2))
                shifts.append(shift)
                clear.append(response > _CLEAR)
    return np.array(at).reshape(-1, 2), np.array(shifts, float).reshape(-1, 2), np.array(clear, bool), tried


def _misplaced(
    grid: GeoGrid, at: Points, shifts: Points, clear: npt.NDArray[np.bool_]
) -> tuple[Geometry, ...]:
    """The tiles that clearly lie elsewhere still, as squares in the CRS; one tile alone is not believed."""
    off = clear & (np.linalg.norm(shifts, axis=1) * grid.pixel_m > _MISPLACED_M)
    size, step = _tiles(grid.height, grid.width)
    found = []
    for i in np.flatnonzero(off):
        near = off & (np.abs(at - at[i]).max(axis=1) <= 1.5 * step) & (np.arange(len(at)) != i)
        like = near & (np.linalg.norm(shifts - shifts[i], axis=1) < 2 * _AGREE_PX)
        if like.any():
            (col, row), half = at[i], size / 2
            west, north = grid.transform * (col - half, row - half)
            east, south = grid.transform * (col + half, row + half)
            found.append(box(west, south, east, north))
    return tuple(found)


def _agreeing(at: Points, shifts: Points, tiles: int) -> npt.NDArray[np.bool_]:
    """The tiles of one motion of the whole: a shift, or a turn and change of scale where more tiles agree to
    that (random pairs of tiles, each a motion, as in Fischler & Bolles 1981)."""
    best = _consensus(shifts)
    rng = np.random.default_rng(0)
    if len(at) < 5:
        return best
    least = max(5.0, 0.2 * tiles, 1.1 * best.sum() + 1)
    place, moved = (np.ascontiguousarray(v).view(np.complex128)[:, 0] for v in (at, shifts))
    for _ in range(_TRIES):
        one, two = rng.choice(len(at), 2, replace=False)
        turn = (moved[two] - moved[one]) / (place[two] - place[one])
        if abs(turn) > _LARGEST_TURN:
            continue
        agrees = np.abs(moved - moved[one] - turn * (place - place[one])) < _AGREE_PX
        if agrees.sum() >= max(least, best.sum() + 1):
            best = agrees
    return best


def _consensus(shifts: Points, radius_px: float = _AGREE_PX) -> npt.NDArray[np.bool_]:
    """The shifts that agree with the one most others agree with."""
    if len(shifts) == 0:
        return np.zeros(0, bool)
    distance = np.linalg.norm(shifts[:, None] - shifts[None], axis=-1)
    best = int((distance < radius_px).sum(axis=1).argmax())
    centre = np.median(shifts[distance[best] < radius_px], axis=0)
    return np.asarray(np.linalg.norm(shifts - centre, axis=1) < radius_px)


@dataclass(frozen=True)
class _Fit:
    correction: Affine
    rms_m: float


def _fit(grid: GeoGrid, at_px: npt.NDArray[np.float64], shifts_px: npt.NDArray[np.float64]) -> _Fit:
    """Least-squares correction in CRS metres: a shift, or an affine where
    enough tiles show one."""
    step = np.array([grid.transform.a, grid.transform.e])
    origin = np.array([grid.transform.c, grid.transform.f])
    target = at_px * step + origin
    shift = shifts_px * step
    middle = np.array([(grid.bounds[0] + grid.bounds[2]) / 2, (grid.bounds[1] + grid.bounds[3]) / 2])
    source = target - shift
    design = np.column_stack([source - middle, np.ones(len(source))])
    coefficients = np.vstack([np.zeros((2, 2)), np.median(shift, axis=0)])
    residual = shift - coefficients[2]
    if len(at_px) >= _FEWEST_FOR_AFFINE:
        affine = np.linalg.lstsq(design, shift, rcond=None)[0]
        left = shift - design @ affine
        if _rms(left) < 0.7 * _rms(residual):  # six numbers only where they explain what two cannot
            coefficients, residual = affine, left
    linear, constant = coefficients[:2].T, coefficients[2]
    moved = constant - linear @ middle
    correction = Affine(1 + linear[0, 0], linear[0, 1], moved[0], linear[1, 0], 1 + linear[1, 1], moved[1])
    return _Fit(correction, _rms(residual))


def _rms(residual: npt.NDArray[np.float64]) -> float:
    return float(np.sqrt((residual**2).sum(axis=1).mean()))


def match_colours(mosaic: Path, before: Path, grid: GeoGrid, correction: Affine) -> ColourMatch | None:
    """Fit the colours of unchanged ground; None when too little of it is left to tell."""
    coarse = registration_grid(grid)
    whole = Window(0, 0, coarse.width, coarse.height)
    with Picture(mosaic, coarse, "mosaic") as picture:
        after = View(*picture.rgb(whole))
    with Picture(before, coarse, "before-ortho", correction=correction) as picture:
        old = View(*picture.rgb(whole))
    same = _same_structure(after, old, coarse.pixel_m)
    if same.sum() < _FEWEST_SAME_CELLS:
        return None
    gain, offset = zip(
        *(_line(old.rgb[..., i][same], after.rgb[..., i][same]) for i in range(3)), strict=True
    )
    match = ColourMatch((gain[0], gain[1], gain[2]), (offset[0], offset[1], offset[2]), (1.0, 1.0, 1.0), 0)
    blur = (0, 0), 0.6 / coarse.pixel_m
    difference = to_lab(cv2.GaussianBlur(after.rgb, *blur)) - to_lab(
        cv2.GaussianBlur(match.apply(old.rgb), *blur)
    )
    spread = [float(1.4826 * np.median(np.abs(plane[same]))) for plane in difference]
    sigma = (max(spread[0], 1.5), max(spread[1], 0.8), max(spread[2], 0.8))
    return ColourMatch(match.gain, match.offset, sigma, int(same.sum()))


def _same_structure(after: View, old: View, pixel_m: float) -> Mask:
    """Cells about which 4 m of structure survived: local correlation does not care for gain and offset."""
    size = (2 * max(2, round(2.0 / pixel_m)) + 1,) * 2
    new, was = (cv2.cvtColor(v.rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) for v in (after, old))
    mean_new, mean_was = cv2.blur(new, size), cv2.blur(was, size)
    var_new = cv2.blur(new * new, size) - mean_new**2
    var_was = cv2.blur(was * was, size) - mean_was**2
    covariance = cv2.blur(new * was, size) - mean_new * mean_was
    correlation = covariance / np.sqrt(np.maximum(var_new * var_was, 1.0))
    both = cv2.erode((after.valid & old.valid).astype(np.uint8), np.ones(size, np.uint8), borderValue=0) > 0
    textured = np.minimum(var_new, var_was) > 16.0
    return np.asarray(both & textured & (correlation > _SAME_STRUCTURE))


def _line(x: npt.NDArray[np.uint8], y: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """Robust gain and offset of y over x: least squares, then twice more without the outliers."""
    old, new = x.astype(np.float64), y.astype(np.float64)
    keep = np.ones(len(old), bool)
    gain, offset = 1.0, float(np.median(new - old))
    for _ in range(3):
        spread = old[keep].std()
        if spread < 5.0:  # too narrow a range to learn a gain from
            return 1.0, float(np.median(new[keep] - old[keep]))
        gain = float(np.clip(new[keep].std() / spread, 0.4, 2.5))
        offset = float(np.median(new[keep] - gain * old[keep]))
        residual = np.abs(new - gain * old - offset)
        keep = residual <= max(2.0, 2.5 * 1.4826 * float(np.median(residual[keep])))
    return gain, offset
