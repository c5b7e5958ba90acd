"""Ground control in a block: which marks and points agree with it, and how far the check points are off.

Marks are made by hand and points are copied by hand, so both are judged: the block of tied photos knows to a
pixel or two where a point must be seen. A mark that is off alone is wrong; a point whose marks are all off
has wrong coordinates. Neither pulls at the block then, and both are told by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from imagery.bundle_math import project, triangulate
from imagery.control import MARK_SIGMA_PX, ControlPoint
from imagery.errors import ControlError
from imagery.photos import Block
from imagery.priors import State
from imagery.tracks import Tracks
from plans.cameras import Camera
from plans.frames import FloatArray

Ids = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FARTHEST_M = 20_000.0
_CLEARLY_OFF_SIGMAS = 4.5
_LEAST_OFF_PX = 4.0
_LEAST_SPREAD_PX = 0.7
_MEETING_PX = 8.0
_TRIES = 400
_FEW_POINTS = 3
_ODD_TIMES = 3.0


@dataclass(frozen=True)
class Marks:
    """Points and marks of one block. `places` (k, 3) local metres, `sigmas` (k, 3), `check` (k,); marks by
    `point` (n,), `photo` (n,) and `xy_px` (n, 2), in the points' order."""

    points: tuple[ControlPoint, ...]
    places: FloatArray
    sigmas: FloatArray
    check: Bools
    point: Ids
    photo: Ids
    xy_px: FloatArray
    unknown_photos: tuple[str, ...]

    @property
    def everything(self) -> Verdict:
        """All marks and points believed."""
        return Verdict(np.ones(len(self.point), bool), np.ones(len(self.points), bool))

    def tracks(self, verdict: Verdict) -> tuple[Tracks, Ids]:
        """The believed marks of believed control points as tracks, and which points they are of."""
        good = verdict.marks & (verdict.points & ~self.check)[self.point]
        points, track = np.unique(self.point[good], return_inverse=True)
        sigma = np.full(int(good.sum()), MARK_SIGMA_PX)
        return Tracks(len(points), track, self.photo[good], self.xy_px[good], sigma), points


@dataclass(frozen=True)
class Verdict:
    """Which `marks` (n,) and `points` (k,) are believed."""

    marks: Bools
    points: Bools


@dataclass(frozen=True)
class PointFit:
    """What became of one point. `off_m` is east, north and up of where the block has it less where it was
    surveyed, None where fewer than two marks show it; `rms_px` of its marks against its surveyed place."""

    name: str
    check: bool
    believed: bool
    marks: int
    wrong_marks: tuple[str, ...]
    lon_deg: float
    lat_deg: float
    off_m: tuple[float, float, float] | None
    rms_px: float | None


def marks_in_block(points: Sequence[ControlPoint], block: Block) -> Marks:
    """The marks that name photos of the block, and the points in its frame.

    Raises ControlError when the points lie elsewhere, or no mark names a photo of the block, or a mark lies
    outside its photo.
    """
    by_name = {p.name.casefold(): p for p in block.photos}
    east, north = block.frame.to_local([p.lat_deg for p in points], [p.lon_deg for p in points])
    point, photo, xy = [], [], []
    unknown: dict[str, None] = {}
    for k, control in enumerate(points):
        if not np.hypot(east[k], north[k]) < FARTHEST_M:
            raise ControlError(
                f"ground control {control.name} lies {np.hypot(east[k], north[k]) / 1000:.0f} km from the "
                "photos; look at its coordinates and their EPSG code"
            )
        for mark in control.marks:
            shown = by_name.get(mark.photo.casefold())
            if shown is None:
                unknown[mark.photo] = None
                continue
            width, height = shown.camera.image_width_px, shown.camera.image_height_px
            if not (-0.5 <= mark.x_px <= width - 0.5 and -0.5 <= mark.y_px <= height - 0.5):
                raise ControlError(
                    f"ground control {control.name}: the mark {mark.x_px:g}, {mark.y_px:g} lies outside "
                    f"{shown.name} ({width} x {height} pixels)"
                )
            point.append(k)
            photo.append(shown.index)
            xy.append((mark.x_px, mark.y_px))
    if not point:
        raise ControlError(
            f"ground control: none of its photos ({', '.join(list(unknown)[:3])}) is among the photos given"
        )
    sigma = np.array([p.sigma_m for p in points])
    return Marks(
        points=tuple(points),
        places=np.stack([east, north, [p.height_m for p in points]], axis=1),
        sigmas=np.repeat(sigma[:, None], 3, axis=1),
        check=np.array([p.check for p in points]),
        point=np.array(point),
        photo=np.array(photo),
        xy_px=np.array(xy, float),
        unknown_photos=tuple(unknown),
    )


