"""Speak under the id that the vehicle takes for its station, when nobody else does.

ArduPilot watches the heartbeat of one station only (MAV_GCS_SYSID, before 4.7 SYSID_MYGCS; 255 unless set;
MAV_GCS_SYSID_HI makes it a range). A station with another id may lose its link and the vehicle's
FS_GCS_ENABLE never notices: https://ardupilot.org/copter/docs/gcs-failsafe.html.
"""

from __future__ import annotations

from flight.params.protocol import get_some
from flight.vehicle import Vehicle

_NAMES = ("MAV_GCS_SYSID", "SYSID_MYGCS")
_LAST = "MAV_GCS_SYSID_HI"


async def watched_ids(vehicle: Vehicle) -> tuple[int, ...]:
    """The station ids whose heartbeat an ArduPilot watches; empty where it does not tell."""
    found = {name: round(p.value) for name, p in (await get_some(vehicle, (*_NAMES, _LAST))).items()}
    first = next((found[name] for name in _NAMES if name in found), None)  # each version knows one of them
    if first is None:
        return ()
    last = max(found.get(_LAST, 0), first)
    return tuple(range(first, last + 1))


async def claim_station_id(vehicle: Vehicle) -> str | None:
    """Take the id that the vehicle watches, if no other station has it; a line for the pilot when it stays
    without one."""
    station = vehicle.station
    if not vehicle.state.is_ardupilot:
        return None
    ids = await watched_ids(vehicle)
    if not ids or station.sysid in ids:
        return None
    free = [sysid for sysid in ids if not station.hears_station(sysid)]
    if not free:
        return (
            f"vehicle {vehicle.sysid} watches station {ids[0]}, another one that is on the air: when only "
            "this station's link is lost, it will not notice"
        )
    station.speak_as(free[0])
    return None
