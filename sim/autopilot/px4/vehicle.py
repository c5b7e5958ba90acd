"""A simulated PX4: what sim.autopilot.craft leaves to the autopilot, as PX4's commander does it (1.16)."""

from __future__ import annotations

import math

from sim.autopilot.craft import Craft, VehicleSetup
from sim.autopilot.params import Params
from sim.autopilot.px4 import items as m
from sim.autopilot.px4.failsafe import Failsafe
from sim.autopilot.px4.fence import Fence
from sim.autopilot.px4.items import ListStore
from sim.autopilot.px4.landing import LandDetector
from sim.autopilot.px4.mission import far_first, problems_with
from sim.autopilot.px4.modes import BY_STICKS, NEVER_ARMED_IN, WAYS_HOME, Mode
from sim.autopilot.px4.navigator import Navigator
from sim.autopilot.px4.params import PARAMETERS
from sim.autopilot.px4.pilot import Pilot
from sim.autopilot.px4.readiness import Readiness
from sim.dynamics import STEP_S, Demand

_MISSION, _FENCE, _RALLY = 0, 1, 2
_CAMERA_LOOK_S = 0.05
"""Its camera trigger looks 20 times a second how far it has flown."""
_BY_DISTANCE, _ALWAYS_BY_DISTANCE = 4, 3


