"""A weak radio: what it loses, how late it is, how little it carries; and the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.radio import Radio, RadioSettings

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
