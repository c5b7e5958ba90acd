"""Every photo of a flight, though messages about them get lost.

The numbers of the photos tell what is missing. A MAVLink camera is asked for it again, one number at a time
(MAV_CMD_REQUEST_MESSAGE for CAMERA_IMAGE_CAPTURED, https://mavlink.io/en/services/camera.html). ArduPilot
repeats only its newest CAMERAFEEDBACK, and tells in CAMERA_CAPTURE_STATUS how many photos there were; PX4
repeats none. What cannot be asked for is in the vehicle's own log (flight.photos.from_log).
"""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import math
from collections.abc import Callable, Iterable
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.photos.counts import FEEDBACK, From, PhotoCount, Source
from flight.photos.events import camera_event, same_place
from flight.vehicle import Inbox, Vehicle
from flight.wire import Message
from plans.mission import CameraEvent

_CAPTURED = mavlink.MAVLINK_MSG_ID_CAMERA_IMAGE_CAPTURED
_STATUS = mavlink.MAVLINK_MSG_ID_CAMERA_CAPTURE_STATUS
_OLD_REQUEST = 2002  # MAV_CMD_REQUEST_CAMERA_IMAGE_CAPTURE, which this dialect no longer names
_TRIES = 3
_REFUSALS = 2
_COUNT_EVERY_ANSWERS = 5.0
"""How often the number of photos is asked for, in usual answer times: 5 s on wifi, 100 s over a satellite."""
_PAUSE_ANSWERS = 0.2


class _Answer(enum.Enum):
    CAME = enum.auto()
    REFUSED = enum.auto()
    SILENCE = enum.auto()


