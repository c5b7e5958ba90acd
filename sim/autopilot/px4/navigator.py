"""Where a PX4 goes in each of its own modes: mission, hold, take-off, return, landing (the navigator module,
1.16). Setpoints for sim.autopilot.px4.pilot come out of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from sim.autopilot.items import HIGHEST_M, Item
from sim.autopilot.px4 import items as m
from sim.autopilot.px4.mission import Progress, Walk
from sim.autopilot.px4.modes import Mode
from sim.autopilot.px4.orders import Orders
from sim.autopilot.px4.way_home import Return
from sim.controller import Point

if TYPE_CHECKING:
    from sim.autopilot.px4.vehicle import Px4


class Kind(Enum):
    """What is to be done at a setpoint."""

    IDLE = "idle"
    TAKE_OFF = "take off"
    PASS = "pass"
    HOLD = "hold"
    LAND = "land"


@dataclass(frozen=True)
class Setpoint:
    """A place to fly to along the line from `last`, with `following` behind it. No yaw: the nose ahead."""

    kind: Kind
    goal: Point
    last: Point | None = None
    following: Point | None = None
    yaw_rad: float | None = None
    accept_m: float = 2.0


class Navigator:
    """Owned by one Px4. `begin` when a mode is entered, `step` while it is flown."""

    def __init__(self, vehicle: Px4) -> None:
        self.vehicle = vehicle
        self.walk, self.progress = Walk(), Progress()
        self.orders = Orders(vehicle)
        self.returning = Return(self)
        self.setpoint = Setpoint(Kind.IDLE, (0.0, 0.0, 0.0))
        self.cruise_mps: float | None = None
        """A speed that was ordered; None is MPC_XY_CRUISE."""
        self.finished = False
        """The mode has done what it is for."""
        self._take_off_to: tuple[float | None, float | None, float] | None = None
        self._reposition: Setpoint | None = None
        self._running = self._was_active = self._disarmed_since = False
        self._left_at: int | None = None
        self._climb_to_m: float | None = None
        self._work = ""
        """A stage before the item itself: climb, or over the place of a landing."""
        self._item: Item | None = None
        self._arrived_s: float | None = None

    # -- modes ---------------------------------------------------------------------------------------------

    def begin(self, mode: Mode, left: Mode) -> None:
        """The vehicle is in this mode from now on, armed."""
        if left is Mode.AUTO_MISSION:
            self._leave_mission()
        self.finished, self._arrived_s = False, None
        if mode is Mode.AUTO_MISSION:
            self._begin_mission()
        elif mode is Mode.AUTO_TAKEOFF:
            self._begin_take_off()
        elif mode is Mode.AUTO_LAND:
            self._set(Kind.LAND, self.vehicle.pilot.stopping_point())
        elif mode is Mode.AUTO_RTL:
            self.cruise_mps = None
            self.returning.begin(left is Mode.AUTO_MISSION)
        elif mode is Mode.AUTO_LOITER:
            self._begin_hold()
        else:
            self._set(Kind.PASS, self.here)  # by sticks, or an orbit: a hold afterwards is where it ends

    def on_disarm(self) -> None:
        """Whatever was flown is over."""
        self._disarmed_since = True
        self._running = False
        self._set(Kind.IDLE, self.here)

    def step(self) -> None:
        """Look whether a setpoint has been reached, and go on."""
        mode = self.vehicle.mode
        if mode is Mode.AUTO_MISSION:
            self._fly_mission()
        elif mode is Mode.AUTO_RTL:
            self.returning.step()
        elif mode is Mode.AUTO_LOITER and self._reposition is not None:
            self.setpoint, self._reposition = self._reposition, None
        elif mode is Mode.AUTO_TAKEOFF and not self.finished and self.at_height(self.setpoint.goal[2]):
            self.finished = True
            self.setpoint = replace(self.setpoint, kind=Kind.HOLD)

    @property
    def here(self) -> Point:
        """Where it believes to be."""
        e = self.vehicle.estimate
        return e.east_m, e.north_m, e.up_m

    def _set(self, kind: Kind, goal: Point, yaw_rad: float | None = None) -> None:
        self.setpoint = Setpoint(kind, goal, yaw_rad=yaw_rad, accept_m=self._accept_m)

    def fly_to(self, goal: Point, yaw_rad: float | None = None, following: Point | None = None) -> None:
        """Fly straight to a place, and stop there unless another one follows."""
        last = self.setpoint.goal if self.setpoint.kind in (Kind.PASS, Kind.HOLD) else None
        self.setpoint = Setpoint(Kind.PASS, goal, last, following, yaw_rad, self._accept_m)
        self._arrived_s = None

    def land_at(self, goal: Point) -> None:
        """Go down there."""
        self._set(Kind.LAND, goal)

    def _begin_hold(self) -> None:
        if self._reposition is not None:
            self.setpoint, self._reposition = self._reposition, None
        elif self.vehicle.landed:
            self._set(Kind.IDLE, self.here)
        elif self.setpoint.kind is not Kind.HOLD:
            self._set(Kind.HOLD, self.vehicle.pilot.stopping_point())

    def reposition(self, goal: Point, yaw_rad: float | None, speed_mps: float | None) -> None:
        """Hold there, once the mode is hold."""
        if self.vehicle.armed:
            if self.vehicle.mode is not Mode.AUTO_LOITER or speed_mps is not None:
                self.cruise_mps = speed_mps
            self._reposition = Setpoint(Kind.HOLD, goal, self.here, None, yaw_rad, self._accept_m)

    def hold_at(self, goal: Point) -> None:
        """Hold there, once the mode is hold."""
        self._reposition = Setpoint(Kind.HOLD, goal, accept_m=self._accept_m)

    # -- take-off ------------------------------------------------------------------------------------------

    def order_take_off(self, east_m: float | None, north_m: float | None, up_m: float) -> None:
        """Where NAV_TAKEOFF leads to; no place is here."""
        self._take_off_to = east_m, north_m, up_m
        if self.vehicle.armed and self.vehicle.mode is Mode.AUTO_TAKEOFF:
            self._begin_take_off()

    def _begin_take_off(self) -> None:
        vehicle, here = self.vehicle, self.here
        if self._take_off_to is None:
            rise_m = vehicle.params["MIS_TAKEOFF_ALT"]
            vehicle.say(6, f"Using default takeoff altitude: {rise_m:.1f} m")
            self._take_off_to = None, None, here[2] + rise_m
        east, north, up = self._take_off_to
        self._take_off_to = None
        if up < here[2]:
            up = here[2]
            vehicle.say(2, "Already higher than takeoff altitude")
        goal = (here[0] if east is None else east, here[1] if north is None else north, up)
        self._set(Kind.TAKE_OFF if vehicle.landed else Kind.PASS, goal)

    # -- the mission ---------------------------------------------------------------------------------------

    def take_mission(self, items: tuple[Item, ...], current: int, changed: bool) -> None:
        """Another mission is on board."""
        self.walk.take(items, current)
        self.progress.seq, self.progress.reached = self.walk.seq, -1
        self._left_at = None
        if changed:
            self._was_active = False
        if self.vehicle.armed and self.vehicle.mode is Mode.AUTO_MISSION:
            self._start_item_afresh()

    def go_to(self, seq: int) -> None:
        """Make an item the current one, in flight at once."""
        if not self.walk.go_to(seq):
            return
        self._left_at = None
        self._publish()
        if self.vehicle.armed and self.vehicle.mode is Mode.AUTO_MISSION:
            self._start_item_afresh()

    def go_on_at(self, seq: int) -> None:
        """A return flies to this item of the mission."""
        self.walk.seq, self._left_at = seq, None
        self._publish()

    def _publish(self) -> None:
        self.progress.seq = self.walk.seq

    def _start_item_afresh(self) -> None:
        self.setpoint = replace(self.setpoint, last=None, kind=Kind.HOLD)
        self._running = self._announce()
        self._work = ""
        self._begin_item()

    def _announce(self) -> bool:
        """Whether there is a mission to fly; says so."""
        vehicle = self.vehicle
        if vehicle.mission_problem is not None:
            what = "refusing takeoff" if vehicle.landed else "loitering"
            vehicle.say(2, f"No valid mission available, {what}")
            return False
        if not self._running:
            vehicle.say(6, "Executing Mission")
        return True

    def _begin_mission(self) -> None:
        walk = self.walk
        if self._disarmed_since and self._was_active and walk.items and walk.is_last:
            walk.restart()
            self._left_at = None
        self._was_active, self._disarmed_since = True, False
        self.progress.reached = -1
        self.vehicle.check_mission()
        self._running = self._announce()
        self.cruise_mps = None
        if self._running:
            self.orders.remember(walk.items[: walk.seq])
            if self._left_at and self.orders.triggers:
                before = walk.place_before(self._left_at)
                walk.seq = before if before is not None else walk.seq
            self.orders.wait_until_past(walk.seq)
            self._climb_to_m = self._first_climb_m()
        self._left_at = None
        self._publish()
        self._work = ""
        self._begin_item()

    def _leave_mission(self) -> None:
        self.vehicle.shutter.stop()
        self._left_at, self._running, self._work = self.walk.seq, False, ""

    def _first_climb_m(self) -> float | None:
        """The height that it climbs to on the spot, where the first place lies higher than it."""
        item = self.walk.next_place(self.walk.seq)
        if item is None:
            return None
        up = self.up_of(item)
        return up if up - self.here[2] > self.vehicle.params["NAV_MC_ALT_RAD"] else None

    def up_of(self, item: Item) -> float:
        """Height of an item's place, AMSL."""
        if not abs(item.z) <= HIGHEST_M:  # no height at all: the present one
            return self.here[2]
        return item.z + (self.vehicle.home_up_m if item.frame == 6 else 0.0)

    def place_of(self, item: Item) -> Point:
        """Where an item is."""
        if abs(item.x) > 900_000_000 or abs(item.y) > 1_800_000_000:  # no place at all: here
            return *self.here[:2], self.up_of(item)
        east, north = self.vehicle.place.to_local(item.x / 1e7, item.y / 1e7)
        return east, north, self.up_of(item)

    def _end(self) -> None:
        vehicle = self.vehicle
        self._running, self._item, self.finished = False, None, True
        if vehicle.landed:
            self._set(Kind.IDLE, self.here)
        elif self.setpoint.kind is not Kind.HOLD:
            self._set(Kind.HOLD, vehicle.pilot.stopping_point())

    def _begin_item(self) -> None:
        """Start the current item, or the stage before it."""
        self._arrived_s = None
        if not self._running or not self.walk.items:
            self._end()
            return
        item = self._item = self.walk.item
        self._publish()
        if item.command not in m.WITH_PLACE:
            self.orders.carry_out(item)
            return
        goal, before, here = self.place_of(item), self.setpoint, self.here
        self._work = self._stage(item, goal)
        last = before.goal if before.kind in (Kind.PASS, Kind.HOLD) else None
        own = item.command == m.WAYPOINT and 0.0 < item.p2 < math.inf
        accept_m = item.p2 if own else self._accept_m
        yaw = item.p4 if item.command in (m.WAYPOINT, m.LOITER_UNLIM, m.LOITER_TIME) else math.nan
        yaw_rad = math.radians(yaw) if math.isfinite(yaw) else None
        if self._work == "climb":
            assert self._climb_to_m is not None
            up, self._climb_to_m = self._climb_to_m, None
            self.vehicle.say(6, f"Climb to {up - self.vehicle.home_up_m:.1f} meters above home")
            kind = Kind.TAKE_OFF if self.vehicle.landed else Kind.HOLD
            self.setpoint = Setpoint(kind, (here[0], here[1], up), accept_m=self._accept_m)
        elif self._work == "over":
            up = before.goal[2] if before.kind is Kind.PASS else here[2]
            self.setpoint = Setpoint(Kind.PASS, (goal[0], goal[1], up), accept_m=self._accept_m)
        elif item.command == m.LAND:
            self.setpoint = Setpoint(Kind.LAND, goal, accept_m=self._accept_m)
        elif item.command in (m.LOITER_UNLIM, m.LOITER_TIME, m.LOITER_TO_ALT):
            self.setpoint = Setpoint(Kind.HOLD, goal, last, None, yaw_rad, accept_m)
        else:
            following = None if self._waits(item) else self._following()
            self.setpoint = Setpoint(Kind.PASS, goal, last, following, yaw_rad, accept_m)

    @property
    def _accept_m(self) -> float:
        return self.vehicle.params["NAV_ACC_RAD"]

    def _stage(self, item: Item, goal: Point) -> str:
        if self._climb_to_m is not None and not self._work:
            return "climb"
        if item.command == m.LAND and not self._work and not self.vehicle.landed:
            away = math.dist(goal[:2], self.here[:2])
            return "over" if away > self._accept_m else ""
        return ""

    @staticmethod
    def _waits(item: Item) -> bool:
        return item.command == m.WAYPOINT and item.p1 > 0.0

    def _following(self) -> Point | None:
        item = self.walk.next_place(self.walk.seq + 1)
        return self.place_of(item) if item is not None else None

    def _fly_mission(self) -> None:
        if not self._running or self._item is None:
            return
        self.orders.replay(self.walk.seq)
        while self._running and self._item is not None and self._is_done(self._item):
            if self._work:
                self._begin_item()
            else:
                self.progress.reached = self.walk.seq
                self._go_on()

    def _go_on(self) -> None:
        if self.walk.advance():
            self._begin_item()
            return
        landed = self.vehicle.landed
        self.vehicle.say(6, f"Mission finished, {'landed' if landed else 'loitering'}")
        self._end()

    def _is_done(self, item: Item) -> bool:
        now = self.vehicle.time_s
        if self._work == "climb":
            return self.at_height(self.setpoint.goal[2])
        if self._work == "over":
            return self.reached()
        if item.command == m.LAND:
            return self.vehicle.landed
        if item.command in (m.LOITER_UNLIM, m.RTL):
            return False
        if item.command not in m.WITH_PLACE and item.command != m.DELAY:
            return self.orders.done(item)
        if self._arrived_s is None:
            if item.command != m.DELAY and not (self.reached() and self._is_faced()):
                return False
            self._arrived_s = now
        waits = item.p1 if item.command in (m.WAYPOINT, m.LOITER_TIME, m.DELAY) else 0.0
        return now - self._arrived_s >= waits

    def _is_faced(self) -> bool:
        yaw = self.setpoint.yaw_rad
        if yaw is None:
            return True
        off = math.remainder(yaw - self.vehicle.estimate.yaw_rad, math.tau)
        return abs(off) < math.radians(self.vehicle.params["MIS_YAW_ERR"])

    # -- arriving ------------------------------------------------------------------------------------------

    def reached(self) -> bool:
        """Within the setpoint's radius and near its height."""
        goal, here = self.setpoint.goal, self.here
        if self.vehicle.landed:
            return False
        near_up = abs(goal[2] - here[2]) <= self.vehicle.params["NAV_MC_ALT_RAD"]
        return near_up and math.dist(goal[:2], here[:2]) <= self.setpoint.accept_m

    def at_height(self, up_m: float) -> bool:
        """As high as a take-off or a climb asks for."""
        return not self.vehicle.landed and self.here[2] > up_m - self.vehicle.params["NAV_MC_ALT_RAD"]
