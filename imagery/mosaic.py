"""The mosaic as a list of stages: read, find features, match, adjust, render, write."""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from shapely import Polygon
from threadpoolctl import threadpool_limits

from imagery.adjust import Adjustment, Measure, State, adjust_block
from imagery.blend import Painting, paint_tile
from imagery.consistency import mend_headings
from imagery.control import ControlPoint, read_control
from imagery.control_report import ControlReport, control_warnings
from imagery.errors import MosaicError
from imagery.exposure import Exposure, solve_exposure
from imagery.features import FeatureRules, Features, UInt8, decode, decode_grey
from imagery.found import Found
from imagery.jpeg_cog import SQUARE_PX, CogFrame, JpegCog, Square, pack_square
from imagery.marks import marks_in_block
from imagery.ortho import MosaicGrid, Window, ground_outline, make_grid
from imagery.photos import Block, Dropped, Photo, list_photo_files, read_block
from imagery.quality import (
    BY_PRIORS,
    BY_TIE_POINTS,
    MosaicReport,
    PlacedPhoto,
    count_of_views,
    peak_rss_mb,
    position_rms_m,
    seam_rms_px,
)
from imagery.raster_io import whole_file, write_cog
from imagery.refine import refine_tracks
from imagery.seams import Labels, SeamRules, find_seams
from imagery.shelf import PhotoShelf
from imagery.surface import Bounds, Surface, flat_surface, good_points, read_dem, surface_from_points
from imagery.tracks import Tracks, build_tracks, thin_tracks
from imagery.unplaced import pairs_to_match, place_unplaced
from imagery.views import View, make_view
from plans.frames import FloatArray

Ids = npt.NDArray[np.int64]

Progress = Callable[[str, float], None]

CELL_PX = 8
STRIP_SQUARES = 4
TIES_PER_PHOTO = 400
MEASURED_PX = 2e6
JPEG_QUALITY = 92
DEFAULT_MEMORY_MB = 2000


@dataclass(frozen=True)
class MosaicOptions:
    """How a mosaic is made.

    `gsd_m` None means the photos' own; `crs_epsg` None the place's UTM zone; `memory_mb` bounds the decoded
    photos that are held at a time; `control` names a file of ground control points (imagery.control).
    """

    gsd_m: float | None = None
    dem: Path | None = None
    crs_epsg: int | None = None
    quality: str = "full"
    workers: int = field(default_factory=lambda: max(1, os.cpu_count() or 1))
    memory_mb: int | None = None
    control: Path | None = None

    def __post_init__(self) -> None:
        if self.quality not in ("quick", "full"):
            raise MosaicError(f"quality {self.quality!r} is not known; use quick or full")
        if self.gsd_m is not None and not 0.001 <= self.gsd_m <= 100:
            raise MosaicError(f"a pixel of {100 * self.gsd_m:g} cm makes no mosaic; use 0.1 to 10000 cm")
        if self.workers < 1 or (self.memory_mb or 2000) < 200:
            raise MosaicError("a mosaic needs at least one worker and 200 MB of memory")

    @property
    def quick(self) -> bool:
        """Whether speed goes before looks."""
        return self.quality == "quick"


def make_mosaic(
    photos_dir: Path,
    out: Path,
    options: MosaicOptions | None = None,
    on_progress: Progress | None = None,
    *,
    found: Found | None = None,
    finders: Executor | None = None,
) -> MosaicReport:
    """Make an orthomosaic of a folder of photos; writes `out` (COG) and OUT.source.tif, OUT.views.tif beside.

    `found` keeps features and matches from one run to the next; `finders` finds them elsewhere than on this
    machine.

    Raises ImageryError (or TerrainError for the DEM) when nothing usable remains or a file cannot be written.
    """
    options = options or MosaicOptions()
    run = _Run(options, on_progress or (lambda stage, share: None), found or Found(feature_rules(options)))
    with _one_thread_each(), ThreadPoolExecutor(options.workers) as pool:
        block, features = run.read(Path(photos_dir), finders or pool)
        block, placed, adjustment = run.place(block, features, finders or pool)
        return run.render(block, placed, adjustment, Path(out), pool)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Our workers are the parallelism; threads of OpenCV and of the linear algebra would fight them."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        cv2.setNumThreads(before)


