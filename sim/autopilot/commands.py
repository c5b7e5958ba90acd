"""COMMAND_LONG and COMMAND_INT: what each MAV_CMD does and what the vehicle answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Message
from sim.autopilot import auto_return, telemetry
from sim.autopilot.auto import change_speed
from sim.autopilot.exchange import set_current
from sim.autopilot.mission import HIGHEST_M, Frame
from sim.autopilot.modes import Mode, mode_of
from sim.controller import Point

if TYPE_CHECKING:
    from sim.autopilot.core import Vehicle
    from sim.autopilot.mavlink import Channel as AnyChannel

    Channel = AnyChannel[Vehicle]

ACCEPTED, TEMPORARILY_REJECTED, DENIED, UNSUPPORTED, FAILED = 0, 1, 2, 3, 4
"""MAV_RESULT."""

_FORCE = 21196
_FORCE_ARM = 2989
FRAMES = frozenset({0, 3, 5, 6, 10, 11})
"""MAV_FRAMEs in which a height is understood."""


@dataclass(frozen=True)
class CommandIn:
    """A command in one shape: x and y are degrees (or whatever a COMMAND_LONG's param5 and 6 carry)."""

    command: int
    p1: float
    p2: float
    p3: float
    p4: float
    x: float
    y: float
    z: float
    frame: int
    as_long: bool = False
    """Whether it came as COMMAND_LONG."""

    @property
    def has_place(self) -> bool:
        """True if it names a place on the map."""
        return abs(self.x) <= 90.0 and abs(self.y) <= 180.0 and (self.x != 0.0 or self.y != 0.0)

    @property
    def is_beyond_reason(self) -> bool:
        """True if it holds numbers that nothing can be done with. NaN may stand for "not given"."""
        params = (self.p1, self.p2, self.p3, self.p4, self.x, self.y)
        return any(map(math.isinf, params)) or abs(self.z) > HIGHEST_M


def command_of(message: Message) -> CommandIn:
    """A COMMAND_LONG or COMMAND_INT message as a CommandIn."""
    params = (message.param1, message.param2, message.param3, message.param4)
    if message.get_type() == "COMMAND_INT":
        place = (message.x / 1e7, message.y / 1e7, message.z)
        return CommandIn(message.command, *params, *place, frame=message.frame)
    place = (message.param5, message.param6, message.param7)
    return CommandIn(message.command, *params, *place, frame=Frame.RELATIVE, as_long=True)


def run(channel: Channel, command: CommandIn) -> int:
    """Carry a command out; returns the MAV_RESULT for the ACK."""
    handler = _HANDLERS.get(command.command)
    if handler is None:
        return UNSUPPORTED
    return DENIED if command.is_beyond_reason else handler(channel, command)


def _result(done: bool) -> int:
    return ACCEPTED if done else FAILED


def _whole(value: float) -> int:
    """A parameter that is a number of something; -1 where it is none."""
    return int(value) if math.isfinite(value) else -1


def _arm(channel: Channel, c: CommandIn) -> int:
    vehicle = channel.vehicle
    if c.p1 == 1.0:
        return _result(vehicle.arm(force=c.p2 == _FORCE_ARM))
    if c.p1 == 0.0:
        return _result(vehicle.disarm(force=c.p2 == _FORCE))
    return UNSUPPORTED


def _prearm(channel: Channel, c: CommandIn) -> int:
    for reason in channel.vehicle.readiness.reasons(Mode.GUIDED):
        channel.vehicle.say(2, f"PreArm: {reason}")
    return ACCEPTED


def _set_mode(channel: Channel, c: CommandIn) -> int:
    if math.isnan(c.p1) or not int(c.p1) & mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED:
        return UNSUPPORTED
    mode = mode_of(_whole(c.p2))
    return _result(mode is not None and channel.vehicle.set_mode(mode))


def _enter(mode: Mode) -> Callable[[Channel, CommandIn], int]:
    def handler(channel: Channel, c: CommandIn) -> int:
        return _result(channel.vehicle.set_mode(mode))

    return handler


def _takeoff(channel: Channel, c: CommandIn) -> int:
    vehicle = channel.vehicle
    if c.frame != Frame.RELATIVE:
        return DENIED
    if not vehicle.armed or vehicle.mode is not Mode.GUIDED or not vehicle.landed or not c.z > 0.0:
        return FAILED
    vehicle.pilot.take_off(vehicle.home_up_m + c.z)
    return ACCEPTED


def _mission_start(channel: Channel, c: CommandIn) -> int:
    vehicle = channel.vehicle
    if c.p1 != 0.0 or c.p2 != 0.0:
        return DENIED  # first and last item: not in ArduCopter
    if not vehicle.set_mode(Mode.AUTO):
        return FAILED
    if vehicle.armed:
        vehicle.auto_armed = True
    return ACCEPTED


def _pause(channel: Channel, c: CommandIn) -> int:
    vehicle, pilot = channel.vehicle, channel.vehicle.pilot
    if math.isnan(c.p1) or int(c.p1) not in (0, 1):
        return DENIED
    stop = int(c.p1) == 0
    if vehicle.mode is Mode.GUIDED:
        pilot.guided.paused = pilot.track.paused = stop
        return ACCEPTED
    if vehicle.mode is Mode.AUTO and (not stop or pilot.auto.can_pause):
        pilot.auto.pause(stop)
        return ACCEPTED
    vehicle.say(6, "Failed to pause" if stop else "Failed to resume")
    return FAILED


def _frame_known(channel: Channel, c: CommandIn) -> bool:
    """Whether a place's height can be understood; ArduPilot says so when it cannot."""
    if c.frame in FRAMES:
        return True
    channel.vehicle.say(4, f"Unknown mavlink coordinate frame {c.frame}")
    return False


def place_in(
    channel: Channel, lat_deg: float, lon_deg: float, alt_m: float, frame: int
) -> tuple[Point, bool]:
    """A place of a message as a local point, and whether its height is above ground."""
    vehicle = channel.vehicle
    east, north = vehicle.place.to_local(lat_deg, lon_deg)
    if frame in (10, 11):
        return (east, north, alt_m), True
    return (east, north, alt_m + (vehicle.home_up_m if frame in (3, 6) else 0.0)), False


def _reposition(channel: Channel, c: CommandIn) -> int:
    vehicle = channel.vehicle
    if c.as_long:
        return UNSUPPORTED  # it stores a place and has no frame
    change_mode = not math.isnan(c.p2) and bool(int(c.p2) & 1)
    if not c.has_place or not math.isfinite(c.z) or not _frame_known(channel, c):
        return DENIED
    if vehicle.mode is not Mode.GUIDED:
        if not change_mode:
            return DENIED
        if not vehicle.set_mode(Mode.GUIDED):
            return FAILED
    if vehicle.armed and not vehicle.landed:  # on the ground it is accepted and nothing flies
        point, terrain = place_in(channel, c.x, c.y, c.z, c.frame)
        if not vehicle.geofence.allows(*vehicle.pilot.amsl(point, terrain)):
            return FAILED
        vehicle.pilot.guided.go_to(point, terrain)
    return ACCEPTED


def _change_speed(channel: Channel, c: CommandIn) -> int:
    if not c.p2 > 0.0:
        return DENIED
    if channel.vehicle.mode not in (Mode.AUTO, Mode.GUIDED, Mode.RTL) or c.p1 not in (0.0, 1.0, 2.0, 3.0):
        return FAILED
    return _result(change_speed(channel.vehicle.pilot, c.p1, c.p2))


def _yaw(channel: Channel, c: CommandIn) -> int:
    vehicle = channel.vehicle
    if vehicle.mode not in (Mode.GUIDED, Mode.AUTO, Mode.RTL, Mode.LAND) or math.isnan(c.p1 + c.p3):
        return FAILED
    vehicle.pilot.turn_to(c.p1, c.p3, relative=c.p4 == 1.0)
    return ACCEPTED


def _set_home(channel: Channel, c: CommandIn) -> int:
    vehicle, e = channel.vehicle, channel.vehicle.estimate
    if not vehicle.origin_set:
        return FAILED
    if c.p1 == 1.0:
        vehicle.set_home(e.east_m, e.north_m, e.up_m, locked=True)
        return ACCEPTED
    if not c.has_place or not math.isfinite(c.z):
        return DENIED
    (east, north, up), _ = place_in(channel, c.x, c.y, c.z, c.frame)
    vehicle.set_home(east, north, up if c.frame in (3, 6) and c.z else c.z, locked=True)
    return ACCEPTED


def _roi(channel: Channel, c: CommandIn) -> int:
    pilot = channel.vehicle.pilot
    if c.command != mavlink.MAV_CMD_DO_SET_ROI_NONE and not _frame_known(channel, c):
        return DENIED
    if c.command != mavlink.MAV_CMD_DO_SET_ROI_NONE and c.has_place:
        (east, north, _), _terrain = place_in(channel, c.x, c.y, 0.0, 0)
        pilot.roi, pilot.fixed_yaw = (east, north), True
    else:
        pilot.roi, pilot.fixed_yaw = None, False
    return ACCEPTED


def _trigger_distance(channel: Channel, c: CommandIn) -> int:
    channel.vehicle.shutter.by_distance(c.p1, at_once=c.p3 == 1.0)
    return ACCEPTED  # without a camera too, as in ArduPilot


def _digicam(channel: Channel, c: CommandIn) -> int:
    if c.x == 1.0:  # param5: shoot
        channel.vehicle.shutter.once()
    return ACCEPTED


def _start_capture(channel: Channel, c: CommandIn) -> int:
    shutter = channel.vehicle.shutter
    if c.p1 < 0.0:
        return UNSUPPORTED
    if not channel.vehicle.has_camera:
        return FAILED
    if c.p3 == 1.0 or (c.p2 == 0.0 and c.p3 == 0.0):
        shutter.once()
        return ACCEPTED
    if not c.p2 > 0.0 or math.isnan(c.p3):
        return FAILED
    shutter.by_time(c.p2, int(c.p3) or -1)
    return ACCEPTED


def _stop_capture(channel: Channel, c: CommandIn) -> int:
    channel.vehicle.shutter.by_time(0.0)
    return ACCEPTED


def _mount(channel: Channel, c: CommandIn) -> int:
    return _point_gimbal(channel, c.p1)


def _gimbal(channel: Channel, c: CommandIn) -> int:
    """DO_GIMBAL_MANAGER_PITCHYAW by angles; this gimbal keeps to the airframe's yaw."""
    if math.isnan(c.p1) or math.isnan(c.p2) or c.z not in (0.0, 1.0):
        return FAILED
    return _point_gimbal(channel, c.p1)


def _point_gimbal(channel: Channel, pitch_deg: float) -> int:
    if math.isnan(pitch_deg):
        return FAILED
    channel.vehicle.gimbal.pitch_deg = max(-90.0, min(30.0, pitch_deg))
    return ACCEPTED


def _interval(channel: Channel, c: CommandIn) -> int:
    return channel.set_interval(_whole(c.p1), c.p2)


def _get_interval(channel: Channel, c: CommandIn) -> int:
    message_id = _whole(c.p1)
    if not 0 <= message_id <= 65535:
        return FAILED
    channel.send(mavlink.MAVLink_message_interval_message(message_id, channel.interval_us(message_id)))
    return ACCEPTED


def _request_message(channel: Channel, c: CommandIn) -> int:
    return _result(channel.send_state(_whole(c.p1)))


def _capabilities(channel: Channel, c: CommandIn) -> int:
    if c.p1 == 1.0:
        channel.send(telemetry.autopilot_version(channel.vehicle))
    return ACCEPTED


def _get_home(channel: Channel, c: CommandIn) -> int:
    return _result(channel.send_state(mavlink.MAVLINK_MSG_ID_HOME_POSITION))


def _set_current(channel: Channel, c: CommandIn) -> int:
    vehicle, seq = channel.vehicle, _whole(c.p1)
    if not 0 <= seq < len(vehicle.mission):
        return DENIED
    if c.p2 == 1.0:
        vehicle.walk.reset()
    done = set_current(vehicle, seq)
    if done:
        channel.send_state(mavlink.MAVLINK_MSG_ID_MISSION_CURRENT)
    return _result(done)


def _land_start(channel: Channel, c: CommandIn) -> int:
    return _result(auto_return.by_landing_sequence(channel.vehicle))


def _return_path(channel: Channel, c: CommandIn) -> int:
    return _result(auto_return.by_return_path(channel.vehicle))


def _banner(channel: Channel, c: CommandIn) -> int:
    channel.vehicle.say(6, "ArduCopter V4.7.0-dev (missionctl simulator)")
    channel.vehicle.say(6, "Frame: QUAD/X")
    return ACCEPTED


def _high_latency(channel: Channel, c: CommandIn) -> int:
    if c.p1 not in (0.0, 1.0):
        return FAILED
    channel.vehicle.high_latency_open = c.p1 == 1.0
    return ACCEPTED


def _fence_enable(channel: Channel, c: CommandIn) -> int:
    return _result(channel.vehicle.geofence.command(_whole(c.p1), _whole(c.p2)))


def _terminate(channel: Channel, c: CommandIn) -> int:
    if c.p1 < 0.5:
        return FAILED
    channel.vehicle.disarm(force=True)
    return ACCEPTED


_HANDLERS: dict[int, Callable[[Channel, CommandIn], int]] = {
    mavlink.MAV_CMD_COMPONENT_ARM_DISARM: _arm,
    mavlink.MAV_CMD_RUN_PREARM_CHECKS: _prearm,
    mavlink.MAV_CMD_DO_SET_MODE: _set_mode,
    mavlink.MAV_CMD_NAV_TAKEOFF: _takeoff,
    mavlink.MAV_CMD_NAV_LAND: _enter(Mode.LAND),
    mavlink.MAV_CMD_NAV_RETURN_TO_LAUNCH: _enter(Mode.RTL),
    mavlink.MAV_CMD_NAV_LOITER_UNLIM: _enter(Mode.LOITER),
    mavlink.MAV_CMD_MISSION_START: _mission_start,
    mavlink.MAV_CMD_DO_PAUSE_CONTINUE: _pause,
    mavlink.MAV_CMD_DO_REPOSITION: _reposition,
    mavlink.MAV_CMD_DO_CHANGE_SPEED: _change_speed,
    mavlink.MAV_CMD_CONDITION_YAW: _yaw,
    mavlink.MAV_CMD_DO_SET_HOME: _set_home,
    mavlink.MAV_CMD_GET_HOME_POSITION: _get_home,
    mavlink.MAV_CMD_DO_SET_ROI: _roi,
    mavlink.MAV_CMD_DO_SET_ROI_LOCATION: _roi,
    mavlink.MAV_CMD_DO_SET_ROI_NONE: _roi,
    mavlink.MAV_CMD_DO_SET_CAM_TRIGG_DIST: _trigger_distance,
    mavlink.MAV_CMD_DO_DIGICAM_CONTROL: _digicam,
    mavlink.MAV_CMD_DO_MOUNT_CONTROL: _mount,
    mavlink.MAV_CMD_DO_GIMBAL_MANAGER_PITCHYAW: _gimbal,
    mavlink.MAV_CMD_IMAGE_START_CAPTURE: _start_capture,
    mavlink.MAV_CMD_IMAGE_STOP_CAPTURE: _stop_capture,
    mavlink.MAV_CMD_SET_MESSAGE_INTERVAL: _interval,
    mavlink.MAV_CMD_GET_MESSAGE_INTERVAL: _get_interval,
    mavlink.MAV_CMD_REQUEST_MESSAGE: _request_message,
    mavlink.MAV_CMD_REQUEST_AUTOPILOT_CAPABILITIES: _capabilities,
    mavlink.MAV_CMD_DO_SET_MISSION_CURRENT: _set_current,
    mavlink.MAV_CMD_DO_LAND_START: _land_start,
    mavlink.MAV_CMD_DO_RETURN_PATH_START: _return_path,
    mavlink.MAV_CMD_DO_SEND_BANNER: _banner,
    mavlink.MAV_CMD_CONTROL_HIGH_LATENCY: _high_latency,
    mavlink.MAV_CMD_DO_FENCE_ENABLE: _fence_enable,
    mavlink.MAV_CMD_DO_FLIGHTTERMINATION: _terminate,
}
