"""What lens, shutter and sensor make of the light: blur, fall-off, noise; and what water does to it."""

from __future__ import annotations

import itertools
import math

import cv2
import numpy as np
import numpy.typing as npt

from plans.cameras import Camera
from plans.frames import FloatArray
from sim.rays import NODE_PX, FloatGrid, node_pixels, on_every_pixel
from sim.standing import sun_enu
from sim.view import View

Pixels = npt.NDArray[np.uint8]

_SHARP_PX = 0.25
"""A smear this short is a seventh of the lens's own blur and is left out."""
_ALIKE_PX = 0.3
"""Parts of a frame whose smear differs by less are smeared alike."""
_PART_NODES = 16
_NOISE_SIGMA = 2.0
_WAVE_SLOPE_2 = 0.012
"""Mean square slope of the waves: a light wind on a river (Cox and Munk 1954)."""
_GLINT = 110.0


class Sensor:
    """Lens fall-off, exposure and noise of one camera."""

    def __init__(self, camera: Camera, rng: np.random.Generator) -> None:
        self._vignette = _vignette(camera)
        rows, cols = camera.image_height_px + 256, camera.image_width_px + 256
        noise = np.round(rng.standard_normal((rows, cols), dtype=np.float32) * _NOISE_SIGMA)
        self._noise = cv2.merge([noise.astype(np.int16)] * 3)

    def exposed(self, frame: Pixels, rng: np.random.Generator) -> Pixels:
        """The frame as it is stored. Exposure varies by some percent from photo to photo."""
        gain = float(np.clip(rng.normal(1.0, 0.025), 0.92, 1.08))
        soft = cv2.GaussianBlur(frame, (3, 3), 0.55)
        lit = cv2.multiply(soft, self._vignette, dst=soft, scale=gain / 255)
        top, left = (int(v) for v in rng.integers(0, 256, 2))
        rows, cols = frame.shape[:2]
        grain = self._noise[top : top + rows, left : left + cols]
        return np.asarray(cv2.add(lit, grain, dst=lit, dtype=cv2.CV_8U), np.uint8)


def _vignette(camera: Camera) -> Pixels:
    height, width = camera.image_height_px, camera.image_width_px
    x = (np.arange(width, dtype=np.float32) - width / 2) / np.float32(np.hypot(width, height) / 2)
    y = (np.arange(height, dtype=np.float32) - height / 2) / np.float32(np.hypot(width, height) / 2)
    fall = 255 * (1 - 0.20 * (x[None, :] ** 2 + y[:, None] ** 2) ** 1.3)
    return np.repeat(np.round(fall).astype(np.uint8)[..., None], 3, axis=2)


def smear(frame: Pixels, view: View, hits_m: FloatArray) -> Pixels:
    """The frame smeared along the way that the ground goes over it while the shutter is open; `hits_m` are
    the places on the nodes."""
    ways, parts = _ways_px(view, hits_m)
    if not len(ways) or np.hypot(*ways.T).max() < _SHARP_PX:
        return frame
    if np.abs(ways - ways.mean(axis=0)).max() < _ALIKE_PX:
        return _filtered(frame, ways.mean(axis=0), (slice(0, frame.shape[0]), slice(0, frame.shape[1])))
    out = frame.copy()
    for way, part in zip(ways, parts, strict=True):
        if np.hypot(*way) >= _SHARP_PX:
            out[part] = _filtered(frame, way, part)
    return out


