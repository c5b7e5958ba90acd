"""Cutting a lane order into sorties that each fit a battery, and sharing sorties among drones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from plans.errors import SurveyError
from plans.frames import FloatArray


@dataclass(frozen=True)
class SortieCut:
    """Lanes first..last (last included) of the order, flown from and back to launch point `launch`."""

    first: int
    last: int
    launch: int
    seconds: float


@dataclass(frozen=True)
class LaneCosts:
    """Seconds of a lane order of n lanes and k launch points.

    `lanes_s` (n,), `between_s` (n - 1,) from lane i to lane i + 1, `out_s` (k, n) from launch to lane start
    with the take-off, `home_s` (k, n) from lane end to launch with the landing.
    """

    lanes_s: FloatArray
    between_s: FloatArray
    out_s: FloatArray
    home_s: FloatArray

    def seconds(self, first: int, last: int, launch: int) -> float:
        """Duration of the sortie that flies lanes first..last from this launch point."""
        middle = self.lanes_s[first : last + 1].sum() + self.between_s[first:last].sum()
        return float(self.out_s[launch, first] + middle + self.home_s[launch, last])


def split(costs: LaneCosts, limit_s: float) -> list[SortieCut] | None:
    """The cut of the order into sorties within the limit: fewest sorties, then least time. Exact (dynamic
    programming over the order). None when a lane alone does not fit."""
    n = len(costs.lanes_s)
    reach = np.concatenate([[0.0], np.cumsum(costs.lanes_s)])
    hops = np.concatenate([[0.0], np.cumsum(costs.between_s)])
    best: list[tuple[int, float]] = [(0, 0.0)] + [(n + 1, np.inf)] * n
    choice: list[SortieCut | None] = [None] * (n + 1)
    for last in range(n):
        for first in range(last, -1, -1):
            middle = reach[last + 1] - reach[first] + hops[last] - hops[first]
            if middle > limit_s:
                break
            totals = costs.out_s[:, first] + costs.home_s[:, last] + middle
            launch = int(np.argmin(totals))
            seconds = float(totals[launch])
            count, so_far = best[first]
            if seconds <= limit_s and (count + 1, so_far + seconds) < best[last + 1]:
                best[last + 1] = (count + 1, so_far + seconds)
                choice[last + 1] = SortieCut(first, last, launch, seconds)
    if not np.isfinite(best[n][1]):
        return None
    cuts: list[SortieCut] = []
    at = n
    while at > 0:
        cut = choice[at]
        assert cut is not None
        cuts.append(cut)
        at = cut.first
    return cuts[::-1]


def split_for_drones(costs: LaneCosts, limit_s: float, drones: int) -> list[SortieCut] | None:
    """As `split`, but with sorties of even length so that several drones are done at the same time.

    The number of sorties is the least multiple of `drones` that the limit needs (fewer when there are fewer
    lanes); the longest sortie is made as short as that number allows.
    """
    cuts = split(costs, limit_s)
    if cuts is None or drones == 1:
        return cuts
    wanted = min(-(-len(cuts) // drones) * drones, len(costs.lanes_s))
    low, high = 0.0, max(cut.seconds for cut in cuts)
    best = cuts
    if len(cuts) < wanted:
        high = max(high, max(cut.seconds for cut in cuts))
    while high - low > max(1.0, 0.002 * high):
        middle = (low + high) / 2
        found = split(costs, middle)
        if found is not None and len(found) <= wanted:
            best, high = found, middle
        else:
            low = middle
    return best


def share_among(seconds: Sequence[float], drones: int) -> list[int]:
    """A drone (0..drones-1) for each sortie: longest first, each to the drone that is done earliest."""
    load = [0.0] * drones
    owner = [0] * len(seconds)
    for index in sorted(range(len(seconds)), key=lambda i: (-seconds[i], i)):
        drone = min(range(drones), key=lambda d: (load[d], d))
        owner[index] = drone
        load[drone] += seconds[index]
    return owner


def too_small(costs: LaneCosts, limit_s: float) -> SurveyError:
    """The error that says which lane does not fit the endurance and what would."""
    alone = costs.lanes_s + (costs.out_s + costs.home_s).min(axis=0)
    worst = int(np.argmax(alone))
    return SurveyError(
        f"endurance of {limit_s / 60:.1f} min is too small: lane {worst + 1} alone takes "
        f"{alone[worst] / 60:.1f} min with the way there and home; launch nearer or fly with more"
    )
