"""Ask a vehicle (and this computer) for what the checklist wants to know."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.basics import command, request_message
from flight.errors import CommandError, TransferError
from flight.missions.download import download
from flight.missions.lists import FENCE, MISSION, RALLY
from flight.missions.marks import compare_with_plan
from flight.params.protocol import get_some
from flight.safety.failsafes import PARAMETERS, PX4_PARAMETERS
from flight.safety.plan_path import AMSL_FRAMES
from flight.safety.vehicle_checks import VehicleFacts
from flight.vehicle import Vehicle
from plans.frames import GeoPoint
from plans.mission import MissionItem

_REASONS_S = 1.0

Lists = Mapping[int, Sequence[MissionItem]]
"""Mission, fence and rally points by their kind, as they go to the vehicle."""


async def gather_facts(
    vehicle: Vehicle, lists: Lists, folder: Path | None = None, compared: bool = False
) -> VehicleFacts:
    """What the checklist wants to know. `lists` is what the vehicle is to hold; `compared` says that it was
    read back just now and is so. Recordings will go to `folder`. Never raises for a silent vehicle."""
    await _ask_reasons(vehicle)
    names = PX4_PARAMETERS if vehicle.state.is_px4 else PARAMETERS
    params = {name: param.value for name, param in (await get_some(vehicle, names)).items()}
    held = {kind: await _differences(vehicle, lists, kind, compared) for kind in (MISSION, FENCE, RALLY)}
    home = await _home(vehicle)
    return VehicleFacts(
        params=params,
        home=home,
        clock_off_s=await _clock_off_s(vehicle),
        mission_differences=held[MISSION],
        fence_differences=held[FENCE],
        rally_differences=held[RALLY],
        rally_points=None if lists.get(RALLY) else await _rally_points(vehicle, params, home),
        loss_share=vehicle.stats.loss_share,
        quiet_s=vehicle.profile.silence_s,
        station_sysid=vehicle.station.sysid,
        disputed=vehicle.disputed,
        free_bytes=free_bytes(folder) if folder is not None else None,
    )


async def _ask_reasons(vehicle: Vehicle) -> None:
    """Have an ArduPilot say what keeps its pre-arm checks from passing: it does so by itself only each half
    minute."""
    health = vehicle.state.health
    if vehicle.state.is_ardupilot and health is not None and health.prearm_ok is False:
        with contextlib.suppress(CommandError):  # older ones do not know the command
            await command(vehicle, mavlink.MAV_CMD_RUN_PREARM_CHECKS)
            await asyncio.sleep(_REASONS_S)


async def _differences(vehicle: Vehicle, lists: Lists, kind: int, compared: bool) -> tuple[str, ...] | None:
    if kind not in lists:
        return None
    if compared:
        return ()
    check = await compare_with_plan(vehicle, lists[kind], kind)
    return None if check.held is None else check.differences


async def _rally_points(
    vehicle: Vehicle, params: Mapping[str, float], home: GeoPoint | None
) -> tuple[GeoPoint, ...] | None:
    """The rally points that it holds, heights above home; None when they do not come."""
    if vehicle.state.is_ardupilot and params.get("RALLY_TOTAL") == 0.0:
        return ()
    try:
        items = await download(vehicle, RALLY)
    except TransferError:
        return None
    base_m = home.alt_amsl_m or 0.0 if home is not None else 0.0
    return tuple(
        GeoPoint(i.lat_deg, i.lon_deg, i.alt_m - (base_m if i.frame in AMSL_FRAMES else 0.0))
        for i in items
        if i.command == mavlink.MAV_CMD_NAV_RALLY_POINT
    )


async def _home(vehicle: Vehicle) -> GeoPoint | None:
    if vehicle.state.home is None:
        await request_message(vehicle, mavlink.MAVLINK_MSG_ID_HOME_POSITION)
    home = vehicle.state.home
    if home is None or (home.lat_deg == 0.0 and home.lon_deg == 0.0):
        return None
    return GeoPoint(home.lat_deg, home.lon_deg, home.alt_amsl_m)


async def _clock_off_s(vehicle: Vehicle) -> float | None:
    """How far the vehicle's clock is ahead of this computer's; None before it has a date from GNSS."""
    message = await request_message(vehicle, mavlink.MAVLINK_MSG_ID_SYSTEM_TIME)
    if message is None or message.time_unix_usec == 0:
        return None
    return float(message.time_unix_usec / 1e6 - dt.datetime.now(dt.UTC).timestamp())


def free_bytes(folder: Path) -> int | None:
    """The room where a folder is, or will be."""
    for place in (folder, *folder.resolve().parents):
        if place.exists():
            return shutil.disk_usage(place).free
    return None
