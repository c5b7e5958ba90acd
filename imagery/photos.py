"""Photos as values: where each was taken from, how sure that is, and which files are none."""

from __future__ import annotations

import datetime as dt
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from imagery.errors import MosaicError
from imagery.geo_file import GeoTags
from imagery.photo_tags import PhotoTagError, PhotoTags, read_tags
from imagery.tag_faults import Judged, camera_key, judge_tags
from plans.cameras import Camera, camera_for_exif_model
from plans.frames import GeoPoint, LocalFrame, Pose

_DNG = ".dng"
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".tif", ".tiff", _DNG})

GPS_SIGMA_H_M = 2.0
GPS_SIGMA_V_M = 3.0
BAROMETER_SIGMA_M = 0.7
"""How well heights above launch agree with each other inside one flight."""
GIMBAL_SIGMA_DEG = (4.0, 1.5)
"""(yaw, tilt) of attitudes that a gimbal reports."""
COURSE_SIGMA_DEG = (25.0, 6.0)
"""(yaw, tilt) where the attitude is only guessed from the course flown."""
MAX_OFF_NADIR_DEG = 55.0
MIN_RTK_SIGMA_M = 0.01
FLIGHT_GAP_S = 900.0
"""So long without a photo, and the next one belongs to another flight."""
NO_POSITION = (
    "has no GPS position in its tags; run `missionctl geotag` with the flight's log, or give ground control "
    "points (--gcp)"
)


@dataclass(frozen=True)
class Dropped:
    """A file that gives nothing to the mosaic, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Photo:
    """A photo with what its tags say of place and attitude, in the block's frame."""

    index: int
    name: str
    path: Path
    camera: Camera
    camera_known: bool
    prior: Pose
    sigma_h_m: float
    sigma_v_m: float
    sigma_yaw_deg: float
    sigma_tilt_deg: float
    clock_s: float | None
    time_utc: dt.datetime | None = None
    placed: bool = True
    """Whether its tags have a position; `prior` is a placeholder until imagery.unplaced finds one."""
    why_unplaced: str = NO_POSITION
    serial: str | None = None


@dataclass(frozen=True)
class Block:
    """Photos that are placed together.

    `ground_up_m` is the first guess of the ground's height (AMSL), None where the tags give no hint.
    `warnings` say which tags were not believed.
    """

    frame: LocalFrame
    photos: tuple[Photo, ...]
    ground_up_m: float | None
    warnings: tuple[str, ...] = ()


def list_photo_files(folder: Path) -> list[Path]:
    """Files of the folder (not of folders inside) that look like photos, by name; of a photo that was saved
    as JPEG and as DNG only the JPEG.

    Raises MosaicError when the folder is missing, cannot be read, or holds none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MosaicError(f"{folder}: no such folder of photos; give the folder that holds the JPEG files")
    try:
        names = photo_names(os.listdir(folder))
    except OSError as error:
        raise MosaicError(
            f"{folder}: cannot be read ({error.strerror}); check the card and the folder's permissions"
        ) from error
    if not names:
        raise MosaicError(
            f"{folder}: holds no photos (.jpg, .jpeg, .tif); check that the card was copied here"
        )
    return [folder / name for name in names]


def photo_names(names: Iterable[str]) -> list[str]:
    """Those names of a folder's files that are a photo's, in order; of a JPEG and a DNG the JPEG's."""
    photos = sorted(n for n in names if _suffix(n) in PHOTO_SUFFIXES and not n.startswith("."))
    developed = {n.rpartition(".")[0] for n in photos if _suffix(n) != _DNG}
    return [n for n in photos if not (_suffix(n) == _DNG and n.rpartition(".")[0] in developed)]


def _suffix(name: str) -> str:
    return name[name.rfind(".") :].lower()


def read_block(
    files: Iterable[Path],
    frame: LocalFrame | None = None,
    anchors: Sequence[GeoPoint] = (),
    geo: GeoTags | None = None,
    read_tags: Callable[[Path], PhotoTags] = read_tags,
) -> tuple[Block, tuple[Dropped, ...]]:
    """Read the tags of photos and place them by what they say, once they have been held against each other.

    Photos without a position are kept where others, or `anchors` (ground control), say where the block is.
    What `geo` says of a photo counts before its own tags.

    Raises MosaicError when no file can be placed; the message gives the first reason.
    """
    read: list[tuple[Path, PhotoTags]] = []
    dropped: list[Dropped] = []
    for path in files:
        try:
            tags = read_tags(path)
        except PhotoTagError as error:
            dropped.append(Dropped(path.name, str(error)))
            continue
        if geo is not None:
            tags = geo.over(path.name, tags)
        reason = _why_unusable(tags)
        if reason:
            dropped.append(Dropped(path.name, f"{path}: {reason}"))
        else:
            read.append((path, tags))
    judged = judge_tags(read)
    dropped += [Dropped(path.name, reason) for path, reason in judged.left_out]
    good = judged.photos
    if not good:
        first = dropped[0].reason if dropped else "no files were given"
        raise MosaicError(f"no usable photo: {first}")
    if not anchors and all(t.lat_deg is None for _, t in good):
        raise MosaicError(f"no usable photo: {good[0][0]}: {NO_POSITION}")
    return _place_by_tags(judged, frame, anchors), tuple(dropped)


