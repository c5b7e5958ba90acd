"""The simulator as a process: vehicles stepped against the wall clock, talking MAVLink on sockets.

Every link carries all vehicles (system ids 1..N), as a telemetry network does. One thread; simulated time is
wall time times `speedup`, and slips when the machine cannot keep up.
"""

from __future__ import annotations

import datetime as dt
import math
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Encoder, Message, Parser, packet_of
from plans.cameras import Camera
from plans.frames import GeoPoint, LocalFrame, Pose
from sim.autopilot.craft import Craft, Shot, VehicleSetup
from sim.autopilot.mavlink import Channel, Face
from sim.autopilot.params import problem_with
from sim.autopilot.personality import personality_of
from sim.battery import BatteryPack
from sim.dynamics import STEP_S, Airframe, Weather
from sim.errors import SettingsError
from sim.faults import Fault, FaultTimeline
from sim.goals import Goals
from sim.links import Link, open_link, parse_address
from sim.place import FlatGround, Place, place_of_world
from sim.radio import Fade, Radio, RadioSettings
from sim.sensors import find_gnss
from sim.watcher import FlightSummary, News, Watcher

STEPS_PER_POLL = 5
"""At most this many steps between two looks at the sockets: 0.1 simulated seconds."""
_MAX_LAG_S = 0.5
_RADIO_SYSTEM, _RADIO_COMPONENT = 51, 68
_RADIO_STATUS_S = 1.0
_EDGE_DBM, _NOISE_DBM = -105.0, -117.0
"""A SiK radio's signal where half is lost, and the noise around it."""
_SATELLITE = RadioSettings(latency_s=2.0, bytes_per_s=100.0)


@dataclass(frozen=True)
class SimSettings:
    """What to simulate. Without a `world` the ground is a plane at the home's height; with one, home is its
    launch point unless given, and the ground is its terrain. Photos need a world and a camera."""

    home: GeoPoint | None = None
    listen: tuple[str, ...] = ("tcpin:127.0.0.1:5760",)
    listen_high_latency: tuple[str, ...] = ()
    """Addresses of satellite modems: silent until MAV_CMD_CONTROL_HIGH_LATENCY opens them; a cut link leaves
    them alone."""
    speedup: float = 1.0
    vehicles: int = 1
    world: Path | None = None
    photos_dir: Path | None = None
    """With several vehicles each has a folder in it, named by its system id."""
    camera: Camera | None = None
    photo_workers: int = 1
    seed: int = 0
    autopilot: str = "ardupilot"
    """Whose behaviour the vehicles have: ardupilot or px4."""
    gnss: str = "rtk"
    weather: Weather = field(default_factory=Weather)
    airframe: Airframe = field(default_factory=Airframe)
    pack: BatteryPack = field(default_factory=BatteryPack)
    charge_share: float = 1.0
    radio: RadioSettings = field(default_factory=RadioSettings)
    radios: tuple[RadioSettings, ...] = ()
    """Of the links one by one, in the order of `listen`; those beyond have `radio`."""
    terrain_on_card: bool = True
    """Whether the vehicles have the world's terrain on their cards."""
    faults: tuple[Fault, ...] = ()
    params: tuple[tuple[str, float], ...] = ()
    goals: Goals = field(default_factory=Goals)
    start_utc: dt.datetime | None = None
    """Simulated time at power-up; None is now."""

    def photo_folder(self, sysid: int) -> Path | None:
        """Where the photos of one vehicle go."""
        if self.photos_dir is None or self.vehicles == 1:
            return self.photos_dir
        return self.photos_dir / str(sysid)

    def radio_of(self, number: int) -> RadioSettings:
        """The radio of a link, counted from 0."""
        return self.radios[number] if number < len(self.radios) else self.radio

    def check(self) -> None:
        """Raise SettingsError or ListenError for what cannot be simulated."""
        if self.home is None and self.world is None:
            raise SettingsError(
                "the simulator needs a home position or a world; give --home LAT,LON,ALT or --world"
            )
        if not 1.0 <= self.speedup <= 100.0:
            raise SettingsError(f"speed-up {self.speedup:g} is not possible; take 1 to 100")
        if not 1 <= self.vehicles <= 50:
            raise SettingsError(f"{self.vehicles} vehicles are not possible; take 1 to 50")
        if self.photos_dir is not None and (self.world is None or self.camera is None):
            raise SettingsError("photos need a world to be taken of and a camera; give --world and a camera")
        if not self.listen:
            raise SettingsError("the simulator needs an address to listen on")
        for url in (*self.listen, *self.listen_high_latency):
            parse_address(url)
        find_gnss(self.gnss)
        if not 0.0 < self.charge_share <= 1.0:
            raise SettingsError(f"a battery {self.charge_share:.0%} full is not possible; take 1 to 100 %")
        known = personality_of(self.autopilot).parameters
        for name, value in self.params:
            if problem := problem_with(name, value, known):
                raise SettingsError(f"parameter {problem}")


