"""A weak radio: what it loses, how late it is, how little it carries; and the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plans.frames import GeoPoint, LocalFrame
from sim.place import FlatGround, Place
from sim.radio import Fade, Radio, RadioSettings, Reach, lost_share, margin_db, obstruction_db
from sim.server import radio_status

repeatable = settings(derandomize=True, deadline=None, max_examples=60, database=None)


def sent_through(radio, count=400, every_s=0.1, size=50, droppable=False, wait_s=60.0):
    """(sent at, arrived at) of the numbered messages that came through."""
    arrivals = []
    steps = round((count * every_s + wait_s) / 0.02)
    number = 0
    for step in range(steps):
        now = step * 0.02
        while number < count and now >= number * every_s - 1e-9:
            radio.put((number, now), size, now, droppable)
            number += 1
        arrivals += [(n, at, now) for n, at in radio.due(now)]
    return arrivals


def test_a_perfect_radio_loses_and_delays_nothing():
    assert RadioSettings().perfect
    arrivals = sent_through(Radio(RadioSettings(), "a"))
    assert [n for n, _, _ in arrivals] == list(range(400))
    assert all(there == at for _, at, there in arrivals)


def test_it_loses_the_share_that_it_should():
    arrivals = sent_through(Radio(RadioSettings(loss=0.2), "a"), count=2000, wait_s=1)
    assert len(arrivals) / 2000 == pytest.approx(0.8, abs=0.03)


def test_messages_are_late_by_latency_and_jitter_and_do_not_overtake():
    arrivals = sent_through(Radio(RadioSettings(latency_s=0.3, jitter_s=0.5), "a"))
    late = np.array([there - at for _, at, there in arrivals])
    assert late.min() >= 0.3 - 1e-9
    assert late.max() <= 0.3 + 0.5 + 0.021
    assert late.std() > 0.05
    assert [n for n, _, _ in arrivals] == list(range(400))


def test_a_slow_radio_carries_its_bytes_and_drops_what_may_be_dropped():
    slow = RadioSettings(bytes_per_s=250.0)  # messages of 50 bytes ten times a second are twice too many
    arrivals = sent_through(Radio(slow, "a"), droppable=True)
    assert len(arrivals) == pytest.approx(200 + 10, abs=6)
    assert max(there - at for _, at, there in arrivals) < Radio.BACKLOG_S + 0.3
    kept = sent_through(Radio(slow, "a"), droppable=False)
    assert len(kept) == 400  # what may not be dropped waits instead
    assert max(there - at for _, at, there in kept) > 30


def test_a_cut_radio_is_silent_until_it_is_joined_again():
    radio = Radio(RadioSettings(), "a")
    radio.cut = True
    radio.put("lost", 10, 0.0)
    radio.cut = False
    radio.put("heard", 10, 1.0)
    assert radio.due(2.0) == ["heard"]


@repeatable
@given(st.floats(0, 0.9), st.floats(0, 2), st.floats(0, 2), st.floats(100, 10_000), st.integers(0, 99))
def test_the_same_seed_loses_and_delays_the_same(loss, latency, jitter, rate, seed):
    quality = RadioSettings(loss, latency, jitter, rate)
    one, two = (sent_through(Radio(quality, f"{seed}"), count=40, wait_s=10) for _ in range(2))
    assert one == two


def test_another_seed_loses_others():
    quality = RadioSettings(loss=0.3)
    assert sent_through(Radio(quality, "1"), wait_s=1) != sent_through(Radio(quality, "2"), wait_s=1)


# -- how far it reaches --------------------------------------------------------------------------------


class Ridge:
    """A wall of 100 m across the way, 1 km to the east; else level ground."""

    def height_m(self, east_m, north_m):
        return 600.0 if 950 <= east_m <= 1050 else 500.0


STATION = (0.0, 0.0, 502.0)


def test_in_the_open_loss_grows_towards_the_edge():
    reach = Reach(5000.0, over_terrain=False)
    shares = [
        lost_share(margin_db(reach, STATION, (d, 0.0, 600.0), FlatGround(500.0)))
        for d in (500, 2500, 4000, 5000, 6000, 9000)
    ]
    assert shares == sorted(shares)
    assert shares[1] < 0.01
    assert shares[3] == pytest.approx(0.5, abs=0.01)
    assert shares[5] > 0.99


def test_behind_a_ridge_it_is_silent_and_over_it_it_is_not():
    reach = Reach(20_000.0)
    low, high = (lost_share(margin_db(reach, STATION, (2000.0, 0.0, up), Ridge())) for up in (530.0, 720.0))
    before = lost_share(margin_db(reach, STATION, (800.0, 0.0, 530.0), Ridge()))
    assert low > 0.95
    assert high < 0.02
    assert before < 0.02


def test_a_fade_follows_the_vehicle_from_the_station_s_antenna():
    place = Place(LocalFrame(30.0, 103.0), Ridge())
    lat, lon = place.to_geo(2000.0, 0.0)
    fade = Fade(Reach(5000.0, GeoPoint(lat, lon), antenna_m=3.0), place, (0.0, 0.0, 500.0), "a")
    fade.update((2100.0, 0.0, 530.0), 0.0)
    assert all(fade.passes() for _ in range(50))
    fade.update((0.0, 0.0, 530.0), 0.2)  # half a second has not passed
    assert fade.passes()
    fade.update((0.0, 0.0, 530.0), 1.0)
    assert sum(fade.passes() for _ in range(200)) < 20


@repeatable
@given(st.floats(1, 20_000), st.floats(-20_000, 20_000), st.floats(500, 3000))
def test_nothing_in_between_never_helps_and_the_way_is_the_same_both_ways(east, north, up):
    reach, there = Reach(5000.0), (east, north, up)
    assert obstruction_db(reach, STATION, there, Ridge()) >= 0.0
    out, back = margin_db(reach, STATION, there, Ridge()), margin_db(reach, there, STATION, Ridge())
    assert out == pytest.approx(back, abs=1e-6)
    assert 0.0 <= lost_share(out) <= 1.0


def test_the_station_s_radio_tells_how_well_it_hears():
    near, far, cut = radio_status(20.0), radio_status(-2.0), radio_status(-float("inf"))
    assert near.rssi > far.rssi > cut.rssi == cut.noise
