"""OFFBOARD: a program's set-points, taken as they come and flown without smoothing (mavlink_receiver.cpp,
offboardCheck.cpp, PositionControl.cpp, 1.16). It can be flown while they come, COM_OF_LOSS_T apart at most.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flight.wire import Message
from sim.autopilot.mission import HIGHEST_M
from sim.controller import Point, Target

if TYPE_CHECKING:
    from sim.autopilot.px4.pilot import Pilot

_NOTHING: Point = (math.nan, math.nan, math.nan)
_LOCAL, _BODY = 1, 8
_ABOVE_SEA, _ABOVE_HOME = (0, 5), (3, 6)
"""MAV_FRAMEs."""
_NO_YAW, _NO_YAW_RATE, _FORCE = 1 << 10, 1 << 11, 1 << 9
_FRESH_S = 1.0


@dataclass(frozen=True)
class SetPoint:
    """Place (height AMSL), speed and acceleration, east-north-up; what is NaN is not asked for."""

    place: Point = _NOTHING
    speed_mps: Point = _NOTHING
    accel_mps2: Point = _NOTHING
    yaw_rad: float = math.nan
    yaw_radps: float = math.nan

    @property
    def asks(self) -> bool:
        """Whether it asks for anything."""
        return any(map(math.isfinite, (*self.place, *self.speed_mps, *self.accel_mps2)))


class Offboard:
    """Owned by a Pilot. `take_local` and `take_global` hear set-points, `step` flies the newest one."""

    def __init__(self, pilot: Pilot) -> None:
        self._pilot = pilot
        self._point = SetPoint()
        self._asked_s = -math.inf

    @property
    def is_fed(self) -> bool:
        """Whether set-points come that can be flown."""
        vehicle = self._pilot.vehicle
        in_time = vehicle.time_s < self._asked_s + vehicle.params["COM_OF_LOSS_T"]
        needs_place = any(map(math.isfinite, (*self._point.place, *self._point.speed_mps)))
        return in_time and (vehicle.readiness.has_position or not needs_place)

    def take_local(self, message: Message) -> None:
        """SET_POSITION_TARGET_LOCAL_NED: about the filter's origin, or along the nose (speeds only)."""
        vehicle, mask = self._pilot.vehicle, message.type_mask
        speed = _asked((message.vy, message.vx, -message.vz), mask >> 3)
        accel = _asked((message.afy, message.afx, -message.afz), mask >> 6)
        if message.coordinate_frame == _LOCAL:
            origin = vehicle.origin
            place = _asked((message.y + origin[0], message.x + origin[1], origin[2] - message.z), mask)
        elif message.coordinate_frame == _BODY:
            place = _NOTHING
            speed, accel = self._along_nose(speed), self._along_nose(accel)
        else:
            vehicle.say(
                2, f"SET_POSITION_TARGET_LOCAL_NED coordinate frame {message.coordinate_frame} unsupported"
            )
            return
        self._take(SetPoint(place, speed, accel, *_turn(message)), message)

    def take_global(self, message: Message) -> None:
        """SET_POSITION_TARGET_GLOBAL_INT: above the sea or above home; heights above ground it knows none."""
        vehicle, mask, frame = self._pilot.vehicle, message.type_mask, message.coordinate_frame
        place = _NOTHING
        if not mask & 7:
            lat, lon = message.lat_int / 1e7, message.lon_int / 1e7
            if not vehicle.origin_set or not (abs(lat) <= 90.0 and abs(lon) <= 180.0):
                return
            if frame not in (*_ABOVE_SEA, *_ABOVE_HOME):
                if frame not in (10, 11):
                    vehicle.say(2, f"SET_POSITION_TARGET_GLOBAL_INT invalid coordinate frame {frame}")
                return
            base = vehicle.home_up_m if frame in _ABOVE_HOME else 0.0
            place = *vehicle.place.to_local(lat, lon), message.alt + base
        speed = _asked((message.vy, message.vx, -message.vz), mask >> 3)
        accel = _asked((message.afy, message.afx, -message.afz), mask >> 6)
        self._take(SetPoint(place, speed, accel, *_turn(message)), message)

    def _take(self, point: SetPoint, message: Message) -> None:
        vehicle, name = self._pilot.vehicle, message.get_type()
        if message.type_mask & _FORCE and any(map(math.isfinite, point.accel_mps2)):
            vehicle.say(2, f"{name} force not supported")
        elif not point.asks:
            if name == "SET_POSITION_TARGET_LOCAL_NED":
                vehicle.say(2, f"{name} invalid")
        elif all(abs(v) <= HIGHEST_M for v in (*point.place, *point.speed_mps) if math.isfinite(v)):
            self._point, self._asked_s = point, vehicle.time_s

    def _along_nose(self, wish: Point) -> Point:
        """East-north-up of what counts along the nose (right, forward, up); whole or not at all."""
        right, forward, up = wish
        if not all(map(math.isfinite, wish)):
            return _NOTHING
        yaw = self._pilot.vehicle.estimate.yaw_rad
        sin, cos = math.sin(yaw), math.cos(yaw)
        return forward * sin + right * cos, forward * cos - right * sin, up

    @property
    def wants_up(self) -> bool:
        """Whether the newest set-point, if it is fresh, leads up from here."""
        vehicle, point = self._pilot.vehicle, self._point
        if vehicle.time_s - self._asked_s > _FRESH_S:
            return False
        if math.isfinite(point.place[2]):
            return point.place[2] > vehicle.estimate.up_m
        if math.isfinite(point.speed_mps[2]):
            return point.speed_mps[2] > 0.0
        return point.accel_mps2[2] > 0.0

    def step(self, dt: float) -> None:
        """One step: the target's speed leads to the place, the controller does the rest."""
        pilot, point, e = self._pilot, self._point, self._pilot.vehicle.estimate
        p, target, demand = pilot.vehicle.params, pilot.target, pilot.demand
        here, moves = (e.east_m, e.north_m, e.up_m), (e.v_east_mps, e.v_north_mps, e.v_up_mps)
        gains = pilot.controller.PLACE_P
        lead = [gain * (p - h) for gain, p, h in zip(gains, point.place, here, strict=True)]
        east, north = _led(lead[:2], point.speed_mps[:2], moves[:2], p["MPC_XY_VEL_MAX"])
        up = [v for v in (lead[2], point.speed_mps[2]) if math.isfinite(v)]
        target.v_east_mps, target.v_north_mps = east, north
        target.v_up_mps = sum(up) if up else moves[2]
        target.v_up_mps = max(-p["MPC_Z_VEL_MAX_DN"], min(p["MPC_Z_VEL_MAX_UP"], target.v_up_mps))
        target.a_east_mps2, target.a_north_mps2, target.a_up_mps2 = (
            a if math.isfinite(a) else 0.0 for a in point.accel_mps2
        )
        _stand(target, point.place, here)
        pilot.lift_off(p["MPC_Z_VEL_MAX_UP"])
        pilot.controller.horizontal(target, e, demand, use_position=False)
        pilot.controller.vertical(target, e, demand, use_position=False)
        if math.isfinite(point.yaw_rad):
            pilot.yaw_rad = point.yaw_rad % math.tau
        elif math.isfinite(point.yaw_radps):
            pilot.yaw_rad = (pilot.yaw_rad + point.yaw_radps * dt) % math.tau


