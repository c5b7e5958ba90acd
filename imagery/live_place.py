"""Where one photo stands, told by its tags and the photos around it; and where all of them stand.

A photo that has just come is placed among neighbours that are held where they are: the block's own
adjustment, with all but one photo known. Now and then those of a place are adjusted together, with the ones
around held, and more seldom the whole block.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from imagery.adjust import AdjustRules, adjust_block
from imagery.bundle_math import rotation_from_vector, vector_from_rotation
from imagery.features import Features
from imagery.live_ties import Pair
from imagery.matching import PairMatches
from imagery.pairs import corner_rays, footprint
from imagery.photos import Block, Photo
from imagery.strangers import without_strangers
from imagery.surface import Surface, fill_holes, flat_surface, usual_value
from imagery.tracks import Tracks, build_tracks, thin_tracks
from imagery.unplaced import place_unplaced
from plans.cameras import Camera
from plans.frames import FloatArray, LocalFrame, Pose, gimbal_angles

NEIGHBOURS = 8
MIN_OVERLAP = 0.12
NEAREST = 2
TIES = 120
_HELD = AdjustRules(
    focal_sigma=1e-5,
    focal_sigma_unknown=1e-5,
    principal_sigma=1e-6,
    radial_sigma=(1e-5, 1e-5),
    tangential_sigma=1e-6,
    lag_sigma_s=1e-4,
    rejection_sigmas=(12.0, 4.0),
    iterations=6,
)
_HELD_M, _HELD_YAW_DEG, _HELD_TILT_DEG = 0.05, 0.05, 0.03
_LEARN_FROM, _SAME_COURSE_DEG = 6, 45.0
_CELLS = 14
"""Of the running surface across a photo."""

Matches = Mapping[Pair, PairMatches]


@dataclass(frozen=True)
class Stand:
    """A photo that stands on the map: `tied` by ground points, or where its corrected tags put it."""

    photo: Photo
    features: Features
    pose: Pose
    camera: Camera
    tied: bool


@dataclass(frozen=True)
class Fit:
    """What an adjustment tells, by the photos' names: poses, cameras, whether ties hold them, and the ground
    points (k, 3) that each of them is the last to see."""

    poses: dict[str, Pose]
    cameras: dict[str, Camera]
    tied: dict[str, bool]
    points: dict[str, FloatArray]

    def of(self, names: Collection[str]) -> Fit:
        """The same of some photos."""
        poses = {n: self.poses[n] for n in names}
        cameras, tied = {n: self.cameras[n] for n in names}, {n: self.tied[n] for n in names}
        return Fit(poses, cameras, tied, {n: self.points[n] for n in names})


def corrected(photo: Photo, stands: Sequence[Stand]) -> Photo:
    """The photo with a prior that has learned from those before it, taken on a like course: by how much the
    tags are off in place (receiver, shutter lag) and turn (boresight)."""
    before = [s for s in stands if s.tied and s.photo.placed and s.photo.camera == photo.camera]
    before = sorted(before, key=lambda s: _apart(s.photo, photo))[: 3 * _LEARN_FROM]
    alike = [s for s in before if abs(_turn(s.photo.prior.yaw_deg - photo.prior.yaw_deg)) < _SAME_COURSE_DEG]
    usual = (alike if len(alike) >= 3 else before)[:_LEARN_FROM]
    if len(usual) < 3:
        return photo
    off = np.median([s.pose.centre - s.photo.prior.centre for s in usual], axis=0)
    turns = [s.pose.camera_from_enu @ s.photo.prior.camera_from_enu.T for s in usual]
    turn = rotation_from_vector(np.median(vector_from_rotation(np.array(turns)), axis=0))[0]
    return replace(photo, prior=pose_of(turn @ photo.prior.camera_from_enu, photo.prior.centre + off))


def _apart(a: Photo, b: Photo) -> float:
    if a.clock_s is not None and b.clock_s is not None:
        return abs(a.clock_s - b.clock_s)
    return float(np.hypot(a.prior.east_m - b.prior.east_m, a.prior.north_m - b.prior.north_m))


def _turn(deg: float) -> float:
    return (deg + 180) % 360 - 180


def pose_of(camera_from_enu: FloatArray, centre: FloatArray) -> Pose:
    """The pose of a rotation (3, 3) and a centre (3,)."""
    east, north, up = (float(v) for v in centre)
    return Pose(east, north, up, *gimbal_angles(camera_from_enu))


def neighbours_of(photo: Photo, stands: Sequence[Stand], ground_up_m: float) -> list[Stand]:
    """Those that show most of the same ground, and the nearest in any case."""
    if not stands or not photo.placed:
        return list(stands[-NEIGHBOURS:])
    mine = footprint(corner_rays(photo), photo.prior, max(photo.prior.up_m - ground_up_m, 5.0))
    centres = np.array([(s.pose.east_m, s.pose.north_m) for s in stands])
    away = np.hypot(*(centres - photo.prior.centre[:2]).T)
    west, south, east, north = mine.bounds
    order = np.argsort(away, kind="stable")
    shares = []
    for i in order[away[order] < 1.5 * np.hypot(east - west, north - south)][:40]:
        stand = stands[int(i)]
        height = max(stand.pose.up_m - ground_up_m, 5.0)
        theirs = footprint(corner_rays(stand.photo), stand.pose, height)
        shares.append((mine.intersection(theirs).area / min(mine.area, theirs.area), int(i)))
    best = [i for share, i in sorted(shares, key=lambda v: (-v[0], v[1])) if share >= MIN_OVERLAP][
        :NEIGHBOURS
    ]
    return [stands[i] for i in dict.fromkeys([*best, *(int(i) for i in order[:NEAREST])])]


def place(
    photo: Photo,
    features: Features,
    around: Sequence[Stand],
    matches: Matches,
    frame: LocalFrame,
    ground_up_m: float | None,
) -> tuple[Fit, Photo] | str:
    """Where a photo stands among neighbours that are held; or why it is not of this ground.

    Gives the photo with the prior that it was placed by, too: without a position it gets one by matches.
    """
    held = [_held(s) for s in around]
    photos = [*held, photo]
    everything = [*(s.features for s in around), features]
    block = Block(frame, _numbered(photos), ground_up_m)
    found = place_unplaced(block, everything, _numbered_matches(block.photos, matches), ())
    if found.dropped:
        return found.dropped[0].reason
    kept = without_strangers(found.block, found.features, found.matches)
    if any(d.name == photo.name for d in kept.dropped):
        return next(d.reason for d in kept.dropped if d.name == photo.name)
    block = kept.block
    fit = _adjusted(block, kept.features, kept.matches, None, _HELD)
    return fit.of([photo.name]), block.photos[-1]


def _held(stand: Stand) -> Photo:
    return replace(
        stand.photo,
        prior=stand.pose,
        placed=True,
        camera=stand.camera,
        sigma_h_m=_HELD_M,
        sigma_v_m=_HELD_M,
        sigma_yaw_deg=_HELD_YAW_DEG,
        sigma_tilt_deg=_HELD_TILT_DEG,
    )


def _numbered(photos: Sequence[Photo]) -> tuple[Photo, ...]:
    return tuple(replace(p, index=i) for i, p in enumerate(photos))


def _numbered_matches(photos: Sequence[Photo], matches: Matches) -> list[PairMatches]:
    number = {p.name: p.index for p in photos}
    return [replace(match, first=number[a], second=number[b]) for (a, b), match in matches.items()]


def adjust_all(
    stands: Sequence[Stand], matches: Matches, frame: LocalFrame, ground_up_m: float | None
) -> Fit:
    """The whole block, from where it stands now."""
    block = Block(frame, _numbered([s.photo for s in stands]), ground_up_m)
    numbered = _numbered_matches(block.photos, matches)
    return _adjusted(block, [s.features for s in stands], numbered, [s.pose for s in stands], AdjustRules())


def adjust_some(
    free: Sequence[Stand],
    around: Sequence[Stand],
    settled: Sequence[Stand],
    matches: Matches,
    frame: LocalFrame,
    ground_up_m: float | None,
) -> Fit:
    """Those of a place, from where they stand now, with the ones around them held; what their tags are off by
    is learned from photos `settled` before."""
    photos = [
        *(_held(s) for s in around),
        *(replace(corrected(s.photo, settled), camera=s.camera) for s in free),
    ]
    stands = [*around, *free]
    block = Block(frame, _numbered(photos), ground_up_m)
    numbered = _numbered_matches(block.photos, matches)
    fit = _adjusted(block, [s.features for s in stands], numbered, [s.pose for s in stands], _HELD)
    return fit.of([s.photo.name for s in free])


def _adjusted(
    block: Block,
    features: Sequence[Features],
    matches: Sequence[PairMatches],
    guess: Sequence[Pose] | None,
    rules: AdjustRules,
) -> Fit:
    sizes = [(p.camera.image_width_px, p.camera.image_height_px) for p in block.photos]
    tracks = thin_tracks(build_tracks(features, matches), sizes, TIES)
    made = adjust_block(block, tracks, rules, guess=guess)
    names = [p.name for p in block.photos]
    return Fit(
        dict(zip(names, made.poses, strict=True)),
        dict(zip(names, made.cameras, strict=True)),
        dict(zip(names, (bool(t) for t in made.tied), strict=True)),
        dict(zip(names, _by_last_photo(made.tracks, made.points, len(names)), strict=True)),
    )


def _by_last_photo(tracks: Tracks, points: FloatArray, photos: int) -> list[FloatArray]:
    """The points (k, 3) that each photo is the last to see."""
    last = np.zeros(tracks.count, np.int64)
    last[tracks.track] = tracks.photo  # sorted: the last one stays
    order = np.argsort(last, kind="stable")
    return np.split(points[order], np.searchsorted(last[order], np.arange(1, photos)))


def follow(old: Pose, was: Pose, now: Pose) -> Pose:
    """Where a photo goes when the one that it was placed by goes from `was` to `now`."""
    turn = now.camera_from_enu.T @ was.camera_from_enu
    centre = now.centre + turn @ (old.centre - was.centre)
    return pose_of(old.camera_from_enu @ turn.T, centre)


def running_surface(
    points: FloatArray,
    outlines: FloatArray,
    width_m: float,
    level_m: float,
    base_of: Callable[[tuple[float, float, float, float], float], Surface] | None,
) -> Surface:
    """The ground by medians of points (n, 3) in cells, a dozen across a photo of `width_m`; or the DEM,
    lifted to where the points are."""
    bounds = (*(outlines.min(axis=0) - width_m / 2), *(outlines.max(axis=0) + width_m / 2))
    if base_of is not None:
        base = base_of(bounds, width_m / _CELLS / 4)
        if len(points) < 8:
            return base
        lift, _ = usual_value(points[:, 2] - base.at(points[:, 0], points[:, 1]))
        return replace(base, heights_m=base.heights_m + np.float32(lift))
    if len(points) < 8:
        return flat_surface(bounds, level_m)
    west, south, east, north = bounds
    step = width_m / _CELLS
    cols, rows = int((east - west) / step) + 2, int((north - south) / step) + 2
    col = np.clip(np.rint((points[:, 0] - west) / step), 0, cols - 1).astype(int)
    row = np.clip(np.rint((north - points[:, 1]) / step), 0, rows - 1).astype(int)
    heights = np.full(rows * cols, np.nan, np.float32)
    cell = row * cols + col
    order = np.lexsort((points[:, 2], cell))
    own, first, count = np.unique(cell[order], return_index=True, return_counts=True)
    heights[own] = points[order[first + count // 2], 2]
    return Surface(west, north, step, _softened(fill_holes(heights.reshape(rows, cols))))


def _softened(heights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.blur(cv2.medianBlur(heights, 3), (3, 3)), np.float32)
