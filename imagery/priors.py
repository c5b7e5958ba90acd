"""What the tags say, as weights: places, attitudes, lenses, and the faults that positions have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from imagery.bundle_math import vector_from_rotation
from imagery.photos import Block, Photo, flights_by_clock
from plans.cameras import Camera
from plans.frames import FloatArray

Ids = npt.NDArray[np.int64]

LENS_PARAMETERS = 7
POSE_PARAMETERS = 6
_RTK_M = 0.5
_ENOUGH_TO_JUDGE = 8
_FAR_SPREADS = 3.0
_FITTED = 4
_MAD_ERROR = 1.17
"""Of a spread told by the median of n values, over sqrt(n) and the spread (normal errors)."""
_LEAST_SHARE, _LEAST_SIGMA_M = 0.2, 0.1
_SHIFT_SIGMA_M = (1.5, 1.5, 3.0)
_RTK_SHIFT_SIGMA_M = (0.05, 0.05, 0.1)
_CONTROLLED_SHIFT_SIGMA_M = (20.0, 20.0, 150.0)
"""With points on the ground a receiver may be off as a whole by much, and its heights by a geoid."""
_MEAN_SHIFT_SIGMA_M = 1e-3
"""Without them nobody knows by how much all flights are off together: by nothing, as far as can be told."""


@dataclass(frozen=True)
class AdjustRules:
    """Prior sigmas of the lens, and how outliers are found."""

    focal_sigma: float = 0.02
    focal_sigma_unknown: float = 0.10
    principal_sigma: float = 0.004
    radial_sigma: tuple[float, float] = (0.05, 0.03)
    tangential_sigma: float = 0.0015
    lag_sigma_s: float = 0.1
    huber_sigmas: float = 2.0
    forgiving_spreads: float = 3.0
    rejection_sigmas: tuple[float, ...] = (12.0, 5.0, 3.5)
    iterations: int = 12
    min_observations: int = 10


@dataclass(frozen=True)
class State:
    """What is solved for: `rotations` (m, 3, 3), `centres` (m, 3), `lenses` (g, 7), `points` (p, 3), and
    `offsets`: first a lag in seconds for each lens (by how long the position in the tags is older than the
    exposure), then east, north and up in metres for each flight (by how much its receiver was off)."""

    rotations: FloatArray
    centres: FloatArray
    lenses: FloatArray
    points: FloatArray
    offsets: FloatArray

    @property
    def lags_s(self) -> FloatArray:
        """(g,) the lags."""
        return self.offsets[: len(self.lenses)]

    @property
    def shifts_m(self) -> FloatArray:
        """(flights, 3) the shifts."""
        return self.offsets[len(self.lenses) :].reshape(-1, 3)


@dataclass(frozen=True)
class Priors:
    """Weights (1 / sigma^2): `attitude` (m, 3), `position` (m, 3), `lens` (g, 7), `offsets` (k, k), and what
    they pull to. `design` (m, 3, k) times the offsets is by how much positions in the tags are off."""

    rotations: FloatArray
    centres: FloatArray
    lenses: FloatArray
    design: FloatArray
    attitude: FloatArray
    position: FloatArray
    lens: FloatArray
    offsets: FloatArray

    def off_m(self, state: State) -> FloatArray:
        """(m, 3) how far the centres are from where the tags, their offsets allowed for, put them."""
        return state.centres - self.centres - self.design @ state.offsets

    def turns(self, state: State) -> FloatArray:
        """(m, 3) rotation vectors from the tags' attitudes."""
        return vector_from_rotation(state.rotations @ np.swapaxes(self.rotations, 1, 2))

    def cost(self, state: State) -> float:
        """The sum of squares over sigmas."""
        return float(
            (self.attitude * self.turns(state) ** 2).sum()
            + (self.position * self.off_m(state) ** 2).sum()
            + (self.lens * (state.lenses - self.lenses) ** 2).sum()
            + state.offsets @ self.offsets @ state.offsets
        )


