"""Which camera event of the flight belongs to which photo, while both are still coming.

Events come over the radio at the shutter's moment, photos later, so the newest events have no photo yet and
the two lists cannot be held against each other as wholes at first. Until they can (imagery.geotag), photos
are counted: the first one is that of the first event, the others follow by their names' numbers, or by their
order; a clock that disagrees stops the counting. What was counted is told as such, with the distance between
photos as its accuracy, and is mended when the whole lists say otherwise.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np

from imagery.geotag import PhotoStamp, event_tags, match_photos
from imagery.photo_tags import PhotoTags
from plans.frames import LocalFrame
from plans.mission import CameraEvent

COARSE_M = 10.0
"""A position that says of itself that it is off by more is worth less than the event's."""
_SAME_S, _SAME_M, _AWAY_M = 1.0, 8.0, 30.0
_CLOCK_S = 1.5
"""So far clocks of counted photos may disagree: whole seconds, and a shutter's delay."""
_USUAL_M = 20.0
_WINDOW = 120
_GROWN = 1.1
_NUMBER = re.compile(r"(\d+)\D*$")

By = Literal["place", "time", "count"]


@dataclass(frozen=True)
class Shot:
    """A photo's camera event: `by` its own place, by the times of many, or only counted."""

    event: CameraEvent
    by: By


