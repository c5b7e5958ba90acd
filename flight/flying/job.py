"""What a flight is asked for, and what it came to, as values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flight.logs.track import TrackPoint
from flight.safety.review import SafetySettings
from plans.mission import CameraEvent, Mission, MissionItem


@dataclass(frozen=True)
class FlightJob:
    """One mission for one vehicle, recorded in a folder of its own.

    `sysid` None takes the only vehicle that is heard. `unfinished` is the folder of an earlier record of this
    mission that was broken off: when its flight still goes on, it is taken over and recorded there.
    `confirmed_by` is who said that the vehicle may take off, for the record, as is `about`.
    """

    mission: Mission
    folder: Path
    sysid: int | None = None
    photos_expected: int | None = None
    unfinished: Path | None = None
    confirmed_by: str = "the command line"
    about: Mapping[str, Any] = field(default_factory=dict)
    safety: SafetySettings = field(default_factory=SafetySettings)


@dataclass(frozen=True)
class FlightResult:
    """What a flight was. `complete` means: flown to its last waypoint, landed and disarmed, with hardly a
    photo fewer than the mission asks for. `duration_s` is from arming to disarming by the vehicle's clock."""

    sysid: int
    started_utc: dt.datetime
    ended_utc: dt.datetime
    duration_s: float
    sent: tuple[MissionItem, ...]
    read_back: tuple[MissionItem, ...]
    differences: tuple[str, ...]
    camera_events: tuple[CameraEvent, ...]
    track: tuple[TrackPoint, ...]
    photos_expected: int | None
    complete: bool
    notes: tuple[str, ...]
    folder: Path
    tlog: Path
    taken_over: bool = False
    """Whether the vehicle flew already when this station came."""
    photos: Mapping[str, Any] = field(default_factory=dict)
    """What became of photos whose messages were lost."""
    checklist: Mapping[str, Any] = field(default_factory=dict)
    """The checklist before arming, as plain values."""
    links: tuple[Mapping[str, Any], ...] = ()
    station: Mapping[str, Any] = field(default_factory=dict)
    """What signing and the endpoints have counted."""

    def report(self) -> dict[str, Any]:
        """The report of `missionctl fly`."""
        return {
            "vehicle": self.sysid,
            "items_sent": len(self.sent),
            "items_read_back": len(self.read_back),
            "identical": not self.differences,
            "differences": list(self.differences),
            "photos_expected": self.photos_expected,
            "photos_confirmed": len(self.camera_events),
            "photos_unheard": list(self.photos.get("missing", ())),
            "photos_failed": list(self.photos.get("failed", ())),
            "photos_recovered": list(self.photos.get("recovered", ())),
            "complete": self.complete,
            "taken_over": self.taken_over,
            "notes": list(self.notes),
            "started_utc": self.started_utc.isoformat(),
            "ended_utc": self.ended_utc.isoformat(),
            "duration_s": self.duration_s,
            "tlog": str(self.tlog),
            "checklist": dict(self.checklist),
            "links": [dict(link) for link in self.links],
            **self.station,
        }
