"""The vehicle's MAVLink face: channels with their streams, and what incoming messages do.

Time in here is simulated time: at a speed-up, streams grow and time-outs shrink on the wall clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import AUTOPILOT_COMPONENT, Encoder, Message, packet_of
from sim.autopilot import camera_messages, commands, high_latency, telemetry
from sim.autopilot.card import Card
from sim.autopilot.core import Event, HomeSet, Shot, Text, Vehicle
from sim.autopilot.exchange import Exchange
from sim.autopilot.files import FileServer
from sim.autopilot.logbook import Logbook
from sim.autopilot.mission import HIGHEST_M
from sim.autopilot.modes import Mode, mode_of
from sim.autopilot.params import PARAMETERS
from sim.autopilot.signing import Signer, Streams
from sim.autopilot.streams import BUILDERS, STREAM_GROUPS

HEARTBEAT_S = 1.0
TIMESYNC_S = 10.0
ADSB_S = 1.0
HIGH_LATENCY_S = 5.0
_TEXT_BYTES = 50
_PARAMS_PER_STEP = 20
_TRUSTED = ("RADIO", "RADIO_STATUS")


class Channel:
    """One vehicle on one link: its sequence numbers, streams, parameter list and mission exchange.

    `write` takes the bytes of one message; its second argument is True for messages that may be dropped
    when the link is slow (streams), as ArduPilot drops them.
    """

    def __init__(
        self, vehicle: Vehicle, write: Callable[[bytes, bool], None], high_latency: bool = False
    ) -> None:
        """`high_latency`: a satellite modem, as ArduPilot's serial protocol MAVLinkHL. Nothing goes out on it
        until MAV_CMD_CONTROL_HIGH_LATENCY opens it, then HIGH_LATENCY2 instead of heartbeats."""
        self.vehicle = vehicle
        self.high_latency = high_latency
        self._next_high_latency_s = 0.0
        self._write = write
        self._encoder = Encoder(vehicle.sysid, AUTOPILOT_COMPONENT)
        self._streams: dict[int, list[float]] = {}
        self._next_stream_s = math.inf
        self._next_heartbeat_s = 0.0
        self._next_timesync_s = 0.0
        self._next_adsb_s = 0.0
        self._params_left: list[str] = []
        self.bytes_per_s = 0.0
        """What the link carries; 0 is no limit. Bursts of files keep to a part of it."""
        self.exchange = Exchange(vehicle, self.send)
        self.signer = Signer()

    # -- out -----------------------------------------------------------------------------------------------

    def send(self, message: Message, droppable: bool = False) -> None:
        """Put a message on the link."""
        if self.high_latency and not self.vehicle.high_latency_open:
            return
        self._write(self.signer.sign(self._encoder.encode(message), message.crc_extra), droppable)

    def send_state(self, message_id: int) -> bool:
        """Send a state message once; False if this vehicle has no such message, or nothing to say in it."""
        build = BUILDERS.get(message_id)
        message = build(self.vehicle) if build else None
        if message is None:
            return False
        self.send(message)
        return True

    def reset_streams(self) -> None:
        """Forget the streams and begin the heartbeats anew (the link has got another client)."""
        self._streams.clear()
        self._next_stream_s = math.inf
        self._next_heartbeat_s = self.vehicle.time_s
        self._params_left.clear()

    def set_interval(self, message_id: int, interval_us: float) -> int:
        """SET_MESSAGE_INTERVAL: 0 and -1 stop it (the vehicle's default is silence). Returns MAV_RESULT."""
        if message_id not in BUILDERS or not math.isfinite(interval_us):
            return commands.FAILED
        if message_id == mavlink.MAVLINK_MSG_ID_HEARTBEAT:
            return commands.ACCEPTED
        if interval_us <= 0.0:
            self._streams.pop(message_id, None)
        else:
            self._streams[message_id] = [max(interval_us / 1e6, 0.02), self.vehicle.time_s]
        self._next_stream_s = self.vehicle.time_s if self._streams else math.inf
        return commands.ACCEPTED

    def interval_us(self, message_id: int) -> int:
        """The interval of a stream as MESSAGE_INTERVAL gives it: -1 off, 0 no such message."""
        if message_id not in BUILDERS:
            return 0
        stream = self._streams.get(message_id)
        return round(stream[0] * 1e6) if stream else -1

    def tick(self) -> None:
        """Called after each step of the vehicle: whatever is due."""
        now = self.vehicle.time_s
        if self.high_latency:
            if now >= self._next_high_latency_s and self.vehicle.high_latency_open:
                self._next_high_latency_s = now + HIGH_LATENCY_S
                self.send(high_latency.high_latency2(self.vehicle))
        elif now >= self._next_heartbeat_s:
            self._next_heartbeat_s = now + HEARTBEAT_S
            self.send(telemetry.heartbeat(self.vehicle))
        if now >= self._next_stream_s:
            self._send_streams(now)
        if now >= self._next_timesync_s and not self.high_latency:
            self._next_timesync_s = now + TIMESYNC_S
            self.send(mavlink.MAVLink_timesync_message(0, round(now * 1e9)), droppable=True)
        if self.vehicle.aircraft and now >= self._next_adsb_s:
            self._next_adsb_s = now + ADSB_S
            for aircraft in self.vehicle.aircraft:
                self.send(aircraft.message(now, self.vehicle.place), droppable=True)
        if self._params_left:
            for name in self._params_left[:_PARAMS_PER_STEP]:
                self.send_param(name)
            del self._params_left[:_PARAMS_PER_STEP]
        if self.exchange.busy:
            self.exchange.update()

    def _send_streams(self, now: float) -> None:
        soonest = math.inf
        for message_id, stream in self._streams.items():
            if now >= stream[1] - 1e-9:
                stream[1] = max(stream[1] + stream[0], now)
                message = BUILDERS[message_id](self.vehicle)
                if message is not None:
                    self.send(message, droppable=True)
            soonest = min(soonest, stream[1])
        self._next_stream_s = soonest

    def send_param(self, name: str) -> None:
        """PARAM_VALUE of one parameter."""
        params = self.vehicle.params
        self.send(
            mavlink.MAVLink_param_value_message(
                name.encode("ascii"),
                params[name],
                PARAMETERS[name].type,
                len(params),
                params.index_of(name),
            )
        )

    def send_all_params(self) -> None:
        """Begin to list the parameters."""
        self._params_left = list(PARAMETERS)

    def send_text(self, text: Text, number: int) -> None:
        """A STATUSTEXT, in pieces if it is long."""
        data = text.text.encode("utf-8")
        pieces = [data[i : i + _TEXT_BYTES] for i in range(0, len(data), _TEXT_BYTES)]
        for piece, part in enumerate(pieces):
            chunk_id = number % 65535 + 1 if len(pieces) > 1 else 0
            self.send(mavlink.MAVLink_statustext_message(text.severity, part, chunk_id, piece))

    def heartbeat_now(self) -> None:
        """Send the next heartbeat with the next step (the mode has changed)."""
        self._next_heartbeat_s = self.vehicle.time_s


class Face:
    """A vehicle and all its channels. `step` advances it and tells every channel what happened."""

    def __init__(
        self,
        vehicle: Vehicle,
        on_event: Callable[[Event], None] | None = None,
        photos: Path | None = None,
    ) -> None:
        """`on_event` is told of every event of the vehicle, before the channels are; `photos` is where the
        camera writes."""
        self.vehicle = vehicle
        self._on_event = on_event
        self.channels: list[Channel] = []
        self.logbook = Logbook(vehicle)
        card = Card(self.logbook.contents, vehicle.params, photos)
        self.files = FileServer(card, lambda: vehicle.time_s)
        self.shots: list[Shot] = []
        """Photos not yet fetched; whoever owns the face empties it."""
        self._told = (vehicle.mode, vehicle.armed)
        self._fence_ms = 0
        self._texts = 0

    def step(self) -> None:
        """One step of simulated time."""
        vehicle = self.vehicle
        vehicle.step()
        if (vehicle.mode, vehicle.armed) != self._told:
            self._told = (vehicle.mode, vehicle.armed)
            for channel in self.channels:
                channel.heartbeat_now()
        if vehicle.events:
            self._tell_events()
        if vehicle.reached is not None:
            self._broadcast(mavlink.MAVLink_mission_item_reached_message(vehicle.reached))
            vehicle.reached = None
        if vehicle.geofence.breach_ms != self._fence_ms:
            self._fence_ms = vehicle.geofence.breach_ms
            if (message := telemetry.fence_status(vehicle)) is not None:
                self._broadcast(message)
        for channel in self.channels:
            channel.tick()
        self.logbook.update()
        self.files.update()

    def _broadcast(self, message: Message) -> None:
        for channel in self.channels:
            channel.send(message)

    def _tell_events(self) -> None:
        events, self.vehicle.events = self.vehicle.events, []
        for event in events:
            if self._on_event is not None:
                self._on_event(event)
            self.logbook.hear(event)
            if isinstance(event, Text):
                self._texts += 1
                for channel in self.channels:
                    channel.send_text(event, self._texts)
            elif isinstance(event, Shot):
                self._broadcast(camera_messages.camera_feedback(self.vehicle, event))
                self.shots.append(event)
            elif isinstance(event, HomeSet):
                for build in (telemetry.home_position, telemetry.gps_global_origin):
                    if (message := build(self.vehicle)) is not None:
                        self._broadcast(message)

    # -- in ------------------------------------------------------------------------------------------------

    def handle(self, channel: Channel, message: Message) -> None:
        """Take a message from the client of a channel."""
        if channel.signer.on and not self._trusts(channel, message):
            return
        target = getattr(message, "target_system", 0)
        if target not in (0, self.vehicle.sysid):
            return
        if message.get_type() == "SETUP_SIGNING":
            self._set_up_signing(message)
            return
        handler = _INCOMING.get(message.get_type())
        if handler is not None:
            handler(channel, message)
        elif not self.files.handle(channel, message) and not self.logbook.handle(channel, message):
            channel.exchange.handle(message)

    def _trusts(self, channel: Channel, message: Message) -> bool:
        """The first link is taken for a cable, which obeys everybody; radios speak for themselves."""
        believed = channel.signer.believes(packet_of(message))
        return believed or channel is self.channels[0] or message.get_type() in _TRUSTED

    def _set_up_signing(self, message: Message) -> None:
        if self.vehicle.armed:
            self.vehicle.say(4, "ERROR: Won't setup signing when armed")
            return
        streams: Streams = {}
        key = bytes(message.secret_key)
        for number, channel in enumerate(self.channels):
            channel.signer.set_up(key, message.initial_timestamp, number, streams)


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


def _on_param_list(channel: Channel, message: Message) -> None:
    channel.send_all_params()


def _on_param_read(channel: Channel, message: Message) -> None:
    params = channel.vehicle.params
    name = params.name_at(message.param_index) if message.param_index >= 0 else message.param_id
    if name is not None and name in params:
        channel.send_param(name)


def _on_param_set(channel: Channel, message: Message) -> None:
    if channel.vehicle.params.set(message.param_id, message.param_value):
        channel.send_param(message.param_id)


def _on_data_stream(channel: Channel, message: Message) -> None:
    if message.req_stream_id == mavlink.MAV_DATA_STREAM_ALL:
        groups = tuple(STREAM_GROUPS.values())
    else:
        groups = (STREAM_GROUPS.get(message.req_stream_id, ()),)
    on = message.start_stop == 1 and message.req_message_rate > 0
    for message_id in (i for group in groups for i in group):
        channel.set_interval(message_id, 1e6 / message.req_message_rate if on else -1)


def _on_timesync(channel: Channel, message: Message) -> None:
    if message.tc1 == 0:
        channel.send(mavlink.MAVLink_timesync_message(round(channel.vehicle.time_s * 1e9), message.ts1))


def _on_ping(channel: Channel, message: Message) -> None:
    if message.target_system == 0:
        source = message.get_srcSystem(), message.get_srcComponent()
        channel.send(mavlink.MAVLink_ping_message(message.time_usec, message.seq, *source))


def _within_reason(*metres: float) -> bool:
    """True for numbers that can be flown to, or at."""
    return all(abs(value) <= HIGHEST_M for value in metres)


def _on_target_global(channel: Channel, message: Message) -> None:
    vehicle = channel.vehicle
    if vehicle.mode is not Mode.GUIDED or not vehicle.armed or vehicle.landed:
        return
    if not message.type_mask & 0x7:
        lat, lon = message.lat_int / 1e7, message.lon_int / 1e7
        if abs(lat) <= 90 and abs(lon) <= 180 and _within_reason(message.alt):
            point, terrain = commands.place_in(channel, lat, lon, message.alt, message.coordinate_frame)
            if not vehicle.geofence.allows(*vehicle.pilot.amsl(point, terrain)):
                return
            turns = not message.type_mask & 0x400 and math.isfinite(message.yaw)
            vehicle.pilot.go_guided(point, terrain, message.yaw if turns else None)
    elif not message.type_mask & 0x38 and _within_reason(message.vx, message.vy, message.vz):
        vehicle.pilot.go_guided_velocity((message.vy, message.vx, -message.vz))
    elif not message.type_mask & 0x1C0 and _within_reason(message.afx, message.afy, message.afz):
        vehicle.pilot.go_guided_velocity((message.afy, message.afx, -message.afz), accel=True)


def _on_target_local(channel: Channel, message: Message) -> None:
    vehicle, e = channel.vehicle, channel.vehicle.estimate
    if vehicle.mode is not Mode.GUIDED or not vehicle.armed or vehicle.landed:
        return
    by_body = message.coordinate_frame in (8, 9)  # BODY_NED, BODY_OFFSET_NED
    from_here = message.coordinate_frame in (7, 8, 9)  # offsets count from the vehicle

    def east_north(forward: float, right: float) -> tuple[float, float]:
        if not by_body:
            return right, forward
        c, s = math.cos(e.yaw_rad), math.sin(e.yaw_rad)
        return forward * s + right * c, forward * c - right * s

    if not message.type_mask & 0x7:
        if not _within_reason(message.x, message.y, message.z):
            return
        east, north = east_north(message.x, message.y)
        base = (e.east_m, e.north_m, e.up_m) if from_here else vehicle.origin
        goal = base[0] + east, base[1] + north, base[2] - message.z
        if vehicle.geofence.allows(*goal):
            vehicle.pilot.go_guided(goal)
    elif not message.type_mask & 0x38 and _within_reason(message.vx, message.vy, message.vz):
        vehicle.pilot.go_guided_velocity((*east_north(message.vx, message.vy), -message.vz))
    elif not message.type_mask & 0x1C0 and _within_reason(message.afx, message.afy, message.afz):
        wish = (*east_north(message.afx, message.afy), -message.afz)
        vehicle.pilot.go_guided_velocity(wish, accel=True)


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
        vehicle.pilot.go_guided(point, terrain)
    source = message.get_srcSystem(), message.get_srcComponent()
    accepted = 0 if vehicle.mode is Mode.GUIDED and known else 1
    channel.send(mavlink.MAVLink_mission_ack_message(*source, accepted, 0))


def _share(stick: float) -> float:
    return max(-1.0, min(1.0, stick))


def _on_rc_override(channel: Channel, message: Message) -> None:
    vehicle = channel.vehicle
    raw = (message.chan1_raw, message.chan2_raw, message.chan3_raw, message.chan4_raw)
    sticks = vehicle.sticks
    if all(value in (0, 65535) for value in raw):
        sticks.until_s = -1.0
        return
    values = [_share((value - 1500) / 500) if 800 <= value <= 2200 else None for value in raw]
    roll, pitch, throttle, yaw = values
    sticks.roll = roll if roll is not None else sticks.roll
    sticks.pitch = -pitch if pitch is not None else sticks.pitch
    sticks.yaw = yaw if yaw is not None else sticks.yaw
    rest = -1.0 if vehicle.landed else 0.0
    sticks.throttle = throttle if throttle is not None else (sticks.throttle or rest)
    sticks.until_s = vehicle.time_s + vehicle.params["RC_OVERRIDE_TIME"]


def _on_manual_control(channel: Channel, message: Message) -> None:
    vehicle = channel.vehicle
    sticks = vehicle.sticks
    sticks.pitch, sticks.roll = _share(message.x / 1000), _share(message.y / 1000)
    sticks.yaw, sticks.throttle = _share(message.r / 1000), _share(message.z / 500 - 1.0)
    sticks.until_s = vehicle.time_s + vehicle.params["RC_OVERRIDE_TIME"]


def _on_terrain_data(channel: Channel, message: Message) -> None:
    channel.vehicle.terrain.take(
        message.lat, message.lon, message.grid_spacing, message.gridbit, list(message.data)
    )


def _on_terrain_check(channel: Channel, message: Message) -> None:
    if abs(message.lat) <= 900_000_000 and abs(message.lon) <= 1_800_000_000:
        channel.send(telemetry.terrain_report_at(channel.vehicle, message.lat, message.lon))


_INCOMING: dict[str, Callable[[Channel, Message], None]] = {
    "HEARTBEAT": _on_heartbeat,
    "COMMAND_LONG": _on_command,
    "COMMAND_INT": _on_command,
    "SET_MODE": _on_set_mode,
    "PARAM_REQUEST_LIST": _on_param_list,
    "PARAM_REQUEST_READ": _on_param_read,
    "PARAM_SET": _on_param_set,
    "REQUEST_DATA_STREAM": _on_data_stream,
    "TIMESYNC": _on_timesync,
    "PING": _on_ping,
    "SET_POSITION_TARGET_GLOBAL_INT": _on_target_global,
    "SET_POSITION_TARGET_LOCAL_NED": _on_target_local,
    "MISSION_ITEM": _on_item,
    "MISSION_ITEM_INT": _on_item,
    "RC_CHANNELS_OVERRIDE": _on_rc_override,
    "MANUAL_CONTROL": _on_manual_control,
    "TERRAIN_DATA": _on_terrain_data,
    "TERRAIN_CHECK": _on_terrain_check,
}
