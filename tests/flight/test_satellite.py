"""A vehicle with a satellite modem beside its radio: who is there, and what goes over it."""

import asyncio

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.basics import request_streams, set_mode
from flight.errors import NoVehicleError, SatelliteLinkError
from flight.ftp.files import open_files
from flight.links.high_latency_switch import may_pass, while_fast
from flight.links.profiles import find_profile
from flight.logs.transfer import list_logs
from flight.missions.download import download
from flight.missions.upload import upload
from flight.params.protocol import fetch_all
from flight.photos.keeper import PhotoKeeper
from flight.streams import keep_streams
from flight.wire import Encoder, station_heartbeat

from .satellite_craft import AUTO, BOTH, COPTER, PX4, RTL, SPACE, Craft, beside, switch_of, virtually


@pytest.mark.parametrize(("autopilot", "sysid"), [(COPTER, 42), (PX4, 250)])
def test_a_vehicle_is_met_over_its_satellite_modem_alone(autopilot, sysid):
    craft = Craft(sysid, autopilot)
    if autopilot == PX4:
        craft.mode = 4 | 4 << 8

    async def meeting(station):
        vehicle = await station.wait_for_vehicle(5.0)
        await asyncio.sleep(40.0)
        return vehicle, vehicle.state.ages_s(vehicle.now_s()), vehicle.silent(vehicle.now_s())

    (vehicle, ages, silent), _ = virtually(craft, meeting, BOTH[1])
    state = vehicle.state
    assert (state.sysid, state.is_px4, state.armed) == (sysid, autopilot == PX4, True)
    assert state.mode == ("AUTO.MISSION" if autopilot == PX4 else "AUTO")
    assert (state.mission.current, state.battery.remaining_percent) == (3, 80.0)
    assert vehicle.by_satellite
    assert vehicle.profile.silence_s == find_profile("satellite").silence_s
    assert not silent
    assert set(ages) >= {"position", "battery", "gps", "ekf", "mission", "health"}
    assert all(age <= 10.0 for age in ages.values())
    assert {m.get_type() for _, m in craft.heard} == {"COMMAND_LONG"}
    assert set(craft.commands(SPACE)) == {(mavlink.MAV_CMD_CONTROL_HIGH_LATENCY, 1.0)}


def test_a_modem_that_does_not_answer_is_asked_for_as_long_as_satellites_take():
    craft = Craft(loss=1.0)

    async def meeting(station):
        with pytest.raises(NoVehicleError, match="90 s"):
            await station.wait_for_vehicle(5.0)

    _, took_s = virtually(craft, meeting, BOTH[1])
    assert 90.0 <= took_s < 92.0


def test_other_messages_and_companions_over_a_satellite_are_no_vehicle():
    craft = Craft()
    craft.cut = True

    async def meeting(station):
        await asyncio.sleep(1.0)
        craft.say(SPACE, craft.one_message(autopilot=mavlink.MAV_AUTOPILOT_INVALID))
        craft.say(SPACE, mavlink.MAVLink_statustext_message(4, b"hello"))
        await asyncio.sleep(30.0)
        return dict(station.vehicles)

    assert virtually(craft, meeting, *BOTH)[0] == {}


def test_what_a_satellite_tells_late_does_not_replace_what_a_fast_link_tells():
    craft = Craft()
    craft.open = True

    async def landing(station):
        vehicle = await station.wait_for_vehicle(5.0)
        modes = set()
        for _ in range(400):
            craft.mode = RTL
            await asyncio.sleep(0.1)
            modes.add(vehicle.state.mode)
            craft.say(SPACE, craft.one_message(custom_mode=AUTO))
        return vehicle, modes

    (vehicle, modes), _ = virtually(craft, landing, *BOTH)
    assert modes <= {"AUTO", "RTL"}
    assert vehicle.state.mode == "RTL"
    assert vehicle.state.mission is None
    assert len(vehicle.paths) == 2
    assert not vehicle.by_satellite


# -- what goes over it ---------------------------------------------------------------------------------------


def test_only_commands_pass_and_requests_for_telemetry_are_none():
    def command(number):
        return mavlink.MAVLink_command_long_message(1, 1, number, 0, *([0.0] * 7))

    assert may_pass(command(mavlink.MAV_CMD_DO_SET_MODE))
    assert may_pass(mavlink.MAVLink_command_ack_message(mavlink.MAV_CMD_REQUEST_MESSAGE, 0))
    for number in (mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, mavlink.MAV_CMD_REQUEST_MESSAGE):
        assert not may_pass(command(number))


