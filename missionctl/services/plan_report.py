"""What the report of `missionctl plan` has beside the planner's own figures: each drone, each zone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from shapely import Geometry

from plans.coverage import cell_size_m, ground_cells
from plans.drones import Kit
from plans.mission import Mission
from plans.survey import SurveyPlan
from plans.terrain import Terrain, flat_terrain
from plans.urgency import time_to_image
from plans.zones import Zone

_COARSER = 3  # than the proof of coverage: times need no finer cells


def drone_json(kit: Kit) -> dict[str, Any]:
    """How a drone flies the survey, and what its battery gives for it."""
    return {
        "name": kit.drone.name,
        "camera": kit.camera.name,
        "height_agl_m": round(kit.height_m, 1),
        "speed_mps": round(kit.speed_mps, 2),
        "photo_distance_m": round(kit.trigger_m, 2),
        "endurance_s": round(kit.drone.battery.endurance_s, 1),
        "usable_s": round(kit.drone.battery.usable_s, 1),
        "swap_s": round(kit.drone.battery.swap_s, 1),
        "item_limit": _most_items(kit),
    }


def _most_items(kit: Kit) -> int | None:
    """The most items of one flight, without home."""
    memory = kit.drone.memory
    return None if memory is None else memory - kit.drone.slots(Mission(()))


def zones_json(
    plan: SurveyPlan, zones: Sequence[Zone], terrain: Terrain | None, seen: Geometry
) -> list[dict[str, Any]]:
    """Each zone, the most urgent first: its priority, and when its ground has been photographed, as far as it
    lies in what is to be seen at all (local metres)."""
    ground = terrain or flat_terrain(plan.frame, plan.sorties[0].launch_ground_m, (-5e5, -5e5, 5e5, 5e5))
    rows = []
    for zone in sorted(zones, key=lambda zone: -zone.priority):
        area = shapely.intersection(plan.frame.geometry_to_local(zone.polygon), seen)
        row = {"name": zone.name, "priority": zone.priority, "area_m2": round(area.area, 1)}
        if area.area > 0:
            cell = _COARSER * cell_size_m(plan.camera, min(kit.height_m for kit in plan.kits), area)
            cells = ground_cells(area, ground, cell)
            times = time_to_image(cells, np.where(cells.inside, 1.0, 0.0), plan.sorties)
            row["time_to_image_s"] = times.report()
        rows.append(row)
    return rows
