"""Signing with a real ArduCopter, named by MISSIONCTL_ARDUCOPTER (a SITL binary); skipped without one."""

import asyncio
import dataclasses
import os
import subprocess
import time

import pytest

from flight.errors import ParameterError
from flight.links.profiles import find_profile
from flight.params.protocol import get_param
from flight.signing.setup import disable_signing, enable_signing
from flight.signing.signatures import SigningKey
from flight.station import StationSettings, open_station

SITL = os.environ.get("MISSIONCTL_ARDUCOPTER", "")
KEY = SigningKey(bytes(range(50, 82)))


@pytest.fixture
def arducopter(free_port, tmp_path):
    """Gives the addresses of its first port, which obeys everybody, and of its second, which does not."""
    if not SITL:
        pytest.skip("MISSIONCTL_ARDUCOPTER names no arducopter SITL binary")
    port = free_port()
    with (tmp_path / "sitl.txt").open("wb") as words:
        child = subprocess.Popen(
            [
                *(SITL, "--base-port", str(port), "-I0", "--model", "+", "--wipe"),
                *("--home", "30,103,500,0", "--serial1", "tcp:2"),
            ],
            cwd=tmp_path,
            stdout=words,
            stderr=words,
            stdin=subprocess.DEVNULL,
        )
        time.sleep(1.5)
        yield f"tcp:127.0.0.1:{port}", f"tcp:127.0.0.1:{port + 2}"
        child.kill()
        child.wait()


@pytest.mark.slow
def test_a_real_arducopter_takes_a_key_obeys_it_and_forgets_it(arducopter, tmp_path):
    first, second = arducopter
    profile = find_profile("wifi")
    setting_up = StationSettings(KEY, tmp_path / "clock", allow_unsigned=True)

    async def on_second(work, settings, tries=6):
        some = dataclasses.replace(profile, tries=tries)
        async with open_station([second], some, settings=settings) as station:
            result = await work(await station.wait_for_vehicle(20.0))
            return result, station.report().get("signing")

    def read(vehicle):
        return get_param(vehicle, "MAV_GCS_SYSID", False)

    async def story():
        async with open_station([first], profile) as console:  # it runs when somebody is on its first port
            await console.wait_for_vehicle(20.0)
            await on_second(enable_signing, setting_up)
            param, counts = await on_second(read, StationSettings(KEY, tmp_path / "clock"))
            assert param.value == 255.0
            assert counts["good"] > 0
            assert counts["bad"] == counts["old"] == counts["unsigned"] == 0
            with pytest.raises(ParameterError):
                await on_second(read, StationSettings(), tries=2)
            await on_second(disable_signing, setting_up)
            param, _ = await on_second(read, StationSettings())
            assert param.value == 255.0

    asyncio.run(story())