def make_vehicles(settings: SimSettings) -> tuple[Place, list[Craft]]:
    """The place and its vehicles, three metres apart in a row to the east. Raises SimError."""
    settings.check()
    home = settings.home
    if settings.world is not None:
        place, launch = place_of_world(settings.world)
        home = home or launch
    else:
        assert home is not None
        place = Place(LocalFrame(home.lat_deg, home.lon_deg), FlatGround(home.alt_amsl_m or 0.0))
    camera_pause = settings.camera.min_trigger_interval_s if settings.camera is not None else 0.0
    east, north = place.to_local(home.lat_deg, home.lon_deg)
    vehicles = []
    for number in range(settings.vehicles):
        lat, lon = place.to_geo(east + 3.0 * number, north)
        setup = VehicleSetup(
            place=place,
            home=GeoPoint(lat, lon),
            sysid=number + 1,
            seed=settings.seed,
            gnss=find_gnss(settings.gnss),
            weather=settings.weather,
            airframe=settings.airframe,
            pack=settings.pack,
            charge_share=settings.charge_share,
            camera_min_interval_s=camera_pause,
            terrain_on_card=settings.terrain_on_card,
            params=settings.params,
            start_utc=settings.start_utc or dt.datetime.now(dt.UTC),
        )
        vehicles.append(personality_of(settings.autopilot).make(setup))
    return place, vehicles


class _Port:
    """A link with its radio and one channel per vehicle."""

    def __init__(
        self,
        link: Link,
        faces: list[Face[Craft]],
        radio: RadioSettings,
        seed: str,
        high_latency: bool = False,
    ) -> None:
        self.link = link
        self._faces = faces
        self.down: Radio[tuple[bytes, bool]] = Radio(radio, f"{seed} down")
        self.up: Radio[Message] = Radio(radio, f"{seed} up")
        self._parser = Parser()
        self._generation = link.generation
        self._fades = [_fade(radio, face.vehicle, seed) for face in faces]
        self._radio_status = Encoder(_RADIO_SYSTEM, _RADIO_COMPONENT)
        self._next_status_s = 0.0
        self._channels = [
            Channel(face.vehicle, partial(self._write, number), high_latency)
            for number, face in enumerate(faces)
        ]
        for face, channel in zip(faces, self._channels, strict=True):
            channel.bytes_per_s = radio.bytes_per_s
            face.channels.append(channel)

    @property
    def _now_s(self) -> float:
        return self._faces[0].vehicle.time_s

    def _write(self, number: int, data: bytes, droppable: bool) -> None:
        fade = self._fades[number]
        if self.down.cut or (fade is not None and not fade.passes()):
            return
        if self.down.settings.perfect:
            self.link.write(data, droppable)
        else:
            self.down.put((data, droppable), len(data), self._now_s, droppable)

    def _follow(self) -> None:
        """See how far the vehicles are; once a second the station's own radio says how well it hears them."""
        now_s = self._now_s
        for fade, face in zip(self._fades, self._faces, strict=True):
            if fade is not None:
                body = face.vehicle.body
                fade.update((body.east_m, body.north_m, body.up_m), now_s)
        fade = self._fades[0]
        if fade is not None and now_s >= self._next_status_s:
            self._next_status_s = now_s + _RADIO_STATUS_S
            margin_db = -math.inf if self.down.cut else fade.margin_db
            self.link.write(self._radio_status.encode(radio_status(margin_db)), True)

    def pump(self) -> None:
        """Take in what has arrived and hand it to the vehicles; send what is queued."""
        self._follow()
        for data in self.link.read():
            if self.link.generation != self._generation:
                self._welcome()
            for message in self._parser.feed(data):
                self._hear(message)
        if self.link.generation != self._generation:
            self._welcome()
        for message in self.up.due(self._now_s):
            self._dispatch(message)
        for data, droppable in self.down.due(self._now_s):
            self.link.write(data, droppable)
        self.link.flush()

    def _welcome(self) -> None:
        self._generation = self.link.generation
        self._parser = Parser()
        for channel in self._channels:
            channel.reset_streams()

    def _hear(self, message: Message) -> None:
        if self.up.settings.perfect and not self.up.cut:
            self._dispatch(message)
        else:
            self.up.put(message, len(packet_of(message)), self._now_s)

    def _dispatch(self, message: Message) -> None:
        for face, channel, fade in zip(self._faces, self._channels, self._fades, strict=True):
            if fade is None or fade.passes():
                face.handle(channel, message)


