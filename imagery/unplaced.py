"""Photos whose tags have no position: found a place by what they share with others, or by ground control.

Seen from above, a photo that looks about straight down lies on the map by a shift, a turn and a scale. All
matches of such photos, with placed photos and with each other, and all marks of ground control in them are
linear in these four numbers: one least-squares problem, solved with weights that outliers lose. It is only
the adjustment's first guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, identity
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

from imagery.control import ControlPoint
from imagery.features import Features
from imagery.matching import PairMatches
from imagery.pairs import neighbour_pairs
from imagery.photos import NO_POSITION, Block, Dropped, Photo, height_above_ground_m
from plans.frames import FloatArray, Pose

Pair = tuple[int, int]

MAX_PAIRS = 2000
"""As many pairs of photos without position are all tried; of more, neighbours in the folder's order and those
that look most alike."""
_IN_ORDER = 6
_ALIKE = 12
_LOOKED_AT = 120
_LIKENESS = 0.85
_PER_MATCH = 30
_SWEEPS = 5
_MARK_WEIGHT = 10.0
_LEAST_CONTROL = 3
_SIGMA_SHARE = 0.25
_SIGMA_YAW_DEG, _SIGMA_TILT_DEG = 15.0, 20.0


def pairs_to_match(block: Block, features: Sequence[Features]) -> list[Pair]:
    """Pairs (i < j) of photos to match: neighbours by their footprints, and for photos without a position all
    others, or those that promise most."""
    placed = [p.index for p in block.photos if p.placed]
    known = replace(block, photos=tuple(block.photos[i] for i in placed))
    pairs = {(placed[a], placed[b]) for a, b in (neighbour_pairs(known) if placed else [])}
    lost = [p.index for p in block.photos if not p.placed]
    count = len(block.photos)
    if len(lost) * count - len(lost) ** 2 // 2 <= MAX_PAIRS:
        pairs |= {_ordered(i, j) for i in lost for j in range(count) if i != j}
    else:
        pairs |= {
            _ordered(i, j) for i in lost for j in range(max(i - _IN_ORDER, 0), min(i + _IN_ORDER + 1, count))
        } - {(i, i) for i in lost}
        pairs |= _alike_pairs(lost, features)
    return sorted(pairs)


def _alike_pairs(lost: Sequence[int], features: Sequence[Features]) -> set[Pair]:
    """For each photo those that hold most features like its strongest ones."""
    strongest = [_unit(f.descriptors[:_LOOKED_AT]) for f in features]
    owner = np.repeat(np.arange(len(features)), [len(d) for d in strongest])
    everything = np.concatenate(strongest)
    pairs = set()
    for i in lost:
        likeness = strongest[i] @ everything.T
        likeness[:, owner == i] = -1.0
        alike = np.argpartition(likeness, -_ALIKE, axis=1)[:, -_ALIKE:]
        near = np.take_along_axis(likeness, alike, axis=1) > _LIKENESS
        votes = np.bincount(owner[alike[near]], minlength=len(features))
        best = np.argsort(-votes, kind="stable")[:_ALIKE]
        pairs |= {_ordered(i, int(j)) for j in best if votes[j] > 1}
    return pairs


def _unit(descriptors: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    unit = descriptors.astype(np.float32)
    return np.asarray(unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-6))


def _ordered(i: int, j: int) -> Pair:
    return (i, j) if i < j else (j, i)


@dataclass(frozen=True)
class Found:
    """The block with a first guess for each photo; those that nothing holds are `dropped`, and features and
    matches go with the photos that are left."""

    block: Block
    features: list[Features]
    matches: list[PairMatches]
    dropped: tuple[Dropped, ...]


def place_unplaced(
    block: Block,
    features: list[Features],
    matches: list[PairMatches],
    control: Sequence[ControlPoint],
) -> Found:
    """Give the photos without position a place.

    Photos that share ground with a placed one, directly or through others, or with three control points
    are placed; the others leave the block with the reason.
    """
    lost = [p for p in block.photos if not p.placed]
    if not lost:
        return Found(block, features, matches, ())
    marks = [(point, *_mark_of(block, name, x, y)) for point, name, x, y in _marks(control)]
    held = _held(block, matches, [(point, photo) for point, photo, _ in marks if photo >= 0])
    maps = _solve(block, features, matches, [(p, i, xy) for p, i, xy in marks if i >= 0], held)
    ground = block.ground_up_m
    if ground is None and control:
        ground = float(np.median([p.height_m for p in control]))
    photos = [
        _placed(p, maps[p.index], ground) if p.index in maps else p for p in block.photos if held[p.index]
    ]
    dropped = tuple(
        Dropped(p.name, f"{p.path}: {NO_POSITION}; it shows no ground that placed photos show")
        for p in lost
        if not held[p.index]
    )
    number = np.cumsum(held) - 1
    return Found(
        replace(
            block,
            photos=tuple(replace(p, index=n) for n, p in enumerate(photos)),
            ground_up_m=ground,
        ),
        [f for f, keep in zip(features, held, strict=True) if keep],
        [
            replace(m, first=int(number[m.first]), second=int(number[m.second]))
            for m in matches
            if held[m.first] and held[m.second]
        ],
        dropped,
    )


def _marks(control: Sequence[ControlPoint]) -> list[tuple[ControlPoint, str, float, float]]:
    return [(p, m.photo, m.x_px, m.y_px) for p in control if not p.check for m in p.marks]


def _mark_of(block: Block, name: str, x: float, y: float) -> tuple[int, FloatArray]:
    found = next((p.index for p in block.photos if p.name.casefold() == name.casefold()), -1)
    return found, np.array([[x, y]])


def _held(
    block: Block, matches: Sequence[PairMatches], marks: Sequence[tuple[ControlPoint, int]]
) -> npt.NDArray[np.bool_]:
    """(m,) which photos hang together with a placed one or with enough control points."""
    count = len(block.photos)
    first, second = (np.array([getattr(m, k) for m in matches], int) for k in ("first", "second"))
    graph = coo_matrix((np.ones(len(first)), (first, second)), shape=(count, count))
    _, part = connected_components(graph, directed=False)
    good = {int(part[p.index]) for p in block.photos if p.placed}
    for component in set(part.tolist()) - good:
        points = {point.name for point, photo in marks if part[photo] == component}
        if len(points) >= _LEAST_CONTROL:
            good.add(component)
    return np.isin(part, list(good))


def _flat(photo: Photo, xy: npt.NDArray[np.floating]) -> FloatArray:
    """(n, 2) pixels as right and up of the middle, over the focal length."""
    return (np.asarray(xy, float) - photo.camera.principal_px) / photo.camera.focal_px * (1.0, -1.0)


def _rows(flat: FloatArray) -> FloatArray:
    """(2 n, 4): east, then north, of places by the four numbers of their photo's map: a, b, east, north."""
    u, v = flat.T
    one, none = np.ones_like(u), np.zeros_like(u)
    return np.concatenate([np.stack([u, -v, one, none], axis=1), np.stack([v, u, none, one], axis=1)])


