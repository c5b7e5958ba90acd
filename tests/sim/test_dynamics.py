"""The body, its battery, its receiver and its gimbal: plausible, and the same from the same seed."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from plans.frames import Pose
from sim.battery import Battery, BatteryPack
from sim.dynamics import GRAVITY_MPS2, STEP_S, Airframe, Body, Demand, Weather, Wind, step
from sim.errors import SettingsError
from sim.gimbal import Gimbal
from sim.sensors import GNSS_KINDS, Estimator, find_gnss

FRAME = Airframe()
CALM = (0.0, 0.0, 0.0)


def flying(**state):
    return Body(up_m=100.0, on_ground=False, throttle=FRAME.hover_throttle, **state)


def run(body, demand, seconds, wind=CALM, share=1.0):
    for _ in range(round(seconds / STEP_S)):
        step(body, FRAME, demand, share, wind, 0.0)
    return body


def test_at_hover_throttle_it_stands_in_the_air():
    body = run(flying(), Demand(throttle=FRAME.hover_throttle), 10)
    assert (body.east_m, body.north_m) == pytest.approx((0, 0), abs=1e-6)
    assert body.up_m == pytest.approx(100, abs=0.01)


def test_more_throttle_climbs_and_less_sinks():
    assert run(flying(), Demand(throttle=0.5), 2).v_up_mps > 2
    assert run(flying(), Demand(throttle=0.2), 2).v_up_mps < -2


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll", "towards"),
    [
        (0, -10, 0, (0, 1)),  # nose down flies ahead
        (90, -10, 0, (1, 0)),
        (0, 0, 10, (1, 0)),  # right wing down flies right
        (180, 0, 10, (-1, 0)),
    ],
)
def test_it_flies_where_it_leans(yaw, pitch, roll, towards):
    demand = Demand(math.radians(roll), math.radians(pitch), math.radians(yaw), FRAME.hover_throttle / 0.985)
    body = run(flying(yaw_rad=math.radians(yaw)), demand, 3)
    flown = np.array([body.east_m, body.north_m])
    assert flown / np.linalg.norm(flown) == pytest.approx(towards, abs=0.01)
    assert np.linalg.norm(flown) > 4


def test_drag_holds_it_at_the_speed_of_its_lean():
    """11 degrees at 12 m/s, as the airframe's description says."""
    lean = math.radians(11)
    body = run(flying(), Demand(pitch_rad=-lean, throttle=FRAME.hover_throttle / math.cos(lean)), 60)
    assert body.v_north_mps == pytest.approx(12, abs=0.6)


def test_left_alone_it_drifts_with_the_wind():
    body = run(flying(), Demand(throttle=FRAME.hover_throttle), 120, wind=(5.0, -3.0, 0.0))
    assert (body.v_east_mps, body.v_north_mps) == pytest.approx((5, -3), abs=0.7)


def test_on_the_ground_it_stays_until_it_has_the_thrust_to_leave():
    body = Body()
    run(body, Demand(throttle=0.3), 5)
    assert body.on_ground
    run(body, Demand(throttle=0.45), 1)
    assert not body.on_ground
    assert body.up_m > 0.3


def test_a_fall_ends_on_the_ground_and_its_speed_is_known():
    body = run(flying(), Demand(throttle=0.0), 20)
    assert body.on_ground
    assert body.up_m == 0.0
    assert 10 < body.impact_mps < math.sqrt(2 * GRAVITY_MPS2 * 100)  # drag takes some


def test_a_weak_motor_does_not_hold_it():
    assert run(flying(), Demand(throttle=FRAME.hover_throttle), 3, share=0.8).v_up_mps < -2


def test_the_nose_turns_no_faster_than_it_can():
    body = run(flying(), Demand(yaw_rad=math.pi * 0.9, throttle=FRAME.hover_throttle), 1.0)
    assert math.degrees(body.yaw_rad) < 61
    run(body, Demand(yaw_rad=math.pi * 0.9, throttle=FRAME.hover_throttle), 6)
    assert body.yaw_rad == pytest.approx(math.pi * 0.9, abs=0.02)