def lens_of(camera: Camera) -> FloatArray:
    """The seven adjusted parameters of a camera."""
    k1, k2, p1, p2, _ = camera.distortion
    return np.array([camera.focal_px, *camera.principal_px, k1, k2, p1, p2])


def lens_groups(photos: Sequence[Photo]) -> tuple[Ids, FloatArray]:
    """Photos of one camera, two of one model told apart by their serial numbers, share one lens: (group of
    each photo, lenses (g, 7))."""
    cameras: dict[tuple[Camera, str | None], int] = {}
    groups = np.array([cameras.setdefault((p.camera, p.serial), len(cameras)) for p in photos])
    return groups, np.array([lens_of(camera) for camera, _ in cameras])


def flights_of(photos: Sequence[Photo], groups: Ids) -> Ids:
    """(m,) which flight each photo is of: one camera's photos with no long gap between them."""
    flights = np.zeros(len(photos), np.int64)
    count = 0
    for group in range(int(groups.max()) + 1):
        mine = np.flatnonzero(groups == group)
        flights[mine] = count + flights_by_clock([photos[int(i)].clock_s for i in mine])
        count = int(flights[mine].max()) + 1
    return flights


def priors_of(
    block: Block, lenses: FloatArray, groups: Ids, rules: AdjustRules, *, controlled: bool = False
) -> Priors:
    """The priors of a block; `controlled` when points on the ground say where it lies."""
    photos = block.photos
    tilt = np.radians([p.sigma_tilt_deg for p in photos])
    yaw = np.radians([p.sigma_yaw_deg for p in photos])
    horizontal = np.array([p.sigma_h_m for p in photos])
    vertical = np.array([p.sigma_v_m for p in photos])
    flights = flights_of(photos, groups)
    return Priors(
        rotations=np.array([p.prior.camera_from_enu for p in photos]),
        centres=np.array([p.prior.centre for p in photos]),
        lenses=lenses,
        design=_design(_velocities(photos, groups), groups, len(lenses), flights),
        attitude=1 / np.stack([tilt, tilt, yaw], axis=1) ** 2,
        position=1 / np.stack([horizontal, horizontal, vertical], axis=1) ** 2,
        lens=1 / _lens_sigmas(block, lenses, groups, rules) ** 2,
        offsets=_offset_weights(horizontal, flights, len(lenses), rules, controlled),
    )


def as_they_are(priors: Priors, state: State, flights: Ids, tied: npt.NDArray[np.bool_]) -> Priors:
    """The priors with the weights that their own residuals at a state of `tied` photos (m,) justify.

    Tags that scatter more than they say weigh less, each flight and axis for itself; one photo far off the
    others of its flight (copied tags, a fix from before the take-off) weighs next to nothing. Positions of a
    plain receiver that scatter less weigh more: most of its error is the same for all photos of a flight
    and does not bend the block. Attitudes gain nothing: what they have in common turns it.
    """
    attitude, position = priors.attitude.copy(), priors.position.copy()
    for flight in np.unique(flights):
        mine = flights == flight
        known = mine & tied
        if known.sum() < _ENOUGH_TO_JUDGE:
            continue
        loss = np.sqrt(known.sum() / (known.sum() - _FITTED))  # residuals are smaller than errors
        for weights, off in ((attitude, priors.turns(state)), (position, priors.off_m(state))):
            for axis in range(3):
                size = np.abs(off[:, axis]) * np.sqrt(weights[:, axis])  # in sigmas
                sigma = float(np.median(weights[known, axis])) ** -0.5
                plain = weights is position and sigma > _RTK_M
                least = max(_LEAST_SHARE, _LEAST_SIGMA_M / sigma) if plain else 1.0
                spread = 1.4826 * float(np.median(size[known])) * loss
                doubt = 1 + 2 * _MAD_ERROR / np.sqrt(known.sum())  # less scatter may be mere luck
                spread = max(spread, min(spread * doubt, 1.0), least)
                weights[mine, axis] /= spread**2
                far = known & (size > _FAR_SPREADS * spread)
                weights[far, axis] *= (_FAR_SPREADS * spread / size[far]) ** 4
    return replace(priors, attitude=attitude, position=position)


