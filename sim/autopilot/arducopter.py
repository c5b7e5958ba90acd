"""How ArduCopter speaks MAVLink: what its messages do, what it streams, what it tells unasked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Message
from sim.autopilot import camera_messages, commands, telemetry
from sim.autopilot.core import Shot, Text, Vehicle
from sim.autopilot.exchange import Exchange
from sim.autopilot.incoming import (
    on_param_list,
    on_param_read,
    on_param_set,
    on_ping,
    on_timesync,
    take_joystick,
    take_sticks,
)
from sim.autopilot.logbook import Logbook
from sim.autopilot.mission import HIGHEST_M
from sim.autopilot.modes import Mode, mode_of
from sim.autopilot.speech import Speech, text_pieces
from sim.autopilot.streams import BUILDERS, STREAM_GROUPS
from sim.autopilot.targets import on_target_global, on_target_local

if TYPE_CHECKING:
    from sim.autopilot.mavlink import Channel as AnyChannel

    Channel = AnyChannel[Vehicle]

_TIMESYNC_S = 10.0


def _on_heartbeat(channel: Channel, message: Message) -> None:
    vehicle = channel.vehicle
    if message.get_srcSystem() == int(vehicle.params["MAV_GCS_SYSID"]):
        vehicle.failsafe.last_station_s = vehicle.time_s


def _on_command(channel: Channel, message: Message) -> None:
    command = commands.command_of(message)
    result = commands.run(channel, command)
    source = message.get_srcSystem(), message.get_srcComponent()
    channel.send(mavlink.MAVLink_command_ack_message(command.command, result, 0, 0, *source))


def _on_set_mode(channel: Channel, message: Message) -> None:
    mode = mode_of(message.custom_mode)
    if mode is not None and message.base_mode & mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED:
        channel.vehicle.set_mode(mode)


def _on_data_stream(channel: Channel, message: Message) -> None:
    if message.req_stream_id == mavlink.MAV_DATA_STREAM_ALL:
        groups = tuple(STREAM_GROUPS.values())
    else:
        groups = (STREAM_GROUPS.get(message.req_stream_id, ()),)
    on = message.start_stop == 1 and message.req_message_rate > 0
    for message_id in (i for group in groups for i in group):
        channel.set_interval(message_id, 1e6 / message.req_message_rate if on else -1)


def _within_reason(*metres: float) -> bool:
    """True for numbers that can be flown to, or at."""
    return all(abs(value) <= HIGHEST_M for value in metres)


def _on_item(channel: Channel, message: Message) -> None:
    """MISSION_ITEM with current 2 is ArduPilot's old "fly there in GUIDED", 3 "change height"."""
    vehicle = channel.vehicle
    if message.current not in (2, 3):
        channel.exchange.handle(message)
        return
    scale = 1e7 if message.get_type() == "MISSION_ITEM_INT" else 1.0
    lat, lon = message.x / scale, message.y / scale
    known = abs(lat) <= 90 and abs(lon) <= 180 and _within_reason(message.z)
    if vehicle.mode is Mode.GUIDED and vehicle.armed and not vehicle.landed and known:
        if message.current == 3 or (lat == 0.0 and lon == 0.0):
            lat, lon = vehicle.place.to_geo(vehicle.estimate.east_m, vehicle.estimate.north_m)
        point, terrain = commands.place_in(channel, lat, lon, message.z, message.frame)
        vehicle.pilot.guided.go_to(point, terrain)
    source = message.get_srcSystem(), message.get_srcComponent()
    accepted = 0 if vehicle.mode is Mode.GUIDED and known else 1
    channel.send(mavlink.MAVLink_mission_ack_message(*source, accepted, 0))


def _on_terrain_data(channel: Channel, message: Message) -> None:
    channel.vehicle.terrain.take(
        message.lat, message.lon, message.grid_spacing, message.gridbit, list(message.data)
    )


def _on_terrain_check(channel: Channel, message: Message) -> None:
    if abs(message.lat) <= 900_000_000 and abs(message.lon) <= 1_800_000_000:
        channel.send(telemetry.terrain_report_at(channel.vehicle, message.lat, message.lon))


def _on_rc_override(channel: Channel, message: Message) -> None:
    take_sticks(channel.vehicle, message, channel.vehicle.params["RC_OVERRIDE_TIME"])


def _on_manual_control(channel: Channel, message: Message) -> None:
    take_joystick(channel.vehicle, message, channel.vehicle.params["RC_OVERRIDE_TIME"])


_INCOMING: dict[str, Callable[[Channel, Message], None]] = {
    "HEARTBEAT": _on_heartbeat,
    "COMMAND_LONG": _on_command,
    "COMMAND_INT": _on_command,
    "SET_MODE": _on_set_mode,
    "PARAM_REQUEST_LIST": on_param_list,
    "PARAM_REQUEST_READ": on_param_read,
    "PARAM_SET": on_param_set,
    "REQUEST_DATA_STREAM": _on_data_stream,
    "TIMESYNC": on_timesync,
    "PING": on_ping,
    "SET_POSITION_TARGET_GLOBAL_INT": on_target_global,
    "SET_POSITION_TARGET_LOCAL_NED": on_target_local,
    "MISSION_ITEM": _on_item,
    "MISSION_ITEM_INT": _on_item,
    "RC_CHANNELS_OVERRIDE": _on_rc_override,
    "MANUAL_CONTROL": _on_manual_control,
    "TERRAIN_DATA": _on_terrain_data,
    "TERRAIN_CHECK": _on_terrain_check,
}


def _news(vehicle: Vehicle) -> list[Message]:
    """What is told on every link as it happens."""
    news: list[Message] = []
    if vehicle.reached is not None:
        news.append(mavlink.MAVLink_mission_item_reached_message(vehicle.reached))
        vehicle.reached = None
    fence = vehicle.geofence
    if fence.breach_ms != fence.told_ms:
        fence.told_ms = fence.breach_ms
        if (message := telemetry.fence_status(vehicle)) is not None:
            news.append(message)
    return news


def _texts(text: Text, number: int) -> list[Message]:
    return text_pieces(text.severity, text.text, number, 0)


def _of_shot(vehicle: Vehicle, shot: Shot) -> list[Message]:
    return [camera_messages.camera_feedback(vehicle, shot)]


def _param_value(vehicle: Vehicle, name: str) -> Message:
    """Values travel as floats, whatever their type."""
    params = vehicle.params
    kind, index = params.known[name].type, params.index_of(name)
    return mavlink.MAVLink_param_value_message(name.encode("ascii"), params[name], kind, len(params), index)


SPEECH = Speech(
    builders=BUILDERS,
    incoming=_INCOMING,
    exchange=Exchange,
    logbook=Logbook,
    log_folder="/APM/LOGS",
    param_value=_param_value,
    news=_news,
    texts=_texts,
    of_shot=_of_shot,
    told_at_home=(mavlink.MAVLINK_MSG_ID_HOME_POSITION, mavlink.MAVLINK_MSG_ID_GPS_GLOBAL_ORIGIN),
    timesync_s=_TIMESYNC_S,
    packs_params=True,
    beats_on_change=True,
    signs=True,
)
