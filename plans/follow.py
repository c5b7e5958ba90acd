"""Terrain following: heights along a path so that it keeps above the ground and within climb limits."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from plans.errors import TerrainError
from plans.frames import FloatArray
from plans.terrain import Terrain


@dataclass(frozen=True)
class FollowLimits:
    """How a path follows the ground.

    `height_m` above ground is held within `tolerance_m`; slopes (rise over run) are not exceeded, the path
    is lifted before steep ground instead. No point of any segment is under `clearance_m`.
    """

    height_m: float
    clearance_m: float
    tolerance_m: float
    climb_slope: float
    descent_slope: float


def follow_ground(
    legs_m: Sequence[FloatArray], transit: Sequence[bool], terrain: Terrain, limits: FollowLimits
) -> list[FloatArray]:
    """Legs (k, 2) of one unbroken path, each ending where the next begins, with heights: (k', 3) AMSL.

    Lanes keep their height above ground; a `transit` goes as straight up or down as the clearance allows.
    Points are added within legs where the straight line between two would leave the tolerance. Raises
    TerrainError where the path leaves the terrain.
    """
    if terrain.is_level:
        ground_under(np.concatenate(legs_m), terrain)  # its corners in the grid, a path is in it
        level = float(terrain.heights_m.flat[0]) + limits.height_m
        return [np.column_stack([leg, np.full(len(leg), level)]) for leg in legs_m]
    dense, leg_of, corner = _densify(legs_m, _sample_step_m(terrain))
    ground = ground_under(dense, terrain)
    run = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(dense, axis=0).T))])
    tolerance = min(limits.tolerance_m, max(limits.height_m - limits.clearance_m, 0.0))
    free = np.asarray(transit, bool)[leg_of] & ~_ends(leg_of)
    target = ground + limits.height_m
    lifted = _within_slopes(np.where(free, -np.inf, target), run, limits)
    for first, last in _stretches(free):
        span = slice(first - 1, last + 2)
        floor = np.concatenate([[lifted[first - 1]], ground[first : last + 1], [lifted[last + 1]]])
        floor[1:-1] += limits.clearance_m + tolerance
        lifted[span] = _taut(floor, run[span])
    lifted = _within_slopes(lifted, run, limits)
    # Chords between kept points hang up to `tolerance` under the curve: never under clearance.
    keep = corner | _needed(lifted, run, corner, max(tolerance, 0.05))
    if tolerance < 0.05:
        lifted = lifted + 0.05
    return [_leg(dense, lifted, keep, leg_of, i) for i in range(len(legs_m))]


def ground_under(points_m: FloatArray, terrain: Terrain) -> FloatArray:
    """Ground heights (n,) AMSL under points (n, 2 or 3). Raises TerrainError where there are none."""
    ground = terrain.at(points_m[:, 0], points_m[:, 1])
    missing = ~np.isfinite(ground)
    if missing.any():
        lat, lon = terrain.frame.to_geo(*points_m[missing][0, :2])
        raise TerrainError(
            f"{terrain.source}: no height at lat {float(lat):.5f}, lon {float(lon):.5f}, where the path "
            f"must pass ({missing.mean():.0%} of it lies outside the DEM); take a DEM that reaches further"
        )
    return ground


def clearance_m(points_m: FloatArray, terrain: Terrain) -> float:
    """The least height of a path (k, 3) above the terrain, looked at along every segment."""
    flat = shapely.LineString(points_m)
    step = max(_sample_step_m(terrain) / 8, 0.5)
    dense = shapely.get_coordinates(shapely.segmentize(flat, step), include_z=True)
    return float(np.min(dense[:, 2] - ground_under(dense, terrain)))


def _sample_step_m(terrain: Terrain) -> float:
    return float(np.clip(terrain.step_m / 2, 1.0, 25.0))


def _densify(legs_m: Sequence[FloatArray], step_m: float) -> tuple[FloatArray, np.ndarray, np.ndarray]:
    """Points (n, 2) at most step_m apart, the leg that each belongs to, and whether it is a corner.

    The shared end of two legs occurs once, as the start of the later one.
    """
    points, owner, corner = [], [], []
    for index, leg in enumerate(legs_m):
        for a, b in itertools.pairwise(leg):
            parts = max(int(np.ceil(np.hypot(*(b - a)) / step_m)), 1)
            t = np.arange(parts)[:, None] / parts
            points.append(a + t * (b - a))
            owner.append(np.full(parts, index))
            corner.append(np.arange(parts) == 0)
    points.append(np.asarray(legs_m[-1][-1])[None])
    owner.append(np.array([len(legs_m) - 1]))
    corner.append(np.array([True]))
    return np.concatenate(points), np.concatenate(owner), np.concatenate(corner)


def _ends(leg_of: np.ndarray) -> np.ndarray:
    """True for the first point of every leg and the last point of all: they belong to both neighbours."""
    ends = np.concatenate([[True], np.diff(leg_of) > 0])
    ends[-1] = True
    return ends


def _stretches(free: np.ndarray) -> list[tuple[int, int]]:
    """(first, last) of every unbroken stretch of True."""
    edges = np.diff(np.concatenate([[0], free.astype(np.int8), [0]]))
    firsts, lasts = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _taut(floor: FloatArray, run: FloatArray) -> FloatArray:
    """A string pulled tight over the points (run, floor): their upper hull, at every run."""
    hull: list[int] = []
    for i in range(len(floor)):
        while len(hull) >= 2 and _under(hull[-2], hull[-1], i, floor, run):
            hull.pop()
        hull.append(i)
    return np.interp(run, run[hull], floor[hull])


def _under(a: int, b: int, c: int, floor: FloatArray, run: FloatArray) -> bool:
    """Whether point b lies on or under the line from a to c."""
    return bool((floor[b] - floor[a]) * (run[c] - run[a]) <= (floor[c] - floor[a]) * (run[b] - run[a]))


def _within_slopes(target: FloatArray, run: FloatArray, limits: FollowLimits) -> FloatArray:
    """The lowest curve over `target` that climbs and descends no steeper than allowed."""
    falling = np.maximum.accumulate(target + limits.descent_slope * run) - limits.descent_slope * run
    back = run[-1] - run
    rising = np.maximum.accumulate((falling + limits.climb_slope * back)[::-1])[::-1]
    return np.asarray(rising - limits.climb_slope * back)


def _needed(curve: FloatArray, run: FloatArray, corner: np.ndarray, tolerance: float) -> np.ndarray:
    """Which points must be kept so that straight lines stay within tolerance (Douglas-Peucker in height)."""
    keep = corner.copy()
    fixed = np.flatnonzero(corner)
    stack = list(zip(fixed[:-1].tolist(), fixed[1:].tolist(), strict=True))
    while stack:
        low, high = stack.pop()
        if high - low < 2:
            continue
        inner = slice(low + 1, high)
        length = run[high] - run[low]
        t = (run[inner] - run[low]) / length if length > 0 else np.zeros(high - low - 1)
        off = np.abs(curve[inner] - (curve[low] + t * (curve[high] - curve[low])))
        worst = int(np.argmax(off))
        if off[worst] > tolerance:
            middle = low + 1 + worst
            keep[middle] = True
            stack += [(low, middle), (middle, high)]
    return keep


def _leg(
    dense: FloatArray,
    heights: FloatArray,
    keep: np.ndarray,
    leg_of: np.ndarray,
    index: int,
) -> FloatArray:
    own = np.flatnonzero(leg_of == index)
    end = min(own[-1] + 1, len(dense) - 1)
    chosen = [i for i in own if keep[i]] + ([end] if end != own[-1] or not keep[end] else [])
    return np.column_stack([dense[chosen], heights[chosen]])
