"""Every action flown by real autopilots, named by MISSIONCTL_ARDUCOPTER (arducopter) and MISSIONCTL_PX4
(bin/px4 of a SITL build); skipped without them."""

import asyncio

import pytest

from flight.commands import actions, guided, looking
from flight.commands.basics import request_streams
from flight.commands.confirmed import Confirmed, Danger
from flight.commands.evidence import moved
from flight.errors import CommandError, FlightError, NotConfirmedError
from flight.links.profiles import find_profile
from flight.missions.lists import slots_of
from flight.missions.upload import upload
from flight.preflight import wait_until_ready
from flight.station import open_station
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, Command, Mission, MissionItem

HOME = GeoPoint(30.05, 103.15, 500.0)
CENTRE = moved(HOME, 60.0, 60.0)


@pytest.fixture
def real(real_sitl):
    """Start a real autopilot; gives its address."""
    return lambda autopilot: real_sitl(autopilot, HOME, speedup=5.0)[0]


def mission():
    plain = (0.0, 0.0, 0.0, 0.0)

    def waypoint(east_m, north_m):
        place = moved(HOME, east_m, north_m)
        return MissionItem(
            Command.NAV_WAYPOINT, AltitudeFrame.RELATIVE, plain, place.lat_deg, place.lon_deg, 30.0
        )

    return Mission(
        (
            MissionItem(Command.NAV_TAKEOFF, AltitudeFrame.RELATIVE, plain, HOME.lat_deg, HOME.lon_deg, 30.0),
            waypoint(0.0, 300.0),
            waypoint(300.0, 300.0),
            waypoint(300.0, 0.0),
            MissionItem(Command.NAV_RETURN_TO_LAUNCH, AltitudeFrame.MISSION),
        ),
        home=HOME,
        cruise_speed_mps=8.0,
    )


@pytest.mark.slow
@pytest.mark.parametrize("autopilot", ["ardupilot", "px4"])
def test_every_action_is_flown_by_a_real_autopilot(real, autopilot):
    url = real(autopilot)
    results = {}

    async def story():
        async with open_station([url], find_profile("wifi")) as station:
            vehicle = await station.wait_for_vehicle(30.0)

            def yes(danger):
                return Confirmed("a test", danger, vehicle.sysid)

            async def do(name, action):
                results[name] = await action

            await request_streams(vehicle)
            await wait_until_ready(vehicle, 180.0)
            with pytest.raises(NotConfirmedError):
                await actions.arm(vehicle, Confirmed("a test", Danger.ARM, vehicle.sysid + 1))
            await do("arm", actions.arm(vehicle, yes(Danger.ARM)))
            await do("disarm", actions.disarm(vehicle))
            await do("take off", actions.take_off(vehicle, 30.0, yes(Danger.TAKE_OFF)))
            await vehicle_is_up(vehicle, 25.0)
            with pytest.raises(NotConfirmedError):
                await actions.disarm(vehicle)
            await do("go to", guided.go_to(vehicle, moved(HOME, 0.0, 200.0), 30.0, 8.0))
            await do("pause", actions.pause(vehicle))
            if autopilot == "ardupilot":  # PX4 has forgotten where it was going
                await do("continue", actions.go_on(vehicle))
            await do("altitude", guided.change_altitude(vehicle, 45.0))
            await do("go there", guided.go_to(vehicle, moved(HOME, 60.0, 120.0), 40.0, None, True))
            await do("orbit", guided.orbit(vehicle, CENTRE, 40.0, 5.0, True, 0.6))
            await do("orbit back", guided.orbit(vehicle, CENTRE, 25.0, 5.0, False, 0.4))
            await do("photo", looking.take_photo(vehicle))
            await asyncio.sleep(0.5)  # a photo at once after another is let go: the shutter is busy
            await do("photos by distance", looking.photos_each_metres(vehicle, 20.0))
            await do("no photos", looking.stop_photos(vehicle))
            if autopilot == "ardupilot":
                await do("photos by time", looking.photos_each_seconds(vehicle, 2.0))
                await do("no photos by time", looking.stop_photos(vehicle))
            with pytest.raises(CommandError, match="gimbal"):
                await looking.point_gimbal(vehicle, -45.0)
            await upload(vehicle, slots_of(mission(), vehicle.state.is_ardupilot, HOME))
            first = 1 if vehicle.state.is_ardupilot else 0
            await do("item", actions.set_current_item(vehicle, first + 1))
            await do("mission", actions.start_mission(vehicle))
            await do("look", looking.look_at(vehicle, HOME))
            await looking.look_ahead(vehicle)
            await do("speed", guided.change_speed(vehicle, 4.0))
            await do("item in flight", actions.set_current_item(vehicle, first + 3))
            with pytest.raises(FlightError):
                await actions.set_current_item(vehicle, 99)
            await do("pause the mission", actions.pause(vehicle))
            await do("continue the mission", actions.go_on(vehicle))
            await do("home", actions.return_home(vehicle))
            await do("land", actions.land(vehicle))
            await do("stop", actions.emergency_stop(vehicle, yes(Danger.EMERGENCY_STOP)))
            assert not vehicle.state.armed

    asyncio.run(story())
    unseen = {name: result.seen for name, result in results.items() if not result.proven}
    assert not unseen
    assert all(answer.tries == 1 for result in results.values() for answer in result.answers)


async def vehicle_is_up(vehicle, height_m):
    async with asyncio.timeout(60.0):
        while vehicle.state.position.alt_rel_m < height_m:
            await asyncio.sleep(0.1)
