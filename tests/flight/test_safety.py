"""The three calls that keep a flight safe, on a simulated vehicle."""

import asyncio
import time
from dataclasses import replace

import pytest

from flight.commands.actions import set_current_item, start_mission, take_off
from flight.commands.basics import set_mode
from flight.commands.confirmed import Confirmed, Danger
from flight.errors import ChecklistError, PlanFaultsError
from flight.links.profiles import find_profile
from flight.missions import lists
from flight.missions.upload import upload
from flight.preflight import wait_until_ready
from flight.safety.checklist import CheckState, Tick, TickItem
from flight.safety.reserves import ReserveLimits
from flight.safety.review import (
    SafetySettings,
    as_held,
    check_before_upload,
    review_vehicle,
    watched,
)
from flight.station import open_station
from flight.streams import keep_streams
from plans.frames import GeoPoint, LocalFrame
from plans.terrain import flat_terrain
from sim.faults import Fault

PATIENT = (("FS_GCS_TIMEOUT", 120.0), ("DISARM_DELAY", 60.0))  # on a clock that runs ahead
PARAMS = (("FS_GCS_ENABLE", 1.0), ("BATT_LOW_VOLT", 18.0), ("RTL_ALT", 4000.0), *PATIENT)
SETTINGS = SafetySettings()


def with_vehicle(address, work, sysid=255):
    async def whole():
        async with open_station([address], find_profile("wifi"), sysid=sysid) as station:
            vehicle = await station.wait_for_vehicle(5.0)
            streams = asyncio.get_running_loop().create_task(keep_streams(vehicle))
            try:
                await wait_until_ready(vehicle, 60.0)
                return await work(vehicle)
            finally:
                streams.cancel()
                await asyncio.gather(streams, return_exceptions=True)

    return asyncio.run(whole())


def lists_of(mission):
    return {lists.MISSION: lists.slots_of(mission, True, mission.home)}


def states(checklist):
    return {check.key: check.state for check in checklist.checks}


def test_a_plan_with_faults_goes_nowhere(mission):
    bad = replace(mission, items=(*mission.items[:2], replace(mission.items[1], command=9999)))
    with pytest.raises(PlanFaultsError, match="item 3"):
        check_before_upload(bad, SETTINGS)
    assert check_before_upload(mission, SETTINGS).faults == ()


def test_the_checklist_of_a_vehicle_that_is_ready(simulator, mission, tmp_path):
    ground = flat_terrain(LocalFrame(30.05, 103.15), 500.0)
    settings = replace(
        SETTINGS,
        terrain=ground,
        items=(TickItem("props", "Propellers", "桨叶"), TickItem("card", "Card in", "存储卡")),
        ticks=(Tick("card", "Li", "2026-11-25T08:00:00Z"),),
    )

    async def work(vehicle):
        await upload(vehicle, lists_of(mission)[lists.MISSION])
        return await review_vehicle(vehicle, mission, settings, lists_of(mission), folder=tmp_path)

    checklist, facts = with_vehicle(simulator(params=PARAMS), work)
    found = states(checklist)
    for key in ("link", "prearm", "ekf", "gps", "battery", "home", "mission_held", "camera", "gcs_failsafe"):
        assert found[key] is CheckState.OK, (key, checklist.as_json())
    assert found["gcs_id"] is found["return_height"] is found["card"] is CheckState.OK
    assert found["props"] is CheckState.TO_TICK
    assert facts.params["RTL_ALT"] == 4000.0
    assert facts.home.lat_deg == pytest.approx(30.05, abs=1e-4)


def test_what_keeps_a_vehicle_from_being_armed(simulator, mission, tmp_path):
    async def work(vehicle):
        settings = replace(SETTINGS, items=(TickItem("crew", "Crew clear", "人员撤离", needed=True),))
        checklist, _ = await review_vehicle(vehicle, mission, settings, lists_of(mission), folder=tmp_path)
        with pytest.raises(ChecklistError, match="mission on the vehicle is not the plan's") as caught:
            checklist.require_ready()
        keys = frozenset(key for key, _ in caught.value.failed)
        accepted = replace(settings, accepted=keys)
        checklist, _ = await review_vehicle(vehicle, mission, accepted, lists_of(mission), folder=tmp_path)
        return keys, checklist

    keys, checklist = with_vehicle(simulator(params=PARAMS), work, sysid=12)
    assert keys == {"mission_held", "gcs_id", "crew"}, "nothing was uploaded, and it listens to station 255"
    assert not checklist.failed
    assert {c.key for c in checklist.taken} == keys


