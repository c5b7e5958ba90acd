"""Tags against what the matches say: headings and heights that cannot be right are found and mended.

Photos edited on a computer, a compass that was off, a camera that writes no attitude at all, a height above
sea level that is really one above launch: two matched photos and their positions give the heading of both,
and how large they show the same ground gives the height of one from that of the other, whatever the tags say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from imagery.features import Features
from imagery.matching import PairMatches
from imagery.photos import COURSE_SIGMA_DEG, Block, Photo, height_above_ground_m

MAX_YAW_FAULT_SIGMAS = 6.0
MENDED_YAW_SIGMA_DEG = 8.0
MIN_VOTES = 1.0
HEIGHT_FAULT_M = 30.0
MENDED_HEIGHT_SIGMA_M = 10.0
_HEIGHTS_ALIKE = 0.25
"""Share of the height above ground by which votes of neighbours differ, with relief and tilted photos."""
_LEAST_INLIERS = 12

Similarity = npt.NDArray[np.floating]


@dataclass(frozen=True)
class _Tie:
    """Photo `this` as `other` sees it: `from_other` (2, 3) turns pixels of the other one into its own."""

    this: Photo
    other: Photo
    from_other: Similarity
    inliers: int


def mend_priors(
    block: Block, features: Sequence[Features], matches: Sequence[PairMatches]
) -> tuple[Block, tuple[str, ...]]:
    """The block with headings and heights that contradict the matches replaced, and a line about each."""
    ties: list[list[_Tie]] = [[] for _ in block.photos]
    for match in matches:
        for tie in _ties(block, features, match):
            ties[tie.this.index].append(tie)
    photos, faults = [], []
    for photo in block.photos:
        yaw = _agreed([v for v in (_heading(t) for t in ties[photo.index]) if v is not None])
        off = abs(_turn(yaw - photo.prior.yaw_deg)) if yaw is not None else 0.0
        guessed = photo.sigma_yaw_deg >= COURSE_SIGMA_DEG[0]
        if yaw is not None and off > (
            25.0 if guessed else max(25.0, MAX_YAW_FAULT_SIGMAS * photo.sigma_yaw_deg)
        ):
            tag = photo.prior.yaw_deg
            if not guessed:  # by the course, which at a lane's end is that of the way to the next
                faults.append(
                    f"{photo.name}: heading in the tags {tag:.0f} deg, by the matches {yaw:.0f} deg"
                )
            prior = replace(photo.prior, yaw_deg=yaw)
            photo = replace(photo, prior=prior, sigma_yaw_deg=MENDED_YAW_SIGMA_DEG)
        up = _agreed_height([_height(t, block.ground_up_m) for t in ties[photo.index]])
        tag = photo.prior.up_m
        if up is not None and abs(up - tag) > max(HEIGHT_FAULT_M, 6 * photo.sigma_v_m):
            faults.append(
                f"{photo.name}: height in the tags {tag:.0f} m, by the matches {up:.0f} m (above sea "
                "level or above launch?)"
            )
            photo = replace(photo, prior=replace(photo.prior, up_m=up), sigma_v_m=MENDED_HEIGHT_SIGMA_M)
        photos.append(photo)
    return replace(block, photos=tuple(photos)), tuple(faults)


def _ties(block: Block, features: Sequence[Features], match: PairMatches) -> list[_Tie]:
    """What a match says of both of its photos; nothing where no similarity fits."""
    first, second = block.photos[match.first], block.photos[match.second]
    transform, inliers = cv2.estimateAffinePartial2D(
        features[match.first].xy_px[match.first_ids],
        features[match.second].xy_px[match.second_ids],
        ransacReprojThreshold=0.01 * second.camera.image_width_px,
    )
    if transform is None or inliers.sum() < _LEAST_INLIERS:
        return []
    back = cv2.invertAffineTransform(transform)
    count = int(inliers.sum())
    return [
        _Tie(second, first, np.asarray(transform, float), count),
        _Tie(first, second, np.asarray(back, float), count),
    ]


def _heading(tie: _Tie) -> tuple[float, float] | None:
    """(yaw of `this` in degrees, weight): the bearing to the other photo less where it lies in the image."""
    this, other = tie.this, tie.other
    east = other.prior.east_m - this.prior.east_m
    north = other.prior.north_m - this.prior.north_m
    baseline = float(np.hypot(east, north))
    noise = float(np.hypot(this.sigma_h_m, other.sigma_h_m))
    if baseline < max(1.5 * noise, 1.0):
        return None
    centre = tie.from_other[:, :2] @ np.array(other.camera.principal_px) + tie.from_other[:, 2]
    dx, dy = centre - np.array(this.camera.principal_px)
    if np.hypot(dx, dy) < 0.05 * this.camera.image_width_px:
        return None
    yaw = np.degrees(np.arctan2(east, north) - np.arctan2(dx, -dy))
    return float(yaw % 360), min(baseline / noise, 10.0) * float(np.sqrt(tie.inliers))


def _height(tie: _Tie, ground_up_m: float | None) -> tuple[float, float]:
    """(height of `this`, how far that may be off): that of the other, by how large both show the same."""
    scale = float(np.hypot(tie.from_other[0, 0], tie.from_other[1, 0]))
    above_m = height_above_ground_m(tie.other, ground_up_m)
    mine_m = above_m * tie.this.camera.focal_px / tie.other.camera.focal_px / scale
    return tie.other.prior.up_m + mine_m - above_m, _HEIGHTS_ALIKE * max(mine_m, above_m)


def _agreed_height(votes: Sequence[tuple[float, float]]) -> float | None:
    """The height that most neighbours, and two at least, agree on."""
    if len(votes) < 2:
        return None
    ups = np.array([v[0] for v in votes])
    up = float(np.median(ups))
    near = np.abs(ups - up) < np.median([v[1] for v in votes])
    return float(np.median(ups[near])) if near.sum() >= max(2, 0.6 * len(votes)) else None


def _agreed(votes: Sequence[tuple[float, float]]) -> float | None:
    """The heading nearest to most votes (weighted circular median), None without votes that agree."""
    if not votes:
        return None
    yaw = np.array([v[0] for v in votes])
    weight = np.array([v[1] for v in votes])
    apart = np.abs(_turn(yaw[:, None] - yaw[None, :]))
    best = int((apart * weight).sum(axis=1).argmin())
    near = apart[best] < 30
    if weight[near].sum() < 0.6 * weight.sum() or weight[near].sum() < MIN_VOTES:
        return None
    return float((yaw[best] + np.average(_turn(yaw[near] - yaw[best]), weights=weight[near])) % 360)


def _turn(degrees: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Angles brought to -180..180."""
    return (np.asarray(degrees, float) + 180) % 360 - 180
