"""One action for many vehicles at the same time, with a result or an error for each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from flight.commands.confirmed import Confirmed, Danger
from flight.commands.evidence import ActionResult
from flight.errors import FlightError
from flight.vehicle import Vehicle

GroupAction = Callable[[Vehicle, Confirmed | None], Awaitable[ActionResult]]
"""Something that a vehicle is told to do, with the confirmation that was given for that vehicle."""


@dataclass(frozen=True)
class Outcome:
    """How it went with one vehicle: a result or a fault, never both."""

    vehicle: int
    result: ActionResult | None = None
    fault: FlightError | None = None

    def report(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "vehicle": self.vehicle,
            "done": self.fault is None,
            "error": str(self.fault) if self.fault is not None else None,
            "result": self.result.report() if self.result is not None else None,
        }


def confirm_each(by: str, action: Danger, vehicles: Iterable[Vehicle]) -> tuple[Confirmed, ...]:
    """A confirmation for each of some vehicles, for a person who has seen this very list of them."""
    return tuple(Confirmed(by, action, vehicle.sysid) for vehicle in vehicles)


async def for_each(
    vehicles: Iterable[Vehicle], action: GroupAction, confirmations: Collection[Confirmed] = ()
) -> tuple[Outcome, ...]:
    """Do an action for all vehicles at once; outcomes in their order, each vehicle once.

    Each gets the confirmation that names it, or none. Errors of one vehicle are its own outcome and stop
    nobody else; bugs are raised together (ExceptionGroup) after all have ended.
    """
    each = list({vehicle.sysid: vehicle for vehicle in vehicles}.values())
    given = {confirmed.vehicle: confirmed for confirmed in confirmations}
    ends = await asyncio.gather(
        *(_outcome(vehicle, action, given.get(vehicle.sysid)) for vehicle in each), return_exceptions=True
    )
    outcomes = [end for end in ends if isinstance(end, Outcome)]
    bugs = [end for end in ends if not isinstance(end, Outcome)]
    if bugs:
        raise BaseExceptionGroup("a group command", bugs)
    return tuple(outcomes)


async def _outcome(vehicle: Vehicle, action: GroupAction, confirmed: Confirmed | None) -> Outcome:
    try:
        return Outcome(vehicle.sysid, result=await action(vehicle, confirmed))
    except FlightError as fault:
        return Outcome(vehicle.sysid, fault=fault)