def test_rally_points_that_it_holds_count_where_the_plan_has_none(simulator, mission, tmp_path):
    beside = GeoPoint(30.052, 103.152, 25.0)

    async def work(vehicle):
        await upload(vehicle, lists.rally_items(replace(mission, rally=(beside,))), lists.RALLY)
        checklist, facts = await review_vehicle(
            vehicle, mission, SETTINGS, lists_of(mission), folder=tmp_path
        )
        own = replace(mission, rally=(GeoPoint(30.049, 103.15, 0.0),))
        held = {**lists_of(own), lists.RALLY: lists.rally_items(own)}
        _, with_own = await review_vehicle(vehicle, own, SETTINGS, held, folder=tmp_path)
        return checklist, facts, as_held(own, with_own)

    checklist, facts, own = with_vehicle(simulator(params=PARAMS), work)
    (point,) = facts.rally_points
    assert (point.lat_deg, point.lon_deg, point.alt_amsl_m) == pytest.approx(
        (30.052, 103.152, 25.0), abs=1e-5
    )
    assert as_held(mission, facts).rally == facts.rally_points
    assert own.rally == (GeoPoint(30.049, 103.15, 0.0),), "the plan's own are sent"
    assert states(checklist)["rally_held"] is CheckState.WARN


async def take_off_and_fly(vehicle, mission):
    await upload(vehicle, lists_of(mission)[lists.MISSION])
    await set_current_item(vehicle, 1)
    await take_off(vehicle, 40.0, Confirmed("test", Danger.TAKE_OFF, 1))
    await start_mission(vehicle, Confirmed("test", Danger.START_MISSION, 1))


def flown(simulator, mission, settings, until, meddle=None, **sim):
    """Fly with the watch until something is true; gives (watch, [(alert key, begins)])."""
    told = []

    async def work(vehicle):
        _, facts = await review_vehicle(vehicle, mission, settings, lists_of(mission))
        await take_off_and_fly(vehicle, mission)
        async with watched(
            vehicle, mission, settings, facts, lambda alert, begins: told.append((alert.key, begins)), 0.05
        ) as watch:
            began = time.monotonic()
            while not until(vehicle, watch, told):
                assert time.monotonic() - began < 40.0, (told, vehicle.state.mode, watch.advice)
                await asyncio.sleep(0.05)
                if meddle is not None:
                    await meddle(vehicle, watch)
        return watch

    return with_vehicle(simulator(params=PARAMS, speedup=10.0, **sim), work), told


def test_the_return_is_ordered_once_at_the_last_moment(simulator, mission):
    settings = replace(SETTINGS, reserves=ReserveLimits(landing_percent=90.0))
    watch, told = flown(simulator, mission, settings, lambda v, w, t: ("reserve.ordered", True) in t)
    assert watch.ordered
    begun = [key for key, begins in told if begins]
    assert begun.count("reserve.return_now") == 1
    assert begun.index("reserve.return_soon") < begun.index("reserve.return_now")
    assert watch.lost is not None
    assert watch.lost.ends_s is not None


def test_traffic_is_told_and_over_when_it_is_gone(simulator, mission):
    faults = (
        Fault(
            "aircraft_near", 2.0, "takeoff", 25.0, 1, north_m=1800.0, up_m=60.0, from_deg=0.0, speed_mps=50.0
        ),
    )
    _, told = flown(
        simulator,
        mission,
        SETTINGS,
        lambda v, w, t: any(key.startswith("conflict.") and not begins for key, begins in t),
        faults=faults,
    )
    assert ("conflict.traffic_above", True) in told


def test_somebody_else_takes_over_and_is_left_alone(simulator, mission):
    taken = []

    async def meddle(vehicle, watch):
        if not taken and vehicle.state.mode == "AUTO":
            taken.append(True)
            await set_mode(vehicle, "LOITER")

    settings = replace(SETTINGS, reserves=ReserveLimits(landing_percent=85.0))
    watch, told = flown(
        simulator, mission, settings, lambda v, w, t: ("reserve.return_yourself", True) in t, meddle=meddle
    )
    assert ("reserve.hands_off", True) in told
    assert not watch.ordered
