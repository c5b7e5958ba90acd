"""The loop in its own thread, and the watchdog over the program beside it."""

import asyncio
import threading
import time

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.core import Core, Watchdog, with_station
from flight.links.profiles import find_profile
from flight.station import StationSettings, open_station


def test_work_runs_on_another_thread_and_what_is_told_in_the_callers():
    where = []

    async def work(core):
        where.append(threading.get_ident())
        core.tell(lambda word: where.append((word, threading.get_ident())), "half")
        await asyncio.sleep(0.1)
        return 42

    with Core() as core:
        assert core.run(work(core)) == 42
    me = threading.get_ident()
    assert where[0] != me
    assert where[1] == ("half", me)


def test_a_fault_of_the_work_is_raised_and_a_fault_of_a_callback_cancels_the_work():
    tidy = []

    async def fails():
        raise ValueError("bad")

    async def long():
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            tidy.append("done")

    def interrupt():
        raise KeyboardInterrupt

    with Core() as core:
        with pytest.raises(ValueError, match="bad"):
            core.run(fails())
        with pytest.raises(KeyboardInterrupt):
            core.run(long(), interrupt)
        assert tidy == ["done"]
    assert not core._thread.is_alive()


def test_a_question_is_put_in_the_callers_thread_and_a_person_who_thinks_is_no_hanging():
    told = []

    async def work(core):
        answer = await core.ask(ask, "sure?")
        with pytest.raises(ValueError, match="never"):
            await core.ask(refuse)
        return answer

    def ask(question):
        time.sleep(0.3)
        told.append((question, threading.get_ident(), core.watchdog.alive()))
        return "yes"

    def refuse():
        raise ValueError("never")

    with Core() as core:
        core.watchdog = Watchdog(0.1)
        assert core.run(work(core)) == "yes"
    assert told == [("sure?", threading.get_ident(), True)]


def test_a_long_queue_of_news_is_no_hanging():
    alive = []

    async def work(core):
        for _ in range(10):
            core.tell(time.sleep, 0.03)
            core.tell(lambda: alive.append(core.watchdog.alive()))
        await asyncio.sleep(0.4)

    with Core() as core:
        core.watchdog = Watchdog(0.15)
        core.run(work(core))
    assert alive == [True] * 10


def test_work_with_a_station_is_told_in_the_callers_thread_fed_and_recorded(scripted, free_port, tmp_path):
    vehicle, port, told = scripted(), free_port(), []

    async def work(station, core):
        async with vehicle.on_air(port):
            met = await station.wait_for_vehicle(5.0)
            told.append(station.alive == core.watchdog.alive)
            station.settings.on_trouble("something")
            core.tell(lambda: told.append(threading.get_ident()))
            return met.sysid

    settings = StationSettings(on_trouble=lambda line: told.append((line, threading.get_ident())))
    address = f"tcp:127.0.0.1:{port}"
    assert with_station([address], work, settings=settings, record=tmp_path / "record") == 1
    me = threading.get_ident()
    assert told == [True, ("something", me), me]
    assert (tmp_path / "record" / "telemetry.tlog").stat().st_size > 0
    assert not [t for t in threading.enumerate() if t.name in ("station", "record record")]


def test_leaving_cancels_what_still_runs():
    tidy = []

    async def long():
        try:
            await asyncio.sleep(60)
        finally:
            tidy.append("done")

    with Core() as core:
        core.start(long())
        time.sleep(0.05)
    assert tidy == ["done"]


def test_the_watchdog_is_hungry_after_its_time_and_rests_when_nobody_is_expected():
    now = [0.0]
    dog = Watchdog(5.0, lambda: now[0])
    now[0] = 100.0
    assert dog.alive()
    dog.feed()
    now[0] = 104.9
    assert dog.alive()
    now[0] = 105.1
    assert not dog.alive()
    dog.rest()
    assert dog.alive()


def test_the_heartbeat_stops_when_the_program_hangs_though_the_loop_goes_on(scripted, free_port):
    """The fault of stations whose heartbeat comes from a thread that outlives the rest."""
    vehicle = scripted()
    port = free_port()
    beats = {}

    async def fly(core):
        async with (
            vehicle.on_air(port),
            open_station([f"tcp:127.0.0.1:{port}"], find_profile("wifi")) as station,
        ):
            station.alive = core.watchdog.alive
            await station.wait_for_vehicle(5.0)
            core.tell(time.sleep, 3.5)  # the caller's thread hangs
            await asyncio.sleep(1.6)
            beats["before"] = vehicle.count("HEARTBEAT")
            await asyncio.sleep(1.8)
            beats["hanging"] = vehicle.count("HEARTBEAT") - beats["before"]
            await asyncio.sleep(2.6)
            beats["after"] = vehicle.count("HEARTBEAT") - beats["before"] - beats["hanging"]

    with Core() as core:
        core.watchdog = Watchdog(1.0)
        core.run(fly(core))
    assert beats["before"] >= 1
    assert beats["hanging"] == 0
    assert beats["after"] >= 1
    assert all(m.type == mavlink.MAV_TYPE_GCS for m in vehicle.heard if m.get_type() == "HEARTBEAT")
