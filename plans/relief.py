"""Lanes over relief: how far photos reach on rising ground, and how close lanes and photos must then lie.

A lane is flown at a constant height above the ground under it. Ground that rises beside it comes nearer to
the camera and fills more of the picture, so that less of it is seen: in a hollow both neighbours reach less
far and lanes must lie closer; on a ridge they may lie further apart. The rule everywhere is that of level
ground, where a lane may lie (1 - sidelap) of a footprint from the next: the reaches of two neighbours
towards each other, times (1 - sidelap), bound their distance (compare Zhao et al. 2021, "variable spacing").
"""

from __future__ import annotations

import math

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from plans.follow import FollowLimits
from plans.frames import FloatArray
from plans.lanes import SweepAxes
from plans.terrain import Terrain

_FLAT = 0.02  # relief under this share of the height is nothing
_FURTHEST = 1.25  # spacings between lanes where the ground falls away on both sides
_EPS_M = 1e-6
_STRICT = 0.02  # share of places along a lane that may stay short: small knolls must not thin the whole lane


def lane_places(
    region: Polygon | MultiPolygon,
    axes: SweepAxes,
    spacing_m: float,
    reach_m: float,
    terrain: Terrain,
    limits: FollowLimits,
) -> FloatArray:
    """Places across (n,) of lanes over a region so that the sidelap of level ground holds on the terrain.

    `spacing_m` is the distance of lanes on level ground and `reach_m` half a footprint's width there. On
    level ground lanes stand as `axes.even_places` says. With `even` the lanes are then drawn as far apart
    from each other as their number allows; without, the last ones may lie closer than they need.
    """
    step = max(spacing_m / 20, (axes.right - axes.left) / 2000)
    if axes.right - axes.left < step:  # a sliver: there is nothing across it to follow
        return axes.even_places(spacing_m)
    along_step = max(terrain.step_m, spacing_m / 3, (axes.high - axes.low) / 400)
    t = np.linspace(axes.left, axes.right, max(math.ceil((axes.right - axes.left) / step), 1) + 1)
    step = float(t[1] - t[0])
    s = np.arange(axes.low, axes.high + along_step, along_step)
    beside = math.ceil(2.0 * reach_m / step)
    wide = np.concatenate(
        [t[0] - step * np.arange(beside, 0, -1), t, t[-1] + step * np.arange(1, beside + 1)]
    )
    east = s[:, None] * axes.unit[0] + wide[None] * axes.across[0]
    north = s[:, None] * axes.unit[1] + wide[None] * axes.across[1]
    ground = terrain.at(east, north)
    own = slice(beside, beside + len(t))
    inside = shapely.contains_xy(region, east[:, own], north[:, own])
    known = ground[:, own][inside]
    if known.size == 0 or np.ptp(known[np.isfinite(known)]) < _FLAT * limits.height_m:
        return axes.even_places(spacing_m)
    flown = _flown(ground[:, own], s, limits)
    slope = limits.height_m / reach_m
    right = _reach(flown, ground, beside, step, slope, 1)
    left = _reach(flown, ground, beside, step, slope, -1)
    share = spacing_m / (2 * reach_m)  # 1 - sidelap
    most = _FURTHEST * spacing_m
    count = len(_greedy(t, inside, left * share, right * share, most))
    low, high = 0.5, 1.0
    for _ in range(7):  # draw the lanes evenly apart: the least share with which as many do
        middle = (low + high) / 2
        if len(_greedy(t, inside, left * share * middle, right * share * middle, most * middle)) > count:
            low = middle
        else:
            high = middle
    return _greedy(t, inside, left * share * high, right * share * high, most * high)


def trigger_over_relief_m(
    path_m: FloatArray, trigger_m: float, reach_m: float, height_m: float, terrain: Terrain
) -> float:
    """The distance between photos along a lane's path (k, 3) with which the overlap of level ground holds.

    `trigger_m` is the distance on level ground and `reach_m` half a footprint's length there, both from
    `height_m`. Never more than `trigger_m`.
    """
    if terrain.is_level:
        return trigger_m
    steps = np.hypot(*np.diff(path_m[:, :2], axis=0).T)
    run = np.concatenate([[0.0], np.cumsum(steps)])
    step = trigger_m / 4
    beside = math.ceil(2.0 * reach_m / step)
    at = np.arange(0.0, run[-1] + step, step)
    wide = np.concatenate([-step * np.arange(beside, 0, -1), at, at[-1] + step * np.arange(1, beside + 1)])
    before = (path_m[0, :2] - path_m[1, :2]) / max(steps[0], 1e-9)
    after = (path_m[-1, :2] - path_m[-2, :2]) / max(steps[-1], 1e-9)
    east, north = (
        np.interp(wide, run, path_m[:, axis])
        + np.maximum(-wide, 0.0) * before[axis]
        + np.maximum(wide - run[-1], 0.0) * after[axis]
        for axis in (0, 1)
    )
    ground = terrain.at(east, north)[None]
    flown = np.interp(at, run, path_m[:, 2])[None]
    fore = _reach(flown, ground, beside, step, height_m / reach_m, 1)[0]
    back = _reach(flown, ground, beside, step, height_m / reach_m, -1)[0]
    next_back = np.append(back[4:], np.full(min(4, len(back)), np.inf))[: len(back)]
    sums = np.sort(fore + np.minimum(back, next_back))
    return min(trigger_m, trigger_m / (2 * reach_m) * float(sums[int(_STRICT * len(sums))]))


