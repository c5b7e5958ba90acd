"""Bundle adjustment: poses, lens, shutter lag and ground points that agree with each other, the GPS and the
gimbal.

Levenberg-Marquardt with the points eliminated (Schur complement; Triggs et al. 2000, "Bundle adjustment - a
modern synthesis", sections 4 and 6), analytic derivatives, robust weights, and rounds of outlier rejection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.linalg
from scipy.sparse import bsr_matrix

from imagery.bundle_math import (
    project,
    project_with_derivatives,
    rotation_from_vector,
    triangulate,
    vector_from_rotation,
)
from imagery.photos import Block, Photo, height_above_ground_m
from imagery.tracks import Tracks
from plans.cameras import Camera
from plans.frames import FloatArray, Pose, gimbal_angles

LENS_PARAMETERS = 7
POSE_PARAMETERS = 6
_ROUGHLY = 1e-2
"""Enough to tell outliers by; the last solution goes on from there."""


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
    rejection_sigmas: tuple[float, ...] = (12.0, 5.0, 3.5)
    iterations: int = 12
    min_observations: int = 10


@dataclass(frozen=True)
class State:
    """What is solved for: `rotations` (m, 3, 3), `centres` (m, 3), `lenses` (g, 7), `points` (p, 3), and
    `lags_s` (g,): by how long the position in the tags is older than the exposure."""

    rotations: FloatArray
    centres: FloatArray
    lenses: FloatArray
    points: FloatArray
    lags_s: FloatArray


@dataclass(frozen=True)
class Adjustment:
    """The adjusted block.

    `poses` and `cameras` are per photo; `tied` (m,) says which photos are held by ground points, the others
    keep a prior corrected by what the tied ones learned. `points` (p, 3) local metres; `tracks` their kept
    observations, `residuals_px` (n, 2) theirs. `lags_s` (g,) per lens: by how long the tags' positions are
    older than the exposures.
    """

    poses: tuple[Pose, ...]
    cameras: tuple[Camera, ...]
    tied: npt.NDArray[np.bool_]
    points: FloatArray
    tracks: Tracks
    residuals_px: FloatArray
    ground_up_m: float
    lags_s: FloatArray

    @property
    def reprojection_rms_px(self) -> float:
        """Root mean square length of the residuals in pixels of the full photos."""
        return float(np.sqrt((self.residuals_px**2).sum(axis=1).mean())) if len(self.residuals_px) else 0.0


Measure = Callable[[Tracks, State, FloatArray], tuple[Tracks, npt.NDArray[np.int64]]]
"""Measures observations again, given where the photos stand by now and the lens (m, 7) of each; gives
the tracks that are left, and which ones of before they are."""


def adjust_block(
    block: Block, tracks: Tracks, rules: AdjustRules | None = None, measure: Measure | None = None
) -> Adjustment:
    """Adjust all photos of a block by their tracks; with `measure` these are measured again on the way.

    Photos that end with fewer than `min_observations` keep a corrected prior.
    """
    rules = rules or AdjustRules()
    groups, lenses = _lens_groups(block.photos)
    state, ground = _first_state(block, tracks, lenses, groups)
    observed = tracks
    if tracks.count:
        for number, sigmas in enumerate(rules.rejection_sigmas, 1):
            if measure and number == len(rules.rejection_sigmas):
                state = _solve(block, observed, state, lenses, groups, rules, _ROUGHLY)
                observed, left = measure(observed, state, state.lenses[groups])
                state = replace(state, points=state.points[left])
            state = _solve(block, observed, state, lenses, groups, rules, _ROUGHLY)
            observed, state = _without_outliers(observed, state, groups, sigmas, rules)
        state = _solve(block, observed, state, lenses, groups, rules)
        ground = float(np.median(state.points[:, 2])) if len(state.points) else ground
    tied = np.bincount(observed.photo, minlength=len(block.photos)) >= rules.min_observations
    state = _correct_untied(block, state, tied)
    residuals = _residuals(observed, state, groups)
    return Adjustment(
        poses=tuple(_pose(r, c) for r, c in zip(state.rotations, state.centres, strict=True)),
        cameras=tuple(
            camera_with_lens(p.camera, state.lenses[g]) for p, g in zip(block.photos, groups, strict=True)
        ),
        tied=tied,
        points=state.points,
        tracks=observed,
        residuals_px=residuals,
        ground_up_m=ground,
        lags_s=state.lags_s,
    )


def lens_of(camera: Camera) -> FloatArray:
    """The seven adjusted parameters of a camera."""
    k1, k2, p1, p2, _ = camera.distortion
    return np.array([camera.focal_px, *camera.principal_px, k1, k2, p1, p2])


def camera_with_lens(camera: Camera, lens: FloatArray) -> Camera:
    """The camera with adjusted parameters."""
    f, cx, cy, k1, k2, p1, p2 = (float(v) for v in lens)
    return replace(
        camera,
        focal_mm=f * camera.sensor_width_mm / camera.image_width_px,
        principal_dx_px=cx - (camera.image_width_px - 1) / 2,
        principal_dy_px=cy - (camera.image_height_px - 1) / 2,
        distortion=(k1, k2, p1, p2, 0.0),
    )


def _lens_groups(photos: Sequence[Photo]) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Photos of one camera share one lens: (group of each photo, lenses (g, 7))."""
    cameras: dict[Camera, int] = {}
    groups = np.array([cameras.setdefault(p.camera, len(cameras)) for p in photos])
    return groups, np.array([lens_of(c) for c in cameras])


