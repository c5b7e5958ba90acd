"""One flight, from the vehicle's first word to its landing: the steps behind `flight.fly`.

```
met ── on the ground ──▶ mission sent, read back ──▶ ready ──▶ takes off ──┐
  ├─── flies this mission already: taken over ───────────────────────────▶ watched ──▶ landed, gaps filled
  └─── has landed since a record was broken off: that record is closed ───────────────────┘
```
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight import missions, tlog
from flight.actions import set_current_item, start_mission, take_off
from flight.commands import last_words, request_message, set_mode
from flight.confirmed import Confirmed, Danger
from flight.describe import describe_links
from flight.errors import (
    CommandError,
    FlightStopped,
    NoVehicleError,
    ParameterError,
    TransferError,
)
from flight.flight_job import FlightJob, FlightResult
from flight.mission_download import download
from flight.mission_marks import MissionMark, holds_plan
from flight.mission_upload import upload
from flight.params import get_param
from flight.photo_keeper import PhotoKeeper
from flight.photo_log import recover_from_log
from flight.preflight import wait_until_ready
from flight.recorder import Recorder
from flight.state import VehicleState
from flight.station import Station
from flight.station_claim import claim_station_id
from flight.streams import keep_streams
from flight.track import TrackPoint, track_point
from flight.vehicle import Inbox, Vehicle
from flight.wire import decode_text
from plans.frames import GeoPoint
from plans.mission import Command, Mission, MissionItem

OnProgress = Callable[[str, float], None]
ShouldStop = Callable[[], bool]

FIRST_WORD_S = 20.0
_OTHERS_S = 1.3
"""Vehicles speak once a second: after so long a second one would have been heard too."""
_READY_S = 180.0
_LOST_S = 600.0
_SETTLE_S = 1.0
_POLL_S = 0.05


async def meet(station: Station, sysid: int | None) -> Vehicle:
    """The vehicle that was asked for, or the only one there is. Raises NoVehicleError, DisputedError."""
    vehicle = await station.wait_for_vehicle(FIRST_WORD_S, sysid)
    if sysid is None:
        await asyncio.sleep(_OTHERS_S)
        if len(station.vehicles) > 1:
            heard = ", ".join(str(other) for other in sorted(station.vehicles))
            raise NoVehicleError(f"several vehicles are heard ({heard}); name the one that is meant")
    vehicle.check_undisputed()
    return vehicle


class FlightRun:
    """One vehicle's flight. `run` it once."""

    def __init__(
        self, job: FlightJob, vehicle: Vehicle, on_progress: OnProgress, should_stop: ShouldStop
    ) -> None:
        self._job = job
        self._vehicle = vehicle
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._mission = job.mission
        self._home_slot = vehicle.state.is_ardupilot
        self._track: list[TrackPoint] = []
        self._notes: list[str] = []
        self._plan: dict[int, tuple[MissionItem, ...]] = {}
        self._marks: dict[int, MissionMark] = {}
        self._read_back: tuple[MissionItem, ...] = ()
        self._recorder: Recorder
        self._keeper: PhotoKeeper

    async def run(self) -> FlightResult:
        """Fly. Raises TransferError, ArmingError, CommandError, NoVehicleError, FlightStopped."""
        vehicle = self._vehicle
        over = await self._is_flying_it() if vehicle.state.armed else False
        folder = self._job.unfinished or self._job.folder
        with Recorder(folder, vehicle.sysid, vehicle.station.settings.on_trouble) as self._recorder:
            vehicle.station.recorders.append(self._recorder)
            self._keeper = PhotoKeeper(vehicle, self._recorder.event)
            try:
                with vehicle.mission_kept(), vehicle.inbox() as inbox:
                    async with beside(keep_streams(vehicle)):
                        return await self._flown(inbox, over)
            finally:
                vehicle.station.recorders.remove(self._recorder)

    async def _flown(self, inbox: Inbox, over: bool) -> FlightResult:
        vehicle, recorder = self._vehicle, self._recorder
        if self._job.unfinished is None:
            recorder.event("flight", **self._job.about)
        addresses = [str(link.address) for link in vehicle.paths]
        recorder.event("connected", vehicle=vehicle.sysid, mode=vehicle.state.mode, links=addresses)
        landed = self._job.unfinished is not None and not over
        if over or landed:
            self._take_over(landed)
        else:
            await self._prepare()
        started = dt.datetime.now(dt.UTC)
        complete = False
        if not landed:
            async with beside(self._keeper.run()):
                if not over:
                    self._forget(inbox)
                    await self._take_off()
                complete = await self._watch(inbox)
        await self._fill_gaps(inbox)
        sent = self._plan[missions.MISSION]
        result = FlightResult(
            sysid=vehicle.sysid,
            started_utc=min(started, self._track[0].time_utc) if self._track else started,
            ended_utc=dt.datetime.now(dt.UTC),
            duration_s=self._track[-1].boot_s - self._track[0].boot_s if self._track else 0.0,
            sent=sent,
            read_back=self._read_back,
            differences=missions.differences(sent, self._read_back, self._home_slot),
            camera_events=self._keeper.photos,
            track=tuple(self._track),
            photos_expected=self._job.photos_expected,
            complete=complete,
            notes=tuple(self._notes),
            folder=recorder.folder,
            tlog=recorder.tlog,
            taken_over=over or landed,
            photos=self._keeper.report(),
            links=tuple(describe_links(vehicle)),
            station=vehicle.station.report(),
        )
        recorder.event("landed", **result.report())
        self._on_progress("landed", 1.0)
        return result

    # -- a flight that goes on already ---------------------------------------------------------------------

    async def _is_flying_it(self) -> bool:
        """Whether an armed vehicle flies this very mission. Raises CommandError when it flies another one."""
        vehicle = self._vehicle
        self._on_progress("look at what it flies", 0.0)
        sent = missions.slots_of(self._mission, self._home_slot, None)
        self._read_back = await download(vehicle)
        found = missions.differences(sent, self._read_back, self._home_slot)
        if found:
            raise CommandError(
                f"vehicle {vehicle.sysid} is armed already (mode {vehicle.state.mode}) with another mission "
                f"({found[0]}); land and disarm it before a new mission is sent"
            )
        return True

    def _take_over(self, landed: bool) -> None:
        """Go on with what the broken-off record knows already."""
        vehicle, old = self._vehicle, self._job.unfinished
        self._plan = {missions.MISSION: missions.slots_of(self._mission, self._home_slot, None)}
        self._recorder.event("taken over", vehicle=vehicle.sysid, mode=vehicle.state.mode, landed=landed)
        if landed:
            self._note("it landed while no station watched; this closes the record of that flight")
        else:
            self._on_progress("it flies this mission already; its flight is taken over", 0.1)
        if old is not None and (old / "telemetry.tlog").is_file():
            self._remember(old / "telemetry.tlog")

    def _remember(self, path: Path) -> None:
        for packet in tlog.packets(path):
            if packet.sysid != self._vehicle.sysid:
                continue
            message = tlog.decode(packet)
            if message is not None:
                self._keeper.take(message, packet.time_utc)
                self._locate(message, packet.time_utc)

    # -- before take-off -----------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        vehicle = self._vehicle
        trouble = await claim_station_id(vehicle)
        if trouble is not None:
            self._note(trouble)
        async with vehicle.mission_turn():
            await self._send_mission()
        self._stop_on_ground()
        self._on_progress("wait until ready", 0.08)
        await wait_until_ready(vehicle, _READY_S)
        await self._look_for_camera()
        self._stop_on_ground()

    def _stop_on_ground(self) -> None:
        if self._should_stop():
            self._recorder.event("stopped before take-off")
            raise FlightStopped(
                "stopped before take-off; the vehicle holds the mission and stays on the ground"
            )

    async def _send_mission(self) -> None:
        vehicle, recorder = self._vehicle, self._recorder
        home = await _home_of(vehicle)
        self._plan[missions.MISSION] = missions.slots_of(self._mission, self._home_slot, home)
        for kind, items in (
            (missions.FENCE, missions.fence_items(self._mission)),
            (missions.RALLY, missions.rally_items(self._mission)),
        ):
            if items:
                self._plan[kind] = items
        for kind, items in self._plan.items():
            share = self._share_of_upload if kind == missions.MISSION else None
            uploaded = await upload(vehicle, items, kind, share)
            self._marks[kind] = uploaded.mark
            found = missions.differences(items, uploaded.items, self._home_slot and kind == missions.MISSION)
            recorder.event(
                "uploaded",
                kind=missions.KIND_NAMES[kind],
                items=len(items),
                read_back=len(uploaded.items),
                differences=found,
                way=uploaded.way.value,
                proof=uploaded.proof.value,
            )
            if found:
                more = f" and {len(found) - 1} more" if len(found) > 1 else ""
                raise TransferError(f"vehicle {vehicle.sysid} does not hold what was sent: {found[0]}{more}")
            if kind == missions.MISSION:
                self._read_back = uploaded.items

    def _share_of_upload(self, share: float) -> None:
        self._on_progress("upload", 0.01 + 0.06 * share)

    async def _look_for_camera(self) -> None:
        """Say before take-off when photos are expected that the vehicle is not set to take."""
        vehicle = self._vehicle
        if not self._job.photos_expected or not vehicle.state.is_ardupilot:
            return
        try:
            camera = await get_param(vehicle, "CAM1_TYPE")
        except ParameterError:
            return  # before ArduPilot 4.4 it has another name; the flight goes on
        if camera.value == 0:
            self._note("the autopilot triggers no camera (CAM1_TYPE is 0): it takes no photo on this flight")
            self._recorder.event("no camera", parameter="CAM1_TYPE", value=0)
            self._on_progress("no camera is set up on the vehicle (CAM1_TYPE is 0)", 0.09)

    async def _take_off(self) -> None:
        vehicle, recorder = self._vehicle, self._recorder
        self._on_progress("take off", 0.1)
        by = self._job.confirmed_by
        if vehicle.state.is_px4:
            await start_mission(vehicle, Confirmed(by, Danger.START_MISSION, vehicle.sysid))
        else:
            await set_current_item(vehicle, 1)
            height_m = _take_off_height_m(self._mission)
            await take_off(vehicle, height_m, Confirmed(by, Danger.TAKE_OFF, vehicle.sysid))
            recorder.event("armed", mode=vehicle.state.mode, confirmed_by=by)
            await set_mode(vehicle, "AUTO")
        recorder.event("mission started", mode=vehicle.state.mode)

    # -- in flight -----------------------------------------------------------------------------------------

    async def _watch(self, inbox: Inbox) -> bool:
        """Until it is disarmed. True when the mission was flown to its last waypoint."""
        vehicle, recorder = self._vehicle, self._recorder
        mode = vehicle.state.mode
        last_item = _last_waypoint(self._mission, self._home_slot)
        silent, returns, restarts = False, vehicle.returns, vehicle.identity.restarts
        comparing: asyncio.Task[None] | None = None
        try:
            while vehicle.state.armed:
                self._collect(inbox)
                done = _done(vehicle.state)
                share = min(max(done, 0) / max(last_item, 1), 1.0)
                self._on_progress(self._progress_text(), 0.1 + 0.88 * share)
                if vehicle.state.mode != mode:
                    self._mode_changed(mode, done >= last_item)
                    mode = vehicle.state.mode
                if vehicle.silent(vehicle.now_s()) and not silent:
                    silent = True
                    recorder.event("link lost", item=done)
                if vehicle.returns != returns:
                    returns, silent = vehicle.returns, False
                    recorder.event("link back", link=str(vehicle.link.address))
                    if comparing is None or comparing.done():
                        comparing = asyncio.get_running_loop().create_task(self._compare())
                if vehicle.identity.restarts != restarts:
                    restarts = vehicle.identity.restarts
                    self._note("the autopilot was started anew in flight")
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
        self._collect(inbox)
        done = _done(vehicle.state)
        if done < last_item:
            said = last_words(vehicle.state)
            self._note(f"ended at item {done} of {last_item}; the vehicle said: {said or 'nothing'}")
        return done >= last_item

    async def _compare(self) -> None:
        """After a silence: does it still hold what it is to fly?"""
        check = await holds_plan(self._vehicle, self._plan, self._marks)
        self._recorder.event(
            "mission compared", held=check.held, how=check.how, differences=check.differences
        )
        if check.held is False:
            self._note(f"it holds another plan since the link was lost: {check.differences[0]}")
            self._on_progress(self._notes[-1], 0.5)

    def _mode_changed(self, before: str, flown: bool) -> None:
        vehicle = self._vehicle
        self._recorder.event("mode", mode=vehicle.state.mode, before=before)
        if not flown:
            said = last_words(vehicle.state, 1)
            self._note(
                f"left {before} for {vehicle.state.mode} before the end of the mission (it said: {said})"
            )

    def _note(self, line: str) -> None:
        if line not in self._notes:
            self._notes.append(line)
            self._recorder.event("note", text=line)

    def _forget(self, inbox: Inbox) -> None:
        """What was said before take-off is recorded, and not part of the flight."""
        for message in inbox.drain():
            self._keeper.take(message, dt.datetime.now(dt.UTC))

    def _collect(self, inbox: Inbox) -> None:
        """Sort what has come since the last look: photos, positions, words."""
        for message in inbox.drain():
            now = dt.datetime.now(dt.UTC)
            self._keeper.take(message, now)
            if message.get_srcComponent() != self._vehicle.compid:
                continue
            self._locate(message, now)
            if message.get_type() == "STATUSTEXT":
                self._recorder.event("text", severity=message.severity, text=decode_text(message.text))

    def _locate(self, message: Any, now: dt.datetime) -> None:
        point = track_point(message, now)
        if point is not None:
            self._track.append(point)

    def _progress_text(self) -> str:
        vehicle = self._vehicle
        photos = f"{len(self._keeper.photos)}"
        if self._job.photos_expected:
            photos += f" of {self._job.photos_expected}"
        if vehicle.silent(vehicle.now_s()):
            return f"no word for {vehicle.silence_s():.0f} s, {photos} photos"
        return f"{vehicle.state.mode.lower()}, {photos} photos"

    # -- after the landing ---------------------------------------------------------------------------------

    async def _fill_gaps(self, inbox: Inbox) -> None:
        """Photos whose messages were lost are in the vehicle's own log."""
        keeper = self._keeper
        await keeper.last_count()
        self._collect(inbox)
        if not keeper.missing:
            return
        self._on_progress(f"look for {len(keeper.missing)} photos in the vehicle's log", 0.99)
        found = await recover_from_log(self._vehicle, keeper, self._recorder.folder)
        self._recorder.event("photos looked up", **vars(found))
        if keeper.missing:
            self._note(
                f"{len(keeper.missing)} photos were never heard of: {found.why_not or 'not in the log'}"
            )


