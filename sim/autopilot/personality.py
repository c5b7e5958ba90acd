"""The autopilots that a simulated vehicle can behave like, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sim.autopilot import params
from sim.autopilot.core import Vehicle
from sim.autopilot.craft import Craft, VehicleSetup
from sim.autopilot.params import ParamInfo
from sim.autopilot.px4.params import PARAMETERS as PX4_PARAMETERS
from sim.autopilot.px4.vehicle import Px4
from sim.errors import SettingsError


@dataclass(frozen=True)
class Personality:
    """How a vehicle of this kind is made, and which parameters it has."""

    make: Callable[[VehicleSetup], Craft]
    parameters: Mapping[str, ParamInfo]


PERSONALITIES = {
    "ardupilot": Personality(Vehicle, params.PARAMETERS),
    "px4": Personality(Px4, PX4_PARAMETERS),
}


def personality_of(name: str) -> Personality:
    """The autopilot of this name; raises SettingsError that lists the known ones."""
    if name not in PERSONALITIES:
        raise SettingsError(f"autopilot {name!r} is not known; take one of: {', '.join(PERSONALITIES)}")
    return PERSONALITIES[name]
