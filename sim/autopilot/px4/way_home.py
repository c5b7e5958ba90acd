"""AUTO.RTL: where a PX4 returns to, how high, and in which steps (rtl.cpp, rtl_direct.cpp,
rtl_direct_mission_land.cpp, rtl_mission_fast.cpp, rtl_mission_fast_reverse.cpp, 1.16).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.autopilot.px4 import items as m
from sim.controller import Point

if TYPE_CHECKING:
    from sim.autopilot.px4.navigator import Navigator

_GAIN_M, _FROM_HOME_M = 2.0, 10.0
"""A rally point is flown to if it is so much nearer than home, and stands so far from it."""
_NOT_HOME, _BY_MISSION, _ANY_LANDING = 1, 2, 3
"""RTL_TYPE."""


class Return:
    """Owned by a Navigator."""

    def __init__(self, navigator: Navigator) -> None:
        self._nav = navigator
        self.stage = ""
        """climb, return, down, wait, way, over, land, or "" when there is nothing to do."""
        self._to: Point = (0.0, 0.0, 0.0)
        self._up_m = 0.0
        self._since_s = 0.0
        self._way: list[int] = []
        """Numbers of the mission's items that are flown to first."""
        self._by_mission, self._mark = False, 0

    def begin(self, from_mission: bool) -> None:
        """Choose where to, and begin."""
        vehicle, here = self._nav.vehicle, self._nav.here
        self._way, self._by_mission = [], False
        if int(vehicle.params["RTL_TYPE"]) == _BY_MISSION:
            self._begin_by_mission(from_mission)
            return
        self._to = self._destination()
        self._up_m = self._height_m()
        if self._way:
            self._begin_landing_sequence()
            return
        above = math.ceil(self._up_m - self._to[2])
        vehicle.say(6, f"RTL: start return at {math.ceil(self._up_m)} m ({above} m above destination)")
        if vehicle.landed:
            self.stage = ""
        else:
            self._enter("climb" if here[2] < self._up_m else "return")

    # -- along the mission ---------------------------------------------------------------------------------

    def _landing_sequence(self) -> list[int]:
        """The items with a place from the mark of a landing to the landing; empty if none can be flown."""
        items, vehicle = self._nav.walk.items, self._nav.vehicle
        marks = [n for n, item in enumerate(items) if item.command == m.LAND_START]
        if not marks or vehicle.mission_problem is not None:
            return []
        self._mark = marks[0]
        lands = [n for n, item in enumerate(items) if item.command == m.LAND and n > marks[0]]
        return [n for n in range(marks[0], lands[0] + 1) if items[n].command in m.WITH_PLACE] if lands else []

    def _begin_landing_sequence(self) -> None:
        vehicle, here = self._nav.vehicle, self._nav.here
        if vehicle.landed:
            self.stage = ""
            return
        self._by_mission = True
        self._nav.go_on_at(self._mark)
        vehicle.say(6, "Executing Mission")
        if here[2] < self._up_m:
            vehicle.say(6, f"RTL Mission land: climb to {math.ceil(self._up_m)} m")
            self._enter("climb")
        else:
            self._enter("way")

    def _begin_by_mission(self, from_mission: bool) -> None:
        """On to the landing, if the mission has one; back the way it came, if not."""
        nav, vehicle = self._nav, self._nav.vehicle
        items = nav.walk.items if vehicle.mission_problem is None else ()
        places = [n for n, item in enumerate(items) if item.command in m.WITH_PLACE]
        self._to = vehicle.home_east_m, vehicle.home_north_m, vehicle.home_up_m
        if vehicle.landed or not places:
            self._stay()
            return
        self._by_mission = True
        vehicle.say(6, "Executing Mission")
        landing = self._landing_sequence()
        near = min(places, key=lambda n: math.dist(nav.place_of(items[n]), nav.here))
        if landing:
            first = nav.walk.seq if from_mission else near
            self._way = [n for n in places if first <= n <= landing[-1]] or landing
        else:
            first = max(nav.walk.seq - 1, 0) if from_mission else near
            self._way = [n for n in reversed(places) if n <= first]
            starts = [k for k, n in enumerate(self._way) if items[n].command == m.TAKEOFF]
            if starts:
                del self._way[starts[0] + 1 :]
        self._enter("way" if self._way else "over")

    def _stay(self) -> None:
        """Nothing to fly along: it stays where it is."""
        nav, self.stage = self._nav, ""
        if not nav.vehicle.landed:
            nav.vehicle.say(2, "No valid mission available, loitering")
            nav.fly_to(nav.vehicle.pilot.stopping_point())

    def _fly_way(self) -> None:
        """To the next item of the way; a landing begins over its place."""
        nav, number = self._nav, self._way[0]
        item = nav.walk.items[number]
        nav.go_on_at(number)
        place = nav.place_of(item)
        if item.command == m.LAND:
            self._to = place
            self._enter("over")
            return
        following = nav.place_of(nav.walk.items[self._way[1]]) if len(self._way) > 1 else None
        nav.fly_to(place, following=following)

    def _on_way(self) -> None:
        """An item of the way is reached."""
        nav = self._nav
        nav.progress.reached = self._way.pop(0)
        if self._way:
            self._fly_way()
        else:
            self._enter("over")

    # -- straight ------------------------------------------------------------------------------------------

    def _destination(self) -> Point:
        """Home, the mission's landing or a rally point; the way to a landing is left in `_way`."""
        vehicle, here, kind = self._nav.vehicle, self._nav.here, int(self._nav.vehicle.params["RTL_TYPE"])
        home = vehicle.home_east_m, vehicle.home_north_m, vehicle.home_up_m
        best, away = home, math.inf if kind == _NOT_HOME else math.dist(home[:2], here[:2])
        landing = self._landing_sequence() if kind in (_NOT_HOME, _ANY_LANDING) else []
        if landing:
            place = self._nav.place_of(self._nav.walk.items[landing[-1]])
            far = math.dist(place[:2], here[:2])
            if far + _GAIN_M < away:
                best, away, self._way = place, far, landing
        for item in vehicle.rally_list.kept:
            point = self._nav.place_of(item)
            far = math.dist(point[:2], here[:2])
            if math.dist(point[:2], home[:2]) > _FROM_HOME_M and far + _GAIN_M < away:
                best, away, self._way = point, far, []
        return best

    def _height_m(self) -> float:
        """AMSL: RTL_RETURN_ALT over the destination, less of it near by (RTL_CONE_ANG), never down."""
        params, up = self._nav.vehicle.params, self._nav.here[2]
        most = self._to[2] + params["RTL_RETURN_ALT"]
        angle = params["RTL_CONE_ANG"]
        if angle <= 0:
            return max(up, most)
        away, accept_m = math.dist(self._nav.here[:2], self._to[:2]), params["NAV_ACC_RAD"]
        if away <= accept_m:
            wish = self._to[2] + 2.0 * away
        else:
            wish = most
            if away <= params["RTL_MIN_DIST"]:
                cone = away / math.tan(math.radians(min(max(angle, 1.0), 89.0)))
                wish = min(self._to[2] + cone, most)
            wish = max(wish, self._to[2] + 2.0 * accept_m)
        return max(min(wish, most), up)

    def _enter(self, stage: str) -> None:
        nav, (east, north, ground) = self._nav, self._to
        vehicle, here = nav.vehicle, nav.here
        self.stage, self._since_s = stage, vehicle.time_s
        low = min(ground + vehicle.params["RTL_DESCEND_ALT"], self._up_m)
        if stage == "climb":
            stop = vehicle.pilot.stopping_point()
            nav.fly_to((stop[0], stop[1], self._up_m), yaw_rad=vehicle.estimate.yaw_rad)
        elif stage == "return":
            nav.fly_to((east, north, self._up_m))
        elif stage in ("down", "wait"):
            nav.fly_to((east, north, low))
        elif stage == "way":
            self._fly_way()
        elif stage == "over":
            nav.fly_to((east, north, here[2]))
        elif stage == "land":
            nav.land_at((east, north, here[2]))
            if not self._by_mission:
                vehicle.say(6, "RTL: land at destination")

    def step(self) -> None:
        """Go on to the next stage when one is done."""
        nav, delay_s = self._nav, self._nav.vehicle.params["RTL_LAND_DELAY"]
        if self.stage == "climb" and nav.at_height(self._up_m):
            if self._way:
                nav.progress.reached = self._mark
            self._enter("way" if self._way else "return")
        elif self.stage == "way" and nav.reached():
            self._on_way()
        elif self.stage == "over" and nav.reached():
            nav.progress.reached = nav.walk.seq
            self._enter("land")
        elif self.stage == "return" and nav.reached():
            self._enter("down" if delay_s else "land")
        elif self.stage == "down" and nav.reached():
            self._enter("wait")
            if delay_s < 0.0:
                nav.vehicle.say(6, "RTL: completed, loitering")
        elif self.stage == "wait" and delay_s >= 0.0:
            if nav.vehicle.time_s - self._since_s >= delay_s:
                self._enter("land")
        elif self.stage == "land" and nav.vehicle.landed:
            self.stage, nav.finished = "", True
            if self._by_mission:
                nav.vehicle.say(6, "Mission finished, landed")
