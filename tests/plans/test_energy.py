"""Flight time: wind, ramps, turns and climbs as a pilot would reckon them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plans.energy import (
    Airframe,
    Battery,
    Wind,
    cold_factor,
    drain,
    ground_speed_mps,
    hover_share,
    parse_wind,
)
from plans.errors import SurveyError
from plans.flight_time import path_time_s, path_use, stop_to_stop_s, straight_uses, take_off_and_land_use

from .conftest import repeatable

FRAME = Airframe()
CALM = Wind()


def test_wind_blows_from_where_the_forecast_says():
    west = parse_wind("6@270")
    assert (west.east_mps, west.north_mps) == pytest.approx((6, 0), abs=1e-9)
    north = parse_wind(" 4.5@0 ")
    assert (north.east_mps, north.north_mps) == pytest.approx((0, -4.5), abs=1e-9)
    assert parse_wind("3@-90") == Wind(3.0, 270.0)


@pytest.mark.parametrize(
    "text", ["", "6", "6@", "@270", "six@270", "-3@90", "nan@10", "inf@0", "6@west", "6@1@2"]
)
def test_a_wind_that_is_none_is_refused_with_an_example(text):
    with pytest.raises(SurveyError, match="6@270"):
        parse_wind(text)


@repeatable(200)
@given(st.floats(0, 12), st.floats(0, 360), st.floats(0, 360), st.floats(1, 14))
def test_the_wind_triangle_closes(speed, from_deg, course, asked):
    wind = Wind(speed, from_deg)
    east, north = np.sin(np.radians(course)), np.cos(np.radians(course))
    ground = float(ground_speed_mps(east, north, asked, FRAME, wind))
    air = np.hypot(ground * east - wind.east_mps, ground * north - wind.north_mps)
    assert air <= FRAME.max_airspeed_mps + 1e-9
    assert ground <= asked
    if ground < asked - 1e-9:  # not what was asked for: then the vehicle gives all it has
        assert air == pytest.approx(FRAME.max_airspeed_mps)


def test_head_wind_and_tail_wind_are_told_apart():
    wind = Wind(10.0, 0.0)
    assert ground_speed_mps(0, 1, 12, FRAME, wind) == pytest.approx(5)
    assert ground_speed_mps(0, -1, 12, FRAME, wind) == pytest.approx(12)
    assert ground_speed_mps(1, 0, 14, FRAME, wind) == pytest.approx(np.sqrt(15**2 - 10**2))


@pytest.mark.parametrize("course", [(0, 1), (1, 0)])
def test_a_storm_is_refused(course):
    with pytest.raises(SurveyError, match="too strong"):
        ground_speed_mps(*course, 10, FRAME, Wind(15.2, 0.0))


def test_from_standing_to_standing():
    # 10 m/s at 2.5 m/s2 and 1 m/s3: 4 + 2.5 + 0.3 s each way, half of it at speed's worth of length
    assert stop_to_stop_s(200, 10, FRAME) == pytest.approx(6.8 + 200 / 10)
    assert stop_to_stop_s(0, 10, FRAME) == 0
    # below 68 m the speed is not reached: v (v / 2.5 + 2.8) = 50 gives 8.22 m/s
    assert stop_to_stop_s(50, 10, FRAME) == pytest.approx(2 * (8.22 / 2.5 + 2.8), rel=0.01)
    # and under 6.25 m/s not even the acceleration: 2 v sqrt(v) + 0.3 v = 30 gives 5.84 m/s
    assert stop_to_stop_s(30, 10, FRAME) == pytest.approx(2 * (2 * np.sqrt(5.84) + 0.3), rel=0.01)


@repeatable(200)
@given(st.floats(0.5, 400), st.floats(1, 15))
def test_a_longer_leg_takes_longer_and_never_less_than_at_speed(length, speed):
    seconds = float(stop_to_stop_s(length, speed, FRAME))
    assert seconds >= length / speed
    assert float(stop_to_stop_s(length * 1.1, speed, FRAME)) > seconds
    assert seconds <= length / speed + 2 * (speed / 2.5 + 2.8) + 4 * np.sqrt(speed)


def test_short_pieces_are_slow_however_straight_the_path():
    """Flown with ArduCopter 4.7: 3.1 m/s over pieces of 10 to 20 m, 5 up to 30, 6.6 up to 50, 10 over 80."""
    for piece, flown in ((15, 3.1), (25, 5.0), (40, 6.6), (65, 9.2), (100, 10.0)):
        north = np.arange(0.0, 2000.0, piece)
        bends = np.column_stack([3.0 * (np.arange(len(north)) % 2), north, np.full(len(north), 50.0)])
        speed = np.linalg.norm(np.diff(bends, axis=0), axis=1).sum() / path_time_s(bends, 10, FRAME, CALM)
        assert speed == pytest.approx(flown, abs=1.3)


def test_corners_cost_time_and_the_sharper_the_more():
    def bent(turn_deg):
        turn = np.radians(turn_deg)
        on = np.array([np.sin(turn), np.cos(turn)]) * 250
        return np.array([[0, 0, 50], [0, 250, 50], [*(np.array([0, 250]) + on), 50.0]])

    times = [path_time_s(bent(t), 10, FRAME, CALM) for t in (0, 10, 30, 60, 90, 150)]
    assert all(after >= before - 1e-6 for before, after in itertools.pairwise(times))
    assert times[0] == pytest.approx(float(stop_to_stop_s(500, 10, FRAME)), rel=0.01)
    assert times[-1] < 2 * float(stop_to_stop_s(250, 10, FRAME))
    assert times[4] > times[0] + 2.0


def test_a_steep_leg_takes_as_long_as_its_climb():
    up = np.array([[0, 0, 0], [100, 0, 90.0]])
    assert path_time_s(up, 10, FRAME, CALM) == pytest.approx(90 / FRAME.climb_mps, rel=0.15)
    down = up[::-1]
    assert path_time_s(down, 10, FRAME, CALM) > path_time_s(up, 10, FRAME, CALM)


def test_wind_makes_out_and_back_longer():
    lap = np.array([[0, 0, 50], [0, 1000, 50], [0, 0, 50.0]])
    assert path_time_s(lap, 14, FRAME, Wind(8, 0)) > path_time_s(lap, 14, FRAME, CALM) * 1.1


def test_standing_still_takes_no_time():
    assert path_time_s(np.zeros((3, 3)), 10, FRAME, CALM) == 0.0


def test_take_off_and_landing_take_the_rates_of_the_machine():
    # armed in 6 s, up 60 m at 2.5; 8 s of waiting, down 50 m at 1.5, the last 10 m at 0.5
    assert take_off_and_land_use(60, 60, 10, FRAME)[0] == pytest.approx(6 + 24 + 8 + 50 / 1.5 + 20)
    assert take_off_and_land_use(6, 0, 10, FRAME)[0] == pytest.approx(6 + 6 / 2.5)
    assert take_off_and_land_use(0, 6, 10, FRAME)[0] == pytest.approx(8 + 12)


def test_level_flight_draws_least_near_ten_metres_a_second():
    """The published example: 168.5 W hovering, 126 W at 10 m/s (Zeng et al. 2019, figure 2)."""
    assert hover_share(0.0) == pytest.approx(1.0)
    assert 168.49 * hover_share(10.0) == pytest.approx(126.0, abs=1.0)
    speeds = np.linspace(0, 25, 251)
    assert 8 < speeds[np.argmin(hover_share(speeds))] < 12
    assert hover_share(25.0) > hover_share(18.0) > hover_share(12.0)


def test_hovering_climbing_and_head_wind_draw_more_than_cruise_and_nothing_draws_less():
    assert drain(10.0, 0.0, 10.0, FRAME) == 1.0
    assert drain(0.0, 0.0, 10.0, FRAME) == pytest.approx(1 / hover_share(10.0))
    assert drain(10.0, 3.0, 10.0, FRAME) > drain(10.0, 1.0, 10.0, FRAME) > 1.0
    assert drain(10.0, -2.0, 10.0, FRAME) == 1.0
    assert drain(18.0, 0.0, 8.0, FRAME) > 1.2


@repeatable(60)
@given(st.floats(0, 8), st.floats(0, 360), st.floats(2, 14))
def test_no_flight_draws_less_than_a_battery_second_a_second(wind, from_deg, speed):
    path = np.array([[0, 0, 50], [300, 0, 80], [300, 400, 60], [0, 0, 90.0]])
    seconds, battery = path_use(path, speed, FRAME, Wind(wind, from_deg))
    assert battery >= seconds
    a, b = path[:-1, :2], path[1:, :2]
    straight = straight_uses(a, b, speed, FRAME, Wind(wind, from_deg))
    assert (straight[:, 1] >= straight[:, 0] - 1e-9).all()


def test_a_straight_leg_costs_the_same_by_either_reckoning():
    wind = Wind(5.0, 30.0)
    path = np.array([[0, 0, 50], [400, 300, 50.0]])
    one = path_use(path, 9.0, FRAME, wind)
    two = straight_uses(path[:1, :2], path[1:, :2], 9.0, FRAME, wind)[0]
    assert one[0] == pytest.approx(two[0])
    assert one[1] == pytest.approx(two[1], rel=0.02)


def test_cold_age_and_reserve_take_from_the_pack():
    assert Battery(1500.0).usable_s == 1500.0
    assert Battery(1500.0, temperature_c=0.0).usable_s == pytest.approx(1500 * 0.82)
    assert Battery(1500.0, health=0.8, reserve=0.25).usable_s == pytest.approx(1500 * 0.8 * 0.75)
    assert cold_factor(35.0) == 1.0
    assert cold_factor(-40.0) == cold_factor(-20.0) == 0.6
    assert cold_factor(5.0) == pytest.approx((0.82 + 0.93) / 2)