def seen_places(
    marks: Marks, verdict: Verdict, state: State, groups: Ids, cameras: Sequence[Camera]
) -> FloatArray:
    """(k, 3) where the block has the points by most of their believed marks; NaN with fewer than two."""
    out = np.full((len(marks.points), 3), np.nan)
    for k in range(len(marks.points)):
        mine = np.flatnonzero((marks.point == k) & verdict.marks)
        if len(mine) < 2:
            continue
        best: Ids = mine[:0]
        for pair in combinations(mine.tolist(), 2):
            there = _meeting(marks, np.array(pair), state, cameras)
            off = _off_px(marks, mine, there, state, groups)
            agreed = mine[off < _MEETING_PX]
            if len(agreed) > len(best):
                best = agreed
        if len(best) >= 2:
            out[k] = _meeting(marks, best, state, cameras)
    return out


def _meeting(marks: Marks, which: Ids, state: State, cameras: Sequence[Camera]) -> FloatArray:
    """Where the rays of some marks of one point come nearest to each other."""
    photo = marks.photo[which]
    rays = np.concatenate(
        [cameras[i].rays(xy[None]) for i, xy in zip(photo, marks.xy_px[which], strict=True)]
    )
    enu = np.einsum("nji,nj->ni", state.rotations[photo], rays)
    enu /= np.linalg.norm(enu, axis=1, keepdims=True)
    start = state.centres[photo].mean(axis=0, keepdims=True)
    return triangulate(enu, state.centres[photo], np.zeros(len(which), int), 1, start, weight=1e-9)[0]


def _off_px(marks: Marks, which: Ids, place: FloatArray, state: State, groups: Ids) -> FloatArray:
    """How far marks lie from where their photos show a place ((3,) or one for each); inf where not at all."""
    photo = marks.photo[which]
    places = np.broadcast_to(place, (len(which), 3))
    seen = project(state.rotations[photo], state.centres[photo], state.lenses[groups[photo]], places)
    off = np.linalg.norm(seen - marks.xy_px[which], axis=1)
    return np.where(np.isfinite(off), off, np.inf)


def on_the_ground(marks: Marks, seen: FloatArray, state: State, *, positioned: bool) -> State:
    """The state moved, turned and scaled to where most control points that were seen lie.

    With few points, or all in one line, a block that has positions is only moved: three points fit any turn
    and scale, and then nothing shows which of them is wrong.
    """
    usable = np.flatnonzero(np.isfinite(seen).all(axis=1) & ~marks.check)
    if not len(usable):
        return state
    found, wanted = seen[usable], marks.places[usable]
    few = positioned and len(usable) <= _FEW_POINTS
    fit = None if few else _best_similarity(found, wanted)
    if fit is None:
        return replace(
            state,
            centres=state.centres + np.median(wanted - found, axis=0),
            points=state.points + np.median(wanted - found, axis=0),
        )
    scale, turn, shift = fit
    return replace(
        state,
        rotations=state.rotations @ turn.T,
        centres=scale * state.centres @ turn.T + shift,
        points=scale * state.points @ turn.T + shift,
    )


def without_odd_one(marks: Marks, seen: FloatArray, verdict: Verdict) -> Verdict:
    """Of three control points, the one that lies apart in plan from where the positions have it, while
    the other two agree with each other, is not believed for now.
    """
    usable = np.flatnonzero(np.isfinite(seen).all(axis=1) & ~marks.check & verdict.points)
    if len(usable) != _FEW_POINTS:
        return verdict
    off = (marks.places - seen)[usable, :2]
    points = verdict.points.copy()
    for k, point in enumerate(usable):
        a, b = np.delete(off, k, axis=0)
        if np.linalg.norm(off[k] - (a + b) / 2) > _ODD_TIMES * np.linalg.norm(a - b):
            points[point] = False
    return replace(verdict, points=points)


