"""The modes that a pilot's sticks fly on a PX4: MANUAL and STABILIZED, ALTCTL, POSCTL."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.autopilot.px4.modes import Mode
from sim.dynamics import STEP_S

if TYPE_CHECKING:
    from sim.autopilot.px4.pilot import Pilot

_YAW_RADPS = math.radians(150.0)
_DEAD = 0.1


def step(pilot: Pilot) -> None:
    """One step by hand."""
    vehicle = pilot.vehicle
    sticks, mode = vehicle.sticks, vehicle.mode
    throttle = sticks.throttle if sticks.throttle is not None else (-1.0 if vehicle.landed else 0.0)
    if vehicle.landed and throttle <= _DEAD:
        pilot.rest()
        return
    pilot.yaw_rad = (pilot.yaw_rad + sticks.yaw * _YAW_RADPS * STEP_S) % math.tau
    if mode is Mode.POSCTL:
        _fly_by_speed(pilot, throttle)
        return
    most = math.radians(vehicle.params["MPC_MAN_TILT_MAX"])
    if mode is Mode.ALTCTL:
        _fly_by_speed(pilot, throttle)
    else:
        hover = vehicle.setup.airframe.hover_throttle
        pilot.demand.throttle = max(0.0, hover + throttle * (hover if throttle < 0 else 1.0 - hover))
    pilot.demand.roll_rad, pilot.demand.pitch_rad = sticks.roll * most, -sticks.pitch * most


def _fly_by_speed(pilot: Pilot, throttle: float) -> None:
    """Sticks ask for speeds over the ground and up; let go of, it holds its place."""
    p, bounds, sticks = pilot.vehicle.params, pilot.trajectory.bounds, pilot.vehicle.sticks
    bounds.level_mps, bounds.accel_mps2 = p["MPC_VEL_MANUAL"], p["MPC_ACC_HOR"]
    bounds.jerk_mps3 = p["MPC_JERK_AUTO"]
    climb = throttle if abs(throttle) > _DEAD else 0.0
    climb *= p["MPC_Z_VEL_MAX_UP"] if climb > 0.0 else p["MPC_Z_VEL_MAX_DN"]
    bounds.vertical_mps, bounds.vertical_mps2 = max(abs(climb), 0.1), p["MPC_ACC_UP_MAX"]
    forward, right = sticks.pitch * bounds.level_mps, sticks.roll * bounds.level_mps
    sin, cos = math.sin(pilot.yaw_rad), math.cos(pilot.yaw_rad)
    wish = forward * sin + right * cos, forward * cos - right * sin, climb
    pilot.trajectory.chase(STEP_S, pilot.vehicle.navigator.here, wish, pilot.target)
    pilot.fly_target()
