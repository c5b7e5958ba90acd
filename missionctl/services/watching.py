"""Vehicles seen live: a station in a thread of its own that tells news."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from flight.commands import request_streams
from flight.errors import CommandError, FlightError, NoVehicleError
from flight.profiles import LinkProfile, find_profile
from flight.state import VehicleState
from flight.station import open_station
from flight.vehicle import Vehicle

_NEWS_S = 0.2
_ALIVE_S = 5.0


@dataclass(frozen=True)
class VehicleNews:
    """A vehicle as a window shows it. None where it has not told; `age_s` since it was last heard."""

    sysid: int
    autopilot: str
    mode: str
    armed: bool
    age_s: float
    lat_deg: float | None = None
    lon_deg: float | None = None
    alt_amsl_m: float | None = None
    alt_rel_m: float | None = None
    heading_deg: float | None = None
    groundspeed_mps: float | None = None
    climb_mps: float | None = None
    roll_deg: float | None = None
    pitch_deg: float | None = None
    battery_percent: float | None = None
    battery_v: float | None = None
    gps_fix: int | None = None
    satellites: int | None = None
    ekf_ok: bool | None = None
    prearm_ok: bool | None = None
    wind_mps: float | None = None
    wind_from_deg: float | None = None
    mission_seq: int | None = None
    status_texts: tuple[str, ...] = ()


OnState = Callable[[VehicleNews], None]
OnTrouble = Callable[[str], None]


class Watcher:
    """Listens until closed. Callbacks come from its thread.

    A window calls `pulse` a few times a second: when it stops, the station's heartbeat stops with it.
    """

    def __init__(self, connect: str, on_state: OnState, on_trouble: OnTrouble, profile: LinkProfile) -> None:
        self._connect = connect
        self._on_state = on_state
        self._on_trouble = on_trouble
        self._profile = profile
        self._stop = threading.Event()
        self._pulse_s = time.monotonic()
        self._pulsing = False
        self._thread = threading.Thread(target=self._run, name=f"watch {connect}", daemon=True)
        self._thread.start()

    def pulse(self) -> None:
        """Say that the program does not hang."""
        self._pulsing = True
        self._pulse_s = time.monotonic()

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join(5.0)

    def _alive(self) -> bool:
        return not self._pulsing or time.monotonic() - self._pulse_s < _ALIVE_S

    def _run(self) -> None:
        try:
            asyncio.run(self._listen())
        except FlightError as fault:
            self._on_trouble(str(fault))

    async def _listen(self) -> None:
        async with open_station([self._connect], self._profile) as station:
            station.alive = self._alive
            asked: dict[int, float] = {}
            warned = False
            began_s = time.monotonic()
            while not self._stop.is_set():
                if not station.vehicles and not warned and time.monotonic() - began_s > 10.0:
                    warned = True
                    self._on_trouble(f"{self._connect}: nobody answers yet; is the vehicle powered?")
                for vehicle in list(station.vehicles.values()):
                    await self._keep_streams(vehicle, asked)
                    self._on_state(news(vehicle.state, time.monotonic()))
                await asyncio.sleep(_NEWS_S)

    async def _keep_streams(self, vehicle: Vehicle, asked: dict[int, float]) -> None:
        """Streams are asked for at first sight and again when positions have stopped coming."""
        now = time.monotonic()
        place = vehicle.state.position
        stale = place is None or now - place.at_s > 2 * self._profile.silence_s
        if stale and now - asked.get(vehicle.sysid, -math.inf) > 3 * self._profile.silence_s:
            asked[vehicle.sysid] = now
            with contextlib.suppress(CommandError, NoVehicleError):
                await request_streams(vehicle)


def watch(
    connect: str,
    on_state: OnState,
    on_trouble: OnTrouble = lambda text: None,
    profile: str = "wifi",
) -> Watcher:
    """Listen to the vehicles at an address; `on_state` gets each one's news five times a second, `on_trouble`
    a line when something is wrong with the link. Both are called from another thread."""
    return Watcher(connect, on_state, on_trouble, find_profile(profile))


def news(state: VehicleState, now_s: float) -> VehicleNews:
    """A vehicle's state as news."""
    place, attitude, battery, gps = state.position, state.attitude, state.battery, state.gps
    return VehicleNews(
        sysid=state.sysid,
        autopilot="ArduPilot" if state.is_ardupilot else "PX4" if state.is_px4 else "",
        mode=state.mode,
        armed=state.armed,
        age_s=now_s - state.heard_s,
        lat_deg=place.lat_deg if place else None,
        lon_deg=place.lon_deg if place else None,
        alt_amsl_m=place.alt_amsl_m if place else None,
        alt_rel_m=place.alt_rel_m if place else None,
        heading_deg=_known(place.heading_deg) if place else None,
        groundspeed_mps=place.ground_speed_mps if place else None,
        climb_mps=state.climb_mps,
        roll_deg=attitude.roll_deg if attitude else None,
        pitch_deg=attitude.pitch_deg if attitude else None,
        battery_percent=_known(battery.remaining_percent) if battery else None,
        battery_v=_known(battery.voltage_v) if battery else None,
        gps_fix=gps.fix if gps else None,
        satellites=gps.satellites if gps else None,
        ekf_ok=state.ekf.has_position if state.ekf else None,
        prearm_ok=state.health.prearm_ok if state.health else None,
        wind_mps=state.wind.speed_mps if state.wind else None,
        wind_from_deg=state.wind.from_deg if state.wind else None,
        mission_seq=state.mission.current if state.mission else None,
        status_texts=tuple(t.text for t in state.texts),
    )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
