"""Where to paint next: spread first, correct after.

Strokes that only chase the map's errors can make it worse for some rounds; strokes spread over the mosaic do
not. So as long as a class has few, places far from all strokes come first, and then the middles of the
largest areas that the forest is least sure of.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import Resampling
from scipy import ndimage

from imagery.damage.samples import Samples
from imagery.damage.scene import GeoGrid

ENOUGH_PER_CLASS = 8
_PLACES = 5
_SIDE_PX = 400
_UNSURE_PERCENT = 50


@dataclass(frozen=True)
class PaintNext:
    """A place to paint at, in metres of the work CRS, and why: "far" from all strokes, or "unsure".

    `said` is the class that the map has there now; the analyst paints what is there.
    """

    east_m: float
    north_m: float
    why: str
    said: str
    confidence_percent: int


def paint_next(folder: Path, grid: GeoGrid, samples: Samples) -> tuple[PaintNext, ...]:
    """Up to five places, the most useful first, from a folder's classes.tif and confidence.tif."""
    factor = max(1, -(-max(grid.width, grid.height) // _SIDE_PX))
    shape = -(-grid.height // factor), -(-grid.width // factor)
    with rasterio.open(folder / "classes.tif") as source:
        classes = source.read(1, out_shape=shape, resampling=Resampling.nearest)
    with rasterio.open(folder / "confidence.tif") as source:
        sure = source.read(1, out_shape=shape, resampling=Resampling.average)
    step_x, step_y = grid.width / shape[1], grid.height / shape[0]
    seen = classes > 0
    inverse = ~grid.transform
    painted = np.zeros(shape, bool)
    for stroke in samples.strokes:
        col, row = inverse * stroke.area.representative_point().coords[0]
        if 0 <= row / step_y < shape[0] and 0 <= col / step_x < shape[1]:
            painted[int(row / step_y), int(col / step_x)] = True
    few = min(samples.counts().values()) < ENOUGH_PER_CLASS
    picked = _far(seen, painted) if few else _unsure(seen, sure, painted)
    places = []
    for row, col in picked:
        east, north = grid.transform * ((col + 0.5) * step_x, (row + 0.5) * step_y)
        said = samples.legend[int(classes[row, col])].key
        places.append(PaintNext(east, north, "far" if few else "unsure", said, int(sure[row, col])))
    return tuple(places)


def _far(seen: npt.NDArray[np.bool_], painted: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Cells inside what is seen, each the furthest from all strokes and from those before it."""
    inner = ndimage.binary_erosion(seen, iterations=2)
    picked: list[tuple[int, int]] = []
    taken = painted.copy()
    while len(picked) < _PLACES and inner.any():
        distance = ndimage.distance_transform_edt(~taken) if taken.any() else np.ones(seen.shape)
        distance[~inner] = 0
        row, col = np.unravel_index(int(distance.argmax()), distance.shape)
        if distance[row, col] <= 1:
            break
        picked.append((int(row), int(col)))
        taken[row, col] = True
    return picked


def _unsure(
    seen: npt.NDArray[np.bool_], sure: npt.NDArray[np.uint8], painted: npt.NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """The innermost cells of the largest areas of low confidence in which nobody has painted."""
    calm = ndimage.uniform_filter(np.where(seen, sure, 100).astype(np.float32), 3)
    areas, count = ndimage.label(seen & (calm < _UNSURE_PERCENT))
    sizes = np.bincount(areas.ravel(), minlength=count + 1)
    sizes[0] = 0
    sizes[np.unique(areas[painted])] = 0
    picked: list[tuple[int, int]] = []
    depth = ndimage.distance_transform_edt(areas > 0)
    for area in np.argsort(-sizes, kind="stable")[:_PLACES]:
        if sizes[area] == 0:
            break
        row, col = np.unravel_index(int(np.where(areas == area, depth, 0).argmax()), areas.shape)
        picked.append((int(row), int(col)))
    return picked
