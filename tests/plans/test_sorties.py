"""Batteries: no sortie is longer than one, there are no more of them than needed, and drones share fairly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plans.sorties import LaneCosts, SortieCut, share_among, split, split_for_drones, too_small

from .conftest import repeatable


@st.composite
def lane_costs(draw):
    n, launches = draw(st.integers(1, 9)), draw(st.integers(1, 3))
    seconds = st.floats(1, 120)

    def some(*shape):
        count = int(np.prod(shape))
        return np.array(draw(st.lists(seconds, min_size=count, max_size=count))).reshape(shape)

    return LaneCosts(some(n), some(n - 1), some(launches, n), some(launches, n))


def every_cut(n):
    """All ways to cut n lanes in a row."""
    for mask in range(2 ** (n - 1)):
        bounds = [0, *(i + 1 for i in range(n - 1) if mask >> i & 1), n]
        yield list(zip(bounds[:-1], (b - 1 for b in bounds[1:]), strict=True))


def best_by_trying(costs, limit):
    """(sorties, seconds) of the best cut, by trying all of them; None where there is none."""
    launches = range(len(costs.out_s))
    best = None
    for cut in every_cut(len(costs.lanes_s)):
        each = [min(costs.seconds(a, b, k) for k in launches) for a, b in cut]
        if max(each) <= limit and (best is None or (len(cut), sum(each)) < best):
            best = len(cut), sum(each)
    return best


@repeatable(150)
@given(lane_costs(), st.floats(60, 600))
def test_the_cut_is_the_best_there_is_and_no_sortie_outlives_its_battery(costs, limit):
    cuts = split(costs, limit)
    best = best_by_trying(costs, limit)
    if cuts is None:
        assert best is None
        return
    assert best is not None
    assert [lane for cut in cuts for lane in range(cut.first, cut.last + 1)] == list(
        range(len(costs.lanes_s))
    )
    for cut in cuts:
        assert cut.seconds == pytest.approx(costs.seconds(cut.first, cut.last, cut.launch))
        assert cut.seconds <= limit
    assert len(cuts) == best[0]
    assert sum(cut.seconds for cut in cuts) == pytest.approx(best[1])


@repeatable(60)
@given(lane_costs(), st.floats(300, 900), st.integers(2, 4))
def test_for_several_drones_the_longest_sortie_is_no_longer_than_for_one(costs, limit, drones):
    one, several = split(costs, limit), split_for_drones(costs, limit, drones)
    assert (one is None) == (several is None)
    if one is None or several is None:
        return
    assert max(c.seconds for c in several) <= max(c.seconds for c in one) + 1e-9
    assert max(c.seconds for c in several) <= limit
    assert [lane for c in several for lane in range(c.first, c.last + 1)] == list(range(len(costs.lanes_s)))


def test_two_drones_are_done_at_the_same_time():
    n = 12
    costs = LaneCosts(np.full(n, 100.0), np.full(n - 1, 5.0), np.full((1, n), 30.0), np.full((1, n), 30.0))
    assert len(split(costs, 2000.0)) == 1
    cuts = split_for_drones(costs, 2000.0, 2)
    assert [(cut.first, cut.last) for cut in cuts] == [(0, 5), (6, 11)]


def test_the_nearest_launch_point_is_taken():
    costs = LaneCosts(
        np.full(2, 100.0),
        np.array([500.0]),
        np.array([[10.0, 90.0], [90.0, 10.0]]),
        np.array([[10.0, 90.0], [90.0, 10.0]]),
    )
    assert split(costs, 200.0) == [SortieCut(0, 0, 0, 120.0), SortieCut(1, 1, 1, 120.0)]


@repeatable(60)
@given(st.lists(st.floats(1, 1000), min_size=1, max_size=12), st.integers(1, 4))
def test_work_is_shared_so_that_nobody_waits_long(seconds, drones):
    owner = share_among(seconds, drones)
    load = [sum(s for s, o in zip(seconds, owner, strict=True) if o == d) for d in range(drones)]
    assert max(load) <= sum(seconds) / drones + max(seconds) + 1e-9
    assert max(load) - min(load) <= max(seconds) + 1e-9


def test_a_battery_that_is_too_small_is_refused_in_one_line_with_what_it_would_take():
    costs = LaneCosts(np.array([100.0, 900.0]), np.array([5.0]), np.full((1, 2), 60.0), np.full((1, 2), 60.0))
    assert split(costs, 600.0) is None
    line = str(too_small(costs, 600.0))
    assert "endurance of 10.0 min is too small" in line
    assert "lane 2 alone takes 17.0 min" in line
    assert "\n" not in line
