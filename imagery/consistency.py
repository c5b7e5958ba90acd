"""Tags against what the matches say: headings that cannot be right are found and mended.

Photos edited on a computer, a compass that was off, or a camera that writes no attitude at all: two matched
photos and their GPS positions give the heading of both, whatever their tags say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from imagery.features import Features
from imagery.matching import PairMatches
from imagery.photos import Block, Photo

MAX_YAW_FAULT_SIGMAS = 6.0
MENDED_YAW_SIGMA_DEG = 8.0
MIN_VOTES = 1.0


@dataclass(frozen=True)
class YawFault:
    """A photo whose heading was replaced: the tag's and the matches', degrees."""

    name: str
    tag_deg: float
    mended_deg: float


def mend_headings(
    block: Block, features: Sequence[Features], matches: Sequence[PairMatches]
) -> tuple[Block, tuple[YawFault, ...]]:
    """The block with headings that contradict the matches replaced."""
    votes: list[list[tuple[float, float]]] = [[] for _ in block.photos]
    for match in matches:
        first, second = block.photos[match.first], block.photos[match.second]
        a = features[match.first].xy_px[match.first_ids]
        b = features[match.second].xy_px[match.second_ids]
        for this, other, here, there in ((second, first, b, a), (first, second, a, b)):
            vote = _heading(this, other, here, there)
            if vote is not None:
                votes[this.index].append(vote)
    photos, faults = [], []
    for photo in block.photos:
        mended = _agreed(votes[photo.index])
        off = abs(_turn(mended - photo.prior.yaw_deg)) if mended is not None else 0.0
        if mended is not None and off > max(25.0, MAX_YAW_FAULT_SIGMAS * photo.sigma_yaw_deg):
            faults.append(YawFault(photo.name, photo.prior.yaw_deg, mended))
            photo = replace(
                photo, prior=replace(photo.prior, yaw_deg=mended), sigma_yaw_deg=MENDED_YAW_SIGMA_DEG
            )
        photos.append(photo)
    return replace(block, photos=tuple(photos)), tuple(faults)


def _heading(
    this: Photo, other: Photo, here: npt.NDArray[np.float32], there: npt.NDArray[np.float32]
) -> tuple[float, float] | None:
    """(yaw of `this` in degrees, weight): the bearing to the other photo less where it lies in the image."""
    east = other.prior.east_m - this.prior.east_m
    north = other.prior.north_m - this.prior.north_m
    baseline = float(np.hypot(east, north))
    noise = float(np.hypot(this.sigma_h_m, other.sigma_h_m))
    if baseline < max(1.5 * noise, 1.0):
        return None
    transform, inliers = cv2.estimateAffinePartial2D(
        there, here, ransacReprojThreshold=0.01 * this.camera.image_width_px
    )
    if transform is None or inliers.sum() < 12:
        return None
    centre = transform[:, :2] @ np.array(other.camera.principal_px) + transform[:, 2]
    dx, dy = centre - np.array(this.camera.principal_px)
    if np.hypot(dx, dy) < 0.05 * this.camera.image_width_px:
        return None
    yaw = np.degrees(np.arctan2(east, north) - np.arctan2(dx, -dy))
    return float(yaw % 360), min(baseline / noise, 10.0) * float(np.sqrt(inliers.sum()))


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
