"""Tags that cannot be right, found by holding photos against each other, mended where the others tell how.

Each check leaves out photos or mends their tags, and says what it found: which photo, what is wrong, what was
done about it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from imagery.photo_tags import PhotoTags

Cell = tuple[int, int]

APART_M = 1500.0
"""Photos that no chain of photos with gaps below this joins are of another place."""
ZONE_PHOTOS = 3
"""So many photos of another place are a zone of their own; fewer are stray positions."""
SAME_HEIGHT_M = 1.0
HEIGHT_FAULT_M = 60.0
LEVEL_DEG = 1.0
LOOKS_DOWN_DEG = -30.0
CLOCK_FAULT_S = 60.0
FIRST_YEAR = 2010
"""Clocks of cameras that lost their battery start in 1970, 1980 or 2000."""
_SHORT_GAP_S = 2.5
_METRES_PER_DEG = 111_320.0
_SHOWN = 4


@dataclass(frozen=True)
class Judged:
    """Photos with tags that may be believed; `unplaced` are those whose position may not, with the reason,
    `left_out` those that cannot be used, and `warnings` names what was found and mended."""

    photos: list[tuple[Path, PhotoTags]]
    unplaced: dict[Path, str]
    left_out: list[tuple[Path, str]]
    warnings: list[str]


def judge_tags(photos: Sequence[tuple[Path, PhotoTags]], now: dt.datetime | None = None) -> Judged:
    """All checks, one after the other. `now` (UTC) is for clocks that run ahead."""
    judged = Judged(list(photos), {}, [], [])
    _without_duplicates(judged)
    _without_level_ones(judged)
    _mend_clocks(judged, now or dt.datetime.now(dt.UTC))
    _mend_signs_and_split(judged)
    _doubt_copied_positions(judged)
    _mend_heights(judged)
    _tell_missing_headings(judged)
    return judged


def camera_key(tags: PhotoTags) -> tuple[str | None, ...]:
    """What tells one camera's photos from another's."""
    return tags.make, tags.model, tags.serial


def names_of(paths: Sequence[Path]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(p.name for p in paths[:_SHOWN])
    return shown if len(paths) <= _SHOWN else f"{shown} and {len(paths) - _SHOWN} more"


def _replace(judged: Judged, at: int, **values: object) -> None:
    path, tags = judged.photos[at]
    judged.photos[at] = path, replace(tags, **values)  # type: ignore[arg-type]


def _leave_out(judged: Judged, reasons: dict[Path, str]) -> None:
    judged.left_out.extend((path, f"{path}: {reason}") for path, reason in reasons.items())
    judged.photos[:] = [(path, tags) for path, tags in judged.photos if path not in reasons]


def _without_duplicates(judged: Judged) -> None:
    """The same file under two names; only files of one size with one set of tags are read for it."""
    alike: dict[tuple[int, PhotoTags], list[Path]] = defaultdict(list)
    for path, tags in judged.photos:
        alike[_size(path), tags].append(path)
    reasons = {}
    for paths in alike.values():
        first: dict[bytes, Path] = {}
        for path in sorted(paths, key=lambda p: (len(p.name), p.name)) if len(paths) > 1 else ():
            same = first.setdefault(_digest(path), path)
            if same is not path:
                reasons[path] = f"is the same file as {same.name}"
    _leave_out(judged, reasons)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return str(path).encode()  # whoever decodes it says why


def _without_level_ones(judged: Judged) -> None:
    """A gimbal's pitch of zero means nothing where all photos have it, the horizon where others look down."""
    told = [t for _, t in judged.photos if t.pitch_deg is not None]
    down = {camera_key(t) for t in told if t.pitch_deg is not None and t.pitch_deg < LOOKS_DOWN_DEG}
    _leave_out(
        judged,
        {
            path: "looks level, at the horizon or the sky; a mosaic needs photos that look down"
            for path, t in judged.photos
            if t.pitch_deg is not None and abs(t.pitch_deg) <= LEVEL_DEG and camera_key(t) in down
        },
    )


