"""How far above the ground a flight keeps: along every leg, and on the straight way home from everywhere, or
to the rally point that the autopilot would choose there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flight.safety.plan_path import FlightPath, Leg, LegKind
from flight.safety.way_home import ReturnSettings
from plans.frames import FloatArray
from plans.terrain import Terrain

_MOST_SAMPLES = 400_000
_MOST_STARTS = 400
_START_STEP_M = 50.0
_WAY_SAMPLES = 200
_AT_HOME_M = 15.0
"""So near its landing place the height above ground of a way home is no longer looked at."""


@dataclass(frozen=True)
class Low:
    """The lowest place of a leg to an item (index), or of the ways home from it."""

    item: int
    clearance_m: float
    lat_deg: float
    lon_deg: float
    rally: int = 0
    """The number of the rally point to which the way home leads; 0 for home."""


@dataclass(frozen=True)
class Ground:
    """`low` are the legs under the wanted clearance, `home` the lowest way home, `rtl_height_m` the least
    return height above launch with which every way home keeps the wanted clearance (0: any will do).
    `unknown_share` of the legs' length lies where the terrain has no height."""

    lowest: Low | None
    low: tuple[Low, ...]
    home: Low | None
    rtl_height_m: float
    unknown_share: float


def ground_of(
    paths: Sequence[FlightPath], terrain: Terrain, returns: ReturnSettings, wanted_m: float
) -> Ground:
    """Look at flights over terrain in their frame."""
    legs = [leg for path in paths for leg in path.legs if leg.kind in (LegKind.FLY, LegKind.HOME)]
    length = sum(float(np.hypot(leg.end[0] - leg.start[0], leg.end[1] - leg.start[1])) for leg in legs)
    step = max(float(np.clip(terrain.step_m / 2, 1.0, 25.0)), length / _MOST_SAMPLES)
    lows, unknown, count = [], 0, 0
    for leg in legs:
        points = _heights(leg, terrain, step)
        above = points[:, 2] - terrain.at(points[:, 0], points[:, 1])
        unknown, count = unknown + int(np.isnan(above).sum()), count + len(above)
        if np.isfinite(above).any():
            lows.append(_low(leg.item, points, above, terrain))
    ways = [_ways_home(path, terrain, returns, wanted_m) for path in paths]
    homes = [low for low, _ in ways if low is not None]
    return Ground(
        lowest=min(lows, key=_clearance, default=None),
        low=_by_item([low for low in lows if low.clearance_m < wanted_m]),
        home=min(homes, key=_clearance, default=None),
        rtl_height_m=max((height for _, height in ways), default=0.0),
        unknown_share=unknown / count if count else 0.0,
    )


def _clearance(low: Low) -> float:
    return low.clearance_m


def _by_item(lows: Sequence[Low]) -> tuple[Low, ...]:
    """The lowest of each item, the lowest first."""
    worst: dict[int, Low] = {}
    for low in sorted(lows, key=_clearance):
        worst.setdefault(low.item, low)
    return tuple(worst.values())


def _low(item: int, points: FloatArray, above: FloatArray, terrain: Terrain) -> Low:
    at = int(np.nanargmin(above))
    lat, lon = terrain.frame.to_geo(points[at, 0], points[at, 1])
    return Low(item, float(above[at]), float(lat), float(lon))


def _heights(leg: Leg, terrain: Terrain, step_m: float) -> FloatArray:
    """Points (n, 3) along a leg, no farther apart than `step_m`."""
    start, end = np.array(leg.start), np.array(leg.end)
    parts = max(int(np.ceil(np.hypot(*(end - start)[:2]) / step_m)), 1)
    share = np.linspace(0.0, 1.0, parts + 1)[:, None]
    points = start + share * (end - start)
    if leg.over_terrain:
        ground = terrain.at(points[:, 0], points[:, 1])
        if np.isfinite(ground[[0, -1]]).all():
            first, last = points[0, 2] - ground[0], points[-1, 2] - ground[-1]
            points[:, 2] = ground + first + share[:, 0] * (last - first)
    return points


def _ways_home(
    path: FlightPath, terrain: Terrain, returns: ReturnSettings, wanted_m: float
) -> tuple[Low | None, float]:
    """The lowest of all straight ways home from a flight, and the least return height that clears them."""
    flown = [leg for leg in path.legs if leg.kind is LegKind.FLY]
    if path.launch_m is None or not flown or returns.over_terrain:
        return None, 0.0
    length = sum(float(np.hypot(leg.end[0] - leg.start[0], leg.end[1] - leg.start[1])) for leg in flown)
    step = max(_START_STEP_M, length / _MOST_STARTS)
    starts = [_heights(leg, terrain, step) for leg in flown]
    items = np.concatenate([np.full(len(s), leg.item) for s, leg in zip(starts, flown, strict=True)])
    points = np.concatenate(starts)
    known = np.isfinite(points[:, 2])
    points, items = points[known], items[known]
    goals = [path.goal((e, n, up), returns) for e, n, up in points.tolist()]
    ends = np.array([path.goal_m(goal) for goal in goals]).reshape(-1, 2)
    away = np.hypot(*(points[:, :2] - ends).T)
    (far,) = np.nonzero(away > _AT_HOME_M)
    points, items, ends, away = points[far], items[far], ends[far], away[far]
    goals = [goals[index] for index in far]
    if not len(points):
        return None, 0.0
    share = np.linspace(0.0, 1.0, _WAY_SAMPLES)
    east = points[:, :1] + share * (ends[:, :1] - points[:, :1])
    north = points[:, 1:2] + share * (ends[:, 1:] - points[:, 1:2])
    ground = terrain.at(east, north)
    ground = np.where(away[:, None] * (1 - share) > _AT_HOME_M, ground, np.nan)
    highest = np.nanmax(np.where(np.isfinite(ground), ground, -np.inf), axis=1)
    above_launch = points[:, 2] - path.zero_m
    height = np.array(
        [
            returns.height_to(goal, path.place((e, n, up)))
            for goal, (e, n, up) in zip(goals, points.tolist(), strict=True)
        ]
    )
    clear = path.zero_m + height - highest
    worst = int(np.argmin(clear))
    at = int(np.nanargmax(np.where(np.isfinite(ground[worst]), ground[worst], -np.inf)))
    lat, lon = terrain.frame.to_geo(east[worst, at], north[worst, at])
    need = highest + wanted_m - path.zero_m
    bases = np.array([returns.base_m(goal) for goal in goals])
    short = (need - bases)[above_launch < need]
    low = Low(int(items[worst]), float(clear[worst]), float(lat), float(lon), goals[worst].rally)
    return low if np.isfinite(clear[worst]) else None, float(max(short.max(), 0.0)) if len(short) else 0.0
