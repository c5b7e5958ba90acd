"""What a survey was asked to show, as a plan file carries it: from it the rest can be planned anew, for
whatever drone is there."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import shapely
from shapely import MultiPolygon, Polygon

from plans.survey import SurveyPlan
from plans.zones import Zone

_MOST_VIEWS = 50


@dataclass(frozen=True)
class SurveyGoal:
    """The zones (WGS84) and what is to come of them: ground size of a pixel, overlaps (shares), how many
    photos are to see every place of which share of the zone, and what is kept clear of. `shifts_m` is by how
    much the heights that cameras wrote so far were above the DEM's, by camera name."""

    zones: tuple[Zone, ...]
    gsd_m: float
    overlap: float
    sidelap: float
    views: int
    min_share: float
    clearance_m: float
    no_fly_margin_m: float
    hole_margin_m: float
    endurance_s: float
    shifts_m: Mapping[str, float] = field(default_factory=dict)


def goal_of(plan: SurveyPlan, zones: Sequence[Zone] = ()) -> SurveyGoal:
    """The goal of a plan. Without `zones` the plan's whole region is one zone: priorities are not kept."""
    settings = plan.settings
    return SurveyGoal(
        zones=tuple(zones) or (Zone("zone", plan.frame.geometry_to_geo(plan.region)),),
        gsd_m=plan.camera.gsd_m(plan.height_agl_m),
        overlap=settings.overlap,
        sidelap=settings.sidelap,
        views=settings.views_asked,
        min_share=settings.min_share,
        clearance_m=settings.clearance_m,
        no_fly_margin_m=settings.no_fly_margin_m,
        hole_margin_m=settings.hole_margin_m,
        endurance_s=plan.kits[0].drone.battery.endurance_s,
    )


def goal_json(goal: SurveyGoal) -> dict[str, Any]:
    """The goal under the keys `zones` (names, priorities, GeoJSON polygons) and `survey`."""
    return {
        "zones": [
            {
                "name": zone.name,
                "priority": zone.priority,
                "polygon": json.loads(shapely.to_geojson(zone.polygon)),
            }
            for zone in goal.zones
        ],
        "survey": {
            "gsd_m": round(goal.gsd_m, 6),
            "overlap": goal.overlap,
            "sidelap": goal.sidelap,
            "views": goal.views,
            "min_share": goal.min_share,
            "clearance_m": goal.clearance_m,
            "no_fly_margin_m": goal.no_fly_margin_m,
            "hole_margin_m": goal.hole_margin_m,
            "endurance_s": goal.endurance_s,
            "height_shifts_m": {name: round(shift, 2) for name, shift in goal.shifts_m.items()},
        },
    }


def goal_from(extension: dict[str, Any]) -> SurveyGoal | None:
    """The goal that `goal_json` wrote into a plan's own object, None when it has none.

    Raises ValueError, KeyError or TypeError when it is broken.
    """
    if not extension.get("zones") or "survey" not in extension:
        return None
    survey = extension["survey"]
    shifts = {str(name): float(shift) for name, shift in survey.get("height_shifts_m", {}).items()}
    if not all(abs(shift) < 1e4 for shift in shifts.values()):
        raise ValueError("a shift of heights without end")
    return SurveyGoal(
        zones=tuple(_zone(entry) for entry in extension["zones"]),
        gsd_m=_within(survey, "gsd_m", 1e-4, 100.0),
        overlap=_within(survey, "overlap", 0.0, 0.95),
        sidelap=_within(survey, "sidelap", 0.0, 0.95),
        views=int(_within(survey, "views", 1, _MOST_VIEWS)),
        min_share=_within(survey, "min_share", 0.01, 1.0),
        clearance_m=_within(survey, "clearance_m", 0.1, 1e4),
        no_fly_margin_m=_within(survey, "no_fly_margin_m", 0.0, 1e4),
        hole_margin_m=_within(survey, "hole_margin_m", 0.0, 1e4),
        endurance_s=_within(survey, "endurance_s", 1.0, 1e6),
        shifts_m=shifts,
    )


def _zone(entry: dict[str, Any]) -> Zone:
    polygon = shapely.from_geojson(json.dumps(entry["polygon"]))
    if not isinstance(polygon, Polygon | MultiPolygon) or not polygon.is_valid or polygon.area <= 0:
        raise ValueError(f"zone {entry.get('name', '?')!r} is no sound polygon")
    west, south, east, north = polygon.bounds
    if not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        raise ValueError(f"zone {entry.get('name', '?')!r} is not in degrees")
    priority = float(entry.get("priority", 1.0))
    if not math.isfinite(priority):
        raise ValueError("a priority without end")
    return Zone(str(entry.get("name", "zone")), polygon, priority)


def _within(survey: dict[str, Any], key: str, low: float, high: float) -> float:
    value = float(survey[key])
    if not low <= value <= high:
        raise ValueError(f"{key} of {value:g}")
    return value
