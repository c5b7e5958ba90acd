"""Missions with a real ArduCopter and a real PX4, named by MISSIONCTL_ARDUCOPTER and MISSIONCTL_PX4 (SITL
binaries); skipped without them."""

import asyncio
import dataclasses

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import TransferError
from flight.links.profiles import find_profile
from flight.missions import lists
from flight.missions.change import change_items, clear
from flight.missions.download import ask_count, download, read_items
from flight.missions.file import read_file, write_file
from flight.missions.marks import holds_plan, same_as
from flight.missions.upload import Way, upload
from flight.station import open_station
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, Command, Mission, MissionItem

HOME = GeoPoint(30.05, 103.15, 500.0)
PLACES = (GeoPoint(30.04, 103.14), GeoPoint(30.06, 103.14), GeoPoint(30.06, 103.16), GeoPoint(30.04, 103.16))
AROUND = Mission((), fence_inclusion=(PLACES,), rally=(GeoPoint(30.05, 103.151, 50.0),))


def plan(count, alt_m):
    items = [MissionItem(Command.NAV_TAKEOFF, lat_deg=30.05, lon_deg=103.15, alt_m=alt_m)]
    for i in range(count - 2):
        if i % 5 == 2:
            items.append(
                MissionItem(Command.DO_SET_CAM_TRIGG_DIST, AltitudeFrame.MISSION, (20.0, 0.0, 1.0, 0.0))
            )
        elif i % 5 == 4:
            items.append(
                MissionItem(Command.DO_CHANGE_SPEED, AltitudeFrame.MISSION, (1.0, 5.0 + i % 3, -1.0, 0.0))
            )
        else:
            place = {"lat_deg": round(30.05 + i * 1e-4, 7), "lon_deg": 103.1512345}
            items.append(MissionItem(Command.NAV_WAYPOINT, alt_m=alt_m + i / 10, **place))
    return Mission((*items, MissionItem(Command.NAV_RETURN_TO_LAUNCH, AltitudeFrame.MISSION)), home=HOME)


@pytest.fixture
def real(real_sitl):
    """Run `work(vehicle)` on a real autopilot in simulation."""

    def run(autopilot, work):
        (url,) = real_sitl(autopilot, HOME, instance=6)

        async def whole():
            async with open_station([url], find_profile("wifi"), sysid=255) as station:
                return await work(await station.wait_for_vehicle(60.0))

        return asyncio.run(whole())

    return run


async def lists_around(vehicle):
    """Fence and rally points go up, come back the same and go away."""
    for kind, items in (
        (lists.FENCE, lists.fence_items(AROUND)),
        (lists.RALLY, lists.rally_items(AROUND)),
    ):
        assert len((await upload(vehicle, items, kind)).items) == len(items)
        await clear(vehicle, kind)
        assert (await ask_count(vehicle, kind))[0] == 0


@pytest.mark.slow
def test_a_real_arducopter_takes_and_gives_missions_both_ways(real):
    first, second = (
        lists.slots_of(plan(count, alt_m), True, HOME) for count, alt_m in ((240, 40.0), (230, 60.0))
    )

    async def work(vehicle):
        uploaded = await upload(vehicle, first)
        assert uploaded.way is Way.ITEMS
        assert await read_file(vehicle, lists.MISSION) == uploaded.items
        await write_file(vehicle, second, lists.MISSION)
        held, _, mark = await read_items(vehicle, lists.MISSION)
        assert lists.differences(second, held, home_slot=True) == ()
        assert mark == 0  # ArduPilot 4.7 marks no lists
        assert not await same_as(vehicle, uploaded.mark)
        other = MissionItem(Command.NAV_WAYPOINT, lat_deg=30.06, lon_deg=103.16, alt_m=77.0)
        changed = await change_items(vehicle, {5: other, 6: other, 100: other})
        assert [changed[seq].alt_m for seq in (5, 6, 100)] == [77.0] * 3
        check = await holds_plan(vehicle, {lists.MISSION: second})
        assert check.held is False
        assert any("item 6 (DO_CHANGE_SPEED): is NAV_WAYPOINT" in line for line in check.differences)
        wrong = list(first[:20])
        wrong[9] = MissionItem(31999, AltitudeFrame.MISSION)
        words = r"refused at item 9 .*items 0-8 of the new one, then 11"
        with pytest.raises(TransferError, match=words) as caught:
            await upload(vehicle, wrong)
        assert caught.value.result == mavlink.MAV_MISSION_UNSUPPORTED
        assert caught.value.held == await download(vehicle)
        with pytest.raises(TransferError, match="too many items"):
            await upload(vehicle, lists.slots_of(plan(2000, 40.0), True, HOME))
        await write_file(vehicle, wrong, lists.MISSION)
        assert len(await download(vehicle)) == 9  # a file is taken up to what is refused in it
        await lists_around(vehicle)
        await clear(vehicle)
        assert await download(vehicle) == ()

    real("ardupilot", work)


@pytest.mark.slow
def test_a_real_px4_takes_and_gives_missions_and_marks_them(real):
    sent = plan(240, 40.0).items

    async def work(vehicle):
        mark = (await upload(vehicle, sent)).mark
        assert await ask_count(vehicle, lists.MISSION) == (240, mark.opaque_id)
        assert mark.opaque_id != 0
        assert await same_as(vehicle, mark)
        wrong = (*sent[:9], MissionItem(31999, AltitudeFrame.MISSION))
        with pytest.raises(TransferError, match="it holds the old mission of 240 items"):
            await upload(vehicle, wrong)
        task = asyncio.get_running_loop().create_task(upload(vehicle, plan(500, 60.0).items))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        assert await same_as(vehicle, mark)
        changed = await change_items(vehicle, {5: dataclasses.replace(sent[5], alt_m=77.0)})
        assert changed[5].alt_m == 77.0
        assert not await same_as(vehicle, mark)
        await lists_around(vehicle)
        await clear(vehicle)
        assert await download(vehicle) == ()

    real("px4", work)
