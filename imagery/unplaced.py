"""Photos whose tags have no position: found a place by what they share with others, or by ground control.

Seen from above, a photo that looks about straight down lies on the map by a shift, a turn and a scale. All
matches of such photos, with placed photos and with each other, and all marks of ground control in them are
linear in these four numbers (two complex ones): one least-squares problem, solved with weights that outliers
lose. It is only the first guess of the adjustment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, identity
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

from imagery.control import ControlPoint, Mark
from imagery.features import Features
from imagery.matching import PairMatches
from imagery.pairs import neighbour_pairs
from imagery.photos import Block, Dropped, Photo, height_above_ground_m
from plans.frames import Pose

Pair = tuple[int, int]
Complex = npt.NDArray[np.complex128]
Map = tuple[complex, complex]
"""Scale and turn, and place: a photo's pixel z (right + i up, over the focal length) lies at m z + t (east
+ i north, metres)."""
_Mark = tuple[ControlPoint, int, Mark]
"""A mark of a control point in a photo, by its number."""

MAX_PAIRS = 2000
"""As many pairs of photos without position are all tried; of more, neighbours in the folder's order and those
that look most alike."""
_IN_ORDER = 6
_ALIKE = 12
_LOOKED_AT = 120
_LIKENESS = 0.85
_PER_MATCH = 30
_SWEEPS = 5
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
    number = {p.name.casefold(): p.index for p in block.photos}
    marks = [
        (point, number[m.photo.casefold()], m)
        for point in control
        if not point.check
        for m in point.marks
        if m.photo.casefold() in number
    ]
    part = _parts(len(block.photos), matches)
    held = _held(block, part, marks)
    maps = _maps(block, features, matches, part, held)
    for component in np.unique(part[held]):
        mine = [i for i in maps if part[i] == component]
        if not any(p.placed for p in block.photos if part[p.index] == component):
            seen = [(point, i, m) for point, i, m in marks if i in maps and part[i] == component]
            turn, shift = _on_the_map(block, maps, seen)
            maps |= {i: (turn * maps[i][0], turn * maps[i][1] + shift) for i in mine}
    ground = block.ground_up_m
    if ground is None and control:
        ground = float(np.median([p.height_m for p in control]))
    photos = [
        _placed(p, maps[p.index], ground) if p.index in maps else p for p in block.photos if held[p.index]
    ]
    dropped = tuple(
        Dropped(p.name, f"{p.path}: {p.why_unplaced}; it shows no ground that placed photos show")
        for p in lost
        if not held[p.index]
    )
    count_of = np.cumsum(held) - 1
    return Found(
        replace(
            block,
            photos=tuple(replace(p, index=n) for n, p in enumerate(photos)),
            ground_up_m=ground,
        ),
        [f for f, keep in zip(features, held, strict=True) if keep],
        [
            replace(m, first=int(count_of[m.first]), second=int(count_of[m.second]))
            for m in matches
            if held[m.first] and held[m.second]
        ],
        dropped,
    )


def _parts(count: int, matches: Sequence[PairMatches]) -> npt.NDArray[np.int32]:
    """(m,) which photos hang together by matches."""
    first, second = (np.array([getattr(m, k) for m in matches], int) for k in ("first", "second"))
    graph = coo_matrix((np.ones(len(first)), (first, second)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1])


def _held(block: Block, part: npt.NDArray[np.int32], marks: Sequence[_Mark]) -> npt.NDArray[np.bool_]:
    """(m,) which photos hang together with a placed one or with enough control points."""
    good = {int(part[p.index]) for p in block.photos if p.placed}
    for component in set(part.tolist()) - good:
        points = {point.name for point, photo, _ in marks if part[photo] == component}
        if len(points) >= _LEAST_CONTROL:
            good.add(component)
    return np.isin(part, list(good))


def _flat(photo: Photo, xy: npt.NDArray[np.floating]) -> Complex:
    """(n,) pixels as right and, imaginary, up of the middle, over the focal length."""
    right, down = ((np.asarray(xy, float) - photo.camera.principal_px) / photo.camera.focal_px).T
    return np.asarray(right - 1j * down)


def _maps(
    block: Block,
    features: Sequence[Features],
    matches: Sequence[PairMatches],
    part: npt.NDArray[np.int32],
    held: npt.NDArray[np.bool_],
) -> dict[int, Map]:
    """The maps of the photos that are held and have no position. Where none of a part has one, its photo with
    most matches lies at 0, one wide, and the others as seen from it."""
    known = {p.index: _map_of(p, block.ground_up_m) for p in block.photos if p.placed}
    roots: dict[int, Map] = {}
    links = np.bincount([i for m in matches for i in (m.first, m.second)], minlength=len(part))
    for component in np.unique(part[held]):
        mine = np.flatnonzero(part == component)
        if not any(i in known for i in mine.tolist()):
            roots[int(mine[np.argmax(links[mine])])] = (1.0 + 0j, 0j)
    fixed = known | roots
    column = {int(i): 2 * n for n, i in enumerate(i for i in np.flatnonzero(held) if int(i) not in fixed)}
    at_row, at_column, values, wanted = [], [], [], []
    rows = 0
    for m in matches:
        if not (m.first in column or m.second in column):
            continue
        some = np.linspace(0, len(m.first_ids) - 1, min(_PER_MATCH, len(m.first_ids))).astype(int)
        right = np.zeros(len(some), complex)
        for photo, ids, sign in ((m.first, m.first_ids, 1.0), (m.second, m.second_ids, -1.0)):
            flat = _flat(block.photos[photo], features[photo].xy_px[ids[some]])
            if photo in column:
                at_row += [rows + np.arange(len(some))] * 2
                at_column += [np.full(len(some), column[photo] + k) for k in (0, 1)]
                values += [sign * flat, np.full(len(some), sign + 0j)]
            else:
                right -= sign * (flat * fixed[photo][0] + fixed[photo][1])
        wanted.append(right)
        rows += len(some)
    if column:
        size = (rows, 2 * len(column))
        index = (np.concatenate(at_row), np.concatenate(at_column))
        found = _least_squares(coo_matrix((np.concatenate(values), index), size), np.concatenate(wanted))
        roots |= {i: (complex(found[at]), complex(found[at + 1])) for i, at in column.items()}
    return roots


def _least_squares(design: coo_matrix, wanted: Complex) -> Complex:
    """Robust: what lies far off loses its weight."""
    rows = design.tocsr()
    weight = np.ones(len(wanted))
    for _ in range(_SWEEPS):
        scaled = rows.multiply(weight[:, None]).tocsr()
        normal = (rows.getH() @ scaled + 1e-9 * identity(rows.shape[1])).tocsc()
        found = np.asarray(spsolve(normal, rows.getH() @ (weight * wanted)))
        off = np.abs(rows @ found - wanted)
        weight = 1 / (1 + (off / max(3 * float(np.median(off)), 1e-6)) ** 2)
    return found


def _on_the_map(block: Block, maps: dict[int, Map], seen: Sequence[_Mark]) -> Map:
    """The turn, scale and shift that bring marks, as their photos have them, to where they were surveyed."""
    there, wanted = [], []
    for point, photo, mark in seen:
        turn, shift = maps[photo]
        there.append(turn * _flat(block.photos[photo], np.array([[mark.x_px, mark.y_px]]))[0] + shift)
        east, north = block.frame.to_local(point.lat_deg, point.lon_deg)
        wanted.append(complex(east, north))
    design = coo_matrix(np.stack([np.array(there), np.ones(len(there), complex)], axis=1))
    turn, shift = _least_squares(design, np.array(wanted))
    return complex(turn), complex(shift)


def _map_of(photo: Photo, ground_up_m: float | None) -> Map:
    """The map of a placed photo that looks down: the scale is its height, the turn its yaw."""
    height, yaw = height_above_ground_m(photo, ground_up_m), np.radians(photo.prior.yaw_deg)
    return complex(height * np.exp(-1j * yaw)), complex(photo.prior.east_m, photo.prior.north_m)


def _placed(photo: Photo, lies: Map, ground_up_m: float | None) -> Photo:
    """The photo with a prior by its map."""
    turn, place = lies
    east, north = place.real, place.imag
    height = max(abs(turn), 2.0)
    yaw = float(-np.degrees(np.angle(turn)) % 360)
    up = (0.0 if ground_up_m is None else ground_up_m) + height
    return replace(
        photo,
        prior=Pose(east, north, up, yaw, -90.0, 0.0),
        sigma_h_m=_SIGMA_SHARE * height,
        sigma_v_m=_SIGMA_SHARE * height,
        sigma_yaw_deg=_SIGMA_YAW_DEG,
        sigma_tilt_deg=_SIGMA_TILT_DEG,
    )
