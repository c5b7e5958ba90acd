"""What the strokes painted so far make of the part of the mosaic that is in view: in about a second.

The mosaic is read at the pixel that makes at most 600,000 cells of the view, never finer than the map itself;
seen whole, it is so judged more coarsely than the map will be. What lies under a stroke is read once. The
preview goes by the picture alone: a DEM and a before-ortho are for the map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
from rasterio.windows import Window
from shapely import box

from imagery.damage import classify
from imagery.damage.classify import Forest
from imagery.damage.features import Float
from imagery.damage.ground_pass import Inputs, Pictures, judged
from imagery.damage.legend import Legend
from imagery.damage.samples import Samples, Stroke
from imagery.damage.scene import GeoGrid, grid_of, with_size
from imagery.errors import DamageError

MOST_CELLS = 600_000

Bounds = tuple[float, float, float, float]
"""West, south, east, north."""


@dataclass(frozen=True)
class Preview:
    """Class codes and confidence in per cent, (rows, cols) uint8 on `grid`. Its cells are `coarser` times as
    wide as the map's."""

    grid: GeoGrid
    classes: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.uint8]
    legend: Legend
    coarser: int


class LivePreview:
    """Previews of one mosaic. It keeps what does not change from stroke to stroke: the cells under strokes
    seen before, and the forest as long as the strokes are the same. For one thread at a time."""

    def __init__(self, mosaic: Path, most_cells: int = MOST_CELLS, seed: int = 0) -> None:
        """Raises DamageError when the mosaic cannot be read or placed."""
        self.grid = grid_of(mosaic)
        """The map's own cells: strokes are read for it (`read_samples`)."""
        self._mosaic, self._most_cells, self._seed = mosaic, most_cells, seed
        self._cells: dict[tuple[int, bytes], Float] = {}
        self._forest: tuple[int, tuple[Stroke, ...], Forest] | None = None

    def show(self, samples: Samples, bounds: Bounds) -> Preview:
        """Learn from the strokes and judge what lies within `bounds` (CRS of `grid`).

        Raises DamageError when the bounds miss the mosaic, or strokes of fewer than two classes lie on it.
        """
        seen = self.grid.window_of(box(*bounds))
        if seen is None:
            raise DamageError(f"{self._mosaic}: the preview's window misses the mosaic")
        step = max(1, math.ceil(math.sqrt(seen.width * seen.height / self._most_cells)))
        grid = self.grid.coarser(step * self.grid.pixel_m)
        window = grid.window_of(box(*bounds))
        assert window is not None
        forest = self._trained(samples, grid, step)
        inputs = Inputs(mosaic=self._mosaic, grid=grid, classifier=forest, before=None, overviews=True)
        parts = [block for _, block in judged(inputs, _halves(window))]
        classes, sure = (np.concatenate([part[name] for part in parts]) for name in ("classes", "confidence"))
        place = replace(grid, transform=grid.window_transform(window))
        return Preview(with_size(place, *classes.shape[::-1]), classes, sure, samples.legend, step)

    def _trained(self, samples: Samples, grid: GeoGrid, step: int) -> Forest:
        if self._forest and self._forest[:2] == (step, samples.strokes):
            return self._forest[2]
        keys = [(step, stroke.area.wkb) for stroke in samples.strokes]
        missing = [n for n, key in enumerate(keys) if key not in self._cells]
        if missing:
            new = replace(samples, strokes=tuple(samples.strokes[n] for n in missing))
            with Pictures(self._mosaic, grid, None, None, overviews=True) as pictures:
                cells, numbers = classify.cells_under(new, grid, pictures, False, self._seed)
            self._cells |= {keys[n]: cells[numbers == at] for at, n in enumerate(missing)}
        parts = [self._cells[key] for key in keys]
        numbers = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        learnt = classify.training_set(samples, _joined(parts), numbers)
        forest = classify.train(learnt, False, grid.pixel_m, self._seed)
        self._forest = (step, samples.strokes, forest)
        return forest


def bounds_of_degrees(degrees: Bounds, grid: GeoGrid) -> Bounds:
    """WGS84 west, south, east, north in the grid's CRS."""
    to_grid = pyproj.Transformer.from_crs(4326, grid.crs, always_xy=True)
    return to_grid.transform_bounds(*degrees)


def _joined(parts: Sequence[Float]) -> Float:
    some = [part for part in parts if len(part)]
    return np.concatenate(some) if some else np.zeros((0, 0), np.float32)


def _halves(window: Window) -> list[Window]:
    """One for each core."""
    top = math.ceil(window.height / 2)
    parts = ((0, top), (top, window.height - top))
    return [Window(window.col_off, window.row_off + at, window.width, rows) for at, rows in parts if rows]
