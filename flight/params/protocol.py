"""Parameters of a vehicle: all of them, one, set and read back.

Whole numbers travel in a float field in one of two ways: PX4 puts their bytes there, ArduPilot their value.
The vehicle's capability bits say which (MAVLink parameter protocol); its brand decides only where it does not
tell its capabilities.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.commands.basics import request_message
from flight.errors import ParameterError
from flight.vehicle import Inbox, Vehicle
from flight.wire import Message, decode_text

OnShare = Callable[[float], None]

REAL32 = mavlink.MAV_PARAM_TYPE_REAL32
_FORMATS = {
    mavlink.MAV_PARAM_TYPE_UINT8: "<B3x",
    mavlink.MAV_PARAM_TYPE_INT8: "<b3x",
    mavlink.MAV_PARAM_TYPE_UINT16: "<H2x",
    mavlink.MAV_PARAM_TYPE_INT16: "<h2x",
    mavlink.MAV_PARAM_TYPE_UINT32: "<I",
    mavlink.MAV_PARAM_TYPE_INT32: "<i",
}
"""How a whole number lies in the four bytes of the float field, where values go bytewise."""
_RANGES = {
    mavlink.MAV_PARAM_TYPE_UINT8: (0, 2**8 - 1),
    mavlink.MAV_PARAM_TYPE_INT8: (-(2**7), 2**7 - 1),
    mavlink.MAV_PARAM_TYPE_UINT16: (0, 2**16 - 1),
    mavlink.MAV_PARAM_TYPE_INT16: (-(2**15), 2**15 - 1),
    mavlink.MAV_PARAM_TYPE_UINT32: (0, 2**32 - 1),
    mavlink.MAV_PARAM_TYPE_INT32: (-(2**31), 2**31 - 1),
}
_ERROR_WORDS = {
    mavlink.MAV_PARAM_ERROR_DOES_NOT_EXIST: "is not one of its parameters",
    mavlink.MAV_PARAM_ERROR_VALUE_OUT_OF_RANGE: "cannot have that value: out of range",
    mavlink.MAV_PARAM_ERROR_PERMISSION_DENIED: "cannot be changed now: permission denied",
    mavlink.MAV_PARAM_ERROR_READ_ONLY: "is read-only",
}
_NO_INDEX = 65535
_NAME_BYTES = 16
_BATCH = 16
_GET_TRIES = 3


@dataclass(frozen=True)
class Param:
    """One parameter. `type` is MAV_PARAM_TYPE; whole numbers are floats with a whole value."""

    name: str
    value: float
    type: int = REAL32

    @property
    def whole(self) -> bool:
        """True for parameters that hold whole numbers."""
        return self.type in _RANGES

    def text(self) -> str:
        """The value as a person writes it."""
        return number_text(self.value)


def number_text(value: float) -> str:
    """The shortest text that gives the same 32-bit float."""
    if math.isfinite(value) and value == round(value) and abs(value) < 2**53:
        return str(round(value))
    return next(
        (text for digits in range(6, 10) if to_float32(float(text := f"{value:.{digits}g}")) == value),
        repr(value),
    )


def to_float32(value: float) -> float:
    """The value that a 32-bit float field carries."""
    if not math.isfinite(value):
        return value
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def encode_value(value: float, kind: int, bytewise: bool) -> float:
    """What goes into the float field. Raises ParameterError for a value that the type does not hold."""
    if kind not in _RANGES:
        return to_float32(value)
    low, high = _RANGES[kind]
    if value != value or value != round(value) or not low <= value <= high:
        raise ParameterError(f"{number_text(value)} is not a whole number from {low} to {high}")
    if not bytewise:
        return float(value)
    return float(struct.unpack("<f", struct.pack(_FORMATS[kind], round(value)))[0])


def decode_value(field: float, kind: int, bytewise: bool) -> float:
    """The value that the float field means."""
    if kind not in _RANGES or not bytewise:
        return float(field)
    return float(struct.unpack(_FORMATS[kind], struct.pack("<f", field))[0])


async def values_are_bytewise(vehicle: Vehicle) -> bool:
    """How this vehicle puts whole numbers into parameter messages, by its capability bits."""
    version = await request_message(vehicle, mavlink.MAVLINK_MSG_ID_AUTOPILOT_VERSION)
    if version is not None:
        if version.capabilities & mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_ENCODE_BYTEWISE:
            return True
        if version.capabilities & (
            mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_ENCODE_C_CAST | mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_FLOAT
        ):
            return False
    return vehicle.state.is_px4


async def fetch_all(vehicle: Vehicle, on_share: OnShare | None = None) -> dict[str, Param]:
    """All parameters by name, in the vehicle's order. What is lost on the way is asked for by its index.

    Raises ParameterError when they do not all come.
    """
    bytewise = await values_are_bytewise(vehicle)
    found: dict[int, Param] = {}
    numbers: dict[str, int] = {}
    count = best = misses = 0
    with vehicle.inbox() as inbox:
        vehicle.send(mavlink.MAVLink_param_request_list_message(vehicle.sysid, vehicle.compid))
        until_s = vehicle.now_s() + vehicle.profile.answer_s
        while misses < vehicle.profile.tries:
            message = await _next_value(vehicle, inbox, until_s=until_s)
            if message is None:
                misses += 1
                until_s = vehicle.now_s() + vehicle.profile.answer_s
                if not count:
                    vehicle.send(mavlink.MAVLink_param_request_list_message(vehicle.sysid, vehicle.compid))
                for index in [i for i in range(count) if i not in found][:_BATCH]:
                    vehicle.send(
                        mavlink.MAVLink_param_request_read_message(vehicle.sysid, vehicle.compid, b"", index)
                    )
                continue
            if message.param_index >= message.param_count:
                continue  # somebody has set one meanwhile (65535), or it makes no sense
            if message.param_count < count:
                found = {i: p for i, p in found.items() if i < message.param_count}
            count, param = message.param_count, _param_of(message, bytewise)
            # the numbers move when an option shows or hides others: the older word no longer holds
            older = numbers.get(param.name, message.param_index)
            if older != message.param_index and older in found and found[older].name == param.name:
                del found[older]
            found[message.param_index] = param
            numbers[param.name] = message.param_index
            if len(found) <= best:
                continue  # the same again: that is no reason to wait for more
            best, misses = len(found), 0
            until_s = vehicle.now_s() + vehicle.profile.answer_s
            if on_share is not None:
                on_share(len(found) / count)
            if len(found) >= count:
                return {found[i].name: found[i] for i in sorted(found)}
    heard = f"{len(found)} of {count}" if count else "none"
    raise ParameterError(f"vehicle {vehicle.sysid}: {heard} of its parameters came; try again")


async def get_param(vehicle: Vehicle, name: str, bytewise: bool | None = None) -> Param:
    """One parameter. Raises ParameterError when the vehicle does not know it or does not answer."""
    if bytewise is None:
        bytewise = await values_are_bytewise(vehicle)
    wanted = _checked_name(name)
    with vehicle.inbox() as inbox:
        for _ in range(min(_GET_TRIES, vehicle.profile.tries)):
            vehicle.send(
                mavlink.MAVLink_param_request_read_message(
                    vehicle.sysid, vehicle.compid, wanted.encode("ascii"), -1
                )
            )
            message = await _next_value(vehicle, inbox, wanted)
            if message is not None:
                return _param_of(message, bytewise)
    raise ParameterError(
        f"vehicle {vehicle.sysid}: does not tell {wanted}; it has no such parameter, or the link is bad "
        "(missionctl params list shows what it has)"
    )


async def get_some(vehicle: Vehicle, names: Sequence[str]) -> dict[str, Param]:
    """Those of some parameters that the vehicle has and tells, asked for all at once. Never raises."""
    bytewise = await values_are_bytewise(vehicle)
    missing = dict.fromkeys(_checked_name(name) for name in names)
    found: dict[str, Param] = {}
    with vehicle.inbox() as inbox:
        for _ in range(min(_GET_TRIES, vehicle.profile.tries)):
            for name in missing:
                vehicle.send(
                    mavlink.MAVLink_param_request_read_message(
                        vehicle.sysid, vehicle.compid, name.encode("ascii"), -1
                    )
                )
            before = len(missing)
            until_s = vehicle.now_s() + vehicle.profile.answer_s
            while missing and (message := await _next_value(vehicle, inbox, until_s=until_s)) is not None:
                param = _param_of(message, bytewise)
                if param.name in missing:
                    del missing[param.name]
                    found[param.name] = param
                    until_s = vehicle.now_s() + vehicle.profile.answer_s
            if not missing or (found and len(missing) == before):
                break  # what is still missing it does not have
    return found


async def set_param(vehicle: Vehicle, name: str, value: float, bytewise: bool | None = None) -> Param:
    """Set a parameter and read it back; returns it as the vehicle now holds it.

    Raises ParameterError when there is no such parameter, the value does not fit, or it was not taken.
    """
    if bytewise is None:
        bytewise = await values_are_bytewise(vehicle)
    before = await get_param(vehicle, name, bytewise)
    try:
        field = encode_value(value, before.type, bytewise)
    except ParameterError as fault:
        raise ParameterError(f"{before.name}: {fault}") from None
    wanted = value if before.whole else to_float32(value)
    with vehicle.inbox() as inbox:
        for _ in range(vehicle.profile.tries):
            vehicle.send(
                mavlink.MAVLink_param_set_message(
                    vehicle.sysid, vehicle.compid, before.name.encode("ascii"), field, before.type
                )
            )
            if await _next_value(vehicle, inbox, before.name) is not None:
                break
    after = await get_param(vehicle, before.name, bytewise)
    if not same_value(after.value, wanted):
        raise ParameterError(
            f"vehicle {vehicle.sysid}: {after.name} was to be {number_text(wanted)} but is {after.text()}; "
            "it may be read-only or out of range"
        )
    return after


@dataclass(frozen=True)
class Difference:
    """A parameter that is not the same here and there; None where it is missing."""

    name: str
    here: float | None
    there: float | None


def compare(here: Mapping[str, Param], there: Mapping[str, Param]) -> tuple[Difference, ...]:
    """What differs between two sets, by name."""
    found = []
    for name in sorted({*here, *there}):
        mine, theirs = here.get(name), there.get(name)
        if mine is None or theirs is None or not same_value(mine.value, theirs.value):
            found.append(Difference(name, mine.value if mine else None, theirs.value if theirs else None))
    return tuple(found)


def same_value(a: float, b: float) -> bool:
    """Equal as 32-bit floats that went through a text file."""
    return (a != a and b != b) or math.isclose(to_float32(a), to_float32(b), rel_tol=2e-6, abs_tol=1e-9)


async def _next_value(
    vehicle: Vehicle, inbox: Inbox, name: str | None = None, until_s: float | None = None
) -> Message | None:
    """The next PARAM_VALUE, of one parameter when it is named, within the usual time or until a moment.
    Raises ParameterError for a PARAM_ERROR of it, which newer autopilots send."""
    wait_s = vehicle.profile.answer_s if until_s is None else until_s - vehicle.now_s()

    def fits(message: Message) -> bool:
        return (
            message.get_type() in ("PARAM_VALUE", *(["PARAM_ERROR"] if name else []))
            and message.get_srcComponent() == vehicle.compid
            and (name is None or decode_text(message.param_id) == name)
        )

    message = await inbox.next(fits, wait_s)
    if message is not None and message.get_type() == "PARAM_ERROR":
        words = _ERROR_WORDS.get(message.error, f"error {message.error}")
        raise ParameterError(f"vehicle {vehicle.sysid}: {name} {words}")
    return message


def _param_of(message: Message, bytewise: bool) -> Param:
    kind = int(message.param_type)
    value = decode_value(message.param_value, kind, bytewise)
    return Param(decode_text(message.param_id), value, kind)


def _checked_name(name: str) -> str:
    wanted = name.strip().upper()
    if not wanted or len(wanted) > _NAME_BYTES or not wanted.isascii():
        raise ParameterError(f"parameter {name!r}: a name is 1 to {_NAME_BYTES} plain letters and digits")
    return wanted
