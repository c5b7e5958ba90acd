"""Bundle adjustment: poses, lens, shutter lag and ground points that agree with each other, the GPS, the
gimbal and the points surveyed on the ground.

Rounds of solving (imagery.bundle) and rejection: first without ground control, which is then judged by a
block that knows its own shape, and pulls in the last rounds only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from imagery.bundle import Loss, Problem, free_points, residuals, solve
from imagery.first_guess import first_state
from imagery.marks import (
    Marks,
    PointFit,
    Verdict,
    judge,
    on_the_ground,
    point_fits,
    seen_places,
    without_odd_one,
)
from imagery.photos import Block, Photo
from imagery.priors import (
    AdjustRules,
    Ids,
    Priors,
    State,
    as_they_are,
    flights_of,
    lens_groups,
    lens_of,
    priors_of,
)
from imagery.tracks import Tracks
from imagery.untied import correct_untied
from plans.cameras import Camera
from plans.frames import FloatArray, Pose, gimbal_angles

_ROUGHLY = 1e-2
"""Enough to tell outliers by; the last solution goes on from there."""
_JUDGEMENTS = 3
_RAYLEIGH = 1.1774
"""The median length of residuals whose two parts scatter by one."""
_LEAST_SPREAD = 0.25


@dataclass(frozen=True)
class Adjustment:
    """The adjusted block.

    `poses` and `cameras` are per photo; `tied` (m,) says which photos are held by ground points, the others
    keep a prior corrected by what the tied ones learned. `points` (p, 3) local metres; `tracks` their kept
    observations, `residuals_px` (n, 2) theirs. `lags_s` (g,) per lens: by how long the tags' positions are
    older than the exposures. `control` says what became of each ground control point. `state` is what was
    solved and `problem` from what.
    """

    poses: tuple[Pose, ...]
    cameras: tuple[Camera, ...]
    tied: npt.NDArray[np.bool_]
    points: FloatArray
    tracks: Tracks
    residuals_px: FloatArray
    ground_up_m: float
    lags_s: FloatArray
    control: tuple[PointFit, ...]
    state: State
    problem: Problem

    @property
    def reprojection_rms_px(self) -> float:
        """Root mean square length of the residuals in pixels of the full photos."""
        return float(np.sqrt((self.residuals_px**2).sum(axis=1).mean())) if len(self.residuals_px) else 0.0


Measure = Callable[[Tracks, State, FloatArray], tuple[Tracks, FloatArray]]
"""Measures observations again and looks for more, given where the photos stand by now and the lens (m, 7) of
each; gives the tracks that there are then and their points (p, 3)."""


def adjust_block(
    block: Block,
    tracks: Tracks,
    rules: AdjustRules | None = None,
    measure: Measure | None = None,
    marks: Marks | None = None,
    guess: Sequence[Pose] | None = None,
) -> Adjustment:
    """Adjust all photos of a block by their tracks; with `measure` these are measured again on the way, with
    `marks` the block is brought to its ground control. `guess` is where the photos are known to stand about.

    Photos that end with fewer than `min_observations` keep a corrected prior.
    """
    rules = rules or AdjustRules()
    groups, lenses = lens_groups(block.photos)
    priors = priors_of(block, lenses, groups, rules)
    flights = flights_of(block.photos, groups)
    state, ground = first_state(block, tracks, guess)
    observed, loss = tracks, Loss(rules.huber_sigmas)
    if tracks.count:
        for number, sigmas in enumerate(rules.rejection_sigmas, 1):
            if measure and number == len(rules.rejection_sigmas):
                state = solve(free_points(observed, groups, priors, loss), state, rules, _ROUGHLY)
                observed, points = measure(observed, state, state.lenses[groups])
                state = replace(state, points=points)
            state = solve(free_points(observed, groups, priors, loss), state, rules, _ROUGHLY)
            observed, state = _without_outliers(observed, state, groups, sigmas)
        state = solve(free_points(observed, groups, priors, loss), state, rules)
        tagged = np.array([p.placed for p in block.photos])
        priors = as_they_are(priors, state, flights, tagged & _tied(block, observed, rules))
        loss = _forgiving(free_points(observed, groups, priors, loss), state, rules)
        state = solve(free_points(observed, groups, priors, loss), state, rules)
    problem, verdict = free_points(observed, groups, priors, loss), None
    if marks is not None:
        priors = replace(priors, offsets=priors_of(block, lenses, groups, rules, controlled=True).offsets)
        problem, state, verdict = _controlled(block, problem, marks, state, priors, rules)
    ground = float(np.median(state.points[:, 2])) if len(state.points) else ground
    tied = _tied(block, observed, rules)
    state = correct_untied(block, state, priors, groups, tied)
    cameras = _cameras(block.photos, state, groups)
    return Adjustment(
        poses=tuple(_pose(r, c) for r, c in zip(state.rotations, state.centres, strict=True)),
        cameras=cameras,
        tied=tied,
        points=state.points[: observed.count],
        tracks=observed,
        residuals_px=residuals(observed, state, groups),
        ground_up_m=ground,
        lags_s=state.lags_s,
        control=point_fits(marks, verdict, state, groups, cameras) if marks and verdict else (),
        state=state,
        problem=problem,
    )


def _tied(block: Block, observed: Tracks, rules: AdjustRules) -> npt.NDArray[np.bool_]:
    """(m,) which photos enough tie points hold."""
    return np.bincount(observed.photo, minlength=len(block.photos)) >= rules.min_observations


def _forgiving(problem: Problem, state: State, rules: AdjustRules) -> Loss:
    """The loss of the last solutions, by what the observations scatter near the minimum."""
    squared = problem.squared(state)
    spread = float(np.sqrt(np.median(squared))) / _RAYLEIGH if len(squared) else 1.0
    return Loss(rules.forgiving_spreads * max(spread, _LEAST_SPREAD), forgives=True)


def _controlled(
    block: Block, free: Problem, marks: Marks, state: State, priors: Priors, rules: AdjustRules
) -> tuple[Problem, State, Verdict]:
    """Bring a block that has been solved to its control points; marks and points that cannot be right are
    left out, and taken in again when the others show that they were right."""
    groups = free.groups
    cameras = _cameras(block.photos, state, groups)
    seen = seen_places(marks, marks.everything, state, groups, cameras)
    positioned = any(p.placed for p in block.photos)
    state = on_the_ground(marks, seen, state, positioned=positioned)
    verdict = judge(marks, state, groups)
    if positioned:
        verdict = without_odd_one(marks, seen, verdict)
    for _ in range(_JUDGEMENTS):
        problem, start = _with_control(replace(free, priors=priors), marks, verdict, state, rules)
        state = solve(problem, start, rules)
        again = judge(marks, state, groups)
        if (again.marks == verdict.marks).all() and (again.points == verdict.points).all():
            break
        verdict = again
    return problem, state, verdict


def _with_control(
    free: Problem, marks: Marks, verdict: Verdict, state: State, rules: AdjustRules
) -> tuple[Problem, State]:
    """The problem with the believed control points behind the tie points, and a state that has them."""
    marked, which = marks.tracks(verdict)
    places, tied = marks.places[which], free.tracks
    problem = replace(
        free,
        tracks=tied.with_more(marked),
        loss=free.loss.before(Loss(rules.huber_sigmas), (len(tied.track), len(marked.track))),
        known=np.concatenate([free.known, places]),
        known_weight=np.concatenate([free.known_weight, 1 / marks.sigmas[which] ** 2]),
    )
    return problem, replace(state, points=np.concatenate([state.points[: tied.count], places]))


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


def _cameras(photos: Sequence[Photo], state: State, groups: Ids) -> tuple[Camera, ...]:
    return tuple(camera_with_lens(p.camera, state.lenses[g]) for p, g in zip(photos, groups, strict=True))


def _pose(rotation: FloatArray, centre: FloatArray) -> Pose:
    east, north, up = (float(v) for v in centre)
    return Pose(east, north, up, *gimbal_angles(rotation))


def _without_outliers(tracks: Tracks, state: State, groups: Ids, sigmas: float) -> tuple[Tracks, State]:
    """Drop observations that lie far off, and points that cannot be real; sigma comes from the median."""
    length = np.sqrt((residuals(tracks, state, groups) ** 2).sum(axis=1)) / tracks.sigma_px
    finite = np.isfinite(length)
    spread = float(np.median(length[finite])) / _RAYLEIGH if finite.any() else 1.0
    depth = (state.centres[tracks.photo, 2] - state.points[tracks.track, 2]).astype(float)
    typical = float(np.median(depth))
    possible = (depth > 0.1 * typical) & (depth < 5 * typical)
    keep = finite & possible & (length < sigmas * max(spread, _LEAST_SPREAD))
    kept, left = tracks.thinned(keep)
    return kept, replace(state, points=state.points[left])


__all__ = [
    "AdjustRules",
    "Adjustment",
    "Measure",
    "State",
    "adjust_block",
    "camera_with_lens",
    "lens_of",
]
