"""Small orthos of every photo on one coarse grid: what seams, exposure and the accuracy check look at."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from imagery.ortho import MosaicGrid, Window, ground_outline, inside_photo, project_places, warp_photo
from imagery.surface import Surface
from plans.cameras import Camera
from plans.frames import FloatArray, Pose

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """One photo on the coarse grid, over `window`.

    `colour` (rows, cols, 3) uint8 BGR; `valid` (rows, cols); `radius` (rows, cols) float32, the distance
    from the principal point over half the image's diagonal; `lean` (rows, cols) float32, the tangent of the
    angle off nadir; `outline` (n, 2) local metres.
    """

    photo: int
    window: Window
    colour: UInt8
    valid: npt.NDArray[np.bool_]
    radius: Float32
    lean: Float32
    outline: FloatArray


def make_view(
    photo: int, camera: Camera, pose: Pose, thumbnail: UInt8, factor: int, cells: MosaicGrid, surface: Surface
) -> View:
    """Orthorectify a thumbnail (the photo reduced by `factor`) onto the coarse grid."""
    outline = ground_outline(camera, pose, surface)
    window = cells.window_of(outline[:, 0], outline[:, 1]).grown(2).clipped(cells.shape)
    rows = np.arange(window.row0, window.row1)
    cols = np.arange(window.col0, window.col1)
    east, north = cells.local_places(rows, cols)
    heights = surface.at(east, north)
    pixels = project_places(camera, pose, np.stack([east, north, heights], axis=2))
    source = ((pixels + np.float32(0.5)) / np.float32(factor) - np.float32(0.5)).astype(np.float32)
    offset = pixels - np.array(camera.principal_px, np.float32)
    half = 0.5 * np.hypot(camera.image_width_px, camera.image_height_px)
    depth = np.maximum(pose.up_m - heights, 1.0)
    return View(
        photo=photo,
        window=window,
        colour=warp_photo(thumbnail, source),
        valid=inside_photo(pixels, camera),
        radius=(np.hypot(offset[..., 0], offset[..., 1]) / half).astype(np.float32),
        lean=(np.hypot(east - pose.east_m, north - pose.north_m) / depth).astype(np.float32),
        outline=outline,
    )


def overlap(a: View, b: View) -> Window | None:
    """The window that both cover, or None."""
    window = Window(
        max(a.window.row0, b.window.row0),
        min(a.window.row1, b.window.row1),
        max(a.window.col0, b.window.col0),
        min(a.window.col1, b.window.col1),
    )
    return None if window.empty else window


def colour_difference(a: UInt8, b: UInt8) -> Float32:
    """How much two pictures of one place disagree, (rows, cols), grey levels: colour and structure."""
    fa, fb = a.astype(np.float32), b.astype(np.float32)
    plain = cv2.blur(np.abs(fa - fb).mean(axis=2), (3, 3))
    ga, gb = fa.mean(axis=2), fb.mean(axis=2)
    dx = np.abs(cv2.Sobel(ga, cv2.CV_32F, 1, 0, scale=0.25) - cv2.Sobel(gb, cv2.CV_32F, 1, 0, scale=0.25))
    dy = np.abs(cv2.Sobel(ga, cv2.CV_32F, 0, 1, scale=0.25) - cv2.Sobel(gb, cv2.CV_32F, 0, 1, scale=0.25))
    return np.asarray(plain + dx + dy, np.float32)
