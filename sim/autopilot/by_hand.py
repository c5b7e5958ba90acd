"""The modes that a pilot's sticks fly: STABILIZE, ALT_HOLD, LOITER and POSHOLD."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.controller import approach_mps, shape_climb
from sim.dynamics import GRAVITY_MPS2, STEP_S

if TYPE_CHECKING:
    from sim.autopilot.pilot import Pilot

_YAW_RADPS = math.radians(90)
_BRAKE_DELAY_S, _BRAKE_MPS2, _BRAKE_JERK_MPS3 = 1.0, 2.5, 5.0
"""LOITER brakes after sticks have been let go so long (LOIT_BRK_DELAY, _ACCEL, _JERK)."""


def stick_climb(pilot: Pilot) -> float:
    """The climb that the throttle stick asks for."""
    throttle = pilot.vehicle.sticks.throttle or 0.0
    if abs(throttle) < 0.1:
        return 0.0
    p = pilot.vehicle.params
    return throttle * (p["PILOT_SPEED_UP"] if throttle > 0 else p["WPNAV_SPEED_DN"]) / 100


def _turn(pilot: Pilot) -> None:
    pilot.yaw_rad = (pilot.yaw_rad + pilot.vehicle.sticks.yaw * _YAW_RADPS * STEP_S) % math.tau


def _lean(pilot: Pilot) -> None:
    sticks, most = pilot.vehicle.sticks, pilot.vehicle.limits.lean_max_rad
    _turn(pilot)
    pilot.demand.roll_rad = sticks.roll * most
    pilot.demand.pitch_rad = -sticks.pitch * most


def stabilize(pilot: Pilot) -> None:
    """One step: sticks lean, throttle is throttle."""
    _lean(pilot)
    throttle, hover = pilot.vehicle.sticks.throttle or 0.0, pilot.vehicle.setup.airframe.hover_throttle
    pilot.demand.throttle = max(0.0, hover + throttle * (hover if throttle < 0 else 1.0 - hover))


def alt_hold(pilot: Pilot) -> None:
    """One step: sticks lean, throttle climbs."""
    _lean(pilot)
    t = pilot.target
    shape_climb(t, stick_climb(pilot), _accel_z(pilot), pilot.vehicle.limits.shaping_jerk_z_mps3)
    pilot.controller.vertical(t, pilot.vehicle.estimate, pilot.demand)


def _accel_z(pilot: Pilot) -> float:
    return max(pilot.vehicle.params["PILOT_ACCEL_Z"], 10.0) / 100


class Loiter:
    """Holds the place; sticks push it about against a drag that makes LOIT_SPEED the fastest (AC_Loiter)."""

    def __init__(self, pilot: Pilot) -> None:
        self._pilot = pilot
        self._brake_mps2 = 0.0
        self._pushed_s = -math.inf

    def step(self) -> None:
        """One step."""
        pilot, t = self._pilot, self._pilot.target
        vehicle = pilot.vehicle
        sticks, yaw, now = vehicle.sticks, vehicle.estimate.yaw_rad, vehicle.time_s
        _turn(pilot)
        most = GRAVITY_MPS2 * math.tan(vehicle.limits.lean_max_rad * 2.0 / 3.0)
        forward, right = sticks.pitch * most, sticks.roll * most
        a_east = forward * math.sin(yaw) + right * math.cos(yaw)
        a_north = forward * math.cos(yaw) - right * math.sin(yaw)
        speed = math.hypot(t.v_east_mps, t.v_north_mps)
        wish = 0.0
        if a_east or a_north:
            self._pushed_s = now
        elif now - self._pushed_s > _BRAKE_DELAY_S:
            wish = min(approach_mps(speed, _BRAKE_JERK_MPS3 / 2.0, _BRAKE_JERK_MPS3), _BRAKE_MPS2)
        change = _BRAKE_JERK_MPS3 * STEP_S
        self._brake_mps2 += max(-change, min(change, wish - self._brake_mps2))
        if speed > 0.0:
            slower = most * speed / (max(vehicle.params["LOIT_SPEED"], 20.0) / 100) + self._brake_mps2
            slower = min(slower, speed / STEP_S)
            a_east -= slower * t.v_east_mps / speed
            a_north -= slower * t.v_north_mps / speed
        t.v_east_mps += a_east * STEP_S
        t.v_north_mps += a_north * STEP_S
        t.east_m += t.v_east_mps * STEP_S
        t.north_m += t.v_north_mps * STEP_S
        t.a_east_mps2, t.a_north_mps2 = a_east, a_north
        shape_climb(t, stick_climb(pilot), _accel_z(pilot), vehicle.limits.shaping_jerk_z_mps3)
        e = vehicle.estimate  # the target never runs far from the vehicle (wind, ground)
        t.up_m = max(min(t.up_m, e.up_m + 2.0), e.up_m - 2.0)
        pilot.fly_target()

    def begin(self) -> None:
        """The mode has been entered: the sticks count as touched."""
        self._brake_mps2, self._pushed_s = 0.0, self._pilot.vehicle.time_s