def _fade(radio: RadioSettings, vehicle: Craft, seed: str) -> Fade | None:
    if radio.reach is None:
        return None
    body = vehicle.body
    start = body.east_m, body.north_m, body.up_m
    return Fade(radio.reach, vehicle.place, start, f"{seed} {vehicle.sysid}")


def radio_status(margin_db: float) -> Message:
    """RADIO_STATUS as a SiK radio gives it: half-decibel steps from -127 dBm."""
    noise = _rssi(_NOISE_DBM)
    signal = max(_rssi(_EDGE_DBM + margin_db), noise)
    return mavlink.MAVLink_radio_status_message(signal, signal, 100, noise, noise, 0, 0)


def _rssi(dbm: float) -> int:
    return round(min(max(1.9 * (dbm + 127.0), 0.0), 254.0))


class _PhotoDesk:
    """Hands shots to the photo cards, one card per vehicle."""

    def __init__(self, settings: SimSettings) -> None:
        from sim.camera import PhotoCard

        assert settings.photos_dir is not None
        assert settings.world is not None
        assert settings.camera is not None
        self._cards = {}
        for sysid in range(1, settings.vehicles + 1):
            folder = settings.photo_folder(sysid)
            assert folder is not None
            self._cards[sysid] = PhotoCard(
                settings.world,
                settings.camera,
                folder,
                workers=settings.photo_workers,
                seed=settings.seed + sysid,
            )

    def take(self, shot: Shot, water_rise_m: float) -> None:
        """Queue a shot for rendering."""
        self._cards[shot.sysid].capture(replace(true_shot(shot), water_rise_m=water_rise_m))

    def close(self) -> None:
        """Wait until every photo is on its card."""
        for card in self._cards.values():
            card.close()


def true_shot(shot: Shot) -> Any:
    """A vehicle's Shot as the renderer takes it."""
    from sim.camera import TrueShot
    from sim.view import Motion

    angles, believed = shot.true_angles, shot.believed_angles
    return TrueShot(
        index=shot.index,
        time_utc=shot.time_utc,
        pose=Pose(
            shot.true_east_m,
            shot.true_north_m,
            shot.true_up_m,
            angles.yaw_deg,
            angles.pitch_deg,
            angles.roll_deg,
        ),
        believed_lat_deg=shot.believed_lat_deg,
        believed_lon_deg=shot.believed_lon_deg,
        believed_alt_amsl_m=shot.believed_alt_amsl_m,
        believed_rel_alt_m=shot.believed_rel_alt_m,
        believed_yaw_deg=believed.yaw_deg,
        believed_pitch_deg=believed.pitch_deg,
        believed_roll_deg=believed.roll_deg,
        position_sigma_h_m=shot.position_sigma_h_m,
        position_sigma_v_m=shot.position_sigma_v_m,
        motion=Motion(shot.true_velocity_mps, shot.true_turn_radps),
    )


