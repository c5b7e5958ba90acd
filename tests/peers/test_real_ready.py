"""A real PX4 without a transmitter, in the modes that it does not arm from: the station gets it ready."""

import asyncio

import pytest

from flight.commands.basics import set_mode, wait_until
from flight.links.profiles import find_profile
from flight.preflight import wait_until_ready
from flight.station import open_station
from plans.frames import GeoPoint

HOME = GeoPoint(30.05, 103.15, 500.0)


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_a_px4_in_any_mode_on_the_ground_becomes_ready(real_sitl):
    (address,) = real_sitl("px4", HOME, 4.0)

    async def story():
        async with open_station([address], find_profile("wifi")) as station:
            vehicle = await station.wait_for_vehicle(30.0)
            await wait_until_ready(vehicle, 120.0)
            for mode in ("POSCTL", "STABILIZED", "ALTCTL", "AUTO.RTL", "AUTO.LAND"):
                await set_mode(vehicle, mode)
                passes = not await wait_until(vehicle, lambda s: s.health.prearm_ok is False, 8.0)
                await wait_until_ready(vehicle, 60.0)
                print(
                    f"{mode}: {'passes by itself' if passes else 'does not pass'}, then {vehicle.state.mode}"
                )
                assert vehicle.state.health.prearm_ok

    asyncio.run(story())
