"""Battery and link while it flies."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.safety.rally import Place
from flight.safety.reserves import Order, ReserveLimits, ReservePlan, Sample, kept, link_state, reserve_state
from flight.safety.way_home import ReturnSettings
from flight.state import Battery, Position, VehicleState, Wind
from plans.frames import GeoPoint, LocalFrame

HOME = GeoPoint(30.05, 103.15, 500.0)
LOCAL = LocalFrame(HOME.lat_deg, HOME.lon_deg)
PLAN = ReservePlan(HOME, ReturnSettings(), endurance_s=1500.0)
LIMITS = ReserveLimits()


def flying(distance, percent, mode="AUTO", velocity=0.0, **more):
    lat, lon = LOCAL.to_geo(distance, 0.0)
    position = Position(0.0, float(lat), float(lon), 540.0, 40.0, 0.0, velocity, 0.0, 0.0)
    return VehicleState(
        sysid=1, compid=1, autopilot=mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, vehicle_type=2, heard_s=0.0,
        heartbeat_s=0.0, mode=mode, armed=True, position=position, battery=Battery(0.0, 15.0, 10.0, percent),
        **more,
    )  # fmt: skip


def advise(distance, percent, plan=PLAN, limits=LIMITS, history=None, **more):
    commands = more.pop("in_command", True)
    state = flying(distance, percent, **more)
    return reserve_state(history or [Sample(0.0, percent)], state, plan, limits, commands)


def keys(advice):
    return [alert.key for alert in advice.alerts]


def test_it_goes_on_while_there_is_enough():
    advice = advise(500, 80)
    assert keys(advice) == []
    assert advice.order is Order.NONE
    # 500 m at 10 m/s, a wait and 40 m down at 1/15 % a second
    assert 5 < advice.home_percent < 12
    assert advice.go_on_s == pytest.approx(15 * (80 - 20 - advice.home_percent) - 30, rel=0.01)


def test_the_order_is_said_beforehand_and_comes_at_the_last_moment():
    soon = advise(500, 33)
    assert keys(soon) == ["reserve.return_soon"]
    assert "this station orders the return" in soon.alerts[0].says()
    assert soon.order is Order.NONE
    now = advise(500, 28)
    assert keys(now) == ["reserve.return_now"]
    assert now.order is Order.RETURN


def test_nobody_is_fought():
    for more in ({"in_command": False}, {"limits": replace(LIMITS, order_return=False)}):
        advice = advise(500, 25, **more)
        assert keys(advice) == ["reserve.return_yourself"]
        assert advice.order is Order.NONE
    assert advise(500, 25, mode="RTL").order is Order.NONE
    assert keys(advise(500, 25, mode="RTL")) == []


def test_a_mission_that_ends_in_time_is_let_end():
    advice = advise(500, 33, plan=replace(PLAN, remaining_s=100.0))
    assert keys(advice) == []
    assert advice.land_percent == pytest.approx(33 - 100 / 15)
    assert keys(advise(500, 60, plan=replace(PLAN, remaining_s=900.0))) == ["reserve.return_soon"]


def test_measured_use_comes_before_the_plan():
    history = [Sample(float(t), 70 - t / 6) for t in range(0, 121, 10)]  # 1 % in 6 s instead of 15
    advice = advise(500, 50, history=history)
    assert advice.rate_percent_per_s == pytest.approx(1 / 6)
    assert "reserve.uses_more" in keys(advice)
    amps = [Sample(float(t), 50.0, 15.0, 20.0) for t in range(10)]
    advice = advise(500, 50, plan=replace(PLAN, capacity_mah=4000.0), history=amps)
    assert advice.rate_percent_per_s == pytest.approx(20 / 14400 * 100)


def test_a_low_voltage_counts_whatever_the_percentage_says():
    limits = replace(LIMITS, least_voltage_v=14.0)
    sag = [Sample(float(t), 70.0, 13.5) for t in range(12)]
    advice = advise(500, 70, limits=limits, history=sag)
    assert {"reserve.voltage", "reserve.return_now"} <= set(keys(advice))
    assert advice.order is Order.RETURN
    moment = [replace(s, voltage_v=15.0 if s.at_s < 9 else 13.5) for s in sag]
    assert advise(500, 70, limits=limits, history=moment).order is Order.NONE


def test_what_it_cannot_reach_any_more():
    assert keys(advise(4000, 10)) == ["reserve.not_enough"]
    storm = Wind(0.0, 30.0, 270.0)
    advice = advise(500, 80, wind=storm)
    assert "reserve.blown_away" in keys(advice)
    assert keys(advise(500, math.nan)) == ["reserve.unknown"]


def test_a_head_wind_on_the_way_home_brings_it_home_earlier():
    calm, against = advise(1000, 60), advise(1000, 60, wind=Wind(0.0, 10.0, 270.0))
    assert against.home_percent > 1.3 * calm.home_percent
    assert against.go_on_s < calm.go_on_s


def test_a_rally_point_that_is_nearer_than_home_lets_it_go_on_longer():
    there = replace(PLAN, rallies=(Place(1550.0, 0.0, 0.0),))
    assert advise(1500, 30, there).home_s < advise(1500, 30).home_s - 100.0
    assert advise(1500, 30).order is Order.RETURN
    assert advise(1500, 30, there).order is Order.NONE
    beyond_the_limit = replace(PLAN, rallies=(Place(1100.0, 0.0, 0.0),))
    assert advise(1500, 30, beyond_the_limit).home_s == advise(1500, 30).home_s
    assert advise(1500, 30, there, velocity=-8.0).go_on_s < advise(1500, 30, there, velocity=8.0).go_on_s


def test_flying_away_shortens_the_time():
    still, away = advise(1000, 60), advise(1000, 60, velocity=10.0)
    assert away.go_on_s < 0.6 * still.go_on_s


def test_the_history_is_kept_for_two_minutes():
    history = ()
    for t in range(300):
        history = kept(history, Sample(float(t), 50.0))
    assert history[0].at_s == 179.0


def test_the_link():
    fine = [Sample(float(t), loss_share=0.02) for t in range(60)]
    worse = [Sample(float(t), loss_share=0.05 if t < 30 else 0.4) for t in range(70)]
    assert link_state(fine, 0.5, 3.5) == ()
    assert [a.key for a in link_state(worse, 0.5, 3.5)] == ["link.getting_worse"]
    assert [a.key for a in link_state([Sample(0.0, loss_share=0.7)], 0.5, 3.5)] == ["link.bad"]
    assert link_state(worse, 10.0, 3.5) == (), "silence is the lost-link story's"


@settings(deadline=None)
@given(st.floats(50, 3000), st.floats(1, 100), st.floats(0, 9), st.floats(0, 360))
def test_less_battery_never_lets_it_fly_longer_and_the_order_leaves_the_reserve(
    distance, percent, wind, where
):
    blowing = Wind(0.0, wind, where)
    advice = advise(distance, percent, wind=blowing)
    less = advise(distance, percent * 0.9, wind=blowing)
    if advice.go_on_s is not None and less.go_on_s is not None:
        assert less.go_on_s <= advice.go_on_s
    if advice.order is Order.NONE and "reserve.not_enough" not in keys(advice):
        left = percent - advice.home_percent
        assert left >= LIMITS.landing_percent