class _Run:
    """One run: options, the clock, and what is to be told at the end."""

    def __init__(self, options: MosaicOptions, on_progress: Progress, found: Found) -> None:
        self._options, self._progress, self._found = options, on_progress, found
        self._started = time.perf_counter()
        self._seconds: dict[str, float] = {}
        self._dropped: list[Dropped] = []
        self._warnings: list[str] = []
        self._given = 0
        self._control: tuple[ControlPoint, ...] = read_control(options.control) if options.control else ()

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        self._progress(name, 0.0)
        yield
        self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - begun
        self._progress(name, 1.0)

    def read(self, folder: Path, pool: Executor) -> tuple[Block, list[Features]]:
        """Tags, then features; files that turn out to be damaged leave the block."""
        files = list_photo_files(folder)  # a folder that is not there is no stage of the work
        self._given = len(files)
        with self._stage("read"):
            block, dropped = read_block(files, anchors=[p.place for p in self._control])
            self._dropped += dropped
            if self._control:
                self._warnings += control_warnings(marks_in_block(self._control, block))
        with self._stage("features"):
            found = self._found.features(block.photos, pool, lambda s: self._progress("features", s))
            kept: list[Photo] = []
            features: list[Features] = []
            for photo, result in zip(block.photos, found, strict=True):
                if isinstance(result, str):
                    self._dropped.append(Dropped(photo.name, result))
                else:
                    kept.append(replace(photo, index=len(kept)))
                    features.append(result)
            if not kept:
                raise MosaicError(f"no usable photo: {self._dropped[-1].reason}")
        return replace(block, photos=tuple(kept)), features

    def place(
        self, block: Block, features: list[Features], pool: Executor
    ) -> tuple[Block, list[Features], Adjustment]:
        """Match neighbours and adjust the block; photos that nothing places leave it."""
        with self._stage("match"):
            pairs = pairs_to_match(block, features)
            matches = self._found.matches(block.photos, pairs, pool, lambda s: self._progress("match", s))
        with self._stage("adjust"):
            found = place_unplaced(block, features, matches, self._control)
            block, features, matches = found.block, found.features, found.matches
            self._dropped += found.dropped
            block, faults = mend_headings(block, features, matches)
            self._warnings += [
                f"{f.name}: heading in the tags {f.tag_deg:.0f} deg, by the matches {f.mended_deg:.0f} deg"
                for f in faults
            ]
            sizes = [(p.camera.image_width_px, p.camera.image_height_px) for p in block.photos]
            tracks = thin_tracks(build_tracks(features, matches), sizes, TIES_PER_PHOTO)
            marks = marks_in_block(self._control, block) if self._control else None
            adjustment = adjust_block(block, tracks, measure=self._measure(block, pool), marks=marks)
        return block, features, adjustment

    def _measure(self, block: Block, pool: Executor) -> Measure | None:
        """Tie points in pictures of two megapixels and more; not at all where speed goes first."""
        if self._options.quick:
            return None
        factors = []
        for photo in block.photos:
            pixels = photo.camera.image_width_px * photo.camera.image_height_px
            factors.append(next(f for f in (4, 2, 1) if pixels / f**2 >= MEASURED_PX or f == 1))

        def measure(tracks: Tracks, state: State, lenses: FloatArray) -> tuple[Tracks, Ids]:
            def grey(photo: int, factor: int) -> UInt8:
                return decode_grey(block.photos[photo].path, factor)

            return refine_tracks(
                tracks, state.rotations, state.centres, lenses, state.points, factors, grey, pool
            )

        return measure

    def render(
        self, block: Block, features: Sequence[Features], adjustment: Adjustment, out: Path, pool: Executor
    ) -> MosaicReport:
        """Surface, seams, exposure, tiles, files."""
        with self._stage("render"):
            surface = make_surface(block, adjustment, self._options)
            grid = _grid(block, adjustment, surface, self._options)
            cells = grid.coarser(CELL_PX)
            views = list(
                pool.map(
                    lambda i: make_view(
                        i,
                        adjustment.cameras[i],
                        adjustment.poses[i],
                        features[i].thumbnail,
                        features[i].thumbnail_factor,
                        cells,
                        surface,
                    ),
                    range(len(block.photos)),
                )
            )
            exposure = solve_exposure(views, len(block.photos))
            labels = find_seams(
                views,
                exposure,
                cells.shape,
                [bool(t) for t in adjustment.tied],
                SeamRules(graph_cut=not self._options.quick),
            )
            painting = _painting(grid, labels, surface, adjustment, exposure)
            area = self._write(painting, block, out, pool)
            self._write_companions(cells, labels, views, block, out)
        self._seconds["total"] = time.perf_counter() - self._started
        return MosaicReport(
            photos=_placed(block, adjustment, views, features),
            photos_given=self._given,
            dropped=tuple(self._dropped),
            warnings=tuple(self._warnings),
            gsd_m=grid.gsd_m,
            reprojection_rms_px=adjustment.reprojection_rms_px,
            seam_rms_px=seam_rms_px(views, labels, CELL_PX),
            position_rms_m=position_rms_m(block, adjustment),
            area_m2=area,
            seconds=self._seconds,
            peak_rss_mb=peak_rss_mb(),
            epsg=grid.epsg,
            lag_s=float(np.median(adjustment.lags_s)),
            control=ControlReport(adjustment.control, grid.gsd_m) if adjustment.control else None,
        )

    def _write(self, painting: Painting, block: Block, out: Path, pool: Executor) -> float:
        """Paint all squares; the area in m2. Nothing stands under `out` before it is whole."""
        grid = painting.grid
        frame = CogFrame(*grid.shape, grid.west, grid.north, grid.gsd_m, grid.epsg, _acquired(block))
        spool_path = out.with_name(f".{out.stem}.tiles{os.getpid()}")
        with whole_file(out) as part:
            try:
                with open(spool_path, "w+b") as spool:
                    cog = JpegCog(frame, spool, JPEG_QUALITY)
                    pixels = self._paint(painting, block, cog, pool)
                    if pixels == 0:
                        raise MosaicError("no photo shows any ground; check their tags and the DEM")
                    cog.write(part)
            finally:
                spool_path.unlink(missing_ok=True)
        return pixels * grid.gsd_m**2

    def _paint(self, painting: Painting, block: Block, cog: JpegCog, pool: Executor) -> int:
        shelf = PhotoShelf(
            lambda i, factor: decode(block.photos[i].path, factor),
            (self._options.memory_mb or DEFAULT_MEMORY_MB) * 500_000,
        )

        def paint(window: Window) -> tuple[Square, int]:
            tile = paint_tile(painting, window, shelf.get)
            place = window.row0 // SQUARE_PX, window.col0 // SQUARE_PX
            if tile is None:
                return Square(*place), 0
            return pack_square(*place, tile.colour, tile.mask, JPEG_QUALITY), int(tile.mask.sum())

        windows = _square_windows(painting.grid.shape)
        pixels = 0
        jobs: deque[Future[tuple[Square, int]]] = deque()
        ahead = iter(windows)
        for window in itertools.islice(ahead, 2 * self._options.workers):
            jobs.append(pool.submit(paint, window))
        for n in range(len(windows)):
            square, covered = jobs.popleft().result()
            for window in itertools.islice(ahead, 1):
                jobs.append(pool.submit(paint, window))
            cog.add(square)
            pixels += covered
            self._progress("render", (n + 1) / len(windows))
        return pixels

    def _write_companions(
        self, cells: MosaicGrid, labels: Labels, views: Sequence[View], block: Block, out: Path
    ) -> None:
        """OUT.source.tif: photo number (1..n, 0 none) per cell; OUT.views.tif: how many photos see it."""
        names = {f"PHOTO_{p.index + 1}": p.name for p in block.photos}
        write_cog(
            out.with_name(f"{out.stem}.source.tif"),
            (labels + 1).astype(np.uint16),
            cells.transform,
            cells.crs,
            nodata=0,
            resampling="nearest",
            tags=names,
        )
        write_cog(
            out.with_name(f"{out.stem}.views.tif"),
            count_of_views(views, cells.shape),
            cells.transform,
            cells.crs,
            nodata=0,
            resampling="nearest",
        )