def _asked(values: Point, mask: int) -> Point:
    """NaN where a bit says so: of north (1), east (2) and down (4)."""
    east, north, up = values
    return (
        math.nan if mask & 2 else east,
        math.nan if mask & 1 else north,
        math.nan if mask & 4 else up,
    )


def _turn(message: Message) -> tuple[float, float]:
    return (
        math.nan if message.type_mask & _NO_YAW else message.yaw,
        math.nan if message.type_mask & _NO_YAW_RATE else message.yaw_rate,
    )


def _led(
    lead: list[float], wish: tuple[float, ...], moves: tuple[float, ...], most: float
) -> tuple[float, float]:
    """The speed over the ground: what leads to the place first, of the speed that is asked for what is left.
    Where neither is asked for, the present one."""
    if not all(map(math.isfinite, lead)):
        if not all(map(math.isfinite, wish)):
            return moves[0], moves[1]
        lead = [0.0, 0.0]
    extra = wish if all(map(math.isfinite, wish)) else (0.0, 0.0)
    size = math.hypot(*lead)
    if size > most:
        return lead[0] * most / size, lead[1] * most / size
    whole = lead[0] + extra[0], lead[1] + extra[1]
    size = math.hypot(*whole)
    share = min(most / size, 1.0) if size > 0.0 else 1.0
    return whole[0] * share, whole[1] * share


def _stand(target: Target, place: Point, here: Point) -> None:
    """Where the target is, for telemetry."""
    target.east_m, target.north_m, target.up_m = (
        p if math.isfinite(p) else h for p, h in zip(place, here, strict=True)
    )
