"""Photos decoded small, and their features."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from imagery.dng import dng_preview, is_dng
from imagery.errors import PhotoError
from imagery.photos import Photo

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]
Decode = Callable[[Path, int], UInt8]
"""Gives a photo (rows, cols, 3) BGR reduced by 1, 2, 4 or 8."""

_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_REDUCED_GREY = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


_THUMBNAIL_QUALITY = 95
_DETAIL_CELLS = (16, 12)
DETAIL_SIGMA_PX = 1.0
_LEAST_CORNER = 0.001
"""Of the strongest corner of the photo."""
_CORNER_DISTANCE_PX = 5
_EDGE_PX = 12
_TURN_SIGMA_PX = 2.0
_DESCRIBED_PX = 2.5
_DESCRIBED_SIGMA_PX = 1.0
"""Of the halved picture that descriptors are made from: SIFT looks at some 700 pixels there for each of them,
at the size it was found in at 2800, and the 128 numbers are about the same."""


@dataclass(frozen=True)
class FeatureRules:
    """How many features are looked for, and at which scale."""

    image_mpx: float = 0.56
    per_photo: int = 1600
    thumbnail_factor: int = 8


@dataclass(frozen=True)
class Features:
    """Features of one photo.

    `xy_px` (n, 2) are pixels of the full photo, the strongest of each part of the photo first; `descriptors`
    (n, 128) uint8 RootSIFT; `sigma_px` is the size of one pixel of the image they were found in, in full
    pixels; `thumbnail_jpeg` is the photo reduced by `thumbnail_factor`, a seventh of its pixels' size;
    `sharpness` the variance of its Laplacian, `detail` (12, 16) float32 the same of parts of the
    photo, smoothed by DETAIL_SIGMA_PX and brightness allowed for.
    """

    xy_px: Float32
    descriptors: UInt8
    sigma_px: float
    thumbnail_jpeg: bytes
    thumbnail_factor: int
    sharpness: float
    detail: Float32 = field(default_factory=lambda: np.zeros((1, 1), np.float32), repr=False)

    @property
    def thumbnail(self) -> UInt8:
        """(rows, cols, 3) BGR."""
        return np.asarray(cv2.imdecode(np.frombuffer(self.thumbnail_jpeg, np.uint8), cv2.IMREAD_COLOR))

    @property
    def only_picture(self) -> Features:
        """The same with the thumbnail alone: all that is painted from afar."""
        return replace(self, xy_px=self.xy_px[:0].copy(), descriptors=self.descriptors[:0].copy())

    @property
    def without_picture(self) -> Features:
        """The same without the thumbnail: all that matching needs, a third of the size on the way to it."""
        return replace(self, thumbnail_jpeg=b"")


def read_photo_bytes(path: Path) -> npt.NDArray[np.uint8]:
    """The file's bytes, or those of a DNG's preview.

    Raises PhotoError when it is missing, empty, or a JPEG that ends too early.
    """
    if is_dng(path):
        return np.frombuffer(dng_preview(path), np.uint8)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PhotoError(f"{path}: cannot be read ({error.strerror}); copy it from the card again") from None
    if len(data) < 4:
        raise PhotoError(f"{path}: is empty; copy it from the card again")
    if data[:2] == b"\xff\xd8" and not _jpeg_is_whole(data):
        raise PhotoError(f"{path}: the JPEG is cut short; copy it from the card again")
    return np.frombuffer(data, np.uint8)


def _jpeg_is_whole(data: bytes) -> bool:
    """Whether the end marker follows the first scan (ITU T.81 B.1: entropy-coded data holds no FF D9)."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        at += 2 + length
        if marker == 0xDA:
            return data.rfind(b"\xff\xd9") >= at
    return False


def decode(path: Path, factor: int = 1) -> UInt8:
    """The photo (rows, cols, 3) uint8 BGR, reduced by 1, 2, 4 or 8 while decoding.

    Raises PhotoError when it cannot be decoded.
    """
    return _decoded(path, _REDUCED[factor])


def decode_grey(path: Path, factor: int = 1) -> UInt8:
    """The same in grey, (rows, cols) uint8."""
    return _decoded(path, _REDUCED_GREY[factor])


def _decoded(path: Path, how: int) -> UInt8:
    image = cv2.imdecode(read_photo_bytes(path), how | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise PhotoError(f"{path}: cannot be decoded; copy it from the card again")
    return np.asarray(image, np.uint8)


def reduced(picture: UInt8, factor: int) -> UInt8:
    """Each factor x factor pixels averaged; the last ones are filled up by repeating the edge."""
    below, right = -picture.shape[0] % factor, -picture.shape[1] % factor
    if below or right:
        picture = np.asarray(cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
    while factor > 1:  # by halves: a quarter at once takes twice as long
        size = picture.shape[1] // 2, picture.shape[0] // 2
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        factor //= 2
    return picture


def extract_features(photo: Photo, rules: FeatureRules, decode: Decode = decode) -> Features:
    """Decode a photo at reduced size and find its features; `decode` may be one that keeps what it decodes.

    Raises PhotoError when it cannot be decoded.
    """
    camera = photo.camera
    pixels = camera.image_width_px * camera.image_height_px
    scale = min(1.0, math.sqrt(rules.image_mpx * 1e6 / pixels))
    factor = 1
    while factor < 4 and scale <= 0.5 / factor * 1.02:
        factor *= 2
    picture = decode(photo.path, factor)
    grey = _resized(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), pixels, scale)
    small = reduced(picture, rules.thumbnail_factor // factor)
    _, thumbnail = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _THUMBNAIL_QUALITY])
    xy, descriptors = _corners(grey, rules.per_photo)
    return Features(
        xy_px=_to_full(xy, grey.shape, camera.image_width_px, camera.image_height_px),
        descriptors=descriptors,
        sigma_px=camera.image_width_px / grey.shape[1],
        thumbnail_jpeg=thumbnail.tobytes(),
        thumbnail_factor=rules.thumbnail_factor,
        sharpness=float(cv2.Laplacian(grey, cv2.CV_32F).var()),
        detail=_detail(grey),
    )