def _why_unusable(tags: PhotoTags) -> str | None:
    if (
        tags.lat_deg is not None
        and tags.lon_deg is not None
        and not (abs(tags.lat_deg) <= 85 and abs(tags.lon_deg) <= 180)
    ):
        return f"GPS position {tags.lat_deg}, {tags.lon_deg} is no place where it could have been flown"
    if tags.pitch_deg is not None and abs(tags.pitch_deg) > 1.0 and 90 + tags.pitch_deg > MAX_OFF_NADIR_DEG:
        return f"looks {90 + tags.pitch_deg:.0f} deg off nadir; a mosaic needs photos that look down"
    return None


def _place_by_tags(judged: Judged, frame: LocalFrame | None, anchors: Sequence[GeoPoint]) -> Block:
    good = judged.photos
    told = [
        GeoPoint(t.lat_deg, t.lon_deg) for _, t in good if t.lat_deg is not None and t.lon_deg is not None
    ]
    frame = frame or LocalFrame.around(_without_far_ones(told or anchors))
    nowhere = GeoPoint(frame.origin_lat_deg, frame.origin_lon_deg)
    points = [
        GeoPoint(t.lat_deg, t.lon_deg) if t.lat_deg is not None and t.lon_deg is not None else nowhere
        for _, t in good
    ]
    east, north = frame.to_local([p.lat_deg for p in points], [p.lon_deg for p in points])
    clocks = _clocks_s([t for _, t in good])
    ups, sigma_v, ground = _heights([t for _, t in good], clocks)
    courses = _courses(east, north)
    photos = []
    for i, (path, tags) in enumerate(good):
        camera, known = camera_of(tags, path.name)
        yaw, pitch, roll, sigma_yaw, sigma_tilt = _attitude(tags, courses[i])
        photos.append(
            Photo(
                index=i,
                name=path.name,
                path=path,
                camera=camera,
                camera_known=known,
                prior=Pose(float(east[i]), float(north[i]), float(ups[i]), yaw, pitch, roll),
                sigma_h_m=max(tags.position_sigma_h_m or GPS_SIGMA_H_M, MIN_RTK_SIGMA_M),
                sigma_v_m=float(sigma_v[i]),
                sigma_yaw_deg=sigma_yaw,
                sigma_tilt_deg=sigma_tilt,
                clock_s=clocks[i],
                time_utc=tags.time_utc,
                placed=points[i] is not nowhere,
                why_unplaced=judged.unplaced.get(path, NO_POSITION),
                serial=tags.serial,
            )
        )
    return Block(frame, tuple(photos), ground, tuple(judged.warnings))


def _without_far_ones(points: Sequence[GeoPoint], max_deg: float = 0.5) -> list[GeoPoint]:
    """The points near the median: one photo of another place must not pull the frame away."""
    lat = float(np.median([p.lat_deg for p in points]))
    lon = float(np.median([p.lon_deg for p in points]))
    near = [p for p in points if abs(p.lat_deg - lat) < max_deg and abs(p.lon_deg - lon) < max_deg]
    return near or list(points)


def _heights(
    tags: Sequence[PhotoTags], clocks_s: Sequence[float | None]
) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Camera heights AMSL, their sigmas, and the ground's first guess.

    A receiver that states its accuracy is believed. Otherwise heights above launch (barometer) give the
    differences between photos of a flight and the median of its absolute heights gives the level: the next
    flight may begin elsewhere.
    """
    amsl = np.array([math.nan if t.alt_amsl_m is None else t.alt_amsl_m for t in tags])
    above = np.array([math.nan if t.height_rel_m is None else t.height_rel_m for t in tags])
    stated = np.array([math.nan if t.position_sigma_v_m is None else t.position_sigma_v_m for t in tags])
    launch = _launch_heights(amsl - above, flights_by_clock(clocks_s))
    believed = np.isfinite(stated) & (stated < 0.5) & np.isfinite(amsl)
    by_barometer = np.isfinite(above) & np.isfinite(launch)
    ups = np.where(believed, amsl, np.where(by_barometer, launch + above, amsl))
    if np.isnan(ups).any():
        level = float(np.nanmedian(ups)) if np.isfinite(ups).any() else 0.0
        above_level = np.where(
            np.isfinite(above), above - (np.nanmedian(above) if np.isfinite(above).any() else 0), 0
        )
        ups = np.where(np.isnan(ups), level + above_level, ups)
    sigmas = np.where(
        believed,
        np.maximum(stated, MIN_RTK_SIGMA_M),
        np.where(by_barometer, BAROMETER_SIGMA_M, GPS_SIGMA_V_M),
    )
    return ups, sigmas, float(np.nanmedian(launch)) if np.isfinite(launch).any() else None


def _launch_heights(launch: np.ndarray, flights: np.ndarray) -> np.ndarray:
    """Height AMSL that each photo's barometer counts from: its flight's median, else that of all, or NaN."""
    out = np.full(len(launch), np.nanmedian(launch) if np.isfinite(launch).any() else math.nan)
    for flight in np.unique(flights):
        of_flight = launch[(flights == flight) & np.isfinite(launch)]
        if len(of_flight):
            out[flights == flight] = np.median(of_flight)
    return out


def flights_by_clock(clocks_s: Sequence[float | None]) -> np.ndarray:
    """(m,) the number of each photo's flight: no long gap is inside one. All 0 where a clock is missing."""
    flights = np.zeros(len(clocks_s), np.int64)
    if not any(c is None for c in clocks_s):
        order = np.argsort(np.array(clocks_s, float), kind="stable")
        flights[order[1:]] = np.cumsum(np.diff(np.array(clocks_s, float)[order]) > FLIGHT_GAP_S)
    return flights


