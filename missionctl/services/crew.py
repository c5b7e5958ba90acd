"""The drones of a plan and the autopilots that hold their flights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from plans.cameras import Camera
from plans.capacity import item_capacity
from plans.drones import Drone
from plans.formats.qgc_plan import read_autopilot
from plans.survey import SurveySettings

ANY = "any"
_BY_SUFFIX = {
    ".plan": "ardupilot",
    ".waypoints": "ardupilot",
    ".txt": "ardupilot",
    ".mission": "ardupilot",
    ".kmz": "dji",
}


@dataclass(frozen=True)
class Crew:
    """The drones, the survey's camera, and all cameras as they were asked for."""

    camera: Camera
    cameras: tuple[Camera, ...]
    drones: tuple[Drone, ...]

    def height_m(self, settings: SurveySettings) -> float:
        """The lowest height above ground at which one of the drones flies this survey."""
        if settings.height_agl_m is not None:
            return settings.height_agl_m
        gsd_m = settings.gsd_m or 0.03
        return min(camera.height_for_gsd_m(gsd_m) for camera in self.cameras)


def autopilot_of(plan: Path, kept: str = "") -> str:
    """The autopilot that a plan file was made for: a PX4 where it names one, else the mission folder's
    (`kept`), else ArduPilot. Raises PlanFileError."""
    if plan.suffix.lower() == ".plan" and read_autopilot(plan) == "px4":
        return "px4"
    return kept or "ardupilot"


def autopilot_for(out: Path, asked: str | None, kept: str = "") -> str | None:
    """The autopilot that is asked for, or the usual one of a plan file: the mission folder's (`kept`) where
    the format is one of MAVLink's. None for any. Raises SurveyError."""
    if asked is None:
        usual = _BY_SUFFIX.get(out.suffix.lower())
        return kept if kept and usual == "ardupilot" else usual
    name = asked.strip().lower()
    if name == ANY:
        return None
    item_capacity(name)
    return name
