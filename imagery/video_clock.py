"""Which moment of a flight's log a video begins at: by how the picture moves, else by the file's clock.

How fast the picture turns and how fast it runs, over the height, are what the log's yaw and speed are. Every
offset is tried; how much better the best one explains the picture than the next says how sure it is.
"""

from __future__ import annotations

import datetime as dt
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from imagery.errors import PhotoError
from imagery.srt import Track
from plans.frames import FloatArray, LocalFrame

STEP_S = 0.2
SURE_NATS = 12.0
"""An offset is known when the next best explains the picture so much worse: 1 to 160,000 on paper, which
allows for errors that last longer than is reckoned here."""
TELLING_NATS = 10.0
"""So much better must it explain the picture than an offset that explains nothing."""
CLOCK_S = 10.0
"""A camera's clock that is right, its time zone apart, is right to this."""
_ZONE_S, _MOST_ZONES = 900.0, 56
_SMOOTH_S = 0.6
_ALIKE_S = 1.0
"""Errors of the picture's motion last so long: samples nearer than this say the same."""
_APART_S = 1.0
_LEAST_INSIDE = 0.5
_FLOOR_DEGPS, _FLOOR_SHARE = 1.0, 0.05
"""No picture's motion fits better than to this: degrees a second; of its usual speed."""
_LEAST_HEIGHT_M = 5.0
_SMALL_PX = 320
_CORNERS, _LEAST_SEEN = 150, 12
_MP4_EPOCH_S = 2_082_844_800
_LEAST_SIGMA_S = 0.1
"""Gimbals follow the airframe by so much later, and messages tell of moments that are past."""

By = Literal["motion", "motion and clock", "clock", "given"]


@dataclass(frozen=True)
class PictureMotion:
    """How a video's picture moves at times `at_s` (n,), STEP_S apart: `turn_degps` clockwise as the camera
    turns, `run_ps` in picture widths a second; NaN where it cannot be told."""

    at_s: FloatArray
    turn_degps: FloatArray
    run_ps: FloatArray


@dataclass(frozen=True)
class VideoClock:
    """The video begins `offset_s` after the track does, give or take `sigma_s`. `rival_s` is the next best
    offset, which explains the picture `odds_nats` (natural logarithm) worse."""

    offset_s: float
    sigma_s: float
    by: By
    rival_s: float | None = None
    odds_nats: float = math.inf


def picture_motion(video: Path, on_share: Callable[[float], None] | None = None) -> PictureMotion:
    """Measure the motion of a whole video on small pictures.

    Raises PhotoError when it cannot be read.
    """
    capture = cv2.VideoCapture(str(video))
    rows: list[tuple[float, float, float]] = []
    try:
        if not video.is_file() or not capture.isOpened():
            raise PhotoError(f"{video}: cannot be read as a video")
        fps = capture.get(cv2.CAP_PROP_FPS) or 30.0
        frames = capture.get(cv2.CAP_PROP_FRAME_COUNT) or 1.0
        every = max(round(STEP_S * fps), 1)
        before, number = None, 0
        while capture.grab():
            if number % every == 0:
                whole, picture = capture.retrieve()
                if not whole:
                    break
                small = _small(np.asarray(picture, np.uint8))
                if before is not None:
                    rows.append(((number - every / 2) / fps, *_moved(before, small, every / fps)))
                before = small
                if on_share:
                    on_share(min(number / frames, 1.0))
            number += 1
    finally:
        capture.release()
    if not rows:
        raise PhotoError(f"{video}: no frame of it can be decoded")
    table = np.array(rows)
    return PictureMotion(table[:, 0], table[:, 1], table[:, 2])


def _small(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    size = (_SMALL_PX, max(1, round(grey.shape[0] * _SMALL_PX / grey.shape[1])))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _moved(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8], seconds: float) -> tuple[float, float]:
    """(degrees a second, widths a second) from one small picture to the next."""
    unknown = math.nan, math.nan
    corners = cv2.goodFeaturesToTrack(a, _CORNERS, 0.01, 8)
    if corners is None:
        return unknown
    there, found, _ = cv2.calcOpticalFlowPyrLK(a, b, corners, corners.copy(), winSize=(21, 21), maxLevel=3)
    seen = found.ravel() > 0
    if seen.sum() < _LEAST_SEEN:
        return unknown
    turn, inliers = cv2.estimateAffinePartial2D(corners[seen], there[seen], ransacReprojThreshold=1.5)
    if turn is None or inliers.sum() < _LEAST_SEEN:
        return unknown
    middle = (np.array(a.shape[::-1], float) - 1) / 2
    shift = turn[:, :2] @ middle + turn[:, 2] - middle
    angle = math.degrees(math.atan2(turn[1, 0], turn[0, 0]))  # the ground turns against the camera
    return -angle / seconds, float(np.hypot(*shift)) / _SMALL_PX / seconds