def feature_rules(options: MosaicOptions) -> FeatureRules:
    """Feature settings of a quality."""
    return FeatureRules(per_photo=800) if options.quick else FeatureRules()


def make_surface(block: Block, adjustment: Adjustment, options: MosaicOptions) -> Surface:
    """The ground under the block: the DEM where given, bent to the adjusted points."""
    level = flat_surface(_bounds(adjustment, adjustment.ground_up_m, 0.0), adjustment.ground_up_m)
    outlines = np.concatenate(
        [ground_outline(c, p, level) for c, p in zip(adjustment.cameras, adjustment.poses, strict=True)]
    )
    west, south = outlines.min(axis=0) - 10.0
    east, north = outlines.max(axis=0) + 10.0
    bounds = (float(west), float(south), float(east), float(north))
    points = good_points(adjustment)
    base = None
    if options.dem is not None:
        base = read_dem(options.dem, block.frame, bounds, max(1.0, (bounds[2] - bounds[0]) / 1500))
    return surface_from_points(points, bounds, 1.0, base=base) if len(points) else base or level


def _bounds(adjustment: Adjustment, ground_m: float, margin_m: float) -> Bounds:
    centres = np.array([p.centre for p in adjustment.poses])
    low, high = centres.min(axis=0) - margin_m, centres.max(axis=0) + margin_m
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _native_gsd_m(adjustment: Adjustment, surface: Surface) -> float:
    ground = [float(surface.at([p.east_m], [p.north_m])[0]) for p in adjustment.poses]
    return float(
        np.median(
            [
                max(p.up_m - g, 1.0) / c.focal_px
                for p, g, c in zip(adjustment.poses, ground, adjustment.cameras, strict=True)
            ]
        )
    )


