"""AUTO: flying the stored mission, item by item."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.autopilot import items as m
from sim.autopilot.circle import Circle
from sim.autopilot.items import Frame, Item
from sim.autopilot.modes import Mode
from sim.controller import Point
from sim.track import Waypoint

if TYPE_CHECKING:
    from sim.autopilot.pilot import Pilot

_NEAR_CIRCLE_M = 3.0
"""Further than this from its middle, a circle is begun at its edge."""
_FACING_RAD = math.radians(2.0)
_FASTEST_MPS = 100.0
"""A speed beyond this is none."""

_PASSED_TO = frozenset({m.WAYPOINT, m.LOITER_UNLIM, m.LOITER_TIME, m.SPLINE})
"""A waypoint in front of one of these is passed without a stop."""

Place = tuple[Point, bool]
"""A point and whether its height is above ground."""


class Auto:
    """Walks the mission with the pilot's tools. Owned by a Pilot."""

    def __init__(self, pilot: Pilot) -> None:
        self._pilot = pilot
        self.paused = False
        self.running = False
        self.returning = False
        """It shows itself as AUTO RTL."""
        self.resumes = False
        """The mission goes on where it stands when AUTO is entered next."""
        self._item: Item | None = None
        self._passing = False
        self._arrived_s: float | None = None
        self._circle: Circle | None = None
        self._rounds = -1
        self._due_since_s: float | None = None
        """When the order that is being waited for was begun."""

    @property
    def landing(self) -> bool:
        """True while the current item is putting the vehicle down."""
        return self._item is not None and self._pilot.phase == "land"

    def enter(self) -> None:
        """AUTO has been entered: carry on where the mission was left, or from the start."""
        walk, vehicle = self._pilot.vehicle.walk, self._pilot.vehicle
        self.paused = self._pilot.track.paused = False
        self.returning, resumes, self.resumes = False, self.resumes, False
        if walk.nav_index == 0 or walk.complete or (vehicle.params["MIS_RESTART"] and not resumes):
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

    def set_current(self, index: int) -> bool:
        """Make an item the current one: in flight in AUTO at once, else when AUTO is entered."""
        vehicle = self._pilot.vehicle
        if vehicle.mode is Mode.AUTO and vehicle.armed:
            return self.go_to(index)
        return vehicle.walk.jump_to(index)

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
        on_leg = item is not None and item.command not in (m.TAKEOFF, m.RTL, m.DELAY, m.GUIDED_ENABLE)
        return on_leg and self._pilot.phase == "track" and not self._pilot.track.finished

    def pause(self, on: bool) -> None:
        """Stop on the way, or carry on."""
        self.paused = self._pilot.track.paused = on

    # -- every step ----------------------------------------------------------------------------------------

    def step(self) -> None:
        """Fly the current item, run what is due beside it, go on when it is done."""
        pilot, vehicle = self._pilot, self._pilot.vehicle
        walk = vehicle.walk
        self.returning = self.returning and (walk.in_landing or walk.in_return or walk.complete)
        if not vehicle.auto_armed:
            pilot.follow()
            return
        self._run_due()
        if not self.running or self._item is None:
            pilot.follow()
            return
        if self._item.command == m.RTL:
            done = pilot.homecoming.step()
        elif pilot.phase == "land":
            done = pilot.homecoming.descend()
        elif self._circle is not None and pilot.phase == "circle":
            self._circle.step()
            done = self._circled(self._item)
        else:
            pilot.follow()
            done = not self.paused and self._done(self._item)
        if done and vehicle.armed:
            self._next()

    def _next(self) -> None:
        vehicle = self._pilot.vehicle
        self._report(vehicle.walk.nav_index)
        if self._item is not None and self._item.command in (m.WAYPOINT, m.SPLINE, m.LOITER_TIME):
            vehicle.say(6, f"Reached command #{vehicle.walk.nav_index}")
        if vehicle.walk.advance():
            self._begin()
        else:
            self._finish()

    def on_touchdown(self) -> None:
        """The vehicle is down at a landing item; the end of a LAND is told by nothing but the disarming."""
        if self._item is not None and self._item.command == m.RTL:
            self._report(self._pilot.vehicle.walk.nav_index)
        self.running = False
        self._pilot.vehicle.walk.complete = True

    def _finish(self) -> None:
        self.running, self._item = False, None
        self._say_jumps()
        self._run_due()

    def _say_jumps(self) -> None:
        notes = self._pilot.vehicle.walk.notes
        for note in notes:
            self._pilot.vehicle.say(6, note)
        notes.clear()

    def _report(self, index: int) -> None:
        self._pilot.vehicle.reached = index

    def _begin(self) -> None:
        """Start the navigation item that the walk stands at."""
        pilot, vehicle = self._pilot, self._pilot.vehicle
        index = vehicle.walk.nav_index
        item = self._item = vehicle.mission[index]
        vehicle.walk.begun(item.command)
        self._arrived_s, self._passing = None, False
        if pilot.phase not in ("track", "rise"):
            pilot.settle()
        pilot.phase = "track"
        self._circle, self._due_since_s = None, None
        self._start_due()
        self._say_jumps()
        vehicle.say(6, f"Mission: {index} {m.KINDS[item.command].name}")
        if item.command == m.TAKEOFF:
            (_, _, up), terrain = self.place_of(item)
            here = vehicle.estimate
            ground = vehicle.terrain.height_m(here.east_m, here.north_m) if terrain else 0.0
            pilot.take_off(up + ground)
        elif item.command == m.RTL:
            pilot.homecoming.begin()
        elif item.command == m.LAND and not item.has_place:
            pilot.phase = "land"
        elif item.command == m.LOITER_TURNS:
            self._start_circle(item)
        elif item.command == m.DELAY:
            vehicle.say(6, f"Delaying {int(self._delay_s(item))} sec")
        elif item.command != m.GUIDED_ENABLE:
            self._start_leg(item)
        self._run_due()

    def _delay_s(self, item: Item) -> float:
        """How long NAV_DELAY waits from its start: seconds, or until a time of day (UTC)."""
        if item.p1 > 0.0:
            return item.p1
        now = self._pilot.vehicle.time_utc
        wish = [now.hour, now.minute, now.second]
        for place, value in enumerate((item.p2, item.p3, item.p4)):
            if value >= 0.0:
                wish[place] = int(value)
        seconds = (wish[0] - now.hour) * 3600 + (wish[1] - now.minute) * 60 + wish[2] - now.second
        return float(seconds % 86_400)

    def _start_circle(self, item: Item) -> None:
        pilot = self._pilot
        centre, terrain = self.place_of(item)
        centre = pilot.amsl(centre, terrain)
        rate = pilot.vehicle.params["CIRCLE_RATE"]
        radius = abs(item.p3) or pilot.vehicle.params["CIRCLE_RADIUS"] / 100
        rate = math.copysign(rate, item.p3) if item.p3 else abs(rate)
        self._rounds = -1
        self._circle = circle = Circle(pilot, centre, radius, rate)
        here = pilot.target
        if math.dist((here.east_m, here.north_m, here.up_m), centre) > _NEAR_CIRCLE_M:
            pilot.fly_to(circle.edge())
        else:
            pilot.begin_circle()

    def _circled(self, item: Item) -> bool:
        assert self._circle is not None
        rounds, turns = abs(self._circle.turned_rad) / math.tau, item.p1
        if int(rounds) != self._rounds:
            self._rounds = int(rounds)
            self._pilot.vehicle.say(6, f"Mission: starting circle {self._rounds + 1}/{int(turns)}")
        return rounds >= turns

    def _start_leg(self, item: Item) -> None:
        pilot, vehicle = self._pilot, self._pilot.vehicle
        point, terrain = self.place_of(item)
        if item.command == m.LAND:  # over the place first, at the present height
            point, terrain = (point[0], point[1], pilot.target.up_m), False
        ahead = self._ahead(item, vehicle.walk.nav_index, terrain)
        if pilot.roi is None:
            pilot.fixed_yaw = False
        pilot.fly_to(point, terrain, curved=item.command == m.SPLINE, ahead=ahead)
        self._passing = bool(ahead)

    def _ahead(self, item: Item, index: int, terrain: bool) -> tuple[Waypoint, ...]:
        """The waypoints behind an item that is passed without a stop; none where it stops."""
        if item.command not in (m.WAYPOINT, m.SPLINE) or item.p1 > 0.0:
            return ()
        vehicle = self._pilot.vehicle
        after = vehicle.walk.following(index)
        if after is None:
            return ()
        following = vehicle.mission[after]
        passed = item.command == m.SPLINE or following.command in _PASSED_TO
        point, over_terrain = self.place_of(following)
        if not passed or not following.has_place or over_terrain != terrain:
            return ()
        curved = following.command == m.SPLINE
        beyond = self._ahead(following, after, terrain) if curved else ()
        return (Waypoint(point, curved), *beyond[:1])

    def place_of(self, item: Item) -> Place:
        """Where an item is: missing places are here, a height of 0 on a waypoint is the present one."""
        vehicle, e = self._pilot.vehicle, self._pilot.vehicle.estimate
        if item.has_place:
            east, north = vehicle.place.to_local(item.x / 1e7, item.y / 1e7)
        else:
            east, north = e.east_m, e.north_m
        if item.frame == Frame.TERRAIN:
            return (east, north, item.z), True
        if item.z == 0.0 and item.command in (*_PASSED_TO, m.LOITER_TURNS):
            return (east, north, self._pilot.target.up_m), False
        return (east, north, item.z + (vehicle.home_up_m if item.frame == Frame.RELATIVE else 0.0)), False

    def _done(self, item: Item) -> bool:
        pilot, now = self._pilot, self._pilot.vehicle.time_s
        if item.command == m.DELAY:
            self._arrived_s = self._arrived_s if self._arrived_s is not None else now + self._delay_s(item)
            return now >= self._arrived_s
        if item.command == m.GUIDED_ENABLE:
            return item.p1 == 0.0
        if not pilot.track.finished:
            return False
        if self._passing:
            return True
        if self._arrived_s is None:
            if pilot.within_m() > pilot.vehicle.limits.radius_m:
                return False
            self._arrived_s = now
        if item.command == m.LOITER_TURNS:
            pilot.begin_circle()
            return False
        if item.command == m.LAND:
            pilot.phase = "land"
            return False
        if item.command == m.LOITER_UNLIM:
            return False
        wait = item.p1 if item.command in (m.WAYPOINT, m.SPLINE, m.LOITER_TIME) else 0.0
        return now - self._arrived_s >= wait

    # -- DO and CONDITION items ----------------------------------------------------------------------------

    def _run_due(self) -> None:
        """One step of the orders beside the navigation: each takes a step at least."""
        walk, vehicle = self._pilot.vehicle.walk, self._pilot.vehicle
        if (due := walk.due()) is None:
            return
        index, item = due
        self._start_due()
        if not self._condition_met(item):
            return
        walk.done_due()
        self._due_since_s = None
        if item.command == m.PAUSE_CONTINUE:
            vehicle.say(4, f"Skipping invalid cmd #{item.command}")
        if item.command not in m.SILENT:
            self._report(index)

    def _start_due(self) -> None:
        """Begin the order that is due, if it has not been begun."""
        vehicle = self._pilot.vehicle
        due = vehicle.walk.due()
        if due is not None and self._due_since_s is None:
            self._due_since_s = vehicle.time_s
            vehicle.say(6, f"Mission: {due[0]} {m.KINDS[due[1].command].name}")
            self._do(due[1])

    def _condition_met(self, item: Item) -> bool:
        pilot, vehicle = self._pilot, self._pilot.vehicle
        if item.command == m.CONDITION_DELAY:
            return vehicle.time_s - (self._due_since_s or 0.0) > item.p1
        if item.command == m.CONDITION_DISTANCE and self._item is not None:
            point, _ = self.place_of(self._item)
            e = vehicle.estimate
            return math.hypot(point[0] - e.east_m, point[1] - e.north_m) < item.p1
        if item.command == m.CONDITION_YAW:
            pilot.fixed_yaw = True
            return abs(math.remainder(pilot.yaw_rad - vehicle.estimate.yaw_rad, math.tau)) <= _FACING_RAD
        return True

    def _do(self, item: Item) -> None:
        pilot, vehicle = self._pilot, self._pilot.vehicle
        shutter = vehicle.shutter
        vehicle.walk.begun(item.command)
        if item.command == m.CHANGE_SPEED:
            change_speed(pilot, item.p1, item.p2)
        elif item.command == m.CONDITION_YAW:
            pilot.turn_to(item.p1, item.p3, relative=item.p4 > 0.0)
        elif item.command in (m.ROI, m.ROI_LOCATION) and item.has_place:
            pilot.roi, pilot.fixed_yaw = self.place_of(item)[0][:2], True
        elif item.command in (m.ROI, m.ROI_LOCATION, m.ROI_NONE):
            pilot.roi, pilot.fixed_yaw = None, False
        elif item.command == m.SET_HOME:
            self._set_home(item)
        elif item.command == m.FENCE_ENABLE:
            vehicle.geofence.command(item.p1, item.p2)
        elif item.command in (m.MOUNT_CONTROL, m.GIMBAL):
            vehicle.gimbal.pitch_deg = max(-90.0, min(30.0, item.p1))
        elif item.command == m.DIGICAM and item.x == 1:
            shutter.once()
        elif item.command == m.TRIGGER_DISTANCE:
            shutter.by_distance(item.p1, at_once=item.p3 == 1.0)
        elif item.command == m.START_CAPTURE and (item.p3 == 1.0 or (item.p3 == 0.0 and item.p2 == 0.0)):
            shutter.once()
        elif item.command == m.START_CAPTURE:
            shutter.by_time(item.p2, int(item.p3) or -1)
        elif item.command == m.STOP_CAPTURE:
            shutter.by_time(0.0)

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
