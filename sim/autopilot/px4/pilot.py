"""Flying as PX4's FlightTaskAuto does it: from setpoints to attitude and throttle."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.autopilot.px4.by_sticks import Hand
from sim.autopilot.px4.modes import BY_STICKS, Mode
from sim.autopilot.px4.navigator import Kind, Setpoint
from sim.autopilot.px4.offboard import Offboard
from sim.autopilot.px4.orbit import Orbit
from sim.autopilot.px4.trajectory import Trajectory, stopping_m
from sim.controller import Point, PositionController, Target, lean
from sim.dynamics import STEP_S, Demand

if TYPE_CHECKING:
    from sim.autopilot.px4.vehicle import Px4

_IDLE_THROTTLE = 0.1
_WANTS_UP_M = 0.3
_RAMP_FROM_MPS = -9.81 / 4.0
"""A take-off's climb is ramped up from here (Takeoff.cpp: gravity over MPC_Z_VEL_P_ACC)."""
_REST_MPS = -0.7
"""On the ground the trajectory is kept sinking."""
_LINE_M = 1e-3


class Controller(PositionController):
    """PX4's gains (MPC_XY_P, MPC_XY_VEL_*, MPC_Z_VEL_*)."""

    POSITION_P = 0.95
    VELOCITY_P, VELOCITY_I = 1.8, 0.4
    CLIMB_P, CLIMB_I = 4.0, 2.0
    PLACE_P = 0.95, 0.95, 1.0
    """MPC_XY_P, MPC_Z_P, where the target stands still."""


