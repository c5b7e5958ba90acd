"""Whole flights of a simulated vehicle whose radio is cut, and its satellite modem."""

import asyncio
import json

import pytest

from flight.commands.actions import return_home
from flight.commands.modem import control_modem
from flight.flying.job import FlightJob
from flight.flying.run import fly_vehicle, meet
from flight.links.profiles import find_profile
from flight.station import open_station
from sim.faults import Fault


@pytest.fixture
def over_both(simulator):
    """A simulated vehicle whose radio is cut for a while; gives its addresses for the station."""

    def start(cut_s, lasts_s, speedup):
        cut = Fault("link_cut", cut_s, since="takeoff", duration_s=lasts_s)
        radio, modem = simulator(speedup=speedup, faults=(cut,), listen_high_latency=("tcpin:127.0.0.1:0",))
        return radio, f"{modem}?profile=satellite"

    return start


def fly_with(addresses, job, beside_it):
    """A flight, with something done beside it by `beside_it(vehicle)`; gives its result and what was told."""
    steps = []

    async def whole():
        async with open_station(addresses, find_profile("wifi")) as station:
            vehicle = await meet(station, None)
            flight = asyncio.create_task(
                fly_vehicle(job, vehicle, lambda step, _: steps.append(step), lambda: False)
            )
            other = asyncio.create_task(beside_it(vehicle))
            result = await flight
            await other
            return result

    return asyncio.run(whole()), steps


def journal(folder):
    return [json.loads(line) for line in (folder / "events.jsonl").read_text("utf-8").splitlines()]


def actions(folder):
    wanted = {"link lost", "heard by satellite", "slow link ordered", "slow link", "link back"}
    return [(event["action"], event.get("open")) for event in journal(folder) if event["action"] in wanted]


async def nothing(vehicle):
    pass


def test_a_flight_lives_on_by_satellite_while_its_radio_is_cut(over_both, mission, tmp_path):
    start, lanes, end = mission.items[:1], mission.items[1:-1], mission.items[-1:]
    longer = type(mission)((*start, *(lanes * 6), *end), home=mission.home, cruise_speed_mps=8.0)
    addresses = over_both(cut_s=30.0, lasts_s=100.0, speedup=10.0)
    result, steps = fly_with(addresses, FlightJob(longer, tmp_path), nothing)
    assert result.complete, result.notes
    done = actions(tmp_path)
    assert set(done[2:4]) == {("slow link", True), ("heard by satellite", None)}
    assert done[:2] + done[4:] == [
        ("link lost", None),
        ("slow link ordered", True),
        ("link back", None),
        ("slow link ordered", False),
        ("slow link", False),
    ]
    told = [step for step in steps if step.startswith("by satellite")]
    assert any("auto, item" in step and "battery" in step and "m above sea" in step for step in told)
    alerts = [e["key"] for e in journal(tmp_path) if e["action"] == "alert"]
    assert [key for key in alerts if key.startswith("satellite")] == ["satellite.opening", "satellite.only"]
    compared = [e for e in journal(tmp_path) if e["action"] == "mission compared"]
    assert [e["held"] for e in compared] == [True]
    assert result.photos["missing"] == []
    assert result.photos["recovered"], "photos taken meanwhile are in the vehicle's log"


def test_a_vehicle_whose_radio_is_cut_is_called_home_over_the_satellite(over_both, mission, tmp_path):
    lanes = mission.items[1:-1]
    longer = type(mission)(
        (mission.items[0], *(lanes * 8), mission.items[-1]), home=mission.home, cruise_speed_mps=8.0
    )
    addresses = over_both(cut_s=20.0, lasts_s=70.0, speedup=6.0)  # three words are said in 15 s
    seen = []

    async def call_home(vehicle):
        while not vehicle.by_satellite:
            await asyncio.sleep(0.1)
        done = await return_home(vehicle)
        seen.append((done.mode, vehicle.by_satellite))

    result, _ = fly_with(addresses, FlightJob(longer, tmp_path), call_home)
    assert seen == [("RTL", True)]
    assert not result.complete
    assert any(note.startswith("left AUTO for RTL") for note in result.notes)
    done = actions(tmp_path)
    assert done.index(("heard by satellite", None)) < done.index(("link back", None))
    assert ("slow link ordered", False) in done
    assert journal(tmp_path)[-1]["action"] == "landed"
    assert result.photos["missing"] == []


def test_a_simulated_vehicles_modem_is_opened_and_closed_by_hand(over_both):
    async def whole():
        async with open_station(over_both(1e6, 1.0, speedup=10.0), find_profile("wifi")) as station:
            vehicle = await meet(station, None)
            opened = await control_modem(vehicle, True)
            return opened, await control_modem(vehicle, False)

    opened, closed = asyncio.run(whole())
    assert (opened.proven, closed.proven) == (True, False)
