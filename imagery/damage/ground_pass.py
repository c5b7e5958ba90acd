"""One pass over the mosaic, block by block: classes, confidence, change, what was not seen."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.features import rasterize
from rasterio.windows import Window
from shapely import Geometry, STRtree, box

from imagery.damage import change, features
from imagery.damage.analysable import ANALYSIS, IN_SHADOW, SEEN, Analysable
from imagery.damage.classify import decide
from imagery.damage.features import Float, Mask, View
from imagery.damage.legend import BARE, BUILDING, CHANGES, DEBRIS, LANDSLIDE, MUD, SHADOW, WATER, Legend
from imagery.damage.rasters import RasterKind, raster_sink
from imagery.damage.register import ColourMatch, Registration
from imagery.damage.scene import GeoGrid, Picture, grown

Progress = Callable[[str, float], None]
Block = dict[str, npt.NDArray[np.uint8]]

CONFIDENCE_KIND = RasterKind("confidence", "uint8", 0, bands=("confidence_percent",))
CHANGE_KIND = RasterKind("change", "uint8", 0, CHANGES)
NOT_ANALYSED_KIND = RasterKind("not_analysed", "uint8", 255, ANALYSIS)
DEPTH_KIND = RasterKind("depth", "float32", -9999.0, bands=("depth_m", "half_width_80_percent_m"))
PEAK_KIND = RasterKind("depth_peak", "float32", -9999.0, bands=("depth_m", "half_width_80_percent_m"))

_AT_ONCE = 2
"""Blocks in work. OpenCV, the forest and GDAL let go of Python's lock, so threads are enough."""
_CACHE_BYTES = 128_000_000
"""For GDAL's blocks; its own measure is a twentieth of the machine."""


class Classifier(Protocol):
    """Anything that says how likely each class is, block by block."""

    @property
    def codes(self) -> npt.NDArray[np.int64]:
        """Class code of each output; 0 for outputs the legend has no class for."""

    @property
    def halo_px(self) -> int:
        """Cells it looks at around a block."""

    def probabilities(self, after: View, before: View | None, where: Mask | None = None) -> Float:
        """(outputs, rows, cols), 0 where the mosaic shows nothing or outside `where`."""


@dataclass(frozen=True)
class Before:
    """The before-ortho, ready to be compared."""

    path: Path
    registration: Registration
    colours: ColourMatch
    classifier: Classifier | None
    """Judges the before picture by itself (no differences); None when there are no classes."""

    @property
    def source(self) -> tuple[Path, Registration, ColourMatch]:
        """What `Pictures` needs to show it."""
        return self.path, self.registration, self.colours


@dataclass(frozen=True)
class Inputs:
    """What the pass reads."""

    mosaic: Path
    grid: GeoGrid
    classifier: Classifier | None
    before: Before | None
    relief: Relief | None = None
    buildings: tuple[Geometry, ...] = ()
    roads: tuple[Geometry, ...] = ()
    legend: Legend = field(default_factory=Legend)
    overviews: bool = False
    """Read the mosaic from its overviews: quicker on a coarse grid, and for a first look good enough."""


@dataclass
class Counts:
    """Cells per code, added up over the blocks."""

    classes: dict[int, int] = field(default_factory=dict)
    changes: dict[int, int] = field(default_factory=dict)
    analysis: dict[int, int] = field(default_factory=dict)
    confidence_sum: float = 0.0

    def add(self, into: dict[int, int], codes: npt.NDArray[np.uint8]) -> None:
        """Count the codes of a block."""
        for code, n in enumerate(np.bincount(codes.ravel()).tolist()):
            if n:
                into[code] = into.get(code, 0) + n