def _grid(block: Block, adjustment: Adjustment, surface: Surface, options: MosaicOptions) -> MosaicGrid:
    native = _native_gsd_m(adjustment, surface)
    gsd = options.gsd_m or native * (2 if options.quick else 1)
    outlines = [
        ground_outline(c, p, surface) for c, p in zip(adjustment.cameras, adjustment.poses, strict=True)
    ]
    return make_grid(block.frame, outlines, gsd, options.crs_epsg)


def _painting(
    grid: MosaicGrid, labels: Labels, surface: Surface, adjustment: Adjustment, exposure: Exposure
) -> Painting:
    factors = []
    for pose, camera in zip(adjustment.poses, adjustment.cameras, strict=True):
        own = max(pose.up_m - float(surface.at([pose.east_m], [pose.north_m])[0]), 1.0) / camera.focal_px
        factor = 1
        while factor < 8 and own * factor * 2 <= grid.gsd_m * 1.15:
            factor *= 2
        factors.append(factor)
    return Painting(
        grid, labels, CELL_PX, surface, adjustment.cameras, adjustment.poses, exposure, tuple(factors)
    )


def _square_windows(shape: tuple[int, int]) -> list[Window]:
    """Squares in strips, each in rows to and fro: neighbours in time are neighbours in place, and the photos
    of a strip's rows are few enough to stay decoded."""
    windows = []
    for left in range(0, shape[1], STRIP_SQUARES * SQUARE_PX):
        right = min(left + STRIP_SQUARES * SQUARE_PX, shape[1])
        for n, row in enumerate(range(0, shape[0], SQUARE_PX)):
            line = [
                Window(row, min(row + SQUARE_PX, shape[0]), col, min(col + SQUARE_PX, shape[1]))
                for col in range(left, right, SQUARE_PX)
            ]
            windows += line if n % 2 == 0 else line[::-1]
    return windows


def _acquired(block: Block) -> dict[str, str]:
    """When the photos were taken, as raster tags; empty where one of them does not tell in UTC."""
    times = [p.time_utc for p in block.photos if p.time_utc is not None]
    if len(times) < len(block.photos):
        return {}
    first, last = (t.isoformat(timespec="seconds") for t in (min(times), max(times)))
    return {"ACQUIRED_UTC": first, "ACQUIRED_END_UTC": last}


def _placed(
    block: Block, adjustment: Adjustment, views: Sequence[View], features: Sequence[Features]
) -> tuple[PlacedPhoto, ...]:
    counts = np.bincount(adjustment.tracks.photo, minlength=len(block.photos))
    placed = []
    for photo, pose, tied, view in zip(block.photos, adjustment.poses, adjustment.tied, views, strict=True):
        lat, lon = block.frame.to_geo(view.outline[:, 0], view.outline[:, 1])
        centre_lat, centre_lon = block.frame.to_geo(pose.east_m, pose.north_m)
        placed.append(
            PlacedPhoto(
                name=photo.name,
                footprint=Polygon(np.stack([lon, lat], axis=1)),
                pose=pose,
                lat_deg=float(centre_lat),
                lon_deg=float(centre_lon),
                placed_by=BY_TIE_POINTS if tied else BY_PRIORS,
                tie_points=int(counts[photo.index]),
                sharpness=features[photo.index].sharpness,
            )
        )
    return tuple(placed)


__all__ = ["Exposure", "MosaicOptions", "MosaicReport", "PlacedPhoto", "make_mosaic"]
