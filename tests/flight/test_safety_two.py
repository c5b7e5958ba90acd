"""Two own vehicles in one sky: what the watches of both say while they fly their missions."""

import asyncio
from dataclasses import replace

import pytest

from flight.commands.actions import set_current_item, start_mission, take_off
from flight.commands.confirmed import Confirmed, Danger
from flight.links.profiles import find_profile
from flight.missions import lists
from flight.missions.upload import upload
from flight.preflight import wait_until_ready
from flight.safety.own_flights import OwnFlights
from flight.safety.review import SafetySettings, review_vehicle, watched
from flight.station import open_station
from flight.streams import keep_streams
from plans.frames import GeoPoint, LocalFrame
from plans.mission import AltitudeFrame, Command, Mission, MissionItem

HOME = GeoPoint(30.05, 103.15, 500.0)
LOCAL = LocalFrame(HOME.lat_deg, HOME.lon_deg)
PLAIN = (0.0, 0.0, 0.0, 0.0)
PARAMS = (("FS_GCS_TIMEOUT", 120.0), ("DISARM_DELAY", 60.0))
USUAL = find_profile("wifi")
WIFI = replace(USUAL, rates_hz={**USUAL.rates_hz, 33: 20.0, 42: 20.0})
APART_M = 60.0
"""Farther from each other than so they are no conflict for being where they are."""


def mission_over(*places):
    def item(command, east, north):
        lat, lon = LOCAL.to_geo(east, north)
        return MissionItem(command, AltitudeFrame.RELATIVE, PLAIN, float(lat), float(lon), 30.0)

    return Mission(
        (
            item(Command.NAV_TAKEOFF, 0.0, 0.0),
            *(item(Command.NAV_WAYPOINT, *place) for place in places),
            MissionItem(Command.NAV_LOITER_UNLIM, AltitudeFrame.RELATIVE, PLAIN, 0.0, 0.0, 30.0),
        ),
        HOME,
        10.0,
    )


def mirrored(places):
    return [(-east, north) for east, north in places]


def conflicts(address, missions, last):
    """Fly both at once until they are past their `last` items; the distances at which conflicts were told
    first."""
    told = []

    async def fly(vehicle, mission, settings):
        held = {lists.MISSION: lists.slots_of(mission, True, HOME)}
        streams = asyncio.get_running_loop().create_task(keep_streams(vehicle))
        try:
            await wait_until_ready(vehicle, 60.0)
            await upload(vehicle, held[lists.MISSION])
            _, facts = await review_vehicle(vehicle, mission, settings, held, compared=True)
            await set_current_item(vehicle, 1)
            await take_off(vehicle, 30.0, Confirmed("test", Danger.TAKE_OFF, vehicle.sysid))
            while vehicle.state.position.alt_rel_m < 29.0:
                await asyncio.sleep(0.05)
            await both.wait()
            await start_mission(vehicle, Confirmed("test", Danger.START_MISSION, vehicle.sysid))

            def tell(alert, begins):
                if begins and alert.key == "conflict.own":
                    places = [v.state.position for v in vehicle.station.vehicles.values()]
                    told.append(
                        LocalFrame(places[0].lat_deg, places[0].lon_deg).distance_m(
                            GeoPoint(places[1].lat_deg, places[1].lon_deg)
                        )
                    )

            async with watched(vehicle, mission, settings, facts, tell, 0.05):
                while vehicle.state.mission.current < last:
                    await asyncio.sleep(0.02)
        finally:
            streams.cancel()
            await asyncio.gather(streams, return_exceptions=True)

    async def whole():
        settings = SafetySettings(flights=OwnFlights())
        async with open_station([address], WIFI, sysid=255) as station:
            first, second = await station.wait_for_vehicle(5.0, 1), await station.wait_for_vehicle(5.0, 2)
            async with asyncio.timeout(80.0), asyncio.TaskGroup() as group:
                group.create_task(fly(first, missions[0], settings))
                group.create_task(fly(second, missions[1], settings))

    both = asyncio.Barrier(2)
    asyncio.run(whole())
    return told


@pytest.mark.timeout(120)
def test_two_surveys_side_by_side_are_no_conflict_at_the_ends_of_their_lanes(simulator):
    lanes = [(60, 40), (200, 40), (200, 65), (60, 65), (60, 90), (200, 90)]
    missions = mission_over(*lanes), mission_over(*mirrored(lanes))
    found = conflicts(simulator(vehicles=2, speedup=5.0, params=PARAMS), missions, 7)
    assert not [distance for distance in found if distance > APART_M]


@pytest.mark.timeout(120)
def test_two_plans_that_cross_are_told_beforehand(simulator):
    way = [(90, 0), (-90, 120)]
    missions = mission_over(*way), mission_over(*mirrored(way))
    found = conflicts(simulator(vehicles=2, speedup=5.0, params=PARAMS), missions, 4)
    assert max(found) > APART_M