class PhotoKeeper:
    """The photos of one vehicle's flight.

    Feed `take` with all that the vehicle's system says; run `run` beside it from before the first photo on,
    and cancel it after the last. `on_event(action, **detail)` is told of each photo and of each loss.
    """

    def __init__(
        self, vehicle: Vehicle, on_event: Callable[..., None] = lambda action, **detail: None
    ) -> None:
        self._vehicle = vehicle
        self._on_event = on_event
        self._counts: dict[Source, PhotoCount] = {}
        self._told: dict[tuple[int, int], int] = {}
        self._past: list[tuple[Source, PhotoCount]] = []
        self._cameras: set[int] = set()
        self._no_count: dict[int, int] = {}

    # -- what is known -------------------------------------------------------------------------------------

    @property
    def main(self) -> Source | None:
        """The source that told of most photos: a camera and its autopilot may both tell of the same ones."""
        return max(self._counts, key=lambda s: (len(self._counts[s].events), s), default=None)

    def _main_counts(self) -> list[PhotoCount]:
        main = self.main
        if main is None:
            return []
        return [count for source, count in self._past if source == main] + [self._counts[main]]

    @property
    def photos(self) -> tuple[CameraEvent, ...]:
        """The photos taken, in order."""
        return tuple(
            count.events[i]
            for count in self._main_counts()
            for i in sorted(count.events)
            if count.events[i].captured
        )

    @property
    def failed(self) -> tuple[int, ...]:
        """Numbers of photos that were ordered and not taken."""
        return tuple(
            i
            for count in self._main_counts()
            for i in sorted(count.unfired | {i for i, e in count.events.items() if not e.captured})
        )

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of photos that must exist and were never heard of, by now."""
        main = self.main
        if main is None:
            return ()
        return tuple(i for count in self._main_counts() for i in count.missing(main.first_number))

    @property
    def recovered(self) -> dict[int, From]:
        """Numbers of photos whose messages were lost, and where they were got from."""
        return {i: whence for count in self._main_counts() for i, whence in sorted(count.recovered.items())}

    def report(self) -> dict[str, Any]:
        """Plain values for the flight's report."""
        found = self.recovered
        return {
            "photos": len(self.photos),
            "failed": list(self.failed),
            "missing": list(self.missing),
            "recovered": [{"index": i, "from": whence} for i, whence in found.items()],
        }

    # -- taking messages in --------------------------------------------------------------------------------

    def take(self, message: Message, heard_utc: dt.datetime) -> CameraEvent | None:
        """A message of the vehicle's system, of whatever kind. Returns the photo when it tells of a new one
        (also of one that failed: `captured` is False then)."""
        kind = message.get_msgId()
        if kind == _STATUS:
            self._take_status(message)
            return None
        if kind == mavlink.MAVLINK_MSG_ID_HEARTBEAT and message.type == mavlink.MAV_TYPE_CAMERA:
            self._cameras.add(message.get_srcComponent())
            return None
        event = camera_event(message, heard_utc)
        if event is None:
            return None
        camera = message.cam_idx if kind == FEEDBACK else message.camera_id
        source = Source(message.get_srcComponent(), kind, camera)
        count = self._counts.get(source)
        if count is None:
            count = self._counts[source] = self._new_count(source)
        known = count.events.get(event.index)
        if known is not None and same_place(known, event):
            if known.captured or not event.captured:
                return None
        elif known is not None or (count.first is not None and event.index < count.first):
            self._past.append((source, count))
            count = self._counts[source] = PhotoCount(first=source.first_number)
            self._on_event("camera restarted", component=source.compid, camera=source.camera)
        self._add(source, count, event)
        if kind == FEEDBACK:
            self._compare_completed(count, event.index, message.completed_captures)
        return event

    def _new_count(self, source: Source) -> PhotoCount:
        told = self._told.get((source.compid, source.camera), self._told.get((source.compid, 0)))
        return PhotoCount(first=None if told is None else told + source.first_number)

    def _take_status(self, message: Message) -> None:
        """CAMERA_CAPTURE_STATUS. The number told before any photo of this flight is where it begins."""
        compid, device = message.get_srcComponent(), int(getattr(message, "camera_device_id", 0))
        sources = [s for s in self._counts if s.compid == compid]
        if not sources:
            self._told[compid, device] = int(message.image_count)
            return
        if len(sources) > 1:  # ArduPilot does not say which of its cameras it counts
            return
        count = self._counts[sources[0]]
        count.count = int(message.image_count)
        if count.events and max(count.events) >= count.count:
            count.one_based = True

    def _add(self, source: Source, count: PhotoCount, event: CameraEvent) -> None:
        gap = [i for i in count.missing(source.first_number) if i != event.index]
        count.events[event.index] = event
        count.unfired.discard(event.index)
        self._on_event("photo" if event.captured else "photo failed", **vars(event))
        if event.index in count.asked:
            self._recovered(count, event.index, "camera")
        lost = [i for i in count.missing(source.first_number) if i not in gap]
        self._note_lost(source, count, lost)

    def _note_lost(self, source: Source, count: PhotoCount, lost: Iterable[int]) -> None:
        new = [i for i in lost if i not in count.missed_s]
        if new:
            count.missed_s.update(dict.fromkeys(new, self._vehicle.now_s()))
            self._on_event("photo messages lost", component=source.compid, indices=new)

    def _recovered(self, count: PhotoCount, index: int, whence: From) -> None:
        count.recovered[index] = whence
        self._on_event("photo recovered", index=index, source=whence)

    def _compare_completed(self, count: PhotoCount, index: int, completed: int) -> None:
        """With a feedback wire the autopilot counts orders and shutters apart: a number that was left out
        while the next shutter follows the last one is a photo that the camera did not take."""
        before, count.completed = count.completed, (index, completed)
        if before and completed > 0 and index > before[0] + 1 and completed == before[1] + 1:
            unfired = set(range(before[0] + 1, index)) - set(count.events)
            count.unfired |= unfired
            self._on_event("photo failed", indices=sorted(unfired))

    def fill(self, events: Iterable[CameraEvent], unfired: Iterable[int] = ()) -> int:
        """Photos out of the vehicle's log, and numbers that it ordered and did not get. Returns how many were
        new."""
        main = self.main or Source(
            self._vehicle.compid, _CAPTURED if self._vehicle.state.is_px4 else FEEDBACK, 0
        )
        count = self._counts.setdefault(main, self._new_count(main))
        new = [e for e in events if e.index not in count.events]
        for event in new:
            count.events[event.index] = event
            count.unfired.discard(event.index)
            self._on_event("photo", **vars(event))
            self._recovered(count, event.index, "log")
        count.unfired |= {i for i in unfired if i not in count.events}
        return len(new)

    @property
    def begins_at(self) -> int | None:
        """The number of this flight's first photo, where the camera told its count before it."""
        main = self.main
        if main is not None:
            return self._counts[main].first
        told = next(iter(self._told.values()), None)
        return None if told is None else told + (0 if self._vehicle.state.is_px4 else 1)

    # -- asking again --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Ask for the count and for what is missing, for ever, at a rate that suits the link."""
        vehicle = self._vehicle
        next_count_s, counted = vehicle.now_s(), 0
        with vehicle.inbox() as inbox:
            while True:
                if vehicle.silence_s() <= vehicle.profile.silence_s:
                    if vehicle.now_s() >= next_count_s or len(self._cameras) > counted:
                        counted = len(self._cameras)
                        await self._ask_count(inbox)
                        next_count_s = vehicle.now_s() + _COUNT_EVERY_ANSWERS * vehicle.profile.answer_s
                    wanted = self._next_wanted()
                    if wanted is not None:
                        await self._ask(inbox, *wanted)
                await asyncio.sleep(_PAUSE_ANSWERS * vehicle.profile.answer_s)

    async def last_count(self) -> None:
        """Ask once more how many photos there are, after the last one; `missing` is whole then."""
        with self._vehicle.inbox() as inbox:
            await self._ask_count(inbox)

    def _counting_components(self) -> list[int]:
        found = dict.fromkeys(
            [self._vehicle.compid, *sorted(self._cameras), *(s.compid for s in self._counts)]
        )
        return [c for c in found if self._no_count.get(c, 0) < _REFUSALS]

    async def _ask_count(self, inbox: Inbox) -> None:
        """The count of each camera, and from ArduPilot the newest photo when that has not been heard of."""
        for compid in self._counting_components():
            answer = await self._request(inbox, compid, mavlink.MAV_CMD_REQUEST_MESSAGE, _STATUS)
            if answer is _Answer.REFUSED:
                self._no_count[compid] = self._no_count.get(compid, 0) + 1
        for source, count in list(self._counts.items()):
            self._note_lost(source, count, count.missing(source.first_number))
            last = count.last(source.first_number)
            if source.message_id == FEEDBACK and last not in count.events and last not in count.unfired:
                count.asked[last] = count.asked.get(last, 0) + 1
                await self._request(inbox, source.compid, mavlink.MAV_CMD_REQUEST_MESSAGE, FEEDBACK)

    def _next_wanted(self) -> tuple[Source, PhotoCount, int] | None:
        """A photo to ask a camera for: missing for longer than messages overtake each other, and asked for
        least often."""
        ripe_s = self._vehicle.now_s() - self._vehicle.profile.answer_s
        found = [
            (count.asked.get(i, 0), i, source, count)
            for source, count in self._counts.items()
            if source.message_id == _CAPTURED and count.refusals < _REFUSALS
            for i in count.missing(source.first_number)
            if count.asked.get(i, 0) < _TRIES and count.missed_s.get(i, math.inf) <= ripe_s
        ]
        if not found:
            return None
        _, index, source, count = min(found, key=lambda f: f[:2])
        return source, count, index

    async def _ask(self, inbox: Inbox, source: Source, count: PhotoCount, index: int) -> None:
        count.asked[index] = count.asked.get(index, 0) + 1
        answer = await self._request(inbox, source.compid, mavlink.MAV_CMD_REQUEST_MESSAGE, _CAPTURED, index)
        if answer is _Answer.REFUSED:
            answer = await self._request(inbox, source.compid, _OLD_REQUEST, index)
        if answer is _Answer.CAME:
            count.refusals = 0
        elif answer is _Answer.REFUSED:
            count.asked[index] = _TRIES
            count.refusals += 1
            if count.refusals == _REFUSALS:
                self._on_event("camera repeats no photo messages", component=source.compid)

    async def _request(self, inbox: Inbox, compid: int, number: int, *params: float) -> _Answer:
        """Send a request once, and take in the message that it brings."""
        vehicle = self._vehicle
        wanted = _CAPTURED if number == _OLD_REQUEST else int(params[0])
        index = params[-1] if wanted == _CAPTURED else None
        for _ in inbox.drain():  # the flight has seen these
            pass
        vehicle.send(
            mavlink.MAVLink_command_long_message(
                vehicle.sysid, compid, number, 0, *params, *([0.0] * (7 - len(params)))
            )
        )

        def fits(message: Message) -> bool:
            if message.get_srcComponent() != compid:
                return False
            if message.get_msgId() == wanted:
                return index is None or message.image_index == index
            return (
                message.get_type() == "COMMAND_ACK"
                and message.command == number
                and message.result not in (mavlink.MAV_RESULT_ACCEPTED, mavlink.MAV_RESULT_IN_PROGRESS)
            )

        answer = await inbox.next(fits, vehicle.answer_s)
        if answer is None:
            return _Answer.SILENCE
        if answer.get_msgId() != wanted:
            return _Answer.REFUSED
        self.take(answer, dt.datetime.now(dt.UTC))
        return _Answer.CAME