# -- wind ----------------------------------------------------------------------------------------------


def test_wind_blows_from_where_it_says_and_harder_higher_up():
    wind = Wind(Weather(8.0, 270.0), seed=1)
    east, north, up = wind.at(10.0, 10.0)
    assert (east, north, up) == pytest.approx((8, 0, 0), abs=1e-9)
    assert wind.at(100.0, 10.0)[0] == pytest.approx(8 * 10**0.143)


def test_gusts_are_as_strong_as_said_and_the_same_from_the_same_seed():
    def gusts(seed):
        wind = Wind(Weather(0.0, 0.0, 2.0), seed)
        return np.array([wind.at(50.0, 10.0) for _ in range(60_000)])

    one = gusts(1)
    assert one.std(axis=0) == pytest.approx((2, 2, 1), rel=0.2)
    assert np.abs(np.diff(one[:, 0])).max() < 1.0  # no jumps from step to step
    assert (one == gusts(1)).all()
    assert (one != gusts(2)).any()


# -- battery -------------------------------------------------------------------------------------------


def test_a_full_pack_hovers_for_the_minutes_it_promises():
    battery, seconds = Battery(BatteryPack()), 0.0
    while battery.thrust_share >= 1.0 or battery.charge_share > 0.5:
        battery.drain(1.0, 0.1)
        seconds += 0.1
        if battery.used_mah >= battery.pack.capacity_mah:
            break
    assert 21 * 60 < seconds < 26 * 60


def test_volts_sink_under_load_and_with_charge():
    battery = Battery(BatteryPack())
    assert battery.volts == pytest.approx(6 * 4.2)
    battery.drain(1.0, 0.1)
    loaded = battery.volts
    assert loaded == pytest.approx(6 * 4.2 - battery.amps * 0.024)
    battery.drain(0.0, 0.1)
    assert battery.volts > loaded
    volts = []
    for _ in range(1400):
        battery.drain(1.0, 1.0)
        volts.append(battery.volts)
    assert (np.diff(volts) <= 1e-9).all()
    assert battery.charge_share < 0.1


def test_harder_work_drains_more():
    one, two = Battery(BatteryPack()), Battery(BatteryPack())
    for _ in range(100):
        one.drain(1.0, 1.0)
        two.drain(1.5, 1.0)
    assert two.used_mah > 1.7 * one.used_mah  # thrust to the 3/2


def test_an_empty_pack_gives_no_thrust_and_a_part_full_one_counts_only_what_it_gave():
    empty = Battery(BatteryPack(), charge_share=0.001)
    for _ in range(60):
        empty.drain(1.0, 1.0)
    assert empty.thrust_share == 0.0
    half = Battery(BatteryPack(), charge_share=0.5)
    half.drain(1.0, 60.0)
    assert half.consumed_mah == pytest.approx(half.used_mah - 5000)


# -- receiver and gimbal -------------------------------------------------------------------------------


def errors(kind, seed, seconds=2000):
    estimator, body, found = Estimator(GNSS_KINDS[kind], seed), Body(east_m=10.0, up_m=50.0), []
    for _ in range(round(seconds / STEP_S)):
        e = estimator.update(body)
        found.append((e.east_m - 10.0, e.north_m, e.up_m - 50.0))
    return np.array(found)


@pytest.mark.parametrize(("kind", "least", "most"), [("rtk", 0.004, 0.05), ("standard", 0.4, 3.0)])
def test_the_position_is_off_by_as_much_as_such_a_receiver(kind, least, most):
    found = np.concatenate([errors(kind, seed) for seed in (1, 2)])
    assert (least < found.std(axis=0)).all()
    assert (found.std(axis=0) < most).all()
    assert (np.abs(found) < 5 * most).all()
    assert np.abs(np.diff(errors(kind, 1, 60)[:, 0])).max() < 0.1  # it wanders, it does not jump


def test_belief_is_the_same_from_the_same_seed():
    assert (errors("standard", 7, 30) == errors("standard", 7, 30)).all()
    assert (errors("standard", 7, 30) != errors("standard", 8, 30)).any()