def _clocks_s(tags: Sequence[PhotoTags]) -> list[float | None]:
    """Seconds of the cameras' clocks, each camera's moved by its usual distance from UTC where that is told:
    so the photos of several cameras have one time."""
    ahead: dict[tuple[str | None, ...], list[float]] = {}
    for t in tags:
        if t.clock and t.time_utc:
            seconds = (t.clock.replace(tzinfo=dt.UTC) - t.time_utc).total_seconds()
            ahead.setdefault(camera_key(t), []).append(seconds)
    usual = {key: float(np.median(values)) for key, values in ahead.items()}
    return [
        t.clock.replace(tzinfo=dt.UTC).timestamp() - usual.get(camera_key(t), 0.0) if t.clock else None
        for t in tags
    ]


def _courses(east_m: np.ndarray, north_m: np.ndarray) -> np.ndarray:
    """Direction (deg from north) towards the next photo, or from the one before at the end."""
    if len(east_m) < 2:
        return np.zeros(len(east_m))
    course = np.degrees(np.arctan2(np.diff(east_m), np.diff(north_m)))
    return np.append(course, course[-1])


def _attitude(tags: PhotoTags, course_deg: float) -> tuple[float, float, float, float, float]:
    """(yaw, pitch, roll, sigma_yaw, sigma_tilt) in degrees, for a camera that looks down."""
    yaw_sigma, tilt_sigma = GIMBAL_SIGMA_DEG
    pitch, roll = tags.pitch_deg, tags.roll_deg or 0.0
    if pitch is None or abs(pitch) <= 1.0:  # not told, or a gimbal that reports zero whatever it does
        pitch, roll, tilt_sigma = -90.0, 0.0, COURSE_SIGMA_DEG[1]
    if tags.yaw_deg is not None:
        return tags.yaw_deg, pitch, roll, yaw_sigma, tilt_sigma
    if tags.flight_yaw_deg is not None:
        return tags.flight_yaw_deg, pitch, roll, 2 * yaw_sigma, tilt_sigma
    return course_deg, pitch, roll, COURSE_SIGMA_DEG[0], tilt_sigma


def camera_of(tags: PhotoTags, name: str) -> tuple[Camera, bool]:
    """The camera by its EXIF model, else by its focal plane's resolution, else by its 35 mm focal length,
    else a common lens; and whether known.

    The size is the photo's own.
    """
    width, height = tags.image_width_px or 4000, tags.image_height_px or 3000
    known = camera_for_exif_model(tags.model, tags.focal_mm) if tags.model else None
    if known is not None:
        same_shape = abs(known.image_width_px / known.image_height_px - width / height) < 0.02
        if same_shape:
            return known.scaled(width, height), True
        crop = replace(known, sensor_height_mm=known.sensor_width_mm * height / width)
        return crop.scaled(width, height), False
    if tags.focal_mm and tags.sensor_width_mm:
        focal_px = tags.focal_mm / tags.sensor_width_mm * width
    else:
        focal_px = (tags.focal_35mm or 26.0) / 43.2666 * math.hypot(width, height)
    return (
        Camera(
            name=tags.model or f"camera of {name}",
            sensor_width_mm=width / 1000,
            sensor_height_mm=height / 1000,
            focal_mm=focal_px / 1000,
            image_width_px=width,
            image_height_px=height,
        ),
        bool(tags.focal_35mm or (tags.focal_mm and tags.sensor_width_mm)),
    )


def height_above_ground_m(photo: Photo, ground_up_m: float | None) -> float:
    """First guess of a photo's height above ground; never under 5 m."""
    return max(photo.prior.up_m - ground_up_m, 5.0) if ground_up_m is not None else 80.0
