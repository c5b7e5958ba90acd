"""A flight in the air: its photos, its way, what it says, what is the matter, until it is on the ground."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flight.commands.basics import last_words
from flight.errors import FlightStopped, NoVehicleError, SatelliteLinkError
from flight.flying.airtime import Airtime
from flight.flying.job import FlightJob
from flight.flying.satellite import SatelliteWords, satellite_words
from flight.logs import tlog
from flight.logs.recorder import Recorder
from flight.logs.track import TrackPoint, track_point
from flight.missions.marks import MissionMark, holds_plan
from flight.photos.from_log import recover_from_log
from flight.photos.keeper import PhotoKeeper
from flight.safety.alerts import Alert, Severity
from flight.state import VehicleState
from flight.status_texts import StatusText, TextJoiner, status_text
from flight.vehicle import Inbox, Vehicle
from flight.wire import Message
from plans.mission import Command, Mission, MissionItem

OnProgress = Callable[[str, float], None]
ShouldStop = Callable[[], bool]

_LOST_S = 600.0
_SETTLE_S = 1.0
_POLL_S = 0.05
_FEW_PHOTOS = 0.9
_ONE_BEHIND_THE_END = 1
"""The last photo of a lane may fall due just behind its end."""


class FlightWatch:
    """What is known of one flight, and the watch over it. `notes` are lines on what went otherwise than
    planned; `plan` is what the vehicle is to hold, by kind of list."""

    def __init__(
        self,
        job: FlightJob,
        vehicle: Vehicle,
        recorder: Recorder,
        on_progress: OnProgress,
        should_stop: ShouldStop,
    ) -> None:
        self.keeper = PhotoKeeper(vehicle, recorder.event)
        self.track: list[TrackPoint] = []
        self.airtime = Airtime()
        self.notes: list[str] = []
        self.plan: dict[int, tuple[MissionItem, ...]] = {}
        self.marks: dict[int, MissionMark] = {}
        self._job, self._vehicle, self._recorder = job, vehicle, recorder
        self._on_progress, self._should_stop = on_progress, should_stop
        self._texts = TextJoiner()
        self._said = ""
        """The alert that is told beside the progress."""
        self._satellite = SatelliteWords(self.alert)

    def remember(self, path: Path) -> None:
        """Take in what an earlier record of this flight knows."""
        for packet in tlog.packets(path):
            if packet.sysid != self._vehicle.sysid:
                continue
            message = tlog.decode(packet)
            if message is not None:
                self.keeper.take(message, packet.time_utc)
                if packet.compid == self._vehicle.compid:
                    self._locate(message, packet.time_utc)

    async def watch(self, inbox: Inbox) -> bool:
        """Until it is disarmed. True when the mission was flown to its last waypoint."""
        vehicle, recorder = self._vehicle, self._recorder
        mode = vehicle.state.mode
        last_item = _last_waypoint(self._job.mission, self._vehicle.state.is_ardupilot)
        silent, heard, restarts = False, (vehicle.returns, vehicle.by_satellite), vehicle.identity.restarts
        comparing: asyncio.Task[None] | None = None
        try:
            while vehicle.state.armed:
                self.collect(inbox)
                done = _done(vehicle.state)
                share = min(max(done, 0) / max(last_item, 1), 1.0)
                self._on_progress(self._progress_text(), 0.1 + 0.88 * share)
                if vehicle.state.mode != mode:
                    self._mode_changed(mode, done >= last_item)
                    mode = vehicle.state.mode
                if vehicle.silent(vehicle.now_s()) and not silent:
                    silent = True
                    recorder.event("link lost", item=done)
                if (vehicle.returns, vehicle.by_satellite) != heard:
                    heard, silent = (vehicle.returns, vehicle.by_satellite), False
                    self._heard_again()
                    if not vehicle.by_satellite and (comparing is None or comparing.done()):
                        comparing = asyncio.get_running_loop().create_task(self._compare())
                if vehicle.identity.restarts != restarts:
                    restarts = vehicle.identity.restarts
                    self.note("the autopilot was started anew in flight")
                if vehicle.silence_s() > _LOST_S:
                    raise NoVehicleError(_lost_words(vehicle))
                if self._should_stop():
                    recorder.event("stopped by the operator", mode=vehicle.state.mode)
                    raise FlightStopped(
                        f"stopped watching; vehicle {vehicle.sysid} goes on by itself in {vehicle.state.mode}"
                    )
                await asyncio.sleep(_POLL_S)
        finally:
            if comparing is not None:
                comparing.cancel()
        await asyncio.sleep(_SETTLE_S)  # the last camera messages
        self.collect(inbox)
        for text in self._texts.rest():
            self._record_text(text)
        done = _done(vehicle.state)
        if done < last_item:
            said = last_words(vehicle.state)
            self.note(f"ended at item {done} of {last_item}; the vehicle said: {said or 'nothing'}")
        return done >= last_item

    def _heard_again(self) -> None:
        """After a silence, or on another kind of link."""
        vehicle, link = self._vehicle, str(self._vehicle.link.address)
        if vehicle.by_satellite:
            self._recorder.event("heard by satellite", link=link, item=_done(vehicle.state))
            self._satellite.only()
        else:
            self._recorder.event("link back", link=link)
            self._satellite.over()

    def slow_link(self, action: str, **detail: Any) -> None:
        """The satellite modem was ordered open or closed, or has answered."""
        self._recorder.event(action, **detail)
        self._satellite.event(action, **detail)
        if action == "slow link left open":
            self.note("its satellite modem was left open; the next flight with a fast link closes it")

    async def _compare(self) -> None:
        """After a silence: does it still hold what it is to fly?"""
        try:
            check = await holds_plan(self._vehicle, self.plan, self.marks)
        except SatelliteLinkError:
            return  # compared when the fast link is back again
        self._recorder.event(
            "mission compared", held=check.held, how=check.how, differences=check.differences
        )
        if check.held is False:
            self.note(f"it holds another plan since the link was lost: {check.differences[0]}")
            self._on_progress(self.notes[-1], 0.5)

    def _mode_changed(self, before: str, flown: bool) -> None:
        vehicle = self._vehicle
        self._recorder.event("mode", mode=vehicle.state.mode, before=before)
        if not flown:
            said = last_words(vehicle.state, 1)
            self.note(
                f"left {before} for {vehicle.state.mode} before the end of the mission (it said: {said})"
            )

    def alert(self, alert: Alert, begins: bool) -> None:
        """Something is the matter in flight, or is over."""
        self._recorder.event("alert" if begins else "alert over", **alert.as_json())
        if begins:
            self._said = alert.line()
            if alert.severity is Severity.BAD:
                self.note(alert.line())
        elif self._said == alert.line():
            self._said = ""

    def note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)
            self._recorder.event("note", text=line)

    def forget(self, inbox: Inbox) -> None:
        """What was said before take-off is recorded, and not part of the flight."""
        for message in inbox.drain():
            self.keeper.take(message, dt.datetime.now(dt.UTC))

    def collect(self, inbox: Inbox) -> None:
        """Sort what has come since the last look: photos, positions, words."""
        for message in inbox.drain():
            now = dt.datetime.now(dt.UTC)
            try:
                self._sort(message, now)
            except Exception as bug:  # a fault of ours must neither end the watch nor go unseen
                self._vehicle.station.reader_failed("flight watch", message, bug)
        for text in self._texts.late(self._vehicle.now_s()):
            self._record_text(text)

    def _sort(self, message: Message, now: dt.datetime) -> None:
        self.keeper.take(message, now)
        if message.get_srcComponent() != self._vehicle.compid:
            return
        self._locate(message, now)
        if message.get_type() == "STATUSTEXT":
            for text in self._texts.take(status_text(message, self._vehicle.now_s())):
                self._record_text(text)

    def _record_text(self, text: StatusText) -> None:
        self._recorder.event("text", severity=text.severity, text=text.text)

    def _locate(self, message: Any, now: dt.datetime) -> None:
        self.airtime.take(message)
        point = track_point(message, now)
        if point is not None:
            self.track.append(point)

    def _progress_text(self) -> str:
        vehicle = self._vehicle
        photos = f"{len(self.keeper.photos)}"
        if self._job.photos_expected:
            photos += f" of {self._job.photos_expected}"
        silent = vehicle.silent(vehicle.now_s())
        doing = f"no word for {vehicle.silence_s():.0f} s" if silent else vehicle.state.mode.lower()
        if vehicle.by_satellite and not silent:
            doing = satellite_words(vehicle)
        return f"{doing}, {photos} photos{'; ' if self._said else ''}{self._said}"

    def enough_photos(self) -> bool:
        """Whether about as many photos were taken as the mission asks for, heard of or not. Fewer are noted:
        it may have skipped items."""
        taken, expected = len(self.keeper.photos), self._job.photos_expected
        unheard = len(self.keeper.missing)
        if not expected or taken + unheard + _ONE_BEHIND_THE_END >= _FEW_PHOTOS * expected:
            return True
        self.note(f"{taken} photos of {expected}: it skipped items, or the camera failed")
        return False

    async def fill_gaps(self, inbox: Inbox) -> None:
        """Photos whose messages were lost are in the vehicle's own log."""
        try:
            await self._fill_gaps(inbox)
        except SatelliteLinkError as fault:
            self.note(f"its photos were not counted: {fault} (missionctl logs download, missionctl geotag)")

    async def _fill_gaps(self, inbox: Inbox) -> None:
        keeper = self.keeper
        await keeper.last_count()
        self.collect(inbox)
        if not keeper.missing:
            return
        self._on_progress(f"look for {len(keeper.missing)} photos in the vehicle's log", 0.99)
        found = await recover_from_log(self._vehicle, keeper, self._recorder.folder)
        self._recorder.event("photos looked up", **vars(found))
        if keeper.missing:
            self.note(
                f"{len(keeper.missing)} photos were never heard of: {found.why_not or 'not in the log'}"
            )


def _done(state: VehicleState) -> int:
    return state.mission.done if state.mission else 0


def _lost_words(vehicle: Vehicle) -> str:
    place = vehicle.state.position
    where = f"{place.lat_deg:.6f}, {place.lon_deg:.6f}, {place.alt_rel_m:.0f} m up" if place else "unknown"
    return (
        f"vehicle {vehicle.sysid}: no word for {vehicle.silence_s():.0f} s; last position {where}; "
        "what was recorded is kept"
    )


def _last_waypoint(mission: Mission, home_slot: bool) -> int:
    """The sequence number on the vehicle of the last waypoint before the way home."""
    places = [
        i
        for i, item in enumerate(mission.items)
        if item.has_place and item.command not in (Command.NAV_LAND, Command.NAV_RETURN_TO_LAUNCH)
    ]
    return (places[-1] if places else 0) + int(home_slot)
