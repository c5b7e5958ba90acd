"""A plan as GeoJSON (RFC 7946): zone, no-fly areas, lanes, transits, photos and launch points as features."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry import mapping

from plans.formats.files import write_text
from plans.frames import FloatArray
from plans.survey import SurveyPlan


def write_geojson(plan: SurveyPlan, path: Path | str) -> Path:
    """Write the plan's features; `kind` tells them apart: zone, no_fly, launch, lane, transit, photo.

    Third coordinates are metres AMSL, left out where the plan knows no datum. No-fly areas are drawn as
    lines, for the polygons of the file are what a reader would survey. Raises PlanFileError.
    """
    features = [_feature(mapping(plan.frame.geometry_to_geo(plan.region)), kind="zone")]
    for area in plan.no_fly:
        features.append(_feature(mapping(plan.frame.geometry_to_geo(area.exterior)), kind="no_fly"))
    for sortie in plan.sorties:
        common = {"sortie": sortie.index + 1, "drone": sortie.drone + 1}
        launch = {"type": "Point", "coordinates": [sortie.launch.lon_deg, sortie.launch.lat_deg]}
        features.append(_feature(launch, kind="launch", **common))
        for leg in sortie.legs:
            line = {"type": "LineString", "coordinates": _places(plan, leg.points_m)}
            flown = {"speed_mps": leg.speed_mps, **common}
            if leg.lane is None:
                features.append(_feature(line, kind="transit", **flown))
            else:
                features.append(
                    _feature(line, kind="lane", lane=leg.lane + 1, trigger_m=leg.trigger_m, **flown)
                )
        for shot in sortie.shots:
            point = {"type": "Point", "coordinates": _places(plan, shot.pose.centre[None])[0]}
            features.append(
                _feature(
                    point,
                    kind="photo",
                    photo=shot.index + 1,
                    lane=shot.lane + 1,
                    yaw_deg=round(shot.pose.yaw_deg, 2),
                    height_agl_m=round(shot.height_agl_m, 2),
                    gsd_cm=round(shot.gsd_m * 100, 3),
                    **common,
                )
            )
    collection = {"type": "FeatureCollection", "features": features}
    return write_text(path, json.dumps(collection, allow_nan=False) + "\n")


def _feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _places(plan: SurveyPlan, points_m: FloatArray) -> list[list[float]]:
    lat, lon = plan.frame.to_geo(points_m[:, 0], points_m[:, 1])
    columns = [np.round(lon, 8), np.round(lat, 8)]
    if plan.has_datum:
        columns.append(np.round(points_m[:, 2], 2))
    return np.column_stack(columns).tolist()
