"""Settings of a camera (exposure, white balance, ...): listed, set and confirmed (PARAM_EXT messages).

https://mavlink.io/en/services/camera_def.html, https://mavlink.io/en/services/parameter_ext.html. A value is
128 bytes of which its type says how many count. What a setting means is the camera's business; names and
values are shown as it tells them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import CameraError
from flight.photos.cameras import CameraUnit
from flight.vehicle import Inbox, Vehicle
from flight.wire import Message, decode_text

_FORMATS = {
    mavlink.MAV_PARAM_EXT_TYPE_UINT8: "<B",
    mavlink.MAV_PARAM_EXT_TYPE_INT8: "<b",
    mavlink.MAV_PARAM_EXT_TYPE_UINT16: "<H",
    mavlink.MAV_PARAM_EXT_TYPE_INT16: "<h",
    mavlink.MAV_PARAM_EXT_TYPE_UINT32: "<I",
    mavlink.MAV_PARAM_EXT_TYPE_INT32: "<i",
    mavlink.MAV_PARAM_EXT_TYPE_UINT64: "<Q",
    mavlink.MAV_PARAM_EXT_TYPE_INT64: "<q",
    mavlink.MAV_PARAM_EXT_TYPE_REAL32: "<f",
    mavlink.MAV_PARAM_EXT_TYPE_REAL64: "<d",
}
_REALS = (mavlink.MAV_PARAM_EXT_TYPE_REAL32, mavlink.MAV_PARAM_EXT_TYPE_REAL64)
_VALUE_BYTES = 128
_NAME_BYTES = 16
_TRIES = 4
_THINKS_S = 20.0
"""A camera that says that it is at it is waited for so long."""

Value = int | float | str


@dataclass(frozen=True)
class CameraSetting:
    """One setting; `type` is MAV_PARAM_EXT_TYPE."""

    name: str
    value: Value
    type: int


async def list_settings(vehicle: Vehicle, unit: CameraUnit) -> Mapping[str, CameraSetting]:
    """All settings of a camera by name; none of one that has no such list. Raises CameraError when some do
    not come."""
    found: dict[int, CameraSetting] = {}
    total: int | None = None
    with vehicle.inbox() as inbox:
        vehicle.send(mavlink.MAVLink_param_ext_request_list_message(vehicle.sysid, unit.compid))
        quiet = 0
        while quiet < _TRIES and (total is None or len(found) < total):
            message = await inbox.next(_is_value_of(unit), vehicle.answer_s)
            if message is not None:
                quiet, total = 0, int(message.param_count)
                if message.param_index < total:
                    found[int(message.param_index)] = _setting(message)
                continue
            quiet += 1
            if total is None:
                vehicle.send(mavlink.MAVLink_param_ext_request_list_message(vehicle.sysid, unit.compid))
                continue
            for index in sorted(set(range(total)) - set(found)):
                vehicle.send(
                    mavlink.MAVLink_param_ext_request_read_message(vehicle.sysid, unit.compid, b"", index)
                )
    if total is not None and len(found) < total:
        raise CameraError(
            f"{_who(vehicle, unit)} {total - len(found)} of its {total} settings do not come; go nearer"
        )
    return {setting.name: setting for _, setting in sorted(found.items())}


async def get_setting(vehicle: Vehicle, unit: CameraUnit, name: str) -> CameraSetting:
    """One setting. Raises CameraError."""
    key = _name(name)
    with vehicle.inbox() as inbox:
        for _ in range(_TRIES):
            vehicle.send(mavlink.MAVLink_param_ext_request_read_message(vehicle.sysid, unit.compid, key, -1))
            message = await inbox.next(_is_value_of(unit, name), vehicle.answer_s)
            if message is not None:
                return _setting(message)
    raise CameraError(f"{_who(vehicle, unit)} does not tell {name}; `missionctl camera settings` lists them")


async def change_setting(vehicle: Vehicle, unit: CameraUnit, name: str, text: str) -> CameraSetting:
    """Set one, given as a person writes it; returns what the camera has confirmed. Raises CameraError."""
    held = await get_setting(vehicle, unit, name)
    content = _bytes_of(name, text, held.type)
    key = _name(name)
    order = mavlink.MAVLink_param_ext_set_message(vehicle.sysid, unit.compid, key, content, held.type)
    with vehicle.inbox() as inbox:
        for _ in range(_TRIES):
            vehicle.send(order)
            answer = await _answer(inbox, vehicle, unit, name)
            if answer is None:
                continue
            if answer.param_result == mavlink.PARAM_ACK_ACCEPTED:
                return CameraSetting(name, _value(_raw(answer), answer.param_type), int(answer.param_type))
            why = "does not take that value" if answer.param_result == 1 else "failed to change it"
            raise CameraError(f"{_who(vehicle, unit)} {name} = {text}: it {why}; it stays {held.value}")
    raise CameraError(f"{_who(vehicle, unit)} {name} = {text}: no answer; read it before you rely on it")


async def _answer(inbox: Inbox, vehicle: Vehicle, unit: CameraUnit, name: str) -> Message | None:
    """The last word on an order; an IN_PROGRESS gives the camera time."""

    def fits(message: Message) -> bool:
        return (
            message.get_type() == "PARAM_EXT_ACK"
            and message.get_srcComponent() == unit.compid
            and decode_text(message.param_id) == name
        )

    patience_s = vehicle.answer_s
    while (message := await inbox.next(fits, patience_s)) is not None:
        if message.param_result != mavlink.PARAM_ACK_IN_PROGRESS:
            return message
        patience_s = _THINKS_S
    return None


def _is_value_of(unit: CameraUnit, name: str | None = None) -> Callable[[Message], bool]:
    def fits(message: Message) -> bool:
        return (
            message.get_type() == "PARAM_EXT_VALUE"
            and message.get_srcComponent() == unit.compid
            and (name is None or decode_text(message.param_id) == name)
        )

    return fits


def _setting(message: Message) -> CameraSetting:
    kind = int(message.param_type)
    return CameraSetting(decode_text(message.param_id), _value(_raw(message), kind), kind)


def _raw(message: Message) -> bytes:
    """The value as it is on the wire: pymavlink's own field has lost what is not text."""
    return bytes(message._param_value_raw).ljust(_VALUE_BYTES, b"\0")


