"""What the simulated vehicle can do, beside ArduCopter's published defaults and plain physics."""

from __future__ import annotations

import itertools
import math

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mavlink

from sim.dynamics import GRAVITY_MPS2, Weather
from sim.scurve import Limits1d, plan_curve, with_speed

from .conftest import GROUND_M, Bench

AUTO, GUIDED, RTL, BRAKE = 3, 4, 6, 17
ACCEL_MPS2, SHAPING_JERK_MPS3 = 2.5, 5.0
"""WPNAV_ACCEL, PSC_JERK_XY."""


PUBLISHED = {
    "ANGLE_MAX": 3000, "LAND_SPEED": 50, "LOIT_SPEED": 1250, "PILOT_SPEED_UP": 250, "RTL_ALT": 1500,
    "RTL_CONE_SLOPE": 3, "RTL_LOIT_TIME": 5000, "WPNAV_ACCEL": 250, "WPNAV_ACCEL_Z": 100, "WPNAV_SPEED": 1000,
    "WPNAV_SPEED_DN": 150, "WPNAV_SPEED_UP": 250,
}  # fmt: skip
"""ArduCopter's defaults as its parameter list gives them: what the expectations below go by."""


def test_it_starts_with_arducopters_published_defaults():
    params = Bench().vehicle.params
    assert {name: params[name] for name in PUBLISHED} == PUBLISHED


def in_the_air(height_m=30.0, **setup):
    bench = Bench(seed=2, **setup)
    bench.run(42.5)
    bench.take_off(height_m)
    bench.run(5.0)
    return bench


def at_full_speed(**setup):
    bench = in_the_air(**setup)
    bench.vehicle.pilot.guided.go_to((0.0, 3000.0, GROUND_M + 30.0))
    bench.run(15.0)
    return bench


def test_it_hovers_at_arducopters_default_hover_throttle():
    """MOT_THST_HOVER is 0.35."""
    bench, throttles = in_the_air(), []
    bench.run(10.0, lambda: throttles.append(bench.vehicle.body.throttle))
    assert sum(throttles) / len(throttles) == pytest.approx(0.35, abs=0.01)


def test_its_fastest_is_where_drag_holds_the_greatest_lean():
    """30 degrees (ANGLE_MAX) push with 5.7 m/s2: 21 m/s for this airframe, whatever is asked for."""
    bench = Bench(seed=2, params=(("WPNAV_SPEED", 4000.0),))
    bench.run(42.5)
    bench.take_off(30)
    bench.vehicle.pilot.guided.go_to((0.0, 9000.0, GROUND_M + 30.0))
    bench.run(60.0)
    frame, v = bench.vehicle.setup.airframe, bench.vehicle.body.v_north_mps
    push = GRAVITY_MPS2 * math.tan(math.radians(30))
    assert v == pytest.approx(21.3, abs=1.0)
    assert frame.drag_quadratic_per_m * v * v + frame.drag_linear_per_s * v == pytest.approx(push, rel=0.1)


def test_it_climbs_and_sinks_at_the_rates_of_its_parameters():
    """WPNAV_SPEED_UP 2.5 m/s, WPNAV_SPEED_DN 1.5 m/s."""
    bench = in_the_air()
    bench.vehicle.pilot.guided.go_to((0.0, 0.0, GROUND_M + 80.0))
    bench.run(10.0)
    assert bench.vehicle.body.v_up_mps == pytest.approx(2.5, abs=0.1)
    bench.run(25.0)
    bench.vehicle.pilot.guided.go_to((0.0, 0.0, GROUND_M + 30.0))
    bench.run(10.0)
    assert bench.vehicle.body.v_up_mps == pytest.approx(-1.5, abs=0.1)


@pytest.mark.parametrize(("how", "real_m"), [("pause", 23.3), ("guided", 22.5), ("brake", 19.8)])
def test_it_stops_within_the_distance_of_its_limits(how, real_m):
    """From 10 m/s at WPNAV_ACCEL and PSC_JERK_XY: v^2 / 2a + v a / 2j = 22.5 m. BRAKE asks for 7.5 m/s2,
    which the jerk hardly lets it reach. `real_m` is what a real ArduCopter took."""
    bench = at_full_speed()
    e = bench.vehicle.body
    assert e.v_north_mps == pytest.approx(10.0, abs=0.3)
    begin = e.north_m
    if how == "pause":
        assert bench.command(mavlink.MAV_CMD_DO_PAUSE_CONTINUE, 0) == 0
    elif how == "brake":
        assert bench.mode(BRAKE) == 0
    else:
        bench.vehicle.pilot.guided.go_at((0.0, 0.0, 0.0))
    bench.run(15.0)
    assert e.north_m - begin == pytest.approx(real_m, rel=0.1)
    if how != "brake":
        level = 10.0**2 / (2 * ACCEL_MPS2) + 10.0 * ACCEL_MPS2 / (2 * SHAPING_JERK_MPS3)
        assert e.north_m - begin == pytest.approx(level, rel=0.1)
    assert math.hypot(e.v_east_mps, e.v_north_mps) < 0.2


