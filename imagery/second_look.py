"""Matches that were left out for fear of water, looked at again by a block that stands.

Before it is known where the photos stood, steep ground and a carpet of foam that drifts look alike
(imagery.coherence). Afterwards they do not: photos of other times put ground in one place, on one sheet with
the ground beside it; what drifts they put at heights of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from imagery.adjust import camera_with_lens
from imagery.bundle_math import project, triangulate
from imagery.matching import PairMatches
from imagery.photos import Photo
from imagery.priors import State
from imagery.surface import off_neighbours
from imagery.tracks import Tracks, worth_adjusting
from plans.frames import FloatArray

Bools = npt.NDArray[np.bool_]

LATE_S = 10.0
"""In so long what drifts leaves the places where it was."""
_FITS_SIGMAS = 4.0
_LEAST_ANGLE = np.sin(np.radians(3.0))
_NEIGHBOURS = 12
_ALIKE = 0.02
"""Of the height of flight: so near to one plane lie a place and most of those about it."""
_APART = 0.05
"""Of the height of flight: so far apart lies what it is compared with. A crown's side is steep, too."""
_REACH = 0.15
"""Of the height of flight: farther away a place is not beside another."""
_LEVEL = 0.25
"""Metres up for each across: water lies level, and what is steeper is ground."""
_SWEEPS = 4


def left_out(every: Sequence[PairMatches], kept: Sequence[PairMatches]) -> list[PairMatches]:
    """The matches of `every` that are not among the `kept`."""
    fair = {(m.first, m.second): m.first_ids for m in kept}
    out = []
    for match in every:
        doubted = ~np.isin(match.first_ids, fair.get((match.first, match.second), []))
        if doubted.any():
            ids = match.first_ids[doubted], match.second_ids[doubted]
            out.append(replace(match, first_ids=ids[0], second_ids=ids[1]))
    return out


def with_proven(
    tracks: Tracks,
    state: State,
    lenses: FloatArray,
    doubted: Tracks,
    photos: Sequence[Photo],
    per_photo: int,
) -> tuple[Tracks, FloatArray]:
    """The tracks that a block stands by and those of the `doubted` ones that it proves, about `per_photo` a
    photo, and their points (p, 3). `lenses` (m, 7) are of each photo."""
    more, places = proven(doubted, photos, lenses, state, state.points)
    if not more.count:
        return tracks, state.points
    tracks, points = tracks.with_more(more), np.concatenate([state.points, places])
    sizes = [(p.camera.image_width_px, p.camera.image_height_px) for p in photos]
    kept, left = tracks.thinned(worth_adjusting(tracks, sizes, per_photo)[tracks.track])
    return kept, points[left]


def proven(
    doubted: Tracks, photos: Sequence[Photo], lenses: FloatArray, state: State, known: FloatArray
) -> tuple[Tracks, FloatArray]:
    """The doubted tracks that a block shows to be ground, and their points (p, 3).

    `state` is the block's, `lenses` (m, 7) of each photo, `known` (k, 3) the points that it stands by.
    """
    tracks, points = _meeting(doubted, photos, lenses, state)
    ground = np.zeros(tracks.count, bool)
    if len(known) > _NEIGHBOURS:
        late = _late(tracks, photos)
        height_m = float(np.median(state.centres[:, 2]) - np.median(known[:, 2]))
        ground |= late
        for _ in range(_SWEEPS):  # those that met by chance are few after the first and spoil no planes
            ground &= _on_one_sheet(points, np.concatenate([known, points[ground]]), height_m)
        for _ in range(_SWEEPS):
            ground |= ~late & _on_one_sheet(points, np.concatenate([known, points[ground]]), height_m)
    kept, left = tracks.thinned(ground[tracks.track])
    return kept, points[left]


def _meeting(
    tracks: Tracks, photos: Sequence[Photo], lenses: FloatArray, state: State
) -> tuple[Tracks, FloatArray]:
    """The tracks whose rays meet, at an angle that tells where, and the points (p, 3) where they do. An
    observation that lies apart from the others of its track is left out."""
    for again in (True, False):
        if not tracks.count:
            return tracks, np.zeros((0, 3))
        rays = _rays(tracks, photos, lenses, state)
        centres = state.centres[tracks.photo]
        points = triangulate(rays, centres, tracks.track, tracks.count, np.zeros((tracks.count, 3)), 1e-9)
        seen = project(state.rotations[tracks.photo], centres, lenses[tracks.photo], points[tracks.track])
        off = np.linalg.norm(seen - tracks.xy_px, axis=1) / tracks.sigma_px
        fits = off < _FITS_SIGMAS * (2 if again else 1)  # rays that are wrong pull the others' point
        if not again:
            starts = np.searchsorted(tracks.track, np.arange(tracks.count))
            low, high = (f.reduceat(rays[:, :2], starts, axis=0) for f in (np.minimum, np.maximum))
            whole = np.logical_and.reduceat(fits, starts)
            whole &= np.linalg.norm(high - low, axis=1) > _LEAST_ANGLE
            fits = whole[tracks.track]
        tracks, left = tracks.thinned(fits)
    return tracks, points[left]


def _rays(tracks: Tracks, photos: Sequence[Photo], lenses: FloatArray, state: State) -> FloatArray:
    """(n, 3) unit vectors from the photos to what they observe."""
    rays = np.zeros((len(tracks.track), 3))
    for number, photo in enumerate(photos):
        mine = tracks.photo == number
        camera = camera_with_lens(photo.camera, lenses[number])
        rays[mine] = camera.rays(tracks.xy_px[mine]) @ state.rotations[number]
    return np.asarray(rays / np.linalg.norm(rays, axis=1, keepdims=True))


def _late(tracks: Tracks, photos: Sequence[Photo]) -> Bools:
    """(p,) which tracks photos of different times see; without a clock nobody knows that they were not."""
    clocks = np.array([np.nan if p.clock_s is None else p.clock_s for p in photos])[tracks.photo]
    starts = np.searchsorted(tracks.track, np.arange(tracks.count))
    first, last = (f.reduceat(clocks, starts) if len(starts) else clocks for f in (np.minimum, np.maximum))
    return np.asarray(~(last - first <= LATE_S))


def _on_one_sheet(points: FloatArray, among: FloatArray, height_m: float) -> Bools:
    """Which points (p, 3) lie on one plane with most of those of `among` about them, and a steep one."""
    if not len(points):
        return np.zeros(0, bool)
    cell = np.floor(among[:, :2] / (_APART * height_m))
    among = among[np.unique(cell, axis=0, return_index=True)[1]]
    if len(among) <= _NEIGHBOURS:
        return np.zeros(len(points), bool)
    away, near = cKDTree(among[:, :2]).query(points[:, :2], _NEIGHBOURS + 1)
    own = away[:, :1] == 0  # it may be among them itself
    near = np.where(own, near[:, 1:], near[:, :-1])
    beside = off_neighbours(points, among[near])
    close = away[:, _NEIGHBOURS // 2] < _REACH * height_m
    alike = np.maximum(np.abs(beside.off_m), beside.spread_m) < _ALIKE * height_m
    return np.asarray(close & alike & (np.hypot(*beside.slope.T) > _LEVEL))
