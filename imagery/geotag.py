"""Which photo belongs to which shutter release.

Cameras' clocks are off by seconds to hours, photos go missing and extra ones appear, so the two sequences
are aligned as wholes: first the clock offset by a vote over all pairs, then an order-keeping alignment
(Needleman-Wunsch) that may leave photos and events unmatched.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from imagery.photo_tags import PhotoTags, read_tags, write_tags
from plans.frames import GeoPoint, LocalFrame
from plans.mission import CameraEvent

MatchedBy = Literal["time", "position", "order"]
FloatArray = npt.NDArray[np.float64]

_VOTE_BIN_S = 0.05
_TIME_SCALE_S = 0.5
_POSITION_SCALE_M = 5.0
_AIRFRAME_PITCH_DEG = -40.0  # airframes of surveys stay above this, cameras of surveys look further down
_GAP_COST = 1.5  # so a pair further apart than three scales is left unmatched on both sides


@dataclass(frozen=True)
class PhotoStamp:
    """What a photo tells for matching: its name, its clock and its place, where it has them."""

    name: str
    clock: dt.datetime | None
    lat_deg: float | None = None
    lon_deg: float | None = None

    @classmethod
    def read(cls, path: Path) -> PhotoStamp:
        """From a file's tags."""
        tags = read_tags(path)
        clock = tags.time_utc or (tags.clock.replace(tzinfo=dt.UTC) if tags.clock else None)
        return cls(path.name, clock, tags.lat_deg, tags.lon_deg)


@dataclass(frozen=True)
class PhotoMatch:
    """A photo and its shutter release. `confidence` is 1 for a clear match and falls to 0 as the residual
    reaches that of the next best event."""

    photo: str
    event: CameraEvent
    by: MatchedBy
    residual: float  # seconds, or metres when matched by position; 0 by order
    confidence: float


@dataclass(frozen=True)
class GeotagResult:
    """All matches, and what found no partner."""

    matches: tuple[PhotoMatch, ...]
    photos_without_event: tuple[str, ...]
    events_without_photo: tuple[int, ...]
    clock_offset_s: float | None


def match_photos(photos: Sequence[PhotoStamp], events: Sequence[CameraEvent]) -> GeotagResult:
    """Align photos with events by time where their clocks agree up to an offset, else by position, else by
    order when both are equally many. Photos are taken in the order given (by name or by time)."""
    taken = [e for e in events if e.captured]
    if not photos or not taken:
        return GeotagResult((), tuple(p.name for p in photos), tuple(e.index for e in taken), None)
    offset = _clock_offset_s(photos, taken)
    by: MatchedBy
    if offset is not None:
        cost, scale, by = _time_residuals(photos, taken, offset), _TIME_SCALE_S, "time"
    elif all(p.lat_deg is not None for p in photos):
        cost, scale, by = _position_residuals(photos, taken), _POSITION_SCALE_M, "position"
    elif len(photos) == len(taken):
        pairs = [(i, i) for i in range(len(photos))]
        return _result(photos, taken, pairs, np.zeros((len(photos), len(taken))), "order", None)
    else:
        return GeotagResult((), tuple(p.name for p in photos), tuple(e.index for e in taken), None)
    pairs = _align(cost / scale)
    if by == "time" and offset is not None and pairs:
        fine = float(np.median([_signed_s(photos[i], taken[j]) for i, j in pairs]))
        cost, offset = _time_residuals(photos, taken, fine), fine
        pairs = _align(cost / scale)
    return _result(photos, taken, pairs, cost, by, offset if by == "time" else None)


def write_event_tags(folder: Path, result: GeotagResult) -> None:
    """Write each matched event's place, time and attitude into its photo's tags. Pixels are not touched."""
    for match in result.matches:
        write_tags(folder / match.photo, event_tags(match.event))


def event_tags(event: CameraEvent) -> PhotoTags:
    """The tags that a camera event gives a photo.

    An autopilot without a gimbal tells its airframe's attitude, which is near level: that is not where the
    camera looks, and is written as what it is.
    """

    def known(value: float) -> float | None:
        return value if np.isfinite(value) else None

    yaw, pitch, roll = known(event.yaw_deg), known(event.pitch_deg), known(event.roll_deg)
    place = PhotoTags(
        time_utc=event.time_utc,
        lat_deg=event.lat_deg,
        lon_deg=event.lon_deg,
        alt_amsl_m=known(event.alt_amsl_m),
    )
    if pitch is not None and pitch > _AIRFRAME_PITCH_DEG:
        return replace(place, flight_yaw_deg=yaw, flight_pitch_deg=pitch, flight_roll_deg=roll)
    return replace(place, yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll)


