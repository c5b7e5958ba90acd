"""The numbers of photos that one camera tells of: what is known, what failed, what is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from plans.mission import CameraEvent

From = Literal["camera", "log"]
"""Where a photo whose message was lost was got from."""

FEEDBACK = mavlink.MAVLINK_MSG_ID_CAMERA_FEEDBACK
_MOST_MISSING = 10_000
"""A jump of the numbers beyond this is another count, not so many lost messages."""


class Source(NamedTuple):
    """Who tells of photos: a component, the kind of its messages, and which of its cameras."""

    compid: int
    message_id: int
    camera: int

    @property
    def first_number(self) -> int:
        """ArduPilot's first photo is number 1, that of a MAVLink camera and of PX4 is 0."""
        return 1 if self.message_id == FEEDBACK else 0


@dataclass
class PhotoCount:
    """The photos of one source since its camera was switched on."""

    first: int | None = None
    """The number of this flight's first photo; None while it is not known."""
    count: int | None = None
    """How many photos the camera said it has taken, all in all."""
    one_based: bool = False
    events: dict[int, CameraEvent] = field(default_factory=dict)
    unfired: set[int] = field(default_factory=set)
    recovered: dict[int, From] = field(default_factory=dict)
    asked: dict[int, int] = field(default_factory=dict)
    missed_s: dict[int, float] = field(default_factory=dict)
    completed: tuple[int, int] | None = None
    refusals: int = 0

    def last(self, first_number: int) -> int:
        """The highest number that must exist."""
        by_count = -1 if self.count is None else self.count - 1 + max(first_number, int(self.one_based))
        return max(max(self.events, default=-1), by_count)

    def missing(self, first_number: int) -> list[int]:
        """Numbers that must exist and were not heard of."""
        if self.first is None and not self.events:
            return []
        start = min(self.events) if self.first is None else self.first
        end = self.last(first_number)
        known = sorted(i for i in {*self.events, *self.unfired} if start <= i <= end)
        found: list[int] = []
        before = start - 1
        for i in (*known, end + 1):
            if i - before - 1 <= _MOST_MISSING:
                found.extend(range(before + 1, i))
            before = i
        return found
