"""AUTO.RTL: where a PX4 returns to, how high, and in which steps (rtl.cpp and rtl_direct.cpp, 1.16)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.controller import Point

if TYPE_CHECKING:
    from sim.autopilot.px4.navigator import Navigator

_GAIN_M, _FROM_HOME_M = 2.0, 10.0
"""A rally point is flown to if it is so much nearer than home, and stands so far from it."""
_NOT_HOME = 1


class Return:
    """Owned by a Navigator."""

    def __init__(self, navigator: Navigator) -> None:
        self._nav = navigator
        self.stage = ""
        """climb, return, down, wait, land, or "" when there is nothing to do."""
        self._to: Point = (0.0, 0.0, 0.0)
        self._up_m = 0.0
        self._since_s = 0.0

    def begin(self) -> None:
        """Choose where to, and begin."""
        vehicle, here = self._nav.vehicle, self._nav.here
        self._to = self._destination()
        self._up_m = self._height_m()
        above = math.ceil(self._up_m - self._to[2])
        vehicle.say(6, f"RTL: start return at {math.ceil(self._up_m)} m ({above} m above destination)")
        if vehicle.landed:
            self.stage = ""
        else:
            self._enter("climb" if here[2] < self._up_m else "return")

    def _destination(self) -> Point:
        vehicle, here = self._nav.vehicle, self._nav.here
        home = vehicle.home_east_m, vehicle.home_north_m, vehicle.home_up_m
        best, away = home, math.dist(home[:2], here[:2])
        if int(vehicle.params["RTL_TYPE"]) == _NOT_HOME and len(vehicle.rally_list):
            away = math.inf
        for item in vehicle.rally_list.kept:
            point = self._nav.place_of(item)
            far = math.dist(point[:2], here[:2])
            if math.dist(point[:2], home[:2]) > _FROM_HOME_M and far + _GAIN_M < away:
                best, away = point, far
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
        elif stage == "land":
            nav.land_at((east, north, here[2]))
            vehicle.say(6, "RTL: land at destination")

    def step(self) -> None:
        """Go on to the next stage when one is done."""
        nav, delay_s = self._nav, self._nav.vehicle.params["RTL_LAND_DELAY"]
        if self.stage == "climb" and nav.at_height(self._up_m):
            self._enter("return")
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
