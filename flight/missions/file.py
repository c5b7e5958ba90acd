"""Lists of items as files: ArduPilot serves and takes its mission, fence and rally points as one file each.

@MISSION/mission.dat, fence.dat, rally.dat (AP_Filesystem_Mission.cpp): five 16-bit numbers, then the payload
of a MISSION_ITEM_INT for each item. The vehicle takes a file when it is closed, whole or not at all; whether
it took it, only reading it back tells. No timer of the vehicle's runs meanwhile, so that it works on links on
which items one by one do not.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.errors import FileError, FlightError, TransferError
from flight.ftp.files import open_files
from flight.missions.asking import LINK_SHARE
from flight.missions.lists import FENCE, KIND_NAMES, MISSION, RALLY, OnShare
from flight.vehicle import Vehicle
from flight.wire import item_to_message, message_to_item
from plans.mission import MissionItem

_PATHS = {MISSION: "@MISSION/mission.dat", FENCE: "@MISSION/fence.dat", RALLY: "@MISSION/rally.dat"}
_HEADER = struct.Struct("<HHHHH")
_MAGIC = 0x763D
_ITEM = mavlink.MAVLink_mission_item_int_message.unpacker
_NAMES = mavlink.MAVLink_mission_item_int_message.fieldnames
_ORDER = mavlink.MAVLink_mission_item_int_message.orders


def pack_items(items: Sequence[MissionItem], kind: int, sysid: int = 1, compid: int = 1) -> bytes:
    """The file of a whole list."""
    content = bytearray(_HEADER.pack(_MAGIC, kind, 0, 0, len(items)))
    for seq, item in enumerate(items):
        message = item_to_message(item, seq, sysid, compid, kind)
        content += _ITEM.pack(*(getattr(message, name) for name in message.ordered_fieldnames))
    return bytes(content)


def unpack_items(content: bytes, kind: int) -> tuple[MissionItem, ...]:
    """The list in a file. Raises FlightError when it is none of that kind, or not whole."""
    told = file_bytes(content)
    if told is None or _HEADER.unpack_from(content)[1] != kind:
        raise FlightError(
            f"the file with the vehicle's {KIND_NAMES[kind]} holds something else; read it again"
        )
    if len(content) < told:
        raise FlightError(
            f"the file with the vehicle's {KIND_NAMES[kind]} has {len(content)} bytes instead of {told}; "
            "read it again"
        )
    items = []
    for values in _ITEM.iter_unpack(content[_HEADER.size : told]):
        message = mavlink.MAVLink_mission_item_int_message(*(values[i] for i in _ORDER))
        items.append(message_to_item(message))
    return tuple(items)


def file_bytes(beginning: bytes) -> int | None:
    """How long a file is by its first bytes; None for too few of them, or for no such file."""
    if len(beginning) < _HEADER.size:
        return None
    magic, _, _, _, count = _HEADER.unpack_from(beginning)
    return _HEADER.size + count * _ITEM.size if magic == _MAGIC else None


async def write_file(
    vehicle: Vehicle, items: Sequence[MissionItem], kind: int, on_share: OnShare | None = None
) -> None:
    """Give the vehicle a list as a file. Raises FileError; what it holds has to be read back."""
    async with open_files(vehicle, share=LINK_SHARE) as files:
        await files.write(_PATHS[kind], pack_items(items, kind, vehicle.sysid, vehicle.compid), on_share)


async def read_file(vehicle: Vehicle, kind: int, on_share: OnShare | None = None) -> tuple[MissionItem, ...]:
    """Read the vehicle's list as a file. Raises TransferError."""
    try:
        async with open_files(vehicle, share=LINK_SHARE) as files:
            return unpack_items(await files.read(_PATHS[kind], on_share, file_bytes), kind)
    except FileError as fault:
        raise TransferError(
            f"vehicle {vehicle.sysid}: its {KIND_NAMES[kind]} did not come as a file: {fault}", None, kind
        ) from None
    except FlightError as fault:
        raise TransferError(f"vehicle {vehicle.sysid}: {fault}", None, kind) from None
