"""Teaching a vehicle a signing key, or to forget it."""

from __future__ import annotations

import asyncio

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import SigningError
from flight.links.endpoints import is_direct
from flight.signing.signatures import KEY_BYTES, Signing, Verdict
from flight.vehicle import Vehicle

_POLL_S = 0.05


async def enable_signing(vehicle: Vehicle, force: bool = False) -> None:
    """Give the vehicle the key that its station signs with; returns when the vehicle signs.

    Raises SigningError: over a link that others may hear (unless forced), on an armed vehicle, or when no
    signed word comes back.
    """
    signing = _signing_of(vehicle, force)
    await _tell(vehicle, signing, signing.key.reveal(), Verdict.GOOD)


async def disable_signing(vehicle: Vehicle, force: bool = False) -> None:
    """Make the vehicle forget its key; the station's key must be that one. Raises SigningError."""
    signing = _signing_of(vehicle, force)
    await _tell(vehicle, signing, bytes(KEY_BYTES), Verdict.UNSIGNED_ALLOWED)


def _signing_of(vehicle: Vehicle, force: bool) -> Signing:
    signing = vehicle.station.signing
    if signing is None or not signing.rule.everything:
        raise SigningError("the station must have the key and take unsigned messages to set up signing")
    if not force and not is_direct(vehicle.link.address):
        raise SigningError(
            f"{vehicle.link.address}: a key goes over a cable only, because whoever hears it can command the "
            "vehicle; connect it by USB, or --force"
        )
    if vehicle.state.armed:
        raise SigningError(f"vehicle {vehicle.sysid}: is armed; keys are changed on the ground")
    return signing


async def _tell(vehicle: Vehicle, signing: Signing, secret: bytes, wanted: Verdict) -> None:
    off = not any(secret)
    for _ in range(vehicle.profile.tries):
        signing.last.pop(vehicle.sysid, None)
        first = 0 if off else signing.clock.next()
        vehicle.send(mavlink.MAVLink_setup_signing_message(vehicle.sysid, vehicle.compid, secret, first))
        if await _becomes(signing, vehicle.sysid, wanted, max(vehicle.profile.answer_s, 1.5)):
            return
    what = "it still signs" if off else "no signed word came back"
    raise SigningError(
        f"vehicle {vehicle.sysid}: {what}. Some autopilots never sign over USB and take a key there all the "
        f"same: look over its radio with --sign {'left out' if off else 'KEYFILE'}"
    )


async def _becomes(signing: Signing, sysid: int, wanted: Verdict, timeout_s: float) -> bool:
    """Whether the vehicle's newest packet comes to be of a kind."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + timeout_s
    while loop.time() < deadline_s:
        if signing.last.get(sysid) is wanted:
            return True
        await asyncio.sleep(_POLL_S)
    return False