def _best_similarity(found: FloatArray, wanted: FloatArray) -> tuple[float, FloatArray, FloatArray] | None:
    """The similarity under which most points agree: by triples (Fischler and Bolles 1981), then by all of
    those that agree with the best."""
    count = len(found)
    extent = float(np.linalg.norm(wanted.max(axis=0) - wanted.min(axis=0)))
    triples = [np.array(t) for t in combinations(range(count), 3)]
    if len(triples) > _TRIES:
        picked = np.random.default_rng(0).choice(len(triples), _TRIES, replace=False)
        triples = [triples[i] for i in picked]
    best, best_score = None, np.inf
    for triple in triples:
        a, b, c = wanted[triple]
        if np.linalg.norm(np.cross(b - a, c - a)) < 0.01 * extent**2:
            continue
        fit = similarity(found[triple], wanted[triple])
        off = np.sort(np.linalg.norm(_moved(fit, found) - wanted, axis=1))
        score = float(off[: max(3, count // 2 + 1)].max())
        if score < best_score:
            best, best_score = fit, score
    if best is None:
        return None
    off = np.linalg.norm(_moved(best, found) - wanted, axis=1)
    near = off <= max(3 * best_score, 1e-3 * extent)
    return similarity(found[near], wanted[near])


def _moved(fit: tuple[float, FloatArray, FloatArray], places: FloatArray) -> FloatArray:
    scale, turn, shift = fit
    return np.asarray(scale * places @ turn.T + shift)


def similarity(found: FloatArray, wanted: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """(scale, rotation (3, 3), shift (3,)) that brings places nearest to others (Umeyama 1991)."""
    mean_f, mean_w = found.mean(axis=0), wanted.mean(axis=0)
    f, w = found - mean_f, wanted - mean_w
    u, d, vt = np.linalg.svd(w.T @ f / len(f))
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    turn = u @ sign @ vt
    scale = float((d * np.diag(sign)).sum() / max((f**2).sum() / len(f), 1e-12))
    return scale, turn, mean_w - scale * turn @ mean_f


def judge(marks: Marks, state: State, groups: Ids) -> Verdict:
    """Which marks lie where the photos must show their point, and which points most of their marks agree on.

    What counts as off is measured by the marks themselves: by the spread of the better half.
    """
    off = _off_px(marks, np.arange(len(marks.point)), marks.places[marks.point], state, groups)
    control = ~marks.check[marks.point]
    measured = off[control & np.isfinite(off)]
    spread = float(np.median(measured)) / 1.1774 if len(measured) else _LEAST_SPREAD_PX
    limit = max(_CLEARLY_OFF_SIGMAS * max(spread, _LEAST_SPREAD_PX), _LEAST_OFF_PX)
    good_marks, good_points = off < limit, np.ones(len(marks.points), bool)
    for k in range(len(marks.points)):
        mine = marks.point == k
        if not mine.any():
            good_points[k] = False
        elif good_marks[mine].sum() * 2 < mine.sum() or not good_marks[mine].any():
            good_points[k] = marks.check[k]  # that is what check points are for
            good_marks[mine] = True
    return Verdict(good_marks, good_points)


def point_fits(
    marks: Marks, verdict: Verdict, state: State, groups: Ids, cameras: Sequence[Camera]
) -> tuple[PointFit, ...]:
    """How each point came out."""
    seen = seen_places(marks, verdict, state, groups, cameras)
    fits = []
    for k, point in enumerate(marks.points):
        mine = np.flatnonzero(marks.point == k)
        good = mine[verdict.marks[mine]]
        off = seen[k] - marks.places[k]
        px = _off_px(marks, good, marks.places[k], state, groups)
        fits.append(
            PointFit(
                name=point.name,
                check=point.check,
                believed=bool(verdict.points[k]),
                marks=len(good),
                wrong_marks=tuple(
                    m.photo
                    for i in mine[~verdict.marks[mine]]
                    for m in point.marks
                    if tuple(marks.xy_px[i]) == (m.x_px, m.y_px)
                ),
                lon_deg=point.lon_deg,
                lat_deg=point.lat_deg,
                off_m=None if np.isnan(off).any() else (float(off[0]), float(off[1]), float(off[2])),
                rms_px=float(np.sqrt((px**2).mean())) if len(px) and np.isfinite(px).all() else None,
            )
        )
    return tuple(fits)
