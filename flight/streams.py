"""A vehicle's streams kept running: asked for at first, and again on another link, after a silence, and when
the vehicle was started anew, since it has forgotten them then."""

from __future__ import annotations

import asyncio
import contextlib

from flight.commands.basics import request_streams
from flight.errors import FlightError
from flight.vehicle import Vehicle

_LOOK_S = 0.25
_AGAIN_SILENCES = 3.0


async def keep_streams(vehicle: Vehicle) -> None:
    """Ask whenever it is needed, for ever; a vehicle that streams nothing is asked again."""
    asked: tuple[object, ...] = ()
    asked_s = -float("inf")
    while True:
        silence_s = vehicle.profile.silence_s
        place, now_s = vehicle.state.position, vehicle.now_s()
        stale = place is None or now_s - place.at_s > 2 * silence_s
        due = stale and now_s - asked_s > _AGAIN_SILENCES * silence_s
        wanted = (vehicle.link, vehicle.returns, vehicle.identity.restarts)
        if (wanted != asked or due) and not vehicle.silent(now_s) and vehicle.profile.beats:
            asked, asked_s = wanted, now_s
            with contextlib.suppress(FlightError):  # it streams what it streams; asked again when stale
                await request_streams(vehicle)
        await asyncio.sleep(_LOOK_S)
