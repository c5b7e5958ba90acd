"""Which photo belongs to which shutter release.

Cameras' clocks are off by seconds to hours and drift, many tell whole seconds only, photos go missing and
extra ones appear, so the two sequences are aligned as wholes (imagery.alignment) under each clock offset that
comes into question (imagery.clock_offsets). How probable a pair is over all of them is what its match is
worth; where two offsets fit about equally well, nothing is matched.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from imagery.alignment import FloatArray, PairModel, best_pairs, pair_probabilities
from imagery.clock_offsets import ClockFit, odds, rival_fits
from imagery.photo_tags import PhotoTags, read_tags, write_tags
from plans.frames import GeoPoint, LocalFrame
from plans.mission import CameraEvent

MatchedBy = Literal["time", "position", "order"]
Certainty = Literal["sure", "likely", "doubtful"]

_SURE, _LIKELY = 0.99, 0.9
_LEAST_ODDS = 20.0
"""A clock offset must fit so many times better than the next best before photos are matched by it."""
_LEAST_SHARE = 0.6
"""Of the shorter list so many must find a partner."""
_BY_ORDER = 0.9
"""Equal numbers alone: nothing else says that no photo is missing and no other one in its place."""
_AIRFRAME_PITCH_DEG = -40.0  # airframes of surveys stay above this, cameras of surveys look further down
_WHOLE_SECOND_S = 0.5  # cameras cut the fraction off: on average half a second
_POSITION_SIGMA_M = (0.5, 10.0)


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
    """A photo and its shutter release. `confidence` is the probability that they belong together, over all
    alignments and clock offsets that come into question."""

    photo: str
    event: CameraEvent
    by: MatchedBy
    residual: float  # seconds, or metres when matched by position; 0 by order
    confidence: float

    @property
    def certainty(self) -> Certainty:
        """The same in a word: sure from 99 %, likely from 90 %."""
        return "sure" if self.confidence >= _SURE else "likely" if self.confidence >= _LIKELY else "doubtful"


@dataclass(frozen=True)
class Rival:
    """The next best alignment: its clock offset, by how many photos it is shifted, and how many times better
    the chosen one fits."""

    clock_offset_s: float
    shift: int
    odds: float


@dataclass(frozen=True)
class GeotagResult:
    """All matches, and what found no partner. `ambiguous`: two alignments fit about equally well, so that
    nothing was matched by time; `rival` is the other one then."""

    matches: tuple[PhotoMatch, ...]
    photos_without_event: tuple[str, ...]
    events_without_photo: tuple[int, ...]
    clock_offset_s: float | None
    clock_drift_ppm: float | None = None
    rival: Rival | None = None
    ambiguous: bool = False

    def counts(self) -> dict[Certainty, int]:
        """How many matches there are of each certainty."""
        words: tuple[Certainty, ...] = ("sure", "likely", "doubtful")
        return {word: sum(m.certainty == word for m in self.matches) for word in words}


def match_photos(
    photos: Sequence[PhotoStamp], events: Sequence[CameraEvent], within_s: float | None = None
) -> GeotagResult:
    """Align photos with events by time where their clocks agree up to an offset, else by position, else by
    order when both are equally many.

    Photos without a clock among others with one stay unmatched. `within_s`: the clocks are known to agree so
    well, other offsets are not looked at.
    """
    taken = sorted((e for e in events if e.captured), key=lambda e: e.time_utc)
    nothing = GeotagResult((), tuple(p.name for p in photos), tuple(e.index for e in taken), None)
    if not photos or not taken:
        return nothing
    timed = sorted((p for p in photos if p.clock is not None), key=lambda p: (p.clock, p.name))
    by_time = _by_time(timed, taken, photos, within_s) if timed else None
    if by_time is not None and not by_time.ambiguous:
        return by_time
    if all(p.lat_deg is not None for p in photos):
        residuals = _position_residuals(photos, taken)
        return _by_position(photos, taken, residuals)
    if by_time is not None:
        return by_time
    if not timed and len(photos) == len(taken):
        pairs = [(i, i) for i in range(len(photos))]
        sure = np.full((len(photos), len(taken)), _BY_ORDER)
        return _result(photos, taken, pairs, np.zeros_like(sure), sure, "order")
    return nothing


def _by_time(
    timed: Sequence[PhotoStamp],
    events: Sequence[CameraEvent],
    photos: Sequence[PhotoStamp],
    within_s: float | None,
) -> GeotagResult | None:
    """The matches by time, None when the clocks have nothing to do with each other."""
    base = events[0].time_utc
    photo_s = np.array([(p.clock - base).total_seconds() for p in timed if p.clock is not None])
    event_s = np.array([(e.time_utc - base).total_seconds() for e in events])
    whole = all(p.clock is not None and p.clock.microsecond == 0 for p in timed)
    photo_s += _WHOLE_SECOND_S * whole
    fits = rival_fits(photo_s, event_s, within_s, step_s=1.0 * whole)
    if not fits or len(fits[0].pairs) < _LEAST_SHARE * min(len(timed), len(events)):
        return None
    best, rival = fits[0], _rival(fits)
    if rival is not None and rival.odds < _LEAST_ODDS:
        return GeotagResult(
            (),
            tuple(p.name for p in photos),
            tuple(e.index for e in events),
            best.offset_s,
            best.drift_ppm,
            rival,
            ambiguous=True,
        )
    chances = _over_all(fits)
    found = _result(timed, events, best.pairs, best.residuals, chances, "time")
    lost = tuple(p.name for p in photos if p.clock is None)
    return replace(
        found,
        photos_without_event=(*found.photos_without_event, *lost),
        clock_offset_s=best.offset_s,
        clock_drift_ppm=best.drift_ppm,
        rival=rival,
    )


def _rival(fits: Sequence[ClockFit]) -> Rival | None:
    """The alignment that comes closest to the best one."""
    if len(fits) < 2:
        return None
    best = fits[0]
    other = min(fits[1:], key=lambda fit: odds(best, fit))
    columns = dict(best.pairs)
    shifts = [j - columns[i] for i, j in other.pairs if i in columns]
    return Rival(other.offset_s, round(float(np.median(shifts))) if shifts else 0, odds(best, other))


def _over_all(fits: Sequence[ClockFit]) -> FloatArray:
    """The probability of each pair over all offsets, weighed by how well they fit."""
    weights = np.array([1.0, *(1 / max(odds(fits[0], fit), 1.0) for fit in fits[1:])])
    total = np.zeros_like(fits[0].residuals)
    for fit, weight in zip(fits, weights / weights.sum(), strict=True):
        if weight > 1e-6:
            total += weight * pair_probabilities(fit.residuals, fit.model)[0]
    return total


def _by_position(
    photos: Sequence[PhotoStamp], events: Sequence[CameraEvent], residuals: FloatArray
) -> GeotagResult:
    steps = _steps_m(events)
    spacing = max(float(np.median(steps)), 1.0) if len(steps) else 20.0
    model = PairModel(_POSITION_SIGMA_M[1] / 2, spacing)
    for _ in range(3):
        pairs = best_pairs(residuals, model)
        if not pairs:
            break
        near = np.array([residuals[i, j] for i, j in pairs])
        sigma = float(np.clip(1.4826 * np.median(near), *_POSITION_SIGMA_M))
        model = PairModel(sigma, spacing)
    return _result(photos, events, pairs, residuals, pair_probabilities(residuals, model)[0], "position")


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


def _position_residuals(photos: Sequence[PhotoStamp], events: Sequence[CameraEvent]) -> FloatArray:
    frame = LocalFrame.around([GeoPoint(e.lat_deg, e.lon_deg) for e in events])
    pe, pn = frame.to_local([p.lat_deg or 0.0 for p in photos], [p.lon_deg or 0.0 for p in photos])
    ee, en = frame.to_local([e.lat_deg for e in events], [e.lon_deg for e in events])
    return np.hypot(pe[:, None] - ee[None, :], pn[:, None] - en[None, :])


def _steps_m(events: Sequence[CameraEvent]) -> FloatArray:
    """Metres from each event to the next."""
    frame = LocalFrame.around([GeoPoint(e.lat_deg, e.lon_deg) for e in events])
    east, north = frame.to_local([e.lat_deg for e in events], [e.lon_deg for e in events])
    return np.asarray(np.hypot(np.diff(east), np.diff(north)))


def _result(
    photos: Sequence[PhotoStamp],
    events: Sequence[CameraEvent],
    pairs: Sequence[tuple[int, int]],
    residuals: FloatArray,
    chances: FloatArray,
    by: MatchedBy,
) -> GeotagResult:
    matches = tuple(
        PhotoMatch(photos[i].name, events[j], by, abs(float(residuals[i, j])), float(min(chances[i, j], 1.0)))
        for i, j in pairs
    )
    used_photos, used_events = {i for i, _ in pairs}, {j for _, j in pairs}
    return GeotagResult(
        matches,
        tuple(p.name for i, p in enumerate(photos) if i not in used_photos),
        tuple(e.index for j, e in enumerate(events) if j not in used_events),
        None,
    )
