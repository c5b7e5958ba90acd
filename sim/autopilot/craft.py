"""What every simulated vehicle is, whatever its autopilot: body, sensors, battery and camera on one clock.

`Craft.step` advances everything by dynamics.STEP_S. What happens on the way that others may want to know
(texts, photos) is put into `events`; sim.autopilot.mavlink sends it, the server drains it. No wall clock, no
sockets: the same seed and the same calls at the same steps give the same flight.
"""

from __future__ import annotations

import datetime as dt
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from plans.frames import GeoPoint
from sim.autopilot.mission import FENCE_COMMANDS, RALLY_COMMANDS, PointStore
from sim.autopilot.params import Params
from sim.autopilot.shutter import Shutter
from sim.battery import Battery, BatteryPack
from sim.controller import Limits
from sim.dynamics import GRAVITY_MPS2, STEP_S, Airframe, Body, Demand, Weather, Wind, step
from sim.gimbal import Gimbal, GimbalAngles
from sim.place import Place
from sim.sensors import GNSS_KINDS, Estimate, Estimator, GnssKind
from sim.traffic import Aircraft

if TYPE_CHECKING:
    from sim.autopilot.speech import Speech

SLOW_EVERY = 5
"""Slow work (checks, failsafes, battery) at 10 Hz."""
DROWNED_M = 0.15
"""Water this deep stops the motors for good."""


