"""Proof of coverage: how many photos see each ground cell, by projecting the cells into the photos."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
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
from plans.frames import FloatArray, LocalFrame, Pose, camera_from_enu
from plans.terrain import Terrain

NODATA = 65535
_MAX_CELLS = 25_000_000
_CELLS_AT_ONCE = 1_000_000


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

    def plus(self, other: Coverage) -> Coverage:
        """The photos of both, which must lie on the same cells."""
        inside = self.counts != NODATA
        return replace(self, counts=np.where(inside, self.counts + other.counts, NODATA).astype(np.uint16))

    @property
    def zone_area_m2(self) -> float:
        """Area of the cells that count."""
        return float((self.counts != NODATA).sum() * self.cell_m**2)


def cell_size_m(camera: Camera, height_agl_m: float, zone: Geometry) -> float:
    """A cell that is a twentieth of a footprint's short side, wider where the zone is huge."""
    west, south, east, north = zone.bounds
    fine = max(min(camera.footprint_m(height_agl_m)) / 20, 0.1)
    return max(fine, math.sqrt((east - west) * (north - south) / _MAX_CELLS))


@dataclass(frozen=True, eq=False)
class GroundCells:
    """The ground of a zone as square cells with heights: what photos are projected onto.

    `inside` is (rows north to south, columns west to east). Heights are held for the windows of the zone's
    parts only, so that far-apart zones cost no more than near ones.
    """

    frame: LocalFrame
    west_m: float
    north_m: float
    cell_m: float
    inside: npt.NDArray[np.bool_]
    windows: tuple[_Window, ...]

    def count(self, poses: Iterable[Pose], camera: Camera) -> Coverage:
        """How many of the photos at these poses see each cell.

        A cell counts where its middle, at its ground height, falls into the image (lens distortion
        included). Ground that hides behind other ground is not told apart.
        """
        views = _Views.of(poses)
        counts = np.full(self.inside.shape, NODATA, np.uint16)
        for window in self.windows:
            own = np.zeros(window.inside.size, np.int64)
            for _, cells, seen in _seen(window, views, camera, self.cell_m):
                own += np.bincount(cells[seen], minlength=own.size)
            part = counts[window.rows, window.cols]
            part[window.inside] = own.reshape(window.inside.shape)[window.inside]
        return Coverage(self.frame, self.west_m, self.north_m, self.cell_m, counts)

    def first_seen_s(self, poses: Sequence[Pose], times_s: FloatArray, camera: Camera) -> FloatArray:
        """When each cell is first photographed, shape of `inside`: the least of `times_s` (one for each
        pose) among the photos that see it; inf where none does, NaN outside the zone."""
        views = _Views.of(poses)
        first = np.full(self.inside.shape, np.nan)
        for window in self.windows:
            own = np.full(window.inside.size, np.inf)
            for photos, cells, seen in _seen(window, views, camera, self.cell_m):
                often = np.count_nonzero(seen, axis=(1, 2))
                np.minimum.at(own, cells[seen], np.repeat(times_s[photos], often))
            part = first[window.rows, window.cols]
            part[window.inside] = own.reshape(window.inside.shape)[window.inside]
        return first


@dataclass(frozen=True, eq=False)
class _Window:
    """A rectangle of cells around one part of the zone: middles east (c,) and north (r,), heights (r, c)."""

    rows: slice
    cols: slice
    east_m: FloatArray
    north_m: FloatArray
    heights_m: FloatArray
    inside: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Views:
    """Photos as arrays: camera centres (n, 3) and rotations camera_from_enu (n, 3, 3)."""

    centres: FloatArray
    rotations: FloatArray

    @classmethod
    def of(cls, poses: Iterable[Pose]) -> _Views:
        rows = [(p.east_m, p.north_m, p.up_m, p.yaw_deg, p.pitch_deg, p.roll_deg) for p in poses]
        if not rows:
            return cls(np.zeros((0, 3)), np.zeros((0, 3, 3)))
        table = np.array(rows)
        return cls(table[:, :3], camera_from_enu(*table[:, 3:].T))


