"""What a DJI drone writes beside a video: a subtitle file with the place of every frame, or of every second.

Three dialects: `[latitude: 32.1] [longitude: 35.2] [rel_alt: 19.6 abs_alt: 729.6]` with or without the
gimbal's angles (since 2018), `GPS(149.02,-20.10,9)` with `BAROMETER:1.9` (2016-2018), and
`GPS (3.8, 51.0, 15)` with `H 20.40m` (Phantom 4, Mavic Mini). In the latter two the longitude comes first.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imagery.errors import PhotoError

_TIMES = re.compile(r"(\d+):(\d\d):(\d\d)[,.](\d{1,3})\s*-->")
_CLOCK = re.compile(r"(\d{4})[-.](\d\d)[-.](\d\d) (\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?")
_NUMBER = r"\s*:?\s*([-+]?\d+(?:\.\d+)?)"
_PAIR = re.compile(r"GPS\s*\(\s*([-+]?\d+(?:\.\d+)?)\s*,\s*([-+]?\d+(?:\.\d+)?)")
_NAMES = {
    "lat_deg": ("latitude",),
    "lon_deg": ("longitude", "longtitude"),
    "alt_amsl_m": ("abs_alt",),
    "height_rel_m": ("rel_alt", "BAROMETER", r"\bH(?!\w|\.)", "altitude"),
    "yaw_deg": ("gb_yaw", "gimbal_yaw"),
    "pitch_deg": ("gb_pitch", "gimbal_pitch"),
    "roll_deg": ("gb_roll", "gimbal_roll"),
}
BEYOND_S = 1.0
LONG_GAP_S, NEAR_M = 5.0, 5.0
_PATTERNS = {key: [re.compile(name + _NUMBER) for name in names] for key, names in _NAMES.items()}


@dataclass(frozen=True)
class Sample:
    """Where the drone was `at_s` after the video's start; NaN what the file does not tell."""

    at_s: float
    lat_deg: float
    lon_deg: float
    alt_amsl_m: float = math.nan
    height_rel_m: float = math.nan
    yaw_deg: float = math.nan
    pitch_deg: float = math.nan
    roll_deg: float = math.nan
    clock: dt.datetime | None = None
    """Aware where the zone is known."""
    of_airframe: bool = False
    """The angles are the airframe's, not the camera's."""


@dataclass(frozen=True)
class Track:
    """Samples in the order of their times."""

    samples: tuple[Sample, ...]

    @cached_property
    def times_s(self) -> npt.NDArray[np.float64]:
        """(n,) of the samples."""
        return np.array([s.at_s for s in self.samples])

    def knows(self, seconds: float) -> bool:
        """Whether the drone's place at a time is told: not before it has one, after its end, or where it
        went far between two samples that lie far apart."""
        times = self.times_s
        if not times[0] - BEYOND_S <= seconds <= times[-1] + BEYOND_S:
            return False
        after = int(np.clip(np.searchsorted(times, seconds), 1, len(times) - 1))
        a, b = self.samples[after - 1], self.samples[after]
        north_m = 111_000.0 * (b.lat_deg - a.lat_deg)
        east_m = 111_000.0 * (b.lon_deg - a.lon_deg) * math.cos(math.radians(a.lat_deg))
        return b.at_s - a.at_s <= LONG_GAP_S or math.hypot(east_m, north_m) <= NEAR_M

    def moved(self, seconds: float) -> Track:
        """The same with its times later by so much."""
        return Track(tuple(replace(s, at_s=s.at_s + seconds) for s in self.samples))

    def at(self, seconds: float) -> Sample:
        """Between the samples before and after; the first or last one's beyond the ends."""
        times = self.times_s
        after = int(np.searchsorted(times, seconds))
        a = self.samples[max(after - 1, 0)]
        b = self.samples[min(after, len(times) - 1)]
        share = float(np.clip((seconds - a.at_s) / (b.at_s - a.at_s), 0, 1)) if b.at_s > a.at_s else 0.0

        def mid(key: str) -> float:
            first, second = getattr(a, key), getattr(b, key)
            return float(first + share * (second - first))

        turn = (b.yaw_deg - a.yaw_deg + 180) % 360 - 180
        clock = a.clock + dt.timedelta(seconds=seconds - a.at_s) if a.clock else None
        straight: dict[str, Any] = {k: mid(k) for k in _NAMES if k != "yaw_deg"}
        yaw = float((a.yaw_deg + share * turn) % 360)
        return Sample(seconds, yaw_deg=yaw, clock=clock, of_airframe=a.of_airframe, **straight)


def read_srt(path: Path) -> Track:
    """The track of a subtitle file.

    Raises PhotoError when it cannot be read or tells no positions.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise PhotoError(f"{path}: cannot be read ({error.strerror})") from None
    found = [s for s in (_sample(block) for block in _blocks(text)) if s is not None]
    found.sort(key=lambda s: s.at_s)
    if len(found) < 2:
        raise PhotoError(
            f"{path}: tells no positions; is it the drone's own .SRT, with video captions switched on?"
        )
    return Track(_steady(found))


def _blocks(text: str) -> list[str]:
    """One text for each subtitle, from its line of times on."""
    starts = [m.start() for m in _TIMES.finditer(text)]
    return [text[a:b] for a, b in itertools.pairwise([*starts, len(text)])]


def _sample(block: str) -> Sample | None:
    times = _TIMES.match(block)
    assert times is not None
    hours, minutes, seconds, part = times.groups()
    values: dict[str, Any] = {key: _first(patterns, block) for key, patterns in _PATTERNS.items()}
    pair = _PAIR.search(block)
    if pair and math.isnan(values["lat_deg"]):
        values["lon_deg"], values["lat_deg"] = float(pair[1]), float(pair[2])
    lat, lon = values["lat_deg"], values["lon_deg"]
    if not (abs(lat) <= 90 and abs(lon) <= 180) or lat == lon == 0:  # NaN too: no fix yet
        return None
    at_s = int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(part) / 10 ** len(part)
    return Sample(at_s, clock=_clock(block), **values)


def _first(patterns: Sequence[re.Pattern[str]], block: str) -> float:
    found = next((m for m in (p.search(block) for p in patterns) if m), None)
    return float(found[1]) if found else math.nan


def _clock(block: str) -> dt.datetime | None:
    found = _CLOCK.search(block)
    if not found:
        return None
    try:
        clock = dt.datetime(*(int(v) for v in found.groups()[:6]))  # type: ignore[arg-type]
    except ValueError:
        return None
    return clock + dt.timedelta(seconds=float(f"0.{found[7] or 0}"))


def _steady(samples: list[Sample]) -> tuple[Sample, ...]:
    """The samples where the position changes: receivers tell the same fix in many frames, and a position
    between two fixes is better than a step."""
    kept = [samples[0]]
    for sample in samples[1:-1]:
        if (sample.lat_deg, sample.lon_deg) != (kept[-1].lat_deg, kept[-1].lon_deg):
            kept.append(sample)
    return (*kept, samples[-1])
