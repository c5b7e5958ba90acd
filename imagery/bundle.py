"""The equations of the adjustment: Levenberg-Marquardt with the points eliminated (Schur complement; Triggs
et al. 2000, "Bundle adjustment - a modern synthesis", sections 4 and 6), and how sure what comes out is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import bsr_matrix

from imagery.bordered import Bordered, band_of
from imagery.bundle_math import project, project_with_derivatives, rotation_from_vector
from imagery.priors import LENS_PARAMETERS, POSE_PARAMETERS, AdjustRules, Priors, State
from imagery.tracks import Tracks
from plans.frames import FloatArray

Ids = npt.NDArray[np.int64]

_D3 = np.arange(3)


@dataclass(frozen=True)
class Loss:
    """What an observation costs that is so far off: its square, while that is little beside `sigmas`.

    Farther off it pulls as hard as there (Huber 1964), which has one minimum, wherever one begins; or, if it
    is one that the loss `forgives`, less and less (Geman and McClure 1987): a few that agree with each other
    and with nothing else then move little, but one has to begin near the minimum. Each for all or (n,).
    """

    sigmas: float | FloatArray
    forgives: bool | npt.NDArray[np.bool_] = False

    def of(self, squared: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Costs and weights (n,) of squared residuals over sigma; what cannot be costs much and weighs 0."""
        finite = np.isfinite(squared)
        length = np.sqrt(np.where(finite, squared, 0.0))
        far = length / self.sigmas
        share = 1 / (1 + far**2)
        pulls = np.minimum(1.0, 1 / np.maximum(far, 1e-12))
        cost = np.where(self.forgives, share * length**2, pulls * (2 - pulls) * length**2)
        weight = np.where(self.forgives, share**2, pulls)
        return np.where(finite, cost, 1e4), np.where(finite, weight, 0.0)

    def before(self, other: Loss, counts: tuple[int, int]) -> Loss:
        """The loss of so many observations of this one and, behind them, of the other one."""
        sigmas, forgives = (
            np.repeat([getattr(self, k), getattr(other, k)], counts) for k in ("sigmas", "forgives")
        )
        return Loss(sigmas, forgives)


@dataclass(frozen=True)
class Problem:
    """What is to agree: observations `tracks` and what they cost, the lens `groups` (m,) of the photos, what
    the tags say, and what is known of points: `known` (p, 3) with weights `known_weight` (p, 3) of
    1 / sigma^2, 0 for most."""

    tracks: Tracks
    groups: Ids
    priors: Priors
    loss: Loss
    known: FloatArray
    known_weight: FloatArray

    def squared(self, state: State) -> FloatArray:
        """(n,) squared lengths of the residuals over sigma."""
        return np.asarray(
            (residuals(self.tracks, state, self.groups) ** 2).sum(axis=1) / self.tracks.sigma_px**2
        )

    def cost(self, state: State) -> float:
        """The robust cost of a state."""
        pulled = (self.known_weight * (state.points - self.known) ** 2).sum()
        return float(self.loss.of(self.squared(state))[0].sum() + pulled) + self.priors.cost(state)


def free_points(tracks: Tracks, groups: Ids, priors: Priors, loss: Loss) -> Problem:
    """A problem where nothing is known of the points."""
    nothing = np.zeros((tracks.count, 3))
    return Problem(tracks, groups, priors, loss, nothing, nothing)


def residuals(tracks: Tracks, state: State, groups: Ids) -> FloatArray:
    """(n, 2) where the points are seen to be less where they are observed, in pixels."""
    i = tracks.photo
    predicted = project(
        state.rotations[i], state.centres[i], state.lenses[groups[i]], state.points[tracks.track]
    )
    return predicted - tracks.xy_px


def solve(problem: Problem, state: State, rules: AdjustRules, still: float = 1e-6) -> State:
    """Levenberg-Marquardt until the cost stands still: gains, or promises to gain, less than that share of
    itself."""
    if not problem.tracks.count:
        return state
    system = _System(problem)
    cost = problem.cost(state)
    damping = 1e-7
    for _ in range(rules.iterations):
        system.linearise(state)
        while True:
            trial, promised = system.step(state, damping)
            trial_cost = problem.cost(trial)
            if trial_cost < cost or damping > 1e6 or promised < still * cost:
                break
            damping *= 8
        if trial_cost >= cost:
            break
        gained, state, cost = cost - trial_cost, trial, trial_cost
        damping = max(damping / 10, 1e-12)
        if gained < still * cost:
            break
    return state


@dataclass(frozen=True)
class Certainty:
    """How sure an adjustment is. `poses` (m, 6, 6) covariances of small turns (radians, camera axes) and
    centres (metres); `points` (p, 3, 3) of the ground points that were asked for, metres squared."""

    poses: FloatArray
    points: FloatArray


