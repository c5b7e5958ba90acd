"""What each MAV_CMD does on a PX4, and what it answers (Commander.cpp, navigator_main.cpp, 1.16)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from sim.autopilot.commands import CommandIn
from sim.autopilot.mission import HIGHEST_M
from sim.autopilot.px4.modes import Mode, mode_of

if TYPE_CHECKING:
    from sim.autopilot.mavlink import Channel as AnyChannel
    from sim.autopilot.px4.vehicle import Px4

    Channel = AnyChannel[Px4]

ACCEPTED, TEMPORARILY_REJECTED, DENIED, UNSUPPORTED, FAILED, CANCELLED = 0, 1, 2, 3, 4, 6
"""MAV_RESULT."""
_FORCE = 21196
_AUTO = 4
_PLACED = frozenset({22, 34, 179, 192, 195, 201})
"""Commands whose fifth and sixth parameter are a place."""

Result = int | None
"""A MAV_RESULT; None is no answer at all, as PX4 has it for some."""


def run(channel: Channel, command: CommandIn) -> Result:
    """Carry a command out; returns the MAV_RESULT for the ACK."""
    handler = _HANDLERS.get(command.command)
    if handler is None:
        return UNSUPPORTED
    return DENIED if command.is_beyond_reason or not _on_earth(command) else handler(channel, command)


def _on_earth(c: CommandIn) -> bool:
    """Whether its place, if it has one, is a place."""
    return c.command not in _PLACED or not (abs(c.x) > 90.0 or abs(c.y) > 180.0)


def _whole(value: float) -> int:
    return int(value) if math.isfinite(value) else 0


def _asked(done: bool) -> int:
    return ACCEPTED if done else TEMPORARILY_REJECTED


def _enter(vehicle: Px4, mode: Mode) -> int:
    return _asked(vehicle.set_mode(mode))


def _arm(channel: Channel, c: CommandIn) -> Result:
    vehicle, forced = channel.vehicle, round(c.p2) == _FORCE if math.isfinite(c.p2) else False
    if not math.isfinite(c.p1) or round(c.p1) not in (0, 1):
        vehicle.say(2, f"Unsupported ARM_DISARM param: {c.p1:.3f}")
        return UNSUPPORTED
    if round(c.p1):
        return _asked(vehicle.arm())  # by a station's command the checks are never skipped
    return _asked(vehicle.disarm(force=forced))


def _set_mode(channel: Channel, c: CommandIn) -> Result:
    vehicle, main, sub = channel.vehicle, _whole(c.p2), _whole(c.p3)
    if not _whole(c.p1) & mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED:
        return ACCEPTED
    mode = mode_of(main, sub)
    if mode is Mode.ORBIT:
        mode = Mode.POSCTL  # orbits are begun by DO_ORBIT alone
    if mode is None:
        if main == _AUTO:
            vehicle.say(2, "Unsupported auto mode")
            return TEMPORARILY_REJECTED
        return ACCEPTED
    return _enter(vehicle, mode)


def _go(mode: Mode, words: str) -> Callable[[Channel, CommandIn], Result]:
    def handler(channel: Channel, c: CommandIn) -> Result:
        result = _enter(channel.vehicle, mode)
        if result == ACCEPTED and words:
            channel.vehicle.say(6, words)
        return result

    return handler


def _take_off(channel: Channel, c: CommandIn) -> Result:
    vehicle = channel.vehicle
    if vehicle.armed and not vehicle.readiness.can_fly(Mode.AUTO_TAKEOFF):
        return TEMPORARILY_REJECTED
    if math.isfinite(c.z):  # above the sea
        placed = math.isfinite(c.x) and math.isfinite(c.y) and c.has_place
        east, north = vehicle.place.to_local(c.x, c.y) if placed else (None, None)
        vehicle.navigator.order_take_off(east, north, c.z)
    return _enter(vehicle, Mode.AUTO_TAKEOFF)


def _mission_start(channel: Channel, c: CommandIn) -> Result:
    vehicle = channel.vehicle
    if vehicle.mission_problem is not None:
        vehicle.say(2, "Mission start denied! No valid mission")
        return DENIED
    if not -1.0 <= c.p1 < len(vehicle.mission):  # NaN too
        return DENIED
    if vehicle.set_mode(Mode.AUTO_MISSION) and vehicle.arm(by="mission start"):
        if c.p1 >= 0.0 and int(c.p1) != vehicle.navigator.progress.seq:
            vehicle.navigator.go_to(int(c.p1))
        return ACCEPTED
    return TEMPORARILY_REJECTED


def _reposition(channel: Channel, c: CommandIn) -> Result:
    vehicle = channel.vehicle
    if _whole(c.p2) != 1:
        return UNSUPPORTED
    if vehicle.armed and not vehicle.readiness.can_fly(Mode.AUTO_LOITER):
        return TEMPORARILY_REJECTED
    here, goal = vehicle.navigator.here, vehicle.navigator.setpoint.goal
    up = c.z if math.isfinite(c.z) else here[2]
    if math.isfinite(c.x) and math.isfinite(c.y):
        east, north = vehicle.place.to_local(c.x, c.y)
    elif math.isfinite(c.z) or math.isfinite(c.p4):
        east, north = goal[:2] if vehicle.mode is Mode.AUTO_LOITER else here[:2]
    else:
        east, north, up = vehicle.pilot.stopping_point()
    if not vehicle.geofence.allows(east, north, up):
        vehicle.say(2, "Reposition is outside geofence")
    else:
        yaw = c.p4 if math.isfinite(c.p4) else None
        speed = c.p1 if math.isfinite(c.p1) and c.p1 > 0.0 else None
        vehicle.navigator.reposition((east, north, up), yaw, speed)
    return _enter(vehicle, Mode.AUTO_LOITER)


def _change_altitude(channel: Channel, c: CommandIn) -> Result:
    vehicle = channel.vehicle
    east, north, up = vehicle.pilot.stopping_point()
    goal = east, north, c.p1 if abs(c.p1) <= HIGHEST_M else up
    if not vehicle.geofence.allows(*goal):
        vehicle.say(2, "Altitude change is outside geofence")
    else:
        vehicle.navigator.reposition(goal, None, None)
    return _enter(vehicle, Mode.AUTO_LOITER)


def _orbit(channel: Channel, c: CommandIn) -> Result:
    vehicle = channel.vehicle
    if not vehicle.set_mode(Mode.ORBIT):
        vehicle.say(2, "Orbit command rejected")
        return TEMPORARILY_REJECTED
    if vehicle.armed:
        east, north = math.nan, math.nan
        if math.isfinite(c.x) and math.isfinite(c.y):
            east, north = vehicle.place.to_local(c.x, c.y)
        vehicle.pilot.orbit.order(c.p1, c.p2, c.p3, [east, north, c.z])
    return ACCEPTED


def _change_speed(channel: Channel, c: CommandIn) -> Result:
    channel.vehicle.change_speed(c.p2)
    return ACCEPTED


def _set_home(channel: Channel, c: CommandIn) -> Result:
    vehicle, e = channel.vehicle, channel.vehicle.estimate
    if not vehicle.params["COM_HOME_EN"]:
        return DENIED
    if c.p1 > 0.5:
        if not vehicle.origin_set:
            return TEMPORARILY_REJECTED
        vehicle.set_home(e.east_m, e.north_m, e.up_m, locked=True)
        return ACCEPTED
    if not all(map(math.isfinite, (c.x, c.y, c.z))):
        return DENIED
    if not vehicle.origin_set:
        return TEMPORARILY_REJECTED
    vehicle.set_home(*vehicle.place.to_local(c.x, c.y), c.z, locked=True)
    return ACCEPTED


def _trigger_distance(channel: Channel, c: CommandIn) -> Result:
    channel.vehicle.trigger_distance(c.p1, c.p3 > 0.0)
    return ACCEPTED if channel.vehicle.has_camera else None  # else nobody is there to answer


def _trigger_interval(channel: Channel, c: CommandIn) -> Result:
    channel.vehicle.trigger_interval(c.p1)
    return ACCEPTED if channel.vehicle.has_camera else None


def _trigger_control(channel: Channel, c: CommandIn) -> Result:
    vehicle = channel.vehicle
    if c.p2 == 1.0:
        vehicle.shutter.count = 0
    if c.p1 == 1.0 and vehicle.params["TRIG_MODE"] == 1.0:
        vehicle.shutter.by_time(vehicle.params["TRIG_INTERVAL"] / 1000.0)
    elif c.p1 == 0.0 or c.p3 == 1.0:
        vehicle.shutter.stop()
    return ACCEPTED if vehicle.has_camera else None


def _digicam(channel: Channel, c: CommandIn) -> Result:
    if not channel.vehicle.has_camera:
        return None
    if c.x == 1.0:  # param5: shoot
        channel.vehicle.shutter.once()
    return ACCEPTED


def _gimbal(channel: Channel, c: CommandIn) -> Result:
    if not math.isfinite(c.p1):
        return DENIED
    channel.vehicle.gimbal.pitch_deg = max(-90.0, min(30.0, c.p1))
    return ACCEPTED


def _roi(channel: Channel, c: CommandIn) -> Result:
    pilot = channel.vehicle.pilot
    located = c.command == mavlink.MAV_CMD_DO_SET_ROI_LOCATION or (
        c.command == mavlink.MAV_CMD_DO_SET_ROI and c.p1 == mavlink.MAV_ROI_LOCATION
    )
    pilot.roi = channel.vehicle.place.to_local(c.x, c.y) if located and c.has_place else None
    return ACCEPTED


def _interval(channel: Channel, c: CommandIn) -> Result:
    return channel.set_interval(_whole(c.p1), c.p2)


def _get_interval(channel: Channel, c: CommandIn) -> Result:
    number = _whole(c.p1)
    if not 0 <= number <= 65535:
        return FAILED
    channel.send(mavlink.MAVLink_message_interval_message(number, channel.interval_us(number)))
    return ACCEPTED


def _request_message(channel: Channel, c: CommandIn) -> Result:
    return ACCEPTED if channel.send_state(_whole(c.p1)) else DENIED


def _request_named(number: int) -> Callable[[Channel, CommandIn], Result]:
    def handler(channel: Channel, c: CommandIn) -> Result:
        channel.send_state(number)
        return ACCEPTED

    return handler


def _prearm(channel: Channel, c: CommandIn) -> Result:
    return ACCEPTED


def _nothing(channel: Channel, c: CommandIn) -> Result:
    return ACCEPTED


def _cancelled(channel: Channel, c: CommandIn) -> Result:
    return CANCELLED


def _high_latency(channel: Channel, c: CommandIn) -> Result:
    vehicle = channel.vehicle
    if not vehicle.has_modem:
        vehicle.say(2, "Control high latency failed! Telemetry unavailable")
        return FAILED
    vehicle.failsafe.order_modem(c.p1 > 0.5)
    return ACCEPTED


def _terminate(channel: Channel, c: CommandIn) -> Result:
    if not c.p1 > 0.5 or not channel.vehicle.armed:
        return DENIED
    channel.vehicle.disarm(by="failure detector", force=True)
    return ACCEPTED


_HANDLERS: dict[int, Callable[[Channel, CommandIn], Result]] = {
    mavlink.MAV_CMD_COMPONENT_ARM_DISARM: _arm,
    mavlink.MAV_CMD_RUN_PREARM_CHECKS: _prearm,
    mavlink.MAV_CMD_DO_SET_MODE: _set_mode,
    mavlink.MAV_CMD_NAV_TAKEOFF: _take_off,
    mavlink.MAV_CMD_NAV_LAND: _go(Mode.AUTO_LAND, "Landing at current position"),
    mavlink.MAV_CMD_NAV_RETURN_TO_LAUNCH: _go(Mode.AUTO_RTL, "Returning to launch"),
    mavlink.MAV_CMD_MISSION_START: _mission_start,
    mavlink.MAV_CMD_DO_REPOSITION: _reposition,
    mavlink.MAV_CMD_DO_CHANGE_ALTITUDE: _change_altitude,
    mavlink.MAV_CMD_DO_ORBIT: _orbit,
    mavlink.MAV_CMD_DO_CHANGE_SPEED: _change_speed,
    mavlink.MAV_CMD_DO_SET_HOME: _set_home,
    mavlink.MAV_CMD_GET_HOME_POSITION: _request_named(mavlink.MAVLINK_MSG_ID_HOME_POSITION),
    mavlink.MAV_CMD_DO_SET_ROI: _roi,
    mavlink.MAV_CMD_DO_SET_ROI_LOCATION: _roi,
    mavlink.MAV_CMD_DO_SET_ROI_NONE: _roi,
    mavlink.MAV_CMD_DO_SET_CAM_TRIGG_DIST: _trigger_distance,
    mavlink.MAV_CMD_DO_SET_CAM_TRIGG_INTERVAL: _trigger_interval,
    mavlink.MAV_CMD_DO_TRIGGER_CONTROL: _trigger_control,
    mavlink.MAV_CMD_DO_DIGICAM_CONTROL: _digicam,
    mavlink.MAV_CMD_DO_MOUNT_CONTROL: _gimbal,
    mavlink.MAV_CMD_DO_GIMBAL_MANAGER_PITCHYAW: _gimbal,
    mavlink.MAV_CMD_SET_MESSAGE_INTERVAL: _interval,
    mavlink.MAV_CMD_GET_MESSAGE_INTERVAL: _get_interval,
    mavlink.MAV_CMD_REQUEST_MESSAGE: _request_message,
    mavlink.MAV_CMD_REQUEST_AUTOPILOT_CAPABILITIES: _request_named(mavlink.MAVLINK_MSG_ID_AUTOPILOT_VERSION),
    mavlink.MAV_CMD_DO_LAND_START: _cancelled,
    mavlink.MAV_CMD_CONTROL_HIGH_LATENCY: _high_latency,
    mavlink.MAV_CMD_DO_FLIGHTTERMINATION: _terminate,
    mavlink.MAV_CMD_PREFLIGHT_STORAGE: _nothing,
}
