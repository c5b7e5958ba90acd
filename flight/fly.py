"""Fly a mission from first contact to the landing, with everything on record."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight import missions
from flight.camera import camera_event, missing_indices
from flight.commands import arm, last_words, request_message, request_streams, set_mode, take_off
from flight.errors import (
    CommandError,
    FlightAborted,
    FlightStopped,
    NoVehicleError,
    ParameterError,
    TransferError,
)
from flight.params import get_param
from flight.preflight import wait_until_ready
from flight.profiles import LinkProfile, find_profile
from flight.recorder import Recorder
from flight.state import VehicleState
from flight.station import PLAIN, StationSettings, open_station
from flight.track import TrackPoint, track_point
from flight.vehicle import Inbox, Vehicle
from flight.wire import decode_text
from plans.frames import GeoPoint
from plans.mission import CameraEvent, Command, Mission, MissionItem

OnProgress = Callable[[str, float], None]
ShouldStop = Callable[[], bool]

_FIRST_WORD_S = 20.0
_READY_S = 180.0
_LOST_S = 600.0
_SETTLE_S = 1.0
_POLL_S = 0.05


@dataclass(frozen=True)
class FlightResult:
    """What a flight was. `complete` means: every waypoint flown, then landed and disarmed. `duration_s` is
    from arming to disarming by the vehicle's own clock."""

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
    tlog: Path
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
            "photos_unheard": list(missing_indices(self.camera_events)),
            "complete": self.complete,
            "notes": list(self.notes),
            "started_utc": self.started_utc.isoformat(),
            "ended_utc": self.ended_utc.isoformat(),
            "duration_s": self.duration_s,
            "tlog": str(self.tlog),
            **self.station,
        }


def fly_mission(
    mission: Mission,
    connect: str,
    out_dir: Path,
    *,
    profile: str = "wifi",
    photos_expected: int | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    settings: StationSettings = PLAIN,
) -> FlightResult:
    """Connect, upload, read back, arm, take off, fly the mission in AUTO, watch it until it has landed.

    Records telemetry.tlog and events.jsonl in `out_dir`. A flight that ends otherwise than planned (a
    failsafe, a pilot taking over) still gives its result, with `complete` False and the reason in `notes`.

    Raises AddressError, LinkError, NoVehicleError (nobody answers, or the link dies for good), TransferError,
    ArmingError, CommandError; FlightStopped when `should_stop` says so: before take-off nothing flies, after
    it the vehicle is left to its mission, because a station that goes away must not change a flight.
    """
    if not mission.items:
        raise FlightAborted("the mission is empty; plan one first")
    flight = _Flight(
        mission,
        find_profile(profile),
        photos_expected,
        on_progress or _silent,
        should_stop or (lambda: False),
        settings,
    )
    with Recorder(out_dir) as recorder:
        return asyncio.run(flight.run(connect, recorder))


def _silent(step: str, share: float) -> None:
    """Nobody listens."""