def ground_cells(zone: Geometry, terrain: Terrain, cell_m: float) -> GroundCells:
    """The cells of `zone` (local metres) on the terrain. Raises TerrainError when some have no height."""
    west, south, east, north = zone.bounds
    rows, cols = max(math.ceil((north - south) / cell_m), 1), max(math.ceil((east - west) / cell_m), 1)
    transform = Affine(cell_m, 0.0, west, 0.0, -cell_m, north)
    inside = rasterize([zone], (rows, cols), transform=transform, dtype="uint8").astype(bool)
    if not inside.any():
        inside = rasterize([zone], (rows, cols), transform=transform, all_touched=True).astype(bool)
    windows, lacking = [], 0
    for part in shapely.get_parts(zone):
        w, s, e, n = part.bounds
        c0, c1 = math.floor((w - west) / cell_m), math.ceil((e - west) / cell_m)
        r0, r1 = math.floor((north - n) / cell_m), math.ceil((north - s) / cell_m)
        row, col = slice(max(r0, 0), max(r1, r0 + 1)), slice(max(c0, 0), max(c1, c0 + 1))
        own = inside[row, col]
        middles_e = west + (np.arange(cols)[col] + 0.5) * cell_m
        middles_n = north - (np.arange(rows)[row] + 0.5) * cell_m
        heights = terrain.at(*np.meshgrid(middles_e, middles_n))
        lacking += int((own & ~np.isfinite(heights)).sum())
        windows.append(_Window(row, col, middles_e, middles_n, heights, own))
    if lacking:
        raise TerrainError(
            f"{terrain.source}: the DEM lacks {lacking / inside.sum():.1%} of the zone; "
            "take one that covers it"
        )
    return GroundCells(terrain.frame, west, north, cell_m, inside, tuple(windows))


def count_photos(
    zone: Geometry, poses: Iterable[Pose], camera: Camera, terrain: Terrain, cell_m: float
) -> Coverage:
    """How many of the photos at these poses see each cell of `zone` (local metres) on the terrain: see
    GroundCells.count. Raises TerrainError when cells of the zone have no height."""
    return ground_cells(zone, terrain, cell_m).count(poses, camera)


def _seen(
    window: _Window, views: _Views, camera: Camera, cell_m: float
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.bool_]]]:
    """Photo numbers (p,), flat cells of the window about each (p, r, c), and which of them it sees (p, r, c).

    Photos are taken together by the size of their windows, a few million cells at once.
    """
    if len(views.centres) == 0:
        return
    views, numbers = _near(window, views, camera)
    low, high = _boxes(window, views, camera, cell_m)
    sizes = np.maximum(high - low, 0)
    todo = np.flatnonzero((sizes > 0).all(axis=1))
    todo = todo[np.lexsort((todo, sizes[todo].prod(axis=1)))]
    width = len(window.east_m)
    while len(todo):
        biggest = np.maximum.accumulate(sizes[todo], axis=0).prod(axis=1)
        count = max(int(np.searchsorted(biggest * np.arange(1, len(todo) + 1), _CELLS_AT_ONCE)), 1)
        some, todo = todo[:count], todo[count:]
        tall, wide = sizes[some].max(axis=0)
        rows = low[some, 0, None] + np.arange(tall)
        cols = low[some, 1, None] + np.arange(wide)
        fits = (rows < high[some, 0, None])[:, :, None] & (cols < high[some, 1, None])[:, None, :]
        rows, cols = np.minimum(rows, len(window.north_m) - 1), np.minimum(cols, width - 1)
        flat = rows[:, :, None] * width + cols[:, None, :]
        centres = views.centres[some]
        seen = fits & _in_image(
            _single(window.east_m[cols] - centres[:, 0, None])[:, None, :],
            _single(window.north_m[rows] - centres[:, 1, None])[:, :, None],
            _single(window.heights_m.ravel()[flat] - centres[:, 2, None, None]),
            _single(views.rotations[some]),
            camera,
        )
        yield numbers[some], flat, seen


_Single = npt.NDArray[np.float32]


def _single(values: FloatArray) -> _Single:
    """Single precision: differences from the camera, some hundred metres, keep a tenth of a millimetre."""
    return values.astype(np.float32)


