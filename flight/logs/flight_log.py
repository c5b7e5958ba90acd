"""What a log of a flight holds, whatever its format."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flight.logs.track import TrackPoint
from flight.photos.events import same_place
from plans.mission import CameraEvent

GPS_EPOCH_S = 315_964_800
"""1980-01-06 in Unix seconds."""
LEAP_S = 18
"""GPS time is ahead of UTC by this much since 2017."""


@dataclass(frozen=True)
class ModeChange:
    """From this moment on the vehicle was in a mode."""

    time_utc: dt.datetime
    mode: str


@dataclass(frozen=True)
class LogText:
    """Words of the vehicle. Severity as in MAV_SEVERITY, None where the log does not tell."""

    time_utc: dt.datetime
    severity: int | None
    text: str


@dataclass(frozen=True)
class FlightLog:
    """A log as a value. `kind`: tlog, dataflash or ulog. `sysid` is 0 where the log does not tell.

    A log of a vehicle without a clock has times since its start; they stand in 1970.
    """

    path: Path
    kind: str
    sysid: int
    vehicle: str
    started_utc: dt.datetime | None
    ended_utc: dt.datetime | None
    messages: Mapping[str, int]
    modes: tuple[ModeChange, ...] = ()
    texts: tuple[LogText, ...] = ()
    camera_events: tuple[CameraEvent, ...] = ()
    track: tuple[TrackPoint, ...] = ()

    @property
    def duration_s(self) -> float:
        """From the first to the last entry."""
        if self.started_utc is None or self.ended_utc is None:
            return 0.0
        return (self.ended_utc - self.started_utc).total_seconds()

    @property
    def distance_m(self) -> float:
        """Flown over ground, by the positions in the log."""
        return sum(_apart_m(a, b) for a, b in zip(self.track, self.track[1:], strict=False))

    def summary(self) -> dict[str, Any]:
        """The log in numbers, as `missionctl logs show` gives them."""
        heights = [p.alt_rel_m for p in self.track if math.isfinite(p.alt_rel_m)]
        return {
            "file": str(self.path),
            "kind": self.kind,
            "system_id": self.sysid,
            "vehicle": self.vehicle,
            "started_utc": self.started_utc.isoformat() if self.started_utc else None,
            "ended_utc": self.ended_utc.isoformat() if self.ended_utc else None,
            "duration_s": self.duration_s,
            "distance_m": self.distance_m,
            "max_height_rel_m": max(heights, default=None),
            "positions": len(self.track),
            "photos": len(self.camera_events),
            "modes": [{"time_utc": m.time_utc.isoformat(), "mode": m.mode} for m in self.modes],
            "texts": [{"time_utc": t.time_utc.isoformat(), "text": t.text} for t in self.texts],
            "messages": dict(sorted(self.messages.items())),
        }


def utc(seconds: float) -> dt.datetime:
    """Unix seconds as a time. Raises ValueError or OverflowError out of range, as datetime does."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def gps_utc(week: float, week_ms: float) -> dt.datetime:
    """GPS week and milliseconds of the week as UTC."""
    return utc(GPS_EPOCH_S - LEAP_S + week * 7 * 86_400 + week_ms / 1e3)


def in_order(events: Iterable[tuple[int, CameraEvent]]) -> tuple[CameraEvent, ...]:
    """Each photo once, by its number. The items are (system id, event) as they were heard.

    A photo that is told again is the same place under the same number. The same number at another place is
    another photo: the camera counts from its start again when the vehicle is switched on anew, and the new
    count comes after the old one.
    """
    counts: list[dict[int, CameraEvent]] = [{}]
    for _, event in events:
        having = (count for count in reversed(counts) if event.index in count)
        told = next((count for count in having if same_place(count[event.index], event)), None)
        if told is None:
            if event.index in counts[-1]:
                counts.append({})
            counts[-1][event.index] = event
        elif event.captured and not told[event.index].captured:
            told[event.index] = event
    return tuple(count[index] for count in counts for index in sorted(count))


def _apart_m(a: TrackPoint, b: TrackPoint) -> float:
    north = math.radians(b.lat_deg - a.lat_deg)
    east = math.radians(b.lon_deg - a.lon_deg) * math.cos(math.radians(a.lat_deg))
    return 6_371_000.0 * math.hypot(north, east)
