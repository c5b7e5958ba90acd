"""A simulated ArduCopter: what sim.autopilot.craft leaves to the autopilot, as ArduCopter does it."""

from __future__ import annotations

from sim.autopilot import auto_return
from sim.autopilot.craft import (
    SLOW_EVERY,
    Craft,
    Event,
    HomeSet,
    Shot,
    Sticks,
    Text,
    VehicleSetup,
)
from sim.autopilot.failsafe import Failsafe
from sim.autopilot.fence import Fence
from sim.autopilot.mission import LAND, RTL, WAYPOINT, Frame, Item, MissionStore, MissionWalk
from sim.autopilot.modes import ARMABLE, NEEDS_POSITION, WAYS_HOME, Mode
from sim.autopilot.params import PARAMETERS, Params
from sim.autopilot.readiness import Readiness
from sim.autopilot.terrain import Terrain
from sim.autopilot.thrust_loss import ThrustLoss
from sim.autopilot.touchdown import Touchdown
from sim.dynamics import Demand

__all__ = [
    "SLOW_EVERY",
    "Craft",
    "Event",
    "HomeSet",
    "Shot",
    "Sticks",
    "Text",
    "Vehicle",
    "VehicleSetup",
]


class Vehicle(Craft):
    """An ArduCopter in the air or on the ground."""

    autopilot = "ardupilot"

    def __init__(self, setup: VehicleSetup) -> None:
        from sim.autopilot.arducopter import SPEECH  # each needs the other
        from sim.autopilot.pilot import Pilot

        facts = {
            "SYSID_THISMAV": setup.sysid,
            "BATT_CAPACITY": setup.pack.capacity_mah,
            "CAM1_INTRVAL_MIN": setup.camera_min_interval_s,
        }
        super().__init__(setup, Params(PARAMETERS, **{**facts, **dict(setup.params)}))
        self.speech = SPEECH
        self.mission = MissionStore()
        self.walk = MissionWalk(self.mission)
        self.mode: Mode = Mode.STABILIZE
        self.auto_armed = False
        self.reached: int | None = None
        """The item to report as reached; a later one overwrites one not yet reported, as in ArduPilot."""
        self.failsafe = Failsafe(self)
        self.geofence = Fence(self)
        self.terrain = Terrain(self, setup.terrain_on_card)
        self.readiness = Readiness(self)
        self.pilot = Pilot(self)
        self.touchdown = Touchdown(self)
        self.thrust_loss = ThrustLoss(self)

    # -- every step ----------------------------------------------------------------------------------------

    @property
    def demand(self) -> Demand:
        """What the attitude controller is told."""
        return self.pilot.demand

    def _fly(self) -> None:
        self.pilot.step()

    def _watch(self, period_s: float) -> None:
        self.readiness.update()
        self.terrain.update()
        self.failsafe.update()
        self.geofence.update()
        self.touchdown.update(period_s)
        self.thrust_loss.update(period_s)
        if self.armed and self.landed and not self.auto_armed:
            delay = self.params["DISARM_DELAY"]
            if delay and self.time_s - self.armed_at_s >= delay:
                self.disarm()
        self.shutter.min_interval_s = self.params["CAM1_INTRVAL_MIN"]

    # -- what others read ----------------------------------------------------------------------------------

    @property
    def shown_mode(self) -> Mode:
        """The mode that is told: AUTO on its way home is AUTO RTL."""
        return Mode.AUTO_RTL if self.mode is Mode.AUTO and self.pilot.auto.returning else self.mode

    @property
    def remaining_mah(self) -> float:
        """Charge that the power monitor believes is left: it counts down from BATT_CAPACITY."""
        return self.params["BATT_CAPACITY"] - self.battery.consumed_mah

    @property
    def has_fix(self) -> bool:
        """True when the receiver gives positions."""
        return self.readiness.has_fix

    @property
    def has_camera(self) -> bool:
        """True if CAM1_TYPE says that there is one."""
        return self.params["CAM1_TYPE"] > 0

    @property
    def breach_count(self) -> int:
        """How often its fence has been broken."""
        return self.geofence.breach_count

    @property
    def heads_home(self) -> bool:
        """True while it returns or lands, of itself or in its mission."""
        if self.shown_mode is not Mode.AUTO:
            return self.shown_mode in WAYS_HOME
        index = self.walk.nav_index
        return 0 < index < len(self.mission) and self.mission[index].command in (RTL, LAND)

    def _may_shoot(self) -> bool:
        return self.has_camera and not (self.params["CAM_AUTO_ONLY"] and self.mode is not Mode.AUTO)

    def set_home(self, east_m: float, north_m: float, up_m: float, locked: bool = False) -> None:
        """Put home here; `locked` keeps arming from moving it again."""
        super().set_home(east_m, north_m, up_m, locked)
        lat, lon = self.place.to_geo(self.home_east_m, self.home_north_m)
        place = round(lat * 1e7), round(lon * 1e7), self.home_up_m
        self.mission.home = Item(WAYPOINT, Frame.GLOBAL, 0, 0, 0, 0, *place)

    # -- arming and modes ----------------------------------------------------------------------------------

    def arm(self, force: bool = False) -> bool:
        """Arm if the checks allow it; says why if they do not."""
        if self.armed:
            return True
        if not force:
            may_auto = int(self.params["AUTO_OPTIONS"]) & 1
            if self.mode not in ARMABLE and not (self.shown_mode is Mode.AUTO and may_auto):
                name = self.shown_mode.name.replace("AUTO_RTL", "AUTO RTL")
                self.say(2, f"Arm: {name} mode not armable")
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
        self.pilot.auto.returning = False
        self.say(6, "Disarming motors")
        return True

    def set_mode(self, mode: Mode) -> bool:
        """Enter a mode; False, with a text, if the vehicle cannot fly it now."""
        if mode is self.shown_mode:
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
        if mode is Mode.AUTO_RTL:
            return auto_return.by_either(self)
        left, self.mode = self.mode, mode
        self.pilot.on_mode(left)
        return True