def _mend_clocks(judged: Judged, now: dt.datetime) -> None:
    """Clocks of one camera keep one distance from GPS time; one without it must at least be of our age."""
    by_camera: dict[tuple[str | None, ...], list[int]] = defaultdict(list)
    for at, (_, tags) in enumerate(judged.photos):
        if tags.clock is not None:
            by_camera[camera_key(tags)].append(at)
    for mine in by_camera.values():
        off = {at: _ahead_s(judged.photos[at][1]) for at in mine}
        told = [o for o in off.values() if o is not None]
        usual = float(np.median(told)) if told else None
        wrong: dict[int, str] = {}
        for at in mine:
            tags, ahead = judged.photos[at][1], off[at]
            assert tags.clock is not None
            if ahead is not None and usual is not None and abs(ahead - usual) > CLOCK_FAULT_S:
                assert tags.time_utc is not None
                true = (tags.time_utc + dt.timedelta(seconds=usual)).replace(tzinfo=None)
                wrong[at] = f"its clock is {_span(ahead - usual)} off the camera's other photos by GPS time"
                _replace(judged, at, clock=true)
            elif ahead is None and not FIRST_YEAR <= tags.clock.year <= (now + dt.timedelta(days=1)).year:
                wrong[at] = f"its clock says {tags.clock:%Y-%m-%d}"
                _replace(judged, at, clock=_clock_between(judged, at, set(wrong) | {at}))
        for text in sorted(set(wrong.values())):
            paths = [judged.photos[at][0] for at, said in wrong.items() if said == text]
            judged.warnings.append(f"{names_of(paths)}: {text}; corrected by the other photos")


def _ahead_s(tags: PhotoTags) -> float | None:
    """By how much the camera's clock is ahead of UTC."""
    if tags.clock is None or tags.time_utc is None:
        return None
    return (tags.clock.replace(tzinfo=dt.UTC) - tags.time_utc).total_seconds()


def _clock_between(judged: Judged, at: int, wrong: set[int]) -> dt.datetime | None:
    """The clock of the photos of the same camera before and after it in the folder, None without any."""
    camera = camera_key(judged.photos[at][1])
    before = after = None
    for other, (_, tags) in enumerate(judged.photos):
        if other in wrong or tags.clock is None or tags.clock.year < FIRST_YEAR or camera_key(tags) != camera:
            continue
        if other < at:
            before = tags.clock
        elif after is None:
            after = tags.clock
    if before and after:
        return before + (after - before) / 2
    return before or after


def _span(seconds: float) -> str:
    size = abs(seconds)
    if size >= 86400:
        return f"{size / 86400:.1f} days"
    if size >= 3600:
        return f"{size / 3600:.1f} h"
    return f"{size:.0f} s"


def _mend_signs_and_split(judged: Judged) -> None:
    """Photos far from the most: mirrored positions are put right, strays lose theirs, zones are left out."""
    where = {at: (t.lat_deg, t.lon_deg) for at, (_, t) in enumerate(judged.photos)}
    placed = {at: (lat, lon) for at, (lat, lon) in where.items() if lat is not None and lon is not None}
    groups = _groups(placed)
    if len(groups) < 2:
        return
    main, *others = groups
    lats, lons = (np.array([placed[at][k] for at in main]) for k in (0, 1))
    for group in others:
        mended = _mirrored([placed[at] for at in group], lats, lons)
        paths = [judged.photos[at][0] for at in group]
        if mended is not None:
            what, turn = mended
            for at in group:
                lat, lon = turn(*placed[at])
                _replace(judged, at, lat_deg=lat, lon_deg=lon)
            judged.warnings.append(f"{names_of(paths)}: {what} in the tags; put right by the other photos")
            continue
        away = _away(judged, placed, group, float(np.median(lats)), float(np.median(lons)), len(main))
        if len(group) >= ZONE_PHOTOS:
            judged.left_out.extend((p, f"{p}: {away}; make a mosaic of its own there") for p in paths)
        else:
            for at in group:
                judged.unplaced[judged.photos[at][0]] = away
                _replace(judged, at, lat_deg=None, lon_deg=None)
            judged.warnings.append(f"{names_of(paths)}: {away}; its position is not believed")
    gone = {path for path, _ in judged.left_out}
    judged.photos[:] = [(path, tags) for path, tags in judged.photos if path not in gone]


