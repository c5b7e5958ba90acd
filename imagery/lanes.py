"""Lanes, from the order and the places of photos: what a pilot flies again is a lane, not a photo."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from plans.frames import FloatArray

NO_LANE = 0
_TURN_DEG = 35.0
_GAP_SPACINGS = 3.5


def lanes_of(
    places: FloatArray, clocks_s: Sequence[float | None], flights: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """(m,) number of the lane of each photo, 1 and up in the order flown, NO_LANE in turns and transits.

    `places` (m, 2) metres. Photos are ordered by their clocks, without clocks as given. A lane goes on while
    the course does.
    """
    lanes = np.full(len(places), NO_LANE, np.int64)
    count = 0
    for flight in np.unique(flights):
        mine = np.flatnonzero(flights == flight)
        clocks = [clocks_s[int(i)] for i in mine]
        if not any(c is None for c in clocks):
            mine = mine[np.argsort(np.array(clocks, float), kind="stable")]
        for part in _straight(places[mine]):
            count += 1
            lanes[mine[part]] = count
    return lanes


def _straight(places: FloatArray) -> list[npt.NDArray[np.int64]]:
    """Runs of places, in order, along which course and spacing change little: of steps, those that go on as
    the one before them did."""
    steps = np.diff(places, axis=0)
    length = np.hypot(*steps.T)
    course = np.degrees(np.arctan2(steps[:, 0], steps[:, 1]))
    near = length < _GAP_SPACINGS * (float(np.median(length)) if len(length) else 0.0)
    goes_on = (np.abs((np.diff(course) + 180) % 360 - 180) < _TURN_DEG) & near[1:] & near[:-1]
    runs, begun = [], None
    for i, on in enumerate([*goes_on, False]):
        if on and begun is None:
            begun = i
        elif not on and begun is not None:
            runs.append(np.arange(begun, i + 2))
            begun = None
    return runs