def _detail(grey: UInt8) -> Float32:
    soft = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), DETAIL_SIGMA_PX)  # noise of sensor and JPEG
    rippled = cv2.Laplacian(soft, cv2.CV_32F)
    light = _cell_means(grey).astype(np.float32)
    energy = _cell_means(cv2.multiply(rippled, rippled))
    return np.asarray(energy / (light * light + 1), np.float32)


def _cell_means(values: Any) -> Any:
    """Means of 16 x 12 parts of a picture; the last pixels are left out that whole parts leave over, which
    makes it many times faster."""
    rows, cols = values.shape[0] // _DETAIL_CELLS[1], values.shape[1] // _DETAIL_CELLS[0]
    if not rows or not cols:
        return cv2.resize(values, _DETAIL_CELLS, interpolation=cv2.INTER_AREA)
    whole = values[: rows * _DETAIL_CELLS[1], : cols * _DETAIL_CELLS[0]]
    return cv2.resize(whole, _DETAIL_CELLS, interpolation=cv2.INTER_AREA)


def _resized(grey: Any, full_pixels: int, scale: float) -> UInt8:
    target = math.sqrt(full_pixels * scale * scale / (grey.shape[0] * grey.shape[1]))
    if target > 0.97:
        return np.asarray(grey, np.uint8)
    size = (round(grey.shape[1] * target), round(grey.shape[0] * target))  # a scale alone gets rounded
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _to_full(xy: Float32, shape: tuple[int, ...], width: int, height: int) -> Float32:
    """Pixels of the reduced image to pixels of the full one (centres at integers in both)."""
    ratio = np.array([width / shape[1], height / shape[0]])
    return np.asarray((xy + 0.5) * ratio - 0.5, np.float32)


def _corners(grey: UInt8, count: int) -> tuple[Float32, UInt8]:
    """Corners (Shi and Tomasi 1994) to a part of a pixel, the strongest spread over the image, each with a
    RootSIFT descriptor of its surroundings (Lowe 2004; Arandjelovic and Zisserman 2012).

    All at one scale: neighbouring photos show the ground about equally large. That is a tenth of the time
    that SIFT needs to find features in all scales.
    """
    found = cv2.goodFeaturesToTrack(grey, 4 * count, _LEAST_CORNER, _CORNER_DISTANCE_PX)
    xy = np.zeros((0, 2), np.float32) if found is None else found[:, 0]
    away = np.minimum(xy, np.array(grey.shape[::-1], np.float32) - 1 - xy).min(axis=1)
    xy = xy[away >= _EDGE_PX]
    if not len(xy):
        return xy, np.zeros((0, 128), np.uint8)
    xy = xy[_spread(xy, -np.arange(len(xy), dtype=float), grey.shape, count)]  # they come strongest first
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 10, 0.02)
    exact = np.asarray(cv2.cornerSubPix(grey, xy, (3, 3), (-1, -1), stop), np.float32)
    return exact, _described(grey, exact)


def _described(grey: UInt8, xy: Float32) -> UInt8:
    """(n, 128) RootSIFT of places, from the halved picture."""
    half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    at = (xy + 0.5) * np.array([half.shape[1] / grey.shape[1], half.shape[0] / grey.shape[0]]) - 0.5
    soft = cv2.GaussianBlur(half, (0, 0), _TURN_SIGMA_PX)
    col, row = np.rint(at).astype(int).T
    slope = [cv2.Sobel(soft, cv2.CV_32F, dx, dy)[row, col] for dx, dy in ((1, 0), (0, 1))]
    turn = np.degrees(np.arctan2(slope[1], slope[0])) % 360
    points = [
        cv2.KeyPoint(x, y, _DESCRIBED_PX, angle)
        for (x, y), angle in zip(at.tolist(), turn.tolist(), strict=True)
    ]
    _, described = cv2.SIFT.create(nOctaveLayers=1, sigma=_DESCRIBED_SIGMA_PX).compute(half, points)
    root = np.sqrt(described / np.maximum(described.sum(axis=1, keepdims=True), 1e-6))
    return np.minimum(np.rint(root * 400), 255).astype(np.uint8)


def _spread(xy: Float32, strength: npt.NDArray[np.float64], shape: tuple[int, ...], count: int) -> Any:
    """Indices of up to `count` points: the strongest of each cell of a 16 x 12 grid first, then the second
    ones, and so on, so that any first part of them is strong and spread, too."""
    columns, rows = 16, 12
    cell = (xy[:, 1] * rows / shape[0]).astype(int) * columns + (xy[:, 0] * columns / shape[1]).astype(int)
    order = np.lexsort((-strength, cell))
    starts = np.r_[0, np.flatnonzero(np.diff(cell[order])) + 1]
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    return order[np.lexsort((-strength[order], rank))[:count]]
