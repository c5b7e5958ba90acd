"""The marks that a vehicle gives its lists itself: the extension fields that pymavlink's dialect does not
carry.

MISSION_ACK.opaque_id, MISSION_COUNT.opaque_id, MISSION_CURRENT.mission_id, fence_id, rally_points_id
(https://mavlink.io/en/services/mission.html#opaque_id). 0 where the vehicle has none: all of ArduPilot up to
4.7.
"""

from __future__ import annotations

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.missions.lists import FENCE, MISSION, RALLY
from flight.wire import Message, packet_of

_OFFSETS = {mavlink.MAVLINK_MSG_ID_MISSION_ACK: 4, mavlink.MAVLINK_MSG_ID_MISSION_COUNT: 5}
_CURRENT_OFFSETS = {MISSION: 6, FENCE: 10, RALLY: 14}


def opaque_id_of(message: Message) -> int:
    """The mark in a MISSION_ACK or MISSION_COUNT; 0 for none."""
    return _number_at(message, _OFFSETS[message.get_msgId()])


def current_id_of(message: Message, kind: int) -> int:
    """The mark of one kind of list in a MISSION_CURRENT; 0 for none."""
    return _number_at(message, _CURRENT_OFFSETS[kind])


def _number_at(message: Message, offset: int) -> int:
    packet = packet_of(message)
    if packet[0] != mavlink.PROTOCOL_MARKER_V2:
        return 0
    payload = packet[mavlink.HEADER_LEN_V2 : mavlink.HEADER_LEN_V2 + packet[1]]
    return int.from_bytes(payload[offset : offset + 4], "little")  # trailing noughts do not travel
