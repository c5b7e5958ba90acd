"""Small orthos of every photo on one coarse grid: what seams, exposure and the accuracy check look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from imagery.ortho import (
    MosaicGrid,
    Window,
    between_nodes,
    ground_nodes,
    ground_outline,
    inside_photo,
    project_places,
    warp_photo,
)
from imagery.surface import Surface
from plans.cameras import Camera
from plans.frames import FloatArray, Pose

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

_NODE_STEP_CELLS = 4
_FAR_RADIUS = 1.5  # stands for all that lies outside the photo, NaN included


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

    @cached_property
    def cost(self) -> Float32:
        """How little this photo is wanted at each cell: grows with the lean and towards the image's edge."""
        return self.lean**2 + np.float32(0.15) * np.maximum(self.radius - np.float32(0.6), 0)


def make_view(
    photo: int, camera: Camera, pose: Pose, thumbnail: UInt8, factor: int, cells: MosaicGrid, surface: Surface
) -> View:
    """Orthorectify a thumbnail (the photo reduced by `factor`) onto the coarse grid."""
    outline = ground_outline(camera, pose, surface)
    window = cells.window_of(outline[:, 0], outline[:, 1]).grown(2).clipped(cells.shape)
    enu = ground_nodes(cells, window, surface, _NODE_STEP_CELLS).enu
    node_pixels = project_places(camera, pose, enu)
    depth = np.maximum(pose.up_m - enu[..., 2], 1.0)
    lean = np.hypot(enu[..., 0] - pose.east_m, enu[..., 1] - pose.north_m) / depth
    pixels = between_nodes(node_pixels, window.shape, _NODE_STEP_CELLS)
    source = (pixels + np.float32(0.5)) / np.float32(factor) - np.float32(0.5)
    x, y = cv2.split(pixels - np.array(camera.principal_px, np.float32))
    half = 0.5 * float(np.hypot(camera.image_width_px, camera.image_height_px))
    return View(
        photo=photo,
        window=window,
        colour=warp_photo(thumbnail, source),
        valid=inside_photo(pixels, camera),
        radius=np.fmin(cv2.magnitude(x, y) / np.float32(half), np.float32(_FAR_RADIUS)),
        lean=between_nodes(lean.astype(np.float32), window.shape, _NODE_STEP_CELLS),
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
    plain = cv2.blur(cv2.cvtColor(cv2.absdiff(a, b), cv2.COLOR_BGR2GRAY).astype(np.float32), (3, 3))
    ga, gb = (cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in (a, b))
    for dx, dy in ((1, 0), (0, 1)):
        slope_a, slope_b = (cv2.Sobel(g, cv2.CV_32F, dx, dy, scale=0.25) for g in (ga, gb))
        plain = cv2.add(plain, cv2.absdiff(slope_a, slope_b))
    return np.asarray(plain, np.float32)