@dataclass(frozen=True)
class Relief:
    """The relief planes of `features.RELIEF_NAMES` on their own, coarser grid."""

    grid: GeoGrid
    planes: Float

    def on(self, grid: GeoGrid, window: Window) -> Float:
        """(2, rows, cols) bilinear on a window of a finer grid with the same origin."""
        scale = grid.pixel_m / self.grid.pixel_m
        # Centre of fine cell (c) in coarse cell indices: (c + 0.5) * scale - 0.5.
        matrix = np.array(
            [
                [scale, 0.0, (window.col_off + 0.5) * scale - 0.5],
                [0.0, scale, (window.row_off + 0.5) * scale - 0.5],
            ]
        )
        size = (int(window.width), int(window.height))
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        planes = [
            cv2.warpAffine(p, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE) for p in self.planes
        ]
        return np.stack(planes).astype(np.float32)


class Pictures:
    """The mosaic and the matched before-ortho, in windows of the grid."""

    def __init__(
        self,
        mosaic: Path,
        grid: GeoGrid,
        before: tuple[Path, Registration, ColourMatch] | None,
        relief: Relief | None,
        *,
        overviews: bool = False,
    ) -> None:
        self._grid, self._relief = grid, relief
        self._stack = ExitStack()
        self._after = self._stack.enter_context(Picture(mosaic, grid, "mosaic", overviews=overviews))
        self._before: Picture | None = None
        if before is not None:
            path, registration, self._colours = before
            self._before = self._stack.enter_context(
                Picture(path, grid, "before-ortho", correction=registration.correction)
            )

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __call__(self, window: Window) -> tuple[View, View | None]:
        """The two views of a window; no before view when there is no before-ortho."""
        relief = self._relief.on(self._grid, window) if self._relief else None
        after = View(*self._after.rgb(window), relief)
        if self._before is None:
            return after, None
        rgb, valid = self._before.rgb(window)
        return after, View(self._colours.apply(rgb), valid, relief)


def run(inputs: Inputs, folder: Path, tags: dict[str, str], on_progress: Progress) -> Counts:
    """Write classes.tif, confidence.tif, change.tif (those the inputs allow) and not_analysed.tif."""
    grid, counts = inputs.grid, Counts()
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=_CACHE_BYTES))
        kinds = [NOT_ANALYSED_KIND]
        kinds += [RasterKind("classes", "uint8", 0, inputs.legend.entries)] if inputs.classifier else []
        kinds += [CONFIDENCE_KIND] if inputs.classifier else []
        kinds += [CHANGE_KIND] if inputs.before else []
        sinks = {kind.name: stack.enter_context(raster_sink(folder, kind, grid, tags)) for kind in kinds}
        windows = list(grid.blocks())
        for done, (window, block) in enumerate(judged(inputs, windows)):
            on_progress("classify", done / len(windows))
            for name, sink in sinks.items():
                sink.write(block[name], 1, window=window)
            counts.add(counts.analysis, block["not_analysed"])
            if inputs.classifier:
                counts.add(counts.classes, block["classes"])
                counts.confidence_sum += float(block["confidence"].sum(dtype=np.float64))
            if inputs.before:
                counts.add(counts.changes, block["change"])
    on_progress("classify", 1.0)
    return counts


def judged(inputs: Inputs, windows: Sequence[Window]) -> Iterator[tuple[Window, Block]]:
    """All products of each window, by name, in the order of the windows: some at once, each on a core, and
    never more of them waiting than that."""
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(_AT_ONCE))
        benches = [stack.enter_context(_Bench(inputs)) for _ in range(min(_AT_ONCE, len(windows)))]
        free = SimpleQueue[_Bench]()
        for bench in benches:
            free.put(bench)

        def work(window: Window) -> Block:
            bench = free.get()
            try:
                return bench.block(window)
            finally:
                free.put(bench)

        waiting: deque[tuple[Window, Future[Block]]] = deque()
        try:
            for window in windows:
                waiting.append((window, pool.submit(work, window)))
                if len(waiting) > _AT_ONCE:
                    first, future = waiting.popleft()
                    yield first, future.result()
            for first, future in waiting:
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


