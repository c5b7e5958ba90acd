"""What analysts decided on buildings and roads: it stands over what the picture suggests.

A decision belongs to a place, not to a row of one map: numbers of footprints differ between files, and
stretches of road between runs. The suggestion is kept beside it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import pyproj
import shapely
from shapely import Point, STRtree

from imagery.damage.buildings import GradedBuilding
from imagery.damage.legend import GRADES, ROAD_STATES, ROADS_CUT
from imagery.damage.roads import RoadStretch

BUILDING_KIND, ROAD_KIND = "building", "road"
SUGGESTED, CONFIRMED, LOOK_AGAIN = "suggested", "confirmed", "look again"
"""`status` of a graded object: nobody has decided; somebody has; somebody had, and newer photos suggest
worse."""
_ON_ROAD_M = 6.0
_AT_HOUSE_M = 1.0

Graded = TypeVar("Graded", GradedBuilding, RoadStretch)


@dataclass(frozen=True)
class Decision:
    """A grade that a person gave to what stands at a place."""

    kind: str
    """BUILDING_KIND or ROAD_KIND."""
    identifier: str
    """What the map called it; for people."""
    grade: str
    by: str
    time_utc: dt.datetime
    lon_deg: float
    lat_deg: float
    note: str = ""


@dataclass(frozen=True)
class Standing:
    """Beside a graded object: whether somebody decided on it, and what the picture alone suggests."""

    status: str
    suggested: str
    by: str | None = None
    time_utc: dt.datetime | None = None
    note: str | None = None


def grades_of(kind: str) -> tuple[str, ...]:
    """What may be decided of a kind."""
    return tuple(entry.key for entry in (GRADES if kind == BUILDING_KIND else ROAD_STATES))


def decide_buildings(
    buildings: Sequence[GradedBuilding],
    decisions: Sequence[Decision],
    crs: pyproj.CRS,
    acquired_utc: dt.datetime | None,
) -> tuple[tuple[GradedBuilding, ...], tuple[Standing, ...]]:
    """The buildings with decided grades, and how each stands; the last decision on a house holds."""
    held = _held(BUILDING_KIND, decisions, crs, [b.footprint for b in buildings], _AT_HOUSE_M)
    worse = {entry.key: entry.code for entry in GRADES}
    return _decided(buildings, "grade", held, worse, acquired_utc)


def decide_roads(
    stretches: Sequence[RoadStretch],
    decisions: Sequence[Decision],
    crs: pyproj.CRS,
    acquired_utc: dt.datetime | None,
) -> tuple[tuple[RoadStretch, ...], tuple[Standing, ...]]:
    """The stretches with decided states; a decision belongs to the stretch nearest to its place."""
    held = _held(ROAD_KIND, decisions, crs, [s.line for s in stretches], _ON_ROAD_M)
    worse = {state: ROADS_CUT.index(state) + 2 if state in ROADS_CUT else 1 for state in grades_of(ROAD_KIND)}
    return _decided(stretches, "state", held, worse, acquired_utc)


def _decided(
    objects: Sequence[Graded],
    field: str,
    held: Mapping[int, Decision],
    worse: dict[str, int],
    acquired_utc: dt.datetime | None,
) -> tuple[tuple[Graded, ...], tuple[Standing, ...]]:
    """Objects whose grade stands in `field`, with what was decided in its place."""
    graded, standing = [], []
    for index, found in enumerate(objects):
        decision = held.get(index)
        standing.append(_standing(getattr(found, field), decision, worse, acquired_utc))
        change: dict[str, Any] = {field: decision.grade, "confidence": 1.0} if decision else {}
        graded.append(replace(found, **change))
    return tuple(graded), tuple(standing)


def _held(
    kind: str,
    decisions: Sequence[Decision],
    crs: pyproj.CRS,
    shapes: Sequence[shapely.Geometry],
    within_m: float,
) -> dict[int, Decision]:
    """By the number of a shape: the last decision on it."""
    own = sorted((d for d in decisions if d.kind == kind), key=lambda d: d.time_utc)
    if not own or not shapes:
        return {}
    to_work = pyproj.Transformer.from_crs(4326, crs, always_xy=True)
    east, north = to_work.transform([d.lon_deg for d in own], [d.lat_deg for d in own])
    tree = STRtree(shapes)
    found: dict[int, Decision] = {}
    for decision, x, y in zip(own, np.atleast_1d(east), np.atleast_1d(north), strict=True):
        near = tree.query_nearest(Point(x, y), max_distance=within_m, all_matches=False)
        if len(near):
            found[int(near[0])] = decision
    return found


def _standing(
    suggested: str, decision: Decision | None, worse: dict[str, int], acquired_utc: dt.datetime | None
) -> Standing:
    if decision is None:
        return Standing(SUGGESTED, suggested)
    newer = acquired_utc is not None and acquired_utc > decision.time_utc
    again = newer and worse[suggested] > worse[decision.grade]
    return Standing(
        LOOK_AGAIN if again else CONFIRMED, suggested, decision.by, decision.time_utc, decision.note or None
    )