def _ways_px(view: View, hits_m: FloatArray) -> tuple[FloatArray, list[tuple[slice, slice]]]:
    """((n, 2) how far the ground goes during the exposure, the windows) of the parts that show any ground."""
    shape = hits_m.shape[:2]
    begins = [range(1, n - 1, _PART_NODES) for n in shape]
    middles = [
        [min(b + _PART_NODES // 2, n - 1) for b in begin] for begin, n in zip(begins, shape, strict=True)
    ]
    places = hits_m[np.ix_(*middles)].reshape(-1, 3)
    rows = np.repeat(node_pixels(view.camera)[1][middles[0]], len(middles[1]))
    parts = [
        tuple(slice((b - 1) * NODE_PX, (b - 1 + _PART_NODES) * NODE_PX) for b in begin)
        for begin in itertools.product(*begins)
    ]
    times, half = view.row_time_s(rows), view.camera.exposure_s / 2
    ways = view.pixels_at(places, times + half)[0] - view.pixels_at(places, times - half)[0]
    seen = np.flatnonzero(np.isfinite(ways).all(axis=1))
    return ways[seen], [(parts[i][0], parts[i][1]) for i in seen]


def _filtered(frame: Pixels, way_px: FloatArray, part: tuple[slice, slice]) -> Pixels:
    kernel = smear_kernel(way_px)
    margin = kernel.shape[0] // 2
    rows, cols = (range(*p.indices(n)) for p, n in zip(part, frame.shape[:2], strict=True))
    y0, x0 = max(rows.start - margin, 0), max(cols.start - margin, 0)
    wide = frame[y0 : rows.stop + margin, x0 : cols.stop + margin]
    done = cv2.filter2D(wide, -1, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(done[rows.start - y0 :, cols.start - x0 :][: len(rows), : len(cols)], np.uint8)


def smear_kernel(way_px: FloatArray) -> FloatGrid:
    """A line of this length and direction through the middle, (n, n), n odd, its sum 1."""
    reach = math.ceil(float(np.abs(way_px).max()) / 2)
    side = 2 * reach + 1
    kernel = np.zeros((side + 1, side + 1))
    along = (np.arange(128) + 0.5) / 128 - 0.5
    x, y = along * way_px[0] + reach, along * way_px[1] + reach
    col, row = np.floor(x).astype(int), np.floor(y).astype(int)
    for dr in (0, 1):
        for dc in (0, 1):
            share = np.abs(1 - dr - (y - row)) * np.abs(1 - dc - (x - col))
            np.add.at(kernel, (row + dr, col + dc), share)
    return (kernel[:side, :side] / kernel[:side, :side].sum()).astype(np.float32)


def disturb_water(
    frame: Pixels, water: Pixels, directions: FloatArray, scale_m: float, rng: np.random.Generator
) -> None:
    """Waves, streaks of silt and the sun's glint on the water (opacity 0..255), new in every frame: nothing
    there can be matched. `directions` are the nodes' rays, `scale_m` the ground size of a pixel."""
    rows, cols = frame.shape[:2]
    half = (cols // 2 + 1, rows // 2 + 1)
    waves: FloatGrid = np.zeros((half[1], half[0]), np.float32)
    for wavelength_m, amplitude in ((7.0, 5.0), (1.6, 4.0), (0.45, 4.0)):
        cell = max(wavelength_m / scale_m / 2, 1.5)
        lattice = rng.standard_normal((int(half[1] / cell) + 2, int(half[0] / cell) + 2), dtype=np.float32)
        waves += np.float32(amplitude) * cv2.resize(lattice, half, interpolation=cv2.INTER_CUBIC)
    glint = _glint(directions)
    if glint.max() > 0.02:
        share = on_every_pixel(glint.astype(np.float32))[NODE_PX::2, NODE_PX::2][: half[1], : half[0]]
        sparkle = rng.standard_normal((half[1] // 2 + 1, half[0] // 2 + 1), dtype=np.float32)
        fine = cv2.resize(sparkle, half, interpolation=cv2.INTER_LINEAR)
        waves += _GLINT * share * np.maximum(0.35 + fine, 0.0)
    whole = cv2.resize(waves, (cols, rows), interpolation=cv2.INTER_LINEAR)
    moved = cv2.multiply(whole, water, scale=1 / 255, dtype=cv2.CV_16S)
    cv2.add(frame, cv2.merge([moved, moved, moved]), dst=frame, dtype=cv2.CV_8U)


def _glint(directions: FloatArray) -> FloatArray:
    """How likely a wave throws the sun at the camera along each ray (rows, cols, 3); 1 for level water."""
    towards = -directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    between = towards + sun_enu()
    slope_2 = (between[..., 0] ** 2 + between[..., 1] ** 2) / np.maximum(between[..., 2], 1e-3) ** 2
    return np.asarray(np.exp(-slope_2 / _WAVE_SLOPE_2))
