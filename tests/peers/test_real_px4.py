"""A whole survey by a real PX4, named by MISSIONCTL_PX4 (bin/px4 of a SITL build); skipped without one."""

import asyncio
import json
import os
import sys

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import SatelliteLinkError
from flight.links.high_latency_switch import HighLatencySwitch
from flight.links.profiles import find_profile
from flight.missions.download import download
from flight.station import open_station
from plans.frames import GeoPoint
from sim import real_sitl as sitl

SITL = os.environ.get("MISSIONCTL_PX4", "")
LAUNCH = (30.06, 103.15)
ZONE = {
    "type": "Feature",
    "properties": {"name": "bank"},
    "geometry": {
        "type": "Polygon",
        "coordinates": [
            [
                [103.1504, 30.0603],
                [103.1556, 30.0603],
                [103.1556, 30.0606],
                [103.1504, 30.0606],
                [103.1504, 30.0603],
            ]
        ],
    },
}
"""500 m by 33 m, for many short lanes."""


@pytest.fixture
def px4(talk):
    """A PX4 at the launch point, ten times as fast; gives its address."""
    if not SITL:
        pytest.skip("MISSIONCTL_PX4 names no bin/px4 of a PX4 SITL build")
    place = ",".join(map(str, (*LAUNCH, 500)))
    child = talk(
        *(sys.executable, "-m", "missionctl.cli.main", "sim", "--json", "--autopilot", "px4"),
        *("--binary", SITL, "--home", place, "--speedup", 10),
    )
    return json.loads(child.wait_for("\n}"))["connect"][0]


@pytest.mark.soak
@pytest.mark.timeout(700)
def test_a_real_px4_flies_a_survey_of_a_hundred_items_twice_and_lands(px4, missionctl, tmp_path):
    zone, plan = tmp_path / "zone.geojson", tmp_path / "bank.plan"
    zone.write_text(json.dumps(ZONE))
    planned = missionctl(
        *("plan", zone, "-o", plan, "--camera", "DJI Mavic 3E", "--height", 40, "--autopilot", "px4"),
        *("--launch", "{},{}".format(*LAUNCH), "--angle", 0, "--clearance", 20),
    )
    assert planned["sorties"][0]["items"] > 100
    for flight in ("first", "second"):  # the second begins at its start, though the first ended elsewhere
        flown = missionctl(
            *("fly", plan, "--connect", px4, "--yes", "--out", tmp_path / flight), timeout_s=300
        )
        assert flown["identical"]
        assert flown["items_read_back"] == flown["items_sent"] == planned["sorties"][0]["items"]
        assert flown["complete"]
        assert flown["photos_confirmed"] == flown["photos_expected"] == planned["photos"]
        assert not flown["photos_unheard"]


@pytest.fixture
def px4_with_modem(real_sitl, free_port, monkeypatch):
    """A PX4 with a satellite modem beside its radio, as its manual has it (mavlink start -m iridium), one
    word each five seconds; gives the station's addresses."""
    own, station = free_port(), free_port()
    modem = f"mavlink start -x -u {own} -o {station} -r 1000 -m iridium -F 0.2\n"
    monkeypatch.setattr(sitl, "_PX4_MAVLINK", sitl._PX4_MAVLINK + modem)
    (radio,) = real_sitl("px4", GeoPoint(*LAUNCH, 500.0), instance=None)
    return radio, f"udpin:127.0.0.1:{station}?profile=satellite"


async def comes(condition, within_s):
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.1)


@pytest.mark.soak
@pytest.mark.timeout(200)
def test_a_real_px4_whose_radio_is_cut_is_heard_and_ordered_by_satellite(px4_with_modem, monkeypatch):
    """PX4 opens its modem by itself when its ground station is lost (COM_DL_LOSS_T, 10 s), and acknowledges
    no command over it: HIGH_LATENCY2 shows the mode."""
    orders = []

    async def story():
        async with open_station(px4_with_modem, find_profile("wifi")) as station:
            vehicle = await station.wait_for_vehicle(30.0)
            (radio,) = set(station._links) - set(station.satellite_links)

            def on_event(action, **detail):
                orders.append((action, detail["open"]))

            switch = HighLatencySwitch(vehicle, lambda: station.satellite_links, on_event)
            switching = asyncio.create_task(switch.run())
            await comes(lambda: radio in vehicle.paths and vehicle.state.position is not None, 30.0)
            await asyncio.sleep(12.0)  # it speaks over its modem when it starts: that is closed
            orders.clear()
            with monkeypatch.context() as cut:
                cut.setattr(radio, "write", lambda data: None)
                cut.setattr(radio, "_on_bytes", lambda data: None)
                await comes(lambda: vehicle.by_satellite and switch.open, 60.0)
                heard_s = vehicle.now_s()
                await comes(lambda: vehicle.state.heartbeat_s > heard_s, 20.0)
                assert vehicle.state.is_px4
                assert vehicle.state.position.lat_deg == pytest.approx(LAUNCH[0], abs=1e-4)
                with pytest.raises(SatelliteLinkError):
                    await download(vehicle)
                rtl = mavlink.MAVLink_command_long_message(
                    *(vehicle.sysid, vehicle.compid, mavlink.MAV_CMD_DO_SET_MODE, 0),
                    *(1.0, 4.0, 5.0, 0.0, 0.0, 0.0, 0.0),
                )
                vehicle.send(rtl)
                await comes(lambda: vehicle.state.mode == "AUTO.RTL", 20.0)
                assert vehicle.by_satellite
            await comes(lambda: not vehicle.by_satellite, 20.0)
            await comes(lambda: ("slow link", False) in orders, 30.0)
            switching.cancel()
            await asyncio.gather(switching, return_exceptions=True)

    asyncio.run(story())
    assert orders[0] == ("slow link ordered", True)
    assert orders.index(("slow link", True)) < orders.index(("slow link ordered", False))