def test_an_hour_over_a_satellite_costs_one_message_of_the_station():
    craft = Craft()

    async def hour(station):
        vehicle = await station.wait_for_vehicle(5.0)
        craft.cut = True
        works = (
            switch_of(vehicle).run(),
            keep_streams(vehicle),
            while_fast(vehicle, PhotoKeeper(vehicle).run),
        )
        async with beside(*works):
            await asyncio.sleep(3600.0)
            assert vehicle.by_satellite
            assert not vehicle.silent(vehicle.now_s())
            assert vehicle.silence_s() < 20.0

    virtually(craft, hour, *BOTH)
    assert craft.commands(SPACE) == [(mavlink.MAV_CMD_CONTROL_HIGH_LATENCY, 1.0)]
    assert craft.count(SPACE, "COMMAND_LONG") == sum(place == SPACE for place, _ in craft.heard)


async def list_files(vehicle, mission):
    async with open_files(vehicle) as files:
        await files.list("/")


TRANSFERS = {
    "upload": lambda vehicle, mission: upload(vehicle, mission.items),
    "download": lambda vehicle, mission: download(vehicle),
    "parameters": lambda vehicle, mission: fetch_all(vehicle),
    "logs": lambda vehicle, mission: list_logs(vehicle),
    "files": list_files,
    "streams": lambda vehicle, mission: request_streams(vehicle),
}


@pytest.mark.parametrize("what", TRANSFERS)
def test_a_transfer_that_only_a_satellite_could_carry_fails_at_once_and_says_why(what, mission):
    craft = Craft()

    async def transfer(station):
        vehicle = await station.wait_for_vehicle(5.0)
        before_s = vehicle.now_s()
        with pytest.raises(SatelliteLinkError) as caught:
            await TRANSFERS[what](vehicle, mission)
        return str(caught.value), vehicle.now_s() - before_s

    (line, took_s), _ = virtually(craft, transfer, BOTH[1])
    assert took_s < 1.0
    assert line.startswith("vehicle 42: only its satellite link works")
    assert "fast link" in line
    assert "\n" not in line


def test_a_mission_under_way_is_given_up_when_the_fast_link_is_lost(mission):
    craft = Craft()

    async def transfer(station):
        vehicle = await station.wait_for_vehicle(5.0)
        craft.cut, craft.open = True, True
        await asyncio.sleep(20.0)
        with pytest.raises(SatelliteLinkError):
            await upload(vehicle, mission.items)
        craft.cut = False
        await asyncio.sleep(2.0)
        return vehicle.by_satellite

    assert virtually(craft, transfer, *BOTH)[0] is False


def test_an_order_gets_through_a_satellite_that_loses_a_third():
    craft = Craft(loss=0.33, seed=4)

    async def ordering(station):
        vehicle = await station.wait_for_vehicle(5.0)
        before_s = vehicle.now_s()
        await set_mode(vehicle, "RTL")
        return vehicle.state.mode, vehicle.now_s() - before_s

    (mode, took_s), _ = virtually(craft, ordering, BOTH[1])
    assert mode == "RTL"
    assert 10.0 < took_s < 2 * 5 * 20.0
    assert {number for number, _ in craft.commands(SPACE)} == {
        mavlink.MAV_CMD_CONTROL_HIGH_LATENCY,
        mavlink.MAV_CMD_DO_SET_MODE,
    }


def test_those_who_ride_along_send_no_more_over_a_satellite_than_the_station():
    craft, rider = Craft(), Encoder(245, 190)
    said = (
        station_heartbeat(),
        mavlink.MAVLink_param_request_list_message(42, 1),
        mavlink.MAVLink_command_long_message(42, 1, mavlink.MAV_CMD_NAV_RETURN_TO_LAUNCH, 0, *([0.0] * 7)),
    )

    async def riding(station):
        (link,) = station.satellite_links
        for message in said:
            station.pass_on(rider.encode(message), link)
        station.send(station_heartbeat(), link)
        await asyncio.sleep(20.0)

    virtually(craft, riding, *BOTH)
    assert craft.commands(SPACE) == [(mavlink.MAV_CMD_NAV_RETURN_TO_LAUNCH, 0.0)]
    assert sum(place == SPACE for place, _ in craft.heard) == 1
