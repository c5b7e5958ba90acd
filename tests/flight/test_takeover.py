"""What happens to a flight while its link is cut, its station killed, or another one flies beside it."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flight.errors import FlightError, FlightStopped, NoVehicleError
from flight.flying.fly import fly_mission, fly_missions
from flight.flying.job import FlightJob
from missionctl.services.flying import unfinished_record
from plans.formats import write_mission
from plans.mission import Mission, MissionItem

from .proxy import Proxy

MISSIONCTL = Path(sys.executable).with_name("missionctl")


def journal(folder):
    return [json.loads(line) for line in (folder / "events.jsonl").read_text("utf-8").splitlines()]


def actions(folder):
    return [event["action"] for event in journal(folder)]


@pytest.fixture
def longer(mission):
    """The same lanes four times: about two minutes of flight, eight seconds at 20 times."""
    start, lanes, end = mission.items[:1], mission.items[1:-1], mission.items[-1:]
    return Mission((*start, *(lanes * 4), *end), home=mission.home, cruise_speed_mps=8.0)


def shifted(mission, north_deg):
    """Another mission: the same one further north."""
    moved = [
        MissionItem(i.command, i.frame, i.params, i.lat_deg + north_deg, i.lon_deg, i.alt_m)
        if i.has_place
        else i
        for i in mission.items
    ]
    return Mission(tuple(moved), home=mission.home, cruise_speed_mps=8.0)


def test_a_link_cut_twice_costs_no_photo_and_the_mission_is_compared(simulator, longer, tmp_path):
    with Proxy(simulator(speedup=10.0)) as proxy:
        seen = []

        def watch(step, share):
            seen.append(step)

        def cuts():
            while not any("auto" in step for step in seen[-5:]):
                time.sleep(0.1)
            for _ in range(2):
                time.sleep(1.5)
                proxy.cut = True
                time.sleep(5.0)
                proxy.cut = False

        cutter = threading.Thread(target=cuts)
        cutter.start()
        result = fly_mission(
            FlightJob(longer, tmp_path, photos_expected=40), [proxy.address], on_progress=watch
        )
        cutter.join()
    assert result.complete, result.notes
    done = actions(tmp_path)
    assert (done.count("link lost"), done.count("link back")) == (2, 2)
    compared = [event for event in journal(tmp_path) if event["action"] == "mission compared"]
    assert compared
    assert all(event["held"] is True for event in compared)
    assert result.photos["missing"] == []
    assert result.photos["recovered"], "photos taken while the link was cut are in the vehicle's log"
    numbers = [event.index for event in result.camera_events]
    assert numbers == list(range(1, len(numbers) + 1))
    assert any("no word" in step for step in seen)


@pytest.mark.soak
def test_a_killed_station_that_is_started_again_takes_the_flight_over(simulator, longer, tmp_path):
    address = simulator(speedup=5.0)
    plan, out = tmp_path / "lanes.plan", tmp_path / "flight"
    write_mission(longer, plan)
    command = [MISSIONCTL, "fly", plan, "--connect", address, "--out", out, "--yes", "--json"]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while not (out / "events.jsonl").is_file() or actions(out).count("photo") < 8:
        assert first.poll() is None, first.stdout.read()
        time.sleep(0.1)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    before = actions(out).count("photo")
    second = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert second.returncode == 0, second.stderr
    report = json.loads(second.stdout)
    assert (report["complete"], report["taken_over"], report["folder"]) == (True, True, str(out))
    assert report["identical"] is True
    assert report["photos_unheard"] == []
    assert report["photos_confirmed"] > before + 5
    assert "taken over" in actions(out)
    digest = hashlib.sha256(plan.read_bytes()).hexdigest()
    assert unfinished_record(out, digest, 1) is None, "a flight that has ended is not taken over"


def test_a_flight_that_landed_meanwhile_is_closed_and_not_flown_again(simulator, mission, tmp_path):
    address = simulator()
    flown = fly_mission(FlightJob(mission, tmp_path / "first"), [address])
    lines = (tmp_path / "first" / "events.jsonl").read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "first" / "events.jsonl").write_text(
        "".join(line for line in lines if '"landed"' not in line)
    )
    again = fly_mission(FlightJob(mission, tmp_path / "second", unfinished=tmp_path / "first"), [address])
    assert again.taken_over
    assert not again.complete
    assert "landed while no station watched" in again.notes[0]
    assert again.camera_events == flown.camera_events
    assert "armed" not in actions(tmp_path / "first")[len(lines) - 1 :]
    assert not (tmp_path / "second").exists()


def test_two_vehicles_fly_two_missions_and_neither_gets_the_others(simulator, mission, tmp_path):
    address = simulator(vehicles=2)
    other = shifted(mission, 0.002)
    jobs = [FlightJob(other, tmp_path / "b", 2), FlightJob(mission, tmp_path / "a", 1)]
    steps = []
    results = fly_missions(jobs, [address], on_flight=lambda job, step, share: steps.append((job, step)))
    assert [r.sysid for r in results] == [2, 1]
    for result, flown in zip(results, (other, mission), strict=True):
        assert result.complete, result.notes
        assert result.read_back[2].lat_deg == pytest.approx(flown.items[1].lat_deg, abs=1e-6)
        assert len(result.camera_events) >= 9
        lats = [event.lat_deg for event in result.camera_events]
        assert min(lats) > flown.items[1].lat_deg - 2e-4
        assert max(lats) < flown.items[5].lat_deg + 2e-4
    assert {job for job, _ in steps} == {0, 1}


def test_a_plan_for_one_of_several_needs_its_name(simulator, mission, tmp_path):
    address = simulator(vehicles=2)
    with pytest.raises(NoVehicleError, match=r"several vehicles are heard \(1, 2\)"):
        fly_mission(FlightJob(mission, tmp_path / "x"), [address])
    with pytest.raises(FlightError, match="name another one for each"):
        fly_missions(
            [FlightJob(mission, tmp_path / "a", 1), FlightJob(mission, tmp_path / "b", 1)], [address]
        )


@pytest.mark.soak
def test_a_vehicle_that_is_not_there_leaves_the_others_alone(simulator, mission, tmp_path):
    address = simulator(vehicles=2)
    outcomes = fly_missions(
        [FlightJob(mission, tmp_path / "a", 1), FlightJob(mission, tmp_path / "b", 7)], [address]
    )
    assert outcomes[0].complete
    assert isinstance(outcomes[1], NoVehicleError)


def test_an_armed_vehicle_with_another_mission_is_left_alone(simulator, longer, mission, tmp_path):
    address, second = simulator(speedup=5.0, listen=("tcpin:127.0.0.1:0", "tcpin:127.0.0.1:0"))
    flying = threading.Event()

    def fly():
        with contextlib.suppress(FlightStopped):
            fly_mission(
                FlightJob(longer, tmp_path / "a"),
                [address],
                on_progress=lambda step, share: flying.set() if "auto" in step else None,
                should_stop=lambda: done.is_set(),
            )

    done = threading.Event()
    thread = threading.Thread(target=fly)
    thread.start()
    assert flying.wait(60)
    with pytest.raises(FlightError, match=r"armed already .* another mission"):
        fly_mission(FlightJob(mission, tmp_path / "b"), [second])
    done.set()
    thread.join(30)
