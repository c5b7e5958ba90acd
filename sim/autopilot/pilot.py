"""Flying: what the vehicle does in each mode, from mode to attitude and throttle.

`Pilot` holds the tools that every mode uses (track, hold, slew, yaw); sim.autopilot.auto, guided, homecoming,
circle, way_back and by_hand fly with them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.autopilot import by_hand
from sim.autopilot.auto import Auto
from sim.autopilot.circle import Circle
from sim.autopilot.guided import Guided
from sim.autopilot.homecoming import Homecoming
from sim.autopilot.modes import BY_STICKS, Mode
from sim.autopilot.way_back import WayBack
from sim.controller import (
    Point,
    PositionController,
    Target,
    approach_mps,
    shape_climb,
    shape_level,
    stopping_m,
)
from sim.dynamics import STEP_S, Demand
from sim.track import Track, Waypoint

if TYPE_CHECKING:
    from sim.autopilot.core import Vehicle

_IDLE_THROTTLE = 0.1
_SPOOL_UP_S = 2.2
"""From the order to take off until it leaves the ground: motors speed up, throttle rises."""
_TERRAIN_MARGIN_M = 10.0
"""As far from its height above the ground, a vehicle stops and waits; from half of it on it slows down."""
_BRAKE_MPS2 = 7.5
"""What BRAKE asks for."""


class Pilot:
    """Owned by one Vehicle. `step` writes `demand`; `on_mode`, `on_arm` and guided orders change course."""

    def __init__(self, vehicle: Vehicle) -> None:
        self.vehicle = vehicle
        self.demand = Demand()
        self.target = Target()
        self.track = Track(vehicle.limits)
        self.controller = PositionController(vehicle.setup.airframe, vehicle.limits)
        self.way_back = WayBack(vehicle)
        self.yaw_rad = vehicle.body.yaw_rad
        self.fixed_yaw = False
        """True after CONDITION_YAW or a region of interest: legs do not turn the nose any more."""
        self.roi: tuple[float, float] | None = None
        self.phase = ""
        """Where RTL, LAND or GUIDED is in its own sequence."""
        self.auto = Auto(self)
        self.guided = Guided(self)
        self.homecoming = Homecoming(self)
        self.loiter = by_hand.Loiter(self)
        self.circle: Circle | None = None
        self._terrain_leg = False
        self._rise_to_m = 0.0
        self._since_s = 0.0

    @property
    def has_way_back(self) -> bool:
        """True if SMART_RTL has a path to fly."""
        return self.way_back.usable

    # -- changes of course ---------------------------------------------------------------------------------

    def on_arm(self) -> None:
        """Fresh integrators, nose where it is."""
        self.controller.reset()
        self.yaw_rad = self.vehicle.estimate.yaw_rad
        self.way_back.restart()
        self.settle()

    def on_mode(self, left: Mode) -> None:
        """The vehicle has entered its mode from `left`."""
        self.load_limits()
        self.settle()
        self.homecoming.forget_wait()
        mode = self.vehicle.mode
        self.phase = "hold"
        if mode is not Mode.AUTO:
            self.fixed_yaw, self.roi = False, None
        if not self.vehicle.armed:
            return
        if mode is Mode.AUTO:
            self.auto.enter()
        elif mode is Mode.RTL:
            self.homecoming.begin()
        elif mode is Mode.LAND:
            self.phase = "land"
        elif mode is Mode.SMART_RTL:
            self.phase = "back"
        elif mode is Mode.GUIDED:
            self.guided.begin()
        elif mode in (Mode.BRAKE, Mode.LOITER, Mode.POSHOLD):
            self.glide()
            self.loiter.begin()
        elif mode is Mode.CIRCLE:
            radius, yaw = self.vehicle.params["CIRCLE_RADIUS"] / 100, self.vehicle.estimate.yaw_rad
            t = self.target
            centre = (t.east_m + radius * math.sin(yaw), t.north_m + radius * math.cos(yaw), t.up_m)
            self.circle = Circle(self, centre, radius, self.vehicle.params["CIRCLE_RATE"])

    def load_limits(self) -> None:
        """Speeds and accelerations from the parameters (centimetres there, metres here)."""
        limits, p = self.vehicle.limits, self.vehicle.params
        limits.speed_mps = max(p["WPNAV_SPEED"], 10.0) / 100
        limits.climb_mps = max(p["WPNAV_SPEED_UP"], 10.0) / 100
        limits.sink_mps = max(p["WPNAV_SPEED_DN"], 10.0) / 100
        limits.accel_mps2 = max(p["WPNAV_ACCEL"], 50.0) / 100
        limits.accel_z_mps2 = max(p["WPNAV_ACCEL_Z"], 50.0) / 100
        limits.corner_accel_mps2 = (p["WPNAV_ACCEL_C"] or 2.0 * p["WPNAV_ACCEL"]) / 100
        limits.radius_m = max(p["WPNAV_RADIUS"], 5.0) / 100
        limits.jerk_mps3 = max(p["WPNAV_JERK"], 0.1)
        limits.shaping_jerk_mps3 = max(p["PSC_JERK_XY"], 0.1)
        limits.shaping_jerk_z_mps3 = max(p["PSC_JERK_Z"], 0.1)
        limits.lean_max_rad = math.radians(max(p["ANGLE_MAX"], 1000.0) / 100)

    def settle(self) -> None:
        """Aim at the point where the vehicle can stop from its present motion."""
        self.hold_at(self.stopping_point)

    @property
    def stopping_point(self) -> Point:
        """Where the vehicle can stop from its present motion."""
        e, limits = self.vehicle.estimate, self.vehicle.limits
        speed = math.hypot(e.v_east_mps, e.v_north_mps)
        reach = stopping_m(speed, limits.accel_mps2) / max(speed, 1e-6)
        rise = stopping_m(abs(e.v_up_mps), limits.accel_z_mps2)
        up = e.up_m + (min(rise, 3.0) if e.v_up_mps > 0.0 else -min(rise, 2.0))
        return e.east_m + e.v_east_mps * reach, e.north_m + e.v_north_mps * reach, up

    def glide(self) -> None:
        """Make the present motion the target's: what follows goes on from it."""
        e, t = self.vehicle.estimate, self.target
        self.hold_at((e.east_m, e.north_m, e.up_m))
        t.v_east_mps, t.v_north_mps, t.v_up_mps = e.v_east_mps, e.v_north_mps, e.v_up_mps

    def hold_at(self, point: Point) -> None:
        """Make this the target, standing still."""
        self.track.hold(point)
        self._terrain_leg = False
        t = self.target
        t.east_m, t.north_m, t.up_m = point
        t.v_east_mps = t.v_north_mps = t.v_up_mps = 0.0
        t.a_east_mps2 = t.a_north_mps2 = t.a_up_mps2 = 0.0

    def fly_to(
        self,
        point: Point,
        terrain: bool = False,
        following: Point | None = None,
        curved: bool = False,
        ahead: tuple[Waypoint, ...] = (),
    ) -> None:
        """Head for a point; its third number is AMSL, or above ground when `terrain`. The rest is
        Track.start's."""
        if terrain != self._terrain_leg:
            here = self.track.position
            ground = self.vehicle.terrain.height_m(here[0], here[1])
            self.track.hold((here[0], here[1], here[2] - ground if terrain else here[2] + ground))
            self._terrain_leg = terrain
        here = self.track.position
        self.track.start(point, following, curved, ahead)
        if not self.fixed_yaw and math.hypot(point[0] - here[0], point[1] - here[1]) > 2.0:
            self.yaw_rad = math.atan2(point[0] - here[0], point[1] - here[1]) % math.tau

    @property
    def over_terrain(self) -> bool:
        """True while heights above the ground are flown."""
        return self._terrain_leg or (self.phase == "guided" and self.guided.over_terrain)

    def amsl(self, point: Point, terrain: bool) -> Point:
        """A place with its height AMSL."""
        ground = self.vehicle.terrain.height_m(point[0], point[1]) if terrain else 0.0
        return point[0], point[1], point[2] + ground

    def amsl_beneath(self, point: Point, terrain: bool) -> Point:
        """The same, a height above ground counted from the ground beneath the target."""
        ground = self.vehicle.terrain.height_m(self.target.east_m, self.target.north_m) if terrain else 0.0
        return point[0], point[1], point[2] + ground

    @property
    def goal(self) -> Point:
        """Where it is flying to."""
        goal = self.guided.goal if self.phase == "guided" else None
        return self.track.goal if goal is None else goal

    def take_off(self, up_m: float) -> None:
        """GUIDED or AUTO: climb straight up to this height."""
        e = self.vehicle.estimate
        self.hold_at((e.east_m, e.north_m, e.up_m))
        self.vehicle.auto_armed = True
        self.phase = "rise"
        self.track.finished = False
        self._rise_to_m = max(up_m, e.up_m + (1.0 if self.vehicle.landed else 0.0))
        self._since_s = self.vehicle.time_s

    def turn_to(self, yaw_deg: float, direction: float, relative: bool) -> None:
        """CONDITION_YAW: point the nose and keep it there."""
        if relative:
            self.yaw_rad = (
                self.vehicle.estimate.yaw_rad + math.radians(yaw_deg) * (direction or 1)
            ) % math.tau
        else:
            self.yaw_rad = math.radians(yaw_deg) % math.tau
        self.fixed_yaw = True

    # -- every step ----------------------------------------------------------------------------------------

    def step(self) -> None:
        """Write the demand for this step. Only called while armed."""
        vehicle = self.vehicle
        self.way_back.record()
        if vehicle.landed and not vehicle.auto_armed and not self._wants_off():
            self.demand.roll_rad = self.demand.pitch_rad = 0.0
            self.demand.throttle = _IDLE_THROTTLE
            self.demand.yaw_rad = vehicle.estimate.yaw_rad
            return
        if self.roi is None:
            vehicle.gimbal.aim(None, 0.0)
        else:
            e = vehicle.estimate
            east, north = self.roi[0] - e.east_m, self.roi[1] - e.north_m
            self.yaw_rad = math.atan2(east, north) % math.tau
            below = e.up_m - vehicle.place.ground.height_m(*self.roi)
            vehicle.gimbal.aim(self.roi, math.degrees(math.atan2(-below, math.hypot(east, north))))
        _STEPS[vehicle.mode](self)
        # the demand is in true angles; the nose is steered by what is believed
        self.demand.yaw_rad = self.yaw_rad + vehicle.body.yaw_rad - vehicle.estimate.yaw_rad

    def _wants_off(self) -> bool:
        """True when a raised throttle stick starts a flight by hand."""
        throttle = self.vehicle.sticks.throttle
        if self.vehicle.mode in BY_STICKS and throttle is not None:
            if throttle > 0.1:
                self.vehicle.auto_armed = True
                self.settle()
            return throttle > 0.1
        return False

    def follow(self) -> None:
        """Track and hold: advance the target and fly after it; or rise, during a take-off."""
        if self.phase == "rise":
            self._rise()
            return
        t = self.target
        old_up = t.up_m
        self.track.advance(self.vehicle.estimate, t)
        if self._terrain_leg:
            t.up_m += self.vehicle.terrain.height_m(t.east_m, t.north_m)
            limits, wish = self.vehicle.limits, t.up_m
            t.up_m = min(max(t.up_m, old_up - limits.sink_mps * STEP_S), old_up + limits.climb_mps * STEP_S)
            t.v_up_mps, t.a_up_mps2 = (t.up_m - old_up) / STEP_S, 0.0
            half = _TERRAIN_MARGIN_M / 2.0
            self.track.most_share = max(0.01, min(1.0, 1.0 - (abs(wish - t.up_m) - half) / half))
        self.fly_target()

    def fly_target(self) -> None:
        """Lean and throttle for the target."""
        self.controller.horizontal(self.target, self.vehicle.estimate, self.demand)
        self.controller.vertical(self.target, self.vehicle.estimate, self.demand)

    def _rise(self) -> None:
        """One step of a take-off."""
        t, limits = self.target, self.vehicle.limits
        if self.vehicle.landed and self.vehicle.time_s - self._since_s < _SPOOL_UP_S:
            self.hold_at((self.vehicle.estimate.east_m, self.vehicle.estimate.north_m, t.up_m))
            self.track.finished = False
            self.demand.roll_rad = self.demand.pitch_rad = 0.0
            self.demand.throttle = _IDLE_THROTTLE
            return
        self.climb_towards(self._rise_to_m)
        self.fly_target()
        slow = 0.1 * limits.climb_mps
        near = 0.5 * slow * slow / limits.accel_z_mps2
        if t.up_m >= self._rise_to_m - near and t.v_up_mps < slow:
            self.phase = "track"
            self.hold_at((t.east_m, t.north_m, self._rise_to_m))

    def face(self, yaw_rad: float) -> None:
        """Point the nose, unless it is fixed."""
        if not self.fixed_yaw:
            self.yaw_rad = yaw_rad % math.tau

    def begin_circle(self) -> None:
        """Go round from here: a circle steps the target from now on."""
        self.phase = "circle"
        self.settle()

    def pursue_level(self, east_m: float, north_m: float) -> None:
        """Move the target by one step towards a place, as fast as it can stop there."""
        t, limits = self.target, self.vehicle.limits
        accel, jerk = limits.accel_mps2, limits.shaping_jerk_mps3
        east, north = east_m - t.east_m, north_m - t.north_m
        far = math.hypot(east, north)
        share = min(limits.speed_mps, approach_mps(far, accel, jerk)) / far if far > 0.0 else 0.0
        shape_level(t, east * share, north * share, accel, jerk)

    def climb_at(self, climb_mps: float) -> None:
        """Move the target by one step, climbing at a rate."""
        limits = self.vehicle.limits
        shape_climb(self.target, climb_mps, limits.accel_z_mps2, limits.shaping_jerk_z_mps3)

    def climb_towards(self, up_m: float) -> None:
        """Move the target by one step towards a height."""
        limits, away = self.vehicle.limits, up_m - self.target.up_m
        accel, jerk = limits.accel_z_mps2, limits.shaping_jerk_z_mps3
        climb = approach_mps(abs(away), accel, jerk)
        climb = min(climb, limits.climb_mps) if away > 0.0 else -min(climb, limits.sink_mps)
        shape_climb(self.target, climb, accel, jerk)

    def slew(
        self,
        v_east: float,
        v_north: float,
        v_up: float,
        accel: float,
        accel_z: float = 0.0,
        feed: Point = (0.0, 0.0, 0.0),
    ) -> None:
        """Bring the target's velocity to this one at `accel` (and `accel_z`, if not the waypoints') and fly
        after it. `feed` is an acceleration that is added."""
        t, limits = self.target, self.vehicle.limits
        shape_level(t, v_east, v_north, accel, limits.shaping_jerk_mps3, feed[:2])
        shape_climb(t, v_up, accel_z or limits.accel_z_mps2, limits.shaping_jerk_z_mps3, feed[2])
        e = self.vehicle.estimate  # the target never runs far from the vehicle (wind, ground)
        t.up_m = max(min(t.up_m, e.up_m + 2.0), e.up_m - 2.0)
        self.fly_target()

    def _brake(self) -> None:
        self.slew(0.0, 0.0, 0.0, _BRAKE_MPS2, _BRAKE_MPS2)

    def _guided(self) -> None:
        if self.phase == "guided":
            self.guided.step()
        else:
            self.follow()

    def within_m(self) -> float:
        """Distance of the believed position from the target."""
        e, t = self.vehicle.estimate, self.target
        return math.sqrt((t.east_m - e.east_m) ** 2 + (t.north_m - e.north_m) ** 2 + (t.up_m - e.up_m) ** 2)


def _step_loiter(pilot: Pilot) -> None:
    pilot.loiter.step()


def _step_circle(pilot: Pilot) -> None:
    assert pilot.circle is not None
    pilot.circle.step(by_hand.stick_climb(pilot))


def _step_auto(pilot: Pilot) -> None:
    pilot.auto.step()


def _step_rtl(pilot: Pilot) -> None:
    pilot.homecoming.step()


def _step_land(pilot: Pilot) -> None:
    pilot.homecoming.descend()


def _step_smart(pilot: Pilot) -> None:
    pilot.way_back.fly(pilot)


_STEPS = {
    Mode.STABILIZE: by_hand.stabilize,
    Mode.ALT_HOLD: by_hand.alt_hold,
    Mode.LOITER: _step_loiter,
    Mode.POSHOLD: _step_loiter,
    Mode.CIRCLE: _step_circle,
    Mode.BRAKE: Pilot._brake,
    Mode.GUIDED: Pilot._guided,
    Mode.AUTO: _step_auto,
    Mode.RTL: _step_rtl,
    Mode.LAND: _step_land,
    Mode.SMART_RTL: _step_smart,
}
