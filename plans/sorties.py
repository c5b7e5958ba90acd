"""Cutting a lane order into sorties that each fit a battery and an autopilot, and sharing it among drones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from plans.errors import SurveyError
from plans.frames import FloatArray

SECONDS, BATTERY, ITEMS = 0, 1, 2
"""Columns of every cost: seconds in the air, battery seconds (seconds of calm cruise that draw the same), and
mission items."""

_MOST_EXACT = 7  # drones: their 2^n sets are gone through


@dataclass(frozen=True)
class SortieCut:
    """Lanes first..last (last included) of the order, flown from and back to launch point `launch`."""

    first: int
    last: int
    launch: int
    seconds: float


@dataclass(frozen=True, eq=False)
class LaneCosts:
    """What one drone spends on a lane order of n lanes from k launch points; columns SECONDS, BATTERY, ITEMS.

    `lanes` (n, 3), `between` (n - 1, 3) from lane i to lane i + 1, `out` (k, n, 3) from launch to lane start
    with the take-off, `home` (k, n, 3) from lane end to launch with the landing. A sortie must keep within
    `limits` (3,); after it `swap_s` passes until the next.
    """

    lanes: FloatArray
    between: FloatArray
    out: FloatArray
    home: FloatArray
    limits: FloatArray
    swap_s: float = 0.0

    def sortie(self, first: int, last: int, launch: int) -> FloatArray:
        """What the sortie that flies lanes first..last from this launch point spends, shape (3,)."""
        middle = self.lanes[first : last + 1].sum(axis=0) + self.between[first:last].sum(axis=0)
        return np.asarray(self.out[launch, first] + middle + self.home[launch, last])

    @cached_property
    def _run(self) -> tuple[FloatArray, FloatArray]:
        """Running sums (n + 1, 3) of lanes and (n, 3) of the ways between them."""
        nothing = np.zeros((1, 3))
        return (
            np.concatenate([nothing, np.cumsum(self.lanes, axis=0)]),
            np.concatenate([nothing, np.cumsum(self.between, axis=0)]),
        )

    @cached_property
    def _ends(self) -> dict[int, tuple[FloatArray, np.ndarray]]:
        return {}

    def sorties_from(self, first: int) -> tuple[FloatArray, np.ndarray]:
        """For sorties that begin with lane `first` and end with it, the next one, ... : their seconds (m,)
        from the best launch point (inf where limits are not kept), and that launch point (m,)."""
        if first not in self._ends:
            lanes, hops = self._run
            reach = 16
            while True:
                last = np.arange(first, min(first + reach, len(self.lanes)))
                middle = lanes[last + 1] - lanes[first] + hops[last] - hops[first]
                alone = (middle <= self.limits).all(axis=1)
                if not alone[-1] or last[-1] == len(self.lanes) - 1:
                    break
                reach *= 4
            count = int(alone.sum())
            total = self.out[:, first, None] + middle[None, :count] + self.home[:, last[:count]]
            kept = (total <= self.limits).all(axis=2)
            seconds = np.where(kept, total[:, :, SECONDS], np.inf)
            launch = np.argmin(seconds, axis=0)
            self._ends[first] = seconds[launch, np.arange(count)], launch
        return self._ends[first]


@dataclass(frozen=True)
class Share:
    """A stretch of the lane order, first..last, that one drone flies in these sorties."""

    drone: int
    cuts: tuple[SortieCut, ...]


def split(costs: LaneCosts, first: int = 0, last: int | None = None) -> list[SortieCut] | None:
    """The cut of lanes first..last of the order into sorties within the limits that is done soonest, battery
    swaps included. Exact (dynamic programming over the order). None when a lane alone does not fit."""
    end = len(costs.lanes) if last is None else last + 1
    best = np.full(end - first + 1, np.inf)
    best[0] = 0.0
    choice: list[SortieCut | None] = [None] * (end - first + 1)
    for at in range(first, end):
        so_far = best[at - first]
        if not np.isfinite(so_far):
            continue
        seconds, launches = costs.sorties_from(at)
        for number, (took, launch) in enumerate(zip(seconds.tolist(), launches.tolist(), strict=True)):
            stop = at + number + 1
            if stop > end:
                break
            if took == np.inf:
                continue
            total = so_far + took + costs.swap_s
            if total < best[stop - first]:
                best[stop - first] = total
                choice[stop - first] = SortieCut(at, stop - 1, launch, took)
    if not np.isfinite(best[-1]):
        return None
    cuts: list[SortieCut] = []
    at = end
    while at > first:
        cut = choice[at - first]
        assert cut is not None
        cuts.append(cut)
        at = cut.first
    return cuts[::-1]


def share_out(
    costs: Sequence[LaneCosts], busy_s: Sequence[float] | None = None, lanes: range | None = None
) -> list[Share] | None:
    """The lane order shared among drones, one LaneCosts each, so that the last of them is done soonest.

    Every drone gets one stretch of the order. Which drone gets which stretch is decided over all sets of
    drones (with more than seven in their given order) for the least makespan, found by bisection. `busy_s`
    says when each drone is free; only `lanes` of the order are shared, if given. None when some lane fits no
    drone.
    """
    drones = len(costs)
    busy = [0.0] * drones if busy_s is None else list(busy_s)
    span = range(len(costs[0].lanes)) if lanes is None else lanes
    if drones == 1:
        cuts = split(costs[0], span.start, span.stop - 1)
        return None if cuts is None else [Share(0, tuple(cuts))]
    low = min(busy)
    high = low + 60.0
    while (found := _within(costs, busy, span, high)) is None:
        low, high = high, min(busy) + 2 * (high - min(busy))
        if high > 1e8:
            return None
    while high - low > max(1.0, 0.002 * (high - min(busy))):
        middle = (low + high) / 2
        better = _within(costs, busy, span, middle)
        if better is None:
            low = middle
        else:
            found, high = better, middle
    shares = []
    for drone, first, last in found:
        cuts = split(costs[drone], first, last)
        assert cuts is not None
        shares.append(Share(drone, tuple(cuts)))
    return shares


def makespan_s(shares: Sequence[Share], costs: Sequence[LaneCosts], busy_s: Sequence[float]) -> float:
    """When the last drone has landed for good."""
    return max(
        busy_s[share.drone]
        + sum(c.seconds for c in share.cuts)
        + costs[share.drone].swap_s * (len(share.cuts) - 1)
        for share in shares
    )


def _within(
    costs: Sequence[LaneCosts], busy_s: Sequence[float], span: range, makespan: float
) -> list[tuple[int, int, int]] | None:
    """(drone, first, last) of stretches that cover the span, all flown by `makespan`; None if there are none.

    For every set of drones, the furthest lane that they can reach together: adding one drone at the end of
    the best order of the rest is enough, since reaching further never hurts.
    """
    drones = len(costs)
    if drones > _MOST_EXACT:
        return _in_turn(costs, busy_s, span, makespan)
    furthest: dict[int, tuple[int, int, int]] = {0: (span.start, -1, 0)}  # set: (lane, last drone, its first)
    for size in range(1, drones + 1):
        for group in itertools.combinations(range(drones), size):
            key = sum(1 << d for d in group)
            best = (-1, -1, 0)
            for d in group:
                first = furthest[key ^ (1 << d)][0]
                reached = _reach(costs[d], first, makespan - busy_s[d], span.stop)
                if reached > best[0]:
                    best = (reached, d, first)
            furthest[key] = best
            if best[0] >= span.stop:
                return _trace(furthest, key)
    return None


def _trace(furthest: dict[int, tuple[int, int, int]], key: int) -> list[tuple[int, int, int]]:
    stretches = []
    while key:
        stop, drone, first = furthest[key]
        if stop > first:
            stretches.append((drone, first, stop - 1))
        key ^= 1 << drone
    return stretches[::-1]


def _in_turn(
    costs: Sequence[LaneCosts], busy_s: Sequence[float], span: range, makespan: float
) -> list[tuple[int, int, int]] | None:
    at, stretches = span.start, []
    for d, cost in enumerate(costs):
        reached = _reach(cost, at, makespan - busy_s[d], span.stop)
        if reached > at:
            stretches.append((d, at, reached - 1))
        at = reached
    return stretches if at >= span.stop else None


def _reach(costs: LaneCosts, first: int, seconds: float, end: int) -> int:
    """The lane after the last one that a drone can fly in this time, each sortie as long as its battery."""
    at = first
    while at < end:
        each, _ = costs.sorties_from(at)
        each = each[: end - at]
        longest = int(np.flatnonzero(np.isfinite(each)).max(initial=-1))
        if longest < 0 or each[longest] > seconds:
            return at + int(np.flatnonzero(each <= seconds).max(initial=-1)) + 1
        at += longest + 1
        seconds -= float(each[longest]) + costs.swap_s
    return at


def too_small(costs: LaneCosts) -> SurveyError:
    """The error that says which lane does not fit the battery or the autopilot, and what would."""
    alone = costs.lanes + (costs.out + costs.home).min(axis=0)
    share = alone / costs.limits
    worst = int(np.argmax(share.max(axis=1)))
    if share[worst, ITEMS] > share[worst, BATTERY]:
        return SurveyError(
            f"the autopilot holds too few mission items: lane {worst + 1} alone takes "
            f"{alone[worst, ITEMS]:.0f} beside take-off and return, and {costs.limits[ITEMS]:.0f} are left"
        )
    return SurveyError(
        f"endurance of {costs.limits[BATTERY] / 60:.1f} min is too small: lane {worst + 1} alone takes "
        f"{alone[worst, BATTERY] / 60:.1f} min of battery with the way there and home; "
        "launch nearer or fly with more"
    )