def _flown(ground: FloatArray, run: FloatArray, limits: FollowLimits) -> FloatArray:
    """Heights (s, t) of lanes along every column that climb and descend no steeper than allowed."""
    target = np.where(np.isfinite(ground), ground, np.nanmin(ground)) + limits.height_m
    fall = limits.descent_slope * run[:, None]
    climb = limits.climb_slope * (run[-1] - run)[:, None]
    falling = np.maximum.accumulate(target + fall, axis=0) - fall
    return np.maximum.accumulate((falling + climb)[::-1], axis=0)[::-1] - climb


def _reach(
    flown: FloatArray, ground: FloatArray, beside: int, step: float, slope: float, side: int
) -> FloatArray:
    """How far to one side (1 right, -1 left) a camera at `flown` (s, t) sees ground, metres.

    The edge ray falls by `slope` metres a metre; it ends where the ground first stands above it.
    """
    reach = np.full(flown.shape, beside * step)
    seeing = np.ones(flown.shape, bool)
    before = flown - ground[:, beside : beside + flown.shape[1]]
    for q in range(1, beside + 1):
        first = beside + side * q
        above = flown - slope * q * step - ground[:, first : first + flown.shape[1]]
        ends = seeing & (above < 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.clip(before / (before - above), 0.0, 1.0)
        reach[ends] = ((q - 1 + part) * step)[ends]
        seeing &= ~ends
        before = above
    return reach


def _greedy(
    t: FloatArray, inside: np.ndarray, left: FloatArray, right: FloatArray, most: float
) -> FloatArray:
    """Places each as far from the last as reaches allow; the first and last see the region's edges."""
    step = float(t[1] - t[0]) if len(t) > 1 else 1.0
    furthest = max(int(most / step + 1e-9), 1)
    columns = np.arange(len(t))
    rows_first, rows_last = _first_and_last(inside)
    begun = np.where(rows_first[:, None] <= columns, t[None] - t[rows_first][:, None] - left, -np.inf)
    ending = np.where(rows_last[:, None] >= columns, t[rows_last][:, None] - t[None] - right, -np.inf)
    starts = np.flatnonzero((_strict_max(begun) <= _EPS_M) & (t - t[0] <= most / 2))
    ends = (_strict_max(ending) <= _EPS_M) & (t[-1] - t <= most / 2 + step)
    at = int(starts.max(initial=min(furthest // 2, len(t) - 1)))
    places = [at]
    while not ends[at] and at < len(t) - 1:
        ahead = np.arange(at + 1, min(at + furthest, len(t) - 1) + 1)
        between = (rows_first[:, None] <= ahead) & (rows_last[:, None] >= at)
        short = np.where(between, (t[ahead] - t[at])[None] - right[:, at, None] - left[:, ahead], -np.inf)
        fits = np.flatnonzero(_strict_max(short) <= _EPS_M)
        last = fits[ends[ahead[fits]]]  # a lane that ends the sweep stands no further out than it must
        at = int(ahead[last[0] if len(last) else fits.max(initial=0)])
        places.append(at)
    return np.asarray(t[places])


def _first_and_last(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every row the first and last column inside; rows without any get the last and first column."""
    some = inside.any(axis=1)
    first = np.where(some, inside.argmax(axis=1), inside.shape[1] - 1)
    last = np.where(some, inside.shape[1] - 1 - inside[:, ::-1].argmax(axis=1), 0)
    return first, last


def _strict_max(short: FloatArray) -> FloatArray:
    """Of every column, how much its places fall short, but for the worst few."""
    counts = np.isfinite(short).sum(axis=0)
    index = np.clip(len(short) - 1 - np.floor(_STRICT * counts).astype(int), 0, len(short) - 1)
    return np.asarray(np.sort(short, axis=0)[index, np.arange(short.shape[1])])
