"""The file of `missionctl plan --fleet`: unlike drones, checked field by field."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from plans.energy import Airframe, Battery
from plans.errors import SurveyError
from plans.flight_time import airframe_of
from plans.frames import GeoPoint

_MOST_DRONES = 50


class FleetDrone(BaseModel):
    """A drone as the file has it. What is left out is the command's (`--temperature`, `--camera`, ...) or, of
    the airframe, the usual."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    name: Annotated[str, Field(min_length=1, max_length=60)]
    endurance_min: Annotated[float, Field(gt=0, le=600)]
    camera: Annotated[str, Field(min_length=1)] | None = None
    temperature_c: Annotated[float, Field(ge=-40, le=60)] | None = None
    pack_health: Annotated[float, Field(gt=0, le=1)] | None = None
    reserve: Annotated[float, Field(ge=0, lt=1)] | None = None
    swap_min: Annotated[float, Field(ge=0, le=1440)] | None = None
    launch: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    max_airspeed_mps: Annotated[float, Field(ge=1, le=60)] | None = None
    climb_mps: Annotated[float, Field(ge=0.1, le=30)] | None = None
    descent_mps: Annotated[float, Field(ge=0.1, le=30)] | None = None
    acceleration_mps2: Annotated[float, Field(ge=0.1, le=30)] | None = None
    autopilot: str | None = None

    def battery(self, usual: Battery) -> Battery:
        """Its pack; what the file does not say is as `usual`."""
        given = {
            "temperature_c": self.temperature_c,
            "health": self.pack_health,
            "reserve": self.reserve,
            "swap_s": None if self.swap_min is None else self.swap_min * 60.0,
        }
        known = {key: value for key, value in given.items() if value is not None}
        return replace(usual, endurance_s=self.endurance_min * 60.0, **known)

    def airframe(self, autopilot: str | None) -> Airframe:
        """Its airframe; what the file does not say is the usual under its autopilot."""
        fields = ("max_airspeed_mps", "climb_mps", "descent_mps", "acceleration_mps2")
        given: dict[str, Any] = {name: getattr(self, name) for name in fields}
        known = {name: value for name, value in given.items() if value is not None}
        return replace(airframe_of(autopilot), **known)

    @property
    def place(self) -> GeoPoint | None:
        """Where it is launched from, if that is fixed."""
        return GeoPoint(self.launch[0], self.launch[1]) if self.launch else None


def read_fleet(path: Path) -> tuple[FleetDrone, ...]:
    """The drones of a fleet file: a JSON list. Raises SurveyError naming the file and the place."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SurveyError(f"{path}: cannot be read ({error.strerror}); check the path of the fleet") from None
    except ValueError as error:
        raise SurveyError(f"{path}: not a JSON file ({' '.join(str(error).split())})") from None
    if not isinstance(data, list) or not data:
        raise SurveyError(f"{path}: a fleet is a JSON list of one or more drones")
    if len(data) > _MOST_DRONES:
        raise SurveyError(f"{path}: {len(data)} drones are too many; give at most {_MOST_DRONES}")
    try:
        fleet = TypeAdapter(list[FleetDrone]).validate_python(data)
    except ValidationError as error:
        raise SurveyError(f"{path}: {_first_problem(error)}") from None
    for number, drone in enumerate(fleet, 1):
        if drone.place and not (abs(drone.place.lat_deg) <= 90 and abs(drone.place.lon_deg) <= 180):
            raise SurveyError(
                f"{path}: drone {number}, launch: is {drone.launch}; give [LAT, LON] in degrees"
            )
    return tuple(fleet)


def _first_problem(error: ValidationError) -> str:
    """The first thing that pydantic found, with its place as a person would name it."""
    found = error.errors()[0]
    number, *rest = found["loc"]
    place = f"drone {int(number) + 1}" + "".join(f", {part}" for part in rest[:1])
    if found["type"] == "extra_forbidden":
        return f"{place}: is not known; take {', '.join(FleetDrone.model_fields)}"
    if found["type"] == "missing":
        return f"{place}: is missing; add it"
    value, message = found["input"], found["msg"]
    shown = f" (it is {value!r})" if isinstance(value, str | int | float) else ""
    share = "; a share, such as 0.85" if rest and rest[0] in ("pack_health", "reserve") else ""
    return f"{place}: {message[0].lower()}{message[1:]}{shown}{share}"
