"""From photos to the ground: the mosaic's pixel grid, and photos warped onto it by camera and surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
import pyproj
from affine import Affine

from imagery.surface import Surface
from plans.cameras import Camera
from plans.frames import FloatArray, LocalFrame, Pose

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]

NODE_STEP_PX = 16
"""Projection is exact at nodes 16 pixels apart and linear between (error under 0.01 px on any real slope)."""
_ANCHOR_M = 64.0
"""Between places so far apart two map projections differ linearly, to a third of a millimetre in any CRS."""
EDGE_MARGIN_PX = 4.0
"""Outermost pixels of a photo that are not used: lens edge and interpolation."""


@dataclass(frozen=True)
class Window:
    """A rectangle of a pixel grid: rows row0..row1, columns col0..col1, ends excluded."""

    row0: int
    row1: int
    col0: int
    col1: int

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return self.row1 - self.row0, self.col1 - self.col0

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.row1 <= self.row0 or self.col1 <= self.col0

    @property
    def slices(self) -> tuple[slice, slice]:
        """For indexing an array of the whole grid."""
        return slice(self.row0, self.row1), slice(self.col0, self.col1)

    def grown(self, margin: int) -> Window:
        """The window with a margin on every side."""
        return Window(self.row0 - margin, self.row1 + margin, self.col0 - margin, self.col1 + margin)

    def clipped(self, shape: tuple[int, int]) -> Window:
        """What of it lies in a grid of this shape."""
        return Window(
            max(self.row0, 0), min(self.row1, shape[0]), max(self.col0, 0), min(self.col1, shape[1])
        )

    def within(self, outer: Window) -> tuple[slice, slice]:
        """Slices of this window in an array that covers `outer`."""
        return (
            slice(self.row0 - outer.row0, self.row1 - outer.row0),
            slice(self.col0 - outer.col0, self.col1 - outer.col0),
        )


@dataclass(frozen=True)
class MosaicGrid:
    """North-up pixels of a metric CRS over the block: `west`, `north` of the outer corner, square pixels."""

    epsg: int
    frame: LocalFrame
    west: float
    north: float
    gsd_m: float
    rows: int
    cols: int

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return self.rows, self.cols

    @property
    def transform(self) -> Affine:
        """Pixel corners to CRS."""
        return Affine(self.gsd_m, 0, self.west, 0, -self.gsd_m, self.north)

    @property
    def crs(self) -> pyproj.CRS:
        """The grid's CRS."""
        return pyproj.CRS.from_epsg(self.epsg)

    def coarser(self, factor: int) -> MosaicGrid:
        """The grid of cells of factor x factor pixels; the last ones may reach over the edge."""
        return MosaicGrid(
            self.epsg,
            self.frame,
            self.west,
            self.north,
            self.gsd_m * factor,
            -(-self.rows // factor),
            -(-self.cols // factor),
        )

    def local_places(self, rows: npt.ArrayLike, cols: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """(east_m, north_m), each (len(rows), len(cols)), of pixel centres at these (fractional) indices."""
        x, in_x = _anchored(self.west + (np.asarray(cols, float) + 0.5) * self.gsd_m)
        y, in_y = _anchored(self.north - (np.asarray(rows, float) + 0.5) * self.gsd_m)
        east, north = local_from_map(self.epsg, self.frame).transform(*np.meshgrid(x, y))
        return in_y @ east @ in_x.T, in_y @ north @ in_x.T

    def map_places(self, east_m: npt.ArrayLike, north_m: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """(x, y) in the grid's CRS of local places."""
        to_local = local_from_map(self.epsg, self.frame)
        x, y = to_local.transform(np.asarray(east_m, float), np.asarray(north_m, float), direction="INVERSE")
        return np.asarray(x), np.asarray(y)

    def window_of(self, east_m: FloatArray, north_m: FloatArray) -> Window:
        """The smallest window that holds these local places."""
        x, y = self.map_places(east_m, north_m)
        cols = (x - self.west) / self.gsd_m
        rows = (self.north - y) / self.gsd_m
        return Window(
            int(np.floor(rows.min())),
            int(np.ceil(rows.max())),
            int(np.floor(cols.min())),
            int(np.ceil(cols.max())),
        ).clipped(self.shape)


@lru_cache(maxsize=8)
def local_from_map(epsg: int, frame: LocalFrame) -> pyproj.Transformer:
    """From a CRS to the local frame; threads may share it. It takes as long to make as painting a photo."""
    return pyproj.Transformer.from_crs(pyproj.CRS.from_epsg(epsg), frame.crs, always_xy=True)


def _anchored(along: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Few places (k,) on a line instead of many (n,), and the weights (n, k) by which those are between
    these."""
    first, last = along.min(), along.max()
    count = max(2, int(np.ceil((last - first) / _ANCHOR_M)) + 1)
    if count >= len(along):
        return along, np.eye(len(along))
    at = (along - first) * ((count - 1) / (last - first))
    left = np.minimum(at.astype(int), count - 2)
    weights = np.zeros((len(along), count))
    weights[np.arange(len(along)), left] = 1 - (at - left)
    weights[np.arange(len(along)), left + 1] = at - left
    return np.linspace(first, last, count), weights


def utm_epsg(lat_deg: float, lon_deg: float) -> int:
    """EPSG code of the place's UTM zone on WGS84."""
    zone = int((lon_deg + 180) // 6) % 60 + 1
    return (32600 if lat_deg >= 0 else 32700) + zone


def ground_outline(camera: Camera, pose: Pose, surface: Surface, per_side: int = 9) -> FloatArray:
    """Local places (n, 2) where the image's border meets the surface, in order around it."""
    w, h = camera.image_width_px - 1.0, camera.image_height_px - 1.0
    t = np.linspace(0, 1, per_side)[:-1]
    ones = np.ones_like(t)
    border = np.concatenate(
        [
            np.stack([w * t, 0 * ones], 1),
            np.stack([w * ones, h * t], 1),
            np.stack([w * (1 - t), h * ones], 1),
            np.stack([0 * ones, h * (1 - t)], 1),
        ]
    )
    rays = camera.rays(border) @ pose.camera_from_enu
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    down = np.maximum(-rays[:, 2], 0.25)
    height = np.full(len(rays), pose.up_m - float(surface.at([pose.east_m], [pose.north_m])[0]))
    for _ in range(4):  # fixed point: where the ray is at the surface's height
        reach = np.maximum(height, 1.0) / down
        places = np.stack([pose.east_m + rays[:, 0] * reach, pose.north_m + rays[:, 1] * reach], axis=1)
        height = pose.up_m - surface.at(places[:, 0], places[:, 1]).astype(float)
    return places


def make_grid(
    frame: LocalFrame, outlines: Sequence[FloatArray], gsd_m: float, epsg: int | None = None
) -> MosaicGrid:
    """The pixel grid that holds all outlines (local metres), aligned to whole pixels of the CRS."""
    places = np.concatenate(list(outlines))
    epsg = epsg or utm_epsg(frame.origin_lat_deg, frame.origin_lon_deg)
    x, y = local_from_map(epsg, frame).transform(places[:, 0], places[:, 1], direction="INVERSE")
    west, north = np.floor(np.min(x) / gsd_m) * gsd_m, np.ceil(np.max(y) / gsd_m) * gsd_m
    return MosaicGrid(
        epsg,
        frame,
        float(west),
        float(north),
        gsd_m,
        int(np.ceil((north - np.min(y)) / gsd_m)),
        int(np.ceil((np.max(x) - west) / gsd_m)),
    )


@dataclass(frozen=True)
class GroundNodes:
    """Places and heights over a window, one node in the middle of each step x step pixels and a ring of them
    around it: (rows, cols, 3) ENU, float64."""

    window: Window
    enu: FloatArray

    def part(self, window: Window, step: int = NODE_STEP_PX) -> FloatArray:
        """The nodes of a part, counted from this window's corner, that begins and ends at whole steps."""
        row, col = window.row0 // step, window.col0 // step
        return self.enu[row : row + window.shape[0] // step + 2, col : col + window.shape[1] // step + 2]


def ground_nodes(grid: MosaicGrid, window: Window, surface: Surface, step: int = NODE_STEP_PX) -> GroundNodes:
    """The nodes that cover a window of the grid."""
    rows, cols = (step * (np.arange(-(-n // step) + 2) - 0.5) - 0.5 for n in window.shape)
    east, north = grid.local_places(window.row0 + rows, window.col0 + cols)
    return GroundNodes(window, np.stack([east, north, surface.at(east, north)], axis=2))


def drawn_nodes(enu: FloatArray, field_px: Float32) -> FloatArray:
    """Nodes (..., rows, cols, 3) moved along the ground by pixels (..., rows, cols, 2), right and down."""
    down, right = (np.gradient(enu, NODE_STEP_PX, axis=axis) for axis in (-3, -2))
    return np.asarray(enu + right * field_px[..., :1] + down * field_px[..., 1:])


def project_places(camera: Camera, pose: Pose, enu: FloatArray) -> Float32:
    """Pixels (rows, cols, 2) of places (rows, cols, 3); NaN far outside the lens's field.

    Beyond the image's corner the distortion polynomial may fold back: such rays are outside, not mirrored in.
    NaN and not a number far away: between two nodes on either side of a photo, numbers would run through it.
    """
    flat = (enu.reshape(-1, 3) - pose.centre) @ pose.camera_from_enu.T
    pixels = camera.project(flat)
    with np.errstate(divide="ignore", invalid="ignore"):
        radius = np.hypot(flat[:, 0], flat[:, 1]) / flat[:, 2]
    reach = 1.25 * np.hypot(camera.image_width_px, camera.image_height_px) / 2 / camera.focal_px
    pixels[~(flat[:, 2] > 0) | ~(radius < min(reach, camera.fold_radius))] = np.nan
    return pixels.reshape(*enu.shape[:2], 2).astype(np.float32)


def inside_photo(pixels: Float32, camera: Camera, margin_px: float = EDGE_MARGIN_PX) -> npt.NDArray[np.bool_]:
    """Which pixels (..., 2) lie in the photo, away from its edge."""
    x, y = pixels[..., 0], pixels[..., 1]
    inside = (x >= margin_px) & (x <= camera.image_width_px - 1 - margin_px)
    return np.asarray(inside & (y >= margin_px) & (y <= camera.image_height_px - 1 - margin_px))


def pixel_map(
    node_pixels: Float32, shape: tuple[int, int], factor: float, corner: tuple[int, int]
) -> Float32:
    """Where each pixel of a window comes from: (rows, cols, 2), counted from `corner` (x, y) of a photo
    reduced by `factor`."""
    reduced = (node_pixels + np.float32(0.5)) / np.float32(factor) - np.array(corner, np.float32)
    return between_nodes((reduced - np.float32(0.5)).astype(np.float32), shape)


def between_nodes(values: Float32, shape: tuple[int, int], step: int = NODE_STEP_PX) -> Float32:
    """Node values (rows, cols[, channels]) at every pixel of a window of this shape, linear between nodes."""
    size = (values.shape[1] * step, values.shape[0] * step)
    whole = cv2.resize(values, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(whole[step : step + shape[0], step : step + shape[1]], np.float32)


def warp_photo(image: UInt8, source: Float32) -> UInt8:
    """The photo resampled at `source` (rows, cols, 2) of its pixels; beyond its edge the edge is repeated."""
    warped = cv2.remap(  # type: ignore[call-overload]  # the stubs do not know that map2 may be None
        image, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.uint8)
