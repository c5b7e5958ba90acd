"""AUTO: flying the stored mission, item by item."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.autopilot import mission as m
from sim.autopilot.mission import Frame, Item
from sim.controller import Point

if TYPE_CHECKING:
    from sim.autopilot.pilot import Pilot

_FASTEST_MPS = 100.0
"""A speed beyond this is none."""

Place = tuple[Point, bool]
"""A point and whether its height is above ground."""


class Auto:
    """Walks the mission with the pilot's tools. Owned by a Pilot."""

    def __init__(self, pilot: Pilot) -> None:
        self._pilot = pilot
        self.paused = False
        self.running = False
        self._item: Item | None = None
        self._passing = False
        self._arrived_s: float | None = None
        self._condition_s: float | None = None

    @property
    def landing(self) -> bool:
        """True while the current item is putting the vehicle down."""
        return self._item is not None and self._pilot.phase == "land"

    def enter(self) -> None:
        """AUTO has been entered: carry on where the mission was left, or from the start."""
        walk, vehicle = self._pilot.vehicle.walk, self._pilot.vehicle
        self.paused = self._pilot.track.paused = False
        if walk.nav_index == 0 or walk.complete or vehicle.params["MIS_RESTART"]:
            walk.reset()
            started = walk.jump_to(1)
        else:
            started = True
        self.running = started
        if started:
            self._begin()
        else:
            self._finish()

    def restart_item(self) -> None:
        """Begin the current item again (an upload during the flight does this)."""
        if self.running and self._pilot.vehicle.walk.nav_index < len(self._pilot.vehicle.mission):
            self._pilot.settle()
            self._begin()

    def go_to(self, index: int) -> bool:
        """Continue with another item now."""
        walk = self._pilot.vehicle.walk
        if not walk.jump_to(index):
            return False
        self.running = True
        self._pilot.settle()
        self._begin()
        return True

    @property
    def can_pause(self) -> bool:
        """Only on the way to a place, as in ArduCopter: not while it takes off, turns home or lands."""
        item = self._item
        on_leg = item is not None and item.command not in (m.TAKEOFF, m.RTL, m.DELAY)
        return on_leg and self._pilot.phase == "track" and not self._pilot.track.finished

    def pause(self, on: bool) -> None:
        """Stop on the way, or carry on."""
        self.paused = self._pilot.track.paused = on

    # -- every step ----------------------------------------------------------------------------------------

    def step(self) -> None:
        """Fly the current item, run what is due beside it, go on when it is done."""
        pilot, vehicle = self._pilot, self._pilot.vehicle
        if not vehicle.auto_armed:
            pilot.follow()
            return
        self._run_due()
        if not self.running or self._item is None:
            pilot.follow()
            return
        if self._item.command == m.RTL:
            done = pilot.rtl()
        elif pilot.phase == "land":
            done = pilot.descend()
        else:
            pilot.follow()
            done = not self.paused and self._done(self._item)
        if done and vehicle.armed:
            self._next()

    def _next(self) -> None:
        vehicle = self._pilot.vehicle
        self._report(vehicle.walk.nav_index)
        if vehicle.walk.advance():
            self._begin()
        else:
            self._finish()

    def on_touchdown(self) -> None:
        """The vehicle is down at a landing item: that item is done."""
        self._report(self._pilot.vehicle.walk.nav_index)
        self.running = False
        self._pilot.vehicle.walk.complete = True

    def _finish(self) -> None:
        self.running, self._item = False, None
        self._run_due()

    def _report(self, index: int) -> None:
        self._pilot.vehicle.reached = index

    def _begin(self) -> None:
        """Start the navigation item that the walk stands at."""
        pilot, vehicle = self._pilot, self._pilot.vehicle
        index = vehicle.walk.nav_index
        item = self._item = vehicle.mission[index]
        self._arrived_s, self._passing = None, False
        pilot.phase = "track"
        vehicle.say(6, f"Mission: {index} {m.NAMES[item.command]}")
        self._run_due()
        if item.command == m.TAKEOFF:
            (_, _, up), terrain = self.place_of(item)
            here = vehicle.estimate
            ground = vehicle.terrain.height_m(here.east_m, here.north_m) if terrain else 0.0
            pilot.take_off(up + ground)
        elif item.command == m.RTL:
            pilot.begin_rtl()
        elif item.command == m.LAND and not item.has_place:
            pilot.phase = "land"
        elif item.command != m.DELAY:
            self._start_leg(item)

    def _start_leg(self, item: Item) -> None:
        pilot, vehicle = self._pilot, self._pilot.vehicle
        point, terrain = self.place_of(item)
        if item.command == m.LAND:  # over the place first, at the present height
            point, terrain = (point[0], point[1], pilot.target.up_m), False
        following = None
        after = vehicle.walk.following()
        if item.command == m.WAYPOINT and item.p1 == 0.0 and after is not None:
            next_item = vehicle.mission[after]
            if next_item.command in (m.WAYPOINT, m.LOITER_TIME, m.LOITER_UNLIM) and next_item.has_place:
                next_point, next_terrain = self.place_of(next_item)
                following = next_point if next_terrain == terrain else None
        if pilot.roi is None:
            pilot.fixed_yaw = False
        pilot.fly_to(point, terrain, following)
        self._passing = following is not None

    def place_of(self, item: Item) -> Place:
        """Where an item is: missing places are here, a height of 0 on a waypoint is the present one."""
        vehicle, e = self._pilot.vehicle, self._pilot.vehicle.estimate
        if item.has_place:
            east, north = vehicle.place.to_local(item.x / 1e7, item.y / 1e7)
        else:
            east, north = e.east_m, e.north_m
        if item.frame == Frame.TERRAIN:
            return (east, north, item.z), True
        if item.z == 0.0 and item.command in (m.WAYPOINT, m.LOITER_UNLIM, m.LOITER_TIME):
            return (east, north, self._pilot.target.up_m), False
        return (east, north, item.z + (vehicle.home_up_m if item.frame == Frame.RELATIVE else 0.0)), False

    def _done(self, item: Item) -> bool:
        pilot, now = self._pilot, self._pilot.vehicle.time_s
        if item.command == m.DELAY:
            self._arrived_s = self._arrived_s if self._arrived_s is not None else now
            return now - self._arrived_s >= item.p1
        if not pilot.track.finished:
            return False
        if self._passing:
            return True
        if self._arrived_s is None:
            if pilot.within_m() > pilot.vehicle.limits.radius_m:
                return False
            self._arrived_s = now
        if item.command == m.LAND:
            pilot.phase = "land"
            return False
        if item.command == m.LOITER_UNLIM:
            return False
        wait = item.p1 if item.command in (m.WAYPOINT, m.LOITER_TIME) else 0.0
        return now - self._arrived_s >= wait

    # -- DO and CONDITION items ----------------------------------------------------------------------------

    def _run_due(self) -> None:
        walk = self._pilot.vehicle.walk
        while (due := walk.due()) is not None:
            index, item = due
            if not self._condition_met(item):
                return
            walk.done_due()
            self._condition_s = None
            self._do(item)
            self._report(index)

    def _condition_met(self, item: Item) -> bool:
        pilot, now = self._pilot, self._pilot.vehicle.time_s
        if item.command == m.CONDITION_DELAY:
            self._condition_s = self._condition_s if self._condition_s is not None else now
            return now - self._condition_s >= item.p1
        if item.command == m.CONDITION_DISTANCE and self._item is not None:
            point, _ = self.place_of(self._item)
            e = pilot.vehicle.estimate
            return math.hypot(point[0] - e.east_m, point[1] - e.north_m) <= item.p1
        return True

    def _do(self, item: Item) -> None:
        pilot, vehicle = self._pilot, self._pilot.vehicle
        shutter = vehicle.shutter
        if item.command == m.CHANGE_SPEED:
            change_speed(pilot, item.p1, item.p2)
        elif item.command == m.CONDITION_YAW:
            pilot.turn_to(item.p1, item.p3, relative=item.p4 != 0.0)
        elif item.command in (m.ROI, m.ROI_LOCATION) and item.has_place:
            pilot.roi, pilot.fixed_yaw = self.place_of(item)[0][:2], True
        elif item.command in (m.ROI, m.ROI_LOCATION, m.ROI_NONE):
            pilot.roi, pilot.fixed_yaw = None, False
        elif item.command == m.SET_HOME:
            self._set_home(item)
        elif item.command == m.FENCE_ENABLE:
            vehicle.geofence.command(item.p1, item.p2)
        elif item.command == m.MOUNT_CONTROL:
            vehicle.gimbal.pitch_deg = max(-90.0, min(30.0, item.p1))
        elif item.command == m.DIGICAM:
            shutter.once()
        elif item.command == m.TRIGGER_DISTANCE:
            shutter.by_distance(item.p1, at_once=item.p3 == 1.0)
        elif item.command == m.TRIGGER_INTERVAL:
            shutter.by_time(item.p1)
        elif item.command == m.START_CAPTURE:
            shutter.by_time(item.p2, int(item.p3) or -1)
        elif item.command == m.STOP_CAPTURE:
            shutter.stop()

    def _set_home(self, item: Item) -> None:
        vehicle, e = self._pilot.vehicle, self._pilot.vehicle.estimate
        if item.p1 == 1.0 or not item.has_place:
            vehicle.set_home(e.east_m, e.north_m, e.up_m, locked=True)
        else:
            east, north = vehicle.place.to_local(item.x / 1e7, item.y / 1e7)
            up = item.z + (vehicle.home_up_m if item.frame == Frame.RELATIVE else 0.0)
            vehicle.set_home(east, north, up, locked=True)


def change_speed(pilot: Pilot, kind: float, speed_mps: float) -> bool:
    """DO_CHANGE_SPEED: 0 and 1 are horizontal, 2 climb, 3 descent; False for anything that is not a speed."""
    if not 0.0 < speed_mps <= _FASTEST_MPS:
        return False
    limits = pilot.vehicle.limits
    if kind == 2.0:
        limits.climb_mps = speed_mps
    elif kind == 3.0:
        limits.sink_mps = speed_mps
    else:
        limits.speed_mps = speed_mps
    return True
