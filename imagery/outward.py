"""Tie points on steep ground where no feature was matched, from the tie points beside it outward.

At the rim of a block, and between lanes flown at unlike heights, features find no partner, and a surface that
is continued there goes wrong by metres on a slope. So ground is looked at cell by cell: a patch of the plane
through what is known beside it is laid over itself in the photos that show it, at several heights (plane
sweep; Collins 1996). Where they agree is a tie point, from which the next cell goes on. Level ground is left
alone: continued level it is right, and it may be water.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from imagery.bundle_math import project
from imagery.features import Features
from imagery.photos import Photo
from imagery.priors import State
from imagery.surface import off_neighbours
from imagery.tracks import Tracks
from plans.frames import FloatArray

Float32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.int64]

_NEIGHBOURS = 12
_STEEP, _ROUGH = 0.25, 0.02
"""Ground is worth it from so many metres up for each across, where what is known beside it lies on one plane
to such a share of the height of flight."""
_MOST_RINGS = 40
_NEAREST, _MOST_VIEWS = 24, 5
"""So many photos may show a place, of which the most upright ones are looked at."""
_MARGIN_PX = 7.0
_SIDE, _HEIGHTS = 11, 13
_STEP_PX = 0.7
"""Parallax of the most unlike photos from one height to the next. Like the margin and the side of a patch
in pixels of the small pictures."""
_LIKE = 0.7
"""How alike photos must be to the most upright one."""
_LEAST_CONTRAST = 2.0
_SIGMA_PX = 0.3


@dataclass(frozen=True)
class _Plane:
    """Pieces of planes: `middle` (n, 3) and their `slope` (n, 2), metres up for each east and north."""

    middle: FloatArray
    slope: FloatArray


@dataclass(frozen=True)
class _Found:
    """Places (n, 3) of tie points and which of the photos of each, (n, views), show it; -1 for none."""

    points: FloatArray
    photos: Ids


def with_outward(
    tracks: Tracks,
    points: FloatArray,
    features: Sequence[Features],
    photos: Sequence[Photo],
    lenses: FloatArray,
    state: State,
) -> tuple[Tracks, FloatArray]:
    """A block's tracks and points (p, 3) with those on steep ground beyond them; see `tracks_outward`."""
    more, places = tracks_outward(features, photos, lenses, state, points)
    return tracks.with_more(more), np.concatenate([points, places])


def tracks_outward(
    features: Sequence[Features],
    photos: Sequence[Photo],
    lenses: FloatArray,
    state: State,
    known: FloatArray,
) -> tuple[Tracks, FloatArray]:
    """Tie points on steep ground beyond the `known` points (k, 3) of a block, and their places (p, 3).

    `lenses` (m, 7) are of each photo; `features` hold the small pictures that are looked at.
    """
    eyes = _Eyes(features, photos, lenses, state)
    found = [_Found(np.zeros((0, 3)), np.zeros((0, _MOST_VIEWS), np.int64))]
    if len(known) > _NEIGHBOURS:
        height_m = float(np.median(state.centres[:, 2]) - np.median(known[:, 2]))
        cells = _Cells(known)
        for _ in range(_MOST_RINGS):
            ground = np.concatenate([known, *(f.points for f in found)])
            ring = eyes.swept(_steep(cells.next_ring(), ground, _ROUGH * height_m))
            if not len(ring.points):
                break
            cells.reach(ring.points)
            found.append(ring)
    points, seen = (np.concatenate([getattr(f, k) for f in found]) for k in ("points", "photos"))
    track, view = np.nonzero(seen >= 0)
    photo = seen[track, view]
    xy = project(state.rotations[photo], state.centres[photo], lenses[photo], points[track])
    sigma = _SIGMA_PX * eyes.factors[photo]
    return Tracks(len(points), track, photo, xy, sigma), points


