"""Whole flights of the station with a simulated vehicle."""

import asyncio
import json

import pytest

from flight.commands.actions import arm, take_off
from flight.commands.basics import request_streams, set_mode
from flight.commands.confirmed import Confirmed, Danger
from flight.errors import ArmingError, CommandError, FlightStopped
from flight.flying.fly import fly_mission
from flight.flying.job import FlightJob
from flight.links.profiles import find_profile
from flight.logs.files import read_log
from flight.station import StationSettings, open_station
from sim.faults import Fault
from sim.radio import RadioSettings


def fly(mission, address, folder, photos_expected=None, **rest):
    return fly_mission(FlightJob(mission, folder, photos_expected=photos_expected), [address], **rest)


def test_a_mission_is_flown_from_first_contact_to_landing(simulator, mission, tmp_path):
    shares = []
    result = fly(mission, simulator(), tmp_path, on_progress=lambda step, share: shares.append(share))
    assert result.complete, result.notes
    assert (result.differences, result.notes) == ((), ())
    heard_s = result.track[-1].boot_s - result.track[0].boot_s
    assert 30.0 < result.duration_s < heard_s  # what is heard after it has landed is no flight
    assert len(result.sent) == len(mission.items) + 1
    assert 9 <= len(result.camera_events) <= 13  # two lanes of 96 m and what lies between
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    journal = (tmp_path / "events.jsonl").read_text(encoding="utf-8")
    actions = [json.loads(line)["action"] for line in journal.splitlines()]
    for action in ("connected", "uploaded", "armed", "mission started", "photo", "landed"):
        assert action in actions
    log = read_log(tmp_path / "telemetry.tlog")
    assert log.camera_events == result.camera_events
    assert [m.mode for m in log.modes][-2:] == ["GUIDED", "AUTO"]


def test_a_vehicle_without_a_camera_is_told_of_and_its_survey_is_not_flown(simulator, mission, tmp_path):
    said = []
    address = simulator(params=(("CAM1_TYPE", 0.0),))
    result = fly(
        mission, address, tmp_path, photos_expected=10, settings=StationSettings(on_trouble=said.append)
    )
    assert not result.complete
    assert any("CAM1_TYPE" in line for line in said)
    checks = {check["key"]: check["state"] for check in result.checklist["checks"]}
    assert checks["camera"] == "warn"
    assert not result.camera_events
    assert any("0 photos of 10" in note for note in result.notes)


@pytest.mark.soak
def test_a_mission_gets_through_a_radio_that_loses_a_tenth(simulator, mission, tmp_path):
    radio = RadioSettings(loss=0.1, latency_s=0.3, jitter_s=0.2)
    params = (("DISARM_DELAY", 0.0),)  # eight times as fast, its ten seconds are one of the station's tries
    result = fly(mission, simulator(radio=radio, speedup=8.0, params=params), tmp_path)
    assert result.complete, result.notes
    assert result.differences == ()


def test_a_failsafe_is_a_result_with_its_reason(simulator, mission, tmp_path):
    faults = (Fault("battery_sag", at_s=15.0, since="takeoff", ohm=0.15),)
    params = (("BATT_LOW_VOLT", 21.6), ("BATT_LOW_TIMER", 1.0), ("BATT_FS_LOW_ACT", 2.0))
    result = fly(mission, simulator(faults=faults, params=params), tmp_path)
    assert not result.complete
    assert "left AUTO for RTL" in result.notes[0]


def test_a_flight_that_is_stopped_before_take_off_stays_on_the_ground(simulator, mission, tmp_path):
    address = simulator()
    with pytest.raises(FlightStopped, match="stays on the ground"):
        fly(mission, address, tmp_path, should_stop=lambda: True)


def test_arming_is_refused_with_the_vehicles_own_reasons(simulator):
    async def story():
        async with open_station([simulator(speedup=1.0)], find_profile("wifi")) as station:
            vehicle = await station.wait_for_vehicle(5.0)
            await set_mode(vehicle, "GUIDED")
            with pytest.raises(ArmingError, match=r"does not arm: .*(GPS|Position)") as caught:
                await arm(vehicle, Confirmed("test", Danger.ARM, 1))
            assert caught.value.reasons
            with pytest.raises(CommandError, match="where it is; nothing was sent"):
                await take_off(vehicle, 10.0, Confirmed("test", Danger.TAKE_OFF, 1))

    asyncio.run(story())


def test_streams_come_at_the_rates_of_the_profile(simulator):
    async def story():
        async with open_station([simulator(speedup=1.0)], find_profile("wifi")) as station:
            vehicle = await station.wait_for_vehicle(5.0)
            await request_streams(vehicle)
            with vehicle.inbox() as inbox:
                await asyncio.sleep(2.5)
                return [m.get_type() for m in inbox.drain()]

    kinds = asyncio.run(story())
    assert 8 <= kinds.count("ATTITUDE") <= 12
    assert 8 <= kinds.count("GLOBAL_POSITION_INT") <= 12
    assert 2 <= kinds.count("SYS_STATUS") <= 4
