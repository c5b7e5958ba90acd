"""The modes that a pilot's sticks fly on a PX4 (MANUAL and STABILIZED, ALTCTL, POSCTL), and how sticks that
move take over (Sticks.cpp, StickAccelerationXY.cpp, StickTiltXY.cpp, ManualControl.cpp, 1.16)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.autopilot.px4.modes import Mode
from sim.controller import Target, lean
from sim.dynamics import GRAVITY_MPS2, STEP_S

if TYPE_CHECKING:
    from sim.autopilot.px4.pilot import Pilot

_WANTS_UP, _DOWN = 0.3, -0.9
"""Throttle sticks: one that lifts it off where the stick climbs, one that is down where it is the thrust."""
_LEAST_THROTTLE = 0.08
_FELT_S, _BRAKES_S = 0.1, 0.8
"""Time constants: of sticks' speeds, and of the brakes when they are let go of."""
_SMALL, _STANDS_MPS = 1.2e-7, 0.01
_OVERRIDES_AUTO, _OVERRIDES_OFFBOARD = 1, 2
"""Bits of COM_RC_OVERRIDE."""
Level = tuple[float, float]
"""East, north."""


class Hand:
    """The pilot's hand on the sticks. Owned by a Pilot."""

    def __init__(self, pilot: Pilot) -> None:
        self._pilot = pilot
        self.by_joystick = False
        """Whether sticks have come by MAVLink: they are the pilot's from then on."""
        self._felt: tuple[float, tuple[float, ...]] = (0.0, ())
        self._speeds = [0.0] * 4
        self._v = self._a = (0.0, 0.0)
        self._brakes = 1.0
        self._locked: Level | None = None

    def feel(self) -> None:
        """Sticks have come by MAVLink: the first ones choose POSCTL, moving ones take over."""
        vehicle, sticks = self._pilot.vehicle, self._pilot.vehicle.sticks
        if not self.by_joystick and not vehicle.mode_was_chosen and not vehicle.armed:
            vehicle.set_mode(Mode.POSCTL)
        self.by_joystick = True
        now, values = vehicle.time_s, (sticks.roll, sticks.pitch, sticks.yaw, sticks.throttle or 0.0)
        then, before = self._felt
        self._felt = now, values
        if not before or now - then > vehicle.params["COM_RC_LOSS_T"]:
            self._speeds = [0.0] * 4
            return
        dt = max(now - then, STEP_S)
        for n, (value, last) in enumerate(zip(values, before, strict=True)):
            self._speeds[n] += ((value - last) / dt - self._speeds[n]) * dt / (dt + _FELT_S)
        if max(map(abs, self._speeds)) > 0.01 * vehicle.params["COM_RC_STICK_OV"]:
            self._take_over()

    def _take_over(self) -> None:
        vehicle = self._pilot.vehicle
        bits, mode = int(vehicle.params["COM_RC_OVERRIDE"]), vehicle.mode
        asks = _OVERRIDES_OFFBOARD if mode is Mode.OFFBOARD else _OVERRIDES_AUTO if mode.is_auto else 0
        if not vehicle.armed or not bits & asks:
            return
        if vehicle.failsafe.triggered:
            vehicle.failsafe.on_sticks()
        elif vehicle.set_mode(Mode.POSCTL):
            vehicle.say(6, "Pilot took over using sticks")

    def begin(self) -> None:
        """A mode by sticks begins: what moves goes on moving."""
        e = self._pilot.vehicle.estimate
        self._v, self._a = (e.v_east_mps, e.v_north_mps), (0.0, 0.0)
        self._locked = None
        self._brakes = 1.0

    def step(self) -> None:
        """One step by hand."""
        pilot, vehicle = self._pilot, self._pilot.vehicle
        p, sticks = vehicle.params, vehicle.sticks
        throttle = sticks.throttle if sticks.throttle is not None else 0.0
        if vehicle.landed and not self._lifts(throttle):
            pilot.rest()
            return
        turn = math.radians(p["MPC_MAN_Y_MAX"]) * self._eased(sticks.yaw, "MPC_YAW_EXPO")
        pilot.yaw_rad = (pilot.yaw_rad + turn * STEP_S) % math.tau
        if vehicle.mode is Mode.POSCTL:
            self._climb(throttle)
            self._move()
            pilot.controller.horizontal(
                pilot.target, vehicle.estimate, pilot.demand, self._locked is not None
            )
        elif vehicle.mode is Mode.ALTCTL:
            self._climb(throttle)
            right, forward = _within_one(sticks.roll, sticks.pitch)
            most = GRAVITY_MPS2 * math.tan(math.radians(p["MPC_MAN_TILT_MAX"]))
            lean(*self._turned(right * most, forward * most), vehicle.estimate.yaw_rad, pilot.demand)
        else:
            hover = vehicle.setup.airframe.hover_throttle
            span = hover - _LEAST_THROTTLE if throttle < 0.0 else 1.0 - hover
            pilot.demand.throttle = hover + throttle * span
            right, forward = _within_one(sticks.roll, sticks.pitch)
            most = math.radians(p["MPC_MAN_TILT_MAX"])
            pilot.demand.roll_rad, pilot.demand.pitch_rad = right * most, -forward * most

    def _lifts(self, throttle: float) -> bool:
        """Whether it is to leave the ground."""
        if self._pilot.vehicle.mode in (Mode.ALTCTL, Mode.POSCTL):
            return self._pilot.spun_up(throttle > _WANTS_UP)
        return throttle > _DOWN

    def _eased(self, stick: float, expo: str) -> float:
        """A stick with its dead middle (MPC_HOLD_DZ), slower near it."""
        p = self._pilot.vehicle.params
        dead = p["MPC_HOLD_DZ"]
        x = max(abs(stick) - dead, 0.0) / (1.0 - dead)
        return math.copysign((1.0 - p[expo]) * x + p[expo] * x**3, stick)

    def _turned(self, right: float, forward: float) -> Level:
        """East and north."""
        sin, cos = math.sin(self._pilot.yaw_rad), math.cos(self._pilot.yaw_rad)
        return forward * sin + right * cos, forward * cos - right * sin

    def _climb(self, throttle: float) -> None:
        """Up and down by speed, slower near the ground; let go of, it keeps its height."""
        pilot, p, e = self._pilot, self._pilot.vehicle.params, self._pilot.vehicle.estimate
        low, high = p["MPC_LAND_ALT2"], max(p["MPC_LAND_ALT1"], p["MPC_LAND_ALT2"] + 0.1)
        share = min(max((pilot.height_m - low) / (high - low), 0.0), 1.0)
        stick = self._eased(throttle, "MPC_Z_MAN_EXPO")
        near, far = p["MPC_LAND_SPEED"], p["MPC_Z_VEL_MAX_DN"]
        if stick > 0.0:
            near, far = p["MPC_TKO_SPEED"], p["MPC_Z_VEL_MAX_UP"]
        wish = stick * (near + share * (far - near))
        if pilot.vehicle.sticks.throttle is None:
            wish = -p["MPC_LAND_SPEED"]  # nobody is there: it comes down
        bounds = pilot.trajectory.bounds
        bounds.vertical_mps, bounds.jerk_mps3 = far, p["MPC_JERK_MAX"]
        bounds.vertical_mps2 = p["MPC_ACC_UP_MAX"] if wish > 0.0 else p["MPC_ACC_DOWN_MAX"]
        pilot.trajectory.climb(STEP_S, wish, pilot.target)
        pilot.lift_off(p["MPC_Z_VEL_MAX_UP"])
        moving = wish != 0.0 or abs(pilot.target.v_up_mps) > _STANDS_MPS
        if moving:
            pilot.trajectory.axes[2].x = e.up_m
        pilot.target.up_m = pilot.trajectory.axes[2].x
        pilot.controller.vertical(pilot.target, e, pilot.demand, not moving)

    def _move(self) -> None:
        """Sticks accelerate, drag brakes: the target's speed over the ground, or where it stands."""
        pilot, p, e = self._pilot, self._pilot.vehicle.params, self._pilot.vehicle.estimate
        sticks = pilot.vehicle.sticks
        right, forward = _within_one(
            self._eased(sticks.roll, "MPC_XY_MAN_EXPO"), self._eased(sticks.pitch, "MPC_XY_MAN_EXPO")
        )
        most, fastest = 2.0 * p["MPC_ACC_HOR"], p["MPC_VEL_MANUAL"]
        push = self._turned(right * most, forward * most)
        let_go = math.hypot(*push) < _SMALL
        goal = max(2.0, math.sqrt(fastest)) if let_go else 1.0
        self._brakes += (goal - self._brakes) * STEP_S / (_BRAKES_S + STEP_S)
        speed = math.hypot(*self._v)
        share = min(max(self._brakes - 1.0, 0.0), 1.0)
        felt = share * (math.sqrt(speed) if speed < 1.0 else speed) + (1.0 - share) * speed
        drag_mps2 = most / fastest * self._brakes * felt
        slows = drag_mps2 / speed if speed > 0.0 else 0.0
        drag = self._v[0] * slows, self._v[1] * slows
        turns = any((a < 0.0) is not (b < 0.0) for a, b in zip(self._a, push, strict=True))
        if (let_go or turns) and speed < drag_mps2 * STEP_S:
            drag, self._v = (0.0, 0.0), (0.0, 0.0)
        self._a = _jerked(self._a, (push[0] - drag[0], push[1] - drag[1]), p["MPC_JERK_MAX"] * STEP_S)
        self._v = self._v[0] + self._a[0] * STEP_S, self._v[1] + self._a[1] * STEP_S
        moving = math.hypot(*self._v) ** 2 > _SMALL
        if moving:
            self._locked = None
        elif self._locked is None:
            self._locked = e.east_m, e.north_m
        _write(pilot.target, self._locked or (e.east_m, e.north_m), self._v, self._a)


def _write(target: Target, place: Level, v: Level, a: Level) -> None:
    target.east_m, target.north_m = place
    target.v_east_mps, target.v_north_mps = v
    target.a_east_mps2, target.a_north_mps2 = a


def _within_one(right: float, forward: float) -> Level:
    size = max(math.hypot(right, forward), 1.0)
    return right / size, forward / size


def _jerked(now: Level, wish: Level, most: float) -> Level:
    """One step from an acceleration to another."""
    east, north = wish[0] - now[0], wish[1] - now[1]
    size = math.hypot(east, north)
    share = min(most / size, 1.0) if size > 0.0 else 0.0
    return now[0] + east * share, now[1] + north * share
