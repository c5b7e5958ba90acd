"""All parameters by the fastest way that the vehicle has: as one packed file where it is an ArduPilot with
file transfer, else one message each.

The packed file (@PARAM/param.pck) is described in ArduPilot's libraries/AP_Filesystem/README.md.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import FileError, ParameterError
from flight.ftp.files import has_file_server, open_files
from flight.params.protocol import Param, fetch_all
from flight.vehicle import Vehicle

OnShare = Callable[[float], None]

PACKED_FILE = "@PARAM/param.pck"
_HEAD = struct.Struct("<HHH")
_MAGIC, _MAGIC_WITH_DEFAULTS = 0x671B, 0x671C
_TYPES = {
    1: (mavlink.MAV_PARAM_TYPE_INT8, struct.Struct("<b")),
    2: (mavlink.MAV_PARAM_TYPE_INT16, struct.Struct("<h")),
    3: (mavlink.MAV_PARAM_TYPE_INT32, struct.Struct("<i")),
    4: (mavlink.MAV_PARAM_TYPE_REAL32, struct.Struct("<f")),
}
_HAS_DEFAULT = 1
_NAME_BYTES = 16


def unpack_params(content: bytes) -> dict[str, Param]:
    """The parameters in a param.pck, in its order. Raises ParameterError when it is not whole or not one."""
    if len(content) < _HEAD.size:
        raise ParameterError("packed parameters: there is not even a header")
    magic, count, _ = _HEAD.unpack_from(content)
    if magic not in (_MAGIC, _MAGIC_WITH_DEFAULTS):
        raise ParameterError(f"packed parameters: begin with 0x{magic:04x}, which is no format of theirs")
    params: dict[str, Param] = {}
    at, name = _HEAD.size, b""
    while at < len(content):
        if not content[at]:
            at += 1  # fills a block, so that no value lies across two of them
            continue
        try:
            kind, value_of = _TYPES[content[at] & 0x0F]
            common, more = content[at + 1] & 0x0F, (content[at + 1] >> 4) + 1
            ends = at + 2 + more
            name = name[:common] + content[at + 2 : ends]
            text = name.decode("ascii")
            (value,) = value_of.unpack_from(content, ends)
        except (KeyError, IndexError, UnicodeDecodeError, struct.error):
            raise ParameterError(f"packed parameters: damaged at byte {at}, after {text_of(name)}") from None
        if len(name) > _NAME_BYTES or not text.isprintable():
            raise ParameterError(f"packed parameters: damaged at byte {at}: {text_of(name)} is no name")
        params[text] = Param(text, float(value), kind)
        with_default = magic == _MAGIC_WITH_DEFAULTS and content[at] >> 4 & _HAS_DEFAULT
        at = ends + value_of.size * (2 if with_default else 1)
    if len(params) != count:
        raise ParameterError(f"packed parameters: {len(params)} of {count} are there")
    return params


def text_of(name: bytes) -> str:
    """A name for a message, whatever its bytes are."""
    return name.decode("ascii", errors="replace") or "the beginning"


async def fetch_params(vehicle: Vehicle, on_share: OnShare | None = None) -> dict[str, Param]:
    """All parameters by name, in the vehicle's order. Raises ParameterError when they do not all come."""
    packed = None
    if not vehicle.state.is_px4 and await has_file_server(vehicle):
        packed = await _fetch_packed(vehicle)
    if packed is None:
        return await fetch_all(vehicle, on_share)
    if on_share is not None:
        on_share(1.0)
    return packed


async def _fetch_packed(vehicle: Vehicle) -> dict[str, Param] | None:
    """None when it cannot be had this way: the other one is slower, but always there."""
    try:
        async with open_files(vehicle) as files:
            return unpack_params(await files.read(PACKED_FILE))
    except (FileError, ParameterError):
        return None