@dataclass
class _Flight:
    mission: Mission
    profile: LinkProfile
    photos_expected: int | None
    on_progress: OnProgress
    should_stop: ShouldStop
    settings: StationSettings = PLAIN
    events: dict[int, CameraEvent] = field(default_factory=dict)
    track: list[TrackPoint] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    async def run(self, connect: str, recorder: Recorder) -> FlightResult:
        self.on_progress("connect", 0.0)
        async with open_station([connect], self.profile, recorder, settings=self.settings) as station:
            vehicle = await station.wait_for_vehicle(_FIRST_WORD_S)
            with vehicle.mission_kept():
                return await self._fly(vehicle, connect, recorder)

    async def _fly(self, vehicle: Vehicle, connect: str, recorder: Recorder) -> FlightResult:
        recorder.event("connected", vehicle=vehicle.sysid, mode=vehicle.state.mode, url=connect)
        if vehicle.state.armed:
            raise CommandError(
                f"vehicle {vehicle.sysid} is armed already (mode {vehicle.state.mode}); "
                "land and disarm it before a new mission is sent"
            )
        await request_streams(vehicle)
        async with vehicle.mission_turn():
            sent, read_back = await self._send_mission(vehicle, recorder)
        self._stop_on_ground(recorder)
        self.on_progress("wait until ready", 0.08)
        await wait_until_ready(vehicle, _READY_S)
        await self._look_for_camera(vehicle, recorder)
        with vehicle.inbox() as inbox:
            started = dt.datetime.now(dt.UTC)
            await self._take_off(vehicle, recorder)
            complete = await self._watch(vehicle, inbox, recorder)
            self._collect(vehicle, inbox, recorder)
        home_slot = vehicle.state.is_ardupilot
        result = FlightResult(
            sysid=vehicle.sysid,
            started_utc=started,
            ended_utc=dt.datetime.now(dt.UTC),
            duration_s=self.track[-1].boot_s - self.track[0].boot_s if self.track else 0.0,
            sent=sent,
            read_back=read_back,
            differences=missions.differences(sent, read_back, home_slot),
            camera_events=tuple(self.events[i] for i in sorted(self.events)),
            track=tuple(self.track),
            photos_expected=self.photos_expected,
            complete=complete,
            notes=tuple(self.notes),
            tlog=recorder.tlog,
            station=vehicle.station.report(),
        )
        recorder.event("landed", **result.report())
        self.on_progress("landed", 1.0)
        return result

    def _stop_on_ground(self, recorder: Recorder) -> None:
        if self.should_stop():
            recorder.event("stopped before take-off")
            raise FlightStopped(
                "stopped before take-off; the vehicle holds the mission and stays on the ground"
            )

    async def _send_mission(
        self, vehicle: Vehicle, recorder: Recorder
    ) -> tuple[tuple[MissionItem, ...], tuple[MissionItem, ...]]:
        home = await _home_of(vehicle)
        sent = missions.slots_of(self.mission, vehicle.state.is_ardupilot, home)
        await missions.upload(vehicle, sent, on_share=lambda s: self.on_progress("upload", 0.01 + 0.03 * s))
        read_back = await missions.download(
            vehicle, on_share=lambda s: self.on_progress("read back", 0.04 + 0.03 * s)
        )
        found = missions.differences(sent, read_back, vehicle.state.is_ardupilot)
        recorder.event("uploaded", items=len(sent), read_back=len(read_back), differences=found)
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            raise TransferError(f"vehicle {vehicle.sysid} does not hold what was sent: {found[0]}{more}")
        for kind, items in (
            (missions.FENCE, missions.fence_items(self.mission)),
            (missions.RALLY, missions.rally_items(self.mission)),
        ):
            if items:
                await missions.upload(vehicle, items, kind)
                recorder.event("uploaded", kind=missions.KIND_NAMES[kind], items=len(items))
        return sent, read_back

    async def _take_off(self, vehicle: Vehicle, recorder: Recorder) -> None:
        self.on_progress("take off", 0.1)
        if vehicle.state.is_px4:
            await set_mode(vehicle, "AUTO.MISSION")
            await arm(vehicle)
        else:
            vehicle.send(mavlink.MAVLink_mission_set_current_message(vehicle.sysid, vehicle.compid, 1))
            await set_mode(vehicle, "GUIDED")
            await arm(vehicle)
            recorder.event("armed", mode=vehicle.state.mode)
            await take_off(vehicle, _take_off_height_m(self.mission))
            await set_mode(vehicle, "AUTO")
        recorder.event("mission started", mode=vehicle.state.mode)

    async def _watch(self, vehicle: Vehicle, inbox: Inbox, recorder: Recorder) -> bool:
        """Until it is disarmed. True when the mission was flown to its last waypoint."""
        flying_mode = vehicle.state.mode
        last_item = _last_waypoint(self.mission, vehicle.state.is_ardupilot)
        silent = False
        while vehicle.state.armed:
            self._collect(vehicle, inbox, recorder)
            done = vehicle.state.mission.done if vehicle.state.mission else 0
            share = min(max(done, 0) / max(last_item, 1), 1.0)
            self.on_progress(_progress_text(vehicle, self), 0.1 + 0.88 * share)
            if vehicle.state.mode != flying_mode:
                self._mode_changed(vehicle, flying_mode, done >= last_item, recorder)
                flying_mode = vehicle.state.mode
            if (vehicle.silence_s() > self.profile.silence_s) != silent:
                silent = not silent
                recorder.event("link lost" if silent else "link back")
                if not silent:
                    await request_streams(vehicle)
            if vehicle.silence_s() > _LOST_S:
                raise NoVehicleError(_lost_words(vehicle))
            if self.should_stop():
                recorder.event("stopped by the operator", mode=vehicle.state.mode)
                raise FlightStopped(
                    f"stopped watching; vehicle {vehicle.sysid} goes on by itself in {vehicle.state.mode}"
                )
            await asyncio.sleep(_POLL_S)
        await asyncio.sleep(_SETTLE_S)  # the last camera messages
        done = vehicle.state.mission.done if vehicle.state.mission else 0
        if done < last_item:
            said = last_words(vehicle.state)
            self.notes.append(f"ended at item {done} of {last_item}; the vehicle said: {said or 'nothing'}")
        return done >= last_item

    async def _look_for_camera(self, vehicle: Vehicle, recorder: Recorder) -> None:
        """Say before take-off when photos are expected that the vehicle is not set to take."""
        if not self.photos_expected or not vehicle.state.is_ardupilot:
            return
        try:
            camera = await get_param(vehicle, "CAM1_TYPE")
        except ParameterError:
            return  # before ArduPilot 4.4 it has another name; the flight goes on
        if camera.value == 0:
            self.notes.append(
                "the autopilot triggers no camera (CAM1_TYPE is 0): it takes no photo on this flight"
            )
            recorder.event("no camera", parameter="CAM1_TYPE", value=0)
            self.on_progress("no camera is set up on the vehicle (CAM1_TYPE is 0)", 0.09)

    def _mode_changed(self, vehicle: Vehicle, before: str, flown: bool, recorder: Recorder) -> None:
        recorder.event("mode", mode=vehicle.state.mode, before=before)
        if not flown:
            said = last_words(vehicle.state, 1)
            self.notes.append(
                f"left {before} for {vehicle.state.mode} before the end of the mission (it said: {said})"
            )

    def _collect(self, vehicle: Vehicle, inbox: Inbox, recorder: Recorder) -> None:
        """Sort what has come since the last look: photos, positions, words."""
        for message in inbox.drain():
            now = dt.datetime.now(dt.UTC)
            event = camera_event(message, now)
            point = track_point(message, now)
            if event is not None and event.captured:
                self.events[event.index] = event
                recorder.event("photo", **vars(event))
            elif point is not None:
                self.track.append(point)
            elif message.get_type() == "STATUSTEXT":
                recorder.event("text", severity=message.severity, text=decode_text(message.text))


