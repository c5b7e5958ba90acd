"""One simulated vehicle: body, sensors, battery, camera and autopilot on one clock.

`Vehicle.step` advances everything by dynamics.STEP_S. What happens on the way that others may want to know
(texts, reached items, photos) is put into `events`; sim.autopilot.mavlink sends it, the server drains it.
No wall clock, no sockets: the same seed and the same calls at the same steps give the same flight.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field

from plans.frames import GeoPoint
from sim.autopilot.failsafe import Failsafe
from sim.autopilot.fence import Fence
from sim.autopilot.mission import (
    FENCE_COMMANDS,
    RALLY_COMMANDS,
    WAYPOINT,
    Frame,
    Item,
    MissionStore,
    MissionWalk,
    PointStore,
)
from sim.autopilot.modes import ARMABLE, NEEDS_POSITION, Mode
from sim.autopilot.params import Params
from sim.autopilot.readiness import Readiness
from sim.autopilot.shutter import Shutter
from sim.autopilot.terrain import Terrain
from sim.autopilot.thrust_loss import ThrustLoss
from sim.autopilot.touchdown import Touchdown
from sim.battery import Battery, BatteryPack
from sim.controller import Limits
from sim.dynamics import GRAVITY_MPS2, STEP_S, Airframe, Body, Weather, Wind, step
from sim.gimbal import Gimbal, GimbalAngles
from sim.place import Place
from sim.sensors import GNSS_KINDS, Estimate, Estimator, GnssKind
from sim.traffic import Aircraft

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


class Vehicle:
    """A vehicle in the air or on the ground. Single-threaded: whoever steps it also talks to it."""

    def __init__(self, setup: VehicleSetup) -> None:
        from sim.autopilot.pilot import Pilot  # the pilot flies the vehicle: each needs the other

        self.setup, self.place = setup, setup.place
        self.sysid = setup.sysid
        east, north = self.place.to_local(setup.home.lat_deg, setup.home.lon_deg)
        ground = self.place.ground.height_m(east, north)
        self.body = Body(east_m=east, north_m=north, up_m=ground, yaw_rad=math.radians(setup.yaw_deg))
        seed = setup.seed * 1000 + setup.sysid
        self.wind = Wind(setup.weather, seed)
        self.battery = Battery(setup.pack, setup.charge_share)
        self.estimator = Estimator(setup.gnss, seed)
        self.estimate: Estimate = self.estimator.update(self.body)
        self.gimbal = Gimbal(seed)
        facts = {
            "SYSID_THISMAV": setup.sysid,
            "BATT_CAPACITY": setup.pack.capacity_mah,
            "CAM1_INTRVAL_MIN": setup.camera_min_interval_s,
        }
        self.params = Params(**{**facts, **dict(setup.params)})
        self.limits = Limits()
        self.mission = MissionStore()
        self.walk = MissionWalk(self.mission)
        self.fence = PointStore(FENCE_COMMANDS, 128)
        self.rally = PointStore(RALLY_COMMANDS, 32)
        self.sticks = Sticks()
        self.mode = Mode.STABILIZE
        self.armed = self.auto_armed = False
        self.landed = True
        self.armed_at_s = 0.0
        self.origin_set = False
        self.home_locked = False
        self.origin_east_m, self.origin_north_m, self.origin_up_m = east, north, ground
        self.home_east_m, self.home_north_m, self.home_up_m = east, north, ground
        self.camera_stuck = self.card_full = False
        self.high_latency_open = False
        self.last_shot: Shot | None = None
        self.motor_share = 1.0
        self.aircraft: list[Aircraft] = []
        """Others in the sky that its ADS-B receiver hears."""
        self.birds: list[Aircraft] = []
        """Others in the sky that it does not hear."""
        self.in_water = False
        self.events: list[Event] = []
        self.reached: int | None = None
        """The item to report as reached; a later one overwrites one not yet reported, as in ArduPilot."""
        self.steps = 0
        self.time_s = 0.0
        self.ground_m = ground
        self.failsafe = Failsafe(self)
        self.geofence = Fence(self)
        self.terrain = Terrain(self, setup.terrain_on_card)
        self.readiness = Readiness(self)
        self.pilot = Pilot(self)
        self.touchdown = Touchdown(self)
        self.thrust_loss = ThrustLoss(self)
        self.shutter = Shutter(self._take_photo)

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
        slow = self.steps % SLOW_EVERY == 0
        if slow:
            self._slow()
        if self.armed:
            self.pilot.step()
        else:
            self.pilot.demand.throttle = 0.0
        if self.armed or not body.on_ground:
            self.ground_m = self.place.surface_m(body.east_m, body.north_m, self.time_s)
            air = self.wind.at(body.up_m - self.ground_m, math.hypot(body.v_east_mps, body.v_north_mps))
            share = self.battery.thrust_share * self.motor_share
            step(body, self.setup.airframe, self.pilot.demand, share, air, self.ground_m)
        self.gimbal.step(body, STEP_S)
        if not self.shutter.idle:
            self.shutter.update(self.estimate, self.time_s)

    def _slow(self) -> None:
        load = self.body.throttle / self.setup.airframe.hover_throttle if self.armed else 0.0
        self.battery.drain(load, SLOW_EVERY * STEP_S)
        self.sticks.expire(self.time_s)
        self.readiness.update()
        self.terrain.update()
        self.failsafe.update()
        self.geofence.update()
        self.touchdown.update(SLOW_EVERY * STEP_S)
        self.thrust_loss.update(SLOW_EVERY * STEP_S)
        if self.armed and self.landed and not self.auto_armed:
            delay = self.params["DISARM_DELAY"]
            if delay and self.time_s - self.armed_at_s >= delay:
                self.disarm()
        self.shutter.min_interval_s = self.params["CAM1_INTRVAL_MIN"]
        body = self.body
        if body.on_ground and self.place.depth_m(body.east_m, body.north_m, self.time_s) > DROWNED_M:
            self.in_water, self.motor_share = True, 0.0

    # -- what others read ----------------------------------------------------------------------------------

    @property
    def remaining_mah(self) -> float:
        """Charge that the power monitor believes is left: it counts down from BATT_CAPACITY."""
        return self.params["BATT_CAPACITY"] - self.battery.consumed_mah

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
        lat, lon = self.place.to_geo(east_m, north_m)
        self.mission.home = Item(WAYPOINT, Frame.GLOBAL, 0, 0, 0, 0, round(lat * 1e7), round(lon * 1e7), up_m)
        self.events.append(HomeSet())

    # -- arming and modes ----------------------------------------------------------------------------------

    def arm(self, force: bool = False) -> bool:
        """Arm if the checks allow it; says why if they do not."""
        if self.armed:
            return True
        if not force:
            may_auto = int(self.params["AUTO_OPTIONS"]) & 1
            if self.mode not in ARMABLE and not (self.mode is Mode.AUTO and may_auto):
                self.say(2, f"Arm: {self.mode.name} mode not armable")
                return False
            if reasons := self.readiness.reasons(self.mode):
                for reason in reasons:
                    self.say(2, f"Arm: {reason}")
                return False
        self.armed, self.auto_armed, self.landed = True, False, True
        self.armed_at_s = self.time_s
        if self.origin_set and not self.home_locked:
            self.set_home(self.estimate.east_m, self.estimate.north_m, self.estimate.up_m)
        self.failsafe.reset()
        self.pilot.on_arm()
        self.touchdown.reset()
        self.say(6, "Arming motors")
        return True

    def disarm(self, force: bool = False) -> bool:
        """Stop the motors; refused in flight unless forced."""
        if not self.armed:
            return True
        if not self.landed and not force:
            return False
        self.armed = self.auto_armed = False
        self.body.throttle = 0.0
        self.landed = True
        self.shutter.stop()
        self.walk.reset()
        self.say(6, "Disarming motors")
        return True

    def set_mode(self, mode: Mode) -> bool:
        """Enter a mode; False, with a text, if the vehicle cannot fly it now."""
        if mode is self.mode:
            return True
        if self.geofence.bars_modes:
            self.say(4, f"Mode change to {mode.name} failed: in fence recovery")
            return False
        if mode in NEEDS_POSITION and self.armed and not self.readiness.has_position:
            self.say(4, f"Mode change to {mode.name} failed: requires position")
            return False
        if mode is Mode.AUTO and self.armed:
            if self.mission.flyable == 0:
                self.say(4, "Mode change to AUTO failed: init failed")
                return False
            if self.landed and not self.mission.starts_with_takeoff():
                self.say(4, "Auto: Missing Takeoff Cmd")
                return False
        if mode is Mode.SMART_RTL and not self.pilot.has_way_back:
            self.say(4, "Mode change to SMART_RTL failed: init failed")
            return False
        left, self.mode = self.mode, mode
        self.pilot.on_mode(left)
        return True

    # -- camera --------------------------------------------------------------------------------------------

    def _take_photo(self) -> None:
        if not self.has_camera or (self.params["CAM_AUTO_ONLY"] and self.mode is not Mode.AUTO):
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

    @property
    def has_camera(self) -> bool:
        """True if CAM1_TYPE says that there is one."""
        return self.params["CAM1_TYPE"] > 0

    @property
    def acceleration_mps2(self) -> float:
        """Specific force along the body's up axis, what an accelerometer would feel."""
        return (
            self.body.throttle * self.setup.airframe.max_thrust_mps2
            if not self.body.on_ground
            else GRAVITY_MPS2
        )