def _lens_sigmas(block: Block, lenses: FloatArray, groups: Ids, rules: AdjustRules) -> FloatArray:
    sigmas = np.empty_like(lenses)
    for g, lens in enumerate(lenses):
        photo = block.photos[int(np.flatnonzero(groups == g)[0])]
        focal = rules.focal_sigma if photo.camera_known else rules.focal_sigma_unknown
        principal = rules.principal_sigma * photo.camera.image_width_px
        sigmas[g] = [
            focal * lens[0],
            principal,
            principal,
            *rules.radial_sigma,
            rules.tangential_sigma,
            rules.tangential_sigma,
        ]
    return sigmas


def _design(velocities: FloatArray, groups: Ids, lenses: int, flights: Ids) -> FloatArray:
    """(m, 3, k) by how much each offset moves each position."""
    photos = np.arange(len(groups))
    design = np.zeros((len(groups), 3, lenses + 3 * (int(flights.max()) + 1)))
    design[photos, :, groups] = velocities
    for axis in range(3):
        design[photos, axis, lenses + 3 * flights + axis] = 1.0
    return design


def _offset_weights(
    horizontal: FloatArray, flights: Ids, lenses: int, rules: AdjustRules, controlled: bool
) -> FloatArray:
    """(k, k) weights of lags and shifts. Without control only differences between flights can be told: the
    mean over all photos is held at zero."""
    count = int(flights.max()) + 1
    rtk = np.array([np.median(horizontal[flights == f]) < _RTK_M for f in range(count)])
    free = _CONTROLLED_SHIFT_SIGMA_M if controlled else _SHIFT_SIGMA_M
    sigma = np.where(rtk[:, None] & (not controlled), _RTK_SHIFT_SIGMA_M, free)
    weights = np.diag(np.r_[np.full(lenses, rules.lag_sigma_s), sigma.ravel()] ** -2.0)
    if not controlled:
        share = np.bincount(flights, minlength=count) / len(flights)
        for axis in range(3):
            at = lenses + 3 * np.arange(count) + axis
            weights[np.ix_(at, at)] += np.outer(share, share) / _MEAN_SHIFT_SIGMA_M**2
    return weights


def _velocities(photos: Sequence[Photo], groups: Ids) -> FloatArray:
    """(m, 3) how fast each photo was flown: each camera for itself, since several may fly at a time."""
    out = np.zeros((len(photos), 3))
    for group in np.unique(groups):
        mine = np.flatnonzero(groups == group)
        out[mine] = _velocities_of_one([photos[int(i)] for i in mine])
    return out


def _velocities_of_one(photos: Sequence[Photo]) -> FloatArray:
    """The same of one camera, from positions and clocks of the photos before and after each.

    Of the two steps the one counts that is more like its own neighbours: the other one holds a turn. Zero
    where the clocks do not tell.
    """
    clocks = [p.clock_s for p in photos]
    out = np.zeros((len(clocks), 3))
    if len(clocks) < 3 or any(c is None for c in clocks):
        return out
    order = np.argsort(np.array(clocks, float), kind="stable")
    gap = np.diff(np.array(clocks, float)[order])
    told = (gap > 0.2) & (gap < 15.0)
    centres = np.array([p.prior.centre for p in photos])
    step = np.diff(centres[order], axis=0) / np.where(told, gap, np.inf)[:, None]
    change = np.r_[np.inf, np.linalg.norm(np.diff(step, axis=0), axis=1), np.inf]
    unlike = np.where(told, np.minimum(change[:-1], change[1:]), np.inf)
    before, after = np.r_[np.inf, unlike], np.r_[unlike, np.inf]
    first = np.clip(np.arange(len(order)) - (before <= after), 0, len(step) - 1)
    out[order] = step[first]
    return out