def test_its_battery_hovers_for_as_long_as_power_says_and_cruises_not_much_shorter():
    """222 Wh over 552 W: 24 minutes; at 10 m/s it leans 8 degrees, which takes some thrust more."""

    def minutes(bench):
        used = bench.vehicle.battery.used_mah
        bench.run(60.0)
        return bench.vehicle.battery.pack.capacity_mah / (bench.vehicle.battery.used_mah - used)

    hover, cruise = minutes(in_the_air()), minutes(at_full_speed())
    assert hover == pytest.approx(24.0, abs=3.0)
    assert 0.9 * hover < cruise < hover


def test_it_keeps_its_place_in_wind():
    """8 m/s with gusts of 1.5 m/s: within half a metre, leaning against it."""
    bench = Bench(seed=2, weather=Weather(8.0, 270.0, 1.5))
    bench.run(42.5)
    bench.take_off(30)
    bench.run(20.0)
    e, away = bench.vehicle.body, []
    begin = e.east_m, e.north_m
    bench.run(60.0, lambda: away.append(math.dist(begin, (e.east_m, e.north_m))))
    assert max(away) < 0.8
    assert math.degrees(e.roll_rad) < -3 or math.degrees(e.pitch_rad) < -3


def test_a_return_takes_the_times_of_its_parts():
    """From 8 m of height, 85 m away: up to RTL_ALT (15 m), home at WPNAV_SPEED, 5 s of waiting, down at 1.5
    m/s to 10 m and at 0.5 m/s to the ground. A real one took 5.7, 11.1 to 11.9, 12.3 and 22.4 to 23.1 s."""
    bench = in_the_air(8.0)
    bench.vehicle.pilot.guided.go_to((60.0, 60.0, GROUND_M + 8.0))
    bench.run(30.0)
    vehicle, e = bench.vehicle, bench.vehicle.body
    bench.mode(RTL)
    times = [vehicle.time_s]
    for done in (
        lambda: e.up_m > GROUND_M + 14.8,
        lambda: math.hypot(e.east_m, e.north_m) < 1.0,
        lambda: e.up_m < GROUND_M + 10.0,
        lambda: not vehicle.armed,
    ):
        assert bench.run(60.0, done)
        times.append(vehicle.time_s)
    parts = [b - a for a, b in itertools.pairwise(times)]
    assert parts == pytest.approx([5.7, 11.8, 12.3, 22.4], abs=1.0)


def test_a_return_goes_up_and_straight_home_and_straight_down():
    """From 8 m up and 160 m away: never lower than where it began before it is over home, within a metre of
    the straight line, at RTL_ALT (15 m) for most of the way, down within two metres of home."""
    bench = in_the_air(8.0)
    bench.vehicle.pilot.guided.go_to((120.0, 106.0, GROUND_M + 8.0))
    bench.run(40.0)
    e, path = bench.vehicle.body, []
    begin = (e.east_m, e.north_m)
    bench.mode(RTL)
    bench.run(120.0, lambda: path.append((e.east_m, e.north_m, e.up_m - GROUND_M)) or not bench.vehicle.armed)
    assert not bench.vehicle.armed
    length = math.hypot(*begin)
    off = [abs(x * begin[1] - y * begin[0]) / length for x, y, _ in path]
    away = [math.hypot(x, y) for x, y, _ in path]
    assert max(off) < 1.0
    assert min(up for up, far in zip((p[2] for p in path), away, strict=True) if far > 2.0) > 7.5
    high = [up for up, far in zip((p[2] for p in path), away, strict=True) if 10.0 < far < 0.8 * length]
    assert high == pytest.approx([15.0] * len(high), abs=0.4)
    assert max(far for far, (_, _, up) in zip(away, path, strict=True) if up < 7.0) < 2.0


def test_a_return_from_above_rtl_alt_stays_as_high_as_it_is():
    bench = in_the_air(40.0)
    bench.vehicle.pilot.guided.go_to((90.0, 0.0, GROUND_M + 40.0))
    bench.run(25.0)
    e, heights = bench.vehicle.body, []
    bench.mode(RTL)
    bench.run(60.0, lambda: heights.append(e.up_m - GROUND_M) or e.east_m < 2.0)
    assert e.east_m < 2.0
    assert heights == pytest.approx([40.0] * len(heights), abs=0.5)


@pytest.mark.parametrize("wind_mps", [3.0, 6.0])
def test_without_a_position_it_drifts_with_the_wind(wind_mps):
    """ALT_HOLD holds height and attitude: level, it ends up as fast as the air at its height (the wind's
    profile: 30 m up it is 1.17 times that at 10 m). The time constant is the drag's: some ten seconds."""
    bench = in_the_air(30.0, weather=Weather(wind_mps, 270.0))
    assert bench.mode(2) == 0  # ALT_HOLD
    e, begin = bench.vehicle.body, bench.vehicle.body.east_m
    bench.run(90.0)
    air_mps = wind_mps * 3.0**0.143
    assert e.v_east_mps == pytest.approx(air_mps, rel=0.12)
    assert abs(e.v_north_mps) < 0.6
    assert 0.5 * air_mps * 90 < e.east_m - begin < air_mps * 90
    assert e.up_m == pytest.approx(GROUND_M + 30.0, abs=1.0)