def find_clock(motion: PictureMotion, track: Track, created_s: float | None = None) -> VideoClock | None:
    """When the video begins, in seconds of the track; None when neither its motion nor its clock tells.

    `created_s` is when the file says so, in the track's seconds; it may be of another time zone. Offsets
    between which the motion does not decide are told apart by it, or not at all: then the answer has
    `odds_nats` under SURE_NATS.
    """
    offsets, nats = _fits(motion, track)
    tops = _tops(offsets, nats)
    if tops and nats[tops[0]] >= TELLING_NATS:
        best, others = tops[0], tops[1:]
        near = [k for k in tops if nats[best] - nats[k] < SURE_NATS]
        by: By = "motion"
        if len(near) > 1 and created_s is not None:
            agreeing = [k for k in near if _off_clock_s(float(offsets[k]), created_s) <= CLOCK_S]
            if len(agreeing) == 1:
                best, by = agreeing[0], "motion and clock"
                others = [k for k in tops if k not in near]
        rival = others[0] if others else None
        return VideoClock(
            *_peak(offsets, nats, best),
            by,
            None if rival is None else float(offsets[rival]),
            math.inf if rival is None else float(nats[best] - nats[rival]),
        )
    if created_s is None:
        return None
    length_s = float(motion.at_s[-1])
    zones = _ZONE_S * np.arange(-_MOST_ZONES, _MOST_ZONES + 1)
    begins = created_s + zones[np.argsort(np.abs(zones), kind="stable")]
    inside = [b for b in begins.tolist() if track.knows(b) and track.knows(b + length_s)]
    return VideoClock(inside[0], CLOCK_S, "clock") if inside else None


def _off_clock_s(offset_s: float, created_s: float) -> float:
    """How far an offset is from the file's clock, whatever its time zone."""
    apart = offset_s - created_s
    return abs(apart - _ZONE_S * round(apart / _ZONE_S))


def _fits(motion: PictureMotion, track: Track) -> tuple[FloatArray, FloatArray]:
    """Offsets (k,), and by how many nats each explains the picture's motion better than nothing does."""
    first, last = float(track.times_s[0]), float(track.times_s[-1])
    length = float(motion.at_s[-1] - motion.at_s[0])
    grid = np.arange(first - length, last + length, STEP_S)
    turn, run = _flown(track, grid)
    # what the video shows, on steps of its own
    steps = np.arange(len(motion.at_s)) * STEP_S + motion.at_s[0]
    seen_turn, seen_run = (
        _smooth(_filled(motion.at_s, v, steps)) for v in (motion.turn_degps, motion.run_ps)
    )
    whole = len(steps) * STEP_S / _ALIKE_S
    count = len(grid) - len(steps) + 1
    nats = np.full(max(count, 0), -np.inf)
    floors = _FLOOR_DEGPS**2, (_FLOOR_SHARE * float(np.sqrt(np.mean(seen_run**2)))) ** 2
    for k in range(len(nats)):
        part = slice(k, k + len(steps))
        if np.isfinite(run[part]).mean() >= _LEAST_INSIDE:
            by_turn = _explained(seen_turn, turn[part], floors[0], centred=False)
            nats[k] = 0.5 * whole * (by_turn + _explained(seen_run, run[part], floors[1], centred=True))
    return grid[: len(nats)] - motion.at_s[0], nats


def _explained(seen: FloatArray, flown: FloatArray, floor: float, *, centred: bool) -> float:
    """Log of the share of the picture's motion that a stretch of the flight leaves unexplained, negative: a
    positive gain is fitted (the lens is not known), what lies outside the log stays unexplained."""
    inside = np.isfinite(flown)
    base = float(seen.mean()) if centred else 0.0
    x = flown[inside]
    gain = max(float(x @ seen[inside]) / max(float(x @ x), 1e-12), 0.0)
    left = ((seen[inside] - gain * x) ** 2).sum() + ((seen[~inside] - base) ** 2).sum()
    nothing = ((seen - base) ** 2).sum()
    count = len(seen)
    return float(np.log((nothing / count + floor) / (left / count + floor)))


