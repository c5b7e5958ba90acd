"""How good a mosaic is from place to place: expected position error, and blur of the photo that paints it.

The error is what the adjustment's covariance says of the ground points (their plan position, all other
unknowns accounted for), between them by distance; away from them a photo turns about its neighbours. What is
not ground on the modelled surface is moved by the photo's lean. Cells that a photo paints which no tie points
hold get that photo's own, larger, error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from imagery.adjust import Adjustment
from imagery.bundle import Loss, certainty
from imagery.control import MARK_SIGMA_PX
from imagery.features import DETAIL_SIGMA_PX, Features
from imagery.ortho import MosaicGrid, Window, ground_outline, inside_photo, project_places
from imagery.photos import Block
from imagery.priors import AdjustRules
from imagery.seams import NOBODY, Labels
from imagery.surface import Surface
from plans.cameras import Camera
from plans.frames import FloatArray, Pose

Float32 = npt.NDArray[np.float32]

_POINTS = 1200
_COARSE_PX = 256
_NEAREST = 4
_LEAST_TIE_SHARE, _LEAST_MARK_SHARE = 0.15, 0.4
"""Ties and marks agree better than their weights say, but not all that they have in common shows."""
_OWN_BLUR_PX = float(np.hypot(0.7, DETAIL_SIGMA_PX))
"""Of a sharp photo reduced for features, in its pixels: lens, sensor, the reducing, and what is smoothed."""
_EDGE = 1.5
"""A turn of a photo moves its edge by so much more than a turn about a place beside it."""


@dataclass(frozen=True)
class Accuracy:
    """Expected position error in plan (root mean square length, metres). `places` (n, 2), `error_m` (n,) at
    ground points; `turn_rad` how sure the photos' attitudes are; `photo_m` (m,) of photos held by their
    tags alone, NaN for the tied ones; `common_m` what all share (the receiver as a whole), in all of these.
    """

    places: FloatArray
    error_m: FloatArray
    turn_rad: float
    photo_m: FloatArray
    common_m: float

    @property
    def typical_m(self) -> float:
        """The root mean square over the ground points, else over the photos."""
        values = self.error_m if len(self.error_m) else self.photo_m
        return float(np.sqrt(np.mean(np.square(values))))


def accuracy_of(block: Block, adjustment: Adjustment) -> Accuracy:
    """What the covariance of the adjustment says."""
    problem, tracks = adjustment.problem, adjustment.tracks
    common = 0.0 if adjustment.control else _common_m(block, adjustment)
    photo = np.array([_by_tags_m(block, adjustment, i, common) for i in range(len(block.photos))])
    photo[adjustment.tied] = np.nan
    if not tracks.count:
        return Accuracy(np.zeros((0, 2)), np.zeros(0), 0.0, photo, common)
    sigma = problem.tracks.sigma_px.copy()
    tie = problem.tracks.track < tracks.count
    sigma[tie] *= _tie_share(adjustment)
    sigma[~tie] *= _mark_share(adjustment)
    loss = Loss(AdjustRules().huber_sigmas)
    weighed = replace(problem, tracks=replace(problem.tracks, sigma_px=sigma), loss=loss)
    wanted = _spread_points(adjustment.points, np.bincount(tracks.track, minlength=tracks.count))
    sure = certainty(weighed, adjustment.state, wanted)
    points = adjustment.points[wanted]
    variance = sure.points[:, 0, 0] + sure.points[:, 1, 1] + common**2
    turns = np.trace(sure.poses[:, :3, :3], axis1=1, axis2=2)[adjustment.tied]
    return Accuracy(
        places=points[:, :2],
        error_m=np.sqrt(variance),
        turn_rad=float(np.sqrt(np.median(turns))) if len(turns) else 0.0,
        photo_m=photo,
        common_m=common,
    )


def _tie_share(adjustment: Adjustment) -> float:
    """By how much less tie points scatter than they are weighted for (two residuals for each observation,
    less what their points take up)."""
    tracks = adjustment.tracks
    free = max(2 * len(tracks.track) - 3 * tracks.count, 1)
    squared = (adjustment.residuals_px**2).sum(axis=1) / tracks.sigma_px**2
    return float(np.clip(np.sqrt(np.minimum(squared, 9.0).sum() / free), _LEAST_TIE_SHARE, 2.0))


def _mark_share(adjustment: Adjustment) -> float:
    """The same of marks, by how far they lie from where their photos must show the point."""
    off_px = [p.rms_px for p in adjustment.control if p.believed and not p.check and p.rms_px is not None]
    rms_px = float(np.sqrt(np.mean(np.square(off_px)) / 2)) if off_px else MARK_SIGMA_PX
    return float(np.clip(rms_px / MARK_SIGMA_PX, _LEAST_MARK_SHARE, 2.0))


def _common_m(block: Block, adjustment: Adjustment) -> float:
    """What the positions of all photos may be off together: the receiver's stated error less its scatter."""
    used = 1 / adjustment.problem.priors.position[:, :2]
    stated = np.array([p.sigma_h_m for p in block.photos])[:, None] ** 2
    left = np.maximum(stated - used, 0.0)[adjustment.tied if adjustment.tied.any() else slice(None)]
    return float(np.sqrt(np.median(left.sum(axis=1))))