class Shots:
    """Photos and events as far as they have come."""

    def __init__(self) -> None:
        self._events: dict[int, CameraEvent] = {}
        self._frame: LocalFrame | None = None
        self._places: dict[int, tuple[float, float]] = {}
        self._stamps: dict[str, PhotoStamp] = {}
        self._found: dict[str, tuple[int, By]] = {}
        self._unsettled = False
        self._held = 0

    def hear(self, events: Sequence[CameraEvent]) -> None:
        """All events so far, in the order in which they were heard."""
        for number in range(len(self._events), len(events)):
            event = self._events[number] = events[number]
            self._frame = self._frame or LocalFrame(event.lat_deg, event.lon_deg)
            self._places[number] = self._place(event.lat_deg, event.lon_deg)
            self._unsettled = True

    def _place(self, lat_deg: float, lon_deg: float) -> tuple[float, float]:
        assert self._frame is not None
        east, north = self._frame.to_local(lat_deg, lon_deg)
        return float(east), float(north)

    def arrive(self, name: str, tags: PhotoTags) -> Shot | None:
        """A photo has come; its event by what is known now."""
        lat, lon = (tags.lat_deg, tags.lon_deg) if has_place(tags) else (None, None)
        clock = tags.time_utc or (tags.clock.replace(tzinfo=dt.UTC) if tags.clock else None)
        self._stamps[name] = PhotoStamp(name, clock, lat, lon)
        self._unsettled = True
        self._found.pop(name, None)
        if has_place(tags):
            number = self._by_place(self._stamps[name], exact_time=tags.time_utc is not None)
            if number is not None:
                self._found[name] = (number, "place")
        else:
            self._count()
        return self.shot(name)

    def shot(self, name: str) -> Shot | None:
        """The event of a photo."""
        if name not in self._found:
            return None
        number, by = self._found[name]
        return Shot(self._events[number], by)

    @property
    def of_photos(self) -> dict[str, Shot]:
        """By the photos' names."""
        return {name: Shot(self._events[n], by) for name, (n, by) in self._found.items()}

    @property
    def expected(self) -> tuple[CameraEvent, ...]:
        """Photos that were taken and have not arrived."""
        there = {number for number, _ in self._found.values()}
        return tuple(e for n, e in self._events.items() if e.captured and n not in there)

    @property
    def spacing_m(self) -> float:
        """The usual distance between photos."""
        steps = np.diff(np.array(list(self._places.values())).reshape(-1, 2), axis=0)
        return max(float(np.median(np.hypot(*steps.T))), 1.0) if len(steps) else _USUAL_M

    def settle(self, *, now: bool = False) -> set[str]:
        """Count again, and hold the lists against each other when they have grown by a tenth, or `now`; gives
        the photos whose event has changed."""
        if not (self._unsettled or now):
            return set()
        self._unsettled = False
        before = dict(self._found)
        self._count()
        free = self._free(without={"time", "count"})
        stamps = [s for s in self._stamps.values() if s.lat_deg is None]
        stamps = sorted(stamps, key=_in_order)[-_WINDOW:]
        lost = sum(s.lat_deg is None for s in self._stamps.values())
        if stamps and free and (now or lost > _GROWN * self._held):
            self._held = lost
            events = [replace(self._events[n], index=n) for n in free[-2 * _WINDOW :]]
            found = match_photos(stamps, events)
            if not found.ambiguous:
                for match in found.matches:
                    if match.by == "time" and match.certainty != "doubtful":
                        self._found[match.photo] = (match.event.index, "time")
        return {n for n in self._found.keys() | before.keys() if self._found.get(n) != before.get(n)}

    def _free(self, without: Iterable[By]) -> list[int]:
        """Numbers of the events that no photo has; photos found in these ways count as having none."""
        there = {number for number, by in self._found.values() if by not in without}
        return [n for n, e in self._events.items() if e.captured and n not in there]

    def _count(self) -> None:
        """Pair the photos that nothing better is known of by their numbers, else by their order."""
        free = self._free(without={"count"})
        lost = [s for name, s in self._stamps.items() if s.lat_deg is None and self._by(name) != "time"]
        lost.sort(key=_in_order)
        for name in [name for name, (_, by) in self._found.items() if by == "count"]:
            del self._found[name]
        if not lost or not free:
            return
        wanted = self._counted([stamp.name for stamp in lost], free)
        first_s: float | None = None
        for stamp, number in zip(lost, wanted, strict=True):
            if number is None:
                continue
            if stamp.clock is not None:
                apart_s = (stamp.clock - self._events[number].time_utc).total_seconds()
                first_s = apart_s if first_s is None else first_s
                if abs(apart_s - first_s) > _CLOCK_S:
                    return
            self._found[stamp.name] = (number, "count")

    def _counted(self, names: Sequence[str], free: Sequence[int]) -> list[int | None]:
        """For photos in order their events, as numbers of `free`: by the names' numbers, of which those known
        by their times say how they go with the events' own, else by the order alone."""
        values = [_number_of(name) for name in names]
        settled = [name for name, (_, by) in self._found.items() if by == "time"]
        known = [(self._events[self._found[name][0]].index, _number_of(name)) for name in settled]
        ahead = [index - value for index, value in known if value is not None]
        if values[0] is not None and not known:
            ahead = [self._events[free[0]].index - values[0]]
        if ahead and None not in values:
            index_of = {self._events[n].index: n for n in free}
            usual = round(float(np.median(ahead)))
            return [index_of.get(value + usual) for value in values if value is not None]
        if known:
            return [None] * len(names)
        return [free[i] if i < len(free) else None for i in range(len(names))]

    def _by(self, name: str) -> By | None:
        return self._found[name][1] if name in self._found else None

    def _by_place(self, stamp: PhotoStamp, *, exact_time: bool) -> int | None:
        """The event of a photo that knows where it is: the nearest, in time where the photo has UTC."""
        best: tuple[float, int] | None = None
        if self._frame is None or stamp.lat_deg is None or stamp.lon_deg is None:
            return None
        here = self._place(stamp.lat_deg, stamp.lon_deg)
        for number in self._free(without=()):
            event = self._events[number]
            away = math.dist(here, self._places[number])
            late_s = (
                abs((stamp.clock - event.time_utc).total_seconds()) if stamp.clock and exact_time else None
            )
            if late_s is not None and late_s <= _SAME_S and away <= _AWAY_M:
                rank = late_s / _SAME_S
            elif late_s is None and away <= _SAME_M:
                rank = away / _SAME_M
            else:
                continue
            best = min(best or (rank, number), (rank, number))
        return best[1] if best else None


def has_place(tags: PhotoTags) -> bool:
    """Whether a photo's own position is one to go by."""
    rough = tags.position_sigma_h_m is not None and tags.position_sigma_h_m > COARSE_M
    return tags.lat_deg is not None and tags.lon_deg is not None and not rough


def with_shot(tags: PhotoTags, shot: Shot | None, spacing_m: float) -> PhotoTags:
    """A photo's tags, with its event's where they say nothing or next to nothing."""
    if shot is None:
        return tags
    own = tags
    if not has_place(tags):
        own = replace(
            tags,
            lat_deg=None,
            lon_deg=None,
            alt_amsl_m=None,
            height_rel_m=None,
            position_sigma_h_m=spacing_m if shot.by == "count" else None,
            position_sigma_v_m=None,
        )
    told = event_tags(shot.event)
    missing = {f.name: getattr(told, f.name) for f in fields(PhotoTags) if getattr(own, f.name) is None}
    return replace(own, **missing)


def _number_of(name: str) -> int | None:
    found = _NUMBER.search(Path(name).stem)
    return int(found.group(1)) if found else None


def _in_order(stamp: PhotoStamp) -> tuple[float, str]:
    return (stamp.clock.timestamp() if stamp.clock else 0.0, stamp.name)