class _Bench:
    """What one thread reads with: GDAL's handles serve one at a time."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        grid, judge, before = inputs.grid, inputs.classifier, inputs.before
        self._halo = max(features.halo_px(grid.pixel_m), judge.halo_px if judge else 0)
        misplaced = before.registration.misplaced if before else ()
        self._vectors = _Vectors(inputs.buildings), _Vectors(inputs.roads), _Vectors(misplaced)
        self._stack = ExitStack()
        self._pictures = self._stack.enter_context(
            Pictures(
                inputs.mosaic,
                grid,
                before.source if before else None,
                inputs.relief,
                overviews=inputs.overviews,
            )
        )
        self._analysable = self._stack.enter_context(Analysable(inputs.mosaic, grid))

    def __enter__(self) -> _Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def block(self, window: Window) -> Block:
        """All products of a window, by name."""
        wide = grown(window, self._halo)
        after, old = self._pictures(wide)
        analysis = self._analysable.codes(after, wide)
        after = View(after.rgb, analysis == SEEN, after.relief)
        block = _block(self._inputs, after, old, self._vectors, self._inputs.grid, wide)
        if self._inputs.classifier:
            analysis[(block["classes"] == SHADOW) & (analysis == SEEN)] = IN_SHADOW
        block["not_analysed"] = analysis
        core = np.s_[self._halo : -self._halo, self._halo : -self._halo]
        return {name: np.ascontiguousarray(values[core]) for name, values in block.items()}


def _block(
    inputs: Inputs,
    after: View,
    old: View | None,
    vectors: tuple[_Vectors, _Vectors, _Vectors],
    grid: GeoGrid,
    window: Window,
) -> Block:
    """All products of a block with its halo, by name."""
    result: Block = {}
    nothing = np.zeros(after.valid.shape, np.uint8)
    classes = nothing
    if inputs.classifier is not None:
        likely = inputs.classifier.probabilities(after, old)
        classes, confidence = decide(likely, inputs.classifier.codes, after.valid)
        result |= {"classes": classes, "confidence": confidence}
    if inputs.before is None or old is None:
        return result
    compared = after.valid & old.valid & ~vectors[2].mask(grid, window)
    size = change.magnitude(after, old, inputs.before.colours, grid.pixel_m)
    if inputs.classifier is None:
        codes = change.magnitude_only(size, compared)
    else:
        asked = np.isin(classes, (WATER, MUD, DEBRIS, BARE, LANDSLIDE)) & compared
        was = nothing
        if inputs.before.classifier is not None and asked.any():
            judged = inputs.before.classifier.probabilities(old, None, asked)
            was, _ = decide(judged, inputs.before.classifier.codes, asked)
            was[asked & (classes == WATER) & change.clear_water(old, grid.pixel_m)] = WATER
        houses, roads = (v.mask(grid, window) for v in vectors[:2])
        known = change.Known(houses if inputs.buildings else was == BUILDING, roads)
        codes = change.kind(classes, was, size, compared, known, grid.pixel_m)
    result["change"] = change.despeckle(codes, grid.pixel_m)
    return result


class _Vectors:
    """Geometries that can be burnt into any window."""

    def __init__(self, geometries: tuple[Geometry, ...]) -> None:
        self._geometries = geometries
        self._tree = STRtree(geometries)

    def mask(self, grid: GeoGrid, window: Window) -> Mask:
        transform = grid.window_transform(window)
        shape = (int(window.height), int(window.width))
        west, north = transform.c, transform.f
        extent = box(west, north + transform.e * shape[0], west + transform.a * shape[1], north)
        near = [self._geometries[i] for i in self._tree.query(extent, predicate="intersects")]
        if not near:
            return np.zeros(shape, bool)
        return np.asarray(rasterize(near, out_shape=shape, transform=transform, dtype="uint8") > 0)