def _value(raw: bytes, kind: int) -> Value:
    shape = _FORMATS.get(kind)
    if shape is None:
        return raw.split(b"\0", 1)[0].decode("utf-8", "replace")
    value = struct.unpack_from(shape, raw)[0]
    if kind == mavlink.MAV_PARAM_EXT_TYPE_REAL32:
        return float(f"{value:.7g}")  # what a person wrote, not its nearest binary fraction
    return float(value) if kind in _REALS else int(value)


def _bytes_of(name: str, text: str, kind: int) -> bytes:
    """A value on the wire. Raises CameraError when the type cannot hold it."""
    shape = _FORMATS.get(kind)
    try:
        if shape is None:
            raw = text.encode("utf-8")
            if len(raw) > _VALUE_BYTES:
                raise ValueError
            return raw
        return struct.pack(shape, float(text) if kind in _REALS else int(text, 0))
    except (ValueError, struct.error, OverflowError):
        wants = "up to 128 bytes of text" if shape is None else "a number that fits its type"
        raise CameraError(f"{name} = {text}: give {wants}") from None


def _name(name: str) -> bytes:
    raw = name.encode("ascii", "replace")
    if not name or not name.isascii() or len(raw) > _NAME_BYTES:
        raise CameraError(f"{name!r} is no name of a setting: 1 to {_NAME_BYTES} letters")
    return raw


def _who(vehicle: Vehicle, unit: CameraUnit) -> str:
    return f"vehicle {vehicle.sysid}, {unit.name}:"
