"""RTL and LAND: up, home, and down."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.autopilot.modes import Mode
from sim.autopilot.rally import return_point
from sim.controller import Point, approach_mps, lean

if TYPE_CHECKING:
    from sim.autopilot.pilot import Pilot


class Homecoming:
    """Returns and lands with the pilot's tools; RTL, LAND and missions call it. Owned by a Pilot."""

    def __init__(self, pilot: Pilot) -> None:
        self._pilot = pilot
        self._return_to: Point = (0.0, 0.0, 0.0)
        self._since_s = 0.0
        self._wait_until_s = 0.0

    def begin(self) -> None:
        """Start the return: climb first."""
        pilot = self._pilot
        vehicle, p = pilot.vehicle, pilot.vehicle.params
        if p["RTL_SPEED"] > 0:
            vehicle.limits.speed_mps = p["RTL_SPEED"] / 100
        pilot.settle()
        here = pilot.track.position
        self._return_to = return_point(vehicle)
        if p["RTL_ALT_TYPE"] == 1:
            ground = vehicle.terrain.known_m(here[0], here[1])
            if ground is not None and vehicle.terrain.known_m(*self._return_to[:2]) is not None:
                height = max(p["RTL_ALT"] / 100, here[2] - ground + p["RTL_CLIMB_MIN"] / 100)
                pilot.phase = "climb"
                top = (*self._return_to[:2], height)
                pilot.fly_to((here[0], here[1], height), terrain=True, following=top)
                return
            vehicle.say(2, "RTL: no terrain data, using alt-above-home")
        home_distance = math.hypot(here[0] - self._return_to[0], here[1] - self._return_to[1])
        height = max(p["RTL_ALT"] / 100, self._return_to[2] - vehicle.home_up_m)
        if p["RTL_CONE_SLOPE"] > 0:
            height = min(height, max(home_distance * p["RTL_CONE_SLOPE"], 2.0))
        present = vehicle.estimate.up_m - vehicle.home_up_m
        height = max(height, present + p["RTL_CLIMB_MIN"] / 100)
        height = max(min(height, vehicle.geofence.ceiling_m), present)
        pilot.phase = "climb"
        up = vehicle.home_up_m + height
        pilot.fly_to((here[0], here[1], up), following=(*self._return_to[:2], up))

    def step(self) -> bool:
        """One step of the return; True when the vehicle is down at home."""
        pilot, vehicle = self._pilot, self._pilot.vehicle
        if pilot.phase == "climb" and pilot.track.finished:
            pilot.phase = "return"
            kept = pilot.yaw_rad
            pilot.fly_to((*self._return_to[:2], pilot.track.goal[2]), terrain=pilot.over_terrain)
            if vehicle.params["WP_YAW_BEHAVIOR"] != 1:
                pilot.yaw_rad = kept
        elif pilot.phase == "return" and pilot.track.finished and pilot.within_m() < vehicle.limits.radius_m:
            pilot.phase = "loiter"
            self._since_s = vehicle.time_s
        elif (
            pilot.phase == "loiter"
            and vehicle.time_s - self._since_s >= vehicle.params["RTL_LOIT_TIME"] / 1000
        ):
            self._end(vehicle.params["RTL_ALT_FINAL"] / 100)
        if pilot.phase == "land":
            return self.descend()
        pilot.follow()
        return False

    def _end(self, final_m: float) -> None:
        """Over home: land, or wait at RTL_ALT_FINAL if there is one."""
        pilot = self._pilot
        pilot.phase = "final" if final_m > 0 else "land"
        if final_m > 0:
            here = pilot.track.position
            pilot.fly_to((here[0], here[1], pilot.vehicle.home_up_m + final_m))

    def forget_wait(self) -> None:
        """A mode has been entered: nothing is waited for."""
        self._wait_until_s = 0.0

    def wait_before_landing(self, seconds: float) -> None:
        """LAND: stand still first, so that a pilot can take over."""
        vehicle = self._pilot.vehicle
        if vehicle.mode is Mode.LAND:
            self._wait_until_s = vehicle.time_s + seconds

    def descend(self) -> bool:
        """One step of landing here; True when the vehicle is down."""
        pilot = self._pilot
        vehicle, p = pilot.vehicle, pilot.vehicle.params
        if vehicle.time_s < self._wait_until_s and vehicle.readiness.has_position:
            pilot.slew(0.0, 0.0, 0.0, vehicle.limits.accel_mps2)
            return False
        low = p["LAND_ALT_LOW"] / 100
        slow = p["LAND_SPEED"] / 100
        fast = max((p["LAND_SPEED_HIGH"] or p["WPNAV_SPEED_DN"]) / 100, slow)
        e = vehicle.estimate
        ground = vehicle.terrain.known_m(e.east_m, e.north_m)
        height = e.up_m - (ground if ground is not None else vehicle.home_up_m)
        brake = approach_mps(max(height - low, 0.0), 2.0 * vehicle.limits.accel_z_mps2, 4.0)
        speed = max(slow, min(fast, brake))
        if vehicle.readiness.has_position:
            pilot.slew(0.0, 0.0, -speed, vehicle.limits.accel_mps2)
        else:  # no position: level, and down
            pilot.slew(0.0, 0.0, -speed, vehicle.limits.accel_mps2)
            lean(0.0, 0.0, vehicle.estimate.yaw_rad, pilot.demand)
        return vehicle.landed
