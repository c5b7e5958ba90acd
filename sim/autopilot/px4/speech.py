"""How PX4 speaks MAVLink: what its messages do, what it streams of itself (mavlink_main.cpp, mode normal)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Message
from sim.autopilot.commands import CommandIn, command_of
from sim.autopilot.craft import Shot, Text
from sim.autopilot.incoming import (
    on_param_list,
    on_ping,
    on_timesync,
    take_joystick,
    take_sticks,
)
from sim.autopilot.params import INT32, REAL32
from sim.autopilot.px4 import camera_messages, commands, params, telemetry
from sim.autopilot.px4.exchange import Exchange
from sim.autopilot.px4.logbook import Logbook
from sim.autopilot.px4.modes import mode_of
from sim.autopilot.px4.vehicle import Px4
from sim.autopilot.speech import Speech, text_pieces
from sim.autopilot.streams import OF_ANY

if TYPE_CHECKING:
    from sim.autopilot.mavlink import Channel as AnyChannel

    Channel = AnyChannel[Px4]

_MAIN, _SUB = 16, 24
_STATION = 6
"""MAV_TYPE_GCS: whose heartbeats count."""


def _on_heartbeat(channel: Channel, message: Message) -> None:
    if message.type == _STATION:
        channel.vehicle.failsafe.last_station_s = channel.vehicle.time_s


def _on_command(channel: Channel, message: Message) -> None:
    target = message.target_component
    if target not in (0, mavlink.MAV_COMP_ID_AUTOPILOT1):
        return
    command = _above_sea(channel.vehicle, message)
    result = commands.run(channel, command)
    if result is not None:
        source = message.get_srcSystem(), message.get_srcComponent()
        channel.send(mavlink.MAVLink_command_ack_message(command.command, result, 0, 0, *source))


def _above_sea(vehicle: Px4, message: Message) -> CommandIn:
    """A command whose height is AMSL: PX4 adds home's to those of COMMAND_INT that count from home, and takes
    all of COMMAND_LONG as they are."""
    command = command_of(message)
    if message.get_type() == "COMMAND_INT" and message.frame in (3, 6):
        return CommandIn(
            *(command.command, command.p1, command.p2, command.p3, command.p4),
            *(command.x, command.y, command.z + vehicle.home_up_m, 0),
        )
    return command


def _on_set_mode(channel: Channel, message: Message) -> None:
    mode = mode_of(message.custom_mode >> _MAIN & 0xFF, message.custom_mode >> _SUB)
    if mode is not None and message.base_mode & mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED:
        channel.vehicle.set_mode(mode)


def _on_param_read(channel: Channel, message: Message) -> None:
    known = channel.vehicle.params
    name = known.name_at(message.param_index) if message.param_index >= 0 else message.param_id
    if name is not None and (name in known or name == params.HASH):
        channel.send_param(name)


def _on_param_set(channel: Channel, message: Message) -> None:
    known, name = channel.vehicle.params, message.param_id
    if name in known and message.param_type == known.known[name].type:
        known.set(name, params.from_wire(known, name, message.param_value))
        channel.send_param(name)


def _param_value(vehicle: Px4, name: str) -> Message:
    """Whole numbers travel as their bytes."""
    known = vehicle.params
    if name == params.HASH:
        field = struct.unpack("<f", struct.pack("<I", params.hash_of(known)))[0]
        kind, index = mavlink.MAV_PARAM_TYPE_UINT32, 65535
    else:
        kind = INT32 if known.known[name].type == INT32 else REAL32
        field, index = params.on_wire(known, name), known.index_of(name)
    return mavlink.MAVLink_param_value_message(name.encode("ascii"), field, kind, len(known), index)


def _on_sticks(channel: Channel, message: Message) -> None:
    vehicle = channel.vehicle
    take = take_joystick if message.get_type() == "MANUAL_CONTROL" else take_sticks
    take(vehicle, message, vehicle.params["COM_RC_LOSS_T"])
    vehicle.pilot.hand.feel()


_INCOMING: dict[str, Callable[[Channel, Message], None]] = {
    "HEARTBEAT": _on_heartbeat,
    "COMMAND_LONG": _on_command,
    "COMMAND_INT": _on_command,
    "SET_MODE": _on_set_mode,
    "PARAM_REQUEST_LIST": on_param_list,
    "PARAM_REQUEST_READ": _on_param_read,
    "PARAM_SET": _on_param_set,
    "TIMESYNC": on_timesync,
    "PING": on_ping,
    "RC_CHANNELS_OVERRIDE": _on_sticks,
    "MANUAL_CONTROL": _on_sticks,
    "SET_POSITION_TARGET_LOCAL_NED": lambda channel, m: channel.vehicle.pilot.offboard.take_local(m),
    "SET_POSITION_TARGET_GLOBAL_INT": lambda channel, m: channel.vehicle.pilot.offboard.take_global(m),
}

_BUILDERS: dict[int, Callable[[Px4], Message | None]] = {
    **OF_ANY,
    mavlink.MAVLINK_MSG_ID_HEARTBEAT: telemetry.heartbeat,
    mavlink.MAVLINK_MSG_ID_SYS_STATUS: telemetry.sys_status,
    mavlink.MAVLINK_MSG_ID_BATTERY_STATUS: telemetry.battery_status,
    mavlink.MAVLINK_MSG_ID_EXTENDED_SYS_STATE: telemetry.extended_sys_state,
    mavlink.MAVLINK_MSG_ID_ESTIMATOR_STATUS: telemetry.estimator_status,
    mavlink.MAVLINK_MSG_ID_ALTITUDE: telemetry.altitude,
    mavlink.MAVLINK_MSG_ID_HOME_POSITION: telemetry.home_position,
    mavlink.MAVLINK_MSG_ID_POSITION_TARGET_GLOBAL_INT: telemetry.position_target_global_int,
    mavlink.MAVLINK_MSG_ID_POSITION_TARGET_LOCAL_NED: telemetry.position_target_local_ned,
    mavlink.MAVLINK_MSG_ID_NAV_CONTROLLER_OUTPUT: telemetry.nav_controller_output,
    mavlink.MAVLINK_MSG_ID_ORBIT_EXECUTION_STATUS: telemetry.orbit_execution_status,
    mavlink.MAVLINK_MSG_ID_AUTOPILOT_VERSION: telemetry.autopilot_version,
    mavlink.MAVLINK_MSG_ID_FLIGHT_INFORMATION: telemetry.flight_information,
    mavlink.MAVLINK_MSG_ID_STORAGE_INFORMATION: telemetry.storage_information,
    mavlink.MAVLINK_MSG_ID_HIGH_LATENCY2: telemetry.high_latency2,
}
_STREAMS_HZ = {
    mavlink.MAVLINK_MSG_ID_ALTITUDE: 1.0,
    mavlink.MAVLINK_MSG_ID_ATTITUDE: 15.0,
    mavlink.MAVLINK_MSG_ID_ATTITUDE_QUATERNION: 10.0,
    mavlink.MAVLINK_MSG_ID_BATTERY_STATUS: 0.5,
    mavlink.MAVLINK_MSG_ID_ESTIMATOR_STATUS: 0.5,
    mavlink.MAVLINK_MSG_ID_EXTENDED_SYS_STATE: 1.0,
    mavlink.MAVLINK_MSG_ID_GLOBAL_POSITION_INT: 5.0,
    mavlink.MAVLINK_MSG_ID_GPS_RAW_INT: 5.0,
    mavlink.MAVLINK_MSG_ID_HOME_POSITION: 0.5,
    mavlink.MAVLINK_MSG_ID_LOCAL_POSITION_NED: 1.0,
    mavlink.MAVLINK_MSG_ID_NAV_CONTROLLER_OUTPUT: 1.0,
    mavlink.MAVLINK_MSG_ID_ORBIT_EXECUTION_STATUS: 2.0,
    mavlink.MAVLINK_MSG_ID_POSITION_TARGET_GLOBAL_INT: 1.0,
    mavlink.MAVLINK_MSG_ID_POSITION_TARGET_LOCAL_NED: 1.5,
    mavlink.MAVLINK_MSG_ID_SYS_STATUS: 1.0,
    mavlink.MAVLINK_MSG_ID_VFR_HUD: 4.0,
}
"""Of those that PX4 streams to a station, what this vehicle has."""


def _news(vehicle: Px4) -> list[Message]:
    return []


def _texts(text: Text, number: int) -> list[Message]:
    """A tabulator says that the same stands in an event; all texts are numbered."""
    return text_pieces(text.severity, text.text + "\t", number, number)


def _of_shot(vehicle: Px4, shot: Shot) -> list[Message]:
    return [camera_messages.image_captured(vehicle, shot)]


SPEECH = Speech(
    builders=_BUILDERS,
    incoming=_INCOMING,
    exchange=Exchange,
    logbook=Logbook,
    log_folder="/fs/microsd/log",
    param_value=_param_value,
    news=_news,
    texts=_texts,
    of_shot=_of_shot,
    streams_hz=_STREAMS_HZ,
    listed_first=(params.HASH,),
    over_modem=frozenset({mavlink.MAVLINK_MSG_ID_HIGH_LATENCY2}),
)