def _in_image(
    east: _Single, north: _Single, up: _Single, rotations: _Single, camera: Camera
) -> npt.NDArray[np.bool_]:
    """Which places, from their cameras east (p, 1, c), north (p, r, 1) and up (p, r, c), are in the image.

    Without distortion the image's edges are four planes through the camera, so nothing need be divided.
    """
    turn = rotations[:, :, :, None, None]
    x, y, z = (turn[:, i, 0] * east + turn[:, i, 1] * north + turn[:, i, 2] * up for i in range(3))
    width, height = camera.image_width_px, camera.image_height_px
    if any(camera.distortion):
        pixels = camera.project(np.stack([x, y, z], axis=-1).reshape(-1, 3))
        with np.errstate(invalid="ignore"):
            inside = (np.abs(pixels + 0.5 - [width / 2, height / 2]) <= [width / 2, height / 2]).all(axis=1)
        return np.asarray(inside).reshape(up.shape)
    cx, cy = camera.principal_px
    x *= camera.focal_px
    y *= camera.focal_px
    seen = (x + (cx + 0.5) * z >= 0) & (x + (cx + 0.5 - width) * z <= 0) & (z > 0)
    seen &= (y + (cy + 0.5) * z >= 0) & (y + (cy + 0.5 - height) * z <= 0)
    return np.asarray(seen)


def _near(window: _Window, views: _Views, camera: Camera) -> tuple[_Views, npt.NDArray[np.intp]]:
    """The photos that can reach the window, and their numbers: those that look down (within 30 degrees) from
    further than their footprint's reach are left out."""
    low = np.nanmin(window.heights_m)
    width, length = camera.footprint_m(1.0)
    reach = np.maximum(views.centres[:, 2] - low, 0.0) * (math.hypot(width, length) + 1.0)
    oblique = views.rotations[:, 2, 2] > -math.cos(math.radians(30.0))
    beside = np.maximum(
        np.maximum(window.east_m[0] - views.centres[:, 0], views.centres[:, 0] - window.east_m[-1]),
        np.maximum(window.north_m[-1] - views.centres[:, 1], views.centres[:, 1] - window.north_m[0]),
    )
    chosen = np.flatnonzero(oblique | (beside < 2 * reach))
    return _Views(views.centres[chosen], views.rotations[chosen]), chosen


def _boxes(
    window: _Window, views: _Views, camera: Camera, cell_m: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """First and past-the-last (row, column) of the window, each (n, 2), that photos can reach: their outlines
    on the plane of the lowest ground about them."""
    outline = np.einsum("kj,nji->nki", _outline_rays(camera), views.rotations)
    drop = views.centres[:, 2] - _lowest_around(window, views, camera, cell_m)
    # The horizon is cut at 20 drops.
    down = np.maximum(-outline[:, :, 2], 0.05 * np.linalg.norm(outline, axis=2))
    reach = outline[:, :, :2] / down[:, :, None] * drop[:, None, None]
    # The outline on higher ground lies between the one below and the point straight under the camera.
    least = views.centres[:, :2] + np.minimum(reach.min(axis=1), 0.0)
    most = views.centres[:, :2] + np.maximum(reach.max(axis=1), 0.0)
    east, south = window.east_m, window.north_m[::-1]
    cols = np.searchsorted(east, [least[:, 0], most[:, 0]])
    rows = len(south) - np.searchsorted(south, [most[:, 1], least[:, 1]], side="right")
    low, high = np.column_stack([rows[0], cols[0]]), np.column_stack([rows[1] + 1, cols[1] + 1])
    limit = [len(south), len(east)]
    high = np.minimum(high, limit)
    high[~(drop > 0)] = 0
    return np.minimum(low, limit), high


def _lowest_around(window: _Window, views: _Views, camera: Camera, cell_m: float) -> FloatArray:
    """For each photo the lowest ground (n,) that it may see: bounds its footprint."""
    known = np.where(np.isfinite(window.heights_m), window.heights_m, np.inf)
    if len(views.centres) == 0:
        return np.zeros(0)
    level = np.ptp(known[np.isfinite(known)]) < 0.01 * views.centres[:, 2].max()
    if level:
        return np.full(len(views.centres), np.min(known))
    east, north = window.east_m, window.north_m
    col = np.clip(((views.centres[:, 0] - east[0]) / cell_m).round().astype(int), 0, len(east) - 1)
    row = np.clip(((north[0] - views.centres[:, 1]) / cell_m).round().astype(int), 0, len(north) - 1)
    above = views.centres[:, 2] - known[row, col]
    reach = max(camera.footprint_m(float(np.median(np.clip(above, 1.0, None))))) * 1.5
    around = minimum_filter(known, size=2 * math.ceil(reach / cell_m) + 1, mode="nearest")
    return np.asarray(around[row, col])


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