def test_without_thrust_it_falls_as_fast_as_drag_lets_it():
    """Where quadratic and linear drag hold its weight: 28.3 m/s for this airframe."""
    bench = in_the_air(30.0)
    body, frame = bench.vehicle.body, bench.vehicle.setup.airframe
    body.up_m += 600.0
    bench.vehicle.motor_share = 0.0
    fastest = []
    bench.run(40.0, lambda: fastest.append(-body.v_up_mps) or body.on_ground)
    a, b = frame.drag_quadratic_per_m, frame.drag_linear_per_s
    terminal = (-b + math.sqrt(b * b + 4 * a * GRAVITY_MPS2)) / (2 * a)
    assert terminal == pytest.approx(28.3, abs=0.2)
    assert max(fastest) == pytest.approx(terminal, rel=0.02)


# -- falls and hard landings -------------------------------------------------------------------------


def test_an_empty_battery_ends_in_a_crash_that_is_noticed():
    bench = in_the_air(40.0)
    vehicle = bench.vehicle
    vehicle.battery.used_mah = vehicle.battery.pack.capacity_mah
    assert bench.run(30.0, lambda: not vehicle.armed)
    crash = [text for text in bench.texts() if text.startswith("Crash: Disarming: AngErr=")]
    assert len(crash) == 1
    assert crash[0].endswith("<3.0")
    assert vehicle.body.impact_mps > 10.0
    assert vehicle.body.broken
    assert abs(math.degrees(vehicle.body.roll_rad)) > 60.0


def test_without_the_crash_check_it_stays_armed_on_its_side():
    bench = in_the_air(40.0)
    bench.set_param("FS_CRASH_CHECK", 0)
    bench.vehicle.battery.used_mah = bench.vehicle.battery.pack.capacity_mah
    bench.run(30.0)
    assert bench.vehicle.armed
    assert not [text for text in bench.texts() if text.startswith("Crash")]


def test_what_is_broken_does_not_fly_again():
    bench = in_the_air(40.0)
    bench.vehicle.motor_share = 0.25
    assert bench.run(60.0, lambda: not bench.vehicle.armed)
    bench.vehicle.motor_share = 1.0
    bench.mode(GUIDED)
    bench.arm()
    bench.command(mavlink.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, 0, 0, 0, 20)
    bench.run(20.0)
    assert bench.vehicle.body.on_ground


# -- legs --------------------------------------------------------------------------------------------

LEG = Limits1d(ACCEL_MPS2, 1.0, math.pi / 0.6)


@pytest.mark.parametrize("length_m", [0.05, 1.0, 5.0, 24.0, 60.0, 150.0])
def test_a_leg_keeps_its_limits_and_arrives(length_m):
    curve, step = plan_curve(length_m, 10.0, LEG), 0.01
    states = [curve.at(i * step) for i in range(round(curve.end_s / step) + 2)]
    assert states[-1] == pytest.approx((length_m, 0.0, 0.0), abs=1e-6)
    for (way, speed, accel), (way1, speed1, accel1) in itertools.pairwise(states):
        assert way1 - way == pytest.approx((speed + speed1) / 2 * step, abs=1e-4)
        assert abs(speed) <= 10.0 + 1e-9
        assert abs(accel) <= ACCEL_MPS2 + 1e-9
        assert abs(accel1 - accel) <= 1.0 * step + 1e-6


@pytest.mark.parametrize("moment_s", [0.0, 2.0, 5.0, 9.0, 20.0])
@pytest.mark.parametrize("speed_mps", [4.0, 8.0, 14.0])
def test_another_speed_on_the_way_breaks_nothing(moment_s, speed_mps):
    curve = plan_curve(300.0, 10.0, LEG)
    changed = with_speed(curve, moment_s, speed_mps)
    assert changed.at(moment_s) == pytest.approx(curve.at(moment_s), abs=1e-6)
    assert changed.at(changed.end_s - 1e-7)[:2] == pytest.approx((300.0, 0.0), abs=1e-3)


def test_the_same_seed_flies_the_same_flight_to_the_last_bit():
    def flight():
        bench = Bench(seed=7, weather=Weather(5.0, 200.0, 1.5))
        bench.run(42.5)
        items = [bench.at(0, 0, 0, 0), bench.at(1, 0, 0, 20, command=22)]
        items += [bench.at(2, 60, 20, 20), bench.at(3, 80, 60, 30, command=82), bench.at(4, 20, 60, 20)]
        items += [bench.at(5, 40, 40, 20, command=18, params=(1, 0, 10, 0)), bench.order(6, 20)]
        assert bench.upload(items) == 0
        bench.mode(GUIDED)
        bench.arm()
        bench.mode(AUTO)
        bench.command(mavlink.MAV_CMD_MISSION_START)
        trace = []
        bench.run(150.0, lambda: trace.append((bench.vehicle.body.east_m, bench.vehicle.body.up_m)))
        return trace, bench.vehicle.battery.used_mah

    assert flight() == flight()