def test_a_jump_is_rejected_for_a_while_and_then_believed():
    estimator, body = Estimator(GNSS_KINDS["rtk"], 1), Body()
    for _ in range(500):
        estimator.update(body)
    estimator.jump_m = (25.0, 0.0, 0.0)
    for _ in range(250):
        e = estimator.update(body)
    assert estimator.rejected_s > 3
    assert abs(e.east_m) < 1
    for _ in range(500):
        e = estimator.update(body)
    assert e.east_m == pytest.approx(25, abs=1)


def test_without_satellites_the_belief_drifts_and_comes_back():
    estimator, body = Estimator(GNSS_KINDS["rtk"], 1), Body()
    for _ in range(500):
        estimator.update(body)
    estimator.available = False
    for _ in range(3000):
        e = estimator.update(body)
    assert math.hypot(e.east_m, e.north_m) > 1.0
    assert estimator.lost_s == pytest.approx(60, abs=1)
    estimator.available = True
    for _ in range(1500):
        e = estimator.update(body)
    assert math.hypot(e.east_m, e.north_m) < 0.5


def test_an_unknown_receiver_is_refused_with_those_that_are_known():
    with pytest.raises(SettingsError, match="rtk, standard"):
        find_gnss("magic")


def test_the_gimbal_looks_down_within_half_a_degree_and_with_the_nose():
    gimbal, body = Gimbal(1), Body(yaw_rad=math.radians(70))
    found = []
    for _ in range(400):
        gimbal.step(body, 0.5)
        found.append(gimbal.look(body))
    tilt = np.array([90 + look.pitch_deg for look in found])
    assert 0.1 < np.sqrt((tilt**2).mean()) < 0.8
    assert tilt.max() < 2
    tops = [Pose(0, 0, 0, q.yaw_deg, q.pitch_deg, q.roll_deg).camera_from_enu.T @ [0, -1, 0] for q in found]
    headings = [math.degrees(math.atan2(top[0], top[1])) for top in tops]
    assert headings == pytest.approx([70] * 400, abs=0.2)


def test_the_gimbal_comes_to_a_new_pitch_with_a_lag_and_not_faster_than_it_can():
    gimbal, body = Gimbal(1), Body()
    gimbal.pitch_deg = 0.0
    way = []
    for _ in range(150):
        gimbal.step(body, STEP_S)
        way.append(gimbal.at_pitch_deg)
    assert np.diff(way).max() <= Gimbal.MAX_RATE_DEGPS * STEP_S + 1e-9
    assert way[24] < -40  # half a second later it is on its way
    assert way[-1] == pytest.approx(0.0, abs=0.5)
    assert gimbal.look(body).pitch_deg == pytest.approx(way[-1], abs=1.5)


def test_in_a_turn_the_camera_is_behind_the_nose_and_its_rotation_is_the_one_told():
    """What `turn_radps` says is how the look changes from step to step."""
    gimbal, body = Gimbal(1), Body(yaw_rad=0.1)
    gimbal.SIGMA_DEG, gimbal.TREMOR_DEGPS = 0.0, 0.0
    gimbal.step(body, STEP_S)
    gimbal.pitch_deg = -30.0
    for _ in range(10):
        body.yaw_rad += 0.5 * STEP_S
        gimbal.step(body, STEP_S)
    before = gimbal.look(body)
    body.yaw_rad += 0.5 * STEP_S
    gimbal.step(body, STEP_S)
    after = gimbal.look(body)
    assert -math.degrees(0.5 * gimbal.FOLLOW_S) < gimbal.beside_deg(body) < -2.0
    one, two = (Pose(0, 0, 0, q.yaw_deg, q.pitch_deg, q.roll_deg).camera_from_enu for q in (before, after))
    turned, _ = cv2.Rodrigues(two.T @ one)  # takes a direction fixed to the camera from then to now
    assert np.abs(turned).max() / STEP_S > 0.5
    assert turned.ravel() / STEP_S == pytest.approx(gimbal.turn_radps(), abs=0.01)  # the wander fades
