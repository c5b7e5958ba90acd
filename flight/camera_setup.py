"""Is the autopilot set to take the photos of a survey? Asked before take-off: in flight it is too late."""

from __future__ import annotations

from dataclasses import dataclass

from flight.errors import ParameterError
from flight.params import get_param
from flight.vehicle import Vehicle


@dataclass(frozen=True)
class CameraTrouble:
    """A parameter that keeps photos from being taken as planned, and what that means, in words."""

    parameter: str
    value: float
    words: str


async def camera_trouble(vehicle: Vehicle) -> CameraTrouble | None:
    """What is wrong with how the autopilot triggers its camera by distance; None when nothing is known to be.

    ArduPilot: CAM1_TYPE (before 4.4 it has another name: not asked). PX4: TRIG_MODE (drivers/camera_trigger);
    both are read when the autopilot starts.
    """
    name = "TRIG_MODE" if vehicle.state.is_px4 else "CAM1_TYPE" if vehicle.state.is_ardupilot else None
    if name is None:
        return None
    try:
        value = (await get_param(vehicle, name)).value
    except ParameterError:
        return None
    if value == 0:
        better = "4" if vehicle.state.is_px4 else "the kind of camera"
        words = f"triggers no camera ({name} is 0): it takes no photo on this flight"
        words += f"; set it to {better} and restart the autopilot"
    elif vehicle.state.is_px4 and value in (1, 2):
        words = f"triggers its camera by time ({name} is {value:g}), not where the photos are planned"
        words += "; set it to 4 and restart the autopilot"
    elif vehicle.state.is_px4 and value == 3:
        words = f"takes photos outside of the lanes too ({name} is 3); 4 takes those of the plan only"
    else:
        return None
    return CameraTrouble(name, value, f"the autopilot {words}")
