"""When a live mosaic is corrected, and how much of it at once.

A small block is adjusted as a whole whenever it has grown by a part. In a larger one the photos that are new
and those around them are adjusted among the others, which are held; the whole block only when it has doubled.
So a photo costs by its neighbourhood: all adjustments of the whole together are as many photos as there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imagery.live_place import Fit, Stand, adjust_all, adjust_some
from imagery.live_ties import Ties
from plans.frames import LocalFrame

FREE = 50
"""So many photos are adjusted together; a block that is no larger as a whole."""
GROWN, LEAST_NEW = 0.3, 2
"""They are adjusted when that share of them is new, and so many."""
DOUBLED = 2.0
LEARN_FROM = 60
"""What tags are off by is learned from so many photos."""


@dataclass(frozen=True)
class Scope:
    """What is adjusted: photos that may move, and those around them that are held. `whole` when all may."""

    free: tuple[str, ...]
    around: tuple[str, ...]
    whole: bool


@dataclass(frozen=True)
class Correction:
    """What an adjustment of a scope told."""

    scope: Scope
    fit: Fit


def whole_is_due(count: int, settled: int) -> bool:
    """Whether a block of so many photos, of which `settled` were there when it was last adjusted as a whole,
    has doubled."""
    return count >= DOUBLED * max(settled, 1)


def some_are_due(count: int, new: int) -> bool:
    """Whether so many photos are new that they are adjusted together."""
    return count >= 3 and new >= max(LEAST_NEW, math.ceil(GROWN * min(count, FREE)))


def scope_of(stands: Mapping[str, Stand], ties: Ties, new: Collection[str], *, whole: bool) -> Scope:
    """The photos to adjust: all, or the new ones, the nearest to them, and what shares ground with any of
    these."""
    names = list(stands)
    fresh = [name for name in names if name in new]
    if whole or len(names) <= FREE or not fresh:
        return Scope(tuple(names), (), True)
    places = np.array([(s.pose.east_m, s.pose.north_m) for s in stands.values()])
    mine = np.array([(stands[n].pose.east_m, stands[n].pose.north_m) for n in fresh])
    away = np.full(len(names), np.inf)
    for place in mine:
        away = np.minimum(away, np.hypot(*(places - place).T))
    nearest = np.argsort(away, kind="stable")[: max(FREE, len(fresh))]
    free = [names[i] for i in np.sort(nearest)]
    inside = set(free)
    around = {mate: None for name in free for mate in ties.mates(name) if mate not in inside}
    return Scope(tuple(free), tuple(n for n in around if n in stands), False)


def correction(
    scope: Scope,
    stands: Mapping[str, Stand],
    settled: Sequence[Stand],
    ties: Ties,
    frame: LocalFrame,
    ground_up_m: float | None,
) -> Callable[[], Correction]:
    """The work of adjusting a scope as it stands now, for another thread. Photos `settled` by the adjustment
    of the whole say what tags are off by."""
    free, around = [stands[n] for n in scope.free], [stands[n] for n in scope.around]
    matches = ties.among(scope.free, scope.around)
    if scope.whole:
        return lambda: Correction(scope, adjust_all(free, matches, frame, ground_up_m))
    learn = list(settled)[-LEARN_FROM:]
    return lambda: Correction(scope, adjust_some(free, around, learn, matches, frame, ground_up_m))
