"""The best place for a relay: on the ground or hovering, within reach of the station."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import Geometry

from plans.errors import SurveyError
from plans.frames import FloatArray, GeoPoint
from plans.radio import Antenna, RadioLink, pair_margins_db
from plans.radio_paths import RadioPath, connected_share, path_margins
from plans.terrain import Terrain

_ACROSS = 24  # cells along each side of the search area
_WITHIN = 5  # places along each side of a cell, of which the highest stands for it
_SAMPLES = 100  # lost points by which places are compared
_COARSE = 100  # ground heights along a way as long as the search area, while comparing
_KEPT = 10  # places around which finer grids are laid
_FINALISTS = 4  # that are looked at exactly
_ROUNDS = 2  # of looking at _WITHIN x _WITHIN places around each
_HOPELESS_DB, _ENOUGH_DB = -40.0, 10.0  # margins beyond these count as these


@dataclass(frozen=True)
class RelayProposal:
    """A place for a relay, the share of the flights' length that has a link without it and with it, and the
    margin of its own link to the station."""

    antenna: Antenna
    share_before: float
    share_after: float
    station_margin_db: float


def best_relay(
    paths: Sequence[RadioPath],
    terrain: Terrain,
    station: Antenna,
    link: RadioLink,
    height_agl_m: float,
    area: Geometry | Sequence[GeoPoint] | None = None,
) -> RelayProposal | None:
    """The place for a relay that brings most of the lost length of the paths back.

    `height_agl_m` is its mast on the ground, or the height at which it hovers. `area` is where it may stand:
    a polygon in local metres, places to choose from, or by default the circle around the station that just
    holds the paths. None when nothing is lost, or when no place within the station's reach helps.

    Places are compared on a grid, each cell by the highest ground in it that the station reaches, by a sample
    of the lost points over coarse ground; around the best of them on finer grids; the last few exactly.
    Deterministic. The place is the best of those looked at, not proven to be the best of all.
    """
    margins = path_margins(paths, terrain, station, link)
    before = connected_share(paths, margins)
    lost = [margin < 0 for margin in margins]
    if not any(mask.any() for mask in lost):
        return None
    points = np.concatenate([path.points_m[mask] for path, mask in zip(paths, lost, strict=True)])
    search = _Search(terrain, station.at_m(terrain), link, height_agl_m, points)
    found: RelayProposal | None = None
    for antenna in search.best_places(area)[:_FINALISTS]:
        place = antenna.at_m(terrain, "the relay")[None]
        own = float(pair_margins_db(terrain, search.base_m[None], place, link)[0])
        if not own >= 0:
            continue
        over = np.minimum(own, pair_margins_db(terrain, place, points, link))
        after = connected_share(paths, _filled(margins, lost, over))
        if after > (found.share_after if found else before) + 1e-9:
            found = RelayProposal(antenna, before, after, own)
    return found


def _filled(margins: Sequence[FloatArray], lost: Sequence[np.ndarray], over: FloatArray) -> list[FloatArray]:
    """The margins with the better of straight and over the relay at the lost points."""
    filled = []
    pieces = np.split(over, np.cumsum([mask.sum() for mask in lost])[:-1])
    for margin, mask, piece in zip(margins, lost, pieces, strict=True):
        margin = margin.copy()
        margin[mask] = np.fmax(margin[mask], piece)
        filled.append(margin)
    return filled


def _first_of_each(group: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Of indices in an order those that come first in their group, in that order."""
    _, first = np.unique(group[order], return_index=True)
    return order[np.sort(first)]


