"""Missions over bad links, in virtual time: complete and verified, or an error that knows what the vehicle
holds."""

import asyncio

import pytest

from .lossy_uploads import VEHICLES, fly_up
from .virtual_time import run_virtually


@pytest.mark.parametrize("name", VEHICLES)
@pytest.mark.parametrize("seed", range(7))
def test_a_mission_over_a_bad_link_arrives_or_its_place_is_known(name, seed):
    run = fly_up(name, seed, 120)
    assert run.right, run
    assert run.complete or run.words.startswith("vehicle 1: ")
    assert run.complete or name == "ArduPilot without"
    assert run.link_s < 3 * 3600


def test_hours_pass_at_once_and_in_order():
    told = []

    async def work():
        loop = asyncio.get_running_loop()
        loop.call_later(7200.0, told.append, "late")
        loop.call_later(3600.0, told.append, "early")
        await asyncio.sleep(9000.0)
        return loop.time()

    result, clock_s = run_virtually(work())
    assert told == ["early", "late"]
    assert result == clock_s == 9000.0


def test_a_loop_that_waits_for_nothing_is_a_fault():
    async def work():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        run_virtually(work(), limit_s=50.0)
