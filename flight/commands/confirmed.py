"""What can hurt people must be confirmed, each time for one vehicle and one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from flight.errors import NotConfirmedError


class Danger(StrEnum):
    """What needs a confirmation."""

    ARM = "arm"
    TAKE_OFF = "take off"
    START_MISSION = "start the mission"
    DISARM_IN_FLIGHT = "disarm in flight"
    EMERGENCY_STOP = "emergency stop"


@dataclass(frozen=True)
class Confirmed:
    """Somebody (`by`, a name for the record) has said that this vehicle shall do this. It is good for nothing
    else: not for another vehicle, not for another action."""

    by: str
    action: Danger
    vehicle: int


def check_confirmed(confirmed: Confirmed | None, action: Danger, sysid: int) -> None:
    """Raise NotConfirmedError unless it is this action of this vehicle that was confirmed."""
    if confirmed is None or not confirmed.by.strip():
        raise NotConfirmedError(f"vehicle {sysid}: nobody confirmed '{action}'; nothing was sent")
    if confirmed.vehicle != sysid or confirmed.action != action:
        raise NotConfirmedError(
            f"vehicle {sysid}: '{confirmed.action}' of vehicle {confirmed.vehicle} was confirmed, not "
            f"'{action}' of this one; nothing was sent"
        )