def _solve(
    block: Block,
    features: Sequence[Features],
    matches: Sequence[PairMatches],
    marks: Sequence[tuple[ControlPoint, int, FloatArray]],
    held: npt.NDArray[np.bool_],
) -> dict[int, FloatArray]:
    """The maps (4,) of the photos that are held and have no position."""
    lost = [p.index for p in block.photos if not p.placed and held[p.index]]
    if not lost:
        return {}
    column = {photo: 4 * n for n, photo in enumerate(lost)}
    rows: list[FloatArray] = []
    wanted: list[FloatArray] = []
    weights: list[FloatArray] = []
    for m in matches:
        if not (m.first in column or m.second in column):
            continue
        some = np.linspace(0, len(m.first_ids) - 1, min(_PER_MATCH, len(m.first_ids))).astype(int)
        part = np.zeros((2 * len(some), 4 * len(lost)))
        right = np.zeros(2 * len(some))
        for photo, ids, sign in ((m.first, m.first_ids, 1.0), (m.second, m.second_ids, -1.0)):
            terms = sign * _rows(_flat(block.photos[photo], features[photo].xy_px[ids[some]]))
            if photo in column:
                part[:, column[photo] : column[photo] + 4] = terms
            else:
                right -= terms @ _map_of(block.photos[photo], block.ground_up_m)
        rows.append(part)
        wanted.append(right)
        weights.append(np.ones(len(right)))
    for point, photo, xy in marks:
        if photo in column:
            part = np.zeros((2, 4 * len(lost)))
            part[:, column[photo] : column[photo] + 4] = _rows(_flat(block.photos[photo], xy))
            rows.append(part)
            wanted.append(np.concatenate(block.frame.to_local([point.lat_deg], [point.lon_deg])))
            weights.append(np.full(2, _MARK_WEIGHT))
    design = coo_matrix(np.concatenate(rows)).tocsr()
    right, weight = np.concatenate(wanted), np.concatenate(weights)
    robust = np.ones(len(right))
    for _ in range(_SWEEPS):
        scaled = design.multiply((weight * robust)[:, None]).tocsr()
        normal = (design.T @ scaled + 1e-9 * identity(design.shape[1])).tocsc()
        maps = np.asarray(spsolve(normal, design.T @ (weight * robust * right)))
        off = np.abs(design @ maps - right)
        robust = 1 / (1 + (off / max(3 * float(np.median(off)), 1e-6)) ** 2)
    return {photo: maps[at : at + 4] for photo, at in column.items()}


def _map_of(photo: Photo, ground_up_m: float | None) -> FloatArray:
    """The map of a placed photo that looks down: the scale is its height, the turn its yaw."""
    height, yaw = height_above_ground_m(photo, ground_up_m), np.radians(photo.prior.yaw_deg)
    return np.array([height * np.cos(yaw), -height * np.sin(yaw), photo.prior.east_m, photo.prior.north_m])


def _placed(photo: Photo, lies: FloatArray, ground_up_m: float | None) -> Photo:
    """The photo with a prior by its map."""
    a, b, east, north = (float(v) for v in lies)
    height = max(float(np.hypot(a, b)), 2.0)
    yaw = float(np.degrees(np.arctan2(-b, a)) % 360)
    up = (0.0 if ground_up_m is None else ground_up_m) + height
    return replace(
        photo,
        prior=Pose(east, north, up, yaw, -90.0, 0.0),
        sigma_h_m=_SIGMA_SHARE * height,
        sigma_v_m=_SIGMA_SHARE * height,
        sigma_yaw_deg=_SIGMA_YAW_DEG,
        sigma_tilt_deg=_SIGMA_TILT_DEG,
    )