@dataclass(frozen=True)
class VehicleSetup:
    """What one vehicle is made of and where it stands. `home` needs no height: the ground has it."""

    place: Place
    home: GeoPoint
    sysid: int = 1
    seed: int = 0
    gnss: GnssKind = GNSS_KINDS["rtk"]
    weather: Weather = field(default_factory=Weather)
    airframe: Airframe = field(default_factory=Airframe)
    pack: BatteryPack = field(default_factory=BatteryPack)
    charge_share: float = 1.0
    yaw_deg: float = 0.0
    camera_min_interval_s: float = 0.0
    terrain_on_card: bool = True
    """Whether it has the place's terrain on its card; without, it asks the station for it."""
    params: tuple[tuple[str, float], ...] = ()
    start_utc: dt.datetime = dt.datetime(2024, 7, 1, 2, 0, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Text:
    """A STATUSTEXT: MAV_SEVERITY and up to 50 characters a piece."""

    severity: int
    text: str


@dataclass(frozen=True)
class HomeSet:
    """Home or origin has been set: both are told unasked."""


@dataclass(frozen=True)
class Shot:
    """A photo: the truth for the renderer and the belief for the tags. Positions are local, east-north-up."""

    sysid: int
    index: int
    time_utc: dt.datetime
    true_east_m: float
    true_north_m: float
    true_up_m: float
    true_angles: GimbalAngles
    true_velocity_mps: tuple[float, float, float]
    true_turn_radps: tuple[float, float, float]
    """The camera's rotation, by the right hand about east, north and up."""
    believed_lat_deg: float
    believed_lon_deg: float
    believed_alt_amsl_m: float
    believed_rel_alt_m: float
    believed_angles: GimbalAngles
    airframe_roll_deg: float
    airframe_pitch_deg: float
    airframe_yaw_deg: float
    position_sigma_h_m: float
    position_sigma_v_m: float
    captured: bool = True
    """False when the shutter was told to fire but the camera did not (fault)."""


Event = Text | HomeSet | Shot


@dataclass
class Sticks:
    """The pilot's transmitter. Untouched sticks rest in the middle in the air, throttle down on ground."""

    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0
    throttle: float | None = None
    """-1..1; None while nobody holds the stick."""
    until_s: float = -1.0
    failed: bool = False

    def expire(self, time_s: float) -> None:
        """Let go of sticks that an override held and no longer does."""
        if self.throttle is not None and time_s > self.until_s:
            self.roll = self.pitch = self.yaw = 0.0
            self.throttle = None


class Craft(ABC):
    """A vehicle in the air or on the ground. Single-threaded: whoever steps it also talks to it.

    What an autopilot adds: its parameters, modes, checks and flying, and how it speaks.
    """

    mode: IntEnum
    speech: Speech
    """How its autopilot speaks MAVLink."""
    autopilot: str
    """The name by which a scenario asks for it."""

    def __init__(self, setup: VehicleSetup, params: Params) -> None:
        self.setup, self.place = setup, setup.place
        self.sysid, self.params = setup.sysid, params
        east, north = self.place.to_local(setup.home.lat_deg, setup.home.lon_deg)
        ground = self.place.ground.height_m(east, north)
        self.body = Body(east_m=east, north_m=north, up_m=ground, yaw_rad=math.radians(setup.yaw_deg))
        seed = setup.seed * 1000 + setup.sysid
        self.wind = Wind(setup.weather, seed)
        self.battery = Battery(setup.pack, setup.charge_share)
        self.estimator = Estimator(setup.gnss, seed)
        self.estimate: Estimate = self.estimator.update(self.body)
        self.gimbal = Gimbal(seed)
        self.limits = Limits()
        self.fence = PointStore(FENCE_COMMANDS, 128)
        self.rally = PointStore(RALLY_COMMANDS, 32)
        self.sticks = Sticks()
        self.armed = False
        self.landed = True
        self.armed_at_s = 0.0
        self.origin_set = False
        self.home_locked = False
        self.origin_east_m, self.origin_north_m, self.origin_up_m = east, north, ground
        self.home_east_m, self.home_north_m, self.home_up_m = east, north, ground
        self.camera_stuck = self.card_full = False
        self.has_modem = self.high_latency_open = False
        self.last_shot: Shot | None = None
        self.motor_share = 1.0
        self.aircraft: list[Aircraft] = []
        """Others in the sky that its ADS-B receiver hears."""
        self.birds: list[Aircraft] = []
        """Others in the sky that it does not hear."""
        self.in_water = False
        self.events: list[Event] = []
        self.steps = 0
        self.time_s = 0.0
        self.ground_m = ground
        self.shutter = Shutter(self._take_photo)

    # -- what its autopilot does ---------------------------------------------------------------------------

    @property
    @abstractmethod
    def demand(self) -> Demand:
        """What the attitude controller is told."""

    @abstractmethod
    def _fly(self) -> None:
        """One step of flying, while armed."""

    @abstractmethod
    def _watch(self, period_s: float) -> None:
        """Checks and failsafes, ten times a second."""

    @property
    @abstractmethod
    def has_fix(self) -> bool:
        """True when the receiver gives positions."""

    @property
    @abstractmethod
    def has_camera(self) -> bool:
        """True if the parameters say that there is one."""

    @property
    @abstractmethod
    def breach_count(self) -> int:
        """How often its fence has been broken."""

    @property
    @abstractmethod
    def heads_home(self) -> bool:
        """True while it returns or lands, of itself or in its mission."""

    def _may_shoot(self) -> bool:
        """Whether the camera takes photos now."""
        return self.has_camera

    # -- clock ---------------------------------------------------------------------------------------------

    @property
    def time_utc(self) -> dt.datetime:
        """The simulated time of day."""
        return self.setup.start_utc + dt.timedelta(seconds=self.time_s)

    def step(self) -> None:
        """Advance by STEP_S of simulated time."""
        self.steps += 1
        self.time_s = self.steps * STEP_S
        body = self.body
        self.estimator.update(body)
        if self.steps % SLOW_EVERY == 0:
            self._slow()
        if self.armed:
            self._fly()
        else:
            self.demand.throttle = 0.0
        if self.armed or not body.on_ground:
            self.ground_m = self.place.surface_m(body.east_m, body.north_m, self.time_s)
            air = self.wind.at(body.up_m - self.ground_m, math.hypot(body.v_east_mps, body.v_north_mps))
            share = self.battery.thrust_share * self.motor_share
            step(body, self.setup.airframe, self.demand, share, air, self.ground_m)
        self.gimbal.step(body, STEP_S)
        if not self.shutter.idle:
            self._look_at_shutter()

    def _look_at_shutter(self) -> None:
        self.shutter.update(self.estimate, self.time_s)

    def _slow(self) -> None:
        load = self.body.throttle / self.setup.airframe.hover_throttle if self.armed else 0.0
        self.battery.drain(load, SLOW_EVERY * STEP_S)
        self.sticks.expire(self.time_s)
        self._watch(SLOW_EVERY * STEP_S)
        body = self.body
        if body.on_ground and self.place.depth_m(body.east_m, body.north_m, self.time_s) > DROWNED_M:
            self.in_water, self.motor_share = True, 0.0

    # -- what others read ----------------------------------------------------------------------------------

    @property
    def origin(self) -> tuple[float, float, float]:
        """The filter's origin, east, north, up."""
        return self.origin_east_m, self.origin_north_m, self.origin_up_m

    @property
    def relative_alt_m(self) -> float:
        """Believed height above home."""
        return self.estimate.up_m - self.home_up_m

    @property
    def climb_throttle(self) -> float:
        """Throttle 0..1 as telemetry shows it."""
        return self.body.throttle if self.armed else 0.0

    @property
    def acceleration_mps2(self) -> float:
        """Specific force along the body's up axis, what an accelerometer would feel."""
        return (
            self.body.throttle * self.setup.airframe.max_thrust_mps2
            if not self.body.on_ground
            else GRAVITY_MPS2
        )

    def say(self, severity: int, text: str) -> None:
        """Tell the people at the stations."""
        self.events.append(Text(severity, text))

    # -- home ----------------------------------------------------------------------------------------------

    def set_origin(self) -> None:
        """The filter has an origin now; home is here until it is set elsewhere."""
        e = self.estimate
        self.origin_set = True
        self.origin_east_m, self.origin_north_m, self.origin_up_m = e.east_m, e.north_m, e.up_m
        self.set_home(e.east_m, e.north_m, e.up_m)

    def set_home(self, east_m: float, north_m: float, up_m: float, locked: bool = False) -> None:
        """Put home here; `locked` keeps arming from moving it again."""
        self.home_east_m, self.home_north_m, self.home_up_m = east_m, north_m, up_m
        self.home_locked = self.home_locked or locked
        self.events.append(HomeSet())

    # -- camera --------------------------------------------------------------------------------------------

    def _take_photo(self) -> None:
        if not self._may_shoot():
            self.shutter.count -= 1
            return
        body, e, gnss = self.body, self.estimate, self.estimator.gnss
        error = self.estimator.shot_error_m()
        lat, lon = self.place.to_geo(e.east_m + error[0], e.north_m + error[1])
        yaw_deg = math.degrees(e.yaw_rad)
        shot = Shot(
            sysid=self.sysid,
            index=self.shutter.count,
            time_utc=self.time_utc,
            true_east_m=body.east_m,
            true_north_m=body.north_m,
            true_up_m=body.up_m,
            true_angles=self.gimbal.look(body),
            true_velocity_mps=(body.v_east_mps, body.v_north_mps, body.v_up_mps),
            true_turn_radps=self.gimbal.turn_radps(),
            believed_lat_deg=lat,
            believed_lon_deg=lon,
            believed_alt_amsl_m=e.up_m + error[2],
            believed_rel_alt_m=e.up_m + error[2] - self.home_up_m,
            believed_angles=GimbalAngles(
                (yaw_deg + self.gimbal.beside_deg(body)) % 360.0, self.gimbal.at_pitch_deg, 0.0
            ),
            airframe_roll_deg=math.degrees(e.roll_rad),
            airframe_pitch_deg=math.degrees(e.pitch_rad),
            airframe_yaw_deg=yaw_deg,
            position_sigma_h_m=gnss.sigma_h_m,
            position_sigma_v_m=gnss.sigma_v_m,
            captured=not (self.camera_stuck or self.card_full),
        )
        self.last_shot = shot
        self.events.append(shot)