def _pose(rotation: FloatArray, centre: FloatArray) -> Pose:
    east, north, up = (float(v) for v in centre)
    return Pose(east, north, up, *gimbal_angles(rotation))


def _first_state(
    block: Block, tracks: Tracks, lenses: FloatArray, groups: npt.NDArray[np.int64]
) -> tuple[State, float]:
    """Priors as poses; points where the first rays meet level ground, whose height the matches tell."""
    rotations = np.array([p.prior.camera_from_enu for p in block.photos])
    centres = np.array([p.prior.centre for p in block.photos])
    heights = np.array([height_above_ground_m(p, block.ground_up_m) for p in block.photos])
    if not tracks.count:
        state = State(rotations, centres, lenses, np.zeros((0, 3)), np.zeros(len(lenses)))
        return state, float(np.median(centres[:, 2] - heights))
    rays = np.concatenate(
        [block.photos[i].camera.rays(tracks.xy_px[tracks.photo == i]) for i in range(len(block.photos))]
    )
    order = np.argsort(np.concatenate([np.flatnonzero(tracks.photo == i) for i in range(len(block.photos))]))
    enu = np.einsum("nji,nj->ni", rotations[tracks.photo], rays[order])
    enu /= np.linalg.norm(enu, axis=1, keepdims=True)
    down = np.minimum(enu[:, 2], -0.2)
    height = _height_from_matches(tracks, enu / -down[:, None], centres, heights)
    hit = centres[tracks.photo] + enu * (-height[tracks.photo] / down)[:, None]
    starts = np.searchsorted(tracks.track, np.arange(tracks.count))
    prior = np.add.reduceat(hit, starts, axis=0) / np.bincount(tracks.track)[:, None]
    points = triangulate(enu, centres[tracks.photo], tracks.track, tracks.count, prior, weight=0.5)
    return State(rotations, centres, lenses, points, np.zeros(len(lenses))), float(np.median(points[:, 2]))


def _height_from_matches(
    tracks: Tracks, per_metre: FloatArray, centres: FloatArray, told: FloatArray
) -> FloatArray:
    """Heights above ground (m,) at which matched rays meet best on level ground: one scale over what the tags
    tell, or one height where they tell nothing.

    For two photos of one track: C1 + h u1 = C2 + h u2 in plan, so h = |C2 - C1| / |u1 - u2| for each pair.
    """
    same = np.flatnonzero(np.diff(tracks.track) == 0)
    first, second = tracks.photo[same], tracks.photo[same + 1]
    apart = centres[second, :2] - centres[first, :2]
    parallax = per_metre[same, :2] - per_metre[same + 1, :2]
    baseline = np.linalg.norm(apart, axis=1)
    enough = baseline > max(3.0, 0.3 * float(np.median(baseline)))
    along = (apart * parallax).sum(axis=1) / np.maximum((parallax**2).sum(axis=1), 1e-9)
    good = enough & (along > 1.0)
    if good.sum() < 20:
        return told
    ratio = float(np.median(along[good] / told[first[good]]))
    return told * ratio