def _by_tags_m(block: Block, adjustment: Adjustment, photo: int, common_m: float) -> float:
    """Where the tags put the middle of the photo's ground, and half-way to its edge."""
    priors, pose, camera = adjustment.problem.priors, adjustment.poses[photo], adjustment.cameras[photo]
    position = (1 / priors.position[photo, :2]).sum()
    height = max(pose.up_m - adjustment.ground_up_m, 1.0)
    tilt, yaw = 1 / priors.attitude[photo, :2].sum() * 4, 1 / priors.attitude[photo, 2]
    half = height * camera.image_width_px / camera.focal_px / 4
    return float(np.sqrt(position + common_m**2 + height**2 * tilt + half**2 * yaw))


def _spread_points(points: FloatArray, lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Up to some hundred points, of each square of the ground the one that most photos show."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    side = max(float(np.sqrt(np.prod(high - low + 1e-6) / _POINTS)), 1e-3)
    square = np.floor((points[:, :2] - low) / side).astype(np.int64)
    order = np.lexsort((-lengths, square[:, 1], square[:, 0]))
    first = np.r_[True, (np.diff(square[order], axis=0) != 0).any(axis=1)]
    return np.sort(order[first])


def accuracy_map(
    accuracy: Accuracy, adjustment: Adjustment, cells: MosaicGrid, labels: Labels, surface: Surface
) -> Float32:
    """(rows, cols) expected error in metres of each cell of the mosaic; NaN where nobody paints."""
    out = np.zeros(cells.shape, np.float32)
    if len(accuracy.places):
        coarse, size = _coarse(cells)
        east, north = coarse.local_places(np.arange(coarse.rows), np.arange(coarse.cols))
        places = np.stack([east.ravel(), north.ravel()], axis=1)
        painter = _sampled(labels, size).ravel()
        off = _off_surface_m(adjustment, surface, places) * _leans(adjustment, surface, places, painter)
        error = np.hypot(_between(accuracy, places), off).reshape(coarse.shape).astype(np.float32)
        out = _stretched(error, size, cells.shape)
    for photo in np.flatnonzero(np.isfinite(accuracy.photo_m)):
        out[labels == photo] = accuracy.photo_m[photo]
    out[labels == NOBODY] = np.nan
    return out


def _coarse(cells: MosaicGrid) -> tuple[MosaicGrid, int]:
    """A grid of few nodes over the cells, and how many cells lie in one of its own."""
    size = max(1, -(-max(cells.shape) // _COARSE_PX))
    return cells.coarser(size), size


def _sampled(labels: Labels, size: int) -> Labels:
    """The label in the middle of each coarse cell; of its last whole cell where the middle is outside."""
    rows, cols = (np.minimum(np.arange(-(-n // size)) * size + size // 2, n - 1) for n in labels.shape)
    return np.asarray(labels[np.ix_(rows, cols)])


def _stretched(values: Float32, size: int, shape: tuple[int, int]) -> Float32:
    whole = cv2.resize(values, (values.shape[1] * size, values.shape[0] * size))
    return np.ascontiguousarray(whole[: shape[0], : shape[1]], np.float32)


def _between(accuracy: Accuracy, places: FloatArray) -> FloatArray:
    """(n,) errors at places (n, 2): those of the nearest ground points, and away from them the turn."""
    near = min(_NEAREST, len(accuracy.places))
    tree = cKDTree(accuracy.places)
    spacing = np.median(tree.query(accuracy.places, k=2)[0][:, -1]) if len(accuracy.places) > 1 else 0.0
    away, which = tree.query(places, k=near)
    away, which = away.reshape(len(places), near), which.reshape(len(places), near)
    weight = 1 / (away + 0.1 * spacing + 1e-3)
    variance = (accuracy.error_m[which] ** 2 * weight).sum(axis=1) / weight.sum(axis=1)
    beyond = np.maximum(away[:, 0] - 2 * spacing, 0.0)
    return np.asarray(np.sqrt(variance + (_EDGE * accuracy.turn_rad * beyond) ** 2))


def _off_surface_m(adjustment: Adjustment, surface: Surface, places: FloatArray) -> FloatArray:
    """(n,) how far ground points near places stand off the surface."""
    points = adjustment.points
    off = points[:, 2] - surface.at(points[:, 0], points[:, 1])
    near = min(_NEAREST, len(points))
    which = cKDTree(points[:, :2]).query(places, k=near)[1].reshape(len(places), near)
    return np.asarray(np.sqrt((off[which] ** 2).mean(axis=1)))


def _leans(
    adjustment: Adjustment, surface: Surface, places: FloatArray, painter: npt.NDArray[np.int16]
) -> FloatArray:
    """(n,) tangent of the angle off nadir at which places are seen by their painters; 0 without one."""
    centres = np.array([p.centre for p in adjustment.poses])[painter]
    away = np.linalg.norm(centres[:, :2] - places, axis=1)
    height = np.maximum(centres[:, 2] - surface.at(places[:, 0], places[:, 1]), 1.0)
    return np.asarray(np.where(painter == NOBODY, 0.0, away / height))


@dataclass(frozen=True)
class Blur:
    """Blur beside the sharpest photos of the same place, as the standard deviation of a Gaussian in pixels of
    the photo: `cells` (rows, cols) of the photo that paints each, NaN where nobody does or nobody else sees;
    `photo_px` (m,) the median over all that each photo shows, NaN where no other shows it."""

    cells: Float32
    photo_px: FloatArray


def blur_of(
    adjustment: Adjustment, features: Sequence[Features], cells: MosaicGrid, labels: Labels, surface: Surface
) -> Blur:
    """Fine detail of each photo (`Features.detail`) against that of the others that show the same ground.

    Comparing like with like leaves out what the ground looks like. A block that is blurred as a whole does
    not show.
    """
    coarse, size = _coarse(cells)
    painter = _sampled(labels, size)
    seen = [
        _detail_on(coarse, camera, pose, f.detail, surface)
        for camera, pose, f in zip(adjustment.cameras, adjustment.poses, features, strict=True)
    ]
    first, second = np.zeros(coarse.shape, np.float32), np.zeros(coarse.shape, np.float32)
    count = np.zeros(coarse.shape, np.uint16)
    for window, detail in seen:
        at, known = window.slices, np.isfinite(detail)
        here = np.where(known, detail, 0)
        second[at] = np.maximum(second[at], np.minimum(first[at], here))
        first[at] = np.maximum(first[at], here)
        count[at] += known
    best = np.where(count > 2, second, first)  # the greatest of many is too great by chance
    blur = np.full(coarse.shape, np.nan, np.float32)
    photo_px = np.full(len(seen), np.nan)
    for photo, (window, detail) in enumerate(seen):
        at = window.slices
        known = np.isfinite(detail) & (count[at] > 1)
        sigma = _sigma_px(detail, best[at], features[photo].sigma_px)
        mine = known & (painter[at] == photo)
        blur[at][mine] = sigma[mine]
        if known.any():
            photo_px[photo] = np.median(sigma[known])
    whole = np.repeat(np.repeat(blur, size, axis=0), size, axis=1)[: labels.shape[0], : labels.shape[1]]
    return Blur(np.where(labels == NOBODY, np.float32(np.nan), whole), photo_px)


def _detail_on(
    coarse: MosaicGrid, camera: Camera, pose: Pose, detail: Float32, surface: Surface
) -> tuple[Window, Float32]:
    """A photo's detail on the coarse grid, over what it sees; NaN outside."""
    outline = ground_outline(camera, pose, surface)
    window = coarse.window_of(outline[:, 0], outline[:, 1]).clipped(coarse.shape)
    east, north = coarse.local_places(
        np.arange(window.row0, window.row1), np.arange(window.col0, window.col1)
    )
    if window.empty:
        return window, np.zeros(window.shape, np.float32)
    enu = np.stack([east, north, surface.at(east, north)], axis=-1)
    pixels = project_places(camera, pose, enu)
    scale = np.array([detail.shape[1] / camera.image_width_px, detail.shape[0] / camera.image_height_px])
    at = ((pixels + 0.5) * scale - 0.5).astype(np.float32)
    found = cv2.remap(detail, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return window, np.where(inside_photo(pixels, camera), found, np.float32(np.nan))


def _sigma_px(detail: Float32, best: Float32, pixel_px: float) -> Float32:
    """The Gaussian that takes detail from the best to this one.

    A picture of the outdoors has amplitudes that fall with frequency (Field 1987), so that the energy of its
    Laplacian behind a Gaussian of sigma s goes with s^-4: ratio = (s0^2 / (s0^2 + s^2))^2.
    """
    ratio = np.clip(detail / np.maximum(best, 1e-9), 1e-3, 1.0)
    return np.asarray(pixel_px * _OWN_BLUR_PX * np.sqrt(1 / np.sqrt(ratio) - 1), np.float32)
