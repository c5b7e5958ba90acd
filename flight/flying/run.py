"""One flight, from the vehicle's first word to its landing: the steps behind `flight.flying.fly`.

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
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.actions import set_current_item, start_mission, take_off
from flight.commands.basics import request_message, set_mode
from flight.commands.confirmed import Confirmed, Danger
from flight.describe import describe_links
from flight.errors import (
    CommandError,
    FlightStopped,
    NoVehicleError,
    TransferError,
)
from flight.flying.job import FlightJob, FlightResult
from flight.flying.watch import FlightWatch, OnProgress, ShouldStop
from flight.links.high_latency_switch import HighLatencySwitch, while_fast
from flight.logs.recorder import Recorder
from flight.missions import lists
from flight.missions.download import download
from flight.missions.upload import upload
from flight.preflight import wait_until_ready
from flight.safety.checklist import CheckState
from flight.safety.review import check_before_upload, review_vehicle, watched
from flight.safety.vehicle_checks import VehicleFacts
from flight.safety.vehicle_facts import gather_facts
from flight.station import Station
from flight.station_claim import claim_station_id
from flight.streams import keep_streams
from flight.vehicle import Inbox, Vehicle
from plans.frames import GeoPoint
from plans.mission import Command, Mission, MissionItem

FIRST_WORD_S = 20.0
_OTHERS_S = 1.3
"""Vehicles speak once a second: after so long a second one would have been heard too."""
_READY_S = 180.0


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


async def fly_vehicle(
    job: FlightJob, vehicle: Vehicle, on_progress: OnProgress, should_stop: ShouldStop
) -> FlightResult:
    """One vehicle's flight, on record in the job's folder, or in that of the record that was broken off.

    Raises PlanFaultsError, TransferError, ChecklistError, ArmingError, CommandError, NoVehicleError,
    FlightStopped.
    """
    station = vehicle.station
    on_progress("look at what it does", 0.0)
    held = await _flies_it(vehicle, job.mission) if vehicle.state.armed else None
    folder = job.unfinished or job.folder
    with Recorder(folder, vehicle.sysid, station.settings.on_trouble) as recorder:
        station.recorders.append(recorder)
        try:
            with vehicle.mission_kept(), vehicle.inbox() as inbox:
                async with beside(keep_streams(vehicle)):
                    run = _FlightRun(job, vehicle, recorder, on_progress, should_stop)
                    return await run.run(inbox, held)
        finally:
            station.recorders.remove(recorder)


async def _flies_it(vehicle: Vehicle, mission: Mission) -> tuple[MissionItem, ...]:
    """What an armed vehicle holds, which must be this mission. Raises CommandError."""
    home_slot = vehicle.state.is_ardupilot
    held = await download(vehicle)
    found = lists.differences(lists.slots_of(mission, home_slot, None), held, home_slot)
    if found:
        raise CommandError(
            f"vehicle {vehicle.sysid} is armed already (mode {vehicle.state.mode}) with another mission "
            f"({found[0]}); land and disarm it before a new mission is sent"
        )
    return held


class _FlightRun:
    def __init__(
        self,
        job: FlightJob,
        vehicle: Vehicle,
        recorder: Recorder,
        on_progress: OnProgress,
        should_stop: ShouldStop,
    ) -> None:
        self._job, self._vehicle, self._recorder = job, vehicle, recorder
        self._on_progress, self._should_stop = on_progress, should_stop
        self._mission = job.mission
        self._home_slot = vehicle.state.is_ardupilot
        self._watch = FlightWatch(job, vehicle, recorder, on_progress, should_stop)
        self._read_back: tuple[MissionItem, ...] = ()
        self._facts: VehicleFacts | None = None
        self._checklist: Mapping[str, Any] = {}

    async def run(self, inbox: Inbox, held: tuple[MissionItem, ...] | None) -> FlightResult:
        """`held` is the mission of a vehicle that flies it already."""
        vehicle, recorder, over = self._vehicle, self._recorder, held is not None
        if self._job.unfinished is None:
            recorder.event("flight", **self._job.about)
        addresses = [str(link.address) for link in vehicle.paths]
        recorder.event("connected", vehicle=vehicle.sysid, mode=vehicle.state.mode, links=addresses)
        landed = self._job.unfinished is not None and not over
        if over or landed:
            self._read_back = held or ()
            self._take_over(landed)
        else:
            await self._prepare()
        started = dt.datetime.now(dt.UTC)
        flown = False
        if not landed:
            facts = self._facts or await gather_facts(vehicle, self._watch.plan, compared=True)
            switch = HighLatencySwitch(
                vehicle, lambda: vehicle.station.satellite_links, self._watch.slow_link
            )
            async with (
                beside(switch.run()),
                beside(while_fast(vehicle, self._watch.keeper.run)),
                watched(vehicle, self._mission, self._job.safety, facts, self._watch.alert),
            ):
                if not over:
                    self._watch.forget(inbox)
                    await self._take_off()
                flown = await self._watch.watch(inbox)
        await self._watch.fill_gaps(inbox)
        complete = self._watch.enough_photos() and flown
        sent = self._watch.plan[lists.MISSION]
        track = tuple(self._watch.track)
        result = FlightResult(
            sysid=vehicle.sysid,
            started_utc=min(started, track[0].time_utc) if track else started,
            ended_utc=dt.datetime.now(dt.UTC),
            duration_s=self._watch.airtime.seconds,
            sent=sent,
            read_back=self._read_back,
            differences=lists.differences(sent, self._read_back, self._home_slot),
            camera_events=self._watch.keeper.photos,
            track=track,
            photos_expected=self._job.photos_expected,
            complete=complete,
            notes=tuple(self._watch.notes),
            folder=recorder.folder,
            tlog=recorder.tlog,
            taken_over=over or landed,
            photos=self._watch.keeper.report(),
            checklist=self._checklist,
            links=tuple(describe_links(vehicle)),
            station=vehicle.station.report(),
        )
        recorder.event("landed", **result.report())
        self._on_progress("landed", 1.0)
        return result

    # -- a flight that goes on already ---------------------------------------------------------------------

    def _take_over(self, landed: bool) -> None:
        """Go on with what the broken-off record knows already."""
        vehicle, old = self._vehicle, self._job.unfinished
        self._watch.plan = {lists.MISSION: lists.slots_of(self._mission, self._home_slot, None)}
        self._recorder.event("taken over", vehicle=vehicle.sysid, mode=vehicle.state.mode, landed=landed)
        if landed:
            self._watch.note("it landed while no station watched; this closes the record of that flight")
        else:
            self._on_progress("it flies this mission already; its flight is taken over", 0.1)
        if old is not None and (old / "telemetry.tlog").is_file():
            self._watch.remember(old / "telemetry.tlog")

    # -- before take-off -----------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        vehicle = self._vehicle
        autopilot = "px4" if vehicle.state.is_px4 else "ardupilot"
        report = await asyncio.to_thread(check_before_upload, self._mission, self._job.safety, autopilot)
        for warning in report.warnings:
            self._recorder.event("plan warning", **warning.as_json())
        trouble = await claim_station_id(vehicle)
        if trouble is not None:
            self._watch.note(trouble)
        async with vehicle.mission_turn():
            await self._send_mission()
        self._stop_on_ground()
        self._on_progress("wait until ready", 0.08)
        await wait_until_ready(vehicle, _READY_S)
        await self._check()
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
        self._watch.plan[lists.MISSION] = lists.slots_of(self._mission, self._home_slot, home)
        for kind, items in (
            (lists.FENCE, lists.fence_items(self._mission)),
            (lists.RALLY, lists.rally_items(self._mission)),
        ):
            if items:
                self._watch.plan[kind] = items
        for kind, items in self._watch.plan.items():
            share = self._share_of_upload if kind == lists.MISSION else None
            uploaded = await upload(vehicle, items, kind, share)
            self._watch.marks[kind] = uploaded.mark
            found = lists.differences(items, uploaded.items, self._home_slot and kind == lists.MISSION)
            recorder.event(
                "uploaded",
                kind=lists.KIND_NAMES[kind],
                items=len(items),
                read_back=len(uploaded.items),
                differences=found,
                way=uploaded.way.value,
                proof=uploaded.proof.value,
            )
            if found:
                more = f" and {len(found) - 1} more" if len(found) > 1 else ""
                raise TransferError(f"vehicle {vehicle.sysid} does not hold what was sent: {found[0]}{more}")
            if kind == lists.MISSION:
                self._read_back = uploaded.items

    def _share_of_upload(self, share: float) -> None:
        self._on_progress("upload", 0.01 + 0.06 * share)

    async def _check(self) -> None:
        """The checklist: failures keep it on the ground, the rest is told and on record."""
        self._on_progress("checklist", 0.09)
        checklist, self._facts = await review_vehicle(
            self._vehicle,
            self._mission,
            self._job.safety,
            self._watch.plan,
            folder=self._recorder.folder,
            compared=True,
        )
        self._checklist = checklist.as_json()
        self._recorder.event("checklist", vehicle=self._vehicle.sysid, **self._checklist)
        checklist.require_ready()
        for check in checklist.told:
            if check.state is CheckState.WARN:
                self._vehicle.station.settings.on_trouble(f"vehicle {self._vehicle.sysid}: {check.line()}")

    async def _take_off(self) -> None:
        vehicle, recorder = self._vehicle, self._recorder
        self._on_progress("take off", 0.1)
        by = self._job.confirmed_by
        if vehicle.state.is_px4:
            await set_current_item(vehicle, 0)  # a new mission goes on where the one before it ended
            await start_mission(vehicle, Confirmed(by, Danger.START_MISSION, vehicle.sysid))
        else:
            await set_current_item(vehicle, 1)
            height_m = _take_off_height_m(self._mission)
            await take_off(vehicle, height_m, Confirmed(by, Danger.TAKE_OFF, vehicle.sysid))
            recorder.event("armed", mode=vehicle.state.mode, confirmed_by=by)
            await set_mode(vehicle, "AUTO")
        recorder.event("mission started", mode=vehicle.state.mode)


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


async def _home_of(vehicle: Vehicle) -> GeoPoint | None:
    message = await request_message(vehicle, mavlink.MAVLINK_MSG_ID_HOME_POSITION)
    if message is None:
        return None
    return GeoPoint(message.latitude / 1e7, message.longitude / 1e7, message.altitude / 1e3)


def _take_off_height_m(mission: Mission) -> float:
    """The height of the mission's own take-off, which AUTO then finds done; 10 m when it has none."""
    heights = [item.alt_m for item in mission.items if item.command == Command.NAV_TAKEOFF]
    return max(heights[0], 2.5) if heights and math.isfinite(heights[0]) else 10.0
