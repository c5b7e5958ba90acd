"""Keys that station and drones sign with: made, used, given to a vehicle."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flight.links.endpoints import parse_endpoint
from flight.signing.setup import disable_signing, enable_signing
from flight.signing.signatures import SigningKey, read_key, write_key
from flight.station import StationSettings
from flight.vehicle import Vehicle
from missionctl.services.vehicle_work import OnProgress, Target, with_vehicle


def signing_folder() -> Path:
    """Where the signing clocks are kept: the user's state folder, never a mission folder."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "missionctl" / "signing"


def station_settings(
    sign: Path | None,
    allow_unsigned: bool = False,
    forward: Sequence[str] = (),
    on_trouble: Callable[[str], None] = lambda line: None,
) -> StationSettings:
    """What --sign, --allow-unsigned and --forward say. Raises SigningError, AddressError."""
    return StationSettings(
        key=read_key(sign) if sign is not None else None,
        clock_folder=signing_folder(),
        allow_unsigned=allow_unsigned,
        forward=tuple(parse_endpoint(text) for text in forward),
        on_trouble=on_trouble,
    )


def new_key(file: Path, passphrase: str | None = None) -> dict[str, Any]:
    """Write a new key file; the result names the key without giving it away."""
    key = SigningKey.random() if passphrase is None else SigningKey.from_passphrase(passphrase)
    write_key(file, key)
    return {"file": str(file), "key_name": key.name}


@dataclass(frozen=True)
class SetupRequest:
    """Which vehicle, and the key file that it gets, or has and forgets."""

    connect: str
    key: Path
    profile: str = "wifi"
    sysid: int | None = None
    force: bool = False


def set_up(request: SetupRequest, enable: bool) -> dict[str, Any]:
    """Make a vehicle sign, or no longer sign. Raises FlightError."""
    settings = station_settings(request.key, allow_unsigned=True)

    async def work(vehicle: Vehicle, _: OnProgress) -> dict[str, Any]:
        await (enable_signing if enable else disable_signing)(vehicle, request.force)
        return {"vehicle": vehicle.sysid, "signs": enable, "key_name": settings.key and settings.key.name}

    return with_vehicle(Target(request.connect, request.profile, request.sysid, settings), work)
