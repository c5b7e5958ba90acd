"""The fence: its limits, whether they are broken, and what the vehicle does then (ArduPilot's AC_Fence)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag
from itertools import pairwise
from typing import TYPE_CHECKING

from sim.autopilot.mission import Item
from sim.autopilot.modes import Mode
from sim.place import Place

if TYPE_CHECKING:
    from sim.autopilot.core import Vehicle

RETURN_POINT, POLYGON_IN, POLYGON_OUT, CIRCLE_IN, CIRCLE_OUT = 5000, 5001, 5002, 5003, 5004
"""MAV_CMD_NAV_FENCE_*."""

_BACKUP_M = 20.0
"""This much beyond a broken limit it counts as broken anew."""
_GIVE_UP_M = 100.0
"""This far outside it lands, whatever the action."""
_RECOVERY_S = 10.0
"""After a change of mode while a limit is broken nothing is done for this long."""
_REPORT_ONLY, _MODE_CHANGE_BARRED, _UNION = 0, 1, 2


class Limit(IntFlag):
    """FENCE_TYPE's bits."""

    ALT_MAX = 1
    CIRCLE = 2
    POLYGON = 4
    ALT_MIN = 8


ALL = Limit.ALT_MAX | Limit.CIRCLE | Limit.POLYGON | Limit.ALT_MIN
_NAMES = {
    Limit.ALT_MAX: "Max Alt",
    Limit.CIRCLE: "Circle",
    Limit.POLYGON: "Polygon",
    Limit.ALT_MIN: "Min Alt",
}
_ACTIONS: dict[int, tuple[Mode, ...]] = {
    1: (Mode.RTL, Mode.LAND),
    2: (Mode.LAND,),
    3: (Mode.SMART_RTL, Mode.RTL, Mode.LAND),
    4: (Mode.BRAKE, Mode.LAND),
    5: (Mode.SMART_RTL, Mode.LAND),
}
"""FENCE_ACTION: the first mode that can be entered."""


def names_of(limits: Limit) -> str:
    """As ArduPilot words it: "Max Alt and Circle fences"."""
    names = [name for limit, name in _NAMES.items() if limits & limit]
    listed = " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
    return f"{listed} fence{'s' if len(names) > 1 else ''}"


@dataclass(frozen=True)
class Area:
    """A polygon or, with one corner, a circle, in local metres (east, north)."""

    keep_in: bool
    """Whether the vehicle has to stay inside it; else outside."""
    corners: tuple[tuple[float, float], ...]
    radius_m: float = 0.0

    def beyond_m(self, east_m: float, north_m: float) -> float:
        """How far a place is on the wrong side of the border; negative on the right side."""
        if len(self.corners) == 1:
            outside = math.dist(self.corners[0], (east_m, north_m)) - self.radius_m
        else:
            edges = list(pairwise((*self.corners, self.corners[0])))
            outside = min(_distance_m((east_m, north_m), a, b) for a, b in edges)
            if sum(_crosses(east_m, north_m, a, b) for a, b in edges) % 2:
                outside = -outside
        return outside if self.keep_in else -outside


def _distance_m(p: tuple[float, float], a: tuple[float, float], b: tuple[float, float]) -> float:
    along = (b[0] - a[0], b[1] - a[1])
    square = along[0] ** 2 + along[1] ** 2
    share = ((p[0] - a[0]) * along[0] + (p[1] - a[1]) * along[1]) / square if square else 0.0
    share = min(max(share, 0.0), 1.0)
    return math.hypot(p[0] - a[0] - share * along[0], p[1] - a[1] - share * along[1])


