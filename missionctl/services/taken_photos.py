"""Which photos really came: files that are whole, camera events that say so, each photo once."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

from imagery.geotag import PhotoStamp, event_tags, match_photos
from imagery.photo_tags import PhotoTagError, PhotoTags, read_tags
from imagery.photos import PHOTO_SUFFIXES, camera_of, list_photo_files
from plans.cameras import Camera, camera_database
from plans.frames import FloatArray, GeoPoint, LocalFrame
from plans.mission import CameraEvent
from plans.taken import TakenPhoto

_SAME_M = 8.0
"""A photo and a camera event so near to each other are taken for one photo..."""
_SURELY_APART_M = 30.0
"""... and those further from each other are two, whatever their clocks say."""
_SESSION = dt.timedelta(hours=6)
_NEVER = dt.datetime(1, 1, 1, tzinfo=dt.UTC)
_JPEG_END = b"\xff\xd9"
_TAIL, _EMPTY = 65_536, 512


@dataclass(frozen=True)
class FlightShots:
    """The camera events of a flight, and the camera that it carried where that is known."""

    events: tuple[CameraEvent, ...]
    camera: Camera | None = None


@dataclass(frozen=True)
class _Shot:
    """A photo that came: a file's tags, an event's, or both in one."""

    tags: PhotoTags
    name: str
    file: Path | None
    event: CameraEvent | None = None
    camera: Camera | None = None

    @property
    def has_place(self) -> bool:
        return self.tags.lat_deg is not None and self.tags.lon_deg is not None

    @property
    def clock_utc(self) -> dt.datetime | None:
        """When it was taken; by a camera's own clock that is only good for comparing it with itself."""
        clock = self.tags.clock
        return self.tags.time_utc or (clock.replace(tzinfo=dt.UTC) if clock else None)


@dataclass(frozen=True)
class Taken:
    """The photos that came and what did not count: broken files, files that nothing says the place of, copies
    of the same photo, events of photos that failed. `confirmed` events told of a photo that is there too."""

    shots: tuple[_Shot, ...]
    files: int
    broken: tuple[str, ...]
    without_position: int
    repeated: int
    events: int
    failed: int
    confirmed: int

    def places(self) -> list[GeoPoint | CameraEvent]:
        """Where they were taken, for a comparison with planned photos."""
        return [
            shot.event
            if shot.file is None and shot.event is not None
            else GeoPoint(shot.tags.lat_deg or 0.0, shot.tags.lon_deg or 0.0, shot.tags.alt_amsl_m)
            for shot in self.shots
        ]

    def photos(self, camera: Camera) -> tuple[TakenPhoto, ...]:
        """The photos; those that do not say their camera were taken by `camera`."""
        return tuple(_photo(shot, camera) for shot in self.shots)

    def report(self) -> dict[str, object]:
        """For `--json`, under `photos`."""
        return {
            "counted": len(self.shots),
            "files": self.files,
            "broken": list(self.broken),
            "without_position": self.without_position,
            "repeated": self.repeated,
            "events": self.events,
            "events_failed": self.failed,
            "events_with_photo": self.confirmed,
        }


def read_taken(folders: Sequence[Path], flights: Sequence[FlightShots]) -> Taken:
    """The photos of folders and the camera events of flights, put together. A folder without photos gives
    none; raises MosaicError when one is missing."""
    shots, broken, files = _read_files(folders)
    distinct = _without_copies(shots)
    confirmed = 0
    added: list[_Shot] = []
    free = list(range(len(distinct)))
    for flight in flights:
        good = [event for event in flight.events if event.captured]
        pairs = _pairs([distinct[i] for i in free], good)
        of_flight = [distinct[free[i]].camera for i, _ in pairs]
        known = [camera for camera in of_flight if camera is not None]
        camera = max(dict.fromkeys(known), key=known.count) if known else flight.camera
        for i, j in pairs:
            distinct[free[i]] = _with_event(distinct[free[i]], good[j], flight.camera)
        used, told = {free[i] for i, _ in pairs}, {j for _, j in pairs}
        free = [i for i in free if i not in used]
        confirmed += len(pairs)
        added += [
            _Shot(event_tags(event), f"event {event.index}", None, event, camera)
            for j, event in enumerate(good)
            if j not in told
        ]
    placed = [shot for shot in [*distinct, *added] if shot.has_place]
    events = [event for flight in flights for event in flight.events]
    return Taken(
        shots=tuple(placed),
        files=files,
        broken=tuple(broken),
        without_position=sum(not shot.has_place for shot in distinct),
        repeated=len(shots) - len(distinct),
        events=len(events),
        failed=sum(not event.captured for event in events),
        confirmed=confirmed,
    )