@asynccontextmanager
async def beside(work: Any) -> AsyncIterator[None]:
    """While it is open, a coroutine runs beside; a fault of it ends the block with that fault."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _done(state: VehicleState) -> int:
    return state.mission.done if state.mission else 0


def _lost_words(vehicle: Vehicle) -> str:
    place = vehicle.state.position
    where = f"{place.lat_deg:.6f}, {place.lon_deg:.6f}, {place.alt_rel_m:.0f} m up" if place else "unknown"
    return (
        f"vehicle {vehicle.sysid}: no word for {vehicle.silence_s():.0f} s; last position {where}; "
        "what was recorded is kept"
    )


async def _home_of(vehicle: Vehicle) -> GeoPoint | None:
    message = await request_message(vehicle, mavlink.MAVLINK_MSG_ID_HOME_POSITION)
    if message is None:
        return None
    return GeoPoint(message.latitude / 1e7, message.longitude / 1e7, message.altitude / 1e3)


def _take_off_height_m(mission: Mission) -> float:
    """The height of the mission's own take-off, which AUTO then finds done; 10 m when it has none."""
    heights = [item.alt_m for item in mission.items if item.command == Command.NAV_TAKEOFF]
    return max(heights[0], 2.5) if heights and math.isfinite(heights[0]) else 10.0


def _last_waypoint(mission: Mission, home_slot: bool) -> int:
    """The sequence number on the vehicle of the last waypoint before the way home."""
    places = [
        i
        for i, item in enumerate(mission.items)
        if item.has_place and item.command not in (Command.NAV_LAND, Command.NAV_RETURN_TO_LAUNCH)
    ]
    return (places[-1] if places else 0) + int(home_slot)
