"""Road lines that lie beside their road: how far the road is to the left of the line, metre by metre.

Lines of maps are up to five metres off. Where the carriageway shows in the mosaic it says how far; under
water, mud and debris the offset goes on from there. Viterbi's path over offsets across the line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from scipy import ndimage
from shapely import Geometry, LineString

from imagery.damage.legend import NOT_ANALYSED, ROAD
from imagery.damage.rasters import Layers
from imagery.damage.scene import GeoGrid

CORRIDOR_M = 6.0
"""So far to either side the road is sought."""
_ACROSS_M = 0.4
_HALF_ROAD_M = 1.4
_BEND = 0.45
"""What a metre of sideways movement a metre along costs, in metres of carriageway not hit."""
_STAY, _STRAY = 0.005, 0.04
"""What each metre off the line costs while its own offset is sought, and off that offset afterwards."""
_CLEAR, _CLEAR_SHARE = 0.5, 0.25

Floats = npt.NDArray[np.float64]

ACROSS: Floats = np.arange(-CORRIDOR_M, CORRIDOR_M + 1e-9, _ACROSS_M)
"""The offsets that are looked at, metres to the left."""


@dataclass(frozen=True)
class Strip:
    """Stations along a line and the unit vectors there, all (n, 2), metres of the work CRS."""

    places: Floats
    along: Floats

    @property
    def left(self) -> Floats:
        """(n, 2) unit vectors to the left."""
        return np.column_stack([-self.along[:, 1], self.along[:, 0]])

    def beside(self, offset_m: Floats) -> Strip:
        """The strip moved to the left by (n,) metres."""
        return Strip(self.places + self.left * offset_m[:, None], self.along)


def strip_along(line: LineString, at_m: Floats) -> Strip:
    """Places and directions at distances along a line; directions over a metre, so that a kink is none."""
    here = shapely.get_coordinates(shapely.line_interpolate_point(line, at_m))
    ahead = shapely.get_coordinates(shapely.line_interpolate_point(line, np.minimum(at_m + 0.5, line.length)))
    behind = shapely.get_coordinates(shapely.line_interpolate_point(line, np.maximum(at_m - 0.5, 0.0)))
    along = ahead - behind
    return Strip(here, along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9))


def classes_at(points: Floats, grid: GeoGrid, layers: Layers, what: str = "classes") -> npt.NDArray[np.uint8]:
    """Codes of `Layers.classes` or `.change` at points (..., 2); 0 outside the grid and where there are
    none."""
    window = grid.window_of(shapely.MultiPoint(points.reshape(-1, 2)))
    if window is None:
        return np.zeros(points.shape[:-1], np.uint8)
    codes = getattr(layers, what)(window)
    if codes is None:
        return np.zeros(points.shape[:-1], np.uint8)
    inverse = ~grid.window_transform(window)
    col = np.floor(inverse.a * points[..., 0] + inverse.c).astype(int)
    row = np.floor(inverse.e * points[..., 1] + inverse.f).astype(int)
    inside = (col >= 0) & (row >= 0) & (col < window.width) & (row < window.height)
    return np.where(inside, codes[np.where(inside, row, 0), np.where(inside, col, 0)], 0).astype(np.uint8)


def scores(strip: Strip, grid: GeoGrid, layers: Layers, others: Geometry | None = None) -> Floats:
    """(n, m) how much of a carriageway shows at each of `ACROSS` beside each station, 0 to 1.

    What lies nearer to one of the `others` is that road's carriageway, not this one's.
    """
    wide = np.arange(-CORRIDOR_M - 2.0, CORRIDOR_M + 2.0 + 1e-9, _ACROSS_M)
    points = strip.places[:, None] + strip.left[:, None] * wide[None, :, None]
    codes = classes_at(points, grid, layers)
    sigma = _HALF_ROAD_M / _ACROSS_M
    score = ndimage.gaussian_filter1d((codes == ROAD).astype(float), sigma, axis=1)
    score[(codes == NOT_ANALYSED).mean(axis=1) > 0.5] = 0.0
    score = score[:, np.abs(wide) <= CORRIDOR_M + 1e-9]
    if others is not None:
        places = strip.places[:, None] + strip.left[:, None] * ACROSS[None, :, None]
        away = shapely.distance(others, shapely.points(places))
        score[away < np.abs(ACROSS)] = 0.0
    return score


def offsets(score: Floats) -> Floats:
    """(n,) metres to the left of each station at which the road runs, by its `scores`; stations are a metre
    apart or so.

    First how far the whole line is off, by the stations that show a carriageway; then where it runs about
    that. A line that shows none is left where it is.
    """
    rough = _best_path(score - _STAY * np.abs(ACROSS))
    at = np.clip(np.rint((rough - ACROSS[0]) / _ACROSS_M).astype(int), 0, len(ACROSS) - 1)
    clear = score[np.arange(len(score)), at] > _CLEAR
    whole = float(np.median(rough[clear])) if clear.mean() > _CLEAR_SHARE else 0.0
    path = _best_path(score - _STRAY * np.abs(ACROSS - whole))
    return np.asarray(ndimage.gaussian_filter1d(path, 3.0, mode="nearest"))


def _best_path(score: Floats) -> Floats:
    """The offsets (n,) of the largest sum of score (n, m), each step sideways dear by its length."""
    reach = 3
    moves = np.arange(-reach, reach + 1)
    price = _BEND * np.abs(moves) * _ACROSS_M
    total = score[0].copy()
    came = np.zeros(score.shape, np.int64)
    for row in range(1, len(score)):
        padded = np.pad(total, reach, constant_values=-np.inf)
        choices = np.stack([padded[reach + m : reach + m + len(total)] for m in moves]) - price[:, None]
        pick = choices.argmax(axis=0)
        came[row] = np.clip(np.arange(len(total)) + moves[pick], 0, len(total) - 1)
        total = choices[pick, np.arange(len(total))] + score[row]
    path = np.empty(len(score), np.int64)
    path[-1] = int(total.argmax())
    for row in range(len(score) - 1, 0, -1):
        path[row - 1] = came[row, path[row]]
    return ACROSS[path]