class Pilot:
    """Owned by one Px4. `step` writes `demand`."""

    def __init__(self, vehicle: Px4) -> None:
        self.vehicle = vehicle
        self.demand, self.target = Demand(), Target()
        self.trajectory = Trajectory()
        self.controller = Controller(vehicle.setup.airframe, vehicle.limits)
        self.orbit, self.hand, self.offboard = Orbit(self), Hand(self), Offboard(self)
        self.yaw_rad = vehicle.body.yaw_rad
        """Where the nose is to point; `_nose_rad` gets there at MPC_YAWRAUTO_MAX."""
        self._nose_rad = self.yaw_rad
        self.roi: tuple[float, float] | None = None
        self._ramp_since_s: float | None = None
        self._legs: tuple[Setpoint | None, str] = (None, "")
        self._way: tuple[Point, Point, Point] = ((0.0, 0.0, 0.0),) * 3

    # -- changes of course ---------------------------------------------------------------------------------

    def on_arm(self) -> None:
        """Fresh integrators, nose where it is."""
        self.controller.reset()
        self.yaw_rad = self._nose_rad = self.vehicle.estimate.yaw_rad
        self.roi = None
        self._settle_on_ground()

    def on_mode(self, left: Mode) -> None:
        """The vehicle has entered its mode from `left`: what moves goes on moving."""
        if self.vehicle.mode is Mode.ORBIT:
            self.orbit.begin()
        elif self.vehicle.mode in BY_STICKS:
            self.take_up()
            self.hand.begin()
        elif left in BY_STICKS or left in (Mode.ORBIT, Mode.OFFBOARD):
            self.take_up()
        self._legs = (None, "")
        if self.vehicle.mode is not Mode.AUTO_MISSION:
            self.roi = None

    def take_up(self) -> None:
        """Make the present motion the trajectory's."""
        e = self.vehicle.estimate
        self.trajectory.reset((e.east_m, e.north_m, e.up_m), (e.v_east_mps, e.v_north_mps, e.v_up_mps))

    def stopping_point(self) -> Point:
        """Where it comes to stand if it brakes now."""
        e, params = self.vehicle.estimate, self.vehicle.params
        speed = math.hypot(e.v_east_mps, e.v_north_mps)
        way = stopping_m(speed, params["MPC_ACC_HOR"], params["MPC_JERK_AUTO"]) / max(speed, 1e-6)
        return e.east_m + e.v_east_mps * way, e.north_m + e.v_north_mps * way, e.up_m

    def _settle_on_ground(self) -> None:
        e = self.vehicle.estimate
        self.trajectory.reset((e.east_m, e.north_m, e.up_m), (0.0, 0.0, _REST_MPS))
        self.controller.reset()
        self._ramp_since_s = None

    # -- every step ----------------------------------------------------------------------------------------

    def step(self) -> None:
        """Write the demand for this step. Only called while armed."""
        vehicle = self.vehicle
        self._follow_limits()
        if vehicle.mode in BY_STICKS:
            self.hand.step()
        elif vehicle.mode is Mode.OFFBOARD:
            self._offboard()
        else:
            self._auto()
        self._turn()

    def _follow_limits(self) -> None:
        p, limits = self.vehicle.params, self.vehicle.limits
        limits.accel_mps2, limits.accel_z_mps2 = p["MPC_ACC_HOR"], p["MPC_ACC_UP_MAX"]
        limits.climb_mps, limits.sink_mps = p["MPC_Z_VEL_MAX_UP"], p["MPC_Z_VEL_MAX_DN"]
        limits.lean_max_rad = math.radians(p["MPC_TILTMAX_AIR"])

    def _auto(self) -> None:
        vehicle = self.vehicle
        setpoint = vehicle.navigator.setpoint
        if vehicle.mode is Mode.ORBIT and not vehicle.landed:
            self.orbit.step()
            self.fly_target()
            return
        if setpoint.kind is Kind.IDLE or (vehicle.landed and not self._lifts(setpoint)):
            self.rest()
            return
        self._set_bounds(setpoint)
        here = vehicle.navigator.here
        if not vehicle.readiness.has_position:
            self._descend()
            return
        if setpoint.kind is Kind.LAND:
            self._sink(setpoint, here)
        else:
            self._face(setpoint)
            self.trajectory.lead(STEP_S, here, *self._way_of(setpoint, here), self.target)
            if self._rises_slowly(setpoint):
                self._hold_down(here[2])
        self.fly_target()

    def _offboard(self) -> None:
        if self.vehicle.landed and not self.spun_up(self.offboard.wants_up):
            self.rest()
        else:
            self.offboard.step(STEP_S)

    def rest(self) -> None:
        """Motors idling on the ground."""
        self._settle_on_ground()
        self.demand.roll_rad = self.demand.pitch_rad = 0.0
        self.demand.throttle = _IDLE_THROTTLE

    def _lifts(self, setpoint: Setpoint) -> bool:
        """Whether it is leaving the ground: motors have spun up, and somewhere above is to be flown to."""
        vehicle = self.vehicle
        if setpoint.kind is Kind.LAND:
            return self._ramp_since_s is not None
        return self.spun_up(setpoint.goal[2] >= vehicle.navigator.here[2] + _WANTS_UP_M)

    def spun_up(self, wants_up: bool) -> bool:
        """Whether the motors have spun up and it is to leave the ground; the ramp of its climb begins."""
        vehicle = self.vehicle
        if not wants_up or vehicle.time_s - vehicle.armed_at_s < vehicle.params["COM_SPOOLUP_TIME"]:
            return False
        if self._ramp_since_s is None:
            self._settle_on_ground()
            self._ramp_since_s = vehicle.time_s
        return True

    def _set_bounds(self, setpoint: Setpoint) -> None:
        p, bounds = self.vehicle.params, self.trajectory.bounds
        cruise = self.vehicle.navigator.cruise_mps or p["MPC_XY_CRUISE"]
        bounds.level_mps, bounds.cruise_mps = p["MPC_XY_VEL_MAX"], min(cruise, p["MPC_XY_VEL_MAX"])
        bounds.accel_mps2, bounds.jerk_mps3 = p["MPC_ACC_HOR"], p["MPC_JERK_AUTO"]
        bounds.turn_gain, bounds.behind_m = p["MPC_XY_TRAJ_P"], max(p["MPC_XY_ERR_MAX"], 0.1)
        bounds.accept_m, bounds.accept_up_m = setpoint.accept_m, p["NAV_MC_ALT_RAD"]
        if self.trajectory.wish[2] <= 0.0 and setpoint.goal[2] <= self.trajectory.place[2]:
            bounds.vertical_mps, bounds.vertical_mps2 = p["MPC_Z_V_AUTO_DN"], p["MPC_ACC_DOWN_MAX"]
        elif self._rises_slowly(setpoint):
            bounds.vertical_mps = p["MPC_TKO_SPEED"]
            ramp_s = max(p["MPC_TKO_RAMP_T"], STEP_S)
            bounds.vertical_mps2 = min(p["MPC_ACC_UP_MAX"], p["MPC_TKO_SPEED"] / ramp_s)
        else:
            bounds.vertical_mps, bounds.vertical_mps2 = p["MPC_Z_V_AUTO_UP"], p["MPC_ACC_UP_MAX"]

    def _rises_slowly(self, setpoint: Setpoint) -> bool:
        return setpoint.kind is Kind.TAKE_OFF and self.height_m < self.vehicle.params["MPC_LAND_ALT1"]

    def _hold_down(self, up_m: float) -> None:
        """The target's height is the vehicle's own, and its climb no more than the ramp allows."""
        self.trajectory.axes[2].x = self.target.up_m = up_m
        self.lift_off(self.vehicle.params["MPC_TKO_SPEED"])

    def lift_off(self, fastest_mps: float) -> None:
        """While it is new in the air the target's climb is no more than the ramp from the ground allows."""
        if self._ramp_since_s is None:
            return
        ramp_s = max(self.vehicle.params["MPC_TKO_RAMP_T"], STEP_S)
        share = (self.vehicle.time_s - self._ramp_since_s) / ramp_s
        if share >= 1.0:
            return
        most = _RAMP_FROM_MPS + share * (fastest_mps - _RAMP_FROM_MPS)
        self.target.v_up_mps = min(self.target.v_up_mps, most)

    @property
    def height_m(self) -> float:
        """Above home, which stands for the ground: it has no range finder."""
        return self.vehicle.relative_alt_m

    def _way_of(self, setpoint: Setpoint, here: Point) -> tuple[Point, Point, Point]:
        """(last, goal, following): the leg itself, or the way back to it where it has been left."""
        goal, last = setpoint.goal, setpoint.last or setpoint.goal
        following = setpoint.following or goal
        line = [g - p for g, p in zip(goal, last, strict=True)]
        length = math.sqrt(sum(v * v for v in line))
        state, closest = "", goal
        if length > _LINE_M:
            unit = [v / length for v in line]
            along = sum(u * (h - p) for u, h, p in zip(unit, here, last, strict=True))
            closest = last[0] + unit[0] * along, last[1] + unit[1] * along, last[2] + unit[2] * along
            if along > length:
                state = "past"
            elif along < 0.0 and math.dist(here, last) > setpoint.accept_m:
                state = "before"
            elif math.dist(here, closest) > setpoint.accept_m:
                state = "beside"
        if self._legs != (setpoint, state) or state == "beside":
            self._legs = (setpoint, state)
            self._way = {
                "": (last, goal, following),
                "past": (here, goal, following),
                "before": (here, last, goal),
                "beside": (here, closest, goal),
            }[state]
        return self._way

    def _face(self, setpoint: Setpoint) -> None:
        """The nose towards a region of interest, the yaw that was asked for, or the waypoint."""
        here = self.vehicle.navigator.here
        if self.roi is not None:
            self.yaw_rad = math.atan2(self.roi[0] - here[0], self.roi[1] - here[1])
        elif setpoint.yaw_rad is not None:
            self.yaw_rad = setpoint.yaw_rad
        elif setpoint.kind is not Kind.TAKE_OFF:
            east, north = self._way[1][0] - here[0], self._way[1][1] - here[1]
            if math.hypot(east, north) > setpoint.accept_m:
                self.yaw_rad = math.atan2(east, north)

    def _sink(self, setpoint: Setpoint, here: Point) -> None:
        """Down, slower and slower near the ground."""
        p, height = self.vehicle.params, self.height_m
        low, high = p["MPC_LAND_ALT2"], max(p["MPC_LAND_ALT1"], p["MPC_LAND_ALT2"] + 0.1)
        share = min(max((height - low) / (high - low), 0.0), 1.0)
        speed = p["MPC_LAND_SPEED"] + share * (p["MPC_Z_VEL_MAX_DN"] - p["MPC_LAND_SPEED"])
        level = self.trajectory.level_towards(setpoint.goal)
        self.trajectory.chase(STEP_S, here, (*level, -speed), self.target)

    def _descend(self) -> None:
        """Without a position: level, and down slowly."""
        e, slow = self.vehicle.estimate, self.vehicle.params["MPC_LAND_SPEED"]
        self.trajectory.climb(STEP_S, -slow, self.target)
        self.controller.vertical(self.target, e, self.demand)
        lean(0.0, 0.0, e.yaw_rad, self.demand)

    def fly_target(self) -> None:
        """Lean and throttle for the target."""
        self.controller.horizontal(self.target, self.vehicle.estimate, self.demand)
        self.controller.vertical(self.target, self.vehicle.estimate, self.demand)

    def _turn(self) -> None:
        """Bring the nose round, not faster than the mode allows."""
        fastest = "MPC_YAWRAUTO_MAX" if self.vehicle.mode.is_auto else "MPC_MAN_Y_MAX"
        most = math.radians(self.vehicle.params[fastest]) * STEP_S
        off = math.remainder(self.yaw_rad - self._nose_rad, math.tau)
        self._nose_rad = (self._nose_rad + max(-most, min(most, off))) % math.tau
        # the demand is in true angles; the nose is steered by what is believed
        self.demand.yaw_rad = self._nose_rad + self.vehicle.body.yaw_rad - self.vehicle.estimate.yaw_rad
