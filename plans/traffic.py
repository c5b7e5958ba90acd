"""When each sortie takes off so that no two drones come near each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from plans.flights import Sortie
from plans.frames import FloatArray

APART_M, APART_UP_M = 50.0, 20.0
"""Two drones are apart when they are so far from each other on the map, or so far in height."""
_STEP_S = 2.0
_DELAY_S, _MOST_DELAY_S = 10.0, 3600.0


def schedule(sorties: Sequence[Sortie], swap_s: Sequence[float]) -> tuple[list[Sortie], list[str]]:
    """The sorties with their take-off times, and a note for each that could not be kept apart.

    Every drone flies its sorties in the order given, `swap_s[drone]` apart, as soon as it can: a take-off
    waits until the flight stays apart from all those already set, whoever is ready first being set first.
    """
    waiting: dict[int, list[Sortie]] = {}
    for sortie in sorties:
        waiting.setdefault(sortie.drone, []).append(sortie)
    ready = dict.fromkeys(waiting, 0.0)
    set_out: list[Sortie] = []
    paths: list[FloatArray] = []
    notes: list[str] = []
    while waiting:
        drone = min(waiting, key=lambda d: (ready[d], d))
        sortie = waiting[drone].pop(0)
        path = track(sortie)
        others = [
            (other, at)
            for other, at in zip(set_out, paths, strict=True)
            if other.drone != drone and other.start_s + other.duration_s > ready[drone]
        ]
        delays = np.arange(0.0, _MOST_DELAY_S if others else _DELAY_S, _DELAY_S)
        free = (d for d in delays if all(_apart(path, ready[drone] + d, at, o.start_s) for o, at in others))
        delay = next(free, None)
        if delay is None:
            notes.append(
                f"sortie {sortie.index + 1} comes within {APART_M:.0f} m of another drone whenever it "
                "takes off; fly it when the others have landed"
            )
            delay = max(other.start_s + other.duration_s for other, _ in others) - ready[drone]
        start = ready[drone] + float(delay)
        set_out.append(replace(sortie, start_s=start))
        paths.append(path)
        ready[drone] = start + sortie.duration_s + swap_s[drone]
        if not waiting[drone]:
            del waiting[drone]
    return sorted(set_out, key=lambda s: s.index), notes


def track(sortie: Sortie) -> FloatArray:
    """Places (n, 3), east, north, up in local metres, every two seconds from take-off to landing."""
    times, places = [0.0], [np.append(sortie.legs[0].points_m[0, :2], sortie.launch_ground_m)]
    for leg in sortie.legs:
        points = leg.points_m
        run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        times += (leg.start_s + leg.duration_s * run / max(run[-1], 1e-9)).tolist()
        places += list(points)
    times.append(sortie.duration_s)
    places.append(np.append(sortie.legs[-1].points_m[-1, :2], sortie.launch_ground_m))
    at = np.arange(0.0, sortie.duration_s + _STEP_S, _STEP_S)
    table = np.array(places)
    return np.column_stack([np.interp(at, times, table[:, axis]) for axis in range(3)])


def _apart(path_m: FloatArray, start_s: float, other_m: FloatArray, other_start_s: float) -> bool:
    """Whether two tracks that begin at these times stay apart while both are in the air."""
    shift = round((start_s - other_start_s) / _STEP_S)
    first, last = max(shift, 0), min(shift + len(path_m), len(other_m))
    if last <= first:
        return True
    gap = path_m[first - shift : last - shift] - other_m[first:last]
    near = (np.hypot(gap[:, 0], gap[:, 1]) < APART_M) & (np.abs(gap[:, 2]) < APART_UP_M)
    return not bool(near.any())
