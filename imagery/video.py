"""Frames of a video as photos: as far apart as the overlap asks, each the sharpest of its surroundings."""

from __future__ import annotations

import datetime as dt
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from imagery.errors import PhotoError
from imagery.photo_tags import PhotoTags, embed_tags
from imagery.srt import Sample, Track
from plans.frames import LocalFrame

UInt8 = npt.NDArray[np.uint8]
OnShare = Callable[[float], None]

FOCAL_SHARE = 0.7
"""Focal length over the picture's width where nothing is known: 26 mm on 36 mm film, as most drones have."""
WINDOW = 0.2
"""Share of the distance between frames by which the sharpest one may be nearer or farther."""
CANDIDATES = 7
MIN_HEIGHT_M = 5.0
DEFAULT_HEIGHT_M = 50.0
JPEG_QUALITY = 95
_TRACK_STEP_S = 0.1


@dataclass(frozen=True)
class Frame:
    """A frame that was written: its file, when in the video, and where."""

    name: str
    at_s: float
    place: Sample
    sharpness: float


@dataclass(frozen=True)
class FrameRules:
    """`overlap` (0..1) of neighbours along the flight."""

    overlap: float = 0.8

    def __post_init__(self) -> None:
        if not 0 <= self.overlap <= 0.95:
            raise PhotoError(f"an overlap of {100 * self.overlap:g} % is no use; frames need 0 to 95 %")


def take_frames(
    video: Path, track: Track, out: Path, rules: FrameRules | None = None, on_share: OnShare | None = None
) -> tuple[Frame, ...]:
    """Write frames of a video with their places into a new folder `out`, which appears when it is whole.

    A video that ends too early gives the frames that it has. Raises PhotoError when it cannot be read, gives
    no frame, or the folder cannot be written or is not empty.
    """
    rules = rules or FrameRules()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PhotoError(f"{out}: is there already; name another folder")
    capture = cv2.VideoCapture(str(video))
    beside = out.with_name(f".{out.name}.part{os.getpid()}")
    try:
        if not video.is_file() or not capture.isOpened():
            raise PhotoError(f"{video}: cannot be read as a video")
        width, height = (int(capture.get(k)) for k in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        fps = capture.get(cv2.CAP_PROP_FPS) or 30.0
        length_s = capture.get(cv2.CAP_PROP_FRAME_COUNT) / fps
        share_of_height = (1 - rules.overlap) * min(width, height) / (FOCAL_SHARE * width)
        windows = choose_windows(track, length_s, share_of_height)
        beside.mkdir(parents=True)
        frames = []
        for number, (at_s, picture, sharpness) in enumerate(_sharpest(capture, fps, windows)):
            name = f"{video.stem}_{number:04d}.jpg"
            place = track.at(at_s)
            _write(beside / name, picture, _tags(video, place, at_s))
            frames.append(Frame(name, at_s, place, sharpness))
            if on_share:
                on_share((number + 1) / len(windows))
        if not frames:
            raise PhotoError(f"{video}: no frame of it can be decoded")
        if out.exists():
            out.rmdir()
        os.replace(beside, out)
    except OSError as error:
        raise PhotoError(f"{out}: cannot be written ({error.strerror})") from None
    finally:
        capture.release()
        shutil.rmtree(beside, ignore_errors=True)
    return tuple(frames)


def choose_windows(track: Track, length_s: float, share_of_height: float) -> list[tuple[float, float]]:
    """Times (from, to) in seconds, each for one frame: the drone goes `share_of_height` of its height from
    one to the next. Where it hovers, and where nobody knows its place, there is none."""
    times = np.arange(0.0, max(length_s, _TRACK_STEP_S), _TRACK_STEP_S)
    times = times[[track.knows(float(t)) for t in times]]
    if not len(times):
        return []
    samples = [track.at(float(t)) for t in times]
    first = samples[0]
    east, north = LocalFrame(first.lat_deg, first.lon_deg).to_local(
        [s.lat_deg for s in samples], [s.lon_deg for s in samples]
    )
    step = np.r_[0.0, np.hypot(np.diff(east), np.diff(north))]
    height = np.array([_height_m(s) for s in samples])
    gone = np.cumsum(step / (share_of_height * height))  # in distances of frames
    windows = []
    for number in range(math.floor(gone[-1] + WINDOW) + 1):
        within = np.flatnonzero(np.abs(gone - number) <= WINDOW)
        if len(within):
            run = within[: int(np.argmax(np.r_[np.diff(within) > 1, True])) + 1]
            windows.append((float(times[run[0]]), float(times[run[-1]])))
    return windows


def _height_m(sample: Sample) -> float:
    return max(sample.height_rel_m, MIN_HEIGHT_M) if math.isfinite(sample.height_rel_m) else DEFAULT_HEIGHT_M


def _sharpest(
    capture: cv2.VideoCapture, fps: float, windows: Sequence[tuple[float, float]]
) -> Iterator[tuple[float, UInt8, float]]:
    """(time, picture, sharpness) of the sharpest candidate of each window; only candidates are decoded."""
    number = -1
    for begin_s, end_s in windows:
        wanted = {
            int(n)
            for n in np.rint(np.linspace(math.ceil(begin_s * fps), math.floor(end_s * fps), CANDIDATES))
        }
        best: tuple[float, UInt8, float] | None = None
        for frame in sorted(wanted):
            while number < frame:
                if not capture.grab():
                    break
                number += 1
            if number != frame:
                continue  # passed already, or the video has ended
            whole, picture = capture.retrieve()
            if whole:
                pixels = np.asarray(picture, np.uint8)
                sharpness = _sharpness(pixels)
                if best is None or sharpness > best[2]:
                    best = frame / fps, pixels, sharpness
        if best is not None:
            yield best


def _sharpness(picture: npt.NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of the picture at half its size."""
    small = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), None, fx=0.5, fy=0.5)
    return float(cv2.Laplacian(small, cv2.CV_32F).var())


def _tags(video: Path, place: Sample, at_s: float) -> PhotoTags:
    whose = "flight_" if place.of_airframe else ""
    names = {key: key for key in ("alt_amsl_m", "height_rel_m")}
    names |= {key: whose + key for key in ("yaw_deg", "pitch_deg", "roll_deg")}
    told = {tag: v for key, tag in names.items() if math.isfinite(v := getattr(place, key))}
    clock = place.clock or dt.datetime.fromtimestamp(video.stat().st_mtime) + dt.timedelta(seconds=at_s)
    model = f"video {video.stem}"  # each video may have its own zoom and stabilisation
    utc = clock if clock.tzinfo else None
    clock = clock.replace(tzinfo=None)
    return PhotoTags(
        model=model, clock=clock, time_utc=utc, lat_deg=place.lat_deg, lon_deg=place.lon_deg, **told
    )


def _write(path: Path, picture: UInt8, tags: PhotoTags) -> None:
    whole, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not whole:
        raise PhotoError(f"{path.name}: a frame could not be written as JPEG")
    path.write_bytes(embed_tags(data.tobytes(), tags))
