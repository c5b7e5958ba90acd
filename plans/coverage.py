"""Proof of coverage: how many photos see each ground cell, by projecting the cells into the photos."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from rasterio import Affine
from rasterio.enums import Resampling
from rasterio.features import rasterize
from scipy.ndimage import minimum_filter
from shapely import Geometry

from plans.cameras import Camera
from plans.errors import PlanFileError, TerrainError
from plans.frames import FloatArray, LocalFrame, Pose
from plans.terrain import Terrain

NODATA = 65535
_MAX_CELLS = 25_000_000


@dataclass(frozen=True, eq=False)
class Coverage:
    """Photos per ground cell.

    `counts` is (rows north to south, columns west to east), uint16, NODATA outside the zone; (west_m,
    north_m) is the outer corner of the north-west cell.
    """

    frame: LocalFrame
    west_m: float
    north_m: float
    cell_m: float
    counts: npt.NDArray[np.uint16]

    def share(self, views: int) -> float:
        """The share of the zone's cells, 0..1, that at least so many photos see."""
        inside = self.counts != NODATA
        return float((self.counts[inside] >= views).mean()) if inside.any() else 0.0

    @property
    def zone_area_m2(self) -> float:
        """Area of the cells that count."""
        return float((self.counts != NODATA).sum() * self.cell_m**2)


def cell_size_m(camera: Camera, height_agl_m: float, zone: Geometry) -> float:
    """A cell that is a twentieth of a footprint's short side, wider where the zone is huge."""
    west, south, east, north = zone.bounds
    fine = max(min(camera.footprint_m(height_agl_m)) / 20, 0.1)
    return max(fine, math.sqrt((east - west) * (north - south) / _MAX_CELLS))


def count_photos(
    zone: Geometry, poses: Iterable[Pose], camera: Camera, terrain: Terrain, cell_m: float
) -> Coverage:
    """How many of the photos at these poses see each cell of `zone` (local metres) on the terrain.

    A cell counts where its middle, at its ground height, falls into the image (lens distortion included).
    Ground that hides behind other ground is not told apart. Raises TerrainError when cells of the zone have
    no height.
    """
    west, south, east, north = zone.bounds
    rows, cols = max(math.ceil((north - south) / cell_m), 1), max(math.ceil((east - west) / cell_m), 1)
    transform = Affine(cell_m, 0.0, west, 0.0, -cell_m, north)
    inside = rasterize([zone], (rows, cols), transform=transform, dtype="uint8").astype(bool)
    if not inside.any():
        inside = rasterize([zone], (rows, cols), transform=transform, all_touched=True).astype(bool)
    e = west + (np.arange(cols) + 0.5) * cell_m
    n = north - (np.arange(rows) + 0.5) * cell_m
    heights = terrain.at(*np.meshgrid(e, n))
    lacking = inside & ~np.isfinite(heights)
    if lacking.any():
        raise TerrainError(
            f"{terrain.source}: the DEM lacks {lacking.sum() / inside.sum():.1%} of the zone; "
            "take one that covers it"
        )
    counts = np.zeros((rows, cols), np.uint16)
    lowest = _lowest_around(heights, poses := list(poses), camera, cell_m, e, n)
    outline = _outline_rays(camera)
    for pose, low in zip(poses, lowest, strict=True):
        _add_photo(counts, pose, low, camera, outline, e, n, heights)
    counts[~inside] = NODATA
    return Coverage(terrain.frame, west, north, cell_m, counts)


def _lowest_around(
    heights: FloatArray, poses: Sequence[Pose], camera: Camera, cell_m: float, e: FloatArray, n: FloatArray
) -> FloatArray:
    """For each pose the lowest ground that it may see: bounds its footprint."""
    known = np.where(np.isfinite(heights), heights, np.inf)
    if not poses or np.ptp(known[np.isfinite(known)]) < 0.01 * max(p.up_m for p in poses):
        return np.full(len(poses), np.min(known))
    east, north = np.array([p.east_m for p in poses]), np.array([p.north_m for p in poses])
    col = np.clip(((east - e[0]) / cell_m).round().astype(int), 0, len(e) - 1)
    row = np.clip(((n[0] - north) / cell_m).round().astype(int), 0, len(n) - 1)
    above = np.array([p.up_m for p in poses]) - known[row, col]
    reach = max(camera.footprint_m(float(np.median(np.clip(above, 1.0, None))))) * 1.5
    around = minimum_filter(known, size=2 * math.ceil(reach / cell_m) + 1, mode="nearest")
    return np.asarray(around[row, col])


def _add_photo(
    counts: npt.NDArray[np.uint16],
    pose: Pose,
    lowest_m: float,
    camera: Camera,
    outline: FloatArray,
    e: FloatArray,
    n: FloatArray,
    heights: FloatArray,
) -> None:
    rotation = pose.camera_from_enu
    window = _window(pose, lowest_m, outline @ rotation, e, n)
    if window is None:
        return
    rows, cols = window
    counts[rows, cols] += _seen(
        e[cols][None, :] - pose.east_m,
        n[rows][:, None] - pose.north_m,
        heights[rows, cols] - pose.up_m,
        rotation,
        camera,
    )