def certainty(problem: Problem, state: State, wanted: Ids) -> Certainty:
    """Covariances at a solved state, of all poses and of the `wanted` points."""
    system = _System(problem)
    system.linearise(state)
    return system.certainty(wanted)


class _System:
    """The normal equations of one linearisation, points eliminated."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        tracks, groups = problem.tracks, problem.groups
        self._photos, self._lenses = len(groups), len(problem.priors.lenses)
        self._by_photo = np.argsort(tracks.photo, kind="stable")
        self._photo_ptr = np.searchsorted(tracks.photo[self._by_photo], np.arange(self._photos + 1))
        self._track_ptr = np.searchsorted(tracks.track, np.arange(tracks.count + 1))
        self._obs_group = groups[tracks.photo]
        self._band = band_of(tracks.photo, tracks.track, self._photos, POSE_PARAMETERS)

    def linearise(self, state: State) -> None:
        """Build the blocks of J^T W J and J^T W r at this state."""
        t = self._problem.tracks
        i = t.photo
        pixels, by_pose, by_lens, by_point = project_with_derivatives(
            state.rotations[i], state.centres[i], state.lenses[self._obs_group], state.points[t.track]
        )
        residual = (t.xy_px - pixels) / t.sigma_px[:, None]
        _, weight = self._problem.loss.of((residual**2).sum(axis=1))
        root = np.sqrt(weight)
        bad = weight == 0
        scale = (root / t.sigma_px)[:, None, None]
        a, b, c = by_pose * scale, by_lens * scale, by_point * scale
        r = residual * root[:, None]
        for array in (a, b, c, r):
            array[bad] = 0.0
        self._pose_blocks(a, b, r, state)
        self._lens_blocks(b, r, state)
        self._offset_blocks(state)
        self._point_blocks(a, b, c, r, state)

    def _point_blocks(self, a: FloatArray, b: FloatArray, c: FloatArray, r: FloatArray, state: State) -> None:
        problem, starts = self._problem, self._track_ptr[:-1]
        ct = np.swapaxes(c, 1, 2)
        self._point_normal = np.add.reduceat(ct @ c, starts, axis=0)
        self._point_normal[:, _D3, _D3] += problem.known_weight
        self._point_right = np.add.reduceat((ct @ r[..., None])[..., 0], starts, axis=0)
        self._point_right -= problem.known_weight * (state.points - problem.known)
        self._pose_point = np.swapaxes(a, 1, 2) @ c
        lens_point = np.swapaxes(b, 1, 2) @ c
        self._lens_point = np.zeros((self._lenses * LENS_PARAMETERS, problem.tracks.count * 3))
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

    def _pose_blocks(self, a: FloatArray, b: FloatArray, r: FloatArray, state: State) -> None:
        priors = self._problem.priors
        at = np.swapaxes(a, 1, 2)
        self._pose_normal = self._per_photo(at @ a)
        self._pose_right = self._per_photo((at @ r[..., None])[..., 0])
        self._pose_lens = self._per_photo(at @ b)
        diagonal = np.concatenate([priors.attitude, priors.position], axis=1)
        index = np.arange(POSE_PARAMETERS)
        self._pose_normal[:, index, index] += diagonal
        self._pose_right -= diagonal * np.concatenate([priors.turns(state), priors.off_m(state)], axis=1)

    def _offset_blocks(self, state: State) -> None:
        """Offsets stand in the position priors alone: pull = weight (C - tag - design offsets)."""
        priors = self._problem.priors
        pull = priors.position[:, :, None] * priors.design
        self._offset_normal = np.einsum("nai,naj->ij", pull, priors.design) + priors.offsets
        self._offset_right = (
            np.einsum("nai,na->i", pull, priors.off_m(state)) - priors.offsets @ state.offsets
        )
        self._pose_offset = np.zeros((self._photos, POSE_PARAMETERS, pull.shape[2]))
        self._pose_offset[:, 3:] = -pull

    def _lens_blocks(self, b: FloatArray, r: FloatArray, state: State) -> None:
        priors = self._problem.priors
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

    def _reduced(self, damping: float) -> tuple[Bordered, FloatArray, FloatArray]:
        """(matrix, right side, inverse point blocks) of the system in poses, lenses and offsets alone, the
        poses in the band's order."""
        t, m, band = self._problem.tracks, self._photos, self._band
        lens_size = self._lenses * LENS_PARAMETERS
        size = lens_size + len(self._offset_right)
        every = band.at(np.arange(m))

        index = np.arange(POSE_PARAMETERS)
        diagonal = self._pose_normal.copy()
        diagonal[:, index, index] *= 1 + damping
        lower = band.empty()
        band.add(lower, np.arange(m), np.arange(m), diagonal)
        by_photo = np.zeros((m, POSE_PARAMETERS, size))
        for g in range(self._lenses):
            mine = self._problem.groups == g
            by_photo[mine, :, g * LENS_PARAMETERS : (g + 1) * LENS_PARAMETERS] = self._pose_lens[mine]
        by_photo[:, :, lens_size:] = self._pose_offset
        border = by_photo.reshape(band.size, size)
        corner = np.zeros((size, size))
        corner[:lens_size, :lens_size] = self._lens_normal
        corner[lens_size:, lens_size:] = self._offset_normal
        corner[np.arange(size), np.arange(size)] *= 1 + damping

        points = self._point_normal.copy()
        points[:, _D3, _D3] = points[:, _D3, _D3] * (1 + damping) + 1e-9
        inverse = np.linalg.inv(points)

        blocks = self._pose_point[self._by_photo]
        columns = t.track[self._by_photo]
        shape = (band.size, t.count * 3)
        w = bsr_matrix((blocks, columns, self._photo_ptr), shape=shape)
        y = bsr_matrix((blocks @ inverse[columns], columns, self._photo_ptr), shape=shape)
        wt = bsr_matrix(
            (np.swapaxes(self._pose_point, 1, 2).copy(), t.photo, self._track_ptr), shape=shape[::-1]
        )
        lens_inverse = np.einsum("lpi,pij->lpj", self._lens_point.reshape(-1, t.count, 3), inverse).reshape(
            -1, t.count * 3
        )
        through = y @ wt
        first = np.repeat(np.arange(m), np.diff(through.indptr))
        band.add(lower, first, through.indices, -through.data)
        border[:, :lens_size] -= y @ self._lens_point.T
        corner[:lens_size, :lens_size] -= lens_inverse @ self._lens_point.T

        flat = self._point_right.ravel()
        right = np.concatenate([self._pose_right.ravel(), self._lens_right, self._offset_right])
        right[: band.size] -= y @ flat
        right[band.size : band.size + lens_size] -= lens_inverse @ flat
        self._w = w
        in_order = np.empty_like(border)
        in_order[every] = border
        right[every] = right[: band.size].copy()
        return Bordered(band, lower, in_order, corner), right, inverse

    def step(self, state: State, damping: float) -> tuple[State, float]:
        """The state after one damped Gauss-Newton step, and by how much the cost should fall."""
        m, n = self._photos, self._band.size
        matrix, right, inverse = self._reduced(damping)
        # metres, radians, pixels and lens terms differ by ten orders of magnitude: equal diagonal first
        matrix, even = matrix.evened()
        try:
            delta = even * matrix.factored().solve(even * right)
        except np.linalg.LinAlgError:
            return state, np.inf  # not positive definite: the caller raises the damping
        delta[:n] = delta[self._band.at(np.arange(m))]
        lens_end = n + self._lenses * LENS_PARAMETERS
        back = self._point_right.ravel() - self._w.T @ delta[:n] - self._lens_point.T @ delta[n:lens_end]
        moved = np.einsum("pij,pj->pi", inverse, back.reshape(-1, 3))
        pose = delta[:n].reshape(m, POSE_PARAMETERS)
        promised = (
            np.vdot(pose, self._pose_right)
            + np.vdot(delta[n:lens_end], self._lens_right)
            + np.vdot(delta[lens_end:], self._offset_right)
            + np.vdot(moved, self._point_right)
        )
        return replace(
            state,
            rotations=rotation_from_vector(pose[:, :3]) @ state.rotations,
            centres=state.centres + pose[:, 3:],
            lenses=state.lenses + delta[n:lens_end].reshape(-1, LENS_PARAMETERS),
            points=state.points + moved,
            offsets=state.offsets + delta[lens_end:],
        ), float(promised)

    def certainty(self, wanted: Ids) -> Certainty:
        """Of poses and some points: Cov(X) = V^-1 + (V^-1 W^T) Cov(poses, lens) (W V^-1)."""
        matrix, _, inverse = self._reduced(1e-9)
        matrix, even = matrix.evened()
        whole = matrix.factored().inverse()
        poses = np.stack(
            [
                whole.among(np.array([i]), even)[:POSE_PARAMETERS, :POSE_PARAMETERS]
                for i in range(self._photos)
            ]
        )
        points = np.empty((len(wanted), 3, 3))
        for k, point in enumerate(wanted):
            seen = slice(self._track_ptr[point], self._track_ptr[point + 1])
            photos = self._problem.tracks.photo[seen]
            w = np.concatenate(
                [self._pose_point[seen].reshape(-1, 3), self._lens_point[:, 3 * point : 3 * point + 3]]
            )
            moved = w @ inverse[point]
            covariance = whole.among(photos, even)[: len(w), : len(w)]
            points[k] = inverse[point] + moved.T @ covariance @ moved
        return Certainty(poses, points)
