"""Flight modes by name, of ArduPilot's vehicles and of PX4."""

from __future__ import annotations

from collections.abc import Mapping

from pymavlink import mavutil
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import FlightError

_PX4_MAIN = {"MANUAL": 1, "ALTCTL": 2, "POSCTL": 3, "AUTO": 4, "ACRO": 5, "OFFBOARD": 6, "STABILIZED": 7}
_PX4_AUTO = {"READY": 1, "TAKEOFF": 2, "LOITER": 3, "MISSION": 4, "RTL": 5, "LAND": 6, "FOLLOW": 8}


def mode_names(autopilot: int, vehicle_type: int) -> Mapping[str, int]:
    """Mode names and their custom_mode numbers; empty when the autopilot is not one that we know."""
    if autopilot == mavlink.MAV_AUTOPILOT_PX4:
        plain = {name: main << 16 for name, main in _PX4_MAIN.items() if name != "AUTO"}
        plain["ORBIT"] = 3 << 16 | 1 << 24
        return plain | {f"AUTO.{name}": 4 << 16 | sub << 24 for name, sub in _PX4_AUTO.items()}
    if autopilot == mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA:
        return dict(mavutil.mode_mapping_byname(vehicle_type) or {})
    return {}


def mode_name(autopilot: int, vehicle_type: int, custom_mode: int) -> str:
    """The name of a mode, or `MODE 17` where it has none here."""
    for name, number in mode_names(autopilot, vehicle_type).items():
        if number == custom_mode:
            return name
    return f"MODE {custom_mode}"


def mode_number(autopilot: int, vehicle_type: int, name: str) -> int:
    """The custom_mode of a mode. Raises FlightError that lists the names."""
    known = mode_names(autopilot, vehicle_type)
    try:
        return known[name.upper()]
    except KeyError:
        raise FlightError(
            f"mode {name!r} is not one of this vehicle's; it has: {', '.join(known) or 'none that we know'}"
        ) from None