def _crosses(east: float, north: float, a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether a ray to the east meets an edge."""
    if (a[1] > north) == (b[1] > north):
        return False
    return east < a[0] + (north - a[1]) / (b[1] - a[1]) * (b[0] - a[0])


def areas_of(items: Sequence[Item], place: Place) -> tuple[Area, ...]:
    """The areas that stored fence items draw; the items are whole (`problem_with_items`)."""
    areas, index = [], 0
    while index < len(items):
        item = items[index]
        count = int(item.p1) if item.command in (POLYGON_IN, POLYGON_OUT) else 1
        corners = tuple(place.to_local(i.x / 1e7, i.y / 1e7) for i in items[index : index + count])
        index += count
        if item.command != RETURN_POINT:
            keep_in = item.command in (POLYGON_IN, CIRCLE_IN)
            areas.append(Area(keep_in, corners, item.p1 if count == 1 else 0.0))
    return tuple(areas)


def problem_with_items(items: Sequence[Item]) -> str | None:
    """Why a list of fence items is no fence, in ArduPilot's words; None if it is one."""
    expected, left, returns = items[0] if items else None, 0, 0
    for item in items:
        if item.command in (POLYGON_IN, POLYGON_OUT):
            if not 3 <= item.p1 <= 255:
                return f"Invalid vertex count ({item.p1:.0f})"
            if left == 0:
                expected, left = item, int(item.p1)
            elif expected is not None and item.command != expected.command:
                return "Received incorrect vertex type"
            elif expected is not None and item.p1 != expected.p1:
                return f"Unexpected vertex count want={expected.p1:.0f} got={item.p1:.0f}"
            left -= 1
        elif left:
            return "Received incorrect type"
        elif item.command == RETURN_POINT:
            returns += 1
            if returns > 1:
                return "Multiple return points"
        elif not 0 < item.p1 < math.inf:
            return "Non-positive circle radius"
    return "Incorrect item count" if left else None


def areas_beyond_m(areas: Sequence[Area], east_m: float, north_m: float, union: bool) -> float:
    """How far a place is beyond what all areas allow, negative if it is allowed. `union`: one of the areas to
    stay in is enough."""
    keep_in = [a.beyond_m(east_m, north_m) for a in areas if a.keep_in]
    worst = [a.beyond_m(east_m, north_m) for a in areas if not a.keep_in]
    if keep_in:
        worst.append(min(keep_in) if union else max(keep_in))
    return max(worst, default=-math.inf)


class Fence:
    """Watches the limits of one vehicle. Call `update` ten times a second."""

    def __init__(self, vehicle: Vehicle) -> None:
        self._vehicle = vehicle
        self.breached = Limit(0)
        self.breach_count = 0
        self.breach_ms = self.told_ms = 0
        self._enabled = Limit(0)
        self._followed: tuple[float, float] | None = None
        self._beyond_m: dict[Limit, float] = {}
        self._backup_m: dict[Limit, float] = {}
        self._floor_by_hand: bool | None = None
        self._mode, self._armed, self._took_off = vehicle.mode, vehicle.armed, False
        self._recovering_until_s = 0.0
        self._items: tuple[Item, ...] = ()
        self._areas: tuple[Area, ...] = ()

    # -- what is on ----------------------------------------------------------------------------------------

    @property
    def configured(self) -> Limit:
        """The limits that FENCE_TYPE names."""
        return Limit(int(self._vehicle.params["FENCE_TYPE"])) & ALL

    @property
    def present(self) -> Limit:
        """Those of them that there is something to be broken of."""
        return self.configured if self.areas else self.configured & ~Limit.POLYGON

    @property
    def enabled(self) -> Limit:
        """The limits that are watched."""
        return self._enabled & self.present

    @property
    def switched_on(self) -> bool:
        """Whether any limit is on, whatever there is of it."""
        return bool(self._enabled)

    @property
    def acts(self) -> bool:
        """Whether the vehicle would do something, as SYS_STATUS tells it."""
        return bool(self.present and self._enabled) and self._vehicle.params["FENCE_ACTION"] != _REPORT_ONLY

    @property
    def areas(self) -> tuple[Area, ...]:
        """Polygons and circles as they are stored."""
        store = self._vehicle.fence
        items = tuple(store[i] for i in range(len(store)))
        if items != self._items:
            self._items = items
            self._areas = () if problem_with_items(items) else areas_of(items, self._vehicle.place)
        return self._areas

    def switch(self, on: bool, limits: Limit = ALL, by_hand: bool = True) -> Limit:
        """Watch limits or stop watching them; returns those that changed."""
        limits &= self.configured
        if by_hand and limits & Limit.ALT_MIN:
            self._floor_by_hand = on
        before = self._enabled
        self._enabled = before | limits if on else before & ~limits
        changed = before ^ self._enabled
        if not on:
            self.breached &= ~changed
        return changed

    def command(self, action: float, limits: float) -> bool:
        """MAV_CMD_DO_FENCE_ENABLE: 0 off, 1 on, 2 the floor off; no limits are all of them."""
        chosen = Limit(int(limits)) & ALL if 1 <= limits <= 255 else ALL
        if action == 1.0 and not self.present & chosen:
            return False
        if action not in (0.0, 1.0, 2.0):
            return False
        self.switch(action == 1.0, Limit.ALT_MIN if action == 2.0 else chosen)
        return True

    def _follow_params(self) -> None:
        params = self._vehicle.params
        now = params["FENCE_ENABLE"], params["FENCE_AUTOENABLE"]
        if now != self._followed:
            if self._followed is not None or now[0]:
                self._enabled = self.configured & ~Limit.ALT_MIN if now[0] else Limit(0)
            self._followed = now

    # -- checks --------------------------------------------------------------------------------------------

    def reason_not_to_arm(self) -> str | None:
        """ArduPilot's words, or None."""
        params, store = self._vehicle.params, self._vehicle.fence
        if params["FENCE_ENABLE"] and not self.present:
            return "Fences enabled, but none selected"
        if not (self._enabled or params["FENCE_AUTOENABLE"]) or not self.configured:
            return None
        if self.configured & (Limit.CIRCLE | Limit.POLYGON) and not self._vehicle.readiness.has_position:
            return "Fence requires position"
        if self.configured & Limit.POLYGON and len(store) and not self.areas:
            return "Polygon fence(s) invalid"
        margin = params["FENCE_MARGIN"]
        if any(0.0 < a.radius_m < margin and a.keep_in for a in self.areas):
            return "Polygon fence margin is greater than inclusion circle radius"
        if params["FENCE_RADIUS"] < 0.0:
            return "Invalid Circle FENCE_RADIUS value"
        if params["FENCE_RADIUS"] < margin:
            return "Circle FENCE_MARGIN is greater than FENCE_RADIUS"
        if params["FENCE_ALT_MAX"] < 0.0:
            return "Invalid FENCE_ALT_MAX value"
        if params["FENCE_ALT_MIN"] < -100.0:
            return "Invalid FENCE_ALT_MIN value"
        breached = self.breached
        if params["FENCE_AUTOENABLE"] == 3 and self._polygon_beyond_m() > 0.0:
            breached |= Limit.POLYGON & self.configured
        if breached:
            return f"Vehicle breaching {names_of(breached)}"
        if margin < 0.0:
            return "Invalid FENCE_MARGIN value"
        if params["FENCE_ALT_MAX"] < params["FENCE_ALT_MIN"]:
            return "FENCE_ALT_MAX < FENCE_ALT_MIN"
        if params["FENCE_ALT_MAX"] - params["FENCE_ALT_MIN"] <= 2.0 * margin:
            return "FENCE_MARGIN too big"
        return None

    def allows(self, east_m: float, north_m: float, up_m: float) -> bool:
        """Whether a destination (height AMSL) lies within the limits that are on."""
        vehicle, params, on = self._vehicle, self._vehicle.params, self.enabled
        height = up_m - vehicle.home_up_m
        away = math.hypot(east_m - vehicle.home_east_m, north_m - vehicle.home_north_m)
        return not (
            (on & Limit.ALT_MAX and height > params["FENCE_ALT_MAX"])
            or (on & Limit.ALT_MIN and height < params["FENCE_ALT_MIN"])
            or (on & Limit.CIRCLE and away > params["FENCE_RADIUS"])
            or (on & Limit.POLYGON and areas_beyond_m(self.areas, east_m, north_m, self._union) > 0.0)
        )

    @property
    def ceiling_m(self) -> float:
        """The height above home that a return keeps below; infinite if none is on."""
        params = self._vehicle.params
        return params["FENCE_ALT_MAX"] - params["FENCE_MARGIN"] if self.enabled & Limit.ALT_MAX else math.inf

    @property
    def bars_modes(self) -> bool:
        """Whether FENCE_OPTIONS forbids leaving the fence's own mode now."""
        return bool(
            int(self._vehicle.params["FENCE_OPTIONS"]) & _MODE_CHANGE_BARRED
            and self._enabled
            and self.breached
            and self._vehicle.armed
            and not self._vehicle.landed
        )

    @property
    def _union(self) -> bool:
        return bool(int(self._vehicle.params["FENCE_OPTIONS"]) & _UNION)

    def _polygon_beyond_m(self) -> float:
        e = self._vehicle.estimate
        return areas_beyond_m(self.areas, e.east_m, e.north_m, self._union)

    def _look(self, limit: Limit) -> float:
        """How far the vehicle is beyond a limit."""
        vehicle, params, e = self._vehicle, self._vehicle.params, self._vehicle.estimate
        if limit is Limit.ALT_MAX:
            return vehicle.relative_alt_m - params["FENCE_ALT_MAX"]
        if limit is Limit.ALT_MIN:
            return params["FENCE_ALT_MIN"] - vehicle.relative_alt_m
        if limit is Limit.CIRCLE:
            away = math.hypot(e.east_m - vehicle.home_east_m, e.north_m - vehicle.home_north_m)
            return away - params["FENCE_RADIUS"]
        return self._polygon_beyond_m()

    # -- every tenth of a second ---------------------------------------------------------------------------

    def update(self) -> None:
        """Look at the limits and do what FENCE_ACTION says about a new breach."""
        vehicle = self._vehicle
        self._follow_params()
        self._follow_flight()
        if not vehicle.origin_set or not (self._enabled or self.configured & Limit.ALT_MIN):
            self.breached = Limit(0)
            return
        before = self.breached
        fresh = self._check()
        if before and not self.breached and not vehicle.landed:
            vehicle.say(5, "Fence breach cleared")
        if fresh and vehicle.armed:
            self._act(fresh)

    def _follow_flight(self) -> None:
        """Enable by itself on arming or after a take-off, and notice that somebody else takes over."""
        vehicle = self._vehicle
        auto = vehicle.params["FENCE_AUTOENABLE"]
        if vehicle.armed is not self._armed:
            self._armed, self._took_off = vehicle.armed, False
            self._floor_by_hand = None
            if auto == 3:
                floor = Limit.ALT_MIN if vehicle.armed else Limit(0)
                self._announce(
                    self.switch(vehicle.armed, ALL & ~floor, by_hand=False), "auto-", vehicle.armed
                )
        climbed = vehicle.armed and not vehicle.landed and vehicle.pilot.track.finished
        if climbed and not self._took_off and vehicle.mode in (Mode.AUTO, Mode.GUIDED):
            self._took_off = True
            if auto in (1, 2):
                self._announce(self.switch(True, by_hand=False), "auto-", True)
        if vehicle.mode is not self._mode:
            self._mode = vehicle.mode
            if self.breached and vehicle.params["FENCE_ACTION"] != _REPORT_ONLY:
                self._recovering_until_s = vehicle.time_s + _RECOVERY_S
                vehicle.say(6, "Manual recovery started")

    def _announce(self, limits: Limit, how: str, on: bool) -> None:
        if limits:
            self._vehicle.say(5, f"{names_of(limits)} {how}{'enabled' if on else 'disabled'}")

    def _check(self) -> Limit:
        """Look at every limit; the freshly broken ones."""
        vehicle = self._vehicle
        down = vehicle.landed or not vehicle.armed or vehicle.pilot.phase == "land"
        self.breached &= self.configured
        if down:
            off = ALL if vehicle.params["FENCE_AUTOENABLE"] == 1 else Limit.ALT_MIN
            if self._floor_by_hand:
                off &= ~Limit.ALT_MIN
            self._announce(self.switch(False, off, by_hand=False), "auto-", False)
        elif self.configured & ~self._enabled & Limit.ALT_MIN:
            self._raise_floor()
        fresh = Limit(0)
        for limit in _NAMES:
            if self.enabled & limit and self._is_fresh(limit):
                fresh |= limit
            elif not self.enabled & limit:
                self.breached &= ~limit
        return fresh if vehicle.time_s >= self._recovering_until_s else Limit(0)

    def _raise_floor(self) -> None:
        """The least height counts once it has been reached."""
        vehicle, params = self._vehicle, self._vehicle.params
        wanted = params["FENCE_ENABLE"] or params["FENCE_AUTOENABLE"] in (2, 3)
        above = vehicle.relative_alt_m >= params["FENCE_ALT_MIN"] + params["FENCE_MARGIN"]
        if wanted and above and self._floor_by_hand is not False:
            self.switch(True, Limit.ALT_MIN, by_hand=False)
            vehicle.say(5, "Min Alt fence enabled (auto enable)")

    def _is_fresh(self, limit: Limit) -> bool:
        beyond = self._beyond_m[limit] = self._look(limit)
        if beyond < 0.0 or (limit is Limit.POLYGON and beyond == 0.0):
            self.breached &= ~limit
            return False
        if self.breached & limit and (limit is Limit.POLYGON or beyond < self._backup_m[limit]):
            return False
        self._backup_m[limit] = beyond + _BACKUP_M
        if not self.breached:
            self.breach_ms = round(self._vehicle.time_s * 1000)
        self.breach_count = min(self.breach_count + 1, 65500)
        self.breached |= limit
        return True

    def _act(self, fresh: Limit) -> None:
        vehicle = self._vehicle
        if not vehicle.landed:
            vehicle.say(5, f"{names_of(fresh)} breached")
        action = int(vehicle.params["FENCE_ACTION"])
        if action == _REPORT_ONLY:
            return
        idle = vehicle.mode is Mode.STABILIZE and (vehicle.sticks.throttle or 0.0) <= -1.0
        if vehicle.landed or (idle and not self.breached & Limit.ALT_MAX):
            vehicle.disarm(force=True)
            return
        far = max(self._beyond_m[limit] for limit in _NAMES if fresh & limit) > _GIVE_UP_M
        for mode in (Mode.LAND,) if far else _ACTIONS.get(action, _ACTIONS[1]):
            if vehicle.set_mode(mode):
                break