def _groups(placed: dict[int, tuple[float, float]]) -> list[list[int]]:
    """Photos joined by chains of cells of APART_M that touch, the largest group first."""
    if not placed:
        return []
    shrink = max(math.cos(math.radians(float(np.median([lat for lat, _ in placed.values()])))), 0.05)
    cells: dict[Cell, list[int]] = defaultdict(list)
    for at, (lat, lon) in placed.items():
        metres = lat * _METRES_PER_DEG, lon * _METRES_PER_DEG * shrink
        cells[int(metres[0] // APART_M), int(metres[1] // APART_M)].append(at)
    groups = []
    while cells:
        reached = [next(iter(cells))]
        group = []
        while reached:
            row, col = reached.pop()
            group += cells.pop((row, col), [])
            reached += [
                (r, c) for r in (row - 1, row, row + 1) for c in (col - 1, col, col + 1) if (r, c) in cells
            ]
        groups.append(sorted(group))
    return sorted(groups, key=lambda g: (-len(g), g))


Turn = Callable[[float, float], tuple[float, float]]
_MIRRORS: tuple[tuple[str, Turn], ...] = (
    ("the longitude has the wrong sign", lambda lat, lon: (lat, -lon)),
    ("the latitude has the wrong sign", lambda lat, lon: (-lat, lon)),
    ("latitude and longitude have the wrong sign", lambda lat, lon: (-lat, -lon)),
    ("latitude and longitude are swapped", lambda lat, lon: (lon, lat)),
)


def _mirrored(
    places: Sequence[tuple[float, float]], lats: np.ndarray, lons: np.ndarray
) -> tuple[str, Turn] | None:
    """The mirror that brings all places among the others, if one does."""
    margin = APART_M / _METRES_PER_DEG
    for what, turn in _MIRRORS:
        turned = np.array([turn(lat, lon) for lat, lon in places])
        within = [
            (v >= known.min() - margin) & (v <= known.max() + margin)
            for v, known in zip(turned.T, (lats, lons), strict=True)
        ]
        if np.all(within):
            return what, turn
    return None


def _away(
    judged: Judged,
    placed: dict[int, tuple[float, float]],
    group: Sequence[int],
    lat_deg: float,
    lon_deg: float,
    others: int,
) -> str:
    lat, lon = np.median([placed[at] for at in group], axis=0)
    north = (lat - lat_deg) * _METRES_PER_DEG
    east = (lon - lon_deg) * _METRES_PER_DEG * math.cos(math.radians(lat_deg))
    side = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
    towards = side[round(math.degrees(math.atan2(east, north)) / 45) % 8]
    return f"lies {math.hypot(north, east) / 1000:.1f} km {towards} of the {others} photos of this mosaic"


def _doubt_copied_positions(judged: Judged) -> None:
    """One position in photos of different moments: copied from one of them, or a receiver that stood still.

    Two photos within seconds share a fix where a camera asks its receiver seldom; the adjustment can tell.
    One photo of a block that has no other position keeps it, so that the mosaic knows about where it lies.
    """
    by_place: dict[tuple[float, float], list[int]] = defaultdict(list)
    for at, (_, t) in enumerate(judged.photos):
        if t.lat_deg is not None and t.lon_deg is not None:
            by_place[t.lat_deg, t.lon_deg].append(at)
    for place, group in by_place.items():
        if len(group) < 2:
            continue
        clocks = [judged.photos[at][1].clock for at in group]
        known = [c for c in clocks if c is not None]
        if len(set(clocks)) == 1 and clocks[0] is not None:
            continue  # one moment: several cameras of one drone, or a burst
        if len(group) == 2 and len(known) == 2 and abs((known[1] - known[0]).total_seconds()) <= _SHORT_GAP_S:
            continue
        paths = [judged.photos[at][0] for at in group]
        text = f"{len(group)} photos have the same position in their tags ({place[0]:.6f}, {place[1]:.6f})"
        judged.warnings.append(f"{names_of(paths)}: {text}; they are placed by what they show")
        for at in group[1:] if len(by_place) == 1 else group:
            judged.unplaced[judged.photos[at][0]] = text
            _replace(judged, at, lat_deg=None, lon_deg=None)


def _mend_heights(judged: Judged) -> None:
    """Height above sea and height above launch, one written in place of the other."""
    both = {
        at: (t.alt_amsl_m, t.height_rel_m)
        for at, (_, t) in enumerate(judged.photos)
        if t.alt_amsl_m is not None and t.height_rel_m is not None
    }
    if not both:
        return
    amsl, above = np.array(list(both.values()), float).T
    launch = float(np.median(amsl - above))
    if len(both) > 1 and np.all(np.abs(amsl - above) < SAME_HEIGHT_M):
        judged.warnings.append(
            f"all {len(both)} photos: height above sea level equals height above launch; unless that was at "
            "sea level, heights of this mosaic count from the launch point"
        )
        return
    wrong_amsl, wrong_above = [], []
    for at, sea, rel in zip(both, amsl, above, strict=True):
        if abs(sea - rel) >= SAME_HEIGHT_M or abs(sea - rel - launch) < HEIGHT_FAULT_M:
            continue
        path = judged.photos[at][0]
        if abs(rel - np.median(above)) <= abs(sea - np.median(amsl)):
            wrong_amsl.append(path)
            _replace(judged, at, alt_amsl_m=float(launch + rel))
        else:
            wrong_above.append(path)
            _replace(judged, at, height_rel_m=float(sea - launch))
    for paths, what in (
        (wrong_amsl, "the height above sea level is really that above launch"),
        (wrong_above, "the height above launch is really that above sea level"),
    ):
        if paths:
            judged.warnings.append(f"{names_of(paths)}: {what}; put right by the other photos")


def _tell_missing_headings(judged: Judged) -> None:
    bare = [path for path, t in judged.photos if t.yaw_deg is None and t.flight_yaw_deg is None]
    if bare:
        judged.warnings.append(
            f"{names_of(bare)}: no heading in the tags; taken from the course and the matches"
        )