def is_whole(path: Path) -> bool:
    """Whether a photo's file was copied to its end. A JPEG that ends as one should is believed; any other
    file is decoded, which takes its time."""
    if path.suffix.lower() in (".jpg", ".jpeg"):
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - _TAIL, 0))
            tail = file.read()
        written = tail.rstrip(b"\x00")
        if written.endswith(_JPEG_END):
            return True
        if len(tail) - len(written) >= _EMPTY and _JPEG_END not in written:
            return False  # room was made for the file, but it was not filled: decoders do not mind
    try:
        with Image.open(path) as image:
            image.draft("RGB", (image.width // 8, image.height // 8))
            image.load()
    except (OSError, SyntaxError, ValueError, EOFError):
        return False
    return True


def _read_files(folders: Sequence[Path]) -> tuple[list[_Shot], list[str], int]:
    """The photos of folders in the order in which they were taken, the names of broken files, and how many
    files there are."""
    shots: list[_Shot] = []
    broken: list[str] = []
    files = list(dict.fromkeys(file for folder in folders for file in _files(folder)))
    for file in files:
        try:
            tags = read_tags(file)
            whole = is_whole(file)
        except (PhotoTagError, OSError):
            whole = False
        if not whole:
            broken.append(file.name)
            continue
        camera, known = camera_of(tags, file.name)
        told = known or camera.name in camera_database()
        shots.append(_Shot(_sound(tags), str(file), file, camera=camera if told else None))
    return sorted(shots, key=lambda shot: (shot.clock_utc or _NEVER, shot.name)), broken, len(files)


def _files(folder: Path) -> list[Path]:
    if folder.is_dir() and not any(p.suffix.lower() in PHOTO_SUFFIXES for p in folder.iterdir()):
        return []
    return list_photo_files(folder)


def _sound(tags: PhotoTags) -> PhotoTags:
    """Without a position that is none."""
    lat, lon = tags.lat_deg, tags.lon_deg
    if lat is None or lon is None or not (abs(lat) <= 90.0 and abs(lon) <= 180.0):
        return replace(tags, lat_deg=None, lon_deg=None)
    return tags


def _without_copies(shots: Sequence[_Shot]) -> list[_Shot]:
    """Each photo once: copies have the same clock, place and camera."""
    kept: list[_Shot] = []
    seen: set[tuple[object, ...]] = set()
    for shot in shots:
        tags = shot.tags
        key = (tags.time_utc, tags.clock, tags.lat_deg, tags.lon_deg, tags.alt_amsl_m, tags.model)
        if shot.clock_utc is not None and key in seen:
            continue
        seen.add(key)
        kept.append(shot)
    return kept


def _pairs(shots: Sequence[_Shot], events: Sequence[CameraEvent]) -> list[tuple[int, int]]:
    """(photo, event) of the same release: by clocks where they agree, else by place."""
    if not shots or not events:
        return []
    frame = LocalFrame.around([GeoPoint(e.lat_deg, e.lon_deg) for e in events])
    there = np.column_stack(frame.to_local([e.lat_deg for e in events], [e.lon_deg for e in events]))
    lat = [s.tags.lat_deg if s.tags.lat_deg is not None else math.nan for s in shots]
    lon = [s.tags.lon_deg if s.tags.lon_deg is not None else math.nan for s in shots]
    here = np.column_stack(frame.to_local(lat, lon))
    pairs: list[tuple[int, int]] = []
    told: set[int] = set()
    for session in _sessions(shots):
        free = [j for j in range(len(events)) if j not in told]
        for i, j in _by_clock([shots[k] for k in session], [events[j] for j in free]):
            photo, event = session[i], free[j]
            away = float(np.hypot(*(here[photo] - there[event])))
            if not away > _SURELY_APART_M:  # NaN where the photo has no place
                pairs.append((photo, event))
                told.add(event)
    used = {i for i, _ in pairs}
    return pairs + _by_place(here, there, used, told)


def _sessions(shots: Sequence[_Shot]) -> list[list[int]]:
    """The photos cut where nothing was taken for hours: flights of other days are matched by themselves."""
    sessions: list[list[int]] = [[]]
    last = _NEVER
    for i, shot in enumerate(shots):
        now = shot.clock_utc or _NEVER
        if sessions[-1] and now - last > _SESSION:
            sessions.append([])
        sessions[-1].append(i)
        last = now
    return sessions


def _by_clock(shots: Sequence[_Shot], events: Sequence[CameraEvent]) -> list[tuple[int, int]]:
    stamps = [PhotoStamp(str(i), shot.clock_utc) for i, shot in enumerate(shots)]
    number = {id(event): j for j, event in enumerate(events)}
    found = match_photos(stamps, events)
    return [(int(match.photo), number[id(match.event)]) for match in found.matches]


def _by_place(here: FloatArray, there: FloatArray, used: set[int], told: set[int]) -> list[tuple[int, int]]:
    """(photo, event) of what is left and lies close together, nearest first."""
    photos = [i for i in np.flatnonzero(np.isfinite(here).all(axis=1)).tolist() if i not in used]
    events = [j for j in range(len(there)) if j not in told]
    if not photos or not events:
        return []
    tree = cKDTree(there[events])
    near = [
        (float(np.hypot(*(here[i] - there[events[k]]))), i, events[k])
        for i, found in zip(photos, tree.query_ball_point(here[photos], _SAME_M), strict=True)
        for k in found
    ]
    pairs: list[tuple[int, int]] = []
    taken, gone = set(used), set(told)
    for _, i, j in sorted(near):
        if i not in taken and j not in gone:
            taken.add(i)
            gone.add(j)
            pairs.append((i, j))
    return pairs


def _with_event(shot: _Shot, event: CameraEvent, camera: Camera | None) -> _Shot:
    """The photo with what its event knows beside: a place, a height, a heading, the flight's camera."""
    told = event_tags(event)
    tags = shot.tags
    if not shot.has_place:
        tags = replace(tags, lat_deg=told.lat_deg, lon_deg=told.lon_deg, alt_amsl_m=told.alt_amsl_m)
    if tags.alt_amsl_m is None and tags.height_rel_m is None:
        tags = replace(tags, alt_amsl_m=told.alt_amsl_m)
    if tags.yaw_deg is None and tags.pitch_deg is None:
        tags = replace(tags, yaw_deg=told.yaw_deg, pitch_deg=told.pitch_deg, roll_deg=told.roll_deg)
        tags = replace(tags, flight_yaw_deg=_first(tags.flight_yaw_deg, told.flight_yaw_deg))
    return replace(shot, tags=tags, event=event, camera=shot.camera or camera)


def _photo(shot: _Shot, camera: Camera) -> TakenPhoto:
    tags = shot.tags
    return TakenPhoto(
        camera=_camera(shot, camera),
        lat_deg=_or_nan(tags.lat_deg),
        lon_deg=_or_nan(tags.lon_deg),
        alt_amsl_m=_or_nan(tags.alt_amsl_m),
        alt_rel_m=_or_nan(tags.height_rel_m),
        yaw_deg=_or_nan(_first(tags.yaw_deg, tags.flight_yaw_deg)),
        pitch_deg=_or_nan(tags.pitch_deg),
        roll_deg=_or_nan(tags.roll_deg),
    )


def _camera(shot: _Shot, usual: Camera) -> Camera:
    """The camera of a photo: its own, but `usual` where that is the same one (which may be calibrated, or
    mounted portrait), or where the photo names a camera that nobody knows and sees as wide."""
    own = shot.camera
    if own is None:
        return usual
    sides = sorted((own.image_width_px, own.image_height_px))
    others = sorted((usual.image_width_px, usual.image_height_px))
    alike = abs(sides[0] / sides[1] - others[0] / others[1]) < 0.02
    wide = max(own.footprint_m(1.0)) / max(usual.footprint_m(1.0))
    same = own.name == usual.name if own.name in camera_database() else abs(wide - 1) < 0.1
    return usual if alike and same else own


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
