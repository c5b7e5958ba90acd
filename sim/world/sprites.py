"""Tree crowns as small pictures, shared by the orthophoto and the camera: three layers at three heights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from sim.world.noise import generator
from sim.world.objects import TREE_SHAPES, TREE_TINTS

Pixels = npt.NDArray[np.uint8]

LAYER_HEIGHTS = (0.5, 0.75, 0.95)
"""Height of each layer as a share of the tree's."""
_SIDES_PX = (112, 56, 28)
_TINTS = ((66, 92, 40), (80, 104, 46), (54, 80, 44), (102, 112, 50))


@dataclass(frozen=True)
class Crown:
    """One layer: colours (side, side, 3) already multiplied by alpha, and alpha (side, side), at three
    sizes, largest first. The crown's radius is half the side."""

    colours: tuple[Pixels, ...]
    alphas: tuple[Pixels, ...]


@cache
def crowns() -> tuple[tuple[Crown, Crown, Crown], ...]:
    """Sprites by look: TREE_SHAPES * TREE_TINTS of them, RGB. The same on every machine."""
    return tuple(_crown(shape, _TINTS[tint]) for shape in range(TREE_SHAPES) for tint in range(TREE_TINTS))


def _crown(shape: int, tint: tuple[int, int, int]) -> tuple[Crown, Crown, Crown]:
    """Leaf clumps as discs, dark below and bright above, lit from the south-east."""
    rng = generator(0, "crown", shape)
    side = _SIDES_PX[0]
    layers = []
    reach = np.array([0.80, 0.62, 0.36])
    for layer, share in enumerate(reach):
        colour = np.zeros((side, side, 3), np.float32)
        alpha = np.zeros((side, side), np.uint8)
        count = (110, 95, 50)[layer]
        angle = rng.uniform(0, 2 * np.pi, count)
        far = np.sqrt(rng.random(count)) * share * (1 + 0.16 * np.sin(3 * angle + shape))
        for a, r in zip(angle, far, strict=True):
            x, y = side / 2 * (1 + r * np.cos(a)), side / 2 * (1 + r * np.sin(a))
            lit = 0.66 + 0.17 * layer + 0.20 * r * np.cos(a - np.pi / 4) + rng.normal(0, 0.13)
            shade = np.array(tint) * max(lit, 0.25) + rng.normal(0, 4, 3)
            size = int(rng.integers(4, 9) * side / 112)
            centre = (round(float(x)), round(float(y)))
            cv2.circle(colour, centre, size, tuple(float(c) for c in shade), -1)
            cv2.circle(alpha, centre, size, 255, -1)
            glint = (centre[0] + size // 3, centre[1] + size // 3)
            cv2.circle(colour, glint, max(size // 2, 1), tuple(float(c) * 1.16 for c in shade), -1)
        leaf = rng.normal(1, 0.12, (side, side, 1)).astype(np.float32)
        alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 0.8), np.uint8)
        colour = cv2.GaussianBlur(colour, (0, 0), 0.6) * leaf
        layers.append(_sized(np.clip(colour, 0, 255), alpha))
    return tuple(layers)  # type: ignore[return-value]


def _sized(colour: npt.NDArray, alpha: Pixels) -> Crown:
    solid = np.round(colour * (alpha[..., None] / 255.0)).astype(np.uint8)
    return Crown(
        tuple(_shrunk(solid, side) for side in _SIDES_PX),
        tuple(_shrunk(alpha, side) for side in _SIDES_PX),
    )


def _shrunk(picture: Pixels, side: int) -> Pixels:
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def blend(
    image: Pixels, crown: Crown, x_px: float, y_px: float, radius_px: float, angle_deg: float
) -> tuple[tuple[slice, slice], Pixels] | None:
    """Draw a crown layer onto an RGB image in place.

    Returns the window it touched and its alpha there, or None when it lies outside.
    """
    rows, cols = image.shape[:2]
    x0, x1 = max(int(x_px - radius_px) - 1, 0), min(int(x_px + radius_px) + 3, cols)
    y0, y1 = max(int(y_px - radius_px) - 1, 0), min(int(y_px + radius_px) + 3, rows)
    if x0 >= x1 or y0 >= y1 or radius_px < 0.5:
        return None
    level = 0 if radius_px > 30 else 1 if radius_px > 15 else 2
    side = crown.alphas[level].shape[0]
    scale = 2 * radius_px / side
    c, s = np.cos(np.radians(angle_deg)) * scale, np.sin(np.radians(angle_deg)) * scale
    half = (side - 1) / 2
    matrix = np.array([[c, -s, x_px - x0 - c * half + s * half], [s, c, y_px - y0 - s * half - c * half]])
    size = (x1 - x0, y1 - y0)
    colour = cv2.warpAffine(crown.colours[level], matrix, size, flags=cv2.INTER_LINEAR)
    alpha = np.asarray(cv2.warpAffine(crown.alphas[level], matrix, size, flags=cv2.INTER_LINEAR), np.uint8)
    window = (slice(y0, y1), slice(x0, x1))
    clear = cv2.cvtColor(255 - alpha, cv2.COLOR_GRAY2RGB)
    below = cv2.multiply(image[window], clear, scale=1 / 255)
    image[window] = cv2.add(below, colour)
    return window, alpha
