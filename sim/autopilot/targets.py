"""SET_POSITION_TARGET_LOCAL_NED and _GLOBAL_INT: what GUIDED is asked, by mask and frame (ArduCopter 4.7).

What it cannot understand stops the vehicle; a place beyond the fence is passed over.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from flight.wire import Message
from sim.autopilot.commands import FRAMES, place_in
from sim.autopilot.guided import AHEAD, STOP, Aim, Nose
from sim.autopilot.mission import HIGHEST_M
from sim.autopilot.modes import Mode
from sim.controller import Point

if TYPE_CHECKING:
    from sim.autopilot.core import Vehicle
    from sim.autopilot.mavlink import Channel as AnyChannel

    Channel = AnyChannel[Vehicle]

_NO_PLACE, _NO_VELOCITY, _NO_ACCEL = 0x007, 0x038, 0x1C0
"""One bit of the three is enough."""
_FORCE, _NO_YAW, _NO_YAW_RATE = 0x200, 0x400, 0x800
_LOCAL_NED, _LOCAL_OFFSET, _BODY_NED, _BODY_OFFSET = 1, 7, 8, 9
_FASTEST = 1000.0
"""Beyond it a velocity (m/s) is none."""
_TERRAIN_FRAMES = frozenset({10, 11})


def on_target_local(channel: Channel, message: Message) -> None:
    """SET_POSITION_TARGET_LOCAL_NED. Offsets count from the vehicle, forward and right if by its body."""
    if not _listens(channel):
        return
    vehicle, e, frame = channel.vehicle, channel.vehicle.estimate, message.coordinate_frame
    by_body, from_here = frame in (_BODY_NED, _BODY_OFFSET), frame != _LOCAL_NED
    if frame not in (_LOCAL_NED, _LOCAL_OFFSET, _BODY_NED, _BODY_OFFSET):
        vehicle.pilot.guided.follow(STOP)
        return

    def east_north_up(x: float, y: float, z: float) -> Point:
        if not by_body:
            return y, x, -z
        c, s = math.cos(e.yaw_rad), math.sin(e.yaw_rad)
        return x * s + y * c, x * c - y * s, -z

    place = None
    if not message.type_mask & _NO_PLACE:
        base = (e.east_m, e.north_m, e.up_m) if from_here else vehicle.origin
        away = east_north_up(message.x, message.y, message.z)
        place = base[0] + away[0], base[1] + away[1], base[2] + away[2]
    velocity = east_north_up(message.vx, message.vy, message.vz)
    accel = east_north_up(message.afx, message.afy, message.afz)
    _follow(channel, message, Aim(place, velocity, accel, _nose(message, by_body)))


def on_target_global(channel: Channel, message: Message) -> None:
    """SET_POSITION_TARGET_GLOBAL_INT. A velocity and an acceleration are by north and east; the latter counts
    only without a place, as in ArduCopter."""
    if not _listens(channel):
        return
    place, terrain = None, message.coordinate_frame in _TERRAIN_FRAMES
    if not message.type_mask & _NO_PLACE:
        lat, lon = message.lat_int / 1e7, message.lon_int / 1e7
        known = abs(lat) <= 90.0 and abs(lon) <= 180.0 and message.coordinate_frame in FRAMES
        if not known or (terrain and not message.type_mask & _NO_VELOCITY):
            channel.vehicle.pilot.guided.follow(STOP)
            return
        place, _ = place_in(channel, lat, lon, message.alt, message.coordinate_frame)
    velocity = message.vy, message.vx, -message.vz
    accel = (message.afy, message.afx, -message.afz) if place is None else (0.0, 0.0, 0.0)
    _follow(channel, message, Aim(place, velocity, accel, _nose(message, by_body=False), terrain))


def _listens(channel: Channel) -> bool:
    vehicle = channel.vehicle
    return vehicle.mode is Mode.GUIDED and vehicle.armed and not vehicle.landed


def _nose(message: Message, by_body: bool) -> Nose:
    """An angle counts from the nose in frames by the body."""
    mask = message.type_mask
    angle = None if mask & _NO_YAW or not math.isfinite(message.yaw) else message.yaw
    rate = None if mask & _NO_YAW_RATE or not math.isfinite(message.yaw_rate) else message.yaw_rate
    return Nose(angle, rate, by_body) if angle is not None or rate is not None else AHEAD


def _follow(channel: Channel, message: Message, whole: Aim) -> None:
    """What the mask leaves of an aim: a place, a place that moves, a velocity or an acceleration."""
    vehicle, guided, mask = channel.vehicle, channel.vehicle.pilot.guided, message.type_mask
    place = whole.place
    velocity = None if mask & _NO_VELOCITY else whole.velocity_mps
    accel = None if mask & _NO_ACCEL else whole.accel_mps2
    only_half = place is not None and velocity is None and accel is not None
    nothing = place is None and velocity is None and accel is None
    numbers = [v for part in (velocity, accel) if part is not None for v in part]
    wild = any(not abs(v) <= _FASTEST for v in numbers)
    wild = wild or any(not abs(v) <= HIGHEST_M for v in (_metres_of(message) if place is not None else ()))
    if only_half or nothing or wild or (mask & _FORCE and accel is not None):
        guided.follow(STOP)
    elif place is None or vehicle.geofence.allows(*vehicle.pilot.amsl(place, whole.terrain)):
        guided.follow(Aim(place, velocity, accel, whole.nose, whole.terrain))


def _metres_of(message: Message) -> tuple[float, ...]:
    """The metres of a message's place."""
    if message.get_type() == "SET_POSITION_TARGET_GLOBAL_INT":
        return (message.alt,)
    return message.x, message.y, message.z
