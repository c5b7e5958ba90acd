"""Photos without tie points: they keep the place of their tags, corrected by what the tied ones learned.

That is the lag of the tags and the shift of the flight's receiver (both from the adjustment), its slow drift
(what the tied photos taken just before and after are still off, as far as that is alike for neighbours at
all), and the turn between gimbal and camera.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from imagery.bundle_math import rotation_from_vector
from imagery.photos import Block
from imagery.priors import Ids, Priors, State, flights_of
from plans.frames import FloatArray

_NEAREST = 6
_ENOUGH = 8
"""Fewer tied neighbours do not tell whether errors are alike."""


def correct_untied(
    block: Block, state: State, priors: Priors, groups: Ids, tied: npt.NDArray[np.bool_]
) -> State:
    """The state with the photos that are not `tied` (m,) where their corrected tags put them."""
    if tied.all() or not tied.any():
        return state
    rotations, centres = state.rotations.copy(), state.centres.copy()
    turns, off = priors.turns(state), priors.off_m(state)
    flights = flights_of(block.photos, groups)
    order = np.arange(len(tied))
    clocks = [p.clock_s for p in block.photos]
    when = order.astype(float) if any(c is None for c in clocks) else np.array(clocks, float)
    for flight in np.unique(flights):
        known = np.flatnonzero(tied & (flights == flight))
        of_camera = np.flatnonzero(tied & (groups == groups[flights == flight][0]))
        boresight = rotation_from_vector(np.median(turns[of_camera if len(of_camera) else tied], axis=0))[0]
        alike = _alike(off[known[np.argsort(when[known], kind="stable")]])
        for i in np.flatnonzero(~tied & (flights == flight)):
            centres[i] = priors.centres[i] + priors.design[i] @ state.offsets
            rotations[i] = boresight @ priors.rotations[i]
            if len(known):
                usual = off[known].mean(axis=0)
                near = _near_in_time(off[known], np.abs(when[known] - when[i]))
                centres[i] += usual + alike * (near - usual)
    return replace(state, rotations=rotations, centres=centres)


def _near_in_time(off: FloatArray, apart: FloatArray) -> FloatArray:
    near = np.argsort(apart, kind="stable")[:_NEAREST]
    weight = 1 / (apart[near] + float(np.median(apart[near])) + 1e-3)
    return np.asarray((off[near] * weight[:, None]).sum(axis=0) / weight.sum())


def _alike(off: FloatArray) -> FloatArray:
    """(3,) how much of what one photo is off its neighbours are off, too: the correlation of photos that
    follow each other; 0 for a receiver whose errors are mere noise."""
    if len(off) < _ENOUGH:
        return np.zeros(3)
    level = off - off.mean(axis=0)
    both = (level[1:] * level[:-1]).sum(axis=0)
    return np.asarray(np.clip(both / np.maximum((level**2).sum(axis=0), 1e-12), 0.0, 1.0))