def _signed_s(photo: PhotoStamp, event: CameraEvent) -> float:
    assert photo.clock is not None
    return (event.time_utc - photo.clock).total_seconds()


def _clock_offset_s(photos: Sequence[PhotoStamp], events: Sequence[CameraEvent]) -> float | None:
    """Event time less photo time, where all pairwise differences heap up most; None without clocks or
    when fewer than six in ten of the shorter list agree."""
    if any(p.clock is None for p in photos):
        return None
    base = events[0].time_utc
    photo_s = np.array([(p.clock - base).total_seconds() for p in photos if p.clock is not None])
    event_s = np.array([(e.time_utc - base).total_seconds() for e in events])
    differences = (event_s[None, :] - photo_s[:, None]).ravel()
    # A kernel narrower than the time between photos: neighbours' differences spread by the changing
    # intervals, those of true pairs heap up.
    low = float(differences.min()) - 3 * _TIME_SCALE_S
    bins = np.bincount(((differences - low) / _VOTE_BIN_S).astype(np.int64))
    heaps = gaussian_filter1d(bins.astype(float), _TIME_SCALE_S / 2 / _VOTE_BIN_S, mode="constant")
    best_s = low + (int(np.argmax(heaps)) + 0.5) * _VOTE_BIN_S
    voters = differences[np.abs(differences - best_s) <= 2 * _TIME_SCALE_S]
    if len(voters) < 0.6 * min(len(photos), len(events)):
        return None
    return float(np.median(voters))


def _time_residuals(
    photos: Sequence[PhotoStamp], events: Sequence[CameraEvent], offset_s: float
) -> FloatArray:
    signed = np.array([[_signed_s(p, e) for e in events] for p in photos])
    return np.abs(signed - offset_s)


def _position_residuals(photos: Sequence[PhotoStamp], events: Sequence[CameraEvent]) -> FloatArray:
    frame = LocalFrame.around([GeoPoint(e.lat_deg, e.lon_deg) for e in events])
    pe, pn = frame.to_local([p.lat_deg or 0.0 for p in photos], [p.lon_deg or 0.0 for p in photos])
    ee, en = frame.to_local([e.lat_deg for e in events], [e.lon_deg for e in events])
    return np.hypot(pe[:, None] - ee[None, :], pn[:, None] - en[None, :])


def _align(cost: FloatArray) -> list[tuple[int, int]]:
    """Order-keeping pairs of least total cost, gaps at _GAP_COST each (Needleman-Wunsch). Costs (n, m)."""
    n, m = cost.shape
    total = np.zeros((n + 1, m + 1))
    total[0] = np.arange(m + 1) * _GAP_COST
    steps = np.arange(m + 1) * _GAP_COST
    for i in range(1, n + 1):
        straight = np.concatenate([[np.inf], total[i - 1, :-1] + cost[i - 1]])
        row = np.minimum(straight, total[i - 1] + _GAP_COST)
        # the gap along the row, row[j] = min over k <= j of row[k] + (j - k) * gap, as one running minimum
        total[i] = np.minimum.accumulate(row - steps) + steps
    pairs: list[tuple[int, int]] = []
    i, j = n, m
    while i > 0 and j > 0:
        if np.isclose(total[i, j], total[i - 1, j - 1] + cost[i - 1, j - 1]):
            pairs.append((i - 1, j - 1))
            i, j = i - 1, j - 1
        elif np.isclose(total[i, j], total[i - 1, j] + _GAP_COST):
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def _result(
    photos: Sequence[PhotoStamp],
    events: Sequence[CameraEvent],
    pairs: Sequence[tuple[int, int]],
    cost: FloatArray,
    by: MatchedBy,
    offset: float | None,
) -> GeotagResult:
    matches = []
    for i, j in pairs:
        others = np.delete(cost[i], j)
        rival = float(others.min()) if others.size else np.inf
        sure = 1.0 if rival == np.inf else float(np.clip(1 - cost[i, j] / max(rival, 1e-9), 0, 1))
        matches.append(
            PhotoMatch(photos[i].name, events[j], by, float(cost[i, j]), 1.0 if by == "order" else sure)
        )
    used_photos, used_events = {i for i, _ in pairs}, {j for _, j in pairs}
    return GeotagResult(
        tuple(matches),
        tuple(p.name for i, p in enumerate(photos) if i not in used_photos),
        tuple(e.index for j, e in enumerate(events) if j not in used_events),
        offset,
    )
