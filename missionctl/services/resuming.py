"""What is still to fly, from the photos and the camera messages that really came."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imagery.photo_tags import read_tags
from imagery.photos import list_photo_files
from missionctl.services.planning import camera_of_plan
from missionctl.workspace import find_workspace
from plans.errors import SurveyError
from plans.formats import read_mission, write_mission
from plans.formats.qgc_plan import read_walls
from plans.frames import GeoPoint
from plans.mission import CameraEvent
from plans.resume import remaining_mission


def plan_rest(plan_file: Path, out: Path, photos: Path | None, flight: str | None) -> dict[str, Any]:
    """The plan of what `photos` (files) or a flight (camera messages) do not show yet; `file` is None when
    nothing is left."""
    mission = read_mission(plan_file)
    taken = _photo_places(photos) if photos else _flight_events(flight or "", out)
    walls = read_walls(plan_file) if plan_file.suffix.lower() == ".plan" else ()
    rest = remaining_mission(mission, taken, walls=walls)
    result: dict[str, Any] = {
        "file": None,
        "photos_planned": rest.shots_planned,
        "photos_taken": rest.shots_taken,
        "items": 0,
    }
    if rest.mission is not None:
        write_mission(rest.mission, out, camera_of_plan(plan_file), walls)
        result |= {"file": str(out), "items": len(rest.mission.items)}
        workspace = find_workspace(out.parent)
        if workspace:
            workspace.log("rest planned", plan=out.name, of=plan_file.name, **result)
    return result


def _photo_places(folder: Path) -> list[GeoPoint]:
    places = []
    for file in list_photo_files(folder):
        tags = read_tags(file)
        if tags.lat_deg is not None and tags.lon_deg is not None:
            places.append(GeoPoint(tags.lat_deg, tags.lon_deg, tags.alt_amsl_m))
    if not places:
        raise SurveyError(f"{folder}: no photo there says where it was taken; run missionctl geotag first")
    return places


def _flight_events(flight: str, out: Path) -> Sequence[CameraEvent]:
    from missionctl.services.flying import camera_events_of

    workspace = find_workspace(out.parent)
    inside = workspace.path / "flights" / flight if workspace else None
    return camera_events_of(inside if inside and inside.exists() else Path(flight))