@dataclass(frozen=True)
class _Search:
    """Lost points (k, 3) that a relay at `height_agl_m` is to reach, and the station's antenna (3,)."""

    terrain: Terrain
    base_m: FloatArray
    link: RadioLink
    height_agl_m: float
    points_m: FloatArray

    def best_places(self, area: Geometry | Sequence[GeoPoint] | None) -> list[Antenna]:
        """The few places that promise most, best first."""
        if area is not None and not isinstance(area, Geometry):
            frame = self.terrain.frame
            given = np.column_stack(frame.to_local([p.lat_deg for p in area], [p.lon_deg for p in area]))
            return self._antennas(given[self._order(given, self._reach_m())])
        shape = shapely.Point(self.base_m[:2]).buffer(self._reach_m()) if area is None else area
        west, south, east, north = shape.bounds
        cell = max(east - west, north - south) / _ACROSS
        if not cell > 0:
            raise SurveyError(
                "the area to look for a relay in has no extent; give a polygon or a larger circle"
            )
        best = self._highest(shape, cell)
        best = best[self._order(best, cell * _ACROSS)[:_KEPT]]
        around = (np.arange(_WITHIN) - (_WITHIN - 1) / 2) / _WITHIN
        grid = np.vstack([[0.0, 0.0], *([x, y] for x in around for y in around)])
        for _ in range(_ROUNDS):
            finer = (best[:, None] + grid * cell).reshape(-1, 2)
            owner = np.repeat(np.arange(len(best)), len(grid))
            inside = shapely.contains_xy(shape, finer)
            finer, owner = finer[inside], owner[inside]
            best = finer[_first_of_each(owner, self._order(finer, cell * _ACROSS))]
            cell /= _WITHIN
        return self._antennas(best)

    def _reach_m(self) -> float:
        return float(np.hypot(*(self.points_m[:, :2] - self.base_m[:2]).T).max())

    def _highest(self, shape: Geometry, cell_m: float) -> FloatArray:
        """The highest place that the station reaches in each cell of a grid over the shape, (n, 2)."""
        west, south, east, north = shape.bounds
        step = cell_m / _WITHIN
        e, n = (
            axis.ravel()
            for axis in np.meshgrid(
                np.arange(west + step / 2, east, step), np.arange(south + step / 2, north, step)
            )
        )
        inside = shapely.contains_xy(shape, e, n)
        relays = self._relays(np.column_stack([e[inside], n[inside]]))
        ground_step = self._step_m(cell_m * _ACROSS)
        own = pair_margins_db(self.terrain, self.base_m[None], relays, self.link, ground_step)
        relays = relays[own >= 0]
        cols, rows = np.floor((relays[:, :2] - (west, south)) / cell_m).astype(int).T
        return relays[
            _first_of_each(rows * (_ACROSS + 1) + cols, np.argsort(-relays[:, 2], kind="stable")), :2
        ]

    def _order(self, places: FloatArray, extent_m: float) -> np.ndarray:
        """Indices of those places (n, 2) that the station reaches: first those from which most lost points
        are reached, then those with the most margin to them."""
        step = self._step_m(extent_m)
        relays = self._relays(places)
        own = pair_margins_db(self.terrain, self.base_m[None], relays, self.link, step)
        heard = np.flatnonzero(own >= 0)
        sample = self.points_m[:: math.ceil(len(self.points_m) / _SAMPLES)]
        pairs = np.repeat(relays[heard], len(sample), axis=0), np.tile(sample, (len(heard), 1))
        over = pair_margins_db(self.terrain, *pairs, self.link, step).reshape(len(heard), len(sample))
        over = np.nan_to_num(np.minimum(over, own[heard, None]), nan=_HOPELESS_DB)
        reached = (over >= 0).sum(axis=1)
        spare = np.clip(over, _HOPELESS_DB, _ENOUGH_DB).sum(axis=1)
        return heard[np.lexsort((-spare, -reached))]

    def _relays(self, places: FloatArray) -> FloatArray:
        """East, north, up AMSL of relays over places (n, 2); NaN where the ground is not known."""
        return np.column_stack([places, self.terrain.at(*places.T) + self.height_agl_m])

    def _step_m(self, extent_m: float) -> float:
        return max(self.terrain.step_m, extent_m / _COARSE)

    def _antennas(self, places: FloatArray) -> list[Antenna]:
        lats, lons = self.terrain.frame.to_geo(*places.T)
        points = [GeoPoint(float(lat), float(lon)) for lat, lon in zip(lats, lons, strict=True)]
        return [Antenna(point, self.height_agl_m) for point in points]