def _residuals(tracks: Tracks, state: State, groups: npt.NDArray[np.int64]) -> FloatArray:
    i = tracks.photo
    predicted = project(
        state.rotations[i], state.centres[i], state.lenses[groups[i]], state.points[tracks.track]
    )
    return predicted - tracks.xy_px


@dataclass(frozen=True)
class _Priors:
    """Weights (1 / sigma^2): `attitude` (m, 3), `position` (m, 3), `lens` (g, 7), `lag`, and what they pull
    to. `velocities` (m, 3) in m/s times the lag of the photo's group carry the tags' positions on."""

    rotations: FloatArray
    centres: FloatArray
    lenses: FloatArray
    velocities: FloatArray
    groups: npt.NDArray[np.int64]
    attitude: FloatArray
    position: FloatArray
    lens: FloatArray
    lag: float

    def off_m(self, state: State) -> FloatArray:
        """(m, 3) how far the centres are from where the tags, lag allowed for, put them."""
        return state.centres - self.centres - self.velocities * state.lags_s[self.groups, None]

    def cost(self, state: State) -> float:
        turn = vector_from_rotation(state.rotations @ np.swapaxes(self.rotations, 1, 2))
        return float(
            (self.attitude * turn**2).sum()
            + (self.position * self.off_m(state) ** 2).sum()
            + (self.lens * (state.lenses - self.lenses) ** 2).sum()
            + self.lag * (state.lags_s**2).sum()
        )


def _priors(block: Block, lenses: FloatArray, groups: npt.NDArray[np.int64], rules: AdjustRules) -> _Priors:
    tilt = np.radians([p.sigma_tilt_deg for p in block.photos])
    yaw = np.radians([p.sigma_yaw_deg for p in block.photos])
    horizontal = np.array([p.sigma_h_m for p in block.photos])
    vertical = np.array([p.sigma_v_m for p in block.photos])
    lens_sigma = np.empty_like(lenses)
    for g, lens in enumerate(lenses):
        photo = block.photos[int(np.flatnonzero(groups == g)[0])]
        focal = rules.focal_sigma if photo.camera_known else rules.focal_sigma_unknown
        width = photo.camera.image_width_px
        lens_sigma[g] = [
            focal * lens[0],
            rules.principal_sigma * width,
            rules.principal_sigma * width,
            *rules.radial_sigma,
            rules.tangential_sigma,
            rules.tangential_sigma,
        ]
    return _Priors(
        rotations=np.array([p.prior.camera_from_enu for p in block.photos]),
        centres=np.array([p.prior.centre for p in block.photos]),
        lenses=lenses,
        velocities=_velocities(block),
        groups=groups,
        attitude=1 / np.stack([tilt, tilt, yaw], axis=1) ** 2,
        position=1 / np.stack([horizontal, horizontal, vertical], axis=1) ** 2,
        lens=1 / lens_sigma**2,
        lag=1 / rules.lag_sigma_s**2,
    )


def _velocities(block: Block) -> FloatArray:
    """(m, 3) how fast each photo was flown, from positions and clocks of the photos before and after it.

    Of the two steps the one counts that is more like its own neighbours: the other one holds a turn. Zero
    where the clocks do not tell.
    """
    clocks = [p.clock_s for p in block.photos]
    out = np.zeros((len(clocks), 3))
    if len(clocks) < 3 or any(c is None for c in clocks):
        return out
    order = np.argsort(np.array(clocks, float), kind="stable")
    gap = np.diff(np.array(clocks, float)[order])
    told = (gap > 0.2) & (gap < 15.0)
    centres = np.array([p.prior.centre for p in block.photos])
    step = np.diff(centres[order], axis=0) / np.where(told, gap, np.inf)[:, None]
    change = np.r_[np.inf, np.linalg.norm(np.diff(step, axis=0), axis=1), np.inf]
    unlike = np.where(told, np.minimum(change[:-1], change[1:]), np.inf)
    before, after = np.r_[np.inf, unlike], np.r_[unlike, np.inf]
    first = np.clip(np.arange(len(order)) - (before <= after), 0, len(step) - 1)
    out[order] = step[first]
    return out