def _flown(track: Track, grid: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(turn in degrees a second, speed over height) at times of the track; NaN where it is not known."""
    half = STEP_S / 2
    edges = np.r_[grid - half, grid[-1] + half]
    known = np.array([track.knows(float(t)) for t in edges])
    places = [track.at(float(t)) for t in edges]
    start = track.samples[0]
    east, north = LocalFrame(start.lat_deg, start.lon_deg).to_local(
        [p.lat_deg for p in places], [p.lon_deg for p in places]
    )
    speed = np.hypot(np.diff(east), np.diff(north)) / STEP_S
    heights = np.array([p.height_rel_m for p in places])
    heights = np.maximum((heights[1:] + heights[:-1]) / 2, _LEAST_HEIGHT_M)
    turn = (np.diff([p.yaw_deg for p in places]) + 180) % 360 - 180
    both = known[1:] & known[:-1]
    out = []
    for values in (turn / STEP_S, speed / heights):
        fine = both & np.isfinite(values)
        out.append(np.where(fine, _smooth(np.where(fine, values, 0.0)), np.nan))
    return out[0], out[1]


def _filled(at_s: FloatArray, values: FloatArray, steps: FloatArray) -> FloatArray:
    """Values at even steps; where the picture did not tell, what lies between."""
    fine = np.isfinite(values)
    return np.interp(steps, at_s[fine], values[fine]) if fine.any() else np.zeros(len(steps))


def _smooth(values: FloatArray) -> FloatArray:
    return np.asarray(gaussian_filter1d(values, _SMOOTH_S / STEP_S, mode="nearest"))


def _tops(offsets: FloatArray, nats: FloatArray) -> list[int]:
    """Local maxima, the best first, none within _APART_S of a better one."""
    if not len(nats):
        return []
    padded = np.r_[-np.inf, nats, -np.inf]
    tops = np.flatnonzero((nats >= padded[:-2]) & (nats > padded[2:]) & np.isfinite(nats))
    chosen: list[int] = []
    for k in tops[np.argsort(-nats[tops], kind="stable")].tolist():
        if all(abs(offsets[k] - offsets[j]) > _APART_S for j in chosen):
            chosen.append(k)
    return chosen


def _peak(offsets: FloatArray, nats: FloatArray, k: int) -> tuple[float, float]:
    """(offset, its sigma) by the parabola through a maximum and its neighbours."""
    if not 0 < k < len(nats) - 1 or not np.isfinite(nats[[k - 1, k + 1]]).all():
        return float(offsets[k]), STEP_S
    down, top, up = (float(v) for v in nats[k - 1 : k + 2])
    bend = down - 2 * top + up
    if bend >= 0:
        return float(offsets[k]), STEP_S
    at = float(offsets[k]) + STEP_S * 0.5 * (down - up) / bend
    return at, max(STEP_S / math.sqrt(-bend), _LEAST_SIGMA_S)


def created_utc(video: Path) -> dt.datetime | None:
    """When an MP4 or QuickTime file says that its recording began (ISO/IEC 14496-12, 8.2.2: mvhd); None when
    it does not. Many cameras write their local time."""
    try:
        with video.open("rb") as file:
            size = video.stat().st_size
            moov = _box(file, b"moov", 0, size)
            head = moov and _box(file, b"mvhd", *moov)
            if not head:
                return None
            file.seek(head[0])
            data = file.read(20)
    except OSError:
        return None
    if len(data) < 20:
        return None
    (seconds,) = struct.unpack_from(">Q", data, 4) if data[0] == 1 else struct.unpack_from(">I", data, 4)
    unix_s = seconds - _MP4_EPOCH_S
    return dt.datetime.fromtimestamp(unix_s, dt.UTC) if 946_684_800 < unix_s < 4_102_444_800 else None


def _box(file: BinaryIO, name: bytes, begin: int, end: int) -> tuple[int, int] | None:
    """(begin, end) of the content of the first box of a name between two places of the file."""
    while begin + 8 <= end:
        file.seek(begin)
        head = file.read(16)
        if len(head) < 8:
            return None
        (size,), kind = struct.unpack_from(">I", head), head[4:8]
        start = begin + 8
        if size == 1 and len(head) == 16:
            (size,), start = struct.unpack_from(">Q", head, 8), begin + 16
        size = size or end - begin
        if size < 8:
            return None
        if kind == name:
            return start, min(begin + size, end)
        begin += size
    return None