class _Cells:
    """Square cells as far apart as known points are: which are reached, and which were looked at."""

    def __init__(self, known: FloatArray) -> None:
        away = cKDTree(known[:, :2]).query(known[:, :2], _NEIGHBOURS // 2 + 1)[0][:, -1]
        self._step_m = max(float(np.median(away)), 1e-3)
        self._corner = known[:, :2].min(axis=0) - (_MOST_RINGS + 1) * self._step_m
        size = np.ptp(known[:, :2], axis=0) / self._step_m + 2 * (_MOST_RINGS + 2)
        self._reached = np.zeros(np.ceil(size).astype(int), np.uint8)
        self._tried = np.zeros(self._reached.shape, bool)
        self.reach(known)

    def reach(self, points: FloatArray) -> None:
        """There is a point in these cells now."""
        at = ((points[:, :2] - self._corner) / self._step_m).astype(int)
        self._reached[at[:, 0], at[:, 1]] = 1

    def next_ring(self) -> FloatArray:
        """(n, 2) middles of the cells beside those that are reached which nobody has looked at."""
        ring = cv2.dilate(self._reached, np.ones((3, 3), np.uint8)).astype(bool)
        ring &= ~self._tried & (self._reached == 0)
        self._tried |= ring
        return self._corner + (np.argwhere(ring) + 0.5) * self._step_m


def _steep(places: FloatArray, ground: FloatArray, rough_m: float) -> _Plane:
    """The planes on which the ground (k, 3) goes on to places (n, 2), where they are steep and even."""
    _, near = cKDTree(ground[:, :2]).query(places, _NEIGHBOURS)
    middle = np.column_stack([places, np.zeros(len(places))])
    beside = off_neighbours(middle, ground[near])
    middle[:, 2] -= beside.off_m
    good = (np.hypot(*beside.slope.T) > _STEEP) & (beside.spread_m < rough_m)
    return _Plane(middle[good], beside.slope[good])


class _Eyes:
    """The photos as they stand, with their small pictures."""

    def __init__(
        self, features: Sequence[Features], photos: Sequence[Photo], lenses: FloatArray, state: State
    ) -> None:
        self._features, self._state, self._lenses = features, state, lenses
        self._pictures: dict[int, Float32] = {}
        self._tree = cKDTree(state.centres[:, :2])
        self._sizes = np.array([(p.camera.image_width_px, p.camera.image_height_px) for p in photos], float)
        self.factors = np.array([f.thumbnail_factor for f in features], float)

    def swept(self, planes: _Plane) -> _Found:
        """Where photos agree on a height near these planes."""
        views = self._views(planes.middle)
        enough = (views >= 0).sum(axis=1) >= 2
        planes, views = _Plane(planes.middle[enough], planes.slope[enough]), views[enough]
        if not len(views):
            return _Found(np.zeros((0, 3)), views)
        step_m = self._height_step_m(planes.middle, views)
        like = self._likeness(planes, views, step_m)  # (n, views - 1, heights)
        there = (views[:, 1:] >= 0)[..., None]
        mean = np.where(there, like, 0).sum(axis=1) / there.sum(axis=1)
        best = np.clip(mean.argmax(axis=1), 1, _HEIGHTS - 2)
        row = np.arange(len(best))
        before, peak, after = (mean[row, best + k] for k in (-1, 0, 1))
        bend = before - 2 * peak + after
        good = (peak >= before) & (peak >= after) & (bend < 0)
        top = best + np.where(good, 0.5 * (before - after) / np.where(good, bend, 1.0), 0.0)
        points = planes.middle.copy()
        points[:, 2] += (top - _HEIGHTS // 2) * step_m
        shown = views.copy()
        shown[:, 1:][like[row, :, best] < _LIKE] = -1
        good &= (shown >= 0).sum(axis=1) >= 2
        return _Found(points[good], shown[good])

    def _views(self, places: FloatArray) -> Ids:
        """(n, views) the photos that show places (n, 3), the most upright first, and -1."""
        count = min(_NEAREST, len(self._sizes))
        near = self._tree.query(places[:, :2], count)[1].reshape(len(places), count)
        at = self._seen(near, np.broadcast_to(places[:, None], (*near.shape, 3)))
        margin = (_MARGIN_PX * self.factors[near])[..., None]
        inside = ((at > margin) & (at < self._sizes[near] - margin)).all(axis=2)
        away = self._state.centres[near] - places[:, None]
        lean = np.hypot(away[..., 0], away[..., 1]) / np.maximum(away[..., 2], 1e-6)
        order = np.argsort(np.where(inside, lean, np.inf), axis=1)[:, :_MOST_VIEWS]
        views = np.where(np.take_along_axis(inside, order, 1), np.take_along_axis(near, order, 1), -1)
        return np.pad(views, ((0, 0), (0, _MOST_VIEWS - views.shape[1])), constant_values=-1)

    def _seen(self, photos: Ids, places: FloatArray) -> FloatArray:
        """(..., 2) pixels of the full photos (...) that show places (..., 3)."""
        i = photos.ravel()
        state = self._state
        at = project(state.rotations[i], state.centres[i], self._lenses[i], places.reshape(-1, 3))
        return at.reshape(*photos.shape, 2)

    def _height_step_m(self, places: FloatArray, views: Ids) -> FloatArray:
        """(n,) by how much to rise for a parallax of one step."""
        away = self._state.centres[views] - places[:, None]
        lean = away[..., :2] / np.maximum(away[..., 2:], 1e-6)
        lean = np.where((views >= 0)[..., None], lean, lean[:, :1])
        apart = np.linalg.norm(lean[:, 1:] - lean[:, :1], axis=2).max(axis=1)
        return np.asarray(_STEP_PX * self._pixel_m(places, views) / np.maximum(apart, 0.05))

    def _pixel_m(self, places: FloatArray, views: Ids) -> FloatArray:
        """(n,) ground size of a pixel of the first view's small picture."""
        first = views[:, 0]
        depth = self._state.centres[first, 2] - places[:, 2]
        return np.asarray(depth / self._lenses[first, 0] * self.factors[first])

    def _likeness(self, planes: _Plane, views: Ids, step_m: FloatArray) -> Float32:
        """(n, views - 1, heights) how alike each photo is to the first, -1 to 1, with the plane so high."""
        up = (np.arange(_HEIGHTS) - _HEIGHTS // 2) * step_m[:, None]
        middles = np.repeat(planes.middle[:, None], _HEIGHTS, axis=1)
        middles[..., 2] += up
        pixel_m = self._pixel_m(planes.middle, views)
        axes = np.concatenate(
            [np.broadcast_to(np.eye(2), (len(views), 2, 2)), planes.slope[:, :, None]], axis=2
        )
        axes = axes * pixel_m[:, None, None]
        even = np.zeros((*views.shape, _HEIGHTS, _SIDE * _SIDE), np.float32)
        for photo in np.unique(views[views >= 0]):
            row, view = np.nonzero(views == photo)
            even[row, view] = self._patches(int(photo), middles[row], axes[row])
        return np.einsum("nvhk,nhk->nvh", even[:, 1:], even[:, 0]) / np.float32(_SIDE * _SIDE)

    def _patches(self, photo: int, middles: FloatArray, axes: FloatArray) -> Float32:
        """(n, heights, side * side) what a photo shows about middles (n, heights, 3), a pixel being as long
        as axes (n, 2, 3), with mean 0 and spread 1; 0 where there is nothing to see."""
        number = np.full(middles.shape[:2], photo)
        at = self._seen(number, middles)
        level = middles[:, _HEIGHTS // 2]
        turn = np.stack(
            [self._seen(number[:, 0], level + axes[:, k]) - at[:, _HEIGHTS // 2] for k in range(2)], axis=1
        )
        reach = np.arange(_SIDE) - _SIDE // 2
        right, up = (v.ravel() for v in np.meshgrid(reach, -reach))
        around = np.stack([right, up], axis=1) @ turn  # (n, side * side, 2)
        where = (at[:, :, None] + around[:, None] + 0.5) / self.factors[photo] - 0.5
        found = cv2.remap(  # type: ignore[call-overload]  # the stubs do not know that map2 may be None
            self._picture(photo),
            where.reshape(-1, _SIDE * _SIDE, 2).astype(np.float32),
            None,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ).reshape(where.shape[:3])
        found -= found.mean(axis=2, keepdims=True)
        spread = np.sqrt((found * found).mean(axis=2, keepdims=True))
        return np.where(spread > _LEAST_CONTRAST, found / np.maximum(spread, 1e-3), 0).astype(np.float32)

    def _picture(self, photo: int) -> Float32:
        """A photo's small picture in grey."""
        if photo not in self._pictures:
            grey = cv2.cvtColor(self._features[photo].thumbnail, cv2.COLOR_BGR2GRAY)
            self._pictures[photo] = grey.astype(np.float32)
        return self._pictures[photo]
