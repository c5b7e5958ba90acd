"""Batteries: no sortie is longer than one, the cut is the soonest there is, and drones are done together."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plans.sorties import (
    ITEMS,
    SECONDS,
    LaneCosts,
    SortieCut,
    makespan_s,
    share_out,
    split,
    too_small,
)

from .conftest import repeatable


def same(*arrays):
    """Costs whose battery seconds are their seconds, and one item each."""
    return tuple(np.stack([a, a, np.ones_like(a)], axis=-1) for a in arrays)


def costs_of(lanes, between, out, home, battery_s=np.inf, items=np.inf, swap_s=0.0):
    return LaneCosts(*same(lanes, between, out, home), np.array([np.inf, battery_s, items]), swap_s)


@st.composite
def lane_costs(draw, most=9):
    n, launches = draw(st.integers(1, most)), draw(st.integers(1, 3))
    seconds = st.floats(1, 120)

    def some(*shape):
        count = int(np.prod(shape))
        return np.array(draw(st.lists(seconds, min_size=count, max_size=count))).reshape(shape)

    return costs_of(
        some(n), some(n - 1), some(launches, n), some(launches, n), draw(st.floats(60, 600)),
        draw(st.sampled_from([6.0, 12.0, np.inf])), draw(st.sampled_from([0.0, 30.0])),
    )  # fmt: skip


def every_cut(first, last):
    """All ways to cut lanes first..last in a row."""
    n = last - first + 1
    for mask in range(2 ** (n - 1)):
        bounds = [0, *(i + 1 for i in range(n - 1) if mask >> i & 1), n]
        yield [(first + a, first + b - 1) for a, b in itertools.pairwise(bounds)]


def seconds_by_trying(costs, first, last):
    """The least seconds of sorties and swaps over lanes first..last, by trying all cuts; None where none
    keeps the limits."""
    launches = range(len(costs.out))
    best = None
    for cut in every_cut(first, last):
        total = 0.0
        for a, b in cut:
            fits = [
                float(spent[SECONDS])
                for spent in (costs.sortie(a, b, k) for k in launches)
                if (spent <= costs.limits).all()
            ]
            total += min(fits, default=np.inf) + costs.swap_s
        if total < np.inf and (best is None or total < best):
            best = total
    return best


@repeatable(150)
@given(lane_costs())
def test_the_cut_is_the_soonest_there_is_and_no_sortie_outlives_its_battery(costs):
    cuts = split(costs)
    best = seconds_by_trying(costs, 0, len(costs.lanes) - 1)
    if cuts is None:
        assert best is None
        return
    assert best is not None
    assert [i for cut in cuts for i in range(cut.first, cut.last + 1)] == list(range(len(costs.lanes)))
    for cut in cuts:
        spent = costs.sortie(cut.first, cut.last, cut.launch)
        assert cut.seconds == pytest.approx(spent[SECONDS])
        assert (spent <= costs.limits + 1e-9).all()
    assert sum(cut.seconds + costs.swap_s for cut in cuts) == pytest.approx(best)


def test_more_items_than_the_autopilot_stores_are_flown_in_several_sorties():
    n = 20
    costs = costs_of(
        np.full(n, 10.0), np.full(n - 1, 1.0), np.full((1, n), 5.0), np.full((1, n), 5.0), items=13.0
    )
    cuts = split(costs)
    assert len(cuts) > 1
    assert all(costs.sortie(c.first, c.last, c.launch)[ITEMS] <= 13.0 for c in cuts)


def test_the_nearest_launch_point_is_taken():
    far = np.array([[10.0, 90.0], [90.0, 10.0]])
    costs = costs_of(np.full(2, 100.0), np.array([500.0]), far, far, 200.0)
    assert split(costs) == [SortieCut(0, 0, 0, 120.0), SortieCut(1, 1, 1, 120.0)]


def test_two_drones_are_done_at_the_same_time():
    n = 12
    costs = costs_of(
        np.full(n, 100.0), np.full(n - 1, 5.0), np.full((1, n), 30.0), np.full((1, n), 30.0), 2000.0
    )
    shares = share_out([costs, costs])
    assert sorted(share.drone for share in shares) == [0, 1]
    assert sorted((share.cuts[0].first, share.cuts[-1].last) for share in shares) == [(0, 5), (6, 11)]


def test_each_drone_takes_what_is_near_its_launch_point_and_a_slow_one_less():
    n = 10
    here = np.linspace(10, 400, n)[None]
    lanes, between = np.full(n, 100.0), np.full(n - 1, 5.0)
    west = costs_of(lanes, between, here, here, 1000.0)
    east = costs_of(lanes, between, here[:, ::-1], here[:, ::-1], 1000.0)
    shares = {share.drone: share.cuts for share in share_out([east, west])}
    assert shares[1][0].first == 0
    assert shares[0][-1].last == n - 1
    slow = replace(east, lanes=east.lanes * [3.0, 3.0, 1.0])
    shares = {share.drone: share.cuts for share in share_out([slow, west])}
    assert shares[1][-1].last - shares[1][0].first > n / 2


def makespan_by_trying(costs, busy):
    """The least makespan of one stretch for each drone, over all orders of drones and all stretches."""
    n = len(costs[0].lanes)
    best = np.inf
    for order in itertools.permutations(range(len(costs))):
        for bounds in itertools.combinations_with_replacement(range(n + 1), len(costs) - 1):
            edges = [0, *bounds, n]
            ends = []
            for drone, (a, b) in zip(order, itertools.pairwise(edges), strict=True):
                if a == b:
                    continue
                took = seconds_by_trying(costs[drone], a, b - 1)
                ends.append(np.inf if took is None else busy[drone] + took - costs[drone].swap_s)
            best = min(best, max(ends))
    return best


@repeatable(40)
@given(lane_costs(most=6), lane_costs(most=6), st.floats(0, 300))
def test_the_makespan_of_two_unlike_drones_is_close_to_the_best_there_is(one, two, head_start):
    n = min(len(one.lanes), len(two.lanes))
    one, two = (
        replace(c, lanes=c.lanes[:n], between=c.between[: n - 1], out=c.out[:, :n], home=c.home[:, :n])
        for c in (one, two)
    )
    busy = [head_start, 0.0]
    best = makespan_by_trying([one, two], busy)
    shares = share_out([one, two], busy)
    if shares is None:
        return
    assert sorted(i for s in shares for c in s.cuts for i in range(c.first, c.last + 1)) == list(range(n))
    got = makespan_s(shares, [one, two], busy)
    assert got >= best - 1e-6
    # Within a stretch sorties are taken as long as batteries allow, which is not always soonest.
    assert got <= best * 1.5 + 240.0


def test_many_drones_share_in_turn():
    n = 40
    costs = costs_of(
        np.full(n, 100.0), np.full(n - 1, 5.0), np.full((1, n), 30.0), np.full((1, n), 30.0), 2000.0
    )
    shares = share_out([costs] * 10)
    assert len(shares) == 10
    assert makespan_s(shares, [costs] * 10, [0.0] * 10) == pytest.approx(4 * 105 - 5 + 60)


def test_a_battery_that_is_too_small_is_refused_in_one_line_with_what_it_would_take():
    costs = costs_of(
        np.array([100.0, 900.0]), np.array([5.0]), np.full((1, 2), 60.0), np.full((1, 2), 60.0), 600.0
    )
    assert split(costs) is None
    assert share_out([costs, costs]) is None
    line = str(too_small(costs))
    assert "endurance of 10.0 min is too small" in line
    assert "lane 2 alone takes 17.0 min" in line
    assert "\n" not in line