def _progress_text(vehicle: Vehicle, flight: _Flight) -> str:
    photos = f"{len(flight.events)}"
    if flight.photos_expected:
        photos += f" of {flight.photos_expected}"
    state = vehicle.state
    if vehicle.silence_s() > flight.profile.silence_s:
        return f"no word for {vehicle.silence_s():.0f} s, {photos} photos"
    return f"{state.mode.lower()}, {photos} photos"


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


def describe(state: VehicleState) -> dict[str, Any]:
    """A vehicle's state as plain values, for lists and JSON; ages in seconds, None where never told."""
    now = time.monotonic()
    place, battery, gps = state.position, state.battery, state.gps
    return {
        "vehicle": state.sysid,
        "autopilot": "ArduPilot" if state.is_ardupilot else "PX4" if state.is_px4 else str(state.autopilot),
        "mode": state.mode,
        "armed": state.armed,
        "age_s": round(now - state.heard_s, 2),
        "lat_deg": place.lat_deg if place else None,
        "lon_deg": place.lon_deg if place else None,
        "alt_amsl_m": place.alt_amsl_m if place else None,
        "alt_rel_m": place.alt_rel_m if place else None,
        "heading_deg": place.heading_deg if place else None,
        "groundspeed_mps": place.ground_speed_mps if place else None,
        "battery_percent": battery.remaining_percent if battery else None,
        "battery_v": battery.voltage_v if battery else None,
        "gps_fix": gps.fix if gps else None,
        "satellites": gps.satellites if gps else None,
        "mission_item": state.mission.current if state.mission else None,
    }
