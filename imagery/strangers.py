"""Photos that match no other and do not look like the ground where their tags put them.

Sky, a lens cap, the night: such a photo would be painted where nobody photographed. Water, and photos with no
neighbours, look like themselves and stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from imagery.features import Features
from imagery.matching import PairMatches
from imagery.photos import Block, Dropped, Photo, height_above_ground_m
from plans.frames import FloatArray

BLACK = 30.0
"""Grey level that 99 % of a black photo's pixels stay under."""
UNLIKE = 0.5
"""Difference of mean brightness or colour (natural logarithm) that no exposure of one flight has."""
SAME_STRUCTURE = 0.3
_COLUMNS, _ROWS = 24, 18
_LEAST_PLACES = 20
_COVERED = 0.5
_SMOOTH_SHARE = 0.1
_DETAIL = 2.5
"""Grey levels by which a photo of any ground scatters about its own soft picture."""

NIGHT = "is all but black (taken in the dark, or with the lens covered) and matches no other photo"
NOT_THE_GROUND = (
    "matches no other photo and does not look like the ground that they show there (sky, fog, a lens cap, "
    "or a wrong position)"
)
BLANK = "shows nothing that stands out (sky, fog, a covered lens)"


@dataclass(frozen=True)
class Kept:
    """The block without its strangers; features and matches go with the photos that are left."""

    block: Block
    features: list[Features]
    matches: list[PairMatches]
    dropped: tuple[Dropped, ...]


def without_strangers(block: Block, features: list[Features], matches: list[PairMatches]) -> Kept:
    """Leave out the photos that are none of this ground."""
    tied = np.zeros(len(block.photos), bool)
    for match in matches:
        tied[[match.first, match.second]] = True
    reasons = _reasons(block, features, tied)
    if not reasons:
        return Kept(block, features, matches, ())
    keep = [i for i in range(len(block.photos)) if i not in reasons]
    number = {old: new for new, old in enumerate(keep)}
    photos = tuple(replace(block.photos[i], index=number[i]) for i in keep)
    return Kept(
        replace(block, photos=photos),
        [features[i] for i in keep],
        [replace(m, first=number[m.first], second=number[m.second]) for m in matches],
        tuple(Dropped(block.photos[i].name, f"{block.photos[i].path}: {why}") for i, why in reasons.items()),
    )


def _reasons(block: Block, features: Sequence[Features], tied: npt.NDArray[np.bool_]) -> dict[int, str]:
    untied = np.flatnonzero(~tied).tolist()
    known = np.flatnonzero(tied).tolist()
    usual = float(np.median([features[i].sharpness for i in known])) if known else 0.0
    pictures = {i: _soft(features[i]) for i in untied}
    found: dict[int, str] = {}
    for i in untied:
        if np.percentile(pictures[i], 99) < BLACK:
            found[i] = NIGHT
        elif not known:
            detail = features[i].thumbnail.astype(float) - pictures[i]
            if detail.mean(axis=2).std() < _DETAIL:
                found[i] = BLANK
        else:
            near = _near(block, i, known)
            for k in near:
                if k not in pictures:
                    pictures[k] = _soft(features[k])
            covered, unlike = _against(block, i, near, pictures, features)
            if unlike and (covered >= _COVERED or features[i].sharpness < _SMOOTH_SHARE * usual):
                found[i] = NOT_THE_GROUND
    return found


def _soft(features: Features) -> npt.NDArray[np.uint8]:
    """The thumbnail without its details: places by tags are metres off."""
    picture = features.thumbnail
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), max(1.0, picture.shape[1] / 80)), np.uint8)


def _near(block: Block, i: int, known: Sequence[int], most: int = 8) -> list[int]:
    """The nearest photos that are tied."""
    here = np.array(block.photos[i].prior.centre[:2])
    away = [float(np.hypot(*(np.array(block.photos[k].prior.centre[:2]) - here))) for k in known]
    return [known[n] for n in np.argsort(away, kind="stable")[:most]]


def _against(
    block: Block,
    i: int,
    near: Sequence[int],
    pictures: dict[int, npt.NDArray[np.uint8]],
    features: Sequence[Features],
) -> tuple[float, bool]:
    """The share of a photo that its neighbours cover, and whether it looks unlike all of them."""
    photo = block.photos[i]
    ground_m = photo.prior.up_m - height_above_ground_m(photo, block.ground_up_m)
    pixels, places = _on_the_ground(photo, ground_m)
    mine = _sampled(pictures[i], pixels, features[i].thumbnail_factor)
    covered = np.zeros(len(pixels), bool)
    verdicts = []
    for k in near:
        other = block.photos[k]
        rays = (places - other.prior.centre) @ other.prior.camera_from_enu.T
        theirs_px = other.camera.project(rays)
        size = np.array([other.camera.image_width_px, other.camera.image_height_px])
        inside = (rays[:, 2] > 0) & np.all((theirs_px >= 0) & (theirs_px <= size - 1), axis=1)
        covered |= inside
        if inside.sum() >= _LEAST_PLACES:
            theirs = _sampled(pictures[k], theirs_px[inside], features[k].thumbnail_factor)
            verdicts.append(_unlike(mine[inside], theirs))
    return float(covered.mean()), bool(verdicts) and all(verdicts)


def _on_the_ground(photo: Photo, ground_up_m: float) -> tuple[FloatArray, FloatArray]:
    """Pixels (n, 2) spread over a photo, and the places (n, 3) that they show."""
    x, y = np.meshgrid(
        np.linspace(0, photo.camera.image_width_px - 1, _COLUMNS),
        np.linspace(0, photo.camera.image_height_px - 1, _ROWS),
    )
    pixels = np.stack([x.ravel(), y.ravel()], axis=1)
    rays = photo.camera.rays(pixels) @ photo.prior.camera_from_enu
    down = np.minimum(rays[:, 2], -0.2 * np.linalg.norm(rays, axis=1))
    return pixels, photo.prior.centre + rays * ((ground_up_m - photo.prior.up_m) / down)[:, None]


def _sampled(picture: npt.NDArray[np.uint8], pixels: FloatArray, factor: int) -> FloatArray:
    """(n, 3) colours at full pixels of a reduced picture."""
    at = np.clip((pixels + 0.5) / factor - 0.5, 0, np.array(picture.shape[1::-1]) - 1)
    col, row = np.rint(at).astype(int).T
    return picture[row, col].astype(float)


def _unlike(a: FloatArray, b: FloatArray) -> bool:
    """Whether two samples of the same places differ in colour and in structure."""
    if np.abs(np.log(a.mean(axis=0) + 1.0) - np.log(b.mean(axis=0) + 1.0)).max() < UNLIKE:
        return False
    level = [s.mean(axis=1) - s.mean() for s in (a, b)]
    size = float(np.linalg.norm(level[0]) * np.linalg.norm(level[1]))
    return size == 0 or float(level[0] @ level[1]) / size < SAME_STRUCTURE