def _robust(squared: FloatArray, huber: float) -> tuple[FloatArray, FloatArray]:
    """Huber's cost and weights of squared normalised residuals; impossible projections cost much, weigh 0."""
    finite = np.isfinite(squared)
    length = np.sqrt(np.where(finite, squared, 0.0))
    inside = length <= huber
    cost = np.where(inside, length**2, 2 * huber * length - huber**2)
    weight = np.where(inside, 1.0, huber / np.maximum(length, 1e-12))
    return np.where(finite, cost, 1e4), np.where(finite, weight, 0.0)


def _cost(
    tracks: Tracks, state: State, groups: npt.NDArray[np.int64], priors: _Priors, huber: float
) -> float:
    squared = (_residuals(tracks, state, groups) ** 2).sum(axis=1) / tracks.sigma_px**2
    return float(_robust(squared, huber)[0].sum()) + priors.cost(state)


def _solve(
    block: Block,
    tracks: Tracks,
    state: State,
    lenses: FloatArray,
    groups: npt.NDArray[np.int64],
    rules: AdjustRules,
    still: float = 1e-6,
) -> State:
    """Levenberg-Marquardt until the cost stands still: gains less than that share of itself."""
    if not tracks.count:
        return state
    priors = _priors(block, lenses, groups, rules)
    system = _System(tracks, groups, len(block.photos), len(lenses))
    cost = _cost(tracks, state, groups, priors, rules.huber_sigmas)
    damping = 1e-7
    for _ in range(rules.iterations):
        system.linearise(state, priors, rules.huber_sigmas)
        while True:
            trial = system.step(state, damping)
            trial_cost = _cost(tracks, trial, groups, priors, rules.huber_sigmas)
            if trial_cost < cost or damping > 1e6:
                break
            damping *= 8
        if trial_cost >= cost:
            break
        gained, state, cost = cost - trial_cost, trial, trial_cost
        damping = max(damping / 10, 1e-12)
        if gained < still * cost:
            break
    return state


