"""The mosaic as a list of stages: read, find features, match, adjust, render, write."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from shapely import Polygon
from threadpoolctl import threadpool_limits

from imagery.account import account_of, write_quality
from imagery.adjust import Adjustment, Measure, State, adjust_block
from imagery.coherence import without_moving
from imagery.consistency import mend_priors
from imagery.control import ControlPoint, read_control
from imagery.control_report import ControlReport, control_warnings
from imagery.errors import MosaicError, PhotoError
from imagery.features import FeatureRules, Features, read_photo_bytes
from imagery.found import Found
from imagery.geo_file import GeoTags, read_geo_file
from imagery.marks import marks_in_block
from imagery.matching import PairMatches
from imagery.outward import with_outward
from imagery.photos import Block, Dropped, Photo, list_photo_files, read_block
from imagery.quality import (
    BY_PRIORS,
    BY_TIE_POINTS,
    MosaicReport,
    PlacedPhoto,
    peak_rss_mb,
    position_rms_m,
)
from imagery.refine import refine_tracks
from imagery.render import RenderRules, lay_out, paint_mosaic, write_companions
from imagery.scratch import must_be_writable
from imagery.second_look import left_out, with_proven
from imagery.shelf import Greys, Pictures
from imagery.strangers import without_strangers
from imagery.tracks import Tracks, build_tracks, thin_tracks
from imagery.unplaced import pairs_to_match, place_unplaced
from imagery.workers import Threads, Workers
from plans.frames import FloatArray

Ids = npt.NDArray[np.int64]

Progress = Callable[[str, float], None]

TIES_PER_PHOTO = 400
MEASURED_PX = 2e6
DRAFT_PX = 5e5
DEFAULT_MEMORY_MB = 3000
KEPT_SHARE = 0.25
"""Of the memory budget: where all decoded photos fit into it, they are kept and decoded once."""


@dataclass(frozen=True)
class MosaicOptions:
    """How a mosaic is made.

    `gsd_m` None means the photos' own; `crs_epsg` None the place's UTM zone; `memory_mb` is what the
    whole run may take; `control` names a file of ground control points (imagery.control),
    `geotags` one with positions of photos (imagery.geo_file).
    """

    gsd_m: float | None = None
    dem: Path | None = None
    crs_epsg: int | None = None
    quality: str = "full"
    workers: int = field(default_factory=lambda: max(1, os.cpu_count() or 1))
    memory_mb: int | None = None
    control: Path | None = None
    geotags: Path | None = None

    def __post_init__(self) -> None:
        if self.quality not in ("quick", "full"):
            raise MosaicError(f"quality {self.quality!r} is not known; use quick or full")
        if self.gsd_m is not None and not 0.001 <= self.gsd_m <= 100:
            raise MosaicError(f"a pixel of {100 * self.gsd_m:g} cm makes no mosaic; use 0.1 to 10000 cm")
        if self.workers < 1 or (self.memory_mb or 2000) < 200:
            raise MosaicError("a mosaic needs at least one worker and 200 MB of memory")

    @property
    def budget_mb(self) -> int:
        """The memory that the run may take."""
        return self.memory_mb or DEFAULT_MEMORY_MB

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
    workers: Workers | None = None,
    geo: GeoTags | None = None,
) -> MosaicReport:
    """Make an orthomosaic of a folder of photos; writes `out` (COG) and OUT.source.tif, OUT.views.tif beside.

    `found` keeps features, matches and places from one run to the next; `workers` do the heavy
    stages instead of this machine; `geo` is what is said of photos, instead of the file that `options` name.

    Raises ImageryError (or TerrainError for the DEM) when nothing usable remains or a file cannot be written.
    """
    options = options or MosaicOptions()
    if geo is None and options.geotags is not None:
        geo = read_geo_file(options.geotags)
    must_be_writable(Path(out))
    on_progress = on_progress or (lambda stage, share: None)
    run = _Run(options, on_progress, found or Found(feature_rules(options)), geo)
    with _one_thread_each(), ThreadPoolExecutor(options.workers) as pool:
        here = Threads(pool, options.workers)
        heavy = workers or here
        block, features = run.read(Path(photos_dir), heavy)
        while True:
            try:
                placed_block, placed, adjustment = run.place(block, features, heavy)
                return run.render(placed_block, placed, adjustment, Path(out), here, heavy)
            except PhotoError as error:  # a card pulled, a share gone: what is left is enough to go on with
                block, features = run.without_gone(block, features, error)


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

    def __init__(
        self, options: MosaicOptions, on_progress: Progress, found: Found, geo: GeoTags | None
    ) -> None:
        self._options, self._progress, self._found, self._geo = options, on_progress, found, geo
        self._started = time.perf_counter()
        self._seconds: dict[str, float] = {}
        self._dropped: list[Dropped] = []
        self._warnings: list[str] = []
        self._told_by_reading: tuple[tuple[Dropped, ...], tuple[str, ...]] = (), ()
        self._given = 0
        self._control: tuple[ControlPoint, ...] = read_control(options.control) if options.control else ()

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        self._progress(name, 0.0)
        yield
        self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - begun
        self._progress(name, 1.0)

    def read(self, folder: Path, workers: Workers) -> tuple[Block, list[Features]]:
        """Tags, then features; files that turn out to be damaged leave the block."""
        files = list_photo_files(folder)  # a folder that is not there is no stage of the work
        self._given = len(files)
        with self._stage("read"):
            block, dropped = read_block(files, anchors=[p.place for p in self._control], geo=self._geo)
            self._dropped += dropped
            self._warnings += block.warnings
            if self._control:
                self._warnings += control_warnings(marks_in_block(self._control, block))
        self._pictures = self._how_to_decode(block)
        with self._stage("features"):
            found = self._found.features(
                block.photos,
                workers,
                lambda s: self._progress("features", s),
                self._pictures,
            )
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
        self._told_by_reading = tuple(self._dropped), tuple(self._warnings)
        return replace(block, photos=tuple(kept)), features

    def without_gone(
        self, block: Block, features: list[Features], error: PhotoError
    ) -> tuple[Block, list[Features]]:
        """The block without the photos that can no longer be read. Raises `error` when all still can, and
        MosaicError when none can."""
        gone = [Dropped(p.name, reason) for p in block.photos if (reason := _why_gone(p.path))]
        if not gone:
            raise error
        names = {d.name for d in gone}
        self._dropped, self._warnings = [*self._told_by_reading[0], *gone], [*self._told_by_reading[1]]
        self._told_by_reading = tuple(self._dropped), tuple(self._warnings)
        left = [(p, f) for p, f in zip(block.photos, features, strict=True) if p.name not in names]
        if not left:
            raise MosaicError(f"no usable photo is left: {gone[0].reason}")
        photos = tuple(replace(photo, index=i) for i, (photo, _) in enumerate(left))
        return replace(block, photos=photos), [f for _, f in left]

    def _how_to_decode(self, block: Block) -> Pictures:
        """Each photo once, where all of them fit into a part of the memory."""
        factor = self._coarser(block)
        size = sum(p.camera.image_width_px * p.camera.image_height_px * 3 for p in block.photos) / factor**2
        return Pictures(size <= KEPT_SHARE * 1e6 * self._options.budget_mb, factor)

    def _coarser(self, block: Block) -> int:
        """A draft is half as fine as the photos, or a quarter where half a megapixel is left of each."""
        if not self._options.quick or self._options.gsd_m is not None:
            return 1
        least = min(p.camera.image_width_px * p.camera.image_height_px for p in block.photos)
        return 4 if least / 4**2 >= DRAFT_PX else 2

    def place(
        self, block: Block, features: list[Features], workers: Workers
    ) -> tuple[Block, list[Features], Adjustment]:
        """Match neighbours and adjust the block; photos that nothing places leave it."""
        with self._stage("match"):
            pairs = pairs_to_match(block, features)
            matches = self._found.matches(block.photos, pairs, workers, lambda s: self._progress("match", s))
        with self._stage("adjust"):
            found = place_unplaced(block, features, matches, self._control)
            block, features, matches = found.block, found.features, found.matches
            self._dropped += found.dropped
            block, features, matches = self._without_strangers(block, features, matches)
            block, faults = mend_priors(block, features, matches)
            self._warnings += faults
            fair = without_moving(block, features, matches)
            doubted = build_tracks(features, left_out(matches, fair))
            sizes = [(p.camera.image_width_px, p.camera.image_height_px) for p in block.photos]
            tracks = thin_tracks(build_tracks(features, fair), sizes, TIES_PER_PHOTO)
            marks = marks_in_block(self._control, block) if self._control else None
            measure, guess = self._measure(block, features, doubted, workers), self._found.guess(block)
            adjustment = adjust_block(block, tracks, measure=measure, marks=marks, guess=guess)
        return block, features, adjustment

    def _without_strangers(
        self, block: Block, features: list[Features], matches: list[PairMatches]
    ) -> tuple[Block, list[Features], list[PairMatches]]:
        kept = without_strangers(block, features, matches)
        self._dropped += kept.dropped
        if not kept.features:
            raise MosaicError(f"no usable photo: {kept.dropped[0].reason}")
        return kept.block, kept.features, kept.matches

    def _measure(
        self, block: Block, features: Sequence[Features], doubted: Tracks, workers: Workers
    ) -> Measure | None:
        """Tie points, with what the block proves of `doubted` ones and finds on bare slopes, in pictures of
        two megapixels and more. Where speed goes first not at all, or in those of a draft for a lens that
        nobody knows: it takes the height's place over level ground, and the map's scale with it."""
        if self._options.quick and all(p.camera_known for p in block.photos):
            return None
        enough = DRAFT_PX if self._options.quick else MEASURED_PX
        factors = []
        for photo in block.photos:
            pixels = photo.camera.image_width_px * photo.camera.image_height_px
            factors.append(next(f for f in (4, 2, 1) if pixels / f**2 >= enough or f == 1))
        greys = Greys(self._pictures, tuple(p.path for p in block.photos))

        def measure(tracks: Tracks, state: State, lenses: FloatArray) -> tuple[Tracks, FloatArray]:
            tracks, points = with_proven(tracks, state, lenses, doubted, block.photos, TIES_PER_PHOTO)
            tracks, points = with_outward(tracks, points, features, block.photos, lenses, state)
            tracks, left = refine_tracks(
                tracks, state.rotations, state.centres, lenses, points, factors, greys, workers
            )
            return tracks, points[left]

        return measure

    def render(
        self,
        block: Block,
        features: Sequence[Features],
        adjustment: Adjustment,
        out: Path,
        here: Workers,
        heavy: Workers,
    ) -> MosaicReport:
        """Surface, seams, exposure, tiles, files. Seams and light need a coarse picture of each photo here:
        others would take longer to send them than they take."""
        rules = RenderRules(
            self._options.gsd_m,
            self._options.dem,
            self._options.crs_epsg,
            self._options.quick,
            self._coarser(block),
            self._options.workers,
            self._options.budget_mb,
        )
        with self._stage("render"):
            canvas = lay_out(block, features, adjustment, rules, here)
            painted = paint_mosaic(
                canvas, block, out, self._pictures, rules, heavy, lambda s: self._progress("render", s)
            )
            write_companions(canvas, block, out)
            account = account_of(
                block,
                adjustment,
                features,
                canvas.surface,
                canvas.cells,
                canvas.painting.labels,
                canvas.sights.count,
                whole=not self._options.quick,
            )
            write_quality(account, canvas.cells, out)
        self._seconds["total"] = time.perf_counter() - self._started
        return MosaicReport(
            photos=_placed(block, adjustment, canvas.sights.outlines, features),
            photos_given=self._given,
            dropped=tuple(self._dropped),
            warnings=tuple(self._warnings),
            gsd_m=canvas.grid.gsd_m,
            reprojection_rms_px=adjustment.reprojection_rms_px,
            seams=painted.seams,
            position_rms_m=position_rms_m(block, adjustment),
            area_m2=painted.area_m2,
            seconds=self._seconds,
            peak_rss_mb=peak_rss_mb(),
            epsg=canvas.grid.epsg,
            lag_s=float(np.median(adjustment.lags_s)),
            control=ControlReport(adjustment.control, canvas.grid.gsd_m) if adjustment.control else None,
            account=account,
        )


def _why_gone(path: Path) -> str | None:
    try:
        read_photo_bytes(path)
    except PhotoError as error:
        return f"{error} (it could be read when the run began)"
    return None


def feature_rules(options: MosaicOptions) -> FeatureRules:
    """Feature settings of a quality."""
    return FeatureRules(per_photo=800) if options.quick else FeatureRules()


def _placed(
    block: Block, adjustment: Adjustment, outlines: Sequence[FloatArray], features: Sequence[Features]
) -> tuple[PlacedPhoto, ...]:
    counts = np.bincount(adjustment.tracks.photo, minlength=len(block.photos))
    placed = []
    for photo, pose, tied, outline in zip(
        block.photos, adjustment.poses, adjustment.tied, outlines, strict=True
    ):
        lat, lon = block.frame.to_geo(outline[:, 0], outline[:, 1])
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


__all__ = ["MosaicOptions", "MosaicReport", "PlacedPhoto", "make_mosaic"]
