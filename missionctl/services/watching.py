"""Vehicles seen live: a station in a thread of its own that tells news."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from flight.core import Core
from flight.errors import FlightError
from flight.links.profiles import LinkProfile, find_profile
from flight.state import VehicleState
from flight.station import PLAIN, Station, StationSettings, open_station
from flight.streams import keep_streams

_NEWS_S = 0.2


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

    def __init__(
        self,
        connect: str,
        on_state: OnState,
        on_trouble: OnTrouble,
        settings: StationSettings,
        profile: LinkProfile,
    ) -> None:
        self._connect = connect
        self._on_state = on_state
        self._on_trouble = on_trouble
        self._settings = replace(settings, on_trouble=on_trouble)
        self._profile = profile
        self._core = Core(f"watch {connect}")
        self._core.start(self._run())

    def pulse(self) -> None:
        """Say that the program does not hang."""
        self._core.watchdog.feed()

    def close(self) -> None:
        """Stop listening."""
        self._core.close()

    async def _run(self) -> None:
        try:
            await self._listen()
        except FlightError as fault:
            self._on_trouble(str(fault))
            asyncio.get_running_loop().stop()  # its thread ends: nobody listens any more

    async def _listen(self) -> None:
        opening = open_station([self._connect], self._profile, settings=self._settings)
        async with opening as station, asyncio.TaskGroup() as beside:
            station.alive = self._core.watchdog.alive
            streaming: set[int] = set()
            warned = False
            began_s = station.now_s()
            while True:
                if not station.vehicles and not warned and station.now_s() - began_s > 10.0:
                    warned = True
                    if not _rejects(station):  # which has been told
                        self._on_trouble(f"{self._connect}: nobody answers yet; is the vehicle powered?")
                for vehicle in list(station.vehicles.values()):
                    if vehicle.sysid not in streaming:
                        streaming.add(vehicle.sysid)
                        beside.create_task(keep_streams(vehicle))
                    self._on_state(news(vehicle.state, station.now_s()))
                await asyncio.sleep(_NEWS_S)


def _rejects(station: Station) -> bool:
    """Whether somebody is there whose signature is not ours."""
    counts = station.signing.report() if station.signing is not None else {}
    return any(counts.get(kind) for kind in ("unsigned", "bad", "old"))


def watch(
    connect: str,
    on_state: OnState,
    on_trouble: OnTrouble = lambda text: None,
    settings: StationSettings = PLAIN,
    profile: str = "wifi",
) -> Watcher:
    """Listen to the vehicles at an address; `on_state` gets each one's news five times a second, `on_trouble`
    a line when something is wrong with the link. Both are called from another thread."""
    return Watcher(connect, on_state, on_trouble, settings, find_profile(profile))


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
