"""A mosaic that grows while the drone flies: each photo is on the map within a second, the full one follows.

A coarse map (imagery.live_map) is painted photo by photo, each placed among its neighbours. A second worker
adjusts what is new with what lies around it, and the whole block when it has doubled, and paints anew what
moved; it stands back while a photo is taken in. What is known
stands on disk: a run that was killed goes on where it was, and the full mosaic in the end begins with it.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent import futures
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
from threadpoolctl import threadpool_limits

from imagery.errors import MosaicError
from imagery.features import FeatureRules
from imagery.found import Found
from imagery.geo_file import read_geo_file
from imagery.live_block import LiveBlock
from imagery.live_correct import Correction
from imagery.live_look import Look
from imagery.live_map import MOVED_IN_FLIGHT_PX, LiveMap, MapGrid, Wanted
from imagery.live_paint import Canvas, paint_square
from imagery.live_store import Cell, LiveStore
from imagery.live_watch import Arrivals
from imagery.mosaic import MosaicOptions, Progress, feature_rules, make_mosaic
from imagery.ortho import utm_epsg
from imagery.quality import MosaicReport, PlacedPhoto
from imagery.workers import Workers
from plans.mission import CameraEvent


@dataclass(frozen=True)
class LiveRules:
    """When to look, and when to be done: `idle_s` without a new photo ends the flight. A file that is not
    whole is told as damaged when it has not grown for `quiet_s`."""

    look_every_s: float = 0.02
    idle_s: float = 60.0
    quiet_s: float = 5.0


@dataclass(frozen=True)
class Draft:
    """The map after a change. `photos` gives all photos on it; `late_s` is from when the last one's file was
    seen to be whole to its place on the map, None when the map only corrected itself; `left_out` is why that
    one is not on it. `expected` are the camera events whose photos have not arrived."""

    name: str
    count: int
    waiting: int
    late_s: float | None
    left_out: str | None
    area_m2: float
    photos: Callable[[], tuple[PlacedPhoto, ...]]
    expected: tuple[CameraEvent, ...] = ()


NO_EVENT = "has no position, and no camera event of the flight is known to be its own yet"
_OTHER_SCALE = 1.4
_WRITE_EVERY_S = 2.0
"""Corrections go to the file so often; a new photo goes at once and takes them along."""
_PAUSE_S, _LANDED_S = 3.0, 10.0
"""After so long without a photo what is new is adjusted, however little it is; and the whole block."""
_EVENTS_EVERY_S = 0.1
_SWITCH_S = 0.001
"""A thread that corrects hands over to the one that takes a photo in after so long (Python's own: 5 ms)."""
_NUMBERS_SHOWN = 12

OnDraft = Callable[[Draft], None]
Events = Callable[[], Sequence[CameraEvent]]
"""Gives all camera events of the flight that were heard so far, in order."""


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
    events: Events = tuple,
    workers: Workers | None = None,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> MosaicReport:
    """Keep the map `out` up to date with a folder, then make the full mosaic of it.

    The map is a whole file at any time. A folder without a usable photo yet is waited for. Photos that do not
    say where they were taken are placed by the flight's camera `events`; those of which no photo came are
    told in the report's warnings.

    Raises MosaicError when the folder is missing, or still holds no usable photo at the end.
    """
    rules = rules or LiveRules()
    if not Path(folder).is_dir():
        raise MosaicError(f"{folder}: no such folder; name the one where the photos will arrive")
    found = Found(feature_rules(options))
    run = _Live(Path(folder), Path(out), options, found.rules, on_draft, rules, clock, events)
    threads, switch_s = cv2.getNumThreads(), sys.getswitchinterval()
    cv2.setNumThreads(1)
    sys.setswitchinterval(_SWITCH_S)
    try:
        with (
            threadpool_limits(1),
            ThreadPoolExecutor(options.workers) as pool,
            ThreadPoolExecutor(1) as second,
        ):
            try:
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
                run.let_go_on()  # the second worker is waited for
    finally:
        cv2.setNumThreads(threads)
        sys.setswitchinterval(switch_s)
    run.block.teach(found)
    geo = run.block.looker.geo_of_shots()
    report = make_mosaic(folder, out, options, on_progress, found=found, workers=workers, geo=geo)
    run.store.remove()
    return _with_missing(report, run.block.looker.shots.expected)


def _with_missing(report: MosaicReport, missing: Sequence[CameraEvent]) -> MosaicReport:
    """Say which photos never came."""
    if not missing:
        return report
    numbers = ", ".join(str(event.index) for event in missing[:_NUMBERS_SHOWN])
    more = ", ..." if len(missing) > _NUMBERS_SHOWN else ""
    lost = f"taken and never arrived: {len(missing)} photos (camera events {numbers}{more})"
    return replace(report, warnings=(*report.warnings, lost))


@dataclass(frozen=True)
class Mended:
    """A square painted anew, and the photos that it was to show."""

    cell: Cell
    canvas: Canvas
    asked: Wanted


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
        events: Events,
    ) -> None:
        self._out, self._options = out, options
        self._on_draft, self._clock, self._events = on_draft, clock, events
        kept = {"image_mpx": found_by.image_mpx, "per_photo": found_by.per_photo, "epsg": options.crs_epsg}
        self.store = LiveStore(live_folder(out), kept)
        self.block = LiveBlock(folder, self.store, found_by, options.dem)
        self._arrivals = Arrivals(folder, rules.quiet_s, clock)
        self._map: LiveMap | None = None
        self._looks: dict[str, tuple[Future[Look], float]] = {}
        self._held: set[str] = set()
        self._work: Future[Correction | Mended] | None = None
        self._stale: dict[Cell, Wanted] = {}
        self._go_on = threading.Event()
        self._go_on.set()
        self._heard_s = self._written_s = self._taken_s = -math.inf
        self._unwritten = False

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
            self.block.looker.geo = read_geo_file(self._options.geotags)
        self.block.looker.shots.hear(self._events())
        self.block.restore()
        if self.block.stands:
            self._the_map().expect(self.block.outlines())
            self._stale = self._the_map().stale()
            self._write()  # squares may have been kept and the file not written any more

    def _stand_back(self) -> None:
        self._go_on.wait()

    def let_go_on(self) -> None:
        """No photo is worked at: the second worker need not stand back."""
        self._go_on.set()

    def step(self, pool: Executor, second: Executor) -> bool:
        """Do the next thing that is to be done; whether a photo was taken in."""
        self._hear(pool)
        self._look_around(pool)
        for name, (job, whole_s) in self._looks.items():
            if job.done():
                self._show(name, self.block.add(job.result(), pool), whole_s, pool)
                del self._looks[name]
                self._taken_s = self._clock()
                if not self._looks:
                    self.let_go_on()
                return True
        self._second_worker(second)
        return False

    def wait_for_work(self, longest_s: float) -> None:
        """Until something that is worked at is done, or it is time to look again."""
        jobs: list[Future[Any]] = [job for job, _ in self._looks.values()]
        jobs += [self._work] if self._work is not None else []
        futures.wait(jobs, longest_s, futures.FIRST_COMPLETED)

    def _hear(self, pool: Executor) -> None:
        """Take in camera events, and let photos whose event has become known stand by it."""
        if self._looks or self._clock() - self._heard_s < _EVENTS_EVERY_S:
            return
        self._heard_s = self._clock()
        before = self.block.looker.shots.expected
        self.block.looker.shots.hear(self._events())
        for name in self.block.settle_shots():
            self._show(name, self.block.add_again(name), None, pool)
        if self.block.looker.shots.expected != before:
            self._tell("", None)

    def _look_around(self, pool: Executor) -> None:
        if len(self._looks) > self._options.workers:
            return
        for path in self._arrivals.whole(lambda p: p.name in self._looks or self.block.known(p)):
            if path.name not in self._held:
                self.block.looker.arrive(path)
            if self.block.looker.can_look(path):
                self._held.discard(path.name)
                self._go_on.clear()
                self._looks[path.name] = (pool.submit(self.block.look, path), self._clock())
            elif path.name not in self._held:
                self._held.add(path.name)
                self._tell(path.name, None, f"{path}: {NO_EVENT}")
            if len(self._looks) > self._options.workers:
                return

    def _show(self, name: str, reason: str | None, whole_s: float | None, pool: Executor) -> None:
        """Put a photo on the map that has been added to the block; or say why it is not."""
        if reason is None:
            self.block.paint(name, self._the_map(), pool)
        elif self._map is not None:  # its file may have been another that was good
            self._map.forget(name)
            self._stale |= self._map.stale(MOVED_IN_FLIGHT_PX)
        self.block.keep_one(name)
        if reason is None:
            self._write()
        self._tell(name, self._clock() - whole_s if whole_s is not None else None, reason)

    def _write(self) -> None:
        self._the_map().write(self._out)
        self._written_s, self._unwritten = self._clock(), False

    def _tell(self, name: str, late_s: float | None, reason: str | None = None) -> None:
        area = self._map.area_m2 if self._map else 0.0
        waiting = len(self._looks.keys() - {name})
        expected = self.block.looker.shots.expected
        self._on_draft(Draft(name, self.count, waiting, late_s, reason, area, self.block.placed, expected))

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
        self._map = None
        fresh = self._the_map()
        fresh.expect(self.block.outlines())
        for cell, asked in fresh.stale().items():
            grid, brushes = fresh.grid.square(cell), self.block.brushes(list(asked))
            fresh.replace(cell, paint_square(grid, brushes, self.block.surface), asked)
        self._write()

    def _second_worker(self, second: Executor) -> None:
        """Adjust the block and mend the map, one thing at a time."""
        if self._work is not None:
            if not self._work.done():
                return
            done, self._work = self._work.result(), None
            if isinstance(done, Correction):
                self._moved(done)
            else:
                self._mended(done)
        if self._unwritten and (not self._stale or self._clock() - self._written_s >= _WRITE_EVERY_S):
            self._write()
            self._tell("", None)
        calm_s = 0.0 if self._looks or self._stale else self._clock() - self._taken_s
        correct = self.block.correction(paused=calm_s >= _PAUSE_S, landed=calm_s >= _LANDED_S)
        if correct is not None:
            self._work = second.submit(correct)
            return
        if calm_s >= _PAUSE_S and self.count:
            self._stale = self._the_map().stale()
        if self._stale and not self._looks:
            cell, asked = next(iter(self._stale.items()))
            grid, surface, brushes = self._the_map().grid.square(cell), self.block.surface, self.block.brushes
            stand_back = self._stand_back
            self._work = second.submit(
                lambda: Mended(cell, paint_square(grid, brushes(list(asked)), surface, stand_back), asked)
            )

    def _moved(self, made: Correction) -> None:
        """Move what an adjustment moves, and see which squares do not show that yet."""
        outlines = self.block.move(made)
        if made.scope.whole:
            self._choose_scale()
            self._the_map().expect(outlines)
        else:
            self._the_map().expect_some(outlines)
        self._stale = self._the_map().stale(MOVED_IN_FLIGHT_PX)

    def _mended(self, made: Mended) -> None:
        """Take a square that was painted anew; it goes to the end of the row where a photo came to it
        meanwhile."""
        live_map = self._the_map()
        self._unwritten |= live_map.replace(made.cell, made.canvas, made.asked)
        self._stale.pop(made.cell, None)
        if live_map.is_stale(made.cell, MOVED_IN_FLIGHT_PX):
            self._stale[made.cell] = live_map.wanted(made.cell)
