"""A simulated vehicle on a virtual radio, with the real station and its watch at the other end: nothing of
either is replaced, only time and the link are."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass, field

from flight.commands.actions import start_mission
from flight.commands.basics import request_streams
from flight.commands.confirmed import Confirmed, Danger
from flight.links.profiles import find_profile
from flight.missions.lists import slots_of
from flight.missions.upload import upload
from flight.photos.cameras import camera_status, find_camera
from flight.photos.events import camera_event
from flight.plain_texts import plain
from flight.safety.alerts import Alert
from flight.safety.conflicts import SeparationLimits
from flight.safety.reserves import ReserveLimits
from flight.safety.watch import SafetyWatch, WatchPlan
from plans.frames import GeoPoint
from plans.mission import Mission, MissionItem
from sim.autopilot.core import Vehicle, VehicleSetup
from sim.autopilot.mavlink import Channel, Face
from sim.dynamics import STEP_S
from sim.faults import FaultTimeline
from sim.watcher import Watcher
from tests.flight.virtual_time import Radio, Weather, run_virtually

from .conftest import GROUND_M, HOME, flat_place

PARAMS = {"FS_GCS_ENABLE": 1.0, "MAV_GCS_SYSID": 255.0, "BATT_LOW_VOLT": 21.0, "BATT_FS_LOW_ACT": 2.0}
_STEPS_PER_LOOK = 5


class OnAir:
    """A simulated vehicle as `tests.flight.virtual_time.Radio` takes it."""

    cut = False
    """Set by the fault link_cut: nothing passes, either way."""
    make, params, has_home_slot = Vehicle, PARAMS, True

    def __init__(self, *faults) -> None:
        self.vehicle = self.make(VehicleSetup(flat_place(), HOME, params=tuple(self.params.items())))
        self.news = []
        self.watcher = Watcher(self.vehicle, self.news.append)
        self.face = Face(self.vehicle, self.watcher.hear)
        self.timeline = FaultTimeline(faults, self.vehicle, [self], self.watcher.on_fault)
        self.trace = []
        """(simulated time, mode, believed height, true height above the ground), ten times a second."""
        self._job = None

    def go_on_air(self, put) -> None:
        def send(data, droppable):
            if not self.cut:
                put(data)

        self._channel = Channel(self.vehicle, send)
        self.face.channels.append(self._channel)
        self._job = asyncio.get_running_loop().create_task(self._live())

    def leave(self) -> None:
        self._job.cancel()

    def take(self, message) -> None:
        if not self.cut:
            self.face.handle(self._channel, message)

    async def _live(self) -> None:
        vehicle = self.vehicle
        while True:
            for _ in range(_STEPS_PER_LOOK):
                self.face.step()
                self.timeline.update()
                self.watcher.update()
            height_m = vehicle.body.up_m - vehicle.ground_m
            self.trace.append((vehicle.time_s, vehicle.mode.name, vehicle.relative_alt_m, height_m))
            await asyncio.sleep(_STEPS_PER_LOOK * STEP_S)

    def modes(self):
        """The modes that it was in, in their order."""
        names = [mode for _, mode, _, _ in self.trace]
        return [name for name, before in zip(names, ["", *names], strict=False) if name != before]


@dataclass
class Heard:
    """What the station told its pilot."""

    alerts: list[Alert] = field(default_factory=list)
    over: list[Alert] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """What the vehicle said since it was armed."""
    photos: list = field(default_factory=list)
    """The camera events that came."""
    camera: object = None
    """What the camera answered after the flight, None where nobody asked or it did not."""

    @property
    def keys(self):
        return [alert.key for alert in self.alerts]

    @property
    def plain_keys(self):
        """Names of the vehicle's texts that the station knows in plain words."""
        return [plain(text).key for text in self.texts]


def mission() -> Mission:
    """Up to 40 m, two lanes of 500 m with photos, home."""
    place = flat_place()

    def at(east, north, up, command=16):
        lat, lon = place.to_geo(east, north)
        return MissionItem(command, 3, (0.0, 0.0, 0.0, 0.0), lat, lon, up)

    items = [at(0, 0, 40.0, 22), MissionItem(206, 2, (20.0, 0.0, 1.0, 0.0), 0.0, 0.0, 0.0)]
    items += [at(0, 500, 40.0), at(40, 500, 40.0), at(40, 0, 40.0)]
    items += [MissionItem(206, 2, (0.0, 0.0, 0.0, 0.0), 0.0, 0.0, 0.0)]
    items.append(MissionItem(20, 2, (0.0, 0.0, 0.0, 0.0), 0.0, 0.0, 0.0))
    return Mission(tuple(items), home=GeoPoint(HOME.lat_deg, HOME.lon_deg, GROUND_M))


def flown(faults, seconds, ask_camera=False, kind=OnAir):
    """A flight with faults under a station's eyes: (the vehicle, what the station told). It ends after so
    many seconds of flight."""
    on_air, heard = kind(*faults), Heard()

    def told(alert, begins):
        (heard.alerts if begins else heard.over).append(alert)

    async def whole():
        radio = Radio(Weather(latency_s=0.02, bytes_per_s=1e5))
        async with radio.meet(on_air, find_profile("wifi")) as vehicle:
            await request_streams(vehicle)
            await asyncio.sleep(45.0)
            plan = mission()
            await upload(vehicle, slots_of(plan, on_air.has_home_slot, None))
            watched = WatchPlan(plan, on_air.params, plan.home, 1440.0, ReserveLimits(), SeparationLimits())
            before = len(vehicle.state.texts)
            with vehicle.inbox() as inbox:
                async with SafetyWatch(vehicle, watched, told).running():
                    await start_mission(vehicle, Confirmed("a test", Danger.START_MISSION, 1))
                    await asyncio.sleep(seconds)
                utc = dt.datetime.now(dt.UTC)
                heard.photos = [event for m in inbox.drain() if (event := camera_event(m, utc))]
            heard.texts = [text.text for text in vehicle.state.texts[before:]]
            if ask_camera:
                heard.camera = await camera_status(vehicle, await find_camera(vehicle))

    run_virtually(whole())
    return on_air, heard
