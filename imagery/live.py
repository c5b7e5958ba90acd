"""A mosaic that grows while the drone flies: each photo is on the map within a second, the full one follows.

A coarse map (imagery.live_map) is painted photo by photo, each placed among its neighbours. While no photo
waits, a second worker adjusts the whole block and paints anew what moved. What is known stands on disk: a run
that was killed goes on where it was, and the full mosaic in the end finds nothing again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
from threadpoolctl import threadpool_limits

from imagery.errors import MosaicError, PhotoError
from imagery.features import FeatureRules, read_photo_bytes
from imagery.found import FileKey, Found, file_key
from imagery.geo_file import read_geo_file
from imagery.live_block import LiveBlock, Look
from imagery.live_map import Brush, Canvas, LiveMap, MapGrid, paint_square
from imagery.live_place import Fit
from imagery.live_store import Cell, LiveStore
from imagery.mosaic import MosaicOptions, Progress, feature_rules, make_mosaic
from imagery.ortho import utm_epsg
from imagery.photos import list_photo_files
from imagery.quality import MosaicReport, PlacedPhoto
from plans.frames import FloatArray


@dataclass(frozen=True)
class LiveRules:
    """When to look, and when to be done: `idle_s` without a new photo ends the flight. A file that is not
    whole is told as damaged when it has not grown for `quiet_s`."""

    look_every_s: float = 0.1
    idle_s: float = 60.0
    quiet_s: float = 5.0


@dataclass(frozen=True)
class Draft:
    """The map after a change. `photos` gives all photos on it; `late_s` is from when the last one's file was
    whole to its place on the map, None when the map only corrected itself; `left_out` is why that one is
    not on it."""

    name: str
    count: int
    waiting: int
    late_s: float | None
    left_out: str | None
    area_m2: float
    photos: Callable[[], tuple[PlacedPhoto, ...]]


_OTHER_SCALE = 1.4

OnDraft = Callable[[Draft], None]


def live_folder(out: Path) -> Path:
    """Where a live mosaic keeps what it knows; it is removed when the full mosaic is made."""
    return out.with_name(f".{out.stem}.live")


def follow_photos(
    folder: Path,
    out: Path,
    options: MosaicOptions,
    on_progress: Progress,
    on_draft: OnDraft,
    should_end: Callable[[], bool],
    rules: LiveRules | None = None,
    *,
    finders: Executor | None = None,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> MosaicReport:
    """Keep the map `out` up to date with a folder, then make the full mosaic of it.

    The map is a whole file at any time. A folder without a usable photo yet is waited for.

    Raises MosaicError when the folder is missing, or still holds no usable photo at the end.
    """
    rules = rules or LiveRules()
    if not Path(folder).is_dir():
        raise MosaicError(f"{folder}: no such folder; name the one where the photos will arrive")
    found = Found(feature_rules(options))
    run = _Live(Path(folder), Path(out), options, found.rules, on_draft, rules, clock)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with (
            threadpool_limits(1),
            ThreadPoolExecutor(options.workers) as pool,
            ThreadPoolExecutor(1) as second,
        ):
            run.begin()
            changed_s = clock()
            while not should_end() and clock() - changed_s < rules.idle_s:
                if run.step(pool, second):
                    changed_s = clock()
                elif not run.busy:
                    on_progress(f"{run.count} photos, waiting for more", 0.0)
                    wait(rules.look_every_s)
                else:
                    run.wait_for_work(rules.look_every_s)
    finally:
        cv2.setNumThreads(threads)
    run.block.teach(found)
    report = make_mosaic(folder, out, options, on_progress, found=found, finders=finders)
    run.store.remove()
    return report


class _Live:
    """One run: what waits, what is worked at, and the map."""

    def __init__(
        self,
        folder: Path,
        out: Path,
        options: MosaicOptions,
        found_by: FeatureRules,
        on_draft: OnDraft,
        rules: LiveRules,
        clock: Callable[[], float],
    ) -> None:
        self._folder, self._out, self._options, self._rules = folder, out, options, rules
        self._on_draft, self._clock = on_draft, clock
        kept = {"image_mpx": found_by.image_mpx, "per_photo": found_by.per_photo, "epsg": options.crs_epsg}
        self.store = LiveStore(live_folder(out), kept)
        self.block = LiveBlock(folder, self.store, found_by, options.dem)
        self._map: LiveMap | None = None
        self._looks: dict[str, tuple[Future[Look], float]] = {}
        self._unready: dict[str, tuple[FileKey, float]] = {}
        self._work: Future[Fit | list[tuple[Cell, Canvas]]] | None = None
        self._stale: dict[Cell, list[str]] = {}

    @property
    def count(self) -> int:
        """Photos on the map."""
        return len(self.block.stands)

    @property
    def busy(self) -> bool:
        """Whether something is worked at."""
        return bool(self._looks) or self._work is not None

    def begin(self) -> None:
        """Go on from what an earlier run has kept."""
        if self._options.geotags is not None:
            self.block.geo = read_geo_file(self._options.geotags)
        self.block.restore()
        if self.block.stands:
            self._stale = self._the_map().stale(self._outlines())
            if not self._out.exists():
                self._the_map().write(self._out, {})

    def step(self, pool: Executor, second: Executor) -> bool:
        """Do the next thing that is to be done; whether a photo was taken in."""
        self._look_around(pool)
        for name, (job, whole_s) in self._looks.items():
            if job.done():
                del self._looks[name]
                self._take(job.result(), whole_s, pool)
                return True
        self._second_worker(second)
        return False

    def wait_for_work(self, longest_s: float) -> None:
        """Until something that is worked at is done, or it is time to look again."""
        if self._looks:
            job = next(iter(self._looks.values()))[0]
            until = time.monotonic() + longest_s
            while not job.done() and time.monotonic() < until:
                time.sleep(0.005)
        else:
            time.sleep(min(longest_s, 0.05))

    def _look_around(self, pool: Executor) -> None:
        try:
            files = list_photo_files(self._folder)
        except MosaicError:
            return  # none yet
        for path in files:
            if len(self._looks) > self._options.workers:
                return
            if path.name not in self._looks and not self.block.known(path):
                self._begin(path, pool)

    def _begin(self, path: Path, pool: Executor) -> None:
        key, now = file_key(path), self._clock()
        before, since_s = self._unready.get(path.name, (None, now))
        if key != before:
            since_s = now
        reason = _why_not_whole(path)
        if reason is not None and now - since_s < self._rules.quiet_s:
            self._unready[path.name] = (key, since_s)
            return
        self._unready.pop(path.name, None)
        self._looks[path.name] = (pool.submit(self.block.look, path), now)

    def _take(self, look: Look, whole_s: float, pool: Executor) -> None:
        name = look.path.name
        reason = self.block.add(look, pool)
        if reason is None:
            brush, surface = self.block.brush(name), self.block.surface
            self.block.gains[name] = self._the_map().paint(brush, self._brushes, surface, pool)
            self._the_map().write(self._out, {})
        self._tell(name, self._clock() - whole_s, reason)

    def _tell(self, name: str, late_s: float | None, reason: str | None = None) -> None:
        area = self._map.area_m2 if self._map else 0.0
        self._on_draft(Draft(name, self.count, len(self._looks), late_s, reason, area, self.block.placed))

    def _the_map(self) -> LiveMap:
        if self._map is None:
            frame = self.block.frame
            assert frame is not None
            epsg = self._options.crs_epsg or utm_epsg(frame.origin_lat_deg, frame.origin_lon_deg)
            gsd = self.store.map_gsd(max(self.block.map_gsd_m(), self._options.gsd_m or 0.0))
            self._map = LiveMap(MapGrid(epsg, frame, gsd), self.store)
        return self._map

    def _choose_scale(self) -> None:
        """The first photo alone does not tell how high it was taken: once the ground is known, a map of
        another scale may have to be begun. It is small then."""
        wanted = max(self.block.map_gsd_m(), self._options.gsd_m or 0.0)
        if 1 / _OTHER_SCALE < wanted / self._the_map().grid.gsd_m < _OTHER_SCALE:
            return
        self.store.forget_map()
        self._map, surface = None, self.block.surface
        fresh = self._the_map()
        for cell, names in fresh.stale(self._outlines()).items():
            fresh.replace(cell, paint_square(cell, fresh.grid, self._brushes(names), surface))
        fresh.write(self._out, {})

    def _brushes(self, names: Sequence[str]) -> list[Brush]:
        return [self.block.brush(name) for name in names if name in self.block.stands]

    def _outlines(self) -> dict[str, FloatArray]:
        return {name: self.block.outline(name) for name in self.block.stands}

    def _second_worker(self, second: Executor) -> None:
        """Adjust the block and mend the map, one thing at a time."""
        if self._work is not None:
            if not self._work.done():
                return
            done, self._work = self._work.result(), None
            if isinstance(done, Fit):
                self.block.move(done)
                self._choose_scale()
            else:
                for cell, canvas in done:
                    self._the_map().replace(cell, canvas)
                self._the_map().write(self._out, {})
                self._tell("", None)
            self._stale = self._the_map().stale(self._outlines())
        if self.block.due or (self.block.unadjusted and not self._looks and not self._stale):
            self._work = second.submit(self.block.adjustment())
        elif self._stale:
            cell, names = next(iter(self._stale.items()))
            brushes, surface, grid = self._brushes(names), self.block.surface, self._the_map().grid
            self._work = second.submit(lambda: [(cell, paint_square(cell, grid, brushes, surface))])


def _why_not_whole(path: Path) -> str | None:
    """Why a file cannot be a whole photo yet; None when it looks like one."""
    try:
        read_photo_bytes(path)
    except PhotoError as error:
        return str(error)
    if path.suffix.lower() not in (".jpg", ".jpeg") and time.time() - path.stat().st_mtime < 1.0:
        return f"{path}: is still being written"
    return None
