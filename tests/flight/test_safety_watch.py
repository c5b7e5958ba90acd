"""The watch's own decisions, on virtual time and without a vehicle."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import CommandError
from flight.links.profiles import find_profile
from flight.safety import watch as safety_watch
from flight.safety.conflicts import SeparationLimits
from flight.safety.reserves import ReserveLimits
from flight.safety.watch import SafetyWatch, WatchPlan
from flight.state import Battery, MissionProgress, Position, VehicleState
from flight.vehicle import Inbox
from plans.frames import GeoPoint
from plans.mission import Mission

from .virtual_time import run_virtually

HOME = GeoPoint(30.05, 103.15, 500.0)


class Copter:
    """What the watch asks of a vehicle."""

    def __init__(self):
        self.profile = find_profile("wifi")
        self.stats = SimpleNamespace(recent_loss_share=0.0)
        self.station = SimpleNamespace(sysid=255, vehicles={1: self})
        self.silent_since = None
        self.mode, self.percent = "AUTO", 80.0
        self.inbox = Inbox()

    @property
    def state(self):
        now = self.now_s() if self.silent_since is None else self.silent_since
        position = Position(now, 30.05, 103.155, 540.0, 40.0, 0.0, 0.0, 0.0, 0.0)
        return VehicleState(
            sysid=1, compid=1, autopilot=mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, vehicle_type=2, heard_s=now,
            heartbeat_s=now, mode=self.mode, armed=True, position=position,
            battery=Battery(now, 15.0, 10.0, self.percent), mission=MissionProgress(now, 2),
        )  # fmt: skip

    def now_s(self):
        return asyncio.get_running_loop().time()

    def silence_s(self):
        return 0.0 if self.silent_since is None else self.now_s() - self.silent_since


def watching(story, monkeypatch, answers=()):
    """Run `story(copter, watch, told)`; `answers` are what orders to return come to, one after another."""
    told, orders, left = [], [], list(answers)

    async def return_home(copter):
        orders.append(copter.now_s())
        fault = left.pop(0) if left else None
        if fault is not None:
            raise fault
        copter.mode = "RTL"

    monkeypatch.setattr(safety_watch, "return_home", return_home)

    async def whole():
        copter = Copter()
        params = {"FS_GCS_ENABLE": 1.0, "MAV_GCS_SYSID": 255.0}
        plan = WatchPlan(Mission(()), params, HOME, 1500.0, ReserveLimits(), SeparationLimits())
        watch = SafetyWatch(copter, plan, lambda alert, begins: told.append((alert.key, begins)))
        task = asyncio.get_running_loop().create_task(watch._run(copter.inbox))
        try:
            await story(copter, watch, told)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return told, orders

    return run_virtually(whole())[0]


def test_an_order_that_does_not_get_through_is_given_again(monkeypatch):
    async def story(copter, watch, told):
        copter.percent = 25.0
        await asyncio.sleep(30.0)

    told, orders = watching(story, monkeypatch, [CommandError("no answer"), None])
    assert len(orders) == 2
    assert orders[1] - orders[0] >= 10.0
    assert ("reserve.order_failed", True) in told
    assert ("reserve.ordered", True) in told


def test_a_flight_at_ten_times_real_time_does_not_empty_its_battery_ten_times_as_fast(monkeypatch):
    """It is half a kilometre away and uses what was planned, by its own clock."""

    async def story(copter, watch, told):
        for step in range(60):
            flown_s = 10.0 * step
            position = mavlink.MAVLink_global_position_int_message(round(1e3 * (200.0 + flown_s)), *(0,) * 8)
            position.get_srcComponent = lambda: 1
            copter.inbox.put(position)
            copter.percent = 90.0 - flown_s / 15.0
            await asyncio.sleep(1.0)
        assert watch.advice.rate_percent_per_s == pytest.approx(1 / 15.0, rel=0.15)

    told, orders = watching(story, monkeypatch)
    assert orders == []
    assert not any(key.startswith("reserve.return") for key, _ in told)


def test_after_the_order_the_pilot_has_the_last_word(monkeypatch):
    async def story(copter, watch, told):
        copter.percent = 25.0
        await asyncio.sleep(5.0)
        assert copter.mode == "RTL"
        copter.mode = "AUTO"  # the pilot wants to go on
        await asyncio.sleep(30.0)
        assert copter.mode == "AUTO"

    told, orders = watching(story, monkeypatch)
    assert len(orders) == 1
    assert ("reserve.return_yourself", True) in told


def test_nothing_is_ordered_to_who_flies_by_hand(monkeypatch):
    async def story(copter, watch, told):
        await asyncio.sleep(3.0)
        copter.mode = "LOITER"
        copter.percent = 22.0
        await asyncio.sleep(30.0)

    told, orders = watching(story, monkeypatch)
    assert orders == []
    assert {("reserve.hands_off", True), ("reserve.return_yourself", True)} <= set(told)


def test_silence_is_told_with_what_it_does_by_its_settings(monkeypatch):
    async def story(copter, watch, told):
        await asyncio.sleep(5.0)
        copter.silent_since = copter.now_s()
        await asyncio.sleep(12.0)
        (alert,) = watch.alerts
        assert "by its settings it now" in alert.says()
        assert alert.values["silence"] > 10
        copter.silent_since = None
        await asyncio.sleep(2.0)
        assert watch.alerts == ()

    told, _ = watching(story, monkeypatch)
    assert ("lost.now", True) in told
    assert ("lost.now", False) in told


def test_its_own_transponder_is_no_traffic():
    """A receiver hears the vehicle itself, and another aircraft at the same place."""

    def heard(icao):
        return mavlink.MAVLink_adsb_vehicle_message(
            icao, 300500000, 1031550000, 1, 540000, 0, 0, 0, b"", 1, 0, 0x3F, 7000
        )

    async def conflicts(icao):
        copter, inbox, told = Copter(), Inbox(), []
        copter.sysid, copter.inbox = 1, lambda: contextlib.nullcontext(inbox)
        params = {"ADSB_ICAO_ID": 4660.0}
        plan = WatchPlan(Mission(()), params, HOME, None, ReserveLimits(), SeparationLimits())
        watch = SafetyWatch(copter, plan, lambda alert, begins: told.append(alert.key))
        async with watch.running():
            inbox.put(heard(icao))
            await asyncio.sleep(2.5)
        return [key for key in told if key.startswith("conflict.")]

    assert run_virtually(conflicts(0x1235))[0]
    assert run_virtually(conflicts(0x1234))[0] == []


def test_a_fault_of_the_watch_is_told_and_it_goes_on(monkeypatch):
    async def story(copter, watch, told):
        await asyncio.sleep(2.0)
        stats, copter.stats = copter.stats, None
        await asyncio.sleep(3.0)
        copter.stats = stats
        await asyncio.sleep(3.0)
        assert watch.alerts == ()

    told, _ = watching(story, monkeypatch)
    assert [entry for entry in told if entry[0] == "watch.failed"] == [
        ("watch.failed", True), ("watch.failed", False),
    ]  # fmt: skip