def serve(
    settings: SimSettings,
    on_ready: Callable[[tuple[str, ...]], None] | None = None,
    stop_event: threading.Event | None = None,
    on_news: Callable[[News], None] | None = None,
) -> tuple[FlightSummary, ...]:
    """Simulate until `stop_event` is set (for ever without one), then finish the photos and return what each
    vehicle did.

    `on_ready` gets the addresses at which a station connects, with real ports where 0 was asked for;
    `on_news` whatever happens to a vehicle: faults, arming, modes, its texts.
    Raises SimError for settings, worlds and addresses that do not work.
    """
    _, vehicles = make_vehicles(settings)
    watchers = [Watcher(vehicle, on_news) for vehicle in vehicles]
    faces = [
        Face(vehicle, watcher.hear, settings.photo_folder(vehicle.sysid))
        for vehicle, watcher in zip(vehicles, watchers, strict=True)
    ]
    desk = _PhotoDesk(settings) if settings.photos_dir is not None else None
    ports: list[_Port] = []
    try:
        for number, url in enumerate(settings.listen):
            ports.append(_Port(open_link(url), faces, settings.radio_of(number), f"{settings.seed} {url}"))
        for url in settings.listen_high_latency:
            ports.append(_Port(open_link(url), faces, _SATELLITE, f"{settings.seed} {url}", True))
        terrestrial = ports[: len(settings.listen)]
        radios = [radio for port in terrestrial for radio in (port.up, port.down)]
        timelines = [
            FaultTimeline(settings.faults, vehicle, radios, watcher.on_fault)
            for vehicle, watcher in zip(vehicles, watchers, strict=True)
        ]
        if on_ready is not None:
            on_ready(tuple(port.link.connect_url() for port in ports))
        crew = list(zip(faces, timelines, watchers, strict=True))
        _run(settings.speedup, crew, ports, desk, stop_event or threading.Event())
    finally:
        for port in ports:
            port.link.close()
        if desk is not None:
            desk.close()
    flights = [watcher.summary() for watcher in watchers]
    return tuple(replace(flight, goals=settings.goals.judge(flight)) for flight in flights)


def _run(
    speedup: float,
    crew: list[tuple[Face[Craft], FaultTimeline, Watcher]],
    ports: list[_Port],
    desk: _PhotoDesk | None,
    stop_event: threading.Event,
) -> None:
    """The loop: step to where the clock says, look at the sockets, wait."""
    began, steps = time.monotonic(), 0
    while not stop_event.is_set():
        due = math.floor((time.monotonic() - began) * speedup / STEP_S)
        if (due - steps) * STEP_S / speedup > _MAX_LAG_S:
            began = time.monotonic() - (steps + 1) * STEP_S / speedup  # too slow a machine: time slips
            due = steps + 1
        for _ in range(min(due - steps, STEPS_PER_POLL)):
            steps += 1
            for face, timeline, watcher in crew:
                face.step()
                timeline.update()
                watcher.update()
                if face.shots:
                    _hand_over(face, desk)
        for port in ports:
            port.pump()
        wait = (steps + 1) * STEP_S / speedup - (time.monotonic() - began)
        if wait > 0.0:
            sockets = [s for port in ports for s in port.link.sockets()]
            select.select(sockets, (), (), min(max(wait, 0.001), 0.05))


def _hand_over(face: Face[Craft], desk: _PhotoDesk | None) -> None:
    shots, face.shots = face.shots, []
    if desk is not None:
        tide = face.vehicle.place.tide
        rise_m = tide.rise_m(face.vehicle.time_s) if tide is not None else 0.0
        for shot in shots:
            if shot.captured:
                desk.take(shot, rise_m)