def _seen(
    east: FloatArray, north: FloatArray, up: FloatArray, rotation: FloatArray, camera: Camera
) -> npt.NDArray[np.bool_]:
    """Which places, given from the camera as east (1, c), north (r, 1) and up (r, c), fall into its image.

    Without distortion the image's edges are four planes through the camera, so nothing need be divided.
    """
    x, y, z = (row[0] * east + row[1] * north + row[2] * up for row in rotation)
    width, height = camera.image_width_px, camera.image_height_px
    if any(camera.distortion):
        pixels = camera.project(np.stack([x, y, z], axis=-1).reshape(-1, 3))
        with np.errstate(invalid="ignore"):
            inside = (np.abs(pixels + 0.5 - [width / 2, height / 2]) <= [width / 2, height / 2]).all(axis=1)
        return np.asarray(inside).reshape(up.shape)
    cx, cy = camera.principal_px
    x, y = x * camera.focal_px, y * camera.focal_px
    seen = (x + (cx + 0.5) * z >= 0) & (x + (cx + 0.5 - width) * z <= 0) & (z > 0)
    return np.asarray(seen & (y + (cy + 0.5) * z >= 0) & (y + (cy + 0.5 - height) * z <= 0))


def _window(
    pose: Pose, lowest_m: float, outline: FloatArray, e: FloatArray, n: FloatArray
) -> tuple[slice, slice] | None:
    """The rows and columns that the photo can reach: its outline, rays (k, 3), on the plane at `lowest_m`."""
    drop = pose.up_m - lowest_m
    if not drop > 0:
        return None
    down = np.maximum(
        -outline[:, 2], 0.05 * np.linalg.norm(outline, axis=1)
    )  # the horizon is cut at 20 drops
    east = pose.east_m + outline[:, 0] / down * drop
    north = pose.north_m + outline[:, 1] / down * drop
    # The outline on higher ground lies between the one below and the point straight under the camera.
    east, north = np.append(east, pose.east_m), np.append(north, pose.north_m)
    c0, c1 = np.searchsorted(e, [east.min(), east.max()])
    r0, r1 = len(n) - np.searchsorted(n[::-1], [north.max(), north.min()], side="right")
    return (slice(r0, r1), slice(c0, c1)) if r1 > r0 and c1 > c0 else None


def _outline_rays(camera: Camera) -> FloatArray:
    w, h = camera.image_width_px - 0.5, camera.image_height_px - 0.5
    corners = [
        (-0.5, -0.5),
        (w / 2, -0.5),
        (w, -0.5),
        (w, h / 2),
        (w, h),
        (w / 2, h),
        (-0.5, h),
        (-0.5, h / 2),
    ]
    return camera.rays(corners)


def write_coverage(coverage: Coverage, path: Path | str) -> Path:
    """Write the counts as a GeoTIFF (uint16, LZW, overviews, nodata 65535) in the plan's local frame.

    Raises PlanFileError when the place cannot be written.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.part")
    rows, cols = coverage.counts.shape
    try:
        with rasterio.open(
            beside,
            "w",
            driver="GTiff",
            width=cols,
            height=rows,
            count=1,
            dtype="uint16",
            crs=coverage.frame.crs.to_wkt(),
            nodata=NODATA,
            compress="lzw",
            tiled=True,
            blockxsize=256,
            blockysize=256,
            transform=Affine(coverage.cell_m, 0.0, coverage.west_m, 0.0, -coverage.cell_m, coverage.north_m),
        ) as out:
            out.write(coverage.counts, 1)
            out.set_band_description(1, "photos per ground cell")
            factors = [f for f in (2, 4, 8, 16) if min(rows, cols) // f >= 64]
            if factors:
                out.build_overviews(factors, Resampling.nearest)
        os.replace(beside, path)
    except (OSError, rasterio.errors.RasterioError) as error:
        beside.unlink(missing_ok=True)
        raise PlanFileError(
            f"{path}: cannot be written ({str(error).splitlines()[0]}); choose another place"
        ) from error
    return path


def footprint(pose: Pose, camera: Camera, ground_m: float) -> shapely.Polygon:
    """The outline of a photo on level ground at a height (AMSL), in local metres.

    Raises TerrainError when the camera does not look down on that ground.
    """
    rays = _outline_rays(camera)[[0, 2, 4, 6]] @ pose.camera_from_enu
    if not pose.up_m > ground_m or np.any(rays[:, 2] >= 0):
        raise TerrainError("a photo that does not look down has no footprint on the ground")
    reach = (ground_m - pose.up_m) / rays[:, 2]
    return shapely.Polygon(
        np.column_stack([pose.east_m + rays[:, 0] * reach, pose.north_m + rays[:, 1] * reach])
    )
