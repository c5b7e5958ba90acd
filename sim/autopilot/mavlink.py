"""The vehicle's MAVLink face: channels with their streams, and what incoming messages do.

Time in here is simulated time: at a speed-up, streams grow and time-outs shrink on the wall clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import AUTOPILOT_COMPONENT, Encoder, Message, packet_of
from sim.autopilot.card import Card
from sim.autopilot.craft import Craft, Event, HomeSet, Shot, Text
from sim.autopilot.files import FileServer
from sim.autopilot.signing import Signer, Streams

V = TypeVar("V", bound=Craft)
ACCEPTED, FAILED = mavlink.MAV_RESULT_ACCEPTED, mavlink.MAV_RESULT_FAILED
HEARTBEAT_S = 1.0
ADSB_S = 1.0
HIGH_LATENCY_S = 5.0
_SHORTEST_S = 0.02
_PARAMS_PER_STEP = 20
_TRUSTED = ("RADIO", "RADIO_STATUS")


class Channel(Generic[V]):
    """One vehicle on one link: its sequence numbers, streams, parameter list and mission exchange.

    `write` takes the bytes of one message; its second argument is True for messages that may be dropped
    when the link is slow (streams), as ArduPilot drops them.
    """

    def __init__(self, vehicle: V, write: Callable[[bytes, bool], None], high_latency: bool = False) -> None:
        """`high_latency`: a satellite modem, as ArduPilot's serial protocol MAVLinkHL. Nothing goes out on it
        until MAV_CMD_CONTROL_HIGH_LATENCY opens it, then HIGH_LATENCY2 instead of heartbeats."""
        self.vehicle = vehicle
        self.speech = vehicle.speech
        self.high_latency = high_latency
        vehicle.has_modem = vehicle.has_modem or high_latency
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
        self.exchange = self.speech.exchange(vehicle, self.send)
        self.signer = Signer()
        self.reset_streams()

    # -- out -----------------------------------------------------------------------------------------------

    def send(self, message: Message, droppable: bool = False) -> None:
        """Put a message on the link."""
        if self.high_latency and not self._goes_over_modem(message):
            return
        self._write(self.signer.sign(self._encoder.encode(message), message.crc_extra), droppable)

    def _goes_over_modem(self, message: Message) -> bool:
        spoken = self.speech.over_modem
        return self.vehicle.high_latency_open and (spoken is None or message.get_msgId() in spoken)

    def send_state(self, message_id: int) -> bool:
        """Send a state message once; False if this vehicle has no such message, or nothing to say in it."""
        build = self.speech.builders.get(message_id)
        message = build(self.vehicle) if build else None
        if message is None:
            return False
        self.send(message)
        return True

    def reset_streams(self) -> None:
        """Only what streams of itself, and heartbeats begun anew (the link has got another client)."""
        now = self.vehicle.time_s
        own = {} if self.high_latency else self.speech.streams_hz
        self._streams = {number: [1.0 / hz, now] for number, hz in own.items()}
        self._next_stream_s = now if self._streams else math.inf
        self._next_heartbeat_s = now
        self._params_left.clear()

    def set_interval(self, message_id: int, interval_us: float) -> int:
        """SET_MESSAGE_INTERVAL: -1 stops it, 0 is what the vehicle does of itself. Returns MAV_RESULT."""
        if message_id not in self.speech.builders or not math.isfinite(interval_us):
            return FAILED
        if message_id == mavlink.MAVLINK_MSG_ID_HEARTBEAT:
            return ACCEPTED
        own_hz = self.speech.streams_hz.get(message_id, 0.0)
        if interval_us == 0.0 and own_hz:
            interval_us = 1e6 / own_hz
        if interval_us <= 0.0:
            self._streams.pop(message_id, None)
        else:
            self._streams[message_id] = [max(interval_us / 1e6, _SHORTEST_S), self.vehicle.time_s]
        self._next_stream_s = self.vehicle.time_s if self._streams else math.inf
        return ACCEPTED

    def interval_us(self, message_id: int) -> int:
        """The interval of a stream as MESSAGE_INTERVAL gives it: -1 off, 0 no such message."""
        if message_id not in self.speech.builders:
            return 0
        stream = self._streams.get(message_id)
        return round(stream[0] * 1e6) if stream else -1

    def tick(self) -> None:
        """Called after each step of the vehicle: whatever is due."""
        now = self.vehicle.time_s
        if self.high_latency:
            if now >= self._next_high_latency_s and self.vehicle.high_latency_open:
                self._next_high_latency_s = now + HIGH_LATENCY_S
                self.send_state(mavlink.MAVLINK_MSG_ID_HIGH_LATENCY2)
        elif now >= self._next_heartbeat_s:
            self._next_heartbeat_s = now + HEARTBEAT_S
            self.send_state(mavlink.MAVLINK_MSG_ID_HEARTBEAT)
        if now >= self._next_stream_s:
            self._send_streams(now)
        if now >= self._next_timesync_s and not self.high_latency and self.speech.timesync_s < math.inf:
            self._next_timesync_s = now + self.speech.timesync_s
            self.send(mavlink.MAVLink_timesync_message(0, round(now * 1e9)), droppable=True)
        if self.vehicle.aircraft and now >= self._next_adsb_s:
            self._next_adsb_s = now + ADSB_S
            for aircraft in self.vehicle.aircraft:
                self.send(aircraft.message(now, self.vehicle.place), droppable=True)
        if self._params_left:
            for name in self._params_left[:_PARAMS_PER_STEP]:
                self.send_param(name)
            del self._params_left[:_PARAMS_PER_STEP]
        self.exchange.update()

    def _send_streams(self, now: float) -> None:
        soonest = math.inf
        for message_id, stream in self._streams.items():
            if now >= stream[1] - 1e-9:
                stream[1] = max(stream[1] + stream[0], now)
                message = self.speech.builders[message_id](self.vehicle)
                if message is not None:
                    self.send(message, droppable=True)
            soonest = min(soonest, stream[1])
        self._next_stream_s = soonest

    def send_param(self, name: str) -> None:
        """PARAM_VALUE of one parameter."""
        self.send(self.speech.param_value(self.vehicle, name))

    def send_all_params(self) -> None:
        """Begin to list the parameters."""
        self._params_left = [*self.speech.listed_first, *self.vehicle.params.known]

    def send_text(self, text: Text, number: int) -> None:
        """A STATUSTEXT, in pieces if it is long."""
        for message in self.speech.texts(text, number % 65535 + 1):
            self.send(message)

    def heartbeat_now(self) -> None:
        """Send the next heartbeat with the next step (the mode has changed)."""
        self._next_heartbeat_s = self.vehicle.time_s


class Face(Generic[V]):
    """A vehicle and all its channels. `step` advances it and tells every channel what happened."""

    def __init__(
        self,
        vehicle: V,
        on_event: Callable[[Event], None] | None = None,
        photos: Path | None = None,
    ) -> None:
        """`on_event` is told of every event of the vehicle, before the channels are; `photos` is where the
        camera writes."""
        self.vehicle = vehicle
        self._on_event = on_event
        self.channels: list[Channel[V]] = []
        self.speech = vehicle.speech
        self.logbook = self.speech.logbook(vehicle)
        card = Card(
            self.logbook.contents,
            vehicle.params,
            photos,
            log_folder=self.speech.log_folder,
            packs_params=self.speech.packs_params,
        )
        self.files = FileServer(card, lambda: vehicle.time_s)
        self.shots: list[Shot] = []
        """Photos not yet fetched; whoever owns the face empties it."""
        self._told = (vehicle.mode, vehicle.armed)
        self._texts = 0

    def step(self) -> None:
        """One step of simulated time."""
        vehicle = self.vehicle
        vehicle.step()
        if (vehicle.mode, vehicle.armed) != self._told:
            self._told = (vehicle.mode, vehicle.armed)
            if self.speech.beats_on_change:
                for channel in self.channels:
                    channel.heartbeat_now()
        if vehicle.events:
            self._tell_events()
        for message in self.speech.news(vehicle):
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
                for message in self.speech.of_shot(self.vehicle, event):
                    self._broadcast(message)
                self.shots.append(event)
            elif isinstance(event, HomeSet):
                for number in self.speech.told_at_home:
                    for channel in self.channels:
                        channel.send_state(number)

    # -- in ------------------------------------------------------------------------------------------------

    def handle(self, channel: Channel[V], message: Message) -> None:
        """Take a message from the client of a channel."""
        if channel.signer.on and not self._trusts(channel, message):
            return
        target = getattr(message, "target_system", 0)
        if target not in (0, self.vehicle.sysid):
            return
        if message.get_type() == "SETUP_SIGNING" and self.speech.signs:
            self._set_up_signing(message)
            return
        handler = self.speech.incoming.get(message.get_type())
        if handler is not None:
            handler(channel, message)
        elif not self.files.handle(channel, message) and not self.logbook.handle(channel, message):
            channel.exchange.handle(message)

    def _trusts(self, channel: Channel[V], message: Message) -> bool:
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