class _System:
    """The normal equations of one linearisation, points eliminated."""

    def __init__(self, tracks: Tracks, groups: npt.NDArray[np.int64], photos: int, lenses: int) -> None:
        self._tracks, self._groups, self._photos, self._lenses = tracks, groups, photos, lenses
        self._by_photo = np.argsort(tracks.photo, kind="stable")
        self._photo_ptr = np.searchsorted(tracks.photo[self._by_photo], np.arange(photos + 1))
        self._track_ptr = np.searchsorted(tracks.track, np.arange(tracks.count + 1))
        self._obs_group = groups[tracks.photo]

    def linearise(self, state: State, priors: _Priors, huber: float) -> None:
        """Build the blocks of J^T W J and J^T W r at this state."""
        t = self._tracks
        i = t.photo
        pixels, by_pose, by_lens, by_point = project_with_derivatives(
            state.rotations[i], state.centres[i], state.lenses[self._obs_group], state.points[t.track]
        )
        residual = (t.xy_px - pixels) / t.sigma_px[:, None]
        _, weight = _robust((residual**2).sum(axis=1), huber)
        root = np.sqrt(weight)
        bad = weight == 0
        scale = (root / t.sigma_px)[:, None, None]
        a, b, c = by_pose * scale, by_lens * scale, by_point * scale
        r = residual * root[:, None]
        for array in (a, b, c, r):
            array[bad] = 0.0
        self._pose_blocks(a, b, r, state, priors)
        self._lens_blocks(b, r, state, priors)
        starts = self._track_ptr[:-1]
        ct = np.swapaxes(c, 1, 2)
        self._point_normal = np.add.reduceat(ct @ c, starts, axis=0)
        self._point_right = np.add.reduceat((ct @ r[..., None])[..., 0], starts, axis=0)
        self._pose_point = np.swapaxes(a, 1, 2) @ c
        lens_point = np.swapaxes(b, 1, 2) @ c
        self._lens_point = np.zeros((self._lenses * LENS_PARAMETERS, t.count * 3))
        for g in range(self._lenses):
            part = np.where((self._obs_group == g)[:, None, None], lens_point, 0.0)
            summed = np.add.reduceat(part, starts, axis=0)
            rows = slice(g * LENS_PARAMETERS, (g + 1) * LENS_PARAMETERS)
            self._lens_point[rows] = summed.transpose(1, 0, 2).reshape(LENS_PARAMETERS, -1)

    def _per_photo(self, values: FloatArray) -> FloatArray:
        """Sums over each photo's observations; photos without any give zero."""
        out = np.zeros((self._photos, *values.shape[1:]))
        seen = np.flatnonzero(np.diff(self._photo_ptr) > 0)
        if len(seen):
            out[seen] = np.add.reduceat(values[self._by_photo], self._photo_ptr[seen], axis=0)
        return out

    def _pose_blocks(
        self, a: FloatArray, b: FloatArray, r: FloatArray, state: State, priors: _Priors
    ) -> None:
        at = np.swapaxes(a, 1, 2)
        self._pose_normal = self._per_photo(at @ a)
        self._pose_right = self._per_photo((at @ r[..., None])[..., 0])
        self._pose_lens = self._per_photo(at @ b)
        turn = vector_from_rotation(state.rotations @ np.swapaxes(priors.rotations, 1, 2))
        diagonal = np.concatenate([priors.attitude, priors.position], axis=1)
        index = np.arange(POSE_PARAMETERS)
        self._pose_normal[:, index, index] += diagonal
        self._pose_right -= diagonal * np.concatenate([turn, priors.off_m(state)], axis=1)
        self._lag_blocks(state, priors)

    def _lag_blocks(self, state: State, priors: _Priors) -> None:
        """The lag stands in the position priors alone: pull = weight (C - tag - velocity lag)."""
        pull = priors.position * priors.velocities
        member = self._groups[:, None] == np.arange(self._lenses)
        self._lag_normal = (pull * priors.velocities).sum(axis=1) @ member + priors.lag
        self._lag_right = (pull * priors.off_m(state)).sum(axis=1) @ member - priors.lag * state.lags_s
        self._pose_lag = np.zeros((self._photos, POSE_PARAMETERS, self._lenses))
        self._pose_lag[:, 3:] = -pull[:, :, None] * member[:, None, :]

    def _lens_blocks(self, b: FloatArray, r: FloatArray, state: State, priors: _Priors) -> None:
        bt = np.swapaxes(b, 1, 2)
        normal, right = bt @ b, (bt @ r[..., None])[..., 0]
        size = self._lenses * LENS_PARAMETERS
        self._lens_normal = np.zeros((size, size))
        self._lens_right = np.zeros(size)
        for g in range(self._lenses):
            rows = slice(g * LENS_PARAMETERS, (g + 1) * LENS_PARAMETERS)
            mine = self._obs_group == g
            self._lens_normal[rows, rows] = normal[mine].sum(axis=0) + np.diag(priors.lens[g])
            self._lens_right[rows] = right[mine].sum(axis=0) - priors.lens[g] * (
                state.lenses[g] - priors.lenses[g]
            )

    def _reduced(self, damping: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(matrix, right side, inverse point blocks) of the system in poses, lenses and lags alone."""
        t, m = self._tracks, self._photos
        n = m * POSE_PARAMETERS
        lag = n + self._lenses * LENS_PARAMETERS
        size = lag + self._lenses
        matrix = np.zeros((size, size))
        index = np.arange(m)[:, None] * POSE_PARAMETERS + np.arange(POSE_PARAMETERS)
        matrix[index[:, :, None], index[:, None, :]] = self._pose_normal
        for i in range(m):
            rows = slice(i * POSE_PARAMETERS, (i + 1) * POSE_PARAMETERS)
            g = int(self._groups[i])
            matrix[rows, n + g * LENS_PARAMETERS : n + (g + 1) * LENS_PARAMETERS] = self._pose_lens[i]
        matrix[n:lag, n:lag] = self._lens_normal
        matrix[:n, lag:] = self._pose_lag.reshape(n, self._lenses)
        matrix[lag:, lag:] = np.diag(self._lag_normal)
        matrix[np.arange(size), np.arange(size)] *= 1 + damping

        points = self._point_normal.copy()
        d = np.arange(3)
        points[:, d, d] = points[:, d, d] * (1 + damping) + 1e-9
        inverse = np.linalg.inv(points)

        blocks = self._pose_point[self._by_photo]
        columns = t.track[self._by_photo]
        shape = (n, t.count * 3)
        w = bsr_matrix((blocks, columns, self._photo_ptr), shape=shape)
        y = bsr_matrix((blocks @ inverse[columns], columns, self._photo_ptr), shape=shape)
        wt = bsr_matrix(
            (np.swapaxes(self._pose_point, 1, 2).copy(), t.photo, self._track_ptr), shape=(t.count * 3, n)
        )
        lens_inverse = np.einsum("lpi,pij->lpj", self._lens_point.reshape(-1, t.count, 3), inverse).reshape(
            -1, t.count * 3
        )
        matrix[:n, :n] -= (y @ wt).toarray()
        matrix[:n, n:lag] -= y @ self._lens_point.T
        matrix[n:lag, n:lag] -= lens_inverse @ self._lens_point.T
        matrix[n:, :n] = matrix[:n, n:].T

        flat = self._point_right.ravel()
        right = np.concatenate([self._pose_right.ravel(), self._lens_right, self._lag_right])
        right[:n] -= y @ flat
        right[n:lag] -= lens_inverse @ flat
        self._w = w
        return matrix, right, inverse

    def step(self, state: State, damping: float) -> State:
        """The state after one damped Gauss-Newton step."""
        m, n = self._photos, self._photos * POSE_PARAMETERS
        matrix, right, inverse = self._reduced(damping)
        # metres, radians, pixels and lens terms differ by ten orders of magnitude: equal diagonal first
        even = 1 / np.sqrt(np.maximum(matrix.diagonal(), 1e-12))
        matrix *= even[:, None]
        matrix *= even
        try:
            factor = scipy.linalg.cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            return state  # not positive definite: the caller raises the damping
        delta = even * scipy.linalg.cho_solve(factor, even * right, check_finite=False)
        lag = n + self._lenses * LENS_PARAMETERS
        back = self._point_right.ravel() - self._w.T @ delta[:n] - self._lens_point.T @ delta[n:lag]
        points = state.points + np.einsum("pij,pj->pi", inverse, back.reshape(-1, 3))
        pose = delta[:n].reshape(m, POSE_PARAMETERS)
        return State(
            rotations=rotation_from_vector(pose[:, :3]) @ state.rotations,
            centres=state.centres + pose[:, 3:],
            lenses=state.lenses + delta[n:lag].reshape(-1, LENS_PARAMETERS),
            points=points,
            lags_s=state.lags_s + delta[lag:],
        )


def _without_outliers(
    tracks: Tracks, state: State, groups: npt.NDArray[np.int64], sigmas: float, rules: AdjustRules
) -> tuple[Tracks, State]:
    """Drop observations that lie far off, and points that cannot be real; sigma comes from the median."""
    residuals = _residuals(tracks, state, groups)
    length = np.sqrt((residuals**2).sum(axis=1)) / tracks.sigma_px
    finite = np.isfinite(length)
    spread = float(np.median(length[finite])) / 1.1774 if finite.any() else 1.0  # Rayleigh
    depth = (state.centres[tracks.photo, 2] - state.points[tracks.track, 2]).astype(float)
    typical = float(np.median(depth))
    possible = (depth > 0.1 * typical) & (depth < 5 * typical)
    keep = finite & possible & (length < sigmas * max(spread, 0.25))
    kept, left = tracks.thinned(keep)
    return kept, replace(state, points=state.points[left])


def _correct_untied(block: Block, state: State, tied: npt.NDArray[np.bool_]) -> State:
    """Give photos without tie points the correction that their neighbours in time and place learned."""
    if tied.all() or not tied.any():
        return state
    rotations, centres = state.rotations.copy(), state.centres.copy()
    prior_r = np.array([p.prior.camera_from_enu for p in block.photos])
    prior_c = np.array([p.prior.centre for p in block.photos])
    turn = vector_from_rotation(state.rotations[tied] @ np.swapaxes(prior_r[tied], 1, 2))
    shift = state.centres[tied] - prior_c[tied]
    boresight = rotation_from_vector(np.median(turn, axis=0))[0]
    for i in np.flatnonzero(~tied):
        away = np.linalg.norm(prior_c[tied, :2] - prior_c[i, :2], axis=1)
        near = np.argsort(away, kind="stable")[:6]
        weight = 1 / (away[near] + 1.0)
        centres[i] = prior_c[i] + (shift[near] * weight[:, None]).sum(axis=0) / weight.sum()
        rotations[i] = boresight @ prior_r[i]
    return replace(state, rotations=rotations, centres=centres)