class Px4(Craft):
    """A PX4 multirotor in the air or on the ground."""

    autopilot = "px4"

    def __init__(self, setup: VehicleSetup) -> None:
        from sim.autopilot.px4.speech import SPEECH  # each needs the other

        facts = {
            "MAV_SYS_ID": setup.sysid,
            "BAT1_CAPACITY": setup.pack.capacity_mah,
            "BAT1_N_CELLS": setup.pack.cells,
        }
        super().__init__(setup, Params(PARAMETERS, **{**facts, **dict(setup.params)}))
        self.speech = SPEECH
        self.mission = self.fence_list = self.rally_list = ListStore()
        self.mission_problem: str | None = "No valid mission available"
        """Why the mission on board cannot be flown."""
        self.mode: Mode = Mode.AUTO_LOITER
        self.intended = Mode.AUTO_LOITER
        """The mode that was asked for; a failsafe flies another one meanwhile."""
        self.mode_afterwards = Mode.AUTO_LOITER
        """The newest that was asked for in which it can be armed; it is in that again after a flight."""
        self.mode_was_chosen = False
        """Whether anybody has asked for a mode since it was switched on."""
        self.took_off = False
        """Whether it has flown since it was armed."""
        self.navigator = Navigator(self)
        self.pilot: Pilot = Pilot(self)
        self.readiness = Readiness(self)
        self.failsafe = Failsafe(self)
        self.geofence = Fence(self)
        self.landing = LandDetector(self)

    # -- every step ----------------------------------------------------------------------------------------

    @property
    def demand(self) -> Demand:
        """What the attitude controller is told."""
        return self.pilot.demand

    def _fly(self) -> None:
        self.navigator.step()
        self._follow_up()
        if self.armed:
            self.pilot.step()

    def _follow_up(self) -> None:
        """A take-off or a mission that is done goes on as hold."""
        flown = self.mode in (Mode.AUTO_TAKEOFF, Mode.AUTO_MISSION) and not self.landed
        if flown and self.navigator.finished:
            self.set_mode(Mode.AUTO_LOITER)

    def _watch(self, period_s: float) -> None:
        self.readiness.update()
        self.failsafe.update()
        self.geofence.update()
        self.landing.update(period_s)
        self.shutter.min_interval_s = max(
            self.params["TRIG_MIN_INTERVA"] / 1000.0, self.setup.camera_min_interval_s
        )

    def _look_at_shutter(self) -> None:
        if int(self.time_s / _CAMERA_LOOK_S) != int((self.time_s - STEP_S) / _CAMERA_LOOK_S):
            super()._look_at_shutter()

    # -- what others read ----------------------------------------------------------------------------------

    @property
    def has_fix(self) -> bool:
        """True when the receiver gives positions."""
        return self.readiness.has_fix

    @property
    def has_camera(self) -> bool:
        """True if TRIG_MODE says that there is one."""
        return self.params["TRIG_MODE"] > 0

    @property
    def breach_count(self) -> int:
        """How often its fence has been broken."""
        return self.geofence.breach_count

    @property
    def heads_home(self) -> bool:
        """True while it returns or lands, of itself or in its mission."""
        walk = self.navigator.walk
        landing = self.mode is Mode.AUTO_MISSION and bool(walk.items) and walk.item.command in (m.RTL, m.LAND)
        return self.mode in WAYS_HOME or landing

    @property
    def remaining_share(self) -> float:
        """Charge that is left, 0 to 1: PX4 knows at power-up by the voltage what a pack holds."""
        return max(0.0, self.battery.charge_share)

    # -- arming and modes ----------------------------------------------------------------------------------

    def arm(self, by: str = "external command", force: bool = False) -> bool:
        """Arm if the checks allow it; says why if they do not."""
        if self.armed:
            return True
        problem = self.readiness.problem(self.mode)
        if problem and not force:
            self.say(2, f"Arming denied: {problem}")
            return False
        self.armed, self.landed, self.took_off = True, True, False
        self.armed_at_s = self.time_s
        if self.origin_set and not self.home_locked:
            self.set_home(self.estimate.east_m, self.estimate.north_m, self.estimate.up_m)
        self.failsafe.reset()
        self.landing.reset()
        self.pilot.on_arm()
        self.say(6, f"Armed by {by}")
        self.navigator.begin(self.mode, self.mode)
        return True

    def disarm(self, by: str = "external command", force: bool = False) -> bool:
        """Stop the motors; refused in flight unless forced."""
        if not self.armed:
            return True
        if not self.landed and not force and self.mode not in BY_STICKS:
            self.say(2, "Disarming denied: not landed")
            return False
        self.armed = False
        self.body.throttle = 0.0
        self.landed = True
        self.shutter.stop()
        self.navigator.on_disarm()
        self.failsafe.reset()
        self.intended = self.mode_afterwards
        self._enter(self.mode_afterwards)
        self.say(6, f"Disarmed by {by}")
        return True

    def set_mode(self, mode: Mode) -> bool:
        """Somebody asks for a mode; False if the vehicle cannot fly it now."""
        if self.armed and mode is not Mode.AUTO_LAND and not self.readiness.can_fly(mode):
            return False
        self.intend(mode)
        self.failsafe.on_mode()
        self._enter(mode)
        return True

    def intend(self, mode: Mode) -> None:
        """This is the mode that is wanted; whether it is flown the failsafes say."""
        self.mode_was_chosen = True
        self.intended = mode
        if mode not in NEVER_ARMED_IN:
            self.mode_afterwards = mode

    def fly_instead(self, mode: Mode) -> None:
        """A failsafe flies this mode, whatever was asked for."""
        self._enter(mode)

    def _enter(self, mode: Mode) -> None:
        if mode is self.mode:
            return
        left, self.mode = self.mode, mode
        if self.armed:
            self.navigator.begin(mode, left)
            self.pilot.on_mode(left)

    def change_speed(self, speed_mps: float) -> None:
        """DO_CHANGE_SPEED: what is no speed is MPC_XY_CRUISE again."""
        self.navigator.cruise_mps = speed_mps if speed_mps > 0.0 and math.isfinite(speed_mps) else None

    # -- lists ---------------------------------------------------------------------------------------------

    def list_of(self, kind: int) -> ListStore:
        """Mission (0), fence (1) or rally points (2)."""
        return {_FENCE: self.fence_list, _RALLY: self.rally_list}.get(kind, self.mission)

    def take_list(self, kind: int, store: ListStore, current: int) -> None:
        """Another list is on board, whole."""
        if kind == _FENCE:
            self.fence_list = store
            self.geofence.take(store.kept)
            if self.mission.kept:
                self.check_mission()
        elif kind == _RALLY:
            self.rally_list = store
        else:
            changed = store.mark != self.mission.mark
            self.mission = store
            self.check_mission()
            self.navigator.take_mission(store.kept, current, changed)

    def check_mission(self) -> None:
        """See whether the mission can be flown, and say so if not."""
        problems = problems_with(self, self.mission.kept)
        self.mission_problem = problems[0] if problems else None
        if problems:
            for problem in problems if self.mission.kept else ():
                self.say(2, problem)
        elif (warning := far_first(self, self.mission.kept)) is not None:
            self.say(2, warning)

    # -- camera --------------------------------------------------------------------------------------------

    def trigger_distance(self, distance_m: float, at_once: bool) -> None:
        """DO_SET_CAM_TRIGG_DIST: the first photo comes at once."""
        if self.params["TRIG_MODE"] != _BY_DISTANCE:
            return
        if distance_m > 0.0:
            self.params.put("TRIG_DISTANCE", distance_m)
            self.shutter.by_distance(distance_m, at_once=True)
        else:
            self.shutter.by_distance(0.0, at_once=at_once)

    def trigger_interval(self, interval_ms: float) -> None:
        """DO_SET_CAM_TRIGG_INTERVAL."""
        if interval_ms > 0.0:
            self.params.put("TRIG_INTERVAL", interval_ms)
            self.shutter.by_time(interval_ms / 1000.0)
