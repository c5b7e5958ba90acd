"""Messages that every simulated vehicle takes in the same way, whatever its autopilot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.wire import Message

if TYPE_CHECKING:
    from sim.autopilot.mavlink import Channel as AnyChannel

    Channel = AnyChannel[Any]


def on_param_list(channel: Channel, message: Message) -> None:
    """Begin to list the parameters."""
    channel.send_all_params()


def on_param_read(channel: Channel, message: Message) -> None:
    """Tell one parameter, by name or index."""
    params = channel.vehicle.params
    name = params.name_at(message.param_index) if message.param_index >= 0 else message.param_id
    if name is not None and name in params:
        channel.send_param(name)


def on_param_set(channel: Channel, message: Message) -> None:
    """Set one, and tell it."""
    if channel.vehicle.params.set(message.param_id, message.param_value):
        channel.send_param(message.param_id)


def on_timesync(channel: Channel, message: Message) -> None:
    """Answer with its own clock."""
    if message.tc1 == 0:
        channel.send(mavlink.MAVLink_timesync_message(round(channel.vehicle.time_s * 1e9), message.ts1))


def on_ping(channel: Channel, message: Message) -> None:
    """Answer."""
    if message.target_system == 0:
        source = message.get_srcSystem(), message.get_srcComponent()
        channel.send(mavlink.MAVLink_ping_message(message.time_usec, message.seq, *source))


def _share(stick: float) -> float:
    return max(-1.0, min(1.0, stick))


def take_sticks(vehicle: Any, message: Message, hold_s: float) -> None:
    """RC_CHANNELS_OVERRIDE: hold the sticks for a while, or let go of them."""
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
    sticks.until_s = vehicle.time_s + hold_s


def take_joystick(vehicle: Any, message: Message, hold_s: float) -> None:
    """MANUAL_CONTROL: the same, by a joystick."""
    sticks = vehicle.sticks
    sticks.pitch, sticks.roll = _share(message.x / 1000), _share(message.y / 1000)
    sticks.yaw, sticks.throttle = _share(message.r / 1000), _share(message.z / 500 - 1.0)
    sticks.until_s = vehicle.time_s + hold_s
